//! What is counted of a plugin's calls, by whose doing they fail, and what of that another tenure takes along.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use grille_core::HealthReading;
use grille_plugin::untrusted::CellBlock;
use grille_plugin::{Compiler, Detector, Limits, Masker, Plugin, Tenure};
use serde_json::json;
use support::{OwnEngine, action, component, context, detector_metadata, engine, fields, metadata, plugin};

const TRAPPED: &str = "trapped: wasm trap: wasm `unreachable` instruction executed";
const DECIDE: &str =
    r#"(func (export "decide") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)"#;
const INSPECT: &str = r#"(func (export "inspect") (param i32 i32 i32 i32 i32 i32 i32) (result i32)"#;
const MASK: &str = r#"(func (export "mask") (param i32 i32 i32 i32 i32 i32 i32) (result i32)"#;

fn policy(body: &str) -> Arc<Plugin> {
    plugin(&engine().compile(&component("policy", body, &metadata("policy"))).unwrap(), &json!({})).unwrap()
}

fn detector(body: &str) -> Arc<Plugin> {
    let component = engine().compile(&component("detector", body, &detector_metadata("alone"))).unwrap();
    plugin(&component, &json!({})).unwrap()
}

fn counted(calls: u64, failures: u64, last: Option<&str>) -> HealthReading {
    let last_failure = last.map(str::to_owned);
    HealthReading { calls, failures, last_failure, ..HealthReading::default() }
}

fn block() -> CellBlock {
    CellBlock::of_column(0, ["1"]).unwrap()
}

#[test]
fn a_failing_policy_is_counted_with_every_call() {
    let check = |body: String, words: &str| {
        let policy = policy(&body);
        for calls in 1..=3 {
            policy.decide(&context(), &action(), &[]).unwrap_err();
            assert_eq!(policy.health().reading(), counted(calls, calls, Some(words)));
        }
    };
    check(format!("{DECIDE} unreachable)"), TRAPPED);
    check(r#"(func (export "begin") (param i32) (result i32) unreachable)"#.to_owned(), TRAPPED);
    check(format!("{DECIDE} (loop $spin (br $spin)) unreachable)"), "exceeded its deadline");
    check(format!("{DECIDE} (i32.const -1))"), "returned bad output");
    // An error without a message.
    check(
        format!("{DECIDE} (i32.store8 (i32.const 16) (i32.const 1)) (i32.const 16))"),
        "refused, in words of its own",
    );
}

#[test]
fn a_detector_or_masker_counts_once_for_each_block_and_fails_once() {
    let well = detector("");
    let mut at_work = Detector::begin(&well, &context(), &fields(["a"])).unwrap();
    assert_eq!(well.health().reading(), counted(0, 0, None), "it has not been asked for anything yet");
    for calls in 1..=2 {
        at_work.inspect(&mut block()).unwrap();
        assert_eq!(well.health().reading(), counted(calls, 0, None));
    }

    let failing = detector(&format!("{INSPECT} unreachable)"));
    let mut at_work = Detector::begin(&failing, &context(), &fields(["a"])).unwrap();
    for _ in 0..3 {
        at_work.inspect(&mut block()).unwrap_err();
        assert_eq!(
            failing.health().reading(),
            counted(1, 1, Some(TRAPPED)),
            "nobody is asked after the first time"
        );
    }

    let unready = detector(r#"(func (export "begin") (param i32) (result i32) unreachable)"#);
    Detector::begin(&unready, &context(), &fields(["a"])).map(|_| ()).unwrap_err();
    assert_eq!(unready.health().reading(), counted(1, 1, Some(TRAPPED)));

    let body = component("masker", &format!("{MASK} unreachable)"), &metadata("masker"));
    let masker = plugin(&engine().compile(&body).unwrap(), &json!({})).unwrap();
    let mut at_work = Masker::begin(&masker, &context(), &fields(["a"])).unwrap();
    at_work.mask(&mut block()).unwrap_err();
    assert_eq!(masker.health().reading(), counted(1, 1, Some(TRAPPED)));
}

#[test]
fn want_of_room_is_no_failure_of_the_plugins() {
    let own = OwnEngine::new(Compiler::InProcess, Limits { instances: 1, ..support::limits() });
    let bytes = component("detector", "", &detector_metadata("alone"));
    let detector = plugin(&own.engine.compile(&bytes).unwrap(), &json!({})).unwrap();
    let _alive = Detector::begin(&detector, &context(), &[]).unwrap();
    Detector::begin(&detector, &context(), &[]).map(|_| ()).unwrap_err();
    let expected = HealthReading { calls: 1, exhausted: 1, ..HealthReading::default() };
    assert_eq!(detector.health().reading(), expected);
}

#[test]
fn what_exceeds_the_budget_is_counted() {
    let component = engine().compile(&component("policy", "", &metadata("policy"))).unwrap();
    let with = |budget| {
        let policy =
            Plugin::configure(&component, grille_core::PluginId::new("budgeted"), &json!({})).unwrap();
        let policy = policy.with_latency_budget(budget);
        policy.decide(&context(), &action(), &[]).unwrap();
        policy
    };
    assert_eq!(with(None).health().reading().over_budget, 0);
    assert_eq!(with(Some(Duration::from_secs(3600))).health().reading().over_budget, 0);
    let strict = with(Some(Duration::ZERO));
    assert_eq!(strict.health().reading().over_budget, 1);
    let promoted = strict.on_trial().promoted();
    promoted.decide(&context(), &action(), &[]).unwrap();
    assert_eq!(promoted.health().reading().over_budget, 1, "the budget is the revision's");
}

#[test]
fn every_tenure_begins_to_count_anew_and_metrics_go_on() {
    let component = engine().compile(&component("policy", "", &metadata("policy"))).unwrap();
    let configure =
        || Plugin::configure(&component, grille_core::PluginId::new("tried"), &json!({})).unwrap();
    let decide = |policy: &Plugin| _ = policy.decide(&context(), &action(), &[]).unwrap();
    let all = |policy: &Plugin| policy.health().tally().reading().calls();

    let active = configure();
    decide(&active);
    let tried = configure().on_trial();
    assert_eq!((active.tenure(), tried.tenure()), (Tenure::Active, Tenure::Trial));
    decide(&tried);
    decide(&tried);
    assert_eq!((all(&active), all(&tried)), (1, 2), "they are told apart");
    let promoted = tried.promoted();
    assert_eq!(promoted.health().reading(), HealthReading::default());
    assert_eq!(promoted.record(), active.record());
    decide(&promoted);
    assert_eq!((promoted.health().reading().calls, all(&promoted)), (1, 2), "it goes on where the name was");
    assert_eq!(active.health().reading().calls, 1);
}
