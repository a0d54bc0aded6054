//! FunctionCall: large objects as libpq's `lo_…` functions work on them, message by message; and who may not.

use std::sync::LazyLock;

use anyhow::Context;
use grille_e2e::raw::{bind, error, execute, message, parse, query, sync, tags};
use grille_e2e::{Message, Raw, Stage};
use grille_harness::{PostgresOptions, PostgresServer, policy, sample, wait};

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let hba = vec![format!("host all {BYTE_CLIENT} 127.0.0.1/32 password")];
    let postgres = PostgresServer::start(&PostgresOptions { hba, ..PostgresOptions::default() });
    let postgres = postgres.expect("PostgreSQL starts");
    let application = sample::load(&postgres).expect("the sample");
    let role = format!("CREATE ROLE {BYTE_CLIENT} LOGIN PASSWORD '{BYTE_CLIENT}' IN ROLE {}", sample::USER);
    postgres.sql_admin(sample::DATABASE, &role).expect("a role");
    let policy = policy::standard(sample::DATABASE).expect("plugins") + ROLES;
    Stage::on(postgres, application, &policy, "").expect("the stage is set")
});

/// Role and password of whoever connects to PostgreSQL itself byte by byte.
const BYTE_CLIENT: &str = "byte_client";

const ROLES: &str = r#"
[[role]]
name = "guarded"
groups = ["guarded"]
upstreams = ["demo"]
statements = ["read", "transaction", "session"]
policies = ["guard"]
detectors = []

[[role]]
name = "archivist"
groups = ["archivist"]
upstreams = ["demo"]
statements = ["read", "transaction", "session"]
policies = []
detectors = ["pii"]
privileges = ["large-objects"]

[[role]]
name = "writer"
groups = ["writer"]
upstreams = ["demo"]
statements = ["transaction"]
policies = []
detectors = []

"#;

/// Functions by their numbers (src/include/catalog/pg_proc.dat).
const LO_CREATE: u32 = 715;
const LO_OPEN: u32 = 952;
const LO_CLOSE: u32 = 953;
const LOREAD: u32 = 954;
const LOWRITE: u32 = 955;
const LO_TELL: u32 = 958;
const LO_UNLINK: u32 = 964;
const LO_TRUNCATE: u32 = 1004;
const LO_LSEEK64: u32 = 3170;
const LO_FROM_BYTEA: u32 = 3457;
const LO_GET: u32 = 3458;
const QUERY_TO_XML: u32 = 2925;

/// `INV_READ | INV_WRITE` (src/include/libpq/libpq-fs.h).
const READ_WRITE: u32 = 0x60000;

/// SQLSTATEs.
const NOT_SUPPORTED: &str = "0A000";
const PRIVILEGE: &str = "42501";
const UNDEFINED_OBJECT: &str = "42704";

fn direct() -> anyhow::Result<Raw> {
    let mut raw = Raw::connect(STAGE.postgres.port())?;
    raw.log_in_as(BYTE_CLIENT, sample::DATABASE, BYTE_CLIENT)?;
    Ok(raw)
}

fn engineer() -> anyhow::Result<Raw> {
    STAGE.session(policy::ENGINEERS)
}

/// FunctionCall with arguments and result in binary.
fn call(function: u32, arguments: &[&[u8]]) -> Vec<u8> {
    let mut body = [&function.to_be_bytes()[..], &[0, 1, 0, 1, 0], &[arguments.len() as u8]].concat();
    for argument in arguments {
        body.extend((argument.len() as u32).to_be_bytes());
        body.extend(*argument);
    }
    body.extend([0, 1]);
    message('F', &body)
}

/// An argument of type oid or integer.
fn int(value: u32) -> [u8; 4] {
    value.to_be_bytes()
}

/// What one message is answered with.
fn ask(raw: &mut Raw, message: &[u8]) -> anyhow::Result<Vec<Message>> {
    raw.send(message)?;
    raw.until('Z')
}

/// The value of the one FunctionCallResponse; none for NULL.
fn value(answer: &[Message]) -> anyhow::Result<Option<&[u8]>> {
    let response = answer.iter().find(|message| message.tag == 'V');
    let (length, bytes) = response
        .and_then(|message| message.body.split_first_chunk::<4>())
        .with_context(|| format!("no value in {answer:?}"))?;
    Ok((*length != [0xff; 4]).then_some(bytes))
}

/// The SQLSTATEs and transaction states of an answer's errors and ends.
fn outcome(answer: &[Message]) -> String {
    let told = answer.iter().filter_map(|message| match message.tag {
        'E' => message.field('C'),
        'Z' => Some(message.text()),
        _ => None,
    });
    told.collect::<Vec<_>>().join(" ")
}

#[test]
fn large_objects_work_as_they_do_directly() -> anyhow::Result<()> {
    const OBJECT: u32 = 61_001;
    let object = int(OBJECT);
    // Descriptors count from 0 in each transaction.
    let descriptor = int(0);
    let steps = [
        query("BEGIN"),
        call(LO_CREATE, &[&object]),
        call(LO_OPEN, &[&object, &int(READ_WRITE)]),
        call(LOWRITE, &[&descriptor, b"hello, large \0 world"]),
        call(LO_TELL, &[&descriptor]),
        call(LO_LSEEK64, &[&descriptor, &7_u64.to_be_bytes(), &int(0)]),
        call(LOREAD, &[&descriptor, &int(100)]),
        call(LOREAD, &[&descriptor, &int(100)]),
        call(LO_TRUNCATE, &[&descriptor, &int(5)]),
        call(LO_CLOSE, &[&descriptor]),
        query("COMMIT"),
        call(LO_GET, &[&object]),
        // Errors of the server's: of arguments, of objects, of descriptors, in a failed transaction.
        call(LO_GET, &[]),
        call(LO_GET, &[b"short"]),
        call(LO_CREATE, &[&object]),
        call(LO_CLOSE, &[&int(77)]),
        query("BEGIN"),
        call(LO_UNLINK, &[&int(OBJECT + 1)]),
        call(LO_GET, &[&object]),
        query("ROLLBACK"),
        call(LO_UNLINK, &[&object]),
        call(LO_OPEN, &[&object, &int(READ_WRITE)]),
    ];
    let play = |mut raw: Raw| steps.iter().map(|step| ask(&mut raw, step)).collect::<Result<Vec<_>, _>>();
    let directly = play(direct()?)?;
    assert_eq!(value(&directly[6])?, Some(&b"large \0 world"[..]));
    assert_eq!(value(&directly[11])?, Some(&b"hello"[..]));
    let governed = play(engineer()?)?;
    for (step, (direct, governed)) in directly.iter().zip(&governed).enumerate() {
        assert_eq!(direct, governed, "step {step}");
    }
    Ok(())
}

#[test]
fn calls_in_a_pipeline_are_answered_in_order() -> anyhow::Result<()> {
    let object = int(61_011);
    let mut raw = engineer()?;
    let segment = [parse("", "SELECT 1"), bind("", ""), execute("", 0)].concat();
    let sent = [
        query("BEGIN"),
        call(LO_CREATE, &[&object]),
        call(QUERY_TO_XML, &[b"SELECT 1"]),
        call(LO_GET, &[&object]),
        query("ROLLBACK"),
        segment,
        call(LO_GET, &[&object]),
        sync(),
        parse("", "SELEKT"),
        call(LO_GET, &[&object]),
        sync(),
        query("SELECT 1"),
    ];
    raw.send(&sent.concat())?;
    let answers = (0..9).map(|_| raw.until('Z')).collect::<Result<Vec<_>, _>>()?;
    let outcomes: Vec<String> = answers.iter().map(|answer| outcome(answer)).collect();
    let unknown = format!("{NOT_SUPPORTED} E");
    let missing = format!("{UNDEFINED_OBJECT} I");
    assert_eq!(outcomes, ["T", "T", &unknown, "25P02 E", "I", &missing, "I", "42601 I", "I"]);
    assert_eq!(tags(&answers[5]), "12DCEZ");
    assert!(error(&answers[2])?.text().contains("function 2925 is refused"), "{:?}", answers[2]);
    Ok(())
}

#[test]
fn a_call_is_judged_and_recorded_as_the_statement_that_it_is() -> anyhow::Result<()> {
    let object = int(61_021);
    assert_eq!(
        outcome(&ask(&mut engineer()?, &call(LO_UNLINK, &[&object]))?),
        format!("{UNDEFINED_OBJECT} I")
    );
    let refused = |group: &str, says: &str| {
        let mut raw = STAGE.session(group)?;
        let sent = [query("BEGIN"), call(LO_FROM_BYTEA, &[&object, b"x"]), query("COMMIT")];
        raw.send(&sent.concat())?;
        let answers = (0..3).map(|_| raw.until('Z')).collect::<Result<Vec<_>, _>>()?;
        let outcomes: Vec<String> = answers.iter().map(|answer| outcome(answer)).collect();
        assert_eq!(outcomes, ["T", &format!("{PRIVILEGE} E"), "I"], "{group}");
        assert!(error(&answers[1])?.text().contains(says), "{group}: {answers:?}");
        anyhow::Ok(())
    };
    refused("guarded", "(plugin guard)")?;
    refused("writer", "role writer may not run SELECT: it lacks read")?;
    refused(policy::ANALYSTS, "(plugin guard)")?;
    refused("archivist", "cannot be masked: call the function with SELECT")?;
    let missing = STAGE
        .postgres
        .sql_admin(sample::DATABASE, "SELECT count(*) FROM pg_largeobject_metadata WHERE oid = 61021")?;
    assert_eq!(missing.trim(), "0");

    wait::until("the records", wait::PATIENCE, || {
        let audit = STAGE.grille.audit()?;
        let has = |event: &str, sql: &str| {
            audit.lines().any(|line| {
                line.contains(event)
                    && line.contains(sql)
                    && line.contains(r#""features":["dangerous-function","function-call"]"#)
            })
        };
        let all = has("exchange-started", "SELECT pg_catalog.lo_unlink($1)")
            && has("exchange-refused", "SELECT pg_catalog.lo_from_bytea($1, $2)");
        Ok(all.then_some(()))
    })
}

#[test]
fn a_query_with_the_text_of_a_call_is_no_call() -> anyhow::Result<()> {
    let mut raw = STAGE.session("archivist")?;
    let called = ask(&mut raw, &call(LO_GET, &[&int(61_031)]))?;
    assert_eq!(outcome(&called), format!("{PRIVILEGE} I"));
    // It has no value for the parameter, and that is all that is wrong with it.
    assert_eq!(outcome(&raw.query("SELECT pg_catalog.lo_get($1)")?), "42P02 I");
    let called = ask(&mut raw, &call(LO_GET, &[&int(61_031)]))?;
    assert_eq!(outcome(&called), format!("{PRIVILEGE} I"));
    Ok(())
}

#[test]
fn a_value_longer_than_what_is_held_passes() -> anyhow::Result<()> {
    const LENGTH: usize = 9 << 20;
    let object = int(61_041);
    let mut raw = engineer()?;
    assert_eq!(outcome(&ask(&mut raw, &call(LO_FROM_BYTEA, &[&object, &vec![b'x'; LENGTH]]))?), "I");
    raw.send(&call(LO_GET, &[&object]))?;
    let (counts, bytes) = raw.skim_until('Z')?;
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [('V', 1), ('Z', 1)]);
    assert_eq!(bytes, (LENGTH + 9 + 6) as u64);
    assert_eq!(outcome(&ask(&mut raw, &call(LO_UNLINK, &[&object]))?), "I");
    Ok(())
}

#[test]
fn a_call_that_waits_can_be_canceled() -> anyhow::Result<()> {
    let object = int(61_051);
    let mut holder = engineer()?;
    holder.send(&[call(LO_CREATE, &[&object]), query("BEGIN"), call(LO_UNLINK, &[&object])].concat())?;
    (0..3).try_for_each(|_| holder.until('Z').map(drop))?;

    let mut waiter = Raw::connect(STAGE.grille.plaintext_port())?;
    let told = waiter.log_in(sample::DATABASE, &STAGE.engineer()?.password)?;
    let key = told.iter().find(|message| message.tag == 'K').context("no key to cancel with")?;
    waiter.send(&call(LO_UNLINK, &[&object]))?;
    wait::until("the call to wait", wait::PATIENCE, || {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND state = 'fastpath function call'";
        Ok((STAGE.postgres.sql_admin("postgres", waiting)?.trim() == "1").then_some(()))
    })?;
    let length = 8 + key.body.len() as u32;
    let cancel = [&length.to_be_bytes()[..], &[0x04, 0xd2, 0x16, 0x2e], &key.body].concat();
    Raw::connect(STAGE.grille.plaintext_port())?.send(&cancel)?;
    assert_eq!(outcome(&waiter.until('Z')?), "57014 I");

    assert_eq!(outcome(&holder.query("COMMIT")?), "I");
    assert_eq!(tags(&waiter.query("SELECT 1")?), "TDCZ");
    Ok(())
}
