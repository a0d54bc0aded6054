//! One slot: its revisions and what is remembered of others. Every change of the active revision is in `Slot::make_active`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Arrival, RevisionId, Rules, Stage, Target, Trial};
use crate::untrusted::clean_text;
use crate::{Digest, HealthReading};

/// Most digests that one slot keeps out; the one that was held back longest ago is forgotten first.
const HELD_BACK_MAX: usize = 16;

/// Longest reason that is kept, in bytes.
const WHY_BYTES_MAX: usize = 1000;

/// The slot of one plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    pub(super) active: Active,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) previous: Option<RevisionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) candidate: Option<Candidate>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) held_back: Vec<HeldBack>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<RefusedCandidate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) seen: Option<RevisionId>,
    #[serde(default)]
    pub(super) granted: BTreeSet<String>,
    /// The words of what the active revision imports; none where nobody has said so since it became active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) imports: Option<BTreeSet<String>>,
}

/// What is left of a slot of which no revision can be used: what may not come into it, and by what the next one is measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Emptied {
    pub(super) held_back: Vec<HeldBack>,
    pub(super) seen: Option<RevisionId>,
    pub(super) granted: BTreeSet<String>,
    pub(super) imports: Option<BTreeSet<String>>,
}

/// The revision that judges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Active {
    /// Which.
    pub revision: RevisionId,
    /// How it came.
    pub arrival: Arrival,
    /// Since when, in seconds since 1970.
    pub since: u64,
    /// Until when it is watched, if it took another's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probation_until: Option<u64>,
}

/// The revision that is tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// Which.
    pub revision: RevisionId,
    /// How it came.
    pub arrival: Arrival,
    /// How it is tried.
    pub trial: Trial,
    /// Since when, in seconds since 1970.
    pub since: u64,
}

/// A component that is kept out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldBack {
    /// The component.
    pub digest: Digest,
    /// Under these settings alone, where the same component serves well under others; else under any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Digest>,
    /// Why.
    pub why: String,
    /// Since when, in seconds since 1970.
    pub since: u64,
    /// Whether the configuration's file held it then or later. Only then another component in the file says anything about it.
    #[serde(default)]
    pub in_file: bool,
}

/// The last candidate that did not pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedCandidate {
    /// Which; none if it could not even be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<RevisionId>,
    /// Where it came from.
    pub file: String,
    /// The word for the stage it did not pass.
    pub stage: String,
    /// Why.
    pub why: String,
    /// When, in seconds since 1970.
    pub at: u64,
}

/// A move of a revision, before it is told to whom it belongs.
pub(super) struct Move {
    pub(super) revision: RevisionId,
    pub(super) from: Option<Stage>,
    pub(super) to: Stage,
    /// Where it is not the event's.
    pub(super) why: Option<String>,
}

impl Move {
    fn new(revision: RevisionId, from: Option<Stage>, to: Stage) -> Self {
        Self { revision, from, to, why: None }
    }

    fn because(self, why: impl Into<String>) -> Self {
        Self { why: Some(why.into()), ..self }
    }
}

impl Slot {
    pub(super) fn new(revision: RevisionId, arrival: Arrival, now: u64) -> Self {
        Self {
            active: Active { revision, arrival, since: now, probation_until: None },
            previous: None,
            candidate: None,
            held_back: Vec::new(),
            refused: None,
            seen: None,
            granted: BTreeSet::new(),
            imports: None,
        }
    }

    /// In a slot that was emptied; what is held back was asked before.
    pub(super) fn refilled(revision: RevisionId, arrival: Arrival, now: u64, emptied: Emptied) -> Self {
        let Emptied { held_back, seen, granted, imports: _ } = emptied;
        Self { held_back, seen, granted, ..Self::new(revision, arrival, now) }
    }

    /// The revision that judges.
    pub fn active(&self) -> &Active {
        &self.active
    }

    /// What rollback goes back to.
    pub fn previous(&self) -> Option<RevisionId> {
        self.previous
    }

    /// What is tried.
    pub fn candidate(&self) -> Option<&Candidate> {
        self.candidate.as_ref()
    }

    /// What is kept out, the longest first.
    pub fn held_back(&self) -> &[HeldBack] {
        &self.held_back
    }

    /// The last candidate that did not pass, until one does.
    pub fn refused(&self) -> Option<&RefusedCandidate> {
        self.refused.as_ref()
    }

    /// What the file and the settings said when they were last acted upon.
    pub fn seen(&self) -> Option<RevisionId> {
        self.seen
    }

    /// The words of what the slot was granted when it was last written.
    pub fn granted(&self) -> &BTreeSet<String> {
        &self.granted
    }

    /// Whether it may not come back by itself.
    pub fn is_held_back(&self, revision: &RevisionId) -> bool {
        self.held_back.iter().any(|held| held.covers(revision))
    }

    /// Whether the active revision is watched now.
    pub fn is_on_probation(&self, now: u64) -> bool {
        self.previous.is_some() && self.active.probation_until.is_some_and(|until| now < until)
    }

    /// All revisions that have a place.
    pub fn revisions(&self) -> impl Iterator<Item = RevisionId> {
        let candidate = self.candidate.as_ref().map(|candidate| candidate.revision);
        std::iter::once(self.active.revision).chain(self.previous).chain(candidate)
    }

    /// The candidate takes its place. It is not the active revision.
    pub(super) fn admit(
        &mut self,
        revision: RevisionId,
        arrival: Arrival,
        target: Target,
        rules: &Rules,
        now: u64,
    ) -> Vec<Move> {
        // Beside a trial that an operator began, what the file holds is still refused.
        let was_refused = self.refused.as_ref().is_some_and(|refused| refused.revision == Some(revision));
        if was_refused || arrival == Arrival::File || target == Target::Active {
            self.refused = None;
        }
        match target {
            Target::Active => self.put(revision, arrival, rules, now),
            Target::Trial(trial) => {
                let from = self.take_candidate(revision);
                let mut moves = self.drop_candidate("another candidate took its place");
                moves.push(Move::new(revision, from, trial.stage()));
                self.candidate = Some(Candidate { revision, arrival, trial, since: now });
                moves
            }
        }
    }

    /// It becomes active; what was is what rollback goes back to.
    fn put(&mut self, revision: RevisionId, arrival: Arrival, rules: &Rules, now: u64) -> Vec<Move> {
        let from = self.take_candidate(revision);
        let mut moves = vec![Move::new(revision, from, Stage::Active)];
        let probation_until = Some(now.saturating_add(rules.probation_s));
        // Other settings of a component that an operator chose over the file's, or went back to, are still that choice.
        let of_active = arrival == Arrival::File && revision.digest == self.active.revision.digest;
        let arrival = if of_active { self.active.arrival } else { arrival };
        let before = self.make_active(Active { revision, arrival, since: now, probation_until });
        moves.push(Move::new(before.revision, Some(Stage::Active), Stage::Previous));
        self.previous = Some(before.revision);
        moves.extend(self.drop_candidate("another revision became active"));
        moves
    }

    /// Every change of the active revision; what was active.
    fn make_active(&mut self, active: Active) -> Active {
        self.imports = None;
        std::mem::replace(&mut self.active, active)
    }

    /// An older revision becomes active, under its own settings. Those of the configuration have not been acted upon any more.
    fn go_back_to(&mut self, revision: RevisionId, now: u64) -> RevisionId {
        if let Some(seen) = &mut self.seen {
            seen.settings = revision.settings;
        }
        let arrival = Arrival::Rollback;
        self.take_candidate(revision);
        self.make_active(Active { revision, arrival, since: now, probation_until: None }).revision
    }

    /// The candidate is no longer one if it is that revision: the stage it was at.
    fn take_candidate(&mut self, revision: RevisionId) -> Option<Stage> {
        let candidate = self.candidate.take_if(|candidate| candidate.revision == revision)?;
        Some(candidate.trial.stage())
    }

    /// The candidate goes.
    pub(super) fn drop_candidate(&mut self, why: &str) -> Vec<Move> {
        let gone = self.candidate.take().map(|candidate| {
            Move::new(candidate.revision, Some(candidate.trial.stage()), Stage::Gone).because(why)
        });
        gone.into_iter().collect()
    }

    /// The previous revision is active again, what was active is kept out. Nothing if there is none.
    pub(super) fn roll_back(&mut self, why: &str, now: u64) -> Option<Vec<Move>> {
        let revision = self.previous.take()?;
        let failed = self.go_back_to(revision, now);
        self.hold_back(failed, why, now);
        Some(vec![
            Move::new(failed, Some(Stage::Active), Stage::HeldBack),
            Move::new(revision, Some(Stage::Previous), Stage::Active),
        ])
    }

    /// What a revision's figures lead to.
    pub(super) fn judge(
        &mut self,
        revision: RevisionId,
        reading: &HealthReading,
        rules: &Rules,
        now: u64,
    ) -> Vec<Move> {
        let Some(why) = rules.broken_by(reading) else { return Vec::new() };
        let because = |moves: Vec<Move>| moves.into_iter().map(|one| one.because(why.clone())).collect();
        if self.active.revision == revision && self.is_on_probation(now) {
            return self.roll_back(&why, now).map(because).unwrap_or_default();
        }
        let is_canary = |candidate: &mut Candidate| {
            candidate.revision == revision && candidate.trial.stage() == Stage::Canary
        };
        if self.candidate.take_if(is_canary).is_none() {
            return Vec::new();
        }
        // What failed just now is nothing to go back to.
        self.previous.take_if(|previous| *previous == revision);
        self.hold_back(revision, &why, now);
        because(vec![Move::new(revision, Some(Stage::Canary), Stage::HeldBack)])
    }

    /// The file and the settings say this. A component that the file held before may come again, if what it holds now has
    /// passed all stages: half a file is nobody's word.
    pub(super) fn see(&mut self, holds: RevisionId) -> Vec<Move> {
        self.seen = Some(holds);
        for held in self.held_back.iter_mut().filter(|held| held.digest == holds.digest) {
            held.in_file = true;
        }
        let candidate = self.candidate.as_ref().map(|candidate| candidate.revision.digest);
        if self.active.revision.digest == holds.digest || candidate == Some(holds.digest) {
            self.held_back.retain(|held| !held.in_file || held.digest == holds.digest);
        }
        if self.active.revision != holds {
            return Vec::new();
        }
        self.active.arrival = Arrival::File;
        match &self.candidate {
            Some(candidate) if candidate.arrival == Arrival::File => {
                self.drop_candidate("the file holds the active revision again")
            }
            Some(_) | None => Vec::new(),
        }
    }

    pub(super) fn refuse(&mut self, refused: RefusedCandidate) {
        let why = clean_text(&refused.why, WHY_BYTES_MAX);
        self.refused = Some(RefusedCandidate { why, ..refused });
    }

    /// An operator named it: it may come.
    pub(super) fn release(&mut self, revision: &RevisionId) {
        self.held_back.retain(|held| !held.covers(revision));
    }

    fn hold_back(&mut self, revision: RevisionId, why: &str, now: u64) {
        let serves = self.revisions().any(|other| other.digest == revision.digest);
        let settings = serves.then_some(revision.settings);
        self.release(&revision);
        if self.held_back.len() >= HELD_BACK_MAX {
            self.held_back.remove(0);
        }
        let why = clean_text(why, WHY_BYTES_MAX);
        let in_file = self.seen.is_some_and(|seen| seen.digest == revision.digest);
        self.held_back.push(HeldBack { digest: revision.digest, settings, why, since: now, in_file });
    }

    /// Without what cannot be used: the previous revision takes an unusable active one's place.
    ///
    /// # Errors
    /// What is remembered, if no revision is left.
    pub(super) fn usable(
        mut self,
        is_usable: impl Fn(&RevisionId) -> bool,
        now: u64,
    ) -> Result<Self, Box<Emptied>> {
        self.candidate = self.candidate.filter(|candidate| is_usable(&candidate.revision));
        self.previous = self.previous.filter(&is_usable);
        if !is_usable(&self.active.revision) {
            let Some(revision) = self.previous.take() else { return Err(Box::new(self.emptied())) };
            self.go_back_to(revision, now);
        }
        Ok(self)
    }

    fn emptied(self) -> Emptied {
        let Self { held_back, seen, granted, imports, .. } = self;
        Emptied { held_back, seen, granted, imports }
    }
}

impl HeldBack {
    /// Whether it keeps the revision out.
    pub fn covers(&self, revision: &RevisionId) -> bool {
        self.digest == revision.digest && self.settings.is_none_or(|settings| settings == revision.settings)
    }
}
