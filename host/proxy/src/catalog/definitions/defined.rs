//! What is defined: names, and how far that reaches. Who defines it, and when, is not here.

use std::collections::BTreeSet;

use grille_wire::sql::schema::Relation;

use crate::catalog::Snapshot;

/// Most names that are kept in mind of what one transaction defines; one with more defines anything.
const DEFINED_NAMES_MAX: usize = 10_000;

/// A name as it is written, qualified or not, without quotes. In order of the name first: see [`of_name`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectName {
    pub(crate) name: Box<str>,
    pub(crate) schema: Option<Box<str>>,
}

/// Those in a set that have this name, whatever their schema.
pub(super) fn of_name<'n>(
    names: &'n BTreeSet<ObjectName>,
    name: &str,
) -> impl Iterator<Item = &'n ObjectName> {
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
    pub(super) fn is_news(&self) -> bool {
        !self.names.is_empty() || !self.limited.is_empty() || self.reach != Reach::Named
    }

    pub(super) fn len(&self) -> usize {
        self.names.len() + self.locked.len() + self.limited.len()
    }

    pub(super) fn covers(&self, other: &Self) -> bool {
        self.reach == Reach::Anything
            || self.reach >= other.reach
                && self.names.is_superset(&other.names)
                && self.locked.is_superset(&other.locked)
                && self.limited.is_superset(&other.limited)
    }

    /// Both of them.
    pub(super) fn absorb(&mut self, other: Self) {
        self.reach = self.reach.max(other.reach);
        self.names.extend(other.names);
        self.locked.extend(other.locked);
        self.limited.extend(other.limited);
        self.bound();
    }

    /// Forgets names where there are too many: it defines anything then.
    pub(super) fn bound(&mut self) {
        if self.len() > DEFINED_NAMES_MAX {
            *self = Self { reach: Reach::Anything, ..Self::default() };
        }
    }
}

impl ObjectName {
    pub(super) fn is(&self, relation: &Relation) -> bool {
        self.name == relation.name && self.schema.as_ref().is_none_or(|schema| *schema == relation.schema)
    }

    /// Whether relations of several schemas have the name, which is not qualified.
    pub(super) fn hides_another(&self, snapshot: &Snapshot) -> bool {
        self.schema.is_none() && snapshot.has_namesakes(&self.name)
    }
}
