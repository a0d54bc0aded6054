//! Fetching an issuer's keys over HTTP: OpenID Connect discovery, then the key set. Redirects are not followed.

use std::error::Error;
use std::net::IpAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::header::{ACCEPT, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tokio::time::timeout;

use super::keys::{KeySet, KeySetError};
use super::limits::{DOCUMENT_BYTES_MAX, FETCH_TIMEOUT};
use crate::settings::IssuerSettings;
use crate::tls::{TlsError, TrustedRoots, client_config};

/// An issuer whose keys could never be fetched as it is configured: the operator's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerError {
    /// Not an absolute `https` address (`http` on loopback).
    #[error("`{0}` is not an address that keys can be fetched from: https is needed, or http on loopback")]
    Address(String),
    /// Its roots cannot be used.
    #[error("TLS towards the issuer cannot be set up")]
    Tls(#[from] TlsError),
    /// Two issuers of one name.
    #[error("issuer `{0}` is there twice")]
    Duplicate(String),
}

/// Why a fetch gave no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("no answer within {} seconds", FETCH_TIMEOUT.as_secs())]
    TimedOut,
    #[error("the issuer cannot be reached")]
    Unreachable(#[source] hyper_util::client::legacy::Error),
    #[error("the issuer answered with status {0}")]
    Status(StatusCode),
    #[error("the issuer's document is longer than {DOCUMENT_BYTES_MAX} bytes")]
    TooLong,
    #[error("the issuer's document broke off")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
    #[error("the discovery document cannot be read")]
    Discovery(#[source] serde_json::Error),
    #[error("the discovery document is that of another issuer")]
    OtherIssuer,
    #[error(
        "the discovery document names a key set that is not fetched from: https is needed, or http on loopback"
    )]
    KeySetAddress,
    #[error(transparent)]
    KeySet(#[from] KeySetError),
}

/// Where an issuer's keys come from.
#[derive(Debug)]
pub(super) struct KeySource {
    issuer: String,
    at: KeysAt,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

#[derive(Debug)]
enum KeysAt {
    Discovery(Uri),
    KeySet(Uri),
}

/// The part of a discovery document (OpenID Connect Discovery, section 3) that matters here.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl KeySource {
    /// Loads roots from files, fetches nothing.
    pub(super) fn new(settings: &IssuerSettings) -> Result<Self, IssuerError> {
        let at = match &settings.jwks_uri {
            Some(uri) => KeysAt::KeySet(address(uri)?),
            None => KeysAt::Discovery(address(&discovery_address(&settings.issuer))?),
        };
        let roots = settings.ca.as_deref().map_or(TrustedRoots::System, TrustedRoots::SystemAnd);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(client_config(roots)?)
            .https_or_http()
            .enable_http1()
            .build();
        // Minutes pass between fetches: a kept connection would only be found closed.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { issuer: settings.issuer.clone(), at, client })
    }

    /// Fetches the keys, within [`FETCH_TIMEOUT`]. Cancel safe.
    pub(super) async fn fetch(&self) -> Result<KeySet, FetchError> {
        timeout(FETCH_TIMEOUT, self.fetch_without_deadline()).await.map_err(|_| FetchError::TimedOut)?
    }

    async fn fetch_without_deadline(&self) -> Result<KeySet, FetchError> {
        let key_set = match &self.at {
            KeysAt::KeySet(uri) => uri.clone(),
            KeysAt::Discovery(uri) => self.discover(uri).await?,
        };
        Ok(KeySet::parse(&self.document(key_set).await?)?)
    }

    /// The document must be the issuer's own (OpenID Connect Discovery, section 4.3), and what came over https does not lead
    /// to http.
    async fn discover(&self, uri: &Uri) -> Result<Uri, FetchError> {
        let document = self.document(uri.clone()).await?;
        let discovery: Discovery = serde_json::from_slice(&document).map_err(FetchError::Discovery)?;
        if discovery.issuer != self.issuer {
            return Err(FetchError::OtherIssuer);
        }
        let key_set = address(&discovery.jwks_uri).map_err(|_| FetchError::KeySetAddress)?;
        if is_https(uri) && !is_https(&key_set) {
            return Err(FetchError::KeySetAddress);
        }
        Ok(key_set)
    }

    /// The issuer is the operator's choice and may be named; its answer is not repeated.
    pub(super) fn log_failure(&self, error: &FetchError) {
        let cause = error.source().map(ToString::to_string);
        tracing::warn!(issuer = self.issuer, %error, cause, "the keys of an issuer could not be fetched");
    }

    async fn document(&self, uri: Uri) -> Result<Bytes, FetchError> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("grille"));
        let response = self.client.request(request).await.map_err(FetchError::Unreachable)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        match Limited::new(response.into_body(), DOCUMENT_BYTES_MAX).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLong),
            Err(error) => Err(FetchError::Broken(error)),
        }
    }
}

/// OpenID Connect Discovery, section 4.1: a slash at the end of the issuer is left out.
fn discovery_address(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.strip_suffix('/').unwrap_or(issuer))
}

/// Keys decide who gets in, so they come over https; http is for an issuer on the same machine.
fn address(text: &str) -> Result<Uri, IssuerError> {
    let refused = || IssuerError::Address(text.to_owned());
    let uri: Uri = text.parse().map_err(|_| refused())?;
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(refused)?;
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    let protected = is_https(&uri) || (uri.scheme_str() == Some("http") && is_loopback(host));
    if protected && !has_user { Ok(uri) } else { Err(refused()) }
}

fn is_https(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_https_or_from_loopback() {
        let check = |text: &str, expected: bool| assert_eq!(address(text).is_ok(), expected, "{text}");
        check("https://id.example/keys", true);
        check("http://localhost:8080/keys", true);
        check("http://127.0.0.2/keys", true);
        check("http://[::1]:80/keys", true);
        check("http://id.example/keys", false);
        check("http://localhost.id.example/keys", false);
        check("http://10.0.0.1/keys", false);
        check("https://user@id.example/keys", false);
        check("http://127.0.0.1@id.example/keys", false);
        check("file:///etc/passwd", false);
        check("ftp://localhost/keys", false);
        check("/keys", false);
        check("localhost", false);
        check("", false);
    }

    #[test]
    fn discovery_is_below_the_issuer() {
        let check = |issuer, expected| assert_eq!(discovery_address(issuer), expected);
        check("https://id.example", "https://id.example/.well-known/openid-configuration");
        check("https://id.example/", "https://id.example/.well-known/openid-configuration");
        check("https://id.example/a", "https://id.example/a/.well-known/openid-configuration");
    }
}
