//! What stands behind `keyed`: HMAC-SHA-256 (RFC 2104) under a key that plugins never see, apart from whatever else the key
//! is used for, and apart by plugin, method and domain.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2_of_hmac::Sha256;

use crate::limits::{KEYED_DOMAIN_BYTES_MAX, KEYED_VALUES_MAX};

type HmacSha256 = Hmac<Sha256>;

/// Fewest bytes of the operator's key: the strength of HMAC-SHA-256.
pub const KEY_BYTES_MIN: usize = 32;

/// The operator's key has too few bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key has {bytes} bytes; it needs at least {KEY_BYTES_MIN}")]
pub struct KeyTooShort {
    bytes: usize,
}

/// Transforms values for maskers. The key is wiped from memory when this is dropped (feature `zeroize` of `hmac`).
pub struct KeyedTransforms {
    key: HmacSha256,
}

/// Sets these messages apart from anything else the operator's key signs, native tokens among it.
const PURPOSE: &[u8] = b"grille keyed transform 1\0";

/// Stands before a token.
const TOKEN_PREFIX: &[u8] = b"tok_";

/// Characters of a token after the prefix: 5 bits each, 80 bits in all.
const TOKEN_SYMBOLS: usize = 16;

/// RFC 4648 section 6, in lower case.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

const HEXADECIMAL: &[u8; 16] = b"0123456789abcdef";

/// What a transform makes of a value's HMAC. The words are the interface's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Token,
    HmacSha256,
}

impl Method {
    fn from_word(word: &str) -> Option<Self> {
        match word {
            "token" => Some(Self::Token),
            "hmac-sha256" => Some(Self::HmacSha256),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::HmacSha256 => "hmac-sha256",
        }
    }

    fn write(self, code: &[u8; 32], out: &mut Vec<u8>) {
        match self {
            Self::Token => {
                out.extend_from_slice(TOKEN_PREFIX);
                out.extend(code[..TOKEN_SYMBOLS].iter().map(|byte| BASE32[usize::from(byte & 31)]));
            }
            Self::HmacSha256 => {
                let digits = code.iter().flat_map(|byte| [byte >> 4, byte & 15]);
                out.extend(digits.map(|digit| HEXADECIMAL[usize::from(digit)]));
            }
        }
    }
}

/// WIT's `values`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Values {
    pub(crate) offsets: Vec<u32>,
    pub(crate) data: Vec<u8>,
}

/// What a plugin asked for and does not get: its author's fault. The text is shown to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyedError {
    #[error("the methods are token and hmac-sha256")]
    Method,
    #[error("a domain has at most {KEYED_DOMAIN_BYTES_MAX} bytes")]
    Domain,
    #[error("at most {KEYED_VALUES_MAX} values are transformed in one call")]
    Count,
    #[error("the offsets do not ascend from 0 to the length of the data")]
    Offsets,
}

impl KeyedTransforms {
    /// Takes the operator's key, which should be random bytes and not a password. It may be one that has other uses.
    ///
    /// # Errors
    /// When it has fewer than [`KEY_BYTES_MIN`] bytes.
    pub fn new(key: &[u8]) -> Result<Self, KeyTooShort> {
        if key.len() < KEY_BYTES_MIN {
            return Err(KeyTooShort { bytes: key.len() });
        }
        Ok(Self { key: HmacSha256::new_from_slice(key).expect("HMAC takes keys of any length") })
    }

    /// As many values as were given, for the plugin whose metadata says that id.
    pub(crate) fn transform(
        &self,
        plugin: &str,
        method: &str,
        domain: &str,
        input: &Values,
    ) -> Result<Values, KeyedError> {
        let method = Method::from_word(method).ok_or(KeyedError::Method)?;
        if domain.len() > KEYED_DOMAIN_BYTES_MAX {
            return Err(KeyedError::Domain);
        }
        check_offsets(input)?;
        let begun = self.begin(plugin, method, domain);
        let mut output = Values { offsets: vec![0], data: Vec::new() };
        for ends in input.offsets.windows(2) {
            let mut mac = begun.clone();
            mac.update(&input.data[ends[0] as usize..ends[1] as usize]);
            method.write(&mac.finalize().into_bytes().into(), &mut output.data);
            // At most 65,536 values of 64 bytes.
            output.offsets.push(u32::try_from(output.data.len()).map_err(|_| KeyedError::Count)?);
        }
        Ok(output)
    }

    /// An HMAC that has taken all that is the same for each value. Lengths stand before what plugins choose, so that no two
    /// choices make one message.
    fn begin(&self, plugin: &str, method: Method, domain: &str) -> HmacSha256 {
        let mut mac = self.key.clone();
        mac.update(PURPOSE);
        for part in [plugin, method.word(), domain] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }
}

fn check_offsets(input: &Values) -> Result<(), KeyedError> {
    if input.offsets.len() > KEYED_VALUES_MAX + 1 {
        return Err(KeyedError::Count);
    }
    let ends = input.offsets.last().map(|end| *end as usize) == Some(input.data.len());
    if input.offsets.first() == Some(&0) && ends && input.offsets.is_sorted() {
        return Ok(());
    }
    Err(KeyedError::Offsets)
}

impl fmt::Debug for KeyedTransforms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedTransforms(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transforms(byte: u8) -> KeyedTransforms {
        KeyedTransforms::new(&[byte; 32]).expect("long enough")
    }

    fn values(texts: &[&str]) -> Values {
        let mut values = Values { offsets: vec![0], data: vec![] };
        for text in texts {
            values.data.extend_from_slice(text.as_bytes());
            values.offsets.push(u32::try_from(values.data.len()).expect("short"));
        }
        values
    }

    fn one(by: &KeyedTransforms, plugin: &str, method: &str, domain: &str, text: &str) -> String {
        let made = by.transform(plugin, method, domain, &values(&[text])).expect("it is transformed");
        String::from_utf8(made.data).expect("printable")
    }

    #[test]
    fn what_breaks_a_rule_is_refused() {
        let check = |method: &str, domain: &str, offsets: &[u32], expected: KeyedError| {
            let input = Values { offsets: offsets.to_vec(), data: b"ab".to_vec() };
            assert_eq!(transforms(1).transform("p", method, domain, &input), Err(expected), "{offsets:?}");
        };
        check("md5", "d", &[0, 2], KeyedError::Method);
        check("", "d", &[0, 2], KeyedError::Method);
        check("token", &"d".repeat(257), &[0, 2], KeyedError::Domain);
        check("token", "d", &[], KeyedError::Offsets);
        check("token", "d", &[0], KeyedError::Offsets);
        check("token", "d", &[0, 3], KeyedError::Offsets);
        check("token", "d", &[1, 2], KeyedError::Offsets);
        check("token", "d", &[0, 2, 1, 2], KeyedError::Offsets);
        check("token", "d", &[0, u32::MAX, 2], KeyedError::Offsets);
        check("token", "d", &vec![0; KEYED_VALUES_MAX + 2], KeyedError::Count);
        assert_eq!(KeyedTransforms::new(&[1; 31]).err(), Some(KeyTooShort { bytes: 31 }));
    }

    #[test]
    fn each_value_has_its_own_in_its_place() {
        let made = transforms(1).transform("p", "hmac-sha256", "d", &values(&["a", "", "a"])).expect("three");
        assert_eq!(made.offsets, [0, 64, 128, 192]);
        assert_eq!(made.data[..64], made.data[128..]);
        assert_ne!(made.data[..64], made.data[64..128]);
        let none = transforms(1).transform("p", "token", "d", &values(&[])).expect("none");
        assert_eq!(none, values(&[]));
    }

    #[test]
    fn values_are_apart_by_key_plugin_method_and_domain() {
        let by = transforms(1);
        let all = [
            one(&by, "p", "token", "d", "x"),
            one(&by, "q", "token", "d", "x"),
            one(&by, "p", "token", "e", "x"),
            one(&by, "p", "token", "d", "y"),
            one(&transforms(2), "p", "token", "d", "x"),
            one(&by, "p", "hmac-sha256", "d", "x"),
            // What stands where may be moved from one part to the next, and is still another message.
            one(&by, "pd", "token", "", "x"),
            one(&by, "p", "token", "dx", ""),
        ];
        for (at, made) in all.iter().enumerate() {
            assert!(!all[..at].contains(made), "{at}: {made}");
        }
        assert_eq!(all[0], one(&by, "p", "token", "d", "x"));
    }

    #[test]
    fn the_key_is_not_printed() {
        assert_eq!(format!("{:?}", transforms(7)), "KeyedTransforms(..)");
    }

    /// A change here breaks what maskers made before.
    #[test]
    fn values_stay_what_they_were() {
        let by = transforms(1);
        expect_test::expect!["tok_fihhbult4ippkie4"].assert_eq(&one(
            &by,
            "p",
            "token",
            "d",
            "alice@example.com",
        ));
        expect_test::expect!["7928fc804659a56e803319b875760d40ae949cad95daadc872c52cdc282d7782"]
            .assert_eq(&one(&by, "p", "hmac-sha256", "d", "alice@example.com"));
    }
}
