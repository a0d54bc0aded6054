//! Values in binary, and COPY in every form.

use crate::attempt::{Attempt, Group, Row, Step};
use crate::message::Frontend::{Bind, Execute, Parse, Sync};
use grille_core::RowShaping;
use grille_wire::postgres::Format;

/// One row of one type, all in binary.
const fn in_binary(name: &'static str, why: &'static str, steps: &'static [Step]) -> Attempt {
    Attempt::script(name, why, steps)
}

macro_rules! binary {
    ($sql:literal) => {
        &[Step::Send(&[
            Parse { name: "", sql: $sql },
            Bind { portal: "", statement: "", parameters: &[], format: Format::Binary },
            Execute { portal: "", rows_max: 0 },
            Sync,
        ])]
    };
}

pub(super) const BINARY: Group = Group {
    row: Row::Binary,
    attempts: &[
        in_binary(
            "binary-text",
            "text is the same in binary",
            binary!("SELECT ssn, email, phrase FROM people ORDER BY id"),
        ),
        in_binary("binary-integer", "four bytes", binary!("SELECT pin FROM people ORDER BY id")),
        in_binary("binary-numeric", "digits in base 10000", binary!("SELECT salary FROM people ORDER BY id")),
        in_binary(
            "binary-date",
            "days since 2000",
            binary!("SELECT born, born::timestamptz FROM people ORDER BY id"),
        ),
        in_binary("binary-bytes", "bytes as they are", binary!("SELECT photo FROM people ORDER BY id")),
        in_binary(
            "binary-jsonb",
            "a document behind its version",
            binary!("SELECT notes FROM people ORDER BY id"),
        ),
        in_binary(
            "binary-array",
            "elements with their lengths",
            binary!("SELECT tags FROM people ORDER BY id"),
        ),
        in_binary("binary-uuid", "sixteen bytes", binary!("SELECT badge FROM people ORDER BY id")),
        in_binary("binary-enum", "the label", binary!("SELECT feeling FROM people ORDER BY id")),
        in_binary(
            "binary-composite",
            "fields with their types",
            binary!("SELECT card FROM people ORDER BY id"),
        ),
        in_binary("binary-range", "bounds behind flags", binary!("SELECT stay FROM people ORDER BY id")),
        in_binary("binary-record", "the whole row", binary!("SELECT p FROM people p ORDER BY p.id")),
        in_binary(
            "binary-interval",
            "a difference",
            binary!("SELECT age(born, DATE '2000-01-01') FROM people ORDER BY id"),
        ),
        in_binary(
            "binary-float",
            "a number as a float",
            binary!("SELECT salary::float8, pin::float4 FROM people ORDER BY id"),
        ),
    ],
};

pub(super) const COPY: Group = Group {
    row: Row::Copy,
    attempts: &[
        Attempt::statement("copy-table", "a table without a query", "COPY people TO STDOUT"),
        Attempt::statement(
            "copy-columns",
            "columns in another order",
            "COPY people (ssn, id, email) TO STDOUT",
        ),
        Attempt::statement("copy-csv", "the same as CSV", "COPY people TO STDOUT (FORMAT csv, HEADER)"),
        Attempt::statement(
            "copy-csv-quoted",
            "the same, quoted by other characters",
            "COPY people (id, ssn) TO STDOUT (FORMAT csv, FORCE_QUOTE *, QUOTE '!', ESCAPE \
             '#', DELIMITER ';')",
        ),
        Attempt::statement(
            "copy-binary",
            "the same in binary",
            "COPY people (id, ssn, salary, pin, born) TO STDOUT (FORMAT binary)",
        ),
        Attempt::statement(
            "copy-old-syntax",
            "the syntax of old",
            "COPY people TO STDOUT WITH CSV DELIMITER '|'",
        ),
        Attempt::statement(
            "copy-delimiter",
            "letters as separators",
            "COPY people (ssn, email) TO STDOUT (DELIMITER '~', NULL 'nothing')",
        ),
        Attempt::statement(
            "copy-encoding",
            "in another encoding",
            "COPY people (ssn, name) TO STDOUT (ENCODING 'LATIN1')",
        ),
        Attempt::statement(
            "copy-query-binary",
            "a query in binary",
            "COPY (SELECT ssn || '', salary + 0 FROM people ORDER BY id) TO STDOUT (FORMAT \
             binary)",
        ),
        Attempt::statement(
            "copy-query-csv",
            "a query as CSV",
            "COPY (SELECT id, ssn FROM people ORDER BY id) TO STDOUT (FORMAT csv)",
        ),
        Attempt::statement("copy-child", "a child table", "COPY contractors (id, ssn) TO STDOUT"),
        Attempt::statement("copy-partition", "a partition", "COPY readings_2026 TO STDOUT"),
        Attempt::statement(
            "copy-view-query",
            "a view by a query",
            "COPY (SELECT * FROM roster ORDER BY id) TO STDOUT",
        ),
        Attempt::statement(
            "copy-returning",
            "a write as COPY's query",
            "COPY (UPDATE people SET level = level WHERE id = 1 RETURNING ssn) TO STDOUT",
        ),
        Attempt::statement(
            "copy-values",
            "constants that are none",
            "COPY (VALUES ((SELECT ssn FROM people WHERE id = 1))) TO STDOUT",
        ),
        Attempt::script(
            "copy-second-statement",
            "COPY behind another statement",
            say!["SELECT 1; COPY people (id, ssn) TO STDOUT; SELECT 2"],
        ),
        Attempt::script(
            "copy-prepared",
            "COPY by the extended protocol",
            binary!("COPY (SELECT ssn FROM people ORDER BY id) TO STDOUT"),
        ),
        Attempt::script(
            "copy-in-duplicate",
            "a value that is there fails, and the error quotes the row",
            &[Step::CopyIn {
                sql: "COPY people (id, name, level, active, joined, pin) FROM STDIN",
                data: "900\tProbe\t1\tt\t2020-01-01\t{pin}\n",
            }],
        )
        .cleanup("DELETE FROM people WHERE id >= 900")
        .shapes(RowShaping::Equality),
        Attempt::script(
            "copy-in-and-back",
            "rows go to a trigger that fills them, and come back",
            &[
                Step::CopyIn { sql: "COPY tickets (id, subject) FROM STDIN", data: "910\tx\n" },
                Step::Send(&[crate::message::Frontend::Query("SELECT comment FROM tickets WHERE id = 910")]),
            ],
        )
        .cleanup("DELETE FROM tickets"),
    ],
};
