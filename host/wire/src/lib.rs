//! Protocols without sockets: PostgreSQL's wire protocol as state machines, SQL analysis by PostgreSQL's own grammar, and
//! masking that keeps a value valid for its type.
//!
//! No socket, clock, file or async here: bytes in, bytes and questions out.
#![forbid(unsafe_code)]

pub mod postgres;
pub mod sql;
