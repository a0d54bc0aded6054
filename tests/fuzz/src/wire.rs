//! Messages of PostgreSQL's protocol, written and taken apart without the code under test.

/// Bytes of a message before its body.
pub const HEADER_BYTES: usize = 5;

/// A message: its tag, its length, its body.
pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("inputs are short");
    [&[tag][..], &length.to_be_bytes(), body].concat()
}

/// A message whose body is texts, each with its zero byte.
pub fn texts(tag: u8, texts: &[&[u8]]) -> Vec<u8> {
    message(tag, &texts.iter().flat_map(|text| [*text, b"\0"].concat()).collect::<Vec<_>>())
}

/// The body of a whole message.
pub fn body(message: &[u8]) -> &[u8] {
    &message[HEADER_BYTES..]
}

/// The `index`-th zero-terminated text of a message's body, which has it.
pub fn text(message: &[u8], index: usize) -> &[u8] {
    body(message).split(|byte| *byte == 0).nth(index).expect("the relay forwards whole messages only")
}

/// Takes whole messages off the front of a stream.
pub fn take_messages(stream: &mut Vec<u8>) -> Vec<Vec<u8>> {
    let mut taken = Vec::new();
    while let Some(header) = stream.first_chunk::<HEADER_BYTES>() {
        let [_, length @ ..] = *header;
        let total = 1 + u32::from_be_bytes(length) as usize;
        if stream.len() < total {
            break;
        }
        taken.push(stream.drain(..total).collect());
    }
    taken
}

/// A DataRow of these cells.
pub fn row(cells: &[&[u8]]) -> Vec<u8> {
    let mut body = u16::try_from(cells.len()).expect("few").to_be_bytes().to_vec();
    for cell in cells {
        body.extend(u32::try_from(cell.len()).expect("short").to_be_bytes());
        body.extend_from_slice(cell);
    }
    message(b'D', &body)
}

/// CopyInResponse or CopyOutResponse, by its tag, of `columns` columns; `format` is 0 for text and 1 for binary.
pub fn copy_response(tag: u8, format: u8, columns: u8) -> Vec<u8> {
    message(tag, &[&[format, 0, columns][..], &[0, format].repeat(columns.into())].concat())
}

/// A RowDescription of `columns` columns of type text, in text format.
pub fn row_description(columns: u8) -> Vec<u8> {
    let mut body = u16::from(columns).to_be_bytes().to_vec();
    for _ in 0..columns {
        body.extend_from_slice(b"c\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0");
    }
    message(b'T', &body)
}

/// An ErrorResponse or NoticeResponse, by its tag.
pub fn report(tag: u8, state: &[u8; 5], text: &[u8]) -> Vec<u8> {
    message(tag, &[&b"SERROR\0C"[..], state, b"\0M", text, b"\0\0"].concat())
}
