//! What the masker answers in each mode. Every answer but an honest one breaks one rule of WIT's `edits`.

use misdeeds::{Settings, allocate, spin, trap};
use serde::Deserialize;

/// What to do when cells are to be masked.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Reverses each cell.
    #[default]
    Honest,
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
    /// `size` bytes for the first cell.
    GiantResult,
    /// No value for the last cell.
    WrongCellCount,
    /// No values at all.
    NoEdits,
    /// The first two cells in the wrong order.
    UnsortedEdits,
    /// The first cell twice, the second not at all.
    RepeatedCells,
    /// A value for the cell behind the last.
    CellOutOfRange,
    /// The last offset is behind the data.
    OffsetsOutOfRange,
    /// The first two offsets change places with the last two; honest for one cell.
    OffsetsDescending,
    /// One offset too few.
    OffsetsMissing,
    /// Data that no value covers.
    DataLeftOver,
    /// Bytes that are not UTF-8.
    BadUtf8,
    /// Values cut within a character, though all data together is UTF-8.
    SplitChar,
}

/// WIT's `edits`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the interface says what they are")]
pub struct Edits {
    pub cells: Vec<u32>,
    pub offsets: Vec<u32>,
    pub data: Vec<u8>,
}

/// The answer to a block with these cells.
///
/// # Errors
/// In the mode `fail`.
pub fn mask(settings: &Settings<Mode>, cells: &[&str]) -> Result<Edits, String> {
    let canary = cells.iter().any(|cell| cell.contains(&settings.trigger));
    let mut edits = honest(cells);
    match settings.mode.late() {
        Mode::Honest => {}
        Mode::Spin => spin(),
        Mode::Allocate => allocate(),
        Mode::Trap => trap(),
        Mode::Fail => return Err("failing, as asked".into()),
        Mode::SpinOnCanary if canary => spin(),
        Mode::TrapOnCanary if canary => trap(),
        Mode::SpinOnCanary | Mode::TrapOnCanary => {}
        Mode::GiantResult => edits = giant(cells.len(), settings.size),
        Mode::WrongCellCount => drop_last(&mut edits),
        Mode::NoEdits => edits = Edits { offsets: vec![0], ..Edits::default() },
        Mode::UnsortedEdits => edits.cells.reverse(),
        Mode::RepeatedCells => edits.cells.iter_mut().take(2).for_each(|cell| *cell = 0),
        Mode::CellOutOfRange => edits.cells.iter_mut().for_each(|cell| *cell += 1),
        Mode::OffsetsOutOfRange => edits.offsets.last_mut().into_iter().for_each(|end| *end += 1),
        Mode::OffsetsDescending => edits.offsets.reverse(),
        Mode::OffsetsMissing => drop(edits.offsets.pop()),
        Mode::DataLeftOver => edits.data.push(b'x'),
        Mode::BadUtf8 => edits.data.iter_mut().for_each(|byte| *byte = 0xff),
        Mode::SplitChar => edits = split(cells.len()),
    }
    Ok(edits)
}

fn honest(cells: &[&str]) -> Edits {
    with_values(cells.iter().map(|cell| cell.chars().rev().collect::<String>().into_bytes()))
}

fn giant(count: usize, size: usize) -> Edits {
    with_values((0..count).map(|cell| if cell == 0 { vec![b'x'; size] } else { Vec::new() }))
}

/// `é` cut in two, over and over.
fn split(count: usize) -> Edits {
    let even = count.next_multiple_of(2);
    let mut edits = with_values((0..even).map(|cell| vec!["é".as_bytes()[cell % 2]]));
    if even > count {
        drop_last(&mut edits);
    }
    edits
}

fn with_values(values: impl Iterator<Item = Vec<u8>>) -> Edits {
    let mut edits = Edits { offsets: vec![0], ..Edits::default() };
    for (cell, value) in (0..).zip(values) {
        edits.cells.push(cell);
        edits.data.extend(value);
        edits.offsets.push(u32::try_from(edits.data.len()).expect("blocks are smaller than 4 GiB"));
    }
    edits
}

fn drop_last(edits: &mut Edits) {
    edits.cells.pop();
    if edits.offsets.len() > 1 {
        edits.offsets.pop();
    }
    edits.data.truncate(edits.offsets.last().map_or(0, |end| *end as usize));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(mode: &str) -> Edits {
        let settings = format!(r#"{{"mode": "{mode}", "size": 4}}"#);
        mask(&Settings::configure(&settings).expect("settings"), &["aé", "b"]).expect("edits")
    }

    #[test]
    fn each_mode_breaks_its_rule() {
        let check = |mode: &str, cells: &[u32], offsets: &[u32], data: &[u8]| {
            let expected = Edits { cells: cells.into(), offsets: offsets.into(), data: data.into() };
            assert_eq!(answer(mode), expected, "{mode}");
        };
        let data = "éab".as_bytes();
        check("honest", &[0, 1], &[0, 3, 4], data);
        check("giant-result", &[0, 1], &[0, 4, 4], b"xxxx");
        check("wrong-cell-count", &[0], &[0, 3], &data[..3]);
        check("no-edits", &[], &[0], b"");
        check("unsorted-edits", &[1, 0], &[0, 3, 4], data);
        check("repeated-cells", &[0, 0], &[0, 3, 4], data);
        check("cell-out-of-range", &[1, 2], &[0, 3, 4], data);
        check("offsets-out-of-range", &[0, 1], &[0, 3, 5], data);
        check("offsets-descending", &[0, 1], &[4, 3, 0], data);
        check("offsets-missing", &[0, 1], &[0, 3], data);
        check("data-left-over", &[0, 1], &[0, 3, 4], "éabx".as_bytes());
        check("bad-utf8", &[0, 1], &[0, 3, 4], &[0xff; 4]);
        check("split-char", &[0, 1], &[0, 1, 2], "é".as_bytes());
    }

    #[test]
    fn other_modes_answer_as_they_say() {
        let settings = |json| Settings::<Mode>::configure(json).expect("settings");
        assert!(mask(&settings(r#"{"mode": "fail"}"#), &["a"]).is_err());
        assert_eq!(mask(&settings(r#"{"mode": "trap-on-canary"}"#), &["ab"]), Ok(honest(&["ab"])));
        let trapped = || mask(&settings(r#"{"mode": "trap-on-canary"}"#), &["a canary"]);
        assert!(std::panic::catch_unwind(trapped).is_err());
    }
}
