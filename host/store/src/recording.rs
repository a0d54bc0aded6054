//! Recordings of plugin inputs on disk: JSON lines in a file of their own, for Grille's user alone, of bounded length; and
//! reading them back. What a line says is `grille_core::recording`'s matter. They are no audit trail: a line that is lost is lost.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use grille_core::recording::{RECORDING_VERSION, RecordingBegun, RecordingEntry, RecordingLine};
use jiff::Timestamp;

use crate::AuditError;
use crate::directory;

/// Longest recording, in bytes: some 100,000 statements. It is data of clients, if minimised, that somebody must look after.
pub const RECORDING_BYTES_MAX: u64 = 64 << 20;
/// Longest line, in bytes. A block of cells has 64 KiB, and JSON writes one byte as six at most.
pub const RECORDING_LINE_BYTES_MAX: usize = 1 << 20;
/// What is kept free for the last line, in bytes.
const END_BYTES: u64 = 512;
/// Longest part of a plugin's name in a file's name, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// A recording could not be written or read. The operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum RecordingFileError {
    /// Its directory cannot be made or looked at, or others may write to it.
    #[error("the directory for recordings cannot be used")]
    Directory(#[source] AuditError),
    /// The file cannot be made, written, opened or read.
    #[error("cannot use the recording {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line of it is not one of a recording.
    #[error("{}:{line}: this is no line of a recording; give a file that `grille plugin record` made", path.display())]
    NotARecording {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// It was made by another version of Grille.
    #[error(
        "{}: recordings of format {version} are not known to this version of Grille, which reads format {RECORDING_VERSION}",
        path.display()
    )]
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// What it says.
        version: u32,
    },
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The kernel has it.
    Whole,
    /// It is longer than a line may be, and left out.
    TooLong,
    /// There is no room for it, and left out; nothing longer than the last line fits any more.
    Full,
}

/// A recording that is being written. Each line is one write(2).
#[derive(Debug)]
pub struct RecordingWriter {
    file: File,
    path: PathBuf,
    bytes: u64,
    bytes_max: u64,
}

impl RecordingWriter {
    /// Makes the directory (mode 0700) if it is not there, a file in it (mode 0600), and its first line.
    ///
    /// # Errors
    /// When the directory cannot be used or is open to others, or the disk does not take it.
    pub fn create(directory: &Path, begun: RecordingBegun) -> Result<Self, RecordingFileError> {
        Self::create_with(directory, begun, RECORDING_BYTES_MAX)
    }

    fn create_with(
        directory: &Path,
        begun: RecordingBegun,
        bytes_max: u64,
    ) -> Result<Self, RecordingFileError> {
        directory::prepare(directory).map_err(RecordingFileError::Directory)?;
        let path = directory.join(file_name(&begun.plugin, Timestamp::now()));
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|source| RecordingFileError::File { path: path.clone(), source })?;
        let mut writer = Self { file, path, bytes: 0, bytes_max };
        writer.write(RecordingEntry::Begun(begun))?;
        Ok(writer)
    }

    /// Writes a line, if there is room for it.
    ///
    /// # Errors
    /// When the disk does not take it; part of it may be there.
    pub fn write(&mut self, entry: RecordingEntry) -> Result<Written, RecordingFileError> {
        let kept_free = match &entry {
            RecordingEntry::Ended(_) => 0,
            RecordingEntry::Begun(_) | RecordingEntry::Statement(_) | RecordingEntry::Cells(_) => END_BYTES,
        };
        let line = RecordingLine { at: format!("{:.3}", Timestamp::now()), entry };
        let failed = |source| RecordingFileError::File { path: self.path.clone(), source };
        let mut bytes = serde_json::to_vec(&line).map_err(|error| failed(error.into()))?;
        bytes.push(b'\n');
        if bytes.len() > RECORDING_LINE_BYTES_MAX {
            return Ok(Written::TooLong);
        }
        if self.bytes + bytes.len() as u64 + kept_free > self.bytes_max {
            return Ok(Written::Full);
        }
        self.file.write_all(&bytes).map_err(failed)?;
        self.bytes += bytes.len() as u64;
        Ok(Written::Whole)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// `NAME-YYYYMMDDTHHMMSSmmm.jsonl`. Names of plugins are the operator's; what could be more than a name is not taken over.
fn file_name(plugin: &str, now: Timestamp) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let name: String =
        plugin.chars().map(|c| if is_plain(c) { c } else { '_' }).take(NAME_BYTES_MAX).collect();
    let milliseconds = now.as_millisecond().rem_euclid(1000);
    format!("{name}-{}{milliseconds:03}.jsonl", now.strftime("%Y%m%dT%H%M%S"))
}

/// A recording that is being read.
#[derive(Debug)]
pub struct RecordingReader {
    file: BufReader<File>,
    path: PathBuf,
    line: u64,
    begun: RecordingBegun,
}

impl RecordingReader {
    /// Opens a recording and reads its first line.
    ///
    /// # Errors
    /// When it cannot be read, is none, or is of another version.
    pub fn open(path: &Path) -> Result<Self, RecordingFileError> {
        let file =
            File::open(path).map_err(|source| RecordingFileError::File { path: path.to_owned(), source })?;
        let begun = RecordingBegun {
            v: RECORDING_VERSION,
            plugin: String::new(),
            world: String::new(),
            id: String::new(),
            version: String::new(),
        };
        let mut reader = Self { file: BufReader::new(file), path: path.to_owned(), line: 0, begun };
        match reader.next_entry()? {
            Some(RecordingEntry::Begun(begun)) if begun.v == RECORDING_VERSION => reader.begun = begun,
            Some(RecordingEntry::Begun(begun)) => {
                return Err(RecordingFileError::UnknownVersion { path: reader.path, version: begun.v });
            }
            Some(RecordingEntry::Statement(_) | RecordingEntry::Cells(_) | RecordingEntry::Ended(_))
            | None => {
                return Err(reader.not_a_recording());
            }
        }
        Ok(reader)
    }

    /// Of what it is a recording.
    pub fn begun(&self) -> &RecordingBegun {
        &self.begun
    }

    /// The next line. A last line that is cut short, as a crash leaves it, counts as the end.
    ///
    /// # Errors
    /// When the file cannot be read, or the line is not one of a recording.
    pub fn next_entry(&mut self) -> Result<Option<RecordingEntry>, RecordingFileError> {
        let mut line = Vec::new();
        let limit = RECORDING_LINE_BYTES_MAX as u64 + 1;
        let read = self.file.by_ref().take(limit).read_until(b'\n', &mut line);
        read.map_err(|source| RecordingFileError::File { path: self.path.clone(), source })?;
        self.line += 1;
        match line.strip_suffix(b"\n") {
            Some(line) => match serde_json::from_slice::<RecordingLine>(line) {
                Ok(line) => Ok(Some(line.entry)),
                Err(_) => Err(self.not_a_recording()),
            },
            None if self.line > 1 && line.len() <= RECORDING_LINE_BYTES_MAX => Ok(None),
            None => Err(self.not_a_recording()),
        }
    }

    fn not_a_recording(&self) -> RecordingFileError {
        RecordingFileError::NotARecording { path: self.path.clone(), line: self.line }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use grille_core::difference::{Answer, VerdictWord};
    use grille_core::recording::{
        AnsweredBy, RecordedAction, RecordedAsker, RecordedStatement, RecordingEnd, RecordingEnded,
    };

    use super::*;

    fn begun() -> RecordingBegun {
        RecordingBegun {
            v: RECORDING_VERSION,
            plugin: "guard".to_owned(),
            world: "policy".to_owned(),
            id: "grille/sql-guard".to_owned(),
            version: "1.0.0".to_owned(),
        }
    }

    fn statement(text: &str) -> RecordingEntry {
        RecordingEntry::Statement(RecordedStatement {
            asker: RecordedAsker::default(),
            action: RecordedAction { text: text.to_owned(), ..RecordedAction::default() },
            answer: Answer { verdict: VerdictWord::Allow, reasons: vec![], obligations: vec![] },
            by: AnsweredBy::default(),
        })
    }

    fn ended() -> RecordingEntry {
        RecordingEntry::Ended(RecordingEnded { why: RecordingEnd::Bytes, inputs: 1, dropped: 0 })
    }

    #[test]
    fn a_recording_is_for_grille_alone_and_reads_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("a/recordings");
        let mut writer = RecordingWriter::create(&directory, begun()).unwrap();
        for entry in [statement("SELECT 1"), statement("SELECT\n$1"), ended()] {
            assert_eq!(writer.write(entry).unwrap(), Written::Whole);
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(writer.path()), mode(&directory)), (0o600, 0o700));
        assert_eq!(fs::metadata(writer.path()).unwrap().len(), writer.bytes());
        let mut reader = RecordingReader::open(writer.path()).unwrap();
        assert_eq!(reader.begun(), &begun());
        for entry in [statement("SELECT 1"), statement("SELECT\n$1"), ended()] {
            assert_eq!(reader.next_entry().unwrap(), Some(entry));
        }
        assert_eq!(reader.next_entry().unwrap(), None);
    }

    #[test]
    fn it_is_bounded_and_the_end_still_fits() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = RecordingWriter::create_with(folder.path(), begun(), 2000).unwrap();
        let mut written = 0;
        while writer.write(statement("SELECT 1")).unwrap() == Written::Whole {
            written += 1;
            assert!(writer.bytes() <= 2000 - END_BYTES);
        }
        assert!(written > 1, "{written}");
        assert_eq!(writer.write(statement("SELECT 1")).unwrap(), Written::Full);
        assert_eq!(writer.write(ended()).unwrap(), Written::Whole);
        assert!(writer.bytes() <= 2000);
        let long = statement(&"x".repeat(RECORDING_LINE_BYTES_MAX));
        assert_eq!(writer.write(long).unwrap(), Written::TooLong);
    }

    #[test]
    fn a_directory_others_may_write_to_takes_no_recording() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = RecordingWriter::create(folder.path(), begun()).unwrap_err();
        assert!(matches!(error, RecordingFileError::Directory(AuditError::Shared { .. })), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_recording_is_told_and_a_torn_end_is_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.jsonl");
        let line = |entry: RecordingEntry| {
            serde_json::to_string(&RecordingLine { at: String::new(), entry }).unwrap() + "\n"
        };
        let first = line(RecordingEntry::Begun(begun()));
        let other = line(RecordingEntry::Begun(RecordingBegun { v: 9, ..begun() }));
        for (content, says) in [
            (String::new(), ":1: this is no line"),
            ("{}\n".to_owned(), ":1: this is no line"),
            (line(ended()), ":1: this is no line"),
            (other, "format 9"),
        ] {
            fs::write(&path, content).unwrap();
            let error = RecordingReader::open(&path).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        fs::write(&path, first.clone() + "noise\n").unwrap();
        let error = RecordingReader::open(&path).unwrap().next_entry().unwrap_err().to_string();
        assert!(error.contains(":2: this is no line"), "{error}");
        fs::write(&path, first + "{\"at\":\"20").unwrap();
        assert_eq!(RecordingReader::open(&path).unwrap().next_entry().unwrap(), None);
    }

    #[test]
    fn a_name_stays_within_the_directory() {
        let at: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
        for (plugin, expected) in [
            ("guard", "guard-20260102T030405678.jsonl"),
            ("../a/b", "___a_b-20260102T030405678.jsonl"),
            ("", "-20260102T030405678.jsonl"),
        ] {
            assert_eq!(file_name(plugin, at), expected);
        }
    }
}
