//! Fuzz targets: `tests/fuzz` compiled for libFuzzer, each target run for a while, several side by side.
//!
//! The flags are given to the compiler directly, as cargo-fuzz would: one program less to install. Any toolchain gives
//! coverage; a nightly one adds AddressSanitizer, and with it libFuzzer sees what strings are compared with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::steps::Outcome;
use crate::unchanged::{Repeat, unless_unchanged};
use crate::{layout, process};

/// What a target may use.
pub(crate) struct Budget {
    /// How long each target runs.
    time: Duration,
}

impl Budget {
    /// For `cargo xtask test`.
    pub(crate) const TEST_RUN: Self = Self { time: Duration::from_secs(60) };
}

/// An input that takes longer is a finding.
const INPUT_SECONDS_MAX: u32 = 10;

/// More resident memory than this is a finding, in MiB. AddressSanitizer's own share is some hundred.
const MEMORY_MIB_MAX: u32 = 2048;

/// Coverage counters and comparisons in our code and its dependencies, so that libFuzzer sees what an input reached.
const COVERAGE: [&str; 9] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    // Folded branches are branches whose coverage is not seen.
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    // Counters keep functions from being inlined across units.
    "-Ccodegen-units=1",
    "--cfg=fuzzing",
    // Overflows and failed debug assertions are findings.
    "-Cdebug-assertions",
];

#[derive(Deserialize)]
struct FuzzCrate {
    bin: Vec<FuzzTarget>,
}

#[derive(Deserialize)]
struct FuzzTarget {
    name: String,
}

/// The toolchain the targets are compiled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instrumentation {
    /// What a nightly toolchain has.
    AddressSanitizer,
    /// What every toolchain has.
    CoverageOnly,
}

/// Builds every target and runs them, unless programs and seeds are those that last passed. A finding is left in
/// `tests/fuzz/artifacts/TARGET` and fails the step.
pub(crate) fn run(budget: &Budget, repeat: Repeat) -> Result<Outcome> {
    let fuzz_crate = layout::root().join(layout::FUZZ_CRATE);
    let targets = targets(&fuzz_crate)?;
    let instrumentation = instrumentation();
    if instrumentation == Instrumentation::CoverageOnly {
        eprintln!("NOTE: no nightly toolchain on this machine: fuzzing without AddressSanitizer");
    }
    let programs = build(instrumentation)?;
    let mut inputs: Vec<PathBuf> = targets.iter().map(|target| programs.join(target)).collect();
    inputs.push(fuzz_crate.join("corpus"));
    let side_by_side = thread::available_parallelism().map_or(1, usize::from);
    unless_unchanged("fuzz", repeat, &inputs, || {
        targets.chunks(side_by_side).try_for_each(|group| run_group(group, &programs, budget))
    })
}

/// The targets' names, from the crate's manifest.
fn targets(fuzz_crate: &Path) -> Result<Vec<String>> {
    let path = fuzz_crate.join("Cargo.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let manifest: FuzzCrate = toml::from_str(&text).with_context(|| path.display().to_string())?;
    ensure!(!manifest.bin.is_empty(), "{} has no [[bin]]", path.display());
    Ok(manifest.bin.into_iter().map(|target| target.name).collect())
}

fn instrumentation() -> Instrumentation {
    // rustup's cargo understands `+nightly`; any other refuses it.
    match process::capture(process::command("cargo").args(["+nightly", "--version"])) {
        Ok(_) => Instrumentation::AddressSanitizer,
        Err(_) => Instrumentation::CoverageOnly,
    }
}

/// Compiles the targets; the folder they are in.
fn build(instrumentation: Instrumentation) -> Result<PathBuf> {
    // With an explicit target the flags do not reach build scripts and macros, which libFuzzer's main would break.
    let triple = process::capture(process::command("rustc").args(["--print", "host-tuple"]))?;
    let folder = layout::root().join(layout::FUZZ_CRATE);
    let mut cargo = compiler(instrumentation);
    cargo.args(["build", "--release", "--bins", "--target", &triple]).current_dir(&folder);
    cargo.arg("--target-dir").arg(folder.join("target"));
    process::run(&mut cargo)?;
    Ok(folder.join("target").join(triple).join("release"))
}

fn compiler(instrumentation: Instrumentation) -> Command {
    let mut flags = COVERAGE.join(" ");
    let mut cargo = process::command("cargo");
    match instrumentation {
        Instrumentation::AddressSanitizer => {
            flags.push_str(" -Zsanitizer=address");
            cargo.arg("+nightly");
        }
        Instrumentation::CoverageOnly => {}
    }
    cargo.env_remove("CARGO_ENCODED_RUSTFLAGS").env("RUSTFLAGS", flags);
    cargo
}

fn run_group(targets: &[String], programs: &Path, budget: &Budget) -> Result<()> {
    let mut running = Vec::new();
    for target in targets {
        let folders = Folders::of(target);
        folders.make()?;
        let mut command = fuzz_command(&programs.join(target), &folders, budget);
        eprintln!("$ {}", process::shown(&command));
        let child = command.spawn().with_context(|| format!("cannot start fuzz target {target}"))?;
        running.push((target, child));
    }
    // All are waited for, whatever the first one says: no target outlives the step.
    let results: Vec<_> = running.into_iter().map(|(target, child)| finish(target, child)).collect();
    results.into_iter().collect()
}

/// Where a target's inputs are.
struct Folders {
    /// Inputs that reached something new, kept from run to run outside the repository.
    found: PathBuf,
    /// Inputs in the repository.
    seeds: PathBuf,
    /// Inputs that made the target fail.
    artifacts: PathBuf,
}

impl Folders {
    fn of(target: &str) -> Self {
        let fuzz_crate = layout::root().join(layout::FUZZ_CRATE);
        Self {
            found: layout::root().join("target/fuzz-corpus").join(target),
            seeds: fuzz_crate.join("corpus").join(target),
            artifacts: fuzz_crate.join("artifacts").join(target),
        }
    }

    fn make(&self) -> Result<()> {
        for folder in [&self.found, &self.artifacts] {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        Ok(())
    }
}

fn fuzz_command(program: &Path, folders: &Folders, budget: &Budget) -> Command {
    let mut command = process::command(program);
    // New inputs go to the first folder.
    command.arg(&folders.found);
    if folders.seeds.exists() {
        command.arg(&folders.seeds);
    }
    command.arg(format!("-artifact_prefix={}/", folders.artifacts.display()));
    command.arg(format!("-max_total_time={}", budget.time.as_secs()));
    command.arg(format!("-timeout={INPUT_SECONDS_MAX}"));
    command.arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"));
    command.args(["-print_final_stats=1", "-verbosity=0"]);
    command
}

fn finish(target: &str, mut child: Child) -> Result<()> {
    let status = child.wait().with_context(|| format!("cannot wait for fuzz target {target}"))?;
    if !status.success() {
        bail!(
            "fuzz target {target} has a finding ({status}): its input is in {0}/artifacts/{target}; keep it in \
             {0}/corpus/{target} with the fix",
            layout::FUZZ_CRATE
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(manifest: &str) -> Result<Vec<String>> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("Cargo.toml"), manifest).expect("a file");
        targets(folder.path())
    }

    #[test]
    fn each_bin_is_a_target() {
        let manifest = "[[bin]]\nname = \"startup\"\npath = \"a.rs\"\n[[bin]]\nname = \"backend\"\n";
        assert_eq!(names(manifest).expect("targets"), ["startup", "backend"]);
    }

    #[test]
    fn a_crate_without_targets_does_not_pass_as_fuzzed() {
        for manifest in ["", "bin = []", "[[bin]]\npath = \"a.rs\""] {
            names(manifest).expect_err(manifest);
        }
        targets(Path::new("/no/such/folder")).expect_err("no crate");
    }

    #[test]
    fn a_target_has_limits() {
        let command =
            fuzz_command(Path::new("/programs/startup"), &Folders::of("startup"), &Budget::TEST_RUN);
        let shown = process::shown(&command);
        for limit in ["-max_total_time=60", "-timeout=10", "-rss_limit_mb=2048"] {
            assert!(shown.contains(limit), "{shown}");
        }
    }
}
