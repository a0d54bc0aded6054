//! The detector as a whole: metadata that is true, gates that keep nothing back, and texts that hold nothing.

use grille_sdk::testing::{Found, Manifest, detector, inspect};
use grille_sdk::{DetectorSession, Support};
use proptest::prelude::*;

use crate::Pii;
use crate::census::Census;
use crate::kind::Kind;
use crate::sample::Sample;

fn pii(settings: &str) -> DetectorSession<Pii> {
    detector(settings).unwrap_or_else(|diagnostics| panic!("{settings}: {diagnostics:?}"))
}

fn manifest() -> Manifest {
    Manifest::parse(include_str!("../plugin.toml"))
}

/// Whether the finding counts without a column's name or share: what would be masked anywhere.
fn fires(found: &Found<'_>) -> bool {
    let alone = [Kind::EmailAddress, Kind::IbanCode].map(Kind::label).contains(&found.label);
    alone || found.support.contains(Support::SEPARATED) || found.support.contains(Support::CONTEXT)
}

#[test]
fn the_test_vectors_hold() {
    manifest().check_detector::<Pii>();
}

#[test]
fn the_metadata_lists_the_kinds_in_order() {
    let names: Vec<_> = manifest().labels.into_iter().map(|label| label.name).collect();
    let kinds: Vec<_> = names.iter().map(|name| serde_name(name)).collect();
    assert_eq!(kinds, Kind::ALL);
    assert_eq!(Kind::ALL.map(|kind| kind.label().0), [0, 1, 2, 3, 4]);
}

fn serde_name(name: &str) -> Kind {
    use serde::Deserialize;
    use serde::de::value::{Error, StrDeserializer};
    Kind::deserialize(StrDeserializer::<Error>::new(name)).expect("a kind of that name")
}

#[test]
fn settings_choose_the_kinds() {
    let text = "ann@example.com 123-45-6789";
    let labels =
        |settings| inspect(&mut pii(settings), text).iter().map(|found| found.label.0).collect::<Vec<_>>();
    assert_eq!(labels("{}"), [0, 3]);
    assert_eq!(labels(r#"{"labels": ["US_SSN"]}"#), [3]);
    for refused in [r#"{"labels": []}"#, r#"{"labels": ["SSN"]}"#, r#"{"label": ["US_SSN"]}"#, "7"] {
        assert!(detector::<Pii>(refused).is_err(), "{refused}");
    }
}

#[test]
fn a_word_beside_a_value_is_context() {
    let check = |text: &str, expected| {
        let found = inspect(&mut pii("{}"), text);
        assert!(!found.is_empty(), "{text}");
        assert_eq!(found.iter().any(|found| found.support.contains(Support::CONTEXT)), expected, "{text}");
    };
    check("ssn 123456789", true);
    check("order 123456789", false);
    check("{\"cardNumber\": 4111111111111111}", true);
    check("tel. 020 7946 0958", true);
}

#[test]
fn the_better_explanation_has_the_higher_score() {
    let found = inspect(&mut pii("{}"), "123-45-6789 4111 1111 1111 1111 ann@example.com");
    let scores: Vec<_> = found.iter().map(|found| (found.label.0, found.score)).collect();
    assert_eq!(scores, [(3, 650), (1, 900), (0, 940)]);
}

/// A value of each kind, in some written form.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}@[a-z]{1,8}\\.(com|de|info)",
        Just("4111 1111 1111 1111".to_owned()),
        Just("6759649826438453".to_owned()),
        Just("NO93 8601 1117 947".to_owned()),
        Just("LC55HEMM000100010012001200023015".to_owned()),
        "[1-5][0-9]{2}-[1-9]{2}-[1-9]{4}",
        "[1-5][0-9]{2}[1-9]{6}",
        "\\+(298 ?[0-9]{6}|677 ?[0-9]{5}|1 ?2125550[0-9]{3})",
        "0[1-9][0-9]{7,9}",
        "\\(212\\) ?555[ .-][0-9]{4}",
        "212([ .-]555[ .-]|555)[0-9]{4}",
    ]
}

/// Texts of few characters, those that the scanners care about, and anything.
fn filler() -> impl Strategy<Value = String> {
    prop_oneof!["[0-9+(). @a-zDE/é\u{2011}\u{a0}-]{0,24}", "\\PC{0,12}", Just(String::new())]
}

proptest! {
    /// What a scanner finds, its label's gate lets pass, and so does the plugin's own; findings are parts of the text.
    #[test]
    fn gates_keep_nothing_back(before in filler(), value in value(), behind in filler()) {
        let manifest = manifest();
        for text in [format!("{before}{value}{behind}"), format!("{before} {value} {behind}")] {
            for kind in Kind::ALL {
                let label = &manifest.labels[kind.label().0 as usize];
                kind.scan(&text, |range, _| {
                    assert!(text.get(range.clone()).is_some_and(|part| !part.is_empty()), "{range:?} of {text:?}");
                    // A cell that is the value and nothing else has the least to pass a gate with.
                    for text in [text.as_str(), &text[range]] {
                        assert!(label.gate_passes(text), "{}: {text:?}", label.name);
                        assert!(kind.may_be_in(&Census::of(text)), "{}: {text:?}", label.name);
                    }
                });
            }
        }
    }

    /// A value with white space round it is found, whatever else is in the text.
    #[test]
    fn a_value_is_found_among_anything(before in "\\PC{0,20}[a-z]", value in value(), behind in "[a-z]\\PC{0,20}") {
        let text = format!("{before} {value} {behind}");
        let place = before.len() + 1..before.len() + 1 + value.len();
        let found = inspect(&mut pii("{}"), &text);
        let covers = |found: &Found<'_>| found.range.start <= place.start && place.end <= found.range.end;
        prop_assert!(found.iter().any(covers), "{text:?}: {found:?}");
    }

    #[test]
    fn any_text_is_survived(text in "\\PC*") {
        inspect(&mut pii("{}"), &text);
    }
}

/// How many of each sort of text that holds nothing.
const NEGATIVES: usize = 300;

/// Texts that look like something to careless detectors. Each line is one sort.
fn negative(sort: usize, sample: &mut Sample) -> String {
    let number = |sample: &mut Sample, length| sample.digits(length);
    match sort {
        0 => format!("v{}.{}.{}", sample.below(20), sample.below(100), sample.below(1000)),
        1 => format!(
            "package@{}.{}.{}-rc.{}",
            sample.below(9),
            sample.below(99),
            sample.below(99),
            sample.below(9)
        ),
        2 => {
            let (month, day, hour) = (1 + sample.below(12), 1 + sample.below(28), sample.below(24));
            format!("2024-{month:02}-{day:02}T{hour:02}:{:02}:07.{}Z", sample.below(60), sample.digits(6))
        }
        3 => format!(
            "20{:02}-{:02}-01 10:20:30.{}+00",
            sample.below(30),
            1 + sample.below(12),
            sample.digits(6)
        ),
        4 => format!("17{}", number(sample, 8)),
        5 => format!("17{}", number(sample, 11)),
        6 => {
            let parts = [8, 4, 4, 4, 12].map(|length| sample.hex(length));
            parts.join("-")
        }
        7 => sample.hex(32),
        8 => format!("sha256:{}", sample.hex(64)),
        9 => format!("${}.{:02}", sample.below(100_000), sample.below(100)),
        10 => format!(
            "{},{:03},{:03}.{:02} EUR",
            sample.below(99),
            sample.below(999),
            sample.below(999),
            sample.below(99)
        ),
        11 => {
            format!("978-{}-{}-{}-{}", sample.below(9), sample.digits(3), sample.digits(5), sample.below(9))
        }
        12 => format!("ISBN {}", sample.digits(10)),
        13 => format!("ORD-2024-{}", sample.digits(8)),
        14 => format!("order {}", sample.digits(12)),
        15 => format!("-0.{}", sample.digits(17)),
        16 => format!("[0.{},-0.{},{}e-05]", sample.digits(9), sample.digits(16), sample.digits(10)),
        17 => {
            format!("{}.{}.{}.{}", sample.below(256), sample.below(256), sample.below(256), sample.below(256))
        }
        18 => (0..6).map(|_| sample.hex(2)).collect::<Vec<_>>().join(":"),
        19 => format!("icon@{}x.png", 2 + sample.below(2)),
        20 => format!("SKU-{}-{}", sample.text("ABCDEFGH", 3), sample.digits(9)),
        21 => format!("{}, {}", sample.below(90), sample.digits(7)),
        22 => format!("git@github.com:team{}/repo.git", sample.below(100)),
        23 => sample.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 88),
        _ => format!(
            "POINT({}.{} -{}.{})",
            sample.below(90),
            sample.digits(9),
            sample.below(90),
            sample.digits(9)
        ),
    }
}

#[test]
fn what_only_looks_personal_does_not_fire() {
    let mut pii = pii("{}");
    let mut sample = Sample::new(2024);
    for sort in 0..25 {
        let fired: Vec<_> = (0..NEGATIVES)
            .map(|_| negative(sort, &mut sample))
            .filter(|text| inspect(&mut pii, text).iter().any(fires))
            .collect();
        assert!(fired.is_empty(), "sort {sort}: {fired:?}");
    }
}

/// The declared chance of an IBAN: of random check digits with a German account number, one in 97 or so passes.
#[test]
fn an_iban_passes_by_chance_as_declared() {
    let mut sample = Sample::new(97);
    let passed = (0..50_000)
        .filter(|_| {
            let mut found = false;
            Kind::IbanCode.scan(&format!("DE{}", sample.digits(20)), |_, _| found = true);
            found
        })
        .count();
    let share = passed as f64 / 50_000.0;
    assert!((0.0090..0.0115).contains(&share), "{share}");
    assert!(share <= manifest().labels[Kind::IbanCode.label().0 as usize].chance_pass * 1.1);
}
