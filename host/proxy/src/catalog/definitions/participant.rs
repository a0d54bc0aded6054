//! One session's part: what it rests on, lets go, leaves behind, and waits for.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::Definitions;
use super::defined::Defined;
use super::resting::Resting;
use super::rests::Rests;
use super::state::{ADRIFT_FOR, Announced, By, Gid, Mark, Stage, State};

/// Most prepared transactions of which it is kept in mind what they define.
const PREPARED_MAX: usize = 1024;
/// How long the definitions of a session that was refused one do not come before newcomers.
const YIELDS_FOR: Duration = Duration::from_secs(30);

/// What a statement may rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing is under way that touches it.
    Firm,
    /// Another session waits to define what it rests on: it lets that go first, while it has patience.
    Queued,
    /// Another session may have defined what it rests on, and it is not settled.
    Shaken,
}

/// One session's part in what a database's sessions define.
#[derive(Debug)]
pub(crate) struct Participant {
    pub(super) id: u64,
    pub(super) resting: Arc<Mutex<Resting>>,
    pub(super) definitions: Arc<Definitions>,
    /// When a definition was refused last.
    pub(super) refused_at: Option<Instant>,
}

impl Participant {
    /// A point before a judgement, and before the catalogue for it is taken: [`Participant::rest`] tells whether it holds.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.definitions.passed.load(Ordering::SeqCst))
    }

    /// Whether what other sessions define touches the names.
    pub(crate) fn standing(&self, rests: &Rests) -> Standing {
        if self.definitions.unsettled.load(Ordering::SeqCst) == 0 {
            return Standing::Firm;
        }
        self.definitions.settle(|announced| announced.by.is_forgotten());
        let state = self.definitions.state.lock();
        let latest = state.latest.as_deref();
        let mine = self.resting.lock();
        let grounds = rests.on(latest);
        let others = state.announced.iter().filter(|announced| announced.by != self.by());
        let touching = others.filter(|announced| grounds.is_touched_by(&announced.defined));
        let standings = touching.map(|announced| match announced.stage {
            Stage::LetGo => Standing::Shaken,
            // It waits for this very session.
            Stage::Queued if mine.is_touched_by(&announced.defined, latest) => Standing::Firm,
            Stage::Queued => Standing::Queued,
        });
        let rank = |standing: &Standing| match standing {
            Standing::Firm => 0,
            Standing::Queued => 1,
            Standing::Shaken => 2,
        };
        standings.max_by_key(rank).unwrap_or(Standing::Firm)
    }

    /// Takes note that a statement is about to be sent that rests on these names, as they were judged after `mark`. False
    /// where another has let go or settled something since that touches them: it must be judged again.
    pub(crate) fn rest(&self, rests: &Rests, mark: Mark) -> bool {
        if rests.names.is_empty() {
            return true;
        }
        let noted = self.resting.lock().note(rests);
        // Whoever lets something go counts first and looks at what rests then; here it is the other way round. So one of the
        // two sees the other.
        let holds = self.mark() == mark || self.definitions.state.lock().has_spared(rests, mark, &self.by());
        if !holds {
            self.resting.lock().take_back(noted);
        }
        holds
    }

    /// Nothing of the session's is under way any more, not even a transaction.
    pub(crate) fn rest_no_more(&self) {
        let mut resting = self.resting.lock();
        if resting.rests() {
            *resting = Resting::default();
            drop(resting);
            self.definitions.turn();
        }
    }

    /// Takes note that something is about to be defined. False while statements of other sessions rest on what it touches:
    /// it must not be sent then.
    pub(crate) fn let_go(&self, defined: &Defined) -> bool {
        let mut state = self.definitions.state.lock();
        let is_gone = |one: &Announced| self.has_let_go(one) && one.defined.covers(defined);
        if state.announced.iter().any(is_gone) {
            return true;
        }
        let mut defined = defined.clone();
        defined.bound();
        let is_free =
            !state.is_rested_on(&defined, &self.resting) && self.try_to_let_go(&mut state, &defined);
        if !is_free && !self.yields() {
            self.queue(&mut state, defined);
        }
        self.definitions.unsettled.store(state.announced.len(), Ordering::SeqCst);
        is_free
    }

    /// Lets something go, unless a statement has come between.
    fn try_to_let_go(&self, state: &mut State, defined: &Defined) -> bool {
        state.announced.retain(|one| !self.has_queued(one) || one.defined != *defined);
        let (by, let_go) = (self.by(), Stage::LetGo);
        state.announced.push(Announced { by: by.clone(), defined: defined.clone(), stage: let_go });
        // Before it counts as let go: who takes it for that waits for the lock, and finds it.
        self.definitions.unsettled.store(state.announced.len(), Ordering::SeqCst);
        state.pass(by.clone(), defined.clone(), &self.definitions.passed);
        let is_free = !state.is_rested_on(defined, &self.resting);
        if is_free {
            state.merge(&by);
        } else {
            state.announced.pop();
        }
        is_free
    }

    fn queue(&self, state: &mut State, defined: Defined) {
        let is_queued = |one: &Announced| self.has_queued(one) && one.defined == defined;
        if !state.announced.iter().any(is_queued) {
            state.announced.push(Announced { by: self.by(), defined, stage: Stage::Queued });
        }
    }

    /// Whether its definitions wait without holding newcomers up: one has held them up for long enough, in vain.
    fn yields(&self) -> bool {
        self.refused_at.is_some_and(|refused| refused.elapsed() < YIELDS_FOR)
    }

    /// A definition of the session's is refused.
    pub(crate) fn refused(&mut self) {
        self.refused_at = Some(Instant::now());
    }

    fn by(&self) -> By {
        By::Session(self.id)
    }

    /// Whether something of the session's may be under way that others have to mind.
    pub(crate) fn is_involved(&self) -> bool {
        let has_defined = || {
            self.definitions.unsettled.load(Ordering::SeqCst) > 0
                && self.definitions.state.lock().announced.iter().any(|announced| self.has_let_go(announced))
        };
        self.resting.lock().rests() || has_defined()
    }

    fn has_let_go(&self, announced: &Announced) -> bool {
        announced.by == self.by() && announced.stage == Stage::LetGo
    }

    fn has_queued(&self, announced: &Announced) -> bool {
        announced.by == self.by() && announced.stage == Stage::Queued
    }

    /// What the session has defined is there, or gone.
    pub(crate) fn settle(&self) {
        self.definitions.settle(|announced| self.has_let_go(announced));
    }

    /// What the session was about to define, it will not.
    pub(crate) fn withdraw(&self) {
        self.definitions.settle(|announced| self.has_queued(announced));
    }

    /// The session's transaction is prepared: others will say how it ends. Its name, where that is known.
    pub(crate) fn prepare(&self, gid: Option<Gid>) {
        let now = Instant::now();
        self.leave_to(&By::Prepared(gid.clone(), now));
        let Some(gid) = gid else { return };
        let mut state = self.definitions.state.lock();
        state.prepared.retain(|(known, since)| *known != gid && since.elapsed() < ADRIFT_FOR);
        if state.prepared.len() == PREPARED_MAX {
            state.prepared.pop_front();
        }
        state.prepared.push_back((gid, now));
    }

    fn leave_to(&self, by: &By) {
        let mut state = self.definitions.state.lock();
        for announced in state.announced.iter_mut().filter(|announced| self.has_let_go(announced)) {
            announced.by = by.clone();
        }
    }

    /// Whether a prepared transaction is known of which all that it defines is announced. It stays so from now on as long as
    /// any.
    pub(crate) fn knows_prepared(&self, gid: &Gid) -> bool {
        let mut state = self.definitions.state.lock();
        let is_it = |(known, since): &&mut (Gid, Instant)| known == gid && since.elapsed() < ADRIFT_FOR;
        let Some((_, since)) = state.prepared.iter_mut().find(is_it) else { return false };
        let now = Instant::now();
        *since = now;
        for announced in &mut state.announced {
            if let By::Prepared(Some(of), since) = &mut announced.by
                && of == gid
            {
                *since = now;
            }
        }
        true
    }

    /// A prepared transaction is over. Where it is not known which, none is known any more, and what they define counts as
    /// not settled for as long as it may.
    pub(crate) fn settle_prepared(&self, gid: Option<&Gid>) {
        self.definitions.state.lock().prepared.retain(|(known, _)| gid.is_some_and(|gid| known != gid));
        self.definitions.settle(|announced| match &announced.by {
            By::Prepared(of, _) => gid.is_some() && of.as_ref() == gid,
            By::Session(_) | By::Server(_) => false,
        });
    }

    /// For a session that is about to look whether something is in its way, and to wait if it is.
    pub(crate) fn wait(&self) -> Waiting {
        self.definitions.waiting.fetch_add(1, Ordering::SeqCst);
        Waiting { turned: self.definitions.turned.subscribe(), definitions: Arc::clone(&self.definitions) }
    }
}

impl Drop for Participant {
    fn drop(&mut self) {
        self.rest_no_more();
        self.withdraw();
        // What is left was not seen to end.
        self.leave_to(&By::Server(Instant::now()));
    }
}

/// A session waits for others.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(super) turned: watch::Receiver<()>,
    pub(super) definitions: Arc<Definitions>,
}

impl Waiting {
    /// Waits until something in the way may have gone. Cancel safe.
    pub(crate) async fn turned(&mut self) {
        // The sender lives as long as this does.
        let _ = self.turned.changed().await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.definitions.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}
