//! Queries of analysts and applications over unprotected columns.

use crate::attempt::Legitimate;

pub(super) const QUERIES: &[Legitimate] = &[
    Legitimate::query("constant", "SELECT 1 AS one, 'text' AS t, NULL AS n, true AS b, 1.50::numeric AS d"),
    Legitimate::query("columns", "SELECT id, name, team_id, level, active, joined FROM people ORDER BY id"),
    Legitimate::query("star-of-unprotected-table", "SELECT * FROM ledger ORDER BY id"),
    Legitimate::query(
        "where-order-limit",
        "SELECT name FROM people WHERE level >= 1 AND active ORDER BY joined DESC, id \
             LIMIT 3 OFFSET 1",
    ),
    Legitimate::query(
        "inner-join",
        "SELECT p.name, t.title FROM people p JOIN teams t ON t.id = p.team_id ORDER BY p.id",
    ),
    Legitimate::query(
        "left-join",
        "SELECT t.title, p.name FROM teams t LEFT JOIN people p ON p.team_id = t.id AND \
             p.level > 2 ORDER BY t.id, p.id",
    ),
    Legitimate::query(
        "full-join-using",
        "SELECT id, t.title, l.entry FROM teams t FULL JOIN ledger l USING (id) ORDER BY id",
    ),
    Legitimate::query(
        "three-tables",
        "SELECT t.title, count(DISTINCT v.room) FROM visits v JOIN people p ON p.id = \
             v.person_id JOIN teams t ON t.id = p.team_id GROUP BY t.title ORDER BY t.title",
    ),
    Legitimate::query(
        "self-join-of-tree",
        "SELECT c.title, p.title FROM teams c LEFT JOIN teams p ON p.id = c.parent_id \
             ORDER BY c.id",
    ),
    Legitimate::query(
        "aggregates",
        "SELECT count(*), count(entry), sum(amount), avg(amount), min(booked), \
             max(booked), bool_and(amount > 0) FROM ledger",
    ),
    Legitimate::query("count-of-protected-table", "SELECT count(*) FROM people"),
    Legitimate::query(
        "group-having",
        "SELECT team_id, count(*) AS n, max(level) FROM people GROUP BY team_id HAVING \
             count(*) > 1 ORDER BY n DESC, team_id",
    ),
    Legitimate::query(
        "grouping-sets",
        "SELECT team_id, active, count(*), grouping(team_id, active) FROM people GROUP BY \
             ROLLUP (team_id, active) ORDER BY 1 NULLS LAST, 2 NULLS LAST",
    ),
    Legitimate::query(
        "filter",
        "SELECT count(*) FILTER (WHERE active), sum(level) FILTER (WHERE team_id = 1) \
             FROM people",
    ),
    Legitimate::query(
        "string-agg",
        "SELECT team_id, string_agg(name, ', ' ORDER BY name) FROM people GROUP BY \
             team_id ORDER BY team_id",
    ),
    Legitimate::query("distinct", "SELECT DISTINCT level, active FROM people ORDER BY level, active"),
    Legitimate::query(
        "distinct-on",
        "SELECT DISTINCT ON (team_id) team_id, name FROM people ORDER BY team_id, joined",
    ),
    Legitimate::query(
        "window-functions",
        "SELECT name, rank() OVER w, sum(level) OVER (PARTITION BY team_id ORDER BY id), \
             lag(name) OVER w FROM people WINDOW w AS (ORDER BY level, id) ORDER BY id",
    ),
    Legitimate::query(
        "window-frame",
        "SELECT id, avg(cost) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) \
             FROM visits ORDER BY id",
    ),
    Legitimate::query(
        "ordered-set-aggregate",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY cost), mode() WITHIN GROUP \
             (ORDER BY room) FROM visits",
    ),
    Legitimate::query(
        "cte",
        "WITH busy AS (SELECT person_id, count(*) AS n FROM visits GROUP BY person_id) \
             SELECT p.name, b.n FROM people p JOIN busy b ON b.person_id = p.id ORDER BY p.id",
    ),
    Legitimate::query(
        "recursive-cte",
        "WITH RECURSIVE up(id, title, depth) AS (SELECT id, title, 0 FROM teams WHERE \
             parent_id IS NULL UNION ALL SELECT t.id, t.title, u.depth + 1 FROM teams t JOIN \
             up u ON t.parent_id = u.id) SELECT * FROM up ORDER BY id",
    ),
    Legitimate::query(
        "recursive-numbers",
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION SELECT i + 1 FROM n WHERE i < 10) \
             SELECT i, i * i FROM n ORDER BY i",
    ),
    Legitimate::query(
        "set-operations",
        "(SELECT name FROM people UNION SELECT title FROM teams) EXCEPT SELECT 'Ada' \
             ORDER BY 1",
    ),
    Legitimate::query(
        "exists",
        "SELECT title FROM teams t WHERE EXISTS (SELECT 1 FROM people p WHERE p.team_id = \
             t.id AND p.active) ORDER BY t.id",
    ),
    Legitimate::query(
        "not-in",
        "SELECT name FROM people WHERE id NOT IN (SELECT person_id FROM visits) ORDER BY id",
    ),
    Legitimate::query(
        "scalar-subquery",
        "SELECT t.title, (SELECT count(*) FROM people p WHERE p.team_id = t.id) FROM \
             teams t ORDER BY t.id",
    ),
    Legitimate::query(
        "lateral",
        "SELECT t.title, l.name FROM teams t CROSS JOIN LATERAL (SELECT name FROM people \
             p WHERE p.team_id = t.id ORDER BY p.id LIMIT 1) l ORDER BY t.id",
    ),
    Legitimate::query(
        "case-coalesce",
        "SELECT id, CASE WHEN amount < 0 THEN 'out' WHEN amount > 0 THEN 'in' ELSE 'none' \
             END, coalesce(entry, '-') FROM ledger ORDER BY id",
    ),
    Legitimate::query("failing-expression", "SELECT 100 / (level - level) FROM people ORDER BY id"),
    Legitimate::query("failing-cast", "SELECT entry::integer FROM ledger WHERE id = 1"),
    Legitimate::query(
        "json-members",
        "SELECT id, doc->>'kind', doc->'lines'->0, jsonb_array_length(doc->'lines') FROM \
             ledger WHERE doc IS NOT NULL ORDER BY id",
    ),
    Legitimate::query(
        "json-where",
        "SELECT id FROM ledger WHERE doc @> '{\"kind\": \"out\"}' AND doc ? 'lines' ORDER \
             BY id",
    ),
    Legitimate::query(
        "json-elements",
        "SELECT l.id, e.value FROM ledger l, jsonb_array_elements(l.doc->'lines') e ORDER \
             BY l.id, e.value::text",
    ),
    Legitimate::query(
        "json-built",
        "SELECT json_build_object('id', id, 'name', name), to_jsonb(level) FROM people \
             ORDER BY id",
    ),
    Legitimate::query(
        "json-of-unprotected-row",
        "SELECT row_to_json(t), to_jsonb(t) - 'floor' FROM teams t ORDER BY t.id",
    ),
    Legitimate::query(
        "json-aggregate",
        "SELECT jsonb_agg(jsonb_build_object('n', name) ORDER BY id) FROM people WHERE \
             team_id = 1",
    ),
    Legitimate::query(
        "arrays",
        "SELECT id, labels[1], array_length(labels, 1), 'b' = ANY (labels), labels || 'z' \
             FROM ledger ORDER BY id",
    ),
    Legitimate::query(
        "unnest",
        "SELECT l.id, u.label, u.n FROM ledger l, unnest(l.labels) WITH ORDINALITY \
             u(label, n) ORDER BY l.id, u.n",
    ),
    Legitimate::query(
        "array-aggregate",
        "SELECT team_id, array_agg(id ORDER BY id) FROM people GROUP BY team_id ORDER BY \
             team_id",
    ),
    Legitimate::query(
        "series",
        "SELECT g, g % 3, to_char(g, 'FM000') FROM generate_series(1, 12, 2) g ORDER BY g",
    ),
    Legitimate::query(
        "series-of-days",
        "SELECT d::date, extract(dow FROM d) FROM generate_series(timestamp '2026-01-01', \
             '2026-01-05', interval '1 day') d ORDER BY d",
    ),
    Legitimate::query(
        "dates",
        "SELECT joined, date_trunc('month', joined), extract(year FROM joined), joined + \
             interval '1 month', age(joined, date '2019-01-01') FROM people ORDER BY id",
    ),
    Legitimate::query(
        "timestamps",
        "SELECT changed, changed::date, to_char(changed, 'YYYY-MM-DD HH24:MI'), changed \
             AT TIME ZONE 'UTC' FROM ledger ORDER BY id",
    ),
    Legitimate::query(
        "texts",
        "SELECT upper(name), left(name, 2), lpad(name, 8, '.'), replace(name, 'a', 'o'), \
             length(name), split_part(name, 'r', 1), name ILIKE '%a%' FROM people ORDER BY id",
    ),
    Legitimate::query(
        "patterns",
        "SELECT name FROM people WHERE name ~ '^[A-D]' AND name NOT LIKE '%x%' ORDER BY name",
    ),
    Legitimate::query(
        "numbers",
        "SELECT id, round(amount, 1), abs(amount), amount % 7, power(2, id), \
             width_bucket(amount, -100, 100, 4) FROM ledger ORDER BY id",
    ),
    Legitimate::query(
        "casts",
        "SELECT level::text, joined::text, active::int, id::numeric(5,1), '{1,2}'::int[], \
             'open'::state FROM people ORDER BY id",
    ),
    Legitimate::query(
        "ranges-and-others",
        "SELECT int4range(1, 5), '10.0.0.1'::inet, '08:00'::time, interval '1 day 2 \
             hours', point(1, 2), '\\xdeadbeef'::bytea, B'1010', '<a/>'::xml",
    ),
    Legitimate::query(
        "enum-and-float",
        "SELECT title, state, weight, due FROM tasks WHERE state <> 'done' ORDER BY id",
    ),
    Legitimate::query("views", "SELECT * FROM directory ORDER BY id"),
    Legitimate::query(
        "view-aggregated",
        "SELECT team_id, heads, first FROM headcount WHERE heads > 1 ORDER BY team_id",
    ),
    Legitimate::query("harmless-column-of-view", "SELECT id, name FROM roster ORDER BY id"),
    Legitimate::query("harmless-column-of-child", "SELECT name, agency FROM contractors ORDER BY id"),
    Legitimate::query(
        "harmless-column-of-partition",
        "SELECT taken, meter FROM readings WHERE taken > '2026-03-03' ORDER BY taken",
    ),
    Legitimate::query("table-oid", "SELECT p.tableoid::regclass, p.id FROM people p ORDER BY p.id"),
    Legitimate::query("values", "VALUES (1, 'a'), (2, NULL), (3, 'c')"),
    Legitimate::query("user-function", "SELECT same(name) FROM people ORDER BY id"),
    Legitimate::query(
        "text-search",
        "SELECT to_tsvector('simple', title) @@ to_tsquery('simple', 'paint'), title FROM \
             tasks ORDER BY id",
    ),
    Legitimate::query("row-compare", "SELECT name FROM people WHERE (level, id) > (1, 3) ORDER BY level, id"),
    Legitimate::query("tablesample", "SELECT count(*) FROM ledger TABLESAMPLE SYSTEM (100)"),
    Legitimate::query(
        "fetch-with-ties",
        "SELECT level, name FROM people ORDER BY level FETCH FIRST 1 ROW ONLY",
    ),
    Legitimate::statement("explain", "EXPLAIN (COSTS OFF) SELECT entry FROM ledger WHERE id = 1"),
    Legitimate::statement(
        "explain-analyze",
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) SELECT \
             count(*) FROM teams",
    ),
    Legitimate::statement(
        "lock-rows",
        "SELECT id FROM tasks WHERE state = 'open' ORDER BY id FOR UPDATE SKIP LOCKED",
    ),
];
