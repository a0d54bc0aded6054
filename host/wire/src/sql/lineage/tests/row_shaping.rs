//! Protected columns that decide which rows come back.

use super::check_all;

#[test]
fn clauses() {
    check_all(&[
        ("SELECT id FROM users WHERE ssn LIKE '1%'", "id | WHERE: users.ssn"),
        ("SELECT id FROM users WHERE ssn > '1'", "id | WHERE: users.ssn"),
        ("SELECT id FROM users WHERE ssn IS NULL", "id | WHERE: users.ssn"),
        ("SELECT id FROM users WHERE substr(ssn, 1, 1) = '1'", "id | WHERE: users.ssn"),
        ("SELECT id FROM users WHERE ssn = name", "id | WHERE: users.ssn"),
        ("SELECT id FROM users WHERE ssn <> '1'", "id | WHERE: users.ssn"),
        ("SELECT id FROM users WHERE (ssn, id) = ('1', 2)", "id | WHERE: users.ssn"),
        (
            "SELECT id FROM users u WHERE u::text LIKE '%1%'",
            "id | WHERE: users.ssn+users.salary+users.born+users.pay",
        ),
        ("SELECT id FROM users ORDER BY ssn", "id | ORDER BY: users.ssn"),
        ("SELECT id, ssn AS x FROM users ORDER BY x", "id, x=users.ssn | ORDER BY: users.ssn"),
        ("SELECT id, ssn FROM users ORDER BY 2", "id, ssn=users.ssn | ORDER BY: users.ssn"),
        ("SELECT id, ssn FROM users ORDER BY 1", "id, ssn=users.ssn"),
        ("SELECT id, ssn AS name FROM users ORDER BY name", "id, name=users.ssn | ORDER BY: users.ssn"),
        ("SELECT id, name AS ssn FROM users ORDER BY ssn", "id, ssn"),
        ("SELECT id, name AS ssn FROM users ORDER BY upper(ssn)", "id, ssn | ORDER BY: users.ssn"),
        ("SELECT id FROM users ORDER BY CASE WHEN ssn = '1' THEN 1 END", "id | ORDER BY: users.ssn"),
        ("SELECT count(*) FROM users GROUP BY ssn", "count | GROUP BY: users.ssn"),
        ("SELECT ssn, count(*) FROM users GROUP BY 1", "ssn=users.ssn, count | GROUP BY: users.ssn"),
        (
            "SELECT upper(ssn) AS k, count(*) FROM users GROUP BY k",
            "k~users.ssn, count | GROUP BY: users.ssn",
        ),
        ("SELECT count(*) FROM users GROUP BY CUBE (name, ssn)", "count | GROUP BY: users.ssn"),
        ("SELECT name AS ssn FROM users GROUP BY ssn", "ssn | GROUP BY: users.ssn"),
        ("SELECT name FROM users GROUP BY name HAVING max(ssn) > '5'", "name | HAVING: users.ssn"),
        ("SELECT DISTINCT ssn FROM users", "ssn=users.ssn | DISTINCT: users.ssn"),
        ("SELECT DISTINCT name FROM users", "name"),
        ("SELECT DISTINCT ON (ssn) id FROM users", "id | DISTINCT: users.ssn"),
        ("SELECT DISTINCT ON (name) ssn FROM users ORDER BY name, id", "ssn=users.ssn"),
        ("SELECT row_number() OVER (ORDER BY ssn) FROM users", "row_number | ORDER BY: users.ssn"),
        ("SELECT count(*) OVER (PARTITION BY ssn) FROM users", "count | PARTITION BY: users.ssn"),
        ("SELECT rank() OVER w FROM users WINDOW w AS (ORDER BY salary)", "rank | ORDER BY: users.salary"),
        ("SELECT id FROM users LIMIT (SELECT length(max(ssn)) FROM users)", "id | LIMIT: users.ssn"),
        ("SELECT id FROM users OFFSET (SELECT length(max(ssn)) FROM users)", "id | OFFSET: users.ssn"),
        (
            "SELECT id FROM orders TABLESAMPLE bernoulli ((SELECT length(max(ssn)) FROM users))",
            "id | TABLESAMPLE: users.ssn",
        ),
        ("SELECT ssn FROM users UNION SELECT '1'", "ssn~users.ssn | UNION: users.ssn"),
        ("SELECT '1' INTERSECT SELECT ssn FROM users", "?column?~users.ssn | INTERSECT: users.ssn"),
        ("SELECT '1' EXCEPT ALL SELECT ssn FROM users", "?column?~users.ssn | EXCEPT: users.ssn"),
        ("SELECT ssn FROM users UNION ALL SELECT 'x' ORDER BY 1", "ssn~users.ssn | ORDER BY: users.ssn"),
        (
            "SELECT id FROM users WHERE EXISTS (SELECT 1 FROM accounts WHERE iban LIKE 'D%')",
            "id | WHERE: accounts.iban",
        ),
        ("SELECT id FROM users WHERE name IN (SELECT iban FROM accounts)", "id | WHERE: accounts.iban"),
        ("SELECT id FROM users WHERE (SELECT max(ssn) FROM users) > '5'", "id | WHERE: users.ssn"),
        ("WITH x AS (SELECT id FROM users WHERE ssn LIKE '1%') SELECT * FROM x", "id | WHERE: users.ssn"),
        (
            "WITH RECURSIVE t (s) AS (SELECT ssn FROM users UNION SELECT s FROM t) SELECT 1 FROM t",
            "?column? | UNION: users.ssn",
        ),
        ("SELECT id FROM v_users WHERE ssn LIKE '1%'", "id | WHERE: users.ssn"),
        ("SELECT id FROM v_last WHERE last4 = '1234'", "id | WHERE: users.ssn"),
        ("SELECT id FROM m_users ORDER BY ssn", "id | ORDER BY: users.ssn"),
        ("SELECT x FROM nowhere WHERE y = 1", "x? | WHERE: "),
        ("SELECT id FROM users FOR UPDATE", "id"),
        (
            "SELECT id FROM users WHERE id IN (SELECT user_id FROM orders WHERE amount > 5) ORDER BY name LIMIT 5 OFFSET 2",
            "id",
        ),
    ]);
}

#[test]
fn rows_from_values() {
    check_all(&[
        (
            "SELECT unnest(tags) FROM payload",
            "unnest~payload.tags | a function that returns rows: payload.tags | fails unnest: payload.tags",
        ),
        (
            "SELECT 1 FROM payload, jsonb_array_elements(data)",
            "?column? | a function that returns rows: payload.data | fails jsonb_array_elements: payload.data",
        ),
        (
            "SELECT 1 FROM users, generate_series(1, length(ssn))",
            "?column? | a function that returns rows: users.ssn | fails generate_series: users.ssn",
        ),
        (
            "SELECT 1 FROM users, LATERAL (SELECT regexp_split_to_table(ssn, '')) x",
            "?column? | a function that returns rows: users.ssn | fails regexp_split_to_table: users.ssn",
        ),
        (
            "SELECT x.* FROM payload, JSON_TABLE(data, '$[*]' COLUMNS (a int PATH '$.a', n FOR ORDINALITY, NESTED PATH '$.b' COLUMNS (c text))) x",
            "a~payload.data, n~payload.data, c~payload.data | JSON_TABLE: payload.data | fails json_table: payload.data",
        ),
        ("SELECT x.* FROM payload, JSON_TABLE(open, '$[*]' COLUMNS (a int PATH '$.a')) x", "a"),
        ("SELECT x.a FROM log, XMLTABLE('/r' PASSING (message::xml) COLUMNS a int PATH '@a') x", "a"),
        (
            "SELECT x.a FROM users, XMLTABLE('/r' PASSING (ssn::xml) COLUMNS a int PATH '@a') x",
            "a~users.ssn | XMLTABLE: users.ssn | fails xml: users.ssn",
        ),
        ("SELECT unnest(words) FROM payload", "unnest"),
    ]);
}

#[test]
fn equality() {
    check_all(&[
        ("SELECT id FROM users WHERE ssn = $1", "id | =$1: users.ssn"),
        ("SELECT id FROM users WHERE $1 = ssn", "id | =$1: users.ssn"),
        ("SELECT id FROM users WHERE ssn = '123'", "id | ='123': users.ssn"),
        ("SELECT id FROM users WHERE ssn = 'it''s'", "id | ='it''s': users.ssn"),
        ("SELECT id FROM users WHERE ssn = E'a\\'b'", "id | =E'a\\'b': users.ssn"),
        ("SELECT id FROM users WHERE ssn = '1'::text AND name = 'x'", "id | ='1': users.ssn"),
        ("SELECT id FROM users WHERE ssn = $1::text OR salary = 5", "id | =$1: users.ssn | =: users.salary"),
        ("SELECT id FROM users WHERE ssn IN ('1', '2', $3)", "id | ='1','2',$3: users.ssn"),
        ("SELECT id FROM users WHERE ssn = ANY ($1)", "id | =$1: users.ssn"),
        ("SELECT id FROM users WHERE ssn = ANY (ARRAY['1', $1])", "id | ='1',$1: users.ssn"),
        ("SELECT id FROM users WHERE NOT (ssn = $1)", "id | =$1: users.ssn"),
        ("SELECT id FROM users WHERE ssn = $1 AND ssn LIKE '1%'", "id | WHERE: users.ssn"),
        ("SELECT id FROM users WHERE ssn = $1 AND upper(ssn) = $2", "id | WHERE: users.ssn"),
        ("SELECT id FROM users WHERE ssn::varchar = $1", "id | WHERE: users.ssn"),
        ("SELECT id FROM users WHERE ssn = upper($1)", "id | WHERE: users.ssn"),
        ("SELECT id FROM users WHERE ssn NOT IN ('1')", "id | WHERE: users.ssn"),
        ("SELECT id FROM users WHERE (ssn = $1) IS TRUE", "id | WHERE: users.ssn"),
        ("SELECT id FROM users WHERE ssn IS NOT DISTINCT FROM $1", "id | WHERE: users.ssn"),
        ("SELECT o.id FROM orders o JOIN users u ON u.id = o.user_id AND u.ssn = $1", "id | =$1: users.ssn"),
        (
            "SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM users u WHERE u.id = o.user_id AND u.ssn = $1)",
            "id | =$1: users.ssn",
        ),
        ("SELECT id FROM v_users WHERE ssn = $1", "id | =$1: users.ssn"),
        ("SELECT id FROM (SELECT id, ssn AS s FROM users) x WHERE s = $1", "id | =$1: users.ssn"),
        ("UPDATE users SET name = 'x' WHERE ssn = $1", "- | =$1: users.ssn"),
        ("DELETE FROM users WHERE ssn = '1'", "- | ='1': users.ssn"),
    ]);
}

#[test]
fn vectors() {
    check_all(&[
        ("SELECT id FROM docs ORDER BY embedding <-> $1 LIMIT 5", "id"),
        ("SELECT id FROM docs ORDER BY embedding <-> '[1,2]'::vector LIMIT 5", "id"),
        ("SELECT id FROM docs ORDER BY $1 <-> embedding", "id"),
        ("SELECT id, embedding <-> $1 AS d FROM docs ORDER BY d LIMIT 5", "id, d~docs.embedding"),
        ("SELECT id, embedding <-> $1 FROM docs ORDER BY 2", "id, ?column?~docs.embedding"),
        ("SELECT embedding FROM docs", "embedding=docs.embedding"),
        ("SELECT embedding::text FROM docs", "embedding~docs.embedding"),
        ("SELECT id FROM docs WHERE embedding <-> $1 < 0.5", "id | WHERE: docs.embedding"),
        (
            "SELECT a.id FROM docs a, docs b ORDER BY a.embedding <-> b.embedding",
            "id | ORDER BY: docs.embedding",
        ),
        ("SELECT id FROM docs ORDER BY embedding", "id | ORDER BY: docs.embedding"),
        ("SELECT id FROM docs ORDER BY (embedding <-> $1) + 1", "id | ORDER BY: docs.embedding"),
        ("INSERT INTO docs (id, body, embedding) VALUES ($1, $2, $3)", "-"),
    ]);
}
