//! Signatures that components came with, in the state directory: several sets of them for equal bytes, each whole or not at all.
//! Whether they are worth anything is asked elsewhere.

use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use grille_core::Digest;
use sha2::{Digest as _, Sha256};

use super::read;

/// Largest signature that is read: more than any form of signature may have.
const BYTES_MAX: u64 = 1 << 20;

/// How many sets of signatures are kept of a component. More than one comes of slots with equal bytes and other signatures,
/// and of a component that is signed again; of more than these, those go that were used longest ago.
pub(super) const SETS_KEPT: usize = 16;

const MINISIGN_SUFFIX: &str = ".minisig";
const SIGSTORE_SUFFIX: &str = ".sigstore.json";

/// What lay beside a component at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredSignatures {
    /// Its minisign signature.
    pub minisign: Option<Vec<u8>>,
    /// Its sigstore bundle.
    pub sigstore: Option<Vec<u8>>,
}

impl StoredSignatures {
    pub(super) fn files(&self) -> [(&'static str, Option<&Vec<u8>>); 2] {
        [(MINISIGN_SUFFIX, self.minisign.as_ref()), (SIGSTORE_SUFFIX, self.sigstore.as_ref())]
    }

    /// Names them by their content, each under its length.
    fn set(&self) -> Digest {
        let mut hash = Sha256::new();
        for (_, content) in self.files() {
            let content = content.map(Vec::as_slice).unwrap_or_default();
            hash.update((content.len() as u64).to_be_bytes());
            hash.update(content);
        }
        Digest::from_bytes(hash.finalize().into())
    }

    pub(super) fn file_name(&self, component: Digest, suffix: &str) -> String {
        signature_file(component, &self.set().hex(), suffix)
    }
}

fn signature_file(component: Digest, set: &str, suffix: &str) -> String {
    format!("{}.{set}{suffix}", component.hex())
}

/// Signatures that came together, by the digest of both in their files' names.
pub(super) struct SignatureSet {
    pub(super) name: String,
    modified: SystemTime,
}

/// The sets of signatures of a component, the latest first.
pub(super) fn sets(folder: &Path, component: Digest) -> io::Result<Vec<SignatureSet>> {
    let mut sets: Vec<SignatureSet> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let beside = name.to_str().and_then(|name| name.strip_prefix(&component.hex())?.strip_prefix('.'));
        let set = beside.and_then(|name| {
            name.strip_suffix(MINISIGN_SUFFIX).or_else(|| name.strip_suffix(SIGSTORE_SUFFIX))
        });
        let Some(set) = set.filter(|set| set.parse::<Digest>().is_ok()) else { continue };
        let modified = entry.metadata()?.modified()?;
        match sets.iter_mut().find(|known| known.name == set) {
            Some(known) => known.modified = known.modified.max(modified),
            None => sets.push(SignatureSet { name: set.to_owned(), modified }),
        }
    }
    sets.sort_unstable_by(|one, other| (other.modified, &other.name).cmp(&(one.modified, &one.name)));
    Ok(sets)
}

/// A set as it was kept; none if something of it is missing or is something else.
pub(super) fn read_set(folder: &Path, component: Digest, set: &str) -> Option<StoredSignatures> {
    let file = |suffix| match read(&folder.join(signature_file(component, set, suffix)), BYTES_MAX) {
        Ok(bytes) => Some(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(None),
        Err(_) => None,
    };
    let signatures = file(MINISIGN_SUFFIX).zip(file(SIGSTORE_SUFFIX));
    let signatures = signatures.map(|(minisign, sigstore)| StoredSignatures { minisign, sigstore });
    let whole = signatures.filter(|signatures| signatures.set().hex() == set);
    if whole.is_none() {
        tracing::warn!(%component, set, "kept signatures are damaged and left out");
    }
    whole
}

/// Removes sets of signatures of a component beyond those that are kept.
pub(super) fn trim(folder: &Path, component: Digest) -> io::Result<()> {
    for set in sets(folder, component)?.iter().skip(SETS_KEPT) {
        for suffix in [MINISIGN_SUFFIX, SIGSTORE_SUFFIX] {
            match fs::remove_file(folder.join(signature_file(component, &set.name, suffix))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use grille_core::rollout::Slots;

    use super::*;
    use crate::RevisionStore;

    fn signed(minisign: &str) -> StoredSignatures {
        StoredSignatures { minisign: Some(minisign.into()), sigstore: None }
    }

    #[test]
    fn equal_bytes_keep_all_signatures_that_they_came_with() {
        let folder = tempfile::tempdir().unwrap();
        let store = RevisionStore::open(&folder.path().join("state")).unwrap();
        let digest = store.keep_component(b"component", &signed("vendor")).unwrap();
        store.keep_component(b"component", &StoredSignatures::default()).unwrap();
        store.keep_component(b"component", &signed("stranger")).unwrap();
        let mut known = store.component(digest).unwrap().signatures;
        known.sort_by(|one, other| one.minisign.cmp(&other.minisign));
        assert_eq!(known, [signed("stranger"), signed("vendor")]);
        let other = store.keep_component(b"other", &StoredSignatures::default()).unwrap();
        assert_eq!(store.component(other).unwrap().signatures, []);

        // A set of which half is missing was never kept so.
        let pair = StoredSignatures { sigstore: Some(b"{}".into()), ..signed("vendor") };
        store.keep_component(b"component", &pair).unwrap();
        let half = folder.path().join("state/components").join(pair.file_name(digest, SIGSTORE_SUFFIX));
        fs::remove_file(half).unwrap();
        assert_eq!(store.component(digest).unwrap().signatures.len(), 2);
        for number in 0..2 * SETS_KEPT {
            store.keep_component(b"component", &signed(&number.to_string())).unwrap();
        }
        let known = store.component(digest).unwrap().signatures;
        assert_eq!(known.len(), SETS_KEPT);
        assert!(known.contains(&signed(&(2 * SETS_KEPT - 1).to_string())), "the latest stay");
        store.save(&Slots::default()).unwrap();
        assert_eq!(store.component(digest).unwrap().signatures, known, "they stay with their component");
    }
}
