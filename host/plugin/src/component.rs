//! A component that was read, checked and compiled, not yet bound to settings.

use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::capability::Capability;
use crate::compiler::Request;
use crate::engine::{Engine, Prepared};
use crate::failure::host_text;
use crate::gate::GateSet;
use crate::inspect::{Inspection, inspect};
use crate::limits::COMPONENT_BYTES_MAX;
use crate::load_error::LoadError;
use crate::metadata::{Metadata, MetadataError};
use crate::settings::{self, ConfigureError, SettingsSchema};
use crate::v0_1::Linked;
use crate::world::World;

/// A component ready to be configured. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    facts: Arc<Facts>,
    linked: Linked,
    /// As its author built it: snapshots are made of it.
    bytes: Arc<[u8]>,
    /// Why there can be none.
    no_snapshot: Option<Arc<str>>,
}

/// What is known of a component, without its code: that is large, and a plugin that restores a snapshot does not need it.
pub(crate) struct Facts {
    pub(crate) engine: Engine,
    pub(crate) world: World,
    /// What it may be given.
    pub(crate) imports: BTreeSet<Capability>,
    pub(crate) digest: String,
    pub(crate) metadata: Metadata,
    pub(crate) gates: GateSet,
    schema: SettingsSchema,
}

impl Facts {
    pub(crate) fn is_pure(&self) -> bool {
        self.imports.iter().all(|import| import.is_pure())
    }
}

impl Engine {
    /// Reads, checks and compiles a component; takes what was compiled earlier from the cache. Blocks for as long as the
    /// compiler runs: seconds, for a large component.
    ///
    /// # Errors
    /// When the component cannot be used, or the compiler cannot be run.
    pub fn compile(&self, bytes: &[u8]) -> Result<Component, LoadError> {
        if bytes.len() > COMPONENT_BYTES_MAX {
            return Err(LoadError::TooLarge { size: bytes.len() });
        }
        let Inspection { world, imports, metadata } = inspect(bytes)?;
        let metadata = Metadata::parse(metadata, world)?;
        if let Some(capability) = imports.iter().find(|import| metadata.reason(**import).is_none()) {
            return Err(LoadError::Undeclared { capability: *capability });
        }
        let gates = GateSet::new(&metadata.labels).ok_or(MetadataError::GateSets)?;
        let schema = SettingsSchema::new(&metadata.settings_schema).map_err(LoadError::Schema)?;
        let digest = settings::hex(&Sha256::digest(bytes));
        let Prepared { compiled, no_snapshot } = match self.cached(&digest) {
            Some(prepared) => prepared,
            None => self.compile_as(&digest, &Request { component: bytes, state: None })?,
        };
        let linked =
            Linked::new(&compiled, world, &imports).map_err(|error| LoadError::Link(host_text(&error)))?;
        let facts = Facts { engine: self.clone(), world, imports, digest, metadata, gates, schema };
        let no_snapshot = no_snapshot.map(Arc::from);
        Ok(Component { facts: Arc::new(facts), linked, bytes: bytes.into(), no_snapshot })
    }
}

impl Component {
    /// SHA-256 of the component, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.facts.digest
    }

    /// What it is for.
    pub fn world(&self) -> World {
        self.facts.world
    }

    /// What it says of itself.
    pub fn metadata(&self) -> &Metadata {
        &self.facts.metadata
    }

    /// The capabilities it imports: all it could ever use.
    pub fn imports(&self) -> &BTreeSet<Capability> {
        &self.facts.imports
    }

    /// The words of capabilities that its metadata asks for and that it does not import: it cannot use them, whoever grants them.
    pub fn unused_capabilities(&self) -> impl Iterator<Item = &'static str> {
        let asked = self.facts.metadata.capabilities.iter();
        let capabilities = asked.filter_map(|request| Capability::from_word(&request.name));
        capabilities.filter(|one| !self.facts.imports.contains(one)).map(Capability::as_str)
    }

    /// Whether equal inputs give equal outputs: it imports no clock, no state and no way out.
    pub fn is_pure(&self) -> bool {
        self.facts.is_pure()
    }

    /// The same component, of which no snapshot is taken: each instance is configured. To measure what snapshots save.
    pub fn without_snapshots(mut self) -> Self {
        self.no_snapshot = Some(Arc::from("none was wanted"));
        self
    }

    /// Holds settings against the schema, without running anything.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check_settings(&self, settings: &serde_json::Value) -> Result<(), ConfigureError> {
        self.facts.schema.check(settings)
    }

    pub(crate) fn facts(&self) -> &Arc<Facts> {
        &self.facts
    }

    pub(crate) fn linked(&self) -> &Linked {
        &self.linked
    }

    pub(crate) fn schema(&self) -> &SettingsSchema {
        &self.facts.schema
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn no_snapshot(&self) -> Option<&str> {
        self.no_snapshot.as_deref()
    }
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component")
            .field("id", &self.facts.metadata.id)
            .field("world", &self.facts.world)
            .field("digest", &self.facts.digest)
            .finish_non_exhaustive()
    }
}
