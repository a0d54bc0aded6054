//! The session's `client_encoding`: texts are worked on in UTF-8 and written in what the client speaks.

use std::borrow::Cow;

use crate::sql::TextEncoding;

use super::plan::{Malformed, Masked};

/// The encoding that the texts of a cell are in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Charset<'a> {
    /// UTF-8, which nearly every session has.
    Utf8,
    /// Another one. All of PostgreSQL's client encodings contain ASCII.
    Other(&'a TextEncoding),
}

impl Charset<'_> {
    pub(super) fn decode(self, bytes: &[u8]) -> Result<Cow<'_, str>, Malformed> {
        match self {
            Self::Utf8 => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Malformed),
            Self::Other(encoding) => encoding.decode(bytes).map_err(|_| Malformed),
        }
    }

    /// Decodes the bytes and appends what is made of them, encoded; what cannot be encoded is NULL.
    pub(super) fn rewrite(
        self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        rewrite: impl FnOnce(&str, &mut Vec<u8>) -> Result<Masked, Malformed>,
    ) -> Result<Masked, Malformed> {
        let text = self.decode(bytes)?;
        let encoding = match self {
            Self::Utf8 => return rewrite(&text, out),
            Self::Other(encoding) => encoding,
        };
        let mut utf8 = Vec::new();
        let masked = rewrite(&text, &mut utf8)?;
        let rewritten = std::str::from_utf8(&utf8).map_err(|_| Malformed)?;
        match (masked, encoding.encode(rewritten)) {
            (Masked::Value, Some(encoded)) => {
                out.extend_from_slice(&encoded);
                Ok(Masked::Value)
            }
            (Masked::Value, None) | (Masked::Null, _) => Ok(Masked::Null),
        }
    }
}
