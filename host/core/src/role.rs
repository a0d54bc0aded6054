//! What a group may do, as far as every protocol shares it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

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
    /// Columns treated whatever they hold.
    pub columns: BTreeMap<ColumnPattern, Treatment>,
    /// The most rows one statement may return.
    pub row_cap: Option<u64>,
}

impl Role {
    /// Whether results under this role may need treatment at all; if not, they pass as bytes.
    pub fn masks(&self) -> bool {
        !self.detectors.is_empty() || !self.columns.is_empty()
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
