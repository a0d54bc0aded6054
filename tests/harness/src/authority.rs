//! A certificate authority that lives as long as a test.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};

use crate::scratch::write_secret;

/// Signs certificates for 127.0.0.1 and localhost.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// PEM files of a server.
#[derive(Clone, Debug)]
pub struct ServerFiles {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authority's certificate, which clients trust.
    pub ca: PathBuf,
}

impl Authority {
    /// Makes one with a key of its own.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new() -> anyhow::Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "Grille test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    /// Writes a new server certificate with its key, and the authority's certificate, into `folder`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn issue(&self, folder: &Path) -> anyhow::Result<ServerFiles> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, "localhost");
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(ServerFiles {
            certificate: write(folder, "server.crt", &certificate.pem())?,
            key: write(folder, "server.key", &key.serialize_pem())?,
            ca: write(folder, "ca.crt", &self.issuer.pem())?,
        })
    }
}

fn write(folder: &Path, name: &str, text: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(name);
    write_secret(&path, text)?;
    Ok(path)
}
