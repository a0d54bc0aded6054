//! Long steps that would do again what they did when they last passed: they are left out while everything they read is the
//! same, byte for byte, as cargo leaves out what it has built. Continuous integration leaves out nothing.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::layout;
use crate::steps::Outcome;

/// Whether a step is run although nothing it reads has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It is.
    Always,
    /// It is left out.
    OnChange,
}

impl Repeat {
    /// `OnChange`, but `Always` where the variable `CI` says that nothing is to be left out.
    pub(crate) fn by_environment() -> Self {
        match env::var_os("CI") {
            Some(value) if !value.is_empty() => Self::Always,
            Some(_) | None => Self::OnChange,
        }
    }
}

/// Does the work of the step `name`, unless `inputs` (files, and folders with all that is in them) are what they were when
/// it last passed.
///
/// # Errors
/// Those of the work; when an input cannot be read.
pub(crate) fn unless_unchanged(
    name: &str,
    repeat: Repeat,
    inputs: &[PathBuf],
    work: impl FnOnce() -> Result<()>,
) -> Result<Outcome> {
    unless_unchanged_or_skipped(name, repeat, inputs, || work().map(|()| Outcome::Passed))
}

/// The same for work that may leave something out: then it is done again the next time.
///
/// # Errors
/// As [`unless_unchanged`].
pub(crate) fn unless_unchanged_or_skipped(
    name: &str,
    repeat: Repeat,
    inputs: &[PathBuf],
    work: impl FnOnce() -> Result<Outcome>,
) -> Result<Outcome> {
    let stamp = layout::root().join("target/passed").join(name.replace(' ', "-"));
    unless_stamped(&stamp, repeat, inputs, work)
}

fn unless_stamped(
    stamp: &Path,
    repeat: Repeat,
    inputs: &[PathBuf],
    work: impl FnOnce() -> Result<Outcome>,
) -> Result<Outcome> {
    let digest = digest(inputs)?;
    let is_same = fs::read_to_string(stamp).is_ok_and(|stamped| stamped == digest);
    if is_same && repeat == Repeat::OnChange {
        return Ok(Outcome::Unchanged);
    }
    // A run that is broken off leaves none.
    let _ = fs::remove_file(stamp);
    match work()? {
        Outcome::Passed => {}
        other @ (Outcome::Skipped(_) | Outcome::Unchanged) => return Ok(other),
    }
    let folder = stamp.parent().context("a stamp is in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(stamp, digest).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(Outcome::Passed)
}

/// Of names and contents. Nobody gains by a collision here, so the standard library's hash will do.
fn digest(inputs: &[PathBuf]) -> Result<String> {
    let mut files = BTreeSet::new();
    inputs.iter().try_for_each(|input| gather(input, &mut files))?;
    let mut hash = DefaultHasher::new();
    for file in &files {
        let contents = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        hash.write(file.as_os_str().as_encoded_bytes());
        hash.write_usize(contents.len());
        hash.write(&contents);
    }
    Ok(format!("{:016x} {} files", hash.finish(), files.len()))
}

fn gather(path: &Path, files: &mut BTreeSet<PathBuf>) -> Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
            gather(&entry?.path(), files)?;
        }
    } else {
        files.insert(path.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use anyhow::bail;

    use super::*;

    #[test]
    fn a_step_is_left_out_until_something_changes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (inputs, stamp) = (folder.path().join("inputs"), folder.path().join("stamps/step"));
        let runs = Cell::new(0);
        let run = |repeat| {
            let work = || {
                runs.set(runs.get() + 1);
                Ok(Outcome::Passed)
            };
            unless_stamped(&stamp, repeat, std::slice::from_ref(&inputs), work).expect("it passes");
            runs.get()
        };
        fs::create_dir_all(inputs.join("within")).expect("folders");
        fs::write(inputs.join("within/one"), "1").expect("a file");
        assert_eq!([run(Repeat::OnChange), run(Repeat::OnChange)], [1, 1]);
        assert_eq!(run(Repeat::Always), 2);
        fs::write(inputs.join("within/one"), "2").expect("a file");
        assert_eq!([run(Repeat::OnChange), run(Repeat::OnChange)], [3, 3]);
        fs::write(inputs.join("two"), "").expect("a file");
        assert_eq!(run(Repeat::OnChange), 4);
    }

    #[test]
    fn what_failed_is_run_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let stamp = folder.path().join("stamp");
        let inputs = [folder.path().join("input")];
        fs::write(&inputs[0], "same").expect("a file");
        let run = |work: fn() -> Result<Outcome>| unless_stamped(&stamp, Repeat::Always, &inputs, work);
        let again = || unless_stamped(&stamp, Repeat::OnChange, &inputs, || Ok(Outcome::Passed));
        assert!(matches!(run(|| Ok(Outcome::Passed)), Ok(Outcome::Passed)));
        run(|| bail!("a finding")).err().expect("it fails");
        assert!(matches!(again(), Ok(Outcome::Passed)));
        assert!(matches!(run(|| Ok(Outcome::Skipped("no network".into()))), Ok(Outcome::Skipped(_))));
        assert!(matches!(again(), Ok(Outcome::Passed)));
    }
}
