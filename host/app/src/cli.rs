//! The command line. What the commands do is elsewhere.

pub(crate) mod plugin;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Grille stands between clients and their PostgreSQL servers. It knows who asks by their OpenID Connect token, has
/// WebAssembly plugins judge what they ask and mask what they get, and records both.
#[derive(Debug, Parser)]
#[command(name = "grille", version, max_term_width = 100, after_help = EXIT_STATUS)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_STATUS: &str = "\
Exit status:
  0  it was done
  1  it failed: the log or the message on standard error says why
  2  the command line or the configuration is not right; nothing was started
  3  `grille replay`: the candidate answers otherwise";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the proxy until SIGTERM or SIGINT.
    Serve {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Say what is wrong with a configuration, starting nothing.
    ///
    /// Reads the file, the certificates, keys and secrets it names, and compiles and configures the plugins, as `serve`
    /// would. Connects to nothing.
    Check {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Try to get protected values past a configuration, on scratch databases of a server of yours.
    ///
    /// Makes two databases and a login role on the server, starts the data plane in front of them with the configuration's
    /// role, makes every attempt of a built-in catalogue through it, and removes everything again. The two databases differ
    /// in protected values only, so an answer that depends on one is seen as a leak. Exit status 1 if anything leaked, or a
    /// legitimate statement did not answer as the server does.
    Attack(Attack),
    /// Print the JSON Schema of the configuration file.
    Schema {
        /// Print the reference page in Markdown instead.
        #[arg(long)]
        markdown: bool,
    },
    /// Look into the audit log, and at the sessions that are open.
    #[command(subcommand)]
    Sessions(Sessions),
    /// Write, build, check, try and measure plugins.
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// Ask a candidate what a plugin was asked, and say what it answers otherwise.
    ///
    /// Each input of a recording (`grille plugin record`) is given to the candidate in an instance of its own, under the limits of
    /// the data plane. Nothing is connected to. Exit status 3 if anything is answered otherwise, or the candidate fails at it.
    Replay(plugin::Replay),
    /// Print the completion script for a shell.
    Completions {
        /// Which shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print versions.
    Version,
    /// Compile the plugin on standard input. Grille starts itself so, with little memory and time.
    #[command(hide = true)]
    PluginCompile,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Sessions {
    /// List the last sessions: who, when, how many statements, how many refused.
    ///
    /// Reads the audit log; with --live, asks the running Grille which sessions are open.
    List {
        /// How many.
        #[arg(long, value_name = "NUMBER", default_value_t = 100)]
        last: usize,
        /// All there are in the audit log, however long it takes.
        #[arg(long, conflicts_with = "last")]
        all: bool,
        /// The open ones, as the running Grille knows them (needs `[admin] control_socket`).
        #[arg(long, conflicts_with_all = ["last", "all", "audit_dir"])]
        live: bool,
        #[command(flatten)]
        trail: Trail,
    },
    /// Show one session: each statement, who judged it, what became of it.
    Show {
        /// The session's id, its first 8 or more digits, or the reference from an error message (`1a2b3c4d-7`).
        session: String,
        #[command(flatten)]
        trail: Trail,
    },
    /// End a session at once, also in the middle of a statement.
    ///
    /// The client is told, what runs upstream is canceled, and the audit log says who did it. Needs `[admin]
    /// control_socket`, and to be run as Grille's user or root.
    Kill {
        /// The session's id, its first 8 or more digits, or the reference from an error message (`1a2b3c4d-7`).
        session: String,
        /// Why: shown to the client and kept in the audit log.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        running: Running,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Running {
    /// The configuration file that names the control socket.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The control socket itself.
    #[arg(long, value_name = "SOCKET")]
    pub(crate) control_socket: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Attack {
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// The role to attack. It gets rules for the protected columns of the scratch databases; all else is as configured.
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: String,
    /// The server, and a user of it who may make roles and databases: a superuser for all attempts. Not a server with data
    /// of value: `postgres://USER@HOST[:PORT][/DATABASE][?sslmode=disable|verify-full][&sslrootcert=FILE]`.
    #[arg(long, value_name = "URL")]
    pub(crate) server: String,
    /// The file that holds the user's password.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// The environment variable that holds it, if there is no file.
    #[arg(long, value_name = "NAME", default_value = "PGPASSWORD")]
    pub(crate) password_env: String,
    /// Take everything away that protects, to see that the attempts work: nearly all must leak, and exit status 1 if fewer
    /// than 90 in 100 do.
    #[arg(long)]
    pub(crate) without_policy: bool,
    /// Only attempts and legitimate scripts with this in their name or in the name of the way round.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) only: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration file.
    #[arg(
        long = "config",
        short = 'c',
        value_name = "FILE",
        env = "GRILLE_CONFIG",
        default_value = "grille.toml"
    )]
    pub(crate) path: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Trail {
    #[command(flatten)]
    pub(crate) place: Place,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Place {
    /// The configuration file that names the audit directory.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The audit directory itself.
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) audit_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_says_what_there_is() {
        let help = Cli::command().render_help().to_string();
        expect![[r#"
            Grille stands between clients and their PostgreSQL servers. It knows who asks by their OpenID
            Connect token, has WebAssembly plugins judge what they ask and mask what they get, and records both

            Usage: grille <COMMAND>

            Commands:
              serve        Run the proxy until SIGTERM or SIGINT
              check        Say what is wrong with a configuration, starting nothing
              attack       Try to get protected values past a configuration, on scratch databases of a server of
                           yours
              schema       Print the JSON Schema of the configuration file
              sessions     Look into the audit log, and at the sessions that are open
              plugin       Write, build, check, try and measure plugins
              replay       Ask a candidate what a plugin was asked, and say what it answers otherwise
              completions  Print the completion script for a shell
              version      Print versions
              help         Print this message or the help of the given subcommand(s)

            Options:
              -h, --help     Print help
              -V, --version  Print version

            Exit status:
              0  it was done
              1  it failed: the log or the message on standard error says why
              2  the command line or the configuration is not right; nothing was started
              3  `grille replay`: the candidate answers otherwise
        "#]].assert_eq(&help);
    }
}
