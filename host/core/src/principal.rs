//! Who is asking, as a verified token said.

use std::fmt;

use serde::Serialize;

/// A verified identity. Made only by token verification; every field comes from the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Principal {
    /// The `iss` claim.
    pub issuer: String,
    /// The `sub` claim.
    pub subject: String,
    /// The groups claim, as configured for the issuer.
    pub groups: Vec<String>,
    /// A person, a program, or an agent acting for one.
    pub kind: PrincipalKind,
    /// The `jti` claim, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// The `exp` claim, in seconds since the Unix epoch.
    pub expires_at: u64,
}

/// What kind of client holds the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PrincipalKind {
    /// A person signed in.
    Human,
    /// A service or job with credentials of its own (client credentials, workload identity).
    Workload,
    /// An AI agent; the token says so by the claim the operator configured.
    Agent,
}

impl PrincipalKind {
    /// The word used in WIT, configuration and audit records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Workload => "workload",
            Self::Agent => "agent",
        }
    }
}

impl fmt::Display for PrincipalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
