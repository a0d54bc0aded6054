//! The audit log as the rest of Grille sees it, and the thread that flushes completions and syncs in groups.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use grille_core::audit::{Event, Recorded};
use jiff::Timestamp;
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::AuditError;
use crate::directory;
use crate::segment::{Run, SEGMENT_BYTES_MAX, SegmentFile};
use crate::writer::{Buffered, Waiter, Writer};

/// How long one failure counts when nothing was written since.
pub const FAILURE_REMEMBERED: Duration = Duration::from_secs(5);

/// Where the log goes and what counts as durable.
#[derive(Clone, Debug)]
pub struct AuditSettings {
    /// The directory; made if it is not there.
    pub directory: PathBuf,
    /// When a record counts as durable.
    pub durability: Durability,
}

/// When a record counts as durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The kernel has it: it survives a crash or kill of Grille, not of the machine. About a microsecond.
    Written,
    /// The disk has confirmed it (fdatasync): it survives a crash of the machine too. One sync serves everyone who waits.
    Synced,
}

/// How the log fares, for metrics and readiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditStatus {
    /// Records written since the log was opened, completions included.
    pub records: u64,
    /// Records that could not be made durable: as many statements or sessions were refused.
    pub failures: u64,
    /// Completion records given up.
    pub completions_lost: u64,
    /// Whether the last attempt to write or sync succeeded, or is [`FAILURE_REMEMBERED`] ago: a process that is told to be
    /// not ready gets no statement by which it could find out that the disk is well again.
    pub writable: bool,
}

/// The open log. One for each process; share it by `Arc`. Dropping it writes what is buffered.
pub struct AuditLog {
    shared: Arc<Shared>,
    durability: Durability,
    keeper: Option<JoinHandle<()>>,
}

struct Shared {
    writer: Mutex<Writer>,
    /// Told when there is something for the keeper to do.
    work: Condvar,
    records: AtomicU64,
    failures: AtomicU64,
    completions_lost: AtomicU64,
    opened: Instant,
    /// Milliseconds from `opened` to the last failure; 0 if the last attempt succeeded.
    failed_ms: AtomicU64,
}

impl AuditLog {
    /// Opens the log: makes the directory and this run's first file, and starts the keeper thread.
    ///
    /// # Errors
    /// When the directory cannot be used or is open to others, or the file cannot be created.
    pub fn open(settings: AuditSettings) -> Result<Self, AuditError> {
        Self::open_with(settings, SEGMENT_BYTES_MAX)
    }

    fn open_with(settings: AuditSettings, segment_bytes_max: u64) -> Result<Self, AuditError> {
        directory::prepare(&settings.directory)?;
        let (run, segment) = Run::begin(&settings.directory, Timestamp::now())?;
        let shared = Arc::new(Shared {
            writer: Mutex::new(Writer::new(run, segment, segment_bytes_max)),
            work: Condvar::new(),
            records: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            completions_lost: AtomicU64::new(0),
            opened: Instant::now(),
            failed_ms: AtomicU64::new(0),
        });
        let kept = Arc::clone(&shared);
        let keeper = std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || kept.keep())
            .map_err(|error| AuditError::Internal(format!("cannot start its thread: {error}")))?;
        Ok(Self { shared, durability: settings.durability, keeper: Some(keeper) })
    }

    /// Makes the record durable. With [`Durability::Written`] this is one write(2) of one line, and does not wait.
    ///
    /// Cancel safety: a caller that goes away while it waits for the disk leaves a record and gets no proof of it.
    ///
    /// # Errors
    /// When the record could not be made durable: what it is about must not happen. It is not in the log then, except
    /// after a failed sync, when it may be.
    pub async fn append(&self, event: Event) -> Result<Recorded, AuditError> {
        let synced = {
            let mut writer = self.shared.writer.lock();
            self.shared.counted(writer.write(event))?;
            match self.durability {
                Durability::Written => None,
                Durability::Synced => {
                    self.shared.work.notify_one();
                    writer.wait_for_sync()
                }
            }
        };
        match (self.durability, synced) {
            (Durability::Written, _) => Ok(Recorded::attest()),
            (Durability::Synced, None) => Err(AuditError::Internal("the file just written is gone".into())),
            (Durability::Synced, Some(answer)) => {
                answer.await.map_err(|_| AuditError::Internal("its thread has ended".into()))??;
                Ok(Recorded::attest())
            }
        }
    }

    /// Takes a record of something that has happened already. It is written with the next [`Self::append`], or within
    /// [`crate::COMPLETION_DELAY_MAX`], in order; a crash in between loses it. Failures are logged and counted.
    pub fn append_completion(&self, event: Event) {
        let buffered = self.shared.writer.lock().buffer(event);
        match buffered {
            Ok(Buffered::Awaited) => self.shared.count_record(),
            Ok(Buffered::First) => {
                self.shared.count_record();
                self.shared.work.notify_one();
            }
            Err(error) => self.shared.lose_completion(&error),
        }
    }

    /// How the log fares.
    pub fn status(&self) -> AuditStatus {
        AuditStatus {
            records: self.shared.records.load(Ordering::Relaxed),
            failures: self.shared.failures.load(Ordering::Relaxed),
            completions_lost: self.shared.completions_lost.load(Ordering::Relaxed),
            writable: self.shared.is_writable(),
        }
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.shared.writer.lock().stopping = true;
        self.shared.work.notify_one();
        if let Some(keeper) = self.keeper.take()
            && keeper.join().is_err()
        {
            tracing::error!("the audit thread panicked; records of ended statements may be missing");
        }
    }
}

impl std::fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditLog")
            .field("durability", &self.durability)
            .field("status", &self.status())
            .finish()
    }
}

/// What the keeper thread does next.
enum Work {
    Sync(Vec<Waiter>),
    Flush,
    WaitUntil(Instant),
    Wait,
    Stop,
}

impl Shared {
    fn count_record(&self) {
        self.records.fetch_add(1, Ordering::Relaxed);
    }

    fn succeed(&self) {
        self.failed_ms.store(0, Ordering::Relaxed);
    }

    fn fail(&self) {
        let elapsed_ms = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.failed_ms.store(elapsed_ms.max(1), Ordering::Relaxed);
    }

    fn is_writable(&self) -> bool {
        match self.failed_ms.load(Ordering::Relaxed) {
            0 => true,
            failed_ms => self.opened.elapsed() > Duration::from_millis(failed_ms) + FAILURE_REMEMBERED,
        }
    }

    fn counted(&self, written: Result<(), AuditError>) -> Result<(), AuditError> {
        match &written {
            Ok(()) => {
                self.succeed();
                self.count_record();
            }
            Err(error) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                if error.is_of_the_disk() {
                    self.fail();
                }
            }
        }
        written
    }

    fn lose_completion(&self, error: &AuditError) {
        let lost = self.completions_lost.fetch_add(1, Ordering::Relaxed) + 1;
        // A full disk fails every statement: the first and then every thousandth is enough to be told.
        if lost % 1000 == 1 {
            tracing::error!(%error, lost, "a completion record was lost");
        }
    }

    fn keep(&self) {
        let mut writer = self.writer.lock();
        loop {
            match next_work(&mut writer) {
                Work::Sync(waiters) => {
                    MutexGuard::unlocked(&mut writer, || self.sync(waiters));
                }
                Work::Flush => self.flush(&mut writer),
                Work::WaitUntil(due) => _ = self.work.wait_until(&mut writer, due),
                Work::Wait => self.work.wait(&mut writer),
                Work::Stop => return self.finish(&mut writer),
            }
        }
    }

    /// Syncs each file that is waited for once, and answers everyone.
    fn sync(&self, waiters: Vec<Waiter>) {
        let mut synced: Option<(Arc<SegmentFile>, Result<(), AuditError>)> = None;
        for Waiter { file, answer } in waiters {
            let known = synced.take().filter(|(done, _)| Arc::ptr_eq(done, &file));
            let (file, result) = known.unwrap_or_else(|| {
                let result = self.sync_file(&file);
                (file, result)
            });
            // One who no longer listens has been cancelled; there is nobody to tell.
            let _ = answer.send(result.clone());
            synced = Some((file, result));
        }
    }

    fn sync_file(&self, file: &Arc<SegmentFile>) -> Result<(), AuditError> {
        let result = file.sync();
        match &result {
            Ok(()) => self.succeed(),
            Err(error) => {
                tracing::error!(%error, "the audit log cannot be synced");
                self.failures.fetch_add(1, Ordering::Relaxed);
                self.fail();
                self.writer.lock().retire(file);
            }
        }
        result
    }

    fn flush(&self, writer: &mut Writer) {
        if let Err(error) = writer.flush_due() {
            self.fail();
            tracing::warn!(%error, "completion records wait for the audit log to become writable");
        }
    }

    /// The last thing the thread does: whoever still waits is answered, what is buffered is written and synced.
    fn finish(&self, writer: &mut MutexGuard<'_, Writer>) {
        self.flush(writer);
        let waiters = writer.take_waiters();
        let file = writer.file();
        MutexGuard::unlocked(writer, || {
            self.sync(waiters);
            if let Some(file) = file {
                // The failure is logged; at the end nothing else can be done about it.
                let _ = self.sync_file(&file);
            }
        });
    }
}

fn next_work(writer: &mut Writer) -> Work {
    let waiters = writer.take_waiters();
    if !waiters.is_empty() {
        return Work::Sync(waiters);
    }
    if writer.stopping {
        return Work::Stop;
    }
    match writer.flush_at() {
        Some(due) if due <= Instant::now() => Work::Flush,
        Some(due) => Work::WaitUntil(due),
        None => Work::Wait,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::path::Path;

    use grille_core::audit::SessionClosed;

    use super::*;
    use crate::{Entry, RECORD_BYTES_MAX, Reader};

    fn closed(reason: impl Into<String>) -> Event {
        Event::SessionClosed(SessionClosed { session: "s".into(), reason: reason.into(), exchanges: 0 })
    }

    fn open(directory: &Path, durability: Durability, segment_bytes_max: u64) -> AuditLog {
        let settings = AuditSettings { directory: directory.to_owned(), durability };
        AuditLog::open_with(settings, segment_bytes_max).unwrap()
    }

    /// The reasons on disk, in the reader's order; panics at any damage.
    fn reasons(directory: &Path) -> Vec<String> {
        let entries = Reader::open(directory).unwrap();
        entries
            .map(|entry| match entry.unwrap() {
                Entry::Record(record) => match record.event {
                    Event::SessionClosed(closed) => closed.reason,
                    other => panic!("{other:?}"),
                },
                Entry::Damage(damage) => panic!("{damage}"),
            })
            .collect()
    }

    #[tokio::test]
    async fn what_was_appended_is_on_disk_with_the_completions_before_it() {
        for durability in [Durability::Written, Durability::Synced] {
            let directory = tempfile::tempdir().unwrap();
            let log = open(directory.path(), durability, SEGMENT_BYTES_MAX);
            log.append_completion(closed("a"));
            log.append_completion(closed("b"));
            let _recorded = log.append(closed("c")).await.unwrap();
            assert_eq!(reasons(directory.path()), ["a", "b", "c"]);
            assert_eq!(log.status().records, 3);
        }
    }

    #[test]
    fn dropping_the_log_writes_what_is_buffered() {
        let directory = tempfile::tempdir().unwrap();
        let log = open(directory.path(), Durability::Written, SEGMENT_BYTES_MAX);
        log.append_completion(closed("last"));
        drop(log);
        assert_eq!(reasons(directory.path()), ["last"]);
    }

    #[test]
    fn a_completion_is_written_before_long_without_another_record() {
        let directory = tempfile::tempdir().unwrap();
        let log = open(directory.path(), Durability::Written, SEGMENT_BYTES_MAX);
        log.append_completion(closed("alone"));
        let patience = Instant::now() + Duration::from_secs(20);
        while reasons(directory.path()).is_empty() {
            assert!(Instant::now() < patience, "the keeper never flushed");
            std::thread::yield_now();
        }
    }

    #[tokio::test]
    async fn rotation_keeps_the_order() {
        let directory = tempfile::tempdir().unwrap();
        let log = open(directory.path(), Durability::Written, 400);
        let mut expected = Vec::new();
        for n in 0..50 {
            let _recorded = log.append(closed(n.to_string())).await.unwrap();
            expected.push(n.to_string());
        }
        assert_eq!(reasons(directory.path()), expected);
        let files = std::fs::read_dir(directory.path()).unwrap();
        let sizes: Vec<u64> = files.map(|file| file.unwrap().metadata().unwrap().len()).collect();
        assert!(sizes.len() > 5 && sizes.iter().all(|size| *size <= 400), "{sizes:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_waiters_share_syncs_and_none_is_lost() {
        let directory = tempfile::tempdir().unwrap();
        let log = Arc::new(open(directory.path(), Durability::Synced, 2000));
        let tasks: Vec<_> = (0..64)
            .map(|n| {
                let log = Arc::clone(&log);
                tokio::spawn(async move {
                    for part in 0..4 {
                        let _recorded = log.append(closed(format!("{n}.{part}"))).await.unwrap();
                        log.append_completion(closed("done"));
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        drop(log);
        let found = reasons(directory.path());
        assert_eq!(found.iter().filter(|reason| *reason == "done").count(), 256);
        for n in 0..64 {
            let own: Vec<_> = found.iter().filter(|reason| reason.starts_with(&format!("{n}."))).collect();
            assert_eq!(own, [&format!("{n}.0"), &format!("{n}.1"), &format!("{n}.2"), &format!("{n}.3")]);
        }
    }

    #[tokio::test]
    async fn a_record_over_the_limit_is_refused_and_leaves_no_trace() {
        let directory = tempfile::tempdir().unwrap();
        let log = open(directory.path(), Durability::Written, SEGMENT_BYTES_MAX);
        let error = log.append(closed("x".repeat(RECORD_BYTES_MAX))).await.unwrap_err();
        assert!(matches!(error, AuditError::TooLarge { .. }), "{error}");
        assert!(log.status().writable, "the fault is the record's");
        let _recorded = log.append(closed("next")).await.unwrap();
        assert_eq!(reasons(directory.path()), ["next"]);
    }

    #[tokio::test]
    async fn when_no_file_can_be_made_nothing_is_attested_and_later_it_goes_on() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("audit");
        let log = open(&directory, Durability::Written, 1);
        let _recorded = log.append(closed("before")).await.unwrap();
        // The next record needs a new file, and there is no directory to hold it: as hard a failure as a full disk, and one
        // that root meets too.
        let aside = parent.path().join("aside");
        std::fs::rename(&directory, &aside).unwrap();
        assert!(log.append(closed("refused")).await.is_err());
        log.append_completion(closed("kept"));
        assert!(!log.status().writable);
        std::fs::rename(&aside, &directory).unwrap();
        let _recorded = log.append(closed("after")).await.unwrap();
        assert!(log.status().writable);
        assert_eq!(reasons(&directory), ["before", "kept", "after"]);
    }

    /// `/dev/full` fails every write with "no space left on device".
    #[tokio::test]
    async fn a_full_disk_refuses_each_record() {
        let directory = tempfile::tempdir().unwrap();
        let log = open(directory.path(), Durability::Written, SEGMENT_BYTES_MAX);
        log.shared.writer.lock().write_to(Path::new("/dev/full"));
        let error = log.append(closed("refused")).await.unwrap_err();
        assert!(matches!(error, AuditError::Write { .. }), "{error}");
        assert_eq!(log.status().failures, 1);
        let _recorded = log.append(closed("next")).await.unwrap();
        assert_eq!(reasons(directory.path()), ["next"]);
    }
}
