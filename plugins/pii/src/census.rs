//! What a text is made of, counted once, so that most scanners need not look at most texts.

/// Counts of a text's bytes.
#[derive(Debug, Default)]
pub(crate) struct Census {
    /// ASCII digits.
    pub(crate) digits: usize,
    /// ASCII letters.
    pub(crate) letters: usize,
    /// `@`.
    pub(crate) ats: usize,
    /// `+`.
    pub(crate) pluses: usize,
}

impl Census {
    /// Counts.
    pub(crate) fn of(text: &str) -> Self {
        let mut census = Self::default();
        for byte in text.bytes() {
            census.digits += usize::from(byte.is_ascii_digit());
            census.letters += usize::from(byte.is_ascii_alphabetic());
            census.ats += usize::from(byte == b'@');
            census.pluses += usize::from(byte == b'+');
        }
        census
    }
}
