//! `grille serve`: puts the parts together, in the order in which each needs the one before. Everything is loaded and
//! checked before a port is bound.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use anyhow::Context;
use grille_admin::{
    AdminServer, Answering, ControlAnswer, ControlHandler, ControlRequest, ControlServer, OpenSession, Peer,
    Readiness,
};
use grille_core::GenerationId;
use grille_proxy::identity::{KeyStatus, TokenVerifier};
use grille_proxy::upstream::load_token_key;
use grille_proxy::{
    Control, KillOrder, LiveSession, Proxy, ProxyParts, STACK_BYTES, Tokenizer, declare_large_stack,
};
use grille_store::AuditLog;
use prometheus_client::registry::Registry;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::load::Loaded;
use crate::logging;
use crate::reload::{Reloader, generation};

/// Runs the proxy until it is told to stop, and has drained.
pub(crate) fn run(loaded: Loaded, path: &Path) -> anyhow::Result<()> {
    logging::start(&loaded.config.log)?;
    for warning in loaded.warnings().lines() {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Statements are parsed on the workers.
        .thread_stack_size(STACK_BYTES)
        .on_thread_start(declare_large_stack)
        .build()
        .context("cannot start the runtime")?;
    let served = runtime.block_on(async { tokio::spawn(serve(loaded, path.to_owned())).await });
    served.context("the proxy panicked")?
}

async fn serve(loaded: Loaded, path: std::path::PathBuf) -> anyhow::Result<()> {
    let Loaded { config, plugins } = loaded;
    let tokens = tokenizer(&config)?;
    let verifier = TokenVerifier::new(&config.directory.issuers).context("an issuer cannot be used")?;
    let generation = generation(GenerationId(1), &config, &plugins, verifier)?;
    let audit = Arc::new(AuditLog::open(config.audit.clone()).context("cannot open the audit log")?);
    let mut registry = Registry::default();
    let parts = ProxyParts { settings: config.proxy.clone(), generation, audit: Arc::clone(&audit), tokens };
    let proxy = Box::pin(Proxy::bind(parts, &mut registry)).await?;
    let control = proxy.control();
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
    let commands = take_commands(&config, &control, &stop_admin)?;
    for address in proxy.addresses() {
        tracing::info!(%address, "listening");
    }
    tracing::info!(plugins = plugins.by_name.len(), roles = config.roles.len(), "configuration loaded");
    let keeper = tokio::spawn(keep_keys_fresh(control.clone()));
    let reloader = Reloader::new(path, control, plugins.engine)?;
    let reloading = tokio::spawn(reloader.run(stop.clone()));
    let serving = tokio::spawn(proxy.run(stop.clone()));

    told_to_stop().await?;
    state.draining.store(true, Ordering::Relaxed);
    stop.cancel();
    serving.await.context("the data plane failed")?;
    reloading.await.context("reloading failed")?;
    keeper.abort();
    stop_admin.cancel();
    if let Some(admin) = admin {
        admin.await.context("the admin listener failed")?;
    }
    if let Some(commands) = commands {
        commands.await.context("the control socket failed")?;
    }
    Ok(())
}

/// Opens the control socket, if there shall be one.
fn take_commands(
    config: &Config,
    control: &Control,
    stop: &CancellationToken,
) -> anyhow::Result<Option<JoinHandle<()>>> {
    let Some(path) = &config.admin.control_socket else { return Ok(None) };
    let server = ControlServer::bind(path, handler(control.clone()))?;
    tracing::info!(path = %path.display(), "control socket open");
    Ok(Some(tokio::spawn(server.run(stop.clone()))))
}

fn handler(control: Control) -> Arc<ControlHandler> {
    Arc::new(move |request, peer| -> Answering {
        let control = control.clone();
        Box::pin(async move { carry_out(&control, request, peer).await })
    })
}

async fn carry_out(control: &Control, request: ControlRequest, peer: Peer) -> ControlAnswer {
    let refused = |why: &dyn std::error::Error| ControlAnswer::Refused { message: why.to_string() };
    match request {
        ControlRequest::List => {
            let open =
                |live: LiveSession| OpenSession { age_s: live.age.as_secs(), opened: (*live.opened).clone() };
            ControlAnswer::Sessions { sessions: control.live_sessions().into_iter().map(open).collect() }
        }
        ControlRequest::Kill { session, reason } => {
            let order = match KillOrder::new(format!("user id {}", peer.uid), reason) {
                Ok(order) => order,
                Err(error) => return refused(&error),
            };
            match control.kill(&session, order).await {
                Ok(session) => ControlAnswer::Killed { session },
                Err(error) => refused(&error),
            }
        }
    }
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
    let mut ticks = tokio::time::interval(std::time::Duration::from_secs(5));
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
