//! A client that sends exactly the bytes a test wants, and reads message by message (manual: "Message Formats"). It knows
//! how messages are framed and nothing of what they mean.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use grille_harness::tls::client_config;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

/// Longest wait for a message: none of the answers a test waits for takes that long.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Longest message read.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// SSLRequest.
pub const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// GSSENCRequest.
pub const GSSENC_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30];

/// Protocol 3.0.
pub const PROTOCOL_3_0: u32 = 3 << 16;

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A message from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its type byte.
    pub tag: char,
    /// What follows the length.
    pub body: Vec<u8>,
}

impl Message {
    /// Everything readable in it, for comparing with `contains`, but for a correlation id: that is random, and its digits may be those of
    /// what is looked for.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.clone().without_correlation().body).replace('\0', "\n")
    }

    /// With dots for the correlation id with which Grille's errors end, in their DETAIL.
    pub fn without_correlation(mut self) -> Self {
        let at = self.body.windows(CORRELATION.len()).position(|window| window == CORRELATION);
        if let Some(at) = at.filter(|_| matches!(self.tag, 'E' | 'N')) {
            let id = self.body[at + CORRELATION.len()..].iter_mut();
            id.take_while(|byte| **byte != 0).for_each(|byte| *byte = b'.');
        }
        self
    }

    /// A field of an ErrorResponse or NoticeResponse.
    pub fn field(&self, code: char) -> Option<String> {
        self.text().lines().find_map(|line| line.strip_prefix(code).map(str::to_owned))
    }
}

/// What stands before a correlation id.
const CORRELATION: &[u8] = b"Grille correlation id ";

/// A connection.
pub struct Raw {
    tcp: TcpStream,
    stream: Box<dyn Stream>,
}

impl Raw {
    /// Connects to a port on 127.0.0.1, and sends nothing.
    ///
    /// # Errors
    /// When nothing listens.
    pub fn connect(port: u16) -> anyhow::Result<Self> {
        let tcp = TcpStream::connect(("127.0.0.1", port))?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self { stream: Box::new(tcp.try_clone()?), tcp })
    }

    /// Begins TLS on what is connected. `alpn` is offered if it is not empty.
    ///
    /// # Errors
    /// When the handshake fails.
    pub fn start_tls(self, ca: &Path, alpn: &[u8]) -> anyhow::Result<Self> {
        let mut config = client_config(ca)?;
        if !alpn.is_empty() {
            config.alpn_protocols = vec![alpn.to_vec()];
        }
        let name = ServerName::try_from("localhost")?;
        let mut tls = StreamOwned::new(ClientConnection::new(Arc::new(config), name)?, self.tcp.try_clone()?);
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock)?;
        }
        Ok(Self { tcp: self.tcp, stream: Box::new(tls) })
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(bytes)?;
        Ok(self.stream.flush()?)
    }

    /// Sends bytes one at a time, each in a packet of its own.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send_slowly(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        bytes.iter().try_for_each(|byte| self.send(&[*byte]))
    }

    /// Says that nothing more will be sent.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn half_close(&self) -> anyhow::Result<()> {
        Ok(self.tcp.shutdown(Shutdown::Write)?)
    }

    /// One byte: the answer to a request for encryption. `None` when the server closed instead.
    ///
    /// # Errors
    /// When nothing comes in time.
    pub fn byte(&mut self) -> anyhow::Result<Option<u8>> {
        let mut byte = [0];
        Ok(self.fill(&mut byte)?.then_some(byte[0]))
    }

    /// The next message. `None` when the server closed the connection.
    ///
    /// # Errors
    /// When nothing comes in time, or no message.
    pub fn message(&mut self) -> anyhow::Result<Option<Message>> {
        let mut header = [0; 5];
        if !self.fill(&mut header)? {
            return Ok(None);
        }
        let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        ensure!((4..=MESSAGE_BYTES_MAX).contains(&length), "a message of {length} bytes");
        let mut body = vec![0; length - 4];
        ensure!(self.fill(&mut body)?, "the connection ended inside a message");
        Ok(Some(Message { tag: char::from(header[0]), body }))
    }

    /// Messages up to and with the first of type `tag`; fails if the server closes before.
    ///
    /// # Errors
    /// See [`Raw::message`].
    pub fn until(&mut self, tag: char) -> anyhow::Result<Vec<Message>> {
        let mut messages = Vec::new();
        loop {
            let message = self.message()?.with_context(|| format!("closed before {tag}: {messages:?}"))?;
            let last = message.tag == tag;
            messages.push(message);
            if last {
                return Ok(messages);
            }
        }
    }

    /// All messages until the server closes the connection.
    ///
    /// # Errors
    /// When it does not close in time.
    pub fn until_closed(&mut self) -> anyhow::Result<Vec<Message>> {
        let mut messages = Vec::new();
        while let Some(message) = self.message()? {
            messages.push(message);
        }
        Ok(messages)
    }

    /// Logs in with a token, and reads up to the first ReadyForQuery.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn log_in(&mut self, database: &str, token: &str) -> anyhow::Result<Vec<Message>> {
        self.log_in_as("raw", database, token)
    }

    /// The same as a certain user: PostgreSQL itself cares.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn log_in_as(&mut self, user: &str, database: &str, password: &str) -> anyhow::Result<Vec<Message>> {
        self.log_in_with(&[("user", user), ("database", database)], password)
    }

    /// The same with all startup parameters named.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn log_in_with(
        &mut self,
        parameters: &[(&str, &str)],
        password: &str,
    ) -> anyhow::Result<Vec<Message>> {
        self.send(&startup(PROTOCOL_3_0, parameters))?;
        let asked = self.until('R')?;
        ensure!(asked.last().is_some_and(|message| message.body == 3_u32.to_be_bytes()), "{asked:?}");
        self.send(&message('p', &text(password)))?;
        self.until('Z')
    }

    /// Reads up to and with the first message of type `tag` without keeping bodies, however long they are; how many messages
    /// of each type there were, and bytes in all.
    ///
    /// # Errors
    /// When the server closes before, or nothing comes in time.
    pub fn skim_until(&mut self, tag: char) -> anyhow::Result<(BTreeMap<char, u64>, u64)> {
        let (mut counts, mut bytes) = (BTreeMap::new(), 0);
        let mut buffer = vec![0; 1 << 16];
        loop {
            let mut header = [0; 5];
            ensure!(self.fill(&mut header)?, "closed before {tag}: {counts:?}");
            let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
            ensure!(length >= 4, "a message of {length} bytes");
            let mut left = length - 4;
            while left > 0 {
                let part = left.min(buffer.len());
                ensure!(self.fill(&mut buffer[..part])?, "the connection ended inside a message");
                left -= part;
            }
            bytes += 1 + length as u64;
            *counts.entry(char::from(header[0])).or_default() += 1;
            if char::from(header[0]) == tag {
                return Ok((counts, bytes));
            }
        }
    }

    /// Sends as much of `bytes` as goes out while no more than `patience` passes without progress; how much that was.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send_what_fits(&mut self, bytes: &[u8], patience: Duration) -> anyhow::Result<usize> {
        self.tcp.set_write_timeout(Some(patience))?;
        let mut sent = 0;
        while sent < bytes.len() {
            match self.tcp.write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.tcp.set_write_timeout(None)?;
        Ok(sent)
    }

    /// Runs a simple query and reads up to ReadyForQuery.
    ///
    /// # Errors
    /// When the connection ends.
    pub fn query(&mut self, sql: &str) -> anyhow::Result<Vec<Message>> {
        self.send(&query(sql))?;
        self.until('Z')
    }

    /// Fills `buffer`; false when the connection ended before its first byte.
    fn fill(&mut self, buffer: &mut [u8]) -> anyhow::Result<bool> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.stream.read(&mut buffer[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => anyhow::bail!("the connection ended inside a message"),
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A server that closes with our bytes unread resets, and one that ends TLS in a hurry skips its farewell.
                Err(error)
                    if filled == 0
                        && matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) =>
                {
                    return Ok(false);
                }
                Err(error) => return Err(error).context("nothing came"),
            }
        }
        Ok(true)
    }
}

/// A StartupMessage.
pub fn startup(version: u32, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    for (name, value) in parameters {
        body.extend(text(name));
        body.extend(text(value));
    }
    body.push(0);
    with_length(&body)
}

/// A message of any type.
pub fn message(tag: char, body: &[u8]) -> Vec<u8> {
    let mut message = vec![tag as u8];
    message.extend(with_length(body));
    message
}

/// A text with the zero byte that ends it.
pub fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

/// Query.
pub fn query(sql: &str) -> Vec<u8> {
    message('Q', &text(sql))
}

/// Parse, Bind and Execute of an unnamed statement without parameters, results in text. Sync is the caller's.
pub fn extended(sql: &str) -> Vec<u8> {
    [parse("", sql), bind("", ""), execute("", 0)].concat()
}

/// Parse of a statement without parameters.
pub fn parse(name: &str, sql: &str) -> Vec<u8> {
    message('P', &[text(name), text(sql), vec![0, 0]].concat())
}

/// Bind without parameters, results in text.
pub fn bind(portal: &str, statement: &str) -> Vec<u8> {
    message('B', &[text(portal), text(statement), vec![0; 6]].concat())
}

/// Execute of at most `rows_max` rows; 0 for all of them.
pub fn execute(portal: &str, rows_max: u32) -> Vec<u8> {
    message('E', &[text(portal), rows_max.to_be_bytes().to_vec()].concat())
}

/// Describe of a statement (`S`) or a portal (`P`).
pub fn describe(kind: char, name: &str) -> Vec<u8> {
    message('D', &[vec![kind as u8], text(name)].concat())
}

/// Close of a statement (`S`) or a portal (`P`).
pub fn close(kind: char, name: &str) -> Vec<u8> {
    message('C', &[vec![kind as u8], text(name)].concat())
}

/// Sync.
pub fn sync() -> Vec<u8> {
    message('S', &[])
}

/// The type bytes of messages, in order.
pub fn tags(messages: &[Message]) -> String {
    messages.iter().map(|message| message.tag).collect()
}

/// The first ErrorResponse.
///
/// # Errors
/// When there is none.
pub fn error(messages: &[Message]) -> anyhow::Result<&Message> {
    messages.iter().find(|message| message.tag == 'E').with_context(|| format!("no error in {messages:?}"))
}

fn with_length(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("a test's message is short");
    [&length.to_be_bytes(), body].concat()
}
