//! The example plugins and the SDKs, in all their languages: tests of their own, then each example built, checked and tried by
//! the `grille` that authors use. A language whose tools cannot be had on this machine is left out, and said to be.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use grille_build::{BuildError, Cache, Language, Project};

use crate::steps::{Outcome, Step};
use crate::unchanged::{Repeat, unless_unchanged_or_skipped};
use crate::{end_to_end, install, layout, process};

/// The examples, and the SDK of each.
const EXAMPLES: [(&str, &str); 5] = [
    ("employee-id", "rust"),
    ("business-calendar", "python"),
    ("statement-shape", "js"),
    ("platform-allow-list", "go"),
    ("keyword-scanner", "c"),
];

/// Tells the tests which examples there are; without it they expect all of them.
const EXAMPLES_VARIABLE: &str = "GRILLE_EXAMPLES";

/// What the Python example's tests need beside its own requirements.
const PYTHON_TEST_PACKAGES: [&str; 2] = ["pytest==9.0.2", "holidays==0.109"];

/// The step, left out while nothing it reads has changed.
pub(crate) fn step(repeat: Repeat) -> Step {
    Step::skippable("examples", move || {
        install::languages();
        unless_unchanged_or_skipped("examples", repeat, &inputs()?, all)
    })
}

/// The sources that git knows or would, and the program that tries the components.
pub(crate) fn inputs() -> Result<Vec<PathBuf>> {
    let mut list = process::command("git");
    list.args(["ls-files", "--cached", "--others", "--exclude-standard", "examples", "sdk", "wit"]);
    list.args([
        "tests/e2e/tests/end_to_end/example_plugins.rs",
        "tests/e2e/tests/end_to_end/example_plugins",
    ]);
    let listed = process::capture(&mut list)?;
    let files = listed.lines().map(|path| layout::root().join(path)).filter(|path| path.is_file());
    Ok(files.chain([layout::program("grille")]).collect())
}

fn all() -> Result<Outcome> {
    let cache = Cache::at(layout::cache()?);
    let (mut built, mut left_out) = (Vec::new(), Vec::new());
    for (name, sdk) in EXAMPLES {
        let folder = layout::root().join("examples").join(name);
        match example(&folder, sdk, &cache).with_context(|| format!("example {name}"))? {
            None => built.push(name),
            Some(reason) => left_out.push(format!("{name}: {reason}")),
        }
    }
    end_to_end::run_module("example_plugins", Some((EXAMPLES_VARIABLE, &built.join(","))))?;
    match left_out[..] {
        [] => Ok(Outcome::Passed),
        _ => Ok(Outcome::Skipped(left_out.join("\n"))),
    }
}

/// Builds an example and tries it; the reason if its tools cannot be had.
fn example(folder: &Path, sdk: &str, cache: &Cache) -> Result<Option<String>> {
    let project = Project::open(folder)?;
    match project.build(cache, &project.component()) {
        Ok(built) => eprintln!("{}: {} bytes", built.path.display(), built.size),
        Err(error @ (BuildError::Missing { .. } | BuildError::Fetch { .. })) => {
            return Ok(Some(error.to_string()));
        }
        Err(error) => return Err(error.into()),
    }
    if let Some(reason) =
        unit_tests(folder, &layout::root().join("sdk").join(sdk), project.manifest().language())?
    {
        return Ok(Some(reason));
    }
    for command in ["check", "test"] {
        let mut grille = process::command(layout::program("grille"));
        process::run(grille.args(["plugin", command]).arg(folder))?;
    }
    Ok(None)
}

/// The tests of an example and of its SDK, by their language's own means; Rust's SDK is tested with the plugins.
fn unit_tests(example: &Path, sdk: &Path, language: Language) -> Result<Option<String>> {
    match language {
        Language::Rust => {
            process::run(process::cargo(["test", "--quiet"]).current_dir(example))?;
        }
        Language::Python => return python_tests(example, sdk),
        Language::JavaScript | Language::TypeScript => return javascript_tests(example, sdk),
        Language::Go => {
            for folder in [sdk, example] {
                process::run(program("go", folder).args(["test", "./..."]).env("GOTOOLCHAIN", "local"))?;
            }
        }
        Language::C => {
            for folder in [sdk, example] {
                process::run(program("make", folder).arg("test"))?;
            }
        }
    }
    Ok(None)
}

fn program(name: &str, folder: &Path) -> Command {
    let mut command = process::command(name);
    command.current_dir(folder);
    command
}

fn python_tests(example: &Path, sdk: &Path) -> Result<Option<String>> {
    let environment = layout::cache()?.join("example-tests-python");
    let python = environment.join("bin/python");
    let requirements = example.join("requirements.txt");
    let install = || -> Result<()> {
        process::run(process::command("python3").args(["-m", "venv"]).arg(&environment))?;
        let mut pip = process::command(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(PYTHON_TEST_PACKAGES);
        process::run(&mut pip)?;
        let mut pip = process::command(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
        process::run(pip.arg(requirements))
    };
    if let Err(error) = install() {
        return Ok(Some(format!("what its tests need cannot be had: {error:#}")));
    }
    for folder in [sdk, example] {
        let mut tests = program(&python.to_string_lossy(), folder);
        process::run(
            tests
                .args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider"])
                .env("PYTHONDONTWRITEBYTECODE", "1"),
        )?;
    }
    Ok(None)
}

fn javascript_tests(example: &Path, sdk: &Path) -> Result<Option<String>> {
    let install = || -> Result<()> {
        process::run(program("npm", sdk).args(["run", "--silent", "dev"]))?;
        process::run(program("npm", example).args([
            "install",
            "--no-audit",
            "--no-fund",
            "--no-package-lock",
        ]))
    };
    if let Err(error) = install() {
        return Ok(Some(format!("what its tests need cannot be had: {error:#}")));
    }
    for folder in [sdk, example] {
        process::run(program("npm", folder).args(["run", "--silent", "test"]))?;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_plugin_is_in_the_list() {
        let examples = std::fs::read_dir(layout::root().join("examples")).expect("the examples");
        let found = examples.flatten().filter(|entry| entry.path().join("plugin.toml").exists());
        let mut names: Vec<_> = found.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        let mut listed = EXAMPLES.map(|(name, _)| name);
        listed.sort_unstable();
        assert_eq!(names, listed);
    }
}
