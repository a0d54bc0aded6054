//! The command line. What the commands do is elsewhere.

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
  2  the command line or the configuration is not right; nothing was started";

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
    /// Print the JSON Schema of the configuration file.
    Schema {
        /// Print the reference page in Markdown instead.
        #[arg(long)]
        markdown: bool,
    },
    /// Look into the audit log.
    #[command(subcommand)]
    Sessions(Sessions),
    /// Print versions.
    Version,
    /// Compile the plugin on standard input. Grille starts itself so, with little memory and time.
    #[command(hide = true)]
    PluginCompile,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Sessions {
    /// List all sessions: who, when, how many statements, how many refused.
    List {
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
              serve     Run the proxy until SIGTERM or SIGINT
              check     Say what is wrong with a configuration, starting nothing
              schema    Print the JSON Schema of the configuration file
              sessions  Look into the audit log
              version   Print versions
              help      Print this message or the help of the given subcommand(s)

            Options:
              -h, --help     Print help
              -V, --version  Print version

            Exit status:
              0  it was done
              1  it failed: the log or the message on standard error says why
              2  the command line or the configuration is not right; nothing was started
        "#]].assert_eq(&help);
    }
}
