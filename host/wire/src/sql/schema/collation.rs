//! How texts are compared, as far as it decides whether that can fail.

/// The collation of a column or of a computed text (manual, section 23.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Collation {
    /// That of the database, or none: it gives way to any other.
    #[default]
    Usual,
    /// Another, of this OID (`pg_collation.oid`).
    Own(u32),
    /// Another, of this OID, which is not deterministic: functions that search for texts do not take it.
    Loose(u32),
    /// Of several that are not the same, or nobody knows which: who asks for it is refused when he does.
    Mixed,
}

impl Collation {
    /// The server's own `C`.
    pub const C: Self = Self::Own(950);

    /// That of what is computed from two texts, where neither is given one explicitly.
    pub fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Usual, other) => other,
            (one, Self::Usual) => one,
            (one, other) if one == other => one,
            (Self::Own(_) | Self::Loose(_) | Self::Mixed, Self::Own(_) | Self::Loose(_) | Self::Mixed) => {
                Self::Mixed
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_different_ones_do_not_mix() {
        let check = |one: Collation, other: Collation, expected| {
            assert_eq!(one.with(other), expected, "{one:?} {other:?}");
            assert_eq!(other.with(one), expected, "{other:?} {one:?}");
        };
        check(Collation::Usual, Collation::Usual, Collation::Usual);
        check(Collation::Usual, Collation::C, Collation::C);
        check(Collation::C, Collation::C, Collation::C);
        check(Collation::C, Collation::Own(951), Collation::Mixed);
        check(Collation::Loose(7), Collation::Usual, Collation::Loose(7));
        check(Collation::Loose(7), Collation::Own(7), Collation::Mixed);
        check(Collation::Mixed, Collation::Usual, Collation::Mixed);
    }
}
