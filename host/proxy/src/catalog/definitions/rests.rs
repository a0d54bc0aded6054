//! What a judgement rests on: the names of a statement, and what these may mean and read. Nothing about time is here.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use grille_wire::sql::schema::{Follower, Relation};

use super::defined::{Defined, ObjectName, Reach, of_name};
use crate::catalog::Snapshot;

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
    pub(super) fn is_touched_by(&self, defined: &Defined, snapshot: Option<&Snapshot>) -> bool {
        self.on(snapshot).is_touched_by(defined)
    }

    /// The same for several definitions: what is behind the names is looked up once.
    pub(super) fn on<'s>(&'s self, snapshot: Option<&'s Snapshot>) -> Grounds<'s> {
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
pub(super) struct Grounds<'s> {
    rests: &'s Rests,
    snapshot: Option<&'s Snapshot>,
    behind: OnceCell<Vec<&'s Relation>>,
}

impl<'s> Grounds<'s> {
    pub(super) fn is_touched_by(&self, defined: &Defined) -> bool {
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
