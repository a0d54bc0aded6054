//! What is known of the definitions in a database: those under way, those that are over, and what is prepared. The caller
//! holds the lock; who waits for what is not here.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::defined::Defined;
use super::resting::Resting;
use super::rests::Rests;
use crate::catalog::Snapshot;

/// How long a definition counts as not settled of which this process is not told how it ends.
pub(super) const ADRIFT_FOR: Duration = Duration::from_secs(600);
/// Most definitions that are kept in mind once they were let go or settled, and most names in them. To a statement that was
/// judged before the oldest of them, anything may have changed.
pub(super) const PASSED_MAX: usize = 1024;
const PASSED_NAMES_MAX: usize = 20_000;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) participants: u64,
    pub(super) resting: Vec<Weak<Mutex<Resting>>>,
    pub(super) announced: Vec<Announced>,
    /// Those that differ, the latest last.
    pub(super) passed: VecDeque<Passed>,
    /// How many names are in them.
    pub(super) passed_names: usize,
    /// The number of the latest that is not among them any more.
    pub(super) passed_over: u64,
    /// Transactions that were prepared through this process, and since when that is known. What they define is announced.
    pub(super) prepared: VecDeque<(Gid, Instant)>,
    pub(super) latest: Option<Arc<Snapshot>>,
}

/// The name that a client gives to a prepared transaction.
pub(crate) type Gid = Arc<str>;

#[derive(Debug)]
pub(super) struct Announced {
    pub(super) by: By,
    pub(super) defined: Defined,
    pub(super) stage: Stage,
}

/// A definition that was let go or settled.
#[derive(Debug)]
pub(super) struct Passed {
    pub(super) number: u64,
    by: By,
    defined: Defined,
}

/// Who knows how a definition ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum By {
    Session(u64),
    /// Whoever ends the prepared transaction, whose name is known or not; prepared then.
    Prepared(Option<Gid>, Instant),
    /// The server alone: the session was lost then.
    Server(Instant),
}

impl By {
    pub(super) fn is_forgotten(&self) -> bool {
        match self {
            Self::Session(_) => false,
            Self::Prepared(_, since) | Self::Server(since) => since.elapsed() >= ADRIFT_FOR,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits for statements that rest on what it touches.
    Queued,
    /// The server may have it.
    LetGo,
}

/// A point between definitions, see [`Participant::mark`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(pub(super) u64);

impl State {
    /// Whether another session's transaction rests on what is touched.
    pub(super) fn is_rested_on(&self, defined: &Defined, mine: &Arc<Mutex<Resting>>) -> bool {
        let others = self.resting.iter().filter_map(Weak::upgrade).filter(|other| !Arc::ptr_eq(other, mine));
        others.into_iter().any(|other| other.lock().is_touched_by(defined, self.latest.as_deref()))
    }

    /// Keeps what was let go or settled in mind, under the next number.
    pub(super) fn pass(&mut self, by: By, defined: Defined, counter: &AtomicU64) {
        let number = counter.load(Ordering::SeqCst) + 1;
        let is_it = |passed: &Passed| passed.by == by && passed.defined == defined;
        if let Some(known) = self.passed.iter().position(is_it) {
            self.forget(known);
        }
        self.passed_names += defined.len();
        self.passed.push_back(Passed { number, by, defined });
        while self.passed.len() > PASSED_MAX || self.passed_names > PASSED_NAMES_MAX {
            self.passed_over = self.forget(0).unwrap_or(number);
        }
        counter.store(number, Ordering::SeqCst);
    }

    fn forget(&mut self, index: usize) -> Option<u64> {
        let passed = self.passed.remove(index)?;
        self.passed_names -= passed.defined.len();
        Some(passed.number)
    }

    /// Whether nothing that another has let go or settled since touches the names.
    pub(super) fn has_spared(&self, rests: &Rests, since: Mark, by: &By) -> bool {
        let grounds = rests.on(self.latest.as_deref());
        let mut later = self.passed.iter().rev().take_while(|passed| passed.number > since.0);
        self.passed_over <= since.0
            && !later.any(|passed| passed.by != *by && grounds.is_touched_by(&passed.defined))
    }

    /// What a session has let go becomes one: a long transaction's definitions are looked through for each statement.
    pub(super) fn merge(&mut self, by: &By) {
        let is_of = |one: &mut Announced| one.by == *by && one.stage == Stage::LetGo;
        let mut all =
            self.announced.extract_if(.., is_of).map(|one| one.defined).collect::<Vec<_>>().into_iter();
        let Some(mut defined) = all.next() else { return };
        all.for_each(|more| defined.absorb(more));
        self.announced.push(Announced { by: by.clone(), defined, stage: Stage::LetGo });
    }
}
