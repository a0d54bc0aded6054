//! `grille plugin sign`: a signature in minisign's form beside a component, which says which plugin it is for.

use std::fmt;
use std::fs::Permissions;
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use grille_trust::{Form, PublicKey, SignatureFile, TrustedComment, digest_of};
use serde::Serialize;

use super::runtime::{Runtime, Subject};
use super::{Report, key};
use crate::cli::plugin as cli;
use crate::failure::Failure;
use crate::trust::{fetch, signature_path};

#[derive(Serialize)]
struct Done {
    file: PathBuf,
    signature: PathBuf,
    id: String,
    version: String,
    digest: String,
    key: String,
}

pub(super) fn sign(command: cli::Sign) -> Result<Report, Failure> {
    let subject = Runtime::start()?.load(&command.subject)?;
    let (comment, bytes) = comment(&subject)?;
    let (public, secret) = key::open(&command.key, command.password_file.as_deref())?;
    let (trusted, untrusted) = (comment.to_string(), "signature by grille plugin sign");
    let signature =
        minisign::sign(Some(&public), &secret, Cursor::new(&bytes), Some(&trusted), Some(untrusted));
    let signature = signature.context("cannot sign")?.into_string();
    let public: PublicKey = public.to_base64().parse().map_err(anyhow::Error::from)?;
    holds(&signature, &public, &bytes).map_err(Failure::Other)?;
    let path = signature_path(&subject.file, Form::Minisign);
    write(&path, &signature).with_context(|| format!("cannot write {}", path.display()))?;
    let done = Done {
        file: subject.file,
        signature: path,
        id: comment.id().to_owned(),
        version: comment.version().to_owned(),
        digest: comment.digest().to_string(),
        key: public.id().to_string(),
    };
    Report::good(&done, command.output)
}

/// What the signature will say, and the bytes it will be over: those that were loaded, and no others.
fn comment(subject: &Subject) -> Result<(TrustedComment, Vec<u8>), Failure> {
    let fetched = fetch(&subject.file);
    let bytes = fetched.with_context(|| format!("cannot read {}", subject.file.display()))?.bytes;
    let digest = digest_of(&bytes);
    if digest.hex() != subject.component.digest() {
        return Err(Failure::Other(anyhow!("{} changed while it was read", subject.file.display())));
    }
    let metadata = subject.component.metadata();
    let comment =
        TrustedComment::new(&metadata.id, &metadata.version, digest).map_err(anyhow::Error::from)?;
    Ok((comment, bytes))
}

/// What was written is read back as Grille will read it.
fn holds(signature: &str, public: &PublicKey, bytes: &[u8]) -> anyhow::Result<()> {
    SignatureFile::parse(signature.as_bytes())?.verify(public, bytes)?;
    Ok(())
}

/// At once or not at all, for a Grille may be watching.
fn write(path: &Path, signature: &str) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(signature.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { signature, id, version, digest, key, .. } = self;
        writeln!(f, "{id} {version}, {digest}")?;
        writeln!(f, "signed with the minisign key {key}: {}", signature.display())
    }
}
