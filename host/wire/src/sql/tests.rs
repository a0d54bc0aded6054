//! What `analyze` says of statements of every kind. The tables are snapshots: `UPDATE_EXPECT=1` writes them anew, and
//! then each changed line is to be read.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

/// Kind and effects, then objects, `!` features, `.` columns, names, and in `<>` the statement inside.
fn render(action: &Action) -> String {
    let words = action.effects.words().collect::<Vec<_>>().join(" ");
    let mut line = format!("{} [{words}]", action.kind);
    for object in &action.objects {
        line += &format!(" {}:{}({})", object.access, object.name, object.kind);
    }
    let mut list = |sign: &str, words: Vec<&str>| {
        if !words.is_empty() {
            line += &format!(" {sign}{}", words.join(sign));
        }
    };
    list(" !", action.features.clone());
    list(" .", action.columns.iter().map(String::as_str).collect());
    list(" name=", action.names.iter().map(String::as_str).collect());
    list(" setting=", action.setting.iter().map(String::as_str).collect());
    if let Some(inner) = &action.inner {
        line += &format!(" <{}>", render(inner));
    }
    line
}

fn table(statements: &[&str]) -> String {
    statements.iter().map(|sql| format!("{}\n    {}\n", shown(sql), outcome(sql))).collect()
}

fn shown(sql: &str) -> String {
    if sql.contains(char::is_control) { format!("{sql:?}") } else { (*sql).to_owned() }
}

fn outcome(sql: &str) -> String {
    match analyze(sql) {
        Ok(actions) if actions.is_empty() => "nothing".to_owned(),
        Ok(actions) => actions.iter().map(render).collect::<Vec<_>>().join("\n    "),
        Err(error) => format!("refused: {error}"),
    }
}

fn check(statements: &[&str], expected: Expect) {
    expected.assert_eq(&table(statements));
}

#[test]
fn reading() {
    check(
        &[
            "",
            " -- only a comment\n ; ; /* another */",
            "SELECT 1",
            "VALUES (1)",
            "TABLE users",
            "SELECT u.email, lower(name) FROM public.users u WHERE id = $1",
            "SELECT a FROM db.s.t",
            "SELECT * FROM users",
            "SELECT u.* FROM users u",
            "SELECT u FROM users u",
            "SELECT users FROM users",
            "SELECT to_jsonb(u) FROM users u",
            "SELECT u.to_jsonb FROM users u",
            "SELECT (u).email, (d.s).ssn FROM users u, d",
            "SELECT (u).* FROM users u",
            "SELECT u::text FROM (SELECT * FROM users) u",
            "SELECT b FROM users AS u (a, b, c)",
            "SELECT j.b FROM (users JOIN orders USING (user_id)) AS j (a, b)",
            "SELECT 1 FROM users NATURAL JOIN orders",
            "SELECT x FROM unnest(ARRAY[1]) x",
            "SELECT id AS ssn FROM users",
            "SELECT count(*) FROM users GROUP BY ssn HAVING max(age) > 1 ORDER BY name",
            "SELECT sum(a) FILTER (WHERE b) OVER (PARTITION BY c ORDER BY d) FROM t WINDOW w AS (PARTITION BY e)",
            "SELECT CASE WHEN a THEN b ELSE c END, COALESCE(d, e), GREATEST(f), NULLIF(g, h), a[i:j], ROW(k), ARRAY[l] FROM t",
            "SELECT a FROM t WHERE EXISTS (SELECT FROM o WHERE o.x = t.y) AND b IN (SELECT c FROM p)",
            "SELECT * FROM t TABLESAMPLE bernoulli(1), LATERAL f(t.a) g, ROWS FROM (h(1), i(2)) r",
            "SELECT xmlelement(name x, a), extract(year FROM b), a AT TIME ZONE 'UTC', substring(c FROM 1), d COLLATE \"C\" FROM t",
            "SELECT * FROM XMLTABLE('/a' PASSING doc COLUMNS b int PATH 'c' DEFAULT f(d))",
            "SELECT * FROM JSON_TABLE(doc, '$' COLUMNS (a int PATH '$.a'))",
            "SELECT JSON_OBJECT('k': a), JSON_VALUE(b, '$' PASSING c AS d), IS_JSON FROM t WHERE e IS JSON",
            "SELECT a FROM t UNION ALL SELECT b FROM u INTERSECT SELECT c FROM v LIMIT (SELECT d FROM w)",
            "SELECT a FROM t GROUP BY GROUPING SETS ((b), CUBE (c, d)) ORDER BY e USING <",
            "SELECT \"Weird.Name\" FROM \"a.b\".\"c\"\"d\"",
            "SELECT U&\"\\0075sers\".a FROM U&\"d!0061t\" UESCAPE '!'",
            "SELECT DISTINCT ON (a) b FROM ONLY t* ",
            "SELECT a FROM t FETCH FIRST 1 ROW WITH TIES",
            "SELECT * INTO copy FROM users",
            "SELECT 1 INTO TEMP x UNION SELECT 2",
        ],
        expect![[r#"

                nothing
            " -- only a comment\n ; ; /* another */"
                nothing
            SELECT 1
                select [read]
            VALUES (1)
                select [read]
            TABLE users
                select [read] read:users(relation)  .*
            SELECT u.email, lower(name) FROM public.users u WHERE id = $1
                select [read] call:lower(function) read:public.users(relation)  .email .id .name
            SELECT a FROM db.s.t
                select [read] read:db.s.t(relation)  .a
            SELECT * FROM users
                select [read] read:users(relation)  .*
            SELECT u.* FROM users u
                select [read] read:users(relation)  .*
            SELECT u FROM users u
                select [read] read:users(relation)  .* .u
            SELECT users FROM users
                select [read] read:users(relation)  .* .users
            SELECT to_jsonb(u) FROM users u
                select [read] call:to_jsonb(function) read:users(relation)  .* .u
            SELECT u.to_jsonb FROM users u
                select [read] read:users(relation)  .* .to_jsonb
            SELECT (u).email, (d.s).ssn FROM users u, d
                select [read] read:users(relation) read:d(relation)  .* .email .s .ssn .u
            SELECT (u).* FROM users u
                select [read] read:users(relation)  .* .u
            SELECT u::text FROM (SELECT * FROM users) u
                select [read] read:users(relation)  .* .u
            SELECT b FROM users AS u (a, b, c)
                select [read] read:users(relation)  .* .b
            SELECT j.b FROM (users JOIN orders USING (user_id)) AS j (a, b)
                select [read] read:users(relation) read:orders(relation)  .* .b .user_id
            SELECT 1 FROM users NATURAL JOIN orders
                select [read] read:users(relation) read:orders(relation)  .*
            SELECT x FROM unnest(ARRAY[1]) x
                select [read] call:unnest(function)  .x
            SELECT id AS ssn FROM users
                select [read] read:users(relation)  .id
            SELECT count(*) FROM users GROUP BY ssn HAVING max(age) > 1 ORDER BY name
                select [read] call:count(function) read:users(relation) call:max(function)  .age .name .ssn
            SELECT sum(a) FILTER (WHERE b) OVER (PARTITION BY c ORDER BY d) FROM t WINDOW w AS (PARTITION BY e)
                select [read] call:sum(function) read:t(relation)  .a .b .c .d .e
            SELECT CASE WHEN a THEN b ELSE c END, COALESCE(d, e), GREATEST(f), NULLIF(g, h), a[i:j], ROW(k), ARRAY[l] FROM t
                select [read] read:t(relation)  .a .b .c .d .e .f .g .h .i .j .k .l
            SELECT a FROM t WHERE EXISTS (SELECT FROM o WHERE o.x = t.y) AND b IN (SELECT c FROM p)
                select [read] read:t(relation) read:o(relation) read:p(relation)  .a .b .c .x .y
            SELECT * FROM t TABLESAMPLE bernoulli(1), LATERAL f(t.a) g, ROWS FROM (h(1), i(2)) r
                select [read] read:t(relation) call:bernoulli(function) call:f(function) call:h(function) call:i(function)  .* .a
            SELECT xmlelement(name x, a), extract(year FROM b), a AT TIME ZONE 'UTC', substring(c FROM 1), d COLLATE "C" FROM t
                select [read] call:pg_catalog.extract(function) call:pg_catalog.timezone(function) call:pg_catalog.substring(function) read:t(relation)  .a .b .c .d
            SELECT * FROM XMLTABLE('/a' PASSING doc COLUMNS b int PATH 'c' DEFAULT f(d))
                select [read] call:f(function)  .* .d .doc
            SELECT * FROM JSON_TABLE(doc, '$' COLUMNS (a int PATH '$.a'))
                select [read]  .* .doc
            SELECT JSON_OBJECT('k': a), JSON_VALUE(b, '$' PASSING c AS d), IS_JSON FROM t WHERE e IS JSON
                select [read] read:t(relation)  .a .b .c .e .is_json
            SELECT a FROM t UNION ALL SELECT b FROM u INTERSECT SELECT c FROM v LIMIT (SELECT d FROM w)
                select [read] read:t(relation) read:u(relation) read:v(relation) read:w(relation)  .a .b .c .d
            SELECT a FROM t GROUP BY GROUPING SETS ((b), CUBE (c, d)) ORDER BY e USING <
                select [read] read:t(relation)  .a .b .c .d .e
            SELECT "Weird.Name" FROM "a.b"."c""d"
                select [read] read:"a.b"."c""d"(relation)  .Weird.Name
            SELECT U&"\0075sers".a FROM U&"d!0061t" UESCAPE '!'
                select [read] read:dat(relation)  .a
            SELECT DISTINCT ON (a) b FROM ONLY t* 
                refused: syntax error at or near "*"
            SELECT a FROM t FETCH FIRST 1 ROW WITH TIES
                refused: WITH TIES cannot be specified without ORDER BY clause
            SELECT * INTO copy FROM users
                select into [read insert define] define:copy(relation) read:users(relation)  !select-into  .*
            SELECT 1 INTO TEMP x UNION SELECT 2
                select into [read insert define] define:x(relation)  !select-into !temporary
        "#]],
    );
}

#[test]
fn with_queries_are_not_relations() {
    check(
        &[
            "WITH c AS (SELECT a FROM t) SELECT a FROM c",
            "WITH c AS (SELECT 1), d AS (SELECT * FROM c, e) SELECT * FROM d",
            // A query sees those before it only: these read tables.
            "WITH users AS (SELECT * FROM users) SELECT * FROM users",
            "WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT 1 FROM a",
            "WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT 1 UNION SELECT * FROM b) SELECT 1 FROM a",
            "WITH c AS (SELECT 1) SELECT * FROM public.c",
            "SELECT (WITH c AS (SELECT 1) SELECT * FROM c), (SELECT a FROM c)",
            "WITH c AS (SELECT 1) SELECT (SELECT * FROM c WHERE EXISTS (SELECT FROM c))",
            "WITH c AS (SELECT 1) SELECT * FROM (WITH c AS (SELECT * FROM c) SELECT * FROM c) x",
            "WITH c AS (SELECT 1) INSERT INTO c SELECT * FROM c",
            "WITH c AS (SELECT 1) SELECT 1 UNION SELECT * FROM c",
            "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d",
            "WITH a AS (INSERT INTO t VALUES (1)), b AS (UPDATE u SET x = 1 WHERE y), c AS (MERGE INTO v USING w ON true WHEN MATCHED THEN DELETE) SELECT 1",
            "SELECT * FROM t WHERE a IN (WITH d AS (SELECT 1) SELECT * FROM d) -- WITH",
            "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SEARCH DEPTH FIRST BY n SET o CYCLE n SET x USING p SELECT n FROM t",
        ],
        expect![[r#"
            WITH c AS (SELECT a FROM t) SELECT a FROM c
                select [read] read:t(relation)  .a
            WITH c AS (SELECT 1), d AS (SELECT * FROM c, e) SELECT * FROM d
                select [read] read:e(relation)  .*
            WITH users AS (SELECT * FROM users) SELECT * FROM users
                select [read] read:users(relation)  .*
            WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT 1 FROM a
                select [read] read:b(relation)  .*
            WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT 1 UNION SELECT * FROM b) SELECT 1 FROM a
                select [read]  .*
            WITH c AS (SELECT 1) SELECT * FROM public.c
                select [read] read:public.c(relation)  .*
            SELECT (WITH c AS (SELECT 1) SELECT * FROM c), (SELECT a FROM c)
                select [read] read:c(relation)  .* .a
            WITH c AS (SELECT 1) SELECT (SELECT * FROM c WHERE EXISTS (SELECT FROM c))
                select [read]  .*
            WITH c AS (SELECT 1) SELECT * FROM (WITH c AS (SELECT * FROM c) SELECT * FROM c) x
                select [read]  .*
            WITH c AS (SELECT 1) INSERT INTO c SELECT * FROM c
                insert [read insert] insert:c(relation)  .*
            WITH c AS (SELECT 1) SELECT 1 UNION SELECT * FROM c
                select [read]  .*
            WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d
                select [read delete] delete:t(relation)  !cte-write !no-where  .*
            WITH a AS (INSERT INTO t VALUES (1)), b AS (UPDATE u SET x = 1 WHERE y), c AS (MERGE INTO v USING w ON true WHEN MATCHED THEN DELETE) SELECT 1
                select [read insert update delete] insert:t(relation) update:u(relation) delete:v(relation) read:w(relation)  !cte-write  .x .y
            SELECT * FROM t WHERE a IN (WITH d AS (SELECT 1) SELECT * FROM d) -- WITH
                select [read] read:t(relation)  .* .a
            WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SEARCH DEPTH FIRST BY n SET o CYCLE n SET x USING p SELECT n FROM t
                select [read]  .n
        "#]],
    );
}

#[test]
fn writing() {
    check(
        &[
            "INSERT INTO t VALUES (1, 'x')",
            "INSERT INTO t (a, b.c) VALUES ($1, lower($2)) RETURNING d AS e",
            "INSERT INTO t DEFAULT VALUES",
            "INSERT INTO t SELECT * FROM u",
            "INSERT INTO t (a) VALUES ((SELECT ssn FROM users))",
            "INSERT INTO t AS x (a) VALUES (1) ON CONFLICT (b) DO UPDATE SET c = excluded.d WHERE x.e RETURNING x",
            "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING RETURNING *",
            "UPDATE t SET a = 1",
            "UPDATE t SET a = 1 WHERE true",
            "UPDATE t SET a = 1 WHERE 1 = 1 OR 'a' = 'b'",
            "UPDATE t SET a = 1 WHERE $1",
            "UPDATE t SET a = 1 WHERE random() < 2",
            "UPDATE t SET a = 1 WHERE (SELECT true)",
            "UPDATE t SET a = 1 WHERE EXISTS (SELECT FROM u)",
            "UPDATE t SET a = 1 WHERE id = 1",
            "UPDATE t SET (a, b) = (SELECT c, d FROM u), e[1].f = 2 WHERE CURRENT OF cur",
            "UPDATE ONLY s.t AS x SET a = y.b FROM u y WHERE x.c = y.c RETURNING old.a, new.b",
            "UPDATE t SET a = 1 WHERE id = 1 RETURNING WITH (OLD AS o) o",
            "DELETE FROM t",
            "DELETE FROM t WHERE NOT false",
            "DELETE FROM t WHERE a IS NOT NULL",
            "DELETE FROM t USING u WHERE t.a = u.b RETURNING *",
            "DELETE FROM t WHERE CURRENT OF c",
            "MERGE INTO t USING (SELECT * FROM u) s ON t.a = s.b WHEN MATCHED AND t.c THEN UPDATE SET d = s.e WHEN NOT MATCHED THEN INSERT (f) VALUES (s.g) WHEN NOT MATCHED BY SOURCE THEN DELETE RETURNING merge_action(), t.*",
            "MERGE INTO t USING u ON true WHEN MATCHED THEN DO NOTHING",
            "TRUNCATE t, s.u RESTART IDENTITY CASCADE",
            "LOCK TABLE t, ONLY u IN SHARE MODE NOWAIT",
            "SELECT a FROM t FOR UPDATE",
            "SELECT a FROM t x, u FOR NO KEY UPDATE OF x SKIP LOCKED FOR SHARE OF u",
            "SELECT a FROM (SELECT * FROM t) x FOR UPDATE OF x",
            "WITH c AS (SELECT * FROM t) SELECT * FROM u, c FOR UPDATE",
            "SELECT nextval('s'), pg_advisory_lock(1), pg_notify('c', 'p')",
        ],
        expect![[r#"
            INSERT INTO t VALUES (1, 'x')
                insert [insert] insert:t(relation)
            INSERT INTO t (a, b.c) VALUES ($1, lower($2)) RETURNING d AS e
                insert [read insert] insert:t(relation) call:lower(function)  .a .b .c .d
            INSERT INTO t DEFAULT VALUES
                insert [insert] insert:t(relation)
            INSERT INTO t SELECT * FROM u
                insert [read insert] insert:t(relation) read:u(relation)  .*
            INSERT INTO t (a) VALUES ((SELECT ssn FROM users))
                insert [read insert] insert:t(relation) read:users(relation)  .a .ssn
            INSERT INTO t AS x (a) VALUES (1) ON CONFLICT (b) DO UPDATE SET c = excluded.d WHERE x.e RETURNING x
                insert [read insert update] insert:t(relation) update:t(relation)  .* .a .b .c .d .e .x
            INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING RETURNING *
                insert [read insert] insert:t(relation)  .*
            UPDATE t SET a = 1
                update [update] update:t(relation)  !no-where  .a
            UPDATE t SET a = 1 WHERE true
                update [update] update:t(relation)  !constant-where  .a
            UPDATE t SET a = 1 WHERE 1 = 1 OR 'a' = 'b'
                update [update] update:t(relation)  !constant-where  .a
            UPDATE t SET a = 1 WHERE $1
                update [update] update:t(relation)  !constant-where  .a
            UPDATE t SET a = 1 WHERE random() < 2
                update [update] update:t(relation) call:random(function)  !constant-where  .a
            UPDATE t SET a = 1 WHERE (SELECT true)
                update [read update] update:t(relation)  !constant-where  .a
            UPDATE t SET a = 1 WHERE EXISTS (SELECT FROM u)
                update [read update] update:t(relation) read:u(relation)  .a
            UPDATE t SET a = 1 WHERE id = 1
                update [update] update:t(relation)  .a .id
            UPDATE t SET (a, b) = (SELECT c, d FROM u), e[1].f = 2 WHERE CURRENT OF cur
                update [read update] update:t(relation) read:u(relation)  .a .b .c .d .e .f
            UPDATE ONLY s.t AS x SET a = y.b FROM u y WHERE x.c = y.c RETURNING old.a, new.b
                update [read update] update:s.t(relation) read:u(relation)  .a .b .c
            UPDATE t SET a = 1 WHERE id = 1 RETURNING WITH (OLD AS o) o
                update [read update] update:t(relation)  .* .a .id .o
            DELETE FROM t
                delete [delete] delete:t(relation)  !no-where
            DELETE FROM t WHERE NOT false
                delete [delete] delete:t(relation)  !constant-where
            DELETE FROM t WHERE a IS NOT NULL
                delete [delete] delete:t(relation)  .a
            DELETE FROM t USING u WHERE t.a = u.b RETURNING *
                delete [read delete] delete:t(relation) read:u(relation)  .* .a .b
            DELETE FROM t WHERE CURRENT OF c
                delete [delete] delete:t(relation)
            MERGE INTO t USING (SELECT * FROM u) s ON t.a = s.b WHEN MATCHED AND t.c THEN UPDATE SET d = s.e WHEN NOT MATCHED THEN INSERT (f) VALUES (s.g) WHEN NOT MATCHED BY SOURCE THEN DELETE RETURNING merge_action(), t.*
                merge [read insert update delete] insert:t(relation) update:t(relation) delete:t(relation) read:u(relation)  .* .a .b .c .d .e .f .g
            MERGE INTO t USING u ON true WHEN MATCHED THEN DO NOTHING
                merge [read] read:t(relation) read:u(relation)
            TRUNCATE t, s.u RESTART IDENTITY CASCADE
                truncate table [delete] truncate:t(relation) truncate:s.u(relation)  !cascade !truncate
            LOCK TABLE t, ONLY u IN SHARE MODE NOWAIT
                lock table [lock] lock:t(relation) lock:u(relation)
            SELECT a FROM t FOR UPDATE
                select [read lock] read:t(relation) lock:t(relation)  .a
            SELECT a FROM t x, u FOR NO KEY UPDATE OF x SKIP LOCKED FOR SHARE OF u
                select [read lock] read:t(relation) lock:t(relation) read:u(relation) lock:u(relation)  .a
            SELECT a FROM (SELECT * FROM t) x FOR UPDATE OF x
                select [read lock] read:t(relation) lock:t(relation)  .* .a
            WITH c AS (SELECT * FROM t) SELECT * FROM u, c FOR UPDATE
                select [read lock] read:t(relation) read:u(relation) lock:u(relation)  .*
            SELECT nextval('s'), pg_advisory_lock(1), pg_notify('c', 'p')
                select [read notify lock] call:nextval(function) call:pg_advisory_lock(function) call:pg_notify(function)
        "#]],
    );
}

#[test]
fn copying() {
    check(
        &[
            "COPY t TO STDOUT",
            "COPY s.t (a, b) TO STDOUT (FORMAT csv)",
            "COPY t FROM STDIN",
            "COPY t (a) FROM '/etc/passwd' WHERE b > 1",
            "COPY t TO PROGRAM 'sh -c id'",
            "COPY (SELECT ssn FROM users) TO STDOUT",
            "COPY (DELETE FROM users RETURNING *) TO '/tmp/x'",
        ],
        expect![[r#"
            COPY t TO STDOUT
                copy [read copy] read:t(relation)  !copy-stream  .*
            COPY s.t (a, b) TO STDOUT (FORMAT csv)
                copy [read copy] read:s.t(relation)  !copy-stream  .a .b
            COPY t FROM STDIN
                copy [insert copy] insert:t(relation)  !copy-stream  .*
            COPY t (a) FROM '/etc/passwd' WHERE b > 1
                copy [insert copy] insert:t(relation)  !copy-file  .a .b
            COPY t TO PROGRAM 'sh -c id'
                copy [read copy] read:t(relation)  !copy-program  .*
            COPY (SELECT ssn FROM users) TO STDOUT
                copy [read copy] read:users(relation)  !copy-stream  .ssn
            COPY (DELETE FROM users RETURNING *) TO '/tmp/x'
                copy [read delete copy] delete:users(relation)  !copy-file !no-where  .*
        "#]],
    );
}

#[test]
fn statements_inside_statements() {
    check(
        &[
            "EXPLAIN SELECT * FROM t",
            "EXPLAIN DELETE FROM t",
            "EXPLAIN ANALYZE DELETE FROM t",
            "EXPLAIN (ANALYZE false, VERBOSE) DELETE FROM t",
            "EXPLAIN (ANALYZE off, COSTS) UPDATE t SET a = 1",
            "EXPLAIN (ANALYZE 0) UPDATE t SET a = 1",
            "EXPLAIN (ANALYZE 1) UPDATE t SET a = 1",
            "EXPLAIN (VERBOSE, ANALYZE on) UPDATE t SET a = pg_read_file('x') WHERE b",
            "EXPLAIN (ANALYZE, ANALYZE false) DELETE FROM t WHERE a",
            "EXPLAIN (GENERIC_PLAN) SELECT set_config('a', 'b', false), pg_read_file($1)",
            "EXPLAIN WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d",
            "EXPLAIN EXECUTE p(1)",
            "EXPLAIN ANALYZE EXECUTE p(1)",
            "EXPLAIN ANALYZE CREATE TABLE x AS SELECT * FROM users",
            "PREPARE p (int) AS SELECT ssn FROM users WHERE id = $1",
            "PREPARE p AS DELETE FROM t",
            "EXECUTE p (1, f(2))",
            "DEALLOCATE p",
            "DEALLOCATE PREPARE ALL",
            "DECLARE c CURSOR FOR SELECT ssn FROM users FOR UPDATE",
            "FETCH ALL FROM c",
            "MOVE 5 IN \"C\"",
            "CLOSE c",
            "CLOSE ALL",
            "CREATE TABLE x AS SELECT ssn FROM users",
            "CREATE TEMP TABLE x (a, b) AS EXECUTE p (1) WITH NO DATA",
            "CREATE MATERIALIZED VIEW x AS SELECT * FROM users WITH DATA",
            "REFRESH MATERIALIZED VIEW CONCURRENTLY x",
            "DO $$ BEGIN DELETE FROM t; END $$",
            "DO LANGUAGE plpgsql 'BEGIN END'",
            "CALL s.p(1, (SELECT ssn FROM users))",
        ],
        expect![[r#"
            EXPLAIN SELECT * FROM t
                explain [read] read:t(relation)  .* <select [read] read:t(relation)  .*>
            EXPLAIN DELETE FROM t
                explain [read] read:t(relation) <delete [delete] delete:t(relation)  !no-where>
            EXPLAIN ANALYZE DELETE FROM t
                explain [read delete] delete:t(relation)  !explain-analyze !no-where <delete [delete] delete:t(relation)  !no-where>
            EXPLAIN (ANALYZE false, VERBOSE) DELETE FROM t
                explain [read] read:t(relation) <delete [delete] delete:t(relation)  !no-where>
            EXPLAIN (ANALYZE off, COSTS) UPDATE t SET a = 1
                explain [read] read:t(relation)  .a <update [update] update:t(relation)  !no-where  .a>
            EXPLAIN (ANALYZE 0) UPDATE t SET a = 1
                explain [read] read:t(relation)  .a <update [update] update:t(relation)  !no-where  .a>
            EXPLAIN (ANALYZE 1) UPDATE t SET a = 1
                explain [read update] update:t(relation)  !explain-analyze !no-where  .a <update [update] update:t(relation)  !no-where  .a>
            EXPLAIN (VERBOSE, ANALYZE on) UPDATE t SET a = pg_read_file('x') WHERE b
                explain [read update] update:t(relation) call:pg_read_file(function)  !dangerous-function !explain-analyze  .a .b <update [update] update:t(relation) call:pg_read_file(function)  !dangerous-function  .a .b>
            EXPLAIN (ANALYZE, ANALYZE false) DELETE FROM t WHERE a
                explain [read delete] delete:t(relation)  !explain-analyze  .a <delete [delete] delete:t(relation)  .a>
            EXPLAIN (GENERIC_PLAN) SELECT set_config('a', 'b', false), pg_read_file($1)
                explain [read] call:set_config(function) set:*(setting) call:pg_read_file(function)  !dangerous-function !set-config <select [read session] call:set_config(function) set:*(setting) call:pg_read_file(function)  !dangerous-function !set-config>
            EXPLAIN WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d
                explain [read] read:t(relation)  .* <select [read delete] delete:t(relation)  !cte-write !no-where  .*>
            EXPLAIN EXECUTE p(1)
                explain [read] <execute [session]  name=p>
            EXPLAIN ANALYZE EXECUTE p(1)
                explain [read session execute]  !explain-analyze <execute [session]  name=p>
            EXPLAIN ANALYZE CREATE TABLE x AS SELECT * FROM users
                explain [read insert define] define:x(relation) read:users(relation)  !explain-analyze !select-into  .* <create table as [read insert define] define:x(relation) read:users(relation)  !select-into  .*>
            PREPARE p (int) AS SELECT ssn FROM users WHERE id = $1
                prepare [read session] read:users(relation)  .id .ssn  name=p <select [read] read:users(relation)  .id .ssn>
            PREPARE p AS DELETE FROM t
                prepare [delete session] delete:t(relation)  !no-where  name=p <delete [delete] delete:t(relation)  !no-where>
            EXECUTE p (1, f(2))
                execute [session] call:f(function)  name=p
            DEALLOCATE p
                deallocate [session]  name=p
            DEALLOCATE PREPARE ALL
                deallocate [session]
            DECLARE c CURSOR FOR SELECT ssn FROM users FOR UPDATE
                declare cursor [read session lock] read:users(relation) lock:users(relation)  .ssn  name=c <select [read lock] read:users(relation) lock:users(relation)  .ssn>
            FETCH ALL FROM c
                fetch [read session]  name=c
            MOVE 5 IN "C"
                move [read session]  name=C
            CLOSE c
                close [session]  name=c
            CLOSE ALL
                close [session]
            CREATE TABLE x AS SELECT ssn FROM users
                create table as [read insert define] define:x(relation) read:users(relation)  !select-into  .ssn
            CREATE TEMP TABLE x (a, b) AS EXECUTE p (1) WITH NO DATA
                create table as [insert define session execute] define:x(relation)  !select-into !temporary  name=p
            CREATE MATERIALIZED VIEW x AS SELECT * FROM users WITH DATA
                create materialized view [read insert define] define:x(relation) read:users(relation)  .*
            REFRESH MATERIALIZED VIEW CONCURRENTLY x
                refresh materialized view [read insert maintain] insert:x(relation)
            DO $$ BEGIN DELETE FROM t; END $$
                do [execute]  !procedural
            DO LANGUAGE plpgsql 'BEGIN END'
                do [execute]  !procedural
            CALL s.p(1, (SELECT ssn FROM users))
                call [read execute] call:s.p(function) read:users(relation)  !procedural  .ssn
        "#]],
    );
}

#[test]
fn session_and_upkeep() {
    check(
        &[
            "BEGIN",
            "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY",
            "START TRANSACTION",
            "COMMIT AND CHAIN",
            "END",
            "ROLLBACK",
            "ABORT",
            "SAVEPOINT s",
            "RELEASE SAVEPOINT s",
            "ROLLBACK TO s",
            "PREPARE TRANSACTION 'x'",
            "COMMIT PREPARED 'x'",
            "ROLLBACK PREPARED 'x'",
            "SET CONSTRAINTS a, s.b DEFERRED",
            "SET TRANSACTION READ WRITE",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            "SET TRANSACTION SNAPSHOT 'x'",
            "SET search_path TO a, b",
            "SET LOCAL Work_Mem = '1GB'",
            "SET x.y TO DEFAULT",
            "SET TIME ZONE 'UTC'",
            "SET NAMES 'LATIN1'",
            "SET SCHEMA 'x'",
            "SET ROLE admin",
            "SET ROLE NONE",
            "SET SESSION AUTHORIZATION 'x'",
            "SET SESSION AUTHORIZATION DEFAULT",
            "RESET ROLE",
            "RESET SESSION AUTHORIZATION",
            "RESET work_mem",
            "RESET ALL",
            "SHOW ALL",
            "SHOW search_path",
            "DISCARD ALL",
            "DISCARD TEMP",
            "DISCARD PLANS",
            "SELECT set_config('role', 'admin', false)",
            "SELECT pg_catalog.set_config('a', 'b', true)",
            "SELECT set_config('Search_Path', 'b', true), set_config($1, 'work_mem', true)",
            "UPDATE pg_settings SET setting = 'b' WHERE name = 'a'",
            "WITH s AS (UPDATE pg_catalog.pg_settings SET setting = 'b' WHERE name = 'a') SELECT 1",
            "SELECT setting FROM pg_settings",
            "LISTEN c",
            "NOTIFY c, 'payload'",
            "UNLISTEN *",
            "VACUUM",
            "VACUUM (FULL, ANALYZE) s.t (a, b)",
            "ANALYZE t (a)",
            "CLUSTER t USING i",
            "REINDEX INDEX i",
            "REINDEX TABLE CONCURRENTLY s.t",
            "REINDEX SCHEMA s",
            "REINDEX DATABASE d",
            "CHECKPOINT",
            "LOAD 'library'",
            "ALTER SYSTEM SET shared_preload_libraries = 'x'",
            "ALTER SYSTEM RESET ALL",
        ],
        expect![[r#"
            BEGIN
                begin [transaction]
            BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY
                begin [transaction]
            START TRANSACTION
                start transaction [transaction]
            COMMIT AND CHAIN
                commit [transaction]
            END
                commit [transaction]
            ROLLBACK
                rollback [transaction]
            ABORT
                rollback [transaction]
            SAVEPOINT s
                savepoint [transaction]
            RELEASE SAVEPOINT s
                release [transaction]
            ROLLBACK TO s
                rollback [transaction]
            PREPARE TRANSACTION 'x'
                prepare transaction [transaction]
            COMMIT PREPARED 'x'
                commit prepared [transaction]
            ROLLBACK PREPARED 'x'
                rollback prepared [transaction]
            SET CONSTRAINTS a, s.b DEFERRED
                set constraints [transaction]
            SET TRANSACTION READ WRITE
                set [transaction] set:transaction(setting)  setting=transaction
            SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY
                set [session] set:session characteristics(setting)  setting=session characteristics
            SET TRANSACTION SNAPSHOT 'x'
                set [transaction] set:transaction snapshot(setting)  setting=transaction snapshot
            SET search_path TO a, b
                set [session] set:search_path(setting)  setting=search_path
            SET LOCAL Work_Mem = '1GB'
                set [session] set:work_mem(setting)  setting=work_mem
            SET x.y TO DEFAULT
                set [session] set:x.y(setting)  setting=x.y
            SET TIME ZONE 'UTC'
                set [session] set:timezone(setting)  setting=timezone
            SET NAMES 'LATIN1'
                set [session] set:client_encoding(setting)  setting=client_encoding
            SET SCHEMA 'x'
                set [session] set:search_path(setting)  setting=search_path
            SET ROLE admin
                set [session] set:role(setting)  !set-role  setting=role
            SET ROLE NONE
                set [session] set:role(setting)  !set-role  setting=role
            SET SESSION AUTHORIZATION 'x'
                set [session] set:session_authorization(setting)  !set-role  setting=session_authorization
            SET SESSION AUTHORIZATION DEFAULT
                set [session] set:session_authorization(setting)  !set-role  setting=session_authorization
            RESET ROLE
                reset [session] set:role(setting)  !set-role  setting=role
            RESET SESSION AUTHORIZATION
                reset [session] set:session_authorization(setting)  !set-role  setting=session_authorization
            RESET work_mem
                reset [session] set:work_mem(setting)  setting=work_mem
            RESET ALL
                reset [session]  setting=*
            SHOW ALL
                show [session] read:all(setting)
            SHOW search_path
                show [session] read:search_path(setting)
            DISCARD ALL
                discard [session]  setting=*
            DISCARD TEMP
                discard [session]
            DISCARD PLANS
                discard [session]
            SELECT set_config('role', 'admin', false)
                select [read session] call:set_config(function) set:*(setting)  !set-config
            SELECT pg_catalog.set_config('a', 'b', true)
                select [read session] call:pg_catalog.set_config(function) set:*(setting)  !set-config
            SELECT set_config('Search_Path', 'b', true), set_config($1, 'work_mem', true)
                select [read session] call:set_config(function) set:search_path(setting) set:*(setting)  !set-config
            UPDATE pg_settings SET setting = 'b' WHERE name = 'a'
                update [update session] update:pg_settings(relation)  !set-config  .name .setting
            WITH s AS (UPDATE pg_catalog.pg_settings SET setting = 'b' WHERE name = 'a') SELECT 1
                select [read update session] update:pg_catalog.pg_settings(relation)  !cte-write !set-config  .name .setting
            SELECT setting FROM pg_settings
                select [read] read:pg_settings(relation)  .setting
            LISTEN c
                listen [notify] read:c(channel)
            NOTIFY c, 'payload'
                notify [notify] insert:c(channel)
            UNLISTEN *
                unlisten [notify]
            VACUUM
                vacuum [maintain]
            VACUUM (FULL, ANALYZE) s.t (a, b)
                vacuum [maintain] lock:s.t(relation)  .a .b
            ANALYZE t (a)
                analyze [maintain] lock:t(relation)  .a
            CLUSTER t USING i
                cluster [maintain] lock:t(relation)
            REINDEX INDEX i
                reindex [maintain] lock:i(relation)
            REINDEX TABLE CONCURRENTLY s.t
                reindex [maintain] lock:s.t(relation)
            REINDEX SCHEMA s
                reindex [maintain] lock:s(schema)
            REINDEX DATABASE d
                reindex [maintain] lock:d(database)
            CHECKPOINT
                checkpoint [maintain]
            LOAD 'library'
                load [maintain]
            ALTER SYSTEM SET shared_preload_libraries = 'x'
                alter system [maintain] set:shared_preload_libraries(setting)
            ALTER SYSTEM RESET ALL
                alter system [maintain] set:*(setting)
        "#]],
    );
}

#[test]
fn creating() {
    check(
        &[
            "CREATE TABLE s.t (a int PRIMARY KEY, b text DEFAULT f(1) REFERENCES u (c), CHECK (d > 0), FOREIGN KEY (a, b) REFERENCES v (e, f), UNIQUE (b)) INHERITS (w)",
            "CREATE TEMP TABLE t (LIKE u INCLUDING ALL, a int GENERATED ALWAYS AS (b + g(c)) STORED)",
            "CREATE TABLE p PARTITION OF t FOR VALUES IN (1)",
            "CREATE TABLE p (a int) PARTITION BY RANGE (a, lower(b))",
            "CREATE TABLE t OF ty",
            "CREATE FOREIGN TABLE t (a int) SERVER srv OPTIONS (x 'y')",
            "CREATE VIEW v AS SELECT ssn FROM users",
            "CREATE OR REPLACE RECURSIVE VIEW v (n) AS SELECT 1 UNION SELECT n FROM v",
            "CREATE UNIQUE INDEX CONCURRENTLY i ON s.t USING btree (a, lower(b)) INCLUDE (c) WHERE d",
            "CREATE SEQUENCE s OWNED BY t.a",
            "CREATE STATISTICS st ON a, (b + c) FROM t",
            "CREATE SCHEMA s",
            "CREATE SCHEMA AUTHORIZATION joe",
            "CREATE SCHEMA s AUTHORIZATION joe CREATE TABLE t (a int) CREATE VIEW v AS SELECT ssn FROM users GRANT SELECT ON t TO bob",
            "CREATE FUNCTION s.f(a int DEFAULT g()) RETURNS int LANGUAGE sql AS 'DELETE FROM t'",
            "CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC DELETE FROM t; INSERT INTO u SELECT * FROM v; END",
            "CREATE FUNCTION f() RETURNS int RETURN (SELECT ssn FROM users)",
            "CREATE TRIGGER tr BEFORE UPDATE OF a ON s.t FOR EACH ROW WHEN (old.b <> new.c) EXECUTE FUNCTION s.f('x')",
            "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f()",
            "CREATE RULE r AS ON UPDATE TO t WHERE new.a > 1 DO ALSO (DELETE FROM u; NOTIFY c; INSERT INTO w SELECT old.*)",
            "CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING",
            "CREATE POLICY p ON s.t FOR SELECT TO joe USING (owner = current_user AND id IN (SELECT i FROM allowed)) WITH CHECK (f(a))",
            "CREATE EXTENSION IF NOT EXISTS dblink WITH SCHEMA s CASCADE",
            "CREATE FOREIGN DATA WRAPPER w HANDLER h",
            "CREATE SERVER srv FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'h')",
            "CREATE USER MAPPING FOR joe SERVER srv OPTIONS (password 'secret')",
            "IMPORT FOREIGN SCHEMA remote LIMIT TO (a, b) FROM SERVER srv INTO local",
            "CREATE ROLE r LOGIN PASSWORD 'secret'",
            "CREATE USER u IN ROLE admin",
            "CREATE DATABASE d OWNER joe",
            "CREATE TABLESPACE ts LOCATION '/x'",
            "CREATE DOMAIN s.d AS int CHECK (f(VALUE))",
            "CREATE TYPE s.ty AS (a int, b text)",
            "CREATE TYPE e AS ENUM ('a', 'b')",
            "CREATE TYPE r AS RANGE (subtype = int)",
            "CREATE TYPE b (INPUT = f, OUTPUT = g)",
            "CREATE AGGREGATE a (int) (SFUNC = f, STYPE = int)",
            "CREATE OPERATOR s.+ (FUNCTION = f, LEFTARG = int, RIGHTARG = int)",
            "CREATE OPERATOR CLASS c FOR TYPE int USING btree AS OPERATOR 1 <, FUNCTION 1 f(int, int)",
            "CREATE OPERATOR FAMILY o USING btree",
            "CREATE CAST (int AS s.ty) WITH FUNCTION f(int) AS IMPLICIT",
            "CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION f(internal), TO SQL WITH FUNCTION g(internal))",
            "CREATE CONVERSION c FOR 'UTF8' TO 'LATIN1' FROM f",
            "CREATE COLLATION c (LOCALE = 'x')",
            "CREATE TEXT SEARCH CONFIGURATION c (PARSER = p)",
            "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = t)",
            "CREATE ACCESS METHOD m TYPE INDEX HANDLER h",
            "CREATE TRUSTED LANGUAGE l HANDLER h INLINE i VALIDATOR v",
            "CREATE PUBLICATION p FOR TABLE s.t (a, b) WHERE (c > 1), TABLES IN SCHEMA x",
            "CREATE SUBSCRIPTION s CONNECTION 'password=secret' PUBLICATION p",
        ],
        expect![[r#"
            CREATE TABLE s.t (a int PRIMARY KEY, b text DEFAULT f(1) REFERENCES u (c), CHECK (d > 0), FOREIGN KEY (a, b) REFERENCES v (e, f), UNIQUE (b)) INHERITS (w)
                create table [define] define:s.t(relation) call:f(function) read:u(relation) read:v(relation) define:w(relation)  .a .b .c .d .e .f
            CREATE TEMP TABLE t (LIKE u INCLUDING ALL, a int GENERATED ALWAYS AS (b + g(c)) STORED)
                create table [define] define:t(relation) read:u(relation) call:g(function)  !temporary  .a .b .c
            CREATE TABLE p PARTITION OF t FOR VALUES IN (1)
                create table [define] define:p(relation) define:t(relation)
            CREATE TABLE p (a int) PARTITION BY RANGE (a, lower(b))
                create table [define] define:p(relation) call:lower(function)  .a .b
            CREATE TABLE t OF ty
                create table [define] define:t(relation)
            CREATE FOREIGN TABLE t (a int) SERVER srv OPTIONS (x 'y')
                create foreign table [define] read:srv(other) define:t(relation)  .a
            CREATE VIEW v AS SELECT ssn FROM users
                create view [read define] define:v(relation) read:users(relation)  .ssn
            CREATE OR REPLACE RECURSIVE VIEW v (n) AS SELECT 1 UNION SELECT n FROM v
                create view [read define] define:v(relation)  .n
            CREATE UNIQUE INDEX CONCURRENTLY i ON s.t USING btree (a, lower(b)) INCLUDE (c) WHERE d
                create index [define] define:s.t(relation) call:lower(function)  .a .b .c .d
            CREATE SEQUENCE s OWNED BY t.a
                create sequence [define] define:s(relation)
            CREATE STATISTICS st ON a, (b + c) FROM t
                create statistics [define] define:st(other) define:t(relation)  .a .b .c
            CREATE SCHEMA s
                create schema [define] define:s(schema)
            CREATE SCHEMA AUTHORIZATION joe
                create schema [define grant] define:joe(schema) grant:joe(role)
            CREATE SCHEMA s AUTHORIZATION joe CREATE TABLE t (a int) CREATE VIEW v AS SELECT ssn FROM users GRANT SELECT ON t TO bob
                create schema [read define grant] define:s(schema) grant:joe(role) grant:bob(role) define:t(relation) define:v(relation) read:users(relation) grant:t(relation)  .a .ssn
            CREATE FUNCTION s.f(a int DEFAULT g()) RETURNS int LANGUAGE sql AS 'DELETE FROM t'
                create function [define] define:s.f(function) call:g(function)
            CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC DELETE FROM t; INSERT INTO u SELECT * FROM v; END
                create procedure [read insert delete define] define:p(function) delete:t(relation) insert:u(relation) read:v(relation)  !no-where  .*
            CREATE FUNCTION f() RETURNS int RETURN (SELECT ssn FROM users)
                create function [read define] define:f(function) read:users(relation)  .ssn
            CREATE TRIGGER tr BEFORE UPDATE OF a ON s.t FOR EACH ROW WHEN (old.b <> new.c) EXECUTE FUNCTION s.f('x')
                create trigger [define] define:tr(other) call:s.f(function) define:s.t(relation)  .a .b .c
            CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f()
                create event trigger [define] define:e(other) call:f(function)
            CREATE RULE r AS ON UPDATE TO t WHERE new.a > 1 DO ALSO (DELETE FROM u; NOTIFY c; INSERT INTO w SELECT old.*)
                create rule [read insert delete define notify] define:r(other) insert:c(channel) define:t(relation) delete:u(relation) insert:w(relation)  !no-where  .* .a
            CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING
                create rule [define] define:r(other) define:t(relation)
            CREATE POLICY p ON s.t FOR SELECT TO joe USING (owner = current_user AND id IN (SELECT i FROM allowed)) WITH CHECK (f(a))
                create policy [read define grant] define:p(other) define:s.t(relation) read:allowed(relation) call:f(function)  .a .i .id .owner
            CREATE EXTENSION IF NOT EXISTS dblink WITH SCHEMA s CASCADE
                create extension [define] define:dblink(extension)
            CREATE FOREIGN DATA WRAPPER w HANDLER h
                create foreign data wrapper [define] define:w(other)
            CREATE SERVER srv FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'h')
                create server [define] define:srv(other)
            CREATE USER MAPPING FOR joe SERVER srv OPTIONS (password 'secret')
                create user mapping [define] define:srv(other) define:joe(role)
            IMPORT FOREIGN SCHEMA remote LIMIT TO (a, b) FROM SERVER srv INTO local
                import foreign schema [define] define:local(schema) read:srv(other) define:a(relation) define:b(relation)
            CREATE ROLE r LOGIN PASSWORD 'secret'
                create role [define grant] define:r(role)
            CREATE USER u IN ROLE admin
                create role [define grant] define:u(role)
            CREATE DATABASE d OWNER joe
                create database [define] define:d(database)
            CREATE TABLESPACE ts LOCATION '/x'
                create tablespace [define] define:ts(other)
            CREATE DOMAIN s.d AS int CHECK (f(VALUE))
                create domain [define] define:s.d(type) call:f(function)  .value
            CREATE TYPE s.ty AS (a int, b text)
                create type [define] define:s.ty(type)  .a .b
            CREATE TYPE e AS ENUM ('a', 'b')
                create type [define] define:e(type)
            CREATE TYPE r AS RANGE (subtype = int)
                create type [define] define:r(type)
            CREATE TYPE b (INPUT = f, OUTPUT = g)
                create type [define] define:b(type)
            CREATE AGGREGATE a (int) (SFUNC = f, STYPE = int)
                create aggregate [define] define:a(function)
            CREATE OPERATOR s.+ (FUNCTION = f, LEFTARG = int, RIGHTARG = int)
                create operator [define] define:s.+(other)
            CREATE OPERATOR CLASS c FOR TYPE int USING btree AS OPERATOR 1 <, FUNCTION 1 f(int, int)
                create operator class [define] define:c(other)
            CREATE OPERATOR FAMILY o USING btree
                create operator family [define] define:o(other)
            CREATE CAST (int AS s.ty) WITH FUNCTION f(int) AS IMPLICIT
                create cast [define] define:pg_catalog.int4 s.ty(other) call:f(function)
            CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION f(internal), TO SQL WITH FUNCTION g(internal))
                create transform [define] define:pg_catalog.int4 sql(other) call:f(function) call:g(function)
            CREATE CONVERSION c FOR 'UTF8' TO 'LATIN1' FROM f
                create conversion [define] define:c(other) call:f(function)
            CREATE COLLATION c (LOCALE = 'x')
                create collation [define] define:c(other)
            CREATE TEXT SEARCH CONFIGURATION c (PARSER = p)
                create text search configuration [define] define:c(other)
            CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = t)
                create text search dictionary [define] define:d(other)
            CREATE ACCESS METHOD m TYPE INDEX HANDLER h
                create access method [define] define:m(other) call:h(function)
            CREATE TRUSTED LANGUAGE l HANDLER h INLINE i VALIDATOR v
                create language [define] define:l(other) call:h(function) call:i(function) call:v(function)
            CREATE PUBLICATION p FOR TABLE s.t (a, b) WHERE (c > 1), TABLES IN SCHEMA x
                create publication [define] define:p(other) read:x(schema) read:s.t(relation)  .a .b .c
            CREATE SUBSCRIPTION s CONNECTION 'password=secret' PUBLICATION p
                create subscription [define] define:s(other)
        "#]],
    );
}

#[test]
fn altering_and_dropping() {
    check(
        &[
            "ALTER TABLE s.t ADD COLUMN a int DEFAULT f(), DROP COLUMN b CASCADE, ALTER COLUMN c TYPE text USING d::text",
            "ALTER TABLE t OWNER TO joe",
            "ALTER TABLE t DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES u (b), INHERIT p",
            "ALTER TABLE t ADD UNIQUE (a) INCLUDE (b), ADD FOREIGN KEY (c) REFERENCES u ON DELETE SET NULL (d)",
            "ALTER TABLE t ATTACH PARTITION p DEFAULT",
            "ALTER TABLE t RENAME COLUMN ssn TO x",
            "ALTER TABLE t RENAME TO u",
            "ALTER TABLE t RENAME CONSTRAINT a TO b",
            "ALTER TABLE t SET SCHEMA s",
            "ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b",
            "ALTER INDEX i ATTACH PARTITION j",
            "ALTER VIEW v RENAME TO w",
            "ALTER VIEW v ALTER COLUMN a SET DEFAULT 1",
            "ALTER MATERIALIZED VIEW v SET SCHEMA s",
            "ALTER SEQUENCE s RESTART WITH 1",
            "ALTER FOREIGN TABLE t OPTIONS (SET x 'y')",
            "ALTER SCHEMA a RENAME TO b",
            "ALTER SCHEMA a OWNER TO CURRENT_USER",
            "ALTER DATABASE d RENAME TO e",
            "ALTER DATABASE d SET work_mem = '1'",
            "ALTER DATABASE d WITH CONNECTION LIMIT 1",
            "ALTER DATABASE d REFRESH COLLATION VERSION",
            "ALTER DATABASE d OWNER TO joe",
            "ALTER ROLE r PASSWORD 'secret'",
            "ALTER ROLE r RENAME TO q",
            "ALTER ROLE ALL IN DATABASE d SET search_path TO x",
            "ALTER ROLE r RESET ALL",
            "ALTER GROUP g ADD USER u",
            "ALTER FUNCTION s.f(int) SECURITY DEFINER",
            "ALTER FUNCTION f(int) OWNER TO joe",
            "ALTER FUNCTION f(int) RENAME TO g",
            "ALTER FUNCTION f DEPENDS ON EXTENSION e",
            "ALTER PROCEDURE p SET SCHEMA s",
            "ALTER TYPE ty ADD VALUE 'x' AFTER 'y'",
            "ALTER TYPE ty RENAME ATTRIBUTE a TO b",
            "ALTER TYPE ty SET (RECEIVE = f)",
            "ALTER TYPE ty ADD ATTRIBUTE a int",
            "ALTER DOMAIN d ADD CHECK (f(VALUE))",
            "ALTER DOMAIN d RENAME CONSTRAINT a TO b",
            "ALTER TRIGGER tr ON t RENAME TO x",
            "ALTER TRIGGER tr ON t DEPENDS ON EXTENSION e",
            "ALTER POLICY p ON t RENAME TO q",
            "ALTER POLICY p ON t USING (true)",
            "ALTER RULE r ON t RENAME TO x",
            "ALTER EVENT TRIGGER e DISABLE",
            "ALTER EXTENSION e UPDATE TO '2'",
            "ALTER EXTENSION e ADD TABLE t",
            "ALTER SERVER srv OPTIONS (SET host 'x')",
            "ALTER SERVER srv OWNER TO joe",
            "ALTER FOREIGN DATA WRAPPER w NO HANDLER",
            "ALTER USER MAPPING FOR joe SERVER srv OPTIONS (SET password 'secret')",
            "ALTER TABLESPACE ts SET (seq_page_cost = 1)",
            "ALTER STATISTICS st SET STATISTICS 1",
            "ALTER OPERATOR + (int, int) OWNER TO joe",
            "ALTER OPERATOR + (int, int) SET (RESTRICT = f)",
            "ALTER OPERATOR FAMILY o USING btree ADD OPERATOR 1 < (int, int)",
            "ALTER COLLATION c REFRESH VERSION",
            "ALTER TEXT SEARCH DICTIONARY d (a = 'b')",
            "ALTER TEXT SEARCH CONFIGURATION c DROP MAPPING FOR word",
            "ALTER PUBLICATION p ADD TABLE t",
            "ALTER SUBSCRIPTION s CONNECTION 'password=secret'",
            "ALTER LARGE OBJECT 42 OWNER TO joe",
            "ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO joe",
            "GRANT SELECT (ssn, name), UPDATE ON s.t, u TO joe, PUBLIC WITH GRANT OPTION",
            "GRANT ALL ON ALL TABLES IN SCHEMA s TO joe",
            "GRANT EXECUTE ON FUNCTION f(int) TO joe",
            "GRANT USAGE ON SCHEMA s TO joe",
            "GRANT SET ON PARAMETER work_mem TO joe",
            "REVOKE ALL ON DATABASE d FROM joe CASCADE",
            "GRANT admin TO joe WITH ADMIN OPTION",
            "REVOKE admin FROM joe",
            "REASSIGN OWNED BY a TO b",
            "DROP OWNED BY a CASCADE",
            "COMMENT ON TABLE s.t IS 'secret'",
            "COMMENT ON COLUMN s.t.ssn IS 'secret'",
            "COMMENT ON FUNCTION f(int) IS NULL",
            "COMMENT ON TRIGGER tr ON t IS 'x'",
            "SECURITY LABEL FOR p ON ROLE r IS 'secret'",
            "DROP TABLE users",
            "DROP TABLE IF EXISTS s.t, \"a.b\" CASCADE",
            "DROP VIEW v",
            "DROP MATERIALIZED VIEW v",
            "DROP INDEX CONCURRENTLY i",
            "DROP SEQUENCE s",
            "DROP FOREIGN TABLE t",
            "DROP SCHEMA s CASCADE",
            "DROP FUNCTION s.f(int), g",
            "DROP PROCEDURE p",
            "DROP AGGREGATE a(int)",
            "DROP TYPE ty",
            "DROP DOMAIN s.d",
            "DROP TRIGGER tr ON s.t",
            "DROP RULE r ON t",
            "DROP POLICY p ON t",
            "DROP EXTENSION e",
            "DROP SERVER srv",
            "DROP FOREIGN DATA WRAPPER w",
            "DROP USER MAPPING FOR joe SERVER srv",
            "DROP CAST (int AS text)",
            "DROP TRANSFORM FOR int LANGUAGE sql",
            "DROP OPERATOR s.+ (int, int)",
            "DROP OPERATOR CLASS c USING btree",
            "DROP EVENT TRIGGER e",
            "DROP LANGUAGE l",
            "DROP PUBLICATION p",
            "DROP SUBSCRIPTION s",
            "DROP TEXT SEARCH PARSER p",
            "DROP ROLE a, CURRENT_USER",
            "DROP DATABASE d WITH (FORCE)",
            "DROP TABLESPACE ts",
            "DROP STATISTICS st",
            "DROP ACCESS METHOD m",
        ],
        expect![[r#"
            ALTER TABLE s.t ADD COLUMN a int DEFAULT f(), DROP COLUMN b CASCADE, ALTER COLUMN c TYPE text USING d::text
                alter table [define] define:s.t(relation) call:f(function)  !cascade  .a .b .c .d
            ALTER TABLE t OWNER TO joe
                alter table [define grant] grant:joe(role) define:t(relation)
            ALTER TABLE t DISABLE ROW LEVEL SECURITY
                alter table [define grant] define:t(relation)
            ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES u (b), INHERIT p
                alter table [define] define:t(relation) read:u(relation) define:p(relation)  .a .b
            ALTER TABLE t ADD UNIQUE (a) INCLUDE (b), ADD FOREIGN KEY (c) REFERENCES u ON DELETE SET NULL (d)
                alter table [define] define:t(relation) read:u(relation)  .a .b .c .d
            ALTER TABLE t ATTACH PARTITION p DEFAULT
                alter table [define] define:t(relation) define:p(relation)
            ALTER TABLE t RENAME COLUMN ssn TO x
                alter table [define] define:t(relation)  .ssn
            ALTER TABLE t RENAME TO u
                alter table [define] define:u(relation) define:t(relation)
            ALTER TABLE t RENAME CONSTRAINT a TO b
                alter table [define] define:a(other) define:t(relation)
            ALTER TABLE t SET SCHEMA s
                alter table [define] define:s(schema) define:t(relation)
            ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b
                alter table [define] define:a(other)
            ALTER INDEX i ATTACH PARTITION j
                alter index [define] define:i(relation) define:j(relation)
            ALTER VIEW v RENAME TO w
                alter view [define] define:w(relation) define:v(relation)
            ALTER VIEW v ALTER COLUMN a SET DEFAULT 1
                alter view [define] define:v(relation)  .a
            ALTER MATERIALIZED VIEW v SET SCHEMA s
                alter materialized view [define] define:s(schema) define:v(relation)
            ALTER SEQUENCE s RESTART WITH 1
                alter sequence [define] define:s(relation)
            ALTER FOREIGN TABLE t OPTIONS (SET x 'y')
                alter foreign table [define] define:t(relation)
            ALTER SCHEMA a RENAME TO b
                alter schema [define] define:a(schema)
            ALTER SCHEMA a OWNER TO CURRENT_USER
                alter schema [define grant] define:a(schema) grant:current_user(role)
            ALTER DATABASE d RENAME TO e
                alter database [define] define:d(database)
            ALTER DATABASE d SET work_mem = '1'
                alter database [define] define:d(database) set:work_mem(setting)
            ALTER DATABASE d WITH CONNECTION LIMIT 1
                alter database [define] define:d(database)
            ALTER DATABASE d REFRESH COLLATION VERSION
                alter database [define] define:d(database)
            ALTER DATABASE d OWNER TO joe
                alter database [define grant] define:d(database) grant:joe(role)
            ALTER ROLE r PASSWORD 'secret'
                alter role [define grant] define:r(role)
            ALTER ROLE r RENAME TO q
                alter role [define grant] define:r(role)
            ALTER ROLE ALL IN DATABASE d SET search_path TO x
                alter role [define grant] define:d(database) set:search_path(setting)
            ALTER ROLE r RESET ALL
                alter role [define grant] define:r(role) set:*(setting)
            ALTER GROUP g ADD USER u
                alter role [define grant] define:g(role)
            ALTER FUNCTION s.f(int) SECURITY DEFINER
                alter function [define] define:s.f(function)
            ALTER FUNCTION f(int) OWNER TO joe
                alter function [define grant] define:f(function) grant:joe(role)
            ALTER FUNCTION f(int) RENAME TO g
                alter function [define] define:f(function)
            ALTER FUNCTION f DEPENDS ON EXTENSION e
                alter function [define] define:f(function)
            ALTER PROCEDURE p SET SCHEMA s
                alter procedure [define] define:p(function) define:s(schema)
            ALTER TYPE ty ADD VALUE 'x' AFTER 'y'
                alter type [define] define:ty(type)
            ALTER TYPE ty RENAME ATTRIBUTE a TO b
                alter type [define] define:ty(relation)  .a
            ALTER TYPE ty SET (RECEIVE = f)
                alter type [define] define:ty(type)
            ALTER TYPE ty ADD ATTRIBUTE a int
                alter type [define] define:ty(relation)  .a
            ALTER DOMAIN d ADD CHECK (f(VALUE))
                alter domain [define] define:d(type) call:f(function)  .value
            ALTER DOMAIN d RENAME CONSTRAINT a TO b
                alter domain [define] define:d(type)
            ALTER TRIGGER tr ON t RENAME TO x
                alter trigger [define] define:tr(other) define:t(relation)
            ALTER TRIGGER tr ON t DEPENDS ON EXTENSION e
                alter trigger [define] define:tr(other) define:t(relation)
            ALTER POLICY p ON t RENAME TO q
                alter policy [define grant] define:p(other) define:t(relation)
            ALTER POLICY p ON t USING (true)
                alter policy [define grant] define:p(other) define:t(relation)
            ALTER RULE r ON t RENAME TO x
                alter rule [define] define:r(other) define:t(relation)
            ALTER EVENT TRIGGER e DISABLE
                alter event trigger [define] define:e(other)
            ALTER EXTENSION e UPDATE TO '2'
                alter extension [define] define:e(extension)
            ALTER EXTENSION e ADD TABLE t
                alter extension [define] define:e(extension) define:t(relation)
            ALTER SERVER srv OPTIONS (SET host 'x')
                alter server [define] define:srv(other)
            ALTER SERVER srv OWNER TO joe
                alter server [define grant] define:srv(other) grant:joe(role)
            ALTER FOREIGN DATA WRAPPER w NO HANDLER
                alter foreign data wrapper [define] define:w(other)
            ALTER USER MAPPING FOR joe SERVER srv OPTIONS (SET password 'secret')
                alter user mapping [define] define:srv(other) define:joe(role)
            ALTER TABLESPACE ts SET (seq_page_cost = 1)
                alter tablespace [define] define:ts(other)
            ALTER STATISTICS st SET STATISTICS 1
                alter statistics [define] define:st(other)
            ALTER OPERATOR + (int, int) OWNER TO joe
                alter operator [define grant] define:+(other) grant:joe(role)
            ALTER OPERATOR + (int, int) SET (RESTRICT = f)
                alter operator [define] define:+(other)
            ALTER OPERATOR FAMILY o USING btree ADD OPERATOR 1 < (int, int)
                alter operator family [define] define:o(other)
            ALTER COLLATION c REFRESH VERSION
                alter collation [define] define:c(other)
            ALTER TEXT SEARCH DICTIONARY d (a = 'b')
                alter text search dictionary [define] define:d(other)
            ALTER TEXT SEARCH CONFIGURATION c DROP MAPPING FOR word
                alter text search configuration [define] define:c(other)
            ALTER PUBLICATION p ADD TABLE t
                alter publication [define] define:p(other) read:t(relation)
            ALTER SUBSCRIPTION s CONNECTION 'password=secret'
                alter subscription [define] define:s(other)
            ALTER LARGE OBJECT 42 OWNER TO joe
                alter large object [define grant] define:42(other) grant:joe(role)
            ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO joe
                alter default privileges [grant] grant:joe(role)
            GRANT SELECT (ssn, name), UPDATE ON s.t, u TO joe, PUBLIC WITH GRANT OPTION
                grant [grant] grant:joe(role) grant:public(role) grant:s.t(relation) grant:u(relation)  .name .ssn
            GRANT ALL ON ALL TABLES IN SCHEMA s TO joe
                grant [grant] grant:s(schema) grant:joe(role)
            GRANT EXECUTE ON FUNCTION f(int) TO joe
                grant [grant] grant:f(function) grant:joe(role)
            GRANT USAGE ON SCHEMA s TO joe
                grant [grant] grant:s(schema) grant:joe(role)
            GRANT SET ON PARAMETER work_mem TO joe
                grant [grant] grant:work_mem(setting) grant:joe(role)
            REVOKE ALL ON DATABASE d FROM joe CASCADE
                revoke [grant] grant:d(database) grant:joe(role)  !cascade
            GRANT admin TO joe WITH ADMIN OPTION
                grant role [grant] grant:admin(role) grant:joe(role)
            REVOKE admin FROM joe
                revoke role [grant] grant:admin(role) grant:joe(role)
            REASSIGN OWNED BY a TO b
                reassign owned [define grant] grant:a(role) grant:b(role)
            DROP OWNED BY a CASCADE
                drop owned [define grant] drop:a(role)  !cascade
            COMMENT ON TABLE s.t IS 'secret'
                comment [define] define:s.t(relation)
            COMMENT ON COLUMN s.t.ssn IS 'secret'
                comment [define] define:s.t(relation)  .ssn
            COMMENT ON FUNCTION f(int) IS NULL
                comment [define] define:f(function)
            COMMENT ON TRIGGER tr ON t IS 'x'
                comment [define] define:t(relation) define:tr(other)
            SECURITY LABEL FOR p ON ROLE r IS 'secret'
                security label [grant] grant:r(role)
            DROP TABLE users
                drop table [define] drop:users(relation)
            DROP TABLE IF EXISTS s.t, "a.b" CASCADE
                drop table [define] drop:s.t(relation) drop:"a.b"(relation)  !cascade
            DROP VIEW v
                drop view [define] drop:v(relation)
            DROP MATERIALIZED VIEW v
                drop materialized view [define] drop:v(relation)
            DROP INDEX CONCURRENTLY i
                drop index [define] drop:i(relation)
            DROP SEQUENCE s
                drop sequence [define] drop:s(relation)
            DROP FOREIGN TABLE t
                drop foreign table [define] drop:t(relation)
            DROP SCHEMA s CASCADE
                drop schema [define] drop:s(schema)  !cascade
            DROP FUNCTION s.f(int), g
                drop function [define] drop:s.f(function) drop:g(function)
            DROP PROCEDURE p
                drop procedure [define] drop:p(function)
            DROP AGGREGATE a(int)
                drop aggregate [define] drop:a(function)
            DROP TYPE ty
                drop type [define] drop:ty(type)
            DROP DOMAIN s.d
                drop domain [define] drop:s.d(type)
            DROP TRIGGER tr ON s.t
                drop trigger [define] define:s.t(relation) drop:tr(other)
            DROP RULE r ON t
                drop rule [define] define:t(relation) drop:r(other)
            DROP POLICY p ON t
                drop policy [define grant] define:t(relation) drop:p(other)
            DROP EXTENSION e
                drop extension [define] drop:e(extension)
            DROP SERVER srv
                drop server [define] drop:srv(other)
            DROP FOREIGN DATA WRAPPER w
                drop foreign data wrapper [define] drop:w(other)
            DROP USER MAPPING FOR joe SERVER srv
                drop user mapping [define] drop:srv(other) define:joe(role)
            DROP CAST (int AS text)
                drop cast [define] drop:pg_catalog.int4 text(other)
            DROP TRANSFORM FOR int LANGUAGE sql
                drop transform [define] drop:pg_catalog.int4 sql(other)
            DROP OPERATOR s.+ (int, int)
                drop operator [define] drop:s.+(other)
            DROP OPERATOR CLASS c USING btree
                drop operator class [define] drop:btree.c(other)
            DROP EVENT TRIGGER e
                drop event trigger [define] drop:e(other)
            DROP LANGUAGE l
                drop language [define] drop:l(other)
            DROP PUBLICATION p
                drop publication [define] drop:p(other)
            DROP SUBSCRIPTION s
                drop subscription [define] drop:s(other)
            DROP TEXT SEARCH PARSER p
                drop text search parser [define] drop:p(other)
            DROP ROLE a, CURRENT_USER
                drop role [define grant] drop:a(role) drop:current_user(role)
            DROP DATABASE d WITH (FORCE)
                drop database [define] drop:d(database)
            DROP TABLESPACE ts
                drop tablespace [define] drop:ts(other)
            DROP STATISTICS st
                drop statistics [define] drop:st(other)
            DROP ACCESS METHOD m
                drop access method [define] drop:m(other)
        "#]],
    );
}

#[test]
fn functions_that_matter() {
    check(
        &[
            "SELECT pg_read_file('/etc/passwd')",
            "SELECT ('/etc/passwd'::text).pg_read_file",
            "SELECT x.pg_read_file FROM unnest(ARRAY['/etc/passwd']) x",
            "SELECT \"PG_READ_FILE\"('x'), pg_sleep(1), currval('s')",
            "SELECT * FROM dblink('dbname=x', 'SELECT 1') AS t (a int)",
            "INSERT INTO t VALUES (lo_import('/etc/passwd'))",
            "UPDATE t SET a = 1 WHERE b = (SELECT query_to_xml('SELECT ssn FROM users', true, true, ''))",
            "CREATE TABLE t (a text DEFAULT pg_ls_dir('.'))",
            "SELECT a FROM t ORDER BY pg_terminate_backend(b) LIMIT 1",
        ],
        expect![[r#"
            SELECT pg_read_file('/etc/passwd')
                select [read] call:pg_read_file(function)  !dangerous-function
            SELECT ('/etc/passwd'::text).pg_read_file
                select [read] call:pg_read_file(function)  !dangerous-function  .pg_read_file
            SELECT x.pg_read_file FROM unnest(ARRAY['/etc/passwd']) x
                select [read] call:pg_read_file(function) call:unnest(function)  !dangerous-function  .pg_read_file
            SELECT "PG_READ_FILE"('x'), pg_sleep(1), currval('s')
                select [read] call:PG_READ_FILE(function) call:pg_sleep(function) call:currval(function)
            SELECT * FROM dblink('dbname=x', 'SELECT 1') AS t (a int)
                select [read] call:dblink(function)  !dangerous-function  .* .a
            INSERT INTO t VALUES (lo_import('/etc/passwd'))
                insert [insert] insert:t(relation) call:lo_import(function)  !dangerous-function
            UPDATE t SET a = 1 WHERE b = (SELECT query_to_xml('SELECT ssn FROM users', true, true, ''))
                update [read update] update:t(relation) call:query_to_xml(function)  !dangerous-function  .a .b
            CREATE TABLE t (a text DEFAULT pg_ls_dir('.'))
                create table [define] define:t(relation) call:pg_ls_dir(function)  !dangerous-function  .a
            SELECT a FROM t ORDER BY pg_terminate_backend(b) LIMIT 1
                select [read] read:t(relation) call:pg_terminate_backend(function)  !dangerous-function  .a .b
        "#]],
    );
}

#[test]
fn several_statements_are_all_judged() {
    check(
        &[
            "SELECT 1; DROP TABLE t",
            "SELECT 1; SELECT 2;",
            ";SELECT 1;;",
            "SELECT 'a;b'; /* ; */ DELETE FROM t -- ;\n; SELECT $$;$$",
            "SELECT 1; SELEC 2",
            "BEGIN; DELETE FROM t WHERE a = 1; COMMIT",
        ],
        expect![[r#"
            SELECT 1; DROP TABLE t
                select [read]  !multiple-statements
                drop table [define] drop:t(relation)  !multiple-statements
            SELECT 1; SELECT 2;
                select [read]  !multiple-statements
                select [read]  !multiple-statements
            ;SELECT 1;;
                select [read]
            "SELECT 'a;b'; /* ; */ DELETE FROM t -- ;\n; SELECT $$;$$"
                select [read]  !multiple-statements
                delete [delete] delete:t(relation)  !multiple-statements !no-where
                select [read]  !multiple-statements
            SELECT 1; SELEC 2
                refused: syntax error at or near "SELEC"
            BEGIN; DELETE FROM t WHERE a = 1; COMMIT
                begin [transaction]  !multiple-statements
                delete [delete] delete:t(relation)  !multiple-statements  .a
                commit [transaction]  !multiple-statements
        "#]],
    );
}

#[test]
fn text_that_tries_to_look_like_something_else() {
    check(
        &[
            "SELECT /* /* */ DROP TABLE t; */ 1",
            "SELECT E'\\'; DROP TABLE t; --'",
            "SELECT '\\'; DROP TABLE t; --'",
            "SELECT '\\' || 'x'",
            "SELECT $a$ $b$; DROP TABLE t; $a$",
            "SELECT $$'$$, '$$'; DROP TABLE t; -- $$",
            "SELECT 'a' -- '\n 'b'; DROP TABLE t",
            "SELECT U&'\\0027; DROP TABLE t; --'",
            "SELECT U&'!0041' UESCAPE '!', U&\"\\0064rop\"",
            "SELECT 1 --\r; DROP TABLE t",
            "SELECT 1 --\n; DROP TABLE t",
            "SELECT \"a\"\"; DROP TABLE t; --\"",
            "DROP/**/TABLE/**/t",
            "dRoP\u{0B}TaBlE\u{0C}t",
            "DROP\u{A0}TABLE t",
            "ＤＲＯＰ TABLE t",
            "SELECT 1 \0; DROP TABLE t",
            "SELECT B'01'; SELECT X'ZZ'",
            "SELECT 1a",
            "\u{FEFF}SELECT 1",
            "\\d users",
            "SELECT $1$2",
            "SELECT 99999999999999999999, 1e999",
        ],
        expect![[r#"
            SELECT /* /* */ DROP TABLE t; */ 1
                select [read]
            SELECT E'\'; DROP TABLE t; --'
                select [read]
            SELECT '\'; DROP TABLE t; --'
                select [read]  !multiple-statements
                drop table [define] drop:t(relation)  !multiple-statements
            SELECT '\' || 'x'
                select [read]
            SELECT $a$ $b$; DROP TABLE t; $a$
                select [read]
            SELECT $$'$$, '$$'; DROP TABLE t; -- $$
                select [read]  !multiple-statements
                drop table [define] drop:t(relation)  !multiple-statements
            "SELECT 'a' -- '\n 'b'; DROP TABLE t"
                select [read]  !multiple-statements
                drop table [define] drop:t(relation)  !multiple-statements
            SELECT U&'\0027; DROP TABLE t; --'
                select [read]
            SELECT U&'!0041' UESCAPE '!', U&"\0064rop"
                select [read]  .drop
            "SELECT 1 --\r; DROP TABLE t"
                select [read]  !multiple-statements
                drop table [define] drop:t(relation)  !multiple-statements
            "SELECT 1 --\n; DROP TABLE t"
                select [read]  !multiple-statements
                drop table [define] drop:t(relation)  !multiple-statements
            SELECT "a""; DROP TABLE t; --"
                select [read]  .a"; DROP TABLE t; --
            DROP/**/TABLE/**/t
                drop table [define] drop:t(relation)
            "dRoP\u{b}TaBlE\u{c}t"
                drop table [define] drop:t(relation)
            DROP TABLE t
                refused: syntax error at or near "DROP TABLE"
            ＤＲＯＰ TABLE t
                refused: syntax error at or near "ＤＲＯＰ"
            "SELECT 1 \0; DROP TABLE t"
                refused: the SQL contains a NUL byte
            SELECT B'01'; SELECT X'ZZ'
                select [read]  !multiple-statements
                select [read]  !multiple-statements
            SELECT 1a
                refused: trailing junk after numeric literal at or near "1a"
            ﻿SELECT 1
                refused: syntax error at or near "﻿SELECT"
            \d users
                refused: syntax error at or near "\"
            SELECT $1$2
                refused: syntax error at or near "$2"
            SELECT 99999999999999999999, 1e999
                select [read]
        "#]],
    );
}

/// `SECRET` stands for a secret word, `424242` for a secret number.
const WITH_LITERALS: &[&str] = &[
    "SELECT 'SECRET', 424242, 424242.5, -424242, 0x67932, 4.24242e5, E'SECRET\\'', $$SECRET$$, $q$SECRET$q$, U&'SECRET'",
    "SELECT B'1', X'5EC2E7', N'SECRET', 'a' -- SECRET\n'SECRET'",
    "SELECT 'a'\n'SECRET' -- SECRET\n, 'b' /* SECRET /* SECRET */ */",
    "SELECT DATE 'SECRET', INTERVAL 'SECRET' DAY, TIMESTAMP WITH TIME ZONE 'SECRET', int4 'SECRET', CAST('SECRET' AS text)",
    "SELECT a FROM t WHERE b LIKE 'SECRET' ESCAPE 'S' OR c SIMILAR TO 'SECRET' OR d AT TIME ZONE 'SECRET' IS NULL",
    "SELECT a -> 'SECRET' #>> '{SECRET}' FROM t LIMIT 424242 OFFSET 424242",
    "SELECT a[424242], b['SECRET'], f(x => 'SECRET') FROM t FETCH FIRST 424242 ROWS ONLY",
    "SELECT * FROM t TABLESAMPLE system (424242) REPEATABLE (424242)",
    "SELECT xmlelement(name a, 'SECRET'), xmlparse(content 'SECRET'), xmlpi(name a, 'SECRET')",
    "SELECT * FROM XMLTABLE('SECRET' PASSING 'SECRET' COLUMNS a text PATH 'SECRET' DEFAULT 'SECRET')",
    "SELECT * FROM JSON_TABLE('SECRET', 'SECRET' PASSING 424242 AS x COLUMNS (a int PATH 'SECRET' DEFAULT 'SECRET' ON EMPTY))",
    "SELECT JSON_OBJECT('SECRET': 'SECRET'), JSON_ARRAY('SECRET'), JSON_SCALAR(424242), JSON('SECRET')",
    "SELECT sum(a) OVER (ROWS BETWEEN 424242 PRECEDING AND 424242 FOLLOWING) FROM t",
    "SELECT EXTRACT(epoch FROM 'SECRET'), OVERLAY('SECRET' PLACING 'SECRET' FROM 424242), TRIM('SECRET' FROM 'SECRET'), POSITION('SECRET' IN 'SECRET')",
    "VALUES ('SECRET', 424242), ('SECRET', 424242)",
    "INSERT INTO t (a, b) VALUES ('SECRET', 424242) ON CONFLICT (a) DO UPDATE SET c = 'SECRET' RETURNING 'SECRET'",
    "UPDATE t SET a = 'SECRET', b[424242] = 424242 WHERE c IN ('SECRET', 'SECRET') RETURNING 'SECRET' AS x",
    "DELETE FROM t WHERE a = 'SECRET' AND b BETWEEN 424242 AND 424242",
    "MERGE INTO t USING u ON t.a = 'SECRET' WHEN MATCHED THEN UPDATE SET b = 'SECRET' WHEN NOT MATCHED THEN INSERT VALUES ('SECRET')",
    "WITH c AS (SELECT 'SECRET') SELECT * FROM c WHERE a = $1 AND b = 'SECRET'",
    "COPY t FROM '/SECRET' WITH (DELIMITER 'S', NULL 'SECRET', FORMAT 'csv')",
    "COPY t TO PROGRAM 'SECRET'",
    "COPY (SELECT 'SECRET') TO STDOUT",
    "EXPLAIN SELECT 'SECRET'",
    "EXPLAIN (ANALYZE 'SECRET', FORMAT 'SECRET') SELECT 'SECRET'",
    "PREPARE p AS SELECT 'SECRET', $1",
    "EXECUTE p ('SECRET', 424242)",
    "DECLARE c CURSOR FOR SELECT 'SECRET'",
    "FETCH 424242 FROM c",
    "MOVE ABSOLUTE 424242 IN c",
    "CREATE TABLE x AS SELECT 'SECRET' AS a",
    "CREATE TABLE x AS EXECUTE p ('SECRET')",
    "DO $$ SECRET $$",
    "DO LANGUAGE plpgsql 'SECRET'",
    "CALL p('SECRET', 424242)",
    "SET x TO 'SECRET', 424242",
    "SET LOCAL x = 'SECRET'",
    "SET TIME ZONE 'SECRET'",
    "SET TIME ZONE INTERVAL 'SECRET' HOUR TO MINUTE",
    "SET SESSION AUTHORIZATION 'SECRET'",
    "SET ROLE 'SECRET'",
    "SET NAMES 'SECRET'",
    "SET SCHEMA 'SECRET'",
    "SET TRANSACTION SNAPSHOT 'SECRET'",
    "SELECT set_config('SECRET', 'SECRET', false)",
    "PREPARE TRANSACTION 'SECRET'",
    "COMMIT PREPARED 'SECRET'",
    "ROLLBACK PREPARED 'SECRET'",
    "NOTIFY c, 'SECRET'",
    "LOAD 'SECRET'",
    "CREATE ROLE r PASSWORD 'SECRET' VALID UNTIL 'SECRET' CONNECTION LIMIT 424242",
    "CREATE USER r ENCRYPTED PASSWORD 'SECRET'",
    "ALTER ROLE r PASSWORD 'SECRET'",
    "ALTER ROLE r SET x TO 'SECRET'",
    "ALTER ROLE r IN DATABASE d SET x TO 'SECRET'",
    "ALTER SYSTEM SET x = 'SECRET'",
    "ALTER DATABASE d SET x = 'SECRET'",
    "CREATE DATABASE d TEMPLATE 'SECRET' ENCODING 'SECRET' CONNECTION LIMIT 424242",
    "CREATE TABLESPACE ts LOCATION 'SECRET'",
    "COMMENT ON TABLE t IS 'SECRET'",
    "COMMENT ON COLUMN t.a IS $$SECRET$$",
    "SECURITY LABEL FOR 'SECRET' ON TABLE t IS 'SECRET'",
    "CREATE USER MAPPING FOR r SERVER s OPTIONS (user 'SECRET', password 'SECRET')",
    "ALTER USER MAPPING FOR r SERVER s OPTIONS (SET password 'SECRET')",
    "CREATE SERVER s TYPE 'SECRET' VERSION 'SECRET' FOREIGN DATA WRAPPER w OPTIONS (host 'SECRET')",
    "ALTER SERVER s VERSION 'SECRET' OPTIONS (ADD a 'SECRET')",
    "CREATE FOREIGN TABLE t (a int OPTIONS (b 'SECRET')) SERVER s OPTIONS (c 'SECRET')",
    "CREATE SUBSCRIPTION s CONNECTION 'password=SECRET' PUBLICATION p WITH (slot_name = 'SECRET')",
    "ALTER SUBSCRIPTION s CONNECTION 'password=SECRET'",
    "CREATE FUNCTION f(a text DEFAULT 'SECRET') RETURNS text LANGUAGE sql SET x TO 'SECRET' AS 'SECRET'",
    "CREATE FUNCTION f() RETURNS text LANGUAGE c AS 'SECRET', 'SECRET'",
    "CREATE FUNCTION f() RETURNS text RETURN 'SECRET'",
    "CREATE TABLE t (a text DEFAULT 'SECRET' CHECK (a <> 'SECRET'), b varchar(424242)) WITH (fillfactor = 424242)",
    "CREATE TABLE p PARTITION OF t FOR VALUES FROM ('SECRET') TO (424242)",
    "CREATE TABLE p PARTITION OF t FOR VALUES IN ('SECRET', 424242)",
    "CREATE VIEW v AS SELECT 'SECRET' AS a",
    "CREATE INDEX i ON t (a) WHERE b = 'SECRET'",
    "CREATE SEQUENCE s START 424242 INCREMENT -424242",
    "CREATE TYPE e AS ENUM ('SECRET')",
    "ALTER TYPE e ADD VALUE 'SECRET' BEFORE 'SECRET'",
    "ALTER TYPE e RENAME VALUE 'SECRET' TO 'SECRET'",
    "CREATE DOMAIN d AS text DEFAULT 'SECRET' CHECK (VALUE <> 'SECRET')",
    "CREATE AGGREGATE a (int) (SFUNC = f, STYPE = int, INITCOND = 'SECRET')",
    "CREATE TRIGGER tr AFTER INSERT ON t FOR EACH ROW WHEN (new.a = 'SECRET') EXECUTE FUNCTION f('SECRET', 424242)",
    "CREATE EVENT TRIGGER e ON sql_drop WHEN tag IN ('SECRET') EXECUTE FUNCTION f()",
    "CREATE RULE r AS ON INSERT TO t WHERE new.a = 'SECRET' DO ALSO UPDATE u SET b = 'SECRET'",
    "CREATE POLICY p ON t USING (a = 'SECRET')",
    "CREATE EXTENSION e VERSION 'SECRET'",
    "ALTER EXTENSION e UPDATE TO 'SECRET'",
    "CREATE COLLATION c (LOCALE = 'SECRET')",
    "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = t, x = 'SECRET')",
    "CREATE CONVERSION c FOR 'SECRET' TO 'SECRET' FROM f",
    "CREATE PUBLICATION p FOR TABLE t WHERE (a = 'SECRET') WITH (publish = 'SECRET')",
    "ALTER TABLE t ADD a text DEFAULT 'SECRET', ALTER b SET STATISTICS 424242, ALTER c TYPE text USING 'SECRET'",
    "IMPORT FOREIGN SCHEMA s FROM SERVER r INTO l OPTIONS (a 'SECRET')",
    "VACUUM (PARALLEL 424242) t",
    "/* SECRET */ SELECT 1; -- SECRET\n /* 424242 */ SELECT 2 -- SECRET",
];

#[test]
fn no_literal_or_comment_is_left_in_the_text() {
    let secrets = ["SECRET", "424242", "5EC2E7", "67932", "4.24242"];
    for sql in WITH_LITERALS {
        let actions = analyze(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
        assert!(!actions.is_empty(), "{sql}");
        for action in actions {
            let shown = format!("{action:?}");
            assert!(secrets.iter().all(|secret| !shown.contains(secret)), "{sql}\n{shown}");
        }
    }
}

#[test]
fn the_text_of_a_statement_is_that_statement() {
    let texts =
        |sql: &str| analyze(sql).expect(sql).into_iter().map(|action| action.text).collect::<Vec<_>>();
    assert_eq!(texts("SELECT 1; /* x */ DROP  TABLE t ;"), ["SELECT $1", "DROP TABLE t"]);
    assert_eq!(texts("PREPARE p AS SELECT $1, 'x'"), ["PREPARE p AS SELECT $1, $2"]);
}

#[test]
fn limits_hold() {
    let spaces = |n: usize| format!("SELECT 1{}", " ".repeat(n - 8));
    assert!(analyze(&spaces(4 << 20)).is_ok());
    let bytes_max = SQL_BYTES_MAX;
    assert_eq!(analyze(&spaces(bytes_max + 1)), Err(AnalyzeError::TooLong { bytes_max }));
    let literal = |n: usize| format!("SELECT '{}'", "(,)".repeat(n / 3));
    assert!(analyze(&literal(4 << 20)).is_ok());
    let tokens = |n: usize| format!("SELECT 1{}", ",1".repeat((n - 2) / 2));
    assert!(analyze(&tokens(20_000)).is_ok());
    assert_eq!(analyze(&tokens(TOKENS_MAX + 2)), Err(AnalyzeError::TooManyTokens));
    assert_eq!(analyze("SELECT '\0'"), Err(AnalyzeError::Nul));
}

/// Pieces that, put together at random, often make SQL and often nearly.
const PIECES: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "t",
    "users u",
    "u.*",
    "*",
    "(",
    ")",
    ",",
    ";",
    "1",
    "'x'",
    "'",
    "E'\\",
    "$$",
    "$a$",
    "\"A\"",
    "\"",
    "U&'\\",
    "--",
    "\n",
    "/*",
    "*/",
    "WITH c AS",
    "UNION ALL",
    "INSERT INTO",
    "VALUES",
    "RETURNING",
    "UPDATE",
    "SET",
    "=",
    "DELETE FROM",
    "NOT",
    "::",
    "[",
    "]",
    "CASE WHEN",
    "END",
    "EXPLAIN",
    "ANALYZE",
    "CREATE",
    "TABLE",
    "AS",
    "DROP",
    "ALTER",
    "GRANT",
    "TO",
    "ON",
    "é",
    "\u{a0}",
    "$1",
    "é'",
    "COPY",
    "STDOUT",
    "DO",
    "BEGIN",
];

fn sql() -> impl Strategy<Value = String> {
    let pieces = proptest::collection::vec(proptest::sample::select(PIECES), 0..24);
    prop_oneof![any::<String>(), "[ -~]{0,40}", pieces.prop_map(|pieces| pieces.join(" "))]
}

proptest! {
    #[test]
    fn any_text_is_analysed_or_refused(sql in sql()) {
        let result = analyze(&sql);
        prop_assert!(!matches!(result, Err(AnalyzeError::Internal { .. } | AnalyzeError::Unsupported)), "{result:?}");
        if let Err(AnalyzeError::Syntax(error)) = result
            && let Some(position) = error.position
        {
            prop_assert!((1..=sql.chars().count() + 1).contains(&position));
        }
    }

    #[test]
    fn a_literal_never_shows(secret in "[a-z]{12}", statement in proptest::sample::select(WITH_LITERALS)) {
        let sql = statement.replace("SECRET", &secret);
        let shown = format!("{:?}", analyze(&sql));
        prop_assert!(!shown.contains(&secret), "{shown}");
    }
}

/// A text of two literals, or of one that ends later, and what stands behind it.
#[test]
fn escaped_literals_end_where_the_server_ends_them() {
    let check = |text: &str, expected: &str| {
        let scanned = Scanned::new(Sql { text, strings: Strings::Escaped }).expect(text);
        let actions = scanned.analyze();
        let found = actions.map(|actions| actions.iter().map(render).collect::<Vec<_>>().join("; "));
        let found = found.unwrap_or_else(|error| error.to_string()).replace("  ", " ");
        assert_eq!(found.trim_end(), expected, "{text}");
    };
    check(r"SELECT '\' , ', ssn FROM people --'", "select [read] read:people(relation) .ssn");
    check(r"SELECT '\'; DROP TABLE t; --'", "select [read]");
    check(r"SELECT '\', t", r#"unterminated quoted string at or near "'\', t""#);
    check(
        r"SELECT '\\'; DROP TABLE t; --'",
        "select [read] !multiple-statements; drop table [define] drop:t(relation) !multiple-statements",
    );
    check("SELECT 'a\\''\n'\\' FROM t --'", "select [read]");
    check(r"SELECT U&'\0041'", "unsafe use of string constant with Unicode escapes");
    check(r"SELECT E'\' FROM t --'", "select [read]");
}

/// libpg_query keeps a text's settings for the thread when it finds an error in it.
#[test]
fn an_error_in_escaped_literals_does_not_change_how_others_are_read() {
    declare_large_stack();
    let failing = Sql { text: r"SELECT '\' x y z", strings: Strings::Escaped };
    assert!(Scanned::new(failing).expect("short").analyze().is_err());
    let actions = analyze(r"SELECT '\' , ', ssn FROM people --'").expect("two literals");
    assert_eq!(actions[0].text, "SELECT $1 , $2");
    assert_eq!(actions[0].objects, []);
}

/// Each query hands on what is inside it: that is not looked at once for every query around.
#[test]
fn a_long_chain_of_queries_is_gone_through_once() {
    let chain = "SELECT a FROM t UNION ALL ".repeat(4_000) + "SELECT a FROM t";
    assert_eq!(analyze(&chain).expect("under the limit").len(), 1);
    let relations = vec!["t"; 5_000].join(", ");
    let locked =
        "SELECT * FROM (".repeat(400) + "SELECT * FROM " + &relations + &") x FOR UPDATE".repeat(400);
    assert_eq!(analyze(&locked), Err(AnalyzeError::TooDeep));
}
