//! Revisions of plugins: from a candidate to what judges, and back. `core::rollout` decides what follows from what; here
//! candidates are prepared, generations made of what is ready, and everything kept for the next start.
//!
//! Two locks. `work` is held by who prepares candidates, for as long as compilers run; `state` only for as long as a
//! generation takes to be made, so that a rollback never waits for a compiler. Who takes both takes `work` first.

mod candidate;
mod commands;
mod draft;
mod files;
mod find;
mod look;
mod metrics;
mod notes;
mod parallel;
mod ready;
mod status;
#[cfg(test)]
mod tests;
mod watchdog;

use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use grille_core::GenerationId;
use grille_core::audit::{Event as AuditEvent, PluginStageChanged};
use grille_core::rollout::{Change, Stage};
use grille_plugin::Engine;
use grille_proxy::identity::TokenVerifier;
use grille_proxy::{Control, Generation, GenerationParts};
use grille_store::{AuditLog, RevisionStore};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::sync::Notify;

use crate::config::{Config, Problem, Problems};
use crate::failure::Failure;
use crate::plugins;
use crate::trust::Rules;
use candidate::Pipeline;
use draft::{Draft, Loss};
use find::Look;
use look::Retry;
use metrics::RolloutMetrics;
use ready::Maker;

pub(crate) use commands::{Done, Imports, Named};
pub(crate) use files::{fetch_all, load};
pub(crate) use find::Files;
pub(crate) use watchdog::watch;

/// Who is told to have done what nobody asked for.
const BY_GRILLE: &str = "grille";

/// The slots of the running Grille.
pub(crate) struct Rollout {
    engine: Engine,
    store: RevisionStore,
    metrics: RolloutMetrics,
    /// From when the data plane is there.
    running: OnceLock<Running>,
    /// Something is to be looked at, although no file has changed.
    unsettled: Notify,
    /// Held by who prepares candidates.
    work: Mutex<()>,
    state: Mutex<State>,
}

struct Running {
    control: Control,
    audit: Arc<AuditLog>,
}

/// What judges now, and by which configuration.
struct State {
    config: Arc<Config>,
    rules: Rules,
    draft: Draft,
    files: status::FileDigests,
    /// The canary of which it was said last that it has no end of its own.
    lingering: Option<notes::Lingering>,
}

/// Why a reload was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Something that was looked at is different.
    Changed,
    /// Nothing is, and what was in a candidate's way is gone: see [`Rollout::unsettled`].
    Unsettled,
    /// An operator asks, perhaps because of something that is not looked at: all is made anew.
    Asked,
}

/// What a reload came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reloaded {
    /// There is a new generation.
    Generation,
    /// Nothing that judges is different.
    Nothing,
}

/// Whether what is to come must be on disk first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    /// It comes only if it survives a restart.
    First,
    /// It comes in any case: what it replaces must not go on.
    After,
}

/// What a new generation does not take over from the one before.
#[derive(Clone, Copy)]
enum Renewed<'c> {
    /// Its plugins alone: no file is read.
    Plugins,
    /// All that the configuration says, with the files it names.
    Everything(&'c Config),
}

impl Rollout {
    /// Fills the slots: with what was active before, as far as it may still be used, and with what the files hold now. Gives
    /// the first generation. Blocks for as long as compilers run.
    ///
    /// # Errors
    /// When a slot cannot be filled, or the state directory cannot be used.
    pub(crate) fn start(
        config: Config,
        engine: Engine,
        store: RevisionStore,
        files: &Files,
        registry: &mut Registry,
    ) -> Result<(Self, Generation), Failure> {
        let slots = store.slots().context("cannot read the state directory")?.unwrap_or_default();
        let config = Arc::new(config);
        let rules = Rules::read(&config);
        let mut problems = rules.problems.clone();
        let mut draft = Draft { slots, ..Draft::default() };
        let pipeline = Pipeline { engine: &engine, trust: &rules.trust };
        let maker = Maker { pipeline, store: &store, rules: rules.digest };
        let look = Look { config: &config, files, maker, retry: Retry::Yes, loss: Loss::FallBack };
        let found = look.find(&draft);
        let saved = draft.slots.clone();
        draft.take(&config, found, Loss::FallBack, now(), &mut problems);
        check(&config, &draft, problems)?;
        draft.note_imports();
        let issuers = &config.directory.issuers;
        let verifier = TokenVerifier::new(issuers).context("an issuer cannot be used")?;
        let generation = Generation::new(GenerationId(1), parts(&config, &draft, verifier))
            .map_err(anyhow::Error::from)?;
        if draft.slots != saved {
            store.save(&draft.slots).context("cannot keep which plugins are active")?;
        }
        let rollout = Self {
            engine,
            store,
            metrics: RolloutMetrics::register(registry),
            running: OnceLock::new(),
            unsettled: Notify::new(),
            work: Mutex::new(()),
            state: Mutex::new(State { config, rules, draft, files: status::digests(files), lingering: None }),
        };
        Ok((rollout, generation))
    }

    /// The data plane is there: changes take effect in it from now on. Those of the start are told.
    pub(crate) fn attach(&self, control: Control, audit: Arc<AuditLog>) {
        let is_first = self.running.set(Running { control, audit }).is_ok();
        debug_assert!(is_first, "there is one data plane");
        let mut state = self.state.lock();
        self.tell(&mut state.draft);
        notes::warn(&state.config, &state.draft.slots);
    }

    /// Waits until something is to be looked at although no file has changed: settings that a rollback put aside, a candidate
    /// that a canary was in the way of. Cancel safe.
    pub(crate) async fn unsettled(&self) {
        self.unsettled.notified().await;
    }

    /// The configuration that is in force.
    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.state.lock().config)
    }

    /// Makes a changed configuration, or what its files hold now, take effect. A candidate that does not pass leaves its slot
    /// as it is, and the rest goes on. Blocks for as long as compilers run; sessions and rollbacks do not wait for it.
    ///
    /// # Errors
    /// When something else is wrong, or a slot could not be filled: then nothing has changed.
    pub(crate) fn reload(
        &self,
        config: Arc<Config>,
        mut problems: Vec<Problem>,
        files: &Files,
        rules: Rules,
        reason: Reason,
    ) -> Result<Reloaded, Failure> {
        let _work = self.work.lock();
        problems.extend(rules.problems.iter().cloned());
        let mut before = self.state.lock().draft.clone();
        let pipeline = Pipeline { engine: &self.engine, trust: &rules.trust };
        let maker = Maker { pipeline, store: &self.store, rules: rules.digest };
        let retry = match reason {
            Reason::Changed | Reason::Unsettled => Retry::No,
            Reason::Asked => Retry::Yes,
        };
        let look = Look { config: &config, files, maker, retry, loss: Loss::Refuse };
        let digests = status::digests(files);
        let (found, mut state) = loop {
            let found = look.find(&before);
            let state = self.state.lock();
            if before.has_actives_of(&state.draft) {
                break (found, state);
            }
            // What was active has failed meanwhile, and candidates were held against it. What was compiled is in the cache.
            before = state.draft.clone();
        };
        // Also where the reload is refused: status tells what was looked at.
        state.files = digests;
        let mut draft = state.draft.clone();
        draft.take(&config, found, Loss::Refuse, now(), &mut problems);
        if let Err(problems) = check(&config, &draft, problems) {
            self.tell_refusals(&mut draft);
            return Err(problems);
        }
        let is_new = !Arc::ptr_eq(&config, &state.config) || reason == Reason::Asked;
        let is_armed = draft.ready.arm_alike(&draft.slots, &state.draft.ready, &state.draft.slots);
        let reloaded = match is_new || !is_armed {
            true => {
                let renewed = if is_new { Renewed::Everything(&config) } else { Renewed::Plugins };
                self.commit(&mut state, renewed, draft, Durability::First).map(|()| Reloaded::Generation)?
            }
            false => self.record(&mut state, draft).map(|()| Reloaded::Nothing)?,
        };
        (state.config, state.rules) = (config, rules);
        Ok(reloaded)
    }

    /// Makes a generation of the draft and has it judge from now on.
    fn commit(
        &self,
        state: &mut State,
        renewed: Renewed<'_>,
        mut draft: Draft,
        durability: Durability,
    ) -> anyhow::Result<()> {
        draft.ready.prune(&draft.slots);
        draft.note_imports();
        let generation = self.generation(renewed, &draft)?;
        if durability == Durability::First {
            self.store.save(&draft.slots).context("cannot keep which plugins are active")?;
        }
        if let (Some(generation), Some(running)) = (generation, self.running.get()) {
            running.control.activate(generation);
        }
        if durability == Durability::After
            && let Err(error) = self.store.save(&draft.slots)
        {
            let error = crate::surroundings::chain(&error);
            tracing::error!(error, "a restart will not know which plugins are active now");
        }
        let is_unsettled = unsettles(&draft, &state.draft);
        self.tell(&mut draft);
        match renewed {
            Renewed::Everything(config) => notes::warn(config, &draft.slots),
            Renewed::Plugins => notes::warn(&state.config, &draft.slots),
        }
        state.draft = draft;
        if is_unsettled {
            self.unsettled.notify_one();
        }
        Ok(())
    }

    /// Remembers a draft in which nothing that judges is different.
    fn record(&self, state: &mut State, mut draft: Draft) -> anyhow::Result<()> {
        draft.note_imports();
        if draft.slots != state.draft.slots {
            self.store.save(&draft.slots).context("cannot keep what was found out about plugins")?;
        }
        self.tell(&mut draft);
        state.draft = draft;
        Ok(())
    }

    /// None before the data plane is there.
    fn generation(&self, renewed: Renewed<'_>, draft: &Draft) -> anyhow::Result<Option<Generation>> {
        let Some(running) = self.running.get() else { return Ok(None) };
        let active = running.control.generation();
        let id = GenerationId(active.id().0 + 1);
        let config = match renewed {
            Renewed::Plugins => {
                let plugins = draft.ready.armed(&draft.slots).collect();
                return Ok(Some(Generation::with_plugins(&active, id, plugins)?));
            }
            Renewed::Everything(config) => config,
        };
        let verifier =
            active.verifier().reloaded(&config.directory.issuers).context("an issuer cannot be used")?;
        Ok(Some(Generation::succeeding(&active, id, parts(config, draft, verifier))?))
    }

    /// Whether a candidate could not be judged or kept for a reason that may pass by itself, so that a look at the same files
    /// is worth while.
    pub(crate) fn is_unfinished(&self) -> bool {
        !self.state.lock().draft.unfinished.is_empty()
    }

    /// Tells what has happened, in the log, the audit log and the metrics; once the data plane is there.
    fn tell(&self, draft: &mut Draft) {
        self.tell_refusals(draft);
        let Some(running) = self.running.get() else { return };
        for change in draft.changes.drain(..) {
            self.metrics.count_change(&change);
            log(&change);
            running.audit.append_completion(AuditEvent::PluginStageChanged(PluginStageChanged {
                plugin: change.plugin.as_str().to_owned(),
                from: change.from.map(|stage| stage.as_str().to_owned()),
                to: change.to.as_str().to_owned(),
                digest: change.revision.digest.hex(),
                settings: change.revision.settings.hex(),
                why: change.why,
                by: change.by,
            }));
        }
    }

    fn tell_refusals(&self, draft: &mut Draft) {
        for (plugin, refused) in draft.refusals.drain(..) {
            self.metrics.count_refusal(&plugin, &refused.stage);
            let digest = refused.revision.map(|revision| revision.digest.to_string()).unwrap_or_default();
            let active = draft.slots.slot(&plugin).map(|slot| slot.active().revision.digest.to_string());
            tracing::error!(
                plugin = %plugin,
                digest,
                file = refused.file,
                stage = refused.stage,
                why = refused.why,
                active = active.unwrap_or_default(),
                "candidate refused, the active revision stays"
            );
        }
    }
}

/// Whether what comes with a draft makes room for a candidate that had none.
fn unsettles(draft: &Draft, before: &Draft) -> bool {
    let is_held_back = draft.changes.iter().any(|change| change.to == Stage::HeldBack);
    let canary = before.slots.canary();
    is_held_back || (canary.is_some() && draft.slots.canary() != canary)
}

fn log(change: &Change) {
    let Change { plugin, revision, from, to, why, by } = change;
    let (digest, from) = (revision.digest, from.map_or("new", Stage::as_str));
    match to {
        Stage::HeldBack => {
            tracing::error!(%plugin, %digest, from, %to, why, by, "plugin revision rolled back")
        }
        Stage::Active | Stage::Shadow | Stage::Canary | Stage::Previous | Stage::Gone => {
            tracing::info!(%plugin, %digest, from, %to, why, by, "plugin revision changed its stage");
        }
    }
}

/// Whether roles can do with what is active; what is only probably not meant is logged.
fn check(config: &Config, draft: &Draft, mut problems: Vec<Problem>) -> Result<(), Failure> {
    let actives = draft.ready.actives(&draft.slots);
    plugins::check_uses(config, &actives, &mut problems);
    plugins::check_labels(config, &actives, &mut problems);
    for slot in &config.plugins {
        problems.extend(actives.get(&slot.name).and_then(|plugin| plugins::needless_grants(slot, plugin)));
    }
    let problems = Problems::new(config.source.clone(), problems);
    if problems.refuse() {
        return Err(problems.into());
    }
    for warning in problems.to_string().lines() {
        tracing::warn!("{warning}");
    }
    Ok(())
}

fn parts(config: &Config, draft: &Draft, verifier: TokenVerifier) -> GenerationParts {
    GenerationParts {
        verifier,
        upstreams: config.directory.upstreams.clone(),
        roles: config.roles.clone(),
        plugins: draft.ready.armed(&draft.slots).collect(),
    }
}

/// Seconds since 1970. A clock before that is none.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
