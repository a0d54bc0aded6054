//! Runs psycopg2's own test-suite twice, against PostgreSQL itself and through Grille under a role without plugins, and
//! compares test by test. Fails when a test fails through Grille that does not fail directly, unless
//! `driver-suite/psycopg2.expected` says why it must; and when a test named there does not fail any more.
//!
//! `driver-suite --direct` runs the direct part only.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context;
use grille_harness::endpoint::Endpoint;
use grille_harness::{
    Grille, GrilleOptions, IdentityClient, IdentityProvider, PostgresOptions, PostgresServer, Python,
    prepared, random, sample, scratch::Scratch, workspace,
};

/// Database and user of the suite. Their names are the same for Grille's clients, as some tests look at them.
const DATABASE: &str = "psycopg2_test";

/// Everything is allowed and nothing looks: what is left is the protocol.
const POLICY: &str = r#"
[[role]]
name = "driver"
groups = ["drivers"]
upstreams = ["psycopg2_test"]
statements = ["read", "write", "define", "grant", "transaction", "session", "maintain", "execute", "copy", "notify", "lock"]
policies = []
detectors = []
"#;

/// What became of a test: `ok`, `skipped`, `failed`, `hung`.
type Outcomes = BTreeMap<String, String>;

fn main() -> anyhow::Result<ExitCode> {
    let suite = Suite::prepare()?;
    // Messages of level LOG go to clients that ask for DEBUG, and some tests count what they get.
    let quiet = vec![("log_statement".to_owned(), "none".to_owned())];
    let server = PostgresServer::start(&PostgresOptions { settings: quiet, ..PostgresOptions::default() })?;
    let direct = create_database(&server)?;
    let directly = suite.run("direct", &direct)?;
    if std::env::args().any(|argument| argument == "--direct") {
        return Ok(ExitCode::SUCCESS);
    }

    let provider = IdentityProvider::start(vec![IdentityClient::new("psycopg2", &["drivers"])])?;
    let grille = Grille::start(&GrilleOptions {
        provider: &provider,
        issuer: "",
        upstreams: &[(DATABASE, direct.clone())],
        policy: POLICY,
    })?;
    let through =
        Endpoint { user: direct.user.clone(), ..grille.endpoint(DATABASE, &provider.token("psycopg2")?) };
    let governed = suite.run("grille", &through)?;
    Ok(judge(&directly, &governed, &expected()?))
}

/// The suite's source and the Python to run it with.
struct Suite {
    python: Python,
    source: PathBuf,
    results: PathBuf,
    scratch: Scratch,
}

impl Suite {
    fn prepare() -> anyhow::Result<Self> {
        let results = workspace::target().join("driver-suite");
        fs::create_dir_all(&results)?;
        Ok(Self { python: Python::prepare()?, source: source()?, results, scratch: Scratch::new()? })
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
                let failed = read.values().filter(|outcome| is_failure(outcome)).count();
                println!("{name}: {} tests, {failed} failed; {}", read.len(), log.display());
                return Ok(read);
            }
            anyhow::ensure!(read.len() > known, "the suite does not run: see {}", log.display());
            known = read.len();
        }
    }

    fn command(&self, endpoint: &Endpoint, outcomes: &Path, log: &mut File) -> anyhow::Result<Command> {
        let mut python = Command::new(self.python.interpreter());
        python.arg(workspace::harness_file("driver-suite/run.py").canonicalize()?).arg(outcomes);
        python.current_dir(&self.source).envs(endpoint.variables());
        python.env("PSYCOPG2_TESTDB", &endpoint.database);
        python.env("PSYCOPG2_TESTDB_HOST", "127.0.0.1");
        python.env("PSYCOPG2_TESTDB_PORT", endpoint.port.to_string());
        python.env("PSYCOPG2_TESTDB_USER", &endpoint.user);
        python.env("PSYCOPG2_TESTDB_PASSWORD", &endpoint.password);
        python.stdout(log.try_clone()?).stderr(log.try_clone()?);
        Ok(python)
    }
}

/// A failure to be expected, and why.
#[derive(Debug)]
struct Expected {
    test: String,
    reason: String,
}

/// `TEST: REASON` on each line that is neither empty nor a comment.
fn expected() -> anyhow::Result<Vec<Expected>> {
    let path = workspace::harness_file("driver-suite/psycopg2.expected");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(parse_expected).collect()
}

fn parse_expected(line: &str) -> anyhow::Result<Expected> {
    let (test, reason) = line.split_once(": ").with_context(|| format!("no reason given: {line}"))?;
    Ok(Expected { test: test.trim().to_owned(), reason: reason.trim().to_owned() })
}

/// Prints what differs, and whether it may.
fn judge(direct: &Outcomes, governed: &Outcomes, expected: &[Expected]) -> ExitCode {
    let verdict = compare(direct, governed, expected);
    for (test, reason) in &verdict.excused {
        println!("expected  {test}: {reason}");
    }
    for (test, outcome) in &verdict.regressions {
        println!("FAILED    {test}: {outcome} through Grille, not directly");
    }
    for test in &verdict.stale {
        println!("FAILED    {test}: is expected to fail and does not");
    }
    let failures = verdict.regressions.len() + verdict.stale.len();
    println!(
        "driver suite: {} tests, {} expected to fail, {failures} failures",
        direct.len(),
        verdict.excused.len()
    );
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Comparison {
    excused: Vec<(String, String)>,
    regressions: Vec<(String, String)>,
    stale: Vec<String>,
}

fn compare(direct: &Outcomes, governed: &Outcomes, expected: &[Expected]) -> Comparison {
    let mut comparison = Comparison::default();
    for (test, outcome) in direct {
        let through = governed.get(test).map_or("missing", String::as_str);
        let worse = !is_failure(outcome) && through != outcome;
        let excuse = expected.iter().find(|expected| expected.test == *test);
        match (worse, excuse) {
            (true, Some(excuse)) => comparison.excused.push((test.clone(), excuse.reason.clone())),
            (true, None) => comparison.regressions.push((test.clone(), through.to_owned())),
            (false, Some(_)) => comparison.stale.push(test.clone()),
            (false, None) => {}
        }
    }
    let unknown = expected.iter().filter(|expected| !direct.contains_key(&expected.test));
    comparison.stale.extend(unknown.map(|expected| expected.test.clone()));
    comparison
}

fn is_failure(outcome: &str) -> bool {
    matches!(outcome, "failed" | "hung")
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

/// A database owned by a role of its own; hstore is there for the tests of it.
fn create_database(server: &PostgresServer) -> anyhow::Result<Endpoint> {
    let password = random::hex::<16>()?;
    sample::create_database(server, DATABASE, DATABASE, &password)?;
    server.sql_admin(DATABASE, "CREATE EXTENSION hstore")?;
    let direct = server.endpoint(DATABASE, DATABASE, &password);
    Ok(Endpoint { ca: Some(server.ca().to_owned()), ..direct })
}

/// psycopg2's source package, of the version that is installed.
fn source() -> anyhow::Result<PathBuf> {
    let requirements = fs::read_to_string(workspace::harness_file("python/requirements.txt"))?;
    let pinned =
        requirements.lines().find(|line| line.starts_with("psycopg2==")).context("psycopg2 is pinned")?;
    let folder = prepared::folder("psycopg2-source", &[pinned], |folder| download(folder, pinned))?;
    let mut unpacked = fs::read_dir(&folder)?.flatten().map(|entry| entry.path());
    unpacked.find(|path| path.join("tests").is_dir()).context("psycopg2's package has no tests")
}

fn download(folder: &Path, pinned: &str) -> anyhow::Result<()> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", pinned, "--dest"]);
    prepared::install(pip.arg(folder), "downloading psycopg2's source", "python3-pip libpq-dev")?;
    let archives = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    for archive in archives.filter(|path| path.is_file()) {
        let mut tar = Command::new("tar");
        tar.arg("-xzf").arg(archive).arg("-C").arg(folder);
        prepared::install(&mut tar, "unpacking psycopg2's source", "tar")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(pairs: &[(&str, &str)]) -> Outcomes {
        pairs.iter().map(|(test, outcome)| ((*test).to_owned(), (*outcome).to_owned())).collect()
    }

    fn check(direct: &str, governed: &[(&str, &str)], expected: &[&str], verdict: &Comparison) {
        let expected: Vec<Expected> =
            expected.iter().map(|line| parse_expected(line).expect("a valid line")).collect();
        assert_eq!(compare(&outcomes(&[("t", direct)]), &outcomes(governed), &expected), *verdict);
    }

    #[test]
    fn only_what_got_worse_counts() {
        let fine = Comparison::default();
        check("ok", &[("t", "ok")], &[], &fine);
        check("skipped", &[("t", "skipped")], &[], &fine);
        check("failed", &[("t", "hung")], &[], &fine);
        let worse = |outcome: &str| Comparison {
            regressions: vec![("t".to_owned(), outcome.to_owned())],
            ..Comparison::default()
        };
        check("ok", &[("t", "failed")], &[], &worse("failed"));
        check("ok", &[("t", "skipped")], &[], &worse("skipped"));
        check("ok", &[], &[], &worse("missing"));
        let excused =
            Comparison { excused: vec![("t".to_owned(), "COPY".to_owned())], ..Comparison::default() };
        check("ok", &[("t", "failed")], &["t: COPY"], &excused);
        let stale = Comparison { stale: vec!["t".to_owned()], ..Comparison::default() };
        check("ok", &[("t", "ok")], &["t: COPY"], &stale);
    }
}
