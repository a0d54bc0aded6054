//! The configuration: from a file's text to checked settings, or to everything that is wrong with it.
//!
//! Pure: nothing is opened, resolved or bound here. `crate::surroundings` looks at the files it names, `crate::plugins` loads
//! the plugins.

mod at;
mod check;
mod file;
mod problem;
mod read;
pub(crate) mod reference;
mod scalar;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use grille_core::rollout::{Rules, Target};
use grille_core::{Digest, PluginId, Role, RoleName};
use grille_plugin::{Capability, Grants, World};
use grille_proxy::settings::{Directory, ProxySettings};
use grille_store::AuditSettings;
use grille_trust::{IdPattern, Identity, PublicKey, Unsigned, Versions};

pub(crate) use at::Span;
pub(crate) use file::LogFormat;
pub(crate) use problem::{Problem, Problems, Source};
pub(crate) use read::most_similar;
pub(crate) use scalar::Period;

/// A configuration that has been checked as far as its text goes.
#[derive(Debug)]
pub(crate) struct Config {
    /// Listeners, limits, the token key: what needs a restart to change.
    pub(crate) proxy: ProxySettings,
    /// Issuers and upstreams.
    pub(crate) directory: Directory,
    /// Roles, in the file's order.
    pub(crate) roles: Vec<Role>,
    /// Plugins, in the file's order.
    pub(crate) plugins: Vec<PluginSettings>,
    /// Whose signature counts for them, in the file's order.
    pub(crate) trust: Vec<TrustSettings>,
    /// What plugins may use.
    pub(crate) plugin_limits: PluginLimits,
    /// Where roles name plugins, to be compared with what the plugins are.
    pub(crate) plugin_uses: Vec<PluginUse>,
    /// Where roles name labels, to be compared with what their detectors know.
    pub(crate) label_uses: Vec<LabelUse>,
    /// Where compiled plugins are kept, if the file says so.
    pub(crate) cache_directory: Option<PathBuf>,
    /// Where revisions of plugins are kept, if the file says so.
    pub(crate) state_directory: Option<PathBuf>,
    /// Where recordings of what plugins are asked are kept.
    pub(crate) recording_directory: PathBuf,
    /// The audit log.
    pub(crate) audit: AuditSettings,
    /// What operators and their tools reach.
    pub(crate) admin: AdminSettings,
    /// Grille's own log.
    pub(crate) log: LogSettings,
    /// What is probably not what was meant.
    pub(crate) warnings: Vec<Problem>,
    /// The text, for problems found later.
    pub(crate) source: Source,
}

/// What operators and their tools reach.
#[derive(Debug, Default)]
pub(crate) struct AdminSettings {
    /// Health, readiness and metrics.
    pub(crate) address: Option<SocketAddr>,
    /// Commands to the running process.
    pub(crate) control_socket: Option<PathBuf>,
}

/// A plugin to load.
#[derive(Debug)]
pub(crate) struct PluginSettings {
    /// Its name.
    pub(crate) name: PluginId,
    /// The component.
    pub(crate) file: PathBuf,
    /// What it must have.
    pub(crate) digest: Option<Digest>,
    /// Whether it is trusted without a signature or a digest.
    pub(crate) unsigned: Unsigned,
    /// Its settings.
    pub(crate) settings: serde_json::Value,
    /// What it may use.
    pub(crate) grants: Grants,
    /// What becomes of a new revision.
    pub(crate) rollout: RolloutSettings,
    /// Where the file is named.
    pub(crate) at: Span,
    /// Where the settings are.
    pub(crate) settings_at: Span,
}

/// What becomes of a plugin's new revision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RolloutSettings {
    /// Where it goes once it has passed all stages.
    pub(crate) target: Target,
    /// When it has failed.
    pub(crate) rules: Rules,
    /// What a call may take.
    pub(crate) latency_budget: Option<Duration>,
}

/// Whose signature counts, for which plugins: `grille_trust::Rule` before the files it names are read.
#[derive(Debug)]
pub(crate) struct TrustSettings {
    /// Its name.
    pub(crate) name: String,
    /// Whose.
    pub(crate) key: TrustKey,
    /// For which plugins.
    pub(crate) plugins: Vec<IdPattern>,
    /// What they may import at most.
    pub(crate) capabilities: BTreeSet<Capability>,
    /// Which versions.
    pub(crate) versions: Option<Versions>,
}

/// Whose signature counts.
#[derive(Debug)]
pub(crate) enum TrustKey {
    /// Whoever has the other half of this key.
    Minisign(PublicKey),
    /// Whoever an authority took for this person or workflow.
    Sigstore {
        /// The authority's certificates and keys.
        root: PathBuf,
        /// Where the file is named.
        at: Span,
        /// The signer.
        identity: Identity,
    },
}

/// What one plugin instance may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PluginLimits {
    /// Longest time for one call.
    pub(crate) deadline: Duration,
    /// Most memory, in bytes.
    pub(crate) memory_bytes: usize,
}

/// A role names a plugin.
#[derive(Debug)]
pub(crate) struct PluginUse {
    /// The role.
    pub(crate) role: RoleName,
    /// The plugin.
    pub(crate) plugin: PluginId,
    /// As what.
    pub(crate) world: World,
    /// Where.
    pub(crate) at: Span,
}

/// A role names a label.
#[derive(Debug)]
pub(crate) struct LabelUse {
    /// The role.
    pub(crate) role: RoleName,
    /// The label.
    pub(crate) label: String,
    /// Where its treatment stands.
    pub(crate) at: Span,
}

/// Grille's own log.
#[derive(Debug)]
pub(crate) struct LogSettings {
    /// How lines are written.
    pub(crate) format: LogFormat,
    /// A directive of tracing-subscriber's `EnvFilter`.
    pub(crate) level: String,
}

/// Reads and checks a configuration. Paths in it are taken relative to `file`'s folder.
///
/// # Errors
/// Everything that is wrong with it; a configuration is used whole or not at all.
pub(crate) fn parse(text: &str, file: &Path) -> Result<Config, Problems> {
    let source = Source::new(file, text);
    let mut problems = Vec::new();
    let config = match read::read(text, &mut problems) {
        Some(read) => check::check(read, &source, &mut problems),
        None => None,
    };
    let problems = Problems::new(source, problems);
    match config {
        Some(config) if !problems.refuse() => Ok(Config { warnings: problems.into_list(), ..config }),
        Some(_) | None => Err(problems),
    }
}

#[cfg(test)]
mod tests;
