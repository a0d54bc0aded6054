//! The data plane as a whole: what sessions share, the listeners, and the way a connection becomes a session.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::BytesMut;
use grille_core::audit::{Event, SessionRefused};
use grille_core::observation::DifferenceReport;
use grille_core::recording::RecordingStatus;
use grille_core::{ClientMessage, Fault, PluginId, SessionId, SqlState};
use grille_store::AuditLog;
use grille_wire::postgres::value::Tokenizer;
use grille_wire::postgres::{
    put_authentication_ok, put_backend_key, put_parameter_status, put_ready_for_query,
};
use prometheus_client::registry::Registry;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::cancel::random;
use crate::catalog::{Catalog, CatalogError};
use crate::exposition::GenerationCollector;
use crate::generation::{ArmedRole, Generation, RoleChoice};
use crate::handshake::{Arrived, Client, Offer, TurnedAway, receive, turn_away};
use crate::identity::TokenExpiry;
use crate::lineage::{PathSource, SearchPath};
use crate::live::{KillError, KillOrder, LiveSession, Place};
use crate::metrics::Metrics;
use crate::observation::{Observer, RecordingError, RecordingOrder};
use crate::retired::keep_sweeping;
use crate::session::{Parts, Session};
use crate::settings::{ListenerSettings, ProxySettings};
use crate::shared::Shared;
use crate::tls::{TlsError, server_config};
use crate::upstream::UpstreamConnection;

/// The data plane, bound to its addresses.
pub struct Proxy {
    shared: Arc<Shared>,
    listeners: Vec<(Listener, TcpListener)>,
    connections: Arc<Semaphore>,
    tasks: TaskTracker,
}

struct Listener {
    name: String,
    offer: Offer,
}

/// What the data plane is made of.
pub struct ProxyParts {
    /// What needs a restart to change.
    pub settings: ProxySettings,
    /// The first generation.
    pub generation: Generation,
    /// Where records go.
    pub audit: Arc<AuditLog>,
    /// Makes keyed tokens.
    pub tokens: Tokenizer,
}

/// The data plane cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// An address is taken or not ours.
    #[error("listener {listener} cannot listen on {address}")]
    Address {
        /// Its name.
        listener: String,
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Its certificate or key is unusable.
    #[error("listener {listener} has no usable certificate")]
    Tls {
        /// Its name.
        listener: String,
        /// Why.
        source: TlsError,
    },
}

/// A handle to the data plane while it runs: to swap generations, and to see and end sessions.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

impl Control {
    /// Makes `generation` the one that requests are judged in from now on. Exchanges under way end in theirs; sessions at rest
    /// are told of it, and end where it has no role for them. Takes generations apart that nobody uses any more, which blocks the
    /// thread for some milliseconds each.
    pub fn activate(&self, generation: Generation) {
        let id = generation.id();
        self.shared.observer.follow(&generation);
        let previous = self.shared.generation.swap(Arc::new(generation));
        self.shared.metrics.count_generation(id);
        info!(generation = id.0, "generation active");
        self.shared.retired.sweep();
        self.shared.retired.take(previous);
        self.shared.live.tell_all();
    }

    /// How many generations there are: the active one, and those of before in which something is still under way.
    pub fn generations_alive(&self) -> usize {
        1 + self.shared.retired.in_use()
    }

    /// The active generation.
    pub fn generation(&self) -> Arc<Generation> {
        self.shared.generation.load_full()
    }

    /// The open sessions, the oldest first.
    pub fn live_sessions(&self) -> Vec<LiveSession> {
        self.shared.live.list()
    }

    /// What the candidate in the shadow of a plugin has answered otherwise than the plugin, or the last one had; none where there
    /// was no candidate in the shadow since Grille started.
    pub fn differences(&self, plugin: &PluginId) -> Option<DifferenceReport> {
        self.shared.observer.differences(plugin)
    }

    /// Begins to record the inputs of a plugin. What is remembered of decisions is forgotten, so that every statement is judged,
    /// and recorded, once. Waits for the disk: not for an async worker.
    ///
    /// # Errors
    /// When the plugin cannot be recorded, or the disk does not take it.
    pub fn record(&self, order: &RecordingOrder) -> Result<RecordingStatus, RecordingError> {
        self.shared.observer.record(&self.shared.generation.load(), order)
    }

    /// Ends a recording, or says how it ended by itself. Waits for the disk: not for an async worker.
    ///
    /// # Errors
    /// When there is none and was none since Grille started.
    pub fn stop_recording(&self, plugin: &PluginId) -> Result<RecordingStatus, RecordingError> {
        self.shared.observer.stop_recording(plugin)
    }

    /// Ends the open session whose id begins with `prefix`, also in the middle of a statement, and waits until it has ended.
    /// Gives its whole id.
    ///
    /// Cancel safe: the session ends all the same.
    ///
    /// # Errors
    /// When not exactly one open session is meant, or it does not end.
    pub async fn kill(&self, prefix: &str, order: KillOrder) -> Result<String, KillError> {
        self.shared.live.kill(prefix, order).await
    }
}

impl Proxy {
    /// Binds all listeners. Reads certificates.
    ///
    /// # Errors
    /// When an address or a certificate cannot be used.
    pub async fn bind(parts: ProxyParts, registry: &mut Registry) -> Result<Self, BindError> {
        let mut listeners = Vec::new();
        for settings in &parts.settings.listeners {
            listeners.push(bind(settings).await?);
        }
        let connections = Arc::new(Semaphore::new(parts.settings.connections_max));
        let shared = Arc::new(Shared {
            settings: parts.settings,
            generation: ArcSwap::from_pointee(parts.generation),
            retired: Arc::default(),
            audit: parts.audit,
            metrics: Metrics::register(registry),
            observer: Observer::start(registry),
            cancels: Arc::default(),
            live: Arc::default(),
            tokens: parts.tokens,
            drain: CancellationToken::new(),
        });
        shared.metrics.count_generation(shared.generation.load().id());
        shared.observer.follow(&shared.generation.load());
        GenerationCollector::register(&shared, registry);
        Ok(Self { shared, listeners, connections, tasks: TaskTracker::new() })
    }

    /// A handle to it while it runs.
    pub fn control(&self) -> Control {
        Control { shared: Arc::clone(&self.shared) }
    }

    /// Where it listens, in the order of the settings.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|(_, listener)| listener.local_addr().ok()).collect()
    }

    /// Serves until `stop`, then lets sessions end what they are doing for at most the drain timeout.
    pub async fn run(self, stop: CancellationToken) {
        for (listener, socket) in self.listeners {
            let acceptor = Acceptor {
                shared: Arc::clone(&self.shared),
                listener,
                connections: Arc::clone(&self.connections),
                tasks: self.tasks.clone(),
            };
            self.tasks.spawn(acceptor.run(socket, stop.clone()));
        }
        let sweeping = keep_sweeping(Arc::clone(&self.shared.retired));
        tokio::select! {
            () = stop.cancelled() => {}
            () = sweeping => {}
        }
        info!("draining");
        self.shared.drain.cancel();
        self.tasks.close();
        let timeout = self.shared.settings.drain_timeout;
        if tokio::time::timeout(timeout, self.tasks.wait()).await.is_err() {
            warn!(sessions = self.shared.metrics.sessions.get(), "drain timeout: sessions are cut off");
        }
        let shared = Arc::clone(&self.shared);
        if let Err(error) = tokio::task::spawn_blocking(move || shared.observer.close()).await {
            error!(%error, "observation did not end as it should");
        }
    }
}

async fn bind(settings: &ListenerSettings) -> Result<(Listener, TcpListener), BindError> {
    let tls = match &settings.tls {
        None => None,
        Some(tls) => {
            let config = server_config(tls)
                .map_err(|source| BindError::Tls { listener: settings.name.clone(), source })?;
            Some(TlsAcceptor::from(config))
        }
    };
    let socket = TcpListener::bind(settings.address).await.map_err(|source| BindError::Address {
        listener: settings.name.clone(),
        address: settings.address,
        source,
    })?;
    let offer = Offer { tls, plaintext: settings.plaintext, authentication: settings.authentication.clone() };
    Ok((Listener { name: settings.name.clone(), offer }, socket))
}

struct Acceptor {
    shared: Arc<Shared>,
    listener: Listener,
    connections: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Acceptor {
    async fn run(self, socket: TcpListener, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((tcp, address)) => self.admit(tcp, address),
                Err(error) => {
                    // Out of descriptors, most likely: sessions that end free some.
                    error!(listener = self.listener.name, %error, "cannot accept");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn admit(&self, tcp: TcpStream, address: SocketAddr) {
        self.shared.metrics.connections.inc();
        let Ok(place) = Arc::clone(&self.connections).try_acquire_owned() else {
            self.shared.metrics.connection_refused(Fault::Operator);
            warn!(listener = self.listener.name, "connections_max reached, a client is turned away");
            return;
        };
        if let Err(error) = tcp.set_nodelay(true) {
            warn!(%error, "cannot set TCP_NODELAY");
        }
        let (shared, offer) = (Arc::clone(&self.shared), self.listener.offer.clone());
        self.tasks.spawn(connection(shared, offer, tcp, address, place));
    }
}

/// One connection from beginning to end. `_place` is its place among `connections_max`.
async fn connection(
    shared: Arc<Shared>,
    offer: Offer,
    tcp: TcpStream,
    address: SocketAddr,
    _place: OwnedSemaphorePermit,
) {
    let deadline = shared.settings.authentication_timeout;
    // Boxed, as all that is over before the session begins: its room would be in the task as long as the session lasts, and so
    // would the generation whose verifier it uses.
    let receiving = Box::pin(async {
        let generation = shared.generation.load_full();
        receive(tcp, address, &offer, generation.verifier()).await
    });
    let received = tokio::time::timeout(deadline, receiving).await;
    let away = match received {
        // Whoever takes longer is not told: most have gone, some are there to hold a place.
        Err(_) => return shared.metrics.connection_refused(Fault::Client),
        Ok(Ok(Arrived::Nobody)) => return,
        Ok(Ok(Arrived::Cancel { key, stream })) => {
            if let Some(target) = shared.cancels.find(&key)
                && let Err(error) = target.send().await
            {
                warn!(%error, "a cancel request did not reach the upstream");
            }
            return drop(stream);
        }
        Ok(Ok(Arrived::Client(client))) => match Box::pin(open(&shared, *client)).await {
            Ok(session) => return session.run().await,
            Err(away) => away,
        },
        Ok(Err(away)) => away,
    };
    shared.metrics.connection_refused(away.fault);
    info!(client = %address, state = away.message.state.code(), message = away.message.message, "client turned away");
    shared.audit.append_completion(Event::SessionRefused(SessionRefused {
        protocol: "postgres".into(),
        client: address.to_string(),
        state: away.message.state.code().into(),
        message: away.message.message,
        principal: away.principal.map(|principal| principal.subject.clone()),
    }));
}

/// Gives an authenticated client its role and its upstream connection.
async fn open(shared: &Arc<Shared>, mut client: Client) -> Result<Box<Session>, TurnedAway> {
    match prepare(shared, &client).await {
        Ok(Prepared {
            generation,
            role,
            upstream,
            id,
            greeting,
            registration,
            catalog,
            expiry,
            place,
            path,
        }) => {
            if client.stream.write_all(&greeting).await.is_err() || client.stream.flush().await.is_err() {
                let message = ClientMessage::new(SqlState::ConnectionFailure, "the client went away");
                return Err(TurnedAway { message, fault: Fault::Client, principal: Some(client.principal) });
            }
            let shared = Arc::clone(shared);
            Ok(Box::new(Session::new(Parts {
                id,
                shared,
                generation,
                role,
                client,
                upstream,
                registration,
                catalog,
                expiry,
                place,
                path,
            })))
        }
        Err((message, fault)) => {
            let away = turn_away(&mut client.stream, message).await;
            Err(TurnedAway { fault, principal: Some(client.principal), ..away })
        }
    }
}

struct Prepared {
    generation: Arc<Generation>,
    role: Arc<ArmedRole>,
    upstream: UpstreamConnection,
    id: SessionId,
    greeting: BytesMut,
    registration: crate::cancel::Registration,
    catalog: Arc<Catalog>,
    expiry: TokenExpiry,
    place: Place,
    path: SearchPath,
}

async fn prepare(shared: &Arc<Shared>, client: &Client) -> Result<Prepared, (ClientMessage, Fault)> {
    let generation = shared.generation.load_full();
    let role = match generation.role_for(&client.principal, &client.upstream) {
        RoleChoice::Role(role) => role,
        RoleChoice::None => {
            let message =
                ClientMessage::new(SqlState::InvalidAuthorization, "none of your groups has a role")
                    .hint("Ask an operator to give one of your groups a role.");
            return Err((message, Fault::Client));
        }
        RoleChoice::NotThere => {
            let name: String = client.upstream.as_str().chars().take(63).collect();
            let message = ClientMessage::new(
                SqlState::InvalidCatalogName,
                format!("there is no upstream \"{name}\" for your role"),
            )
            .hint("Give the upstream's name as the database name.");
            return Err((message, Fault::Client));
        }
    };
    let unusable = || {
        let message = ClientMessage::new(SqlState::SystemError, "the session could not be set up");
        (message, Fault::Grille)
    };
    let Some(upstream) = generation.upstream(&client.upstream) else { return Err(unusable()) };
    let Some(catalog) = generation.catalog(&client.upstream) else { return Err(unusable()) };
    let Some(expiry) = generation.verifier.expiry(&client.principal) else { return Err(unusable()) };
    let mut upstream = upstream.connect(&client.parameters).await.map_err(|failure| {
        warn!(upstream = %client.upstream, error = %failure, "cannot connect to the upstream");
        (failure.client_message(&client.upstream), failure.fault())
    })?;
    let path = search_path(client, &role, &catalog, &mut upstream).await.map_err(|failure| {
        warn!(upstream = %client.upstream, error = %failure, "a new connection does not tell its search path");
        unusable()
    })?;
    let id = SessionId::from_random(random().map_err(|_| unusable())?);
    let protocol = client.startup.agreed_protocol();
    let (key, registration) =
        shared.cancels.register(protocol, upstream.cancel.clone()).map_err(|_| unusable())?;
    let opened = Session::opened(id, client, &role);
    let _recorded = shared.audit.append(Event::SessionOpened(opened.clone())).await.map_err(|failure| {
        error!(error = %failure, "no audit record, so no session");
        (ClientMessage::new(SqlState::SystemError, "the audit trail cannot be written"), Fault::Grille)
    })?;
    let mut greeting = BytesMut::new();
    put_authentication_ok(&mut greeting);
    for (name, value) in &upstream.parameters {
        // The name under which Grille logs in is nobody's business.
        let shown = match name.as_str() {
            "session_authorization" => client.startup.parameter("user").unwrap_or_default(),
            _ => value,
        };
        put_parameter_status(&mut greeting, name, shown);
    }
    put_backend_key(&mut greeting, &key);
    put_ready_for_query(&mut greeting);
    let place = shared.live.enter(id, opened);
    Ok(Prepared { generation, role, upstream, id, greeting, registration, catalog, expiry, place, path })
}

/// Where the session's names are looked up. Roles under which nothing depends on it do without.
async fn search_path(
    client: &Client,
    role: &ArmedRole,
    catalog: &Catalog,
    upstream: &mut UpstreamConnection,
) -> Result<SearchPath, CatalogError> {
    let is_sent = client.parameters.iter().any(|(name, _)| name == "search_path");
    let source = if is_sent { PathSource::Startup } else { PathSource::Server };
    if !role.may_mask() {
        return Ok(SearchPath::new(None, source, catalog.user()));
    }
    let setting = catalog.search_path(upstream).await?;
    let path = SearchPath::new(Some(&setting), source, catalog.user());
    if catalog.latest().is_some_and(|latest| path.is_news_to(&latest)) {
        catalog.expire();
    }
    Ok(path)
}
