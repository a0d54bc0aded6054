//! What judges statements before they run.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::{Attribute, Diagnostic, Exchange, Failure};

/// Judges what a client asks for, before anything reaches the upstream.
pub trait Policy: Sized + 'static {
    /// What the operator may set; described by the JSON Schema that `plugin.toml` names.
    type Settings: DeserializeOwned;

    /// Called once, before anything else. Must be pure: the host may keep a snapshot of the outcome.
    ///
    /// # Errors
    /// Everything that is wrong with the settings.
    fn configure(settings: Self::Settings) -> Result<Self, Vec<Diagnostic>>;

    /// Called before the exchange's statement is judged.
    ///
    /// # Errors
    /// The policy cannot judge this exchange; the host denies it.
    fn begin(&mut self, _exchange: &Exchange) -> Result<(), Failure> {
        Ok(())
    }

    /// The policy's word on one statement. A policy that does not call [`clock::now`](crate::clock::now) must be a
    /// function of its settings, the exchange and the action: the host remembers its decisions.
    fn decide(&mut self, action: &Action) -> Decision;
}

/// One statement, as the host's own parser understood it. The words are listed in the interface; the lists grow, so
/// ignore words you do not know when you allow, and expect them when you deny.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// The command: `select`, `insert`, `drop table`, `alter table`, `begin`, …
    pub kind: String,
    /// Everything it does, CTEs and EXPLAIN ANALYZE included: `read`, `insert`, `update`, `delete`, `define`, …
    pub effects: Vec<String>,
    /// Everything it touches.
    pub objects: Vec<Object>,
    /// Noteworthy things: `no-where`, `constant-where`, `copy-program`, …
    pub features: Vec<String>,
    /// The statement with its literals replaced by parameters.
    pub text: String,
    /// The same for statements that differ in literals only.
    pub fingerprint: u64,
    /// Everything else.
    pub attributes: Vec<Attribute>,
}

impl Action {
    /// Whether the statement does that.
    pub fn has_effect(&self, effect: &str) -> bool {
        self.effects.iter().any(|known| known == effect)
    }

    /// Whether that is noteworthy about it.
    pub fn has_feature(&self, feature: &str) -> bool {
        self.features.iter().any(|known| known == feature)
    }
}

/// Something a statement touches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// `relation`, `function`, `schema`, `role`, `database`, …
    pub kind: String,
    /// As written, folded as the server folds it; qualified where the statement qualifies it: `public.users`.
    pub name: String,
    /// `read`, `insert`, `update`, `delete`, `define`, `drop`, `truncate`, `grant`, `call`, `lock`, `set`.
    pub access: String,
}

/// A verdict, and what must be done if the statement runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a decision does nothing until it is returned"]
pub struct Decision {
    /// The policy's word.
    pub verdict: Verdict,
    /// Key and value; a host that cannot honour one denies.
    pub obligations: Vec<Attribute>,
}

/// A policy's word on a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Run it.
    Allow,
    /// Do not run it; the reason is shown to the client.
    Deny(String),
    /// Run it once somebody has approved it.
    Hold(Approval),
    /// Run this statement instead.
    Rewrite(String),
}

impl Decision {
    /// Run it.
    pub fn allow() -> Self {
        Verdict::Allow.into()
    }

    /// Do not run it. The reason is one sentence, shown to the client.
    pub fn deny(reason: impl Into<String>) -> Self {
        Verdict::Deny(reason.into()).into()
    }

    /// Run it once somebody has approved it.
    pub fn hold(approval: Approval) -> Self {
        Verdict::Hold(approval).into()
    }

    /// Run this statement instead.
    pub fn rewrite(statement: impl Into<String>) -> Self {
        Verdict::Rewrite(statement.into()).into()
    }

    /// If it runs, it ends with an error after this many rows.
    pub fn with_row_cap(self, rows: u64) -> Self {
        self.with(Attribute::new("row-cap", rows.to_string()))
    }

    /// If it runs, the column (`schema.table.column`) is treated so: `null`, `redact`, `keep-last:4`, `token`.
    pub fn with_mask(self, column: &str, treatment: &str) -> Self {
        self.with(Attribute::new("mask", format!("{column}={treatment}")))
    }

    fn with(mut self, obligation: Attribute) -> Self {
        self.obligations.push(obligation);
        self
    }
}

impl From<Verdict> for Decision {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, obligations: Vec::new() }
    }
}

/// What an approver is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Shown to approver and client.
    pub reason: String,
    /// Groups that may approve; empty leaves it to the role.
    pub approvers: Vec<String>,
    /// How long the request stands, to the second.
    pub stands_for: Duration,
}

impl Approval {
    /// How long a request stands unless the policy says otherwise.
    pub const STANDS_FOR_DEFAULT: Duration = Duration::from_hours(1);

    /// A request for that reason, to whom the role says.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), approvers: Vec::new(), stands_for: Self::STANDS_FOR_DEFAULT }
    }

    /// Only these groups may approve.
    #[must_use]
    pub fn approvers<G: Into<String>>(mut self, groups: impl IntoIterator<Item = G>) -> Self {
        self.approvers = groups.into_iter().map(Into::into).collect();
        self
    }

    /// How long the request stands; at most `u32::MAX` seconds count.
    #[must_use]
    pub fn stands_for(mut self, duration: Duration) -> Self {
        self.stands_for = duration;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn obligations_add_up_in_the_words_of_the_interface() {
        let decision = Decision::allow().with_row_cap(10).with_mask("public.users.ssn", "keep-last:4");
        assert_eq!(decision.verdict, Verdict::Allow);
        assert_eq!(
            decision.obligations,
            [Attribute::new("row-cap", "10"), Attribute::new("mask", "public.users.ssn=keep-last:4")]
        );
    }
}
