//! `json` and `jsonb` documents, walked in place: leaves are replaced where they stand and every other byte stays, with
//! its blanks, its duplicate keys and its spelling of numbers.
//!
//! The grammar is RFC 8259's. One thing is laxer than a strict reader, as PostgreSQL's `json` is: an escape may be half a
//! surrogate pair, which reads as U+FFFD.

use std::borrow::Cow;
use std::ops::Range;

use grille_core::Treatment;

use super::numeric::Numeric;
use super::plan::{LeafFinding, Malformed, Masked, Names, Order, Remedy, Work, spans};
use super::scalar::Scalar;
use super::text;
use super::token::Tokenizer;

/// Deepest nesting that is walked; PostgreSQL's own limit (`max_stack_depth`) is lower by default. A level costs one byte.
const DEPTH_MAX: usize = 10_000;

/// Most bytes of a key that counts as a plain name.
const NAME_BYTES_MAX: usize = 63;

/// Most digits in a key that counts as a plain name: `address_line2` is one, a number of an account is not.
const NAME_DIGITS_MAX: usize = 3;

/// Gives the sink the keys, strings and numbers of a document.
pub(super) fn texts(document: &str, names: Names, sink: &mut dyn FnMut(&str)) -> Result<(), Malformed> {
    let mut leaves = Leaves::new(document);
    while let Some(leaf) = leaves.next()? {
        match leaf.kind {
            LeafKind::Key => {
                let key = unescaped(leaf.content(document));
                let is_blank = names == Names::Blank && is_plain_name(&key);
                sink(if is_blank { "" } else { &key });
            }
            LeafKind::String => sink(&unescaped(leaf.content(document))),
            LeafKind::Number => sink(&document[leaf.span]),
            LeafKind::Boolean | LeafKind::Null => {}
        }
    }
    Ok(())
}

/// Appends the document, rewritten as ordered.
pub(super) fn rewrite(document: &str, work: &mut Work<'_>, out: &mut Vec<u8>) -> Result<Masked, Malformed> {
    let mut leaves = Leaves::new(document);
    let mut copied = 0;
    while let Some(leaf) = leaves.next()? {
        let order = match leaf.kind {
            LeafKind::Key | LeafKind::String | LeafKind::Number => work.next_text(),
            LeafKind::Boolean => work.unseen(),
            LeafKind::Null => Order::Leave,
        };
        if let Some(new) = rewritten(document, &leaf, order, work.tokens) {
            out.extend_from_slice(&document.as_bytes()[copied..leaf.span.start]);
            out.extend_from_slice(new.as_bytes());
            copied = leaf.span.end;
        }
    }
    out.extend_from_slice(&document.as_bytes()[copied..]);
    Ok(Masked::Value)
}

/// What stands in the leaf's place; `None` when it stays.
fn rewritten(document: &str, leaf: &Leaf, order: Order<'_>, tokens: &Tokenizer) -> Option<String> {
    let raw = leaf.content(document);
    match (leaf.kind, order) {
        (_, Order::Leave) | (LeafKind::Null, Order::Treat(_) | Order::Splice(_)) => None,
        (LeafKind::Number, Order::Treat(_) | Order::Splice(_)) => {
            order.whole().map(|remedy| number(&document[leaf.span.clone()], remedy, tokens))
        }
        (LeafKind::Boolean, Order::Treat(_) | Order::Splice(_)) => {
            order.whole().map(|remedy| null_or(remedy, "false"))
        }
        (LeafKind::Key, Order::Treat(remedy)) => {
            let key = unescaped(raw);
            (!is_plain_name(&key)).then(|| quoted_key(text::treat(&key, remedy, usize::MAX, tokens)))
        }
        (LeafKind::String, Order::Treat(remedy)) => {
            Some(quoted_or_null(text::treat(&unescaped(raw), remedy, usize::MAX, tokens)))
        }
        (LeafKind::Key, Order::Splice(findings)) => Some(match splice(raw, findings, tokens) {
            Some(content) => format!("\"{content}\""),
            None => quoted_key(None),
        }),
        (LeafKind::String, Order::Splice(findings)) => Some(match splice(raw, findings, tokens) {
            Some(content) => format!("\"{content}\""),
            None => "null".to_owned(),
        }),
    }
}

fn number(spelling: &str, remedy: Remedy<'_>, tokens: &Tokenizer) -> String {
    let treated = match Numeric::from_json(spelling) {
        Some(value) => match value.treated(remedy, -1, tokens) {
            Some(treated) => treated,
            None => return "null".to_owned(),
        },
        None => return null_or(remedy, "0"),
    };
    let mut digits = Vec::new();
    treated.write_text(&mut digits);
    match String::from_utf8(digits) {
        Ok(digits) if treated.is_finite() => digits,
        Ok(_) | Err(_) => "0".to_owned(),
    }
}

fn null_or(remedy: Remedy<'_>, value: &str) -> String {
    if *remedy.treatment == Treatment::Null { "null".to_owned() } else { value.to_owned() }
}

fn quoted_or_null(text: Option<String>) -> String {
    text.map_or_else(|| "null".to_owned(), |text| format!("\"{}\"", escaped(&text)))
}

/// A key cannot be null.
fn quoted_key(text: Option<String>) -> String {
    quoted_or_null(Some(text.unwrap_or_else(|| text::REDACTED.to_owned())))
}

/// Whether a key names a field rather than holding data. Documents keyed by e-mail address, number or free text are
/// common, and a treatment of the whole column is a treatment of those too.
fn is_plain_name(key: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$');
    let word = key.strip_prefix('@').unwrap_or(key);
    word.len() <= NAME_BYTES_MAX
        && word.chars().all(is_word)
        && word.chars().filter(char::is_ascii_digit).count() <= NAME_DIGITS_MAX
}

/// The raw content of a string with spans of its text treated, escaped; what is outside of them keeps its escapes. `None`
/// when the whole is to be null.
fn splice(raw: &str, findings: &[LeafFinding<'_>], tokens: &Tokenizer) -> Option<String> {
    let decoded = unescaped(raw);
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    let mut at = 0;
    for span in spans(&decoded, findings) {
        let before = raw_length(rest, span.range.start - at);
        out.push_str(&rest[..before]);
        rest = &rest[before..];
        rest = &rest[raw_length(rest, span.range.len())..];
        at = span.range.end;
        out.push_str(&escaped(&text::treat(&decoded[span.range], span.remedy, usize::MAX, tokens)?));
    }
    out.push_str(rest);
    Some(out)
}

/// How many bytes at the start of raw content make so many bytes of text.
fn raw_length(raw: &str, text_bytes: usize) -> usize {
    let (mut length, mut made) = (0, 0);
    while made < text_bytes {
        let Some((unit, c)) = first_unit(&raw[length..]) else { break };
        length += unit;
        made += c.len_utf8();
    }
    length
}

/// The text of a string's raw content.
fn unescaped(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((unit, c)) = first_unit(rest) {
        text.push(c);
        rest = &rest[unit..];
    }
    Cow::Owned(text)
}

/// The first character that checked raw content stands for, and how many bytes it takes up.
fn first_unit(raw: &str) -> Option<(usize, char)> {
    let first = raw.chars().next()?;
    if first != '\\' {
        return Some((first.len_utf8(), first));
    }
    Some(match raw.as_bytes().get(1)? {
        b'b' => (2, '\u{8}'),
        b'f' => (2, '\u{c}'),
        b'n' => (2, '\n'),
        b'r' => (2, '\r'),
        b't' => (2, '\t'),
        b'u' => code_point(raw),
        other => (2, char::from(*other)),
    })
}

/// `\uXXXX`, or two of them that make a surrogate pair.
fn code_point(raw: &str) -> (usize, char) {
    let unit = |at: usize| {
        let escape = raw.get(at..at + 6)?;
        u16::from_str_radix(escape.strip_prefix("\\u")?, 16).ok()
    };
    let units = unit(0).into_iter().chain(unit(6));
    match char::decode_utf16(units).next() {
        Some(Ok(c)) => (6 * c.len_utf16(), c),
        Some(Err(_)) | None => (6.min(raw.len()), char::REPLACEMENT_CHARACTER),
    }
}

/// A text as raw content.
fn escaped(text: &str) -> Cow<'_, str> {
    let needs_escape = |c: char| c < ' ' || matches!(c, '"' | '\\');
    if !text.contains(needs_escape) {
        return Cow::Borrowed(text);
    }
    let mut raw = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '"' => raw.push_str("\\\""),
            '\\' => raw.push_str("\\\\"),
            c if c < ' ' => raw.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => raw.push(c),
        }
    }
    Cow::Owned(raw)
}

/// What a leaf is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LeafKind {
    Key,
    String,
    Number,
    Boolean,
    Null,
}

/// A leaf of a document, or a key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Leaf {
    kind: LeafKind,
    /// Where it stands, quotes included.
    span: Range<usize>,
}

impl Leaf {
    /// What is between the quotes of a key or string, which `Leaves` has checked; nothing for other leaves.
    fn content<'a>(&self, document: &'a str) -> &'a str {
        match self.kind {
            LeafKind::Key | LeafKind::String => &document[self.span.start + 1..self.span.end - 1],
            LeafKind::Number | LeafKind::Boolean | LeafKind::Null => "",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    Array,
    Object,
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
}

/// The leaves of a document one by one, the grammar checked on the way.
struct Leaves<'a> {
    bytes: &'a [u8],
    at: usize,
    open: Vec<Container>,
    expect: Expect,
}

impl<'a> Leaves<'a> {
    fn new(document: &'a str) -> Self {
        Self { bytes: document.as_bytes(), at: 0, open: Vec::new(), expect: Expect::Value }
    }

    /// The next leaf; `None` at the end of a document that is whole.
    fn next(&mut self) -> Result<Option<Leaf>, Malformed> {
        loop {
            self.skip_blanks();
            let Some(byte) = self.bytes.get(self.at).copied() else {
                let is_whole = self.open.is_empty() && self.expect == Expect::CommaOrEnd;
                return if is_whole { Ok(None) } else { Err(Malformed) };
            };
            match (self.expect, byte) {
                (Expect::Value | Expect::ValueOrEnd, b'[') => self.enter(Container::Array)?,
                (Expect::Value | Expect::ValueOrEnd, b'{') => self.enter(Container::Object)?,
                (Expect::ValueOrEnd, b']') | (Expect::KeyOrEnd, b'}') => self.leave(byte)?,
                (Expect::CommaOrEnd, b']' | b'}') => self.leave(byte)?,
                (Expect::CommaOrEnd, b',') => self.comma()?,
                (Expect::Colon, b':') => self.step(Expect::Value),
                (Expect::Value | Expect::ValueOrEnd, _) => return self.value(byte).map(Some),
                (Expect::Key | Expect::KeyOrEnd, b'"') => {
                    return self.string(LeafKind::Key, Expect::Colon).map(Some);
                }
                (Expect::Key | Expect::KeyOrEnd | Expect::Colon | Expect::CommaOrEnd, _) => {
                    return Err(Malformed);
                }
            }
        }
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn step(&mut self, expect: Expect) {
        self.at += 1;
        self.expect = expect;
    }

    fn enter(&mut self, container: Container) -> Result<(), Malformed> {
        if self.open.len() == DEPTH_MAX {
            return Err(Malformed);
        }
        self.open.push(container);
        self.step(match container {
            Container::Array => Expect::ValueOrEnd,
            Container::Object => Expect::KeyOrEnd,
        });
        Ok(())
    }

    fn leave(&mut self, byte: u8) -> Result<(), Malformed> {
        match (self.open.pop(), byte) {
            (Some(Container::Array), b']') | (Some(Container::Object), b'}') => {}
            (_, _) => return Err(Malformed),
        }
        self.step(Expect::CommaOrEnd);
        Ok(())
    }

    fn comma(&mut self) -> Result<(), Malformed> {
        match self.open.last() {
            Some(Container::Array) => self.step(Expect::Value),
            Some(Container::Object) => self.step(Expect::Key),
            None => return Err(Malformed),
        }
        Ok(())
    }

    fn value(&mut self, byte: u8) -> Result<Leaf, Malformed> {
        match byte {
            b'"' => self.string(LeafKind::String, Expect::CommaOrEnd),
            b't' => self.word("true", LeafKind::Boolean),
            b'f' => self.word("false", LeafKind::Boolean),
            b'n' => self.word("null", LeafKind::Null),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, kind: LeafKind) -> Result<Leaf, Malformed> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(Malformed);
        }
        Ok(self.leaf(kind, self.at + word.len(), Expect::CommaOrEnd))
    }

    fn leaf(&mut self, kind: LeafKind, end: usize, expect: Expect) -> Leaf {
        let span = self.at..end;
        self.at = end;
        self.expect = expect;
        Leaf { kind, span }
    }

    fn string(&mut self, kind: LeafKind, expect: Expect) -> Result<Leaf, Malformed> {
        let mut at = self.at + 1;
        loop {
            let rest = self.bytes.get(at..).ok_or(Malformed)?;
            let run = memchr::memchr2(b'"', b'\\', rest).ok_or(Malformed)?;
            if rest[..run].iter().any(|byte| *byte < b' ') {
                return Err(Malformed);
            }
            at += run;
            if self.bytes[at] == b'"' {
                return Ok(self.leaf(kind, at + 1, expect));
            }
            at += escape_length(&self.bytes[at..]).ok_or(Malformed)?;
        }
    }

    fn number(&mut self) -> Result<Leaf, Malformed> {
        let length = number_length(&self.bytes[self.at..]).ok_or(Malformed)?;
        Ok(self.leaf(LeafKind::Number, self.at + length, Expect::CommaOrEnd))
    }
}

fn escape_length(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Some(2),
        [b'\\', b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => {
            Some(6)
        }
        _ => None,
    }
}

/// RFC 8259 section 6.
fn number_length(bytes: &[u8]) -> Option<usize> {
    let digits = |at: usize| bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let some_digits = |at: usize| Some(digits(at)).filter(|count| *count > 0);
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    at += match bytes.get(at)? {
        b'0' => 1,
        _ => some_digits(at)?,
    };
    if bytes.get(at) == Some(&b'.') {
        at += 1 + some_digits(at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at += 1 + sign + some_digits(at + 1 + sign)?;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens() -> Tokenizer {
        Tokenizer::new(&[1; 32]).expect("long enough")
    }

    fn seen(document: &str) -> Result<Vec<String>, Malformed> {
        let mut seen = Vec::new();
        texts(document, Names::Give, &mut |text| seen.push(text.to_owned()))?;
        Ok(seen)
    }

    fn rewritten(document: &str, mut work: Work<'_>) -> String {
        let mut out = Vec::new();
        assert_eq!(rewrite(document, &mut work, &mut out), Ok(Masked::Value));
        assert!(work.is_done());
        String::from_utf8(out).expect("a text")
    }

    /// The document with every occurrence of `needle` in one of its texts found.
    fn hunted(document: &str, needle: &str, treatment: &Treatment, replacement: Option<&str>) -> String {
        let texts = seen(document).expect("a document");
        let findings: Vec<LeafFinding<'_>> = texts
            .iter()
            .enumerate()
            .filter_map(|(text, content)| {
                let start = content.find(needle)?;
                Some(LeafFinding { text, start, end: start + needle.len(), treatment, replacement })
            })
            .collect();
        rewritten(document, Work::found(&findings, &tokens()))
    }

    #[test]
    fn keys_strings_and_numbers_are_texts() {
        let check = |document: &str, expected: &[&str]| {
            assert_eq!(
                seen(document),
                Ok(expected.iter().map(|text| (*text).to_owned()).collect()),
                "{document}"
            )
        };
        check(r#"{"a": [1, -2.5e3, "x", true, null, {}], "a": ""}"#, &["a", "1", "-2.5e3", "x", "a", ""]);
        check(r#" "a\u0040b\n\ud83d\ude00\/\"" "#, &["a@b\n😀/\""]);
        check(r#""\ud800x\udc00\ud800\u0041""#, &["\u{fffd}x\u{fffd}\u{fffd}A"]);
        check("[]", &[]);
        check("0", &["0"]);
        check("null", &[]);
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for document in [
            "",
            " ",
            "{",
            "[",
            "]",
            "[1,]",
            "[,1]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "[1 2]",
            "1 2",
            "01",
            "1.",
            ".5",
            "-",
            "+1",
            "1e",
            "tru",
            "truex",
            "\"",
            "\"\\\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u12g4\"",
            "\"\n\"",
            "[}",
            "{]",
            "{\"a\":1]",
            "{1:2}",
            "[1]]",
            "nan",
            "'a'",
        ] {
            assert_eq!(seen(document), Err(Malformed), "{document}");
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(seen(&nested(DEPTH_MAX)), Ok(Vec::new()));
        assert_eq!(seen(&nested(DEPTH_MAX + 1)), Err(Malformed));
    }

    #[test]
    fn only_the_found_part_changes() {
        let check = |document: &str, expected: &str| {
            assert_eq!(hunted(document, "a@b.co", &Treatment::Redact, None), expected);
        };
        check(r#"{"m" :  "to a@b.co!", "n":1.0}"#, r#"{"m" :  "to [redacted]!", "n":1.0}"#);
        check(r#"{"m":"\u00e9 \u0061@b.co\n"}"#, r#"{"m":"\u00e9 [redacted]\n"}"#);
        check(r#"{"m":"a@b.co","m":"a@b.co"}"#, r#"{"m":"[redacted]","m":"[redacted]"}"#);
        check(r#"{"a@b.co":1}"#, r#"{"[redacted]":1}"#);
        check(r#"["\ud83d\ude00a@b.co\ud800"]"#, r#"["\ud83d\ude00[redacted]\ud800"]"#);
    }

    #[test]
    fn names_may_be_left_blank() {
        let mut seen = Vec::new();
        texts(r#"{"name": "x", "a@b.co": 1}"#, Names::Blank, &mut |text| seen.push(text.to_owned()))
            .expect("a document");
        assert_eq!(seen, ["", "x", "a@b.co", "1"]);
    }

    #[test]
    fn what_is_kept_keeps_its_spelling() {
        let document = r#"["\u0061@b.co", 1e5]"#;
        assert_eq!(hunted(document, "a@b.co", &Treatment::Keep, None), document);
    }

    #[test]
    fn a_number_stays_a_number() {
        let check = |document: &str, needle: &str, treatment: &Treatment, expected: &str| {
            assert_eq!(hunted(document, needle, treatment, None), expected);
        };
        let card = "[4111111111111111]";
        check(card, "4111", &Treatment::Redact, "[0]");
        check(card, "4111", &Treatment::KeepLast(4), "[1111]");
        check(card, "4111", &Treatment::Null, "[null]");
        check("[1e999999]", "999999", &Treatment::Token, "[0]");
        check("[12.50]", "12.50", &Treatment::Redact, "[0.00]");
        assert_eq!(hunted(card, "4111", &Treatment::Plugin("p".into()), Some("12")), "[12]");
        for answer in ["NaN", "012x", "", "1]"] {
            assert_eq!(hunted(card, "4111", &Treatment::Plugin("p".into()), Some(answer)), "[0]");
        }
    }

    #[test]
    fn an_answer_is_escaped() {
        let plugin = Treatment::Plugin("p".into());
        assert_eq!(hunted(r#"["x"]"#, "x", &plugin, Some("\"\\\n\u{1}é")), r#"["\"\\\u000a\u0001é"]"#);
    }

    #[test]
    fn treating_all_keeps_the_names_of_fields() {
        let check = |document: &str, treatment: &Treatment, expected: &str| {
            assert_eq!(rewritten(document, Work::whole(treatment, &tokens())), expected);
        };
        let document = r#"{"user_id": 42, "alice@example.com": true, "tags": ["x", null, 1.5]}"#;
        check(
            document,
            &Treatment::Redact,
            r#"{"user_id": 0, "[redacted]": false, "tags": ["[redacted]", null, 0.0]}"#,
        );
        check(r#"["alice"]"#, &Treatment::KeepLast(2), r#"["***ce"]"#);
        check(
            r#"{"078051120":1,"078-05-1120":1,"a b":1,"line2":1}"#,
            &Treatment::Redact,
            r#"{"[redacted]":0,"[redacted]":0,"[redacted]":0,"line2":0}"#,
        );
    }

    fn documents() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(serde_json::Value::from),
            any::<i64>().prop_map(serde_json::Value::from),
            (-1e30..1e30).prop_map(serde_json::Value::from),
            ".*".prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(6, 60, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(serde_json::Value::from),
                prop::collection::vec((".*", inner), 0..8)
                    .prop_map(|pairs| serde_json::Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn we_and_serde_agree_on_what_is_a_document(document in "[\\[\\]{}:,\"\\\\a0-9.eE+tru n-]{0,12}") {
            let theirs = serde_json::from_str::<serde_json::Value>(&document).is_ok();
            // Half a surrogate pair is the one thing that we read and they do not.
            if !document.contains("\\u") {
                prop_assert_eq!(seen(&document).is_ok(), theirs, "{}", document);
            }
        }

        #[test]
        fn a_document_without_findings_stays(document in documents()) {
            for document in [document.to_string(), format!("{document:#}")] {
                let tokens = tokens();
                prop_assert_eq!(rewritten(&document, Work::found(&[], &tokens)), document);
            }
        }

        #[test]
        fn a_treated_document_is_one_of_the_same_shape(document in documents(), n in 1..8_u8) {
            for treatment in [Treatment::Redact, Treatment::Token, Treatment::KeepLast(n), Treatment::Null] {
                let treated = rewritten(&document.to_string(), Work::whole(&treatment, &tokens()));
                let treated: serde_json::Value = serde_json::from_str(&treated).expect("a document");
                prop_assert_eq!(treated.is_object(), document.is_object());
                prop_assert_eq!(treated.as_array().map(Vec::len), document.as_array().map(Vec::len));
            }
        }

        #[test]
        fn what_was_found_is_gone(document in documents(), secret in "[a-z]{8}[\"\\\\\n@é]{1,3}[a-z]{8}") {
            let document = serde_json::json!({ "k": [document, format!("x{secret}y")], secret.clone(): 1 });
            let treated = hunted(&document.to_string(), &secret, &Treatment::Redact, None);
            let texts = seen(&treated).expect("a document");
            prop_assert!(!texts.iter().any(|text| text.contains(&secret)));
            prop_assert!(texts.iter().any(|text| text == "x[redacted]y"));
        }
    }
}
