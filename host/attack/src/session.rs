//! One session with a server: messages out, messages in, bounded in bytes and time. Nothing here knows what they mean.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use grille_wire::postgres::HEADER_BYTES;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use crate::message;

/// Longest message that is read: no answer of the scratch databases comes near it.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// Most bytes of one answer, up to its last ReadyForQuery.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Longest wait for an answer. A statement here takes milliseconds; a busy machine may take a thousand times as long.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A session, open for messages.
#[derive(Debug)]
pub struct Session<S> {
    stream: S,
    received: BytesMut,
}

/// A session that cannot go on, through no doing of the server's protocol.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[source] io::Error),
    /// The server answered with more than is read.
    #[error("the server's answer is too long")]
    TooLong,
    /// Only the tool's own statements are told of.
    #[error("the server said {state}: {message}")]
    Refused {
        /// SQLSTATE.
        state: String,
        /// The primary message.
        message: String,
    },
    /// The server did not answer in time, or closed the connection.
    #[error("the server did not answer")]
    NoAnswer,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With as many ReadyForQuery as were asked for.
    Ready,
    /// The server closed the connection.
    Closed,
    /// Nothing more came in time.
    TimedOut,
}

/// How far an answer is read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// Up to the so manieth ReadyForQuery.
    Ready(usize),
    /// Up to the first request for authentication.
    Authentication,
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Whole messages, headers included.
    pub(crate) messages: Vec<Bytes>,
    pub(crate) ending: Ending,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// A session on a connection whose server has said ReadyForQuery; `received` was read behind that.
    pub fn new(stream: S, received: BytesMut) -> Self {
        Self { stream, received }
    }

    /// Runs statements of the tool's own, in one simple query.
    ///
    /// # Errors
    /// The server's first error; the session then still answers.
    pub async fn run(&mut self, sql: &str) -> Result<(), SessionError> {
        self.rows(sql).await.map(drop)
    }

    /// The same, with the first column of the rows as text.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn rows(&mut self, sql: &str) -> Result<Vec<String>, SessionError> {
        let mut out = Vec::new();
        message::query(&mut out, sql);
        let answer = self.ask(&out, Until::Ready(1), None).await?;
        if let Some(error) = answer.messages.iter().find(|message| message[0] == b'E') {
            return Err(refusal(error));
        }
        match answer.ending {
            Ending::Ready => Ok(answer.messages.iter().filter_map(|message| first_cell(message)).collect()),
            Ending::Closed | Ending::TimedOut => Err(SessionError::NoAnswer),
        }
    }

    /// Sends `bytes` and reads as far as `until`, or until the server closes or is silent for too long. Where the server asks
    /// for data (CopyInResponse) it gets `copy`, or is told that there is none.
    pub(crate) async fn ask(
        &mut self,
        bytes: &[u8],
        until: Until,
        copy: Option<&str>,
    ) -> Result<Answer, SessionError> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let mut answer = Answer { messages: Vec::new(), ending: Ending::Ready };
        if !self.send(bytes).await? {
            answer.ending = Ending::Closed;
            return Ok(answer);
        }
        let (mut wanted, mut total) = (until, 0);
        while !matches!(wanted, Until::Ready(0)) {
            let message = match timeout_at(deadline, self.message()).await {
                Ok(message) => message?,
                Err(_) => {
                    answer.ending = Ending::TimedOut;
                    break;
                }
            };
            let Some(message) = message else {
                answer.ending = Ending::Closed;
                break;
            };
            total += message.len();
            if total > ANSWER_BYTES_MAX {
                return Err(SessionError::TooLong);
            }
            match (message[0], wanted) {
                (b'Z', Until::Ready(left)) => wanted = Until::Ready(left - 1),
                (b'R', Until::Authentication) => wanted = Until::Ready(0),
                (b'G', _) => self.give(copy).await?,
                _ => {}
            }
            answer.messages.push(message);
        }
        Ok(answer)
    }

    async fn give(&mut self, copy: Option<&str>) -> Result<(), SessionError> {
        let mut out = Vec::new();
        match copy {
            Some(data) => message::copy_in(&mut out, data),
            None => message::copy_fail(&mut out),
        }
        self.send(&out).await.map(drop)
    }

    /// Sends bytes; false when the server has closed.
    async fn send(&mut self, bytes: &[u8]) -> Result<bool, SessionError> {
        let sent = match self.stream.write_all(bytes).await {
            Ok(()) => self.stream.flush().await,
            Err(error) => Err(error),
        };
        match sent {
            Ok(()) => Ok(true),
            Err(error) if is_closed(&error) => Ok(false),
            Err(error) => Err(SessionError::Broken(error)),
        }
    }

    /// The next whole message; none when the server has closed.
    pub(crate) async fn message(&mut self) -> Result<Option<Bytes>, SessionError> {
        loop {
            if let Some(message) = self.take()? {
                return Ok(Some(message));
            }
            match self.stream.read_buf(&mut self.received).await {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) if is_closed(&error) => return Ok(None),
                Err(error) => return Err(SessionError::Broken(error)),
            }
        }
    }

    /// Takes a message off what was received, if it is there in full.
    fn take(&mut self) -> Result<Option<Bytes>, SessionError> {
        let [_, a, b, c, d, ..] = self.received[..] else { return Ok(None) };
        let total = u32::from_be_bytes([a, b, c, d]) as usize + 1;
        if !(HEADER_BYTES..=MESSAGE_BYTES_MAX).contains(&total) {
            return Err(SessionError::TooLong);
        }
        Ok((self.received.len() >= total).then(|| self.received.split_to(total).freeze()))
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof
    )
}

/// What an ErrorResponse says.
pub(crate) fn refusal(message: &[u8]) -> SessionError {
    let field = |wanted| {
        let found = grille_wire::postgres::report_fields(message).find(|(code, _)| *code == wanted);
        found.map(|(_, text)| String::from_utf8_lossy(text).into_owned()).unwrap_or_default()
    };
    SessionError::Refused { state: field(b'C'), message: field(b'M') }
}

/// The first cell of a DataRow.
fn first_cell(message: &[u8]) -> Option<String> {
    let body = message.strip_prefix(b"D")?.get(HEADER_BYTES - 1 + 2..)?;
    let (length, rest) = body.split_first_chunk::<4>()?;
    let cell = rest.get(..usize::try_from(i32::from_be_bytes(*length)).ok()?)?;
    Some(String::from_utf8_lossy(cell).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is asked of a server that sends `said` and closes.
    async fn answer(said: &[u8], readies: usize) -> Result<Answer, SessionError> {
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        theirs.write_all(said).await.expect("room for what is said");
        let server = tokio::spawn(async move {
            let mut heard = Vec::new();
            theirs.shutdown().await.expect("an end");
            theirs.read_to_end(&mut heard).await.expect("an end");
        });
        let answer = Session::new(ours, BytesMut::new()).ask(b"X", Until::Ready(readies), None).await;
        server.await.expect("the server ends");
        answer
    }

    #[tokio::test]
    async fn an_answer_ends_with_ready_or_the_connection() {
        let ready = b"Z\0\0\0\x05I";
        let answered = answer(&[&ready[..], ready].concat(), 2).await.expect("an answer");
        assert_eq!((answered.messages.len(), answered.ending), (2, Ending::Ready));
        let answered = answer(ready, 2).await.expect("an answer");
        assert_eq!((answered.messages.len(), answered.ending), (1, Ending::Closed));
        assert_eq!(answer(b"Z\0\0", 1).await.expect("an answer").ending, Ending::Closed);
    }

    #[tokio::test]
    async fn impossible_lengths_are_refused() {
        for said in [b"Z\0\0\0\x03".as_slice(), b"Z\xff\xff\xff\xff", b"Z\x00\x7f\xff\xff"] {
            assert!(matches!(answer(said, 1).await, Err(SessionError::TooLong)), "{said:?}");
        }
    }

    #[tokio::test]
    async fn the_tool_reads_rows_and_errors() {
        let row = b"D\0\0\0\x0c\0\x01\0\0\0\x02ab";
        assert_eq!(first_cell(row).as_deref(), Some("ab"));
        assert_eq!(first_cell(b"D\0\0\0\x0a\0\x01\xff\xff\xff\xff"), None);
        let error = refusal(b"E\0\0\0\x0fC42501\0Mno\0\0");
        assert_eq!(error.to_string(), "the server said 42501: no");
    }
}
