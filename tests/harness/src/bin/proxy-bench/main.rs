//! Measures Grille beside a direct connection, PgBouncer and HAProxy, in interleaved rounds, with the scripts of
//! tests/bench/proxies: `proxy-bench [LEG…]`, all legs if none is named.
//!
//! `GRILLE_BINARY` names the binary to measure, which should be a release build; `cargo xtask bench` sees to that. Prints
//! what the scripts print; docs/reference/performance.md says how to read it. Everything is on loopback and bounded.
#![forbid(unsafe_code)]

mod database;
mod peers;
mod proxies;

use std::process::Command;

use anyhow::{Context, bail, ensure};
use grille_harness::scratch::Scratch;
use grille_harness::{Endpoint, Grille, IdentityClient, IdentityProvider, PostgresServer, policy, workspace};

use database::{DATABASE, PASSWORD, ROWS, WIDE};
use peers::Peer;
use proxies::Role;

/// Clients of the leg that measures memory.
const IDLE_CLIENTS: &str = "1000";
/// How often a start is timed.
const STARTS: usize = 9;

/// Something to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leg {
    /// One statement after the other, all processes on one CPU.
    Latency,
    /// Statements of 109 bytes, seen before and new, likewise.
    Statements,
    /// 16 clients with short statements.
    Throughput,
    /// A million rows that hold nothing to treat.
    Clean,
    /// A million rows with an e-mail address in each.
    Addresses,
    /// The same by COPY, and into the database.
    Copy,
    /// A thousand clients that do nothing.
    Idle,
    /// From the command to ready.
    Start,
    /// A database of 10,000 tables.
    Catalogue,
}

impl Leg {
    const ALL: [(&'static str, Self); 9] = [
        ("start", Self::Start),
        ("clean", Self::Clean),
        ("addresses", Self::Addresses),
        ("copy", Self::Copy),
        ("idle", Self::Idle),
        ("catalogue", Self::Catalogue),
        ("throughput", Self::Throughput),
        // Last: they pin what runs to one CPU.
        ("latency", Self::Latency),
        ("statements", Self::Statements),
    ];

    fn named(names: &[String]) -> anyhow::Result<Vec<Self>> {
        let known: Vec<&str> = Self::ALL.iter().map(|(name, _)| *name).collect();
        if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
            bail!("no leg {unknown:?}; there are {}", known.join(", "));
        }
        let is_wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
        Ok(Self::ALL.iter().filter(|(name, _)| is_wanted(name)).map(|(_, leg)| *leg).collect())
    }
}

fn main() -> anyhow::Result<()> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let legs = Leg::named(&names)?;
    let bench = Bench::start()?;
    legs.into_iter().try_for_each(|leg| bench.run(leg))
}

/// What runs while it is measured.
struct Bench {
    postgres: PostgresServer,
    provider: IdentityProvider,
    scratch: Scratch,
}

impl Bench {
    fn start() -> anyhow::Result<Self> {
        let postgres = database::start()?;
        let provider = IdentityProvider::start(vec![IdentityClient::new("ada", &[policy::ANALYSTS])])?;
        Ok(Self { postgres, provider, scratch: Scratch::new()? })
    }

    fn upstream(&self) -> Endpoint {
        self.postgres.endpoint(DATABASE, DATABASE, PASSWORD)
    }

    fn run(&self, leg: Leg) -> anyhow::Result<()> {
        match leg {
            Leg::Latency => self.latency(),
            Leg::Statements => self.statements(),
            Leg::Throughput => self.throughput(),
            Leg::Clean => self.clean(),
            Leg::Addresses => self.addresses(),
            Leg::Copy => self.copy(),
            Leg::Idle => self.idle(),
            Leg::Start => self.start_up(),
            Leg::Catalogue => self.catalogue(),
        }
    }

    fn latency(&self) -> anyhow::Result<()> {
        println!("# SELECT 1, everything pinned to one CPU");
        let field = self.field(
            &[Peer::BouncerSession, Peer::BouncerTransaction, Peer::Haproxy],
            &[Role::Plain, Role::Guard, Role::Elsewhere],
        )?;
        let modes = [("BENCH_MODES", "simple extended")];
        self.pinned(&field)?.script("pg_latency.py", &modes)
    }

    fn statements(&self) -> anyhow::Result<()> {
        println!("# a statement of 109 bytes, everything pinned to one CPU");
        let field = self.field(&[], &[Role::Plain, Role::Guard, Role::Elsewhere, Role::GuardElsewhere])?;
        let modes = [("BENCH_MODES", "seen literal new")];
        self.pinned(&field)?.script("pg_latency.py", &modes)
    }

    fn throughput(&self) -> anyhow::Result<()> {
        println!("# pgbench -S, 16 clients");
        let roles = [Role::Plain, Role::Guard, Role::Elsewhere];
        self.field(&[Peer::BouncerSession], &roles)?.script("pg_throughput.py", &[])
    }

    fn clean(&self) -> anyhow::Result<()> {
        println!("# 1,000,000 clean rows of 100 bytes");
        let roles = [Role::Plain, Role::Elsewhere, Role::Detector];
        let field = self.field(&[Peer::BouncerSession, Peer::Haproxy], &roles)?;
        field.script("pg_stream.py", &[("BENCH_LEGS", "select_psql"), ("BENCH_TABLE", "big")])
    }

    fn addresses(&self) -> anyhow::Result<()> {
        println!("# 1,000,000 rows with an e-mail address of 100 bytes in each");
        let roles = [Role::Plain, Role::Redact, Role::Token, Role::Detector];
        let field = self.field(&[], &roles)?;
        let people = [("BENCH_TABLE", "people"), ("BENCH_COLUMN", "email")];
        field.script("pg_stream.py", &[[("BENCH_LEGS", "select_psql")].as_slice(), &people].concat())?;
        println!("# the same with another column beside it, the address alone protected or scanned");
        let two = [("BENCH_TABLE", "people"), ("BENCH_COLUMN", "id, email")];
        field.script("pg_stream.py", &[[("BENCH_LEGS", "select_psql")].as_slice(), &two].concat())
    }

    fn copy(&self) -> anyhow::Result<()> {
        let file = database::copy_file(&self.postgres, self.scratch.path())?;
        println!("# COPY of 1,000,000 clean rows of 100 bytes");
        let peers = [Peer::BouncerSession, Peer::Haproxy];
        let field = self.field(&peers, &[Role::Plain, Role::Elsewhere, Role::Detector])?;
        let file = file.display().to_string();
        let legs = [("BENCH_LEGS", "copy_out copy_in"), ("BENCH_COPY_FILE", file.as_str())];
        field.script("pg_stream.py", &legs)?;
        drop(field);
        println!("# COPY of 1,000,000 rows with an e-mail address in each");
        let field = self.field(&[], &[Role::Plain, Role::Redact, Role::Token, Role::Detector])?;
        let people = [("BENCH_LEGS", "copy_out"), ("BENCH_TABLE", "people"), ("BENCH_COLUMN", "email")];
        field.script("pg_stream.py", &people)
    }

    fn idle(&self) -> anyhow::Result<()> {
        let peers = [Peer::BouncerSession, Peer::BouncerTransaction, Peer::Haproxy];
        let field = self.field(&peers, &[Role::Plain, Role::Detector])?;
        let clients = ("BENCH_IDLE", IDLE_CLIENTS);
        field.script("pg_idle.py", &[clients])?;
        drop(field);
        let field = self.field(&[], &[Role::Plain])?;
        field.script("pg_idle.py", &[clients, ("BENCH_SSLMODE", "require")])
    }

    fn start_up(&self) -> anyhow::Result<()> {
        println!("# from the command to ready, three plugins, their machine code in the cache");
        let mut grille = proxies::start(&self.provider, DATABASE, self.upstream(), Role::ThreePlugins)?;
        let mut starts =
            (0..STARTS).map(|_| proxies::time_again(&mut grille)).collect::<anyhow::Result<Vec<_>>>()?;
        starts.sort_by_key(|start| start.after);
        let [first, median, last] = [0, STARTS / 2, STARTS - 1].map(|index| starts[index].after);
        println!("    {median:?} (median of {STARTS}; {first:?} to {last:?})");
        println!("    resident then: {} KiB", starts[STARTS / 2].resident_kib);
        Ok(())
    }

    fn catalogue(&self) -> anyhow::Result<()> {
        println!("# a role with a column rule in a database of 10,000 tables of 20 columns");
        database::load_wide(&self.postgres)?;
        let upstream = self.postgres.endpoint(WIDE, DATABASE, PASSWORD);
        let grille = proxies::start(&self.provider, DATABASE, upstream, Role::Elsewhere)?;
        let client = Endpoint {
            port: grille.plaintext_port(),
            ca: None,
            ..grille.endpoint(DATABASE, &self.provider.token("ada")?)
        };
        let pid = grille.pid();
        let before = (proxies::resident_kib(pid)?, proxies::cpu(pid)?);
        let look = "SELECT count(*) FROM t1;";
        let one = format!("SET client_min_messages = error;\n\\timing on\n{look}\n{look}\n{look}\n");
        println!(
            "first statements of a session, the catalogue read before the first:\n{}",
            client.psql(&one)?.ok()?
        );
        let after = (proxies::resident_kib(pid)?, proxies::cpu(pid)?);
        println!("    CPU {:?}, resident {} to {} KiB", after.1 - before.1, before.0, after.0);
        let again = format!("CREATE TABLE extra (id int); DROP TABLE extra;\n\\timing on\n{look}\n");
        println!("read again, unchanged:\n{}", client.psql(&again)?.ok()?);
        println!("    CPU {:?}", proxies::cpu(pid)? - after.1);
        let after = proxies::cpu(pid)?;
        let changed = format!("CREATE TABLE extra (id int);\n\\timing on\n{look}\n{look}\n");
        println!("read again, one table more:\n{}", client.psql(&changed)?.ok()?);
        println!("    CPU {:?}, resident {} KiB", proxies::cpu(pid)? - after, proxies::resident_kib(pid)?);
        Ok(())
    }

    /// The direct connection and these.
    fn field(&self, peers: &[Peer], roles: &[Role]) -> anyhow::Result<Field<'_>> {
        let upstream = self.upstream();
        let mut targets = vec![Target::new("direct", upstream.port, None, PASSWORD)];
        let peers = peers.iter().map(|peer| peer.start(&upstream)).collect::<anyhow::Result<Vec<_>>>()?;
        for peer in &peers {
            targets.push(Target::new(peer.name, peer.port, Some(peer.pid()), PASSWORD));
        }
        let token = self.provider.token("ada")?;
        let mut grilles = Vec::new();
        for role in roles {
            let grille = proxies::start(&self.provider, DATABASE, upstream.clone(), *role)?;
            targets.push(Target::new(role.name(), grille.plaintext_port(), Some(grille.pid()), &token));
            grilles.push(grille);
        }
        Ok(Field { bench: self, targets, _peers: peers, _grilles: grilles })
    }

    /// The same, with all that serves them on one CPU, and the client too.
    fn pinned<'f>(&self, field: &'f Field<'_>) -> anyhow::Result<Pinned<'f>> {
        for pid in field.targets.iter().filter_map(|target| target.pid) {
            pin(pid)?;
        }
        pin(self.postgres.process().pid())?;
        Ok(Pinned(field))
    }
}

fn pin(pid: u32) -> anyhow::Result<()> {
    let pinned = Command::new("taskset").args(["-acp", "0", &pid.to_string()]).output()?;
    ensure!(pinned.status.success(), "taskset failed for process {pid}");
    Ok(())
}

/// Targets to visit in turn.
struct Field<'b> {
    bench: &'b Bench,
    targets: Vec<Target>,
    _peers: Vec<peers::Running>,
    _grilles: Vec<Grille>,
}

/// The same on one CPU.
struct Pinned<'f>(&'f Field<'f>);

impl Pinned<'_> {
    fn script(&self, name: &str, more: &[(&str, &str)]) -> anyhow::Result<()> {
        let mut command = Command::new("taskset");
        command.args(["-c", "0", "python3"]);
        self.0.run(command, name, more)
    }
}

impl Field<'_> {
    fn script(&self, name: &str, more: &[(&str, &str)]) -> anyhow::Result<()> {
        self.run(Command::new("python3"), name, more)
    }

    fn run(&self, mut command: Command, name: &str, more: &[(&str, &str)]) -> anyhow::Result<()> {
        let addresses: Vec<String> = self.targets.iter().map(Target::address).collect();
        command
            .arg(workspace::root().join("tests/bench/proxies").join(name))
            .current_dir(self.bench.scratch.path())
            .env("BENCH_TARGETS", addresses.join(" "))
            .env("BENCH_ROWS", ROWS.to_string())
            .envs(more.iter().copied());
        for target in &self.targets {
            command.env(format!("BENCH_PASSWORD_{}", target.name.replace('-', "_")), &target.password);
        }
        let status = command.status().with_context(|| format!("cannot run {name}"))?;
        ensure!(status.success(), "{name} failed");
        Ok(())
    }
}

/// One address to measure.
struct Target {
    name: String,
    port: u16,
    pid: Option<u32>,
    password: String,
}

impl Target {
    fn new(name: &str, port: u16, pid: Option<u32>, password: &str) -> Self {
        Self { name: name.to_owned(), port, pid, password: password.to_owned() }
    }

    fn address(&self) -> String {
        let pid = self.pid.map(|pid| format!("@{pid}")).unwrap_or_default();
        format!("{}=127.0.0.1:{}{pid}", self.name, self.port)
    }
}
