//! `plugin.toml`: what a plugin says of itself, and whether that is true.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;

use super::{Capabilities, action, decide, detector, inspect, mask, masker, policy};
use crate::{Action, Detector, Masker, Policy, Verdict};

/// What `plugin.toml` holds, as far as tests need it.
#[derive(Debug, Deserialize)]
pub struct Manifest {
    /// What a detector finds; the order is that of [`Label`](crate::Label).
    #[serde(default)]
    pub labels: Vec<LabelEntry>,
    /// What the host runs before it trusts a new version, under the settings `{}`.
    #[serde(default)]
    pub vectors: Vec<Vector>,
}

/// A label.
#[derive(Debug, Deserialize)]
pub struct LabelEntry {
    /// In Presidio's spelling where it has one.
    pub name: String,
    /// The probability that a random value of the right shape passes the detector's check.
    pub chance_pass: f64,
    /// A text goes to the detector when any gate of any label lets it pass.
    #[serde(default)]
    pub gates: Vec<Gate>,
}

/// A cheap necessary condition on a text's bytes; all of it must hold.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Fewest bytes.
    #[serde(default)]
    pub bytes_min: usize,
    /// Fewest ASCII digits.
    #[serde(default)]
    pub digits_min: usize,
    /// Fewest ASCII letters.
    #[serde(default)]
    pub letters_min: usize,
    /// At least one of these ASCII characters; empty asks for none.
    #[serde(default)]
    pub any_of: String,
}

/// A test vector: `text` for a detector or masker, the parts of an action for a policy.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Vector {
    /// What a detector or masker is to look at.
    pub text: String,
    /// When a policy is asked, for one that reads the clock: RFC 3339 in UTC, `2026-11-23T10:00:00Z`.
    pub at: Option<String>,
    /// The action's kind.
    pub kind: String,
    /// The action's effects.
    pub effects: Vec<String>,
    /// The action's objects.
    pub objects: Vec<ObjectEntry>,
    /// The action's features.
    pub features: Vec<String>,
    /// What must come of it.
    pub expect: Expectation,
}

/// An object of a vector's action.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectEntry {
    /// `relation`, `function`, …
    pub kind: String,
    /// As the statement gives it.
    pub name: String,
    /// `read`, `delete`, …
    pub access: String,
}

/// What must come of a vector.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Expectation {
    /// A policy's verdict (`allow`, `deny`, `hold`, `rewrite`), or a masker's new value.
    Word(String),
    /// A detector's findings: these and no others, in any order.
    Findings(Vec<ExpectedFinding>),
}

impl Default for Expectation {
    fn default() -> Self {
        Self::Findings(Vec::new())
    }
}

/// A finding of a vector.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields)]
pub struct ExpectedFinding {
    /// The label's name.
    pub label: String,
    /// In bytes.
    pub start: usize,
    /// In bytes.
    pub end: usize,
}

impl Gate {
    /// Whether the text passes.
    pub fn passes(&self, text: &str) -> bool {
        let count = |class: fn(&u8) -> bool| text.bytes().filter(class).count();
        text.len() >= self.bytes_min
            && count(u8::is_ascii_digit) >= self.digits_min
            && count(u8::is_ascii_alphabetic) >= self.letters_min
            && (self.any_of.is_empty() || text.contains(|c| self.any_of.contains(c)))
    }
}

impl LabelEntry {
    /// Whether the label's own gates let the text pass.
    pub fn gate_passes(&self, text: &str) -> bool {
        self.gates.is_empty() || self.gates.iter().any(|gate| gate.passes(text))
    }
}

impl Manifest {
    /// Reads the content of a `plugin.toml`: `Manifest::parse(include_str!("../plugin.toml"))`.
    ///
    /// # Panics
    /// It is not one.
    pub fn parse(plugin_toml: &str) -> Self {
        toml::from_str(plugin_toml).unwrap_or_else(|error| panic!("plugin.toml: {error}"))
    }

    /// Runs every test vector on a detector with the settings `{}`.
    ///
    /// # Panics
    /// There are none, or one fails, or the label's gate would have kept the text from the detector.
    pub fn check_detector<D: Detector>(&self) {
        let mut session = detector::<D>("{}").expect("a plugin works without settings");
        assert!(!self.vectors.is_empty(), "plugin.toml has no vectors");
        for vector in &self.vectors {
            let text = &vector.text;
            let Expectation::Findings(expected) = &vector.expect else {
                panic!("{text:?}: expect is no list")
            };
            let found: BTreeSet<_> = inspect(&mut session, text)
                .into_iter()
                .map(|found| {
                    let label = &self.labels[found.label.0 as usize];
                    assert!(label.gate_passes(text), "the gate of {} keeps back {text:?}", label.name);
                    ExpectedFinding {
                        label: label.name.clone(),
                        start: found.range.start,
                        end: found.range.end,
                    }
                })
                .collect();
            assert_eq!(found, expected.iter().cloned().collect(), "{text:?}");
        }
    }

    /// Runs every test vector on a policy with the settings `{}`.
    ///
    /// # Panics
    /// There are none, or one fails.
    pub fn check_policy<P: Policy>(&self) {
        assert!(!self.vectors.is_empty(), "plugin.toml has no vectors");
        for vector in &self.vectors {
            let Expectation::Word(expected) = &vector.expect else {
                panic!("{vector:?}: expect is no verdict")
            };
            let mut policy = policy::<P>("{}").expect("a plugin works without settings");
            let _host = vector.at.as_deref().map(clock_at);
            let verdict = decide(&mut policy, &vector.action()).verdict;
            assert_eq!(word(&verdict), expected, "{vector:?}");
        }
    }

    /// Runs every test vector on a masker with the settings `{}`.
    ///
    /// # Panics
    /// There are none, or one fails.
    pub fn check_masker<M: Masker>(&self) {
        let mut session = masker::<M>("{}").expect("a plugin works without settings");
        assert!(!self.vectors.is_empty(), "plugin.toml has no vectors");
        for vector in &self.vectors {
            let Expectation::Word(expected) = &vector.expect else { panic!("{vector:?}: expect is no text") };
            assert_eq!(&mask(&mut session, &vector.text), expected, "{vector:?}");
        }
    }
}

impl Vector {
    fn action(&self) -> Action {
        let objects: Vec<_> =
            self.objects.iter().map(|o| (o.kind.as_str(), o.name.as_str(), o.access.as_str())).collect();
        action(&self.kind, &str_refs(&self.effects), &objects, &str_refs(&self.features))
    }
}

/// A clock that stands at that time.
fn clock_at(at: &str) -> Capabilities {
    let host = Capabilities::new();
    host.set_time(since_epoch(at).unwrap_or_else(|| panic!("at = {at:?} is not like 2026-11-23T10:00:00Z")));
    host
}

/// Of RFC 3339 in UTC, from 1970 on.
fn since_epoch(at: &str) -> Option<Duration> {
    let toml::value::Datetime { date: Some(date), time: Some(time), offset: Some(toml::value::Offset::Z) } =
        at.parse().ok()?
    else {
        return None;
    };
    let (year, month) = (u64::from(date.year), u64::from(date.month));
    // Years begin in March here, so that the day that some have and others have not is the last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + u64::from(date.day);
    let seconds = u64::from(time.hour) * 3600 + u64::from(time.minute) * 60 + u64::from(time.second?);
    Some(Duration::new(days.checked_sub(DAYS_TO_EPOCH)? * 86_400 + seconds, time.nanosecond.unwrap_or(0)))
}

/// From the first of March of the year 0, counted as day 1, to the first of January 1970.
const DAYS_TO_EPOCH: u64 = 719_469;

fn str_refs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Deny(_) => "deny",
        Verdict::Hold(_) => "hold",
        Verdict::Rewrite(_) => "rewrite",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decision, Diagnostic, clock};

    /// Denies in the morning, in UTC.
    struct Afternoons;

    impl Policy for Afternoons {
        type Settings = std::collections::BTreeMap<String, String>;

        fn configure(_: Self::Settings) -> Result<Self, Vec<Diagnostic>> {
            Ok(Self)
        }

        fn decide(&mut self, _: &Action) -> Decision {
            let hour = clock::now().as_secs() / 3600 % 24;
            if hour < 12 { Decision::deny("in the afternoon") } else { Decision::allow() }
        }
    }

    #[test]
    fn a_vector_says_what_the_clock_shows() {
        let vector = |at: &str, expect| Vector {
            at: Some(at.to_owned()),
            expect: Expectation::Word(String::from(expect)),
            ..Vector::default()
        };
        let vectors = vec![vector("2026-11-23T10:00:00Z", "deny"), vector("2026-11-23T12:00:00Z", "allow")];
        Manifest { labels: vec![], vectors }.check_policy::<Afternoons>();
        assert_eq!(clock::now(), Duration::ZERO, "the clock is taken back");
    }

    #[test]
    fn times_are_counted_from_the_epoch() {
        let check = |at: &str, seconds: Option<u64>| {
            assert_eq!(since_epoch(at), seconds.map(Duration::from_secs), "{at}");
        };
        check("1970-01-01T00:00:00Z", Some(0));
        check("2000-02-29T12:00:00Z", Some(951_825_600));
        check("2026-11-23T10:00:00Z", Some(1_795_428_000));
        check("2026-11-23T10:00:00+01:00", None);
        check("2026-11-23", None);
        check("1969-12-31T23:59:59Z", None);
        check("soon", None);
    }

    #[test]
    fn a_gate_asks_for_all_its_conditions() {
        let check = |gate: &str, text: &str, expected| {
            let gate: Gate = toml::from_str(gate).expect("a gate");
            assert_eq!(gate.passes(text), expected, "{gate:?} {text}");
        };
        check("", "", true);
        check("bytes_min = 3", "é", false);
        check("bytes_min = 3", "éa", true);
        check("digits_min = 2\nletters_min = 1", "12", false);
        check("digits_min = 2\nletters_min = 1", "1a2", true);
        check("any_of = \"@+\"", "a+b", true);
        check("any_of = \"@+\"", "ab", false);
    }
}
