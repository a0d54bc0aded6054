//! Compiling in a child process. This program is its own child: the test harness would write to standard output, where
//! machine code is expected.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::process::ExitCode;

use grille_plugin::{
    ActionWords, CompileError, Compiler, Component, Engine, EngineSettings, LoadError, Restores,
};
use serde_json::json;
use support::{OwnEngine, action, component, context, metadata, plugin};

const AS_CHILD: &str = "compile-as-child";

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == AS_CHILD) {
        return grille_plugin::compile_child();
    }
    what_the_child_compiled_runs();
    what_the_child_refuses_is_refused();
    the_child_makes_code_that_counts();
    println!("test result: ok. 3 passed");
    ExitCode::SUCCESS
}

fn compiler() -> Compiler {
    Compiler::Child { program: std::env::current_exe().unwrap(), arguments: vec![AS_CHILD.into()] }
}

fn compile(bytes: &[u8]) -> Result<Component, LoadError> {
    OwnEngine::new(compiler(), support::limits()).engine.compile(bytes)
}

fn what_the_child_compiled_runs() {
    let component = compile(&component("policy", "", &metadata("policy"))).unwrap();
    let policy = plugin(&component, &json!({})).unwrap();
    assert_eq!(policy.restores(), &Restores::Snapshot, "the child makes snapshots too");
    policy.decide(&context(), &action(), &[]).unwrap();
}

fn what_the_child_refuses_is_refused() {
    let invalid = component("policy", "(memory i64 1)", &metadata("policy"));
    match compile(&invalid).map(|_| ()) {
        Err(LoadError::Compile(CompileError::Child { message, .. })) => {
            assert!(message.contains("memor"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

fn the_child_makes_code_that_counts() {
    let directory = tempfile::tempdir().unwrap();
    let cache_directory = directory.path().join("cache");
    let settings = EngineSettings { cache_directory, compiler: compiler(), limits: support::limits() };
    let bytes = component("policy", "", &metadata("policy"));
    let component = Engine::metered(settings).unwrap().compile(&bytes).unwrap();
    let policy = plugin(&component, &json!({})).unwrap();
    let used = policy.decide_counted(&context(), &ActionWords::default()).unwrap();
    assert!(used.instructions.is_some_and(|count| count > 0), "{used:?}");
}
