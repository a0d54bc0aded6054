//! Databases, and statements about them, made up under a seed: to be asked of twins that differ in protected values only.
//! Nothing here connects to anything. What a statement must answer is not known here; only whether a protected column is
//! mentioned in it.

mod build;
pub mod define;
pub mod dice;
pub mod expression;
pub mod kind;
pub mod production;
pub mod query;
pub mod script;
pub mod world;
pub mod write;

pub use dice::Dice;
pub use script::{Delivery, Expected, Script, Step};
pub use world::World;
