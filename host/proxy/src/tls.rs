//! TLS on both sides: rustls configurations made from PEM files, and the channel binding of a server's certificate.
//!
//! The cryptography provider is named here and nowhere else. No sockets: listeners, `upstream` and `identity` do the
//! handshakes. Everything here reads files, so call it when configuration is loaded, not on an async worker per connection.

mod end_point;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::settings::ServerTls;

pub use end_point::server_end_point;

/// The ALPN protocol name of PostgreSQL (manual, section "Protocol Flow: SSL Session Encryption"). A client that starts
/// with TLS at once must offer it; one that sent SSLRequest may leave ALPN out.
pub const ALPN_POSTGRESQL: &[u8] = b"postgresql";

/// Certificate files that cannot be used: always the operator's fault.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file is missing, unreadable, or not PEM.
    #[error("cannot read PEM file {}", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rustls_pki_types::pem::Error,
    },
    /// The file holds no certificate.
    #[error("no certificate in {}", .0.display())]
    NoCertificate(PathBuf),
    /// A root certificate cannot be used.
    #[error("unusable root certificate in {}", path.display())]
    Root {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The system offers no root certificates.
    #[error("the system has no root certificates; name a `ca` file")]
    NoSystemRoots,
    /// A server's certificate can only be checked for a DNS name or an address.
    #[error("`{0}` is neither a DNS name nor an IP address")]
    NotAServerName(String),
    /// Certificate and key do not fit each other, or cannot be used.
    #[error("certificate and key cannot be used")]
    Identity(#[source] rustls::Error),
}

/// Which certificate authorities a server is trusted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedRoots<'p> {
    /// The system's.
    System,
    /// Those in the PEM file and no others.
    Only(&'p Path),
    /// The system's, if there are any, and those in the PEM file.
    SystemAnd(&'p Path),
}

/// The one cryptography provider (aws-lc-rs), passed explicitly so that nothing depends on a process-wide default.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider())).clone()
}

/// A listener's TLS: 1.2 and 1.3, no client certificates, ALPN `postgresql`. Reads the files anew at each call, so calling
/// it again is a certificate reload.
///
/// # Errors
/// When the files cannot be read or do not fit each other.
pub fn server_config(tls: &ServerTls) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(&tls.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&tls.key)
        .map_err(|source| TlsError::Pem { path: tls.key.clone(), source })?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Identity)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Identity)?;
    config.alpn_protocols = vec![ALPN_POSTGRESQL.to_vec()];
    Ok(Arc::new(config))
}

/// TLS towards a server: chain and host name are verified, no client certificate. Without ALPN, which the caller adds.
///
/// # Errors
/// When there are no usable roots.
pub fn client_config(roots: TrustedRoots<'_>) -> Result<ClientConfig, TlsError> {
    client_config_trusting(Arc::new(root_store(roots)?))
}

/// The same with roots that were read before.
///
/// # Errors
/// As [`client_config`].
pub(crate) fn client_config_trusting(roots: Arc<RootCertStore>) -> Result<ClientConfig, TlsError> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Identity)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// Reads the roots.
///
/// # Errors
/// When there are none, or one that the operator named cannot be used.
pub(crate) fn root_store(roots: TrustedRoots<'_>) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    match roots {
        TrustedRoots::System => add_system_roots(&mut store),
        TrustedRoots::Only(file) => add_file(&mut store, file)?,
        TrustedRoots::SystemAnd(file) => {
            add_system_roots(&mut store);
            add_file(&mut store, file)?;
        }
    }
    if store.is_empty() { Err(TlsError::NoSystemRoots) } else { Ok(store) }
}

/// Roots of the system that cannot be read or parsed are left out: that narrows trust and cannot widen it.
fn add_system_roots(store: &mut RootCertStore) {
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "some of the system's root certificates cannot be read");
    }
    store.add_parsable_certificates(native.certs);
}

/// Every root the operator named must be usable.
fn add_file(store: &mut RootCertStore, file: &Path) -> Result<(), TlsError> {
    for certificate in certificates(file)? {
        store.add(certificate).map_err(|source| TlsError::Root { path: file.to_owned(), source })?;
    }
    Ok(())
}

/// All certificates of a PEM file, at least one.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = |source| TlsError::Pem { path: file.to_owned(), source };
    let found: Vec<_> =
        CertificateDer::pem_file_iter(file).map_err(pem)?.collect::<Result<_, _>>().map_err(pem)?;
    if found.is_empty() { Err(TlsError::NoCertificate(file.to_owned())) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;

    /// Writes `contents` under `name` in `dir`.
    fn file(dir: &tempfile::TempDir, name: &str, contents: &str) -> PathBuf {
        let path = dir.path().join(name);
        std::fs::write(&path, contents).expect("a file in a directory of our own");
        path
    }

    fn issued() -> CertifiedKey<rcgen::KeyPair> {
        generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate")
    }

    #[test]
    fn a_server_needs_a_certificate_and_the_key_that_fits_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let (ours, other) = (issued(), issued());
        let certificate = file(&dir, "cert.pem", &ours.cert.pem());
        let key = file(&dir, "key.pem", &ours.signing_key.serialize_pem());
        let foreign = file(&dir, "foreign.pem", &other.signing_key.serialize_pem());
        let empty = file(&dir, "empty.pem", "");
        let missing = dir.path().join("missing.pem");

        let load = |certificate: &Path, key: &Path| {
            server_config(&ServerTls { certificate: certificate.to_owned(), key: key.to_owned() })
        };
        assert_eq!(load(&certificate, &key).expect("they fit").alpn_protocols, [ALPN_POSTGRESQL.to_vec()]);
        assert!(matches!(load(&certificate, &foreign), Err(TlsError::Identity(_))));
        assert!(matches!(load(&certificate, &empty), Err(TlsError::Pem { .. })));
        assert!(matches!(load(&certificate, &missing), Err(TlsError::Pem { .. })));
        assert!(matches!(load(&empty, &key), Err(TlsError::NoCertificate(_))));
        assert!(matches!(load(&missing, &key), Err(TlsError::Pem { .. })));
    }

    #[test]
    fn named_roots_must_be_usable() {
        let dir = tempfile::tempdir().expect("a directory");
        let good = file(&dir, "ca.pem", &issued().cert.pem());
        let empty = file(&dir, "empty.pem", "");
        let garbage =
            file(&dir, "garbage.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        assert!(client_config(TrustedRoots::Only(&good)).is_ok());
        assert!(client_config(TrustedRoots::SystemAnd(&good)).is_ok());
        assert!(matches!(client_config(TrustedRoots::Only(&empty)), Err(TlsError::NoCertificate(_))));
        assert!(matches!(client_config(TrustedRoots::Only(&garbage)), Err(TlsError::Root { .. })));
        assert!(matches!(client_config(TrustedRoots::SystemAnd(&garbage)), Err(TlsError::Root { .. })));
    }
}
