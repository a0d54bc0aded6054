//! Where unqualified names are looked up in a session, and what it has done to that.

use std::sync::Arc;

use grille_core::action::feature;
use grille_core::{Access, Action, Effect, ObjectKind};

use crate::catalog::Snapshot;

/// SHA-256, cut to 128 bits, over the search path.
pub(crate) type PathDigest = [u8; 16];

/// Who said what a session's search path is when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathSource {
    /// The server: its configuration, or a setting of the role's or the database's.
    Server,
    /// The client, with its startup.
    Startup,
}

/// Where unqualified names are looked up.
#[derive(Clone, Debug)]
pub(crate) struct SearchPath {
    now: Meaning,
    /// What RESET makes of it.
    initial: Meaning,
    /// The schemas that the initial one names, whether they are there or not; none where that cannot be told.
    places: Option<Arc<[Box<str>]>>,
    digest: PathDigest,
    /// It is the initial one again once what runs has come to a good end.
    returns: bool,
    /// The session may be somebody else, so that `"$user"` means another schema.
    is_somebody_else: bool,
    /// These come before all others.
    temporary: Temporary,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    /// As a fresh connection had it when the session began, and has it still; in the server's words.
    Default(Box<str>),
    /// These schemas, as far as they may be used.
    Schemas(Vec<Box<str>>),
    /// Any schema.
    Unknown,
}

/// Whether the session has temporary relations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Temporary {
    None,
    Perhaps,
}

impl SearchPath {
    /// Of a session of which the server says that this is its `search_path`; none if it was not asked. `user` is whom Grille
    /// logs in as.
    pub(crate) fn new(setting: Option<&str>, source: PathSource, user: &str) -> Self {
        let meaning = match (setting, source) {
            (None, PathSource::Server | PathSource::Startup) => Meaning::Unknown,
            (Some(text), PathSource::Server) => Meaning::Default(text.into()),
            (Some(text), PathSource::Startup) => {
                parse_path(text, user).map_or(Meaning::Unknown, Meaning::Schemas)
            }
        };
        Self {
            digest: digest(&meaning, Temporary::None),
            now: meaning.clone(),
            initial: meaning,
            places: setting.and_then(|text| parse_path(text, user)).map(Into::into),
            returns: false,
            is_somebody_else: false,
            temporary: Temporary::None,
        }
    }

    /// Equal for sessions in which unqualified names are looked up alike.
    pub(super) fn digest(&self) -> PathDigest {
        self.digest
    }

    /// Whether a fresh connection has another one than this session had when it began: a setting of the role's or the
    /// database's has changed, and the catalogue may not know yet.
    pub(crate) fn is_news_to(&self, snapshot: &Snapshot) -> bool {
        matches!(&self.initial, Meaning::Default(setting) if **setting != *snapshot.search_path_setting())
    }

    /// The schemas in their order; none where any may be meant. Once a fresh connection has another path, that of an old
    /// session is not known: a change of the server's configuration reaches it, one of the role's settings does not.
    pub(super) fn schemas(&self, snapshot: &Snapshot) -> Option<Vec<Box<str>>> {
        match &self.now {
            Meaning::Default(setting) => {
                let is_same = **setting == *snapshot.search_path_setting();
                is_same.then(|| snapshot.schema().search_path().to_vec())
            }
            Meaning::Schemas(path) => {
                Some(path.iter().filter(|schema| !snapshot.is_closed(schema)).cloned().collect())
            }
            Meaning::Unknown => None,
        }
    }

    /// Every schema in which names may be looked up, also once schemas have come and gone; none for any.
    pub(super) fn places(&self) -> Option<Arc<[Box<str>]>> {
        match self.now {
            Meaning::Default(_) | Meaning::Schemas(_) => self.places.clone(),
            Meaning::Unknown => None,
        }
    }

    /// Whether an unqualified name may mean a temporary relation.
    pub(super) fn may_have_temporary(&self) -> bool {
        self.temporary == Temporary::Perhaps
    }

    /// Takes note of something that is permitted to run.
    pub(super) fn note(&mut self, action: &Action) {
        self.returns = false;
        if action.effects.contains(Effect::DEFINE) && self.temporary == Temporary::None {
            self.temporary = Temporary::Perhaps;
            self.digest = digest(&self.now, self.temporary);
        }
        if changes_identity(action) {
            self.lose();
        } else if changes_path(action) {
            self.become_of(Meaning::Unknown);
        }
    }

    /// Anything may have been done to it.
    pub(super) fn lose(&mut self) {
        self.returns = false;
        self.is_somebody_else = true;
        self.temporary = Temporary::Perhaps;
        self.become_of(Meaning::Unknown);
    }

    /// Takes note that the statement noted last runs alone: nothing is open that could undo it.
    pub(crate) fn note_alone(&mut self, action: &Action) {
        // RESET ALL leaves the role alone, DISCARD ALL does not.
        let is_reset = action.kind == "reset" && !self.is_somebody_else && changes_path(action);
        let is_discard = action.kind == "discard" && changes_path(action);
        self.returns = is_reset || is_discard;
    }

    /// What ran has failed, or something else runs that may undo it.
    pub(crate) fn stay(&mut self) {
        self.returns = false;
    }

    /// What ran has come to an end, and no transaction is open.
    pub(crate) fn settle(&mut self) {
        if self.returns {
            self.returns = false;
            self.is_somebody_else = false;
            self.become_of(self.initial.clone());
        }
    }

    fn become_of(&mut self, meaning: Meaning) {
        self.digest = digest(&meaning, self.temporary);
        self.now = meaning;
    }
}

/// Whether the session may be somebody else after it.
fn changes_identity(action: &Action) -> bool {
    let sets_identity = action.objects.iter().any(|object| {
        (object.kind, object.access) == (ObjectKind::Setting, Access::Set)
            && matches!(object.name.as_str(), "role" | "session_authorization")
    });
    sets_identity
        || action.has(feature::SET_ROLE)
        || sets_anything(action)
        || action.effects.contains(Effect::EXECUTE)
}

/// Whether it sets what only the server can tell.
fn sets_anything(action: &Action) -> bool {
    action.has(feature::SET_CONFIG) && action.objects.iter().all(|object| object.kind != ObjectKind::Setting)
}

/// Whether unqualified names may mean something else after it. `"$user"` in a path follows SET ROLE.
fn changes_path(action: &Action) -> bool {
    let sets_path = action.objects.iter().any(|object| {
        (object.kind, object.access) == (ObjectKind::Setting, Access::Set)
            && matches!(object.name.as_str(), "search_path" | "*")
    });
    sets_path
        || matches!(action.setting.as_deref(), Some("search_path" | "*"))
        || action.has(feature::SET_ROLE)
        || sets_anything(action)
        || action.effects.contains(Effect::EXECUTE)
}

/// A list of names as the server splits it (`SplitIdentifierString` in src/backend/utils/adt/varlena.c); none where the
/// server would refuse it. What the server looks through first without being told comes first.
fn parse_path(text: &str, user: &str) -> Option<Vec<Box<str>>> {
    let mut path: Vec<Box<str>> = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = parse_name(rest)?;
        path.push(if name == "$user" { user.into() } else { name.into() });
        rest = match after.trim_start().strip_prefix(',') {
            Some(next) if !next.trim().is_empty() => next.trim_start(),
            None if after.trim().is_empty() => "",
            Some(_) | None => return None,
        };
    }
    if path.iter().all(|schema| &**schema != "pg_catalog") {
        path.insert(0, "pg_catalog".into());
    }
    Some(path)
}

fn parse_name(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| c == ',' || c.is_ascii_whitespace()).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        return (!name.is_empty() && name.is_ascii()).then(|| (name.to_ascii_lowercase(), rest));
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('"')?;
        name.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, after)),
        }
    }
}

fn digest(meaning: &Meaning, temporary: Temporary) -> PathDigest {
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    match temporary {
        Temporary::None => hash.update(b"n"),
        Temporary::Perhaps => hash.update(b"t"),
    }
    match meaning {
        Meaning::Default(setting) => {
            hash.update(b"default");
            hash.update(setting.as_bytes());
        }
        Meaning::Unknown => hash.update(b"unknown"),
        Meaning::Schemas(schemas) => {
            hash.update(b"schemas");
            for schema in schemas {
                hash.update(&(schema.len() as u64).to_be_bytes());
                hash.update(schema.as_bytes());
            }
        }
    }
    hash.finish().as_ref().first_chunk().copied().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use grille_wire::sql::analyze;

    use super::*;

    #[test]
    fn a_search_path_is_split_as_the_server_does() {
        let check = |text: &str, expected: Option<&[&str]>| {
            let expected = expected.map(|path| path.iter().map(|name| Box::from(*name)).collect::<Vec<_>>());
            assert_eq!(parse_path(text, "app"), expected, "{text}");
        };
        check("public", Some(&["pg_catalog", "public"]));
        check(r#" "$user" , Public"#, Some(&["pg_catalog", "app", "public"]));
        check(r#""A, ""b""",pg_catalog"#, Some(&["A, \"b\"", "pg_catalog"]));
        check("", Some(&["pg_catalog"]));
        check("a,", None);
        check("a b", None);
        check("\"a", None);
        check("é", None);
    }

    fn fresh() -> SearchPath {
        SearchPath::new(Some("public"), PathSource::Server, "app")
    }

    fn after(sql: &str) -> SearchPath {
        let mut path = fresh();
        analyze(sql).expect(sql).iter().for_each(|action| path.note(action));
        path
    }

    #[test]
    fn what_may_change_the_path_makes_it_unknown() {
        for sql in [
            "SET search_path = a",
            "SET LOCAL search_path TO a",
            "SET SCHEMA 'a'",
            "RESET ALL",
            "DISCARD ALL",
            "SELECT set_config('search_path', 'a', false)",
            "SELECT set_config(x, 'a', false) FROM t",
            "UPDATE pg_settings SET setting = 'a' WHERE name = 'search_path'",
            "SET ROLE other",
            "DO $$ BEGIN END $$",
            "CALL f()",
        ] {
            assert_eq!((after(sql).now, after(sql).places()), (Meaning::Unknown, None), "{sql}");
        }
        for sql in ["SELECT 1", "SET work_mem = '1MB'", "SELECT set_config('jit', 'off', false)", "BEGIN"] {
            assert_eq!(after(sql).now, fresh().now, "{sql}");
            assert!(after(sql).places().is_some(), "{sql}");
        }
    }

    #[test]
    fn a_reset_that_nothing_can_undo_brings_the_first_path_back() {
        let check = |before: &str, reset: &str, expected: bool| {
            let mut path = after(before);
            let actions = analyze(reset).expect(reset);
            path.note(&actions[0]);
            path.note_alone(&actions[0]);
            assert_eq!(path.now, Meaning::Unknown, "{reset}: not before it has ended");
            path.settle();
            assert_eq!(path.now == fresh().now, expected, "{before}; {reset}");
        };
        check("SET search_path = a", "RESET search_path", true);
        check("SET search_path = a", "RESET ALL", true);
        check("SET search_path = a", "DISCARD ALL", true);
        check("SET search_path = a", "RESET work_mem", false);
        check("SET search_path = a", "SET search_path = b", false);
        check("SET search_path = a", "DISCARD PLANS", false);
        check("SET ROLE x", "RESET ALL", false);
        check("SET ROLE x", "DISCARD ALL", true);
        check("CALL p()", "RESET search_path", false);
    }

    #[test]
    fn a_reset_that_fails_or_is_undone_brings_nothing_back() {
        let reset = &analyze("RESET ALL").expect("SQL")[0];
        for undo in [SearchPath::stay, |path: &mut SearchPath| {
            path.note(&analyze("ROLLBACK").expect("SQL")[0]);
        }] {
            let mut path = after("SET search_path = a");
            path.note(reset);
            path.note_alone(reset);
            undo(&mut path);
            path.settle();
            assert_eq!(path.now, Meaning::Unknown);
        }
    }
}
