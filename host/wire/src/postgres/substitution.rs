//! Messages that go on with other values than they came with: round-trip tokens turned back into what they stand for. What
//! a statement means never changes here: a literal becomes a literal, a parameter a parameter.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::{BufMut, BytesMut};

use super::frame::{self, Body};
use super::message::{Parse, frontend};
use super::{Format, Violation};

/// A parameter of a Bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter<'m> {
    /// How its value is written.
    pub format: Format,
    /// None is NULL.
    pub value: Option<&'m [u8]>,
}

/// A literal of a statement's text that gives way to another, as many characters long: the places that errors speak of stay
/// where they are, and tell nothing of the new one's length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    span: Range<usize>,
    literal: String,
}

impl Replacement {
    /// For the bytes `span` of the text, which are that many characters; None when a literal that means `value` is longer.
    pub fn new(span: Range<usize>, value: &str) -> Option<Self> {
        let literal = escape_string(value);
        let blanks = span.len().checked_sub(literal.chars().count())?;
        Some(Self { span, literal: literal + &" ".repeat(blanks) })
    }

    /// Bytes of the text that it stands for, quotes included.
    pub fn span(&self) -> &Range<usize> {
        &self.span
    }
}

/// The content of a string literal in its plainest spelling: between quotes, with nothing in it that is doubled or escaped.
pub fn plain_literal(literal: &str) -> Option<&str> {
    let content = literal.strip_prefix('\'')?.strip_suffix('\'')?;
    (!content.contains(['\'', '\\'])).then_some(content)
}

/// The text with other literals in it. Replacements are in order and do not overlap; one that does not lie within the text
/// is left out.
pub fn with_literals(sql: &str, replacements: &[Replacement]) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut copied = 0;
    for Replacement { span, literal } in replacements {
        let before = sql.get(copied..span.start).filter(|_| sql.is_char_boundary(span.end));
        let Some(before) = before else { continue };
        out.push_str(before);
        out.push_str(literal);
        copied = span.end;
    }
    out.push_str(&sql[copied..]);
    out
}

/// An escape string means the same under every setting (manual, "String Constants with C-Style Escapes"). The blank keeps
/// its letter from joining the word before.
fn escape_string(value: &str) -> String {
    let mut out = String::from(" E'");
    for c in value.chars() {
        if matches!(c, '\'' | '\\') {
            out.push(c);
        }
        out.push(c);
    }
    out.push('\'');
    out
}

/// Writes the Query or Parse `message` with another text.
pub(super) fn put_text(out: &mut BytesMut, message: &[u8], sql: &[u8]) -> Result<(), Violation> {
    let tag = message[0];
    let (before, after) = match tag {
        frontend::QUERY => (&message[frame::HEADER_BYTES..frame::HEADER_BYTES], &message[message.len()..]),
        frontend::PARSE => {
            let Parse { name, sql } = Parse::decode(message)?;
            let text = frame::HEADER_BYTES + name.len() + 1;
            (&message[frame::HEADER_BYTES..text], &message[text + sql.len() + 1..])
        }
        tag => return Err(Violation::Unexpected { tag }),
    };
    frame::put(out, tag, |out| {
        out.extend_from_slice(before);
        out.extend_from_slice(sql);
        out.put_u8(0);
        out.extend_from_slice(after);
    });
    Ok(())
}

/// A Bind taken apart around its values.
struct Bound<'m> {
    /// Names and parameter formats.
    before: &'m [u8],
    parameters: Vec<Parameter<'m>>,
    /// Result formats.
    after: &'m [u8],
}

impl<'m> Bound<'m> {
    fn decode(message: &'m [u8]) -> Result<Self, Violation> {
        let content = &message[frame::HEADER_BYTES..];
        let mut body = Body::of(message);
        body.string()?;
        body.string()?;
        let formats: Vec<Format> =
            (0..body.count()?).map(|_| Format::decode(&mut body)).collect::<Result<_, _>>()?;
        let before = &content[..content.len() - body.left()];
        let count = body.count()?;
        if formats.len() > 1 && formats.len() != count {
            return Err(Violation::Malformed { tag: message[0] });
        }
        let mut parameters = Vec::with_capacity(count);
        for index in 0..count {
            let format = formats.get(index).or(formats.first()).copied().unwrap_or(Format::Text);
            parameters.push(Parameter { format, value: body.value()? });
        }
        Ok(Self { before, parameters, after: &content[content.len() - body.left()..] })
    }
}

/// The types that a Parse declares for parameters, in order; 0 leaves one to the server, and so does an end of the list.
pub(super) fn parameter_types(parse: &[u8]) -> Result<Vec<u32>, Violation> {
    let mut body = Body::of(parse);
    body.string()?;
    body.string()?;
    (0..body.count()?).map(|_| body.u32()).collect()
}

/// The parameters of a Bind, in order.
pub(super) fn parameters(bind: &[u8]) -> Result<Vec<Parameter<'_>>, Violation> {
    Ok(Bound::decode(bind)?.parameters)
}

/// Writes the Bind with other values for some of its parameters, by their number from 1.
pub(super) fn put_bind(
    out: &mut BytesMut,
    bind: &[u8],
    values: &BTreeMap<u16, Vec<u8>>,
) -> Result<(), Violation> {
    let Bound { before, parameters, after } = Bound::decode(bind)?;
    let malformed = Violation::Malformed { tag: bind[0] };
    let count = i16::try_from(parameters.len()).map_err(|_| malformed)?;
    frame::put(out, bind[0], |out| {
        out.extend_from_slice(before);
        out.put_i16(count);
        for (number, parameter) in (1..).zip(&parameters) {
            put_value(values.get(&number).map(Vec::as_slice).or(parameter.value), out);
        }
        out.extend_from_slice(after);
    });
    Ok(())
}

fn put_value(value: Option<&[u8]>, out: &mut BytesMut) {
    match value {
        None => out.put_i32(-1),
        Some(value) => {
            out.put_u32(u32::try_from(value.len()).expect("a part of a message, or of a token"));
            out.extend_from_slice(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bind(formats: &[i16], values: &[Option<&[u8]>]) -> BytesMut {
        let mut out = BytesMut::new();
        frame::put(&mut out, frontend::BIND, |out| {
            out.extend_from_slice(b"portal\0statement\0");
            out.put_i16(i16::try_from(formats.len()).expect("few"));
            formats.iter().for_each(|format| out.put_i16(*format));
            out.put_i16(i16::try_from(values.len()).expect("few"));
            values.iter().for_each(|value| put_value(*value, out));
            out.extend_from_slice(&[0, 1, 0, 1]);
        });
        out
    }

    #[test]
    fn parameters_have_the_formats_they_are_given() {
        let check = |formats: &[i16], expected: Result<&[Format], Violation>| {
            let message = bind(formats, &[Some(b"a"), None]);
            let read = parameters(&message).map(|read| read.iter().map(|one| one.format).collect::<Vec<_>>());
            assert_eq!(read, expected.map(<[Format]>::to_vec), "{formats:?}");
        };
        let malformed = Violation::Malformed { tag: frontend::BIND };
        check(&[], Ok(&[Format::Text, Format::Text]));
        check(&[1], Ok(&[Format::Binary, Format::Binary]));
        check(&[0, 1], Ok(&[Format::Text, Format::Binary]));
        check(&[0, 1, 0], Err(malformed));
        check(&[2], Err(malformed));
    }

    #[test]
    fn named_parameters_change_and_the_rest_stays() {
        let check = |changes: &[(u16, &str)], expected: &[Option<&[u8]>]| {
            let values = changes.iter().map(|(number, value)| (*number, value.as_bytes().to_vec())).collect();
            let mut out = BytesMut::new();
            put_bind(&mut out, &bind(&[0, 1, 0], &[Some(b"one"), None, Some(b"")]), &values).expect("a Bind");
            assert_eq!(out, bind(&[0, 1, 0], expected), "{changes:?}");
        };
        check(&[], &[Some(b"one"), None, Some(b"")]);
        check(&[(1, "a longer one")], &[Some(b"a longer one"), None, Some(b"")]);
        check(&[(3, "x"), (1, "")], &[Some(b""), None, Some(b"x")]);
        check(&[(0, "x"), (4, "y")], &[Some(b"one"), None, Some(b"")]);
    }

    #[test]
    fn texts_change_where_they_stand() {
        let mut query = BytesMut::new();
        frame::put(&mut query, frontend::QUERY, |out| out.extend_from_slice(b"SELECT 1\0"));
        let mut out = BytesMut::new();
        put_text(&mut out, &query, b"SELECT 22").expect("a Query");
        assert_eq!(&out[..], b"Q\0\0\0\x0eSELECT 22\0");

        let mut parse = BytesMut::new();
        frame::put(&mut parse, frontend::PARSE, |out| {
            out.extend_from_slice(b"s\0SELECT $1\0\0\x01\0\0\0\x17")
        });
        out.clear();
        put_text(&mut out, &parse, b"X").expect("a Parse");
        assert_eq!(&out[..], b"P\0\0\0\x0es\0X\0\0\x01\0\0\0\x17");
        assert_eq!(parameter_types(&out), Ok(vec![23]));
        assert!(parameter_types(&out[..out.len() - 1]).is_err());
        assert!(put_text(&mut out, b"S\0\0\0\x04", b"").is_err());
    }

    #[test]
    fn only_the_plainest_literals_are_read() {
        let check =
            |literal: &str, expected: Option<&str>| assert_eq!(plain_literal(literal), expected, "{literal}");
        check("'tokr_abc'", Some("tokr_abc"));
        check("''", Some(""));
        check("'", None);
        check("'a''b'", None);
        check("'a\\'", None);
        check("E'a'", None);
        check("$$a$$", None);
        check("1", None);
    }

    #[test]
    fn literals_become_literals_of_the_same_length() {
        let check = |sql: &str, value: &str, expected: Option<&str>| {
            let start = sql.find("'token'").expect("a literal");
            let replacement = Replacement::new(start..start + 7, value);
            let text = replacement.map(|replacement| with_literals(sql, &[replacement]));
            assert_eq!(text.as_deref(), expected);
        };
        check("WHERE e = 'token' AND x", "ab", Some("WHERE e =  E'ab'  AND x"));
        check("WHERE e='token'", "a'", Some("WHERE e= E'a'''"));
        check("WHERE e='token'", "\\", Some("WHERE e= E'\\\\' "));
        check("x AND'token'=e", "é", Some("x AND E'é'  =e"));
        check("WHERE e='token'", "abcd", None);
        check("WHERE e='token'", "''", None);
    }

    #[test]
    fn what_does_not_lie_in_the_text_is_left_out() {
        let beyond = [Replacement::new(2..9, ""), Replacement::new(1..8, "")].map(|one| one.expect("short"));
        assert_eq!(with_literals("é", &beyond), "é");
    }

    proptest! {
        #[test]
        fn a_cut_bind_is_refused(values in prop::collection::vec(prop::option::of(any::<[u8; 3]>()), 0..4)) {
            let values: Vec<Option<&[u8]>> = values.iter().map(|value| value.as_ref().map(|value| &value[..])).collect();
            let whole = bind(&[], &values);
            let read = parameters(&whole).expect("a Bind").iter().map(|one| one.value).collect::<Vec<_>>();
            prop_assert_eq!(read, values);
            // What comes after the parameters is not looked at.
            for length in frame::HEADER_BYTES..whole.len() - 4 {
                prop_assert!(parameters(&whole[..length]).is_err());
            }
        }

        #[test]
        fn any_value_stays_inside_its_literal(value in "[^\0]{0,20}") {
            let quoted = format!("'{}'", "t".repeat(80));
            let replacement = Replacement::new(0..quoted.len(), &value).expect("twice as long at most");
            let sql = with_literals(&quoted, &[replacement]);
            prop_assert_eq!(sql.chars().count(), quoted.len());
            let sql = sql.trim_end();
            let content = sql.strip_prefix(" E'").and_then(|rest| rest.strip_suffix('\'')).expect("a literal");
            prop_assert_eq!(content.replace("''", "'").replace("\\\\", "\\"), value.clone());
            let doubled = |c: char| value.matches(c).count() * 2 == content.matches(c).count();
            prop_assert!(doubled('\'') && doubled('\\'));
        }
    }
}
