//! What a text is made of, counted once, so that most scanners need not look at most texts.

/// Counts of a text's bytes.
#[derive(Debug, Default)]
pub(crate) struct Census {
    /// ASCII digits.
    pub(crate) digits: usize,
    /// Most ASCII digits that stand near enough to each other to be those of one number: with nothing between them that
    /// no number is written with.
    pub(crate) digits_together: usize,
    /// ASCII letters.
    pub(crate) letters: usize,
    /// `@`.
    pub(crate) ats: usize,
    /// `+`.
    pub(crate) pluses: usize,
}

/// Bytes that are counted at once: a count of them fits one byte, so that vector lanes need be no wider.
const STRIDE: usize = 255;

impl Census {
    /// Counts.
    pub(crate) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let digits = count(bytes, |byte| byte.is_ascii_digit());
        Self {
            digits,
            // Fewer are no number that is looked for, however they stand.
            digits_together: if digits < DIGITS_MIN { digits } else { together(bytes) },
            letters: count(bytes, |byte| byte.is_ascii_alphabetic()),
            ats: count(bytes, |byte| byte == b'@'),
            pluses: count(bytes, |byte| byte == b'+'),
        }
    }
}

/// Fewest digits of any number that is looked for.
const DIGITS_MIN: usize = 8;

fn count(bytes: &[u8], is: impl Fn(u8) -> bool) -> usize {
    bytes
        .chunks(STRIDE)
        .map(|stretch| usize::from(stretch.iter().map(|byte| u8::from(is(*byte))).sum::<u8>()))
        .sum()
}

/// See [`Census::digits_together`].
fn together(bytes: &[u8]) -> usize {
    let (mut most, mut here) = (0, 0);
    for byte in bytes {
        match byte {
            b'0'..=b'9' => {
                here += 1;
                most = most.max(here);
            }
            b' ' | b'.' | b'-' | b'/' | b'(' | b')' => {}
            // A dash or a blank that is not ASCII, perhaps.
            128.. => {}
            _ => here = 0,
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_one_number_stand_together() {
        let check = |text: &str, digits, digits_together| {
            let census = Census::of(text);
            assert_eq!((census.digits, census.digits_together), (digits, digits_together), "{text}");
        };
        check("", 0, 0);
        check("123 x 456", 6, 6);
        check("123-45-6789", 9, 9);
        check("(0)20\u{a0}7946/0958", 11, 11);
        check("4111\u{2011}1111\u{2013}1111 1111", 16, 16);
        check("order 0000001 on 2026-11-22 at 17:04, 12 items", 21, 8);
        check("1234567a12345678", 15, 8);
        check("12345678a1234567", 15, 8);
        check(&"1".repeat(600), 600, 600);
    }
}
