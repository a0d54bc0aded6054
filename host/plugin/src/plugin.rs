//! A plugin bound to settings, and its instances: what the data plane calls.

use std::sync::Arc;

use grille_core::audit::PluginRecord;
use grille_core::{Action, Decision, Finding, PluginId};
use serde_json::Value;

use crate::component::Component;
use crate::context::{ExchangeContext, FieldInfo};
use crate::failure::{FailureEvent, PluginFailure};
use crate::gate::GateSet;
use crate::host_state::GuestLog;
use crate::instance::Instance;
use crate::limits::CONFIGURE_DEADLINE;
use crate::metadata::Metadata;
use crate::settings::{CanonicalSettings, ConfigureError, SettingsProblem};
use crate::untrusted::{self, CellBlock, Edits};
use crate::{Limits, World};

/// A configured plugin: immutable, shared by all exchanges of a generation. What it does for one of them happens in an
/// instance that no other sees.
pub struct Plugin {
    id: PluginId,
    component: Component,
    settings: CanonicalSettings,
    record: PluginRecord,
    log: Arc<GuestLog>,
}

impl Plugin {
    /// Binds a component to settings, and has the plugin look at them once, in an instance that is thrown away. `id` is the
    /// plugin's name in the configuration. Blocks for at most two seconds.
    ///
    /// # Errors
    /// When the settings do not fit the plugin's schema, or the plugin refuses them, or fails.
    pub fn configure(component: &Component, id: PluginId, settings: &Value) -> Result<Self, ConfigureError> {
        component.schema().check(settings)?;
        let settings = CanonicalSettings::new(settings)?;
        let record = PluginRecord {
            plugin: id.as_str().to_owned(),
            world: component.world().as_str().to_owned(),
            digest: component.digest().to_owned(),
            settings: settings.digest.clone(),
        };
        let log = Arc::new(GuestLog::new(id.as_str().to_owned()));
        let plugin = Self { id, component: component.clone(), settings, record, log };
        let problems = plugin.rehearse().map_err(|event| plugin.failure(event))?;
        if problems.is_empty() { Ok(plugin) } else { Err(ConfigureError::Settings(problems)) }
    }

    fn rehearse(&self) -> Result<Vec<SettingsProblem>, FailureEvent> {
        let mut instance = Instance::new(&self.component, &self.log, CONFIGURE_DEADLINE)?;
        match instance.configure(&self.settings.json)? {
            Ok(()) => Ok(vec![]),
            Err(diagnostics) if diagnostics.is_empty() => {
                Err(FailureEvent::Refused("it refused its settings without saying why".to_owned()))
            }
            Err(diagnostics) => Ok(SettingsProblem::of_guest(diagnostics)),
        }
    }

    /// The name in the configuration.
    pub fn id(&self) -> &PluginId {
        &self.id
    }

    /// What it is for.
    pub fn world(&self) -> World {
        self.component.world()
    }

    /// What it says of itself.
    pub fn metadata(&self) -> &Metadata {
        self.component.metadata()
    }

    /// Which plugin, exactly, for audit records.
    pub fn record(&self) -> &PluginRecord {
        &self.record
    }

    /// Whether equal inputs give equal decisions, so that a decision may be remembered: it imports no clock.
    pub fn is_pure(&self) -> bool {
        self.component.is_pure()
    }

    /// The native gate before a detector.
    pub fn gates(&self) -> &GateSet {
        self.component.gates()
    }

    /// Judges a statement, in a fresh instance. Blocks the thread for at most four deadlines (instantiate, configure,
    /// begin, decide); usually for some tens of microseconds. `attributes` are words of the host's, ignored by plugins
    /// that do not know them.
    ///
    /// # Errors
    /// Whatever went wrong: the statement must be denied.
    pub fn decide(
        &self,
        context: &ExchangeContext,
        action: &Action,
        attributes: &[(&str, &str)],
    ) -> Result<Decision, PluginFailure> {
        self.try_decide(context, action, attributes).map_err(|event| self.failure(event))
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
        let mut instance = Instance::new(&self.component, &self.log, self.limits().deadline)?;
        let configured = instance.configure(&self.settings.json)?;
        configured.map_err(|_| self.refusal("it refused settings that it had accepted"))?;
        let begun = instance.call(|bindings, store| bindings.begin(store, context, fields))?;
        begun.map_err(|message| self.refusal(&message))?;
        Ok(instance)
    }

    fn expect_world(&self, wanted: World) -> Result<(), FailureEvent> {
        let is = self.world();
        if is == wanted { Ok(()) } else { Err(FailureEvent::WrongWorld { is, wanted }) }
    }

    fn limits(&self) -> &Limits {
        self.component.engine().limits()
    }

    fn refusal(&self, message: &str) -> FailureEvent {
        FailureEvent::Refused(untrusted::clean_text(message, self.limits().reason_bytes))
    }

    pub(crate) fn failure(&self, event: FailureEvent) -> PluginFailure {
        PluginFailure { plugin: self.id.clone(), event }
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("id", &self.id)
            .field("component", &self.component)
            .finish_non_exhaustive()
    }
}

/// An instance of a plugin at work for one exchange. The first failure ends it.
struct Session {
    plugin: Arc<Plugin>,
    state: Result<Instance, FailureEvent>,
}

impl Session {
    fn begin(
        plugin: &Arc<Plugin>,
        world: World,
        context: &ExchangeContext,
        fields: &[FieldInfo],
    ) -> Result<Self, PluginFailure> {
        let instance = plugin.expect_world(world).and_then(|()| plugin.begin(context, fields));
        let instance = instance.map_err(|event| plugin.failure(event))?;
        Ok(Self { plugin: Arc::clone(plugin), state: Ok(instance) })
    }

    /// Works with the instance; after a failure it is gone, and every later call fails in the same way.
    fn work<T>(
        &mut self,
        work: impl FnOnce(&Plugin, &mut Instance) -> Result<T, FailureEvent>,
    ) -> Result<T, PluginFailure> {
        let result = match &mut self.state {
            Ok(instance) => work(&self.plugin, instance),
            Err(event) => Err(event.clone()),
        };
        result.map_err(|event| {
            self.state = Err(event.clone());
            self.plugin.failure(event)
        })
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
