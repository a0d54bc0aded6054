//! What Grille keeps on disk: the audit trail (JSON lines, one record each, appended before a statement runs and when it has
//! ended), and in the state directory which revision of a plugin fills which slot.
//!
//! What a record says is `grille_core::audit`'s matter; nothing here decides anything. Reference: docs/reference/audit.md.
#![forbid(unsafe_code)]

mod directory;
mod error;
mod follow;
mod log;
mod reader;
pub mod recording;
mod revisions;
mod segment;
pub mod sessions;
mod writer;

pub use error::{AuditError, ReadError};
pub use follow::{Followed, Follower};
pub use log::{AuditLog, AuditSettings, AuditStatus, Durability, FAILURE_REMEMBERED};
pub use reader::{Damage, DamageKind, Entry, Reader};
pub use revisions::{RevisionError, RevisionStore, StoredComponent, StoredSignatures};
pub use segment::SEGMENT_BYTES_MAX;
pub use writer::{COMPLETION_DELAY_MAX, COMPLETIONS_BYTES_MAX, RECORD_BYTES_MAX};
