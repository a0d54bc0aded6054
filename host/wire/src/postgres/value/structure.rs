//! Values with values inside (composites, ranges, text search, arrays of a type not known), read and never rewritten: the
//! leaves in them are for detectors, and where one finds something the whole is NULL.
//!
//! Binary layouts are those of `record_send`, `range_send`, `multirange_send`, `tsvectorsend`, `tsquerysend` and
//! `jsonpath_send`; text is what the types' output functions write (manual, "Composite Types", "Range Types", "Text Search
//! Types").

use super::charset::Charset;
use super::elements::{BinaryElements, TextElement, TextElements};
use super::oid::{self, Family, Known, Structure};
use super::plan::Malformed;
use super::scalar::Raw;

/// How deep values may lie in values; deeper ones are not read.
const DEPTH_MAX: u8 = 16;

/// Most fields of a composite value (`MaxTupleAttributeNumber`).
const FIELDS_MAX: usize = 1_664;

/// `RANGE_EMPTY`, and what says that a bound is missing: `RANGE_LB_INF | RANGE_LB_NULL`, `RANGE_UB_INF | RANGE_UB_NULL`.
const RANGE_EMPTY: u8 = 0x01;
const RANGE_NO_LOWER: u8 = 0x08 | 0x20;
const RANGE_NO_UPPER: u8 = 0x10 | 0x40;

/// `QI_VAL`, `QI_OPR` and `OP_PHRASE` of `tsquery`.
const QUERY_OPERAND: u8 = 1;
const QUERY_OPERATOR: u8 = 2;
const QUERY_PHRASE: u8 = 4;

/// What is done with a leaf: a value of a type without structure.
pub(super) type Visit<'v> = dyn FnMut(Family, Raw<'_>) -> Result<(), Malformed> + 'v;

/// Visits the leaves of a value. A text is visited as a whole, and then those of its parts that are written otherwise than
/// they are (quotes, escapes, hexadecimal), so that a detector sees what a client would read.
pub(super) fn walk(
    structure: Structure,
    raw: Raw<'_>,
    charset: Charset<'_>,
    visit: &mut Visit<'_>,
) -> Result<(), Malformed> {
    match raw {
        Raw::Text(text) => {
            visit(Family::Text, raw)?;
            match structure {
                Structure::Record | Structure::Unknown => parts(text, DEPTH_MAX, visit),
                Structure::Range(_)
                | Structure::Multirange(_)
                | Structure::SearchVector
                | Structure::SearchQuery
                | Structure::JsonPath => Ok(()),
            }
        }
        Raw::Binary(bytes) => Walk { charset, visit }.structure(structure, bytes, DEPTH_MAX),
    }
}

/// A value in the text of another one.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    text: String,
    /// The other text spells it otherwise.
    is_escaped: bool,
}

/// Visits what stands in a text otherwise than it is, if it is a row or an array.
fn parts(text: &str, depth: u8, visit: &mut Visit<'_>) -> Result<(), Malformed> {
    let Some(depth) = depth.checked_sub(1) else { return Err(Malformed) };
    let Some(parts) = row_fields(text).or_else(|| array_elements(text)) else { return Ok(()) };
    for Part { text, is_escaped } in parts {
        if is_escaped {
            visit(Family::Text, Raw::Text(&text))?;
        }
        if text.starts_with("\\x") {
            // A text may only look like a bytea.
            visit(Family::Bytea, Raw::Text(&text)).or(Ok(()))?;
        }
        self::parts(&text, depth, visit)?;
    }
    Ok(())
}

/// The fields of a row as `record_out` writes it; `None` when the text is none.
fn row_fields(text: &str) -> Option<Vec<Part>> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?;
    let mut fields = vec![Part { text: String::new(), is_escaped: false }];
    let mut is_quoted = false;
    let mut chars = inner.chars().peekable();
    while let Some(c) = chars.next() {
        let field = fields.last_mut()?;
        match (c, is_quoted) {
            ('"', true) if chars.next_if_eq(&'"').is_some() => field.push_escaped('"'),
            ('"', _) => is_quoted = !is_quoted,
            ('\\', _) => field.push_escaped(chars.next()?),
            (',', false) => fields.push(Part { text: String::new(), is_escaped: false }),
            ('(' | ')', false) => return None,
            (c, _) => field.text.push(c),
        }
    }
    (!is_quoted && fields.len() <= FIELDS_MAX).then_some(fields)
}

impl Part {
    fn push_escaped(&mut self, c: char) {
        self.text.push(c);
        self.is_escaped = true;
    }
}

/// The elements of an array as `array_out` writes it, NULLs left out; `None` when the text is none.
fn array_elements(text: &str) -> Option<Vec<Part>> {
    let mut elements = TextElements::new(text).ok()?;
    let mut values = Vec::new();
    while let Some(TextElement { span, value }) = elements.next().ok()? {
        values.extend(value.map(|value| {
            let is_escaped = text[span].trim_matches('"') != value;
            Part { text: value, is_escaped }
        }));
    }
    Some(values)
}

/// A value in binary being walked.
struct Walk<'w, 'v> {
    charset: Charset<'w>,
    visit: &'w mut Visit<'v>,
}

impl Walk<'_, '_> {
    fn structure(&mut self, structure: Structure, bytes: &[u8], depth: u8) -> Result<(), Malformed> {
        match structure {
            Structure::Record => self.record(bytes, depth),
            Structure::Range(bound) => self.range(bound.family(), bytes),
            Structure::Multirange(bound) => self.multirange(bound.family(), bytes),
            Structure::SearchVector => self.search_vector(bytes),
            Structure::SearchQuery => self.search_query(bytes),
            Structure::JsonPath => match bytes {
                [1, path @ ..] => (self.visit)(Family::Text, Raw::Binary(path)),
                _ => Err(Malformed),
            },
            Structure::Unknown => self.unknown(bytes, depth),
        }
    }

    /// A value of a type given by its number.
    fn value(&mut self, type_oid: u32, bytes: &[u8], depth: u8) -> Result<(), Malformed> {
        let depth = depth.checked_sub(1).ok_or(Malformed)?;
        match oid::lookup(type_oid) {
            Known::Scalar(Family::Structured(structure)) => self.structure(structure, bytes, depth),
            Known::Scalar(family) => (self.visit)(family, Raw::Binary(bytes)),
            Known::Array { .. } => self.array(bytes, depth),
        }
    }

    /// Enums and `citext` are sent as their text in binary too. Whatever has structure has counts or lengths in it and
    /// with them control characters; if it is no composite and no array, it could hold a value in any form.
    fn unknown(&mut self, bytes: &[u8], depth: u8) -> Result<(), Malformed> {
        let has_structure = |text: &str| text.chars().any(|c| c.is_control() && !c.is_ascii_whitespace());
        match self.charset.decode(bytes) {
            Ok(text) if !has_structure(&text) => (self.visit)(Family::Text, Raw::Binary(bytes)),
            Ok(_) | Err(Malformed) if is_record(bytes) => self.record(bytes, depth),
            Ok(_) | Err(Malformed) => self.array(bytes, depth),
        }
    }

    fn array(&mut self, bytes: &[u8], depth: u8) -> Result<(), Malformed> {
        let mut elements = BinaryElements::new(bytes)?;
        let element_oid = elements.element_oid();
        while let Some(element) = elements.next()? {
            if let Some(element) = element {
                self.value(element_oid, element, depth)?;
            }
        }
        Ok(())
    }

    fn record(&mut self, bytes: &[u8], depth: u8) -> Result<(), Malformed> {
        let mut fields = Fields::new(bytes)?;
        while let Some(Field { type_oid, value }) = fields.next()? {
            if let Some(value) = value {
                self.value(type_oid, value, depth)?;
            }
        }
        Ok(())
    }

    fn range(&mut self, bound: Family, bytes: &[u8]) -> Result<(), Malformed> {
        let (&[flags], mut rest) = bytes.split_first_chunk::<1>().ok_or(Malformed)?;
        for absent in [RANGE_EMPTY | RANGE_NO_LOWER, RANGE_EMPTY | RANGE_NO_UPPER] {
            if flags & absent == 0 {
                (self.visit)(bound, Raw::Binary(take_sized(&mut rest)?))?;
            }
        }
        at_end(rest)
    }

    fn multirange(&mut self, bound: Family, bytes: &[u8]) -> Result<(), Malformed> {
        let mut rest = bytes;
        for _ in 0..take_u32(&mut rest)? {
            self.range(bound, take_sized(&mut rest)?)?;
        }
        at_end(rest)
    }

    /// Lexemes, each with its positions.
    fn search_vector(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let mut rest = bytes;
        for _ in 0..take_u32(&mut rest)? {
            (self.visit)(Family::Text, Raw::Binary(take_string(&mut rest)?))?;
            let positions = u16::from_be_bytes(take(&mut rest)?);
            rest = rest.get(2 * usize::from(positions)..).ok_or(Malformed)?;
        }
        at_end(rest)
    }

    fn search_query(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let mut rest = bytes;
        for _ in 0..take_u32(&mut rest)? {
            match take(&mut rest)? {
                [QUERY_OPERAND] => {
                    let [_weights, _is_prefix] = take(&mut rest)?;
                    (self.visit)(Family::Text, Raw::Binary(take_string(&mut rest)?))?;
                }
                [QUERY_OPERATOR] => {
                    if take(&mut rest)? == [QUERY_PHRASE] {
                        let _distance: [u8; 2] = take(&mut rest)?;
                    }
                }
                _ => return Err(Malformed),
            }
        }
        at_end(rest)
    }
}

/// Whether the bytes are laid out as a composite value, to the last byte.
fn is_record(bytes: &[u8]) -> bool {
    let Ok(mut fields) = Fields::new(bytes) else { return false };
    loop {
        match fields.next() {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(Malformed) => return false,
        }
    }
}

/// A field of a composite value in binary.
struct Field<'a> {
    type_oid: u32,
    /// `None` is NULL.
    value: Option<&'a [u8]>,
}

/// The fields of a composite value in binary one by one.
struct Fields<'a> {
    rest: &'a [u8],
    /// Fields still to come.
    left: usize,
}

impl<'a> Fields<'a> {
    fn new(mut bytes: &'a [u8]) -> Result<Self, Malformed> {
        let left = usize::try_from(take_u32(&mut bytes)?).map_err(|_| Malformed)?;
        if left > FIELDS_MAX {
            return Err(Malformed);
        }
        Ok(Self { rest: bytes, left })
    }

    /// The next field; `None` at the end of a value that is whole.
    fn next(&mut self) -> Result<Option<Field<'a>>, Malformed> {
        if self.left == 0 {
            return at_end(self.rest).map(|()| None);
        }
        self.left -= 1;
        let type_oid = take_u32(&mut self.rest)?;
        if let Some(rest) = self.rest.strip_prefix(&u32::MAX.to_be_bytes()) {
            self.rest = rest;
            return Ok(Some(Field { type_oid, value: None }));
        }
        Ok(Some(Field { type_oid, value: Some(take_sized(&mut self.rest)?) }))
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (taken, rest) = bytes.split_first_chunk::<N>().ok_or(Malformed)?;
    *bytes = rest;
    Ok(*taken)
}

fn take_u32(bytes: &mut &[u8]) -> Result<u32, Malformed> {
    take(bytes).map(u32::from_be_bytes)
}

/// A length, and so many bytes.
fn take_sized<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let length = usize::try_from(take_u32(bytes)?).map_err(|_| Malformed)?;
    let (value, rest) = bytes.split_at_checked(length).ok_or(Malformed)?;
    *bytes = rest;
    Ok(value)
}

/// Bytes up to a zero, which is taken with them.
fn take_string<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let length = bytes.iter().position(|byte| *byte == 0).ok_or(Malformed)?;
    let (text, rest) = bytes.split_at(length);
    *bytes = &rest[1..];
    Ok(text)
}

fn at_end(rest: &[u8]) -> Result<(), Malformed> {
    if rest.is_empty() { Ok(()) } else { Err(Malformed) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::oid::Bound;
    use super::*;

    /// The leaves of a value: its family, and its bytes as they stand.
    fn leaves(structure: Structure, raw: Raw<'_>) -> Result<Vec<(Family, Vec<u8>)>, Malformed> {
        let mut leaves = Vec::new();
        walk(structure, raw, Charset::Utf8, &mut |family, raw| {
            leaves.push((family, raw.as_bytes().to_vec()));
            Ok(())
        })?;
        Ok(leaves)
    }

    fn texts(structure: Structure, text: &str) -> Vec<String> {
        let leaves = leaves(structure, Raw::Text(text)).expect("a value");
        leaves.into_iter().map(|(_, bytes)| String::from_utf8(bytes).expect("a text")).collect()
    }

    fn sized(value: &[u8]) -> Vec<u8> {
        [&u32::try_from(value.len()).expect("short").to_be_bytes(), value].concat()
    }

    fn record(fields: &[(u32, Option<&[u8]>)]) -> Vec<u8> {
        let mut bytes = u32::try_from(fields.len()).expect("few").to_be_bytes().to_vec();
        for (type_oid, value) in fields {
            bytes.extend(type_oid.to_be_bytes());
            bytes.extend(value.map_or(u32::MAX.to_be_bytes().to_vec(), sized));
        }
        bytes
    }

    #[test]
    fn a_text_is_read_as_a_whole_and_where_it_is_escaped() {
        let check = |text: &str, parts: &[&str]| {
            let expected: Vec<&str> = [text].into_iter().chain(parts.iter().copied()).collect();
            assert_eq!(texts(Structure::Unknown, text), expected, "{text}");
        };
        check("happy", &[]);
        check("(1,alice@example.com)", &[]);
        check("(1,\"alice smith\",)", &[]);
        check("(1,\"say \"\"a@b.co\"\"\")", &["say \"a@b.co\""]);
        check("(1,\"a\\\\b\")", &["a\\b"]);
        check("{\"(1,\\\"a b\\\")\"}", &["(1,\"a b\")"]);
        check("(\"{\"\"a\\\\\"\"b\"\",c}\")", &["{\"a\\\"b\",c}", "a\"b"]);
        check("(\"\\\\x616c696365\")", &["\\x616c696365", "\\x616c696365"]);
        // Neither rows nor arrays.
        check("(555) 123-4567", &[]);
        check("(a", &[]);
        check("{a", &[]);
        check("(\"a)", &[]);
    }

    #[test]
    fn what_lies_too_deep_is_not_read() {
        let mut text = "a b".to_owned();
        for _ in 0..6 {
            text = format!("(\"{}\")", text.replace('\\', "\\\\").replace('"', "\\\""));
        }
        assert!(texts(Structure::Record, &text).len() > 4);
        let mut bytes = record(&[(25, Some(b"a"))]);
        for depth in 1..=DEPTH_MAX + 1 {
            let is_read = leaves(Structure::Record, Raw::Binary(&bytes)).is_ok();
            assert_eq!(is_read, depth <= DEPTH_MAX, "{depth}");
            bytes = record(&[(2249, Some(&bytes))]);
        }
    }

    #[test]
    fn composites_are_read_by_the_types_they_name() {
        let inner = record(&[(25, Some(b"a@b.co")), (20, None), (16_400, Some(b"happy"))]);
        let numbers = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 7];
        let bytes = record(&[(23, Some(&[0, 0, 0, 5])), (16_399, Some(&inner)), (1007, Some(&numbers))]);
        let expected = vec![
            (Family::Int4, vec![0, 0, 0, 5]),
            (Family::Text, b"a@b.co".to_vec()),
            (Family::Text, b"happy".to_vec()),
            (Family::Int4, vec![0, 0, 0, 7]),
        ];
        for structure in [Structure::Record, Structure::Unknown] {
            assert_eq!(leaves(structure, Raw::Binary(&bytes)), Ok(expected.clone()));
        }
    }

    #[test]
    fn ranges_have_the_bounds_their_flags_say() {
        let check = |flags: u8, bounds: &[&[u8]], expected: Result<usize, Malformed>| {
            let bytes: Vec<u8> =
                [flags].into_iter().chain(bounds.iter().flat_map(|bound| sized(bound))).collect();
            let range = leaves(Structure::Range(Bound::Int4), Raw::Binary(&bytes));
            assert_eq!(range.map(|leaves| leaves.len()), expected, "{flags:x}");
            let multirange = [&1_u32.to_be_bytes()[..], &sized(&bytes)].concat();
            let multirange = leaves(Structure::Multirange(Bound::Int4), Raw::Binary(&multirange));
            assert_eq!(multirange.map(|leaves| leaves.len()), expected, "{flags:x}");
        };
        check(0x02, &[&[0; 4], &[1; 4]], Ok(2));
        check(0x08, &[&[1; 4]], Ok(1));
        check(0x10, &[&[1; 4]], Ok(1));
        check(0x18, &[], Ok(0));
        check(0x01, &[], Ok(0));
        check(0x01, &[&[1; 4]], Err(Malformed));
        check(0x02, &[&[0; 4]], Err(Malformed));
        check(0x02, &[&[0; 4], &[1; 4], &[2; 4]], Err(Malformed));
    }

    #[test]
    fn text_search_gives_its_words() {
        let words = |structure, bytes: &[u8]| {
            leaves(structure, Raw::Binary(bytes)).map(|leaves| {
                leaves
                    .into_iter()
                    .map(|(_, word)| String::from_utf8_lossy(&word).into_owned())
                    .collect::<Vec<_>>()
            })
        };
        let vector = b"\0\0\0\x02a@b.co\0\0\x01\0\x01bob\0\0\0";
        assert_eq!(words(Structure::SearchVector, vector), Ok(vec!["a@b.co".to_owned(), "bob".to_owned()]));
        let query = b"\0\0\0\x03\x02\x04\0\x01\x01\0\0a@b.co\0\x01\0\x01bob\0";
        assert_eq!(words(Structure::SearchQuery, query), Ok(vec!["a@b.co".to_owned(), "bob".to_owned()]));
        assert_eq!(words(Structure::JsonPath, b"\x01$.\"a@b.co\""), Ok(vec!["$.\"a@b.co\"".to_owned()]));
        for length in 0..vector.len() {
            assert_eq!(words(Structure::SearchVector, &vector[..length]), Err(Malformed), "{length}");
        }
        for length in 0..query.len() {
            assert_eq!(words(Structure::SearchQuery, &query[..length]), Err(Malformed), "{length}");
        }
    }

    proptest! {
        #[test]
        fn every_field_of_a_row_is_read(fields in prop::collection::vec("[^\0]{0,12}", 1..6)) {
            let quoted = |field: &String| format!("\"{}\"", field.replace('\\', "\\\\").replace('"', "\"\""));
            let text = format!("({})", fields.iter().map(quoted).collect::<Vec<_>>().join(","));
            let read = row_fields(&text).map(|parts| parts.into_iter().map(|part| part.text).collect());
            prop_assert_eq!(read, Some(fields));
        }

        #[test]
        fn composites_cut_short_are_refused(values in prop::collection::vec(prop::option::of(any::<[u8; 4]>()), 1..5)) {
            let fields: Vec<(u32, Option<&[u8]>)> =
                values.iter().map(|value| (23, value.as_ref().map(|value| &value[..]))).collect();
            let bytes = record(&fields);
            prop_assert_eq!(leaves(Structure::Record, Raw::Binary(&bytes)).map(|leaves| leaves.len()), Ok(values.iter().flatten().count()));
            for length in 0..bytes.len() {
                prop_assert_eq!(leaves(Structure::Record, Raw::Binary(&bytes[..length])), Err(Malformed));
            }
        }
    }
}
