//! What policy refuses is refused on every way to send a statement, never reaches the upstream, undoes what it was bundled
//! with, and leaves the session alive.

use std::sync::LazyLock;

use anyhow::Context;
use grille_e2e::raw::{error, extended, query, sync, tags};
use grille_e2e::{Raw, Stage};
use grille_harness::{policy, sample, wait};
use tokio::runtime::Handle;
use tokio_postgres::error::SqlState;

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let held = policy::plugin("approvals", "sql-guard", "base = \"none\", hold = { kinds = [\"delete\"] }");
    let stage = Stage::standard(&(held.expect("sql-guard is built") + HELD)).expect("the stage is set");
    let ledger = "CREATE TABLE ledger (entry text); CREATE TABLE keep (entry text)";
    stage.application.direct.psql_strict(ledger).and_then(grille_harness::Ran::ok).expect("tables");
    stage
});

const HELD: &str = r#"
[[role]]
name = "held"
groups = ["held"]
upstreams = ["demo"]
statements = ["read", "write"]
policies = ["approvals"]
detectors = []

[[role]]
name = "reader"
groups = ["readers"]
upstreams = ["demo"]
statements = ["read"]
policies = []
detectors = []
"#;

/// Whether the upstream was ever sent a text with `marker` in it.
fn upstream_saw(marker: &str) -> anyhow::Result<bool> {
    Ok(STAGE.postgres.log()?.contains(marker))
}

fn entries(marker: &str) -> anyhow::Result<u64> {
    STAGE.rows_of(&format!("ledger WHERE entry = '{marker}'"))
}

#[test]
fn refused_statements_have_reasons_and_stay_here() -> anyhow::Result<()> {
    let check = |statement: &str, reason: &str| {
        let marked = format!("{statement} /* {reason} */");
        let ran = STAGE.analyst()?.psql(&format!("{marked};\nSELECT 'alive';"))?;
        assert!(ran.stderr.contains("42501") && ran.stderr.contains(reason), "{statement}: {}", ran.said());
        assert!(ran.stderr.contains("correlation id"), "{statement}: {}", ran.stderr);
        assert_eq!(ran.stdout.trim(), "alive", "{statement}");
        assert!(!upstream_saw(&marked)?, "{statement}");
        anyhow::Ok(())
    };
    check("DROP TABLE keep", "DROP TABLE would remove")?;
    check("TRUNCATE keep", "TRUNCATE would remove every row of keep")?;
    check("DELETE FROM keep", "DELETE without WHERE would remove every row of keep")?;
    check("DELETE FROM keep WHERE 1 = 1", "DELETE with a WHERE that is the same for every row")?;
    check("UPDATE keep SET entry = ''", "UPDATE without WHERE would change every row of keep")?;
    check("WITH gone AS (DELETE FROM keep RETURNING *) SELECT * FROM gone", "DELETE without WHERE")?;
    check("EXPLAIN ANALYZE DELETE FROM keep", "DELETE without WHERE")?;
    check("PREPARE later AS DELETE FROM keep", "DELETE without WHERE")?;
    check("GRANT ALL ON keep TO PUBLIC", "GRANT")?;
    check("VACUUM keep", "role analyst may not run VACUUM: it lacks maintain")?;
    check("DO $$ BEGIN DELETE FROM keep; END $$", "execute")?;
    Ok(())
}

#[test]
fn statement_classes_are_the_roles() -> anyhow::Result<()> {
    let reader = STAGE.member_of("readers")?;
    let ran = reader.psql("INSERT INTO ledger VALUES ('reader');\nSELECT 'alive';")?;
    assert!(ran.stderr.contains("role reader may not run INSERT: it lacks insert"), "{}", ran.said());
    assert_eq!((ran.stdout.trim(), entries("reader")?), ("alive", 0));
    Ok(())
}

#[test]
fn holding_has_its_own_message() -> anyhow::Result<()> {
    let ran = STAGE.member_of("held")?.psql("DELETE FROM ledger WHERE entry = 'x';\nSELECT 'alive';")?;
    assert!(ran.stderr.contains("needs approval"), "{}", ran.said());
    assert_eq!(ran.stdout.trim(), "alive");
    Ok(())
}

#[tokio::test]
async fn the_extended_protocol_is_refused_and_goes_on() -> anyhow::Result<()> {
    let client = STAGE.analyst()?.connect().await?;
    for _ in 0..2 {
        let refused = client.execute("DELETE FROM orders", &[]).await.err().context("refused")?;
        assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{refused}");
        let alive: i32 = client.query_one("SELECT $1::int4 + 1", &[&41]).await?.get(0);
        assert_eq!(alive, 42);
    }
    let deleted = client.execute("DELETE FROM orders WHERE id < $1", &[&0_i64]).await?;
    assert_eq!(deleted, 0, "with a WHERE it runs");
    assert_eq!(STAGE.rows_of("orders")?, u64::from(sample::ORDERS));
    Ok(())
}

#[test]
fn one_refused_statement_refuses_its_message() -> anyhow::Result<()> {
    let mut raw = Raw::connect(STAGE.grille.plaintext_port())?;
    raw.log_in(sample::DATABASE, &STAGE.analyst()?.password)?;
    let answer = raw.query("INSERT INTO ledger VALUES ('bundled'); DROP TABLE keep; SELECT 1")?;
    assert_eq!(tags(&answer), "EZ");
    assert_eq!((entries("bundled")?, upstream_saw("('bundled')")?), (0, false));
    assert_eq!(tags(&raw.query("SELECT 1")?), "TDCZ");
    Ok(())
}

#[test]
fn a_refusal_in_a_transaction_undoes_it() -> anyhow::Result<()> {
    let script = "BEGIN;\nINSERT INTO ledger VALUES ('before');\nDROP TABLE keep;\nINSERT INTO ledger VALUES ('after');\n\
                  COMMIT;\nSELECT 'alive';";
    let ran = STAGE.analyst()?.psql(script)?;
    assert!(ran.stderr.contains("42501") && ran.stderr.contains("25P02"), "{}", ran.said());
    assert_eq!((ran.stdout.trim(), entries("before")?, entries("after")?), ("alive", 0, 0));
    Ok(())
}

#[test]
fn a_savepoint_takes_a_refusal_back() -> anyhow::Result<()> {
    let script = "BEGIN;\nINSERT INTO ledger VALUES ('kept');\nSAVEPOINT here;\nDROP TABLE keep;\n\
                  ROLLBACK TO here;\nCOMMIT;";
    STAGE.analyst()?.psql(script)?;
    assert_eq!(entries("kept")?, 1);
    Ok(())
}

#[test]
fn a_refusal_in_a_pipeline_undoes_what_it_was_sent_with() -> anyhow::Result<()> {
    let mut raw = Raw::connect(STAGE.grille.plaintext_port())?;
    raw.log_in(sample::DATABASE, &STAGE.analyst()?.password)?;
    let pipeline = [
        extended("INSERT INTO ledger VALUES ('piped before')"),
        extended("DELETE FROM keep AS piped"),
        extended("INSERT INTO ledger VALUES ('piped after')"),
        sync(),
        extended("INSERT INTO ledger VALUES ('piped next')"),
        sync(),
    ];
    raw.send(&pipeline.concat())?;
    let first = raw.until('Z')?;
    let refused = error(&first)?;
    assert_eq!(refused.field('C').as_deref(), Some("42501"), "{}", refused.text());
    assert_eq!(first.last().map(|ready| ready.body.clone()), Some(vec![b'I']));
    assert_eq!(tags(&raw.until('Z')?), "12CZ");
    let counted = [entries("piped before")?, entries("piped after")?, entries("piped next")?];
    assert_eq!(counted, [0, 0, 1]);
    assert!(!upstream_saw("keep AS piped")?);
    Ok(())
}

#[test]
fn a_pipeline_of_psycopg_goes_on_after_a_refusal() -> anyhow::Result<()> {
    let script = r#"
import psycopg
with psycopg.connect("", autocommit=True) as connection:
    with connection.pipeline() as pipeline:
        try:
            connection.execute("INSERT INTO ledger VALUES ('psycopg before')")
            connection.execute("TRUNCATE keep")
            connection.execute("INSERT INTO ledger VALUES ('psycopg after')")
            pipeline.sync()
        except psycopg.errors.InsufficientPrivilege as error:
            print("refused", error.diag.message_primary)
    print(connection.execute("SELECT 'alive'").fetchone()[0])
"#;
    let said = STAGE.python(script, &STAGE.analyst()?)?;
    assert!(said.contains("refused") && said.contains("TRUNCATE") && said.ends_with("alive\n"), "{said}");
    assert_eq!([entries("psycopg before")?, entries("psycopg after")?], [0, 0]);
    Ok(())
}

#[test]
fn several_queries_sent_at_once_are_judged_one_by_one() -> anyhow::Result<()> {
    let mut raw = Raw::connect(STAGE.grille.plaintext_port())?;
    raw.log_in(sample::DATABASE, &STAGE.analyst()?.password)?;
    raw.send(&[query("SELECT 1"), query("DROP TABLE keep"), query("SELECT 2")].concat())?;
    assert_eq!(tags(&raw.until('Z')?), "TDCZ");
    assert_eq!(tags(&raw.until('Z')?), "EZ");
    assert_eq!(tags(&raw.until('Z')?), "TDCZ");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_statement_is_judged_again_after_a_change_of_policy() -> anyhow::Result<()> {
    let grille = STAGE.another_grille(&policy::standard(sample::DATABASE)?, "")?;
    let client = grille.endpoint(sample::DATABASE, &STAGE.provider.token("ada")?).connect().await?;
    let prepared = client.prepare("UPDATE orders SET quantity = quantity WHERE id = $1").await?;
    client.batch_execute("PREPARE by_name AS UPDATE orders SET quantity = quantity WHERE id = 2").await?;
    assert_eq!(client.execute(&prepared, &[&1_i64]).await?, 1);
    client.batch_execute("EXECUTE by_name").await?;

    grille.rewrite_policy(&policy::guarded_by(sample::DATABASE, "deny = { effects = [\"update\"] }")?)?;

    let refused = tokio::task::block_in_place(|| {
        wait::until("the new policy", wait::PATIENCE, || {
            Ok(Handle::current().block_on(client.execute(&prepared, &[&1_i64])).err())
        })
    })?;
    assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{refused}");
    let by_name = client.batch_execute("EXECUTE by_name").await.err().context("refused too")?;
    assert_eq!(by_name.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{by_name}");
    client.batch_execute("SELECT 1").await?;
    Ok(())
}
