//! Round-trip tokens: a value encrypted so that whoever has the key can turn the token back, and nobody can make one.
//!
//! A token is the value under AES-256-GCM-SIV (RFC 8452) with a nonce that never changes. A scheme that withstands the misuse
//! of nonces is then deterministic authenticated encryption (Rogaway and Shrimpton, "Deterministic Authenticated-Encryption",
//! section 1; RFC 8452 section 9): equal values have equal tokens, and nothing else shows but the value's length, which is
//! rounded up. The key is derived from the operator's (HKDF-SHA-256, RFC 5869). The scope, which is the rule that protects the
//! column, is authenticated with it: a token of one rule is none of another's.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;

/// Stands before every round-trip token.
const PREFIX: &str = "tokr_";

/// Sets the derived key apart from others of the same operator's key.
const PURPOSE: &[u8] = b"grille round-trip token 1";

/// Longest value that is sealed, in bytes of UTF-8. Texts that one searches for by equality are shorter.
const VALUE_BYTES_MAX: usize = 1_024;

/// Values are filled up to a multiple of so many bytes, so that a token's length tells little of its value's.
const BLOCK_BYTES: usize = 16;

/// What follows the value in the last block; then come zeros.
const END: u8 = 0x80;

/// Bytes that authenticate.
const TAG_BYTES: usize = 16;

/// RFC 4648 section 5, without padding: a token has to fit the columns that values fit.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Bits that a symbol stands for.
const SYMBOL_BITS: u32 = 6;

/// Makes round-trip tokens and turns them back.
pub(super) struct Sealer {
    key: LessSafeKey,
}

impl Sealer {
    /// From the operator's key.
    pub(super) fn new(key: &[u8]) -> Self {
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(key);
        let derived = secret.expand(&[PURPOSE], &AES_256_GCM_SIV).expect("32 bytes, where HKDF has 8,160");
        Self { key: LessSafeKey::new(UnboundKey::from(derived)) }
    }

    /// The token of a value; `None` when the value is too long, or the token for the room, in characters.
    pub(super) fn seal(&self, scope: &str, value: &str, room: usize) -> Option<String> {
        if value.len() > VALUE_BYTES_MAX {
            return None;
        }
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(END);
        bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
        self.key.seal_in_place_append_tag(nonce(), Aad::from(scope.as_bytes()), &mut bytes).ok()?;
        let token = format!("{PREFIX}{}", encode(&bytes));
        (token.len() <= room).then_some(token)
    }

    /// The value of a token; `None` when it is not a token that this key made in this scope.
    pub(super) fn open(&self, scope: &str, token: &str) -> Option<String> {
        let symbols = token.strip_prefix(PREFIX)?;
        let symbols_max = (VALUE_BYTES_MAX + BLOCK_BYTES + TAG_BYTES) * 4 / 3 + 1;
        let mut bytes = Some(symbols).filter(|symbols| symbols.len() <= symbols_max).and_then(decode)?;
        let padded = self.key.open_in_place(nonce(), Aad::from(scope.as_bytes()), &mut bytes).ok()?;
        let end = padded.iter().rposition(|byte| *byte != 0).filter(|end| padded[*end] == END)?;
        String::from_utf8(padded[..end].to_vec()).ok()
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(..)")
    }
}

/// Always the same: see the head of this file.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn encode(bytes: &[u8]) -> String {
    let mut symbols = String::with_capacity(bytes.len() * 4 / 3 + 1);
    let (mut held, mut count) = (0_u32, 0);
    for byte in bytes {
        held = held << 8 | u32::from(*byte);
        count += 8;
        while count >= SYMBOL_BITS {
            count -= SYMBOL_BITS;
            symbols.push(symbol(held >> count));
        }
    }
    if count > 0 {
        symbols.push(symbol(held << (SYMBOL_BITS - count)));
    }
    symbols
}

fn symbol(bits: u32) -> char {
    char::from(ALPHABET[usize::from(bits.to_le_bytes()[0] & 63)])
}

/// `None` when the symbols are not those that [`encode`] writes: one value has one spelling.
fn decode(symbols: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(symbols.len() * 3 / 4);
    let (mut held, mut count) = (0_u32, 0);
    for symbol in symbols.bytes() {
        let bits = ALPHABET.iter().position(|known| *known == symbol)?;
        held = held << SYMBOL_BITS | u32::try_from(bits).ok()?;
        count += SYMBOL_BITS;
        if count >= 8 {
            count -= 8;
            bytes.push((held >> count).to_le_bytes()[0]);
        }
    }
    (encode(&bytes) == symbols).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SCOPE: &str = "public.users.email";

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(&[byte; 32])
    }

    fn seal(value: &str) -> String {
        sealer(1).seal(SCOPE, value, usize::MAX).expect("a short value")
    }

    #[test]
    fn the_key_is_not_printed() {
        assert_eq!(format!("{:?}", sealer(7)), "Sealer(..)");
    }

    #[test]
    fn a_token_is_of_one_key_and_one_scope() {
        let token = seal("alice@example.com");
        assert_eq!(sealer(1).open(SCOPE, &token).as_deref(), Some("alice@example.com"));
        assert_eq!(sealer(2).open(SCOPE, &token), None);
        assert_eq!(sealer(1).open("public.users.name", &token), None);
        assert_eq!(sealer(1).open("", &token), None);
    }

    #[test]
    fn what_is_no_token_is_not_opened() {
        let token = seal("alice@example.com");
        let changed = |from: &str, to: &str| token.replacen(from, to, 1);
        for text in [
            String::new(),
            PREFIX.to_owned(),
            token.to_uppercase(),
            changed(PREFIX, "tok_"),
            format!("{token}a"),
            format!("{token} "),
            token[..token.len() - 1].to_owned(),
            format!("{PREFIX}{}", "a".repeat(1 << 20)),
            "alice@example.com".to_owned(),
        ] {
            assert_eq!(sealer(1).open(SCOPE, &text), None, "{text}");
        }
    }

    #[test]
    fn any_other_symbol_spoils_a_token() {
        let token = seal("alice@example.com");
        for at in PREFIX.len()..token.len() {
            for symbol in ["a", "b", "7"] {
                let mut other = token.clone();
                other.replace_range(at..=at, symbol);
                assert!(other == token || sealer(1).open(SCOPE, &other).is_none(), "{other}");
            }
        }
    }

    #[test]
    fn lengths_are_rounded_up() {
        let length = |value: &str| seal(value).len();
        assert_eq!(length(""), length("fifteen letters"));
        assert!(length("sixteen letters!") > length("fifteen letters"));
    }

    #[test]
    fn what_is_too_long_is_not_sealed() {
        assert_eq!(sealer(1).seal(SCOPE, &"a".repeat(VALUE_BYTES_MAX + 1), usize::MAX), None);
        let longest = "a".repeat(VALUE_BYTES_MAX);
        let token = seal(&longest);
        assert_eq!(sealer(1).open(SCOPE, &token), Some(longest));
        assert_eq!(sealer(1).seal(SCOPE, "a", seal("a").len() - 1), None);
        assert_eq!(sealer(1).seal(SCOPE, "a", seal("a").len()), Some(seal("a")));
    }

    /// A change here breaks every token that clients have stored.
    #[test]
    fn tokens_stay_what_they_were() {
        assert_eq!(
            seal("alice@example.com"),
            "tokr_GzctGj6D9jf-ZpVuqtdubkWX6ViJrYghy6h93ZXa4J9GuY57shEDNL5YVbUzwulM"
        );
    }

    proptest! {
        #[test]
        fn every_value_comes_back(value in "\\PC{0,60}", scope: String) {
            let token = sealer(1).seal(&scope, &value, usize::MAX);
            prop_assert_eq!(&token, &sealer(1).seal(&scope, &value, usize::MAX));
            prop_assert_eq!(token.and_then(|token| sealer(1).open(&scope, &token)), Some(value));
        }

        #[test]
        fn any_text_is_survived(text: String) {
            prop_assert_eq!(sealer(1).open(SCOPE, &text), None);
            prop_assert_eq!(sealer(1).open(SCOPE, &format!("{PREFIX}{text}")), None);
        }

        #[test]
        fn bytes_have_one_spelling(bytes: Vec<u8>) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }
    }
}
