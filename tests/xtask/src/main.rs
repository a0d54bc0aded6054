//! `cargo xtask …`: builds the plugins, runs the demo, the tests and the benchmarks, and installs what they need first.
//!
//! Here: the command line and the exit codes, 0 for done, 1 for failed, 2 for not understood. The work is in the modules.
#![forbid(unsafe_code)]

mod attack;
mod demo;
mod dependencies;
mod end_to_end;
mod examples;
mod fuzz;
mod hostile;
mod install;
mod layout;
mod plugins;
mod process;
mod steps;
mod swap_storm;
mod test_run;
mod tutorials;
mod unchanged;

use std::env;
use std::process::ExitCode;

use attack::ClosingLine;
use demo::Audience;
use plugins::Selection;
use steps::Step;
use swap_storm::Storm;
use test_run::Extent;
use unchanged::Repeat;

const HELP: &str = "\
Usage: cargo xtask COMMAND

  test [--quick | --all]  check and test everything; --quick leaves out fuzzing, examples and real drivers, --all
                          runs long steps also where nothing has changed since they last passed, as is done where CI is set
  demo [--check]          PostgreSQL behind Grille to try by hand; --check runs the story without a person
  attack                  run `grille attack` on a private PostgreSQL, with policy and without
  swap-storm [--swaps N] [--latency judged|told]
                          swap plugins, settings and roles under load: nothing fails, leaks, grows or takes much longer
  reload-storm [--reloads N] [--seed N]
                          reload good and bad components in any order: what is active changes only when it must
  bench                   run the benchmarks
  plugins [--only NAME]   compile plugins/ and tests/guests/ into components in target/plugins/
  examples                build, check and test the example plugins and the SDKs of all languages
  hostile                 build plugins that misbehave, in all languages, and try them behind the gateway
  tutorials [LANGUAGE…]   play docs/tutorials/first-plugin.md as a new user would, in all languages or in some
  fuzz                    run each fuzz target for a minute
  install                 only install what the other commands need, or say what is missing
  help                    print this

Each command first installs what it needs as root on Debian, and elsewhere says what is missing.
";

/// A checked command line.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    Test(Extent),
    Demo(Audience),
    Attack,
    Storm(Storm, Vec<String>),
    Bench,
    Plugins(Selection),
    Examples,
    Hostile,
    Tutorials(Vec<String>),
    Fuzz,
    Install,
    Help,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match Request::parse(&words) {
        Some(Request::Help) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Some(request) => perform(request),
        None => {
            eprint!("not understood: cargo xtask {}\n\n{HELP}", words.join(" "));
            ExitCode::from(2)
        }
    }
}

/// Ends with the table of steps and, where one of them attacked or stormed on request, with its closing line.
fn perform(request: Request) -> ExitCode {
    let closing = ClosingLine::default();
    let report = steps::run(request.steps(&closing));
    println!("\n{report}");
    if let Some(line) = closing.take() {
        println!("{line}");
    }
    match report.failed() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

impl Request {
    fn parse(words: &[&str]) -> Option<Self> {
        Some(match words {
            ["test"] => Self::Test(Extent::Full),
            ["test", "--all"] => Self::Test(Extent::All),
            ["test", "--quick"] => Self::Test(Extent::Quick),
            ["demo"] => Self::Demo(Audience::Person),
            ["demo", "--check"] => Self::Demo(Audience::Check),
            ["attack"] => Self::Attack,
            ["swap-storm", options @ ..] => Self::storm(Storm::Swaps, options),
            ["reload-storm", options @ ..] => Self::storm(Storm::Reloads, options),
            ["bench"] => Self::Bench,
            ["plugins"] => Self::Plugins(Selection::All),
            ["plugins", "--only", name] => Self::Plugins(Selection::Only((*name).to_owned())),
            ["examples"] => Self::Examples,
            ["hostile"] => Self::Hostile,
            ["tutorials", languages @ ..] => {
                Self::Tutorials(languages.iter().map(|language| (*language).to_owned()).collect())
            }
            ["fuzz"] => Self::Fuzz,
            ["install"] => Self::Install,
            [] | ["help" | "--help" | "-h"] => Self::Help,
            _ => return None,
        })
    }

    /// What the options are is the storm's own matter.
    fn storm(storm: Storm, options: &[&str]) -> Self {
        Self::Storm(storm, options.iter().map(|option| (*option).to_owned()).collect())
    }

    fn steps(self, closing: &ClosingLine) -> Vec<Step> {
        match self {
            Self::Test(extent) => test_run::steps(extent),
            Self::Demo(audience) => demo::demo_steps(audience),
            Self::Attack => attack::steps(closing),
            Self::Storm(storm, options) => swap_storm::steps(storm, options, closing),
            Self::Bench => demo::bench_steps(),
            Self::Plugins(selection) => vec![Step::new("plugins", move || plugins::build(&selection))],
            Self::Examples => vec![
                Step::new("build", || process::run(&mut process::cargo(["build", "--package", "grille"]))),
                examples::step(Repeat::Always),
            ],
            Self::Hostile => vec![
                Step::new("build", || process::run(&mut process::cargo(["build", "--package", "grille"]))),
                Step::new("plugins", || plugins::build(&Selection::All)),
                hostile::step(Repeat::Always),
            ],
            Self::Tutorials(languages) => tutorials::steps(languages),
            Self::Fuzz => vec![
                Step::new("install", install::host),
                Step::skippable("fuzz", || fuzz::run(&fuzz::Budget::TEST_RUN, Repeat::Always)),
            ],
            Self::Install => vec![
                Step::new("host", install::host),
                Step::new("services", install::services),
                Step::new("plugins", || plugins::toolchain().map(drop)),
            ],
            Self::Help => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_understood_or_refused() {
        for (words, expected) in [
            (&["test"][..], Some(Request::Test(Extent::Full))),
            (&["test", "--quick"], Some(Request::Test(Extent::Quick))),
            (&["test", "--all"], Some(Request::Test(Extent::All))),
            (&["demo", "--check"], Some(Request::Demo(Audience::Check))),
            (&["swap-storm"], Some(Request::Storm(Storm::Swaps, Vec::new()))),
            (
                &["reload-storm", "--seed", "7"],
                Some(Request::Storm(Storm::Reloads, vec!["--seed".into(), "7".into()])),
            ),
            (&["tutorials", "go"], Some(Request::Tutorials(vec!["go".into()]))),
            (&["plugins", "--only", "pii"], Some(Request::Plugins(Selection::Only("pii".into())))),
            (&[], Some(Request::Help)),
            (&["test", "--fast"], None),
            (&["plugins", "--only"], None),
            (&["plugins", "pii"], None),
            (&["tset"], None),
        ] {
            assert_eq!(Request::parse(words), expected, "{words:?}");
        }
    }
}
