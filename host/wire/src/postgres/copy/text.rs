//! The text format: a line for each row, a backslash before what would be taken for something else
//! (`CopyAttributeOutText`).

use std::borrow::Cow;

use bytes::BytesMut;

use super::{Cell, Malformed, put_cells};
use crate::sql::TextLayout;

/// How far a line was looked through.
#[derive(Debug, Default)]
pub(super) struct Scan {
    at: usize,
}

impl Scan {
    /// One past the line end of the first line. Line ends within values are written as `\n`.
    pub(super) fn line_end(&mut self, buffer: &[u8]) -> Option<usize> {
        let found = memchr::memchr(b'\n', &buffer[self.at..]).map(|at| self.at + at + 1);
        self.at = if found.is_some() { 0 } else { buffer.len() };
        found
    }
}

/// The cells of a line.
pub(super) fn cells<'r>(
    layout: &TextLayout,
    line: &'r [u8],
    columns: usize,
) -> Result<Vec<Cell<'r>>, Malformed> {
    let mut rest = line.strip_suffix(b"\n").ok_or(Malformed)?;
    if columns == 0 {
        return if rest.is_empty() { Ok(Vec::new()) } else { Err(Malformed) };
    }
    let mut cells = Vec::with_capacity(columns);
    loop {
        let end = cell_end(rest, layout.delimiter);
        let raw = &rest[..end];
        cells.push(Cell { raw, value: value(layout, raw)? });
        if end == rest.len() {
            break;
        }
        rest = &rest[end + 1..];
    }
    if cells.len() == columns { Ok(cells) } else { Err(Malformed) }
}

/// Where the first delimiter without a backslash before it stands, or the end.
fn cell_end(line: &[u8], delimiter: u8) -> usize {
    let mut at = 0;
    while let Some(found) = line.get(at..).and_then(|rest| memchr::memchr2(delimiter, b'\\', rest)) {
        if line[at + found] == delimiter {
            return at + found;
        }
        at += found + 2;
    }
    line.len()
}

/// NULL is what the NULL option says, as far as no value could be written so. Where one could, a cell is taken for that
/// value: else a client could choose the text of NULL to find out which cells hold it.
fn value<'r>(layout: &TextLayout, raw: &'r [u8]) -> Result<Option<Cow<'r, [u8]>>, Malformed> {
    match unescaped(raw, layout.delimiter) {
        Ok(value) => Ok(Some(value)),
        Err(Malformed) if raw == layout.null.as_bytes() => Ok(None),
        Err(Malformed) => Err(Malformed),
    }
}

fn unescaped(raw: &[u8], delimiter: u8) -> Result<Cow<'_, [u8]>, Malformed> {
    let Some(first) = memchr::memchr(b'\\', raw) else { return Ok(Cow::Borrowed(raw)) };
    let mut value = raw[..first].to_vec();
    let mut rest = raw[first..].iter();
    while let Some(byte) = rest.next() {
        value.push(match byte {
            b'\\' => meaning(*rest.next().ok_or(Malformed)?, delimiter).ok_or(Malformed)?,
            byte => *byte,
        });
    }
    Ok(Cow::Owned(value))
}

/// What a byte behind a backslash stands for, among those that the server writes there.
fn meaning(byte: u8, delimiter: u8) -> Option<u8> {
    match byte {
        b'b' => Some(0x08),
        b't' => Some(b'\t'),
        b'n' => Some(b'\n'),
        b'v' => Some(0x0b),
        b'f' => Some(0x0c),
        b'r' => Some(b'\r'),
        b'\\' => Some(b'\\'),
        byte if byte == delimiter => Some(byte),
        _ => None,
    }
}

/// Writes a line with these values.
pub(super) fn put_line(
    layout: &TextLayout,
    cells: &[Cell<'_>],
    values: &[Option<&[u8]>],
    out: &mut BytesMut,
) {
    put_cells(layout.delimiter, cells, values, out, |value, out| match value {
        None => out.extend_from_slice(layout.null.as_bytes()),
        Some(value) => put_escaped(value, layout.delimiter, out),
    });
}

fn put_escaped(value: &[u8], delimiter: u8, out: &mut BytesMut) {
    let mut plain = 0;
    for (at, byte) in value.iter().enumerate() {
        if let Some(letter) = escape(*byte, delimiter) {
            out.extend_from_slice(&value[plain..at]);
            out.extend_from_slice(&[b'\\', letter]);
            plain = at + 1;
        }
    }
    out.extend_from_slice(&value[plain..]);
}

/// What stands behind the backslash for a byte that needs one.
fn escape(byte: u8, delimiter: u8) -> Option<u8> {
    match byte {
        0x08 => Some(b'b'),
        b'\t' => Some(b't'),
        b'\n' => Some(b'n'),
        0x0b => Some(b'v'),
        0x0c => Some(b'f'),
        b'\r' => Some(b'r'),
        b'\\' => Some(b'\\'),
        byte if byte == delimiter => Some(byte),
        _ => None,
    }
}
