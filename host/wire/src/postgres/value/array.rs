//! Arrays: elements rewritten one by one, dimensions, bounds and NULLs kept.
//!
//! Text is what `array_out` writes (manual, "Array Input and Output Syntax"); binary is `array_send`'s: dimensions, whether
//! there are NULLs, element type, length and lower bound of each dimension, then each element with its length or -1.

use super::Format;
use super::cell::{self, Type};
use super::elements::{BinaryElements, TextElement, TextElements, is_blank};
use super::plan::{Malformed, Masked, Names, Work};
use super::scalar::Raw;

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
            let mut elements = BinaryElements::of(element_oid, array)?;
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

/// Appends an array without elements.
pub(super) fn put_empty(element_oid: u32, format: Format, out: &mut Vec<u8>) {
    match format {
        Format::Text => out.extend_from_slice(b"{}"),
        Format::Binary => {
            let [no_dimensions, no_nulls] = [0_u32; 2];
            out.extend([no_dimensions, no_nulls, element_oid].into_iter().flat_map(u32::to_be_bytes));
        }
    }
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

fn rewrite_binary(
    element: Type<'_>,
    element_oid: u32,
    array: &[u8],
    work: &mut Work<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let mut elements = BinaryElements::of(element_oid, array)?;
    let start = out.len();
    out.extend_from_slice(elements.header());
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
