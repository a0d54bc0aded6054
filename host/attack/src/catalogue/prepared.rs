//! Statements that run later than they are read: PREPARE, cursors, portals.

use crate::attempt::{Attempt, Group, Row, Step};
use crate::message::Frontend::{
    Bind, ClosePortal, CloseStatement, DescribePortal, DescribeStatement, Execute, Flush, Parse, Query, Sync,
};
use grille_core::RowShaping;
use grille_wire::postgres::Format;

const SSN: &str = "SELECT ssn FROM people ORDER BY id";

pub(super) const PREPARED: Group = Group {
    row: Row::Prepared,
    attempts: &[
        Attempt::script(
            "prepare-execute",
            "what runs is not in the statement that runs it",
            say!["PREPARE p AS SELECT ssn FROM people ORDER BY id", "EXECUTE p"],
        ),
        Attempt::script(
            "prepare-with-parameter",
            "a parameter chooses the row",
            say!["PREPARE p(int) AS SELECT ssn FROM people WHERE id = $1", "EXECUTE p(1)", "EXECUTE p(2)"],
        ),
        Attempt::script(
            "prepare-in-one-message",
            "prepared and run in one message",
            say!["PREPARE p AS SELECT ssn FROM people ORDER BY id; EXECUTE p; DEALLOCATE p"],
        ),
        Attempt::script(
            "prepare-again",
            "a name is given anew",
            say![
                "PREPARE p AS SELECT title FROM teams",
                "DEALLOCATE p",
                "PREPARE p AS SELECT ssn FROM people ORDER BY id",
                "EXECUTE p"
            ],
        ),
        Attempt::script(
            "execute-into-table",
            "what is prepared fills a table",
            say![
                "PREPARE p AS SELECT id, ssn AS s FROM people",
                "CREATE TEMP TABLE x AS EXECUTE p",
                "SELECT s FROM x ORDER BY id"
            ],
        ),
        Attempt::script(
            "explain-execute",
            "a plan of what is prepared",
            say![
                "PREPARE p(text) AS SELECT id FROM people WHERE ssn < $1",
                "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) EXECUTE p('m')"
            ],
        )
        .shapes(RowShaping::Allow),
        Attempt::script(
            "cursor",
            "FETCH names no table",
            say![
                "BEGIN",
                "DECLARE c CURSOR FOR SELECT ssn FROM people ORDER BY id",
                "FETCH 2 FROM c",
                "FETCH ALL FROM c",
                "COMMIT"
            ],
        ),
        Attempt::script(
            "cursor-binary",
            "a cursor that answers in binary",
            say![
                "BEGIN",
                "DECLARE c BINARY CURSOR FOR SELECT ssn, salary, pin FROM people ORDER BY id",
                "FETCH ALL FROM c",
                "COMMIT"
            ],
        ),
        Attempt::script(
            "cursor-backward",
            "a cursor read backwards",
            say![
                "BEGIN",
                "DECLARE c SCROLL CURSOR FOR SELECT ssn FROM people ORDER BY id",
                "MOVE LAST FROM c",
                "FETCH BACKWARD 3 FROM c",
                "FETCH ABSOLUTE 1 FROM c",
                "COMMIT"
            ],
        ),
        Attempt::script(
            "cursor-with-hold",
            "a cursor that outlives its transaction",
            say![
                "BEGIN",
                "DECLARE c CURSOR WITH HOLD FOR SELECT ssn FROM people ORDER BY id",
                "COMMIT",
                "FETCH ALL FROM c",
                "CLOSE c"
            ],
        ),
        Attempt::script(
            "cursor-move-count",
            "MOVE tells how many rows there are",
            say![
                "BEGIN",
                "DECLARE c CURSOR FOR SELECT id FROM people WHERE ssn < 'm'",
                "MOVE ALL FROM c",
                "COMMIT"
            ],
        )
        .shapes(RowShaping::Allow),
        Attempt::script(
            "cursor-of-a-portal",
            "a portal is a cursor as well",
            &[
                Step::Send(&[Query("BEGIN")]),
                Step::Send(&[
                    Parse { name: "", sql: SSN },
                    Bind { portal: "c", statement: "", parameters: &[], format: Format::Text },
                    Sync,
                ]),
                Step::Send(&[Query("FETCH 3 FROM c")]),
                Step::Send(&[Query("COMMIT")]),
            ],
        ),
        Attempt::script(
            "portal-of-a-cursor",
            "a cursor is a portal as well",
            &[
                Step::Send(&[Query("BEGIN")]),
                Step::Send(&[Query("DECLARE c CURSOR FOR SELECT ssn FROM people ORDER BY id")]),
                Step::Send(&[DescribePortal("c"), Execute { portal: "c", rows_max: 3 }, Sync]),
                Step::Send(&[Query("COMMIT")]),
            ],
        ),
        Attempt::script(
            "row-limited-portal",
            "rows in several rounds, the later ones without a description",
            &[
                Step::Send(&[Query("BEGIN")]),
                Step::Send(&[
                    Parse { name: "", sql: SSN },
                    Bind { portal: "p", statement: "", parameters: &[], format: Format::Text },
                    Execute { portal: "p", rows_max: 1 },
                    Sync,
                ]),
                Step::Send(&[
                    Execute { portal: "p", rows_max: 2 },
                    Execute { portal: "p", rows_max: 0 },
                    Sync,
                ]),
                Step::Send(&[Query("COMMIT")]),
            ],
        ),
        Attempt::script(
            "named-statement",
            "bound again and again, described once",
            &[
                Step::Send(&[
                    Parse { name: "s", sql: "SELECT ssn, pin FROM people WHERE id = $1" },
                    DescribeStatement("s"),
                    Sync,
                ]),
                Step::Send(&[
                    Bind { portal: "", statement: "s", parameters: &["1"], format: Format::Text },
                    Execute { portal: "", rows_max: 0 },
                    Sync,
                ]),
                Step::Send(&[
                    Bind { portal: "", statement: "s", parameters: &["2"], format: Format::Binary },
                    Execute { portal: "", rows_max: 0 },
                    Sync,
                ]),
            ],
        ),
        Attempt::script(
            "never-described",
            "no description ever comes before the rows",
            &[Step::Send(&[
                Parse { name: "", sql: SSN },
                Bind { portal: "", statement: "", parameters: &[], format: Format::Binary },
                Execute { portal: "", rows_max: 0 },
                Sync,
            ])],
        ),
        Attempt::script(
            "statement-replaced",
            "a name is closed and given to another statement in one segment",
            &[
                Step::Send(&[Parse { name: "s", sql: "SELECT title FROM teams ORDER BY id" }, Sync]),
                Step::Send(&[
                    CloseStatement("s"),
                    Parse { name: "s", sql: SSN },
                    Bind { portal: "", statement: "s", parameters: &[], format: Format::Text },
                    DescribePortal(""),
                    Execute { portal: "", rows_max: 0 },
                    Sync,
                ]),
            ],
        ),
        Attempt::script(
            "portal-replaced",
            "a portal's name is given to another statement",
            &[Step::Send(&[
                Parse { name: "a", sql: "SELECT title FROM teams ORDER BY id" },
                Parse { name: "b", sql: SSN },
                Bind { portal: "p", statement: "a", parameters: &[], format: Format::Text },
                DescribePortal("p"),
                ClosePortal("p"),
                Bind { portal: "p", statement: "b", parameters: &[], format: Format::Text },
                Execute { portal: "p", rows_max: 0 },
                Sync,
            ])],
        ),
        Attempt::script(
            "sql-and-protocol-names",
            "PREPARE and Parse share their names",
            &[
                Step::Send(&[Query("PREPARE s AS SELECT ssn FROM people ORDER BY id")]),
                Step::Send(&[
                    Bind { portal: "", statement: "s", parameters: &[], format: Format::Text },
                    Execute { portal: "", rows_max: 0 },
                    Sync,
                ]),
            ],
        ),
        Attempt::script(
            "flushed-before-sync",
            "rows are asked for before the segment ends",
            &[Step::Send(&[
                Parse { name: "", sql: SSN },
                Bind { portal: "", statement: "", parameters: &[], format: Format::Text },
                Flush,
                Execute { portal: "", rows_max: 2 },
                Flush,
                Execute { portal: "", rows_max: 0 },
                Sync,
            ])],
        ),
        Attempt::script(
            "planned-under-another-path",
            "a name means another table when the statement runs",
            &[
                Step::Send(&[
                    Parse { name: "s", sql: "SELECT title FROM teams ORDER BY id" },
                    DescribeStatement("s"),
                    Sync,
                ]),
                Step::Send(&[Query("SET search_path = vault, public")]),
                Step::Send(&[
                    Bind { portal: "", statement: "s", parameters: &[], format: Format::Text },
                    Execute { portal: "", rows_max: 0 },
                    Sync,
                ]),
            ],
        ),
        Attempt::script(
            "prepared-before-shadowing",
            "a temporary table goes away between reading and running",
            say![
                "CREATE TEMP TABLE people (id int, ssn text)",
                "PREPARE p AS SELECT ssn FROM people ORDER BY id",
                "DROP TABLE pg_temp.people",
                "EXECUTE p",
            ],
        ),
    ],
};
