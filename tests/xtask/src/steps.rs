//! A run of named steps: a heading and a duration for each, an end at the first failure, a table, and a closing line.
//!
//! What the steps do is none of this module's business.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;

/// How a step that did not fail ended.
pub(crate) enum Outcome {
    /// Everything it should do was done.
    Passed,
    /// Something, said here, could not be done on this machine and was left out.
    Skipped(String),
    /// Nothing has changed since it last passed, so it was left out.
    Unchanged,
}

/// A step: its name and its work.
pub(crate) struct Step {
    name: String,
    work: Box<dyn FnOnce() -> Result<Outcome>>,
}

impl Step {
    /// A step that passes unless it fails.
    pub(crate) fn new(name: &str, work: impl FnOnce() -> Result<()> + 'static) -> Self {
        Self::skippable(name, move || work().map(|()| Outcome::Passed))
    }

    /// A step that may find that it cannot be done here.
    pub(crate) fn skippable(name: &str, work: impl FnOnce() -> Result<Outcome> + 'static) -> Self {
        Self { name: name.to_owned(), work: Box::new(work) }
    }
}

/// How each step that ran ended, in order. A failed step is the last.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

struct Row {
    name: String,
    result: RowResult,
    took: Duration,
}

enum RowResult {
    Passed,
    Skipped(String),
    Unchanged,
    /// With what to run to see it again.
    Failed(String),
}

/// Runs the steps in order, headings on standard error, and stops at the first that fails.
pub(crate) fn run(steps: Vec<Step>) -> Report {
    let mut report = Report::default();
    let count = steps.len();
    for (index, step) in steps.into_iter().enumerate() {
        eprintln!("\n=== {} ({} of {count})", step.name, index + 1);
        let start = Instant::now();
        let result = match (step.work)() {
            Ok(Outcome::Passed) => RowResult::Passed,
            Ok(Outcome::Skipped(why)) => RowResult::Skipped(why),
            Ok(Outcome::Unchanged) => RowResult::Unchanged,
            Err(error) => RowResult::Failed(format!("{error:#}")),
        };
        let row = Row { name: step.name, result, took: start.elapsed() };
        eprintln!("=== {row}{}", row.details());
        report.rows.push(row);
        if report.failed() > 0 {
            break;
        }
    }
    report
}

impl Report {
    /// 0 or 1: the first failure ends a run.
    pub(crate) fn failed(&self) -> usize {
        self.rows.iter().filter(|row| matches!(row.result, RowResult::Failed(_))).count()
    }

    fn skipped(&self) -> usize {
        self.rows.iter().filter(|row| matches!(row.result, RowResult::Skipped(_))).count()
    }
}

impl Row {
    /// What there is to say beyond the table's one line.
    fn details(&self) -> String {
        let note = self.result.note();
        note.split_once('\n').map(|(_, rest)| format!("\n{rest}")).unwrap_or_default()
    }
}

impl RowResult {
    fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Skipped(_) => "SKIPPED",
            Self::Unchanged => "same",
            Self::Failed(_) => "FAILED",
        }
    }

    fn note(&self) -> &str {
        match self {
            Self::Passed => "",
            Self::Unchanged => "nothing has changed since it last passed; --all runs it again",
            Self::Skipped(why) | Self::Failed(why) => why,
        }
    }
}

/// The table, then the closing line `N passed, N failed`, which continuous integration reads.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            writeln!(f, "{row}")?;
        }
        let (failed, skipped) = (self.failed(), self.skipped());
        write!(f, "{} passed, {failed} failed", self.rows.len() - failed - skipped)?;
        match skipped {
            0 => Ok(()),
            skipped => write!(f, ", {skipped} skipped"),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, note) = (self.result.word(), self.result.note().lines().next().unwrap_or_default());
        let row = format!("{word:<8}{:>7.1} s  {:<18}{note}", self.took.as_secs_f64(), self.name);
        f.write_str(row.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    /// The report without its durations.
    fn report(steps: Vec<Step>) -> String {
        let mut report = run(steps);
        report.rows.iter_mut().for_each(|row| row.took = Duration::ZERO);
        report.to_string()
    }

    #[test]
    fn the_first_failure_ends_the_run_and_says_what_to_run() {
        let steps = vec![
            Step::new("one", || Ok(())),
            Step::new("two", || bail!("`cargo test` failed\nand more")),
            Step::new("three", || panic!("must not run")),
        ];
        let expected = "\
passed      0.0 s  one
FAILED      0.0 s  two               `cargo test` failed
1 passed, 1 failed";
        assert_eq!(report(steps), expected);
    }

    #[test]
    fn what_was_left_out_is_counted_apart() {
        let steps = vec![
            Step::skippable("one", || Ok(Outcome::Skipped("no network".into()))),
            Step::skippable("two", || Ok(Outcome::Passed)),
        ];
        let expected = "\
SKIPPED     0.0 s  one               no network
passed      0.0 s  two
1 passed, 0 failed, 1 skipped";
        assert_eq!(report(steps), expected);
    }

    #[test]
    fn what_has_not_changed_counts_as_passed() {
        let steps = vec![Step::skippable("one", || Ok(Outcome::Unchanged)), Step::new("two", || Ok(()))];
        let expected = "\
same        0.0 s  one               nothing has changed since it last passed; --all runs it again
passed      0.0 s  two
2 passed, 0 failed";
        assert_eq!(report(steps), expected);
    }

    #[test]
    fn nothing_failed_when_nothing_ran() {
        assert_eq!(report(Vec::new()), "0 passed, 0 failed");
    }
}
