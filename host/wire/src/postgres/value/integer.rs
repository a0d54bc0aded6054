//! `smallint`, `integer`, `bigint` and `oid`.

use super::scalar::Scalar;
use super::token::{Domain, Tokenizer};

/// A number that depends on the key and on `value` alone: never `value` itself, with its sign and count of digits, and
/// within the smallest of the three integer types that holds `value`, so that equal values of different types have equal
/// tokens.
pub(super) fn keyed(value: i64, tokens: &Tokenizer) -> i64 {
    let magnitude = value.unsigned_abs();
    let digits = digit_count(magnitude);
    // There is no negative zero.
    let low = if digits == 1 { u64::from(value < 0) } else { 10_u64.pow(digits - 1) };
    let high = (10_u64.pow(digits) - 1).min(ceiling(value));
    let others = high - low;
    let mut keyed = low + tokens.stream(Domain::Number, value.to_string().as_bytes()).below(others);
    if keyed >= magnitude {
        keyed += 1;
    }
    0_i64.wrapping_add_unsigned(keyed).wrapping_mul(if value < 0 { -1 } else { 1 })
}

/// Decimal digits of a magnitude that an `i64` can have: 1 to 19.
fn digit_count(magnitude: u64) -> u32 {
    magnitude.checked_ilog10().unwrap_or(0) + 1
}

/// The largest magnitude, with the sign of `value`, in the smallest type that holds it.
fn ceiling(value: i64) -> u64 {
    let largest = if i16::try_from(value).is_ok() {
        i64::from(i16::MAX)
    } else if i32::try_from(value).is_ok() {
        i64::from(i32::MAX)
    } else {
        i64::MAX
    };
    largest.unsigned_abs() + u64::from(value < 0)
}

/// The last `n` digits of the number, or a token when it has no more.
pub(super) fn last_digits(value: i64, n: u8, tokens: &Tokenizer) -> i64 {
    let n = u32::from(n);
    if digit_count(value.unsigned_abs()) <= n { keyed(value, tokens) } else { value % 10_i64.pow(n) }
}

/// An integer of so many bytes: 2, 4 or 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Integer<const BYTES: usize>(i64);

impl<const BYTES: usize> Integer<BYTES> {
    fn new(value: i64) -> Option<Self> {
        let unused = 64 - 8 * BYTES;
        (value << unused >> unused == value).then_some(Self(value))
    }
}

impl<const BYTES: usize> Scalar for Integer<BYTES> {
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().and_then(Self::new)
    }

    fn from_binary(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; BYTES] = bytes.try_into().ok()?;
        let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
        let start = if negative { -1 } else { 0 };
        Some(Self(bytes.iter().fold(start, |value: i64, byte| value << 8 | i64::from(*byte))))
    }

    fn surrogate(_typmod: i32) -> Self {
        Self(0)
    }

    fn tokenised(&self, tokens: &Tokenizer) -> Self {
        Self(keyed(self.0, tokens))
    }

    fn keep_last(&self, n: u8, tokens: &Tokenizer) -> Self {
        Self(last_digits(self.0, n, tokens))
    }

    fn write_text(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.to_string().as_bytes());
    }

    fn write_binary(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes()[8 - BYTES..]);
    }
}

/// An object identifier: 32 bits without sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Oid(u32);

impl Scalar for Oid {
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    fn from_binary(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(u32::from_be_bytes(bytes)))
    }

    fn surrogate(_typmod: i32) -> Self {
        Self(0)
    }

    /// A number above 2^31 has a token of ten digits that may not fit; it is redacted then.
    fn tokenised(&self, tokens: &Tokenizer) -> Self {
        Self(u32::try_from(keyed(i64::from(self.0), tokens)).unwrap_or(0))
    }

    fn keep_last(&self, n: u8, tokens: &Tokenizer) -> Self {
        Self(u32::try_from(last_digits(i64::from(self.0), n, tokens)).unwrap_or(0))
    }

    fn write_text(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.to_string().as_bytes());
    }

    fn write_binary(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens() -> Tokenizer {
        Tokenizer::new(&[1; 32]).expect("long enough")
    }

    fn check_keyed(value: i64) {
        let token = keyed(value, &tokens());
        assert_ne!(token, value);
        assert_eq!(token < 0, value < 0, "{value} became {token}");
        assert_eq!(
            digit_count(token.unsigned_abs()),
            digit_count(value.unsigned_abs()),
            "{value} became {token}"
        );
        assert!(i16::try_from(value).is_err() || i16::try_from(token).is_ok(), "{value} became {token}");
        assert!(i32::try_from(value).is_err() || i32::try_from(token).is_ok(), "{value} became {token}");
    }

    #[test]
    fn tokens_at_the_edges_of_the_types() {
        for limit in [0, i64::from(i16::MAX), i64::from(i32::MAX)] {
            for value in [limit - 1, limit, limit + 1, -limit - 1, -limit] {
                check_keyed(value);
            }
        }
        for value in [i64::MIN, i64::MAX, 9, 10, -9, -10, -1, 999, 1000] {
            check_keyed(value);
        }
    }

    #[test]
    fn the_last_digits_stay_and_short_numbers_are_tokenised() {
        let check = |value, n, expected| assert_eq!(last_digits(value, n, &tokens()), expected);
        check(4_111_111_111_111_234, 4, 1234);
        check(-12_345, 4, -2345);
        check(10_000, 4, 0);
        check(1234, 4, keyed(1234, &tokens()));
        check(i64::MIN, 16, -3_372_036_854_775_808);
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        assert_eq!(Integer::<2>::from_text("32768"), None);
        assert_eq!(Integer::<2>::from_text("-32768"), Some(Integer(-32768)));
        assert_eq!(Integer::<4>::from_text("2147483648"), None);
        assert_eq!(Integer::<8>::from_text("9223372036854775808"), None);
        assert_eq!(Integer::<8>::from_text("x"), None);
        assert_eq!(Integer::<4>::from_binary(&[0; 5]), None);
        assert_eq!(Integer::<2>::from_binary(&[0x80, 0]), Some(Integer(-32768)));
    }

    proptest! {
        #[test]
        fn tokens_keep_sign_and_digits(value: i64, shift in 0..63_u32) {
            check_keyed(value >> shift);
        }
    }
}
