//! Which names of a statement are relations, and which are its own WITH queries.

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
    ctes: Vec<String>,
    current: Option<usize>,
    relations: Vec<Relation>,
    /// For each locking clause the names it gives; none means all.
    locks: Vec<Vec<String>>,
}

impl Scope {
    pub(super) fn begin_cte(&mut self) {
        self.current = Some(self.ctes.len());
    }

    pub(super) fn end_cte(&mut self, name: String) {
        self.ctes.push(name);
        self.current = None;
    }

    pub(super) fn mention(&mut self, relation: Relation) {
        self.relations.push(Relation { cte: self.current, ..relation });
    }

    pub(super) fn lock(&mut self, names: Vec<String>) {
        self.locks.push(names);
    }

    /// The relations that are none of the scope's own WITH queries; an outer scope may still account for them.
    pub(super) fn close(mut self) -> Vec<Relation> {
        for names in std::mem::take(&mut self.locks) {
            self.apply_lock(&names);
        }
        let Self { recursive, ctes, relations, .. } = self;
        // Without RECURSIVE a query sees those before it: `WITH users AS (SELECT * FROM users) …` reads the table.
        let visible = |relation: &Relation| match relation.cte {
            Some(index) if !recursive => ctes.get(..index).unwrap_or_default(),
            Some(_) | None => &ctes[..],
        };
        let own = |relation: &Relation| {
            relation.unqualified.as_ref().is_some_and(|name| visible(relation).contains(name))
        };
        relations.into_iter().filter(|relation| !own(relation)).collect()
    }

    /// FOR UPDATE goes through sub-selects to the tables under them, so all that are mentioned count, unless names are
    /// given and found.
    fn apply_lock(&mut self, names: &[String]) {
        let outside = |relation: &&Relation| relation.cte.is_none() && relation.access == Access::Read;
        let candidates: Vec<Relation> = self.relations.iter().filter(outside).cloned().collect();
        let found = candidates.iter().any(|relation| names.contains(&relation.known_as));
        let locked = candidates.into_iter().filter(|relation| !found || names.contains(&relation.known_as));
        self.relations.extend(locked.map(|relation| Relation { access: Access::Lock, ..relation }));
    }
}
