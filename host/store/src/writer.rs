//! What happens under the audit log's lock: numbering, serialising, writing, rotating, and remembering who waits for a sync.
//! No waiting and no thread here; `log` has both.

use std::sync::Arc;
use std::time::{Duration, Instant};

use grille_core::audit::{Event, FORMAT_VERSION, Record};
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use tokio::sync::oneshot;

use crate::AuditError;
use crate::segment::{Run, Segment, SegmentFile};

/// The longest record. Statements carry no literals here, so a longer one is a client that tries to fill the disk.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// The most completion records held in memory while they cannot be written; more are counted and dropped.
pub const COMPLETIONS_BYTES_MAX: usize = 4 << 20;

/// The longest a completion record waits in memory for a record that must be written at once.
pub const COMPLETION_DELAY_MAX: Duration = Duration::from_millis(50);

/// How long after a failure buffered completions are tried again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// A buffer that one large record made larger than this is given back.
const BUFFER_BYTES_KEPT: usize = 256 << 10;

/// RFC 3339 in UTC with microseconds.
const TIME: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

/// Someone who must not go on before the disk has confirmed a record.
pub(crate) struct Waiter {
    pub(crate) file: Arc<SegmentFile>,
    pub(crate) answer: oneshot::Sender<Result<(), AuditError>>,
}

/// The state under the lock.
pub(crate) struct Writer {
    run: Run,
    /// `None` when it cannot be trusted any more: the next write begins a new file.
    segment: Option<Segment>,
    segment_bytes_max: u64,
    /// The number of the last record in `buffer` or on disk.
    sequence: u64,
    /// Serialised records not yet written: whole lines, `buffered` of them completions that a failed write leaves here.
    buffer: Vec<u8>,
    /// The text of `Record::at`, reused.
    at: String,
    waiters: Vec<Waiter>,
    flush_at: Option<Instant>,
    pub(crate) stopping: bool,
}

impl Writer {
    pub(crate) fn new(run: Run, segment: Segment, segment_bytes_max: u64) -> Self {
        Self {
            run,
            segment: Some(segment),
            segment_bytes_max,
            sequence: 0,
            buffer: Vec::new(),
            at: String::new(),
            waiters: Vec::new(),
            flush_at: None,
            stopping: false,
        }
    }

    /// Writes the record, and the completions buffered before it, with one system call. After an error the record is
    /// neither in the file nor in the buffer, and its number is free again.
    pub(crate) fn write(&mut self, event: Event) -> Result<(), AuditError> {
        let before = self.buffer.len();
        let written = self.serialise(event).and_then(|()| {
            let flushed = self.flush();
            if flushed.is_err() {
                self.sequence -= 1;
            }
            flushed
        });
        if written.is_err() {
            self.buffer.truncate(before);
        }
        written
    }

    /// Takes the record to be written with the next one that must be, or after [`COMPLETION_DELAY_MAX`].
    ///
    /// # Errors
    /// When too much waits already; the record is dropped.
    pub(crate) fn buffer(&mut self, event: Event) -> Result<Buffered, AuditError> {
        if self.buffer.len() >= COMPLETIONS_BYTES_MAX {
            self.flush()?;
        }
        self.serialise(event)?;
        if self.flush_at.is_some() {
            return Ok(Buffered::Awaited);
        }
        self.flush_at = Some(Instant::now() + COMPLETION_DELAY_MAX);
        Ok(Buffered::First)
    }

    /// When buffered records are due.
    pub(crate) fn flush_at(&self) -> Option<Instant> {
        self.flush_at
    }

    /// Writes what is buffered because it is due; after a failure it is due again before long.
    pub(crate) fn flush_due(&mut self) -> Result<(), AuditError> {
        let flushed = self.flush();
        self.flush_at = flushed.is_err().then(|| Instant::now() + RETRY_DELAY);
        flushed
    }

    /// Registers a waiter for the record just written.
    pub(crate) fn wait_for_sync(&mut self) -> Option<oneshot::Receiver<Result<(), AuditError>>> {
        let file = Arc::clone(self.segment.as_ref()?.file());
        let (answer, receiver) = oneshot::channel();
        self.waiters.push(Waiter { file, answer });
        Some(receiver)
    }

    /// Everyone who waits.
    pub(crate) fn take_waiters(&mut self) -> Vec<Waiter> {
        std::mem::take(&mut self.waiters)
    }

    /// No record goes to this file any more: after a failed sync the kernel may hold its pages for clean although the disk
    /// never got them, so that a later sync would confirm what is lost.
    pub(crate) fn retire(&mut self, file: &Arc<SegmentFile>) {
        if self.segment.as_ref().is_some_and(|segment| Arc::ptr_eq(segment.file(), file)) {
            self.segment = None;
        }
    }

    /// The file being written.
    pub(crate) fn file(&self) -> Option<Arc<SegmentFile>> {
        self.segment.as_ref().map(|segment| Arc::clone(segment.file()))
    }

    /// Goes on in another file, as a disk that fails would make it.
    #[cfg(test)]
    pub(crate) fn write_to(&mut self, path: &std::path::Path) {
        self.segment = Some(Segment::of(path));
    }

    fn serialise(&mut self, event: Event) -> Result<(), AuditError> {
        let before = self.buffer.len();
        let record = self.record(event)?;
        let serialised = serde_json::to_writer(&mut self.buffer, &record);
        self.at = record.at;
        let bytes = self.buffer.len() - before;
        let checked = match serialised {
            Err(error) => Err(AuditError::Internal(error.to_string())),
            Ok(()) if bytes > RECORD_BYTES_MAX => {
                Err(AuditError::TooLarge { bytes, limit: RECORD_BYTES_MAX })
            }
            Ok(()) => Ok(()),
        };
        match checked {
            Ok(()) => {
                self.buffer.push(b'\n');
                self.sequence += 1;
            }
            Err(_) => self.buffer.truncate(before),
        }
        checked
    }

    fn record(&mut self, event: Event) -> Result<Record, AuditError> {
        let mut at = std::mem::take(&mut self.at);
        at.clear();
        TIME.print_timestamp(&Timestamp::now(), &mut at)
            .map_err(|error| AuditError::Internal(error.to_string()))?;
        Ok(Record { v: FORMAT_VERSION, seq: self.sequence + 1, at, event })
    }

    fn flush(&mut self) -> Result<(), AuditError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let segment = match self.segment.take() {
            Some(segment) if segment.takes(self.buffer.len(), self.segment_bytes_max) => segment,
            Some(_) | None => self.run.next_segment()?,
        };
        self.segment.insert(segment).append(&self.buffer)?;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        Ok(())
    }
}

/// Whether a buffered record is the first of those that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Buffered {
    /// It is: someone must see to it that it is flushed.
    First,
    /// Another came before it.
    Awaited,
}
