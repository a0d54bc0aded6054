//! `grille plugin …`: the commands for authors of plugins, and for who has them run.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{ConfigFile, Output, Running};

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
    /// Run a plugin's vectors, hostile inputs and random ones in Grille's own runtime.
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
    /// Build a plugin whenever its sources change, put it where a running Grille reads it, and show what it decides.
    ///
    /// Builds and checks as `build` and `check` do; what is not good goes nowhere. The component is put in the place of the
    /// `[[plugin]]` that --as names, which has to say `unsigned = true`, and what was there before comes back at the end. Shows
    /// every statement in which the plugin has a say, by the audit log. Ctrl-C ends it.
    Dev(Dev),
    /// Make a key pair to sign plugins with, in minisign's form.
    ///
    /// The secret key is kept under a password, which is asked for on the terminal unless a file has it.
    Keygen(Keygen),
    /// Sign a component, so that operators who trust the key need not take its word.
    ///
    /// The signature goes beside the component, as `FILE.minisig`. It is over the file, the plugin's id and version.
    Sign(Sign),
    /// Say who signed a component, and whether a configuration would trust it.
    ///
    /// Exit status 1 if the signature does not hold, or the configuration would not.
    Verify(Verify),
    /// Say how the plugins of the running Grille stand: what is active, tried, held back, and what was refused last.
    Status(Status),
    /// Make a component active in a plugin's place, or the configuration's file, also if that was held back.
    ///
    /// It passes all stages first: trust, grants, settings, vectors. What was active is kept for `rollback`. Exit status 1 if it
    /// is refused; what was active stays then. All commands on a running Grille need `[admin] control_socket`, and to be run as
    /// Grille's user or root.
    Activate(Activate),
    /// Have a component judge beside the active one, where what it says is compared and counts for nothing.
    Shadow(Shadow),
    /// Have a component judge in place of the active one for a share of the principals. Each stays on its side.
    Canary(Canary),
    /// Make what is tried active.
    Promote(Change),
    /// Let what is tried go.
    Drop(Change),
    /// Make what was active before active again, and keep out what is.
    Rollback(Change),
    /// Say what the candidate in the shadow of a plugin answers otherwise than the plugin does.
    ///
    /// Asks the running Grille (needs `[admin] control_socket`). Of the last candidate, if there is none now.
    Differences(Differences),
    /// Record what a plugin is asked, so that `grille replay` can ask a candidate the same.
    ///
    /// Statements without their literals and principals without their names, for a policy; cells as clients got them, for a
    /// detector. Only a plugin without clock, state and egress can be recorded. The running Grille writes the file (needs `[admin]
    /// control_socket`) and ends by itself.
    Record(Record),
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
pub(crate) struct Dev {
    /// The folder with `plugin.toml`.
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// The plugin's name in the configuration of the running Grille.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) slot: String,
    /// Leave the last build where it is at the end.
    #[arg(long)]
    pub(crate) keep: bool,
    /// How to print; as JSON an object a line, with what it is about in `event`.
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

#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// Where the secret key goes, for you alone to read. It must not be there yet.
    #[arg(long, value_name = "FILE", default_value = "grille.key")]
    pub(crate) key: PathBuf,
    /// Where the public key goes, instead of the secret key's name with `.pub`.
    #[arg(long, value_name = "FILE")]
    pub(crate) public: Option<PathBuf>,
    /// Keep the secret key without a password: whoever can read the file can sign.
    #[arg(long, conflicts_with = "password_file")]
    pub(crate) no_password: bool,
    /// The file that holds the password.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// A component, or a plugin's folder in which it was built.
    #[arg(value_name = "FILE|DIR")]
    pub(crate) subject: PathBuf,
    /// The secret key: of `grille plugin keygen` or of minisign.
    #[arg(long, value_name = "FILE", default_value = "grille.key")]
    pub(crate) key: PathBuf,
    /// The file that holds the key's password.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// A component, or a plugin's folder in which it was built.
    #[arg(value_name = "FILE|DIR")]
    pub(crate) subject: PathBuf,
    #[command(flatten)]
    pub(crate) against: Against,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Against {
    /// The signer's minisign public key: the characters that begin with `RW`, or a file of them.
    #[arg(long, value_name = "KEY|FILE")]
    pub(crate) public_key: Option<String>,
    /// The configuration whose `[[trust]]` counts, and the `[[plugin]]` that names the file, if one does.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The plugin's name in the configuration; without, all of them.
    #[arg(value_name = "NAME")]
    pub(crate) plugin: Option<String>,
    #[command(flatten)]
    pub(crate) running: Running,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Activate {
    /// The plugin's name in the configuration.
    #[arg(value_name = "NAME")]
    pub(crate) plugin: String,
    /// The component; without, the configuration's file.
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) how: How,
}

#[derive(Debug, Args)]
pub(crate) struct Shadow {
    /// The plugin's name in the configuration.
    #[arg(value_name = "NAME")]
    pub(crate) plugin: String,
    /// The component.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) how: How,
}

#[derive(Debug, Args)]
pub(crate) struct Canary {
    /// The plugin's name in the configuration.
    #[arg(value_name = "NAME")]
    pub(crate) plugin: String,
    /// The component.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// How many of the principals, in percent.
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) percent: u8,
    #[command(flatten)]
    pub(crate) how: How,
}

/// How a component is taken.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// Let it import capabilities that the active revision does not, as far as the configuration grants them.
    #[arg(long)]
    pub(crate) accept_capabilities: bool,
    #[command(flatten)]
    pub(crate) running: Running,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Change {
    /// The plugin's name in the configuration.
    #[arg(value_name = "NAME")]
    pub(crate) plugin: String,
    #[command(flatten)]
    pub(crate) running: Running,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Differences {
    /// The plugin's name in the configuration.
    #[arg(value_name = "NAME")]
    pub(crate) slot: String,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Record {
    /// The plugin's name in the configuration.
    #[arg(value_name = "NAME")]
    pub(crate) slot: String,
    /// For how long, at most 24h.
    #[arg(long = "for", value_name = "TIME", default_value = "10m")]
    pub(crate) time: String,
    /// Most inputs, at most a million.
    #[arg(long = "max", value_name = "NUMBER", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) inputs: u64,
    /// End the recording that is under way.
    #[arg(long, conflicts_with_all = ["time", "inputs"])]
    pub(crate) stop: bool,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The candidate: a component, or a plugin's folder in which it was built.
    #[arg(long = "plugin", value_name = "FILE|DIR")]
    pub(crate) candidate: PathBuf,
    /// The candidate's settings: JSON, or the name of a JSON file.
    #[arg(long, value_name = "JSON|FILE", default_value = "{}")]
    pub(crate) settings: String,
    /// What `grille plugin record` made.
    #[arg(long, value_name = "FILE")]
    pub(crate) corpus: PathBuf,
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
