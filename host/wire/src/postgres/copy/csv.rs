//! The CSV format: a value that could be taken for something else stands in quotes, NULL never does
//! (`CopyAttributeOutCSV`).

use std::borrow::Cow;

use bytes::BytesMut;

use super::{Cell, Malformed, put_cells};
use crate::sql::CsvLayout;

/// How far a line was looked through.
#[derive(Debug, Default)]
pub(super) struct Scan {
    at: usize,
    place: Place,
}

/// Where in a line a byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// The next byte begins a cell.
    #[default]
    Start,
    /// In a cell without quotes.
    Bare,
    Quoted,
    /// Behind the escape character within quotes.
    Escaped,
    /// Behind a quote that ends the cell, or is the first of two.
    Closing,
}

impl Scan {
    /// One past the line end of the first line: a line end within quotes is part of a value.
    pub(super) fn line_end(&mut self, layout: &CsvLayout, buffer: &[u8]) -> Option<usize> {
        while let Some(byte) = buffer.get(self.at) {
            self.at += 1;
            let is_open = matches!(self.place, Place::Quoted | Place::Escaped);
            if *byte == b'\n' && !is_open {
                self.place = Place::Start;
                return Some(std::mem::take(&mut self.at));
            }
            self.place = self.place.behind(layout, *byte);
        }
        None
    }
}

impl Place {
    fn behind(self, layout: &CsvLayout, byte: u8) -> Self {
        match self {
            Self::Start if byte == layout.quote => Self::Quoted,
            Self::Quoted if byte == layout.quote => Self::Closing,
            Self::Quoted if byte == layout.escape => Self::Escaped,
            Self::Closing if byte == layout.quote && layout.escape == layout.quote => Self::Quoted,
            Self::Quoted | Self::Escaped => Self::Quoted,
            Self::Start | Self::Bare | Self::Closing if byte == layout.delimiter => Self::Start,
            Self::Start | Self::Bare | Self::Closing => Self::Bare,
        }
    }
}

/// The cells of a line.
pub(super) fn cells<'r>(
    layout: &CsvLayout,
    line: &'r [u8],
    columns: usize,
) -> Result<Vec<Cell<'r>>, Malformed> {
    let mut rest = line.strip_suffix(b"\n").ok_or(Malformed)?;
    if columns == 0 {
        return if rest.is_empty() { Ok(Vec::new()) } else { Err(Malformed) };
    }
    let mut cells = Vec::with_capacity(columns);
    loop {
        let cell = first_cell(layout, rest)?;
        let end = cell.raw.len();
        cells.push(cell);
        match rest.get(end) {
            None => break,
            Some(byte) if *byte == layout.delimiter => rest = &rest[end + 1..],
            Some(_) => return Err(Malformed),
        }
    }
    if cells.len() == columns { Ok(cells) } else { Err(Malformed) }
}

fn first_cell<'r>(layout: &CsvLayout, line: &'r [u8]) -> Result<Cell<'r>, Malformed> {
    if line.first() == Some(&layout.quote) {
        return quoted_cell(layout, line);
    }
    let end = memchr::memchr(layout.delimiter, line).unwrap_or(line.len());
    let raw = &line[..end];
    // The server would have put these in quotes.
    if raw.iter().any(|byte| *byte == layout.quote || matches!(byte, b'\n' | b'\r')) {
        return Err(Malformed);
    }
    let value = (raw != layout.null.as_bytes()).then_some(Cow::Borrowed(raw));
    Ok(Cell { raw, value })
}

fn quoted_cell<'r>(layout: &CsvLayout, line: &'r [u8]) -> Result<Cell<'r>, Malformed> {
    let mut value = Vec::new();
    let mut at = 1;
    loop {
        let byte = *line.get(at).ok_or(Malformed)?;
        let next = line.get(at + 1);
        let is_special = |byte: &u8| *byte == layout.quote || *byte == layout.escape;
        if byte == layout.escape && next.is_some_and(is_special) {
            value.extend(next);
            at += 2;
        } else if byte == layout.quote {
            return Ok(Cell { raw: &line[..=at], value: Some(Cow::Owned(value)) });
        } else if byte == layout.escape {
            // The server escapes nothing else, and writes no escape character that is not escaped itself.
            return Err(Malformed);
        } else {
            value.push(byte);
            at += 1;
        }
    }
}

/// Writes a line with these values.
pub(super) fn put_line(layout: &CsvLayout, cells: &[Cell<'_>], values: &[Option<&[u8]>], out: &mut BytesMut) {
    put_cells(layout.delimiter, cells, values, out, |value, out| match value {
        None => out.extend_from_slice(layout.null.as_bytes()),
        Some(value) if needs_quotes(layout, value) => put_quoted(layout, value, out),
        Some(value) => out.extend_from_slice(value),
    });
}

/// Which columns FORCE_QUOTE names is not known here, so all of them are meant.
fn needs_quotes(layout: &CsvLayout, value: &[u8]) -> bool {
    layout.forces_quotes
        || value == layout.null.as_bytes()
        || value == b"\\."
        || value
            .iter()
            .any(|byte| *byte == layout.delimiter || *byte == layout.quote || matches!(byte, b'\n' | b'\r'))
}

fn put_quoted(layout: &CsvLayout, value: &[u8], out: &mut BytesMut) {
    out.extend_from_slice(&[layout.quote]);
    for byte in value {
        if *byte == layout.quote || *byte == layout.escape {
            out.extend_from_slice(&[layout.escape]);
        }
        out.extend_from_slice(&[*byte]);
    }
    out.extend_from_slice(&[layout.quote]);
}
