//! As much of Rust's syntax as the rules need: tokens without comments and literals, and the paths that a source names.
//!
//! Macros are not expanded; a macro's input is read as tokens like everything else.

/// A token of code: an identifier, `::`, one punctuation character, or `"` for any literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its text.
    pub text: String,
    /// Line from 1.
    pub line: usize,
}

/// The code of a source, without comments, and with literals made void.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut scanner = Scanner { rest: source, line: 1, tokens: Vec::new() };
    while !scanner.rest.is_empty() {
        scanner.scan_one();
    }
    scanner.tokens
}

struct Scanner<'s> {
    rest: &'s str,
    line: usize,
    tokens: Vec<Token>,
}

impl Scanner<'_> {
    fn scan_one(&mut self) {
        let rest = self.rest;
        let first = rest.chars().next().expect("there is more");
        if first.is_whitespace() {
            self.skip(first.len_utf8());
        } else if rest.starts_with("//") {
            self.skip(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.skip(block_comment_len(rest));
        } else if let Some(len) = literal_len(rest) {
            self.push("\"", len);
        } else if is_word_start(first) {
            let len = word_len(rest);
            self.push(rest[..len].trim_start_matches("r#"), len);
        } else if first.is_ascii_digit() {
            self.push("\"", rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()));
        } else if rest.starts_with("::") {
            self.push("::", 2);
        } else {
            let len = first.len_utf8();
            self.push(&rest[..len], len);
        }
    }

    fn push(&mut self, text: &str, len: usize) {
        self.tokens.push(Token { text: text.to_owned(), line: self.line });
        self.skip(len);
    }

    fn skip(&mut self, len: usize) {
        let (skipped, rest) = self.rest.split_at(len);
        self.line += skipped.matches('\n').count();
        self.rest = rest;
    }
}

fn is_word_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn word_len(text: &str) -> usize {
    let prefix = if text.starts_with("r#") { 2 } else { 0 };
    let end = text[prefix..].find(|c: char| !c.is_alphanumeric() && c != '_');
    end.map_or(text.len(), |end| prefix + end)
}

/// Block comments nest.
fn block_comment_len(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        match rest {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of the string, byte, character or raw literal, or lifetime, at the start of the text.
fn literal_len(text: &str) -> Option<usize> {
    let body = text.trim_start_matches(['b', 'c']);
    let prefix = text.len() - body.len();
    if prefix > 1 {
        return None;
    }
    if let Some(raw) = body.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let content = raw[hashes..].strip_prefix('"')?;
        let close = format!("\"{}", "#".repeat(hashes));
        let end = content.find(&close).map_or(content.len(), |end| end + close.len());
        return Some(prefix + 1 + hashes + 1 + end);
    }
    if body.starts_with('"') {
        return Some(prefix + quoted_len(body, '"'));
    }
    let quoted = body.strip_prefix('\'')?;
    let mut characters = quoted.chars();
    let (first, second) = (characters.next()?, characters.next());
    if first == '\\' || second == Some('\'') {
        Some(prefix + quoted_len(body, '\''))
    } else {
        // A lifetime.
        Some(1 + word_len(quoted).max(1))
    }
}

fn quoted_len(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The tokens without the items that are compiled for tests only.
pub fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if is_sequence(&tokens[at..], &["#", "[", "cfg", "(", "test", ")", "]"]) {
            at = item_end(tokens, at + 7);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Where the item ends that begins at `start`: behind its `;` or its block.
fn item_end(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Whether the tokens begin with `texts`.
pub fn is_sequence(tokens: &[Token], texts: &[&str]) -> bool {
    tokens.len() >= texts.len() && tokens.iter().zip(texts).all(|(token, text)| token.text == *text)
}

/// A path as it is written, `use` trees taken apart: `use a::{b, c::D as E}` names `a::b` and `a::c::D`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPath {
    /// Its segments; `*` for a glob.
    pub segments: Vec<String>,
    /// What a `use` makes it known as; none outside of a `use`.
    pub imported_as: Option<String>,
    /// Line from 1.
    pub line: usize,
    /// The inline modules it stands in.
    pub within: Vec<String>,
}

/// Every path that the code names.
pub fn paths(tokens: &[Token]) -> Vec<NamedPath> {
    let mut found = Vec::new();
    let mut within: Vec<(String, usize)> = Vec::new();
    let (mut at, mut depth) = (0, 0_usize);
    while at < tokens.len() {
        let inline = within.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        match tokens[at].text.as_str() {
            // Not the `use<…>` of a return type.
            "use" if tokens.get(at + 1).is_some_and(|token| token.text != "<") => {
                let mut tree = UseTree { tokens, at: at + 1, within: inline, found: &mut found };
                tree.take(&mut Vec::new());
                at = tree.at;
                continue;
            }
            "mod" if tokens.get(at + 2).is_some_and(|token| token.text == "{") => {
                within.push((tokens[at + 1].text.clone(), depth));
            }
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                within.retain(|(_, outside)| *outside < depth);
            }
            text if text.starts_with(is_word_start) => {
                let path = path_at(tokens, at, inline);
                at += 2 * path.segments.len() - 1;
                found.push(path);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

fn path_at(tokens: &[Token], start: usize, within: Vec<String>) -> NamedPath {
    let mut segments = vec![tokens[start].text.clone()];
    let mut at = start + 1;
    while at + 1 < tokens.len() && tokens[at].text == "::" && tokens[at + 1].text.starts_with(is_word_start) {
        segments.push(tokens[at + 1].text.clone());
        at += 2;
    }
    NamedPath { segments, imported_as: None, line: tokens[start].line, within }
}

struct UseTree<'t> {
    tokens: &'t [Token],
    at: usize,
    within: Vec<String>,
    found: &'t mut Vec<NamedPath>,
}

impl UseTree<'_> {
    /// Takes one tree; `prefix` is what stands before it, and is as before afterwards.
    fn take(&mut self, prefix: &mut Vec<String>) {
        let outer = prefix.len();
        while let Some(token) = self.tokens.get(self.at) {
            match token.text.as_str() {
                "::" => self.at += 1,
                "{" => {
                    self.at += 1;
                    self.take_group(prefix);
                    break;
                }
                "as" => self.at += 2,
                "," | "}" | ";" => break,
                segment => {
                    prefix.push(segment.to_owned());
                    self.at += 1;
                }
            }
        }
        let is_group = self.tokens.get(self.at.wrapping_sub(1)).is_some_and(|token| token.text == "}");
        if !is_group && prefix.len() > outer {
            self.note(prefix);
        }
        prefix.truncate(outer);
    }

    fn take_group(&mut self, prefix: &mut Vec<String>) {
        while let Some(token) = self.tokens.get(self.at) {
            match token.text.as_str() {
                "," => self.at += 1,
                "}" => {
                    self.at += 1;
                    return;
                }
                // Not a `use` tree after all: a macro's input.
                ";" => return,
                _ => self.take(prefix),
            }
        }
    }

    fn note(&mut self, path: &[String]) {
        let last = &self.tokens[self.at - 1];
        let mut segments = path.to_vec();
        let renamed = self.tokens[self.at.saturating_sub(2)].text == "as";
        // `use a::{self}` names `a`.
        if segments.len() > 1 && segments.last().is_some_and(|segment| segment == "self") {
            segments.pop();
        }
        let imported_as = if renamed { Some(last.text.clone()) } else { segments.last().cloned() };
        self.found.push(NamedPath { segments, imported_as, line: last.line, within: self.within.clone() });
    }
}
