//! Which privilege a restricted role needs for the server's own functions and relations that reach past tables: by their
//! last name, a schema before it changes nothing. What is refused for want of one is decided elsewhere.

use grille_core::Privilege;

use super::function::{self, Special};

/// An asterisk at the end stands for any rest; the first that fits counts. PostgreSQL 18 manual: 9.27.12 and 9.28.9
/// (files), 33.3 and 33.4 (large objects), 67 (statistics), 27.2 (activity), appendix F: adminpack (until 16), dblink,
/// pageinspect, pg_stat_statements, pg_walinspect, postgres_fdw.
const CALLS: [(&str, Privilege); 28] = [
    ("dblink*", Privilege::FOREIGN_DATA),
    ("postgres_fdw_disconnect*", Privilege::FOREIGN_DATA),
    ("lo_export", Privilege::SERVER_FILES),
    ("lo_import*", Privilege::SERVER_FILES),
    ("lo_*", Privilege::LARGE_OBJECTS),
    ("loread", Privilege::LARGE_OBJECTS),
    ("lowrite", Privilege::LARGE_OBJECTS),
    // Pages, tuples and log records hold values as they are stored.
    ("get_raw_page", Privilege::SERVER_FILES),
    ("heap_page_item*", Privilege::SERVER_FILES),
    ("pg_get_wal_block_info", Privilege::SERVER_FILES),
    ("pg_get_wal_record*", Privilege::SERVER_FILES),
    ("tuple_data_split", Privilege::SERVER_FILES),
    ("pg_current_logfile", Privilege::SERVER_FILES),
    ("pg_file_*", Privilege::SERVER_FILES),
    ("pg_hba_file_rules", Privilege::SERVER_FILES),
    ("pg_ident_file_mappings", Privilege::SERVER_FILES),
    ("pg_logdir_ls", Privilege::SERVER_FILES),
    ("pg_ls_*", Privilege::SERVER_FILES),
    ("pg_read_binary_file*", Privilege::SERVER_FILES),
    ("pg_read_file*", Privilege::SERVER_FILES),
    ("pg_rotate_logfile*", Privilege::SERVER_FILES),
    ("pg_show_all_file_settings", Privilege::SERVER_FILES),
    ("pg_stat_file", Privilege::SERVER_FILES),
    ("pg_lock_status", Privilege::STATISTICS),
    ("pg_mcv_list_items", Privilege::STATISTICS),
    ("pg_stat_get_activity", Privilege::STATISTICS),
    ("pg_stat_get_backend_activity", Privilege::STATISTICS),
    ("pg_stat_statements*", Privilege::STATISTICS),
];

/// Samples of columns, keys of advisory locks, texts of other sessions' statements, contents of large objects and of configuration files.
const RELATIONS: [(&str, Privilege); 14] = [
    ("pg_file_settings", Privilege::SERVER_FILES),
    ("pg_hba_file_rules", Privilege::SERVER_FILES),
    ("pg_ident_file_mappings", Privilege::SERVER_FILES),
    ("pg_largeobject", Privilege::LARGE_OBJECTS),
    ("pg_locks", Privilege::STATISTICS),
    ("pg_stat_activity", Privilege::STATISTICS),
    ("pg_stat_statements", Privilege::STATISTICS),
    ("pg_statistic", Privilege::STATISTICS),
    ("pg_statistic_ext_data", Privilege::STATISTICS),
    ("pg_stats", Privilege::STATISTICS),
    ("pg_stats_ext", Privilege::STATISTICS),
    ("pg_stats_ext_exprs", Privilege::STATISTICS),
    ("pg_user_mapping", Privilege::FOREIGN_DATA),
    ("pg_user_mappings", Privilege::FOREIGN_DATA),
];

/// What a restricted role needs to call a function of the server of this name, as [`Action::objects`] gives it.
///
/// [`Action::objects`]: grille_core::Action::objects
pub fn privilege_to_call(name: &str) -> Option<Privilege> {
    let name = last(name);
    let class = find(&CALLS, name);
    class.or_else(|| {
        (function::special(name) == Some(Special::Dangerous)).then_some(Privilege::VOLATILE_FUNCTIONS)
    })
}

/// What a restricted role needs to read, or explain a statement that reads, a relation of the server of this name.
pub fn privilege_to_read(name: &str) -> Option<Privilege> {
    find(&RELATIONS, last(name))
}

fn find(table: &[(&str, Privilege)], name: &str) -> Option<Privilege> {
    let fits = |known: &str| match known.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == known,
    };
    table.iter().find(|(known, _)| fits(known)).map(|(_, privilege)| *privilege)
}

/// `users` of `public.users`. A quoted part may hold dots, which makes the name longer than it is, never another's.
fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name).trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_its_privilege() {
        let check = |name: &str, expected| assert_eq!(privilege_to_call(name), expected, "{name}");
        check("dblink_connect", Some(Privilege::FOREIGN_DATA));
        check("public.dblink", Some(Privilege::FOREIGN_DATA));
        check("lo_get", Some(Privilege::LARGE_OBJECTS));
        check("pg_catalog.lo_import", Some(Privilege::SERVER_FILES));
        check("pg_read_file", Some(Privilege::SERVER_FILES));
        check("pg_stat_get_activity", Some(Privilege::STATISTICS));
        check("query_to_xml", Some(Privilege::VOLATILE_FUNCTIONS));
        check("pg_terminate_backend", Some(Privilege::VOLATILE_FUNCTIONS));
        for harmless in ["lower", "pg_sleep", "set_config", "pg_notify", "pg_get_viewdef", ""] {
            check(harmless, None);
        }
    }

    #[test]
    fn relations_that_quote_values_need_one_too() {
        let check = |name: &str, expected| assert_eq!(privilege_to_read(name), expected, "{name}");
        check("pg_catalog.pg_stats", Some(Privilege::STATISTICS));
        check("\"pg_statistic\"", Some(Privilege::STATISTICS));
        check("pg_largeobject", Some(Privilege::LARGE_OBJECTS));
        for harmless in ["pg_class", "pg_stat_user_tables", "pg_largeobject_metadata", "pg_settings", "users"]
        {
            check(harmless, None);
        }
    }

    #[test]
    fn what_is_classed_is_known_as_dangerous_or_a_statistic() {
        for (known, privilege) in CALLS {
            let name = known.trim_end_matches('*');
            let dangerous = function::special(name) == Some(Special::Dangerous);
            assert!(dangerous || privilege == Privilege::STATISTICS, "{known}");
        }
    }
}
