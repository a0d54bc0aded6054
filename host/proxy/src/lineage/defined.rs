//! What statements define that sessions beside their own can see, and which names they rest on themselves.

use std::collections::BTreeSet;

use grille_core::action::feature;
use grille_core::{Access, Action, Effect, ObjectKind};

use super::created::{KEEPS_MEANING, parts};
use super::path::SearchPath;
use crate::catalog::{Defined, ObjectName, Reach, Rests};

/// Definitions that make objects whose names they do not give.
const UNNAMED: [&str; 3] = ["alter extension", "create extension", "import foreign schema"];

/// Definitions that take objects away whose names they do not give.
const TAKES_UNNAMED: [&str; 3] = ["drop extension", "drop owned", "drop schema"];

/// What the statements define for others. What code defines that they run (DO, CALL, functions) is not told by them.
pub(crate) fn defined<'a>(actions: impl Iterator<Item = &'a Action>) -> Defined {
    let mut defined = Defined::default();
    for action in actions {
        defined.reach = defined.reach.max(reach(action));
        if defines(action) && !action.has(feature::TEMPORARY) {
            defined.names.extend(names(action));
        }
    }
    defined
}

/// How far beyond the names in it a statement changes what names mean.
pub(super) fn reach(action: &Action) -> Reach {
    let kind = action.kind.as_str();
    // What another transaction has defined comes into force.
    let is_open = kind == "commit prepared" || kind == "alter schema" || UNNAMED.contains(&kind);
    let hides = TAKES_UNNAMED.contains(&kind) || closes_schemas(action);
    match (is_open, hides || (defines(action) && action.has(feature::CASCADE))) {
        (true, _) => Reach::Anything,
        (false, true) => Reach::Hidden,
        (false, false) => Reach::Named,
    }
}

/// A search path passes over schemas that the user may not use.
fn closes_schemas(action: &Action) -> bool {
    let is_about_schemas = action.objects.iter().any(|object| object.kind == ObjectKind::Schema);
    match action.kind.as_str() {
        "grant role" | "revoke role" | "reassign owned" | "alter role" => true,
        _ => action.effects.contains(Effect::GRANT) && is_about_schemas,
    }
}

pub(super) fn defines(action: &Action) -> bool {
    action.effects.contains(Effect::DEFINE) && !KEEPS_MEANING.contains(&action.kind.as_str())
}

/// Relations and functions that a definition makes, changes or drops.
fn names(action: &Action) -> impl Iterator<Item = ObjectName> {
    // SET SCHEMA: under the same name it is found elsewhere.
    let moves = action.objects.iter().any(|object| {
        (object.kind, object.access) == (ObjectKind::Schema, Access::Define) && action.kind != "create schema"
    });
    let objects = action.objects.iter().filter(|object| {
        matches!(object.kind, ObjectKind::Relation | ObjectKind::Function)
            && matches!(object.access, Access::Define | Access::Drop)
    });
    let names = objects.map(|object| name(&object.name));
    // Those in the session's own schema of temporary relations, others do not see.
    let seen = names.filter(|name| name.schema.as_deref() != Some("pg_temp"));
    seen.map(move |name| if moves { ObjectName { schema: None, ..name } } else { name })
}

/// The names that a judgement of the statements rests on, in a session with that search path.
pub(crate) fn rests_on<'a>(actions: impl Iterator<Item = &'a Action>, path: &SearchPath) -> Rests {
    let objects = actions.flat_map(|action| &action.objects);
    let named = objects.filter(|object| matches!(object.kind, ObjectKind::Relation | ObjectKind::Function));
    let names: BTreeSet<ObjectName> = named.map(|object| name(&object.name)).collect();
    Rests { names, places: path.places() }
}

fn name(name: &str) -> ObjectName {
    let mut parts = parts(name);
    let last = parts.pop().unwrap_or_default();
    ObjectName { schema: parts.pop().map(Into::into), name: last.into() }
}

#[cfg(test)]
mod tests {
    use grille_wire::sql::analyze;

    use super::*;
    use crate::lineage::PathSource;

    fn shown(name: &ObjectName) -> String {
        match &name.schema {
            Some(schema) => format!("{schema}.{}", name.name),
            None => name.name.to_string(),
        }
    }

    #[test]
    fn what_others_can_see_of_a_definition() {
        let check = |sql: &str, names: &[&str], reach: Reach| {
            let defined = defined(analyze(sql).expect(sql).iter());
            let found: Vec<String> = defined.names.iter().map(shown).collect();
            assert_eq!(
                (found.iter().map(String::as_str).collect(), defined.reach),
                (names.to_vec(), reach),
                "{sql}"
            );
        };
        check("CREATE TABLE a.t (x int REFERENCES u)", &["a.t"], Reach::Named);
        check("CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)", &["p", "p1"], Reach::Named);
        check("CREATE OR REPLACE VIEW \"V\" AS SELECT * FROM t", &["V"], Reach::Named);
        check("SELECT 1 AS x INTO t", &["t"], Reach::Named);
        check("ALTER TABLE a.t RENAME TO u", &["a.t", "a.u"], Reach::Named);
        check("ALTER TABLE a.t SET SCHEMA b", &["t"], Reach::Named);
        check("ALTER TABLE t ATTACH PARTITION u FOR VALUES IN (1)", &["t", "u"], Reach::Named);
        check("DROP VIEW a.v, w", &["w", "a.v"], Reach::Named);
        check("DROP TABLE t CASCADE", &["t"], Reach::Hidden);
        check("DROP TYPE t CASCADE", &[], Reach::Hidden);
        check("DROP SCHEMA a", &[], Reach::Hidden);
        check("CREATE SCHEMA a", &[], Reach::Named);
        check("CREATE SCHEMA a CREATE TABLE t (x int)", &["t"], Reach::Named);
        check("ALTER SCHEMA a RENAME TO b", &[], Reach::Anything);
        check("CREATE EXTENSION x", &[], Reach::Anything);
        check("IMPORT FOREIGN SCHEMA x FROM SERVER y INTO z", &[], Reach::Anything);
        check("COMMIT PREPARED 'x'", &[], Reach::Anything);
        check("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", &["f"], Reach::Named);
        check("REVOKE USAGE ON SCHEMA a FROM CURRENT_USER", &[], Reach::Hidden);
        check("GRANT r TO CURRENT_USER", &[], Reach::Hidden);
        check("BEGIN; CREATE VIEW v AS SELECT 1; COMMIT", &["v"], Reach::Named);
        for sql in [
            "SELECT * FROM t",
            "INSERT INTO t VALUES (1)",
            "TRUNCATE t CASCADE",
            "CREATE TEMP TABLE t (x int)",
            "CREATE TABLE pg_temp.t (x int)",
            "SELECT 1 AS x INTO TEMP t",
            "CREATE TEMP VIEW v AS SELECT 1",
            "CREATE INDEX ON t (x)",
            "COMMENT ON TABLE t IS 'x'",
            "GRANT SELECT ON t TO PUBLIC",
            "DISCARD TEMP",
            "CREATE TYPE mood AS ENUM ('a')",
            "DO $$ BEGIN END $$",
        ] {
            check(sql, &[], Reach::Named);
        }
    }

    #[test]
    fn a_judgement_rests_on_all_names_in_a_statement() {
        let path = SearchPath::new(Some("\"$user\", public"), PathSource::Server, "app");
        let rests = |sql: &str| rests_on(analyze(sql).expect(sql).iter(), &path);
        let names = |sql: &str| rests(sql).names.iter().map(shown).collect::<Vec<_>>();
        assert_eq!(names("SELECT f(a) FROM t JOIN b.\"u.v\" USING (a)"), ["f", "t", "b.u.v"]);
        assert_eq!(names("WITH c AS (SELECT 1) INSERT INTO t SELECT * FROM c"), ["t"]);
        assert_eq!(names("SELECT 1"), Vec::<String>::new());
        let places: Vec<Box<str>> = ["pg_catalog", "app", "public"].map(Into::into).into();
        assert_eq!(rests("SELECT 1").places.as_deref(), Some(&*places), "also one that is not there");
    }
}
