//! Where things are: the repository's folders, what is built into `target/`, and the cache that outlives a checkout.
//!
//! Only paths: nothing here creates, reads or runs anything.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Cargo workspaces whose crates become components; each has a compiler and a target folder of its own.
pub(crate) const PLUGIN_WORKSPACES: [&str; 2] = ["plugins", "tests/guests"];

/// Workspaces besides the root's whose crates are checked and tested natively.
pub(crate) const NATIVE_WORKSPACES: [&str; 3] = ["sdk/rust", "plugins", "tests/guests"];

/// The fuzz targets' crate, a workspace of its own for its compiler flags.
pub(crate) const FUZZ_CRATE: &str = "tests/fuzz";

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("tests/xtask lies two folders below the root")
}

/// Where components are written: `target/plugins`, whatever `CARGO_TARGET_DIR` says, for tests and examples name it.
pub(crate) fn components() -> PathBuf {
    root().join("target/plugins")
}

/// A program that `cargo build` has made of this workspace.
pub(crate) fn program(name: &str) -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("debug").join(name)
}

/// Grille's folder in the user's cache: `$XDG_CACHE_HOME/grille`, else `~/.cache/grille`.
pub(crate) fn cache() -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = match base {
        Some(base) => base,
        None => PathBuf::from(env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?)
            .join(".cache"),
    };
    Ok(base.join("grille"))
}
