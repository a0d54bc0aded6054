//! What the data plane counts. No label holds anything a client chose.

use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

use grille_core::{Fault, GenerationId, UpstreamName};
use grille_plugin::PluginFailure;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Counters of the data plane. Cloning shares them.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) sessions: Gauge,
    generation: Gauge,
    pub(crate) connections: Counter,
    connections_refused: Family<FaultLabel, Counter>,
    statements: Family<StatementLabels, Counter>,
    plugin_failures: Family<PluginLabels, Counter>,
    treated: Family<TreatedLabels, Counter>,
    lineage_refusals: Family<PurposeLabel, Counter>,
    definition_conflicts: Family<ConflictLabel, Counter>,
    catalog_reads: Family<CatalogLabels, Counter>,
    catalog_read_at: Family<UpstreamLabel, Gauge<f64, AtomicU64>>,
    pub(crate) rows: Counter,
    pub(crate) latency_seconds: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaultLabel {
    fault: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatementLabels {
    role: String,
    verdict: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PluginLabels {
    plugin: String,
    event: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TreatedLabels {
    label: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PurposeLabel {
    purpose: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConflictLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CatalogLabels {
    upstream: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamLabel {
    upstream: String,
}

impl Metrics {
    /// Makes the counters and registers them.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            sessions: Gauge::default(),
            generation: Gauge::default(),
            connections: Counter::default(),
            connections_refused: Family::default(),
            statements: Family::default(),
            plugin_failures: Family::default(),
            treated: Family::default(),
            lineage_refusals: Family::default(),
            definition_conflicts: Family::default(),
            catalog_reads: Family::default(),
            catalog_read_at: Family::default(),
            rows: Counter::default(),
            // 50 µs to 100 s.
            latency_seconds: Histogram::new(exponential_buckets(50e-6, 4.0, 12)),
        };
        let grille = registry.sub_registry_with_prefix("grille");
        grille.register("sessions", "Sessions open now", metrics.sessions.clone());
        grille.register("generation", "The active generation's number", metrics.generation.clone());
        grille.register("connections", "Client connections accepted", metrics.connections.clone());
        grille.register(
            "connections_refused",
            "Client connections that got no session, by whose fault it was",
            metrics.connections_refused.clone(),
        );
        grille.register("statements", "Messages judged, by role and verdict", metrics.statements.clone());
        grille.register(
            "plugin_failures",
            "Plugin calls that failed closed",
            metrics.plugin_failures.clone(),
        );
        grille.register("treated_values", "Values masked, by label", metrics.treated.clone());
        grille.register(
            "lineage_refusals",
            "Statements refused for what they do with protected columns, by purpose",
            metrics.lineage_refusals.clone(),
        );
        grille.register(
            "definition_conflicts",
            "Statements that met a definition of another session, by what came of it: waited, unsure, refused",
            metrics.definition_conflicts.clone(),
        );
        grille.register(
            "catalog_reads",
            "Readings of an upstream's catalogue, by outcome",
            metrics.catalog_reads.clone(),
        );
        grille.register(
            "catalog_read_timestamp_seconds",
            "When an upstream's catalogue was last read, since the epoch",
            metrics.catalog_read_at.clone(),
        );
        grille.register("rows", "Rows returned to clients", metrics.rows.clone());
        grille.register(
            "statement_latency_seconds",
            "From permit to completion, the upstream's work included",
            metrics.latency_seconds.clone(),
        );
        metrics
    }

    pub(crate) fn count_generation(&self, id: GenerationId) {
        self.generation.set(i64::try_from(id.0).unwrap_or(i64::MAX));
    }

    pub(crate) fn connection_refused(&self, fault: Fault) {
        self.connections_refused.get_or_create(&FaultLabel { fault: fault.as_str() }).inc();
    }

    /// The counter of one role's messages with one verdict; looked up once a session.
    pub(crate) fn statements(&self, role: &str, verdict: &'static str) -> Counter {
        self.statements.get_or_create_owned(&StatementLabels { role: role.to_owned(), verdict })
    }

    pub(crate) fn plugin_failed(&self, failure: &PluginFailure) {
        let labels = PluginLabels { plugin: failure.plugin.to_string(), event: failure.event.as_str() };
        self.plugin_failures.get_or_create(&labels).inc();
    }

    pub(crate) fn treated(&self, label: &str, count: u64) {
        self.treated.get_or_create(&TreatedLabels { label: label.to_owned() }).inc_by(count);
    }

    pub(crate) fn lineage_refused(&self, purpose: &'static str) {
        self.lineage_refusals.get_or_create(&PurposeLabel { purpose }).inc();
    }

    /// A statement met a definition of another session: it `waited`, its lineage was taken as `unsure` after that, or it is
    /// a definition itself and was `refused`.
    pub(crate) fn definition_conflict(&self, outcome: &'static str) {
        self.definition_conflicts.get_or_create(&ConflictLabel { outcome }).inc();
    }

    pub(crate) fn catalog_read(&self, upstream: &UpstreamName) {
        self.count_catalog(upstream, "ok");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let label = UpstreamLabel { upstream: upstream.to_string() };
        self.catalog_read_at.get_or_create(&label).set(now.as_secs_f64());
    }

    pub(crate) fn catalog_failed(&self, upstream: &UpstreamName) {
        self.count_catalog(upstream, "failed");
    }

    fn count_catalog(&self, upstream: &UpstreamName, outcome: &'static str) {
        let labels = CatalogLabels { upstream: upstream.to_string(), outcome };
        self.catalog_reads.get_or_create(&labels).inc();
    }
}
