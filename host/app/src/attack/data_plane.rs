//! The data plane in front of the twins: the operator's configuration with listener, issuer, upstreams, audit directory and
//! roles replaced, in this process.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use grille_attack::{Scratch, Twin};
use grille_core::{GenerationId, Role, UpstreamName};
use grille_proxy::identity::TokenVerifier;
use grille_proxy::settings::{
    ClientAuthentication, ListenerSettings, ProxySettings, SecretSource, UpstreamSettings,
};
use grille_proxy::{Generation, GenerationParts, Proxy, ProxyParts, Slot};
use grille_store::{AuditLog, AuditSettings};
use prometheus_client::registry::Registry;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::issuer::Issuer;
use super::server::Server;
use crate::load::Loaded;
use crate::serve::tokenizer;

/// A session, one beside it, and those that are just being closed.
const CONNECTIONS_MIN: usize = 32;

/// Where the twins are.
pub(super) struct Upstreams<'u> {
    pub(super) scratch: &'u Scratch,
    pub(super) server: &'u Server,
    /// Of the login role.
    pub(super) password: &'u SecretSource,
}

/// The running data plane.
pub(super) struct DataPlane {
    address: SocketAddr,
    issuer: Issuer,
    serving: JoinHandle<()>,
    stop: CancellationToken,
}

impl Drop for DataPlane {
    fn drop(&mut self) {
        self.stop.cancel();
        self.serving.abort();
    }
}

impl DataPlane {
    /// Starts it on a free port of loopback; audit records go into `folder`.
    pub(super) async fn start(
        loaded: &Loaded,
        role: &Role,
        upstreams: &Upstreams<'_>,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let config = &loaded.config;
        let issuer = Issuer::start().await?;
        let generation = generation(loaded, role, upstreams, &issuer)?;
        let audit = AuditSettings { directory: folder.join("audit"), ..config.audit.clone() };
        let audit = Arc::new(AuditLog::open(audit).context("cannot open an audit log")?);
        let settings = ProxySettings {
            listeners: vec![listener()],
            connections_max: config.proxy.connections_max.max(CONNECTIONS_MIN),
            ..config.proxy.clone()
        };
        let parts = ProxyParts { settings, generation, audit, tokens: tokenizer(config)? };
        let proxy = Box::pin(Proxy::bind(parts, &mut Registry::default())).await?;
        let address = proxy.addresses().first().copied().context("the listener has no address")?;
        let stop = CancellationToken::new();
        let serving = tokio::spawn(proxy.run(stop.clone()));
        Ok(Self { address, issuer, serving, stop })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A token of somebody who has the role.
    pub(super) fn token(&self, role: &Role) -> anyhow::Result<String> {
        self.issuer.token(role.groups.first().context("the role has no groups")?)
    }

    /// Stops it and waits for its end.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        (&mut self.serving).await.context("the data plane failed")
    }
}

fn generation(
    loaded: &Loaded,
    role: &Role,
    upstreams: &Upstreams<'_>,
    issuer: &Issuer,
) -> anyhow::Result<Generation> {
    let verifier = TokenVerifier::new(&[Arc::new(issuer.settings())]).context("the issuer cannot be used")?;
    let twins: Vec<Arc<UpstreamSettings>> =
        [Twin::A, Twin::B].into_iter().map(|twin| Arc::new(upstreams.twin(twin))).collect();
    let names: Vec<UpstreamName> = twins.iter().map(|twin| twin.name.clone()).collect();
    let plugins =
        loaded.plugins.by_name.iter().map(|(name, plugin)| (name.clone(), Slot::of(Arc::clone(plugin))));
    let parts = GenerationParts {
        verifier,
        upstreams: twins,
        roles: vec![Role { upstreams: names, ..role.clone() }],
        plugins: plugins.collect(),
    };
    Ok(Generation::new(GenerationId(1), parts)?)
}

impl Upstreams<'_> {
    fn twin(&self, twin: Twin) -> UpstreamSettings {
        let database = self.scratch.database(twin);
        self.server.upstream(&database, self.scratch.login(), Some(self.password.clone()))
    }
}

fn listener() -> ListenerSettings {
    ListenerSettings {
        name: "attack".to_owned(),
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        tls: None,
        plaintext: true,
        authentication: ClientAuthentication::Password,
    }
}
