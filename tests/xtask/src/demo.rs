//! The steps of `cargo xtask demo` and `cargo xtask bench`. The story itself is told by `demo` of grille-harness.

use anyhow::Result;

use crate::plugins::{self, Selection};
use crate::steps::Step;
use crate::{install, layout, process};

/// Who watches the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// A person, for whom it waits.
    Person,
    /// Nobody: it fails unless each step of the story was seen.
    Check,
}

/// The steps of the demo.
pub(crate) fn demo_steps(audience: Audience) -> Vec<Step> {
    let mut steps = prepare();
    steps.push(Step::new("demo", move || tell(audience)));
    steps
}

/// The steps of the benchmarks: our own hot paths, then Grille beside other proxies.
pub(crate) fn bench_steps() -> Vec<Step> {
    let mut steps = prepare();
    steps.push(Step::new("install for benchmarks", install::bench));
    steps.push(Step::new("release build", || {
        process::run(&mut process::cargo(["build", "--release", "--package", "grille"]))
    }));
    steps.push(Step::new("criterion", || {
        process::run(&mut process::cargo(["bench", "--package", "grille-bench"]))
    }));
    steps.push(Step::new("proxies", || {
        let mut bench = process::cargo(["run", "--package", "grille-harness", "--bin", "proxy-bench"]);
        process::run(bench.env("GRILLE_BINARY", layout::root().join("target/release/grille")))
    }));
    steps
}

/// Installs and builds what Grille and PostgreSQL side by side need.
pub(crate) fn prepare() -> Vec<Step> {
    vec![
        Step::new("install", || install::host().and_then(|()| install::services())),
        Step::new("plugins", || plugins::build(&Selection::All)),
        Step::new("build", || process::run(&mut process::cargo(["build", "--package", "grille"]))),
    ]
}

fn tell(audience: Audience) -> Result<()> {
    let mut demo = process::cargo(["run", "--package", "grille-harness", "--bin", "demo", "--"]);
    match audience {
        Audience::Person => {}
        Audience::Check => {
            demo.arg("--check");
        }
    }
    process::run(&mut demo)
}
