//! A session between one client and one upstream, from the first ReadyForQuery on.
//!
//! The caller feeds bytes from both sides, takes bytes for both sides, and answers for what must be judged:
//!
//! ```text
//!   client ──► feed_client ──► next_request ──► permit / clear / refuse ──► to_upstream ──► upstream
//!   client ◄── to_client ◄── pass / replace / stop ◄── next_response ◄── feed_upstream ◄── upstream
//! ```
//!
//! Answers can make a waiting request ready without the caller being told, so responses are taken before requests.
//!
//! A statement runs only in exchange for a [`Permit`]. A refused one is not answered here: in its place the upstream is
//! sent a statement that cannot parse, and the error that comes back is replaced by ours. So order, transaction state, and
//! what the server skips after an error are the server's own doing, and a refused step fails the transaction it is in.
//!
//! Architecture invariant: bytes from the client reach `to_upstream` only in `client.rs`, and there a Query, FunctionCall or
//! Execute only in [`Relay::permit`], a Parse or Bind only in [`Relay::clear`]; and in `copy.rs`, while a permitted COPY
//! waits for data, as data.

mod client;
mod copy;
mod copying;
mod pending;
mod step;
#[cfg(test)]
mod tests;
mod upstream;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use grille_core::ExchangeId;

use super::message::Field;
use super::names::{Names, Portal, Prepared};
use super::statement::Statement;
use super::value::Format;
use client::Held;
use copying::{Handed, Rest};
use pending::Pending;

pub use pending::{Ended, TransactionStatus};

/// Most messages that may be unanswered at once. A client that pipelines more waits; without a limit, a stream of tiny
/// messages would make the queue grow as fast as the network delivers. A driver's batch is seldom over a thousand.
pub const PENDING_MAX: usize = 8192;

/// Most bytes taken from the client ahead of what can be worked on.
const CLIENT_BYTES_AHEAD_MAX: usize = 256 * 1024;

/// Longest message of the kinds that carry only names: identifiers have 63 bytes (`NAMEDATALEN`), but nothing stops a
/// driver from making longer statement names.
const NAMED_MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// Length of messages that carry nothing.
const BARE_MESSAGE_BYTES: usize = super::frame::HEADER_BYTES;

/// Largest buffer that is kept while the session is idle: there are four, and most statements fit.
const IDLE_BYTES_MAX: usize = 1024;

/// Limits of one session.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest message that is held whole: statements and parameters from the client, rows under inspection from the
    /// upstream. In bytes.
    pub message_bytes_max: usize,
    /// Most bytes of rows handed out for inspection at once.
    pub block_bytes_max: usize,
}

/// Something the caller must judge. Until it has answered, [`Relay::next_request`] gives the same again.
#[derive(Clone, Debug)]
pub enum Request {
    /// Statements to run: answer with [`Relay::permit`] or [`Relay::refuse`].
    Query {
        /// In the client's encoding.
        sql: Bytes,
    },
    /// A function to call by its number: answer with [`Relay::permit`] or [`Relay::refuse`]. Its result cannot be
    /// inspected.
    FunctionCall {
        /// The statement that calls the same function, with parameters for the arguments.
        sql: &'static str,
    },
    /// A statement to prepare: answer with [`Relay::clear`] or [`Relay::refuse`].
    Parse {
        /// In the client's encoding.
        sql: Bytes,
    },
    /// A prepared statement is bound: answer with [`Relay::clear`] or [`Relay::refuse`].
    Bind {
        /// What was prepared.
        statement: Arc<Statement>,
    },
    /// A bound statement is to run: answer with [`Relay::permit`] or [`Relay::refuse`].
    Execute {
        /// What was bound.
        statement: Arc<Statement>,
    },
    /// Something that cannot be judged because it is not known or not supported: answer with [`Relay::refuse`].
    Impossible(Impossible),
}

/// Why a request cannot be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impossible {
    /// Bind names a statement that was not prepared here.
    UnknownStatement,
    /// Execute names a portal that was not bound here.
    UnknownPortal,
    /// A FunctionCall message with the number of a function that is not known here.
    UnknownFunction(u32),
    /// A name that the server would read as another: longer than 63 bytes, or not ASCII.
    Name,
    /// A text that comes, without a Sync between, after a statement that may have changed how texts are read.
    ReadingOpen,
}

/// How a permitted execution is to be relayed.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its id.
    pub exchange: ExchangeId,
    /// What runs.
    pub statement: Arc<Statement>,
    /// What is done with its rows. A FunctionCall has none, and its result passes or ends the session.
    pub rows: Rows,
    /// The most rows it may return.
    pub row_cap: Option<u64>,
}

/// What is done with a result's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// They pass as bytes.
    Pass,
    /// They are handed out by [`Response::Rows`] or [`Response::CopyRows`].
    Inspect,
}

/// Something from the upstream that the caller takes note of or acts on.
#[derive(Clone, Debug)]
pub enum Response {
    /// Whole DataRows are at hand ([`Relay::head`]): answer with [`Relay::pass`] or [`Relay::replace`].
    Rows {
        /// Whose they are.
        exchange: ExchangeId,
        /// Which of the message's statements has the result, from 0.
        statement: usize,
        /// The result's columns.
        fields: Arc<[Field]>,
    },
    /// Rows of a COPY are at hand: [`Relay::head`] has them as DataRows. Answer with [`Relay::pass`] or, with as many
    /// DataRows, [`Relay::replace`]; the client gets them as the COPY's data.
    CopyRows {
        /// Whose they are.
        exchange: ExchangeId,
        /// Which of the message's statements is the COPY, from 0.
        statement: usize,
        /// How many cells each has.
        columns: usize,
        /// How the cells are written.
        format: Format,
    },
    /// An error, notice or notification is at hand ([`Relay::head`]): answer with [`Relay::pass`] or [`Relay::replace`].
    /// Only while reports are inspected.
    Report {
        /// The exchange it belongs to, if one is under way.
        exchange: Option<ExchangeId>,
        /// What is being parsed, bound or described, if nothing runs.
        statement: Option<Arc<Statement>>,
    },
    /// The next row would be one more than allowed: answer with [`Relay::stop`].
    CapReached {
        /// Whose row it is.
        exchange: ExchangeId,
    },
    /// An exchange ended.
    Ended(Ended),
}

/// Messages and bytes relayed, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes taken from the client.
    pub client_bytes: u64,
    /// Bytes taken from the upstream.
    pub upstream_bytes: u64,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Relay {
    limits: Limits,
    /// Bytes for the client, in order.
    pub to_client: BytesMut,
    /// Bytes for the upstream, in order.
    pub to_upstream: BytesMut,
    traffic: Traffic,

    // The client's half.
    client: BytesMut,
    /// Of a message that is not held whole.
    client_rest: Rest,
    held: Option<Held>,
    segment: u64,
    ops: u64,
    /// After a refusal or an error, everything up to the client's next Sync is dropped, as the server does.
    client_skips: bool,
    /// Nothing further is judged until everything is answered.
    waits_for_idle: bool,
    /// One statement at a time: in this transaction, how statements are read was changed, and may change back.
    lockstep: bool,
    /// The segment in which something ran that may have changed how texts are read. The server tells only with its next
    /// ReadyForQuery, so until the client's Sync no text is taken.
    reading_open_in: Option<u64>,
    terminated: bool,

    // The upstream's half.
    upstream: BytesMut,
    /// How many bytes at the start of `upstream` may go to the client: `0 <= walked <= upstream.len()`.
    walked: usize,
    /// How many bytes at the start of `upstream` the caller is looking at: `walked == 0` while it is not 0.
    head: usize,
    /// Rows of a COPY that the caller is looking at: `head == 0` while there are any.
    handed: Option<Handed>,
    /// Bytes of a passing message that have not arrived yet.
    passing: usize,
    /// Nothing is shown to the client until the next ReadyForQuery: an exchange was stopped.
    muted: bool,
    /// The server has told the client why it ends the connection.
    gave_up: bool,
    inspects_reports: bool,
    pending: VecDeque<Pending>,
    ended: VecDeque<Ended>,
    transaction: TransactionStatus,
    /// Since the last ReadyForQuery the server has run something, and after that has read a text.
    ran: bool,
    read_after_run: bool,

    statements: Names<Prepared>,
    portals: Names<Portal>,
    /// SQL cursors by name, with the statement they read.
    cursors: HashMap<Box<str>, Arc<Statement>>,
    client_encoding: Box<str>,
    standard_conforming_strings: bool,
}

impl Relay {
    /// A session whose upstream has just said ReadyForQuery with no transaction open. `parameters` are the upstream's
    /// ParameterStatus so far.
    pub fn new<'p>(limits: Limits, parameters: impl IntoIterator<Item = (&'p str, &'p str)>) -> Self {
        let mut relay = Self {
            limits,
            to_client: BytesMut::new(),
            to_upstream: BytesMut::new(),
            traffic: Traffic::default(),
            client: BytesMut::new(),
            client_rest: Rest::NONE,
            held: None,
            segment: 0,
            ops: 0,
            client_skips: false,
            waits_for_idle: false,
            lockstep: false,
            reading_open_in: None,
            terminated: false,
            upstream: BytesMut::new(),
            walked: 0,
            head: 0,
            handed: None,
            passing: 0,
            muted: false,
            gave_up: false,
            inspects_reports: false,
            pending: VecDeque::new(),
            ended: VecDeque::new(),
            transaction: TransactionStatus::Idle,
            ran: false,
            read_after_run: false,
            statements: Names::new(),
            portals: Names::new(),
            cursors: HashMap::new(),
            client_encoding: "SQL_ASCII".into(),
            standard_conforming_strings: true,
        };
        for (name, value) in parameters {
            relay.note_parameter(name.as_bytes(), value.as_bytes());
        }
        relay
    }

    /// Bytes that came from the client.
    pub fn feed_client(&mut self, bytes: &[u8]) {
        self.traffic.client_bytes += bytes.len() as u64;
        self.client.extend_from_slice(bytes);
    }

    /// Bytes that came from the upstream.
    pub fn feed_upstream(&mut self, bytes: &[u8]) {
        self.traffic.upstream_bytes += bytes.len() as u64;
        self.upstream.extend_from_slice(bytes);
    }

    /// Whether errors, notices and notifications are handed out before they reach the client.
    pub fn inspect_reports(&mut self, inspects: bool) {
        self.inspects_reports = inspects;
    }

    /// Whether everything the upstream was sent has been answered.
    pub fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether the client said goodbye.
    pub fn is_terminated(&self) -> bool {
        self.terminated
    }

    /// Whether nothing runs, and nothing has run since the last ReadyForQuery: no segment of the extended protocol is open,
    /// and the server has told of the settings that changed, so that [`Relay::client_encoding`] is what it says.
    pub fn is_settled(&self) -> bool {
        !self.ran && self.is_idle()
    }

    /// Whether something has run to its end since the last ReadyForQuery: the segment's transaction may hold it.
    pub fn has_run(&self) -> bool {
        self.ran
    }

    /// Whether the client went in the middle of its data: the upstream waits for the rest of a message, and takes nothing
    /// for a goodbye but the end of the connection.
    pub fn is_cut_short(&self) -> bool {
        self.terminated && self.is_mid_client_message()
    }

    /// Where the upstream's transaction stands, as of the last ReadyForQuery.
    pub fn transaction(&self) -> TransactionStatus {
        self.transaction
    }

    /// The upstream's `client_encoding`.
    pub fn client_encoding(&self) -> &str {
        &self.client_encoding
    }

    /// Whether a backslash in a plain string literal is just a backslash.
    pub fn standard_conforming_strings(&self) -> bool {
        self.standard_conforming_strings
    }

    /// What the name of a prepared statement stands for, for `EXECUTE name`. Sure only while the relay is idle.
    pub fn prepared(&self, name: &str) -> Option<Arc<Statement>> {
        match self.statements.lookup(name.as_bytes(), self.segment) {
            super::names::Lookup::Found(prepared) => Some(Arc::clone(&prepared.statement)),
            super::names::Lookup::Missing | super::names::Lookup::Unsettled => None,
        }
    }

    /// What a cursor declared in SQL reads, for `FETCH`.
    pub fn cursor(&self, name: &str) -> Option<Arc<Statement>> {
        self.cursors.get(name).cloned()
    }

    /// What was relayed so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Whether more bytes from the client are of use now. They are not while a whole message waits for the upstream: what
    /// cannot be worked on is left in the socket.
    pub fn wants_client_bytes(&self) -> bool {
        let waits = self.held.is_some() || self.waits_for_idle || self.has_whole_client_message();
        self.client.len() < CLIENT_BYTES_AHEAD_MAX || !waits
    }

    /// Whether a message from the client is at hand, or one is held.
    pub fn has_client_work(&self) -> bool {
        self.held.is_some() || self.has_whole_client_message()
    }

    fn has_whole_client_message(&self) -> bool {
        if self.client_rest.bytes > 0 {
            return !self.client.is_empty();
        }
        super::frame::header(&self.client)
            .ok()
            .flatten()
            .is_some_and(|header| self.client.len() >= header.total)
    }

    /// Whether the client has been given a part of a message whose rest is yet to come.
    pub fn is_mid_message(&self) -> bool {
        self.passing > 0
    }

    /// Whether the server has told the client why it ends the connection: then nobody else has to.
    pub fn upstream_gave_up(&self) -> bool {
        self.gave_up
    }

    /// Gives back memory that an idle session does not need.
    pub fn shrink(&mut self) {
        for buffer in [&mut self.client, &mut self.upstream, &mut self.to_client, &mut self.to_upstream] {
            if buffer.is_empty() && buffer.capacity() > IDLE_BYTES_MAX {
                *buffer = BytesMut::new();
            }
        }
    }

    fn note_parameter(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"client_encoding" => self.client_encoding = String::from_utf8_lossy(value).into(),
            b"standard_conforming_strings" => self.standard_conforming_strings = value == b"on",
            _ => {}
        }
    }
}
