//! The runtime against small components written by hand: what is refused when loading, what fails while serving, and what
//! works. Larger hostile guests are in hostile.rs.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::sync::Arc;

use grille_core::{PluginId, Verdict};
use grille_plugin::untrusted::{BadOutput, CellBlock};
use grille_plugin::{
    Capability, ColumnTexts, Compiler, ConfigureError, Detector, Engine, EngineSettings, FailureEvent,
    Limits, LoadError, Masker, Plugin, ResultScanner, UNSCANNED, World,
};
use serde_json::{Value, json};
use support::{
    OwnEngine, REPORT_EVERYTHING, action, component, component_with_memories, context, described,
    detector_metadata, engine, fields, metadata, plugin,
};

fn load_error(bytes: &[u8]) -> LoadError {
    engine().compile(bytes).map(|_| ()).unwrap_err()
}

#[test]
fn what_is_no_component_is_refused() {
    assert!(matches!(load_error(b""), LoadError::Unreadable(_)));
    assert!(matches!(load_error(b"not wasm"), LoadError::Unreadable(_)));
    assert!(matches!(load_error(&wat::parse_str("(module)").unwrap()), LoadError::NotAComponent));
    let whole = component("policy", "", &metadata("policy"));
    for cut in [9, 100, whole.len() / 2, whole.len() - 1] {
        engine().compile(&whole[..cut]).map(|_| ()).unwrap_err();
    }
}

#[test]
fn precompiled_code_is_refused() {
    let compiled =
        wasmtime::Engine::default().precompile_component(&wat::parse_str("(component)").unwrap()).unwrap();
    assert!(matches!(load_error(&compiled), LoadError::Unreadable(_)));
}

#[test]
fn exports_that_fit_no_world_are_refused() {
    let check = |text: &str| {
        let bytes = described(&wat::parse_str(text).unwrap(), &metadata("policy"));
        assert!(matches!(load_error(&bytes), LoadError::NoWorld { .. }), "{text}");
    };
    check("(component)");
    check(r#"(component (instance $i) (export "grille:plugin/lifecycle@0.1.0" (instance $i)))"#);
    check(
        r#"(component (instance $i)
            (export "grille:plugin/lifecycle@0.1.0" (instance $i))
            (export "grille:plugin/policy@0.1.0" (instance $i))
            (export "wasi:cli/run@0.2.0" (instance $i)))"#,
    );
}

#[test]
fn undeclared_imports_are_refused() {
    let check = |world: &str, import: &str| {
        let text = format!(
            r#"(component (import "{import}" (instance))
                (instance $i)
                (export "grille:plugin/lifecycle@0.1.0" (instance $i))
                (export "grille:plugin/{world}@0.1.0" (instance $i)))"#
        );
        match load_error(&described(&wat::parse_str(text).unwrap(), &metadata(world))) {
            LoadError::Import { import: named, .. } => assert_eq!(named, import),
            other => panic!("{world} {import}: {other}"),
        }
    };
    check("policy", "wasi:random/random@0.2.0");
    check("policy", "grille:plugin/keyed@0.1.0");
    check("policy", "grille:plugin/clock@0.2.0");
    for capability in ["log", "clock", "state", "egress", "keyed"] {
        check("detector", &format!("grille:plugin/{capability}@0.1.0"));
    }
    for capability in ["log", "clock", "state", "egress"] {
        check("masker", &format!("grille:plugin/{capability}@0.1.0"));
    }
}

#[test]
fn declared_imports_of_the_wrong_shape_are_refused() {
    let text = r#"(component
        (import "grille:plugin/clock@0.1.0" (instance (export "steal" (func (result u64)))))
        (instance $i)
        (export "grille:plugin/lifecycle@0.1.0" (instance $i))
        (export "grille:plugin/policy@0.1.0" (instance $i)))"#;
    let mut declared = metadata("policy");
    declared["capabilities"] = json!([{"name": "clock", "reason": "r"}]);
    let bytes = described(&wat::parse_str(text).unwrap(), &declared);
    assert!(matches!(load_error(&bytes), LoadError::Link(_)));
    let silent = described(&wat::parse_str(text).unwrap(), &metadata("policy"));
    assert!(matches!(load_error(&silent), LoadError::Undeclared { capability: Capability::Clock }));
}

#[test]
fn metadata_must_be_there_once_and_agree() {
    let bare = component("policy", "", &metadata("policy"));
    let mut without = bare.clone();
    without.truncate(bare.len() - metadata("policy").to_string().len() - 18);
    assert!(matches!(load_error(&without), LoadError::MetadataSections { count: 0 }));
    let twice = described(&bare, &metadata("policy"));
    assert!(matches!(load_error(&twice), LoadError::MetadataSections { count: 2 }));
    assert!(matches!(load_error(&component("policy", "", &metadata("masker"))), LoadError::Metadata(_)));
    assert!(matches!(load_error(&component("policy", "", &json!([]))), LoadError::Metadata(_)));
    let mut schema = metadata("policy");
    schema["settings_schema"] = json!({"type": 7});
    assert!(matches!(load_error(&component("policy", "", &schema)), LoadError::Schema(_)));
}

#[test]
fn proposals_that_are_off_are_refused() {
    let check = |body: &str| {
        let error = load_error(&component("policy", body, &metadata("policy")));
        assert!(matches!(error, LoadError::Compile(_)), "{body}: {error}");
    };
    check("(memory i64 1)");
    check("(memory 1 2 shared)");
    check("(func (return_call 0 (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)) drop)");
    check("(type (struct))");
    check("(tag)");
}

#[test]
fn a_component_has_so_many_memories_and_no_more() {
    let serving = plugin(&engine().compile(&component_with_memories(2, 1)).unwrap(), &json!({})).unwrap();
    serving.decide(&context(), &action(), &[]).unwrap();
    for too_many in [
        component_with_memories(3, 1),
        // One module has one of its own; it may use those of others.
        component("policy", "(memory $second 1)", &metadata("policy")),
    ] {
        let error = load_error(&too_many);
        assert!(matches!(error, LoadError::Compile(_)), "{error}");
    }
    // Each is within the limit, and together they are not.
    let pages = u32::try_from(support::limits().memory_bytes / 65536).unwrap();
    let large = engine().compile(&component_with_memories(2, pages / 2)).unwrap();
    match plugin(&large, &json!({})) {
        Err(ConfigureError::Failed(failure)) => assert_eq!(failure.event, FailureEvent::Memory),
        other => panic!("{other:?}"),
    }
}

/// A policy whose core module has `body`.
fn policy(body: &str) -> Result<Arc<Plugin>, ConfigureError> {
    plugin(&engine().compile(&component("policy", body, &metadata("policy"))).unwrap(), &json!({}))
}

fn configure_failure(body: &str) -> FailureEvent {
    match policy(body) {
        Err(ConfigureError::Failed(failure)) => failure.event,
        other => panic!("{other:?}"),
    }
}

const SPIN: &str = "(loop $ever (br $ever))";

#[test]
fn failures_while_configuring_are_told_apart() {
    let in_configure = |code: &str| {
        configure_failure(&format!(
            r#"(func (export "configure") (param i32 i32) (result i32) {code} (i32.const 16))"#
        ))
    };
    assert!(matches!(in_configure("unreachable"), FailureEvent::Trap(_)));
    assert_eq!(in_configure("(drop (memory.grow (i32.const 1000)))"), FailureEvent::Memory);
    assert!(matches!(in_configure("(return (i32.const -1))"), FailureEvent::BadOutput(_)));
    let deep = "(func $deep (call $deep))";
    let failure = configure_failure(&format!(
        r#"{deep} (func (export "configure") (param i32 i32) (result i32) (call $deep) (i32.const 16))"#
    ));
    assert!(matches!(failure, FailureEvent::Trap(text) if text.contains("stack")));
}

#[test]
fn a_plugin_that_cannot_be_instantiated_fails() {
    assert!(matches!(configure_failure("(func $s unreachable) (start $s)"), FailureEvent::Trap(_)));
    assert_eq!(configure_failure(&format!("(func $s {SPIN}) (start $s)")), FailureEvent::Deadline);
    let large = component("policy", "(table 30000 funcref)", &metadata("policy"));
    assert!(matches!(load_error(&large), LoadError::Compile(_)));
}

#[test]
fn a_plugin_that_wants_more_memory_than_there_is_is_refused() {
    let bytes = support::component_with_memory(320, "policy", "", &metadata("policy"));
    let refused = engine().compile(&bytes).map_err(|error| error.to_string());
    let refused =
        refused.and_then(|component| plugin(&component, &json!({})).map_err(|error| error.to_string()));
    assert!(refused.map(|_| ()).unwrap_err().contains("memor"));
    let failure = configure_failure("(func $s (drop (memory.grow (i32.const 300)))) (start $s)");
    assert_eq!(failure, FailureEvent::Memory);
}

#[test]
fn settings_are_refused_where_they_are_wrong() {
    let mut metadata = metadata("policy");
    metadata["settings_schema"] =
        json!({"type": "object", "additionalProperties": false, "properties": {"rows": {"type": "integer"}}});
    let component = engine().compile(&component("policy", "", &metadata)).unwrap();
    let check = |settings: Value, expected: Option<&str>| match (plugin(&component, &settings), expected) {
        (Ok(_), None) => {}
        (Err(ConfigureError::Settings(problems)), Some(pointer)) => assert_eq!(problems[0].pointer, pointer),
        (other, _) => panic!("{settings}: {other:?}"),
    };
    check(json!({}), None);
    check(json!({"rows": 5}), None);
    check(json!({"rows": "five"}), Some("/rows"));
    check(json!({"columns": 5}), Some(""));
    check(Value::Null, Some(""));
}

#[test]
fn a_policy_decides() {
    let allow = policy("").unwrap();
    assert_eq!(allow.decide(&context(), &action(), &[]).unwrap().verdict(), &Verdict::Allow);
    // Denies with the statement's text, which is its ninth and tenth parameter.
    let deny = policy(
        r#"(func (export "decide") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
            (i32.store (i32.const 20) (i32.const 1))
            (i32.store (i32.const 24) (local.get 8)) (i32.store (i32.const 28) (local.get 9)) (i32.const 16))"#,
    );
    let decision = deny.unwrap().decide(&context(), &action(), &[("key", "value")]).unwrap();
    assert_eq!(decision.verdict(), &Verdict::Deny);
    assert_eq!(decision.reasons().map(|reason| reason.text.as_str()).collect::<Vec<_>>(), ["SELECT $1"]);
}

#[test]
fn every_decision_has_an_instance_of_its_own() {
    // Denies when it was called before.
    let once = policy(
        r#"(global $calls (mut i32) (i32.const 0))
        (func (export "decide") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
            (i32.store (i32.const 20) (i32.add (global.get $calls) (i32.load8_u (i32.const 60000))))
            (global.set $calls (i32.const 1))
            (i32.store8 (i32.const 60000) (i32.const 1))
            (i32.const 16))"#,
    );
    let once = once.unwrap();
    for _ in 0..200 {
        assert_eq!(once.decide(&context(), &action(), &[]).unwrap().verdict(), &Verdict::Allow);
    }
}

#[test]
fn a_policy_that_spins_is_stopped_and_others_are_not_disturbed() {
    let begin = format!(r#"(func (export "begin") (param i32) (result i32) {SPIN} (i32.const 16))"#);
    let spinning = policy(&begin).unwrap();
    let allow = policy("").unwrap();
    std::thread::scope(|scope| {
        let spinner = scope.spawn(|| spinning.decide(&context(), &action(), &[]).unwrap_err());
        while !spinner.is_finished() {
            allow.decide(&context(), &action(), &[]).unwrap();
        }
        assert_eq!(spinner.join().unwrap().event, FailureEvent::Deadline);
    });
}

#[test]
fn a_plugin_of_another_world_is_refused() {
    let masker =
        plugin(&engine().compile(&component("masker", "", &metadata("masker"))).unwrap(), &json!({}))
            .unwrap();
    let wrong = |wanted| FailureEvent::WrongWorld { is: World::Masker, wanted };
    assert_eq!(masker.decide(&context(), &action(), &[]).unwrap_err().event, wrong(World::Policy));
    let detector = Detector::begin(&masker, &context(), &[]).map(|_| ());
    assert_eq!(detector.unwrap_err().event, wrong(World::Detector));
}

#[test]
fn more_instances_than_there_are_slots_are_refused() {
    let own = OwnEngine::new(Compiler::InProcess, Limits { instances: 3, ..support::limits() });
    let bytes = component("detector", "", &detector_metadata("alone"));
    let detector = plugin(&own.engine.compile(&bytes).unwrap(), &json!({})).unwrap();
    let mut alive = vec![];
    let refused = loop {
        match Detector::begin(&detector, &context(), &[]) {
            Ok(instance) => alive.push(instance),
            Err(failure) => break failure.event,
        }
    };
    assert_eq!((alive.len(), refused), (3, FailureEvent::Exhausted));
    alive.pop();
    Detector::begin(&detector, &context(), &[]).map(|_| ()).expect("a slot is free again");
}

fn detector(body: &str, evidence: &str) -> Arc<Plugin> {
    let component = engine().compile(&component("detector", body, &detector_metadata(evidence))).unwrap();
    plugin(&component, &json!({})).unwrap()
}

fn column(field: u32, texts: &[&str]) -> ColumnTexts {
    let mut column = ColumnTexts::new(field);
    texts.iter().for_each(|text| column.push(text));
    column
}

/// What is found, as `field/text/label`.
fn scan(scanner: &mut ResultScanner, columns: &[ColumnTexts]) -> Vec<String> {
    let findings = scanner.scan(columns).unwrap();
    findings.iter().map(|one| format!("{}/{}/{}", one.field, one.text, one.label)).collect()
}

#[test]
fn a_result_is_scanned() {
    let detector = detector(REPORT_EVERYTHING, "alone");
    let mut scanner = ResultScanner::new(&[detector], context(), fields(["a", "b", "c"]));
    let columns = [column(0, &["1", "x", ""]), column(2, &["x", "2", "3"]), column(1, &["4"])];
    assert_eq!(scan(&mut scanner, &columns), ["0/0/NUMBER", "1/0/NUMBER", "2/1/NUMBER", "2/2/NUMBER"]);
    assert_eq!(scan(&mut scanner, &[]), Vec::<String>::new());
}

#[test]
fn a_clean_result_makes_no_instance() {
    let trapping = detector(r#"(func (export "begin") (param i32) (result i32) unreachable)"#, "alone");
    let mut scanner = ResultScanner::new(&[trapping], context(), fields(["a"]));
    assert_eq!(scan(&mut scanner, &[column(0, &["clean", "", "text"])]), Vec::<String>::new());
    let failure = scanner.scan(&[column(0, &["clean", "1"])]).unwrap_err();
    assert!(matches!(failure.event, FailureEvent::Trap(_)), "{failure}");
}

#[test]
fn the_column_decides_what_counts() {
    let detector = detector(REPORT_EVERYTHING, "supported");
    let scanner = |name| ResultScanner::new(&[Arc::clone(&detector)], context(), fields([name]));
    assert_eq!(scan(&mut scanner("a"), &[column(0, &["1"])]), Vec::<String>::new());
    assert_eq!(scan(&mut scanner("houseNumber"), &[column(0, &["1"])]), ["0/0/NUMBER"]);
    let mut growing = scanner("a");
    assert!(scan(&mut growing, &[column(0, &["1", "2", "3"])]).is_empty());
    assert_eq!(
        scan(&mut growing, &[column(0, &["4", "5", "6"])]).len(),
        3,
        "six of six pass by chance once in a million"
    );
    assert_eq!(scan(&mut growing, &[column(0, &["x", "7", "x"])]), ["0/1/NUMBER"]);
}

#[test]
fn large_results_are_cut_and_too_large_texts_are_sensitive() {
    let detector = detector(REPORT_EVERYTHING, "alone");
    let mut scanner = ResultScanner::new(&[detector], context(), fields(["a"]));
    let many: Vec<String> = (0..20_000).map(|n| n.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(scan(&mut scanner, &[column(0, &many)]).len(), 20_000);
    let huge = "1".repeat((1 << 20) + 1);
    let findings = scanner.scan(&[column(0, &["x", &huge, "2"])]).unwrap();
    assert_eq!((findings[0].text, &*findings[0].label, findings[0].end), (1, UNSCANNED, huge.len()));
    assert_eq!((findings[1].text, &*findings[1].label), (2, "NUMBER"));
}

#[test]
fn a_detector_that_fails_stays_failed() {
    let fails = detector(
        r#"(func (export "inspect") (param i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)"#,
        "alone",
    );
    let mut scanner = ResultScanner::new(&[fails], context(), fields(["a"]));
    let first = scanner.scan(&[column(0, &["1"])]).unwrap_err();
    assert_eq!(scanner.scan(&[column(0, &["1"])]).unwrap_err(), first);
}

#[test]
fn what_cannot_be_lifted_is_bad_output() {
    let check = |pointer: u32, length: u32| {
        let body = format!(
            r#"(func (export "inspect") (param i32 i32 i32 i32 i32 i32 i32) (result i32)
                (i32.store (i32.const 20) (i32.const {pointer})) (i32.store (i32.const 24) (i32.const {length}))
                (i32.const 16))"#
        );
        let mut scanner = ResultScanner::new(&[detector(&body, "alone")], context(), fields(["a"]));
        let failure = scanner.scan(&[column(0, &["1"])]).unwrap_err();
        assert!(matches!(failure.event, FailureEvent::BadOutput(_)), "{pointer} {length}: {failure}");
    };
    check(64, u32::MAX);
    check(u32::MAX - 3, 1);
    check(65, 1);
    check(64, 200_000);
    check(64, 50_000);
}

#[test]
fn a_list_that_names_the_same_bytes_again_and_again_is_bounded() {
    // 60,000 obligations, each of whose key and value is the same megabyte: 120 GB if they were all copied.
    let body = r#"(func (export "decide") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
        (local $at i32)
        (local.set $at (i32.const 1048576))
        (loop $fill
            (i32.store offset=4 (local.get $at) (i32.const 1048576))
            (i32.store offset=12 (local.get $at) (i32.const 1048576))
            (local.set $at (i32.add (local.get $at) (i32.const 16)))
            (br_if $fill (i32.lt_u (local.get $at) (i32.const 2008576))))
        (i32.store (i32.const 44) (i32.const 1048576)) (i32.store (i32.const 48) (i32.const 60000))
        (i32.const 16))"#;
    let failure = policy(body).unwrap().decide(&context(), &action(), &[]).unwrap_err();
    assert!(matches!(failure.event, FailureEvent::BadOutput(BadOutput::Malformed(_))), "{failure}");
}

#[test]
fn a_masker_masks_and_is_checked() {
    // Gives back the cells it got: its list of cells is 0, 1, written over the fields it was given.
    let body = r#"(func (export "mask") (param i32) (param $f i32) (param i32) (param $o i32) (param $ol i32)
          (param $d i32) (param $dl i32) (result i32)
        (i32.store (i32.const 100) (i32.const 0)) (i32.store (i32.const 104) (i32.const 1))
        (i32.store (i32.const 20) (i32.const 100)) (i32.store (i32.const 24) (i32.const 2))
        (i32.store (i32.const 28) (local.get $o)) (i32.store (i32.const 32) (local.get $ol))
        (i32.store (i32.const 36) (local.get $d)) (i32.store (i32.const 40) (local.get $dl))
        (i32.const 16))"#;
    let masker =
        plugin(&engine().compile(&component("masker", body, &metadata("masker"))).unwrap(), &json!({}))
            .unwrap();
    let mut instance = Masker::begin(&masker, &context(), &fields(["a"])).unwrap();
    let edits = instance.mask(&mut CellBlock::of_column(0, ["naïve", "x"]).unwrap()).unwrap();
    assert_eq!(
        (edits.len(), edits.value(0), edits.value(1), edits.value(2)),
        (2, Some("naïve"), Some("x"), None)
    );
    let failure = instance.mask(&mut CellBlock::of_column(0, ["a", "b", "c"]).unwrap()).unwrap_err();
    assert_eq!(failure.event, FailureEvent::BadOutput(BadOutput::WrongCells));
}

#[test]
fn a_record_names_component_and_settings() {
    let component = engine().compile(&component("policy", "", &metadata("policy"))).unwrap();
    let record = |settings: Value| {
        Plugin::configure(&component, PluginId::new("guard"), &settings).unwrap().record().clone()
    };
    let one = record(json!({"a": 1, "b": 2}));
    assert_eq!(
        (one.plugin.as_str(), one.world.as_str(), one.digest.as_str()),
        ("guard", "policy", component.digest())
    );
    assert_eq!(one.digest.len(), 64);
    assert_eq!(one, record(json!({"b": 2, "a": 1})));
    assert_ne!(one.settings, record(json!({})).settings);
    assert!(component.is_pure());
}

#[test]
fn a_damaged_cache_is_compiled_again() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    let new_engine = || {
        let (compiler, limits) = (Compiler::InProcess, support::limits());
        Engine::new(EngineSettings { cache_directory: cache.clone(), compiler, limits }).unwrap()
    };
    let bytes = component("policy", "", &metadata("policy"));
    new_engine().compile(&bytes).unwrap();
    let file = fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&file).unwrap();
    for damage in [&whole[..whole.len() / 2], b"", b"\x7fELF", &[&whole[..], b"x"].concat()] {
        fs::write(&file, damage).unwrap();
        let component = new_engine().compile(&bytes).unwrap();
        plugin(&component, &json!({})).unwrap().decide(&context(), &action(), &[]).unwrap();
        assert_eq!(fs::read(&file).unwrap().len(), whole.len(), "it was written again");
    }
}

#[test]
fn an_engine_can_end_while_its_plugins_live() {
    let own = OwnEngine::new(Compiler::InProcess, support::limits());
    let body = format!(r#"(func (export "begin") (param i32) (result i32) {SPIN} (i32.const 16))"#);
    let spinning =
        plugin(&own.engine.compile(&component("policy", &body, &metadata("policy"))).unwrap(), &json!({}))
            .unwrap();
    drop(own);
    assert_eq!(spinning.decide(&context(), &action(), &[]).unwrap_err().event, FailureEvent::Deadline);
}
