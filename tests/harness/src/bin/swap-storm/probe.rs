//! Sessions that are there from the beginning: one that asks after each swap, and one that does nothing at all.

use anyhow::{Context, ensure};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, Statement};

use crate::stage::{Group, PEOPLE, Settings, Stage};

/// A session with a statement that it has prepared before the first swap.
pub(crate) struct Probe {
    runtime: Runtime,
    client: Client,
    prepared: Statement,
    idle: Client,
}

impl Probe {
    pub(crate) fn connect(stage: &Stage) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let endpoint = stage.endpoint(Group::Masked)?;
        let client = runtime.block_on(endpoint.connect())?;
        let idle = runtime.block_on(endpoint.connect())?;
        runtime.block_on(idle.batch_execute("SELECT 1"))?;
        let prepared =
            runtime.block_on(client.prepare("SELECT email, secret, note FROM people WHERE id = $1"))?;
        Ok(Self { runtime, client, prepared, idle })
    }

    /// The statement that was prepared long ago must be masked under whatever is active now.
    pub(crate) fn check_mask(&self, marker: &str) -> anyhow::Result<()> {
        let row = self.runtime.block_on(self.client.query_one(&self.prepared, &[&7_i32]))?;
        for column in 0..3 {
            let value: &str = row.get(column);
            ensure!(!value.contains(marker), "an unmasked value");
        }
        Ok(())
    }

    /// Whether refusals speak of these settings, the policy's and the role's.
    pub(crate) fn hears(&self, settings: &Settings) -> anyhow::Result<bool> {
        ensure!(settings.row_cap < PEOPLE, "the cap is more than there is");
        let hint = self.refusal("DROP TABLE nothing")?.contains(&format!("hint {}.", settings.hint));
        let cap = self.refusal("SELECT id FROM people")?.contains(&format!("({})", settings.row_cap));
        Ok(hint && cap)
    }

    /// The session that has done nothing since the beginning does something.
    pub(crate) fn wake(&self) -> anyhow::Result<()> {
        self.runtime.block_on(self.idle.batch_execute("SELECT 1")).context("the idle session")
    }

    fn refusal(&self, sql: &str) -> anyhow::Result<String> {
        let error = self.runtime.block_on(self.client.query(sql, &[])).err().context("it was not refused")?;
        let told = error.as_db_error().with_context(|| format!("{sql}: {error}"))?;
        Ok(format!("{} {}", told.message(), told.detail().unwrap_or_default()))
    }
}
