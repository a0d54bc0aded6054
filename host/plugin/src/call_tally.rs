//! Calls counted for metrics: by a plugin's name and tenure, over all its revisions, so that a figure never goes back when
//! one takes another's place.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use grille_core::PluginId;

use crate::tenure::Tenure;

/// The upper bound of the shortest times that are told apart is 2 to this power, in µs: 16 µs. Each further one is twice as long.
const SHORTEST_POWER: u32 = 4;
/// How many times are told apart, up to 1.05 s; one more stands for all that are longer. A deadline is shorter by far, and a
/// call has a few of them.
const TIMES: usize = 17;

/// The tallies of an engine's plugins. Keeps none alive.
#[derive(Default)]
pub(crate) struct Tallies {
    known: Mutex<HashMap<(PluginId, Tenure), Weak<CallTally>>>,
}

/// Calls, by how long they took. Only ever grows, as long as any plugin has its name and tenure.
#[derive(Debug, Default)]
pub struct CallTally {
    failures: AtomicU64,
    nanoseconds: AtomicU64,
    /// Not cumulative; the last is for what is longer than all bounds.
    by_time: [AtomicU64; TIMES + 1],
}

/// What a tally says at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct TallyReading {
    /// Calls that failed, by whosever fault.
    pub failures: u64,
    /// How long all calls took together.
    pub total: Duration,
    /// Upper bounds in seconds, the last infinite, with the calls that took so long and no less than the bound before.
    pub by_time: Vec<(f64, u64)>,
}

impl TallyReading {
    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.by_time.iter().map(|(_, calls)| calls).sum()
    }
}

impl Tallies {
    /// The tally of that name and tenure: the same for as long as anybody holds it.
    pub(crate) fn of(&self, plugin: &PluginId, tenure: Tenure) -> Arc<CallTally> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (plugin.clone(), tenure);
        if let Some(tally) = known.get(&key).and_then(Weak::upgrade) {
            return tally;
        }
        known.retain(|_, tally| tally.strong_count() > 0);
        let tally = Arc::default();
        known.insert(key, Arc::downgrade(&tally));
        tally
    }
}

impl CallTally {
    pub(crate) fn note(&self, took: Duration, has_failed: bool) {
        self.by_time[index(took)].fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
        if has_failed {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What it says now.
    pub fn reading(&self) -> TallyReading {
        let counts = self.by_time.iter().map(|count| count.load(Ordering::Relaxed));
        TallyReading {
            failures: self.failures.load(Ordering::Relaxed),
            total: Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)),
            by_time: (0..).map(bound).zip(counts).collect(),
        }
    }
}

/// Which of the times it is: that with the smallest bound that it does not exceed.
fn index(took: Duration) -> usize {
    let microseconds = took.as_nanos().div_ceil(1_000).max(1);
    let power = microseconds.next_power_of_two().ilog2();
    (power.saturating_sub(SHORTEST_POWER) as usize).min(TIMES)
}

/// In seconds.
fn bound(index: usize) -> f64 {
    if index < TIMES { (1_u64 << (index as u32 + SHORTEST_POWER)) as f64 / 1e6 } else { f64::INFINITY }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_counts_under_the_smallest_bound_that_it_does_not_exceed() {
        let check = |nanoseconds: u64, expected: usize| {
            let took = Duration::from_nanos(nanoseconds);
            assert_eq!(index(took), expected, "{took:?}");
            assert!(took.as_secs_f64() <= bound(expected), "{took:?}");
            assert!(expected == 0 || took.as_secs_f64() > bound(expected - 1), "{took:?}");
        };
        check(0, 0);
        check(16_000, 0);
        check(16_001, 1);
        check(32_000, 1);
        check(250_000_000, 14);
        check(1_048_576_000, TIMES - 1);
        check(1_048_576_001, TIMES);
        check(u64::MAX, TIMES);
    }

    #[test]
    fn a_reading_tells_all_calls() {
        let tally = CallTally::default();
        assert_eq!(tally.reading().calls(), 0);
        tally.note(Duration::from_micros(10), false);
        tally.note(Duration::from_micros(20), true);
        tally.note(Duration::from_secs(2), false);
        let reading = tally.reading();
        assert_eq!((reading.calls(), reading.failures), (3, 1));
        assert_eq!(reading.total, Duration::from_micros(2_000_030));
        assert_eq!(reading.by_time[..2], [(16e-6, 1), (32e-6, 1)]);
        assert_eq!(reading.by_time[TIMES], (f64::INFINITY, 1));
    }

    #[test]
    fn names_and_tenures_are_counted_apart_and_revisions_together() {
        let (tallies, name) = (Tallies::default(), PluginId::new("p"));
        let active = tallies.of(&name, Tenure::Active);
        assert!(Arc::ptr_eq(&active, &tallies.of(&name, Tenure::Active)));
        assert!(!Arc::ptr_eq(&active, &tallies.of(&name, Tenure::Trial)));
        for n in 0..100 {
            drop(tallies.of(&PluginId::new(format!("p{n}")), Tenure::Active));
        }
        assert!(
            tallies.known.lock().unwrap_or_else(PoisonError::into_inner).len() <= 2,
            "the gone are forgotten"
        );
    }
}
