//! The tests of what clients see (tests/e2e): those that run by themselves, and the modules that other steps run once they
//! have built what these need.

use std::path::PathBuf;
use std::process::Command;
use std::thread;

use anyhow::{Result, ensure};

use crate::steps::Step;
use crate::unchanged::{Repeat, unless_unchanged};
use crate::{layout, process};

/// The crate they are in.
pub(crate) const CRATE: &str = "grille-e2e";

const NAME: &str = "end to end";

/// The step, left out while nothing it reads has changed.
pub(crate) fn step(repeat: Repeat) -> Step {
    Step::skippable(NAME, move || unless_unchanged(NAME, repeat, &inputs(), || process::run(&mut tests())))
}

/// Runs the tests of one module, also those that need what the caller has built, with an environment variable.
///
/// # Errors
/// When one fails, or when there is none.
pub(crate) fn run_module(module: &str, variable: Option<(&str, &str)>) -> Result<()> {
    let mut tests = tests();
    tests.args(["--test", "end_to_end", "--", "--include-ignored", &format!("{module}::")]).envs(variable);
    let said = process::echo(&mut tests)?;
    ensure!(said.succeeded, "a test of `{module}` failed: see above");
    ensure!(!said.output.contains("running 0 tests"), "there is no test in a module `{module}`");
    Ok(())
}

fn tests() -> Command {
    let mut tests = process::cargo(["test", "--package", CRATE]);
    // Most of the time a test waits for what servers do, or for what must not happen.
    let threads = 2 * thread::available_parallelism().map_or(1, usize::from);
    tests.env("RUST_TEST_THREADS", threads.to_string());
    tests
}

/// All that decides how they come out, but for what is installed: the SDKs are in the binary.
fn inputs() -> [PathBuf; 4] {
    let tests = layout::root().join("tests");
    [layout::program("grille"), layout::components(), tests.join("e2e"), tests.join("harness")]
}
