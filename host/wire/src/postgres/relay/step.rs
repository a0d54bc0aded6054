//! What comes of one message of the upstream.

use super::Response;

/// What to do after a message.
pub(super) enum Step {
    /// Look at the next one.
    Next,
    /// More bytes are needed.
    Starved,
    /// The caller has a word in it.
    Ask(Response),
}

/// Whether the client sees a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Yes,
    No,
}
