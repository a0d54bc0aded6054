//! How requests of plugins leave: HTTP over verified TLS, from a thread of its own. What may be asked was decided by the plugin
//! runtime; here is decided which addresses a name may lead to.
//!
//! Architecture invariant: a name is resolved once, and the connection goes to one of the addresses that were looked at, so
//! that a name whose answer changes meanwhile (DNS rebinding) leads nowhere else. Redirects are not followed.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use bytes::Bytes;
use grille_plugin::{EgressHost, Outbound, OutboundError, OutboundReply, OutboundRequest, is_public};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::tls::TlsError;

/// Most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Most bytes of a reply's head.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Threads that resolve names at once: the system's resolver blocks.
const RESOLVERS_MAX: usize = 8;

/// How much longer than its time a request is waited for, in case the timer is late.
const GRACE: Duration = Duration::from_millis(50);

/// What a plugin is told of a reply besides its status and body.
const REPLY_HEADERS: [&str; 10] = [
    "cache-control",
    "content-language",
    "content-type",
    "date",
    "etag",
    "expires",
    "last-modified",
    "location",
    "retry-after",
    "x-request-id",
];

/// Sends requests of plugins. Nothing is started before the first.
pub struct HttpsOutbound {
    tls: Box<dyn Fn() -> Result<ClientConfig, TlsError> + Send + Sync>,
    started: OnceLock<Option<Started>>,
}

struct Started {
    tls: TlsConnector,
    /// Taken when this is dropped.
    runtime: Option<Runtime>,
}

/// A request that stands on its own.
struct Sending {
    tls: TlsConnector,
    host: EgressHost,
    request: Request<Full<Bytes>>,
    reply_bytes_max: usize,
}

impl HttpsOutbound {
    /// `tls` says who is trusted; it is asked once, at the first request.
    pub fn new(tls: impl Fn() -> Result<ClientConfig, TlsError> + Send + Sync + 'static) -> Self {
        Self { tls: Box::new(tls), started: OnceLock::new() }
    }

    fn started(&self) -> Result<&Started, OutboundError> {
        let start = || {
            self.start().map_err(|error| tracing::error!(%error, "requests of plugins cannot be sent")).ok()
        };
        self.started.get_or_init(start).as_ref().ok_or(OutboundError::Unavailable)
    }

    fn start(&self) -> Result<Started, Box<dyn std::error::Error>> {
        let tls = TlsConnector::from(Arc::new((self.tls)()?));
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(RESOLVERS_MAX)
            .thread_name("plugin-egress")
            .enable_all()
            .build()?;
        Ok(Started { tls, runtime: Some(runtime) })
    }
}

impl Outbound for HttpsOutbound {
    fn fetch(&self, request: OutboundRequest<'_>) -> Result<OutboundReply, OutboundError> {
        let started = self.started()?;
        let runtime = started.runtime.as_ref().ok_or(OutboundError::Unavailable)?;
        let time = request.timeout;
        let sending = Sending {
            tls: started.tls.clone(),
            host: request.host.clone(),
            reply_bytes_max: request.reply_bytes_max,
            request: http_request(request)?,
        };
        // The caller's thread waits; it may be one of another runtime, which must not run this.
        let (answer, answers) = mpsc::sync_channel(1);
        runtime.spawn(async move {
            let reply = timeout(time, sending.send()).await.unwrap_or(Err(OutboundError::TimedOut));
            // The one who asked may have stopped waiting.
            let _ = answer.send(reply);
        });
        answers.recv_timeout(time + GRACE).map_err(|_| OutboundError::TimedOut)?
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for requests that nobody waits for would hold up the end; in an async context it would panic.
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for HttpsOutbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpsOutbound(..)")
    }
}

/// The runtime has checked all parts; what hyper does not take even so is not sent.
fn http_request(request: OutboundRequest<'_>) -> Result<Request<Full<Bytes>>, OutboundError> {
    let refused = |_| OutboundError::Unavailable;
    let host = request.host;
    let authority = match host.port() {
        443 => host.name().to_owned(),
        port => format!("{}:{port}", host.name()),
    };
    let mut builder = Request::builder()
        .method(Method::from_bytes(request.method.as_bytes()).map_err(|_| OutboundError::Unavailable)?)
        .uri(request.path)
        .header(HOST, authority)
        .header(USER_AGENT, HeaderValue::from_static("grille"));
    for (name, value) in request.headers {
        builder = builder.header(name, value);
    }
    builder.body(Full::new(Bytes::from(request.body))).map_err(refused)
}

impl Sending {
    /// Cancel safe: the connection ends with the future.
    async fn send(self) -> Result<OutboundReply, OutboundError> {
        let Self { tls, host, request, reply_bytes_max } = self;
        let stream = connect(&tls, &host).await?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
            .await
            .map_err(|_| OutboundError::Unreachable)?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(|_| OutboundError::Broken)?;
            let (head, body) = response.into_parts();
            let body = match Limited::new(body, reply_bytes_max).collect().await {
                Ok(body) => body.to_bytes().into(),
                Err(error) if error.is::<LengthLimitError>() => return Err(OutboundError::TooLong),
                Err(_) => return Err(OutboundError::Broken),
            };
            Ok(OutboundReply { status: head.status.as_u16(), headers: told(&head.headers), body })
        };
        // The connection is driven beside the exchange and dropped with it.
        tokio::pin!(exchange);
        tokio::select! {
            reply = &mut exchange => reply,
            _ = connection => exchange.await,
        }
    }
}

fn told(headers: &HeaderMap) -> Vec<(String, String)> {
    let known = |name: &HeaderName| REPLY_HEADERS.contains(&name.as_str());
    let told = headers
        .iter()
        .filter(|(name, _)| known(name))
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    told.collect()
}

async fn connect(tls: &TlsConnector, host: &EgressHost) -> Result<TlsStream<TcpStream>, OutboundError> {
    let name = ServerName::try_from(host.name().to_owned()).map_err(|_| OutboundError::Unreachable)?;
    for address in addresses(host).await? {
        // The next address may still answer.
        let Ok(stream) = TcpStream::connect(address).await else { continue };
        return tls.connect(name, stream).await.map_err(|_| OutboundError::Unreachable);
    }
    Err(OutboundError::Unreachable)
}

/// Where the name leads: the pinned address, or public ones. A name with one that is not public among them is refused whole:
/// it is misconfigured, or somebody is trying something.
async fn addresses(host: &EgressHost) -> Result<Vec<SocketAddr>, OutboundError> {
    if let Some(address) = host.address() {
        return Ok(vec![SocketAddr::new(address, host.port())]);
    }
    let found = lookup_host((host.name(), host.port())).await.map_err(|_| OutboundError::Unresolved)?;
    let found: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
    match found.iter().all(|address| is_public(address.ip())) {
        _ if found.is_empty() => Err(OutboundError::Unresolved),
        true => Ok(found),
        false => Err(OutboundError::NotPublic),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener};
    use std::path::Path;
    use std::thread::{self, JoinHandle};
    use std::time::Instant;

    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::{ServerConfig, ServerConnection, StreamOwned};
    use rustls_pki_types::PrivateKeyDer;

    use super::*;
    use crate::tls::{TrustedRoots, client_config, provider};

    /// A server on this machine that reads one request's head and says what it is told to say.
    struct Server {
        host: EgressHost,
        outbound: HttpsOutbound,
        heard: JoinHandle<String>,
    }

    const NAME: &str = "calendar.example";

    fn server(certified: &str, reply: impl FnOnce(&mut dyn Write) + Send + 'static) -> Server {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec![certified.to_owned()]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca.pem");
        std::fs::write(&ca, cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = thread::spawn(move || {
            let (socket, _) = listener.accept().unwrap();
            let connection = ServerConnection::new(Arc::new(config)).unwrap();
            let mut stream = StreamOwned::new(connection, socket);
            let heard = head(&mut stream);
            if !heard.is_empty() {
                reply(&mut stream);
            }
            stream.conn.send_close_notify();
            let _ = stream.flush();
            let _ = stream.sock.shutdown(Shutdown::Write);
            heard
        });
        let tls = trusting(&ca);
        Server {
            host: format!("{NAME}:{port}=127.0.0.1").parse().unwrap(),
            outbound: HttpsOutbound::new(move || Ok(tls.clone())),
            heard,
        }
    }

    fn trusting(ca: &Path) -> ClientConfig {
        client_config(TrustedRoots::Only(ca)).unwrap()
    }

    /// Until the empty line, or the end.
    fn head(stream: &mut impl Read) -> String {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap()
    }

    fn request(host: &EgressHost) -> OutboundRequest<'_> {
        OutboundRequest {
            method: "GET",
            host,
            path: "/on-call?team=a",
            headers: &[],
            body: vec![],
            timeout: Duration::from_secs(20),
            reply_bytes_max: 1000,
        }
    }

    fn answer(text: &str) -> impl FnOnce(&mut dyn Write) + Send + 'static {
        let text = text.to_owned();
        move |out| drop(out.write_all(text.as_bytes()))
    }

    #[test]
    fn a_reply_comes_back() {
        let text = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nServer: x\r\nSet-Cookie: a=b\r\n\
                    Content-Length: 4\r\n\r\nnone";
        let server = server(NAME, answer(text));
        let headers = [("accept".to_owned(), "text/plain".to_owned())];
        let reply = server.outbound.fetch(OutboundRequest { headers: &headers, ..request(&server.host) });
        let headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
        assert_eq!(reply, Ok(OutboundReply { status: 404, headers, body: b"none".to_vec() }));
        let port = server.host.port();
        assert_eq!(
            server.heard.join().unwrap(),
            format!(
                "GET /on-call?team=a HTTP/1.1\r\nhost: {NAME}:{port}\r\nuser-agent: grille\r\naccept: text/plain\r\n\r\n"
            )
        );
    }

    #[test]
    fn a_redirect_is_told_and_not_followed() {
        let text = "HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/secret\r\nContent-Length: 0\r\n\r\n";
        let server = server(NAME, answer(text));
        let reply = server.outbound.fetch(request(&server.host)).unwrap();
        assert_eq!((reply.status, reply.body.len()), (302, 0));
        assert!(server.heard.join().unwrap().starts_with("GET /on-call"));
    }

    #[test]
    fn what_is_too_long_or_broken_is_no_reply() {
        let check = |text: &str, expected: OutboundError| {
            let server = server(NAME, answer(text));
            assert_eq!(server.outbound.fetch(request(&server.host)), Err(expected), "{text:.40}");
        };
        let long = "x".repeat(1001);
        check(&format!("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n{long}"), OutboundError::TooLong);
        check(&format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{long}"), OutboundError::TooLong);
        check("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", OutboundError::Broken);
        check("SSH-2.0-x\r\n\r\n", OutboundError::Broken);
        check("", OutboundError::Broken);
        let head = "a".repeat(4 * HEAD_BYTES_MAX);
        check(&format!("HTTP/1.1 200 OK\r\nX-A: {head}\r\n\r\n"), OutboundError::Broken);
    }

    #[test]
    fn a_slow_server_is_not_waited_for() {
        let (end, ended) = mpsc::channel::<()>();
        let server = server(NAME, move |_| _ = ended.recv());
        let begun = Instant::now();
        let hurried = OutboundRequest { timeout: Duration::from_millis(300), ..request(&server.host) };
        assert_eq!(server.outbound.fetch(hurried), Err(OutboundError::TimedOut));
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        drop(end);
    }

    #[test]
    fn a_certificate_for_another_name_is_refused() {
        let server = server("other.example", answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(server.outbound.fetch(request(&server.host)), Err(OutboundError::Unreachable));
        assert_eq!(server.heard.join().unwrap(), "", "nothing was said to it");
    }

    #[test]
    fn names_that_lead_to_this_machine_are_refused() {
        let server = server("localhost", answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
        let by_name: EgressHost = format!("localhost:{}", server.host.port()).parse().unwrap();
        assert_eq!(server.outbound.fetch(request(&by_name)), Err(OutboundError::NotPublic));
        let pinned: EgressHost = format!("{by_name}=127.0.0.1").parse().unwrap();
        assert_eq!(server.outbound.fetch(request(&pinned)).map(|reply| reply.status), Ok(200));
    }

    #[test]
    fn without_roots_nothing_is_sent() {
        let host = "h.example:443".parse().unwrap();
        let outbound = HttpsOutbound::new(|| Err(TlsError::NoSystemRoots));
        assert_eq!(outbound.fetch(request(&host)), Err(OutboundError::Unavailable));
    }

    #[tokio::test]
    async fn it_may_end_in_an_async_context() {
        let server = server(NAME, answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
        let Server { host, outbound, .. } = server;
        let reply = tokio::task::spawn_blocking(move || {
            let status = outbound.fetch(request(&host)).map(|reply| reply.status);
            (outbound, status)
        });
        let (outbound, status) = reply.await.unwrap();
        assert_eq!(status, Ok(200));
        drop(outbound);
    }
}
