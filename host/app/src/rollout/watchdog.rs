//! Looks every second at how canaries and revisions on probation fare, and has those go that fail.

use std::sync::Arc;
use std::time::Duration;

use grille_core::PluginId;
use grille_core::rollout::{Circumstances, Event, RevisionId, Stage};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{BY_GRILLE, Durability, Renewed, Rollout, State, notes, now};

/// How often figures are looked at: a failing revision judges for as long at most, and until its failures are enough.
const INTERVAL: Duration = Duration::from_secs(1);

/// Watches until told to stop.
pub(crate) async fn watch(rollout: Arc<Rollout>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let rollout = Arc::clone(&rollout);
        if let Err(error) = tokio::task::spawn_blocking(move || rollout.judge()).await {
            tracing::error!(%error, "a look at the plugins' health panicked");
        }
    }
}

impl Rollout {
    /// Has revisions go that fail. Blocks for as long as a generation takes to be made, if there has to be one.
    pub(super) fn judge(&self) {
        let mut state = self.state.lock();
        tell_of_canary(&mut state);
        let watched = watched(&state);
        if watched.is_empty() {
            return;
        }
        let mut draft = state.draft.clone();
        for (plugin, revision) in watched {
            let Some(ready) = draft.ready.find(&plugin, &revision) else { continue };
            let reading = ready.plugin.health().reading();
            let Some(slot) = state.config.plugins.iter().find(|slot| slot.name == plugin) else { continue };
            let circumstances =
                Circumstances { rules: &slot.rollout.rules, by: BY_GRILLE, why: "it failed", now: now() };
            if let Err(error) = draft.apply(&plugin, Event::Measured { revision, reading }, circumstances) {
                tracing::error!(%plugin, %error, "a plugin's health could not be judged");
            }
        }
        if draft.changes.is_empty() {
            return;
        }
        if let Err(error) = self.commit(&mut state, Renewed::Plugins, draft, Durability::After) {
            tracing::error!(error = format!("{error:#}"), "a failing plugin could not be rolled back");
        }
    }
}

/// A canary has no end of its own, and keeps every other slot from having one.
fn tell_of_canary(state: &mut State) {
    let lingering = notes::lingering(&state.draft.slots, state.lingering.as_ref(), now());
    if let Some((plugin, RevisionId { digest, .. }, days)) = &lingering {
        tracing::warn!(%plugin, %digest, days, "a canary is older than a day, and no other plugin can have one");
        state.lingering = lingering;
    }
}

/// The revisions whose health decides something.
fn watched(state: &State) -> Vec<(PluginId, RevisionId)> {
    let now = now();
    let mut watched = Vec::new();
    for (plugin, slot) in state.draft.slots.iter() {
        if slot.is_on_probation(now) {
            watched.push((plugin.clone(), slot.active().revision));
        }
        let canary = slot.candidate().filter(|candidate| candidate.trial.stage() == Stage::Canary);
        watched.extend(canary.map(|candidate| (plugin.clone(), candidate.revision)));
    }
    watched
}
