//! Whatever the parser accepts: no panic, no endless work, no overflow of the stack.

use proptest::prelude::*;

use super::{SCHEMA, default_naming, rules};
use crate::sql::lineage::{Naming, trace};
use crate::sql::{AnalyzeError, STACK_BYTES, Sql, declare_large_stack};

/// Pieces that make statements of some sort when put together.
const PIECES: [&str; 60] = [
    "SELECT",
    "FROM",
    "WHERE",
    "users",
    "u",
    "ssn",
    "id",
    ",",
    "(",
    ")",
    "*",
    ".",
    "=",
    "$1",
    "'a'",
    "1",
    "JOIN",
    "ON",
    "USING (id)",
    "NATURAL JOIN",
    "GROUP BY",
    "ORDER BY",
    "LIMIT",
    "WITH x AS (SELECT ssn FROM users)",
    "WITH RECURSIVE t AS (SELECT ssn FROM users UNION ALL SELECT ssn FROM t)",
    "t",
    "x",
    "UNION",
    "ALL",
    "EXCEPT",
    "INSERT INTO log",
    "VALUES (1, 'x')",
    "UPDATE users SET name =",
    "DELETE FROM users",
    "RETURNING",
    "AS",
    "AND",
    "OR",
    "NOT",
    "CASE WHEN",
    "THEN",
    "END",
    "IN",
    "EXISTS",
    "(SELECT ssn FROM users)",
    "LATERAL",
    "upper(",
    "count(",
    "OVER ()",
    "::text",
    "[1]",
    "ARRAY[",
    "]",
    "ROW(",
    "v_nested",
    "v_last",
    "jsonb_each(",
    "generate_series(1, 2)",
    "COPY users TO STDOUT",
    "old",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_statement_makes_it_panic(pieces in prop::collection::vec(0..PIECES.len(), 1..14)) {
        declare_large_stack_here(|| {
            let sql: Vec<&str> = pieces.iter().map(|&piece| PIECES[piece]).collect();
            let sql = sql.join(" ");
            for naming in [default_naming(), Naming::default()] {
                let result = trace(Sql::standard(&sql), &SCHEMA, &naming, &rules());
                assert!(!matches!(result, Err(AnalyzeError::Internal { .. })), "{sql}");
            }
        });
    }
}

/// A thread with a large stack costs too much for each case: these are shallow.
fn declare_large_stack_here(work: impl FnOnce()) {
    declare_large_stack();
    work();
}

/// The corpus of the analysis, with one piece of each statement replaced or left out.
#[test]
fn mutated_statements_do_not_make_it_panic() {
    let corpus = [
        "WITH RECURSIVE t (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 9) SELECT n FROM t ORDER BY 1 LIMIT 3",
        "SELECT u.id, (u).ssn, count(*) FILTER (WHERE ssn = $1) OVER w FROM users u LEFT JOIN orders o USING (id) WHERE ssn IN ('a', $2) GROUP BY ROLLUP (1, 2) WINDOW w AS (PARTITION BY name)",
        "INSERT INTO accounts AS a (id, iban) SELECT id, ssn FROM users ON CONFLICT (iban) DO UPDATE SET iban = excluded.iban WHERE a.id > 1 RETURNING *, old.iban",
        "MERGE INTO log l USING users u ON l.id = u.id WHEN MATCHED AND u.ssn > '5' THEN UPDATE SET message = u.ssn WHEN NOT MATCHED THEN INSERT (id) VALUES (u.id) RETURNING merge_action(), l.*",
        "SELECT x.* FROM payload, JSON_TABLE(data, '$[*]' COLUMNS (a int PATH '$.a', NESTED PATH '$.b' COLUMNS (c text))) x, unnest(tags) WITH ORDINALITY AS t (a, b)",
        "UPDATE log SET (id, message) = (SELECT id, ssn FROM users LIMIT 1) FROM v_last v WHERE v.last4 LIKE '1%' RETURNING log.*",
    ];
    for statement in corpus {
        let words: Vec<&str> = statement.split(' ').collect();
        for skipped in 0..words.len() {
            for replacement in ["", "ssn", "(SELECT u FROM users u)", "*", "users"] {
                let mut words = words.clone();
                words[skipped] = replacement;
                let sql = words.join(" ");
                let result = trace(Sql::standard(&sql), &SCHEMA, &default_naming(), &rules());
                assert!(!matches!(result, Err(AnalyzeError::Internal { .. })), "{sql}");
            }
        }
    }
}

fn nested(n: usize) -> Vec<String> {
    let around =
        |open: &str, middle: &str, close: &str| format!("{}{middle}{}", open.repeat(n), close.repeat(n));
    vec![
        format!("SELECT {} FROM users", around("1+", "id", "")),
        format!("SELECT {} FROM users", around("upper(", "ssn", ")")),
        format!("SELECT {} FROM users", around("(SELECT ", "ssn", ")")),
        format!("SELECT * FROM {}", around("(SELECT * FROM ", "users", ") x")),
        format!("SELECT * FROM {}", around("(users CROSS JOIN ", "users", ")")),
        format!("SELECT id FROM users WHERE {}", around("NOT ", "active", "")),
        format!("SELECT {} FROM users", around("CASE WHEN active THEN ", "ssn", " END")),
        around("SELECT ssn FROM users UNION ALL ", "SELECT 'x'", ""),
        around("WITH RECURSIVE t AS (SELECT 1 AS a UNION ALL ", "SELECT a FROM t", ") SELECT * FROM t"),
    ]
}

#[test]
fn depth_never_overflows_half_the_stack() {
    for n in [10, 40, 90, 200, 1_000, 4_900] {
        for sql in nested(n) {
            std::thread::scope(|scope| {
                let thread = std::thread::Builder::new().stack_size(STACK_BYTES / 2);
                let thread = thread.spawn_scoped(scope, || {
                    declare_large_stack();
                    trace(Sql::standard(&sql), &SCHEMA, &default_naming(), &rules())
                });
                let result = thread.unwrap().join().expect("no panic");
                assert!(!matches!(result, Err(AnalyzeError::Internal { .. })), "{sql:.60}");
            });
        }
    }
}

#[test]
fn deep_statements_are_traced() {
    for sql in nested(800) {
        let result = trace(Sql::standard(&sql), &SCHEMA, &default_naming(), &rules());
        // Queries inside recursive ones are gone through over and over.
        let may_be_refused = sql.starts_with("WITH RECURSIVE");
        assert!(result.is_ok() || may_be_refused, "{result:?} {sql:.60}");
    }
}

#[test]
fn much_work_is_refused() {
    // Each level doubles the work of the one inside.
    let mut query = "SELECT ssn FROM users".to_owned();
    for level in 0..12 {
        let name = format!("t{level}");
        query = format!(
            "WITH RECURSIVE {name} AS (SELECT 'x' AS a UNION ALL SELECT a || (SELECT max(ssn) FROM users) FROM {name}, ({query}) y) SELECT * FROM {name}"
        );
    }
    let result = trace(Sql::standard(&query), &SCHEMA, &default_naming(), &rules());
    assert!(matches!(result, Ok(_) | Err(AnalyzeError::TooDeep)));
}

#[test]
fn long_statements_are_traced() {
    let values = vec!["($1, $2, now())"; 20_000].join(", ");
    let sql = format!("INSERT INTO log VALUES {values}");
    assert!(trace(Sql::standard(&sql), &SCHEMA, &default_naming(), &rules()).is_ok());
}
