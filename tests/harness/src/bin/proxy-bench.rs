//! Measures Grille beside a direct connection and PgBouncer, in interleaved rounds, with the scripts of tests/bench/proxies.
//!
//! `GRILLE_BINARY` names the binary to measure, which should be a release build; `cargo xtask bench` sees to that. Prints
//! what the scripts print; docs/reference/performance.md says how to read it. Everything is on loopback and bounded.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use grille_harness::scratch::Scratch;
use grille_harness::supervised::{Signal, Supervised};
use grille_harness::{
    Endpoint, Grille, GrilleOptions, IdentityClient, IdentityProvider, PostgresOptions, PostgresServer,
    loopback, policy, postgres, wait, workspace,
};

const DATABASE: &str = "bench";
const USER: &str = "bench";
const PASSWORD: &str = "bench";
/// Rows of the streaming legs, 100 bytes each.
const ROWS: u32 = 1_000_000;

fn main() -> anyhow::Result<()> {
    let postgres = start_postgres()?;
    let provider = IdentityProvider::start(vec![IdentityClient::new("ada", &[policy::ANALYSTS])])?;
    let upstream = postgres.endpoint(DATABASE, USER, PASSWORD);
    let scratch = Scratch::new()?;
    let pgbouncer = PgBouncer::start(&upstream, scratch.path())?;
    let grilles = [
        ("grille-plain", policy_of("policies = []\ndetectors = []", false)?),
        ("grille-guard", policy_of("policies = [\"guard\"]\ndetectors = []", true)?),
        ("grille-pii", policy_of("policies = []\ndetectors = [\"pii\"]", true)?),
        (
            "grille-column",
            policy_of(
                "policies = []\ndetectors = []\ncolumns = { \"public.people.email\" = \"token\" }",
                false,
            )?,
        ),
    ];
    let mut targets = vec![
        Target::new("direct", upstream.port, None, PASSWORD),
        Target::new("pgbouncer", pgbouncer.port, Some(pgbouncer.process.pid()), PASSWORD),
    ];
    let mut running = Vec::new();
    for (name, policy) in &grilles {
        let mut grille = Grille::start(&GrilleOptions {
            provider: &provider,
            issuer: "",
            upstreams: &[(DATABASE, upstream.clone())],
            policy,
        })?;
        let (port, pid) = (grille.plaintext_port(), grille.process().pid());
        targets.push(Target::new(name, port, Some(pid), &provider.token("ada")?));
        running.push(grille);
    }
    measure(&targets, postgres.process().pid(), scratch.path())
}

/// The legs, each over the targets that it says something about.
fn measure(targets: &[Target], postgres: u32, scratch: &Path) -> anyhow::Result<()> {
    let only = |names: &[&str]| -> Vec<&Target> {
        targets.iter().filter(|target| names.contains(&target.name.as_str())).collect()
    };
    let streams = ["direct", "pgbouncer", "grille-plain", "grille-pii", "grille-column"];
    println!("# 1,000,000 clean rows of 100 bytes");
    script(
        "pg_stream.py",
        &only(&streams),
        scratch,
        &[("BENCH_LEGS", "select_psql"), ("BENCH_TABLE", "big")],
    )?;
    println!("# 1,000,000 rows with an e-mail address in each");
    let legs = [("BENCH_LEGS", "select_psql"), ("BENCH_TABLE", "people"), ("BENCH_COLUMN", "email")];
    script("pg_stream.py", &only(&streams), scratch, &legs)?;
    println!("# throughput, 16 clients");
    let small = ["direct", "pgbouncer", "grille-plain", "grille-guard"];
    script("pg_throughput.py", &only(&small), scratch, &[])?;
    println!("# latency, everything pinned to one CPU");
    let pids = targets.iter().filter_map(|target| target.pid).chain([postgres]);
    for pid in pids {
        let pinned = Command::new("taskset").args(["-acp", "0", &pid.to_string()]).output()?;
        ensure!(pinned.status.success(), "taskset failed for process {pid}");
    }
    script("pg_latency.py", &only(&small), scratch, &[("BENCH_PIN", "0")])
}

/// Something to measure.
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

fn script(name: &str, targets: &[&Target], scratch: &Path, more: &[(&str, &str)]) -> anyhow::Result<()> {
    let addresses: Vec<String> = targets.iter().map(|target| target.address()).collect();
    let pinned = more.iter().any(|(key, _)| *key == "BENCH_PIN");
    let mut command = if pinned { Command::new("taskset") } else { Command::new("python3") };
    if pinned {
        command.args(["-c", "0", "python3"]);
    }
    command
        .arg(scripts().join(name))
        .current_dir(scratch)
        .env("BENCH_TARGETS", addresses.join(" "))
        .env("BENCH_ROWS", ROWS.to_string())
        .envs(more.iter().copied());
    for target in targets {
        command.env(format!("BENCH_PASSWORD_{}", target.name.replace('-', "_")), &target.password);
    }
    let status = command.status().with_context(|| format!("cannot run {name}"))?;
    ensure!(status.success(), "{name} failed");
    Ok(())
}

fn scripts() -> PathBuf {
    workspace::root().join("tests/bench/proxies")
}

fn start_postgres() -> anyhow::Result<PostgresServer> {
    let settings = [
        ("log_statement", "none"),
        ("log_connections", "off"),
        ("log_disconnections", "off"),
        ("synchronize_seqscans", "off"),
        ("max_connections", "1200"),
        ("shared_buffers", "512MB"),
    ];
    let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let server = PostgresServer::start(&PostgresOptions { settings, ..PostgresOptions::default() })?;
    server.sql_admin("postgres", &format!("CREATE ROLE {USER} LOGIN SUPERUSER PASSWORD '{PASSWORD}'"))?;
    server.sql_admin("postgres", &format!("CREATE DATABASE {DATABASE} OWNER {USER}"))?;
    let load = format!(
        "CREATE TABLE big AS SELECT rpad(i::text, 100, 'x') AS v FROM generate_series(1, {ROWS}) i;
         CREATE TABLE people AS SELECT i AS id, rpad('user' || i, 88, 'x') || '@example.com' AS email
           FROM generate_series(1, {ROWS}) i;
         ALTER TABLE big OWNER TO {USER}; ALTER TABLE people OWNER TO {USER};"
    );
    server.sql_admin(DATABASE, &load)?;
    server.sql_admin(DATABASE, "VACUUM ANALYZE")?;
    let pgbench = Command::new(postgres::program("pgbench")?)
        .args(["-q", "-i", "-s", "10"])
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", server.port().to_string())
        .env("PGUSER", USER)
        .env("PGPASSWORD", PASSWORD)
        .env("PGDATABASE", DATABASE)
        .output()?;
    ensure!(pgbench.status.success(), "pgbench -i: {}", String::from_utf8_lossy(&pgbench.stderr));
    Ok(server)
}

fn policy_of(plugins: &str, uses_plugins: bool) -> anyhow::Result<String> {
    let mut text = format!(
        "[[role]]\nname = \"bench\"\ngroups = [{:?}]\nupstreams = [{DATABASE:?}]\n\
         statements = [\"read\", \"write\", \"transaction\", \"session\"]\n\
         treatments = {{ EMAIL_ADDRESS = \"token\" }}\n{plugins}\n\n",
        policy::ANALYSTS
    );
    if !uses_plugins {
        text = text.replace("treatments = { EMAIL_ADDRESS = \"token\" }\n", "");
    } else {
        text += &policy::plugin("guard", "sql-guard", "")?;
        text += &policy::plugin("pii", "pii", "")?;
    }
    Ok(text)
}

/// PgBouncer in session mode, the one that changes no statement's meaning.
struct PgBouncer {
    process: Supervised,
    port: u16,
}

impl PgBouncer {
    fn start(upstream: &Endpoint, folder: &Path) -> anyhow::Result<Self> {
        let port = loopback::free_port()?;
        let (users, config) = (folder.join("users.txt"), folder.join("pgbouncer.ini"));
        std::fs::write(&users, format!("\"{USER}\" \"{PASSWORD}\"\n"))?;
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = session\n\
             max_client_conn = 3000\ndefault_pool_size = 40\nignore_startup_parameters = extra_float_digits\n\
             log_connections = 0\nlog_disconnections = 0\n",
            upstream.port,
            users.display()
        );
        std::fs::write(&config, text)?;
        let mut command = postgres::as_system_user(Path::new("/usr/sbin/pgbouncer"));
        command.arg(&config);
        open_to_all(folder)?;
        let process = Supervised::start(&command, "pgbouncer", folder, Signal::Terminate)?;
        wait::until("PgBouncer to listen", wait::PATIENCE, || {
            Ok(std::net::TcpStream::connect(("127.0.0.1", port)).ok())
        })?;
        Ok(Self { process, port })
    }
}

/// PgBouncer refuses to run as root, and its user must read its files.
fn open_to_all(folder: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
    for entry in std::fs::read_dir(folder)? {
        std::fs::set_permissions(entry?.path(), std::fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}
