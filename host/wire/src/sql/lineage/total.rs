//! Built-in functions that give a result for every value and do nothing else. PostgreSQL 18 manual, chapter 9. A function that
//! can overflow, divide, parse or run out of range is not here: whether it fails would tell of the value.

use pg_query::NodeEnum;
use pg_query::protobuf::Node;
use pg_query::protobuf::a_const::Val;

use super::kind::{self, Kind};
use super::pattern;
use super::taint::{Cell, Form};

/// An argument of a call.
pub(super) struct Argument<'a, 't> {
    pub(super) node: &'a Node,
    pub(super) cell: &'a Cell<'t>,
}

/// Whether the value comes with the execution, so that the statement's text does not tell it.
pub(super) fn is_parameter(node: &Node) -> bool {
    matches!(node.node, Some(NodeEnum::ParamRef(_)))
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
    /// If the first argument is an integer or a stored `numeric`, of which sums do not overflow.
    Exact,
    /// If the first argument is a stored `numeric` or a floating-point number, and others are written in the statement.
    Inexact,
    /// If all values of the first argument's type can be compared.
    Compared,
    /// If the first argument is known not to be an array.
    NotArray,
    /// If no argument is of type `json`, which can hold what `jsonb` cannot.
    NotJson,
    /// If every other argument, from the first on, is a string written in the statement, and each has a value after it.
    Keys,
    /// If the first argument is a string written in the statement that asks for text only, and for no more than there is.
    Format,
    /// If the first argument is a field that every date and time has, written in the statement.
    DateField,
    /// If it is such a field, and the date has a time.
    TimeField,
    /// If it is one that a time can be cut at.
    CutField,
    /// If the second argument names how bytes are written.
    EncodedAs,
    /// If the first argument is a whole number.
    Whole,
    /// If each argument is a share of 1, written in the statement.
    Share,
    /// If the second argument is a regular expression that is surely valid, and the others but the first are written in the
    /// statement too.
    Pattern,
}

use When::{
    Alone, Always, Compared, Counts, CutField, DateField, EncodedAs, Exact, Filled, Format, Inexact, Keys,
    NotArray, NotJson, Pattern, Position, Share, TimeField, Whole,
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
    ("date_part", TimeField),
    ("date_trunc", CutField),
    ("dense_rank", Always),
    ("encode", EncodedAs),
    // A value of an enum that another transaction has not committed yet cannot be stored.
    ("enum_first", Always),
    ("enum_last", Always),
    ("enum_range", Always),
    ("every", Always),
    ("extract", DateField),
    ("family", Always),
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
    ("max", Compared),
    ("md5", Always),
    ("min", Compared),
    ("mode", Always),
    ("num_nonnulls", Always),
    ("num_nulls", Always),
    ("octet_length", Always),
    ("percent_rank", Always),
    // It picks one of the values; `percentile_cont` computes one, and can overflow.
    ("percentile_disc", Share),
    ("pg_column_size", Always),
    ("pg_typeof", Always),
    ("position", Always),
    ("quote_ident", Always),
    ("quote_literal", Always),
    ("quote_nullable", Always),
    ("rank", Always),
    ("regexp_replace", Pattern),
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
    // Of whole numbers they are computed as `numeric`, where squares of them do not overflow.
    ("stddev", Whole),
    ("stddev_pop", Whole),
    ("stddev_samp", Whole),
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
    ("var_pop", Whole),
    ("var_samp", Whole),
    ("variance", Whole),
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
        Exact => first_kind.is_integer() || first.is_some_and(is_stored_numeric),
        Compared => first_kind.is_compared(),
        Inexact => {
            (first_kind.is(&[kind::FLOAT4, kind::FLOAT8]) || first.is_some_and(is_stored_numeric))
                && rest()
                    .all(|argument| number(argument.node).is_some_and(|number| (0..=100).contains(&number)))
        }
        NotArray => first_kind.is_scalar() || first.is_some_and(|first| first.cell.row.is_some()),
        NotJson => arguments.iter().all(is_jsonb_safe),
        Keys => {
            arguments.len().is_multiple_of(2)
                && arguments.iter().step_by(2).all(|argument| string(argument.node).is_some())
                && rest().step_by(2).all(is_jsonb_safe)
        }
        Format => {
            let format = first.and_then(|first| string(first.node));
            format.and_then(texts_asked_for).is_some_and(|texts| texts < arguments.len())
        }
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
        Whole => first_kind.is_integer(),
        Share => arguments.iter().all(|argument| is_share(argument.node)),
        Pattern => match arguments {
            [text, pattern, rest @ ..] => {
                text.cell.kind.is_text()
                    && constant(pattern.node).is_some_and(is_valid_pattern)
                    && rest.len() <= 2
                    && rest.iter().take(1).all(|replacement| string(replacement.node).is_some())
                    && rest
                        .iter()
                        .skip(1)
                        .all(|flags| matches!(string(flags.node), Some("g" | "i" | "gi" | "ig")))
            }
            [..] => false,
        },
        CutField => match arguments {
            [field, moment] => {
                let is_cut = string(field.node).is_some_and(|field| {
                    let field = field.to_ascii_lowercase();
                    !["dow", "doy", "epoch", "isodow", "isoyear"].contains(&field.as_str())
                });
                is_cut
                    && !moment.cell.kind.is(&[kind::DATE])
                    && has_field(string(field.node), moment.cell.kind)
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

/// Whether a string constant is a regular expression that the server can surely use.
pub(super) fn is_valid_pattern(node: &NodeEnum) -> bool {
    match node {
        NodeEnum::AConst(constant) => match &constant.val {
            Some(Val::Sval(text)) => pattern::is_valid(&text.sval),
            Some(Val::Ival(_) | Val::Fval(_) | Val::Boolval(_) | Val::Bsval(_)) | None => false,
        },
        _ => false,
    }
}

/// Whether it is a number from 0 to 1.
fn is_share(node: &Node) -> bool {
    let fraction = match constant(node) {
        Some(NodeEnum::AConst(constant)) => match &constant.val {
            Some(Val::Fval(number)) => number.fval.parse::<f64>().ok(),
            Some(Val::Ival(_) | Val::Boolval(_) | Val::Sval(_) | Val::Bsval(_)) | None => None,
        },
        _ => None,
    };
    fraction.or_else(|| number(node).map(f64::from)).is_some_and(|share| (0.0..=1.0).contains(&share))
}

fn is_constant(node: &NodeEnum) -> bool {
    matches!(node, NodeEnum::AConst(_))
}

/// Whether it is a `numeric` as somebody has stored it, and not one that the statement could have made as large as it can be.
fn is_stored_numeric(argument: &Argument<'_, '_>) -> bool {
    argument.cell.kind.is(&[kind::NUMERIC]) && argument.cell.form == Form::Column
}

/// Whether `jsonb` can hold the value whatever it is.
fn is_jsonb_safe(argument: &Argument<'_, '_>) -> bool {
    let cell = argument.cell;
    match &cell.row {
        // It may have been declared as anything.
        None if is_parameter(argument.node) => false,
        Some(fields) => fields.iter().all(|field| !field.cell.kind.is_json_text()),
        None => !cell.kind.is_json_text(),
    }
}

/// How many arguments a format asks for; nothing unless it uses `%s`, `%L` and `%%` only.
fn texts_asked_for(format: &str) -> Option<usize> {
    let (mut rest, mut texts) = (format, 0);
    while let Some((_, after)) = rest.split_once('%') {
        texts += usize::from(!after.starts_with('%'));
        rest = after.strip_prefix(['s', 'L', '%'])?;
    }
    Some(texts)
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
        "to_jsonb" if arguments.first().is_some_and(|first| first.cell.row.is_some()) => Kind::json_object(),
        "jsonb_build_object" => Kind::json_object(),
        "to_jsonb" | "jsonb_agg" | "jsonb_build_array" => Kind::of(kind::JSONB),
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
        assert_eq!(texts_asked_for("%s of %L, 100 %%"), Some(2));
        for format in ["%I", "100 %", "%1$s"] {
            assert_eq!(texts_asked_for(format), None, "{format}");
        }
    }
}
