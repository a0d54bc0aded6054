//! What came of a storm, in words and as the closing line.

use std::fmt;

use crate::latency::{Latencies, Phase};
use crate::load::CLIENTS;
use crate::plan::Judgement;
use crate::tap::Passed;

/// How much more memory there may be after the storm than before.
pub(crate) const MEMORY_RATIO_MAX: f64 = 1.2;

/// How much longer the 99th percentile may be while swaps go on.
const LATENCY_RATIO_MAX: f64 = 2.0;

/// The 99th percentile.
const P99: usize = 990;

const MIB: f64 = (1 << 20) as f64;

/// Everything that was seen.
pub(crate) struct Report {
    /// What becomes of latencies that are too long.
    pub(crate) latency: Judgement,
    /// Swaps made, those that failed among them.
    pub(crate) swaps: usize,
    /// Transactions asked for a second.
    pub(crate) rate: u32,
    pub(crate) transactions: u64,
    pub(crate) passed: Passed,
    /// Of clients and of swaps.
    pub(crate) failures: Vec<String>,
    pub(crate) latencies: Latencies,
    pub(crate) swap_times: Vec<String>,
    /// Bytes before and after.
    pub(crate) memory: [u64; 2],
    /// Alive before and after.
    pub(crate) generations: [f64; 2],
}

impl Report {
    /// Whether nothing failed, nothing leaked and nothing grew.
    pub(crate) fn is_good(&self) -> bool {
        let latency_is_good = match self.latency {
            Judgement::Judged => self.latency_ratio().is_some_and(|ratio| ratio <= LATENCY_RATIO_MAX),
            Judgement::Told => true,
        };
        self.swaps > 0
            && self.failures.is_empty()
            && self.passed.rows > 0
            && self.passed.marked == 0
            && self.generations[1] <= 1.0
            && self.memory_ratio() <= MEMORY_RATIO_MAX
            && latency_is_good
    }

    fn memory_ratio(&self) -> f64 {
        self.memory[1] as f64 / self.memory[0] as f64
    }

    /// None where no transaction fell into one of the phases.
    fn latency_ratio(&self) -> Option<f64> {
        let during = self.latencies.per_mille(Phase::During, P99)?;
        Some(during / self.latencies.per_mille(Phase::Before, P99)?)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            writeln!(f, "failed: {failure}")?;
        }
        writeln!(
            f,
            "load: {CLIENTS} clients, {} transactions a second; {} transactions, {} rows, {:.0} MiB looked at",
            self.rate,
            self.transactions,
            self.passed.rows,
            self.passed.bytes as f64 / MIB
        )?;
        for line in &self.swap_times {
            writeln!(f, "{line}")?;
        }
        for (name, phase) in [("before", Phase::Before), ("during", Phase::During), ("after", Phase::After)] {
            let figure = |rank| self.latencies.per_mille(phase, rank).unwrap_or(f64::NAN);
            let (half, p99, most) = (figure(500), figure(P99), figure(1000));
            let count = self.latencies.count(phase);
            writeln!(
                f,
                "{name}: {count} transactions, median {half:.2} ms, p99 {p99:.2} ms, at most {most:.2} ms"
            )?;
        }
        let [before, after] = self.memory.map(|bytes| bytes as f64 / MIB);
        writeln!(
            f,
            "memory: {before:.1} MiB before, {after:.1} MiB after; generations alive {} before, {} after",
            self.generations[0], self.generations[1]
        )?;
        writeln!(
            f,
            "swap: {} swaps, {} failed, {} unmasked, p99 ratio {:.2}, memory ratio {:.2}",
            self.swaps,
            self.failures.len(),
            self.passed.marked,
            self.latency_ratio().unwrap_or(f64::NAN),
            self.memory_ratio()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Window;

    fn report(change: impl FnOnce(&mut Report)) -> Report {
        let windows = [
            Window { phase: Phase::Before, from: 0, to: 2_000_000 },
            Window { phase: Phase::During, from: 2_000_000, to: 9_000_000 },
        ];
        let mut latencies = Latencies::default();
        latencies.add("0 1 1000 0 1 0\n0 2 1500 0 3 0", &windows).expect("a log");
        let mut report = Report {
            latency: Judgement::Judged,
            swaps: 8,
            rate: 100,
            transactions: 2,
            passed: Passed { rows: 9, marked: 0, bytes: 900 },
            failures: Vec::new(),
            latencies,
            swap_times: Vec::new(),
            memory: [100 << 20, 101 << 20],
            generations: [1.0, 1.0],
        };
        change(&mut report);
        report
    }

    #[test]
    fn a_good_run_says_so() {
        let good = report(|_| ());
        assert!(good.is_good());
        let said = good.to_string();
        let closing = "swap: 8 swaps, 0 failed, 0 unmasked, p99 ratio 1.50, memory ratio 1.01\n";
        assert!(said.ends_with(closing), "{said}");
    }

    #[test]
    fn everything_that_is_wrong_fails_the_run() {
        let check = |what: &str, change: fn(&mut Report)| assert!(!report(change).is_good(), "{what}");
        check("a failure", |report| report.failures.push("swap 3".into()));
        check("a leak", |report| report.passed.marked = 1);
        check("no row", |report| report.passed.rows = 0);
        check("a generation too many", |report| report.generations[1] = 2.0);
        check("memory", |report| report.memory[1] = 130 << 20);
        check("no latencies", |report| report.latencies = Latencies::default());
        let slow = |report: &mut Report| {
            report.latencies = Latencies::default();
            let windows = [
                Window { phase: Phase::Before, from: 0, to: 2_000_000 },
                Window { phase: Phase::During, from: 2_000_000, to: 9_000_000 },
            ];
            report.latencies.add("0 1 1000 0 1 0\n0 2 2500 0 3 0", &windows).expect("a log");
        };
        check("latency", slow);
        let told = report(|report| {
            slow(report);
            report.latency = Judgement::Told;
        });
        assert!(told.is_good());
    }
}
