//! A component that was read, checked and compiled, not yet bound to settings.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::engine::Engine;
use crate::failure::host_text;
use crate::gate::GateSet;
use crate::inspect::{Inspection, inspect};
use crate::limits::COMPONENT_BYTES_MAX;
use crate::load_error::LoadError;
use crate::metadata::{Metadata, MetadataError};
use crate::settings::{self, SettingsSchema};
use crate::v0_1::Linked;
use crate::world::World;

/// A component ready to be configured. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    loaded: Arc<Loaded>,
}

struct Loaded {
    engine: Engine,
    linked: Linked,
    world: World,
    pure: bool,
    digest: String,
    metadata: Metadata,
    gates: GateSet,
    schema: SettingsSchema,
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
        let Inspection { world, pure, metadata } = inspect(bytes)?;
        let metadata = Metadata::parse(metadata, world)?;
        let gates = GateSet::new(&metadata.labels).ok_or(MetadataError::GateSets)?;
        let schema = SettingsSchema::new(&metadata.settings_schema).map_err(LoadError::Schema)?;
        let digest = settings::hex(&Sha256::digest(bytes));
        let compiled = self.compiled(&digest, bytes)?;
        let linked = Linked::new(&compiled, world).map_err(|error| LoadError::Link(host_text(&error)))?;
        let engine = self.clone();
        let loaded = Loaded { engine, linked, world, pure, digest, metadata, gates, schema };
        Ok(Component { loaded: Arc::new(loaded) })
    }
}

impl Component {
    /// SHA-256 of the component, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.loaded.digest
    }

    /// What it is for.
    pub fn world(&self) -> World {
        self.loaded.world
    }

    /// What it says of itself.
    pub fn metadata(&self) -> &Metadata {
        &self.loaded.metadata
    }

    /// Whether it imports no clock, so that equal inputs give equal outputs.
    pub fn is_pure(&self) -> bool {
        self.loaded.pure
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.loaded.engine
    }

    pub(crate) fn linked(&self) -> &Linked {
        &self.loaded.linked
    }

    pub(crate) fn gates(&self) -> &GateSet {
        &self.loaded.gates
    }

    pub(crate) fn schema(&self) -> &SettingsSchema {
        &self.loaded.schema
    }
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component")
            .field("id", &self.loaded.metadata.id)
            .field("world", &self.loaded.world)
            .field("digest", &self.loaded.digest)
            .finish_non_exhaustive()
    }
}
