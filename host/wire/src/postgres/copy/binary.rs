//! The binary format: a signature and flags, then for each row a count and for each cell its length, then a trailer.

use std::borrow::Cow;

use bytes::{Buf, BufMut, BytesMut};

use super::{Cell, Malformed};

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// Flags of which a reader must know what they mean (bits 16 to 31): there is none that a server writes today.
const CRITICAL_FLAGS: u32 = 0xffff_0000;
/// In place of a count of cells: the data is at its end.
const TRAILER: i16 = -1;

/// How far a part was looked through.
#[derive(Debug, Default)]
pub(super) struct Scan {
    stage: Stage,
    /// Where the row begins.
    start: usize,
    at: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Opening,
    Count,
    /// So many cells of the row are still to come.
    Cells(usize),
    End,
}

impl Scan {
    pub(super) fn is_at_end(&self) -> bool {
        self.stage == Stage::End
    }

    /// One past the first part and, for a row, where it begins; none if it has not come whole.
    pub(super) fn part_end(
        &mut self,
        buffer: &[u8],
        columns: usize,
    ) -> Result<Option<(usize, Option<usize>)>, Malformed> {
        loop {
            let Some(rest) = buffer.get(self.at..) else { return Ok(None) };
            match self.stage {
                Stage::Opening => {
                    let Some(length) = opening(rest)? else { return Ok(None) };
                    (self.at, self.start) = (length, length);
                    self.stage = Stage::Count;
                }
                Stage::Count => {
                    let Some(count) = rest.first_chunk::<2>() else { return Ok(None) };
                    self.at += 2;
                    match i16::from_be_bytes(*count) {
                        TRAILER => return Ok(Some(self.take(Stage::End, None))),
                        count if usize::try_from(count) == Ok(columns) => self.stage = Stage::Cells(columns),
                        _ => return Err(Malformed),
                    }
                }
                Stage::Cells(0) => return Ok(Some(self.take(Stage::Count, Some(self.start)))),
                Stage::Cells(left) => {
                    let Some(length) = rest.first_chunk::<4>() else { return Ok(None) };
                    let length = i32::from_be_bytes(*length);
                    let bytes =
                        if length == -1 { 0 } else { usize::try_from(length).map_err(|_| Malformed)? };
                    if rest.len() < 4 + bytes {
                        return Ok(None);
                    }
                    self.at += 4 + bytes;
                    self.stage = Stage::Cells(left - 1);
                }
                Stage::End if rest.is_empty() => return Ok(None),
                Stage::End => return Err(Malformed),
            }
        }
    }

    fn take(&mut self, next: Stage, row: Option<usize>) -> (usize, Option<usize>) {
        let end = self.at;
        *self = Self { stage: next, start: 0, at: 0 };
        (end, row)
    }
}

/// Length of what stands before the rows, if it has come whole.
fn opening(data: &[u8]) -> Result<Option<usize>, Malformed> {
    let seen = data.len().min(SIGNATURE.len());
    if data[..seen] != SIGNATURE[..seen] {
        return Err(Malformed);
    }
    let Some(mut fields) = data.get(SIGNATURE.len()..SIGNATURE.len() + 8) else { return Ok(None) };
    if fields.get_u32() & CRITICAL_FLAGS != 0 {
        return Err(Malformed);
    }
    let extension = usize::try_from(fields.get_i32()).map_err(|_| Malformed)?;
    let length = SIGNATURE.len() + 8 + extension;
    Ok((data.len() >= length).then_some(length))
}

/// The cells of a row that came whole.
pub(super) fn cells(row: &[u8], columns: usize) -> Result<Vec<Cell<'_>>, Malformed> {
    let mut rest = row.get(2..).ok_or(Malformed)?;
    let mut cells = Vec::with_capacity(columns);
    for _ in 0..columns {
        let (length, after) = rest.split_first_chunk::<4>().ok_or(Malformed)?;
        let length = i32::from_be_bytes(*length);
        let bytes = if length == -1 { 0 } else { usize::try_from(length).map_err(|_| Malformed)? };
        let (raw, after) = after.split_at_checked(bytes).ok_or(Malformed)?;
        cells.push(Cell { raw, value: (length != -1).then_some(Cow::Borrowed(raw)) });
        rest = after;
    }
    if rest.is_empty() { Ok(cells) } else { Err(Malformed) }
}

/// Writes a row of these values.
pub(super) fn put_tuple(values: &[Option<&[u8]>], out: &mut BytesMut) {
    out.put_i16(i16::try_from(values.len()).expect("a row that was read has so many cells"));
    for value in values {
        match value {
            None => out.put_i32(-1),
            Some(value) => {
                out.put_i32(i32::try_from(value.len()).expect("a cell is shorter than its message"));
                out.extend_from_slice(value);
            }
        }
    }
}
