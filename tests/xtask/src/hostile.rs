//! Plugins that misbehave on purpose, in every language (tests/hostile): put together, built as their authors would, and tried by
//! tests of their own behind the real Grille. A language whose tools cannot be had on this machine is left out, and said to be.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use grille_build::{BuildError, Cache, Project};

use crate::steps::{Outcome, Step};
use crate::unchanged::{Repeat, unless_unchanged_or_skipped};
use crate::{end_to_end, install, layout};

/// The languages' folders in tests/hostile.
const LANGUAGES: [&str; 5] = ["rust", "python", "js", "go", "c"];

/// The kinds of plugins in each.
const KINDS: [&str; 2] = ["policy", "detector"];

/// What a build leaves in a project, and the next takes up.
const LEFT_BY_BUILDS: [&str; 3] = [".grille", "target", "node_modules"];

/// Tells the tests which languages there are; without it they expect all of them.
const LANGUAGES_VARIABLE: &str = "GRILLE_HOSTILE_LANGUAGES";

/// The step, left out while nothing it reads has changed.
pub(crate) fn step(repeat: Repeat) -> Step {
    Step::skippable("hostile languages", move || {
        install::languages();
        unless_unchanged_or_skipped("hostile languages", repeat, &inputs(), all)
    })
}

fn inputs() -> Vec<PathBuf> {
    let sources =
        ["tests/hostile", "tests/e2e", "tests/harness", "sdk", "wit"].map(|path| layout::root().join(path));
    sources.into_iter().chain([layout::program("grille")]).collect()
}

fn all() -> Result<Outcome> {
    let cache = Cache::at(layout::cache()?);
    let (mut built, mut left_out) = (Vec::new(), Vec::new());
    for language in LANGUAGES {
        match build_language(language, &cache).with_context(|| format!("hostile plugins in {language}"))? {
            None => built.push(language),
            Some(reason) => left_out.push(format!("{language}: {reason}")),
        }
    }
    if built.contains(&"c") {
        what_reaches_out_is_no_plugin(&cache)?;
    }
    end_to_end::run_module("hostile_languages", Some((LANGUAGES_VARIABLE, &built.join(","))))?;
    match left_out[..] {
        [] => Ok(Outcome::Passed),
        _ => Ok(Outcome::Skipped(left_out.join("\n"))),
    }
}

/// Builds a language's plugins into target/hostile, where no other step looks; the reason if its tools cannot be had.
fn build_language(language: &str, cache: &Cache) -> Result<Option<String>> {
    for kind in KINDS {
        let name = format!("{language}-{kind}");
        let project = assemble(language, kind, &name)?;
        let component = layout::root().join("target/hostile").join(&name).with_extension("wasm");
        match project.build(cache, &component) {
            Ok(built) => eprintln!("target/hostile/{name}.wasm: {} bytes", built.size),
            Err(error @ (BuildError::Missing { .. } | BuildError::Fetch { .. })) => {
                return Ok(Some(error.to_string()));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// A project in target/hostile: what all languages have in common, what all plugins of the language have, and the plugin's own.
fn assemble(language: &str, kind: &str, name: &str) -> Result<Project> {
    let sources = layout::root().join("tests/hostile");
    let folder = layout::root().join("target/hostile").join(name);
    empty(&folder)?;
    fs::copy(sources.join("settings.schema.json"), folder.join("settings.schema.json"))?;
    for part in ["common", kind] {
        copy(&sources.join(language).join(part), &folder)?;
    }
    Ok(Project::open(&folder)?)
}

/// Removes all but what builds take up again.
fn empty(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if LEFT_BY_BUILDS.iter().any(|left| entry.file_name() == *left) {
            continue;
        }
        let path = entry.path();
        if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let (source, target) = entry.map(|entry| (entry.path(), to.join(entry.file_name())))?;
        if source.is_dir() {
            copy(&source, &target)?;
        } else {
            fs::copy(source, target)?;
        }
    }
    Ok(())
}

/// In C, time, randomness, the environment, files and connections are calls of WASI, which no component may make: each of the
/// sources in `reaching` makes a policy that cannot be built.
fn what_reaches_out_is_no_plugin(cache: &Cache) -> Result<()> {
    for entry in fs::read_dir(layout::root().join("tests/hostile/c/reaching"))? {
        let source = entry?.path();
        let name = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let project = assemble("c", "policy", "c-reaching")?;
        let folder = layout::root().join("target/hostile/c-reaching");
        fs::copy(&source, folder.join("src/reaching.c"))?;
        match project.build(cache, &folder.join("reaching.wasm")) {
            Err(BuildError::NotAPlugin(_)) => {
                eprintln!("tests/hostile/c/reaching/{name}.c: no plugin, as it should be");
            }
            Err(error) => return Err(error.into()),
            Ok(_) => bail!("a C plugin that reaches for what is in {name}.c could be built"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_and_kind_is_in_the_list() {
        for language in LANGUAGES {
            for kind in KINDS {
                let manifest =
                    layout::root().join("tests/hostile").join(language).join(kind).join("plugin.toml");
                assert!(manifest.is_file(), "{}", manifest.display());
            }
        }
        let folders = fs::read_dir(layout::root().join("tests/hostile")).expect("the corpus");
        let mut found: Vec<_> = folders
            .flatten()
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        found.sort();
        let mut listed = LANGUAGES;
        listed.sort_unstable();
        assert_eq!(found, listed);
    }

    #[test]
    fn only_what_builds_take_up_survives() {
        let folder = tempfile::tempdir().expect("a folder");
        for path in ["target", "src"] {
            fs::create_dir(folder.path().join(path)).expect("a folder");
            fs::write(folder.path().join(path).join("file"), "").expect("a file");
        }
        fs::write(folder.path().join("plugin.toml"), "").expect("a file");
        empty(folder.path()).expect("it is emptied");
        let left: Vec<_> = fs::read_dir(folder.path()).expect("a folder").flatten().collect();
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(folder.path().join("target/file").is_file());
    }
}
