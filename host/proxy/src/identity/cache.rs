//! An issuer's keys over time: how long they are good, when they are fetched again, and how often at most.
//!
//! Time is passed in. One fetch runs at a time, as a task of its own, so that a client that goes away does not take it along;
//! whoever needs its outcome waits for it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::fetch::{FetchError, IssuerError, KeySource};
use super::keys::KeySet;
use super::limits::{FETCH_TIMEOUT, REFETCH_WINDOW, REFETCHES_MAX, RETRY_INTERVAL};
use crate::settings::IssuerSettings;

/// One issuer's settings and what is known of its keys.
#[derive(Debug)]
pub(super) struct IssuerKeys {
    settings: Arc<IssuerSettings>,
    shared: Arc<Shared>,
    /// The latest fetch; ends with its owner.
    fetch: Mutex<Option<AbortOnDropHandle<()>>>,
}

/// What the fetching task needs.
#[derive(Debug)]
struct Shared {
    source: KeySource,
    state: Mutex<State>,
    /// Counts the fetches that have ended.
    ended: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    held: Option<Held>,
    in_flight: bool,
    /// When the last fetch began, if it failed.
    failed_at: Option<SystemTime>,
    refetches: Refetches,
}

#[derive(Debug)]
struct Held {
    keys: Arc<KeySet>,
    /// When the fetch that brought them began.
    fetched_at: SystemTime,
}

/// Whether an issuer's tokens can be checked; for readiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStatus {
    /// The keys are current.
    Current,
    /// They are older than the refresh interval and could not be fetched again; still used, for a while.
    Outage,
    /// There are none, or they are too old: all tokens of the issuer are refused.
    Unavailable,
}

/// What the keys at hand are worth at some time.
enum Standing {
    Current(Arc<KeySet>),
    /// Past the refresh interval, within the outage allowance.
    Old(Arc<KeySet>),
    Unavailable,
}

impl Standing {
    fn into_keys(self) -> Option<Arc<KeySet>> {
        match self {
            Self::Current(keys) | Self::Old(keys) => Some(keys),
            Self::Unavailable => None,
        }
    }
}

impl IssuerKeys {
    /// Fetches nothing yet.
    pub(super) fn new(settings: Arc<IssuerSettings>) -> Result<Self, IssuerError> {
        let state = State {
            held: None,
            in_flight: false,
            failed_at: None,
            refetches: Refetches { made: 0, window_began: UNIX_EPOCH },
        };
        let shared = Shared {
            source: KeySource::new(&settings)?,
            state: Mutex::new(state),
            ended: watch::Sender::new(0),
        };
        Ok(Self { settings, shared: Arc::new(shared), fetch: Mutex::new(None) })
    }

    pub(super) fn settings(&self) -> &Arc<IssuerSettings> {
        &self.settings
    }

    pub(super) fn status(&self, now: SystemTime) -> KeyStatus {
        match self.standing(now) {
            Standing::Current(_) => KeyStatus::Current,
            Standing::Old(_) => KeyStatus::Outage,
            Standing::Unavailable => KeyStatus::Unavailable,
        }
    }

    /// The keys to judge a token by. Fetched first when they are past the refresh interval, so that a key taken back by its
    /// issuer does not live on; but an issuer that just failed is not waited for while old keys will do.
    pub(super) async fn usable(&self, now: SystemTime) -> Option<Arc<KeySet>> {
        match self.standing(now) {
            Standing::Current(keys) => return Some(keys),
            Standing::Old(keys) if self.shared.state.lock().failed_at.is_some() => {
                self.begin(now, Reason::Due);
                return Some(keys);
            }
            Standing::Old(_) | Standing::Unavailable => self.fetch(now, Reason::Due).await,
        }
        self.standing(now).into_keys()
    }

    /// The keys after another fetch, for a token whose key is not among those at hand. Bounded by [`REFETCHES_MAX`]: beyond
    /// that, the keys at hand.
    pub(super) async fn refetched(&self, now: SystemTime) -> Option<Arc<KeySet>> {
        self.fetch(now, Reason::UnknownKey).await;
        self.standing(now).into_keys()
    }

    /// Fetches ahead of need: when the keys have used up three quarters of the refresh interval.
    pub(super) async fn refresh_ahead(&self, now: SystemTime) {
        let early = self.settings.refresh.mul_f32(0.75);
        let fresh =
            self.shared.state.lock().held.as_ref().is_some_and(|held| age(held.fetched_at, now) < early);
        if !fresh {
            self.fetch(now, Reason::Due).await;
        }
    }

    fn standing(&self, now: SystemTime) -> Standing {
        let state = self.shared.state.lock();
        let Some(held) = &state.held else { return Standing::Unavailable };
        let age = age(held.fetched_at, now);
        if age < self.settings.refresh {
            Standing::Current(held.keys.clone())
        } else if age < self.settings.refresh.saturating_add(self.settings.outage) {
            Standing::Old(held.keys.clone())
        } else {
            Standing::Unavailable
        }
    }

    /// Waits for a fetch: the one that is running, or a new one if one may be made.
    async fn fetch(&self, now: SystemTime, reason: Reason) {
        let mut ended = self.shared.ended.subscribe();
        if self.begin(now, reason) {
            // The fetch has a deadline of its own; this one only says that nobody waits for ever.
            let _ = timeout(FETCH_TIMEOUT * 2, ended.changed()).await;
        }
    }

    /// Starts a fetch if one may be made now. Says whether one is running.
    fn begin(&self, now: SystemTime, reason: Reason) -> bool {
        let mut state = self.shared.state.lock();
        if state.in_flight {
            return true;
        }
        if !state.may_fetch(now, reason) {
            return false;
        }
        state.in_flight = true;
        drop(state);
        let landing = Landing(self.shared.clone());
        let task = tokio::spawn(async move {
            let outcome = landing.0.source.fetch().await;
            landing.0.settle(outcome, now);
            drop(landing);
        });
        *self.fetch.lock() = Some(AbortOnDropHandle::new(task));
        true
    }
}

/// Why a fetch is wanted.
#[derive(Clone, Copy)]
enum Reason {
    /// There are no keys, or old ones.
    Due,
    /// A token names a key that is not among them.
    UnknownKey,
}

impl State {
    fn may_fetch(&mut self, now: SystemTime, reason: Reason) -> bool {
        match reason {
            Reason::Due => self.failed_at.is_none_or(|at| age(at, now) >= RETRY_INTERVAL),
            Reason::UnknownKey => self.refetches.take(now),
        }
    }
}

/// Counts fetches on behalf of unknown keys within a window.
#[derive(Debug)]
struct Refetches {
    /// `0 <= made <= REFETCHES_MAX`
    made: u32,
    window_began: SystemTime,
}

impl Refetches {
    fn take(&mut self, now: SystemTime) -> bool {
        if age(self.window_began, now) >= REFETCH_WINDOW {
            *self = Self { made: 0, window_began: now };
        }
        let allowed = self.made < REFETCHES_MAX;
        self.made += u32::from(allowed);
        allowed
    }
}

impl Shared {
    /// A failed fetch leaves the keys as they are.
    fn settle(&self, outcome: Result<KeySet, FetchError>, began: SystemTime) {
        let mut state = self.state.lock();
        match outcome {
            Ok(keys) => {
                state.held = Some(Held { keys: Arc::new(keys), fetched_at: began });
                state.failed_at = None;
            }
            Err(error) => {
                state.failed_at = Some(began);
                drop(state);
                self.source.log_failure(&error);
            }
        }
    }
}

/// Says that a fetch has ended, however it ended.
struct Landing(Arc<Shared>);

impl Drop for Landing {
    fn drop(&mut self) {
        self.0.state.lock().in_flight = false;
        self.0.ended.send_modify(|count| *count += 1);
    }
}

/// Time between two readings of a clock that may have been set meanwhile. Set back by much, it makes keys look old rather
/// than young.
fn age(then: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(then).unwrap_or_else(|ahead| ahead.duration())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refetches_are_counted_within_a_window() {
        let start = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let mut refetches = Refetches { made: 0, window_began: UNIX_EPOCH };
        let mut allowed = |at: Duration| (0..10).filter(|_| refetches.take(start + at)).count();
        assert_eq!(allowed(Duration::ZERO), 3);
        assert_eq!(allowed(REFETCH_WINDOW - Duration::from_secs(1)), 0);
        assert_eq!(allowed(REFETCH_WINDOW), 3);
        assert_eq!(allowed(REFETCH_WINDOW), 0);
    }

    #[test]
    fn a_clock_set_back_makes_keys_old() {
        let then = UNIX_EPOCH + Duration::from_secs(1000);
        assert_eq!(age(then, then + Duration::from_secs(5)), Duration::from_secs(5));
        assert_eq!(age(then, then - Duration::from_secs(500)), Duration::from_secs(500));
    }
}
