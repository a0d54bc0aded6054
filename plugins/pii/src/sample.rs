//! Test data: random values under a fixed seed, so that a failure can be run again.

/// A stream of random values (SplitMix64).
pub(crate) struct Sample(u64);

impl Sample {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A text of characters drawn from the ASCII `alphabet`.
    pub(crate) fn text(&mut self, alphabet: &str, length: usize) -> String {
        let alphabet = alphabet.as_bytes();
        (0..length).map(|_| alphabet[self.below(alphabet.len() as u64) as usize] as char).collect()
    }

    /// Random digits.
    pub(crate) fn digits(&mut self, length: usize) -> String {
        self.text("0123456789", length)
    }

    /// Random hexadecimal digits.
    pub(crate) fn hex(&mut self, length: usize) -> String {
        self.text("0123456789abcdef", length)
    }
}
