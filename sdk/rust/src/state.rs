//! Capability: small values kept between exchanges, for counting and for remembering. Each plugin has its own, for each role
//! its own; the host bounds their number and bytes, and those not used for longest give way. A component that uses it is
//! judged anew for each statement.
//!
//! In native tests a plugin has what `testing::Capabilities` granted it on this thread, and else nothing but failures.

use std::time::Duration;

use crate::Failure;

/// The value kept under the key, if its time is not over. A key has at most 256 bytes.
///
/// # Errors
/// The key is too long.
pub fn get(key: &str) -> Result<Option<Vec<u8>>, Failure> {
    #[cfg(target_arch = "wasm32")]
    return wit::get(key).map_err(crate::component::failure);
    #[cfg(not(target_arch = "wasm32"))]
    return crate::native::with(|granted| granted.get(key));
}

/// Keeps a value of at most 16 KiB for `ttl`, to the millisecond: at least one, at most a day.
///
/// # Errors
/// Key, value or time are not within their bounds.
pub fn set(key: &str, value: &[u8], ttl: Duration) -> Result<(), Failure> {
    #[cfg(target_arch = "wasm32")]
    return wit::set(key, value, milliseconds(ttl)).map_err(crate::component::failure);
    #[cfg(not(target_arch = "wasm32"))]
    return crate::native::with(|granted| granted.set(key, value, milliseconds(ttl)));
}

/// Adds to a counter that begins anew at 0 when `window` has passed since its first addition; its new value. Counters and
/// values are apart: one key can name both.
///
/// # Errors
/// Key or window are not within their bounds, or the counter would overflow.
pub fn add(key: &str, delta: i64, window: Duration) -> Result<i64, Failure> {
    #[cfg(target_arch = "wasm32")]
    return wit::add(key, delta, milliseconds(window)).map_err(crate::component::failure);
    #[cfg(not(target_arch = "wasm32"))]
    return crate::native::with(|granted| granted.add(key, delta, milliseconds(window)));
}

#[cfg(target_arch = "wasm32")]
use crate::component::policy::bindings::grille::plugin::state as wit;

/// Longer than the host takes, it is refused there.
fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
