//! The protected values of the twins, and finding them, or pieces of them, in what came back.
//!
//! Values are a pure function of twin, column and row. Letters are drawn from those that no English word has four of in a
//! row, so that a piece of four is a finding and not a coincidence. What does not look like a letter at all (numbers, dates) is
//! looked for whole; pieces of it are told by comparing the twins.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::twin::Twin;

/// How many people there are.
pub(crate) const PEOPLE: u32 = 8;

/// Length of the pieces that are looked for.
const PIECE: usize = 4;

/// Length of the pieces looked for in base64: as many characters as the least part of a piece of six bytes.
const BASE64_PIECE: usize = 6;

/// Letters; every second one is no hexadecimal digit.
const LETTERS: [&[u8]; 2] = [b"ghjkmpqvwxz", b"bcdfghjkmpqvwxz"];

/// The protected values of one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Secrets {
    pub(crate) ssn: String,
    pub(crate) email: String,
    pub(crate) salary: String,
    pub(crate) born: String,
    pub(crate) pin: u32,
    pub(crate) photo: String,
    pub(crate) note: String,
    pub(crate) tag: String,
    pub(crate) badge: String,
    pub(crate) feeling: &'static str,
    pub(crate) card: String,
    pub(crate) phrase: String,
    pub(crate) stay: u32,
    pub(crate) diagnosis: String,
    pub(crate) reading: String,
}

impl Secrets {
    /// Of one person, from 1. Twins differ in lengths, orders and duplicates, not in what is NULL.
    pub(crate) fn of(twin: Twin, person: u32) -> Self {
        let seed = |column| mix(person, column, twin);
        let longer = match twin {
            Twin::A => 0,
            Twin::B => 3,
        };
        // In A two people share a number.
        let ssn_of = if (twin, person) == (Twin::A, 4) { 3 } else { person };
        let number = |column: u32, from: u32, to: u32| from + seed(column) % (to - from);
        let moods = ["calm", "tense", "angry"];
        Self {
            ssn: letters(mix(ssn_of, 1, twin), 11 + longer),
            email: format!("{}@example.com", letters(seed(2), 9 + longer)),
            salary: format!("{}.{:02}", number(3, 20_000, 90_000), number(4, 10, 99)),
            born: format!("{}-{:02}-{:02}", number(5, 1931, 1999), number(6, 1, 13), number(7, 1, 29)),
            pin: number(8, 100_000, 999_999),
            photo: letters(seed(9), 10 + longer),
            note: letters(seed(10), 12 + longer),
            tag: letters(seed(11), 8 + longer),
            badge: format!(
                "{:08x}-{:04x}-4{:03x}-8{:03x}-{:08x}0000",
                seed(12),
                number(13, 0, 0xffff),
                number(14, 0, 0xfff),
                number(15, 0, 0xfff),
                seed(16)
            ),
            feeling: moods[((person + longer as u32 / 3) % 3) as usize],
            card: letters(seed(17), 16 + longer),
            phrase: letters(seed(18), 14 + longer),
            stay: number(19, 1000, 9000),
            diagnosis: letters(seed(20), 13 + longer),
            reading: letters(seed(21), 10 + longer),
        }
    }

    /// Texts that are looked for piece by piece.
    fn texts(&self) -> [&str; 9] {
        [
            &self.ssn,
            self.email.split('@').next().unwrap_or_default(),
            &self.photo,
            &self.note,
            &self.tag,
            &self.card,
            &self.phrase,
            &self.diagnosis,
            &self.reading,
        ]
    }

    /// Values that are looked for whole.
    fn wholes(&self) -> [String; 4] {
        [self.salary.clone(), self.born.clone(), self.pin.to_string(), self.badge.clone()]
    }
}

/// What an attacker who probes knows already: values of the first person in twin A.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) ssn: String,
    pub(crate) pin: String,
}

impl Known {
    pub(crate) fn new() -> Self {
        let Secrets { ssn, pin, .. } = Secrets::of(Twin::A, 1);
        Self { ssn, pin: pin.to_string() }
    }

    /// The text with the values in the places of `{known}` and `{pin}`.
    pub(crate) fn fill(&self, text: &str) -> String {
        text.replace("{known}", &self.ssn).replace("{pin}", &self.pin)
    }
}

/// Finds protected values of either twin, and pieces of them, in whatever case, forwards and backwards, in hexadecimal,
/// base64 and JSON escapes.
#[derive(Debug)]
pub(crate) struct Detector {
    pieces: HashSet<[u8; PIECE]>,
    base64: HashSet<[u8; BASE64_PIECE]>,
    wholes: Vec<String>,
}

impl Detector {
    pub(crate) fn new() -> Self {
        let mut detector = Self { pieces: HashSet::new(), base64: HashSet::new(), wholes: Vec::new() };
        for secrets in [Twin::A, Twin::B]
            .into_iter()
            .flat_map(|twin| (1..=PEOPLE).map(move |person| Secrets::of(twin, person)))
        {
            for text in secrets.texts() {
                detector.learn(text);
            }
            detector.wholes.extend(secrets.wholes());
        }
        detector
    }

    fn learn(&mut self, text: &str) {
        let backwards: String = text.chars().rev().collect();
        for text in [text, &backwards] {
            self.pieces.extend(
                text.as_bytes().windows(PIECE).filter_map(|piece| <[u8; PIECE]>::try_from(piece).ok()),
            );
            for shift in 0..3 {
                let shifted = [&vec![0; shift][..], text.as_bytes()].concat();
                let encoded = STANDARD.encode(shifted);
                // The ends depend on what stands beside the value.
                let inner = encoded.as_bytes().get(4..encoded.len().saturating_sub(4)).unwrap_or_default();
                self.base64.extend(
                    inner
                        .windows(BASE64_PIECE)
                        .filter_map(|piece| <[u8; BASE64_PIECE]>::try_from(piece).ok()),
                );
            }
        }
    }

    /// What of a protected value is in `bytes`; nothing that `sent`, the client's own words, has in it.
    pub(crate) fn find(&self, bytes: &[u8], sent: &[u8]) -> Option<String> {
        let (bytes, sent) = (bytes.to_ascii_lowercase(), sent.to_ascii_lowercase());
        let raw = self.piece_in(&bytes, &sent);
        raw.or_else(|| self.piece_in(&without_hexadecimal(&bytes), &sent))
            .or_else(|| self.piece_in(&without_escapes(&bytes), &sent))
            .or_else(|| self.whole_in(&bytes, &sent))
    }

    /// The same for base64, in which case counts.
    pub(crate) fn find_base64(&self, bytes: &[u8]) -> Option<String> {
        let found = bytes.windows(BASE64_PIECE).find(|piece| self.base64.contains(*piece))?;
        Some(String::from_utf8_lossy(found).into_owned())
    }

    fn piece_in(&self, bytes: &[u8], sent: &[u8]) -> Option<String> {
        let own = |piece: &[u8]| sent.windows(PIECE).any(|known| known == piece);
        let found = bytes.windows(PIECE).find(|piece| self.pieces.contains(*piece) && !own(piece))?;
        Some(String::from_utf8_lossy(found).into_owned())
    }

    fn whole_in(&self, bytes: &[u8], sent: &[u8]) -> Option<String> {
        let contains =
            |bytes: &[u8], whole: &str| bytes.windows(whole.len()).any(|window| window == whole.as_bytes());
        self.wholes.iter().find(|whole| contains(bytes, whole) && !contains(sent, whole)).cloned()
    }
}

/// Pairs of hexadecimal digits as the bytes they stand for; what is none stays out. Both alignments, one after the other.
fn without_hexadecimal(bytes: &[u8]) -> Vec<u8> {
    let decode = |pair: &[u8]| {
        u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok().map(|byte| byte.to_ascii_lowercase())
    };
    let mut decoded = Vec::new();
    for start in 0..2_usize.min(bytes.len()) {
        decoded.extend(bytes[start..].chunks_exact(2).filter_map(decode));
        decoded.push(0);
    }
    decoded
}

/// `\u0061` as the character it stands for.
fn without_escapes(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = bytes;
    while let Some((first, behind)) = rest.split_first() {
        let escaped = rest.strip_prefix(b"\\u00").and_then(|rest| rest.get(..2));
        let byte = escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        plain.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &rest[6..] } else { behind };
    }
    plain
}

fn letters(mut seed: u32, length: usize) -> String {
    let mut letter = |place: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let choice = LETTERS[place % 2];
        char::from(choice[(seed >> 16) as usize % choice.len()])
    };
    (0..length).map(&mut letter).collect()
}

/// Scatters three small numbers over all of `u32`.
fn mix(person: u32, column: u32, twin: Twin) -> u32 {
    let twin = match twin {
        Twin::A => 0x51ed_270b,
        Twin::B => 0xc2b2_ae35,
    };
    let mut mixed = twin ^ person.wrapping_mul(0x9e37_79b1) ^ column.wrapping_mul(0x85eb_ca6b);
    for _ in 0..2 {
        mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x2c1b_3c6d);
        mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0x297a_2d39);
    }
    mixed ^ (mixed >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(twin: Twin) -> Vec<Secrets> {
        (1..=PEOPLE).map(|person| Secrets::of(twin, person)).collect()
    }

    #[test]
    fn the_twins_share_no_value_and_no_length() {
        for (a, b) in all(Twin::A).iter().zip(all(Twin::B)) {
            assert!(a.texts().iter().zip(b.texts()).all(|(a, b)| a.len() != b.len()), "{a:?} {b:?}");
            assert!(a.wholes().iter().zip(b.wholes()).all(|(a, b)| *a != b), "{a:?} {b:?}");
        }
    }

    #[test]
    fn keys_are_keys() {
        for twin in [Twin::A, Twin::B] {
            let people = all(twin);
            let distinct = |of: fn(&Secrets) -> String| people.iter().map(of).collect::<HashSet<_>>().len();
            assert_eq!(distinct(|one| one.email.clone()), people.len());
            assert_eq!(distinct(|one| one.pin.to_string()), people.len());
        }
        assert_ne!(Secrets::of(Twin::A, 1), Secrets::of(Twin::B, 1));
    }

    #[test]
    fn pieces_are_found_in_every_form() {
        let detector = Detector::new();
        let ssn = Known::new().ssn;
        let hex: String = ssn.bytes().map(|byte| format!("{byte:02X}")).collect();
        let escaped: String = ssn.bytes().map(|byte| format!("\\u00{byte:02x}")).collect();
        for leak in [
            ssn.clone(),
            ssn[3..7].to_owned(),
            format!("x{}y", &ssn[4..8].to_uppercase()),
            ssn.chars().rev().collect(),
            format!("\\x{hex}"),
            format!("0{hex}"),
            format!("{{\"a\":\"{escaped}\"}}"),
            Secrets::of(Twin::B, 2).salary,
        ] {
            assert!(detector.find(leak.as_bytes(), b"").is_some(), "{leak}");
        }
        for before in ["", "a", "bc"] {
            let encoded = STANDARD.encode(format!("{before}{ssn}"));
            assert!(detector.find_base64(encoded.as_bytes()).is_some(), "{encoded}");
        }
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        let detector = Detector::new();
        for text in [
            "background strengths, rhythm, catchphrase, length, workflow; jpg xml html https pdf [redacted]",
            "permission denied for table pg_catalog.pg_class: 42501",
            "00000000-0000-4000-8000-000000000000 1970-01-01 0.00",
            "refused: protected column public.people.ssn may not decide which rows come back (WHERE)",
        ] {
            assert_eq!(detector.find(text.as_bytes(), b""), None, "{text}");
            assert_eq!(detector.find_base64(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_the_client_says_itself_is_no_finding() {
        let ssn = Known::new().ssn;
        let sent = format!("SELECT 1 WHERE x = '{ssn}'");
        assert_eq!(Detector::new().find(ssn.as_bytes(), sent.as_bytes()), None);
    }
}
