//! `grille plugin differences` and `grille plugin record`: what the running Grille is asked about observation, and how its
//! answers read.

use std::fmt;

use anyhow::anyhow;
use grille_admin::{ControlAnswer, ControlRequest};
use grille_core::difference::{Differences, Example};
use grille_core::observation::{DifferenceReport, Latency, Observed};
use grille_core::recording::RecordingStatus;
use serde::Serialize;

use super::Report;
use super::table::Table;
use super::text::{grouped, shown};
use crate::cli::ConfigFile;
use crate::cli::plugin as cli;
use crate::config::Period;
use crate::failure::Failure;
use crate::sessions::control_socket;

pub(super) fn differences(command: &cli::Differences) -> Result<Report, Failure> {
    match ask(&command.config, &ControlRequest::PluginDifferences { plugin: command.slot.clone() })? {
        ControlAnswer::Differences(report) => Report::good(&Shadowed(*report), command.output),
        answer => Err(refused(answer)),
    }
}

pub(super) fn record(command: &cli::Record) -> Result<Report, Failure> {
    let plugin = command.slot.clone();
    let request = if command.stop {
        ControlRequest::PluginRecordStop { plugin }
    } else {
        let Period(time) = command.time.parse().map_err(|error| Failure::Usage(anyhow::Error::new(error)))?;
        ControlRequest::PluginRecord { plugin, time_s_max: time.as_secs(), inputs_max: command.inputs }
    };
    match ask(&command.config, &request)? {
        ControlAnswer::Recording(status) => Report::good(&Recorded(status), command.output),
        answer => Err(refused(answer)),
    }
}

fn ask(config: &ConfigFile, request: &ControlRequest) -> Result<ControlAnswer, Failure> {
    let socket = control_socket(&config.path)?;
    grille_admin::send(&socket, request).map_err(|error| Failure::Other(error.into()))
}

fn refused(answer: ControlAnswer) -> Failure {
    Failure::Other(match answer {
        ControlAnswer::Refused { message } => anyhow!("{}", shown_whole(&message)),
        _ => anyhow!("the running Grille answered something else: is it of another version?"),
    })
}

/// A sentence of Grille's own, which may quote a path.
fn shown_whole(message: &str) -> String {
    grille_core::untrusted::clean_text(message, 2000)
}

/// A report for people.
#[derive(Serialize)]
struct Shadowed(DifferenceReport);

impl fmt::Display for Shadowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = &self.0;
        let DifferenceReport { plugin, world, state, age_s, .. } = report;
        writeln!(f, "{world} {}: {}, for {age_s} s", shown(plugin), state.as_str())?;
        let mut revisions = Table::new(&["", "component", "settings", "median", "p99"]);
        revisions.push(row("active", &report.active));
        revisions.push(row("candidate", &report.candidate));
        revisions.fmt(f)?;
        writeln!(f)?;
        Told(&report.differences).fmt(f)?;
        for (count, what) in [
            (report.active_failures, "inputs that the active revision failed at"),
            (report.dropped, "inputs that nobody compared: there was no room or no time"),
            (report.cut, "blocks of which only the beginning was compared"),
            (report.faults, "comparisons that failed by Grille's own fault: see its log"),
        ] {
            if count > 0 {
                writeln!(f, "{} {what}", grouped_u64(count))?;
            }
        }
        Ok(())
    }
}

fn row(name: &str, observed: &Observed) -> [String; 5] {
    let time = |of: fn(&Latency) -> u64| {
        observed
            .latency
            .as_ref()
            .map_or_else(|| "-".to_owned(), |latency| format!("{} µs", grouped_u64(of(latency))))
    };
    let short = |digest: &str| format!("sha256:{}", digest.get(..12).unwrap_or(digest));
    let (component, settings) = (short(&observed.digest), short(&observed.settings));
    [name.to_owned(), component, settings, time(|latency| latency.median_us), time(|latency| latency.p99_us)]
}

/// A tally for people.
pub(super) struct Told<'d>(pub(super) &'d Differences);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Differences { compared, same, different, kinds, failures, examples, findings, .. } = self.0;
        let [compared, same, different] = [*compared, *same, *different].map(grouped_u64);
        writeln!(f, "{compared} compared, {same} answered alike, {different} otherwise")?;
        for (kind, count) in kinds {
            writeln!(f, "  {kind}: {}", grouped_u64(*count))?;
        }
        for (event, count) in failures {
            writeln!(f, "  the candidate failed: {}: {}", shown(event), grouped_u64(*count))?;
        }
        if self.0.values > 0 {
            let (values, otherwise) = (grouped_u64(self.0.values), grouped_u64(self.0.values_different));
            writeln!(f, "  {otherwise} of {values} values replaced otherwise")?;
        }
        for example in examples {
            tell_example(f, example)?;
        }
        if findings.is_empty() {
            return Ok(());
        }
        let mut table = Table::new(&["label", "column", "only active", "only candidate"]);
        for one in findings {
            let numbers = [one.only_active, one.only_candidate].map(grouped_u64);
            let [active, candidate] = numbers;
            table.push([shown(&one.label), shown(&one.column), active, candidate]);
        }
        table.fmt(f)
    }
}

fn tell_example(f: &mut fmt::Formatter<'_>, example: &Example) -> fmt::Result {
    let Example { statement, role, kind, active, candidate, times } = example;
    let often = if *times == 1 { String::new() } else { format!(", {} times", grouped_u64(*times)) };
    writeln!(f, "{}", shown(statement))?;
    writeln!(f, "    {kind}, role {}{often}", shown(role))?;
    writeln!(f, "  - {}\n  + {}", shown(&active.to_string()), shown(&candidate.to_string()))
}

fn grouped_u64(number: u64) -> String {
    grouped(usize::try_from(number).unwrap_or(usize::MAX))
}

/// A recording for people.
#[derive(Serialize)]
struct Recorded(RecordingStatus);

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RecordingStatus { plugin, file, inputs, dropped, bytes, ends_in_s, ended } = &self.0;
        writeln!(f, "{}", shown_whole(file))?;
        match ended {
            None => writeln!(f, "{} is recorded, for at most {ends_in_s} s", shown(plugin)),
            Some(why) => {
                let [inputs, dropped, bytes] = [*inputs, *dropped, *bytes].map(grouped_u64);
                writeln!(
                    f,
                    "the recording of {} has ended ({}): {inputs} inputs, {dropped} left out, {bytes} bytes",
                    shown(plugin),
                    why.as_str()
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use grille_core::difference::{Answer, FindingDifference, VerdictWord};
    use grille_core::observation::ShadowState;

    use super::*;

    fn report() -> DifferenceReport {
        let observed =
            |digit: &str, latency| Observed { digest: digit.repeat(64), settings: "0".repeat(64), latency };
        let latency = Latency { median_us: 31, p99_us: 1200, answers: 3 };
        DifferenceReport {
            plugin: "guard".to_owned(),
            world: "policy".to_owned(),
            active: observed("a", Some(latency)),
            candidate: observed("b", None),
            state: ShadowState::GivenUp,
            age_s: 61,
            differences: Differences::default(),
            active_failures: 0,
            dropped: 1234,
            cut: 0,
            faults: 0,
        }
    }

    fn answer(verdict: VerdictWord, reasons: &[&str]) -> Answer {
        let reasons = reasons.iter().map(|reason| (*reason).to_owned()).collect();
        Answer { verdict, reasons, obligations: vec![] }
    }

    #[test]
    fn a_report_reads_from_the_whole_to_the_example() {
        let mut report = report();
        let (allow, deny) = (answer(VerdictWord::Allow, &[]), answer(VerdictWord::Deny, &["not \u{1b}here"]));
        for _ in 0..2 {
            report.differences.count_answers("DELETE FROM orders", "analyst", &allow, &deny);
        }
        report.differences.count_answers("SELECT 1", "analyst", &allow, &allow);
        report.differences.count_failure("deadline");
        expect![[r#"
            policy guard: given up: it failed too often in a row, for 61 s
                       component            settings             median  p99
            active     sha256:aaaaaaaaaaaa  sha256:000000000000  31 µs   1,200 µs
            candidate  sha256:bbbbbbbbbbbb  sha256:000000000000  -       -

            3 compared, 1 answered alike, 2 otherwise
              allow-to-deny: 2
              the candidate failed: deadline: 1
            DELETE FROM orders
                allow-to-deny, role analyst, 2 times
              - allow
              + deny; not here
            1,234 inputs that nobody compared: there was no room or no time
        "#]]
        .assert_eq(&Shadowed(report).to_string());
    }

    #[test]
    fn findings_are_told_as_counts() {
        let mut differences = Differences::default();
        let (label, column) = ("EMAIL_ADDRESS".to_owned(), "public.t.note".to_owned());
        differences.count_findings([FindingDifference { label, column, only_active: 0, only_candidate: 12 }]);
        expect![[r#"
            1 compared, 0 answered alike, 1 otherwise
              findings: 1
            label          column         only active  only candidate
            EMAIL_ADDRESS  public.t.note  0            12
        "#]]
        .assert_eq(&Told(&differences).to_string());
    }
}
