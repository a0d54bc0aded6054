//! Rows taken as a whole: records, JSON of rows, fields of composites, RETURNING.

use crate::attempt::{Attempt, Facility, Group, Row};

pub(super) const WHOLE_ROW: Group = Group {
    row: Row::WholeRow,
    attempts: &[
        Attempt::query(
            "row-as-record",
            "the table's name is its row",
            "SELECT p FROM people p ORDER BY p.id",
        ),
        Attempt::query("row-as-text", "the row written out", "SELECT p::text FROM people p ORDER BY p.id"),
        Attempt::query(
            "row-constructor",
            "the row built anew",
            "SELECT ROW(p.*), ROW(p.id, p.ssn) FROM people p ORDER BY p.id",
        ),
        Attempt::query("to-jsonb", "the row as a document", "SELECT to_jsonb(p) FROM people p ORDER BY p.id"),
        Attempt::query(
            "row-to-json",
            "the same by another function",
            "SELECT row_to_json(p), to_json(p.*) FROM people p ORDER BY p.id",
        ),
        Attempt::query(
            "row-as-method",
            "a function in the place of a column",
            "SELECT p.to_jsonb FROM people p ORDER BY p.id",
        ),
        Attempt::query(
            "json-aggregate",
            "all rows in one document",
            "SELECT json_agg(p ORDER BY p.id) FROM people p",
        ),
        Attempt::query(
            "jsonb-aggregate-keys",
            "all values under their keys",
            "SELECT jsonb_object_agg(id, ssn) FROM people",
        ),
        Attempt::query(
            "json-build",
            "a document of the client's own",
            "SELECT jsonb_build_object('x', ssn, 'y', json_build_array(email)) FROM people \
             ORDER BY id",
        ),
        Attempt::query(
            "json-each",
            "a document taken apart",
            "SELECT e.value FROM people p, jsonb_each_text(to_jsonb(p)) e WHERE e.key = 'ssn' \
             ORDER BY p.id",
        ),
        Attempt::query(
            "json-member-of-row",
            "a member of the row's document",
            "SELECT to_jsonb(p)->>'ssn' FROM people p ORDER BY p.id",
        ),
        Attempt::query(
            "json-without-others",
            "the row's document less what is harmless",
            "SELECT to_jsonb(p) - 'id' - 'name' FROM people p ORDER BY p.id",
        ),
        Attempt::query("row-array", "rows in an array", "SELECT array_agg(p ORDER BY p.id) FROM people p"),
        Attempt::query("field-of-row", "a field of the row", "SELECT (p).ssn FROM people p ORDER BY p.id"),
        Attempt::query(
            "field-of-subselect-row",
            "a field of a row within a row",
            "SELECT (d.s).ssn FROM (SELECT p AS s FROM people p) d ORDER BY (d.s).id",
        ),
        Attempt::query(
            "fields-of-scalar-subquery",
            "all fields of a row that a subquery gives",
            "SELECT ((SELECT p FROM people p WHERE p.id = 1)).*",
        ),
        Attempt::query(
            "fields-of-array-element",
            "all fields of a row out of an array",
            "SELECT (array_agg(p ORDER BY p.id))[2].ssn FROM people p",
        ),
        Attempt::query(
            "populate-record",
            "the row through JSON and back",
            "SELECT r.ssn FROM people p, jsonb_populate_record(NULL::people, to_jsonb(p)) r \
             ORDER BY p.id",
        ),
        Attempt::query(
            "record-to-record",
            "columns under a definition of the client's own",
            "SELECT r.x FROM people p, jsonb_to_record(to_jsonb(p)) AS r(ssn text, x text), \
             LATERAL (SELECT r.ssn AS y) l WHERE false UNION ALL SELECT to_jsonb(p)->>'ssn' \
             FROM people p WHERE id = 1",
        ),
        Attempt::query("view-row", "the row of a view", "SELECT r FROM roster r ORDER BY r.id"),
        Attempt::query(
            "row-formatted",
            "the row in a text",
            "SELECT format('%s', p), concat(p) FROM people p ORDER BY p.id",
        ),
        Attempt::query(
            "row-hash",
            "a hash of the row",
            "SELECT md5(p::text), hash_record(p) FROM people p ORDER BY p.id",
        ),
        Attempt::query(
            "xml-of-columns",
            "columns as XML",
            "SELECT xmlforest(ssn, email) FROM people ORDER BY id",
        ),
        Attempt::statement(
            "returning",
            "a write gives the columns back",
            "UPDATE people SET level = level WHERE id = 1 RETURNING ssn",
        ),
        Attempt::statement(
            "returning-star",
            "a write gives all columns back",
            "UPDATE people SET level = level WHERE id = 1 RETURNING *",
        ),
        Attempt::statement(
            "returning-row",
            "a write gives the row back",
            "UPDATE people SET level = level WHERE id = 1 RETURNING to_jsonb(people)",
        ),
        Attempt::statement(
            "returning-old",
            "a write gives the row as it was",
            "UPDATE people SET level = level WHERE id = 1 RETURNING old.ssn, new.email",
        )
        .needs(Facility::ReturningOld),
        Attempt::script(
            "returning-of-delete",
            "a deletion gives the row back",
            say!["BEGIN", "DELETE FROM visits WHERE id = 1 RETURNING diagnosis", "ROLLBACK"],
        ),
    ],
};
