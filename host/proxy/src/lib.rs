//! The data plane: listeners, authentication, sessions, upstream connections.
#![forbid(unsafe_code)]

pub mod settings;
