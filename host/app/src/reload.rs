//! Reloading: the configuration file, the plugins it names and what lies beside them are looked at again on SIGHUP, when their
//! folders change, and every so often. What has changed is `crate::rollout`'s to judge; what is not good is logged, and what
//! judged before goes on.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use grille_core::Digest;
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::failure::Failure;
use crate::rollout::{Files, Reason, Reloaded, Rollout, fetch_all};
use crate::trust::Rules;
use crate::{load, regular_file, surroundings, trust};

/// How often the files are looked at without an event: network file systems send none.
const POLL_INTERVAL: Duration = Duration::from_secs(10);
/// How long to wait after an event for the rest of a change: an editor's rename or a copy makes several.
const SETTLE_TIME: Duration = Duration::from_millis(200);
/// How long after a reload that came to no end it is tried again at first, and at most: the wait doubles in between.
const RETRY_DELAY_MIN: Duration = POLL_INTERVAL;
/// See [`RETRY_DELAY_MIN`]. Each try may have a compiler run into its time limit.
const RETRY_DELAY_MAX: Duration = Duration::from_mins(5);
/// How long a look may take before it is told that it still does: a file system hangs, or compilers have much to do.
const LOOK_TIME_TOLD: Duration = Duration::from_mins(1);

/// Watches and reloads.
pub(crate) struct Reloader {
    path: PathBuf,
    rollout: Arc<Rollout>,
    /// Of everything that was looked at last.
    seen: Option<Digest>,
    /// When that is tried again although nothing has changed.
    again: Option<Again>,
    events: mpsc::Receiver<()>,
    watcher: RecommendedWatcher,
    watched: BTreeMap<PathBuf, FolderId>,
}

/// A reload that was refused, or a candidate that could not be judged, for a reason that may pass by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Again {
    reason: Reason,
    delay: Duration,
    due: Instant,
}

/// Device and inode: a folder that was exchanged is another under the same name.
type FolderId = (u64, u64);

impl Reloader {
    /// Begins to watch.
    ///
    /// # Errors
    /// When the system has no watch to give.
    pub(crate) fn new(path: PathBuf, rollout: Arc<Rollout>) -> anyhow::Result<Self> {
        // One event is as good as many: each means "look again".
        let (tell, events) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| is_change(event.kind)) {
                _ = tell.try_send(());
            }
        });
        let watcher = watcher.context("cannot watch files for changes")?;
        Ok(Self { path, rollout, seen: None, again: None, events, watcher, watched: BTreeMap::new() })
    }

    /// Reloads until told to stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(error) => return tracing::error!(%error, "cannot wait for SIGHUP: no reloads"),
        };
        let mut reason = Reason::Changed;
        loop {
            let looking = tokio::task::spawn_blocking(move || {
                self.look_whatever_comes(reason);
                self
            });
            self = match with_patience(looking).await {
                Ok(reloader) => reloader,
                Err(error) => return tracing::error!(%error, "no more reloads"),
            };
            reason = Reason::Changed;
            tokio::select! {
                () = stop.cancelled() => return,
                _ = hangup.recv() => {
                    tracing::info!("SIGHUP: reloading");
                    // Also where only something that the files name has changed, such as a certificate.
                    reason = Reason::Asked;
                }
                () = self.rollout.unsettled() => reason = Reason::Unsettled,
                _ = self.events.recv() => {
                    tokio::time::sleep(SETTLE_TIME).await;
                    while self.events.try_recv().is_ok() {}
                }
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
        }
    }

    /// A look that panics is tried again like one that was refused: it is no reason never to look again.
    fn look_whatever_comes(&mut self, reason: Reason) {
        if catch_unwind(AssertUnwindSafe(|| self.look(reason))).is_err() {
            let again = Again::after(self.again, reason, Instant::now());
            tracing::error!(again_in_s = again.delay.as_secs(), "a reload panicked");
            self.again = Some(again);
        }
    }

    /// Reloads if anything changed, if it is asked to, or if what was begun is to be tried again.
    fn look(&mut self, reason: Reason) {
        let in_force = self.rollout.config();
        let written = self.written(&in_force);
        let config = match &written {
            Ok(written) => Arc::clone(written),
            // Its plugins may change all the same.
            Err(_) => Arc::clone(&in_force),
        };
        self.watch(&config);
        let (files, rules) = (fetch_all(&config), Rules::read(&config));
        let fingerprint = fingerprint(&written, &files, &rules);
        let Some(reason) = self.due(fingerprint, reason, Instant::now()) else { return };
        self.seen = Some(fingerprint);
        if let Err(failure) = &written {
            tracing::error!(%failure, "the configuration cannot be used, so the one in force stays");
        }
        let reloaded = self.reload(config, &in_force, (&files, rules), reason);
        let again = Again::after(self.again, reason, Instant::now());
        self.again = match reloaded {
            Err(failure) => {
                let again_in_s = again.delay.as_secs();
                tracing::error!(%failure, again_in_s, "reload refused, nothing changed");
                Some(again)
            }
            Ok(()) if self.rollout.is_unfinished() => {
                tracing::warn!(again_in_s = again.delay.as_secs(), "a candidate is tried again");
                // All else is done, and asked for no more.
                Some(Again { reason: Reason::Changed, ..again })
            }
            Ok(()) => None,
        };
    }

    /// Why these files are to be judged now, if they are.
    fn due(&mut self, fingerprint: Digest, reason: Reason, now: Instant) -> Option<Reason> {
        if self.seen != Some(fingerprint) {
            self.again = None;
            return Some(reason);
        }
        match (reason, self.again) {
            (Reason::Asked, _) => Some(reason),
            (Reason::Unsettled, again) => Some(again.map_or(reason, |again| again.reason)),
            (Reason::Changed, Some(again)) => (again.due <= now).then_some(again.reason),
            (Reason::Changed, None) => None,
        }
    }

    fn reload(
        &self,
        config: Arc<Config>,
        in_force: &Arc<Config>,
        (files, rules): (&Files, Rules),
        reason: Reason,
    ) -> Result<(), Failure> {
        let mut problems = Vec::new();
        if !Arc::ptr_eq(&config, in_force) {
            problems.clone_from(&config.warnings);
            surroundings::check(&config, &mut problems);
        }
        match self.rollout.reload(config, problems, files, rules, reason)? {
            Reloaded::Generation => tracing::info!("reloaded"),
            Reloaded::Nothing => tracing::debug!("nothing to reload"),
        }
        Ok(())
    }

    /// The configuration as the file has it; the one in force where that says the same.
    fn written(&self, in_force: &Arc<Config>) -> Result<Arc<Config>, Failure> {
        // What would be waited for is told here, where there are sessions to serve; at the start a pipe does no harm.
        let cannot = || format!("cannot read the configuration file {}", self.path.display());
        regular_file::open(&self.path).with_context(cannot).map_err(Failure::Usage)?;
        let written = load::config(&self.path)?;
        match written.source.text() == in_force.source.text() {
            true => Ok(Arc::clone(in_force)),
            false => Ok(Arc::new(written)),
        }
    }

    /// Watches the folders of all files that count, not the files: a file that is replaced is another file. Where a file is
    /// reached by a link, also the folder that it leads to.
    fn watch(&mut self, config: &Config) {
        let wanted = folders(&self.path, config);
        let (watched, watcher) = (&mut self.watched, &mut self.watcher);
        watched.retain(|folder, id| {
            let stays = wanted.get(folder) == Some(id);
            if !stays {
                // One that is gone is not watched any more.
                _ = watcher.unwatch(folder);
            }
            stays
        });
        for (folder, id) in wanted {
            if watched.contains_key(&folder) {
                continue;
            }
            match watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => _ = watched.insert(folder, id),
                Err(error) => tracing::warn!(folder = %folder.display(), %error, "not watched, polled only"),
            }
        }
    }
}

impl Again {
    /// After one more failure; `last` is what the one before led to.
    fn after(last: Option<Self>, reason: Reason, now: Instant) -> Self {
        let delay = last.map_or(RETRY_DELAY_MIN, |last| (last.delay * 2).min(RETRY_DELAY_MAX));
        Self { reason, delay, due: now + delay }
    }
}

/// Waits for a look, and tells when that takes long.
async fn with_patience<T>(mut looking: JoinHandle<T>) -> Result<T, JoinError> {
    loop {
        tokio::select! {
            looked = &mut looking => return looked,
            () = tokio::time::sleep(LOOK_TIME_TOLD) => {
                tracing::warn!("a look at the configuration and its plugins still goes on: no reload before it ends");
            }
        }
    }
}

/// Not that somebody has read a file: we do that ourselves.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

/// The folders in which a change may matter, as far as they are there.
fn folders(path: &Path, config: &Config) -> BTreeMap<PathBuf, FolderId> {
    let plugins = config.plugins.iter().map(|slot| slot.file.clone());
    let files = std::iter::once(path.to_owned()).chain(plugins).chain(trust::beside(config));
    let folders = files.flat_map(|file| {
        let linked = fs::canonicalize(&file).ok();
        [Some(file), linked].into_iter().flatten().filter_map(|file| file.parent().map(Path::to_owned))
    });
    let known = folders.filter_map(|folder| {
        let folder = if folder.as_os_str().is_empty() { ".".into() } else { folder };
        let metadata = fs::metadata(&folder).ok()?;
        Some((folder, (metadata.dev(), metadata.ino())))
    });
    known.collect()
}

/// Names everything that was looked at.
fn fingerprint(written: &Result<Arc<Config>, Failure>, files: &Files, rules: &Rules) -> Digest {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    };
    match written {
        Ok(config) => add(config.source.text().as_bytes()),
        Err(failure) => add(failure.to_string().as_bytes()),
    }
    for (name, file) in files {
        add(name.as_str().as_bytes());
        match file {
            Ok(file) => {
                add(&file.bytes);
                for signature in [&file.signatures.minisign, &file.signatures.sigstore] {
                    add(signature.as_deref().unwrap_or_default());
                }
            }
            Err(refusal) => add(refusal.why().as_bytes()),
        }
    }
    add(rules.digest.as_bytes());
    Digest::from_bytes(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::os::unix::fs::symlink;

    use notify::event::{CreateKind, ModifyKind, RemoveKind};

    use super::*;

    #[test]
    fn our_own_reading_is_no_change() {
        let check = |kind, expected| assert_eq!(is_change(kind), expected, "{kind:?}");
        check(EventKind::Access(AccessKind::Open(AccessMode::Any)), false);
        check(EventKind::Access(AccessKind::Close(AccessMode::Read)), false);
        check(EventKind::Access(AccessKind::Close(AccessMode::Write)), true);
        check(EventKind::Create(CreateKind::Any), true);
        check(EventKind::Modify(ModifyKind::Any), true);
        check(EventKind::Remove(RemoveKind::Any), true);
    }

    #[test]
    fn a_failure_is_tried_again_less_and_less_often() {
        let begun = Instant::now();
        let mut again = Again::after(None, Reason::Asked, begun);
        assert_eq!((again.delay, again.due), (RETRY_DELAY_MIN, begun + RETRY_DELAY_MIN));
        for seconds in [20, 40, 80, 160, 300, 300] {
            again = Again::after(Some(again), Reason::Asked, begun);
            assert_eq!(again.delay, Duration::from_secs(seconds));
        }
        assert_eq!(again.reason, Reason::Asked);
    }

    fn config(folder: &Path) -> Config {
        let text = "[[listener]]\nname = \"clients\"\naddress = \"127.0.0.1:6432\"\nallow_plaintext = true\n\
             [[issuer]]\nissuer = \"https://id.example.com\"\naudiences = [\"grille\"]\n\
             [[upstream]]\nname = \"sales\"\nhost = \"localhost\"\nuser = \"app\"\n\
             authentication = [\"trust\"]\ntls = { mode = \"disable\" }\n[audit]\ndirectory = \"audit\"\n\
             [[role]]\nname = \"a\"\ngroups = [\"a\"]\nupstreams = [\"sales\"]\nstatements = [\"read\"]\n\
             policies = [\"guard\"]\ndetectors = []\n\
             [[plugin]]\nname = \"guard\"\nfile = \"plugins/guard.wasm\"\nunsigned = true\n";
        crate::config::parse(text, &folder.join("grille.toml")).unwrap()
    }

    #[test]
    fn a_folder_behind_a_link_is_watched_and_known_when_it_is_exchanged() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = fs::canonicalize(temporary.path()).unwrap();
        let plugins = folder.join("plugins");
        for version in ["v1", "v2"] {
            fs::create_dir_all(plugins.join(version)).unwrap();
            fs::write(plugins.join(version).join("guard.wasm"), version).unwrap();
        }
        symlink("v1", plugins.join("..data")).unwrap();
        symlink("..data/guard.wasm", plugins.join("guard.wasm")).unwrap();
        let watched = || folders(&folder.join("grille.toml"), &config(&folder));
        let names = |folders: &BTreeMap<PathBuf, FolderId>| folders.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&watched()), [folder.clone(), plugins.clone(), plugins.join("v1")]);
        symlink("v2", plugins.join("next")).unwrap();
        fs::rename(plugins.join("next"), plugins.join("..data")).unwrap();
        assert_eq!(names(&watched()), [folder.clone(), plugins.clone(), plugins.join("v2")]);

        let before = watched();
        fs::rename(&plugins, folder.join("aside")).unwrap();
        assert_eq!(names(&watched()), std::slice::from_ref(&folder), "what is not there is not watched");
        fs::create_dir(&plugins).unwrap();
        assert_ne!(watched()[&plugins], before[&plugins], "another folder of that name");
    }
}
