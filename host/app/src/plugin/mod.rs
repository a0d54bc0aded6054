//! `grille plugin …`: what authors of plugins use. Sources are built by `grille_build`; components are run by the same runtime,
//! under the same limits, as in the data plane.

mod bench;
mod build;
mod check;
mod csv;
mod diff;
mod hostile;
mod inspect;
mod run;
mod runtime;
mod table;
mod test;
mod text;

use std::fmt;

use serde::Serialize;

use crate::cli::Output;
use crate::cli::plugin::Plugin;
use crate::failure::Failure;

/// What a command says, and whether that is bad news.
pub(crate) struct Report {
    pub(crate) text: String,
    pub(crate) verdict: Verdict,
}

/// What a report means for the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything is as it should be.
    Good,
    /// What was looked at is not.
    Bad,
}

/// Runs the command.
pub(crate) fn run(command: Plugin) -> Result<Report, Failure> {
    match command {
        Plugin::New(command) => build::new(command),
        Plugin::Build(command) => build::build(command),
        Plugin::Check(command) => check::check(command),
        Plugin::Test(command) => test::test(command),
        Plugin::Run(command) => run::run(command),
        Plugin::Inspect(command) => inspect::inspect(command),
        Plugin::Bench(command) => bench::bench(command),
        Plugin::Diff(command) => diff::diff(command),
    }
}

impl Report {
    /// Says it for people, by `Display`, or for programs.
    fn of(said: &(impl Serialize + fmt::Display), output: Output, verdict: Verdict) -> Result<Self, Failure> {
        let text = match output {
            Output::Table => said.to_string(),
            Output::Json => {
                let json = serde_json::to_string_pretty(said).map_err(anyhow::Error::from)?;
                json + "\n"
            }
        };
        Ok(Self { text, verdict })
    }

    fn good(said: &(impl Serialize + fmt::Display), output: Output) -> Result<Self, Failure> {
        Self::of(said, output, Verdict::Good)
    }
}
