//! What one session defines while another reads: nothing protected comes out by it, and who has nothing to do with it does
//! not notice. That it tells nothing of protected values is held in `lineage_review`.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use grille_e2e::raw::{PROTOCOL_3_0, bind, execute, message, parse, query, startup, sync, text};
use grille_e2e::{Message, Raw, Stage};
use grille_harness::sample;

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let stage = Stage::with_policy(&roles(), "").expect("the stage is set");
    stage.application.direct.psql_strict(TABLES).and_then(grille_harness::Ran::ok).expect("tables");
    stage
});

/// A table for each test, so that none is in another's way.
const TABLES: &str = "
CREATE SCHEMA mine; CREATE SCHEMA elsewhere;
CREATE TABLE reads (name text, ssn text); INSERT INTO reads VALUES ('Ada', '911-22-3344');
CREATE TABLE goes_on (name text, ssn text); INSERT INTO goes_on VALUES ('Ada', '911-22-3344');
CREATE TABLE stays (name text, ssn text); INSERT INTO stays VALUES ('Ada', '911-22-3344');
CREATE TABLE changes (name text, ssn text); INSERT INTO changes VALUES ('Ada', '911-22-3344');
CREATE TABLE partly (name text, ssn text); INSERT INTO partly VALUES ('Ada', '911-22-3344');
CREATE VIEW over_partly AS SELECT name FROM partly;
CREATE TABLE twice (name text, ssn text); INSERT INTO twice VALUES ('Ada', '911-22-3344');
";

/// Less than any session waits for another.
const AT_ONCE: Duration = Duration::from_secs(4);

fn roles() -> String {
    let role = |name: &str, columns: &str| {
        format!(
            "\n[[role]]\nname = {name:?}\ngroups = [{name:?}]\nupstreams = [{:?}]\n\
             statements = [\"read\", \"write\", \"define\", \"transaction\", \"session\", \"lock\"]\n\
             policies = []\ndetectors = []\ncolumns = {{ {columns} }}\n",
            sample::DATABASE
        )
    };
    role("reader", "\"public.*.ssn\" = \"redact\"") + &role("owner", "")
}

fn session(group: &str) -> anyhow::Result<Raw> {
    session_with(group, &[])
}

fn session_with(group: &str, more: &[(&str, &str)]) -> anyhow::Result<Raw> {
    let mut raw = Raw::connect(STAGE.grille.plaintext_port())?;
    raw.send(&startup(PROTOCOL_3_0, &[&[("user", "raw"), ("database", sample::DATABASE)], more].concat()))?;
    raw.until('R')?;
    raw.send(&message('p', &text(&STAGE.member_of(group)?.password)))?;
    raw.until('Z')?;
    Ok(raw)
}

/// The texts of a result, or the SQLSTATE of an error.
fn told(answer: &[Message]) -> Vec<String> {
    let told = |message: &Message| match message.tag {
        // Of rows with one cell, which comes after their count and its length.
        'D' => Some(String::from_utf8_lossy(&message.body[6..]).into_owned()),
        'E' => message.field('C'),
        _ => None,
    };
    answer.iter().filter_map(told).collect()
}

fn ask(raw: &mut Raw, sql: &str) -> anyhow::Result<Vec<String>> {
    raw.send(&query(sql))?;
    Ok(told(&raw.until('Z')?))
}

/// What is told at once.
fn check_at_once(raw: &mut Raw, sql: &str, expected: &[&str]) -> anyhow::Result<()> {
    let began = Instant::now();
    assert_eq!(ask(raw, sql)?, expected, "{sql}");
    anyhow::ensure!(began.elapsed() < AT_ONCE, "{sql} took {:?}", began.elapsed());
    Ok(())
}

/// What a counter, with its labels, stands at.
fn counted(metric: &str) -> anyhow::Result<u64> {
    let metrics = STAGE.grille.metrics()?;
    let lines = metrics.lines().filter_map(|line| line.strip_prefix(metric)?.trim().parse::<u64>().ok());
    Ok(lines.sum())
}

#[test]
fn who_reads_something_else_does_not_notice() -> anyhow::Result<()> {
    let (mut reader, mut owner) = (session("reader")?, session("owner")?);
    check_at_once(&mut reader, "BEGIN; SELECT upper(name) FROM reads", &["ADA"])?;
    let definitions = [
        "BEGIN",
        "CREATE SCHEMA made",
        "CREATE TABLE made.unrelated (id int PRIMARY KEY)",
        "CREATE VIEW seen AS SELECT id FROM made.unrelated",
        "CREATE TABLE elsewhere.reads (name text)",
        "CREATE TEMP TABLE reads (name text)",
        "CREATE INDEX ON made.unrelated (id)",
        "DROP TABLE made.unrelated CASCADE",
    ];
    for sql in definitions {
        check_at_once(&mut owner, sql, &[])?;
        check_at_once(&mut reader, "SELECT upper(name) FROM reads", &["ADA"])?;
        check_at_once(&mut session("reader")?, "SELECT upper(name) FROM reads", &["ADA"])?;
    }
    check_at_once(&mut owner, "COMMIT", &[])?;
    check_at_once(&mut reader, "COMMIT", &[])
}

#[test]
fn a_transaction_that_has_read_goes_on_and_the_definition_waits_for_it() -> anyhow::Result<()> {
    let (mut reader, mut owner) = (session("reader")?, session("owner")?);
    check_at_once(&mut reader, "BEGIN; SELECT upper(name) FROM goes_on", &["ADA"])?;
    let waited = "grille_definition_conflicts_total{outcome=\"waited\"}";
    let before = counted(waited)?;
    owner.send(&query("ALTER TABLE goes_on ADD COLUMN more int"))?;
    let began = Instant::now();
    while counted(waited)? == before {
        anyhow::ensure!(began.elapsed() < AT_ONCE, "it does not wait");
    }
    check_at_once(&mut reader, "SELECT lower(name) FROM goes_on", &["ada"])?;
    check_at_once(&mut reader, "COMMIT", &[])?;
    assert_eq!(told(&owner.until('Z')?), Vec::<String>::new());
    check_at_once(&mut reader, "SELECT count(more) FROM goes_on", &["0"])
}

#[test]
fn a_definition_does_not_wait_for_ever() -> anyhow::Result<()> {
    let (mut reader, mut owner) = (session("reader")?, session("owner")?);
    check_at_once(&mut reader, "BEGIN; SELECT upper(name) FROM stays", &["ADA"])?;
    assert_eq!(ask(&mut owner, "DROP TABLE stays")?, ["55P03"]);
    check_at_once(&mut session("reader")?, "SELECT upper(name) FROM stays", &["ADA"])?;
    check_at_once(&mut reader, "SELECT lower(name) FROM stays; COMMIT", &["ada"])?;
    check_at_once(&mut owner, "DROP TABLE stays", &[])
}

#[test]
fn what_is_defined_meanwhile_is_waited_for_and_known() -> anyhow::Result<()> {
    let (mut reader, mut owner) = (session("reader")?, session("owner")?);
    check_at_once(&mut owner, "BEGIN; ALTER TABLE changes RENAME name TO called", &[])?;
    reader.send(&query("SELECT upper(called) FROM changes"))?;
    check_at_once(&mut owner, "COMMIT", &[])?;
    assert_eq!(told(&reader.until('Z')?), ["ADA"]);
    Ok(())
}

#[test]
fn a_view_that_is_being_replaced_holds_up_nobody_else() -> anyhow::Result<()> {
    let (mut reader, mut owner) = (session("reader")?, session("owner")?);
    check_at_once(&mut reader, "SELECT upper(name) FROM over_partly", &["ADA"])?;
    check_at_once(
        &mut owner,
        "BEGIN; CREATE OR REPLACE VIEW over_partly AS SELECT ssn AS name FROM partly",
        &[],
    )?;
    // The catalogue is read again, in which the view's definition cannot be had.
    check_at_once(&mut reader, "CREATE TABLE mine.fresh ()", &[])?;
    check_at_once(&mut reader, "SELECT upper(name) FROM partly", &["ADA"])?;
    reader.send(&query("SELECT upper(name) FROM over_partly"))?;
    check_at_once(&mut owner, "COMMIT", &[])?;
    assert_eq!(told(&reader.until('Z')?), ["[redacted]"]);
    Ok(())
}

/// The server keeps the plan that it has made when the name meant something else.
#[test]
fn a_prepared_statement_may_keep_to_what_its_name_meant() -> anyhow::Result<()> {
    let mut reader = session_with("reader", &[("search_path", "mine, public")])?;
    let run = [bind("", "p"), execute("", 0), sync()].concat();
    reader.send(&[parse("p", "SELECT upper(ssn) FROM twice"), run.clone()].concat())?;
    assert_eq!(told(&reader.until('Z')?), ["[redacted]"]);
    check_at_once(&mut session("owner")?, "CREATE TABLE mine.twice (name text, ssn int)", &[])?;
    reader.send(&run)?;
    assert_eq!(told(&reader.until('Z')?), ["[redacted]"]);
    Ok(())
}
