//! Why a component cannot be used.

use crate::capability::Capability;
use crate::compiler::CompileError;
use crate::limits::COMPONENT_BYTES_MAX;
use crate::metadata::MetadataError;
use crate::world::World;

/// A component cannot be used: its author's fault, except where the compiler could not be run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Larger than any plugin.
    #[error("the component has {size} bytes; at most {} are read", COMPONENT_BYTES_MAX)]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// A core module, not a component.
    #[error("this is a core WebAssembly module, not a component")]
    NotAComponent,
    /// Not WebAssembly.
    #[error("this is not a WebAssembly component: {0}")]
    Unreadable(String),
    /// Its exports are those of no world.
    #[error("its exports fit no world of grille:plugin@0.1.0: {exports}")]
    NoWorld {
        /// What it exports.
        exports: String,
    },
    /// It asks for what its world may not have.
    #[error("it imports `{import}`, which a {world} may not have")]
    Import {
        /// The import.
        import: String,
        /// The world.
        world: World,
    },
    /// It asks for what its metadata does not give a reason for.
    #[error(
        "it imports `{capability}` without saying why; its plugin.toml needs [[capabilities]] name = \"{capability}\" and \
         a reason"
    )]
    Undeclared {
        /// What it asks for.
        capability: Capability,
    },
    /// None, or several that could contradict each other.
    #[error("it has {count} grille:metadata sections; there must be exactly one")]
    MetadataSections {
        /// How many it has.
        count: usize,
    },
    /// Its metadata is not right.
    #[error("its metadata: {0}")]
    Metadata(#[from] MetadataError),
    /// Its settings schema is no JSON Schema.
    #[error("its settings schema: {0}")]
    Schema(String),
    /// It does not compile.
    #[error("it could not be compiled: {0}")]
    Compile(#[from] CompileError),
    /// It compiled, but its types are not those of the world.
    #[error("it does not fit its world: {0}")]
    Link(String),
}
