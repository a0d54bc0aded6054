//! Texts: spans replaced, bounds of `varchar(n)`, `char(n)` and `name` kept.

use grille_core::Treatment;

use super::oid::Family;
use super::plan::{LeafFinding, Masked, Order, Remedy, spans};
use super::token::{Domain, Tokenizer};

/// What stands for a redacted text.
pub(super) const REDACTED: &str = "[redacted]";

/// `NAMEDATALEN - 1`, in bytes.
const NAME_BYTES_MAX: usize = 63;

/// A length modifier counts the varlena header (`VARHDRSZ`); -1 is none.
const TYPMOD_OFFSET: i32 = 4;

/// Longest `char(n)` whose surrogate is padded; that of a longer one ends with the marker. The type allows 10,485,760, in
/// every row.
const PADDED_CHARS_MAX: usize = 1_024;

/// What a column's texts are bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing.
    Free,
    /// At most so many characters.
    Chars(usize),
    /// Padded with blanks to so many characters; `None` when the column does not say how many.
    Padded(Option<usize>),
    /// At most so many bytes.
    Bytes(usize),
    /// XML content.
    Xml,
}

impl Shape {
    /// The shape of a type with its modifier. A modifier that the server would not send binds nothing.
    pub(super) fn of(family: Family, typmod: i32) -> Self {
        let length = typmod.checked_sub(TYPMOD_OFFSET).and_then(|n| usize::try_from(n).ok());
        match (family, length) {
            (Family::BlankPadded, length) => Self::Padded(length),
            (Family::Name, _) => Self::Bytes(NAME_BYTES_MAX),
            (Family::Xml, _) => Self::Xml,
            (_, Some(chars)) => Self::Chars(chars),
            (_, None) => Self::Free,
        }
    }

    fn fits(self, text: &str) -> bool {
        match self {
            Self::Free | Self::Xml | Self::Padded(None) => true,
            Self::Chars(room) | Self::Padded(Some(room)) => text.chars().count() <= room,
            Self::Bytes(room) => text.len() <= room,
        }
    }

    /// Characters there are for a replacement, which is ASCII unless a plugin made it.
    fn room(self) -> usize {
        match self {
            Self::Free | Self::Xml | Self::Padded(None) => usize::MAX,
            Self::Chars(room) | Self::Padded(Some(room)) | Self::Bytes(room) => room,
        }
    }
}

/// The text of a `char(n)`: its trailing blanks are not part of the value.
pub(super) fn unpadded(text: &str) -> &str {
    text.trim_end_matches(' ')
}

/// Appends the text, rewritten as ordered, within its shape.
pub(super) fn rewrite(
    text: &str,
    shape: Shape,
    order: Order<'_>,
    tokens: &Tokenizer,
    out: &mut Vec<u8>,
) -> Masked {
    let value = match shape {
        Shape::Padded(_) => unpadded(text),
        Shape::Free | Shape::Chars(_) | Shape::Bytes(_) | Shape::Xml => text,
    };
    let treated = match order {
        Order::Leave => Some(value.to_owned()),
        Order::Treat(remedy) => whole(value, shape, remedy, tokens),
        Order::Splice(findings) => spliced_or_whole(value, shape, findings, tokens),
    };
    let Some(treated) = treated else { return Masked::Null };
    put_padded(&treated, text, shape, out);
    Masked::Value
}

/// Appends the text's round-trip token, or its one-way token where there is no room for the other.
pub(super) fn seal(text: &str, shape: Shape, scope: &str, tokens: &Tokenizer, out: &mut Vec<u8>) -> Masked {
    let value = match shape {
        Shape::Padded(_) => unpadded(text),
        Shape::Free | Shape::Chars(_) | Shape::Bytes(_) | Shape::Xml => text,
    };
    match tokens.seal(scope, value, shape.room()) {
        Some(token) => {
            put_padded(&token, text, shape, out);
            Masked::Value
        }
        None => {
            let remedy = Remedy { treatment: &Treatment::Token, replacement: None };
            rewrite(text, shape, Order::Treat(remedy), tokens, out)
        }
    }
}

/// Appends what stands for `text`, with blanks where its type has them.
fn put_padded(treated: &str, text: &str, shape: Shape, out: &mut Vec<u8>) {
    out.extend_from_slice(treated.as_bytes());
    if let Shape::Padded(length) = shape {
        let length = length.unwrap_or_else(|| text.chars().count());
        // Never longer than the cell was: a modifier is the upstream's word.
        let blanks = length.min(text.chars().count()).saturating_sub(treated.chars().count());
        out.resize(out.len() + blanks, b' ');
    }
}

fn spliced_or_whole(
    text: &str,
    shape: Shape,
    findings: &[LeafFinding<'_>],
    tokens: &Tokenizer,
) -> Option<String> {
    let spliced = match shape {
        Shape::Xml => xml_splice(text, findings, tokens),
        Shape::Free | Shape::Chars(_) | Shape::Padded(_) | Shape::Bytes(_) => {
            Some(splice(text, findings, tokens)?)
        }
    };
    match (spliced.filter(|spliced| shape.fits(spliced)), Remedy::strictest(findings)) {
        (Some(spliced), _) => Some(spliced),
        (None, Some(remedy)) => whole(text, shape, remedy, tokens),
        (None, None) => Some(text.to_owned()),
    }
}

/// All of the text treated, within its shape; `None` is NULL.
fn whole(text: &str, shape: Shape, remedy: Remedy<'_>, tokens: &Tokenizer) -> Option<String> {
    let treated = treat(text, remedy, shape.room(), tokens)?;
    let treated = if shape == Shape::Xml { escape_xml(&treated) } else { treated };
    Some(if shape.fits(&treated) { treated } else { redaction(shape.room()) })
}

/// A text treated, in as many characters as there is room for; `None` is NULL.
pub(super) fn treat(text: &str, remedy: Remedy<'_>, room: usize, tokens: &Tokenizer) -> Option<String> {
    Some(match remedy.treatment {
        Treatment::Keep => text.to_owned(),
        Treatment::Null => return None,
        Treatment::Redact => redaction(room),
        Treatment::KeepLast(n) => {
            keep_last(text, *n).unwrap_or_else(|| tokens.text(Domain::Text, text.as_bytes(), room))
        }
        Treatment::Token => tokens.text(Domain::Text, text.as_bytes(), room),
        Treatment::Plugin(_) => remedy.replacement.map_or_else(|| redaction(room), str::to_owned),
    })
}

/// The text with the spans that findings (in order of their start) concern treated; `None` is NULL.
pub(super) fn splice(text: &str, findings: &[LeafFinding<'_>], tokens: &Tokenizer) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    for span in spans(text, findings) {
        out.push_str(&text[copied..span.range.start]);
        copied = span.range.end;
        out.push_str(&treat(&text[span.range], span.remedy, usize::MAX, tokens)?);
    }
    out.push_str(&text[copied..]);
    Some(out)
}

/// A text that is not a value of any type (an error's message, a notice), with what was found in it treated. There is no
/// NULL here: [`Treatment::Null`] redacts. Only findings with `text == 0` are looked at.
pub fn mask_text(text: &str, findings: &[LeafFinding<'_>], tokens: &Tokenizer) -> String {
    let mut mine: Vec<LeafFinding<'_>> = findings
        .iter()
        .filter(|finding| finding.text == 0)
        .map(|finding| match finding.treatment {
            Treatment::Null => LeafFinding { treatment: &Treatment::Redact, ..*finding },
            Treatment::Keep
            | Treatment::Redact
            | Treatment::KeepLast(_)
            | Treatment::Token
            | Treatment::Plugin(_) => *finding,
        })
        .collect();
    mine.sort_by_key(|finding| finding.start);
    splice(text, &mine, tokens).unwrap_or_else(|| REDACTED.to_owned())
}

/// What stands for any text of the column: the marker within its shape.
pub(super) fn surrogate(family: Family, typmod: i32) -> String {
    let shape = Shape::of(family, typmod);
    let text = redaction(shape.room());
    match shape {
        Shape::Padded(Some(length)) if length <= PADDED_CHARS_MAX => format!("{text:length$}"),
        Shape::Padded(_) | Shape::Free | Shape::Chars(_) | Shape::Bytes(_) | Shape::Xml => text,
    }
}

/// The marker, or as many `*` as there is room for.
pub(super) fn redaction(room: usize) -> String {
    if room >= REDACTED.len() { REDACTED.to_owned() } else { "*".repeat(room) }
}

/// All but the last `n` characters as `*`, blanks and ASCII punctuation aside; `None` when there are no more than `n`.
fn keep_last(text: &str, n: u8) -> Option<String> {
    let is_hidden = |c: char| !c.is_ascii_punctuation() && !c.is_whitespace();
    let mut hidden = text.chars().filter(|c| is_hidden(*c)).count().checked_sub(usize::from(n))?;
    if hidden == 0 {
        return None;
    }
    let hide = |c: char| {
        if !is_hidden(c) || hidden == 0 {
            return c;
        }
        hidden -= 1;
        '*'
    };
    Some(text.chars().map(hide).collect())
}

/// XML with the spans treated, or `None` when one of them is not character data that can be replaced alone (or is to be
/// NULL: then all of it is treated by that treatment).
fn xml_splice(text: &str, findings: &[LeafFinding<'_>], tokens: &Tokenizer) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    for span in spans(text, findings) {
        if touches_markup(text, span.range.start, span.range.end) {
            return None;
        }
        out.push_str(&text[copied..span.range.start]);
        copied = span.range.end;
        out.push_str(&escape_xml(&treat(&text[span.range], span.remedy, usize::MAX, tokens)?));
    }
    out.push_str(&text[copied..]);
    Some(out)
}

fn touches_markup(text: &str, start: usize, end: usize) -> bool {
    let before = &text[..start];
    let in_tag = before.rfind('<') > before.rfind('>');
    let in_reference = before.rfind('&') > before.rfind(';');
    in_tag || in_reference || text[start..end].contains(['<', '>', '&', ';'])
}

fn escape_xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokenizer {
        Tokenizer::new(&[1; 32]).expect("long enough")
    }

    fn found<'a>(text: &str, part: &str, treatment: &'a Treatment) -> LeafFinding<'a> {
        let start = text.find(part).expect("the part is there");
        LeafFinding { text: 0, start, end: start + part.len(), treatment, replacement: None }
    }

    fn rewritten(text: &str, shape: Shape, order: Order<'_>) -> Option<String> {
        let mut out = Vec::new();
        match rewrite(text, shape, order, &tokens(), &mut out) {
            Masked::Value => Some(String::from_utf8(out).expect("a text")),
            Masked::Null => None,
        }
    }

    #[test]
    fn spans_are_treated_and_the_rest_stays() {
        let check = |treatment: &Treatment, expected: &str| {
            let text = "call 078-05-1120 now";
            let findings = [found(text, "078-05-1120", treatment)];
            assert_eq!(rewritten(text, Shape::Free, Order::Splice(&findings)).as_deref(), Some(expected));
        };
        check(&Treatment::Keep, "call 078-05-1120 now");
        check(&Treatment::Redact, "call [redacted] now");
        check(&Treatment::KeepLast(4), "call ***-**-1120 now");
        check(&Treatment::Plugin("none".into()), "call [redacted] now");
    }

    #[test]
    fn null_on_a_span_makes_the_whole_null() {
        let findings = [found("a b", "b", &Treatment::Null)];
        assert_eq!(rewritten("a b", Shape::Free, Order::Splice(&findings)), None);
    }

    #[test]
    fn a_value_no_longer_than_what_is_kept_is_tokenised() {
        for text in ["", "-", "1", "1234", "1-2-3-4", "日本語"] {
            assert_eq!(keep_last(text, 4), None, "{text}");
        }
        assert_eq!(keep_last("12345", 4).as_deref(), Some("*2345"));
        assert_eq!(keep_last("日本語です", 2).as_deref(), Some("***です"));
    }

    #[test]
    fn a_text_that_would_outgrow_its_bound_is_treated_whole() {
        let check = |chars, text: &str, expected: &str| {
            let findings = [found(text, "ab", &Treatment::Redact)];
            let order = Order::Splice(&findings);
            assert_eq!(rewritten(text, Shape::Chars(chars), order).as_deref(), Some(expected));
        };
        check(20, "xx ab", "xx [redacted]");
        check(12, "xx ab", "[redacted]");
        check(5, "xx ab", "*****");
        check(0, "ab", "");
    }

    #[test]
    fn a_padded_text_stays_padded() {
        let check = |text: &str, length, expected: &str| {
            let remedy = Remedy { treatment: &Treatment::Redact, replacement: None };
            assert_eq!(
                rewritten(text, Shape::Padded(length), Order::Treat(remedy)).as_deref(),
                Some(expected)
            );
        };
        check("alice       ", Some(12), "[redacted]  ");
        check("alice ", Some(6), "******");
        check("alice       ", None, "[redacted]  ");
        check("alice", Some(1_000_000_000), "[redacted]");
    }

    #[test]
    fn xml_stays_well_formed() {
        let check = |text: &str, part: &str, expected: &str| {
            let findings = [found(text, part, &Treatment::Redact)];
            assert_eq!(rewritten(text, Shape::Xml, Order::Splice(&findings)).as_deref(), Some(expected));
        };
        check("<p>a@b.co</p>", "a@b.co", "<p>[redacted]</p>");
        check("<p m='a@b.co'/>", "a@b.co", "[redacted]");
        check("a@b.co</p>", "co</p", "[redacted]");
        check("<p>x &amp; y</p>", "amp", "[redacted]");
        check("<p>x &amp; y</p>", "y", "<p>x &amp; [redacted]</p>");
    }

    #[test]
    fn a_plugins_answer_keeps_to_the_shape() {
        let treatment = Treatment::Plugin("rot".into());
        let check = |shape, answer: &str, expected: &str| {
            let finding =
                LeafFinding { text: 0, start: 0, end: 3, treatment: &treatment, replacement: Some(answer) };
            assert_eq!(rewritten("abc", shape, Order::Splice(&[finding])).as_deref(), Some(expected));
        };
        check(Shape::Free, "nop", "nop");
        check(Shape::Chars(3), "nop", "nop");
        check(Shape::Chars(3), "nopq", "***");
        check(Shape::Bytes(3), "né!", "***");
        check(Shape::Free, "n\0p", "[redacted]");
        check(Shape::Xml, "<&>", "&lt;&amp;&gt;");
    }

    #[test]
    fn a_notice_is_masked_without_null() {
        let text = "Key (email)=(a@b.co) already exists.";
        let findings = [found(text, "a@b.co", &Treatment::Null)];
        assert_eq!(mask_text(text, &findings, &tokens()), "Key (email)=([redacted]) already exists.");
    }
}
