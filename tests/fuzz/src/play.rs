//! A relay between a client's bytes and the model server, its caller, and what must hold of it at every step.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use grille_core::audit::{Outcome, Recorded};
use grille_core::{Clearance, ClientMessage, ExchangeId, Permit, SqlState};
use grille_wire::postgres::{
    Ended, Limits, Relay, Request, Response, Rows, Run, Severity, Statement, Violation, messages, put_error,
    put_row, walk_row,
};

use crate::rule::{self, Stage};
use crate::server::{CANARY, MARKER, Policy, Ran, Server};
use crate::wire;

/// Bytes of what the relay puts before or in place of one message of the client, at most: a refused statement, a Describe
/// and a Flush besides a portal's name.
const MADE_BYTES_MAX: usize = 64;

/// The text of the statement in place of a refused one.
const REFUSED_SQL: &[u8] = b"grille: refused";

/// A message on its way to the server.
struct Forwarded {
    message: Vec<u8>,
    /// For a Query, FunctionCall or Execute that was permitted.
    permitted: Option<Permitted>,
}

/// What was judged, to be compared with what ran.
struct Permitted {
    exchange: ExchangeId,
    source: String,
}

/// How the caller answered: what may have become ready for the server by it.
enum Answer {
    Permitted(Permitted),
    Cleared,
    Refused,
}

/// See the module's documentation.
pub struct Play {
    relay: Relay,
    server: Server,
    to_server: VecDeque<Forwarded>,
    /// The beginning of a data message: those are not held until they are whole.
    half: Vec<u8>,
    /// What the server has begun to run.
    under_way: Option<Permitted>,
    /// A statement that takes data was permitted.
    copies_in: bool,
    from_server: VecDeque<u8>,
    exchanges: u64,
    client_bytes: usize,
    server_bytes: usize,
    /// What the client has got.
    pub received: Vec<u8>,
    /// What the server has got, without what only makes it answer sooner.
    pub reached: Vec<u8>,
    ran: BTreeMap<ExchangeId, Ran>,
    ended: BTreeMap<ExchangeId, Ended>,
}

impl Play {
    /// A session whose upstream is the model server.
    pub fn new() -> Self {
        let limits = Limits { message_bytes_max: 1 << 16, block_bytes_max: 64 };
        let parameters = [("client_encoding", "UTF8"), ("standard_conforming_strings", "on")];
        Self {
            relay: Relay::new(limits, parameters),
            server: Server::new(Policy::Trusting),
            to_server: VecDeque::new(),
            half: Vec::new(),
            under_way: None,
            copies_in: false,
            from_server: VecDeque::new(),
            exchanges: 0,
            client_bytes: 0,
            server_bytes: 0,
            received: Vec::new(),
            reached: Vec::new(),
            ran: BTreeMap::new(),
            ended: BTreeMap::new(),
        }
    }

    /// The client sends bytes.
    ///
    /// # Errors
    /// When the relay says that the client broke the protocol.
    pub fn client_sends(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        self.client_bytes += bytes.len();
        self.relay.feed_client(bytes);
        self.work()
    }

    /// The server deals with one message, if one has come.
    pub fn server_handles_one(&mut self) {
        let Some(Forwarded { message, permitted }) = self.to_server.pop_front() else { return };
        let ran = self.server.handle(&message);
        self.under_way = permitted.or(self.under_way.take());
        if let Some(ran) = ran
            && let Some(Permitted { exchange, source }) = self.under_way.take()
        {
            if let Ran::Failed(Some(what)) | Ran::Suspended(what) | Ran::Completed(what) = &ran {
                assert_eq!(*what, source, "one statement was judged and another ran");
            }
            self.ran.insert(exchange, ran);
        }
        self.from_server.extend(self.server.take_sent());
    }

    /// Up to `count` bytes arrive from the server.
    ///
    /// # Errors
    /// When the relay says that the server broke the protocol.
    pub fn server_delivers(&mut self, count: usize) -> Result<(), Violation> {
        let count = count.min(self.from_server.len());
        let bytes: Vec<u8> = self.from_server.drain(..count).collect();
        self.relay.feed_upstream(&bytes);
        self.work()
    }

    /// Everything under way arrives, the server's answers in chunks of `chunk` bytes.
    ///
    /// # Errors
    /// As [`Play::server_delivers`].
    pub fn run_dry(&mut self, chunk: usize) -> Result<(), Violation> {
        while !self.to_server.is_empty() || !self.from_server.is_empty() {
            while !self.to_server.is_empty() {
                self.server_handles_one();
            }
            while !self.from_server.is_empty() {
                self.server_delivers(chunk.max(1))?;
            }
        }
        Ok(())
    }

    /// What must hold once everything was answered: nothing waits, and every exchange ended once, in the way it ran.
    ///
    /// # Panics
    /// When it does not hold.
    pub fn check_settled(&self) {
        assert!(self.relay.is_idle(), "something is unanswered");
        assert!(!self.relay.has_client_work(), "a message waits for nothing");
        assert_eq!(self.ended.len() as u64, self.exchanges, "an exchange did not end");
        for (exchange, ended) in &self.ended {
            let fits = match self.ran.get(exchange) {
                Some(Ran::Skipped) => ended.outcome == Outcome::Skipped,
                Some(Ran::Failed(_)) => ended.outcome == Outcome::Failed,
                Some(Ran::Suspended(_)) => ended.outcome == Outcome::Suspended,
                Some(Ran::Completed(_)) => ended.outcome == Outcome::Completed,
                None => false,
            };
            assert!(fits, "{ended:?}, but {:?}", self.ran.get(exchange));
        }
    }

    fn work(&mut self) -> Result<(), Violation> {
        loop {
            let mut any = false;
            while let Some(response) = self.relay.next_response()? {
                any = true;
                self.take(response);
            }
            while let Some(request) = self.relay.next_request()? {
                any = true;
                let answer = self.answer(request)?;
                self.forward(Some(answer));
            }
            self.forward(None);
            if !any {
                break;
            }
        }
        let received = self.relay.to_client.split();
        self.received.extend_from_slice(&received);
        self.check_memory();
        Ok(())
    }

    fn check_memory(&self) {
        // What is shorter than a header is no message.
        let client_messages_max = self.client_bytes / wire::HEADER_BYTES + 1;
        let allowed = 2 * self.client_bytes + MADE_BYTES_MAX * client_messages_max;
        assert!(self.server_bytes <= allowed, "{} bytes made of {}", self.server_bytes, self.client_bytes);
    }

    fn answer(&mut self, request: Request) -> Result<Answer, Violation> {
        let (statement, stage) = match request {
            Request::Query { sql } => (rule::understand(&sql), Stage::Query),
            Request::FunctionCall { sql } => {
                (rule::understand(&Bytes::from_static(sql.as_bytes())), Stage::FunctionCall)
            }
            Request::Parse { sql } => (rule::understand(&sql), Stage::Parse),
            Request::Bind { statement } => (statement, Stage::Bind),
            Request::Execute { statement } => (statement, Stage::Execute),
            Request::Impossible(_) => return Ok(self.refuse()),
        };
        let source = rule::source(&statement);
        if rule::is_refused(&source, stage) {
            return Ok(self.refuse());
        }
        let cleared = Clearance::of([]).expect("nothing is against it");
        match stage {
            Stage::Query | Stage::FunctionCall | Stage::Execute => {
                Ok(self.permit(cleared, statement, source))
            }
            Stage::Parse | Stage::Bind => {
                self.relay.clear(cleared, &statement)?;
                Ok(Answer::Cleared)
            }
        }
    }

    fn refuse(&mut self) -> Answer {
        self.relay.refuse(&ClientMessage::new(SqlState::InsufficientPrivilege, "no"));
        Answer::Refused
    }

    fn permit(&mut self, cleared: Clearance, statement: Arc<Statement>, source: String) -> Answer {
        self.exchanges += 1;
        let exchange = ExchangeId(self.exchanges);
        self.copies_in |= statement.copies_in();
        let rows = if rule::is_inspected(&source) { Rows::Inspect } else { Rows::Pass };
        let run = Run { exchange, statement, rows, row_cap: None };
        self.relay.permit(Permit::issue(cleared, Recorded::attest()), run);
        Answer::Permitted(Permitted { exchange, source })
    }

    /// Takes what is ready for the server. Without an answer, nothing that runs or names a statement may be.
    fn forward(&mut self, answer: Option<Answer>) {
        let mut ready = std::mem::take(&mut self.half);
        let released_now = self.relay.to_upstream.split();
        self.server_bytes += released_now.len();
        ready.extend_from_slice(&released_now);
        let mut permitted = None;
        let mut released = 0;
        match answer {
            Some(Answer::Permitted(what)) => (permitted, released) = (Some(what), 1),
            Some(Answer::Cleared) => released = 1,
            Some(Answer::Refused) | None => {}
        }
        for message in wire::take_messages(&mut ready) {
            let mut forwarded = Forwarded { message, permitted: None };
            match forwarded.message[0] {
                b'Q' if wire::text(&forwarded.message, 0) == REFUSED_SQL && permitted.is_none() => {}
                b'P' if wire::text(&forwarded.message, 1) == REFUSED_SQL && released == 0 => {}
                b'Q' | b'F' | b'E' => {
                    forwarded.permitted = permitted.take();
                    assert!(forwarded.permitted.is_some(), "a statement runs without a permit");
                }
                b'P' | b'B' => {
                    assert!(released == 1 && permitted.is_none(), "a statement is named without a clearance");
                    released = 0;
                }
                b'C' | b'D' | b'H' | b'S' | b'X' => {}
                b'd' | b'c' | b'f' => assert!(self.copies_in, "data for a COPY that nobody permitted"),
                other => panic!("a message {:?} was released", char::from(other)),
            }
            if forwarded.message[0] != b'H' {
                self.reached.extend_from_slice(&forwarded.message);
            }
            self.to_server.push_back(forwarded);
        }
        assert!(ready.is_empty() || ready[0] == b'd' && self.copies_in, "half a message was released");
        self.half = ready;
        assert!(permitted.is_none(), "a permitted statement was not sent");
    }

    fn take(&mut self, response: Response) {
        match response {
            Response::Rows { fields, .. } => {
                let mut out = BytesMut::new();
                for row in messages(self.relay.head()) {
                    walk_row(row, fields.len(), |_, cell| assert_eq!(cell, Some(CANARY))).expect("a row");
                    put_row(&mut out, 1, |writer| writer.cell(Some(MARKER)));
                }
                self.relay.replace(&out);
            }
            Response::CopyRows { columns, .. } => {
                let mut out = BytesMut::new();
                for row in messages(self.relay.head()) {
                    walk_row(row, columns, |_, cell| assert_eq!(cell, Some(CANARY))).expect("a row");
                    put_row(&mut out, columns, |writer| (0..columns).for_each(|_| writer.cell(Some(MARKER))));
                }
                self.relay.replace(&out);
            }
            Response::Report { .. } => self.relay.pass(),
            Response::CapReached { .. } => panic!("there is no cap"),
            Response::Ended(ended) => {
                assert!(self.ended.insert(ended.exchange, ended).is_none(), "an exchange ended twice");
            }
        }
    }
}

impl Default for Play {
    fn default() -> Self {
        Self::new()
    }
}

/// What a client makes of what it got: tags, rows, and where transactions stand. What an error says is not compared.
pub fn transcript(mut received: Vec<u8>) -> Vec<String> {
    let told = wire::take_messages(&mut received);
    assert!(received.is_empty(), "the client got half a message");
    told.iter()
        .map(|message| match message[0] {
            b'D' | b'd' | b'Z' | b'S' => String::from_utf8_lossy(message).into_owned(),
            tag => char::from(tag).to_string(),
        })
        .collect()
}

/// An error of Grille's, for targets that replace reports.
pub fn replacement_report() -> Vec<u8> {
    let mut out = BytesMut::new();
    put_error(&mut out, Severity::Error, &ClientMessage::new(SqlState::InsufficientPrivilege, "replaced"));
    out.to_vec()
}
