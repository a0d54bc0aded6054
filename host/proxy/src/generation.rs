//! A generation: an immutable set of roles, upstreams and plugins. An exchange lives in one from beginning to end.

use std::collections::HashMap;
use std::sync::Arc;

use grille_core::audit::PluginRecord;
use grille_core::{GenerationId, PluginId, Principal, Role, Treatment, UpstreamName};
use grille_plugin::Plugin;

use crate::catalog::Catalog;
use crate::decisions::DecisionCache;
use crate::identity::TokenVerifier;
use crate::settings::UpstreamSettings;
use crate::tls::TlsError;
use crate::upstream::Upstream;

/// What a generation is made of, already checked.
#[derive(Debug)]
pub struct GenerationParts {
    /// Verifies tokens.
    pub verifier: TokenVerifier,
    /// Backends.
    pub upstreams: Vec<Arc<UpstreamSettings>>,
    /// Roles in the order of the configuration: of several that fit, the first counts.
    pub roles: Vec<Role>,
    /// Configured plugins by the names roles use.
    pub plugins: HashMap<PluginId, Arc<Plugin>>,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Generation {
    /// Counts up with every reload.
    pub(crate) id: GenerationId,
    pub(crate) upstreams: HashMap<UpstreamName, Arc<Upstream>>,
    pub(crate) roles: Vec<Arc<ArmedRole>>,
    pub(crate) decisions: DecisionCache,
    pub(crate) verifier: TokenVerifier,
    catalogs: HashMap<UpstreamName, Arc<Catalog>>,
}

/// A role with its plugins.
#[derive(Debug)]
pub(crate) struct ArmedRole {
    pub(crate) role: Role,
    pub(crate) policies: Vec<Arc<Plugin>>,
    pub(crate) detectors: Vec<Arc<Plugin>>,
    pub(crate) maskers: HashMap<String, Arc<Plugin>>,
    /// All of them, for audit records.
    pub(crate) records: Arc<Vec<PluginRecord>>,
}

/// A generation that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// A role names a plugin that is not there.
    #[error("role {role} names plugin {plugin}, which is not configured")]
    NoSuchPlugin {
        /// The role.
        role: String,
        /// The plugin.
        plugin: String,
    },
    /// An upstream's TLS roots or host name are unusable.
    #[error("upstream {upstream} cannot be used")]
    Upstream {
        /// Which.
        upstream: UpstreamName,
        /// Why.
        source: TlsError,
    },
}

impl Generation {
    /// Puts the parts together. Reads certificates: not for an async worker.
    ///
    /// # Errors
    /// When a role names a plugin that is not there, or an upstream cannot be used.
    pub fn new(id: GenerationId, parts: GenerationParts) -> Result<Self, GenerationError> {
        let upstreams: HashMap<_, _> =
            parts.upstreams.into_iter().map(arm_upstream).collect::<Result<_, _>>()?;
        let catalogs = upstreams
            .iter()
            .map(|(name, upstream)| (name.clone(), Arc::new(Catalog::new(Arc::clone(upstream)))))
            .collect();
        let roles = parts
            .roles
            .into_iter()
            .map(|role| ArmedRole::new(role, &parts.plugins).map(Arc::new))
            .collect::<Result<_, _>>()?;
        Ok(Self { id, upstreams, roles, decisions: DecisionCache::new(), verifier: parts.verifier, catalogs })
    }

    /// Verifies tokens.
    pub fn verifier(&self) -> &TokenVerifier {
        &self.verifier
    }

    /// Its number.
    pub fn id(&self) -> GenerationId {
        self.id
    }

    /// The catalogue of an upstream; none if there is no such upstream.
    pub(crate) fn catalog(&self, upstream: &UpstreamName) -> Option<Arc<Catalog>> {
        self.catalogs.get(upstream).cloned()
    }

    /// The first role that the principal has and that may use the upstream.
    pub(crate) fn role_for(&self, principal: &Principal, upstream: &UpstreamName) -> RoleChoice {
        let mut has_role = false;
        for armed in &self.roles {
            if armed.role.groups.iter().any(|group| principal.groups.contains(group)) {
                has_role = true;
                if armed.role.upstreams.contains(upstream) {
                    return RoleChoice::Role(Arc::clone(armed));
                }
            }
        }
        if has_role { RoleChoice::NotThere } else { RoleChoice::None }
    }
}

/// What a principal may be on an upstream.
#[derive(Debug)]
pub(crate) enum RoleChoice {
    /// This.
    Role(Arc<ArmedRole>),
    /// It has roles, but none for this upstream.
    NotThere,
    /// None of its groups has a role.
    None,
}

fn arm_upstream(settings: Arc<UpstreamSettings>) -> Result<(UpstreamName, Arc<Upstream>), GenerationError> {
    let name = settings.name.clone();
    match Upstream::new(settings) {
        Ok(upstream) => Ok((name, Arc::new(upstream))),
        Err(source) => Err(GenerationError::Upstream { upstream: name, source }),
    }
}

impl ArmedRole {
    /// Whether protected columns may come up: by its own rules, or by what its policies oblige to.
    pub(crate) fn may_mask(&self) -> bool {
        self.role.masks() || !self.policies.is_empty()
    }

    fn new(role: Role, plugins: &HashMap<PluginId, Arc<Plugin>>) -> Result<Self, GenerationError> {
        let find = |id: &PluginId| {
            plugins.get(id).cloned().ok_or_else(|| GenerationError::NoSuchPlugin {
                role: role.name.to_string(),
                plugin: id.to_string(),
            })
        };
        let policies = role.policies.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let detectors = role.detectors.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let maskers = masker_names(&role)
            .map(|name| find(&PluginId::new(name)).map(|plugin| (name.to_owned(), plugin)))
            .collect::<Result<HashMap<_, _>, _>>()?;
        let records = policies
            .iter()
            .chain(&detectors)
            .chain(maskers.values())
            .map(|plugin| plugin.record().clone())
            .collect();
        Ok(Self { policies, detectors, maskers, records: Arc::new(records), role })
    }
}

fn masker_names(role: &Role) -> impl Iterator<Item = &str> {
    role.treatments.values().chain(role.columns.values()).chain([&role.default_treatment]).filter_map(
        |treatment| match treatment {
            Treatment::Plugin(name) => Some(name.as_str()),
            Treatment::Keep
            | Treatment::Null
            | Treatment::Redact
            | Treatment::KeepLast(_)
            | Treatment::Token => None,
        },
    )
}
