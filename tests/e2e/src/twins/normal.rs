//! What may differ between twins without telling anything of their values: cancel keys, process ids, the numbers that Grille gives its
//! answers, and OIDs of what a session itself has made, which the server counts across databases.

use crate::Message;

/// Bytes of a field in RowDescription after its name.
const FIELD_BYTES: usize = 18;

/// The message as it would be if chance had no part in it. OIDs above `newest_oid` were given during the session.
pub(super) fn normal(message: Message, newest_oid: u32) -> Message {
    let mut message = message.without_correlation();
    match message.tag {
        'K' => message.body.clear(),
        // NotificationResponse begins with the notifying process.
        'A' => message.body.iter_mut().take(4).for_each(|byte| *byte = 0),
        'T' => blank_oids(&mut message.body, newest_oid),
        _ => {}
    }
    message
}

/// A field (manual, "RowDescription"): name, table's OID, attribute's number, type's OID, and 8 bytes more.
fn blank_oids(body: &mut [u8], newest_oid: u32) {
    let mut at = 2;
    while let Some(end) = body[at..].iter().position(|byte| *byte == 0).map(|length| at + length + 1) {
        for place in [end, end + 6] {
            let Some(oid) = body.get_mut(place..place + 4) else { return };
            if u32::from_be_bytes([oid[0], oid[1], oid[2], oid[3]]) > newest_oid {
                oid.fill(0xff);
            }
        }
        at = end + FIELD_BYTES;
        if at > body.len() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tag: char, body: &[u8], expected: &[u8]) {
        let normal = normal(Message { tag, body: body.to_vec() }, 20_000);
        assert_eq!(normal.body, expected, "{tag}");
    }

    #[test]
    fn only_what_chance_decides_is_made_the_same() {
        check('K', b"12345678", b"");
        check('A', b"\0\x01\x02\x03news\0x\0", b"\0\0\0\0news\0x\0");
        check('D', b"\x4e\x21\x00", b"\x4e\x21\x00");
        check('E', b"Mx\0DGrille correlation id ab-7.\0Hy\0", b"Mx\0DGrille correlation id .....\0Hy\0");
        let field = |table: [u8; 4], kind: [u8; 4]| {
            [
                b"\0\x02name\0".as_slice(),
                &table,
                &[0, 1],
                &kind,
                &[9; 8],
                b"n\0",
                &table,
                &[0, 2],
                &kind,
                &[9; 8],
            ]
            .concat()
        };
        let (known, new, blank) = ([0, 0, 0x4e, 0x20], [0, 0, 0x4e, 0x21], [0xff; 4]);
        check('T', &field(known, known), &field(known, known));
        check('T', &field(new, known), &field(blank, known));
        check('T', &field(known, new), &field(known, blank));
    }
}
