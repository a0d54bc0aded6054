//! What one plugin was granted, ready to be used by its instances.

use std::sync::Arc;

use grille_core::PluginId;

use super::egress::Egress;
use super::keyed::KeyedTransforms;
use super::log::GuestLog;
use super::outbound::Outbound;
use super::state::{PluginState, StateStore};
use super::{Capability, Grants};

/// What capabilities need from outside the runtime. Without one, the plugins that need it cannot be configured.
#[derive(Clone, Default)]
pub struct Services {
    /// For `egress`.
    pub outbound: Option<Arc<dyn Outbound>>,
    /// For `keyed`.
    pub keyed: Option<Arc<KeyedTransforms>>,
}

/// What stands behind the capabilities of one plugin; what it was not granted is not there. Clones share its bounds.
#[derive(Clone)]
pub(crate) struct Granted {
    pub(crate) log: Arc<GuestLog>,
    pub(crate) state: Option<Arc<PluginState>>,
    pub(crate) egress: Option<Arc<Egress>>,
    pub(crate) keyed: Option<Arc<Keyed>>,
}

/// Transforms, for one plugin.
pub(crate) struct Keyed {
    pub(crate) transforms: Arc<KeyedTransforms>,
    /// The id in its metadata: the same under every name that an operator gives it.
    pub(crate) plugin: String,
}

impl Granted {
    /// Takes what the plugin imports, all of which must have been granted. `name` is the configuration's, `id` the metadata's.
    ///
    /// # Errors
    /// The capability for which there is no service.
    pub(crate) fn new(
        name: &PluginId,
        id: &str,
        imports: impl IntoIterator<Item = Capability>,
        grants: &Grants,
        services: &Services,
        states: &StateStore,
    ) -> Result<Self, Capability> {
        let log = Arc::new(GuestLog::new(name.as_str().to_owned()));
        let mut granted = Self { log, state: None, egress: None, keyed: None };
        for capability in imports {
            let missing = || capability;
            match capability {
                Capability::Log | Capability::Clock => {}
                Capability::State => granted.state = Some(states.of(name)),
                Capability::Egress => {
                    let outbound = services.outbound.clone().ok_or_else(missing)?;
                    granted.egress = Some(Arc::new(Egress::new(grants.egress.clone(), outbound)));
                }
                Capability::Keyed => {
                    let transforms = services.keyed.clone().ok_or_else(missing)?;
                    granted.keyed = Some(Arc::new(Keyed { transforms, plugin: id.to_owned() }));
                }
            }
        }
        Ok(granted)
    }

    /// The same, with another place to keep values in, where it may keep any.
    pub(crate) fn keeping(&self, place: impl FnOnce() -> Arc<PluginState>) -> Self {
        let state = self.state.as_ref().map(|_| place());
        Self { state, ..self.clone() }
    }
}
