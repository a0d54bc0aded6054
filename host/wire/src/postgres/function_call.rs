//! Functions that a FunctionCall message may call. It names them by number and without SQL (manual, "Function Call"); libpq
//! and drivers use it for large objects. These functions are known here by their numbers, and each call is judged as the
//! statement that calls the same function; what a number does not tell cannot be judged, and is refused.

/// Numbers in ascending order, each with that statement. They are the same on every server: those below 10,000 are given
/// by hand and stay (manual, "OID Assignment"; `src/include/catalog/pg_proc.dat`), and no database gives them to a function
/// of its own.
const CALLS: [(u32, &str); 20] = [
    (715, "SELECT pg_catalog.lo_create($1)"),
    (764, "SELECT pg_catalog.lo_import($1)"),
    (765, "SELECT pg_catalog.lo_export($1, $2)"),
    (767, "SELECT pg_catalog.lo_import($1, $2)"),
    (952, "SELECT pg_catalog.lo_open($1, $2)"),
    (953, "SELECT pg_catalog.lo_close($1)"),
    (954, "SELECT pg_catalog.loread($1, $2)"),
    (955, "SELECT pg_catalog.lowrite($1, $2)"),
    (956, "SELECT pg_catalog.lo_lseek($1, $2, $3)"),
    (957, "SELECT pg_catalog.lo_creat($1)"),
    (958, "SELECT pg_catalog.lo_tell($1)"),
    (964, "SELECT pg_catalog.lo_unlink($1)"),
    (1004, "SELECT pg_catalog.lo_truncate($1, $2)"),
    (3170, "SELECT pg_catalog.lo_lseek64($1, $2, $3)"),
    (3171, "SELECT pg_catalog.lo_tell64($1)"),
    (3172, "SELECT pg_catalog.lo_truncate64($1, $2)"),
    (3457, "SELECT pg_catalog.lo_from_bytea($1, $2)"),
    (3458, "SELECT pg_catalog.lo_get($1)"),
    (3459, "SELECT pg_catalog.lo_get($1, $2, $3)"),
    (3460, "SELECT pg_catalog.lo_put($1, $2, $3)"),
];

/// The statement that does what a FunctionCall with this number does; none where that is not known.
pub(super) fn statement(function: u32) -> Option<&'static str> {
    let index = CALLS.binary_search_by_key(&function, |(number, _)| *number).ok()?;
    Some(CALLS[index].1)
}

#[cfg(test)]
mod tests {
    use grille_core::action::feature;
    use grille_core::{Access, Effect, ObjectKind};

    use super::*;
    use crate::sql::analyze;

    #[test]
    fn numbers_are_in_order() {
        assert!(CALLS.is_sorted_by(|(a, _), (b, _)| a < b));
    }

    #[test]
    fn each_call_is_judged_as_one_of_a_large_objects_function() {
        for (number, sql) in CALLS {
            let actions = analyze(sql).expect(sql);
            let [action] = &actions[..] else { panic!("{number}: one statement") };
            assert_eq!((action.kind.as_str(), action.effects), ("select", Effect::READ), "{number}");
            assert_eq!(action.features, [feature::DANGEROUS_FUNCTION], "{number}");
            let [function] = &action.objects[..] else { panic!("{number}: one function") };
            assert_eq!((function.kind, function.access), (ObjectKind::Function, Access::Call), "{number}");
        }
    }

    #[test]
    fn other_numbers_are_not_known() {
        // 0 is no function, 2925 `query_to_xml`; a database's own functions begin with 16384.
        for number in [0, 714, 716, 2925, 3461, 16_384, u32::MAX] {
            assert_eq!(statement(number), None, "{number}");
        }
        assert_eq!(statement(954), Some("SELECT pg_catalog.loread($1, $2)"));
    }
}
