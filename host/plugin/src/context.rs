//! What a plugin is told about the exchange it serves.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

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
    pub(crate) clock: Clock,
}

/// What time it is for a plugin that may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// The machine's time.
    Running,
    /// Always the same, in milliseconds since the Unix epoch: vectors must answer alike whenever they are run.
    Standing(u64),
}

impl Clock {
    /// Milliseconds since the Unix epoch.
    pub(crate) fn now_ms(self) -> u64 {
        match self {
            Self::Running => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
            }
            Self::Standing(ms) => ms,
        }
    }
}

impl ExchangeContext {
    /// The exchange `id` (unique within the process) of a session.
    pub fn new(id: u64, session: &Arc<SessionContext>) -> Self {
        Self { id, session: Arc::clone(session), clock: Clock::Running }
    }

    /// The same at another time than now, in milliseconds since the Unix epoch.
    pub(crate) fn at(self, unix_ms: u64) -> Self {
        Self { clock: Clock::Standing(unix_ms), ..self }
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
