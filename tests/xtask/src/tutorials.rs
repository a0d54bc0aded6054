//! docs/tutorials/first-plugin.md, played from its first to its last command in each language. The page and how it is played are
//! the business of `demo --tutorial` in grille-harness.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::steps::{Outcome, Step};
use crate::unchanged::{Repeat, unless_unchanged_or_skipped};
use crate::{demo, end_to_end, examples, install, layout, process};

/// How a line begins that says which language was left out, and why.
const LEFT_OUT: &str = "left out ";

/// The steps on request: of some languages, or of all.
pub(crate) fn steps(languages: Vec<String>) -> Vec<Step> {
    let mut steps = demo::prepare();
    steps.push(Step::skippable("tutorials", move || {
        install::languages();
        play(&languages)
    }));
    steps
}

/// The step of a test run, left out while nothing it reads has changed.
pub(crate) fn step(repeat: Repeat) -> Step {
    Step::skippable("tutorials", move || {
        install::languages();
        unless_unchanged_or_skipped("tutorials", repeat, &inputs()?, || play(&[]))
    })
}

/// The SDKs and what is built of them, the page, and who plays it.
fn inputs() -> Result<Vec<PathBuf>> {
    let mut inputs = examples::inputs()?;
    inputs.extend([layout::root().join("docs/tutorials/first-plugin.md"), layout::program("demo")]);
    Ok(inputs)
}

/// A language whose tools cannot be had on this machine is left out, and said to be.
fn play(languages: &[String]) -> Result<Outcome> {
    let mut demo =
        process::cargo(["run", "--package", "grille-harness", "--bin", "demo", "--", "--tutorial"]);
    let said = process::echo(demo.args(languages))?;
    ensure!(said.succeeded, "the tutorial does not work as it is written: see above");
    let left_out: Vec<&str> = said.output.lines().filter_map(|line| line.strip_prefix(LEFT_OUT)).collect();
    if !left_out.iter().any(|line| line.starts_with("c:")) {
        end_to_end::run_module("plugin_dev", None)?;
    }
    match left_out[..] {
        [] => Ok(Outcome::Passed),
        _ => Ok(Outcome::Skipped(left_out.join("\n"))),
    }
}
