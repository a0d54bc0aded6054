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

use super::strings::{Sql, Strings, plain_literals};
use super::{AnalyzeError, TEXT_BYTES_MAX, depth};

/// What is put after a text that is scanned. It closes nothing but a comment of one line.
pub(crate) const SCANNED_END: &str = "\n;";

/// What stands for the rest of a text that was cut.
const ELLIPSIS: &str = "…";

/// What every literal is to the fingerprint, and what ends each token: bytes that no token of SQL has outside quotes.
const LITERAL: u8 = 1;
const END: u8 = 0;

pub(crate) const DISAGREE: AnalyzeError = AnalyzeError::Internal { reason: "parser and scanner disagree" };

/// Put before a literal that has to be read as an escape string: the scanner knows no settings.
const ESCAPE_MARK: &str = " E";

/// The tokens of a message's SQL.
pub(crate) struct Tokens<'s> {
    text: &'s str,
    tokens: Vec<ScanToken>,
}

/// Why a text was not scanned.
#[derive(Debug)]
pub(crate) enum Unscannable {
    /// The scanner's error, which may quote [`SCANNED_END`] after the text.
    Error(pg_query::Error),
    /// It does not find literals where they were marked.
    Disagree,
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
    /// What the scanner has against it. The parser has something against it too, then.
    pub(crate) fn scan(sql: Sql<'s>) -> Result<Self, Unscannable> {
        let tokens = match sql.strings {
            Strings::Standard => scan(sql.text)?,
            Strings::Escaped => scan_escaped(sql.text)?,
        };
        Ok(Self { text: sql.text, tokens })
    }

    /// Each token's kind and place, comments included.
    pub(crate) fn each(&self) -> impl Iterator<Item = (Token, Range<usize>)> {
        self.tokens.iter().filter_map(|token| Some((token.token(), span(token).ok()?)))
    }

    /// Most levels that their tree has.
    pub(crate) fn levels(&self) -> usize {
        depth::levels(&self.tokens)
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
        normal(self.text, tokens)
    }
}

fn scan(text: &str) -> Result<Vec<ScanToken>, Unscannable> {
    // `scan_tokens` must not be given a text without a token: it makes a slice of a null pointer then.
    let mut tokens = pg_query::scan_tokens(&format!("{text}{SCANNED_END}")).map_err(Unscannable::Error)?;
    tokens.pop();
    Ok(tokens)
}

/// Scans a text whose plain literals are escape strings: with each marked as one, and the marks taken out of the places.
fn scan_escaped(text: &str) -> Result<Vec<ScanToken>, Unscannable> {
    let literals = plain_literals(text);
    let marked = marked(text, &literals);
    let mut tokens = scan(&marked)?;
    unmark(&mut tokens, &marked, &literals).ok_or(Unscannable::Disagree)?;
    Ok(tokens)
}

fn marked(text: &str, literals: &[usize]) -> String {
    let mut out = String::with_capacity(text.len() + literals.len() * ESCAPE_MARK.len());
    let mut copied = 0;
    for &literal in literals {
        out.push_str(&text[copied..literal]);
        out.push_str(ESCAPE_MARK);
        copied = literal;
    }
    out.push_str(&text[copied..]);
    out
}

/// Gives tokens the places that they have without marks; nothing unless each marked literal is a token, and no other token
/// is a literal between plain quotes.
fn unmark(tokens: &mut [ScanToken], marked: &str, literals: &[usize]) -> Option<()> {
    let mut passed = 0;
    for token in tokens {
        let start = usize::try_from(token.start).ok()?;
        let mark = literals.get(passed).map(|literal| literal + passed * ESCAPE_MARK.len() + 1);
        let is_marked = mark == Some(start);
        if mark.is_some_and(|mark| mark < start) || marked.as_bytes().get(start) == Some(&b'\'') {
            return None;
        }
        passed += usize::from(is_marked);
        let removed = i32::try_from(passed * ESCAPE_MARK.len()).ok()?;
        // The mark's letter is the first of the token.
        token.start -= removed - i32::from(is_marked);
        token.end -= removed;
    }
    (passed == literals.len()).then_some(())
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
    use proptest::prelude::*;

    use super::*;

    fn normal(sql: &str) -> Normal {
        Tokens::scan(Sql::standard(sql)).expect("SQL").statement(0, 0).expect("tokens")
    }

    fn escaped(text: &str) -> Sql<'_> {
        Sql { text, strings: Strings::Escaped }
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
            assert!(Tokens::scan(Sql::standard(sql)).is_err(), "{sql}");
            assert!(Tokens::scan(escaped(sql)).is_err(), "{sql}");
        }
        assert_eq!(normal("-- x").text, "");
        assert_eq!(normal("SELECT 'a' -- x").text, "SELECT $1");
    }

    #[test]
    fn each_statement_has_its_own_text() {
        let sql = "SELECT 'é'; /* x */ SELECT 2";
        let tokens = Tokens::scan(Sql::standard(sql)).expect("SQL");
        assert_eq!(tokens.statement(0, 11).expect("tokens").text, "SELECT $1");
        assert_eq!(tokens.statement(12, 0).expect("tokens").text, "SELECT $1");
    }
    #[test]
    fn escaped_literals_are_literals_to_their_end() {
        let check = |sql: &str, expected: &str| {
            let tokens = Tokens::scan(escaped(sql)).expect(sql);
            assert_eq!(tokens.statement(0, 0).expect("tokens").text, expected, "{sql}");
        };
        check(r"SELECT 'it\'s', 'x'", "SELECT $1, $2");
        check(r"SELECT '\\', 'x'", "SELECT $1, $2");
        check(r"SELECT '\' , ', ssn || '' FROM people --'", "SELECT $1, ssn || $2 FROM people");
        check(r"SELECT a'\'b'c", "SELECT a $1c");
        check("SELECT 'a\\'' -- '\n '\\'', N'\\'', B'01'", "SELECT $1, N $2, $3");
        check(r#"SELECT $a$ ' $a$, "'", '\'' /* ' */"#, r#"SELECT $1, "'", $2"#);
        check(r"SELECT E'\'', e'x', _e'\''", "SELECT $1, $2, _e $3");
    }

    #[test]
    fn tokens_stand_where_the_text_has_them() {
        let sql = r"SELECT '\'é', E'\'', x, 'a''b' ; -- '";
        let tokens = Tokens::scan(escaped(sql)).expect(sql);
        let pieces: Vec<&str> = tokens.each().map(|(_, span)| &sql[span]).collect();
        let expected = ["SELECT", r"'\'é'", ",", r"E'\''", ",", "x", ",", "'a''b'", ";", "-- '"];
        assert_eq!(pieces, expected);
    }

    /// Each string of the tree that the parser makes stands where a token of the scanner does, and no string is missing.
    fn check_agreement(text: &str) {
        let sql = escaped(text);
        let Ok(scanned) = crate::sql::Scanned::new(sql) else { return };
        let Ok(actions) = scanned.analyze() else { return };
        let tokens = Tokens::scan(sql).expect("it was scanned");
        let is_string = |kind: &Token| matches!(kind, Token::Sconst | Token::Bconst | Token::Xconst);
        let strings = tokens.each().filter(|(kind, _)| is_string(kind)).map(|(_, span)| span.start);
        let mut found: Vec<usize> = parsed_strings(sql);
        found.sort_unstable();
        assert_eq!(strings.collect::<Vec<_>>(), found, "{text:?} {actions:?}");
    }

    /// Where the constants stand that a `SELECT a, b, …` lists.
    fn parsed_strings(sql: Sql<'_>) -> Vec<usize> {
        let of = |statements: &[pg_query::protobuf::RawStmt]| {
            let json = serde_json::to_value(&statements[0]).expect("a tree");
            let mut places = Vec::new();
            constants(&json, &mut places);
            Ok(places)
        };
        crate::sql::parse::with_tree_of(sql, |statements, _| of(statements)).expect("it was parsed")
    }

    fn constants(tree: &serde_json::Value, places: &mut Vec<usize>) {
        match tree {
            serde_json::Value::Object(fields) => {
                if let Some(constant) = fields.get("AConst") {
                    let is_string = ["Sval", "Bsval"].iter().any(|kind| constant["val"].get(kind).is_some());
                    let at = constant["location"].as_u64().expect("a place");
                    places.extend(is_string.then(|| usize::try_from(at).expect("near")));
                }
                fields.values().for_each(|field| constants(field, places));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| constants(item, places)),
            _ => {}
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        #[test]
        fn scanner_and_parser_find_the_same_literals(
            pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 1..14),
        ) {
            crate::sql::declare_large_stack();
            check_agreement(&format!("SELECT '{}", pieces.concat()));
        }
    }

    const PIECES: [&str; 30] = [
        "'", "'", "'", "'", "\\", "\\\\", "\\'", "''", "\"", "E'", "N'", "B'", "x'", "U&'", "_e'", "$$",
        "$a$", "$", "--", "\n", "\r", "\u{b}", "/*", "*/", " ", ",", "a", "é", "0", "||",
    ];
}
