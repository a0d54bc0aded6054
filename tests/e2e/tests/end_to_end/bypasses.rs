//! Ways round that reviews of the data plane found, each tried again: no protected value may come out, what is refused says
//! so, and the session goes on.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;

use anyhow::Context;
use grille_e2e::raw::{bind, close, describe, error, execute, extended, message, parse, query, sync, tags};
use grille_e2e::{Message, Raw, Stage};
use grille_harness::supervised::Signal;
use grille_harness::{Grille, policy, sample, wait};

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let stage = Stage::standard(ROLES).expect("the stage is set");
    let tables = "CREATE TABLE ledger (entry text);
        CREATE SCHEMA scratch; CREATE TABLE scratch.customers (LIKE public.customers);
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
    STAGE.session(group)
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
    assert_eq!(leaked(&session(policy::ENGINEERS)?.query(EVIL)?).len(), 4);
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
    "WITH s AS (UPDATE pg_catalog.pg_settings SET setting = 'SJIS' WHERE name = 'client_encoding') SELECT 1",
];

#[test]
fn a_text_behind_a_change_of_reading_waits_for_a_sync() -> anyhow::Result<()> {
    for change in CHANGES_OF_READING {
        for evil in [EVIL_BEHIND_BACKSLASH, EVIL_BEHIND_CHARACTER] {
            // A Query has a ReadyForQuery of its own, and behind it comes that of the Sync.
            for (behind, own_answers) in [(extended(evil), 0), (query(evil), 1)] {
                let mut raw = session("ruled")?;
                let answer = segment(&mut raw, &[extended(change), behind]).context(change)?;
                assert!(error(&answer).is_ok(), "{change}: {}", tags(&answer));
                // Where the change itself is refused, all behind it is skipped.
                let changed = tags(&answer).contains('C');
                for _ in 0..if changed { own_answers } else { 0 } {
                    guarded(&mut raw).context(change)?;
                }
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
    for statement in [EVIL_BEHIND_CHARACTER.to_owned(), format!("{EVIL_BEHIND_CHARACTER}, 2")] {
        let mut utf8 = session("ruled")?;
        assert_eq!(rows(&ask(&mut utf8, &statement)?), 1, "a literal in UTF-8");
        let mut other = STAGE.session_at(&STAGE.grille, "ruled", &[("client_encoding", "SJIS")])?;
        ask(&mut other, &statement)?;
        segment(&mut other, &[extended(&statement)])?;
        segment(&mut other, &[parse("s", &statement)])?;
        ask(&mut utf8, &statement)?;
        segment(&mut other, &[bind("", "s"), execute("", 0)])?;
        assert_alive(&mut other)?;
    }
    Ok(())
}

#[test]
fn what_was_decided_of_standard_strings_does_not_count_of_others() -> anyhow::Result<()> {
    for statement in [EVIL_BEHIND_BACKSLASH.to_owned(), format!("{EVIL_BEHIND_BACKSLASH}, 2")] {
        let mut standard = session("ruled")?;
        let mut escaped =
            STAGE.session_at(&STAGE.grille, "ruled", &[("standard_conforming_strings", "off")])?;
        assert_eq!(rows(&ask(&mut standard, &statement)?), 1, "two literals");
        for _ in 0..2 {
            assert_eq!(rows(&ask(&mut escaped, &statement)?), 2, "a literal and columns");
            assert_eq!(rows(&segment(&mut escaped, &[extended(&statement)])?), 2);
            assert_eq!(rows(&ask(&mut standard, &statement)?), 1, "two literals still");
        }
        segment(&mut escaped, &[parse("s", &statement)])?;
        ask(&mut escaped, "SET standard_conforming_strings = on")?;
        assert_eq!(rows(&segment(&mut escaped, &[bind("", "s"), execute("", 0)])?), 2, "as it was prepared");
        assert_eq!(rows(&ask(&mut escaped, &statement)?), 1);
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
    for before in [&["CLOSE p"][..], &["CLOSE ALL"], &["ROLLBACK", "BEGIN"]] {
        let declare = format!("DECLARE p CURSOR FOR {EVIL}");
        let one_by_one: Vec<String> = before.iter().map(ToString::to_string).chain([declare]).collect();
        let in_one_message = vec![one_by_one.join("; ")];
        for statements in [one_by_one, in_one_message] {
            let mut raw = session("ruled")?;
            ask(&mut raw, "BEGIN")?;
            segment(&mut raw, &[parse("", "SELECT 1, 2"), bind("p", "")])?;
            for statement in &statements {
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
    let temporary = "CREATE TEMP TABLE customers (LIKE scratch.customers)";
    // Under the first statement `customers` is a table that no rule names, after the second the one that is protected.
    for (before, after) in [
        ("SET search_path = scratch", "SET search_path = public"),
        ("SET search_path = scratch", "RESET search_path"),
        (temporary, "ALTER TABLE pg_temp.customers RENAME TO customers_before"),
        (temporary, "DISCARD TEMP"),
    ] {
        let mut raw = session("ruled")?;
        ask(&mut raw, before)?;
        segment(&mut raw, &[parse("s", select), describe('S', "s")])?;
        segment(&mut raw, &[bind("p", "s"), describe('P', "p"), execute("p", 0)])?;
        // From version 18 on, the server reports its search path.
        assert_eq!(tags(&ask(&mut raw, after)?).replace('S', ""), "CZ", "{after}");
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
        let notify =
            "SELECT pg_notify('bypass', 'mail ' || email || ', card ' || card) FROM customers LIMIT 1";
        let answer = ask(&mut raw, notify)?;
        let notified = answer.iter().find(|message| message.tag == 'A');
        // What a rule protects is not sent at all; what a detector may find is looked for in the payload.
        match error(&answer) {
            Ok(refused) => assert_eq!(refused.field('C').as_deref(), Some(PRIVILEGE), "{group}"),
            Err(_) => assert!(notified.context("no notification")?.text().contains("bypass")),
        }
        // Of another session, while idle.
        session(policy::ENGINEERS)?
            .query("SELECT pg_notify('bypass', 'card ' || card) FROM customers LIMIT 1")?;
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

// --- what a session takes, and that it ends

/// A role of no plugin, and one whose policy does not come back.
fn hanging_policy() -> anyhow::Result<String> {
    let plugin = policy::plugin("hangs", "hostile-policy", "mode = \"spin\", trigger = \"x\", size = 1")?;
    Ok(format!(
        r#"
[limits]
drain_timeout = "1s"
plugin_deadline = "5s"

[[role]]
name = "plain"
groups = ["plain"]
upstreams = ["demo"]
statements = ["read", "write", "transaction", "session", "lock"]
policies = []
detectors = []

[[role]]
name = "hanging"
groups = ["hanging"]
upstreams = ["demo"]
statements = ["read"]
policies = ["hangs"]
detectors = []

{plugin}"#
    ))
}

/// A gateway of a test's own.
fn gateway() -> anyhow::Result<Grille> {
    STAGE.another_grille(&hanging_policy()?, "")
}

fn sessions_of(grille: &Grille) -> anyhow::Result<usize> {
    let metrics = grille.metrics()?;
    let line = metrics.lines().find_map(|line| line.strip_prefix("grille_sessions "));
    Ok(line.context("no count of sessions")?.parse()?)
}

fn upstream_sessions_as(application: &str) -> anyhow::Result<usize> {
    let count = format!("SELECT count(*) FROM pg_stat_activity WHERE application_name = '{application}'");
    Ok(STAGE.postgres.sql_admin("postgres", &count)?.parse()?)
}

/// What a client may have sent when it goes away.
fn unfinished() -> Vec<Vec<u8>> {
    let flush = message('H', &[]);
    vec![
        Vec::new(),
        query("SELECT 1")[..7].to_vec(),
        query("BEGIN"),
        parse("", "SELECT 1"),
        [parse("s", "SELECT 1"), flush.clone()].concat(),
        extended("SELECT 1"),
        [extended("SELECT 1/0"), extended("SELECT 1")].concat(),
        [extended("DROP TABLE ledger"), flush].concat(),
        [extended("SET geqo = on"), extended("SELECT 1")].concat(),
        [query("BEGIN"), extended("SELECT 1"), parse("t", "SELECT 2")[..9].to_vec()].concat(),
    ]
}

#[test]
fn a_client_that_goes_away_leaves_no_session() -> anyhow::Result<()> {
    let (grille, name) = (gateway()?, "gone-away");
    let mut clients = Vec::new();
    for sent in unfinished() {
        for _ in 0..2 {
            let mut raw = STAGE.session_at(&grille, "plain", &[("application_name", name)])?;
            raw.send(&sent)?;
            clients.push(raw);
        }
    }
    let all = (clients.len(), clients.len());
    // A client hears that it is logged in before its session is counted.
    wait::until("all sessions", wait::PATIENCE, || {
        Ok(((sessions_of(&grille)?, upstream_sessions_as(name)?) == all).then_some(()))
    })?;
    // Half of them wait for what is still to come, half do not.
    for (index, mut raw) in clients.into_iter().enumerate() {
        if index % 2 == 0 {
            raw.half_close()?;
            raw.until_closed().with_context(|| format!("client {index}"))?;
        }
    }
    wait::until("the sessions to end", wait::PATIENCE, || {
        Ok((sessions_of(&grille)? == 0 && upstream_sessions_as(name)? == 0).then_some(()))
    })
}

/// Most that a client may make the process grow by, in KiB: its buffers and the queue of what is unanswered.
const GROWTH_KIB_MAX: usize = 32 * 1024;

/// Memory of the process in use, in KiB (proc(5): `VmRSS`).
fn memory_of(grille: &mut Grille) -> anyhow::Result<usize> {
    let status = fs::read_to_string(format!("/proc/{}/status", grille.process().pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

#[test]
fn what_waits_behind_a_slow_statement_stays_in_the_socket() -> anyhow::Result<()> {
    const FLOOD_BYTES: usize = 200 << 20;
    // So many looks without a byte taken, and the client is held up.
    const QUIET_LOOKS: u32 = 50;
    let long = query(&format!("SELECT 1 /* {} */", "x".repeat(100_000)));
    for slow in ["SELECT pg_sleep(600)", "SELECT pg_sleep(600); SET geqo = on"] {
        for behind in [[extended("SELECT 1"), sync()].concat().repeat(2000), long.clone()] {
            let mut grille = gateway()?;
            let mut raw = STAGE.session_at(&grille, "plain", &[])?;
            raw.send(&query(slow))?;
            let before = memory_of(&mut grille)?;
            let sent = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&sent);
            let client = thread::spawn(move || {
                while counter.load(Ordering::Relaxed) < FLOOD_BYTES && raw.send(&behind).is_ok() {
                    counter.fetch_add(behind.len(), Ordering::Relaxed);
                }
            });
            let mut last = (0, 0);
            wait::until("the client to be held up", wait::PATIENCE, || {
                let now = sent.load(Ordering::Relaxed);
                last = (now, if now == last.0 { last.1 + 1 } else { 0 });
                Ok((last.1 == QUIET_LOOKS || now >= FLOOD_BYTES).then_some(()))
            })?;
            let grown = memory_of(&mut grille)?.saturating_sub(before);
            grille.process().signal(Signal::Kill)?;
            client.join().expect("the client does not panic");
            assert!(last.0 < FLOOD_BYTES, "{slow}: everything was taken");
            assert!(grown < GROWTH_KIB_MAX, "{slow}: grown by {grown} KiB");
        }
    }
    Ok(())
}

#[test]
fn statements_that_never_come_again_take_no_memory() -> anyhow::Result<()> {
    // Less than what the second lot would take if it were remembered.
    const GROWTH_KIB_MAX: usize = 48 * 1024;
    let mut grille = STAGE.another_grille(&policy::standard(sample::DATABASE)?, "")?;
    let mut raw = STAGE.session_at(&grille, policy::ANALYSTS, &[])?;
    let mut ask_for_columns = |number: usize| {
        let columns: Vec<String> = (0..2000).map(|column| format!("column_{number}_{column}")).collect();
        let answer = raw.query(&format!("SELECT {} FROM nowhere", columns.join(", ")))?;
        assert_refused(&answer, "42P01")
    };
    // At first each worker's heap becomes as large as the parse of one statement.
    (0..300).try_for_each(&mut ask_for_columns)?;
    let before = memory_of(&mut grille)?;
    (300..1000).try_for_each(ask_for_columns)?;
    let grown = memory_of(&mut grille)?.saturating_sub(before);
    assert!(grown < GROWTH_KIB_MAX, "grown by {grown} KiB");
    Ok(())
}

#[test]
fn a_policy_that_hangs_holds_up_no_other_session() -> anyhow::Result<()> {
    // Held up, it would be one at most.
    const STATEMENTS_MIN: u32 = 20;
    let grille = gateway()?;
    let mut other = STAGE.session_at(&grille, "plain", &[])?;
    // More than there can be workers.
    let hanging = 2 * thread::available_parallelism()?.get() + 2;
    let sessions: Vec<Raw> =
        (0..hanging).map(|_| STAGE.session_at(&grille, "hanging", &[])).collect::<Result<_, _>>()?;
    let waiting: Vec<_> =
        sessions.into_iter().map(|mut raw| thread::spawn(move || raw.query("SELECT 1"))).collect();
    let mut answered = 0;
    while !waiting.iter().any(thread::JoinHandle::is_finished) {
        assert_eq!(tags(&other.query("SELECT 1")?), "TDCZ");
        answered += 1;
    }
    for session in waiting {
        assert_refused(&session.join().expect("no panic")?, PRIVILEGE)?;
    }
    assert!(answered >= STATEMENTS_MIN, "{answered} statements while others hung");
    Ok(())
}

/// Whether the connection ends with the words of a shutdown.
fn assert_shut_down(mut raw: Raw) -> anyhow::Result<Vec<Message>> {
    let messages = raw.until_closed()?;
    assert_refused(&messages, "57P01")?;
    Ok(messages)
}

#[test]
fn a_shutdown_lets_what_runs_finish() -> anyhow::Result<()> {
    let mut grille = STAGE
        .another_grille(&hanging_policy()?.replace("drain_timeout = \"1s\"", "drain_timeout = \"1m\""), "")?;
    let mut holder = session(policy::ENGINEERS)?;
    holder.query("SELECT pg_advisory_lock(4711)")?;
    let (idle, mut running) =
        (STAGE.session_at(&grille, "plain", &[])?, STAGE.session_at(&grille, "plain", &[])?);
    running.send(&query("SELECT pg_advisory_xact_lock(4711), 'finished'"))?;
    wait::until("the statement to run", wait::PATIENCE, || {
        let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
        Ok((STAGE.postgres.sql_admin("postgres", waits)? == "1").then_some(()))
    })?;
    grille.process().signal(Signal::Terminate)?;
    assert_shut_down(idle)?;
    wait::until("new clients to be turned away", wait::PATIENCE, || {
        Ok(Raw::connect(grille.plaintext_port()).is_err().then_some(()))
    })?;
    grille.process().check_alive()?;
    holder.query("SELECT pg_advisory_unlock(4711)")?;
    let last = assert_shut_down(running)?;
    assert_eq!(tags(&last), "TDCZE");
    assert!(last[1].text().contains("finished"), "{last:?}");
    assert!(grille.process().wait()?.success());
    Ok(())
}

#[test]
fn a_shutdown_does_not_wait_for_ever() -> anyhow::Result<()> {
    let mut grille = gateway()?;
    let mut clients = Vec::new();
    for sent in unfinished().into_iter().chain([query("SELECT pg_sleep(600)")]) {
        let mut raw = STAGE.session_at(&grille, "plain", &[])?;
        raw.send(&sent)?;
        clients.push(raw);
    }
    grille.process().signal(Signal::Terminate)?;
    for mut raw in clients {
        raw.until_closed()?;
    }
    assert!(grille.process().wait()?.success());
    Ok(())
}
