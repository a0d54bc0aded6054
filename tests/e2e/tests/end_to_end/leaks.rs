//! Ways to make values show that a mask alone does not cover, each tried on twin databases that differ in protected values
//! only: nothing a client receives may differ. What the property test (`noninterference.rs`) finds is added here, so that
//! it stays fixed.

use std::collections::BTreeSet;

use grille_e2e::generate::{Delivery, Expected, Script, Step};
use grille_e2e::twins::{Answers, Pair, Problem, Through, Twins, is_refusal, judge};

/// Every column of `users` but `id`, `name` and `k` is protected, and what is computed from one or refers to one.
const DEFINITION: &str = "
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN code AS text CHECK (length(VALUE) < 40);
CREATE TYPE pair AS (n int4, word text);
CREATE DOMAIN label AS text;
CREATE TABLE users (
    id int4 PRIMARY KEY, name text, k int4 NOT NULL CHECK (k < 1000),
    ssn text UNIQUE, salary numeric(12,2), score int4, born date, doc jsonb, tags text[], code code, mood mood, ip inet,
    duo pair, pin bytea, slug text GENERATED ALWAYS AS (upper(ssn)) STORED,
    CHECK (k < 100 + length(ssn))
);
CREATE TABLE staff (bonus int4) INHERITS (users);
CREATE TABLE orders (
    id int4 PRIMARY KEY, user_id int4 REFERENCES users ON DELETE CASCADE, holder text REFERENCES users (ssn), item text,
    amount numeric
);
CREATE TABLE events (id int4 PRIMARY KEY, k int4 NOT NULL, secret text) PARTITION BY RANGE (id);
CREATE TABLE events_a PARTITION OF events FOR VALUES FROM (0) TO (10);
CREATE TABLE events_b PARTITION OF events FOR VALUES FROM (10) TO (20);
CREATE TABLE free (id int4 PRIMARY KEY, k int4 NOT NULL, txt text);
CREATE TABLE notes (id int4 PRIMARY KEY, body text);
CREATE TABLE oddities (
    id int4 PRIMARY KEY, a_xml xml, a_vector tsvector, a_range int4range, ranges int4multirange, a_point point, mac macaddr,
    an_oid oid, a_name name, a_byte \"char\", three bit(3), a_timetz timetz, net cidr, relation regclass, lsn pg_lsn,
    moneys money[], duos pair[], moods mood[], codes label[], a_circle circle, a_path jsonpath, lag interval[]
);
CREATE VIEW contact AS SELECT id, name, ssn, upper(ssn) AS loud FROM users;
CREATE VIEW nested AS SELECT id, substr(loud, 2) AS part FROM contact;
CREATE MATERIALIZED VIEW frozen AS SELECT id, salary AS pay FROM users;
";

/// The rule on `events` names one partition only, nothing names the child, the views and the generated column.
const RULES: [&str; 35] = [
    "public.notes.body",
    "public.oddities.a_xml",
    "public.oddities.a_vector",
    "public.oddities.a_range",
    "public.oddities.ranges",
    "public.oddities.a_point",
    "public.oddities.mac",
    "public.oddities.an_oid",
    "public.oddities.a_name",
    "public.oddities.a_byte",
    "public.oddities.three",
    "public.oddities.a_timetz",
    "public.oddities.net",
    "public.oddities.relation",
    "public.oddities.lsn",
    "public.oddities.moneys",
    "public.oddities.duos",
    "public.oddities.moods",
    "public.oddities.codes",
    "public.oddities.a_circle",
    "public.oddities.a_path",
    "public.oddities.lag",
    "public.users.ssn",
    "public.users.salary",
    "public.users.score",
    "public.users.born",
    "public.users.doc",
    "public.users.tags",
    "public.users.code",
    "public.users.mood",
    "public.users.ip",
    "public.users.duo",
    "public.users.pin",
    "public.orders.holder",
    "public.events_a.secret",
];

const EMPTIED: &str = "TRUNCATE users, orders, events, free, notes, oddities CASCADE;";
const SAME: &str = "INSERT INTO free VALUES (1, 1, 'one'), (2, 2, 'two'); REFRESH MATERIALIZED VIEW frozen;";

/// NULLs are in the same places on both sides.
const LEFT: &str = r#"
INSERT INTO users VALUES
(1, 'ann', 1, '111-11-1111', 1000.50, 0, '1980-01-01', '{"a": 1}', '{a}', 'abc', 'sad', '10.0.0.1', '(1,one)', '\x00'),
(2, 'bob', 2, '12', 20, 5, '1990-02-02', '[1, 2, 3]', '{a,b,c}', 'de', 'ok', '10.0.0.2', '(2,two)', '\x6162'),
(3, 'cid', 1, 'zzz', 0, -3, '2000-03-03', '"w"', '{}', 'fghij', 'happy', '192.0.2.1', '(,)', '\xff'),
(4, 'dee', 2, '444', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO staff VALUES
(7, 'eve', 1, 'boss', 7, 7, '1977-07-07', '{}', '{m}', 'm', 'ok', '10.0.0.7', '(7,x)', '\x07', DEFAULT, 1);
INSERT INTO orders VALUES (1, 1, '111-11-1111', 'pen', 5), (2, 2, '12', 'ink', 6), (3, 2, '12', 'cap', 7);
INSERT INTO events VALUES (1, 1, 'alpha'), (12, 2, 'beta');
INSERT INTO notes SELECT n, 'short' FROM generate_series(1, 12) n;
INSERT INTO oddities VALUES
(1, '<a>1</a>', 'fat cat', '[1,5)', '{[1,2)}', '(1,2)', '08:00:2b:01:02:03', 1, 'one', 'a', '101', '11:22:33+02',
    '10.0.0.0/8', 'pg_class', '0/1', '{$1.00}', '{"(1,a)"}', '{sad}', '{x,y}', '<(1,2),3>', '$.a', '{1 day}');
"#;
const RIGHT: &str = r#"
INSERT INTO users VALUES
(1, 'ann', 1, '9', 5, 7, '1981-01-01', '[]', '{x,y}', 'q', 'happy', '2001:db8::1', '(9,nine)', '\x'),
(2, 'bob', 2, '222-22-2222', 99999.99, 4, 'infinity', '{"b": {"c": 2}, "d": 1}', '{z}', 'abcdef', 'sad', '10.9.9.9', '(0,)', '\x61'),
(3, 'cid', 1, 'aaa', 7, 2147483647, '1970-01-01', 'null', '{q,r}', 'k', 'sad', '::1', '(5,five)', '\x4142'),
(4, 'dee', 2, '555', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO staff VALUES
(7, 'eve', 1, 'm2', 8, 1, '1988-08-08', '[7]', '{n,o}', 'nn', 'sad', '10.7.0.7', '(8,)', '\x0809', DEFAULT, 1);
INSERT INTO orders VALUES (1, 1, 'aaa', 'pen', 5), (2, 2, '555', 'ink', 6), (3, 2, '9', 'cap', 7);
INSERT INTO events VALUES (1, 1, 'gamma ray'), (12, 2, 'd');
INSERT INTO notes SELECT n, repeat('long ', 300) FROM generate_series(1, 12) n;
INSERT INTO oddities VALUES
(1, '<b/>', 'rat:3', 'empty', '{}', '(7,-8)', '01:02:03:04:05:06', 77, 'seventy', 'z', '010', '01:02:03-05', '::1/128',
    'pg_proc', 'FF/1', '{$2.00,$3.50}', '{}', '{happy,ok}', '{}', '<(0,0),99>', '$.b[*] ? (@ > 2)', '{}');
"#;

/// Queries that show protected values, or what is computed from them, in their results. Sent in each of [`WAYS`].
const SHOWN: &[&str] = &[
    "select ssn from users",
    "select ssn as harmless, id from users as u",
    "select salary, score, born, doc, tags, code, mood, ip, duo, pin from users",
    "select slug from users",
    "select ssn, slug from staff",
    "select secret from events",
    "select secret from events_a",
    "select secret from events_b",
    "select ssn, loud from contact",
    "select part from nested",
    "select pay from frozen",
    "select holder, item from orders",
    "select * from users",
    "table users",
    "select u from users u",
    "select u.* from users u",
    "select (u).ssn from users u",
    "select (u.duo).word from users u",
    "select u::text from users u",
    "select row(u.*)::text from users u",
    "select row_to_json(u) from users u",
    "select to_jsonb(u) - 'id' from users u",
    "select json_agg(u) from users u",
    "select array_agg(u) from users u",
    "select jsonb_each(to_jsonb(u)) from users u where id = 1",
    "select upper(ssn), lower(ssn), md5(ssn), reverse(ssn), left(ssn, 1), length(ssn), ascii(ssn) from users",
    "select encode(convert_to(ssn, 'UTF8'), 'base64'), encode(pin, 'hex') from users",
    "select ssn || '', '' || ssn, concat(ssn, 'x'), concat_ws(',', id, ssn), format('%s', ssn) from users",
    "select ssn::varchar(3), ssn::char(2), ssn::name, cast(ssn as text) from users",
    "select score + 0, -score, score > 3, score = 7, score is distinct from 5, abs(score::numeric) from users",
    "select ssn like '1%', ssn ~ '^1', ssn < 'm', ssn in ('12', '9'), ssn is null, ssn = any(array['12']) from users",
    "select case when ssn < 'm' then 'yes' else 'no' end, coalesce(ssn, 'x'), nullif(ssn, '12') from users",
    "select greatest(ssn, 'm'), least(score, 3) from users",
    "select (select ssn from users where id = 1)",
    "select (select u.ssn) from users u",
    "select array(select ssn from users)",
    "select exists (select 1 from users where ssn like '1%')",
    "select '12' in (select ssn from users)",
    "select count(distinct ssn), min(ssn), max(ssn), string_agg(ssn, ',') from users",
    "select count(*) filter (where ssn like '1%') from users",
    "select array_agg(id order by ssn) from users",
    "select string_agg(name, ',' order by salary) from users",
    "select mode() within group (order by score), percentile_disc(0.5) within group (order by salary) from users",
    "select rank('b') within group (order by ssn) from users",
    "select sum(score::int8), avg(score), stddev(score), bool_or(score > 3) from users",
    "select row_number() over (order by ssn), id from users",
    "select rank() over w, id from users window w as (order by salary desc)",
    "select lag(id) over (order by ssn), first_value(name) over (partition by mood order by id) from users",
    "select max(ssn) over () from users",
    "select x from (select ssn as x from users) s",
    "select x from (select upper(ssn) from users) s(x)",
    "with w as (select ssn as x from users) select x from w",
    "with w as materialized (select * from users) select * from w",
    "with recursive r(n, x) as (select 1, ssn from users where id = 1 union all select n + 1, x || 'a' from r where n < 3) select x from r",
    "select 'a' union all select ssn from users",
    "select ssn from users union all select name from users",
    "select l.x from users u, lateral (select u.ssn as x) l",
    "select l.x from users u cross join lateral (values (u.ssn), (u.slug)) l(x)",
    "select a.ssn from orders o join users a on a.id = o.user_id",
    "select a.ssn from users a left join users b on a.id = b.id + 1",
    "values ((select ssn from users where id = 1))",
    "select (select f from frozen f limit 1)::text",
    "select doc -> 'a', doc ->> 'a', doc #> '{a}', doc ? 'a', jsonb_typeof(doc), doc @> '[]' from users",
    "select tags[1], tags[1:1], cardinality(tags), array_length(tags, 1), 'a' = any(tags), tags && '{a}' from users",
    "select array_to_string(tags, ','), array_append(tags, 'x'), array[ssn, name] from users",
    "select mood::text, mood > 'sad', enum_range(mood, null::mood) from users",
    "select code::text, length(code), code || 'x' from users",
    "select host(ip), family(ip), masklen(ip), ip << '10.0.0.0/8', ip::text from users",
    "select extract(year from born), date_trunc('month', born), to_char(born, 'YYYY'), born - date '2000-01-01' from users",
    "select pg_column_size(ssn), octet_length(pin), bit_length(ssn), hashtext(ssn) from users",
    "select pg_column_size(u), hashtext(u::text) from users u",
    "select pg_typeof(ssn), left(ssn, 1) from users",
    "select jsonb_build_object('s', ssn), json_build_array(ssn, score), to_json(tags), to_jsonb(duo) from users",
    "select xmlelement(name x, ssn)::text, xmlforest(ssn)::text from users",
    "select quote_literal(ssn), quote_ident(ssn), translate(ssn, '1', '2'), regexp_replace(ssn, '1', 'x') from users",
    "select (ssn, score) = ('12', 5), (ssn, 1) < ('m', 2) from users",
    "select setting from (select ssn as setting from users) pg_settings",
    "select ctid, id, ssn from users",
    "select tableoid::regclass, ssn from users",
    "select u.ssn, f.txt from users u full join free f on u.id = f.id",
    "select ssn from only users",
    "select ssn from users *",
    "select ssn from public.users where id = 1 for update",
    "select \"ssn\" from \"public\".\"users\"",
    "select SSN from Users /* ' */ -- '\n",
    "select u&\"\\0073sn\" from users",
    "select o.* from (users cross join free) as o",
    "select coalesce(a.ssn, b.txt) from users a full join free b using (id)",
    "select id, ssn from users natural join (select 1 as id) one",
    "select (array_agg(ssn))[1] from users",
    "select grouping(k), k, max(ssn) from users group by rollup (k)",
    "select * from oddities",
    "select a_xml, a_vector, a_range, ranges, a_point, mac, an_oid, a_name from oddities",
    "select a_byte, three, a_timetz, net, relation, lsn, moneys, duos, moods, codes, a_circle, a_path, lag from oddities",
    "select a_xml::text, a_range::text, moods::text, duos::text, relation::text from oddities",
    "select array[a_range], row(a_point, mac), array[three] from oddities",
    "select o from oddities o",
    "select body from notes",
    "select xmlagg(a_xml), array_agg(mac), json_agg(duos) from oddities",
];

/// Queries in which a protected column decides which rows come back, how many, in which order, or whether there is an
/// error. Sent in each of [`WAYS`].
const SHAPED: &[&str] = &[
    "select id from users where ssn = '12'",
    "select id from users where ssn like '1%'",
    "select id from users where length(ssn) > 5",
    "select id from users where score > 3 or id = 1",
    "select id from users where not (salary < 100)",
    "select id from users where case when ssn > 'c' then true end",
    "select id from users where (ssn, id) in (('12', 2), ('9', 1))",
    "select id from users where starts_with(ssn, '1')",
    "select id from contact where loud like '1%'",
    "select id from nested where part = ''",
    "select id from frozen where pay > 100",
    "select id from staff where slug = 'BOSS'",
    "select id from events where secret = 'alpha'",
    "select id from users order by ssn",
    "select id, ssn from users order by 2",
    "select id, ssn as x from users order by x desc",
    "select id from users order by length(ssn), id",
    "select id from users order by salary limit 1",
    "select id from users u order by (u.ssn, u.id)",
    "select distinct left(ssn, 1) from users",
    "select distinct on (left(ssn, 1)) id from users",
    "select count(*) from users group by left(ssn, 1)",
    "select k from users group by k having max(ssn) > 'n'",
    "select count(*) from users group by grouping sets ((mood), ())",
    "select ssn from users union select holder from orders",
    "select ssn from users intersect select holder from orders",
    "select ssn from users except all select holder from orders",
    "select u.id, o.id from users u join orders o on u.ssn = o.holder",
    "select u.id, o.id from users u join orders o on u.id = o.user_id and u.ssn < '2'",
    "select a.id, b.id from users a join (select id, holder as ssn from orders) b using (ssn)",
    "select a.id, b.id from users a join users b on left(a.ssn, 1) = left(b.ssn, 1)",
    "select count(*) from users natural join (select '12' as ssn) x",
    "select f.id from free f where exists (select 1 from users u where u.ssn like '1%' and u.id = f.id)",
    "select f.id from free f where f.id in (select score from users)",
    "select f.id from free f where f.txt > (select max(ssn) from users)",
    "select id from free limit (select length(ssn) - 1 from users where id = 2)",
    "select id from free offset (select least(length(ssn), 2) from users where id = 1) - 1",
    "select id from users order by score fetch first 1 rows with ties",
    "select id, unnest(tags) is null from users",
    "select id from users, unnest(tags)",
    "select id, jsonb_object_keys(case when jsonb_typeof(doc) = 'object' then doc else '{}' end) from users",
    "select count(*) from users, generate_series(1, greatest(0, least(score, 3)))",
    "select count(*) from users, regexp_split_to_table(ssn, '')",
    "select count(*) from users, string_to_table(ssn, '1')",
    "select count(*) from users, rows from (unnest(tags), generate_series(1, 1)) r",
    "select count(*) from users, jsonb_array_elements(case when jsonb_typeof(doc) = 'array' then doc else '[]' end)",
    "select count(*) from (select unnest(tags) from users) s",
    "with recursive r(n, x) as (select 1, ssn from users where id = 2 union all select n + 1, x from r where n < length(x)) select n from r",
    "select score::int2 from users",
    "select 1 / score from users",
    "select 1 / (length(ssn) - 3) from users",
    "select ssn::int4 from users where id = 2",
    "select ssn::date from users where id = 1",
    "select ssn::mood from users",
    "select ssn::regclass from users",
    "select (ssn || ' ')::jsonb from users",
    "select case when ssn like '1%' then (1 / (k - 1))::text else 'x' end from users where id = 1",
    "select coalesce(nullif(ssn, '9'), (1 / (k - 1))::text) from users where id = 1",
    "select (select id from free f where f.txt < u.ssn) from users u where u.id = 3",
    "select (select id from users where ssn > 'n')",
    "select substring('abcdef' from 1 for score) from users",
    "select repeat('x', score) from users",
    "select date '2000-01-01' + score from users",
    "select score + score from users",
    "select born::timestamp + interval '1 day' from users",
    "select make_date(score, 1, 1) from users",
    "select jsonb_array_length(doc) from users where id = 2",
    "select doc || '{}' from users",
    "select doc - 'a' from users",
    "select doc::int4 from users where id = 3",
    "select to_date(ssn, 'YYYY') from users",
    "select to_number(ssn, '999') from users",
    "select '12' like ssn, '12' ~ ssn from users",
    "select get_byte(pin, 1) from users where id = 2",
    "select convert_from(pin, 'UTF8') from users",
    "select chr(score) from users",
    "select ln(salary), sqrt(salary) from users",
    "select power(10, salary) from users",
    "select salary::int2 from users",
    "select salary * 1e300 * 1e300 from users",
    "select array_fill(1, array[score]) from users",
    "select width_bucket(salary, 1, 10, score) from users",
    "select json_object_agg(tags[1], 1) from users where id = 3",
    "select xmlparse(document ssn) from users",
    "select format(ssn) from users",
    "select ('x' || ssn)::inet from users",
    "select substr(ssn::bit(8)::text, 1) from users",
    "select sum(score) filter (where 1 / score > 0) from users",
    "select ntile(score) over () from users",
    "select nth_value(id, score) over () from users",
    "select lag(id, score) over (order by id) from users",
    "select percentile_disc(salary) within group (order by 1) from users group by salary",
    "select current_setting(ssn) from users",
    "select to_regclass(ssn), has_table_privilege(ssn, 'select') from users",
    "select pg_advisory_lock(score * 5000000000) from users",
    "select set_config('application_name', ssn, false) from users",
    "select setseed(score) from users",
    "select nextval(ssn) from users",
    "select query_to_xml('select * from users', true, true, '')",
    "select table_to_xml('users', true, true, '')",
    "select query_to_xml('select 1 from users where ssn like ''1%''', true, true, '')",
    "select schema_to_xml('public', true, true, '')",
    "select * from ts_stat('select to_tsvector(ssn) from users')",
    "select lo_from_bytea(0, convert_to(ssn, 'UTF8')) > 0, ssn from users",
    "select lo_get(lo_from_bytea(0, convert_to(ssn, 'UTF8'))) from users",
    "select id from users where ssn = (select '12'::text)",
    "select id from users where '12' = ssn",
    "select id from users where ssn = $x$12$x$",
    "select id from users where u&'12' = ssn",
    "select id from users where users = users and users::text like '%111%'",
    "select count(ssn), count(*) from users where ssn is not null and ssn <> '12'",
    "select id from users where doc @? '$.a'",
    "select id from users where doc['a'] is not null",
    "select id from users where tags[1] = 'a'",
    "select id from users where (duo).n = 2",
    "select id from users tablesample bernoulli (100) where score = 0",
    "select id from users where score between 1 and 6",
    "select id from users where mood >= 'ok'",
    "select id from users where ip <<= '10.0.0.0/24'",
    "select id from users where pin = '\\x6162'",
    "select id from users where born < date '1985-01-01'",
    "select id from users where to_tsvector('simple', ssn) @@ 'zzz'::tsquery",
    "select int4range(score, 3) from users where id = 1",
    "select x from users, xmltable('/r' passing xmlelement(name r, xmlattributes(ssn as v)) columns x text path 'substring(@v, 1, 12 div string-length(@v))')",
    "select lower(a_range) is null, isempty(a_range) from oddities where not isempty(a_range)",
    "select relation from oddities where relation = 'pg_class'::regclass",
    "select row_number() over (order by ssn, id), id from users order by 1",
    "select id from users, lateral (select 1 where ssn like '1%') l",
    "select (select k where ssn like '1%') from users",
    "select id from free where txt like (select ssn || '%' from users where id = 4) or id = (select length(ssn) / 11 from users where id = 1)",
];

/// Several statements in a row; what matters may come out of any of them.
const SEQUENCES: &[&[&str]] = &[
    &["update users set ssn = '12' where id = 3"],
    &["insert into users (id, k, ssn) values (50, 1, '12')"],
    &[
        "insert into users (id, k, ssn) values (50, 1, '12') on conflict (ssn) do update set k = 3 returning id, k",
    ],
    &["insert into users (id, k, ssn) values (50, 1, '12') on conflict do nothing"],
    &["insert into orders (id, user_id, holder) values (50, 1, '12')"],
    &["update orders set holder = '12' where id = 1"],
    &["delete from users where id = 3"],
    &["delete from users where id = 1", "select id from orders"],
    &["update users set ssn = 'x' || id where id = 3"],
    &["update users set k = 102 where id = 2"],
    &["update users set k = 5000 where id = 2"],
    &["update users set k = NULL where id = 2"],
    &["update events_a set k = NULL"],
    &["update users set name = ssn returning name", "select name from users"],
    &["update users set name = 'x' returning ssn, upper(ssn)"],
    &["update users set name = 'x' where ssn like '1%'"],
    &["update users set k = length(ssn) returning k", "select k from users"],
    &["update users set name = case when ssn < 'm' then 'a' else 'b' end", "select name from users"],
    &["update users set (name, k) = (select ssn, 1)", "select name from users"],
    &["update free set txt = u.ssn from users u where u.id = free.id", "select txt from free"],
    &["update free set k = 2 from users u where u.id = free.id and u.ssn < '2' returning free.id"],
    &["update users set salary = 1 / score"],
    &["delete from users where ssn like '1%' returning id"],
    &["delete from users using free where free.txt < ssn"],
    &["delete from orders returning holder"],
    &["insert into free select id + 10, k, ssn from users", "select txt from free"],
    &["insert into free select id + 10, k, 'x' from users where ssn like '1%'", "select id from free"],
    &[
        "insert into free values (9, 9, (select ssn from users where id = 1)) returning txt",
        "select txt from free",
    ],
    &[
        "insert into free values (1, 1, 'x') on conflict (id) do update set txt = (select ssn from users where id = 1)",
        "select txt from free",
    ],
    &[
        "merge into free f using users u on f.id = u.id when matched then update set txt = u.ssn",
        "select txt from free",
    ],
    &["merge into free f using users u on f.id = u.id and u.ssn < '2' when matched then delete"],
    &[
        "merge into free f using users u on f.id = u.id when matched and u.score > 3 then do nothing when matched then delete",
    ],
    &["with w as (delete from orders returning holder) select * from w"],
    &[
        "with w as (insert into free select id + 10, k, ssn from users returning txt) select * from w",
        "select txt from free",
    ],
    &["create table made as select ssn as x from users", "select x from made"],
    &["create temp table made as table users", "select name, ssn from made"],
    &["create temp table made(a, b) as select id, ssn from users", "select b from made"],
    &["select ssn as x into made from users", "select x from made"],
    &[
        "create temp table made (like users)",
        "insert into made select id, name, k, ssn from users",
        "select ssn from made",
    ],
    &["create table made () inherits (users)", "select ssn from users", "select ssn from made"],
    &["create view made as select ssn as x from users", "select x from made", "select upper(x) from made"],
    &["create temp view made as select * from contact", "select * from made"],
    &[
        "create or replace view contact as select id, name, name as ssn, ssn as loud from users",
        "select loud from contact",
    ],
    &["create materialized view made as select ssn as x from users", "select x from made"],
    &["create recursive view made(n, x) as select 1, ssn from users", "select x from made"],
    &["alter table users rename column ssn to renamed", "select renamed from users"],
    &["alter table users rename to moved", "select ssn from moved", "table moved"],
    &["alter view contact rename column loud to quiet", "select quiet from contact"],
    &["alter view contact rename to other", "select loud from other"],
    &["create schema elsewhere", "alter table users set schema elsewhere", "select ssn from elsewhere.users"],
    &[
        "alter table users rename column ssn to a",
        "alter table users rename column name to ssn",
        "select a from users",
    ],
    &[
        "alter table users add column made int4 generated always as (length(ssn)) stored",
        "select made from users",
    ],
    &["alter table users add column made text", "update users set made = ssn", "select made from users"],
    &["alter table users alter column ssn type bytea using convert_to(ssn, 'UTF8')", "select ssn from users"],
    &["alter table orders alter column item type text using holder", "select item from orders"],
    &["alter table users alter column score type int2"],
    &["alter table users alter column code type varchar(5)"],
    &["alter table users add constraint made check (ssn <> '12')"],
    &["alter table users add constraint made unique (mood)"],
    &["alter table users add constraint made exclude using btree (mood with =)"],
    &[
        "update orders set item = '12'",
        "alter table orders add constraint made foreign key (item) references users (ssn)",
    ],
    &["alter table users add constraint made foreign key (score) references free (id)"],
    &["alter domain code add constraint made check (length(value) < 6)"],
    &["alter domain code add constraint made check (value <> 'q')"],
    &["create unique index made on users (left(ssn, 1))"],
    &["create unique index made on users (mood)"],
    &["create index made on users ((ssn::int4))"],
    &["create index made on users ((1 / score))"],
    &["create index made on users (id) where 1 / score > 0"],
    &["alter table events detach partition events_b", "select secret from events_b"],
    &["create table made partition of events for values from (20) to (30)", "select secret from events"],
    &[
        "create table root (id int4, k int4, secret text) partition by range (id)",
        "alter table events detach partition events_a",
        "alter table root attach partition events_a for values from (0) to (10)",
        "select secret from root",
    ],
    &["alter table staff no inherit users", "select ssn from staff"],
    &[
        "create function made(users) returns text language sql as 'select $1.ssn'",
        "select made(u) from users u",
        "select u.made from users u",
    ],
    &[
        "create function made() returns setof text language sql as 'select ssn from users'",
        "select made()",
        "select * from made()",
    ],
    &[
        "create function made(text) returns text immutable language sql as 'select $1'",
        "select made(ssn) from users",
    ],
    &[
        "create function made() returns text stable language sql as 'select ssn from users where id = 1'",
        "select made()",
    ],
    &[
        "create function upper(users) returns text language sql as 'select $1.ssn'",
        "select upper(u) from users u",
    ],
    &[
        "create function name(users) returns text language sql as 'select $1.ssn'",
        "select u.name from users u",
        "select name(u) from users u",
    ],
    &[
        "create aggregate made(text) (sfunc = textcat, stype = text, initcond = '')",
        "select made(ssn) from users",
    ],
    &[
        "create function made(text, text) returns bool language sql as 'select $1 > $2'",
        "create operator @@@ (function = made, leftarg = text, rightarg = text)",
        "select id from free where txt @@@ (select ssn from users where id = 3)",
    ],
    &["create rule made as on update to free do also select ssn from users", "update free set k = 1"],
    &[
        "create rule made as on insert to orders do instead select ssn from users",
        "insert into orders (id) values (99)",
    ],
    &[
        "create policy made on users using (length(ssn) > 3)",
        "alter table users enable row level security, force row level security",
        "select id from users",
    ],
    &[
        "create trigger made before update on users for each row when (new.ssn like '1%') execute function suppress_redundant_updates_trigger()",
        "update users set k = k",
    ],
    &[
        "create function made() returns trigger language plpgsql as 'begin raise notice ''%'', new.ssn; return new; end'",
        "create trigger made before update on users for each row execute function made()",
        "update users set k = 1",
    ],
    &["do $$ begin raise notice '%', (select ssn from users where id = 1); end $$"],
    &["do $$ begin raise exception '%', (select ssn from users where id = 1); end $$"],
    &["do $$ declare x int4; begin select 1 / score into x from users where id = 1; end $$"],
    &[
        "create procedure made() language sql as 'insert into free select id + 10, k, ssn from users'",
        "call made()",
        "select txt from free",
    ],
    &[
        "prepare made as select ssn from users",
        "execute made",
        "create temp table kept as execute made",
        "table kept",
        "explain analyze execute made",
    ],
    &["prepare made(text) as select id from users where ssn = $1", "execute made('12')"],
    &[
        "declare made cursor for select ssn from users",
        "fetch 1 from made",
        "fetch all in made",
        "fetch absolute 0 from made",
    ],
    &[
        "declare made scroll cursor for select id, ssn from users",
        "fetch last from made",
        "fetch prior from made",
        "move first in made",
        "fetch relative 1 from made",
    ],
    &["declare made binary cursor for select ssn, score, doc from users", "fetch all from made"],
    &["declare made cursor with hold for select ssn from users", "fetch 2 made"],
    &["declare made cursor for select id from users where ssn like '1%'", "move all in made"],
    &[
        "declare made cursor for select id from users for update",
        "fetch 1 from made",
        "update users set name = ssn where current of made returning name",
    ],
    &["select lo_from_bytea(77, convert_to(ssn, 'UTF8')) from users where id = 1", "select lo_get(77)"],
    &[
        "select set_config('application_name', ssn, true) from users where id = 1",
        "show application_name",
        "select current_setting('application_name')",
    ],
    &[
        "select set_config('my.var', ssn, true) from users where id = 1",
        "select current_setting('my.var', true)",
    ],
    &["listen news", "select pg_notify('news', ssn) from users where id = 1", "commit", "select 1"],
    &["declare x cursor for select ssn from users", "select cursor_to_xml('x', 1, true, true, '')"],
    &[
        "analyze users",
        "select histogram_bounds::text, most_common_vals::text from pg_stats where tablename = 'users'",
    ],
    &["analyze users", "explain select * from users where ssn > 'm'"],
    &[
        "create statistics made on mood, score from users",
        "analyze users",
        "select most_common_vals::text from pg_stats_ext",
    ],
    &[
        "create statistics made on (length(ssn)), k from users",
        "analyze users",
        "select * from pg_stats_ext_exprs",
    ],
    &["set local search_path to elsewhere, public", "select ssn from users"],
    &[
        "create schema elsewhere",
        "create view elsewhere.free as select id, 1 as k, ssn as txt from public.users",
        "set local search_path to elsewhere",
        "select txt from free",
    ],
    &["create temp table users (id int4, ssn text)", "select ssn from users", "select ssn from public.users"],
    &["create temp view free as select id, 1 as k, ssn as txt from public.users", "select txt from free"],
    &["set local client_min_messages to debug5", "select ssn from users"],
    &["set local log_statement_stats to on", "set local client_min_messages to log", "select ssn from users"],
    &["set local default_transaction_isolation to serializable", "select ssn from users"],
    &["set local row_security to off", "select ssn from users"],
    &["set local bytea_output to escape", "select pin, ssn from users"],
    &["set local datestyle to german", "set local intervalstyle to iso_8601", "select born, ssn from users"],
    &["set local extra_float_digits to 3", "select salary::float8 from users"],
    &["explain (analyze, timing off, summary off) select id from users where ssn > 'm'"],
    &["explain (analyze, timing off, summary off, format json) select distinct mood from users"],
    &["explain (analyze, timing off, summary off) update users set name = 'x' where ssn > 'm'"],
    &[
        "explain (analyze, timing off, summary off) create temp table made as select ssn from users where score > 0",
    ],
    &["explain (analyze, timing off, summary off) select count(*) from users, unnest(tags)"],
    &["grant select on users to public", "select ssn from users"],
    &["comment on table users is 'x'", "select ssn from users"],
    &["lock table users", "select ssn from users"],
    &["copy users to stdout"],
    &["copy users (id, ssn) to stdout with (format csv, header)"],
    &["copy users (ssn, score, doc, tags, born) to stdout with (format binary)"],
    &["copy users to stdout with (format csv, quote '''', force_quote *, null 'nil')"],
    &["copy users to stdout with (delimiter '|', null '')"],
    &["copy (update users set name = 'x' returning ssn) to stdout"],
    &["copy (select id from users where ssn > 'm') to stdout"],
    &["copy (table contact) to stdout with (encoding 'latin1')"],
    &["copy (select * from events) to stdout"],
    &["copy events_b to stdout"],
    &["copy staff (ssn) to stdout"],
    &["savepoint a", "select ssn::int4 from users", "rollback to a", "select ssn from users"],
    &["begin", "select ssn from users", "commit", "select ssn from users"],
    &["reset all", "select ssn from users"],
    &["discard plans", "select ssn from users"],
    &["set role twin_owner", "select ssn from users"],
    &["alter table users disable trigger all", "select ssn from users"],
    &[
        "truncate free",
        "insert into free select id, k, 'x' from users where ssn > 'n'",
        "select count(*) from free",
    ],
    &[
        "create sequence made",
        "select setval('made', length(ssn)) from users where id = 1",
        "select nextval('made')",
    ],
    &["create table made (x text default 'a')", "insert into made select ssn from users", "table made"],
    &["create type made as (x text)", "select row(ssn)::made from users"],
    &["create domain made as text", "select ssn::made from users"],
    &["create domain made as text check (value like '1%')", "select ssn::made from users where id = 1"],
    &[
        "create table made (x text check (x like '1%'))",
        "insert into made select ssn from users where id = 1",
    ],
    &[
        "create table made (x text primary key)",
        "insert into made select mood::text from only users where mood is not null",
    ],
    &["create table made (x text references users (ssn))", "insert into made values ('12')"],
    &["create cast (users as text) with inout", "select cast(u as text) from users u"],
    &["create view made as select id from users where ssn like '1%'", "select id from made"],
    &["create temp view made as select id from users where ssn like '1%'", "select id from made"],
    &["create materialized view made as select id from users where ssn like '1%'", "select id from made"],
    &["create table made as select id from users where ssn like '1%'", "select count(*) from made"],
    &["cluster users using users_ssn_key", "select id from users"],
    &[
        "create index made on users (ssn, name)",
        "set local enable_seqscan to off",
        "set local enable_bitmapscan to off",
        "select name from only users",
    ],
    &[
        "create index made on users (left(ssn, 1), name)",
        "cluster users using made",
        "select id from only users",
    ],
    &[
        "select pg_advisory_lock(length(ssn)) from users where id = 1",
        "select objid from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
    ],
    &[
        "select pg_try_advisory_xact_lock(length(ssn)) from users where id = 1",
        "select objid from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
    ],
    &[
        "select pg_advisory_unlock(length(ssn)) from users where id = 1",
        "select pg_advisory_lock(11)",
        "select pg_advisory_unlock(length(ssn)) from users where id = 1",
    ],
    &[
        "select setseed(0.5)",
        "select setseed(length(ssn) / 100.0) from users where id = 1",
        "select random()",
    ],
    &["select ctid from notes"],
    &["select id from notes where ctid < '(1,0)'"],
    &["select id from notes tablesample system (40) repeatable (2)"],
    &["analyze notes", "explain select id from notes"],
    &["analyze notes", "explain (analyze, timing off, summary off) select id from notes"],
    &["analyze notes", "explain update notes set id = id"],
    &["analyze notes", "explain delete from notes"],
    &["analyze notes", "explain select id from notes join free using (id)"],
    &["update notes set id = id + 100 returning ctid"],
    &[
        "create sequence made",
        "select setval('made', length(ssn)) from users where id = 1",
        "select last_value from made",
    ],
    &[
        "create sequence made",
        "select nextval('made') from users where ssn > 'n'",
        "select last_value from made",
    ],
    &[
        "create sequence made",
        "select case when ssn like '1%' then nextval('made') end from users",
        "select last_value from made",
    ],
    &[
        "create sequence made",
        "select coalesce(nullif(ssn, '9'), nextval('made')::text) from users",
        "select currval('made')",
    ],
    &[
        "create table root (id int4, body text) partition by list (body)",
        "create table leaf partition of root for values in ('zzz')",
        "insert into root select id, ssn from users where id = 3",
    ],
    &["alter table users add column z int4 generated always as (1 / score) stored"],
    &["alter table users add column z int4 check (z is null or ssn <> '12')", "update users set z = 1"],
    &[
        "alter table users alter column k set default 5",
        "update users set k = default where id = 1 returning k, ssn",
    ],
    &["reindex table users", "select ssn from users"],
    &["refresh materialized view frozen", "select pay from frozen"],
];

/// The same, where what is defined is committed before it is used. Each ends with taking it back.
const COMMITTED: &[&[&str]] = &[
    &[
        "create view made as select id from users where ssn like '1%'",
        "commit",
        "select id from made",
        "drop view if exists made",
    ],
    &[
        "create view made as select id, 1 / score as x from users where id = 1",
        "commit",
        "select x is null from made",
        "select x from made",
        "drop view if exists made",
    ],
    &[
        "create view made as select id from users order by ssn",
        "commit",
        "select id from made",
        "drop view if exists made",
    ],
    &[
        "create view made as select count(*) as n from users group by left(ssn, 1)",
        "commit",
        "select n from made",
        "drop view if exists made",
    ],
    &[
        "create materialized view made as select id from users where ssn like '1%'",
        "commit",
        "select id from made",
        "drop materialized view if exists made",
    ],
    &[
        "create view made as select ssn as x from users",
        "commit",
        "select x from made",
        "drop view if exists made",
    ],
    &[
        "create view made as select id, name as x from users",
        "commit",
        "prepare p as select x from made",
        "drop view made",
        "create view made as select id, ssn as x from users",
        "execute p",
        "drop view if exists made",
    ],
    &[
        "create view made as select id, name as x from users",
        "commit",
        "prepare p as select x from made",
        "create or replace view made as select id, ssn as x from users",
        "execute p",
        "select x from made",
        "drop view if exists made",
    ],
    &[
        "create schema elsewhere",
        "create view elsewhere.free as select id, 1 as k, ssn as txt from public.users",
        "commit",
        "prepare p as select txt from free",
        "set search_path to elsewhere",
        "execute p",
        "select txt from free",
        "reset search_path",
        "drop schema if exists elsewhere cascade",
    ],
    &[
        "create function made() returns int4 stable language sql as 'select 1 / score from users where id = 1'",
        "commit",
        "select made()",
        "select made() is null",
        "drop function if exists made()",
    ],
    &[
        "create function made() returns setof int4 stable language sql as 'select 1 from users where ssn like ''1%'''",
        "commit",
        "select count(*) from made()",
        "select made()",
        "drop function if exists made()",
    ],
    &[
        "create function made() returns text immutable language sql as 'select ssn from users where id = 1'",
        "commit",
        "select made()",
        "select id from free where made() like '1%'",
        "drop function if exists made()",
    ],
    &[
        "create function made() returns text language sql as 'select ssn from users where id = 1'",
        "commit",
        "alter table free alter column txt set default made()",
        "insert into free (id, k) values (9, 9) returning txt",
        "select txt from free",
        "alter table free alter column txt drop default",
        "drop function if exists made() cascade",
        "delete from free where id = 9",
    ],
    &[
        "create function made() returns text language sql as 'select ssn from users where id = 1'",
        "commit",
        "alter table free add column more text default made()",
        "select more from free",
        "alter table free drop column if exists more",
        "drop function if exists made()",
    ],
    &[
        "create function made(int4) returns bool immutable language sql as 'select exists (select 1 from users where ssn like ''1%'')'",
        "commit",
        "alter table free add constraint made check (made(k))",
        "insert into free values (9, 9, 'x')",
        "delete from free where id = 9",
        "alter table free drop constraint if exists made",
        "drop function if exists made(int4)",
    ],
    &[
        "create policy made on free using (exists (select 1 from users where ssn like '1%'))",
        "commit",
        "alter table free enable row level security, force row level security",
        "select id from free",
        "alter table free no force row level security, disable row level security",
        "drop policy if exists made on free",
    ],
    &[
        "create function made() returns trigger language plpgsql as 'begin new.txt := (select ssn from users where id = 1); return new; end'",
        "commit",
        "create trigger made before insert on free for each row execute function made()",
        "insert into free values (9, 9, 'x') returning txt",
        "select txt from free",
        "delete from free where id = 9",
        "drop trigger if exists made on free",
        "drop function if exists made()",
    ],
    &[
        "create rule made as on insert to free do also select ssn from users",
        "commit",
        "insert into free values (9, 9, 'x')",
        "delete from free where id = 9",
        "drop rule if exists made on free",
    ],
    &[
        "create function made(text) returns text language plpgsql as 'begin raise notice ''%'', $1; return $1; end'",
        "commit",
        "select made(ssn) from users",
        "drop function if exists made(text)",
    ],
    &[
        "create function public.upper(text) returns text immutable language sql as 'select (1 / (length($1) - 2))::text'",
        "commit",
        "set search_path to public, pg_catalog",
        "select upper(ssn) from users where id = 2",
        "reset search_path",
        "drop function if exists public.upper(text)",
    ],
    &[
        "create function made(text, text) returns text immutable language sql as 'select (1 / (length($1) - 2))::text'",
        "create operator public.|| (function = made, leftarg = text, rightarg = text)",
        "commit",
        "set search_path to public, pg_catalog",
        "select ssn || 'x'::text from users where id = 2",
        "reset search_path",
        "drop function if exists made(text, text) cascade",
    ],
    &[
        "create table made as select id from free",
        "commit",
        "insert into made select id from users where ssn like '1%'",
        "select count(*) from made",
        "drop table if exists made",
    ],
    &[
        "alter table users rename column ssn to renamed",
        "commit",
        "select renamed from users",
        "alter table users rename column renamed to ssn",
    ],
    &[
        "alter table users rename to moved",
        "commit",
        "select ssn from moved",
        "alter table moved rename to users",
    ],
    &[
        "create table made (like users)",
        "commit",
        "insert into made select id, name, k, ssn from users",
        "select ssn from made",
        "drop table if exists made",
    ],
];

/// A statement under a name: what is defined before it, the statement, what is redefined before it is executed again, and
/// what takes that back.
const REBOUND: &[[&[&str]; 4]] = &[
    [
        &["create view made as select id, name as x from users", "commit"],
        &["select x from made"],
        &["create or replace view made as select id, ssn as x from users"],
        &["drop view if exists made"],
    ],
    [
        &["create view made as select id, name as x from users", "commit"],
        &["select x from made"],
        &["drop view made", "create view made as select id, ssn as x from users"],
        &["drop view if exists made"],
    ],
    [
        &["create view made as select id from users", "commit"],
        &["select id from made"],
        &["create or replace view made as select id from users where ssn like '1%'"],
        &["drop view if exists made"],
    ],
    [&[], &["select txt from free"], &["create temp view free as select ssn as txt from public.users"], &[]],
    [
        &[],
        &["select name from users"],
        &["create temp table users as select ssn as name from public.users"],
        &[],
    ],
    [
        &[
            "create schema elsewhere",
            "create view elsewhere.free as select ssn as txt from public.users",
            "commit",
        ],
        &["select txt from free"],
        &["set search_path to elsewhere"],
        &["reset search_path", "drop schema if exists elsewhere cascade"],
    ],
    [
        &[
            "create function made() returns text language sql as 'select name from users where id = 1'",
            "commit",
        ],
        &["select made()"],
        &[
            "create or replace function made() returns text language sql as 'select ssn from users where id = 1'",
        ],
        &["drop function if exists made()"],
    ],
];

/// What follows from how long values are: pages, places, estimates.
const SIZES: &[&[&str]] = &[
    &["select pg_relation_size('notes')"],
    &["select pg_table_size('notes'), pg_total_relation_size('notes')"],
    &["analyze notes", "select relpages from pg_class where relname = 'notes'"],
];

/// How a query is sent.
type Way = fn(&str) -> Step;

/// How the queries of a list are sent.
const WAYS: [(&str, Way); 15] = [
    ("simple", |sql| simple(&[sql])),
    ("extended", |sql| sent(&[sql], Delivery::Extended)),
    ("binary", |sql| sent(&[sql], Delivery::Binary)),
    ("portions", |sql| sent(&[sql], Delivery::Portions)),
    ("behind another", |sql| sent(&["select 1", sql], Delivery::Together)),
    ("pipelined", |sql| sent(&["select 1", sql, "select 2"], Delivery::Pipelined)),
    ("copy", |sql| simple(&[&format!("copy ({sql}) to stdout")])),
    ("copy csv", |sql| simple(&[&format!("copy ({sql}) to stdout with (format csv)")])),
    ("copy binary", |sql| {
        sent(&[&format!("copy ({sql}) to stdout with (format binary)")], Delivery::Extended)
    }),
    ("cursor", |sql| {
        simple(&[&format!("declare c cursor for {sql}"), "fetch 2 from c", "move all in c", "close c"])
    }),
    ("prepared", |sql| simple(&[&format!("prepare p as {sql}"), "execute p", "deallocate p"])),
    ("explain", |sql| simple(&[&format!("explain (analyze, timing off, summary off) {sql}")])),
    ("subquery", |sql| sent(&[&format!("select s::text from ({sql}) as s")], Delivery::Binary)),
    ("counted", |sql| simple(&[&format!("select count(*) from ({sql}) as s")])),
    ("kept", |sql| {
        simple(&[
            &format!("create temp table kept as select row_to_json(s) as x from ({sql}) as s"),
            "table kept",
            "drop table kept",
        ])
    }),
];

/// Ways in which hardly anything that is only shown is refused.
const MASKED: [&str; 8] =
    ["simple", "extended", "binary", "portions", "copy", "copy csv", "copy binary", "cursor"];

fn sent(statements: &[&str], delivery: Delivery) -> Step {
    let statements = statements.iter().map(|sql| (*sql).to_owned()).collect();
    Step { delivery, ..Step::simple(statements, Expected::Anything) }
}

fn simple(statements: &[&str]) -> Step {
    sent(statements, Delivery::Simple)
}

fn twins(through: Through) -> anyhow::Result<Twins> {
    let rows = [LEFT, RIGHT].map(|rows| format!("{EMPTIED}{rows}{SAME}"));
    let rules = RULES.map(str::to_owned).into();
    Twins::start(through, &[Pair { definition: DEFINITION.to_owned(), rows, rules }])
}

/// The steps that the twins answer differently, each with how.
fn differing(answers: &Answers, script: &Script) -> Vec<(usize, String)> {
    let alone = |step: usize| {
        let one = |transcript: &grille_e2e::twins::Transcript| grille_e2e::twins::Transcript {
            login: Vec::new(),
            steps: transcript.steps.get(step + 1).cloned().into_iter().collect(),
        };
        Answers { left: one(&answers.left), right: one(&answers.right), direct: one(&answers.direct) }
    };
    let judged =
        (0..script.steps.len()).filter_map(|step| Some((step, judge(&Script::default(), &alone(step))?)));
    judged
        .filter(|(_, finding)| finding.problem == Problem::Leak)
        .map(|(step, finding)| (step, finding.answers.join("\n    ")))
        .collect()
}

/// Plays every query in each of the ways, and names those that leak.
fn leaks_of(twins: &mut Twins, queries: &[&str], ways: &[(&str, Way)]) -> anyhow::Result<Vec<String>> {
    let mut leaks = Vec::new();
    for (way, step) in ways {
        let script = Script { steps: queries.iter().map(|sql| step(sql)).collect() };
        let answers = twins.play(0, &script)?;
        let found = differing(&answers, &script);
        leaks.extend(found.into_iter().map(|(step, how)| format!("{} [{way}]\n    {how}", queries[step])));
    }
    Ok(leaks)
}

/// Plays each sequence in a session of its own.
fn leaks_of_sequences(
    twins: &mut Twins,
    sequences: &[&[&str]],
    deliveries: &[Delivery],
) -> anyhow::Result<Vec<String>> {
    let mut leaks = Vec::new();
    for delivery in deliveries {
        for sequence in sequences {
            let steps = match delivery {
                Delivery::Together => vec![sent(sequence, *delivery)],
                _ => sequence.iter().map(|sql| sent(&[sql], *delivery)).collect(),
            };
            let script = Script { steps };
            let answers = twins.play(0, &script)?;
            let found = differing(&answers, &script);
            leaks.extend(
                found
                    .into_iter()
                    .take(1)
                    .map(|(_, how)| format!("{} [{delivery:?}]\n    {how}", sequence.join("; "))),
            );
        }
    }
    Ok(leaks)
}

fn assert_none(leaks: &[String]) {
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
}

#[test]
fn what_is_shown_is_the_same_for_both_twins() -> anyhow::Result<()> {
    let mut twins = twins(Through::Grille)?;
    assert_none(&leaks_of(&mut twins, SHOWN, &WAYS)?);
    Ok(())
}

/// Refusing everything would leak nothing either.
#[test]
fn what_is_shown_is_masked_and_not_refused() -> anyhow::Result<()> {
    let mut twins = twins(Through::Grille)?;
    for (way, step) in WAYS.iter().filter(|(way, _)| MASKED.contains(way)) {
        let script = Script { steps: SHOWN.iter().map(|sql| step(sql)).collect() };
        let answers = twins.play(0, &script)?;
        let asked = SHOWN.iter().zip(answers.left.steps.iter().skip(1));
        let refused: Vec<&str> =
            asked.filter(|(_, answer)| answer.iter().any(is_refusal)).map(|(sql, _)| *sql).collect();
        assert!(refused.len() * 100 < SHOWN.len() * 12, "{way} refused:\n{}", refused.join("\n"));
    }
    Ok(())
}

#[test]
fn rows_their_order_and_errors_are_the_same_for_both_twins() -> anyhow::Result<()> {
    let mut twins = twins(Through::Grille)?;
    assert_none(&leaks_of(&mut twins, SHAPED, &WAYS)?);
    Ok(())
}

#[test]
fn what_several_statements_make_of_it_is_the_same_for_both_twins() -> anyhow::Result<()> {
    let mut twins = twins(Through::Grille)?;
    let (alone, several): (Vec<_>, Vec<_>) =
        SEQUENCES.iter().copied().partition(|sequence| sequence.len() == 1);
    let mut leaks = leaks_of_sequences(&mut twins, &alone, &[Delivery::Simple, Delivery::Binary])?;
    leaks.extend(leaks_of_sequences(&mut twins, &several, &[Delivery::Simple, Delivery::Together])?);
    assert_none(&leaks);
    Ok(())
}

#[test]
fn what_was_defined_before_is_the_same_for_both_twins() -> anyhow::Result<()> {
    let mut twins = twins(Through::Grille)?;
    assert_none(&leaks_of_sequences(&mut twins, COMMITTED, &[Delivery::Simple, Delivery::Extended])?);
    Ok(())
}

/// Plays each, the statement twice.
fn leaks_of_rebound(twins: &mut Twins) -> anyhow::Result<Vec<String>> {
    let mut leaks = Vec::new();
    for [before, statement, between, after] in REBOUND {
        let single = |sql: &&str| simple(&[sql]);
        let mut steps: Vec<Step> = before.iter().map(single).collect();
        steps.push(sent(statement, Delivery::Named));
        steps.extend(between.iter().map(single));
        steps.push(sent(statement, Delivery::Again));
        steps.push(sent(statement, Delivery::Again));
        steps.extend(after.iter().map(single));
        let script = Script { steps };
        let answers = twins.play(0, &script)?;
        let found = differing(&answers, &script);
        let attempt = [before.join("; "), statement.join("; "), between.join("; ")].join("; ");
        leaks.extend(found.into_iter().take(1).map(|(_, how)| format!("{attempt} [Named]\n    {how}")));
    }
    Ok(leaks)
}

#[test]
fn a_statement_that_stays_is_the_same_for_both_twins_after_a_definition() -> anyhow::Result<()> {
    assert_eq!(leaks_of_rebound(&mut twins(Through::Nothing)?)?.len(), REBOUND.len());
    assert_none(&leaks_of_rebound(&mut twins(Through::Grille)?)?);
    Ok(())
}

#[test]
#[ignore = "nothing hides yet how many pages a table has; `cargo test -p grille-e2e --test end_to_end -- --ignored leaks::` shows where it is seen"]
fn sizes_are_the_same_for_both_twins() -> anyhow::Result<()> {
    let mut twins = twins(Through::Grille)?;
    assert_none(&leaks_of_sequences(&mut twins, SIZES, &[Delivery::Simple, Delivery::Binary])?);
    Ok(())
}

/// An attempt that shows nothing without a mask either would prove nothing.
#[test]
fn without_a_mask_the_twins_can_be_told_apart() -> anyhow::Result<()> {
    let mut twins = twins(Through::Nothing)?;
    let mut leaks = leaks_of(&mut twins, SHOWN, &WAYS[..1])?;
    leaks.extend(leaks_of(&mut twins, SHAPED, &WAYS[..1])?);
    leaks.extend(leaks_of_sequences(&mut twins, SEQUENCES, &[Delivery::Simple])?);
    leaks.extend(leaks_of_sequences(&mut twins, COMMITTED, &[Delivery::Simple])?);
    leaks.extend(leaks_of_sequences(&mut twins, SIZES, &[Delivery::Simple])?);
    let leaking: BTreeSet<&str> = leaks.iter().filter_map(|leak| Some(leak.split_once(" [")?.0)).collect();
    let sequences = SEQUENCES.iter().chain(COMMITTED).chain(SIZES).map(|sequence| sequence.join("; "));
    let attempts = SHOWN.iter().chain(SHAPED).map(|sql| (*sql).to_owned()).chain(sequences);
    let harmless: Vec<String> = attempts.filter(|attempt| !leaking.contains(attempt.as_str())).collect();
    assert!(harmless.is_empty(), "{} show nothing:\n{}", harmless.len(), harmless.join("\n"));
    Ok(())
}
