//! `client_encoding`: a client's bytes to the text that is analysed, and masked text back to the client's bytes.
//!
//! Analysis must not read other letters than the server does. So decoding is strict: a byte sequence that is not valid is
//! refused and never replaced, and where the WHATWG encoding of that name differs from PostgreSQL's, the bytes in which
//! they differ are either converted here by hand or refused.

use std::borrow::Cow;

use encoding_rs::Encoding;

/// A client encoding of PostgreSQL (manual, section 23.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextEncoding {
    name: String,
    scheme: Option<Scheme>,
}

/// Text and bytes do not go together. The client's fault, or that of its choice of encoding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodingError {
    /// The bytes are not text in the client's encoding.
    #[error("the text is not valid in the client encoding {encoding}")]
    Invalid {
        /// PostgreSQL's name of it.
        encoding: String,
    },
    /// Only ASCII can be read in this encoding.
    #[error("the client encoding {encoding} is not supported; use UTF8")]
    Unsupported {
        /// As it was given.
        encoding: String,
    },
}

/// How bytes beyond ASCII are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Utf8,
    /// ISO 8859-1, with its 32 control characters; WHATWG reads that name as windows-1252.
    Latin1,
    /// ISO 8859-9, which is ISO 8859-1 with six letters exchanged; WHATWG reads that name as windows-1254.
    Latin5,
    Whatwg(&'static Encoding),
    /// Whatwg, but for these bytes, which PostgreSQL reads in another way.
    WhatwgExcept(&'static Encoding, &'static [u8]),
}

/// The letters of ISO 8859-9 that ISO 8859-1 has not.
const LATIN5: [(u8, char); 6] =
    [(0xD0, 'Ğ'), (0xDD, 'İ'), (0xDE, 'Ş'), (0xF0, 'ğ'), (0xFD, 'ı'), (0xFE, 'ş')];

/// WHATWG's KOI8-U has Belarusian letters where RFC 2319, and so PostgreSQL, has box drawings.
const KOI8U_BOXES: &[u8] = &[0xAE, 0xBE];

/// PostgreSQL's names, cleaned as it cleans them, and their aliases. Missing are those that no WHATWG encoding stands for:
/// EUC_TW, EUC_JIS_2004, SHIFT_JIS_2004, JOHAB, MULE_INTERNAL.
const SCHEMES: [(&str, Scheme); 49] = [
    // Text of any encoding, as far as the server knows; UTF-8 is the only one that shows itself to be what it is.
    ("sqlascii", Scheme::Utf8),
    ("utf8", Scheme::Utf8),
    ("unicode", Scheme::Utf8),
    ("latin1", Scheme::Latin1),
    ("iso88591", Scheme::Latin1),
    ("latin2", Scheme::Whatwg(encoding_rs::ISO_8859_2)),
    ("iso88592", Scheme::Whatwg(encoding_rs::ISO_8859_2)),
    ("latin3", Scheme::Whatwg(encoding_rs::ISO_8859_3)),
    ("iso88593", Scheme::Whatwg(encoding_rs::ISO_8859_3)),
    ("latin4", Scheme::Whatwg(encoding_rs::ISO_8859_4)),
    ("iso88594", Scheme::Whatwg(encoding_rs::ISO_8859_4)),
    ("latin5", Scheme::Latin5),
    ("iso88599", Scheme::Latin5),
    ("latin6", Scheme::Whatwg(encoding_rs::ISO_8859_10)),
    ("iso885910", Scheme::Whatwg(encoding_rs::ISO_8859_10)),
    ("latin7", Scheme::Whatwg(encoding_rs::ISO_8859_13)),
    ("iso885913", Scheme::Whatwg(encoding_rs::ISO_8859_13)),
    ("latin8", Scheme::Whatwg(encoding_rs::ISO_8859_14)),
    ("iso885914", Scheme::Whatwg(encoding_rs::ISO_8859_14)),
    ("latin9", Scheme::Whatwg(encoding_rs::ISO_8859_15)),
    ("iso885915", Scheme::Whatwg(encoding_rs::ISO_8859_15)),
    ("latin10", Scheme::Whatwg(encoding_rs::ISO_8859_16)),
    ("iso885916", Scheme::Whatwg(encoding_rs::ISO_8859_16)),
    ("iso88595", Scheme::Whatwg(encoding_rs::ISO_8859_5)),
    ("iso88596", Scheme::Whatwg(encoding_rs::ISO_8859_6)),
    ("iso88597", Scheme::Whatwg(encoding_rs::ISO_8859_7)),
    ("iso88598", Scheme::Whatwg(encoding_rs::ISO_8859_8)),
    ("win866", Scheme::Whatwg(encoding_rs::IBM866)),
    ("win874", Scheme::Whatwg(encoding_rs::WINDOWS_874)),
    ("win1250", Scheme::Whatwg(encoding_rs::WINDOWS_1250)),
    ("win1251", Scheme::Whatwg(encoding_rs::WINDOWS_1251)),
    ("win", Scheme::Whatwg(encoding_rs::WINDOWS_1251)),
    ("win1252", Scheme::Whatwg(encoding_rs::WINDOWS_1252)),
    ("win1253", Scheme::Whatwg(encoding_rs::WINDOWS_1253)),
    ("win1254", Scheme::Whatwg(encoding_rs::WINDOWS_1254)),
    ("win1255", Scheme::Whatwg(encoding_rs::WINDOWS_1255)),
    ("win1256", Scheme::Whatwg(encoding_rs::WINDOWS_1256)),
    ("win1257", Scheme::Whatwg(encoding_rs::WINDOWS_1257)),
    ("win1258", Scheme::Whatwg(encoding_rs::WINDOWS_1258)),
    ("koi8r", Scheme::Whatwg(encoding_rs::KOI8_R)),
    ("koi8u", Scheme::WhatwgExcept(encoding_rs::KOI8_U, KOI8U_BOXES)),
    ("eucjp", Scheme::Whatwg(encoding_rs::EUC_JP)),
    ("sjis", Scheme::Whatwg(encoding_rs::SHIFT_JIS)),
    ("euckr", Scheme::Whatwg(encoding_rs::EUC_KR)),
    ("uhc", Scheme::Whatwg(encoding_rs::EUC_KR)),
    ("euccn", Scheme::Whatwg(encoding_rs::GBK)),
    ("gbk", Scheme::Whatwg(encoding_rs::GBK)),
    ("gb18030", Scheme::Whatwg(encoding_rs::GB18030)),
    ("big5", Scheme::Whatwg(encoding_rs::BIG5)),
];

impl TextEncoding {
    /// As it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the client's bytes are the text, or nothing at all.
    pub fn is_utf8(&self) -> bool {
        self.scheme == Some(Scheme::Utf8)
    }

    /// By its name, as a client or the server's ParameterStatus `client_encoding` gives it; case and punctuation do not
    /// count. One that is not known reads ASCII only.
    pub fn new(name: &str) -> Self {
        let clean: String =
            name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        let scheme = SCHEMES.iter().find(|(known, _)| *known == clean).map(|(_, scheme)| *scheme);
        Self { name: name.to_owned(), scheme }
    }

    /// The text that the bytes are. ASCII is itself in every encoding, and borrowed.
    ///
    /// # Errors
    /// When the bytes are not valid in the encoding, or not ASCII and the encoding is not supported.
    pub fn decode<'b>(&self, bytes: &'b [u8]) -> Result<Cow<'b, str>, EncodingError> {
        // The most frequent encoding is the text itself, which takes one look and not two.
        if (self.is_utf8() || bytes.is_ascii())
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            return Ok(Cow::Borrowed(text));
        }
        let scheme = self.scheme.ok_or_else(|| EncodingError::Unsupported { encoding: self.name.clone() })?;
        scheme.decode(bytes).ok_or_else(|| EncodingError::Invalid { encoding: self.name.clone() })
    }

    /// The text's bytes; `None` if the encoding has not all of its characters.
    pub fn encode(&self, text: &str) -> Option<Vec<u8>> {
        if text.is_ascii() {
            return Some(text.as_bytes().to_vec());
        }
        self.scheme?.encode(text)
    }
}

impl Scheme {
    fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Self::Utf8 => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Self::Latin1 => Some(bytes.iter().map(|&byte| char::from(byte)).collect()),
            Self::Latin5 => Some(bytes.iter().map(|&byte| latin5(byte)).collect()),
            Self::Whatwg(encoding) => encoding.decode_without_bom_handling_and_without_replacement(bytes),
            Self::WhatwgExcept(_, other) if bytes.iter().any(|byte| other.contains(byte)) => None,
            Self::WhatwgExcept(encoding, _) => Self::Whatwg(encoding).decode(bytes),
        }
    }

    fn encode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Utf8 => Some(text.as_bytes().to_vec()),
            Self::Latin1 => text.chars().map(|c| u8::try_from(c).ok()).collect(),
            Self::Latin5 => text.chars().map(latin5_byte).collect(),
            Self::Whatwg(encoding) => {
                let (bytes, _, replaced) = encoding.encode(text);
                // Some encoders write a character that their decoder reads as another.
                let same = !replaced && self.decode(&bytes).is_some_and(|back| back == text);
                same.then(|| bytes.into_owned())
            }
            Self::WhatwgExcept(encoding, other) => Self::Whatwg(encoding)
                .encode(text)
                .filter(|bytes| !bytes.iter().any(|byte| other.contains(byte))),
        }
    }
}

fn latin5(byte: u8) -> char {
    LATIN5.iter().find(|(at, _)| *at == byte).map_or(char::from(byte), |(_, letter)| *letter)
}

fn latin5_byte(letter: char) -> Option<u8> {
    match LATIN5.iter().find(|(_, known)| *known == letter) {
        Some((byte, _)) => Some(*byte),
        None => u8::try_from(letter).ok().filter(|byte| LATIN5.iter().all(|(at, _)| at != byte)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(name: &str, bytes: &[u8], expected: Option<&str>) {
        let text = TextEncoding::new(name).decode(bytes);
        assert_eq!(text.as_deref().ok(), expected, "{name} {bytes:x?}");
    }

    #[test]
    fn what_is_not_valid_is_refused() {
        check("UTF8", b"\xff", None);
        check("UTF8", b"\xed\xa0\x80", None);
        check("UTF8", b"\xc0\x80", None);
        check("SQL_ASCII", b"\xe9", None);
        check("EUC_JP", b"\xa4", None);
        check("SJIS", b"\x83\x27", None);
        check("GBK", b"\xa3", None);
        check("WIN1253", b"\xd2", None);
        check("KOI8U", b"\xae", None);
    }

    #[test]
    fn an_encoding_that_is_not_known_reads_ascii_only() {
        for name in ["EUC_TW", "JOHAB", "MULE_INTERNAL", "SHIFT_JIS_2004", "EUC_JIS_2004", "", "klingon"] {
            check(name, b"SELECT 1", Some("SELECT 1"));
            let refused = TextEncoding::new(name).decode(b"\xc3\xa9").expect_err(name);
            assert_eq!(refused, EncodingError::Unsupported { encoding: name.to_owned() });
            assert_eq!(TextEncoding::new(name).encode("é"), None);
        }
    }

    #[test]
    fn letters_are_those_that_the_server_reads() {
        check("UTF8", "é".as_bytes(), Some("é"));
        check("utf-8", "é".as_bytes(), Some("é"));
        check("UNICODE", "é".as_bytes(), Some("é"));
        check("SQL_ASCII", "é".as_bytes(), Some("é"));
        check("LATIN1", b"\xe9\x80\x9f\xff", Some("é\u{80}\u{9f}ÿ"));
        check("WIN1252", b"\xe9\x80", Some("é€"));
        check("LATIN5", b"\xfd\xdd\x80", Some("ıİ\u{80}"));
        check("LATIN9", b"\xa4", Some("€"));
        check("KOI8R", b"\xc1", Some("а"));
        check("WIN1251", b"\xe0", Some("а"));
        check("EUC_JP", b"\xa4\xa2", Some("あ"));
        // The second byte of ソ is a backslash: reading bytes as ASCII would see an escape.
        check("SJIS", b"\x83\x5c", Some("ソ"));
        check("BIG5", b"\xa7\x41", Some("你"));
        check("GBK", b"\xc4\xe3", Some("你"));
        check("UHC", b"\xb0\xa1", Some("가"));
    }

    #[test]
    fn text_that_the_encoding_has_not_is_none() {
        let encode = |name: &str, text: &str| TextEncoding::new(name).encode(text);
        assert_eq!(encode("LATIN1", "€"), None);
        assert_eq!(encode("LATIN5", "ð"), None);
        assert_eq!(encode("WIN1252", "あ"), None);
        assert_eq!(encode("KOI8U", "ў"), None);
        assert_eq!(encode("SJIS", "***"), Some(b"***".to_vec()));
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(scheme in 0..SCHEMES.len(), text in "\\PC{0,8}") {
            let encoding = TextEncoding::new(SCHEMES[scheme].0);
            if let Some(bytes) = encoding.encode(&text) {
                prop_assert_eq!(encoding.decode(&bytes).expect("valid"), text);
            }
        }
    }
}
