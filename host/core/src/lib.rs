//! Grille's vocabulary as types: who asks, for what, what was decided, and the permit without which nothing moves.
//!
//! No I/O, no clock, no randomness, no async: what depends on them takes them as arguments. The words are defined in
//! `docs/reference/glossary.md` and mean the same in configuration, WIT, logs and metrics.
#![forbid(unsafe_code)]

pub mod action;
pub mod audit;
pub mod client_message;
pub mod decision;
pub mod difference;
pub mod digest;
pub mod evidence;
pub mod finding;
pub mod health;
pub mod ids;
pub mod observation;
pub mod permit;
pub mod principal;
pub mod recording;
pub mod role;
pub mod rollout;
pub mod share;
pub mod treatment;
pub mod untrusted;

pub use action::{Access, Action, Effect, Object, ObjectKind};
pub use client_message::{ClientMessage, Fault, SqlState};
pub use decision::{Decision, Obligation, Reason, Verdict};
pub use digest::{Digest, NotADigest};
pub use finding::{EvidenceClass, Finding, Gate, Label, Support};
pub use health::HealthReading;
pub use ids::{CorrelationId, ExchangeId, GenerationId, PluginId, RoleName, SessionId, UpstreamName};
pub use permit::{Clearance, Permit};
pub use principal::{Principal, PrincipalKind};
pub use role::{ColumnPattern, FunctionPattern, Privilege, Role, RowShaping, TokenUse, VectorAccess};
pub use share::{NotAShare, Share};
pub use treatment::Treatment;
