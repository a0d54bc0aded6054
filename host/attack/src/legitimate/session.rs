//! Transactions, cursors, prepared statements, settings, notifications.

use crate::attempt::{Legitimate, Step};
use crate::catalogue::say;
use crate::message::Frontend::{
    Bind, CloseStatement, DescribePortal, DescribeStatement, Execute, Flush, Parse, Query, Sync,
};
use grille_wire::postgres::Format;

pub(super) const SESSIONS: &[Legitimate] = &[
    Legitimate::script(
        "several-statements",
        say!["SELECT 1; SELECT title FROM teams ORDER BY id; SELECT 'end'"],
    ),
    Legitimate::script("empty-query", say!["", ";", "-- nothing"]),
    Legitimate::script(
        "transaction",
        say!["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "SELECT count(*) FROM ledger", "COMMIT"],
    ),
    Legitimate::script(
        "savepoints",
        say!["BEGIN", "SAVEPOINT a", "SELECT 1/0", "ROLLBACK TO a", "SELECT 2", "RELEASE a", "COMMIT"],
    ),
    Legitimate::script(
        "failed-transaction",
        say!["BEGIN", "SELECT nothing FROM nowhere", "SELECT 1", "COMMIT", "SELECT 2"],
    ),
    Legitimate::script("syntax-error", say!["SELEC 1", "SELECT 1 FROM", "SELECT 2"]),
    Legitimate::script(
        "unknown-column",
        say!["SELECT nothing FROM teams", "SELECT t.nothing FROM teams t", "SELECT count(*) FROM nowhere"],
    ),
    Legitimate::script(
        "cursor",
        say![
            "BEGIN",
            "DECLARE c SCROLL CURSOR FOR SELECT id, entry FROM ledger ORDER BY id",
            "FETCH 2 FROM c",
            "MOVE 1 FROM c",
            "FETCH BACKWARD 1 FROM c",
            "FETCH ALL FROM c",
            "CLOSE c",
            "COMMIT"
        ],
    ),
    Legitimate::script(
        "cursor-with-hold",
        say![
            "DECLARE h CURSOR WITH HOLD FOR SELECT name, level FROM people ORDER BY id",
            "FETCH 3 FROM h",
            "CLOSE h"
        ],
    ),
    Legitimate::script(
        "prepare-execute",
        say![
            "PREPARE p(int) AS SELECT title FROM teams WHERE id = $1",
            "EXECUTE p(1)",
            "EXECUTE p(2)",
            "DEALLOCATE p"
        ],
    ),
    Legitimate::script(
        "named-statement",
        &[
            Step::Send(&[
                Parse { name: "s", sql: "SELECT id, name, joined FROM people WHERE level = $1 ORDER BY id" },
                DescribeStatement("s"),
                Sync,
            ]),
            Step::Send(&[
                Bind { portal: "", statement: "s", parameters: &["1"], format: Format::Text },
                DescribePortal(""),
                Execute { portal: "", rows_max: 0 },
                Sync,
            ]),
            Step::Send(&[
                Bind { portal: "", statement: "s", parameters: &["2"], format: Format::Binary },
                Execute { portal: "", rows_max: 0 },
                Sync,
            ]),
            Step::Send(&[CloseStatement("s"), Sync]),
        ],
    ),
    Legitimate::script(
        "row-limited-portal",
        &[
            Step::Send(&[Query("BEGIN")]),
            Step::Send(&[
                Parse { name: "", sql: "SELECT id, entry FROM ledger ORDER BY id" },
                Bind { portal: "p", statement: "", parameters: &[], format: Format::Text },
                DescribePortal("p"),
                Execute { portal: "p", rows_max: 2 },
                Sync,
            ]),
            Step::Send(&[Execute { portal: "p", rows_max: 0 }, Sync]),
            Step::Send(&[Query("COMMIT")]),
        ],
    ),
    Legitimate::script(
        "pipeline",
        &[Step::Send(&[
            Parse { name: "", sql: "SELECT title FROM teams WHERE id = $1" },
            Bind { portal: "", statement: "", parameters: &["1"], format: Format::Text },
            Execute { portal: "", rows_max: 0 },
            Flush,
            Parse { name: "", sql: "SELECT count(*) FROM people WHERE active" },
            Bind { portal: "", statement: "", parameters: &[], format: Format::Text },
            Execute { portal: "", rows_max: 0 },
            Sync,
            Query("SELECT 'behind'"),
        ])],
    ),
    Legitimate::script(
        "pipeline-with-error",
        &[
            Step::Send(&[
                Parse { name: "", sql: "SELECT 1/0" },
                Bind { portal: "", statement: "", parameters: &[], format: Format::Text },
                Execute { portal: "", rows_max: 0 },
                Parse { name: "", sql: "SELECT 1" },
                Bind { portal: "", statement: "", parameters: &[], format: Format::Text },
                Execute { portal: "", rows_max: 0 },
                Sync,
            ]),
            Step::Send(&[Query("SELECT 3")]),
        ],
    ),
    Legitimate::script(
        "settings",
        say![
            "SET datestyle = 'ISO, DMY'",
            "SET timezone = 'Europe/Berlin'",
            "SHOW timezone",
            "SELECT joined, timestamptz '2026-01-01 00:00:00+00' FROM people ORDER BY id",
            "RESET timezone",
            "SET extra_float_digits = 3",
            "SELECT weight FROM tasks ORDER BY id"
        ],
    ),
    Legitimate::script(
        "settings-of-drivers",
        say![
            "SET application_name = 'report'",
            "SET client_min_messages TO warning",
            "SET statement_timeout = '10s'",
            "SET client_encoding TO 'UTF8'",
            "SET standard_conforming_strings = on",
            "SHOW server_version",
            "SHOW transaction_isolation",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"
        ],
    ),
    Legitimate::script(
        "strings-with-escapes",
        say![
            "SET standard_conforming_strings = off",
            r"SELECT 'a\tb\\' || title FROM teams ORDER BY id",
            r"SELECT id FROM teams WHERE title <> 'a\\b' AND title LIKE '%\\%%' ORDER BY id",
            r"COPY (SELECT id, title FROM teams ORDER BY id) TO STDOUT (DELIMITER '\t')",
            "SET standard_conforming_strings = on",
            r"SELECT 'a\' || title FROM teams ORDER BY id"
        ],
    ),
    Legitimate::script(
        "search-path",
        say![
            "SET search_path = public, vault",
            "SELECT title FROM teams ORDER BY id",
            "SHOW search_path",
            "RESET search_path"
        ],
    ),
    Legitimate::script(
        "local-settings",
        say![
            "BEGIN",
            "SET LOCAL work_mem = '8MB'",
            "SHOW work_mem",
            "COMMIT",
            "SELECT current_setting('work_mem') <> ''"
        ],
    ),
    Legitimate::script("discard", say!["PREPARE p AS SELECT 1", "DISCARD ALL", "SELECT 1"]),
    Legitimate::script(
        "notifications",
        say![
            "LISTEN news",
            "NOTIFY news, 'hello'",
            "SELECT pg_notify('news', title) FROM teams WHERE id = 1",
            "UNLISTEN news"
        ],
    ),
    Legitimate::script(
        "locks",
        say!["BEGIN", "LOCK TABLE tasks IN SHARE MODE", "SELECT pg_advisory_xact_lock(42)", "COMMIT"],
    ),
    Legitimate::script(
        "who-and-where",
        say![
            "SELECT current_user = session_user, current_schema(), current_schemas(true) IS \
             NOT NULL, pg_backend_pid() > 0",
            "SELECT current_database() IS NOT NULL, version() LIKE 'PostgreSQL%'"
        ],
    ),
    Legitimate::script(
        "two-sessions",
        &[
            Step::Send(&[Query("BEGIN")]),
            Step::Send(&[Query("UPDATE tasks SET weight = weight WHERE id = 1")]),
            Step::Beside(&[Query("SELECT title FROM tasks ORDER BY id")]),
            Step::Send(&[Query("ROLLBACK")]),
        ],
    ),
];
