//! What the worker is given: inputs of plugins, copied, with what came of them.

use std::sync::Arc;
use std::time::Duration;

use grille_core::recording::{RecordedAsker, RecordedColumn, TreatedCount};
use grille_core::{Action, Decision, ExchangeId};
use grille_plugin::{ColumnTexts, ExchangeContext, FieldInfo, Plugin, PluginFailure, SessionContext};

/// In which exchange.
#[derive(Clone, Debug)]
pub(crate) struct Occasion {
    pub(crate) session: Arc<SessionContext>,
    pub(crate) exchange: ExchangeId,
}

/// One input of one plugin.
#[derive(Debug)]
pub(super) enum Input {
    /// A statement that a policy judged.
    Statement(Box<Statement>),
    /// Cells that a detector looked at.
    Cells(Box<Cells>),
    /// Values that a masker replaced.
    Values(Box<Values>),
    /// Cells as a client got them.
    Released(Box<Released>),
}

/// See [`Input::Statement`].
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) active: Arc<Plugin>,
    pub(super) candidate: Option<Arc<Plugin>>,
    pub(super) occasion: Occasion,
    pub(super) action: Action,
    pub(super) answer: Result<Decision, PluginFailure>,
    /// How long the active revision took.
    pub(super) took: Duration,
    pub(super) recording: Recorded,
}

/// Whether an input is to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recorded {
    Yes,
    No,
}

/// Two revisions of a plugin.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) active: Arc<Plugin>,
    pub(super) candidate: Arc<Plugin>,
}

/// See [`Input::Cells`].
#[derive(Debug)]
pub(super) struct Cells {
    pub(super) pair: Pair,
    pub(super) occasion: Occasion,
    /// All columns of the result.
    pub(super) fields: Arc<[FieldInfo]>,
    /// Labels whose findings count for nothing under the role.
    pub(super) kept: Vec<String>,
    pub(super) columns: Vec<ColumnTexts>,
}

/// See [`Input::Values`].
#[derive(Debug)]
pub(super) struct Values {
    pub(super) pair: Pair,
    pub(super) occasion: Occasion,
    pub(super) field: FieldInfo,
    pub(super) values: Vec<String>,
}

/// See [`Input::Released`].
#[derive(Debug)]
pub(super) struct Released {
    pub(super) plugin: Arc<Plugin>,
    pub(super) occasion: Occasion,
    pub(super) columns: Vec<RecordedColumn>,
    pub(super) treated: Vec<TreatedCount>,
}

impl Occasion {
    pub(super) fn context(&self) -> ExchangeContext {
        ExchangeContext::new(self.exchange.0, &self.session)
    }

    /// Who asked, as far as it is recorded; `pseudonym` is what stands for the subject.
    pub(super) fn asker(&self, pseudonym: String) -> RecordedAsker {
        let session = &self.session;
        RecordedAsker {
            subject: pseudonym,
            kind: session.principal.kind.as_str().to_owned(),
            groups: session.principal.groups.clone(),
            role: session.role.to_string(),
            upstream: session.upstream.to_string(),
            target: session.target.clone(),
        }
    }
}
