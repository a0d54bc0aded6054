//! What a client may be told. Everything else stays in the log.

use crate::CorrelationId;

/// The only text that reaches a client from Grille: what was refused, why, and what to do next. Never a host name, a
/// credential, a value from a result, or a plugin's trap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientMessage {
    /// The condition, in SQL's vocabulary; other protocols map it.
    pub state: SqlState,
    /// One sentence: what was refused and why.
    pub message: String,
    /// More about it.
    pub detail: Option<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// Where in the statement, in characters from 1.
    pub position: Option<usize>,
    /// What to quote to an operator.
    pub correlation: Option<CorrelationId>,
}

impl ClientMessage {
    /// A message without detail, hint, position and correlation id.
    pub fn new(state: SqlState, message: impl Into<String>) -> Self {
        Self { state, message: message.into(), detail: None, hint: None, position: None, correlation: None }
    }

    /// Adds more about it.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds where in the statement it is, in characters from 1.
    #[must_use]
    pub fn at(mut self, position: Option<usize>) -> Self {
        self.position = position;
        self
    }

    /// Adds what to quote to an operator.
    #[must_use]
    pub fn correlated(mut self, id: CorrelationId) -> Self {
        self.correlation = Some(id);
        self
    }
}

/// The conditions Grille raises itself. Codes: PostgreSQL manual, appendix A.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlState {
    /// 08P01: the peer broke the protocol.
    ProtocolViolation,
    /// 08006: the connection to the upstream was lost.
    ConnectionFailure,
    /// 08001: the upstream could not be reached.
    UnableToConnect,
    /// 0A000: not supported.
    FeatureNotSupported,
    /// 22023: the statement has a value that the grammar does not take.
    InvalidParameterValue,
    /// 22025: the statement has an escape that means nothing.
    InvalidEscapeSequence,
    /// 28000: not authorised to connect.
    InvalidAuthorization,
    /// 28P01: the token was refused.
    InvalidPassword,
    /// 3D000: no such upstream.
    InvalidCatalogName,
    /// 22021: bytes that are not in the session's encoding.
    CharacterNotInRepertoire,
    /// 42501: policy forbids it.
    InsufficientPrivilege,
    /// 42601: the statement does not parse.
    SyntaxError,
    /// 42710: the statement has something twice.
    DuplicateObject,
    /// 42939: the statement gives a name that is reserved.
    ReservedName,
    /// 42P20: the statement's window frame makes no sense.
    WindowingError,
    /// 26000: no such prepared statement.
    InvalidStatementName,
    /// 34000: no such portal.
    InvalidCursorName,
    /// 53300: too many connections.
    TooManyConnections,
    /// 54000: a limit of Grille's was reached.
    ProgramLimitExceeded,
    /// 55P03: something that others use is not to be had now; the same may succeed later.
    LockNotAvailable,
    /// 57P01: Grille is shutting down.
    AdminShutdown,
    /// 57014: canceled.
    QueryCanceled,
    /// 58000: Grille could not do its part (audit log, plugin), so nothing was let through.
    SystemError,
}

impl SqlState {
    /// The five characters sent to the client.
    pub fn code(self) -> &'static str {
        match self {
            Self::ProtocolViolation => "08P01",
            Self::ConnectionFailure => "08006",
            Self::UnableToConnect => "08001",
            Self::FeatureNotSupported => "0A000",
            Self::InvalidParameterValue => "22023",
            Self::InvalidEscapeSequence => "22025",
            Self::InvalidAuthorization => "28000",
            Self::InvalidPassword => "28P01",
            Self::InvalidCatalogName => "3D000",
            Self::CharacterNotInRepertoire => "22021",
            Self::InsufficientPrivilege => "42501",
            Self::SyntaxError => "42601",
            Self::DuplicateObject => "42710",
            Self::ReservedName => "42939",
            Self::WindowingError => "42P20",
            Self::InvalidStatementName => "26000",
            Self::InvalidCursorName => "34000",
            Self::TooManyConnections => "53300",
            Self::ProgramLimitExceeded => "54000",
            Self::LockNotAvailable => "55P03",
            Self::AdminShutdown => "57P01",
            Self::QueryCanceled => "57014",
            Self::SystemError => "58000",
        }
    }
}

/// Whose fault an error is: a closed set, used as metric label and to decide how loudly to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The client's: bad token, protocol violation, forbidden statement.
    Client,
    /// The upstream's: unreachable, broke the protocol, closed.
    Upstream,
    /// A plugin's: trap, deadline, bad output.
    Plugin,
    /// The operator's: configuration.
    Operator,
    /// Ours: disk, limits, bugs.
    Grille,
}

impl Fault {
    /// The word used in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Plugin => "plugin",
            Self::Operator => "operator",
            Self::Grille => "grille",
        }
    }
}
