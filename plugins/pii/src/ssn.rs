//! US social security numbers: area, group, serial. No check digit.
//!
//! The rule is that of the Social Security Administration's "Social Security Number Randomization" (since June 2011): any
//! area but 000, 666 and 900 to 999, any group but 00, any serial but 0000; compared with python-stdnum's `us.ssn`. Numbers
//! once printed in advertisements (078-05-1120) are found too: hiding them costs nothing.

use std::ops::Range;

use grille_sdk::Support;

use crate::boundary::{digits_end, is_dash, next_digits, number_begins, number_ends};

/// Digits of a number.
const DIGITS: usize = 9;

/// Reports every number in the text: dashed (`SEPARATED`), or with spaces or written together, which says little.
pub(crate) fn scan(text: &str, mut found: impl FnMut(Range<usize>, Support)) {
    let mut at = 0;
    while let Some((start, run_end)) = next_digits(text.as_bytes(), at) {
        at = run_end;
        if !number_begins(text, start) {
            continue;
        }
        let candidate = match run_end - start {
            DIGITS => Some((run_end, Support::NONE)),
            3 => grouped_end(text, run_end),
            _ => None,
        };
        if let Some((end, support)) = candidate
            && number_ends(text, end)
            && is_ssn(text[start..end].bytes().filter(u8::is_ascii_digit))
        {
            found(start..end, support);
            at = end;
        }
    }
}

/// From the end of the area: separator, two digits, the same separator, four digits.
fn grouped_end(text: &str, area_end: usize) -> Option<(usize, Support)> {
    let separator = text[area_end..].chars().next().filter(|c| is_dash(*c) || matches!(c, ' ' | '\u{a0}'))?;
    let group = area_end + separator.len_utf8();
    let group_end = digits_end(text.as_bytes(), group);
    let serial = group_end + separator.len_utf8();
    let end = digits_end(text.as_bytes(), serial);
    let fits = group_end - group == 2 && text[group_end..].starts_with(separator) && end - serial == 4;
    let support = if is_dash(separator) { Support::SEPARATED } else { Support::NONE };
    fits.then_some((end, support))
}

fn is_ssn(digits: impl Iterator<Item = u8>) -> bool {
    let number = digits.fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
    let (area, group, serial) = (number / 1_000_000, number / 10_000 % 100, number % 10_000);
    !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;

    fn found(text: &str) -> Vec<(&str, Support)> {
        let mut found = Vec::new();
        scan(text, |range, support| found.push((&text[range], support)));
        found
    }

    #[test]
    fn numbers_that_break_a_rule_are_not_found() {
        for text in [
            "000-12-3456",
            "666-12-3456",
            "900-12-3456",
            "987-65-4321",
            "123-00-4567",
            "123-45-0000",
            "123-456-789",
            "12-345-6789",
            "123-45-67890",
            "1123-45-6789",
            "123-45-6789-1",
            "1-123-45-6789",
            "123-45 6789",
            "123--45-6789",
            "123-45-678",
            "0.123456789",
            "+123456789",
            "a123456789",
            "123456789b",
            "1234567890",
            "000123456",
            "123-45",
            "123",
            "",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }

    #[test]
    fn numbers_are_found() {
        let check = |text: &str, support| assert_eq!(found(text), [(text, support)]);
        check("123-45-6789", Support::SEPARATED);
        check("899-99-9999", Support::SEPARATED);
        check("123\u{2013}45\u{2013}6789", Support::SEPARATED);
        check("123 45 6789", Support::NONE);
        check("123456789", Support::NONE);
    }

    #[test]
    fn a_number_in_a_text_is_found() {
        let check = |text: &str, expected: &str| assert_eq!(found(text)[0].0, expected, "{text}");
        check("SSN: 123-45-6789.", "123-45-6789");
        check("(123-45-6789)", "123-45-6789");
        check("7 123-45-6789 7", "123-45-6789");
        check("é123-45-6789 234-56-7891", "234-56-7891");
        check("é123-45 123-45-6789", "123-45-6789");
    }

    /// 898/1000 areas × 99/100 groups × 9999/10000 serials: .889.
    #[test]
    fn the_declared_chance_is_the_measured_one() {
        let mut sample = Sample::new(9);
        let passed = (0..100_000).filter(|_| is_ssn(sample.digits(9).bytes())).count();
        assert!((0.885..0.892).contains(&(passed as f64 / 100_000.0)), "{passed}");
    }
}
