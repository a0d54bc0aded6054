//! Who vouches for a plugin: signatures beside a component, and the operator's rules about whose signature counts for what.
//!
//! Its way through: [`Trust::check`] looks at a component's bytes and what lies beside them, before anything else parses the
//! component; [`Signed::admits`] holds what the component then turned out to be against the rules.
//!
//! Architecture invariant: pure. No file, clock, socket or randomness: the caller brings bytes. Nothing here knows wasmtime,
//! capabilities' meaning or the configuration's form. Whatever is not proven is refused.
#![forbid(unsafe_code)]

mod comment;
mod form;
mod minisign;
mod rule;
mod sigstore;
mod trust;
mod untrusted;

pub use comment::{CommentError, TrustedComment};
pub use form::Form;
pub use minisign::{KeyId, MINISIGN_BYTES_MAX, MinisignError, NoPublicKey, PublicKey, SignatureFile};
pub use rule::{Facts, IdPattern, Key, Miss, NoPattern, NoVersions, Rule, Versions};
pub use sigstore::{BUNDLE_BYTES_MAX, Identity, ROOT_BYTES_MAX, Root, Signatory, SigstoreError};
pub use trust::{Claim, Signatures, Signed, SignedBy, Signer, Trust, Unsigned, digest_of};
pub use untrusted::{Nearest, SignatureError, Untrusted, Unvouched};
