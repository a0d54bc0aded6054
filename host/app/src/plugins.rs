//! The engine that the configuration's plugins run in, and whether roles use plugins as what they are. What a plugin must pass
//! before it is used is `crate::rollout`'s matter.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use grille_core::PluginId;
use grille_plugin::{
    Capability, Compiler, Engine, EngineSettings, KeyedTransforms, Limits, Plugin, Services,
};
use grille_proxy::HttpsOutbound;
use grille_proxy::tls::{TrustedRoots, client_config};
use grille_proxy::upstream::load_token_key;

use crate::config::{Config, PluginSettings, Problem, most_similar};
use crate::failure::Failure;

/// What the hidden command that compiles is called.
pub(crate) const COMPILE_COMMAND: &str = "plugin-compile";

/// Configured plugins.
pub(crate) struct Plugins {
    /// By the name in the configuration.
    pub(crate) by_name: BTreeMap<PluginId, Arc<Plugin>>,
}

/// Starts an engine that compiles in a child process: this program again, told to do only that.
pub(crate) fn engine(config: &Config, cache_directory: PathBuf) -> Result<Engine, Failure> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let limits = Limits {
        deadline: config.plugin_limits.deadline,
        memory_bytes: config.plugin_limits.memory_bytes,
        ..Limits::default()
    };
    let compiler = Compiler::Child { program, arguments: vec![COMPILE_COMMAND.into()] };
    let engine = Engine::new(EngineSettings { cache_directory, compiler, limits });
    Ok(engine.context("cannot start the plugin engine")?.with_services(services(config)))
}

/// What capabilities need. A key that cannot be read is a problem of its own (`crate::surroundings`).
fn services(config: &Config) -> Services {
    let key = config.proxy.token_key.as_ref().and_then(|source| load_token_key(source).ok());
    let keyed = key.and_then(|key| KeyedTransforms::new(&key).ok());
    let outbound = HttpsOutbound::new(|| client_config(TrustedRoots::System));
    Services { outbound: Some(Arc::new(outbound)), keyed: keyed.map(Arc::new) }
}

/// What is granted and never asked for could be asked for by the plugin's next version, unseen.
pub(crate) fn needless_grants(settings: &PluginSettings, plugin: &Plugin) -> Option<Problem> {
    let used: BTreeSet<Capability> = plugin.capabilities().collect();
    let needless: Vec<&str> =
        settings.grants.capabilities.difference(&used).map(|granted| granted.as_str()).collect();
    if needless.is_empty() {
        return None;
    }
    let message =
        format!("plugin `{}` is granted what it does not use: {}", settings.name, needless.join(", "));
    Some(Problem::warning(settings.at.clone(), message).help("take it out of its grants"))
}

/// Whether roles use plugins as what they are.
pub(crate) fn check_uses(
    config: &Config,
    plugins: &BTreeMap<PluginId, Arc<Plugin>>,
    problems: &mut Vec<Problem>,
) {
    for used in &config.plugin_uses {
        let Some(plugin) = plugins.get(&used.plugin) else { continue };
        if plugin.world() != used.world {
            let message = format!(
                "role `{}` uses the plugin `{}` as a {}, but it is a {}",
                used.role,
                used.plugin,
                used.world.as_str(),
                plugin.world().as_str()
            );
            problems.push(Problem::error(used.at.clone(), message));
        }
    }
}

/// A treatment for a label that no detector of the role knows is probably misspelt, and then the default applies.
pub(crate) fn check_labels(
    config: &Config,
    plugins: &BTreeMap<PluginId, Arc<Plugin>>,
    problems: &mut Vec<Problem>,
) {
    for used in &config.label_uses {
        let Some(role) = config.roles.iter().find(|role| role.name == used.role) else { continue };
        let detectors = role.detectors.iter().filter_map(|name| plugins.get(name));
        let labels: Vec<&str> =
            detectors.flat_map(|plugin| &plugin.metadata().labels).map(|label| label.name.as_str()).collect();
        if labels.is_empty() || labels.contains(&used.label.as_str()) {
            continue;
        }
        let message = format!("no detector of role `{}` knows the label `{}`", used.role, used.label);
        let problem = Problem::warning(used.at.clone(), message);
        problems.push(match most_similar(&used.label, labels.iter().copied()) {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")),
            None => problem.help(format!("they know {}", labels.join(", "))),
        });
    }
}
