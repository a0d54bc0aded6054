//! What became of each item of a part, directly and through Grille, and whether the difference may be. Starts nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;

/// What became of each item (a test, a file of queries, a line of a report): `ok`, `skipped`, `failed`, `hung`, `differs`.
pub(crate) type Outcomes = BTreeMap<String, String>;

/// The outcome of an item that went well.
pub(crate) const OK: &str = "ok";

/// How many failures of one part are told; one cause can have hundreds.
const SHOWN_MAX: usize = 50;

/// An item that may be worse through Grille, and why.
#[derive(Debug)]
pub(crate) struct Expected {
    item: String,
    outcome: ExpectedOutcome,
    reason: String,
}

/// What is expected to become of an item through Grille.
#[derive(Debug, PartialEq, Eq)]
enum ExpectedOutcome {
    /// Anything but what becomes of it directly.
    Worse,
    /// This, which is worse.
    Just(String),
    /// It depends on how fast the machine is; the only expectation that need not come true.
    Varies,
}

impl Expected {
    fn excuses(&self, item: &str, outcome: &str) -> bool {
        let fits = match &self.outcome {
            ExpectedOutcome::Worse | ExpectedOutcome::Varies => true,
            ExpectedOutcome::Just(expected) => expected == outcome,
        };
        self.item == item && fits
    }

    fn must_come_true(&self) -> bool {
        self.outcome != ExpectedOutcome::Varies
    }
}

/// What differs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// How many items there are.
    items: usize,
    /// Items that are worse through Grille as expected, with the reason.
    excused: Vec<(String, String)>,
    /// Items that are worse through Grille, with what became of them.
    regressions: Vec<(String, String)>,
    /// Items that were expected to be worse and are not.
    stale: Vec<String>,
}

impl Verdict {
    /// Prints what differs and the closing line of a part; the number of failures.
    pub(crate) fn report(&self, part: &str) -> usize {
        for (item, reason) in &self.excused {
            println!("expected  {item}: {reason}");
        }
        for (item, outcome) in self.regressions.iter().take(SHOWN_MAX) {
            println!("FAILED    {item}: {outcome} through Grille, not directly");
        }
        if self.regressions.len() > SHOWN_MAX {
            println!("FAILED    {} more", self.regressions.len() - SHOWN_MAX);
        }
        for item in &self.stale {
            println!("FAILED    {item}: is expected to fail and does not");
        }
        let failures = self.regressions.len() + self.stale.len();
        let (items, excused) = (self.items, self.excused.len());
        println!("{part}: {items} compared, {excused} expected to fail, {failures} failures\n");
        failures
    }
}

/// Reads a list: `ITEM: REASON`, `ITEM = OUTCOME: REASON` or `ITEM = varies: REASON` on each line that is neither empty nor
/// a comment. A list that is not there is empty.
pub(crate) fn read_expected(path: &Path) -> anyhow::Result<Vec<Expected>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(parse_expected).collect()
}

fn parse_expected(line: &str) -> anyhow::Result<Expected> {
    let (item, reason) = line.split_once(": ").with_context(|| format!("no reason given: {line}"))?;
    let (item, outcome) = match item.split_once(" = ") {
        Some((item, "varies")) => (item, ExpectedOutcome::Varies),
        Some((item, outcome)) => (item, ExpectedOutcome::Just(outcome.trim().to_owned())),
        None => (item, ExpectedOutcome::Worse),
    };
    Ok(Expected { item: item.trim().to_owned(), outcome, reason: reason.trim().to_owned() })
}

/// What got worse from `direct` to `governed`. An item that fails directly too says nothing.
pub(crate) fn compare(direct: &Outcomes, governed: &Outcomes, expected: &[Expected]) -> Verdict {
    let mut verdict = Verdict { items: direct.len(), ..Verdict::default() };
    for (item, outcome) in direct {
        let through = governed.get(item).map_or("missing", String::as_str);
        let worse = !is_failure(outcome) && through != outcome;
        let excuse = expected.iter().find(|expected| expected.excuses(item, through));
        match (worse, excuse) {
            (true, Some(excuse)) => verdict.excused.push((item.clone(), excuse.reason.clone())),
            (true, None) => verdict.regressions.push((item.clone(), through.to_owned())),
            (false, _) => {}
        }
    }
    let untrue = expected.iter().filter(|expected| expected.must_come_true());
    let untrue = untrue.filter(|expected| verdict.excused.iter().all(|(item, _)| *item != expected.item));
    let untrue: Vec<String> = untrue.map(|expected| expected.item.clone()).collect();
    verdict.stale.extend(untrue);
    verdict
}

/// How many items failed.
pub(crate) fn failures(outcomes: &Outcomes) -> usize {
    outcomes.values().filter(|outcome| is_failure(outcome)).count()
}

fn is_failure(outcome: &str) -> bool {
    matches!(outcome, "failed" | "hung")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(pairs: &[(&str, &str)]) -> Outcomes {
        pairs.iter().map(|(item, outcome)| ((*item).to_owned(), (*outcome).to_owned())).collect()
    }

    fn check(direct: &str, governed: &[(&str, &str)], expected: &[&str], verdict: Verdict) {
        let expected: Vec<Expected> =
            expected.iter().map(|line| parse_expected(line).expect("a valid line")).collect();
        let compared = compare(&outcomes(&[("t", direct)]), &outcomes(governed), &expected);
        assert_eq!(compared, Verdict { items: 1, ..verdict });
    }

    #[test]
    fn only_what_got_worse_counts() {
        check("ok", &[("t", "ok")], &[], Verdict::default());
        check("skipped", &[("t", "skipped")], &[], Verdict::default());
        check("failed", &[("t", "hung")], &[], Verdict::default());
        let worse = |outcome: &str| Verdict {
            regressions: vec![("t".to_owned(), outcome.to_owned())],
            ..Verdict::default()
        };
        check("ok", &[("t", "failed")], &[], worse("failed"));
        check("ok", &[("t", "skipped")], &[], worse("skipped"));
        check("ok", &[], &[], worse("missing"));
        let excused = Verdict { excused: vec![("t".to_owned(), "COPY".to_owned())], ..Verdict::default() };
        check("ok", &[("t", "failed")], &["t: COPY"], excused);
    }

    #[test]
    fn what_is_expected_and_does_not_happen_is_a_failure() {
        let stale = |items: &[&str]| Verdict {
            stale: items.iter().map(|item| (*item).to_owned()).collect(),
            ..Verdict::default()
        };
        check("ok", &[("t", "ok")], &["t: COPY"], stale(&["t"]));
        check("failed", &[("t", "failed")], &["t: COPY"], stale(&["t"]));
        check("ok", &[("t", "ok")], &["unknown: COPY"], stale(&["unknown"]));
        check("ok", &[("t", "ok")], &["t = varies: a race"], Verdict::default());
        let other = Verdict { regressions: vec![("t".to_owned(), "failed".to_owned())], ..stale(&["t"]) };
        check("ok", &[("t", "failed")], &["t = hung: COPY"], other);
    }

    #[test]
    fn a_list_has_a_reason_for_each_item() {
        assert!(parse_expected("tests.t").is_err());
        assert!(read_expected(Path::new("no/such/list")).expect("an empty list").is_empty());
    }
}
