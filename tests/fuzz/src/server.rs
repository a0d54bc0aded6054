//! A model of a PostgreSQL server, as far as a session's state machine can tell: what is skipped after an error, what names
//! stand for, when portals go, when output is sent. After `src/backend/tcop/postgres.c`.
//!
//! With [`Policy::Rule`] it refuses statements itself: what a client sees then is what it must see through the relay.

use std::collections::BTreeMap;

use crate::rule::{self, Stage};
use crate::wire;

/// Who judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Somebody before it: whatever comes is run.
    Trusting,
    /// The server itself, as [`rule`] says.
    Rule,
}

/// What is in every row. No input has it but by guessing 20 bytes.
pub const CANARY: &[u8] = b"canary.7f3a91c5.row!";

/// What stands in an inspected row's place.
pub const MARKER: &[u8] = b"marker";

/// What came of a Query, FunctionCall or Execute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ran {
    /// The server skipped it.
    Skipped,
    /// It ended in an error; this much of it was tried, if it came to that.
    Failed(Option<String>),
    /// It ran as far as it was asked to.
    Suspended(String),
    /// It ran.
    Completed(String),
}

#[derive(Clone, Debug)]
struct Portal {
    source: String,
    /// Rows that were not fetched yet; none once it has run to its end.
    rows_left: Option<u32>,
}

/// The error by which a step ends.
struct Failure;

/// A COPY that waits for data.
#[derive(Debug)]
struct CopyIn {
    /// All of the message, or what was prepared.
    source: String,
    /// Rows so far: one in each message.
    rows: u32,
    /// How many statements of the message are behind it; none where it is run by Execute.
    statements_left: Option<usize>,
}

/// How far a statement ran.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// As many rows as asked for were sent, whether or not there are more.
    Suspended,
    Completed,
    /// It waits for data.
    Waits,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Server {
    policy: Policy,
    statements: BTreeMap<Vec<u8>, String>,
    portals: BTreeMap<Vec<u8>, Portal>,
    status: u8,
    skips: bool,
    encoding: String,
    /// A parameter has changed, and the client has not been told.
    encoding_untold: bool,
    /// Answers that are not sent before the client asks for them.
    held: Vec<u8>,
    sent: Vec<u8>,
    copying: Option<CopyIn>,
}

impl Server {
    /// A server that has just said ReadyForQuery.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            statements: BTreeMap::new(),
            portals: BTreeMap::new(),
            status: b'I',
            skips: false,
            encoding: "UTF8".to_owned(),
            encoding_untold: false,
            held: Vec::new(),
            sent: Vec::new(),
            copying: None,
        }
    }

    /// Takes what it has sent.
    pub fn take_sent(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.sent)
    }

    /// Does what one message says. What came of the Query, FunctionCall or Execute that ended with it.
    ///
    /// # Panics
    /// At a message that no client sends, or not within a COPY: the relay must not forward it.
    pub fn handle(&mut self, message: &[u8]) -> Option<Ran> {
        let tag = message[0];
        if let Some(copy) = self.copying.take() {
            return self.copy_message(copy, message);
        }
        if self.skips && tag != b'S' {
            return matches!(tag, b'Q' | b'F' | b'E').then_some(Ran::Skipped);
        }
        match tag {
            b'Q' => self.query(&rule::normal(wire::text(message, 0))),
            b'F' => Some(self.function_call(message)),
            b'E' => self.execute(message),
            b'P' | b'B' | b'D' | b'C' => {
                let done = match tag {
                    b'P' => self.parse(wire::text(message, 0), &rule::normal(wire::text(message, 1))),
                    b'B' => self.bind(wire::text(message, 0), wire::text(message, 1)),
                    b'D' => self.describe(wire::text(message, 0)),
                    _ => self.close(wire::text(message, 0)),
                };
                self.settle(done);
                None
            }
            b'S' => {
                self.skips = false;
                self.ready();
                None
            }
            b'H' => {
                self.flush();
                None
            }
            b'X' | b'd' | b'c' | b'f' => None,
            other => panic!("a message {:?} reached the server", char::from(other)),
        }
    }

    fn say(&mut self, message: &[u8]) {
        self.held.extend_from_slice(message);
    }

    fn flush(&mut self) {
        self.sent.append(&mut self.held);
    }

    fn ready(&mut self) {
        if self.status == b'I' {
            self.portals.clear();
        }
        // Not before the end of a message's statements (`ReportChangedGUCOptions`).
        if std::mem::take(&mut self.encoding_untold) {
            self.say(&wire::texts(b'S', &[b"client_encoding", self.encoding.clone().as_bytes()]));
        }
        self.say(&wire::message(b'Z', &[self.status]));
        self.flush();
    }

    /// An error is sent at once (`send_message_to_frontend` flushes).
    fn fail(&mut self) {
        match self.status {
            b'I' => self.portals.clear(),
            _ => self.status = b'E',
        }
        self.say(&wire::report(b'E', b"42601", b"no"));
        self.flush();
    }

    fn settle(&mut self, done: Result<(), Failure>) {
        if done.is_err() {
            self.fail();
            self.skips = true;
        }
    }

    fn refuses(&self, source: &str, stage: Stage) -> bool {
        self.policy == Policy::Rule && rule::is_refused(source, stage)
    }

    /// In a failed transaction nothing is done but what ends it.
    fn allow(&self, source: &str) -> Result<(), Failure> {
        let ends = matches!(rule::words(source).0, "commit" | "rollback");
        if self.status == b'E' && !ends { Err(Failure) } else { Ok(()) }
    }

    fn query(&mut self, source: &str) -> Option<Ran> {
        let refused = self.refuses(source, Stage::Query);
        self.statements.remove(&b""[..]);
        if refused || is_syntax_error(source) {
            self.fail();
            self.ready();
            return Some(Ran::Failed(None));
        }
        if source.is_empty() {
            self.say(&wire::message(b'I', b""));
        }
        self.run_last(source, rule::statements(source).count())
    }

    /// With an answer of its own, like a Query (`HandleFunctionRequest`, src/backend/tcop/fastpath.c).
    fn function_call(&mut self, message: &[u8]) -> Ran {
        let function = wire::body(message).first_chunk::<4>().map_or(0, |number| u32::from_be_bytes(*number));
        let Some(source) = rule::call(function) else {
            // A server keeps the unnamed statement; what the relay sends instead makes it go. Nobody can tell but by an error.
            self.statements.remove(&b""[..]);
            self.fail();
            self.ready();
            return Ran::Failed(None);
        };
        let works = self.allow(source).is_ok() && function != rule::CLOSE;
        if works {
            self.say(&wire::message(b'V', b"\0\0\0\x04\0\0\0\0"));
        } else {
            self.fail();
        }
        self.ready();
        if works { Ran::Completed(source.to_owned()) } else { Ran::Failed(Some(source.to_owned())) }
    }

    /// Runs the last `count` statements of a Query, as far as they go without data.
    fn run_last(&mut self, source: &str, count: usize) -> Option<Ran> {
        let statements: Vec<&str> = rule::statements(source).collect();
        for left in (0..count).rev() {
            let statement = statements[statements.len() - 1 - left];
            let mut rows = rows_of(statement);
            if rows.is_some() && self.allow(statement).is_ok() {
                self.say(&wire::row_description(1));
            }
            match self.run(statement, &mut rows, u32::MAX, rule::is_inspected(source)) {
                Ok(Progress::Waits) => {
                    let source = source.to_owned();
                    self.copying = Some(CopyIn { source, rows: 0, statements_left: Some(left) });
                    return None;
                }
                Ok(Progress::Completed | Progress::Suspended) => {}
                Err(Failure) => {
                    self.fail();
                    self.ready();
                    return Some(Ran::Failed(Some(source.to_owned())));
                }
            }
        }
        self.ready();
        Some(Ran::Completed(source.to_owned()))
    }

    /// Within a COPY FROM (`CopyGetData`, src/backend/commands/copyfromparse.c).
    fn copy_message(&mut self, mut copy: CopyIn, message: &[u8]) -> Option<Ran> {
        match message[0] {
            b'd' if !is_bad_data(wire::body(message)) => copy.rows += 1,
            b'd' | b'f' => return Some(self.fail_copy(copy)),
            b'c' => return self.end_copy(copy),
            // Ignored, as what is sent by a client that takes it for any other statement. And one that goes is gone.
            b'H' | b'S' | b'X' => {}
            other => panic!("a message {:?} reached the server within a COPY", char::from(other)),
        }
        self.copying = Some(copy);
        None
    }

    fn fail_copy(&mut self, copy: CopyIn) -> Ran {
        match copy.statements_left {
            Some(_) => {
                self.fail();
                self.ready();
            }
            None => self.settle(Err(Failure)),
        }
        Ran::Failed(Some(copy.source))
    }

    fn end_copy(&mut self, copy: CopyIn) -> Option<Ran> {
        self.say(&wire::texts(b'C', &[format!("COPY {}", copy.rows).as_bytes()]));
        match copy.statements_left {
            Some(count) => self.run_last(&copy.source, count),
            None => Some(Ran::Completed(copy.source)),
        }
    }

    /// Runs one statement until it ends or `rows_max` rows were sent.
    fn run(
        &mut self,
        statement: &str,
        rows: &mut Option<u32>,
        rows_max: u32,
        inspected: bool,
    ) -> Result<Progress, Failure> {
        self.allow(statement)?;
        let cell = if inspected && self.policy == Policy::Rule { MARKER } else { CANARY };
        let count = rows.map_or(0, |left| left.min(rows_max));
        for _ in 0..count {
            self.say(&wire::row(&[cell]));
        }
        if let Some(left) = rows {
            *left -= count;
            if count == rows_max {
                self.say(&wire::message(b's', b""));
                return Ok(Progress::Suspended);
            }
        }
        self.apply(statement)?;
        if rule::copies_in(statement) {
            self.say(&wire::copy_response(b'G', 0, 2));
            self.flush();
            return Ok(Progress::Waits);
        }
        self.copy_out(statement, cell);
        self.say(&wire::texts(b'C', &[b"DONE"]));
        Ok(Progress::Completed)
    }

    fn copy_out(&mut self, statement: &str, cell: &[u8]) {
        let (command, operand, _) = rule::words(statement);
        if command == "copyout" {
            self.say(&wire::copy_response(b'H', 0, 2));
            for _ in 0..operand.parse().unwrap_or(1).min(9) {
                self.say(&wire::message(b'd', &[cell, &[rule::DELIMITER][..], cell, b"\n"].concat()));
            }
            self.say(&wire::message(b'c', b""));
        }
    }

    fn apply(&mut self, statement: &str) -> Result<(), Failure> {
        let (command, operand, rest) = rule::words(statement);
        match command {
            "fail" => return Err(Failure),
            "begin" => self.status = b'T',
            "commit" | "rollback" => {
                self.status = b'I';
                self.portals.clear();
            }
            // The grammar has no PREPARE and no DECLARE of a COPY.
            "prepare" | "declare" if rule::words(rest).0.starts_with("copy") => return Err(Failure),
            "prepare" => {
                if operand.is_empty() || self.statements.contains_key(operand.as_bytes()) {
                    return Err(Failure);
                }
                self.statements.insert(operand.into(), rest.to_owned());
            }
            // One name space for portals and cursors, which live in a transaction.
            "declare" => {
                if self.status != b'T' || self.portals.contains_key(operand.as_bytes()) {
                    return Err(Failure);
                }
                let portal = Portal { source: rest.to_owned(), rows_left: Some(rows_of(rest).unwrap_or(0)) };
                self.portals.insert(operand.into(), portal);
            }
            "close" if operand == "*" => self.portals.clear(),
            "close" => drop(self.portals.remove(operand.as_bytes()).ok_or(Failure)?),
            "deallocate" if operand == "*" => self.statements.clear(),
            "deallocate" => drop(self.statements.remove(operand.as_bytes()).ok_or(Failure)?),
            "discard" => {
                self.statements.clear();
                self.portals.clear();
            }
            "set" if operand == "client_encoding" => {
                let encoding = rest.split(' ').next().unwrap_or_default();
                self.encoding_untold |= self.encoding != encoding;
                encoding.clone_into(&mut self.encoding);
            }
            _ => {}
        }
        Ok(())
    }

    fn parse(&mut self, name: &[u8], source: &str) -> Result<(), Failure> {
        if self.refuses(source, Stage::Parse) {
            return Err(Failure);
        }
        if name.is_empty() {
            self.statements.remove(name);
        }
        let several = rule::statements(source).count() > 1;
        if several || is_syntax_error(source) || self.statements.contains_key(name) {
            return Err(Failure);
        }
        self.allow(source)?;
        self.statements.insert(name.to_vec(), source.to_owned());
        self.say(&wire::message(b'1', b""));
        Ok(())
    }

    fn bind(&mut self, portal: &[u8], statement: &[u8]) -> Result<(), Failure> {
        let source = self.statements.get(statement).ok_or(Failure)?.clone();
        if self.refuses(&source, Stage::Bind) {
            return Err(Failure);
        }
        self.allow(&source)?;
        if !portal.is_empty() && self.portals.contains_key(portal) {
            return Err(Failure);
        }
        let rows_left = Some(rows_of(&source).unwrap_or(0));
        self.portals.insert(portal.to_vec(), Portal { source, rows_left });
        self.say(&wire::message(b'2', b""));
        Ok(())
    }

    fn describe(&mut self, named: &[u8]) -> Result<(), Failure> {
        let (kind, name) = named.split_first().ok_or(Failure)?;
        let source = match kind {
            b'S' => self.statements.get(name).ok_or(Failure)?.clone(),
            _ => self.portals.get(name).ok_or(Failure)?.source.clone(),
        };
        let has_rows = rows_of(&source).is_some();
        if has_rows {
            self.allow(&source)?;
        }
        if *kind == b'S' {
            self.say(&wire::message(b't', b"\0\0"));
        }
        let description = if has_rows { wire::row_description(1) } else { wire::message(b'n', b"") };
        self.say(&description);
        Ok(())
    }

    fn close(&mut self, named: &[u8]) -> Result<(), Failure> {
        let (kind, name) = named.split_first().ok_or(Failure)?;
        match kind {
            b'S' => drop(self.statements.remove(name)),
            _ => drop(self.portals.remove(name)),
        }
        self.say(&wire::message(b'3', b""));
        Ok(())
    }

    fn execute(&mut self, message: &[u8]) -> Option<Ran> {
        let name = wire::text(message, 0).to_vec();
        let limit = message.last_chunk::<4>().map_or(0, |limit| i32::from_be_bytes(*limit));
        let rows_max = u32::try_from(limit).ok().filter(|limit| *limit > 0).unwrap_or(u32::MAX);
        let Some(portal) = self.portals.get(&name).cloned() else {
            self.settle(Err(Failure));
            return Some(Ran::Failed(None));
        };
        let source = portal.source;
        if self.refuses(&source, Stage::Execute) {
            self.settle(Err(Failure));
            return Some(Ran::Failed(None));
        }
        if source.is_empty() {
            self.say(&wire::message(b'I', b""));
            return Some(Ran::Completed(source));
        }
        let has_rows = rows_of(&source).is_some();
        let mut rows = has_rows.then_some(portal.rows_left.unwrap_or(0));
        let again = portal.rows_left.is_none() && !has_rows;
        let inspected = rule::is_inspected(&source);
        let done = if again { Err(Failure) } else { self.run(&source, &mut rows, rows_max, inspected) };
        if let Some(portal) = self.portals.get_mut(&name) {
            portal.rows_left = rows;
        }
        match done {
            Ok(Progress::Suspended) => Some(Ran::Suspended(source)),
            Ok(Progress::Completed) => Some(Ran::Completed(source)),
            Ok(Progress::Waits) => {
                self.copying = Some(CopyIn { source, rows: 0, statements_left: None });
                None
            }
            Err(failure) => {
                self.settle(Err(failure));
                Some(Ran::Failed(Some(source)))
            }
        }
    }
}

/// What the relay puts in place of a refused statement is one, and so is everything that begins with `bad`.
fn is_syntax_error(source: &str) -> bool {
    source.starts_with("grille:") || source.starts_with("bad")
}

/// Data that the model server cannot read.
fn is_bad_data(data: &[u8]) -> bool {
    data.starts_with(b"bad")
}

/// How many rows a statement has; none for one without a result.
fn rows_of(statement: &str) -> Option<u32> {
    let (command, operand, _) = rule::words(statement);
    (command == "select").then(|| operand.parse().unwrap_or(1).min(9))
}
