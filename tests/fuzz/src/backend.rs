//! Generator of hostile upstreams: a client has asked for a few things, all of whose rows are inspected, and the server says
//! whatever it likes.

use arbitrary::Arbitrary;
use bytes::{Bytes, BytesMut};
use grille_core::audit::Recorded;
use grille_core::{Clearance, ClientMessage, ExchangeId, Permit, SqlState};
use grille_wire::postgres::{
    Limits, Relay, Request, Response, Rows, Run, Violation, messages, put_row, walk_row,
};

use crate::play::replacement_report;
use crate::rule;
use crate::server::{CANARY, MARKER};
use crate::wire;

/// The most rows that an exchange may return.
const ROW_CAP: u64 = 5;

/// What the client asked, and what the server sends.
#[derive(Arbitrary, Debug)]
pub struct Hostility {
    requests: Vec<Asked>,
    answers: Vec<Said>,
    /// Bytes that arrive at once.
    chunk: u8,
    capped: bool,
}

/// A request of the client.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Asked {
    Query,
    Prepared,
    DescribedPrepared,
    CopyOut,
    CopyOutInBinary,
    CopyIn,
    Sync,
}

/// A message of the server.
#[derive(Arbitrary, Debug)]
enum Said {
    Row(Vec<Cell>),
    /// A row of a COPY in text format, in two messages.
    CopiedRow(Vec<Cell>, u8),
    CopiedBinaryRow(Vec<Cell>),
    BinaryOpening,
    BinaryTrailer,
    CopyOut(u8, u8),
    CopyIn(u8),
    CopyDone,
    RowCutShort(u8),
    Description(u8),
    ParameterDescription,
    NoData,
    Complete,
    Suspended,
    Empty,
    ParseComplete,
    BindComplete,
    CloseComplete,
    Error,
    Notice,
    Notification,
    Parameter,
    Ready(Status),
    Other(u8, Vec<u8>),
    Raw(Vec<u8>),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Cell {
    Canary,
    Empty,
    Null,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Status {
    Idle,
    Open,
    Failed,
    Unknown(u8),
}

impl Asked {
    fn bytes(self) -> Vec<u8> {
        let prepared = |describe: &[u8]| {
            let parse = wire::message(b'P', b"\0select #\0\0\0");
            let bind = wire::message(b'B', b"\0\0\0\0\0\0\0\0");
            let execute = wire::message(b'E', b"\0\0\0\0\0");
            [&parse, &bind, describe, &execute].concat()
        };
        match self {
            Self::Query => wire::texts(b'Q', &[b"select #"]),
            Self::Prepared => prepared(b""),
            Self::DescribedPrepared => prepared(&wire::texts(b'D', &[b"P"])),
            Self::CopyOut => wire::texts(b'Q', &[b"copyout #"]),
            Self::CopyOutInBinary => wire::texts(b'Q', &[b"copybinary #"]),
            Self::CopyIn => [wire::texts(b'Q', &[b"copyin #"]), wire::message(b'd', b"a|b\n")].concat(),
            Self::Sync => wire::message(b'S', b""),
        }
    }
}

impl Said {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Row(cells) => row(cells),
            Self::CopiedRow(cells, cut) => {
                let row = copied_row(cells);
                let (one, other) = row.split_at(usize::from(*cut).min(row.len()));
                [wire::message(b'd', one), wire::message(b'd', other)].concat()
            }
            Self::CopiedBinaryRow(cells) => wire::message(b'd', wire::body(&row(cells))),
            Self::BinaryOpening => wire::message(b'd', b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0"),
            Self::BinaryTrailer => wire::message(b'd', b"\xff\xff"),
            Self::CopyOut(format, columns) => wire::copy_response(b'H', format % 2, columns % 4),
            Self::CopyIn(columns) => wire::copy_response(b'G', 0, columns % 4),
            Self::CopyDone => wire::message(b'c', b""),
            Self::RowCutShort(kept) => {
                let mut row = row(&[Cell::Canary, Cell::Canary]);
                row.truncate(usize::from(*kept).min(row.len()));
                row
            }
            Self::Description(columns) => wire::row_description(columns % 4),
            Self::ParameterDescription => wire::message(b't', b"\0\0"),
            Self::NoData => wire::message(b'n', b""),
            Self::Complete => wire::texts(b'C', &[b"SELECT 1"]),
            Self::Suspended => wire::message(b's', b""),
            Self::Empty => wire::message(b'I', b""),
            Self::ParseComplete => wire::message(b'1', b""),
            Self::BindComplete => wire::message(b'2', b""),
            Self::CloseComplete => wire::message(b'3', b""),
            Self::Error => wire::report(b'E', b"22012", CANARY),
            Self::Notice => wire::report(b'N', b"00000", CANARY),
            Self::Notification => wire::message(b'A', &[&b"\0\0\0\x01channel\0"[..], CANARY, b"\0"].concat()),
            Self::Parameter => wire::texts(b'S', &[b"application_name", b"x"]),
            Self::Ready(status) => wire::message(b'Z', &[status.byte()]),
            Self::Other(tag, body) => wire::message(*tag, body),
            Self::Raw(bytes) => bytes.clone(),
        }
    }

    /// Whether it is where the reader of the stream thinks it is. Behind one that is not, a canary may stand in what the
    /// relay rightly takes for the text of a harmless message.
    fn keeps_in_step(&self) -> bool {
        !matches!(self, Self::Raw(_) | Self::RowCutShort(_) | Self::Other(..))
    }
}

impl Status {
    fn byte(self) -> u8 {
        match self {
            Self::Idle => b'I',
            Self::Open => b'T',
            Self::Failed => b'E',
            Self::Unknown(byte) => byte,
        }
    }
}

fn copied_row(cells: &[Cell]) -> Vec<u8> {
    let cells: Vec<&[u8]> = cells
        .iter()
        .map(|cell| match cell {
            Cell::Null => &b"\\N"[..],
            Cell::Empty => b"",
            Cell::Canary => CANARY,
        })
        .collect();
    [cells.join(&[rule::DELIMITER][..]), b"\n".to_vec()].concat()
}

fn row(cells: &[Cell]) -> Vec<u8> {
    let mut body = u16::try_from(cells.len()).unwrap_or(u16::MAX).to_be_bytes().to_vec();
    for cell in cells {
        match cell {
            Cell::Null => body.extend((-1_i32).to_be_bytes()),
            Cell::Empty => body.extend(0_i32.to_be_bytes()),
            Cell::Canary => {
                body.extend(u32::try_from(CANARY.len()).expect("short").to_be_bytes());
                body.extend_from_slice(CANARY);
            }
        }
    }
    wire::message(b'D', &body)
}

impl Hostility {
    /// Plays it, and says what the client got, up to where the relay ended the session.
    ///
    /// # Panics
    /// When a row reached the client as it was, or more rows than allowed.
    pub fn play(&self) {
        let limits = Limits { message_bytes_max: 1 << 12, block_bytes_max: 64 };
        let mut session = Session {
            relay: Relay::new(limits, [("client_encoding", "UTF8")]),
            row_cap: self.capped.then_some(ROW_CAP),
            exchanges: 0,
        };
        session.relay.inspect_reports(true);
        // What comes of it is the same whether or not the relay gives up half way.
        let _ended = session.run(self);
        self.check(session.relay.to_client.to_vec(), session.exchanges);
    }

    fn check(&self, mut received: Vec<u8>, exchanges: u64) {
        let in_step = self.answers.iter().all(Said::keeps_in_step);
        let leaks = received.windows(CANARY.len()).any(|window| window == CANARY);
        assert!(!(in_step && leaks), "a canary reached the client");
        let told = wire::take_messages(&mut received);
        let rows: Vec<_> = told.iter().filter(|message| message[0] == b'D').collect();
        assert!(rows.iter().all(|row| **row == wire::row(&[MARKER])), "a row reached the client as it was");
        let copied = told.iter().filter(|message| message[0] == b'd' && is_copied_row(message)).count();
        let (most, count) = (ROW_CAP * exchanges, (rows.len() + copied) as u64);
        assert!(!self.capped || count <= most, "{count} rows of at most {most}");
    }
}

/// Whether it holds more than what opens or ends a binary COPY.
fn is_copied_row(message: &[u8]) -> bool {
    let body = wire::body(message);
    !(body.starts_with(b"PGCOPY") || body == b"\xff\xff")
}

struct Session {
    relay: Relay,
    row_cap: Option<u64>,
    exchanges: u64,
}

impl Session {
    fn run(&mut self, hostility: &Hostility) -> Result<(), Violation> {
        for asked in &hostility.requests {
            self.relay.feed_client(&asked.bytes());
        }
        self.work()?;
        let answers: Vec<u8> = hostility.answers.iter().flat_map(Said::bytes).collect();
        for chunk in answers.chunks(usize::from(hostility.chunk).max(1)) {
            self.relay.feed_upstream(chunk);
            self.work()?;
        }
        Ok(())
    }

    fn work(&mut self) -> Result<(), Violation> {
        loop {
            let mut any = false;
            while let Some(response) = self.relay.next_response()? {
                any = true;
                self.take(response)?;
            }
            while let Some(request) = self.relay.next_request()? {
                any = true;
                self.answer(request)?;
            }
            self.relay.to_upstream.clear();
            if !any {
                return Ok(());
            }
        }
    }

    fn answer(&mut self, request: Request) -> Result<(), Violation> {
        let cleared = Clearance::of([]).expect("nothing is against it");
        match request {
            Request::Query { sql } => self.permit(cleared, rule::understand(&sql)),
            Request::FunctionCall { sql } => {
                self.permit(cleared, rule::understand(&Bytes::from_static(sql.as_bytes())));
            }
            Request::Execute { statement } => self.permit(cleared, statement),
            Request::Parse { sql } => self.relay.clear(cleared, &rule::understand(&Bytes::clone(&sql)))?,
            Request::Bind { statement } => self.relay.clear(cleared, &statement)?,
            Request::Impossible(_) => {
                self.relay.refuse(&ClientMessage::new(SqlState::InvalidStatementName, "unknown"));
            }
        }
        Ok(())
    }

    fn permit(&mut self, cleared: Clearance, statement: std::sync::Arc<grille_wire::postgres::Statement>) {
        self.exchanges += 1;
        let exchange = ExchangeId(self.exchanges);
        let run = Run { exchange, statement, rows: Rows::Inspect, row_cap: self.row_cap };
        self.relay.permit(Permit::issue(cleared, Recorded::attest()), run);
    }

    fn take(&mut self, response: Response) -> Result<(), Violation> {
        match response {
            Response::Rows { fields, .. } => {
                let mut out = BytesMut::new();
                for row in messages(self.relay.head()) {
                    walk_row(row, fields.len(), |_, _| {})?;
                    put_row(&mut out, 1, |writer| writer.cell(Some(MARKER)));
                }
                self.relay.replace(&out);
            }
            Response::CopyRows { columns, .. } => {
                let mut out = BytesMut::new();
                for row in messages(self.relay.head()) {
                    walk_row(row, columns, |_, _| {})?;
                    put_row(&mut out, columns, |writer| (0..columns).for_each(|_| writer.cell(Some(MARKER))));
                }
                self.relay.replace(&out);
            }
            Response::Report { .. } => self.relay.replace(&replacement_report()),
            Response::CapReached { .. } => {
                self.relay.stop(&ClientMessage::new(SqlState::ProgramLimitExceeded, "cap"));
            }
            Response::Ended(_) => {}
        }
        Ok(())
    }
}
