//! Asking a backend to cancel what runs on a connection (PostgreSQL manual, "Protocol Flow: Canceling Requests in Progress").

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::error::ConnectError;
use super::stream::Route;
use crate::transport::Transport;

/// Most bytes read while waiting for the server to close; it has nothing to say.
const GOODBYE_BYTES_MAX: usize = 1024;

/// What BackendKeyData said. The key is as good as a credential for the connection.
#[derive(Clone, Copy)]
pub(super) struct BackendKey {
    pub(super) process_id: i32,
    pub(super) secret_key: i32,
}

/// How to cancel what runs on one connection to an upstream.
#[derive(Clone)]
pub struct CancelTarget {
    route: Arc<Route>,
    peer: SocketAddr,
    key: BackendKey,
    deadline: Duration,
}

impl CancelTarget {
    pub(super) fn new(route: Arc<Route>, peer: SocketAddr, key: BackendKey, deadline: Duration) -> Self {
        Self { route, peer, key, deadline }
    }

    /// What the server calls the connection: `pg_backend_pid()`, also named in notifications. No secret.
    pub fn process(&self) -> u32 {
        self.key.process_id.cast_unsigned()
    }

    /// Sends a CancelRequest over a connection of its own, protected like the first and to the same address, and waits
    /// until the server has closed it: only then has the signal been sent. Bounded by the connect timeout. Whether anything
    /// was canceled shows on the connection it was meant for.
    ///
    /// # Errors
    /// When the server cannot be reached or does not close.
    pub async fn send(&self) -> Result<(), ConnectError> {
        timeout(self.deadline, self.send_without_deadline()).await.map_err(|_| ConnectError::TimedOut)?
    }

    async fn send_without_deadline(&self) -> Result<(), ConnectError> {
        let mut stream = self.route.open_at(self.peer).await?;
        let mut request = BytesMut::new();
        frontend::cancel_request(self.key.process_id, self.key.secret_key, &mut request);
        stream.write_all(&request).await.map_err(ConnectError::Broken)?;
        stream.flush().await.map_err(ConnectError::Broken)?;
        closed(&mut stream).await
    }
}

/// Servers drop the connection without a word, over TLS often without close_notify: any end is the end.
async fn closed(stream: &mut Transport) -> Result<(), ConnectError> {
    let mut goodbye = [0; GOODBYE_BYTES_MAX];
    match stream.read(&mut goodbye).await {
        Ok(0) | Err(_) => Ok(()),
        Ok(_) => Err(ConnectError::Protocol("an answer to CancelRequest")),
    }
}

impl fmt::Debug for CancelTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelTarget").field("peer", &self.peer).finish_non_exhaustive()
    }
}
