//! What comes before a session: the first packet, and the messages of authentication that Grille's server side makes.
//!
//! The first packet has no tag. It is read exactly: four bytes of length, then that much, so that nothing is ever buffered
//! behind an SSLRequest (CVE-2021-23214, CVE-2021-23222). Manual, "Start-up" and "SSL Session Encryption".

use bytes::{BufMut, BytesMut};

use super::frame::{Body, put};

/// Longest first packet: `MAX_STARTUP_PACKET_LENGTH` (src/include/libpq/pqcomm.h).
const STARTUP_BYTES_MAX: u32 = 10_000;
/// Longest cancel secret (protocol 3.2; manual, "CancelRequest").
const CANCEL_SECRET_BYTES_MAX: usize = 256;

/// Protocol version 3.0.
pub const PROTOCOL_3_0: u32 = 3 << 16;
/// Protocol version 3.2 (PostgreSQL 18): longer cancel keys.
pub const PROTOCOL_3_2: u32 = 3 << 16 | 2;

const CANCEL_REQUEST: u32 = 1234 << 16 | 5678;
const SSL_REQUEST: u32 = 1234 << 16 | 5679;
const GSS_ENCRYPTION_REQUEST: u32 = 1234 << 16 | 5680;

/// The first packet of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstPacket {
    /// The client asks whether it may start TLS.
    SslRequest,
    /// The client asks whether it may start GSSAPI encryption.
    GssEncryptionRequest,
    /// A connection of its own that asks to cancel what another is doing.
    CancelRequest(CancelKey),
    /// A session.
    Startup(Startup),
}

/// What identifies a session to whoever may cancel its statements.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CancelKey {
    /// The "process id": here any number.
    pub process: u32,
    /// 4 bytes up to protocol 3.0, 4 to 256 from 3.2 on.
    pub secret: Box<[u8]>,
}

impl std::fmt::Debug for CancelKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelKey").field("process", &self.process).finish_non_exhaustive()
    }
}

/// A StartupMessage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Startup {
    /// Major version in the upper 16 bits (always 3), minor in the lower.
    pub protocol: u32,
    /// Parameters in the order given, `user` and `database` among them, protocol options (`_pq_.…`) not.
    pub parameters: Vec<(String, String)>,
    /// Names of protocol options asked for; none is supported.
    pub options: Vec<String>,
}

impl Startup {
    /// The last value given for a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The version spoken in this session: the newest that both sides know. 3.1 was never released.
    pub fn agreed_protocol(&self) -> u32 {
        if self.protocol >= PROTOCOL_3_2 { PROTOCOL_3_2 } else { PROTOCOL_3_0 }
    }

    /// Whether the client must be told that it asked for more than there is.
    pub fn needs_negotiation(&self) -> bool {
        self.protocol != self.agreed_protocol() || !self.options.is_empty()
    }
}

/// The first packet cannot be what it must be. The connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartupError {
    /// Its length is too small for any request or over the limit: most likely not PostgreSQL's protocol.
    #[error("a first packet of {0} bytes is not PostgreSQL's protocol")]
    Length(u32),
    /// A protocol version that is not 3.x.
    #[error("protocol version {}.{} is not supported: use 3.0 or later", .0 >> 16, .0 & 0xffff)]
    Version(u32),
    /// Its layout is wrong, or a text is not UTF-8.
    #[error("the startup packet is malformed")]
    Malformed,
}

/// How many bytes follow the length of the first packet: `4 <= n <= 9996`.
///
/// # Errors
/// When the length cannot be that of a first packet.
pub fn first_packet_length(length: [u8; 4]) -> Result<usize, StartupError> {
    match u32::from_be_bytes(length) {
        length @ 8..=STARTUP_BYTES_MAX => Ok(length as usize - 4),
        length => Err(StartupError::Length(length)),
    }
}

/// Decodes what follows the length of the first packet.
///
/// # Errors
/// When it is none of the four.
pub fn decode_first_packet(packet: &[u8]) -> Result<FirstPacket, StartupError> {
    let (code, rest) = packet.split_first_chunk::<4>().ok_or(StartupError::Malformed)?;
    match u32::from_be_bytes(*code) {
        SSL_REQUEST if rest.is_empty() => Ok(FirstPacket::SslRequest),
        GSS_ENCRYPTION_REQUEST if rest.is_empty() => Ok(FirstPacket::GssEncryptionRequest),
        CANCEL_REQUEST => decode_cancel(rest).map(FirstPacket::CancelRequest),
        SSL_REQUEST | GSS_ENCRYPTION_REQUEST => Err(StartupError::Malformed),
        version if version >> 16 == 3 => decode_startup(version, rest).map(FirstPacket::Startup),
        version => Err(StartupError::Version(version)),
    }
}

fn decode_cancel(rest: &[u8]) -> Result<CancelKey, StartupError> {
    let (process, secret) = rest.split_first_chunk::<4>().ok_or(StartupError::Malformed)?;
    if !(4..=CANCEL_SECRET_BYTES_MAX).contains(&secret.len()) {
        return Err(StartupError::Malformed);
    }
    Ok(CancelKey { process: u32::from_be_bytes(*process), secret: secret.into() })
}

fn decode_startup(protocol: u32, mut rest: &[u8]) -> Result<Startup, StartupError> {
    let mut startup = Startup { protocol, parameters: Vec::new(), options: Vec::new() };
    loop {
        let name = take_text(&mut rest)?;
        if name.is_empty() {
            return if rest.is_empty() { Ok(startup) } else { Err(StartupError::Malformed) };
        }
        let value = take_text(&mut rest)?;
        if name.starts_with("_pq_.") {
            startup.options.push(name);
        } else {
            startup.parameters.push((name, value));
        }
    }
}

fn take_text(rest: &mut &[u8]) -> Result<String, StartupError> {
    let end = memchr::memchr(0, rest).ok_or(StartupError::Malformed)?;
    let text = std::str::from_utf8(&rest[..end]).map_err(|_| StartupError::Malformed)?;
    *rest = &rest[end + 1..];
    Ok(text.to_owned())
}

/// Reads the password out of a whole PasswordMessage; none if it is another message or not UTF-8.
pub fn take_password(message: &[u8]) -> Option<&str> {
    let header = super::frame::header(message).ok()??;
    if header.tag != b'p' || header.total != message.len() {
        return None;
    }
    let mut body = Body::of(message);
    let password = std::str::from_utf8(body.string().ok()?).ok()?;
    body.end().ok()?;
    Some(password)
}

/// Writes a NegotiateProtocolVersion: the newest version known here and the options that are not.
pub fn put_negotiate_protocol_version(out: &mut BytesMut, startup: &Startup) {
    put(out, b'v', |out| {
        out.put_u32(startup.agreed_protocol());
        out.put_u32(u32::try_from(startup.options.len()).expect("a startup packet is short"));
        for option in &startup.options {
            put_text(out, option);
        }
    });
}

/// Writes an AuthenticationCleartextPassword: inside TLS, where the token travels.
pub fn put_cleartext_password_request(out: &mut BytesMut) {
    put(out, b'R', |out| out.put_u32(3));
}

/// Writes an AuthenticationOk.
pub fn put_authentication_ok(out: &mut BytesMut) {
    put(out, b'R', |out| out.put_u32(0));
}

/// Writes a BackendKeyData with a key of ours.
pub fn put_backend_key(out: &mut BytesMut, key: &CancelKey) {
    put(out, b'K', |out| {
        out.put_u32(key.process);
        out.extend_from_slice(&key.secret);
    });
}

/// Writes a ParameterStatus.
pub fn put_parameter_status(out: &mut BytesMut, name: &str, value: &str) {
    put(out, b'S', |out| {
        put_text(out, name);
        put_text(out, value);
    });
}

/// Writes a ReadyForQuery with no transaction open.
pub fn put_ready_for_query(out: &mut BytesMut) {
    put(out, b'Z', |out| out.put_u8(b'I'));
}

fn put_text(out: &mut BytesMut, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.put_u8(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(code: u32, rest: &[u8]) -> Vec<u8> {
        [&code.to_be_bytes(), rest].concat()
    }

    #[test]
    fn each_kind_of_first_packet_is_told_apart() {
        let check =
            |code, rest: &[u8], expected| assert_eq!(decode_first_packet(&packet(code, rest)), expected);
        check(SSL_REQUEST, b"", Ok(FirstPacket::SslRequest));
        check(GSS_ENCRYPTION_REQUEST, b"", Ok(FirstPacket::GssEncryptionRequest));
        check(SSL_REQUEST, b"x", Err(StartupError::Malformed));
        check(2 << 16, b"", Err(StartupError::Version(2 << 16)));
        let key = CancelKey { process: 7, secret: (*b"abcd").into() };
        check(CANCEL_REQUEST, b"\0\0\0\x07abcd", Ok(FirstPacket::CancelRequest(key)));
        check(CANCEL_REQUEST, b"\0\0\0\x07abc", Err(StartupError::Malformed));
        let startup = Startup {
            protocol: PROTOCOL_3_0,
            parameters: vec![("user".into(), "ada".into())],
            options: vec!["_pq_.x".into()],
        };
        check(PROTOCOL_3_0, b"user\0ada\0_pq_.x\x001\0\0", Ok(FirstPacket::Startup(startup)));
        for rest in
            [&b""[..], b"user", b"user\0", b"user\0ada", b"user\0ada\0", b"user\0ada\0\0x", b"us\xff\0a\0\0"]
        {
            check(PROTOCOL_3_0, rest, Err(StartupError::Malformed));
        }
    }

    #[test]
    fn a_length_that_no_first_packet_has_is_refused() {
        for length in [0, 7, 10_001, u32::MAX] {
            assert_eq!(first_packet_length(length.to_be_bytes()), Err(StartupError::Length(length)));
        }
        assert_eq!(first_packet_length(8_u32.to_be_bytes()), Ok(4));
    }

    #[test]
    fn the_newest_common_version_is_spoken() {
        let check = |protocol, agreed, negotiates| {
            let startup = Startup { protocol, parameters: vec![], options: vec![] };
            assert_eq!((startup.agreed_protocol(), startup.needs_negotiation()), (agreed, negotiates));
        };
        check(PROTOCOL_3_0, PROTOCOL_3_0, false);
        check(PROTOCOL_3_2, PROTOCOL_3_2, false);
        check(PROTOCOL_3_2 + 7, PROTOCOL_3_2, true);
        check(PROTOCOL_3_0 + 1, PROTOCOL_3_0, true);
    }

    #[test]
    fn only_a_whole_password_message_has_a_password() {
        assert_eq!(take_password(b"p\0\0\0\x07ab\0"), Some("ab"));
        for message in
            [&b"q\0\0\0\x07ab\0"[..], b"p\0\0\0\x07ab", b"p\0\0\0\x08ab\0\0", b"p\0\0\0\x06ab", b"p"]
        {
            assert_eq!(take_password(message), None);
        }
    }
}
