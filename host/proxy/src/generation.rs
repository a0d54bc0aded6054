//! A generation: an immutable set of roles, upstreams and plugins. An exchange lives in one from beginning to end.

mod armed;
mod slot;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use grille_core::{GenerationId, PluginId, Principal, Role, UpstreamName};
use grille_plugin::World;

use crate::catalog::Catalog;
use crate::decisions::DecisionCache;
use crate::identity::TokenVerifier;
use crate::settings::UpstreamSettings;
use crate::tls::TlsError;
use crate::upstream::Upstream;

pub(crate) use armed::ArmedRole;
use armed::Sides;
use slot::Canary;
pub use slot::{Slot, Trial, TrialKind};

/// What a generation is made of, already checked.
#[derive(Debug)]
pub struct GenerationParts {
    /// Verifies tokens.
    pub verifier: TokenVerifier,
    /// Backends.
    pub upstreams: Vec<Arc<UpstreamSettings>>,
    /// Roles in the order of the configuration: of several that fit, the first counts.
    pub roles: Vec<Role>,
    /// Configured plugins by the names roles use. At most one of the slots has a canary.
    pub plugins: HashMap<PluginId, Slot>,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Generation {
    /// Counts up with every reload.
    pub(crate) id: GenerationId,
    pub(crate) decisions: DecisionCache,
    pub(crate) verifier: TokenVerifier,
    backends: HashMap<UpstreamName, Backend>,
    slots: HashMap<PluginId, Slot>,
    canary: Option<Canary>,
    roles: Vec<Sides>,
}

/// A backend, and what is known of its catalogue.
#[derive(Clone, Debug)]
struct Backend {
    upstream: Arc<Upstream>,
    catalog: Arc<Catalog>,
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
    /// A role uses a plugin as what it is not.
    #[error("role {role} uses plugin {plugin} as a {wanted}, but it is a {is}")]
    WrongWorld {
        /// The role.
        role: String,
        /// The plugin.
        plugin: PluginId,
        /// What it is.
        is: World,
        /// What the role takes it for.
        wanted: World,
    },
    /// A candidate cannot take the place of what it is tried against.
    #[error("plugin {plugin} is a {active}, and its candidate a {candidate}")]
    OtherWorld {
        /// The slot.
        plugin: PluginId,
        /// What fills it.
        active: World,
        /// What is tried.
        candidate: World,
    },
    /// A plugin answers to another name than its slot's, under which its decisions are remembered: our own mistake.
    #[error("plugin {plugin} was configured under the name {other}")]
    Misnamed {
        /// The slot.
        plugin: PluginId,
        /// The plugin's name for itself.
        other: PluginId,
    },
    /// What is active stands as a candidate does, or the other way round, so that their state would be one: our own mistake.
    #[error("plugin {plugin} and its candidate were configured for each other's place")]
    Misplaced {
        /// The slot.
        plugin: PluginId,
    },
    /// Two candidates are tried on principals: of what differs, nobody could tell which made it so.
    #[error("plugins {first} and {second} both have a canary; there may be one at a time")]
    SeveralCanaries {
        /// One slot.
        first: PluginId,
        /// Another.
        second: PluginId,
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
    /// Puts the parts of the first generation together. Reads certificates: not for an async worker.
    ///
    /// # Errors
    /// When a role names a plugin that is not there or uses it as what it is not, slots do not fit together, or an upstream
    /// cannot be used.
    pub fn new(id: GenerationId, parts: GenerationParts) -> Result<Self, GenerationError> {
        Self::after(None, id, parts)
    }

    /// Puts the parts of a generation together that takes the place of `previous`. Reads certificates: not for an async
    /// worker.
    ///
    /// An upstream with the same settings and the same trusted certificates is taken over, and with it what is known of its
    /// catalogue: to change a plugin costs no reading of a catalogue, in which sessions would wait. That is sound because
    /// nothing in a catalogue comes from a generation:
    ///
    /// - A snapshot is what the server said. Which of its columns are protected is asked under a role's rules each time, and
    ///   remembered under those rules, not under the role. What is judged under it is remembered in the generation, under the
    ///   snapshot's version.
    /// - It grows old and is read again as before: the age counts from the reading, and what sessions define counts changes for
    ///   all that lead to the database, whatever their generation (`catalog/definitions.rs`, where statements under way in an
    ///   older generation are minded too).
    /// - A column's former names are kept, so that the change of a plugin does not uncover a column that was renamed.
    ///
    /// Where settings or certificates have changed, the upstream may be another server, or be trusted by others, so all that is
    /// known of it is read anew; its password is read at each log-in anyway.
    ///
    /// # Errors
    /// As [`Generation::new`].
    pub fn succeeding(
        previous: &Self,
        id: GenerationId,
        parts: GenerationParts,
    ) -> Result<Self, GenerationError> {
        Self::after(Some(previous), id, parts)
    }

    /// The previous generation with other plugins, and nothing else different: reads no file, so that going back to an earlier
    /// plugin waits for no disk and is not kept from it by a certificate that is being renewed.
    ///
    /// # Errors
    /// When a role uses a plugin as what it is not, or slots do not fit together.
    pub fn with_plugins(
        previous: &Self,
        id: GenerationId,
        plugins: HashMap<PluginId, Slot>,
    ) -> Result<Self, GenerationError> {
        let roles = previous.roles.iter().map(|sides| Arc::clone(sides.role()));
        Self::assemble(id, previous.verifier.clone(), previous.backends.clone(), roles, plugins)
    }

    fn after(
        previous: Option<&Self>,
        id: GenerationId,
        parts: GenerationParts,
    ) -> Result<Self, GenerationError> {
        let GenerationParts { verifier, upstreams, roles, plugins: slots } = parts;
        let known = |name: &UpstreamName| previous.and_then(|previous| previous.backends.get(name));
        let backends = upstreams.into_iter().map(|settings| {
            let name = settings.name.clone();
            Backend::new(settings, known(&name)).map(|backend| (name, backend))
        });
        let backends = backends.collect::<Result<_, _>>()?;
        Self::assemble(id, verifier, backends, roles.into_iter().map(Arc::new), slots)
    }

    fn assemble(
        id: GenerationId,
        verifier: TokenVerifier,
        backends: HashMap<UpstreamName, Backend>,
        roles: impl Iterator<Item = Arc<Role>>,
        slots: HashMap<PluginId, Slot>,
    ) -> Result<Self, GenerationError> {
        let canary = slot::check(&slots)?;
        let roles = roles.map(|role| Sides::new(role, &slots, canary.as_ref()));
        let roles = roles.collect::<Result<_, _>>()?;
        Ok(Self { id, decisions: DecisionCache::new(), verifier, backends, slots, canary, roles })
    }

    /// Verifies tokens.
    pub fn verifier(&self) -> &TokenVerifier {
        &self.verifier
    }

    /// Its number.
    pub fn id(&self) -> GenerationId {
        self.id
    }

    /// Its plugins, in no order.
    pub fn slots(&self) -> impl Iterator<Item = (&PluginId, &Slot)> {
        self.slots.iter()
    }

    /// What has that name.
    pub fn slot(&self, plugin: &PluginId) -> Option<&Slot> {
        self.slots.get(plugin)
    }

    /// A backend; none if there is no such upstream.
    pub(crate) fn upstream(&self, name: &UpstreamName) -> Option<&Arc<Upstream>> {
        self.backends.get(name).map(|backend| &backend.upstream)
    }

    /// The catalogue of an upstream; none if there is no such upstream.
    pub(crate) fn catalog(&self, upstream: &UpstreamName) -> Option<Arc<Catalog>> {
        self.backends.get(upstream).map(|backend| Arc::clone(&backend.catalog))
    }

    /// The first role that the principal has and that may use the upstream, with the canary where the principal is in its
    /// share.
    pub(crate) fn role_for(&self, principal: &Principal, upstream: &UpstreamName) -> RoleChoice {
        let mut has_role = false;
        for sides in &self.roles {
            let role = sides.role();
            if role.groups.iter().any(|group| principal.groups.contains(group)) {
                has_role = true;
                if role.upstreams.contains(upstream) {
                    return RoleChoice::Role(Arc::clone(sides.of(principal, self.canary.as_ref())));
                }
            }
        }
        if has_role { RoleChoice::NotThere } else { RoleChoice::None }
    }

    /// Whether nobody but the holder of this one uses it any more, or a role of it.
    pub(crate) fn is_deserted(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 1 && self.roles.iter().all(Sides::are_deserted)
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

impl Backend {
    /// The one that is known, if nothing about it has changed. Certificates are read to tell.
    fn new(settings: Arc<UpstreamSettings>, known: Option<&Self>) -> Result<Self, GenerationError> {
        let name = settings.name.clone();
        let upstream = Upstream::new(settings);
        let upstream = upstream.map_err(|source| GenerationError::Upstream { upstream: name, source })?;
        if let Some(known) = known.filter(|known| known.upstream.is_interchangeable_with(&upstream)) {
            return Ok(known.clone());
        }
        let upstream = Arc::new(upstream);
        Ok(Self { catalog: Arc::new(Catalog::new(Arc::clone(&upstream))), upstream })
    }
}
