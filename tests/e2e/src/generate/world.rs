//! A database as the generator sees it: relations, their columns, and which of those are protected.

use super::kind::Kind;

/// A column of a relation, or of a query in FROM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, which needs no quotes.
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// Whether it is protected.
    pub protection: Protection,
    /// Whether statements may write it.
    pub writing: Writing,
}

/// Whether a column holds what must not come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// It is the same for both twins.
    Free,
    /// A rule protects it, or what it is computed from.
    Protected,
}

/// What statements may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    /// It can be read only: a generated column, a view.
    Never,
    /// Writing it shows nothing that is stored.
    Free,
    /// Writing it, or deleting from it, compares protected values: a unique index, a foreign key, a check.
    Probes,
}

impl Column {
    /// Whether it is protected.
    pub fn is_protected(&self) -> bool {
        self.protection == Protection::Protected
    }
}

/// A table or view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Its name, in schema `public`, which needs no quotes.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Whether statements may write it, and whether changing a free column or deleting a row probes.
    pub writing: Writing,
    /// For a view: its query.
    pub query: Option<String>,
}

impl Relation {
    /// Whether any of its columns is protected.
    pub fn has_protected(&self) -> bool {
        self.columns.iter().any(Column::is_protected)
    }

    /// Columns that statements may write.
    pub fn writable(&self) -> Vec<&Column> {
        self.columns.iter().filter(|column| column.writing != Writing::Never).collect()
    }
}

impl World {
    /// Whether a statement names a relation with protected columns, or a view that does: an error may then quote one.
    pub fn may_quote(&self, sql: &str) -> bool {
        let names: Vec<&str> = sql.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
        let named = self.relations.iter().filter(|relation| names.contains(&relation.name.as_str()));
        named.into_iter().any(|relation| {
            relation.has_protected() || relation.query.as_ref().is_some_and(|query| self.may_quote(query))
        })
    }
}

/// A database made up under a seed, and its twin.
#[derive(Clone, Debug)]
pub struct World {
    /// What can be read and written.
    pub relations: Vec<Relation>,
    /// Defines types, tables and views. The same for both twins.
    pub definition: String,
    /// Empties the tables and fills them again, one for each twin.
    pub rows: [String; 2],
    /// Columns that the role protects, as `schema.table.column`.
    pub rules: Vec<String>,
}
