//! Tests that cannot go on beside each other take turns.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whose turn it is, among the tests that share this.
#[derive(Debug, Default)]
pub struct Turns(Mutex<()>);

/// One test's turn, until it is dropped.
#[derive(Debug)]
#[must_use = "it is over when this is dropped"]
pub struct Turn<'turns> {
    _guard: MutexGuard<'turns, ()>,
}

impl Turns {
    /// It is nobody's turn.
    pub const fn new() -> Self {
        Self(Mutex::new(()))
    }

    /// Waits for a turn. That another test has failed in its own is no matter.
    pub fn take(&self) -> Turn<'_> {
        Turn { _guard: self.0.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}
