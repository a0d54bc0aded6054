//! Takes out of a component what its compiler left over: an export through which the language's engine was initialized while
//! the component was built. The host accepts a plugin's two exports only.
//!
//! Component binary format (component-model, design/mvp/Binary.md): after a preamble of 8 bytes come sections, each an id, a
//! size in LEB128 and its content. Sections are taken out or replaced whole, so that no index has to be renumbered.

use crate::error::BuildError;

const PREAMBLE: usize = 8;
const INSTANCE: u8 = 5;
const ALIAS: u8 = 6;
const EXPORT: u8 = 11;

/// A section and its bytes with id and size.
struct Section<'b> {
    id: u8,
    content: &'b [u8],
    whole: &'b [u8],
}

/// componentize-py leaves its own `exports` beside the plugin's two. An export also takes a number among the instances, which
/// later sections count on, so an empty instance takes its place.
pub(crate) fn without_exports(component: &[u8]) -> Result<Vec<u8>, BuildError> {
    // One export: the name without options, its length, the name, the sort "instance"; then the instance's number.
    const LEFT_OVER: &[u8] = b"\x01\x00\x07exports\x05";
    // One instance, made of no exports.
    const EMPTY_INSTANCE: &[u8] = &[INSTANCE, 3, 1, 1, 0];
    rebuilt(component, 1, |section| {
        let is_left_over = section.id == EXPORT && section.content.starts_with(LEFT_OVER);
        is_left_over.then_some(EMPTY_INSTANCE)
    })
}

/// componentize-qjs leaves `init`: the outermost component is a small one around the real one, which aliases the function in
/// one section and exports it in the next. Nothing else there is a function, so that both can go.
pub(crate) fn without_init(component: &[u8]) -> Result<Vec<u8>, BuildError> {
    rebuilt(component, 2, |section| (aliases_init(section) || exports_init(section)).then_some(&[]))
}

/// The component with some sections replaced. Exactly `count` must be: another number means another version of the tool.
fn rebuilt(
    component: &[u8],
    count: usize,
    replacement: impl Fn(&Section<'_>) -> Option<&'static [u8]>,
) -> Result<Vec<u8>, BuildError> {
    let unreadable = || BuildError::NotAPlugin("what was compiled is no component".to_owned());
    let mut kept = component.get(..PREAMBLE).ok_or_else(unreadable)?.to_vec();
    let mut replaced = 0;
    for section in sections(&component[PREAMBLE..]).ok_or_else(unreadable)? {
        match replacement(&section) {
            Some(other) => {
                replaced += 1;
                kept.extend_from_slice(other);
            }
            None => kept.extend_from_slice(section.whole),
        }
    }
    match replaced == count {
        true => Ok(kept),
        false => Err(BuildError::NotAPlugin(format!(
            "the component has {replaced} of the {count} sections that its compiler leaves over: it is not of the version \
             this recipe was made for"
        ))),
    }
}

fn sections(mut bytes: &[u8]) -> Option<Vec<Section<'_>>> {
    let mut sections = Vec::new();
    while let Some((&id, rest)) = bytes.split_first() {
        let (size, rest) = leb128(rest)?;
        let content = rest.get(..size)?;
        let length = bytes.len() - rest.len() + size;
        sections.push(Section { id, content, whole: &bytes[..length] });
        bytes = &bytes[length..];
    }
    Some(sections)
}

/// One alias: of a function (sort 1), an export (target 0) of some instance, named `init`.
fn aliases_init(section: &Section<'_>) -> bool {
    let Some(rest) = section.content.strip_prefix(&[1, 1, 0]) else { return false };
    let name = leb128(rest).and_then(|(_, rest)| named(rest));
    section.id == ALIAS && name.is_some_and(|(name, _)| name == b"init")
}

/// One export: a name without options, `init`, of a function.
fn exports_init(section: &Section<'_>) -> bool {
    let Some(rest) = section.content.strip_prefix(&[1, 0]) else { return false };
    section.id == EXPORT
        && named(rest).is_some_and(|(name, rest)| name == b"init" && rest.first() == Some(&1))
}

fn named(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = leb128(bytes)?;
    rest.split_at_checked(length)
}

/// An unsigned 32-bit integer in LEB128, and what is behind it.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if *byte < 0x80 {
            return Some((usize::try_from(value).ok()?, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(sections: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        for (id, content) in sections {
            bytes.extend([*id, u8::try_from(content.len()).expect("short")]);
            bytes.extend_from_slice(content);
        }
        bytes
    }

    const EXPORTS: &[u8] = b"\x01\x00\x07exports\x05\x02\x00";
    const ALIAS_INIT: &[u8] = b"\x01\x01\x00\x00\x04init";
    const EXPORT_INIT: &[u8] = b"\x01\x00\x04init\x01\x00\x00";
    const OTHER: &[u8] = b"\x01\x00\x05other\x05\x00\x00";

    #[test]
    fn what_is_left_over_goes_and_the_rest_stays() {
        let python = component(&[(EXPORT, OTHER), (EXPORT, EXPORTS), (ALIAS, ALIAS_INIT)]);
        let expected = component(&[(EXPORT, OTHER), (INSTANCE, &[1, 1, 0]), (ALIAS, ALIAS_INIT)]);
        assert_eq!(without_exports(&python).expect("a component"), expected);
        let javascript =
            component(&[(EXPORT, OTHER), (ALIAS, ALIAS_INIT), (EXPORT, EXPORT_INIT), (0, b"\x01n")]);
        let expected = component(&[(EXPORT, OTHER), (0, b"\x01n")]);
        assert_eq!(without_init(&javascript).expect("a component"), expected);
    }

    #[test]
    fn anything_else_is_refused() {
        for bytes in [
            &b""[..],
            b"\0asm",
            &component(&[]),
            &component(&[(EXPORT, OTHER)]),
            &component(&[(EXPORT, EXPORTS), (EXPORT, EXPORTS)]),
            &component(&[(EXPORT, EXPORT_INIT)]),
            &[&component(&[]), &[EXPORT, 200, 200][..]].concat(),
            &[&component(&[]), &[EXPORT, 255, 255, 255, 255, 255, 255][..]].concat(),
        ] {
            without_exports(bytes).expect_err("not what componentize-py makes").to_string();
            without_init(bytes).expect_err("not what componentize-qjs makes").to_string();
        }
    }
}
