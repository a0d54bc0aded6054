//! `example/employee-id`: finds employee ids such as `BER-104233-5`. The settings and where an id can stand are here, the
//! check digit in `check_digit`.

mod check_digit;

use std::collections::BTreeSet;
use std::ops::Range;

use grille_sdk::{Cell, Detector, Diagnostic, Findings, Label, Support};

grille_sdk::detector!(EmployeeId);

/// The first label of plugin.toml.
const EMPLOYEE_ID: Label = Label(0);

/// Digits between the hyphens.
const DIGITS: usize = 6;

/// `-`, the digits, `-`, the check digit.
const TAIL: usize = 1 + DIGITS + 1 + 1;

/// What the operator may set; `settings.schema.json` says the same.
#[derive(serde::Deserialize)]
struct Settings {
    #[serde(default)]
    sites: Vec<String>,
}

struct EmployeeId {
    /// Empty: any two to four capital letters.
    sites: BTreeSet<String>,
}

impl Detector for EmployeeId {
    type Settings = Settings;

    fn configure(settings: Settings) -> Result<Self, Vec<Diagnostic>> {
        let wrong =
            |(index, _): (usize, &String)| Diagnostic::new(format!("/sites/{index}"), "is no site code");
        let problems: Vec<_> = settings
            .sites
            .iter()
            .enumerate()
            .filter(|(_, site)| !is_site(site.as_bytes()))
            .map(wrong)
            .collect();
        if problems.is_empty() {
            Ok(Self { sites: settings.sites.into_iter().collect() })
        } else {
            Err(problems)
        }
    }

    fn inspect(&self, cell: Cell<'_>, out: &mut Findings) {
        // Each id has two hyphens; its first is where the search stops, so that none is found twice.
        for (hyphen, _) in cell.text.match_indices('-') {
            if let Some(range) = self.id_around(cell.text, hyphen) {
                out.add(EMPLOYEE_ID, range, 900, Support::CHECKED);
            }
        }
    }
}

impl EmployeeId {
    /// The id whose first hyphen is at `hyphen`, if there is one.
    fn id_around(&self, text: &str, hyphen: usize) -> Option<Range<usize>> {
        let bytes = text.as_bytes();
        let end = hyphen + TAIL;
        let tail = bytes.get(hyphen..end)?;
        let digits = &tail[1..=DIGITS];
        let (second, check) = (tail[DIGITS + 1], tail[DIGITS + 2]);
        if second != b'-' || !check_digit::holds(digits, check) || continues(&text[end..]) {
            return None;
        }
        let letters = bytes[..hyphen].iter().rev().take_while(|byte| byte.is_ascii_uppercase()).count();
        let start = hyphen - letters;
        let before_ends = !text[..start].chars().next_back().is_some_and(char::is_alphanumeric);
        (before_ends && self.knows(&text[start..hyphen])).then_some(start..end)
    }

    fn knows(&self, site: &str) -> bool {
        is_site(site.as_bytes()) && (self.sites.is_empty() || self.sites.contains(site))
    }
}

fn is_site(code: &[u8]) -> bool {
    (2..=4).contains(&code.len()) && code.iter().all(u8::is_ascii_uppercase)
}

/// Whether what follows would make it a longer word or number.
fn continues(rest: &str) -> bool {
    rest.chars().next().is_some_and(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use grille_sdk::testing::{Manifest, detector, inspect};

    use super::*;

    fn found(settings: &str, text: &str) -> Vec<String> {
        let mut session = detector::<EmployeeId>(settings).expect("good settings");
        inspect(&mut session, text).iter().map(|one| one.text.to_owned()).collect()
    }

    #[test]
    fn plugin_toml_says_the_truth() {
        Manifest::parse(include_str!("../plugin.toml")).check_detector::<EmployeeId>();
    }

    #[test]
    fn an_id_ends_where_a_word_ends() {
        for (text, expected) in [
            ("BER-104233-5", 1),
            ("(BER-104233-5)", 1),
            ("BER-104233-5BER-104233-5", 0),
            ("BER-104233-5é", 0),
            ("éBER-104233-5", 0),
            ("B-104233-5", 0),
            ("BERLN-104233-5", 0),
            ("BER-10423-5", 0),
            ("BER-104233", 0),
            ("-", 0),
            ("", 0),
        ] {
            assert_eq!(found("{}", text).len(), expected, "{text}");
        }
    }

    #[test]
    fn only_the_operators_sites_count_where_there_are_any() {
        let settings = r#"{"sites": ["NYC", "BER"]}"#;
        assert_eq!(found(settings, "BER-104233-5 SFO-104233-5"), ["BER-104233-5"]);
    }

    #[test]
    fn a_site_that_is_none_is_told() {
        let problems = detector::<EmployeeId>(r#"{"sites": ["BER", "x"]}"#).err().expect("refused");
        assert_eq!((problems.len(), problems[0].pointer.as_str()), (1, "/sites/1"));
    }
}
