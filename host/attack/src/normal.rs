//! What is legitimately different between two runs of the same thing, taken out of what came back. The whole list:
//!
//! - OIDs of tables and types that a run itself made, in RowDescription: numbered by their first appearance.
//! - Grille's correlation id, in an error's DETAIL.
//! - The process that sent a notification.
//!
//! Where Grille is held against the server itself, also:
//!
//! - The place in the server's source code that raised an error: Grille, which answers what cannot be parsed, has none.
//!
//! Rows, errors and everything else are compared as they are.

use std::collections::HashMap;

use bytes::Bytes;
use grille_wire::postgres::{HEADER_BYTES, report_fields};

/// `FirstNormalObjectId` (src/include/access/transam.h): from here on OIDs depend on what was made before.
const FIRST_NORMAL_OID: u32 = 16_384;

/// How Grille introduces a correlation id.
const CORRELATION: &[u8] = b"Grille correlation id ";

/// Takes the differences out of one run's messages, in order.
#[derive(Debug, Default)]
pub(crate) struct Normal {
    oids: HashMap<u32, u32>,
}

impl Normal {
    /// The message without what may differ.
    pub(crate) fn message(&mut self, message: &Bytes) -> Vec<u8> {
        match message[0] {
            b'T' => self.row_description(message).unwrap_or_else(|| message.to_vec()),
            b'E' | b'N' => without_fields(message, is_correlation),
            b'A' => without_process(message),
            _ => message.to_vec(),
        }
    }

    /// The same, without the place in the server's source that raised an error.
    pub(crate) fn without_source(&mut self, message: &Bytes) -> Vec<u8> {
        const SOURCE: [u8; 3] = *b"FLR";
        match message[0] {
            b'E' | b'N' => {
                without_fields(message, |code, text| SOURCE.contains(&code) || is_correlation(code, text))
            }
            _ => self.message(message),
        }
    }

    /// None where it has not the layout of one: then it is compared as it is.
    fn row_description(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let mut normal = message.to_vec();
        let columns = u16::from_be_bytes(message.get(HEADER_BYTES..HEADER_BYTES + 2)?.try_into().ok()?);
        let mut at = HEADER_BYTES + 2;
        for _ in 0..columns {
            at += message.get(at..)?.iter().position(|byte| *byte == 0)? + 1;
            // Table OID, attribute number, type OID, length, modifier, format.
            self.number(normal.get_mut(at..at + 4)?)?;
            self.number(normal.get_mut(at + 6..at + 10)?)?;
            at += 18;
        }
        Some(normal)
    }

    fn number(&mut self, field: &mut [u8]) -> Option<()> {
        let oid = u32::from_be_bytes(<[u8; 4]>::try_from(&*field).ok()?);
        if oid >= FIRST_NORMAL_OID {
            let next = FIRST_NORMAL_OID + u32::try_from(self.oids.len()).ok()?;
            let number = *self.oids.entry(oid).or_insert(next);
            field.copy_from_slice(&number.to_be_bytes());
        }
        Some(())
    }
}

fn is_correlation(code: u8, text: &[u8]) -> bool {
    code == b'D' && text.starts_with(CORRELATION)
}

/// A report's fields but for those that may differ.
fn without_fields(message: &[u8], may_differ: impl Fn(u8, &[u8]) -> bool) -> Vec<u8> {
    let mut normal = vec![message[0]];
    for (code, text) in report_fields(message).filter(|(code, text)| !may_differ(*code, text)) {
        normal.push(code);
        normal.extend_from_slice(text);
        normal.push(0);
    }
    normal
}

fn without_process(message: &[u8]) -> Vec<u8> {
    let mut normal = message.to_vec();
    if let Some(process) = normal.get_mut(HEADER_BYTES..HEADER_BYTES + 4) {
        process.fill(0);
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(table: u32, kind: u32) -> Bytes {
        let mut message = b"T\0\0\0\x1a\0\x01a\0".to_vec();
        message.extend(table.to_be_bytes());
        message.extend([0, 1]);
        message.extend(kind.to_be_bytes());
        message.extend([0; 8]);
        message.into()
    }

    fn same(one: &[Bytes], other: &[Bytes]) -> bool {
        let normal = |messages: &[Bytes]| {
            let mut normal = Normal::default();
            messages.iter().map(|message| normal.message(message)).collect::<Vec<_>>()
        };
        normal(one) == normal(other)
    }

    #[test]
    fn oids_of_one_run_count_by_order() {
        assert!(same(&[described(20_000, 25)], &[described(30_000, 25)]));
        assert!(same(&[described(20_000, 20_001)], &[described(30_000, 29_000)]));
        assert!(!same(&[described(20_000, 20_000)], &[described(30_000, 29_000)]));
        assert!(!same(&[described(20_000, 25)], &[described(20_000, 23)]));
        assert!(!same(&[described(1259, 25)], &[described(1247, 25)]));
    }

    #[test]
    fn a_correlation_id_and_a_process_do_not_count() {
        let error = |detail: &str| Bytes::from([b"E\0\0\0\0C42501\0D", detail.as_bytes(), b"\0\0"].concat());
        assert!(same(&[error("Grille correlation id ab-1.")], &[error("Grille correlation id cd-2.")]));
        assert!(!same(&[error("Key (a)=(1) exists.")], &[error("Key (a)=(2) exists.")]));
        let notification = |process: u8, payload: &[u8]| {
            Bytes::from([b"A\0\0\0\0\0\0\0", &[process][..], b"c\0", payload, b"\0"].concat())
        };
        assert!(same(&[notification(1, b"x")], &[notification(2, b"x")]));
        assert!(!same(&[notification(1, b"x")], &[notification(1, b"y")]));
    }

    #[test]
    fn what_has_no_layout_is_compared_as_it_is() {
        assert!(!same(&[Bytes::from_static(b"T\0\0\0\x05x")], &[Bytes::from_static(b"T\0\0\0\x05y")]));
    }
}
