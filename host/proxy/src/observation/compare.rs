//! What a candidate answers to an input, beside what the active revision did. Calls plugins, in fresh instances and under the
//! same limits as on the path: for the worker alone.
//!
//! A policy's active answer comes from the path. What a detector or masker found there depends on blocks that were seen
//! before and on other detectors of the role, so both revisions look at the copy here, and start level.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use grille_core::difference::{Answer, FindingDifference};
use grille_plugin::untrusted::{CellBlock, Edits};
use grille_plugin::{FailureEvent, FieldInfo, Masker, Plugin, PluginFailure, ResultScanner, ScanFinding};

use super::input::{Cells, Statement, Values};

/// What came of a comparison.
#[derive(Debug)]
pub(super) enum Compared {
    /// The active revision failed; there is nothing to compare with.
    ActiveFailed,
    /// The candidate failed; the text is the runtime's word for what happened.
    CandidateFailed(&'static str),
    /// Sessions have all instances there may be.
    NoRoom,
    /// Both answered.
    Both {
        /// How long each took.
        took: Took,
        /// What they answered.
        answers: Answers,
    },
}

/// How long two revisions took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Took {
    pub(super) active: Duration,
    pub(super) candidate: Duration,
}

/// What two revisions answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// Of a policy.
    Decisions { active: Answer, candidate: Answer },
    /// Findings that only one of two detectors has.
    Findings(Vec<FindingDifference>),
    /// How many values two maskers gave, and how many of them differ.
    Values { count: u64, different: u64 },
}

pub(super) fn statement(statement: &Statement, candidate: &Plugin) -> Compared {
    let Ok(active) = &statement.answer else { return Compared::ActiveFailed };
    let (answer, took) = timed(|| candidate.decide(&statement.occasion.context(), &statement.action, &[]));
    let took = Took { active: statement.took, candidate: took };
    match answer {
        Ok(decision) => {
            let answers = Answers::Decisions { active: Answer::of(active), candidate: Answer::of(&decision) };
            Compared::Both { took, answers }
        }
        Err(failure) => of_candidate(&failure),
    }
}

pub(super) fn cells(cells: &Cells) -> Compared {
    // Counted apart from its calls on the path, which a rollout is judged by.
    let active = Arc::new(cells.pair.active.on_trial());
    both(
        || scan(&active, cells),
        || scan(&cells.pair.candidate, cells),
        |active, candidate| Answers::Findings(only_one_has(&active, &candidate, &cells.fields)),
    )
}

pub(super) fn values(values: &Values) -> Compared {
    let active = Arc::new(values.pair.active.on_trial());
    both(
        || mask(&active, values),
        || mask(&values.pair.candidate, values),
        |active, candidate| {
            let count = values.values.len();
            let different =
                (0..count).filter(|value| active.value(*value) != candidate.value(*value)).count();
            Answers::Values { count: count as u64, different: different as u64 }
        },
    )
}

fn both<T>(
    active: impl FnOnce() -> Result<T, PluginFailure>,
    candidate: impl FnOnce() -> Result<T, PluginFailure>,
    compare: impl FnOnce(T, T) -> Answers,
) -> Compared {
    let (active, active_took) = timed(active);
    let active = match active {
        Ok(active) => active,
        Err(failure) if is_load(&failure) => return Compared::NoRoom,
        Err(_) => return Compared::ActiveFailed,
    };
    let (candidate, candidate_took) = timed(candidate);
    let took = Took { active: active_took, candidate: candidate_took };
    match candidate {
        Ok(candidate) => Compared::Both { took, answers: compare(active, candidate) },
        Err(failure) => of_candidate(&failure),
    }
}

fn of_candidate(failure: &PluginFailure) -> Compared {
    if is_load(failure) { Compared::NoRoom } else { Compared::CandidateFailed(failure.event.as_str()) }
}

/// Whether it is no fault of the plugin's.
fn is_load(failure: &PluginFailure) -> bool {
    matches!(failure.event, FailureEvent::Exhausted)
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let done = work();
    (done, begun.elapsed())
}

/// Each block is a result of its own, so a column's evidence is that of the block.
fn scan(detector: &Arc<Plugin>, cells: &Cells) -> Result<Vec<ScanFinding>, PluginFailure> {
    let (context, fields) = (cells.occasion.context(), cells.fields.to_vec());
    let scanner = ResultScanner::new(slice::from_ref(detector), context, fields);
    scanner.ignoring(cells.kept.clone()).scan(&cells.columns)
}

fn mask(masker: &Arc<Plugin>, values: &Values) -> Result<Edits, PluginFailure> {
    let block = CellBlock::of_column(0, values.values.iter().map(String::as_str));
    // What is copied of a block is far from the 4 GiB that one can hold.
    let mut block = block.unwrap_or_default();
    Masker::begin(masker, &values.occasion.context(), slice::from_ref(&values.field))?.mask(&mut block)
}

fn only_one_has(
    active: &[ScanFinding],
    candidate: &[ScanFinding],
    fields: &[FieldInfo],
) -> Vec<FindingDifference> {
    let mut places: BTreeMap<(&str, u32), (u64, u64)> = BTreeMap::new();
    let (of_active, of_candidate) = (keys(active), keys(candidate));
    for only in of_active.difference(&of_candidate) {
        places.entry(only.place()).or_default().0 += 1;
    }
    for only in of_candidate.difference(&of_active) {
        places.entry(only.place()).or_default().1 += 1;
    }
    let difference = |((label, field), (only_active, only_candidate)): ((&str, u32), (u64, u64))| {
        let column = fields.get(field as usize).map(column).unwrap_or_default();
        FindingDifference { label: label.to_owned(), column, only_active, only_candidate }
    };
    places.into_iter().map(difference).collect()
}

/// What is known of where a column comes from, else what the client calls it.
fn column(field: &FieldInfo) -> String {
    if field.origin.is_empty() { field.name.clone() } else { field.origin.clone() }
}

/// A finding as a value that can be compared.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'f> {
    label: &'f str,
    field: u32,
    text: usize,
    start: usize,
    end: usize,
}

impl<'f> Key<'f> {
    fn place(&self) -> (&'f str, u32) {
        (self.label, self.field)
    }
}

fn keys(findings: &[ScanFinding]) -> BTreeSet<Key<'_>> {
    let key = |finding| {
        let ScanFinding { field, text, start, end, label }: &ScanFinding = finding;
        Key { label, field: *field, text: *text, start: *start, end: *end }
    };
    findings.iter().map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(label: &str, field: u32, text: usize, start: usize) -> ScanFinding {
        ScanFinding { field, text, start, end: start + 1, label: label.into() }
    }

    #[test]
    fn findings_are_compared_by_place_and_told_by_column() {
        let fields = [
            FieldInfo { name: "a".into(), origin: "public.t.a".into(), kind: "text".into() },
            FieldInfo { name: "b".into(), ..FieldInfo::default() },
        ];
        let check =
            |active: &[ScanFinding], candidate: &[ScanFinding], expected: &[(&str, &str, u64, u64)]| {
                let found = only_one_has(active, candidate, &fields);
                let found: Vec<_> = found
                    .iter()
                    .map(|one| (&*one.label, &*one.column, one.only_active, one.only_candidate))
                    .collect();
                assert_eq!(found, expected);
            };
        let (x, y) = (finding("X", 0, 0, 3), finding("Y", 0, 0, 3));
        check(&[], &[], &[]);
        let only = slice::from_ref(&x);
        check(only, only, &[]);
        check(only, &[y], &[("X", "public.t.a", 1, 0), ("Y", "public.t.a", 0, 1)]);
        let moved = [finding("X", 0, 0, 4), finding("X", 0, 1, 3), finding("X", 1, 0, 3)];
        check(&[x], &moved, &[("X", "public.t.a", 1, 2), ("X", "b", 0, 1)]);
        check(&[], &[finding("X", 9, 0, 0)], &[("X", "", 0, 1)]);
    }
}
