//! Comma-separated values (RFC 4180), as far as trying a plugin needs them: a line of names first, quotes where a value has
//! commas, quotes or line breaks.

/// Names and rows; every row has as many values as there are names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Csv {
    pub(super) names: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

/// What is wrong with the text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CsvError {
    /// There is no first line.
    #[error("there is no CSV on standard input: give a line of names and then rows")]
    Empty,
    /// A row of another length.
    #[error("record {record} has {found} values, and there are {expected} names")]
    Uneven {
        /// From 1, the names included.
        record: usize,
        /// How many it has.
        found: usize,
        /// How many there are names.
        expected: usize,
    },
    /// The last quote was not closed.
    #[error("a quote is not closed")]
    OpenQuote,
}

/// Reads CSV.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn parse(text: &str) -> Result<Csv, CsvError> {
    let mut records = records(text.strip_prefix('\u{feff}').unwrap_or(text))?.into_iter();
    let names = records.next().ok_or(CsvError::Empty)?;
    let rows: Vec<Vec<String>> = records.collect();
    match rows.iter().position(|row| row.len() != names.len()) {
        Some(index) => {
            Err(CsvError::Uneven { record: index + 2, found: rows[index].len(), expected: names.len() })
        }
        None => Ok(Csv { names, rows }),
    }
}

fn records(text: &str) -> Result<Vec<Vec<String>>, CsvError> {
    let (mut records, mut record, mut value) = (Vec::new(), Vec::new(), String::new());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if value.is_empty() => {
                value = quoted(&mut chars)?;
            }
            ',' => record.push(std::mem::take(&mut value)),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                record.push(std::mem::take(&mut value));
                records.push(std::mem::take(&mut record));
            }
            _ => value.push(c),
        }
    }
    if !record.is_empty() || !value.is_empty() {
        record.push(value);
        records.push(record);
    }
    Ok(records)
}

/// What stands before the closing quote; two quotes are one.
fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, CsvError> {
    let mut value = String::new();
    while let Some(c) = chars.next() {
        match c {
            '"' if chars.next_if_eq(&'"').is_some() => value.push('"'),
            '"' => return Ok(value),
            _ => value.push(c),
        }
    }
    Err(CsvError::OpenQuote)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_with_and_without_quotes() {
        let check = |text: &str, expected: &[&[&str]]| {
            let rows: Vec<Vec<String>> = parse(text).expect("good CSV").rows;
            assert_eq!(rows, expected, "{text:?}");
        };
        check("a,b\n1,2\n3,4", &[&["1", "2"], &["3", "4"]]);
        check("a,b\r\n1,\r\n", &[&["1", ""]]);
        check("a\n\"x, \"\"y\"\"\nz\"\n", &[&["x, \"y\"\nz"]]);
        check("\u{feff}a\né", &[&["é"]]);
        check("a\n", &[]);
    }

    #[test]
    fn what_is_no_csv_is_refused() {
        assert_eq!(parse(""), Err(CsvError::Empty));
        assert_eq!(parse("a,b\n1\n"), Err(CsvError::Uneven { record: 2, found: 1, expected: 2 }));
        assert_eq!(parse("a\n\"b"), Err(CsvError::OpenQuote));
    }
}
