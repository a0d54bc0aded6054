//! `grille attack` on a private PostgreSQL: a role that has nothing but rules, the same with a detector, and the first again
//! without what protects it, which must leak nearly everywhere.
//!
//! Prints what `grille attack` prints. Exit code 0 only if nothing leaked, nothing legitimate was refused, and without
//! policy enough leaked. The last line is the first run's: `attack: N attempts, L leaked, M legitimate, R refused`.
#![forbid(unsafe_code)]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::Context;
use grille_harness::scratch::Scratch;
use grille_harness::{Endpoint, PostgresServer, Ran, grille, policy};

/// The closing line begins so.
const CLOSING: &str = "attack: ";

/// A run of `grille attack`.
struct Run {
    told: &'static str,
    role: &'static str,
    more: &'static [&'static str],
}

const RUNS: [Run; 3] = [
    Run { told: "rules alone", role: "ruled", more: &[] },
    Run { told: "rules and a detector", role: "watched", more: &[] },
    Run { told: "without policy", role: "ruled", more: &["--without-policy"] },
];

fn main() -> anyhow::Result<ExitCode> {
    let server = PostgresServer::start(&Default::default())?;
    let folder = Scratch::new()?;
    let config = folder.path().join("grille.toml");
    fs::write(&config, configuration()?)?;
    let mut closing = Vec::new();
    let mut good = true;
    for run in &RUNS {
        println!("\n--- {}", run.told);
        let ran = attack(run, &config, &server.admin())?;
        good &= ran.code == 0;
        let line = ran.stdout.lines().rfind(|line| line.starts_with(CLOSING));
        closing.push(
            line.with_context(|| format!("grille attack did not end well: {}", ran.stderr))?.to_owned(),
        );
    }
    println!();
    for (run, line) in RUNS.iter().zip(&closing).rev() {
        println!("{}: {}", run.told, line);
    }
    println!("{}", closing[0]);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn attack(run: &Run, config: &Path, admin: &Endpoint) -> anyhow::Result<Ran> {
    let Endpoint { port, user, password, .. } = admin;
    let mut command: Command = grille::command()?;
    command
        .args(["attack", "--role", run.role, "--server", &format!("postgres://{user}@127.0.0.1:{port}/")])
        .args(run.more)
        .arg("--config")
        .arg(config)
        .env("PGPASSWORD", password)
        .stdin(Stdio::null());
    let ran = Ran::from(command.output()?);
    std::io::stdout().write_all(ran.stdout.as_bytes())?;
    eprint!("{}", ran.stderr);
    Ok(ran)
}

/// Two roles that may do everything their statement classes can name, so that what stops an attempt is the protection of
/// columns. Listener, issuer and upstream are there because a configuration has them; nothing connects to them.
fn configuration() -> anyhow::Result<String> {
    let fixed = r#"
[[listener]]
name = "unused"
address = "127.0.0.1:1"
allow_plaintext = true

[[issuer]]
issuer = "http://127.0.0.1:1"
audiences = ["unused"]

[[upstream]]
name = "unused"
host = "127.0.0.1"
user = "unused"
authentication = ["trust"]
tls = { mode = "disable" }

[audit]
directory = "audit"

"#;
    let role = |name: &str, detectors: &str| {
        format!(
            "[[role]]\nname = {name:?}\ngroups = [{name:?}]\nupstreams = [\"unused\"]\n\
             statements = [\"read\", \"write\", \"define\", \"grant\", \"transaction\", \"session\", \"maintain\", \
             \"execute\", \"copy\", \"notify\", \"lock\"]\npolicies = []\ndetectors = [{detectors}]\n\n"
        )
    };
    Ok([fixed.to_owned(), role("ruled", ""), role("watched", "\"pii\""), policy::plugin("pii", "pii", "")?]
        .concat())
}
