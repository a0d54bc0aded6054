//! COPY over the connection, both ways (manual, "COPY Operations").
//!
//! Rows of a COPY TO are answers like any others: they pass as bytes, or are handed out as DataRows and written in their own
//! form again. While a COPY FROM takes data, the client's messages are data until it ends them; the server ignores Sync and
//! Flush meanwhile, so they end here.
//!
//! A COPY FROM runs alone: nothing behind it is sent before it has ended, so that what the client sends behind it is known
//! to be data or not. Data that comes before the server has asked for it waits in the client's buffer.

use bytes::BytesMut;
use grille_core::ExchangeId;

use super::super::copy::CopyReader;
use super::super::frame::{self, HEADER_BYTES};
use super::super::message::{CopyResponse, backend, frontend, messages, put_copy_fail, put_flush};
use super::super::{Format, Violation};
use super::copying::{CopyOut, Copying, Fate, Handed, Rest, TRAILER_BYTES_MAX};
use super::pending::{Pending, Running};
use super::step::{Shown, Step};
use super::{BARE_MESSAGE_BYTES, NAMED_MESSAGE_BYTES_MAX, Relay, Response};
use crate::sql::{CopyFormat, CopyStream};

/// The client's side.
impl Relay {
    /// Whether what the client sends now is data.
    pub(super) fn copies_in(&mut self) -> bool {
        self.front_running().is_some_and(|running| matches!(running.copying, Copying::In))
    }

    /// Whether the server has been given a part of a message whose rest the client has not sent.
    pub(super) fn is_mid_client_message(&self) -> bool {
        self.client_rest.bytes > 0 && self.client_rest.fate == Fate::Forward
    }

    /// Moves what has come of a message that is not held whole; whether that is at its end.
    pub(super) fn move_client_rest(&mut self) -> bool {
        let arrived = self.client_rest.bytes.min(self.client.len());
        let bytes = self.client.split_to(arrived);
        self.client_rest.bytes -= arrived;
        match self.client_rest.fate {
            Fate::Forward => self.to_upstream.unsplit(bytes),
            Fate::Drop => drop(bytes),
        }
        self.client_rest.bytes == 0
    }

    /// Takes one message while the server waits for data; false if it has not come.
    ///
    /// # Errors
    /// At a message that may not come now: the server would end the session too, by an error or by losing its place.
    pub(super) fn take_copy_message(&mut self) -> Result<bool, Violation> {
        if self.terminated {
            return Ok(false);
        }
        let Some(header) = frame::header(&self.client)? else { return Ok(false) };
        let limit = match header.tag {
            frontend::COPY_DATA => {
                self.client_rest = Rest { bytes: header.total, fate: Fate::Forward };
                if let Some(running) = self.front_running() {
                    running.bytes += header.total as u64;
                }
                return Ok(true);
            }
            frontend::COPY_DONE | frontend::SYNC | frontend::FLUSH | frontend::TERMINATE => {
                BARE_MESSAGE_BYTES
            }
            frontend::COPY_FAIL => NAMED_MESSAGE_BYTES_MAX,
            tag => return Err(Violation::Unexpected { tag }),
        };
        if header.total > limit {
            return Err(Violation::TooLong { tag: header.tag, total: header.total, limit });
        }
        if self.client.len() < header.total {
            return Ok(false);
        }
        let message = self.client.split_to(header.total);
        match header.tag {
            frontend::COPY_DONE | frontend::COPY_FAIL => self.end_copy_in(&message),
            frontend::TERMINATE => {
                self.to_upstream.extend_from_slice(&message);
                self.terminated = true;
            }
            _ => {}
        }
        Ok(true)
    }

    fn end_copy_in(&mut self, message: &[u8]) {
        self.to_upstream.extend_from_slice(message);
        if let Some(running) = self.front_running() {
            running.copying = Copying::Ended;
        }
        // Everything else waits for the answer, which within a segment comes only when asked for.
        put_flush(&mut self.to_upstream);
    }
}

/// The upstream's side.
impl Relay {
    pub(super) fn front_running(&mut self) -> Option<&mut Running> {
        match self.pending.front_mut() {
            Some(Pending::Query(running) | Pending::Execute(running, _)) => Some(running),
            _ => None,
        }
    }

    /// Whether a message that is neither data nor a report may come now.
    pub(super) fn may_answer(&mut self, tag: u8) -> bool {
        match self.front_running().map(|running| &running.copying) {
            None | Some(Copying::No) => true,
            Some(Copying::Ended) => tag == backend::COMMAND_COMPLETE,
            Some(Copying::In | Copying::Out(_)) => false,
        }
    }

    /// What the statement at hand copies, unless that has begun already.
    fn copy_to_begin(&mut self) -> Option<&CopyStream> {
        match self.front_running() {
            Some(Running { copying: Copying::No, run, completed, .. }) => run.statement.copy(*completed),
            Some(_) | None => None,
        }
    }

    /// CopyInResponse: the server waits for data.
    pub(super) fn on_copy_in(&mut self, total: usize) -> Result<Step, Violation> {
        let tag = backend::COPY_IN_RESPONSE;
        match self.copy_to_begin() {
            Some(CopyStream::In) => {}
            Some(CopyStream::Out(_)) | None => return Err(Violation::Unexpected { tag }),
        }
        CopyResponse::decode(self.message(total))?;
        let Some(running) = self.front_running() else { return Err(Violation::Unexpected { tag }) };
        if running.stopped {
            // The client was told that it failed, so it will send nothing.
            running.copying = Copying::Ended;
            put_copy_fail(&mut self.to_upstream, "stopped");
            put_flush(&mut self.to_upstream);
        } else {
            running.copying = Copying::In;
        }
        self.walk(total, Shown::Yes);
        Ok(Step::Next)
    }

    /// CopyOutResponse: rows will come.
    pub(super) fn on_copy_out(&mut self, total: usize) -> Result<Step, Violation> {
        let tag = backend::COPY_OUT_RESPONSE;
        let layout = match self.copy_to_begin() {
            Some(CopyStream::Out(layout)) => layout.clone().ok(),
            Some(CopyStream::In) | None => return Err(Violation::Unexpected { tag }),
        };
        let response = CopyResponse::decode(self.message(total))?;
        let part_bytes_max = self.limits.message_bytes_max;
        let Some(running) = self.front_running() else { return Err(Violation::Unexpected { tag }) };
        let is_binary = layout.as_ref().map(|layout| layout.format == CopyFormat::Binary);
        if is_binary.is_some_and(|is_binary| is_binary != (response.format == Format::Binary)) {
            return Err(Violation::Malformed { tag });
        }
        let reader = match (&layout, running.inspects()) {
            (_, false) => None,
            (Some(layout), true) => Some(CopyReader::new(layout, response.columns, part_bytes_max)),
            (None, true) => return Err(Violation::Malformed { tag }),
        };
        running.copying = Copying::Out(CopyOut { layout, reader, passed: 0 });
        self.walk(total, Shown::Yes);
        Ok(Step::Next)
    }

    /// CopyData that passes, is dropped, or has not come whole.
    pub(super) fn on_copied(&mut self, header: frame::Header) -> Result<Step, Violation> {
        let unexpected = Violation::Unexpected { tag: header.tag };
        let muted = self.muted;
        let limit = self.limits.message_bytes_max;
        let arrived = self.upstream.len() - self.walked;
        let body = self.walked + HEADER_BYTES..self.walked + header.total.min(arrived);
        let running = match self.pending.front_mut() {
            Some(Pending::Query(running) | Pending::Execute(running, _)) => running,
            _ => return Err(unexpected),
        };
        let rows_left = running.rows_left();
        let Copying::Out(copy) = &mut running.copying else { return Err(unexpected) };
        if muted {
            self.passing = header.total;
            return Ok(Step::Next);
        }
        if copy.reader.is_some() {
            let too_long = Violation::TooLong { tag: header.tag, total: header.total, limit };
            return if header.total > limit { Err(too_long) } else { Ok(Step::Starved) };
        }
        // A trailer is told from a row by what is in it.
        if header.total <= HEADER_BYTES + TRAILER_BYTES_MAX && arrived < header.total {
            return Ok(Step::Starved);
        }
        if copy.is_row(&self.upstream[body]) {
            if rows_left == 0 {
                let exchange = running.run.exchange;
                self.release_walked();
                return Ok(Step::Ask(Response::CapReached { exchange }));
            }
            running.rows += 1;
        }
        copy.passed += 1;
        running.bytes += header.total as u64;
        self.passing = header.total;
        Ok(Step::Next)
    }

    /// Takes whole rows of an inspected COPY that have come; none if there are none.
    pub(super) fn gather_copied(&mut self) -> Result<Option<Step>, Violation> {
        if self.muted {
            return Ok(None);
        }
        let mut handed = Handed::default();
        let Some((exchange, statement)) = self.take_parts(&mut handed)? else { return Ok(None) };
        self.release_walked();
        if self.front_running().is_some_and(|running| running.over_cap) && handed.parts.is_empty() {
            return Ok(Some(Step::Ask(Response::CapReached { exchange })));
        }
        if handed.row_count == 0 {
            handed.put(&mut self.to_client);
            return Ok((!handed.parts.is_empty()).then_some(Step::Next));
        }
        let Some((columns, format)) = self.copy_reader().map(|reader| (reader.columns(), reader.format()))
        else {
            return Ok(None);
        };
        self.handed = Some(handed);
        Ok(Some(Step::Ask(Response::CopyRows { exchange, statement, columns, format })))
    }

    /// Fills `handed`; none where no COPY is inspected.
    fn take_parts(&mut self, handed: &mut Handed) -> Result<Option<(ExchangeId, usize)>, Violation> {
        loop {
            let bytes_max = self.limits.block_bytes_max;
            let Some(running) = self.front_running() else { return Ok(None) };
            let whose = (running.run.exchange, running.completed);
            let rows_left = running.rows_left();
            let Copying::Out(CopyOut { reader: Some(reader), .. }) = &mut running.copying else {
                return Ok(None);
            };
            if running.over_cap || handed.is_full(bytes_max) {
                return Ok(Some(whose));
            }
            match reader.next_part()? {
                Some(part) if part.is_row() && rows_left == 0 => running.over_cap = true,
                Some(part) => {
                    if part.is_row() {
                        reader.put_data_row(&part, &mut handed.rows)?;
                        handed.row_count += 1;
                        running.rows += 1;
                    }
                    handed.parts.push(part);
                }
                None => {
                    if !self.feed_reader()? {
                        return Ok(Some(whose));
                    }
                }
            }
        }
    }

    /// Gives the reader the next message, if it is data and has come whole.
    fn feed_reader(&mut self) -> Result<bool, Violation> {
        let limit = self.limits.message_bytes_max;
        let Some(header) = frame::header(&self.upstream[self.walked..])? else { return Ok(false) };
        let arrived = self.upstream.len() - self.walked;
        if header.tag != backend::COPY_DATA || header.total > limit || header.total > arrived {
            return Ok(false);
        }
        self.release_walked();
        let message = self.upstream.split_to(header.total);
        if let Some(running) = self.front_running() {
            running.bytes += header.total as u64;
            if let Copying::Out(CopyOut { reader: Some(reader), .. }) = &mut running.copying {
                reader.feed(&message[HEADER_BYTES..]);
            }
        }
        Ok(true)
    }

    fn copy_reader(&mut self) -> Option<&CopyReader> {
        match &self.front_running()?.copying {
            Copying::Out(copy) => copy.reader.as_ref(),
            Copying::No | Copying::In | Copying::Ended => None,
        }
    }

    /// The client gets the rows at hand with the cells of `rows`, as many DataRows. One that does not fit is left out.
    pub(super) fn replace_copied(&mut self, handed: &Handed, rows: &[u8]) {
        let mut treated = messages(rows);
        let mut out = BytesMut::with_capacity(rows.len());
        let Some(reader) = self.copy_reader() else { return };
        for part in &handed.parts {
            if !part.is_row() {
                part.put(&mut out);
            } else if let Some(row) = treated.next() {
                let start = out.len();
                if reader.put_treated(part, row, &mut out).is_err() {
                    debug_assert!(false, "a treated row has another form");
                    out.truncate(start);
                }
            }
        }
        self.to_client.unsplit(out);
    }

    /// CopyDone: all rows were sent.
    pub(super) fn on_copy_done(&mut self, total: usize) -> Result<Step, Violation> {
        let is_muted = self.muted;
        let tag = backend::COPY_DONE;
        let Some(running) = self.front_running() else { return Err(Violation::Unexpected { tag }) };
        let Copying::Out(copy) = &running.copying else { return Err(Violation::Unexpected { tag }) };
        if let Some(reader) = copy.reader.as_ref().filter(|_| !is_muted) {
            reader.finish()?;
        }
        running.copying = Copying::Ended;
        self.walk(total, Shown::Yes);
        Ok(Step::Next)
    }
}
