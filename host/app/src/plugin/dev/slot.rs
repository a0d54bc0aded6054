//! The place in a running Grille that builds are put into: the file of a `[[plugin]]`, and what was there before.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use grille_build::write_if_changed;
use grille_plugin::World;
use grille_trust::Unsigned;
use serde_json::Value;

use crate::config::{Config, PluginSettings};
use crate::failure::Failure;

/// What happens to the file at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtEnd {
    /// What was there before comes back.
    Restore,
    /// The last build stays.
    Keep,
}

/// A slot in use. What was there before comes back when it is dropped, unless it is to stay or somebody else wrote the file.
#[derive(Debug)]
pub(super) struct Slot {
    /// Its name in the configuration.
    pub(super) name: String,
    /// What it is used as.
    pub(super) world: World,
    /// The settings its plugins get.
    pub(super) settings: Value,
    /// The file that Grille reads.
    pub(super) file: PathBuf,
    before: Option<Vec<u8>>,
    placed: Option<Vec<u8>>,
    at_end: AtEnd,
}

/// What came of giving a slot back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing was put there.
    Untouched,
    /// What was there before is back.
    Restored,
    /// The last build is there.
    Kept,
    /// Somebody else's file is there.
    Foreign,
}

impl Slot {
    /// The slot of that name, if unsigned builds can be put there.
    ///
    /// # Errors
    /// There is none, it does not take them, or its file cannot be read.
    pub(super) fn open(config: &Config, name: &str, at_end: AtEnd) -> Result<Self, Failure> {
        let plugin = find(config, name)?;
        takes_builds(plugin)?;
        let used = config.plugin_uses.iter().find(|used| used.plugin == plugin.name);
        let Some(used) = used else {
            return Err(refusal(format!(
                "no role uses the plugin `{name}`: name it in a role's `policies`, \
                                        `detectors` or `treatments`, or nothing will be seen"
            )));
        };
        let before = match fs::read(&plugin.file) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                let error = anyhow::Error::from(error);
                return Err(Failure::Usage(error.context(format!("cannot read {}", plugin.file.display()))));
            }
        };
        Ok(Self {
            name: name.to_owned(),
            world: used.world,
            settings: plugin.settings.clone(),
            file: plugin.file.clone(),
            before,
            placed: None,
            at_end,
        })
    }

    /// Puts a component there, in one step: whether it is another than before.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn fill(&mut self, component: Vec<u8>) -> Result<bool, Failure> {
        let written =
            write_if_changed(&self.file, &component).map_err(|error| Failure::Other(error.into()))?;
        self.placed = Some(component);
        Ok(written)
    }

    /// Gives it back.
    ///
    /// # Errors
    /// The file cannot be read or written; the last build is still there then.
    pub(super) fn give_back(&mut self) -> Result<Left, Failure> {
        let Some(placed) = self.placed.take() else { return Ok(Left::Untouched) };
        if self.at_end == AtEnd::Keep {
            return Ok(Left::Kept);
        }
        if fs::read(&self.file).ok().as_ref() != Some(&placed) {
            return Ok(Left::Foreign);
        }
        match &self.before {
            Some(before) => {
                write_if_changed(&self.file, before).map_err(|error| Failure::Other(error.into()))?;
            }
            None => {
                let removed = fs::remove_file(&self.file);
                removed.with_context(|| format!("cannot remove {}", self.file.display()))?;
            }
        }
        Ok(Left::Restored)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Err(failure) = self.give_back() {
            eprintln!("warning: what was in the slot `{}` is not back: {failure}", self.name);
        }
    }
}

fn find<'c>(config: &'c Config, name: &str) -> Result<&'c PluginSettings, Failure> {
    let found = config.plugins.iter().find(|plugin| plugin.name.as_str() == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = config.plugins.iter().map(|plugin| plugin.name.as_str()).collect();
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        refusal(format!("the configuration has no [[plugin]] named `{name}`; it has {there}"))
    })
}

/// What is built here nobody has signed, and the next build has another digest.
fn takes_builds(plugin: &PluginSettings) -> Result<(), Failure> {
    let (name, file) = (&plugin.name, plugin.file.display());
    if plugin.digest.is_some() {
        return Err(refusal(format!(
            "the plugin `{name}` has a `digest`, which no build of yours has: for a slot to develop in, write \
             `unsigned = true` in its place"
        )));
    }
    match plugin.unsigned {
        Unsigned::Accept => {}
        Unsigned::Refuse => {
            return Err(refusal(format!(
                "the plugin `{name}` takes signed components only: for a slot to develop in, write \
                 `unsigned = true` in its [[plugin]]"
            )));
        }
    }
    for signature in ["minisig", "sigstore.json"].map(|end| beside(&plugin.file, end)) {
        if signature.exists() {
            return Err(refusal(format!(
                "{} is the signature of another component than yours: take it away, or name another file for \
                 `{name}`",
                signature.display()
            )));
        }
    }
    if plugin.file.is_symlink() {
        return Err(refusal(format!(
            "{file} is a symbolic link, which a build would replace: name the file itself for `{name}`"
        )));
    }
    Ok(())
}

fn beside(file: &Path, end: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".");
    path.push(end);
    path.into()
}

fn refusal(message: String) -> Failure {
    Failure::Usage(anyhow!(message))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config;

    /// A folder with `mine.wasm`, and a configuration that names it in the way of `plugin`.
    struct Place {
        folder: tempfile::TempDir,
        config: Config,
    }

    impl Place {
        fn with(plugin: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("mine.wasm"), "before").unwrap();
            let text = format!("{FIXED}[[plugin]]\nname = \"mine\"\nfile = \"mine.wasm\"\n{plugin}\n");
            let config = config::parse(&text, &folder.path().join("grille.toml")).unwrap();
            Self { folder, config }
        }

        fn file(&self) -> PathBuf {
            self.folder.path().join("mine.wasm")
        }

        fn holds(&self) -> String {
            fs::read_to_string(self.file()).unwrap_or_else(|_| "nothing".to_owned())
        }

        fn open(&self, at_end: AtEnd) -> Slot {
            Slot::open(&self.config, "mine", at_end).unwrap()
        }
    }

    const UNSIGNED: &str = "unsigned = true";

    const FIXED: &str = "[[listener]]\nname = \"l\"\naddress = \"127.0.0.1:5432\"\nallow_plaintext = true\n\
        [[issuer]]\nissuer = \"https://i.example\"\naudiences = [\"a\"]\n\
        [[upstream]]\nname = \"u\"\nhost = \"127.0.0.1\"\ndatabase = \"d\"\nuser = \"g\"\n\
        password = { file = \"p\" }\ntls = { mode = \"disable\" }\n\
        [audit]\ndirectory = \"audit\"\n\
        [[role]]\nname = \"r\"\ngroups = [\"g\"]\nupstreams = [\"u\"]\nstatements = [\"read\"]\n\
        policies = [\"mine\"]\ndetectors = []\n";

    #[test]
    fn what_was_there_comes_back() {
        let place = Place::with(UNSIGNED);
        let mut slot = place.open(AtEnd::Restore);
        assert_eq!((slot.fill(b"one".into()).unwrap(), place.holds()), (true, "one".to_owned()));
        assert!(!slot.fill(b"one".into()).unwrap());
        slot.fill(b"two".into()).unwrap();
        assert_eq!((slot.give_back().unwrap(), place.holds()), (Left::Restored, "before".to_owned()));
        assert_eq!(slot.give_back().unwrap(), Left::Untouched);
        slot.fill(b"three".into()).unwrap();
        drop(slot);
        assert_eq!(place.holds(), "before");
    }

    #[test]
    fn what_was_not_there_goes_again() {
        let place = Place::with(UNSIGNED);
        fs::remove_file(place.file()).unwrap();
        let mut slot = place.open(AtEnd::Restore);
        slot.fill(b"one".into()).unwrap();
        assert_eq!((slot.give_back().unwrap(), place.holds()), (Left::Restored, "nothing".to_owned()));
    }

    #[test]
    fn what_is_kept_or_somebody_elses_stays() {
        let place = Place::with(UNSIGNED);
        let mut slot = place.open(AtEnd::Keep);
        slot.fill(b"one".into()).unwrap();
        assert_eq!((slot.give_back().unwrap(), place.holds()), (Left::Kept, "one".to_owned()));
        let mut slot = place.open(AtEnd::Restore);
        slot.fill(b"two".into()).unwrap();
        fs::write(place.file(), "theirs").unwrap();
        assert_eq!((slot.give_back().unwrap(), place.holds()), (Left::Foreign, "theirs".to_owned()));
    }

    #[test]
    fn a_slot_that_takes_no_builds_says_what_to_write() {
        let check = |place: &Place, name: &str, expected: &str| {
            let failure = Slot::open(&place.config, name, AtEnd::Restore).unwrap_err();
            assert!(
                matches!(failure, Failure::Usage(_)) && failure.to_string().contains(expected),
                "{failure}"
            );
            assert_eq!(place.holds(), "before");
        };
        check(&Place::with(UNSIGNED), "yours", "no [[plugin]] named `yours`; it has mine");
        check(&Place::with(""), "mine", "write `unsigned = true` in its [[plugin]]");
        let pinned = format!("digest = \"sha256:{}\"", "0".repeat(64));
        check(&Place::with(&pinned), "mine", "has a `digest`");
        let signed = Place::with(UNSIGNED);
        fs::write(signed.folder.path().join("mine.wasm.minisig"), "").unwrap();
        check(&signed, "mine", "mine.wasm.minisig is the signature of another component");
        let linked = Place::with(UNSIGNED);
        fs::rename(linked.file(), linked.folder.path().join("other")).unwrap();
        std::os::unix::fs::symlink("other", linked.file()).unwrap();
        check(&linked, "mine", "is a symbolic link");
        let unused =
            Place::with(&format!("{UNSIGNED}\n[[plugin]]\nname = \"idle\"\nfile = \"i\"\n{UNSIGNED}"));
        check(&unused, "idle", "no role uses the plugin `idle`");
    }
}
