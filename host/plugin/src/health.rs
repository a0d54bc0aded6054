//! How a plugin's calls go, counted as they are made: a few relaxed atomics a call. What follows from the figures is decided
//! elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use grille_core::HealthReading;

use crate::call_tally::CallTally;
use crate::failure::FailureEvent;

/// How one revision's calls have gone since it took its stage.
#[derive(Debug)]
pub struct Health {
    calls: AtomicU64,
    failures: AtomicU64,
    exhausted: AtomicU64,
    over_budget: AtomicU64,
    budget: Option<Duration>,
    last_failure: Mutex<Option<String>>,
    /// Of all revisions that had its name and its tenure.
    tally: Arc<CallTally>,
}

/// Whose doing a failed call is.
enum Blame {
    Plugin,
    /// Nobody's who wrote or chose the plugin: there is no room for another instance.
    Load,
}

impl Health {
    /// Nothing has been called yet; calls count as over budget that take longer than `budget`.
    pub(crate) fn new(budget: Option<Duration>, tally: Arc<CallTally>) -> Self {
        Self {
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            exhausted: AtomicU64::new(0),
            over_budget: AtomicU64::new(0),
            budget,
            last_failure: Mutex::new(None),
            tally,
        }
    }

    /// The time that a call may take.
    pub(crate) fn budget(&self) -> Option<Duration> {
        self.budget
    }

    /// All calls that were ever counted under its name and tenure.
    pub fn tally(&self) -> &CallTally {
        &self.tally
    }

    pub(crate) fn shared_tally(&self) -> &Arc<CallTally> {
        &self.tally
    }

    /// How it has gone so far. Figures that are counted meanwhile may be in one and not in another.
    pub fn reading(&self) -> HealthReading {
        let of = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        HealthReading {
            failures: of(&self.failures),
            exhausted: of(&self.exhausted),
            over_budget: of(&self.over_budget),
            calls: of(&self.calls),
            last_failure: self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// A call has ended.
    pub(crate) fn note(&self, took: Duration, failure: Option<&FailureEvent>) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if self.budget.is_some_and(|budget| took > budget) {
            self.over_budget.fetch_add(1, Ordering::Relaxed);
        }
        self.tally.note(took, failure.is_some());
        if let Some(event) = failure {
            self.note_failure(event);
        }
    }

    fn note_failure(&self, event: &FailureEvent) {
        match blame(event) {
            Blame::Load => _ = self.exhausted.fetch_add(1, Ordering::Relaxed),
            Blame::Plugin => {
                let mut last = self.last_failure.lock().unwrap_or_else(PoisonError::into_inner);
                *last = Some(event.in_our_words());
                self.failures.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

fn blame(event: &FailureEvent) -> Blame {
    match event {
        FailureEvent::Exhausted => Blame::Load,
        FailureEvent::Trap(_)
        | FailureEvent::Deadline
        | FailureEvent::Memory
        | FailureEvent::BadOutput(_)
        | FailureEvent::Refused(_)
        | FailureEvent::Instantiate(_)
        | FailureEvent::WrongWorld { .. } => Blame::Plugin,
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::World;

    const MS: Duration = Duration::from_millis(1);

    fn health(budget: Option<Duration>) -> Health {
        Health::new(budget, Arc::default())
    }

    #[test]
    fn every_failure_but_want_of_room_is_the_plugins() {
        let check = |event: FailureEvent, failures, words: Option<&str>| {
            let health = health(None);
            health.note(MS, Some(&event));
            let reading = health.reading();
            assert_eq!((reading.calls, reading.failures, reading.exhausted), (1, failures, 1 - failures));
            assert_eq!(reading.last_failure.as_deref(), words);
            assert_eq!(health.tally().reading().failures, 1, "{event}");
        };
        check(FailureEvent::Exhausted, 0, None);
        check(FailureEvent::Trap("unreachable".into()), 1, Some("trapped: unreachable"));
        check(FailureEvent::Deadline, 1, Some("exceeded its deadline"));
        check(FailureEvent::Memory, 1, Some("exceeded its memory limit"));
        check(FailureEvent::Refused("ada@example.com".into()), 1, Some("refused, in words of its own"));
        let wrong = FailureEvent::WrongWorld { is: World::Masker, wanted: World::Policy };
        check(wrong, 1, Some("is a masker, not a policy"));
    }

    #[test]
    fn the_last_failure_is_told() {
        let health = health(None);
        assert_eq!(health.reading(), HealthReading::default());
        health.note(MS, Some(&FailureEvent::Deadline));
        health.note(MS, Some(&FailureEvent::Memory));
        health.note(MS, None);
        assert_eq!(health.reading().last_failure.as_deref(), Some("exceeded its memory limit"));
    }

    #[test]
    fn only_what_exceeds_the_budget_is_over_it() {
        let check = |budget, over| {
            let health = health(budget);
            for took in [Duration::ZERO, MS, 2 * MS, 3 * MS] {
                health.note(took, None);
            }
            assert_eq!(
                health.reading(),
                HealthReading { calls: 4, over_budget: over, ..HealthReading::default() }
            );
        };
        check(None, 0);
        check(Some(3 * MS), 0);
        check(Some(MS), 2);
        check(Some(Duration::ZERO), 3);
    }

    #[test]
    fn no_call_is_lost_when_many_are_counted_at_once() {
        let health = health(Some(MS));
        thread::scope(|scope| {
            for thread in 0..8_u32 {
                let health = &health;
                scope.spawn(move || {
                    for call in 0..1_000 {
                        let failure = (call % 10 == 0).then_some(FailureEvent::Deadline);
                        health.note(thread * MS, failure.as_ref());
                    }
                });
            }
        });
        let expected = HealthReading {
            calls: 8_000,
            failures: 800,
            exhausted: 0,
            over_budget: 6_000,
            last_failure: Some("exceeded its deadline".into()),
        };
        assert_eq!(health.reading(), expected);
        let tally = health.tally().reading();
        assert_eq!((tally.calls(), tally.failures), (8_000, 800));
    }
}
