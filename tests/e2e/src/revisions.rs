//! Revisions of `stamped-policy` for tests that swap: files for them, what a session hears of the one that judges it, and what
//! status says of their slot.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use grille_harness::{Grille, component, policy, wait, workspace};
use serde_json::Value;

use crate::Raw;
use crate::raw::error;

/// The slot's name in configurations.
pub const SLOT: &str = "stamped";

/// A look at the files, a compilation by a debug build, and a busy machine.
pub const PATIENCE: Duration = wait::PATIENCE;

/// What each revision refuses, with its stamp.
const QUESTION: &str = "SELECT 1 AS revision";

/// A folder that Grille watches, with the slot's file in it, and one beside it for files that commands name.
pub struct Revisions {
    built: Vec<u8>,
    watched: tempfile::TempDir,
    aside: tempfile::TempDir,
}

impl Revisions {
    /// With a revision of this stamp in the slot's file (see [`component::stamped`]).
    ///
    /// # Errors
    /// When the plugin is not built.
    pub fn begin(stamp: &str) -> anyhow::Result<Self> {
        let built = fs::read(workspace::plugin("stamped-policy")?)?;
        let revisions = Self { built, watched: tempfile::tempdir()?, aside: tempfile::tempdir()? };
        revisions.drop_in(stamp)?;
        Ok(revisions)
    }

    /// The folder that Grille watches.
    pub fn folder(&self) -> &Path {
        self.watched.path()
    }

    /// The slot's file.
    pub fn file(&self) -> PathBuf {
        self.folder().join("stamped.wasm")
    }

    /// A component.
    ///
    /// # Errors
    /// When the stamp is too long.
    pub fn make(&self, stamp: &str) -> anyhow::Result<Vec<u8>> {
        component::stamped(&self.built, stamp)
    }

    /// The digest of that component.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub fn digest(&self, stamp: &str) -> anyhow::Result<String> {
        Ok(component::digest(&self.make(stamp)?))
    }

    /// Puts a revision in the place of the slot's file, whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn drop_in(&self, stamp: &str) -> anyhow::Result<()> {
        let next = self.folder().join("next");
        fs::write(&next, self.make(stamp)?)?;
        Ok(fs::rename(next, self.file())?)
    }

    /// A file elsewhere with a revision, for a command to name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_aside(&self, stamp: &str) -> anyhow::Result<String> {
        let path = self.aside.path().join(format!("{}.wasm", stamp.replace(' ', "-")));
        fs::write(&path, self.make(stamp)?)?;
        Ok(path.display().to_string())
    }

    /// The slot, and a role of the group `asked` that it judges. `mark` is said after the stamp; `keys` are more keys of the
    /// slot.
    pub fn policy(&self, mark: &str, keys: &str) -> String {
        let plugin = policy::plugin_at(SLOT, &self.file(), &format!("mark = {mark:?}"));
        format!("{ROLE}{}\n{keys}\n\n", plugin.trim_end())
    }
}

/// Who is judged by the slot.
pub const GROUP: &str = "asked";

const ROLE: &str = r#"
[[role]]
name = "asked"
groups = ["asked"]
upstreams = ["demo"]
statements = ["read", "session", "transaction"]
policies = ["stamped"]
detectors = []

"#;

/// What the revision that judges the session says: its stamp, and in brackets the mark of its settings.
///
/// # Errors
/// When the statement is not refused as only `stamped-policy` does.
pub fn heard(session: &mut Raw) -> anyhow::Result<String> {
    let said = session.query(QUESTION)?;
    let text = error(&said)?.text();
    let stamp = ["honest ", "trap ", "slow "].iter().find_map(|word| text.find(word));
    let from = stamp.with_context(|| format!("no stamp in the refusal: {text}"))?;
    let length = text[from..].find(']').with_context(|| format!("no mark in the refusal: {text}"))?;
    Ok(text[from..=from + length].to_owned())
}

/// Asks until the answer is `expected`.
///
/// # Errors
/// When it is not in time, or there is none.
pub fn await_heard(session: &mut Raw, expected: &str) -> anyhow::Result<()> {
    let mut last = String::new();
    let waited = wait::until(&format!("{expected:?}"), PATIENCE, || {
        last = heard(session)?;
        Ok((last == expected).then_some(()))
    });
    waited.with_context(|| format!("the last answer was {last:?}"))
}

/// What `grille plugin status` says of the slot.
///
/// # Errors
/// When the command fails, or knows no such slot.
pub fn status(grille: &Grille) -> anyhow::Result<Value> {
    let said = grille.command(&["plugin", "status", "--output", "json"])?.ok()?;
    let whole: Value = serde_json::from_str(&said).with_context(|| said.clone())?;
    let plugins = whole["plugins"].as_array().with_context(|| said.clone())?;
    let slot = plugins.iter().find(|plugin| plugin["name"] == SLOT);
    slot.cloned().with_context(|| format!("no slot {SLOT} in {said}"))
}

/// Waits until the last refusal is of a component with this digest; its stage and its reason.
///
/// # Errors
/// When there is none in time.
pub fn await_refusal(grille: &Grille, digest: &str) -> anyhow::Result<(String, String)> {
    let refused = wait::until("the candidate to be refused", PATIENCE, || {
        let refused = status(grille)?["refused"].clone();
        Ok((refused["digest"] == digest).then_some(refused))
    })?;
    let word = |key: &str| refused[key].as_str().map(str::to_owned).context("a refusal says stage and why");
    let (stage, why) = (word("stage")?, word("why")?);
    ensure!(!why.is_empty(), "a refusal without a reason");
    Ok((stage, why))
}
