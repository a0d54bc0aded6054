//! Where the files of the driver suites are, and where what they found is kept.

use std::fs;
use std::path::PathBuf;

use grille_harness::workspace;

use crate::comparison::{self, Expected};

/// A file of `tests/drivers`.
pub(crate) fn file(path: &str) -> PathBuf {
    workspace::root().join("tests/drivers").join(path)
}

/// The list of what is expected to fail in a part.
pub(crate) fn expected(part: &str) -> anyhow::Result<Vec<Expected>> {
    comparison::read_expected(&file(part).join("expected"))
}

/// The folder for logs and outputs of a part, to look at after a run. Emptied by each run.
pub(crate) fn results(part: &str) -> anyhow::Result<PathBuf> {
    let folder = workspace::target().join("driver-suite").join(part);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
