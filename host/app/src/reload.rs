//! Reloading: the configuration file, the plugins it names and what lies beside them are looked at again on SIGHUP, when their
//! folders change, and every so often. What has changed is `crate::rollout`'s to judge; what is not good is logged, and what
//! judged before goes on.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use grille_core::Digest;
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::failure::Failure;
use crate::rollout::{Files, Reason, Reloaded, Rollout, fetch_all, rules_of};
use crate::{load, surroundings, trust};

/// How often the files are looked at without an event: network file systems send none.
const POLL_INTERVAL: Duration = Duration::from_secs(10);
/// How long to wait after an event for the rest of a change: an editor's rename or a copy makes several.
const SETTLE_TIME: Duration = Duration::from_millis(200);

/// Watches and reloads.
pub(crate) struct Reloader {
    path: PathBuf,
    rollout: Arc<Rollout>,
    /// Of everything that was looked at last.
    seen: Option<Digest>,
    events: mpsc::Receiver<()>,
    watcher: RecommendedWatcher,
    watched: BTreeMap<PathBuf, FolderId>,
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
        Ok(Self { path, rollout, seen: None, events, watcher, watched: BTreeMap::new() })
    }

    /// Reloads until told to stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(error) => return tracing::error!(%error, "cannot wait for SIGHUP: no reloads"),
        };
        let mut reason = Reason::Changed;
        loop {
            self = match tokio::task::spawn_blocking(move || {
                self.look(reason);
                self
            })
            .await
            {
                Ok(reloader) => reloader,
                Err(error) => return tracing::error!(%error, "a reload panicked: no more reloads"),
            };
            reason = Reason::Changed;
            tokio::select! {
                () = stop.cancelled() => return,
                _ = hangup.recv() => {
                    tracing::info!("SIGHUP: reloading");
                    // Also where only something that the files name has changed, such as a certificate.
                    reason = Reason::Asked;
                }
                _ = self.events.recv() => {
                    tokio::time::sleep(SETTLE_TIME).await;
                    while self.events.try_recv().is_ok() {}
                }
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
        }
    }

    /// Reloads if anything changed, or if it is asked to.
    fn look(&mut self, reason: Reason) {
        let in_force = self.rollout.config();
        let written = self.written(&in_force);
        let config = match &written {
            Ok(written) => Arc::clone(written),
            // Its plugins may change all the same.
            Err(_) => Arc::clone(&in_force),
        };
        self.watch(&config);
        let files = fetch_all(&config);
        let fingerprint = fingerprint(&written, &config, &files);
        if reason == Reason::Changed && self.seen == Some(fingerprint) {
            return;
        }
        self.seen = Some(fingerprint);
        if let Err(failure) = &written {
            tracing::error!(%failure, "the configuration cannot be used, so the one in force stays");
        }
        if let Err(failure) = self.reload(config, &in_force, &files, reason) {
            tracing::error!(%failure, "reload refused, nothing changed");
        }
    }

    fn reload(
        &self,
        config: Arc<Config>,
        in_force: &Arc<Config>,
        files: &Files,
        reason: Reason,
    ) -> Result<(), Failure> {
        let mut problems = Vec::new();
        if !Arc::ptr_eq(&config, in_force) {
            problems.clone_from(&config.warnings);
            surroundings::check(&config, &mut problems);
        }
        match self.rollout.reload(config, problems, files, reason)? {
            Reloaded::Generation => tracing::info!("reloaded"),
            Reloaded::Nothing => tracing::debug!("nothing to reload"),
        }
        Ok(())
    }

    /// The configuration as the file has it; the one in force where that says the same.
    fn written(&self, in_force: &Arc<Config>) -> Result<Arc<Config>, Failure> {
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
fn fingerprint(written: &Result<Arc<Config>, Failure>, config: &Config, files: &Files) -> Digest {
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
    add(rules_of(config).as_bytes());
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
