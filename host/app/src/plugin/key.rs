//! Secret keys in minisign's form: made, kept under a password, opened. `grille plugin keygen` is here; what keys are used for is
//! in `sign`.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Read, Write, stdin};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use minisign::{KeyPair, PublicKey, SecretKey, SecretKeyBox};
use serde::Serialize;

use super::Report;
use crate::cli::plugin as cli;
use crate::failure::Failure;

/// Longest file of a key, and longest password.
const FILE_BYTES_MAX: u64 = 4 << 10;

#[derive(Serialize)]
struct Made {
    key: PathBuf,
    public: PathBuf,
    public_key: String,
    #[serde(skip)]
    kept: Kept,
}

/// How a secret key is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    UnderPassword,
    Bare,
}

pub(super) fn keygen(command: cli::Keygen) -> Result<Report, Failure> {
    let cli::Keygen { key, public, no_password, password_file, output } = command;
    let public = public.unwrap_or_else(|| key.with_extension("pub"));
    if let Some(there) = [&key, &public].into_iter().find(|file| file.exists()) {
        let message = anyhow!("{} is there already: a key is never written over", there.display());
        return Err(Failure::Usage(message));
    }
    let kept = if no_password { Kept::Bare } else { Kept::UnderPassword };
    let pair = match kept {
        Kept::Bare => KeyPair::generate_unencrypted_keypair(),
        Kept::UnderPassword => {
            KeyPair::generate_encrypted_keypair(Some(new_password(password_file.as_deref())?))
        }
    };
    let pair = pair.context("cannot make a key")?;
    let secret_box = pair.sk.to_box(Some("Grille plugin signing key")).context("cannot write a key")?;
    let public_box = pair.pk.to_box().context("cannot write a key")?;
    write_new(&key, &secret_box.into_string(), 0o600)?;
    write_new(&public, &public_box.into_string(), 0o644)?;
    Report::good(&Made { key, public, public_key: pair.pk.to_base64(), kept }, output)
}

/// Opens a secret key, asking for its password where it has one and no file holds it.
pub(super) fn open(file: &Path, password_file: Option<&Path>) -> Result<(PublicKey, SecretKey), Failure> {
    let text = read(file)?;
    let no_key = || format!("{} is no secret key that can be opened", file.display());
    let locked = locked(&text).with_context(no_key).map_err(Failure::Usage)?;
    let secret = match (locked.is_encrypted(), password_file) {
        (false, None) => locked,
        (false, Some(_)) => {
            let message = anyhow!("{} has no password: leave --password-file out", file.display());
            return Err(Failure::Usage(message));
        }
        (true, password_file) => {
            let password = match password_file {
                Some(file) => password(file)?,
                None => asked("Password of the key: ")?,
            };
            let boxed = SecretKeyBox::from_string(&text);
            let opened = boxed.and_then(|boxed| boxed.into_secret_key(Some(password)));
            opened.with_context(no_key).map_err(Failure::Usage)?
        }
    };
    let public = PublicKey::from_secret_key(&secret).with_context(no_key).map_err(Failure::Usage)?;
    Ok((public, secret))
}

/// The key as it lies in the file. minisign's own keys without a password have no checksum, for which its crate refuses them, so
/// the second line is read here; a key that is damaged shows in the signature, which is verified before it is written.
fn locked(text: &str) -> anyhow::Result<SecretKey> {
    let line = text.lines().nth(1).context("it does not have two lines")?;
    Ok(SecretKey::from_bytes(&BASE64_STANDARD.decode(line)?)?)
}

fn new_password(file: Option<&Path>) -> Result<String, Failure> {
    if let Some(file) = file {
        return password(file);
    }
    let password = asked("Password for the new key: ")?;
    if password.is_empty() {
        return Err(Failure::Usage(anyhow!(
            "a password cannot be empty; --no-password keeps the key without one"
        )));
    }
    if asked("The same again: ")? != password {
        return Err(Failure::Usage(anyhow!("the passwords are not the same")));
    }
    Ok(password)
}

/// The first line of a file.
fn password(file: &Path) -> Result<String, Failure> {
    match read(file)?.lines().next() {
        Some(password) if !password.is_empty() => Ok(password.to_owned()),
        Some(_) | None => Err(Failure::Usage(anyhow!("{} holds no password", file.display()))),
    }
}

fn asked(prompt: &str) -> Result<String, Failure> {
    if !stdin().is_terminal() {
        let message =
            "there is no terminal to ask for the password on: write it to a file and give --password-file";
        return Err(Failure::Usage(anyhow!(message)));
    }
    Ok(rpassword::prompt_password(prompt).context("cannot read the password")?)
}

pub(super) fn read(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = File::open(file).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text));
    read.with_context(|| format!("cannot read {}", file.display())).map_err(Failure::Usage)?;
    Ok(text)
}

/// A file that was not there, for some to read and its owner to change.
fn write_new(file: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let created = OpenOptions::new().write(true).create_new(true).mode(mode).open(file);
    let written = created.and_then(|mut file| file.write_all(text.as_bytes()));
    Ok(written.with_context(|| format!("cannot write {}", file.display()))?)
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, public, public_key, kept } = self;
        let care = match kept {
            Kept::UnderPassword => "secret: keep it and its password, not in the same place",
            Kept::Bare => "secret, without a password: whoever can read it can sign",
        };
        writeln!(f, "{}  {care}", key.display())?;
        writeln!(f, "{}  public: give it to those who shall trust your plugins\n", public.display())?;
        writeln!(f, "They write:\n")?;
        writeln!(f, "[[trust]]\nname = \"you\"\nminisign = \"{public_key}\"\nplugins = [\"your-name/*\"]")
    }
}
