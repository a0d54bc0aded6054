//! What detectors find, and what they declare about the kinds they know.

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

/// Where sensitive data was found in one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Index of the text within the block.
    pub cell: u32,
    /// Byte offsets, on UTF-8 boundaries: `start < end <= text.len()`.
    pub start: u32,
    /// See `start`.
    pub end: u32,
    /// Index into the detector's labels.
    pub label: u32,
    /// 0 to 1000.
    pub score: u32,
    /// What speaks for it besides its shape.
    pub support: Support,
}

bitflags! {
    /// What speaks for a finding besides its shape. The bits are WIT's `finding.support`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Support: u32 {
        /// A check digit or checksum held.
        const CHECKED = 1;
        /// The usual separators were there (`123-45-6789`).
        const SEPARATED = 2;
        /// A context word stands beside it in the same text.
        const CONTEXT = 4;
    }
}

/// A kind of sensitive data that a detector knows, as its metadata declares it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// In Presidio's spelling where it has one: `EMAIL_ADDRESS`, `CREDIT_CARD`.
    pub name: String,
    /// How much must speak for a finding before it counts.
    pub evidence: EvidenceClass,
    /// The probability that a random value of the right shape passes the detector's check; `0 < p <= 1`.
    /// `n` distinct values of a column that all pass do so by chance with probability `p^n`.
    pub chance_pass: f64,
    /// Words that, in a column's name, speak for the label: compared with the whole words of the name after splitting
    /// snake and camel case, lower case.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Words that, in a column's name, speak against it (`version`, `sku`, `hash`).
    #[serde(default)]
    pub headers_against: Vec<String>,
    /// A text goes to the detector when any gate of any label lets it pass; a label without gates lets everything pass.
    #[serde(default)]
    pub gates: Vec<Gate>,
}

/// How much must speak for a finding before it counts (docs/reference/detection.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceClass {
    /// May fire alone.
    Alone,
    /// Needs separators, context, the column's name, or the column's share.
    Supported,
    /// Needs the column's name or context.
    Context,
}

/// A cheap necessary condition on a text's bytes, tested natively so that a clean column never enters Wasm. All given
/// conditions must hold. A gate must let pass everything the detector would find.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Fewest bytes.
    #[serde(default)]
    pub bytes_min: u32,
    /// Fewest ASCII digits.
    #[serde(default)]
    pub digits_min: u32,
    /// Fewest ASCII letters.
    #[serde(default)]
    pub letters_min: u32,
    /// At least one of these ASCII characters; empty asks for none.
    #[serde(default)]
    pub any_of: String,
}
