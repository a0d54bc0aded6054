//! The stages that a candidate passes before it may judge anything: fetch, trust, compile, metadata, grants, widening, schema,
//! configure, vectors. What becomes of one that has passed is not decided here.

use std::collections::BTreeSet;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use grille_core::rollout::RevisionId;
use grille_core::{Digest, PluginId};
use grille_plugin::{
    CanonicalSettings, Capability, CompileError, Component, ConfigureError, Engine, Grants, LoadError,
    Plugin, Vector, World,
};
use grille_trust::{Signer, Trust, Untrusted};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::config::{PluginSettings, Problem};
use crate::surroundings::chain;
use crate::trust::{self, Fetched};

/// Longest time that the vectors of one candidate may take together. A thousand of them, each of which may use its deadline,
/// would otherwise hold up every other candidate for minutes.
const VECTORS_TIME_MAX: Duration = Duration::from_secs(30);

/// What a candidate is prepared with.
#[derive(Clone, Copy)]
pub(crate) struct Pipeline<'p> {
    /// Compiles and runs it.
    pub(crate) engine: &'p Engine,
    /// Judges who vouches for it.
    pub(crate) trust: &'p Trust,
}

/// A component with settings that wants to fill a slot.
pub(crate) struct Candidate<'c> {
    /// The slot: name, pinned digest, grants.
    pub(crate) slot: &'c PluginSettings,
    /// Its settings, which need not be those of the configuration.
    pub(crate) values: &'c Value,
    /// The component and its signatures.
    pub(crate) fetched: &'c Fetched,
    /// What roles use it as, if any does.
    pub(crate) world: Option<World>,
    /// What it may import.
    pub(crate) widening: Widening,
    /// Whether its vectors are run.
    pub(crate) vectors: Vectors,
}

/// What a candidate may import beside what it is granted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Widening {
    /// Whatever is granted.
    Any,
    /// These: what the active revision imports, and what was granted with the candidate in view.
    Within(BTreeSet<Capability>),
}

/// Whether vectors are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vectors {
    /// All of them.
    Run,
    /// They held when the revision first came.
    HeldBefore,
}

/// A candidate that has passed.
pub(crate) struct Passed {
    /// Which.
    pub(crate) revision: RevisionId,
    /// Configured for the slot.
    pub(crate) plugin: Arc<Plugin>,
    /// Why it is trusted.
    pub(crate) signer: Signer,
    /// Its settings in canonical JSON.
    pub(crate) settings: String,
}

/// A stage that refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    Fetch,
    Trust,
    Compile,
    /// The compiler could not do its work, which says nothing of the candidate.
    Compiler,
    Metadata,
    Grants,
    Widening,
    Schema,
    Configure,
    Vectors,
    /// It passed, and there is no place for it.
    Admission,
    /// It passed, and cannot be kept.
    Store,
}

/// Why a candidate did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Where it ended.
    pub(crate) stage: Stage,
    faults: Vec<Fault>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    place: Place,
    message: String,
    help: Option<String>,
}

/// Where in the configuration the fault shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    File,
    Settings,
}

/// Reads a component and what lies beside it.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn fetch(file: &Path) -> Result<Fetched, Refusal> {
    trust::fetch(file)
        .map_err(|error| Refusal::new(Stage::Fetch, format!("cannot read {}: {error}", file.display())))
}

/// The digest that names a component.
pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

/// Settings in their one form, and the digest that names them.
///
/// # Errors
/// When they are too large.
pub(crate) fn canonical(values: &Value) -> Result<(String, Digest), Refusal> {
    let canonical = CanonicalSettings::new(values).map_err(Refusal::configure)?;
    let digest = digest_of(canonical.json().as_bytes());
    Ok((canonical.json().to_owned(), digest))
}

impl Pipeline<'_> {
    /// Leads a candidate through all stages. Blocks for as long as they take: with a large component, for minutes.
    ///
    /// # Errors
    /// The first stage that refuses.
    pub(crate) fn prepare(&self, candidate: &Candidate<'_>) -> Result<Passed, Refusal> {
        let Candidate { slot, values, fetched, .. } = candidate;
        let (settings, settings_digest) = canonical(values)?;
        let signed = self.trust(candidate)?;
        let component = self.engine.compile(&fetched.bytes).map_err(Refusal::load)?;
        let signer = signed
            .admits(&trust::facts(&component))
            .map_err(|error| Refusal::untrusted(candidate, &error))?;
        check_world(&component, candidate.world)?;
        check_grants(&component, &slot.grants)?;
        check_widening(&component, &candidate.widening)?;
        component.check_settings(values).map_err(Refusal::schema)?;
        let configured = Plugin::configure_granted(&component, slot.name.clone(), values, &slot.grants);
        let plugin = configured.map_err(Refusal::configure)?;
        let plugin = Arc::new(plugin.with_latency_budget(slot.rollout.latency_budget));
        match candidate.vectors {
            Vectors::Run => run_vectors(&component, &plugin, &slot.grants)?,
            Vectors::HeldBefore => {}
        }
        let revision = RevisionId { digest: digest_of(&fetched.bytes), settings: settings_digest };
        Ok(Passed { revision, plugin, signer, settings })
    }

    /// Digest and signatures, before anything looks into the component; what it then turns out to be is held against the
    /// rules once it is known.
    fn trust(&self, candidate: &Candidate<'_>) -> Result<grille_trust::Signed, Refusal> {
        trust::check(self.trust, candidate.slot, candidate.fetched)
            .map_err(|error| Refusal::untrusted(candidate, &error))
    }
}

fn check_world(component: &Component, wanted: Option<World>) -> Result<(), Refusal> {
    match wanted.filter(|wanted| *wanted != component.world()) {
        Some(wanted) => {
            let message = format!("it is a {}, and roles use it as a {wanted}", component.world());
            Err(Refusal::new(Stage::Metadata, message))
        }
        None => Ok(()),
    }
}

/// The same as is checked when it is configured, so that a missing grant is told before widening, not as a fault of settings.
fn check_grants(component: &Component, grants: &Grants) -> Result<(), Refusal> {
    let reason = |capability: &Capability| {
        let reason = component.metadata().reason(*capability).unwrap_or_default();
        (*capability, reason.to_owned())
    };
    let missing: Vec<_> = component.imports().difference(&grants.capabilities).map(reason).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let wanted = component.imports().iter().copied().collect();
    Err(Refusal::new(Stage::Grants, ConfigureError::NotGranted { missing, wanted }.to_string()))
}

fn check_widening(component: &Component, widening: &Widening) -> Result<(), Refusal> {
    let Widening::Within(allowed) = widening else { return Ok(()) };
    let more: Vec<&str> = component.imports().difference(allowed).map(|one| one.as_str()).collect();
    if more.is_empty() {
        return Ok(());
    }
    let message = format!(
        "it imports {}, which the active revision does not; if it shall have that, say --accept-capabilities to \
         `grille plugin activate`, or grant it in the same change of the configuration",
        more.join(" and ")
    );
    Err(Refusal::new(Stage::Widening, message))
}

/// A compiler that was killed, took too long or could not be started met with the machine, most likely; one that ran into its
/// own limits or refused met with the component.
fn compilation(error: &CompileError) -> Stage {
    match error {
        CompileError::Child { status, .. } if status.signal() == Some(SIGKILL) => Stage::Compiler,
        CompileError::TimedOut(_) | CompileError::Run(_) => Stage::Compiler,
        CompileError::Invalid(_)
        | CompileError::Child { .. }
        | CompileError::Unusable
        | CompileError::Unsuitable(_) => Stage::Compile,
    }
}

/// What the kernel ends a process with when memory runs out.
const SIGKILL: i32 = rustix::process::Signal::KILL.as_raw();

/// Vectors hold under the settings `{}`; where those do not fit, nobody can tell.
fn run_vectors(component: &Component, plugin: &Arc<Plugin>, grants: &Grants) -> Result<(), Refusal> {
    let refused = |message: String| Refusal::new(Stage::Vectors, message);
    let vectors = Vector::of(component.metadata()).map_err(|error| refused(error.to_string()))?;
    if vectors.is_empty() {
        return Ok(());
    }
    let Some(subject) = vector_subject(component, plugin, grants)? else {
        let plugin = plugin.id().as_str();
        tracing::info!(plugin, "its vectors are not run: it cannot do with the settings {{}}");
        return Ok(());
    };
    let begun = Instant::now();
    for (index, vector) in vectors.iter().enumerate() {
        let wrong = match vector.run(&subject) {
            Ok(answer) if answer == vector.expected() => None,
            Ok(answer) => Some(format!("{answer:?} came of it")),
            Err(failure) => Some(failure.event.to_string()),
        };
        if let Some(wrong) = wrong {
            let expected = vector.expected();
            let message = format!("vector {}, {vector}: expected {expected:?}; {wrong}", index + 1);
            return Err(refused(grille_core::untrusted::clean_text(&message, VECTOR_MESSAGE_BYTES_MAX)));
        }
        if begun.elapsed() > VECTORS_TIME_MAX {
            return Err(refused(format!("its vectors take longer than {} s", VECTORS_TIME_MAX.as_secs())));
        }
    }
    Ok(())
}

/// Longest message about a vector, in bytes.
const VECTOR_MESSAGE_BYTES_MAX: usize = 600;

/// The plugin as vectors see it: under `{}`, with state of its own and no host to send to. None if it cannot do with `{}`.
fn vector_subject(
    component: &Component,
    plugin: &Arc<Plugin>,
    grants: &Grants,
) -> Result<Option<Arc<Plugin>>, Refusal> {
    let nothing = json!({});
    let sends = component.imports().contains(&Capability::Egress);
    if !sends && plugin.record().settings == digest_of(b"{}").hex() {
        return Ok(Some(Arc::new(plugin.on_trial())));
    }
    if component.check_settings(&nothing).is_err() {
        return Ok(None);
    }
    let id = PluginId::new(plugin.id().as_str());
    let grants = Grants::of(grants.capabilities.iter().copied());
    // A snapshot would be compiled for these few calls alone.
    let component = component.clone().without_snapshots();
    match Plugin::configure_granted(&component, id, &nothing, &grants) {
        Ok(plugin) => Ok(Some(Arc::new(plugin.on_trial()))),
        Err(ConfigureError::Settings(_)) => Ok(None),
        Err(
            error @ (ConfigureError::TooLarge
            | ConfigureError::NotGranted { .. }
            | ConfigureError::Unavailable(_)
            | ConfigureError::Failed(_)),
        ) => Err(Refusal::new(Stage::Vectors, format!("under the settings {{}}: {}", chain(&error)))),
    }
}

impl Stage {
    /// Whether the same candidate may pass later without anybody changing it, the configuration or its signatures.
    pub(crate) fn may_pass_by_itself(self) -> bool {
        match self {
            Self::Compiler | Self::Store => true,
            Self::Fetch
            | Self::Trust
            | Self::Compile
            | Self::Metadata
            | Self::Grants
            | Self::Widening
            | Self::Schema
            | Self::Configure
            | Self::Vectors
            | Self::Admission => false,
        }
    }

    /// The word in status, logs and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Trust => "trust",
            Self::Compile | Self::Compiler => "compile",
            Self::Metadata => "metadata",
            Self::Grants => "grants",
            Self::Widening => "widening",
            Self::Schema => "schema",
            Self::Configure => "configure",
            Self::Vectors => "vectors",
            Self::Admission => "admission",
            Self::Store => "store",
        }
    }
}

impl Refusal {
    /// One fault, which is the component's.
    pub(crate) fn new(stage: Stage, message: impl Into<String>) -> Self {
        Self { stage, faults: vec![Fault { place: Place::File, message: message.into(), help: None }] }
    }

    fn untrusted(candidate: &Candidate<'_>, error: &Untrusted) -> Self {
        let message = format!("{}: {error}", candidate.slot.file.display());
        let fault = Fault { place: Place::File, message, help: Some(error.help()) };
        Self { stage: Stage::Trust, faults: vec![fault] }
    }

    fn load(error: LoadError) -> Self {
        let stage = match &error {
            LoadError::TooLarge { .. }
            | LoadError::NotAComponent
            | LoadError::Unreadable(_)
            | LoadError::NoWorld { .. }
            | LoadError::Import { .. }
            | LoadError::Link(_) => Stage::Compile,
            LoadError::Compile(why) => compilation(why),
            LoadError::Undeclared { .. } | LoadError::MetadataSections { .. } | LoadError::Metadata(_) => {
                Stage::Metadata
            }
            LoadError::Schema(_) => Stage::Schema,
        };
        Self::new(stage, chain(&error))
    }

    fn schema(error: ConfigureError) -> Self {
        Self { stage: Stage::Schema, ..Self::configure(error) }
    }

    fn configure(error: ConfigureError) -> Self {
        match &error {
            ConfigureError::Settings(found) => {
                let fault = |found: &grille_plugin::SettingsProblem| {
                    let place = if found.pointer.is_empty() { "settings" } else { &found.pointer };
                    let message = format!("{place}: {}", found.message);
                    Fault { place: Place::Settings, message, help: None }
                };
                Self { stage: Stage::Configure, faults: found.iter().map(fault).collect() }
            }
            ConfigureError::TooLarge => Self::new(Stage::Schema, chain(&error)),
            ConfigureError::NotGranted { .. } | ConfigureError::Unavailable(_) => {
                Self::new(Stage::Grants, chain(&error))
            }
            ConfigureError::Failed(_) => Self::new(Stage::Configure, chain(&error)),
        }
    }

    /// Why, in one line.
    pub(crate) fn why(&self) -> String {
        let messages: Vec<&str> = self.faults.iter().map(|fault| fault.message.as_str()).collect();
        messages.join("; ")
    }

    /// What is wrong with the configuration, if it needs this candidate.
    pub(crate) fn problems(&self, slot: &PluginSettings) -> Vec<Problem> {
        let problem = |fault: &Fault| {
            let at = match fault.place {
                Place::File => slot.at.clone(),
                Place::Settings => slot.settings_at.clone(),
            };
            let problem = Problem::error(at, format!("plugin `{}`: {}", slot.name, fault.message));
            match &fault.help {
                Some(help) => problem.help(help.clone()),
                None => problem,
            }
        };
        self.faults.iter().map(problem).collect()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "candidate refused at {}: {}", self.stage.as_str(), self.why())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use grille_plugin::{Compiler, EngineSettings, Limits};
    use grille_trust::Signatures;

    use super::*;
    use crate::config;

    /// The only plugin of a configuration with these keys.
    fn slot(keys: &str) -> PluginSettings {
        let text = format!(
            "[[listener]]\nname = \"clients\"\naddress = \"127.0.0.1:6432\"\nallow_plaintext = true\n\
             [[issuer]]\nissuer = \"https://id.example.com\"\naudiences = [\"grille\"]\n\
             [[upstream]]\nname = \"sales\"\nhost = \"localhost\"\nuser = \"app\"\n\
             authentication = [\"trust\"]\ntls = {{ mode = \"disable\" }}\n[audit]\ndirectory = \"audit\"\n\
             [[role]]\nname = \"a\"\ngroups = [\"a\"]\nupstreams = [\"sales\"]\nstatements = [\"read\"]\n\
             policies = [\"guard\"]\ndetectors = []\n\
             [[plugin]]\nname = \"guard\"\nfile = \"guard.wasm\"\n{keys}\n"
        );
        config::parse(&text, Path::new("grille.toml")).unwrap().plugins.remove(0)
    }

    fn engine(folder: &tempfile::TempDir) -> Engine {
        let cache_directory = folder.path().join("cache");
        let limits = Limits { instances: 2, ..Limits::default() };
        Engine::new(EngineSettings { cache_directory, compiler: Compiler::InProcess, limits }).unwrap()
    }

    fn refusal(keys: &str, bytes: &[u8], minisign: Option<&[u8]>) -> Refusal {
        let folder = tempfile::tempdir().unwrap();
        let (engine, trust, slot) = (engine(&folder), Trust::default(), slot(keys));
        let signatures = Signatures { minisign: minisign.map(<[u8]>::to_vec), sigstore: None };
        let candidate = Candidate {
            slot: &slot,
            values: &slot.settings,
            fetched: &Fetched { bytes: bytes.to_vec(), signatures },
            world: None,
            widening: Widening::Any,
            vectors: Vectors::Run,
        };
        let prepared = Pipeline { engine: &engine, trust: &trust }.prepare(&candidate);
        prepared.err().expect("it is no plugin")
    }

    #[test]
    fn what_nobody_vouches_for_is_not_looked_into() {
        let check = |keys: &str, minisign: Option<&[u8]>, stage: Stage, expected: &str| {
            let refusal = refusal(keys, b"\0asm, or not", minisign);
            assert_eq!(refusal.stage, stage, "{keys}: {refusal}");
            assert!(refusal.why().contains(expected), "{refusal}");
        };
        check("", None, Stage::Trust, "nobody vouches for it");
        check(&format!("digest = \"{}\"", digest_of(b"other")), None, Stage::Trust, "not the one given");
        check("unsigned = true", Some(b"no signature"), Stage::Trust, "signature");
        check("unsigned = true", None, Stage::Compile, "not a WebAssembly component");
        check(&format!("digest = \"{}\"", digest_of(b"\0asm, or not")), None, Stage::Compile, "component");
    }

    #[test]
    fn settings_beyond_all_measure_are_refused_before_anything_is_read() {
        let huge = format!("unsigned = true\nsettings = {{ a = \"{}\" }}", "x".repeat(1 << 20));
        let refusal = refusal(&huge, b"", None);
        assert_eq!((refusal.stage, refusal.why().as_str()), (Stage::Schema, "settings: larger than 1 MiB"));
    }

    #[test]
    fn a_refusal_points_into_the_configuration() {
        let slot = slot("");
        let settings = ConfigureError::Settings(vec![
            grille_plugin::SettingsProblem { pointer: "/a".into(), message: "is wrong".into() },
            grille_plugin::SettingsProblem { pointer: String::new(), message: "too few".into() },
        ]);
        let refusal = Refusal::schema(settings);
        assert_eq!(refusal.to_string(), "candidate refused at schema: /a: is wrong; settings: too few");
        let problems = refusal.problems(&slot);
        let expected = Problem::error(slot.settings_at.clone(), "plugin `guard`: /a: is wrong");
        assert_eq!((problems.len(), &problems[0]), (2, &expected));
        let fetched = fetch(Path::new("/nonexistent/guard.wasm")).err().expect("there is none");
        assert_eq!(fetched.stage, Stage::Fetch);
    }
}
