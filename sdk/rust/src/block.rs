//! Cells in one flat buffer, as the host sends them, and one at a time, as a plugin sees them.

use crate::{Failure, Field};

/// One value of a result, as text.
#[derive(Clone, Copy, Debug)]
pub struct Cell<'a> {
    /// The value. Never NULL; empty if it is an empty text or if the host's gate cleared it.
    pub text: &'a str,
    /// The column it belongs to.
    pub field: &'a Field,
    /// Its row within the block. Blocks are cut anywhere, so the number means nothing across calls.
    pub row: u32,
}

/// Cells, column by column: cell `f * rows + r` is row `r` of the block's field `f`.
///
/// Checked once: `offsets` has `rows * fields + 1` entries, ascends from 0 to the length of `data`, and cuts it between
/// characters.
#[derive(Debug)]
pub struct Block {
    rows: u32,
    fields: Vec<u32>,
    offsets: Vec<u32>,
    data: String,
}

impl Block {
    /// From the parts of WIT's `block`.
    ///
    /// # Errors
    /// The host broke its promise about one of the parts.
    pub fn new(rows: u32, fields: Vec<u32>, offsets: Vec<u32>, data: Vec<u8>) -> Result<Self, Failure> {
        let cells = (rows as usize).checked_mul(fields.len());
        if cells.and_then(|cells| cells.checked_add(1)) != Some(offsets.len()) {
            return Err(Failure::new("the block's offsets do not fit its rows and fields"));
        }
        let data = String::from_utf8(data).map_err(|_| Failure::new("the block's data is not UTF-8"))?;
        let on_boundaries = offsets.iter().all(|&offset| data.is_char_boundary(offset as usize));
        let ends = offsets.first() == Some(&0) && offsets.last().map(|&end| end as usize) == Some(data.len());
        if !(ends && on_boundaries && offsets.is_sorted()) {
            return Err(Failure::new("the block's offsets do not fit its data"));
        }
        Ok(Self { rows, fields, offsets, data })
    }

    /// How many cells there are.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all cells together.
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// Every cell with its index, in order; `fields` are those given to `begin`.
    ///
    /// # Errors
    /// The block has a field that `begin` did not announce.
    pub fn cells<'a>(
        &'a self,
        fields: &'a [Field],
    ) -> Result<impl Iterator<Item = (u32, Cell<'a>)>, Failure> {
        if self.fields.iter().any(|&field| field as usize >= fields.len()) {
            return Err(Failure::new("the block has a field that was not announced"));
        }
        let places = self.fields.iter().flat_map(|&field| (0..self.rows).map(move |row| (field, row)));
        let texts = self.offsets.windows(2).map(|ends| &self.data[ends[0] as usize..ends[1] as usize]);
        Ok((0..)
            .zip(places.zip(texts))
            .map(|(index, ((field, row), text))| (index, Cell { text, field: &fields[field as usize], row })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(block: &Block, fields: &[Field]) -> Vec<(u32, String, String, u32)> {
        let cells = block.cells(fields).expect("announced fields");
        cells.map(|(index, cell)| (index, cell.field.name.clone(), cell.text.to_owned(), cell.row)).collect()
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let check = |rows, fields: &[u32], offsets: &[u32], data: &[u8], expected: &str| {
            let failure =
                Block::new(rows, fields.to_vec(), offsets.to_vec(), data.to_vec()).expect_err("refused");
            assert!(failure.message.contains(expected), "{failure}");
        };
        check(1, &[0], &[], b"", "rows and fields");
        check(1, &[0], &[0], b"", "rows and fields");
        check(2, &[0], &[0, 1], b"a", "rows and fields");
        check(u32::MAX, &[0, 1, 2], &[0, 1], b"a", "rows and fields");
        check(1, &[0], &[0, 2], b"a", "its data");
        check(1, &[0], &[1, 1], b"a", "its data");
        check(1, &[0], &[0, 0], b"a", "its data");
        check(2, &[0], &[0, 2, 1], b"ab", "its data");
        check(2, &[0], &[0, 1, 2], "é".as_bytes(), "its data");
        check(1, &[0], &[0, 1], b"\xff", "UTF-8");
    }

    #[test]
    fn cells_come_column_by_column() {
        let fields = ["a", "b", "c"].map(|name| Field { name: name.into(), ..Field::default() });
        let block = Block::new(2, vec![2, 0], vec![0, 1, 3, 3, 4], "xéz".into()).expect("a good block");
        assert_eq!(
            texts(&block, &fields),
            [
                (0, "c".into(), "x".into(), 0),
                (1, "c".into(), "é".into(), 1),
                (2, "a".into(), String::new(), 0),
                (3, "a".into(), "z".into(), 1),
            ]
        );
    }

    #[test]
    fn a_field_that_was_not_announced_is_refused() {
        let block = Block::new(1, vec![1], vec![0, 1], b"x".to_vec()).expect("a good block");
        assert!(block.cells(&[Field::default()]).is_err());
    }

    #[test]
    fn an_empty_block_has_no_cells() {
        let block = Block::new(0, vec![0, 1], vec![0], Vec::new()).expect("a good block");
        assert!(block.is_empty());
        assert_eq!(texts(&block, &[Field::default(), Field::default()]), []);
    }
}
