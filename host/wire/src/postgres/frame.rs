//! Walking message headers: a tag, a length that counts itself, a body (PostgreSQL manual, "Message Formats").

use bytes::{Buf, BytesMut};

use super::Violation;

/// Bytes of a message before its body.
pub const HEADER_BYTES: usize = 5;

/// A message whose header has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) tag: u8,
    /// Of the whole message with its header: `HEADER_BYTES <= total`.
    pub(crate) total: usize,
}

/// Reads the header at the start of `bytes`; none if it has not arrived whole.
///
/// # Errors
/// A length that does not even count itself. Upper limits are the caller's: they depend on the tag.
pub(crate) fn header(bytes: &[u8]) -> Result<Option<Header>, Violation> {
    let [tag, a, b, c, d, ..] = *bytes else { return Ok(None) };
    let length = u32::from_be_bytes([a, b, c, d]);
    // The field is signed on the wire: what is negative there is larger than any limit here.
    if length < 4 || length > i32::MAX as u32 {
        return Err(Violation::BadLength { tag, length });
    }
    Ok(Some(Header { tag, total: length as usize + 1 }))
}

/// Appends a message: `body` writes what follows the length.
pub(crate) fn put(out: &mut BytesMut, tag: u8, body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.extend_from_slice(&[tag, 0, 0, 0, 0]);
    body(out);
    let length = u32::try_from(out.len() - start - 1).expect("messages made here are short");
    out[start + 1..start + HEADER_BYTES].copy_from_slice(&length.to_be_bytes());
}

/// Reads the fields of a body in order, never past its end.
pub(crate) struct Body<'b> {
    tag: u8,
    rest: &'b [u8],
}

impl<'b> Body<'b> {
    /// The body of a whole message.
    pub(crate) fn of(message: &'b [u8]) -> Self {
        Self { tag: message[0], rest: &message[HEADER_BYTES..] }
    }

    pub(crate) fn tag(&self) -> u8 {
        self.tag
    }

    fn short(&self) -> Violation {
        Violation::Malformed { tag: self.tag }
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'b [u8], Violation> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| self.short())?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Violation> {
        Ok(self.bytes(1)?[0])
    }

    pub(crate) fn i16(&mut self) -> Result<i16, Violation> {
        Ok(self.bytes(2)?.get_i16())
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Violation> {
        Ok(self.bytes(4)?.get_i32())
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Violation> {
        Ok(self.bytes(4)?.get_u32())
    }

    /// A count of items that follow: never negative.
    pub(crate) fn count(&mut self) -> Result<usize, Violation> {
        usize::try_from(self.i16()?).map_err(|_| self.short())
    }

    /// A string up to its zero byte, without it.
    pub(crate) fn string(&mut self) -> Result<&'b [u8], Violation> {
        let end = memchr::memchr(0, self.rest).ok_or_else(|| self.short())?;
        let text = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Ok(text)
    }

    /// A value with its length before it; none for NULL.
    pub(crate) fn value(&mut self) -> Result<Option<&'b [u8]>, Violation> {
        match self.i32()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| self.short())?;
                self.bytes(length).map(Some)
            }
        }
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), Violation> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.short()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_once_it_is_whole() {
        let message = [b'Q', 0, 0, 0, 6, b'x', 0];
        for cut in 0..HEADER_BYTES {
            assert_eq!(header(&message[..cut]), Ok(None));
        }
        assert_eq!(header(&message), Ok(Some(Header { tag: b'Q', total: 7 })));
    }

    #[test]
    fn a_length_that_cannot_be_is_refused() {
        for length in [0_u32, 3, 0x8000_0000, u32::MAX] {
            let mut message = vec![b'Q'];
            message.extend_from_slice(&length.to_be_bytes());
            assert_eq!(header(&message), Err(Violation::BadLength { tag: b'Q', length }));
        }
    }

    #[test]
    fn a_body_is_never_read_past_its_end() {
        let mut body = Body::of(&[b'D', 0, 0, 0, 8, 0, 0, 0, 9]);
        assert_eq!(body.value(), Err(Violation::Malformed { tag: b'D' }));
        let mut body = Body::of(&[b'Q', 0, 0, 0, 6, b'x', b'y']);
        assert_eq!(body.string(), Err(Violation::Malformed { tag: b'Q' }));
    }
}
