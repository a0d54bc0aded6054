//! What the detector answers in each mode. Every answer but an honest one breaks one rule of WIT's `finding`, and no other.

use misdeeds::{Settings, allocate, spin, trap};
use serde::Deserialize;

/// What to do when cells are to be inspected.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Finds the trigger text.
    #[default]
    Honest,
    /// Finds nothing.
    Blind,
    /// Does not return.
    Spin,
    /// Takes all memory.
    Allocate,
    /// Traps.
    Trap,
    /// Returns a failure.
    Fail,
    /// Honest until a cell holds the trigger text, then does not return.
    SpinOnCanary,
    /// Honest until a cell holds the trigger text, then traps.
    TrapOnCanary,
    /// The same finding `size` times.
    GiantResult,
    /// A finding that ends behind the cell.
    OffsetOutOfRange,
    /// A finding that ends within a character; honest if the cells are ASCII.
    OffsetInsideChar,
    /// A finding in the cell behind the last.
    CellOutOfRange,
    /// A finding with a label that the metadata does not have.
    UnknownLabel,
    /// A finding that ends before it starts.
    StartAfterEnd,
    /// A finding of no bytes.
    EmptyFinding,
    /// A finding with a score over 1000.
    ScoreOutOfRange,
    /// A finding with a support bit that is reserved.
    ReservedSupport,
}

/// WIT's `finding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the interface says what they are")]
pub struct Finding {
    pub cell: u32,
    pub start: u32,
    pub end: u32,
    pub label: u32,
    pub score: u32,
    pub support: u32,
}

/// The answer to a block with these cells. Wrong answers about the cells are about the first that is not empty; where
/// there is none, there is nothing to be wrong about and the answer is honest.
///
/// # Errors
/// In the mode `fail`.
pub fn inspect(settings: &Settings<Mode>, cells: &[&str]) -> Result<Vec<Finding>, String> {
    let canary = cells.iter().any(|cell| cell.contains(&settings.trigger));
    match settings.mode.late() {
        Mode::Honest => Ok(honest(settings, cells)),
        Mode::Blind => Ok(Vec::new()),
        Mode::Spin => spin(),
        Mode::Allocate => allocate(),
        Mode::Trap => trap(),
        Mode::Fail => Err("failing, as asked".into()),
        Mode::SpinOnCanary if canary => spin(),
        Mode::TrapOnCanary if canary => trap(),
        Mode::SpinOnCanary | Mode::TrapOnCanary => Ok(Vec::new()),
        Mode::GiantResult => Ok(one(cells).map_or_else(Vec::new, |finding| vec![finding; settings.size])),
        Mode::OffsetOutOfRange => wrong(cells, |finding| Finding { end: finding.end + 1, ..finding }),
        Mode::OffsetInsideChar => {
            Ok(inside_char(cells).map_or_else(|| honest(settings, cells), |found| vec![found]))
        }
        Mode::CellOutOfRange => wrong(cells, |finding| Finding { cell: index(cells.len()), ..finding }),
        Mode::UnknownLabel => wrong(cells, |finding| Finding { label: 1, ..finding }),
        Mode::StartAfterEnd => wrong(cells, |finding| Finding { start: finding.end, end: 0, ..finding }),
        Mode::EmptyFinding => wrong(cells, |finding| Finding { start: finding.end, ..finding }),
        Mode::ScoreOutOfRange => wrong(cells, |finding| Finding { score: 1001, ..finding }),
        Mode::ReservedSupport => wrong(cells, |finding| Finding { support: 8, ..finding }),
    }
}

fn wrong(cells: &[&str], spoil: impl FnOnce(Finding) -> Finding) -> Result<Vec<Finding>, String> {
    Ok(one(cells).map(spoil).into_iter().collect())
}

/// The whole of the first cell that is not empty.
fn one(cells: &[&str]) -> Option<Finding> {
    let cell = cells.iter().position(|cell| !cell.is_empty())?;
    Some(finding(cell, 0, cells[cell].len()))
}

/// The first character of more than one byte, but for its last byte.
fn inside_char(cells: &[&str]) -> Option<Finding> {
    cells.iter().enumerate().find_map(|(cell, text)| {
        let (start, c) = text.char_indices().find(|(_, c)| c.len_utf8() > 1)?;
        Some(finding(cell, start, start + c.len_utf8() - 1))
    })
}

fn honest(settings: &Settings<Mode>, cells: &[&str]) -> Vec<Finding> {
    let in_cell = |(cell, text): (usize, &&str)| {
        let places = text.match_indices(&settings.trigger).map(|(start, found)| (start, start + found.len()));
        places.map(|(start, end)| finding(cell, start, end)).collect::<Vec<_>>()
    };
    cells.iter().enumerate().flat_map(in_cell).collect()
}

fn finding(cell: usize, start: usize, end: usize) -> Finding {
    Finding { cell: index(cell), start: index(start), end: index(end), label: 0, score: 1000, support: 0 }
}

fn index(number: usize) -> u32 {
    u32::try_from(number).expect("blocks are smaller than 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(settings: &str, cells: &[&str]) -> Result<Vec<Finding>, String> {
        inspect(&Settings::configure(settings).expect("settings"), cells)
    }

    #[test]
    fn each_mode_breaks_its_rule() {
        let cells = ["", "aé canary"];
        let check = |mode: &str, expected: Finding| {
            assert_eq!(answer(&format!(r#"{{"mode": "{mode}"}}"#), &cells), Ok(vec![expected]), "{mode}");
        };
        let whole = finding(1, 0, 10);
        check("honest", finding(1, 4, 10));
        check("offset-out-of-range", Finding { end: 11, ..whole });
        check("offset-inside-char", finding(1, 1, 2));
        check("cell-out-of-range", Finding { cell: 2, ..whole });
        check("unknown-label", Finding { label: 1, ..whole });
        check("start-after-end", Finding { start: 10, end: 0, ..whole });
        check("empty-finding", Finding { start: 10, ..whole });
        check("score-out-of-range", Finding { score: 1001, ..whole });
        check("reserved-support", Finding { support: 8, ..whole });
    }

    #[test]
    fn other_modes_answer_as_they_say() {
        let cells = ["a canary"];
        assert_eq!(answer(r#"{"mode": "blind"}"#, &cells), Ok(Vec::new()));
        assert!(answer(r#"{"mode": "fail"}"#, &cells).is_err());
        let giant = answer(r#"{"mode": "giant-result", "size": 7}"#, &cells).expect("findings");
        assert_eq!(giant.len(), 7);
        assert_eq!(answer(r#"{"mode": "trap-on-canary", "trigger": "bird"}"#, &cells), Ok(Vec::new()));
        let trapped = || answer(r#"{"mode": "trap-on-canary"}"#, &["a canary"]);
        assert!(std::panic::catch_unwind(trapped).is_err());
    }
}
