//! From StartupMessage to the first ReadyForQuery (PostgreSQL manual, "Protocol Flow: Start-up"; SCRAM: RFC 5802, RFC 7677).
//!
//! Strict: each message is checked against what the server may say at that very point, and nothing is accepted in place of
//! the proof that the server knows the password.

use std::io;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::backend::{ErrorResponseBody, Header, Message, ParameterStatusBody};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::spawn_blocking;
use zeroize::{Zeroize, Zeroizing};

use super::cancel::BackendKey;
use super::error::ConnectError;
use super::stream::{Binding, binding};
use crate::settings::{SecretSource, UpstreamSettings, WeakAuthentication};
use crate::transport::Transport;

/// Longest message accepted during the log-in, in bytes, its length field included. Real ones have some hundred; an error
/// with a long context may have a few thousand.
const LOGIN_MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Most messages accepted during the log-in. PostgreSQL sends about 20; extensions may report parameters and notices of
/// their own.
const LOGIN_MESSAGES_MAX: usize = 256;
/// What is read at once: the whole answer of a usual server.
const READ_BYTES: usize = 4096;

/// Startup parameters that choose who or where, and so are never a client's.
const NOT_TO_PASS_ON: [&str; 4] = ["user", "database", "replication", "options"];
/// Protocol extensions, which would change what the messages mean.
const EXTENSION_PREFIX: &str = "_pq_.";

/// What the server said until ReadyForQuery.
pub(super) struct LoggedIn {
    pub(super) parameters: Vec<(String, String)>,
    pub(super) key: BackendKey,
    pub(super) leftover: BytesMut,
}

/// Logs in. Not cancel safe: the connection is of no use after a dropped future.
pub(super) async fn log_in(
    stream: &mut Transport,
    settings: &UpstreamSettings,
    startup: &[(String, String)],
) -> Result<LoggedIn, ConnectError> {
    let message = startup_message(settings, startup)?;
    let mut server = Server { stream, received: BytesMut::with_capacity(READ_BYTES), messages: 0 };
    server.send(message).await?;
    authenticate(&mut server, settings).await?;
    until_ready(server).await
}

fn startup_message(
    settings: &UpstreamSettings,
    startup: &[(String, String)],
) -> Result<BytesMut, ConnectError> {
    let chosen = [("user", settings.user.as_str()), ("database", settings.database.as_str())];
    let passed_on = startup.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    if !passed_on.clone().all(|(name, _)| may_be_passed_on(name)) {
        return Err(ConnectError::Parameter);
    }
    let mut message = BytesMut::new();
    frontend::startup_message(chosen.into_iter().chain(passed_on), &mut message)
        .map_err(|_| ConnectError::Parameter)?;
    Ok(message)
}

/// An empty name would end the list and make the rest of it garbage.
fn may_be_passed_on(name: &str) -> bool {
    !name.is_empty() && !NOT_TO_PASS_ON.contains(&name) && !name.starts_with(EXTENSION_PREFIX)
}

/// Answers the server's request for authentication, up to and including AuthenticationOk.
async fn authenticate(server: &mut Server<'_>, settings: &UpstreamSettings) -> Result<(), ConnectError> {
    let WeakAuthentication { md5, trust } = settings.weak_authentication;
    let not_allowed = |what| Err(ConnectError::AuthenticationNotAllowed(what));
    match server.next().await? {
        Message::AuthenticationSasl(body) => {
            let offered: Vec<&str> =
                body.mechanisms().map(Ok).collect().map_err(ConnectError::Undecodable)?;
            let mechanism = choose_mechanism(&offered, binding(server.stream))?;
            scram(server, mechanism, settings.password.as_ref()).await
        }
        Message::AuthenticationMd5Password(body) if md5 => {
            let password = read_password(settings.password.as_ref()).await?;
            let answer = Zeroizing::new(md5_hash(settings.user.as_bytes(), &password, body.salt()));
            let mut message = BytesMut::new();
            frontend::password_message(answer.as_bytes(), &mut message).map_err(ConnectError::Undecodable)?;
            server.send(message).await?;
            authenticated(server).await
        }
        Message::AuthenticationOk if trust => Ok(()),
        Message::AuthenticationMd5Password(_) => not_allowed("MD5"),
        Message::AuthenticationOk => not_allowed("no"),
        Message::AuthenticationCleartextPassword => not_allowed("cleartext password"),
        Message::AuthenticationGss | Message::AuthenticationSspi => not_allowed("GSSAPI or SSPI"),
        Message::AuthenticationKerberosV5 | Message::AuthenticationScmCredential => not_allowed("obsolete"),
        // Foreign and non-exhaustive; everything else is refused.
        _ => Err(ConnectError::Protocol("no request for authentication after StartupMessage")),
    }
}

async fn authenticated(server: &mut Server<'_>) -> Result<(), ConnectError> {
    match server.next().await? {
        Message::AuthenticationOk => Ok(()),
        _ => Err(ConnectError::Protocol("no AuthenticationOk after the credentials")),
    }
}

/// A SASL mechanism with what it is bound to.
struct Mechanism {
    name: &'static str,
    binding: ChannelBinding,
}

/// Channel binding whenever the server offers it; where it does not offer it under TLS, we say that we could have, so that
/// a server whose offer was tampered with notices (RFC 5802, section 6).
fn choose_mechanism(offered: &[&str], binding: Binding) -> Result<Mechanism, ConnectError> {
    let (plus, plain) = (offered.contains(&SCRAM_SHA_256_PLUS), offered.contains(&SCRAM_SHA_256));
    match (binding, plus, plain) {
        (Binding::EndPoint(data), true, _) => {
            Ok(Mechanism { name: SCRAM_SHA_256_PLUS, binding: ChannelBinding::tls_server_end_point(data) })
        }
        (Binding::EndPoint(_), false, true) => {
            Ok(Mechanism { name: SCRAM_SHA_256, binding: ChannelBinding::unrequested() })
        }
        (Binding::Undefined | Binding::NoTls, false, true) => {
            Ok(Mechanism { name: SCRAM_SHA_256, binding: ChannelBinding::unsupported() })
        }
        (Binding::Undefined, true, _) => Err(ConnectError::NoChannelBinding),
        (Binding::NoTls, true, _) => Err(ConnectError::Protocol("channel binding offered without TLS")),
        (Binding::EndPoint(_) | Binding::Undefined | Binding::NoTls, false, false) => {
            Err(ConnectError::AuthenticationNotAllowed("an unknown SASL"))
        }
    }
}

async fn scram(
    server: &mut Server<'_>,
    mechanism: Mechanism,
    password: Option<&SecretSource>,
) -> Result<(), ConnectError> {
    let password = read_password(password).await?;
    let mut exchange = ScramSha256::new(&password, mechanism.binding);
    drop(password);

    let mut message = BytesMut::new();
    frontend::sasl_initial_response(mechanism.name, exchange.message(), &mut message)
        .map_err(ConnectError::Undecodable)?;
    server.send(message).await?;

    let Message::AuthenticationSaslContinue(challenge) = server.next().await? else {
        return Err(ConnectError::Protocol("no SCRAM challenge"));
    };
    // Thousands of HMACs by design: not for an async worker.
    exchange = spawn_blocking(move || exchange.update(challenge.data()).map(|()| exchange))
        .await
        .map_err(|_| ConnectError::Interrupted)?
        .map_err(ConnectError::Undecodable)?;
    let mut message = BytesMut::new();
    frontend::sasl_response(exchange.message(), &mut message).map_err(ConnectError::Undecodable)?;
    server.send(message).await?;

    let Message::AuthenticationSaslFinal(proof) = server.next().await? else {
        return Err(ConnectError::Protocol("no proof at the end of SCRAM"));
    };
    exchange.finish(proof.data()).map_err(ConnectError::ServerNotVerified)?;
    authenticated(server).await
}

/// Read when it is used, so that a rotated secret takes effect, and off the async workers.
async fn read_password(source: Option<&SecretSource>) -> Result<Zeroizing<Vec<u8>>, ConnectError> {
    let source = source.ok_or(ConnectError::NoPassword)?.clone();
    let password = spawn_blocking(move || source.read()).await.map_err(|_| ConnectError::Interrupted)??;
    Ok(password)
}

/// Parameters and the cancel key, in whatever order, until ReadyForQuery.
async fn until_ready(mut server: Server<'_>) -> Result<LoggedIn, ConnectError> {
    const IDLE: u8 = b'I';
    let mut parameters = Vec::new();
    let mut key = None;
    loop {
        match server.next().await? {
            Message::ParameterStatus(body) => parameters.push(parameter(&body)?),
            Message::BackendKeyData(body) => {
                let said = BackendKey { process_id: body.process_id(), secret_key: body.secret_key() };
                if key.replace(said).is_some() {
                    return Err(ConnectError::Protocol("a second BackendKeyData"));
                }
            }
            Message::ReadyForQuery(body) if body.status() == IDLE => {
                let key = key.ok_or(ConnectError::Protocol("no BackendKeyData before ReadyForQuery"))?;
                return Ok(LoggedIn { parameters, key, leftover: server.received });
            }
            _ => {
                return Err(ConnectError::Protocol("an unexpected message between log-in and ReadyForQuery"));
            }
        }
    }
}

fn parameter(body: &ParameterStatusBody) -> Result<(String, String), ConnectError> {
    let name = body.name().map_err(ConnectError::Undecodable)?;
    let value = body.value().map_err(ConnectError::Undecodable)?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The server's side of the conversation.
struct Server<'s> {
    stream: &'s mut Transport,
    received: BytesMut,
    /// `messages <= LOGIN_MESSAGES_MAX`
    messages: usize,
}

impl Server<'_> {
    /// Sends, and wipes what was sent: it may hold a credential.
    async fn send(&mut self, mut message: BytesMut) -> Result<(), ConnectError> {
        let sent = self.stream.write_all(&message).await;
        message.zeroize();
        sent.map_err(ConnectError::Broken)?;
        self.stream.flush().await.map_err(ConnectError::Broken)
    }

    /// The next message that is not a notice. A notice before the log-in has ended is nobody's but the operator's.
    async fn next(&mut self) -> Result<Message, ConnectError> {
        loop {
            match self.message().await? {
                Message::NoticeResponse(_) => {}
                Message::ErrorResponse(body) => return Err(refused(&body)),
                message => return Ok(message),
            }
        }
    }

    async fn message(&mut self) -> Result<Message, ConnectError> {
        if self.messages == LOGIN_MESSAGES_MAX {
            return Err(ConnectError::TooManyMessages { most: LOGIN_MESSAGES_MAX });
        }
        self.messages += 1;
        loop {
            if let Some(message) = decode(&mut self.received)? {
                return Ok(message);
            }
            match self.stream.read_buf(&mut self.received).await {
                Ok(0) => return Err(ConnectError::Closed),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(ConnectError::Closed);
                }
                Err(error) => return Err(ConnectError::Broken(error)),
            }
        }
    }
}

/// Takes one message off the front of `received`, if it is there in full. Its length is checked before room is made for it.
fn decode(received: &mut BytesMut) -> Result<Option<Message>, ConnectError> {
    let Some(header) = Header::parse(received).map_err(ConnectError::Undecodable)? else {
        return Ok(None);
    };
    let bytes = usize::try_from(header.len()).map_err(|_| ConnectError::Protocol("a negative length"))?;
    if bytes > LOGIN_MESSAGE_BYTES_MAX {
        return Err(ConnectError::MessageTooLong { bytes, most: LOGIN_MESSAGE_BYTES_MAX });
    }
    Message::parse(received).map_err(ConnectError::Undecodable)
}

/// Keeps the SQLSTATE alone, and only if it is one.
fn refused(body: &ErrorResponseBody) -> ConnectError {
    const SQLSTATE_FIELD: u8 = b'C';
    let found = body.fields().find(|field| Ok(field.type_() == SQLSTATE_FIELD));
    let code = match &found {
        Ok(Some(field)) => field.value_bytes(),
        Ok(None) | Err(_) => return ConnectError::Protocol("an ErrorResponse without SQLSTATE"),
    };
    let is_sqlstate = code.len() == 5 && code.iter().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase());
    if !is_sqlstate {
        return ConnectError::Protocol("an ErrorResponse with a malformed SQLSTATE");
    }
    ConnectError::Refused { sqlstate: String::from_utf8_lossy(code).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binding_is_used_whenever_it_is_offered() {
        const PLUS: &str = SCRAM_SHA_256_PLUS;
        const PLAIN: &str = SCRAM_SHA_256;
        let check = |offered: &[&str], binding: Binding, expected: Result<(&str, &str), &str>| {
            let chosen = choose_mechanism(offered, binding).map(|mechanism| {
                let exchange = ScramSha256::new(b"pencil", mechanism.binding);
                let first = String::from_utf8_lossy(exchange.message()).into_owned();
                (mechanism.name, first)
            });
            match (chosen, expected) {
                (Ok((name, first)), Ok((expected, gs2))) => {
                    assert_eq!(name, expected);
                    assert!(first.starts_with(gs2), "{first}");
                }
                (Err(error), Err(expected)) => assert_eq!(error.to_string(), expected),
                (chosen, expected) => panic!("{chosen:?} instead of {expected:?}"),
            }
        };
        let data = || Binding::EndPoint(vec![7; 32]);
        check(&[PLUS, PLAIN], data(), Ok((PLUS, "p=tls-server-end-point,,")));
        check(&[PLAIN, PLUS], data(), Ok((PLUS, "p=tls-server-end-point,,")));
        check(&[PLUS], data(), Ok((PLUS, "p=tls-server-end-point,,")));
        check(&[PLAIN], data(), Ok((PLAIN, "y,,")));
        check(&[PLAIN], Binding::NoTls, Ok((PLAIN, "n,,")));
        check(&[PLAIN], Binding::Undefined, Ok((PLAIN, "n,,")));
        let unbindable = "offers channel binding under a certificate that cannot be bound to (RFC 5929)";
        check(&[PLUS, PLAIN], Binding::Undefined, Err(unbindable));
        check(&[PLUS, PLAIN], Binding::NoTls, Err("broke the protocol: channel binding offered without TLS"));
        let unknown = "asks for an unknown SASL authentication, which is not allowed for it";
        check(&["OAUTHBEARER"], data(), Err(unknown));
        check(&[], Binding::NoTls, Err(unknown));
    }

    #[test]
    fn what_chooses_who_or_where_is_not_passed_on() {
        let check = |name, expected| assert_eq!(may_be_passed_on(name), expected, "{name}");
        check("application_name", true);
        check("client_encoding", true);
        for name in ["user", "database", "replication", "options", "_pq_.command_tag", ""] {
            check(name, false);
        }
    }

    #[test]
    fn a_length_is_checked_before_room_is_made() {
        let mut received = BytesMut::from(&b"S\x7f\xff\xff\xff"[..]);
        assert!(matches!(decode(&mut received), Err(ConnectError::MessageTooLong { .. })));
        for short in [&b"S\x00\x00\x00\x03"[..], b"S\xff\xff\xff\xff"] {
            assert!(decode(&mut BytesMut::from(short)).is_err(), "{short:?}");
        }
    }
}
