//! What comes beside rows: errors, notices, notifications, parameters.

use crate::attempt::{Attempt, Group, Row, Step};
use crate::message::Frontend::Query;
use grille_core::{Privilege, RowShaping};

pub(super) const MESSAGE: Group = Group {
    row: Row::Message,
    attempts: &[
        fails("error-cast", "an error quotes what is no number", "SELECT ssn::int FROM people ORDER BY id"),
        fails("error-date", "an error quotes what is no date", "SELECT ssn::date FROM people ORDER BY id"),
        fails("error-uuid", "an error quotes what is no uuid", "SELECT email::uuid FROM people ORDER BY id"),
        fails(
            "error-json",
            "an error's context quotes what is no document",
            "SELECT ssn::json FROM people ORDER BY id",
        ),
        fails(
            "error-xml",
            "an error quotes what is no XML",
            "SELECT ('<' || ssn)::xml FROM people ORDER BY id",
        ),
        fails("error-enum", "an error quotes what is no label", "SELECT ssn::mood FROM people ORDER BY id"),
        fails("error-array", "an error quotes what is no array", "SELECT ssn::int[] FROM people ORDER BY id"),
        fails(
            "error-relation",
            "an error quotes what is no relation",
            "SELECT ssn::regclass FROM people ORDER BY id",
        ),
        fails(
            "error-role",
            "an error quotes what is no role",
            "SELECT has_table_privilege(ssn, 'teams', 'select') FROM people ORDER BY id",
        ),
        fails(
            "error-setting",
            "an error quotes what is no setting",
            "SELECT current_setting(ssn) FROM people ORDER BY id",
        ),
        fails(
            "error-time-zone",
            "an error quotes what is no time zone",
            "SELECT timestamp '2020-01-01' AT TIME ZONE ssn FROM people ORDER BY id",
        ),
        fails(
            "error-encoding",
            "an error quotes what is no encoding",
            "SELECT convert_to('x', ssn) FROM people ORDER BY id",
        ),
        fails(
            "error-text-search",
            "an error quotes what is no configuration",
            "SELECT to_tsvector(ssn::regconfig, 'x') FROM people ORDER BY id",
        ),
        fails(
            "error-unit",
            "an error quotes what is no unit",
            "SELECT extract(epoch FROM date_trunc(ssn, timestamp '2020-01-01')) FROM people \
             ORDER BY id",
        ),
        fails(
            "error-format",
            "an error quotes a conversion",
            "SELECT format('%' || ssn, 1) FROM people ORDER BY id",
        ),
        fails(
            "error-decode",
            "an error quotes a letter",
            "SELECT decode(ssn, 'hex') FROM people ORDER BY id",
        ),
        fails(
            "error-interval",
            "an error quotes what is no interval",
            "SELECT ssn::interval FROM people ORDER BY id",
        ),
        fails("error-overflow", "a number is too large", "SELECT pin * 2600 FROM people WHERE id = 1"),
        fails(
            "error-record",
            "an error quotes a document that fits no record",
            "SELECT jsonb_populate_record(NULL::teams, jsonb_build_object('id', ssn)) FROM \
             people ORDER BY id",
        ),
        fails(
            "error-function-context",
            "an error's context names a function's argument",
            "SELECT same(ssn)::int FROM people ORDER BY id",
        ),
        Attempt::script(
            "error-failing-row",
            "DETAIL holds the whole row",
            say!["UPDATE people SET name = NULL WHERE id = 1"],
        ),
        Attempt::script(
            "error-failing-row-of-insert",
            "DETAIL holds a row that a query made",
            say![
                "INSERT INTO tasks (id, title, due, weight) SELECT 900 + id, ssn, born, -1 FROM \
             people"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "error-duplicate-key",
            "DETAIL holds the key",
            say![
                "BEGIN",
                "UPDATE people SET pin = (SELECT pin FROM people WHERE id = 1) WHERE id = 2",
                "ROLLBACK"
            ],
        )
        .shapes(RowShaping::Allow),
        Attempt::script(
            "error-foreign-key",
            "DETAIL holds the key that is missing",
            say!["BEGIN", "UPDATE people SET team_id = pin WHERE id = 1", "ROLLBACK"],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "error-no-partition",
            "DETAIL holds the key that fits no partition",
            say!["BEGIN", "INSERT INTO readings (taken, meter) SELECT born, id FROM people", "ROLLBACK"],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "error-value-too-long",
            "an error where the value is long",
            say![
                "BEGIN",
                "CREATE TEMP TABLE t (x varchar(12))",
                "INSERT INTO t SELECT ssn FROM people",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "notice-of-a-function",
            "a notice says it",
            say!["SELECT tell(email) FROM people WHERE id = 1"],
        )
        .privileged(Privilege::VOLATILE_FUNCTIONS),
        Attempt::script(
            "notification-payload",
            "a notification carries it",
            say!["LISTEN loot", "SELECT pg_notify('loot', ssn) FROM people WHERE id = 1", "SELECT 1"],
        ),
        Attempt::script(
            "notification-channel",
            "a channel is called after it",
            say![
                "LISTEN loot",
                "SELECT pg_notify('loot', left(ssn, 4)), pg_notify(ssn, '') FROM people WHERE id = 1",
                "UNLISTEN *"
            ],
        ),
        Attempt::script(
            "notification-beside",
            "one session notifies, another listens",
            &[
                Step::Send(&[Query("LISTEN loot")]),
                Step::Beside(&[Query("SELECT pg_notify('loot', email) FROM people WHERE id = 1")]),
                Step::Send(&[Query("SELECT 1")]),
                Step::Send(&[Query("SELECT 2")]),
            ],
        ),
        Attempt::script(
            "parameter-status",
            "a reported setting carries it",
            say![
                "SELECT set_config('application_name', ssn, false) IS NULL FROM people WHERE id = 1",
                "SHOW application_name"
            ],
        ),
        Attempt::script(
            "custom-setting",
            "a setting of the client's own carries it",
            say!["SELECT set_config('loot.x', ssn, false) IS NULL FROM people WHERE id = 1", "SHOW loot.x"],
        ),
        Attempt::script(
            "setting-by-update",
            "the same by an update of a view",
            say![
                "UPDATE pg_settings SET setting = (SELECT ssn FROM people WHERE id = 1) WHERE \
             name = 'application_name'",
                "SELECT current_setting('application_name')"
            ],
        ),
        Attempt::script(
            "command-tag-count",
            "the tag tells how many rows there were",
            say!["BEGIN", "CREATE TEMP TABLE t AS SELECT id FROM people WHERE email > 'm'", "ROLLBACK"],
        )
        .shapes(RowShaping::Allow),
    ],
};

/// A query that fails for the column's values.
const fn fails(name: &'static str, why: &'static str, sql: &'static str) -> Attempt {
    Attempt::query(name, why, sql).shapes(RowShaping::Allow)
}
