//! A statement as the session remembers it: text and actions, shared by everything that refers to it.

use std::sync::Arc;

use bytes::Bytes;
use grille_core::Action;
use grille_core::action::feature;

use crate::sql::{CopyStream, Sql, Strings};

/// One message's worth of SQL, understood. Prepared statements and portals point to it.
#[derive(Debug)]
pub struct Statement {
    /// As the client sent it, in the client's encoding.
    pub text: Bytes,
    /// One for each statement of the text; none for an empty query.
    pub actions: Vec<Action>,
    /// The text in UTF-8, where [`Statement::text`] is not.
    pub decoded: Option<Box<str>>,
    /// How its plain literals were read, by it and by the server.
    pub strings: Strings,
    /// How long it takes to understand it again.
    pub effort: Effort,
    /// For what SQL's PREPARE or DECLARE put under a name: the message it stood in, and which of its statements it is in.
    pub inner_of: Option<(Arc<Statement>, usize)>,
    /// Which of the statements copy over the connection, by place; shorter where none of the rest does.
    pub copies: Vec<Option<CopyStream>>,
    /// When it was read, on whatever clock the caller keeps; 0 where he keeps none. The server may keep to what names meant
    /// then.
    pub read_at: u64,
}

/// How long it takes to read a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// Some tens of µs.
    #[default]
    Brief,
    /// Up to seconds, and it may have to wait for others.
    Long,
}

impl Statement {
    /// A message's statements, of standard literals and brief.
    pub fn new(text: Bytes, actions: Vec<Action>) -> Self {
        Self {
            text,
            actions,
            decoded: None,
            strings: Strings::Standard,
            effort: Effort::Brief,
            inner_of: None,
            copies: Vec::new(),
            read_at: 0,
        }
    }

    /// The same with what its copies over the connection say.
    pub fn with_copies(self, copies: Vec<Option<CopyStream>>) -> Self {
        Self { copies, ..self }
    }

    /// What the statement at `index` copies over the connection; none where it does not.
    pub fn copy(&self, index: usize) -> Option<&CopyStream> {
        self.copies.get(index)?.as_ref()
    }

    /// Whether the client may have to send data before it ends.
    pub fn copies_in(&self) -> bool {
        self.copies.contains(&Some(CopyStream::In))
    }

    /// What the statement at `index` of `outer` puts under a name; none where it is no PREPARE or DECLARE.
    pub fn inner(outer: &Arc<Self>, index: usize) -> Option<Self> {
        let inner = outer.actions.get(index)?.inner.as_deref()?;
        let inner_of = Some((Arc::clone(outer), index));
        let (strings, effort, read_at) = (outer.strings, outer.effort, outer.read_at);
        Some(Self { strings, effort, inner_of, read_at, ..Self::new(Bytes::new(), vec![inner.clone()]) })
    }

    /// The text in UTF-8; none where it is not known in UTF-8, and for the statement of another, see
    /// [`Statement::inner_of`].
    pub fn sql(&self) -> Option<Sql<'_>> {
        let text = match (&self.decoded, &self.inner_of) {
            (_, Some(_)) => None,
            (Some(decoded), None) => Some(&**decoded),
            (None, None) => std::str::from_utf8(&self.text).ok(),
        }?;
        Some(Sql { text, strings: self.strings })
    }

    /// Whether every session reads its bytes as this one did: they are UTF-8 or ASCII as they came, and literals standard.
    pub fn reads_alike(&self) -> bool {
        self.decoded.is_none() && self.inner_of.is_none() && self.strings == Strings::Standard
    }

    /// Bytes that it takes, roughly: what was understood takes a few times the text.
    pub fn weight(&self) -> usize {
        let outer = self.inner_of.as_ref().map_or(0, |(outer, _)| outer.text.len());
        512 + 4 * (self.text.len() + outer)
    }

    /// Whether it does nothing but end a transaction, or go back to a savepoint in it. COMMIT PREPARED is about another one.
    pub fn ends_transaction(&self) -> bool {
        let ends = |action: &Action| action.kind == "commit" || action.kind == "rollback";
        !self.actions.is_empty() && self.actions.iter().all(ends)
    }

    /// Whether it changes what later statements mean: names, settings. Nothing behind it is judged before it has ended.
    pub fn is_stateful(&self) -> bool {
        self.actions.iter().any(|action| {
            action.names.is_some()
                || action.setting.is_some()
                || action.kind == "discard"
                || action.has(feature::SET_CONFIG)
        })
    }

    /// Whether it may change how the text of later statements is read. A rollback can undo that at any time, so from then
    /// on the session goes one statement at a time.
    pub fn changes_reading(&self) -> bool {
        self.actions.iter().any(|action| {
            action.has(feature::SET_CONFIG)
                || action.setting.as_deref().is_some_and(|name| READING_SETTINGS.contains(&name))
        })
    }
}

/// Settings that decide how the bytes of a statement are read; `*` stands for all of them at once.
const READING_SETTINGS: [&str; 4] = ["client_encoding", "names", "standard_conforming_strings", "*"];
