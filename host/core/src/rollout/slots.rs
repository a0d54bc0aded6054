//! All slots, and the one door through which they change.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::slot::{Emptied, HeldBack, Move};
use super::{Arrival, Change, Circumstances, Event, RevisionId, Slot, Stage, Target, Trial};
use crate::PluginId;

/// The version of the serialised form that is written.
const VERSION: u32 = 2;

/// The oldest that is read. It does not say what active revisions import, nor what files held of what is held back: the one
/// is not known then, the other is found out when files are looked at.
const VERSION_MIN: u32 = 1;

/// All slots, by the plugins' names in the configuration. At most one of them has a canary, so that what differs can be told
/// apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct Slots {
    slots: BTreeMap<PluginId, Slot>,
    /// What is remembered of slots that no revision fills.
    emptied: BTreeMap<PluginId, Emptied>,
}

/// What a slot was granted and what its last active revision imported, in words: by that a candidate is measured where the
/// revision itself is gone.
#[derive(Clone, Copy, Debug)]
pub struct Remembered<'s> {
    /// What it was granted when that was last written.
    pub granted: &'s BTreeSet<String>,
    /// What the active revision imports, or the last that was; none where it is not known.
    pub imports: Option<&'s BTreeSet<String>>,
}

/// What was asked for is not done: a sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No slot of that name.
    #[error("there is no plugin with the name `{0}`")]
    NoSuchSlot(PluginId),
    /// Nothing to go back to.
    #[error("`{0}` has no previous revision to go back to")]
    NoPrevious(PluginId),
    /// Nothing is tried.
    #[error("`{0}` has no candidate")]
    NoCandidate(PluginId),
    /// Only one canary at a time.
    #[error("`{0}` has a canary, and there can be only one at a time: promote or drop that first")]
    AnotherCanary(PluginId),
    /// It was rolled back, and nobody has named it since.
    #[error("it is held back ({why}): name it in `grille plugin activate` to have it all the same")]
    HeldBack {
        /// Why.
        why: String,
    },
    /// What is active cannot be tried beside itself.
    #[error("it is the active revision already")]
    IsActive,
}

/// What was read is not the serialised form of slots.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSlots {
    /// Written by another version.
    #[error("it has format {0}, and this Grille reads formats {VERSION_MIN} to {VERSION}")]
    Version(u32),
    /// A state that no events lead to.
    #[error("slot `{plugin}`: {what}")]
    Contradiction {
        /// The slot.
        plugin: PluginId,
        /// What is wrong with it.
        what: &'static str,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u32,
    slots: BTreeMap<PluginId, Slot>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    emptied: BTreeMap<PluginId, Emptied>,
}

impl Slots {
    /// One slot.
    pub fn slot(&self, plugin: &PluginId) -> Option<&Slot> {
        self.slots.get(plugin)
    }

    /// All slots, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&PluginId, &Slot)> {
        self.slots.iter()
    }

    /// The slot that has the canary.
    pub fn canary(&self) -> Option<&PluginId> {
        let is_canary =
            |slot: &Slot| slot.candidate().is_some_and(|candidate| candidate.trial.stage() == Stage::Canary);
        self.slots.iter().find(|(_, slot)| is_canary(slot)).map(|(plugin, _)| plugin)
    }

    /// What an event leads to. After an error nothing has changed.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn apply(
        &mut self,
        plugin: &PluginId,
        event: Event,
        circumstances: Circumstances<'_>,
    ) -> Result<Vec<Change>, Rejection> {
        let Circumstances { rules, now, why, .. } = circumstances;
        let moves = match event {
            Event::Admitted { revision, arrival, target } => {
                self.admit(plugin, revision, arrival, target, circumstances)?
            }
            Event::Promote => {
                let candidate = self.slot_mut(plugin)?.candidate().cloned();
                let candidate = candidate.ok_or_else(|| Rejection::NoCandidate(plugin.clone()))?;
                let slot = self.slot_mut(plugin)?;
                slot.release(&candidate.revision);
                slot.admit(candidate.revision, candidate.arrival, Target::Active, rules, now)
            }
            Event::Rollback => {
                let moves = self.slot_mut(plugin)?.roll_back(why, now);
                moves.ok_or_else(|| Rejection::NoPrevious(plugin.clone()))?
            }
            Event::Drop => match self.slot_mut(plugin)?.drop_candidate(why) {
                none if none.is_empty() => return Err(Rejection::NoCandidate(plugin.clone())),
                moves => moves,
            },
            Event::Refused(refused) => {
                self.slot_mut(plugin)?.refuse(refused);
                Vec::new()
            }
            Event::Seen(revision) => self.slot_mut(plugin)?.see(revision),
            Event::Measured { revision, reading } => {
                self.slot_mut(plugin)?.judge(revision, &reading, rules, now)
            }
        };
        Ok(moves.into_iter().map(|one| one.told(plugin, circumstances)).collect())
    }

    fn admit(
        &mut self,
        plugin: &PluginId,
        revision: RevisionId,
        arrival: Arrival,
        target: Target,
        Circumstances { rules, now, .. }: Circumstances<'_>,
    ) -> Result<Vec<Move>, Rejection> {
        let other_canary = self.canary().filter(|other| *other != plugin).cloned();
        let Some(slot) = self.slots.get_mut(plugin) else {
            return self.fill(plugin, revision, arrival, now);
        };
        if let (Target::Trial(Trial::Canary(_)), Some(other)) = (target, other_canary) {
            return Err(Rejection::AnotherCanary(other));
        }
        match (arrival, target) {
            (Arrival::File | Arrival::Rollback, _) => may_come(slot.held_back(), &revision)?,
            (Arrival::Command, Target::Active) => slot.release(&revision),
            // To look at it once more says nothing about its coming back by itself.
            (Arrival::Command, Target::Trial(_)) => {}
        }
        match (slot.active.revision == revision, target) {
            (false, _) => Ok(slot.admit(revision, arrival, target, rules, now)),
            (true, Target::Active) => {
                slot.active.arrival = arrival;
                Ok(slot.drop_candidate("the active revision was named again"))
            }
            (true, Target::Trial(_)) => Err(Rejection::IsActive),
        }
    }

    /// The slot is empty: whatever comes becomes active, unless it was held back before the slot was emptied.
    fn fill(
        &mut self,
        plugin: &PluginId,
        revision: RevisionId,
        arrival: Arrival,
        now: u64,
    ) -> Result<Vec<Move>, Rejection> {
        if let (Some(emptied), Arrival::File | Arrival::Rollback) = (self.emptied.get(plugin), arrival) {
            may_come(&emptied.held_back, &revision)?;
        }
        let mut slot = match self.emptied.remove(plugin) {
            Some(emptied) => Slot::refilled(revision, arrival, now, emptied),
            None => Slot::new(revision, arrival, now),
        };
        slot.release(&revision);
        self.slots.insert(plugin.clone(), slot);
        Ok(vec![Move { revision, from: None, to: Stage::Active, why: None }])
    }

    fn slot_mut(&mut self, plugin: &PluginId) -> Result<&mut Slot, Rejection> {
        self.slots.get_mut(plugin).ok_or_else(|| Rejection::NoSuchSlot(plugin.clone()))
    }

    /// Forgets slots that there are no longer.
    pub fn retain(&mut self, is_there: impl Fn(&PluginId) -> bool) {
        self.slots.retain(|plugin, _| is_there(plugin));
        self.emptied.retain(|plugin, _| is_there(plugin));
    }

    /// Without revisions that cannot be used: in an unusable active one's place comes the previous; a slot of which nothing is
    /// left is empty, and what was held back there still is.
    pub fn keep_usable(&mut self, plugin: &PluginId, is_usable: impl Fn(&RevisionId) -> bool, now: u64) {
        match self.slots.remove(plugin).map(|slot| slot.usable(is_usable, now)) {
            Some(Ok(slot)) => _ = self.slots.insert(plugin.clone(), slot),
            Some(Err(emptied)) => _ = self.emptied.insert(plugin.clone(), *emptied),
            None => {}
        }
    }

    /// By what a candidate is measured where the active revision is not there to be asked; none in a slot that never had one.
    pub fn remembered(&self, plugin: &PluginId) -> Option<Remembered<'_>> {
        if let Some(Slot { granted, imports, .. }) = self.slots.get(plugin) {
            return Some(Remembered { granted, imports: imports.as_ref() });
        }
        let Emptied { granted, imports, .. } = self.emptied.get(plugin)?;
        Some(Remembered { granted, imports: imports.as_ref() })
    }

    /// Remembers what the slot is granted, by which a later look tells what is granted anew.
    pub fn note_grants(&mut self, plugin: &PluginId, words: impl IntoIterator<Item = String>) {
        if let Some(slot) = self.slots.get_mut(plugin) {
            slot.granted = words.into_iter().collect();
        }
    }

    /// Remembers what the active revision imports, for when it is not there to be asked.
    pub fn note_imports(&mut self, plugin: &PluginId, words: impl IntoIterator<Item = String>) {
        if let Some(slot) = self.slots.get_mut(plugin) {
            slot.imports = Some(words.into_iter().collect());
        }
    }
}

impl Move {
    fn told(self, plugin: &PluginId, circumstances: Circumstances<'_>) -> Change {
        Change {
            plugin: plugin.clone(),
            revision: self.revision,
            from: self.from,
            to: self.to,
            why: self.why.unwrap_or_else(|| circumstances.why.to_owned()),
            by: circumstances.by.to_owned(),
        }
    }
}

impl TryFrom<Form> for Slots {
    type Error = NotSlots;

    fn try_from(Form { version, slots, emptied }: Form) -> Result<Self, NotSlots> {
        if !(VERSION_MIN..=VERSION).contains(&version) {
            return Err(NotSlots::Version(version));
        }
        let slots = Self { slots, emptied };
        for (plugin, slot) in slots.iter() {
            if slots.emptied.contains_key(plugin) {
                let what = "it is filled and emptied at once";
                return Err(NotSlots::Contradiction { plugin: plugin.clone(), what });
            }
            if let Some(what) = contradiction(slot) {
                return Err(NotSlots::Contradiction { plugin: plugin.clone(), what });
            }
            if slots.canary().is_some_and(|canary| canary != plugin) && has_canary(slot) {
                let what = "it has a second canary";
                return Err(NotSlots::Contradiction { plugin: plugin.clone(), what });
            }
        }
        Ok(slots)
    }
}

fn may_come(held_back: &[HeldBack], revision: &RevisionId) -> Result<(), Rejection> {
    match held_back.iter().find(|held| held.covers(revision)) {
        Some(held) => Err(Rejection::HeldBack { why: held.why.clone() }),
        None => Ok(()),
    }
}

fn has_canary(slot: &Slot) -> bool {
    slot.candidate().is_some_and(|candidate| candidate.trial.stage() == Stage::Canary)
}

fn contradiction(slot: &Slot) -> Option<&'static str> {
    let active = slot.active().revision;
    if slot.is_held_back(&active) {
        Some("its active revision is held back")
    } else if slot.previous() == Some(active) {
        Some("its previous revision is the active one")
    } else if slot.candidate().is_some_and(|candidate| candidate.revision == active) {
        Some("its candidate is the active revision")
    } else {
        None
    }
}

impl From<Slots> for Form {
    fn from(Slots { slots, emptied }: Slots) -> Self {
        Self { version: VERSION, slots, emptied }
    }
}
