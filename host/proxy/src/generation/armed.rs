//! A role with its plugins: for most principals, and for those a canary speaks to.

use std::collections::HashMap;
use std::sync::Arc;

use grille_core::audit::{JudgedAs, PluginRecord};
use grille_core::{PluginId, Principal, Role, Treatment};
use grille_plugin::{Plugin, World};

use super::slot::Canary;
use super::{GenerationError, Slot};

/// A role with its plugins.
#[derive(Debug)]
pub(crate) struct ArmedRole {
    pub(crate) role: Arc<Role>,
    pub(crate) policies: Vec<Arc<Plugin>>,
    pub(crate) detectors: Vec<Arc<Plugin>>,
    pub(crate) maskers: HashMap<String, Arc<Plugin>>,
    /// All of these, for audit records: what judges, not what is only tried.
    pub(crate) records: Arc<Vec<PluginRecord>>,
    /// Candidates that are tried beside the path, by the names of those above that they are compared with.
    shadows: HashMap<PluginId, Arc<Plugin>>,
}

/// A role as its principals have it.
#[derive(Debug)]
pub(super) struct Sides {
    stable: Arc<ArmedRole>,
    /// With the canary in the place of what it is tried against; none where the role does not use that.
    canary: Option<Arc<ArmedRole>>,
}

/// Which plugins a role is armed with.
#[derive(Clone, Copy, Debug)]
enum Side<'c> {
    Stable,
    Canary(&'c PluginId),
}

impl Sides {
    pub(super) fn new(
        role: Arc<Role>,
        slots: &HashMap<PluginId, Slot>,
        canary: Option<&Canary>,
    ) -> Result<Self, GenerationError> {
        let stable = ArmedRole::new(&role, slots, Side::Stable)?;
        let canary = canary.filter(|canary| uses(&role, &canary.slot));
        let canary = canary.map(|canary| ArmedRole::new(&role, slots, Side::Canary(&canary.slot)));
        Ok(Self { stable: Arc::new(stable), canary: canary.transpose()?.map(Arc::new) })
    }

    pub(super) fn role(&self) -> &Arc<Role> {
        &self.stable.role
    }

    /// The side of a principal. It stays the same within a generation, so that what is remembered of its decisions comes
    /// from the plugins that it has.
    pub(super) fn of(&self, principal: &Principal, canary: Option<&Canary>) -> &Arc<ArmedRole> {
        match (&self.canary, canary) {
            (Some(role), Some(canary)) if canary.is_for(principal) => role,
            (Some(_) | None, _) => &self.stable,
        }
    }

    /// Whether no session has it.
    pub(super) fn are_deserted(&self) -> bool {
        [Some(&self.stable), self.canary.as_ref()]
            .into_iter()
            .flatten()
            .all(|side| Arc::strong_count(side) == 1)
    }
}

impl ArmedRole {
    /// Whether protected columns may come up: by its own rules, or by what its policies oblige to.
    pub(crate) fn may_mask(&self) -> bool {
        self.role.masks() || !self.policies.is_empty()
    }

    /// The candidate that is tried beside the path for this one of the role's plugins. A principal that a canary speaks to
    /// has it like any other.
    pub(crate) fn shadow_of(&self, plugin: &PluginId) -> Option<&Arc<Plugin>> {
        self.shadows.get(plugin)
    }

    fn new(
        role: &Arc<Role>,
        slots: &HashMap<PluginId, Slot>,
        side: Side<'_>,
    ) -> Result<Self, GenerationError> {
        let armoury = Armoury { role, slots, side };
        let find = |world| move |id: &PluginId| armoury.find(id, world);
        let policies = role.policies.iter().map(find(World::Policy)).collect::<Result<Vec<_>, _>>()?;
        let detectors = role.detectors.iter().map(find(World::Detector)).collect::<Result<Vec<_>, _>>()?;
        let maskers = masker_names(role)
            .map(|name| Ok((name.to_owned(), armoury.find(&PluginId::new(name), World::Masker)?)))
            .collect::<Result<HashMap<_, _>, _>>()?;
        let all = || policies.iter().chain(&detectors).chain(maskers.values());
        let records = all().map(|plugin| armoury.record(plugin)).collect();
        let shadows = all().filter_map(|plugin| armoury.shadow(plugin)).collect();
        let (role, records) = (Arc::clone(role), Arc::new(records));
        Ok(Self { role, policies, detectors, maskers, records, shadows })
    }
}

/// Where a role's plugins are found.
#[derive(Clone, Copy)]
struct Armoury<'a> {
    role: &'a Role,
    slots: &'a HashMap<PluginId, Slot>,
    side: Side<'a>,
}

impl Armoury<'_> {
    /// The plugin of that name on this side, which must be what the role takes it for.
    fn find(&self, name: &PluginId, wanted: World) -> Result<Arc<Plugin>, GenerationError> {
        let role = || self.role.name.to_string();
        let missing = || GenerationError::NoSuchPlugin { role: role(), plugin: name.to_string() };
        let slot = self.slots.get(name).ok_or_else(missing)?;
        let plugin = self.canary_of(slot).unwrap_or(&slot.active);
        let is = plugin.world();
        if is != wanted {
            return Err(GenerationError::WrongWorld { role: role(), plugin: name.clone(), is, wanted });
        }
        Ok(Arc::clone(plugin))
    }

    fn canary_of<'s>(&self, slot: &'s Slot) -> Option<&'s Arc<Plugin>> {
        match self.side {
            Side::Stable => None,
            Side::Canary(name) => {
                slot.canary().map(|(plugin, _)| plugin).filter(|plugin| plugin.id() == name)
            }
        }
    }

    fn record(&self, plugin: &Plugin) -> PluginRecord {
        let stage = match self.side {
            Side::Canary(name) if name == plugin.id() => JudgedAs::Canary,
            Side::Canary(_) | Side::Stable => JudgedAs::Active,
        };
        PluginRecord { stage, ..plugin.record().clone() }
    }

    fn shadow(&self, plugin: &Plugin) -> Option<(PluginId, Arc<Plugin>)> {
        let shadow = self.slots.get(plugin.id())?.shadow()?;
        Some((plugin.id().clone(), Arc::clone(shadow)))
    }
}

fn uses(role: &Role, plugin: &PluginId) -> bool {
    role.policies.contains(plugin)
        || role.detectors.contains(plugin)
        || masker_names(role).any(|name| name == plugin.as_str())
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
