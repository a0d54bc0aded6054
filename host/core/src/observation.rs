//! What operators are told of a candidate that is judged off-path. The tally in it is `difference`'s.

use serde::{Deserialize, Serialize};

use crate::difference::Differences;

/// How a candidate in the shadow of an active revision compares with it so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferenceReport {
    /// The plugin's name in the configuration.
    pub plugin: String,
    /// `policy`, `detector` or `masker`.
    pub world: String,
    /// What clients got their answers from.
    pub active: Observed,
    /// What was asked besides.
    pub candidate: Observed,
    /// Whether it is still asked.
    pub state: ShadowState,
    /// For how long it is or was in the shadow, in whole seconds.
    pub age_s: u64,
    /// What was compared. `failures` in it are the candidate's.
    #[serde(flatten)]
    pub differences: Differences,
    /// Inputs that the active revision failed at; they are not compared.
    pub active_failures: u64,
    /// Inputs that nobody compared: the queue was full, or there were more blocks of cells than are looked at in a second.
    pub dropped: u64,
    /// Blocks of which only the beginning was compared, for they are longer than what is copied of one.
    pub cut: u64,
    /// Comparisons that ended in a fault of Grille's own, which is in the log.
    pub faults: u64,
}

/// A revision, and how long it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// SHA-256 of the component, hexadecimal.
    pub digest: String,
    /// SHA-256 of its settings in canonical JSON, hexadecimal.
    pub settings: String,
    /// How long its last answers took; none before the first.
    pub latency: Option<Latency>,
}

/// Times of the last answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of them took at most this, in microseconds.
    pub median_us: u64,
    /// 99 in 100 of them took at most this, in microseconds.
    pub p99_us: u64,
    /// How many they are.
    pub answers: u64,
}

/// Whether a candidate in the shadow is still asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShadowState {
    /// It is.
    Running,
    /// It failed so often in a row that it is left alone, lest it take processor time from the sessions.
    GivenUp,
    /// It is in the shadow no more: promoted, dropped, or another revision became active.
    Over,
}

impl Latency {
    /// Of these times in microseconds, in any order; none of none.
    pub fn of(mut times_us: Vec<u64>) -> Option<Self> {
        times_us.sort_unstable();
        let at = |percent: usize| {
            times_us.get((times_us.len() * percent).div_ceil(100).saturating_sub(1)).copied()
        };
        Some(Self { median_us: at(50)?, p99_us: at(99)?, answers: times_us.len() as u64 })
    }
}

impl ShadowState {
    /// In a few words, for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::GivenUp => "given up: it failed too often in a row",
            Self::Over => "over",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_is_the_middle_and_the_end_of_the_times() {
        let check = |times: &[u64], expected: Option<(u64, u64)>| {
            let latency = Latency::of(times.to_vec());
            assert_eq!(latency.map(|latency| (latency.median_us, latency.p99_us)), expected, "{times:?}");
        };
        check(&[], None);
        check(&[7], Some((7, 7)));
        check(&[3, 1, 2], Some((2, 3)));
        check(&(1..=200).rev().collect::<Vec<_>>(), Some((100, 198)));
    }
}
