//! What is computed from protected columns, by every kind of expression and query.

use crate::attempt::{Attempt, Facility, Group, Row};
use grille_core::Privilege;

pub(super) const COMPUTED: Group = Group {
    row: Row::Computed,
    attempts: &[
        Attempt::query(
            "concatenation",
            "the result is no column any more",
            "SELECT ssn || '' FROM people ORDER BY id",
        ),
        Attempt::query(
            "upper",
            "a function changes the letters, not the value",
            "SELECT upper(ssn), initcap(email) FROM people ORDER BY id",
        ),
        Attempt::query("reverse", "backwards is as good", "SELECT reverse(ssn) FROM people ORDER BY id"),
        Attempt::query(
            "slice",
            "a piece is part of the value",
            "SELECT substr(ssn, 2, 4) FROM people ORDER BY id",
        ),
        Attempt::query(
            "cast-to-short",
            "a cast cuts a piece off",
            "SELECT ssn::varchar(5) FROM people ORDER BY id",
        ),
        Attempt::query(
            "cast-to-char",
            "a cast takes one letter",
            r#"SELECT ssn::"char" FROM people ORDER BY id"#,
        ),
        Attempt::query(
            "hexadecimal",
            "another alphabet",
            "SELECT encode(convert_to(ssn, 'UTF8'), 'hex') FROM people ORDER BY id",
        ),
        Attempt::query(
            "base64",
            "another alphabet",
            "SELECT encode(convert_to(ssn, 'UTF8'), 'base64') FROM people ORDER BY id",
        ),
        Attempt::query("bytes", "the same as bytes", "SELECT ssn::bytea FROM people ORDER BY id"),
        Attempt::query(
            "hash",
            "a hash of a guessable value is the value",
            "SELECT md5(ssn), hashtext(email) FROM people ORDER BY id",
        ),
        Attempt::query(
            "length",
            "how long it is tells of it",
            "SELECT length(ssn), octet_length(email), pg_column_size(phrase) FROM people \
             ORDER BY id",
        ),
        Attempt::query(
            "code-point",
            "a letter as a number",
            "SELECT ascii(ssn), ascii(substr(ssn, 2)) FROM people ORDER BY id",
        ),
        Attempt::query(
            "case",
            "a condition gives one bit",
            "SELECT CASE WHEN ssn < 'm' THEN 'low' ELSE 'high' END FROM people ORDER BY id",
        ),
        Attempt::query(
            "case-operand",
            "the value chooses between constants",
            "SELECT CASE ssn WHEN '{known}' THEN 1 ELSE 0 END FROM people ORDER BY id",
        ),
        Attempt::query(
            "comparison",
            "true or false for a guess",
            "SELECT ssn = '{known}', ssn LIKE 'g%', email ~ '^[a-m]' FROM people ORDER BY id",
        ),
        Attempt::query(
            "coalesce",
            "the value passes through",
            "SELECT coalesce(ssn, 'none') FROM people ORDER BY id",
        ),
        Attempt::query(
            "nullif",
            "NULL for a right guess",
            "SELECT nullif(ssn, '{known}') IS NULL FROM people ORDER BY id",
        ),
        Attempt::query(
            "greatest",
            "the greater of two",
            "SELECT greatest(ssn, 'b'), least(salary, 999999) FROM people ORDER BY id",
        ),
        Attempt::query(
            "distinct-from",
            "a comparison of its own",
            "SELECT ssn IS DISTINCT FROM '{known}' FROM people ORDER BY id",
        ),
        Attempt::query(
            "array-of-it",
            "an element of an array",
            "SELECT ARRAY[ssn, name] FROM people ORDER BY id",
        ),
        Attempt::query(
            "format",
            "in the middle of a text",
            "SELECT format('%s has %s', name, ssn) FROM people ORDER BY id",
        ),
        Attempt::query(
            "pattern-replace",
            "rewritten by a pattern",
            "SELECT regexp_replace(ssn, '^(.)(.*)$', '\\2\\1') FROM people ORDER BY id",
        ),
        Attempt::query(
            "pattern-match",
            "parts by a pattern",
            "SELECT (regexp_match(ssn, '(...)$'))[1] FROM people ORDER BY id",
        ),
        Attempt::query(
            "split",
            "parts by a separator",
            "SELECT split_part(email, '@', 1) FROM people ORDER BY id",
        ),
        Attempt::query(
            "translate",
            "a cipher of the client's own",
            "SELECT translate(ssn, 'bcdfghjkmpqvwxz', 'abcdefghijklmno') FROM people ORDER BY id",
        ),
        Attempt::query(
            "collation",
            "the same with a collation",
            r#"SELECT ssn COLLATE "C" FROM people ORDER BY id"#,
        ),
        Attempt::query("xml-element", "inside XML", "SELECT xmlelement(name x, ssn) FROM people ORDER BY id"),
        Attempt::query(
            "text-search",
            "as a lexeme",
            "SELECT to_tsvector('simple', ssn) FROM people ORDER BY id",
        ),
        Attempt::query(
            "arithmetic",
            "a number plus nothing",
            "SELECT salary + 0, pin % 1000, pin # 1 FROM people ORDER BY id",
        ),
        Attempt::query(
            "number-as-text",
            "a number as text",
            "SELECT salary::text, to_char(pin, 'FM9999999') FROM people ORDER BY id",
        ),
        Attempt::query("number-as-bits", "a number as bits", "SELECT pin::bit(32) FROM people ORDER BY id"),
        Attempt::query(
            "date-parts",
            "a part of a date",
            "SELECT extract(year FROM born), date_trunc('month', born) FROM people ORDER BY id",
        ),
        Attempt::query(
            "date-difference",
            "how far from a known day",
            "SELECT born - DATE '2000-01-01' FROM people ORDER BY id",
        ),
        Attempt::query(
            "json-member",
            "a member of a document",
            "SELECT notes->>'note', notes #>> '{kin,0}', notes['kin'] FROM people ORDER BY id",
        ),
        Attempt::query(
            "json-path",
            "the same by a path",
            "SELECT jsonb_path_query_first(notes, '$.note') FROM people ORDER BY id",
        ),
        Attempt::query(
            "array-element",
            "an element of an array",
            "SELECT tags[1], array_to_string(tags, '/') FROM people ORDER BY id",
        ),
        Attempt::query(
            "byte-of-bytea",
            "one byte of many",
            "SELECT get_byte(photo, 0), convert_from(photo, 'UTF8') FROM people ORDER BY id",
        ),
        Attempt::query(
            "enum-as-text",
            "an enum's label as text",
            "SELECT feeling::text, enum_first(feeling) = feeling FROM people ORDER BY id",
        ),
        Attempt::query(
            "composite-field",
            "a field of a composite",
            "SELECT (card).number FROM people ORDER BY id",
        ),
        Attempt::query(
            "domain-as-text",
            "the domain's base type",
            "SELECT phrase::text FROM people ORDER BY id",
        ),
        Attempt::query(
            "range-bound",
            "a bound of a range",
            "SELECT lower(stay), stay @> 5000 FROM people ORDER BY id",
        ),
        Attempt::query("uuid-as-text", "a uuid as text", "SELECT badge::text FROM people ORDER BY id"),
        Attempt::query(
            "scalar-subquery",
            "a query within an expression",
            "SELECT t.title, (SELECT p.ssn FROM people p WHERE p.id = t.id) FROM teams t \
             ORDER BY t.id",
        ),
        Attempt::query(
            "array-subquery",
            "all of them in one value",
            "SELECT ARRAY(SELECT ssn FROM people ORDER BY id)",
        ),
        Attempt::query(
            "exists-subquery",
            "one bit by a subquery",
            "SELECT EXISTS (SELECT 1 FROM people WHERE ssn = '{known}')",
        ),
        Attempt::query(
            "cte",
            "a name for a query",
            "WITH x AS (SELECT id, ssn AS s FROM people) SELECT s FROM x ORDER BY id",
        ),
        Attempt::query(
            "cte-materialized",
            "the same, kept",
            "WITH x AS MATERIALIZED (SELECT * FROM people), y AS (SELECT x.ssn AS a, x.id \
             FROM x) SELECT a FROM y ORDER BY id",
        ),
        Attempt::query(
            "cte-recursive",
            "the value goes round before it comes out",
            "WITH RECURSIVE r(n, s) AS (SELECT 1, ssn FROM people WHERE id = 1 UNION ALL \
             SELECT n + 1, s || 'x' FROM r WHERE n < 3) SELECT s FROM r ORDER BY n",
        ),
        Attempt::query(
            "union-all",
            "a branch of a union, under the first branch's name",
            "SELECT 0 AS id, title FROM teams WHERE id = 1 UNION ALL SELECT id, ssn FROM \
             people ORDER BY 1",
        ),
        Attempt::query(
            "values-list",
            "a row of constants that is none",
            "VALUES ((SELECT ssn FROM people WHERE id = 1)), ('x')",
        ),
        Attempt::query(
            "lateral",
            "a subquery that sees the row beside it",
            "SELECT l.s FROM people p, LATERAL (SELECT p.ssn AS s) l ORDER BY p.id",
        ),
        Attempt::query(
            "nested-subselects",
            "many levels down",
            "SELECT d FROM (SELECT c AS d, id FROM (SELECT b AS c, id FROM (SELECT ssn AS b, \
             id FROM people) x) y) z ORDER BY id",
        ),
        Attempt::query(
            "window-lag",
            "the value of the row before",
            "SELECT lag(ssn) OVER (ORDER BY id) FROM people ORDER BY id",
        ),
        Attempt::query(
            "window-rank",
            "a rank is an order",
            "SELECT rank() OVER (ORDER BY ssn) FROM people ORDER BY id",
        ),
        Attempt::query(
            "string-aggregate",
            "all in one text",
            "SELECT string_agg(ssn, ',' ORDER BY id) FROM people",
        ),
        Attempt::query(
            "array-aggregate",
            "all in one array",
            "SELECT array_agg(ssn ORDER BY id), array_agg(salary ORDER BY id) FROM people",
        ),
        Attempt::query("min-max", "the extremes are values", "SELECT min(ssn), max(salary) FROM people"),
        Attempt::query(
            "sum-average",
            "of a group of one it is the value",
            "SELECT id, sum(salary), avg(pin) FROM people GROUP BY id ORDER BY id",
        ),
        Attempt::query("count-distinct", "how many differ", "SELECT count(DISTINCT ssn) FROM people"),
        Attempt::query(
            "count-filter",
            "how many satisfy a guess",
            "SELECT count(*) FILTER (WHERE ssn < 'm') FROM people",
        ),
        Attempt::query(
            "boolean-aggregate",
            "whether any satisfies a guess",
            "SELECT bool_or(ssn = '{known}'), every(pin > 500000) FROM people",
        ),
        Attempt::query(
            "ordered-set",
            "a value by its place",
            "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY salary), mode() WITHIN GROUP \
             (ORDER BY feeling) FROM people",
        ),
        Attempt::query(
            "statistics-aggregate",
            "sums of squares",
            "SELECT stddev(salary), corr(pin, id) FROM people",
        ),
        Attempt::query(
            "user-function",
            "an immutable function of the database's own",
            "SELECT same(ssn) FROM people ORDER BY id",
        ),
        Attempt::query(
            "user-aggregate",
            "an aggregate of the database's own",
            "SELECT glued(ssn ORDER BY id) FROM people",
        ),
        Attempt::query(
            "user-operator",
            "an operator of the database's own",
            "SELECT ssn ## '' FROM people ORDER BY id",
        ),
        Attempt::query(
            "operator-syntax",
            "an operator by its qualified name",
            "SELECT ssn OPERATOR(pg_catalog.||) '' FROM people ORDER BY id",
        ),
        Attempt::query(
            "row-comparison",
            "a comparison of rows",
            "SELECT (ssn, id) < ('m', 0) FROM people ORDER BY id",
        ),
        Attempt::query(
            "any-of-subquery",
            "a membership test",
            "SELECT '{known}' = ANY (SELECT ssn FROM people)",
        ),
        Attempt::query(
            "json-constructor",
            "built by SQL/JSON",
            "SELECT JSON_OBJECT('a' VALUE ssn), JSON_ARRAY(email) FROM people ORDER BY id",
        )
        .needs(Facility::JsonTable),
        Attempt::query(
            "json-table",
            "a document taken apart into rows",
            "SELECT t.n FROM people p, JSON_TABLE(p.notes, '$' COLUMNS (n text PATH \
             '$.note')) t ORDER BY p.id",
        )
        .needs(Facility::JsonTable),
        Attempt::query(
            "stable-function",
            "a function that reads the table itself",
            "SELECT ssn_of(id) FROM people ORDER BY id",
        )
        .privileged(Privilege::VOLATILE_FUNCTIONS),
    ],
};
