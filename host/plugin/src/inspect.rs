//! Reads what a component asks for and offers, from its own import and export lists, before anything of it is compiled.

use std::collections::BTreeSet;

use wasmparser::{Encoding, Parser, Payload};

use crate::capability::Capability;
use crate::load_error::LoadError;
use crate::untrusted::clean_text;
use crate::v0_1::{self, Import};
use crate::world::World;

/// What was read from a component.
#[derive(Debug)]
pub(crate) struct Inspection<'b> {
    pub(crate) world: World,
    /// What it asks for.
    pub(crate) imports: BTreeSet<Capability>,
    /// The content of `grille:metadata`.
    pub(crate) metadata: &'b [u8],
}

/// The custom section that describes a plugin.
const METADATA_SECTION: &str = "grille:metadata";

/// Longest name of a component's that an error repeats, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// Reads a component's lists and holds them against the worlds there are.
///
/// # Errors
/// When it is no component, fits no world, or asks for more than its world may have.
pub(crate) fn inspect(component: &[u8]) -> Result<Inspection<'_>, LoadError> {
    let lists = Lists::read(component)?;
    let shape = v0_1::WORLDS
        .iter()
        .find(|shape| lists.exports_are(shape.exports))
        .ok_or_else(|| LoadError::NoWorld { exports: named(&lists.exports) })?;
    let imports = lists.capabilities(shape.world)?;
    let [metadata] = lists.metadata[..] else {
        return Err(LoadError::MetadataSections { count: lists.metadata.len() });
    };
    Ok(Inspection { world: shape.world, imports, metadata })
}

fn named(names: &[&str]) -> String {
    clean_text(&names.join(", "), 4 * NAME_BYTES_MAX)
}

/// The outermost component's own lists; those of components and modules inside it are its own affair.
#[derive(Default)]
struct Lists<'b> {
    imports: Vec<&'b str>,
    exports: Vec<&'b str>,
    metadata: Vec<&'b [u8]>,
}

impl<'b> Lists<'b> {
    fn read(component: &'b [u8]) -> Result<Self, LoadError> {
        let mut lists = Self::default();
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(component) {
            let payload = payload.map_err(unreadable)?;
            match &payload {
                Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                    return Err(LoadError::NotAComponent);
                }
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                _ if depth == 1 => lists.note(payload)?,
                _ => {}
            }
        }
        Ok(lists)
    }

    fn note(&mut self, payload: Payload<'b>) -> Result<(), LoadError> {
        match payload {
            Payload::ComponentImportSection(imports) => {
                for import in imports {
                    self.imports.push(import.map_err(unreadable)?.name.name);
                }
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports {
                    self.exports.push(export.map_err(unreadable)?.name.name);
                }
            }
            Payload::CustomSection(section) if section.name() == METADATA_SECTION => {
                self.metadata.push(section.data());
            }
            _ => {}
        }
        Ok(())
    }

    /// The capabilities it imports, all of which its world may have.
    fn capabilities(&self, world: World) -> Result<BTreeSet<Capability>, LoadError> {
        let mut capabilities = BTreeSet::new();
        for import in &self.imports {
            match Import::from_name(import) {
                Some(Import::Types) => {}
                Some(Import::Capability(capability)) if capability.world() == world => {
                    capabilities.insert(capability);
                }
                Some(Import::Capability(_)) | None => {
                    return Err(LoadError::Import { import: clean_text(import, NAME_BYTES_MAX), world });
                }
            }
        }
        Ok(capabilities)
    }

    fn exports_are(&self, expected: [&str; 2]) -> bool {
        self.exports.len() == expected.len() && expected.iter().all(|name| self.exports.contains(name))
    }
}

fn unreadable(error: wasmparser::BinaryReaderError) -> LoadError {
    LoadError::Unreadable(clean_text(error.message(), 4 * NAME_BYTES_MAX))
}
