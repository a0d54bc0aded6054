//! Functions of the server that a policy must know of, by their last name: a schema before it changes nothing here.

use grille_core::action::feature;

/// Why a function is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    /// Reaches files, other servers or large objects, runs SQL given as text, or steers the server.
    Dangerous,
    /// `set_config`: SET as a function.
    SetConfig,
    /// `pg_notify`: NOTIFY as a function.
    Notify,
    /// `pg_advisory_lock` and its like.
    AdvisoryLock,
}

/// Features that come from calls.
pub(crate) const FEATURES: [&str; 2] = [feature::DANGEROUS_FUNCTION, feature::SET_CONFIG];

/// Sorted; an asterisk at the end stands for any rest. PostgreSQL 18 manual: 9.15.4 (XML of a query's text), 9.13.3
/// (`ts_stat`, `ts_rewrite`), 9.27.6 and 9.27.12 (configuration files), 9.28.2 to 9.28.6 and 9.28.9 (signals, backup,
/// recovery, replication, files), 33.4 (large objects), appendix F: adminpack (until 16), dblink, pageinspect,
/// pg_surgery, pg_walinspect, tablefunc, xml2.
const DANGEROUS: [&str; 57] = [
    "binary_upgrade_*",
    "connectby",
    "crosstab*",
    "cursor_to_xml*",
    "database_to_xml*",
    "dblink*",
    "get_raw_page",
    "heap_force_*",
    "heap_page_item*",
    "lo_*",
    "loread",
    "lowrite",
    "pg_backup_start",
    "pg_backup_stop",
    "pg_cancel_backend",
    "pg_copy_logical_replication_slot",
    "pg_copy_physical_replication_slot",
    "pg_create_logical_replication_slot",
    "pg_create_physical_replication_slot",
    "pg_create_restore_point",
    "pg_current_logfile",
    "pg_drop_replication_slot",
    "pg_file_*",
    "pg_get_wal_block_info",
    "pg_get_wal_record*",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_import_system_collations",
    "pg_log_backend_memory_contexts",
    "pg_logdir_ls",
    "pg_logical_*",
    "pg_ls_*",
    "pg_promote",
    "pg_read_binary_file*",
    "pg_read_file*",
    "pg_reload_conf",
    "pg_replication_*",
    "pg_rotate_logfile*",
    "pg_show_all_file_settings",
    "pg_start_backup",
    "pg_stat_file",
    "pg_stat_reset*",
    "pg_stop_backup",
    "pg_switch_wal",
    "pg_switch_xlog",
    "pg_sync_replication_slots",
    "pg_terminate_backend",
    "pg_wal_replay_pause",
    "pg_wal_replay_resume",
    "postgres_fdw_disconnect*",
    "query_to_xml*",
    "schema_to_xml*",
    "table_to_xml*",
    "ts_rewrite",
    "ts_stat",
    "tuple_data_split",
    "xpath_table",
];

/// Sorted. Functions that turn a row given as their one argument into something readable, which they do also when written
/// as if they were columns of it: `u.to_jsonb`. Those that a database adds are not known here.
const TAKE_ROW: [&str; 23] = [
    "any_value",
    "array_agg",
    "concat",
    "hash_record",
    "hstore",
    "json_agg",
    "json_agg_strict",
    "json_build_array",
    "jsonb_agg",
    "jsonb_agg_strict",
    "jsonb_build_array",
    "max",
    "min",
    "quote_literal",
    "quote_nullable",
    "record_out",
    "record_send",
    "row_to_json",
    "st_asgeobuf",
    "st_asgeojson",
    "st_asmvt",
    "to_json",
    "to_jsonb",
];

/// Whether it shows the text of the statement that runs, in which literals may stand that the client did not write: tokens
/// turned back.
pub(crate) fn shows_statement(name: &str) -> bool {
    name == "current_query"
}

/// What is known of a function of this name.
pub(crate) fn special(name: &str) -> Option<Special> {
    match name {
        "set_config" => Some(Special::SetConfig),
        "pg_notify" => Some(Special::Notify),
        _ if name.starts_with("pg_advisory_") || name.starts_with("pg_try_advisory_") => {
            Some(Special::AdvisoryLock)
        }
        _ if is_dangerous(name) => Some(Special::Dangerous),
        _ => None,
    }
}

fn is_dangerous(name: &str) -> bool {
    DANGEROUS.iter().any(|known| match known.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *known,
    })
}

/// Whether the function can be given a whole row.
pub(crate) fn takes_row(name: &str) -> bool {
    TAKE_ROW.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_say_nothing_twice() {
        assert!(DANGEROUS.is_sorted_by(|a, b| a < b));
        assert!(TAKE_ROW.is_sorted_by(|a, b| a < b));
        let covered = |known: &&&str| {
            DANGEROUS.iter().any(|other| {
                other != *known && other.strip_suffix('*').is_some_and(|start| known.starts_with(start))
            })
        };
        assert_eq!(DANGEROUS.iter().filter(covered).collect::<Vec<_>>(), Vec::<&&str>::new());
    }

    #[test]
    fn functions_are_known_by_their_whole_name() {
        let check = |name: &str, expected: Option<Special>| assert_eq!(special(name), expected, "{name}");
        for name in ["pg_read_file", "pg_read_file_v2", "lo_export", "lo_get", "dblink_exec", "pg_ls_dir"] {
            check(name, Some(Special::Dangerous));
        }
        for name in ["query_to_xml", "query_to_xml_and_xmlschema", "table_to_xmlschema", "ts_stat", "loread"]
        {
            check(name, Some(Special::Dangerous));
        }
        for name in ["pg_sleep", "currval", "lower", "log", "PG_READ_FILE", "my_pg_read_file", "loreader", ""]
        {
            check(name, None);
        }
        check("set_config", Some(Special::SetConfig));
        check("pg_notify", Some(Special::Notify));
        check("pg_try_advisory_xact_lock_shared", Some(Special::AdvisoryLock));
    }
}
