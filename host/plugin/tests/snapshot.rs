//! Snapshots: an exchange's instance begins as `configure` left it, and nothing else ever gets into one.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use grille_core::PluginId;
use grille_plugin::{
    Compiler, Component, Engine, EngineSettings, FailureEvent, Grants, Outbound, OutboundError,
    OutboundReply, OutboundRequest, Plugin, Restores, Services,
};
use serde_json::{Value, json};
use support::{action, component, component_with_memory, context, engine, limits, metadata, plugin};
use tracing::{Subscriber, span};

/// A policy that denies with all it remembers: a byte of a page it took while configuring, a global, a byte of its static
/// memory, and its settings. Each decision spoils the first three, for whoever comes next.
const REMEMBERS: &str = r#"
(global $planted (mut i32) (i32.const 0))
(global $length (mut i32) (i32.const 0))
(func (export "configure") (param $at i32) (param $bytes i32) (result i32)
  (drop (memory.grow (i32.const 1)))
  (i32.store8 (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1)) (i32.const 112))
  (global.set $planted (i32.const 103))
  (i32.store8 (i32.const 1026) (i32.const 115))
  (memory.copy (i32.const 1027) (local.get $at) (local.get $bytes))
  (global.set $length (i32.add (local.get $bytes) (i32.const 3)))
  (i32.const 16))
(func (export "decide")
  (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32) (local $last i32)
  (local.set $last (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1)))
  (i32.store8 (i32.const 1024) (i32.load8_u (local.get $last)))
  (i32.store8 (local.get $last) (i32.const 88))
  (i32.store8 (i32.const 1025) (global.get $planted))
  (global.set $planted (i32.const 88))
  (i32.store8 (i32.const 20) (i32.const 1))
  (i32.store (i32.const 24) (i32.const 1024))
  (i32.store (i32.const 28) (global.get $length))
  (i32.store8 (i32.const 1500) (i32.add (i32.load8_u (i32.const 1500)) (i32.const 1)))
  (if (i32.gt_u (i32.load8_u (i32.const 1500)) (i32.const 1))
    (then (i32.store8 (i32.const 1026) (i32.const 88))))
  (i32.const 16))
"#;

/// What the policy of [`REMEMBERS`] says, or whoever denied in its place.
fn remembered(policy: &Arc<Plugin>) -> String {
    let decision = policy.decide(&context(), &action(), &[]).unwrap();
    decision.reasons().map(|reason| reason.text.clone()).collect()
}

fn reason(plugin: &Plugin) -> &str {
    match plugin.restores() {
        Restores::Snapshot => "",
        Restores::Configured { reason } => reason,
    }
}

#[test]
fn what_configure_left_is_restored_for_every_exchange() {
    let component = engine().compile(&component("policy", REMEMBERS, &metadata("policy"))).unwrap();
    let settings = json!({"key": "value"});
    let restored = plugin(&component, &settings).unwrap();
    assert_eq!(restored.restores(), &Restores::Snapshot);
    let configured = plugin(&component.without_snapshots(), &settings).unwrap();
    assert!(matches!(configured.restores(), Restores::Configured { .. }));
    for _ in 0..100 {
        assert_eq!(remembered(&restored), r#"pgs{"key":"value"}"#, "nothing of the exchange before");
        assert_eq!(remembered(&configured), r#"pgs{"key":"value"}"#, "and the same without a snapshot");
    }
}

#[test]
fn a_snapshot_belongs_to_its_settings() {
    let component = engine().compile(&component("policy", REMEMBERS, &metadata("policy"))).unwrap();
    let all: Vec<Value> = (0..8).map(|number| json!({ "n": number })).collect();
    let plugins: Vec<_> = all.iter().map(|settings| plugin(&component, settings).unwrap()).collect();
    for _ in 0..3 {
        for (settings, plugin) in all.iter().zip(&plugins) {
            assert_eq!(plugin.restores(), &Restores::Snapshot);
            assert_eq!(remembered(plugin), format!("pgs{settings}"));
        }
    }
}

#[test]
fn exchanges_at_the_same_time_share_nothing() {
    let component = engine().compile(&component("policy", REMEMBERS, &metadata("policy"))).unwrap();
    let plugins = [1, 2].map(|number| plugin(&component, &json!({ "n": number })).unwrap());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let plugins = &plugins;
            scope.spawn(move || {
                for turn in 0..200 {
                    let number = (thread + turn) % 2;
                    assert_eq!(remembered(&plugins[number]), format!(r#"pgs{{"n":{}}}"#, number + 1));
                }
            });
        }
    });
}

#[test]
fn where_there_is_no_snapshot_each_instance_is_configured() {
    let check = |bytes: &[u8], expected: &str| {
        let policy = plugin(&engine().compile(bytes).unwrap(), &json!({})).unwrap();
        assert!(reason(&policy).contains(expected), "{:?}", policy.restores());
        for _ in 0..3 {
            assert_eq!(remembered(&policy), "pgs{}");
        }
    };
    let with = |more: &str| component("policy", &format!("{REMEMBERS} {more}"), &metadata("policy"));
    check(&with(""), "");
    check(&with("(table 1 funcref) (func (table.set (i32.const 0) (ref.null func)))"), "table.set");
    check(&with("(data \"x\") (func (data.drop 0))"), "data.drop");
    check(&with("(global (mut funcref) (ref.null func))"), "reference");
    check(&with("(func (export \"__wizer_memory_0\"))"), "__wizer");
    // 16 MiB, all that an instance may have: the page that reading takes is too much.
    let full = u32::try_from(limits().memory_bytes / 65536).unwrap() - 1;
    check(&component_with_memory(full, "policy", REMEMBERS, &metadata("policy")), "cannot be read");
}

#[test]
fn a_configure_that_fails_leaves_no_snapshot() {
    let check = |body: &str, expected: FailureEvent| {
        let configure = format!("(func (export \"configure\") (param i32 i32) (result i32) {body})");
        let component = engine().compile(&component("policy", &configure, &metadata("policy"))).unwrap();
        for _ in 0..2 {
            let error = plugin(&component, &json!({})).map(|_| ()).unwrap_err();
            assert_eq!(error.to_string(), format!("plugin p: {expected}"), "{body}");
        }
    };
    check("unreachable", FailureEvent::Trap("wasm trap: wasm `unreachable` instruction executed".into()));
    check("(loop $forever (br $forever)) (i32.const 16)", FailureEvent::Deadline);
    check("(drop (memory.grow (i32.const 1000))) (i32.const 16)", FailureEvent::Memory);
}

/// A cache directory, and engines that share it.
struct Shared {
    directory: tempfile::TempDir,
}

impl Shared {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn engine(&self, compiler: Compiler) -> Engine {
        let cache_directory = self.path();
        Engine::new(EngineSettings { cache_directory, compiler, limits: limits() }).unwrap()
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("cache")
    }

    /// The snapshots, told by the settings' digest in their names.
    fn snapshots(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.file_name().unwrap().to_string_lossy().contains('-')).collect()
    }
}

/// A compiler that there is not: with it, only what is in the cache can be used.
fn no_compiler() -> Compiler {
    Compiler::Child { program: Path::new("/nonexistent/compiler").to_owned(), arguments: vec![] }
}

#[test]
fn snapshots_are_kept() {
    let (shared, bytes) = (Shared::new(), component("policy", REMEMBERS, &metadata("policy")));
    let first = shared.engine(Compiler::InProcess).compile(&bytes).unwrap();
    plugin(&first, &json!({"a": 1})).unwrap();
    assert_eq!(shared.snapshots().len(), 1);
    let again = shared.engine(no_compiler()).compile(&bytes).unwrap();
    let restored = plugin(&again, &json!({"a": 1})).unwrap();
    assert_eq!((restored.restores(), remembered(&restored)), (&Restores::Snapshot, r#"pgs{"a":1}"#.into()));
    let other = plugin(&again, &json!({"a": 2})).unwrap();
    assert!(reason(&other).contains("could not be compiled"), "{:?}", other.restores());
    assert_eq!(remembered(&other), r#"pgs{"a":2}"#, "it works without");
}

#[test]
fn a_damaged_snapshot_is_made_again() {
    let (shared, bytes) = (Shared::new(), component("policy", REMEMBERS, &metadata("policy")));
    let component = shared.engine(Compiler::InProcess).compile(&bytes).unwrap();
    plugin(&component, &json!({"a": 1})).unwrap();
    let [snapshot] = &shared.snapshots()[..] else { panic!("one snapshot") };
    let check = |damage: fn(&Path)| {
        damage(snapshot);
        for compiler in [Compiler::InProcess, no_compiler()] {
            let component = shared.engine(compiler).compile(&bytes).unwrap();
            let restored = plugin(&component, &json!({"a": 1})).unwrap();
            assert_eq!(restored.restores(), &Restores::Snapshot, "made again, and whole afterwards");
            assert_eq!(remembered(&restored), r#"pgs{"a":1}"#);
        }
    };
    check(|snapshot| fs::write(snapshot, []).unwrap());
    check(|snapshot| fs::File::options().write(true).open(snapshot).unwrap().set_len(1000).unwrap());
    check(|snapshot| {
        let mut bytes = fs::read(snapshot).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(snapshot, bytes).unwrap();
    });
    // What others may have written is not run, even if it is whole.
    check(|snapshot| fs::set_permissions(snapshot, fs::Permissions::from_mode(0o666)).unwrap());
    assert_eq!(fs::metadata(snapshot).unwrap().permissions().mode() & 0o777, 0o600);
}

fn built(name: &str) -> Component {
    built_for(engine(), name)
}

/// A component of target/plugins.
fn built_for(engine: &Engine, name: &str) -> Component {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins").join(name);
    let bytes = fs::read(path.with_extension("wasm"))
        .unwrap_or_else(|error| panic!("{name}.wasm: {error}; run `cargo xtask plugins` first"));
    engine.compile(&bytes).unwrap()
}

#[test]
fn the_shipped_plugins_are_restored() {
    let check = |name: &str, settings: Value| {
        assert_eq!(plugin(&built(name), &settings).unwrap().restores(), &Restores::Snapshot, "{name}");
    };
    check("pii", json!({}));
    check("sql-guard", json!({}));
    check("hostile-detector", json!({"mode": "trap"}));
    check("hostile-masker", json!({"mode": "trap"}));
    check("hostile-policy", json!({"mode": "trap"}));
}

/// Counts what plugins log on this thread.
#[derive(Clone, Default)]
struct Logged(Arc<AtomicUsize>);

impl Subscriber for Logged {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "grille::guest"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// A way out that leads nowhere: the guest may ask for it, and does not use it.
struct Nowhere;

impl Outbound for Nowhere {
    fn fetch(&self, _: OutboundRequest<'_>) -> Result<OutboundReply, OutboundError> {
        Err(OutboundError::Unreachable)
    }
}

#[test]
fn what_configure_logs_is_logged_once() {
    let services = Services { outbound: Some(Arc::new(Nowhere)), keyed: None };
    let component = built_for(&engine().clone().with_services(services), "capable-policy");
    let egress = vec!["a.example:443".parse().unwrap()];
    let grants = Grants { capabilities: component.imports().clone(), egress };
    let check = |component: &Component, expected: usize| {
        let logged = Logged::default();
        tracing::subscriber::with_default(logged.clone(), || {
            let settings = json!({"use": "clock"});
            let policy =
                Plugin::configure_granted(component, PluginId::new("p"), &settings, &grants).unwrap();
            for _ in 0..3 {
                policy.decide(&context(), &action(), &[]).unwrap();
            }
        });
        assert_eq!(logged.0.load(Ordering::Relaxed), expected);
    };
    check(&component, 1);
    check(&component, 1);
    check(&component.without_snapshots(), 4);
}
