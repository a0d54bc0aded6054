//! The worlds of the interface: what a plugin can be.

use std::fmt;

use serde::Deserialize;

/// What a plugin is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum World {
    /// Judges statements.
    Policy,
    /// Finds sensitive data.
    Detector,
    /// Replaces sensitive data.
    Masker,
}

impl World {
    /// The word used in metadata, configuration and audit records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Detector => "detector",
            Self::Masker => "masker",
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a world of one WIT version exports, exactly.
pub(crate) struct WorldShape {
    pub(crate) world: World,
    pub(crate) exports: [&'static str; 2],
}
