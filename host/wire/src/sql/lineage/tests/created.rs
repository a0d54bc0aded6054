//! Tables that the session has made: what makes one, and when a name means it.

use std::sync::Arc;

use super::schema::SCHEMA;
use super::{check_all, rules, shown};
use crate::sql::Sql;
use crate::sql::lineage::{Lineage, Naming, trace, trace_in_turn};
use crate::sql::schema::Relation;

fn public() -> Naming {
    Naming { search_path: Some(vec!["public".into()]), ..Naming::default() }
}

fn made(sql: &str, naming: &Naming) -> Option<Arc<Relation>> {
    trace(Sql::standard(sql), &SCHEMA, naming, &rules()).expect(sql).pop().and_then(|lineage| lineage.made)
}

/// `schema.table(column:type …)`; types that are not known are 0.
fn described(made: &Relation) -> String {
    let columns: Vec<String> =
        made.columns.iter().map(|column| format!("{}:{}", column.name, column.type_oid)).collect();
    format!("{}.{}({})", made.schema, made.name, columns.join(" "))
}

#[test]
fn a_table_that_holds_nothing_protected_is_made() {
    for (sql, expected) in [
        ("CREATE TABLE t (a int PRIMARY KEY, b text DEFAULT 'x' NOT NULL)", ".t(a:23 b:25)"),
        ("CREATE TEMP TABLE t (a serial, b mood, c varchar(3), d text[])", "pg_temp.t(a:0 b:0 c:0 d:1009)"),
        ("CREATE TABLE pg_temp.t (a int, CHECK (a > 0), UNIQUE (a))", "pg_temp.t(a:23)"),
        ("CREATE UNLOGGED TABLE hr.t (a int)", "hr.t(a:23)"),
        ("CREATE TABLE t ()", ".t()"),
        ("CREATE TEMP TABLE IF NOT EXISTS t (a int)", "pg_temp.t(a:23)"),
        ("CREATE TEMP TABLE t (a) AS SELECT id, name, 'x' AS c FROM users", "pg_temp.t(a:23 name:25 c:25)"),
        ("CREATE TABLE t AS SELECT count(ssn), name AS n FROM users GROUP BY name", ""),
        ("SELECT id, upper(name) AS n INTO TEMP t FROM users UNION SELECT 1, 'x'", "pg_temp.t(id:23 n:0)"),
    ] {
        let found = made(sql, &public()).map_or_else(String::new, |made| described(&made));
        assert_eq!(found, expected, "{sql}");
    }
}

#[test]
fn a_view_over_nothing_protected_is_made_and_may_be_read_only() {
    let view = made("CREATE VIEW levels (who, n) AS SELECT name, id FROM users", &public()).unwrap();
    assert_eq!(described(&view), ".levels(who:25 n:23)");
    let naming = Naming { created: vec![view], ..public() };
    for (sql, expected) in [
        ("SELECT who FROM levels ORDER BY n", "who"),
        ("INSERT INTO levels VALUES ('x', 1)", "- | (under view levels)()!"),
        ("DELETE FROM levels RETURNING who", "who? | (under view levels)()!"),
        ("EXPLAIN SELECT * FROM levels", "QUERY PLAN?"),
    ] {
        let lineages = trace(Sql::standard(sql), &SCHEMA, &naming, &rules()).unwrap();
        let shown: Vec<String> = lineages.iter().map(|lineage| shown(lineage, sql, &SCHEMA)).collect();
        assert_eq!(shown.join(" // "), expected, "{sql}");
    }
    for sql in [
        "CREATE VIEW v AS SELECT ssn FROM users",
        "CREATE VIEW v AS SELECT count(ssn) FROM users",
        "CREATE OR REPLACE VIEW v AS SELECT 1 AS a",
        "CREATE VIEW v AS SELECT reads() AS a",
        "CREATE VIEW v AS SELECT payload FROM events",
        "CREATE VIEW v AS SELECT * FROM nowhere",
    ] {
        assert_eq!(made(sql, &public()), None, "{sql}");
    }
}

#[test]
fn a_table_that_may_hold_something_else_is_not() {
    for sql in [
        "CREATE TABLE IF NOT EXISTS t (a int)",
        "CREATE TABLE t (LIKE users)",
        "CREATE TABLE t (a int) INHERITS (log)",
        "CREATE TABLE t () INHERITS (users)",
        "CREATE TABLE t PARTITION OF log DEFAULT",
        "CREATE TABLE t OF mood",
        "CREATE TABLE t (a int) PARTITION BY LIST (a)",
        "CREATE TABLE t (a int REFERENCES log)",
        "CREATE TABLE t (a text DEFAULT reads())",
        "CREATE TABLE t (a text DEFAULT nowhere())",
        "CREATE TABLE t AS SELECT ssn FROM users",
        "CREATE TABLE t AS SELECT left(ssn, 1) AS a FROM users",
        "CREATE TABLE t AS SELECT reads() AS a",
        "CREATE TABLE t AS SELECT * FROM nowhere",
        "CREATE TABLE t AS SELECT id FROM users WHERE ssn > '5'",
        "CREATE TABLE t AS EXECUTE p",
        "SELECT ssn INTO t FROM users",
        "EXPLAIN CREATE TABLE t AS SELECT 1 AS a",
        "CREATE SCHEMA s CREATE TABLE t (a int)",
        "CREATE MATERIALIZED VIEW t AS SELECT 1 AS a",
        "INSERT INTO log VALUES (1)",
    ] {
        assert_eq!(made(sql, &public()), None, "{sql}");
    }
    let naming = Naming { uncertain: ["t".into()].into(), ..public() };
    assert_eq!(made("CREATE TEMP TABLE IF NOT EXISTS t (a int)", &naming), None, "it may be there");
}

/// What a statement does once the tables were made.
fn check_after(path: Option<&[&str]>, making: &[&str], uncertain: &[&str], sql: &str, expected: &str) {
    let created = making.iter().map(|making| made(making, &public()).expect("a table")).collect();
    let naming = Naming {
        search_path: path.map(|path| path.iter().map(|schema| Box::from(*schema)).collect()),
        uncertain: uncertain.iter().map(|name| Box::from(*name)).collect(),
        created,
        ..Naming::default()
    };
    let lineages = trace(Sql::standard(sql), &SCHEMA, &naming, &rules()).expect(sql);
    let found: Vec<String> = lineages.iter().map(|lineage| shown(lineage, sql, &SCHEMA)).collect();
    assert_eq!(found.join(" // "), expected, "{making:?}; {sql}");
}

#[test]
fn a_new_table_is_read_and_written_like_any_other() {
    let making = ["CREATE TEMP TABLE t (a int, b text)"];
    for (sql, expected) in [
        ("SELECT a, upper(b) FROM t WHERE a = 1 ORDER BY b", "a, upper"),
        ("SELECT * FROM pg_temp.t", "a, b"),
        ("SELECT t, t.b FROM t", "t, b"),
        ("INSERT INTO t SELECT id, name FROM users RETURNING *", "a, b"),
        ("INSERT INTO t (b) SELECT ssn FROM users", "- | into t.b: users.ssn"),
        ("UPDATE t SET b = ssn FROM users WHERE id = a", "- | into t.b: users.ssn"),
        ("SELECT b FROM t JOIN users ON ssn = b", "b | ON: users.ssn"),
        ("SELECT c FROM t", "c?"),
        ("CREATE TEMP TABLE u AS SELECT a FROM t", "-"),
        ("SELECT * FROM public.t", "a, b"),
        ("SELECT a, ssn FROM t, users", "a, ssn=users.ssn"),
    ] {
        check_after(Some(&["public"]), &making, &[], sql, expected);
    }
}

#[test]
fn a_name_means_a_new_table_only_where_nothing_else_can_be_meant() {
    let temporary = ["CREATE TEMP TABLE users (id int, ssn text)"];
    let sql = "SELECT upper(ssn) FROM users";
    check_after(Some(&["public"]), &temporary, &[], sql, "upper");
    check_after(Some(&["public"]), &temporary, &["users"], sql, "upper");
    // The search path says where the temporary tables come.
    check_after(Some(&["public", "pg_temp"]), &temporary, &[], sql, "upper?");
    check_after(None, &temporary, &[], sql, "upper?");
    check_after(None, &temporary, &[], "SELECT upper(ssn) FROM pg_temp.users", "upper");
    check_after(Some(&["public"]), &temporary, &[], "SELECT upper(ssn) FROM public.users", "upper?");
    // A view keeps to the table it was defined over.
    check_after(Some(&["public"]), &temporary, &[], "SELECT upper(ssn) FROM v_users", "upper?");
    let permanent = ["CREATE TABLE hr.users (id int, ssn text)"];
    for sql in [sql, "SELECT upper(ssn) FROM hr.users", "SELECT upper(ssn) FROM public.users"] {
        check_after(Some(&["hr", "public"]), &permanent, &[], sql, "upper?");
    }
    let fresh = ["CREATE TABLE t (ssn text)"];
    check_after(None, &fresh, &[], "SELECT upper(ssn) FROM t", "upper");
    check_after(Some(&["public"]), &fresh, &["t"], "SELECT upper(ssn) FROM t", "upper?");
    let both = ["CREATE TABLE t (ssn text)", "CREATE TEMP TABLE t (ssn text)"];
    check_after(None, &both, &[], "SELECT upper(ssn) FROM t", "upper?");
    check_after(Some(&["public"]), &both, &[], "SELECT upper(ssn) FROM t", "upper");
    check_after(Some(&["public"]), &both, &[], "SELECT upper(ssn) FROM public.t", "upper?");
}

#[test]
fn names_change_from_statement_to_statement() {
    let sql = "CREATE TEMP TABLE users (ssn text); SELECT upper(ssn) FROM users; DROP TABLE users; SELECT upper(ssn) FROM users";
    let mut names = |done: &[Lineage]| {
        let created = done.last().map(|last| last.made.iter().cloned().collect()).unwrap_or_default();
        (done.len() < 2 || done.len() == 3).then(|| Naming { created, ..public() })
    };
    let lineages = trace_in_turn(Sql::standard(sql), &SCHEMA, &rules(), &mut names).expect(sql);
    let found: Vec<String> = lineages.iter().map(|lineage| shown(lineage, sql, &SCHEMA)).collect();
    assert_eq!(found, ["-", "upper", "-", "upper~users.ssn"]);
}

#[test]
fn what_is_made_changes_nothing_by_itself() {
    check_all(&[("CREATE TEMP TABLE log (a int); SELECT a FROM log", "- // a?")]);
}
