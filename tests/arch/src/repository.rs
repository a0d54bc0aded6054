//! The repository's files: those that git tracks, and those it would.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// One file.
#[derive(Clone, Debug)]
pub struct File {
    /// From the repository's root, with `/`.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl File {
    /// A file that is not on disk, for showing a rule what it must catch.
    pub fn planted(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
    }

    /// Whether it is Rust source.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Its content as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every file that is tracked, or is new and not ignored.
///
/// # Errors
/// When git cannot list them: a check of no files would pass.
pub fn files() -> Result<Vec<File>> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .context("cannot run git")?;
    ensure!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).context("a path that is not UTF-8")?;
    // A tracked file that was just deleted or moved is no file.
    let files = listed.split_terminator('\0').filter_map(read).collect::<Result<Vec<_>>>()?;
    ensure!(files.iter().any(|file| file.path == "host/core/src/lib.rs"), "this is not the repository");
    Ok(files)
}

fn read(path: &str) -> Option<Result<File>> {
    let on_disk = root().join(path);
    on_disk.is_file().then(|| {
        let bytes = fs::read(&on_disk).with_context(|| format!("cannot read {path}"))?;
        Ok(File { path: path.to_owned(), bytes })
    })
}
