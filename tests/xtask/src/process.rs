//! Running other programs: echoed, without standard input, with an error that can be pasted into a shell.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::layout;

/// Variables that `cargo run` sets for us and that must not reach another cargo: build scripts would see this crate's
/// values, and the library path would put one compiler's libraries before another's.
const INHERITED_FROM_CARGO_RUN: [&str; 2] = ["LD_LIBRARY_PATH", "CARGO_MANIFEST_DIR"];
const INHERITED_PREFIXES: [&str; 2] = ["CARGO_PKG_", "CARGO_MANIFEST_"];

/// A program in the repository's root, with no standard input.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(layout::root()).stdin(Stdio::null());
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        let inherited = INHERITED_FROM_CARGO_RUN.contains(&&*name)
            || INHERITED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        if inherited {
            command.env_remove(&*name);
        }
    }
    command
}

/// The cargo that runs us.
pub(crate) fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Runs to the end, output passed through. Fails unless the exit code is 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    eprintln!("$ {}", shown(command));
    let status = command.status().with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// What a program said on standard output, and whether its exit code was 0.
pub(crate) struct Said {
    pub(crate) output: String,
    pub(crate) succeeded: bool,
}

/// Runs to the end, output passed through line by line and kept as well.
pub(crate) fn echo(command: &mut Command) -> Result<Said> {
    eprintln!("$ {}", shown(command));
    let started = command.stdout(Stdio::piped()).spawn();
    let mut child = started.with_context(|| format!("cannot start `{}`", shown(command)))?;
    let mut output = String::new();
    let lines = child.stdout.take().map(BufReader::new).into_iter().flat_map(BufReader::lines);
    for line in lines {
        let line = line?;
        println!("{line}");
        output.push_str(&line);
        output.push('\n');
    }
    Ok(Said { output, succeeded: child.wait()?.success() })
}

/// Runs to the end and returns standard output, trimmed. Fails unless the exit code is 0.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::piped())
        .output()
        .with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}): {}", shown(command), output.status, said.trim());
    }
    Ok(String::from_utf8(output.stdout).context("output is not UTF-8")?.trim().to_owned())
}

/// Whether a program of that name is on the search path.
pub(crate) fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The command as one would type it in the repository's root, variables set for it in front.
pub(crate) fn shown(command: &Command) -> String {
    let folder = command.get_current_dir().filter(|folder| *folder != layout::root());
    let folder = folder.map(|folder| {
        let folder = folder.strip_prefix(layout::root()).unwrap_or(folder);
        format!("cd {} && ", quoted(folder.as_os_str()))
    });
    folder.unwrap_or_default() + &shown_words(command)
}

fn shown_words(command: &Command) -> String {
    let variables = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={}", name.to_string_lossy(), quoted(value?))));
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args()).map(quoted);
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    if word.contains('\u{1f}') {
        // Cargo separates encoded compiler flags by this character; Bash writes it so.
        let escaped = word.replace('\\', r"\\").replace('\'', r"\'").replace('\u{1f}', r"\x1f");
        format!("$'{escaped}'")
    } else if word.is_empty() || word.contains(|c: char| c.is_whitespace() || "'\"$&;|<>()*?`\\".contains(c))
    {
        format!("'{}'", word.replace('\'', r"'\''"))
    } else {
        word.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_as_one_would_type_them() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["test", "it's", "a b", ""]).env("RUSTFLAGS", "-D warnings").env_remove("CARGO");
        assert_eq!(shown(&command), r"RUSTFLAGS='-D warnings' cargo test 'it'\''s' 'a b' ''");
        let mut encoded = Command::new("cargo");
        encoded.arg("a\u{1f}b");
        assert_eq!(shown(&encoded), r"cargo $'a\x1fb'");
        let mut elsewhere = self::command("cargo");
        elsewhere.arg("fmt");
        assert_eq!(shown(&elsewhere), "cargo fmt");
        elsewhere.current_dir(layout::root().join("plugins"));
        assert_eq!(shown(&elsewhere), "cd plugins && cargo fmt");
    }

    #[test]
    fn a_failing_program_is_an_error_that_names_it() {
        let error = run(command("sh").args(["-c", "exit 3"])).expect_err("exit code 3");
        assert!(error.to_string().contains("sh -c 'exit 3'"), "{error}");
        let error = capture(command("sh").args(["-c", "echo why >&2; exit 3"])).expect_err("exit code 3");
        assert!(error.to_string().ends_with(": why"), "{error}");
    }

    #[test]
    fn a_missing_program_is_an_error_that_names_it() {
        let error = run(&mut command("no-such-program")).expect_err("no such program");
        assert!(error.to_string().contains("cannot start `no-such-program`"), "{error}");
        assert!(!on_path("no-such-program"));
    }
}
