//! What needs neither plugin nor catalogue to be refused: statement classes that the role lacks, and, where results are
//! masked, classes that could carry values past the mask, unless the role has the privilege.

use grille_core::action::feature;
use grille_core::decision::ReasonSource;
use grille_core::{Access, Action, Decision, Object, ObjectKind, Privilege, Role};
use grille_wire::sql::{is_harmless_setting, privilege_to_call, privilege_to_read};

/// What every role's statement classes say.
pub(super) fn decide(role: &Role, action: &Action) -> Decision {
    let missing = action.effects.difference(role.statements);
    if missing.is_empty() {
        return Decision::allow();
    }
    let words: Vec<&str> = missing.words().collect();
    let text = format!(
        "role {} may not run {}: it lacks {}",
        role.name,
        action.kind.to_ascii_uppercase(),
        words.join(", ")
    );
    Decision::deny(ReasonSource::Role, text)
}

/// What a role whose results are masked may not run.
pub(super) fn restrict(role: &Role, action: &Action) -> Decision {
    if let Some(way) = way_around_masking(action) {
        return Decision::deny(ReasonSource::Host, way);
    }
    let needs = needs(action).into_iter().filter(|need| !role.privileges.contains(need.privilege));
    needs.fold(Decision::allow(), |decision, need| {
        let words: Vec<&str> = need.privilege.words().collect();
        let text =
            format!("{} needs the privilege {}, since results are masked", need.what, words.join(", "));
        decision.merge(Decision::deny(ReasonSource::Role, text))
    })
}

/// What is set is reported to the client, outside any result; and what a FunctionCall returns is no result that could be
/// masked, but a descriptor or a position that has to be right, or bytes of unknown origin.
fn way_around_masking(action: &Action) -> Option<&'static str> {
    if action.has(feature::FUNCTION_CALL) {
        return Some(
            "what the function call message returns cannot be masked: call the function with SELECT",
        );
    }
    let reads = action.objects.iter().any(|object| object.kind == ObjectKind::Relation);
    (action.has(feature::SET_CONFIG) && reads).then_some(
        "a statement that reads relations and changes settings is refused where results are masked",
    )
}

/// Something a statement does, and the privilege for it.
#[derive(Debug, PartialEq, Eq)]
struct Need {
    privilege: Privilege,
    what: String,
}

fn needs(action: &Action) -> Vec<Need> {
    let mut needs = Vec::new();
    let mut need = |privilege, what: String| needs.push(Need { privilege, what });
    let command = action.kind.to_ascii_uppercase();
    if let Some(privilege) = privilege_for_command(action) {
        need(privilege, command);
    }
    for object in &action.objects {
        if let Some(privilege) = privilege_for_object(object).filter(|_| action.kind != "reset") {
            need(privilege, format!("{} {}", object.kind, object.name));
        }
    }
    if action.has(feature::SET_CONFIG)
        && action.objects.iter().all(|object| object.kind != ObjectKind::Setting)
    {
        need(Privilege::SETTINGS, "an update of pg_settings".to_owned());
    }
    needs
}

/// Settings that decide who the session is.
const IDENTITY: [&str; 2] = ["role", "session_authorization"];

fn privilege_for_object(object: &Object) -> Option<Privilege> {
    match (object.kind, object.access) {
        (ObjectKind::Relation, _) => privilege_to_read(&object.name),
        (ObjectKind::Function, Access::Call) => privilege_to_call(&object.name),
        (ObjectKind::Setting, Access::Set) if IDENTITY.contains(&object.name.as_str()) => {
            Some(Privilege::SET_ROLE)
        }
        (ObjectKind::Setting, Access::Set) => {
            (!is_harmless_setting(&object.name)).then_some(Privilege::SETTINGS)
        }
        _ => None,
    }
}

/// Code that runs now or later unseen, ways to other servers and to the server's files, and whole databases.
fn privilege_for_command(action: &Action) -> Option<Privilege> {
    if action.has(feature::PROCEDURAL) {
        return Some(Privilege::PROCEDURES);
    }
    if action.has(feature::COPY_FILE) || action.has(feature::COPY_PROGRAM) {
        return Some(Privilege::SERVER_FILES);
    }
    COMMANDS.iter().find(|(kind, _)| *kind == action.kind).map(|(_, privilege)| *privilege)
}

/// Commands by their tags. What is declared harmless and is not (a function said to be immutable, an operator, a cast)
/// would deceive lineage; a trigger, rule or policy runs whenever its table is touched.
const COMMANDS: [(&str, Privilege); 44] = [
    ("alter aggregate", Privilege::PROCEDURES),
    ("alter event trigger", Privilege::PROCEDURES),
    ("alter function", Privilege::PROCEDURES),
    ("alter operator", Privilege::PROCEDURES),
    ("alter operator class", Privilege::PROCEDURES),
    ("alter operator family", Privilege::PROCEDURES),
    ("alter policy", Privilege::PROCEDURES),
    ("alter procedure", Privilege::PROCEDURES),
    ("alter routine", Privilege::PROCEDURES),
    ("alter rule", Privilege::PROCEDURES),
    ("alter trigger", Privilege::PROCEDURES),
    ("create access method", Privilege::PROCEDURES),
    ("create aggregate", Privilege::PROCEDURES),
    ("create cast", Privilege::PROCEDURES),
    ("create conversion", Privilege::PROCEDURES),
    ("create event trigger", Privilege::PROCEDURES),
    ("create extension", Privilege::PROCEDURES),
    ("create function", Privilege::PROCEDURES),
    ("create language", Privilege::PROCEDURES),
    ("create operator", Privilege::PROCEDURES),
    ("create operator class", Privilege::PROCEDURES),
    ("create operator family", Privilege::PROCEDURES),
    ("create policy", Privilege::PROCEDURES),
    ("create procedure", Privilege::PROCEDURES),
    ("create rule", Privilege::PROCEDURES),
    ("create transform", Privilege::PROCEDURES),
    ("create trigger", Privilege::PROCEDURES),
    ("alter foreign data wrapper", Privilege::FOREIGN_DATA),
    ("alter foreign table", Privilege::FOREIGN_DATA),
    ("alter publication", Privilege::FOREIGN_DATA),
    ("alter server", Privilege::FOREIGN_DATA),
    ("alter subscription", Privilege::FOREIGN_DATA),
    ("alter user mapping", Privilege::FOREIGN_DATA),
    ("create foreign data wrapper", Privilege::FOREIGN_DATA),
    ("create foreign table", Privilege::FOREIGN_DATA),
    ("create publication", Privilege::FOREIGN_DATA),
    ("create server", Privilege::FOREIGN_DATA),
    ("create subscription", Privilege::FOREIGN_DATA),
    ("create user mapping", Privilege::FOREIGN_DATA),
    ("import foreign schema", Privilege::FOREIGN_DATA),
    ("alter large object", Privilege::LARGE_OBJECTS),
    ("load", Privilege::SERVER_FILES),
    ("alter system", Privilege::SETTINGS),
    ("create database", Privilege::COPY_PROTECTED),
];

#[cfg(test)]
mod tests {
    use grille_wire::sql::analyze;

    use super::*;

    fn check(sql: &str, expected: Privilege) {
        let actions = analyze(sql).expect(sql);
        let found = actions.iter().flat_map(needs).fold(Privilege::empty(), |all, need| all | need.privilege);
        assert_eq!(found, expected, "{sql}");
    }

    #[test]
    fn each_class_needs_its_privilege() {
        for (sql, privilege) in [
            ("DO $$ BEGIN END $$", Privilege::PROCEDURES),
            ("CALL p(1)", Privilege::PROCEDURES),
            ("CREATE FUNCTION f() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1'", Privilege::PROCEDURES),
            ("CREATE TRIGGER t BEFORE INSERT ON x EXECUTE FUNCTION f()", Privilege::PROCEDURES),
            ("ALTER FUNCTION f() IMMUTABLE", Privilege::PROCEDURES),
            ("CREATE OPERATOR @@@ (leftarg = text, rightarg = text, function = f)", Privilege::PROCEDURES),
            ("CREATE RULE r AS ON INSERT TO x DO ALSO NOTIFY y", Privilege::PROCEDURES),
            ("CREATE POLICY p ON x USING (true)", Privilege::PROCEDURES),
            ("SELECT * FROM dblink('x', 'y') AS t (a int)", Privilege::FOREIGN_DATA),
            ("CREATE FOREIGN TABLE x (a int) SERVER s", Privilege::FOREIGN_DATA),
            ("CREATE SERVER s FOREIGN DATA WRAPPER w", Privilege::FOREIGN_DATA),
            ("CREATE USER MAPPING FOR u SERVER s", Privilege::FOREIGN_DATA),
            ("IMPORT FOREIGN SCHEMA a FROM SERVER s INTO b", Privilege::FOREIGN_DATA),
            ("CREATE PUBLICATION p FOR TABLE x", Privilege::FOREIGN_DATA),
            ("CREATE SUBSCRIPTION p CONNECTION 'x' PUBLICATION y", Privilege::FOREIGN_DATA),
            ("SELECT lo_get(1)", Privilege::LARGE_OBJECTS),
            ("SELECT data FROM pg_largeobject", Privilege::LARGE_OBJECTS),
            ("SELECT lo_import('x')", Privilege::SERVER_FILES),
            ("SELECT pg_read_file('x')", Privilege::SERVER_FILES),
            ("LOAD 'x'", Privilege::SERVER_FILES),
            ("SELECT * FROM pg_stats", Privilege::STATISTICS),
            ("EXPLAIN SELECT * FROM pg_catalog.pg_statistic", Privilege::STATISTICS),
            ("SELECT query FROM pg_stat_activity", Privilege::STATISTICS),
            ("SET ROLE x", Privilege::SET_ROLE),
            ("SET LOCAL SESSION AUTHORIZATION x", Privilege::SET_ROLE),
            ("SET role TO x", Privilege::SET_ROLE),
            ("SELECT set_config('role', 'x', false)", Privilege::SETTINGS),
            ("SET log_statement = 'all'", Privilege::SETTINGS),
            ("SET debug_print_plan = on", Privilege::SETTINGS),
            ("SELECT set_config(a, b, false)", Privilege::SETTINGS),
            ("SELECT set_config('jit', 'off', false), set_config($1, 'x', false)", Privilege::SETTINGS),
            ("UPDATE pg_settings SET setting = 'x'", Privilege::SETTINGS),
            ("SET enable_seqscan = off", Privilege::SETTINGS),
            ("ALTER SYSTEM SET work_mem = '1MB'", Privilege::SETTINGS),
            ("ALTER ROLE x SET log_statement = 'all'", Privilege::SETTINGS),
            ("CREATE DATABASE x TEMPLATE y", Privilege::COPY_PROTECTED),
            ("PREPARE p AS SELECT query_to_xml('x', true, true, '')", Privilege::VOLATILE_FUNCTIONS),
        ] {
            check(sql, privilege);
        }
    }

    #[test]
    fn a_function_called_by_number_goes_round_the_mask() {
        let mut actions = analyze("SELECT pg_catalog.lo_close($1)").expect("SQL");
        assert_eq!(way_around_masking(&actions[0]), None);
        actions[0].features.push(feature::FUNCTION_CALL);
        assert!(way_around_masking(&actions[0]).is_some());
    }

    #[test]
    fn what_clients_do_every_day_needs_none() {
        for sql in [
            "SELECT 1",
            "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY",
            "SET TRANSACTION READ ONLY",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            "SET application_name = 'x'",
            "SET TIME ZONE 'UTC'",
            "SET NAMES 'UTF8'",
            "SET client_min_messages TO warning",
            "SET search_path TO a, b",
            "SET jit = off",
            "SELECT set_config('search_path', '', false)",
            "SELECT pg_catalog.set_config('jit', 'off', false)",
            "RESET ALL",
            "RESET ROLE",
            "DISCARD ALL",
            "SHOW server_version",
            "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
            "CREATE TABLE t (x int PRIMARY KEY)",
            "CREATE TEMP TABLE t AS SELECT 1",
            "CREATE INDEX ON t (x)",
            "CREATE VIEW v AS SELECT 1",
            "SELECT * FROM pg_class, information_schema.columns, pg_stat_user_tables",
            "LISTEN x",
        ] {
            check(sql, Privilege::empty());
        }
    }
}
