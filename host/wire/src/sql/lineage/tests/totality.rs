//! Expressions that fail for some values, so that failing would tell of them.

use super::check_all;

#[test]
fn what_fails_for_some_values() {
    check_all(&[
        ("SELECT ssn::int FROM users", "ssn~users.ssn | fails int4: users.ssn"),
        ("SELECT 1 / salary FROM users", "?column?~users.salary | fails /: users.salary"),
        ("SELECT salary + 1 FROM users", "?column?~users.salary | fails +: users.salary"),
        ("SELECT CASE WHEN ssn = '1' THEN 1 / 0 END FROM users", "case~users.ssn | fails /: users.ssn"),
        (
            "SELECT CASE WHEN ssn = '1' THEN name::int END FROM users",
            "case~users.ssn | fails int4: users.ssn",
        ),
        ("SELECT coalesce(ssn, (1 / 0)::text) FROM users", "coalesce~users.ssn | fails /: users.ssn"),
        ("SELECT ssn = '1' AND 1 / id = 1 FROM users", "?column?~users.ssn | fails /: users.ssn"),
        ("SELECT ssn LIKE $1 FROM users", "?column?~users.ssn | fails LIKE: users.ssn"),
        ("SELECT ssn LIKE 'a\\' FROM users", "?column?~users.ssn | fails LIKE: users.ssn"),
        ("SELECT ssn ~ '(' FROM users", "?column?~users.ssn | fails ~: users.ssn"),
        ("SELECT ssn ~ $1 FROM users", "?column?~users.ssn | fails ~: users.ssn"),
        ("SELECT 'x' ~ ssn FROM users", "?column?~users.ssn | fails ~: users.ssn"),
        (
            "SELECT regexp_replace(ssn, name, 'x') FROM users",
            "regexp_replace~users.ssn | fails regexp_replace: users.ssn",
        ),
        ("SELECT stddev(pay) FROM users", "stddev~users.pay | fails stddev: users.pay"),
        (
            "SELECT percentile_disc(pay) WITHIN GROUP (ORDER BY id) FROM users",
            "percentile_disc~users.pay | fails percentile_disc: users.pay",
        ),
        ("SELECT data - 'a' FROM payload", "?column?~payload.data | fails -: payload.data"),
        ("SELECT jsonb_build_object('a', ssn) - 1 FROM users", "?column?~users.ssn | fails -: users.ssn"),
        ("SELECT ssn SIMILAR TO '1%' FROM users", "?column?~users.ssn | fails SIMILAR TO: users.ssn"),
        ("SELECT repeat('x', salary) FROM users", "repeat~users.salary | fails repeat: users.salary"),
        (
            "SELECT substring(ssn, 1, salary) FROM users",
            "substring~users.ssn+users.salary | fails substring: users.ssn+users.salary",
        ),
        ("SELECT split_part(ssn, '-', 0) FROM users", "split_part~users.ssn | fails split_part: users.ssn"),
        ("SELECT data::text::json FROM payload", "data~payload.data | fails json: payload.data"),
        (
            "SELECT jsonb_object_agg(ssn, id) FROM users",
            "jsonb_object_agg~users.ssn | fails jsonb_object_agg: users.ssn",
        ),
        ("SELECT to_jsonb(raw) FROM payload", "to_jsonb~payload.raw | fails to_jsonb: payload.raw"),
        ("SELECT array_agg(tags) FROM payload", "array_agg~payload.tags | fails array_agg: payload.tags"),
        ("SELECT (SELECT 1 / length(ssn) FROM users LIMIT 1)", "?column?~users.ssn | fails /: users.ssn"),
        ("SELECT s FROM (SELECT ssn::int AS s FROM users) x", "s~users.ssn | fails int4: users.ssn"),
        (
            "SELECT CASE WHEN ssn = '1' THEN x END FROM users, (SELECT 1 / id AS x FROM log) q",
            "case~users.ssn | fails /: users.ssn",
        ),
        (
            "WITH q AS (SELECT 1 / id AS x FROM log) SELECT coalesce(ssn, x::text) FROM users, q",
            "coalesce~users.ssn | fails /: users.ssn",
        ),
        (
            "SELECT b / 1 FROM (SELECT length(ssn) AS b FROM users) x",
            "?column?~users.ssn | fails /: users.ssn",
        ),
        ("SELECT sum(1 / id) FILTER (WHERE ssn = '1') FROM users", "sum~users.ssn | fails /: users.ssn"),
        ("SELECT id FROM users WHERE ssn::int = 5", "id | WHERE: users.ssn"),
        ("SELECT tags || name FROM payload, users", "?column?~payload.tags | fails ||: payload.tags"),
        ("SELECT ssn::mood FROM users", "ssn~users.ssn | fails mood: users.ssn"),
        (
            "SELECT chr(salary) FROM users",
            "chr? | a function that returns rows: users.salary | fails chr: users.salary | chr()!",
        ),
        ("SELECT born + 1 FROM users", "?column?~users.born | fails +: users.born"),
        ("SELECT date_part('year', born) FROM users", "date_part~users.born | fails date_part: users.born"),
        ("SELECT pay::int4 FROM users", "pay~users.pay | fails int4: users.pay"),
        ("SELECT ARRAY[tags, words] FROM payload", "array~payload.tags | fails ARRAY: payload.tags"),
        (
            "INSERT INTO log (message) VALUES ((SELECT ssn::int::text FROM users LIMIT 1))",
            "- | fails int4: users.ssn | fails log.message: users.ssn | into log.message: users.ssn",
        ),
        (
            "UPDATE users SET salary = salary * 2 WHERE id = 1",
            "- | fails *: users.salary | fails users.salary: users.salary",
        ),
    ]);
}

#[test]
fn what_never_fails() {
    check_all(&[
        ("SELECT CASE WHEN ssn = '1' THEN 'a' ELSE name END FROM users", "name~users.ssn"),
        ("SELECT CASE WHEN id = 1 / 2 THEN ssn END FROM users", "case~users.ssn"),
        (
            "SELECT lpad(ssn, 10, '0'), split_part(ssn, '-', 2) FROM users",
            "lpad~users.ssn, split_part~users.ssn",
        ),
        (
            "SELECT salary::numeric, salary::bigint, salary::text FROM users",
            "salary~users.salary, salary~users.salary, salary~users.salary",
        ),
        (
            "SELECT date_trunc('year', created), date_part('year', created) FROM users",
            "date_trunc, date_part",
        ),
        ("SELECT extract(year FROM born) FROM users", "extract~users.born"),
        ("SELECT round(pay, 2), abs(pay) FROM users", "round~users.pay, abs~users.pay"),
        (
            "SELECT sum(salary), sum(pay), avg(pay), count(ssn) FROM users",
            "sum~users.salary, sum~users.pay, avg~users.pay, count~users.ssn",
        ),
        ("SELECT to_jsonb(a), a::text FROM accounts a", "to_jsonb~accounts.iban, a~accounts.iban"),
        (
            "SELECT ssn LIKE '1%', ssn ILIKE '%x%', ssn NOT LIKE 'a_' FROM users",
            "?column?~users.ssn, ?column?~users.ssn, ?column?~users.ssn",
        ),
        (
            "SELECT ssn = $1, ssn < $2, ssn IS DISTINCT FROM $3 FROM users",
            "?column?~users.ssn, ?column?~users.ssn, ?column?~users.ssn",
        ),
        ("SELECT format('%s (%s)', name, ssn) FROM users", "format~users.ssn"),
        ("SELECT 1 / id, ssn FROM users", "?column?, ssn=users.ssn"),
        ("SELECT json_build_object('id', id, 'ssn', ssn) FROM users", "json_build_object~users.ssn"),
        ("SELECT jsonb_build_object('ssn', ssn) FROM users", "jsonb_build_object~users.ssn"),
        (
            "SELECT concat(name, ' ', ssn), concat_ws('-', ssn, name) FROM users",
            "concat~users.ssn, concat_ws~users.ssn",
        ),
        (
            "SELECT data->'a'->>'b', data ? 'x', data @> '{}' FROM payload",
            "?column?~payload.data, ?column?~payload.data, ?column?~payload.data",
        ),
        (
            "SELECT tags @> ARRAY['x'], 'x' = ANY (tags), cardinality(tags) FROM payload",
            "?column?~payload.tags, ?column?~payload.tags, cardinality~payload.tags",
        ),
        (
            "SELECT mood::text, mood = 'sad' FROM payload",
            "mood~payload.mood, ?column?~payload.mood | fails =: payload.mood",
        ),
        (
            "SELECT array_agg(ssn ORDER BY id), json_agg(ssn), string_agg(ssn, ',') FROM users",
            "array_agg~users.ssn, json_agg~users.ssn, string_agg~users.ssn",
        ),
        ("SELECT name::int, 1 / id FROM users", "name, ?column?"),
        (
            "SELECT (ssn, salary) = ('12', 5), (ssn, 1) < ('m', 2) FROM users",
            "?column?~users.ssn+users.salary, ?column?~users.ssn",
        ),
        ("SELECT concat(ssn, 1 / id) FROM users", "concat~users.ssn"),
        ("SELECT code || 'x', 'x' || code FROM coded", "?column?~coded.code, ?column?~coded.code"),
        (
            "SELECT ssn ~ '^1', ssn !~* 'x$', regexp_replace(ssn, '[0-9]+', 'n', 'g') FROM users",
            "?column?~users.ssn, ?column?~users.ssn, regexp_replace~users.ssn",
        ),
        ("SELECT stddev(salary), variance(salary) FROM users", "stddev~users.salary, variance~users.salary"),
        ("SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY pay) FROM users", "percentile_disc~users.pay"),
        (
            "SELECT to_jsonb(a) - 'id', jsonb_build_object('a', iban) - 'a' FROM accounts a",
            "?column?~accounts.iban, ?column?~accounts.iban",
        ),
    ]);
}

#[test]
fn an_array_of_one_sort_cannot_fail() {
    check_all(&[
        ("SELECT ARRAY[embedding] FROM docs", "array~docs.embedding"),
        ("SELECT ARRAY[embedding, embedding] FROM docs", "array~docs.embedding"),
        ("SELECT array_agg(embedding) FROM docs", "array_agg~docs.embedding"),
        ("SELECT ARRAY(SELECT embedding FROM docs)", "array~docs.embedding"),
        ("SELECT ARRAY[tags] FROM payload", "array~payload.tags"),
        ("SELECT ARRAY[tags, words] FROM payload", "array~payload.tags | fails ARRAY: payload.tags"),
        ("SELECT array_agg(tags) FROM payload", "array_agg~payload.tags | fails array_agg: payload.tags"),
    ]);
}
