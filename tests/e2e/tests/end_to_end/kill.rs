//! `grille sessions kill` and `list --live` against the running gateway: at rest, in the middle of a statement, and with a
//! client that does not listen; and orders that end nothing.

use std::sync::LazyLock;

use anyhow::{Context, ensure};
use grille_e2e::raw::{error, query};
use grille_e2e::{Message, Raw, Stage};
use grille_harness::{sample, wait};
use serde_json::Value;

static STAGE: LazyLock<Stage> = LazyLock::new(|| Stage::standard("").expect("the stage is set"));

/// A session and its id, found by the name the client gives itself.
fn session(name: &str) -> anyhow::Result<(Raw, String)> {
    let mut raw = Raw::connect(STAGE.grille.plaintext_port())?;
    let parameters = [("user", "raw"), ("database", sample::DATABASE), ("application_name", name)];
    raw.log_in_with(&parameters, &STAGE.engineer()?.password)?;
    let live = live()?;
    let session = live.iter().find(|session| session["application"] == name).context("it is live")?;
    Ok((raw, session["session"].as_str().context("an id")?.to_owned()))
}

/// The open sessions, the oldest first.
fn live() -> anyhow::Result<Vec<Value>> {
    let listed = STAGE.grille.command(&["sessions", "list", "--live", "--output", "json"])?.ok()?;
    let listed: Value = serde_json::from_str(&listed)?;
    Ok(listed["sessions"].as_array().context("a list")?.clone())
}

fn is_live(id: &str) -> anyhow::Result<bool> {
    Ok(live()?.iter().any(|session| session["session"] == id))
}

fn kill(arguments: &[&str]) -> anyhow::Result<grille_harness::Ran> {
    STAGE.grille.command(&[&["sessions", "kill"], arguments].concat())
}

fn assert_killed(last: &[Message], says: &str) -> anyhow::Result<()> {
    let fatal = error(last)?;
    ensure!(fatal.field('S').as_deref() == Some("FATAL"), "{}", fatal.text());
    ensure!(fatal.field('C').as_deref() == Some("57P01"), "{}", fatal.text());
    ensure!(fatal.field('M').as_deref() == Some(says), "{}", fatal.text());
    Ok(())
}

#[test]
fn a_session_at_rest_ends_and_the_client_is_told_why() -> anyhow::Result<()> {
    let (mut raw, id) = session("at-rest")?;
    let ran = kill(&[&id, "--reason", "maintenance at nine"])?;
    assert_eq!(ran.ok()?, format!("session {id} ended\n"));
    assert!(!is_live(&id)?, "it has ended when the command has");
    assert_killed(&raw.until_closed()?, "an operator ended your session: maintenance at nine")?;
    wait::until("the record", wait::PATIENCE, || {
        let closed = |line: &str| {
            line.contains("session-closed")
                && line.contains(&id)
                && line.contains("killed by user id ")
                && line.contains(": maintenance at nine")
        };
        Ok(STAGE.grille.audit()?.lines().any(closed).then_some(()))
    })?;
    let listed = STAGE.grille.command(&["sessions", "list"])?.ok()?;
    ensure!(listed.lines().any(|line| line.contains(&id) && line.contains("killed by user id")), "{listed}");
    Ok(())
}

#[test]
fn a_statement_under_way_is_stopped_upstream() -> anyhow::Result<()> {
    let (mut raw, id) = session("under-way")?;
    raw.send(&query("SELECT pg_sleep(600) AS killed"))?;
    let active = || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%AS killed'";
        STAGE.postgres.sql_admin("postgres", sql)
    };
    wait::until("the statement to run", wait::PATIENCE, || Ok((active()? == "1").then_some(())))?;
    // The reference from an error message will do.
    kill(&[&format!("{}-2", &id[..8])])?.ok()?;
    assert_killed(&raw.until_closed()?, "an operator ended your session")?;
    wait::until("the statement to be canceled", wait::PATIENCE, || Ok((active()? == "0").then_some(())))
}

#[test]
fn a_client_that_does_not_read_is_let_go() -> anyhow::Result<()> {
    let (mut raw, id) = session("deaf")?;
    raw.send(&query("SELECT repeat('x', 1000) FROM generate_series(1, 100000000) AS deaf"))?;
    let waits =
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '% AS deaf' AND wait_event = 'ClientWrite'";
    wait::until("everything to be full", wait::PATIENCE, || {
        Ok((STAGE.postgres.sql_admin("postgres", waits)? == "1").then_some(()))
    })?;
    kill(&[&id])?.ok()?;
    assert!(!is_live(&id)?);
    wait::until("the statement to be canceled", wait::PATIENCE, || {
        let runs = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '% AS deaf' AND state = 'active'";
        Ok((STAGE.postgres.sql_admin("postgres", runs)? == "0").then_some(()))
    })
}

#[test]
fn an_order_that_names_no_session_ends_none() -> anyhow::Result<()> {
    let (mut raw, id) = session("spared")?;
    for (arguments, says) in [
        (&["ffffffff"][..], "no open session has the id"),
        (&["xyz"], "is not a session's id"),
        (&[&id[..7]], "is not a session's id"),
        (&[&id, "--reason", "a\u{1b}[2J"], "a reason has at most"),
    ] {
        let ran = kill(arguments)?;
        assert_eq!(ran.code, 1, "{arguments:?}: {}", ran.said());
        assert!(ran.stderr.contains(says), "{arguments:?}: {}", ran.stderr);
    }
    let answer = raw.query("SELECT 'spared'")?;
    ensure!(answer.iter().any(|message| message.text().contains("spared")), "{answer:?}");
    Ok(())
}

#[test]
fn what_is_live_is_listed_for_people() -> anyhow::Result<()> {
    let (_raw, id) = session("listed")?;
    let listed = STAGE.grille.command(&["sessions", "list", "--live"])?.ok()?;
    let line = listed.lines().find(|line| line.contains(&id)).context("it is listed")?;
    ensure!(line.contains("eve") && line.contains("engineer") && line.contains(sample::DATABASE), "{line}");
    Ok(())
}
