//! Revisions that are ready to judge: configured plugins under what they were judged by, in memory for as long as they have a
//! place, so that going back to one needs neither compiler nor disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use grille_core::rollout::{RevisionId, Slots, Stage, Trial as Tried};
use grille_core::{Digest, PluginId};
use grille_plugin::{Plugin, World};
use grille_proxy::{Slot, Trial, TrialKind};
use grille_store::{RevisionStore, StoredComponent, StoredSignatures};
use grille_trust::{Signatures, Signer};

use super::candidate::{
    Candidate, Passed, Pipeline, Refusal, Stage as Passing, Vectors, Widening, canonical, digest_of,
};
use crate::config::{Config, PluginSettings};
use crate::trust::{self, Fetched};

/// A revision in memory.
#[derive(Clone)]
pub(super) struct Ready {
    /// As what it is at its stage.
    pub(super) plugin: Arc<Plugin>,
    /// Why it is trusted.
    pub(super) signer: Signer,
    /// What it was judged by; under other circumstances it is judged anew.
    pub(super) circumstances: Digest,
}

/// All that have a place, by slot.
#[derive(Clone, Default)]
pub(super) struct Readies {
    by_slot: BTreeMap<PluginId, BTreeMap<RevisionId, Ready>>,
}

impl Readies {
    pub(super) fn find(&self, plugin: &PluginId, revision: &RevisionId) -> Option<&Ready> {
        self.by_slot.get(plugin)?.get(revision)
    }

    pub(super) fn insert(&mut self, plugin: &PluginId, revision: RevisionId, ready: Ready) {
        self.by_slot.entry(plugin.clone()).or_default().insert(revision, ready);
    }

    pub(super) fn remove(&mut self, plugin: &PluginId, revision: &RevisionId) {
        if let Some(slot) = self.by_slot.get_mut(plugin) {
            slot.remove(revision);
        }
    }

    /// It has come to that stage: what is counted of it begins anew, and what it keeps is the stage's.
    pub(super) fn enter(&mut self, plugin: &PluginId, revision: &RevisionId, stage: Stage) {
        let Some(ready) = self.by_slot.get_mut(plugin).and_then(|slot| slot.get_mut(revision)) else {
            return;
        };
        match stage {
            Stage::Active => ready.plugin = Arc::new(ready.plugin.promoted()),
            Stage::Shadow | Stage::Canary => ready.plugin = Arc::new(ready.plugin.on_trial()),
            Stage::Previous | Stage::HeldBack | Stage::Gone => {}
        }
    }

    /// Forgets those that have no place.
    pub(super) fn prune(&mut self, slots: &Slots) {
        self.by_slot.retain(|plugin, ready| {
            let Some(slot) = slots.slot(plugin) else { return false };
            ready.retain(|revision, _| slot.revisions().any(|placed| placed == *revision));
            true
        });
    }

    /// What judges, by slot.
    pub(super) fn actives(&self, slots: &Slots) -> BTreeMap<PluginId, Arc<Plugin>> {
        let active = |(name, slot): (&PluginId, &grille_core::rollout::Slot)| {
            let ready = self.find(name, &slot.active().revision)?;
            Some((name.clone(), Arc::clone(&ready.plugin)))
        };
        slots.iter().filter_map(active).collect()
    }

    /// Whether the data plane has to be told of a change from other slots to these.
    pub(super) fn arm_alike(&self, slots: &Slots, others: &Self, other_slots: &Slots) -> bool {
        let (mut these, mut those) = (self.armed(slots), others.armed(other_slots));
        loop {
            match (these.next(), those.next()) {
                (None, None) => return true,
                (Some((name, slot)), Some((other, other_slot)))
                    if name == other && is_alike(&slot, &other_slot) => {}
                (_, _) => return false,
            }
        }
    }

    /// The slots as the data plane has them.
    pub(super) fn armed(&self, slots: &Slots) -> impl Iterator<Item = (PluginId, Slot)> {
        let armed = |(name, slot): (&PluginId, &grille_core::rollout::Slot)| {
            let active = Arc::clone(&self.find(name, &slot.active().revision)?.plugin);
            let trial = slot.candidate().and_then(|candidate| {
                let plugin = Arc::clone(&self.find(name, &candidate.revision)?.plugin);
                let kind = match candidate.trial {
                    Tried::Shadow => TrialKind::Shadow,
                    Tried::Canary(share) => TrialKind::Canary { share },
                };
                Some(Trial { plugin, kind })
            });
            Some((name.clone(), Slot { active, trial }))
        };
        slots.iter().filter_map(armed)
    }
}

fn is_alike(one: &Slot, other: &Slot) -> bool {
    let trials = match (&one.trial, &other.trial) {
        (None, None) => true,
        (Some(one), Some(other)) => Arc::ptr_eq(&one.plugin, &other.plugin) && one.kind == other.kind,
        (Some(_), None) | (None, Some(_)) => false,
    };
    trials && Arc::ptr_eq(&one.active, &other.active)
}

/// Names all that a revision is judged by in its slot, its own content apart.
pub(super) fn circumstances(slot: &PluginSettings, rules: Digest) -> Digest {
    let PluginSettings { grants, digest, unsigned, rollout, .. } = slot;
    let text = format!("{:?}", (rules, grants, digest, unsigned, rollout.latency_budget));
    digest_of(text.as_bytes())
}

/// What roles use the plugin as.
pub(super) fn used_as(config: &Config, plugin: &PluginId) -> Option<World> {
    config.plugin_uses.iter().find(|used| used.plugin == *plugin).map(|used| used.world)
}

/// Makes revisions ready.
#[derive(Clone, Copy)]
pub(super) struct Maker<'m> {
    pub(super) pipeline: Pipeline<'m>,
    pub(super) store: &'m RevisionStore,
    /// Names the rules that the pipeline judges by.
    pub(super) rules: Digest,
}

impl Maker<'_> {
    /// Leads a candidate through all stages and keeps what a restart and a rollback need of it.
    pub(super) fn make(&self, candidate: &Candidate<'_>) -> Result<(RevisionId, Ready), Refusal> {
        let (revision, ready, settings) = self.prepare(candidate)?;
        self.keep(candidate.fetched, &settings)
            .map_err(|error| Refusal::new(Passing::Store, crate::surroundings::chain(&error)))?;
        Ok((revision, ready))
    }

    /// Gives the settings in canonical JSON too.
    fn prepare(&self, candidate: &Candidate<'_>) -> Result<(RevisionId, Ready, String), Refusal> {
        let Passed { revision, plugin, signer, settings } = self.pipeline.prepare(candidate)?;
        let circumstances = circumstances(candidate.slot, self.rules);
        Ok((revision, Ready { plugin, signer, circumstances }, settings))
    }

    fn keep(&self, fetched: &Fetched, settings: &str) -> Result<(), grille_store::RevisionError> {
        let Signatures { minisign, sigstore } = fetched.signatures.clone();
        self.store.keep_component(&fetched.bytes, &StoredSignatures { minisign, sigstore })?;
        self.store.keep_settings(settings)?;
        Ok(())
    }

    /// Makes a revision ready that has a place already: from the slot's file where that holds it, else from what was kept. It
    /// is trusted and granted no more than a new one. Where the file's signature is gone or not trusted, those that the same
    /// bytes were kept with speak for them: that a file was lost does not undo what somebody has vouched for.
    pub(super) fn remake(
        &self,
        slot: &PluginSettings,
        revision: RevisionId,
        file: Option<&Fetched>,
    ) -> Result<Ready, Refusal> {
        let own;
        let values = match canonical(&slot.settings)? {
            (_, digest) if digest == revision.settings => &slot.settings,
            (_, _) => {
                own = self.store.settings(revision.settings).map_err(unkept)?;
                &own
            }
        };
        let remake = |fetched: &Fetched| self.remake_of(slot, values, fetched);
        let Some(file) = file.filter(|file| digest_of(&file.bytes) == revision.digest) else {
            return self.component(slot, revision.digest).and_then(|kept| remake(&kept));
        };
        let refusal = match remake(file) {
            Err(refusal) if refusal.stage == Passing::Trust => refusal,
            made => return made,
        };
        let kept = self.component(slot, revision.digest).and_then(|kept| remake(&kept));
        let ready = kept.map_err(|_| refusal.clone())?;
        let (plugin, digest, why) = (&slot.name, revision.digest, refusal.why());
        tracing::error!(%plugin, %digest, why, "the file's copy is not trusted: the one that was kept judges, by the signature it came with");
        Ok(ready)
    }

    fn remake_of(
        &self,
        slot: &PluginSettings,
        values: &serde_json::Value,
        fetched: &Fetched,
    ) -> Result<Ready, Refusal> {
        let (world, widening, vectors) = (None, Widening::Any, Vectors::HeldBefore);
        let candidate = Candidate { slot, values, fetched, world, widening, vectors };
        let (revision, ready, settings) = self.prepare(&candidate)?;
        if let Err(error) = self.keep(fetched, &settings) {
            let (plugin, digest, error) = (&slot.name, revision.digest, crate::surroundings::chain(&error));
            tracing::error!(%plugin, %digest, error, "a revision in use could not be kept: another start needs its file");
        }
        Ok(ready)
    }

    /// A component that was kept, with signatures by which it is trusted now; if none of those it was kept with is enough, with
    /// any of them.
    pub(super) fn component(&self, slot: &PluginSettings, digest: Digest) -> Result<Fetched, Refusal> {
        let StoredComponent { component, signatures } = self.store.component(digest).map_err(unkept)?;
        let mut fetched = Fetched { bytes: component, signatures: Signatures::default() };
        for StoredSignatures { minisign, sigstore } in signatures {
            fetched.signatures = Signatures { minisign, sigstore };
            if self.is_vouched_for(slot, &fetched) {
                return Ok(fetched);
            }
        }
        let bare = Fetched { signatures: Signatures::default(), ..fetched.clone() };
        Ok(if self.is_vouched_for(slot, &bare) { bare } else { fetched })
    }

    fn is_vouched_for(&self, slot: &PluginSettings, fetched: &Fetched) -> bool {
        let Ok(signed) = trust::check(self.pipeline.trust, slot, fetched) else { return false };
        let component = self.pipeline.engine.compile(&fetched.bytes);
        component.is_ok_and(|component| signed.admits(&trust::facts(&component)).is_ok())
    }
}

fn unkept(error: grille_store::RevisionError) -> Refusal {
    Refusal::new(Passing::Fetch, crate::surroundings::chain(&error))
}
