//! The story that `cargo xtask demo --check` tells without a person: a line for each step.

use std::process::{Command, ExitCode};

use anyhow::{Context, ensure};
use grille_harness::{Python, Ran, sample, wait, workspace};
use serde_json::Value;

use crate::stage::{PRINCIPAL, Stage};

/// In a literal of a statement; it must not be recorded.
const LITERAL: &str = "a-literal-that-nobody-may-record";

/// What each client reads.
const QUERY: &str = "SELECT id, name, email, phone, card, ssn, iban, notes, profile, tags, balance, born, uid, active \
                     FROM customers ORDER BY id";

/// A step of the story.
struct Step {
    told: &'static str,
    see: fn(&Stage) -> anyhow::Result<()>,
}

const STORY: [Step; 9] = [
    Step { told: "the data behind Grille is not masked", see: Stage::data_is_there },
    Step { told: "the token is accepted", see: Stage::token_is_accepted },
    Step { told: "psql sees masked customers", see: Stage::psql_is_masked },
    Step { told: "psycopg sees masked customers, in binary", see: Stage::psycopg_is_masked },
    Step { told: "tokio-postgres sees masked customers", see: Stage::tokio_postgres_is_masked },
    Step {
        told: "DROP TABLE is refused with its reason, and the session goes on",
        see: Stage::drop_is_refused,
    },
    Step {
        told: "DELETE without WHERE is refused with its reason, and the session goes on",
        see: Stage::delete_is_refused,
    },
    Step { told: "the audit log tells who did what, under which plugins", see: Stage::audit_tells },
    Step { told: "no value, literal or password is in log, audit or metrics", see: Stage::nothing_leaked },
];

impl Stage {
    /// The story, each step told by a line.
    pub(crate) fn check(&self) -> anyhow::Result<ExitCode> {
        let mut failures = 0;
        for step in STORY {
            match (step.see)(self) {
                Ok(()) => println!("ok     {}", step.told),
                Err(error) => {
                    failures += 1;
                    println!("FAILED {}: {error:#}", step.told);
                }
            }
        }
        println!("demo: {} steps, {failures} failed", STORY.len());
        if failures > 0 {
            eprintln!("{}", self.grille.log()?);
        }
        Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn data_is_there(&self) -> anyhow::Result<()> {
        let rows = self.application.direct.psql_strict(QUERY)?.ok()?;
        let missing = sample::customers().find(|row| !rows.contains(&row.email) || !rows.contains(&row.card));
        ensure!(missing.is_none(), "{missing:?} is missing");
        Ok(())
    }

    fn token_is_accepted(&self) -> anyhow::Result<()> {
        let said = self.client.psql_strict("SELECT 6 * 7")?.ok()?;
        ensure!(said.trim() == "42", "{said}");
        Ok(())
    }

    fn psql_is_masked(&self) -> anyhow::Result<()> {
        let said = self.client.psql_strict(&format!("\\pset null NULL\n{QUERY}"))?.ok()?;
        nothing_raw(&said)?;
        let rows: Vec<Vec<&str>> = said.lines().map(|line| line.split('|').collect()).collect();
        ensure!(rows.len() == sample::CUSTOMERS as usize, "{} rows", rows.len());
        for (row, customer) in rows.iter().zip(sample::customers()) {
            ensure!(row.len() == 14, "{row:?}");
            ensure!(row[0] == customer.id.to_string() && row[1] == customer.name, "{row:?}");
            ensure!(keeps_last_four(row[4], &customer.card), "{}", row[4]);
            ensure!(row[5] == "NULL", "{}", row[5]);
            ensure!(row[10] == format!("{}.25", customer.id), "{}", row[10]);
        }
        Ok(())
    }

    fn psycopg_is_masked(&self) -> anyhow::Result<()> {
        let script = format!(
            "import psycopg, datetime, decimal, uuid\n\
             with psycopg.connect('') as connection:\n    \
                 rows = connection.cursor(binary=True).execute({QUERY:?}).fetchall()\n\
             for row in rows:\n    \
                 assert isinstance(row[8], dict) and isinstance(row[9], list) and len(row[9]) == 2, row\n    \
                 assert row[10] == decimal.Decimal(row[0]) + decimal.Decimal('0.25'), row\n    \
                 assert isinstance(row[11], datetime.date) and isinstance(row[12], uuid.UUID), row\n    \
                 assert row[5] is None and isinstance(row[13], bool), row\n    \
                 print(*row, sep='|')\n"
        );
        let said = Python::prepare()?.run(&script, &self.client)?.ok()?;
        nothing_raw(&said)?;
        ensure!(said.lines().count() == sample::CUSTOMERS as usize, "{} rows", said.lines().count());
        Ok(())
    }

    fn tokio_postgres_is_masked(&self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let rows = runtime.block_on(async {
            let client = self.client.connect().await?;
            let query = "SELECT id, name, email, card, ssn, tags, active FROM customers ORDER BY id";
            anyhow::Ok(client.query(query, &[]).await?)
        })?;
        ensure!(rows.len() == sample::CUSTOMERS as usize, "{} rows", rows.len());
        for (row, customer) in rows.iter().zip(sample::customers()) {
            let (id, name): (i64, &str) = (row.try_get(0)?, row.try_get(1)?);
            ensure!(id == i64::from(customer.id) && name == customer.name, "{id} {name}");
            let (email, card): (&str, &str) = (row.try_get(2)?, row.try_get(3)?);
            let ssn: Option<&str> = row.try_get(4)?;
            let tags: Vec<&str> = row.try_get(5)?;
            let _: bool = row.try_get(6)?;
            nothing_raw(&[email, card, &tags.join(" ")].join(" "))?;
            ensure!(keeps_last_four(card, &customer.card) && ssn.is_none(), "{card} {ssn:?}");
        }
        Ok(())
    }

    fn drop_is_refused(&self) -> anyhow::Result<()> {
        self.refused("DROP TABLE orders", "DROP TABLE would remove")?;
        self.orders_are_all_there()
    }

    fn delete_is_refused(&self) -> anyhow::Result<()> {
        self.refused("DELETE FROM orders", "DELETE without WHERE would remove every row of")?;
        self.orders_are_all_there()
    }

    /// One session: the statement, then another one.
    fn refused(&self, statement: &str, reason: &str) -> anyhow::Result<()> {
        let ran = self.client.psql(&format!("{statement};\nSELECT 'the session goes on';"))?;
        ensure!(ran.stderr.contains("42501") && ran.stderr.contains(reason), "{}", ran.said());
        ensure!(ran.stdout.trim() == "the session goes on", "{}", ran.said());
        Ok(())
    }

    fn orders_are_all_there(&self) -> anyhow::Result<()> {
        let count = self.postgres.sql_admin(sample::DATABASE, "SELECT count(*) FROM orders")?;
        ensure!(count == sample::ORDERS.to_string(), "{count} orders are left");
        Ok(())
    }

    fn audit_tells(&self) -> anyhow::Result<()> {
        let query = format!("SELECT email, card FROM customers WHERE id <= 10 AND name <> '{LITERAL}'");
        self.client.psql_strict(&query)?.ok()?;
        let story = wait::until("the session's last record", wait::PATIENCE, || self.last_story())?;
        let wanted =
            ["EMAIL_ADDRESS", "CREDIT_CARD", "$1", &digest("pii")?, &digest("sql-guard")?, PRINCIPAL];
        for needed in wanted {
            ensure!(story.contains(needed), "{needed} is missing in {story}");
        }
        ensure!(!story.contains(LITERAL), "a literal is recorded: {story}");
        let refused = self.sessions()?.iter().filter(|session| session["refused"] == 1).count();
        ensure!(refused == 2, "{refused} sessions had a statement refused");
        Ok(())
    }

    /// What `grille sessions show` tells of the last session, once that is closed.
    fn last_story(&self) -> anyhow::Result<Option<String>> {
        let sessions = self.sessions()?;
        let last = sessions.last().context("no session")?;
        if last["closed"].is_null() {
            return Ok(None);
        }
        let id = last["session"].as_str().context("a session has an id")?;
        self.grille.command(&["sessions", "show", id, "--output", "json"])?.ok().map(Some)
    }

    fn sessions(&self) -> anyhow::Result<Vec<Value>> {
        let list = self.grille.command(&["sessions", "list", "--output", "json"])?.ok()?;
        let list: Value = serde_json::from_str(&list).context("the list is JSON")?;
        Ok(list["sessions"].as_array().context("no list of sessions")?.clone())
    }

    fn nothing_leaked(&self) -> anyhow::Result<()> {
        let written = self.grille.everything_written()?;
        nothing_raw(&written)?;
        let secrets = [
            ("a literal", LITERAL),
            ("the backend's password", self.application.direct.password.as_str()),
            ("the client's token", self.client.password.as_str()),
            ("the key of tokens", self.grille.token_key()),
        ];
        for (what, secret) in secrets {
            ensure!(!written.contains(secret), "{what} was written");
        }
        Ok(())
    }
}

fn nothing_raw(text: &str) -> anyhow::Result<()> {
    let found = sample::canaries_in(text);
    ensure!(found.is_empty(), "raw values: {found:?}");
    Ok(())
}

/// Digits became `*`, but for the last four.
fn keeps_last_four(masked: &str, card: &str) -> bool {
    let (hidden, kept) = card.split_at(card.len() - 4);
    masked.strip_suffix(kept).is_some_and(|head| head == hidden.replace(|c: char| c.is_ascii_digit(), "*"))
}

/// SHA-256 of a plugin's component, as `sha256sum` sees it.
fn digest(plugin: &str) -> anyhow::Result<String> {
    let output = Command::new("sha256sum").arg(workspace::plugin(plugin)?).output()?;
    let said = Ran::from(output).ok()?;
    Ok(said.split(' ').next().context("a digest")?.to_owned())
}
