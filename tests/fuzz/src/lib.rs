//! What fuzz targets are made of, apart from the targets: generators of input, a model of the server, and oracles that say
//! whether what came out is right. The targets in `targets/` only connect them.
//!
//! Nothing here opens a socket, reads a clock or draws a random number: an input alone decides what happens, so that a
//! finding is its input.
#![forbid(unsafe_code)]

pub mod backend;
pub mod cells;
pub mod copies;
pub mod play;
pub mod rule;
pub mod script;
pub mod server;
pub mod wire;
