//! Capability: the time. A component that never asks for it does not import it, and the host then remembers its decisions.

use std::time::Duration;

/// The time since the Unix epoch, to the millisecond. Only a policy may ask, and only if the operator granted it.
///
/// In native tests it is what [`freeze`] said last on this thread, or zero.
pub fn now() -> Duration {
    #[cfg(target_arch = "wasm32")]
    return Duration::from_millis(crate::component::policy::bindings::grille::plugin::clock::now_ms());
    #[cfg(not(target_arch = "wasm32"))]
    return native::FROZEN.get();
}

/// For native tests: makes it this time, on this thread.
#[cfg(not(target_arch = "wasm32"))]
pub fn freeze(since_epoch: Duration) {
    native::FROZEN.set(since_epoch);
}

#[cfg(not(target_arch = "wasm32"))]
mod native {
    //! A clock that tests set.

    use std::cell::Cell;
    use std::time::Duration;

    std::thread_local! {
        pub(super) static FROZEN: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }
}
