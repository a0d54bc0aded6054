//! The value without which nothing is sent upstream.
//!
//! A statement's way to the upstream is two steps, each a type: a [`Clearance`] says that the decision was allow, a
//! [`Permit`] that the audit record of this one execution is durable besides. Neither can be copied, neither can be made
//! elsewhere, and the wire state machine sends an execution only in exchange for the permit.
//!
//! ```compile_fail,E0423
//! // There is no way to write one down.
//! let permit = grille_core::permit::Permit(());
//! ```
//!
//! ```compile_fail,E0382
//! fn send(_: grille_core::Permit) {}
//! fn twice(permit: grille_core::Permit) {
//!     send(permit);
//!     send(permit); // used once
//! }
//! ```

use crate::audit::Recorded;
use crate::decision::{Decision, Verdict};

/// The decision on a statement was allow. Enough to have the upstream parse or bind it; not enough to run it.
#[must_use = "a clearance that is dropped clears nothing"]
#[derive(Debug)]
pub struct Clearance(());

/// The decision was allow and the audit record of this execution is durable. Used once.
#[must_use = "a permit that is dropped lets nothing through"]
#[derive(Debug)]
pub struct Permit(());

impl Clearance {
    /// The only way to a clearance: every statement of the message was decided, and each decision is allow.
    ///
    /// # Errors
    /// The first decision that is not allow. No decisions at all clear an empty query, which does nothing.
    pub fn of<'d>(decisions: impl IntoIterator<Item = &'d Decision>) -> Result<Self, &'d Decision> {
        for decision in decisions {
            match decision.verdict() {
                Verdict::Allow => {}
                Verdict::Rewrite(_) | Verdict::Hold(_) | Verdict::Deny => return Err(decision),
            }
        }
        Ok(Self(()))
    }
}

impl Permit {
    /// The only way to a permit.
    pub fn issue(_cleared: Clearance, _recorded: Recorded) -> Self {
        Self(())
    }
}
