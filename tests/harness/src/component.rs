//! Built components made into other revisions of themselves, for tests that swap them: other metadata, or another stamp in
//! `stamped-policy`. Nothing is compiled here, and no component is judged.

use anyhow::{Context, ensure};
use memchr::memmem;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The custom section that describes a plugin.
const METADATA_SECTION: &[u8] = b"grille:metadata";

/// A component's magic number, version and layer (component model, "Binary Format Explainer").
const PREAMBLE_BYTES: usize = 8;

/// The id of custom sections.
const CUSTOM: u8 = 0;

/// What stands before the stamp of `stamped-policy`.
const STAMP_PREFIX: &[u8] = b"grille-test-stamp:";

/// How long its stamp is, filled up with spaces.
const STAMP_BYTES: usize = 32;

/// `sha256:` and hexadecimal digits, as configuration and status name components.
pub fn digest(component: &[u8]) -> String {
    let digits: String = Sha256::digest(component).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

/// The same component under another version of its author's.
///
/// # Errors
/// When it is no component with metadata.
pub fn with_version(component: &[u8], version: &str) -> anyhow::Result<Vec<u8>> {
    with_metadata(component, |metadata| metadata["version"] = version.into())
}

/// The same code with other metadata.
///
/// # Errors
/// When it is no component with metadata.
pub fn with_metadata(component: &[u8], change: impl FnOnce(&mut Value)) -> anyhow::Result<Vec<u8>> {
    let (preamble, mut rest) = component.split_at_checked(PREAMBLE_BYTES).context("no component")?;
    let mut changed = preamble.to_vec();
    let mut metadata = None;
    while !rest.is_empty() {
        let section = Section::first_of(rest)?;
        match section.metadata() {
            Some(json) => metadata = Some(json),
            None => changed.extend_from_slice(section.whole),
        }
        rest = &rest[section.whole.len()..];
    }
    let mut metadata = serde_json::from_slice(metadata.context("it has no metadata")?)?;
    change(&mut metadata);
    append_metadata(&mut changed, &metadata);
    Ok(changed)
}

/// `stamped-policy` with this stamp: what it does wrong (`honest`, `spin-in-configure`, `spin-in-decide`, `trap`, `slow`), and
/// after a space what tells it from others.
///
/// # Errors
/// When the component is another, or the stamp too long.
pub fn stamped(component: &[u8], stamp: &str) -> anyhow::Result<Vec<u8>> {
    ensure!(stamp.len() <= STAMP_BYTES, "the stamp {stamp:?} is longer than {STAMP_BYTES} bytes");
    let mut places = memmem::find_iter(component, STAMP_PREFIX).map(|at| at + STAMP_PREFIX.len());
    // The prefix is a constant of the code as well; the stamp stands where a word follows.
    let at = places.find(|at| component[*at..].starts_with(b"honest ")).context("it has no stamp")?;
    let mut changed = component.to_vec();
    let place = changed.get_mut(at..at + STAMP_BYTES).context("its stamp is cut short")?;
    place.fill(b' ');
    place[..stamp.len()].copy_from_slice(stamp.as_bytes());
    Ok(changed)
}

/// A section of the outermost component.
struct Section<'c> {
    id: u8,
    content: &'c [u8],
    /// With id and length.
    whole: &'c [u8],
}

impl<'c> Section<'c> {
    fn first_of(bytes: &'c [u8]) -> anyhow::Result<Self> {
        let (id, rest) = bytes.split_first().context("no section")?;
        let (length, rest) = leb128(rest)?;
        let content = rest.get(..length).context("a section is cut short")?;
        let whole = &bytes[..bytes.len() - rest.len() + length];
        Ok(Self { id: *id, content, whole })
    }

    fn metadata(&self) -> Option<&'c [u8]> {
        if self.id != CUSTOM {
            return None;
        }
        let (length, rest) = leb128(self.content).ok()?;
        rest.get(..length).filter(|name| *name == METADATA_SECTION)?;
        Some(&rest[length..])
    }
}

/// An unsigned integer, and what follows it (WebAssembly core specification 5.2.2).
fn leb128(bytes: &[u8]) -> anyhow::Result<(usize, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok((value, &bytes[index + 1..]));
        }
    }
    anyhow::bail!("no length")
}

fn append_metadata(component: &mut Vec<u8>, metadata: &Value) {
    let mut content = encoded(METADATA_SECTION.len());
    content.extend_from_slice(METADATA_SECTION);
    content.extend_from_slice(metadata.to_string().as_bytes());
    component.push(CUSTOM);
    component.extend(encoded(content.len()));
    component.extend(content);
}

fn encoded(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A component with a section of each kind there is to step over.
    fn component(metadata: &Value) -> Vec<u8> {
        let mut component = b"\0asm\x0d\0\x01\0".to_vec();
        component.extend([&[1, 0xc8, 1][..], &[7; 200]].concat());
        append_metadata(&mut component, metadata);
        component.extend([0, 2, 1, b'n']);
        component
    }

    #[test]
    fn the_version_is_changed_and_the_code_is_not() {
        let long = "x".repeat(300);
        let old = component(&json!({ "version": "0.1.0", "description": long }));
        let new = with_version(&old, "0.1.1").expect("a component");
        assert_eq!(new[..211], old[..211]);
        assert_eq!(new[211..215], [0, 2, 1, b'n']);
        let back = with_metadata(&new, |metadata| {
            assert_eq!(metadata["version"], "0.1.1");
            metadata["version"] = "0.1.0".into();
        });
        assert_ne!(digest(&new), digest(&old));
        assert_eq!(with_version(&back.expect("a component"), "0.1.1").expect("a component"), new);
    }

    #[test]
    fn what_is_no_component_with_metadata_is_refused() {
        let whole = component(&json!({ "version": "1" }));
        for (what, bytes) in [
            ("nothing", &b""[..]),
            ("a preamble", &whole[..PREAMBLE_BYTES]),
            ("no metadata", &whole[..211]),
            ("cut short", &whole[..100]),
        ] {
            assert!(with_version(bytes, "2").is_err(), "{what}");
        }
    }

    #[test]
    fn a_stamp_is_replaced_where_it_stands() {
        let honest = format!("{:32}", "honest 0");
        let build =
            |stamp: &str| [b"grille-test-stamp:no ", STAMP_PREFIX, stamp.as_bytes(), b"behind"].concat();
        let stamped_build = stamped(&build(&honest), "trap 7").expect("a stamp");
        assert_eq!(stamped_build, build(&format!("{:32}", "trap 7")));
        for stamp in ["x".repeat(33).as_str(), ""] {
            assert_eq!(stamped(&build(&honest), stamp).is_ok(), stamp.is_empty(), "{stamp}");
        }
        assert!(stamped(b"grille-test-stamp:", "trap").is_err());
    }
}
