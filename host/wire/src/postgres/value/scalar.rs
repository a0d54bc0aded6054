//! Types whose values are treated as a whole: read in either format, treated, written in the same format.

use grille_core::Treatment;

use super::plan::{Malformed, Masked, Remedy};
use super::token::Tokenizer;

/// The modifier of a column that has none.
const NO_MODIFIER: i32 = -1;

/// A cell, or an element of an array, in one of the two formats.
#[derive(Clone, Copy, Debug)]
pub(super) enum Raw<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

impl<'a> Raw<'a> {
    pub(super) fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

/// A value that is treated as a whole.
pub(super) trait Scalar: Sized {
    /// Whether a session setting (DateStyle, IntervalStyle) lets a text take a form that is not read here; the surrogate
    /// stands for such a text.
    const HAS_STYLES: bool = false;

    /// Reads the text the server sends.
    fn from_text(text: &str) -> Option<Self>;

    /// Reads what the type's send function writes.
    fn from_binary(bytes: &[u8]) -> Option<Self>;

    /// The type's fixed value: it depends on the column's type modifier at most.
    fn surrogate(typmod: i32) -> Self;

    /// The fixed value in this value's shape, where the type has shapes (scale, version, length).
    fn redacted(&self) -> Self {
        Self::surrogate(NO_MODIFIER)
    }

    /// A value that depends on the key and on this value alone.
    fn tokenised(&self, tokens: &Tokenizer) -> Self;

    /// This value with all but its last `n` digits 0; redacted where that is no value of the type.
    fn keep_last(&self, _n: u8, _tokens: &Tokenizer) -> Self {
        self.redacted()
    }

    /// Whether a column with this type modifier may hold the value.
    fn fits(&self, _typmod: i32) -> bool {
        true
    }

    /// Writes a text that the type's input function accepts.
    fn write_text(&self, out: &mut Vec<u8>);

    /// Writes what the type's receive function accepts.
    fn write_binary(&self, out: &mut Vec<u8>);

    /// Reads a value in either format.
    fn read(raw: Raw<'_>) -> Option<Self> {
        match raw {
            Raw::Text(text) => Self::from_text(text),
            Raw::Binary(bytes) => Self::from_binary(bytes),
        }
    }

    /// This value treated; `None` is NULL. Called for treatments other than [`Treatment::Keep`].
    fn treated(&self, remedy: Remedy<'_>, typmod: i32, tokens: &Tokenizer) -> Option<Self> {
        let treated = match remedy.treatment {
            Treatment::Null => return None,
            Treatment::Keep | Treatment::Redact => None,
            Treatment::KeepLast(n) => Some(self.keep_last(*n, tokens)),
            Treatment::Token => Some(self.tokenised(tokens)),
            Treatment::Plugin(_) => remedy.replacement.and_then(Self::from_text),
        };
        Some(treated.filter(|value| value.fits(typmod)).unwrap_or_else(|| self.redacted()))
    }
}

/// Writes the cell treated, in the format it came in.
pub(super) fn rewrite<S: Scalar>(
    raw: Raw<'_>,
    typmod: i32,
    remedy: Remedy<'_>,
    tokens: &Tokenizer,
    out: &mut Vec<u8>,
) -> Result<Masked, Malformed> {
    if *remedy.treatment == Treatment::Null {
        return Ok(Masked::Null);
    }
    let treated = match S::read(raw) {
        Some(value) => value.treated(remedy, typmod, tokens),
        None => Some(unread_text::<S>(raw, typmod).ok_or(Malformed)?),
    };
    let Some(value) = treated else { return Ok(Masked::Null) };
    match raw {
        Raw::Text(_) => value.write_text(out),
        Raw::Binary(_) => value.write_binary(out),
    }
    Ok(Masked::Value)
}

fn unread_text<S: Scalar>(raw: Raw<'_>, typmod: i32) -> Option<S> {
    match raw {
        Raw::Text(_) => S::HAS_STYLES.then(|| S::surrogate(typmod)),
        Raw::Binary(_) => None,
    }
}
