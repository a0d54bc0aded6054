//! A new server with the database that the queries expect, and psql fed with a file of them.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::Context;
use grille_harness::endpoint::Endpoint;
use grille_harness::scratch::Scratch;
use grille_harness::{PostgresOptions, PostgresServer, postgres, wait};

use super::outputs::Outputs;
use super::queries;

const DATABASE: &str = "regression";

/// Longest time one file may take. The slowest takes about ten seconds.
const FILE_TIME_MAX: Duration = Duration::from_secs(90);

/// What `pg_regress` sets for its databases and clients (src/test/regress/pg_regress.c).
const DATABASE_SETTINGS: [(&str, &str); 8] = [
    ("lc_messages", "C"),
    ("lc_monetary", "C"),
    ("lc_numeric", "C"),
    ("lc_time", "C"),
    ("timezone_abbreviations", "Default"),
    ("timezone", "PST8PDT"),
    ("datestyle", "Postgres, MDY"),
    ("intervalstyle", "postgres_verbose"),
];

/// A server that has run nothing yet.
pub(crate) struct RegressionServer {
    _server: PostgresServer,
    direct: Endpoint,
    // The server reads and writes files there, and may not be allowed into the folder of the repository.
    files: Scratch,
}

impl RegressionServer {
    /// Starts it, with a copy of the queries and their data.
    pub(crate) fn start(source: &Path) -> anyhow::Result<Self> {
        let settings = [("log_statement", "none"), ("autovacuum", "off"), ("max_connections", "100")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let server = PostgresServer::start(&PostgresOptions { settings, ..PostgresOptions::default() })?;
        server.sql_admin("postgres", &database())?;
        let files = Scratch::new()?;
        copy(source, files.path())?;
        let direct = server.admin().with_database(DATABASE);
        let direct = Endpoint { ca: Some(server.ca().to_owned()), ..direct };
        Ok(Self { _server: server, direct, files })
    }

    /// How its superuser connects to the database.
    pub(crate) fn direct(&self) -> &Endpoint {
        &self.direct
    }

    /// Feeds the files to psql one after the other; what it prints is kept in `results` too. A file that does not come
    /// to its end is left out.
    pub(crate) fn run(
        &self,
        tests: &[String],
        results: &Path,
        endpoint: impl Fn() -> anyhow::Result<Endpoint>,
    ) -> anyhow::Result<Outputs> {
        fs::create_dir_all(results)?;
        let mut outputs = Outputs::default();
        for test in tests {
            let path = results.join(format!("{test}.out"));
            let child = self.psql(test, &path, &endpoint()?)?.spawn().context("cannot run psql")?;
            match finish(child)? {
                Finished::InTime => outputs.insert(test, fs::read(&path)?),
                Finished::TooLate => println!("{test} did not end within {FILE_TIME_MAX:?}"),
            }
        }
        Ok(outputs)
    }

    /// As `pg_regress` calls it.
    fn psql(&self, test: &str, output: &Path, endpoint: &Endpoint) -> anyhow::Result<Command> {
        let output = File::create(output)?;
        let mut psql = Command::new(postgres::program("psql")?);
        psql.args(["-X", "-a", "-q", "-v", "HIDE_TABLEAM=on", "-v", "HIDE_TOAST_COMPRESSION=on"]);
        psql.stdin(File::open(queries(self.files.path(), test))?);
        psql.stdout(output.try_clone()?).stderr(output);
        psql.current_dir(self.files.path()).envs(endpoint.variables());
        psql.env("PG_ABS_SRCDIR", self.files.path()).env("PG_ABS_BUILDDIR", self.files.path());
        psql.env("PG_LIBDIR", libraries()?).env("PG_DLSUFFIX", ".so").env("LC_ALL", "C");
        Ok(psql)
    }
}

/// How a file ended.
enum Finished {
    InTime,
    TooLate,
}

fn finish(mut child: Child) -> anyhow::Result<Finished> {
    let ended = wait::until("psql", FILE_TIME_MAX, || Ok(child.try_wait()?));
    if ended.is_ok() {
        return Ok(Finished::InTime);
    }
    child.kill()?;
    child.wait()?;
    Ok(Finished::TooLate)
}

fn database() -> String {
    let mut sql = format!("CREATE DATABASE {DATABASE} TEMPLATE template0;\n");
    for (name, value) in DATABASE_SETTINGS {
        sql.push_str(&format!("ALTER DATABASE {DATABASE} SET {name} TO '{value}';\n"));
    }
    sql
}

fn copy(source: &Path, target: &Path) -> anyhow::Result<()> {
    let mut copy = Command::new("cp");
    let status =
        copy.arg("-R").args(["sql", "data"].map(|folder| source.join(folder))).arg(target).status()?;
    anyhow::ensure!(status.success(), "cannot copy the regression queries");
    let results = target.join("results");
    fs::create_dir(&results)?;
    fs::set_permissions(results, Permissions::from_mode(0o777))?;
    Ok(())
}

/// Where the server's modules are, such as PL/pgSQL.
fn libraries() -> anyhow::Result<PathBuf> {
    let programs = postgres::program("postgres")?;
    let version = programs.parent().and_then(Path::parent).context("the server has a folder")?;
    Ok(version.join("lib"))
}
