//! Writes that are not where one looks for them: in CTEs, in MERGE, under EXPLAIN, behind SELECT … INTO.

use crate::attempt::{Attempt, Facility, Group, Row};
use grille_core::{Privilege, RowShaping};

pub(super) const HIDDEN_WRITE: Group = Group {
    row: Row::HiddenWrite,
    attempts: &[
        Attempt::query(
            "cte-update",
            "a write in a CTE gives columns back",
            "WITH w AS (UPDATE people SET level = level WHERE id < 4 RETURNING id, ssn) \
             SELECT ssn FROM w ORDER BY id",
        ),
        Attempt::script(
            "cte-insert",
            "a write in a CTE copies",
            say![
                "BEGIN",
                "WITH w AS (INSERT INTO sink SELECT id, ssn FROM people RETURNING id, line) \
             SELECT line FROM w ORDER BY id",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "cte-delete",
            "a deletion in a CTE gives columns back",
            say![
                "BEGIN",
                "WITH w AS (DELETE FROM visits RETURNING id, diagnosis) SELECT diagnosis FROM w \
             ORDER BY id",
                "ROLLBACK"
            ],
        ),
        Attempt::script(
            "cte-write-unread",
            "nothing reads the CTE that copies",
            say![
                "BEGIN",
                "WITH w AS (INSERT INTO sink SELECT id, ssn FROM people) SELECT 1",
                "SELECT line FROM sink ORDER BY id",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "select-into",
            "a query that makes a table",
            say!["SELECT id, ssn AS s INTO TEMP x FROM people", "SELECT s FROM x ORDER BY id"],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "merge",
            "MERGE copies",
            say![
                "BEGIN",
                "MERGE INTO sink s USING people p ON s.id = p.id WHEN NOT MATCHED THEN INSERT \
             VALUES (p.id, p.ssn)",
                "SELECT line FROM sink ORDER BY id",
                "ROLLBACK"
            ],
        )
        .needs(Facility::Merge)
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "merge-condition",
            "MERGE counts",
            say![
                "BEGIN",
                "MERGE INTO teams t USING people p ON t.id = p.id AND p.ssn < 'm' WHEN MATCHED \
             THEN UPDATE SET floor = 9",
                "ROLLBACK"
            ],
        )
        .needs(Facility::Merge)
        .shapes(RowShaping::Allow),
        Attempt::script(
            "update-from",
            "a copy by an update",
            say![
                "BEGIN",
                "UPDATE teams t SET title = p.ssn FROM people p WHERE p.id = t.id",
                "SELECT title FROM teams ORDER BY id",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "update-own-row",
            "a column of the same row gets the value",
            say!["BEGIN", "UPDATE people SET name = ssn", "SELECT name FROM people ORDER BY id", "ROLLBACK"],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "update-by-subquery",
            "a subquery's value is stored",
            say![
                "BEGIN",
                "UPDATE teams SET title = (SELECT string_agg(ssn, ',') FROM people) WHERE id = 4 \
             RETURNING title",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "on-conflict-update",
            "a conflict's update stores the value",
            say![
                "BEGIN",
                "INSERT INTO teams VALUES (1, 'x', 1) ON CONFLICT (id) DO UPDATE SET title = \
             (SELECT ssn FROM people WHERE id = 1)",
                "SELECT title FROM teams WHERE id = 1",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "insert-default-from-parent",
            "a number is stored",
            say![
                "BEGIN",
                "INSERT INTO ledger (id, amount, booked) SELECT 500 + id, salary, born FROM people",
                "SELECT amount, booked FROM ledger WHERE id > 500 ORDER BY id",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::statement(
            "explain-estimates",
            "estimates come from the column's statistics",
            "EXPLAIN SELECT id FROM people WHERE ssn < 'm'",
        )
        .shapes(RowShaping::Allow),
        Attempt::statement(
            "explain-analyze",
            "a plan tells how many rows there were",
            "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) SELECT id \
             FROM people WHERE ssn < 'm'",
        )
        .shapes(RowShaping::Allow),
        Attempt::script(
            "explain-analyze-write",
            "EXPLAIN ANALYZE runs what it explains",
            say![
                "BEGIN",
                "EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, BUFFERS OFF) INSERT INTO sink SELECT \
             id, ssn FROM people",
                "SELECT line FROM sink ORDER BY id",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "explain-json",
            "a plan as a document",
            say![
                "EXPLAIN (FORMAT json, ANALYZE, TIMING OFF, SUMMARY OFF, BUFFERS OFF, COSTS OFF) \
             SELECT 1 FROM people WHERE pin > 500000"
            ],
        )
        .shapes(RowShaping::Allow),
    ],
};
