//! The steps of `cargo xtask attack`. The runs themselves are those of `attack` of grille-harness.

use std::cell::RefCell;
use std::rc::Rc;

use anyhow::{Context, Result, bail};

use crate::steps::Step;
use crate::unchanged::{Repeat, unless_unchanged};
use crate::{demo, layout, process};

/// The step's name, and that of the program.
const NAME: &str = "attack";

/// How the line begins that ends a run of `grille attack`.
const CLOSING: &str = "attack: ";

/// The closing line of the run with policy, once it has been seen.
pub(crate) type ClosingLine = Rc<RefCell<Option<String>>>;

/// Everything, from installing on.
pub(crate) fn steps(closing: &ClosingLine) -> Vec<Step> {
    let mut steps = demo::prepare();
    steps.push(step(closing));
    steps
}

/// The step that attacks; what it needs is installed and built.
pub(crate) fn step(closing: &ClosingLine) -> Step {
    let closing = Rc::clone(closing);
    Step::new(NAME, move || run(&closing))
}

/// The same, unless nothing has changed since it last passed.
pub(crate) fn step_on_change(repeat: Repeat) -> Step {
    Step::skippable(NAME, move || {
        let inputs = [layout::program("grille"), layout::program(NAME), layout::components()];
        unless_unchanged(NAME, repeat, &inputs, || run(&ClosingLine::default()))
    })
}

fn run(closing: &ClosingLine) -> Result<()> {
    let mut attack = process::cargo(["run", "--package", "grille-harness", "--bin", "attack"]);
    let said = process::echo(&mut attack)?;
    let line = said.output.lines().rfind(|line| line.starts_with(CLOSING));
    *closing.borrow_mut() = line.map(str::to_owned);
    line.context("the attack did not end with its closing line")?;
    if !said.succeeded {
        bail!("`{}` found something: see above", process::shown(&attack));
    }
    Ok(())
}
