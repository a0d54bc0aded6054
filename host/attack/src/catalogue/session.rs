//! Who runs a statement, how names resolve, what comes before a session, and messages that are no statements.

use super::store::UNLINK;
use crate::attempt::{Attempt, Facility, Group, Row, Step};
use crate::message::Frontend::{Bytes, FunctionCall, Query, Sync};
use grille_core::Privilege;

/// `query_to_xml(text, boolean, boolean, text)` (src/include/catalog/pg_proc.dat).
const QUERY_TO_XML: u32 = 2925;

/// `lo_get(oid)`.
const LO_GET: u32 = 3458;

pub(super) const IDENTITY: Group = Group {
    row: Row::Identity,
    attempts: &[
        Attempt::script(
            "set-role",
            "another role may see more",
            say!["SET ROLE pg_read_all_data", "SELECT ssn FROM people ORDER BY id"],
        )
        .needs(Facility::OtherRole),
        Attempt::script(
            "set-role-local",
            "the same within a transaction",
            say![
                "BEGIN",
                "SET LOCAL ROLE pg_read_all_data",
                "SELECT email FROM people ORDER BY id",
                "COMMIT"
            ],
        )
        .needs(Facility::OtherRole),
        Attempt::script(
            "role-by-set-config",
            "the same by a function",
            say![
                "SELECT set_config('role', 'pg_read_all_data', false)",
                "SELECT pin FROM people ORDER BY id"
            ],
        )
        .needs(Facility::OtherRole),
        Attempt::script(
            "session-authorization",
            "the session's own user",
            say!["SET SESSION AUTHORIZATION DEFAULT", "SELECT salary FROM people ORDER BY id"],
        ),
        Attempt::script(
            "search-path",
            "a name means another table",
            say!["SET search_path = vault, public", "SELECT title FROM teams ORDER BY id"],
        ),
        Attempt::script(
            "search-path-local",
            "the same within a transaction",
            say![
                "BEGIN",
                "SET LOCAL search_path = vault, public",
                "SELECT title, floor FROM teams ORDER BY id",
                "COMMIT"
            ],
        ),
        Attempt::script(
            "search-path-by-function",
            "the same by a function",
            say![
                "SELECT set_config('search_path', 'vault, public', false)",
                "SELECT title FROM teams ORDER BY id"
            ],
        ),
        Attempt::script(
            "search-path-in-one-message",
            "the same in one message",
            say!["SET search_path = vault, public; SELECT title FROM teams ORDER BY id"],
        ),
        Attempt::script(
            "search-path-rolled-back",
            "a rollback takes the path back",
            say![
                "SET search_path = vault, public",
                "BEGIN",
                "SET search_path = public",
                "ROLLBACK",
                "SELECT title FROM teams ORDER BY id"
            ],
        ),
        Attempt::script(
            "search-path-reset",
            "RESET brings another path back",
            say![
                "SET search_path = public",
                "SET search_path TO DEFAULT",
                "RESET ALL",
                "SELECT ssn FROM people ORDER BY id"
            ],
        ),
        Attempt::script(
            "search-path-at-start",
            "a path given while connecting",
            &[
                Step::Reopen(&[("search_path", "vault, public")]),
                Step::Send(&[Query("SELECT title FROM teams ORDER BY id")]),
            ],
        ),
        Attempt::script(
            "options-at-start",
            "a path given in options",
            &[
                Step::Reopen(&[("options", "-c search_path=vault,public")]),
                Step::Send(&[Query("SELECT title FROM teams ORDER BY id")]),
            ],
        ),
        Attempt::script(
            "path-of-the-role",
            "the role's own path holds for every later session",
            &[
                Step::Send(&[Query("ALTER ROLE CURRENT_USER SET search_path = vault, public")]),
                Step::Beside(&[Query("SELECT title FROM teams ORDER BY id")]),
                Step::Send(&[Query("ALTER ROLE CURRENT_USER RESET search_path")]),
            ],
        )
        .cleanup("ALTER ROLE CURRENT_USER RESET search_path"),
        Attempt::script(
            "path-to-temporary",
            "the temporary schema stands first",
            say![
                "CREATE TEMP VIEW teams AS SELECT id, ssn AS title FROM public.people",
                "SELECT title FROM teams ORDER BY id"
            ],
        ),
        Attempt::script(
            "path-behind-catalog",
            "the catalog's schema stands last",
            say!["SET search_path = vault, pg_catalog", "SELECT title FROM teams ORDER BY id"],
        ),
        Attempt::script(
            "row-security-off",
            "row security fails instead of filtering",
            say!["SET row_security = off", "SELECT ssn FROM people ORDER BY id"],
        ),
        Attempt::script(
            "own-operators-first",
            "a schema before the catalog's has other operators",
            say![
                "BEGIN",
                "CREATE FUNCTION vault.lower(text) RETURNS text LANGUAGE sql STABLE AS 'SELECT \
             ssn FROM public.people WHERE id = 1'",
                "SET LOCAL search_path = vault, pg_catalog, public",
                "SELECT lower('x')",
                "ROLLBACK",
            ],
        )
        .privileged(Privilege::VOLATILE_FUNCTIONS),
        Attempt::script(
            "plan-in-the-log",
            "the session is told what the server logs",
            say![
                "SET client_min_messages = 'debug5'",
                "SET debug_print_plan = on",
                "SELECT ssn FROM people ORDER BY id"
            ],
        )
        .privileged(Privilege::SETTINGS),
    ],
};

pub(super) const FUNCTION_CALL: Group = Group {
    row: Row::FunctionCall,
    attempts: &[
        Attempt::script(
            "function-call-message",
            "a message calls a function without any SQL",
            &[Step::Send(&[FunctionCall {
                function: QUERY_TO_XML,
                arguments: &["SELECT ssn FROM people", "t", "f", ""],
            }])],
        ),
        Attempt::script(
            "function-call-large-object",
            "a message reads the large object that a statement has filled",
            &[
                Step::Send(&[Query(
                    "SELECT lo_from_bytea(515155, convert_to(ssn, 'UTF8')) FROM people WHERE id = 1",
                )]),
                Step::Send(&[FunctionCall { function: LO_GET, arguments: &["515155"] }]),
            ],
        )
        .cleanup(UNLINK),
    ],
};

pub(super) const TRANSPORT: Group = Group {
    row: Row::Transport,
    attempts: &[
        Attempt::script(
            "replication-at-start",
            "a replication connection sends whole tables",
            &[
                Step::Reopen(&[("replication", "database")]),
                Step::Send(&[Query("SELECT ssn FROM people ORDER BY id")]),
            ],
        ),
        Attempt::script(
            "behind-terminate",
            "a statement behind the farewell",
            &[Step::Send(&[Bytes(b"X\x00\x00\x00\x04"), Query("SELECT ssn FROM people ORDER BY id")])],
        ),
        Attempt::script(
            "split-message",
            "a message comes in two pieces with another between the lines",
            &[Step::Send(&[
                Bytes(b"Q\x00\x00\x00\x27SELECT ssn FROM"),
                Bytes(b" people ORDER BY id\x00"),
                Sync,
            ])],
        ),
        Attempt::script(
            "startup-again",
            "a second startup packet within the session",
            &[Step::Send(&[
                Bytes(b"\x00\x00\x00\x08\x04\xd2\x16\x2f"),
                Query("SELECT ssn FROM people ORDER BY id"),
            ])],
        ),
        Attempt::script(
            "protocol-option-at-start",
            "an option of the protocol that nobody knows",
            &[
                Step::Reopen(&[("_pq_.loot", "1")]),
                Step::Send(&[Query("SELECT ssn FROM people ORDER BY id")]),
            ],
        ),
    ],
};
