//! The key of keyed tokens (the `token` treatment).

use zeroize::Zeroizing;

use crate::settings::{SecretError, SecretSource};

/// Shortest key that is accepted, in bytes: with fewer, tokens of guessable values could be computed by guessing the key.
pub const TOKEN_KEY_BYTES_MIN: usize = 32;

/// Reads the key; wiped when dropped. Reads a file: for start-up and reload, not for an async worker.
///
/// # Errors
/// When there is none, or it is shorter than [`TOKEN_KEY_BYTES_MIN`].
pub fn load_token_key(source: &SecretSource) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let key = source.read()?;
    if key.len() < TOKEN_KEY_BYTES_MIN {
        return Err(SecretError::TooShort { bytes_min: TOKEN_KEY_BYTES_MIN });
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_key_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let check = |contents: &str, expected: Option<usize>| {
            let path = dir.path().join("key");
            std::fs::write(&path, contents).expect("a file in a directory of our own");
            let key = load_token_key(&SecretSource::File(path));
            assert_eq!(key.ok().map(|key| key.len()), expected, "{contents:?}");
        };
        check("", None);
        check("\n", None);
        check("0123456789abcdef0123456789abcde\n", None);
        check("0123456789abcdef0123456789abcdef\n", Some(32));
        check("0123456789abcdef0123456789abcdef\n\n", Some(33));
    }
}
