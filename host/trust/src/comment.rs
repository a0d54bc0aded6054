//! What a signature says it is for: the trusted comment, which minisign signs together with the signature.
//!
//! ```text
//! grille:1 id=example/guard version=1.2.0 digest=sha256:9f86d081…
//! ```
//!
//! A signature over the bytes alone would do for the bytes. The comment binds what people read, so that a signature can be
//! told to be for another plugin or version without opening the component.

use std::fmt;
use std::str::FromStr;

use grille_core::Digest;

/// The form's name and version.
const FORM: &str = "grille:1";

/// Longest id and version, in bytes: those of a plugin's metadata.
const NAME_BYTES_MAX: usize = 64;

/// A trusted comment in Grille's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedComment {
    id: String,
    version: String,
    digest: Digest,
}

/// Why a trusted comment says nothing that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommentError {
    /// Another form: signed for something else, or by hand without a comment.
    #[error(
        "its trusted comment does not say which plugin it is for; it must be \
         `grille:1 id=ID version=VERSION digest=sha256:DIGITS`, as `grille plugin sign` writes it"
    )]
    Form,
    /// An id or version that no plugin can have.
    #[error("its trusted comment has an id or a version that no plugin can have")]
    Name,
}

impl TrustedComment {
    /// What a signature of this plugin says.
    ///
    /// # Errors
    /// When id or version are longer than 64 bytes or have characters that a plugin's metadata cannot have.
    pub fn new(id: &str, version: &str, digest: Digest) -> Result<Self, CommentError> {
        if !is_name(id) || !is_name(version) {
            return Err(CommentError::Name);
        }
        Ok(Self { id: id.to_owned(), version: version.to_owned(), digest })
    }

    /// The plugin's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The plugin's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The component's digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

/// Visible ASCII: whatever metadata allows, and nothing that could end a field.
fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl fmt::Display for TrustedComment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, version, digest } = self;
        write!(f, "{FORM} id={id} version={version} digest={digest}")
    }
}

impl FromStr for TrustedComment {
    type Err = CommentError;

    fn from_str(text: &str) -> Result<Self, CommentError> {
        let words: Vec<&str> = text.split(' ').take(5).collect();
        let [FORM, id, version, digest] = words[..] else { return Err(CommentError::Form) };
        let field = |word: &'_ str, key: &str| Some(word.strip_prefix(key)?.strip_prefix('=')?.to_owned());
        let id = field(id, "id").ok_or(CommentError::Form)?;
        let version = field(version, "version").ok_or(CommentError::Form)?;
        let digest = field(digest, "digest").filter(|digest| digest.starts_with("sha256:"));
        let digest = digest.ok_or(CommentError::Form)?.parse().map_err(|_| CommentError::Form)?;
        Self::new(&id, &version, digest)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::digest_of;

    #[test]
    fn only_the_whole_form_is_read() {
        let digest = digest_of(b"x");
        let check = |text: &str, expected: CommentError| {
            assert_eq!(text.parse::<TrustedComment>(), Err(expected), "{text}");
        };
        check("", CommentError::Form);
        check("timestamp:1790000000\tfile:guard.wasm\thashed", CommentError::Form);
        check(&format!("grille:2 id=a/b version=1.0.0 digest={digest}"), CommentError::Form);
        check(&format!("grille:1  id=a/b version=1.0.0 digest={digest}"), CommentError::Form);
        check(&format!("grille:1 version=1.0.0 id=a/b digest={digest}"), CommentError::Form);
        check(&format!("grille:1 id=a/b version=1.0.0 digest={digest} more=1"), CommentError::Form);
        check(&format!("grille:1 id=a/b version=1.0.0 digest={digest} "), CommentError::Form);
        check("grille:1 id=a/b version=1.0.0 digest=sha256:00", CommentError::Form);
        check(&format!("grille:1 id= version=1.0.0 digest={digest}"), CommentError::Name);
        check(&format!("grille:1 id=a/b version=\t digest={digest}"), CommentError::Name);
        check(&format!("grille:1 id={} version=1 digest={digest}", "a".repeat(65)), CommentError::Name);
    }

    #[test]
    fn what_is_written_is_read() {
        let comment = TrustedComment::new("example/guard", "1.2.0+b1", digest_of(b"x")).unwrap();
        assert_eq!(comment.to_string().parse(), Ok(comment));
        assert_eq!(TrustedComment::new("a b", "1", digest_of(b"x")), Err(CommentError::Name));
    }
}
