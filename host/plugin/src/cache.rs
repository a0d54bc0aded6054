//! Compiled components on disk, so that a restart need not compile them again.
//!
//! Machine code is run as it is read, so the directory must be the process's own and closed to everybody else; that is
//! checked when it is opened, and for each file. The digest inside a file is no protection against an attacker, it
//! finds files that were cut short or damaged; those are compiled anew.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use crate::limits::{ARTEFACT_BYTES_MAX, CACHE_BYTES_MAX};

/// The directory of compiled components cannot be used: the operator's fault.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It can be neither made nor read.
    #[error("cannot use {} for compiled plugins: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It belongs to another user, or others may enter it: what is run from there could be anybody's.
    #[error("{} must be a directory of this user alone (mode 0700): compiled plugins are run from it", path.display())]
    NotPrivate {
        /// Which.
        path: PathBuf,
    },
}

/// The directory, for one engine configuration.
#[derive(Debug)]
pub(crate) struct Cache {
    directory: PathBuf,
    engine: String,
}

/// Begins every file: name and version of its format.
const MAGIC: &[u8; 8] = b"grilleA1";

const DIGEST_BYTES: usize = 32;

impl Cache {
    /// Opens or makes the directory. `engine` is different for engines that cannot run each other's code.
    pub(crate) fn open(directory: &Path, engine: String) -> Result<Self, CacheError> {
        let failed = |source| CacheError::Io { path: directory.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        let metadata = fs::symlink_metadata(directory).map_err(failed)?;
        if !metadata.is_dir() || !is_private(&metadata) {
            return Err(CacheError::NotPrivate { path: directory.to_owned() });
        }
        Ok(Self { directory: directory.to_owned(), engine })
    }

    /// What was kept under a name, if it is there and whole. It counts as used.
    pub(crate) fn load(&self, component: &str) -> Option<Vec<u8>> {
        let key = self.key(component);
        match self.read(&key) {
            Ok(artefact) => Some(artefact),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(%error, file = key, "a compiled plugin is not usable and is compiled again");
                None
            }
        }
    }

    fn read(&self, key: &str) -> io::Result<Vec<u8>> {
        let flags = OFlags::NOFOLLOW.bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(self.directory.join(key))?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || !is_private(&metadata) {
            return Err(io::Error::other("it is not a file of this user alone"));
        }
        // What is used stays longest; where that cannot be noted, it is compiled again some day.
        let _ = file.set_modified(SystemTime::now());
        whole_artefact(key, &read_bounded(file)?).ok_or_else(|| io::Error::other("it is damaged"))
    }

    /// Keeps the compiled form under a name, and lets go what was used longest ago once there is too much. Other processes
    /// see all of it or nothing.
    pub(crate) fn store(&self, component: &str, artefact: &[u8]) -> io::Result<()> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let key = self.key(component);
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let temporary = self.directory.join(format!(".{key}.{}.{count}", std::process::id()));
        let written = self.write(&temporary, &key, artefact);
        let renamed = written.and_then(|()| fs::rename(&temporary, self.directory.join(&key)));
        if renamed.is_err() {
            // It may not exist, and nothing more can be done.
            let _ = fs::remove_file(&temporary);
        }
        renamed?;
        self.trim(CACHE_BYTES_MAX)
    }

    /// Removes the files used longest ago until the rest has at most so many bytes. The newest stays in any case.
    fn trim(&self, bytes_max: u64) -> io::Result<()> {
        let mut files = vec![];
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            // Another process may have removed it meanwhile.
            let Ok(metadata) = entry.metadata() else { continue };
            files.push((metadata.modified()?, metadata.len(), entry.path()));
        }
        files.sort_by(|one, other| other.cmp(one));
        let mut bytes = 0;
        for (index, (_, length, path)) in files.iter().enumerate() {
            bytes += length;
            if index > 0 && bytes > bytes_max {
                // The same again; what cannot be removed now is tried the next time.
                let _ = fs::remove_file(path);
            }
        }
        Ok(())
    }

    fn write(&self, path: &Path, key: &str, artefact: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(MAGIC)?;
        file.write_all(&digest(key, artefact))?;
        file.write_all(artefact)?;
        file.sync_data()
    }

    fn key(&self, component: &str) -> String {
        format!("{component}.{}", self.engine)
    }
}

fn is_private(metadata: &fs::Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o077 == 0
}

fn read_bounded(file: File) -> io::Result<Vec<u8>> {
    let limit = ARTEFACT_BYTES_MAX + MAGIC.len() + DIGEST_BYTES;
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(io::Error::other("it is larger than any compiled plugin"));
    }
    Ok(bytes)
}

fn whole_artefact(key: &str, file: &[u8]) -> Option<Vec<u8>> {
    let (expected, artefact) = file.strip_prefix(MAGIC)?.split_at_checked(DIGEST_BYTES)?;
    (digest(key, artefact)[..] == *expected).then(|| artefact.to_vec())
}

/// Covers the name too, so that a file under another's name is not taken for it.
fn digest(key: &str, artefact: &[u8]) -> [u8; DIGEST_BYTES] {
    Sha256::new().chain_update(key).chain_update([0]).chain_update(artefact).finalize().into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;

    fn cache(directory: &Path) -> Cache {
        Cache::open(directory, "e1".into()).expect("the directory is private")
    }

    #[test]
    fn what_was_stored_is_loaded_by_the_same_engine_only() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a/b");
        let one = cache(&path);
        assert_eq!(one.load("d1"), None);
        one.store("d1", b"code").expect("it can be written");
        assert_eq!(one.load("d1").as_deref(), Some(&b"code"[..]));
        assert_eq!(one.load("d2"), None);
        assert_eq!(Cache::open(&path, "e2".into()).expect("it is still private").load("d1"), None);
        let mode = fs::metadata(path.join("d1.e1")).expect("it is there").mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(&path).expect("it is readable").count(), 1, "no temporary file is left");
    }

    #[test]
    fn damaged_files_are_not_loaded() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("cache");
        let cache = cache(&path);
        let file = path.join("d1.e1");
        let check = |damage: fn(&mut Vec<u8>)| {
            cache.store("d1", b"machine code").expect("it can be written");
            let mut bytes = fs::read(&file).expect("it is there");
            damage(&mut bytes);
            fs::write(&file, bytes).expect("it can be damaged");
            assert_eq!(cache.load("d1"), None);
        };
        check(|bytes| bytes.clear());
        check(|bytes| bytes.truncate(20));
        check(|bytes| bytes.truncate(bytes.len() - 1));
        check(|bytes| bytes.push(0));
        check(|bytes| bytes[45] ^= 1);
        check(|bytes| bytes[0] ^= 1);
        cache.store("d1", b"machine code").expect("it can be written");
        fs::rename(&file, path.join("d2.e1")).expect("it can be renamed");
        assert_eq!(cache.load("d2"), None, "a file under another's name");
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("cache");
        let cache = cache(&path);
        let age = |name: &str, seconds| {
            let file = File::open(path.join(name)).expect("it is there");
            file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).expect("it is ours");
        };
        for name in ["a", "b", "c"] {
            cache.store(name, &[0; 100]).expect("it can be written");
        }
        age("a.e1", 10);
        age("b.e1", 30);
        age("c.e1", 20);
        assert!(cache.load("b").is_some());
        let one = fs::metadata(path.join("a.e1")).expect("it is there").len();
        let left = |bytes| {
            cache.trim(bytes).expect("it is ours");
            ["a", "b", "c"].map(|name| path.join(name).with_extension("e1").exists())
        };
        assert_eq!(left(3 * one), [true, true, true]);
        assert_eq!(left(3 * one - 1), [true, true, false]);
        assert_eq!(left(one), [false, true, false], "what was loaded last is newest");
        assert_eq!(left(0), [false, true, false]);
    }

    #[test]
    fn what_others_may_touch_is_not_used() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("cache");
        let cache = cache(&path);
        cache.store("d1", b"code").expect("it can be written");
        let file = path.join("d1.e1");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o620)).expect("it is ours");
        assert_eq!(cache.load("d1"), None);
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("a link can be made");
        let linked = Cache::open(&link, "e1".into());
        assert!(matches!(linked, Err(CacheError::NotPrivate { .. })), "{linked:?}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
        let again = Cache::open(&path, "e1".into());
        assert!(matches!(again, Err(CacheError::NotPrivate { .. })), "{again:?}");
        assert!(
            matches!(Cache::open(&file, "e1".into()), Err(CacheError::Io { .. })),
            "a file is no directory"
        );
    }
}
