//! What trust needs from disk: components with the signatures beside them, and the files that rules name. The judgement itself is
//! `grille_trust`'s.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use grille_core::Digest;
use grille_plugin::Component;
use grille_trust::{
    BUNDLE_BYTES_MAX, Claim, Facts, Form, Key, MINISIGN_BYTES_MAX, ROOT_BYTES_MAX, Root, Rule, Signatory,
    Signatures, Signed, Trust, Untrusted, digest_of,
};

use crate::config::{Config, PluginSettings, Problem, TrustKey, TrustSettings};
use crate::regular_file::read;
use crate::surroundings::chain;

/// A little more than the largest component an engine takes, so that a larger one is told as such.
const COMPONENT_BYTES_MAX: u64 = 65 << 20;

/// A component's file with what lies beside it.
#[derive(Clone)]
pub(crate) struct Fetched {
    /// The component.
    pub(crate) bytes: Vec<u8>,
    /// Its signatures.
    pub(crate) signatures: Signatures,
}

/// Reads a component and its signatures.
///
/// Links are followed once, and both are taken from the folder they lead to: where a folder is exchanged by turning a link,
/// as Kubernetes does with a ConfigMap, component and signature are of one folder. A signature that is not there is looked for
/// beside the link.
///
/// # Errors
/// When the component, or a signature that is there, cannot be read.
pub(crate) fn fetch(file: &Path) -> io::Result<Fetched> {
    let resolved = fs::canonicalize(file)?;
    let bytes = read(&resolved, COMPONENT_BYTES_MAX)?;
    let beside = |form: Form| match signature_at(&resolved, form)? {
        Some(signature) => Ok(Some(signature)),
        None => signature_at(file, form),
    };
    let signatures = Signatures { minisign: beside(Form::Minisign)?, sigstore: beside(Form::Sigstore)? };
    Ok(Fetched { bytes, signatures })
}

/// Where the signature of a component lies.
pub(crate) fn signature_path(component: &Path, form: Form) -> PathBuf {
    let mut name = OsString::from(component);
    name.push(form.suffix());
    PathBuf::from(name)
}

/// What trust rests on besides components: when any of these files changes, judge again. They need not be there.
pub(crate) fn beside(config: &Config) -> Vec<PathBuf> {
    let components = config.plugins.iter().flat_map(|plugin| {
        let resolved = fs::canonicalize(&plugin.file).ok().filter(|resolved| *resolved != plugin.file);
        std::iter::once(plugin.file.clone()).chain(resolved)
    });
    let signatures =
        components.flat_map(|file| Form::ALL.into_iter().map(move |form| signature_path(&file, form)));
    let roots = config.trust.iter().filter_map(|rule| match &rule.key {
        TrustKey::Minisign(_) => None,
        TrustKey::Sigstore { root, .. } => Some(root.clone()),
    });
    signatures.chain(roots).collect()
}

/// At most one byte more than such a signature may have.
fn signature_at(component: &Path, form: Form) -> io::Result<Option<Vec<u8>>> {
    let bytes_max = match form {
        Form::Minisign => MINISIGN_BYTES_MAX,
        Form::Sigstore => BUNDLE_BYTES_MAX,
    };
    match read(&signature_path(component, form), bytes_max as u64 + 1) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The configuration's rules with the files they name, as these were at one moment: what is judged by the rules can be told
/// by their digest afterwards, whatever has become of the files since.
#[derive(Clone)]
pub(crate) struct Rules {
    /// Judges.
    pub(crate) trust: Trust,
    /// Names the rules and what their files held.
    pub(crate) digest: Digest,
    /// Rules whose files cannot be used; they are not among those that judge.
    pub(crate) problems: Vec<Problem>,
}

impl Rules {
    /// Reads each file once.
    pub(crate) fn read(config: &Config) -> Self {
        let mut problems = Vec::new();
        let mut names = format!("{:?}", config.trust);
        let rule = |settings| rule(settings, &mut names, &mut problems);
        let trust = Trust::new(config.trust.iter().filter_map(rule).collect());
        Self { trust, digest: digest_of(names.as_bytes()), problems }
    }
}

/// What its file holds is added to `names`.
fn rule(settings: &TrustSettings, names: &mut String, problems: &mut Vec<Problem>) -> Option<Rule> {
    let key = match &settings.key {
        TrustKey::Minisign(key) => Key::Minisign(key.clone()),
        TrustKey::Sigstore { root, at, identity } => match authority(root, names) {
            Ok(root) => Key::Sigstore(Signatory { root: Arc::new(root), identity: identity.clone() }),
            Err(why) => {
                let message = format!("trust `{}`: {}: {why}", settings.name, root.display());
                problems.push(Problem::error(at.clone(), message));
                return None;
            }
        },
    };
    Some(Rule {
        name: settings.name.clone(),
        key,
        plugins: settings.plugins.clone(),
        capabilities: settings.capabilities.iter().map(|capability| capability.as_str().to_owned()).collect(),
        versions: settings.versions.clone(),
    })
}

fn authority(file: &Path, names: &mut String) -> Result<Root, String> {
    let content = read(file, ROOT_BYTES_MAX as u64 + 1).map_err(|error| error.to_string());
    names.push_str(&content.as_ref().map_or_else(Clone::clone, |bytes| digest_of(bytes).hex()));
    let bytes = content?;
    Root::parse(&bytes).map_err(|error| chain(&error))
}

/// Judges digest and signatures, before anything parses the component.
///
/// # Errors
/// See [`Trust::check`].
pub(crate) fn check(
    trust: &Trust,
    settings: &PluginSettings,
    fetched: &Fetched,
) -> Result<Signed, Untrusted> {
    let Fetched { bytes, signatures } = fetched;
    trust.check(Claim { bytes, signatures, pinned: settings.digest, unsigned: settings.unsigned })
}

/// What of a component trust rests on.
pub(crate) fn facts(component: &Component) -> Facts<'_> {
    let metadata = component.metadata();
    Facts {
        id: &metadata.id,
        version: &metadata.version,
        capabilities: component.imports().iter().map(|capability| capability.as_str()).collect(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const CONFIG: &str = "[[listener]]\nname = \"clients\"\naddress = \"127.0.0.1:6432\"\nallow_plaintext = true\n\
         [[issuer]]\nissuer = \"https://id.example.com\"\naudiences = [\"grille\"]\n\
         [[upstream]]\nname = \"sales\"\nhost = \"localhost\"\nuser = \"app\"\n\
         authentication = [\"trust\"]\ntls = { mode = \"disable\" }\n[audit]\ndirectory = \"audit\"\n\
         [[role]]\nname = \"a\"\ngroups = [\"a\"]\nupstreams = [\"sales\"]\nstatements = [\"read\"]\n\
         policies = []\ndetectors = []\n[[trust]]\nname = \"vendor\"\nplugins = [\"*\"]\n\
         sigstore = { root = \"root.json\", identity = \"a@b.example\", issuer = \"https://i.example\" }\n";

    #[test]
    fn rules_are_named_by_what_their_files_held_when_they_were_read() {
        let folder = tempfile::tempdir().unwrap();
        let config = crate::config::parse(CONFIG, &folder.path().join("grille.toml")).unwrap();
        let root = folder.path().join("root.json");
        let absent = Rules::read(&config);
        assert_eq!(absent.problems.len(), 1, "what cannot be used is told");
        let mut known = vec![absent.digest];
        for content in ["{}", "{\"other\": 1}"] {
            fs::write(&root, content).unwrap();
            let rules = Rules::read(&config);
            assert_eq!(rules.digest, Rules::read(&config).digest);
            assert!(!known.contains(&rules.digest), "{content}");
            known.push(rules.digest);
        }
    }
}
