//! `grille plugin …`: what authors of plugins use. Sources are built by `grille_build`; components are run by the same runtime,
//! under the same limits, as in the data plane.

mod bench;
mod build;
mod check;
mod csv;
mod dev;
mod diff;
mod fuzz;
mod hostile;
mod inspect;
mod key;
mod observation;
mod replay;
mod run;
mod runtime;
mod sign;
mod swap;
mod table;
mod test;
mod text;
mod verify;

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
    /// What was compared differs.
    Different,
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
        Plugin::Dev(command) => dev::dev(command),
        Plugin::Keygen(command) => key::keygen(command),
        Plugin::Sign(command) => sign::sign(command),
        Plugin::Verify(command) => verify::verify(command),
        Plugin::Status(command) => swap::status(command),
        Plugin::Activate(command) => swap::activate(command),
        Plugin::Shadow(command) => swap::shadow(command),
        Plugin::Canary(command) => swap::canary(command),
        Plugin::Promote(command) => swap::promote(command),
        Plugin::Drop(command) => swap::drop(command),
        Plugin::Rollback(command) => swap::rollback(command),
        Plugin::Differences(command) => observation::differences(&command),
        Plugin::Record(command) => observation::record(&command),
    }
}

/// `grille replay`.
pub(crate) fn replay(command: crate::cli::plugin::Replay) -> Result<Report, Failure> {
    replay::replay(&command)
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
