//! The steps of `cargo xtask test`, the cheapest first, so that a slip is told within minutes.

use std::path::PathBuf;

use anyhow::Result;

use crate::plugins::{self, Selection};
use crate::steps::Step;
use crate::swap_storm::{self, Storm};
use crate::unchanged::{Repeat, unless_unchanged};
use crate::{attack, dependencies, end_to_end, examples, fuzz, hostile, install, layout, process, tutorials};

const ROOT_WORKSPACE: &str = ".";

/// How much is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Everything, also where nothing has changed since it last passed.
    All,
    /// Everything; of the long steps those for which something has changed since they last passed. In continuous integration
    /// the same as [`Extent::All`].
    Full,
    /// Without fuzzing, without the examples and without the suites of real drivers.
    Quick,
}

/// The steps of a test run.
pub(crate) fn steps(extent: Extent) -> Vec<Step> {
    let repeat = match extent {
        Extent::All => Repeat::Always,
        Extent::Full | Extent::Quick => Repeat::by_environment(),
    };
    let mut steps = vec![
        Step::new("install", || install::host().and_then(|()| install::services())),
        Step::new("format", format),
        Step::new("plugins", || plugins::build(&Selection::All)),
        Step::new("lint", lint),
        Step::new("plugin tests", test_plugins),
        Step::new("build", || process::run(&mut process::cargo(["build", "--workspace", "--bins"]))),
        Step::new("tests", || {
            process::run(&mut process::cargo(["test", "--workspace", "--exclude", end_to_end::CRATE]))
        }),
        end_to_end::step(repeat),
        attack::step_on_change(repeat),
        swap_storm::step_on_change(Storm::Swaps, repeat),
        swap_storm::step_on_change(Storm::Reloads, repeat),
        Step::new("docs", document),
        Step::new("dependencies", dependencies::check),
        Step::skippable("advisories", dependencies::check_advisories),
    ];
    match extent {
        Extent::Quick => {}
        Extent::Full | Extent::All => {
            steps.push(examples::step(repeat));
            steps.push(hostile::step(repeat));
            steps.push(tutorials::step(repeat));
            steps.push(Step::skippable("fuzz", move || fuzz::run(&fuzz::Budget::TEST_RUN, repeat)));
            steps.push(Step::new("install drivers", install::drivers));
            steps.extend(DRIVER_SUITES.map(|(name, parts)| {
                Step::skippable(name, move || {
                    unless_unchanged(name, repeat, &driver_suite_inputs(), || driver_suite(parts))
                })
            }));
        }
    }
    steps
}

/// All workspaces, the root's first.
fn workspaces() -> impl Iterator<Item = &'static str> {
    std::iter::once(ROOT_WORKSPACE).chain(layout::NATIVE_WORKSPACES)
}

fn format() -> Result<()> {
    for workspace in workspaces().chain([layout::FUZZ_CRATE]) {
        run_in(workspace, ["fmt", "--all", "--check"])?;
    }
    Ok(())
}

/// Also the step that refuses a lock file which does not fit its manifests.
fn lint() -> Result<()> {
    for workspace in workspaces() {
        let clippy = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
        run_in(workspace, clippy)?;
    }
    Ok(())
}

fn test_plugins() -> Result<()> {
    for workspace in layout::NATIVE_WORKSPACES {
        run_in(workspace, ["test", "--workspace", "--all-features"])?;
    }
    Ok(())
}

fn document() -> Result<()> {
    process::run(process::cargo(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-Dwarnings"))
}

/// Real clients, through Grille and without it, compared: parts of `driver-suite`, by the step they are in.
const DRIVER_SUITES: [(&str, &[&str]); 3] = [
    ("driver programs", &["psql", "jdbc", "sqlalchemy", "django"]),
    ("driver suites", &["psycopg2", "asyncpg"]),
    ("regression", &["regression"]),
];

/// All that decides how a suite comes out, but for what is installed.
fn driver_suite_inputs() -> [PathBuf; 4] {
    let drivers = layout::root().join("tests/drivers");
    [layout::program("grille"), layout::program("driver-suite"), layout::components(), drivers]
}

fn driver_suite(parts: &[&str]) -> Result<()> {
    let mut suite = process::cargo(["run", "--package", "grille-harness", "--bin", "driver-suite", "--"]);
    process::run(suite.args(parts))
}

fn run_in<const N: usize>(workspace: &str, arguments: [&str; N]) -> Result<()> {
    let mut cargo = process::cargo(arguments);
    if workspace != ROOT_WORKSPACE {
        cargo.current_dir(layout::root().join(workspace));
    }
    process::run(&mut cargo)
}
