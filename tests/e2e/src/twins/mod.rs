//! Twin databases that differ in protected values only, asked the same through Grille, and a third one with the first
//! twin's values that is asked directly. Whatever a client receives from the twins must be the same, byte by byte.
//!
//! What is left out on purpose: time; and the order and plan that follow from how many pages a table has, which depends on
//! how long values are. Tables here are so small, and made anew so often, that they have one page.

mod judge;
mod normal;
mod play;
mod shrink;
mod stage;

pub use judge::{Finding, Problem, is_refusal, judge};
pub use play::Transcript;
pub use shrink::{Shrunk, shrink};
pub use stage::{Answers, Pair, Through, Twins};
