//! Choices under a seed, recorded. What is made from a record of choices can be made again from a shorter or simpler one,
//! so whatever is generated can be shrunk without knowing what it is: smaller choices stand for simpler things, and past
//! the record's end every choice is the simplest.

use grille_harness::random::Seeded;

/// Makes choices, new ones or recorded ones.
#[derive(Clone, Debug)]
pub struct Dice {
    record: Vec<u32>,
    next: usize,
    /// Where new choices come from; none when only recorded ones are made again.
    source: Option<Seeded>,
}

impl Dice {
    /// New choices, the same for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self { record: Vec::new(), next: 0, source: Some(Seeded::new(seed)) }
    }

    /// The choices of a record, then the simplest.
    pub fn replayed(record: &[u32]) -> Self {
        Self { record: record.to_vec(), next: 0, source: None }
    }

    /// Every choice made so far.
    pub fn record(&self) -> &[u32] {
        &self.record[..self.next.min(self.record.len())]
    }

    /// A number below `count`, 0 being the simplest; 0 if `count` is 0.
    pub fn below(&mut self, count: usize) -> usize {
        if count < 2 {
            return 0;
        }
        let choice = match &mut self.source {
            Some(source) => {
                let choice = (source.number() % count as u64) as u32;
                self.record.push(choice);
                choice
            }
            None => self.record.get(self.next).copied().unwrap_or(0),
        };
        self.next += 1;
        choice as usize % count
    }

    /// Yes in `percent` of 100 throws; no is simpler.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) >= 100 - percent.min(100)
    }

    /// One of `choices`, the first being the simplest. There must be one.
    pub fn pick<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        &choices[self.below(choices.len())]
    }

    /// One of `choices` by weight, the first being the simplest. The weights must not all be 0.
    pub fn weighted<'c, T>(&mut self, choices: &'c [(usize, T)]) -> &'c T {
        let mut throw = self.below(choices.iter().map(|(weight, _)| weight).sum());
        for (weight, choice) in choices {
            if throw < *weight {
                return choice;
            }
            throw -= weight;
        }
        &choices[0].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_gives_the_same_choices_again_and_then_the_simplest() {
        let mut first = Dice::seeded(7);
        let choices: Vec<usize> = (2..40).map(|count| first.below(count)).collect();
        let mut again = Dice::replayed(first.record());
        assert_eq!((2..40).map(|count| again.below(count)).collect::<Vec<_>>(), choices);
        assert_eq!((again.below(9), again.chance(99), *again.pick(&['a', 'b'])), (0, false, 'a'));
        assert_eq!(again.record(), first.record());
    }

    #[test]
    fn weights_hold() {
        let mut dice = Dice::seeded(1);
        let rare = (0..1000).filter(|_| *dice.weighted(&[(9, 'a'), (0, 'b'), (1, 'c')]) == 'c').count();
        assert!((50..150).contains(&rare), "{rare}");
        assert!((0..1000).all(|_| *dice.weighted(&[(1, 'a'), (0, 'b')]) == 'a'));
    }
}
