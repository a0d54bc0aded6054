//! Small programs of ours in `tests/drivers`, each using a driver or an ORM as applications do: metadata, reflection, reading
//! and writing. Through Grille they run under a masking policy, and must report the same as directly, but for the protected
//! values, none of which may show.
//!
//! A program prints lines `KEY TAB VALUE`, each key once. A key that starts with `masked ` has a protected value.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use grille_harness::endpoint::{Endpoint, Ran};
use grille_harness::{
    Grille, GrilleOptions, IdentityClient, IdentityProvider, PostgresServer, Python, policy, sample,
};

use crate::comparison::{self, OK, Outcomes, Verdict};
use crate::drivers;

const CLIENT: &str = "application";

/// Debian's package of pgjdbc puts it there.
const JDBC_DRIVER: &str = "/usr/share/java/postgresql.jar";

/// What keys of protected values start with.
const MASKED: &str = "masked ";

/// The item that stands for the whole report.
const NOTHING_SHOWS: &str = "no protected value shows";

/// How much of a value that differs is shown, in characters. The whole is in the report.
const SHOWN_CHARS: usize = 160;
/// How much of that is before the first difference.
const BEFORE_CHARS: usize = 20;

/// A program and how it is started.
pub(crate) struct Program {
    /// The name of its folder and of the part.
    name: &'static str,
    command: fn() -> anyhow::Result<Command>,
}

/// pgjdbc: `DatabaseMetaData` and its kin.
pub(crate) const JDBC: Program = Program { name: "jdbc", command: java };

/// psql's commands that describe.
pub(crate) const PSQL: Program = Program { name: "psql", command: || python("psql/describe.py") };

/// SQLAlchemy over psycopg2 and asyncpg.
pub(crate) const SQLALCHEMY: Program =
    Program { name: "sqlalchemy", command: || python("sqlalchemy/reflection.py") };

/// Django over psycopg 3.
pub(crate) const DJANGO: Program = Program { name: "django", command: || python("django/project.py") };

/// Runs a program directly and through Grille, each on a database of its own.
pub(crate) fn run(program: &Program) -> anyhow::Result<Verdict> {
    let results = drivers::results(program.name)?;
    let (_server, direct) = database()?;
    let directly = report(program, &direct, &results.join("direct"))?;
    anyhow::ensure!(directly.ran.code == 0, "{} fails directly: {}", program.name, directly.ran.stderr);
    check_direct(&directly)?;

    let (_server, direct) = database()?;
    let provider = IdentityProvider::start(vec![IdentityClient::new(CLIENT, &["applications"])])?;
    let grille = Grille::start(&GrilleOptions {
        provider: &provider,
        issuer: "",
        upstreams: &[(sample::DATABASE, direct.clone())],
        policy: &masking_policy()?,
    })?;
    let through = grille.endpoint(sample::DATABASE, &provider.token(CLIENT)?);
    let through = Endpoint { user: direct.user, ..through };
    let governed = report(program, &through, &results.join("grille"))?;
    println!("{}: reports in {}", program.name, results.display());
    let direct = directly.lines.keys().map(|key| (key.clone(), OK.to_owned()));
    let direct = direct.chain([(NOTHING_SHOWS.to_owned(), OK.to_owned())]).collect();
    Ok(comparison::compare(&direct, &judge(&directly, &governed), &drivers::expected(program.name)?))
}

/// The sample, and beside it a schema with something of everything that can be reflected.
fn database() -> anyhow::Result<(PostgresServer, Endpoint)> {
    let (server, application) = PostgresServer::start_with_sample()?;
    let schema = fs::read_to_string(drivers::file("schema.sql"))?;
    application.direct.psql_strict(&schema)?.ok()?;
    let direct = Endpoint { ca: Some(server.ca().to_owned()), ..application.direct };
    Ok((server, direct))
}

fn masking_policy() -> anyhow::Result<String> {
    let role = format!(
        r#"
[[role]]
name = "application"
groups = ["applications"]
upstreams = [{:?}]
statements = ["read", "write", "define", "transaction", "session", "copy", "notify", "lock"]
policies = []
detectors = ["pii"]
row_shaping = "refuse"
functions = ["shop.touch"]
columns = {{ "public.customers.email" = "redact", "public.customers.phone" = "redact", "public.customers.card" = "redact", "public.customers.ssn" = "null", "public.customers.iban" = "redact" }}

"#,
        sample::DATABASE
    );
    Ok(role + &policy::plugin("pii", "pii", "")?)
}

/// What a program said.
struct Report {
    ran: Ran,
    lines: BTreeMap<String, String>,
}

fn report(program: &Program, endpoint: &Endpoint, file: &Path) -> anyhow::Result<Report> {
    let output = (program.command)()?.envs(endpoint.variables()).output();
    let ran = Ran::from(output.with_context(|| format!("cannot run {}", program.name))?);
    fs::write(file.with_extension("txt"), &ran.stdout)?;
    fs::write(file.with_extension("log"), &ran.stderr)?;
    let mut lines = BTreeMap::new();
    for line in ran.stdout.lines() {
        let (key, value) = line.split_once('\t').with_context(|| format!("no TAB in {line:?}"))?;
        let before = lines.insert(key.to_owned(), value.to_owned());
        anyhow::ensure!(before.is_none(), "{key:?} is reported twice");
    }
    Ok(Report { ran, lines })
}

/// A program that reports nothing protected, or an error, could not tell whether anything is masked.
fn check_direct(report: &Report) -> anyhow::Result<()> {
    anyhow::ensure!(!sample::canaries_in(&report.ran.stdout).is_empty(), "nothing protected is asked for");
    let error = report.lines.iter().find(|(_, value)| value.starts_with("error "));
    anyhow::ensure!(error.is_none(), "fails directly: {error:?}");
    Ok(())
}

fn judge(direct: &Report, governed: &Report) -> Outcomes {
    let mut outcomes: Outcomes = direct
        .lines
        .iter()
        .filter_map(|(key, value)| Some((key.clone(), judge_line(key, value, governed.lines.get(key)?))))
        .collect();
    let shown = sample::canaries_in(&governed.ran.said());
    let outcome = shown.first().map_or(OK.to_owned(), |canary| format!("{canary} shows"));
    outcomes.insert(NOTHING_SHOWS.to_owned(), outcome);
    outcomes
}

fn judge_line(key: &str, direct: &str, governed: &str) -> String {
    let as_it_must = match key.starts_with(MASKED) {
        true => direct != governed && !governed.starts_with("error "),
        false => direct == governed,
    };
    if as_it_must { OK.to_owned() } else { difference(direct, governed) }
}

/// Both values from a little before where they part.
fn difference(direct: &str, governed: &str) -> String {
    let alike = direct.chars().zip(governed.chars()).take_while(|(left, right)| left == right).count();
    let shown = |value: &str| {
        value.chars().skip(alike.saturating_sub(BEFORE_CHARS)).take(SHOWN_CHARS).collect::<String>()
    };
    format!("is {}, directly {}", shown(governed), shown(direct))
}

/// Java compiles a program of one file as it starts it.
fn java() -> anyhow::Result<Command> {
    anyhow::ensure!(
        Path::new(JDBC_DRIVER).exists(),
        "no JDBC driver; on Debian install the packages libpostgresql-jdbc-java and default-jdk-headless"
    );
    let mut java = Command::new("java");
    java.args(["-cp", JDBC_DRIVER, "-XX:TieredStopAtLevel=1", "-Duser.timezone=UTC"]);
    java.arg(drivers::file("jdbc/Introspection.java"));
    Ok(java)
}

fn python(program: &str) -> anyhow::Result<Command> {
    let python = Python::with_requirements("drivers", &drivers::file("requirements.txt"))?;
    let mut command = Command::new(python.interpreter());
    command.arg(drivers::file(program)).env("TZ", "UTC").env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, direct: &str, governed: &str, expected: bool) {
        assert_eq!(judge_line(key, direct, governed) == OK, expected, "{key}: {direct} {governed}");
    }

    #[test]
    fn what_is_protected_must_change_and_the_rest_must_not() {
        check("columns", "a", "a", true);
        check("columns", "a", "b", false);
        check("masked email", "a", "[REDACTED]", true);
        check("masked email", "a", "a", false);
        check("masked email", "a", "error refused", false);
    }
}
