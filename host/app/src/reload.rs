//! Reloading: the configuration file and the plugins it names are looked at again on SIGHUP, when their folders change, and
//! every so often. What is good becomes the next generation; what is not is logged, and the last good one stays.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use grille_core::GenerationId;
use grille_plugin::Engine;
use grille_proxy::identity::TokenVerifier;
use grille_proxy::{Control, Generation, GenerationParts};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use sha2::{Digest, Sha256};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::failure::Failure;
use crate::load::{self, Loaded};
use crate::plugins::Plugins;

/// How often the files are looked at without an event: network file systems send none.
const POLL_INTERVAL: Duration = Duration::from_secs(10);
/// How long to wait after an event for the rest of a change: an editor's rename or a copy makes several.
const SETTLE_TIME: Duration = Duration::from_millis(200);

/// Watches and reloads.
pub(crate) struct Reloader {
    path: PathBuf,
    control: Control,
    engine: Engine,
    /// Of everything that a generation was made from, or that was refused.
    seen: Option<Fingerprint>,
    events: mpsc::Receiver<()>,
    watcher: RecommendedWatcher,
    watched: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

/// SHA-256 over the files.
type Fingerprint = [u8; 32];

impl Reloader {
    /// Begins to watch.
    ///
    /// # Errors
    /// When the system has no watch to give.
    pub(crate) fn new(path: PathBuf, control: Control, engine: Engine) -> anyhow::Result<Self> {
        // One event is as good as many: each means "look again".
        let (tell, events) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |_| _ = tell.try_send(()))
            .context("cannot watch files for changes")?;
        let mut reloader = Self {
            path,
            control,
            engine,
            seen: None,
            events,
            watcher,
            watched: Vec::new(),
            files: Vec::new(),
        };
        reloader.watch();
        reloader.seen = Some(reloader.fingerprint());
        Ok(reloader)
    }

    /// Reloads until told to stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(error) => return tracing::error!(%error, "cannot wait for SIGHUP: no reloads"),
        };
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = hangup.recv() => {
                    tracing::info!("SIGHUP: reloading");
                    // Also where only something that the files name has changed, such as a certificate.
                    self.seen = None;
                }
                _ = self.events.recv() => {
                    tokio::time::sleep(SETTLE_TIME).await;
                    while self.events.try_recv().is_ok() {}
                }
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
            self = match tokio::task::spawn_blocking(move || {
                self.look();
                self
            })
            .await
            {
                Ok(reloader) => reloader,
                Err(error) => return tracing::error!(%error, "a reload panicked: no more reloads"),
            };
        }
    }

    /// Reloads if anything changed.
    fn look(&mut self) {
        self.watch();
        let fingerprint = self.fingerprint();
        if self.seen == Some(fingerprint) {
            return;
        }
        self.seen = Some(fingerprint);
        if let Err(failure) = self.reload() {
            tracing::error!(%failure, generation = self.control.generation().id().0, "reload refused, nothing changed");
        }
    }

    fn reload(&mut self) -> Result<(), Failure> {
        let Loaded { config, plugins } = load::again(&self.path, &self.engine)?;
        let active = self.control.generation();
        let issuers = &config.directory.issuers;
        let verifier = active.verifier().reloaded(issuers).context("an issuer cannot be used")?;
        let id = GenerationId(active.id().0 + 1);
        let generation = generation(id, &config, &plugins, verifier)?;
        self.control.activate(generation);
        Ok(())
    }

    /// Watches the folders of all files that count, not the files: a file that is replaced is another file.
    fn watch(&mut self) {
        self.files = vec![self.path.clone()];
        if let Ok(config) = load::config(&self.path) {
            self.files.extend(config.plugins.into_iter().map(|plugin| plugin.file));
        }
        for folder in self.files.iter().filter_map(|file| file.parent()) {
            let folder = if folder.as_os_str().is_empty() { ".".into() } else { folder.to_owned() };
            if self.watched.contains(&folder) {
                continue;
            }
            match self.watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => self.watched.push(folder),
                Err(error) => tracing::warn!(folder = %folder.display(), %error, "not watched, polled only"),
            }
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut hash = Sha256::new();
        for file in &self.files {
            let content = std::fs::read(file).unwrap_or_default();
            hash.update((content.len() as u64).to_be_bytes());
            hash.update(content);
        }
        hash.finalize().into()
    }
}

/// What a configuration and its plugins come to.
pub(crate) fn generation(
    id: GenerationId,
    config: &Config,
    plugins: &Plugins,
    verifier: TokenVerifier,
) -> anyhow::Result<Generation> {
    let parts = GenerationParts {
        verifier,
        upstreams: config.directory.upstreams.clone(),
        roles: config.roles.clone(),
        plugins: plugins.by_name.iter().map(|(name, plugin)| (name.clone(), Arc::clone(plugin))).collect(),
    };
    Ok(Generation::new(id, parts)?)
}
