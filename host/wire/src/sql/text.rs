//! A statement's text without its literals, and the fingerprint of statements that differ in literals only.
//!
//! Both are made from the scanner's tokens, not from the tree: whatever the grammar does with a constant (PASSWORD, a SET
//! value, a DO block, a COMMENT, a connection string), a constant is one token here, and it is replaced. libpg_query's own
//! `normalize` leaves those of utility statements in place, and its own fingerprint takes two relations for one when an
//! alias or the schema is all that differs.
//!
//! A name is not a constant: `SET x TO secret` and `"secret"` in double quotes stay, as they do in `pg_stat_statements`.

use std::ops::Range;

use aws_lc_rs::digest::{Context, SHA256};
use pg_query::protobuf::{ScanToken, Token};

use super::{AnalyzeError, TEXT_BYTES_MAX};

/// What is put after a text that is scanned. It closes nothing but a comment of one line.
pub(crate) const SCANNED_END: &str = "\n;";

/// What stands for the rest of a text that was cut.
const ELLIPSIS: &str = "…";

/// What every literal is to the fingerprint, and what ends each token: bytes that no token of SQL has outside quotes.
const LITERAL: u8 = 1;
const END: u8 = 0;

pub(crate) const DISAGREE: AnalyzeError = AnalyzeError::Internal { reason: "parser and scanner disagree" };

/// The tokens of a message's SQL.
pub(crate) struct Tokens<'s> {
    sql: &'s str,
    tokens: Vec<ScanToken>,
}

/// A statement without its literals.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Normal {
    /// Literals replaced by parameters, comments dropped, each gap one space; at most [`TEXT_BYTES_MAX`] bytes.
    pub(crate) text: String,
    /// Of the whole statement: the first 8 bytes of the SHA-256 of its tokens, all literals alike, case folded as the server
    /// folds it. Too short to be a key to decisions: two statements that agree can be searched for.
    pub(crate) fingerprint: u64,
}

impl<'s> Tokens<'s> {
    /// Scans SQL, statements' ends and comments included.
    ///
    /// # Errors
    /// The scanner's, which may quote [`SCANNED_END`] after the text.
    pub(crate) fn scan(sql: &'s str) -> Result<Self, pg_query::Error> {
        // `scan_tokens` must not be given a text without a token: it makes a slice of a null pointer then.
        let mut tokens = pg_query::scan_tokens(&format!("{sql}{SCANNED_END}"))?;
        tokens.pop();
        Ok(Self { sql, tokens })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The statement at `location`, in bytes; a `length` of 0 means up to the end.
    pub(crate) fn statement(&self, location: i32, length: i32) -> Result<Normal, AnalyzeError> {
        let start = location;
        let end = if length == 0 { i32::MAX } else { start.saturating_add(length) };
        let first = self.tokens.partition_point(|token| token.start < start);
        let last = self.tokens.partition_point(|token| token.start < end);
        let tokens = self.tokens.get(first..last).ok_or(DISAGREE)?;
        normal(self.sql, tokens)
    }
}

/// What becomes of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Comment,
    Literal,
    Parameter,
    Name,
    Other,
}

fn class(token: &ScanToken) -> Class {
    match token.token() {
        Token::SqlComment | Token::CComment => Class::Comment,
        Token::Sconst | Token::Usconst | Token::Bconst | Token::Xconst | Token::Iconst | Token::Fconst => {
            Class::Literal
        }
        Token::Param => Class::Parameter,
        Token::Ident | Token::Uident => Class::Name,
        _ => Class::Other,
    }
}

fn normal(sql: &str, tokens: &[ScanToken]) -> Result<Normal, AnalyzeError> {
    let mut writer = Writer::new(parameter_max(sql, tokens)?);
    for token in tokens {
        let span = span(token)?;
        let piece = sql.get(span.clone()).ok_or(DISAGREE)?;
        writer.token(class(token), piece, span);
    }
    Ok(writer.finish())
}

fn span(token: &ScanToken) -> Result<Range<usize>, AnalyzeError> {
    let offset = |at: i32| usize::try_from(at).map_err(|_| DISAGREE);
    Ok(offset(token.start)?..offset(token.end)?)
}

/// The highest number of the statement's own parameters: literals are numbered from the next one on.
fn parameter_max(sql: &str, tokens: &[ScanToken]) -> Result<u64, AnalyzeError> {
    let mut max = 0;
    for token in tokens.iter().filter(|token| class(token) == Class::Parameter) {
        let digits = sql.get(span(token)?).and_then(|piece| piece.strip_prefix('$')).unwrap_or_default();
        max = max.max(digits.parse().unwrap_or(0));
    }
    Ok(max)
}

struct Writer {
    text: String,
    digest: Context,
    parameter: u64,
    end: Option<usize>,
    /// A token did not fit: nothing more is written.
    cut: bool,
}

impl Writer {
    fn new(parameter: u64) -> Self {
        Self { text: String::new(), digest: Context::new(&SHA256), parameter, end: None, cut: false }
    }

    fn token(&mut self, class: Class, piece: &str, span: Range<usize>) {
        match class {
            // Leaves a gap, and a gap becomes a space.
            Class::Comment => return,
            Class::Literal => {
                self.parameter = self.parameter.saturating_add(1);
                self.write(&format!("${}", self.parameter), span.start);
                self.digest.update(&[LITERAL]);
            }
            Class::Name if piece.starts_with('"') => {
                self.write(piece, span.start);
                self.digest.update(piece.as_bytes());
            }
            Class::Name | Class::Parameter | Class::Other => {
                self.write(piece, span.start);
                self.digest.update(piece.to_ascii_lowercase().as_bytes());
            }
        }
        self.end = Some(span.end);
        self.digest.update(&[END]);
    }

    fn write(&mut self, piece: &str, start: usize) {
        // `DATE'2020-01-01'` has no gap, `DATE$1` would be a name.
        let runs_on = piece.starts_with('$')
            && self.text.ends_with(|last: char| last.is_alphanumeric() || "_$\"".contains(last));
        let gap = if runs_on || self.end.is_some_and(|end| end < start) { " " } else { "" };
        self.cut |= self.text.len() + gap.len() + piece.len() + ELLIPSIS.len() > TEXT_BYTES_MAX;
        if !self.cut {
            self.text.push_str(gap);
            self.text.push_str(piece);
        }
    }

    fn finish(mut self) -> Normal {
        if self.cut {
            self.text.push_str(ELLIPSIS);
        }
        let digest = self.digest.finish();
        let fingerprint = digest.as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        Normal { text: self.text, fingerprint }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(sql: &str) -> Normal {
        Tokens::scan(sql).expect("SQL").statement(0, 0).expect("tokens")
    }

    #[test]
    fn literals_become_parameters_and_comments_go() {
        let check = |sql: &str, expected: &str| assert_eq!(normal(sql).text, expected);
        check(
            "SELECT 'a', 1, 1.5, B'01', X'FF', E'\\'', $t$x$t$, U&'\\0041'",
            "SELECT $1, $2, $3, $4, $5, $6, $7, $8",
        );
        check("SELECT $2, 'x'", "SELECT $2, $3");
        check("SELECT  --c\n /* d /* e */ */ 1", "SELECT $1");
        check("a/**/b", "a b");
        check("SELECT 'a'\n'b'", "SELECT $1");
        check("SELECT 'a' -- secret\n 'b'", "SELECT $1");
        check("SELECT N'x', DATE'2020-01-01'", "SELECT N $1, DATE $2");
        check("SELECT-1", "SELECT-$1");
        check("SELECT a.\"B c\"::text", "SELECT a.\"B c\"::text");
        check("SELECT U&\"d!0061t\" UESCAPE '!'", "SELECT U&\"d!0061t\" UESCAPE $1");
        check("SELECT 0x1F, 1_000, 1e5", "SELECT $1, $2, $3");
    }

    #[test]
    fn literals_case_and_gaps_do_not_change_the_fingerprint() {
        let same = |a: &str, b: &str| assert_eq!(normal(a).fingerprint, normal(b).fingerprint, "{a} {b}");
        same("SELECT * FROM t WHERE a = 'x'", "select * from t where a='y' -- c");
        same("SET x TO 1", "SET x TO 'one'");
        same("SELECT A", "SELECT a");
    }

    #[test]
    fn names_do() {
        let other = |a: &str, b: &str| assert_ne!(normal(a).fingerprint, normal(b).fingerprint, "{a} {b}");
        other("SELECT * FROM a.t x", "SELECT * FROM b.t x");
        other("SELECT * FROM t x", "SELECT * FROM u x");
        other("SELECT * FROM orders_2024", "SELECT * FROM orders_2025");
        other("SELECT a, b FROM t", "SELECT b, a FROM t");
        other("SELECT \"A\"", "SELECT a");
        other("SELECT \"a b\"", "SELECT a b");
        other("SELECT \"1\"", "SELECT 1");
        other("SELECT \"user\"", "SELECT user");
        other("SELECT a ? b", "SELECT a 'x' b");
    }

    #[test]
    fn a_long_text_is_cut_between_tokens_but_its_fingerprint_is_whole() {
        let long = |tail: &str| format!("SELECT {}{tail}", "column_ä, ".repeat(TEXT_BYTES_MAX / 10));
        let (one, other) = (normal(&long("x")), normal(&long("y")));
        assert!(one.text.len() <= TEXT_BYTES_MAX && one.text.ends_with(ELLIPSIS), "{}", one.text.len());
        assert_eq!(one.text, other.text);
        assert_ne!(one.fingerprint, other.fingerprint);
    }

    #[test]
    fn a_text_without_tokens_is_scanned() {
        for sql in ["", " ", "\n\t"] {
            assert_eq!(normal(sql).text, "", "{sql:?}");
        }
    }

    #[test]
    fn what_is_not_closed_is_not_closed_by_the_scanner() {
        for sql in ["'", "\"", "$$", "/*", "E'\\", "U&'", "SELECT 'a' 'b"] {
            assert!(Tokens::scan(sql).is_err(), "{sql}");
        }
        assert_eq!(normal("-- x").text, "");
        assert_eq!(normal("SELECT 'a' -- x").text, "SELECT $1");
    }

    #[test]
    fn each_statement_has_its_own_text() {
        let sql = "SELECT 'é'; /* x */ SELECT 2";
        let tokens = Tokens::scan(sql).expect("SQL");
        assert_eq!(tokens.statement(0, 11).expect("tokens").text, "SELECT $1");
        assert_eq!(tokens.statement(12, 0).expect("tokens").text, "SELECT $1");
    }
}
