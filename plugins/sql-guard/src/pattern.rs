//! Patterns with `*` for statement kinds and object names.

/// Whether the text matches the pattern, in which `*` stands for any number of characters. ASCII case is ignored, so that
/// a rule written `DROP *` or `Salaries` is never wider open than it looks. Linear in text times pattern.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at_pattern, mut at_text) = (0, 0);
    // Where to go on after the latest `*` has swallowed one byte more.
    let mut retry = None;
    while at_text < text.len() {
        match pattern.get(at_pattern) {
            Some(b'*') => {
                at_pattern += 1;
                retry = Some((at_pattern, at_text + 1));
            }
            Some(byte) if byte.eq_ignore_ascii_case(&text[at_text]) => {
                at_pattern += 1;
                at_text += 1;
            }
            Some(_) | None => {
                let Some((after_star, resume)) = retry else { return false };
                (at_pattern, at_text) = (after_star, resume);
                retry = Some((after_star, resume + 1));
            }
        }
    }
    pattern[at_pattern..].iter().all(|byte| *byte == b'*')
}

/// Whether the pattern may mean the object: both are compared part by part from the right, as far as both go. A statement
/// that does not qualify a name, or a pattern that does not, may mean any schema, and the rule is on the denying side.
pub(crate) fn may_mean(pattern: &str, name: &str) -> bool {
    pattern.rsplit('.').zip(name.rsplit('.')).all(|(pattern, name)| matches(pattern, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        let check =
            |pattern, text, expected| assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        check("", "", true);
        check("", "a", false);
        check("*", "", true);
        check("*", "anything at all", true);
        check("drop *", "drop table", true);
        check("DROP *", "drop table", true);
        check("drop *", "drop", false);
        check("drop*", "drop", true);
        check("drop *", "dropped table", false);
        check("*salar*", "hr_salaries", true);
        check("a*b*c", "a b bc b c", true);
        check("a*b*c", "a b bc b", false);
        check("*é", "caffé", true);
    }

    #[test]
    fn a_hard_pattern_does_not_take_long() {
        assert!(!matches(&"*a".repeat(500), &"a".repeat(499)));
        assert!(!matches(&format!("{}b", "a*".repeat(200)), &"a".repeat(2000)));
    }

    #[test]
    fn names_match_with_and_without_a_schema() {
        let check =
            |pattern, name, expected| assert_eq!(may_mean(pattern, name), expected, "{pattern} {name}");
        check("users", "users", true);
        check("users", "public.users", true);
        check("public.users", "users", true);
        check("public.users", "public.users", true);
        check("public.users", "audit.users", false);
        check("public.users", "shop.public.users", true);
        check("public.users", "public.user", false);
        check("hr.*", "hr.salaries", true);
        check("hr.*", "salaries", true);
        check("hr.*", "public.salaries", false);
        check("*", "anything", true);
        check("*.pay*", "hr.payroll", true);
    }
}
