//! What the upstream was sent and has not answered, in order.

use std::sync::Arc;

use bytes::Bytes;
use grille_core::ExchangeId;
use grille_core::audit::Outcome;

use super::super::message::{Field, rows_of_tag};
use super::super::names::{Change, Portal, Prepared};
use super::super::statement::Statement;
use super::copying::Copying;
use super::{Rows, Run};
use crate::sql::CopyStream;

/// One unanswered message.
#[derive(Debug)]
pub(super) enum Pending {
    /// Ends with ReadyForQuery.
    Query(Running),
    /// The same; one value comes, or an error.
    FunctionCall(Running),
    /// The statement put in place of a refused Query or FunctionCall; the error it draws is replaced by these bytes.
    RefusedQuery(Bytes),
    Parse(Change<Prepared>, Arc<Statement>),
    Bind(Change<Portal>, Arc<Statement>),
    Describe {
        /// The portal whose columns the answer tells; none for a statement, or a portal not known here.
        portal: Option<Arc<Portal>>,
        origin: Origin,
    },
    Execute(Running, Arc<Portal>),
    CloseStatement(Change<Prepared>),
    ClosePortal(Change<Portal>),
    /// The statement put in place of a refused message of the extended protocol.
    Refused(Bytes),
    Sync,
}

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Client,
    /// We did: the client does not see the answer.
    Relay,
}

/// An execution under way.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) run: Run,
    /// Columns of the result that is coming, once described.
    pub(super) fields: Option<Arc<[Field]>>,
    /// How many of the message's statements have completed; of a FunctionCall, how many results have come.
    pub(super) completed: usize,
    /// Rows that earlier runs of the portal returned.
    rows_before: u64,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) failed: Option<[u8; 5]>,
    pub(super) stopped: bool,
    pub(super) copying: Copying,
    /// A row came that is one more than allowed.
    pub(super) over_cap: bool,
}

impl Running {
    pub(super) fn new(run: Run, rows_before: u64) -> Self {
        Self {
            run,
            fields: None,
            completed: 0,
            rows_before,
            rows: 0,
            bytes: 0,
            failed: None,
            stopped: false,
            copying: Copying::No,
            over_cap: false,
        }
    }

    pub(super) fn inspects(&self) -> bool {
        self.run.rows == Rows::Inspect
    }

    /// How many more rows it may return.
    pub(super) fn rows_left(&self) -> u64 {
        self.run.row_cap.map_or(u64::MAX, |cap| cap.saturating_sub(self.rows_before + self.rows))
    }

    /// The command is at its end. Rows that the server took, it counts itself.
    pub(super) fn end_copy(&mut self, complete: &[u8]) {
        let stream = self.run.statement.copy(self.completed);
        if matches!(self.copying, Copying::Ended) && stream == Some(&CopyStream::In) {
            self.rows += rows_of_tag(complete).unwrap_or(0);
        }
        self.copying = Copying::No;
    }

    pub(super) fn end(&self, outcome: Outcome) -> Ended {
        let outcome = if self.stopped { Outcome::Stopped } else { outcome };
        Ended { exchange: self.run.exchange, outcome, state: self.failed, rows: self.rows, bytes: self.bytes }
    }
}

/// How an exchange ended, as far as the wire tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub exchange: ExchangeId,
    /// How.
    pub outcome: Outcome,
    /// The server's SQLSTATE if it failed.
    pub state: Option<[u8; 5]>,
    /// Rows the upstream returned, or took from the client's COPY.
    pub rows: u64,
    /// Bytes of those rows' messages; of a COPY all of its data's.
    pub bytes: u64,
}

/// Where a transaction stands (ReadyForQuery's status).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// `I`: none is open.
    Idle,
    /// `T`: one is open.
    Open,
    /// `E`: one is open and has failed.
    Failed,
}

impl TransactionStatus {
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            b'I' => Some(Self::Idle),
            b'T' => Some(Self::Open),
            b'E' => Some(Self::Failed),
            _ => None,
        }
    }
}
