//! What is counted of rollouts. No label holds anything that a client or a plugin chose.

use grille_core::PluginId;
use grille_core::rollout::Change;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Counters of rollouts.
pub(super) struct RolloutMetrics {
    changes: Family<ChangeLabels, Counter>,
    refusals: Family<RefusalLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChangeLabels {
    plugin: String,
    to: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    plugin: String,
    stage: String,
}

impl RolloutMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self { changes: Family::default(), refusals: Family::default() };
        registry.register(
            "grille_plugin_stage_changes",
            "Revisions of plugins that came to a stage",
            metrics.changes.clone(),
        );
        registry.register(
            "grille_plugin_candidates_refused",
            "Candidates that did not pass a stage",
            metrics.refusals.clone(),
        );
        metrics
    }

    pub(super) fn count_change(&self, change: &Change) {
        let to = change.to.as_str();
        self.changes.get_or_create(&ChangeLabels { plugin: change.plugin.as_str().to_owned(), to }).inc();
    }

    pub(super) fn count_refusal(&self, plugin: &PluginId, stage: &str) {
        let labels = RefusalLabels { plugin: plugin.as_str().to_owned(), stage: stage.to_owned() };
        self.refusals.get_or_create(&labels).inc();
    }
}
