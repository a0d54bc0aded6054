//! Secrets made when a test runs, so that none is in the repository.

use std::fs::File;
use std::io::Read;

use anyhow::Context;

/// `N` random bytes in hexadecimal.
///
/// # Errors
/// When the system has no randomness to give.
pub fn hex<const N: usize>() -> anyhow::Result<String> {
    let mut bytes = [0; N];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).context("no randomness")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
