//! What names mean in a session: what it has done to its search path, and what it has defined that others, the catalogue's
//! connection among them, do not see before it is committed.

use std::collections::BTreeSet;

use grille_core::action::feature;
use grille_core::{Access, Action, Effect, ObjectKind};
use grille_wire::postgres::Statement;
use grille_wire::sql::lineage::Naming;

use super::Traced;
use crate::catalog::Snapshot;

/// SHA-256, cut to 128 bits, over the search path.
pub(crate) type PathDigest = [u8; 16];

/// Where unqualified names are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
enum SearchPath {
    /// As on any fresh connection.
    Default,
    /// As the client asked for when it connected.
    Startup(Vec<Box<str>>),
    /// Something in the session may have changed it.
    Unknown,
}

/// What names mean in a session.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    path: SearchPath,
    digest: PathDigest,
    /// Names that were defined, altered or dropped, and are not settled yet.
    uncertain: BTreeSet<Box<str>>,
    /// Any name may have changed.
    everything: bool,
    /// Something was defined that is not settled yet.
    defined: bool,
}

impl Names {
    /// Of a session whose client sent this `search_path` with its startup; `user` is whom Grille logs in as.
    pub(crate) fn new(startup: Option<&str>, user: &str) -> Self {
        let path = match startup {
            None => SearchPath::Default,
            Some(text) => parse_path(text, user).map_or(SearchPath::Unknown, SearchPath::Startup),
        };
        Self { digest: digest(&path), path, uncertain: BTreeSet::new(), everything: false, defined: false }
    }

    /// Equal for sessions in which unqualified names are looked up alike.
    pub(crate) fn digest(&self) -> PathDigest {
        self.digest
    }

    /// Whether names mean what the catalogue says: what is judged now holds for others too.
    pub(crate) fn are_certain(&self) -> bool {
        !self.defined
    }

    /// For lineage.
    pub(crate) fn naming(&self, snapshot: &Snapshot) -> Naming {
        let search_path = match &self.path {
            SearchPath::Default => Some(snapshot.schema().search_path().to_vec()),
            SearchPath::Startup(path) => Some(path.clone()),
            SearchPath::Unknown => None,
        };
        let mut uncertain = self.uncertain.clone();
        if self.everything {
            uncertain.extend(snapshot.schema().relations().iter().map(|relation| relation.name.clone()));
        }
        Naming { search_path, uncertain }
    }

    /// Takes note of a statement that is permitted to run: from now on its effects may be there.
    pub(crate) fn note<'a>(&mut self, actions: impl Iterator<Item = &'a Action>, traced: Option<&Traced>) {
        for action in actions {
            if changes_path(action) {
                self.lose_path();
            }
            self.note_definition(action);
        }
        // One that is let run may define things too. It is taken for what another connection defines: known once the
        // catalogue has grown old. To read it again after each call would cost more than the call.
        if traced.is_some_and(Traced::calls_unknown_functions) {
            self.lose_path();
        }
    }

    /// What they mean to the statements of a message of several: each may run after any other has changed them.
    pub(super) fn within(&self, message: &Statement) -> Self {
        let mut names = self.clone();
        if message.actions.len() > 1 {
            names.note(message.actions.iter(), None);
        }
        names
    }

    /// The same, where the search path cannot be known.
    pub(super) fn without_path(&self, message: &Statement) -> Self {
        let mut names = self.within(message);
        names.lose_path();
        names
    }

    /// Everything that was defined is committed, or gone.
    pub(crate) fn settle(&mut self) {
        self.uncertain.clear();
        (self.everything, self.defined) = (false, false);
    }

    fn lose_path(&mut self) {
        self.path = SearchPath::Unknown;
        self.digest = digest(&self.path);
    }

    fn note_definition(&mut self, action: &Action) {
        // Temporary tables go, and what they hid comes back.
        let discards = action.kind == "discard";
        let runs_code = action.effects.contains(Effect::EXECUTE);
        let defines =
            action.effects.contains(Effect::DEFINE) && !KEEPS_MEANING.contains(&action.kind.as_str());
        if !(discards || runs_code || defines) {
            return;
        }
        self.defined = true;
        self.everything |= discards;
        for object in &action.objects {
            match (object.kind, object.access) {
                (ObjectKind::Schema, Access::Define | Access::Drop) => self.everything = true,
                (ObjectKind::Relation | ObjectKind::Function, Access::Define | Access::Drop) => {
                    self.uncertain.insert(last_name(&object.name).into());
                }
                _ => {}
            }
        }
    }
}

/// Definitions after which every name means what it meant.
const KEEPS_MEANING: [&str; 4] = ["comment", "create index", "create statistics", "reindex"];

/// Whether unqualified names may mean something else after it. `"$user"` in a path follows SET ROLE.
fn changes_path(action: &Action) -> bool {
    let sets_path = action.objects.iter().any(|object| {
        (object.kind, object.access) == (ObjectKind::Setting, Access::Set)
            && matches!(object.name.as_str(), "search_path" | "*")
    });
    let names_settings = action.objects.iter().any(|object| object.kind == ObjectKind::Setting);
    sets_path
        || matches!(action.setting.as_deref(), Some("search_path" | "*"))
        || action.has(feature::SET_ROLE)
        || (action.has(feature::SET_CONFIG) && !names_settings)
        || action.effects.contains(Effect::EXECUTE)
}

/// `users` of `public.users`, without the quotes that a name may stand in.
fn last_name(name: &str) -> String {
    match name.strip_suffix('"') {
        // A quoted part may hold dots; a quote within it stands twice.
        Some(quoted) => {
            let start = quoted.replace("\"\"", "\0\0").rfind('"').map_or(0, |at| at + 1);
            quoted[start..].replace("\"\"", "\"")
        }
        None => name.rsplit('.').next().unwrap_or(name).to_owned(),
    }
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

fn digest(path: &SearchPath) -> PathDigest {
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    match path {
        SearchPath::Default => hash.update(b"default"),
        SearchPath::Unknown => hash.update(b"unknown"),
        SearchPath::Startup(schemas) => {
            hash.update(b"startup");
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

    #[test]
    fn a_last_name_loses_its_quotes() {
        let check = |name: &str, expected: &str| assert_eq!(last_name(name), expected, "{name}");
        check("users", "users");
        check("public.users", "users");
        check(r#"public."Users""#, "Users");
        check(r#"public."a.b""#, "a.b");
        check(r#""say ""hi""""#, r#"say "hi""#);
    }

    fn after(sql: &str) -> Names {
        let mut names = Names::new(None, "app");
        names.note(analyze(sql).expect(sql).iter(), None);
        names
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
            assert_eq!(after(sql).path, SearchPath::Unknown, "{sql}");
        }
        for sql in ["SELECT 1", "SET work_mem = '1MB'", "SELECT set_config('jit', 'off', false)", "BEGIN"] {
            assert_eq!(after(sql).path, SearchPath::Default, "{sql}");
        }
    }

    #[test]
    fn what_is_defined_is_uncertain_until_it_is_settled() {
        let check = |sql: &str, expected: &[&str], everything: bool| {
            let mut names = after(sql);
            let uncertain: Vec<&str> = names.uncertain.iter().map(|name| &**name).collect();
            assert_eq!((uncertain.as_slice(), names.everything), (expected, everything), "{sql}");
            assert!(!names.are_certain(), "{sql}");
            names.settle();
            assert!(names.are_certain() && names.uncertain.is_empty() && !names.everything);
        };
        check("CREATE TABLE a.t (x int)", &["t"], false);
        check("CREATE TEMP TABLE t AS SELECT 1", &["t"], false);
        check("SELECT 1 AS x INTO t", &["t"], false);
        check("ALTER TABLE t RENAME TO u", &["t"], false);
        check("DROP VIEW \"V\"", &["V"], false);
        check("CREATE OR REPLACE VIEW v AS SELECT 1", &["v"], false);
        check("ALTER SCHEMA a RENAME TO b", &[], true);
        check("DROP SCHEMA a CASCADE", &[], true);
        check("DISCARD TEMP", &[], true);
        for sql in ["SELECT 1", "CREATE INDEX ON t (x)", "COMMENT ON TABLE t IS 'x'", "TRUNCATE t"] {
            assert!(after(sql).are_certain(), "{sql}");
        }
    }
}
