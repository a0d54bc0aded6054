//! How long transactions took, from pgbench's logs, by the time at which they began.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;

/// Which part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Nothing is swapped yet, or not at the moment.
    Before,
    /// Swap follows swap.
    During,
    /// All is over.
    After,
}

/// A time within a phase, in microseconds since the epoch; the end is not in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) phase: Phase,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// Microseconds since the epoch.
pub(crate) fn now() -> anyhow::Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?)
}

/// Latencies by phase, in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Latencies(BTreeMap<Phase, Vec<u32>>);

impl Latencies {
    /// Takes in a log of pgbench (manual: "Per-Transaction Logging" of pgbench).
    pub(crate) fn add(&mut self, log: &str, windows: &[Window]) -> anyhow::Result<()> {
        for line in log.lines() {
            let (began, took) =
                transaction(line).with_context(|| format!("not a line of pgbench's: {line}"))?;
            let window = windows.iter().find(|window| (window.from..window.to).contains(&began));
            if let Some(window) = window {
                self.0.entry(window.phase).or_default().push(took);
            }
        }
        Ok(())
    }

    /// How many there are of a phase.
    pub(crate) fn count(&self, phase: Phase) -> usize {
        self.0.get(&phase).map_or(0, Vec::len)
    }

    /// What that many in a thousand of a phase took at most, in milliseconds; none where the phase has none.
    pub(crate) fn per_mille(&self, phase: Phase, rank: usize) -> Option<f64> {
        let mut latencies = self.0.get(&phase)?.clone();
        let index = (latencies.len() * rank / 1000).min(latencies.len().checked_sub(1)?);
        let (_, at, _) = latencies.select_nth_unstable(index);
        Some(f64::from(*at) / 1000.0)
    }
}

/// When a transaction began, in microseconds since the epoch, and how long it took. A line is client, number, latency, script,
/// seconds and microseconds at its end, and more. With a rate, the latency counts from when it should have begun.
fn transaction(line: &str) -> Option<(u64, u32)> {
    let fields: Vec<&str> = line.split(' ').collect();
    let [_, _, latency, _, seconds, micros, ..] = fields[..] else { return None };
    let latency: u32 = latency.parse().ok()?;
    let end = seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?;
    Some((end.checked_sub(latency.into())?, latency))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_count_where_they_began() {
        let windows = [
            Window { phase: Phase::Before, from: 1_000_000, to: 2_000_000 },
            Window { phase: Phase::During, from: 2_000_000, to: 3_000_000 },
        ];
        let log = "0 1 100 0 1 500000\n0 2 600000 0 2 100000 17\n1 3 700 0 2 700 3\n1 4 9 0 9 0\n";
        let mut latencies = Latencies::default();
        latencies.add(log, &windows).expect("a log");
        assert_eq!([latencies.count(Phase::Before), latencies.count(Phase::During)], [2, 1]);
        assert_eq!(latencies.per_mille(Phase::Before, 990), Some(600.0));
        assert_eq!(latencies.per_mille(Phase::Before, 0), Some(0.1));
        assert_eq!(latencies.per_mille(Phase::During, 500), Some(0.7));
        assert_eq!(latencies.per_mille(Phase::After, 990), None);
    }

    #[test]
    fn a_failed_transaction_is_no_latency() {
        for line in ["0 1 failed 0 1 500000", "0 1 100", "", "0 1 100 0 x 500000"] {
            assert_eq!(transaction(line), None, "{line}");
        }
    }
}
