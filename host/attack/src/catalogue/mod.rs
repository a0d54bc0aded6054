//! The attempts, a file for each part of what is known about ways round a gateway. They are data: what is sent, and why it
//! leaks when nothing stops it.
//!
//! Rules for a new one: it leaks by what it does and not by what stands beside it (rows in order of an unprotected key, no
//! random values, no times); it leaves the twins alike; what it makes is gone afterwards, by ROLLBACK or `cleanup`. `{known}`
//! and `{pin}` stand for values of the first person in the first twin, which a probing attacker has guessed.

use crate::attempt::Group;

/// Statements one after the other, each in a Query of its own that waits for the answer to the one before.
macro_rules! say {
    ($($sql:expr),+ $(,)?) => {
        &[$($crate::attempt::Step::Send(&[$crate::message::Frontend::Query($sql)])),+]
    };
}

mod computed;
mod copy;
mod laundering;
mod message;
mod names;
mod prepared;
mod probing;
mod procedure;
mod reading;
mod session;
mod store;
mod whole_row;
mod write;

pub(crate) use say;

/// All attempts, in the order in which they are told.
pub(crate) const GROUPS: &[Group] = &[
    reading::READING,
    reading::MANY_STATEMENTS,
    reading::MALFORMED,
    names::ALIAS,
    computed::COMPUTED,
    whole_row::WHOLE_ROW,
    probing::PROBING,
    prepared::PREPARED,
    copy::BINARY,
    copy::COPY,
    write::HIDDEN_WRITE,
    procedure::PROCEDURE,
    laundering::LAUNDERING,
    message::MESSAGE,
    session::IDENTITY,
    store::OTHER_STORE,
    session::FUNCTION_CALL,
    session::TRANSPORT,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::attempt::Row;

    #[test]
    fn there_are_many_and_no_two_have_one_name() {
        let names: Vec<&str> =
            GROUPS.iter().flat_map(|group| group.attempts).map(|attempt| attempt.name).collect();
        let distinct: BTreeSet<&&str> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
        assert!(names.len() >= 130, "{}", names.len());
    }

    #[test]
    fn every_way_round_is_tried() {
        let rows: Vec<Row> = GROUPS.iter().map(|group| group.row).collect();
        assert_eq!(rows, Row::ALL);
        assert!(GROUPS.iter().all(|group| !group.attempts.is_empty()));
    }

    #[test]
    fn names_are_slugs_and_reasons_are_given() {
        for attempt in GROUPS.iter().flat_map(|group| group.attempts) {
            let slug = attempt
                .name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
            assert!(slug && attempt.name.len() <= 36, "{}", attempt.name);
            assert!(!attempt.why.is_empty(), "{}", attempt.name);
        }
    }
}
