//! Writes of applications, and COPY.

use crate::attempt::{Facility, Legitimate, Step};
use crate::catalogue::say;
use crate::message::Frontend::{Bind, DescribeStatement, Execute, Parse, Sync};
use grille_wire::postgres::Format;

const FORGET_LEDGER: &str = "DELETE FROM ledger WHERE id >= 100";
const FORGET_TASKS: &str = "DELETE FROM tasks WHERE id >= 100; ALTER TABLE tasks ALTER id RESTART WITH 100";

pub(super) const WRITES: &[Legitimate] = &[
    Legitimate::statement(
        "insert-returning",
        "INSERT INTO tasks (title, due) VALUES ('varnish', '2026-06-01'), ('polish', \
             NULL) RETURNING id, title, state, due",
    )
    .cleanup(FORGET_TASKS),
    Legitimate::statement(
        "insert-select",
        "INSERT INTO ledger (id, entry, amount) SELECT id + 100, title, floor FROM teams",
    )
    .cleanup(FORGET_LEDGER),
    Legitimate::statement(
        "insert-defaults",
        "INSERT INTO tasks (title, weight) VALUES ('wash', DEFAULT) RETURNING weight",
    )
    .cleanup(FORGET_TASKS),
    Legitimate::statement(
        "upsert-update",
        "INSERT INTO ledger (id, entry) VALUES (1, 'other') ON CONFLICT (id) DO UPDATE \
             SET entry = excluded.entry RETURNING id, entry",
    )
    .cleanup("UPDATE ledger SET entry = 'opening' WHERE id = 1"),
    Legitimate::statement(
        "upsert-nothing",
        "INSERT INTO teams VALUES (1, 'Works', 1, NULL) ON CONFLICT DO NOTHING",
    ),
    Legitimate::statement(
        "update-where",
        "UPDATE ledger SET amount = amount WHERE booked < '2026-01-10' RETURNING id",
    ),
    Legitimate::statement(
        "update-from",
        "UPDATE tasks t SET weight = t.weight FROM teams WHERE teams.id = t.id RETURNING \
             t.id, teams.title",
    ),
    Legitimate::statement(
        "update-protected-table",
        "UPDATE people SET level = level WHERE id = 3 RETURNING id, level",
    ),
    Legitimate::statement("delete-where", "DELETE FROM ledger WHERE id > 1000"),
    Legitimate::statement(
        "delete-using",
        "DELETE FROM tasks USING teams WHERE tasks.id = teams.id + 5000 RETURNING tasks.id",
    ),
    Legitimate::statement("unique-violation", "INSERT INTO teams (id, title, floor) VALUES (1, 'x', 1)"),
    Legitimate::statement("check-violation", "INSERT INTO tasks (title, weight) VALUES ('x', -1)")
        .cleanup(FORGET_TASKS),
    Legitimate::statement("foreign-key-violation", "INSERT INTO teams VALUES (50, 'x', 1, 999)"),
    Legitimate::query(
        "write-in-cte",
        "WITH w AS (UPDATE tasks SET weight = weight WHERE id < 3 RETURNING id, title) \
             SELECT title FROM w ORDER BY id",
    ),
    Legitimate::script(
        "insert-then-read",
        say![
            "BEGIN",
            "INSERT INTO ledger (id, entry, labels, doc) VALUES (101, 'x', '{q}', '{\"a\": [1]}')",
            "SELECT * FROM ledger WHERE id = 101",
            "ROLLBACK"
        ],
    ),
    Legitimate::script(
        "insert-protected-columns",
        say![
            "BEGIN",
            "INSERT INTO readings (taken, meter, secret) VALUES ('2026-09-01', 90, 'mine')",
            "SELECT taken, meter FROM readings WHERE meter = 90",
            "ROLLBACK"
        ],
    ),
    Legitimate::script(
        "update-protected-column",
        say!["BEGIN", "UPDATE visits SET diagnosis = 'mine' WHERE id = 2", "ROLLBACK"],
    ),
    Legitimate::script(
        "temporary-table",
        say![
            "CREATE TEMP TABLE scratch (n int, t text)",
            "INSERT INTO scratch SELECT id, title FROM teams",
            "SELECT * FROM scratch ORDER BY n",
            "DROP TABLE scratch"
        ],
    ),
    Legitimate::script(
        "create-table-as",
        say![
            "BEGIN",
            "CREATE TEMP TABLE levels AS SELECT level, count(*) AS n FROM people GROUP BY level",
            "SELECT * FROM levels ORDER BY level",
            "ROLLBACK"
        ],
    ),
    Legitimate::script(
        "create-and-drop",
        say![
            "CREATE TABLE made (id int PRIMARY KEY, note text)",
            "CREATE INDEX made_note ON made (note)",
            "INSERT INTO made VALUES (1, 'a')",
            "SELECT * FROM made",
            "ALTER TABLE made ADD extra int DEFAULT 7",
            "SELECT * FROM made",
            "DROP TABLE made"
        ],
    )
    .cleanup("DROP TABLE IF EXISTS made"),
    Legitimate::script(
        "create-view",
        say![
            "BEGIN",
            "CREATE VIEW levels AS SELECT name, level FROM people",
            "SELECT * FROM levels ORDER BY name",
            "ROLLBACK"
        ],
    ),
    Legitimate::script(
        "truncate-own-table",
        say![
            "CREATE TEMP TABLE t (n int)",
            "INSERT INTO t VALUES (1), (2)",
            "TRUNCATE t",
            "SELECT count(*) FROM t"
        ],
    ),
    Legitimate::script(
        "merge",
        say![
            "BEGIN",
            "MERGE INTO ledger l USING teams t ON t.id = l.id WHEN MATCHED THEN UPDATE SET \
             entry = t.title WHEN NOT MATCHED THEN INSERT (id) VALUES (t.id + 100)",
            "SELECT id, entry FROM ledger ORDER BY id",
            "ROLLBACK"
        ],
    )
    .needs(Facility::Merge),
    Legitimate::statement("copy-out-table", "COPY ledger TO STDOUT"),
    Legitimate::statement("copy-out-csv", "COPY ledger (id, entry, amount) TO STDOUT (FORMAT csv, HEADER)"),
    Legitimate::statement("copy-out-binary", "COPY teams TO STDOUT (FORMAT binary)"),
    Legitimate::statement("copy-out-columns", "COPY people (id, name, level) TO STDOUT"),
    Legitimate::statement(
        "copy-out-query",
        "COPY (SELECT p.name, t.title FROM people p JOIN teams t ON t.id = p.team_id \
             ORDER BY p.id) TO STDOUT (FORMAT csv)",
    ),
    Legitimate::script(
        "copy-in",
        &[
            Step::CopyIn {
                sql: "COPY ledger (id, entry, amount) FROM STDIN",
                data: "120\tbooks\t12.50\n121\t\\N\t\\N\n",
            },
            Step::Send(&[crate::message::Frontend::Query(
                "SELECT id, entry, amount FROM ledger WHERE id >= 120 ORDER BY id",
            )]),
        ],
    )
    .cleanup(FORGET_LEDGER),
    Legitimate::script(
        "copy-in-csv",
        &[
            Step::CopyIn {
                sql: "COPY ledger (id, entry) FROM STDIN (FORMAT csv)",
                data: "130,\"a, b\"\n131,\n",
            },
            Step::Send(&[crate::message::Frontend::Query(
                "SELECT id, entry FROM ledger WHERE id >= 130 ORDER BY id",
            )]),
        ],
    )
    .cleanup(FORGET_LEDGER),
    Legitimate::script(
        "copy-in-failing",
        &[
            Step::CopyIn { sql: "COPY ledger (id, amount) FROM STDIN", data: "140\tnot a number\n" },
            Step::Send(&[crate::message::Frontend::Query("SELECT count(*) FROM ledger")]),
        ],
    )
    .cleanup(FORGET_LEDGER),
    Legitimate::script(
        "insert-with-parameters",
        &[
            Step::Send(&[
                Parse {
                    name: "s",
                    sql: "INSERT INTO ledger (id, entry, booked) VALUES ($1, $2, $3) RETURNING id, entry, \
             booked",
                },
                DescribeStatement("s"),
                Sync,
            ]),
            Step::Send(&[
                Bind {
                    portal: "",
                    statement: "s",
                    parameters: &["150", "first", "2026-02-02"],
                    format: Format::Text,
                },
                Execute { portal: "", rows_max: 0 },
                Bind {
                    portal: "",
                    statement: "s",
                    parameters: &["151", "second", "2026-02-03"],
                    format: Format::Binary,
                },
                Execute { portal: "", rows_max: 0 },
                Sync,
            ]),
        ],
    )
    .cleanup(FORGET_LEDGER),
];
