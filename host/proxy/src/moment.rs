//! The order in which sessions read statements and learn what names mean. No time of day, and nothing of what happens.

use std::sync::atomic::{AtomicU64, Ordering};

/// A moment in that order: a statement that was read before something appeared may mean something else by its name, and the
/// server may keep to that.
pub(crate) type Moment = u64;

static CLOCK: AtomicU64 = AtomicU64::new(1);

/// The moment it is.
pub(crate) fn now() -> Moment {
    CLOCK.load(Ordering::SeqCst)
}

/// A new moment: nothing was read in it yet.
pub(crate) fn next() -> Moment {
    CLOCK.fetch_add(1, Ordering::SeqCst) + 1
}
