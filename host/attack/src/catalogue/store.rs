//! Other places that hold the values, or reach them: large objects, other servers, files, statistics.

use crate::attempt::{Attempt, Facility, Group, Row, Step};
use crate::message::Frontend::Query;
use grille_core::Privilege;

/// Takes away every large object of the role's, whatever made it.
pub(super) const UNLINK: &str = "SELECT lo_unlink(oid) FROM pg_largeobject_metadata WHERE lomowner = \
             current_user::regrole";

/// Takes away the files that attempts wrote beside the server's data.
const REMOVE_FILES: &str =
    "COPY (SELECT 1 WHERE false) TO PROGRAM 'rm -f grille_attack.txt grille_attack.lo'";

/// Both.
const UNLINK_AND_REMOVE_FILES: &str = "SELECT lo_unlink(oid) FROM pg_largeobject_metadata WHERE lomowner = \
             current_user::regrole; COPY (SELECT 1 WHERE false) TO PROGRAM 'rm -f \
             grille_attack.txt grille_attack.lo'";

pub(super) const OTHER_STORE: Group = Group {
    row: Row::OtherStore,
    attempts: &[
        Attempt::script(
            "large-object",
            "a large object is filled and read",
            say![
                "SELECT lo_from_bytea(515151, convert_to(ssn, 'UTF8')) FROM people WHERE id = 1",
                "SELECT lo_get(515151)"
            ],
        )
        .cleanup(UNLINK)
        .privileged(Privilege::LARGE_OBJECTS),
        Attempt::script(
            "large-object-descriptor",
            "the same by a descriptor",
            say![
                "BEGIN",
                "SELECT lo_create(515152)",
                "SELECT lowrite(lo_open(515152, 131072), convert_to(ssn, 'UTF8')) FROM people \
             WHERE id = 1",
                "SELECT loread(lo_open(515152, 262144), 100)",
                "ROLLBACK"
            ],
        )
        .privileged(Privilege::LARGE_OBJECTS),
        Attempt::script(
            "large-object-table",
            "the catalogue holds what large objects hold",
            say![
                "SELECT lo_from_bytea(515153, convert_to(email, 'UTF8')) FROM people WHERE id = 1",
                "SELECT data FROM pg_largeobject WHERE loid = 515153"
            ],
        )
        .needs(Facility::LargeObjects)
        .cleanup(UNLINK)
        .privileged(Privilege::LARGE_OBJECTS),
        Attempt::script(
            "large-object-exists",
            "the object's number is the value",
            say![
                "SELECT lo_create(pin::oid) IS NULL FROM people WHERE id = 1",
                "SELECT oid FROM pg_largeobject_metadata WHERE oid BETWEEN 100000 AND 999999"
            ],
        )
        .cleanup(UNLINK)
        .privileged(Privilege::LARGE_OBJECTS),
        Attempt::query(
            "dblink",
            "another connection has other rules",
            "SELECT x FROM dblink('itself', 'SELECT ssn FROM people ORDER BY id') AS t(x text)",
        )
        .needs(Facility::Dblink)
        .privileged(Privilege::FOREIGN_DATA),
        Attempt::script(
            "dblink-session",
            "a connection that stays",
            say![
                "SELECT dblink_connect('c', 'itself')",
                "SELECT x FROM dblink('c', 'SELECT email FROM people ORDER BY id') AS t(x text)",
                "SELECT dblink_disconnect('c')"
            ],
        )
        .needs(Facility::Dblink)
        .privileged(Privilege::FOREIGN_DATA),
        Attempt::query(
            "foreign-table",
            "a foreign table is the table",
            "SELECT ssn FROM people_remote ORDER BY id",
        )
        .needs(Facility::ForeignTables)
        .privileged(Privilege::FOREIGN_DATA),
        Attempt::query(
            "foreign-table-where",
            "a foreign table answers guesses",
            "SELECT count(*) FROM people_remote WHERE ssn < 'm'",
        )
        .needs(Facility::ForeignTables)
        .privileged(Privilege::FOREIGN_DATA),
        Attempt::script(
            "foreign-table-of-the-clients",
            "the client defines the foreign table",
            say![
                "BEGIN",
                "CREATE FOREIGN TABLE loot (id int, email text) SERVER mirror OPTIONS \
             (schema_name 'public', table_name 'people')",
                "SELECT email FROM loot ORDER BY id",
                "ROLLBACK"
            ],
        )
        .needs(Facility::ForeignTables)
        .privileged(Privilege::FOREIGN_DATA),
        Attempt::script(
            "import-foreign-schema",
            "all tables at once",
            say![
                "BEGIN",
                "IMPORT FOREIGN SCHEMA public LIMIT TO (visits) FROM SERVER mirror INTO vault",
                "SELECT diagnosis FROM vault.visits ORDER BY id",
                "ROLLBACK"
            ],
        )
        .needs(Facility::ForeignTables)
        .privileged(Privilege::FOREIGN_DATA),
        Attempt::query(
            "table-file",
            "the table's file holds its rows",
            "SELECT pg_read_binary_file(pg_relation_filepath('people'))",
        )
        .needs(Facility::ServerFiles)
        .privileged(Privilege::SERVER_FILES),
        Attempt::script(
            "copy-to-file",
            "a file is written and read",
            say![
                "COPY (SELECT ssn FROM people WHERE id = 1) TO PROGRAM 'cat > grille_attack.txt'",
                "SELECT pg_read_file('grille_attack.txt')"
            ],
        )
        .needs(Facility::Programs)
        .cleanup(REMOVE_FILES)
        .privileged(Privilege::SERVER_FILES),
        Attempt::script(
            "copy-through-program",
            "a program gives back what it was given",
            say![
                "BEGIN",
                "COPY (SELECT id, ssn FROM people) TO PROGRAM 'cat > grille_attack.txt'",
                "COPY sink FROM PROGRAM 'cat grille_attack.txt'",
                "SELECT line FROM sink ORDER BY id",
                "ROLLBACK"
            ],
        )
        .needs(Facility::Programs)
        .cleanup(REMOVE_FILES)
        .privileged(Privilege::SERVER_FILES),
        Attempt::script(
            "export-large-object",
            "a large object is written to a file",
            say![
                "SELECT lo_from_bytea(515154, convert_to(ssn, 'UTF8')) FROM people WHERE id = 1",
                "SELECT lo_export(515154, 'grille_attack.lo')",
                "SELECT pg_read_file('grille_attack.lo')"
            ],
        )
        .needs(Facility::Programs)
        .cleanup(UNLINK_AND_REMOVE_FILES)
        .privileged(Privilege::LARGE_OBJECTS.union(Privilege::SERVER_FILES)),
        Attempt::query(
            "statistics",
            "statistics quote common values",
            "SELECT attname, most_common_vals, histogram_bounds FROM pg_stats WHERE tablename \
             = 'people' ORDER BY attname",
        )
        .needs(Facility::Statistics)
        .privileged(Privilege::STATISTICS),
        Attempt::query(
            "statistics-counts",
            "statistics count distinct values",
            "SELECT n_distinct, null_frac, avg_width, correlation FROM pg_stats WHERE \
             tablename = 'people' AND attname = 'ssn'",
        )
        .needs(Facility::Statistics)
        .privileged(Privilege::STATISTICS),
        Attempt::script(
            "extended-statistics",
            "statistics of several columns quote values too",
            say![
                "BEGIN",
                "CREATE STATISTICS loot (mcv) ON level, feeling FROM people",
                "ANALYZE people",
                "SELECT most_common_vals FROM pg_stats_ext WHERE statistics_name = 'loot'",
                "ROLLBACK"
            ],
        )
        .needs(Facility::Statistics)
        .privileged(Privilege::STATISTICS),
        Attempt::script(
            "statements-of-others",
            "what another session runs is shown, literals and all",
            &[
                Step::Beside(&[Query("SELECT '{known}'")]),
                Step::Send(&[Query(
                    "SELECT query LIKE '%' || (SELECT ssn FROM people WHERE id = 1) || '%' FROM \
             pg_stat_activity WHERE query LIKE 'SELECT ''%' AND datname = current_database() \
             AND pid <> pg_backend_pid()",
                )]),
            ],
        )
        .needs(Facility::Statistics)
        .privileged(Privilege::STATISTICS),
    ],
};
