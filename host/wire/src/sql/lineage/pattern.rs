//! Regular expressions written in a statement of which it is certain that the server takes them, so that no value decides
//! whether they fail: a small part of the manual's section 9.7.3. Whatever is not surely valid counts as one that fails.

/// Longest pattern that is looked at: the server compiles it without coming near its limits.
const PATTERN_BYTES_MAX: usize = 200;

/// Whether the server can use the pattern: plain characters, `.`, `\d`, `\s`, `\w`, simple brackets, each perhaps with one of
/// `*`, `+` and `?` behind, between `^` and `$`.
pub(super) fn is_valid(pattern: &str) -> bool {
    if pattern.len() > PATTERN_BYTES_MAX {
        return false;
    }
    let rest = pattern.strip_prefix('^').unwrap_or(pattern);
    let mut rest = rest.strip_suffix('$').unwrap_or(rest);
    while !rest.is_empty() {
        let Some(after) = atom(rest) else { return false };
        rest = after.strip_prefix(['*', '+', '?']).unwrap_or(after);
    }
    true
}

/// What follows the atom that the text begins with.
fn atom(text: &str) -> Option<&str> {
    if let Some(after) = text.strip_prefix('\\') {
        return after.strip_prefix(['d', 's', 'w', 'D', 'S', 'W', '.', '-', '/', '@', '$', '^', '\\']);
    }
    if let Some(after) = text.strip_prefix('[') {
        let (members, after) = after.split_once(']')?;
        return are_members(members.strip_prefix('^').unwrap_or(members)).then_some(after);
    }
    let is_plain = |c: char| c.is_alphanumeric() || " .-_@:/,#%=<>!&~;'\"".contains(c);
    text.strip_prefix(is_plain)
}

/// Whether a bracket holds letters, digits and the common ranges only.
fn are_members(members: &str) -> bool {
    let rest = ["a-z", "A-Z", "0-9"].iter().fold(members.to_owned(), |rest, range| rest.replace(range, ""));
    !members.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_surely_valid_is_told_from_what_may_not_be() {
        let check = |pattern: &str, expected| assert_eq!(is_valid(pattern), expected, "{pattern}");
        for valid in ["", "^1", "x", "^\\d+-[0-9]*$", "[^a-z0-9_]?x", "a.*b", "^[A-Z]+\\.$", "^$", "ä+"] {
            check(valid, true);
        }
        for doubtful in [
            "(",
            "a{1",
            "[",
            "[a",
            "[z-a]",
            "[]",
            "[[:alpha:]]",
            "a**",
            "*a",
            "***=a",
            "^*",
            "a|b",
            "\\",
            "\\1",
            "\\y",
            "(?i)a",
            "[a-]",
            "[-]",
            "a$b",
            "a^b",
            "\\$$$",
        ] {
            check(doubtful, false);
        }
        check(&"a".repeat(201), false);
    }
}
