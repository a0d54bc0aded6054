//! How a plugin's calls have gone, as figures: what a rollout is decided by. Who counts them is the runtime's business.

use serde::{Deserialize, Serialize};

/// How the calls of one revision of a plugin have gone since it took its stage. Each figure only ever grows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthReading {
    /// How often an exchange asked it for something, whatever came of it.
    pub calls: u64,
    /// Calls that failed by the plugin's own fault: trap, deadline, memory, bad output, refusal, no instance to be made.
    pub failures: u64,
    /// Calls that failed because as many instances as may be alive already were: no fault of the plugin's.
    pub exhausted: u64,
    /// Calls that took longer than its latency budget; 0 where it has none.
    pub over_budget: u64,
    /// What the last of `failures` was, in words that hold nothing of the plugin's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
}
