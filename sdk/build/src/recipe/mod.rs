//! How each language becomes a component. A recipe takes tools from the machine or the cache and leaves nothing in the project
//! but what its language always leaves there.

mod c;
mod go;
mod javascript;
mod python;
mod rust;

use std::path::Path;

use crate::cache::Cache;
use crate::error::BuildError;
use crate::manifest::{Language, Manifest};
use crate::world::World;

/// A component without its metadata, and what the compiler remarked.
pub(crate) struct Compiled {
    pub(crate) component: Vec<u8>,
    pub(crate) notes: String,
}

/// What every recipe starts from.
struct Order<'o> {
    /// The project's folder, absolute; the SDK is in `.grille` in it.
    project: &'o Path,
    manifest: &'o Manifest,
    world: &'o World,
    cache: &'o Cache,
    /// A folder that is removed afterwards.
    work: &'o Path,
}

impl Order<'_> {
    /// The main file, as `plugin.toml` names it.
    fn source(&self) -> Result<&Path, BuildError> {
        let source = self.manifest.source();
        source.ok_or_else(|| {
            let reason =
                format!("a plugin in {} needs `source`, its main file", self.manifest.language().as_str());
            BuildError::manifest(&self.project.join("plugin.toml"), reason)
        })
    }
}

/// Compiles a project by the recipe of its language.
pub(crate) fn compile(project: &Path, manifest: &Manifest, cache: &Cache) -> Result<Compiled, BuildError> {
    let work = tempfile::tempdir().map_err(BuildError::file("make a folder in", &std::env::temp_dir()))?;
    let world = World::of(manifest)?;
    let order = Order { project, manifest, world: &world, cache, work: work.path() };
    match manifest.language() {
        Language::Rust => rust::compile(&order),
        Language::Python => python::compile(&order),
        Language::JavaScript | Language::TypeScript => javascript::compile(&order),
        Language::Go => go::compile(&order),
        Language::C => c::compile(&order),
    }
}
