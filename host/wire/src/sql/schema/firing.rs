//! What a database does by itself when rows are written: triggers, rules, and the functions that defaults call.

use std::collections::HashMap;

use grille_core::Effect;

/// Something that happens when a relation is written, beside the write itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    /// The relation's OID; 0 for an event trigger, which belongs to none.
    pub relation: u32,
    /// What makes it happen: any of INSERT, UPDATE and DELETE, which TRUNCATE counts as; DEFINE for an event trigger.
    pub on: Effect,
    /// What happens.
    pub act: Act,
}

/// What happens when a relation is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// A trigger calls a function.
    Trigger {
        /// The trigger's name.
        name: Box<str>,
        /// The function.
        calls: FunctionName,
    },
    /// A rule puts other statements beside this one, or in its place.
    Rule {
        /// The rule's name.
        name: Box<str>,
    },
    /// A column that is not given gets what an expression says, which calls a function.
    Default {
        /// The column's number.
        column: i16,
        /// The function.
        calls: FunctionName,
    },
}

/// A function outside `pg_catalog`, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionName {
    /// Its schema's name.
    pub schema: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

/// A relation that is written when another one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Follower {
    /// It refers to the other by a foreign key that changes or removes its rows with those they refer to.
    Refers(u32),
    /// The other is a view that reads it.
    Underlies(u32),
}

/// All of it, by relation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Firings {
    firings: HashMap<u32, Vec<Firing>>,
    followers: HashMap<u32, Vec<Follower>>,
}

impl Firings {
    /// `followers` with the relation that each follows.
    pub(super) fn new(firings: Vec<Firing>, followers: Vec<(u32, Follower)>) -> Self {
        let mut all = Self::default();
        for firing in firings {
            all.firings.entry(firing.relation).or_default().push(firing);
        }
        for (relation, follower) in followers {
            all.followers.entry(relation).or_default().push(follower);
        }
        all
    }

    pub(super) fn of(&self, relation: u32) -> &[Firing] {
        self.firings.get(&relation).map_or(&[], Vec::as_slice)
    }

    pub(super) fn followers_of(&self, relation: u32) -> &[Follower] {
        self.followers.get(&relation).map_or(&[], Vec::as_slice)
    }
}
