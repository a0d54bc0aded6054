//! `bytea`: the parts of it that are UTF-8 are texts, the rest is bytes.
//!
//! In text format it is sent as `\x` and hexadecimal digits, or under `bytea_output = escape` with `\\` and `\ooo`
//! (manual, "Binary Data Types"); it is written back in the form it came in.

use std::borrow::Cow;

use grille_core::Treatment;

use super::Format;
use super::plan::{Malformed, Masked, Order, Remedy, Work};
use super::scalar::Raw;
use super::text;
use super::token::{Domain, Tokenizer};

/// Fewest bytes of UTF-8 in a row that count as a text: binary data is full of shorter runs, and no kind of sensitive data
/// is shorter.
const RUN_BYTES_MIN: usize = 5;

/// Gives the sink the parts that are UTF-8.
pub(super) fn texts(raw: Raw<'_>, sink: &mut dyn FnMut(&str)) -> Result<(), Malformed> {
    let (bytes, _) = decode(raw)?;
    bytes.utf8_chunks().map(|chunk| chunk.valid()).filter(|run| is_text(run)).for_each(sink);
    Ok(())
}

/// Appends the value, rewritten as ordered.
pub(super) fn rewrite(raw: Raw<'_>, work: &mut Work<'_>, out: &mut Vec<u8>) -> Result<Masked, Malformed> {
    let (bytes, form) = decode(raw)?;
    let rewritten = match work.unseen() {
        Order::Treat(remedy) => whole(&bytes, remedy, work.tokens),
        Order::Leave | Order::Splice(_) => splice(&bytes, work),
    };
    match rewritten {
        Some(bytes) => {
            encode(&bytes, form, out);
            Ok(Masked::Value)
        }
        None => Ok(Masked::Null),
    }
}

/// Appends the bytes of the marker. In text format they are in hexadecimal, which every client reads under either setting.
pub(super) fn put_surrogate(format: Format, out: &mut Vec<u8>) {
    let form = match format {
        Format::Text => Form::Hex,
        Format::Binary => Form::Raw,
    };
    encode(text::REDACTED.as_bytes(), form, out);
}

fn is_text(run: &str) -> bool {
    run.len() >= RUN_BYTES_MIN
}

fn whole(bytes: &[u8], remedy: Remedy<'_>, tokens: &Tokenizer) -> Option<Vec<u8>> {
    let token = || tokens.text(Domain::Bytes, bytes, usize::MAX);
    let value = std::str::from_utf8(bytes);
    let treated = match (remedy.treatment, value) {
        (Treatment::Token, Ok(_) | Err(_)) | (Treatment::KeepLast(_), Err(_)) => Some(token()),
        (Treatment::Null, Err(_)) => None,
        (Treatment::Keep | Treatment::Redact | Treatment::Plugin(_), Err(_)) => {
            Some(text::REDACTED.to_owned())
        }
        (
            Treatment::Keep
            | Treatment::Null
            | Treatment::Redact
            | Treatment::KeepLast(_)
            | Treatment::Plugin(_),
            Ok(value),
        ) => text::treat(value, remedy, usize::MAX, tokens),
    };
    treated.map(String::into_bytes)
}

fn splice(bytes: &[u8], work: &mut Work<'_>) -> Option<Vec<u8>> {
    let mut out = Some(Vec::with_capacity(bytes.len()));
    for chunk in bytes.utf8_chunks() {
        // Every run takes its order, also once the value is NULL: what follows in an array must still find its own.
        let order = if is_text(chunk.valid()) { work.next_text() } else { Order::Leave };
        let run = match order {
            Order::Leave => Some(chunk.valid().to_owned()),
            Order::Splice(findings) => text::splice(chunk.valid(), findings, work.tokens),
            Order::Treat(remedy) => text::treat(chunk.valid(), remedy, usize::MAX, work.tokens),
        };
        out = out.zip(run).map(|(mut out, run)| {
            out.extend_from_slice(run.as_bytes());
            out.extend_from_slice(chunk.invalid());
            out
        });
    }
    out
}

/// How bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Raw,
    Hex,
    Escape,
}

fn decode(raw: Raw<'_>) -> Result<(Cow<'_, [u8]>, Form), Malformed> {
    match raw {
        Raw::Binary(bytes) => Ok((Cow::Borrowed(bytes), Form::Raw)),
        Raw::Text(text) => match text.strip_prefix("\\x") {
            Some(digits) => Ok((from_hex(digits.as_bytes()).ok_or(Malformed)?.into(), Form::Hex)),
            None => Ok((from_escape(text.as_bytes()).ok_or(Malformed)?.into(), Form::Escape)),
        },
    }
}

fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(hex_digit(*high)? << 4 | hex_digit(*low)?)).collect()
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn from_escape(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        match rest {
            [] => return Some(bytes),
            [b'\\', b'\\', tail @ ..] => {
                bytes.push(b'\\');
                rest = tail;
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = tail;
            }
            [b'\\', ..] => return None,
            [byte, tail @ ..] => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
}

fn encode(bytes: &[u8], form: Form, out: &mut Vec<u8>) {
    match form {
        Form::Raw => out.extend_from_slice(bytes),
        Form::Hex => {
            out.extend_from_slice(b"\\x");
            for byte in bytes {
                out.extend([byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]));
            }
        }
        Form::Escape => bytes.iter().for_each(|byte| escape(*byte, out)),
    }
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'\\' => out.extend_from_slice(b"\\\\"),
        b' '..=b'~' => out.push(byte),
        _ => out.extend([b'\\', b'0' + (byte >> 6), b'0' + (byte >> 3 & 7), b'0' + (byte & 7)]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::plan::LeafFinding;
    use super::*;

    #[test]
    fn what_is_no_bytea_is_refused() {
        for text in ["\\x0", "\\xzz", "\\", "\\1", "\\400", "\\08", "a\\b"] {
            assert_eq!(decode(Raw::Text(text)), Err(Malformed), "{text}");
        }
    }

    #[test]
    fn runs_of_text_among_bytes_are_read() {
        let mut seen = Vec::new();
        texts(Raw::Binary(b"\xff\xfealice@example.com\xffabc"), &mut |text| seen.push(text.to_owned()))
            .expect("well formed");
        assert_eq!(seen, ["alice@example.com"]);
    }

    #[test]
    fn a_value_that_becomes_null_still_takes_all_its_orders() {
        let tokens = Tokenizer::new(&[1; 32]).expect("long enough");
        let found = |text, treatment| LeafFinding { text, start: 0, end: 5, treatment, replacement: None };
        let findings = [found(0, &Treatment::Null), found(2, &Treatment::Redact)];
        let (mut work, mut out) = (Work::found(&findings, &tokens), Vec::new());
        assert_eq!(rewrite(Raw::Binary(b"alice\xffbobby"), &mut work, &mut out), Ok(Masked::Null));
        assert_eq!(rewrite(Raw::Binary(b"carol"), &mut work, &mut out), Ok(Masked::Value));
        assert_eq!(out, b"[redacted]");
    }

    proptest! {
        #[test]
        fn every_form_reads_back(bytes: Vec<u8>) {
            for form in [Form::Hex, Form::Escape] {
                let mut text = Vec::new();
                encode(&bytes, form, &mut text);
                let text = String::from_utf8(text).expect("both forms are ASCII");
                let (decoded, read_as) = decode(Raw::Text(&text)).expect("well formed");
                prop_assert_eq!(&decoded[..], &bytes[..]);
                prop_assert_eq!(read_as, form);
            }
        }
    }
}
