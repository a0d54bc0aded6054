//! `grille plugin verify`: who signed a component, and whether a configuration would trust it. Also what `inspect` tells of a
//! signature, which nobody has checked there.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use grille_core::Digest;
use grille_plugin::Capability;
use grille_trust::{
    Claim, Key, PublicKey, Rule, SignatureFile, Signatures, Signed, Signer, Trust, Unsigned, Untrusted,
    Unvouched, digest_of,
};
use serde::Serialize;

use super::runtime::{Runtime, Subject, component_file};
use super::{Report, Verdict, key};
use crate::cli::plugin as cli;
use crate::config::{PluginSettings, Problems};
use crate::failure::Failure;
use crate::load;
use crate::trust::{self, Fetched, fetch};

#[derive(Serialize)]
struct Verified {
    file: PathBuf,
    digest: String,
    /// `None` where it was refused before it was opened.
    id: Option<String>,
    version: Option<String>,
    judgements: Vec<Judgement>,
}

/// Whether it is trusted as one plugin of a configuration, or by a key.
#[derive(Serialize)]
struct Judgement {
    /// The name of the `[[plugin]]`, where there is one for the file.
    plugin: Option<String>,
    trusted: bool,
    why: String,
    help: Option<String>,
}

/// Who judges, and as what.
struct Judge {
    trust: Trust,
    /// The plugins of the configuration that the file is for; `None` for none in particular.
    places: Vec<Option<PluginSettings>>,
    asked: Asked,
}

/// What the answer is about.
#[derive(Clone, Copy)]
enum Asked {
    /// Whether this key signed.
    Key,
    /// Whether this configuration trusts.
    Configuration,
}

pub(super) fn verify(command: cli::Verify) -> Result<Report, Failure> {
    let file = component_file(&command.subject)?;
    let fetched = fetch(&file).with_context(|| format!("cannot read {}", file.display()));
    let fetched = fetched.map_err(Failure::Usage)?;
    let judge = match command.against {
        cli::Against { public_key: Some(key), .. } => Judge::of_key(public_key(&key)?),
        cli::Against { public_key: None, config: Some(config) } => Judge::of_configuration(&config, &file)?,
        cli::Against { public_key: None, config: None } => {
            return Err(Failure::Usage(anyhow!("give --public-key or --config")));
        }
    };
    let verified = judge.judge(file, &fetched)?;
    let verdict =
        if verified.judgements.iter().all(|one| one.trusted) { Verdict::Good } else { Verdict::Bad };
    Report::of(&verified, command.output, verdict)
}

/// A key itself, or a file with one.
fn public_key(text: &str) -> Result<PublicKey, Failure> {
    if let Ok(key) = text.parse() {
        return Ok(key);
    }
    let key = key::read(Path::new(text))?.parse::<PublicKey>().with_context(|| text.to_owned());
    key.map_err(Failure::Usage)
}

impl Judge {
    /// Whatever the key has signed.
    fn of_key(key: PublicKey) -> Self {
        let rule = Rule {
            name: "--public-key".to_owned(),
            key: Key::Minisign(key),
            plugins: "*".parse().into_iter().collect(),
            capabilities: Capability::ALL.into_iter().map(|one| one.as_str().to_owned()).collect(),
            versions: None,
        };
        Self { trust: Trust::new(vec![rule]), places: vec![None], asked: Asked::Key }
    }

    fn of_configuration(path: &Path, file: &Path) -> Result<Self, Failure> {
        let config = load::config(path)?;
        let trust::Rules { trust, problems, .. } = trust::Rules::read(&config);
        let problems = Problems::new(config.source, problems);
        if problems.refuse() {
            return Err(problems.into());
        }
        let mut places: Vec<_> =
            config.plugins.into_iter().filter(|plugin| is_same(&plugin.file, file)).map(Some).collect();
        if places.is_empty() {
            places.push(None);
        }
        Ok(Self { trust, places, asked: Asked::Configuration })
    }

    /// The component is opened only where a signature, a digest or the operator's word speaks for it.
    fn judge(&self, file: PathBuf, fetched: &Fetched) -> Result<Verified, Failure> {
        let digest = digest_of(&fetched.bytes);
        let checked: Vec<_> = self.places.iter().map(|place| self.check(place.as_ref(), fetched)).collect();
        let subject = if checked.iter().any(Result::is_ok) { Some(opened(&file, digest)?) } else { None };
        let metadata = subject.as_ref().map(|subject| subject.component.metadata());
        let judgements = self.places.iter().zip(checked).map(|(place, checked)| {
            let judged = checked.and_then(|signed| admitted(&signed, subject.as_ref()));
            let (why, help) = self.asked.tell(&judged);
            let plugin = place.as_ref().map(|plugin| plugin.name.to_string());
            Judgement { plugin, trusted: judged.is_ok(), why, help }
        });
        Ok(Verified {
            digest: digest.to_string(),
            id: metadata.map(|metadata| metadata.id.clone()),
            version: metadata.map(|metadata| metadata.version.clone()),
            judgements: judgements.collect(),
            file,
        })
    }

    fn check(&self, place: Option<&PluginSettings>, fetched: &Fetched) -> Result<Signed, Untrusted> {
        match place {
            Some(plugin) => trust::check(&self.trust, plugin, fetched),
            None => {
                let Fetched { bytes, signatures } = fetched;
                self.trust.check(Claim { bytes, signatures, pinned: None, unsigned: Unsigned::Refuse })
            }
        }
    }
}

/// What was fetched and checked is what is opened.
fn opened(file: &Path, digest: Digest) -> Result<Subject, Failure> {
    let subject = Runtime::start()?.load(file)?;
    if subject.component.digest() != digest.hex() {
        return Err(Failure::Other(anyhow!("{} changed while it was read", file.display())));
    }
    Ok(subject)
}

/// Only what passed the first look is admitted, and then there is a subject.
fn admitted(signed: &Signed, subject: Option<&Subject>) -> Result<Signer, Untrusted> {
    let subject = subject.expect("opened because something passed the first look");
    signed.admits(&trust::facts(&subject.component))
}

fn is_same(named: &Path, file: &Path) -> bool {
    named == file
        || fs::canonicalize(named).is_ok_and(|named| fs::canonicalize(file).is_ok_and(|file| named == file))
}

impl Asked {
    /// Why, and what to do about it.
    fn tell(self, judged: &Result<Signer, Untrusted>) -> (String, Option<String>) {
        match (self, judged) {
            (Self::Key, Ok(Signer::Rule { by, .. })) => (format!("signed by {by}"), None),
            (Self::Key, Err(Untrusted::Unvouched(Unvouched { nearest: Some(nearest), .. }))) => {
                (format!("not signed by this key: {}", nearest.miss), None)
            }
            (Self::Key, Err(error)) => (error.to_string(), None),
            (Self::Key | Self::Configuration, Ok(signer)) => (signer.to_string(), None),
            (Self::Configuration, Err(error)) => (error.to_string(), Some(error.help())),
        }
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.id, &self.version) {
            (Some(id), Some(version)) => writeln!(f, "{id} {version}, {}", self.digest)?,
            (Some(_) | None, _) => writeln!(f, "{}, {}", self.file.display(), self.digest)?,
        }
        for Judgement { plugin, trusted, why, help } in &self.judgements {
            let verdict = if *trusted { "trusted" } else { "not trusted" };
            match plugin {
                Some(plugin) => writeln!(f, "{verdict} as plugin `{plugin}`: {why}")?,
                None => writeln!(f, "{verdict}: {why}")?,
            }
            if let Some(help) = help {
                writeln!(f, "  help: {help}")?;
            }
        }
        Ok(())
    }
}

/// What the signatures beside a component say of themselves; nothing if there are none that can be read.
pub(super) fn claimed(file: &Path, digest: &str) -> Option<String> {
    let Signatures { minisign, sigstore } = fetch(file).ok()?.signatures;
    let minisign = minisign.map(|text| match SignatureFile::parse(&text) {
        Ok(signature) if signature.comment().digest().hex() == digest => {
            format!("a signature by the minisign key {}", signature.key_id())
        }
        Ok(_) => "a signature for another file".to_owned(),
        Err(_) => "a signature that Grille cannot read".to_owned(),
    });
    let sigstore = sigstore.map(|_| "a sigstore bundle".to_owned());
    let claims: Vec<String> = minisign.into_iter().chain(sigstore).collect();
    (!claims.is_empty())
        .then(|| format!("{}, not verified here: see `grille plugin verify`", claims.join(" and ")))
}
