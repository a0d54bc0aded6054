//! Reloads good and bad components again and again, by file and by command, and looks after each round whether what judges is what
//! must: `reload-storm [--reloads N] [--seed N]`.
//!
//! A round gives each slot one candidate, of a kind and in a way that the seed decides; those by file come all at once. What is active
//! is asked three times: of status, of a session of each slot, and of what must have come of it. `GRILLE_BINARY` names the binary.
//! The last line is `reload: N reloads, A accepted, R refused, W wrong, memory ratio Y`; exit code 1 unless nothing was wrong and
//! nothing grew.
#![forbid(unsafe_code)]

mod candidate;
mod dice;
mod growth;
mod kind;
mod plan;
mod slot;
mod stage;

use std::process::ExitCode;

use anyhow::Context;

use candidate::Library;
use dice::Dice;
use growth::{Held, MEMORY_RATIO_MAX};
use plan::Plan;
use slot::{Outcome, Slot};
use stage::Stage;

/// Reloads before anything is measured, so that every kind has been compiled: more than there are kinds for each slot.
const WARM_UP: usize = 120;

/// A run that goes wrong again and again is not continued.
const WRONG_MAX: usize = 20;

/// After so many rounds a line tells how far it has got.
const ROUNDS_TOLD: usize = 100;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let plan = Plan::parse(&arguments)?;
    println!("seed {}", plan.seed);
    let stage = Stage::set()?;
    let mut storm = Storm::begin(&stage, plan.seed)?;
    storm.rounds(WARM_UP)?;
    let before = Held::at_rest(&stage, None)?;
    storm.rounds(plan.reloads.saturating_sub(WARM_UP))?;
    let after = Held::at_rest(&stage, Some(&before))?;
    let good = storm.report(&before, &after);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What has been done and what came of it.
struct Storm<'s> {
    stage: &'s Stage,
    library: Library,
    slots: Vec<Slot>,
    dice: Dice,
    tally: Tally,
}

#[derive(Default)]
struct Tally {
    reloads: usize,
    accepted: usize,
    refused: usize,
    /// Not as it must be; told at once.
    wrong: usize,
}

impl<'s> Storm<'s> {
    fn begin(stage: &'s Stage, seed: u64) -> anyhow::Result<Self> {
        let library = Library::make(stage)?;
        let slots =
            stage.slots().map(|door| Slot::begin(stage, &library, door)).collect::<anyhow::Result<_>>()?;
        Ok(Self { stage, library, slots, dice: Dice::seeded(seed), tally: Tally::default() })
    }

    /// As many rounds as make that many reloads, or until too much was wrong.
    fn rounds(&mut self, reloads: usize) -> anyhow::Result<()> {
        for round in 0..reloads.div_ceil(self.slots.len()) {
            if self.tally.wrong >= WRONG_MAX {
                return Ok(());
            }
            self.round()?;
            if round % ROUNDS_TOLD == ROUNDS_TOLD - 1 {
                let Tally { reloads, accepted, refused, wrong } = &self.tally;
                println!("{reloads} reloads: {accepted} accepted, {refused} refused, {wrong} wrong");
            }
        }
        Ok(())
    }

    /// One candidate for each slot: by file at once, then by command, then a look at all of them.
    fn round(&mut self) -> anyhow::Result<()> {
        for slot in &mut self.slots {
            slot.choose(&mut self.library, &mut self.dice)?;
        }
        for slot in &mut self.slots {
            slot.drop_file()?;
        }
        for slot in &mut self.slots {
            slot.command(self.stage)?;
        }
        for slot in &mut self.slots {
            let (name, what) = (slot.name(), slot.told());
            let number = self.tally.reloads;
            self.tally.reloads += 1;
            match slot.look(self.stage).with_context(|| format!("reload {number}, {what} for {name}"))? {
                Outcome::Accepted => self.tally.accepted += 1,
                Outcome::Refused => self.tally.refused += 1,
                Outcome::Wrong(why) => {
                    println!("wrong: reload {number}, {what} for {name}: {why}");
                    self.tally.wrong += 1;
                }
            }
        }
        Ok(())
    }

    /// Tells everything; whether it is good.
    fn report(&self, before: &Held, after: &Held) -> bool {
        let Tally { reloads, accepted, refused, wrong } = &self.tally;
        println!("before: {before}");
        println!("after: {after}");
        let growth = after.growth_since(before);
        for line in &growth {
            println!("grown: {line}");
        }
        let ratio = after.memory_ratio(before);
        println!(
            "reload: {reloads} reloads, {accepted} accepted, {refused} refused, {wrong} wrong, memory ratio {ratio:.2}"
        );
        *wrong == 0 && growth.is_empty() && *accepted > 0 && *refused > 0 && ratio <= MEMORY_RATIO_MAX
    }
}
