//! E-mail addresses: the unquoted form of RFC 5321, section 4.1.2, with the letters of RFC 6531, less the local-part
//! characters that in practice belong to the text around it (`/`, `=`, `?`, …).

use std::ops::Range;

use grille_sdk::Support;

use crate::boundary::joins_word;

/// Most characters before the `@` (RFC 5321, section 4.5.3.1.1).
const LOCAL_MAX: usize = 64;
/// Most bytes behind it (section 4.5.3.1.2).
const DOMAIN_MAX: usize = 255;
/// Most characters between two dots of a domain (RFC 1035, section 2.3.4).
const LABEL_MAX: usize = 63;

/// Last labels that are file names' endings and no top-level domains: `logo@2x.png`.
const FILE_ENDINGS: [&str; 18] = [
    "png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "json", "html", "xml", "pdf", "txt", "tar",
    "gz", "exe", "dll", "jar",
];

/// Reports every address in the text.
pub(crate) fn scan(text: &str, mut found: impl FnMut(Range<usize>, Support)) {
    for (at, _) in text.match_indices('@') {
        let Some(start) = local_start(text, at) else { continue };
        let Some(end) = domain_end(text, at + 1) else { continue };
        // `git@host:path` is where a repository is, not a mailbox.
        if !(&text[start..at] == "git" && text[end..].starts_with(':')) {
            found(start..end, Support::NONE);
        }
    }
}

/// Where the local part before the `@` begins.
fn local_start(text: &str, at: usize) -> Option<usize> {
    let mut start = None;
    let mut nearer = '@';
    for (length, (place, c)) in text[..at].char_indices().rev().enumerate() {
        let dots = c == '.' && matches!(nearer, '.' | '@');
        if dots || !(joins_word(c) || matches!(c, '.' | '_' | '%' | '+' | '-' | '\'' | '~')) {
            break;
        }
        if length == LOCAL_MAX {
            return None;
        }
        if joins_word(c) || c == '_' {
            start = Some(place);
        }
        nearer = c;
    }
    start
}

/// Where the domain ends: after its last label that can be a top-level domain.
fn domain_end(text: &str, start: usize) -> Option<usize> {
    let mut end = None;
    let mut place = start;
    for (index, label) in text[start..].split('.').enumerate() {
        let length = label.find(|c| !(joins_word(c) || c == '-')).unwrap_or(label.len());
        let (name, rest) = label.split_at(length);
        if !is_label(name) || place + length - start > DOMAIN_MAX {
            break;
        }
        if index > 0 && is_top_level(name) {
            end = Some(place + length);
        }
        if !rest.is_empty() {
            break;
        }
        place += length + 1;
    }
    end
}

fn is_label(name: &str) -> bool {
    (1..=LABEL_MAX).contains(&name.chars().count()) && !name.starts_with('-') && !name.ends_with('-')
}

/// Letters only, at least two, or the ASCII form of an international name (RFC 5890, section 2.3.2.1).
fn is_top_level(name: &str) -> bool {
    let letters = name.chars().count() >= 2 && name.chars().all(char::is_alphabetic);
    let international = name.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("xn--"));
    (letters || international) && !FILE_ENDINGS.iter().any(|ending| ending.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let mut found = Vec::new();
        scan(text, |range, _| found.push(&text[range]));
        found
    }

    #[test]
    fn what_is_no_address_is_not_found() {
        let check = |text: &str| assert_eq!(found(text), [""; 0], "{text}");
        for text in
            ["", "@", "a@", "@b.co", "a@b", "a@b.c", "a@.co", "a@-b.co", "a@b-.co", "a.@b.co", "-@b.co"]
        {
            check(text);
        }
        check("lodash@4.17.21");
        check("logo@2x.png");
        check("@types/node");
        check("git@github.com:grille-proxy/grille.git");
        check("5 apples @ 3.50 each");
        check("a@b.123");
        check(&format!("{}@example.com", "a".repeat(65)));
        check(&format!("a@{}.com", "b".repeat(64)));
        check(&format!("a@{}com", "b.".repeat(127).repeat(2)).replace("b.b.com", "b.c"));
    }

    #[test]
    fn addresses_are_found() {
        let check = |text: &str| assert_eq!(found(text), [text]);
        for text in
            ["a@b.co", "Ann.O'Neil+news@mail.example.co.uk", "_x%y@EXAMPLE.COM", "git@github.com", "1@2.fr"]
        {
            check(text);
        }
        check("josé@müller.example");
        check("почта@пример.рф");
        check("a@b.xn--p1ai");
        check(&format!("{}@example.com", "a".repeat(64)));
    }

    #[test]
    fn an_address_in_a_text_is_found() {
        let check = |text: &str, expected: &[&str]| assert_eq!(found(text), expected, "{text}");
        check("Mail <ann@example.com>, or bob@example.org.", &["ann@example.com", "bob@example.org"]);
        check("{\"email\":\"ann@example.com\"}", &["ann@example.com"]);
        check("'ann@example.com'", &["ann@example.com"]);
        check("mailto:ann@example.com?subject=x", &["ann@example.com"]);
        check("/login?user=ann@example.com&x=1", &["ann@example.com"]);
        check("联系ann@example.com谢谢", &["ann@example.com"]);
        check("ann@example.com.2024", &["ann@example.com"]);
        check("wait...ann@example.com...", &["ann@example.com"]);
        check("a@b.com@c.org", &["a@b.com", "b.com@c.org"]);
    }

    #[test]
    fn many_ats_are_looked_at_once_each() {
        assert_eq!(found(&"a@".repeat(100_000)), [""; 0]);
    }
}
