//! Where things are in this repository. Nothing is created here.

use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> &'static Path {
    let harness = Path::new(env!("CARGO_MANIFEST_DIR"));
    harness.ancestors().nth(2).expect("this crate is in tests/harness")
}

/// A file of this crate that is not Rust: the identity provider's script, lists of requirements.
pub fn harness_file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Cargo's target folder.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A component built by `cargo xtask plugins`, by the name of its crate: `pii`, `sql-guard`, `hostile-detector`, ….
///
/// # Errors
/// When it was not built.
pub fn plugin(name: &str) -> anyhow::Result<PathBuf> {
    let path = target().join("plugins").join(format!("{name}.wasm"));
    anyhow::ensure!(path.is_file(), "plugin {name} is not built: run `cargo xtask plugins`");
    Ok(path)
}

/// A component built by `cargo xtask hostile`: in which language (`c`, `go`, …), and its kind, `policy` or `detector`.
///
/// # Errors
/// When it was not built.
pub fn hostile_plugin(language: &str, kind: &str) -> anyhow::Result<PathBuf> {
    let path = target().join("hostile").join(format!("{language}-{kind}.wasm"));
    anyhow::ensure!(path.is_file(), "{} is not built: run `cargo xtask hostile`", path.display());
    Ok(path)
}
