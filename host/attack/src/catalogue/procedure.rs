//! Code of the database's own and the client's: DO, CALL, functions, triggers, statements made from text.

use crate::attempt::{Attempt, Facility, Group, Row};
use grille_core::Privilege;

pub(super) const PROCEDURE: Group = Group {
    row: Row::Procedure,
    attempts: &[
        Attempt::statement(
            "do-notice",
            "a block says what it reads",
            "DO $$ BEGIN RAISE NOTICE '%', (SELECT string_agg(ssn, ' ' ORDER BY id) FROM \
             people); END $$",
        )
        .privileged(Privilege::PROCEDURES),
        Attempt::statement(
            "do-error",
            "a block fails with what it reads",
            "DO $$ BEGIN RAISE EXCEPTION '%', (SELECT ssn FROM people WHERE id = 1) USING \
             HINT = (SELECT email FROM people WHERE id = 1); END $$",
        )
        .privileged(Privilege::PROCEDURES),
        Attempt::statement(
            "do-text",
            "a statement is made from pieces of text",
            "DO $$ DECLARE v text; BEGIN EXECUTE 'SELECT s' || 'sn FROM peo' || 'ple WHERE id \
             = 1' INTO v; RAISE NOTICE '%', v; END $$",
        )
        .privileged(Privilege::PROCEDURES),
        Attempt::script(
            "do-copy",
            "a block copies",
            say![
                "BEGIN",
                "DO $$ BEGIN INSERT INTO sink SELECT id, ssn FROM people; END $$",
                "SELECT line FROM sink ORDER BY id",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::PROCEDURES),
        Attempt::statement("call-notice", "a procedure says what it reads", "CALL tell_all()")
            .privileged(Privilege::PROCEDURES),
        Attempt::statement("call-output", "a procedure gives it back", "CALL find_one('')")
            .privileged(Privilege::PROCEDURES),
        Attempt::query("function-in-from", "a function is a table", "SELECT * FROM every_ssn()")
            .privileged(Privilege::VOLATILE_FUNCTIONS),
        Attempt::query(
            "function-of-text",
            "a function runs a text",
            "SELECT run_text('SELECT ssn FROM people ORDER BY id')",
        )
        .privileged(Privilege::VOLATILE_FUNCTIONS),
        Attempt::query("function-constant", "a function of no column", "SELECT ssn_of(1), * FROM ssn_of(2)")
            .privileged(Privilege::VOLATILE_FUNCTIONS),
        Attempt::query(
            "function-notice",
            "a function says what it is given",
            "SELECT tell(ssn) FROM people ORDER BY id",
        )
        .privileged(Privilege::VOLATILE_FUNCTIONS),
        Attempt::query(
            "function-in-where",
            "a function decides",
            "SELECT id FROM teams WHERE ssn_of(id) < 'm' ORDER BY id",
        )
        .privileged(Privilege::VOLATILE_FUNCTIONS),
        Attempt::script(
            "trigger-fills",
            "a trigger fills a column that nothing protects",
            say!["INSERT INTO tickets VALUES (1, 'x') RETURNING comment"],
        )
        .cleanup("DELETE FROM tickets"),
        Attempt::script(
            "trigger-fills-then-read",
            "the same, read later",
            say!["INSERT INTO tickets VALUES (2, 'x')", "SELECT comment FROM tickets"],
        )
        .cleanup("DELETE FROM tickets"),
        Attempt::script(
            "trigger-notice",
            "a trigger says what it reads",
            say!["INSERT INTO alarms VALUES (1, 'x')"],
        )
        .cleanup("DELETE FROM alarms"),
        Attempt::script(
            "function-of-the-clients",
            "the client brings the function",
            say![
                "BEGIN",
                "CREATE FUNCTION mine(int) RETURNS text LANGUAGE sql STABLE AS 'SELECT ssn FROM \
             people WHERE id = $1'",
                "SELECT mine(1)",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::VOLATILE_FUNCTIONS),
        Attempt::script(
            "function-posing-as-immutable",
            "the client's function claims to read nothing",
            say![
                "CREATE FUNCTION pg_temp.mine(int) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT \
             ssn FROM public.people WHERE id = $1'",
                "SELECT pg_temp.mine(1)"
            ],
        )
        .privileged(Privilege::VOLATILE_FUNCTIONS),
        Attempt::script(
            "function-replaced",
            "a function that is vouched for becomes another one",
            say![
                "BEGIN",
                "CREATE OR REPLACE FUNCTION same(given text) RETURNS text LANGUAGE sql IMMUTABLE \
             AS 'SELECT ssn FROM people WHERE id = 1'",
                "SELECT same('x')",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::VOLATILE_FUNCTIONS),
        Attempt::script(
            "procedure-of-the-clients",
            "the client brings the procedure",
            say![
                "BEGIN",
                "CREATE PROCEDURE mine() LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', (SELECT \
             ssn FROM people WHERE id = 1); END $$",
                "CALL mine()",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::PROCEDURES),
        Attempt::script(
            "trigger-of-the-clients",
            "the client brings the trigger",
            say![
                "BEGIN",
                "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.title := \
             (SELECT ssn FROM people WHERE id = 1); RETURN NEW; END $$",
                "CREATE TRIGGER mine BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION mine()",
                "INSERT INTO tasks (id, title) VALUES (900, 'x') RETURNING title",
                "ROLLBACK",
            ],
        ),
        Attempt::script(
            "default-of-the-clients",
            "a default calls a function",
            say![
                "BEGIN",
                "ALTER TABLE sink ALTER line SET DEFAULT ssn_of(1)",
                "INSERT INTO sink (id) VALUES (1) RETURNING line",
                "ROLLBACK"
            ],
        ),
        Attempt::script(
            "rule-of-the-clients",
            "a rule runs another statement",
            say![
                "BEGIN",
                "CREATE RULE mine AS ON INSERT TO tasks DO ALSO INSERT INTO sink SELECT id, ssn \
             FROM people",
                "INSERT INTO tasks (id, title) VALUES (901, 'x')",
                "SELECT line FROM sink ORDER BY id",
                "ROLLBACK"
            ],
        ),
        Attempt::script(
            "aggregate-of-the-clients",
            "the client brings the aggregate",
            say![
                "BEGIN",
                "CREATE AGGREGATE mine(text) (SFUNC = textcat, STYPE = text, INITCOND = '')",
                "SELECT mine(ssn ORDER BY id) FROM people",
                "ROLLBACK"
            ],
        ),
        Attempt::script(
            "cast-of-the-clients",
            "the client brings the cast",
            say![
                "BEGIN",
                "CREATE CAST (payment AS text) WITH INOUT AS IMPLICIT",
                "SELECT upper(card) FROM people ORDER BY id",
                "ROLLBACK"
            ],
        ),
        Attempt::query(
            "query-to-xml",
            "a built-in function runs a text",
            "SELECT query_to_xml('SELECT ssn FROM people ORDER BY id', true, false, '')",
        ),
        Attempt::query(
            "table-to-xml",
            "a built-in function reads a table",
            "SELECT table_to_xml('people', true, false, '')",
        ),
        Attempt::query(
            "schema-to-xml",
            "a built-in function reads all tables",
            "SELECT schema_to_xml('vault', true, false, '')",
        ),
        Attempt::query(
            "text-search-statistics",
            "a built-in function runs a text for its words",
            "SELECT word FROM ts_stat('SELECT to_tsvector(''simple'', ssn) FROM people') \
             ORDER BY word",
        ),
        Attempt::query(
            "text-search-rewrite",
            "a built-in function runs a text for its rules",
            "SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, \
             plainto_tsquery(''simple'', ssn) FROM people WHERE id = 1')",
        ),
        Attempt::script(
            "cursor-to-xml",
            "a built-in function reads a cursor",
            say![
                "BEGIN",
                "DECLARE c CURSOR FOR SELECT ssn FROM people ORDER BY id",
                "SELECT cursor_to_xml('c', 10, true, false, '')",
                "COMMIT"
            ],
        ),
        Attempt::query(
            "xpath-of-query",
            "the same, taken apart",
            "SELECT (xpath('//ssn/text()', query_to_xml('TABLE people', true, false, '')))[1]",
        )
        .needs(Facility::Tables),
    ],
};
