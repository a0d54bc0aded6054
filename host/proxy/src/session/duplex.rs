//! Bytes in and out of both connections of a session at once, without a buffer of its own: what waits to be written lies in
//! the relay, and reading from one side stops while the other does not take what came.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use grille_wire::postgres::Relay;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use crate::transport::Transport;

/// Most bytes read at once. One buffer a thread serves all its sessions, so an idle session holds none.
const READ_BYTES: usize = 64 * 1024;
/// Once this much waits to be written to one side, nothing more is read from the other.
pub(super) const BUFFERED_BYTES_MAX: usize = 256 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// Both connections of a session.
#[derive(Debug)]
pub(super) struct Duplex {
    pub(super) client: Side,
    pub(super) upstream: Side,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Side {
    stream: Transport,
    /// The peer will send no more.
    pub(super) ended: bool,
    /// Something was written that TLS may still hold.
    unflushed: bool,
}

/// Which side an I/O error came from.
#[derive(Debug)]
pub(super) enum Broken {
    Client(io::Error),
    Upstream(io::Error),
}

impl Side {
    pub(super) fn new(stream: Transport) -> Self {
        Self { stream, ended: false, unflushed: false }
    }

    /// Writes all that waits, as far as the peer takes it. Ready once nothing waits, not even within TLS.
    fn poll_drain(&mut self, cx: &mut Context<'_>, waiting: &mut BytesMut) -> Poll<io::Result<()>> {
        while !waiting.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, waiting) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    waiting.advance(written);
                    self.unflushed = true;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        if self.unflushed {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                other => return other,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads and drops what comes until the peer has closed the connection.
    ///
    /// # Errors
    /// When it broke otherwise, so that nobody knows what the peer does.
    pub(super) async fn end(&mut self) -> io::Result<()> {
        while !self.ended {
            let filled = poll_fn(|cx| self.poll_fill(cx, |_| {})).await;
            match filled {
                Ok(()) => {}
                // It has closed without taking all that was sent, or without TLS's goodbye.
                Err(error)
                    if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) =>
                {
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what has come. Ready when something did, or the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>, feed: impl FnOnce(&[u8])) -> Poll<io::Result<()>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) => {
                    if buffer.filled().is_empty() {
                        self.ended = true;
                    } else {
                        feed(buffer.filled());
                    }
                    Poll::Ready(Ok(()))
                }
                other => other,
            }
        })
    }
}

impl Duplex {
    /// Moves bytes until some came, a side ended, or there is room again. Cancel safe: bytes are in the relay or not read.
    pub(super) async fn turn(&mut self, relay: &mut Relay) -> Result<(), Broken> {
        poll_fn(|cx| self.poll_turn(cx, relay)).await
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>, relay: &mut Relay) -> Poll<Result<(), Broken>> {
        let (client_full, upstream_full) = (is_full(&relay.to_client), is_full(&relay.to_upstream));
        let last_words = (self.client.ended || self.upstream.ended) && !relay.to_client.is_empty();
        if let Poll::Ready(Err(error)) = self.client.poll_drain(cx, &mut relay.to_client) {
            return Poll::Ready(Err(Broken::Client(error)));
        }
        if let Poll::Ready(Err(error)) = self.upstream.poll_drain(cx, &mut relay.to_upstream) {
            return Poll::Ready(Err(Broken::Upstream(error)));
        }
        let mut progress = client_full && !is_full(&relay.to_client)
            || upstream_full && !is_full(&relay.to_upstream)
            || last_words && relay.to_client.is_empty();
        if !self.upstream.ended && !is_full(&relay.to_client) {
            match self.upstream.poll_fill(cx, |bytes| relay.feed_upstream(bytes)) {
                Poll::Ready(Ok(())) => progress = true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Broken::Upstream(error))),
                Poll::Pending => {}
            }
        }
        if !self.client.ended && !is_full(&relay.to_upstream) && relay.wants_client_bytes() {
            match self.client.poll_fill(cx, |bytes| relay.feed_client(bytes)) {
                Poll::Ready(Ok(())) => progress = true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Broken::Client(error))),
                Poll::Pending => {}
            }
        }
        if progress { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Closes both connections, waiting at most `patience` for each.
    pub(super) async fn shutdown(&mut self, patience: Duration) {
        for side in [&mut self.client, &mut self.upstream] {
            // A peer that does not take the close is gone, which is what was wanted.
            let _ = timeout(patience, side.stream.shutdown()).await;
        }
    }

    /// Writes what waits for both sides. Not bounded in time: the caller sets a deadline.
    pub(super) async fn drain(&mut self, relay: &mut Relay) {
        poll_fn(|cx| {
            let client = self.client.poll_drain(cx, &mut relay.to_client);
            let upstream = self.upstream.poll_drain(cx, &mut relay.to_upstream);
            if client.is_ready() && upstream.is_ready() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

pub(super) fn is_full(waiting: &BytesMut) -> bool {
    waiting.len() >= BUFFERED_BYTES_MAX
}
