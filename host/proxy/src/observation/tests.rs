//! Observation from the hooks of a session to report and recording, with the worker in between.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use grille_core::difference::DifferenceKind;
use grille_core::observation::ShadowState;
use grille_core::recording::{RecordingEnd, RecordingEntry};
use grille_core::{ExchangeId, GenerationId};
use grille_harness::wait;
use grille_plugin::SessionContext;
use grille_store::recording::RecordingReader;
use serde_json::json;

use super::*;
use crate::generation::{GenerationParts, Slot, Trial, TrialKind};
use crate::identity::TokenVerifier;
use crate::judge::Asker;
use crate::support;

const NAME: &str = "tried";
const DENIES: &str = r#"(func (export "decide") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
    (i32.store (i32.const 20) (i32.const 1))
    (i32.store (i32.const 24) (local.get 8)) (i32.store (i32.const 28) (local.get 9)) (i32.const 16))"#;
const TRAPS: &str = r#"(func (export "decide") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
    unreachable)"#;
const SPINS: &str = r#"(func (export "decide") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
    (loop $ever (br $ever)) (i32.const 16))"#;
/// Gives back the two values it got.
const GIVES_BACK: &str = r#"(func (export "mask") (param i32) (param $f i32) (param i32) (param $o i32) (param $ol i32)
      (param $d i32) (param $dl i32) (result i32)
    (i32.store (i32.const 100) (i32.const 0)) (i32.store (i32.const 104) (i32.const 1))
    (i32.store (i32.const 20) (i32.const 100)) (i32.store (i32.const 24) (i32.const 2))
    (i32.store (i32.const 28) (local.get $o)) (i32.store (i32.const 32) (local.get $ol))
    (i32.store (i32.const 36) (local.get $d)) (i32.store (i32.const 40) (local.get $dl))
    (i32.const 16))"#;
/// Moves the border between the first and the second value by one byte.
const MOVES: &str =
    "(i32.store offset=4 (local.get $o) (i32.sub (i32.load offset=4 (local.get $o)) (i32.const 1)))";

fn plugin(world: &str, body: &str) -> Arc<Plugin> {
    let metadata = match world {
        "detector" => support::detector_metadata("alone"),
        _ => support::metadata(world),
    };
    let component = support::engine().compile(&support::component(world, body, &metadata)).unwrap();
    Arc::new(Plugin::configure(&component, PluginId::new(NAME), &json!({})).unwrap())
}

fn candidate(world: &str, body: &str) -> Arc<Plugin> {
    Arc::new(plugin(world, body).on_trial())
}

fn generation(active: &Arc<Plugin>, shadow: Option<&Arc<Plugin>>) -> Generation {
    let trial = shadow.map(|plugin| Trial { plugin: Arc::clone(plugin), kind: TrialKind::Shadow });
    let slot = Slot { active: Arc::clone(active), trial };
    let parts = GenerationParts {
        verifier: TokenVerifier::new(&[]).unwrap(),
        upstreams: vec![],
        roles: vec![],
        plugins: [(PluginId::new(NAME), slot)].into(),
    };
    Generation::new(GenerationId(1), parts).unwrap()
}

fn asker(subject: &str) -> Asker {
    Asker::new(SessionContext {
        protocol: "postgres",
        principal: grille_core::Principal {
            issuer: "https://id.example.com".into(),
            subject: subject.into(),
            groups: vec!["analysts".into()],
            kind: grille_core::PrincipalKind::Agent,
            token_id: Some("token-7".into()),
            expires_at: 0,
        },
        role: grille_core::RoleName::new("analyst"),
        upstream: grille_core::UpstreamName::new("demo"),
        target: "database".into(),
        client: "secret-client".into(),
    })
}

fn occasion() -> Occasion {
    asker("alice").occasion(ExchangeId(1))
}

fn action(text: &str) -> Action {
    Action { text: text.into(), ..support::action() }
}

/// Two revisions of a plugin, one in the shadow of the other, and who compares them.
struct Stage {
    observer: Observer,
    active: Arc<Plugin>,
    candidate: Arc<Plugin>,
}

impl Stage {
    fn new(world: &str, active: &str, candidate: &str) -> Self {
        let (active, candidate) = (plugin(world, active), self::candidate(world, candidate));
        let observer = Observer::start(&mut Registry::default());
        observer.follow(&generation(&active, Some(&candidate)));
        Self { observer, active, candidate }
    }

    fn watch(&self) -> Option<Watch<'_>> {
        self.observer.watch(&self.active, Some(&self.candidate))
    }

    /// As a session does.
    fn judge(&self, text: &str) {
        let action = action(text);
        let watch = self.watch();
        let answer = self.active.decide(&support::context(), &action, &[]);
        if let Some(watch) = watch {
            watch.judged(occasion(), &action, &answer);
        }
    }

    fn report(&self) -> DifferenceReport {
        self.observer.differences(&PluginId::new(NAME)).unwrap()
    }

    fn report_when(&self, what: &str, is_so: impl Fn(&DifferenceReport) -> bool) -> DifferenceReport {
        let probe = || Ok(Some(self.report()).filter(&is_so));
        wait::until(what, wait::PATIENCE, probe).unwrap()
    }
}

#[test]
fn what_nobody_watches_costs_a_look() {
    let active = plugin("policy", "");
    let observer = Observer::start(&mut Registry::default());
    observer.follow(&generation(&active, None));
    assert!(observer.watch(&active, None).is_none() && !observer.is_busy());
    let stray = candidate("policy", DENIES);
    assert!(observer.watch(&active, Some(&stray)).is_none(), "it is not in the shadow");
    assert!(observer.differences(&PluginId::new(NAME)).is_none());
}

#[test]
fn a_stricter_candidate_is_told_with_examples() {
    let stage = Stage::new("policy", "", DENIES);
    assert_eq!(stage.report().differences.compared, 0, "there is a report before the first judgement");
    for text in ["SELECT $1", "SELECT $1", "DELETE FROM t"] {
        stage.judge(text);
    }
    let report = stage.report_when("comparisons", |report| report.differences.compared == 3);
    assert_eq!(report.differences.kinds, BTreeMap::from([(DifferenceKind::AllowToDeny, 3)]));
    let examples: Vec<_> =
        report.differences.examples.iter().map(|one| (&*one.statement, one.times, &*one.role)).collect();
    assert_eq!(examples, [("SELECT $1", 2, "analyst"), ("DELETE FROM t", 1, "analyst")]);
    assert_eq!(report.differences.examples[0].candidate.reasons, ["SELECT $1"]);
    assert_eq!((report.state, report.dropped, report.faults), (ShadowState::Running, 0, 0));
    assert_eq!(report.candidate.latency.map(|latency| latency.answers), Some(3));
    assert_eq!(report.candidate.digest, stage.candidate.record().digest);
    assert_eq!(stage.active.health().reading().failures, 0);
}

#[test]
fn a_report_ends_with_its_candidate_and_another_begins_anew() {
    let stage = Stage::new("policy", "", DENIES);
    stage.judge("SELECT $1");
    stage.report_when("a comparison", |report| report.differences.compared == 1);
    stage.observer.follow(&generation(&stage.active, Some(&stage.candidate)));
    assert_eq!(stage.report().differences.compared, 1, "a reload that changes nothing of it");
    stage.observer.follow(&generation(&stage.active, None));
    assert!(stage.watch().is_none());
    let over = stage.report();
    assert_eq!((over.state, over.differences.compared), (ShadowState::Over, 1));
    let other = candidate("policy", TRAPS);
    stage.observer.follow(&generation(&stage.active, Some(&other)));
    let report = stage.report();
    assert_eq!((report.state, report.differences.compared), (ShadowState::Running, 0));
    assert_eq!(report.candidate.digest, other.record().digest);
    stage.judge("SELECT $1");
    let report = stage.report();
    assert_eq!(report.differences.compared, 0, "the session is still in the generation of before");
}

#[test]
fn a_candidate_that_fails_again_and_again_is_left_alone() {
    let stage = Stage::new("policy", "", TRAPS);
    while stage.watch().is_some() {
        stage.judge("SELECT $1");
    }
    let report = stage.report();
    assert_eq!(report.state, ShadowState::GivenUp);
    assert_eq!(report.differences.failures["trap"], 20);
    assert_eq!((report.differences.compared, report.active_failures), (0, 0));
}

#[test]
fn what_the_active_one_fails_at_is_not_compared() {
    let stage = Stage::new("policy", TRAPS, "");
    stage.judge("SELECT $1");
    let report = stage.report_when("a count", |report| report.active_failures == 1);
    assert_eq!((report.differences.compared, report.state), (0, ShadowState::Running));
}

#[test]
fn a_flood_past_a_candidate_that_hangs_is_dropped_and_counted() {
    let stage = Stage::new("policy", "", SPINS);
    let (flood, action) = (queue::QUEUE_ITEMS_MAX + 200, action("SELECT $1"));
    let answer = stage.active.decide(&support::context(), &action, &[]);
    for _ in 0..flood {
        stage.watch().unwrap().judged(occasion(), &action, &answer);
    }
    let report = stage.report();
    let looked_at = report.differences.failures.values().sum::<u64>();
    // One more may be under way.
    assert!(report.dropped + looked_at + 1 >= 200, "{report:?}");
    assert!(report.dropped > 0 && report.dropped <= 200, "{report:?}");
    stage.report_when("the candidate to be given up", |report| report.state == ShadowState::GivenUp);
    let huge = self::action(&"x".repeat(queue::INPUT_BYTES_MAX));
    let again = Stage::new("policy", "", DENIES);
    again.watch().unwrap().judged(occasion(), &huge, &answer);
    assert_eq!(again.report().dropped, 1, "what is too large is dropped at once");
}

fn column(field: u32, texts: &[&str]) -> ColumnTexts {
    let mut column = ColumnTexts::new(field);
    texts.iter().for_each(|text| column.push(text));
    column
}

#[test]
fn detectors_are_compared_by_what_only_one_finds() {
    let stage = Stage::new("detector", "", support::REPORT_EVERYTHING);
    let fields: Arc<[FieldInfo]> = support::fields(["id", "note"]).into();
    let columns = [column(0, &["7", "x"]), column(1, &["planted-1", "none"])];
    let scanned = Scanned { fields: &fields, kept: &[] };
    stage.watch().unwrap().looked_at(occasion(), scanned, columns.iter());
    let report = stage.report_when("a comparison", |report| report.differences.compared == 1);
    let findings: Vec<_> = report
        .differences
        .findings
        .iter()
        .map(|one| (&*one.label, &*one.column, one.only_active, one.only_candidate))
        .collect();
    assert_eq!(findings, [("NUMBER", "id", 0, 1), ("NUMBER", "note", 0, 1)]);
    assert!(!serde_json::to_string(&report).unwrap().contains("planted"));
    assert_eq!(stage.active.health().reading().calls, 0, "what is done here does not count as on the path");
    let kept = ["NUMBER".to_owned()];
    let scanned = Scanned { fields: &fields, kept: &kept };
    stage.watch().unwrap().looked_at(occasion(), scanned, columns.iter());
    let report = stage.report_when("a comparison", |report| report.differences.compared == 2);
    assert_eq!(report.differences.different, 1, "labels that are left as they are count for nothing");
}

#[test]
fn so_many_blocks_are_looked_at_in_a_second() {
    let stage = Stage::new("detector", "", "");
    let fields: Arc<[FieldInfo]> = support::fields(["note"]).into();
    let columns = [column(0, &["7"])];
    let mut told = 0;
    while stage.report().dropped == 0 {
        let scanned = Scanned { fields: &fields, kept: &[] };
        stage.watch().unwrap().looked_at(occasion(), scanned, columns.iter());
        told += 1;
    }
    assert!(told > u64::from(BLOCKS_PER_SECOND_MAX), "{told}");
}

#[test]
fn maskers_are_compared_by_how_many_values_differ() {
    let moves =
        GIVES_BACK.replacen("(i32.store (i32.const 100)", &format!("{MOVES} (i32.store (i32.const 100)"), 1);
    let stage = Stage::new("masker", GIVES_BACK, &moves);
    let field = FieldInfo::default();
    stage.watch().unwrap().masked(occasion(), &field, &["ab", "cd"]);
    let report = stage.report_when("a comparison", |report| report.differences.compared == 1);
    let differences = &report.differences;
    assert_eq!((differences.values, differences.values_different, differences.different), (2, 2, 1));
    // Three values are more than the hand-written maskers can answer.
    stage.watch().unwrap().masked(occasion(), &field, &["ab", "cd", "ef"]);
    stage.report_when("a failure", |report| report.active_failures == 1);
}

fn order(directory: &Path, inputs_max: u64) -> RecordingOrder {
    let time_max = Duration::from_mins(1);
    RecordingOrder { plugin: PluginId::new(NAME), directory: directory.to_owned(), time_max, inputs_max }
}

fn entries(file: &str) -> Vec<RecordingEntry> {
    let mut reader = RecordingReader::open(Path::new(file)).unwrap();
    std::iter::from_fn(|| reader.next_entry().unwrap()).collect()
}

fn until_ended(observer: &Observer) -> RecordingStatus {
    wait::until("the recording to end", wait::PATIENCE, || Ok((!observer.is_busy()).then_some(()))).unwrap();
    observer.stop_recording(&PluginId::new(NAME)).unwrap()
}

#[test]
fn statements_are_recorded_without_names_until_there_are_enough() {
    let (active, directory) = (plugin("policy", DENIES), tempfile::tempdir().unwrap());
    let generation = generation(&active, None);
    let observer = Observer::start(&mut Registry::default());
    observer.follow(&generation);
    let status = observer.record(&generation, &order(directory.path(), 3)).unwrap();
    assert_eq!((status.inputs, status.ended), (0, None));
    let again = observer.record(&generation, &order(directory.path(), 3)).unwrap_err();
    assert!(matches!(again, RecordingError::UnderWay { .. }), "{again}");
    for subject in ["alice", "alice", "bob"] {
        // The policy's reason is the text, so it names somebody.
        let action = action(&format!("SELECT {subject}"));
        let answer = active.decide(&support::context(), &action, &[]);
        let occasion = asker(subject).occasion(ExchangeId(1));
        observer.watch(&active, None).unwrap().judged(occasion, &action, &answer);
    }
    let status = until_ended(&observer);
    assert_eq!((status.inputs, status.dropped, status.ended), (3, 0, Some(RecordingEnd::Inputs)));
    let text = fs::read_to_string(&status.file).unwrap();
    for secret in ["\"alice", "\"bob", "token-7", "secret-client", "id.example.com"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let entries = entries(&status.file);
    let [
        RecordingEntry::Statement(first),
        RecordingEntry::Statement(second),
        RecordingEntry::Statement(other),
        RecordingEntry::Ended(_),
    ] = entries.as_slice()
    else {
        panic!("{entries:?}")
    };
    assert_eq!(first.asker, second.asker);
    assert_ne!(first.asker.subject, other.asker.subject);
    assert_eq!((&*first.asker.kind, &*first.asker.role, first.asker.groups.len()), ("agent", "analyst", 1));
    let unnamed = format!("deny; SELECT {}", first.asker.subject);
    assert_eq!((first.answer.to_string(), &*first.action.text), (unnamed, "SELECT alice"));
    assert_eq!(first.by.digest, active.record().digest);
}

#[test]
fn cells_are_recorded_as_they_are_released() {
    let (active, directory) = (plugin("detector", ""), tempfile::tempdir().unwrap());
    let generation = generation(&active, None);
    let observer = Observer::start(&mut Registry::default());
    observer.follow(&generation);
    observer.record(&generation, &order(directory.path(), 1)).unwrap();
    let treated = vec![TreatedCount { label: "NUMBER".into(), column: "note".into(), count: 2 }];
    let watch = observer.watch(&active, None).filter(Watch::wants_released).unwrap();
    let columns = [column(1, &["masked", "free"])];
    watch.released(occasion(), &support::fields(["id", "note"]), columns.iter(), treated.clone());
    let entries = entries(&until_ended(&observer).file);
    let RecordingEntry::Cells(cells) = &entries[0] else { panic!("{entries:?}") };
    assert_eq!((&*cells.columns[0].name, &*cells.columns[0].texts.join(" ")), ("note", "masked free"));
    assert_eq!(cells.treated, treated);
}

#[test]
fn a_recording_ends_by_time_by_order_and_with_grille() {
    let (active, directory) = (plugin("policy", ""), tempfile::tempdir().unwrap());
    let generation = generation(&active, None);
    let observer = Observer::start(&mut Registry::default());
    let short = RecordingOrder { time_max: Duration::from_secs(1), ..order(directory.path(), 9) };
    observer.record(&generation, &short).unwrap();
    assert_eq!(until_ended(&observer).ended, Some(RecordingEnd::Time));
    observer.record(&generation, &order(directory.path(), 9)).unwrap();
    let action = action("SELECT $1");
    let answer = active.decide(&support::context(), &action, &[]);
    for _ in 0..5 {
        observer.watch(&active, None).unwrap().judged(occasion(), &action, &answer);
    }
    let stopped = observer.stop_recording(&PluginId::new(NAME)).unwrap();
    assert_eq!(
        (stopped.ended, stopped.inputs),
        (Some(RecordingEnd::Stopped), 5),
        "what came before is in it"
    );
    let file = observer.record(&generation, &order(directory.path(), 9)).unwrap().file;
    observer.close();
    let last = entries(&file).pop();
    assert!(matches!(last, Some(RecordingEntry::Ended(ended)) if ended.why == RecordingEnd::Shutdown));
}

#[test]
fn what_cannot_be_recorded_is_refused_in_a_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let observer = Observer::start(&mut Registry::default());
    let check = |generation: &Generation, order: RecordingOrder, says: &str| {
        let error = observer.record(generation, &order).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        assert!(!observer.is_busy() && fs::read_dir(directory.path()).unwrap().next().is_none());
    };
    let policy = generation(&plugin("policy", ""), None);
    let masker = generation(&plugin("masker", ""), None);
    let good = || order(directory.path(), 9);
    check(&policy, RecordingOrder { plugin: PluginId::new("other"), ..good() }, "no plugin is named other");
    check(&masker, good(), "is a masker");
    check(&policy, order(directory.path(), 0), "at most 24 h and 1000000 inputs");
    check(&policy, order(directory.path(), RECORDING_INPUTS_MAX + 1), "at most 24 h");
    check(&policy, RecordingOrder { time_max: Duration::ZERO, ..good() }, "at most 24 h");
    let long = RecordingOrder { time_max: RECORDING_TIME_MAX + Duration::from_secs(1), ..good() };
    check(&policy, long, "at most 24 h");
    let stopped = observer.stop_recording(&PluginId::new(NAME)).unwrap_err();
    assert!(stopped.to_string().contains("is not being recorded"), "{stopped}");
}

#[test]
fn a_panic_costs_one_input_and_not_the_worker() {
    let stage = Stage::new("policy", "", DENIES);
    worker::guarded(&stage.observer.scene, &PluginId::new(NAME), || panic!("planted"));
    assert_eq!(stage.report().faults, 1);
    stage.judge("SELECT $1");
    stage.report_when("a comparison", |report| report.differences.compared == 1);
}
