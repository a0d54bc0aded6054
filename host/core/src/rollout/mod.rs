//! The life of revisions in their slots: which one is active, which is tried beside it, which one rollback goes back to, which
//! ones are kept out. Pure: time comes in as a number, what has to be done goes out as [`Change`]s.
//!
//! What makes a candidate good is not known here; [`Event::Admitted`] says that it was. Why it is as it is:
//! docs/explanation/decisions/0017-revisions.md.

mod slot;
mod slots;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Digest, HealthReading, NotAShare, PluginId, Share};

pub use slot::{Active, Candidate, HeldBack, RefusedCandidate, Slot};
pub use slots::{NotSlots, Rejection, Remembered, Slots};

/// What fills a slot: a component under settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevisionId {
    /// Of the component.
    pub digest: Digest,
    /// Of the settings in canonical JSON.
    pub settings: Digest,
}

/// Where a candidate goes that passed all stages. Written `active`, `shadow`, `canary:10%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// In the place of the active revision.
    Active,
    /// Beside it.
    Trial(Trial),
}

/// How a candidate is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trial {
    /// Judges off the path.
    Shadow,
    /// Judges for a share of the principals.
    Canary(Share),
}

/// How a revision came to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrival {
    /// The configuration's file held it.
    File,
    /// An operator named it.
    Command,
    /// What came after it was rolled back.
    Rollback,
}

/// Where a revision is, or what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Judges.
    Active,
    /// See [`Trial::Shadow`].
    Shadow,
    /// See [`Trial::Canary`].
    Canary,
    /// What rollback goes back to.
    Previous,
    /// Kept out until an operator names it or the file has held something else that passed.
    HeldBack,
    /// In no place any more.
    Gone,
}

/// When a revision has failed. The defaults are those of the configuration's reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How long a revision that took another's place is watched, in seconds.
    pub probation_s: u64,
    /// So many failures are too many. With 0 nothing goes by itself, whatever its figures: who can make a plugin fail can else
    /// force the revision before back.
    pub failures_max: u64,
}

/// Fewest calls by which latency is judged: among fewer, one slow call would be one percent.
pub const CALLS_MIN: u64 = 200;

/// One call in so many may take longer than the latency budget.
const SLOW_ONE_IN: u64 = 100;

/// What happens to a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A candidate passed all stages.
    Admitted {
        /// Which.
        revision: RevisionId,
        /// How it came.
        arrival: Arrival,
        /// Where it goes. In a slot that was empty, it becomes active whatever is said here.
        target: Target,
    },
    /// A candidate did not.
    Refused(RefusedCandidate),
    /// An operator wants the previous revision back.
    Rollback,
    /// An operator wants the candidate active.
    Promote,
    /// An operator wants the candidate gone.
    Drop,
    /// The configuration's file and settings were looked at, and this is what they say. Comes after what came of it.
    Seen(RevisionId),
    /// How a revision fares since it took its stage.
    Measured {
        /// Which.
        revision: RevisionId,
        /// Its figures.
        reading: HealthReading,
    },
}

/// Under which circumstances an event is.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'c> {
    /// The slot's.
    pub rules: &'c Rules,
    /// Who: `file`, `user id 1000`, `grille`.
    pub by: &'c str,
    /// Why, where the event itself does not say.
    pub why: &'c str,
    /// Seconds since 1970-01-01 UTC.
    pub now: u64,
}

/// A revision changed its stage: to be armed, kept and told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The slot.
    pub plugin: PluginId,
    /// Which revision.
    pub revision: RevisionId,
    /// Where it was; none if it is new.
    pub from: Option<Stage>,
    /// Where it is.
    pub to: Stage,
    /// Why.
    pub why: String,
    /// Who.
    pub by: String,
}

impl Default for Rules {
    fn default() -> Self {
        Self { probation_s: 600, failures_max: 3 }
    }
}

impl Rules {
    /// Whether figures decide anything.
    pub fn roll_back_by_themselves(&self) -> bool {
        self.failures_max > 0
    }

    /// Why a revision with these figures is to go; none while it may stay. Calls are over budget only where there is one.
    pub fn broken_by(&self, reading: &HealthReading) -> Option<String> {
        if !self.roll_back_by_themselves() {
            return None;
        }
        if reading.failures >= self.failures_max {
            let last = reading.last_failure.as_deref().unwrap_or("not known");
            return Some(format!("{} of {} calls failed, the last: {last}", reading.failures, reading.calls));
        }
        let slow = reading.over_budget.saturating_mul(SLOW_ONE_IN) >= reading.calls;
        (slow && reading.over_budget > 0 && reading.calls >= CALLS_MIN).then(|| {
            format!("{} of {} calls took longer than the latency budget", reading.over_budget, reading.calls)
        })
    }
}

impl Trial {
    /// The stage it is.
    pub fn stage(self) -> Stage {
        match self {
            Self::Shadow => Stage::Shadow,
            Self::Canary(_) => Stage::Canary,
        }
    }
}

impl Stage {
    /// The word in logs, records and status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Shadow => "shadow",
            Self::Canary => "canary",
            Self::Previous => "previous",
            Self::HeldBack => "held-back",
            Self::Gone => "gone",
        }
    }
}

impl Arrival {
    /// The word in status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Command => "command",
            Self::Rollback => "rollback",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no target: the fault of who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotATarget {
    /// No such stage.
    #[error("a candidate goes to `active`, `shadow` or a canary, such as `canary:10%`")]
    Stage,
    /// The canary's share is none.
    #[error(transparent)]
    Share(#[from] NotAShare),
}

impl FromStr for Target {
    type Err = NotATarget;

    fn from_str(text: &str) -> Result<Self, NotATarget> {
        match (text, text.split_once(':')) {
            ("active", None) => Ok(Self::Active),
            ("shadow", None) => Ok(Self::Trial(Trial::Shadow)),
            (_, Some(("canary", share))) => Ok(Self::Trial(Trial::Canary(share.parse()?))),
            (_, _) => Err(NotATarget::Stage),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active => f.write_str("active"),
            Self::Trial(Trial::Shadow) => f.write_str("shadow"),
            Self::Trial(Trial::Canary(share)) => write!(f, "canary:{share}"),
        }
    }
}

impl fmt::Display for RevisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with settings {}", self.digest, self.settings)
    }
}
