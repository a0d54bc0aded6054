//! What a literal between plain quotes means, which is a setting of the session (`standard_conforming_strings`), and where
//! the pieces of a text end that hold quotes. The rules are those of the server's scanner (scan.l); whoever marks literals by
//! them has the scanner confirm every one. No tokens here: these are `text`'s.

use std::ops::Range;

use memchr::memmem;

/// How a backslash in a literal between plain quotes is read (manual, "Platform and Client Compatibility").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strings {
    /// `standard_conforming_strings = on`: it is a backslash.
    #[default]
    Standard,
    /// `off`: it begins an escape, as in `E'…'`.
    Escaped,
}

/// SQL, and how its plain literals are to be read: as the session does in which it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sql<'s> {
    /// In UTF-8.
    pub text: &'s str,
    /// What its plain literals mean.
    pub strings: Strings,
}

impl<'s> Sql<'s> {
    /// SQL of our own, or the server's, or of a session in which literals are standard.
    pub fn standard(text: &'s str) -> Self {
        Self { text, strings: Strings::Standard }
    }

    /// A part of it, read in the same way.
    pub(crate) fn part<'p>(self, text: &'p str) -> Sql<'p> {
        Sql { text, strings: self.strings }
    }
}

/// Where the literals between plain quotes begin, in bytes, in order, while these are read as [`Strings::Escaped`].
pub(crate) fn plain_literals(text: &str) -> Vec<usize> {
    let sql = Sql { text, strings: Strings::Escaped };
    pieces(sql).map(|piece| piece.start).filter(|start| text.as_bytes()[*start] == b'\'').collect()
}

/// Where the first escape stands that begins as a Unicode escape and is none, in a literal with C-style escapes.
pub(crate) fn bad_unicode_escape(sql: Sql<'_>) -> Option<usize> {
    let bytes = sql.text.as_bytes();
    let escapes = |piece: &Range<usize>| match &bytes[piece.clone()] {
        [b'e' | b'E', b'\'', ..] => true,
        [b'\'', ..] => sql.strings == Strings::Escaped,
        [_, ..] | [] => false,
    };
    pieces(sql).filter(escapes).find_map(|piece| bad_escape_in(bytes, piece))
}

fn bad_escape_in(bytes: &[u8], piece: Range<usize>) -> Option<usize> {
    let mut at = piece.start;
    while at < piece.end {
        at = find(bytes, at, |byte| byte == b'\\');
        let digits = match bytes.get(at + 1) {
            Some(b'u') => 4,
            Some(b'U') => 8,
            Some(_) | None => 0,
        };
        let is_hex = |digits: &[u8]| digits.iter().all(u8::is_ascii_hexdigit);
        if at < piece.end && !bytes.get(at + 2..at + 2 + digits).is_some_and(is_hex) {
            return Some(at);
        }
        at += 2;
    }
    None
}

/// Comments, literals and quoted names whole, words, and what else there is byte by byte.
fn pieces(sql: Sql<'_>) -> impl Iterator<Item = Range<usize>> {
    let bytes = sql.text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at;
        (start < bytes.len()).then(|| {
            at = piece_end(bytes, start, sql.strings);
            start..at
        })
    })
}

/// Where the literal ends that begins there, in bytes; the text's end where nothing ends it.
pub(crate) fn literal_end(sql: Sql<'_>, start: usize) -> Option<usize> {
    let bytes = sql.text.as_bytes();
    (start < bytes.len()).then(|| piece_end(bytes, start, sql.strings))
}

/// What may stand for a quote inside a literal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// Nothing: `B'…'`, `X'…'`.
    Nothing,
    /// Two quotes.
    Doubled,
    /// Two quotes, or a backslash and one.
    Escaped,
}

/// Where the piece ends that begins there: a comment, something between quotes, a word, or a single byte.
fn piece_end(bytes: &[u8], at: usize, strings: Strings) -> usize {
    let plain = match strings {
        Strings::Standard => Inside::Doubled,
        Strings::Escaped => Inside::Escaped,
    };
    match &bytes[at..] {
        [b'-', b'-', ..] => line_end(bytes, at),
        [b'/', b'*', ..] => comment_end(bytes, at + 2),
        [b'"', ..] => name_end(bytes, at + 1),
        [b'\'', ..] => quotes_end(bytes, at + 1, plain),
        [b'e' | b'E', b'\'', ..] => quotes_end(bytes, at + 2, Inside::Escaped),
        [b'b' | b'B' | b'x' | b'X', b'\'', ..] => quotes_end(bytes, at + 2, Inside::Nothing),
        [b'u' | b'U', b'&', b'\'', ..] => quotes_end(bytes, at + 3, Inside::Doubled),
        [b'u' | b'U', b'&', b'"', ..] => name_end(bytes, at + 3),
        [b'$', ..] => dollar_end(bytes, at),
        [first, ..] if begins_word(*first) => word_end(bytes, at),
        [_, ..] | [] => at + 1,
    }
}

fn find(bytes: &[u8], from: usize, is_it: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.iter().position(|byte| is_it(*byte)).map_or(bytes.len(), |offset| from + offset)
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    find(bytes, at, |byte| matches!(byte, b'\n' | b'\r'))
}

/// Comments nest.
fn comment_end(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 1_usize;
    while depth > 0 {
        at = find(bytes, at, |byte| matches!(byte, b'*' | b'/'));
        match bytes.get(at..at + 2) {
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(_) => at += 1,
            None => return bytes.len(),
        }
    }
    at
}

fn name_end(bytes: &[u8], mut at: usize) -> usize {
    loop {
        at = find(bytes, at, |byte| byte == b'"');
        match bytes.get(at + 1) {
            Some(b'"') => at += 2,
            Some(_) | None => return bytes.len().min(at + 1),
        }
    }
}

fn quotes_end(bytes: &[u8], mut at: usize, inside: Inside) -> usize {
    loop {
        at = find(bytes, at, |byte| byte == b'\'' || (byte == b'\\' && inside == Inside::Escaped));
        match (bytes.get(at), bytes.get(at + 1)) {
            (None, _) => return bytes.len(),
            (Some(b'\\'), _) => at += 2,
            (Some(_), Some(b'\'')) if inside != Inside::Nothing => at += 2,
            (Some(_), _) => match goes_on(bytes, at + 1) {
                Some(quote) => at = quote + 1,
                None => return at + 1,
            },
        }
    }
}

/// The quote with which a literal goes on that seemed to end before: there is a line's end between, and else only space and
/// comments of one line (`quotecontinue` in scan.l).
fn goes_on(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut ended_line = false;
    loop {
        match &bytes[at..] {
            [b'\'', ..] if ended_line => return Some(at),
            [b'\n' | b'\r', ..] => (ended_line, at) = (true, at + 1),
            [b' ' | b'\t' | b'\x0b' | b'\x0c', ..] => at += 1,
            [b'-', b'-', ..] => at = line_end(bytes, at),
            [_, ..] | [] => return None,
        }
    }
}

fn dollar_end(bytes: &[u8], at: usize) -> usize {
    let tag_end = find(bytes, at + 1, |byte| !(begins_word(byte) || byte.is_ascii_digit()));
    let is_quote = bytes.get(tag_end) == Some(&b'$') && !bytes[at + 1].is_ascii_digit();
    if !is_quote {
        return at + 1;
    }
    let (delimiter, content) = (&bytes[at..=tag_end], &bytes[tag_end + 1..]);
    memmem::find(content, delimiter).map_or(bytes.len(), |offset| tag_end + 1 + offset + delimiter.len())
}

fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

/// A word can hold dollars, which then begin no quote.
fn word_end(bytes: &[u8], at: usize) -> usize {
    find(bytes, at, |byte| !(begins_word(byte) || byte.is_ascii_digit() || byte == b'$'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_literals_are_found_where_the_scanner_finds_them() {
        // `‸` stands before each.
        let check = |marked: &str| {
            let text = marked.replace('‸', "");
            let expected: Vec<usize> = marked
                .match_indices('‸')
                .enumerate()
                .map(|(nth, (at, mark))| at - nth * mark.len())
                .collect();
            assert_eq!(plain_literals(&text), expected, "{marked}");
        };
        check(r"SELECT ‸'a'");
        check(r"SELECT ‸'\'', ‸'b'");
        check(r"SELECT ‸'\\', ‸'b'");
        check(r"SELECT ‸'a''b', ‸''''");
        check(r"SELECT E'\'', ‸'x'");
        check(r"SELECT e'a', N‸'x', date‸'x', _e‸'x'");
        check("SELECT B'01'‸'02', x'1F'\n'2', ‸'a'");
        check(r"SELECT U&'\', ‸'a'");
        check("SELECT \"'\", \"a\"\"'\", U&\"'\", ‸'a'");
        check("SELECT $$'$$, $a$'$b$'$a$, ‸'a'");
        check("SELECT a$$‸'a'");
        check("SELECT $1‸'a', 1$$'$$");
        check("-- '\n‸'a' /* ' /* ' */ ' */ ‸'b'");
        check("SELECT ‸'a'\n 'b' -- '\n 'c', ‸'d' ‸'e'");
        check("SELECT ‸'a' -- '\n -- '\n '\\'b', ‸'c'");
        check("SELECT 1-‸'a'--'");
        check(r"‸'\");
        check("/*");
        check("$a$ '");
        check("ä‸'ö'");
    }
}
