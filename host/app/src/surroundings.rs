//! What the configuration names outside itself, but for plugins: certificates, keys, secrets, directories. They are looked
//! at, never kept or shown; the crates that use them read them themselves.

use std::error::Error;
use std::path::Path;

use grille_proxy::settings::{SecretSource, ServerTls, UpstreamTls};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tracing_subscriber::EnvFilter;

use crate::config::{Config, Problem};

/// The least length of the token key, in bytes: that of HMAC-SHA-256's output (RFC 2104, section 3).
const TOKEN_KEY_BYTES_MIN: usize = 32;

/// Finds what is not there or cannot be used.
pub(crate) fn check(config: &Config, problems: &mut Vec<Problem>) {
    for listener in &config.proxy.listeners {
        if let Some(tls) = &listener.tls {
            check_server_tls(&format!("listener `{}`", listener.name), tls, problems);
        }
    }
    for issuer in &config.directory.issuers {
        check_roots(&format!("issuer `{}`", issuer.issuer), issuer.ca.as_deref(), problems);
    }
    for upstream in &config.directory.upstreams {
        let whose = format!("upstream `{}`", upstream.name);
        if let UpstreamTls::Verify { ca } = &upstream.tls {
            check_roots(&whose, ca.as_deref(), problems);
        }
        if let Some(password) = &upstream.password {
            check_secret(&format!("{whose}: password"), password, 1, problems);
        }
    }
    if let Some(key) = &config.proxy.token_key {
        check_secret("the token key", key, TOKEN_KEY_BYTES_MIN, problems);
    }
    if let Err(error) = EnvFilter::try_new(&config.log.level) {
        problems.push(Problem::general(format!("log level: {}", chain(&error))));
    }
}

fn check_server_tls(whose: &str, tls: &ServerTls, problems: &mut Vec<Problem>) {
    check_certificates(&format!("{whose}: certificate"), &tls.certificate, problems);
    if let Err(error) = PrivateKeyDer::from_pem_file(&tls.key) {
        let message = format!("{whose}: key {}: {}", tls.key.display(), chain(&error));
        problems.push(Problem::general(message));
    }
}

fn check_roots(whose: &str, ca: Option<&Path>, problems: &mut Vec<Problem>) {
    if let Some(ca) = ca {
        check_certificates(&format!("{whose}: ca"), ca, problems);
    }
}

fn check_certificates(whose: &str, path: &Path, problems: &mut Vec<Problem>) {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let message = match found {
        Ok(certificates) if certificates.is_empty() => "there is no PEM certificate in it".to_owned(),
        Ok(_) => return,
        Err(error) => chain(&error),
    };
    problems.push(Problem::general(format!("{whose} {}: {message}", path.display())));
}

fn check_secret(whose: &str, secret: &SecretSource, bytes_min: usize, problems: &mut Vec<Problem>) {
    match secret.check() {
        Ok(bytes) if bytes >= bytes_min => {}
        Ok(bytes) => {
            let problem = Problem::general(format!("{whose} has {bytes} bytes; it needs {bytes_min}"));
            problems.push(problem.help("head -c 32 /dev/urandom | base64 makes a good one"));
        }
        Err(error) => problems.push(Problem::general(format!("{whose}: {}", chain(&error)))),
    }
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
