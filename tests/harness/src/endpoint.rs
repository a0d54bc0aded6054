//! Where and as whom a driver connects: the same value for PostgreSQL itself and for Grille in front of it, so that a test
//! can ask both the same thing.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use anyhow::Context;
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls};

use crate::postgres;
use crate::tls::Connector;

/// Where and as whom to connect.
#[derive(Clone)]
pub struct Endpoint {
    /// On 127.0.0.1.
    pub port: u16,
    /// The database; at Grille, the upstream.
    pub database: String,
    /// The user.
    pub user: String,
    /// The password; at Grille, the token.
    pub password: String,
    /// The authority that signed the server's certificate. Without it the connection is not encrypted.
    pub ca: Option<PathBuf>,
}

/// What a program said and how it ended.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its exit code; -1 if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Standard output of a program that succeeded.
    ///
    /// # Errors
    /// When it did not, with standard error.
    pub fn ok(self) -> anyhow::Result<String> {
        anyhow::ensure!(self.code == 0, "exit code {}: {}", self.code, self.stderr.trim());
        Ok(self.stdout)
    }

    /// Everything it said.
    pub fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Endpoint {
    /// The same as somebody else.
    #[must_use]
    pub fn with_password(&self, password: impl Into<String>) -> Self {
        Self { password: password.into(), ..self.clone() }
    }

    /// The same in another database.
    #[must_use]
    pub fn with_database(&self, database: impl Into<String>) -> Self {
        Self { database: database.into(), ..self.clone() }
    }

    /// The variables that libpq reads (manual: "Environment Variables" of libpq).
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("PGHOST", "127.0.0.1".to_owned()),
            ("PGPORT", self.port.to_string()),
            ("PGDATABASE", self.database.clone()),
            ("PGUSER", self.user.clone()),
            ("PGPASSWORD", self.password.clone()),
            ("PGCONNECT_TIMEOUT", "20".to_owned()),
            ("PGGSSENCMODE", "disable".to_owned()),
            ("PGSSLMODE", "disable".to_owned()),
        ];
        if let Some(ca) = &self.ca {
            variables.push(("PGSSLMODE", "verify-full".to_owned()));
            variables.push(("PGSSLROOTCERT", ca.display().to_string()));
        }
        variables
    }

    /// Feeds `script` to psql on standard input. Output is unaligned, without headers and footers; an error does not end
    /// the script and is on standard error with its SQLSTATE. Exit code 2: no connection.
    ///
    /// # Errors
    /// When psql cannot be run.
    pub fn psql(&self, script: &str) -> anyhow::Result<Ran> {
        self.psql_with(&["-v", "VERBOSITY=verbose"], script)
    }

    /// The same, ending at the first error with exit code 3.
    ///
    /// # Errors
    /// When psql cannot be run.
    pub fn psql_strict(&self, script: &str) -> anyhow::Result<Ran> {
        self.psql_with(&["-v", "ON_ERROR_STOP=1"], script)
    }

    fn psql_with(&self, options: &[&str], script: &str) -> anyhow::Result<Ran> {
        let mut psql = Command::new(postgres::program("psql")?);
        psql.args(["-X", "-q", "-A", "-t"]).args(options).envs(self.variables());
        feed(psql, script)
    }

    /// Connects tokio-postgres; the connection is driven by a task of its own.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        Ok(self.connect_with_messages().await?.0)
    }

    /// The same, with the notices and notifications the server sends.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn connect_with_messages(
        &self,
    ) -> Result<(Client, mpsc::UnboundedReceiver<AsyncMessage>), tokio_postgres::Error> {
        let config = self.config();
        match &self.ca {
            None => {
                let (client, connection) = config.connect(NoTls).await?;
                Ok((client, drive(connection)))
            }
            Some(ca) => {
                let connector = Connector::new(ca).expect("the harness wrote its authority's certificate");
                let (client, connection) = config.connect(connector).await?;
                Ok((client, drive(connection)))
            }
        }
    }

    fn config(&self) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).dbname(&self.database).user(&self.user);
        config.password(&self.password).application_name("harness");
        config.ssl_mode(match self.ca {
            Some(_) => tokio_postgres::config::SslMode::Require,
            None => tokio_postgres::config::SslMode::Disable,
        });
        config
    }
}

/// Polls a connection to its end and passes on what arrives unasked.
fn drive<S, T>(mut connection: tokio_postgres::Connection<S, T>) -> mpsc::UnboundedReceiver<AsyncMessage>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|context| connection.poll_message(context)).await {
            // Nobody has to listen.
            let _ = sender.send(message);
        }
    });
    receiver
}

/// Runs a program with `input` on its standard input.
///
/// # Errors
/// When it cannot be run.
pub(crate) fn feed(mut command: Command, input: &str) -> anyhow::Result<Ran> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {name}"))?;
    // A thread, for a program that answers while it reads would otherwise wait for us as we wait for it.
    let mut stdin = child.stdin.take().context("no standard input")?;
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output()?;
    // A program that ended early did not read everything: that shows in its output.
    let _ = writer.join();
    Ok(output.into())
}
