//! The client's half: what it asks, and what of that reaches the upstream.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use grille_core::{Clearance, ClientMessage, Permit};

use super::super::frame;
use super::super::function_call;
use super::super::message::{
    Bind, Named, Parse, Severity, decode_execute, decode_function_call, decode_named, decode_query, frontend,
    put_describe_portal, put_error, put_flush, put_parse, put_query, put_terminate,
};
use super::super::names::{Lookup, Op, Portal, Prepared, is_plain};
use super::super::substitution::{self, Parameter};
use super::super::{Statement, Violation};
use super::copying::{Fate, Rest};
use super::pending::{Origin, Pending, Running};
use super::{
    BARE_MESSAGE_BYTES, Impossible, NAMED_MESSAGE_BYTES_MAX, PENDING_MAX, Relay, Request, Rows, Run,
};

/// A statement that no version of PostgreSQL can parse. It reaches the upstream in place of a refused one, so the
/// server's log shows where Grille stepped in.
const REFUSED_SQL: &str = "grille: refused";
/// Names the refused statement; it never comes to exist.
const REFUSED_NAME: &str = "grille_refused";

/// A message that waits for an answer from the caller.
#[derive(Debug)]
pub(super) struct Held {
    message: Bytes,
    what: HeldWhat,
}

#[derive(Debug)]
enum HeldWhat {
    Query { sql: Bytes },
    FunctionCall { sql: &'static str },
    Parse { name: Bytes, sql: Bytes },
    Bind { portal: Arc<Portal> },
    Execute { portal: Arc<Portal> },
    Impossible { why: Impossible, place: Place },
}

/// How the server answers a message, and so how a refusal of it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// With a ReadyForQuery of its own.
    Alone,
    /// As a step of a segment, which fails with it.
    InSegment,
}

impl Held {
    fn request(&self) -> Request {
        match &self.what {
            HeldWhat::Query { sql } => Request::Query { sql: sql.clone() },
            HeldWhat::FunctionCall { sql } => Request::FunctionCall { sql },
            HeldWhat::Parse { sql, .. } => Request::Parse { sql: sql.clone() },
            HeldWhat::Bind { portal } => Request::Bind { statement: Arc::clone(&portal.prepared.statement) },
            HeldWhat::Execute { portal } => {
                Request::Execute { statement: Arc::clone(&portal.prepared.statement) }
            }
            HeldWhat::Impossible { why, .. } => Request::Impossible(*why),
        }
    }
}

/// What became of a message.
enum Taken {
    /// Dealt with.
    Done,
    /// The caller must answer.
    Hold(HeldWhat),
    /// It cannot be understood before earlier ones are answered.
    Wait,
}

/// A name that the server would read as another.
const NOT_PLAIN: Taken = impossible(Impossible::Name, Place::InSegment);

const fn impossible(why: Impossible, place: Place) -> Taken {
    Taken::Hold(HeldWhat::Impossible { why, place })
}

impl Relay {
    /// The next thing to judge, or none until more bytes have come from either side.
    ///
    /// # Errors
    /// When the client breaks the protocol: the session must end.
    pub fn next_request(&mut self) -> Result<Option<Request>, Violation> {
        loop {
            if self.client_rest.bytes > 0 && !self.move_client_rest() {
                return Ok(None);
            }
            if self.copies_in() {
                if !self.take_copy_message()? {
                    return Ok(None);
                }
                continue;
            }
            if self.must_wait() {
                return Ok(None);
            }
            if let Some(held) = &self.held {
                return Ok(Some(held.request()));
            }
            let Some(header) = frame::header(&self.client)? else { return Ok(None) };
            if header.tag == frontend::COPY_DATA {
                // Outside a COPY the server ignores it: a client may still be sending when its COPY has failed.
                self.client_rest = Rest { bytes: header.total, fate: Fate::Drop };
                continue;
            }
            self.check_client_length(header)?;
            if self.client.len() < header.total || self.terminated {
                return Ok(None);
            }
            // The message stays in the buffer until it is dealt with, so that it can wait there.
            let message = self.client.split_to(header.total).freeze();
            match self.take_client_message(&message)? {
                Taken::Done => {}
                Taken::Hold(what) => self.held = Some(Held { message, what }),
                // What it waits for is an answer, and none will come.
                Taken::Wait if self.is_idle() => return Err(Violation::Unexpected { tag: header.tag }),
                Taken::Wait => {
                    self.unread(message);
                    self.wait_until_idle();
                }
            }
        }
    }

    /// Nothing further is judged until everything the upstream was sent is answered. The request at hand, if any, is given
    /// again then.
    pub fn wait_until_idle(&mut self) {
        if !self.is_idle() {
            self.waits_for_idle = true;
            // Within a segment the server answers only when told to.
            put_flush(&mut self.to_upstream);
        }
    }

    /// The parameters of the Bind at hand, in order; none of another request.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn parameters(&self) -> Result<Vec<Parameter<'_>>, Violation> {
        match &self.held {
            Some(Held { message, what: HeldWhat::Bind { .. } }) => substitution::parameters(message),
            Some(_) | None => Ok(Vec::new()),
        }
    }

    /// The types that the Parse at hand declares for parameters, in order; none of another request.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn parameter_types(&self) -> Result<Vec<u32>, Violation> {
        match &self.held {
            Some(Held { message, what: HeldWhat::Parse { .. } }) => substitution::parameter_types(message),
            Some(_) | None => Ok(Vec::new()),
        }
    }

    /// Gives parameters of the Bind at hand other values, by their number from 1.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn substitute_parameters(&mut self, values: &BTreeMap<u16, Vec<u8>>) -> Result<(), Violation> {
        let Some(Held { message, what: HeldWhat::Bind { .. } }) = &mut self.held else { return Ok(()) };
        let mut out = BytesMut::with_capacity(message.len());
        substitution::put_bind(&mut out, message, values)?;
        *message = out.freeze();
        Ok(())
    }

    /// Gives the Query or Parse at hand another text for the upstream. What it was judged by, and what is remembered of it,
    /// stays what the client sent: the two may differ in what literals say and in nothing else.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn substitute_text(&mut self, sql: &[u8]) -> Result<(), Violation> {
        let Some(Held { message, what: HeldWhat::Query { .. } | HeldWhat::Parse { .. } }) = &mut self.held
        else {
            return Ok(());
        };
        let mut out = BytesMut::with_capacity(message.len());
        substitution::put_text(&mut out, message, sql)?;
        *message = out.freeze();
        Ok(())
    }

    /// Runs the Query, FunctionCall or Execute at hand.
    pub fn permit(&mut self, _permit: Permit, run: Run) {
        let Some(held) = self.held.take() else { return };
        let changes_reading = run.statement.changes_reading();
        // A capped one may have to fail what it is in, so nothing behind it may have been sent. What comes behind a COPY
        // FROM is data or not, which the server has to say.
        let alone = run.statement.is_stateful() || run.row_cap.is_some() || run.statement.copies_in();
        match held.what {
            HeldWhat::Query { .. } => {
                self.to_upstream.extend_from_slice(&held.message);
                self.pending.push_back(Pending::Query(Running::new(run, 0)));
            }
            HeldWhat::FunctionCall { .. } => {
                self.to_upstream.extend_from_slice(&held.message);
                self.pending.push_back(Pending::FunctionCall(Running::new(run, 0)));
            }
            HeldWhat::Execute { portal } => {
                if run.rows == Rows::Inspect && !portal.is_described() {
                    self.describe(&portal);
                }
                if self.lockstep || changes_reading {
                    self.reading_open_in = Some(self.segment);
                }
                self.to_upstream.extend_from_slice(&held.message);
                self.pending.push_back(Pending::Execute(Running::new(run, portal.returned()), portal));
            }
            HeldWhat::Parse { .. } | HeldWhat::Bind { .. } | HeldWhat::Impossible { .. } => {
                unreachable!("a permit answers a Query, a FunctionCall or an Execute")
            }
        }
        self.lockstep |= changes_reading;
        if alone {
            self.wait_until_idle();
        }
    }

    /// Has the upstream prepare the Parse at hand as `statement`, or bind the Bind at hand.
    ///
    /// # Errors
    /// When the session has too many prepared statements or portals.
    pub fn clear(&mut self, _clearance: Clearance, statement: &Arc<Statement>) -> Result<(), Violation> {
        let Some(held) = self.held.take() else { return Ok(()) };
        let op = self.op();
        let pending = match held.what {
            HeldWhat::Parse { name, .. } => {
                let prepared = Arc::new(Prepared { statement: Arc::clone(statement) });
                let change = self.statements.change(&name, Some(prepared), op)?;
                Pending::Parse(change, Arc::clone(statement))
            }
            HeldWhat::Bind { portal } => {
                let name = portal.name.clone();
                let statement = Arc::clone(&portal.prepared.statement);
                Pending::Bind(self.portals.change(&name, Some(portal), op)?, statement)
            }
            HeldWhat::Query { .. }
            | HeldWhat::FunctionCall { .. }
            | HeldWhat::Execute { .. }
            | HeldWhat::Impossible { .. } => {
                unreachable!("a clearance answers a Parse or a Bind")
            }
        };
        self.to_upstream.extend_from_slice(&held.message);
        self.pending.push_back(pending);
        Ok(())
    }

    /// Refuses the request at hand: its place is taken by a statement that fails, and the client is told `message`.
    pub fn refuse(&mut self, message: &ClientMessage) {
        let Some(held) = self.held.take() else { return };
        let mut error = BytesMut::new();
        put_error(&mut error, Severity::Error, message);
        let error = error.freeze();
        match held.what {
            HeldWhat::Query { .. }
            | HeldWhat::FunctionCall { .. }
            | HeldWhat::Impossible { place: Place::Alone, .. } => {
                put_query(&mut self.to_upstream, REFUSED_SQL);
                self.pending.push_back(Pending::RefusedQuery(error));
            }
            HeldWhat::Parse { .. }
            | HeldWhat::Bind { .. }
            | HeldWhat::Execute { .. }
            | HeldWhat::Impossible { place: Place::InSegment, .. } => self.fail_segment_with(error),
        }
    }

    /// Has the upstream fail the segment; the client gets `error`, and what it sends up to its Sync is dropped.
    pub(super) fn fail_segment_with(&mut self, error: Bytes) {
        put_parse(&mut self.to_upstream, REFUSED_NAME, REFUSED_SQL);
        self.pending.push_back(Pending::Refused(error));
        self.client_skips = true;
        self.held = None;
    }

    /// Has the upstream fail its open transaction; the client sees none of it.
    pub(super) fn fail_transaction(&mut self) {
        put_query(&mut self.to_upstream, REFUSED_SQL);
        self.pending.push_back(Pending::RefusedQuery(Bytes::new()));
    }

    /// Tells the upstream that the session is over, after what it was already sent.
    pub fn say_goodbye(&mut self) {
        // Within a message it would be read as a part of it; the server notices the end all the same.
        if !self.is_mid_client_message() {
            put_terminate(&mut self.to_upstream);
        }
        self.terminated = true;
    }

    fn must_wait(&mut self) -> bool {
        let must = self.pending.len() >= PENDING_MAX || (self.lockstep && self.held.is_some());
        if self.is_idle() {
            self.waits_for_idle = false;
        } else if must && !self.waits_for_idle {
            self.wait_until_idle();
        }
        self.waits_for_idle
    }

    fn unread(&mut self, message: Bytes) {
        let rest = std::mem::take(&mut self.client);
        self.client = BytesMut::from(message);
        self.client.unsplit(rest);
    }

    fn check_client_length(&self, header: frame::Header) -> Result<(), Violation> {
        let limit = match header.tag {
            frontend::QUERY | frontend::PARSE | frontend::BIND | frontend::FUNCTION_CALL => {
                self.limits.message_bytes_max
            }
            frontend::CLOSE | frontend::DESCRIBE | frontend::EXECUTE | frontend::COPY_FAIL => {
                NAMED_MESSAGE_BYTES_MAX
            }
            frontend::FLUSH | frontend::SYNC | frontend::TERMINATE | frontend::COPY_DONE => {
                BARE_MESSAGE_BYTES
            }
            tag => return Err(Violation::Unexpected { tag }),
        };
        if header.total > limit {
            return Err(Violation::TooLong { tag: header.tag, total: header.total, limit });
        }
        Ok(())
    }

    fn take_client_message(&mut self, message: &Bytes) -> Result<Taken, Violation> {
        let tag = message[0];
        if self.client_skips && tag != frontend::SYNC && tag != frontend::TERMINATE {
            return Ok(Taken::Done);
        }
        match tag {
            frontend::QUERY if self.reading_open_in == Some(self.segment) => {
                Ok(impossible(Impossible::ReadingOpen, Place::Alone))
            }
            frontend::PARSE if self.reading_open_in == Some(self.segment) => {
                Ok(impossible(Impossible::ReadingOpen, Place::InSegment))
            }
            frontend::QUERY => {
                let sql = message.slice_ref(decode_query(message)?);
                Ok(Taken::Hold(HeldWhat::Query { sql }))
            }
            frontend::PARSE => self.take_parse(message),
            frontend::BIND => self.take_bind(message),
            frontend::EXECUTE => self.take_execute(message),
            frontend::DESCRIBE => self.take_describe(message),
            frontend::CLOSE => self.take_close(message),
            frontend::FUNCTION_CALL => {
                let function = decode_function_call(message)?;
                Ok(match function_call::statement(function) {
                    Some(sql) => Taken::Hold(HeldWhat::FunctionCall { sql }),
                    None => impossible(Impossible::UnknownFunction(function), Place::Alone),
                })
            }
            frontend::SYNC => {
                self.client_skips = false;
                self.segment += 1;
                self.forward(message, Pending::Sync)
            }
            frontend::FLUSH => {
                self.to_upstream.extend_from_slice(message);
                Ok(Taken::Done)
            }
            frontend::TERMINATE => {
                self.to_upstream.extend_from_slice(message);
                self.terminated = true;
                Ok(Taken::Done)
            }
            // As data outside a COPY.
            frontend::COPY_DONE | frontend::COPY_FAIL => Ok(Taken::Done),
            tag => Err(Violation::Unexpected { tag }),
        }
    }

    fn take_parse(&mut self, message: &Bytes) -> Result<Taken, Violation> {
        let Parse { name, sql } = Parse::decode(message)?;
        if !is_plain(name) {
            return Ok(NOT_PLAIN);
        }
        if !self.statements.may_change(name, self.segment) {
            return Ok(Taken::Wait);
        }
        Ok(Taken::Hold(HeldWhat::Parse { name: message.slice_ref(name), sql: message.slice_ref(sql) }))
    }

    fn take_bind(&mut self, message: &[u8]) -> Result<Taken, Violation> {
        let bind = Bind::decode(message)?;
        if !is_plain(bind.portal) || !is_plain(bind.statement) {
            return Ok(NOT_PLAIN);
        }
        if !self.portals.may_change(bind.portal, self.segment) {
            return Ok(Taken::Wait);
        }
        Ok(match self.statements.lookup(bind.statement, self.segment) {
            Lookup::Unsettled => Taken::Wait,
            Lookup::Missing => impossible(Impossible::UnknownStatement, Place::InSegment),
            Lookup::Found(prepared) => {
                Taken::Hold(HeldWhat::Bind { portal: Arc::new(Portal::new(bind.portal, prepared)) })
            }
        })
    }

    fn take_execute(&mut self, message: &[u8]) -> Result<Taken, Violation> {
        let name = decode_execute(message)?;
        if !is_plain(name) {
            return Ok(NOT_PLAIN);
        }
        Ok(match self.portals.lookup(name, self.segment) {
            Lookup::Unsettled => Taken::Wait,
            Lookup::Missing => impossible(Impossible::UnknownPortal, Place::InSegment),
            Lookup::Found(portal) => Taken::Hold(HeldWhat::Execute { portal }),
        })
    }

    /// Describe runs nothing. One for a name that is not known here (a cursor declared in SQL) is the server's to answer.
    fn take_describe(&mut self, message: &[u8]) -> Result<Taken, Violation> {
        let (kind, name) = decode_named(message)?;
        if !is_plain(name) {
            return Ok(NOT_PLAIN);
        }
        let portal = match kind {
            Named::Statement if matches!(self.statements.lookup(name, self.segment), Lookup::Unsettled) => {
                return Ok(Taken::Wait);
            }
            Named::Statement => None,
            Named::Portal => match self.portals.lookup(name, self.segment) {
                Lookup::Unsettled => return Ok(Taken::Wait),
                Lookup::Missing => None,
                Lookup::Found(portal) => Some(portal),
            },
        };
        if let Some(portal) = &portal {
            portal.set_described(true);
        }
        self.forward(message, Pending::Describe { portal, origin: Origin::Client })
    }

    fn take_close(&mut self, message: &[u8]) -> Result<Taken, Violation> {
        let (kind, name) = decode_named(message)?;
        if !is_plain(name) {
            return Ok(NOT_PLAIN);
        }
        let op = self.op();
        let pending = match kind {
            Named::Statement if self.statements.may_change(name, self.segment) => {
                Pending::CloseStatement(self.statements.change(name, None, op)?)
            }
            Named::Portal if self.portals.may_change(name, self.segment) => {
                Pending::ClosePortal(self.portals.change(name, None, op)?)
            }
            Named::Statement | Named::Portal => return Ok(Taken::Wait),
        };
        self.forward(message, pending)
    }

    /// Asks the upstream for the columns of a portal that the client never asked about.
    fn describe(&mut self, portal: &Arc<Portal>) {
        portal.set_described(true);
        put_describe_portal(&mut self.to_upstream, &portal.name);
        let portal = Some(Arc::clone(portal));
        self.pending.push_back(Pending::Describe { portal, origin: Origin::Relay });
    }

    /// For messages that run nothing.
    fn forward(&mut self, message: &[u8], pending: Pending) -> Result<Taken, Violation> {
        self.to_upstream.extend_from_slice(message);
        self.pending.push_back(pending);
        Ok(Taken::Done)
    }

    fn op(&mut self) -> Op {
        self.ops += 1;
        Op { segment: self.segment, number: self.ops }
    }
}
