//! Tries to get protected values past a configuration, and says what came out.
//!
//! Two scratch databases, the twins, differ in nothing but their protected values (`scratch`). Every attempt of the
//! `catalogue` is made against both; what depends on a protected value then differs, whatever its form, and is told from
//! what does not (`judge`). Beside the attempts stand `legitimate` statements, which must answer as the server itself
//! does. `campaign` runs all of it, `report` tells it.
//!
//! Where Grille is and how it is started is none of this crate's business: it is given [`Door`]s. The only SQL here that is
//! run past Grille makes and removes the twins.
#![forbid(unsafe_code)]

mod attempt;
mod campaign;
mod canary;
mod catalogue;
mod door;
mod judge;
mod legitimate;
mod message;
mod normal;
mod play;
mod report;
mod scratch;
mod session;
mod twin;

pub use attempt::{Attempt, Facility, Grant, Row, Way};
pub use campaign::{Campaign, CampaignError, Doors};
pub use door::{Door, Gateway, OpenError, Opened};
pub use report::{Outcome, Report, Stance};
pub use scratch::{ColumnRule, Scratch, ScratchError, covered_by_mistake, protected_columns};
pub use session::{Session, SessionError};
pub use twin::Twin;
