//! Components under the data plane's own runtime and limits, one at a time.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use grille_build::Project;
use grille_core::{PluginId, Principal, PrincipalKind, RoleName, UpstreamName};
use grille_plugin::{
    Compiler, Component, ConfigureError, Engine, EngineError, EngineSettings, ExchangeContext, Grants,
    KeyedTransforms, Limits, Outbound, OutboundError, OutboundReply, OutboundRequest, Plugin, Services,
    SessionContext,
};
use serde_json::Value;

use crate::failure::Failure;
use crate::load;
use crate::plugins::COMPILE_COMMAND;

/// A little more than the largest component an engine takes, so that a larger one is told as such.
const FILE_BYTES_MAX: u64 = 65 << 20;

/// Longest settings file: what the engine takes, and a little more.
const SETTINGS_BYTES_MAX: u64 = 2 << 20;

/// Instances alive at once. One is at work; the data plane's thousand would reserve address space for nothing.
const INSTANCES: u32 = 8;

/// Compiles and runs one plugin, or two.
pub(super) struct Runtime {
    engine: Engine,
}

/// A component that was loaded.
pub(super) struct Subject {
    /// Where it was.
    pub(super) file: PathBuf,
    /// Its size in bytes.
    pub(super) size: usize,
    /// Checked and compiled.
    pub(super) component: Component,
}

impl Runtime {
    pub(super) fn start() -> Result<Self, Failure> {
        Self::with(default_cache()?, Engine::new)
    }

    /// One that shares what is compiled with whoever else keeps it in that directory.
    pub(super) fn caching_in(directory: PathBuf) -> Result<Self, Failure> {
        Self::with(directory, Engine::new)
    }

    /// One that counts what plugins use, and whose times mean nothing.
    pub(super) fn metered() -> Result<Self, Failure> {
        Self::with(default_cache()?, Engine::metered)
    }

    fn with(
        cache_directory: PathBuf,
        start: fn(EngineSettings) -> Result<Engine, EngineError>,
    ) -> Result<Self, Failure> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let compiler = Compiler::Child { program, arguments: vec![COMPILE_COMMAND.into()] };
        let limits = Limits { instances: INSTANCES, ..Limits::default() };
        let engine = start(EngineSettings { cache_directory, compiler, limits });
        let engine = engine.context("cannot start the plugin engine")?.with_services(services()?);
        Ok(Self { engine })
    }

    /// Loads a component as Grille would. `subject` is its file, or the folder of a project in which it was built.
    pub(super) fn load(&self, subject: &Path) -> Result<Subject, Failure> {
        let file = component_file(subject)?;
        let bytes = read(&file, FILE_BYTES_MAX)?;
        let component = self.engine.compile(&bytes).with_context(|| format!("{}", file.display()))?;
        Ok(Subject { file, size: bytes.len(), component })
    }
}

fn default_cache() -> anyhow::Result<PathBuf> {
    load::default_cache_directory()
        .context("there is no place for compiled plugins: set $HOME or $XDG_CACHE_HOME")
}

/// What stands behind capabilities in a trial: a key that is no secret, and no network.
fn services() -> Result<Services, Failure> {
    let keyed = KeyedTransforms::new(TRIAL_KEY).context("the key for trials is too short")?;
    Ok(Services { outbound: Some(Arc::new(NoNetwork)), keyed: Some(Arc::new(keyed)) })
}

/// Tokens of a trial are told from real ones by nobody: they are made under a key that everybody knows.
const TRIAL_KEY: &[u8] = b"grille plugin run, test and bench: a key for trials, no secret";

/// A trial reaches no host: whoever runs it has granted nothing.
struct NoNetwork;

impl Outbound for NoNetwork {
    fn fetch(&self, _: OutboundRequest<'_>) -> Result<OutboundReply, OutboundError> {
        Err(OutboundError::Unresolved)
    }
}

/// A file's content, or as much of it as one more byte than anybody takes.
fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(bytes_max).read_to_end(&mut bytes));
    read.with_context(|| format!("cannot read {}", path.display())).map_err(Failure::Usage)?;
    Ok(bytes)
}

/// A component's file, or that of the project in a folder.
pub(super) fn component_file(subject: &Path) -> Result<PathBuf, Failure> {
    if !subject.is_dir() {
        return Ok(subject.to_owned());
    }
    let project = Project::open(subject).map_err(|error| Failure::Usage(error.into()))?;
    let file = project.component();
    if file.is_file() {
        return Ok(file);
    }
    let folder = subject.display();
    Err(Failure::Usage(anyhow!("{folder} has no component yet: run `grille plugin build {folder}`")))
}

impl Subject {
    /// Binds it to settings.
    pub(super) fn configure(&self, settings: &Value) -> Result<Arc<Plugin>, Failure> {
        self.try_configure(settings).map_err(|problems| Failure::Other(anyhow!(problems.join("\n"))))
    }

    /// The same; the error is what is wrong, a line for each thing.
    pub(super) fn try_configure(&self, settings: &Value) -> Result<Arc<Plugin>, Vec<String>> {
        let grants = Grants::of(self.component.imports().iter().copied());
        let configured = Plugin::configure_granted(&self.component, self.id(), settings, &grants);
        configured.map(Arc::new).map_err(|error| match error {
            ConfigureError::Settings(problems) => {
                let place = |pointer: &str| {
                    if pointer.is_empty() { "settings".to_owned() } else { pointer.to_owned() }
                };
                problems.iter().map(|one| format!("{}: {}", place(&one.pointer), one.message)).collect()
            }
            ConfigureError::TooLarge
            | ConfigureError::NotGranted { .. }
            | ConfigureError::Unavailable(_)
            | ConfigureError::Failed(_) => vec![crate::surroundings::chain(&error)],
        })
    }

    /// What a configuration might call it: the last part of its id.
    fn id(&self) -> PluginId {
        let id = &self.component.metadata().id;
        PluginId::new(id.rsplit('/').next().unwrap_or(id))
    }
}

/// Settings from the command line: JSON, or the name of a file that holds it.
pub(super) fn settings(argument: &str) -> Result<Value, Failure> {
    let wrong = |error: serde_json::Error| Failure::Usage(anyhow!("the settings are not JSON: {error}"));
    if argument.trim_start().starts_with('{') {
        return serde_json::from_str(argument).map_err(wrong);
    }
    serde_json::from_slice(&read(Path::new(argument), SETTINGS_BYTES_MAX)?).map_err(wrong)
}

/// An exchange of somebody who is not signed in anywhere.
pub(super) fn exchange(asker: Asker) -> ExchangeContext {
    let Asker { principal, groups, kind, role } = asker;
    let session = SessionContext {
        protocol: "postgres",
        principal: Principal {
            issuer: "https://issuer.invalid".to_owned(),
            subject: principal,
            groups,
            kind,
            token_id: None,
            expires_at: 0,
        },
        role: RoleName::new(&role),
        upstream: UpstreamName::new("upstream"),
        target: "database".to_owned(),
        client: "grille plugin".to_owned(),
    };
    ExchangeContext::new(1, &Arc::new(session))
}

/// Who asks.
pub(super) struct Asker {
    pub(super) principal: String,
    pub(super) groups: Vec<String>,
    pub(super) kind: PrincipalKind,
    pub(super) role: String,
}

impl Default for Asker {
    fn default() -> Self {
        let (principal, role) = ("someone".to_owned(), "role".to_owned());
        Self { principal, groups: vec![], kind: PrincipalKind::Human, role }
    }
}
