//! What a campaign found: a table for people, JSON for programs, and the line that both end with.

use std::fmt;

use serde_json::{Value as Json, json};

use crate::attempt::{Attempt, Row, Way};
use crate::scratch::Missing;

/// Whether the role's protection is in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stance {
    /// It is: what it grants is no leak.
    Guarded,
    /// It was taken away, to see that the attempts work: everything that comes through is a leak.
    Unguarded,
}

/// What became of one attempt in one way, or of one legitimate script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer holds nothing of a protected value.
    Masked,
    /// The server or Grille said no, in the same words for both twins.
    Refused,
    /// It leaked: how it shows.
    Leaked(String),
    /// It leaked, and the role is granted what it did.
    Granted(String),
    /// It could not be judged, which counts as a leak or a refusal.
    Unjudged(String),
    /// The answer is the server's own.
    Same,
    /// The answer is another one than the server's own.
    Changed(String),
}

impl Outcome {
    /// Its name in reports.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Masked => "masked",
            Self::Refused => "refused",
            Self::Leaked(_) => "LEAKED",
            Self::Granted(_) => "granted",
            Self::Unjudged(_) => "UNJUDGED",
            Self::Same => "same",
            Self::Changed(_) => "CHANGED",
        }
    }

    /// How bad it is; a result is as bad as its worst way.
    fn badness(&self) -> u8 {
        match self {
            Self::Same | Self::Refused => 0,
            Self::Masked => 1,
            Self::Granted(_) => 2,
            Self::Unjudged(_) => 3,
            Self::Leaked(_) | Self::Changed(_) => 4,
        }
    }

    /// Whether it counts as leaked, or as refused for a legitimate script.
    fn is_bad(&self) -> bool {
        self.badness() >= 3
    }

    fn detail(&self) -> &str {
        match self {
            Self::Masked | Self::Refused | Self::Same => "",
            Self::Leaked(how) | Self::Granted(how) | Self::Unjudged(how) | Self::Changed(how) => how,
        }
    }
}

/// An attempt in all its ways.
#[derive(Clone, Debug)]
pub(crate) struct AttemptResult {
    pub(crate) row: Row,
    pub(crate) attempt: &'static Attempt,
    pub(crate) outcomes: Vec<(Way, Outcome)>,
}

/// A legitimate script in all its ways.
#[derive(Clone, Debug)]
pub(crate) struct LegitimateResult {
    pub(crate) name: &'static str,
    pub(crate) outcomes: Vec<(Way, Outcome)>,
}

/// Everything that was found.
#[derive(Debug)]
pub struct Report {
    pub(crate) attempts: Vec<AttemptResult>,
    pub(crate) legitimate: Vec<LegitimateResult>,
    /// Attempts that need what is missing.
    pub(crate) skipped: usize,
    /// Legitimate scripts beyond the role's statement classes, or that need what is missing.
    pub(crate) beyond: usize,
    missing: Vec<String>,
    stance: Stance,
}

impl Report {
    pub(crate) fn new(missing: &[Missing], stance: Stance) -> Self {
        let mut missing: Vec<String> =
            missing.iter().map(|missing| format!("{}: {}", missing.facility.as_str(), missing.why)).collect();
        missing.sort();
        missing.dedup();
        Self { attempts: Vec::new(), legitimate: Vec::new(), skipped: 0, beyond: 0, missing, stance }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.attempts.is_empty() && self.legitimate.is_empty() && self.skipped + self.beyond == 0
    }

    /// How many attempts were made.
    pub fn attempts(&self) -> usize {
        self.attempts.len()
    }

    /// How many of them leaked, or could not be judged, in any of their ways.
    pub fn leaked(&self) -> usize {
        self.attempts.iter().filter(|result| worst(&result.outcomes).is_bad()).count()
    }

    /// How many legitimate scripts were played.
    pub fn legitimate(&self) -> usize {
        self.legitimate.len()
    }

    /// How many of them did not answer as the server does, in any of their ways.
    pub fn refused(&self) -> usize {
        self.legitimate.iter().filter(|result| worst(&result.outcomes).is_bad()).count()
    }

    /// Names of the attempts that did not leak in any way: without protection there should be hardly any.
    pub fn harmless(&self) -> impl Iterator<Item = &'static str> {
        self.attempts
            .iter()
            .filter(|result| !worst(&result.outcomes).is_bad())
            .map(|result| result.attempt.name)
    }

    /// For programs.
    pub fn to_json(&self) -> Json {
        let ways = |outcomes: &[(Way, Outcome)]| -> Vec<Json> {
            let way = |(way, outcome): &(Way, Outcome)| json!({ "way": way.as_str(), "outcome": outcome.as_str().to_lowercase(), "detail": outcome.detail() });
            outcomes.iter().map(way).collect()
        };
        let attempts = self.attempts.iter().map(|result| {
            let AttemptResult { row, attempt, outcomes } = result;
            json!({ "name": attempt.name, "row": row.as_str(), "why": attempt.why, "ways": ways(outcomes) })
        });
        let legitimate = self
            .legitimate
            .iter()
            .map(|result| json!({ "name": result.name, "ways": ways(&result.outcomes) }));
        json!({
            "attempts": attempts.collect::<Vec<_>>(),
            "legitimate": legitimate.collect::<Vec<_>>(),
            "missing": self.missing,
            "skipped": self.skipped,
            "beyond_role": self.beyond,
            "summary": { "attempts": self.attempts(), "leaked": self.leaked(), "legitimate": self.legitimate(), "refused": self.refused() },
        })
    }
}

fn worst(outcomes: &[(Way, Outcome)]) -> &Outcome {
    let worst = outcomes.iter().map(|(_, outcome)| outcome).max_by_key(|outcome| outcome.badness());
    worst.unwrap_or(&Outcome::Masked)
}

/// The ways in which the worst happened, or all of them where nothing did.
fn ways(outcomes: &[(Way, Outcome)]) -> String {
    let worst = worst(outcomes);
    let bad = |outcome: &Outcome| !worst.is_bad() || outcome.badness() == worst.badness();
    outcomes
        .iter()
        .filter(|(_, outcome)| bad(outcome))
        .map(|(way, _)| way.as_str())
        .collect::<Vec<_>>()
        .join(",")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, ["ATTEMPT", "ROUND", "WAY", "OUTCOME"])?;
        for result in &self.attempts {
            let outcome = worst(&result.outcomes);
            line(f, [result.attempt.name, result.row.as_str(), &ways(&result.outcomes), outcome.as_str()])?;
            if self.stance == Stance::Guarded {
                explain(f, outcome, result.attempt.why)?;
            }
        }
        writeln!(f)?;
        line(f, ["LEGITIMATE", "", "WAY", "OUTCOME"])?;
        for result in &self.legitimate {
            let outcome = worst(&result.outcomes);
            line(f, [result.name, "", &ways(&result.outcomes), outcome.as_str()])?;
            explain(f, outcome, "")?;
        }
        writeln!(f)?;
        for missing in &self.missing {
            writeln!(f, "not available here: {missing}")?;
        }
        if self.skipped > 0 {
            writeln!(f, "{} attempts were not made: they need what is not available", self.skipped)?;
        }
        if self.beyond > 0 {
            writeln!(
                f,
                "{} legitimate scripts were not played: the role's `statements` do not allow them",
                self.beyond
            )?;
        }
        if self.stance == Stance::Unguarded {
            writeln!(
                f,
                "without policy, these did not leak: {}",
                self.harmless().collect::<Vec<_>>().join(", ")
            )?;
        }
        let granted =
            self.attempts.iter().filter(|result| matches!(worst(&result.outcomes), Outcome::Granted(_)));
        let granted = granted.count();
        if granted > 0 {
            writeln!(
                f,
                "{granted} attempts got through by what the role is granted (row_shaping, privileges)"
            )?;
        }
        writeln!(
            f,
            "attack: {} attempts, {} leaked, {} legitimate, {} refused",
            self.attempts(),
            self.leaked(),
            self.legitimate(),
            self.refused()
        )
    }
}

fn line(f: &mut fmt::Formatter<'_>, cells: [&str; 4]) -> fmt::Result {
    let [name, row, way, outcome] = cells;
    writeln!(f, "{name:<36} {row:<16} {way:<27} {outcome}")
}

fn explain(f: &mut fmt::Formatter<'_>, outcome: &Outcome, why: &str) -> fmt::Result {
    if !outcome.is_bad() {
        return Ok(());
    }
    if !why.is_empty() {
        writeln!(f, "    {why}")?;
    }
    writeln!(f, "    {}", outcome.detail())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    const ATTEMPT: Attempt = Attempt::query("plain-column", "nothing hides it", "SELECT ssn FROM people");

    fn report() -> Report {
        let mut report = Report::new(&[], Stance::Guarded);
        let outcomes =
            vec![(Way::Simple, Outcome::Masked), (Way::Copy, Outcome::Leaked("`abcd` came back".into()))];
        report.attempts.push(AttemptResult { row: Row::Alias, attempt: &ATTEMPT, outcomes });
        let outcomes = vec![(Way::Simple, Outcome::Same), (Way::Extended, Outcome::Same)];
        report.legitimate.push(LegitimateResult { name: "join", outcomes });
        report.beyond = 2;
        report
    }

    #[test]
    fn a_table_for_people() {
        expect![[r#"
            ATTEMPT                              ROUND            WAY                         OUTCOME
            plain-column                         alias            copy                        LEAKED
                nothing hides it
                `abcd` came back

            LEGITIMATE                                            WAY                         OUTCOME
            join                                                  simple,extended             same

            2 legitimate scripts were not played: the role's `statements` do not allow them
            attack: 1 attempts, 1 leaked, 1 legitimate, 0 refused
        "#]]
        .assert_eq(&report().to_string());
    }

    #[test]
    fn programs_are_told_the_same() {
        let json = report().to_json();
        assert_eq!(json["summary"]["leaked"], 1);
        assert_eq!(json["attempts"][0]["ways"][1]["outcome"], "leaked");
    }

    #[test]
    fn one_bad_way_is_enough() {
        let outcomes = [(Way::Simple, Outcome::Masked), (Way::Binary, Outcome::Unjudged("late".into()))];
        assert!(worst(&outcomes).is_bad());
        assert_eq!(ways(&outcomes), "binary");
        assert!(!worst(&[(Way::Simple, Outcome::Granted("x".into()))]).is_bad());
    }
}
