//! International bank account numbers: country, check digits, national account number.
//!
//! The rule is ISO 13616 with the formats of SWIFT's IBAN registry (release 101) and the check digits of ISO 7064 MOD
//! 97-10; compared with python-stdnum's `iban`.

use std::ops::Range;

use grille_sdk::Support;

use crate::boundary::{is_separator, joins_word};

/// Country, and its account number as runs of `n` digits, `a` letters, `c` either.
#[rustfmt::skip]
const COUNTRIES: [(&str, &str); 89] = [
    ("AD", "n8 c12"),
    ("AE", "n19"),
    ("AL", "n8 c16"),
    ("AT", "n16"),
    ("AZ", "a4 c20"),
    ("BA", "n16"),
    ("BE", "n12"),
    ("BG", "a4 n6 c8"),
    ("BH", "a4 c14"),
    ("BI", "n23"),
    ("BR", "n23 a1 c1"),
    ("BY", "c4 n4 c16"),
    ("CH", "n5 c12"),
    ("CR", "n18"),
    ("CY", "n8 c16"),
    ("CZ", "n20"),
    ("DE", "n18"),
    ("DJ", "n23"),
    ("DK", "n14"),
    ("DO", "c4 n20"),
    ("EE", "n16"),
    ("EG", "n25"),
    ("ES", "n20"),
    ("FI", "n14"),
    ("FK", "a2 n12"),
    ("FO", "n14"),
    ("FR", "n10 c11 n2"),
    ("GB", "a4 n14"),
    ("GE", "a2 n16"),
    ("GI", "a4 c15"),
    ("GL", "n14"),
    ("GR", "n7 c16"),
    ("GT", "c24"),
    ("HN", "a4 n20"),
    ("HR", "n17"),
    ("HU", "n24"),
    ("IE", "a4 n14"),
    ("IL", "n19"),
    ("IQ", "a4 n15"),
    ("IS", "n22"),
    ("IT", "a1 n10 c12"),
    ("JO", "a4 n4 c18"),
    ("KW", "a4 c22"),
    ("KZ", "n3 c13"),
    ("LB", "n4 c20"),
    ("LC", "a4 c24"),
    ("LI", "n5 c12"),
    ("LT", "n16"),
    ("LU", "n3 c13"),
    ("LV", "a4 c13"),
    ("LY", "n21"),
    ("MC", "n10 c11 n2"),
    ("MD", "c20"),
    ("ME", "n18"),
    ("MK", "n3 c10 n2"),
    ("MN", "n16"),
    ("MR", "n23"),
    ("MT", "a4 n5 c18"),
    ("MU", "a4 n19 a3"),
    ("NI", "a4 n20"),
    ("NL", "a4 n10"),
    ("NO", "n11"),
    ("OM", "n3 c16"),
    ("PK", "a4 c16"),
    ("PL", "n24"),
    ("PS", "a4 c21"),
    ("PT", "n21"),
    ("QA", "a4 c21"),
    ("RO", "a4 c16"),
    ("RS", "n18"),
    ("RU", "n14 c15"),
    ("SA", "n2 c18"),
    ("SC", "a4 n20 a3"),
    ("SD", "n14"),
    ("SE", "n20"),
    ("SI", "n15"),
    ("SK", "n20"),
    ("SM", "a1 n10 c12"),
    ("SO", "n19"),
    ("ST", "n21"),
    ("SV", "a4 n20"),
    ("TL", "n19"),
    ("TN", "n20"),
    ("TR", "n6 c16"),
    ("UA", "n6 c19"),
    ("VA", "n18"),
    ("VG", "a4 n16"),
    ("XK", "n16"),
    ("YE", "a4 n4 c18"),
];

/// Letters and digits of the longest number (RU).
const CHARACTERS_MAX: usize = 33;

/// Fewest digits. Some countries' formats would do with the two check digits, but account numbers of letters alone are
/// not seen, and the gate needs something to go by.
const DIGITS_MIN: usize = 8;

/// Reports every number in the text. Letters of either case; single separators are allowed anywhere behind the check
/// digits, so that any grouping is found.
pub(crate) fn scan(text: &str, mut found: impl FnMut(Range<usize>, Support)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(start) = next_start(bytes, at) {
        at = start + 1;
        if text[..start].chars().next_back().is_some_and(joins_word) {
            continue;
        }
        if let Some((end, support)) = number_at(text, start) {
            found(start..end, support);
            at = end;
        }
    }
}

/// The next place with two letters and two digits.
fn next_start(bytes: &[u8], from: usize) -> Option<usize> {
    let head = |window: &[u8]| {
        window[0].is_ascii_alphabetic()
            && window[1].is_ascii_alphabetic()
            && window[2].is_ascii_digit()
            && window[3].is_ascii_digit()
    };
    bytes.get(from..)?.windows(4).position(head).map(|offset| from + offset)
}

fn number_at(text: &str, start: usize) -> Option<(usize, Support)> {
    let country = &text[start..start + 2];
    let (_, format) = COUNTRIES.iter().find(|(code, _)| code.eq_ignore_ascii_case(country))?;
    let (number, end) = Number::read(text, start, characters(format))?;
    let ends = !text[end..].chars().next().is_some_and(joins_word);
    (ends && number.fits(format) && number.checks()).then(|| (end, number.support()))
}

/// How many letters and digits a number of the format has, country and check digits included.
fn characters(format: &str) -> usize {
    4 + runs(format).map(|(_, length)| length).sum::<usize>()
}

/// The runs of a format: class and length.
fn runs(format: &str) -> impl Iterator<Item = (u8, usize)> {
    format.split(' ').filter_map(|run| {
        let (class, length) = run.split_at_checked(1)?;
        Some((class.as_bytes()[0], length.parse().ok()?))
    })
}

/// A candidate without its separators, in upper case.
struct Number {
    characters: [u8; CHARACTERS_MAX],
    length: usize,
    separators: usize,
}

impl Number {
    /// Reads `length` letters and digits; also says where they end.
    fn read(text: &str, start: usize, length: usize) -> Option<(Self, usize)> {
        let mut number = Self { characters: [0; CHARACTERS_MAX], length: 0, separators: 0 };
        let mut after_separator = false;
        for (offset, c) in text[start..].char_indices() {
            if c.is_ascii_alphanumeric() {
                *number.characters.get_mut(number.length)? = c.to_ascii_uppercase() as u8;
                number.length += 1;
                after_separator = false;
                if number.length == length {
                    return Some((number, start + offset + 1));
                }
            } else if is_separator(c) && !after_separator && number.length >= 4 {
                number.separators += 1;
                after_separator = true;
            } else {
                return None;
            }
        }
        None
    }

    fn as_bytes(&self) -> &[u8] {
        &self.characters[..self.length]
    }

    fn fits(&self, format: &str) -> bool {
        let mut rest = &self.as_bytes()[4..];
        let in_class = runs(format).all(|(class, length)| {
            let Some((run, after)) = rest.split_at_checked(length) else { return false };
            rest = after;
            run.iter().all(|byte| match class {
                b'n' => byte.is_ascii_digit(),
                b'a' => byte.is_ascii_alphabetic(),
                _ => true,
            })
        });
        in_class && self.as_bytes().iter().filter(|byte| byte.is_ascii_digit()).count() >= DIGITS_MIN
    }

    /// Country and check digits go to the end, letters count 10 to 35, and the whole is 1 modulo 97. Check digits are
    /// 02 to 98: the others leave the same remainder but are never issued.
    fn checks(&self) -> bool {
        let (head, account) = self.as_bytes().split_at(4);
        let remainder = account.iter().chain(head).fold(0, |remainder: u32, &byte| match byte {
            b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
            letter => (remainder * 100 + u32::from(letter - b'A') + 10) % 97,
        });
        remainder == 1 && !matches!(&head[2..], b"00" | b"01" | b"99")
    }

    fn support(&self) -> Support {
        if self.separators > 0 { Support::CHECKED | Support::SEPARATED } else { Support::CHECKED }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let mut found = Vec::new();
        scan(text, |range, _| found.push(&text[range]));
        found
    }

    #[test]
    fn numbers_that_break_a_rule_are_not_found() {
        let check = |text: &str| assert_eq!(found(text), [""; 0], "{text}");
        check("DE89370400440532013001"); // wrong check digits
        check("DE8937040044053201300"); // too short
        check("DE893704004405320130000"); // too long
        check("XX89370400440532013000"); // no such country
        check("GB82123412345698765432"); // digits where the bank's letters belong
        check("aDE89370400440532013000"); // part of a word
        check("DE89370400440532013000b");
        check("DE89  370400440532013000"); // two separators
        check("DE 89370400440532013000");
        check("DE89");
        check("D");
        check("");
    }

    #[test]
    fn published_examples_are_found() {
        let check = |text: &str| assert_eq!(found(text), [text]);
        check("DE89370400440532013000");
        check("DE89 3704 0044 0532 0130 00");
        check("de89370400440532013000");
        check("GB82 WEST 1234 5698 7654 32");
        check("GB82-WEST-1234-5698-7654-32");
        check("NO9386011117947");
        check("MT84MALT011000012345MTLCAST001S");
        check("FR1420041010050500013M02606");
        check("LC55HEMM000100010012001200023015");
        check("SA0380000000608010167519");
        check("BR1800360305000010009795493C1");
        check("CH93\u{a0}0076\u{a0}2011\u{a0}6238\u{a0}5295\u{a0}7");
    }

    #[test]
    fn a_number_in_a_sentence_is_found() {
        assert_eq!(found("to DE89 3704 0044 0532 0130 00 today"), ["DE89 3704 0044 0532 0130 00"]);
        assert_eq!(found("IBAN:NO9386011117947."), ["NO9386011117947"]);
        assert_eq!(found("账号DE89370400440532013000是"), ["DE89370400440532013000"]);
        assert_eq!(found("NO9386011117947,NO9386011117947").len(), 2);
    }

    #[test]
    fn every_format_fits_the_buffer() {
        for (country, format) in COUNTRIES {
            assert!((15..=CHARACTERS_MAX).contains(&characters(format)), "{country}");
            assert!(runs(format).all(|(class, length)| b"nac".contains(&class) && length > 0), "{country}");
            assert_eq!(runs(format).count(), format.split(' ').count(), "{country}");
        }
    }
}
