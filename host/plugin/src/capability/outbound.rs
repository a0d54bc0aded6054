//! How a request leaves: what the runtime asks of whoever has the network, and what it is told.

use std::time::Duration;

use super::destination::EgressHost;

/// Sends requests. What it is asked was held against the operator's list before; it sees to where they really go.
pub trait Outbound: Send + Sync {
    /// Sends one request over verified TLS and returns the reply whatever its status; redirects are not followed. Blocks the
    /// thread for at most `request.timeout`. A host without a pinned address is resolved once, and connected to only where
    /// all its addresses are public ([`is_public`](super::destination::is_public)).
    ///
    /// # Errors
    /// When there is no whole reply.
    fn fetch(&self, request: OutboundRequest<'_>) -> Result<OutboundReply, OutboundError>;
}

/// A request that the operator allows.
#[derive(Clone, Debug)]
pub struct OutboundRequest<'r> {
    /// `GET`, `HEAD`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: &'static str,
    /// Where to.
    pub host: &'r EgressHost,
    /// Path and query, in printable ASCII; begins with `/`.
    pub path: &'r str,
    /// Lower-case names off a short list, printable values.
    pub headers: &'r [(String, String)],
    /// The body.
    pub body: Vec<u8>,
    /// Longest time for all of it.
    pub timeout: Duration,
    /// Longest body of the reply, in bytes.
    pub reply_bytes_max: usize,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboundReply {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// All of it.
    pub body: Vec<u8>,
}

/// Why there is no reply. The texts are shown to the plugin: none names an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// It took too long.
    #[error("the host did not answer in time")]
    TimedOut,
    /// Its name resolves to nothing.
    #[error("the host's name is not known")]
    Unresolved,
    /// Its name resolves to an address that is not public: it could be one of our own.
    #[error(
        "the host's name leads to an address that is not public; an operator can pin it: HOST:PORT=ADDRESS"
    )]
    NotPublic,
    /// Nobody answers there, or not with a certificate for the name.
    #[error("the host cannot be reached over verified TLS")]
    Unreachable,
    /// The reply is longer than allowed.
    #[error("the reply is too long")]
    TooLong,
    /// The reply broke off, or is not HTTP.
    #[error("the reply cannot be read")]
    Broken,
    /// There is no TLS to be had: the operator's fault, or ours.
    #[error("this Grille cannot send requests")]
    Unavailable,
}
