//! Folders that take long to make and depend on a few files only: installed packages, a built driver. Kept under the
//! target folder, one for each content of those files, and shared by all test processes.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::endpoint::Ran;
use crate::workspace;

/// The file that says a folder is complete.
const READY: &str = ".ready";

/// The folder `name` for `inputs`; made by `build`, in an empty folder, if it is not there yet. Only one process builds.
///
/// # Errors
/// When building fails. The next call begins anew.
pub fn folder(
    name: &str,
    inputs: &[&str],
    build: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    let parent = workspace::target().join("harness");
    fs::create_dir_all(&parent)?;
    let folder = parent.join(format!("{name}-{:016x}", digest(inputs)));
    let lock = File::create(parent.join(format!("{name}.lock")))?;
    lock.lock().context("cannot lock the harness's folder")?;
    if folder.join(READY).exists() {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir(&folder)?;
    build(&folder)?;
    File::create(folder.join(READY))?;
    Ok(folder)
}

/// Runs a program that needs a package registry, and says so when it fails.
///
/// # Errors
/// When the program is missing or fails.
pub fn install(command: &mut Command, purpose: &str, package: &str) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("{purpose}: cannot run {name}; on Debian install the package {package}"))?;
    let ran = Ran::from(output);
    anyhow::ensure!(
        ran.code == 0,
        "{purpose}: {name} failed; is this machine offline?\n{}",
        ran.said().trim()
    );
    Ok(())
}

/// Stable across processes: `DefaultHasher::new` has fixed keys. Nothing depends on it being hard to collide.
fn digest(inputs: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    inputs.hash(&mut hasher);
    hasher.finish()
}
