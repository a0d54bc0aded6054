//! Choices under a seed.

use grille_harness::random::Seeded;

/// Makes the same choices for the same seed.
pub(crate) struct Dice(Seeded);

impl Dice {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(Seeded::new(seed))
    }

    /// A number below `count`; 0 if `count` is 0.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        let number = self.0.number() % (count.max(1) as u64);
        usize::try_from(number).unwrap_or(0)
    }

    /// So many bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.0.number() as u8).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_and_everything_comes_up() {
        let throws = |seed| {
            let mut dice = Dice::seeded(seed);
            (0..200).map(|_| dice.below(6)).collect::<Vec<_>>()
        };
        assert_eq!(throws(7), throws(7));
        assert_ne!(throws(7), throws(8));
        assert!((0..6).all(|side| throws(7).contains(&side)) && throws(7).iter().all(|side| *side < 6));
        assert_eq!(Dice::seeded(7).below(0), 0);
        assert_eq!(Dice::seeded(7).bytes(9).len(), 9);
    }
}
