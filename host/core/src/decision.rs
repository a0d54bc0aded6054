//! Verdicts, and how several become one decision: the strictest first (deny, hold, rewrite, allow); obligations add up.
//! Merging is associative, commutative and idempotent, so the order of a chain never changes its outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::{ColumnPattern, PluginId, Treatment};

/// A plugin's word on one statement, ordered by strictness.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Run it.
    Allow,
    /// Run this instead.
    Rewrite(String),
    /// Run it once somebody has approved it.
    Hold(Approval),
    /// Do not run it.
    Deny,
}

impl Verdict {
    /// The word used in audit records and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Rewrite(_) => "rewrite",
            Self::Hold(_) => "hold",
            Self::Deny => "deny",
        }
    }
}

/// What an approver is asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Approval {
    /// Shown to approver and client.
    pub reason: String,
    /// Groups that may approve; empty leaves it to the role.
    pub approvers: Vec<String>,
    /// How long the request stands, in seconds.
    pub ttl_s: u32,
}

/// Why a verdict is not a plain allow, and who said so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Reason {
    /// Who said so.
    pub source: ReasonSource,
    /// One sentence for the client.
    pub text: String,
}

/// Who gave a reason.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReasonSource {
    /// The role's own statement classes.
    Role,
    /// Grille itself: what it cannot judge, or does not support.
    Host,
    /// A plugin.
    Plugin(PluginId),
}

impl fmt::Display for ReasonSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role => f.write_str("role"),
            Self::Host => f.write_str("grille"),
            Self::Plugin(id) => write!(f, "plugin {id}"),
        }
    }
}

/// What must be done if the statement runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obligation {
    /// End the statement with an error once it has returned this many rows.
    RowCap(u64),
    /// Treat a column.
    Mask(ColumnPattern, Treatment),
}

/// All verdicts on one statement, merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    verdict: Verdict,
    /// All rewrites asked for, also beside a stricter verdict: two of them cannot both be done.
    rewrites: BTreeSet<String>,
    reasons: BTreeSet<Reason>,
    row_cap: Option<u64>,
    masks: BTreeMap<ColumnPattern, Treatment>,
}

impl Decision {
    /// Nothing against it and nothing to do: the neutral element of [`Decision::merge`].
    pub fn allow() -> Self {
        Self {
            verdict: Verdict::Allow,
            rewrites: BTreeSet::new(),
            reasons: BTreeSet::new(),
            row_cap: None,
            masks: BTreeMap::new(),
        }
    }

    /// Refused for one reason.
    pub fn deny(source: ReasonSource, text: impl Into<String>) -> Self {
        let reason = Reason { source, text: text.into() };
        Self { verdict: Verdict::Deny, reasons: BTreeSet::from([reason]), ..Self::allow() }
    }

    /// One verdict, said by `source`; `text` is kept unless the verdict is allow.
    pub fn from_verdict(source: ReasonSource, verdict: Verdict, text: impl Into<String>) -> Self {
        let mut decision = Self::allow();
        match &verdict {
            Verdict::Allow => return decision,
            Verdict::Rewrite(statement) => _ = decision.rewrites.insert(statement.clone()),
            Verdict::Hold(_) | Verdict::Deny => {}
        }
        decision.reasons.insert(Reason { source, text: text.into() });
        Self { verdict, ..decision }
    }

    /// Adds an obligation: of two row caps the lower stands, of two treatments of one column the stricter.
    #[must_use]
    pub fn with(mut self, obligation: Obligation) -> Self {
        match obligation {
            Obligation::RowCap(cap) => self.row_cap = Some(self.row_cap.map_or(cap, |old| old.min(cap))),
            Obligation::Mask(column, treatment) => insert_stricter(&mut self.masks, column, treatment),
        }
        self
    }

    /// Both: the stricter verdict, all reasons for it, all obligations. Two different rewrites cannot both be done, so
    /// they make a denial.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.reasons.extend(other.reasons);
        self.rewrites.extend(other.rewrites);
        self.verdict = if self.rewrites.len() > 1 { Verdict::Deny } else { self.verdict.max(other.verdict) };
        if let Some(cap) = other.row_cap {
            self = self.with(Obligation::RowCap(cap));
        }
        for (column, treatment) in other.masks {
            insert_stricter(&mut self.masks, column, treatment);
        }
        self
    }

    /// The strictest verdict.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Why it is not a plain allow, in a stable order.
    pub fn reasons(&self) -> impl Iterator<Item = &Reason> {
        self.reasons.iter()
    }

    /// The most rows that may be returned.
    pub fn row_cap(&self) -> Option<u64> {
        self.row_cap
    }

    /// Columns that plugins asked to treat, beside those of the role.
    pub fn masks(&self) -> impl Iterator<Item = (&ColumnPattern, &Treatment)> {
        self.masks.iter()
    }
}

fn insert_stricter(
    masks: &mut BTreeMap<ColumnPattern, Treatment>,
    column: ColumnPattern,
    treatment: Treatment,
) {
    let slot = masks.entry(column).or_insert(Treatment::Keep);
    if (treatment.strictness(), &treatment) > (slot.strictness(), slot) {
        *slot = treatment;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decisions() -> impl Strategy<Value = Decision> {
        let verdict = prop_oneof![
            Just(Verdict::Allow),
            Just(Verdict::Deny),
            "[ab]".prop_map(Verdict::Rewrite),
            (0_u32..3).prop_map(|ttl_s| {
                Verdict::Hold(Approval { reason: "r".into(), approvers: vec![], ttl_s })
            }),
        ];
        let treatment = prop_oneof![
            Just(Treatment::Null),
            Just(Treatment::Token),
            (1_u8..4).prop_map(Treatment::KeepLast),
        ];
        (verdict, "[xyz]", proptest::option::of(0_u64..5), proptest::option::of(("[pq]", treatment)))
            .prop_map(|(verdict, text, cap, mask)| {
                let mut decision = Decision::from_verdict(ReasonSource::Host, verdict, text);
                if let Some(cap) = cap {
                    decision = decision.with(Obligation::RowCap(cap));
                }
                if let Some((column, treatment)) = mask {
                    let column = format!("public.t.{column}").parse().expect("a valid pattern");
                    decision = decision.with(Obligation::Mask(column, treatment));
                }
                decision
            })
    }

    proptest! {
        #[test]
        fn merging_is_commutative(a in decisions(), b in decisions()) {
            prop_assert_eq!(a.clone().merge(b.clone()), b.merge(a));
        }

        #[test]
        fn merging_is_idempotent_and_allow_is_neutral(a in decisions()) {
            prop_assert_eq!(a.clone().merge(a.clone()), a.clone());
            prop_assert_eq!(a.clone().merge(Decision::allow()), a);
        }

        #[test]
        fn a_merge_is_never_laxer(a in decisions(), b in decisions()) {
            let merged = a.clone().merge(b.clone());
            prop_assert!(merged.verdict() >= a.verdict() && merged.verdict() >= b.verdict());
        }

        #[test]
        fn merging_is_associative(a in decisions(), b in decisions(), c in decisions()) {
            prop_assert_eq!(
                a.clone().merge(b.clone()).merge(c.clone()),
                a.merge(b.merge(c))
            );
        }
    }
}
