//! The next state of all slots, until it is committed or thrown away.

use std::collections::{BTreeMap, BTreeSet};

use grille_core::rollout::{
    Arrival, Change, Circumstances, Event, RefusedCandidate, Rejection, RevisionId, Slots, Stage, Target,
};
use grille_core::{Digest, PluginId};

use super::BY_GRILLE;
use super::candidate::{Refusal, Stage as Passing};
use super::ready::{Readies, Ready};
use crate::config::{Config, PluginSettings, Problem};

/// Who is told to have done what a file brought about.
const BY_FILE: &str = "file";

/// What was last tried of a slot's file, to tell whether anything has changed since.
pub(super) type Attempts = BTreeMap<PluginId, Digest>;

/// Slots with what is ready in them.
#[derive(Clone, Default)]
pub(super) struct Draft {
    pub(super) slots: Slots,
    pub(super) ready: Readies,
    pub(super) attempts: Attempts,
    /// Slots with a candidate that was refused for a reason that may pass by itself.
    pub(super) unfinished: BTreeSet<PluginId>,
    /// Changes, in order, that are still to be told.
    pub(super) changes: Vec<Change>,
    /// Candidates that were refused.
    pub(super) refusals: Vec<(PluginId, RefusedCandidate)>,
}

/// What may become of a slot whose active revision cannot be used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// At the start, when there would be no gateway else: the last good one serves.
    FallBack,
    /// While Grille runs: another good one, or everything stays as it is.
    Refuse,
}

/// A revision that had to be made ready anew, and what came of that.
pub(super) type Remade = (RevisionId, Result<Ready, Refusal>);

/// What was found out about one slot without the lock.
#[derive(Default)]
pub(super) struct Found {
    /// Revisions that had to be made ready anew.
    pub(super) remade: Vec<Remade>,
    /// What the file and the settings hold; none where the file cannot be read.
    pub(super) holds: Option<RevisionId>,
    pub(super) attempt: Option<Digest>,
    /// What came of the candidate, if one was wanted.
    pub(super) candidate: Option<Tried>,
}

/// What came of a candidate; which it is, if so much is known of one that was refused.
pub(super) type Tried = Result<(RevisionId, Ready), Misfit>;

/// A candidate that did not pass.
pub(super) struct Misfit {
    /// Which; none if it could not be read.
    pub(super) revision: Option<RevisionId>,
    /// Why.
    pub(super) refusal: Refusal,
}

impl From<Refusal> for Misfit {
    fn from(refusal: Refusal) -> Self {
        Self { revision: None, refusal }
    }
}

impl Draft {
    /// Lets something happen to a slot.
    pub(super) fn apply(
        &mut self,
        plugin: &PluginId,
        event: Event,
        circumstances: Circumstances<'_>,
    ) -> Result<(), Rejection> {
        let changes = self.slots.apply(plugin, event, circumstances)?;
        for change in &changes {
            self.ready.enter(plugin, &change.revision, change.to);
        }
        self.changes.extend(changes);
        Ok(())
    }

    /// Puts a candidate that is ready where it shall go. In a place that it has already, it stays as it is.
    pub(super) fn admit_ready(
        &mut self,
        plugin: &PluginId,
        (revision, ready): (RevisionId, Ready),
        (arrival, target): (Arrival, Target),
        circumstances: Circumstances<'_>,
    ) -> Result<(), Rejection> {
        let changes = self.changes.len();
        let known = self.ready.find(plugin, &revision).cloned();
        self.ready.insert(plugin, revision, ready);
        let applied = self.apply(plugin, Event::Admitted { revision, arrival, target }, circumstances);
        if !self.changes[changes..].iter().any(|change| change.revision == revision) {
            match known {
                Some(known) => self.ready.insert(plugin, revision, known),
                None => self.ready.remove(plugin, &revision),
            }
        }
        applied
    }

    /// Whether the same revisions judge in another draft.
    pub(super) fn has_actives_of(&self, other: &Self) -> bool {
        let actives = |slots: &Slots| -> Vec<(PluginId, RevisionId)> {
            slots.iter().map(|(name, slot)| (name.clone(), slot.active().revision)).collect()
        };
        actives(&self.slots) == actives(&other.slots)
    }

    /// Remembers why a candidate did not pass, in a slot that goes on without.
    pub(super) fn refuse(
        &mut self,
        slot: &PluginSettings,
        revision: Option<RevisionId>,
        file: &str,
        refusal: &Refusal,
        now: u64,
    ) {
        let refused = RefusedCandidate {
            revision,
            file: file.to_owned(),
            stage: refusal.stage.as_str().to_owned(),
            why: refusal.why(),
            at: now,
        };
        let circumstances = Circumstances { rules: &slot.rollout.rules, by: BY_FILE, why: "", now };
        // A slot that is not there is told in another way.
        if self.apply(&slot.name, Event::Refused(refused.clone()), circumstances).is_ok() {
            self.refusals.push((slot.name.clone(), refused));
        }
    }

    /// Whether a slot is filled with what can be used.
    fn is_filled(&self, plugin: &PluginId) -> bool {
        self.slots.slot(plugin).is_some()
    }

    /// Whether what judges in a slot can be used.
    fn is_ready(&self, plugin: &PluginId) -> bool {
        self.active_of(plugin).is_some_and(|active| self.ready.find(plugin, &active).is_some())
    }

    fn active_of(&self, plugin: &PluginId) -> Option<RevisionId> {
        self.slots.slot(plugin).map(|placed| placed.active().revision)
    }

    /// Has the slots remember what their active revisions import. Done before they are kept.
    pub(super) fn note_imports(&mut self) {
        for (plugin, active) in self.ready.actives(&self.slots) {
            let words = active.capabilities().map(|capability| capability.as_str().to_owned());
            self.slots.note_imports(&plugin, words);
        }
    }

    /// Takes in what was found out. What the configuration cannot do without and does not get is a problem.
    pub(super) fn take(
        &mut self,
        config: &Config,
        mut found: BTreeMap<PluginId, Found>,
        loss: Loss,
        now: u64,
        problems: &mut Vec<Problem>,
    ) {
        let names: BTreeSet<&PluginId> = config.plugins.iter().map(|slot| &slot.name).collect();
        self.slots.retain(|plugin| names.contains(plugin));
        self.unfinished.clear();
        for slot in &config.plugins {
            let found = found.remove(&slot.name).unwrap_or_default();
            self.take_one(slot, found, loss, now, problems);
        }
        self.ready.prune(&self.slots);
    }

    fn take_one(
        &mut self,
        slot: &PluginSettings,
        found: Found,
        loss: Loss,
        now: u64,
        problems: &mut Vec<Problem>,
    ) {
        let Found { remade, holds, attempt, candidate } = found;
        let before = self.active_of(&slot.name);
        let is_unfinished =
            matches!(&candidate, Some(Err(misfit)) if misfit.refusal.stage.may_pass_by_itself());
        let lost = self.take_remade(slot, remade, loss, now);
        // The candidate was looked for beside what was active before. What serves now gets its own look.
        let is_settled = lost.is_some() || self.active_of(&slot.name) == before;
        let is_taken_in = is_settled || matches!(candidate, Some(Ok(_)));
        match candidate {
            Some(Ok((revision, ready))) => {
                if let Some(refusal) = self.admit(slot, revision, ready, lost.is_some(), now) {
                    problems.extend(refusal.problems(slot));
                }
            }
            Some(Err(Misfit { revision, refusal })) if self.is_filled(&slot.name) => {
                self.refuse(slot, revision, &slot.file.display().to_string(), &refusal, now);
            }
            Some(Err(Misfit { refusal, .. })) => return problems.extend(refusal.problems(slot)),
            None => {}
        }
        if let Some(refusal) = lost.filter(|_| !self.is_ready(&slot.name)) {
            return problems.extend(refusal.problems(slot));
        }
        self.keep_usable(slot, now);
        let circumstances = Circumstances { rules: &slot.rollout.rules, by: BY_FILE, why: "", now };
        if let Some(holds) = holds.filter(|_| is_taken_in) {
            // Whether the slot is there was asked above.
            let _ = self.apply(&slot.name, Event::Seen(holds), circumstances);
        }
        if is_unfinished {
            self.attempts.remove(&slot.name);
            self.unfinished.insert(slot.name.clone());
            // What is granted anew is granted with this candidate in view, and it comes again.
            return;
        } else if let Some(attempt) = attempt {
            self.attempts.insert(slot.name.clone(), attempt);
        }
        let granted = slot.grants.capabilities.iter().map(|capability| capability.as_str().to_owned());
        self.slots.note_grants(&slot.name, granted);
    }

    /// Puts what was made anew in its place. Why the active revision is lost, if it is and nothing may take its place by
    /// itself.
    fn take_remade(
        &mut self,
        slot: &PluginSettings,
        remade: Vec<Remade>,
        loss: Loss,
        now: u64,
    ) -> Option<Refusal> {
        let name = &slot.name;
        let mut lost = None;
        for (revision, result) in remade {
            let placed = self.slots.slot(name);
            let is_active = placed.is_some_and(|placed| placed.active().revision == revision);
            let trial = placed.and_then(|placed| placed.candidate()).filter(|one| one.revision == revision);
            let trial = trial.map(|candidate| candidate.trial.stage());
            match result {
                Ok(ready) => {
                    self.ready.insert(name, revision, ready);
                    if let Some(stage) = trial {
                        self.ready.enter(name, &revision, stage);
                    }
                }
                Err(refusal) => {
                    self.ready.remove(name, &revision);
                    let digest = revision.digest;
                    let (stage, why) = (refusal.stage.as_str(), refusal.why());
                    tracing::error!(plugin = %name, %digest, stage, why, "a revision can no longer be used");
                    if is_active {
                        lost = Some(refusal);
                    }
                }
            }
        }
        match loss {
            Loss::FallBack => lost.filter(|refusal| !self.fall_back(slot, refusal, now)),
            Loss::Refuse => lost,
        }
    }

    /// Whether the last good revision could take the place of the active one, which is lost.
    fn fall_back(&mut self, slot: &PluginSettings, refusal: &Refusal, now: u64) -> bool {
        self.keep_usable(slot, now);
        let Some(placed) = self.slots.slot(&slot.name) else { return false };
        let revision = placed.active().revision;
        tracing::error!(plugin = %slot.name, digest = %revision.digest, "the last good revision serves instead");
        self.changes.push(Change {
            plugin: slot.name.clone(),
            revision,
            from: Some(Stage::Previous),
            to: Stage::Active,
            why: format!("what was active can no longer be used: {}", refusal.why()),
            by: BY_GRILLE.to_owned(),
        });
        true
    }

    /// Without revisions that are not ready. If the active one is not, the previous may take its place only where
    /// [`Draft::take_remade`] allowed that before.
    fn keep_usable(&mut self, slot: &PluginSettings, now: u64) {
        let (ready, name) = (&self.ready, &slot.name);
        let candidate = self.slots.slot(name).and_then(|placed| placed.candidate()).cloned();
        self.slots.keep_usable(name, |revision| ready.find(name, revision).is_some(), now);
        let Some(gone) = candidate.filter(|candidate| ready.find(name, &candidate.revision).is_none()) else {
            return;
        };
        self.changes.push(Change {
            plugin: name.clone(),
            revision: gone.revision,
            from: Some(gone.trial.stage()),
            to: Stage::Gone,
            why: "it can no longer be used".to_owned(),
            by: BY_GRILLE.to_owned(),
        });
    }

    /// Puts the file's candidate in its place, or remembers why there is none for it: why, where nobody would know else, because
    /// the slot is empty and stays so.
    fn admit(
        &mut self,
        slot: &PluginSettings,
        revision: RevisionId,
        ready: Ready,
        is_lost: bool,
        now: u64,
    ) -> Option<Refusal> {
        let rules = &slot.rollout.rules;
        let target = if is_lost { Target::Active } else { slot.rollout.target };
        let active = self.slots.slot(&slot.name).map(|placed| placed.active().revision.digest);
        let why = match active {
            None => "the slot was empty",
            Some(active) if active == revision.digest => "the settings have changed",
            Some(_) => "the file has changed",
        };
        let circumstances = Circumstances { rules, by: BY_FILE, why, now };
        let place = (Arrival::File, target);
        let rejection = self.admit_ready(&slot.name, (revision, ready), place, circumstances).err()?;
        let refusal = Refusal::new(Passing::Admission, rejection.to_string());
        self.refuse(slot, Some(revision), &slot.file.display().to_string(), &refusal, now);
        (!self.is_filled(&slot.name)).then_some(refusal)
    }
}
