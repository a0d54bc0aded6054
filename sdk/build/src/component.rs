//! What a component holds: the module, wrapped by wit-component, and the plugin's metadata as a custom section.

use wit_component::metadata::decode;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

use crate::error::BuildError;
use crate::manifest::Manifest;
use crate::metadata::{METADATA_SECTION, metadata};
use crate::surface;
use crate::world::World;

/// The module that compilers of the WASI family expect their host to provide.
const WASI_MODULE: &str = "wasi_snapshot_preview1";

/// Turns a module, which carries its world in custom sections of wit-bindgen's as Rust's do, into a component with metadata.
///
/// # Errors
/// It is no module, or was compiled without the SDK.
pub fn encode(module: &[u8], manifest: &Manifest) -> Result<Vec<u8>, BuildError> {
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true).module(module).map_err(no_component)?;
    with_metadata(encoder.encode().map_err(no_component)?, manifest)
}

fn no_component(error: impl std::fmt::Display) -> BuildError {
    let asked =
        "does it export its plugin by the SDK, and use nothing of WASI (files, time, standard output)?";
    BuildError::NotAPlugin(format!("the module is no component of its world: {error:#}; {asked}"))
}

/// Wraps a module in a component of the world. `wasi` is a module, as text, that answers the module's WASI calls without asking
/// any host; without it, a module that makes such calls is refused.
pub(crate) fn encode_in_world(
    module: &[u8],
    world: &World,
    wasi: Option<&[u8]>,
) -> Result<Vec<u8>, BuildError> {
    let module = with_world(module, world)?;
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true).module(&module).map_err(no_component)?;
    if let Some(wasi) = wasi {
        let adapter = wat::parse_bytes(wasi).map_err(no_component)?;
        encoder.adapter(WASI_MODULE, &adapter).map_err(no_component)?;
    }
    encoder.encode().map_err(no_component)
}

/// The module with its world in a custom section; the C bindings bring one themselves.
fn with_world(module: &[u8], world: &World) -> Result<Vec<u8>, BuildError> {
    let (stripped, _) = decode(module).map_err(no_component)?;
    let mut module = module.to_vec();
    if stripped.is_none() {
        let encoding = StringEncoding::UTF8;
        embed_component_metadata(&mut module, &world.resolve, world.id, encoding, false)
            .map_err(no_component)?;
    }
    Ok(module)
}

/// Adds the metadata to a component, which must import and export nothing but Grille's interfaces.
///
/// # Errors
/// It imports something else, or a capability that is not declared.
pub fn with_metadata(mut component: Vec<u8>, manifest: &Manifest) -> Result<Vec<u8>, BuildError> {
    surface::check(&component, manifest)?;
    append_custom_section(&mut component, METADATA_SECTION, metadata(manifest).to_string().as_bytes());
    Ok(component)
}

/// Appends a custom section: id 0, size, name, contents (WebAssembly core specification 5.5.3; components have the same).
fn append_custom_section(component: &mut Vec<u8>, name: &str, contents: &[u8]) {
    let mut body = leb128(name.len());
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(contents);
    component.push(0);
    component.extend(leb128(body.len()));
    component.extend(body);
}

/// An unsigned integer in LEB128 (WebAssembly core specification 5.2.2).
fn leb128(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Kind;
    use crate::manifest::tests::{PLAIN, manifest};
    use crate::world::tailored;

    const INTERFACE: &str =
        "package grille:plugin@0.1.0; interface lifecycle { begin: func(); } interface detector {}";

    fn world() -> World {
        World::parse(INTERFACE, tailored(Kind::Detector, [])).expect("a world")
    }

    fn module(calls: &str) -> Vec<u8> {
        let text = format!(
            r#"(module {calls} (memory (export "memory") 1) (func (export "grille:plugin/lifecycle@0.1.0#begin")))"#
        );
        wat::parse_str(text).expect("a module")
    }

    #[test]
    fn a_module_becomes_a_component_of_its_world() {
        let component = encode_in_world(&module(""), &world(), None).expect("a component");
        assert_eq!(component[..8], *b"\0asm\x0d\0\x01\0");
    }

    #[test]
    fn wasi_is_refused_unless_it_is_answered_within() {
        let module = module(r#"(import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))"#);
        encode_in_world(&module, &world(), None).expect_err("nobody answers");
        let wasi = br#"(module (func (export "sched_yield") (result i32) (i32.const 0)))"#;
        encode_in_world(&module, &world(), Some(wasi)).expect("it is answered");
    }

    #[test]
    fn what_is_no_module_of_the_world_is_refused() {
        for bytes in [&b""[..], b"not wasm", b"\0asm\x0d\0\x01\0", b"\0asm\x01\0\0\0"] {
            encode_in_world(bytes, &world(), None).expect_err("no module of the world");
        }
        let manifest = manifest(PLAIN, None).expect("a manifest");
        for module in [&b""[..], b"not wasm", b"\0asm\x01\0\0"] {
            encode(module, &manifest).expect_err("not a module");
        }
    }

    #[test]
    fn a_custom_section_is_appended() {
        let mut component = b"\0asm\x0d\0\x01\0".to_vec();
        append_custom_section(&mut component, "n", &[7; 200]);
        assert_eq!(component[8..13], [0, 0xca, 0x01, 1, b'n']);
        assert_eq!(component.len(), 8 + 3 + 202);
    }

    #[test]
    fn integers_are_leb128() {
        for (value, expected) in
            [(0, &[0][..]), (127, &[0x7f]), (128, &[0x80, 1]), (624_485, &[0xe5, 0x8e, 0x26])]
        {
            assert_eq!(leb128(value), expected, "{value}");
        }
    }
}
