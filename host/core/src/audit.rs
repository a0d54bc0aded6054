//! What is recorded, as types; `grille_store` writes it. Reference: docs/reference/audit.md.
//!
//! Nothing here holds a value from a result, a literal of a statement, a token or a credential.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The version of the record format. A reader refuses versions it does not know.
pub const FORMAT_VERSION: u32 = 1;

/// Proof that a record is durable in the sense the operator chose. Made only by the audit log once it has written; a test
/// in tests/arch checks that nothing else calls [`Recorded::attest`].
#[must_use = "the proof that a record was written is what a permit is issued for"]
#[derive(Debug)]
pub struct Recorded(());

impl Recorded {
    /// For the audit log alone: the record is durable.
    pub fn attest() -> Self {
        Self(())
    }
}

/// One line of the audit log.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    /// [`FORMAT_VERSION`].
    pub v: u32,
    /// Counts up from 1 within one log.
    pub seq: u64,
    /// When it was written: RFC 3339, UTC, microseconds.
    pub at: String,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// A client was authenticated and is connected to its upstream.
    SessionOpened(SessionOpened),
    /// A client was turned away before it had a session.
    SessionRefused(SessionRefused),
    /// A statement is about to be run. Written before anything of it is sent to run.
    ExchangeStarted(ExchangeStarted),
    /// A statement was not run.
    ExchangeRefused(ExchangeStarted),
    /// A statement ended.
    ExchangeCompleted(ExchangeCompleted),
    /// A session ended.
    SessionClosed(SessionClosed),
    /// A revision of a plugin changed its stage.
    PluginStageChanged(PluginStageChanged),
}

/// See [`Event::SessionOpened`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionOpened {
    /// The session's id.
    pub session: String,
    /// `postgres`.
    pub protocol: String,
    /// The client's address and port.
    pub client: String,
    /// What the client calls itself; not verified.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub application: String,
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub principal: String,
    /// `human`, `workload`, `agent`.
    pub principal_kind: String,
    /// The token's groups.
    pub groups: Vec<String>,
    /// `jti`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// The role chosen.
    pub role: String,
    /// The upstream chosen.
    pub upstream: String,
    /// Whether the client's connection is encrypted.
    pub tls: bool,
}

/// See [`Event::SessionRefused`].
#[derive(Debug, Serialize, Deserialize)]
pub struct SessionRefused {
    /// `postgres`.
    pub protocol: String,
    /// The client's address and port.
    pub client: String,
    /// The SQLSTATE the client was given.
    pub state: String,
    /// The message the client was given.
    pub message: String,
    /// `sub`, where the token was good and something else was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
}

/// See [`Event::ExchangeStarted`].
#[derive(Debug, Serialize, Deserialize)]
pub struct ExchangeStarted {
    /// The session's id.
    pub session: String,
    /// Its number in the session, from 1.
    pub exchange: u64,
    /// The generation it was judged in.
    pub generation: u64,
    /// `allow`, `deny`, `hold`, `rewrite`.
    pub verdict: String,
    /// Who said no and why: `plugin guard: …`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// The statements of the message.
    pub statements: Arc<Vec<StatementRecord>>,
    /// Every plugin that had or will have a say.
    #[serde(default, skip_serializing_if = "no_plugins")]
    pub plugins: Arc<Vec<PluginRecord>>,
}

fn no_plugins(plugins: &Arc<Vec<PluginRecord>>) -> bool {
    plugins.is_empty()
}

/// A statement, without its literals.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StatementRecord {
    /// The command.
    pub kind: String,
    /// The statement with literals replaced by parameters.
    pub text: String,
    /// Hexadecimal; equal for statements that differ in literals only.
    pub fingerprint: String,
    /// What it does.
    pub effects: Vec<String>,
    /// What it touches, as `access kind name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<String>,
    /// What is noteworthy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
}

/// Which plugin, exactly: enough to recompute its decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginRecord {
    /// The name in the configuration.
    pub plugin: String,
    /// `policy`, `detector`, `masker`.
    pub world: String,
    /// SHA-256 of the component, hexadecimal.
    pub digest: String,
    /// SHA-256 of its settings in canonical JSON, hexadecimal.
    pub settings: String,
    /// What its word counted as; left out where it fills its place.
    #[serde(default, skip_serializing_if = "JudgedAs::is_active")]
    pub stage: JudgedAs,
    /// The capabilities it had, by name, sorted: all it could use beside what it was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
}

/// At which stage a plugin had its say. One in `shadow` has none, so it is in no record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JudgedAs {
    /// For all principals, but for those a canary is for.
    #[default]
    Active,
    /// For a share of them.
    Canary,
}

impl JudgedAs {
    fn is_active(&self) -> bool {
        *self == Self::Active
    }
}

/// See [`Event::ExchangeCompleted`].
#[derive(Debug, Serialize, Deserialize)]
pub struct ExchangeCompleted {
    /// The session's id.
    pub session: String,
    /// Its number in the session.
    pub exchange: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The SQLSTATE it failed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Rows returned to the client.
    pub rows: u64,
    /// Bytes of rows returned to the client.
    pub bytes: u64,
    /// Values treated, by label; columns treated by name count under `column:schema.table.column`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub treated: BTreeMap<String, u64>,
    /// From permit to completion, in microseconds.
    pub latency_us: u64,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The upstream completed it.
    Completed,
    /// The upstream suspended it at the client's row limit.
    Suspended,
    /// The upstream answered with an error.
    Failed,
    /// An error earlier in the pipeline skipped it.
    Skipped,
    /// Grille stopped it while it ran (a plugin failed, the row cap was reached).
    Stopped,
    /// The connection ended first.
    Lost,
}

/// See [`Event::SessionClosed`].
#[derive(Debug, Serialize, Deserialize)]
pub struct SessionClosed {
    /// The session's id.
    pub session: String,
    /// Why, in a word or two: `client closed`, `upstream closed`, `protocol violation`, `shutdown`, …
    pub reason: String,
    /// How many exchanges it had.
    pub exchanges: u64,
}

/// See [`Event::PluginStageChanged`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginStageChanged {
    /// The plugin's name in the configuration.
    pub plugin: String,
    /// The stage it was at: `active`, `shadow`, `canary`, `previous`; left out for one that is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The stage it is at, also `held-back` (kept out until an operator names it) and `gone`.
    pub to: String,
    /// SHA-256 of the component, hexadecimal.
    pub digest: String,
    /// SHA-256 of its settings in canonical JSON, hexadecimal.
    pub settings: String,
    /// Why.
    pub why: String,
    /// Who: `file` (the configuration's file changed), `user id N` (a command), `grille` (it failed).
    pub by: String,
}
