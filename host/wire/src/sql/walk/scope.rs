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
}

/// A relation, and in which WITH query of the scope it stands.
type Standing = (Option<usize>, Relation);

/// Relations of a scope. Those that an inner one has left are taken over as they are: a chain of queries, each inside the
/// next, would otherwise hand on each relation once for every query around it.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    own: Vec<Standing>,
    inner: Vec<(Option<usize>, Gathered)>,
}

impl Gathered {
    /// All of them, each in the WITH query of this scope in which it stands, however deep.
    fn into_standing(self) -> Vec<Standing> {
        let mut all = self.own;
        let mut left = self.inner;
        while let Some((cte, gathered)) = left.pop() {
            all.extend(gathered.own.into_iter().map(|(_, relation)| (cte, relation)));
            left.extend(gathered.inner.into_iter().map(|(_, inner)| (cte, inner)));
        }
        all
    }

    pub(super) fn into_list(self) -> impl Iterator<Item = Relation> {
        self.into_standing().into_iter().map(|(_, relation)| relation)
    }
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
    relations: Gathered,
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
        self.relations.own.push((self.current, relation));
    }

    /// Takes over what an inner scope has left.
    pub(super) fn hand_up(&mut self, left: Gathered) {
        if !left.own.is_empty() || !left.inner.is_empty() {
            self.relations.inner.push((self.current, left));
        }
    }

    /// FOR UPDATE OF these names; none means all.
    pub(super) fn lock<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        let mut names = names.peekable();
        self.lock.all |= names.peek().is_none();
        self.lock.names.extend(names.map(str::to_owned));
    }

    /// The relations that are none of the scope's own WITH queries, and how many had to be looked at for that. An outer scope
    /// may still account for them.
    pub(super) fn close(self) -> (Gathered, usize) {
        let Self { recursive, cte_names, relations, lock, .. } = self;
        if cte_names.is_empty() && !lock.is_any() {
            return (relations, 0);
        }
        let mut relations = relations.into_standing();
        lock.apply(&mut relations);
        let looked_at = relations.len();
        let own = |(cte, relation): &Standing| {
            let at = relation.unqualified.as_ref().and_then(|name| cte_names.get(name));
            match (at, cte) {
                (None, _) => false,
                // Without RECURSIVE a query sees those before it: `WITH users AS (SELECT * FROM users) …` reads the table.
                (Some(at), Some(standing)) => recursive || at < standing,
                (Some(_), None) => true,
            }
        };
        relations.retain(|standing| !own(standing));
        (Gathered { own: relations, inner: Vec::new() }, looked_at)
    }
}

impl Lock {
    fn is_any(&self) -> bool {
        self.all || !self.names.is_empty()
    }

    /// FOR UPDATE goes through sub-selects to the tables under them: where a name is none of a table's, all count.
    fn apply(self, relations: &mut Vec<Standing>) {
        let Self { all, names } = self;
        if !all && names.is_empty() {
            return;
        }
        let outside = |(cte, relation): &&Standing| cte.is_none() && relation.access == Access::Read;
        let known: HashSet<&str> =
            relations.iter().filter(outside).map(|(_, relation)| relation.known_as.as_str()).collect();
        let all = all || names.iter().any(|name| !known.contains(name.as_str()));
        let locked = relations.iter().filter(outside);
        let locked = locked.filter(|(_, relation)| all || names.contains(&relation.known_as));
        let locked: Vec<Standing> = locked
            .map(|(cte, relation)| (*cte, Relation { access: Access::Lock, ..relation.clone() }))
            .collect();
        relations.extend(locked);
    }
}
