//! What becomes of a generation when the next takes its place: a real PostgreSQL and a real issuer, the data plane in this
//! process, plugins written by hand.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use grille_core::role::{TokenUse, VectorAccess};
use grille_core::{
    Effect, GenerationId, PluginId, Privilege, Role, RoleName, RowShaping, Share, Treatment, UpstreamName,
};
use grille_harness::identity_provider::AUDIENCE;
use grille_harness::{Endpoint, IdentityClient, IdentityProvider, PostgresOptions, PostgresServer, wait};
use grille_plugin::Plugin;
use grille_proxy::identity::TokenVerifier;
use grille_proxy::settings::{
    ClientAuthentication, IssuerSettings, ListenerSettings, OnTokenExpiry, ProxySettings, SigningAlgorithm,
    UpstreamSettings, UpstreamTls, WeakAuthentication,
};
use grille_proxy::{
    Control, Generation, GenerationParts, Proxy, ProxyParts, Slot, Tokenizer, Trial, TrialKind,
};
use grille_store::{AuditLog, AuditSettings, Durability};
use prometheus_client::registry::Registry;
use serde_json::json;
use tempfile::TempDir;
use tokio::task::block_in_place;
use tokio_util::sync::CancellationToken;

/// Components written by hand, and an engine: those that the plugin runtime is tested with.
#[path = "../../plugin/tests/support/mod.rs"]
mod support;

const GUARD: &str = "guard";

/// A policy's `decide` that denies without giving a reason.
const DENY: &str = r#"
(func (export "decide")
  (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
  (i32.store8 (i32.const 20) (i32.const 1))
  (i32.const 16))"#;

/// One that never gets so far.
const TRAP: &str = r#"
(func (export "decide")
  (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
  unreachable)"#;

/// The data plane in front of a server with two databases, `shop` and `annex`.
struct Fixture {
    server: PostgresServer,
    provider: IdentityProvider,
    control: Control,
    registry: Registry,
    port: u16,
    stop: CancellationToken,
    directory: TempDir,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Fixture {
    async fn start() -> Self {
        let (server, provider) = block_in_place(|| {
            let hba = vec!["host all clerk 127.0.0.1/32 trust".to_owned()];
            let options = PostgresOptions { hba, ..PostgresOptions::default() };
            let server = PostgresServer::start(&options).unwrap();
            server.sql_admin("postgres", "create role clerk login").unwrap();
            for database in ["shop", "annex"] {
                server.sql_admin("postgres", &format!("create database {database} owner clerk")).unwrap();
            }
            let table = "create table card (id int, number text); insert into card values (1, '4111'); \
                         grant all on card to clerk";
            server.sql_admin("shop", table).unwrap();
            (server, IdentityProvider::start(vec![IdentityClient::new("ada", &["clerks"])]).unwrap())
        });
        let directory = tempfile::tempdir().unwrap();
        let audit =
            AuditSettings { directory: directory.path().join("audit"), durability: Durability::Written };
        let parts = parts(&server, &provider, Slot::of(policy("1", "")));
        let mut registry = Registry::default();
        let parts = ProxyParts {
            settings: settings(),
            generation: Generation::new(GenerationId(1), parts).unwrap(),
            audit: Arc::new(AuditLog::open(audit).unwrap()),
            tokens: Tokenizer::new(&[7; 32]).unwrap(),
        };
        let proxy = Proxy::bind(parts, &mut registry).await.unwrap();
        let (control, port) = (proxy.control(), proxy.addresses()[0].port());
        let stop = CancellationToken::new();
        tokio::spawn(proxy.run(stop.clone()));
        Self { server, provider, control, registry, port, stop, directory }
    }

    fn endpoint(&self) -> Endpoint {
        let password = block_in_place(|| self.provider.token("ada")).unwrap();
        Endpoint { port: self.port, database: "shop".into(), user: "ada".into(), password, ca: None }
    }

    fn parts(&self, guard: Arc<Plugin>) -> GenerationParts {
        parts(&self.server, &self.provider, Slot::of(guard))
    }

    fn activate(&self, parts: GenerationParts) {
        let before = self.control.generation();
        let id = GenerationId(before.id().0 + 1);
        self.control.activate(Generation::succeeding(&before, id, parts).unwrap());
    }

    fn swap(&self, guard: Arc<Plugin>) {
        self.activate(self.parts(guard));
    }

    /// Waits until only the active generation is there.
    fn wait_for_one_generation(&self) {
        wait_until("all generations but one to be gone", || self.control.generations_alive() == 1);
    }

    /// All that was recorded.
    fn audit(&self) -> String {
        let files = std::fs::read_dir(self.directory.path().join("audit")).unwrap();
        let files = files.map(|file| file.unwrap().path()).filter(|path| path.is_file());
        files.map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()).collect()
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }

    fn metric(&self, line: &str) -> f64 {
        let metrics = self.metrics();
        let value = metrics.lines().find_map(|found| found.strip_prefix(line)).unwrap_or_else(|| {
            panic!("no {line} in\n{metrics}");
        });
        value.trim().parse().unwrap()
    }
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    block_in_place(|| wait::until(what, wait::PATIENCE, || Ok(holds().then_some(())))).unwrap();
}

fn policy(version: &str, decide: &str) -> Arc<Plugin> {
    let mut metadata = support::metadata("policy");
    metadata["version"] = version.into();
    let component = support::engine().compile(&support::component("policy", decide, &metadata)).unwrap();
    Arc::new(Plugin::configure(&component, PluginId::new(GUARD), &json!({})).unwrap())
}

fn parts(server: &PostgresServer, provider: &IdentityProvider, guard: Slot) -> GenerationParts {
    GenerationParts {
        verifier: TokenVerifier::new(&[Arc::new(issuer(provider))]).unwrap(),
        upstreams: vec![Arc::new(upstream(server, "shop"))],
        roles: vec![role("clerks")],
        plugins: [(PluginId::new(GUARD), guard)].into(),
    }
}

/// Runs everything past the guard; the cards' numbers are protected.
fn role(group: &str) -> Role {
    Role {
        name: RoleName::new("clerk"),
        groups: vec![group.to_owned()],
        upstreams: vec![UpstreamName::new("shop")],
        statements: Effect::all(),
        policies: vec![PluginId::new(GUARD)],
        detectors: vec![],
        treatments: BTreeMap::new(),
        default_treatment: Treatment::Redact,
        columns: [("public.card.number".parse().unwrap(), Treatment::KeepLast(2))].into(),
        row_shaping: RowShaping::default(),
        privileges: Privilege::all(),
        functions: vec![],
        vectors: VectorAccess::default(),
        tokens: TokenUse::default(),
        row_cap: None,
    }
}

fn upstream(server: &PostgresServer, database: &str) -> UpstreamSettings {
    UpstreamSettings {
        name: UpstreamName::new("shop"),
        host: "127.0.0.1".into(),
        port: server.port(),
        database: database.into(),
        user: "clerk".into(),
        password: None,
        tls: UpstreamTls::Disable,
        weak_authentication: WeakAuthentication { md5: false, trust: true },
        connect_timeout: Duration::from_secs(20),
    }
}

fn issuer(provider: &IdentityProvider) -> IssuerSettings {
    IssuerSettings {
        issuer: provider.issuer(),
        audiences: vec![AUDIENCE.into()],
        authorized_parties: vec![],
        algorithms: vec![SigningAlgorithm::Rs256],
        groups_claim: "groups".into(),
        agent_claim: None,
        jwks_uri: None,
        ca: None,
        outage: Duration::from_secs(3600),
        refresh: Duration::from_secs(3600),
        leeway: Duration::from_secs(60),
        on_token_expiry: OnTokenExpiry::Finish,
    }
}

fn settings() -> ProxySettings {
    let listener = ListenerSettings {
        name: "test".into(),
        address: ([127, 0, 0, 1], 0).into(),
        tls: None,
        plaintext: true,
        authentication: ClientAuthentication::Password,
    };
    ProxySettings {
        listeners: vec![listener],
        authentication_timeout: Duration::from_secs(60),
        connections_max: 100,
        message_bytes_max: 1 << 20,
        statement_bytes_max: 1 << 20,
        drain_timeout: Duration::from_secs(5),
        token_key: None,
    }
}

/// What PostgreSQL's clients call an error: the SQLSTATE.
macro_rules! refused {
    ($result:expr) => {
        $result.expect_err("it is refused").code().map(|state| state.code().to_owned()).as_deref()
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_at_rest_let_go_of_old_generations() {
    let fixture = Fixture::start().await;
    let endpoint = fixture.endpoint();
    let (idle, fresh) = (endpoint.connect().await.unwrap(), endpoint.connect().await.unwrap());
    let (prepared, transaction) = (endpoint.connect().await.unwrap(), endpoint.connect().await.unwrap());
    idle.simple_query("select 1").await.unwrap();
    let statement = prepared.prepare("select id from card").await.unwrap();
    transaction.batch_execute("begin; select id from card").await.unwrap();
    assert_eq!(fixture.control.generations_alive(), 1);

    let generation: Weak<Generation> = Arc::downgrade(&fixture.control.generation());
    let plugin = {
        let active = fixture.control.generation();
        Arc::downgrade(&active.slot(&PluginId::new(GUARD)).unwrap().active)
    };
    fixture.swap(policy("2", ""));
    fixture.wait_for_one_generation();
    wait_until("the old generation to be taken apart", || generation.strong_count() == 0);
    assert_eq!(plugin.strong_count(), 0, "nobody keeps its plugins either");
    assert_eq!(fixture.metric("grille_generations_alive"), 1.0);

    idle.simple_query("select 1").await.unwrap();
    fresh.simple_query("select 1").await.unwrap();
    assert_eq!(prepared.query(&statement, &[]).await.unwrap().len(), 1);
    transaction.batch_execute("select id from card; commit").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_under_way_keeps_its_generation_and_no_longer() {
    let fixture = Fixture::start().await;
    let holder = fixture.server.endpoint("shop", "clerk", "").connect().await.unwrap();
    holder.batch_execute("select pg_advisory_lock(1)").await.unwrap();
    let client = fixture.endpoint().connect().await.unwrap();
    let waiting = tokio::spawn(async move {
        let ran = client.batch_execute("select pg_advisory_lock(1)").await;
        (ran, client)
    });
    wait_until("the statement to wait for the lock", || {
        let sql = "select count(*) from pg_locks where locktype = 'advisory' and not granted";
        fixture.server.sql_admin("shop", sql).unwrap().trim() == "1"
    });
    fixture.swap(policy("2", DENY));
    fixture.swap(policy("3", DENY));
    wait_until("the one in between to be gone", || fixture.control.generations_alive() == 2);
    assert_eq!(fixture.metric("grille_generations_alive"), 2.0);
    holder.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
    let (ran, client) = waiting.await.unwrap();
    ran.expect("it ends in the generation it began in");
    fixture.wait_for_one_generation();
    assert_eq!(refused!(client.batch_execute("select 1").await), Some("42501"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_at_rest_ends_with_its_role() {
    let fixture = Fixture::start().await;
    let client = fixture.endpoint().connect().await.unwrap();
    client.batch_execute("select 1").await.unwrap();
    let withdrawn = GenerationParts { roles: vec![role("others")], ..fixture.parts(policy("2", "")) };
    fixture.activate(withdrawn);
    wait_until("the session to end", || client.is_closed());
    fixture.wait_for_one_generation();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_statement_is_judged_by_whatever_is_active() {
    let fixture = Fixture::start().await;
    let client = fixture.endpoint().connect().await.unwrap();
    let statement = client.prepare("select id from card").await.unwrap();
    assert_eq!(client.query(&statement, &[]).await.unwrap().len(), 1);
    fixture.swap(policy("2", DENY));
    assert_eq!(refused!(client.query(&statement, &[]).await), Some("42501"));
    fixture.swap(policy("3", ""));
    assert_eq!(client.query(&statement, &[]).await.unwrap().len(), 1);
    let calls = fixture.metric(r#"grille_plugin_call_seconds_count{plugin="guard",stage="active"}"#);
    assert!(calls >= 3.0, "each of the three policies was asked, and all are counted: {calls}");
    assert_eq!(fixture.metric(r#"grille_plugin_calls_failed_total{plugin="guard",stage="active"}"#), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn to_swap_a_plugin_costs_no_reading_of_the_catalogue() {
    let fixture = Fixture::start().await;
    let client = fixture.endpoint().connect().await.unwrap();
    let masked = async || {
        let row = client.query_one("select number from card", &[]).await.unwrap();
        row.get::<_, String>(0)
    };
    let first = masked().await;
    assert!(first != "4111" && first.ends_with("11"), "by its own rule: {first}");
    let readings = r#"grille_catalog_reads_total{upstream="shop",outcome="ok"}"#;
    let before = fixture.metric(readings);
    for version in 0..5 {
        fixture.swap(policy(&format!("1.{version}"), ""));
        assert_eq!(masked().await, first);
    }
    assert_eq!(fixture.metric(readings), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_keeps_to_the_catalogue_of_its_own_database() {
    let fixture = Fixture::start().await;
    let client = fixture.endpoint().connect().await.unwrap();
    let masked = async || {
        let row = client.query_one("select number from card", &[]).await.unwrap();
        row.get::<_, String>(0)
    };
    let first = masked().await;
    assert!(first != "4111" && first.ends_with("11"), "by its own rule: {first}");
    let moved = vec![Arc::new(upstream(&fixture.server, "annex"))];
    let parts = GenerationParts { upstreams: moved, ..fixture.parts(policy("2", "")) };
    fixture.activate(parts);
    assert_eq!(masked().await, first, "where it is connected, there is a table of that name");
    let newcomer = fixture.endpoint().connect().await.unwrap();
    assert_eq!(refused!(newcomer.query("select number from card", &[]).await), Some("42P01"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_speaks_to_those_in_its_share_alone() {
    let fixture = Fixture::start().await;
    let client = fixture.endpoint().connect().await.unwrap();
    let strict = Arc::new(policy("2", DENY).on_trial());
    let digest = strict.record().digest.clone();
    let try_out = |kind| {
        let trial = Trial { plugin: Arc::clone(&strict), kind };
        let slot = Slot { active: policy("1", ""), trial: Some(trial) };
        fixture.activate(GenerationParts {
            plugins: [(PluginId::new(GUARD), slot)].into(),
            ..fixture.parts(policy("1", ""))
        });
    };
    for kind in [TrialKind::Shadow, TrialKind::Canary { share: Share::NONE }] {
        try_out(kind);
        client.batch_execute("select 1").await.unwrap();
        assert!(!fixture.audit().contains(&digest), "{kind:?}: it had no say");
    }
    try_out(TrialKind::Canary { share: Share::ALL });
    assert_eq!(refused!(client.batch_execute("select 1").await), Some("42501"));
    let refusal = fixture.audit().lines().rfind(|line| line.contains("exchange-refused")).unwrap().to_owned();
    assert!(refusal.contains(&digest) && refusal.contains(r#""stage":"canary""#), "{refusal}");
    let calls = |stage| {
        fixture.metric(&format!("grille_plugin_call_seconds_count{{plugin=\"guard\",stage={stage:?}}}"))
    };
    assert!(calls("active") >= 2.0 && calls("trial") >= 1.0, "{}", fixture.metrics());
    assert!(strict.health().reading().calls >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_failed_to_judge_is_asked_again() {
    let fixture = Fixture::start().await;
    let client = fixture.endpoint().connect().await.unwrap();
    let failing = policy("2", TRAP);
    fixture.swap(Arc::clone(&failing));
    for statements in 1..=3 {
        assert_eq!(refused!(client.batch_execute("select 1").await), Some("42501"));
        assert!(failing.health().reading().failures >= statements, "{statements}");
    }
    let failed = r#"grille_plugin_calls_failed_total{plugin="guard",stage="active"}"#;
    assert!(fixture.metric(failed) >= 3.0);
}
