//! A world into source code that a plugin's SDK is compiled with, for languages whose compilers do not know WIT.

use std::path::Path;

use wit_bindgen_core::{Files, WorldGenerator};

use crate::error::BuildError;
use crate::tool;
use crate::world::World;

/// A language whose bindings are generated as source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bindings {
    /// A module `wit_component`, whose `export_…` packages the SDK's glue completes.
    Go,
    /// `plugin.h`, `plugin.c`, and `plugin_component_type.o`, an object file that must be linked: it brings the world into the
    /// module.
    C,
}

impl Bindings {
    /// Writes the bindings of a world into a folder.
    pub(crate) fn write(self, world: &World, folder: &Path) -> Result<(), BuildError> {
        let mut resolve = world.resolve.clone();
        let mut files = Files::default();
        let generated = self.generator().generate(&mut resolve, world.id, &mut files);
        generated.map_err(|error| BuildError::NotAPlugin(format!("no bindings of its world: {error:#}")))?;
        files.iter().try_for_each(|(path, content)| tool::write(&folder.join(path), content))
    }

    fn generator(self) -> Box<dyn WorldGenerator> {
        match self {
            // `gofmt` need not be installed, and nobody reads the result.
            Self::Go => {
                wit_bindgen_go::Opts { format: wit_bindgen_go::Format::False, ..Default::default() }.build()
            }
            Self::C => wit_bindgen_c::Opts::default().build(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded;
    use crate::manifest::Kind;
    use crate::world::tailored;

    #[test]
    fn each_language_has_the_files_that_its_sdk_expects() {
        let world = World::parse(embedded::interface(), tailored(Kind::Policy, ["log"])).expect("a world");
        let folder = tempfile::tempdir().expect("a folder");
        for (bindings, expected) in [
            (Bindings::C, &["plugin.h", "plugin.c", "plugin_component_type.o"][..]),
            (Bindings::Go, &["wit_exports.go", "grille_plugin_log/wit_bindings.go"]),
        ] {
            bindings.write(&world, folder.path()).expect("bindings");
            for path in expected {
                assert!(folder.path().join(path).is_file(), "{path}");
            }
        }
    }
}
