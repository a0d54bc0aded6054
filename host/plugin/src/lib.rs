//! The plugin runtime: the only user of wasmtime.
//!
//! Its way through: [`Engine::compile`] reads, checks and compiles a component; [`Plugin::configure`] binds it to an
//! operator's settings; a policy then answers [`Plugin::decide`], a [`ResultScanner`] leads the texts of a result past
//! the detectors, a [`Masker`] replaces values. Each exchange gets instances of its own.
//!
//! Architecture invariant: no WASI and no file is reachable from a plugin, and nothing else but what an operator granted it
//! ([`Grants`]); which world may have which capability is written down in one place ([`Capability::world`]). Whatever a plugin returns is judged in [`untrusted`] before anybody else sees it. Every
//! failure is a [`PluginFailure`], and the one who gets it fails closed. SQL, protocols and treatments are not known here.

mod cache;
mod call_tally;
mod capability;
mod compiler;
mod component;
mod context;
mod engine;
mod failure;
pub mod gate;
mod health;
mod host_state;
mod inspect;
mod instance;
mod limits;
mod load_error;
mod metadata;
mod plugin;
mod restore;
mod scan;
mod settings;
mod snapshot;
mod tenure;
mod usage;
mod v0_1;
mod vectors;
mod wasm_config;
mod words;
mod world;

pub use cache::CacheError;
pub use call_tally::{CallTally, TallyReading};
pub use capability::{
    Capability, EgressHost, EgressHostError, Grants, KEY_BYTES_MIN, KeyTooShort, KeyedTransforms, Outbound,
    OutboundError, OutboundReply, OutboundRequest, Services, is_public,
};
pub use compiler::{CompileError, Compiler, compile_child};
pub use component::Component;
pub use context::{ExchangeContext, FieldInfo, SessionContext};
pub use engine::{Engine, EngineError, EngineSettings};
pub use failure::{FailureEvent, PluginFailure};
pub use grille_core::untrusted;
pub use health::Health;
pub use limits::Limits;
pub use load_error::LoadError;
pub use metadata::{CapabilityRequest, Metadata, MetadataError};
pub use plugin::{Detector, Masker, Plugin};
pub use restore::Restores;
pub use scan::{ColumnTexts, GatedScan, ResultScanner, ScanFinding, UNSCANNED};
pub use settings::{CanonicalSettings, ConfigureError, SettingsProblem};
pub use tenure::Tenure;
pub use usage::Usage;
pub use vectors::{Vector, VectorError};
pub use words::{ActionWords, ObjectWords};
pub use world::World;
