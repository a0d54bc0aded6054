//! What a candidate can be, and what must come of it.

use crate::stage::Door;

/// A candidate's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A revision like the active one.
    Good,
    /// Bytes of no meaning.
    Random,
    /// A good one whose first byte is another.
    WrongMagic,
    /// The beginning of a good one.
    Truncated,
    /// A good one without the signature that it needs.
    Unsigned,
    /// One that somebody else has signed.
    WrongKey,
    /// One with the signature of another.
    OtherSignature,
    /// One that does not return from `configure`.
    HangsInConfigure,
    /// One that does not return from its own vectors.
    HangsInVectors,
    /// One that imports what the active one does not.
    Widening,
    /// A detector.
    WrongWorld,
}

/// How often each kind comes up among 1,000. Those that hang are let hang for seconds.
const OFTEN: [(Kind, usize); 11] = [
    (Kind::Good, 380),
    (Kind::Random, 80),
    (Kind::WrongMagic, 80),
    (Kind::Truncated, 100),
    (Kind::Unsigned, 80),
    (Kind::WrongKey, 80),
    (Kind::OtherSignature, 80),
    (Kind::HangsInConfigure, 10),
    (Kind::HangsInVectors, 10),
    (Kind::Widening, 50),
    (Kind::WrongWorld, 50),
];

impl Kind {
    /// The kind that a throw below 1,000 stands for. Where no signature is needed, none can be wrong: a good one comes instead.
    pub(crate) fn thrown(throw: usize, door: Door) -> Self {
        let mut left = throw;
        let found = OFTEN.iter().find(|(_, often)| {
            let is_it = left < *often;
            left = left.saturating_sub(*often);
            is_it
        });
        let kind = found.map_or(Self::Good, |(kind, _)| *kind);
        match (kind, door) {
            (Self::Unsigned | Self::WrongKey | Self::OtherSignature, Door::Open(_)) => Self::Good,
            (kind, Door::Open(_) | Door::Signed(_)) => kind,
        }
    }

    pub(crate) fn told(self) -> &'static str {
        match self {
            Self::Good => "a good one",
            Self::Random => "random bytes",
            Self::WrongMagic => "a wrong magic number",
            Self::Truncated => "a truncated one",
            Self::Unsigned => "an unsigned one",
            Self::WrongKey => "one signed by somebody else",
            Self::OtherSignature => "one with another's signature",
            Self::HangsInConfigure => "one that hangs in configure",
            Self::HangsInVectors => "one that hangs in its vectors",
            Self::Widening => "one that imports more",
            Self::WrongWorld => "one of another world",
        }
    }

    /// The stage at which it must be refused; none where it must be accepted. What is behind a door that asks for signatures is
    /// not looked into before it has one.
    pub(crate) fn refused_at(self, door: Door) -> Option<&'static str> {
        Some(match self {
            Self::Good => return None,
            Self::Random | Self::WrongMagic | Self::Truncated => match door {
                Door::Open(_) => "compile",
                Door::Signed(_) => "trust",
            },
            Self::Unsigned | Self::WrongKey | Self::OtherSignature => "trust",
            Self::HangsInConfigure => "configure",
            Self::HangsInVectors => "vectors",
            Self::Widening => "widening",
            Self::WrongWorld => "metadata",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_throw_is_a_kind_and_every_kind_is_thrown() {
        let (open, signed) = (Door::Open(0), Door::Signed(0));
        assert_eq!(OFTEN.iter().map(|(_, often)| often).sum::<usize>(), 1000);
        for (kind, often) in OFTEN {
            let count = |door| (0..1000).filter(|throw| Kind::thrown(*throw, door) == kind).count();
            assert_eq!(count(signed), often, "{}", kind.told());
            let is_about_signatures = kind.refused_at(open) == Some("trust");
            assert_eq!(count(open) > 0, !is_about_signatures, "{}", kind.told());
        }
    }
}
