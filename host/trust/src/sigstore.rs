//! Sigstore bundles (<https://docs.sigstore.dev/about/bundle/>): a signature with the short-lived certificate of a person or
//! workflow, and the transparency log's word for when it was made. Verified by `sigstore_verify` against authorities that the
//! operator supplies; nothing is fetched, and nothing is left out: chain, certificate transparency, log entry, time.

use std::fmt;
use std::sync::Arc;

use grille_core::untrusted::clean_text;
use sigstore_verify::trust_root::TrustedRoot;
use sigstore_verify::types::Bundle as SigstoreBundle;
use sigstore_verify::{VerificationPolicy, Verifier};

/// Longest bundle, in bytes. One with an attestation has some 20 KiB.
pub const BUNDLE_BYTES_MAX: usize = 512 << 10;

/// Longest file of authorities, in bytes. That of the public instance has some 10 KiB.
pub const ROOT_BYTES_MAX: usize = 512 << 10;

/// Longest text of a certificate, or of an error about one, that a message shows, in bytes.
const SHOWN_BYTES_MAX: usize = 300;

/// Authorities: who makes certificates, logs and timestamps that count.
pub struct Root {
    verifier: Verifier,
}

/// Whose signature counts.
#[derive(Clone, Debug)]
pub struct Signatory {
    /// Whose word for it.
    pub root: Arc<Root>,
    /// Who.
    pub identity: Identity,
}

/// Whom a certificate is for. Compared exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// An address of e-mail, or the URI of a workflow: the certificate's subject alternative name.
    pub subject: String,
    /// The OpenID Connect issuer that told the authority.
    pub issuer: String,
}

/// Why a bundle proves nothing, or a file names no authorities.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigstoreError {
    /// Longer than [`BUNDLE_BYTES_MAX`] or [`ROOT_BYTES_MAX`].
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
    /// Not JSON of the form.
    #[error("it is not what it should be: {0}")]
    Form(String),
    /// It does not hold, for these bytes under these authorities.
    #[error("it does not hold: {0}")]
    Wrong(String),
    /// A certificate for nobody that a rule could name.
    #[error("its certificate does not say whom it is for, and who says so")]
    Nobody,
}

impl Root {
    /// Reads a `trusted_root.json`.
    ///
    /// # Errors
    /// When it is longer than [`ROOT_BYTES_MAX`] or not of the form.
    pub fn parse(json: &[u8]) -> Result<Self, SigstoreError> {
        let root = TrustedRoot::from_json(text(json, ROOT_BYTES_MAX)?).map_err(form)?;
        Ok(Self { verifier: Verifier::new(&root).map_err(form)? })
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Root")
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (subject, issuer) = (shown(&self.subject), shown(&self.issuer));
        write!(f, "{subject}, as {issuer} says")
    }
}

/// A bundle, of which nothing has been verified.
pub(crate) struct Bundle(SigstoreBundle);

impl Bundle {
    /// Reads a bundle.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, SigstoreError> {
        Ok(Self(SigstoreBundle::from_json(text(json, BUNDLE_BYTES_MAX)?).map_err(form)?))
    }

    /// Who signed these bytes, according to these authorities.
    pub(crate) fn verify(&self, root: &Root, component: &[u8]) -> Result<Identity, SigstoreError> {
        let policy = VerificationPolicy::any_identity();
        let verified = root.verifier.verify(component, &self.0, &policy);
        let verified = verified.map_err(|error| SigstoreError::Wrong(shown(&error.to_string())))?;
        match (verified.identity(), verified.issuer()) {
            (Some(subject), Some(issuer)) => {
                Ok(Identity { subject: subject.to_string(), issuer: issuer.to_owned() })
            }
            (_, _) => Err(SigstoreError::Nobody),
        }
    }
}

fn text(bytes: &[u8], bytes_max: usize) -> Result<&str, SigstoreError> {
    if bytes.len() > bytes_max {
        return Err(SigstoreError::TooLong(bytes_max));
    }
    std::str::from_utf8(bytes).map_err(form)
}

fn form(error: impl fmt::Display) -> SigstoreError {
    SigstoreError::Form(shown(&error.to_string()))
}

/// Text of a stranger's certificate.
fn shown(text: &str) -> String {
    clean_text(text, SHOWN_BYTES_MAX)
}
