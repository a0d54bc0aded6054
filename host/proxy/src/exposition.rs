//! What is told of generations and their plugins when somebody asks: figures that are kept elsewhere, and cost nothing
//! meanwhile.

use std::fmt;
use std::sync::{Arc, Weak};

use grille_core::PluginId;
use grille_plugin::{Plugin, TallyReading, Tenure};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::generation::Generation;
use crate::shared::Shared;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct GenerationCollector {
    /// The data plane may end before its metrics do.
    shared: Weak<Shared>,
}

/// The calls of a slot's active plugin or candidate. No label holds anything a client chose.
struct PluginCalls<'g> {
    plugin: &'g PluginId,
    tenure: Tenure,
    reading: TallyReading,
}

impl GenerationCollector {
    /// Tells of this data plane from now on.
    pub(crate) fn register(shared: &Arc<Shared>, registry: &mut Registry) {
        let collector = Self { shared: Arc::downgrade(shared) };
        registry.sub_registry_with_prefix("grille").register_collector(Box::new(collector));
    }
}

impl Collector for GenerationCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(shared) = self.shared.upgrade() else { return Ok(()) };
        encode_alive(1 + shared.retired.in_use(), &mut encoder)?;
        let generation = shared.generation.load_full();
        let calls = plugin_calls(&generation);
        encode_seconds(&calls, &mut encoder)?;
        encode_failed(&calls, &mut encoder)
    }
}

/// Of all slots, by name.
fn plugin_calls(generation: &Generation) -> Vec<PluginCalls<'_>> {
    let mut slots: Vec<_> = generation.slots().collect();
    slots.sort_by_key(|(name, _)| *name);
    let plugins = slots.into_iter().flat_map(|(_, slot)| {
        let candidate = slot.trial.as_ref().map(|trial| &trial.plugin);
        [Some(&slot.active), candidate].into_iter().flatten()
    });
    plugins.map(|plugin| PluginCalls::of(plugin)).collect()
}

impl<'g> PluginCalls<'g> {
    fn of(plugin: &'g Plugin) -> Self {
        Self { plugin: plugin.id(), tenure: plugin.tenure(), reading: plugin.health().tally().reading() }
    }

    fn labels(&self) -> [(&'static str, &'g str); 2] {
        [("plugin", self.plugin.as_str()), ("stage", self.tenure.as_str())]
    }
}

fn encode_alive(alive: usize, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let gauge = ConstGauge::new(i64::try_from(alive).unwrap_or(i64::MAX));
    let help = "Generations that are active or that something is still under way in";
    gauge.encode(encoder.encode_descriptor("generations_alive", help, None, gauge.metric_type())?)
}

fn encode_seconds(calls: &[PluginCalls<'_>], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    if calls.is_empty() {
        return Ok(());
    }
    let help = "How long a plugin kept an exchange waiting each time it was asked";
    let mut family = encoder.encode_descriptor("plugin_call_seconds", help, None, MetricType::Histogram)?;
    for of in calls {
        let TallyReading { total, by_time, .. } = &of.reading;
        let (labels, count) = (of.labels(), of.reading.calls());
        family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
            total.as_secs_f64(),
            count,
            by_time,
            None,
        )?;
    }
    Ok(())
}

fn encode_failed(calls: &[PluginCalls<'_>], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    if calls.is_empty() {
        return Ok(());
    }
    let help = "Plugin calls that failed, by whether the plugin is active or on trial";
    let mut family = encoder.encode_descriptor("plugin_calls_failed", help, None, MetricType::Counter)?;
    for of in calls {
        let labels = of.labels();
        ConstCounter::new(of.reading.failures).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
