//! Where in a text an error of the grammar is, found from the parser's message. The parser reads from left to right and stops
//! at the first error; a place is told only where the message leaves one to choose.
//!
//! Places are byte offsets here.

use std::ops::Range;

use pg_query::protobuf::Token;

use crate::sql::strings::{Sql, bad_unicode_escape};
use crate::sql::text::Tokens;

/// Longest text in which a place is looked for by reading parts of it again, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 16 << 10;

/// Most parts that are read again.
const REPARSED_MAX: usize = 64;

/// Gives the parser's message for a text.
type Reparse<'r> = &'r dyn Fn(&str) -> Option<String>;

/// How the place that goes with a message is found.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// It is not.
    Lost,
    /// At one of these words, counted from 0, where the statement has them once. `_` is any word, `*` is what differs in the
    /// message.
    At(&'static [&'static str], usize),
    /// At the name that differs in the message.
    Name,
    /// Of CREATE SCHEMA IF NOT EXISTS: the first element.
    SchemaElement,
    /// At INITIALLY DEFERRED or NOT DEFERRABLE, whichever comes later.
    DeferralConflict,
    /// At the only literal with Unicode escapes.
    UnicodeLiteral,
    /// At the first escape in a literal that is no Unicode escape and begins as one.
    Escape,
    /// At the first object of a publication that has a flaw.
    PublicationObject(Flaw),
}

/// What the grammar has against an object of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Nothing says whether it is a table or a schema.
    NoKind,
    /// It cannot be a table.
    Table,
    /// It is a schema, and has a WHERE.
    Where,
    /// It is a schema, and has a list of columns.
    Columns,
    /// It cannot be a schema.
    Schema,
}

/// Where the error is whose message ends in the token at which the parser stopped, or in `at end of input`.
pub(super) fn near_token(sql: &str, message: &str, reparse: Reparse<'_>) -> Option<usize> {
    if message.ends_with(" at end of input") {
        return Some(sql.len());
    }
    let (_, quoted) = message.split_once(" at or near \"")?;
    let token = quoted.strip_suffix('"').filter(|token| !token.is_empty())?;
    // The parser stops at a token, the scanner anywhere in one.
    let is_token = message.starts_with("syntax error");
    let stands = |at: usize| !is_token || stands_by_itself(sql, token, at);
    // Of a long text it matters only whether there is one.
    let places_max = if sql.len() > TEXT_BYTES_MAX { 2 } else { usize::MAX };
    let places = sql.match_indices(token).map(|(at, _)| at).filter(|&at| stands(at)).take(places_max);
    let places: Vec<usize> = places.collect();
    match places[..] {
        [] => None,
        [only] => Some(only),
        [..] if sql.len() > TEXT_BYTES_MAX => None,
        [..] => first_to_fail(sql, message, token, &places, reparse),
    }
}

/// Whether what stands there may be a token, unlike `NUL` in `NULL`.
fn stands_by_itself(sql: &str, token: &str, at: usize) -> bool {
    !parts_word(sql, at) && !parts_word(sql, at + token.len())
}

/// Whether a word goes on across the offset.
fn parts_word(sql: &str, at: usize) -> bool {
    let in_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii();
    sql[..at].chars().next_back().is_some_and(in_word) && sql[at..].chars().next().is_some_and(in_word)
}

/// A text cut before the error gives another message, one cut after it the same.
fn first_to_fail(
    sql: &str,
    message: &str,
    token: &str,
    places: &[usize],
    reparse: Reparse<'_>,
) -> Option<usize> {
    let fails = |at: usize| reparse(&sql[..at + token.len()]).is_some_and(|same| same == message);
    let first = places.partition_point(|&at| !fails(at));
    places.get(first).copied()
}

/// Where the error is that goes with a message, of which `quoted` is what differs.
pub(super) fn of(
    place: Place,
    quoted: &str,
    sql: Sql<'_>,
    message: &str,
    reparse: Reparse<'_>,
) -> Option<usize> {
    if matches!(place, Place::Lost) || sql.text.len() > TEXT_BYTES_MAX {
        return None;
    }
    if matches!(place, Place::Escape) {
        return bad_unicode_escape(sql);
    }
    let words = words(sql)?;
    let statement = failing_statement(sql.text, &words, message, reparse)?;
    let index = match place {
        Place::Lost | Place::Escape => None,
        Place::At(pattern, at) => only(statement, pattern, quoted).map(|start| start + at),
        Place::Name => only_name(statement, quoted),
        Place::SchemaElement => schema_element(statement),
        Place::DeferralConflict => {
            let deferred = only(statement, &["initially", "deferred"], quoted)?;
            only(statement, &["not", "deferrable"], quoted).map(|never| never.max(deferred))
        }
        Place::UnicodeLiteral => only_window(statement, 1, |words| words[0].text.starts_with("u&'")),
        Place::PublicationObject(flaw) => publication_object(statement, flaw),
    };
    statement.get(index?).map(|word| word.start)
}

/// A token that is no comment.
#[derive(Debug)]
struct Word {
    /// As the server folds names and keywords; quotes are left.
    text: String,
    start: usize,
    end: usize,
    /// How many parentheses it is in; a parenthesis is not in itself.
    depth: usize,
}

impl Word {
    /// Whether this is the word of a pattern.
    fn is(&self, pattern: &str, quoted: &str) -> bool {
        match pattern {
            "_" => true,
            "*" => self.names(quoted),
            word => self.text == word,
        }
    }

    /// Whether this is the name, in quotes or not. Of some the message has capitals where the statement need not.
    fn names(&self, name: &str) -> bool {
        let bare = self.text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        bare.map_or_else(|| self.text.eq_ignore_ascii_case(name), |bare| bare == name)
    }
}

fn words(sql: Sql<'_>) -> Option<Vec<Word>> {
    let tokens = Tokens::scan(sql).ok()?;
    let mut depth = 0_usize;
    let mut words = Vec::with_capacity(tokens.len());
    for (kind, Range { start, end }) in tokens.each() {
        if matches!(kind, Token::SqlComment | Token::CComment) {
            continue;
        }
        let text = sql.text.get(start..end)?;
        if text == ")" {
            depth = depth.saturating_sub(1);
        }
        let folded = if text.starts_with('"') { text.to_owned() } else { text.to_ascii_lowercase() };
        words.push(Word { text: folded, start, end, depth });
        if text == "(" {
            depth += 1;
        }
    }
    Some(words)
}

/// The first statement that has the error by itself.
fn failing_statement<'w>(
    sql: &str,
    words: &'w [Word],
    message: &str,
    reparse: Reparse<'_>,
) -> Option<&'w [Word]> {
    let statements = words.split(|word| word.depth == 0 && word.text == ";");
    let mut statements = statements.filter(|words| !words.is_empty()).take(REPARSED_MAX);
    statements.find(|words| {
        let [first, .., last] = words else { return false };
        sql.get(first.start..last.end).and_then(reparse).is_some_and(|same| same == message)
    })
}

/// Where the words begin that the statement has once.
fn only(statement: &[Word], pattern: &[&str], quoted: &str) -> Option<usize> {
    let is_it = |words: &[Word]| words.iter().zip(pattern).all(|(word, pattern)| word.is(pattern, quoted));
    only_window(statement, pattern.len(), is_it)
}

/// Where the name of several parts begins that the statement has once. One with dots in its parts is not found.
fn only_name(statement: &[Word], name: &str) -> Option<usize> {
    let parts: Vec<&str> = name.split('.').collect();
    let is_it = |words: &[Word]| {
        let (names, mut dots) = (words.iter().step_by(2), words.iter().skip(1).step_by(2));
        names.zip(&parts).all(|(word, part)| word.names(part)) && dots.all(|word| word.text == ".")
    };
    only_window(statement, parts.len() * 2 - 1, is_it)
}

fn only_window(statement: &[Word], length: usize, is_it: impl Fn(&[Word]) -> bool) -> Option<usize> {
    let mut found = statement.windows(length).enumerate().filter(|(_, words)| is_it(words));
    match (found.next(), found.next()) {
        (Some((index, _)), None) => Some(index),
        (Some(_), Some(_)) | (None, _) => None,
    }
}

fn schema_element(statement: &[Word]) -> Option<usize> {
    let word = |index: usize| statement.get(index).map_or("", |word| word.text.as_str());
    // CREATE SCHEMA IF NOT EXISTS, then a name, AUTHORIZATION and an owner, or both.
    let index = match (word(5), word(6)) {
        ("authorization", _) => 7,
        (_, "authorization") => 8,
        (_, _) => 6,
    };
    ["create", "grant"].contains(&word(index)).then_some(index)
}

fn publication_object(statement: &[Word], flaw: Flaw) -> Option<usize> {
    // CREATE PUBLICATION name FOR objects WITH (…), ALTER PUBLICATION name ADD objects.
    let end = statement.iter().position(|word| word.depth == 0 && word.text == "with");
    let statement = &statement[..end.unwrap_or(statement.len())];
    if !["for", "add", "set", "drop"].contains(&statement.get(3)?.text.as_str()) {
        return None;
    }
    let mut start = 4;
    let mut kind = None;
    while let Some(rest) = statement.get(start..).filter(|rest| !rest.is_empty()) {
        let comma = rest.iter().position(|word| word.depth == 0 && word.text == ",");
        let object = &rest[..comma.unwrap_or(rest.len())];
        let (of_its_own, name) = kind_of(object);
        kind = of_its_own.or(kind);
        if let Some(found) = flaw_of(object.get(name..)?, kind) {
            return (found == flaw).then_some(start + name);
        }
        start += comma? + 1;
    }
    None
}

/// What an object of a publication is.
#[derive(Clone, Copy)]
enum Kind {
    Table,
    Schema,
}

/// What an object says it is, and which of its words comes after that.
fn kind_of(object: &[Word]) -> (Option<Kind>, usize) {
    match object {
        [table, ..] if table.text == "table" => (Some(Kind::Table), 1),
        [tables, of, _schema, ..] if tables.text == "tables" && of.text == "in" => (Some(Kind::Schema), 3),
        _ => (None, 0),
    }
}

fn flaw_of(object: &[Word], kind: Option<Kind>) -> Option<Flaw> {
    let (name, rest) = object.split_first()?;
    let has = |text: &str| rest.iter().any(|word| word.depth == 0 && word.text == text);
    match kind {
        None => Some(Flaw::NoKind),
        Some(Kind::Table) => (name.text == "current_schema").then_some(Flaw::Table),
        Some(Kind::Schema) if has("where") => Some(Flaw::Where),
        Some(Kind::Schema) if has("(") => Some(Flaw::Columns),
        Some(Kind::Schema) if has(".") => Some(Flaw::Schema),
        Some(Kind::Schema) => None,
    }
}
