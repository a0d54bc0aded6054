//! Compiling in a child process. This program is its own child: the test harness would write to standard output, where
//! machine code is expected.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::process::ExitCode;

use grille_plugin::{CompileError, Compiler, Component, LoadError, Restores};
use serde_json::json;
use support::{OwnEngine, action, component, context, metadata, plugin};

const AS_CHILD: &str = "compile-as-child";

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == AS_CHILD) {
        return grille_plugin::compile_child();
    }
    what_the_child_compiled_runs();
    what_the_child_refuses_is_refused();
    println!("test result: ok. 2 passed");
    ExitCode::SUCCESS
}

fn compile(bytes: &[u8]) -> Result<Component, LoadError> {
    let compiler =
        Compiler::Child { program: std::env::current_exe().unwrap(), arguments: vec![AS_CHILD.into()] };
    OwnEngine::new(compiler, support::limits()).engine.compile(bytes)
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
