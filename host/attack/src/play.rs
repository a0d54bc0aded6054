//! Playing a script: messages out over one session or two, everything that came back in order.

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::attempt::{Play, Step, Way};
use crate::canary::Known;
use crate::door::{Door, OpenError};
use crate::message::{self, Frontend};
use crate::normal::Normal;
use crate::session::{Answer, Ending, Session, SessionError, Until, refusal};

/// What came back from a script.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    /// What the servers said, in the order of the steps; what they said at the beginning of a session only where the script
    /// asked for that session.
    pub(crate) messages: Vec<Bytes>,
    /// Everything that was sent, to tell the client's own words from an answer.
    pub(crate) sent: Vec<u8>,
    /// How the steps ended.
    pub(crate) endings: Vec<Ending>,
}

impl Transcript {
    /// The messages without what may differ from run to run.
    pub(crate) fn normal(&self) -> Vec<Vec<u8>> {
        let mut normal = Normal::default();
        self.messages.iter().map(|message| normal.message(message)).collect()
    }

    /// The same without what Grille cannot know of an error.
    pub(crate) fn without_source(&self) -> Vec<Vec<u8>> {
        let mut normal = Normal::default();
        self.messages.iter().map(|message| normal.without_source(message)).collect()
    }

    /// Whether the server refused anything, or ended a session.
    pub(crate) fn has_refusal(&self) -> bool {
        self.messages.iter().any(|message| message[0] == b'E') || self.endings.contains(&Ending::Closed)
    }

    /// Whether some answer never came.
    pub(crate) fn is_cut_short(&self) -> bool {
        self.endings.contains(&Ending::TimedOut)
    }

    fn take(&mut self, answer: Answer) {
        self.messages.extend(answer.messages);
        self.endings.push(answer.ending);
    }
}

/// Plays `play` in one of its ways in `database`.
///
/// # Errors
/// When a session could not be asked for; what a server refuses is part of the transcript.
pub(crate) async fn play<D: Door>(
    door: &D,
    database: &str,
    play: Play,
    way: Way,
    known: &Known,
) -> Result<Transcript, OpenError> {
    let transcript = Transcript::default();
    let mut player =
        Player { door, database, known, first: Line::Unopened, second: Line::Unopened, transcript };
    match play {
        Play::Query(sql) | Play::Statement(sql) => {
            player.first(&one_statement(&known.fill(sql), way), 1, None).await?;
        }
        Play::Script(steps) => {
            for step in steps {
                player.step(step).await?;
            }
        }
    }
    Ok(player.transcript)
}

/// A statement as messages that end with one ReadyForQuery.
fn one_statement(sql: &str, way: Way) -> Vec<u8> {
    use grille_wire::postgres::Format;
    let mut out = Vec::new();
    let mut extended = |format| {
        message::parse(&mut out, "", sql);
        message::bind(&mut out, "", "", &[] as &[&str], format);
        message::describe_portal(&mut out, "");
        message::execute(&mut out, "", 0);
        message::sync(&mut out);
    };
    match way {
        Way::Simple | Way::Script => message::query(&mut out, sql),
        Way::Extended => extended(Format::Text),
        Way::Binary => extended(Format::Binary),
        Way::Copy => message::query(&mut out, &format!("COPY ({sql}) TO STDOUT")),
    }
    out
}

/// A session of the script's.
enum Line<S> {
    /// Not needed so far.
    Unopened,
    /// Open.
    Open(Session<S>),
    /// The server ended it: what else the script would say there is not said.
    Ended,
}

struct Player<'p, D: Door> {
    door: &'p D,
    database: &'p str,
    known: &'p Known,
    first: Line<D::Stream>,
    second: Line<D::Stream>,
    transcript: Transcript,
}

impl<D: Door> Player<'_, D> {
    async fn step(&mut self, step: &Step) -> Result<(), OpenError> {
        match *step {
            Step::Send(messages) => self.first(&encode(messages, self.known), readies(messages), None).await,
            Step::Beside(messages) => self.second(&encode(messages, self.known), readies(messages)).await,
            Step::CopyIn { sql, data } => {
                let mut bytes = Vec::new();
                message::query(&mut bytes, &self.known.fill(sql));
                let data = self.known.fill(data);
                self.transcript.sent.extend_from_slice(data.as_bytes());
                self.first(&bytes, 1, Some(&data)).await
            }
            Step::Reopen(startup) => self.reopen(startup).await,
        }
    }

    async fn first(&mut self, bytes: &[u8], readies: usize, copy: Option<&str>) -> Result<(), OpenError> {
        if let Line::Unopened = self.first {
            self.first = Line::Open(self.open().await?);
        }
        Ok(talk(&mut self.first, bytes, readies, copy, &mut self.transcript).await?)
    }

    async fn second(&mut self, bytes: &[u8], readies: usize) -> Result<(), OpenError> {
        if let Line::Unopened = self.second {
            self.second = Line::Open(self.open().await?);
        }
        Ok(talk(&mut self.second, bytes, readies, None, &mut self.transcript).await?)
    }

    /// A session that the script asked for: how it begins is part of what came back.
    async fn reopen(&mut self, startup: &[(&str, &str)]) -> Result<(), OpenError> {
        let opened = self.door.open(self.database, startup).await?;
        let ending = if opened.session.is_some() { Ending::Ready } else { Ending::Closed };
        self.first = opened.session.map_or(Line::Ended, Line::Open);
        for (name, value) in startup {
            self.transcript.sent.extend_from_slice(name.as_bytes());
            self.transcript.sent.extend_from_slice(value.as_bytes());
        }
        self.transcript.take(Answer { messages: opened.greeting, ending });
        Ok(())
    }

    /// A session as any client opens it: it must open.
    async fn open(&self) -> Result<Session<D::Stream>, OpenError> {
        let opened = self.door.open(self.database, &[]).await?;
        opened.session.ok_or_else(|| {
            let reason = match opened.greeting.iter().find(|message| message[0] == b'E') {
                Some(error) => refusal(error).to_string(),
                None => "the connection was closed".to_owned(),
            };
            OpenError::LogIn { place: self.database.to_owned(), reason }
        })
    }
}

/// Says something on a line and writes down what comes back.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    line: &mut Line<S>,
    bytes: &[u8],
    readies: usize,
    copy: Option<&str>,
    transcript: &mut Transcript,
) -> Result<(), SessionError> {
    let Line::Open(session) = line else { return Ok(()) };
    transcript.sent.extend_from_slice(bytes);
    let answer = session.ask(bytes, Until::Ready(readies), copy).await?;
    if answer.ending != Ending::Ready {
        *line = Line::Ended;
    }
    transcript.take(answer);
    Ok(())
}

fn encode(messages: &[Frontend], known: &Known) -> Vec<u8> {
    let mut out = Vec::new();
    for message in messages {
        message.encode(known, &mut out);
    }
    out
}

fn readies(messages: &[Frontend]) -> usize {
    messages.iter().filter(|message| message.is_answered_by_ready()).count()
}
