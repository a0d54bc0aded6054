//! SHA-256 as a name for bytes: components and settings. Computing it is the caller's business.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What `Display` puts before the digits.
const PREFIX: &str = "sha256:";

/// SHA-256 over some bytes (FIPS 180-4). Displayed as `sha256:` and 64 hexadecimal digits; serialised as the digits alone,
/// as audit records have them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

/// A text that is not a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 hexadecimal digits, or `sha256:` and those")]
pub struct NotADigest;

impl Digest {
    /// The 32 bytes that SHA-256 gave.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 digits, in lower case.
    pub fn hex(&self) -> String {
        self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(hex_digit).collect()
    }

    /// `sha256:` and the first 12 digits: for people.
    pub fn short(&self) -> String {
        let digits: String =
            self.0.iter().take(6).flat_map(|byte| [byte >> 4, byte & 15]).map(hex_digit).collect();
        format!("{PREFIX}{digits}…")
    }
}

fn hex_digit(nibble: u8) -> char {
    char::from(b"0123456789abcdef"[usize::from(nibble & 15)])
}

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let digits = text.strip_prefix(PREFIX).unwrap_or(text).as_bytes();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return Err(NotADigest);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: u8) -> Result<u8, NotADigest> {
    let value = char::from(digit).to_digit(16).ok_or(NotADigest)?;
    u8::try_from(value).map_err(|_| NotADigest)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Digest {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Self, NotADigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.hex()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_digest_is_read() {
        let digits = "0123456789abcdef".repeat(4);
        for wrong in [
            String::new(),
            digits[1..].to_owned(),
            format!("{digits}0"),
            format!("sha512:{digits}"),
            format!("../{}", &digits[3..]),
            format!("é{}", &digits[2..]),
        ] {
            assert_eq!(wrong.parse::<Digest>(), Err(NotADigest), "{wrong}");
        }
        let digest: Digest = digits.parse().expect("64 digits");
        assert_eq!(digits.to_uppercase().parse(), Ok(digest));
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!((digest.hex(), digest.short()), (digits, "sha256:0123456789ab…".to_owned()));
    }
}
