//! What observation counts for metrics.

use grille_core::PluginId;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Cloning shares them.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    compared: Family<PluginLabel, Counter>,
    different: Family<PluginLabel, Counter>,
    failed: Family<PluginLabel, Counter>,
    dropped: Family<PluginLabel, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PluginLabel {
    plugin: String,
}

impl Counters {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let counters = Self::default();
        let grille = registry.sub_registry_with_prefix("grille");
        grille.register(
            "shadow_compared",
            "Inputs that a candidate in the shadow answered too",
            counters.compared.clone(),
        );
        grille.register("shadow_different", "Of these, answered otherwise", counters.different.clone());
        grille.register(
            "shadow_failed",
            "Inputs that a candidate in the shadow, or what it is compared with, failed at",
            counters.failed.clone(),
        );
        grille.register(
            "observation_dropped",
            "Inputs that were neither compared nor recorded, for want of room or time",
            counters.dropped.clone(),
        );
        counters
    }

    pub(super) fn same(&self, plugin: &PluginId) {
        self.compared.get_or_create(&label(plugin)).inc();
    }

    pub(super) fn different(&self, plugin: &PluginId) {
        self.same(plugin);
        self.different.get_or_create(&label(plugin)).inc();
    }

    pub(super) fn failed(&self, plugin: &PluginId) {
        self.failed.get_or_create(&label(plugin)).inc();
    }

    pub(super) fn dropped(&self, plugin: &PluginId) {
        self.dropped.get_or_create(&label(plugin)).inc();
    }
}

fn label(plugin: &PluginId) -> PluginLabel {
    PluginLabel { plugin: plugin.to_string() }
}
