//! How a plugin says that something is wrong: with its settings, or with its work.

use std::fmt;

/// The plugin cannot do its work. The host then fails closed; the client never sees the message, the operator does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For the operator's log. Must not repeat cell contents.
    pub message: String,
}

impl Failure {
    /// A failure for that reason.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// What is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// An RFC 6901 pointer into the settings (`/deny/objects/0`); empty for the whole.
    pub pointer: String,
    /// One sentence for the operator.
    pub message: String,
}

impl Diagnostic {
    /// A complaint about the value that `pointer` points to.
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "settings{}: {}", self.pointer, self.message)
    }
}
