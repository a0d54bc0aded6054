//! Generator of sessions: what a client sends, and when what of it arrives.

use arbitrary::Arbitrary;

use crate::play::{Play, transcript};
use crate::server::{Policy, Server};
use crate::wire;

/// A session.
#[derive(Arbitrary, Debug)]
pub struct Session {
    messages: Vec<Message>,
    schedule: Vec<Move>,
}

/// One message of the client.
#[derive(Arbitrary, Debug)]
enum Message {
    Query(Vec<Command>),
    Parse(Name, Vec<Command>),
    Bind { portal: Name, statement: Name },
    DescribeStatement(Name),
    DescribePortal(Name),
    Execute { portal: Name, rows_max: u8 },
    CloseStatement(Name),
    ClosePortal(Name),
    FunctionCall,
    Flush,
    Sync,
}

/// Few names, so that they meet.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Name {
    Unnamed,
    A,
    B,
}

/// A statement of the model server's language, but for those that change how statements are read: behind them the relay
/// refuses what a server would not.
#[derive(Arbitrary, Debug)]
struct Command {
    verb: Verb,
    mark: Mark,
}

#[derive(Arbitrary, Debug)]
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
}

#[derive(Arbitrary, Debug)]
enum Mark {
    None,
    RefusedAtOnce,
    RefusedWhenBound,
    RefusedWhenRun,
    Inspected,
}

/// What happens next.
#[derive(Arbitrary, Debug)]
enum Move {
    ClientSends(u8),
    ServerHandlesOne,
    ServerDelivers(u8),
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
    fn bytes(&self) -> Vec<u8> {
        let named = |tag, kind: &[u8], name: &Name| wire::texts(tag, &[&[kind, name.as_bytes()].concat()]);
        match self {
            Self::Query(commands) => wire::texts(b'Q', &[text(commands).as_bytes()]),
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
            Self::Execute { portal, rows_max } => {
                let body = [portal.as_bytes(), b"\0", &u32::from(rows_max % 4).to_be_bytes()].concat();
                wire::message(b'E', &body)
            }
            Self::CloseStatement(name) => named(b'C', b"S", name),
            Self::ClosePortal(name) => named(b'C', b"P", name),
            Self::FunctionCall => wire::message(b'F', b"\0\0\0\x01\0\0\0\0\0\0"),
            Self::Flush => wire::message(b'H', b""),
            Self::Sync => wire::message(b'S', b""),
        }
    }
}

impl Session {
    /// All the client sends, with a Sync at its end. The unnamed statement is bound only where it was prepared just
    /// before, as drivers do: what it is after an error, the relay does not try to know.
    fn messages(&self) -> Vec<Vec<u8>> {
        let mut unnamed_is_fresh = false;
        let sent = self.messages.iter().chain([&Message::Sync]).filter(|message| match message {
            Message::Bind { statement: Name::Unnamed, .. } => unnamed_is_fresh,
            Message::Parse(Name::Unnamed, _) => {
                unnamed_is_fresh = true;
                true
            }
            Message::Query(_) | Message::FunctionCall | Message::Sync => {
                unnamed_is_fresh = false;
                true
            }
            _ => true,
        });
        sent.map(Message::bytes).collect()
    }

    /// Plays it through the relay; what the client got.
    ///
    /// # Panics
    /// When the relay complains about a client and a server that keep to the protocol, or breaks a rule of its own.
    pub fn through_relay(&self) -> Vec<String> {
        const ORDERLY: &str = "both sides keep to the protocol";
        let mut play = Play::new();
        let bytes = self.messages().concat();
        let mut unsent = bytes.as_slice();
        for step in &self.schedule {
            match step {
                Move::ClientSends(count) => {
                    let (now, later) = unsent.split_at(usize::from(*count).min(unsent.len()));
                    play.client_sends(now).expect(ORDERLY);
                    unsent = later;
                }
                Move::ServerHandlesOne => play.server_handles_one(),
                Move::ServerDelivers(count) => play.server_delivers((*count).into()).expect(ORDERLY),
            }
        }
        play.client_sends(unsent).expect(ORDERLY);
        play.run_dry(usize::MAX).expect(ORDERLY);
        play.check_settled();
        transcript(play.received)
    }

    /// What the client would get from a server that judged by itself.
    pub fn direct(&self) -> Vec<String> {
        let mut server = Server::new(Policy::Rule);
        for message in self.messages() {
            server.handle(&message);
        }
        transcript(server.take_sent())
    }
}
