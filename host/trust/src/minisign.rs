//! Signatures in minisign's form (<https://jedisct1.github.io/minisign/>): Ed25519 over the BLAKE2b-512 hash of a file, and
//! over that signature with the trusted comment. The arithmetic is `minisign_verify`'s; here the form is read strictly first,
//! so that one signature has one text.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::comment::{CommentError, TrustedComment};

/// Longest signature file, in bytes. minisign's own comments have at most 1 KiB and 8 KiB.
pub const MINISIGN_BYTES_MAX: usize = 10 << 10;

/// An Ed25519 key, as minisign marks it.
const KEY_ALGORITHM: [u8; 2] = *b"Ed";

/// A signature over the file's BLAKE2b-512 hash.
const PREHASHED: [u8; 2] = *b"ED";

/// A signature over the file itself, which minisign stopped making in 0.10.
const LEGACY: [u8; 2] = *b"Ed";

/// Algorithm, key id, Ed25519 key.
const KEY_BYTES: usize = 2 + 8 + 32;

/// Algorithm, key id, Ed25519 signature.
const SIGNATURE_BYTES: usize = 2 + 8 + 64;

/// The signature over signature and trusted comment.
const GLOBAL_BYTES: usize = 64;

const UNTRUSTED: &str = "untrusted comment: ";
const TRUSTED: &str = "trusted comment: ";

/// The number by which minisign tells keys apart. It proves nothing: anybody can choose it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u64);

impl KeyId {
    fn of(bytes: [u8; 8]) -> Self {
        Self(u64::from_le_bytes(bytes))
    }
}

/// As minisign prints it.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A minisign public key. `Debug` shows all of it: two keys may have one number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    id: KeyId,
    key: minisign_verify::PublicKey,
}

/// A text that is no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a minisign public key: 56 characters that begin with RW, the second line of a .pub file"
)]
pub struct NoPublicKey;

impl PublicKey {
    /// The number by which it is told from others.
    pub fn id(&self) -> KeyId {
        self.id
    }
}

/// Of the key alone, or of a `.pub` file with its comment before it.
impl FromStr for PublicKey {
    type Err = NoPublicKey;

    fn from_str(text: &str) -> Result<Self, NoPublicKey> {
        let mut lines = text.lines().filter(|line| !line.starts_with(UNTRUSTED));
        let (Some(line), None) = (lines.next(), lines.next()) else { return Err(NoPublicKey) };
        let bytes: [u8; KEY_BYTES] = decoded(line).ok_or(NoPublicKey)?;
        if bytes[..2] != KEY_ALGORITHM {
            return Err(NoPublicKey);
        }
        let key = minisign_verify::PublicKey::from_base64(line).map_err(|_| NoPublicKey)?;
        Ok(Self { id: key_id(&bytes), key })
    }
}

/// The content of a `.minisig` file. What it says is unproven until it is verified.
pub struct SignatureFile {
    key_id: KeyId,
    comment: TrustedComment,
    signature: minisign_verify::Signature,
}

/// Why a signature file proves nothing. The signer's fault, or that of whoever changed the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MinisignError {
    /// Longer than [`MINISIGN_BYTES_MAX`].
    #[error("it is longer than {MINISIGN_BYTES_MAX} bytes")]
    TooLong,
    /// Not four lines of the form.
    #[error("it is not a minisign signature: {0}")]
    Form(&'static str),
    /// Without prehashing.
    #[error(
        "it is of minisign's old form, over the file instead of its hash: sign again with minisign 0.10 or later"
    )]
    Legacy,
    /// Signed for something else.
    #[error(transparent)]
    Comment(#[from] CommentError),
    /// The arithmetic says no.
    #[error("it does not fit: component, comment or signature was changed after signing with the key {0}")]
    Wrong(KeyId),
}

impl SignatureFile {
    /// Reads the file's content.
    ///
    /// # Errors
    /// When it is too long, not exactly of minisign's form, or its trusted comment not of Grille's.
    pub fn parse(bytes: &[u8]) -> Result<Self, MinisignError> {
        if bytes.len() > MINISIGN_BYTES_MAX {
            return Err(MinisignError::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| MinisignError::Form("it is no text"))?;
        let lines: Vec<&str> = text.lines().take(5).collect();
        let [untrusted, signature, trusted, global] = lines[..] else {
            return Err(MinisignError::Form("it does not have four lines"));
        };
        if !untrusted.starts_with(UNTRUSTED) {
            return Err(MinisignError::Form("the first line is no untrusted comment"));
        }
        let comment = trusted
            .strip_prefix(TRUSTED)
            .ok_or(MinisignError::Form("the third line is no trusted comment"))?;
        let signature: [u8; SIGNATURE_BYTES] =
            decoded(signature).ok_or(MinisignError::Form("the second line is no signature"))?;
        let _: [u8; GLOBAL_BYTES] =
            decoded(global).ok_or(MinisignError::Form("the fourth line is no signature"))?;
        Ok(Self {
            key_id: algorithm_checked(&signature)?,
            comment: comment.parse()?,
            signature: minisign_verify::Signature::decode(text)
                .map_err(|_| MinisignError::Form("it cannot be decoded"))?,
        })
    }

    /// Which key made it, as it says.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// What it is for, as it says.
    pub fn comment(&self) -> &TrustedComment {
        &self.comment
    }

    /// Whether this key signed these bytes and the comment.
    ///
    /// # Errors
    /// When it did not.
    pub fn verify(&self, key: &PublicKey, component: &[u8]) -> Result<(), MinisignError> {
        key.key.verify(component, &self.signature, false).map_err(|_| MinisignError::Wrong(self.key_id))
    }
}

fn algorithm_checked(signature: &[u8; SIGNATURE_BYTES]) -> Result<KeyId, MinisignError> {
    match [signature[0], signature[1]] {
        PREHASHED => Ok(key_id(signature)),
        LEGACY => Err(MinisignError::Legacy),
        _ => Err(MinisignError::Form("its algorithm is unknown")),
    }
}

/// The 8 bytes behind the algorithm.
fn key_id(bytes: &[u8]) -> KeyId {
    let mut id = [0; 8];
    id.copy_from_slice(&bytes[2..10]);
    KeyId::of(id)
}

/// Base64 of exactly that many bytes, in its one canonical spelling (RFC 4648, section 3.5).
fn decoded<const N: usize>(line: &str) -> Option<[u8; N]> {
    BASE64_STANDARD.decode(line).ok()?.try_into().ok()
}
