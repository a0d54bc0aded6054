//! Where the columns of results come from.

use super::{check_all, check_named};
use crate::sql::lineage::Naming;

#[test]
fn plain_columns() {
    check_all(&[
        ("SELECT id, name FROM users", "id, name"),
        ("SELECT ssn FROM users", "ssn=users.ssn"),
        ("SELECT ssn AS x FROM users", "x=users.ssn"),
        ("SELECT u.ssn x, u.id FROM users u", "x=users.ssn, id"),
        ("SELECT public.users.ssn FROM public.users", "ssn=users.ssn"),
        ("SELECT users.ssn FROM public.users", "ssn=users.ssn"),
        ("SELECT \"ssn\" FROM \"users\"", "ssn=users.ssn"),
        ("SELECT U.SSN FROM USERS U", "ssn=users.ssn"),
        ("SELECT s FROM users AS u (i, n, s)", "s=users.ssn"),
        ("SELECT ssn FROM users AS u (i, n, s)", "ssn?"),
        ("SELECT ctid, tableoid, u.xmin FROM orders u", "ctid, tableoid, xmin"),
        (
            "SELECT ctid, tableoid, a.xmin, a.ctid FROM accounts a",
            "ctid~accounts.iban, tableoid, xmin, ctid~accounts.iban",
        ),
        ("SELECT 1, 'x', NULL, true, $1", "?column?, ?column?, ?column?, ?column?, ?column?"),
        ("SELECT", ""),
        ("SELECT FROM users", ""),
        ("TABLE log", "id, message, at"),
        ("TABLE accounts", "id, iban=accounts.iban, owner"),
        ("SELECT nothing FROM users", "nothing?"),
        ("SELECT ssn FROM nowhere", "ssn?"),
        ("SELECT u.ssn FROM users, orders u", "ssn?"),
    ]);
}

#[test]
fn stars() {
    check_all(&[
        ("SELECT * FROM accounts", "id, iban=accounts.iban, owner"),
        ("SELECT a.* FROM accounts a", "id, iban=accounts.iban, owner"),
        ("SELECT l.*, a.* FROM accounts a, log l", "id, message, at, id, iban=accounts.iban, owner"),
        ("SELECT *, 1 FROM log", "id, message, at, ?column?"),
        ("SELECT * FROM nowhere", "*"),
        ("SELECT public.accounts.* FROM accounts", "id, iban=accounts.iban, owner"),
        ("SELECT * FROM (SELECT * FROM accounts) x", "id, iban=accounts.iban, owner"),
        ("SELECT b FROM (SELECT * FROM accounts) x (a, b)", "b=accounts.iban"),
        ("SELECT (x).* FROM (SELECT a AS x FROM accounts a) y", "id, iban=accounts.iban, owner"),
        ("SELECT (a).* FROM accounts a", "id, iban=accounts.iban, owner"),
    ]);
}

#[test]
fn expressions() {
    check_all(&[
        ("SELECT upper(ssn) FROM users", "upper~users.ssn"),
        ("SELECT ssn || '' FROM users", "?column?~users.ssn"),
        ("SELECT ssn || name FROM users", "?column?~users.ssn"),
        ("SELECT substring(ssn, 1, 1) FROM users", "substring~users.ssn"),
        ("SELECT substring(ssn FROM 1 FOR 1) FROM users", "substring~users.ssn"),
        ("SELECT left(ssn, 2), right(ssn, 2) FROM users", "left~users.ssn, right~users.ssn"),
        ("SELECT md5(ssn), length(ssn) FROM users", "md5~users.ssn, length~users.ssn"),
        ("SELECT ssn::varchar FROM users", "ssn~users.ssn"),
        ("SELECT CAST(ssn AS text) FROM users", "ssn~users.ssn"),
        ("SELECT ssn COLLATE \"C\" FROM users", "ssn~users.ssn"),
        ("SELECT CASE WHEN active THEN ssn END FROM users", "case~users.ssn"),
        ("SELECT CASE WHEN ssn = '1' THEN 1 ELSE 0 END FROM users", "case~users.ssn"),
        ("SELECT CASE ssn WHEN '1' THEN 'a' END FROM users", "case~users.ssn"),
        ("SELECT coalesce(ssn, '') FROM users", "coalesce~users.ssn"),
        ("SELECT nullif(ssn, '1') FROM users", "nullif~users.ssn"),
        ("SELECT greatest(name, ssn) FROM users", "greatest~users.ssn"),
        (
            "SELECT ssn = '1', ssn IS NULL, ssn IN ('1'), ssn BETWEEN '1' AND '2' FROM users",
            "?column?~users.ssn, ?column?~users.ssn, ?column?~users.ssn, ?column?~users.ssn",
        ),
        ("SELECT ssn LIKE '1%' FROM users", "?column?~users.ssn"),
        ("SELECT NOT (active AND ssn = '1') FROM users", "?column?~users.ssn"),
        ("SELECT ARRAY[ssn, name] FROM users", "array~users.ssn"),
        ("SELECT (ARRAY[ssn])[1] FROM users", "array~users.ssn"),
        ("SELECT ROW(id, ssn) FROM users", "row~users.ssn"),
        ("SELECT (ROW(id, ssn)).f1 FROM users", "f1"),
        ("SELECT (ROW(id, ssn)).f2 FROM users", "f2=users.ssn"),
        ("SELECT words[1], tags[1], tags[1:2] FROM payload", "words, tags~payload.tags, tags~payload.tags"),
        ("SELECT data->>'a', data#>'{a,b}' FROM payload", "?column?~payload.data, ?column?~payload.data"),
        ("SELECT data['a'] FROM payload", "data~payload.data"),
        ("SELECT open->>'a' FROM payload", "?column?"),
        ("SELECT lower(name) || 'x', id + 1, now() - created FROM users", "?column?, ?column?, ?column?"),
        (
            "SELECT current_date, current_user, current_timestamp(3)",
            "current_date, current_user, current_timestamp",
        ),
        ("SELECT extract(year FROM created), created AT TIME ZONE 'UTC' FROM users", "extract, timezone"),
        (
            "SELECT position('1' IN ssn), trim(ssn), overlay(name placing 'x' from 1) FROM users",
            "position~users.ssn, btrim~users.ssn, overlay",
        ),
    ]);
}

#[test]
fn whole_rows() {
    check_all(&[
        ("SELECT a FROM accounts a", "a~accounts.iban"),
        ("SELECT accounts FROM accounts", "accounts~accounts.iban"),
        ("SELECT l FROM log l", "l"),
        ("SELECT to_jsonb(a) FROM accounts a", "to_jsonb~accounts.iban"),
        ("SELECT row_to_json(a) FROM accounts a", "row_to_json~accounts.iban"),
        ("SELECT json_agg(a) FROM accounts a", "json_agg~accounts.iban"),
        ("SELECT array_agg(a) FROM accounts a", "array_agg~accounts.iban"),
        ("SELECT a::text FROM accounts a", "a~accounts.iban"),
        ("SELECT (a).iban, (a).id FROM accounts a", "iban=accounts.iban, id"),
        ("SELECT (d.s).iban FROM (SELECT a AS s FROM accounts a) d", "iban=accounts.iban"),
        ("SELECT (d.s).id FROM (SELECT a AS s FROM accounts a) d", "id"),
        ("SELECT a.to_jsonb FROM accounts a", "to_jsonb~accounts.iban"),
        ("SELECT (a).to_jsonb FROM accounts a", "to_jsonb~accounts.iban"),
        ("SELECT a.row_to_json::text FROM accounts a", "row_to_json~accounts.iban"),
        ("SELECT row(a.*) FROM accounts a", "row~accounts.iban"),
        ("SELECT count(a.*), count(a) FROM accounts a", "count~accounts.iban, count~accounts.iban"),
        ("SELECT json_build_object('a', a) FROM accounts a", "json_build_object~accounts.iban"),
        ("SELECT to_jsonb(l) FROM log l", "to_jsonb"),
        ("SELECT ((SELECT a FROM accounts a LIMIT 1)).iban", "iban=accounts.iban"),
        ("SELECT (SELECT a FROM accounts a LIMIT 1)", "a~accounts.iban"),
        ("SELECT a = a FROM accounts a", "?column?~accounts.iban | fails =: accounts.iban"),
    ]);
}

#[test]
fn aggregates_and_windows() {
    check_all(&[
        ("SELECT count(*), count(id), max(name) FROM users", "count, count, max"),
        ("SELECT count(ssn) FROM users", "count~users.ssn"),
        ("SELECT count(DISTINCT ssn) FROM users", "count~users.ssn"),
        ("SELECT max(ssn), min(ssn) FROM users", "max~users.ssn, min~users.ssn"),
        ("SELECT string_agg(ssn, ',') FROM users", "string_agg~users.ssn"),
        ("SELECT string_agg(name, ',' ORDER BY ssn) FROM users", "string_agg~users.ssn"),
        ("SELECT count(*) FILTER (WHERE ssn LIKE '1%') FROM users", "count~users.ssn"),
        ("SELECT sum(salary), avg(salary) FROM users", "sum~users.salary, avg~users.salary"),
        ("SELECT sum(amount), avg(amount) FROM orders", "sum, avg"),
        ("SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY amount) FROM orders", "percentile_disc"),
        ("SELECT mode() WITHIN GROUP (ORDER BY ssn) FROM users", "mode~users.ssn"),
        ("SELECT row_number() OVER (ORDER BY id) FROM users", "row_number"),
        ("SELECT lag(ssn) OVER (ORDER BY id) FROM users", "lag~users.ssn"),
        (
            "SELECT first_value(ssn) OVER w FROM users WINDOW w AS (PARTITION BY name ORDER BY id)",
            "first_value~users.ssn",
        ),
        (
            "SELECT status, count(*), sum(amount) FROM orders GROUP BY 1 HAVING sum(amount) > 10 ORDER BY 2 DESC",
            "status, count, sum",
        ),
        ("SELECT name, count(*) FROM users GROUP BY ROLLUP (name)", "name, count"),
        ("SELECT name, GROUPING(name) FROM users GROUP BY GROUPING SETS ((name), ())", "name, grouping"),
        ("SELECT bool_and(ssn = '1') FROM users", "bool_and~users.ssn"),
    ]);
}

#[test]
fn subqueries() {
    check_all(&[
        ("SELECT (SELECT ssn FROM users LIMIT 1)", "ssn~users.ssn"),
        ("SELECT (SELECT max(ssn) FROM users) AS m", "m~users.ssn"),
        ("SELECT (SELECT name FROM users LIMIT 1)", "name"),
        ("SELECT ARRAY(SELECT ssn FROM users)", "array~users.ssn"),
        ("SELECT x.s FROM (SELECT ssn AS s FROM users) x", "s=users.ssn"),
        ("SELECT s FROM (SELECT upper(ssn) AS s FROM users) x", "s~users.ssn"),
        ("SELECT EXISTS (SELECT 1 FROM users WHERE id = 1)", "exists"),
        ("SELECT 'a' IN (SELECT ssn FROM users)", "?column?~users.ssn"),
        ("SELECT name = ANY (SELECT name FROM users) FROM users", "?column?"),
        (
            "SELECT o.id, (SELECT u.ssn FROM users u WHERE u.id = o.user_id) FROM orders o",
            "id, ssn~users.ssn",
        ),
        ("SELECT o.id, (SELECT u.name FROM users u WHERE u.id = o.user_id) FROM orders o", "id, name"),
        ("SELECT (SELECT u.ssn) FROM users u", "ssn~users.ssn"),
        ("SELECT (SELECT ssn FROM orders LIMIT 1) FROM users", "ssn~users.ssn"),
        ("SELECT * FROM (VALUES (1, 'a'), (2, 'b')) v (i, s)", "i, s"),
        (
            "SELECT * FROM (VALUES (1, (SELECT ssn FROM users LIMIT 1)), (2, 'b')) v",
            "column1, column2~users.ssn",
        ),
        ("VALUES (1), (2)", "column1"),
        (
            "SELECT a, b FROM (SELECT 1) x (a), LATERAL (SELECT ssn FROM users LIMIT 1) y (b)",
            "a, b=users.ssn",
        ),
        ("SELECT s FROM users u, LATERAL (SELECT u.ssn AS s) l", "s=users.ssn"),
        ("SELECT s FROM users u CROSS JOIN LATERAL (VALUES (u.ssn), (u.name)) l (s)", "s=users.ssn"),
        ("SELECT row_to_json(x) FROM (SELECT id, ssn FROM users) x", "row_to_json~users.ssn"),
        ("SELECT row_to_json(x) FROM (SELECT id, name FROM users) x", "row_to_json"),
        ("SELECT (x).ssn FROM (SELECT id, ssn FROM users) x", "ssn=users.ssn"),
    ]);
}

#[test]
fn with_queries() {
    check_all(&[
        ("WITH x AS (SELECT ssn FROM users) SELECT * FROM x", "ssn=users.ssn"),
        ("WITH x (a, b) AS (SELECT id, ssn FROM users) SELECT b, a FROM x", "b=users.ssn, a"),
        (
            "WITH x AS MATERIALIZED (SELECT ssn s FROM users), y AS (SELECT upper(s) t FROM x) SELECT t FROM y",
            "t~users.ssn",
        ),
        ("WITH users AS (SELECT 1 AS ssn) SELECT ssn FROM users", "ssn"),
        ("WITH users AS (SELECT 1 AS ssn) SELECT ssn FROM public.users", "ssn=users.ssn"),
        ("WITH log AS (SELECT ssn AS message FROM users) SELECT message FROM log", "message=users.ssn"),
        ("SELECT * FROM (WITH x AS (SELECT ssn FROM users) SELECT * FROM x) y", "ssn=users.ssn"),
        (
            "WITH RECURSIVE t (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 9) SELECT n FROM t",
            "n",
        ),
        (
            "WITH RECURSIVE t AS (SELECT 1 AS a, 'x' AS b UNION ALL SELECT a, (SELECT ssn FROM users LIMIT 1) FROM t) SELECT a, b FROM t",
            "a, b~users.ssn",
        ),
        (
            "WITH RECURSIVE t (a, b, c) AS (SELECT ssn, '', '' FROM users UNION ALL SELECT a, a, b FROM t) SELECT a, b, c FROM t",
            "a=users.ssn, b~users.ssn, c~users.ssn",
        ),
        ("WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT ssn FROM users) SELECT * FROM a", "*"),
        (
            "WITH RECURSIVE t AS (SELECT id, user_id FROM orders UNION ALL SELECT o.id, o.user_id FROM orders o JOIN t ON t.id = o.user_id) SEARCH DEPTH FIRST BY id SET seq CYCLE id SET is_cycle USING path SELECT * FROM t",
            "id, user_id, seq, is_cycle, path",
        ),
        ("WITH d AS (DELETE FROM users WHERE id = 1 RETURNING ssn, id) SELECT * FROM d", "ssn=users.ssn, id"),
        (
            "WITH u AS (UPDATE users SET name = 'x' RETURNING *) SELECT ssn, name FROM u",
            "ssn=users.ssn, name",
        ),
        ("WITH i AS (INSERT INTO users (name) VALUES ('x') RETURNING id) SELECT id FROM i", "id"),
    ]);
}

#[test]
fn set_operations() {
    check_all(&[
        ("SELECT ssn FROM users UNION ALL SELECT ssn FROM users", "ssn=users.ssn"),
        ("SELECT name FROM users UNION ALL SELECT ssn FROM users", "name=users.ssn"),
        ("SELECT ssn FROM users UNION ALL SELECT 'x'", "ssn~users.ssn"),
        ("SELECT name FROM users UNION ALL SELECT message FROM log", "name"),
        ("SELECT name FROM users UNION SELECT message FROM log ORDER BY name LIMIT 3", "name"),
        (
            "SELECT 1, ssn FROM users UNION ALL SELECT 2, 'x' UNION ALL SELECT 3, name FROM users",
            "?column?, ssn~users.ssn",
        ),
        ("SELECT * FROM log UNION ALL SELECT * FROM nowhere", "*"),
        ("(SELECT id FROM users LIMIT 1) UNION ALL (SELECT id FROM orders LIMIT 1)", "id"),
    ]);
}

#[test]
fn views() {
    check_all(&[
        ("SELECT * FROM v_users", "id, name, ssn=users.ssn"),
        ("SELECT ssn FROM v_users v", "ssn=users.ssn"),
        ("SELECT * FROM v_last", "id, last4~users.ssn, name"),
        ("SELECT * FROM v_nested", "key, secret=users.ssn, hint~users.ssn"),
        ("SELECT * FROM v_clean WHERE name LIKE 'a%'", "id, name"),
        ("SELECT * FROM v_orders ORDER BY total DESC", "id, total"),
        ("SELECT * FROM v_groups", "ssn=users.ssn, n"),
        ("SELECT * FROM v_flag", "id, known~users.ssn"),
        ("SELECT x FROM v_stable", "x?"),
        ("SELECT x FROM v_broken", "x?"),
        ("SELECT x FROM v_lost", "x?"),
        ("SELECT * FROM m_users", "id, ssn=users.ssn"),
        (
            "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname = 'public'",
            "relname",
        ),
        ("SELECT relname FROM pg_catalog.pg_class WHERE pg_catalog.pg_table_is_visible(oid)", "relname"),
        ("SELECT * FROM information_schema.tables", "table_schema, table_name"),
    ]);
}

#[test]
fn functions() {
    check_all(&[
        ("SELECT computes(id) FROM users", "computes"),
        ("SELECT computes(ssn) FROM users", "computes~users.ssn | fails computes: users.ssn"),
        ("SELECT trusted(ssn) FROM users", "trusted~users.ssn"),
        ("SELECT reads(1)", "reads? | public.reads()?"),
        ("SELECT writes(1)", "writes? | public.writes()!"),
        ("SELECT public.writes(1)", "writes? | public.writes()!"),
        ("SELECT hr.writes(1)", "writes? | hr.writes()!"),
        ("SELECT unheard_of(1)", "unheard_of? | unheard_of()!"),
        ("SELECT pg_catalog.unheard_of(1)", "unheard_of? | pg_catalog.unheard_of()!"),
        ("SELECT reads(1) FROM users WHERE id = 1", "reads? | public.reads()?"),
        ("SELECT id FROM users WHERE reads(1) = 1", "id | WHERE:  | public.reads()?"),
        ("SELECT query_to_xml('SELECT ssn FROM users', true, true, '')", "query_to_xml?"),
        ("SELECT pg_read_file('x')", "pg_read_file?"),
        ("SELECT dblink('x', 'y')", "dblink? | dblink()!"),
        ("SELECT (u).reads FROM orders u", "reads? | public.reads()?"),
        ("SELECT sum(amount), sum(id) FROM orders", "sum, sum"),
        ("SELECT 'x' === name FROM users", "?column?? | public.odd_eq()!"),
        ("SELECT set_config('a.b', 'c', false), nextval('s'), random()", "set_config, nextval, random"),
        (
            "SELECT set_config('a.b', ssn, false) FROM users",
            "set_config~users.ssn | fails set_config: users.ssn | into set_config: users.ssn",
        ),
        (
            "SELECT pg_notify('a', ssn) FROM users",
            "pg_notify~users.ssn | fails pg_notify: users.ssn | into pg_notify: users.ssn",
        ),
        ("SELECT g FROM generate_series(1, 5) g", "g"),
        ("SELECT * FROM generate_series(1, 5)", "generate_series"),
        ("SELECT * FROM generate_series(1, 5) WITH ORDINALITY AS t (n, o)", "n, o"),
        ("SELECT n, o FROM unnest(ARRAY[1, 2]) WITH ORDINALITY AS t (n, o)", "n, o"),
        ("SELECT * FROM unnest($1::int4[], $2::text[]) AS t (a, b)", "a, b"),
        ("SELECT key, value FROM payload, jsonb_each_text(open)", "key, value"),
        ("SELECT e->>'x' FROM payload p, jsonb_array_elements(p.open) e", "?column?"),
        ("SELECT e.value->>'x' FROM payload p, jsonb_array_elements(p.open->'a') AS e", "?column?"),
        ("SELECT * FROM json_to_recordset('[]') AS x (a int, b text)", "a, b"),
        ("SELECT * FROM ROWS FROM (generate_series(1, 2), generate_series(3, 4)) AS t (a, b)", "a, b"),
        ("SELECT * FROM pg_get_keywords()", "*"),
        ("SELECT word FROM pg_get_keywords()", "word"),
        ("SELECT * FROM reads(1)", "* | public.reads()?"),
        ("SELECT x FROM reads(1) r", "x? | public.reads()?"),
        ("SELECT * FROM version()", "version"),
        ("SELECT * FROM current_date", "current_date"),
        ("SELECT c.* FROM users u, COALESCE(u, u) AS c", "*"),
        ("SELECT w FROM payload, unnest(words) AS w", "w"),
    ]);
}

#[test]
fn utility_statements() {
    check_all(&[
        ("SHOW search_path", "search_path"),
        ("SHOW ALL", "name, setting, description"),
        ("EXPLAIN (COSTS off) SELECT id FROM users", "QUERY PLAN"),
        ("EXPLAIN (COSTS 0) SELECT ssn FROM users", "QUERY PLAN~users.ssn"),
        ("EXPLAIN SELECT id FROM orders", "QUERY PLAN"),
        ("EXPLAIN SELECT id FROM accounts", "QUERY PLAN~accounts.iban"),
        ("EXPLAIN (COSTS) SELECT id FROM accounts", "QUERY PLAN~accounts.iban"),
        ("EXPLAIN (COSTS off, COSTS on) SELECT id FROM accounts", "QUERY PLAN~accounts.iban"),
        ("EXPLAIN (COSTS off, ANALYZE) SELECT id FROM accounts", "QUERY PLAN~accounts.iban"),
        ("EXPLAIN DELETE FROM orders", "QUERY PLAN"),
        (
            "EXPLAIN (COSTS false) SELECT id FROM users WHERE ssn LIKE '1%'",
            "QUERY PLAN~users.ssn | WHERE: users.ssn",
        ),
        ("EXPLAIN SELECT * FROM nowhere", "QUERY PLAN?"),
        ("EXPLAIN (COSTS off) SELECT id FROM v_last", "QUERY PLAN~users.ssn"),
        ("EXPLAIN SELECT id FROM v_clean", "QUERY PLAN~users.ssn+users.salary+users.born+users.pay"),
        ("EXPLAIN EXECUTE p", "QUERY PLAN?"),
        ("PREPARE p AS SELECT ssn FROM users", "- | [ssn=users.ssn]"),
        ("PREPARE p AS SELECT id FROM users WHERE ssn = $1", "- | =$1: users.ssn | [id | =$1: users.ssn]"),
        ("DECLARE c CURSOR FOR SELECT id FROM users", "- | [id]"),
        ("EXECUTE p (1)", "*"),
        ("EXECUTE p (reads())", "* | into EXECUTE:  | public.reads()?"),
        ("FETCH ALL FROM c", "*"),
        ("MOVE c", "-"),
        ("COPY accounts TO STDOUT", "id, iban=accounts.iban, owner"),
        ("COPY accounts (iban, id) TO STDOUT", "iban=accounts.iban, id"),
        ("COPY log TO STDOUT (FORMAT csv)", "id, message, at"),
        ("COPY (SELECT id, upper(ssn) FROM users) TO STDOUT", "id, upper~users.ssn"),
        ("COPY nowhere TO STDOUT", "*"),
        ("COPY log FROM STDIN", "-"),
        ("COPY users (id, ssn) FROM STDIN", "-"),
        ("COPY accounts FROM STDIN", "- | probes: accounts.iban"),
        ("COPY accounts (id) FROM STDIN", "-"),
        ("BEGIN; SELECT ssn FROM users; COMMIT", "- // ssn=users.ssn // -"),
        ("DO 'BEGIN END'", "-"),
        ("CALL writes(1)", "* | public.writes()!"),
        ("SET x.y = 'z'", "-"),
        ("SELECT payload FROM events", "payload | foreign"),
        ("INSERT INTO events VALUES (1, 'x')", "- | foreign"),
        ("", ""),
    ]);
}

#[test]
fn names_without_a_known_search_path() {
    let any = Naming::default();
    check_named("SELECT id, ssn FROM users", &any, "id, ssn=users.ssn");
    check_named("SELECT name, badge FROM staff", &any, "name, badge=staff.badge");
    check_named("SELECT * FROM staff", &any, "id, name, badge=staff.badge");
    check_named("SELECT * FROM team", &any, "*");
    check_named("SELECT id, secret FROM team", &any, "id, secret=team.secret");
    check_named("SELECT label FROM team", &any, "label");
    check_named("SELECT badge FROM sales.staff", &any, "badge");
    let sales = Naming { search_path: Some(vec!["sales".into()]), ..Naming::default() };
    check_named("SELECT badge FROM staff", &sales, "badge");
    check_named("SELECT ssn FROM users", &sales, "ssn?");
    let hr = Naming { search_path: Some(vec!["hr".into(), "public".into()]), ..Naming::default() };
    check_named("SELECT badge FROM staff", &hr, "badge=staff.badge");
    check_named("SELECT relname FROM pg_class", &hr, "relname");
}

#[test]
fn names_that_the_transaction_has_changed() {
    let mut naming = super::default_naming();
    naming.uncertain.insert("log".into());
    check_named("SELECT message FROM log", &naming, "message?");
    check_named("SELECT message FROM public.log", &naming, "message?");
    check_named("SELECT * FROM v_clean", &naming, "id, name");
    naming.uncertain.insert("users".into());
    check_named("SELECT * FROM v_clean", &naming, "id?, name?");
    naming.uncertain.insert("computes".into());
    check_named("SELECT computes(1)", &naming, "computes? | computes()!");
}
