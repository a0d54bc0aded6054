//! What the end-to-end tests in `tests/` share: a stage with real servers on it, and a client that speaks PostgreSQL's
//! protocol byte by byte. No test is here, and no expectation about what Grille does.
#![forbid(unsafe_code)]

pub mod generate;
pub mod honest;
pub mod raw;
pub mod revisions;
pub mod stage;
pub mod turns;
pub mod twins;

pub use grille_harness::usage;
pub use raw::{Message, Raw};
pub use stage::Stage;
pub use turns::Turns;
