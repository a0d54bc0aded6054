//! Follows docs/tutorials/first-plugin.md from its first to its last command, in every language: the page is the script. What is
//! shown there after a statement has to be what psql says, and what a reader changes is changed as its table says.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use grille_harness::scratch::Scratch;
use grille_harness::{Ran, grille, wait, workspace};

use crate::live::{DevProcess, Psql};
use crate::page::{self, Act};
use crate::stage::Stage;

const PAGE: &str = "docs/tutorials/first-plugin.md";

/// The language that the page shows.
const SHOWN: &str = "--lang python";

const LANGUAGES: [&str; 6] = ["rust", "python", "javascript", "typescript", "go", "c"];

/// What `grille plugin build` says where a language cannot be built on this machine.
const CANNOT_BE_HAD: [&str; 2] = ["is not here: ", "could not be fetched"];

/// Plays the page in each language, and prints what it took and what was left out.
pub(crate) fn follow(stage: &Stage, languages: &[String]) -> anyhow::Result<ExitCode> {
    let acts = page::read(&fs::read_to_string(workspace::root().join(PAGE))?)?;
    let wanted: Vec<&str> = match languages {
        [] => LANGUAGES.to_vec(),
        named => named.iter().map(String::as_str).collect(),
    };
    let mut failures = 0;
    for language in wanted {
        match Reader::new(stage, language)?.read(&acts) {
            Ok(Outcome::Done(times)) => println!("{}", times.row(language)),
            Ok(Outcome::LeftOut(why)) => println!("left out {language}: {why}"),
            Err(error) => {
                failures += 1;
                println!("FAILED {language}: {error:#}");
            }
        }
    }
    println!("tutorials: {failures} failed");
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How it went.
enum Outcome {
    Done(Times),
    /// The language cannot be built here.
    LeftOut(String),
}

/// What a reader waits for.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    new: Duration,
    build: Duration,
    test: Duration,
    dev: Duration,
    change: Duration,
}

impl Times {
    /// The row of the page's table.
    fn row(&self, language: &str) -> String {
        let Self { new, build, test, dev, change } = self;
        let cells = [new, build, test, dev, change].map(|time| format!("{:.1}", time.as_secs_f64()));
        format!("| `{language}` | {} |", cells.join(" | "))
    }
}

/// Somebody who reads the page, with its terminals open.
struct Reader<'s> {
    stage: &'s Stage,
    language: &'s str,
    folder: PathBuf,
    psql: Psql,
    dev: Option<DevProcess>,
    times: Times,
    _scratch: Scratch,
}

impl<'s> Reader<'s> {
    fn new(stage: &'s Stage, language: &'s str) -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        let (folder, psql) = (scratch.path().to_owned(), Psql::open(&stage.client)?);
        Ok(Self { stage, language, folder, psql, dev: None, times: Times::default(), _scratch: scratch })
    }

    fn read(mut self, acts: &[Act]) -> anyhow::Result<Outcome> {
        for act in acts {
            match act {
                Act::Run(command) => {
                    let ran = self.run(command).with_context(|| command.clone())?;
                    if let Some(why) = ran {
                        return Ok(Outcome::LeftOut(why));
                    }
                }
                Act::Ask { statement, answer } => self.ask(statement, answer)?,
                Act::Change { language, file, line, becomes } if language == self.language => {
                    self.change(file, line, becomes)?;
                }
                Act::Change { .. } => {}
                Act::Stop => self.dev.take().context("nothing to stop")?.interrupt()?,
            }
        }
        Ok(Outcome::Done(self.times))
    }

    /// Runs a command of the page: why not, if the language's tools cannot be had.
    fn run(&mut self, command: &str) -> anyhow::Result<Option<String>> {
        if command == "cargo xtask demo" {
            // It is running: that is the stage.
            return Ok(None);
        }
        if let Some(folder) = command.strip_prefix("cd ") {
            self.folder.push(folder);
            return Ok(None);
        }
        let command = command.replace(SHOWN, &format!("--lang {}", self.language));
        let config = self.stage.grille.config().display().to_string();
        let command = command.replace("…/grille.toml", &config);
        let begun = Instant::now();
        if command.starts_with("grille plugin dev") {
            let mut dev = DevProcess::start(&in_path(&command)?, &self.folder)?;
            dev.await_taken()?;
            self.dev = Some(dev);
        } else {
            let ran: Ran = shell(&command, &self.folder)?.output()?.into();
            if ran.code != 0 && CANNOT_BE_HAD.iter().any(|words| ran.stderr.contains(words)) {
                return Ok(Some(ran.stderr.lines().next().unwrap_or_default().to_owned()));
            }
            ensure!(ran.code == 0, "exit status {}: {}", ran.code, ran.said());
        }
        self.took(&command, begun.elapsed());
        Ok(None)
    }

    fn took(&mut self, command: &str, time: Duration) {
        let times = &mut self.times;
        let of_command = match command.split(' ').nth(2) {
            Some("new") => &mut times.new,
            Some("build") => &mut times.build,
            Some("test") => &mut times.test,
            Some("dev") => &mut times.dev,
            Some(_) | None => return,
        };
        *of_command = time;
    }

    /// While `dev` runs, the next statement is judged by what it said was taken; after it, Grille has to notice first.
    fn ask(&mut self, statement: &str, answer: &str) -> anyhow::Result<()> {
        let Some(dev) = &mut self.dev else {
            let psql = &mut self.psql;
            let asked = wait::until(answer, wait::PATIENCE, || {
                Ok(psql.ask(statement)?.contains(answer).then_some(()))
            });
            return asked.with_context(|| statement.to_owned());
        };
        let said = self.psql.ask(statement)?;
        ensure!(said.contains(answer), "{statement}: psql says {said:?} and not {answer:?}");
        // It is told with what was asked, without its literals, as soon as it is recorded.
        let (told, _) = statement.split_once('=').unwrap_or((statement, ""));
        dev.await_told(told.trim_end())
    }

    fn change(&mut self, file: &str, line: &str, becomes: &str) -> anyhow::Result<()> {
        let path = self.folder.join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {file}"))?;
        ensure!(text.matches(line).count() == 1, "{file} has not exactly one {line:?}");
        let begun = Instant::now();
        fs::write(&path, text.replace(line, becomes))?;
        self.dev.as_mut().context("dev is not running")?.await_taken()?;
        self.times.change = begun.elapsed();
        Ok(())
    }
}

/// A command as a shell in that folder takes it, with `grille` in the search path.
fn shell(command: &str, folder: &Path) -> anyhow::Result<Command> {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(folder).env("PATH", search_path()?);
    Ok(shell)
}

/// The words of a command, run with `grille` in the search path.
fn in_path(command: &str) -> anyhow::Result<Vec<String>> {
    let path = search_path()?.into_string();
    let Ok(path) = path else { bail!("the search path is not UTF-8") };
    let words = command.split(' ').map(str::to_owned);
    Ok(["env".to_owned(), format!("PATH={path}")].into_iter().chain(words).collect())
}

fn search_path() -> anyhow::Result<std::ffi::OsString> {
    let program = PathBuf::from(grille::command()?.get_program());
    let folder = program.parent().context("grille is in a folder")?.to_owned();
    let path = env::var_os("PATH").unwrap_or_default();
    Ok(env::join_paths(std::iter::once(folder).chain(env::split_paths(&path)))?)
}
