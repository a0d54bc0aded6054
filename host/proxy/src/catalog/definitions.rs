//! What the sessions of this process define in one database, and the statements that rest on what names mean meanwhile.
//!
//! A statement under a mask is judged by what names mean, and runs later. A definition of another session may come between.
//! So the two keep out of each other's way before either is sent, as readers and writers of a lock do: a definition is sent
//! once no statement is under way that rests on a name it touches, and from then on until it is settled no such statement is
//! judged by what the catalogue says. Each side waits with a patience of its own; waiting is the session's business.
//!
//! Statements that rest on a name are kept in mind until their transaction is over, as the server keeps their locks: so a
//! session that has begun goes on, and the definition waits for its end.
//!
//! Only what goes through this process is known here.

mod defined;
mod participant;
mod resting;
mod rests;
mod state;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::Snapshot;
use crate::settings::UpstreamSettings;
use state::{Announced, Stage, State};

pub(crate) use defined::{Defined, ObjectName, Reach};
pub(crate) use participant::{Participant, Standing, Waiting};
pub(crate) use rests::Rests;
pub(crate) use state::{Gid, Mark};

/// A database, as the configuration leads to it. Upstreams that lead to one by different names of its host are taken for
/// different ones.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Database {
    host: String,
    port: u16,
    name: String,
}

/// Every database that something here leads to, in whichever generation.
static DATABASES: Mutex<Vec<(Database, Weak<Definitions>)>> = Mutex::new(Vec::new());

/// What is known of one database's definitions.
#[derive(Debug)]
pub(crate) struct Definitions {
    /// How many definitions were let go or settled: the number of the last in [`State::passed`].
    passed: AtomicU64,
    /// How many are not settled.
    unsettled: AtomicUsize,
    /// How often something was defined that catalogues read before do not know.
    changes: AtomicU64,
    /// How many sessions wait for one another.
    waiting: AtomicUsize,
    turned: watch::Sender<()>,
    state: Mutex<State>,
}

impl Definitions {
    /// Those of the upstream's database, which all that leads there share.
    pub(super) fn of(upstream: &UpstreamSettings) -> Arc<Self> {
        let UpstreamSettings { host, port, database, .. } = upstream;
        Self::of_database(Database { host: host.clone(), port: *port, name: database.clone() })
    }

    fn of_database(wanted: Database) -> Arc<Self> {
        let mut databases = DATABASES.lock();
        databases.retain(|(_, known)| known.strong_count() > 0);
        let known = databases.iter().find(|(database, _)| *database == wanted);
        if let Some(known) = known.and_then(|(_, known)| known.upgrade()) {
            return known;
        }
        let new = Arc::new(Self::new());
        databases.push((wanted, Arc::downgrade(&new)));
        new
    }

    fn new() -> Self {
        Self {
            passed: AtomicU64::new(0),
            unsettled: AtomicUsize::new(0),
            changes: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            turned: watch::Sender::new(()),
            state: Mutex::default(),
        }
    }

    /// How often something was defined.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// Something was defined that catalogues read before do not know.
    pub(super) fn change(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// The latest that was read of the catalogue, by whoever it was.
    pub(super) fn latest(&self) -> Option<Arc<Snapshot>> {
        self.state.lock().latest.clone()
    }

    /// The catalogue was read.
    pub(super) fn know(&self, latest: &Arc<Snapshot>) {
        self.state.lock().latest = Some(Arc::clone(latest));
    }

    /// A session's part in it.
    pub(super) fn enter(self: &Arc<Self>) -> Participant {
        let resting = Arc::default();
        let mut state = self.state.lock();
        state.resting.retain(|other| other.strong_count() > 0);
        state.resting.push(Arc::downgrade(&resting));
        state.participants += 1;
        Participant { id: state.participants, resting, definitions: Arc::clone(self), refused_at: None }
    }

    /// Wakes whoever waits for something to end.
    fn turn(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.turned.send_replace(());
        }
    }

    /// Takes out announcements, which are settled by that: what they defined is there, or not.
    fn settle(&self, is_settled: impl Fn(&Announced) -> bool) {
        if self.unsettled.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut state = self.state.lock();
        let settled = state.announced.extract_if(.., |announced| is_settled(announced)).collect::<Vec<_>>();
        if settled.is_empty() {
            return;
        }
        let let_go = settled.into_iter().filter(|announced| announced.stage == Stage::LetGo);
        for Announced { by, defined, .. } in let_go {
            // Before it counts as settled: who takes it for that reads the catalogue again.
            if defined.is_news() {
                self.change();
            }
            state.pass(by, defined, &self.passed);
        }
        self.unsettled.store(state.announced.len(), Ordering::SeqCst);
        drop(state);
        self.turn();
    }
}
