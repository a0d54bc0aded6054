//! What plugins use, counted: equal work takes equally many instructions, and memory is what the instance has in the end.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::{Arc, LazyLock};

use grille_plugin::untrusted::CellBlock;
use grille_plugin::{
    ActionWords, Compiler, Detector, Engine, EngineSettings, Plugin, PluginFailure, Restores, Usage,
};
use serde_json::json;
use support::{
    REPORT_EVERYTHING, component, component_with_memory, context, detector_metadata, engine, fields, limits,
    metadata, plugin,
};

/// An engine that counts, with a directory of its own.
struct Metered {
    engine: Engine,
    _directory: tempfile::TempDir,
}

fn metered() -> &'static Engine {
    static METERED: LazyLock<Metered> = LazyLock::new(|| {
        let directory = tempfile::tempdir().unwrap();
        let cache_directory = directory.path().join("cache");
        let settings = EngineSettings { cache_directory, compiler: Compiler::InProcess, limits: limits() };
        Metered { engine: Engine::metered(settings).unwrap(), _directory: directory }
    });
    &METERED.engine
}

const PAGE: usize = 65536;

/// A policy that counts to a number, and takes so many pages of memory besides.
fn busy(turns: u32, pages: u32) -> Vec<u8> {
    let decide = format!(
        r#"(func (export "decide") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32) (local $left i32)
          (drop (memory.grow (i32.const {pages})))
          (local.set $left (i32.const {turns}))
          (loop $turn
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br_if $turn (local.get $left)))
          (i32.const 16))"#
    );
    component_with_memory(2, "policy", &decide, &metadata("policy"))
}

fn policy(engine: &Engine, bytes: &[u8]) -> Arc<Plugin> {
    plugin(&engine.compile(bytes).unwrap(), &json!({})).unwrap()
}

fn decided(policy: &Plugin) -> Usage {
    policy.decide_counted(&context(), &ActionWords::default()).unwrap()
}

#[test]
fn equal_work_takes_equally_many_instructions() {
    let policy_of = |turns| policy(metered(), &busy(turns, 0));
    let short = policy_of(10);
    assert_eq!(short.restores(), &Restores::Snapshot, "what counts is restored as well");
    let instructions = |policy: &Plugin| decided(policy).instructions.unwrap();
    assert_eq!(instructions(&short), instructions(&short));
    // Each turn gets, subtracts, sets, gets and branches, with a constant.
    assert_eq!(instructions(&policy_of(110)) - instructions(&short), 100 * 6);
    let begun = short.begin_counted(&context(), &[]).unwrap().instructions.unwrap();
    assert!(0 < begun && begun < instructions(&short), "{begun}");
}

#[test]
fn an_engine_that_serves_counts_no_instructions() {
    assert_eq!(decided(&policy(engine(), &busy(10, 0))).instructions, None);
}

#[test]
fn memory_is_what_there_is_in_the_end() {
    for engine in [engine(), metered()] {
        for pages in [0, 3] {
            let used = decided(&policy(engine, &busy(1, pages)));
            assert_eq!(used.memory_bytes, (2 + pages as usize) * PAGE);
        }
    }
}

#[test]
fn a_detector_adds_up_what_its_blocks_take() -> Result<(), PluginFailure> {
    let bytes = component("detector", REPORT_EVERYTHING, &detector_metadata("alone"));
    let detector = policy(metered(), &bytes);
    let mut detector = Detector::begin(&detector, &context(), &fields(["a"]))?;
    let mut counted = || -> Result<u64, PluginFailure> {
        detector.inspect(&mut CellBlock::of_column(0, ["1", "22"]).unwrap())?;
        Ok(detector.usage()?.instructions.unwrap())
    };
    let (first, second, third) = (counted()?, counted()?, counted()?);
    assert_eq!(second - first, third - second, "each block is the same work");
    Ok(())
}
