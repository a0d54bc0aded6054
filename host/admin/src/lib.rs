//! What operators and their tools reach.
//!
//! The admin listener: `/healthz`, `/readyz` and `/metrics` over HTTP/1.1. It has no authentication and therefore nothing
//! secret: it tells how Grille fares, never what passes through it, and takes no command. Commands come over the control
//! socket, which only Grille's own user and root can reach.
#![forbid(unsafe_code)]

mod answer;
mod control;
mod plugin_status;
mod server;

pub use answer::Readiness;
pub use control::{
    Answering, ControlAnswer, ControlError, ControlHandler, ControlRequest, ControlServer, OpenSession, Peer,
    send,
};
pub use plugin_status::{
    DifferenceSummary, HeldBackStatus, PluginStatus, PluginsStatus, RefusedStatus, RevisionStatus,
};
pub use server::{AdminError, AdminServer, CONNECTION_TIME_MAX, CONNECTIONS_MAX, HEADER_TIME_MAX};
