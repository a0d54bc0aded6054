//! Grille, under the role that a leg is about.

use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::Context;
use grille_harness::{Endpoint, Grille, GrilleOptions, IdentityProvider, grille, policy};

/// Longest time for a start. Far over any that is measured.
const START_MAX: Duration = Duration::from_secs(20);
/// Between two looks whether it has started: what the time is exact to.
const LOOK: Duration = Duration::from_millis(1);
/// Of `/proc/PID/stat` on Linux.
const TICKS_PER_SECOND: u64 = 100;

/// What the client's role asks of Grille.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    /// Nothing.
    Plain,
    /// The policy plugin `sql-guard`.
    Guard,
    /// A protected column of a table that no leg but [`Role::Redact`]'s asks.
    Elsewhere,
    /// Both.
    GuardElsewhere,
    /// `people.email` is redacted.
    Redact,
    /// `people.email` is replaced by keyed tokens.
    Token,
    /// The detector `pii`; addresses are replaced by keyed tokens.
    Detector,
    /// A policy and two detectors.
    ThreePlugins,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "grille-plain",
            Self::Guard => "grille-guard",
            Self::Elsewhere => "grille-elsewhere",
            Self::GuardElsewhere => "grille-guard-elsewhere",
            Self::Redact => "grille-redact",
            Self::Token => "grille-token",
            Self::Detector => "grille-pii",
            Self::ThreePlugins => "grille-three",
        }
    }

    /// Its keys beside name, groups, upstreams and statements, and the plugins they name.
    fn keys(self) -> (&'static str, &'static [(&'static str, &'static str)]) {
        match self {
            Self::Plain => ("policies = []\ndetectors = []", &[]),
            Self::Guard => ("policies = [\"guard\"]\ndetectors = []", &[("guard", "sql-guard")]),
            Self::Elsewhere => {
                ("policies = []\ndetectors = []\ncolumns = { \"*.people.email\" = \"redact\" }", &[])
            }
            Self::GuardElsewhere => (
                "policies = [\"guard\"]\ndetectors = []\ncolumns = { \"*.people.email\" = \"redact\" }",
                &[("guard", "sql-guard")],
            ),
            Self::Redact => {
                ("policies = []\ndetectors = []\ncolumns = { \"public.people.email\" = \"redact\" }", &[])
            }
            Self::Token => {
                ("policies = []\ndetectors = []\ncolumns = { \"public.people.email\" = \"token\" }", &[])
            }
            Self::Detector => (
                "policies = []\ndetectors = [\"pii\"]\ntreatments = { EMAIL_ADDRESS = \"token\" }",
                &[("pii", "pii")],
            ),
            Self::ThreePlugins => (
                "policies = [\"guard\"]\ndetectors = [\"pii\", \"more\"]\ntreatments = { EMAIL_ADDRESS = \"token\" }",
                &[("guard", "sql-guard"), ("pii", "pii"), ("more", "pii")],
            ),
        }
    }

    fn policy(self, upstream: &str) -> anyhow::Result<String> {
        let (keys, plugins) = self.keys();
        let mut text = format!(
            "[[role]]\nname = \"bench\"\ngroups = [{:?}]\nupstreams = [{upstream:?}]\n\
             statements = [\"read\", \"write\", \"define\", \"copy\", \"transaction\", \"session\"]\n{keys}\n\n",
            policy::ANALYSTS
        );
        for (name, component) in plugins {
            text += &policy::plugin(name, component, "")?;
        }
        Ok(text)
    }
}

pub(crate) fn start(
    provider: &IdentityProvider,
    name: &str,
    upstream: Endpoint,
    role: Role,
) -> anyhow::Result<Grille> {
    let policy = role.policy(name)?;
    Grille::start(&GrilleOptions { provider, issuer: "", upstreams: &[(name, upstream)], policy: &policy })
}

/// Stops it and starts the same again, by hand: how long until a client can connect.
pub(crate) fn time_again(grille: &mut Grille) -> anyhow::Result<Started> {
    grille.process().stop()?;
    let audit = grille.audit_directory();
    let config = audit.parent().context("the audit log lies beside the configuration")?.join("grille.toml");
    let port = grille.plaintext_port();
    let log = fs::File::create(config.with_extension("again"))?;
    let began = Instant::now();
    let mut child = grille::command()?.args(["serve", "--config"]).arg(&config).stderr(log).spawn()?;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        anyhow::ensure!(began.elapsed() < START_MAX, "it does not start");
        std::thread::sleep(LOOK);
    }
    let after = began.elapsed();
    let resident_kib = resident_kib(child.id());
    stop(&mut child)?;
    Ok(Started { after, resident_kib: resident_kib? })
}

/// A start that was timed.
pub(crate) struct Started {
    pub(crate) after: Duration,
    pub(crate) resident_kib: u64,
}

fn stop(child: &mut Child) -> anyhow::Result<()> {
    Command::new("kill").arg(child.id().to_string()).status()?;
    child.wait()?;
    Ok(())
}

/// `VmRSS` of a process.
pub(crate) fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

/// CPU time a process has used so far.
pub(crate) fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("no stat")?;
    // User and system time are fields 14 and 15; the first after the name is field 3.
    let ticks: Vec<u64> =
        fields.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(Duration::from_millis(ticks.iter().sum::<u64>() * 1000 / TICKS_PER_SECOND))
}
