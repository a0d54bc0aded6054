//! Why a plugin is not trusted, in words for the operator: what is missing, which rule came nearest, and what to write.

use std::fmt;

use grille_core::Digest;

use crate::comment::TrustedComment;
use crate::form::Form;
use crate::minisign::MinisignError;
use crate::rule::Miss;
use crate::sigstore::SigstoreError;

/// Why a plugin is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// Other bytes than those the operator pinned.
    #[error("it has the digest {found}, not the one given, {pinned}")]
    OtherDigest {
        /// What it has.
        found: Digest,
        /// What the configuration says.
        pinned: Digest,
    },
    /// A signature that is wrong, which nothing makes good: somebody signed something else, or something was changed.
    #[error("its signature ({}) is refused: {why}", .form.suffix())]
    Signature {
        /// Which file.
        form: Form,
        /// What is wrong with it.
        why: SignatureError,
    },
    /// Nobody's word for it counts.
    #[error(transparent)]
    Unvouched(#[from] Unvouched),
}

/// What is wrong with a signature. The signer's fault, or that of whoever changed the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A minisign signature.
    #[error(transparent)]
    Minisign(#[from] MinisignError),
    /// A sigstore bundle.
    #[error(transparent)]
    Sigstore(#[from] SigstoreError),
    /// It is for other bytes.
    #[error("it is for {signed}, and the component has {found}")]
    OtherBytes {
        /// What it was made for.
        signed: Digest,
        /// What lies beside it.
        found: Digest,
    },
    /// It is for another plugin, or another version of it.
    #[error("it is for {} {}, and the component is {id} {version}", .signed.id(), .signed.version())]
    OtherPlugin {
        /// What it was made for.
        signed: Box<TrustedComment>,
        /// The component's id.
        id: String,
        /// The component's version.
        version: String,
    },
}

/// None of the three ways to be trusted holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unvouched {
    /// What could be pinned.
    pub digest: Digest,
    /// The rule that came nearest; `None` if there are no rules.
    pub nearest: Option<Nearest>,
}

/// The rule that came nearest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// Its name.
    pub rule: String,
    /// In what it fell short.
    pub miss: Miss,
}

impl std::error::Error for Unvouched {}

impl fmt::Display for Unvouched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody vouches for it: ")?;
        match &self.nearest {
            Some(Nearest { rule, miss }) => {
                write!(f, "no [[trust]] covers it (`{rule}` comes nearest: {miss})")?;
            }
            None => f.write_str("there is no [[trust]]")?,
        }
        f.write_str(", its digest is not pinned, and it is not said to be unsigned")
    }
}

impl Untrusted {
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::OtherDigest { found, .. } => {
                format!("if the new file is what you want, write digest = \"{found}\"")
            }
            Self::Signature { form, .. } => {
                format!("get the signature that belongs to the file, or take the {} away", form.suffix())
            }
            Self::Unvouched(Unvouched { digest, nearest }) => {
                let rule = match nearest {
                    Some(Nearest { rule, .. }) => format!("have it signed so that `{rule}` covers it"),
                    None => "have it signed, and add a [[trust]] for the signer".to_owned(),
                };
                format!("{rule}; or write digest = \"{digest}\" or unsigned = true under its [[plugin]]")
            }
        }
    }
}
