//! A vendor of plugins: a key made for the occasion, and components signed with it by the `grille` under test.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;

use crate::endpoint::Ran;
use crate::scratch::Scratch;
use crate::{grille, workspace};

/// A key, and what was signed with it. Both go away with it.
#[derive(Debug)]
pub struct Vendor {
    folder: Scratch,
    public_key: String,
}

impl Vendor {
    /// Makes the key: `grille plugin keygen`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> anyhow::Result<Self> {
        let folder = Scratch::new()?;
        let key = folder.path().join("vendor.key").display().to_string();
        let made = run(&["plugin", "keygen", "--key", &key, "--no-password", "--output", "json"])?;
        let made: Value = serde_json::from_str(&made)?;
        let public_key = made["public_key"].as_str().context("keygen tells no public key")?.to_owned();
        Ok(Self { folder, public_key })
    }

    /// The rule by which these plugins are trusted, as TOML: by their ids, with nothing to import.
    pub fn rule(&self, ids: &[&str]) -> String {
        let Self { public_key, .. } = self;
        format!("[[trust]]\nname = \"vendor\"\nminisign = {public_key:?}\nplugins = {ids:?}\n\n")
    }

    /// A plugin as TOML, of a copy that is signed: `grille plugin sign`. `settings` is the inside of an inline table.
    ///
    /// # Errors
    /// When the component is not built or cannot be signed.
    pub fn plugin(&self, name: &str, component: &str, settings: &str) -> anyhow::Result<String> {
        let file = self.signed(component)?.display().to_string();
        Ok(format!("[[plugin]]\nname = {name:?}\nfile = {file:?}\nsettings = {{ {settings} }}\n\n"))
    }

    fn signed(&self, component: &str) -> anyhow::Result<PathBuf> {
        let file = self.folder.path().join(format!("{component}.wasm"));
        fs::copy(workspace::plugin(component)?, &file)?;
        self.sign(&file)?;
        Ok(file)
    }

    /// Signs a component where it lies.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub fn sign(&self, file: &Path) -> anyhow::Result<()> {
        let key = self.folder.path().join("vendor.key").display().to_string();
        run(&["plugin", "sign", &file.display().to_string(), "--key", &key])?;
        Ok(())
    }
}

fn run(arguments: &[&str]) -> anyhow::Result<String> {
    Ran::from(grille::command()?.args(arguments).output()?).ok()
}
