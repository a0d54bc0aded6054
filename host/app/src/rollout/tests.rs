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
        let rules = Rules::read(&config);
        rollout.reload(config, Vec::new(), &files, rules, Reason::Changed)
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

#[test]
fn half_a_file_does_not_let_in_what_was_rolled_back() {
    let place = Place::new(&policy("1"));
    let rollout = place.start(UNSIGNED).unwrap();
    place.put(&policy("2"));
    place.look(&rollout, UNSIGNED).unwrap();
    rollout.roll_back("guard", "user id 7").unwrap();
    for half in [&[][..], &policy("2")[..100]] {
        place.put(half);
        place.look(&rollout, UNSIGNED).unwrap();
        place.put(&policy("2"));
        place.look(&rollout, UNSIGNED).unwrap();
        assert_eq!(versions(&rollout), ["1", "", ""]);
    }
    place.put(&policy("3"));
    place.look(&rollout, UNSIGNED).unwrap();
    place.put(&policy("2"));
    place.look(&rollout, UNSIGNED).unwrap();
    assert_eq!(versions(&rollout), ["2", "3", ""], "another that passed is a word");
}

#[test]
fn what_is_held_back_does_not_fill_a_slot_that_lost_all_others() {
    let place = Place::new(&policy("1"));
    let rollout = place.start(UNSIGNED).unwrap();
    place.put(&policy("2"));
    place.look(&rollout, UNSIGNED).unwrap();
    rollout.roll_back("guard", "user id 7").unwrap();
    drop(rollout);
    let kept = format!("state/components/{}.wasm", candidate::digest_of(&policy("1")).hex());
    fs::remove_file(place.path(&kept)).unwrap();
    for _ in 0..2 {
        let failure = place.start(UNSIGNED).map(|_| ()).unwrap_err().to_string();
        assert!(failure.contains("held back (rolled back by user id 7)"), "{failure}");
    }
    place.put(&policy("3"));
    let rollout = place.start(UNSIGNED).unwrap();
    assert_eq!(versions(&rollout), ["3", "", ""]);
}

#[test]
fn what_is_held_back_stays_so_while_it_is_looked_at() {
    let place = Place::new(&policy("1"));
    let rollout = place.start(UNSIGNED).unwrap();
    place.put(&policy("2"));
    place.look(&rollout, UNSIGNED).unwrap();
    rollout.roll_back("guard", "user id 7").unwrap();
    place.name(&rollout, &policy("2"), "shadow").unwrap();
    rollout.drop_candidate("guard", "user id 7").unwrap();
    place.look(&rollout, &format!("{UNSIGNED}\nsettings = {{ number = 1 }}")).unwrap();
    assert_eq!(versions(&rollout), ["1", "1", ""]);
    assert_eq!(status(&rollout).held_back.len(), 1);
}

fn settings(number: u32) -> String {
    format!("{UNSIGNED}\nsettings = {{ number = {number} }}")
}

/// Whether what is active has the settings of the configuration, and what status says where it has not.
fn has_configured_settings(rollout: &Rollout) -> bool {
    let status = status(rollout);
    let has = status.settings_in_configuration.as_ref() == Some(&status.active.settings);
    let told = status.notes.iter().any(|note| note.contains("not those of the configuration"));
    assert_ne!(has, told, "{:?}", status.notes);
    has
}

#[test]
fn a_rollback_does_not_put_the_settings_of_the_configuration_aside() {
    let place = Place::new(&policy("1"));
    let rollout = place.start(&settings(1)).unwrap();
    place.put(&policy("2"));
    place.look(&rollout, &settings(2)).unwrap();
    rollout.roll_back("guard", "user id 7").unwrap();
    assert_eq!(versions(&rollout), ["1", "", ""]);
    assert!(!has_configured_settings(&rollout));
    place.look(&rollout, &settings(2)).unwrap();
    assert_eq!(versions(&rollout), ["1", "1", ""]);
    assert!(has_configured_settings(&rollout));

    // Those that fail there too stay out, and status says that others are in force.
    rollout.roll_back("guard", "user id 7").unwrap();
    place.look(&rollout, &settings(2)).unwrap();
    assert!(!has_configured_settings(&rollout));
    drop(rollout);
    let rollout = place.start(&settings(2)).unwrap();
    assert!(!has_configured_settings(&rollout));
    place.look(&rollout, &settings(3)).unwrap();
    assert_eq!(versions(&rollout), ["1", "1", ""]);
    assert!(has_configured_settings(&rollout));
}

#[test]
fn settings_that_a_rollback_put_aside_are_in_force_after_a_restart() {
    let place = Place::new(&policy("1"));
    let rollout = place.start(&settings(1)).unwrap();
    place.put(&policy("2"));
    place.look(&rollout, &settings(2)).unwrap();
    rollout.roll_back("guard", "user id 7").unwrap();
    drop(rollout);
    let rollout = place.start(&settings(2)).unwrap();
    assert_eq!(versions(&rollout)[0], "1");
    assert!(has_configured_settings(&rollout));
}

#[test]
fn what_serves_instead_at_the_start_gets_the_settings_of_the_configuration() {
    let place = Place::new(&policy("1"));
    let rollout = place.start(&settings(1)).unwrap();
    place.put(&policy("2"));
    place.look(&rollout, &settings(2)).unwrap();
    drop(rollout);
    let pinned = format!("digest = \"{}\"\nsettings = {{ number = 2 }}", candidate::digest_of(&policy("1")));
    let rollout = place.start(&pinned).unwrap();
    assert_eq!(versions(&rollout)[0], "1");
    place.look(&rollout, &pinned).unwrap();
    assert_eq!(versions(&rollout)[0], "1");
    assert!(has_configured_settings(&rollout));
}

#[test]
fn a_candidate_that_a_canary_was_in_the_way_of_comes_when_it_ends() {
    let place = Place::new(&policy("1"));
    let keys = format!(
        "{UNSIGNED}\n[[plugin]]\nname = \"other\"\nfile = \"other.wasm\"\n{UNSIGNED}\nrollout = {{ to = \"canary:10%\" }}"
    );
    fs::write(place.path("other.wasm"), policy("1")).unwrap();
    let rollout = place.start(&keys).unwrap();
    place.name(&rollout, &policy("7"), "canary:10%").unwrap();
    fs::write(place.path("other.wasm"), policy("2")).unwrap();
    place.look(&rollout, &keys).unwrap();
    let other = || rollout.status(Some("other")).unwrap().plugins.remove(0);
    assert_eq!(other().refused.unwrap().stage, "admission");
    place.look(&rollout, &keys).unwrap();
    assert!(other().candidate.is_none());
    rollout.promote("guard", "user id 7").unwrap();
    place.look(&rollout, &keys).unwrap();
    assert_eq!(other().candidate.unwrap().version, "2");
    assert!(other().refused.is_none());
}

#[test]
fn without_automatic_rollback_what_fails_stays_and_status_says_so() {
    let place = Place::new(&policy("1"));
    let keys = format!("{UNSIGNED}\nrollout = {{ failures_max = 0 }}");
    let rollout = place.start(&keys).unwrap();
    place.put(&trapping("2"));
    place.look(&rollout, &keys).unwrap();
    judge(&rollout, |slot| slot.active().revision, 5);
    rollout.judge();
    assert_eq!(versions(&rollout), ["2", "1", ""]);
    let notes = status(&rollout).notes;
    assert!(notes.iter().any(|note| note.contains("`rollout.failures_max` is 0")), "{notes:?}");
}

#[test]
fn what_the_file_tries_serves_at_the_start_where_nothing_else_can() {
    let place = Place::new(&policy("1"));
    let keys = format!("{UNSIGNED}\nrollout = {{ to = \"canary:10%\" }}");
    let rollout = place.start(&keys).unwrap();
    place.put(&policy("2"));
    place.look(&rollout, &keys).unwrap();
    assert_eq!(versions(&rollout), ["1", "", "2"]);
    drop(rollout);
    let kept = format!("state/components/{}.wasm", candidate::digest_of(&policy("1")).hex());
    fs::remove_file(place.path(&kept)).unwrap();
    let rollout = place.start(&keys).unwrap();
    assert_eq!(versions(&rollout), ["2", "", ""]);
}

#[test]
fn what_a_command_was_refused_does_not_come_by_the_file_that_holds_it_too() {
    let place = Place::new(&policy("1"));
    let keys = format!("{UNSIGNED}\n[[plugin]]\nname = \"other\"\nfile = \"other.wasm\"\n{UNSIGNED}");
    fs::write(place.path("other.wasm"), policy("1")).unwrap();
    let rollout = place.start(&keys).unwrap();
    place.name(&rollout, &policy("7"), "active").unwrap();
    fs::write(place.path("aside.wasm"), policy("2")).unwrap();
    let canary = Named {
        file: Some(place.path("aside.wasm")),
        target: "canary:10%".parse().unwrap(),
        imports: Imports::AsBefore,
    };
    rollout.admit("other", canary, "user id 7").unwrap();
    let told = place.name(&rollout, &policy("1"), "canary:10%").unwrap_err();
    assert!(told.starts_with("candidate refused at admission: `other` has a canary"), "{told}");
    rollout.drop_candidate("other", "user id 7").unwrap();
    let config = rollout.config();
    for reason in [Reason::Unsettled, Reason::Asked] {
        let (files, rules) = (fetch_all(&config), Rules::read(&config));
        rollout.reload(Arc::clone(&config), Vec::new(), &files, rules, reason).unwrap();
        assert_eq!(versions(&rollout), ["7", "1", ""]);
    }
    drop(rollout);
    assert_eq!(versions(&place.start(&keys).unwrap()), ["7", "1", ""]);
}
