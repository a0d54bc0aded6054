//! `boolean`. Two values leave no room for a token: whatever is done to one makes it false.

use super::scalar::Scalar;
use super::token::Tokenizer;

/// A value of type `boolean`.
pub(super) struct Boolean(bool);

impl Scalar for Boolean {
    fn from_text(text: &str) -> Option<Self> {
        match text {
            "t" => Some(Self(true)),
            "f" => Some(Self(false)),
            _ => None,
        }
    }

    fn from_binary(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [byte] => Some(Self(*byte != 0)),
            _ => None,
        }
    }

    fn surrogate(_typmod: i32) -> Self {
        Self(false)
    }

    fn tokenised(&self, _tokens: &Tokenizer) -> Self {
        Self(false)
    }

    fn write_text(&self, out: &mut Vec<u8>) {
        out.push(if self.0 { b't' } else { b'f' });
    }

    fn write_binary(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.0));
    }
}
