//! SQL of any kind, however its literals are read and however deep it is: analysis never panics, never finds a tree deeper
//! than it has made the stack for, and no literal is in a text that is logged.
#![no_main]

use grille_core::Action;
use grille_wire::sql::{AnalyzeError, Scanned, Sql, Strings, TEXT_BYTES_MAX};
use libfuzzer_sys::fuzz_target;

/// What stands in the input where this is put in its place.
const PLACE: &str = "@";
/// A literal; by itself it is no name and no number.
const LITERAL: &str = "'kanarienvogel 7f3a91c5'";
/// Its content.
const PLANTED: &str = "kanarienvogel";
/// Between the parts of an input that nests: what is around all, what opens a level, what is inside, what closes a level.
const NESTS: char = '`';
/// How many levels it is made to have.
const NESTED: usize = 300;

fuzz_target!(|input: &str| {
    let sql = nested(input).unwrap_or_else(|| input.to_owned());
    for strings in [Strings::Standard, Strings::Escaped] {
        let _ = analyze(&sql, strings);
        // Within quotation marks the literal would be part of a name, which is no secret; what stands elsewhere is not
        // planted.
        if sql.contains(PLACE) && !sql.contains('"') && !sql.to_lowercase().contains(PLANTED) {
            check(&sql.replace(PLACE, LITERAL), strings);
        }
    }
});

fn nested(input: &str) -> Option<String> {
    let mut parts = input.splitn(4, NESTS);
    let (before, open, inside, close) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    Some(format!("{before}{}{inside}{}", open.repeat(NESTED), close.repeat(NESTED)))
}

fn analyze(sql: &str, strings: Strings) -> Vec<Action> {
    match Scanned::new(Sql { text: sql, strings }).and_then(|scanned| scanned.analyze()) {
        Err(AnalyzeError::Internal { reason }) => panic!("{reason}: {sql:?}"),
        result => result.unwrap_or_default(),
    }
}

fn check(sql: &str, strings: Strings) {
    for action in analyze(sql, strings) {
        check_action(&action, sql);
    }
}

fn check_action(action: &Action, sql: &str) {
    assert!(!action.text.contains(PLANTED), "a literal of {sql:?} is in {:?}", action.text);
    assert!(action.text.len() <= TEXT_BYTES_MAX + '…'.len_utf8(), "a text of {} bytes", action.text.len());
    assert!(action.features.is_sorted() && action.columns.is_sorted());
    if let Some(inner) = &action.inner {
        check_action(inner, sql);
    }
}
