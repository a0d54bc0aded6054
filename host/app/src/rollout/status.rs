//! How plugins stand, in the words of the control socket.

use std::collections::BTreeMap;

use grille_admin::{
    DifferenceSummary, HeldBackStatus, PluginStatus, PluginsStatus, RefusedStatus, RevisionStatus,
};
use grille_core::rollout::{HeldBack, RefusedCandidate, RevisionId, Slot, Stage, Trial};
use grille_core::{Digest, PluginId};
use jiff::Timestamp;

use super::candidate::digest_of;
use super::find::Files;
use super::{Rollout, State, notes, now};

/// What each plugin's file held when it was last looked at.
pub(super) type FileDigests = BTreeMap<PluginId, Digest>;

/// The digests of what was read.
pub(super) fn digests(files: &Files) -> FileDigests {
    let digest = |(name, file): (&PluginId, &Result<crate::trust::Fetched, _>)| {
        Some((name.clone(), digest_of(&file.as_ref().ok()?.bytes)))
    };
    files.iter().filter_map(digest).collect()
}

impl Rollout {
    /// How all plugins stand, or one.
    ///
    /// # Errors
    /// When there is none of that name.
    pub(crate) fn status(&self, only: Option<&str>) -> Result<PluginsStatus, String> {
        let state = self.state.lock();
        let wanted = |plugin: &PluginId| only.is_none_or(|only| plugin.as_str() == only);
        let plugins: Vec<PluginStatus> = state
            .config
            .plugins
            .iter()
            .filter(|slot| wanted(&slot.name))
            .filter_map(|slot| self.status_of(&state, &slot.name))
            .collect();
        if let (Some(only), true) = (only, plugins.is_empty()) {
            return Err(format!("there is no plugin with the name `{only}`"));
        }
        let running = self.running.get();
        let generation = running.map_or(0, |running| running.control.generation().id().0);
        let generations_alive = running.map_or(0, |running| running.control.generations_alive());
        Ok(PluginsStatus { generation, generations_alive, plugins })
    }

    pub(super) fn status_of(&self, state: &State, plugin: &PluginId) -> Option<PluginStatus> {
        let settings = state.config.plugins.iter().find(|slot| slot.name == *plugin);
        let slot = state.draft.slots.slot(plugin)?;
        let active = self.active(state, plugin, slot);
        let ready = state.draft.ready.find(plugin, &slot.active().revision);
        Some(PluginStatus {
            name: plugin.as_str().to_owned(),
            world: ready.map(|ready| ready.plugin.world().as_str().to_owned()).unwrap_or_default(),
            file: settings.map(|settings| settings.file.clone()).unwrap_or_default(),
            file_digest: state.files.get(plugin).map(Digest::to_string),
            active,
            previous: slot.previous().map(|revision| placed(state, plugin, revision, Stage::Previous)),
            candidate: self.candidate(state, plugin, slot),
            held_back: slot.held_back().iter().map(held_back).collect(),
            refused: slot.refused().map(refused),
            settings_in_configuration: settings.and_then(notes::configured).map(|digest| digest.to_string()),
            notes: settings.map(|settings| notes::of(settings, slot, now())).unwrap_or_default(),
        })
    }

    fn active(&self, state: &State, plugin: &PluginId, slot: &Slot) -> RevisionStatus {
        let active = slot.active();
        let probation = active.probation_until.filter(|_| slot.is_on_probation(now()));
        RevisionStatus {
            arrival: Some(active.arrival.as_str().to_owned()),
            since: Some(time(active.since)),
            probation_until: probation.map(time),
            ..placed(state, plugin, active.revision, Stage::Active)
        }
    }

    fn candidate(&self, state: &State, plugin: &PluginId, slot: &Slot) -> Option<RevisionStatus> {
        let candidate = slot.candidate()?;
        let (share, differences) = match candidate.trial {
            Trial::Shadow => (None, self.differences(plugin, &candidate.revision)),
            Trial::Canary(share) => (Some(share), None),
        };
        Some(RevisionStatus {
            arrival: Some(candidate.arrival.as_str().to_owned()),
            since: Some(time(candidate.since)),
            share,
            differences,
            ..placed(state, plugin, candidate.revision, candidate.trial.stage())
        })
    }

    /// What the data plane has compared so far of this very candidate.
    fn differences(&self, plugin: &PluginId, candidate: &RevisionId) -> Option<DifferenceSummary> {
        let report = self.running.get()?.control.differences(plugin)?;
        let of_candidate = report.candidate.digest == candidate.digest.hex();
        let failures = report.differences.failures.values().sum();
        of_candidate.then_some(DifferenceSummary {
            compared: report.differences.compared,
            different: report.differences.different,
            failures,
        })
    }
}

/// What is known of a revision by what is in memory.
fn placed(state: &State, plugin: &PluginId, revision: RevisionId, stage: Stage) -> RevisionStatus {
    let mut status = RevisionStatus {
        stage: stage.as_str().to_owned(),
        digest: revision.digest.to_string(),
        settings: revision.settings.to_string(),
        ..RevisionStatus::default()
    };
    if let Some(ready) = state.draft.ready.find(plugin, &revision) {
        let metadata = ready.plugin.metadata();
        status.id.clone_from(&metadata.id);
        status.version.clone_from(&metadata.version);
        status.signer = ready.signer.to_string();
        status.capabilities = ready.plugin.capabilities().map(|one| one.as_str().to_owned()).collect();
        let judges = stage != Stage::Previous;
        status.health = judges.then(|| ready.plugin.health().reading());
    }
    status
}

fn held_back(held: &HeldBack) -> HeldBackStatus {
    HeldBackStatus {
        digest: held.digest.to_string(),
        settings: held.settings.map(|settings| settings.to_string()),
        why: held.why.clone(),
        since: time(held.since),
    }
}

fn refused(refused: &RefusedCandidate) -> RefusedStatus {
    RefusedStatus {
        digest: refused.revision.map(|revision| revision.digest.to_string()),
        file: refused.file.clone(),
        stage: refused.stage.clone(),
        why: refused.why.clone(),
        at: time(refused.at),
    }
}

/// RFC 3339, UTC, in whole seconds.
fn time(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.unwrap_or(Timestamp::MAX).to_string()
}
