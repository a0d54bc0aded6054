//! The load: pgbench with 16 clients over simple, extended and prepared statements, and what it says of itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use grille_harness::supervised::{Signal, Supervised};
use grille_harness::{Endpoint, postgres};

use crate::stage::PEOPLE;

/// Longer than any run: it ends when it is told.
const SECONDS_MAX: &str = "86400";

/// How statements are sent, and by how many clients: half of them by simple queries.
const SENDERS: [Sender; 3] = [
    Sender { protocol: "simple", clients: 8 },
    Sender { protocol: "extended", clients: 4 },
    Sender { protocol: "prepared", clients: 4 },
];

/// All clients together.
pub(crate) const CLIENTS: u32 = 16;

/// Some clients with one protocol.
#[derive(Clone, Copy)]
struct Sender {
    protocol: &'static str,
    clients: u32,
}

/// What clients run: a name, how often among 10, and the script. Every statement reads what is protected by rule, what
/// detectors find alone, and what they find within a text.
const SCRIPTS: [(&str, u32, &str); 3] = [
    ("point", 5, "SELECT id, email, secret, note FROM people WHERE id = :id;\n"),
    ("range", 4, "SELECT email, note, secret FROM people WHERE id BETWEEN :id AND :id + 9 ORDER BY id;\n"),
    (
        "block",
        1,
        "BEGIN;\nSELECT note FROM people WHERE id = :id;\nSELECT email, secret FROM people WHERE id = :id;\nEND;\n",
    ),
];

/// How fast clients go.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Each begins a transaction when its last has ended.
    FlatOut,
    /// Transactions begin at random times, so many a second on the average, all clients together, whether or not earlier
    /// ones have ended: what waits for a client counts as latency.
    PerSecond(u32),
}

/// Clients at work. They end with it.
pub(crate) struct Load {
    running: Vec<(Supervised, PathBuf)>,
}

/// What came of a load.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Transactions that were done.
    pub(crate) transactions: u64,
    /// What went wrong, each in a line.
    pub(crate) failures: Vec<String>,
    /// Per-transaction logs.
    pub(crate) logs: Vec<PathBuf>,
}

impl Load {
    /// Starts clients of `endpoint`, which is reached without TLS. Their files are in `folder`, under `name`.
    pub(crate) fn start(endpoint: &Endpoint, folder: &Path, name: &str, pace: Pace) -> anyhow::Result<Self> {
        let scripts = write_scripts(folder)?;
        let start = |sender: &Sender| {
            let log = folder.join(format!("{name}-{}.log", sender.protocol));
            let mut pgbench = pgbench(endpoint, &scripts, *sender)?;
            pgbench.args(["-T", SECONDS_MAX, "-l", "--log-prefix"]).arg(&log);
            if let Pace::PerSecond(rate) = pace {
                pgbench.args(["-R", &(f64::from(rate * sender.clients) / f64::from(CLIENTS)).to_string()]);
            }
            let process = format!("{name}-{}", sender.protocol);
            Ok((Supervised::start(&pgbench, &process, folder, Signal::Alarm)?, log))
        };
        Ok(Self { running: SENDERS.iter().map(start).collect::<anyhow::Result<_>>()? })
    }

    /// Fails when clients have ended by themselves.
    pub(crate) fn check_alive(&mut self) -> anyhow::Result<()> {
        self.running.iter_mut().try_for_each(|(pgbench, _)| pgbench.check_alive())
    }

    /// Lets each client finish what it is at.
    pub(crate) fn stop(self) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::default();
        for (mut pgbench, log) in self.running {
            let status = pgbench.stop()?;
            let said = fs::read_to_string(pgbench.stdout())?;
            let complaints = fs::read_to_string(pgbench.stderr())?;
            if !status.success() {
                outcome.failures.push(format!("pgbench ended with {status}"));
            }
            outcome.failures.extend(complaints.lines().filter(|line| !is_news(line)).map(str::to_owned));
            let failed = told(&said, "number of failed transactions: ")?;
            if failed > 0 {
                outcome.failures.push(format!("{failed} failed transactions"));
            }
            outcome.transactions += told(&said, "number of transactions actually processed: ")?;
            outcome.logs.extend(parts_of(&log)?);
        }
        Ok(outcome)
    }
}

/// What pgbench says on standard error although nothing is wrong: its first line.
fn is_news(line: &str) -> bool {
    line.starts_with("pgbench (") || line.is_empty()
}

fn pgbench(endpoint: &Endpoint, scripts: &[String], sender: Sender) -> anyhow::Result<Command> {
    let mut pgbench = Command::new(postgres::program("pgbench")?);
    let clients = sender.clients.to_string();
    pgbench.args(["-n", "-j", "1", "-c", &clients, "-M", sender.protocol]);
    for script in scripts {
        pgbench.args(["-f", script]);
    }
    pgbench.envs(endpoint.variables());
    Ok(pgbench)
}

/// Each with its weight, as pgbench wants to be told.
fn write_scripts(folder: &Path) -> anyhow::Result<Vec<String>> {
    let write = |(name, weight, statements): &(&str, u32, &str)| {
        let path = folder.join(format!("{name}.sql"));
        fs::write(&path, format!("\\set id random(1, {})\n{statements}", PEOPLE - 10))?;
        Ok(format!("{}@{weight}", path.display()))
    };
    SCRIPTS.iter().map(write).collect()
}

/// A number that pgbench tells at the end.
fn told(said: &str, what: &str) -> anyhow::Result<u64> {
    let line = said.lines().find_map(|line| line.strip_prefix(what));
    let number = line.and_then(|line| line.split([' ', '/']).next());
    number.with_context(|| format!("pgbench did not end well: {said}"))?.parse().context("no number")
}

/// pgbench adds its process id to the name.
fn parts_of(log: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let (folder, name) = (log.parent().context("a folder")?, log.file_name().context("a name")?);
    let name = format!("{}.", name.to_string_lossy());
    let mut parts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&name) {
            parts.push(entry.path());
        }
    }
    ensure!(!parts.is_empty(), "pgbench wrote no log {}", log.display());
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_clients_are_accounted_for() {
        assert_eq!(SENDERS.iter().map(|sender| sender.clients).sum::<u32>(), CLIENTS);
        assert_eq!(SCRIPTS.iter().map(|(_, weight, _)| weight).sum::<u32>(), 10);
    }

    #[test]
    fn numbers_are_taken_from_what_pgbench_tells() {
        let said = "transaction type: multiple scripts\nnumber of transactions actually processed: 1234\n\
                    number of failed transactions: 3 (0.243%)\n";
        assert_eq!(told(said, "number of failed transactions: ").expect("it is there"), 3);
        assert_eq!(told(said, "number of transactions actually processed: ").expect("it is there"), 1234);
        assert_eq!(told("number: 7/10\n", "number: ").expect("it is there"), 7);
        assert!(told("pgbench: error\n", "number: ").is_err());
    }
}
