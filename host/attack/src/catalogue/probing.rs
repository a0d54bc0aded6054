//! Guesses that show in which rows come back, how many, in which order, or in whether the statement fails.

use crate::attempt::{Attempt, Group, Row, Step};
use crate::message::Frontend::{Bind, Execute, Parse, Sync};
use grille_core::RowShaping::{Allow, Equality};
use grille_wire::postgres::Format;

pub(super) const PROBING: Group = Group {
    row: Row::Probing,
    attempts: &[
        Attempt::query(
            "where-like",
            "a prefix, letter by letter",
            "SELECT id FROM people WHERE ssn LIKE 'g%' OR ssn LIKE 'h%' OR ssn LIKE 'j%' \
             ORDER BY id",
        )
        .shapes(Allow),
        Attempt::query(
            "where-pattern",
            "a pattern",
            "SELECT id FROM people WHERE ssn ~ '^[g-m]' ORDER BY id",
        )
        .shapes(Allow),
        Attempt::query(
            "where-similar",
            "another pattern language",
            "SELECT id FROM people WHERE ssn SIMILAR TO '[g-m]%' ORDER BY id",
        )
        .shapes(Allow),
        Attempt::query("where-equal", "one guess at a time", "SELECT name FROM people WHERE ssn = '{known}'")
            .shapes(Equality),
        Attempt::query(
            "where-equal-turned",
            "the guess stands first",
            "SELECT name FROM people WHERE '{known}' = ssn",
        )
        .shapes(Equality),
        Attempt::query(
            "where-in",
            "many guesses at a time",
            "SELECT name FROM people WHERE ssn IN ('{known}', 'x')",
        )
        .shapes(Equality),
        Attempt::query(
            "where-not-equal",
            "all but one",
            "SELECT id FROM people WHERE ssn <> '{known}' ORDER BY id",
        )
        .shapes(Allow),
        Attempt::query(
            "where-not-in-subquery",
            "a set difference",
            "SELECT id FROM teams WHERE 'x' NOT IN (SELECT ssn FROM people WHERE ssn < 'm') \
             ORDER BY id LIMIT (SELECT count(*) FROM people WHERE ssn < 'm')",
        )
        .shapes(Allow),
        Attempt::query("where-less", "halving", "SELECT id FROM people WHERE ssn < 'm' ORDER BY id")
            .shapes(Allow),
        Attempt::query(
            "where-between",
            "halving a number",
            "SELECT id FROM people WHERE salary BETWEEN 20000 AND 55000 ORDER BY id",
        )
        .shapes(Allow),
        Attempt::query(
            "where-length",
            "a function of it",
            "SELECT id FROM people WHERE length(ssn) > 11 ORDER BY id",
        )
        .shapes(Allow),
        Attempt::query(
            "where-exists",
            "a subquery decides",
            "SELECT title FROM teams WHERE EXISTS (SELECT 1 FROM people WHERE ssn = \
             '{known}') ORDER BY id",
        )
        .shapes(Equality),
        Attempt::query(
            "where-correlated",
            "a correlated subquery decides",
            "SELECT t.title FROM teams t WHERE (SELECT p.ssn FROM people p WHERE p.id = t.id) \
             < 'm' ORDER BY t.id",
        )
        .shapes(Allow),
        Attempt::query(
            "where-row-text",
            "the whole row decides",
            "SELECT id FROM people p WHERE p::text LIKE '%{known}%' ORDER BY id",
        )
        .shapes(Allow),
        Attempt::query(
            "where-json-of-row",
            "a member of the row's document decides",
            "SELECT id FROM people p WHERE to_jsonb(p)->>'ssn' < 'm' ORDER BY id",
        )
        .shapes(Allow),
        Attempt::query(
            "where-alias",
            "the column behind an alias decides",
            "SELECT a FROM (SELECT id AS a, ssn AS b FROM people) x WHERE b < 'm' ORDER BY a",
        )
        .shapes(Allow),
        Attempt::query(
            "where-view",
            "a view's column decides",
            "SELECT id FROM roster WHERE code < 'm' ORDER BY id",
        )
        .shapes(Allow),
        Attempt::query(
            "where-materialized-view",
            "a copy decides",
            "SELECT id FROM people_archive WHERE ssn < 'm' ORDER BY id",
        )
        .shapes(Allow),
        Attempt::query(
            "where-generated",
            "a generated column decides",
            "SELECT id FROM people WHERE ssn_tail < 'm' ORDER BY id",
        )
        .shapes(Allow),
        Attempt::query(
            "where-child",
            "a child's column decides",
            "SELECT id FROM contractors WHERE pin > 300000 ORDER BY id",
        )
        .shapes(Allow),
        Attempt::query(
            "where-partition",
            "a partition's column decides",
            "SELECT meter FROM readings_2026 WHERE secret < 'm' ORDER BY meter",
        )
        .shapes(Allow),
        Attempt::query(
            "where-json",
            "a document's member decides",
            "SELECT id FROM people WHERE notes->>'note' < 'm' ORDER BY id",
        )
        .shapes(Allow),
        Attempt::query(
            "where-array",
            "an array's element decides",
            "SELECT id FROM people WHERE tags[1] < 'm' ORDER BY id",
        )
        .shapes(Allow),
        Attempt::query(
            "where-composite",
            "a composite's field decides",
            "SELECT id FROM people WHERE (card).number < 'm' ORDER BY id",
        )
        .shapes(Allow),
        Attempt::query(
            "where-enum",
            "an enum decides",
            "SELECT id FROM people WHERE feeling = 'calm' ORDER BY id",
        )
        .shapes(Equality),
        Attempt::query(
            "join-on",
            "a join compares",
            "SELECT p.id, g.guess FROM people p JOIN (VALUES ('{known}'), ('x')) g(guess) ON \
             p.ssn = g.guess ORDER BY p.id",
        )
        .shapes(Allow),
        Attempt::query(
            "join-using",
            "a join compares without naming",
            "SELECT p.id FROM people p JOIN (SELECT '{known}'::text AS ssn) g USING (ssn) \
             ORDER BY p.id",
        )
        .shapes(Allow),
        Attempt::query(
            "join-natural",
            "a join compares what has one name",
            "SELECT people.id FROM people NATURAL JOIN (SELECT '{known}'::text AS ssn) g \
             ORDER BY people.id",
        )
        .shapes(Allow),
        Attempt::query(
            "self-join",
            "who shares a value with whom",
            "SELECT a.id, b.id FROM people a JOIN people b ON a.ssn = b.ssn AND a.id < b.id \
             ORDER BY 1, 2",
        )
        .shapes(Allow),
        Attempt::query(
            "outer-join",
            "NULLs beside what does not match",
            "SELECT g.n, p.id FROM (VALUES (1, '{known}'), (2, 'x')) g(n, guess) LEFT JOIN \
             people p ON p.ssn = g.guess ORDER BY g.n",
        )
        .shapes(Allow),
        Attempt::query(
            "group-by",
            "how many groups, and how large",
            "SELECT count(*) FROM people GROUP BY ssn ORDER BY 1",
        )
        .shapes(Allow),
        Attempt::query(
            "group-by-position",
            "groups by an output's place",
            "SELECT left(ssn, 1), count(*) FROM people GROUP BY 1 ORDER BY 2",
        )
        .shapes(Allow),
        Attempt::query(
            "aggregate-order",
            "an aggregate's order is the data",
            "SELECT array_agg(id ORDER BY ssn) FROM people",
        ),
        Attempt::query(
            "aggregate-distinct",
            "an aggregate's duplicates vanish",
            "SELECT count(DISTINCT left(ssn, 1)), array_length(array_agg(DISTINCT left(email, \
             1)), 1) FROM people",
        ),
        Attempt::query(
            "window-named",
            "the order stands in the window's definition",
            "SELECT id, first_value(id) OVER w FROM people WINDOW w AS (ORDER BY ssn) ORDER BY id",
        )
        .shapes(Allow),
        Attempt::query(
            "group-by-expression",
            "groups by a letter",
            "SELECT count(*) FROM people GROUP BY left(ssn, 1) ORDER BY 1",
        )
        .shapes(Allow),
        Attempt::query(
            "grouping-sets",
            "groups in many ways",
            "SELECT count(*) FROM people GROUP BY GROUPING SETS ((ssn), ()) ORDER BY 1",
        )
        .shapes(Allow),
        Attempt::query(
            "having",
            "groups that satisfy a guess",
            "SELECT team_id FROM people GROUP BY team_id HAVING min(ssn) < 'j' ORDER BY team_id",
        )
        .shapes(Allow),
        Attempt::query("order-by", "the order is the data", "SELECT id FROM people ORDER BY ssn")
            .shapes(Allow),
        Attempt::query(
            "order-by-position",
            "the order by a masked output",
            "SELECT id, ssn FROM people ORDER BY 2",
        )
        .shapes(Allow),
        Attempt::query(
            "order-by-label",
            "the order by an output's label",
            "SELECT id, length(ssn) AS n FROM people ORDER BY n, id",
        )
        .shapes(Allow),
        Attempt::query(
            "order-by-case",
            "the order by a condition",
            "SELECT id FROM people ORDER BY CASE WHEN ssn < 'm' THEN 0 ELSE 1 END, id",
        )
        .shapes(Allow),
        Attempt::query(
            "order-by-subquery",
            "the order by a subquery",
            "SELECT id FROM teams t ORDER BY (SELECT ssn FROM people p WHERE p.id = t.id)",
        )
        .shapes(Allow),
        Attempt::query(
            "limit-by-order",
            "the first by a hidden order",
            "SELECT name FROM people ORDER BY salary DESC LIMIT 1",
        )
        .shapes(Allow),
        Attempt::query(
            "with-ties",
            "how many share the first place",
            "SELECT count(*) FROM (SELECT id FROM people ORDER BY left(ssn, 1) FETCH FIRST 3 \
             ROWS WITH TIES) x",
        )
        .shapes(Allow),
        Attempt::query("distinct", "how many differ", "SELECT DISTINCT left(ssn, 1) FROM people")
            .shapes(Allow),
        Attempt::query(
            "distinct-on",
            "one of each",
            "SELECT DISTINCT ON (left(ssn, 1)) id FROM people ORDER BY left(ssn, 1), id",
        )
        .shapes(Allow),
        Attempt::query("union", "duplicates vanish", "SELECT left(ssn, 1) FROM people UNION SELECT 'g'")
            .shapes(Allow),
        Attempt::query("except", "what matches vanishes", "SELECT '{known}' EXCEPT SELECT ssn FROM people")
            .shapes(Allow),
        Attempt::query(
            "intersect",
            "what matches stays",
            "SELECT '{known}' INTERSECT SELECT ssn FROM people",
        )
        .shapes(Allow),
        Attempt::query(
            "window-partition",
            "the size of each class",
            "SELECT id, count(*) OVER (PARTITION BY left(ssn, 1)) FROM people ORDER BY id",
        )
        .shapes(Allow),
        Attempt::query(
            "window-order",
            "numbers in a hidden order",
            "SELECT id, row_number() OVER (ORDER BY salary) FROM people ORDER BY id",
        )
        .shapes(Allow),
        Attempt::query(
            "limit-computed",
            "as many rows as a number says",
            "SELECT g FROM generate_series(1, 100) g LIMIT (SELECT length(ssn) FROM people \
             WHERE id = 1)",
        )
        .shapes(Allow),
        Attempt::query(
            "offset-computed",
            "the same from the other end",
            "SELECT g FROM generate_series(1, 20) g OFFSET (SELECT length(ssn) FROM people \
             WHERE id = 1)",
        )
        .shapes(Allow),
        Attempt::query(
            "set-returning",
            "as many rows as a value is long",
            "SELECT id, generate_series(1, length(ssn)) FROM people ORDER BY id, 2",
        )
        .shapes(Allow),
        Attempt::query(
            "set-returning-from",
            "a row for each letter",
            "SELECT p.id, l.n FROM people p, LATERAL generate_series(1, pin % 10) l(n) ORDER \
             BY 1, 2",
        )
        .shapes(Allow),
        Attempt::query(
            "letters-as-rows",
            "a row for each piece",
            "SELECT p.id FROM people p, regexp_split_to_table(p.ssn, '[g-m]') ORDER BY 1",
        )
        .shapes(Allow),
        Attempt::query(
            "division",
            "fails for a right guess",
            "SELECT 1 / (CASE WHEN ssn = '{known}' THEN 0 ELSE 1 END) FROM people ORDER BY id",
        )
        .shapes(Allow),
        Attempt::query(
            "failing-cast",
            "fails for some values",
            "SELECT count(left(ssn, 1)::\"char\"::text::regclass) FROM people WHERE id = 1 \
             AND ssn < 'm'",
        )
        .shapes(Allow),
        Attempt::query(
            "failing-root",
            "fails for small numbers",
            "SELECT sqrt(pin - 800000) FROM people WHERE id = 1",
        )
        .shapes(Allow),
        Attempt::query(
            "recursion",
            "as many rounds as a number says",
            "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < (SELECT \
             length(ssn) FROM people WHERE id = 1)) SELECT n FROM r ORDER BY n",
        )
        .shapes(Allow),
        Attempt::script(
            "update-count",
            "the number of changed rows",
            say!["BEGIN", "UPDATE people SET level = level WHERE ssn < 'm'", "ROLLBACK"],
        )
        .shapes(Allow),
        Attempt::script(
            "delete-count",
            "the number of removed rows",
            say!["BEGIN", "DELETE FROM visits WHERE diagnosis < 'm'", "ROLLBACK"],
        )
        .shapes(Allow),
        Attempt::script(
            "update-other-table",
            "which rows of another table change",
            say![
                "BEGIN",
                "UPDATE teams t SET floor = 9 FROM people p WHERE p.team_id = t.id AND p.ssn < 'h'",
                "SELECT floor FROM teams ORDER BY id",
                "ROLLBACK"
            ],
        )
        .shapes(Allow),
        Attempt::script(
            "unique-index",
            "writing a value that is there fails",
            say![
                "BEGIN",
                "INSERT INTO people (id, name, level, active, joined, pin) VALUES (900, 'Probe', \
             1, true, '2020-01-01', {pin})",
                "ROLLBACK"
            ],
        )
        .shapes(Equality),
        Attempt::script(
            "on-conflict",
            "the same without an error",
            say![
                "BEGIN",
                "INSERT INTO people (id, name, level, active, joined, pin) VALUES (900, 'Probe', \
             1, true, '2020-01-01', {pin}) ON CONFLICT (pin) DO NOTHING",
                "ROLLBACK"
            ],
        )
        .shapes(Equality),
        Attempt::script(
            "on-conflict-where",
            "which conflicting rows are updated",
            say![
                "BEGIN",
                "INSERT INTO people (id, name, level, active, joined) SELECT id, name, level, \
             active, joined FROM ONLY people ON CONFLICT (id) DO UPDATE SET level = \
             excluded.level WHERE people.ssn < 'k'",
                "ROLLBACK"
            ],
        )
        .shapes(Allow),
        Attempt::script(
            "equal-to-a-parameter",
            "the guess is a parameter",
            &[Step::Send(&[
                Parse { name: "", sql: "SELECT name FROM people WHERE ssn = $1" },
                Bind { portal: "", statement: "", parameters: &["{known}"], format: Format::Text },
                Execute { portal: "", rows_max: 0 },
                Sync,
            ])],
        )
        .shapes(Equality),
        Attempt::script(
            "like-a-parameter",
            "the pattern is a parameter",
            &[Step::Send(&[
                Parse { name: "", sql: "SELECT id FROM people WHERE ssn LIKE $1 ORDER BY id" },
                Bind { portal: "", statement: "", parameters: &["%k%g%"], format: Format::Binary },
                Execute { portal: "", rows_max: 0 },
                Sync,
            ])],
        )
        .shapes(Allow),
    ],
};
