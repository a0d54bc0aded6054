//! Reads the records of a directory, run after run, and says where the trail is damaged. Changes nothing.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use grille_core::audit::{FORMAT_VERSION, Record};
use serde::Deserialize;

use crate::segment::run_of;
use crate::{RECORD_BYTES_MAX, ReadError};

/// One thing found while reading.
#[derive(Debug)]
pub enum Entry {
    /// A record.
    Record(Box<Record>),
    /// A place where the trail is not whole. Reading goes on behind it.
    Damage(Damage),
}

/// A place where the trail is not whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub kind: DamageKind,
}

/// What is wrong with the trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// The file's last line is cut short: Grille or the machine crashed while writing, or is writing it now. What it was
    /// about was never run.
    TornEnd,
    /// A line is no record.
    NotARecord,
    /// Records are missing, or out of order: `expected` came next.
    Gap {
        /// The number that comes next in this run.
        expected: u64,
        /// The number found.
        found: u64,
    },
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: ", self.file.display(), self.line)?;
        match self.kind {
            DamageKind::TornEnd => {
                f.write_str("the last record is cut short (a crash, or it is being written)")
            }
            DamageKind::NotARecord => f.write_str("this line is not an audit record"),
            DamageKind::Gap { expected, found } => {
                write!(f, "record {expected} should stand here, but this is record {found}")
            }
        }
    }
}

/// Streams the records of all files in a directory: files in the order of their names, which is by run and then by time.
#[derive(Debug)]
pub struct Reader {
    files: std::vec::IntoIter<PathBuf>,
    open: Option<OpenFile>,
    /// A record whose number was wrong, told after the damage.
    pending: Option<Entry>,
    run: String,
    /// Of the last record; none where the one before the next is in a file that is not read.
    sequence: Option<u64>,
    /// What [`Reader::sequence`] is at the beginning of a run.
    before_first: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct OpenFile {
    path: PathBuf,
    lines: BufReader<File>,
    line: u64,
}

/// What is read of a line before it is known which version wrote it.
#[derive(Deserialize)]
struct Version {
    v: u32,
}

/// What the next bytes of a file are.
pub(crate) enum Line {
    Whole,
    TooLong,
    Torn,
    End,
}

impl Reader {
    /// Finds the directory's audit files; other files are passed over.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn open(directory: &Path) -> Result<Self, ReadError> {
        Ok(Self::new(files(directory)?, Some(0)))
    }

    /// Reads one of the directory's files alone: what may be missing before its first record is not told.
    pub(crate) fn of_file(path: PathBuf) -> Self {
        Self::new(vec![path], None)
    }

    fn new(files: Vec<PathBuf>, before_first: Option<u64>) -> Self {
        let run = String::new();
        Self {
            files: files.into_iter(),
            open: None,
            pending: None,
            run,
            sequence: before_first,
            before_first,
        }
    }

    /// What the open file holds next; `None` at its end.
    fn next_of_file(&mut self) -> Option<Result<Entry, ReadError>> {
        let mut line = Vec::new();
        let file = self.open.as_mut()?;
        let kind = match file.next_line(&mut line) {
            Ok(Line::End) => {
                self.open = None;
                return None;
            }
            Ok(Line::Whole) => match file.parse(&line) {
                Ok(Some(record)) => return Some(Ok(self.numbered(record))),
                Ok(None) => DamageKind::NotARecord,
                Err(error) => return Some(Err(error)),
            },
            Ok(Line::TooLong) => DamageKind::NotARecord,
            Ok(Line::Torn) => DamageKind::TornEnd,
            Err(error) => return Some(Err(error)),
        };
        Some(Ok(file.damage(kind)))
    }

    /// The record, or, if its number is not the next one, the damage with the record behind it.
    fn numbered(&mut self, record: Record) -> Entry {
        let found = record.seq;
        let expected = self.sequence.map_or(found, |before| before.saturating_add(1));
        self.sequence = Some(found);
        let record = Entry::Record(Box::new(record));
        match &self.open {
            Some(file) if found != expected => {
                let damage = file.damage(DamageKind::Gap { expected, found });
                self.pending = Some(record);
                damage
            }
            Some(_) | None => record,
        }
    }

    fn open_next(&mut self) -> Option<Result<(), ReadError>> {
        let path = self.files.next()?;
        if let Some(run) = run_of(&path)
            && run != self.run
        {
            run.clone_into(&mut self.run);
            self.sequence = self.before_first;
        }
        Some(match File::open(&path) {
            Ok(file) => {
                self.open = Some(OpenFile::new(path, file));
                Ok(())
            }
            Err(source) => Err(ReadError::Io { path, source }),
        })
    }
}

/// The audit files of a directory, in the order in which they were written.
pub(crate) fn files(directory: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let failed = |source| ReadError::Io { path: directory.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if run_of(&path).is_some() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

impl Iterator for Reader {
    type Item = Result<Entry, ReadError>;

    /// After an error, reading goes on with what follows; whoever wants the whole trail stops there.
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(entry) = self.pending.take() {
            return Some(Ok(entry));
        }
        loop {
            if let Some(entry) = self.next_of_file() {
                return Some(entry);
            }
            if let Err(error) = self.open_next()? {
                return Some(Err(error));
            }
        }
    }
}

impl OpenFile {
    /// Reads on where the file stands.
    pub(crate) fn new(path: PathBuf, file: File) -> Self {
        Self { path, lines: BufReader::with_capacity(1 << 16, file), line: 0 }
    }

    /// Where the next line begins, in bytes.
    pub(crate) fn position(&mut self) -> Result<u64, ReadError> {
        let position = self.lines.stream_position();
        position.map_err(|source| ReadError::Io { path: self.path.clone(), source })
    }

    pub(crate) fn next_line(&mut self, line: &mut Vec<u8>) -> Result<Line, ReadError> {
        let Self { path, lines, line: number } = self;
        let failed = |source| ReadError::Io { path: path.clone(), source };
        *number += 1;
        let limit = RECORD_BYTES_MAX as u64 + 1;
        let read = lines.by_ref().take(limit).read_until(b'\n', line).map_err(failed)?;
        match line.last() {
            None => Ok(Line::End),
            Some(b'\n') => Ok(Line::Whole),
            Some(_) if read as u64 == limit => {
                skip_line(lines).map_err(failed)?;
                Ok(Line::TooLong)
            }
            Some(_) => Ok(Line::Torn),
        }
    }

    fn damage(&self, kind: DamageKind) -> Entry {
        Entry::Damage(Damage { file: self.path.clone(), line: self.line, kind })
    }

    pub(crate) fn parse(&self, line: &[u8]) -> Result<Option<Record>, ReadError> {
        let Ok(Version { v: version }) = serde_json::from_slice(line) else { return Ok(None) };
        if version != FORMAT_VERSION {
            return Err(ReadError::UnknownVersion {
                path: self.path.clone(),
                line: self.line,
                version,
                known: FORMAT_VERSION,
            });
        }
        Ok(serde_json::from_slice(line).ok())
    }
}

fn skip_line(lines: &mut BufReader<File>) -> io::Result<()> {
    loop {
        let available = lines.fill_buf()?;
        let newline = available.iter().position(|&byte| byte == b'\n');
        let (used, ended) = match newline {
            Some(at) => (at + 1, true),
            None => (available.len(), available.is_empty()),
        };
        lines.consume(used);
        if ended {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn record(seq: u64) -> String {
        format!(
            r#"{{"v":1,"seq":{seq},"at":"2026-11-22T21:00:00.000000Z","event":{{"session-closed":{{"session":"s","reason":"r","exchanges":18446744073709551615}}}}}}"#
        )
    }

    /// What reading a directory with these files gives, a word for each entry.
    fn check(files: &[(&str, String)], expected: &[&str]) {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let found: Vec<String> = Reader::open(directory.path()).unwrap().map(word).collect();
        assert_eq!(found, expected);
    }

    fn word(entry: Result<Entry, ReadError>) -> String {
        match entry {
            Ok(Entry::Record(record)) => record.seq.to_string(),
            Ok(Entry::Damage(damage)) => match damage.kind {
                DamageKind::TornEnd => format!("torn at {}", damage.line),
                DamageKind::NotARecord => format!("no record at {}", damage.line),
                DamageKind::Gap { expected, found } => format!("{found} for {expected} at {}", damage.line),
            },
            Err(ReadError::UnknownVersion { line, version, .. }) => format!("version {version} at {line}"),
            Err(error) => error.to_string(),
        }
    }

    const FIRST: &str = "audit-20261122T210000-7-00001.jsonl";
    const SECOND: &str = "audit-20261122T210000-7-00002.jsonl";
    const LATER_RUN: &str = "audit-20261123T000000-7-00001.jsonl";

    #[test]
    fn records_count_on_from_file_to_file_and_anew_in_each_run() {
        let file = |numbers: &[u64]| numbers.iter().map(|seq| record(*seq) + "\n").collect::<String>();
        check(
            &[(SECOND, file(&[3])), (LATER_RUN, file(&[1, 2])), (FIRST, file(&[1, 2]))],
            &["1", "2", "3", "1", "2"],
        );
        check(&[(FIRST, file(&[1, 3])), (SECOND, file(&[4]))], &["1", "3 for 2 at 2", "3", "4"]);
        check(&[(SECOND, file(&[9]))], &["9 for 1 at 1", "9"]);
    }

    #[test]
    fn a_file_read_alone_may_begin_anywhere() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(SECOND);
        std::fs::write(&path, [record(7), record(8), record(10)].join("\n") + "\n").unwrap();
        let found: Vec<String> = Reader::of_file(path).map(word).collect();
        assert_eq!(found, ["7", "8", "10 for 9 at 3", "10"]);
    }

    #[test]
    fn a_torn_last_line_is_told_and_the_next_file_read() {
        let torn = record(1) + "\n" + &record(2)[..40];
        check(&[(FIRST, torn), (SECOND, record(2) + "\n")], &["1", "torn at 2", "2"]);
        // Whole but for its newline is torn as well: it was never confirmed to anyone.
        check(&[(FIRST, record(1))], &["torn at 1"]);
    }

    #[test]
    fn lines_that_are_no_records_are_told() {
        let text = format!("{}\nnoise\n\n{{\"v\":1}}\n{}\n", record(1), record(2));
        check(&[(FIRST, text)], &["1", "no record at 2", "no record at 3", "no record at 4", "2"]);
    }

    #[test]
    fn a_line_over_the_limit_is_no_record() {
        let long = "x".repeat(RECORD_BYTES_MAX + 10);
        check(&[(FIRST, format!("{long}\n{}\n", record(1)))], &["no record at 1", "1"]);
        check(&[(FIRST, long)], &["no record at 1"]);
    }

    #[test]
    fn records_of_another_version_are_refused() {
        check(&[(FIRST, r#"{"v":2,"whatever":[]}"#.to_owned() + "\n")], &["version 2 at 1"]);
    }

    #[test]
    fn other_files_are_passed_over() {
        check(&[("notes.txt", "hello".into()), ("audit.jsonl", "noise\n".into())], &[]);
    }
}
