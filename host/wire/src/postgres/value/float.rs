//! `real` and `double precision`.

use super::scalar::Scalar;
use super::token::{Domain, Tokenizer};

/// A floating-point number of so many bytes, 4 or 8; one of 4 bytes is widened, which is exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Float<const BYTES: usize>(f64);

impl<const BYTES: usize> Float<BYTES> {
    fn parse(text: &str) -> Option<Self> {
        match BYTES {
            4 => text.parse().ok().map(|value: f32| Self(f64::from(value))),
            _ => text.parse().ok().map(Self),
        }
    }
}

impl<const BYTES: usize> Scalar for Float<BYTES> {
    fn from_text(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    fn from_binary(bytes: &[u8]) -> Option<Self> {
        match BYTES {
            4 => bytes.try_into().ok().map(|bytes| Self(f64::from(f32::from_be_bytes(bytes)))),
            _ => bytes.try_into().ok().map(|bytes| Self(f64::from_be_bytes(bytes))),
        }
    }

    fn surrogate(_typmod: i32) -> Self {
        Self(0.0)
    }

    /// Six keyed digits with the sign and the power of ten of the value; 0 for what has none (NaN, the infinities).
    fn tokenised(&self, tokens: &Tokenizer) -> Self {
        if !self.0.is_finite() {
            return self.redacted();
        }
        // Adding zero makes the negative zero, which equals the other, that other.
        let value = self.0 + 0.0;
        let mut stream = tokens.stream(Domain::Float, &value.to_be_bytes());
        let sign = if value < 0.0 { "-" } else { "" };
        let scientific = format!("{value:e}");
        let exponent = scientific.split_once('e').map_or("0", |(_, exponent)| exponent);
        let text = format!("{sign}{}.{:05}e{exponent}", 1 + stream.digit(9), stream.below(100_000));
        Self::parse(&text)
            .filter(|token| token.0.is_finite() && token.0 != value)
            .unwrap_or_else(|| self.redacted())
    }

    fn write_text(&self, out: &mut Vec<u8>) {
        let text = if self.0.is_nan() {
            "NaN".to_owned()
        } else if self.0.is_infinite() {
            if self.0 > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
        } else if BYTES == 4 {
            plain_or_scientific(self.0, narrow(self.0))
        } else {
            plain_or_scientific(self.0, self.0)
        };
        out.extend_from_slice(text.as_bytes());
    }

    fn write_binary(&self, out: &mut Vec<u8>) {
        match BYTES {
            4 => out.extend_from_slice(&narrow(self.0).to_be_bytes()),
            _ => out.extend_from_slice(&self.0.to_be_bytes()),
        }
    }
}

/// The number that was widened; the cast rounds nothing.
#[expect(clippy::cast_possible_truncation, reason = "the value came from an f32")]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// Digits that read back as the number, in the notation the server would choose.
fn plain_or_scientific(size: f64, value: impl std::fmt::Display + std::fmt::LowerExp) -> String {
    if size == 0.0 || (1e-4..1e15).contains(&size.abs()) { format!("{value}") } else { format!("{value:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_keeps_sign_and_size() {
        let tokens = Tokenizer::new(&[1; 32]).expect("long enough");
        for value in [1.5, -72_000.25, 1e-300, 3.4e38, -9.9e307] {
            let token = Float::<8>(value).tokenised(&tokens).0;
            assert_ne!(token, value);
            assert_eq!(token.is_sign_negative(), value.is_sign_negative());
            assert_eq!(token.abs().log10().floor(), value.abs().log10().floor(), "{value} became {token}");
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Float::<8>(value).tokenised(&tokens), Float(0.0));
        }
        assert!(Float::<4>(f64::from(f32::MAX)).tokenised(&tokens).0.is_finite());
    }

    #[test]
    fn the_formats_agree() {
        for text in ["1.1", "-0.0002", "3.4e38", "NaN", "Infinity", "-Infinity", "1e-45", "0"] {
            let value = Float::<4>::from_text(text).expect("a number");
            let (mut written, mut binary) = (Vec::new(), Vec::new());
            value.write_text(&mut written);
            value.write_binary(&mut binary);
            assert_eq!(String::from_utf8(written).expect("ASCII"), text);
            let read = Float::<4>::from_binary(&binary).expect("4 bytes");
            assert_eq!(read.0.to_bits(), value.0.to_bits(), "{text}");
        }
    }
}
