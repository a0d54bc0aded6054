//! What one reading of the catalogue came to, and which columns are protected under a role's rules in it. Never changed
//! once made, but for what it remembers of questions already answered.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{self, AtomicU64};

use grille_core::role::VectorAccess;
use grille_core::{ColumnPattern, Decision, FunctionPattern, Role, Treatment};
use grille_wire::sql::AnalyzeError;
use grille_wire::sql::lineage::{Protection, Spread, spread};
use grille_wire::sql::schema::{ColumnId, Relation, RelationKind, Schema, SchemaColumn};
use parking_lot::Mutex;

use super::query::{Content, UNREADABLE};
use crate::moment::{Moment, next};

/// Most former names that are kept of one column.
const FORMER_NAMES_MAX: usize = 64;
/// Most sets of rules whose protected columns are remembered for one snapshot: one for each role, and one for each set of
/// obligations that policies come up with.
const RULES_REMEMBERED_MAX: usize = 64;

/// Versions are never used twice in a process, so that what was judged under one catalogue never counts under another.
static NEXT_VERSION: AtomicU64 = AtomicU64::new(1);

/// A column's name at some time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ColumnName {
    schema: Box<str>,
    table: Box<str>,
    column: Box<str>,
}

/// A relation's schema and its name.
type RelationName = (Box<str>, Box<str>);

/// The catalogue at one moment; by default one that knows nothing.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    version: u64,
    schema: Schema,
    /// For each domain the type that is sent for it, with its modifier.
    base_types: HashMap<u32, (u32, i32)>,
    /// `search_path` of a fresh connection, as the server writes it.
    search_path_setting: Box<str>,
    /// Schemas that Grille's user may not use.
    closed_schemas: HashSet<Box<str>>,
    /// Names that columns had in earlier snapshots: a rename does not uncover a column.
    former: HashMap<ColumnId, Vec<ColumnName>>,
    /// Relations that others of their name have got beside them, with the moment by which they were there. A plan that the
    /// server has made before keeps to what the name meant.
    appeared: HashMap<RelationName, Moment>,
    protected: Mutex<Vec<Arc<Protected>>>,
}

/// What protects columns: a role's rules, and what policies oblige to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    columns: BTreeMap<ColumnPattern, Treatment>,
    /// Those of the role alone, where a policy obliges to more: that holds for one exchange.
    lasting: Option<BTreeMap<ColumnPattern, Treatment>>,
    vectors: VectorAccess,
    /// Functions that the operator vouches for.
    functions: Vec<FunctionPattern>,
}

impl Rules {
    /// The rules of the role, made stricter by the decision's obligations.
    pub(crate) fn of(role: &Role, decision: &Decision) -> Self {
        let mut columns = role.columns.clone();
        for (pattern, treatment) in decision.masks() {
            let slot = columns.entry(pattern.clone()).or_insert(Treatment::Keep);
            if treatment.strictness() > slot.strictness() {
                *slot = treatment.clone();
            }
        }
        let lasting = (columns != role.columns).then(|| role.columns.clone());
        Self { columns, lasting, vectors: role.vectors, functions: role.functions.clone() }
    }

    /// The same without what holds for one exchange only; none where that is all.
    fn lasting(&self) -> Option<Self> {
        let columns = self.lasting.clone()?;
        Some(Self { columns, lasting: None, vectors: self.vectors, functions: self.functions.clone() })
    }

    /// Whether they protect nothing, whatever the database holds.
    pub(crate) fn is_empty(&self) -> bool {
        let keeps = |treatment: &Treatment| *treatment == Treatment::Keep;
        self.vectors == VectorAccess::Return && self.columns.values().all(keeps)
    }

    /// Whether they may protect the column of a table that is not committed yet; no schema where it is not known.
    pub(crate) fn may_name(&self, schema: Option<&str>, table: &str, column: &str) -> bool {
        let protecting = self.columns.iter().filter(|(_, treatment)| **treatment != Treatment::Keep);
        let mut patterns = protecting.map(|(pattern, _)| pattern);
        patterns.any(|pattern| match schema {
            Some(schema) => pattern.covers(schema, table, column),
            None => pattern.may_cover_table(table) && pattern.column() == column,
        })
    }

    fn vouch_for(&self, schema: &str, function: &str) -> bool {
        self.functions.iter().any(|pattern| pattern.covers(schema, function))
    }
}

/// Why a column is treated, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) treatment: Treatment,
    /// What its values are counted under.
    pub(crate) key: Arc<str>,
}

impl Rule {
    /// Whether nothing shows of any value but whether it is NULL.
    fn hides_all(&self) -> bool {
        match self.treatment {
            Treatment::Null | Treatment::Redact => true,
            Treatment::Keep | Treatment::KeepLast(_) | Treatment::Token | Treatment::Plugin(_) => false,
        }
    }

    /// Whether no more shows of a value under this rule than under the other.
    fn hides_as_well_as(&self, other: &Self) -> bool {
        match &self.treatment {
            Treatment::Null => true,
            // Whether there is a value shows.
            Treatment::Redact => other.treatment != Treatment::Null,
            Treatment::KeepLast(_) => self.treatment == other.treatment,
            // Of two rules that tokens are made for, they would tell which values are equal.
            Treatment::Token | Treatment::Plugin(_) => self == other,
            Treatment::Keep => false,
        }
    }
}

/// Every column that is protected under some rules in one snapshot: those the rules name, and those that hold what they
/// hold.
#[derive(Debug)]
pub(crate) struct Protected {
    rules: Rules,
    columns: HashMap<ColumnId, Rule>,
    /// Columns that a rule leaves as they are, whatever a detector says.
    kept: HashSet<ColumnId>,
    /// What is protected after this exchange too, where that is less.
    lasting: Option<Arc<Protected>>,
}

impl Protected {
    /// The rule for a column.
    pub(crate) fn rule(&self, column: ColumnId) -> Option<&Rule> {
        self.columns.get(&column)
    }

    /// Whether a rule says `keep`, and none protects it.
    pub(crate) fn keeps(&self, column: ColumnId) -> bool {
        self.kept.contains(&column)
    }

    /// Whether the rules protect nothing, also in tables that nobody has seen yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

impl Protection for Protected {
    fn is_protected(&self, column: ColumnId) -> bool {
        self.columns.contains_key(&column)
    }

    fn is_vouched_for(&self, schema: &str, function: &str) -> bool {
        self.rules.vouch_for(schema, function)
    }

    /// What is stored is read in other exchanges, where a policy may oblige to less.
    fn hides(&self, destination: ColumnId, source: Option<ColumnId>) -> bool {
        let lasting = self.lasting.as_deref().unwrap_or(self);
        let Some(here) = lasting.rule(destination) else { return false };
        match source {
            Some(source) => self.rule(source).is_some_and(|there| here.hides_as_well_as(there)),
            None => here.hides_all(),
        }
    }
}

/// What a column of a result is, by the numbers that the server gives with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Not a column of a relation.
    Computed,
    /// The stored column of a table, as it stands.
    Stored(ColumnId),
    /// A column of a view: what its definition says.
    Viewed(ColumnId),
    /// Of a relation that the catalogue does not have: made in a transaction that is still open, or since it was read.
    Unknown,
}

/// The number of `ctid` (`SelfItemPointerAttributeNumber`, src/include/access/sysattr.h): where a row lies follows from the
/// values before it, so it is lineage's to say whether it may be seen.
const CTID: i16 = -1;
/// The number of `tableoid` (`TableOidAttributeNumber`): in which partition a row lies follows from its key.
const TABLEOID: i16 = -6;

impl Snapshot {
    /// The snapshot after `previous`, where `known` is the latest that anybody has of the same database.
    pub(super) fn after(previous: Option<&Self>, known: Option<&Self>, content: Content) -> Self {
        let mut snapshot = Self {
            version: NEXT_VERSION.fetch_add(1, atomic::Ordering::Relaxed),
            former: HashMap::new(),
            appeared: HashMap::new(),
            schema: content.schema,
            base_types: content.base_types,
            search_path_setting: content.search_path_setting,
            closed_schemas: content.closed_schemas,
            protected: Mutex::default(),
        };
        if let Some(previous) = previous {
            snapshot.former = snapshot.names_before(previous);
        }
        if let Some(known) = known {
            snapshot.appeared = snapshot.appeared_after(known);
        }
        snapshot
    }

    /// A number that no other snapshot has.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// `search_path` of a fresh connection, as the server writes it.
    pub(crate) fn search_path_setting(&self) -> &str {
        &self.search_path_setting
    }

    /// Whether a search path passes over the schema, since Grille's user may not use it.
    pub(crate) fn is_closed(&self, schema: &str) -> bool {
        self.closed_schemas.contains(schema)
    }

    /// Whether a definition is missing, because the server could not be asked for it without waiting for somebody's lock.
    pub(super) fn is_partial(&self) -> bool {
        self.schema.relations().iter().any(|relation| {
            let is_view = matches!(relation.kind, RelationKind::View | RelationKind::Materialized);
            let mut columns = relation.columns.iter();
            (is_view && relation.definition.is_none() && !relation.is_system())
                || columns.any(|column| column.generated.as_deref() == Some(UNREADABLE))
        })
    }

    /// Whether relations of several schemas have the name, temporary ones aside.
    pub(crate) fn has_namesakes(&self, name: &str) -> bool {
        self.schema.relations_named(name).filter(|relation| !is_temporary(relation)).nth(1).is_some()
    }

    /// Every name that relations of several schemas have; may repeat.
    pub(crate) fn namesakes(&self) -> impl Iterator<Item = &str> {
        let names = self.schema.relations().iter().map(|relation| &*relation.name);
        names.filter(|name| self.has_namesakes(name))
    }

    /// Relations that have got in the way of others of their name since that moment: schema and name.
    pub(crate) fn appeared_since(&self, moment: Moment) -> impl Iterator<Item = (&str, &str)> {
        let since = self.appeared.iter().filter(move |(_, appeared)| **appeared > moment);
        since.map(|((schema, name), _)| (&**schema, &**name))
    }

    /// The type, or for a domain the type under it, with its modifier.
    pub(crate) fn base_type(&self, type_oid: u32, typmod: i32) -> (u32, i32) {
        self.base_types.get(&type_oid).copied().unwrap_or((type_oid, typmod))
    }

    /// What a result's column with these numbers is.
    pub(crate) fn origin(&self, relation: u32, number: i16) -> Origin {
        if relation == 0 {
            return Origin::Computed;
        }
        let id = ColumnId { relation, number };
        let Some(known) = self.schema.relation(relation) else { return Origin::Unknown };
        match known.kind {
            RelationKind::Table | RelationKind::Foreign if [CTID, TABLEOID].contains(&number) => {
                Origin::Computed
            }
            // The others of every table (xmin) tell nothing of a value.
            RelationKind::Table | RelationKind::Foreign if number < 0 => Origin::Stored(id),
            _ if known.columns.iter().all(|column| column.number != number) => Origin::Unknown,
            RelationKind::Table | RelationKind::Foreign => Origin::Stored(id),
            RelationKind::View | RelationKind::Materialized => Origin::Viewed(id),
        }
    }

    /// `schema.table.column`, as it is called now.
    pub(crate) fn name(&self, column: ColumnId) -> Option<String> {
        let relation = self.schema.relation(column.relation)?;
        let named = relation.columns.iter().find(|known| known.number == column.number)?;
        Some(format!("{}.{}.{}", relation.schema, relation.name, named.name))
    }

    /// The columns that the rules protect here. Computed once for each set of rules, which reads the definitions of views:
    /// no work for an async worker.
    ///
    /// # Errors
    /// When a definition cannot be read for want of a thread.
    pub(crate) fn protected(&self, rules: &Rules) -> Result<Arc<Protected>, AnalyzeError> {
        // Before the lock is taken, which is held while columns are looked for.
        let lasting = rules.lasting().map(|lasting| self.protected(&lasting)).transpose()?;
        let mut remembered = self.protected.lock();
        if let Some(known) = remembered.iter().find(|known| known.rules == *rules) {
            return Ok(Arc::clone(known));
        }
        let protected = Arc::new(self.protect(rules, lasting)?);
        if remembered.len() == RULES_REMEMBERED_MAX {
            remembered.remove(0);
        }
        remembered.push(Arc::clone(&protected));
        Ok(protected)
    }

    fn protect(&self, rules: &Rules, lasting: Option<Arc<Protected>>) -> Result<Protected, AnalyzeError> {
        let seeds = Seeds { snapshot: self, rules };
        let columns = if rules.is_empty() { HashMap::new() } else { spread(&self.schema, &seeds)? };
        let every = self
            .schema
            .relations()
            .iter()
            .flat_map(|relation| relation.columns.iter().map(move |column| (relation, column)));
        let kept = every
            .filter(|(relation, column)| {
                self.named_by(rules, relation, column).is_some_and(|rule| rule.treatment == Treatment::Keep)
            })
            .map(|(relation, column)| ColumnId { relation: relation.oid, number: column.number })
            .filter(|id| !columns.contains_key(id))
            .collect();
        Ok(Protected { rules: rules.clone(), columns, kept, lasting })
    }

    /// The strictest of the rules that name the column, under any name it has or had.
    fn named_by(&self, rules: &Rules, relation: &Relation, column: &SchemaColumn) -> Option<Rule> {
        let id = ColumnId { relation: relation.oid, number: column.number };
        let former = self.former.get(&id).map_or(&[][..], Vec::as_slice);
        let covers = |pattern: &ColumnPattern| {
            pattern.covers(&relation.schema, &relation.name, &column.name)
                || former.iter().any(|name| pattern.covers(&name.schema, &name.table, &name.column))
        };
        let named = rules.columns.iter().filter(|(pattern, _)| covers(pattern));
        let strictest = named.max_by_key(|(_, treatment)| treatment.strictness());
        let is_withheld = rules.vectors == VectorAccess::Withhold && self.schema.is_vector(column.type_oid);
        match strictest {
            _ if is_withheld => Some(Rule { treatment: Treatment::Null, key: "vector".into() }),
            Some((pattern, treatment)) => {
                Some(Rule { treatment: treatment.clone(), key: format!("column:{pattern}").into() })
            }
            None => None,
        }
    }

    /// Relations that were not there before and have namesakes, with those that appeared earlier and are still there.
    fn appeared_after(&self, known: &Self) -> HashMap<RelationName, Moment> {
        let mut now = None;
        let mut appeared = HashMap::new();
        for relation in self.schema.relations() {
            if is_temporary(relation) || !self.has_namesakes(&relation.name) {
                continue;
            }
            let name = (relation.schema.clone(), relation.name.clone());
            let mut before = known.schema.relations_named(&relation.name);
            let moment = if before.any(|known| known.schema == relation.schema) {
                known.appeared.get(&name).copied()
            } else {
                Some(*now.get_or_insert_with(next))
            };
            appeared.extend(moment.map(|moment| (name, moment)));
        }
        appeared
    }

    /// The former names of the columns that are still there, those that have just changed among them.
    fn names_before(&self, previous: &Self) -> HashMap<ColumnId, Vec<ColumnName>> {
        let mut former: HashMap<_, _> = previous
            .former
            .iter()
            .filter(|(id, _)| self.name(**id).is_some())
            .map(|(id, names)| (*id, names.clone()))
            .collect();
        for relation in previous.schema.relations() {
            let Some(now) = self.schema.relation(relation.oid) else { continue };
            let is_renamed = (&now.schema, &now.name) != (&relation.schema, &relation.name);
            for column in &relation.columns {
                let Some(column_now) = now.columns.iter().find(|known| known.number == column.number) else {
                    continue;
                };
                if is_renamed || column_now.name != column.name {
                    let id = ColumnId { relation: relation.oid, number: column.number };
                    note(former.entry(id).or_default(), relation, column);
                }
            }
        }
        former
    }
}

/// The columns that rules name, from which protection spreads.
struct Seeds<'s> {
    snapshot: &'s Snapshot,
    rules: &'s Rules,
}

impl Spread for Seeds<'_> {
    type Rule = Rule;

    fn named(&self, relation: &Relation, column: &SchemaColumn) -> Option<Rule> {
        let rule = self.snapshot.named_by(self.rules, relation, column);
        rule.filter(|rule| rule.treatment != Treatment::Keep)
    }

    /// Of two that hide as much, always the same: what holds the same values has one rule, or a copy from one to the other
    /// would show more.
    fn stricter(&self, one: Rule, other: Rule) -> Rule {
        let (strictness, of_other) = (one.treatment.strictness(), other.treatment.strictness());
        // Fewer characters that are kept come first in the order of treatments.
        let order = of_other.cmp(&strictness).then_with(|| one.treatment.cmp(&other.treatment));
        if order.then_with(|| one.key.cmp(&other.key)) == Ordering::Greater { other } else { one }
    }

    /// What shows a part of a value, or shows that two are equal, says nothing good of what is computed from one.
    fn derived(&self, rule: Rule) -> Rule {
        let treatment = match rule.treatment {
            Treatment::Null => Treatment::Null,
            Treatment::Keep
            | Treatment::Redact
            | Treatment::KeepLast(_)
            | Treatment::Token
            | Treatment::Plugin(_) => Treatment::Redact,
        };
        Rule { treatment, ..rule }
    }

    fn is_vouched_for(&self, schema: &str, function: &str) -> bool {
        self.rules.vouch_for(schema, function)
    }
}

/// Schemas of temporary tables are called `pg_temp_N`.
fn is_temporary(relation: &Relation) -> bool {
    relation.schema.starts_with("pg_temp")
}

fn note(names: &mut Vec<ColumnName>, relation: &Relation, column: &SchemaColumn) {
    let name = ColumnName {
        schema: relation.schema.clone(),
        table: relation.name.clone(),
        column: column.name.clone(),
    };
    // The earliest are kept: whoever renames a column over and over cannot push its first name out.
    if names.len() < FORMER_NAMES_MAX && !names.contains(&name) {
        names.push(name);
    }
}
