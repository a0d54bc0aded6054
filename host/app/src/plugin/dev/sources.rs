//! A project's sources: which files they are, and whether they differ from what was seen last. What builds leave behind is not
//! among them, or each build would ask for the next.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use sha2::{Digest, Sha256};

use super::ignored::Ignored;
use crate::failure::Failure;

/// How long to wait after an event for the rest of a change: editors and `git checkout` make several.
const SETTLE_TIME: Duration = Duration::from_millis(150);

/// How often to look without an event: network file systems send none.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// Most files and folders looked at. A project with more has something in it that should be in its `.gitignore`.
const ENTRIES_MAX: usize = 20_000;

/// Deepest folder looked into.
const DEPTH_MAX: usize = 32;

/// The sources of one project, watched.
pub(super) struct Sources {
    folder: PathBuf,
    watcher: RecommendedWatcher,
    watched: HashSet<PathBuf>,
    /// Of the files that were seen last.
    seen: Option<Fingerprint>,
    /// When the last event came that was not answered by a look.
    disturbed: Option<Instant>,
    looked: Instant,
}

/// SHA-256 over names, sizes and times.
type Fingerprint = [u8; 32];

impl Sources {
    /// Begins to watch; `tell` is called from another thread whenever it is worth asking [`Self::have_changed`] soon.
    pub(super) fn watch(folder: &Path, tell: impl Fn() + Send + 'static) -> Result<Self, Failure> {
        let watcher = notify::recommended_watcher(move |_| tell());
        let watcher = watcher.context("cannot watch files for changes")?;
        let mut sources = Self {
            folder: folder.to_owned(),
            watcher,
            watched: HashSet::new(),
            seen: None,
            disturbed: None,
            looked: Instant::now(),
        };
        sources.seen = Some(sources.look()?);
        Ok(sources)
    }

    /// Something happened in a folder of theirs.
    pub(super) fn disturb(&mut self) {
        self.disturbed = Some(Instant::now());
    }

    /// Whether they differ from when this was last true, or from the beginning. False while a change is still going on.
    pub(super) fn have_changed(&mut self) -> Result<bool, Failure> {
        let is_due = match self.disturbed {
            Some(at) => at.elapsed() >= SETTLE_TIME,
            None => self.looked.elapsed() >= LOOK_INTERVAL,
        };
        if !is_due {
            return Ok(false);
        }
        let now = Some(self.look()?);
        let has_changed = self.seen != now;
        self.seen = now;
        Ok(has_changed)
    }

    /// Looks at all of them, and watches folders that are new.
    fn look(&mut self) -> Result<Fingerprint, Failure> {
        (self.disturbed, self.looked) = (None, Instant::now());
        let mut walk = Walk::of(&self.folder)?;
        walk.enter(&self.folder, 0);
        if walk.entries >= ENTRIES_MAX {
            return Err(Failure::Usage(anyhow!(
                "{} has more than {ENTRIES_MAX} files: name those that are made in its .gitignore",
                self.folder.display()
            )));
        }
        for folder in &walk.folders {
            if !self.watched.contains(folder) {
                // A folder that cannot be watched is still looked at every so often.
                let _ = self.watcher.watch(folder, RecursiveMode::NonRecursive);
            }
        }
        // A folder that was removed and made again is another one, and needs a new watch.
        self.watched = walk.folders.into_iter().collect();
        walk.files.sort();
        let mut hash = Sha256::new();
        for file in walk.files {
            hash.update((file.len() as u64).to_be_bytes());
            hash.update(file);
        }
        Ok(hash.finalize().into())
    }
}

/// One look at a folder.
struct Walk {
    root: PathBuf,
    ignored: Ignored,
    folders: Vec<PathBuf>,
    /// Name, size and time of each.
    files: Vec<Vec<u8>>,
    entries: usize,
}

impl Walk {
    fn of(root: &Path) -> Result<Self, Failure> {
        let ignored = Ignored::of(root).map_err(Failure::Usage)?;
        Ok(Self { root: root.to_owned(), ignored, folders: Vec::new(), files: Vec::new(), entries: 0 })
    }

    /// What vanishes meanwhile is passed over: its vanishing is an event of its own.
    fn enter(&mut self, folder: &Path, depth: usize) {
        self.folders.push(folder.to_owned());
        let Ok(entries) = fs::read_dir(folder) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            // Links are followed to files only: a link to a folder may lead round in a circle.
            let Ok(kind) = fs::symlink_metadata(&path).map(|metadata| metadata.file_type()) else { continue };
            let within = path.strip_prefix(&self.root).unwrap_or(&path);
            if self.ignored.covers(within, kind.is_dir()) {
                continue;
            }
            self.entries += 1;
            if self.entries >= ENTRIES_MAX {
                return;
            }
            if !kind.is_dir() {
                self.note(&path);
            } else if depth < DEPTH_MAX {
                self.enter(&path, depth + 1);
            }
        }
    }

    fn note(&mut self, path: &Path) {
        if let Ok(metadata) = fs::metadata(path)
            && metadata.is_file()
        {
            self.files.push(line(path, &metadata));
        }
    }
}

/// A file replaced by a rename has another inode, one that was written has another time.
fn line(path: &Path, metadata: &Metadata) -> Vec<u8> {
    let mut line = path.as_os_str().as_encoded_bytes().to_vec();
    let numbers = [
        metadata.len(),
        metadata.ino(),
        metadata.mtime().cast_unsigned(),
        metadata.mtime_nsec().cast_unsigned(),
    ];
    line.extend(numbers.into_iter().flat_map(u64::to_be_bytes));
    line
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::sync::mpsc;

    use super::*;

    struct Project {
        folder: tempfile::TempDir,
        sources: Sources,
        events: mpsc::Receiver<()>,
    }

    impl Project {
        fn with(files: &[&str]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for file in files {
                put(folder.path(), file, "1");
            }
            let (tell, events) = mpsc::channel();
            let sources = Sources::watch(folder.path(), move || _ = tell.send(())).unwrap();
            Self { folder, sources, events }
        }

        /// Whether they have changed, after all is quiet.
        fn have_changed(&mut self) -> bool {
            self.sources.disturbed = Some(Instant::now() - SETTLE_TIME);
            self.sources.have_changed().unwrap()
        }
    }

    fn put(folder: &Path, file: &str, content: &str) {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    #[test]
    fn a_change_is_seen_once() {
        let mut project = Project::with(&["plugin.toml", "src/lib.rs", ".gitignore"]);
        assert!(!project.have_changed());
        for file in ["src/lib.rs", "src/deep/new.rs", "plugin.toml"] {
            put(project.folder.path(), file, "changed");
            assert!(project.have_changed(), "{file}");
            assert!(!project.have_changed(), "{file}");
        }
        fs::rename(project.folder.path().join("plugin.toml"), project.folder.path().join("aside")).unwrap();
        assert!(project.have_changed());
        fs::remove_file(project.folder.path().join("aside")).unwrap();
        assert!(project.have_changed());
    }

    #[test]
    fn what_builds_make_is_no_source() {
        let mut project = Project::with(&["src/lib.rs"]);
        for file in
            [".grille/sdk/x", "target/release/x.wasm", "node_modules/a/b.js", "a.wasm", "src/.lib.rs.swp"]
        {
            put(project.folder.path(), file, "1");
            assert!(!project.have_changed(), "{file}");
        }
        put(project.folder.path(), ".gitignore", "/made/\n");
        assert!(project.have_changed(), "what it names is a source");
        put(project.folder.path(), "made/file", "1");
        assert!(!project.have_changed());
        put(project.folder.path(), "src/made/file", "1");
        assert!(project.have_changed(), "`/made/` is the one at the top");
    }

    #[test]
    fn folders_made_later_are_watched_too() {
        let mut project = Project::with(&["src/lib.rs"]);
        put(project.folder.path(), "src/more/a.rs", "1");
        assert!(project.have_changed());
        while project.events.try_recv().is_ok() {}
        put(project.folder.path(), "src/more/a.rs", "2");
        project.events.recv_timeout(Duration::from_secs(30)).unwrap();
    }

    #[test]
    fn a_change_that_goes_on_is_waited_for() {
        let mut project = Project::with(&["src/lib.rs"]);
        put(project.folder.path(), "src/lib.rs", "half");
        project.sources.disturbed = Some(Instant::now() + SETTLE_TIME);
        assert!(!project.sources.have_changed().unwrap());
        assert!(project.have_changed());
    }

    #[test]
    fn links_are_not_followed_in_circles() {
        let mut project = Project::with(&["src/lib.rs"]);
        std::os::unix::fs::symlink("..", project.folder.path().join("src/up")).unwrap();
        assert!(!project.have_changed(), "a link to a folder is no source");
        std::os::unix::fs::symlink("lib.rs", project.folder.path().join("src/other.rs")).unwrap();
        assert!(project.have_changed());
    }
}
