//! All slots, and the one door through which they change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::slot::Move;
use super::{Arrival, Change, Circumstances, Event, RevisionId, Slot, Stage, Target, Trial};
use crate::PluginId;

/// The version of the serialised form. Others are not read.
const VERSION: u32 = 1;

/// All slots, by the plugins' names in the configuration. At most one of them has a canary, so that what differs can be told
/// apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct Slots {
    slots: BTreeMap<PluginId, Slot>,
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
    #[error("it has format {0}, and this Grille reads format {VERSION}")]
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
                self.slot_mut(plugin)?.admit(
                    candidate.revision,
                    candidate.arrival,
                    Target::Active,
                    rules,
                    now,
                )
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
            self.slots.insert(plugin.clone(), Slot::new(revision, arrival, now));
            return Ok(vec![Move { revision, from: None, to: Stage::Active, why: None }]);
        };
        if let (Target::Trial(Trial::Canary(_)), Some(other)) = (target, other_canary) {
            return Err(Rejection::AnotherCanary(other));
        }
        match arrival {
            Arrival::File | Arrival::Rollback => {
                if let Some(held) = slot.held_back().iter().find(|held| held.covers(&revision)) {
                    return Err(Rejection::HeldBack { why: held.why.clone() });
                }
            }
            Arrival::Command => slot.release(&revision),
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

    fn slot_mut(&mut self, plugin: &PluginId) -> Result<&mut Slot, Rejection> {
        self.slots.get_mut(plugin).ok_or_else(|| Rejection::NoSuchSlot(plugin.clone()))
    }

    /// Forgets slots that there are no longer.
    pub fn retain(&mut self, is_there: impl Fn(&PluginId) -> bool) {
        self.slots.retain(|plugin, _| is_there(plugin));
    }

    /// Without revisions that cannot be used: in an unusable active one's place comes the previous; a slot of which nothing is
    /// left is empty.
    pub fn keep_usable(&mut self, plugin: &PluginId, is_usable: impl Fn(&RevisionId) -> bool, now: u64) {
        if let Some(slot) = self.slots.remove(plugin).and_then(|slot| slot.usable(is_usable, now)) {
            self.slots.insert(plugin.clone(), slot);
        }
    }

    /// Remembers what the slot is granted, by which a later look tells what is granted anew.
    pub fn note_grants(&mut self, plugin: &PluginId, words: impl IntoIterator<Item = String>) {
        if let Some(slot) = self.slots.get_mut(plugin) {
            slot.granted = words.into_iter().collect();
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

    fn try_from(Form { version, slots }: Form) -> Result<Self, NotSlots> {
        if version != VERSION {
            return Err(NotSlots::Version(version));
        }
        let slots = Self { slots };
        for (plugin, slot) in slots.iter() {
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
    fn from(Slots { slots }: Slots) -> Self {
        Self { version: VERSION, slots }
    }
}
