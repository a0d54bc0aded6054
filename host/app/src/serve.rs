//! `grille serve`: puts the parts together, in the order in which each needs the one before. Everything is loaded and
//! checked before a port is bound.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use grille_admin::{AdminServer, ControlServer, Readiness};
use grille_proxy::identity::KeyStatus;
use grille_proxy::upstream::load_token_key;
use grille_proxy::{Control, Generation, Proxy, ProxyParts, STACK_BYTES, Tokenizer, declare_large_stack};
use grille_store::{AuditLog, RevisionStore};
use prometheus_client::registry::Registry;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::commands::Commands;
use crate::config::Config;
use crate::failure::Failure;
use crate::load::{self, Ready};
use crate::logging;
use crate::reload::Reloader;
use crate::rollout::{self, Rollout};

/// Longest time that a stop waits for each task that reads files or compiles, once the sessions have ended: what hangs in a
/// file system would keep the process for ever.
const STOP_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest time that threads have to end after that. The audit log writes what it still has well within it.
const THREADS_STOP_TIME_MAX: Duration = Duration::from_secs(1);

/// Runs the proxy until it is told to stop, and has drained.
pub(crate) fn run(ready: Ready, path: &Path) -> Result<(), Failure> {
    logging::start(&ready.config.log)?;
    for warning in load::warnings(&ready.config).lines() {
        tracing::warn!("{warning}");
    }
    let mut registry = Registry::default();
    let Ready { config, engine, state_directory } = ready;
    let store = RevisionStore::open(&state_directory).map_err(anyhow::Error::from)?;
    let files = rollout::fetch_all(&config);
    let (rollout, generation) = Rollout::start(config, engine, store, &files, &mut registry)?;
    // They are as large as all components together.
    drop(files);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Statements are parsed on the workers.
        .thread_stack_size(STACK_BYTES)
        .on_thread_start(declare_large_stack)
        .build()
        .context("cannot start the runtime")?;
    let serving = Serving { rollout: Arc::new(rollout), generation, registry, path: path.to_owned() };
    let served = runtime.block_on(async { tokio::spawn(serving.run()).await });
    runtime.shutdown_timeout(THREADS_STOP_TIME_MAX);
    Ok(served.context("the proxy panicked")??)
}

/// All that is loaded before a port is bound.
struct Serving {
    rollout: Arc<Rollout>,
    generation: Generation,
    registry: Registry,
    path: PathBuf,
}

impl Serving {
    async fn run(self) -> anyhow::Result<()> {
        let Self { rollout, generation, mut registry, path } = self;
        let config = rollout.config();
        let tokens = tokenizer(&config)?;
        let audit = Arc::new(AuditLog::open(config.audit.clone()).context("cannot open the audit log")?);
        let parts =
            ProxyParts { settings: config.proxy.clone(), generation, audit: Arc::clone(&audit), tokens };
        let proxy = Box::pin(Proxy::bind(parts, &mut registry)).await?;
        let control = proxy.control();
        rollout.attach(control.clone(), Arc::clone(&audit));
        let state = Arc::new(State { audit, control: control.clone(), draining: AtomicBool::new(false) });

        let (stop, stop_admin) = (CancellationToken::new(), CancellationToken::new());
        let admin = match config.admin.address {
            Some(address) => {
                let server = AdminServer::bind(address, Arc::new(registry), state.readiness()).await?;
                tracing::info!(address = %server.local_address(), "admin listener open");
                Some(tokio::spawn(server.run(stop_admin.clone())))
            }
            None => None,
        };
        let commands = take_commands(&config, &control, &rollout, &stop_admin)?;
        for address in proxy.addresses() {
            tracing::info!(%address, "listening");
        }
        tracing::info!(plugins = config.plugins.len(), roles = config.roles.len(), "configuration loaded");
        let keeper = tokio::spawn(keep_keys_fresh(control));
        let watching = tokio::spawn(rollout::watch(Arc::clone(&rollout), stop.clone()));
        let reloading = tokio::spawn(Reloader::new(path, rollout)?.run(stop.clone()));
        let serving = tokio::spawn(proxy.run(stop.clone()));

        told_to_stop().await?;
        state.draining.store(true, Ordering::Relaxed);
        stop.cancel();
        serving.await.context("the data plane failed")?;
        ended("reloading", reloading).await?;
        ended("watching plugins", watching).await?;
        keeper.abort();
        stop_admin.cancel();
        if let Some(admin) = admin {
            admin.await.context("the admin listener failed")?;
        }
        if let Some(commands) = commands {
            ended("the control socket", commands).await?;
        }
        Ok(())
    }
}

/// Waits for a task that was told to end, for as long as one may wait.
async fn ended(what: &str, task: JoinHandle<()>) -> anyhow::Result<()> {
    match tokio::time::timeout(STOP_TIME_MAX, task).await {
        Ok(ended) => ended.with_context(|| format!("{what} failed")),
        Err(_) => {
            tracing::error!(what, "does not end, and is left behind");
            Ok(())
        }
    }
}

/// Opens the control socket, if there shall be one.
fn take_commands(
    config: &Config,
    control: &Control,
    rollout: &Arc<Rollout>,
    stop: &CancellationToken,
) -> anyhow::Result<Option<JoinHandle<()>>> {
    let Some(path) = &config.admin.control_socket else { return Ok(None) };
    let commands = Commands::new(control.clone(), Arc::clone(rollout));
    let server = ControlServer::bind(path, commands.handler())?;
    tracing::info!(path = %path.display(), "control socket open");
    Ok(Some(tokio::spawn(server.run(stop.clone()))))
}

/// Without a key no treatment makes tokens (`config` sees to that), so one drawn now serves: it is needed only where a
/// value too short to keep its end is made a token instead.
pub(crate) fn tokenizer(config: &Config) -> anyhow::Result<Tokenizer> {
    match &config.proxy.token_key {
        Some(source) => {
            let key = load_token_key(source).context("the token key cannot be read")?;
            Ok(Tokenizer::new(&key)?)
        }
        None => {
            let mut key = [0; 32];
            std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut key)
                .context("the system gives no random bytes")?;
            Ok(Tokenizer::new(&key)?)
        }
    }
}

/// Each generation's verifier keeps the keys of the issuers it shares with the one before.
async fn keep_keys_fresh(control: Control) {
    let mut ticks = tokio::time::interval(Duration::from_secs(5));
    loop {
        ticks.tick().await;
        control.generation().verifier().refresh_ahead(SystemTime::now()).await;
    }
}

/// What readiness depends on.
struct State {
    audit: Arc<AuditLog>,
    control: Control,
    draining: AtomicBool,
}

impl State {
    fn readiness(self: &Arc<Self>) -> Arc<Readiness> {
        let state = Arc::clone(self);
        Arc::new(move || state.reasons())
    }

    /// Why it is not ready; nothing when it is.
    fn reasons(&self) -> Vec<String> {
        let standing = [
            (self.draining.load(Ordering::Relaxed), "shutting down"),
            (!self.audit.status().writable, "the audit log cannot be written"),
        ];
        let own = standing.into_iter().filter(|(stands, _)| *stands).map(|(_, reason)| reason.to_owned());
        let issuers = self.control.generation().verifier().issuer_status(SystemTime::now());
        let keyless = issuers
            .into_iter()
            .filter(|issuer| issuer.keys == KeyStatus::Unavailable)
            .map(|issuer| format!("no keys of issuer {}", issuer.issuer));
        own.chain(keyless).collect()
    }
}

/// SIGTERM, as service managers send it, or SIGINT, as a terminal does.
async fn told_to_stop() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
        _ = interrupt.recv() => tracing::info!("SIGINT: draining"),
    }
    Ok(())
}
