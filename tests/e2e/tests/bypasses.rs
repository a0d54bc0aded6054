//! Ways round that reviews of the data plane found, each tried again: no protected value may come out, what is refused says
//! so, and the session goes on.

use std::sync::LazyLock;

use anyhow::Context;
use grille_e2e::raw::{
    PROTOCOL_3_0, bind, close, describe, error, execute, extended, message, parse, query, startup, sync,
    tags, text,
};
use grille_e2e::{Message, Raw, Stage};
use grille_harness::{policy, sample};

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let stage = Stage::standard(ROLES).expect("the stage is set");
    let tables = "CREATE TABLE ledger (entry text);
        CREATE SCHEMA scratch; CREATE TABLE scratch.customers (LIKE public.customers);
        INSERT INTO scratch.customers SELECT * FROM public.customers LIMIT 1;
        ANALYZE customers;";
    stage.application.direct.psql_strict(tables).and_then(grille_harness::Ran::ok).expect("tables");
    stage
});

/// `ruled` has its columns protected by name and no detector, so that a value comes out wherever a statement is taken for
/// another one. `kept` has a label that covers another's findings and is to be kept.
const ROLES: &str = r#"
[[role]]
name = "ruled"
groups = ["ruled"]
upstreams = ["demo"]
statements = ["read", "write", "define", "transaction", "session", "notify", "lock"]
policies = ["guard"]
detectors = []
columns = { "public.customers.card" = "redact", "public.customers.email" = "redact" }

[[role]]
name = "capped"
groups = ["capped"]
upstreams = ["demo"]
statements = ["read", "write", "transaction", "session"]
policies = []
detectors = []
row_cap = 5

[[role]]
name = "kept"
groups = ["kept"]
upstreams = ["demo"]
statements = ["read"]
policies = []
detectors = ["pii"]
treatments = { EMAIL_ADDRESS = "keep", CREDIT_CARD = "redact" }

"#;

/// Both protected columns, computed, so that only the statement's text tells that they are in it.
const EVIL: &str = "SELECT card || '', email || '' FROM customers ORDER BY id LIMIT 2";

/// Two literals, unless `standard_conforming_strings` is off: then the first ends later, and [`EVIL`] begins.
const EVIL_BEHIND_BACKSLASH: &str =
    r"SELECT '\' , ', card || '', email || '' FROM customers ORDER BY id LIMIT 2 --'";

/// One literal in UTF-8. In Shift JIS the backslash is the second half of a character, so the literal ends, and [`EVIL`] begins.
const EVIL_BEHIND_CHARACTER: &str =
    r"SELECT e'Á\' , card || '', email || '' FROM customers ORDER BY id LIMIT 2 --' AS x";

/// SQLSTATEs.
const NOT_SUPPORTED: &str = "0A000";
const NO_SUCH_CURSOR: &str = "34000";
const PRIVILEGE: &str = "42501";
const LIMIT_EXCEEDED: &str = "54000";

fn session(group: &str) -> anyhow::Result<Raw> {
    let mut raw = Raw::connect(STAGE.grille.plaintext_port())?;
    raw.log_in(sample::DATABASE, &STAGE.member_of(group)?.password)?;
    Ok(raw)
}

fn session_with(group: &str, parameter: (&str, &str)) -> anyhow::Result<Raw> {
    let mut raw = Raw::connect(STAGE.grille.plaintext_port())?;
    raw.send(&startup(PROTOCOL_3_0, &[("user", "raw"), ("database", sample::DATABASE), parameter]))?;
    raw.until('R')?;
    raw.send(&message('p', &text(&STAGE.member_of(group)?.password)))?;
    raw.until('Z')?;
    Ok(raw)
}

/// Sends the messages and a Sync; what is answered up to ReadyForQuery, with nothing raw in it.
fn segment(raw: &mut Raw, messages: &[Vec<u8>]) -> anyhow::Result<Vec<Message>> {
    raw.send(&[messages.concat(), sync()].concat())?;
    guarded(raw)
}

/// A simple query's answer, with nothing raw in it.
fn ask(raw: &mut Raw, sql: &str) -> anyhow::Result<Vec<Message>> {
    raw.send(&query(sql))?;
    guarded(raw)
}

fn guarded(raw: &mut Raw) -> anyhow::Result<Vec<Message>> {
    let answer = raw.until('Z')?;
    let leaked = leaked(&answer);
    anyhow::ensure!(leaked.is_empty(), "{leaked:?} in {answer:?}");
    Ok(answer)
}

fn leaked(answer: &[Message]) -> Vec<String> {
    sample::canaries_in(&answer.iter().map(Message::text).collect::<String>())
}

fn rows(answer: &[Message]) -> usize {
    answer.iter().filter(|message| message.tag == 'D').count()
}

fn assert_refused(answer: &[Message], state: &str) -> anyhow::Result<()> {
    let refused = error(answer)?;
    anyhow::ensure!(refused.field('C').as_deref() == Some(state), "{state}: {}", refused.text());
    Ok(())
}

/// Whether the session answers as if nothing had been.
fn assert_alive(raw: &mut Raw) -> anyhow::Result<()> {
    raw.send(&query("ROLLBACK"))?;
    raw.until('Z')?;
    anyhow::ensure!(tags(&raw.query("SELECT 1")?) == "TDCZ");
    anyhow::ensure!(tags(&segment(raw, &[extended("SELECT 1")])?) == "12DCZ");
    Ok(())
}

#[test]
fn what_these_tests_look_for_would_be_seen() -> anyhow::Result<()> {
    let mut raw = Raw::connect(STAGE.grille.plaintext_port())?;
    raw.log_in(sample::DATABASE, &STAGE.engineer()?.password)?;
    assert_eq!(leaked(&raw.query(EVIL)?).len(), 4);
    let mut ruled = session("ruled")?;
    assert_eq!(rows(&ask(&mut ruled, EVIL)?), 2);
    assert_eq!(rows(&segment(&mut ruled, &[extended(EVIL)])?), 2);
    Ok(())
}

// --- how a text is read

/// Statements after which a text may be read otherwise.
const CHANGES_OF_READING: [&str; 8] = [
    "SET standard_conforming_strings = off",
    "SET client_encoding TO 'SJIS'",
    "SET NAMES 'SJIS'",
    "SET SESSION standard_conforming_strings = off",
    "SELECT set_config('standard_conforming_strings', 'off', false)",
    "SELECT pg_catalog.set_config('client_encoding', 'SJIS', false)",
    "UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'",
    "UPDATE pg_catalog.pg_settings SET setting = 'SJIS' WHERE name = 'client_encoding'",
];

#[test]
fn a_text_behind_a_change_of_reading_waits_for_a_sync() -> anyhow::Result<()> {
    for change in CHANGES_OF_READING {
        for evil in [EVIL_BEHIND_BACKSLASH, EVIL_BEHIND_CHARACTER] {
            for behind in [extended(evil), query(evil)] {
                let mut raw = session("ruled")?;
                let answer = segment(&mut raw, &[extended(change), behind]).context(change)?;
                assert!(error(&answer).is_ok(), "{change}: {}", tags(&answer));
                assert_alive(&mut raw).context(change)?;
            }
        }
    }
    Ok(())
}

#[test]
fn a_text_in_a_later_segment_is_read_as_the_server_does() -> anyhow::Result<()> {
    for change in CHANGES_OF_READING {
        for evil in [EVIL_BEHIND_BACKSLASH, EVIL_BEHIND_CHARACTER] {
            let mut raw = session("ruled")?;
            raw.send(&[extended(change), sync(), extended(evil), sync(), query(evil)].concat())?;
            for _ in 0..3 {
                guarded(&mut raw).with_context(|| format!("{change}; {evil}"))?;
            }
            assert_alive(&mut raw).context(change)?;
        }
    }
    Ok(())
}

#[test]
fn a_rollback_takes_a_change_of_reading_back() -> anyhow::Result<()> {
    for (evil, setting) in [
        (EVIL_BEHIND_BACKSLASH, "standard_conforming_strings = off"),
        (EVIL_BEHIND_CHARACTER, "client_encoding TO 'SJIS'"),
    ] {
        let mut raw = session("ruled")?;
        let script = [
            query("BEGIN"),
            query("SAVEPOINT here"),
            query(&format!("SET LOCAL {setting}")),
            query(evil),
            query("ROLLBACK TO here"),
            query(evil),
            query("ROLLBACK"),
            query(evil),
        ];
        raw.send(&script.concat())?;
        for _ in script {
            guarded(&mut raw).context(setting)?;
        }
        assert_alive(&mut raw)?;
    }
    Ok(())
}

#[test]
fn what_was_decided_in_one_encoding_does_not_count_in_another() -> anyhow::Result<()> {
    let sjis = ("client_encoding", "SJIS");
    for statement in [EVIL_BEHIND_CHARACTER.to_owned(), format!("{EVIL_BEHIND_CHARACTER}, 2")] {
        let mut utf8 = session("ruled")?;
        assert_eq!(rows(&ask(&mut utf8, &statement)?), 1, "a literal in UTF-8");
        let mut other = session_with("ruled", sjis)?;
        ask(&mut other, &statement)?;
        segment(&mut other, &[extended(&statement)])?;
        segment(&mut other, &[parse("s", &statement)])?;
        ask(&mut utf8, &statement)?;
        segment(&mut other, &[bind("", "s"), execute("", 0)])?;
        assert_alive(&mut other)?;
    }
    Ok(())
}

// --- names

#[test]
fn a_failing_segment_leaves_names_as_the_server_has_them() -> anyhow::Result<()> {
    let mut raw = session("ruled")?;
    segment(&mut raw, &[parse("s", EVIL)])?;
    let failing =
        [parse("x", "SELECT * FROM nowhere"), parse("s", "SELECT lower('x')"), parse("s", "SELECT 1")];
    assert_refused(&segment(&mut raw, &failing)?, "42P01")?;
    assert_eq!(rows(&segment(&mut raw, &[bind("", "s"), execute("", 0)])?), 2);

    let closing = [parse("x", "SELECT * FROM nowhere"), close('S', "s"), parse("s", "SELECT 1")];
    assert_refused(&segment(&mut raw, &closing)?, "42P01")?;
    assert_eq!(rows(&segment(&mut raw, &[bind("", "s"), execute("", 0)])?), 2);
    assert_alive(&mut raw)
}

#[test]
fn names_that_the_server_cuts_are_refused() -> anyhow::Result<()> {
    let (whole, long) = ("a".repeat(63), "a".repeat(64));
    let mut raw = session("ruled")?;
    segment(&mut raw, &[parse(&whole, "SELECT 1, 2")])?;
    for refused in [
        vec![close('S', &long), parse(&long, EVIL)],
        vec![parse(&long, EVIL)],
        vec![describe('S', &long)],
        vec![bind("", &long)],
        vec![bind(&long, &whole)],
        vec![close('P', &long)],
        vec![parse("é", EVIL)],
    ] {
        assert_refused(&segment(&mut raw, &refused)?, NOT_SUPPORTED)?;
    }
    // SQL cuts them as well.
    ask(&mut raw, &format!("DEALLOCATE {long}"))?;
    ask(&mut raw, &format!("PREPARE {long} AS {EVIL}"))?;
    segment(&mut raw, &[bind("", &whole), execute("", 0)])?;
    ask(&mut raw, &format!("EXECUTE {long}"))?;
    ask(&mut raw, &format!("EXECUTE {whole}"))?;
    assert_alive(&mut raw)
}

#[test]
fn a_cursor_takes_the_place_of_a_portal() -> anyhow::Result<()> {
    let declare = format!("DECLARE p CURSOR FOR {EVIL}");
    for replace in
        [vec!["CLOSE p", &declare], vec!["CLOSE ALL", &declare], vec!["ROLLBACK", "BEGIN", &declare]]
    {
        for together in [replace.clone(), vec![replace.join(";").leak()]] {
            let mut raw = session("ruled")?;
            ask(&mut raw, "BEGIN")?;
            segment(&mut raw, &[parse("", "SELECT 1, 2"), bind("p", "")])?;
            for statement in together {
                ask(&mut raw, statement)?;
            }
            assert_refused(&segment(&mut raw, &[execute("p", 2)])?, NO_SUCH_CURSOR)?;
            assert_alive(&mut raw)?;
        }
    }
    Ok(())
}

#[test]
fn a_portal_takes_the_place_of_a_cursor() -> anyhow::Result<()> {
    let ways: [&[&str]; 4] = [
        &["DECLARE c CURSOR FOR SELECT 1, 2", "ROLLBACK", "BEGIN"],
        &["DECLARE c CURSOR FOR SELECT 1, 2", "CLOSE c"],
        &["DECLARE c CURSOR FOR SELECT 1, 2", "CLOSE ALL"],
        &["SAVEPOINT here", "DECLARE c CURSOR FOR SELECT 1, 2", "ROLLBACK TO here"],
    ];
    for way in ways {
        let mut raw = session("ruled")?;
        ask(&mut raw, "BEGIN")?;
        for statement in way {
            ask(&mut raw, statement)?;
        }
        segment(&mut raw, &[parse("", EVIL), bind("c", "")])?;
        assert_eq!(rows(&ask(&mut raw, "FETCH 2 FROM c").context(way.join("; "))?), 2, "{way:?}");
        assert_alive(&mut raw)?;
    }
    Ok(())
}

#[test]
fn columns_are_those_of_the_execution() -> anyhow::Result<()> {
    let select = "SELECT card, email FROM customers ORDER BY id LIMIT 2";
    let ways: [(&str, &str); 2] = [
        ("SET search_path = scratch", "SET search_path = public"),
        ("CREATE TEMP TABLE customers AS SELECT * FROM scratch.customers", "DROP TABLE pg_temp.customers"),
    ];
    for (before, after) in ways {
        let mut raw = session("ruled")?;
        ask(&mut raw, before)?;
        segment(&mut raw, &[parse("s", select), describe('S', "s")])?;
        // What the rule does not name is not protected.
        segment(&mut raw, &[bind("p", "s"), describe('P', "p")])?;
        if after.starts_with("DROP") {
            // Dropping is refused by the guard: a rollback drops as well.
            continue;
        }
        ask(&mut raw, after)?;
        assert_eq!(rows(&segment(&mut raw, &[bind("", "s"), execute("", 0)])?), 2, "{after}");
        let described = [bind("p", "s"), describe('P', "p"), execute("p", 0)];
        assert_eq!(rows(&segment(&mut raw, &described)?), 2, "{after}");
        assert_alive(&mut raw)?;
    }
    Ok(())
}

#[test]
fn discarding_plans_forgets_no_statement() -> anyhow::Result<()> {
    let mut raw = session("ruled")?;
    ask(&mut raw, &format!("PREPARE by_name AS {EVIL}"))?;
    segment(&mut raw, &[parse("s", EVIL)])?;
    for discard in ["DISCARD PLANS", "DISCARD SEQUENCES", "DISCARD TEMP"] {
        ask(&mut raw, discard)?;
        assert_eq!(rows(&ask(&mut raw, "EXECUTE by_name")?), 2, "{discard}");
        assert_eq!(rows(&segment(&mut raw, &[bind("", "s"), execute("", 0)])?), 2, "{discard}");
    }
    ask(&mut raw, "DISCARD ALL")?;
    assert_refused(&ask(&mut raw, "EXECUTE by_name")?, "26000")?;
    assert_refused(&segment(&mut raw, &[bind("", "s")])?, "26000")?;
    assert_alive(&mut raw)
}

// --- beside the rows

/// Every role whose results are masked.
const MASKED: [&str; 2] = ["ruled", policy::ANALYSTS];

#[test]
fn settings_carry_no_values_out() -> anyhow::Result<()> {
    for statement in [
        "SELECT set_config('application_name', email, false) FROM customers LIMIT 1",
        "SELECT pg_catalog.set_config('application_name', (SELECT email FROM customers LIMIT 1), false)",
        "WITH c AS (SELECT email FROM customers LIMIT 1) SELECT set_config('application_name', email, false) FROM c",
        "EXPLAIN ANALYZE SELECT set_config('application_name', email, false) FROM customers LIMIT 1",
        "PREPARE leak AS SELECT set_config('application_name', email, false) FROM customers LIMIT 1",
        "UPDATE pg_settings SET setting = (SELECT email FROM customers LIMIT 1) WHERE name = 'application_name'",
        "UPDATE pg_catalog.pg_settings SET setting = email FROM customers WHERE pg_settings.name = 'application_name' AND id = 1",
    ] {
        for group in MASKED {
            let mut raw = session(group)?;
            let answer = ask(&mut raw, statement).context(statement)?;
            assert_refused(&answer, PRIVILEGE).context(statement)?;
            assert_refused(&segment(&mut raw, &[extended(statement)])?, PRIVILEGE)?;
            ask(&mut raw, "SHOW application_name")?;
            ask(&mut raw, "SELECT current_setting('application_name')")?;
            assert_alive(&mut raw)?;
        }
    }
    Ok(())
}

#[test]
fn notifications_carry_no_values_out() -> anyhow::Result<()> {
    for group in MASKED {
        let mut raw = session(group)?;
        ask(&mut raw, "LISTEN bypass")?;
        let answer = ask(
            &mut raw,
            "SELECT pg_notify('bypass', 'mail ' || email || ', card ' || card) FROM customers LIMIT 1",
        )?;
        let notified = answer.iter().find(|message| message.tag == 'A').context("no notification")?;
        assert!(notified.text().contains("bypass"), "{notified:?}");
        // Of another session, while idle.
        session("engineers")?.query("SELECT pg_notify('bypass', 'card ' || card) FROM customers LIMIT 1")?;
        let notified = raw.until('A')?;
        assert_eq!(leaked(&notified), Vec::<String>::new(), "{group}");
        assert_alive(&mut raw)?;
    }
    Ok(())
}

#[test]
fn errors_quote_no_rows() -> anyhow::Result<()> {
    for expression in [
        "card::regtype",
        "email::regtype",
        "email::regclass",
        "card::regproc",
        "email::regnamespace",
        "current_setting(email)",
        "current_setting(card)",
        "email::int",
        "card::date",
        "email::jsonb",
        "xmlparse(document email)",
        "has_table_privilege(email, 'select')",
        "nextval(email)",
        "to_timestamp(card, 'Month')",
        "regexp_match('x', '(' || email)",
        "'x' ~ ('(' || card)",
        "encode(decode(email, 'hex'), 'escape')",
        "date_part(email, now())",
        "now() AT TIME ZONE email",
    ] {
        for group in MASKED {
            let mut raw = session(group)?;
            let statement = format!("SELECT {expression} FROM customers");
            assert!(error(&ask(&mut raw, &statement).context(statement.clone())?).is_ok(), "{statement}");
            assert!(error(&segment(&mut raw, &[extended(&statement)])?).is_ok(), "{statement}");
            assert_alive(&mut raw)?;
        }
    }
    Ok(())
}

#[test]
fn statistics_are_refused_where_results_are_masked() -> anyhow::Result<()> {
    for relation in [
        "pg_stats",
        "pg_catalog.pg_stats",
        "\"pg_stats\"",
        "pg_statistic",
        "pg_stats_ext",
        "pg_stats_ext_exprs",
        "pg_stat_activity",
        "pg_stat_get_activity(NULL)",
        "(SELECT pg_stat_get_backend_activity(id) FROM pg_stat_get_backend_idset() id)",
    ] {
        for group in MASKED {
            for statement in [
                format!("SELECT * FROM {relation} AS s"),
                format!("WITH s AS (SELECT * FROM {relation} AS t) SELECT count(*) FROM s"),
                format!("PREPARE leak AS SELECT * FROM {relation} AS s"),
            ] {
                let mut raw = session(group)?;
                let answer = ask(&mut raw, &statement).context(statement.clone())?;
                assert_refused(&answer, PRIVILEGE).context(statement)?;
                assert_alive(&mut raw)?;
            }
        }
    }
    Ok(())
}

#[test]
fn a_label_to_keep_uncovers_no_other() -> anyhow::Result<()> {
    let kept = STAGE.member_of("kept")?;
    let found = kept.psql_strict("SELECT 'card 4111 1111 1111 1111'")?.ok()?;
    assert!(!found.contains("4111 1111"), "{found}");
    let covered = kept.psql_strict("SELECT 'card 4111111111111111@mail.example.com'")?.ok()?;
    assert!(!covered.contains("4111111111111111"), "{covered}");
    assert!(covered.contains("@mail.example.com"), "{covered}");
    Ok(())
}

// --- row caps

#[test]
fn a_cap_counts_every_run_of_a_portal() -> anyhow::Result<()> {
    let mut raw = session("capped")?;
    let at_once = [parse("", "SELECT id FROM customers"), bind("", "")];
    let answer = segment(&mut raw, &[at_once.concat(), execute("", 5), execute("", 5), execute("", 5)])?;
    assert_eq!(rows(&answer), 5);
    assert_refused(&answer, LIMIT_EXCEEDED)?;

    ask(&mut raw, "BEGIN")?;
    segment(&mut raw, &[parse("s", "SELECT id FROM customers"), bind("p", "s")])?;
    assert_eq!(rows(&segment(&mut raw, &[execute("p", 3)])?), 3);
    let answer = segment(&mut raw, &[execute("p", 3)])?;
    assert_eq!(rows(&answer), 2);
    assert_refused(&answer, LIMIT_EXCEEDED)?;
    assert_alive(&mut raw)
}

fn entries(marker: &str) -> anyhow::Result<u64> {
    STAGE.rows_of(&format!("ledger WHERE entry = '{marker}'"))
}

#[test]
fn a_cap_undoes_what_ran_before_it() -> anyhow::Result<()> {
    let insert = |marker: &str| format!("INSERT INTO ledger VALUES ('{marker}')");
    let mut raw = session("capped")?;
    let over = "SELECT id FROM customers LIMIT 7";
    let answer = segment(
        &mut raw,
        &[extended(&insert("before a cap")), extended(over), extended(&insert("behind a cap"))],
    )?;
    assert_refused(&answer, LIMIT_EXCEEDED)?;
    assert_eq!(answer.last().map(|ready| ready.body.clone()), Some(vec![b'I']));
    assert_eq!([entries("before a cap")?, entries("behind a cap")?], [0, 0]);

    ask(&mut raw, "BEGIN")?;
    ask(&mut raw, &insert("in a transaction"))?;
    let answer = ask(&mut raw, over)?;
    assert_refused(&answer, LIMIT_EXCEEDED)?;
    assert_eq!(answer.last().map(|ready| ready.body.clone()), Some(vec![b'E']));
    ask(&mut raw, "COMMIT")?;
    assert_eq!(entries("in a transaction")?, 0);

    let answer = ask(&mut raw, &format!("{}; {over}", insert("in a message")))?;
    assert_refused(&answer, LIMIT_EXCEEDED)?;
    assert_eq!(entries("in a message")?, 0);
    assert_alive(&mut raw)
}

#[test]
fn a_cap_stops_no_statement_but_its_own() -> anyhow::Result<()> {
    let mut raw = session("capped")?;
    for _ in 0..20 {
        let next = "SELECT 42 FROM pg_sleep(0.02)";
        raw.send(&[query("SELECT id FROM customers LIMIT 7"), query(next), extended(next), sync()].concat())?;
        assert_refused(&raw.until('Z')?, LIMIT_EXCEEDED)?;
        assert_eq!(tags(&raw.until('Z')?), "TDCZ");
        assert_eq!(tags(&raw.until('Z')?), "12DCZ");
    }
    Ok(())
}
