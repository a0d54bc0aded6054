//! What prepared statements and portals stand for, also while the messages that made them are still unanswered.
//!
//! A client may name a statement before the server has said that it exists. An entry is therefore written when its message
//! is forwarded, marked unconfirmed, and taken back when the server fails or skips the message. Within one segment (what
//! lies between two Syncs) that is safe to build on: if the entry's message fails, the server skips all that follows.
//! Across a Sync it is not, so there a look-up answers [`Lookup::Unsettled`] and the relay waits.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::message::Field;
use super::{Statement, Violation};

/// Most prepared statements, and most portals, of one session. Drivers' statement caches hold a few hundred.
pub(crate) const NAMES_MAX: usize = 100_000;

/// Most bytes that one session's prepared statements may take, roughly: their texts and what was understood of them.
const NAMES_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Longest name: the server cuts longer ones (`NAMEDATALEN` - 1), so that two of them can mean one thing.
const NAME_BYTES_MAX: usize = 63;

/// Whether the server reads the name as it stands: not cut, not converted from another encoding.
pub(crate) fn is_plain(name: &[u8]) -> bool {
    name.len() <= NAME_BYTES_MAX && name.is_ascii()
}

/// Something a name can stand for.
pub(crate) trait Weigh {
    /// Bytes it takes, roughly.
    fn weight(&self) -> usize;
}

/// A prepared statement.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) statement: Arc<Statement>,
}

impl Weigh for Prepared {
    fn weight(&self) -> usize {
        self.statement.weight()
    }
}

/// A portal: a prepared statement bound to parameters.
#[derive(Debug)]
pub(crate) struct Portal {
    pub(crate) name: Box<[u8]>,
    pub(crate) prepared: Arc<Prepared>,
    /// The result's columns once the server has described them; an empty slice when there is no result. Of the portal, not
    /// of the statement: the same statement can be planned anew over other tables.
    pub(crate) fields: OnceLock<Arc<[Field]>>,
    /// A Describe that will set `fields` is under way or done.
    described: AtomicBool,
    /// Rows returned by earlier runs of it.
    returned: AtomicU64,
}

impl Portal {
    pub(crate) fn new(name: &[u8], prepared: Arc<Prepared>) -> Self {
        Self {
            name: name.into(),
            prepared,
            fields: OnceLock::new(),
            described: AtomicBool::new(false),
            returned: AtomicU64::new(0),
        }
    }

    pub(crate) fn is_described(&self) -> bool {
        self.described.load(Ordering::Relaxed)
    }

    pub(crate) fn set_described(&self, described: bool) {
        self.described.store(described, Ordering::Relaxed);
    }

    pub(crate) fn returned(&self) -> u64 {
        self.returned.load(Ordering::Relaxed)
    }

    pub(crate) fn add_returned(&self, rows: u64) {
        self.returned.fetch_add(rows, Ordering::Relaxed);
    }
}

impl Weigh for Portal {
    fn weight(&self) -> usize {
        512
    }
}

/// One message that changes a name: which segment it is in, and its number in the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Op {
    pub(crate) segment: u64,
    pub(crate) number: u64,
}

/// A change that the server has not answered.
#[derive(Debug)]
pub(crate) struct Change<T> {
    name: Box<[u8]>,
    op: Op,
    of: PhantomData<T>,
}

impl<T> Change<T> {
    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }
}

/// Why a change was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undone {
    /// It failed, or that is not certain.
    Failed,
    /// The server skipped it, for one before it had failed.
    Skipped,
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
    /// What the server is known to have.
    confirmed: Option<Arc<T>>,
    /// What unanswered messages make of it, in their order. A named one's are all of one segment.
    unanswered: Vec<Unanswered<T>>,
}

#[derive(Debug)]
struct Unanswered<T> {
    op: Op,
    /// None for a Close.
    value: Option<Arc<T>>,
}

/// The names of one kind.
#[derive(Debug)]
pub(crate) struct Names<T> {
    slots: HashMap<Box<[u8]>, Slot<T>>,
    bytes: usize,
}

impl<T: Weigh> Names<T> {
    pub(crate) fn new() -> Self {
        Self { slots: HashMap::new(), bytes: 0 }
    }

    pub(crate) fn lookup(&self, name: &[u8], segment: u64) -> Lookup<T> {
        let Some(slot) = self.slots.get(name) else { return Lookup::Missing };
        if !slot.settled(segment) {
            return Lookup::Unsettled;
        }
        let value = slot.unanswered.last().map_or(slot.confirmed.as_ref(), |last| last.value.as_ref());
        value.map_or(Lookup::Missing, |value| Lookup::Found(Arc::clone(value)))
    }

    /// Whether `name` may be changed now. The unnamed one always may: whatever it was, it is replaced.
    pub(crate) fn may_change(&self, name: &[u8], segment: u64) -> bool {
        name.is_empty() || self.slots.get(name).is_none_or(|slot| slot.settled(segment))
    }

    /// Makes `name` stand for `value`, or for nothing, until confirmed or undone.
    ///
    /// # Errors
    /// When there are [`NAMES_MAX`] already, or they take too much memory.
    pub(crate) fn change(
        &mut self,
        name: &[u8],
        value: Option<Arc<T>>,
        op: Op,
    ) -> Result<Change<T>, Violation> {
        if !self.has_room(name, weight(value.as_ref())) {
            return Err(Violation::TooManyNames { limit: NAMES_MAX });
        }
        self.edit(name, |slot| slot.unanswered.push(Unanswered { op, value }));
        Ok(Change { name: name.into(), op, of: PhantomData })
    }

    /// The server did it.
    pub(crate) fn confirm(&mut self, change: &Change<T>) {
        self.edit(&change.name, |slot| {
            if let Some(value) = slot.take(change.op) {
                slot.confirmed = value;
            }
        });
    }

    /// The server did not do it. What fails to become the unnamed one drops the one before all the same, so that is
    /// forgotten.
    pub(crate) fn undo(&mut self, change: &Change<T>, undone: Undone) {
        self.edit(&change.name, |slot| {
            slot.take(change.op);
            if undone == Undone::Failed && change.name.is_empty() {
                slot.confirmed = None;
            }
        });
    }

    /// The server has it, whatever was known before.
    pub(crate) fn set(&mut self, name: &[u8], value: Arc<T>) {
        let room = self.has_room(name, value.weight());
        self.edit(name, |slot| slot.confirmed = room.then_some(value));
    }

    /// The server has it no longer.
    pub(crate) fn remove(&mut self, name: &[u8]) {
        self.edit(name, |slot| slot.confirmed = None);
    }

    /// Forgets everything that is not under way.
    pub(crate) fn clear_confirmed(&mut self) {
        self.slots.retain(|_, slot| {
            slot.confirmed = None;
            !slot.unanswered.is_empty()
        });
        self.bytes = self.slots.values().map(Slot::weight).sum();
    }

    fn has_room(&self, name: &[u8], weight: usize) -> bool {
        let is_new = self.slots.len() >= NAMES_MAX && !self.slots.contains_key(name);
        !is_new && self.bytes + weight <= NAMES_BYTES_MAX
    }

    /// The only place where slots change one by one. One that stands for nothing is dropped.
    fn edit(&mut self, name: &[u8], edit: impl FnOnce(&mut Slot<T>)) {
        let mut absent = Slot { confirmed: None, unanswered: Vec::new() };
        let slot = self.slots.get_mut(name);
        let is_new = slot.is_none();
        let slot = slot.unwrap_or(&mut absent);
        let before = slot.weight();
        edit(slot);
        self.bytes = self.bytes + slot.weight() - before;
        match (is_new, slot.is_nothing()) {
            (true, false) => {
                self.slots.insert(name.into(), absent);
            }
            (false, true) => {
                self.slots.remove(name);
            }
            (true, true) | (false, false) => {}
        }
    }
}

impl<T: Weigh> Slot<T> {
    fn weight(&self) -> usize {
        let unanswered = self.unanswered.iter().map(|change| weight(change.value.as_ref()));
        weight(self.confirmed.as_ref()) + unanswered.sum::<usize>()
    }
}

impl<T> Slot<T> {
    fn settled(&self, segment: u64) -> bool {
        self.unanswered.last().is_none_or(|change| change.op.segment == segment)
    }

    fn is_nothing(&self) -> bool {
        self.confirmed.is_none() && self.unanswered.is_empty()
    }

    /// What the change would have made of it. None when it is not under way.
    fn take(&mut self, op: Op) -> Option<Option<Arc<T>>> {
        let at = self.unanswered.iter().position(|change| change.op == op)?;
        let value = self.unanswered.remove(at).value;
        if self.unanswered.is_empty() {
            // A hundred thousand settled names keep no room for changes.
            self.unanswered = Vec::new();
        }
        Some(value)
    }
}

fn weight<T: Weigh>(value: Option<&Arc<T>>) -> usize {
    value.map_or(0, |value| value.weight())
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weigh for &str {
        fn weight(&self) -> usize {
            self.len()
        }
    }

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
        names.undo(&change, Undone::Failed);
        assert_eq!(found(&names, b"s", 2), Some("old"));
    }

    #[test]
    fn a_skipped_close_leaves_the_statement() {
        let mut names = Names::new();
        names.set(b"s", Arc::new("old"));
        let change = names.change(b"s", None, op(1, 1)).expect("room");
        assert_eq!(found(&names, b"s", 1), None);
        names.undo(&change, Undone::Failed);
        assert_eq!(found(&names, b"s", 1), Some("old"));
    }

    #[test]
    fn the_unnamed_statement_stays_where_its_successor_was_skipped() {
        let mut names = Names::new();
        let first = names.change(b"", Some(Arc::new("first")), op(0, 1)).expect("room");
        names.confirm(&first);
        let second = names.change(b"", Some(Arc::new("second")), op(1, 2)).expect("room");
        let third = names.change(b"", Some(Arc::new("third")), op(1, 3)).expect("room");
        names.undo(&third, Undone::Skipped);
        assert_eq!(found(&names, b"", 1), Some("second"));
        names.undo(&second, Undone::Skipped);
        assert_eq!(found(&names, b"", 2), Some("first"));
        let fourth = names.change(b"", Some(Arc::new("fourth")), op(2, 4)).expect("room");
        names.undo(&fourth, Undone::Failed);
        assert_eq!(found(&names, b"", 3), None);
    }

    #[test]
    fn one_skipped_beneath_another_is_not_waited_for() {
        let mut names = Names::new();
        names.set(b"", Arc::new("old"));
        let first = names.change(b"", Some(Arc::new("first")), op(1, 1)).expect("room");
        let second = names.change(b"", Some(Arc::new("second")), op(2, 2)).expect("room");
        names.undo(&first, Undone::Skipped);
        assert_eq!(found(&names, b"", 3), Some("unsettled"));
        names.undo(&second, Undone::Skipped);
        assert_eq!(found(&names, b"", 3), Some("old"));
    }

    #[test]
    fn the_unnamed_statement_is_forgotten_when_in_doubt() {
        let mut names = Names::new();
        names.set(b"", Arc::new("old"));
        let change = names.change(b"", Some(Arc::new("new")), op(1, 1)).expect("room");
        names.undo(&change, Undone::Failed);
        assert_eq!(found(&names, b"", 2), None);
    }

    #[test]
    fn an_undo_never_touches_a_later_change() {
        let mut names = Names::new();
        let first = names.change(b"", Some(Arc::new("first")), op(1, 1)).expect("room");
        let _second = names.change(b"", Some(Arc::new("second")), op(2, 2)).expect("room");
        names.undo(&first, Undone::Failed);
        assert_eq!(found(&names, b"", 2), Some("second"));
    }

    #[test]
    fn changes_of_one_name_are_taken_back_one_by_one() {
        let mut names = Names::new();
        names.set(b"s", Arc::new("old"));
        let first = names.change(b"s", Some(Arc::new("first")), op(1, 1)).expect("room");
        let second = names.change(b"s", Some(Arc::new("second")), op(1, 2)).expect("room");
        names.undo(&second, Undone::Failed);
        assert_eq!(found(&names, b"s", 2), Some("unsettled"), "the first is still unanswered");
        names.undo(&first, Undone::Failed);
        assert_eq!(found(&names, b"s", 2), Some("old"));
    }

    #[test]
    fn a_change_confirmed_beneath_another_stays_when_that_is_taken_back() {
        let mut names = Names::new();
        let first = names.change(b"s", Some(Arc::new("first")), op(1, 1)).expect("room");
        let second = names.change(b"s", None, op(1, 2)).expect("room");
        names.confirm(&first);
        names.undo(&second, Undone::Failed);
        assert_eq!(found(&names, b"s", 2), Some("first"));
    }

    #[test]
    fn what_names_take_is_limited_and_given_back() {
        let mut names: Names<Prepared> = Names::new();
        let text = bytes::Bytes::from(vec![b'x'; 1 << 20]);
        let prepared = || Arc::new(Prepared { statement: Arc::new(Statement::new(text.clone(), vec![])) });
        let mut count = 0;
        while let Ok(change) = names.change(format!("s{count}").as_bytes(), Some(prepared()), op(1, count)) {
            names.confirm(&change);
            count += 1;
        }
        assert!((10..20).contains(&count), "{count}");
        names.remove(b"s0");
        assert!(names.change(b"t", Some(prepared()), op(1, count)).is_ok());
    }

    #[test]
    fn names_that_the_server_reads_otherwise_are_not_plain() {
        assert!(is_plain(&[b'a'; 63]) && is_plain(b""));
        assert!(!is_plain(&[b'a'; 64]) && !is_plain("é".as_bytes()));
    }
}
