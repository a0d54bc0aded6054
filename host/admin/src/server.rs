//! The socket: accepting, limits on connections and time, shutdown. What is answered is `answer`'s matter.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Readiness;
use crate::answer::answer;

/// Most connections at once; more wait to be accepted. A load balancer's probe and a scraper need two.
pub const CONNECTIONS_MAX: usize = 32;

/// Longest time for a request's head to arrive.
pub const HEADER_TIME_MAX: Duration = Duration::from_secs(5);

/// Longest life of a connection, one request and its answer: a scraper that stops reading is let go.
pub const CONNECTION_TIME_MAX: Duration = Duration::from_secs(20);

/// Most bytes of a request's head. hyper's least is 8 KiB.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// How long to wait when the process has run out of descriptors, which accepting again at once would not change.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The admin listener could not be opened. The operator's to mend.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on admin address {address}")]
pub struct AdminError {
    address: SocketAddr,
    source: io::Error,
}

/// The admin listener.
pub struct AdminServer {
    listener: TcpListener,
    address: SocketAddr,
    registry: Arc<Registry>,
    readiness: Arc<Readiness>,
}

impl AdminServer {
    /// Opens the port; nothing is answered before [`Self::run`].
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn bind(
        address: SocketAddr,
        registry: Arc<Registry>,
        readiness: Arc<Readiness>,
    ) -> Result<Self, AdminError> {
        let failed = |source| AdminError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, registry, readiness })
    }

    /// Where it listens: the port the system chose if 0 was asked for.
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until told to stop. Cancel last, after the data plane has drained: until then `/readyz` tells that it does.
    /// Connections that are open then are cut.
    pub async fn run(self, shutdown: CancellationToken) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = self.accept(&places) => accepted,
            };
            match accepted {
                Ok((stream, place)) => {
                    let served = serve(stream, Arc::clone(&self.registry), Arc::clone(&self.readiness));
                    connections.spawn(async move {
                        served.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin listener cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    }

    async fn accept(&self, places: &Arc<Semaphore>) -> io::Result<(TcpStream, impl Send + use<>)> {
        let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, _) = self.listener.accept().await?;
        Ok((stream, place))
    }
}

/// One request and its answer.
async fn serve(stream: TcpStream, registry: Arc<Registry>, readiness: Arc<Readiness>) {
    let service = service_fn(|request: Request<Incoming>| {
        let answered = answer(request.method(), request.uri().path(), &registry, &*readiness);
        std::future::ready(Ok::<_, Infallible>(answered))
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES_MAX)
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME_MAX)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(CONNECTION_TIME_MAX, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an admin connection ended"),
        Err(_) => tracing::debug!("an admin connection took too long"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::sync::atomic::{AtomicBool, Ordering};

    use expect_test::{Expect, expect};
    use prometheus_client::metrics::counter::Counter;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::task::JoinHandle;

    use super::*;

    struct Running {
        address: SocketAddr,
        draining: Arc<AtomicBool>,
        shutdown: CancellationToken,
        task: JoinHandle<()>,
    }

    impl Running {
        async fn start() -> Self {
            let mut registry = Registry::default();
            let counter: Counter = Counter::default();
            counter.inc_by(3);
            registry.register("grille_sessions", "Sessions opened", counter);
            let draining = Arc::new(AtomicBool::new(false));
            let seen = Arc::clone(&draining);
            let readiness: Arc<Readiness> = Arc::new(move || match seen.load(Ordering::Relaxed) {
                true => vec!["shutting down".to_owned()],
                false => Vec::new(),
            });
            let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
            let server = AdminServer::bind(any_port, Arc::new(registry), readiness).await.unwrap();
            let address = server.local_address();
            let shutdown = CancellationToken::new();
            let task = tokio::spawn(server.run(shutdown.clone()));
            Self { address, draining, shutdown, task }
        }

        /// The whole answer, without the date.
        async fn ask(&self, request: &str) -> String {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            let lines = answer.lines().filter(|line| !line.starts_with("date: "));
            lines.collect::<Vec<_>>().join("\n")
        }

        async fn check(&self, request: &str, expected: Expect) {
            expected.assert_eq(&self.ask(&format!("{request} HTTP/1.1\r\nhost: x\r\n\r\n")).await);
        }
    }

    #[tokio::test]
    async fn each_page_is_answered() {
        let server = Running::start().await;
        server
            .check(
                "GET /healthz",
                expect![[r#"
            HTTP/1.1 200 OK
            content-type: text/plain; charset=utf-8
            cache-control: no-store
            connection: close
            content-length: 3

            ok"#]],
            )
            .await;
        server
            .check(
                "GET /readyz",
                expect![[r#"
            HTTP/1.1 200 OK
            content-type: application/json
            cache-control: no-store
            connection: close
            content-length: 28

            {"ready":true,"reasons":[]}"#]],
            )
            .await;
        server
            .check(
                "GET /metrics",
                expect![[r#"
            HTTP/1.1 200 OK
            content-type: application/openmetrics-text; version=1.0.0; charset=utf-8
            cache-control: no-store
            connection: close
            content-length: 101

            # HELP grille_sessions Sessions opened.
            # TYPE grille_sessions counter
            grille_sessions_total 3
            # EOF"#]],
            )
            .await;
        server.draining.store(true, Ordering::Relaxed);
        server
            .check(
                "GET /readyz?verbose",
                expect![[r#"
            HTTP/1.1 503 Service Unavailable
            content-type: application/json
            cache-control: no-store
            connection: close
            content-length: 44

            {"ready":false,"reasons":["shutting down"]}"#]],
            )
            .await;
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        let server = Running::start().await;
        server
            .check(
                "GET /",
                expect![[r#"
            HTTP/1.1 404 Not Found
            content-type: application/problem+json
            cache-control: no-store
            connection: close
            content-length: 87

            {"title":"Not Found","status":404,"detail":"There is /healthz, /readyz and /metrics."}"#]],
            )
            .await;
        server
            .check(
                "POST /metrics",
                expect![[r#"
            HTTP/1.1 405 Method Not Allowed
            content-type: application/problem+json
            cache-control: no-store
            allow: GET
            connection: close
            content-length: 82

            {"title":"Method Not Allowed","status":405,"detail":"Only GET is answered here."}"#]],
            )
            .await;
        server
            .check(
                "GET /healthz/../metrics",
                expect![[r#"
            HTTP/1.1 404 Not Found
            content-type: application/problem+json
            cache-control: no-store
            connection: close
            content-length: 87

            {"title":"Not Found","status":404,"detail":"There is /healthz, /readyz and /metrics."}"#]],
            )
            .await;
    }

    #[tokio::test]
    async fn what_is_no_request_or_too_long_ends_the_connection() {
        let server = Running::start().await;
        let noise = server.ask("noise\r\n\r\n").await;
        assert!(noise.starts_with("HTTP/1.1 400"), "{noise}");
        let long = format!("GET /healthz HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(HEAD_BYTES_MAX));
        let refused = server.ask(&long).await;
        assert!(refused.starts_with("HTTP/1.1 431"), "{refused}");
        assert!(server.ask("GET /healthz HTTP/1.0\r\n\r\n").await.contains("200 OK"), "it goes on");
    }

    #[tokio::test]
    async fn beyond_the_limit_a_client_waits_for_a_place() {
        let server = Running::start().await;
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            silent.push(TcpStream::connect(server.address).await.unwrap());
        }
        let ask = server.ask("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
        tokio::pin!(ask);
        let early = tokio::time::timeout(Duration::from_millis(50), &mut ask).await;
        assert!(early.is_err(), "there was a place for one more");
        silent.pop();
        assert!(ask.await.contains("200 OK"));
    }

    #[tokio::test]
    async fn it_stops_when_told_though_clients_are_connected() {
        let server = Running::start().await;
        let _idle = TcpStream::connect(server.address).await.unwrap();
        server.shutdown.cancel();
        server.task.await.unwrap();
        assert!(TcpStream::connect(server.address).await.is_err());
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_an_error() {
        let server = Running::start().await;
        let readiness: Arc<Readiness> = Arc::new(Vec::new);
        let taken = AdminServer::bind(server.address, Arc::new(Registry::default()), readiness).await;
        assert!(taken.is_err_and(|error| error.to_string().contains("cannot listen")));
    }
}
