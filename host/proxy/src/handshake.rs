//! From a TCP connection to an authenticated client: first packet, TLS, token, role, upstream. Everything is read exactly,
//! and all of it has one deadline.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::BytesMut;
use grille_core::{ClientMessage, Fault, Principal, SqlState, UpstreamName};
use grille_wire::postgres::{
    BEARER_OVERHEAD_BYTES_MAX, BearerError, BearerRequest, CancelKey, FirstPacket, HEADER_BYTES, Severity,
    Startup, decode_first_packet, first_packet_length, put_bearer_refusal, put_bearer_request,
    put_cleartext_password_request, put_error, put_negotiate_protocol_version, take_bearer_farewell,
    take_bearer_request, take_password,
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::identity::TokenVerifier;
use crate::identity::limits::TOKEN_BYTES_MAX;
use crate::settings::{ClientAuthentication, OauthAdvice};
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
    pub(crate) authentication: ClientAuthentication,
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
    Cancel {
        /// What to cancel.
        key: CancelKey,
        /// To be held until the upstream has been asked: a client takes its end as the sign that a signal cannot come any
        /// more, and sends its next statement.
        stream: Transport,
    },
    /// Somebody who went away, never spoke PostgreSQL's protocol, or only asked where tokens come from.
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
    /// The client has asked where to get a token, and has been told; it will come back with one.
    Advised(ClientMessage),
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
        FirstPacket::CancelRequest(key) => return Ok(Arrived::Cancel { key, stream }),
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
        Err(Failed::Advised(message)) => {
            turn_away(&mut stream, message).await;
            Ok(Arrived::Nobody)
        }
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
            Err(Failed::Refused(message, _) | Failed::Advised(message)) => {
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
        Err(Failed::Refused(message, _) | Failed::Advised(message)) => message,
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
    let principal = match &offer.authentication {
        ClientAuthentication::Password => {
            put_cleartext_password_request(&mut out);
            send(stream, &out).await?;
            let token = read_token(stream).await?;
            verify(verifier, &token).await?
        }
        ClientAuthentication::OauthBearer(advice) => {
            put_bearer_request(&mut out);
            send(stream, &out).await?;
            take_bearer(stream, advice, verifier).await?
        }
    };
    Ok((principal, parameters))
}

async fn send(stream: &mut Transport, message: &[u8]) -> Result<(), Failed> {
    stream.write_all(message).await?;
    Ok(stream.flush().await?)
}

async fn verify(verifier: &TokenVerifier, token: &str) -> Result<Principal, Failed> {
    let verified = verifier.verify(token, SystemTime::now()).await;
    verified.map_err(|refusal| Failed::Refused(refusal.client_message(), refusal.fault()))
}

/// The rest of an OAUTHBEARER exchange, once the client has been asked.
async fn take_bearer(
    stream: &mut Transport,
    advice: &OauthAdvice,
    verifier: &TokenVerifier,
) -> Result<Principal, Failed> {
    let message = read_answer(stream, TOKEN_BYTES_MAX + BEARER_OVERHEAD_BYTES_MAX).await?;
    let failed = match take_bearer_request(&message).map_err(bearer_violation)? {
        BearerRequest::Token(token) => match verify(verifier, token).await {
            Ok(principal) => return Ok(principal),
            Err(failed) => failed,
        },
        BearerRequest::Discovery => Failed::Advised(
            ClientMessage::new(SqlState::InvalidAuthorization, "no token was given")
                .hint("Sign in at the issuer that was named, and connect again with its token."),
        ),
    };
    refuse_bearer(stream, advice).await?;
    Err(failed)
}

/// Tells what the client needs to get a good token (RFC 7628, section 3.2.2), and waits until it has taken note.
async fn refuse_bearer(stream: &mut Transport, advice: &OauthAdvice) -> Result<(), Failed> {
    let OauthAdvice { issuer, scope } = advice;
    let told = json!({
        // The only status after which libpq gets a token and comes back.
        "status": "invalid_token",
        // libpq takes what stands before `/.well-known/` for the issuer, so nothing is made prettier here.
        "openid-configuration": format!("{issuer}/.well-known/openid-configuration"),
        "scope": scope,
    });
    let mut out = BytesMut::new();
    put_bearer_refusal(&mut out, &told.to_string());
    send(stream, &out).await?;
    let message = read_answer(stream, BEARER_OVERHEAD_BYTES_MAX).await?;
    take_bearer_farewell(&message).map_err(bearer_violation)
}

fn bearer_violation(error: BearerError) -> Failed {
    refused(SqlState::ProtocolViolation, error.to_string())
}

async fn read_token(stream: &mut Transport) -> Result<String, Failed> {
    // The closing zero byte is not part of the token.
    let message = read_answer(stream, TOKEN_BYTES_MAX + 1).await?;
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

/// A whole message of the tag that all answers to an authentication request have, its body of at most `body_bytes_max`.
async fn read_answer(stream: &mut Transport, body_bytes_max: usize) -> Result<Vec<u8>, Failed> {
    let mut header = [0; HEADER_BYTES];
    stream.read_exact(&mut header).await?;
    let [tag, length @ ..] = header;
    let length = u32::from_be_bytes(length) as usize;
    if tag != b'p' || length < 4 {
        return Err(refused(SqlState::ProtocolViolation, "a password message was expected"));
    }
    // The length counts itself.
    if length > body_bytes_max + 4 {
        return Err(refused(
            SqlState::InvalidPassword,
            format!("the token is too large: at most {TOKEN_BYTES_MAX} bytes are accepted"),
        ));
    }
    let mut message = vec![0; length + 1];
    message[..HEADER_BYTES].copy_from_slice(&header);
    stream.read_exact(&mut message[HEADER_BYTES..]).await?;
    Ok(message)
}
