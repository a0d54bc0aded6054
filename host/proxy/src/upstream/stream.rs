//! The way to a backend: name resolution, TCP, SSLRequest, TLS. Nothing is said here beyond that.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use rustls::RootCertStore;
use rustls_pki_types::{ServerName, TrustAnchor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use super::error::ConnectError;
use crate::settings::{UpstreamSettings, UpstreamTls};
use crate::tls::{
    ALPN_POSTGRESQL, TlsError, TrustedRoots, client_config_trusting, root_store, server_end_point,
};
use crate::transport::Transport;

/// Where a backend is and how the connection to it is protected.
pub(super) struct Route {
    host: String,
    port: u16,
    tls: Option<Tls>,
}

struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
    roots: Arc<RootCertStore>,
}

/// What a log-in on a connection can be bound to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Binding {
    /// There is no TLS.
    NoTls,
    /// `tls-server-end-point` data of the server's certificate.
    EndPoint(Vec<u8>),
    /// There is TLS, with a certificate for which RFC 5929 defines no such data.
    Undefined,
}

impl Route {
    pub(super) fn new(settings: &UpstreamSettings) -> Result<Self, TlsError> {
        let tls = match &settings.tls {
            UpstreamTls::Disable => None,
            UpstreamTls::Verify { ca } => {
                let roots = ca.as_deref().map_or(TrustedRoots::System, TrustedRoots::Only);
                Some(Tls::new(&settings.host, roots)?)
            }
        };
        Ok(Self { host: settings.host.clone(), port: settings.port, tls })
    }

    /// Whether whoever is trusted on the one way is trusted on the other. The order of the roots, which a system need not keep,
    /// is of no account.
    pub(super) fn trusts_as(&self, other: &Self) -> bool {
        match (&self.tls, &other.tls) {
            (None, None) => true,
            (Some(one), Some(other)) => roots(&one.roots) == roots(&other.roots),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    /// Tries each address of the host in the resolver's order. Also says which one it is.
    pub(super) async fn open(&self) -> Result<(Transport, SocketAddr), ConnectError> {
        let addresses =
            lookup_host((self.host.as_str(), self.port)).await.map_err(ConnectError::Unreachable)?;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
        for address in addresses {
            match connect_tcp(address).await {
                Ok(tcp) => return Ok((self.protect(tcp).await?, address)),
                Err(error) => last = error,
            }
        }
        Err(ConnectError::Unreachable(last))
    }

    /// A second connection to the very server of an earlier one.
    pub(super) async fn open_at(&self, peer: SocketAddr) -> Result<Transport, ConnectError> {
        let tcp = connect_tcp(peer).await.map_err(ConnectError::Unreachable)?;
        self.protect(tcp).await
    }

    async fn protect(&self, mut tcp: TcpStream) -> Result<Transport, ConnectError> {
        let Some(tls) = &self.tls else { return Ok(Transport::Plain(tcp)) };
        request_tls(&mut tcp).await?;
        let stream = tls.connector.connect(tls.name.clone(), tcp).await.map_err(ConnectError::Tls)?;
        Ok(Transport::Tls(Box::new(stream.into())))
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls.is_some())
            .finish()
    }
}

fn roots(store: &RootCertStore) -> HashSet<&TrustAnchor<'static>> {
    store.roots.iter().collect()
}

impl Tls {
    fn new(host: &str, roots: TrustedRoots<'_>) -> Result<Self, TlsError> {
        let name =
            ServerName::try_from(host.to_owned()).map_err(|_| TlsError::NotAServerName(host.to_owned()))?;
        let roots = Arc::new(root_store(roots)?);
        let mut config = client_config_trusting(Arc::clone(&roots))?;
        config.alpn_protocols = vec![ALPN_POSTGRESQL.to_vec()];
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name, roots })
    }
}

async fn connect_tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_keepalive(true)?;
    socket.set_nodelay(true)?;
    socket.connect(address).await
}

/// SSLRequest. Exactly one byte is read in clear: whatever an attacker puts behind it goes into the handshake, which it
/// breaks, and never counts as said within TLS (CVE-2021-23222). An ErrorResponse at this point is not read: nobody vouches
/// for its text (CVE-2024-10977).
async fn request_tls(tcp: &mut TcpStream) -> Result<(), ConnectError> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    tcp.write_all(&request).await.map_err(ConnectError::Broken)?;
    match tcp.read_u8().await {
        Ok(b'S') => Ok(()),
        Ok(b'N' | b'E') => Err(ConnectError::TlsRefused),
        Ok(_) => Err(ConnectError::Protocol("an unknown answer to SSLRequest")),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(ConnectError::Closed),
        Err(error) => Err(ConnectError::Broken(error)),
    }
}

/// What a log-in on the connection is bound to.
pub(super) fn binding(stream: &Transport) -> Binding {
    match stream {
        Transport::Plain(_) => Binding::NoTls,
        Transport::Tls(stream) => stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(|chain| server_end_point(chain.first()?))
            .map_or(Binding::Undefined, Binding::EndPoint),
    }
}
