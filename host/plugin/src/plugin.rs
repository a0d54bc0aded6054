//! A plugin bound to settings, and its instances: what the data plane calls.

mod counted;

use std::sync::Arc;
use std::time::{Duration, Instant};

use grille_core::audit::{JudgedAs, PluginRecord};
use grille_core::{Action, Decision, Finding, PluginId};
use serde_json::Value;

use crate::capability::{Capability, Granted, Grants};
use crate::component::{Component, Facts};
use crate::context::{ExchangeContext, FieldInfo};
use crate::failure::{FailureEvent, PluginFailure};
use crate::gate::GateSet;
use crate::health::Health;
use crate::instance::{Instance, Rehearsal};
use crate::metadata::Metadata;
use crate::restore::{Restores, restorable};
use crate::settings::{CanonicalSettings, ConfigureError, SettingsProblem};
use crate::tenure::Tenure;
use crate::untrusted::{self, CellBlock, Edits};
use crate::v0_1::Linked;
use crate::words::ActionWords;
use crate::{Limits, World};

/// A configured plugin: immutable, shared by all exchanges of a generation. What it does for one of them happens in an
/// instance that no other sees.
pub struct Plugin {
    id: PluginId,
    facts: Arc<Facts>,
    /// Of a snapshot, or of the component.
    linked: Linked,
    restores: Restores,
    settings: CanonicalSettings,
    record: PluginRecord,
    granted: Arc<Granted>,
    tenure: Tenure,
    health: Health,
}

impl Plugin {
    /// Binds a component that asks for no capability to settings. See [`Plugin::configure_granted`].
    ///
    /// # Errors
    /// As there; also when it asks for a capability.
    pub fn configure(component: &Component, id: PluginId, settings: &Value) -> Result<Self, ConfigureError> {
        Self::configure_granted(component, id, settings, &Grants::none())
    }

    /// Binds a component to settings and grants: has the plugin look at them once, and takes a snapshot that every exchange begins
    /// with. `id` is the plugin's name in the configuration. Blocks for at most two seconds, and for as long as the
    /// compiler runs when there is no such snapshot in the cache.
    ///
    /// # Errors
    /// When the plugin asks for what is not granted or not there, or the settings do not fit its schema, or it refuses them,
    /// or fails.
    pub fn configure_granted(
        component: &Component,
        id: PluginId,
        settings: &Value,
        grants: &Grants,
    ) -> Result<Self, ConfigureError> {
        let granted = Arc::new(grant(component, &id, grants)?);
        component.schema().check(settings)?;
        let settings = CanonicalSettings::new(settings)?;
        let record = PluginRecord {
            plugin: id.as_str().to_owned(),
            world: component.world().as_str().to_owned(),
            digest: component.digest().to_owned(),
            settings: settings.digest.clone(),
            stage: JudgedAs::Active,
            capabilities: component.imports().iter().map(|import| import.as_str().to_owned()).collect(),
        };
        let rehearsal = rehearse(component, &granted, &settings)
            .map_err(|event| PluginFailure { plugin: id.clone(), event })?
            .map_err(ConfigureError::Settings)?;
        let (linked, restores) = restorable(component, &settings.digest, rehearsal);
        if let Restores::Configured { reason } = &restores {
            tracing::info!(plugin = id.as_str(), reason, "a plugin is configured anew for each exchange");
        }
        let facts = Arc::clone(component.facts());
        let tenure = Tenure::Active;
        let health = Health::new(None, facts.engine.tallies().of(&id, tenure));
        Ok(Self { id, facts, linked, restores, settings, record, granted, tenure, health })
    }

    /// The same, of which calls count as over budget that take longer ([`Health`]); with none, no call does.
    #[must_use]
    pub fn with_latency_budget(self, budget: Option<Duration>) -> Self {
        let health = Health::new(budget, Arc::clone(self.health.shared_tally()));
        Self { health, ..self }
    }

    /// The same as a candidate, whose calls have not begun to be counted. Costs nothing worth mentioning: what is configured
    /// stays so.
    #[must_use]
    pub fn on_trial(&self) -> Self {
        let PluginRecord { digest, settings, .. } = &self.record;
        let keeps = || self.facts.engine.states().of_candidate(&self.id, digest, settings);
        self.in_tenure(Tenure::Trial, self.granted.keeping(keeps))
    }

    /// The same as what has the place, whose calls have not begun to be counted: for a candidate that gets it, and for one
    /// that gets it back. It goes on with what the place keeps, not with what the candidate has kept.
    #[must_use]
    pub fn promoted(&self) -> Self {
        let keeps = || self.facts.engine.states().of(&self.id);
        self.in_tenure(Tenure::Active, self.granted.keeping(keeps))
    }

    fn in_tenure(&self, tenure: Tenure, granted: Granted) -> Self {
        let tally = self.facts.engine.tallies().of(&self.id, tenure);
        Self {
            id: self.id.clone(),
            facts: Arc::clone(&self.facts),
            linked: self.linked.clone(),
            restores: self.restores.clone(),
            settings: self.settings.clone(),
            record: self.record.clone(),
            granted: Arc::new(granted),
            tenure,
            health: Health::new(self.health.budget(), tally),
        }
    }

    /// Whether it has its place, or is tried for it.
    pub fn tenure(&self) -> Tenure {
        self.tenure
    }

    /// How its calls have gone since it took its tenure.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The name in the configuration.
    pub fn id(&self) -> &PluginId {
        &self.id
    }

    /// What it is for.
    pub fn world(&self) -> World {
        self.facts.world
    }

    /// What it says of itself.
    pub fn metadata(&self) -> &Metadata {
        &self.facts.metadata
    }

    /// Which plugin, exactly, for audit records.
    pub fn record(&self) -> &PluginRecord {
        &self.record
    }

    /// Whether equal inputs give equal decisions, so that a decision may be remembered: it imports no clock, no state and no
    /// way out.
    pub fn is_pure(&self) -> bool {
        self.facts.is_pure()
    }

    /// The capabilities it imports, all of them granted.
    pub fn capabilities(&self) -> impl Iterator<Item = Capability> {
        self.facts.imports.iter().copied()
    }

    /// How the instance of an exchange comes to be configured.
    pub fn restores(&self) -> &Restores {
        &self.restores
    }

    /// The native gate before a detector.
    pub fn gates(&self) -> &GateSet {
        &self.facts.gates
    }

    /// Judges a statement, in a fresh instance. Blocks the thread for at most four deadlines (instantiate, configure where
    /// there is no snapshot, begin, decide), and two seconds more where the plugin may send requests; usually for some tens
    /// of microseconds. `attributes` are words of the host's, ignored by plugins that do not know them.
    ///
    /// # Errors
    /// Whatever went wrong: the statement must be denied.
    pub fn decide(
        &self,
        context: &ExchangeContext,
        action: &Action,
        attributes: &[(&str, &str)],
    ) -> Result<Decision, PluginFailure> {
        self.watched(Duration::ZERO, || self.try_decide(context, action, attributes))
    }

    /// Judges an action given in words, also such as no parser of this version would make: for vectors and tests. It is not
    /// counted.
    ///
    /// # Errors
    /// As [`Plugin::decide`].
    pub fn decide_words(
        &self,
        context: &ExchangeContext,
        words: &ActionWords,
    ) -> Result<Decision, PluginFailure> {
        let decide = || {
            self.expect_world(World::Policy)?;
            let mut instance = self.begin(context, &[])?;
            let raw = instance.call(|bindings, store| bindings.decide_words(store, words))?;
            let raw = raw.map_err(|message| self.refusal(&message))?;
            Ok(untrusted::decision(&self.id, raw, self.limits().reason_bytes)?)
        };
        decide().map_err(|event| self.failure(event))
    }

    fn try_decide(
        &self,
        context: &ExchangeContext,
        action: &Action,
        attributes: &[(&str, &str)],
    ) -> Result<Decision, FailureEvent> {
        self.expect_world(World::Policy)?;
        let mut instance = self.begin(context, &[])?;
        let raw = instance.call(|bindings, store| bindings.decide(store, action, attributes))?;
        let raw = raw.map_err(|message| self.refusal(&message))?;
        Ok(untrusted::decision(&self.id, raw, self.limits().reason_bytes)?)
    }

    /// A fresh instance, configured and told of the exchange.
    fn begin(&self, context: &ExchangeContext, fields: &[FieldInfo]) -> Result<Instance, FailureEvent> {
        let deadline = self.limits().deadline;
        let mut instance = match &self.restores {
            Restores::Snapshot => Instance::new(&self.facts, &self.linked, &self.granted, deadline)?,
            Restores::Configured { .. } => self.configured(deadline)?,
        };
        instance.serve(context);
        let begun = instance.call(|bindings, store| bindings.begin(store, context, fields))?;
        begun.map_err(|message| self.refusal(&message))?;
        Ok(instance)
    }

    fn configured(&self, deadline: Duration) -> Result<Instance, FailureEvent> {
        let mut instance = Instance::new(&self.facts, &self.linked, &self.granted, deadline)?;
        let configured = instance.configure(&self.settings.json)?;
        configured.map_err(|_| self.refusal("it refused settings that it had accepted"))?;
        Ok(instance)
    }

    /// A call that counts, in addition to what its exchange has already waited for it.
    fn watched<T>(
        &self,
        waited: Duration,
        call: impl FnOnce() -> Result<T, FailureEvent>,
    ) -> Result<T, PluginFailure> {
        let begun = Instant::now();
        let answer = call();
        self.health.note(begun.elapsed() + waited, answer.as_ref().err());
        answer.map_err(|event| self.failure(event))
    }

    fn expect_world(&self, wanted: World) -> Result<(), FailureEvent> {
        let is = self.world();
        if is == wanted { Ok(()) } else { Err(FailureEvent::WrongWorld { is, wanted }) }
    }

    fn limits(&self) -> &Limits {
        self.facts.engine.limits()
    }

    fn refusal(&self, message: &str) -> FailureEvent {
        FailureEvent::Refused(untrusted::clean_text(message, self.limits().reason_bytes))
    }

    pub(crate) fn failure(&self, event: FailureEvent) -> PluginFailure {
        PluginFailure { plugin: self.id.clone(), event }
    }
}

/// What stands behind all that the component asks for; its author has said why.
fn grant(component: &Component, name: &PluginId, grants: &Grants) -> Result<Granted, ConfigureError> {
    let (imports, metadata) = (component.imports(), component.metadata());
    let missing: Vec<_> = imports
        .difference(&grants.capabilities)
        .map(|capability| (*capability, metadata.reason(*capability).unwrap_or_default().to_owned()))
        .collect();
    if !missing.is_empty() {
        return Err(ConfigureError::NotGranted { missing, wanted: imports.iter().copied().collect() });
    }
    let Facts { engine, .. } = &**component.facts();
    Granted::new(name, &metadata.id, imports.iter().copied(), grants, engine.services(), engine.states())
        .map_err(ConfigureError::Unavailable)
}

/// Has the plugin look at its settings: the instance it did so in, or what it finds wrong with them.
fn rehearse(
    component: &Component,
    granted: &Arc<Granted>,
    settings: &CanonicalSettings,
) -> Result<Result<Rehearsal, Vec<SettingsProblem>>, FailureEvent> {
    let mut rehearsal = Rehearsal::new(component, granted)?;
    match rehearsal.configure(&settings.json)? {
        Ok(()) => Ok(Ok(rehearsal)),
        Err(diagnostics) if diagnostics.is_empty() => {
            Err(FailureEvent::Refused("it refused its settings without saying why".to_owned()))
        }
        Err(diagnostics) => Ok(Err(SettingsProblem::of_guest(diagnostics))),
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("id", &self.id)
            .field("digest", &self.facts.digest)
            .field("restores", &self.restores)
            .finish_non_exhaustive()
    }
}

/// An instance of a plugin at work for one exchange. The first failure ends it.
struct Session {
    plugin: Arc<Plugin>,
    state: Result<Instance, FailureEvent>,
    /// How long its beginning took: a part of its first call, as far as the exchange is concerned.
    begun_in: Duration,
}

impl Session {
    fn begin(
        plugin: &Arc<Plugin>,
        world: World,
        context: &ExchangeContext,
        fields: &[FieldInfo],
    ) -> Result<Self, PluginFailure> {
        let begun = Instant::now();
        let instance = plugin.expect_world(world).and_then(|()| plugin.begin(context, fields));
        let begun_in = begun.elapsed();
        match instance {
            Ok(instance) => Ok(Self { plugin: Arc::clone(plugin), state: Ok(instance), begun_in }),
            Err(event) => {
                plugin.health.note(begun_in, Some(&event));
                Err(plugin.failure(event))
            }
        }
    }

    /// Works with the instance; after a failure it is gone, and every later call fails in the same way, without being counted.
    fn work<T>(
        &mut self,
        work: impl FnOnce(&Plugin, &mut Instance) -> Result<T, FailureEvent>,
    ) -> Result<T, PluginFailure> {
        let Self { plugin, state, begun_in } = self;
        let instance = match state {
            Ok(instance) => instance,
            Err(event) => return Err(plugin.failure(event.clone())),
        };
        let answer = plugin.watched(std::mem::take(begun_in), || work(plugin, instance));
        if let Err(failure) = &answer {
            *state = Err(failure.event.clone());
        }
        answer
    }
}

/// A detector at work for one exchange.
pub struct Detector(Session);

impl Detector {
    /// Makes an instance and tells it of the result's fields.
    ///
    /// # Errors
    /// Whatever went wrong: all fields count as sensitive.
    pub fn begin(
        plugin: &Arc<Plugin>,
        context: &ExchangeContext,
        fields: &[FieldInfo],
    ) -> Result<Self, PluginFailure> {
        Session::begin(plugin, World::Detector, context, fields).map(Self)
    }

    /// What is found in a block, checked. The block's buffers are lent to the call; its content stays.
    ///
    /// # Errors
    /// Whatever went wrong: all fields count as sensitive. The instance is gone.
    pub fn inspect(&mut self, block: &mut CellBlock) -> Result<Vec<Finding>, PluginFailure> {
        self.0.work(|plugin, instance| {
            let raw = instance.call(|bindings, store| bindings.inspect(store, block))?;
            let raw = raw.map_err(|message| plugin.refusal(&message))?;
            let labels = plugin.metadata().labels.len();
            Ok(untrusted::findings(&raw, block, labels, plugin.limits().findings)?)
        })
    }
}

/// A masker at work for one exchange.
pub struct Masker(Session);

impl Masker {
    /// Makes an instance and tells it of the result's fields.
    ///
    /// # Errors
    /// Whatever went wrong: every value it was to replace becomes NULL, or the statement is stopped.
    pub fn begin(
        plugin: &Arc<Plugin>,
        context: &ExchangeContext,
        fields: &[FieldInfo],
    ) -> Result<Self, PluginFailure> {
        Session::begin(plugin, World::Masker, context, fields).map(Self)
    }

    /// A new value for each cell of the block.
    ///
    /// # Errors
    /// Whatever went wrong: every value of the block must be replaced whole. The instance is gone.
    pub fn mask(&mut self, block: &mut CellBlock) -> Result<Edits, PluginFailure> {
        self.0.work(|plugin, instance| {
            let raw = instance.call(|bindings, store| bindings.mask(store, block))?;
            let raw = raw.map_err(|message| plugin.refusal(&message))?;
            Ok(untrusted::edits(raw, block.len(), plugin.limits().edits_bytes)?)
        })
    }
}
