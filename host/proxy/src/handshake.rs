//! From a TCP connection to an authenticated client: first packet, TLS, token, role, upstream. Everything is read exactly,
//! and all of it has one deadline.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::BytesMut;
use grille_core::{ClientMessage, Fault, Principal, SqlState, UpstreamName};
use grille_wire::postgres::{
    CancelKey, FirstPacket, HEADER_BYTES, Severity, Startup, decode_first_packet, first_packet_length,
    put_cleartext_password_request, put_error, put_negotiate_protocol_version, take_password,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::identity::TokenVerifier;
use crate::identity::limits::TOKEN_BYTES_MAX;
use crate::startup_parameters;
use crate::tls::ALPN_POSTGRESQL;
use crate::transport::Transport;

/// First byte of a TLS record that carries a handshake (RFC 8446, section 5.1): direct TLS.
const TLS_HANDSHAKE_RECORD: u8 = 0x16;
/// A client asks for encryption at most twice before it starts: GSSAPI, then TLS.
const NEGOTIATIONS_MAX: usize = 2;

/// What a listener offers.
#[derive(Clone)]
pub(crate) struct Offer {
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) plaintext: bool,
}

/// A client whose token was verified.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stream: Transport,
    pub(crate) address: SocketAddr,
    pub(crate) startup: Startup,
    /// Run-time parameters to pass on.
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) principal: Arc<Principal>,
    pub(crate) upstream: UpstreamName,
}

/// What a connection turned out to be.
pub(crate) enum Arrived {
    /// A client with a good token.
    Client(Box<Client>),
    /// A request to cancel.
    Cancel(CancelKey),
    /// Somebody who went away, or never spoke PostgreSQL's protocol.
    Nobody,
}

/// A client that is turned away; it has been told why.
#[derive(Debug)]
pub(crate) struct TurnedAway {
    pub(crate) message: ClientMessage,
    pub(crate) fault: Fault,
    pub(crate) principal: Option<Arc<Principal>>,
}

enum Failed {
    /// The connection broke: nobody is there to be told.
    Io,
    /// To be told and closed.
    Refused(ClientMessage, Fault),
}

impl From<std::io::Error> for Failed {
    fn from(_: std::io::Error) -> Self {
        Self::Io
    }
}

fn refused(state: SqlState, message: impl Into<String>) -> Failed {
    Failed::Refused(ClientMessage::new(state, message), Fault::Client)
}

/// Takes a connection up to a verified token. The caller sets the deadline.
pub(crate) async fn receive(
    tcp: TcpStream,
    address: SocketAddr,
    offer: &Offer,
    verifier: &TokenVerifier,
) -> Result<Arrived, TurnedAway> {
    let (mut stream, packet) = match encrypt(tcp, offer).await {
        Ok(Some(arrived)) => arrived,
        Ok(None) => return Ok(Arrived::Nobody),
        Err(Unencrypted { mut stream, message }) => return Err(turn_away(&mut stream, message).await),
    };
    let startup = match packet {
        FirstPacket::CancelRequest(key) => return Ok(Arrived::Cancel(key)),
        FirstPacket::Startup(startup) => startup,
        FirstPacket::SslRequest | FirstPacket::GssEncryptionRequest => return Ok(Arrived::Nobody),
    };
    match authenticate(&mut stream, &startup, offer, verifier).await {
        Ok((principal, parameters)) => {
            let upstream = UpstreamName::new(
                startup.parameter("database").or(startup.parameter("user")).unwrap_or_default(),
            );
            let principal = Arc::new(principal);
            let client = Client { stream, address, startup, parameters, principal, upstream };
            Ok(Arrived::Client(Box::new(client)))
        }
        Err(Failed::Io) => Ok(Arrived::Nobody),
        Err(Failed::Refused(message, fault)) => {
            let mut away = turn_away(&mut stream, message).await;
            away.fault = fault;
            Err(away)
        }
    }
}

/// Tells a client why it cannot stay.
pub(crate) async fn turn_away(stream: &mut Transport, message: ClientMessage) -> TurnedAway {
    let mut out = BytesMut::new();
    put_error(&mut out, Severity::Fatal, &message);
    // If it no longer listens, it has gone by itself.
    let _ = stream.write_all(&out).await;
    let _ = stream.shutdown().await;
    TurnedAway { message, fault: Fault::Client, principal: None }
}

struct Unencrypted {
    stream: Transport,
    message: ClientMessage,
}

/// Reads first packets until one is not about encryption, and starts TLS when asked.
async fn encrypt(mut tcp: TcpStream, offer: &Offer) -> Result<Option<(Transport, FirstPacket)>, Unencrypted> {
    let mut first = [0];
    if !matches!(tcp.peek(&mut first).await, Ok(1)) {
        return Ok(None);
    }
    if first[0] == TLS_HANDSHAKE_RECORD {
        let Some(acceptor) = &offer.tls else { return Ok(None) };
        let Ok(tls) = acceptor.accept(tcp).await else { return Ok(None) };
        // Without ALPN this could be a browser tricked into talking to us (manual, "SSL Session Encryption").
        if tls.get_ref().1.alpn_protocol() != Some(ALPN_POSTGRESQL) {
            return Ok(None);
        }
        return first_packet_within(Transport::Tls(Box::new(tls.into()))).await;
    }
    for _ in 0..=NEGOTIATIONS_MAX {
        let packet = match read_first_packet(&mut tcp).await {
            Ok(packet) => packet,
            Err(Failed::Io) => return Ok(None),
            Err(Failed::Refused(message, _)) => {
                return Err(Unencrypted { stream: Transport::Plain(tcp), message });
            }
        };
        let answer: &[u8] = match (&packet, &offer.tls) {
            (FirstPacket::SslRequest, Some(acceptor)) => {
                if tcp.write_all(b"S").await.is_err() {
                    return Ok(None);
                }
                let Ok(tls) = acceptor.accept(tcp).await else { return Ok(None) };
                return first_packet_within(Transport::Tls(Box::new(tls.into()))).await;
            }
            (FirstPacket::SslRequest | FirstPacket::GssEncryptionRequest, _) => b"N",
            (FirstPacket::CancelRequest(_) | FirstPacket::Startup(_), _) => {
                return Ok(Some((Transport::Plain(tcp), packet)));
            }
        };
        if tcp.write_all(answer).await.is_err() {
            return Ok(None);
        }
    }
    let message = ClientMessage::new(SqlState::ProtocolViolation, "too many requests for encryption");
    Err(Unencrypted { stream: Transport::Plain(tcp), message })
}

/// The first packet within TLS, where encryption can no longer be asked for.
async fn first_packet_within(mut stream: Transport) -> Result<Option<(Transport, FirstPacket)>, Unencrypted> {
    let message = match read_first_packet(&mut stream).await {
        Ok(packet @ (FirstPacket::Startup(_) | FirstPacket::CancelRequest(_))) => {
            return Ok(Some((stream, packet)));
        }
        Ok(FirstPacket::SslRequest | FirstPacket::GssEncryptionRequest) => {
            ClientMessage::new(SqlState::ProtocolViolation, "the connection is encrypted already")
        }
        Err(Failed::Io) => return Ok(None),
        Err(Failed::Refused(message, _)) => message,
    };
    Err(Unencrypted { stream, message })
}

async fn read_first_packet(stream: &mut (impl AsyncReadExt + Unpin)) -> Result<FirstPacket, Failed> {
    let violation = |error| refused(SqlState::ProtocolViolation, format!("{error}"));
    let mut length = [0; 4];
    stream.read_exact(&mut length).await?;
    let mut packet = vec![0; first_packet_length(length).map_err(violation)?];
    stream.read_exact(&mut packet).await?;
    decode_first_packet(&packet).map_err(violation)
}

async fn authenticate(
    stream: &mut Transport,
    startup: &Startup,
    offer: &Offer,
    verifier: &TokenVerifier,
) -> Result<(Principal, Vec<(String, String)>), Failed> {
    if !stream.is_encrypted() && !offer.plaintext {
        let message = ClientMessage::new(SqlState::InvalidAuthorization, "TLS is required")
            .hint("Connect with sslmode=require, better verify-full.");
        return Err(Failed::Refused(message, Fault::Client));
    }
    let parameters = startup_parameters::vet(&startup.parameters).map_err(|error| {
        let message = ClientMessage::new(SqlState::FeatureNotSupported, error.to_string());
        Failed::Refused(message, Fault::Client)
    })?;
    if startup.parameter("user").is_none_or(str::is_empty) {
        return Err(refused(SqlState::InvalidAuthorization, "no user name was given"));
    }
    let mut out = BytesMut::new();
    if startup.needs_negotiation() {
        put_negotiate_protocol_version(&mut out, startup);
    }
    put_cleartext_password_request(&mut out);
    stream.write_all(&out).await?;
    stream.flush().await?;
    let token = read_token(stream).await?;
    let principal = verifier
        .verify(&token, SystemTime::now())
        .await
        .map_err(|refusal| Failed::Refused(refusal.client_message(), refusal.fault()))?;
    Ok((principal, parameters))
}

async fn read_token(stream: &mut Transport) -> Result<String, Failed> {
    let mut header = [0; HEADER_BYTES];
    stream.read_exact(&mut header).await?;
    let [tag, length @ ..] = header;
    let length = u32::from_be_bytes(length) as usize;
    if tag != b'p' || length < 4 {
        return Err(refused(SqlState::ProtocolViolation, "a password message was expected"));
    }
    // The length counts itself and the closing zero byte.
    if length > TOKEN_BYTES_MAX + 5 {
        return Err(refused(
            SqlState::InvalidPassword,
            format!("the token is too large: at most {TOKEN_BYTES_MAX} bytes are accepted"),
        ));
    }
    let mut message = vec![0; length + 1];
    message[..HEADER_BYTES].copy_from_slice(&header);
    stream.read_exact(&mut message[HEADER_BYTES..]).await?;
    match take_password(&message) {
        Some(token) if !token.is_empty() => Ok(token.to_owned()),
        Some(_) => Err(Failed::Refused(
            ClientMessage::new(SqlState::InvalidPassword, "no token was given")
                .hint("Send an OIDC access token as the password."),
            Fault::Client,
        )),
        None => Err(refused(SqlState::ProtocolViolation, "the password message is malformed")),
    }
}
