//! What the data plane is told, already checked. `host/app` makes these from the configuration file; nothing here parses.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use grille_core::UpstreamName;
use zeroize::Zeroizing;

/// An address clients connect to.
#[derive(Clone, Debug)]
pub struct ListenerSettings {
    /// Its name in logs and metrics.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// The server's certificate and key.
    pub tls: Option<ServerTls>,
    /// Whether a client may send its token without TLS. Configuration allows it on loopback addresses only, unless the
    /// operator insists.
    pub plaintext: bool,
    /// How clients present their token.
    pub authentication: ClientAuthentication,
}

/// How clients of a listener present their token. The protocol has the server ask for one thing, before it knows anything
/// of what the client can do, so a listener has one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// As a password.
    Password,
    /// By SASL mechanism OAUTHBEARER (RFC 7628), as libpq does it from version 18 on.
    OauthBearer(OauthAdvice),
}

/// What a client without a token is told, so that it can get one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OauthAdvice {
    /// The issuer's identifier.
    pub issuer: String,
    /// Scopes to ask it for, with spaces between them (RFC 6749, section 3.3).
    pub scope: String,
}

/// PEM files of a server.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// Certificate chain, leaf first.
    pub certificate: PathBuf,
    /// PKCS #8, PKCS #1 or SEC 1 private key.
    pub key: PathBuf,
}

/// An OpenID Connect issuer whose tokens are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerSettings {
    /// Compared with `iss` and with the issuer in the discovery document, exactly.
    pub issuer: String,
    /// One of them must be in `aud`.
    pub audiences: Vec<String>,
    /// If not empty, `azp` (or `client_id`) must be one of them.
    pub authorized_parties: Vec<String>,
    /// JWS algorithms, asymmetric ones only.
    pub algorithms: Vec<SigningAlgorithm>,
    /// The claim that lists groups.
    pub groups_claim: String,
    /// The claim that, when present, marks an AI agent.
    pub agent_claim: Option<String>,
    /// Where the keys are; by default discovery tells (`issuer/.well-known/openid-configuration`).
    pub jwks_uri: Option<String>,
    /// Additional PEM roots for the issuer's TLS.
    pub ca: Option<PathBuf>,
    /// How long known keys are used while the issuer cannot be reached.
    pub outage: Duration,
    /// How old keys may become before they are fetched again.
    pub refresh: Duration,
    /// Tolerated difference between clocks.
    pub leeway: Duration,
    /// What becomes of a session whose token expires.
    pub on_token_expiry: OnTokenExpiry,
}

/// What becomes of a session whose token expires. It has expired when `exp` and the issuer's leeway are past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTokenExpiry {
    /// Nothing: it goes on until it is closed.
    Finish,
    /// What runs is finished; after that only COMMIT and ROLLBACK are let through.
    Refuse,
    /// It ends at once, also in the middle of a statement.
    End,
}

/// Signature algorithms (RFC 7518, section 3.1; RFC 8037) that a token may use. `none` and the HMAC family cannot be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SigningAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// ECDSA over P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

/// A PostgreSQL backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// What clients give as database name.
    pub name: UpstreamName,
    /// DNS name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The database there.
    pub database: String,
    /// The role Grille logs in as.
    pub user: String,
    /// Its password.
    pub password: Option<SecretSource>,
    /// How the connection is protected.
    pub tls: UpstreamTls,
    /// Which authentication requests of the server are answered, beside SCRAM-SHA-256, which always is.
    pub weak_authentication: WeakAuthentication,
    /// Longest time to connect and log in.
    pub connect_timeout: Duration,
}

/// How a connection to an upstream is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamTls {
    /// Certificate chain and host name are verified; roots from the file, else the system's.
    Verify {
        /// PEM roots.
        ca: Option<PathBuf>,
    },
    /// No encryption.
    Disable,
}

/// Authentication that an operator must ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WeakAuthentication {
    /// Answer an MD5 challenge.
    pub md5: bool,
    /// Accept that the server asks for nothing.
    pub trust: bool,
}

/// Where a secret comes from. It is read when it is used, so that a rotated file takes effect, and never printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable.
    Environment(String),
    /// A file; one trailing newline is not part of the secret.
    File(PathBuf),
}

/// A secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, or is not UTF-8.
    #[error("environment variable {0} is not set or not UTF-8")]
    Environment(String),
    /// The file could not be read.
    #[error("cannot read secret file {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There was nothing in it.
    #[error("the secret is empty")]
    Empty,
    /// There was not enough in it.
    #[error("the secret has fewer than {bytes_min} bytes")]
    TooShort {
        /// What it needs.
        bytes_min: usize,
    },
}

impl SecretSource {
    /// Whether the secret can be read now, without giving it away: its length in bytes.
    ///
    /// # Errors
    /// When there is none.
    pub fn check(&self) -> Result<usize, SecretError> {
        self.read().map(|secret| secret.len())
    }

    /// Reads the secret; the copy is wiped when dropped.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn read(&self) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let mut secret = match self {
            Self::Environment(name) => Zeroizing::new(
                std::env::var(name).map_err(|_| SecretError::Environment(name.clone()))?.into_bytes(),
            ),
            Self::File(path) => Zeroizing::new(
                std::fs::read(path).map_err(|source| SecretError::File { path: path.clone(), source })?,
            ),
        };
        if secret.last() == Some(&b'\n') {
            secret.pop();
        }
        if secret.is_empty() { Err(SecretError::Empty) } else { Ok(secret) }
    }
}

/// Everything of the data plane that needs a restart to change.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// Where clients connect.
    pub listeners: Vec<ListenerSettings>,
    /// Longest time from accept to a verified token.
    pub authentication_timeout: Duration,
    /// Most client connections at once.
    pub connections_max: usize,
    /// Longest message from client or upstream that is held in memory, in bytes.
    pub message_bytes_max: usize,
    /// Longest text of a statement, or of several in one message, that is read, in bytes; up to
    /// [`STATEMENT_BYTES_MAX`](crate::STATEMENT_BYTES_MAX).
    pub statement_bytes_max: usize,
    /// Longest time a shutdown waits for statements in flight.
    pub drain_timeout: Duration,
    /// Key of keyed tokens.
    pub token_key: Option<SecretSource>,
}

/// Everything that a reload may change besides roles and plugins.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// Accepted issuers.
    pub issuers: Vec<Arc<IssuerSettings>>,
    /// Backends.
    pub upstreams: Vec<Arc<UpstreamSettings>>,
}
