//! COPY over the connection, against a real server: out of and into tables, in every format, masked, detected, capped,
//! failed, given up, pipelined and long.

use std::fs;
use std::sync::LazyLock;

use anyhow::Context;
use bytes::Bytes;
use futures_util::{SinkExt, TryStreamExt};
use grille_e2e::raw::{Message, bind, error, execute, extended, message, parse, query, sync, tags, text};
use grille_e2e::{Raw, Stage, Turns};
use grille_harness::{Endpoint, PostgresOptions, PostgresServer, policy, sample, wait};
use tokio_postgres::error::SqlState;

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let policy = ROLES.to_owned() + &policy::plugin("pii", "pii", "").expect("the plugin is built");
    // The client that sends its own bytes knows no other way to log in.
    let hba = vec![format!("host {} {BYTE_CLIENT} 127.0.0.1/32 password", sample::DATABASE)];
    let postgres = PostgresServer::start(&PostgresOptions { hba, ..PostgresOptions::default() });
    let postgres = postgres.expect("PostgreSQL starts");
    let application = sample::load(&postgres).expect("the sample");
    let role = format!("CREATE ROLE {BYTE_CLIENT} LOGIN PASSWORD '{BYTE_CLIENT}' IN ROLE {}", sample::USER);
    postgres.sql_admin(sample::DATABASE, &role).expect("a role");
    let stage = Stage::on(postgres, application, &policy, "").expect("the stage is set");
    stage.application.direct.psql_strict(TABLES).and_then(grille_harness::Ran::ok).expect("tables");
    stage
});

/// Role and password of whoever connects to PostgreSQL itself byte by byte.
const BYTE_CLIENT: &str = "byte_client";

const ROLES: &str = r#"
[[role]]
name = "open"
groups = ["open"]
upstreams = ["demo"]
statements = ["read", "write", "define", "transaction", "session", "copy"]
policies = []
detectors = []

[[role]]
name = "clerk"
groups = ["clerk"]
upstreams = ["demo"]
statements = ["read", "write", "define", "transaction", "session", "copy"]
policies = []
detectors = []
columns = { "public.people.ssn" = "redact", "public.people.salary" = "redact", "public.people.born" = "redact", "public.people.data" = "redact", "public.people.code" = "redact" }

[[role]]
name = "watched"
groups = ["watched"]
upstreams = ["demo"]
statements = ["read", "transaction", "session", "copy"]
policies = []
detectors = ["pii"]

[[role]]
name = "capped"
groups = ["capped"]
upstreams = ["demo"]
statements = ["read", "session", "copy"]
policies = []
detectors = []
row_cap = 10

[[role]]
name = "reader"
groups = ["reader"]
upstreams = ["demo"]
statements = ["read"]
policies = []
detectors = []
"#;

const TABLES: &str = r#"
CREATE TABLE people (id int PRIMARY KEY, name text, ssn text, salary numeric(10,2), born date, data jsonb, code varchar(6));
INSERT INTO people VALUES
    (1, E'Ann\tO''Neil "x", \\ y|z', '900-11-2233', 51234.56, '1984-05-17', '{"ssn": "900-11-2233"}', 'AB1234'),
    (2, '\.', '', 0, NULL, NULL, NULL),
    (3, '', '\N', 77777.77, '1985-06-18', '["900-33-4455"]', 'CD'),
    (4, NULL, NULL, NULL, '1986-07-19', 'true', 'EF9'),
    (5, E'two\nlines\r', E'900-44\n5566', -66666.66, '1987-08-20', '66666', '');
CREATE TABLE inbox (id int, note text, amount numeric);
CREATE TABLE driven (LIKE inbox);
"#;

/// What of the protected values is long enough to be told from chance, as text and as it stands in binary.
const SECRETS: [&[u8]; 9] =
    [b"900-", b"51234", b"77777", b"66666", b"1984", b"1985", b"1986", b"1987", b"AB1234"];

fn session(group: &str) -> anyhow::Result<Raw> {
    STAGE.session(group)
}

fn direct() -> anyhow::Result<Raw> {
    let mut raw = Raw::connect(STAGE.postgres.port())?;
    raw.log_in_as(BYTE_CLIENT, sample::DATABASE, BYTE_CLIENT)?;
    Ok(raw)
}

/// The data of a COPY TO.
fn copied(raw: &mut Raw, sql: &str) -> anyhow::Result<Vec<Message>> {
    let messages = raw.query(sql)?;
    if let Ok(error) = error(&messages) {
        anyhow::bail!("{sql}: {}", error.text());
    }
    Ok(messages)
}

fn data(messages: &[Message]) -> Vec<u8> {
    messages.iter().filter(|message| message.tag == 'd').flat_map(|message| message.body.clone()).collect()
}

fn assert_alive(raw: &mut Raw) -> anyhow::Result<()> {
    assert_eq!(tags(&raw.query("SELECT 1")?), "TDCZ");
    Ok(())
}

fn assert_no_secret(bytes: &[u8], context: &str) {
    for secret in SECRETS {
        let shown = bytes.windows(secret.len()).any(|window| window == secret);
        assert!(
            !shown,
            "{context}: {:?} in {}",
            String::from_utf8_lossy(secret),
            String::from_utf8_lossy(bytes)
        );
    }
}

fn copy_data(text: &str) -> Vec<u8> {
    message('d', text.as_bytes())
}

fn copy_done() -> Vec<u8> {
    message('c', &[])
}

// --- out

/// Ways to write the same rows.
const FORMS: [&str; 9] = [
    "",
    "(DELIMITER '|', NULL 'none')",
    "(HEADER, NULL '')",
    "(FORMAT csv)",
    "(FORMAT csv, HEADER, FORCE_QUOTE *)",
    "(FORMAT csv, DELIMITER ';', QUOTE '''', ESCAPE '\\', NULL 'NULL')",
    "CSV DELIMITER E'\\t' NULL '\\N'",
    "BINARY",
    "(FORMAT binary, ENCODING 'UTF8')",
];

#[test]
fn no_protected_value_is_in_any_form_of_a_copy() -> anyhow::Result<()> {
    let mut clerk = session("clerk")?;
    for source in [
        "people",
        "people (code, data, born, salary, ssn, name, id)",
        "(SELECT * FROM people ORDER BY id)",
        "(SELECT ssn || name, left(ssn, 3), upper(code), length(ssn), coalesce(ssn, name) FROM people)",
        "(SELECT p FROM people p)",
        "(SELECT ssn FROM people UNION ALL SELECT name FROM people)",
        "(UPDATE people SET name = name RETURNING id, ssn, code)",
    ] {
        for form in FORMS {
            let sql = format!("COPY {source} TO STDOUT {form}");
            let messages = copied(&mut clerk, &sql)?;
            let rows = messages.iter().filter(|message| message.tag == 'd').count();
            assert!(rows >= 5, "{sql}: {rows} rows");
            assert_no_secret(&data(&messages), &sql);
        }
    }
    assert_alive(&mut clerk)
}

#[test]
fn what_nothing_protects_is_copied_byte_for_byte() -> anyhow::Result<()> {
    let (mut direct, mut clerk, mut watched) = (direct()?, session("clerk")?, session("watched")?);
    for source in
        ["orders", "people (id, name)", "(SELECT id, name, id % 2 = 0 FROM people)", "(SELECT WHERE false)"]
    {
        for form in FORMS {
            let sql = format!("COPY {source} TO STDOUT {form}");
            let expected = copied(&mut direct, &sql)?;
            for (who, raw) in [("clerk", &mut clerk), ("watched", &mut watched)] {
                // A detector cannot read binary cells whose type is not known.
                let may_differ =
                    who == "watched" && source.contains("% 2") && form.to_lowercase().contains("binary");
                assert!(copied(raw, &sql)? == expected || may_differ, "{who}: {sql}");
            }
        }
    }
    Ok(())
}

/// Reads what is copied the way other programs do, and says what it is in Python.
const READ_COPIES: &str = r#"
import csv, io, psycopg
types = ["int4", "text", "text", "numeric", "date", "jsonb", "varchar"]
with psycopg.connect("") as connection:
    cursor = connection.cursor()
    for form in ("", "(FORMAT binary)"):
        with cursor.copy("COPY people TO STDOUT " + form) as copy:
            copy.set_types(types)
            for row in copy.rows():
                print(*map(repr, row), sep="\t")
    with cursor.copy("COPY people TO STDOUT (FORMAT csv, NULL 'NULL')") as copy:
        text = b"".join(map(bytes, copy)).decode()
    for row in csv.reader(io.StringIO(text, newline="")):
        print(*map(repr, row), sep="\t")
"#;

#[test]
fn other_programs_read_the_masked_rows() -> anyhow::Result<()> {
    let raw = STAGE.python(READ_COPIES, &STAGE.application.direct)?;
    let masked = STAGE.python(READ_COPIES, &STAGE.member_of("clerk")?)?;
    assert_eq!(raw.lines().count(), 15);
    assert_eq!(masked.lines().count(), 15);
    for (raw, masked) in raw.lines().zip(masked.lines()) {
        let (raw, masked): (Vec<&str>, Vec<&str>) = (raw.split('\t').collect(), masked.split('\t').collect());
        assert_eq!(raw[..2], masked[..2]);
        for (raw, masked) in raw[2..].iter().zip(&masked[2..]) {
            let is_null = |cell: &str| cell == "None" || cell == "'NULL'";
            assert_eq!(is_null(raw), is_null(masked), "{raw} and {masked}");
        }
    }
    assert_no_secret(masked.as_bytes(), "rows");
    Ok(())
}

#[test]
fn the_text_of_null_tells_nothing_of_values() -> anyhow::Result<()> {
    let mut clerk = session("clerk")?;
    for null in ["900-11-2233", "", "\\\\", "77777.77"] {
        let sql = format!("COPY people (ssn) TO STDOUT (NULL '{null}')");
        let lines = data(&copied(&mut clerk, &sql)?);
        let lines: Vec<&[u8]> = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        assert_eq!(lines.len(), 5, "{sql}");
        assert!(lines.iter().all(|line| *line == lines[0]), "{sql}: {lines:?}");
    }
    Ok(())
}

#[test]
fn detectors_see_what_is_copied() -> anyhow::Result<()> {
    let mut watched = session("watched")?;
    for form in FORMS {
        let sql = format!("COPY customers TO STDOUT {form}");
        let messages = copied(&mut watched, &sql)?;
        let text = String::from_utf8_lossy(&data(&messages)).into_owned();
        assert_eq!(sample::canaries_in(&text), Vec::<String>::new(), "{sql}");
        assert!(text.contains(&sample::customers().next().context("a customer")?.name), "{sql}");
    }
    Ok(())
}

#[test]
fn what_shapes_rows_is_refused_in_a_copy_too() -> anyhow::Result<()> {
    let mut clerk = session("clerk")?;
    for sql in [
        "COPY (SELECT id FROM people WHERE ssn = '900-11-2233') TO STDOUT",
        "COPY (SELECT id FROM people ORDER BY salary) TO STDOUT",
        "COPY (SELECT count(*) FROM people GROUP BY born) TO STDOUT",
        "COPY people TO STDOUT (SURPRISE)",
        "COPY people TO STDOUT (ENCODING 'LATIN1')",
        "COPY people TO PROGRAM 'cat'",
        "COPY people TO '/dev/null'",
    ] {
        let answer = clerk.query(sql)?;
        assert!(error(&answer).is_ok(), "{sql}: {}", tags(&answer));
        assert_no_secret(&data(&answer), sql);
    }
    assert_alive(&mut clerk)
}

#[test]
fn an_encoding_in_which_cells_cannot_be_told_apart_is_refused() -> anyhow::Result<()> {
    for change in ["SET client_encoding TO 'SJIS'", "SET client_encoding TO 'LATIN1'"] {
        let mut clerk = session("clerk")?;
        let answer = clerk.query(&format!("{change}; COPY people TO STDOUT"))?;
        assert!(error(&answer).is_ok(), "{}", tags(&answer));
        clerk.query(change)?;
        assert!(error(&clerk.query("COPY people TO STDOUT")?).is_ok());
        for form in ["(ENCODING 'UTF8')", "(FORMAT csv, ENCODING 'UTF8')"] {
            let messages = copied(&mut clerk, &format!("COPY people TO STDOUT {form}"))?;
            assert_no_secret(&data(&messages), form);
        }
        // Its texts are written in the client's encoding, and the server fails at one that has no place in it.
        assert!(error(&clerk.query("COPY people TO STDOUT (FORMAT binary)")?).is_ok());
    }
    Ok(())
}

#[test]
fn a_copy_needs_its_class() -> anyhow::Result<()> {
    let mut reader = session("reader")?;
    for sql in ["COPY orders TO STDOUT", "COPY inbox FROM STDIN"] {
        let answer = reader.query(sql)?;
        assert!(error(&answer)?.text().contains("it lacks"), "{:?}", answer);
    }
    assert_alive(&mut reader)
}

#[test]
fn a_row_cap_holds_for_copies() -> anyhow::Result<()> {
    let mut capped = session("capped")?;
    for form in ["", "(FORMAT csv, HEADER)", "(FORMAT binary)"] {
        let within = copied(&mut capped, &format!("COPY (SELECT id FROM orders LIMIT 10) TO STDOUT {form}"))?;
        assert!(tags(&within).ends_with("cCZ"), "{}", tags(&within));
        let over = capped.query(&format!("COPY orders TO STDOUT {form}"))?;
        assert!(error(&over)?.text().contains("more rows than may be read at once (10)"), "{over:?}");
        let shown = over.iter().filter(|message| message.tag == 'd').count();
        assert_eq!(shown, if form.contains("HEADER") { 11 } else { 10 }, "{form}");
        assert_alive(&mut capped)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_driver_that_prepares_its_copies_gets_masked_rows() -> anyhow::Result<()> {
    let client = STAGE.member_of("clerk")?.connect().await?;
    let stream = client.copy_out("COPY people TO STDOUT").await?;
    let rows: Vec<Bytes> = stream.try_collect().await?;
    assert_eq!(rows.len(), 5);
    assert_no_secret(&rows.concat(), "tokio-postgres");
    Ok(())
}

// --- in

#[tokio::test]
async fn rows_are_copied_in_and_counted() -> anyhow::Result<()> {
    let client = STAGE.member_of("clerk")?.connect().await?;
    client.batch_execute("CREATE TEMP TABLE here (id int, note text)").await?;
    let sink = client.copy_in("COPY here FROM STDIN (FORMAT csv)").await?;
    let mut sink = std::pin::pin!(sink);
    for row in ["1,one\n", "2,\"two\nlines\"\n3,", "three\n"] {
        sink.send(Bytes::from_static(row.as_bytes())).await?;
    }
    assert_eq!(sink.finish().await?, 3);
    let count: i64 = client.query_one("SELECT count(*) FROM here", &[]).await?.get(0);
    assert_eq!(count, 3);
    wait::until("the record of the copy", wait::PATIENCE, || {
        let audit = STAGE.grille.audit()?;
        let is_it = |line: &str| line.contains("exchange-completed") && line.contains("\"rows\":3");
        Ok(audit.lines().any(is_it).then_some(()))
    })?;
    Ok(())
}

/// In and out again with both drivers, in both formats.
const ROUND_TRIPS: &str = r#"
import io, psycopg, psycopg2
from decimal import Decimal
rows = [(n, f"note {n}\t\\ \"{n}\"\n", Decimal(n * 3) / 2) for n in range(1000)]
with psycopg.connect("") as connection:
    cursor = connection.cursor()
    for form in ("", "(FORMAT binary)"):
        cursor.execute("TRUNCATE driven")
        with cursor.copy("COPY driven FROM STDIN " + form) as copy:
            if form:
                copy.set_types(["int4", "text", "numeric"])
            for row in rows:
                copy.write_row(row)
        assert cursor.rowcount == 1000, cursor.rowcount
        read = cursor.execute("SELECT * FROM driven ORDER BY id").fetchall()
        assert [tuple(map(str, row)) for row in read] == [tuple(map(str, row)) for row in rows], form
        with cursor.copy("COPY driven TO STDOUT " + form) as copy:
            copy.set_types(["int4", "text", "numeric"])
            assert len(list(copy.rows())) == 1000
    try:
        with cursor.copy("COPY driven FROM STDIN") as copy:
            copy.write_row(rows[0])
            raise ValueError("given up")
    except ValueError:
        print(connection.info.transaction_status.name)
with psycopg2.connect("") as connection:
    cursor = connection.cursor()
    cursor.execute("TRUNCATE driven")
    cursor.copy_from(io.StringIO("".join(f"{n}\tx\t{n}\n" for n in range(500))), "driven")
    out = io.StringIO()
    cursor.copy_expert("COPY driven TO STDOUT", out)
    print(cursor.rowcount, len(out.getvalue().splitlines()))
    try:
        cursor.copy_from(io.StringIO("no number\tx\n"), "driven")
    except psycopg2.errors.InvalidTextRepresentation as error:
        print("invalid")
    connection.rollback()
"#;

#[test]
fn drivers_copy_in_and_out() -> anyhow::Result<()> {
    for endpoint in [STAGE.application.direct.clone(), STAGE.member_of("open")?, STAGE.member_of("clerk")?] {
        assert_eq!(STAGE.python(ROUND_TRIPS, &endpoint)?, "INERROR\n500 500\ninvalid\n");
    }
    Ok(())
}

/// What a session of the protocol's own bytes answers must be what the server answers.
fn check_as_direct(name: &str, script: &[Vec<u8>], syncs: usize) -> anyhow::Result<()> {
    let play = |mut raw: Raw| -> anyhow::Result<Vec<String>> {
        raw.query("BEGIN")?;
        raw.send(&script.concat())?;
        let mut answers = Vec::new();
        for _ in 0..syncs {
            answers.push(tags(&raw.until('Z')?));
        }
        raw.query("ROLLBACK")?;
        assert_alive(&mut raw)?;
        Ok(answers)
    };
    let expected = play(direct()?).with_context(|| format!("{name}, direct"))?;
    for group in ["open", "clerk"] {
        let answers = play(session(group)?).with_context(|| format!("{name}, {group}"))?;
        assert_eq!(answers, expected, "{name}, {group}");
    }
    Ok(())
}

#[test]
fn copies_in_a_pipeline_answer_as_the_server_does() -> anyhow::Result<()> {
    let into = || query("COPY inbox FROM STDIN");
    let row = || copy_data("1\tx\t2\n");
    let bad = || copy_data("no number\n");
    let fail = || message('f', &text("given up"));
    let select = || query("SELECT 1");
    let extended_into = || extended("COPY inbox FROM STDIN");
    for (name, script, syncs) in [
        ("data ahead", vec![into(), row(), row(), copy_done(), select()], 2),
        ("no data", vec![into(), copy_done(), select()], 2),
        ("bad data", vec![into(), bad(), row(), copy_done(), select()], 2),
        ("given up", vec![into(), row(), fail(), row(), select()], 2),
        ("no table", vec![query("COPY nothing FROM STDIN"), row(), copy_done(), select()], 2),
        ("stray data", vec![row(), copy_done(), fail(), select()], 1),
        ("sync within", vec![into(), sync(), row(), message('H', &[]), copy_done(), select()], 2),
        ("extended", vec![extended_into(), sync(), row(), copy_done(), sync(), select()], 2),
        ("extended, no sync between", vec![extended_into(), row(), copy_done(), sync(), select()], 2),
        ("extended, bad data", vec![extended_into(), sync(), bad(), copy_done(), sync(), select()], 2),
        (
            "extended, no table",
            vec![extended("COPY nothing FROM STDIN"), sync(), row(), copy_done(), sync()],
            2,
        ),
        ("extended, given up", vec![extended_into(), fail(), extended("SELECT 1"), sync(), select()], 2),
        (
            "extended, more behind",
            vec![extended_into(), row(), copy_done(), extended("SELECT 1"), sync(), select()],
            2,
        ),
        (
            "several",
            vec![
                query("COPY inbox FROM STDIN; SELECT 1; COPY inbox FROM STDIN; COPY inbox TO STDOUT"),
                row(),
                copy_done(),
                row(),
                row(),
                copy_done(),
                select(),
            ],
            2,
        ),
        (
            "several, one bad",
            vec![
                query("COPY inbox FROM STDIN; COPY inbox FROM STDIN"),
                bad(),
                copy_done(),
                row(),
                copy_done(),
                select(),
            ],
            2,
        ),
        ("out", vec![query("COPY inbox TO STDOUT"), extended("COPY inbox TO STDOUT"), sync(), select()], 3),
        (
            "out, failing midway",
            vec![query("COPY (SELECT 1 / (5 - n) FROM generate_series(1, 9) n) TO STDOUT"), select()],
            2,
        ),
        (
            "a portal run again",
            vec![
                parse("", "COPY inbox TO STDOUT"),
                bind("", ""),
                execute("", 0),
                execute("", 0),
                sync(),
                select(),
            ],
            2,
        ),
    ] {
        check_as_direct(name, &script, syncs)?;
    }
    Ok(())
}

#[test]
fn what_is_no_data_ends_the_session_within_a_copy() -> anyhow::Result<()> {
    let mut raw = session("open")?;
    raw.send(&query("COPY inbox FROM STDIN"))?;
    raw.until('G')?;
    raw.send(&[copy_data("1\tx\t2\n"), query("SELECT 1")].concat())?;
    let messages = raw.until_closed()?;
    assert_eq!(error(&messages)?.field('C').as_deref(), Some("08P01"), "{messages:?}");
    assert_eq!(
        STAGE
            .postgres
            .sql_admin(sample::DATABASE, "SELECT count(*) FROM inbox WHERE note = 'x' AND amount = 2")?,
        "0"
    );
    Ok(())
}

#[test]
fn a_client_that_is_gone_within_a_copy_leaves_nothing() -> anyhow::Result<()> {
    let row = copy_data("4711\tgone\t1\n");
    for last in [&row[..], &row[..9], &message('X', &[])] {
        let mut raw = session("open")?;
        raw.send(&query("COPY inbox FROM STDIN"))?;
        raw.until('G')?;
        raw.send(&[&row, last].concat())?;
        drop(raw);
    }
    let admin = |sql: &str| STAGE.postgres.sql_admin(sample::DATABASE, sql);
    wait::until("the copies to end", wait::PATIENCE, || {
        let running = admin("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY inbox%'")?;
        Ok((running == "0").then_some(()))
    })?;
    assert_eq!(admin("SELECT count(*) FROM inbox WHERE id = 4711")?, "0");
    Ok(())
}

#[tokio::test]
async fn a_copy_can_be_canceled() -> anyhow::Result<()> {
    let plain = Endpoint { ca: None, port: STAGE.grille.plaintext_port(), ..STAGE.member_of("clerk")? };
    let client = plain.connect().await?;
    let token = client.cancel_token();
    let stream = client
        .copy_out("COPY (SELECT n, pg_sleep(0.01) FROM generate_series(1, 100000) n) TO STDOUT")
        .await?;
    let mut stream = std::pin::pin!(stream);
    stream.try_next().await?.context("a row")?;
    token.cancel_query(tokio_postgres::NoTls).await?;
    let ended = loop {
        match stream.try_next().await {
            Ok(Some(_)) => {}
            Ok(None) => anyhow::bail!("it went on to its end"),
            Err(error) => break error,
        }
    };
    assert_eq!(ended.code(), Some(&SqlState::QUERY_CANCELED));
    assert_eq!(client.query_one("SELECT 1", &[]).await?.get::<_, i32>(0), 1);
    Ok(())
}

// --- much

/// Resident memory of Grille, in bytes.
fn resident() -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", STAGE.grille.pid()))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kib * 1024)
}

const MIB: u64 = 1 << 20;

/// Held by each test that looks at what the process holds.
static TURNS: Turns = Turns::new();

/// Most that a copy of whatever length may add to what Grille holds: buffers of a session, and what allocators keep.
const GROWTH_MAX: u64 = 48 * MIB;

#[tokio::test]
async fn a_hundred_megabytes_take_no_memory() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let endpoint = STAGE.member_of("open")?;
    let client = endpoint.connect().await?;
    client.batch_execute("CREATE TEMP TABLE much (line text)").await?;
    let before = resident()?;
    let sink = client.copy_in("COPY much FROM STDIN").await?;
    let mut sink = std::pin::pin!(sink);
    let megabyte = Bytes::from(("x".repeat(1023) + "\n").repeat(1024));
    for _ in 0..100 {
        sink.send(megabyte.clone()).await?;
        assert!(resident()? < before + GROWTH_MAX, "{} more", resident()? - before);
    }
    assert_eq!(sink.finish().await?, 100 * 1024);
    let stream = client.copy_out("COPY much TO STDOUT").await?;
    let mut stream = std::pin::pin!(stream);
    let mut total = 0;
    while let Some(row) = stream.try_next().await? {
        if total / MIB != (total + row.len() as u64) / MIB {
            assert!(resident()? < before + GROWTH_MAX, "{} more", resident()? - before);
        }
        total += row.len() as u64;
    }
    assert_eq!(total, 100 * MIB);
    Ok(())
}

#[tokio::test]
async fn inspected_rows_take_no_memory_either() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let client = STAGE.member_of("watched")?.connect().await?;
    let row = "COPY (SELECT repeat('words and words ', 70) FROM generate_series(1, 10000)) TO STDOUT";
    let warm_up = client.copy_out(row).await?;
    warm_up.try_for_each(|_| async { Ok(()) }).await?;
    let before = resident()?;
    let stream = client.copy_out(row).await?;
    let mut stream = std::pin::pin!(stream);
    let mut rows = 0;
    while let Some(_row) = stream.try_next().await? {
        rows += 1;
        assert!(rows % 1000 != 0 || resident()? < before + GROWTH_MAX, "{} more", resident()? - before);
    }
    assert_eq!(rows, 10_000);
    Ok(())
}

/// Reads one message of `length` bytes or more, forgetting what is in it.
fn skip_long_message(endpoint: &Endpoint, sql: &str) -> anyhow::Result<grille_harness::Ran> {
    endpoint.psql(&format!("\\o /dev/null\n{sql}"))
}

#[test]
fn a_long_row_passes_or_is_refused_with_a_clear_error() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    const LONG: &str = "SELECT repeat('x', 100000000)";
    for sql in [LONG.to_owned(), format!("COPY ({LONG}) TO STDOUT")] {
        let before = resident()?;
        let passed = skip_long_message(&STAGE.member_of("open")?, &sql)?;
        assert_eq!(passed.code, 0, "{sql}: {}", passed.stderr);
        assert!(resident()? < before + GROWTH_MAX, "{sql}: {} more", resident()? - before);
        let refused = skip_long_message(&STAGE.member_of("watched")?, &sql)?;
        assert!(
            refused.stderr.contains("over the limit of 67108864 bytes for inspected results"),
            "{}",
            refused.stderr
        );
        assert!(resident()? < before + 3 * GROWTH_MAX, "{sql}: {} more", resident()? - before);
    }
    Ok(())
}
