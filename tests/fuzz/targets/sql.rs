//! SQL of any kind: analysis never panics, and no literal is in a text that is logged.
#![no_main]

use grille_core::Action;
use grille_wire::sql::{TEXT_BYTES_MAX, analyze};
use libfuzzer_sys::fuzz_target;

/// What stands in the input where this is put in its place.
const PLACE: &str = "@";
/// A literal; by itself it is no name and no number.
const LITERAL: &str = "'kanarienvogel 7f3a91c5'";
/// Its content.
const PLANTED: &str = "kanarienvogel";

fuzz_target!(|sql: &str| {
    let _ = analyze(sql);
    // Within quotation marks the literal would be part of a name, which is no secret; what stands elsewhere is not planted.
    if sql.contains(PLACE) && !sql.contains('"') && !sql.to_lowercase().contains(PLANTED) {
        check(&sql.replace(PLACE, LITERAL));
    }
});

fn check(sql: &str) {
    for action in analyze(sql).into_iter().flatten() {
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
