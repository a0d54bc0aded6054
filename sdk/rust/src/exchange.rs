//! What a plugin is told of the exchange it works for: the records of WIT's `types` interface.

/// One pair of an open vocabulary. Ignore keys you do not know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attribute {
    /// What it is.
    pub key: String,
    /// Its value.
    pub value: String,
}

impl Attribute {
    /// The pair.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

/// One client request with its response: the unit of judgement and isolation. A plugin instance sees one exchange and is
/// then thrown away, so nothing a plugin remembers reaches another client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// Unique within one Grille process; the audit record carries it.
    pub id: u64,
    /// `postgres`; later `mysql`, `http`.
    pub protocol: String,
    /// The verified token's subject.
    pub principal: String,
    /// `human`, `workload` or `agent`.
    pub principal_kind: String,
    /// The verified token's groups.
    pub groups: Vec<String>,
    /// The role under which the client works.
    pub role: String,
    /// The backend's name in the configuration.
    pub upstream: String,
    /// The upstream's database or HTTP authority.
    pub target: String,
    /// What the client says of itself (application name, user agent). Not verified.
    pub client: String,
    /// Everything else.
    pub attributes: Vec<Attribute>,
}

/// A column of a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// The label the client sees; an alias can change it.
    pub name: String,
    /// `schema.table.column` where the host knows it, else empty; an alias cannot change it.
    pub origin: String,
    /// `text`, `integer`, `numeric`, `uuid`, `date`, `timestamp`, `json`, `bytes`, …; empty when not known.
    pub kind: String,
}
