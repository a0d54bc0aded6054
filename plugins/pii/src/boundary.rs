//! Where a number or word may begin and end within a text.

/// Whether a character would make a neighbouring letter or digit part of a longer word. Scripts written without spaces
/// (U+2E80 and up: CJK and its kin) join nothing.
pub(crate) fn joins_word(c: char) -> bool {
    c.is_alphanumeric() && c < '\u{2e80}'
}

/// What people put between the groups of a number: space, no-break space, dot, hyphen, and the dashes that word
/// processors make of it.
pub(crate) fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '.') || is_dash(c)
}

/// The hyphen-minus and its typographic kin (hyphen, non-breaking hyphen, figure dash, en dash).
pub(crate) fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2013}')
}

/// Whether a number may begin here: not within a word, a decimal fraction, a longer dashed number, or behind a `+`.
pub(crate) fn number_begins(text: &str, at: usize) -> bool {
    let mut before = text[..at].chars().rev();
    match before.next() {
        None => true,
        Some('+') => false,
        Some(c) if joins_word(c) => false,
        Some(c) if c == '.' || is_dash(c) => !before.next().is_some_and(|c| c.is_ascii_digit()),
        Some(_) => true,
    }
}

/// Whether a number may end here: not within a word, before a decimal fraction, or within a longer dashed number.
pub(crate) fn number_ends(text: &str, at: usize) -> bool {
    let mut after = text[at..].chars();
    match after.next() {
        None => true,
        Some(c) if joins_word(c) => false,
        Some(c) if c == '.' || is_dash(c) => !after.next().is_some_and(|c| c.is_ascii_digit()),
        Some(_) => true,
    }
}

/// Where the run of ASCII digits that begins at `at` ends; `at` if there is none.
pub(crate) fn digits_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len())
}

/// The next place from `from` on where a run of ASCII digits begins, and where it ends.
pub(crate) fn next_digits(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    let start = from + bytes.get(from..)?.iter().position(u8::is_ascii_digit)?;
    Some((start, digits_end(bytes, start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_do_not_begin_within_others() {
        let check = |before: &str, expected| {
            assert_eq!(number_begins(&format!("{before}123"), before.len()), expected, "{before:?}");
        };
        for free in ["", " ", "#", "a-", "x.", "(", "-", ".", "号", "_", ",", "12 ", "é "] {
            check(free, true);
        }
        for joined in ["a", "4", "é", "+", "1-", "0.", "7\u{2013}"] {
            check(joined, false);
        }
    }

    #[test]
    fn numbers_do_not_end_within_others() {
        let check = |after: &str, expected| {
            assert_eq!(number_ends(&format!("123{after}"), 3), expected, "{after:?}");
        };
        for free in ["", " ", ".", ". 4", "-", "-a", ")", "号", "_", ",5"] {
            check(free, true);
        }
        for joined in ["a", "4", "é", ".5", "-6", "\u{2011}6"] {
            check(joined, false);
        }
    }
}
