//! Judges what a plugin returned, as hostile input. Pure functions without a trace of wasmtime, so that a fuzz target can
//! call them; none of them panics, whatever it is given.

use crate::decision::{Approval, ReasonSource};
use crate::{ColumnPattern, Decision, Finding, Obligation, PluginId, Support, Treatment, Verdict};

/// Most entries in a list of a policy's decision.
const DECISION_ENTRIES_MAX: usize = 64;

/// Longest statement that a policy may write anew, in bytes.
const REWRITE_BYTES_MAX: usize = 1 << 20;

/// Cells in one flat buffer, as WIT's `block`: cell `i` is `data[offsets[i]..offsets[i + 1]]`; the host made it, so
/// `offsets` has one entry more than there are cells, ascends from 0 to `data.len()`, and every cell is UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CellBlock {
    /// How many rows it has.
    pub rows: u32,
    /// Indexes of its fields.
    pub fields: Vec<u32>,
    /// Where each cell begins and the last ends.
    pub offsets: Vec<u32>,
    /// The cells, one behind the other.
    pub data: Vec<u8>,
}

impl CellBlock {
    /// The cells of one field.
    ///
    /// # Errors
    /// [`BlockTooLarge`] when they have more than 4 GiB together.
    pub fn of_column<'t>(
        field: u32,
        cells: impl IntoIterator<Item = &'t str>,
    ) -> Result<Self, BlockTooLarge> {
        let mut block = Self::default();
        block.restart([field]);
        for cell in cells {
            block.push(cell.as_bytes())?;
            block.rows += 1;
        }
        Ok(block)
    }

    /// How many cells there are.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of a cell, where it exists.
    pub fn cell(&self, index: usize) -> Option<&[u8]> {
        let start = *self.offsets.get(index)? as usize;
        let end = *self.offsets.get(index + 1)? as usize;
        self.data.get(start..end)
    }

    /// Empties the block for other fields; the buffers stay.
    pub fn restart(&mut self, fields: impl IntoIterator<Item = u32>) {
        self.rows = 0;
        self.fields.clear();
        self.fields.extend(fields);
        self.offsets.clear();
        self.offsets.push(0);
        self.data.clear();
    }

    /// Adds a cell.
    pub fn push(&mut self, cell: &[u8]) -> Result<(), BlockTooLarge> {
        let end = u32::try_from(self.data.len() + cell.len()).map_err(|_| BlockTooLarge)?;
        self.data.extend_from_slice(cell);
        self.offsets.push(end);
        Ok(())
    }
}

/// More cells than one block can hold.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cells of a block may have 4 GiB together")]
pub struct BlockTooLarge;

/// A finding as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawFinding {
    /// See [`Finding::cell`].
    pub cell: u32,
    /// See [`Finding::start`].
    pub start: u32,
    /// See [`Finding::start`].
    pub end: u32,
    /// See [`Finding::label`].
    pub label: u32,
    /// See [`Finding::score`].
    pub score: u32,
    /// See [`Finding::support`].
    pub support: u32,
}

/// A masker's values as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawEdits {
    /// Which cells.
    pub cells: Vec<u32>,
    /// Where each value begins, and where the last ends.
    pub offsets: Vec<u32>,
    /// All values.
    pub data: Vec<u8>,
}

/// A policy's decision as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawDecision {
    /// The verdict.
    pub verdict: RawVerdict,
    /// Key and value of each obligation.
    pub obligations: Vec<(String, String)>,
}

/// A policy's verdict as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawVerdict {
    /// Run it.
    Allow,
    /// Do not, for this reason.
    Deny(String),
    /// Ask somebody.
    Hold {
        /// Why.
        reason: String,
        /// Whom.
        approvers: Vec<String>,
        /// For how long, in seconds.
        ttl_s: u32,
    },
    /// Run this instead.
    Rewrite(String),
    /// A verdict of a later version.
    Extension(String),
}

/// What is wrong with what a plugin returned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadOutput {
    /// It is no value of the interface's types: a string that is not UTF-8, a pointer out of its memory, too much data.
    #[error("not a value of the interface ({0})")]
    Malformed(String),
    /// More findings than a call may return.
    #[error("more findings than a call may return")]
    TooManyFindings,
    /// A finding in a cell that there is not.
    #[error("a finding in a cell that does not exist")]
    CellOutOfRange,
    /// `start < end <= length of the cell` does not hold.
    #[error("a finding outside of its cell")]
    SpanOutOfRange,
    /// Begins or ends inside a character.
    #[error("a finding that begins or ends inside a character")]
    SpanInsideCharacter,
    /// A label that the metadata does not have.
    #[error("a label that does not exist")]
    UnknownLabel,
    /// A score above 1000.
    #[error("a score above 1000")]
    ScoreOutOfRange,
    /// A reserved bit is set. To ignore it would be to ignore what the plugin wanted to say.
    #[error("a reserved bit of support is set")]
    ReservedSupport,
    /// Not exactly one value for each cell, in the order of the cells.
    #[error("not one value for each cell, in order")]
    WrongCells,
    /// Offsets that do not ascend from 0 to the length of the data.
    #[error("offsets that do not ascend from 0 to the end of the data")]
    BadOffsets,
    /// A value that is not UTF-8.
    #[error("a value that is not UTF-8")]
    NotUtf8,
    /// More bytes than allowed.
    #[error("more data than allowed")]
    TooLarge,
    /// More approvers or obligations than allowed.
    #[error("more entries in a list than allowed")]
    TooManyEntries,
}

/// The highest score.
const SCORE_MAX: u32 = 1000;

/// Checks findings against the block they are about.
///
/// # Errors
/// The first thing that is wrong. A plugin that errs once is not believed at all.
pub fn findings(
    raw: &[RawFinding],
    block: &CellBlock,
    labels: usize,
    findings_max: usize,
) -> Result<Vec<Finding>, BadOutput> {
    if raw.len() > findings_max {
        return Err(BadOutput::TooManyFindings);
    }
    raw.iter().map(|one| finding(one, block, labels)).collect()
}

fn finding(raw: &RawFinding, block: &CellBlock, labels: usize) -> Result<Finding, BadOutput> {
    let cell = block.cell(raw.cell as usize).ok_or(BadOutput::CellOutOfRange)?;
    let (start, end) = (raw.start as usize, raw.end as usize);
    if start >= end || end > cell.len() {
        return Err(BadOutput::SpanOutOfRange);
    }
    if !is_char_boundary(cell, start) || !is_char_boundary(cell, end) {
        return Err(BadOutput::SpanInsideCharacter);
    }
    if raw.label as usize >= labels {
        return Err(BadOutput::UnknownLabel);
    }
    if raw.score > SCORE_MAX {
        return Err(BadOutput::ScoreOutOfRange);
    }
    let support = Support::from_bits(raw.support).ok_or(BadOutput::ReservedSupport)?;
    Ok(Finding {
        cell: raw.cell,
        start: raw.start,
        end: raw.end,
        label: raw.label,
        score: raw.score,
        support,
    })
}

/// As `str::is_char_boundary`, for bytes that are known to be UTF-8.
fn is_char_boundary(text: &[u8], index: usize) -> bool {
    text.get(index).is_none_or(|byte| !(0x80..0xC0).contains(byte))
}

/// New values, one for each cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edits {
    offsets: Vec<u32>,
    data: Vec<u8>,
}

impl Edits {
    /// How many values there are.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value for a cell, where it exists.
    pub fn value(&self, cell: usize) -> Option<&str> {
        let start = *self.offsets.get(cell)? as usize;
        let end = *self.offsets.get(cell + 1)? as usize;
        std::str::from_utf8(self.data.get(start..end)?).ok()
    }
}

/// Checks a masker's values: exactly one for each of `cells` cells, in their order.
///
/// # Errors
/// The first thing that is wrong.
pub fn edits(raw: RawEdits, cells: usize, bytes_max: usize) -> Result<Edits, BadOutput> {
    if raw.data.len() > bytes_max {
        return Err(BadOutput::TooLarge);
    }
    let in_order = raw.cells.iter().enumerate().all(|(index, cell)| *cell as usize == index);
    if raw.cells.len() != cells || !in_order {
        return Err(BadOutput::WrongCells);
    }
    let ends_right = raw.offsets.first() == Some(&0)
        && raw.offsets.last().map(|end| *end as usize) == Some(raw.data.len());
    if raw.offsets.len() != cells + 1 || !ends_right || !raw.offsets.is_sorted() {
        return Err(BadOutput::BadOffsets);
    }
    let values = raw.offsets.windows(2).map(|pair| &raw.data[pair[0] as usize..pair[1] as usize]);
    if !values.into_iter().all(|value| std::str::from_utf8(value).is_ok()) {
        return Err(BadOutput::NotUtf8);
    }
    Ok(Edits { offsets: raw.offsets, data: raw.data })
}

/// Turns a policy's decision into ours. What this version does not know, or cannot honour, denies.
///
/// # Errors
/// When the decision is larger than a decision may be.
pub fn decision(plugin: &PluginId, raw: RawDecision, text_bytes_max: usize) -> Result<Decision, BadOutput> {
    if raw.obligations.len() > DECISION_ENTRIES_MAX {
        return Err(BadOutput::TooManyEntries);
    }
    let source = || ReasonSource::Plugin(plugin.clone());
    let mut decision = verdict(source(), raw.verdict, text_bytes_max)?;
    for (key, value) in &raw.obligations {
        decision = match obligation(key, value) {
            Some(obligation) => decision.with(obligation),
            None => {
                let key = clean_text(key, NAME_BYTES_MAX);
                decision
                    .merge(Decision::deny(source(), format!("asks for `{key}`, which cannot be done here")))
            }
        };
    }
    Ok(decision)
}

/// Longest name of a plugin's choosing that is repeated to somebody, in bytes.
const NAME_BYTES_MAX: usize = 64;

fn verdict(source: ReasonSource, raw: RawVerdict, text_bytes_max: usize) -> Result<Decision, BadOutput> {
    let decision = match raw {
        RawVerdict::Allow => Decision::allow(),
        RawVerdict::Deny(reason) => Decision::deny(source, reason_text(&reason, text_bytes_max)),
        RawVerdict::Hold { reason, approvers, ttl_s } => {
            let reason = reason_text(&reason, text_bytes_max);
            let approvers = approver_names(approvers, text_bytes_max)?;
            let approval = Approval { reason: reason.clone(), approvers, ttl_s };
            Decision::from_verdict(source, Verdict::Hold(approval), reason)
        }
        RawVerdict::Rewrite(text) if text.len() > REWRITE_BYTES_MAX => return Err(BadOutput::TooLarge),
        RawVerdict::Rewrite(text) => {
            Decision::from_verdict(source, Verdict::Rewrite(text), "asks for another statement instead")
        }
        RawVerdict::Extension(name) => {
            let name = clean_text(&name, NAME_BYTES_MAX);
            Decision::deny(
                source,
                format!("says `{name}`, a verdict that this version of Grille does not know"),
            )
        }
    };
    Ok(decision)
}

/// Names decide who may approve: they are refused, never cut.
fn approver_names(names: Vec<String>, bytes_max: usize) -> Result<Vec<String>, BadOutput> {
    if names.len() > DECISION_ENTRIES_MAX {
        return Err(BadOutput::TooManyEntries);
    }
    if names.iter().any(|name| name.len() > bytes_max) {
        return Err(BadOutput::TooLarge);
    }
    Ok(names)
}

fn obligation(key: &str, value: &str) -> Option<Obligation> {
    match key {
        "row-cap" => value.parse().ok().map(Obligation::RowCap),
        "mask" => {
            let (column, treatment) = value.rsplit_once('=')?;
            let column: ColumnPattern = column.parse().ok()?;
            match treatment.parse().ok()? {
                // A policy cannot know which maskers the operator has bound.
                Treatment::Plugin(_) => None,
                treatment @ (Treatment::Keep
                | Treatment::Null
                | Treatment::Redact
                | Treatment::KeepLast(_)
                | Treatment::Token) => Some(Obligation::Mask(column, treatment)),
            }
        }
        // Obligations grow; an unknown one cannot be honoured.
        _ => None,
    }
}

fn reason_text(text: &str, bytes_max: usize) -> String {
    let text = clean_text(text, bytes_max);
    if text.is_empty() { "no reason was given".to_owned() } else { text }
}

/// A plugin's text as it may be shown: one line, no control characters or direction marks, runs of whitespace of any kind one
/// space, trimmed, at most `bytes_max` bytes plus an ellipsis.
pub fn clean_text(text: &str, bytes_max: usize) -> String {
    let mut clean = String::new();
    // Only so much is read: the text may be as long as a plugin's memory.
    for character in text.chars().take(4 * bytes_max) {
        let character = if is_shown(character) && !character.is_whitespace() { character } else { ' ' };
        if character == ' ' && (clean.is_empty() || clean.ends_with(' ')) {
            continue;
        }
        if clean.len() + character.len_utf8() > bytes_max {
            return clean.trim_end().to_owned() + "…";
        }
        clean.push(character);
    }
    clean.truncate(clean.trim_end().len());
    clean
}

/// Whether a character may reach a terminal or a log: no control characters (Unicode Cc), no line or paragraph separators,
/// no marks that change the direction of what follows (UAX #9), nothing of zero width.
fn is_shown(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    fn block() -> CellBlock {
        CellBlock::of_column(0, ["", "abc", "naïve"]).unwrap()
    }

    fn raw(cell: u32, start: u32, end: u32) -> RawFinding {
        RawFinding { cell, start, end, label: 0, score: 500, support: 0 }
    }

    #[test]
    fn findings_must_lie_in_their_cell() {
        let check = |raw: RawFinding, expected: Result<(), BadOutput>| {
            assert_eq!(findings(&[raw], &block(), 2, 10).map(|_| ()), expected, "{raw:?}");
        };
        check(raw(1, 0, 3), Ok(()));
        check(raw(2, 2, 4), Ok(()));
        check(raw(0, 0, 0), Err(BadOutput::SpanOutOfRange));
        check(raw(0, 0, 1), Err(BadOutput::SpanOutOfRange));
        check(raw(1, 0, 4), Err(BadOutput::SpanOutOfRange));
        check(raw(1, 2, 1), Err(BadOutput::SpanOutOfRange));
        check(raw(1, u32::MAX, u32::MAX), Err(BadOutput::SpanOutOfRange));
        check(raw(1, 0, u32::MAX), Err(BadOutput::SpanOutOfRange));
        check(raw(2, 0, 3), Err(BadOutput::SpanInsideCharacter));
        check(raw(2, 3, 4), Err(BadOutput::SpanInsideCharacter));
        check(raw(3, 0, 1), Err(BadOutput::CellOutOfRange));
        check(raw(u32::MAX, 0, 1), Err(BadOutput::CellOutOfRange));
        check(RawFinding { label: 2, ..raw(1, 0, 1) }, Err(BadOutput::UnknownLabel));
        check(RawFinding { score: 1001, ..raw(1, 0, 1) }, Err(BadOutput::ScoreOutOfRange));
        check(RawFinding { support: 8, ..raw(1, 0, 1) }, Err(BadOutput::ReservedSupport));
        check(RawFinding { support: 7, ..raw(1, 0, 1) }, Ok(()));
    }

    #[test]
    fn one_bad_finding_spoils_all_and_too_many_are_refused() {
        assert!(findings(&[raw(1, 0, 1), raw(9, 0, 1)], &block(), 1, 10).is_err());
        assert_eq!(findings(&[raw(1, 0, 1); 11], &block(), 1, 10), Err(BadOutput::TooManyFindings));
    }

    #[test]
    fn edits_must_be_one_value_for_each_cell_in_order() {
        let check = |cells: &[u32], offsets: &[u32], data: &[u8], expected: Result<usize, BadOutput>| {
            let raw = RawEdits { cells: cells.into(), offsets: offsets.into(), data: data.into() };
            assert_eq!(edits(raw, 2, 8).map(|edits| edits.len()), expected, "{cells:?} {offsets:?} {data:?}");
        };
        check(&[0, 1], &[0, 1, 3], b"abc", Ok(2));
        check(&[0, 1], &[0, 0, 0], b"", Ok(2));
        check(&[0], &[0, 3], b"abc", Err(BadOutput::WrongCells));
        check(&[0, 1, 2], &[0, 1, 2, 3], b"abc", Err(BadOutput::WrongCells));
        check(&[1, 0], &[0, 1, 3], b"abc", Err(BadOutput::WrongCells));
        check(&[0, 0], &[0, 1, 3], b"abc", Err(BadOutput::WrongCells));
        check(&[0, 1], &[0, 3], b"abc", Err(BadOutput::BadOffsets));
        check(&[0, 1], &[], b"abc", Err(BadOutput::BadOffsets));
        check(&[0, 1], &[0, 2, 1], b"a", Err(BadOutput::BadOffsets));
        check(&[0, 1], &[1, 1, 3], b"abc", Err(BadOutput::BadOffsets));
        check(&[0, 1], &[0, 9, 9], b"abc", Err(BadOutput::BadOffsets));
        check(&[0, 1], &[0, 1, 2], b"abc", Err(BadOutput::BadOffsets));
        check(&[0, 1], &[0, 1, 2], "ï".as_bytes(), Err(BadOutput::NotUtf8));
        check(&[0, 1], &[0, 1, 9], b"123456789", Err(BadOutput::TooLarge));
    }

    fn decide(verdict: RawVerdict, obligations: &[(&str, &str)]) -> Result<Decision, BadOutput> {
        let obligations = obligations.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        decision(&PluginId::new("guard"), RawDecision { verdict, obligations }, 20)
    }

    #[test]
    fn what_is_not_known_denies() {
        let check = |verdict: RawVerdict, obligations: &[(&str, &str)], expected: &str| {
            let decision = decide(verdict.clone(), obligations).unwrap();
            assert_eq!(decision.verdict().as_str(), expected, "{verdict:?} {obligations:?}");
        };
        check(RawVerdict::Allow, &[], "allow");
        check(RawVerdict::Allow, &[("row-cap", "10"), ("mask", "public.t.c=token")], "allow");
        check(RawVerdict::Allow, &[("row-cap", "-1")], "deny");
        check(RawVerdict::Allow, &[("row-cap", "")], "deny");
        check(RawVerdict::Allow, &[("mask", "public.t.c")], "deny");
        check(RawVerdict::Allow, &[("mask", "t.c=token")], "deny");
        check(RawVerdict::Allow, &[("mask", "public.t.c=hash")], "deny");
        check(RawVerdict::Allow, &[("mask", "public.t.c=plugin:x")], "deny");
        check(RawVerdict::Allow, &[("watermark", "x")], "deny");
        check(RawVerdict::Extension("delay".into()), &[], "deny");
        check(RawVerdict::Rewrite("SELECT 1".into()), &[], "rewrite");
        check(RawVerdict::Deny("no".into()), &[("row-cap", "1")], "deny");
    }

    #[test]
    fn a_decision_has_a_size() {
        let many = vec![("row-cap", "1"); DECISION_ENTRIES_MAX + 1];
        assert_eq!(decide(RawVerdict::Allow, &many), Err(BadOutput::TooManyEntries));
        let hold = |approvers| RawVerdict::Hold { reason: "r".into(), approvers, ttl_s: 1 };
        assert_eq!(decide(hold(vec!["x".repeat(21)]), &[]), Err(BadOutput::TooLarge));
        assert_eq!(decide(hold(vec![String::new(); 65]), &[]), Err(BadOutput::TooManyEntries));
        assert_eq!(
            decide(RawVerdict::Rewrite("x".repeat(REWRITE_BYTES_MAX + 1)), &[]),
            Err(BadOutput::TooLarge)
        );
    }

    #[test]
    fn texts_are_cleaned_and_cut() {
        let check = |text: &str, expected: &str| assert_eq!(clean_text(text, 10), expected, "{text:?}");
        check("", "");
        check("plain", "plain");
        check("a\nb\r\n\tc", "a b c");
        check("\u{1b}[31mred", "[31mred");
        check("\u{202E}evil\u{200B}", "evil");
        check("0123456789", "0123456789");
        check("0123456789a", "0123456789…");
        check("ééééééé", "ééééé…");
        check("\u{2001}a\u{A0}\u{3000}b\u{A0}", "a b");
        assert!(clean_text(&" ".repeat(1 << 20), 10).is_empty());
    }

    #[test]
    fn a_denial_always_has_a_reason() {
        let decision = decide(RawVerdict::Deny("\n".into()), &[]).unwrap();
        assert_eq!(decision.reasons().next().unwrap().text, "no reason was given");
    }

    fn numbers() -> impl Strategy<Value = u32> {
        prop_oneof![0_u32..12, any::<u32>()]
    }

    fn raw_findings() -> impl Strategy<Value = RawFinding> {
        (numbers(), numbers(), numbers(), numbers(), numbers(), numbers()).prop_map(
            |(cell, start, end, label, score, support)| RawFinding {
                cell,
                start,
                end,
                label,
                score,
                support,
            },
        )
    }

    proptest! {
        #[test]
        fn findings_that_pass_name_a_part_of_a_text(
            raw in proptest::collection::vec(raw_findings(), 0..4),
            cells in proptest::collection::vec("[aé€𝄞]{0,4}", 0..5),
        ) {
            let block = CellBlock::of_column(0, cells.iter().map(String::as_str)).unwrap();
            for one in findings(&raw, &block, 3, 10).unwrap_or_default() {
                let part = cells[one.cell as usize].get(one.start as usize..one.end as usize);
                prop_assert!(part.is_some_and(|part| !part.is_empty()));
                prop_assert!(one.label < 3 && one.score <= SCORE_MAX);
            }
        }

        #[test]
        fn edits_that_pass_have_a_value_for_each_cell(
            cells in proptest::collection::vec(numbers(), 0..4),
            offsets in proptest::collection::vec(numbers(), 0..5),
            data in proptest::collection::vec(any::<u8>(), 0..12),
            count in 0_usize..4,
        ) {
            if let Ok(edits) = edits(RawEdits { cells, offsets, data }, count, 10) {
                prop_assert_eq!(edits.len(), count);
                prop_assert!((0..count).all(|cell| edits.value(cell).is_some()));
            }
        }

        #[test]
        fn texts_that_are_shown_are_harmless_and_short(text in any::<String>(), bytes_max in 0_usize..40) {
            let clean = clean_text(&text, bytes_max);
            prop_assert!(clean.len() <= bytes_max + '…'.len_utf8());
            prop_assert!(clean.chars().all(is_shown));
        }
    }
}
