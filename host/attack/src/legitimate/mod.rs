//! What clients do that has nothing to do with protected values: it must answer through Grille exactly as without it. Also
//! on tables that have protected columns, as long as those are left alone.
//!
//! Rules for a new one: rows in a certain order, no times of now, no random values; what it leaves is undone by `cleanup`.

use crate::attempt::Legitimate;

mod introspection;
mod query;
mod session;
mod write;

/// All of it, in the order in which it is told.
pub(crate) fn all() -> impl Iterator<Item = &'static Legitimate> {
    [query::QUERIES, write::WRITES, session::SESSIONS, introspection::INTROSPECTION].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_are_many_and_no_two_have_one_name() {
        let names: Vec<&str> = all().map(|script| script.name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
        assert!(names.len() >= 70, "{}", names.len());
    }
}
