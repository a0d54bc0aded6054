//! `money`: an amount in the currency's smallest unit, which `lc_monetary` dresses for the text format (`$1,234.56`,
//! `1.234,56 €`, `($5.00)`). The dress stays and the digits in it change.

use super::integer;
use super::scalar::Scalar;
use super::token::Tokenizer;

/// A value of type `money`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Money {
    amount: i64,
    /// The text it came in, for its signs and separators; empty when it came in binary.
    dress: String,
}

impl Money {
    fn with_amount(&self, amount: i64) -> Self {
        Self { amount, dress: self.dress.clone() }
    }
}

impl Scalar for Money {
    fn from_text(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let negative = text.contains('-') || text.contains('(');
        let amount = format!("{}{digits}", if negative { "-" } else { "" }).parse().ok()?;
        Some(Self { amount, dress: text.to_owned() })
    }

    fn from_binary(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self { amount: i64::from_be_bytes(bytes), dress: String::new() })
    }

    /// Without a dress: what it is in text depends on the server's locale.
    fn surrogate(_typmod: i32) -> Self {
        Self { amount: 0, dress: String::new() }
    }

    fn redacted(&self) -> Self {
        self.with_amount(0)
    }

    fn tokenised(&self, tokens: &Tokenizer) -> Self {
        self.with_amount(integer::keyed(self.amount, tokens))
    }

    fn keep_last(&self, n: u8, tokens: &Tokenizer) -> Self {
        self.with_amount(integer::last_digits(self.amount, n, tokens))
    }

    fn write_text(&self, out: &mut Vec<u8>) {
        let places = self.dress.chars().filter(char::is_ascii_digit).count();
        let mut digits = format!("{:0places$}", self.amount.unsigned_abs()).into_bytes().into_iter();
        let mut utf8 = [0; 4];
        for c in self.dress.chars() {
            match digits.len() {
                1.. if c.is_ascii_digit() => out.extend(digits.next()),
                _ => out.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes()),
            }
        }
    }

    fn write_binary(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.amount.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dress_stays() {
        let tokens = Tokenizer::new(&[1; 32]).expect("long enough");
        let check = |text: &str, amount, redacted: &str, kept: &str| {
            let value = Money::from_text(text).expect("money");
            assert_eq!(value.amount, amount);
            let written = |value: Money| {
                let mut out = Vec::new();
                value.write_text(&mut out);
                String::from_utf8(out).expect("a text")
            };
            assert_eq!(written(value.redacted()), redacted);
            assert_eq!(written(value.keep_last(2, &tokens)), kept);
            let token = Money::from_text(&written(value.tokenised(&tokens))).expect("money");
            assert_eq!(token.amount, integer::keyed(amount, &tokens));
        };
        check("$1,234.56", 123_456, "$0,000.00", "$0,000.56");
        check("-$1,234.56", -123_456, "-$0,000.00", "-$0,000.56");
        check("($1,234.56)", -123_456, "($0,000.00)", "($0,000.56)");
        check("1.234,56 €", 123_456, "0.000,00 €", "0.000,56 €");
    }

    #[test]
    fn what_has_no_digits_or_too_many_is_refused() {
        for text in ["", "$", "$99999999999999999999"] {
            assert_eq!(Money::from_text(text), None, "{text}");
        }
    }
}
