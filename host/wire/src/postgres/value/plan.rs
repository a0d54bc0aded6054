//! What is to be done with the texts of one cell: findings and treatments brought to the leaf they concern.
//!
//! Nothing here knows a type; the type modules ask [`Work`] for the order of each leaf in turn.

use std::cmp::Reverse;
use std::ops::Range;

use grille_core::Treatment;

use super::token::Tokenizer;

/// Whether the names of a JSON document's fields are given as texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// As they are.
    Give,
    /// As empty texts, so that those after them keep their numbers.
    Blank,
}

/// Something sensitive in one of the texts that `Column::texts` gave for a cell.
#[derive(Clone, Copy, Debug)]
pub struct LeafFinding<'a> {
    /// Which text of the cell, counted from 0 in the order they were given.
    pub text: usize,
    /// First byte within the text. Offsets that are not on UTF-8 boundaries are widened to them; offsets that do not
    /// fit the text (`start < end <= text.len()`) concern the whole text.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What is done to it.
    pub treatment: &'a Treatment,
    /// For [`Treatment::Plugin`]: what the masker answered. Without it, or where it does not fit the type, the span is
    /// redacted.
    pub replacement: Option<&'a str>,
}

/// What became of a cell.
#[must_use = "a cell that became NULL has no bytes in the output"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masked {
    /// Its new value was appended to the output.
    Value,
    /// It is NULL; the output is as it was.
    Null,
}

/// A cell is not in the form its type demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// What is done to one value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remedy<'a> {
    pub(super) treatment: &'a Treatment,
    pub(super) replacement: Option<&'a str>,
}

impl<'a> Remedy<'a> {
    /// The strictest of what is done to several spans of one value, for when they cannot be treated apart; `None` when
    /// all of them stay.
    pub(super) fn strictest(findings: &[LeafFinding<'a>]) -> Option<Self> {
        findings
            .iter()
            .map(Self::of)
            .max_by_key(|remedy| remedy.rank())
            .filter(|remedy| *remedy.treatment != Treatment::Keep)
    }

    fn of(finding: &LeafFinding<'a>) -> Self {
        // PostgreSQL has no text with a NUL in it, and jsonb refuses its escape.
        let replacement = finding.replacement.filter(|text| !text.contains('\0'));
        Self { treatment: finding.treatment, replacement }
    }

    fn stricter(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    fn rank(&self) -> (u8, Reverse<u8>) {
        let kept = match self.treatment {
            Treatment::KeepLast(kept) => *kept,
            Treatment::Keep
            | Treatment::Null
            | Treatment::Redact
            | Treatment::Token
            | Treatment::Plugin(_) => 0,
        };
        (self.treatment.strictness(), Reverse(kept))
    }
}

/// What is to be done with one leaf.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order<'a> {
    /// Nothing.
    Leave,
    /// All of it is treated.
    Treat(Remedy<'a>),
    /// Parts of it are treated; the findings are in order of their start.
    Splice(&'a [LeafFinding<'a>]),
}

impl<'a> Order<'a> {
    /// The order for a leaf that can only be treated as a whole; `None` when it stays.
    pub(super) fn whole(self) -> Option<Remedy<'a>> {
        match self {
            Self::Leave => None,
            Self::Treat(remedy) => Some(remedy),
            Self::Splice(findings) => Remedy::strictest(findings),
        }
    }
}

/// The orders for all leaves of one cell, handed out in the order in which the leaves stand.
#[derive(Debug)]
pub(super) struct Work<'a> {
    orders: Orders<'a>,
    pub(super) tokens: &'a Tokenizer,
}

#[derive(Debug)]
enum Orders<'a> {
    Whole(Remedy<'a>),
    Found { rest: &'a [LeafFinding<'a>], text: usize },
}

impl<'a> Work<'a> {
    /// Every leaf is treated.
    pub(super) fn whole(treatment: &'a Treatment, tokens: &'a Tokenizer) -> Self {
        Self { orders: Orders::Whole(Remedy { treatment, replacement: None }), tokens }
    }

    /// Leaves are treated where something was found; `sorted` is in order of text and start.
    pub(super) fn found(sorted: &'a [LeafFinding<'a>], tokens: &'a Tokenizer) -> Self {
        Self { orders: Orders::Found { rest: sorted, text: 0 }, tokens }
    }

    /// The order for the next text. Called once for each text that `Column::texts` gives, in the same order.
    pub(super) fn next_text(&mut self) -> Order<'a> {
        match &mut self.orders {
            Orders::Whole(remedy) => Order::Treat(*remedy),
            Orders::Found { rest, text } => {
                let mine = rest.partition_point(|finding| finding.text <= *text);
                let (mine, later) = rest.split_at(mine);
                *rest = later;
                *text += 1;
                if mine.is_empty() { Order::Leave } else { Order::Splice(mine) }
            }
        }
    }

    /// The order for a leaf that detectors do not see.
    pub(super) fn unseen(&self) -> Order<'a> {
        match &self.orders {
            Orders::Whole(remedy) => Order::Treat(*remedy),
            Orders::Found { .. } => Order::Leave,
        }
    }

    /// Whether every finding has met its text.
    pub(super) fn is_done(&self) -> bool {
        match &self.orders {
            Orders::Whole(_) => true,
            Orders::Found { rest, .. } => rest.is_empty(),
        }
    }
}

/// A part of a text and what is done to it.
#[derive(Clone, Debug)]
pub(super) struct Span<'a> {
    pub(super) range: Range<usize>,
    pub(super) remedy: Remedy<'a>,
}

/// The parts of `text` that findings (in order of their start) concern: ascending, not empty, not overlapping, on UTF-8
/// boundaries. Findings that overlap become one part under the strictest of their treatments; parts that are kept are left
/// out.
pub(super) fn spans<'a>(text: &str, findings: &[LeafFinding<'a>]) -> Vec<Span<'a>> {
    let mut spans: Vec<Span<'a>> =
        findings.iter().map(|found| Span { range: extent(text, found), remedy: Remedy::of(found) }).collect();
    spans.sort_by_key(|span| span.range.start);
    spans.dedup_by(|later, earlier| {
        let overlaps = later.range.start < earlier.range.end;
        if overlaps {
            earlier.range.end = earlier.range.end.max(later.range.end);
            earlier.remedy = earlier.remedy.stricter(later.remedy);
        }
        overlaps
    });
    spans.retain(|span| !span.range.is_empty() && *span.remedy.treatment != Treatment::Keep);
    spans
}

fn extent(text: &str, finding: &LeafFinding<'_>) -> Range<usize> {
    if finding.start < finding.end && finding.end <= text.len() {
        text.floor_char_boundary(finding.start)..text.ceil_char_boundary(finding.end)
    } else {
        0..text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'a>(start: usize, end: usize, treatment: &'a Treatment) -> LeafFinding<'a> {
        LeafFinding { text: 0, start, end, treatment, replacement: None }
    }

    #[test]
    fn overlapping_findings_become_one_span_under_the_strictest() {
        let findings =
            [at(0, 4, &Treatment::Token), at(2, 6, &Treatment::Redact), at(6, 7, &Treatment::Token)];
        let spans = spans("abcdefgh", &findings);
        let seen: Vec<_> = spans.iter().map(|span| (span.range.clone(), span.remedy.treatment)).collect();
        assert_eq!(seen, [(0..6, &Treatment::Redact), (6..7, &Treatment::Token)]);
    }

    #[test]
    fn offsets_that_do_not_fit_widen() {
        let check = |text: &str, start, end, expected: Range<usize>| {
            assert_eq!(
                spans(text, &[at(start, end, &Treatment::Redact)])[0].range,
                expected,
                "{start}..{end}"
            );
        };
        check("aéb", 2, 3, 1..3);
        check("aéb", 0, 2, 0..3);
        check("abc", 2, 9, 0..3);
        check("abc", 2, 2, 0..3);
        check("abc", usize::MAX, 1, 0..3);
    }

    #[test]
    fn fewer_kept_characters_are_stricter() {
        let findings = [at(0, 1, &Treatment::KeepLast(2)), at(0, 1, &Treatment::KeepLast(4))];
        let strictest = Remedy::strictest(&findings).expect("something is done");
        assert_eq!(strictest.treatment, &Treatment::KeepLast(2));
        assert!(Remedy::strictest(&[at(0, 1, &Treatment::Keep)]).is_none());
    }
}
