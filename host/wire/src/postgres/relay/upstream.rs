//! The upstream's half: answers matched to what was asked, in order; each state takes the messages that can come in it
//! and no others.

use std::sync::Arc;

use bytes::Bytes;
use grille_core::audit::Outcome;
use grille_core::{ClientMessage, ExchangeId};

use super::super::frame::{self, Body};
use super::super::message::{Severity, backend, decode_row_description, put_error, report_fields};
use super::super::names::{NAMES_MAX, Portal, Prepared, Undone};
use super::super::{Statement, Violation};
use super::copying::Copying;
use super::pending::{Origin, Pending, Running, TransactionStatus};
use super::step::{Shown, Step};
use super::{Relay, Response};

/// Longest message from the upstream that is held whole, rows aside: a RowDescription of `COLUMNS_MAX` columns with names
/// of 63 bytes is about 140 KiB; error texts can quote a statement.
const REPLY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// For an error without a SQLSTATE: `internal_error`.
const UNKNOWN_STATE: &[u8; 5] = b"XX000";

impl Relay {
    /// The next thing from the upstream that the caller has a word in, or none until more bytes have come.
    ///
    /// # Errors
    /// When the upstream breaks the protocol: the session must end.
    pub fn next_response(&mut self) -> Result<Option<Response>, Violation> {
        debug_assert!(self.head == 0 && self.handed.is_none(), "what is at hand was not answered");
        loop {
            if let Some(ended) = self.ended.pop_front() {
                self.release_walked();
                return Ok(Some(Response::Ended(ended)));
            }
            match self.step()? {
                Step::Next => {}
                Step::Starved => {
                    self.release_walked();
                    return Ok(None);
                }
                Step::Ask(response) => return Ok(Some(response)),
            }
        }
    }

    /// What the last [`Response::Rows`], [`Response::CopyRows`] or [`Response::Report`] is about: whole messages.
    pub fn head(&self) -> &[u8] {
        match &self.handed {
            Some(handed) => &handed.rows,
            None => &self.upstream[..self.head],
        }
    }

    /// The client gets what is at hand as it is.
    pub fn pass(&mut self) {
        if let Some(handed) = self.handed.take() {
            return handed.put(&mut self.to_client);
        }
        self.walked = std::mem::take(&mut self.head);
        self.release_walked();
    }

    /// The client gets `bytes`, whole messages, instead of those at hand.
    pub fn replace(&mut self, bytes: &[u8]) {
        if let Some(handed) = self.handed.take() {
            return self.replace_copied(&handed, bytes);
        }
        let head = std::mem::take(&mut self.head);
        drop(self.upstream.split_to(head));
        self.to_client.extend_from_slice(bytes);
    }

    /// Ends the exchange under way with an error for the client, and fails the transaction it is in. What the upstream still
    /// sends for it is dropped; the caller cancels it there.
    pub fn stop(&mut self, message: &ClientMessage) {
        self.release_walked();
        self.handed = None;
        let head = std::mem::take(&mut self.head);
        drop(self.upstream.split_to(head));
        put_error(&mut self.to_client, Severity::Error, message);
        self.muted = true;
        match self.pending.front_mut() {
            Some(Pending::Query(running)) => running.stopped = true,
            Some(Pending::Execute(running, _)) => {
                running.stopped = true;
                // Nothing behind it was sent, so the segment can still be made to fail, and what ran before in it with it.
                self.fail_segment_with(Bytes::new());
            }
            _ => {}
        }
    }

    /// Every exchange that never ended, for when a connection is lost.
    pub fn lose_pending(&mut self) -> Vec<super::Ended> {
        let lost = self.pending.drain(..).filter_map(|pending| match pending {
            Pending::Query(running) | Pending::FunctionCall(running) | Pending::Execute(running, _) => {
                Some(running.end(Outcome::Lost))
            }
            _ => None,
        });
        self.ended.drain(..).chain(lost).collect()
    }

    fn step(&mut self) -> Result<Step, Violation> {
        if self.passing > 0 {
            return Ok(self.pass_partial());
        }
        if let Some(step) = self.gather_copied()? {
            return Ok(step);
        }
        let Some(header) = frame::header(&self.upstream[self.walked..])? else { return Ok(Step::Starved) };
        if header.tag == backend::DATA_ROW {
            return self.on_row(header);
        }
        if header.tag == backend::COPY_DATA {
            return self.on_copied(header);
        }
        if header.tag == backend::FUNCTION_CALL_RESPONSE {
            return self.on_function_result(header);
        }
        if header.total > REPLY_BYTES_MAX {
            return Err(Violation::TooLong { tag: header.tag, total: header.total, limit: REPLY_BYTES_MAX });
        }
        if self.upstream.len() - self.walked < header.total {
            return Ok(Step::Starved);
        }
        match header.tag {
            backend::ERROR_RESPONSE => self.on_error(header.total),
            backend::NOTICE_RESPONSE | backend::NOTIFICATION_RESPONSE => Ok(self.on_report(header.total)),
            backend::PARAMETER_STATUS => self.on_parameter_status(header.total),
            backend::READY_FOR_QUERY => self.on_ready(header.total),
            backend::COPY_IN_RESPONSE => self.on_copy_in(header.total),
            backend::COPY_OUT_RESPONSE => self.on_copy_out(header.total),
            backend::COPY_DONE => self.on_copy_done(header.total),
            _ => self.on_reply(header),
        }
    }

    /// Moves what has arrived of a message that passes whatever it holds.
    fn pass_partial(&mut self) -> Step {
        let arrived = self.passing.min(self.upstream.len() - self.walked);
        if arrived == 0 {
            return Step::Starved;
        }
        self.passing -= arrived;
        if self.muted {
            self.drop_next(arrived);
        } else {
            self.walked += arrived;
        }
        Step::Next
    }

    fn on_row(&mut self, header: frame::Header) -> Result<Step, Violation> {
        let muted = self.muted;
        if !self.may_answer(header.tag) {
            return Err(Violation::Unexpected { tag: header.tag });
        }
        let running = match self.pending.front_mut() {
            Some(Pending::Query(running) | Pending::Execute(running, _)) => running,
            _ => return Err(Violation::Unexpected { tag: header.tag }),
        };
        if muted {
            self.passing = header.total;
            return Ok(Step::Next);
        }
        if running.rows_left() == 0 {
            let exchange = running.run.exchange;
            self.release_walked();
            return Ok(Step::Ask(Response::CapReached { exchange }));
        }
        if running.inspects() {
            return self.on_inspected_rows(header);
        }
        running.rows += 1;
        running.bytes += header.total as u64;
        self.passing = header.total;
        Ok(Step::Next)
    }

    /// Gathers the whole rows that have arrived; never waits for more than the first.
    fn on_inspected_rows(&mut self, first: frame::Header) -> Result<Step, Violation> {
        if first.total > self.limits.message_bytes_max {
            let limit = self.limits.message_bytes_max;
            return Err(Violation::TooLong { tag: first.tag, total: first.total, limit });
        }
        if self.upstream.len() - self.walked < first.total {
            return Ok(Step::Starved);
        }
        self.release_walked();
        let limit = self.limits.block_bytes_max;
        let (described, running) = match self.pending.front_mut() {
            Some(Pending::Query(running)) => (running.fields.clone(), running),
            Some(Pending::Execute(running, portal)) => (portal.fields.get().cloned(), running),
            _ => return Err(Violation::Unexpected { tag: first.tag }),
        };
        let fields = described.ok_or(Violation::RowsUndescribed)?;
        let mut left = running.rows_left();
        let mut end = 0;
        while left > 0 && (end == 0 || end < limit) {
            match frame::header(&self.upstream[end..])? {
                Some(next) if next.tag == backend::DATA_ROW && end + next.total <= self.upstream.len() => {
                    end += next.total;
                    running.rows += 1;
                    left -= 1;
                }
                _ => break,
            }
        }
        running.bytes += end as u64;
        self.head = end;
        let (exchange, statement) = (running.run.exchange, running.completed);
        Ok(Step::Ask(Response::Rows { exchange, statement, fields }))
    }

    /// FunctionCallResponse: the one value, as long as a row may be.
    fn on_function_result(&mut self, header: frame::Header) -> Result<Step, Violation> {
        let running = match self.pending.front_mut() {
            Some(Pending::FunctionCall(running)) if running.completed == 0 && running.failed.is_none() => {
                running
            }
            _ => return Err(Violation::Unexpected { tag: header.tag }),
        };
        if running.inspects() {
            return Err(Violation::RowsUndescribed);
        }
        running.completed = 1;
        running.rows = 1;
        running.bytes = header.total as u64;
        self.passing = header.total;
        Ok(Step::Next)
    }

    /// A message that answers the front of the queue.
    fn on_reply(&mut self, header: frame::Header) -> Result<Step, Violation> {
        let unexpected = Err(Violation::Unexpected { tag: header.tag });
        if !self.may_answer(header.tag) {
            return unexpected;
        }
        let Some(front) = self.pending.pop_front() else { return unexpected };
        let shown = match (header.tag, front) {
            (backend::PARSE_COMPLETE, Pending::Parse(change, _)) => {
                self.statements.confirm(&change);
                self.read_after_run |= self.ran;
                Shown::Yes
            }
            (backend::BIND_COMPLETE, Pending::Bind(change, _)) => {
                self.portals.confirm(&change);
                // The server has one name space for portals and cursors.
                if let Ok(name) = std::str::from_utf8(change.name()) {
                    self.cursors.remove(name);
                }
                Shown::Yes
            }
            (backend::CLOSE_COMPLETE, Pending::CloseStatement(change)) => {
                self.statements.confirm(&change);
                Shown::Yes
            }
            (backend::CLOSE_COMPLETE, Pending::ClosePortal(change)) => {
                self.portals.confirm(&change);
                Shown::Yes
            }
            (backend::PARAMETER_DESCRIPTION, front @ Pending::Describe { origin, .. }) => {
                self.pending.push_front(front);
                shown_to(origin)
            }
            (backend::ROW_DESCRIPTION | backend::NO_DATA, Pending::Describe { portal, origin }) => {
                self.on_described(header, portal.as_deref())?;
                shown_to(origin)
            }
            (backend::ROW_DESCRIPTION, Pending::Query(mut running)) => {
                if running.inspects() {
                    running.fields = Some(decode_row_description(self.message(header.total))?);
                }
                self.pending.push_front(Pending::Query(running));
                Shown::Yes
            }
            (backend::COMMAND_COMPLETE | backend::EMPTY_QUERY_RESPONSE, Pending::Query(mut running)) => {
                self.on_statement_completed(&running.run.statement, running.completed);
                running.end_copy(self.message(header.total));
                running.completed += 1;
                running.fields = None;
                self.pending.push_front(Pending::Query(running));
                Shown::Yes
            }
            (backend::COMMAND_COMPLETE | backend::EMPTY_QUERY_RESPONSE, Pending::Execute(mut running, _)) => {
                running.end_copy(self.message(header.total));
                self.on_statement_completed(&running.run.statement, 0);
                self.ran = true;
                self.ended.push_back(running.end(Outcome::Completed));
                Shown::Yes
            }
            (backend::PORTAL_SUSPENDED, Pending::Execute(running, portal)) => {
                portal.add_returned(running.rows);
                self.ran = true;
                self.ended.push_back(running.end(Outcome::Suspended));
                Shown::Yes
            }
            (_, front) => {
                self.pending.push_front(front);
                return unexpected;
            }
        };
        self.walk(header.total, shown);
        Ok(Step::Next)
    }

    fn on_described(&mut self, header: frame::Header, portal: Option<&Portal>) -> Result<(), Violation> {
        if let Some(portal) = portal {
            let fields = match header.tag {
                backend::ROW_DESCRIPTION => decode_row_description(self.message(header.total))?,
                _ => Arc::from([]),
            };
            // A portal's columns do not change; a second answer says the same.
            let _ = portal.fields.set(fields);
        }
        Ok(())
    }

    /// What SQL-level PREPARE, DEALLOCATE, DECLARE and CLOSE did to the session's names.
    fn on_statement_completed(&mut self, statement: &Arc<Statement>, index: usize) {
        let Some(action) = statement.actions.get(index) else { return };
        let of_inner = || {
            let inner = Statement::inner(statement, index);
            Arc::new(inner.unwrap_or_else(|| Statement::new(Bytes::new(), vec![])))
        };
        match (action.kind.as_str(), action.names.as_deref()) {
            ("prepare", Some(name)) => {
                self.statements.set(name.as_bytes(), Arc::new(Prepared { statement: of_inner() }));
            }
            ("deallocate", None) => self.statements.clear_confirmed(),
            ("deallocate", Some(name)) => self.statements.remove(name.as_bytes()),
            ("discard", _) if action.setting.as_deref() == Some("*") => {
                self.statements.clear_confirmed();
                self.portals.clear_confirmed();
                self.cursors.clear();
            }
            ("declare cursor", Some(name)) => {
                // The server has one name space for cursors and portals.
                self.portals.remove(name.as_bytes());
                self.cursors.remove(name);
                // One that is not remembered is taken to read anything.
                if self.cursors.len() < NAMES_MAX {
                    self.cursors.insert(name.into(), of_inner());
                }
            }
            ("close", None) => {
                self.cursors.clear();
                self.portals.clear_confirmed();
            }
            ("close", Some(name)) => {
                self.portals.remove(name.as_bytes());
                self.cursors.remove(name);
            }
            _ => {}
        }
    }

    fn on_error(&mut self, total: usize) -> Result<Step, Violation> {
        let state = sqlstate(self.message(total));
        let (exchange, statement) = (self.front_exchange(), self.front_statement());
        match self.pending.front_mut() {
            // Not an answer: the server is going away, or says why it cannot go on.
            None | Some(Pending::Sync) => return Ok(self.on_report(total)),
            Some(Pending::RefusedQuery(error)) => {
                let error = error.clone();
                return Ok(self.substitute(total, &error));
            }
            Some(Pending::Query(running) | Pending::FunctionCall(running)) => {
                running.failed = running.failed.or(state).or(Some(*UNKNOWN_STATE));
                running.fields = None;
                running.copying = Copying::No;
            }
            Some(Pending::Refused(error)) => {
                let error = error.clone();
                self.fail_segment(None);
                return Ok(self.substitute(total, &error));
            }
            Some(
                Pending::Parse(..)
                | Pending::Bind(..)
                | Pending::Describe { .. }
                | Pending::Execute(..)
                | Pending::CloseStatement(_)
                | Pending::ClosePortal(_),
            ) => self.fail_segment(state),
        }
        Ok(self.report(total, exchange, statement))
    }

    /// The server skips everything up to the next Sync: what was written down for it is taken back, the latest first.
    fn fail_segment(&mut self, state: Option<[u8; 5]>) {
        let sync = self.pending.iter().position(|pending| matches!(pending, Pending::Sync));
        let skipped: Vec<Pending> = self.pending.drain(..sync.unwrap_or(self.pending.len())).collect();
        if sync.is_none() {
            self.client_skips = true;
            // What is being judged belongs to the segment as well: the server would skip it.
            self.held = None;
        }
        let mut ended = Vec::new();
        for (index, pending) in skipped.into_iter().enumerate().rev() {
            match pending {
                Pending::Parse(change, _) | Pending::CloseStatement(change) => {
                    let undone = if index == 0 { Undone::Failed } else { Undone::Skipped };
                    self.statements.undo(&change, undone);
                }
                // A failure ends portals too, when is not known here.
                Pending::Bind(change, _) | Pending::ClosePortal(change) => {
                    self.portals.undo(&change, Undone::Failed);
                }
                Pending::Describe { portal, .. } => {
                    if let Some(portal) = portal {
                        portal.set_described(portal.fields.get().is_some());
                    }
                }
                Pending::Execute(running, _) | Pending::Query(running) | Pending::FunctionCall(running) => {
                    ended.push(end_failed(running, index == 0, state));
                }
                Pending::RefusedQuery(_) | Pending::Refused(_) | Pending::Sync => {}
            }
        }
        self.ended.extend(ended.into_iter().rev());
    }

    fn on_report(&mut self, total: usize) -> Step {
        let (exchange, statement) = (self.front_exchange(), self.front_statement());
        self.report(total, exchange, statement)
    }

    fn report(
        &mut self,
        total: usize,
        exchange: Option<ExchangeId>,
        statement: Option<Arc<Statement>>,
    ) -> Step {
        // Of reports, a muted session drops all but notifications, which are other sessions' and looked at all the same.
        let dropped = self.muted && self.upstream[self.walked] != backend::NOTIFICATION_RESPONSE;
        self.gave_up |= !dropped && ends_the_connection(self.message(total));
        if !self.inspects_reports || dropped {
            self.walk(total, Shown::Yes);
            return Step::Next;
        }
        self.release_walked();
        self.head = total;
        Step::Ask(Response::Report { exchange, statement })
    }

    fn on_parameter_status(&mut self, total: usize) -> Result<Step, Violation> {
        let message = Bytes::copy_from_slice(self.message(total));
        let mut body = Body::of(&message);
        let (name, value) = (body.string()?, body.string()?);
        body.end()?;
        let before = (self.client_encoding.clone(), self.standard_conforming_strings);
        self.note_parameter(name, value);
        if before != (self.client_encoding.clone(), self.standard_conforming_strings) {
            self.lockstep = true;
            if self.read_after_run || self.pending.iter().skip(1).any(Pending::was_judged) {
                return Err(Violation::SettingUnderWay);
            }
        }
        // Parameters are the session's state: a driver must see them even when an exchange was stopped.
        self.walk(total, Shown::Yes);
        Ok(Step::Next)
    }

    fn on_ready(&mut self, total: usize) -> Result<Step, Violation> {
        let tag = backend::READY_FOR_QUERY;
        if !self.may_answer(tag) {
            return Err(Violation::Unexpected { tag });
        }
        let mut body = Body::of(self.message(total));
        let status = TransactionStatus::from_byte(body.u8()?).ok_or(Violation::Malformed { tag })?;
        body.end()?;
        match self.pending.pop_front() {
            Some(Pending::Query(running)) => {
                let outcome = if running.failed.is_some() { Outcome::Failed } else { Outcome::Completed };
                let got_away =
                    running.stopped && running.failed.is_none() && status == TransactionStatus::Open;
                self.ended.push_back(running.end(outcome));
                if got_away {
                    // The client was told of an error, so its transaction must not be one that it can commit.
                    self.drop_next(total);
                    self.fail_transaction();
                    return Ok(Step::Next);
                }
            }
            Some(Pending::FunctionCall(running)) => {
                let outcome = match (running.failed, running.completed) {
                    (Some(_), _) => Outcome::Failed,
                    (None, 0) => return Err(Violation::Unexpected { tag }),
                    (None, _) => Outcome::Completed,
                };
                self.ended.push_back(running.end(outcome));
            }
            Some(Pending::RefusedQuery(_) | Pending::Sync) => {}
            _ => return Err(Violation::Unexpected { tag }),
        }
        self.transaction = status;
        (self.ran, self.read_after_run) = (false, false);
        if status == TransactionStatus::Idle {
            self.portals.clear_confirmed();
            // Those WITH HOLD live on; they are then taken to read anything.
            self.cursors.clear();
            // No rollback can bring an earlier reading back, unless something is under way.
            self.lockstep &= !self.pending.is_empty();
        }
        self.muted = false;
        self.walk(total, Shown::Yes);
        Ok(Step::Next)
    }

    /// The client gets `instead` in place of the next message.
    fn substitute(&mut self, total: usize, instead: &[u8]) -> Step {
        self.release_walked();
        drop(self.upstream.split_to(total));
        if !self.muted {
            self.to_client.extend_from_slice(instead);
        }
        Step::Next
    }

    pub(super) fn message(&self, total: usize) -> &[u8] {
        &self.upstream[self.walked..self.walked + total]
    }

    fn front_exchange(&self) -> Option<ExchangeId> {
        match self.pending.front() {
            Some(Pending::Query(running) | Pending::FunctionCall(running) | Pending::Execute(running, _)) => {
                Some(running.run.exchange)
            }
            _ => None,
        }
    }

    /// The statement that a message is about which runs nothing.
    fn front_statement(&self) -> Option<Arc<Statement>> {
        match self.pending.front() {
            Some(Pending::Parse(_, statement) | Pending::Bind(_, statement)) => Some(Arc::clone(statement)),
            Some(Pending::Describe { portal: Some(portal), .. }) => {
                Some(Arc::clone(&portal.prepared.statement))
            }
            _ => None,
        }
    }

    pub(super) fn walk(&mut self, total: usize, shown: Shown) {
        let always = matches!(
            self.upstream[self.walked],
            backend::PARAMETER_STATUS | backend::READY_FOR_QUERY | backend::NOTIFICATION_RESPONSE
        );
        if shown == Shown::No || (self.muted && !always) {
            self.drop_next(total);
        } else {
            self.walked += total;
        }
    }

    fn drop_next(&mut self, count: usize) {
        self.release_walked();
        drop(self.upstream.split_to(count));
    }

    /// Hands the bytes walked over to the client, without copying where nothing waits there.
    pub(super) fn release_walked(&mut self) {
        if self.walked == 0 {
            return;
        }
        let walked = self.upstream.split_to(std::mem::take(&mut self.walked));
        if self.to_client.is_empty() {
            self.to_client = walked;
        } else {
            self.to_client.unsplit(walked);
        }
    }
}

impl Pending {
    /// Whether a statement's text was read to judge it.
    fn was_judged(&self) -> bool {
        match self {
            Self::Query(_) | Self::Parse(..) | Self::Bind(..) | Self::Execute(..) => true,
            // The text that a FunctionCall was judged by is not the client's.
            Self::FunctionCall(_)
            | Self::RefusedQuery(_)
            | Self::Describe { .. }
            | Self::CloseStatement(_)
            | Self::ClosePortal(_)
            | Self::Refused(_)
            | Self::Sync => false,
        }
    }
}

fn shown_to(origin: Origin) -> Shown {
    match origin {
        Origin::Client => Shown::Yes,
        Origin::Relay => Shown::No,
    }
}

fn end_failed(mut running: Running, is_first: bool, state: Option<[u8; 5]>) -> super::Ended {
    if is_first {
        running.failed = state;
        running.end(Outcome::Failed)
    } else {
        running.end(Outcome::Skipped)
    }
}

/// Whether it is an ErrorResponse after which the server closes the connection. The field `V` is the severity in English.
fn ends_the_connection(message: &[u8]) -> bool {
    message.first() == Some(&backend::ERROR_RESPONSE)
        && report_fields(message).any(|(code, text)| code == b'V' && matches!(text, b"FATAL" | b"PANIC"))
}

/// The SQLSTATE of an ErrorResponse.
fn sqlstate(message: &[u8]) -> Option<[u8; 5]> {
    report_fields(message).find(|(code, _)| *code == b'C').and_then(|(_, text)| text.try_into().ok())
}
