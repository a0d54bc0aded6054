//! The hostile guests of tests/guests, mode by mode: whatever they do, the host survives it, names it, and fails closed.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;
use std::sync::Arc;

use grille_core::{Action, Decision};
use grille_plugin::untrusted::{BadOutput, CellBlock};
use grille_plugin::{
    ColumnTexts, Component, ConfigureError, FailureEvent, Masker, Plugin, PluginFailure, ResultScanner,
};
use serde_json::{Value, json};
use support::{action, context, engine, fields, plugin};

/// A guest, as `cargo xtask plugins` left it under the workspace's target directory.
fn guest(name: &str) -> Component {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins").join(name).with_extension("wasm");
    let bytes = std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{name}.wasm: {error}; run `cargo xtask plugins` first"));
    engine().compile(&bytes).unwrap()
}

/// What a mode must come to.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Trap,
    Refused,
    Event(FailureEvent),
    Malformed,
    Served(String),
}

impl End {
    fn bad(output: BadOutput) -> Self {
        Self::Event(FailureEvent::BadOutput(output))
    }

    fn served(what: &str) -> Self {
        Self::Served(what.to_owned())
    }

    fn of(result: Result<String, PluginFailure>) -> Self {
        match result.map_err(|failure| failure.event) {
            Ok(served) => Self::Served(served),
            Err(FailureEvent::Trap(_)) => Self::Trap,
            Err(FailureEvent::Refused(message)) => {
                assert!(message.contains("as asked"), "{message}");
                Self::Refused
            }
            Err(FailureEvent::BadOutput(BadOutput::Malformed(_))) => Self::Malformed,
            Err(event) => Self::Event(event),
        }
    }
}

fn mode(name: &str) -> Value {
    json!({ "mode": name })
}

fn sized(name: &str, size: usize) -> Value {
    json!({ "mode": name, "size": size })
}

/// Early modes, as the guest's own `serve` sees them.
fn check_beginnings(component: &Component, serve: impl Fn(&Arc<Plugin>) -> End) {
    let configuring = |name: &str| plugin(component, &mode(name)).map(|_| ()).unwrap_err();
    let failed = |name: &str| match configuring(name) {
        ConfigureError::Failed(failure) => End::of(Err(failure)),
        other => panic!("{name}: {other}"),
    };
    assert_eq!(failed("spin-in-configure"), End::Event(FailureEvent::Deadline));
    assert_eq!(failed("allocate-in-configure"), End::Event(FailureEvent::Memory));
    assert_eq!(failed("trap-in-configure"), End::Trap);
    assert!(matches!(configuring("refuse-settings"), ConfigureError::Settings(_)));
    assert!(matches!(configuring("no-such-mode"), ConfigureError::Settings(_)));
    let begun = |name: &str| serve(&plugin(component, &mode(name)).unwrap());
    assert_eq!(begun("spin-in-begin"), End::Event(FailureEvent::Deadline));
    assert_eq!(begun("trap-in-begin"), End::Trap);
    assert_eq!(begun("fail-in-begin"), End::Refused);
}

const CELLS: [&str; 3] = ["", "aé canary", "x"];

/// Scans, and says how many findings there were.
fn scan(detector: &Arc<Plugin>, texts: &[&str]) -> End {
    let mut scanner = ResultScanner::new(&[Arc::clone(detector)], context(), fields(["a"]));
    let mut column = ColumnTexts::new(0);
    texts.iter().for_each(|text| column.push(text));
    End::of(scanner.scan(&[column]).map(|findings| findings.len().to_string()))
}

#[test]
fn a_hostile_detector_is_contained() {
    let component = guest("hostile-detector");
    let check = |settings: Value, expected: End| {
        let detector = plugin(&component, &settings).unwrap();
        assert_eq!(scan(&detector, &CELLS), expected, "{settings}");
    };
    check(mode("honest"), End::served("1"));
    check(mode("blind"), End::served("0"));
    check(mode("spin"), End::Event(FailureEvent::Deadline));
    check(mode("allocate"), End::Event(FailureEvent::Memory));
    check(mode("trap"), End::Trap);
    check(mode("fail"), End::Refused);
    check(mode("giant-result"), End::Event(FailureEvent::Memory));
    check(sized("giant-result", 200_000), End::bad(BadOutput::TooManyFindings));
    check(mode("offset-out-of-range"), End::bad(BadOutput::SpanOutOfRange));
    check(mode("offset-inside-char"), End::bad(BadOutput::SpanInsideCharacter));
    check(mode("cell-out-of-range"), End::bad(BadOutput::CellOutOfRange));
    check(mode("unknown-label"), End::bad(BadOutput::UnknownLabel));
    check(mode("start-after-end"), End::bad(BadOutput::SpanOutOfRange));
    check(mode("empty-finding"), End::bad(BadOutput::SpanOutOfRange));
    check(mode("score-out-of-range"), End::bad(BadOutput::ScoreOutOfRange));
    check(mode("reserved-support"), End::bad(BadOutput::ReservedSupport));
    check_beginnings(&component, |detector| scan(detector, &CELLS));
}

#[test]
fn a_detector_that_turns_hostile_is_contained() {
    let component = guest("hostile-detector");
    let check = |name: &str, expected: End| {
        let detector = plugin(&component, &mode(name)).unwrap();
        assert_eq!(scan(&detector, &["clean"]), End::served("0"), "{name}");
        assert_eq!(scan(&detector, &["clean", "a canary"]), expected, "{name}");
        assert_eq!(scan(&detector, &["clean"]), End::served("0"), "{name}: another exchange does not notice");
    };
    check("spin-on-canary", End::Event(FailureEvent::Deadline));
    check("trap-on-canary", End::Trap);
}

/// Masks, and says what the values became.
fn mask(masker: &Arc<Plugin>) -> End {
    let mut block = CellBlock::of_column(0, ["aé", "bc", "d"]).unwrap();
    let edits =
        Masker::begin(masker, &context(), &fields(["a"])).and_then(|mut masker| masker.mask(&mut block));
    End::of(edits.map(|edits| {
        let values: Vec<&str> = (0..edits.len()).map(|cell| edits.value(cell).unwrap()).collect();
        values.join(" ")
    }))
}

#[test]
fn a_hostile_masker_is_contained() {
    let component = guest("hostile-masker");
    let check = |settings: Value, expected: End| {
        assert_eq!(mask(&plugin(&component, &settings).unwrap()), expected, "{settings}");
    };
    check(mode("honest"), End::served("éa cb d"));
    check(mode("spin"), End::Event(FailureEvent::Deadline));
    check(mode("allocate"), End::Event(FailureEvent::Memory));
    check(mode("trap"), End::Trap);
    check(mode("fail"), End::Refused);
    check(sized("giant-result", 5 << 20), End::bad(BadOutput::TooLarge));
    check(sized("giant-result", 100 << 20), End::Event(FailureEvent::Memory));
    check(mode("wrong-cell-count"), End::bad(BadOutput::WrongCells));
    check(mode("no-edits"), End::bad(BadOutput::WrongCells));
    check(mode("unsorted-edits"), End::bad(BadOutput::WrongCells));
    check(mode("repeated-cells"), End::bad(BadOutput::WrongCells));
    check(mode("cell-out-of-range"), End::bad(BadOutput::WrongCells));
    check(mode("offsets-out-of-range"), End::bad(BadOutput::BadOffsets));
    check(mode("offsets-descending"), End::bad(BadOutput::BadOffsets));
    check(mode("offsets-missing"), End::bad(BadOutput::BadOffsets));
    check(mode("data-left-over"), End::bad(BadOutput::BadOffsets));
    check(mode("bad-utf8"), End::bad(BadOutput::NotUtf8));
    check(mode("split-char"), End::bad(BadOutput::NotUtf8));
    check_beginnings(&component, mask);
}

/// Judges a statement, and names the verdict.
fn decide(policy: &Arc<Plugin>, action: &Action) -> End {
    let decision = policy.decide(&context(), action, &[]);
    End::of(decision.map(|decision| decision.verdict().as_str().to_owned()))
}

#[test]
fn a_hostile_policy_is_contained() {
    let component = guest("hostile-policy");
    let check = |settings: Value, expected: End| {
        assert_eq!(decide(&plugin(&component, &settings).unwrap(), &action()), expected, "{settings}");
    };
    check(mode("allow"), End::served("allow"));
    check(mode("deny"), End::served("deny"));
    check(mode("hold"), End::served("hold"));
    check(mode("rewrite"), End::served("rewrite"));
    check(mode("extension"), End::served("deny"));
    check(mode("unknown-obligation"), End::served("deny"));
    check(mode("bad-obligation"), End::served("deny"));
    check(mode("spin"), End::Event(FailureEvent::Deadline));
    check(mode("allocate"), End::Event(FailureEvent::Memory));
    check(mode("trap"), End::Trap);
    check(mode("fail"), End::Refused);
    check(mode("bad-utf8"), End::Malformed);
    check(sized("giant-obligations", 1000), End::bad(BadOutput::TooManyEntries));
    check(mode("giant-obligations"), End::Event(FailureEvent::Memory));
    check_beginnings(&component, |policy| decide(policy, &action()));
}

#[test]
fn a_policy_that_turns_hostile_is_contained() {
    let component = guest("hostile-policy");
    let canary = Action { text: "SELECT canary".into(), ..action() };
    for (name, expected) in
        [("spin-on-canary", End::Event(FailureEvent::Deadline)), ("trap-on-canary", End::Trap)]
    {
        let policy = plugin(&component, &mode(name)).unwrap();
        assert_eq!(decide(&policy, &action()), End::served("allow"), "{name}");
        assert_eq!(decide(&policy, &canary), expected, "{name}");
        assert_eq!(
            decide(&policy, &action()),
            End::served("allow"),
            "{name}: another exchange does not notice"
        );
    }
}

#[test]
fn a_policy_remembers_nothing() {
    let policy = plugin(&guest("hostile-policy"), &mode("remember")).unwrap();
    for _ in 0..5 {
        assert_eq!(decide(&policy, &action()), End::served("allow"));
    }
}

#[test]
fn a_reason_is_one_short_line() {
    let component = guest("hostile-policy");
    let reasons = |name: &str| -> Vec<String> {
        let policy = plugin(&component, &mode(name)).unwrap();
        let decision: Decision = policy.decide(&context(), &action(), &[]).unwrap();
        decision.reasons().map(|reason| reason.text.clone()).collect()
    };
    assert_eq!(reasons("control-characters"), ["line ERROR: forged [31m"]);
    let giant = reasons("giant-reason");
    assert!(giant.len() == 1 && giant[0].len() < 520, "{}", giant[0].len());
}
