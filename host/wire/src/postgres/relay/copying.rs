//! Where COPYs stand: what the server sends or waits for, what the caller is looking at, what is still to come of a message of
//! the client. What is done with it is in `copy`.

use bytes::BytesMut;

use super::super::copy::{CopyReader, Part};
use crate::sql::{CopyFormat, CopyLayout};

/// Most rows handed out at once: the shortest take more room as DataRows than this leaves them, so it is the limit on bytes
/// that counts, unless a table has no columns.
const ROWS_AT_ONCE_MAX: usize = 64 * 1024;

/// Body of the message that ends a binary COPY: no count of cells, but -1.
const BINARY_TRAILER: [u8; 2] = [0xff, 0xff];
/// Longest body of a message with nothing but a trailer in it: it may have the signature, flags and an empty extension
/// before.
pub(super) const TRAILER_BYTES_MAX: usize = 11 + 4 + 4 + BINARY_TRAILER.len();

/// Where the COPY of an exchange stands.
#[derive(Debug)]
pub(super) enum Copying {
    /// There is none.
    No,
    /// The server waits for data.
    In,
    /// The server sends data.
    Out(CopyOut),
    /// The data is at its end, the command is not.
    Ended,
}

/// A COPY TO under way.
#[derive(Debug)]
pub(super) struct CopyOut {
    /// What its options say, where that is known.
    pub(super) layout: Option<CopyLayout>,
    /// Where rows are inspected.
    pub(super) reader: Option<CopyReader>,
    /// Data messages that passed.
    pub(super) passed: u64,
}

impl CopyOut {
    /// Whether the next message that passes, of which `body` is the beginning, holds a row. The server sends one row in
    /// each, and besides a header line and a trailer.
    pub(super) fn is_row(&self, body: &[u8]) -> bool {
        match self.layout.as_ref().map(|layout| &layout.format) {
            Some(CopyFormat::Text(layout)) => !layout.has_header || self.passed > 0,
            Some(CopyFormat::Csv(layout)) => !layout.has_header || self.passed > 0,
            Some(CopyFormat::Binary) => {
                let only = if self.passed == 0 { TRAILER_BYTES_MAX } else { BINARY_TRAILER.len() };
                !(body.len() == only && body.ends_with(&BINARY_TRAILER))
            }
            None => true,
        }
    }
}

/// Parts of a COPY that the caller is looking at.
#[derive(Debug, Default)]
pub(super) struct Handed {
    pub(super) parts: Vec<Part>,
    /// The rows among them as DataRows.
    pub(super) rows: BytesMut,
    pub(super) row_count: usize,
}

impl Handed {
    pub(super) fn is_full(&self, bytes_max: usize) -> bool {
        self.rows.len() >= bytes_max || self.parts.len() >= ROWS_AT_ONCE_MAX
    }

    pub(super) fn put(&self, out: &mut BytesMut) {
        self.parts.iter().for_each(|part| part.put(out));
    }
}

/// What is done with the rest of a message of the client that is not held whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The server gets it.
    Forward,
    /// Nobody does.
    Drop,
}

/// Bytes of the client's message under way that have not come yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest {
    pub(super) bytes: usize,
    pub(super) fate: Fate,
}

impl Rest {
    pub(super) const NONE: Self = Self { bytes: 0, fate: Fate::Drop };
}
