//! Running other programs and writing files: without standard input, with what a program printed in the error.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::BuildError;

/// Variables that `cargo run` sets for us and that must not reach another cargo: build scripts would see this crate's
/// values, and the library path would put one compiler's libraries before another's.
const INHERITED_FROM_CARGO: [&str; 2] = ["LD_LIBRARY_PATH", "CARGO_MANIFEST_DIR"];
const INHERITED_PREFIXES: [&str; 2] = ["CARGO_PKG_", "CARGO_MANIFEST_"];

/// Most lines of a program's output that an error repeats: the last say what went wrong.
const OUTPUT_LINES_MAX: usize = 60;

/// A program that runs in `folder`.
pub(crate) fn command(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null());
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        let inherited = INHERITED_FROM_CARGO.contains(&&*name)
            || INHERITED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        if inherited {
            command.env_remove(&*name);
        }
    }
    command
}

/// What a program that succeeded printed.
pub(crate) struct Printed {
    /// On standard output, trimmed.
    pub(crate) output: String,
    /// On standard error: warnings, mostly.
    pub(crate) notes: String,
}

/// Runs to the end. Fails unless the exit code is 0.
pub(crate) fn run(command: &mut Command) -> Result<Printed, BuildError> {
    let shown = shown(command);
    let run = command.output().map_err(|error| BuildError::Missing {
        what: format!("`{}`", command.get_program().to_string_lossy()),
        remedy: error.to_string(),
    })?;
    let output = String::from_utf8_lossy(&run.stdout).trim().to_owned();
    let notes = String::from_utf8_lossy(&run.stderr).trim_end().to_owned();
    if run.status.success() {
        return Ok(Printed { output, notes });
    }
    let said = [output, notes].join("\n");
    Err(BuildError::Tool { command: shown, output: last_lines(said.trim()) })
}

/// The same for an installer, whose failure means most often that there is no network.
pub(crate) fn fetch(what: &str, command: &mut Command) -> Result<(), BuildError> {
    run(command).map(drop).map_err(|error| match error {
        BuildError::Tool { output, .. } => BuildError::Fetch { what: what.to_owned(), output },
        other => other,
    })
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(OUTPUT_LINES_MAX)..].join("\n")
}

/// The program's name and arguments, without the folders of this machine in front of the name.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy().replace('\u{1f}', " ")).collect::<Vec<_>>().join(" ")
}

/// Where a program of that name is on the search path.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A program that must be there.
pub(crate) fn require(program: &str, remedy: &str) -> Result<PathBuf, BuildError> {
    on_path(program).ok_or_else(|| BuildError::missing(&format!("`{program}`"), remedy))
}

/// Writes a file and the folders it lies in.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), BuildError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(BuildError::file("make", folder))?;
    }
    fs::write(path, content).map_err(BuildError::file("write", path))
}

/// Reads a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, BuildError> {
    fs::read(path).map_err(BuildError::file("read", path))
}

/// A folder's content, without its folders, in the order of the names.
pub(crate) fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, BuildError> {
    let entries = fs::read_dir(folder).map_err(BuildError::file("read", folder))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<_> = paths.filter(|path| path.extension().is_some_and(|it| it == extension)).collect();
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_is_an_error_with_its_words() {
        let here = env::temp_dir();
        let error = run(command("sh", &here).args(["-c", "echo out; echo why >&2; exit 3"]))
            .err()
            .expect("exit code 3");
        let error = error.to_string();
        assert!(error.starts_with("`sh -c") && error.ends_with("out\nwhy"), "{error}");
        let error = fetch("a tool", command("sh", &here).args(["-c", "echo why >&2; exit 3"]))
            .expect_err("exit code 3");
        assert_eq!(error.to_string(), "a tool could not be fetched; is this machine offline?\nwhy");
    }

    #[test]
    fn a_missing_program_is_an_error_that_says_what_to_do() {
        let error = require("no-such-program", "install it").expect_err("no such program");
        assert_eq!(error.to_string(), "`no-such-program` is not here: install it");
        let missing = run(&mut command("no-such-program", &env::temp_dir())).err().expect("no such program");
        assert!(matches!(missing, BuildError::Missing { .. }));
    }

    #[test]
    fn of_much_output_the_end_is_kept() {
        let text = (0..100).map(|line| line.to_string()).collect::<Vec<_>>().join("\n");
        let kept = last_lines(&text);
        assert!(kept.starts_with("40\n") && kept.ends_with("\n99"), "{kept}");
    }
}
