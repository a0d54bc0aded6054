//! A table that is partitioned by a protected column.

use super::check_all;

const BOUNDS: &str = "the bounds of a partition: parted.secret";
const ORDER: &str = "the order of partitions: parted.secret";

fn check(sql: &str, outputs: &str, uses: &[&str]) {
    let expected = [&[outputs][..], uses].concat().join(" | ");
    check_all(&[(sql, &expected)]);
}

#[test]
fn where_a_row_lies_tells_of_the_key() {
    for (sql, outputs) in [
        ("SELECT id FROM parted_a", "id"),
        ("SELECT count(*) FROM parted_a", "count"),
        ("COPY parted_a TO STDOUT", "id, secret=parted_a.secret"),
        ("WITH q AS (SELECT id FROM parted_a) SELECT id FROM q", "id"),
        ("UPDATE parted_a SET id = 2 WHERE id = 1", "-"),
        ("DELETE FROM parted_a WHERE id = 1 RETURNING id", "id"),
        ("MERGE INTO parted_a p USING log l ON p.id = l.id WHEN MATCHED THEN DO NOTHING", "-"),
    ] {
        check(sql, outputs, &[BOUNDS]);
    }
    check("SELECT tableoid, id FROM parted", "tableoid~parted.secret, id", &[ORDER]);
    check("INSERT INTO parted (id, secret) VALUES (1, $1) RETURNING tableoid", "tableoid~parted.secret", &[]);
    check("SELECT id FROM parted WHERE tableoid = 5", "id", &["WHERE: parted.secret", ORDER]);
}

#[test]
fn rows_come_partition_by_partition() {
    check("SELECT id FROM parted", "id", &[ORDER]);
    check("SELECT id FROM parted ORDER BY id", "id", &[ORDER]);
    check("COPY parted TO STDOUT", "id, secret=parted.secret", &[ORDER]);
    check("UPDATE parted SET id = 2 RETURNING id", "id", &[ORDER]);
    check("SELECT id FROM v_parted", "id", &["partitions under a view: parted.secret"]);
}

#[test]
fn writing_tells_nothing_unless_it_reads() {
    for sql in [
        "INSERT INTO parted (id, secret) VALUES (1, $1)",
        "INSERT INTO parted_a (id, secret) VALUES (1, $1)",
        "UPDATE parted SET id = 2 WHERE id = 1",
        "DELETE FROM parted WHERE id = 1",
        "COPY parted FROM STDIN",
        "TRUNCATE parted_a",
    ] {
        check(sql, "-", &[]);
    }
    check("SELECT tableoid, id FROM checked", "tableoid, id", &[]);
}

#[test]
fn what_is_in_a_column_fits_there() {
    for sql in [
        "INSERT INTO checked (id, ssn) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET ssn = excluded.ssn",
        "UPDATE checked SET ssn = other.ssn FROM checked other WHERE other.id = checked.id + 1",
    ] {
        check(sql, "-", &[]);
    }
}

#[test]
fn some_values_fit_nowhere() {
    for (into, column) in [("parted", "secret"), ("parted_a", "secret"), ("checked", "ssn")] {
        let sql = format!("INSERT INTO {into} (id, {column}) SELECT id, ssn FROM users");
        check(&sql, "-", &[format!("fails {into}.{column}: users.ssn").as_str()]);
    }
}
