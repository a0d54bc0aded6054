//! What becomes of a session whose token expires: by each of the operator's rules, at rest and in the middle of a statement.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use grille_e2e::raw::{bind, error, execute, extended, parse, query, sync, tags};
use grille_e2e::{Message, Raw, Stage};
use grille_harness::{Grille, Signature, policy, sample, wait};
use serde_json::json;

static STAGE: LazyLock<Stage> = LazyLock::new(|| Stage::standard("").expect("the stage is set"));

/// How long the tokens of these tests are valid: long enough to log in and begin something on a busy machine.
const VALID: Duration = Duration::from_secs(6);

const EXPIRED: &str = "28000";

fn gateway(rule: &str, leeway: &str) -> anyhow::Result<Grille> {
    let issuer = format!("on_token_expiry = \"{rule}\"\nleeway = \"{leeway}\"");
    STAGE.another_grille(&policy::standard(sample::DATABASE)?, &issuer)
}

/// A token that expires at `expires`, in seconds since the epoch.
fn token(expires: u64) -> anyhow::Result<String> {
    let claims = STAGE.provider.claims("eve", &json!({ "exp": expires }))?;
    STAGE.provider.mint(&claims, &json!({}), Signature::Es256)
}

fn now() -> anyhow::Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

/// A session whose token expires in [`VALID`].
fn session(grille: &Grille) -> anyhow::Result<Raw> {
    let mut raw = Raw::connect(grille.plaintext_port())?;
    raw.log_in(sample::DATABASE, &token(now()? + VALID.as_secs())?)?;
    Ok(raw)
}

/// A statement that runs until the token has expired for sure.
fn outlast() -> Vec<u8> {
    query(&format!("SELECT pg_sleep({}), 'awake'", VALID.as_secs() + 2))
}

fn assert_expired(answer: &[Message]) -> anyhow::Result<()> {
    let refused = error(answer)?;
    ensure!(refused.field('C').as_deref() == Some(EXPIRED), "{}", refused.text());
    ensure!(refused.text().contains("your token has expired"), "{}", refused.text());
    Ok(())
}

#[test]
fn refuse_finishes_what_runs_and_lets_a_transaction_be_ended() -> anyhow::Result<()> {
    let grille = gateway("refuse", "0s")?;
    let mut raw = session(&grille)?;
    raw.query("CREATE TEMP TABLE kept (n int)")?;
    raw.send(&[parse("counted", "SELECT count(*) FROM kept"), sync()].concat())?;
    raw.until('Z')?;
    raw.query("BEGIN")?;
    raw.query("INSERT INTO kept VALUES (1)")?;
    raw.send(&outlast())?;
    let finished = raw.until('Z')?;
    ensure!(finished.iter().any(|message| message.text().contains("awake")), "{finished:?}");

    // As a simple query, prepared anew, and prepared while the token was good.
    assert_expired(&raw.query("SELECT 1")?)?;
    raw.query("ROLLBACK")?;
    raw.send(&[extended("SELECT 1"), sync()].concat())?;
    assert_expired(&raw.until('Z')?)?;
    raw.send(&[bind("", "counted"), execute("", 0), sync()].concat())?;
    assert_expired(&raw.until('Z')?)?;
    for statement in ["", "BEGIN", "COMMIT; SELECT 1", "COMMIT PREPARED 'x'", "SET search_path = public"] {
        assert_expired(&raw.query(statement)?).with_context(|| statement.to_owned())?;
    }
    let committed = raw.query("COMMIT")?;
    ensure!(error(&committed).is_err() && tags(&committed).ends_with('Z'), "{committed:?}");
    wait::until("the record", wait::PATIENCE, || {
        let refused =
            |line: &str| line.contains("exchange-refused") && line.contains("the token has expired");
        Ok(grille.audit()?.lines().any(refused).then_some(()))
    })
}

#[test]
fn refuse_lets_a_transaction_be_committed() -> anyhow::Result<()> {
    let grille = gateway("refuse", "0s")?;
    let mut raw = session(&grille)?;
    STAGE.application.direct.psql_strict("CREATE TABLE IF NOT EXISTS committed (n int)")?.ok()?;
    raw.query("BEGIN")?;
    raw.query("INSERT INTO committed VALUES (1)")?;
    raw.send(&outlast())?;
    raw.until('Z')?;
    raw.send(&[extended("COMMIT"), sync()].concat())?;
    let committed = raw.until('Z')?;
    ensure!(error(&committed).is_err(), "{committed:?}");
    assert_eq!(STAGE.rows_of("committed")?, 1);
    Ok(())
}

#[test]
fn finish_goes_on() -> anyhow::Result<()> {
    let grille = gateway("finish", "0s")?;
    let mut raw = session(&grille)?;
    raw.send(&outlast())?;
    raw.until('Z')?;
    let answer = raw.query("SELECT 'still here'")?;
    ensure!(answer.iter().any(|message| message.text().contains("still here")), "{answer:?}");
    Ok(())
}

/// That the session ended by itself, with these last words and a record.
fn assert_ended(grille: &Grille, last: &[Message]) -> anyhow::Result<()> {
    let fatal = last.last().context("no last words")?;
    ensure!(fatal.field('S').as_deref() == Some("FATAL"), "{last:?}");
    assert_expired(last)?;
    wait::until("the record", wait::PATIENCE, || {
        let closed = |line: &str| line.contains("session-closed") && line.contains("\"token expired\"");
        Ok(grille.audit()?.lines().any(closed).then_some(()))
    })
}

#[test]
fn end_ends_a_session_at_rest() -> anyhow::Result<()> {
    let grille = gateway("end", "0s")?;
    let mut raw = session(&grille)?;
    let last = raw.until_closed()?;
    assert_ended(&grille, &last)
}

#[test]
fn end_ends_a_session_in_the_middle_of_a_statement_and_stops_it() -> anyhow::Result<()> {
    let grille = gateway("end", "0s")?;
    let mut raw = session(&grille)?;
    raw.send(&query("SELECT pg_sleep(600) AS outlived"))?;
    let last = raw.until_closed()?;
    assert_ended(&grille, &last)?;
    wait::until("the statement to be canceled", wait::PATIENCE, || {
        let active =
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%AS outlived'";
        Ok((STAGE.postgres.sql_admin("postgres", active)? == "0").then_some(()))
    })
}

#[test]
fn end_is_not_put_off_by_traffic() -> anyhow::Result<()> {
    let grille = gateway("end", "0s")?;
    let mut raw = session(&grille)?;
    let deadline = now()? + VALID.as_secs() + 10;
    while raw.send(&query("SELECT 1")).is_ok() {
        ensure!(now()? < deadline, "it goes on");
        let mut message = raw.message()?;
        while message.as_ref().is_some_and(|message| message.tag != 'Z' && message.tag != 'E') {
            message = raw.message()?;
        }
        match message {
            Some(message) if message.tag == 'E' => return assert_ended(&grille, &[message]),
            Some(_) => {}
            None => break,
        }
    }
    anyhow::bail!("closed without a word")
}

#[test]
fn the_leeway_counts() -> anyhow::Result<()> {
    for rule in ["refuse", "end"] {
        let grille = gateway(rule, "5m")?;
        let mut raw = Raw::connect(grille.plaintext_port())?;
        raw.log_in(sample::DATABASE, &token(now()? - 60)?)?;
        let answer = raw.query("SELECT 1")?;
        ensure!(error(&answer).is_err(), "{rule}: {answer:?}");
    }
    Ok(())
}
