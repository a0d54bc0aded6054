//! `numeric`, and the numbers of JSON documents, which PostgreSQL keeps as numeric.
//!
//! The binary form is `numeric_send`'s: counts of base-10000 digits, the weight of the first of them, sign, display scale,
//! digits. Limits are those of the manual's "Arbitrary Precision Numbers".

use super::integer;
use super::scalar::Scalar;
use super::token::{Domain, Tokenizer};

/// Most digits before the point.
const INTEGER_DIGITS_MAX: usize = 131_072;
/// Most digits after the point.
const FRACTION_DIGITS_MAX: usize = 16_383;
/// Largest power of ten of a JSON number that is written out; one beyond it is redacted where a token was asked for.
const EXPONENT_MAX: u32 = 400;

const NEGATIVE: u16 = 0x4000;
const NOT_A_NUMBER: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const MINUS_INFINITY: u16 = 0xf000;

/// A value of type `numeric`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Numeric {
    Finite(Decimal),
    NotANumber,
    Infinity,
    MinusInfinity,
}

/// A decimal number in ASCII digits; zero is not negative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    /// Without leading zeros: empty when below 1.
    integer: Vec<u8>,
    /// As many as the display scale says.
    fraction: Vec<u8>,
}

impl Decimal {
    fn new(negative: bool, integer: &[u8], fraction: Vec<u8>) -> Self {
        let leading = integer.iter().take_while(|digit| **digit == b'0').count();
        let integer = integer[leading..].to_vec();
        let is_zero = integer.is_empty() && fraction.iter().all(|digit| *digit == b'0');
        Self { negative: negative && !is_zero, integer, fraction }
    }

    fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (integer, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let bounded = integer.len() <= INTEGER_DIGITS_MAX && fraction.len() <= FRACTION_DIGITS_MAX;
        if !bounded || integer.is_empty() || !all_digits(integer) || !all_digits(fraction) {
            return None;
        }
        Some(Self::new(negative, integer.as_bytes(), fraction.as_bytes().to_vec()))
    }

    /// The number times a power of ten.
    fn shifted(&self, exponent: i32) -> Option<Self> {
        let places = exponent.unsigned_abs();
        if places > EXPONENT_MAX {
            return None;
        }
        let zeros = vec![b'0'; usize::try_from(places).ok()?];
        let (integer, fraction) = if exponent < 0 {
            let digits = [&zeros[..], &self.integer].concat();
            let (integer, moved) = digits.split_at(digits.len() - zeros.len());
            (integer.to_vec(), [moved, &self.fraction].concat())
        } else {
            let digits = [&self.fraction[..], &zeros].concat();
            let (moved, fraction) = digits.split_at(zeros.len());
            // The zeros added to fill up are no part of the scale.
            let scale = self.fraction.len().saturating_sub(zeros.len());
            ([&self.integer, moved].concat(), fraction[..scale].to_vec())
        };
        Some(Self::new(self.negative, &integer, fraction))
    }

    /// The digits after the point without the zeros at their end, which do not tell equal numbers apart.
    fn significant_fraction(&self) -> &[u8] {
        let trailing = self.fraction.iter().rev().take_while(|digit| **digit == b'0').count();
        &self.fraction[..self.fraction.len() - trailing]
    }

    /// The number, if it is whole and an `i64`.
    fn whole(&self) -> Option<i64> {
        if !self.significant_fraction().is_empty() {
            return None;
        }
        let start = if self.negative { "-0" } else { "0" };
        format!("{start}{}", String::from_utf8_lossy(&self.integer)).parse().ok()
    }

    fn of_whole(value: i64, scale: usize) -> Self {
        Self::new(value < 0, value.unsigned_abs().to_string().as_bytes(), vec![b'0'; scale])
    }

    /// Whole numbers have the token of the integer they equal; others keep their count of digits on both sides of the
    /// point, and the last that counts always changes.
    fn tokenised(&self, tokens: &Tokenizer) -> Self {
        if let Some(value) = self.whole() {
            return Self::of_whole(integer::keyed(value, tokens), self.fraction.len());
        }
        let significant = self.significant_fraction().len();
        let sign: &[u8] = if self.negative { b"-" } else { b"" };
        let value = [sign, &self.integer, b".", &self.fraction[..significant]].concat();
        let mut stream = tokens.stream(Domain::Number, &value);
        let mut digits = [&self.integer[..], &self.fraction[..significant]].concat();
        let last = digits.len().saturating_sub(1);
        for (at, digit) in digits.iter_mut().enumerate() {
            *digit = match (at == 0 && !self.integer.is_empty(), at == last) {
                (_, true) => b'1' + (*digit - b'0' + stream.digit(8)) % 9,
                (true, false) => b'1' + stream.digit(9),
                (false, false) => b'0' + stream.digit(10),
            };
        }
        self.with_digits(&digits)
    }

    /// The number with other digits: those before the point first, zeros for what is missing at the end.
    fn with_digits(&self, digits: &[u8]) -> Self {
        let (integer, fraction) = digits.split_at(self.integer.len());
        let mut fraction = fraction.to_vec();
        fraction.resize(self.fraction.len(), b'0');
        Self::new(self.negative, integer, fraction)
    }

    fn keep_last(&self, n: u8, tokens: &Tokenizer) -> Self {
        let mut digits = [&self.integer[..], &self.fraction].concat();
        let leading = digits.iter().take_while(|digit| **digit == b'0').count();
        if digits.len() - leading <= usize::from(n) {
            return self.tokenised(tokens);
        }
        let hidden = digits.len() - usize::from(n);
        digits[..hidden].fill(b'0');
        self.with_digits(&digits)
    }

    fn redacted(&self) -> Self {
        Self::new(false, &[], vec![b'0'; self.fraction.len()])
    }

    /// Whether `numeric(precision, scale)` may hold it; the scale may be negative or above the precision.
    fn fits(&self, precision: i64, scale: i64) -> bool {
        let length = |digits: &[u8]| i64::try_from(digits.len()).unwrap_or(i64::MAX);
        let zeros_at_end = self.integer.iter().rev().take_while(|digit| **digit == b'0').count();
        let zeros_at_start = self.fraction.iter().take_while(|digit| **digit == b'0').count();
        let reach = |zeros: usize, all: &[u8], wanted: i64| {
            zeros == all.len() || i64::try_from(zeros).unwrap_or(i64::MAX) >= wanted
        };
        length(&self.fraction) <= scale.max(0)
            && length(&self.integer) <= (precision - scale).max(0)
            && reach(zeros_at_end, &self.integer, -scale)
            && reach(zeros_at_start, &self.fraction, scale - precision)
    }

    fn write(&self, out: &mut Vec<u8>) {
        if self.negative {
            out.push(b'-');
        }
        out.extend_from_slice(if self.integer.is_empty() { b"0" } else { &self.integer });
        if !self.fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(&self.fraction);
        }
    }

    fn write_binary(&self, out: &mut Vec<u8>) {
        let before = self.integer.len().div_ceil(4);
        let groups = self.groups(before);
        let leading = groups.iter().take_while(|group| **group == 0).count();
        let trailing = groups[leading..].iter().rev().take_while(|group| **group == 0).count();
        let groups = &groups[leading..groups.len() - trailing];
        let position = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        let weight = if groups.is_empty() { 0 } else { position(before) - position(leading) - 1 };
        let sign = if self.negative { NEGATIVE } else { 0 };
        // Both limits of the type keep these within 16 bits.
        put_u16(groups.len(), out);
        out.extend_from_slice(&i16::try_from(weight).unwrap_or(i16::MAX).to_be_bytes());
        out.extend_from_slice(&sign.to_be_bytes());
        put_u16(self.fraction.len(), out);
        groups.iter().for_each(|group| out.extend_from_slice(&group.to_be_bytes()));
    }

    /// The base-10000 digits, `before` of them before the point.
    fn groups(&self, before: usize) -> Vec<u16> {
        let mut digits = vec![b'0'; before * 4 - self.integer.len()];
        digits.extend_from_slice(&self.integer);
        digits.extend_from_slice(&self.fraction);
        digits.resize(digits.len().next_multiple_of(4), b'0');
        let (groups, _) = digits.as_chunks::<4>();
        groups
            .iter()
            .map(|group| group.iter().fold(0, |value, digit| value * 10 + u16::from(digit - b'0')))
            .collect()
    }

    fn from_groups(negative: bool, weight: i16, scale: usize, groups: &[u16]) -> Self {
        // The digit that counts multiples of 10000^power.
        let group = |power: i32| {
            usize::try_from(i32::from(weight) - power)
                .ok()
                .and_then(|at| groups.get(at))
                .copied()
                .unwrap_or(0)
        };
        let mut integer = Vec::new();
        (0..=i32::from(weight)).rev().for_each(|power| put_group(group(power), &mut integer));
        let mut fraction = Vec::new();
        (1..).take(scale.div_ceil(4)).for_each(|place: i32| put_group(group(-place), &mut fraction));
        fraction.truncate(scale);
        Self::new(negative, &integer, fraction)
    }
}

fn put_u16(value: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u16::try_from(value).unwrap_or(u16::MAX).to_be_bytes());
}

fn put_group(group: u16, digits: &mut Vec<u8>) {
    digits.extend([1000, 100, 10, 1].map(|unit| b"0123456789"[usize::from(group / unit % 10)]));
}

impl Numeric {
    /// A number of a JSON document (RFC 8259 section 6), written without an exponent; `None` when that would be too long.
    pub(super) fn from_json(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
            None => (text, 0),
        };
        Decimal::parse(mantissa)?.shifted(exponent).map(Self::Finite)
    }

    /// Whether the number can stand in a JSON document.
    pub(super) fn is_finite(&self) -> bool {
        matches!(self, Self::Finite(_))
    }

    fn zero() -> Self {
        Self::Finite(Decimal::new(false, &[], Vec::new()))
    }
}

/// Precision and scale of `numeric(p, s)`; none of `numeric`. The modifier is `(precision << 16 | scale) + 4`, the scale in 11
/// bits with sign (`numeric.c`, `make_numeric_typmod`).
fn precision_and_scale(typmod: i32) -> Option<(i64, i64)> {
    let modifier = i64::from(typmod) - 4;
    let scale = ((modifier & 0x7ff) ^ 1024) - 1024;
    (modifier >= 0).then_some((modifier >> 16 & 0xffff, scale))
}

impl Scalar for Numeric {
    fn from_text(text: &str) -> Option<Self> {
        match text {
            "NaN" => Some(Self::NotANumber),
            "Infinity" => Some(Self::Infinity),
            "-Infinity" => Some(Self::MinusInfinity),
            _ => Decimal::parse(text).map(Self::Finite),
        }
    }

    fn from_binary(bytes: &[u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<8>()?;
        let [c0, c1, w0, w1, s0, s1, d0, d1] = *header;
        let count = usize::try_from(i16::from_be_bytes([c0, c1])).ok()?;
        let scale = usize::from(u16::from_be_bytes([d0, d1]));
        let (pairs, odd) = rest.as_chunks::<2>();
        if pairs.len() != count || !odd.is_empty() || scale > FRACTION_DIGITS_MAX {
            return None;
        }
        let groups: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
        if groups.iter().any(|group| *group > 9999) {
            return None;
        }
        let weight = i16::from_be_bytes([w0, w1]);
        match u16::from_be_bytes([s0, s1]) {
            0 => Some(Self::Finite(Decimal::from_groups(false, weight, scale, &groups))),
            NEGATIVE => Some(Self::Finite(Decimal::from_groups(true, weight, scale, &groups))),
            NOT_A_NUMBER => Some(Self::NotANumber),
            INFINITY => Some(Self::Infinity),
            MINUS_INFINITY => Some(Self::MinusInfinity),
            _ => None,
        }
    }

    /// 0 in the column's scale.
    fn surrogate(typmod: i32) -> Self {
        let scale = precision_and_scale(typmod).and_then(|(_, scale)| usize::try_from(scale).ok());
        Self::Finite(Decimal::new(false, &[], vec![b'0'; scale.unwrap_or(0)]))
    }

    fn redacted(&self) -> Self {
        match self {
            Self::Finite(decimal) => Self::Finite(decimal.redacted()),
            Self::NotANumber | Self::Infinity | Self::MinusInfinity => Self::zero(),
        }
    }

    fn tokenised(&self, tokens: &Tokenizer) -> Self {
        match self {
            Self::Finite(decimal) => Self::Finite(decimal.tokenised(tokens)),
            Self::NotANumber | Self::Infinity | Self::MinusInfinity => Self::zero(),
        }
    }

    fn keep_last(&self, n: u8, tokens: &Tokenizer) -> Self {
        match self {
            Self::Finite(decimal) => Self::Finite(decimal.keep_last(n, tokens)),
            Self::NotANumber | Self::Infinity | Self::MinusInfinity => Self::zero(),
        }
    }

    fn fits(&self, typmod: i32) -> bool {
        let Self::Finite(decimal) = self else { return false };
        precision_and_scale(typmod).is_none_or(|(precision, scale)| decimal.fits(precision, scale))
    }

    fn write_text(&self, out: &mut Vec<u8>) {
        match self {
            Self::Finite(decimal) => decimal.write(out),
            Self::NotANumber => out.extend_from_slice(b"NaN"),
            Self::Infinity => out.extend_from_slice(b"Infinity"),
            Self::MinusInfinity => out.extend_from_slice(b"-Infinity"),
        }
    }

    fn write_binary(&self, out: &mut Vec<u8>) {
        let sign = match self {
            Self::Finite(decimal) => return decimal.write_binary(out),
            Self::NotANumber => NOT_A_NUMBER,
            Self::Infinity => INFINITY,
            Self::MinusInfinity => MINUS_INFINITY,
        };
        let header = [0, 0, sign, 0].map(u16::to_be_bytes);
        out.extend_from_slice(header.as_flattened());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens() -> Tokenizer {
        Tokenizer::new(&[1; 32]).expect("long enough")
    }

    fn text(value: &Numeric) -> String {
        let mut out = Vec::new();
        value.write_text(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    /// From PostgreSQL 15's `numeric_send`.
    #[test]
    fn binary_is_what_the_server_sends() {
        let check = |number: &str, hex: [u16; 4], groups: &[u16]| {
            let words = [&hex[..], groups].concat();
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            let value = Numeric::from_text(number).expect("a number");
            assert_eq!(Numeric::from_binary(&bytes).as_ref(), Some(&value), "{number}");
            let mut written = Vec::new();
            value.write_binary(&mut written);
            assert_eq!(written, bytes, "{number}");
            assert_eq!(text(&value), number);
        };
        check("0", [0, 0, 0, 0], &[]);
        check("0.00", [0, 0, 0, 2], &[]);
        check("12345.678", [3, 1, 0, 3], &[1, 2345, 6780]);
        check("-0.05", [1, 0xffff, NEGATIVE, 2], &[500]);
        check("0.00000001", [1, 0xfffe, 0, 8], &[1]);
        check("10000", [1, 1, 0, 0], &[1]);
        check("NaN", [0, 0, NOT_A_NUMBER, 0], &[]);
        check("-Infinity", [0, 0, MINUS_INFINITY, 0], &[]);
    }

    #[test]
    fn what_is_no_numeric_is_refused() {
        for number in ["", "-", ".", ".5", "1e5", "1.2.3", "+1", " 1", "١"] {
            assert_eq!(Numeric::from_text(number), None, "{number}");
        }
        let binaries: [&[u8]; 5] = [
            &[],
            &[0; 7],
            &[0, 1, 0, 0, 0, 0, 0, 0],
            &[0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10],
            &[0, 0, 0, 0, 0x80, 0, 0, 0],
        ];
        for bytes in binaries {
            assert_eq!(Numeric::from_binary(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn digits_are_kept_from_the_end() {
        let check = |number: &str, n, expected: &str| {
            let value = Numeric::from_text(number).expect("a number");
            assert_eq!(text(&value.keep_last(n, &tokens())), expected);
        };
        check("123456.78", 4, "56.78");
        check("-123456.78", 1, "-0.08");
        check("100000.00", 4, "0.00");
    }

    #[test]
    fn equal_numbers_have_equal_tokens_whatever_their_scale() {
        let token = |number: &str| text(&Numeric::from_text(number).expect("a number").tokenised(&tokens()));
        assert_eq!(token("12.50"), format!("{}0", token("12.5")));
        assert_eq!(token("42.00"), format!("{}.00", token("42")));
        assert_eq!(token("42"), integer::keyed(42, &tokens()).to_string());
    }

    #[test]
    fn a_value_that_its_column_cannot_hold_is_known() {
        let typmod = |precision: i32, scale: i32| (precision << 16 | scale & 0x7ff) + 4;
        let check = |number: &str, precision, scale, expected| {
            let value = Numeric::from_text(number).expect("a number");
            assert_eq!(value.fits(typmod(precision, scale)), expected, "{number} in ({precision}, {scale})");
        };
        check("99.99", 4, 2, true);
        check("100.00", 4, 2, false);
        check("1.234", 4, 2, false);
        check("0.99", 2, 2, true);
        check("7.00", 2, 2, false);
        check("12000", 2, -3, true);
        check("12345", 2, -3, false);
        check("0.00123", 3, 5, true);
        check("0.01234", 3, 5, false);
        check("0", 2, -3, true);
        assert!(Numeric::from_text("1.5").expect("a number").fits(-1));
    }

    #[test]
    fn json_numbers_are_written_out() {
        let check = |json: &str, expected: Option<&str>| {
            assert_eq!(Numeric::from_json(json).as_ref().map(text).as_deref(), expected, "{json}");
        };
        check("1e5", Some("100000"));
        check("1.25E1", Some("12.5"));
        check("12.5e-3", Some("0.0125"));
        check("1e-2", Some("0.01"));
        check("-0", Some("0"));
        check("0e0", Some("0"));
        check("1.5e+2", Some("150"));
        check("1e401", None);
        check("1e99999999999", None);
    }

    proptest! {
        #[test]
        fn both_formats_read_back(number in "-?[0-9]{1,40}(\\.[0-9]{1,20})?") {
            let value = Numeric::from_text(&number).expect("a number");
            let mut bytes = Vec::new();
            value.write_binary(&mut bytes);
            prop_assert_eq!(Numeric::from_binary(&bytes), Some(value.clone()));
            prop_assert_eq!(Numeric::from_text(&text(&value)), Some(value));
        }

        #[test]
        fn a_token_is_another_number_of_the_same_shape(number in "-?[1-9][0-9]{0,30}(\\.[0-9]{1,20})?") {
            let value = Numeric::from_text(&number).expect("a number");
            let token = value.tokenised(&tokens());
            prop_assert_ne!(&token, &value);
            prop_assert_eq!(text(&token).len(), text(&value).len());
            prop_assert_eq!(text(&token).find('.'), text(&value).find('.'));
        }
    }
}
