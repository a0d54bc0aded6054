//! What names mean in a session: what it has done to its search path, and what it has defined that others, the catalogue's
//! connection among them, do not see before it is committed.

use std::collections::BTreeSet;
use std::sync::Arc;

use grille_core::action::feature;
use grille_core::{Access, Action, Effect, ObjectKind};
use grille_wire::postgres::Statement;
use grille_wire::sql::lineage::{Lineage, Naming};
use grille_wire::sql::schema::Relation;

use super::Traced;
use super::created::{Created, KEEPS_MEANING, last_name};
use super::defined::{self, reach};
use super::path::{PathDigest, SearchPath};
use crate::catalog::{Reach, Rules, Snapshot};
use crate::moment::{Moment, next};

/// What names mean in a session.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    path: SearchPath,
    /// Names that were defined, altered or dropped, and are not settled yet.
    uncertain: BTreeSet<Box<str>>,
    /// Any name may have changed.
    everything: bool,
    /// What others of its name hid may have come to light.
    unhidden: bool,
    /// Other sessions may have defined anything.
    unsure: bool,
    /// Something was defined that is not settled yet.
    defined: bool,
    /// Others can see of it, once it is settled.
    shows: bool,
    /// Tables of the session's own making, of which it is known what they are.
    created: Created,
}

impl Names {
    /// Of a session with that search path, in which nothing was defined.
    pub(crate) fn new(path: SearchPath) -> Self {
        Self {
            path,
            uncertain: BTreeSet::new(),
            everything: false,
            unhidden: false,
            unsure: false,
            defined: false,
            shows: false,
            created: Created::default(),
        }
    }

    /// Equal for sessions in which unqualified names are looked up alike.
    pub(crate) fn digest(&self) -> PathDigest {
        self.path.digest()
    }

    /// Whether names mean what the catalogue says: what is judged now holds for others too.
    pub(crate) fn are_certain(&self) -> bool {
        !self.defined
    }

    /// Whether others can see what was defined, once it is settled.
    pub(crate) fn show(&self) -> bool {
        self.shows
    }

    /// For the lineage of a statement that was read then.
    pub(crate) fn naming(&self, snapshot: &Snapshot, rules: &Rules, read_at: Moment) -> Naming {
        let search_path = self.path.schemas(snapshot);
        let mut uncertain = self.uncertain.clone();
        if self.everything {
            uncertain.extend(snapshot.schema().relations().iter().map(|relation| relation.name.clone()));
        }
        if self.unhidden {
            uncertain.extend(snapshot.namesakes().map(Box::from));
        }
        uncertain.extend(self.appeared(snapshot, read_at));
        let mut created = Vec::new();
        for (relation, since) in self.created.tables() {
            if since <= read_at && !may_protect(rules, relation) {
                created.push(Arc::clone(relation));
            } else {
                uncertain.insert(relation.name.clone());
            }
        }
        Naming { search_path, uncertain, created, has_no_temporary: !self.path.may_have_temporary() }
    }

    /// Relations that a plan made for a statement of that moment may not mean, although a name finds them now: the server
    /// makes a plan anew when what it uses changes, not when something else gets in the way (`plancache.c`).
    fn appeared(&self, snapshot: &Snapshot, read_at: Moment) -> impl Iterator<Item = Box<str>> {
        let places = self.path.places();
        let appeared = snapshot.appeared_since(read_at);
        let reachable = appeared.filter(move |(schema, _)| {
            places.as_ref().is_none_or(|all| all.iter().any(|one| **one == **schema))
        });
        reachable.map(|(schema, name)| format!("{schema}.{name}").into())
    }

    /// The same where other sessions may have defined anything: nothing is certain.
    pub(crate) fn unsure(&self) -> Self {
        Self { unsure: true, everything: true, defined: true, ..self.without_created() }
    }

    /// Whether other sessions may have defined anything.
    pub(crate) fn are_unsure(&self) -> bool {
        self.unsure
    }

    /// Takes note of a statement that is permitted to run: from now on its effects may be there.
    pub(crate) fn note<'a>(&mut self, actions: impl Iterator<Item = &'a Action>, traced: Option<&Traced>) {
        for (index, action) in actions.enumerate() {
            let made = traced.and_then(|traced| traced.made(index));
            let is_new = made.is_some_and(|made| !self.has_touched(&made.name));
            self.note_action(action);
            self.created.follow(action, &mut self.uncertain);
            if let Some(made) = made
                && self.created.keep(made, next())
                && is_new
            {
                self.uncertain.remove(&made.name);
            }
        }
        // One that is let run may define things too. It is taken for what another connection defines: known once the
        // catalogue has grown old. To read it again after each call would cost more than the call.
        if traced.is_some_and(Traced::calls_unknown_functions) {
            self.path.lose();
        }
        if traced.is_some_and(Traced::calls_volatile_functions) {
            self.created.lose(&mut self.uncertain);
        }
    }

    fn note_action(&mut self, action: &Action) {
        self.path.note(action);
        self.note_definition(action);
    }

    /// Whether anything of that name was defined, altered or dropped.
    fn has_touched(&self, name: &str) -> bool {
        self.uncertain.contains(name) || self.created.has(name)
    }

    /// What they mean to the statements of a message of several: each may run after any other has changed them.
    pub(super) fn within(&self, message: &Statement) -> Self {
        let mut names = self.clone();
        if message.actions.len() > 1 {
            message.actions.iter().for_each(|action| names.note_action(action));
        }
        names
    }

    /// The same, where the search path cannot be known.
    pub(super) fn without_path(&self, message: &Statement) -> Self {
        let mut names = self.within(message);
        names.path.lose();
        names
    }

    /// The same, where nothing that was made is known.
    pub(super) fn without_created(&self) -> Self {
        let mut names = self.clone();
        names.created.lose(&mut names.uncertain);
        names
    }

    /// Takes note of a statement of a message before the next is traced: of what it makes or undoes. What else it does was
    /// noted by [`Names::within`]; `outside` is what held before the message. Whether anything may have changed.
    pub(super) fn pass(
        &mut self,
        message: &Statement,
        index: usize,
        outside: &Self,
        lineage: &Lineage,
    ) -> bool {
        let Some(action) = message.actions.get(index) else { return false };
        let mut changed = self.created.follow(action, &mut self.uncertain);
        // What stands behind a name is traced later.
        let runs_another = matches!(action.kind.as_str(), "execute" | "fetch");
        if runs_another || lineage.unknown_functions.iter().any(|function| function.is_volatile) {
            self.created.lose(&mut self.uncertain);
            changed = true;
        }
        if let Some(made) = &lineage.made
            && self.created.keep(made, Moment::MIN)
        {
            let definers = message.actions.iter().filter(|action| defines(action, &made.name)).count();
            if definers == 1 && !outside.uncertain.contains(&made.name) {
                self.uncertain.remove(&made.name);
            }
            changed = true;
        }
        changed
    }

    /// Everything that was sent has been answered, and the server has said where the transaction stands.
    pub(crate) fn catch_up(&mut self) {
        self.created.catch_up();
    }

    /// Where unqualified names are looked up.
    pub(crate) fn path(&mut self) -> &mut SearchPath {
        &mut self.path
    }

    /// The same, to look at.
    pub(crate) fn search_path(&self) -> &SearchPath {
        &self.path
    }

    /// Everything that was defined is committed, or gone.
    pub(crate) fn settle(&mut self) {
        self.uncertain.clear();
        self.created = Created::default();
        (self.everything, self.unhidden, self.defined, self.shows) = (false, false, false, false);
    }

    fn note_definition(&mut self, action: &Action) {
        // Temporary tables go, and what they hid comes back.
        let discards = action.kind == "discard";
        let runs_code = action.effects.contains(Effect::EXECUTE);
        let reach = reach(action);
        if !(discards || runs_code || defined::defines(action) || reach != Reach::Named) {
            return;
        }
        self.defined = true;
        self.shows |= !discards && !action.has(feature::TEMPORARY);
        self.everything |= discards || reach == Reach::Anything;
        self.unhidden |= reach == Reach::Hidden;
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

/// Whether the statement defines, alters or drops something of that name.
fn defines(action: &Action, name: &str) -> bool {
    !KEEPS_MEANING.contains(&action.kind.as_str())
        && action.objects.iter().any(|object| {
            matches!(object.access, Access::Define | Access::Drop) && last_name(&object.name) == name
        })
}

/// Whether a rule may name one of the table's columns once it is committed.
fn may_protect(rules: &Rules, relation: &Relation) -> bool {
    let schema = (!relation.schema.is_empty()).then_some(&*relation.schema);
    relation.columns.iter().any(|column| rules.may_name(schema, &relation.name, &column.name))
}

#[cfg(test)]
mod tests {
    use grille_wire::sql::analyze;

    use super::*;
    use crate::lineage::PathSource;

    fn after(sql: &str) -> Names {
        let mut names = Names::new(SearchPath::new(Some("public"), PathSource::Server, "app"));
        names.note(analyze(sql).expect(sql).iter(), None);
        names
    }

    #[test]
    fn what_was_hidden_may_come_to_light_until_it_is_settled() {
        let check = |sql: &str, expected: bool| {
            let mut names = after(sql);
            assert_eq!((names.unhidden, names.are_certain()), (expected, !expected), "{sql}");
            names.settle();
            assert!(!names.unhidden && names.are_certain(), "{sql}");
        };
        check("DROP DOMAIN d CASCADE", true);
        check("DROP OWNED BY CURRENT_USER", true);
        check("REVOKE USAGE ON SCHEMA a FROM CURRENT_USER", true);
        check("REVOKE r FROM CURRENT_USER", true);
        check("GRANT SELECT ON t TO PUBLIC", false);
        check("TRUNCATE t CASCADE", false);
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
        check("ALTER TABLE t RENAME TO u", &["t", "u"], false);
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
