//! Keyed tokens: the same value under the same key gives the same token, and without the key nothing can be told from one
//! but equality.
//!
//! A token is HMAC-SHA-256 (RFC 2104) over a domain, a zero byte and the value in a form that is the same in text and
//! binary format, cut or mapped to what the type has room for. Values of types that PostgreSQL compares with each other
//! (integers and numeric; text, varchar and char) share a domain, so that joins over tokens work.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2_of_hmac::Sha256;

use super::seal::Sealer;

/// RustCrypto's, because its state is a tenth of AWS-LC's: to copy and wipe that takes as long as half of the hashing.
type HmacSha256 = Hmac<Sha256>;

/// Fewest bytes of an operator's key: the strength of HMAC-SHA-256.
pub const TOKEN_KEY_BYTES_MIN: usize = 32;

/// Stands before a text token where there is room for it.
const PREFIX: &str = "tok_";

/// Characters of a whole text token after the prefix: 5 bits each, 80 bits in all. Among a million values, two share a
/// token with a probability of about 4 in 10^13.
const SYMBOLS: usize = 16;

/// RFC 4648 section 6, in lower case.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Sets these messages apart from anything else the key may ever sign.
const PURPOSE: &[u8] = b"grille token 1\0";
const PURPOSE_STREAM: &[u8] = b"grille token stream 1\0";

/// Makes keyed tokens. The keys are wiped from memory when this is dropped (feature `zeroize` of `hmac` and `sha2`, AWS-LC's
/// `EVP_AEAD_CTX_cleanup`).
pub struct Tokenizer {
    key: HmacSha256,
    /// For each domain, by its discriminant: an HMAC that has taken all that is the same for each value of it.
    begun: [HmacSha256; Domain::ALL.len()],
    sealer: Sealer,
}

/// The operator's token key has too few bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token key has {bytes} bytes; it needs at least {TOKEN_KEY_BYTES_MIN}")]
pub struct KeyTooShort {
    bytes: usize,
}

/// What kind of value a token stands for; values of different domains never share a token but by chance.
#[derive(Clone, Copy, Debug)]
pub(super) enum Domain {
    Text,
    Bytes,
    Number,
    Float,
    Uuid,
    Date,
    Time,
    Timestamp,
    Interval,
    Network,
    HardwareAddress,
    Bits,
}

impl Domain {
    /// In the order of the discriminants.
    const ALL: [Self; 12] = [
        Self::Text,
        Self::Bytes,
        Self::Number,
        Self::Float,
        Self::Uuid,
        Self::Date,
        Self::Time,
        Self::Timestamp,
        Self::Interval,
        Self::Network,
        Self::HardwareAddress,
        Self::Bits,
    ];

    /// Part of what is signed: changing one changes every token made of it.
    fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Number => "number",
            Self::Float => "float",
            Self::Uuid => "uuid",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::Interval => "interval",
            Self::Network => "network",
            Self::HardwareAddress => "hardware address",
            Self::Bits => "bits",
        }
    }
}

impl Tokenizer {
    /// Takes the operator's key, which should be random bytes and not a password.
    ///
    /// # Errors
    /// When it has fewer than [`TOKEN_KEY_BYTES_MIN`] bytes.
    pub fn new(key: &[u8]) -> Result<Self, KeyTooShort> {
        if key.len() < TOKEN_KEY_BYTES_MIN {
            return Err(KeyTooShort { bytes: key.len() });
        }
        let sealer = Sealer::new(key);
        let key = HmacSha256::new_from_slice(key).expect("HMAC takes keys of any length");
        let begun = Domain::ALL.map(|domain| begin(&key, domain));
        Ok(Self { key, begun, sealer })
    }

    /// The value of a round-trip token that [`Column::seal`](super::Column::seal) made; `None` when the text is no token of
    /// this key and this scope.
    pub fn open(&self, scope: &str, token: &str) -> Option<String> {
        self.sealer.open(scope, token)
    }

    /// A round-trip token, if the value is not too long nor the token for the room, in characters.
    pub(super) fn seal(&self, scope: &str, value: &str, room: usize) -> Option<String> {
        self.sealer.seal(scope, value, room)
    }

    /// A token for a text: `tok_` and 16 characters from `a-z2-7`, 80 bits. With `room` for fewer characters the prefix
    /// goes first and then strength: `n` characters carry `5n` bits, so that among `N` values about `N² / 2^(5n + 1)`
    /// pairs share a token.
    pub(super) fn text(&self, domain: Domain, value: &[u8], room: usize) -> String {
        let mut token = String::with_capacity(PREFIX.len() + SYMBOLS);
        if room >= PREFIX.len() + SYMBOLS {
            token.push_str(PREFIX);
        }
        let bytes = &self.seed(domain, value)[..SYMBOLS.min(room)];
        token.extend(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])));
        token
    }

    /// As many keyed bytes as asked for, the same for the same value.
    pub(super) fn stream(&self, domain: Domain, value: &[u8]) -> Stream<'_> {
        let seed = self.seed(domain, value);
        Stream { key: &self.key, seed, block: seed, used: 0, counter: 0 }
    }

    /// The value's HMAC.
    fn seed(&self, domain: Domain, value: &[u8]) -> [u8; 32] {
        let mut mac = self.begun[domain as usize].clone();
        mac.update(value);
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokenizer(..)")
    }
}

fn begin(key: &HmacSha256, domain: Domain) -> HmacSha256 {
    let mut mac = key.clone();
    mac.update(PURPOSE);
    mac.update(domain.word().as_bytes());
    mac.update(&[0]);
    mac
}

/// Keyed bytes without end: the value's HMAC, then the HMAC of that and a counter.
pub(super) struct Stream<'a> {
    key: &'a HmacSha256,
    seed: [u8; 32],
    block: [u8; 32],
    used: usize,
    counter: u64,
}

impl Stream<'_> {
    pub(super) fn byte(&mut self) -> u8 {
        if self.used == self.block.len() {
            self.refill();
        }
        let byte = self.block[self.used];
        self.used += 1;
        byte
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    /// A number below `bound`; the bias is below 2^-64. `bound` is not 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from_be_bytes(self.bytes()) % u128::from(bound.max(1));
        u64::try_from(wide).expect("a remainder by a u64 fits one")
    }

    /// A digit below `bound`; the bias is below 2^-28. `bound` is not 0.
    pub(super) fn digit(&mut self, bound: u8) -> u8 {
        let wide = u32::from_be_bytes(self.bytes()) % u32::from(bound.max(1));
        u8::try_from(wide).expect("a remainder by a u8 fits one")
    }

    fn refill(&mut self) {
        let mut mac = self.key.clone();
        mac.update(PURPOSE_STREAM);
        mac.update(&self.seed);
        mac.update(&self.counter.to_be_bytes());
        self.block = mac.finalize().into_bytes().into();
        self.counter += 1;
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokenizer(byte: u8) -> Tokenizer {
        Tokenizer::new(&[byte; 32]).expect("long enough")
    }

    #[test]
    fn a_short_key_is_refused() {
        for bytes in [0, 1, 31] {
            assert_eq!(Tokenizer::new(&vec![7; bytes]).err(), Some(KeyTooShort { bytes }));
        }
    }

    #[test]
    fn domains_are_listed_in_their_order() {
        for (index, domain) in Domain::ALL.into_iter().enumerate() {
            assert_eq!(domain as usize, index, "{}", domain.word());
        }
    }

    #[test]
    fn the_key_is_not_printed() {
        assert_eq!(format!("{:?}", tokenizer(7)), "Tokenizer(..)");
    }

    #[test]
    fn tokens_depend_on_value_domain_and_key() {
        let one = tokenizer(1);
        let token = one.text(Domain::Text, b"alice@example.com", usize::MAX);
        assert_eq!(token, one.text(Domain::Text, b"alice@example.com", usize::MAX));
        assert_ne!(token, one.text(Domain::Text, b"bob@example.com", usize::MAX));
        assert_ne!(token, one.text(Domain::Bytes, b"alice@example.com", usize::MAX));
        assert_ne!(token, tokenizer(2).text(Domain::Text, b"alice@example.com", usize::MAX));
    }

    #[test]
    fn tokens_keep_to_their_room() {
        for (room, length) in [(0, 0), (1, 1), (15, 15), (16, 16), (19, 16), (20, 20), (usize::MAX, 20)] {
            let token = tokenizer(1).text(Domain::Text, b"x", room);
            assert_eq!(token.len(), length, "room for {room}");
            assert_eq!(token.starts_with(PREFIX), length == 20);
        }
    }

    #[test]
    fn a_stream_does_not_repeat_its_blocks() {
        let one = tokenizer(1);
        let mut stream = one.stream(Domain::Number, b"42");
        let blocks: [[u8; 32]; 4] = std::array::from_fn(|_| stream.bytes());
        for (at, block) in blocks.iter().enumerate() {
            assert!(!blocks[..at].contains(block));
        }
    }

    /// A change here breaks every token that clients have stored.
    #[test]
    fn tokens_stay_what_they_were() {
        expect_test::expect!["tok_ajf7vdeylt5wekin"].assert_eq(&tokenizer(1).text(
            Domain::Text,
            b"alice@example.com",
            usize::MAX,
        ));
    }
}
