//! What the open transaction of one session rests on, within bounds.

use std::collections::BTreeSet;

use super::defined::{Defined, ObjectName};
use super::rests::Rests;
use crate::catalog::Snapshot;

/// Most names that are kept in mind of one transaction; one that reads more rests on everything.
pub(super) const RESTING_NAMES_MAX: usize = 10_000;
/// Most ways of looking names up in one transaction, such as search paths, that are told apart.
const RESTING_SETS_MAX: usize = 16;

/// What a session's open transaction rests on.
#[derive(Debug, Default)]
pub(super) struct Resting {
    /// One for all statements that look names up alike.
    on: Vec<Rests>,
    on_everything: bool,
}

/// What has been noted of a statement, to be taken back.
#[derive(Debug)]
pub(super) enum Noted {
    Nothing,
    /// These names, in the set of that index.
    Names(usize, Vec<ObjectName>),
    Everything,
}

impl Resting {
    pub(super) fn rests(&self) -> bool {
        self.on_everything || self.on.iter().any(|rests| !rests.names.is_empty())
    }

    pub(super) fn is_touched_by(&self, defined: &Defined, snapshot: Option<&Snapshot>) -> bool {
        self.on_everything || self.on.iter().any(|rests| rests.is_touched_by(defined, snapshot))
    }

    pub(super) fn note(&mut self, rests: &Rests) -> Noted {
        if self.on_everything {
            return Noted::Nothing;
        }
        let is_alike = |known: &Rests| known.places == rests.places && known.writes == rests.writes;
        let index = self.on.iter().position(is_alike).unwrap_or(self.on.len());
        if index == self.on.len() {
            self.on.push(Rests { names: BTreeSet::new(), ..rests.clone() });
        }
        let known: usize = self.on.iter().map(|rests| rests.names.len()).sum();
        let new: Vec<ObjectName> = rests.names.difference(&self.on[index].names).cloned().collect();
        if new.is_empty() {
            return Noted::Nothing;
        }
        if known + new.len() > RESTING_NAMES_MAX || self.on.len() > RESTING_SETS_MAX {
            self.on_everything = true;
            return Noted::Everything;
        }
        self.on[index].names.extend(new.iter().cloned());
        Noted::Names(index, new)
    }

    pub(super) fn take_back(&mut self, noted: Noted) {
        match noted {
            Noted::Nothing => {}
            Noted::Names(index, names) => {
                for name in &names {
                    self.on[index].names.remove(name);
                }
            }
            Noted::Everything => self.on_everything = false,
        }
    }
}
