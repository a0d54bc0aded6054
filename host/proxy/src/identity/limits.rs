//! The limits on what identity verification takes from outside, each with its reason.

use std::time::Duration;

/// Longest token, in bytes. Real ones have 1 to 4 KiB; with hundreds of groups they reach 10.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Most groups of one principal. Issuers themselves stop at about this many (Entra ID at 200).
pub const GROUPS_MAX: usize = 256;

/// Longest document (discovery, key set) an issuer may answer with, in bytes. Real ones have 1 to 20 KiB.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

/// Most keys in an issuer's key set. Real ones have 2 to 10.
pub const KEYS_MAX: usize = 100;

/// Longest time for one fetch of an issuer's keys, both documents together. A client may wait this long.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// After a failed fetch, none is made for this long: an issuer in trouble is not helped by questions.
pub const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// How often tokens with unknown key ids may cause a fetch: [`REFETCHES_MAX`] within each window. Every such fetch brings
/// the current keys, so a flood of made-up key ids delays a rotated key by at most one window.
pub const REFETCH_WINDOW: Duration = Duration::from_secs(30);

/// See [`REFETCH_WINDOW`].
pub const REFETCHES_MAX: u32 = 3;
