//! What prepared statements and portals stand for, also while the messages that made them are still unanswered.
//!
//! A client may name a statement before the server has said that it exists. An entry is therefore written when its message
//! is forwarded, marked unconfirmed, and taken back when the server fails or skips the message. Within one segment (what
//! lies between two Syncs) that is safe to build on: if the entry's message fails, the server skips all that follows.
//! Across a Sync it is not, so there a look-up answers [`Lookup::Unsettled`] and the relay waits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::message::{Field, ResultFormats};
use super::{Statement, Violation};

/// Most prepared statements, and most portals, of one session. Drivers' statement caches hold a few hundred; the limit
/// keeps a session that never closes any from growing without bound (about 100 bytes an entry besides the text).
pub(crate) const NAMES_MAX: usize = 100_000;

/// A prepared statement.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) statement: Arc<Statement>,
    /// The result's columns once the server has described them; an empty slice when there is no result.
    pub(crate) fields: OnceLock<Arc<[Field]>>,
    /// A Describe that will set `fields` is under way or done.
    pub(crate) described: AtomicBool,
}

impl Prepared {
    pub(crate) fn new(statement: Arc<Statement>) -> Self {
        Self { statement, fields: OnceLock::new(), described: AtomicBool::new(false) }
    }

    pub(crate) fn is_described(&self) -> bool {
        self.described.load(Ordering::Relaxed)
    }

    pub(crate) fn set_described(&self, described: bool) {
        self.described.store(described, Ordering::Relaxed);
    }
}

/// A portal: a prepared statement bound to parameters.
#[derive(Debug)]
pub(crate) struct Portal {
    pub(crate) name: Box<[u8]>,
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) formats: ResultFormats,
}

impl Portal {
    /// The columns of its result with the formats it was bound with.
    pub(crate) fn fields(&self) -> Option<Arc<[Field]>> {
        let fields = self.prepared.fields.get()?;
        let mut formats = fields.iter().enumerate().map(|(column, field)| (self.formats.of(column), field));
        if formats.clone().all(|(format, field)| format == field.format) {
            return Some(Arc::clone(fields));
        }
        Some(formats.by_ref().map(|(format, field)| Field { format, ..field.clone() }).collect())
    }
}

/// One message that changes a name: which segment it is in, and its number in the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Op {
    pub(crate) segment: u64,
    pub(crate) number: u64,
}

/// How to take a change back.
#[derive(Debug)]
pub(crate) struct Change<T> {
    name: Box<[u8]>,
    op: Op,
    previous: Option<Arc<T>>,
}

/// What a name stands for.
#[derive(Debug)]
pub(crate) enum Lookup<T> {
    Found(Arc<T>),
    Missing,
    /// A message of an earlier segment that changes the name is unanswered.
    Unsettled,
}

#[derive(Debug)]
struct Slot<T> {
    /// None while an unanswered Close stands.
    value: Option<Arc<T>>,
    unconfirmed: Option<Op>,
}

/// The names of one kind.
#[derive(Debug)]
pub(crate) struct Names<T> {
    slots: HashMap<Box<[u8]>, Slot<T>>,
}

impl<T> Names<T> {
    pub(crate) fn new() -> Self {
        Self { slots: HashMap::new() }
    }

    pub(crate) fn lookup(&self, name: &[u8], segment: u64) -> Lookup<T> {
        match self.slots.get(name) {
            Some(slot) if !slot.settled(segment) => Lookup::Unsettled,
            Some(Slot { value: Some(value), .. }) => Lookup::Found(Arc::clone(value)),
            Some(Slot { value: None, .. }) | None => Lookup::Missing,
        }
    }

    /// Whether `name` may be changed now. The unnamed one always may: whatever it was, it is replaced.
    pub(crate) fn may_change(&self, name: &[u8], segment: u64) -> bool {
        name.is_empty() || self.slots.get(name).is_none_or(|slot| slot.settled(segment))
    }

    /// Makes `name` stand for `value`, or for nothing, until confirmed or undone.
    ///
    /// # Errors
    /// When there are [`NAMES_MAX`] already.
    pub(crate) fn change(&mut self, name: &[u8], value: Option<Arc<T>>, op: Op) -> Result<Change<T>, Violation> {
        if self.slots.len() >= NAMES_MAX && !self.slots.contains_key(name) {
            return Err(Violation::TooManyNames { limit: NAMES_MAX });
        }
        let old = self.slots.insert(name.into(), Slot { value, unconfirmed: Some(op) });
        Ok(Change { name: name.into(), op, previous: old.and_then(|slot| slot.value) })
    }

    /// The server did it.
    pub(crate) fn confirm(&mut self, change: &Change<T>) {
        if let Some(slot) = self.slots.get_mut(&change.name)
            && slot.unconfirmed == Some(change.op)
        {
            slot.unconfirmed = None;
            if slot.value.is_none() {
                self.slots.remove(&change.name);
            }
        }
    }

    /// The server did not do it. Called for the latest change first. What the unnamed one was before is not certain (a
    /// failed Parse drops it, a skipped one does not), so it is forgotten: a Bind to it is then refused.
    pub(crate) fn undo(&mut self, change: Change<T>) {
        let Some(slot) = self.slots.get_mut(&change.name) else { return };
        if slot.unconfirmed != Some(change.op) {
            return;
        }
        match change.previous {
            Some(previous) if !change.name.is_empty() => {
                *slot = Slot { value: Some(previous), unconfirmed: None };
            }
            Some(_) | None => {
                self.slots.remove(&change.name);
            }
        }
    }

    /// The server has it, whatever was known before.
    pub(crate) fn set(&mut self, name: &[u8], value: Arc<T>) {
        if self.slots.len() < NAMES_MAX {
            self.slots.insert(name.into(), Slot { value: Some(value), unconfirmed: None });
        }
    }

    pub(crate) fn remove(&mut self, name: &[u8]) {
        self.slots.remove(name);
    }

    /// Forgets everything that is not under way.
    pub(crate) fn clear_confirmed(&mut self) {
        self.slots.retain(|_, slot| slot.unconfirmed.is_some());
    }
}

impl<T> Slot<T> {
    fn settled(&self, segment: u64) -> bool {
        self.unconfirmed.is_none_or(|op| op.segment == segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(segment: u64, number: u64) -> Op {
        Op { segment, number }
    }

    fn found(names: &Names<&'static str>, name: &[u8], segment: u64) -> Option<&'static str> {
        match names.lookup(name, segment) {
            Lookup::Found(value) => Some(*value),
            Lookup::Missing => None,
            Lookup::Unsettled => Some("unsettled"),
        }
    }

    #[test]
    fn an_entry_counts_at_once_in_its_own_segment_and_later_once_confirmed() {
        let mut names = Names::new();
        let change = names.change(b"s", Some(Arc::new("one")), op(1, 1)).expect("room");
        assert_eq!(found(&names, b"s", 1), Some("one"));
        assert_eq!(found(&names, b"s", 2), Some("unsettled"));
        names.confirm(&change);
        assert_eq!(found(&names, b"s", 2), Some("one"));
    }

    #[test]
    fn a_failed_parse_leaves_the_old_statement() {
        let mut names = Names::new();
        names.set(b"s", Arc::new("old"));
        let change = names.change(b"s", Some(Arc::new("new")), op(1, 1)).expect("room");
        assert_eq!(found(&names, b"s", 1), Some("new"));
        names.undo(change);
        assert_eq!(found(&names, b"s", 2), Some("old"));
    }

    #[test]
    fn a_skipped_close_leaves_the_statement() {
        let mut names = Names::new();
        names.set(b"s", Arc::new("old"));
        let change = names.change(b"s", None, op(1, 1)).expect("room");
        assert_eq!(found(&names, b"s", 1), None);
        names.undo(change);
        assert_eq!(found(&names, b"s", 1), Some("old"));
    }

    #[test]
    fn the_unnamed_statement_is_forgotten_when_in_doubt() {
        let mut names = Names::new();
        names.set(b"", Arc::new("old"));
        let change = names.change(b"", Some(Arc::new("new")), op(1, 1)).expect("room");
        names.undo(change);
        assert_eq!(found(&names, b"", 2), None);
    }

    #[test]
    fn an_undo_never_touches_a_later_change() {
        let mut names = Names::new();
        let first = names.change(b"", Some(Arc::new("first")), op(1, 1)).expect("room");
        let _second = names.change(b"", Some(Arc::new("second")), op(2, 2)).expect("room");
        names.undo(first);
        assert_eq!(found(&names, b"", 2), Some("second"));
    }
}
