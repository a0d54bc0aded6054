//! The two databases that differ in nothing but their protected values.

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Twin {
    /// The first, whose values an attacker who probes knows.
    A,
    /// The second.
    B,
}
