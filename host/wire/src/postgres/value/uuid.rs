//! `uuid`: version and variant (RFC 9562 section 4) stay, so that a client's checks still hold.

use super::scalar::Scalar;
use super::token::{Domain, Tokenizer};

/// The bits that say version and variant.
const SHAPE_BITS: u128 = 0x0000_0000_0000_f000_c000_0000_0000_0000;

/// A value of type `uuid`.
pub(super) struct Uuid(u128);

impl Uuid {
    fn with_shape_of(bits: u128, shape: &Self) -> Self {
        Self(bits & !SHAPE_BITS | shape.0 & SHAPE_BITS)
    }
}

impl Scalar for Uuid {
    fn from_text(text: &str) -> Option<Self> {
        let mut digits = String::with_capacity(32);
        for (at, c) in text.chars().enumerate() {
            match (at, c) {
                (8 | 13 | 18 | 23, '-') => {}
                (8 | 13 | 18 | 23, _) => return None,
                (_, c) if c.is_ascii_hexdigit() && at < 36 => digits.push(c),
                _ => return None,
            }
        }
        if digits.len() != 32 {
            return None;
        }
        u128::from_str_radix(&digits, 16).ok().map(Self)
    }

    fn from_binary(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(u128::from_be_bytes(bytes)))
    }

    fn surrogate(_typmod: i32) -> Self {
        Self(0)
    }

    fn redacted(&self) -> Self {
        Self::with_shape_of(0, self)
    }

    fn tokenised(&self, tokens: &Tokenizer) -> Self {
        let keyed = tokens.stream(Domain::Uuid, &self.0.to_be_bytes()).bytes();
        Self::with_shape_of(u128::from_be_bytes(keyed), self)
    }

    fn keep_last(&self, n: u8, _tokens: &Tokenizer) -> Self {
        let kept = u128::MAX.checked_shr(128 - 4 * u32::from(n.clamp(1, 31))).unwrap_or_default();
        Self::with_shape_of(self.0 & kept, self)
    }

    fn write_text(&self, out: &mut Vec<u8>) {
        for (at, digit) in format!("{:032x}", self.0).bytes().enumerate() {
            if matches!(at, 8 | 12 | 16 | 20) {
                out.push(b'-');
            }
            out.push(digit);
        }
    }

    fn write_binary(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &Uuid) -> String {
        let mut out = Vec::new();
        value.write_text(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn version_and_variant_stay() {
        let tokens = Tokenizer::new(&[1; 32]).expect("long enough");
        let value = Uuid::from_text("f81d4fae-7dec-41d0-a765-00a0c91e6bf6").expect("a uuid");
        assert_eq!(text(&value.redacted()), "00000000-0000-4000-8000-000000000000");
        assert_eq!(text(&value.keep_last(4, &tokens)), "00000000-0000-4000-8000-000000006bf6");
        let token = text(&value.tokenised(&tokens));
        assert_eq!((&token[14..15], token.as_bytes()[19] & 0xfc), ("4", b'8'));
        assert_ne!(token, text(&value));
    }

    #[test]
    fn what_is_no_uuid_is_refused() {
        for text in [
            "",
            "f81d4fae7dec41d0a76500a0c91e6bf6",
            "f81d4fae-7dec-41d0-a765-00a0c91e6bf",
            "f81d4fae-7dec-41d0-a765-00a0c91e6bf60",
            "g81d4fae-7dec-41d0-a765-00a0c91e6bf6",
            "f81d4fae-7dec-41d0-a765-00a0c91e6bf\u{e9}",
        ] {
            assert!(Uuid::from_text(text).is_none(), "{text}");
        }
    }
}
