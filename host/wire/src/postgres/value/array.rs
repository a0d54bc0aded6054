//! Arrays: elements rewritten one by one, dimensions, bounds and NULLs kept.
//!
//! Text is what `array_out` writes (manual, "Array Input and Output Syntax"); binary is `array_send`'s: dimensions, whether
//! there are NULLs, element type, length and lower bound of each dimension, then each element with its length or -1.

use std::ops::Range;

use super::cell::{self, Type};
use super::plan::{Malformed, Masked, Names, Work};
use super::scalar::Raw;

/// `MAXDIM`.
const DIMENSIONS_MAX: usize = 6;

/// Gives the sink the texts of all elements.
pub(super) fn texts(
    element: Type<'_>,
    element_oid: u32,
    raw: Raw<'_>,
    names: Names,
    sink: &mut dyn FnMut(&str),
) -> Result<(), Malformed> {
    match raw {
        Raw::Text(array) => {
            let mut elements = TextElements::new(array)?;
            while let Some(TextElement { value, .. }) = elements.next()? {
                if let Some(value) = value {
                    cell::texts(element, Raw::Text(&value), names, sink)?;
                }
            }
        }
        Raw::Binary(array) => {
            let (_, mut elements) = BinaryElements::new(array, element_oid)?;
            while let Some(value) = elements.next()? {
                if let Some(value) = value {
                    cell::texts(element, Raw::Binary(value), names, sink)?;
                }
            }
        }
    }
    Ok(())
}

/// Appends the array, its elements rewritten as ordered.
pub(super) fn rewrite(
    element: Type<'_>,
    element_oid: u32,
    raw: Raw<'_>,
    work: &mut Work<'_>,
    out: &mut Vec<u8>,
) -> Result<Masked, Malformed> {
    match raw {
        Raw::Text(array) => rewrite_text(element, array, work, out)?,
        Raw::Binary(array) => rewrite_binary(element, element_oid, array, work, out)?,
    }
    Ok(Masked::Value)
}

fn rewrite_text(
    element: Type<'_>,
    array: &str,
    work: &mut Work<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let mut elements = TextElements::new(array)?;
    let mut copied = 0;
    let mut new = Vec::new();
    while let Some(TextElement { span, value }) = elements.next()? {
        let Some(value) = value else { continue };
        new.clear();
        let masked = cell::rewrite(element, Raw::Text(&value), work, &mut new)?;
        if masked == Masked::Value && new == value.as_bytes() {
            continue;
        }
        out.extend_from_slice(&array.as_bytes()[copied..span.start]);
        copied = span.end;
        match masked {
            Masked::Value => put_quoted(&new, out),
            Masked::Null => out.extend_from_slice(b"NULL"),
        }
    }
    out.extend_from_slice(&array.as_bytes()[copied..]);
    Ok(())
}

/// Appends an element as `array_out` does: quoted where the bare text would read as something else.
fn put_quoted(value: &[u8], out: &mut Vec<u8>) {
    let is_special = |byte: &u8| matches!(byte, b'{' | b'}' | b'"' | b',' | b'\\') || is_blank(*byte);
    let needs_quotes =
        value.is_empty() || value.eq_ignore_ascii_case(b"null") || value.iter().any(is_special);
    if !needs_quotes {
        out.extend_from_slice(value);
        return;
    }
    out.push(b'"');
    for byte in value {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\x0b' | b'\x0c' | b'\r')
}

struct TextElement {
    /// Where it stands, quotes included.
    span: Range<usize>,
    /// Its text without quotes and escapes; `None` is NULL.
    value: Option<String>,
}

/// The elements of an array's text one by one.
struct TextElements<'a> {
    array: &'a str,
    at: usize,
    depth: usize,
    is_closed: bool,
}

impl<'a> TextElements<'a> {
    /// Skips the bounds (`[0:1][2:3]=`), which are there when one is not 1.
    fn new(array: &'a str) -> Result<Self, Malformed> {
        let at = match array.strip_prefix('[') {
            Some(_) => array.find('=').ok_or(Malformed)? + 1,
            None => 0,
        };
        let is_bound =
            |byte: u8| byte.is_ascii_digit() || matches!(byte, b'[' | b']' | b':' | b'-' | b'+' | b'=');
        if !array.bytes().take(at).all(is_bound) || array.as_bytes().get(at) != Some(&b'{') {
            return Err(Malformed);
        }
        Ok(Self { array, at, depth: 0, is_closed: false })
    }

    /// The next element; `None` at the end of an array that is whole.
    fn next(&mut self) -> Result<Option<TextElement>, Malformed> {
        loop {
            match (self.array.as_bytes().get(self.at), self.is_closed) {
                (None, true) => return Ok(None),
                (None, false) | (Some(_), true) => return Err(Malformed),
                (Some(b'{'), false) => self.open()?,
                (Some(b'}'), false) => self.close(),
                (Some(b','), false) => self.at += 1,
                (Some(byte), false) if is_blank(*byte) => self.at += 1,
                (Some(b'"'), false) => return self.quoted().map(Some),
                (Some(_), false) => return self.bare().map(Some),
            }
        }
    }

    fn open(&mut self) -> Result<(), Malformed> {
        if self.depth == DIMENSIONS_MAX {
            return Err(Malformed);
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.at += 1;
        self.is_closed = self.depth == 0;
    }

    fn quoted(&mut self) -> Result<TextElement, Malformed> {
        let start = self.at;
        let mut value = String::new();
        let mut chars = self.array[start + 1..].char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = start + 1 + at + 1;
                    return Ok(TextElement { span: start..self.at, value: Some(value) });
                }
                '\\' => value.push(chars.next().ok_or(Malformed)?.1),
                c => value.push(c),
            }
        }
        Err(Malformed)
    }

    fn bare(&mut self) -> Result<TextElement, Malformed> {
        let start = self.at;
        let mut value = String::new();
        let mut is_escaped = false;
        let mut chars = self.array[start..].char_indices();
        let end = loop {
            match chars.next() {
                Some((at, ',' | '}')) => break start + at,
                Some((_, '\\')) => {
                    is_escaped = true;
                    value.push(chars.next().ok_or(Malformed)?.1);
                }
                Some((_, '{' | '"')) | None => return Err(Malformed),
                Some((_, c)) => value.push(c),
            }
        };
        self.at = end;
        let is_null = !is_escaped && value.trim_ascii_end().eq_ignore_ascii_case("null");
        Ok(TextElement { span: start..end, value: (!is_null).then_some(value) })
    }
}

fn rewrite_binary(
    element: Type<'_>,
    element_oid: u32,
    array: &[u8],
    work: &mut Work<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let (header, mut elements) = BinaryElements::new(array, element_oid)?;
    let start = out.len();
    out.extend_from_slice(header);
    while let Some(value) = elements.next()? {
        let at = out.len();
        out.extend_from_slice(&NULL_LENGTH);
        let masked = match value {
            Some(value) => cell::rewrite(element, Raw::Binary(value), work, out)?,
            None => Masked::Null,
        };
        match masked {
            Masked::Value => {
                let length = i32::try_from(out.len() - at - 4).map_err(|_| Malformed)?;
                out[at..at + 4].copy_from_slice(&length.to_be_bytes());
            }
            Masked::Null => {
                out.truncate(at + 4);
                out[start + 4..start + 8].copy_from_slice(&HAS_NULLS);
            }
        }
    }
    Ok(())
}

const NULL_LENGTH: [u8; 4] = (-1_i32).to_be_bytes();
const HAS_NULLS: [u8; 4] = 1_i32.to_be_bytes();

/// The elements of an array in binary one by one.
struct BinaryElements<'a> {
    rest: &'a [u8],
    /// Elements still to come.
    left: usize,
}

impl<'a> BinaryElements<'a> {
    /// Splits off the header.
    fn new(array: &'a [u8], element_oid: u32) -> Result<(&'a [u8], Self), Malformed> {
        let mut rest = array;
        let dimensions = usize::try_from(take_i32(&mut rest)?).map_err(|_| Malformed)?;
        let has_nulls = take_i32(&mut rest)?;
        let oid = u32::from_be_bytes(take_i32(&mut rest)?.to_be_bytes());
        if dimensions > DIMENSIONS_MAX || !(0..=1).contains(&has_nulls) || oid != element_oid {
            return Err(Malformed);
        }
        let mut left = usize::from(dimensions > 0);
        for _ in 0..dimensions {
            let length = usize::try_from(take_i32(&mut rest)?).map_err(|_| Malformed)?;
            let _lower_bound = take_i32(&mut rest)?;
            left = left.checked_mul(length).ok_or(Malformed)?;
        }
        let header = &array[..array.len() - rest.len()];
        Ok((header, Self { rest, left }))
    }

    /// The next element, `Some(None)` being NULL; `None` at the end of an array that is whole.
    fn next(&mut self) -> Result<Option<Option<&'a [u8]>>, Malformed> {
        if self.left == 0 {
            return if self.rest.is_empty() { Ok(None) } else { Err(Malformed) };
        }
        self.left -= 1;
        let length = take_i32(&mut self.rest)?;
        if length == -1 {
            return Ok(Some(None));
        }
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let (value, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(Some(Some(value)))
    }
}

fn take_i32(bytes: &mut &[u8]) -> Result<i32, Malformed> {
    let (word, rest) = bytes.split_first_chunk::<4>().ok_or(Malformed)?;
    *bytes = rest;
    Ok(i32::from_be_bytes(*word))
}

#[cfg(test)]
mod tests {
    use grille_core::Treatment;
    use proptest::prelude::*;

    use super::super::charset::Charset;
    use super::super::oid::Family;
    use super::super::token::Tokenizer;
    use super::*;

    const TEXT: Type<'_> = of(Family::Text);
    const TEXT_OID: u32 = 25;

    const fn of(family: Family) -> Type<'static> {
        Type { family, typmod: -1, charset: Charset::Utf8 }
    }

    fn tokens() -> Tokenizer {
        Tokenizer::new(&[1; 32]).expect("long enough")
    }

    fn seen(element: Type<'_>, raw: Raw<'_>) -> Result<Vec<String>, Malformed> {
        let mut seen = Vec::new();
        texts(element, TEXT_OID, raw, Names::Give, &mut |text| seen.push(text.to_owned()))?;
        Ok(seen)
    }

    fn redacted(element: Type<'_>, array: &str) -> String {
        let (tokens, mut out) = (tokens(), Vec::new());
        let mut work = Work::whole(&Treatment::Redact, &tokens);
        rewrite_text(element, array, &mut work, &mut out).expect("an array");
        String::from_utf8(out).expect("a text")
    }

    fn binary(dimensions: &[i32], elements: &[Option<&[u8]>]) -> Vec<u8> {
        let has_nulls = i32::from(elements.contains(&None));
        let mut words = vec![i32::try_from(dimensions.len()).expect("few"), has_nulls, 25];
        words.extend(dimensions.iter().flat_map(|length| [*length, 1]));
        let mut array: Vec<u8> = words.into_iter().flat_map(i32::to_be_bytes).collect();
        for element in elements {
            let length = element.map_or(-1, |value| i32::try_from(value.len()).expect("short"));
            array.extend(length.to_be_bytes());
            array.extend_from_slice(element.unwrap_or_default());
        }
        array
    }

    #[test]
    fn elements_are_read() {
        let check = |array: &str, expected: &[&str]| {
            let expected: Vec<String> = expected.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(seen(TEXT, Raw::Text(array)), Ok(expected), "{array}");
        };
        check("{}", &[]);
        check("{a,NULL,\"NULL\",\"\",\"b \\\"\\\\,}\"}", &["a", "NULL", "", "b \"\\,}"]);
        check("[0:1][-2:-1]={{a,b},{c,d}}", &["a", "b", "c", "d"]);
        check("{é,\"日本\"}", &["é", "日本"]);
        check("{\\n\\ull, a b }", &["null", "a b "]);
    }

    #[test]
    fn what_is_no_array_is_refused() {
        for array in [
            "",
            "a",
            "{",
            "}",
            "{}x",
            "{a",
            "{\"a}",
            "{a\"b\"}",
            "[x]={a}",
            "[1:2]",
            "{{{{{{{a}}}}}}}",
            "{a\\",
            "{}{}",
        ] {
            assert_eq!(seen(TEXT, Raw::Text(array)), Err(Malformed), "{array}");
        }
    }

    #[test]
    fn dimensions_nulls_and_quotes_are_kept() {
        assert_eq!(
            redacted(TEXT, "[0:1]={{a,NULL},{\"b c\",\"\"}}"),
            "[0:1]={{[redacted],NULL},{[redacted],[redacted]}}"
        );
        assert_eq!(redacted(of(Family::Int4), "{1,NULL,-3}"), "{0,NULL,0}");
        assert_eq!(redacted(of(Family::Timestamp), "{\"2020-01-01 00:00:00\"}"), "{\"1970-01-01 00:00:00\"}");
    }

    #[test]
    fn an_element_may_become_null_in_binary() {
        let array = binary(&[2], &[Some(b"alice@example.com"), Some(b"x")]);
        let findings = [super::super::plan::LeafFinding {
            text: 0,
            start: 0,
            end: 17,
            treatment: &Treatment::Null,
            replacement: None,
        }];
        let (tokens, mut out) = (tokens(), b"before".to_vec());
        let mut work = Work::found(&findings, &tokens);
        rewrite_binary(TEXT, TEXT_OID, &array, &mut work, &mut out).expect("an array");
        assert_eq!(&out[6..], binary(&[2], &[None, Some(b"x")]));
    }

    #[test]
    fn a_broken_binary_array_is_refused() {
        let whole = binary(&[2], &[Some(b"a"), None]);
        for length in 0..whole.len() {
            assert_eq!(seen(TEXT, Raw::Binary(&whole[..length])), Err(Malformed), "{length}");
        }
        let check = |array: &[u8]| assert_eq!(seen(TEXT, Raw::Binary(array)), Err(Malformed));
        check(&[&whole[..], &[0]].concat());
        check(&binary(&[i32::MAX, i32::MAX, i32::MAX], &[]));
        check(&binary(&[1, 1, 1, 1, 1, 1, 1], &[Some(b"a")]));
        check(&binary(&[-1], &[]));
        let mut other_type = whole;
        other_type[11] = 23;
        check(&other_type);
    }

    proptest! {
        #[test]
        fn any_text_reads_back_from_its_quoted_form(values: Vec<String>) {
            let mut array = b"{".to_vec();
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    array.push(b',');
                }
                put_quoted(value.as_bytes(), &mut array);
            }
            array.push(b'}');
            let array = String::from_utf8(array).expect("a text");
            prop_assert_eq!(seen(TEXT, Raw::Text(&array)), Ok(values));
        }

        #[test]
        fn both_formats_have_the_same_elements(values in prop::collection::vec(prop::option::of("[^\0]{0,12}"), 1..6)) {
            let elements: Vec<Option<&[u8]>> = values.iter().map(|value| value.as_deref().map(str::as_bytes)).collect();
            let length = i32::try_from(values.len()).expect("few");
            let expected: Vec<String> = values.iter().flatten().cloned().collect();
            prop_assert_eq!(seen(TEXT, Raw::Binary(&binary(&[length], &elements))), Ok(expected));
        }
    }
}
