//! Generator of a COPY's data, in every format and under any options that the server allows, and what must hold once it is
//! taken apart and written again.

use arbitrary::Arbitrary;
use bytes::BytesMut;
use grille_wire::postgres::{CopyPart, CopyReader, Violation, put_row, walk_row};
use grille_wire::sql::{CopyFormat, CopyLayout, CsvLayout, TextLayout};

use crate::wire;

/// Longest part, in bytes.
const PART_BYTES_MAX: usize = 1 << 10;

/// What stands in a treated cell's place: every character that has a meaning somewhere, but for the line end.
const MARKER: &[u8] = b"marker,;|\t\"'\\";

const OPENING: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Data with the form that it is said to have.
#[derive(Arbitrary, Debug)]
pub struct Case {
    format: Form,
    columns: u8,
    data: Vec<u8>,
    /// Bytes that come at once.
    chunk: u8,
    treated: u8,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Form {
    Text { delimiter: u8, null: Null, has_header: bool },
    Csv { delimiter: u8, quote: u8, escape: u8, null: Null, has_header: bool, forces_quotes: bool },
    Binary { opened: bool },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Null {
    Empty,
    Backslash,
    Word,
}

impl Null {
    fn text(self) -> &'static str {
        match self {
            Self::Empty => "",
            Self::Backslash => "\\N",
            Self::Word => "NULL",
        }
    }
}

fn pick(choice: u8) -> u8 {
    const CHARACTERS: &[u8] = b",;|\t\"'\\X";
    CHARACTERS[usize::from(choice) % CHARACTERS.len()]
}

impl Form {
    /// None for what the server refuses.
    fn layout(self) -> Option<CopyLayout> {
        let format = match self {
            Self::Binary { .. } => CopyFormat::Binary,
            Self::Text { delimiter, null, has_header } => {
                let delimiter = pick(delimiter);
                if delimiter == b'\\' {
                    return None;
                }
                CopyFormat::Text(TextLayout { delimiter, null: null.text().into(), has_header })
            }
            Self::Csv { delimiter, quote, escape, null, has_header, forces_quotes } => {
                let (delimiter, quote, escape) = (pick(delimiter), pick(quote), pick(escape));
                let clashes = null.text().bytes().any(|byte| byte == delimiter || byte == quote);
                if delimiter == quote || clashes {
                    return None;
                }
                let null = null.text().into();
                CopyFormat::Csv(CsvLayout { delimiter, quote, escape, null, has_header, forces_quotes })
            }
        };
        Some(CopyLayout { format, encoding: None })
    }

    fn opening(self) -> &'static [u8] {
        if matches!(self, Self::Binary { opened: true }) { OPENING } else { b"" }
    }
}

impl Case {
    /// Takes the data apart and checks what comes of it.
    ///
    /// # Panics
    /// When something does not hold.
    pub fn check(&self) {
        let Some(layout) = self.format.layout() else { return };
        let data = [self.format.opening(), &self.data].concat();
        let columns = usize::from(self.columns % 4);
        let whole = read(&layout, columns, &data, usize::MAX);
        let parts = read(&layout, columns, &data, usize::from(self.chunk).max(1));
        assert_eq!(whole.1.is_ok(), parts.1.is_ok(), "cut differently, it ends differently");
        if whole.1.is_ok() {
            assert_eq!(whole.0, parts.0, "cut differently, it has other parts");
            let mut again = BytesMut::new();
            whole.0.iter().for_each(|part| part.put(&mut again));
            assert_eq!(bodies(again.to_vec()).concat(), data, "something was lost");
        }
        let reader = CopyReader::new(&layout, columns, PART_BYTES_MAX);
        for part in whole.0.iter().filter(|part| part.is_row()) {
            self.check_row(&layout, &reader, part, columns);
        }
    }

    fn check_row(&self, layout: &CopyLayout, reader: &CopyReader, part: &CopyPart, columns: usize) {
        let mut row = BytesMut::new();
        if reader.put_data_row(part, &mut row).is_err() {
            return;
        }
        let (mut original, mut same) = (BytesMut::new(), BytesMut::new());
        part.put(&mut original);
        reader.put_treated(part, &row, &mut same).expect("a row that was read");
        assert_eq!(original, same, "what was not treated did not stay");

        let mut cells = cells(&row, columns);
        let treated = usize::from(self.treated);
        if let Some(cell) = cells.get_mut(treated) {
            *cell = Some(MARKER.to_vec());
        }
        let mut instead = BytesMut::new();
        put_row(&mut instead, columns, |writer| cells.iter().for_each(|cell| writer.cell(cell.as_deref())));
        let mut written = BytesMut::new();
        reader.put_treated(part, &instead, &mut written).expect("as many cells");
        let mut again = CopyReader::new(&without_header(layout), columns, usize::MAX);
        if layout.format == CopyFormat::Binary && !wire::body(&written).starts_with(b"PGCOPY") {
            again.feed(OPENING);
        }
        again.feed(wire::body(&written));
        let part = again.next_part().expect("well-formed").expect("a row");
        let mut row = BytesMut::new();
        again.put_data_row(&part, &mut row).expect("as many cells");
        assert_eq!(self::cells(&row, columns), cells, "what was written reads as something else");
    }
}

/// What could be taken apart, and how that ended.
fn read(
    layout: &CopyLayout,
    columns: usize,
    data: &[u8],
    chunk: usize,
) -> (Vec<CopyPart>, Result<(), Violation>) {
    let mut reader = CopyReader::new(layout, columns, PART_BYTES_MAX);
    let mut parts = Vec::new();
    for chunk in data.chunks(chunk) {
        reader.feed(chunk);
        loop {
            match reader.next_part() {
                Ok(Some(part)) => parts.push(part),
                Ok(None) => break,
                Err(violation) => return (parts, Err(violation)),
            }
        }
    }
    let ended = reader.finish();
    (parts, ended)
}

fn cells(row: &[u8], columns: usize) -> Vec<Option<Vec<u8>>> {
    let mut cells = Vec::new();
    walk_row(row, columns, |_, cell| cells.push(cell.map(<[u8]>::to_vec))).expect("a row made here");
    cells
}

fn bodies(mut messages: Vec<u8>) -> Vec<Vec<u8>> {
    wire::take_messages(&mut messages).iter().map(|message| wire::body(message).to_vec()).collect()
}

fn without_header(layout: &CopyLayout) -> CopyLayout {
    let mut layout = layout.clone();
    match &mut layout.format {
        CopyFormat::Text(text) => text.has_header = false,
        CopyFormat::Csv(csv) => csv.has_header = false,
        CopyFormat::Binary => {}
    }
    layout
}
