//! What can go wrong with the audit log. All of it is the operator's to mend: a disk, a permission, a foreign file.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// A record could not be made durable. Whoever asked must then not run what the record is about.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AuditError {
    /// The directory could not be made or looked at.
    #[error("cannot use audit directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
    /// Users other than Grille's may add, remove or replace files there.
    #[error("audit directory {} can be written by others (mode {mode:03o}): run `chmod go-w` on it", path.display())]
    Shared {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file could not be created.
    #[error("cannot create audit file {}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
    /// The record could not be written: the disk is full, or failed.
    #[error("cannot write to audit file {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
    /// The record was written but the disk did not confirm it.
    #[error("cannot sync audit file {}", path.display())]
    Sync {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
    /// The record is longer than [`crate::RECORD_BYTES_MAX`].
    #[error("an audit record of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// [`crate::RECORD_BYTES_MAX`].
        limit: usize,
    },
    /// The record could not be put as JSON, or the thread that syncs could not be started or has ended.
    #[error("the audit log failed: {0}")]
    Internal(String),
}

impl AuditError {
    /// Whether the next record will most likely fail too: the fault is not this record's.
    pub(crate) fn is_of_the_disk(&self) -> bool {
        match self {
            Self::Directory { .. }
            | Self::Shared { .. }
            | Self::Create { .. }
            | Self::Write { .. }
            | Self::Sync { .. } => true,
            Self::TooLarge { .. } | Self::Internal(_) => false,
        }
    }
}

/// An audit directory could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The directory or a file in it could not be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A record was written by another version of Grille.
    #[error(
        "{}:{line}: audit record format {version} is not known to this version of Grille, which reads format {known}: \
         use the version that wrote it, or a newer one",
        path.display()
    )]
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What the record says.
        version: u32,
        /// What this version reads.
        known: u32,
    },
    /// No session has that id.
    #[error("no session in the audit log has an id that begins with `{0}`")]
    NoSuchSession(String),
    /// More than one session has an id that begins so.
    #[error("`{prefix}` is the beginning of {count} session ids, give more of it: {examples}")]
    Ambiguous {
        /// What was asked for.
        prefix: String,
        /// How many sessions match.
        count: usize,
        /// The first few.
        examples: String,
    },
    /// The id is not one.
    #[error(
        "`{0}` is not a session id: give at least 8 hexadecimal digits of one, or the reference from an error message"
    )]
    NotAnId(String),
}
