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

use std::collections::{BTreeSet, HashSet};
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
/// Most statements of one transaction that are kept in mind one by one; one with more rests on everything.
const RESTING_MAX: usize = 128;

/// A name as it is written, qualified or not, without quotes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectName {
    pub(crate) schema: Option<Box<str>>,
    pub(crate) name: Box<str>,
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

/// What a message's statements define.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Defined {
    pub(crate) names: BTreeSet<ObjectName>,
    pub(crate) reach: Reach,
}

impl Defined {
    pub(crate) fn is_nothing(&self) -> bool {
        self.names.is_empty() && self.reach == Reach::Named
    }

    fn covers(&self, other: &Self) -> bool {
        self.reach == Reach::Anything || self.reach >= other.reach && self.names.is_superset(&other.names)
    }
}

/// The names that a judgement rests on.
#[derive(Debug)]
pub(crate) struct Rests {
    pub(crate) names: BTreeSet<ObjectName>,
    /// The schemas in which those without one are looked for, whether they are there or not; none for any.
    pub(crate) places: Option<Arc<[Box<str>]>>,
}

impl Rests {
    /// Whether a definition may change what it rests on. What is behind the names, such as the tables of a view, is looked up
    /// in `snapshot`; without one it may.
    fn is_touched_by(&self, defined: &Defined, snapshot: Option<&Snapshot>) -> bool {
        if self.names.is_empty() {
            return false;
        }
        let Some(snapshot) = snapshot else { return true };
        match defined.reach {
            Reach::Anything => return true,
            Reach::Hidden if self.names.iter().any(|name| name.hides_another(snapshot)) => return true,
            Reach::Hidden | Reach::Named => {}
        }
        let behind = self.relations(snapshot);
        defined.names.iter().any(|defined| {
            self.names.iter().any(|name| self.may_mean(name, defined))
                || behind.iter().any(|relation| defined.is(relation))
        })
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
    /// with them.
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
        relations
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
    /// How many definitions were let go.
    let_go: AtomicU64,
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
    latest: Option<Arc<Snapshot>>,
}

#[derive(Debug)]
struct Announced {
    by: By,
    defined: Defined,
    stage: Stage,
}

/// Who knows how a definition ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Session(u64),
    /// Whoever ends the prepared transaction; prepared then.
    Prepared(Instant),
    /// The server alone: the session was lost then.
    Server(Instant),
}

impl By {
    fn is_forgotten(self) -> bool {
        match self {
            Self::Session(_) => false,
            Self::Prepared(since) | Self::Server(since) => since.elapsed() >= ADRIFT_FOR,
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
    on: Vec<Arc<Rests>>,
    on_everything: bool,
}

impl Resting {
    fn rests(&self) -> bool {
        self.on_everything || !self.on.is_empty()
    }

    fn is_touched_by(&self, defined: &Defined, snapshot: Option<&Snapshot>) -> bool {
        self.on_everything || self.on.iter().any(|rests| rests.is_touched_by(defined, snapshot))
    }
}

impl State {
    /// Whether another session's transaction rests on what is touched.
    fn is_rested_on(&self, defined: &Defined, mine: &Arc<Mutex<Resting>>) -> bool {
        let others = self.resting.iter().filter_map(Weak::upgrade).filter(|other| !Arc::ptr_eq(other, mine));
        others.into_iter().any(|other| other.lock().is_touched_by(defined, self.latest.as_deref()))
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
pub(crate) struct Mark {
    let_go: u64,
    changes: u64,
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
            let_go: AtomicU64::new(0),
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
        Participant { id: state.participants, resting, definitions: Arc::clone(self) }
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
        if settled.iter().any(|announced| announced.stage == Stage::LetGo) {
            self.change();
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
}

impl Participant {
    /// A point before a judgement, and before the catalogue for it is taken: [`Participant::rest`] tells whether it holds.
    pub(crate) fn mark(&self) -> Mark {
        let let_go = self.definitions.let_go.load(Ordering::SeqCst);
        Mark { let_go, changes: self.definitions.changes() }
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
        let others = state.announced.iter().filter(|announced| announced.by != By::Session(self.id));
        let touching = others.filter(|announced| rests.is_touched_by(&announced.defined, latest));
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
    /// where something was let go or settled since: it must be judged again.
    pub(crate) fn rest(&self, rests: &Arc<Rests>, mark: Mark) -> bool {
        if rests.names.is_empty() {
            return true;
        }
        let mut resting = self.resting.lock();
        let is_new = !resting.on_everything && !resting.on.iter().any(|known| Arc::ptr_eq(known, rests));
        if is_new && resting.on.len() < RESTING_MAX {
            resting.on.push(Arc::clone(rests));
        } else if is_new {
            resting.on = Vec::new();
            resting.on_everything = true;
        }
        drop(resting);
        // Whoever lets something go counts first and looks at what rests then; here it is the other way round. So one of the
        // two sees the other.
        let holds = self.mark() == mark;
        if !holds && is_new {
            self.resting.lock().on.pop();
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
        let by = By::Session(self.id);
        let is_gone = |one: &Announced| self.has_let_go(one) && one.defined.covers(defined);
        if state.announced.iter().any(is_gone) {
            return true;
        }
        let queued = state.announced.iter().position(|one| one.by == by && one.defined == *defined);
        let index = queued.unwrap_or(state.announced.len());
        if queued.is_none() {
            state.announced.push(Announced { by, defined: defined.clone(), stage: Stage::Queued });
            self.definitions.unsettled.store(state.announced.len(), Ordering::SeqCst);
        }
        if state.is_rested_on(defined, &self.resting) {
            return false;
        }
        state.announced[index].stage = Stage::LetGo;
        self.definitions.let_go.fetch_add(1, Ordering::SeqCst);
        let is_free = !state.is_rested_on(defined, &self.resting);
        if !is_free {
            state.announced[index].stage = Stage::Queued;
        }
        is_free
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
        announced.by == By::Session(self.id) && announced.stage == Stage::LetGo
    }

    /// What the session has defined is there, or gone.
    pub(crate) fn settle(&self) {
        self.definitions.settle(|announced| self.has_let_go(announced));
    }

    /// What the session was about to define, it will not.
    pub(crate) fn withdraw(&self) {
        let by = By::Session(self.id);
        self.definitions.settle(|announced| announced.by == by && announced.stage == Stage::Queued);
    }

    /// The session's transaction is prepared: others will say how it ends.
    pub(crate) fn prepare(&self) {
        self.leave_to(By::Prepared(Instant::now()));
    }

    fn leave_to(&self, by: By) {
        let mut state = self.definitions.state.lock();
        for announced in state.announced.iter_mut().filter(|announced| self.has_let_go(announced)) {
            announced.by = by;
        }
    }

    /// A prepared transaction is over. Which, is not known; until another is committed, which is a definition as well, it
    /// changes nothing.
    pub(crate) fn settle_prepared(&self) {
        self.definitions.settle(|announced| matches!(announced.by, By::Prepared(_)));
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
        self.leave_to(By::Server(Instant::now()));
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

    /// A table, a view over it, a table of the same name in another schema, and a partition of the table.
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
                relation(1, "public", "t", RelationKind::Table, &[]),
                relation(2, "public", "v", RelationKind::View, &[]),
                relation(3, "other", "t", RelationKind::Table, &[]),
                relation(4, "parts", "p", RelationKind::Table, &[1]),
                relation(5, "public", "alone", RelationKind::Table, &[]),
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
        Defined { names: names.iter().copied().map(name).collect(), reach }
    }

    /// On these names, looked up in `public` and in `mine`, which is not there.
    fn rests(names: &[&str]) -> Arc<Rests> {
        let places: Arc<[Box<str>]> = ["pg_catalog", "mine", "public"].map(Into::into).into();
        Arc::new(Rests { names: names.iter().copied().map(name).collect(), places: Some(places) })
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
        check("alone", &["t", "u"], Reach::Named, false);
        check("alone", &["u"], Reach::Hidden, false);
        check("t", &["u"], Reach::Hidden, true);
        check("public.t", &["u"], Reach::Hidden, false);
        check("alone", &[], Reach::Anything, true);
        let nothing = rests(&[]);
        assert!(!nothing.is_touched_by(&defined(&[], Reach::Anything), Some(&snapshot)));
        assert!(rests(&["alone"]).is_touched_by(&defined(&["u"], Reach::Named), None), "nothing is known");
        let anywhere = Rests { places: None, names: [name("t")].into() };
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
    fn a_judgement_holds_only_if_nothing_was_let_go_or_settled_since() {
        let database = database();
        let [reader, definer] = [database.enter(), database.enter()];
        let on = rests(&["alone"]);
        let mark = reader.mark();
        assert!(definer.let_go(&defined(&["t"], Reach::Named)));
        assert!(
            !reader.rest(&on, mark) && !reader.is_involved(),
            "it is judged again before it rests on anything"
        );
        let mark = reader.mark();
        definer.settle();
        assert!(!reader.rest(&on, mark));
        assert!(reader.rest(&on, reader.mark()) && reader.is_involved());
    }

    #[test]
    fn what_outlives_its_session_is_not_settled_by_its_end() {
        let database = database();
        let [reader, prepared, lost] = [database.enter(), database.enter(), database.enter()];
        let on = rests(&["t"]);
        assert!(prepared.let_go(&defined(&["t"], Reach::Named)));
        prepared.prepare();
        prepared.settle();
        drop(prepared);
        assert_eq!(reader.standing(&on), Standing::Shaken);
        reader.settle_prepared();
        assert_eq!(reader.standing(&on), Standing::Firm);
        assert!(lost.let_go(&defined(&["t"], Reach::Named)));
        drop(lost);
        reader.settle_prepared();
        assert_eq!(reader.standing(&on), Standing::Shaken);
    }

    #[test]
    fn a_long_transaction_rests_on_everything() {
        let database = database();
        let [reader, definer] = [database.enter(), database.enter()];
        for _ in 0..=RESTING_MAX {
            assert!(reader.rest(&rests(&["t"]), reader.mark()));
        }
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
