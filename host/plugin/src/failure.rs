//! What can go wrong in a plugin while it serves an exchange. Whoever receives one fails closed: policy → deny,
//! detector → its fields are sensitive, masker → the whole value is replaced.

use grille_core::{ClientMessage, Fault, PluginId, SqlState};

use crate::World;
use crate::untrusted::{self, BadOutput};

/// A plugin could not do its work. The instance it happened in is gone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plugin {plugin}: {event}")]
pub struct PluginFailure {
    /// Which plugin, as the configuration calls it.
    pub plugin: PluginId,
    /// What happened.
    pub event: FailureEvent,
}

impl PluginFailure {
    /// What the client is told: which plugin failed, never how.
    pub fn client_message(&self) -> ClientMessage {
        let message = format!("plugin {} failed, so nothing was let through", self.plugin);
        ClientMessage::new(SqlState::SystemError, message).hint("Give your operator the correlation id.")
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match &self.event {
            FailureEvent::Trap(_)
            | FailureEvent::Deadline
            | FailureEvent::Memory
            | FailureEvent::BadOutput(_)
            | FailureEvent::Refused(_)
            | FailureEvent::Instantiate(_) => Fault::Plugin,
            FailureEvent::Exhausted => Fault::Grille,
            FailureEvent::WrongWorld { .. } => Fault::Operator,
        }
    }
}

/// What happened in a plugin. Texts of the plugin's own are bounded and hold no control characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FailureEvent {
    /// It trapped; the text is Wasmtime's name for the trap.
    #[error("trapped: {0}")]
    Trap(String),
    /// It took longer than a call may.
    #[error("exceeded its deadline")]
    Deadline,
    /// It asked for more memory than an instance may have.
    #[error("exceeded its memory limit")]
    Memory,
    /// It returned what it must not.
    #[error("returned bad output: {0}")]
    BadOutput(#[from] BadOutput),
    /// It said itself that it cannot do its work.
    #[error("refused: {0}")]
    Refused(String),
    /// No instance of it could be made; the text is Wasmtime's.
    #[error("could not be instantiated: {0}")]
    Instantiate(String),
    /// As many instances as may be alive at once already are.
    #[error("no instance is free")]
    Exhausted,
    /// It was asked for what its world does not have. Configuration must not bind it there.
    #[error("is a {is}, not a {wanted}")]
    WrongWorld {
        /// What it is.
        is: World,
        /// What was asked for.
        wanted: World,
    },
}

impl FailureEvent {
    /// What happened, for logs and status. A plugin that saw cells must not be able to tell of them in the words of its
    /// refusal, nor by which of its findings was wrong.
    pub fn in_our_words(&self) -> String {
        match self {
            Self::Refused(_) => "refused, in words of its own".to_owned(),
            Self::BadOutput(_) => "returned bad output".to_owned(),
            Self::Trap(_)
            | Self::Deadline
            | Self::Memory
            | Self::Instantiate(_)
            | Self::Exhausted
            | Self::WrongWorld { .. } => self.to_string(),
        }
    }

    /// One word, as metric label.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Trap(_) => "trap",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::BadOutput(_) => "bad-output",
            Self::Refused(_) => "refused",
            Self::Instantiate(_) => "instantiate",
            Self::Exhausted => "exhausted",
            Self::WrongWorld { .. } => "wrong-world",
        }
    }

    /// What an error of a call means.
    pub(crate) fn of_call(error: &wasmtime::Error) -> Self {
        if error.is::<MemoryLimit>() {
            return Self::Memory;
        }
        if let Some(forbidden) = error.downcast_ref::<ForbiddenCall>() {
            return Self::Trap(forbidden.to_string());
        }
        match error.downcast_ref::<wasmtime::Trap>() {
            Some(wasmtime::Trap::Interrupt) => Self::Deadline,
            Some(trap) => Self::Trap(trap.to_string()),
            // Not a trap of the guest's code, so its result (or its answer to an allocation) could not be lifted.
            None => Self::BadOutput(BadOutput::Malformed(host_text(error))),
        }
    }

    /// What an error while making an instance means. A start function may trap or spin as any other call.
    pub(crate) fn of_instantiation(error: &wasmtime::Error) -> Self {
        if error.is::<wasmtime::PoolConcurrencyLimitError>() {
            return Self::Exhausted;
        }
        match Self::of_call(error) {
            Self::BadOutput(_) => Self::Instantiate(host_text(error)),
            event => event,
        }
    }
}

/// Wasmtime's own words may quote names out of the component.
pub(crate) fn host_text(error: &wasmtime::Error) -> String {
    untrusted::clean_text(&format!("{error:#}"), ERROR_TEXT_BYTES_MAX)
}

/// Longest text of Wasmtime that is kept, in bytes.
const ERROR_TEXT_BYTES_MAX: usize = 300;

/// Ends a call that asks for more memory than it may have: to refuse quietly would let it limp on.
#[derive(Debug, thiserror::Error)]
#[error("memory limit")]
pub(crate) struct MemoryLimit;

/// Ends a call that uses a capability where it must not: what `configure` leaves behind is what every exchange begins with.
#[derive(Debug, thiserror::Error)]
#[error("used a capability before it served an exchange; `configure` may only log")]
pub(crate) struct ForbiddenCall;
