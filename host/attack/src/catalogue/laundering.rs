//! Copies of protected values in places that nothing protects, and definitions that take the protection away.

use crate::attempt::{Attempt, Facility, Group, Row, Step};
use crate::message::Frontend::Query;
use grille_core::{Privilege, RowShaping};

pub(super) const LAUNDERING: Group = Group {
    row: Row::Laundering,
    attempts: &[
        copies(
            "create-table-as",
            "a copy under another name",
            say![
                "BEGIN",
                "CREATE TABLE loot AS SELECT id, ssn AS s FROM people",
                "SELECT s FROM loot ORDER BY id",
                "ROLLBACK"
            ],
        ),
        copies(
            "create-temp-table-as",
            "a copy that nobody else sees",
            say![
                "CREATE TEMP TABLE loot AS SELECT id, upper(ssn) AS s FROM people",
                "SELECT s FROM loot ORDER BY id"
            ],
        ),
        copies(
            "create-table-as-committed",
            "a copy that stays",
            say![
                "CREATE TABLE loot_kept AS SELECT id, ssn AS s FROM people",
                "SELECT s FROM loot_kept ORDER BY id"
            ],
        )
        .cleanup("DROP TABLE IF EXISTS loot_kept"),
        copies(
            "copied-beside",
            "one session copies, another reads",
            &[
                Step::Send(&[Query("CREATE TABLE loot_beside AS SELECT id, ssn AS s FROM people")]),
                Step::Beside(&[Query("SELECT s FROM loot_beside ORDER BY id")]),
            ],
        )
        .cleanup("DROP TABLE IF EXISTS loot_beside"),
        copies(
            "insert-select",
            "rows go to a table that nothing protects",
            say!["INSERT INTO sink SELECT id, ssn FROM people", "SELECT line FROM sink ORDER BY id"],
        )
        .cleanup("DELETE FROM sink"),
        copies(
            "insert-select-vault",
            "the same in another schema",
            say![
                "INSERT INTO vault.sink SELECT id, left(ssn, 5) FROM people",
                "SELECT line FROM vault.sink ORDER BY id"
            ],
        )
        .cleanup("DELETE FROM vault.sink"),
        copies(
            "insert-values-subquery",
            "a value by a subquery",
            say![
                "INSERT INTO sink VALUES (1, (SELECT ssn FROM people WHERE id = 1))",
                "SELECT line FROM sink"
            ],
        )
        .cleanup("DELETE FROM sink"),
        copies(
            "insert-into-child-table",
            "a table that inherits nothing",
            say![
                "BEGIN",
                "CREATE TABLE loot (LIKE people)",
                "INSERT INTO loot (id, name, level, active, joined, ssn) SELECT id, ssn, level, \
             active, joined, 'x' FROM people",
                "SELECT name FROM loot ORDER BY id",
                "ROLLBACK"
            ],
        ),
        Attempt::script(
            "create-view",
            "a view renames the column",
            say![
                "BEGIN",
                "CREATE VIEW lens AS SELECT id, ssn AS s FROM people",
                "SELECT s FROM lens ORDER BY id",
                "ROLLBACK"
            ],
        ),
        Attempt::script(
            "create-view-committed",
            "the same, for good",
            say![
                "CREATE VIEW lens_kept AS SELECT id, ssn AS s FROM people",
                "SELECT s FROM lens_kept ORDER BY id"
            ],
        )
        .cleanup("DROP VIEW IF EXISTS lens_kept"),
        Attempt::script(
            "create-temp-view",
            "a view that nobody else sees",
            say![
                "CREATE TEMP VIEW lens AS SELECT id, ssn AS s FROM people",
                "SELECT s FROM lens ORDER BY id"
            ],
        ),
        Attempt::script(
            "view-beside",
            "one session makes the view, another reads it",
            &[
                Step::Send(&[Query("CREATE VIEW lens_beside AS SELECT id, ssn AS s FROM people")]),
                Step::Beside(&[Query("SELECT s FROM lens_beside ORDER BY id")]),
            ],
        )
        .cleanup("DROP VIEW IF EXISTS lens_beside"),
        Attempt::script(
            "create-materialized-view",
            "a view with a copy",
            say![
                "BEGIN",
                "CREATE MATERIALIZED VIEW lens AS SELECT id, ssn AS s FROM people",
                "SELECT s FROM lens ORDER BY id",
                "ROLLBACK"
            ],
        ),
        Attempt::script(
            "replace-view",
            "a harmless view becomes another",
            say![
                "BEGIN",
                "CREATE OR REPLACE VIEW directory AS SELECT p.id, p.ssn AS name, t.title FROM \
             people p JOIN teams t ON t.id = p.team_id",
                "SELECT name FROM directory ORDER BY id",
                "ROLLBACK"
            ],
        ),
        Attempt::script(
            "rename-column",
            "no rule names the column any more",
            say![
                "BEGIN",
                "ALTER TABLE people RENAME ssn TO nickname",
                "SELECT nickname FROM people ORDER BY id",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "rename-table",
            "no rule names the table any more",
            say![
                "BEGIN",
                "ALTER TABLE people RENAME TO persons",
                "SELECT ssn FROM persons ORDER BY id",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "rename-table-committed",
            "the same, for good",
            say!["ALTER TABLE visits RENAME TO stays", "SELECT diagnosis FROM stays ORDER BY id"],
        )
        .cleanup("ALTER TABLE IF EXISTS stays RENAME TO visits")
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "move-table",
            "no rule names the schema",
            say![
                "BEGIN",
                "ALTER TABLE people SET SCHEMA vault",
                "SELECT ssn FROM vault.people ORDER BY id",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "swap-columns",
            "two columns change names",
            say![
                "BEGIN",
                "ALTER TABLE people RENAME name TO n; ALTER TABLE people RENAME ssn TO name; \
             ALTER TABLE people RENAME n TO ssn",
                "SELECT name FROM people ORDER BY id",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "rename-schema",
            "the schema has another name",
            say![
                "BEGIN",
                "ALTER SCHEMA public RENAME TO private",
                "SELECT ssn FROM private.people ORDER BY id",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "add-generated-column",
            "a new column holds the value",
            say![
                "BEGIN",
                "ALTER TABLE people ADD mirror text GENERATED ALWAYS AS (ssn || '') STORED",
                "SELECT mirror FROM people ORDER BY id",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "change-type",
            "a column's new value is computed from another",
            say![
                "BEGIN",
                "ALTER TABLE visits ALTER room TYPE text USING diagnosis",
                "SELECT room FROM visits ORDER BY id",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "no-inherit",
            "a child leaves its parent",
            say![
                "BEGIN",
                "ALTER TABLE contractors NO INHERIT people",
                "SELECT ssn FROM contractors ORDER BY id",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "detach-partition",
            "a partition leaves its table",
            say![
                "BEGIN",
                "ALTER TABLE readings DETACH PARTITION readings_2026",
                "SELECT secret FROM readings_2026 ORDER BY meter",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "new-parent",
            "a new parent shows its children's rows",
            say![
                "BEGIN",
                "CREATE TABLE ancestor (diagnosis text)",
                "ALTER TABLE visits INHERIT ancestor",
                "SELECT diagnosis FROM ancestor ORDER BY 1",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        copies(
            "shadowing",
            "a temporary table stands before the real one",
            say![
                "CREATE TEMP TABLE teams AS SELECT id, ssn AS title FROM people",
                "SELECT title FROM teams ORDER BY id"
            ],
        ),
        Attempt::script(
            "shadowing-other-way",
            "an empty table stands before the real one, and goes",
            say![
                "BEGIN",
                "CREATE TABLE vault.people (id int, ssn int)",
                "SET LOCAL search_path = vault, public",
                "SELECT ssn FROM people",
                "DROP TABLE vault.people",
                "SELECT ssn FROM people ORDER BY id",
                "ROLLBACK"
            ],
        ),
        Attempt::script(
            "sequence",
            "a sequence remembers a number",
            say![
                "BEGIN",
                "CREATE SEQUENCE counter",
                "SELECT setval('counter', pin) IS NULL FROM people WHERE id = 1",
                "SELECT last_value FROM counter",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "advisory-lock",
            "a lock is held on a number",
            say![
                "BEGIN",
                "SELECT pg_advisory_xact_lock(pin) FROM people WHERE id = 1",
                "SELECT objid FROM pg_locks WHERE locktype = 'advisory'",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::STATISTICS),
        Attempt::script(
            "statistics-of-an-index",
            "an index of an expression has statistics",
            say![
                "BEGIN",
                "CREATE INDEX loot ON people (upper(ssn))",
                "ANALYZE people",
                "SELECT histogram_bounds, most_common_vals FROM pg_stats WHERE tablename = 'loot'",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::STATISTICS),
        Attempt::script(
            "unique-index-of-the-clients",
            "a unique index fails with the value",
            say![
                "BEGIN",
                "INSERT INTO sink SELECT 1, left(ssn, 1) FROM people",
                "CREATE UNIQUE INDEX ON sink (line)",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "check-of-the-clients",
            "a new constraint fails for some values",
            say!["BEGIN", "ALTER TABLE visits ADD CHECK (diagnosis > 'hky')", "ROLLBACK"],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "foreign-key-of-the-clients",
            "a new foreign key compares",
            say![
                "BEGIN",
                "INSERT INTO sink (id, line) VALUES ({pin}, 'x')",
                "ALTER TABLE sink ADD FOREIGN KEY (id) REFERENCES people (pin)",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "row-security-of-the-clients",
            "a policy decides by the value",
            say![
                "BEGIN",
                "ALTER TABLE visits ENABLE ROW LEVEL SECURITY",
                "ALTER TABLE visits FORCE ROW LEVEL SECURITY",
                "CREATE POLICY p ON visits USING (diagnosis < 'm')",
                "SELECT id FROM visits ORDER BY id",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED),
        Attempt::script(
            "type-by-partition",
            "the partition that a row falls into tells",
            say![
                "BEGIN",
                "CREATE TABLE bins (k text) PARTITION BY RANGE (k)",
                "CREATE TABLE bins_low PARTITION OF bins FOR VALUES FROM (MINVALUE) TO ('m')",
                "CREATE TABLE bins_high PARTITION OF bins FOR VALUES FROM ('m') TO (MAXVALUE)",
                "INSERT INTO bins SELECT ssn FROM people",
                "SELECT count(*) FROM bins_low",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::COPY_PROTECTED)
        .needs(Facility::Tables),
        Attempt::script(
            "create-table-as-count",
            "what was copied is told by the count of rows",
            say![
                "BEGIN",
                "CREATE TEMP TABLE t AS SELECT id FROM people WHERE ssn < 'm'",
                "SELECT count(*) FROM t",
                "ROLLBACK"
            ],
        )
        .shapes(RowShaping::Allow),
    ],
};

/// A copy that an operator may allow.
const fn copies(name: &'static str, why: &'static str, steps: &'static [Step]) -> Attempt {
    Attempt::script(name, why, steps).privileged(Privilege::COPY_PROTECTED)
}
