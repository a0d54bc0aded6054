//! Log-ins against scripted servers: what a broken or hostile one gets. Real servers are in the crate's tests folder.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use grille_core::{Fault, UpstreamName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{ConnectError, Upstream, UpstreamConnection};
use crate::settings::{SecretSource, UpstreamSettings, UpstreamTls, WeakAuthentication};

/// AuthenticationOk.
const AUTHENTICATED: (u8, &[u8]) = (b'R', &[0, 0, 0, 0]);
const KEY: (u8, &[u8]) = (b'K', &[0, 0, 0, 7, 0, 0, 0, 9]);
const READY: (u8, &[u8]) = (b'Z', b"I");
const MD5: (u8, &[u8]) = (b'R', &[0, 0, 0, 5, 1, 2, 3, 4]);
const CLEARTEXT: (u8, &[u8]) = (b'R', &[0, 0, 0, 3]);
const SASL: (u8, &[u8]) = (b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0");
const PLUS: (u8, &[u8]) = (b'R', b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");

/// Messages of a server as bytes.
fn messages(messages: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (tag, body) in messages {
        bytes.put_u8(*tag);
        bytes.put_u32(u32::try_from(body.len()).expect("a short body") + 4);
        bytes.put_slice(body);
    }
    bytes
}

/// How the upstream is configured. `PATH` stands for a secret: it is set, and known not to be in any message.
fn settings(port: u16, tls: UpstreamTls, weak: WeakAuthentication) -> UpstreamSettings {
    UpstreamSettings {
        name: UpstreamName::new("shop"),
        host: "127.0.0.1".to_owned(),
        port,
        database: "orders".to_owned(),
        user: "svc_grille".to_owned(),
        password: Some(SecretSource::Environment("PATH".to_owned())),
        tls,
        weak_authentication: weak,
        connect_timeout: Duration::from_secs(5),
    }
}

const TRUST: WeakAuthentication = WeakAuthentication { md5: false, trust: true };
const STRICT: WeakAuthentication = WeakAuthentication { md5: false, trust: false };

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

/// Reads one message without tag (StartupMessage, SSLRequest).
async fn read_startup(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = client.read_u32().await?;
    let mut body = vec![0; length as usize - 4];
    client.read_exact(&mut body).await?;
    Ok(body)
}

/// Reads one message with tag; gives its body.
async fn read_message(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let _tag = client.read_u8().await?;
    read_startup(client).await
}

/// Connects to a server that answers the first message with `answer`, in pieces of `piece` bytes, and then waits for the
/// client to leave.
async fn log_in_to(
    answer: Vec<u8>,
    piece: usize,
    tls: UpstreamTls,
    weak: WeakAuthentication,
) -> Result<UpstreamConnection, ConnectError> {
    let (listener, port) = listen().await;
    let server = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await?;
        client.set_nodelay(true)?;
        read_startup(&mut client).await?;
        for piece in answer.chunks(piece) {
            client.write_all(piece).await?;
            tokio::task::yield_now().await;
        }
        client.read_to_end(&mut Vec::new()).await
    });
    let upstream = Upstream::new(Arc::new(settings(port, tls, weak))).expect("usable settings");
    let outcome = upstream.connect(&[]).await;
    server.abort();
    outcome
}

/// Checks a refused log-in: what the log says, and that neither log nor client read of user, password or database.
async fn refuse(answer: Vec<u8>, tls: UpstreamTls, weak: WeakAuthentication, expected: &str) {
    let error = log_in_to(answer, usize::MAX, tls, weak).await.expect_err(expected);
    assert_eq!(error.to_string(), expected);
    let secret = std::env::var("PATH").expect("it is set");
    let said = format!("{error:?} {:?}", error.client_message(&UpstreamName::new("shop")));
    for word in ["svc_grille", "orders", "127.0.0.1", &secret] {
        assert!(!said.contains(word), "{said}");
    }
}

async fn refuse_plain(answer: &[(u8, &[u8])], weak: WeakAuthentication, expected: &str) {
    refuse(messages(answer), UpstreamTls::Disable, weak, expected).await;
}

#[tokio::test]
async fn a_log_in_ends_at_ready_for_query_and_loses_nothing() {
    let answer = messages(&[
        (b'N', b"SNOTICE\0C00000\0Mwelcome\0\0"),
        AUTHENTICATED,
        (b'S', b"server_version\x0015.9\0"),
        KEY,
        (b'S', b"TimeZone\0UTC\0"),
        READY,
        (b'N', b"SNOTICE\0C00000\0Mlater\0\0"),
    ]);
    for piece in [1, 2, 7, 64, answer.len()] {
        let connected = log_in_to(answer.clone(), piece, UpstreamTls::Disable, TRUST).await;
        let mut connected = connected.expect("a good log-in");
        let parameter = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(connected.parameters, [parameter("server_version", "15.9"), parameter("TimeZone", "UTC")]);
        let mut rest = connected.leftover.to_vec();
        let _ = connected.stream.read_to_end(&mut rest).await;
        let later = messages(&[(b'N', b"SNOTICE\0C00000\0Mlater\0\0")]);
        // In pieces, the server may have been stopped before it sent all of it.
        assert!(later.starts_with(&rest), "{rest:?}");
        assert!(piece < answer.len() || rest == later, "{rest:?}");
    }
}

#[tokio::test]
async fn only_allowed_authentication_is_done() {
    refuse_plain(
        &[AUTHENTICATED, KEY, READY],
        STRICT,
        "asks for no authentication, which is not allowed for it",
    )
    .await;
    refuse_plain(&[MD5], STRICT, "asks for MD5 authentication, which is not allowed for it").await;
    refuse_plain(&[MD5], TRUST, "asks for MD5 authentication, which is not allowed for it").await;
    let everything = WeakAuthentication { md5: true, trust: true };
    let cleartext = "asks for cleartext password authentication, which is not allowed for it";
    refuse_plain(&[CLEARTEXT], everything, cleartext).await;
    refuse_plain(
        &[(b'R', &[0, 0, 0, 7])],
        everything,
        "asks for GSSAPI or SSPI authentication, which is not allowed for it",
    )
    .await;
    refuse_plain(
        &[(b'R', b"\0\0\0\x0aOAUTHBEARER\0\0")],
        everything,
        "asks for an unknown SASL authentication, which is not allowed for it",
    )
    .await;
    refuse_plain(&[PLUS], everything, "broke the protocol: channel binding offered without TLS").await;
    refuse_plain(&[(b'R', &[0, 0, 0, 99])], everything, "broke the protocol").await;
}

#[tokio::test]
async fn nothing_stands_in_for_the_proof() {
    let early = "broke the protocol: no SCRAM challenge";
    refuse_plain(&[SASL, AUTHENTICATED, KEY, READY], TRUST, early).await;
    refuse_plain(&[SASL, (b'R', b"\0\0\0\x0cv=AAAA")], TRUST, early).await;
    refuse_plain(&[SASL, SASL], TRUST, early).await;
    let foreign = (b'R', &b"\0\0\0\x0br=someone-elses,s=AAAA,i=4096"[..]);
    refuse_plain(&[SASL, foreign], TRUST, "broke the protocol").await;
}

/// A server that gets the challenge right and then answers the proof with `last`.
async fn log_in_to_scram_server(last: Vec<u8>) -> ConnectError {
    let (listener, port) = listen().await;
    let server = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await?;
        read_startup(&mut client).await?;
        client.write_all(&messages(&[SASL])).await?;
        let first = String::from_utf8(read_message(&mut client).await?).map_err(io::Error::other)?;
        let (_, nonce) = first.rsplit_once("r=").ok_or(io::ErrorKind::InvalidData)?;
        let challenge = format!("\0\0\0\x0br={nonce}ours,s=AAAA,i=4096");
        client.write_all(&messages(&[(b'R', challenge.as_bytes())])).await?;
        read_message(&mut client).await?;
        client.write_all(&last).await?;
        client.read_to_end(&mut Vec::new()).await
    });
    let upstream = Upstream::new(Arc::new(settings(port, UpstreamTls::Disable, TRUST)));
    let refused = upstream.expect("usable settings").connect(&[]).await.expect_err("no proof was given");
    server.abort();
    refused
}

#[tokio::test]
async fn a_server_that_does_not_know_the_password_is_not_believed() {
    let check = async |last: &[(u8, &[u8])], expected: &str| {
        assert_eq!(log_in_to_scram_server(messages(last)).await.to_string(), expected);
    };
    let no_proof = "broke the protocol: no proof at the end of SCRAM";
    check(&[AUTHENTICATED, KEY, READY], no_proof).await;
    check(&[KEY, READY], no_proof).await;
    let unproven = "did not prove that it knows the password";
    let wrong = (b'R', &b"\0\0\0\x0cv=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="[..]);
    check(&[wrong, AUTHENTICATED, KEY, READY], unproven).await;
    check(&[(b'R', b"\0\0\0\x0ce=other-error"), AUTHENTICATED], unproven).await;
}

#[tokio::test]
async fn tls_is_not_given_up() {
    let dir = tempfile::tempdir().expect("a directory");
    let ca = dir.path().join("ca.pem");
    let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    std::fs::write(&ca, issued.cert.pem()).expect("a file in a directory of our own");
    let check = async |answer: Vec<u8>, expected: &str| {
        refuse(answer, UpstreamTls::Verify { ca: Some(ca.clone()) }, TRUST, expected).await;
    };
    let refused = "refuses TLS, which the configuration demands";
    check(b"N".to_vec(), refused).await;
    check(messages(&[(b'E', b"SFATAL\0C28000\0Mfor svc_grille\0\0")]), refused).await;
    check(messages(&[AUTHENTICATED]), "broke the protocol: an unknown answer to SSLRequest").await;
    // What is slipped in behind the S is not taken for something said within TLS.
    let injected = [b"S".to_vec(), messages(&[AUTHENTICATED, KEY, READY])].concat();
    check(injected, "the TLS handshake failed").await;
}

#[tokio::test]
async fn the_log_in_phase_is_bounded() {
    let long = "sent a message of 65537 bytes during the log-in; at most 65536 are accepted";
    refuse(vec![b'S', 0, 1, 0, 1], UpstreamTls::Disable, TRUST, long).await;
    let chatter = vec![(b'N', &b"SNOTICE\0C00000\0\0"[..]); 300];
    refuse_plain(&chatter, TRUST, "sent more than 256 messages during the log-in").await;
    let short = vec![b'R', 0, 0, 0, 3];
    refuse(short, UpstreamTls::Disable, TRUST, "broke the protocol").await;
}

#[tokio::test]
async fn only_what_belongs_to_the_log_in_is_accepted() {
    let unexpected = "broke the protocol: an unexpected message between log-in and ReadyForQuery";
    refuse_plain(&[AUTHENTICATED, (b'D', &[0, 0])], TRUST, unexpected).await;
    refuse_plain(&[AUTHENTICATED, AUTHENTICATED], TRUST, unexpected).await;
    refuse_plain(&[AUTHENTICATED, KEY, (b'Z', b"T")], TRUST, unexpected).await;
    refuse_plain(&[AUTHENTICATED, KEY, KEY], TRUST, "broke the protocol: a second BackendKeyData").await;
    let keyless = "broke the protocol: no BackendKeyData before ReadyForQuery";
    refuse_plain(&[AUTHENTICATED, READY], TRUST, keyless).await;
    // NegotiateProtocolVersion: we asked for the oldest there is.
    refuse_plain(&[(b'v', &[0, 3, 0, 0, 0, 0, 0, 0])], TRUST, "broke the protocol").await;
    refuse_plain(&[AUTHENTICATED, (b'S', b"a\0b")], TRUST, "broke the protocol").await;
    let request = "broke the protocol: no request for authentication after StartupMessage";
    refuse_plain(&[KEY], TRUST, request).await;
}

#[tokio::test]
async fn a_servers_error_is_kept_as_its_sqlstate() {
    let fatal = (b'E', &b"SFATAL\0C28P01\0Mpassword authentication failed for user \"svc_grille\"\0\0"[..]);
    refuse_plain(&[fatal], TRUST, "refused the connection with SQLSTATE 28P01").await;
    refuse_plain(&[AUTHENTICATED, fatal], TRUST, "refused the connection with SQLSTATE 28P01").await;
    let stateless = "broke the protocol: an ErrorResponse without SQLSTATE";
    refuse_plain(&[(b'E', b"Mno\0\0")], TRUST, stateless).await;
    refuse_plain(&[(b'E', b"Mno")], TRUST, stateless).await;
    let malformed = "broke the protocol: an ErrorResponse with a malformed SQLSTATE";
    refuse_plain(&[(b'E', b"C28\n01\0\0")], TRUST, malformed).await;
}

#[tokio::test]
async fn a_silent_server_is_left_in_time() {
    let (listener, port) = listen().await;
    let silent = UpstreamSettings {
        connect_timeout: Duration::from_millis(50),
        ..settings(port, UpstreamTls::Disable, TRUST)
    };
    let error = Upstream::new(Arc::new(silent)).expect("usable settings").connect(&[]).await;
    assert!(matches!(error, Err(ConnectError::TimedOut)), "{error:?}");
    drop(listener);
}

#[tokio::test]
async fn a_server_that_hangs_up_or_is_not_there_is_an_upstreams_fault() {
    let (listener, port) = listen().await;
    let upstream = Upstream::new(Arc::new(settings(port, UpstreamTls::Disable, TRUST)));
    let upstream = upstream.expect("usable settings");
    let server = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await?;
        read_startup(&mut client).await
    });
    let error = upstream.connect(&[]).await.expect_err("it hung up");
    assert!(matches!(error, ConnectError::Closed), "{error:?}");
    assert_eq!(error.fault(), Fault::Upstream);
    server.await.expect("no panic").expect("a startup message");
    let error = upstream.connect(&[]).await.expect_err("nothing listens");
    assert!(matches!(error, ConnectError::Unreachable(_)), "{error:?}");
    assert_eq!(error.fault(), Fault::Upstream);
}

#[tokio::test]
async fn the_startup_message_names_who_and_where_and_passes_on_the_rest() {
    let (listener, port) = listen().await;
    let server = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await?;
        read_startup(&mut client).await
    });
    let upstream = Upstream::new(Arc::new(settings(port, UpstreamTls::Disable, TRUST)));
    let upstream = upstream.expect("usable settings");
    let parameter = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let _ = upstream.connect(&[parameter("client_encoding", "UTF8")]).await;
    let sent = server.await.expect("no panic").expect("a startup message");
    let expected = b"\0\x03\0\0user\0svc_grille\0database\0orders\0client_encoding\0UTF8\0\0";
    assert_eq!(sent, expected, "{:?}", BytesMut::from(&sent[..]));

    // Refused before anything is sent, so that no server is needed to see it.
    let (_listener, port) = listen().await;
    let upstream = Upstream::new(Arc::new(settings(port, UpstreamTls::Disable, TRUST)));
    let upstream = upstream.expect("usable settings");
    for bad in [parameter("user", "postgres"), parameter("DateStyle", "ISO\0user"), parameter("", "x")] {
        let error = upstream.connect(&[bad]).await.expect_err("not to be passed on");
        assert!(matches!(error, ConnectError::Parameter), "{error:?}");
    }
}
