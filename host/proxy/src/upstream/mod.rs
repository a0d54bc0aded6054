//! Connections to PostgreSQL backends: TCP, TLS, log-in, cancel requests, and the secrets these need.
//!
//! The only part of Grille in which a backend credential can be named. No statement passes here: a connection is handed
//! over once the server has said that it is ready for one.

mod cancel;
mod error;
mod login;
mod stream;
#[cfg(test)]
mod tests;
mod token_key;

use std::sync::Arc;

use bytes::BytesMut;
use tokio::time::timeout;

use crate::settings::UpstreamSettings;
use crate::tls::TlsError;
use crate::transport::Transport;
use login::LoggedIn;
use stream::Route;

pub use cancel::CancelTarget;
pub use error::ConnectError;
pub use token_key::{TOKEN_KEY_BYTES_MIN, load_token_key};

/// A backend, ready to be connected to: its certificates are loaded and its host name is checked.
#[derive(Debug)]
pub struct Upstream {
    settings: Arc<UpstreamSettings>,
    route: Arc<Route>,
}

/// A connection on which the server has said ReadyForQuery for the first time.
#[derive(Debug)]
pub struct UpstreamConnection {
    /// The bytes of the connection.
    pub stream: Transport,
    /// What the server reported by ParameterStatus, in its order; a name may repeat, the last one counts.
    pub parameters: Vec<(String, String)>,
    /// How to cancel what runs on the connection.
    pub cancel: CancelTarget,
    /// What was received after ReadyForQuery; comes before anything read from [`UpstreamConnection::stream`].
    pub leftover: BytesMut,
}

impl Upstream {
    /// Loads the certificates. Reads files: for start-up and reload, not for an async worker.
    ///
    /// # Errors
    /// When TLS is asked for and its roots cannot be used, or the host is neither a DNS name nor an address.
    pub fn new(settings: Arc<UpstreamSettings>) -> Result<Self, TlsError> {
        let route = Arc::new(Route::new(&settings)?);
        Ok(Self { settings, route })
    }

    /// Whether the other leads to the same place in the same way, as far as configuration and certificates tell: whatever is
    /// known of the one holds for the other.
    pub(crate) fn is_interchangeable_with(&self, other: &Self) -> bool {
        self.settings == other.settings && self.route.trusts_as(&other.route)
    }

    /// What the operator said about it.
    pub fn settings(&self) -> &Arc<UpstreamSettings> {
        &self.settings
    }

    /// Connects, logs in as the configured user to the configured database, and waits for ReadyForQuery, all within
    /// [`UpstreamSettings::connect_timeout`]. `startup` holds run-time parameters to pass on, already vetted; those that
    /// would choose who or where (`user`, `database`, `replication`, `options`, `_pq_.…`) are refused once more.
    ///
    /// Cancel safe: a dropped future closes the connection.
    ///
    /// # Errors
    /// [`ConnectError`] says whose fault it is and what the client may be told.
    pub async fn connect(&self, startup: &[(String, String)]) -> Result<UpstreamConnection, ConnectError> {
        timeout(self.settings.connect_timeout, self.connect_without_deadline(startup))
            .await
            .map_err(|_| ConnectError::TimedOut)?
    }

    async fn connect_without_deadline(
        &self,
        startup: &[(String, String)],
    ) -> Result<UpstreamConnection, ConnectError> {
        let (mut stream, peer) = self.route.open().await?;
        let LoggedIn { parameters, key, leftover } =
            login::log_in(&mut stream, &self.settings, startup).await?;
        let cancel = CancelTarget::new(self.route.clone(), peer, key, self.settings.connect_timeout);
        Ok(UpstreamConnection { stream, parameters, cancel, leftover })
    }
}
