//! What statements define that sessions beside their own can see, and which names they rest on themselves.

use std::collections::BTreeSet;

use grille_core::action::feature;
use grille_core::{Access, Action, Effect, ObjectKind};

use super::created::{KEEPS_MEANING, parts};
use super::path::SearchPath;
use crate::catalog::{Defined, Gid, ObjectName, Reach, Rests};

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
        if locks_readers_out(action) {
            defined.locked.extend(relations(action));
        }
        if may_be_unique_index(action) {
            defined.limited.extend(relations(action));
        }
    }
    defined
}

/// Whether the server lets nobody read its relations until the transaction is over. What else is defined in it would else
/// wait for those who wait for that. (VACUUM FULL is never in a transaction with anything else.)
fn locks_readers_out(action: &Action) -> bool {
    match action.kind.as_str() {
        "truncate table" | "cluster" => true,
        "lock table" => !lets_readers_in(&action.text),
        "refresh materialized view" => !words(&action.text).any(|word| word == "CONCURRENTLY"),
        _ => false,
    }
}

/// Whether LOCK TABLE says a mode that is compatible with reading.
fn lets_readers_in(text: &str) -> bool {
    const MODES: [&[&str]; 7] = [
        &["ACCESS", "SHARE"],
        &["ROW", "SHARE"],
        &["ROW", "EXCLUSIVE"],
        &["SHARE", "UPDATE", "EXCLUSIVE"],
        &["SHARE"],
        &["SHARE", "ROW", "EXCLUSIVE"],
        &["EXCLUSIVE"],
    ];
    let words: Vec<String> = words(text).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| *word != "NOWAIT").collect();
    let Some(words) = words.strip_suffix(&["MODE"]) else { return false };
    MODES.iter().any(|mode| words.strip_suffix(*mode).is_some_and(|rest| rest.ends_with(&["IN"])))
}

/// Whether an index is made that may be unique: one that says nothing between its first two words is not.
fn may_be_unique_index(action: &Action) -> bool {
    let first: Vec<String> = words(&action.text).take(2).collect();
    action.kind == "create index" && first != ["CREATE", "INDEX"]
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| c.is_ascii_whitespace() || c == ';')
        .filter(|word| !word.is_empty())
        .map(str::to_uppercase)
}

/// The relations that a statement mentions.
fn relations(action: &Action) -> impl Iterator<Item = ObjectName> {
    let relations = action.objects.iter().filter(|object| object.kind == ObjectKind::Relation);
    relations.map(|object| name(&object.name))
}

/// The name of the transaction that a message prepares or ends with its last statement, where it can be told by the text
/// alone.
pub(crate) fn gid(text: &[u8]) -> Option<Gid> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
    let text = text.trim_end_matches(|c: char| c.is_ascii_whitespace() || c == ';').strip_suffix('\'')?;
    let (before, gid) = text.rsplit_once('\'')?;
    // A comment may have anything in it, and two quotes are one.
    let is_plain = !["--", "/*", "\\"].iter().any(|odd| text.contains(odd)) && !before.ends_with('\'');
    let keyword = before.trim_end().rsplit(|c: char| c.is_ascii_whitespace()).next()?;
    let is_named = ["transaction", "prepared"].iter().any(|word| keyword.eq_ignore_ascii_case(word));
    (is_plain && is_named && !gid.is_empty()).then(|| gid.into())
}

/// How far beyond the names in it a statement changes what names mean.
pub(super) fn reach(action: &Action) -> Reach {
    let kind = action.kind.as_str();
    // What another transaction has defined comes into force.
    let is_open = kind == "commit prepared" || kind == "alter schema" || UNNAMED.contains(&kind);
    // Tables made of a type follow it.
    let is_open = is_open || (kind == "alter type" && action.has(feature::CASCADE));
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
    let reading = Effect::READ | Effect::TRANSACTION | Effect::SESSION;
    let mut writes = false;
    let objects = actions.flat_map(|action| {
        writes |= !reading.contains(action.effects);
        &action.objects
    });
    let named = objects.filter(|object| matches!(object.kind, ObjectKind::Relation | ObjectKind::Function));
    let names: BTreeSet<ObjectName> = named.map(|object| name(&object.name)).collect();
    Rests { names, places: path.places(), writes }
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
        check("DROP VIEW a.v, w", &["a.v", "w"], Reach::Named);
        check("DROP TABLE t CASCADE", &["t"], Reach::Hidden);
        check("DROP TYPE t CASCADE", &[], Reach::Hidden);
        check("DROP SCHEMA a", &[], Reach::Hidden);
        check("CREATE SCHEMA a", &[], Reach::Named);
        check("CREATE SCHEMA a CREATE TABLE t (x int)", &["t"], Reach::Named);
        check("ALTER SCHEMA a RENAME TO b", &[], Reach::Anything);
        check("CREATE EXTENSION x", &[], Reach::Anything);
        check("IMPORT FOREIGN SCHEMA x FROM SERVER y INTO z", &[], Reach::Anything);
        check("COMMIT PREPARED 'x'", &[], Reach::Anything);
        check("ALTER TYPE t RENAME ATTRIBUTE a TO b CASCADE", &["t"], Reach::Anything);
        check("ALTER TYPE t ADD ATTRIBUTE a int CASCADE", &["t"], Reach::Anything);
        check("ALTER TYPE t RENAME ATTRIBUTE a TO b", &["t"], Reach::Named);
        check("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", &["f"], Reach::Named);
        check("REVOKE USAGE ON SCHEMA a FROM CURRENT_USER", &[], Reach::Hidden);
        check("GRANT r TO CURRENT_USER", &[], Reach::Hidden);
        check("BEGIN; CREATE VIEW v AS SELECT 1; COMMIT", &["v"], Reach::Named);
        for sql in [
            "SELECT * FROM t",
            "INSERT INTO t VALUES (1)",
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
    fn what_others_cannot_use_or_write_meanwhile() {
        let check = |sql: &str, locked: &[&str], limited: &[&str]| {
            let defined = defined(analyze(sql).expect(sql).iter());
            let [found, bound] = [&defined.locked, &defined.limited];
            let shown = |names: &BTreeSet<ObjectName>| names.iter().map(shown).collect::<Vec<_>>();
            assert_eq!((shown(found), shown(bound)), (owned(locked), owned(limited)), "{sql}");
            assert!(defined.names.is_empty() && defined.reach == Reach::Named, "{sql}");
        };
        check("TRUNCATE t, a.u CASCADE", &["t", "a.u"], &[]);
        check("LOCK t", &["t"], &[]);
        check("LOCK TABLE t IN ACCESS EXCLUSIVE MODE NOWAIT;", &["t"], &[]);
        check("CLUSTER t USING i", &["t"], &[]);
        check("REFRESH MATERIALIZED VIEW v", &["v"], &[]);
        check("CREATE UNIQUE INDEX ON t (x)", &[], &["t"]);
        check("create /* */ unique index i ON a.t (x)", &[], &["a.t"]);
        for sql in [
            "LOCK t IN SHARE MODE",
            "LOCK t IN row exclusive MODE NOWAIT",
            "LOCK TABLE t IN EXCLUSIVE MODE",
            "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
            "create index on t (x)",
            "SELECT * FROM t FOR UPDATE",
        ] {
            check(sql, &[], &[]);
        }
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_prepared_transaction_is_told_by_its_name() {
        let check =
            |sql: &str, expected: Option<&str>| assert_eq!(gid(sql.as_bytes()).as_deref(), expected, "{sql}");
        check("PREPARE TRANSACTION 'x'", Some("x"));
        check("BEGIN; prepare  transaction\n'a b' ; ", Some("a b"));
        check("COMMIT PREPARED 'x'", Some("x"));
        check("COMMIT PREPARED'x'", Some("x"));
        check("COMMIT PREPARED E'x'", None);
        check("COMMIT PREPARED 'x''y'", None);
        check("COMMIT PREPARED 'x' -- PREPARED 'y'", None);
        check("COMMIT PREPARED 'x' /* PREPARED 'y'", None);
        check("COMMIT PREPARED 'ü'", None);
        check("SELECT 'x'", None);
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
