//! Run-time parameters that a restricted role may set: those that change how values are written, how long things may take
//! or how much memory they may use. None makes a value visible that the statement does not return, none changes who runs it,
//! and those that change how names or texts are read are followed by the session.

/// Sorted (PostgreSQL 18 manual, chapter 19). What is left out on purpose: whatever sends the server's own words about
/// plans and statements to the client or to a file (`debug_…`, `log_…`, `auto_explain.…`), loads code
/// (`…_preload_libraries`), makes the planner prefer an index, in whose order rows then come (`enable_…`, `…_cost`, `geqo…`),
/// switches triggers off (`session_replication_role`), or changes what `x = NULL` means.
const HARMLESS: [&str; 59] = [
    "application_name",
    "bytea_output",
    "check_function_bodies",
    "client_encoding",
    // DEBUG and LOG messages are withheld from such a role.
    "client_min_messages",
    "constraint_exclusion",
    "datestyle",
    "default_statistics_target",
    "default_table_access_method",
    "default_tablespace",
    "default_text_search_config",
    "default_toast_compression",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "effective_io_concurrency",
    "escape_string_warning",
    "extra_float_digits",
    "hash_mem_multiplier",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "intervalstyle",
    "jit",
    "jit_above_cost",
    "jit_inline_above_cost",
    "jit_optimize_above_cost",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lock_timeout",
    "maintenance_work_mem",
    "max_parallel_maintenance_workers",
    "max_parallel_workers",
    "max_parallel_workers_per_gather",
    "min_parallel_index_scan_size",
    "min_parallel_table_scan_size",
    "names",
    "parallel_leader_participation",
    "plan_cache_mode",
    "quote_all_identifiers",
    "row_security",
    "search_path",
    "seed",
    "session characteristics",
    "standard_conforming_strings",
    "statement_timeout",
    "synchronize_seqscans",
    "synchronous_commit",
    "temp_buffers",
    "temp_tablespaces",
    "timezone",
    "transaction",
    "transaction snapshot",
    "transaction_deferrable",
    "transaction_isolation",
    "transaction_read_only",
    "transaction_timeout",
    "work_mem",
    "xmloption",
];

/// Families: how far pgvector's indexes search.
const HARMLESS_PREFIXES: [&str; 2] = ["hnsw.", "ivfflat."];

/// Whether a restricted role may set it; the name in lower case, as in [`Action::setting`].
///
/// [`Action::setting`]: grille_core::Action::setting
pub fn is_harmless_setting(name: &str) -> bool {
    HARMLESS.binary_search(&name).is_ok() || HARMLESS_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_for_the_search() {
        assert!(HARMLESS.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn what_drivers_set_is_harmless_and_what_makes_values_visible_is_not() {
        let check = |name: &str, expected: bool| assert_eq!(is_harmless_setting(name), expected, "{name}");
        for name in ["application_name", "extra_float_digits", "search_path", "jit", "hnsw.ef_search"] {
            check(name, true);
        }
        for name in [
            "debug_print_plan",
            "log_statement",
            "auto_explain.log_min_duration",
            "session_preload_libraries",
            "session_replication_role",
            "role",
            "transform_null_equals",
            "enable_seqscan",
            "random_page_cost",
            "app.tenant",
            "*",
            "",
        ] {
            check(name, false);
        }
    }
}
