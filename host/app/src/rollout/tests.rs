//! Rollouts without a data plane: files change, commands come, plugins fail, Grille starts again.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../../../plugin/tests/support/mod.rs"]
mod support;

use std::fs;
use std::path::PathBuf;

use grille_admin::PluginStatus;
use grille_core::rollout::Target;
use serde_json::json;

use super::*;
use crate::config;

/// A folder with a configuration of one plugin, and what Grille keeps.
struct Place {
    folder: tempfile::TempDir,
}

/// A policy of that version that allows everything.
fn policy(version: &str) -> Vec<u8> {
    policy_with(version, "", json!([]))
}

/// The same with these functions of its own, and vectors.
fn policy_with(version: &str, body: &str, vectors: serde_json::Value) -> Vec<u8> {
    let mut metadata = support::metadata("policy");
    (metadata["version"], metadata["vectors"]) = (version.into(), vectors);
    support::component("policy", body, &metadata)
}

/// Traps at every statement, and has no vector that would show it.
fn trapping(version: &str) -> Vec<u8> {
    let decide =
        "(func (export \"decide\") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
        unreachable)";
    policy_with(version, decide, json!([]))
}

impl Place {
    fn new(first: &[u8]) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        place.put(first);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, component: &[u8]) {
        fs::write(self.path("guard.wasm"), component).unwrap();
    }

    fn config(&self, keys: &str) -> Config {
        let text = format!(
            "[[listener]]\nname = \"clients\"\naddress = \"127.0.0.1:6432\"\nallow_plaintext = true\n\
             [[issuer]]\nissuer = \"http://127.0.0.1:1\"\naudiences = [\"grille\"]\n\
             [[upstream]]\nname = \"sales\"\nhost = \"localhost\"\nuser = \"app\"\n\
             authentication = [\"trust\"]\ntls = {{ mode = \"disable\" }}\n[audit]\ndirectory = \"audit\"\n\
             [[role]]\nname = \"a\"\ngroups = [\"a\"]\nupstreams = [\"sales\"]\nstatements = [\"read\"]\n\
             policies = [\"guard\"]\ndetectors = []\n\
             [[plugin]]\nname = \"guard\"\nfile = \"guard.wasm\"\n{keys}\n"
        );
        config::parse(&text, &self.path("grille.toml")).unwrap()
    }

    fn start(&self, keys: &str) -> Result<Rollout, Failure> {
        let (config, store) = (self.config(keys), RevisionStore::open(&self.path("state")).unwrap());
        let (engine, files) = (support::engine().clone(), fetch_all(&config));
        Rollout::start(config, engine, store, &files, &mut Registry::default()).map(|(rollout, _)| rollout)
    }

    /// Has Grille look at its files, with these keys of the plugin.
    fn look(&self, rollout: &Rollout, keys: &str) -> Result<Reloaded, Failure> {
        let config = match self.config(keys) {
            written if written.source.text() == rollout.config().source.text() => rollout.config(),
            written => Arc::new(written),
        };
        let files = fetch_all(&config);
        rollout.reload(config, Vec::new(), &files, Reason::Changed)
    }

    /// Names a component to Grille.
    fn name(&self, rollout: &Rollout, component: &[u8], target: &str) -> Result<String, String> {
        let file = self.path("named.wasm");
        fs::write(&file, component).unwrap();
        let target: Target = target.parse().unwrap();
        let named = Named { file: Some(file), target, imports: Imports::AsBefore };
        rollout.admit("guard", named, "user id 7").map(|done| done.message)
    }
}

const UNSIGNED: &str = "unsigned = true";

fn status(rollout: &Rollout) -> PluginStatus {
    rollout.status(Some("guard")).unwrap().plugins.remove(0)
}

/// The versions that are active, previous and tried.
fn versions(rollout: &Rollout) -> [String; 3] {
    let status = status(rollout);
    let version =
        |revision: Option<grille_admin::RevisionStatus>| revision.map_or_else(String::new, |one| one.version);
    [Some(status.active), status.previous, status.candidate].map(version)
}

fn refused(rollout: &Rollout) -> String {
    status(rollout).refused.map_or_else(String::new, |refused| format!("{}: {}", refused.stage, refused.why))
}

#[test]
fn a_file_that_changes_is_active_and_one_that_is_broken_changes_nothing() {
    let place = Place::new(&policy("1"));
    let rollout = place.start(UNSIGNED).unwrap();
    assert_eq!(place.look(&rollout, UNSIGNED).unwrap(), Reloaded::Nothing);
    place.put(&policy("2"));
    assert_eq!(place.look(&rollout, UNSIGNED).unwrap(), Reloaded::Generation);
    assert_eq!(versions(&rollout), ["2", "1", ""]);

    place.put(&policy("3")[..100]);
    assert_eq!(place.look(&rollout, UNSIGNED).unwrap(), Reloaded::Nothing);
    assert!(refused(&rollout).starts_with("compile: "), "{}", refused(&rollout));
    fs::remove_file(place.path("guard.wasm")).unwrap();
    assert_eq!(place.look(&rollout, UNSIGNED).unwrap(), Reloaded::Nothing);
    assert!(refused(&rollout).starts_with("fetch: "), "{}", refused(&rollout));
    let wrong = json!([{"kind": "select", "expect": "deny"}]);
    place.put(&policy_with("4", "", wrong));
    assert_eq!(place.look(&rollout, UNSIGNED).unwrap(), Reloaded::Nothing);
    assert!(refused(&rollout).starts_with("vectors: vector 1, select: expected"), "{}", refused(&rollout));
    assert_eq!(versions(&rollout), ["2", "1", ""]);

    place.put(&policy("2"));
    assert_eq!(place.look(&rollout, UNSIGNED).unwrap(), Reloaded::Nothing, "it is active already");
    assert_eq!(versions(&rollout), ["2", "1", ""]);
}

#[test]
fn the_rest_of_a_configuration_is_reloaded_beside_a_broken_plugin() {
    let place = Place::new(&policy("1"));
    let rollout = place.start(UNSIGNED).unwrap();
    place.put(b"broken");
    let changed = format!("{UNSIGNED}\nrollout = {{ to = \"shadow\" }}");
    assert_eq!(place.look(&rollout, &changed).unwrap(), Reloaded::Generation);
    assert_eq!(rollout.config().plugins[0].rollout.target, "shadow".parse().unwrap());
    assert_eq!(versions(&rollout), ["1", "", ""]);
    place.put(&policy("2"));
    assert_eq!(place.look(&rollout, &changed).unwrap(), Reloaded::Generation);
    assert_eq!(versions(&rollout), ["1", "", "2"]);
    rollout.promote("guard", "user id 7").unwrap();
    assert_eq!(versions(&rollout), ["2", "1", ""]);
}

#[test]
fn what_was_rolled_back_stays_out_over_a_restart_and_comes_when_it_is_named() {
    let place = Place::new(&policy("1"));
    let rollout = place.start(UNSIGNED).unwrap();
    place.put(&policy("2"));
    place.look(&rollout, UNSIGNED).unwrap();
    let done = rollout.roll_back("guard", "user id 7").unwrap();
    assert!(done.message.contains("test/plugin 1 ") && done.message.contains("again"), "{}", done.message);
    assert_eq!(status(&rollout).held_back[0].why, "rolled back by user id 7");
    place.look(&rollout, UNSIGNED).unwrap();
    assert_eq!(versions(&rollout), ["1", "", ""]);

    drop(rollout);
    let rollout = place.start(UNSIGNED).unwrap();
    assert_eq!(versions(&rollout), ["1", "", ""]);
    let named = Named { file: None, target: Target::Active, imports: Imports::AsBefore };
    rollout.admit("guard", named, "user id 7").unwrap();
    assert_eq!(versions(&rollout), ["2", "1", ""]);
    assert!(status(&rollout).held_back.is_empty());
}

#[test]
fn settings_are_a_revision_that_can_be_gone_back_from() {
    let place = Place::new(&policy("1"));
    let rollout = place.start(UNSIGNED).unwrap();
    let settings = |number: u32| format!("{UNSIGNED}\nsettings = {{ number = {number} }}");
    place.look(&rollout, &settings(1)).unwrap();
    let status_then = status(&rollout);
    let previous = status_then.previous.unwrap();
    assert_eq!(previous.digest, status_then.active.digest);
    assert_ne!(previous.settings, status_then.active.settings);
    rollout.roll_back("guard", "user id 7").unwrap();
    assert_eq!(status(&rollout).active.settings, previous.settings);
    place.look(&rollout, &settings(1)).unwrap();
    assert_eq!(status(&rollout).active.settings, previous.settings, "they are held back");
    place.look(&rollout, &settings(2)).unwrap();
    assert_ne!(status(&rollout).active.settings, previous.settings, "others are not");
}

#[test]
fn what_an_operator_activated_survives_a_restart_until_the_file_changes() {
    let place = Place::new(&policy("1"));
    let rollout = place.start(UNSIGNED).unwrap();
    place.name(&rollout, &policy("7"), "active").unwrap();
    place.look(&rollout, UNSIGNED).unwrap();
    drop(rollout);
    let rollout = place.start(UNSIGNED).unwrap();
    assert_eq!(versions(&rollout), ["7", "1", ""]);
    assert_eq!(status(&rollout).active.arrival.as_deref(), Some("command"));
    place.put(&policy("2"));
    place.look(&rollout, UNSIGNED).unwrap();
    assert_eq!(versions(&rollout), ["2", "7", ""]);
}

#[test]
fn a_command_that_is_refused_says_what_stays() {
    let place = Place::new(&policy("1"));
    let rollout = place.start(UNSIGNED).unwrap();
    let told = place.name(&rollout, b"broken", "canary:10%").unwrap_err();
    assert!(told.starts_with("candidate refused at compile: "), "{told}");
    assert!(told.contains("; test/plugin 1 (sha256:") && told.ends_with("…) stays active"), "{told}");
    assert!(refused(&rollout).starts_with("compile: "));
    let told = place.name(&rollout, &policy("1"), "shadow").unwrap_err();
    assert!(told.starts_with("candidate refused at admission: it is the active revision already"), "{told}");
    let relative =
        Named { file: Some("guard.wasm".into()), target: Target::Active, imports: Imports::AsBefore };
    assert!(rollout.admit("guard", relative, "x").err().unwrap().contains("not an absolute path"));
    assert!(rollout.roll_back("guarf", "x").err().unwrap().ends_with("did you mean `guard`?"));
    assert_eq!(versions(&rollout), ["1", "", ""]);
}

#[test]
fn a_broken_file_at_the_start_leaves_the_last_good_one_and_nothing_where_there_is_none() {
    let place = Place::new(&policy("1"));
    drop(place.start(UNSIGNED).unwrap());
    place.put(b"broken");
    let rollout = place.start(UNSIGNED).unwrap();
    assert_eq!(versions(&rollout), ["1", "", ""]);
    assert!(refused(&rollout).starts_with("compile: "));
    drop(rollout);
    fs::remove_file(place.path("state/slots.json")).unwrap();
    assert!(matches!(place.start(UNSIGNED), Err(Failure::Configuration(_))));
}

#[test]
fn what_is_no_longer_trusted_falls_back_at_the_start_and_refuses_a_reload() {
    let place = Place::new(&policy("1"));
    let rollout = place.start(UNSIGNED).unwrap();
    place.put(&policy("2"));
    place.look(&rollout, UNSIGNED).unwrap();
    let pinned = format!("digest = \"{}\"", candidate::digest_of(&policy("1")));
    let failure = place.look(&rollout, &pinned).unwrap_err().to_string();
    assert!(failure.contains("not the one given"), "{failure}");
    assert_eq!(versions(&rollout), ["2", "1", ""]);

    drop(rollout);
    let rollout = place.start(&pinned).unwrap();
    assert_eq!(versions(&rollout), ["1", "", ""]);
    drop(rollout);
    let other = format!("digest = \"{}\"", candidate::digest_of(b"other"));
    assert!(matches!(place.start(&other), Err(Failure::Configuration(_))));
}

#[test]
fn a_component_that_is_damaged_where_it_is_kept_is_taken_from_the_file() {
    let place = Place::new(&policy("1"));
    let rollout = place.start(UNSIGNED).unwrap();
    place.put(&policy("2"));
    place.look(&rollout, UNSIGNED).unwrap();
    drop(rollout);
    for kept in fs::read_dir(place.path("state/components")).unwrap() {
        fs::write(kept.unwrap().path(), "damaged").unwrap();
    }
    let rollout = place.start(UNSIGNED).unwrap();
    assert_eq!(versions(&rollout), ["2", "", ""], "what cannot be gone back to is not offered");
}

/// Has the active plugin, or the candidate, judge so many statements.
fn judge(
    rollout: &Rollout,
    which: fn(&grille_core::rollout::Slot) -> grille_core::rollout::RevisionId,
    times: u32,
) {
    let state = rollout.state.lock();
    let plugin = grille_core::PluginId::new("guard");
    let revision = which(state.draft.slots.slot(&plugin).unwrap());
    let ready = state.draft.ready.find(&plugin, &revision).unwrap();
    for _ in 0..times {
        let _ = ready.plugin.decide(&support::context(), &support::action(), &[]);
    }
}

#[test]
fn what_fails_on_probation_is_rolled_back_by_itself() {
    let place = Place::new(&policy("1"));
    let rollout = place.start(UNSIGNED).unwrap();
    place.put(&trapping("2"));
    place.look(&rollout, UNSIGNED).unwrap();
    judge(&rollout, |slot| slot.active().revision, 2);
    rollout.judge();
    assert_eq!(versions(&rollout), ["2", "1", ""], "two are not enough");
    judge(&rollout, |slot| slot.active().revision, 1);
    rollout.judge();
    assert_eq!(versions(&rollout), ["1", "", ""]);
    let why = &status(&rollout).held_back[0].why;
    assert!(why.starts_with("3 of 3 calls failed, the last: trapped"), "{why}");

    place.name(&rollout, &trapping("3"), "canary:10%").unwrap();
    judge(&rollout, |slot| slot.candidate().unwrap().revision, 3);
    rollout.judge();
    assert_eq!(versions(&rollout), ["1", "", ""]);
    place.name(&rollout, &trapping("3"), "shadow").unwrap();
    judge(&rollout, |slot| slot.candidate().unwrap().revision, 3);
    rollout.judge();
    assert_eq!(versions(&rollout), ["1", "", "3"], "a shadow harms nobody");
}

#[test]
fn a_rollback_does_not_wait_for_who_prepares_candidates() {
    let place = Place::new(&policy("1"));
    let rollout = place.start(UNSIGNED).unwrap();
    place.put(&policy("2"));
    place.look(&rollout, UNSIGNED).unwrap();
    let _preparing = rollout.work.lock();
    rollout.roll_back("guard", "user id 7").unwrap();
    assert_eq!(versions(&rollout), ["1", "", ""]);
}

#[test]
fn what_cannot_be_kept_does_not_come_and_goes_all_the_same() {
    let place = Place::new(&policy("1"));
    let rollout = place.start(UNSIGNED).unwrap();
    place.put(&policy("2"));
    place.look(&rollout, UNSIGNED).unwrap();
    // A folder in the way of the list: as hard a failure as a full disk, and one that root meets too.
    fs::remove_file(place.path("state/slots.json")).unwrap();
    fs::create_dir_all(place.path("state/slots.json/in-the-way")).unwrap();
    let told = place.name(&rollout, &policy("3"), "active").unwrap_err();
    assert!(told.starts_with("nothing has changed: "), "{told}");
    assert_eq!(versions(&rollout), ["2", "1", ""]);
    rollout.roll_back("guard", "user id 7").unwrap();
    assert_eq!(versions(&rollout), ["1", "", ""]);
}
