//! What a generation is armed with, for whom, and what it takes over from the one before.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use grille_core::audit::JudgedAs;
use grille_core::role::{TokenUse, VectorAccess};
use grille_core::{Effect, PrincipalKind, Privilege, RoleName, RowShaping, Share, Treatment};
use grille_plugin::Plugin;
use serde_json::json;

use super::*;
use crate::settings::{UpstreamTls, WeakAuthentication};
use crate::support;

const POLICY: &str = "guard";
const DETECTOR: &str = "finder";
const MASKER: &str = "tokens";

/// A plugin that allows, finds or replaces nothing. Another version is another digest.
fn plugin(name: &str, world: &str, version: &str) -> Arc<Plugin> {
    let mut metadata = match world {
        "detector" => support::detector_metadata("alone"),
        _ => support::metadata(world),
    };
    metadata["version"] = version.into();
    let component = support::component(world, "", &metadata);
    let component = support::engine().compile(&component).unwrap();
    Arc::new(Plugin::configure(&component, PluginId::new(name), &json!({})).unwrap())
}

fn candidate(name: &str, world: &str, version: &str) -> Arc<Plugin> {
    Arc::new(plugin(name, world, version).on_trial())
}

fn canary(active: Arc<Plugin>, plugin: Arc<Plugin>, share: Share) -> Slot {
    Slot { active, trial: Some(Trial { plugin, kind: TrialKind::Canary { share } }) }
}

fn shadow(active: Arc<Plugin>, plugin: Arc<Plugin>) -> Slot {
    Slot { active, trial: Some(Trial { plugin, kind: TrialKind::Shadow }) }
}

fn policy_slot() -> Slot {
    Slot::of(plugin(POLICY, "policy", "1"))
}

/// A role for all groups, with what the tests' plugins are for.
fn role(policies: &[&str], detectors: &[&str], masker: Option<&str>) -> Role {
    let names = |names: &[&str]| names.iter().map(|name| PluginId::new(*name)).collect();
    Role {
        name: RoleName::new("analyst"),
        groups: vec!["analysts".into()],
        upstreams: vec![UpstreamName::new("shop")],
        statements: Effect::all(),
        policies: names(policies),
        detectors: names(detectors),
        treatments: masker
            .map(|name| ("NUMBER".to_owned(), Treatment::Plugin(name.to_owned())))
            .into_iter()
            .collect(),
        default_treatment: Treatment::Redact,
        columns: BTreeMap::new(),
        row_shaping: RowShaping::default(),
        privileges: Privilege::empty(),
        functions: vec![],
        vectors: VectorAccess::default(),
        tokens: TokenUse::default(),
        row_cap: None,
    }
}

fn parts(roles: Vec<Role>, plugins: impl IntoIterator<Item = (&'static str, Slot)>) -> GenerationParts {
    GenerationParts {
        verifier: TokenVerifier::new(&[]).unwrap(),
        upstreams: vec![],
        roles,
        plugins: plugins.into_iter().map(|(name, slot)| (PluginId::new(name), slot)).collect(),
    }
}

fn generation(parts: GenerationParts) -> Result<Generation, GenerationError> {
    Generation::new(GenerationId(1), parts)
}

fn principal(subject: impl Into<String>) -> Principal {
    Principal {
        issuer: "https://id.example.com".into(),
        subject: subject.into(),
        groups: vec!["analysts".into()],
        kind: PrincipalKind::Human,
        token_id: None,
        expires_at: 0,
    }
}

fn role_of(generation: &Generation, subject: &str) -> Arc<ArmedRole> {
    match generation.role_for(&principal(subject), &UpstreamName::new("shop")) {
        RoleChoice::Role(role) => role,
        other @ (RoleChoice::NotThere | RoleChoice::None) => panic!("{other:?}"),
    }
}

/// Which of these subjects a canary speaks to.
fn chosen(generation: &Generation, subjects: usize) -> Vec<usize> {
    let is_chosen = |subject: &usize| {
        let role = role_of(generation, &format!("user-{subject}"));
        role.records.iter().any(|record| record.stage == JudgedAs::Canary)
    };
    (0..subjects).filter(is_chosen).collect()
}

fn percent(percent: u8) -> Share {
    Share::of_percent(percent).unwrap()
}

#[test]
fn slots_that_do_not_fit_make_no_generation() {
    let check = |slots: Vec<(&'static str, Slot)>, expected: &str| {
        let error = generation(parts(vec![role(&[POLICY], &[], None)], slots)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    let policy = || plugin(POLICY, "policy", "1");
    check(vec![], "role analyst names plugin guard, which is not configured");
    check(
        vec![(POLICY, Slot::of(plugin(POLICY, "masker", "1")))],
        "role analyst uses plugin guard as a policy, but it is a masker",
    );
    let masker = || candidate(POLICY, "masker", "1");
    for slot in [shadow(policy(), masker()), canary(policy(), masker(), Share::NONE)] {
        check(vec![(POLICY, slot)], "plugin guard is a policy, and its candidate a masker");
    }
    check(
        vec![(POLICY, Slot::of(plugin("other", "policy", "1")))],
        "plugin guard was configured under the name other",
    );
    check(
        vec![(POLICY, shadow(policy(), candidate("other", "policy", "2")))],
        "plugin guard was configured under the name other",
    );
    let misplaced = "plugin guard and its candidate were configured for each other's place";
    check(vec![(POLICY, Slot::of(candidate(POLICY, "policy", "1")))], misplaced);
    check(vec![(POLICY, shadow(policy(), plugin(POLICY, "policy", "2")))], misplaced);
}

#[test]
fn there_is_one_canary_at_a_time() {
    let slot =
        |name, share| (name, canary(plugin(name, "policy", "1"), candidate(name, "policy", "2"), share));
    let two = generation(parts(vec![], [slot("a", Share::NONE), slot("b", Share::ALL)]));
    assert!(matches!(two, Err(GenerationError::SeveralCanaries { .. })), "{two:?}");
    let shadows =
        ["a", "b"].map(|name| (name, shadow(plugin(name, "policy", "1"), candidate(name, "policy", "2"))));
    let [first, _] = shadows.clone();
    assert!(generation(parts(vec![], shadows)).is_ok());
    assert!(generation(parts(vec![], [first, slot("b", Share::ALL)])).is_ok());
}

#[test]
fn a_canary_speaks_to_its_share_of_the_principals() {
    let (active, tried) = (plugin(POLICY, "policy", "1"), candidate(POLICY, "policy", "2"));
    let of = |share| {
        let slot = canary(Arc::clone(&active), Arc::clone(&tried), share);
        generation(parts(vec![role(&[POLICY], &[], None)], [(POLICY, slot)])).unwrap()
    };
    assert_eq!(chosen(&of(Share::NONE), 300), [0; 0]);
    assert_eq!(chosen(&of(Share::ALL), 300).len(), 300);
    let tenth = chosen(&of(percent(10)), 2_000);
    // Which they are follows from the digests, so this holds always or never.
    assert!((140..=260).contains(&tenth.len()), "{}", tenth.len());
    assert_eq!(chosen(&of(percent(10)), 2_000), tenth, "in another generation they are the same");
    let third = chosen(&of(percent(30)), 2_000);
    assert!(tenth.iter().all(|subject| third.contains(subject)), "who is in it stays in it when it grows");
    assert!(third.len() > tenth.len());
}

#[test]
fn another_candidate_speaks_to_others() {
    let of = |version| {
        let slot = canary(plugin(POLICY, "policy", "1"), candidate(POLICY, "policy", version), percent(20));
        chosen(&generation(parts(vec![role(&[POLICY], &[], None)], [(POLICY, slot)])).unwrap(), 500)
    };
    assert_ne!(of("2"), of("3"));
}

#[test]
fn a_principal_has_either_the_active_one_or_the_canary() {
    let worlds = [(POLICY, "policy"), (DETECTOR, "detector"), (MASKER, "masker")];
    let plugins: Vec<_> = worlds.iter().map(|(name, world)| (*name, plugin(name, world, "1"))).collect();
    for (tried, world) in worlds {
        let canary_of = candidate(tried, world, "2");
        let slot = |(name, active): &(&'static str, Arc<Plugin>)| {
            let slot = match *name == tried {
                true => canary(Arc::clone(active), Arc::clone(&canary_of), percent(50)),
                false => Slot::of(Arc::clone(active)),
            };
            (*name, slot)
        };
        let roles = vec![role(&[POLICY], &[DETECTOR], Some(MASKER))];
        let generation = generation(parts(roles, plugins.iter().map(slot))).unwrap();
        let chosen = chosen(&generation, 50);
        assert!(!chosen.is_empty() && chosen.len() < 50, "{tried}: both sides are seen");
        for subject in 0..50 {
            let role = role_of(&generation, &format!("user-{subject}"));
            let used: Vec<_> =
                role.policies.iter().chain(&role.detectors).chain(role.maskers.values()).collect();
            assert_eq!(used.len(), 3, "{tried}");
            for (plugin, record) in used.into_iter().zip(role.records.iter()) {
                let is_canary = chosen.contains(&subject) && plugin.id().as_str() == tried;
                assert_eq!(Arc::ptr_eq(plugin, &canary_of), is_canary, "{tried}, {}", plugin.id());
                let stage = if is_canary { JudgedAs::Canary } else { JudgedAs::Active };
                assert_eq!((record.stage, &record.digest), (stage, &plugin.record().digest));
            }
        }
    }
}

#[test]
fn a_role_without_the_slot_is_the_same_for_all() {
    let guard = canary(plugin(POLICY, "policy", "1"), candidate(POLICY, "policy", "2"), Share::ALL);
    let finder = Slot::of(plugin(DETECTOR, "detector", "1"));
    let slots = [(POLICY, guard), (DETECTOR, finder)];
    let generation = generation(parts(vec![role(&[], &[DETECTOR], None)], slots)).unwrap();
    assert_eq!(chosen(&generation, 50), [0; 0]);
    assert!(Arc::ptr_eq(&role_of(&generation, "ada"), &role_of(&generation, "bob")));
}

#[test]
fn a_shadow_judges_nobody() {
    let tried = candidate(POLICY, "policy", "2");
    let guard = shadow(plugin(POLICY, "policy", "1"), Arc::clone(&tried));
    let finder = Slot::of(plugin(DETECTOR, "detector", "1"));
    let slots = [(POLICY, guard), (DETECTOR, finder)];
    let generation = generation(parts(vec![role(&[POLICY], &[DETECTOR], None)], slots)).unwrap();
    let role = role_of(&generation, "ada");
    assert!(role.policies.iter().all(|policy| !Arc::ptr_eq(policy, &tried)));
    assert!(role.records.iter().all(|record| record.digest != tried.record().digest));
    assert!(Arc::ptr_eq(role.shadow_of(&PluginId::new(POLICY)).unwrap(), &tried));
    assert!(role.shadow_of(&PluginId::new(DETECTOR)).is_none());
    assert_eq!(chosen(&generation, 50), [0; 0]);
}

#[test]
fn whoever_has_no_role_has_none_in_a_canary_either() {
    let slot = canary(plugin(POLICY, "policy", "1"), candidate(POLICY, "policy", "2"), Share::ALL);
    let generation = generation(parts(vec![role(&[POLICY], &[], None)], [(POLICY, slot)])).unwrap();
    let stranger = Principal { groups: vec!["guests".into()], ..principal("ada") };
    let shop = UpstreamName::new("shop");
    assert!(matches!(generation.role_for(&stranger, &shop), RoleChoice::None));
    let elsewhere = generation.role_for(&principal("ada"), &UpstreamName::new("hr"));
    assert!(matches!(elsewhere, RoleChoice::NotThere));
}

#[test]
fn a_generation_is_deserted_when_nobody_has_it_or_a_role_of_it() {
    let parts = parts(vec![role(&[POLICY], &[], None)], [(POLICY, policy_slot())]);
    let generation = Arc::new(generation(parts).unwrap());
    assert!(generation.is_deserted());
    let other = Arc::clone(&generation);
    assert!(!generation.is_deserted());
    drop(other);
    let role = role_of(&generation, "ada");
    assert!(!generation.is_deserted(), "an exchange under way has its role");
    drop(role);
    assert!(generation.is_deserted());
}

fn settings(name: &str) -> UpstreamSettings {
    UpstreamSettings {
        name: UpstreamName::new(name),
        host: "127.0.0.1".into(),
        port: 5432,
        database: name.into(),
        user: "grille".into(),
        password: None,
        tls: UpstreamTls::Disable,
        weak_authentication: WeakAuthentication::default(),
        connect_timeout: Duration::from_secs(1),
    }
}

fn leading_to(upstreams: Vec<UpstreamSettings>) -> GenerationParts {
    let upstreams = upstreams.into_iter().map(Arc::new).collect();
    GenerationParts { upstreams, ..parts(vec![], []) }
}

/// Whether the catalogue of `shop`, and the upstream itself, are the same in both.
fn carries_over(before: &Generation, after: &Generation) -> bool {
    let shop = UpstreamName::new("shop");
    let is_same = Arc::ptr_eq(&before.catalog(&shop).unwrap(), &after.catalog(&shop).unwrap());
    let (one, other) = (before.upstream(&shop).unwrap(), after.upstream(&shop).unwrap());
    assert_eq!(is_same, Arc::ptr_eq(one, other), "a catalogue belongs to its upstream");
    is_same
}

#[test]
fn what_is_known_of_an_upstream_that_has_changed_is_forgotten() {
    let check = |change: fn(&mut UpstreamSettings), is_kept: bool| {
        let before = generation(leading_to(vec![settings("shop"), settings("hr")])).unwrap();
        let mut changed = settings("shop");
        change(&mut changed);
        let parts = leading_to(vec![changed.clone(), settings("hr")]);
        let after = Generation::succeeding(&before, GenerationId(2), parts).unwrap();
        assert_eq!(carries_over(&before, &after), is_kept, "{changed:?}");
        let hr = UpstreamName::new("hr");
        assert!(Arc::ptr_eq(&before.catalog(&hr).unwrap(), &after.catalog(&hr).unwrap()));
    };
    check(|_| {}, true);
    check(|settings| settings.host = "localhost".into(), false);
    check(|settings| settings.port = 5433, false);
    check(|settings| settings.database = "other".into(), false);
    check(|settings| settings.user = "other".into(), false);
    check(|settings| settings.weak_authentication.trust = true, false);
    check(|settings| settings.connect_timeout = Duration::from_secs(2), false);
}

#[test]
fn an_upstream_that_was_gone_is_a_new_one() {
    let first = generation(leading_to(vec![settings("shop")])).unwrap();
    let second = Generation::succeeding(&first, GenerationId(2), leading_to(vec![])).unwrap();
    assert!(second.catalog(&UpstreamName::new("shop")).is_none());
    let parts = leading_to(vec![settings("shop")]);
    let third = Generation::succeeding(&second, GenerationId(3), parts).unwrap();
    assert!(!carries_over(&first, &third));
}

fn write_certificate(file: &Path) -> String {
    let issued = rcgen::generate_simple_self_signed(vec!["db.example".to_owned()]).unwrap();
    fs::write(file, issued.cert.pem()).unwrap();
    issued.cert.pem()
}

#[test]
fn an_upstream_that_others_vouch_for_is_a_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    let first = write_certificate(&file);
    let trusting = || {
        let tls = UpstreamTls::Verify { ca: Some(file.clone()) };
        leading_to(vec![UpstreamSettings { tls, ..settings("shop") }])
    };
    let before = generation(trusting()).unwrap();
    let after = || Generation::succeeding(&before, GenerationId(2), trusting());
    assert!(carries_over(&before, &after().unwrap()));
    fs::write(&file, format!("# the same, written anew\n{first}")).unwrap();
    assert!(carries_over(&before, &after().unwrap()));
    fs::write(&file, "").unwrap();
    assert!(matches!(after(), Err(GenerationError::Upstream { .. })), "an unusable file is told");
    fs::remove_file(&file).unwrap();
    let plugins = [(PluginId::new(POLICY), policy_slot())];
    let swapped = Generation::with_plugins(&before, GenerationId(2), plugins.into()).unwrap();
    assert!(carries_over(&before, &swapped), "other plugins need no file");
    let second = write_certificate(&file);
    assert!(!carries_over(&before, &after().unwrap()));
    fs::write(&file, format!("{second}{first}")).unwrap();
    let both = after().unwrap();
    assert!(!carries_over(&before, &both), "one more is trusted");
    fs::write(&file, format!("{first}{second}")).unwrap();
    let turned = Generation::succeeding(&both, GenerationId(3), trusting()).unwrap();
    assert!(carries_over(&both, &turned), "the order is of no account");
}
