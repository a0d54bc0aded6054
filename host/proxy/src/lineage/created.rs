//! Tables that a session has made in its open transaction, for as long as it is certain that they are what they were made as.
//!
//! A statement counts from when it is permitted: should it fail, the server runs nothing behind it that could see the
//! difference, until the transaction ends or goes back to a savepoint. Whatever does that, and whatever is not followed
//! here, makes all of them uncertain.

use std::collections::BTreeSet;
use std::sync::Arc;

use grille_core::action::feature;
use grille_core::{Access, Action, Effect, ObjectKind};
use grille_wire::sql::schema::Relation;

use crate::moment::Moment;

/// Definitions after which every name means what it meant.
pub(super) const KEEPS_MEANING: [&str; 4] = ["comment", "create index", "create statistics", "reindex"];

/// Most tables that are kept in mind of one session, and most columns of all of them: a migration makes some dozens.
const TABLES_MAX: usize = 256;
const COLUMNS_MAX: usize = 8192;

/// Whether what is made can be relied on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Ground {
    /// The transaction is open until something noted here ends it, or it ends with what is under way.
    #[default]
    Firm,
    /// Something was sent that ends the transaction, and the server has not said yet where it stands. What fails now may be
    /// followed by what does not.
    Unanswered,
}

/// See the module's documentation.
#[derive(Clone, Debug, Default)]
pub(super) struct Created {
    tables: Vec<(Arc<Relation>, Moment)>,
    ground: Ground,
    /// Something may have made, renamed or dropped anything.
    lost_track: bool,
}

impl Created {
    /// The tables, each with the moment it was made in.
    pub(super) fn tables(&self) -> impl Iterator<Item = (&Arc<Relation>, Moment)> {
        self.tables.iter().map(|(relation, since)| (relation, *since))
    }

    /// Whether there is one of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.tables.iter().any(|(relation, _)| *relation.name == *name)
    }

    /// Keeps a table in mind that a statement makes; false where it cannot be relied on.
    pub(super) fn keep(&mut self, made: &Arc<Relation>, since: Moment) -> bool {
        let columns: usize = self.tables.iter().map(|(relation, _)| relation.columns.len()).sum();
        let has_room = self.tables.len() < TABLES_MAX && columns + made.columns.len() <= COLUMNS_MAX;
        let is_reliable = has_room && self.ground == Ground::Firm && !self.lost_track;
        if is_reliable {
            // A temporary table and one that is not can have the same name.
            self.tables.retain(|(known, _)| known.name != made.name || known.schema != made.schema);
            self.tables.push((Arc::clone(made), since));
        }
        is_reliable
    }

    /// Takes note of a statement: what it touches is not what it was made as. Names of which that holds are put to the
    /// uncertain. Whether there was any.
    pub(super) fn follow(&mut self, action: &Action, uncertain: &mut BTreeSet<Box<str>>) -> bool {
        if ends_transaction(action) {
            self.lose_tables(uncertain);
            self.ground = Ground::Unanswered;
            return true;
        }
        if !is_followed(action) {
            self.lose(uncertain);
            return true;
        }
        if !action.effects.contains(Effect::DEFINE) || KEEPS_MEANING.contains(&action.kind.as_str()) {
            return false;
        }
        let before = self.tables.len();
        for name in touched(action) {
            if self.has(&name) {
                self.tables.retain(|(relation, _)| *relation.name != *name);
                uncertain.insert(name.into());
            }
        }
        before != self.tables.len()
    }

    /// Nothing is certain any more, also of what is made later.
    pub(super) fn lose(&mut self, uncertain: &mut BTreeSet<Box<str>>) {
        self.lose_tables(uncertain);
        self.lost_track = true;
    }

    /// The server has said where the transaction stands.
    pub(super) fn catch_up(&mut self) {
        self.ground = Ground::Firm;
    }

    fn lose_tables(&mut self, uncertain: &mut BTreeSet<Box<str>>) {
        uncertain.extend(self.tables.drain(..).map(|(relation, _)| relation.name.clone()));
    }
}

/// Whether it ends the transaction, or goes back in it.
fn ends_transaction(action: &Action) -> bool {
    const GOES_ON: [&str; 4] = ["begin", "release", "savepoint", "start transaction"];
    action.effects.contains(Effect::TRANSACTION) && !GOES_ON.contains(&action.kind.as_str())
}

/// Definitions of which the names that they touch are all that they touch.
const FOLLOWED: [&str; 14] = [
    "alter index",
    "alter sequence",
    "alter table",
    "alter view",
    "create materialized view",
    "create sequence",
    "create table",
    "create table as",
    "create view",
    "drop index",
    "drop sequence",
    "drop table",
    "drop view",
    "select into",
];

fn is_followed(action: &Action) -> bool {
    let kind = action.kind.as_str();
    let is_known =
        !action.effects.contains(Effect::DEFINE) || KEEPS_MEANING.contains(&kind) || FOLLOWED.contains(&kind);
    is_known
        && kind != "discard"
        && !action.effects.contains(Effect::EXECUTE)
        && !action.has(feature::CASCADE)
}

/// Names of the relations that a definition changes. One that changes or drops any changes all it mentions; one that makes
/// something leaves what it reads as it is.
fn touched(action: &Action) -> impl Iterator<Item = String> {
    let makes = action.kind.starts_with("create") || action.kind == "select into";
    action
        .objects
        .iter()
        .filter(|object| object.kind == ObjectKind::Relation)
        .filter(move |object| !makes || object.access != Access::Read)
        .map(|object| last_name(&object.name))
}

/// `users` of `public.users`, without the quotes that a name may stand in.
pub(super) fn last_name(name: &str) -> String {
    parts(name).pop().unwrap_or_default()
}

/// The parts of a name, without the quotes that they may stand in: a quoted part may hold dots, and a quote within it stands
/// twice.
pub(super) fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut is_quoted = false;
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        let last = parts.len() - 1;
        match letter {
            '"' if is_quoted && letters.next_if_eq(&'"').is_some() => parts[last].push('"'),
            '"' => is_quoted = !is_quoted,
            '.' if !is_quoted => parts.push(String::new()),
            letter => parts[last].push(letter),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use grille_wire::sql::analyze;
    use grille_wire::sql::schema::RelationKind;

    use super::*;
    use crate::moment::next;

    fn table(schema: &str, name: &str) -> Arc<Relation> {
        Arc::new(Relation {
            oid: 0,
            schema: schema.into(),
            name: name.into(),
            kind: RelationKind::Table,
            columns: Vec::new(),
            definition: None,
            parents: Vec::new(),
            compared: Vec::new(),
        })
    }

    #[test]
    fn a_last_name_loses_its_quotes() {
        let check = |name: &str, expected: &str| assert_eq!(last_name(name), expected, "{name}");
        check("users", "users");
        check("public.users", "users");
        check(r#"public."Users""#, "Users");
        check(r#"public."a.b""#, "a.b");
        check(r#""say ""hi""""#, r#"say "hi""#);
    }

    /// Names that are still known after the statement, of `t` and `u`; then whether another would be.
    fn after(sql: &str) -> (Vec<String>, bool) {
        let mut created = Created::default();
        let mut uncertain = BTreeSet::new();
        for name in ["t", "u"] {
            assert!(created.keep(&table("pg_temp", name), next()));
        }
        for action in analyze(sql).expect(sql) {
            created.follow(&action, &mut uncertain);
        }
        let left: Vec<String> = created.tables().map(|(relation, _)| relation.name.to_string()).collect();
        let is_told = |name: &&str| left.iter().any(|left| left == name) != uncertain.contains(*name);
        assert!(["t", "u"].iter().all(is_told), "{sql}: {left:?} {uncertain:?}");
        (left, created.keep(&table("", "v"), next()))
    }

    #[test]
    fn what_is_made_is_known_until_something_may_have_changed_it() {
        let check = |sql: &str, left: &[&str], another: bool| {
            let (found, keeps) = after(sql);
            assert_eq!(
                (found.iter().map(String::as_str).collect::<Vec<_>>(), keeps),
                (left.to_vec(), another),
                "{sql}"
            );
        };
        for sql in [
            "SELECT * FROM t",
            "INSERT INTO t VALUES (1)",
            "COPY t FROM STDIN",
            "TRUNCATE t",
            "CREATE INDEX ON t (a)",
            "CREATE UNIQUE INDEX i ON t (a)",
            "COMMENT ON TABLE t IS 'x'",
            "CREATE TABLE x AS SELECT * FROM t",
            "SELECT * INTO x FROM t",
            "CREATE VIEW x AS SELECT * FROM t",
            "DROP TABLE x",
            "SAVEPOINT s",
            "RELEASE s",
            "BEGIN",
            "EXECUTE p",
            "SET search_path = x",
        ] {
            check(sql, &["t", "u"], true);
        }
        for sql in [
            "DROP TABLE t",
            "DROP TABLE IF EXISTS pg_temp.t",
            "ALTER TABLE t ADD COLUMN b int",
            "ALTER TABLE x INHERIT t",
            "ALTER TABLE x RENAME TO t",
            "CREATE TABLE IF NOT EXISTS t (a int)",
            "CREATE TABLE x () INHERITS (t)",
            "CREATE OR REPLACE VIEW t AS SELECT 1",
            "SELECT 1 AS a INTO t",
        ] {
            check(sql, &["u"], true);
        }
        for sql in [
            "ROLLBACK",
            "ROLLBACK TO s",
            "COMMIT",
            "END",
            "ABORT",
            "COMMIT AND CHAIN",
            "PREPARE TRANSACTION 'x'",
        ] {
            check(sql, &[], false);
        }
        for sql in [
            "DISCARD TEMP",
            "DISCARD ALL",
            "DROP TABLE x CASCADE",
            "DROP SCHEMA x",
            "DROP TYPE x",
            "ALTER SCHEMA x RENAME TO y",
            "CREATE RULE r AS ON INSERT TO t DO ALSO NOTHING",
            "CREATE TRIGGER r BEFORE INSERT ON t EXECUTE FUNCTION f()",
            "CREATE EXTENSION x",
            "IMPORT FOREIGN SCHEMA x FROM SERVER y INTO z",
            "DROP OWNED BY x",
            "DO $$ BEGIN END $$",
            "CALL f()",
            "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1",
        ] {
            check(sql, &[], false);
        }
    }

    #[test]
    fn once_the_server_has_answered_the_next_transaction_counts_again() {
        let mut created = Created::default();
        for action in analyze("COMMIT").expect("SQL") {
            created.follow(&action, &mut BTreeSet::new());
        }
        assert!(!created.keep(&table("", "t"), next()));
        created.catch_up();
        assert!(created.keep(&table("", "t"), next()));
    }

    #[test]
    fn what_is_kept_in_mind_is_bounded() {
        let mut created = Created::default();
        let kept = (0..TABLES_MAX + 9).filter(|n| created.keep(&table("", &n.to_string()), next())).count();
        assert_eq!(kept, TABLES_MAX);
    }
}
