//! The state directory: which revision fills which slot, and the components and settings that this needs. Written by the
//! running Grille alone; a write survives a crash at any point, whole or not at all.
//!
//! ```text
//! lock                               held while Grille runs
//! slots.json                         core's `Slots`, versioned
//! components/DIGEST.wasm             a component, by the digest of its bytes
//! components/DIGEST.SET.minisig      what lay beside it when it came, as far as there was something. SET is
//! components/DIGEST.SET.sigstore.json  the digest of both: equal bytes may come with other signatures elsewhere
//! settings/DIGEST.json               settings in canonical JSON, by its digest
//! ```
//!
//! That something is here is no reason to run it: who reads it back judges it anew.

mod signatures;

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use grille_core::Digest;
use grille_core::rollout::Slots;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use signatures::SignatureSet;
pub use signatures::StoredSignatures;

/// Longest list of slots that is read, in bytes: some thousand slots, each with all that it may remember.
const SLOTS_BYTES_MAX: u64 = 32 << 20;

/// Largest component that is read: a little more than the runtime takes.
const COMPONENT_BYTES_MAX: u64 = 65 << 20;

/// Longest settings: a little more than the runtime takes.
const SETTINGS_BYTES_MAX: u64 = 2 << 20;

/// How many components, and how many settings, are kept that no slot refers to: to look at what was there before.
const OTHERS_KEPT: usize = 8;

const SLOTS: &str = "slots.json";
const COMPONENTS: &str = "components";
const SETTINGS: &str = "settings";
const COMPONENT_SUFFIX: &str = ".wasm";
const SETTINGS_SUFFIX: &str = ".json";

/// The state directory, held by this process alone.
#[derive(Debug)]
pub struct RevisionStore {
    directory: PathBuf,
    /// Held while something is written: slots are filled at the same time, and two of them may keep the same content.
    writing: Mutex<()>,
    /// Locked as long as it is open.
    _lock: File,
}

/// A component and what lay beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredComponent {
    /// The component.
    pub component: Vec<u8>,
    /// What lay beside it each time it was kept, the latest first; nothing for a time when nothing did.
    pub signatures: Vec<StoredSignatures>,
}

/// The state directory cannot be used: the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum RevisionError {
    /// It can be neither made nor read.
    #[error("cannot use the state directory {}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others could put components of theirs there.
    #[error("others may write to the state directory {} (mode {mode:04o}): run `chmod go-w` on it", path.display())]
    Shared {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is another user's, who could put components of theirs there.
    #[error(
        "the state directory {} is of the user {owner}, and Grille runs as {own}: run `chown {own}` on it, or name another \
         by [plugins] state_directory",
        path.display()
    )]
    Foreign {
        /// Which.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who Grille is.
        own: u32,
    },
    /// Another Grille runs with it.
    #[error(
        "another Grille uses the state directory {}: give each its own by [plugins] state_directory",
        .0.display()
    )]
    Taken(PathBuf),
    /// The list of slots is not what a Grille has written.
    #[error(
        "{} is damaged ({why}); nothing is guessed: put a copy of it back, or move it away to begin with the files of the \
         configuration, without what was activated, rolled back or held back since",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A component or settings that should be there are not, or are others.
    #[error("{} cannot be used: {why}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Something could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl RevisionStore {
    /// Makes the directory (mode 0700) or takes the one that is there, and holds it until it is dropped.
    ///
    /// # Errors
    /// When it cannot be used, is open to others, or another process holds it.
    pub fn open(directory: &Path) -> Result<Self, RevisionError> {
        for folder in [directory, &directory.join(COMPONENTS), &directory.join(SETTINGS)] {
            prepare(folder)?;
        }
        let path = directory.join("lock");
        let failed = |source| RevisionError::Directory { path: path.clone(), source };
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { directory: directory.to_owned(), writing: Mutex::new(()), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(RevisionError::Taken(directory.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// What was saved last; none where nothing ever was.
    ///
    /// # Errors
    /// When it cannot be read or is damaged. It is left as it is.
    pub fn slots(&self) -> Result<Option<Slots>, RevisionError> {
        let path = self.directory.join(SLOTS);
        let bytes = match read(&path, SLOTS_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RevisionError::Damaged { path, why: error.to_string() }),
        };
        let read = serde_json::from_slice(&bytes);
        read.map(Some).map_err(|error| RevisionError::Damaged { path, why: error.to_string() })
    }

    /// Saves the slots, and removes components and settings that none of them refers to, but for the newest 8 of each.
    ///
    /// # Errors
    /// When they could not be written; what was saved before is still there then.
    pub fn save(&self, slots: &Slots) -> Result<(), RevisionError> {
        let mut json = serde_json::to_vec_pretty(slots).map_err(|error| RevisionError::Write {
            path: self.directory.join(SLOTS),
            source: error.into(),
        })?;
        json.push(b'\n');
        let _writing = self.writing.lock();
        write(&self.directory, SLOTS, &json, &mut carry_on)?;
        self.trim(slots);
        Ok(())
    }

    /// Keeps a component under the digest of its bytes, with what lies beside it now. What lay beside it earlier, or lies
    /// beside equal bytes elsewhere, stays. Nothing is written where all of it is there already.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn keep_component(
        &self,
        component: &[u8],
        signatures: &StoredSignatures,
    ) -> Result<Digest, RevisionError> {
        let digest = digest_of(component);
        let _writing = self.writing.lock();
        let folder = self.directory.join(COMPONENTS);
        for (suffix, content) in signatures.files() {
            if let Some(content) = content {
                keep(&folder, &signatures.file_name(digest, suffix), content)?;
            }
        }
        keep(&folder, &format!("{}{COMPONENT_SUFFIX}", digest.hex()), component)?;
        if let Err(error) = signatures::trim(&folder, digest) {
            tracing::warn!(%digest, %error, "signatures that are no longer needed could not be removed");
        }
        Ok(digest)
    }

    /// A component that was kept.
    ///
    /// # Errors
    /// When it is not there, or has another digest now. Signatures that cannot be read, or are not what was kept, are left out.
    pub fn component(&self, digest: Digest) -> Result<StoredComponent, RevisionError> {
        let folder = self.directory.join(COMPONENTS);
        let path = folder.join(format!("{}{COMPONENT_SUFFIX}", digest.hex()));
        let component = content(&path, COMPONENT_BYTES_MAX, digest)?;
        let sets = signatures::sets(&folder, digest)
            .map_err(|error| RevisionError::Content { path: folder.clone(), why: error.to_string() })?;
        let read = |set: &SignatureSet| signatures::read_set(&folder, digest, &set.name);
        let signatures = sets.iter().take(signatures::SETS_KEPT).filter_map(read).collect();
        Ok(StoredComponent { component, signatures })
    }

    /// Keeps settings, in canonical JSON, under their digest.
    ///
    /// # Errors
    /// When they could not be written.
    pub fn keep_settings(&self, json: &str) -> Result<Digest, RevisionError> {
        let digest = digest_of(json.as_bytes());
        let _writing = self.writing.lock();
        let folder = self.directory.join(SETTINGS);
        keep(&folder, &format!("{}{SETTINGS_SUFFIX}", digest.hex()), json.as_bytes())?;
        Ok(digest)
    }

    /// Settings that were kept.
    ///
    /// # Errors
    /// When they are not there, or have another digest now.
    pub fn settings(&self, digest: Digest) -> Result<serde_json::Value, RevisionError> {
        let path = self.directory.join(SETTINGS).join(format!("{}{SETTINGS_SUFFIX}", digest.hex()));
        let bytes = content(&path, SETTINGS_BYTES_MAX, digest)?;
        let parsed = serde_json::from_slice(&bytes);
        parsed.map_err(|error| RevisionError::Content { path, why: error.to_string() })
    }

    /// What cannot be removed now is removed next time.
    fn trim(&self, slots: &Slots) {
        let revisions = || slots.iter().flat_map(|(_, slot)| slot.revisions());
        let components: BTreeSet<Digest> = revisions().map(|revision| revision.digest).collect();
        let settings: BTreeSet<Digest> = revisions().map(|revision| revision.settings).collect();
        for (folder, referred) in [(COMPONENTS, components), (SETTINGS, settings)] {
            if let Err(error) = trim(&self.directory.join(folder), &referred) {
                tracing::warn!(folder, %error, "what is no longer needed could not be removed");
            }
        }
    }
}

fn prepare(folder: &Path) -> Result<(), RevisionError> {
    let failed = |source| RevisionError::Directory { path: folder.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let metadata = fs::metadata(folder).map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(RevisionError::Shared { path: folder.to_owned(), mode });
    }
    let (owner, own) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != own {
        return Err(RevisionError::Foreign { path: folder.to_owned(), owner, own });
    }
    Ok(())
}

/// Where a write may be cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Created,
    Written,
    Synced,
    Renamed,
}

fn carry_on(_: Step) -> io::Result<()> {
    Ok(())
}

/// Writes a file of that name, whole or not at all. `at` is asked after each step whether to go on: tests end there.
fn write(
    folder: &Path,
    name: &str,
    bytes: &[u8],
    at: &mut dyn FnMut(Step) -> io::Result<()>,
) -> Result<(), RevisionError> {
    let path = folder.join(name);
    write_steps(folder, &path, bytes, at).map_err(|source| RevisionError::Write { path, source })
}

fn write_steps(
    folder: &Path,
    path: &Path,
    bytes: &[u8],
    at: &mut dyn FnMut(Step) -> io::Result<()>,
) -> io::Result<()> {
    let next = path.with_added_extension("next");
    // What a crash has left.
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next)?;
    at(Step::Created)?;
    file.write_all(bytes)?;
    at(Step::Written)?;
    file.sync_all()?;
    at(Step::Synced)?;
    fs::rename(&next, path)?;
    at(Step::Renamed)?;
    File::open(folder)?.sync_all()
}

/// Writes content that its name is the digest of, unless it is there and whole: what is kept already asks nothing of the disk.
fn keep(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), RevisionError> {
    let path = folder.join(name);
    if read(&path, COMPONENT_BYTES_MAX).is_ok_and(|there| there == bytes) {
        // The newest of what nobody refers to is what was used last; where that cannot be noted, something else goes first.
        _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        return Ok(());
    }
    write(folder, name, bytes, &mut carry_on)
}

fn content(path: &Path, bytes_max: u64, digest: Digest) -> Result<Vec<u8>, RevisionError> {
    let unusable = |why: String| RevisionError::Content { path: path.to_owned(), why };
    let bytes = read(path, bytes_max).map_err(|error| unusable(error.to_string()))?;
    match digest_of(&bytes) {
        found if found == digest => Ok(bytes),
        found => Err(unusable(format!("its content has the digest {found}"))),
    }
}

fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::other(format!("it has more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

/// Removes what nobody refers to, but for the newest; and what a crash has left.
fn trim(folder: &Path, referred: &BTreeSet<Digest>) -> io::Result<()> {
    let mut others: Vec<(SystemTime, Digest)> = Vec::new();
    let mut files: Vec<(Option<Digest>, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let (stem, suffix) = name.to_str().and_then(|name| name.split_once('.')).unwrap_or_default();
        let digest: Option<Digest> = stem.parse().ok().filter(|_| !suffix.ends_with("next"));
        if let Some(digest) = digest.filter(|_| matches!(suffix, "wasm" | "json")) {
            others.push((entry.metadata()?.modified()?, digest));
        }
        files.push((digest, entry.path()));
    }
    others.retain(|(_, digest)| !referred.contains(digest));
    others.sort_unstable_by(|one, other| other.cmp(one));
    let kept: BTreeSet<Digest> = others
        .into_iter()
        .take(OTHERS_KEPT)
        .map(|(_, digest)| digest)
        .chain(referred.iter().copied())
        .collect();
    for (digest, path) in files {
        if !digest.is_some_and(|digest| kept.contains(&digest)) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use grille_core::PluginId;
    use grille_core::rollout::{Arrival, Circumstances, Event, RevisionId, Rules, Target};

    use super::*;

    fn open(folder: &tempfile::TempDir) -> RevisionStore {
        RevisionStore::open(&folder.path().join("state")).unwrap()
    }

    fn stored(component: &str) -> StoredComponent {
        StoredComponent { component: component.into(), ..StoredComponent::default() }
    }

    /// Keeps a component with nothing beside it.
    fn keep_bare(store: &RevisionStore, component: &str) -> Digest {
        store.keep_component(component.as_bytes(), &StoredSignatures::default()).unwrap()
    }

    fn signed(minisign: &str) -> StoredSignatures {
        StoredSignatures { minisign: Some(minisign.into()), sigstore: None }
    }

    /// Slots in which these components are active, one after the other.
    fn slots(components: &[&str], settings: &str) -> Slots {
        let mut slots = Slots::default();
        let rules = Rules::default();
        for (now, component) in (0..).zip(components) {
            let revision = RevisionId {
                digest: digest_of(component.as_bytes()),
                settings: digest_of(settings.as_bytes()),
            };
            let admitted = Event::Admitted { revision, arrival: Arrival::File, target: Target::Active };
            let circumstances = Circumstances { rules: &rules, by: "test", why: "test", now };
            slots.apply(&PluginId::new("guard"), admitted, circumstances).unwrap();
        }
        slots
    }

    fn names(store: &RevisionStore, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(store.directory.join(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_kept_twice_at_once_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        for round in 0..50 {
            let json = format!("{{\"round\":{round}}}");
            std::thread::scope(|scope| {
                let keepers: Vec<_> = (0..4).map(|_| scope.spawn(|| store.keep_settings(&json))).collect();
                for keeper in keepers {
                    assert_eq!(keeper.join().unwrap().unwrap(), digest_of(json.as_bytes()));
                }
            });
        }
    }

    #[test]
    fn a_second_grille_is_kept_out_until_the_first_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(&folder);
        let second = RevisionStore::open(&folder.path().join("state"));
        assert!(matches!(second, Err(RevisionError::Taken(_))), "{second:?}");
        drop(first);
        open(&folder);
    }

    #[test]
    fn what_others_may_write_to_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        drop(open(&folder));
        for inner in ["state/components", "state/settings", "state"] {
            let path = folder.path().join(inner);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o770)).unwrap();
            let opened = RevisionStore::open(&folder.path().join("state"));
            assert!(matches!(opened, Err(RevisionError::Shared { .. })), "{inner}: {opened:?}");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        open(&folder);
    }

    #[test]
    fn what_is_another_users_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        drop(open(&folder));
        let another = rustix::process::geteuid().as_raw() + 1;
        // Only root may give a folder away, and only root could use one that is another's.
        if std::os::unix::fs::chown(folder.path().join("state/components"), Some(another), None).is_ok() {
            let opened = RevisionStore::open(&folder.path().join("state"));
            assert!(
                matches!(opened, Err(RevisionError::Foreign { owner, .. }) if owner == another),
                "{opened:?}"
            );
        }
    }

    #[test]
    fn a_damaged_list_is_told_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        assert_eq!(store.slots().unwrap(), None);
        let saved = slots(&["a", "b"], "{}");
        store.save(&saved).unwrap();
        assert_eq!(store.slots().unwrap(), Some(saved));
        let path = store.directory.join(SLOTS);
        let whole = fs::read(&path).unwrap();
        for damaged in [&whole[..whole.len() / 2], b"", b"{}", b"[]", b"{\"version\":9,\"slots\":{}}"] {
            fs::write(&path, damaged).unwrap();
            let error = store.slots().unwrap_err();
            assert!(matches!(error, RevisionError::Damaged { .. }), "{error}");
            assert_eq!(fs::read(&path).unwrap(), damaged);
        }
    }

    #[test]
    fn a_write_cut_short_leaves_the_old_or_the_new() {
        let folder = tempfile::tempdir().unwrap();
        for (crash, new) in
            [(Step::Created, false), (Step::Written, false), (Step::Synced, false), (Step::Renamed, true)]
        {
            let path = folder.path().join("file");
            write(folder.path(), "file", b"old", &mut carry_on).unwrap();
            let mut ended = |step| if step == crash { Err(io::Error::other("crash")) } else { Ok(()) };
            write(folder.path(), "file", b"new content", &mut ended).unwrap_err();
            let expected: &[u8] = if new { b"new content" } else { b"old" };
            assert_eq!(fs::read(&path).unwrap(), expected, "{crash:?}");
            write(folder.path(), "file", b"next", &mut carry_on).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"next", "what the crash left is not in the way");
        }
    }

    #[test]
    fn what_is_kept_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        let beside = StoredSignatures { minisign: Some(b"sig".into()), sigstore: Some(b"{}".into()) };
        let digest = store.keep_component(b"component", &beside).unwrap();
        let expected = StoredComponent { signatures: vec![beside], ..stored("component") };
        assert_eq!(store.component(digest).unwrap(), expected);
        let settings = store.keep_settings("{\"a\":1.50}").unwrap();
        assert_eq!(store.settings(settings).unwrap().to_string(), "{\"a\":1.50}");
        let file = store.directory.join(COMPONENTS).join(format!("{}.wasm", digest.hex()));
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_there_is_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        let inodes = || {
            let path = store.directory.join(COMPONENTS);
            let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().metadata().unwrap().ino());
            let mut inodes: Vec<u64> = entries.collect();
            inodes.sort_unstable();
            inodes
        };
        store.keep_component(b"component", &signed("vendor")).unwrap();
        let before = inodes();
        assert_eq!(before.len(), 2);
        // Each write is a new file that takes the place of the old one: one in the way of that would be told.
        for entry in fs::read_dir(store.directory.join(COMPONENTS)).unwrap() {
            fs::create_dir(entry.unwrap().path().with_added_extension("next")).unwrap();
        }
        store.keep_component(b"component", &signed("vendor")).unwrap();
        store.keep_component(b"other", &signed("vendor")).unwrap();
        assert!(before.iter().all(|inode| inodes().contains(inode)));
        assert!(store.keep_component(b"component", &signed("v2")).is_ok());
    }

    #[test]
    fn other_content_under_its_name_is_refused_and_mended_by_keeping_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        let digest = keep_bare(&store, "component");
        let file = store.directory.join(COMPONENTS).join(format!("{}.wasm", digest.hex()));
        for damage in [&b"componenT"[..], b"", b"componen"] {
            fs::write(&file, damage).unwrap();
            let error = store.component(digest).unwrap_err();
            assert!(matches!(error, RevisionError::Content { .. }), "{error}");
        }
        keep_bare(&store, "component");
        assert_eq!(store.component(digest).unwrap(), stored("component"));
        assert!(store.component(digest_of(b"other")).is_err());
        assert!(store.settings(digest).is_err());
    }

    #[test]
    fn what_slots_refer_to_stays_and_of_the_rest_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        for number in 0..20 {
            let digest = keep_bare(&store, &number.to_string());
            let path = store.directory.join(COMPONENTS).join(format!("{}.wasm", digest.hex()));
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(number);
            File::open(path).unwrap().set_modified(time).unwrap();
        }
        fs::write(store.directory.join(COMPONENTS).join("x.wasm.next"), "a crash left it").unwrap();
        store.keep_settings("{}").unwrap();
        store.save(&slots(&["3", "4"], "{}")).unwrap();
        let mut expected: Vec<String> = ["3".to_owned(), "4".to_owned()]
            .into_iter()
            .chain((12..20).map(|number| number.to_string()))
            .map(|content| format!("{}.wasm", digest_of(content.as_bytes()).hex()))
            .collect();
        expected.sort();
        assert_eq!(names(&store, COMPONENTS), expected);
        assert_eq!(names(&store, SETTINGS).len(), 1);
    }
}
