//! What all sessions share.

use std::sync::Arc;

use arc_swap::ArcSwap;
use grille_store::AuditLog;
use grille_wire::postgres::value::Tokenizer;
use tokio_util::sync::CancellationToken;

use crate::cancel::CancelRegistry;
use crate::generation::Generation;
use crate::live::LiveSessions;
use crate::metrics::Metrics;
use crate::observation::Observer;
use crate::retired::Retired;
use crate::settings::ProxySettings;

/// What all sessions share.
pub(crate) struct Shared {
    pub(crate) settings: ProxySettings,
    pub(crate) generation: ArcSwap<Generation>,
    pub(crate) retired: Arc<Retired>,
    pub(crate) audit: Arc<AuditLog>,
    pub(crate) metrics: Metrics,
    pub(crate) observer: Observer,
    pub(crate) cancels: Arc<CancelRegistry>,
    pub(crate) live: Arc<LiveSessions>,
    pub(crate) tokens: Tokenizer,
    /// Sessions end as soon as they are at rest.
    pub(crate) drain: CancellationToken,
}
