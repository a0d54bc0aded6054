//! Telephone numbers: international with `+` or `00`, North American, and national ones with the trunk prefix 0.
//!
//! International numbers are ITU-T E.164: calling codes as its annexed list assigns them, at most 15 digits, with the
//! length of the national number where a plan is narrower. North American ones follow the NANPA rules for area and
//! exchange codes. Written forms are those of ITU-T E.123 and of RFC 5733 (`+44.2079460958`).

use std::ops::Range;

use grille_sdk::Support;

use crate::boundary::{
    digits_end, is_dash, is_separator, joins_word, next_digits, number_begins, number_ends,
};

/// Most digits of an international number (E.164, section 6.2.1).
const DIGITS_MAX: usize = 15;
/// Fewest digits of an international number, calling code included. Shorter ones exist on small islands.
const DIGITS_MIN: usize = 8;
/// Digits of a national number with its trunk prefix.
const NATIONAL: Range<usize> = 9..12;
/// Most groups a number is written in.
const GROUPS_MAX: usize = 8;
/// Most characters between two groups: `) `.
const SEPARATORS_MAX: usize = 2;

/// Calling codes whose national numbers are shorter or longer than [`NATIONAL_DEFAULT`] allows, or have fewer lengths.
const PLANS: [(u32, usize, usize); 47] = [
    (7, 10, 10),
    (20, 8, 10),
    (27, 9, 9),
    (30, 10, 10),
    (31, 9, 9),
    (32, 8, 9),
    (33, 9, 9),
    (34, 9, 9),
    (36, 8, 9),
    (39, 6, 11),
    (40, 9, 9),
    (41, 9, 9),
    (43, 6, 13),
    (44, 9, 10),
    (45, 8, 8),
    (46, 7, 9),
    (47, 8, 8),
    (48, 9, 9),
    (49, 6, 12),
    (51, 8, 9),
    (52, 10, 10),
    (53, 8, 8),
    (54, 10, 11),
    (55, 10, 11),
    (56, 9, 9),
    (57, 10, 10),
    (58, 10, 10),
    (60, 8, 10),
    (61, 9, 9),
    (62, 8, 12),
    (63, 8, 10),
    (64, 8, 10),
    (65, 8, 8),
    (66, 8, 9),
    (81, 9, 10),
    (82, 8, 10),
    (84, 9, 10),
    (86, 10, 11),
    (90, 10, 10),
    (91, 10, 10),
    (92, 9, 10),
    (93, 9, 9),
    (94, 9, 9),
    (95, 7, 10),
    (98, 10, 10),
    (353, 7, 10),
    (358, 6, 11),
];

/// Fewest and most digits of a national number under the other calling codes.
const NATIONAL_DEFAULT: (usize, usize) = (5, 11);

/// Assigned calling codes of two digits, as ranges. Those of one digit are 1 and 7.
#[rustfmt::skip]
const CODES_OF_TWO: [(u32, u32); 13] = [
    (20, 20), (27, 27), (30, 34), (36, 36), (39, 41), (43, 49), (51, 58), (60, 66), (81, 82), (84, 84), (86, 86), (90, 95), (98, 98),
];

/// Assigned calling codes of three digits, as ranges.
#[rustfmt::skip]
const CODES_OF_THREE: [(u32, u32); 33] = [
    (211, 213), (216, 216), (218, 218), (220, 258), (260, 269), (290, 291), (297, 299), (350, 359), (370, 383), (385, 387), (389, 389), (420, 421), (423, 423), (500, 509), (590, 599), (670, 670), (672, 683), (685, 692), (800, 800), (808, 808), (850, 850), (852, 853), (855, 856), (870, 870), (878, 878), (880, 883), (886, 886), (888, 888), (960, 968), (970, 977), (979, 979), (992, 996), (998, 998),
];

/// Reports every number in the text. `SEPARATED` is what may fire alone: international with `+`, or North American with
/// parentheses or dashes.
pub(crate) fn scan(text: &str, mut found: impl FnMut(Range<usize>, Support)) {
    let mut at = 0;
    while let Some((digits, run_end)) = next_digits(text.as_bytes(), at) {
        match number_at(text, digits) {
            Some((range, support)) => {
                at = range.end;
                found(range, support);
            }
            None => at = run_end,
        }
    }
}

/// The number whose first digit is at `digits`.
fn number_at(text: &str, digits: usize) -> Option<(Range<usize>, Support)> {
    let lead = text[..digits].chars().next_back();
    if lead == Some('+') {
        let outer = text[..digits - 1].chars().next_back();
        return if outer.is_some_and(|c| c == '+' || joins_word(c)) {
            None
        } else {
            international(text, digits)
        };
    }
    let start = if lead == Some('(') { digits - 1 } else { digits };
    if !number_begins(text, start) {
        return None;
    }
    let written = Written::read(text, digits, start < digits);
    let (end, support) = written.north_american(text).or_else(|| written.national(text))?;
    Some((start..end, support))
}

/// The number behind a `+`.
fn international(text: &str, digits: usize) -> Option<(Range<usize>, Support)> {
    let written = Written::read(text, digits, false);
    let (end, groups) = written.longest(text, |groups| is_international(&written.digits, groups))?;
    // `+1.4142135623` is as likely a fraction as RFC 5733's form.
    let fraction = groups.len() == 2 && text[digits + groups[0].length..].starts_with('.');
    let support = if fraction { Support::NONE } else { Support::SEPARATED };
    Some((digits - 1..end, support))
}

/// One run of digits.
#[derive(Clone, Copy, Default)]
struct Group {
    length: usize,
    /// Where it ends in the text, a closing parenthesis included.
    end: usize,
    /// The separator before it; of two the first.
    separator: Option<char>,
    /// Whether every parenthesis that was opened is closed here.
    balanced: bool,
}

/// Digits and how they are grouped, as far as they could be one number.
struct Written {
    digits: [u8; DIGITS_MAX],
    groups: [Group; GROUPS_MAX],
    count: usize,
    /// Whether there were parentheses around the first group.
    parenthesised: bool,
}

impl Written {
    /// Reads groups from the first digit on until something else comes, or too much. `(0)` behind a calling code is not
    /// dialled and is left out.
    fn read(text: &str, first: usize, parenthesised: bool) -> Self {
        let mut written =
            Self { digits: [0; DIGITS_MAX], groups: [Group::default(); GROUPS_MAX], count: 0, parenthesised };
        let bytes = text.as_bytes();
        let (mut at, mut total, mut separator, mut open) = (first, 0, None, parenthesised);
        while written.count < GROUPS_MAX {
            let mut end = digits_end(bytes, at);
            let Some(slots) = written.digits.get_mut(total..total + end - at) else { break };
            slots.copy_from_slice(&bytes[at..end]);
            total += end - at;
            let length = end - at;
            if open && bytes.get(end) == Some(&b')') {
                (open, end) = (false, end + 1);
            }
            written.groups[written.count] = Group { length, end, separator, balanced: !open };
            written.count += 1;
            let Some(gap) = Gap::read(text, end) else { break };
            (at, separator) = (gap.end, Some(gap.separator));
            open |= gap.opens;
        }
        written
    }

    fn groups(&self) -> &[Group] {
        &self.groups[..self.count]
    }

    /// The longest run of groups from the first on that `fits` and where a number may end.
    fn longest(&self, text: &str, fits: impl Fn(&[Group]) -> bool) -> Option<(usize, &[Group])> {
        (1..=self.count).rev().map(|count| &self.groups()[..count]).find_map(|groups| {
            let last = groups.last().filter(|last| last.balanced)?;
            (phone_ends(text, last.end) && fits(groups)).then_some((last.end, groups))
        })
    }

    /// `(212) 555-0123`, `1-212-555-0123`, `212.555.0123`, `2125550123`.
    fn north_american(&self, text: &str) -> Option<(usize, Support)> {
        let (end, groups) = self.longest(text, |groups| is_north_american(&self.digits, groups))?;
        let dashed = |group: &Group| group.separator.is_some_and(is_dash);
        let usual = groups.len() > 1 && (self.parenthesised || groups[1..].iter().all(dashed));
        Some((end, if usual { Support::SEPARATED } else { Support::NONE }))
    }

    /// `020 7946 0958`, `(030) 123456`, `0612345678`, and with the international prefix `00 44 20 7946 0958`.
    fn national(&self, text: &str) -> Option<(usize, Support)> {
        let (end, _) = self.longest(text, |groups| is_national(&self.digits, groups))?;
        Some((end, Support::NONE))
    }
}

/// What stands between two groups.
struct Gap {
    separator: char,
    /// Whether a parenthesis opens.
    opens: bool,
    /// Where the next group begins.
    end: usize,
}

impl Gap {
    fn read(text: &str, start: usize) -> Option<Self> {
        let rest = text[start..].strip_prefix("(0)").or_else(|| text[start..].strip_prefix(" (0)"));
        let start = rest.map_or(start, |rest| text.len() - rest.len());
        let closes = text[..start].ends_with(')');
        let mut gap = Self { separator: ')', opens: false, end: start };
        for (index, c) in text[start..].chars().enumerate() {
            if c.is_ascii_digit() && (index > 0 || closes) {
                return Some(gap);
            }
            let separates = is_separator(c) || matches!(c, '/' | '(');
            if index == SEPARATORS_MAX || gap.opens || !separates {
                return None;
            }
            gap.opens = c == '(';
            gap.end += c.len_utf8();
            if index == 0 {
                gap.separator = c;
            }
        }
        None
    }
}

/// Also not before a colon and a digit: `01-01-2024 12:30` is a time.
fn phone_ends(text: &str, at: usize) -> bool {
    let mut after = text[at..].chars();
    number_ends(text, at) && !(after.next() == Some(':') && after.next().is_some_and(|c| c.is_ascii_digit()))
}

fn total(groups: &[Group]) -> usize {
    groups.iter().map(|group| group.length).sum()
}

/// The number that ASCII digits make; for few of them.
fn value(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'))
}

/// Calling code within the first group, and a national number of a length its plan has.
fn is_international(digits: &[u8], groups: &[Group]) -> bool {
    let total = total(groups);
    let code = calling_code(&digits[..total]).filter(|code| *code <= groups[0].length);
    let Some(code) = code.filter(|_| total >= DIGITS_MIN) else { return false };
    let national = total - code;
    match value(&digits[..code]) {
        1 => national == 10 && is_north_american_plan(&digits[1..11]),
        code => {
            let plan = PLANS.iter().find(|plan| plan.0 == code);
            let (fewest, most) = plan.map_or(NATIONAL_DEFAULT, |&(_, fewest, most)| (fewest, most));
            (fewest..=most).contains(&national)
        }
    }
}

/// How many digits the calling code has.
fn calling_code(digits: &[u8]) -> Option<usize> {
    let begins_with = |length, codes: &[(u32, u32)]| {
        let code = digits.get(..length).map(value);
        code.is_some_and(|code| codes.iter().any(|&(first, last)| (first..=last).contains(&code)))
    };
    match digits.first()? {
        b'1' | b'7' => Some(1),
        _ if begins_with(2, &CODES_OF_TWO) => Some(2),
        _ if begins_with(3, &CODES_OF_THREE) => Some(3),
        _ => None,
    }
}

fn is_north_american(digits: &[u8], groups: &[Group]) -> bool {
    let mut lengths = [0; GROUPS_MAX];
    groups.iter().zip(&mut lengths).for_each(|(group, length)| *length = group.length);
    match &lengths[..groups.len()] {
        [10] | [3, 7] | [3, 3, 4] => is_north_american_plan(&digits[..10]),
        [11] | [1, 10] | [1, 3, 7] | [1, 3, 3, 4] => {
            digits[0] == b'1' && is_north_american_plan(&digits[1..11])
        }
        _ => false,
    }
}

/// Area code and exchange begin with 2 to 9, and the area code is no service code (N11).
fn is_north_american_plan(digits: &[u8]) -> bool {
    matches!(digits[0], b'2'..=b'9') && matches!(digits[3], b'2'..=b'9') && &digits[1..3] != b"11"
}

fn is_national(digits: &[u8], groups: &[Group]) -> bool {
    let digits = &digits[..total(groups)];
    if let Some(international) = digits.strip_prefix(b"00") {
        return international.len() > DIGITS_MIN && calling_code(international).is_some();
    }
    // The last group can be an extension; a lone digit before it is not how people write.
    let wide = groups[..groups.len() - 1].iter().all(|group| group.length >= 2);
    digits.starts_with(b"0") && wide && NATIONAL.contains(&digits.len())
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
    fn what_is_no_number_is_not_found() {
        for text in [
            "",
            "+",
            "+(",
            "+0123456789",     // no calling code begins with 0
            "+2101234567",     // not assigned
            "+1234567",        // too short
            "+12125550123456", // too long for its plan
            "+1 112 555 0123", // area code
            "+1 212 155 0123", // exchange
            "+3.14159265358979",
            "++12125550123",
            "a+12125550123",
            "1+12125550123",
            "112-555-0123",
            "911-555-0123",
            "211-555-0123",
            "12-212-555-0123",
            "212-555-0123-4",
            "2125550123a",
            "0.2125550123",
            "1700000000", // a Unix time
            "1700000000123",
            "192.168.001.100",
            "01-01-2024 12:30",
            "2024-01-01",
            "978-3-16-148410-0",
            "0-306-40615-2",
            "4111 1111 1111 1111",
            "(212",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }

    #[test]
    fn numbers_that_may_fire_alone_are_found() {
        for text in [
            "+12125550123",
            "+1 212-555-0123",
            "+1 (212) 555-0123",
            "+44 20 7946 0958",
            "+44 (0)20 7946 0958",
            "+44(0)20 7946 0958",
            "+49 30 901820",
            "+33 6 12 34 56 78",
            "+358 9 1234567",
            "+81-3-1234-5678",
            "+49 (30) 901820",
            "(212) 555-0123",
            "(212)555-0123",
            "212-555-0123",
            "1-212-555-0123",
            "212\u{2011}555\u{2011}0123",
        ] {
            assert_eq!(found(text), [(text, Support::SEPARATED)]);
        }
    }

    #[test]
    fn numbers_that_need_more_are_found_without_support() {
        for text in [
            "2125550123",
            "12125550123",
            "212.555.0123",
            "212 555 0123",
            "020 7946 0958",
            "06 12 34 56 78",
            "030/901820-1",
            "0612345678",
            "(030) 9018200",
            "0044 20 7946 0958",
            "+44.2079460958",
            "+1.4142135623",
        ] {
            assert_eq!(found(text), [(text, Support::NONE)]);
        }
    }

    #[test]
    fn a_number_in_a_text_is_found() {
        let check = |text: &str, expected: &str| assert_eq!(found(text)[0].0, expected, "{text}");
        check("call +1 212 555 0123 2 times", "+1 212 555 0123");
        check("tel:+12125550123", "+12125550123");
        check("(+44 20 7946 0958)", "+44 20 7946 0958");
        check("((212) 555-0123)", "(212) 555-0123");
        check("fax 212-555-0123.", "212-555-0123");
        check("电话+442079460958。", "+442079460958");
        check("7 items, +33 612345678, 2", "+33 612345678");
    }

    /// Of random 10-digit values, 8/10 × 8/10 × 99/100 could be North American, and 1/10 × 9/10 begin with the trunk
    /// prefix: .724.
    #[test]
    fn the_declared_chance_is_the_measured_one() {
        let mut sample = Sample::new(10);
        let passed = (0..100_000).filter(|_| !found(&sample.digits(10)).is_empty()).count();
        assert!((0.715..0.735).contains(&(passed as f64 / 100_000.0)), "{passed}");
    }
}
