//! A wire between clients and Grille that looks at every byte on its way to the clients: how many rows there were, and how
//! often a text that must not be there.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use memchr::memmem::Finder;

/// Most bytes taken at once.
const CHUNK_BYTES: usize = 64 << 10;

/// The type byte and the length of a message (manual: "Message Formats").
const HEADER_BYTES: usize = 5;

/// The type byte of DataRow.
const DATA_ROW: u8 = b'D';

/// A listener on 127.0.0.1 whose connections go on to another port. Its threads end with their connections, and the one that
/// accepts with the process.
pub(crate) struct Tap {
    port: u16,
    seen: Arc<Seen>,
}

/// What has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    /// DataRow messages.
    pub(crate) rows: u64,
    /// Times the marker was in them or elsewhere.
    pub(crate) marked: u64,
    pub(crate) bytes: u64,
}

struct Seen {
    marker: Finder<'static>,
    rows: AtomicU64,
    marked: AtomicU64,
    bytes: AtomicU64,
}

impl Tap {
    /// Begins to pass connections on to `target` on 127.0.0.1.
    pub(crate) fn start(target: u16, marker: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let seen = Arc::new(Seen {
            marker: Finder::new(marker).into_owned(),
            rows: AtomicU64::new(0),
            marked: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        });
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A client that cannot be passed on is closed, and says so itself.
                let _ = pass_on(client, target, &shared);
            }
        });
        Ok(Self { port, seen })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What has passed so far.
    pub(crate) fn passed(&self) -> Passed {
        Passed {
            rows: self.seen.rows.load(Ordering::Relaxed),
            marked: self.seen.marked.load(Ordering::Relaxed),
            bytes: self.seen.bytes.load(Ordering::Relaxed),
        }
    }
}

fn pass_on(client: TcpStream, target: u16, seen: &Arc<Seen>) -> anyhow::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", target))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || copy(from_client, to_server, |_| ()));
    let mut watch = Watch::new(Arc::clone(seen));
    thread::spawn(move || copy(server, client, move |chunk| watch.look(chunk)));
    Ok(())
}

/// Until one side is closed; what is said then is the peers' matter.
fn copy(mut from: TcpStream, mut to: TcpStream, mut look: impl FnMut(&[u8])) {
    let mut buffer = vec![0; CHUNK_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        look(&buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// What is kept of one connection from chunk to chunk.
struct Watch {
    seen: Arc<Seen>,
    /// The end of what has passed, too short to hold the marker.
    end: Vec<u8>,
    header: Vec<u8>,
    /// Bytes until the next header.
    body: usize,
}

impl Watch {
    fn new(seen: Arc<Seen>) -> Self {
        Self { seen, end: Vec::new(), header: Vec::new(), body: 0 }
    }

    fn look(&mut self, chunk: &[u8]) {
        let marked = self.marked(chunk);
        let rows = self.rows(chunk);
        self.seen.marked.fetch_add(marked, Ordering::Relaxed);
        self.seen.rows.fetch_add(rows, Ordering::Relaxed);
        self.seen.bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
    }

    fn marked(&mut self, chunk: &[u8]) -> u64 {
        self.end.extend_from_slice(chunk);
        let count = self.seen.marker.find_iter(&self.end).count() as u64;
        let kept = self.seen.marker.needle().len().saturating_sub(1).min(self.end.len());
        self.end.drain(..self.end.len() - kept);
        count
    }

    fn rows(&mut self, mut chunk: &[u8]) -> u64 {
        let mut rows = 0;
        while !chunk.is_empty() {
            let skipped = self.body.min(chunk.len());
            self.body -= skipped;
            chunk = &chunk[skipped..];
            let taken = (HEADER_BYTES - self.header.len()).min(chunk.len());
            self.header.extend_from_slice(&chunk[..taken]);
            chunk = &chunk[taken..];
            if let [kind, length @ ..] = &self.header[..]
                && let Ok(length) = <[u8; 4]>::try_from(length)
            {
                rows += u64::from(*kind == DATA_ROW);
                self.body = (u32::from_be_bytes(length) as usize).saturating_sub(4);
                self.header.clear();
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Watch {
        Watch::new(Arc::new(Seen {
            marker: Finder::new("marker").into_owned(),
            rows: AtomicU64::new(0),
            marked: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }))
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).expect("a short message").to_be_bytes();
        [&[kind][..], &length, body].concat()
    }

    #[test]
    fn rows_and_markers_are_counted_however_they_are_cut() {
        let stream = [
            message(b'T', b"Ddescription"),
            message(b'D', b"a marker, and a markermarker"),
            message(b'D', b""),
            message(b'Z', b"I"),
        ]
        .concat();
        for size in 1..=stream.len() {
            let mut watch = watch();
            stream.chunks(size).for_each(|chunk| watch.look(chunk));
            let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            let seen = &watch.seen;
            assert_eq!(
                [count(&seen.rows), count(&seen.marked), count(&seen.bytes)],
                [2, 3, stream.len() as u64],
                "in chunks of {size}"
            );
        }
    }

    #[test]
    fn what_passes_arrives_and_is_counted() {
        let server = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = server.local_addr().expect("an address").port();
        let tap = Tap::start(port, "marker").expect("a tap");
        let mut client = TcpStream::connect(("127.0.0.1", tap.port())).expect("it listens");
        let (mut served, _) = server.accept().expect("a connection");
        client.write_all(b"a marker from the client").expect("it is sent");
        client.shutdown(Shutdown::Write).expect("it is told");
        let mut asked = String::new();
        served.read_to_string(&mut asked).expect("it arrives");
        served.write_all(&message(b'D', b"a marker")).expect("it is sent");
        drop(served);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).expect("it arrives");
        assert_eq!((asked.as_str(), answer.len()), ("a marker from the client", 13));
        assert_eq!(tap.passed(), Passed { rows: 1, marked: 1, bytes: 13 });
    }
}
