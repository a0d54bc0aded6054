//! Checks of what we depend on, by cargo-deny: licences, duplicates and sources always, advisories when their database
//! can be had. `deny.toml` in the repository's root says what is allowed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::steps::Outcome;
use crate::{install, layout, process};

const CARGO_DENY: (&str, &str) = ("cargo-deny", "0.20.2");

/// Crates of the root workspace that do not ship: their dependencies may come in any number of versions.
const NOT_SHIPPED: [&str; 5] = ["grille-arch", "grille-bench", "grille-e2e", "grille-harness", "xtask"];

/// Licences, sources and duplicates in every workspace.
pub(crate) fn check() -> Result<()> {
    let deny = cargo_deny()?;
    for workspace in std::iter::once(".").chain(layout::NATIVE_WORKSPACES) {
        process::run(cargo_deny_check(&deny, workspace, &[]).args(["licenses", "sources"]))?;
        process::run(cargo_deny_check(&deny, workspace, &NOT_SHIPPED).arg("bans"))?;
    }
    Ok(())
}

fn cargo_deny_check(deny: &Path, workspace: &str, left_out: &[&str]) -> Command {
    let mut check = process::command(deny);
    check.args(["--manifest-path", &format!("{workspace}/Cargo.toml"), "--config", "deny.toml"]);
    check.args(["--workspace", "--all-features"]);
    for name in left_out {
        check.args(["--exclude", name]);
    }
    check.args(["check", "--hide-inclusion-graph"]);
    // One list of reasons for all workspaces: not every one has every crate in it.
    check.args(["--allow", "unmatched-skip", "--allow", "unmatched-skip-root"]);
    check
}

/// Known vulnerabilities. The database is a git repository outside any package registry: where it cannot be reached, the
/// check is left out, and said to be.
pub(crate) fn check_advisories() -> Result<Outcome> {
    let deny = cargo_deny()?;
    if let Err(error) = process::run(process::command(&deny).args(["fetch", "db"])) {
        return Ok(Outcome::Skipped(format!("no advisory database here: {error:#}")));
    }
    process::run(process::command(&deny).args(["check", "--disable-fetch", "advisories"]))?;
    Ok(Outcome::Passed)
}

/// Compiling cargo-deny takes minutes; it stays in the cache.
fn cargo_deny() -> Result<PathBuf> {
    let (name, version) = CARGO_DENY;
    install::cargo_program(name, version)
}
