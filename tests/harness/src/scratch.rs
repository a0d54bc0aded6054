//! Temporary folders that go away, also those of test processes that ended without dropping anything.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::Context;
use tempfile::TempDir;

const PREFIX: &str = "grille-harness-";

/// A folder removed when dropped. Statics are never dropped, so each new folder first removes those whose process is gone.
#[derive(Debug)]
pub struct Scratch(TempDir);

impl Scratch {
    /// Makes one that every user may enter, for PostgreSQL runs as a user of its own.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> anyhow::Result<Self> {
        sweep(&std::env::temp_dir());
        let folder = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-", std::process::id()))
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .context("cannot make a temporary folder")?;
        Ok(Self(folder))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Writes a new file that only its owner may read.
///
/// # Errors
/// When it is there already or cannot be written.
pub fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Removes the folders of processes that are gone. What cannot be removed now is left for the next time.
fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if owner(&entry.file_name().to_string_lossy()).is_some_and(is_gone) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split_once('-')?.0.parse().ok()
}

fn is_gone(process: u32) -> bool {
    Path::new("/proc/self").exists() && !Path::new("/proc").join(process.to_string()).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_folders_have_an_owner() {
        let check = |name: &str, expected| assert_eq!(owner(name), expected, "{name}");
        check("grille-harness-12-abc", Some(12));
        check("grille-harness-12", None);
        check("grille-harness-x-abc", None);
        check("other-12-abc", None);
    }

    #[test]
    fn a_sweep_keeps_the_folders_of_the_living() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let living = place.path().join(format!("{PREFIX}{}-a", std::process::id()));
        let dead = place.path().join(format!("{PREFIX}{}-a", u32::MAX));
        for folder in [&living, &dead] {
            fs::create_dir(folder).expect("a folder");
        }
        sweep(place.path());
        assert_eq!((living.exists(), dead.exists()), (true, false));
    }
}
