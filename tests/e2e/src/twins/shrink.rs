//! Makes a failing script smaller, by making the record of choices it was composed from smaller.

use crate::generate::{Dice, Script, World};

/// Sizes of the pieces that are left out, one after the other.
const PIECES: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

/// A script that still fails, and how many were tried for it.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The script.
    pub script: Script,
    /// How many were played.
    pub tried: usize,
}

struct Search<'s> {
    world: &'s World,
    record: Vec<u32>,
    script: Script,
    tried: usize,
    tries_max: usize,
    fails: &'s mut dyn FnMut(&Script) -> bool,
}

/// A script made from fewer or simpler choices than `record` that still `fails`; found in at most `tries_max` tries.
pub fn shrink(
    world: &World,
    record: &[u32],
    tries_max: usize,
    fails: &mut dyn FnMut(&Script) -> bool,
) -> Shrunk {
    let script = Script::compose(world, &mut Dice::replayed(record));
    let mut search = Search { world, record: record.to_vec(), script, tried: 0, tries_max, fails };
    while search.pass() {}
    Shrunk { script: search.script, tried: search.tried }
}

impl Search<'_> {
    /// Tries every piece and every choice once; whether any attempt succeeded.
    fn pass(&mut self) -> bool {
        let before = self.record.clone();
        self.leave_out_steps();
        for piece in PIECES {
            let mut at = self.record.len();
            while at > 0 {
                at = at.saturating_sub(piece);
                let end = (at + piece).min(self.record.len());
                self.attempt(|record| _ = record.drain(at..end));
                at = at.min(self.record.len());
            }
        }
        for at in 0..self.record.len() {
            self.attempt(|record| set(record, at, |_| 0));
            self.attempt(|record| set(record, at, |choice| choice / 2));
            self.attempt(|record| set(record, at, |choice| choice.saturating_sub(1)));
        }
        self.tried < self.tries_max && self.record != before
    }

    fn leave_out_steps(&mut self) {
        for step in (0..self.script.steps.len()).rev() {
            let (_, marks) = Script::compose_marked(self.world, &mut Dice::replayed(&self.record));
            let Some(start) = marks.get(step) else { continue };
            let choices = match marks.get(step + 1) {
                Some(end) => *start..*end,
                // The choice to go on goes too.
                None => start.saturating_sub(1)..self.record.len(),
            };
            self.attempt(|record| _ = record.drain(choices));
        }
    }

    /// Plays the script of a changed record, unless that is the same script, and keeps the record if it fails.
    fn attempt(&mut self, change: impl FnOnce(&mut Vec<u32>)) {
        let mut record = self.record.clone();
        change(&mut record);
        if record == self.record || self.tried >= self.tries_max {
            return;
        }
        let mut dice = Dice::replayed(&record);
        let script = Script::compose(self.world, &mut dice);
        if script != self.script {
            self.tried += 1;
            if !(self.fails)(&script) {
                return;
            }
        }
        self.record = dice.record().to_vec();
        self.script = script;
    }
}

fn set(record: &mut [u32], at: usize, simpler: impl FnOnce(u32) -> u32) {
    if let Some(choice) = record.get_mut(at) {
        *choice = simpler(*choice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_remains_is_little_and_still_fails() {
        let world = World::build(&mut Dice::seeded(3));
        let mut shrunk_one = 0;
        for seed in 0..40 {
            let mut dice = Dice::seeded(seed);
            let script = Script::compose(&world, &mut dice);
            let mut fails = |script: &Script| script.to_string().contains("join");
            if fails(&script) {
                let shrunk = shrink(&world, dice.record(), 2000, &mut fails).script.to_string();
                assert!(shrunk.contains("join") && shrunk.len() < 300, "{script}\n{shrunk}");
                shrunk_one += 1;
            }
        }
        assert!(shrunk_one > 0, "no script had a join");
    }
}
