//! The exports of a policy component. Its imports (`log`, `clock`, `state`, `egress`) are in the component only if the plugin calls them:
//! the linker drops what nothing calls, and the component's encoder drops what nothing imports.

use std::marker::PhantomData;

use bindings::exports::grille::plugin::lifecycle;
use bindings::exports::grille::plugin::policy::{self as wit, Guest};

use super::{keep, types, with_session};
use crate::{Action, Approval, Decision, Exchange, Object, Policy, Verdict, configure_json};

pub use grille_bindings_policy as bindings;
pub use grille_bindings_policy::export;

/// A policy as a component.
pub struct Component<P>(PhantomData<P>);

impl<P: Policy> lifecycle::Guest for Component<P> {
    fn configure(settings_json: String) -> Result<(), Vec<types::Diagnostic>> {
        keep(configure_json(&settings_json, P::configure))
    }

    fn begin(ctx: types::Exchange, _fields: Vec<types::Field>) -> Result<(), types::Failure> {
        with_session(|policy: &mut P| policy.begin(&Exchange::from(ctx)))
    }
}

impl<P: Policy> Guest for Component<P> {
    fn decide(what: wit::Action) -> Result<wit::Decision, types::Failure> {
        with_session(|policy: &mut P| Ok(policy.decide(&what.into()).into()))
    }
}

impl From<wit::Action> for Action {
    fn from(action: wit::Action) -> Self {
        let object = |wit::Object { kind, name, access }| Object { kind, name, access };
        Self {
            kind: action.kind,
            effects: action.effects,
            objects: action.objects.into_iter().map(object).collect(),
            features: action.features,
            text: action.text,
            fingerprint: action.fingerprint,
            attributes: action.attributes.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Decision> for wit::Decision {
    fn from(decision: Decision) -> Self {
        Self {
            verdict: decision.verdict.into(),
            obligations: decision.obligations.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Verdict> for wit::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Allow => Self::Allow,
            Verdict::Deny(reason) => Self::Deny(reason),
            Verdict::Hold(approval) => Self::Hold(approval.into()),
            Verdict::Rewrite(statement) => Self::Rewrite(statement),
        }
    }
}

impl From<Approval> for wit::Approval {
    fn from(approval: Approval) -> Self {
        let ttl_s = u32::try_from(approval.stands_for.as_secs()).unwrap_or(u32::MAX);
        Self { reason: approval.reason, approvers: approval.approvers, ttl_s }
    }
}
