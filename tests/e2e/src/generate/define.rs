//! Sequences of statements that try to carry protected values to a place or under a name where nothing protects them.

use super::dice::Dice;
use super::world::{Column, Relation, World, Writing};

/// `@T` is a table with a protected column `@C`; `@F` a table with a text column `@D` that nothing protects. Each attempt
/// ends with looking at what came of it.
const ATTEMPTS: &[&[&str]] = &[
    &["create temp table made as select id, @C from @T", "select * from made order by id"],
    &["select id, @C as x into temp made from @T", "select x from made"],
    &["create temp view made as select id, @C as x from @T", "select x, upper(x::text) from made"],
    &["create view made as select * from @T", "select * from made", "copy (select * from made) to stdout"],
    &["create materialized view made as select id, @C as x from @T", "select x from made"],
    &["alter table @T rename column @C to renamed", "select renamed from @T"],
    &["alter table @T rename to moved", "select @C from moved", "table moved"],
    &["create schema elsewhere", "alter table @T set schema elsewhere", "select @C from elsewhere.@T"],
    &["insert into @F (id, k, @D) select id + 500, 1, @C::text from @T", "select @D from @F"],
    &["update @F set @D = (select @C::text from @T where @T.id = 2)", "select @D from @F"],
    &[
        "alter table @T add column made text generated always as (length('x') || 'y') stored",
        "select made from @T",
    ],
    &["create table made (like @T)", "insert into made select * from @T", "table made"],
    &["create table made () inherits (@T)", "select * from made", "select @C from @T"],
    &[
        "create function made(@T) returns text language sql as 'select $1.@C::text'",
        "select made(t) from @T as t",
        "select t.made from @T as t",
    ],
    &["create function made() returns setof @T language sql as 'table @T'", "select * from made()"],
    &["alter table @T alter column @C type text using @C::text", "select @C from @T"],
    &["alter table @T add constraint made check (length(@C::text) < 4)", "select 1"],
    &["create unique index made on @T ((length(@C::text)))", "select 1"],
    &["create index made on @T ((1 / (length(@C::text) - 3)))", "select 1"],
    &["create index made on @T ((@C::text::int4))", "select 1"],
    &["create unique index made on @T (id) where @C::text::int4 > 1", "select 1"],
    &["set search_path to elsewhere, public", "select @C from @T"],
    &["create temp table @T (id int4, @C text)", "select @C from @T", "select @C from public.@T"],
    &["create rule made as on update to @F do also select @C from @T", "update @F set k = 1"],
    &["do $$ begin raise notice '%', (select @C::text from @T where id = 2); end $$", "select 1"],
    &["do $$ begin perform 1 / (length(@C::text) - 3) from @T; end $$", "select 1"],
    &[
        "declare made cursor with hold for select @C from @T",
        "fetch all from made",
        "move backward 1 from made",
    ],
    &["prepare made as select @C, length(@C::text) from @T", "execute made", "deallocate made"],
    &[
        "prepare made(int4) as select @C from @T where id = $1",
        "execute made(2)",
        "create temp table x as execute made(1)",
        "table x",
    ],
    &[
        "create statistics made on id, @C from @T",
        "analyze @T",
        "select * from pg_stats where tablename = '@T'",
    ],
    &[
        "analyze @T",
        "select most_common_vals::text, histogram_bounds::text from pg_statistic_ext_data, pg_stats limit 1",
    ],
    &[
        "select query_to_xml('select @C from @T', true, true, '')",
        "select table_to_xml('@T', true, true, '')",
    ],
    &["select lo_from_bytea(77, convert_to(@C::text, 'UTF8')) from @T where id = 2", "select lo_get(77)"],
    &["select set_config('application_name', @C::text, false) from @T where id = 2", "show application_name"],
    &["select pg_notify('made', @C::text) from @T", "select 1"],
    &[
        "explain select @C from @T",
        "explain (analyze, timing off, summary off) select @C from @T where @C is not null order by @C",
    ],
    &["alter domain code add constraint made check (length(value) < 5)", "select 1"],
    &[
        "alter table @T alter column @C set default 'x'",
        "insert into @T (id, k) values (950, 1) returning @C",
    ],
    &[
        "create policy made on @T using (length(@C::text) > 3)",
        "alter table @T force row level security, enable row level security",
        "select id from @T",
    ],
    &[
        "create trigger made before update on @T for each row execute function suppress_redundant_updates_trigger()",
        "update @T set k = k",
    ],
];

/// One of the attempts on the world's tables; none if nothing in it is protected.
pub fn attempt(dice: &mut Dice, world: &World) -> Option<Vec<String>> {
    let places: Vec<(&Relation, &Column)> = world
        .relations
        .iter()
        .filter(|relation| relation.writing != Writing::Never)
        .flat_map(|relation| relation.columns.iter().map(move |column| (relation, column)))
        .filter(|(_, column)| column.is_protected())
        .collect();
    let free: Vec<(&Relation, &Column)> = world
        .relations
        .iter()
        .filter(|relation| !relation.has_protected())
        .flat_map(|relation| relation.columns.iter().map(move |column| (relation, column)))
        .filter(|(_, column)| column.kind == super::kind::Kind::Text && column.writing == Writing::Free)
        .collect();
    if places.is_empty() || free.is_empty() {
        return None;
    }
    let attempt = *dice.pick(ATTEMPTS);
    let ((table, column), (elsewhere, text)) = (*dice.pick(&places), *dice.pick(&free));
    let named = |statement: &&str| {
        let named = statement.replace("@T", &table.name).replace("@C", &column.name);
        named.replace("@F", &elsewhere.name).replace("@D", &text.name)
    };
    Some(attempt.iter().map(named).collect())
}
