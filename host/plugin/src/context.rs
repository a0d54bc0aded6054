//! What a plugin is told about the exchange it serves.

use std::sync::Arc;

use grille_core::{Principal, RoleName, UpstreamName};

/// What stays the same for all exchanges of a session.
#[derive(Clone, Debug)]
pub struct SessionContext {
    /// `postgres`.
    pub protocol: &'static str,
    /// Who is asking.
    pub principal: Principal,
    /// The role chosen.
    pub role: RoleName,
    /// The upstream chosen.
    pub upstream: UpstreamName,
    /// The upstream's database.
    pub target: String,
    /// What the client calls itself; not verified.
    pub client: String,
}

/// One exchange, as plugins see it. Cheap to make and to clone.
#[derive(Clone, Debug)]
pub struct ExchangeContext {
    pub(crate) id: u64,
    pub(crate) session: Arc<SessionContext>,
}

impl ExchangeContext {
    /// The exchange `id` (unique within the process) of a session.
    pub fn new(id: u64, session: &Arc<SessionContext>) -> Self {
        Self { id, session: Arc::clone(session) }
    }
}

/// A column of a result, as plugins see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldInfo {
    /// The label the client sees; an alias can change it.
    pub name: String,
    /// `schema.table.column` where it is known, else empty; an alias cannot change it.
    pub origin: String,
    /// `text`, `integer`, `numeric`, `uuid`, `json`, …; empty when not known.
    pub kind: String,
}
