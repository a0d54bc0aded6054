//! What a group may do, as far as every protocol shares it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bitflags::bitflags;
use serde::{Serialize, Serializer};

use crate::{Effect, PluginId, RoleName, Treatment, UpstreamName};

/// What a group may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: RoleName,
    /// A principal with any of these groups may have the role.
    pub groups: Vec<String>,
    /// Where it may connect.
    pub upstreams: Vec<UpstreamName>,
    /// What its statements may do.
    pub statements: Effect,
    /// Policy plugins, every one of which judges every statement.
    pub policies: Vec<PluginId>,
    /// Detector plugins, every one of which sees every result.
    pub detectors: Vec<PluginId>,
    /// What is done to findings, by label.
    pub treatments: BTreeMap<String, Treatment>,
    /// What is done to findings of labels without a treatment of their own, and to what could not be judged.
    pub default_treatment: Treatment,
    /// Columns treated whatever they hold: the protected columns. What is computed from one is protected as well.
    pub columns: BTreeMap<ColumnPattern, Treatment>,
    /// Whether protected columns may decide which rows come back, how many, or in which order.
    pub row_shaping: RowShaping,
    /// What a restricted role may do beyond reading and writing tables.
    pub privileges: Privilege,
    /// Functions of the database that the operator vouches for: they reveal nothing but what their arguments hold, and
    /// fail for no value of a protected column.
    pub functions: Vec<FunctionPattern>,
    /// Whether columns that hold vectors of pgvector come back.
    pub vectors: VectorAccess,
    /// Whether tokens of protected columns may come back in statements.
    pub tokens: TokenUse,
    /// The most rows one statement may return.
    pub row_cap: Option<u64>,
}

impl Role {
    /// Whether results under this role may need treatment at all; if not, they pass as bytes. Such a role is restricted:
    /// what would carry values past the mask needs a [`Privilege`].
    pub fn masks(&self) -> bool {
        !self.detectors.is_empty() || self.protects()
    }

    /// Whether columns are protected by rule, whatever detectors find.
    pub fn protects(&self) -> bool {
        !self.columns.is_empty() || self.vectors == VectorAccess::Withhold
    }
}

/// Whether the vectors themselves come back: an embedding is as good as the text it was made from. Searching by similarity
/// is another matter: it needs the vectors on the server only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum VectorAccess {
    /// Every column of one of pgvector's types is a protected column, treated with [`Treatment::Null`].
    Withhold,
    /// They are columns like any other.
    #[default]
    Return,
}

/// Whether the tokens that stand for the values of protected columns may come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TokenUse {
    /// They may not: a token is a keyed hash, which nobody turns back.
    #[default]
    OneWay,
    /// A statement may compare a column with tokens of its values for equality, and Grille turns them back before the
    /// server sees them. Such a comparison needs no [`RowShaping::Equality`]: it tells nothing but which rows are equal to
    /// one that the client was given, which equal tokens told before.
    RoundTrip,
}

/// Whether a protected column may take part in deciding which rows come back, how many, or in which order: WHERE, JOIN,
/// GROUP BY, HAVING, ORDER BY, DISTINCT, windows, LIMIT, functions that return sets, and expressions that fail for some
/// values. What comes back is masked in any case; this is about what its absence, order or number would tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RowShaping {
    /// It may not: the statement is refused.
    #[default]
    Refuse,
    /// It may be compared for equality with a parameter or a literal, as in `WHERE ssn = $1`: who knows a value finds its
    /// rows, and who does not learns one guess at a time.
    Equality,
    /// It may.
    Allow,
}

bitflags! {
    /// What a restricted role may do only if it is granted, because it could carry values past the mask.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Privilege: u32 {
        /// DO and CALL.
        const PROCEDURES = 1 << 0;
        /// Volatile functions that are neither built in nor vouched for.
        const VOLATILE_FUNCTIONS = 1 << 1;
        /// Other servers: dblink, foreign tables, foreign data wrappers.
        const FOREIGN_DATA = 1 << 2;
        /// Large objects.
        const LARGE_OBJECTS = 1 << 3;
        /// The server's files and programs.
        const SERVER_FILES = 1 << 4;
        /// Statistics and the statements of others: `pg_stats`, `pg_stat_activity` and their kin.
        const STATISTICS = 1 << 5;
        /// SET ROLE, SET SESSION AUTHORIZATION.
        const SET_ROLE = 1 << 6;
        /// Run-time parameters that are not on the list of harmless ones.
        const SETTINGS = 1 << 7;
        /// Copies of protected columns into places that are not protected, and changes to the definition of protected
        /// tables.
        const COPY_PROTECTED = 1 << 8;
        /// Payloads of notifications, whoever sent them.
        const NOTIFICATIONS = 1 << 9;
    }
}

/// Each privilege and its word in configuration and messages.
pub const PRIVILEGE_WORDS: [(Privilege, &str); 10] = [
    (Privilege::PROCEDURES, "procedures"),
    (Privilege::VOLATILE_FUNCTIONS, "volatile-functions"),
    (Privilege::FOREIGN_DATA, "foreign-data"),
    (Privilege::LARGE_OBJECTS, "large-objects"),
    (Privilege::SERVER_FILES, "server-files"),
    (Privilege::STATISTICS, "statistics"),
    (Privilege::SET_ROLE, "set-role"),
    (Privilege::SETTINGS, "settings"),
    (Privilege::COPY_PROTECTED, "copy-protected"),
    (Privilege::NOTIFICATIONS, "notifications"),
];

impl Privilege {
    /// The privileges as words, in the order of the bits.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        PRIVILEGE_WORDS.iter().filter(move |(privilege, _)| self.contains(*privilege)).map(|(_, word)| *word)
    }

    /// The privilege a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        PRIVILEGE_WORDS.iter().find(|(_, known)| *known == word).map(|(privilege, _)| *privilege)
    }
}

/// `schema.function`, where `*` stands for any schema or any function. Names are compared as the server stores them; all
/// functions of a name are meant, whatever their arguments.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionPattern {
    schema: String,
    name: String,
}

impl FunctionPattern {
    /// Whether the pattern covers the function.
    pub fn covers(&self, schema: &str, name: &str) -> bool {
        (self.schema == "*" || self.schema == schema) && (self.name == "*" || self.name == name)
    }
}

impl fmt::Display for FunctionPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// A text that is not `schema.function`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` does not name a function: write schema.function; either may be *, not both")]
pub struct NotAFunction {
    text: String,
}

impl FromStr for FunctionPattern {
    type Err = NotAFunction;

    fn from_str(text: &str) -> Result<Self, NotAFunction> {
        let parts: Vec<&str> = text.split('.').collect();
        match parts[..] {
            [schema, name]
                if (schema, name) != ("*", "*")
                    && parts.iter().all(|part| !part.is_empty() && part.trim() == *part) =>
            {
                Ok(Self { schema: schema.into(), name: name.into() })
            }
            _ => Err(NotAFunction { text: text.to_owned() }),
        }
    }
}

/// `schema.table.column`, where `*` stands for any schema or any table. Names are compared as the server stores them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnPattern {
    schema: String,
    table: String,
    column: String,
}

impl ColumnPattern {
    /// Whether the pattern covers the column.
    pub fn covers(&self, schema: &str, table: &str, column: &str) -> bool {
        (self.schema == "*" || self.schema == schema)
            && (self.table == "*" || self.table == table)
            && self.column == column
    }

    /// Whether the pattern covers some column of a table of that name, in whatever schema.
    pub fn may_cover_table(&self, table: &str) -> bool {
        self.table == "*" || self.table == table
    }

    /// The column's name.
    pub fn column(&self) -> &str {
        &self.column
    }
}

impl fmt::Display for ColumnPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.schema, self.table, self.column)
    }
}

impl Serialize for ColumnPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text that is not `schema.table.column`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` does not name a column: write schema.table.column; schema and table may be *")]
pub struct NotAColumn {
    text: String,
}

impl FromStr for ColumnPattern {
    type Err = NotAColumn;

    fn from_str(text: &str) -> Result<Self, NotAColumn> {
        let parts: Vec<&str> = text.split('.').collect();
        match parts[..] {
            [schema, table, column]
                if column != "*" && parts.iter().all(|part| !part.is_empty() && part.trim() == *part) =>
            {
                Ok(Self { schema: schema.into(), table: table.into(), column: column.into() })
            }
            _ => Err(NotAColumn { text: text.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_what_it_names() {
        let check = |pattern: &str, schema, table, column, expected| {
            let pattern: ColumnPattern = pattern.parse().expect("a valid pattern");
            assert_eq!(pattern.covers(schema, table, column), expected, "{pattern}");
        };
        check("public.users.ssn", "public", "users", "ssn", true);
        check("public.users.ssn", "public", "users", "name", false);
        check("*.users.ssn", "hr", "users", "ssn", true);
        check("*.*.ssn", "hr", "people", "ssn", true);
        check("hr.*.ssn", "public", "people", "ssn", false);
    }

    #[test]
    fn what_names_no_column_is_refused() {
        for text in ["", "ssn", "users.ssn", "a.b.c.d", "public.users.*", "public..ssn", "public. users.ssn"]
        {
            assert!(text.parse::<ColumnPattern>().is_err(), "{text}");
        }
    }
}
