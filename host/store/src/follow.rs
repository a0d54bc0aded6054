//! Reads what is written to a directory from now on: the audit log as it grows, file after file. Changes nothing, and waits for
//! nothing: whoever follows asks again.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use grille_core::audit::Record;

use crate::reader::{Line, OpenFile, files};
use crate::{RECORD_BYTES_MAX, ReadError};

/// Most bytes that one look reads, over by at most one record: whoever follows a log that grows faster catches up look by look.
const LOOK_BYTES_MAX: u64 = 4 << 20;

/// How much of a file's end is looked through at a time for where its last whole line ends.
const TAIL_BYTES: u64 = 64 << 10;

/// Follows the files of a directory. Several runs may write there at once; each file is read on from where it ended.
#[derive(Debug)]
pub struct Follower {
    directory: PathBuf,
    /// By file: up to where it was read, which is behind a whole line.
    read: HashMap<PathBuf, u64>,
}

/// What is new.
#[derive(Debug, Default)]
pub struct Followed {
    /// The records, those of one run in their order.
    pub records: Vec<Record>,
    /// Lines that are no records.
    pub unreadable: u64,
}

impl Follower {
    /// Begins behind what is there.
    ///
    /// # Errors
    /// When the directory or one of its files cannot be read.
    pub fn from_now(directory: &Path) -> Result<Self, ReadError> {
        let mut read = HashMap::new();
        for path in files(directory)? {
            let end =
                end_of_last_line(&path).map_err(|source| ReadError::Io { path: path.clone(), source })?;
            read.insert(path, end);
        }
        Ok(Self { directory: directory.to_owned(), read })
    }

    /// What has been written since the last look, `LOOK_BYTES_MAX` at most. A line that is being written is left for the next
    /// look, and so is a file that was removed.
    ///
    /// # Errors
    /// When the directory or a file cannot be read, or another version wrote to it.
    pub fn look(&mut self) -> Result<Followed, ReadError> {
        let files = files(&self.directory)?;
        self.read.retain(|path, _| files.contains(path));
        let mut followed = Followed::default();
        let mut left = LOOK_BYTES_MAX;
        for path in files {
            let from = self.read.get(&path).copied().unwrap_or(0);
            match read_on(&path, from, left, &mut followed) {
                Ok(to) => {
                    left = left.saturating_sub(to - from);
                    self.read.insert(path, to);
                }
                Err(ReadError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            if left == 0 {
                break;
            }
        }
        Ok(followed)
    }
}

/// Reads whole lines from `from` on, until `bytes_max` are reached: where it stopped, behind a whole line.
fn read_on(path: &Path, from: u64, bytes_max: u64, followed: &mut Followed) -> Result<u64, ReadError> {
    let failed = |source| ReadError::Io { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.len() <= from {
        return Ok(from);
    }
    file.seek(SeekFrom::Start(from)).map_err(failed)?;
    let mut file = OpenFile::new(path.to_owned(), file);
    let mut at = from;
    while at - from < bytes_max {
        let mut line = Vec::new();
        match file.next_line(&mut line)? {
            Line::End | Line::Torn => break,
            Line::TooLong => followed.unreadable += 1,
            Line::Whole => match file.parse(&line)? {
                Some(record) => followed.records.push(record),
                None => followed.unreadable += 1,
            },
        }
        at = file.position()?;
    }
    Ok(at)
}

/// Where the last whole line of a file ends: 0 if there is none. Looks no further back than the longest record.
fn end_of_last_line(path: &Path) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut end = length;
    while end > 0 && length - end <= RECORD_BYTES_MAX as u64 {
        let start = end.saturating_sub(TAIL_BYTES);
        file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        file.by_ref().take(end - start).read_to_end(&mut tail)?;
        if let Some(at) = tail.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    // One line that is no record: what follows it is.
    Ok(if end == 0 { 0 } else { length })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::*;

    const FIRST: &str = "audit-20261122T210000-7-00001.jsonl";
    const SECOND: &str = "audit-20261122T210000-7-00002.jsonl";
    const LATER_RUN: &str = "audit-20261123T000000-9-00001.jsonl";

    /// A directory, and what follows it.
    struct Log {
        directory: tempfile::TempDir,
    }

    impl Log {
        fn with(files: &[(&str, &str)]) -> Self {
            let log = Self { directory: tempfile::tempdir().unwrap() };
            for (name, text) in files {
                log.append(name, text);
            }
            log
        }

        fn append(&self, name: &str, text: &str) {
            let path = self.directory.path().join(name);
            let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn follow(&self) -> Follower {
            Follower::from_now(self.directory.path()).unwrap()
        }
    }

    fn record(seq: u64) -> String {
        format!(
            "{{\"v\":1,\"seq\":{seq},\"at\":\"2026-11-22T21:00:00.000000Z\",\"event\":{{\"session-closed\":\
             {{\"session\":\"s\",\"reason\":\"r\",\"exchanges\":1}}}}}}\n"
        )
    }

    /// The numbers of what is new.
    fn check(follower: &mut Follower, numbers: &[u64], unreadable: u64) {
        let followed = follower.look().unwrap();
        let found: Vec<u64> = followed.records.iter().map(|record| record.seq).collect();
        assert_eq!((&found[..], followed.unreadable), (numbers, unreadable));
    }

    #[test]
    fn only_what_is_new_is_told_and_once() {
        let log = Log::with(&[(FIRST, &(record(1) + &record(2)))]);
        let mut follower = log.follow();
        check(&mut follower, &[], 0);
        log.append(FIRST, &record(3));
        check(&mut follower, &[3], 0);
        check(&mut follower, &[], 0);
    }

    #[test]
    fn new_files_are_read_from_their_beginning() {
        let log = Log::with(&[(FIRST, &record(1))]);
        let mut follower = log.follow();
        log.append(SECOND, &record(2));
        log.append(LATER_RUN, &record(1));
        log.append("notes.txt", "hello\n");
        check(&mut follower, &[2, 1], 0);
        log.append(SECOND, &record(3));
        check(&mut follower, &[3], 0);
    }

    #[test]
    fn a_line_that_is_being_written_is_told_when_it_is_whole() {
        let (line, next) = (record(1), record(2));
        for cut in 1..line.len() {
            let log = Log::with(&[(FIRST, &line[..cut])]);
            let mut follower = log.follow();
            check(&mut follower, &[], 0);
            log.append(FIRST, &line[cut..line.len() - 1]);
            check(&mut follower, &[], 0);
            log.append(FIRST, "\n");
            log.append(FIRST, &next);
            check(&mut follower, &[1, 2], 0);
        }
    }

    #[test]
    fn what_is_no_record_is_counted() {
        let log = Log::with(&[]);
        let mut follower = log.follow();
        log.append(FIRST, &format!("noise\n{}\n{}", record(1), record(2)));
        check(&mut follower, &[1, 2], 2);
        log.append(SECOND, "{\"v\":99}\n");
        assert!(matches!(follower.look(), Err(ReadError::UnknownVersion { version: 99, .. })));
    }

    #[test]
    fn a_file_may_go_and_the_directory_may_not() {
        let log = Log::with(&[(FIRST, &record(1))]);
        let mut follower = log.follow();
        std::fs::remove_file(log.directory.path().join(FIRST)).unwrap();
        check(&mut follower, &[], 0);
        log.append(SECOND, &record(2));
        check(&mut follower, &[2], 0);
        drop(log);
        assert!(matches!(follower.look(), Err(ReadError::Io { .. })));
    }

    #[test]
    fn a_look_is_bounded_and_the_next_goes_on() {
        let log = Log::with(&[]);
        let mut follower = log.follow();
        let count = LOOK_BYTES_MAX / record(1_000_000).len() as u64 + 100;
        let text: String = (1_000_000..1_000_000 + count).map(record).collect();
        log.append(FIRST, &text);
        let first = follower.look().unwrap().records.len() as u64;
        assert!(first < count, "{first}");
        assert_eq!(first + follower.look().unwrap().records.len() as u64, count);
    }

    #[test]
    fn the_end_of_the_last_line_is_found_far_from_the_end() {
        let tail = "x".repeat(3 * usize::try_from(TAIL_BYTES).unwrap());
        let log = Log::with(&[(FIRST, &(record(1) + &tail)), (SECOND, &tail)]);
        let end = |name: &str| end_of_last_line(&log.directory.path().join(name)).unwrap();
        assert_eq!((end(FIRST), end(SECOND)), (record(1).len() as u64, 0));
    }
}
