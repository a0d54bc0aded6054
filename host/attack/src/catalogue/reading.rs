//! Texts that two readers understand differently, several statements in one message, messages that are not what they say.

use crate::attempt::{Attempt, Group, Row, Step};
use crate::message::Frontend::{Bind, Bytes, Execute, Parse, Query, Sync};
use grille_core::Privilege;
use grille_wire::postgres::Format;

/// Two literals, unless `standard_conforming_strings` is off: then the first ends later, and a column begins.
const BEHIND_BACKSLASH: &str = r"SELECT '\' , ', ssn || '' FROM people ORDER BY id --'";

/// The first ends before a comment, or in it.
const BEHIND_COMMENT: &str = r"SELECT '\'/*' , ssn || '' /*'*/ FROM people ORDER BY id";

/// The first goes on in the next line, or ends there.
const BEHIND_LINES: &str = "SELECT 'a\\'\n'\\'' , ssn || '' FROM people ORDER BY id --'";

/// One literal in UTF-8. In Shift JIS the backslash is the second half of a character, so the literal ends.
const BEHIND_CHARACTER: &str = r"SELECT e'Á\' , ssn || '' FROM people ORDER BY id --' AS x";

pub(super) const READING: Group = Group {
    row: Row::Reading,
    attempts: &[
        Attempt::query(
            "plain-column",
            "nothing hides it: what this shows, everything else shows",
            "SELECT id, ssn, email, salary, born, pin FROM people ORDER BY id",
        ),
        Attempt::query(
            "comments",
            "comments stand where a pattern expects spaces",
            "SELECT/**/ssn/* FROM teams */FROM/**/people/**/ORDER/**/BY/**/id",
        ),
        Attempt::query(
            "nested-comments",
            "PostgreSQL nests comments; who does not sees another statement",
            "SELECT /* 'a' /* */ name, */ ssn /* */ FROM people ORDER BY id",
        ),
        Attempt::statement(
            "line-comment",
            "a comment ends at the line's end and not at the text's",
            "SELECT name -- FROM teams\n, ssn FROM people ORDER BY id -- the end",
        ),
        Attempt::query(
            "dollar-quotes",
            "quotes inside a dollar-quoted text open nothing",
            "SELECT $a$ ' FROM teams $b$ $a$ || ssn || $$'$$ FROM people ORDER BY id",
        ),
        Attempt::query(
            "escape-string",
            "an escaped quote does not end the text",
            r"SELECT E'\' FROM teams --' || ssn FROM people ORDER BY id",
        ),
        Attempt::query(
            "unicode-identifier",
            "the column's name is written in escapes",
            r#"SELECT U&"\0073s\006E" FROM people ORDER BY id"#,
        ),
        Attempt::query(
            "unicode-identifier-own-escape",
            "the escape character is chosen by the statement",
            r#"SELECT U&"!0073sn" UESCAPE '!' FROM U&"!0070eople" UESCAPE '!' ORDER BY id"#,
        ),
        Attempt::query(
            "letter-case",
            "names are folded before they are compared",
            r#"SELECT SsN, "email" FROM PEOPLE ORDER BY ID"#,
        ),
        Attempt::query(
            "no-spaces",
            "tokens need no spaces between them",
            r#"SELECT(ssn)||''FROM"people"ORDER BY"id""#,
        ),
        Attempt::query(
            "qualified-with-spaces",
            "a name's parts may be apart",
            "SELECT public . people /* x */ . ssn FROM public\n.\npeople ORDER BY id",
        ),
        Attempt::script(
            "conforming-strings-off",
            "the server reads backslashes in plain strings, the gateway may not",
            say!["SET standard_conforming_strings = off", BEHIND_BACKSLASH],
        ),
        Attempt::script(
            "conforming-strings-set-config",
            "the same by a function",
            say!["SELECT set_config('standard_conforming_strings', 'off', false)", BEHIND_BACKSLASH],
        ),
        Attempt::script(
            "conforming-strings-pg-settings",
            "the same by an update of a view",
            say![
                "UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'",
                BEHIND_BACKSLASH
            ],
        ),
        Attempt::script(
            "conforming-strings-pipelined",
            "the change and what is behind it arrive together",
            &[Step::Send(&[Query("SET standard_conforming_strings = off"), Query(BEHIND_BACKSLASH)])],
        ),
        Attempt::script(
            "conforming-strings-at-start",
            "the same, said while connecting",
            &[
                Step::Reopen(&[("standard_conforming_strings", "off")]),
                Step::Send(&[Query(BEHIND_BACKSLASH), Query(BEHIND_COMMENT), Query(BEHIND_LINES)]),
            ],
        ),
        Attempt::script(
            "conforming-strings-by-options",
            "the same, among the options",
            &[
                Step::Reopen(&[("options", "-c standard_conforming_strings=off")]),
                Step::Send(&[Query(BEHIND_BACKSLASH)]),
            ],
        ),
        Attempt::script(
            "conforming-strings-prepared",
            "read under one setting, run under the other",
            &[
                Step::Send(&[Query("SET standard_conforming_strings = off")]),
                Step::Send(&[Parse { name: "s", sql: BEHIND_BACKSLASH }, Sync]),
                Step::Send(&[Query("SET standard_conforming_strings = on")]),
                Step::Send(&[
                    Bind { portal: "", statement: "s", parameters: &[], format: Format::Text },
                    Execute { portal: "", rows_max: 0 },
                    Sync,
                ]),
            ],
        ),
        Attempt::script(
            "conforming-strings-prepared-in-sql",
            "the same by PREPARE",
            say![
                "SET standard_conforming_strings = off",
                r"PREPARE s AS SELECT '\' , ', ssn || '' FROM people ORDER BY id --'",
                "SET standard_conforming_strings = on",
                "EXECUTE s"
            ],
        ),
        Attempt::script(
            "conforming-strings-copy",
            "the query of a COPY has literals too",
            say![
                "SET standard_conforming_strings = off",
                r"COPY (SELECT '\' , ', ssn || '' FROM people ORDER BY id --'
                ) TO STDOUT"
            ],
        ),
        Attempt::script(
            "conforming-strings-copy-options",
            "a delimiter that is two characters to one reader and one to the other",
            say![
                "SET standard_conforming_strings = off",
                r"COPY (SELECT ssn, name FROM people ORDER BY id) TO STDOUT (DELIMITER '\t', NULL '\\')"
            ],
        ),
        Attempt::script(
            "conforming-strings-local",
            "a rollback takes the setting back, and the reading with it",
            say![
                "BEGIN",
                "SAVEPOINT here",
                "SET LOCAL standard_conforming_strings = off",
                BEHIND_BACKSLASH,
                "ROLLBACK TO here",
                BEHIND_BACKSLASH,
                r"SELECT '\' , ssn || '' FROM people ORDER BY id",
                "COMMIT"
            ],
        ),
        Attempt::script(
            "client-encoding",
            "the server reads a character where the gateway reads a backslash",
            say!["SET client_encoding TO 'SJIS'", BEHIND_CHARACTER],
        ),
        Attempt::script(
            "client-encoding-at-start",
            "the same, said while connecting",
            &[Step::Reopen(&[("client_encoding", "SJIS")]), Step::Send(&[Query(BEHIND_CHARACTER)])],
        ),
    ],
};

pub(super) const MANY_STATEMENTS: Group = Group {
    row: Row::ManyStatements,
    attempts: &[
        Attempt::script(
            "second-statement",
            "only the first statement is looked at",
            say!["SELECT 1; SELECT ssn FROM people ORDER BY id"],
        ),
        Attempt::script(
            "empty-statements",
            "the statement is behind empty ones",
            say![";; ; SELECT ssn FROM people ORDER BY id;;"],
        ),
        Attempt::script(
            "in-a-transaction",
            "the statement stands between BEGIN and COMMIT in one message",
            say!["BEGIN; SELECT ssn FROM people ORDER BY id; COMMIT"],
        ),
        Attempt::script(
            "pipelined-queries",
            "the second message is sent before the first is answered",
            &[Step::Send(&[Query("SELECT 1"), Query("SELECT ssn FROM people ORDER BY id")])],
        ),
        Attempt::script(
            "behind-an-error",
            "the message behind a failed one",
            &[Step::Send(&[Query("SELECT 1/0"), Query("SELECT ssn FROM people ORDER BY id")])],
        ),
        Attempt::script(
            "pipelined-extended",
            "two portals before one Sync",
            &[Step::Send(&[
                Parse { name: "", sql: "SELECT title FROM teams ORDER BY id" },
                Bind { portal: "", statement: "", parameters: &[], format: Format::Text },
                Execute { portal: "", rows_max: 0 },
                Parse { name: "", sql: "SELECT ssn FROM people ORDER BY id" },
                Bind { portal: "", statement: "", parameters: &[], format: Format::Text },
                Execute { portal: "", rows_max: 0 },
                Sync,
            ])],
        ),
        Attempt::script(
            "defined-in-one-message",
            "the view is not there yet when the message is judged",
            say![
                "CREATE TEMP VIEW lens AS SELECT id, ssn AS s FROM people; SELECT s FROM lens \
             ORDER BY id"
            ],
        ),
        Attempt::script(
            "view-replaced-in-one-message",
            "a view is another one by the time that it is read",
            say![
                "BEGIN; CREATE OR REPLACE VIEW directory AS SELECT id, ssn AS name, ''::text AS \
             title FROM people; SELECT name FROM directory ORDER BY id; ROLLBACK"
            ],
        ),
        Attempt::script(
            "renamed-in-one-message",
            "a column is called otherwise by the time that it is read",
            say![
                "BEGIN; ALTER TABLE visits RENAME diagnosis TO remark; SELECT remark FROM visits \
             ORDER BY id; ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "unshadowed-in-one-message",
            "a temporary table is gone by the time that its name is read",
            say![
                "CREATE TEMP TABLE people (id int, ssn text)",
                "SELECT ssn FROM people; DROP TABLE pg_temp.people; SELECT ssn FROM people ORDER \
             BY id"
            ],
        ),
        Attempt::script(
            "view-pipelined",
            "the view is read before it is known that it is there",
            &[Step::Send(&[
                Query("CREATE TEMP VIEW lens AS SELECT id, ssn AS s FROM people"),
                Query("SELECT s FROM lens ORDER BY id"),
            ])],
        ),
        Attempt::script(
            "path-in-one-segment",
            "the path is set and used before one Sync",
            &[Step::Send(&[
                Parse { name: "", sql: "SET search_path = vault, public" },
                Bind { portal: "", statement: "", parameters: &[], format: Format::Text },
                Execute { portal: "", rows_max: 0 },
                Parse { name: "", sql: "SELECT title FROM teams ORDER BY id" },
                Bind { portal: "", statement: "", parameters: &[], format: Format::Text },
                Execute { portal: "", rows_max: 0 },
                Sync,
            ])],
        ),
        Attempt::script(
            "path-pipelined",
            "the path is set in a message, and used in the next before the answer",
            &[Step::Send(&[
                Query("SET search_path = vault, public"),
                Query("SELECT title FROM teams ORDER BY id"),
            ])],
        ),
        Attempt::script(
            "simple-behind-extended",
            "a Query behind a segment without its Sync",
            &[Step::Send(&[
                Parse { name: "", sql: "SELECT title FROM teams ORDER BY id" },
                Bind { portal: "", statement: "", parameters: &[], format: Format::Text },
                Execute { portal: "", rows_max: 0 },
                Query("SELECT ssn FROM people ORDER BY id"),
            ])],
        ),
    ],
};

pub(super) const MALFORMED: Group = Group {
    row: Row::Malformed,
    attempts: &[
        Attempt::script(
            "zero-byte-in-query",
            "one reader stops at the zero byte, the other at the message's end",
            &[Step::Send(&[Bytes(b"Q\x00\x00\x00\x27SELECT 1\x00SELECT ssn FROM people --\x00"), Sync])],
        ),
        Attempt::script(
            "message-behind-a-short-length",
            "the length is less than the body, so that a message is hidden in it",
            &[Step::Send(&[
                Bytes(b"P\x00\x00\x00\x06\x00\x00"),
                Sync,
                Query("SELECT ssn FROM people ORDER BY id"),
            ])],
        ),
        Attempt::script(
            "length-overflow",
            "a length that overflows hides what follows",
            &[Step::Send(&[Bytes(b"Q\xff\xff\xff\xff"), Query("SELECT ssn FROM people ORDER BY id")])],
        ),
    ],
};
