//! The world of one plugin: what its kind exports, and exactly the capabilities it declares. A component made by a compiler that
//! imports a whole world then asks for no more than that.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use wit_parser::{Resolve, WorldId};

use crate::embedded;
use crate::error::BuildError;
use crate::manifest::{Kind, Manifest};
use crate::tool;

/// The version of the interface that the worlds are made of.
const VERSION: &str = "0.1.0";

/// The WIT text of a plugin's world, `grille:build/plugin`.
pub(crate) fn tailored<'c>(kind: Kind, capabilities: impl IntoIterator<Item = &'c str>) -> String {
    let mut text = String::from("package grille:build;\n\nworld plugin {\n");
    for capability in capabilities {
        // Writing to a String does not fail.
        let _ = writeln!(text, "    import grille:plugin/{capability}@{VERSION};");
    }
    for interface in ["lifecycle", kind.as_str()] {
        let _ = writeln!(text, "    export grille:plugin/{interface}@{VERSION};");
    }
    text.push_str("}\n");
    text
}

/// A world, with everything it refers to.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) resolve: Resolve,
    pub(crate) id: WorldId,
    text: String,
}

impl World {
    /// The plugin's own.
    pub(crate) fn of(manifest: &Manifest) -> Result<Self, BuildError> {
        let capabilities = manifest.capabilities().iter().map(|capability| capability.name.as_str());
        Self::parse(embedded::interface(), tailored(manifest.kind(), capabilities))
    }

    /// Reads the text of a world in terms of the interface's (`wit/v0.1/grille.wit`).
    pub(crate) fn parse(interface: &str, text: String) -> Result<Self, BuildError> {
        let unknown = |error| BuildError::NotAPlugin(format!("the plugin's world cannot be made: {error:#}"));
        let mut resolve = Resolve::default();
        resolve.push_source("grille.wit", interface).map_err(unknown)?;
        let package = resolve.push_source("plugin.wit", &text).map_err(unknown)?;
        let id = resolve.select_world(&[package], None).map_err(unknown)?;
        Ok(Self { resolve, id, text })
    }

    /// Writes it for tools that read WIT from a folder: the folder.
    pub(crate) fn write(&self, work: &Path) -> Result<PathBuf, BuildError> {
        let folder = work.join("wit");
        tool::write(&folder.join("plugin.wit"), self.text.as_bytes())?;
        tool::write(&folder.join("deps/grille/grille.wit"), embedded::interface().as_bytes())?;
        Ok(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_imports_what_is_declared_and_nothing_else() {
        let expected = "package grille:build;\n\nworld plugin {\n    import grille:plugin/clock@0.1.0;\n    \
                        export grille:plugin/lifecycle@0.1.0;\n    export grille:plugin/policy@0.1.0;\n}\n";
        assert_eq!(tailored(Kind::Policy, ["clock"]), expected);
    }

    #[test]
    fn the_embedded_interface_has_every_capability() {
        for kind in [Kind::Policy, Kind::Masker, Kind::Detector] {
            let text = tailored(kind, kind.capabilities().iter().copied());
            World::parse(embedded::interface(), text).expect("a world");
        }
        World::parse(embedded::interface(), tailored(Kind::Policy, ["teleport"]))
            .expect_err("no such interface");
    }
}
