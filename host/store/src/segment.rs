//! One file of the audit log: named for the run that writes it, appended to by whole lines, retired at a size or when it
//! cannot be trusted any more. Never two processes in one file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::{SignedDuration, Timestamp};

use crate::AuditError;

/// A file is left for a new one before it grows beyond this: 64 MiB are some 80,000 statements, are opened by any editor,
/// and are small enough to ship and delete one by one.
pub const SEGMENT_BYTES_MAX: u64 = 64 << 20;

/// Most names tried for the first file of a run. A name is taken only by a process with the same id that started in the
/// same second, which happens in containers (every process is number 1) that share a directory.
const NAMES_TRIED_MAX: i64 = 100;

/// What the names of one run's files share: `audit-YYYYMMDDTHHMMSS-<pid>`. A run is one opening of the log by one process.
#[derive(Debug)]
pub(crate) struct Run {
    directory: PathBuf,
    stem: String,
    part: u32,
}

impl Run {
    /// Claims a run's name by creating its first file.
    pub(crate) fn begin(directory: &Path, now: Timestamp) -> Result<(Self, Segment), AuditError> {
        let mut refused = None;
        for second in 0..NAMES_TRIED_MAX {
            let stamp = now.saturating_add(SignedDuration::from_secs(second)).unwrap_or(now);
            let stem = format!("audit-{}-{}", stamp.strftime("%Y%m%dT%H%M%S"), std::process::id());
            let mut run = Self { directory: directory.to_owned(), stem, part: 0 };
            match run.next_segment() {
                Ok(segment) => return Ok((run, segment)),
                Err(error) if is_taken(&error) => refused = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(refused.unwrap_or_else(|| AuditError::Internal("no file name was tried".into())))
    }

    /// Creates the run's next file; fails if it is there already.
    pub(crate) fn next_segment(&mut self) -> Result<Segment, AuditError> {
        self.part += 1;
        let path = self.directory.join(format!("{}-{:05}.jsonl", self.stem, self.part));
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path);
        match file {
            Ok(file) => Ok(Segment {
                file: Arc::new(SegmentFile { file, path, entry_synced: AtomicBool::new(false) }),
                bytes: 0,
                end: End::Whole,
            }),
            Err(source) => Err(AuditError::Create { path, source: Arc::new(source) }),
        }
    }
}

fn is_taken(error: &AuditError) -> bool {
    matches!(error, AuditError::Create { source, .. } if source.kind() == io::ErrorKind::AlreadyExists)
}

/// The run a file belongs to, or `None` if the name is not one of ours.
pub(crate) fn run_of(path: &Path) -> Option<&str> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".jsonl")?;
    let (run, part) = stem.rsplit_once('-')?;
    let ours = run.starts_with("audit-") && part.len() >= 5 && part.bytes().all(|byte| byte.is_ascii_digit());
    ours.then_some(run)
}

/// An open file, shared with the thread that syncs it.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    file: File,
    path: PathBuf,
    entry_synced: AtomicBool,
}

impl SegmentFile {
    /// Blocks until the disk has the file's contents and, the first time, its directory entry.
    pub(crate) fn sync(&self) -> Result<(), AuditError> {
        self.sync_entry()
            .and_then(|()| self.file.sync_data())
            .map_err(|source| AuditError::Sync { path: self.path.clone(), source: Arc::new(source) })
    }

    fn sync_entry(&self) -> io::Result<()> {
        if self.entry_synced.load(Ordering::Acquire) {
            return Ok(());
        }
        if let Some(directory) = self.path.parent() {
            File::open(directory)?.sync_all()?;
        }
        self.entry_synced.store(true, Ordering::Release);
        Ok(())
    }
}

/// The file being written.
#[derive(Debug)]
pub(crate) struct Segment {
    file: Arc<SegmentFile>,
    /// Its length: the sum of what was appended whole.
    bytes: u64,
    end: End,
}

/// What an open file ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// A whole line, or nothing at all.
    Whole,
    /// A part of a line that could not be cut off.
    Torn,
}

impl Segment {
    /// Whether it may be appended to: it ends in a whole line and would not become too long. An empty file takes anything.
    pub(crate) fn takes(&self, more: usize, bytes_max: u64) -> bool {
        let fits = self.bytes == 0 || self.bytes.saturating_add(more as u64) <= bytes_max;
        fits && self.end == End::Whole
    }

    /// Appends whole lines, or nothing: after a failure the file is cut back to what it held, so that no torn line stands
    /// before a later one. If even that fails the torn line stays the file's last, which readers tolerate.
    pub(crate) fn append(&mut self, lines: &[u8]) -> Result<(), AuditError> {
        match (&self.file.file).write_all(lines) {
            Ok(()) => {
                self.bytes += lines.len() as u64;
                Ok(())
            }
            Err(source) => {
                if let Err(error) = self.file.file.set_len(self.bytes) {
                    self.end = End::Torn;
                    tracing::warn!(%error, file = %self.file.path.display(), "the audit file ends in a torn line");
                }
                Err(AuditError::Write { path: self.file.path.clone(), source: Arc::new(source) })
            }
        }
    }

    /// A file that is there already, to see what its failures do.
    #[cfg(test)]
    pub(crate) fn of(path: &Path) -> Self {
        let file = OpenOptions::new().append(true).open(path).expect("the test names a file");
        let file = SegmentFile { file, path: path.to_owned(), entry_synced: AtomicBool::new(true) };
        Self { file: Arc::new(file), bytes: 0, end: End::Whole }
    }

    /// The open file, for syncing.
    pub(crate) fn file(&self) -> &Arc<SegmentFile> {
        &self.file
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn names_tell_run_and_part() {
        let check =
            |name: &str, expected: Option<&str>| assert_eq!(run_of(Path::new(name)), expected, "{name}");
        check("/x/audit-20261122T210130-17-00001.jsonl", Some("audit-20261122T210130-17"));
        check("audit-20261122T210130-17-100000.jsonl", Some("audit-20261122T210130-17"));
        check("audit-20261122T210130-17-1.jsonl", None);
        check("audit.jsonl", None);
        check("notes-00001.jsonl", None);
        check("audit-20261122T210130-17-00001.jsonl.gz", None);
    }

    #[test]
    fn two_runs_of_one_second_do_not_share_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let (first, _) = Run::begin(directory.path(), now).unwrap();
        let (second, _) = Run::begin(directory.path(), now).unwrap();
        assert_ne!(first.stem, second.stem);
    }

    #[test]
    fn files_are_for_the_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (_, segment) = Run::begin(directory.path(), Timestamp::UNIX_EPOCH).unwrap();
        let mode = std::fs::metadata(&segment.file.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_takes_one_record_of_any_size_then_is_full() {
        let directory = tempfile::tempdir().unwrap();
        let (_, mut segment) = Run::begin(directory.path(), Timestamp::UNIX_EPOCH).unwrap();
        assert!(segment.takes(20, 10));
        segment.append(b"12345678\n").unwrap();
        assert!(segment.takes(1, 10));
        assert!(!segment.takes(2, 10));
    }
}
