//! Which names of a statement are relations, and which are its own WITH queries.

use std::collections::{HashMap, HashSet};

use grille_core::Access;

/// A relation that a statement names.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    /// Qualified as far as the statement does.
    pub(super) name: String,
    /// The name alone, if it may stand for a WITH query: not qualified, and read.
    pub(super) unqualified: Option<String>,
    /// Its alias, else the last part of its name.
    pub(super) known_as: String,
    /// Byte offset in the text.
    pub(super) location: i32,
    /// What is done to it.
    pub(super) access: Access,
    /// In which WITH query of the innermost open scope it stands.
    pub(super) cte: Option<usize>,
}

/// A statement that can have a WITH clause.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// WITH RECURSIVE: queries see themselves and later ones.
    pub(super) recursive: bool,
    /// How many WITH queries were gone through, and the place of each name's first.
    ctes: usize,
    cte_names: HashMap<String, usize>,
    current: Option<usize>,
    relations: Vec<Relation>,
    lock: Lock,
}

/// What locking clauses lock.
#[derive(Debug, Default)]
struct Lock {
    all: bool,
    names: HashSet<String>,
}

impl Scope {
    pub(super) fn begin_cte(&mut self) {
        self.current = Some(self.ctes);
    }

    pub(super) fn end_cte(&mut self, name: String) {
        self.cte_names.entry(name).or_insert(self.ctes);
        self.ctes += 1;
        self.current = None;
    }

    pub(super) fn mention(&mut self, relation: Relation) {
        self.relations.push(Relation { cte: self.current, ..relation });
    }

    /// FOR UPDATE OF these names; none means all.
    pub(super) fn lock<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        let mut names = names.peekable();
        self.lock.all |= names.peek().is_none();
        self.lock.names.extend(names.map(str::to_owned));
    }

    /// The relations that are none of the scope's own WITH queries; an outer scope may still account for them.
    pub(super) fn close(mut self) -> Vec<Relation> {
        self.apply_lock();
        let Self { recursive, cte_names, relations, .. } = self;
        let own = |relation: &Relation| {
            let at = relation.unqualified.as_ref().and_then(|name| cte_names.get(name));
            match (at, relation.cte) {
                (None, _) => false,
                // Without RECURSIVE a query sees those before it: `WITH users AS (SELECT * FROM users) …` reads the table.
                (Some(at), Some(standing)) => recursive || *at < standing,
                (Some(_), None) => true,
            }
        };
        relations.into_iter().filter(|relation| !own(relation)).collect()
    }

    /// FOR UPDATE goes through sub-selects to the tables under them: where a name is none of a table's, all count.
    fn apply_lock(&mut self) {
        let Lock { all, names } = std::mem::take(&mut self.lock);
        let outside = |relation: &&Relation| relation.cte.is_none() && relation.access == Access::Read;
        let known: HashSet<&str> =
            self.relations.iter().filter(outside).map(|relation| relation.known_as.as_str()).collect();
        let all = all || names.iter().any(|name| !known.contains(name.as_str()));
        let locked = self.relations.iter().filter(outside);
        let locked = locked.filter(|relation| all || names.contains(&relation.known_as));
        let locked: Vec<Relation> =
            locked.map(|relation| Relation { access: Access::Lock, ..relation.clone() }).collect();
        self.relations.extend(locked);
    }
}
