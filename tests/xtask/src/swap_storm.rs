//! The steps of `cargo xtask swap-storm` and `cargo xtask reload-storm`, and their short form in a test run. The storms themselves
//! are programs of grille-harness.

use std::process::Command;
use std::rc::Rc;

use anyhow::{Context, Result, bail};

use crate::attack::ClosingLine;
use crate::steps::Step;
use crate::unchanged::{Repeat, unless_unchanged};
use crate::{demo, layout, process};

/// What is done again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storm {
    /// Good revisions follow each other under load.
    Swaps,
    /// Good and bad ones do.
    Reloads,
}

impl Storm {
    /// Its program, and its step's name.
    fn name(self) -> &'static str {
        match self {
            Self::Swaps => "swap-storm",
            Self::Reloads => "reload-storm",
        }
    }

    /// How its closing line begins.
    fn closing(self) -> &'static str {
        match self {
            Self::Swaps => "swap: ",
            Self::Reloads => "reload: ",
        }
    }

    /// What a test run has time for. A debug build says nothing about latencies.
    fn short(self) -> &'static [&'static str] {
        match self {
            Self::Swaps => &["--swaps", "60", "--latency", "told"],
            Self::Reloads => &["--reloads", "200"],
        }
    }
}

/// Everything, from installing on, against a release build: latencies and memory are those that count.
pub(crate) fn steps(storm: Storm, options: Vec<String>, closing: &ClosingLine) -> Vec<Step> {
    let closing = Rc::clone(closing);
    let mut steps = demo::prepare();
    steps.push(Step::new("release build", || {
        process::run(&mut process::cargo(["build", "--release", "--package", "grille"]))
    }));
    steps.push(Step::new(storm.name(), move || {
        let release = layout::root().join("target/release/grille");
        let mut command = command(storm, &options);
        run(storm, command.env("GRILLE_BINARY", release), &closing)
    }));
    steps
}

/// The short form, against what has been built for the tests, unless nothing has changed since it last passed.
pub(crate) fn step_on_change(storm: Storm, repeat: Repeat) -> Step {
    Step::skippable(storm.name(), move || {
        let inputs = [layout::program("grille"), layout::program(storm.name()), layout::components()];
        let options: Vec<String> = storm.short().iter().map(|option| (*option).to_owned()).collect();
        unless_unchanged(storm.name(), repeat, &inputs, || {
            run(storm, &mut command(storm, &options), &ClosingLine::default())
        })
    })
}

fn command(storm: Storm, options: &[String]) -> Command {
    let mut command = process::cargo(["run", "--package", "grille-harness", "--bin", storm.name(), "--"]);
    command.args(options);
    command
}

fn run(storm: Storm, command: &mut Command, closing: &ClosingLine) -> Result<()> {
    let said = process::echo(command)?;
    let line = said.output.lines().rfind(|line| line.starts_with(storm.closing()));
    *closing.borrow_mut() = line.map(str::to_owned);
    line.context("the storm did not end with its closing line")?;
    if !said.succeeded {
        bail!("`{}` found something: see above", process::shown(command));
    }
    Ok(())
}
