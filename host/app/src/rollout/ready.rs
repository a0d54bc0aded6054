//! Revisions that are ready to judge: configured plugins under what they were judged by, in memory for as long as they have a
//! place, so that going back to one needs neither compiler nor disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use grille_core::rollout::{RevisionId, Slots, Stage, Trial as Tried};
use grille_core::{Digest, PluginId};
use grille_plugin::{Plugin, World};
use grille_proxy::{Slot, Trial, TrialKind};
use grille_store::{RevisionStore, StoredComponent};
use grille_trust::{Signatures, Signer};

use super::candidate::{
    Candidate, Passed, Pipeline, Refusal, Stage as Passing, Vectors, Widening, canonical, digest_of,
};
use crate::config::{Config, PluginSettings, TrustKey};
use crate::trust::Fetched;

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

/// Names the rules of trust, with the content of the files they name.
pub(crate) fn rules_of(config: &Config) -> Digest {
    let mut text = format!("{:?}", config.trust);
    for rule in &config.trust {
        match &rule.key {
            TrustKey::Minisign(_) => {}
            // One that cannot be read is a problem of its own.
            TrustKey::Sigstore { root, .. } => {
                let content = std::fs::read(root).unwrap_or_default();
                text.push_str(&digest_of(&content).hex());
            }
        }
    }
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
    pub(super) rules: Digest,
}

impl Maker<'_> {
    /// Leads a candidate through all stages and keeps what a restart and a rollback need of it.
    pub(super) fn make(&self, candidate: &Candidate<'_>) -> Result<(RevisionId, Ready), Refusal> {
        let Passed { revision, plugin, signer, settings } = self.pipeline.prepare(candidate)?;
        self.keep(candidate.fetched, &settings)
            .map_err(|error| Refusal::new(Passing::Store, crate::surroundings::chain(&error)))?;
        let circumstances = circumstances(candidate.slot, self.rules);
        Ok((revision, Ready { plugin, signer, circumstances }))
    }

    fn keep(&self, fetched: &Fetched, settings: &str) -> Result<(), grille_store::RevisionError> {
        let Fetched { bytes, signatures } = fetched;
        self.store.keep_component(&StoredComponent {
            component: bytes.clone(),
            minisign: signatures.minisign.clone(),
            sigstore: signatures.sigstore.clone(),
        })?;
        self.store.keep_settings(settings)?;
        Ok(())
    }

    /// Makes a revision ready that has a place already: from the slot's file where that holds it, else from what was kept. It
    /// is trusted and granted no more than a new one.
    pub(super) fn remake(
        &self,
        slot: &PluginSettings,
        revision: RevisionId,
        file: Option<&Fetched>,
    ) -> Result<Ready, Refusal> {
        let kept;
        let fetched = match file.filter(|file| digest_of(&file.bytes) == revision.digest) {
            Some(file) => file,
            None => {
                kept = self.component(revision.digest)?;
                &kept
            }
        };
        let own;
        let values = match canonical(&slot.settings)? {
            (_, digest) if digest == revision.settings => &slot.settings,
            (_, _) => {
                own = self.store.settings(revision.settings).map_err(unkept)?;
                &own
            }
        };
        let (world, widening, vectors) = (None, Widening::Any, Vectors::HeldBefore);
        let candidate = Candidate { slot, values, fetched, world, widening, vectors };
        self.make(&candidate).map(|(_, ready)| ready)
    }

    /// A component that was kept.
    pub(super) fn component(&self, digest: Digest) -> Result<Fetched, Refusal> {
        let StoredComponent { component, minisign, sigstore } =
            self.store.component(digest).map_err(unkept)?;
        Ok(Fetched { bytes: component, signatures: Signatures { minisign, sigstore } })
    }
}

fn unkept(error: grille_store::RevisionError) -> Refusal {
    Refusal::new(Passing::Fetch, crate::surroundings::chain(&error))
}
