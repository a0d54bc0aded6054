//! A statement as the session remembers it: text and actions, shared by everything that refers to it.

use bytes::Bytes;
use grille_core::Action;
use grille_core::action::feature;

/// One message's worth of SQL, understood. Prepared statements and portals point to it.
#[derive(Debug)]
pub struct Statement {
    /// As the client sent it, in the client's encoding.
    pub text: Bytes,
    /// One for each statement of the text; none for an empty query.
    pub actions: Vec<Action>,
}

impl Statement {
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
