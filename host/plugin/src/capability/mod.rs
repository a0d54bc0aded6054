//! Capabilities: what a plugin may reach outside itself. Each is an interface of its own (wit/v0.1), so the import list of a
//! component is what it asks for; the operator's [`Grants`] are what it gets. What stands behind each is in a module of its
//! own; none of them opens a socket or reads a file: [`Outbound`] is implemented by who has the network.

mod destination;
mod egress;
mod granted;
mod keyed;
mod log;
mod outbound;
mod state;

use std::collections::BTreeSet;
use std::fmt;

use crate::world::World;

pub use destination::{EgressHost, EgressHostError, is_public};
pub(crate) use egress::{EgressError, GuestRequest};
pub(crate) use granted::Granted;
pub use granted::Services;
pub use keyed::{KEY_BYTES_MIN, KeyTooShort, KeyedTransforms};
pub(crate) use keyed::{KeyedError, Values};
pub use outbound::{Outbound, OutboundError, OutboundReply, OutboundRequest};
pub(crate) use state::{Namespace, StateStore};

/// One of the things that a plugin may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Capability {
    /// Writes to the host's log.
    Log,
    /// Tells the time.
    Clock,
    /// Keeps values between exchanges.
    State,
    /// Sends HTTPS requests.
    Egress,
    /// Transforms values under a key.
    Keyed,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Log, Self::Clock, Self::State, Self::Egress, Self::Keyed];

    /// The word used in metadata and configuration: the interface's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Clock => "clock",
            Self::State => "state",
            Self::Egress => "egress",
            Self::Keyed => "keyed",
        }
    }

    /// The capability of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|capability| capability.as_str() == word)
    }

    /// The only world that may have it. No world that sees what cells hold has one that could tell it to anybody.
    pub fn world(self) -> World {
        match self {
            Self::Log | Self::Clock | Self::State | Self::Egress => World::Policy,
            Self::Keyed => World::Masker,
        }
    }

    /// Whether what a plugin answers is still a function of its inputs when it has this.
    pub fn is_pure(self) -> bool {
        match self {
            Self::Log | Self::Keyed => true,
            Self::Clock | Self::State | Self::Egress => false,
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an operator gives a plugin. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// What it may use.
    pub capabilities: BTreeSet<Capability>,
    /// With [`Capability::Egress`]: where its requests may go.
    pub egress: Vec<EgressHost>,
}

impl Grants {
    /// Nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Capabilities, without a host that requests may go to.
    pub fn of(capabilities: impl IntoIterator<Item = Capability>) -> Self {
        Self { capabilities: capabilities.into_iter().collect(), egress: Vec::new() }
    }
}

/// Capabilities as words with commas between them.
pub(crate) fn listed(capabilities: impl IntoIterator<Item = Capability>) -> String {
    let quoted: Vec<String> =
        capabilities.into_iter().map(|capability| format!("\"{capability}\"")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_capabilities() {
        for capability in Capability::ALL {
            assert_eq!(Capability::from_word(capability.as_str()), Some(capability));
        }
        for word in ["", "Log", "wasi", "random"] {
            assert_eq!(Capability::from_word(word), None);
        }
    }

    #[test]
    fn what_sees_cells_cannot_tell_anybody() {
        for capability in Capability::ALL {
            let tells = matches!(capability, Capability::Log | Capability::State | Capability::Egress);
            assert!(!tells || capability.world() == World::Policy, "{capability}");
            assert_ne!(capability.world(), World::Detector, "{capability}");
        }
    }
}
