//! What operators ask of the running Grille. Each command answers with a sentence, whether it was done or not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use grille_admin::PluginStatus;
use grille_core::PluginId;
use grille_core::rollout::{Arrival, Circumstances, Event, RevisionId, Target};
use grille_plugin::World;

use super::candidate::{Candidate, Pipeline, Refusal, Stage, Vectors, Widening, canonical, digest_of, fetch};
use super::draft::{Draft, Misfit, Tried};
use super::ready::{Maker, used_as};
use super::{Durability, Renewed, Rollout, State, now};
use crate::config::PluginSettings;

/// What a command has done.
pub(crate) struct Done {
    /// In a sentence.
    pub(crate) message: String,
    /// How the plugin stands now.
    pub(crate) plugin: PluginStatus,
}

/// A component that an operator names.
pub(crate) struct Named {
    /// Where it is; none for the configuration's file.
    pub(crate) file: Option<PathBuf>,
    /// Where it shall go.
    pub(crate) target: Target,
    /// What it may import.
    pub(crate) imports: Imports,
}

/// What a component that an operator names may import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Imports {
    /// What the active revision does.
    AsBefore,
    /// Whatever is granted.
    AsGranted,
}

impl Rollout {
    /// Leads a component through all stages and puts it where the operator wants it. Blocks for as long as compilers run.
    ///
    /// # Errors
    /// Why it is not there; what was active still is.
    pub(crate) fn admit(&self, name: &str, named: Named, by: &str) -> Result<Done, String> {
        let _work = self.work.lock();
        let (config, rules, before) = {
            let state = self.state.lock();
            (Arc::clone(&state.config), state.rules.clone(), state.draft.clone())
        };
        let slot = find(&config.plugins, name)?;
        let file = file_of(slot, named.file.as_deref())?;
        let pipeline = Pipeline { engine: &self.engine, trust: &rules.trust };
        let maker = Maker { pipeline, store: &self.store, rules: rules.digest };
        let world = used_as(&config, &slot.name);
        // Before compilers run: what comes into the file meanwhile has not been seen.
        let seen = match named.target {
            Target::Active => holds(slot),
            Target::Trial(_) => None,
        };
        let made = make(&maker, slot, file, named.imports, world, &before);
        let mut state = self.state.lock();
        let mut draft = state.draft.clone();
        if !before.has_actives_of(&draft) {
            return Err(
                "a plugin was rolled back meanwhile, so nothing was done: look, and try again".to_owned()
            );
        }
        let (revision, ready) = match made {
            Ok(made) => made,
            Err(Misfit { revision, refusal }) => {
                return Err(self.refuse(&mut state, slot, revision, file, &refusal));
            }
        };
        let circumstances =
            Circumstances { rules: &slot.rollout.rules, by, why: "an operator asked", now: now() };
        let place = (Arrival::Command, named.target);
        if let Err(rejection) = draft.admit_ready(&slot.name, (revision, ready), place, circumstances) {
            let refusal = Refusal::new(Stage::Admission, rejection.to_string());
            return Err(self.refuse(&mut state, slot, Some(revision), file, &refusal));
        }
        if let Some(holds) = seen {
            // The slot is there: something was just admitted to it.
            let _ = draft.apply(&slot.name, Event::Seen(holds), circumstances);
        }
        let committed = match draft.changes.is_empty() {
            true => self.record(&mut state, draft),
            false => self.commit(&mut state, Renewed::Plugins, draft, Durability::First),
        };
        committed.map_err(|error| format!("nothing has changed: {error:#}"))?;
        let placed = match named.target {
            Target::Active => "is active".to_owned(),
            Target::Trial(_) => format!("is tried as {}", named.target),
        };
        self.done(&state, &slot.name, format!("{} {placed} in `{name}`", described(&state, slot, revision)))
    }

    /// Makes the candidate active.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn promote(&self, name: &str, by: &str) -> Result<Done, String> {
        self.ask(name, Event::Promote, by, "promoted", |state, slot, _| {
            format!("{} is active in `{name}`", active(state, slot))
        })
    }

    /// Lets the candidate go.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn drop_candidate(&self, name: &str, by: &str) -> Result<Done, String> {
        self.ask(name, Event::Drop, by, "dropped", |state, slot, _| {
            format!("the candidate of `{name}` is gone; {} is active", active(state, slot))
        })
    }

    /// Makes the previous revision active again and keeps out what was active.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn roll_back(&self, name: &str, by: &str) -> Result<Done, String> {
        self.ask(name, Event::Rollback, by, "rolled back", |state, slot, before| {
            format!("{} is active in `{name}` again; {before} is held back", active(state, slot))
        })
    }

    /// What needs no compiler. It takes effect whether or not it can be kept for the next start.
    fn ask(
        &self,
        name: &str,
        event: Event,
        by: &str,
        done: &str,
        told: impl FnOnce(&State, &PluginSettings, String) -> String,
    ) -> Result<Done, String> {
        let mut state = self.state.lock();
        let config = Arc::clone(&state.config);
        let slot = find(&config.plugins, name)?;
        let before = active(&state, slot);
        let mut draft = state.draft.clone();
        let circumstances =
            Circumstances { rules: &slot.rollout.rules, by, why: &format!("{done} by {by}"), now: now() };
        draft.apply(&slot.name, event, circumstances).map_err(|rejection| rejection.to_string())?;
        self.commit(&mut state, Renewed::Plugins, draft, Durability::After)
            .map_err(|error| format!("nothing has changed: {error:#}"))?;
        let message = told(&state, slot, before);
        self.done(&state, &slot.name, message)
    }

    /// Remembers the refusal; the sentence that tells it.
    fn refuse(
        &self,
        state: &mut State,
        slot: &PluginSettings,
        revision: Option<RevisionId>,
        file: &Path,
        refusal: &Refusal,
    ) -> String {
        let mut draft = state.draft.clone();
        draft.refuse(slot, revision, &file.display().to_string(), refusal, now());
        if let Err(error) = self.record(state, draft) {
            tracing::error!(error = format!("{error:#}"), "a refusal could not be kept");
        }
        format!("{refusal}; {} stays active", active(state, slot))
    }

    fn done(&self, state: &State, plugin: &PluginId, message: String) -> Result<Done, String> {
        let plugin =
            self.status_of(state, plugin).ok_or_else(|| format!("{message}; its status is not known"))?;
        Ok(Done { message, plugin })
    }
}

fn find<'s>(slots: &'s [PluginSettings], name: &str) -> Result<&'s PluginSettings, String> {
    let known = || slots.iter().map(|slot| slot.name.as_str());
    slots.iter().find(|slot| slot.name.as_str() == name).ok_or_else(|| {
        let wrong = format!("there is no plugin with the name `{name}`");
        match crate::config::most_similar(name, known()) {
            Some(meant) => format!("{wrong}; did you mean `{meant}`?"),
            None => wrong,
        }
    })
}

/// Where the running process is started from is not known to who sends a command.
fn file_of<'f>(slot: &'f PluginSettings, named: Option<&'f Path>) -> Result<&'f Path, String> {
    match named {
        Some(file) if !file.is_absolute() => Err(format!("{} is not an absolute path", file.display())),
        Some(file) => Ok(file),
        None => Ok(&slot.file),
    }
}

fn make(
    maker: &Maker<'_>,
    slot: &PluginSettings,
    file: &Path,
    imports: Imports,
    world: Option<World>,
    before: &Draft,
) -> Tried {
    let fetched = fetch(file)?;
    let (_, settings) = canonical(&slot.settings)?;
    let revision = RevisionId { digest: digest_of(&fetched.bytes), settings };
    let active = before.slots.slot(&slot.name).map(|placed| placed.active().revision);
    let active = active.and_then(|active| before.ready.find(&slot.name, &active));
    let widening = match (imports, active) {
        (Imports::AsBefore, Some(active)) => Widening::Within(active.plugin.capabilities().collect()),
        (Imports::AsBefore, None) => Widening::Within(BTreeSet::new()),
        (Imports::AsGranted, _) => Widening::Any,
    };
    let world = world.or_else(|| active.map(|active| active.plugin.world()));
    let values = &slot.settings;
    let candidate = Candidate { slot, values, fetched: &fetched, world, widening, vectors: Vectors::Run };
    maker.make(&candidate).map_err(|refusal| Misfit { revision: Some(revision), refusal })
}

/// What the slot's file holds now: what an operator chose stays until it holds something else.
fn holds(slot: &PluginSettings) -> Option<RevisionId> {
    let fetched = fetch(&slot.file).ok()?;
    let (_, settings) = canonical(&slot.settings).ok()?;
    Some(RevisionId { digest: digest_of(&fetched.bytes), settings })
}

/// The active revision, for people.
fn active(state: &State, slot: &PluginSettings) -> String {
    match state.draft.slots.slot(&slot.name) {
        Some(placed) => described(state, slot, placed.active().revision),
        None => "nothing".to_owned(),
    }
}

fn described(state: &State, slot: &PluginSettings, revision: RevisionId) -> String {
    let digest = revision.digest.short();
    match state.draft.ready.find(&slot.name, &revision) {
        Some(ready) => {
            let metadata = ready.plugin.metadata();
            format!("{} {} ({digest})", metadata.id, metadata.version)
        }
        None => digest,
    }
}
