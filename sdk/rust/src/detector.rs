//! What finds sensitive data.

use std::ops::{BitOr, Range};

use serde::de::DeserializeOwned;

use crate::{Block, Cell, Diagnostic, Exchange, Failure, Field};

/// The highest score a finding can have.
pub const SCORE_MAX: u32 = 1000;

/// Finds sensitive data in cells. It says where; it never returns what it saw.
pub trait Detector: Sized + 'static {
    /// What the operator may set; described by the JSON Schema that `plugin.toml` names.
    type Settings: DeserializeOwned;

    /// Called once, before anything else. Must be pure: the host may keep a snapshot of the outcome.
    ///
    /// # Errors
    /// Everything that is wrong with the settings.
    fn configure(settings: Self::Settings) -> Result<Self, Vec<Diagnostic>>;

    /// Called before the first cell of an exchange.
    ///
    /// # Errors
    /// The detector cannot work on this result; the host treats all of it as sensitive.
    fn begin(&mut self, _exchange: &Exchange, _fields: &[Field]) -> Result<(), Failure> {
        Ok(())
    }

    /// Adds what the cell holds to `out`. Overlapping findings are resolved by the host (higher score, then longer). A
    /// detector that cannot judge a cell panics: the host then treats it as sensitive.
    fn inspect(&self, cell: Cell<'_>, out: &mut Findings);
}

/// A kind of sensitive data: index into the `[[labels]]` of `plugin.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(pub u32);

/// What speaks for a finding besides its shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Support(u32);

impl Support {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// A check digit or checksum held.
    pub const CHECKED: Self = Self(1);
    /// The usual separators were there (`123-45-6789`).
    pub const SEPARATED: Self = Self(2);
    /// A context word stands beside it in the same text.
    pub const CONTEXT: Self = Self(4);

    /// The bits of WIT's `finding.support`.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Whether everything in `other` is in `self`.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Support {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Where sensitive data was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Index of the cell within the block.
    pub cell: u32,
    /// Byte offset into the cell, between characters.
    pub start: u32,
    /// Where it ends; `start < end`.
    pub end: u32,
    /// What was found.
    pub label: Label,
    /// 0 to [`SCORE_MAX`].
    pub score: u32,
    /// What speaks for it.
    pub support: Support,
}

/// Collects the findings of a block.
#[derive(Debug, Default)]
pub struct Findings {
    cell: u32,
    found: Vec<Finding>,
}

impl Findings {
    /// Adds a finding in the cell under inspection: `range` is in bytes, between characters, and not empty (the host
    /// fails closed on any other); scores over [`SCORE_MAX`] count as that.
    pub fn add(&mut self, label: Label, range: Range<usize>, score: u32, support: Support) {
        let offset = |place| u32::try_from(place).expect("a cell is shorter than 4 GiB");
        let (start, end) = (offset(range.start), offset(range.end));
        self.found.push(Finding { cell: self.cell, start, end, label, score: score.min(SCORE_MAX), support });
    }
}

/// A configured detector at work on one exchange: what stands between the component's exports and a [`Detector`].
#[derive(Debug)]
pub struct DetectorSession<D> {
    detector: D,
    fields: Vec<Field>,
}

impl<D: Detector> DetectorSession<D> {
    /// Around a configured detector, before `begin`.
    pub fn new(detector: D) -> Self {
        Self { detector, fields: Vec::new() }
    }

    /// The exchange begins.
    ///
    /// # Errors
    /// As [`Detector::begin`].
    pub fn begin(&mut self, exchange: &Exchange, fields: Vec<Field>) -> Result<(), Failure> {
        self.detector.begin(exchange, &fields)?;
        self.fields = fields;
        Ok(())
    }

    /// All findings of a block; empty cells are not looked at. Allocates nothing but the findings.
    ///
    /// # Errors
    /// The block has a field that `begin` did not announce.
    pub fn inspect(&self, block: &Block) -> Result<Vec<Finding>, Failure> {
        let mut findings = Findings::default();
        for (index, cell) in block.cells(&self.fields)? {
            if !cell.text.is_empty() {
                findings.cell = index;
                self.detector.inspect(cell, &mut findings);
            }
        }
        Ok(findings.found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finds the letter that the settings name, in fields that are not called `clear`.
    struct Letter(char);

    impl Detector for Letter {
        type Settings = char;

        fn configure(letter: char) -> Result<Self, Vec<Diagnostic>> {
            Ok(Self(letter))
        }

        fn begin(&mut self, exchange: &Exchange, _fields: &[Field]) -> Result<(), Failure> {
            if exchange.role == "nobody" { Err(Failure::new("not for nobody")) } else { Ok(()) }
        }

        fn inspect(&self, cell: Cell<'_>, out: &mut Findings) {
            assert!(!cell.text.is_empty(), "empty cells are left out");
            if cell.field.name != "clear" {
                for (start, found) in cell.text.match_indices(self.0) {
                    out.add(Label(3), start..start + found.len(), 2000, Support::CHECKED | Support::CONTEXT);
                }
            }
        }
    }

    fn session() -> DetectorSession<Letter> {
        DetectorSession::new(Letter('é'))
    }

    #[test]
    fn a_detector_can_refuse_an_exchange() {
        let exchange = Exchange { role: "nobody".into(), ..Exchange::default() };
        assert_eq!(session().begin(&exchange, Vec::new()), Err(Failure::new("not for nobody")));
    }

    #[test]
    fn a_block_before_begin_is_refused() {
        let block = Block::new(1, vec![0], vec![0, 2], "é".into()).expect("a good block");
        assert!(session().inspect(&block).is_err());
    }

    #[test]
    fn findings_carry_the_cell_and_bounded_scores() {
        let fields = ["clear", "dark"].map(|name| Field { name: name.into(), ..Field::default() });
        let mut session = session();
        session.begin(&Exchange::default(), fields.to_vec()).expect("begins");
        let block = Block::new(2, vec![0, 1], vec![0, 2, 2, 2, 8], "éaébé".into()).expect("a good block");
        let found = session.inspect(&block).expect("inspected");
        let places: Vec<_> = found.iter().map(|finding| (finding.cell, finding.start, finding.end)).collect();
        assert_eq!(places, [(3, 1, 3), (3, 4, 6)]);
        for finding in found {
            assert_eq!((finding.label, finding.score), (Label(3), SCORE_MAX));
            assert_eq!(finding.support.bits(), 5);
        }
    }
}
