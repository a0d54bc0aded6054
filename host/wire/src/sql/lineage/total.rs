//! Built-in functions that give a result for every value and do nothing else. PostgreSQL 18 manual, chapter 9. A function that
//! can overflow, divide, parse or run out of range is not here: whether it fails would tell of the value.

use pg_query::NodeEnum;
use pg_query::protobuf::Node;
use pg_query::protobuf::a_const::Val;

use super::kind::{self, Kind};
use super::taint::Cell;

/// An argument of a call.
pub(super) struct Argument<'a, 't> {
    pub(super) node: &'a Node,
    pub(super) cell: &'a Cell<'t>,
}

/// When a function is total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// For all values.
    Always,
    /// If there is one argument.
    Alone,
    /// If all arguments but the first are numbers written in the statement, none of them negative.
    Counts,
    /// If the second argument is such a number, and a third is written in the statement too.
    Filled,
    /// If the last argument is such a number, and not 0.
    Position,
    /// If the first argument is an exact number, of which sums do not overflow.
    Exact,
    /// If the first argument is a `numeric` or a floating-point number, and others are written in the statement.
    Inexact,
    /// If the first argument is known not to be an array.
    NotArray,
    /// If no argument is of type `json`, which can hold what `jsonb` cannot.
    NotJson,
    /// If every other argument, from the first on, is a string written in the statement.
    Keys,
    /// If the first argument is a string written in the statement that asks for text only.
    Format,
    /// If the first argument is a field that every date and time has, written in the statement.
    DateField,
    /// If it is such a field, and the date has a time.
    TimeField,
    /// If the second argument is such a field, too.
    EncodedAs,
}

use When::{
    Alone, Always, Counts, DateField, EncodedAs, Exact, Filled, Format, Inexact, Keys, NotArray, NotJson,
    Position, TimeField,
};

/// Sorted by name.
const TOTAL: &[(&str, When)] = &[
    ("any_value", Always),
    ("array_agg", NotArray),
    ("array_length", Always),
    ("array_lower", Always),
    ("array_ndims", Always),
    ("array_to_json", Always),
    ("array_to_string", Always),
    ("array_upper", Always),
    ("ascii", Always),
    ("avg", Exact),
    ("bit_and", Exact),
    ("bit_length", Always),
    ("bit_or", Exact),
    ("bool_and", Always),
    ("bool_or", Always),
    ("btrim", Always),
    ("cardinality", Always),
    ("casefold", Always),
    ("ceil", Inexact),
    ("ceiling", Inexact),
    ("char_length", Always),
    ("character_length", Always),
    ("concat", Always),
    ("concat_ws", Always),
    ("count", Always),
    ("crc32", Always),
    ("crc32c", Always),
    ("cume_dist", Always),
    ("date_part", DateField),
    ("date_trunc", TimeField),
    ("dense_rank", Always),
    ("encode", EncodedAs),
    ("every", Always),
    ("extract", DateField),
    ("first_value", Always),
    ("floor", Inexact),
    ("format", Format),
    ("hashtext", Always),
    ("host", Always),
    ("initcap", Always),
    ("isfinite", Always),
    ("json_agg", Always),
    ("json_build_array", Always),
    ("json_build_object", Keys),
    ("json_typeof", Always),
    ("jsonb_agg", NotJson),
    ("jsonb_build_array", NotJson),
    ("jsonb_build_object", Keys),
    ("jsonb_pretty", Always),
    ("jsonb_typeof", Always),
    ("lag", Filled),
    ("last_value", Always),
    ("lead", Filled),
    ("left", Counts),
    ("length", Alone),
    ("lower", Always),
    ("lpad", Filled),
    ("ltrim", Always),
    ("masklen", Always),
    ("max", Always),
    ("md5", Always),
    ("min", Always),
    ("mode", Always),
    ("num_nonnulls", Always),
    ("num_nulls", Always),
    ("octet_length", Always),
    ("percent_rank", Always),
    ("pg_column_size", Always),
    ("pg_typeof", Always),
    ("position", Always),
    ("quote_ident", Always),
    ("quote_literal", Always),
    ("quote_nullable", Always),
    ("rank", Always),
    ("replace", Always),
    ("reverse", Always),
    ("right", Counts),
    ("round", Inexact),
    ("row_number", Always),
    ("row_to_json", Always),
    ("rpad", Filled),
    ("rtrim", Always),
    ("sha224", Always),
    ("sha256", Always),
    ("sha384", Always),
    ("sha512", Always),
    ("sign", Inexact),
    ("split_part", Position),
    ("starts_with", Always),
    ("string_agg", Always),
    ("string_to_array", Always),
    ("strpos", Always),
    ("substr", Counts),
    ("substring", Counts),
    ("sum", Exact),
    ("text", Always),
    ("to_hex", Always),
    ("to_json", Always),
    ("to_jsonb", NotJson),
    ("translate", Always),
    ("trim", Always),
    ("trunc", Inexact),
    ("upper", Always),
];

/// Longest padding that the server surely makes.
const LENGTH_MAX: i32 = 1 << 20;

/// Whether the built-in function gives a result for all values of such arguments.
pub(super) fn function(name: &str, arguments: &[Argument<'_, '_>]) -> bool {
    if name == "abs" {
        return is_total(Inexact, arguments);
    }
    TOTAL.binary_search_by_key(&name, |(name, _)| name).is_ok_and(|at| is_total(TOTAL[at].1, arguments))
}

/// Whether a volatile built-in function keeps nothing of what it is given.
pub(super) fn forgets(name: &str) -> bool {
    matches!(name, "random" | "random_normal" | "gen_random_uuid" | "uuidv7" | "uuidv4" | "clock_timestamp")
}

fn is_total(when: When, arguments: &[Argument<'_, '_>]) -> bool {
    let first = arguments.first();
    let first_kind = first.map_or(Kind::Unknown, |first| first.cell.kind);
    let rest = || arguments.iter().skip(1);
    match when {
        Always => true,
        Alone => arguments.len() == 1,
        Counts => rest().all(is_count),
        Filled => {
            rest().take(1).all(is_count)
                && rest().skip(1).all(|argument| constant(argument.node).is_some_and(is_constant))
        }
        Position => arguments.last().is_some_and(|last| number(last.node).is_some_and(|number| number > 0)),
        Exact => first_kind.is_exact(),
        Inexact => {
            first_kind.is(&[kind::NUMERIC, kind::FLOAT4, kind::FLOAT8])
                && rest()
                    .all(|argument| number(argument.node).is_some_and(|number| (0..=100).contains(&number)))
        }
        NotArray => first_kind.is_scalar() || first.is_some_and(|first| first.cell.row.is_some()),
        NotJson => arguments.iter().all(|argument| is_jsonb_safe(argument.cell)),
        Keys => {
            arguments.iter().step_by(2).all(|argument| string(argument.node).is_some())
                && rest().step_by(2).all(|argument| is_jsonb_safe(argument.cell))
        }
        Format => first.and_then(|first| string(first.node)).is_some_and(asks_for_text),
        DateField => match arguments {
            [field, moment] => has_field(string(field.node), moment.cell.kind),
            [..] => false,
        },
        // A date would have to become a time first, and not all can.
        TimeField => match arguments {
            [field, moment] => {
                !moment.cell.kind.is(&[kind::DATE]) && has_field(string(field.node), moment.cell.kind)
            }
            [..] => false,
        },
        EncodedAs => arguments
            .get(1)
            .and_then(|argument| string(argument.node))
            .is_some_and(|name| ["hex", "base64", "escape"].contains(&name) && first_kind.is(&[kind::BYTEA])),
    }
}

/// Whether the argument is a number that does as a length or a distance.
fn is_count(argument: &Argument<'_, '_>) -> bool {
    number(argument.node).is_some_and(|number| (0..=LENGTH_MAX).contains(&number))
}

fn is_constant(node: &NodeEnum) -> bool {
    matches!(node, NodeEnum::AConst(_))
}

/// Whether `jsonb` can hold the value whatever it is.
fn is_jsonb_safe(cell: &Cell<'_>) -> bool {
    match &cell.row {
        Some(fields) => fields.iter().all(|field| !field.cell.kind.is_json_text()),
        None => !cell.kind.is_json_text(),
    }
}

/// Whether a format uses `%s`, `%L` and `%%` only.
fn asks_for_text(format: &str) -> bool {
    let mut rest = format;
    while let Some((_, after)) = rest.split_once('%') {
        let Some(after) = after.strip_prefix(['s', 'L', '%']) else { return false };
        rest = after;
    }
    true
}

/// Whether every value of the type has the field.
fn has_field(field: Option<&str>, kind: Kind) -> bool {
    const OF_DATES: [&str; 12] = [
        "century",
        "day",
        "decade",
        "dow",
        "doy",
        "isodow",
        "isoyear",
        "millennium",
        "month",
        "quarter",
        "week",
        "year",
    ];
    const OF_TIMES: [&str; 6] = ["epoch", "hour", "microseconds", "milliseconds", "minute", "second"];
    let Some(field) = field.map(str::to_ascii_lowercase) else { return false };
    let is_moment = kind.is(&[kind::TIMESTAMP, kind::TIMESTAMPTZ]);
    (OF_DATES.contains(&field.as_str()) && (is_moment || kind.is(&[kind::DATE])))
        || (OF_TIMES.contains(&field.as_str()) && is_moment)
}

fn constant(node: &Node) -> Option<&NodeEnum> {
    match node.node.as_ref()? {
        NodeEnum::TypeCast(cast) => constant(cast.arg.as_deref()?),
        node => Some(node),
    }
}

fn number(node: &Node) -> Option<i32> {
    match constant(node)? {
        NodeEnum::AConst(constant) => match &constant.val {
            Some(Val::Ival(number)) => Some(number.ival),
            None if !constant.isnull => Some(0),
            Some(Val::Fval(_) | Val::Boolval(_) | Val::Sval(_) | Val::Bsval(_)) | None => None,
        },
        _ => None,
    }
}

fn string(node: &Node) -> Option<&str> {
    match constant(node)? {
        NodeEnum::AConst(constant) => match &constant.val {
            Some(Val::Sval(string)) => Some(&string.sval),
            Some(Val::Ival(_) | Val::Fval(_) | Val::Boolval(_) | Val::Bsval(_)) | None => None,
        },
        _ => None,
    }
}

/// The type of a built-in function's result, where it is of use.
pub(super) fn result_kind(name: &str, arguments: &[Argument<'_, '_>]) -> Kind {
    let first =
        || arguments.first().and_then(|argument| argument.cell.kind.oid()).map_or(Kind::Unknown, Kind::of);
    match name {
        "lower" | "upper" | "initcap" | "btrim" | "ltrim" | "rtrim" | "trim" | "md5" | "reverse" | "left"
        | "right" | "translate" | "replace" | "split_part" | "concat" | "concat_ws" | "quote_literal"
        | "quote_nullable" | "quote_ident" | "to_hex" | "lpad" | "rpad" | "format" | "string_agg"
        | "array_to_string" | "encode" | "host" | "to_char" | "text" | "repeat" | "overlay"
        | "regexp_replace" | "json_typeof" | "jsonb_typeof" | "substr" | "chr" | "version"
        | "current_setting" | "casefold" => Kind::of(kind::TEXT),
        // Of bit strings and bytes, it gives the same.
        "substring" => match first() {
            kind if kind.is(&[kind::BYTEA]) => kind,
            kind if kind.is_text() => Kind::of(kind::TEXT),
            Kind::Unknown | Kind::Literal | Kind::Type { .. } => Kind::Unknown,
        },
        "length" | "char_length" | "character_length" | "octet_length" | "bit_length" | "strpos"
        | "ascii" | "position" | "cardinality" | "array_length" | "array_upper" | "array_lower"
        | "num_nulls" | "num_nonnulls" | "masklen" => Kind::of(kind::INT4),
        "count" | "row_number" | "rank" | "dense_rank" => Kind::of(kind::INT8),
        "bool_and" | "bool_or" | "every" | "starts_with" | "isfinite" => Kind::of(kind::BOOL),
        "to_json" | "row_to_json" | "json_agg" | "json_build_array" | "json_build_object" => {
            Kind::of(kind::JSON)
        }
        "to_jsonb" | "jsonb_agg" | "jsonb_build_array" | "jsonb_build_object" => Kind::of(kind::JSONB),
        "sha224" | "sha256" | "sha384" | "sha512" => Kind::of(kind::BYTEA),
        "now" | "clock_timestamp" | "statement_timestamp" | "transaction_timestamp" => {
            Kind::of(kind::TIMESTAMPTZ)
        }
        "min" | "max" | "any_value" | "first_value" | "last_value" | "lag" | "lead" | "nth_value" | "abs"
        | "ceil" | "ceiling" | "floor" | "round" | "trunc" | "sign" | "mode" | "generate_series" => first(),
        "sum" => match first() {
            kind if kind.is(&[kind::INT2, kind::INT4]) => Kind::of(kind::INT8),
            kind if kind.is(&[kind::INT8]) => Kind::of(kind::NUMERIC),
            kind => kind,
        },
        "avg" if first().is_exact() => Kind::of(kind::NUMERIC),
        _ => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(TOTAL.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn a_format_that_only_asks_for_text_cannot_fail() {
        assert!(asks_for_text("%s of %L, 100 %%"));
        assert!(!asks_for_text("%I"));
        assert!(!asks_for_text("100 %"));
        assert!(!asks_for_text("%1$s"));
    }
}
