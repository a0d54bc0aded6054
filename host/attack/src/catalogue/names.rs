//! Other names for a protected column: labels, aliases, children, partitions, generated columns, views.

use crate::attempt::{Attempt, Group, Row};

pub(super) const ALIAS: Group = Group {
    row: Row::Alias,
    attempts: &[
        Attempt::query(
            "label",
            "the label hides the column's name",
            "SELECT ssn AS name FROM people ORDER BY id",
        ),
        Attempt::query(
            "column-aliases",
            "the table's alias renames its columns by their places",
            "SELECT x.g FROM people AS x(a, b, c, d, e, f, g) ORDER BY x.a",
        ),
        Attempt::query(
            "join-alias",
            "an alias of a join renames its columns",
            "SELECT j.g FROM (people p JOIN teams t ON p.team_id = t.id) AS j(a, b, c, d, e, \
             f, g) ORDER BY j.a",
        ),
        Attempt::query(
            "swapped-names",
            "a subselect swaps the names",
            "SELECT x.name FROM (SELECT id, ssn AS name, name AS ssn FROM people) x ORDER BY x.id",
        ),
        Attempt::query(
            "table-named-like-the-column",
            "an alias has the column's name",
            "SELECT ssn.name FROM (SELECT id, ssn AS name FROM people) ssn ORDER BY ssn.id",
        ),
        Attempt::query("star", "no column is named at all", "SELECT * FROM people ORDER BY id"),
        Attempt::query("table-command", "not even a star", "TABLE people"),
        Attempt::query(
            "qualified-star",
            "a star among other columns",
            "SELECT t.title, p.* FROM people p JOIN teams t ON t.id = p.team_id ORDER BY p.id",
        ),
        Attempt::query(
            "natural-join",
            "columns are merged without being named",
            "SELECT ssn FROM people NATURAL JOIN (SELECT id FROM visits) v ORDER BY id",
        ),
        Attempt::query(
            "child-table",
            "a child table holds what its parent holds",
            "SELECT ssn, salary FROM contractors ORDER BY id",
        ),
        Attempt::query(
            "partition",
            "a partition holds what its table holds",
            "SELECT secret FROM readings_2026 ORDER BY taken",
        ),
        Attempt::query(
            "generated-column",
            "a generated column holds a part of another",
            "SELECT ssn_tail FROM people ORDER BY id",
        ),
        Attempt::query("view", "a view gives the column another name", "SELECT code FROM roster ORDER BY id"),
        Attempt::query("view-computed", "a view computes from it", "SELECT contact FROM roster ORDER BY id"),
        Attempt::query(
            "view-of-view",
            "a view reads a view",
            "SELECT inner_code FROM roster_of_rosters ORDER BY id",
        ),
        Attempt::query("view-star", "a view's columns are all taken", "SELECT * FROM roster ORDER BY id"),
        Attempt::query(
            "materialized-view",
            "a materialised view has its own copy",
            "SELECT ssn, salary FROM people_archive ORDER BY id",
        ),
        Attempt::query(
            "function-notation",
            "a column can be written as a function of its row",
            "SELECT ssn(people), email(people) FROM people ORDER BY id",
        ),
    ],
};
