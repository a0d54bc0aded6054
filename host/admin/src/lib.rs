//! The admin listener: `/healthz`, `/readyz` and `/metrics` over HTTP/1.1. It has no authentication and therefore nothing
//! secret: it tells how Grille fares, never what passes through it, and takes no command.
#![forbid(unsafe_code)]

mod answer;
mod server;

pub use answer::Readiness;
pub use server::{AdminError, AdminServer, CONNECTION_TIME_MAX, CONNECTIONS_MAX, HEADER_TIME_MAX};
