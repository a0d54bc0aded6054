//! Copies of cells for the worker: the beginnings of columns, within a bound.

use grille_plugin::ColumnTexts;

/// Most bytes that are copied of one block, bookkeeping included. A block has some 256 KiB at most, and in its beginning is
/// what there is to see of a column.
pub(super) const BLOCK_COPIED_BYTES_MAX: usize = 64 << 10;

/// What a text costs besides its bytes.
const TEXT_BYTES: usize = 16;

/// The beginning of a block.
#[derive(Debug)]
pub(super) struct Copied<T> {
    pub(super) content: T,
    /// How many bytes it has, bookkeeping included.
    pub(super) bytes: usize,
    /// Whether something was left out.
    pub(super) is_cut: bool,
}

/// How many of the texts, from the first, fit into so many bytes; how many bytes they take.
fn fitting<'t>(texts: impl Iterator<Item = &'t str>, bytes_max: usize) -> (usize, usize) {
    let (mut count, mut bytes) = (0, 0);
    for text in texts {
        let with_it = bytes + text.len() + TEXT_BYTES;
        if with_it > bytes_max {
            break;
        }
        (count, bytes) = (count + 1, with_it);
    }
    (count, bytes)
}

/// The beginnings of columns; each may have an equal share of the bytes.
pub(super) fn columns<'c>(
    columns: impl Iterator<Item = &'c ColumnTexts> + Clone,
) -> Copied<Vec<ColumnTexts>> {
    let share = BLOCK_COPIED_BYTES_MAX / columns.clone().count().max(1);
    let mut copied = Copied { content: Vec::new(), bytes: 0, is_cut: false };
    for column in columns {
        let (count, bytes) = fitting(texts(column), share);
        let mut beginning = ColumnTexts::new(column.field());
        texts(column).take(count).for_each(|text| beginning.push(text));
        copied.bytes += bytes;
        copied.is_cut |= count < column.len();
        copied.content.push(beginning);
    }
    copied
}

/// The first of these values.
pub(super) fn values(values: &[&str]) -> Copied<Vec<String>> {
    let (count, bytes) = fitting(values.iter().copied(), BLOCK_COPIED_BYTES_MAX);
    let content = values[..count].iter().map(|value| (*value).to_owned()).collect();
    Copied { content, bytes, is_cut: count < values.len() }
}

pub(super) fn texts(column: &ColumnTexts) -> impl Iterator<Item = &str> {
    (0..column.len()).filter_map(|index| column.text(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(field: u32, texts: &[&str]) -> ColumnTexts {
        let mut column = ColumnTexts::new(field);
        texts.iter().for_each(|text| column.push(text));
        column
    }

    #[test]
    fn small_blocks_are_copied_whole() {
        let block = [column(3, &["a", "", "bc"]), column(5, &[])];
        let copied = columns(block.iter());
        assert_eq!((copied.content.as_slice(), copied.is_cut), (&block[..], false));
        assert_eq!(copied.bytes, 3 + 3 * TEXT_BYTES);
        let none = columns([].iter());
        assert_eq!((none.content.len(), none.bytes, none.is_cut), (0, 0, false));
    }

    #[test]
    fn of_large_ones_the_beginning_of_each_column() {
        let (large, huge) = ("x".repeat(20_000), "y".repeat(BLOCK_COPIED_BYTES_MAX));
        let block = [column(0, &[&large, &large, "z"]), column(1, &["a", &huge, "b"])];
        let copied = columns(block.iter());
        let lengths: Vec<usize> = copied.content.iter().map(ColumnTexts::len).collect();
        assert_eq!((lengths, copied.is_cut), (vec![1, 1], true));
        assert!(copied.bytes <= BLOCK_COPIED_BYTES_MAX);
        let empty = vec![""; BLOCK_COPIED_BYTES_MAX];
        let copied = columns([column(0, &empty)].iter());
        assert_eq!(copied.content[0].len(), BLOCK_COPIED_BYTES_MAX / TEXT_BYTES, "empty texts cost too");
    }

    #[test]
    fn so_it_is_with_values() {
        let large = "x".repeat(BLOCK_COPIED_BYTES_MAX / 2);
        let copied = values(&["a", &large, &large, "b"]);
        assert_eq!((copied.content.len(), copied.is_cut), (2, true));
        let copied = values(&["a", "b"]);
        assert_eq!((copied.content, copied.is_cut), (vec!["a".to_owned(), "b".to_owned()], false));
    }
}
