//! From the configuration's plugins to compiled and configured ones, and whether roles use them as what they are.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use grille_core::PluginId;
use grille_plugin::{
    Compiler, Component, ConfigureError, Engine, EngineSettings, KeyedTransforms, Limits, Plugin, Services,
};
use grille_proxy::HttpsOutbound;
use grille_proxy::tls::{TrustedRoots, client_config};
use grille_proxy::upstream::load_token_key;
use sha2::{Digest, Sha256};

use crate::config::{Config, PluginSettings, Problem, most_similar};
use crate::failure::Failure;
use crate::surroundings::chain;

/// A little more than the largest component an engine takes, so that a larger one is told as such.
const FILE_BYTES_MAX: u64 = 65 << 20;

/// What the hidden command that compiles is called.
pub(crate) const COMPILE_COMMAND: &str = "plugin-compile";

/// Configured plugins by name, and the engine they run in.
pub(crate) struct Plugins {
    /// By the name in the configuration.
    pub(crate) by_name: BTreeMap<PluginId, Arc<Plugin>>,
    /// Runs them; a reload loads new ones into the same.
    pub(crate) engine: Engine,
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

/// Loads every plugin and holds it against the roles. Problems are added; the plugins without any are returned.
pub(crate) fn load(config: &Config, engine: Engine, problems: &mut Vec<Problem>) -> Plugins {
    let mut by_name = BTreeMap::new();
    for settings in &config.plugins {
        match load_one(&engine, settings, problems) {
            Ok(plugin) => _ = by_name.insert(settings.name.clone(), Arc::new(plugin)),
            Err(found) => problems.extend(found),
        }
    }
    check_uses(config, &by_name, problems);
    check_labels(config, &by_name, problems);
    Plugins { by_name, engine }
}

/// Warnings are added to `warnings`; errors are returned.
fn load_one(
    engine: &Engine,
    settings: &PluginSettings,
    warnings: &mut Vec<Problem>,
) -> Result<Plugin, Vec<Problem>> {
    let name = &settings.name;
    let at_file =
        |message: String| vec![Problem::error(settings.at.clone(), format!("plugin `{name}`: {message}"))];
    let bytes = read(&settings.file)
        .map_err(|error| at_file(format!("cannot read {}: {error}", settings.file.display())))?;
    check_digest(settings, &bytes).map_err(at_file)?;
    let component = engine.compile(&bytes).map_err(|error| at_file(chain(&error)))?;
    warnings.extend(needless_grants(settings, &component));
    let configured =
        Plugin::configure_granted(&component, name.clone(), &settings.settings, &settings.grants);
    configured.map_err(|error| match error {
        ConfigureError::Settings(found) => {
            let told = found.iter().map(|found| {
                let place = if found.pointer.is_empty() { "settings" } else { &found.pointer };
                let message = format!("plugin `{name}`: {place}: {}", found.message);
                Problem::error(settings.settings_at.clone(), message)
            });
            told.collect()
        }
        ConfigureError::TooLarge
        | ConfigureError::NotGranted { .. }
        | ConfigureError::Unavailable(_)
        | ConfigureError::Failed(_) => at_file(chain(&error)),
    })
}

/// What is granted and never asked for could be asked for by the plugin's next version, unseen.
fn needless_grants(settings: &PluginSettings, component: &Component) -> Option<Problem> {
    let needless: Vec<&str> = settings
        .grants
        .capabilities
        .difference(component.imports())
        .map(|granted| granted.as_str())
        .collect();
    if needless.is_empty() {
        return None;
    }
    let message =
        format!("plugin `{}` is granted what it does not use: {}", settings.name, needless.join(", "));
    Some(Problem::warning(settings.at.clone(), message).help("take it out of its grants"))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Before the file is given to anything that looks into it.
fn check_digest(settings: &PluginSettings, bytes: &[u8]) -> Result<(), String> {
    let Some(expected) = &settings.digest else { return Ok(()) };
    let found: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if found == *expected {
        return Ok(());
    }
    Err(format!("{} has the digest sha256:{found}, not the one given", settings.file.display()))
}

fn check_uses(config: &Config, plugins: &BTreeMap<PluginId, Arc<Plugin>>, problems: &mut Vec<Problem>) {
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
fn check_labels(config: &Config, plugins: &BTreeMap<PluginId, Arc<Plugin>>, problems: &mut Vec<Problem>) {
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
