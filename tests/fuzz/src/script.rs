//! Generator of sessions: what a client sends, and when what of it arrives.

use arbitrary::{Arbitrary, Unstructured};

use crate::play::{Play, transcript};
use crate::rule;
use crate::server::{Policy, Server};
use crate::wire;

/// A session: what happens, in order.
#[derive(Debug)]
pub struct Session {
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    /// The client has one more message to send, and sends all it has.
    Send(Message),
    /// The same, but this many bytes stay behind until it sends again.
    SendCut(Message, usize),
    ServerHandlesOne,
    /// So many bytes of its answers arrive.
    ServerDelivers(usize),
    /// The server deals with all it has got, and its answers arrive.
    Settle,
}

/// One message of the client.
#[derive(Debug)]
enum Message {
    /// With data for each COPY in it.
    Query(Vec<Command>, Vec<Data>),
    Parse(Name, Vec<Command>),
    Bind {
        portal: Name,
        statement: Name,
    },
    DescribeStatement(Name),
    DescribePortal(Name),
    /// With data in case it is a COPY.
    Execute {
        portal: Name,
        rows_max: u8,
        data: Data,
    },
    CloseStatement(Name),
    ClosePortal(Name),
    FunctionCall(u32),
    Flush,
    Sync,
    /// Data that nobody waits for.
    Data(Data),
}

/// Functions that are called: one that works, one that fails, one that is refused, one that the relay does not know.
const FUNCTIONS: [u32; 4] = [rule::OPEN, rule::CLOSE, rule::UNLINK, 1];

/// What a client sends for a COPY, or in case it is one: a client that sends ahead does not know.
#[derive(Debug)]
struct Data {
    /// What a client sends that takes the COPY for any other statement.
    sync: bool,
    rows: Vec<Row>,
    ends: DataEnd,
}

#[derive(Clone, Copy, Debug)]
enum Row {
    Good,
    Long,
    /// The server cannot read it.
    Bad,
}

#[derive(Clone, Copy, Debug)]
enum DataEnd {
    Done,
    Fail,
}

/// Few names, so that they meet.
#[derive(Clone, Copy, Debug)]
enum Name {
    Unnamed,
    A,
    B,
}

/// A statement of the model server's language, but for those that change how statements are read: behind them the relay
/// refuses what a server would not.
#[derive(Debug)]
struct Command {
    verb: Verb,
    mark: Mark,
}

#[derive(Debug)]
enum Verb {
    Select(u8),
    Update,
    Fail,
    Bad,
    Begin,
    Commit,
    Rollback,
    Prepare(Name, u8),
    Deallocate(Name),
    DeallocateAll,
    Set,
    CopyIn,
    CopyOut(u8),
}

#[derive(Debug)]
enum Mark {
    None,
    RefusedAtOnce,
    RefusedWhenBound,
    RefusedWhenRun,
    Inspected,
}

// Written out and not derived: a choice takes one byte of the input and not four, so that a change of one byte is a change of
// one thing.

impl<'a> Arbitrary<'a> for Session {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut steps = Vec::new();
        while !input.is_empty() {
            steps.push(Step::arbitrary(input)?);
        }
        Ok(Self { steps })
    }
}

impl<'a> Arbitrary<'a> for Step {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match u8::arbitrary(input)? % 16 {
            0 => Self::ServerHandlesOne,
            1 => Self::ServerDelivers(u8::arbitrary(input)?.into()),
            2 => Self::Settle,
            3 => Self::SendCut(Message::arbitrary(input)?, u8::arbitrary(input)?.into()),
            _ => Self::Send(Message::arbitrary(input)?),
        })
    }
}

impl<'a> Arbitrary<'a> for Message {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let choice = u8::arbitrary(input)?;
        Ok(match choice % 16 {
            0 | 1 => Self::query(1, input)?,
            2 => Self::query(choice / 16 % 4, input)?,
            3 | 4 => Self::Parse(input.arbitrary()?, vec![input.arbitrary()?]),
            5 => Self::Parse(input.arbitrary()?, vec![]),
            6 | 7 => Self::Bind { portal: input.arbitrary()?, statement: input.arbitrary()? },
            8 => Self::DescribeStatement(input.arbitrary()?),
            9 => Self::DescribePortal(input.arbitrary()?),
            10 | 11 => {
                Self::Execute { portal: input.arbitrary()?, rows_max: choice / 16, data: input.arbitrary()? }
            }
            12 => Self::CloseStatement(input.arbitrary()?),
            13 => Self::ClosePortal(input.arbitrary()?),
            14 if choice < 64 => Self::Data(input.arbitrary()?),
            14 if choice < 128 => Self::Flush,
            14 => Self::FunctionCall(FUNCTIONS[usize::from(choice / 16 % 4)]),
            _ => Self::Sync,
        })
    }
}

impl Message {
    fn query(count: u8, input: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        let commands = (0..count).map(|_| input.arbitrary()).collect::<Result<Vec<Command>, _>>()?;
        let copies = commands.iter().filter(|command| matches!(command.verb, Verb::CopyIn)).count();
        let data = (0..copies).map(|_| input.arbitrary()).collect::<Result<_, _>>()?;
        Ok(Self::Query(commands, data))
    }

    /// Whether an Execute may run into a COPY because of it.
    fn prepares_copy(&self) -> bool {
        match self {
            Self::Parse(_, commands) => commands.iter().any(|command| matches!(command.verb, Verb::CopyIn)),
            _ => false,
        }
    }
}

impl<'a> Arbitrary<'a> for Data {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let choice = u8::arbitrary(input)?;
        let row = |number: u8| match choice.rotate_right(number.into()) % 8 {
            0 => Row::Bad,
            1 => Row::Long,
            _ => Row::Good,
        };
        let ends = if choice.is_multiple_of(5) { DataEnd::Fail } else { DataEnd::Done };
        Ok(Self { sync: choice & 1 == 1, rows: (0..choice % 4).map(row).collect(), ends })
    }
}

impl<'a> Arbitrary<'a> for Name {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match u8::arbitrary(input)? % 4 {
            0 => Self::Unnamed,
            1 => Self::B,
            _ => Self::A,
        })
    }
}

impl<'a> Arbitrary<'a> for Command {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let choice = u8::arbitrary(input)?;
        let verb = match choice % 16 {
            0..=3 => Verb::Select(choice % 4),
            4 => Verb::CopyIn,
            5 => Verb::CopyOut(choice / 16),
            6 => Verb::Update,
            7 => Verb::Fail,
            8 => Verb::Bad,
            9 => Verb::Begin,
            10 => Verb::Commit,
            11 => Verb::Rollback,
            12 => Verb::Prepare(input.arbitrary()?, choice / 16),
            13 => Verb::Deallocate(input.arbitrary()?),
            14 => Verb::DeallocateAll,
            _ => Verb::Set,
        };
        let mark = match choice / 16 % 8 {
            0 => Mark::RefusedAtOnce,
            1 => Mark::RefusedWhenBound,
            2 | 3 => Mark::RefusedWhenRun,
            4 => Mark::Inspected,
            _ => Mark::None,
        };
        Ok(Self { verb, mark })
    }
}

impl Step {
    fn message(&self) -> Option<&Message> {
        match self {
            Self::Send(message) | Self::SendCut(message, _) => Some(message),
            Self::ServerHandlesOne | Self::ServerDelivers(_) | Self::Settle => None,
        }
    }
}

impl Name {
    fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Unnamed => b"",
            Self::A => b"a",
            Self::B => b"b",
        }
    }

    fn word(self) -> &'static str {
        match self {
            // SQL has no name for it.
            Self::Unnamed | Self::A => "a",
            Self::B => "b",
        }
    }
}

impl Command {
    fn text(&self) -> String {
        let verb = match &self.verb {
            Verb::Select(rows) => format!("select {}", rows % 4),
            Verb::Update => "update".to_owned(),
            Verb::Fail => "fail".to_owned(),
            Verb::Bad => "bad".to_owned(),
            Verb::Begin => "begin".to_owned(),
            Verb::Commit => "commit".to_owned(),
            Verb::Rollback => "rollback".to_owned(),
            Verb::Prepare(name, rows) => format!("prepare {} select {}", name.word(), rows % 4),
            Verb::Deallocate(name) => format!("deallocate {}", name.word()),
            Verb::DeallocateAll => "deallocate *".to_owned(),
            Verb::Set => "set x".to_owned(),
            Verb::CopyIn => "copyin".to_owned(),
            Verb::CopyOut(rows) => format!("copyout {}", rows % 4),
        };
        let mark = match self.mark {
            Mark::None => "",
            Mark::RefusedAtOnce => " !",
            Mark::RefusedWhenBound => " ?",
            Mark::RefusedWhenRun => " ~",
            Mark::Inspected => " #",
        };
        verb + mark
    }
}

fn text(commands: &[Command]) -> String {
    commands.iter().map(Command::text).collect::<Vec<_>>().join(";")
}

impl Message {
    fn bytes(&self, copies: bool) -> Vec<u8> {
        let named = |tag, kind: &[u8], name: &Name| wire::texts(tag, &[&[kind, name.as_bytes()].concat()]);
        match self {
            Self::Query(commands, data) => {
                let query = wire::texts(b'Q', &[text(commands).as_bytes()]);
                query.into_iter().chain(data.iter().flat_map(Data::bytes)).collect()
            }
            Self::Parse(name, commands) => {
                let body = [name.as_bytes(), b"\0", text(commands).as_bytes(), b"\0\0\0"].concat();
                wire::message(b'P', &body)
            }
            Self::Bind { portal, statement } => {
                let body = [portal.as_bytes(), b"\0", statement.as_bytes(), b"\0\0\0\0\0\0\0"].concat();
                wire::message(b'B', &body)
            }
            Self::DescribeStatement(name) => named(b'D', b"S", name),
            Self::DescribePortal(name) => named(b'D', b"P", name),
            Self::Execute { portal, rows_max, data } => {
                let body = [portal.as_bytes(), b"\0", &u32::from(rows_max % 4).to_be_bytes()].concat();
                let data = if copies { data.bytes() } else { vec![] };
                [wire::message(b'E', &body), data].concat()
            }
            Self::CloseStatement(name) => named(b'C', b"S", name),
            Self::ClosePortal(name) => named(b'C', b"P", name),
            Self::FunctionCall(function) => {
                wire::message(b'F', &[&function.to_be_bytes()[..], b"\0\0\0\0\0\0"].concat())
            }
            Self::Flush => wire::message(b'H', b""),
            Self::Sync => wire::message(b'S', b""),
            Self::Data(data) => data.bytes(),
        }
    }
}

impl Data {
    fn bytes(&self) -> Vec<u8> {
        let sync = if self.sync { wire::message(b'S', b"") } else { vec![] };
        let rows = self.rows.iter().flat_map(|row| match row {
            Row::Good => wire::message(b'd', b"a|b\n"),
            Row::Long => wire::message(b'd', &[b'x'; 1000]),
            Row::Bad => wire::message(b'd', b"bad\n"),
        });
        let end = match self.ends {
            DataEnd::Done => wire::message(b'c', b""),
            DataEnd::Fail => wire::texts(b'f', &[b"never mind"]),
        };
        sync.into_iter().chain(rows).chain(end).collect()
    }
}

impl Session {
    /// Plays it through the relay; what the client got.
    ///
    /// # Panics
    /// When the relay complains about a client and a server that keep to the protocol, or breaks a rule of its own.
    pub fn through_relay(&self) -> Vec<String> {
        const ORDERLY: &str = "both sides keep to the protocol";
        let copies = self.prepares_copies();
        let mut play = Play::new();
        let mut unsent = Vec::new();
        let mut send = |play: &mut Play, message: &Message, left: usize| {
            unsent.extend(message.bytes(copies));
            let now: Vec<u8> = unsent.drain(..unsent.len().saturating_sub(left)).collect();
            play.client_sends(&now).expect(ORDERLY);
        };
        for step in self.meaningful() {
            match step {
                Step::Send(message) => send(&mut play, message, 0),
                Step::SendCut(message, left) => send(&mut play, message, *left),
                Step::ServerHandlesOne => play.server_handles_one(),
                Step::ServerDelivers(count) => play.server_delivers(*count).expect(ORDERLY),
                Step::Settle => play.run_dry(usize::MAX).expect(ORDERLY),
            }
        }
        send(&mut play, &Message::Sync, 0);
        play.run_dry(usize::MAX).expect(ORDERLY);
        play.check_settled();
        transcript(play.received)
    }

    /// The unnamed statement is bound only where it was prepared just before, as drivers do: what it is after an error, the
    /// relay does not try to know.
    fn meaningful(&self) -> impl Iterator<Item = &Step> {
        let mut unnamed_is_fresh = false;
        self.steps.iter().filter(move |step| match step.message() {
            Some(Message::Bind { statement: Name::Unnamed, .. }) => unnamed_is_fresh,
            Some(Message::Parse(Name::Unnamed, _)) => {
                unnamed_is_fresh = true;
                true
            }
            Some(Message::Query(..) | Message::FunctionCall(_) | Message::Sync | Message::Data(_)) => {
                unnamed_is_fresh = false;
                true
            }
            _ => true,
        })
    }

    fn prepares_copies(&self) -> bool {
        self.meaningful().filter_map(Step::message).any(Message::prepares_copy)
    }

    /// What the client would get from a server that judged by itself.
    pub fn direct(&self) -> Vec<String> {
        let mut server = Server::new(Policy::Rule);
        for message in self.meaningful().filter_map(Step::message).chain([&Message::Sync]) {
            for message in wire::take_messages(&mut message.bytes(self.prepares_copies())) {
                server.handle(&message);
            }
        }
        transcript(server.take_sent())
    }
}
