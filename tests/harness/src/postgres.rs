//! A private PostgreSQL server from the system's packages.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::authority::{Authority, ServerFiles};
use crate::endpoint::{Endpoint, Ran};
use crate::scratch::{Scratch, write_secret};
use crate::supervised::{Signal, Supervised};
use crate::{loopback, random, sample, wait};

/// The operating system's user that runs the server when we are root, which PostgreSQL refuses to be.
const SYSTEM_USER: &str = "postgres";

/// The superuser inside the server.
const SUPERUSER: &str = "postgres";

/// Where Debian puts each major version.
const DEBIAN_VERSIONS: &str = "/usr/lib/postgresql";

/// What is not the same for every test.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    /// Added to `postgresql.conf`.
    pub settings: Vec<(String, String)>,
    /// Lines put first in `pg_hba.conf`. What they leave is asked for SCRAM-SHA-256, with or without TLS.
    pub hba: Vec<String>,
}

/// A running server. Stopped and removed when dropped.
pub struct PostgresServer {
    process: Supervised,
    port: u16,
    password: String,
    tls: ServerFiles,
    // Last, so that it goes once the server has stopped.
    _scratch: Scratch,
}

impl PostgresServer {
    /// Makes a cluster and starts it: SCRAM-SHA-256, TLS offered, every connection and statement logged.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start.
    pub fn start(options: &PostgresOptions) -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        let password = random::hex::<16>()?;
        let data = init_cluster(scratch.path(), &password)?;
        let tls = Authority::new()?.issue(scratch.path())?;
        let port = loopback::free_port()?;
        configure(&data, port, &tls, options)?;
        let mut command = as_system_user(&program("postgres")?);
        command.arg("-D").arg(&data).env("LC_ALL", "C.UTF-8");
        let process = Supervised::start(&command, "postgres", scratch.path(), Signal::Interrupt)?;
        let mut server = Self { process, port, password, tls, _scratch: scratch };
        server.await_ready()?;
        Ok(server)
    }

    /// The same, with the sample database.
    ///
    /// # Errors
    /// See [`PostgresServer::start`].
    pub fn start_with_sample() -> anyhow::Result<(Self, sample::Application)> {
        let server = Self::start(&PostgresOptions::default())?;
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

/// A program of the newest PostgreSQL installed.
///
/// # Errors
/// When there is none.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let path = folder_of_programs()?.join(name);
    anyhow::ensure!(
        path.is_file(),
        "PostgreSQL's {name} is missing; on Debian install the package postgresql"
    );
    Ok(path)
}

fn folder_of_programs() -> anyhow::Result<PathBuf> {
    if let Some(folder) = newest_debian_version(Path::new(DEBIAN_VERSIONS)) {
        return Ok(folder);
    }
    let output = Command::new("pg_config")
        .arg("--bindir")
        .output()
        .context("PostgreSQL is not installed; on Debian install the package postgresql")?;
    Ok(Ran::from(output).ok()?.trim().into())
}

fn newest_debian_version(versions: &Path) -> Option<PathBuf> {
    let installed = fs::read_dir(versions).ok()?.flatten();
    let servers = installed.filter(|entry| entry.path().join("bin/postgres").is_file());
    let majors = servers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    Some(versions.join(majors.max()?.to_string()).join("bin"))
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

fn init_cluster(scratch: &Path, password: &str) -> anyhow::Result<PathBuf> {
    let data = scratch.join("data");
    fs::create_dir(&data)?;
    give_to_system_user(&data)?;
    let secret = scratch.join("superuser-password");
    write_secret(&secret, password)?;
    give_to_system_user(&secret)?;
    let mut initdb = as_system_user(&program("initdb")?);
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
         ssl = on\nssl_cert_file = '{}'\nssl_key_file = '{}'\n\
         fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nshared_buffers = '32MB'\n\
         max_connections = 60\nmax_prepared_transactions = 10\n\
         log_connections = on\nlog_disconnections = on\nlog_statement = all\nlog_line_prefix = '%m [%p] %u@%d '\n",
        tls.certificate.display(),
        tls.key.display(),
    );
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_major_version_with_a_server_is_taken() {
        let versions = tempfile::tempdir().expect("a temporary folder");
        for (version, program) in [("9", "postgres"), ("15", "postgres"), ("17", "psql"), ("x", "postgres")] {
            let bin = versions.path().join(version).join("bin");
            fs::create_dir_all(&bin).expect("a folder");
            fs::write(bin.join(program), "").expect("a file");
        }
        assert_eq!(newest_debian_version(versions.path()), Some(versions.path().join("15/bin")));
        assert_eq!(newest_debian_version(&versions.path().join("none")), None);
    }
}
