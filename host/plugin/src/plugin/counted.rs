//! The calls of a plugin, told by what they use instead of what they answer: for benchmarks.

use super::{Detector, Masker, Plugin, Session};
use crate::World;
use crate::context::{ExchangeContext, FieldInfo};
use crate::failure::PluginFailure;
use crate::usage::Usage;
use crate::words::ActionWords;

impl Plugin {
    /// Makes an instance and tells it of the exchange and its fields, as every exchange does, and lets it go.
    ///
    /// # Errors
    /// Whatever went wrong.
    pub fn begin_counted(
        &self,
        context: &ExchangeContext,
        fields: &[FieldInfo],
    ) -> Result<Usage, PluginFailure> {
        let begun = self.begin(context, fields).map_err(|event| self.failure(event))?;
        Ok(begun.usage())
    }

    /// Judges an action given in words, in a fresh instance.
    ///
    /// # Errors
    /// As [`Plugin::decide`].
    pub fn decide_counted(
        &self,
        context: &ExchangeContext,
        words: &ActionWords,
    ) -> Result<Usage, PluginFailure> {
        let decide = || {
            self.expect_world(World::Policy)?;
            let mut instance = self.begin(context, &[])?;
            let decided = instance.call(|bindings, store| bindings.decide_words(store, words))?;
            decided.map_err(|message| self.refusal(&message))?;
            Ok(instance.usage())
        };
        decide().map_err(|event| self.failure(event))
    }
}

impl Session {
    fn usage(&self) -> Result<Usage, PluginFailure> {
        match &self.state {
            Ok(instance) => Ok(instance.usage()),
            Err(event) => Err(self.plugin.failure(event.clone())),
        }
    }
}

impl Detector {
    /// What it has used since it began.
    ///
    /// # Errors
    /// It has failed, and its instance is gone.
    pub fn usage(&self) -> Result<Usage, PluginFailure> {
        self.0.usage()
    }
}

impl Masker {
    /// What it has used since it began.
    ///
    /// # Errors
    /// It has failed, and its instance is gone.
    pub fn usage(&self) -> Result<Usage, PluginFailure> {
        self.0.usage()
    }
}
