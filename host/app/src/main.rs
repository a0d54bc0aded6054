//! The binary `grille`: command line, configuration, wiring, signals. What flows through it is elsewhere: the data plane
//! in `grille_proxy`, plugins in `grille_plugin`, the audit trail in `grille_store`, the admin listener in `grille_admin`.
#![forbid(unsafe_code)]

mod attack;
mod check;
mod cli;
mod commands;
mod config;
mod failure;
mod load;
mod logging;
mod observe;
mod plugin;
mod plugins;
mod regular_file;
mod reload;
mod rollout;
mod serve;
mod sessions;
mod surroundings;
mod trust;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::attack::Verdict;
use crate::cli::{Cli, Command};
use crate::failure::Failure;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        // Its standard output is the compiled plugin.
        Command::PluginCompile => return grille_plugin::compile_child(),
        Command::Serve { config } => {
            load::ready(&config.path).and_then(|ready| serve::run(ready, &config.path))
        }
        Command::Check { config } => load::all(&config.path).and_then(|loaded| {
            for warning in loaded.warnings().lines() {
                eprintln!("{warning}");
            }
            print(&check::summary(&loaded))
        }),
        Command::Attack(command) => attack(command),
        Command::Schema { markdown: false } => print(&format!("{:#}\n", config::reference::schema())),
        Command::Schema { markdown: true } => print(&config::reference::page()),
        Command::Sessions(command) => sessions::run(command).and_then(|text| print(&text)),
        Command::Plugin(command) => plugin::run(command).and_then(|report| tell(&report)),
        Command::Replay(command) => plugin::replay(command).and_then(|report| tell(&report)),
        Command::Completions { shell } => print(&completions(shell)),
        Command::Version => print(&versions()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn versions() -> String {
    format!(
        "grille {}\nplugin interface grille:plugin@0.1.0\naudit format {}\n",
        env!("CARGO_PKG_VERSION"),
        grille_core::audit::FORMAT_VERSION
    )
}

fn tell(report: &plugin::Report) -> Result<(), Failure> {
    print(&report.text)?;
    match report.verdict {
        plugin::Verdict::Good => Ok(()),
        plugin::Verdict::Bad => Err(Failure::Told),
        plugin::Verdict::Different => Err(Failure::Differs),
    }
}

fn completions(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "grille", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

fn attack(command: cli::Attack) -> Result<(), Failure> {
    let (text, verdict) = attack::run(command)?;
    print(&text)?;
    match verdict {
        Verdict::Good => Ok(()),
        Verdict::Bad => Err(Failure::Told),
    }
}

/// To standard output; whoever reads it may stop reading.
fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Other(error.into())),
        Ok(()) | Err(_) => Ok(()),
    }
}
