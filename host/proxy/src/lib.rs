//! The data plane: listeners, authentication, sessions, upstream connections.
//!
//! A connection's way: `proxy` accepts it, `handshake` takes it up to a verified token (`identity`), a role
//! (`generation`) and an upstream connection (`upstream`); then it is a `session`, which asks `judge` about each statement
//! and treats what comes back.
//!
//! Architecture invariants: nothing outside `upstream` can name a backend credential, and nothing reaches an upstream
//! but through `grille_wire`'s relay.
#![forbid(unsafe_code)]

mod cancel;
mod catalog;
mod decisions;
mod egress;
mod exposition;
mod generation;
mod handshake;
pub mod identity;
mod judge;
mod lineage;
mod live;
mod metrics;
mod moment;
mod observation;
mod proxy;
mod retired;
mod session;
pub mod settings;
mod shared;
mod startup_parameters;
/// Components written by hand, and an engine: those that the plugin runtime is tested with.
#[cfg(test)]
#[path = "../../plugin/tests/support/mod.rs"]
mod support;
pub mod tls;
pub mod transport;
pub mod upstream;

pub use egress::HttpsOutbound;
pub use generation::{Generation, GenerationError, GenerationParts, Slot, Trial, TrialKind};
pub use grille_wire::postgres::value::Tokenizer;
pub use grille_wire::sql::{SQL_BYTES_MAX as STATEMENT_BYTES_MAX, STACK_BYTES, declare_large_stack};
pub use live::{BadReason, KillError, KillOrder, LiveSession};
pub use observation::{RECORDING_INPUTS_MAX, RECORDING_TIME_MAX, RecordingError, RecordingOrder};
pub use proxy::{BindError, Control, Proxy, ProxyParts};
