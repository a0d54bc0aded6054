//! What one session defines while another reads: nothing protected comes out by it, and who has nothing to do with it does
//! not notice. That it tells nothing of protected values is held in `lineage_review`.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use grille_e2e::raw::{PROTOCOL_3_0, bind, execute, message, parse, query, startup, sync, text};
use grille_e2e::{Message, Raw, Stage, Turns};
use grille_harness::{PostgresOptions, PostgresServer, sample, wait};

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let postgres = PostgresServer::start(&PostgresOptions {
        settings: [("max_prepared_transactions".to_owned(), "5".to_owned())].into(),
        ..PostgresOptions::default()
    })
    .expect("a server");
    let application = sample::load(&postgres).expect("the sample");
    let stage = Stage::on(postgres, application, &roles(), "").expect("the stage is set");
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
CREATE TABLE churn (name text, ssn text); INSERT INTO churn VALUES ('Ada', '911-22-3344');
CREATE TABLE locked (name text, ssn text); INSERT INTO locked VALUES ('Ada', '911-22-3344');
CREATE TABLE emptied (name text, ssn text); INSERT INTO emptied VALUES ('Ada', '911-22-3344');
CREATE TABLE many (name text, ssn text); INSERT INTO many VALUES ('Ada', '911-22-3344');
CREATE TABLE two (name text, ssn text); INSERT INTO two VALUES ('Ada', '911-22-3344');
CREATE TABLE ext (name text, ssn text); INSERT INTO ext VALUES ('Ada', '911-22-3344');
CREATE TABLE wanted (name text, ssn text); INSERT INTO wanted VALUES ('Ada', '911-22-3344');
CREATE TABLE uniq (ssn text); INSERT INTO uniq VALUES ('911-22-3344');
CREATE TABLE par (name text, ssn text, more text); CREATE TABLE chi () INHERITS (par);
INSERT INTO chi VALUES ('Ada', '911-22-3344');
CREATE TABLE big (name text, ssn text); INSERT INTO big VALUES ('Ada', '911-22-3344');
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
    session_and_key(group, more).map(|(raw, _)| raw)
}

/// With what a CancelRequest has in it.
fn session_and_key(group: &str, more: &[(&str, &str)]) -> anyhow::Result<(Raw, Vec<u8>)> {
    let mut raw = Raw::connect(STAGE.grille.plaintext_port())?;
    raw.send(&startup(PROTOCOL_3_0, &[&[("user", "raw"), ("database", sample::DATABASE)], more].concat()))?;
    raw.until('R')?;
    raw.send(&message('p', &text(&STAGE.member_of(group)?.password)))?;
    let ready = raw.until('Z')?;
    let key = ready.into_iter().find(|message| message.tag == 'K').context("no key")?;
    Ok((raw, key.body))
}

/// Sends a CancelRequest (manual, "CancelRequest").
fn cancel(key: &[u8]) -> anyhow::Result<()> {
    let length = u32::try_from(key.len() + 8)?.to_be_bytes();
    let code = (1234_u32 << 16 | 5678).to_be_bytes();
    let mut raw = Raw::connect(STAGE.grille.plaintext_port())?;
    raw.send(&[&length[..], &code, key].concat())?;
    raw.until_closed().map(drop)
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

/// Statements that have begun to wait for other sessions.
const WAITED: &str = "grille_definition_conflicts_total{outcome=\"waited\"}";

fn until_more_than(before: u64, metric: &str, limit: Duration) -> anyhow::Result<()> {
    wait::until(metric, limit, || Ok((counted(metric)? > before).then_some(())))
}

/// Waits until the server runs a statement that begins so.
fn until_it_runs(beginning: &str) -> anyhow::Result<()> {
    let runs = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND starts_with(query, '{beginning}')"
    );
    wait::until(beginning, wait::PATIENCE, || {
        let count = STAGE.application.direct.psql_strict(&runs)?.ok()?;
        Ok((count.trim() != "0").then_some(()))
    })
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
    until_more_than(before, waited, AT_ONCE)?;
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

/// Held by each test that has the catalogue read without end, or counts on reading it within a second or two.
static TURNS: Turns = Turns::new();

/// While a session defines over and over what does not concern the reader.
fn check_beside(definitions: &'static [&'static str]) -> anyhow::Result<()> {
    let (mut reader, mut owner) = (session("reader")?, session("owner")?);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let churn = scope.spawn(|| -> anyhow::Result<()> {
            while !is_over.load(Ordering::SeqCst) {
                definitions.iter().try_for_each(|sql| ask(&mut owner, sql).map(drop))?;
            }
            Ok(())
        });
        // Nothing here may panic: it would go on for ever.
        let read = (0..3).try_for_each(|_| {
            let began = Instant::now();
            let told = ask(&mut reader, "SELECT upper(name) FROM churn")?;
            anyhow::ensure!(told == ["ADA"] && began.elapsed() < AT_ONCE, "{told:?} {:?}", began.elapsed());
            Ok(())
        });
        is_over.store(true, Ordering::SeqCst);
        churn.join().expect("no panic")?;
        read
    })
}

#[test]
fn who_defines_over_and_over_starves_nobody() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    check_beside(&["CREATE TEMP TABLE scratch ()", "DROP TABLE scratch"])?;
    check_beside(&["BEGIN; CREATE TEMP TABLE scratch () ON COMMIT DROP; COMMIT"])?;
    check_beside(&["DROP TABLE IF EXISTS nothing_there"])
}

/// Also where it does concern the reader: that ends in an answer, and the session is there for all else meanwhile.
#[test]
fn what_is_defined_over_and_over_is_answered_in_time() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let (mut reader, mut owner) = (session("reader")?, session("owner")?);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let churn = scope.spawn(|| -> anyhow::Result<()> {
            while !is_over.load(Ordering::SeqCst) {
                ask(&mut owner, "CREATE OR REPLACE VIEW over_churn AS SELECT ssn AS name FROM churn")?;
            }
            Ok(())
        });
        let began = Instant::now();
        let told = ask(&mut reader, "SELECT upper(name) FROM over_churn");
        is_over.store(true, Ordering::SeqCst);
        churn.join().expect("no panic")?;
        let told = told?;
        let is_safe = ["[redacted]", "55P03", "42P01"].iter().any(|safe| told == [*safe]);
        anyhow::ensure!(
            is_safe && began.elapsed() < Duration::from_secs(9),
            "{told:?} {:?}",
            began.elapsed()
        );
        Ok(())
    })
}

#[test]
fn a_child_is_read_before_its_parent_is_defined_anew() -> anyhow::Result<()> {
    let (mut reader, mut owner) = (session("reader")?, session("owner")?);
    check_at_once(&mut reader, "SELECT upper(name) FROM chi", &["ADA"])?;
    reader.send(&query("SELECT pg_sleep(4); SELECT upper(name) FROM chi"))?;
    until_it_runs("SELECT pg_sleep(4)")?;
    let swap = "BEGIN; ALTER TABLE par RENAME ssn TO tmp; ALTER TABLE par RENAME name TO ssn; \
                ALTER TABLE par RENAME tmp TO name; COMMIT";
    check_at_once(&mut owner, swap, &[])?;
    assert_eq!(told(&reader.until('Z')?), ["", "ADA"]);
    check_at_once(&mut reader, "SELECT upper(name) FROM chi", &["[redacted]"])
}

#[test]
fn what_locks_readers_out_comes_before_them() -> anyhow::Result<()> {
    for (table, lock, left) in [
        ("locked", "LOCK TABLE locked IN ACCESS EXCLUSIVE MODE", &["ADA"][..]),
        ("emptied", "TRUNCATE emptied", &[]),
    ] {
        let (mut reader, mut owner) = (session("reader")?, session("owner")?);
        check_at_once(&mut owner, &format!("BEGIN; {lock}"), &[])?;
        let before = counted(WAITED)?;
        reader.send(&query(&format!("SELECT upper(name) FROM {table}")))?;
        until_more_than(before, WAITED, wait::PATIENCE)?;
        check_at_once(&mut owner, &format!("ALTER TABLE {table} ADD COLUMN more int"), &[])?;
        check_at_once(&mut owner, "COMMIT", &[])?;
        assert_eq!(told(&reader.until('Z')?), left, "{lock}");
    }
    Ok(())
}

#[test]
fn a_prepared_transaction_brings_into_force_what_it_defined() -> anyhow::Result<()> {
    let (mut reader, mut owner) = (session("reader")?, session("owner")?);
    check_at_once(&mut reader, "BEGIN; SELECT upper(name) FROM two", &["ADA"])?;
    check_at_once(&mut owner, "BEGIN; INSERT INTO churn VALUES ('x', 'y')", &[])?;
    check_at_once(&mut owner, "PREPARE TRANSACTION 'written'", &[])?;
    check_at_once(&mut session("owner")?, "ROLLBACK PREPARED 'written'", &[])?;
    check_at_once(&mut owner, "BEGIN; CREATE TABLE made_in_two (id int); PREPARE TRANSACTION 'made'", &[])?;
    check_at_once(&mut session("owner")?, "COMMIT PREPARED 'made'", &[])?;
    check_at_once(&mut reader, "SELECT upper(name) FROM two; COMMIT", &["ADA"])?;
    check_at_once(&mut reader, "SELECT count(*) FROM made_in_two", &["0"])
}

#[test]
fn many_statements_on_few_names_rest_on_these() -> anyhow::Result<()> {
    let (mut reader, mut owner) = (session("reader")?, session("owner")?);
    check_at_once(&mut reader, "BEGIN", &[])?;
    for number in 0..130 {
        ask(&mut reader, &format!("SELECT upper(name), {number} FROM many"))?;
    }
    check_at_once(&mut owner, "CREATE TABLE quite_unrelated ()", &[])?;
    check_at_once(&mut reader, "COMMIT", &[])
}

#[test]
fn a_new_unique_index_is_known_to_who_writes_and_holds_up_no_reader() -> anyhow::Result<()> {
    let (mut reader, mut owner) = (session("reader")?, session("owner")?);
    check_at_once(&mut reader, "INSERT INTO uniq VALUES ('x')", &[])?;
    check_at_once(&mut reader, "BEGIN; SELECT count(*) FROM uniq", &["2"])?;
    check_at_once(&mut owner, "CREATE UNIQUE INDEX ON uniq (ssn)", &[])?;
    check_at_once(&mut reader, "COMMIT", &[])?;
    check_at_once(&mut reader, "INSERT INTO uniq VALUES ('911-22-3344')", &["42501"])?;
    check_at_once(&mut reader, "INSERT INTO uniq VALUES ('911-22-3345')", &["42501"])
}

#[test]
fn the_messages_of_one_statement_wait_together() -> anyhow::Result<()> {
    let (mut reader, mut owner) = (session("reader")?, session("owner")?);
    check_at_once(&mut owner, "BEGIN; ALTER TABLE ext ADD COLUMN more int", &[])?;
    let unsure = "grille_definition_conflicts_total{outcome=\"unsure\"}";
    let before = counted(unsure)?;
    reader.send(&[parse("", "SELECT name FROM ext"), bind("", ""), execute("", 0), sync()].concat())?;
    // One after the other they would take three times as long as a statement waits.
    until_more_than(before + 2, unsure, Duration::from_secs(10))?;
    check_at_once(&mut owner, "ROLLBACK", &[])?;
    assert_eq!(told(&reader.until('Z')?), ["Ada"]);
    Ok(())
}

#[test]
fn who_waits_may_cancel_and_who_was_refused_holds_up_nobody() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let mut reader = session("reader")?;
    let (mut owner, key) = session_and_key("owner", &[])?;
    check_at_once(&mut reader, "BEGIN; SELECT upper(name) FROM wanted", &["ADA"])?;
    assert_eq!(ask(&mut owner, "ALTER TABLE wanted ADD COLUMN more int")?, ["55P03"]);
    let before = counted(WAITED)?;
    owner.send(&query("ALTER TABLE wanted ADD COLUMN more int"))?;
    until_more_than(before, WAITED, wait::PATIENCE)?;
    check_at_once(&mut session("reader")?, "SELECT upper(name) FROM wanted", &["ADA"])?;
    cancel(&key)?;
    assert_eq!(told(&owner.until('Z')?), ["57014"]);
    check_at_once(&mut reader, "COMMIT", &[])
}

#[test]
fn a_transaction_that_defines_much_holds_up_nobody() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let (mut reader, mut owner) = (session("reader")?, session("owner")?);
    check_at_once(&mut owner, "BEGIN", &[])?;
    for round in 0..9 {
        let names: Vec<String> = (0..1_000).map(|index| format!("nothing_{round}_{index}")).collect();
        ask(&mut owner, &format!("DROP TABLE IF EXISTS {}", names.join(", ")))?;
    }
    check_at_once(&mut reader, "SELECT upper(name) FROM big", &["ADA"])?;
    check_at_once(&mut owner, "COMMIT", &[])
}
