//! Drivers' own test suites, as their authors publish them with the source: written in Python, run test by test.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use grille_harness::endpoint::Endpoint;
use grille_harness::{
    PostgresOptions, PostgresServer, Python, prepared, random, sample, scratch::Scratch, workspace,
};

use crate::comparison::{self, Outcomes, Verdict};
use crate::drivers;
use crate::unrestricted::Unrestricted;

/// A driver's test suite.
pub(crate) struct OwnTests {
    /// The package's name, and that of the part.
    driver: &'static str,
    /// Where the package's version is pinned, and the packages that are installed with it.
    python: fn() -> anyhow::Result<(PathBuf, Python)>,
    /// Database and user of the suite. They are the same for Grille's clients, as some tests look at them.
    database: &'static str,
    /// Databases it connects to beside its own: there already, or made by a test.
    others: &'static [&'static str],
    /// What the suite needs in its database beyond owning it, as SQL.
    setup: &'static str,
    /// How the suite is told where to connect, beside libpq's variables.
    variables: fn(&Endpoint) -> Vec<(&'static str, String)>,
}

/// Text by default, over libpq.
pub(crate) const PSYCOPG2: OwnTests = OwnTests {
    driver: "psycopg2",
    python: || Ok((workspace::harness_file("python/requirements.txt"), Python::prepare()?)),
    database: "psycopg2_test",
    others: &[],
    setup: "CREATE EXTENSION hstore",
    variables: |endpoint| {
        vec![
            ("PSYCOPG2_TESTDB", endpoint.database.clone()),
            ("PSYCOPG2_TESTDB_HOST", "127.0.0.1".to_owned()),
            ("PSYCOPG2_TESTDB_PORT", endpoint.port.to_string()),
            ("PSYCOPG2_TESTDB_USER", endpoint.user.clone()),
            ("PSYCOPG2_TESTDB_PASSWORD", endpoint.password.clone()),
        ]
    },
};

/// Binary only, asynchronous, with a protocol implementation of its own. Its tests make roles and types.
pub(crate) const ASYNCPG: OwnTests = OwnTests {
    driver: "asyncpg",
    python: || {
        let requirements = drivers::file("requirements.txt");
        Ok((requirements.clone(), Python::with_requirements("drivers", &requirements)?))
    },
    database: "asyncpg_test",
    others: &["postgres", "asyncpg_intro_test"],
    setup: "ALTER ROLE asyncpg_test SUPERUSER",
    variables: |_| Vec::new(),
};

/// Runs a suite directly and through Grille.
pub(crate) fn run(tests: &OwnTests) -> anyhow::Result<Verdict> {
    let suite = Suite::prepare(tests)?;
    // Messages of level LOG go to clients that ask for DEBUG, and some tests count what they get.
    let quiet = vec![("log_statement".to_owned(), "none".to_owned())];
    let server = PostgresServer::start(&PostgresOptions { settings: quiet, ..PostgresOptions::default() })?;
    let direct = create_database(&server, tests)?;
    let directly = suite.run("direct", &direct)?;
    let grille = Unrestricted::start(&direct, tests.others)?;
    let governed = suite.run("grille", &grille.endpoint()?)?;
    Ok(comparison::compare(&directly, &governed, &drivers::expected(tests.driver)?))
}

/// A database owned by a role of its own.
fn create_database(server: &PostgresServer, tests: &OwnTests) -> anyhow::Result<Endpoint> {
    let password = random::hex::<16>()?;
    sample::create_database(server, tests.database, tests.database, &password)?;
    server.sql_admin(tests.database, tests.setup)?;
    let direct = server.endpoint(tests.database, tests.database, &password);
    Ok(Endpoint { ca: Some(server.ca().to_owned()), ..direct })
}

/// The suite's source and the Python to run it with.
struct Suite<'t> {
    tests: &'t OwnTests,
    python: Python,
    source: PathBuf,
    results: PathBuf,
    scratch: Scratch,
}

impl<'t> Suite<'t> {
    fn prepare(tests: &'t OwnTests) -> anyhow::Result<Self> {
        let (requirements, python) = (tests.python)()?;
        let source = source(tests.driver, &requirements)?;
        Ok(Self { tests, python, source, results: drivers::results(tests.driver)?, scratch: Scratch::new()? })
    }

    /// Runs the suite; after a test that hangs it goes on with the next. What failed, and why, is kept in `NAME.log`.
    fn run(&self, name: &str, endpoint: &Endpoint) -> anyhow::Result<Outcomes> {
        let outcomes = self.scratch.path().join(name);
        let log = self.results.join(format!("{name}.log"));
        let mut file = File::create(&log)?;
        let mut known = 0;
        loop {
            let status = self.command(endpoint, &outcomes, &mut file)?.status()?;
            let read = read_outcomes(&outcomes)?;
            if status.success() {
                let failed = comparison::failures(&read);
                println!("{name}: {} tests, {failed} failed; {}", read.len(), log.display());
                return Ok(read);
            }
            anyhow::ensure!(read.len() > known, "the suite does not run: see {}", log.display());
            known = read.len();
        }
    }

    /// The tests' folder comes without the driver's source beside it, so that the driver is the installed one.
    fn command(&self, endpoint: &Endpoint, outcomes: &Path, log: &mut File) -> anyhow::Result<Command> {
        let mut python = Command::new(self.python.interpreter());
        python.arg(drivers::file("run_unittests.py").canonicalize()?).arg(outcomes);
        python.current_dir(&self.source).envs(endpoint.variables());
        python.envs((self.tests.variables)(endpoint));
        python.stdout(log.try_clone()?).stderr(log.try_clone()?);
        Ok(python)
    }
}

fn read_outcomes(path: &Path) -> anyhow::Result<Outcomes> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| {
            let (outcome, test) = line.split_once('\t').context("an outcome has two fields")?;
            Ok((test.to_owned(), outcome.to_owned()))
        })
        .collect()
}

/// A folder with the folder `tests` of a driver's source package, of the version that is installed.
fn source(driver: &str, requirements: &Path) -> anyhow::Result<PathBuf> {
    let requirements = fs::read_to_string(requirements)?;
    let start = format!("{driver}==");
    let pinned = requirements.lines().find(|line| line.starts_with(&start));
    let pinned = pinned.with_context(|| format!("{driver} is not pinned"))?;
    prepared::folder(&format!("{driver}-tests"), &[pinned], |folder| download(folder, driver, pinned))
}

fn download(folder: &Path, driver: &str, pinned: &str) -> anyhow::Result<()> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", driver, pinned, "--dest"]);
    prepared::install(pip.arg(folder), &format!("downloading {driver}'s source"), "python3-pip libpq-dev")?;
    let archives: Vec<PathBuf> = fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    let [archive] = &archives[..] else { anyhow::bail!("{pinned} is not one archive") };
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(archive).arg("-C").arg(folder).args([
        "--strip-components=1",
        "--wildcards",
        "*/tests",
    ]);
    prepared::install(&mut tar, &format!("unpacking {driver}'s tests"), "tar")?;
    fs::remove_file(archive)?;
    Ok(())
}
