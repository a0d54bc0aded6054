//! Rows of a COPY TO STDOUT: taken apart wherever the server's messages begin and end, read as the cells of a DataRow, and
//! written again in their own format (manual, "COPY", "File Formats").
//!
//! Written against what the server sends (`src/backend/commands/copyto.c`), not against all that COPY FROM would accept:
//! what is not in the one form in which the server writes a value is malformed. Texts are UTF-8, else it could not be told
//! for certain where a cell ends. Nothing here decides what is treated.

mod binary;
mod csv;
mod text;

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

use super::frame::put;
use super::message::{backend, put_row, walk_row};
use super::{Format, Violation};
use crate::sql::{CopyFormat, CopyLayout, CsvLayout, TextLayout};

/// The data is not in the form that its options say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Malformed;

/// One cell of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cell<'r> {
    /// As it stands in the row, without what separates it from others.
    raw: &'r [u8],
    /// What a DataRow would hold; none for NULL.
    value: Option<Cow<'r, [u8]>>,
}

/// What is handed on as one CopyData message: a row, a header line, a trailer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    bytes: Bytes,
    /// For a row: where it begins. Before it stands what opens a binary COPY, as the server sends it.
    row: Option<usize>,
}

impl Part {
    /// Whether it holds a row.
    pub fn is_row(&self) -> bool {
        self.row.is_some()
    }

    /// Writes it as a CopyData message, as it came.
    pub fn put(&self, out: &mut BytesMut) {
        put(out, backend::COPY_DATA, |out| out.extend_from_slice(&self.bytes));
    }

    fn row(&self) -> &[u8] {
        self.row.map_or(&[], |start| &self.bytes[start..])
    }
}

/// Takes the data of one COPY apart.
#[derive(Debug)]
pub struct CopyReader {
    form: Form,
    columns: usize,
    part_bytes_max: usize,
    /// What came and was not taken yet.
    buffer: BytesMut,
}

#[derive(Debug)]
enum Form {
    Text { layout: TextLayout, scan: text::Scan, header_left: bool },
    Csv { layout: CsvLayout, scan: csv::Scan, header_left: bool },
    Binary(binary::Scan),
}

const MALFORMED: Violation = Violation::Malformed { tag: backend::COPY_DATA };

impl CopyReader {
    /// A COPY of so many columns, no part of which may have more than `part_bytes_max` bytes.
    pub fn new(layout: &CopyLayout, columns: usize, part_bytes_max: usize) -> Self {
        let form = match &layout.format {
            CopyFormat::Text(layout) => Form::Text {
                layout: layout.clone(),
                scan: text::Scan::default(),
                header_left: layout.has_header,
            },
            CopyFormat::Csv(layout) => Form::Csv {
                layout: layout.clone(),
                scan: csv::Scan::default(),
                header_left: layout.has_header,
            },
            CopyFormat::Binary => Form::Binary(binary::Scan::default()),
        };
        Self { form, columns, part_bytes_max, buffer: BytesMut::new() }
    }

    /// How many columns its rows have.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// How the cells of its rows are written.
    pub fn format(&self) -> Format {
        match self.form {
            Form::Text { .. } | Form::Csv { .. } => Format::Text,
            Form::Binary(_) => Format::Binary,
        }
    }

    /// More of the data.
    pub fn feed(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    /// The next part, if it has come whole.
    ///
    /// # Errors
    /// When the data cannot be taken apart for certain, or a part is too long.
    pub fn next_part(&mut self) -> Result<Option<Part>, Violation> {
        let found = match &mut self.form {
            Form::Text { scan, header_left, .. } => {
                scan.line_end(&self.buffer).map(|end| (end, (!std::mem::take(header_left)).then_some(0)))
            }
            Form::Csv { layout, scan, header_left } => scan
                .line_end(layout, &self.buffer)
                .map(|end| (end, (!std::mem::take(header_left)).then_some(0))),
            Form::Binary(scan) => scan.part_end(&self.buffer, self.columns).map_err(|Malformed| MALFORMED)?,
        };
        let total = found.map_or(self.buffer.len(), |(end, _)| end);
        if total > self.part_bytes_max {
            let (tag, limit) = (backend::COPY_DATA, self.part_bytes_max);
            return Err(Violation::TooLong { tag, total, limit });
        }
        let Some((end, row)) = found else { return Ok(None) };
        let bytes = self.buffer.split_to(end).freeze();
        if self.format() == Format::Text && std::str::from_utf8(&bytes).is_err() {
            return Err(MALFORMED);
        }
        Ok(Some(Part { bytes, row }))
    }

    /// The data is at its end.
    ///
    /// # Errors
    /// When something is missing.
    pub fn finish(&self) -> Result<(), Violation> {
        let is_complete = match &self.form {
            Form::Text { header_left, .. } | Form::Csv { header_left, .. } => !header_left,
            Form::Binary(scan) => scan.is_at_end(),
        };
        if is_complete && self.buffer.is_empty() { Ok(()) } else { Err(MALFORMED) }
    }

    /// Writes the row as a DataRow.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn put_data_row(&self, part: &Part, out: &mut BytesMut) -> Result<(), Violation> {
        let cells = self.cells(part)?;
        put_row(out, cells.len(), |writer| cells.iter().for_each(|cell| writer.cell(cell.value.as_deref())));
        Ok(())
    }

    /// Writes the row as a CopyData message with the cells of `treated`, a DataRow. A cell that is as it was is written as
    /// it was.
    ///
    /// # Errors
    /// When one of them is malformed, or they have not equally many cells.
    pub fn put_treated(&self, part: &Part, treated: &[u8], out: &mut BytesMut) -> Result<(), Violation> {
        let cells = self.cells(part)?;
        let mut values = Vec::with_capacity(cells.len());
        walk_row(treated, cells.len(), |_, value| values.push(value))?;
        let opening = &part.bytes[..part.row.unwrap_or(0)];
        put(out, backend::COPY_DATA, |out| {
            out.extend_from_slice(opening);
            match &self.form {
                Form::Text { layout, .. } => text::put_line(layout, &cells, &values, out),
                Form::Csv { layout, .. } => csv::put_line(layout, &cells, &values, out),
                Form::Binary(_) => binary::put_tuple(&values, out),
            }
        });
        Ok(())
    }

    fn cells<'r>(&self, part: &'r Part) -> Result<Vec<Cell<'r>>, Violation> {
        let row = part.row();
        match &self.form {
            Form::Text { layout, .. } => text::cells(layout, row, self.columns),
            Form::Csv { layout, .. } => csv::cells(layout, row, self.columns),
            Form::Binary(_) => binary::cells(row, self.columns),
        }
        .map_err(|Malformed| MALFORMED)
    }
}

/// Writes a line: cells that are as they were as they stand, others by `put_value`.
fn put_cells(
    delimiter: u8,
    cells: &[Cell<'_>],
    values: &[Option<&[u8]>],
    out: &mut BytesMut,
    put_value: impl Fn(Option<&[u8]>, &mut BytesMut),
) {
    for (index, (cell, value)) in cells.iter().zip(values).enumerate() {
        if index > 0 {
            out.extend_from_slice(&[delimiter]);
        }
        if cell.value.as_deref() == *value {
            out.extend_from_slice(cell.raw);
        } else {
            put_value(*value, out);
        }
    }
    out.extend_from_slice(b"\n");
}

#[cfg(test)]
mod tests;
