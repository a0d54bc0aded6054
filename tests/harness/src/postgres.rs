//! A private PostgreSQL server.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::authority::{Authority, ServerFiles};
use crate::distribution::Distribution;
use crate::endpoint::{Endpoint, Ran};
use crate::scratch::{Scratch, write_secret};
use crate::supervised::{Signal, Supervised};
use crate::{loopback, random, sample, wait};

/// The operating system's user that runs the server when we are root, which PostgreSQL refuses to be.
const SYSTEM_USER: &str = "postgres";

/// The superuser inside the server.
const SUPERUSER: &str = "postgres";

/// What is not the same for every test.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    /// Which PostgreSQL it is.
    pub distribution: Distribution,
    /// Added to `postgresql.conf`.
    pub settings: Vec<(String, String)>,
    /// Lines put first in `pg_hba.conf`. What they leave is asked for SCRAM-SHA-256, with or without TLS.
    pub hba: Vec<String>,
}

/// A running server. Stopped and removed when dropped.
pub struct PostgresServer {
    process: Supervised,
    command: Command,
    distribution: Distribution,
    port: u16,
    password: String,
    tls: ServerFiles,
    // Last, so that it goes once the server has stopped.
    scratch: Scratch,
}

impl PostgresServer {
    /// Makes a cluster and starts it: SCRAM-SHA-256, TLS offered if it can be, every connection and statement logged.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start.
    pub fn start(options: &PostgresOptions) -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        let password = random::hex::<16>()?;
        let distribution = options.distribution;
        let data = init_cluster(scratch.path(), distribution, &password)?;
        let tls = Authority::new()?.issue(scratch.path())?;
        let port = loopback::free_port()?;
        configure(&data, port, &tls, options)?;
        let mut command = as_system_user(&distribution.program("postgres")?);
        command.arg("-D").arg(&data).env("LC_ALL", "C.UTF-8");
        let process = Supervised::start(&command, "postgres", scratch.path(), Signal::Interrupt)?;
        let mut server = Self { process, command, distribution, port, password, tls, scratch };
        server.await_ready()?;
        Ok(server)
    }

    /// Stops the server, whoever is connected.
    ///
    /// # Errors
    /// When it does not stop.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.process.stop().map(drop)
    }

    /// Stops the server, whoever is connected, and starts it again on the same port with the same data.
    ///
    /// # Errors
    /// When it does not stop, or does not start.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.process.stop()?;
        self.process = Supervised::start(&self.command, "postgres", self.scratch.path(), Signal::Interrupt)?;
        self.await_ready()
    }

    /// The same, with the sample database, on the PostgreSQL that the environment chooses.
    ///
    /// # Errors
    /// See [`PostgresServer::start`].
    pub fn start_with_sample() -> anyhow::Result<(Self, sample::Application)> {
        let options = PostgresOptions { distribution: Distribution::chosen(), ..PostgresOptions::default() };
        let server = Self::start(&options)?;
        let application = sample::load(&server)?;
        Ok((server, application))
    }

    /// On 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// PEM file of the authority that signed the server's certificate.
    pub fn ca(&self) -> &Path {
        &self.tls.ca
    }

    /// The same connection over TLS, where the server offers it.
    pub fn encrypted(&self, endpoint: &Endpoint) -> Endpoint {
        let ca = self.distribution.has_tls().then(|| self.tls.ca.clone());
        Endpoint { ca, ..endpoint.clone() }
    }

    /// How the superuser connects, without TLS.
    pub fn admin(&self) -> Endpoint {
        self.endpoint("postgres", SUPERUSER, &self.password)
    }

    /// How `user` connects, without TLS.
    pub fn endpoint(&self, database: &str, user: &str, password: &str) -> Endpoint {
        Endpoint {
            port: self.port,
            database: database.to_owned(),
            user: user.to_owned(),
            password: password.to_owned(),
            ca: None,
        }
    }

    /// Runs SQL as the superuser in `database`; the rows, unaligned.
    ///
    /// # Errors
    /// When a statement fails.
    pub fn sql_admin(&self, database: &str, sql: &str) -> anyhow::Result<String> {
        Ok(self.admin().with_database(database).psql_strict(sql)?.ok()?.trim_end().to_owned())
    }

    /// The server's log so far: connections, statements, errors.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn log(&self) -> anyhow::Result<String> {
        Ok(fs::read_to_string(self.process.stderr())?)
    }

    /// How many connections were opened so far, whether or not they were let in.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn connections_opened(&self) -> anyhow::Result<usize> {
        Ok(self.log()?.matches("connection received:").count())
    }

    /// The process to signal.
    pub fn process(&self) -> &Supervised {
        &self.process
    }

    fn await_ready(&mut self) -> anyhow::Result<()> {
        let (port, admin, process) = (self.port, self.admin(), &mut self.process);
        wait::until("PostgreSQL to accept connections", wait::PATIENCE, || {
            process.check_alive()?;
            // Cheaper than psql while nothing listens.
            let listens = TcpStream::connect(("127.0.0.1", port)).is_ok();
            Ok((listens && admin.psql("select 1")?.code == 0).then_some(()))
        })
    }
}

/// A program of the newest PostgreSQL among the system's packages.
///
/// # Errors
/// When there is none.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    Distribution::System.program(name)
}

/// A command run as a user that PostgreSQL accepts.
pub fn as_system_user(program: &Path) -> Command {
    if !we_are_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={SYSTEM_USER}")).arg(format!("--regid={SYSTEM_USER}"));
    command.arg("--init-groups").arg(program);
    command
}

fn we_are_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn give_to_system_user(path: &Path) -> anyhow::Result<()> {
    if !we_are_root() {
        return Ok(());
    }
    let status = Command::new("chown").arg(format!("{SYSTEM_USER}:")).arg(path).status()?;
    anyhow::ensure!(status.success(), "cannot give {} to {SYSTEM_USER}", path.display());
    Ok(())
}

fn init_cluster(scratch: &Path, distribution: Distribution, password: &str) -> anyhow::Result<PathBuf> {
    let data = scratch.join("data");
    fs::create_dir(&data)?;
    give_to_system_user(&data)?;
    let secret = scratch.join("superuser-password");
    write_secret(&secret, password)?;
    give_to_system_user(&secret)?;
    let mut initdb = as_system_user(&distribution.program("initdb")?);
    initdb.args([
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--no-sync",
        "--no-instructions",
    ]);
    initdb.args(["--username", SUPERUSER]).arg("--pwfile").arg(&secret).arg("-D").arg(&data);
    Ran::from(initdb.current_dir(scratch).output()?).ok().context("initdb failed")?;
    fs::remove_file(secret)?;
    Ok(data)
}

fn configure(data: &Path, port: u16, tls: &ServerFiles, options: &PostgresOptions) -> anyhow::Result<()> {
    give_to_system_user(&tls.certificate)?;
    give_to_system_user(&tls.key)?;
    let mut lines = format!(
        "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\n\
         fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nshared_buffers = '32MB'\n\
         max_connections = 60\nmax_prepared_transactions = 10\n\
         log_connections = on\nlog_disconnections = on\nlog_statement = all\nlog_line_prefix = '%m [%p] %u@%d '\n",
    );
    if options.distribution.has_tls() {
        let (certificate, key) = (tls.certificate.display(), tls.key.display());
        lines.push_str(&format!("ssl = on\nssl_cert_file = '{certificate}'\nssl_key_file = '{key}'\n"));
    }
    for (name, value) in &options.settings {
        lines.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
    }
    append(&data.join("postgresql.conf"), &lines)?;
    let mut hba = options.hba.join("\n");
    hba.push_str("\nhost all all 127.0.0.1/32 scram-sha-256\n");
    fs::write(data.join("pg_hba.conf"), hba)?;
    Ok(())
}

fn append(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = OpenOptions::new().append(true).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}
