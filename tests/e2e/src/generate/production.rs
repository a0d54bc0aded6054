//! What expressions are made of, as templates. A hole is one character in braces and says what it takes: see [`hole`].
//! The two tables differ in whether an evaluation can fail for some values of the arguments.

use super::kind::Kind;

/// What a hole in a template takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hole {
    /// An expression of the kind.
    Of(Kind),
    /// An expression of any kind.
    Any,
    /// An expression of some kind with an equality operator, the same for all such holes of the template.
    Same,
}

/// The hole that a character stands for.
pub fn hole(character: char) -> Option<Hole> {
    Some(match character {
        't' => Hole::Of(Kind::Text),
        'i' => Hole::Of(Kind::Int4),
        'b' => Hole::Of(Kind::Bool),
        'l' => Hole::Of(Kind::Int8),
        '2' => Hole::Of(Kind::Int2),
        'n' => Hole::Of(Kind::Numeric),
        'f' => Hole::Of(Kind::Float8),
        '4' => Hole::Of(Kind::Float4),
        '$' => Hole::Of(Kind::Money),
        'r' => Hole::Of(Kind::Varchar),
        'c' => Hole::Of(Kind::Char),
        'u' => Hole::Of(Kind::Uuid),
        'd' => Hole::Of(Kind::Date),
        'h' => Hole::Of(Kind::Time),
        's' => Hole::Of(Kind::Timestamp),
        'z' => Hole::Of(Kind::Timestamptz),
        'v' => Hole::Of(Kind::Interval),
        'J' => Hole::Of(Kind::Json),
        'j' => Hole::Of(Kind::Jsonb),
        'y' => Hole::Of(Kind::Bytea),
        'x' => Hole::Of(Kind::Inet),
        'B' => Hole::Of(Kind::Bits),
        'A' => Hole::Of(Kind::TextArray),
        'I' => Hole::Of(Kind::IntArray),
        'm' => Hole::Of(Kind::Mood),
        'p' => Hole::Of(Kind::Pair),
        '*' => Hole::Any,
        '=' => Hole::Same,
        _ => return None,
    })
}

/// A part of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'t> {
    /// Text as it stands.
    Text(&'t str),
    /// A hole.
    Hole(Hole),
}

/// The parts of a template, in order.
pub fn parts(template: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((at, found)) = next_hole(rest) {
        parts.push(Part::Text(&rest[..at]));
        parts.push(Part::Hole(found));
        rest = &rest[at + 3..];
    }
    parts.push(Part::Text(rest));
    parts
}

/// Where the next hole begins: every hole is three bytes long.
fn next_hole(text: &str) -> Option<(usize, Hole)> {
    text.match_indices('{').find_map(|(at, _)| {
        let mut inside = text[at + 1..].chars();
        let found = hole(inside.next()?)?;
        (inside.next() == Some('}')).then_some((at, found))
    })
}

/// A kind, and how an expression of it is written.
pub type Production = (Kind, &'static str);

/// Expressions that never fail, whatever their arguments hold.
pub const TOTAL: &[Production] = &[
    (Kind::Text, "upper({t})"),
    (Kind::Text, "lower({t})"),
    (Kind::Text, "initcap({t})"),
    (Kind::Text, "reverse({t})"),
    (Kind::Text, "md5({t})"),
    (Kind::Text, "btrim({t})"),
    (Kind::Text, "ltrim({t}, 'aZ')"),
    (Kind::Text, "trim(trailing from {t})"),
    (Kind::Text, "({t} || {t})"),
    (Kind::Text, "({t} || {i}::text)"),
    (Kind::Text, "concat({*}, {t})"),
    (Kind::Text, "concat_ws('-', {t}, {t}, {i}::text)"),
    (Kind::Text, "left({t}, 3)"),
    (Kind::Text, "right({t}, -2)"),
    (Kind::Text, "replace({t}, 'a', 'bb')"),
    (Kind::Text, "translate({t}, 'abc', 'xyz')"),
    (Kind::Text, "substr({t}, 2)"),
    (Kind::Text, "substring({t} from 1 for 3)"),
    (Kind::Text, "split_part({t}, 'a', 1)"),
    (Kind::Text, "quote_literal({t})"),
    (Kind::Text, "quote_nullable({t})"),
    (Kind::Text, "quote_ident({t})"),
    (Kind::Text, "lpad({t}, 5, '*')"),
    (Kind::Text, "rpad({t}, 9)"),
    (Kind::Text, "repeat({t}, 2)"),
    (Kind::Text, "format('%s-%L', {t}, {t})"),
    (Kind::Text, "regexp_replace({t}, '[0-9]', 'x', 'g')"),
    (Kind::Text, "overlay({t} placing 'xx' from 2 for 1)"),
    (Kind::Text, "encode({y}, 'hex')"),
    (Kind::Text, "encode({y}, 'base64')"),
    (Kind::Text, "host({x})"),
    (Kind::Text, "text({x})"),
    (Kind::Text, "to_hex({i})"),
    (Kind::Text, "to_char({d}, 'YYYY-MM-DD')"),
    (Kind::Text, "to_char({n}, '999999.99')"),
    (Kind::Text, "to_char({s}, 'Day HH24:MI')"),
    (Kind::Text, "({j} ->> 'a')"),
    (Kind::Text, "({j} #>> array['a', 'b'])"),
    (Kind::Text, "({J} ->> 0)"),
    (Kind::Text, "jsonb_typeof({j})"),
    (Kind::Text, "json_typeof({J})"),
    (Kind::Text, "jsonb_pretty({j})"),
    (Kind::Text, "array_to_string({A}, ',', '~')"),
    (Kind::Text, "array_to_string({I}, ',')"),
    (Kind::Text, "({A})[1]"),
    (Kind::Text, "array_dims({A})"),
    (Kind::Text, "({p}).word"),
    (Kind::Text, "{*}::text"),
    (Kind::Text, "cast({*} as text)"),
    (Kind::Text, "pg_typeof({*})::text"),
    (Kind::Text, "row_to_json(row({*}, {*}))::text"),
    (Kind::Text, "row({*}, {*})::text"),
    (Kind::Text, "array[{t}, {t}]::text"),
    (Kind::Text, "greatest({t}, {t})"),
    (Kind::Text, "substring({t} from '[0-9]+')"),
    (Kind::Text, "(regexp_match({t}, '[a-z]'))[1]"),
    (Kind::Int4, "length({t})"),
    (Kind::Int4, "char_length({t})"),
    (Kind::Int4, "octet_length({t})"),
    (Kind::Int4, "bit_length({t})"),
    (Kind::Int4, "ascii({t})"),
    (Kind::Int4, "strpos({t}, 'a')"),
    (Kind::Int4, "position('b' in {t})"),
    (Kind::Int4, "length({y})"),
    (Kind::Int4, "length({B})"),
    (Kind::Int4, "cardinality({A})"),
    (Kind::Int4, "array_length({I}, 1)"),
    (Kind::Int4, "array_ndims({A})"),
    (Kind::Int4, "hashtext({t})"),
    (Kind::Int4, "masklen({x})"),
    (Kind::Int4, "family({x})"),
    (Kind::Int4, "{2}::int4"),
    (Kind::Int4, "{b}::int4"),
    (Kind::Int4, "({i} # {i})"),
    (Kind::Int4, "({i} & 255)"),
    (Kind::Int4, "({I})[1]"),
    (Kind::Int4, "({p}).n"),
    (Kind::Int4, "num_nulls({*}, {*})"),
    (Kind::Int4, "greatest({i}, {i})"),
    (Kind::Int4, "pg_column_size({*})"),
    (Kind::Int8, "{i}::int8"),
    (Kind::Int8, "({i}::int8 + 1)"),
    (Kind::Int8, "hashtextextended({t}, 0)"),
    (Kind::Int2, "least({2}, {2})"),
    (Kind::Bool, "({=} = {=})"),
    (Kind::Bool, "({=} <> {=})"),
    (Kind::Bool, "({=} is distinct from {=})"),
    (Kind::Bool, "({=} in ({=}, {=}))"),
    (Kind::Bool, "({*} is null)"),
    (Kind::Bool, "({*} is not null)"),
    (Kind::Bool, "({t} < {t})"),
    (Kind::Bool, "({i} > {i})"),
    (Kind::Bool, "({n} between {n} and {n})"),
    (Kind::Bool, "({d} <= {d})"),
    (Kind::Bool, "({t} like '%a%')"),
    (Kind::Bool, "({t} ilike 'A%')"),
    (Kind::Bool, "({t} ~ '^[a-z]')"),
    (Kind::Bool, "({t} similar to '[0-9]+')"),
    (Kind::Bool, "starts_with({t}, {t})"),
    (Kind::Bool, "({t} ^@ {t})"),
    (Kind::Bool, "(not {b})"),
    (Kind::Bool, "({b} and {b})"),
    (Kind::Bool, "({b} or {b})"),
    (Kind::Bool, "({b} is true)"),
    (Kind::Bool, "({b} is not unknown)"),
    (Kind::Bool, "({j} @> '{\"a\": 1}'::jsonb)"),
    (Kind::Bool, "({j} ? 'a')"),
    (Kind::Bool, "({j} <@ {j})"),
    (Kind::Bool, "({A} && {A})"),
    (Kind::Bool, "({A} @> array['a'])"),
    (Kind::Bool, "({t} = any({A}))"),
    (Kind::Bool, "({i} <> all({I}))"),
    (Kind::Bool, "({x} << '10.0.0.0/7'::inet)"),
    (Kind::Bool, "isfinite({d})"),
    (Kind::Bool, "(({=}, {i}) = ({=}, 7))"),
    (Kind::Numeric, "{i}::numeric"),
    (Kind::Numeric, "{2}::numeric"),
    (Kind::Numeric, "abs({n})"),
    (Kind::Numeric, "(- {n})"),
    (Kind::Numeric, "round({n}, 1)"),
    (Kind::Numeric, "floor({n})"),
    (Kind::Numeric, "sign({n})"),
    (Kind::Numeric, "least({n}, {n})"),
    (Kind::Numeric, "extract(year from {d})"),
    (Kind::Float8, "{i}::float8"),
    (Kind::Float8, "{4}::float8"),
    (Kind::Float8, "abs({f})"),
    (Kind::Float8, "date_part('dow', {s})"),
    (Kind::Float4, "{2}::float4"),
    (Kind::Money, "{i}::money"),
    (Kind::Varchar, "{t}::varchar(5)"),
    (Kind::Char, "{t}::char(3)"),
    (Kind::Date, "{s}::date"),
    (Kind::Date, "greatest({d}, {d})"),
    (Kind::Time, "{s}::time"),
    (Kind::Timestamp, "date_trunc('month', {s})"),
    (Kind::Interval, "{h}::interval"),
    (Kind::Json, "to_json({*})"),
    (Kind::Json, "json_build_array({*}, {*})"),
    (Kind::Json, "json_build_object('k', {*}, 'l', {*})"),
    (Kind::Json, "row_to_json(row({*}, {*}))"),
    (Kind::Json, "array_to_json({A})"),
    (Kind::Json, "({J} -> 'a')"),
    (Kind::Jsonb, "to_jsonb({*})"),
    (Kind::Jsonb, "jsonb_build_array({*}, {i})"),
    (Kind::Jsonb, "jsonb_build_object('k', {*})"),
    (Kind::Jsonb, "({j} -> 'a')"),
    (Kind::Jsonb, "jsonb_strip_nulls({j})"),
    (Kind::Bytea, "sha256({y})"),
    (Kind::Bytea, "({y} || {y})"),
    (Kind::Bytea, "convert_to({t}, 'UTF8')"),
    (Kind::Inet, "network({x})::inet"),
    (Kind::Bits, "(~ {B})"),
    (Kind::TextArray, "array[{t}, {t}]"),
    (Kind::TextArray, "array_append({A}, {t})"),
    (Kind::TextArray, "string_to_array({t}, ',')"),
    (Kind::IntArray, "array[{i}, {i}]"),
    (Kind::Pair, "row({i}, {t})::pair"),
];

/// Expressions that fail for some values.
pub const PARTIAL: &[Production] = &[
    (Kind::Int4, "{t}::int4"),
    (Kind::Int4, "(1 / {i})"),
    (Kind::Int4, "({i} + {i})"),
    (Kind::Int4, "({i} * {i})"),
    (Kind::Int4, "({i} % {i})"),
    (Kind::Int4, "(- {i})"),
    (Kind::Int4, "abs({i})"),
    (Kind::Int4, "{l}::int4"),
    (Kind::Int4, "{n}::int4"),
    (Kind::Int4, "{f}::int4"),
    (Kind::Int4, "jsonb_array_length({j})"),
    (Kind::Int4, "get_byte({y}, {i} & 7)"),
    (Kind::Int4, "({d} - {d})"),
    (Kind::Int4, "width_bucket({n}, 0, 10, {i} & 7)"),
    (Kind::Int4, "{j}::int4"),
    (Kind::Int4, "array_position({A}, {t})"),
    (Kind::Int8, "({l} * {l})"),
    (Kind::Int8, "{t}::int8"),
    (Kind::Int2, "{i}::int2"),
    (Kind::Text, "substring({t} from 1 for {i})"),
    (Kind::Text, "repeat({t}, {i} & 3)"),
    (Kind::Text, "chr({i} & 255)"),
    (Kind::Text, "convert_from({y}, 'UTF8')"),
    (Kind::Text, "split_part({t}, {t}, {i} & 3)"),
    (Kind::Text, "regexp_replace({t}, {t}, 'x')"),
    (Kind::Text, "format({t}, {t})"),
    (Kind::Text, "to_char({n}, {t})"),
    (Kind::Text, "encode({y}, {t})"),
    (Kind::Text, "normalize({t})"),
    (Kind::Bool, "({t} ~ {t})"),
    (Kind::Bool, "({t} like {t})"),
    (Kind::Bool, "{t}::bool"),
    (Kind::Bool, "(1 / {i} > 0)"),
    (Kind::Bool, "({*}::text::int4 > 3)"),
    (Kind::Bool, "({j} @? '$.a[*] ? (@ > 1)')"),
    (Kind::Bool, "({s} > {d} + {h})"),
    (Kind::Numeric, "({n} / {n})"),
    (Kind::Numeric, "({n} * {n})"),
    (Kind::Numeric, "{t}::numeric"),
    (Kind::Numeric, "ln({n})"),
    (Kind::Numeric, "{f}::numeric(6,2)"),
    (Kind::Float8, "sqrt({f})"),
    (Kind::Float8, "exp({f})"),
    (Kind::Float8, "({f} / {f})"),
    (Kind::Float8, "power({f}, {f})"),
    (Kind::Float8, "{t}::float8"),
    (Kind::Money, "{n}::money"),
    (Kind::Uuid, "{t}::uuid"),
    (Kind::Date, "{t}::date"),
    (Kind::Date, "({d} + {i})"),
    (Kind::Date, "make_date({i}, 2, 29)"),
    (Kind::Timestamp, "({s} + {v})"),
    (Kind::Timestamp, "date_trunc({t}, {s})"),
    (Kind::Timestamp, "{d}::timestamp"),
    (Kind::Interval, "({s} - {s})"),
    (Kind::Interval, "({v} * {f})"),
    (Kind::Json, "{t}::json"),
    (Kind::Jsonb, "{t}::jsonb"),
    (Kind::Jsonb, "jsonb_set({j}, array['a'], '1')"),
    (Kind::Jsonb, "({j} - 'a')"),
    (Kind::Bytea, "decode({t}, 'hex')"),
    (Kind::Inet, "{t}::inet"),
    (Kind::Bits, "({B} & {B})"),
    (Kind::Mood, "{t}::mood"),
    (Kind::Code, "({t} || {t})::code"),
    (Kind::IntArray, "array_cat({I}, {I})"),
];

/// Aggregates. Those over more than one argument, and numeric ones, may fail.
pub const AGGREGATES: &[Production] = &[
    (Kind::Int8, "count(*)"),
    (Kind::Int8, "count({*})"),
    (Kind::Int8, "sum({i})"),
    (Kind::Int8, "count(*) filter (where {b})"),
    (Kind::Int8, "count(distinct {=})"),
    (Kind::Numeric, "avg({i})"),
    (Kind::Numeric, "sum({n})"),
    (Kind::Numeric, "stddev({i})"),
    (Kind::Text, "min({t})"),
    (Kind::Text, "max({t})"),
    (Kind::Text, "string_agg({t}, ',')"),
    (Kind::Text, "string_agg({t}, ',' order by {t})"),
    (Kind::Int4, "max({i})"),
    (Kind::Date, "min({d})"),
    (Kind::Bool, "bool_and({b})"),
    (Kind::Bool, "every({b})"),
    (Kind::Json, "json_agg({*})"),
    (Kind::Jsonb, "jsonb_agg({*})"),
    (Kind::Text, "mode() within group (order by {t})"),
    (Kind::Float8, "percentile_cont(0.5) within group (order by {i})"),
    (Kind::TextArray, "array_agg({t})"),
    (Kind::IntArray, "array_agg({i})"),
];

/// Window functions, without the window.
pub const WINDOWED: &[Production] = &[
    (Kind::Int8, "row_number()"),
    (Kind::Int8, "rank()"),
    (Kind::Int8, "count({*})"),
    (Kind::Int8, "sum({i})"),
    (Kind::Text, "lag({t})"),
    (Kind::Text, "first_value({t})"),
    (Kind::Text, "max({t})"),
    (Kind::Int4, "lead({i})"),
];

/// Functions that return sets, for FROM: how many rows depends on the arguments.
pub const SETS: &[Production] = &[
    (Kind::Int4, "generate_series(1, 3)"),
    (Kind::Int4, "generate_series(1, {i} & 3)"),
    (Kind::Text, "unnest({A})"),
    (Kind::Int4, "unnest({I})"),
    (Kind::Text, "regexp_split_to_table({t}, 'a')"),
    (Kind::Text, "string_to_table({t}, ',')"),
    (Kind::Jsonb, "jsonb_path_query({j}, '$.*')"),
    (Kind::Int4, "generate_subscripts({A}, 1)"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_found_between_text() {
        use {
            self::Hole::{Any, Of, Same},
            Part::{Hole, Text},
        };
        let check = |template, expected: &[Part<'_>]| assert_eq!(parts(template), expected, "{template}");
        check("now()", &[Text("now()")]);
        check("({=} < 1)", &[Text("("), Hole(Same), Text(" < 1)")]);
        check("'{\"a\"}' {*}{t}", &[Text("'{\"a\"}' "), Hole(Any), Text(""), Hole(Of(Kind::Text)), Text("")]);
    }
}
