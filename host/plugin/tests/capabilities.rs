//! Capabilities, with guests that use them (tests/guests): what is granted works within its bounds, what is not keeps a plugin
//! from being loaded, and no exchange, role or plugin sees what is another's.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use grille_core::{Action, PluginId, Principal, PrincipalKind, RoleName, UpstreamName};
use grille_plugin::untrusted::CellBlock;
use grille_plugin::{
    Capability, Component, ConfigureError, Engine, ExchangeContext, FailureEvent, Grants, KeyedTransforms,
    Masker, Outbound, OutboundError, OutboundReply, OutboundRequest, Plugin, PluginFailure, Services,
    SessionContext,
};
use serde_json::{Value, json};
use support::{action, fields};

/// Answers as the path says.
#[derive(Default)]
struct Web {
    asked: Mutex<Vec<String>>,
}

impl Outbound for Web {
    fn fetch(&self, request: OutboundRequest<'_>) -> Result<OutboundReply, OutboundError> {
        self.asked.lock().unwrap().push(request.host.to_string());
        let wait = |time| {
            let (_sender, never) = mpsc::channel::<()>();
            let _ = never.recv_timeout(time);
        };
        let reply = |status, bytes| OutboundReply { status, headers: vec![], body: vec![0; bytes] };
        match request.path {
            "/slow" => {
                wait(support::limits().deadline * 2);
                Ok(reply(200, 10))
            }
            "/hangs" => {
                wait(request.timeout);
                Err(OutboundError::TimedOut)
            }
            "/large" => Ok(reply(200, 1 << 20)),
            "/moved" => Ok(reply(302, 0)),
            _ => Ok(reply(200, 10)),
        }
    }
}

/// The engine that all tests share, with services of its own. State is by the name of the plugin: tests that keep any use names of
/// their own.
struct World {
    web: Arc<Web>,
    engine: Engine,
}

impl World {
    fn new() -> Self {
        let web = Arc::<Web>::default();
        let keyed = Arc::new(KeyedTransforms::new(&[7; 32]).unwrap());
        let services = Services { outbound: Some(web.clone()), keyed: Some(keyed) };
        Self { web, engine: support::engine().clone().with_services(services) }
    }

    fn guest(&self, name: &str) -> Component {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins");
        let bytes = std::fs::read(folder.join(name).with_extension("wasm"))
            .unwrap_or_else(|error| panic!("{name}.wasm: {error}; run `cargo xtask plugins` first"));
        self.engine.compile(&bytes).unwrap()
    }

    fn policy(&self, name: &str, settings: &Value) -> Plugin {
        let grants = all_grants();
        let component = self.guest("capable-policy");
        Plugin::configure_granted(&component, PluginId::new(name), settings, &grants).unwrap()
    }
}

fn all_grants() -> Grants {
    let capabilities = [Capability::Log, Capability::Clock, Capability::State, Capability::Egress];
    Grants { egress: vec!["a.example:443".parse().unwrap()], ..Grants::of(capabilities) }
}

fn uses(what: &str) -> Value {
    json!({ "use": what })
}

fn asks(how: &str, path: &str) -> Value {
    json!({ "use": how, "url": format!("https://{path}") })
}

fn under(role: &str) -> ExchangeContext {
    let session = SessionContext {
        protocol: "postgres",
        principal: Principal {
            issuer: "https://issuer.example".into(),
            subject: "alice".into(),
            groups: vec![],
            kind: PrincipalKind::Human,
            token_id: None,
            expires_at: 0,
        },
        role: RoleName::new(role),
        upstream: UpstreamName::new("demo"),
        target: "demo".into(),
        client: "psql".into(),
    };
    ExchangeContext::new(1, &Arc::new(session))
}

/// The row cap of what is allowed, the reason of what is denied.
fn answer(policy: &Plugin, role: &str, action: &Action) -> Result<String, PluginFailure> {
    let decision = policy.decide(&under(role), action, &[])?;
    Ok(match decision.row_cap() {
        Some(number) => number.to_string(),
        None => decision.reasons().map(|reason| reason.text.clone()).collect(),
    })
}

fn told(policy: &Plugin, role: &str) -> String {
    answer(policy, role, &action()).unwrap()
}

fn refused(component: &Component, grants: &Grants) -> String {
    let configured = Plugin::configure_granted(component, PluginId::new("p"), &uses("clock"), grants);
    configured.map(|_| ()).unwrap_err().to_string()
}

#[test]
fn what_is_not_granted_is_not_loaded() {
    let world = World::new();
    let component = world.guest("capable-policy");
    assert_eq!(
        refused(&component, &Grants::of([Capability::Log, Capability::State])),
        "it asks for what it is not granted: `clock` (to tell the time), `egress` (to ask); if it shall have that, write \
         grants = [\"log\", \"clock\", \"state\", \"egress\"]"
    );
    let alone = Plugin::configure(&component, PluginId::new("p"), &uses("clock"));
    assert!(matches!(alone, Err(ConfigureError::NotGranted { .. })), "{alone:?}");
    let masker = Plugin::configure(&world.guest("keyed-masker"), PluginId::new("p"), &json!({}));
    assert!(matches!(masker, Err(ConfigureError::NotGranted { .. })), "{masker:?}");
}

#[test]
fn what_is_not_there_cannot_be_granted() {
    let world = World { engine: support::engine().clone(), ..World::new() };
    let refusal = refused(&world.guest("capable-policy"), &all_grants());
    assert!(refusal.contains("`egress`"), "{refusal}");
    let grants = Grants::of([Capability::Keyed]);
    let component = world.guest("keyed-masker");
    let masker = Plugin::configure_granted(&component, PluginId::new("p"), &json!({}), &grants);
    assert!(matches!(masker, Err(ConfigureError::Unavailable(Capability::Keyed))), "{masker:?}");
}

#[test]
fn configure_may_only_log() {
    let world = World::new();
    let component = world.guest("capable-policy");
    let settings = uses("ask-in-configure");
    let configured = Plugin::configure_granted(&component, PluginId::new("p"), &settings, &all_grants());
    match configured {
        Err(ConfigureError::Failed(PluginFailure { event: FailureEvent::Trap(told), .. })) => {
            assert!(told.contains("`configure` may only log"), "{told}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_policy_that_may_is_not_pure() {
    let policy = World::new().policy("p", &uses("clock"));
    assert!(!policy.is_pure());
    let before = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let shown: u64 = told(&policy, "a").parse().unwrap();
    assert!((before..before + 60_000).contains(&shown), "{shown}");
}

#[test]
fn state_is_a_plugins_own_by_role() {
    let world = World::new();
    let one = world.policy("one", &uses("count"));
    assert_eq!([told(&one, "a"), told(&one, "a"), told(&one, "b")], ["1", "2", "1"]);
    let two = world.policy("two", &uses("count"));
    assert_eq!([told(&two, "a"), told(&one, "a")], ["1", "3"]);
    let reloaded = world.policy("one", &uses("count"));
    drop(one);
    assert_eq!([told(&reloaded, "a"), told(&reloaded, "b")], ["4", "2"], "it survives a reload");
}

#[test]
fn a_candidate_counts_for_itself_until_it_is_active() {
    let world = World::new();
    let active = world.policy("tried", &uses("count"));
    assert_eq!([told(&active, "a"), told(&active, "a")], ["1", "2"]);
    let candidate = world.policy("tried", &uses("count")).on_trial();
    assert_eq!([told(&candidate, "a"), told(&active, "a"), told(&candidate, "a")], ["1", "3", "2"]);
    let again = world.policy("tried", &uses("count")).on_trial();
    assert_eq!(told(&again, "a"), "3", "the same candidate in another generation");
    let promoted = candidate.promoted();
    assert_eq!([told(&promoted, "a"), told(&active, "a")], ["4", "5"], "it goes on with what the place has");
    assert_eq!(told(&candidate, "a"), "4", "and leaves its own behind");
}

#[test]
fn values_are_not_seen_under_another_role_or_by_another_plugin() {
    let world = World::new();
    let planted = Action { text: "SELECT canary".into(), ..action() };
    let plugin = world.policy("first", &uses("keep"));
    assert_eq!(answer(&plugin, "a", &planted).unwrap(), "before:");
    assert_eq!(told(&world.policy("second", &uses("keep")), "a"), "before:");
    assert_eq!(told(&plugin, "b"), "before:");
    assert_eq!(told(&plugin, "a"), "before: SELECT canary");
}

#[test]
fn a_hoarder_keeps_what_its_quota_holds() {
    let left: u64 = told(&World::new().policy("hoarder", &uses("hoard")), "a").parse().unwrap();
    assert!((50..70).contains(&left), "{left}");
}

#[test]
fn memory_is_not_seen_by_the_next_exchange() {
    let policy = World::new().policy("p", &uses("statics"));
    for _ in 0..60 {
        // More often than there are instances to be used again.
        assert_eq!(told(&policy, "a"), "0");
    }
}

#[test]
fn requests_go_where_the_operator_allows() {
    let world = World::new();
    let ask = |path: &str| told(&world.policy("p", &asks("ask", path)), "a");
    assert_eq!(ask("a.example/"), "200");
    assert_eq!(ask("a.example/moved"), "302", "and is not followed");
    assert_eq!(*world.web.asked.lock().unwrap(), ["a.example:443", "a.example:443"]);
    assert_eq!(ask("b.example/"), "b.example:443 is not a host that the operator allows");
    assert_eq!(ask("a.example:8443/"), "a.example:8443 is not a host that the operator allows");
    assert!(ask("127.0.0.1/").contains("the URL is not"));
    assert!(ask("a.example@b.example/").contains("the URL is not"));
    assert_eq!(world.web.asked.lock().unwrap().len(), 2, "nobody was asked");
    assert_eq!(ask("a.example/large"), "the reply is too long");
}

#[test]
fn waiting_has_a_limit_of_its_own() {
    let world = World::new();
    let slow = world.policy("p", &asks("ask", "a.example/slow"));
    assert_eq!(told(&slow, "a"), "200", "it waited longer than a call may take");
    let often = world.policy("p", &asks("ask-often", "a.example/"));
    assert_eq!(told(&often, "a"), "4");
    let (hangs, begun) = (world.policy("p", &asks("ask-often", "a.example/hangs")), Instant::now());
    assert_eq!(told(&hangs, "a"), "0");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

fn mask(world: &World, settings: &Value) -> Result<Vec<String>, PluginFailure> {
    let grants = Grants::of([Capability::Keyed]);
    let component = world.guest("keyed-masker");
    let masker = Plugin::configure_granted(&component, PluginId::new("p"), settings, &grants).unwrap();
    assert!(masker.is_pure());
    let mut masker = Masker::begin(&Arc::new(masker), &under("a"), &fields(["a"]))?;
    let edits = masker.mask(&mut CellBlock::of_column(0, ["alice", "bob", "alice"]).unwrap())?;
    Ok((0..edits.len()).map(|cell| edits.value(cell).unwrap().to_owned()).collect())
}

#[test]
fn a_masker_makes_keyed_values() {
    let world = World::new();
    let tokens = mask(&world, &json!({"domain": "email"})).unwrap();
    assert!(tokens[0] == tokens[2] && tokens[0] != tokens[1] && tokens[0].starts_with("tok_"), "{tokens:?}");
    assert_eq!(tokens, mask(&world, &json!({"domain": "email"})).unwrap(), "the same in another exchange");
    assert_ne!(tokens[0], mask(&world, &json!({"domain": "name"})).unwrap()[0]);
    let codes = mask(&world, &json!({"method": "hmac-sha256"})).unwrap();
    assert!(codes.iter().all(|code| code.len() == 64), "{codes:?}");
    let failure = mask(&world, &json!({"method": "md5"})).unwrap_err();
    assert!(matches!(failure.event, FailureEvent::Trap(_)), "{failure}");
}
