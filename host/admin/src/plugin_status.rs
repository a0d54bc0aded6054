//! What the running Grille says of its plugins: as it goes over the control socket, and as `--output json` prints it.

use std::path::PathBuf;

use grille_core::{HealthReading, Share};
use serde::{Deserialize, Serialize};

/// All plugins, and the generation that they are part of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginsStatus {
    /// The number of the active generation.
    pub generation: u64,
    /// How many generations there are: the active one, and those in which something is still under way.
    pub generations_alive: usize,
    /// Each plugin of the configuration, by name.
    pub plugins: Vec<PluginStatus>,
}

/// One plugin of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginStatus {
    /// Its name in the configuration.
    pub name: String,
    /// `policy`, `detector`, `masker`.
    pub world: String,
    /// The configuration's file.
    pub file: PathBuf,
    /// What the file held when it was last looked at: `sha256:` and digits; none if it could not be read.
    pub file_digest: Option<String>,
    /// What judges.
    pub active: RevisionStatus,
    /// What rollback goes back to.
    pub previous: Option<RevisionStatus>,
    /// What is tried beside the active revision.
    pub candidate: Option<RevisionStatus>,
    /// What may not come back by itself.
    pub held_back: Vec<HeldBackStatus>,
    /// The last candidate that did not pass, until another does.
    pub refused: Option<RefusedStatus>,
    /// The configuration's settings in canonical JSON: `sha256:` and digits. What judges may have others, after a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings_in_configuration: Option<String>,
    /// What should be known of it, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A revision in its place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionStatus {
    /// `active`, `previous`, `shadow`, `canary`.
    pub stage: String,
    /// The id in the component's metadata.
    pub id: String,
    /// The version in its metadata.
    pub version: String,
    /// The component: `sha256:` and digits.
    pub digest: String,
    /// Its settings in canonical JSON: `sha256:` and digits.
    pub settings: String,
    /// Why it is trusted, in words.
    pub signer: String,
    /// The capabilities it imports.
    pub capabilities: Vec<String>,
    /// How it came: `file`, `command`, `rollback`. Not told of a previous one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival: Option<String>,
    /// Since when it has its stage: RFC 3339, UTC. Not told of a previous one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Until when it is watched and rolled back if it fails: RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probation_until: Option<String>,
    /// Of a canary: to how many principals it speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// How its calls have gone since it has its stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthReading>,
    /// Of a shadow: how what it says compares with what the active revision says, in short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differences: Option<DifferenceSummary>,
}

/// What a shadow's report comes to; `grille plugin differences` has the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferenceSummary {
    /// Judgements that were compared.
    pub compared: u64,
    /// Those that differ.
    pub different: u64,
    /// Those that the candidate failed at.
    pub failures: u64,
}

/// A component that may not come back by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBackStatus {
    /// The component: `sha256:` and digits.
    pub digest: String,
    /// Under these settings alone; else under any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<String>,
    /// Why.
    pub why: String,
    /// Since when: RFC 3339, UTC.
    pub since: String,
}

/// A candidate that did not pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedStatus {
    /// The component: `sha256:` and digits; none if it could not be read.
    pub digest: Option<String>,
    /// Where it came from.
    pub file: String,
    /// The stage it did not pass: `fetch`, `trust`, `compile`, `metadata`, `grants`, `widening`, `schema`, `configure`,
    /// `vectors`, `admission`, `store`.
    pub stage: String,
    /// Why.
    pub why: String,
    /// When: RFC 3339, UTC.
    pub at: String,
}
