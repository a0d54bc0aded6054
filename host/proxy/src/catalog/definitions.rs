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

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use grille_wire::sql::schema::{Follower, Relation};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::Snapshot;
use crate::settings::UpstreamSettings;

/// How long a definition counts as not settled of which this process is not told how it ends.
const ADRIFT_FOR: Duration = Duration::from_secs(600);
/// Most names that are kept in mind of one transaction; one that reads more rests on everything.
const RESTING_NAMES_MAX: usize = 10_000;
/// Most ways of looking names up in one transaction, such as search paths, that are told apart.
const RESTING_SETS_MAX: usize = 16;
/// Most names that are kept in mind of what one transaction defines; one with more defines anything.
const DEFINED_NAMES_MAX: usize = 10_000;
/// Most definitions that are kept in mind once they were let go or settled, and most names in them. To a statement that was
/// judged before the oldest of them, anything may have changed.
const PASSED_MAX: usize = 1024;
const PASSED_NAMES_MAX: usize = 20_000;
/// Most prepared transactions of which it is kept in mind what they define.
const PREPARED_MAX: usize = 1024;
/// How long the definitions of a session that was refused one do not come before newcomers.
const YIELDS_FOR: Duration = Duration::from_secs(30);

/// A name as it is written, qualified or not, without quotes. In order of the name first: see [`of_name`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectName {
    pub(crate) name: Box<str>,
    pub(crate) schema: Option<Box<str>>,
}

/// Those in a set that have this name, whatever their schema.
fn of_name<'n>(names: &'n BTreeSet<ObjectName>, name: &str) -> impl Iterator<Item = &'n ObjectName> {
    let first = ObjectName { name: name.into(), schema: None };
    let name = first.name.clone();
    names.range(first..).take_while(move |one| one.name == name)
}

/// How far a definition reaches beyond the names it gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// No farther.
    #[default]
    Named,
    /// Relations may go, or not be found any more, so that names mean others that they hid.
    Hidden,
    /// Any name may mean something else.
    Anything,
}

/// What a message's statements define, or a whole transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Defined {
    pub(crate) names: BTreeSet<ObjectName>,
    /// Relations that others cannot use meanwhile, although they stay what they are.
    pub(crate) locked: BTreeSet<ObjectName>,
    /// Relations whose rows may not be equal any more: what that changes is for those who write them.
    pub(crate) limited: BTreeSet<ObjectName>,
    pub(crate) reach: Reach,
}

impl Defined {
    pub(crate) fn is_nothing(&self) -> bool {
        self.len() == 0 && self.reach == Reach::Named
    }

    /// Whether a catalogue that was read before does not know of it.
    fn is_news(&self) -> bool {
        !self.names.is_empty() || !self.limited.is_empty() || self.reach != Reach::Named
    }

    fn len(&self) -> usize {
        self.names.len() + self.locked.len() + self.limited.len()
    }

    fn covers(&self, other: &Self) -> bool {
        self.reach == Reach::Anything
            || self.reach >= other.reach
                && self.names.is_superset(&other.names)
                && self.locked.is_superset(&other.locked)
                && self.limited.is_superset(&other.limited)
    }

    /// Both of them.
    fn absorb(&mut self, other: Self) {
        self.reach = self.reach.max(other.reach);
        self.names.extend(other.names);
        self.locked.extend(other.locked);
        self.limited.extend(other.limited);
        self.bound();
    }

    /// Forgets names where there are too many: it defines anything then.
    fn bound(&mut self) {
        if self.len() > DEFINED_NAMES_MAX {
            *self = Self { reach: Reach::Anything, ..Self::default() };
        }
    }
}

/// The names that a judgement rests on.
#[derive(Clone, Debug)]
pub(crate) struct Rests {
    pub(crate) names: BTreeSet<ObjectName>,
    /// The schemas in which those without one are looked for, whether they are there or not; none for any.
    pub(crate) places: Option<Arc<[Box<str>]>>,
    /// Whether anything but reading is done with them.
    pub(crate) writes: bool,
}

impl Rests {
    /// Whether a definition may change what it rests on. What is behind the names, such as the tables of a view, is looked up
    /// in `snapshot`; without one it may.
    fn is_touched_by(&self, defined: &Defined, snapshot: Option<&Snapshot>) -> bool {
        self.on(snapshot).is_touched_by(defined)
    }

    /// The same for several definitions: what is behind the names is looked up once.
    fn on<'s>(&'s self, snapshot: Option<&'s Snapshot>) -> Grounds<'s> {
        Grounds { rests: self, snapshot, behind: OnceCell::new() }
    }

    fn may_mean(&self, name: &ObjectName, defined: &ObjectName) -> bool {
        if name.name != defined.name {
            return false;
        }
        match (&name.schema, &defined.schema, &self.places) {
            (Some(schema), Some(defined), _) => schema == defined,
            (None, Some(defined), Some(places)) => places.contains(defined),
            (None, Some(_), None) | (_, None, _) => true,
        }
    }

    /// Every relation that the names may mean, with what views among them read, what is inherited from, and what is written
    /// with them; and all that these inherit from, for what is done to a parent is done to its children. What else inherits
    /// from that is not concerned.
    fn relations<'s>(&self, snapshot: &'s Snapshot) -> Vec<&'s Relation> {
        let schema = snapshot.schema();
        let named = |name: &ObjectName| {
            let of = name.schema.clone();
            let meant = move |relation: &&Relation| of.as_ref().is_none_or(|of| *of == relation.schema);
            schema.relations_named(&name.name).filter(meant).map(|relation| relation.oid).collect::<Vec<_>>()
        };
        let mut left: Vec<u32> = self.names.iter().flat_map(named).collect();
        let mut seen = HashSet::new();
        let mut relations = Vec::new();
        while let Some(oid) = left.pop() {
            let Some(relation) = schema.relation(oid).filter(|_| seen.insert(oid)) else { continue };
            relations.push(relation);
            left.extend(schema.children_of(oid).map(|child| child.oid));
            left.extend(schema.followers_of(oid).iter().map(|follower| match follower {
                Follower::Refers(other) | Follower::Underlies(other) => *other,
            }));
        }
        let mut left: Vec<u32> = relations.iter().flat_map(|relation| &relation.parents).copied().collect();
        while let Some(oid) = left.pop() {
            let Some(relation) = schema.relation(oid).filter(|_| seen.insert(oid)) else { continue };
            relations.push(relation);
            left.extend(&relation.parents);
        }
        relations
    }
}

/// What a judgement rests on, in the catalogue.
struct Grounds<'s> {
    rests: &'s Rests,
    snapshot: Option<&'s Snapshot>,
    behind: OnceCell<Vec<&'s Relation>>,
}

impl<'s> Grounds<'s> {
    fn is_touched_by(&self, defined: &Defined) -> bool {
        let names = &self.rests.names;
        if names.is_empty() {
            return false;
        }
        let Some(snapshot) = self.snapshot else { return true };
        match defined.reach {
            Reach::Anything => return true,
            Reach::Hidden if names.iter().any(|name| name.hides_another(snapshot)) => return true,
            Reach::Hidden | Reach::Named => {}
        }
        self.is_among(&defined.names, snapshot)
            || self.is_among(&defined.locked, snapshot)
            || self.rests.writes && self.is_among(&defined.limited, snapshot)
    }

    fn is_among(&self, defined: &BTreeSet<ObjectName>, snapshot: &'s Snapshot) -> bool {
        if defined.is_empty() {
            return false;
        }
        let is_named =
            |name: &ObjectName| of_name(defined, &name.name).any(|one| self.rests.may_mean(name, one));
        let is_it = |relation: &&Relation| of_name(defined, &relation.name).any(|one| one.is(relation));
        self.rests.names.iter().any(is_named)
            || self.behind.get_or_init(|| self.rests.relations(snapshot)).iter().any(is_it)
    }
}

impl ObjectName {
    fn is(&self, relation: &Relation) -> bool {
        self.name == relation.name && self.schema.as_ref().is_none_or(|schema| *schema == relation.schema)
    }

    /// Whether relations of several schemas have the name, which is not qualified.
    fn hides_another(&self, snapshot: &Snapshot) -> bool {
        self.schema.is_none() && snapshot.has_namesakes(&self.name)
    }
}

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

#[derive(Debug, Default)]
struct State {
    participants: u64,
    resting: Vec<Weak<Mutex<Resting>>>,
    announced: Vec<Announced>,
    /// Those that differ, the latest last.
    passed: VecDeque<Passed>,
    /// How many names are in them.
    passed_names: usize,
    /// The number of the latest that is not among them any more.
    passed_over: u64,
    /// Transactions that were prepared through this process, and since when that is known. What they define is announced.
    prepared: VecDeque<(Gid, Instant)>,
    latest: Option<Arc<Snapshot>>,
}

/// The name that a client gives to a prepared transaction.
pub(crate) type Gid = Arc<str>;

#[derive(Debug)]
struct Announced {
    by: By,
    defined: Defined,
    stage: Stage,
}

/// A definition that was let go or settled.
#[derive(Debug)]
struct Passed {
    number: u64,
    by: By,
    defined: Defined,
}

/// Who knows how a definition ends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum By {
    Session(u64),
    /// Whoever ends the prepared transaction, whose name is known or not; prepared then.
    Prepared(Option<Gid>, Instant),
    /// The server alone: the session was lost then.
    Server(Instant),
}

impl By {
    fn is_forgotten(&self) -> bool {
        match self {
            Self::Session(_) => false,
            Self::Prepared(_, since) | Self::Server(since) => since.elapsed() >= ADRIFT_FOR,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It waits for statements that rest on what it touches.
    Queued,
    /// The server may have it.
    LetGo,
}

/// What a session's open transaction rests on.
#[derive(Debug, Default)]
struct Resting {
    /// One for all statements that look names up alike.
    on: Vec<Rests>,
    on_everything: bool,
}

/// What has been noted of a statement, to be taken back.
#[derive(Debug)]
enum Noted {
    Nothing,
    /// These names, in the set of that index.
    Names(usize, Vec<ObjectName>),
    Everything,
}

impl Resting {
    fn rests(&self) -> bool {
        self.on_everything || self.on.iter().any(|rests| !rests.names.is_empty())
    }

    fn is_touched_by(&self, defined: &Defined, snapshot: Option<&Snapshot>) -> bool {
        self.on_everything || self.on.iter().any(|rests| rests.is_touched_by(defined, snapshot))
    }

    fn note(&mut self, rests: &Rests) -> Noted {
        if self.on_everything {
            return Noted::Nothing;
        }
        let is_alike = |known: &Rests| known.places == rests.places && known.writes == rests.writes;
        let index = self.on.iter().position(is_alike).unwrap_or(self.on.len());
        if index == self.on.len() {
            self.on.push(Rests { names: BTreeSet::new(), ..rests.clone() });
        }
        let known: usize = self.on.iter().map(|rests| rests.names.len()).sum();
        let new: Vec<ObjectName> = rests.names.difference(&self.on[index].names).cloned().collect();
        if new.is_empty() {
            return Noted::Nothing;
        }
        if known + new.len() > RESTING_NAMES_MAX || self.on.len() > RESTING_SETS_MAX {
            self.on_everything = true;
            return Noted::Everything;
        }
        self.on[index].names.extend(new.iter().cloned());
        Noted::Names(index, new)
    }

    fn take_back(&mut self, noted: Noted) {
        match noted {
            Noted::Nothing => {}
            Noted::Names(index, names) => {
                for name in &names {
                    self.on[index].names.remove(name);
                }
            }
            Noted::Everything => self.on_everything = false,
        }
    }
}

impl State {
    /// Whether another session's transaction rests on what is touched.
    fn is_rested_on(&self, defined: &Defined, mine: &Arc<Mutex<Resting>>) -> bool {
        let others = self.resting.iter().filter_map(Weak::upgrade).filter(|other| !Arc::ptr_eq(other, mine));
        others.into_iter().any(|other| other.lock().is_touched_by(defined, self.latest.as_deref()))
    }

    /// Keeps what was let go or settled in mind, under the next number.
    fn pass(&mut self, by: By, defined: Defined, counter: &AtomicU64) {
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
    fn has_spared(&self, rests: &Rests, since: Mark, by: &By) -> bool {
        let grounds = rests.on(self.latest.as_deref());
        let mut later = self.passed.iter().rev().take_while(|passed| passed.number > since.0);
        self.passed_over <= since.0
            && !later.any(|passed| passed.by != *by && grounds.is_touched_by(&passed.defined))
    }

    /// What a session has let go becomes one: a long transaction's definitions are looked through for each statement.
    fn merge(&mut self, by: &By) {
        let is_of = |one: &mut Announced| one.by == *by && one.stage == Stage::LetGo;
        let mut all =
            self.announced.extract_if(.., is_of).map(|one| one.defined).collect::<Vec<_>>().into_iter();
        let Some(mut defined) = all.next() else { return };
        all.for_each(|more| defined.absorb(more));
        self.announced.push(Announced { by: by.clone(), defined, stage: Stage::LetGo });
    }
}

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

/// A point between definitions, see [`Participant::mark`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(u64);

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

/// One session's part in what a database's sessions define.
#[derive(Debug)]
pub(crate) struct Participant {
    id: u64,
    resting: Arc<Mutex<Resting>>,
    definitions: Arc<Definitions>,
    /// When a definition was refused last.
    refused_at: Option<Instant>,
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
    turned: watch::Receiver<()>,
    definitions: Arc<Definitions>,
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

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use grille_wire::sql::schema::{RelationKind, SchemaParts};

    use super::*;
    use crate::catalog::query::Content;

    /// A table, a view over it, a table of the same name in another schema, two partitions of the table, and
    /// what it inherits from.
    fn snapshot() -> Arc<Snapshot> {
        let relation = |oid, schema: &str, name: &str, kind, parents: &[u32]| Relation {
            oid,
            schema: schema.into(),
            name: name.into(),
            kind,
            columns: Vec::new(),
            definition: (kind == RelationKind::View).then(|| "SELECT".into()),
            parents: parents.to_vec(),
            compared: Vec::new(),
        };
        let parts = SchemaParts {
            relations: vec![
                relation(1, "public", "t", RelationKind::Table, &[7]),
                relation(2, "public", "v", RelationKind::View, &[]),
                relation(3, "other", "t", RelationKind::Table, &[]),
                relation(4, "parts", "p", RelationKind::Table, &[1]),
                relation(5, "public", "alone", RelationKind::Table, &[]),
                relation(6, "parts", "q", RelationKind::Table, &[1]),
                relation(7, "public", "top", RelationKind::Table, &[]),
            ],
            followers: vec![(2, Follower::Underlies(1))],
            ..SchemaParts::default()
        };
        let content = Content {
            schema: parts.into(),
            base_types: HashMap::new(),
            search_path_setting: "public".into(),
            closed_schemas: HashSet::new(),
        };
        Arc::new(Snapshot::after(None, None, content))
    }

    fn name(text: &str) -> ObjectName {
        match text.split_once('.') {
            Some((schema, name)) => ObjectName { schema: Some(schema.into()), name: name.into() },
            None => ObjectName { schema: None, name: text.into() },
        }
    }

    fn defined(names: &[&str], reach: Reach) -> Defined {
        Defined { names: names.iter().copied().map(name).collect(), reach, ..Defined::default() }
    }

    /// On these names, looked up in `public` and in `mine`, which is not there.
    fn rests(names: &[&str]) -> Rests {
        let places: Arc<[Box<str>]> = ["pg_catalog", "mine", "public"].map(Into::into).into();
        let names = names.iter().copied().map(name).collect();
        Rests { names, places: Some(places), writes: false }
    }

    fn database() -> Arc<Definitions> {
        let definitions = Arc::new(Definitions::new());
        definitions.know(&snapshot());
        definitions
    }

    #[test]
    fn a_definition_touches_what_a_name_may_mean_and_what_is_behind_it() {
        let snapshot = snapshot();
        let check = |on: &str, names: &[&str], reach: Reach, expected: bool| {
            let touches = rests(&[on]).is_touched_by(&defined(names, reach), Some(&snapshot));
            assert_eq!(touches, expected, "{on}: {names:?} {reach:?}");
        };
        check("t", &["t"], Reach::Named, true);
        check("t", &["public.t"], Reach::Named, true);
        check("t", &["mine.t"], Reach::Named, true);
        check("t", &["elsewhere.t"], Reach::Named, false);
        check("public.t", &["mine.t"], Reach::Named, false);
        check("public.t", &["t"], Reach::Named, true);
        check("v", &["t"], Reach::Named, true);
        check("v", &["public.t"], Reach::Named, true);
        check("v", &["mine.t"], Reach::Named, false);
        check("t", &["v"], Reach::Named, false);
        check("t", &["parts.p"], Reach::Named, true);
        check("p", &["public.t"], Reach::Named, true);
        check("p", &["parts.q"], Reach::Named, false);
        check("q", &["top"], Reach::Named, true);
        check("alone", &["t", "u"], Reach::Named, false);
        check("alone", &["u"], Reach::Hidden, false);
        check("t", &["u"], Reach::Hidden, true);
        check("public.t", &["u"], Reach::Hidden, false);
        check("alone", &[], Reach::Anything, true);
        let nothing = rests(&[]);
        assert!(!nothing.is_touched_by(&defined(&[], Reach::Anything), Some(&snapshot)));
        assert!(rests(&["alone"]).is_touched_by(&defined(&["u"], Reach::Named), None), "nothing is known");
        let anywhere = Rests { places: None, ..rests(&["t"]) };
        assert!(anywhere.is_touched_by(&defined(&["elsewhere.t"], Reach::Named), Some(&snapshot)));
    }

    #[test]
    fn a_definition_is_let_go_once_nothing_of_others_rests_on_it() {
        let database = database();
        let [reader, definer] = [database.enter(), database.enter()];
        let change = defined(&["t"], Reach::Named);
        assert!(definer.rest(&rests(&["t"]), definer.mark()), "its own does not count");
        assert!(reader.rest(&rests(&["v"]), reader.mark()));
        assert!(!definer.let_go(&change) && !definer.let_go(&change));
        assert!(definer.let_go(&defined(&["alone"], Reach::Named)), "nobody reads that");
        reader.rest_no_more();
        assert!(definer.let_go(&change));
        drop(reader);
    }

    #[test]
    fn what_a_definition_touches_is_shaken_until_it_is_settled() {
        let database = database();
        let [reader, definer] = [database.enter(), database.enter()];
        let changes = database.changes();
        assert!(definer.let_go(&defined(&["t"], Reach::Named)));
        assert_eq!(reader.standing(&rests(&["v"])), Standing::Shaken);
        assert_eq!(reader.standing(&rests(&["alone"])), Standing::Firm);
        assert_eq!(definer.standing(&rests(&["v"])), Standing::Firm, "that is the session's own business");
        definer.settle();
        assert_eq!(reader.standing(&rests(&["v"])), Standing::Firm);
        assert_ne!(database.changes(), changes, "the catalogue is read again");
    }

    #[test]
    fn a_definition_that_waits_comes_before_newcomers_and_not_before_those_it_waits_for() {
        let database = database();
        let [first, newcomer, definer] = [database.enter(), database.enter(), database.enter()];
        assert!(first.rest(&rests(&["t"]), first.mark()));
        assert!(!definer.let_go(&defined(&["t", "alone"], Reach::Named)));
        assert_eq!(first.standing(&rests(&["t", "alone"])), Standing::Firm);
        assert_eq!(newcomer.standing(&rests(&["t"])), Standing::Queued);
        let changes = database.changes();
        definer.withdraw();
        assert_eq!(newcomer.standing(&rests(&["t"])), Standing::Firm);
        assert_eq!(database.changes(), changes, "nothing was defined");
    }

    #[test]
    fn a_judgement_holds_unless_what_it_rests_on_was_let_go_or_settled_since() {
        let database = database();
        let [reader, definer] = [database.enter(), database.enter()];
        let (on, other) = (rests(&["t"]), rests(&["alone"]));
        let mark = reader.mark();
        assert!(definer.let_go(&defined(&["t"], Reach::Named)));
        assert!(
            !reader.rest(&on, mark) && !reader.is_involved(),
            "it is judged again before it rests on anything"
        );
        assert!(reader.rest(&other, mark), "nobody defines that");
        let mark = reader.mark();
        definer.settle();
        assert!(!reader.rest(&on, mark) && reader.rest(&other, mark));
        assert!(reader.rest(&on, reader.mark()) && reader.is_involved());
        assert!(definer.rest(&on, mark), "its own does not count");
    }

    #[test]
    fn to_a_judgement_older_than_what_is_kept_in_mind_anything_may_have_changed() {
        let database = database();
        let [reader, definer] = [database.enter(), database.enter()];
        let mark = reader.mark();
        for _ in 0..=PASSED_MAX {
            assert!(definer.let_go(&defined(&["alone"], Reach::Named)));
            definer.settle();
        }
        assert!(reader.rest(&rests(&["t"]), mark), "it is the same each time");
        for round in 0..=PASSED_MAX {
            assert_eq!(reader.rest(&rests(&["t"]), mark), round < PASSED_MAX, "{round}");
            assert!(definer.let_go(&defined(&[&format!("n{round}")], Reach::Named)));
            definer.settle();
            reader.rest_no_more();
        }
    }

    #[test]
    fn what_one_transaction_defines_is_merged_and_bounded() {
        let database = database();
        let [reader, definer] = [database.enter(), database.enter()];
        for number in 0..3 {
            let names: Vec<String> = (0..4_000).map(|index| format!("n{number}_{index}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            assert!(definer.let_go(&defined(&names, Reach::Named)));
            assert_eq!(database.state.lock().announced.len(), 1);
            let expected = if number < 2 { Standing::Firm } else { Standing::Shaken };
            assert_eq!(reader.standing(&rests(&["t"])), expected);
        }
    }

    #[test]
    fn a_lock_comes_before_statements_and_changes_nothing() {
        let database = database();
        let [reader, definer] = [database.enter(), database.enter()];
        let changes = database.changes();
        assert!(definer.let_go(&Defined { locked: [name("t")].into(), ..Defined::default() }));
        assert_eq!(reader.standing(&rests(&["t"])), Standing::Shaken);
        definer.settle();
        assert_eq!((reader.standing(&rests(&["t"])), database.changes()), (Standing::Firm, changes));
    }

    #[test]
    fn what_rows_may_be_equal_matters_to_those_who_write() {
        let database = database();
        let [reader, definer] = [database.enter(), database.enter()];
        let changes = database.changes();
        assert!(reader.rest(&rests(&["t"]), reader.mark()));
        assert!(definer.let_go(&Defined { limited: [name("t")].into(), ..Defined::default() }));
        assert_eq!(reader.standing(&rests(&["t"])), Standing::Firm);
        assert_eq!(reader.standing(&Rests { writes: true, ..rests(&["t"]) }), Standing::Shaken);
        definer.settle();
        assert_ne!(database.changes(), changes, "the catalogue is read again");
    }

    #[test]
    fn who_was_refused_waits_without_holding_up_newcomers() {
        let database = database();
        let [first, newcomer, mut definer] = [database.enter(), database.enter(), database.enter()];
        assert!(first.rest(&rests(&["t"]), first.mark()));
        definer.refused();
        assert!(!definer.let_go(&defined(&["t"], Reach::Named)));
        assert_eq!(newcomer.standing(&rests(&["t"])), Standing::Firm);
        first.rest_no_more();
        assert!(definer.let_go(&defined(&["t"], Reach::Named)));
    }

    #[test]
    fn what_outlives_its_session_is_not_settled_by_its_end() {
        let database = database();
        let [reader, prepared, lost] = [database.enter(), database.enter(), database.enter()];
        let on = rests(&["t"]);
        assert!(prepared.let_go(&defined(&["t"], Reach::Named)));
        prepared.prepare(Some("one".into()));
        prepared.settle();
        prepared.prepare(Some("two".into()));
        drop(prepared);
        assert_eq!(reader.standing(&on), Standing::Shaken);
        let knows = |gid: &str| reader.knows_prepared(&gid.into());
        assert_eq!(["one", "two", "three"].map(knows), [true, true, false]);
        reader.settle_prepared(Some(&"two".into()));
        assert_eq!((reader.standing(&on), knows("two")), (Standing::Shaken, false));
        reader.settle_prepared(Some(&"one".into()));
        assert_eq!((reader.standing(&on), knows("one")), (Standing::Firm, false));
        assert!(lost.let_go(&defined(&["t"], Reach::Named)));
        drop(lost);
        reader.settle_prepared(None);
        assert_eq!(reader.standing(&on), Standing::Shaken);
    }

    #[test]
    fn a_prepared_transaction_of_which_the_name_is_not_known_makes_all_unknown() {
        let database = database();
        let [reader, prepared] = [database.enter(), database.enter()];
        assert!(prepared.let_go(&defined(&["t"], Reach::Named)));
        prepared.prepare(Some("one".into()));
        reader.settle_prepared(None);
        assert!(!reader.knows_prepared(&"one".into()));
        assert_eq!(reader.standing(&rests(&["t"])), Standing::Shaken, "it may have been another");
    }

    #[test]
    fn a_transaction_rests_on_names_and_with_too_many_on_everything() {
        let database = database();
        let [reader, definer] = [database.enter(), database.enter()];
        for _ in 0..300 {
            assert!(reader.rest(&rests(&["t"]), reader.mark()));
        }
        assert!(definer.let_go(&defined(&["alone"], Reach::Named)));
        definer.settle();
        let names: Vec<String> = (0..=RESTING_NAMES_MAX).map(|index| format!("n{index}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert!(reader.rest(&rests(&names), reader.mark()));
        assert!(!definer.let_go(&defined(&["alone"], Reach::Named)));
        reader.rest_no_more();
        assert!(definer.let_go(&defined(&["alone"], Reach::Named)));
    }

    #[tokio::test]
    async fn whoever_waits_is_told_when_something_ends() {
        let database = database();
        let [reader, definer] = [database.enter(), database.enter()];
        assert!(reader.rest(&rests(&["t"]), reader.mark()));
        let mut waiting = definer.wait();
        assert!(!definer.let_go(&defined(&["t"], Reach::Named)));
        reader.rest_no_more();
        waiting.turned().await;
        assert!(definer.let_go(&defined(&["t"], Reach::Named)));
    }

    #[test]
    fn all_that_leads_to_one_database_shares_what_is_known_of_it() {
        let of = |database: &str| Database { host: "h".into(), port: 1, name: database.into() };
        let [one, same, other] =
            ["definitions-a", "definitions-a", "definitions-b"].map(of).map(Definitions::of_database);
        assert!(Arc::ptr_eq(&one, &same) && !Arc::ptr_eq(&one, &other));
    }
}
