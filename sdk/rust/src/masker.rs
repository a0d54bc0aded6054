//! What makes new values for sensitive ones.

use serde::de::DeserializeOwned;

use crate::{Block, Cell, Diagnostic, Exchange, Failure, Field};

/// Makes a new value for each cell it is given.
pub trait Masker: Sized + 'static {
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
    /// The masker cannot work on this result; the host replaces every value itself.
    fn begin(&mut self, _exchange: &Exchange, _fields: &[Field]) -> Result<(), Failure> {
        Ok(())
    }

    /// Appends the new value to `out`, which holds earlier values: only append. A masker that has no good value for a
    /// cell panics: the host then replaces the whole cell.
    fn mask(&self, cell: Cell<'_>, out: &mut String);
}

/// New values in WIT's flat form: value `i` is for cell `cells[i]` and is `data[offsets[i]..offsets[i + 1]]`.
#[derive(Debug, PartialEq, Eq)]
pub struct Edits {
    /// Ascending, without repeats.
    pub cells: Vec<u32>,
    /// One more than cells.
    pub offsets: Vec<u32>,
    /// All values.
    pub data: String,
}

/// A configured masker at work on one exchange: what stands between the component's exports and a [`Masker`].
#[derive(Debug)]
pub struct MaskerSession<M> {
    masker: M,
    fields: Vec<Field>,
}

impl<M: Masker> MaskerSession<M> {
    /// Around a configured masker, before `begin`.
    pub fn new(masker: M) -> Self {
        Self { masker, fields: Vec::new() }
    }

    /// The exchange begins.
    ///
    /// # Errors
    /// As [`Masker::begin`].
    pub fn begin(&mut self, exchange: &Exchange, fields: Vec<Field>) -> Result<(), Failure> {
        self.masker.begin(exchange, &fields)?;
        self.fields = fields;
        Ok(())
    }

    /// One value for each cell of the block.
    ///
    /// # Errors
    /// The block has a field that `begin` did not announce, or the values exceed 4 GiB.
    pub fn mask(&self, block: &Block) -> Result<Edits, Failure> {
        let cells = block.cells(&self.fields)?;
        let mut edits = Edits {
            cells: Vec::with_capacity(block.len()),
            offsets: Vec::with_capacity(block.len() + 1),
            data: String::with_capacity(block.bytes()),
        };
        edits.offsets.push(0);
        for (index, cell) in cells {
            self.masker.mask(cell, &mut edits.data);
            edits.cells.push(index);
            let end =
                u32::try_from(edits.data.len()).map_err(|_| Failure::new("more than 4 GiB of new values"))?;
            edits.offsets.push(end);
        }
        Ok(edits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Upper;

    impl Masker for Upper {
        type Settings = ();

        fn configure((): ()) -> Result<Self, Vec<Diagnostic>> {
            Ok(Self)
        }

        fn mask(&self, cell: Cell<'_>, out: &mut String) {
            out.extend(cell.text.chars().flat_map(char::to_uppercase));
        }
    }

    #[test]
    fn every_cell_has_one_value() {
        let mut session = MaskerSession::new(Upper);
        session.begin(&Exchange::default(), vec![Field::default()]).expect("begins");
        let block = Block::new(3, vec![0], vec![0, 1, 1, 4], "aßb".into()).expect("a good block");
        let expected = Edits { cells: vec![0, 1, 2], offsets: vec![0, 1, 1, 4], data: "ASSB".into() };
        assert_eq!(session.mask(&block), Ok(expected));
    }

    #[test]
    fn a_block_before_begin_is_refused() {
        let block = Block::new(1, vec![0], vec![0, 1], "a".into()).expect("a good block");
        assert!(MaskerSession::new(Upper).mask(&block).is_err());
    }
}
