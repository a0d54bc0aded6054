//! What a COPY over the connection says about the form of its rows: `COPY … TO STDOUT`, `COPY … FROM STDIN` and their
//! options (manual, "COPY").
//!
//! The rows themselves are read in `postgres::copy`. Nothing here decides whether a COPY may run.

use grille_core::Action;
use grille_core::action::feature;
use pg_query::NodeEnum;
use pg_query::protobuf::{CopyStmt, DefElem, Node};

use super::{AnalyzeError, Sql, parse};

/// A COPY whose rows go over the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyStream {
    /// `FROM STDIN`: the client sends rows.
    In,
    /// `TO STDOUT`: the server sends rows, in this form.
    Out(Result<CopyLayout, UnreadableCopy>),
}

/// An option that is not known here, or has a value that is not: the rows pass as bytes or not at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the COPY option {option} cannot be followed")]
pub struct UnreadableCopy {
    /// Its name.
    pub option: Box<str>,
}

/// The form of a COPY's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyLayout {
    /// How rows and cells are told apart.
    pub format: CopyFormat,
    /// ENCODING; the session's `client_encoding` where it is not given. In binary format the server does not heed it.
    pub encoding: Option<Box<str>>,
}

/// FORMAT, with the options that belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyFormat {
    /// `text`.
    Text(TextLayout),
    /// `csv`.
    Csv(CsvLayout),
    /// `binary`.
    Binary,
}

/// Options of the text format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextLayout {
    /// DELIMITER: ASCII, no letter in lower case, digit, backslash, dot or line end.
    pub delimiter: u8,
    /// NULL, in UTF-8.
    pub null: Box<str>,
    /// HEADER: the first line holds the columns' names.
    pub has_header: bool,
}

/// Options of the CSV format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvLayout {
    /// DELIMITER: ASCII, no line end.
    pub delimiter: u8,
    /// QUOTE: ASCII, other than the delimiter.
    pub quote: u8,
    /// ESCAPE: ASCII.
    pub escape: u8,
    /// NULL, in UTF-8, without delimiter, quote or line end.
    pub null: Box<str>,
    /// HEADER: the first line holds the columns' names.
    pub has_header: bool,
    /// FORCE_QUOTE is given, for whichever columns.
    pub forces_quotes: bool,
}

/// The copies over the connection among the statements of `sql`, by their place; nothing is parsed where `actions`, the
/// same statements understood, have none.
///
/// # Errors
/// As [`analyze`](super::analyze).
pub fn copies(sql: Sql<'_>, actions: &[Action]) -> Result<Vec<Option<CopyStream>>, AnalyzeError> {
    if !actions.iter().any(|action| action.has(feature::COPY_STREAM)) {
        return Ok(Vec::new());
    }
    parse::with_tree_of(sql, |statements, _| {
        let nodes = statements.iter().map(|statement| statement.stmt.as_deref()?.node.as_ref());
        Ok(nodes.map(|node| node.and_then(stream)).collect())
    })
}

fn stream(node: &NodeEnum) -> Option<CopyStream> {
    let NodeEnum::CopyStmt(copy) = node else { return None };
    if copy.is_program || !copy.filename.is_empty() {
        return None;
    }
    Some(if copy.is_from { CopyStream::In } else { CopyStream::Out(layout(copy)) })
}

/// Options as they are given, before it is known what they mean together.
#[derive(Default)]
struct Given {
    format: Option<String>,
    delimiter: Option<u8>,
    null: Option<String>,
    quote: Option<u8>,
    escape: Option<u8>,
    header: Option<bool>,
    encoding: Option<String>,
    forces_quotes: Option<bool>,
}

fn layout(copy: &CopyStmt) -> Result<CopyLayout, UnreadableCopy> {
    let mut given = Given::default();
    for option in &copy.options {
        match &option.node {
            Some(NodeEnum::DefElem(option)) => given.take(option)?,
            Some(_) | None => return Err(unreadable("?")),
        }
    }
    let encoding = given.encoding.take().map(String::into_boxed_str);
    let format = match given.format.as_deref() {
        None | Some("text") => given.text()?,
        Some("csv") => given.csv()?,
        Some("binary") => given.binary()?,
        Some(_) => return Err(unreadable("format")),
    };
    Ok(CopyLayout { format, encoding })
}

fn unreadable(option: &str) -> UnreadableCopy {
    UnreadableCopy { option: option.chars().take(63).collect::<String>().into() }
}

impl Given {
    fn take(&mut self, option: &DefElem) -> Result<(), UnreadableCopy> {
        let name = option.defname.as_str();
        let arg = option.arg.as_deref().and_then(|arg| arg.node.as_ref());
        let known = match name {
            "format" => once(&mut self.format, word(arg)),
            "delimiter" => once(&mut self.delimiter, byte(arg)),
            "null" => once(&mut self.null, word(arg)),
            "quote" => once(&mut self.quote, byte(arg)),
            "escape" => once(&mut self.escape, byte(arg)),
            "header" => once(&mut self.header, truth(arg)),
            "encoding" => once(&mut self.encoding, word(arg)),
            "force_quote" => once(&mut self.forces_quotes, columns(arg)),
            _ => None,
        };
        known.ok_or_else(|| unreadable(name))
    }

    fn text(self) -> Result<CopyFormat, UnreadableCopy> {
        none_of(&[
            ("quote", self.quote.is_some()),
            ("escape", self.escape.is_some()),
            ("force_quote", self.forces_quotes.is_some()),
        ])?;
        let delimiter = self.delimiter.unwrap_or(b'\t');
        if matches!(delimiter, b'\\' | b'.' | b'a'..=b'z' | b'0'..=b'9') {
            return Err(unreadable("delimiter"));
        }
        let null = self.null.unwrap_or_else(|| "\\N".to_owned());
        check_null(&null, &[delimiter])?;
        let has_header = self.header.unwrap_or(false);
        Ok(CopyFormat::Text(TextLayout { delimiter, null: null.into(), has_header }))
    }

    fn csv(self) -> Result<CopyFormat, UnreadableCopy> {
        let delimiter = self.delimiter.unwrap_or(b',');
        let quote = self.quote.unwrap_or(b'"');
        let escape = self.escape.unwrap_or(quote);
        if quote == delimiter {
            return Err(unreadable("quote"));
        }
        let null = self.null.unwrap_or_default();
        check_null(&null, &[delimiter, quote])?;
        Ok(CopyFormat::Csv(CsvLayout {
            delimiter,
            quote,
            escape,
            null: null.into(),
            has_header: self.header.unwrap_or(false),
            forces_quotes: self.forces_quotes.unwrap_or(false),
        }))
    }

    fn binary(self) -> Result<CopyFormat, UnreadableCopy> {
        none_of(&[
            ("delimiter", self.delimiter.is_some()),
            ("null", self.null.is_some()),
            ("quote", self.quote.is_some()),
            ("escape", self.escape.is_some()),
            ("header", self.header == Some(true)),
            ("force_quote", self.forces_quotes.is_some()),
        ])?;
        Ok(CopyFormat::Binary)
    }
}

/// What the server refuses beside the format is not read here either.
fn none_of(options: &[(&str, bool)]) -> Result<(), UnreadableCopy> {
    match options.iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => Err(unreadable(option)),
        None => Ok(()),
    }
}

fn check_null(null: &str, apart: &[u8]) -> Result<(), UnreadableCopy> {
    let clashes = null.bytes().any(|byte| matches!(byte, b'\r' | b'\n') || apart.contains(&byte));
    if clashes { Err(unreadable("null")) } else { Ok(()) }
}

/// An option given twice is refused, as the server does.
fn once<T>(slot: &mut Option<T>, value: Option<T>) -> Option<()> {
    if slot.is_some() {
        return None;
    }
    *slot = Some(value?);
    Some(())
}

fn word(arg: Option<&NodeEnum>) -> Option<String> {
    match arg {
        Some(NodeEnum::String(word)) => Some(word.sval.clone()),
        _ => None,
    }
}

/// One ASCII character that is no line end.
fn byte(arg: Option<&NodeEnum>) -> Option<u8> {
    match word(arg)?.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\r' | b'\n' | 0) => Some(*byte),
        _ => None,
    }
}

/// As the server reads it (`defGetCopyHeaderChoice`), but for `match`, which goes with FROM only.
fn truth(arg: Option<&NodeEnum>) -> Option<bool> {
    match arg {
        None => Some(true),
        Some(NodeEnum::Boolean(value)) => Some(value.boolval),
        Some(NodeEnum::Integer(number)) => match number.ival {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
        Some(NodeEnum::String(word)) => match word.sval.to_ascii_lowercase().as_str() {
            "true" | "on" => Some(true),
            "false" | "off" => Some(false),
            _ => None,
        },
        Some(_) => None,
    }
}

fn columns(arg: Option<&NodeEnum>) -> Option<bool> {
    match arg {
        Some(NodeEnum::AStar(_)) => Some(true),
        Some(NodeEnum::List(list)) => list.items.iter().all(is_word).then_some(true),
        _ => None,
    }
}

fn is_word(node: &Node) -> bool {
    matches!(node.node, Some(NodeEnum::String(_)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

    use super::*;

    fn of(sql: &str) -> Vec<Option<CopyStream>> {
        copies(Sql::standard(sql), &crate::sql::analyze(sql).unwrap()).unwrap()
    }

    fn check(options: &str, expected: CopyFormat) {
        let [Some(CopyStream::Out(Ok(layout)))] = &of(&format!("COPY t TO STDOUT {options}"))[..] else {
            panic!("{options}: {:?}", of(&format!("COPY t TO STDOUT {options}")));
        };
        assert_eq!(layout.format, expected, "{options}");
    }

    fn text(delimiter: u8, null: &str, has_header: bool) -> CopyFormat {
        CopyFormat::Text(TextLayout { delimiter, null: null.into(), has_header })
    }

    fn csv() -> CsvLayout {
        CsvLayout {
            delimiter: b',',
            quote: b'"',
            escape: b'"',
            null: "".into(),
            has_header: false,
            forces_quotes: false,
        }
    }

    #[test]
    fn an_option_that_is_not_known_is_told() {
        let check = |options: &str, option: &str| {
            let expected = CopyStream::Out(Err(unreadable(option)));
            assert_eq!(of(&format!("COPY t TO STDOUT {options}")), [Some(expected)], "{options}");
        };
        check("(FORMAT xml)", "format");
        check("(FORMAT 'CSV')", "format");
        check("(SURPRISE)", "surprise");
        check("(DELIMITER 'ab')", "delimiter");
        check("(DELIMITER 'é')", "delimiter");
        check("(DELIMITER 'a')", "delimiter");
        check("(DELIMITER '\\')", "delimiter");
        check("(DELIMITER '|', NULL 'a|b')", "null");
        check("(NULL E'a\\nb')", "null");
        check("(NULL 'a', NULL 'b')", "null");
        check("(FORMAT csv, NULL '\"')", "null");
        check("(FORMAT csv, QUOTE ',')", "quote");
        check("(QUOTE '\"')", "quote");
        check("(HEADER match)", "header");
        check("(HEADER 2)", "header");
        check("(FORMAT binary, DELIMITER ',')", "delimiter");
        check("(FORCE_QUOTE *)", "force_quote");
        check("(FORCE_NOT_NULL (a))", "force_not_null");
    }

    #[test]
    fn options_are_read_in_both_notations() {
        check("", text(b'\t', "\\N", false));
        check("(DELIMITER '|', NULL '', HEADER)", text(b'|', "", true));
        check("DELIMITERS '|' WITH NULL AS 'none'", text(b'|', "none", false));
        check("(FORMAT text, HEADER off)", text(b'\t', "\\N", false));
        check("(FORMAT csv)", CopyFormat::Csv(csv()));
        check("WITH CSV HEADER", CopyFormat::Csv(CsvLayout { has_header: true, ..csv() }));
        check(
            "(FORMAT csv, DELIMITER ';', QUOTE '''', ESCAPE '\\', NULL 'NULL', FORCE_QUOTE (a, b))",
            CopyFormat::Csv(CsvLayout {
                delimiter: b';',
                quote: b'\'',
                escape: b'\\',
                null: "NULL".into(),
                forces_quotes: true,
                ..csv()
            }),
        );
        check(
            "(FORMAT csv, QUOTE '''')",
            CopyFormat::Csv(CsvLayout { quote: b'\'', escape: b'\'', ..csv() }),
        );
        check("(FORMAT csv, FORCE_QUOTE *)", CopyFormat::Csv(CsvLayout { forces_quotes: true, ..csv() }));
        check("BINARY", CopyFormat::Binary);
        check("(FORMAT binary)", CopyFormat::Binary);
    }

    #[test]
    fn each_statement_has_its_own() {
        let out = |sql| matches!(&of(sql)[..], [Some(CopyStream::Out(Ok(_)))]);
        assert!(out("COPY BINARY t TO STDOUT") && out("COPY (SELECT 1) TO STDOUT"));
        assert_eq!(of("SELECT 1; COPY t FROM STDIN (SURPRISE)"), [None, Some(CopyStream::In)]);
        assert_eq!(of("COPY t TO '/file'; COPY t FROM PROGRAM 'x'"), []);
        assert_eq!(of("COPY t TO '/file'; COPY t FROM STDIN"), [None, Some(CopyStream::In)]);
    }

    #[test]
    fn an_encoding_is_kept() {
        let [Some(CopyStream::Out(Ok(layout)))] = &of("COPY t TO STDOUT (ENCODING 'LATIN1')")[..] else {
            panic!("a COPY")
        };
        assert_eq!(layout.encoding.as_deref(), Some("LATIN1"));
    }
}
