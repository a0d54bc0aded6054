//! What the integration tests share: one engine, small components written by hand, an exchange to serve.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    reason = "each test binary uses a part, so that no expectation holds in all of them"
)]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use grille_core::{Action, Effect, PluginId, Principal, PrincipalKind, RoleName, UpstreamName};
use grille_plugin::{
    Compiler, Component, ConfigureError, Engine, EngineSettings, ExchangeContext, FieldInfo, Limits, Plugin,
    SessionContext,
};
use serde_json::{Value, json};

/// An engine with a directory of its own, which lives as long as it does.
pub struct OwnEngine {
    pub engine: Engine,
    _directory: tempfile::TempDir,
}

impl OwnEngine {
    pub fn new(compiler: Compiler, limits: Limits) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let cache_directory = directory.path().join("cache");
        let engine =
            Engine::new(EngineSettings { cache_directory, compiler, limits }).expect("the engine starts");
        Self { engine, _directory: directory }
    }
}

/// One engine for all tests of a binary: its address space is reserved once.
pub fn engine() -> &'static Engine {
    static ENGINE: LazyLock<OwnEngine> = LazyLock::new(|| OwnEngine::new(Compiler::InProcess, limits()));
    &ENGINE.engine
}

/// Tight limits, so that what exceeds them does so soon.
pub fn limits() -> Limits {
    Limits {
        deadline: Duration::from_millis(200),
        memory_bytes: 16 << 20,
        instances: 50,
        ..Limits::default()
    }
}

/// Loads and configures.
pub fn plugin(component: &Component, settings: &Value) -> Result<Arc<Plugin>, ConfigureError> {
    Plugin::configure(component, PluginId::new("p"), settings).map(Arc::new)
}

/// The exchange that every test serves.
pub fn context() -> ExchangeContext {
    let session = SessionContext {
        protocol: "postgres",
        principal: Principal {
            issuer: "https://issuer.example".into(),
            subject: "alice".into(),
            groups: vec!["analysts".into()],
            kind: PrincipalKind::Human,
            token_id: None,
            expires_at: 0,
        },
        role: RoleName::new("analyst"),
        upstream: UpstreamName::new("demo"),
        target: "demo".into(),
        client: "psql".into(),
    };
    ExchangeContext::new(7, &Arc::new(session))
}

/// A statement to judge.
pub fn action() -> Action {
    Action {
        kind: "select".into(),
        effects: Effect::READ,
        objects: vec![],
        features: vec![],
        columns: vec![],
        text: "SELECT $1".into(),
        fingerprint: 1,
        names: None,
        inner: None,
        setting: None,
    }
}

/// Fields without origin.
pub fn fields<const N: usize>(names: [&str; N]) -> Vec<FieldInfo> {
    names.map(|name| FieldInfo { name: name.into(), origin: String::new(), kind: "text".into() }).to_vec()
}

/// Metadata of a detector whose one label needs `evidence` and a digit.
pub fn detector_metadata(evidence: &str) -> Value {
    json!({
        "format": 1, "id": "test/detector", "version": "1", "world": "detector", "settings_schema": {"type": "object"},
        "labels": [{
            "name": "NUMBER", "evidence": evidence, "chance_pass": 0.1, "headers": ["number"],
            "gates": [{"digits_min": 1}],
        }],
    })
}

/// Metadata of a policy or masker.
pub fn metadata(world: &str) -> Value {
    json!({"format": 1, "id": "test/plugin", "version": "1", "world": world, "settings_schema": {"type": "object"}})
}

/// A component of the world whose core module has `body` and, where the body does not define them, functions that do
/// nothing wrong. Memory at 16 is where results are returned; it is zero, which reads as success with nothing in it.
pub fn component(world: &str, body: &str, metadata: &Value) -> Vec<u8> {
    component_with_memory(PAGES, world, body, metadata)
}

/// Enough for what the tests pass around.
const PAGES: u32 = 32;

/// The same, with so many pages of 64 KiB to begin with.
pub fn component_with_memory(pages: u32, world: &str, body: &str, metadata: &Value) -> Vec<u8> {
    let text = component_text(world, body).replace("@PAGES", &pages.to_string());
    described(&wat::parse_str(text).expect("the text is a component"), metadata)
}

/// A policy with so many core modules more, each with a memory of so many pages.
pub fn component_with_memories(more: usize, pages: u32) -> Vec<u8> {
    let modules: String = (0..more)
        .map(|n| format!("(core module $more{n} (memory {pages})) (core instance (instantiate $more{n}))"))
        .collect();
    let text = component_text("policy", "").replace("@PAGES", &PAGES.to_string());
    let text = text.replacen("(core instance $i", &format!("{modules} (core instance $i"), 1);
    described(&wat::parse_str(text).expect("the text is a component"), &metadata("policy"))
}

/// Adds the metadata section: a custom section is id 0, its size, its name with its length, its content (WebAssembly
/// core specification, 5.5.3).
pub fn described(component: &[u8], metadata: &Value) -> Vec<u8> {
    described_in(component, &metadata.to_string())
}

/// The same, with the section's content byte for byte.
pub fn described_in(component: &[u8], content: &str) -> Vec<u8> {
    let name = b"grille:metadata";
    let mut section = leb128(name.len());
    section.extend_from_slice(name);
    section.extend_from_slice(content.as_bytes());
    [component, &[0], &leb128(section.len()), &section].concat()
}

fn leb128(mut value: usize) -> Vec<u8> {
    let mut bytes = vec![];
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

const LIFECYCLE: [(&str, &str); 2] =
    [("configure", "(param i32 i32) (result i32)"), ("begin", "(param i32) (result i32)")];

fn component_text(world: &str, body: &str) -> String {
    let (export, parameters, signature, result) = match world {
        "detector" => {
            ("inspect", "(param i32 i32 i32 i32 i32 i32 i32)", "\"cells\" $block", "(list $finding)")
        }
        "masker" => ("mask", "(param i32 i32 i32 i32 i32 i32 i32)", "\"cells\" $block", "$edits"),
        _ => (
            "decide",
            "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32)",
            "\"what\" $action",
            "$decision",
        ),
    };
    let parameters = format!("{parameters} (result i32)");
    let functions = [LIFECYCLE[0], LIFECYCLE[1], (export, parameters.as_str())];
    let defaults: String = functions
        .iter()
        .filter(|(name, _)| !body.contains(&format!("(export \"{name}\")")))
        .map(|(name, signature)| format!("(func (export \"{name}\") {signature} (i32.const 16))"))
        .collect();
    TEMPLATE
        .replace("@WORLD", world)
        .replace("@EXPORT", export)
        .replace("@SIGNATURE", signature)
        .replace("@RESULT", result)
        .replace("@BODY", &(defaults + body))
}

const TEMPLATE: &str = r#"
(component
  (type $types_type (instance
    (type $r0 (record (field "key" string) (field "value" string)))
    (export "attribute" (type $attribute (eq $r0)))
    (type $groups (list string))
    (type $attributes (list $attribute))
    (type $r1 (record (field "id" u64) (field "protocol" string) (field "principal" string)
      (field "principal-kind" string) (field "groups" $groups) (field "role" string) (field "upstream" string)
      (field "target" string) (field "client" string) (field "attributes" $attributes)))
    (export "exchange" (type (eq $r1)))
    (type $r2 (record (field "name" string) (field "origin" string) (field "kind" string)))
    (export "field" (type (eq $r2)))
    (type $u32s (list u32))
    (type $bytes (list u8))
    (type $r3 (record (field "rows" u32) (field "fields" $u32s) (field "offsets" $u32s) (field "data" $bytes)))
    (export "block" (type (eq $r3)))
    (type $r4 (record (field "cell" u32) (field "start" u32) (field "end" u32) (field "label" u32)
      (field "score" u32) (field "support" u32)))
    (export "finding" (type (eq $r4)))
    (type $r5 (record (field "cells" $u32s) (field "offsets" $u32s) (field "data" $bytes)))
    (export "edits" (type (eq $r5)))
    (type $r6 (record (field "message" string)))
    (export "failure" (type (eq $r6)))
    (type $r7 (record (field "pointer" string) (field "message" string)))
    (export "diagnostic" (type (eq $r7)))
    (type $r8 (record (field "kind" string) (field "name" string) (field "access" string)))
    (export "object" (type $object (eq $r8)))
    (type $objects (list $object))
    (type $r9 (record (field "kind" string) (field "effects" $groups) (field "objects" $objects)
      (field "features" $groups) (field "text" string) (field "fingerprint" u64) (field "attributes" $attributes)))
    (export "action" (type (eq $r9)))
    (type $r10 (record (field "reason" string) (field "approvers" $groups) (field "ttl-s" u32)))
    (export "approval" (type $approval (eq $r10)))
    (type $pair (tuple string $bytes))
    (type $r11 (variant (case "allow") (case "deny" string) (case "hold" $approval) (case "rewrite" string)
      (case "extension" $pair)))
    (export "verdict" (type $verdict (eq $r11)))
    (type $r12 (record (field "verdict" $verdict) (field "obligations" $attributes)))
    (export "decision" (type (eq $r12)))
  ))
  (import "grille:plugin/types@0.1.0" (instance $types (type $types_type)))
  (alias export $types "exchange" (type $exchange))
  (alias export $types "field" (type $field))
  (alias export $types "block" (type $block))
  (alias export $types "finding" (type $finding))
  (alias export $types "edits" (type $edits))
  (alias export $types "failure" (type $failure))
  (alias export $types "diagnostic" (type $diagnostic))
  (alias export $types "action" (type $action))
  (alias export $types "decision" (type $decision))
  (core module $module
    (memory (export "memory") @PAGES)
    (global $next (mut i32) (i32.const 65536))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at))
    @BODY)
  (core instance $i (instantiate $module))
  (func $configure (param "settings-json" string) (result (result (error (list $diagnostic))))
    (canon lift (core func $i "configure") (memory (core memory $i "memory")) (realloc (core func $i "cabi_realloc"))))
  (func $begin (param "ctx" $exchange) (param "fields" (list $field)) (result (result (error $failure)))
    (canon lift (core func $i "begin") (memory (core memory $i "memory")) (realloc (core func $i "cabi_realloc"))))
  (func $work (param @SIGNATURE) (result (result @RESULT (error $failure)))
    (canon lift (core func $i "@EXPORT") (memory (core memory $i "memory")) (realloc (core func $i "cabi_realloc"))))
  (instance $lifecycle (export "configure" (func $configure)) (export "begin" (func $begin)))
  (instance $worker (export "@EXPORT" (func $work)))
  (export "grille:plugin/lifecycle@0.1.0" (instance $lifecycle))
  (export "grille:plugin/@WORLD@0.1.0" (instance $worker))
)"#;

/// A detector's `inspect` that reports every cell that is not empty, whole, with label 0.
pub const REPORT_EVERYTHING: &str = r#"
(func (export "inspect")
  (param $rows i32) (param i32 i32) (param $offsets i32) (param $count i32) (param i32 i32) (result i32)
  (local $cell i32) (local $length i32) (local $found i32) (local $at i32)
  (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
  (i32.store (i32.const 20) (local.get $at))
  (block $done
    (loop $cells
      (br_if $done (i32.ge_u (i32.add (local.get $cell) (i32.const 1)) (local.get $count)))
      (local.set $length (i32.sub (i32.load offset=4 (local.get $offsets)) (i32.load (local.get $offsets))))
      (if (local.get $length) (then
        (i32.store (local.get $at) (local.get $cell))
        (i32.store offset=4 (local.get $at) (i32.const 0))
        (i32.store offset=8 (local.get $at) (local.get $length))
        (i32.store offset=12 (local.get $at) (i32.const 0))
        (i32.store offset=16 (local.get $at) (i32.const 500))
        (i32.store offset=20 (local.get $at) (i32.const 0))
        (local.set $at (i32.add (local.get $at) (i32.const 24)))
        (local.set $found (i32.add (local.get $found) (i32.const 1)))))
      (local.set $cell (i32.add (local.get $cell) (i32.const 1)))
      (local.set $offsets (i32.add (local.get $offsets) (i32.const 4)))
      (br $cells)))
  (i32.store (i32.const 24) (local.get $found))
  (i32.const 16))
"#;
