//! Plugins straight from the configuration's files, as commands see them that serve nobody: nothing is remembered, and every
//! candidate must pass.

use std::collections::BTreeMap;
use std::sync::Arc;

use grille_core::PluginId;
use grille_plugin::{Engine, Plugin};

use super::candidate::{Candidate, Pipeline, Refusal, Vectors, Widening, fetch};
use super::find::Files;
use super::parallel;
use crate::config::{Config, PluginSettings, Problem};
use crate::plugins::{Plugins, check_labels, check_uses, needless_grants};
use crate::trust;

/// Reads all plugins' files.
pub(crate) fn fetch_all(config: &Config) -> Files {
    config.plugins.iter().map(|slot| (slot.name.clone(), fetch(&slot.file))).collect()
}

/// Leads every plugin of the configuration through all stages and holds it against the roles. Problems are added; the plugins
/// without any are returned.
pub(crate) fn load(config: &Config, engine: Engine, problems: &mut Vec<Problem>) -> Plugins {
    let rules = trust::Rules::read(config);
    problems.extend(rules.problems);
    let pipeline = Pipeline { engine: &engine, trust: &rules.trust };
    let prepared = parallel::map(&config.plugins, |slot| prepare(&pipeline, slot));
    let mut by_name: BTreeMap<PluginId, Arc<Plugin>> = BTreeMap::new();
    for (slot, prepared) in config.plugins.iter().zip(prepared) {
        match prepared {
            Ok(plugin) => {
                problems.extend(needless_grants(slot, &plugin));
                by_name.insert(slot.name.clone(), plugin);
            }
            Err(refusal) => problems.extend(refusal.problems(slot)),
        }
    }
    check_uses(config, &by_name, problems);
    check_labels(config, &by_name, problems);
    Plugins { by_name }
}

fn prepare(pipeline: &Pipeline<'_>, slot: &PluginSettings) -> Result<Arc<Plugin>, Refusal> {
    let fetched = fetch(&slot.file)?;
    let passed = pipeline.prepare(&Candidate {
        slot,
        values: &slot.settings,
        fetched: &fetched,
        world: None,
        widening: Widening::Any,
        vectors: Vectors::Run,
    })?;
    tracing::debug!(plugin = %slot.name, signer = %passed.signer, "trusted");
    Ok(passed.plugin)
}
