//! The columns that built-in functions have in FROM. Functions that give rows and are not here have columns that nobody
//! counts.

/// What a function gives in FROM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One column, called as the function is.
    Scalar,
    /// One for each argument, unless one is an array of rows.
    Unnest,
    /// These.
    Named(&'static [&'static str]),
    /// Any number.
    Unknown,
}

/// Sorted. Built-in functions that return sets of plain values (`pg_proc` of release 18: `proretset`, no OUT arguments, no
/// row type).
const SCALAR_SETS: [&str; 13] = [
    "generate_series",
    "generate_subscripts",
    "json_object_keys",
    "jsonb_object_keys",
    "jsonb_path_query",
    "jsonb_path_query_tz",
    "pg_listening_channels",
    "pg_ls_dir",
    "pg_tablespace_databases",
    "regexp_matches",
    "regexp_split_to_table",
    "string_to_table",
    "txid_snapshot_xip",
];

/// Sorted. Functions with OUT arguments.
const NAMED: [(&str, &[&str]); 14] = [
    ("aclexplode", &["grantor", "grantee", "privilege_type", "is_grantable"]),
    ("json_array_elements", &["value"]),
    ("json_array_elements_text", &["value"]),
    ("json_each", &["key", "value"]),
    ("json_each_text", &["key", "value"]),
    ("jsonb_array_elements", &["value"]),
    ("jsonb_array_elements_text", &["value"]),
    ("jsonb_each", &["key", "value"]),
    ("jsonb_each_text", &["key", "value"]),
    ("pg_options_to_table", &["option_name", "option_value"]),
    ("pg_partition_tree", &["relid", "parentrelid", "isleaf", "level"]),
    ("ts_debug", &["alias", "description", "token", "dictionaries", "dictionary", "lexemes"]),
    ("ts_parse", &["tokid", "token"]),
    ("ts_token_type", &["tokid", "alias", "description"]),
];

/// Of a built-in function.
pub(super) fn of(name: &str, returns_set: bool) -> Shape {
    if name == "unnest" {
        return Shape::Unnest;
    }
    if let Ok(at) = NAMED.binary_search_by_key(&name, |(name, _)| name) {
        return Shape::Named(NAMED[at].1);
    }
    // Those that give one row of several columns are about the server, or about rows given as JSON.
    let is_plain = !returns_set && !name.starts_with("pg_") && !name.contains("_record");
    if is_plain || SCALAR_SETS.binary_search(&name).is_ok() || PLAIN_PG.binary_search(&name).is_ok() {
        return Shape::Scalar;
    }
    Shape::Unknown
}

/// Sorted. Functions whose names start with `pg_` and that give one plain value, as far as they are met in FROM.
const PLAIN_PG: [&str; 8] = [
    "pg_backend_pid",
    "pg_database_size",
    "pg_get_constraintdef",
    "pg_get_indexdef",
    "pg_get_viewdef",
    "pg_relation_size",
    "pg_size_pretty",
    "pg_total_relation_size",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted() {
        assert!(SCALAR_SETS.is_sorted());
        assert!(NAMED.is_sorted_by(|a, b| a.0 < b.0));
        assert!(PLAIN_PG.is_sorted());
    }
}
