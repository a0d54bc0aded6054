//! A plugin's folder, from sources to the component in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use crate::cache::Cache;
use crate::embedded::write_sdk;
use crate::error::BuildError;
use crate::manifest::Manifest;
use crate::{recipe, tool};

/// A folder with `plugin.toml`.
#[derive(Debug)]
pub struct Project {
    folder: PathBuf,
    manifest: Manifest,
}

/// A component that was built.
#[derive(Debug)]
pub struct Built {
    /// Where it is.
    pub path: PathBuf,
    /// How large it is, in bytes.
    pub size: usize,
    /// Whether it differs from what was there before.
    pub is_new: bool,
    /// Warnings of the compiler; empty if there are none.
    pub notes: String,
}

impl Project {
    /// The project in a folder.
    ///
    /// # Errors
    /// There is no `plugin.toml`, or it is not right.
    pub fn open(folder: &Path) -> Result<Self, BuildError> {
        let manifest = Manifest::read(&folder.join("plugin.toml"))?;
        let folder = fs::canonicalize(folder).map_err(BuildError::file("read", folder))?;
        Ok(Self { folder, manifest })
    }

    /// What `plugin.toml` says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where the component goes unless somebody says otherwise: `NAME.wasm` in the project's folder.
    pub fn component(&self) -> PathBuf {
        self.folder.join(format!("{}.wasm", self.manifest.name()))
    }

    /// Builds the component; the SDK in `.grille/` is brought up to date first. Takes from a second (C, Rust) to half a minute
    /// (Python), and longer when tools have to be fetched. The file changes in one step, and only if the component does.
    ///
    /// # Errors
    /// A tool is missing, the sources are not right, or what was compiled is no plugin.
    pub fn build(&self, cache: &Cache, output: &Path) -> Result<Built, BuildError> {
        write_sdk(self.manifest.language(), &self.folder)?;
        let recipe::Compiled { component, notes } = recipe::compile(&self.folder, &self.manifest, cache)?;
        let component = crate::component::with_metadata(component, &self.manifest)?;
        let is_new = write_if_changed(output, &component)?;
        Ok(Built { path: output.to_owned(), size: component.len(), is_new, notes })
    }
}

/// Whether the file was written. Never leaves a half-written file, and leaves an unchanged one's time alone: a Grille
/// that watches the folder sees only what is new.
///
/// # Errors
/// The file cannot be written.
pub fn write_if_changed(path: &Path, content: &[u8]) -> Result<bool, BuildError> {
    if fs::read(path).is_ok_and(|present| present == content) {
        return Ok(false);
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.partial", process::id()));
    let partial = PathBuf::from(partial);
    tool::write(&partial, content)?;
    fs::rename(&partial, path).map_err(BuildError::file("write", path))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchanged_component_is_left_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.wasm");
        for (bytes, written) in [(b"1", true), (b"1", false), (b"2", true)] {
            assert_eq!(write_if_changed(&path, bytes).expect("a file"), written);
            assert_eq!(fs::read(&path).expect("a file"), bytes);
        }
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_folder_without_a_manifest_is_no_project() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = Project::open(folder.path()).expect_err("no plugin.toml").to_string();
        assert!(error.contains("plugin.toml"), "{error}");
    }
}
