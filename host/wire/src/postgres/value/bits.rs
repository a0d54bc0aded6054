//! `bit(n)` and `varbit(n)`: the length stays.

use super::scalar::Scalar;
use super::token::{Domain, Tokenizer};

/// Below this many bits a token would tell too much or too little: the value is redacted.
const TOKEN_BITS_MIN: usize = 16;

/// A string of bits, most significant first; bits past the length are 0.
#[derive(PartialEq, Eq)]
pub(super) struct Bits {
    length: usize,
    packed: Vec<u8>,
}

impl Bits {
    fn clear_padding(mut self) -> Self {
        let used = self.length % 8;
        if let (Some(last), 1..) = (self.packed.last_mut(), used) {
            *last &= 0xff << (8 - used);
        }
        self
    }
}

impl Scalar for Bits {
    fn from_text(text: &str) -> Option<Self> {
        let mut packed = vec![0_u8; text.len().div_ceil(8)];
        for (at, digit) in text.bytes().enumerate() {
            match digit {
                b'0' => {}
                b'1' => packed[at / 8] |= 0x80 >> (at % 8),
                _ => return None,
            }
        }
        Some(Self { length: text.len(), packed })
    }

    fn from_binary(bytes: &[u8]) -> Option<Self> {
        let (length, packed) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
        (packed.len() == length.div_ceil(8)).then(|| Self { length, packed: packed.to_vec() }.clear_padding())
    }

    /// As many zeros as the modifier of `bit(n)` says; it counts bits. `bit` is `bit(1)`.
    fn surrogate(typmod: i32) -> Self {
        let length = usize::try_from(typmod).unwrap_or(1);
        Self { length, packed: vec![0; length.div_ceil(8)] }
    }

    fn redacted(&self) -> Self {
        Self { length: self.length, packed: vec![0; self.packed.len()] }
    }

    fn tokenised(&self, tokens: &Tokenizer) -> Self {
        if self.length < TOKEN_BITS_MIN {
            return self.redacted();
        }
        let length = u64::try_from(self.length).unwrap_or(u64::MAX);
        let value = [&length.to_be_bytes()[..], &self.packed].concat();
        let mut stream = tokens.stream(Domain::Bits, &value);
        let packed = self.packed.iter().map(|_| stream.byte()).collect();
        let token = Self { length: self.length, packed }.clear_padding();
        if token == *self { self.redacted() } else { token }
    }

    fn write_text(&self, out: &mut Vec<u8>) {
        let bit = |at: usize| self.packed[at / 8] >> (7 - at % 8) & 1;
        out.extend((0..self.length).map(|at| b'0' + bit(at)));
    }

    fn write_binary(&self, out: &mut Vec<u8>) {
        // A length that was read from 32 bits, or one digit a bit from a cell whose size is 31 bits.
        let length = i32::try_from(self.length).unwrap_or(i32::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&self.packed);
    }
}
