//! `grille plugin …`: the commands for authors of plugins.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// Begin a plugin: a folder with sources, tests, settings schema and `plugin.toml`.
    New(New),
    /// Compile a plugin's sources into a component.
    ///
    /// The compiler is the machine's own (Rust, Go, C), or a tool of a fixed version that is fetched once into the user's cache
    /// (Python, JavaScript, TypeScript).
    Build(Build),
    /// Say what is wrong with a component before an operator finds out.
    ///
    /// Loads it as Grille would, configures it with the settings `{}`, and runs the vectors of its metadata. Exit status 1 if
    /// there is an error; warnings are only told.
    Check(Examine),
    /// Run a plugin's vectors and a set of hostile inputs in Grille's own runtime.
    ///
    /// Empty and huge cells, text that is not ASCII, statements with unknown words: nothing may trap, take too long or return
    /// what must not be. Exit status 1 if something did.
    Test(Examine),
    /// Give a plugin something to judge: SQL to a policy, CSV to a detector or masker.
    ///
    /// SQL is analysed as Grille does it. CSV comes on standard input, with a line of names first.
    Run(Run),
    /// Say in plain words what a plugin can reach and what not, what it finds and what may be set.
    Inspect(Inspect),
    /// Measure a plugin: load, begin, first answer, time a cell, memory.
    Bench(Bench),
    /// Compare two versions of a plugin: what it asks for, labels, settings, and answers to the vectors of both.
    Diff(Diff),
}

#[derive(Debug, Args)]
pub(crate) struct New {
    /// The plugin's name: at most 30 of a-z, 0-9 and `-`, beginning with a letter. Also the folder's name.
    pub(crate) name: String,
    /// What to write it in.
    #[arg(long = "lang", value_enum, value_name = "LANGUAGE")]
    pub(crate) language: Language,
    /// What it is to be.
    #[arg(long, value_enum, default_value_t = Kind::Policy)]
    pub(crate) kind: Kind,
    /// Whose it is: the plugin's id is `OWNER/NAME`.
    #[arg(long, value_name = "OWNER", default_value = "example")]
    pub(crate) owner: String,
    /// The folder to make instead of `NAME`.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) dir: Option<PathBuf>,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The folder with `plugin.toml`.
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Where to put the component instead of `NAME.wasm` in the folder.
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Examine {
    /// A component, or a plugin's folder in which it was built.
    #[arg(value_name = "FILE|DIR", default_value = ".")]
    pub(crate) subject: PathBuf,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// A component, or a plugin's folder in which it was built.
    #[arg(value_name = "FILE|DIR")]
    pub(crate) subject: PathBuf,
    /// For a policy: the SQL to judge. Read from standard input if it is left out.
    #[arg(value_name = "SQL")]
    pub(crate) statement: Option<String>,
    /// The plugin's settings: JSON, or the name of a JSON file.
    #[arg(long, value_name = "JSON|FILE", default_value = "{}")]
    pub(crate) settings: String,
    /// Who asks.
    #[arg(long, value_name = "NAME", default_value = "someone")]
    pub(crate) principal: String,
    /// A group of theirs. Can be given several times.
    #[arg(long = "group", value_name = "NAME")]
    pub(crate) groups: Vec<String>,
    /// Their role.
    #[arg(long, value_name = "NAME", default_value = "role")]
    pub(crate) role: String,
    /// What kind of client they are.
    #[arg(long, value_enum, default_value_t = Asker::Human)]
    pub(crate) asker: Asker,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// A component, or a plugin's folder in which it was built.
    #[arg(value_name = "FILE|DIR")]
    pub(crate) subject: PathBuf,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// A component, or a plugin's folder in which it was built.
    #[arg(value_name = "FILE|DIR")]
    pub(crate) subject: PathBuf,
    /// The plugin's settings: JSON, or the name of a JSON file.
    #[arg(long, value_name = "JSON|FILE", default_value = "{}")]
    pub(crate) settings: String,
    /// How often each thing is measured; the median is told.
    #[arg(long, value_name = "NUMBER", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) runs: u32,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The version there is.
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,
    /// The version to come.
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,
    /// For policies: SQL that both judge besides their vectors, statements separated by `;`.
    #[arg(long, value_name = "FILE")]
    pub(crate) statements: Option<PathBuf>,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Rust,
    Python,
    #[value(name = "javascript", alias = "js")]
    JavaScript,
    #[value(name = "typescript", alias = "ts")]
    TypeScript,
    Go,
    C,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Judges statements.
    Policy,
    /// Finds sensitive data.
    Detector,
    /// Replaces sensitive data.
    Masker,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Asker {
    /// A person signed in.
    Human,
    /// A service or job.
    Workload,
    /// An AI agent.
    Agent,
}
