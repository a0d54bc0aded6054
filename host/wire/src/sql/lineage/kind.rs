//! Types, as far as they decide whether a computation can fail: OIDs of built-in types, and which casts and operators give
//! a result for every value. PostgreSQL 18 manual, chapters 8 and 9; `pg_type.dat`, `pg_cast.dat` of the server's source.

use pg_query::NodeEnum;
use pg_query::protobuf::TypeName;

use crate::sql::name;
use crate::sql::schema::{Collation, Schema, SchemaColumn};

/// The first OID that the server gives to what users make (`FirstNormalObjectId`).
const FIRST_USER_OID: u32 = 16_384;

pub(super) const BOOL: u32 = 16;
pub(super) const BYTEA: u32 = 17;
pub(super) const NAME: u32 = 19;
pub(super) const INT8: u32 = 20;
pub(super) const INT2: u32 = 21;
pub(super) const INT4: u32 = 23;
pub(super) const TEXT: u32 = 25;
pub(super) const JSON: u32 = 114;
pub(super) const FLOAT4: u32 = 700;
pub(super) const FLOAT8: u32 = 701;
pub(super) const BPCHAR: u32 = 1042;
pub(super) const VARCHAR: u32 = 1043;
pub(super) const DATE: u32 = 1082;
pub(super) const TIME: u32 = 1083;
pub(super) const TIMESTAMP: u32 = 1114;
pub(super) const TIMESTAMPTZ: u32 = 1184;
pub(super) const INTERVAL: u32 = 1186;
pub(super) const NUMERIC: u32 = 1700;
pub(super) const JSONB: u32 = 3802;
const CIDR: u32 = 650;
const INET: u32 = 869;

/// The server's types whose values have a collation, arrays of them among them, as far as columns have them.
const COLLATABLE: [u32; 8] = [NAME, TEXT, BPCHAR, VARCHAR, 1003, 1009, 1014, 1015];

/// A modifier in place of none: of a type that users made, whose values can all be compared and turned into `jsonb`.
const PLAIN: i32 = -2;

/// A modifier of `jsonb`, which has none, for values known to be objects.
const OBJECT: i32 = 1;

/// Names of types that casts are judged by, with the OID of the type and of arrays of it.
const NAMED: [(&str, u32, u32); 28] = [
    ("bool", BOOL, 1000),
    ("bpchar", BPCHAR, 1014),
    ("bytea", BYTEA, 1001),
    ("cidr", CIDR, 651),
    ("date", DATE, 1182),
    ("float4", FLOAT4, 1021),
    ("float8", FLOAT8, 1022),
    ("inet", INET, 1041),
    ("int2", INT2, 1005),
    ("int4", INT4, 1007),
    ("int8", INT8, 1016),
    ("interval", INTERVAL, 1187),
    ("json", JSON, JSON_ARRAY),
    ("jsonb", JSONB, 3807),
    ("money", 790, 791),
    ("name", NAME, 1003),
    ("numeric", NUMERIC, 1231),
    ("oid", 26, 1028),
    ("regclass", 2205, 2210),
    ("regproc", 24, 1008),
    ("regtype", 2206, 2211),
    ("text", TEXT, 1009),
    ("time", TIME, 1183),
    ("timestamp", TIMESTAMP, 1115),
    ("timestamptz", TIMESTAMPTZ, 1185),
    ("timetz", 1266, 1270),
    ("uuid", 2950, 2951),
    ("varchar", VARCHAR, 1015),
];

const JSON_ARRAY: u32 = 199;
const XML: u32 = 142;

/// Other types of the server of which all values can be compared: `"char"`, macaddr, timetz, bit, varbit, pg_lsn, tsvector,
/// tsquery, macaddr8, xid8, and the ranges.
const SCALARS_TOO: [u32; 16] =
    [18, 829, 1266, 1560, 1562, 3220, 3614, 3615, 774, 5069, 3904, 3906, 3908, 3910, 3912, 3926];

/// A value's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Not known here.
    Unknown,
    /// A string literal, NULL or a parameter: it takes on the type that its place wants.
    Literal,
    /// This one.
    Type {
        /// `pg_type.oid`.
        oid: u32,
        /// Its modifier; -1 for none.
        typmod: i32,
    },
}

impl Kind {
    pub(super) const fn of(oid: u32) -> Self {
        Self::Type { oid, typmod: -1 }
    }

    /// The type of a stored column.
    pub(super) fn of_column(column: &SchemaColumn, schema: &Schema) -> Self {
        let is_plain = column.typmod == -1 && schema.is_plain(column.type_oid);
        Self::Type { oid: column.type_oid, typmod: if is_plain { PLAIN } else { column.typmod } }
    }

    fn is_plain(self) -> bool {
        matches!(self, Self::Type { oid, typmod: PLAIN } if oid >= FIRST_USER_OID)
    }

    /// The OID and the modifier, as the server has them.
    pub(super) fn numbers(self) -> Option<(u32, i32)> {
        match self {
            Self::Unknown | Self::Literal => None,
            Self::Type { oid, .. } if self.is_plain() || oid == JSONB => Some((oid, -1)),
            Self::Type { oid, typmod } => Some((oid, typmod)),
        }
    }

    /// `jsonb` that is an object.
    pub(super) const fn json_object() -> Self {
        Self::Type { oid: JSONB, typmod: OBJECT }
    }

    pub(super) fn oid(self) -> Option<u32> {
        match self {
            Self::Unknown | Self::Literal => None,
            Self::Type { oid, .. } => Some(oid),
        }
    }

    pub(super) fn is(self, oids: &[u32]) -> bool {
        self.oid().is_some_and(|oid| oids.contains(&oid))
    }

    /// Whether it is, or can only become, one of the server's own types.
    pub(super) fn is_builtin(self) -> bool {
        self.oid().is_some_and(|oid| oid < FIRST_USER_OID)
    }

    pub(super) fn is_text(self) -> bool {
        self.is(&[TEXT, VARCHAR, BPCHAR, NAME])
    }

    /// How a value of the type is compared that is made of texts so compared. A `name` has the collation `C` by itself, and
    /// what is not known may be one.
    pub(super) fn collation(self, of_parts: Collation) -> Collation {
        match self {
            Self::Unknown => of_parts.with(Collation::C),
            Self::Type { oid: NAME, .. } => of_parts.with(Collation::C),
            Self::Type { oid, .. } if oid < FIRST_USER_OID && !COLLATABLE.contains(&oid) => Collation::Usual,
            Self::Literal | Self::Type { .. } => of_parts,
        }
    }

    pub(super) fn is_integer(self) -> bool {
        self.is(&[INT2, INT4, INT8])
    }

    /// Exact numbers, of which sums do not overflow.
    pub(super) fn is_exact(self) -> bool {
        self.is_integer() || self.is(&[NUMERIC])
    }

    /// Whether it is known not to be an array.
    pub(super) fn is_scalar(self) -> bool {
        self.oid().is_some_and(|oid| {
            NAMED.iter().any(|(_, scalar, _)| *scalar == oid) || SCALARS_TOO.contains(&oid) || oid == XML
        })
    }

    /// Whether all its values can be compared with each other. Rows cannot, nor arrays of what cannot.
    pub(super) fn is_compared(self) -> bool {
        match self {
            Self::Unknown => false,
            Self::Literal => true,
            Self::Type { oid, .. } => {
                let is_named = NAMED.iter().any(|(_, scalar, array)| [*scalar, *array].contains(&oid));
                (is_named && !self.is_json_text()) || SCALARS_TOO.contains(&oid) || self.is_plain()
            }
        }
    }

    /// What a computation from literals alone gives.
    pub(super) fn settled(self) -> Self {
        match self {
            Self::Literal => Self::of(TEXT),
            Self::Unknown | Self::Type { .. } => self,
        }
    }

    /// Whether its values could be JSON that `jsonb` does not take.
    pub(super) fn is_json_text(self) -> bool {
        match self {
            Self::Unknown => true,
            Self::Literal => false,
            // What users made can be a domain over it, or a row with one in it.
            Self::Type { oid, .. } => {
                oid == JSON || oid == JSON_ARRAY || (oid >= FIRST_USER_OID && !self.is_plain())
            }
        }
    }

    /// The type of arrays of it.
    pub(super) fn array(self) -> Self {
        match self {
            Self::Unknown => Self::Unknown,
            Self::Literal => Self::Literal,
            Self::Type { oid, .. } => {
                let known = NAMED.iter().find(|(_, scalar, _)| *scalar == oid);
                known.map_or(Self::Unknown, |(_, _, array)| Self::of(*array))
            }
        }
    }

    /// The type of its elements; a literal's are literals.
    pub(super) fn element(self) -> Self {
        match self {
            Self::Unknown => Self::Unknown,
            Self::Literal => Self::Literal,
            Self::Type { oid, .. } => {
                let known = NAMED.iter().find(|(_, _, array)| *array == oid);
                known.map_or(Self::Unknown, |(_, scalar, _)| Self::of(*scalar))
            }
        }
    }

    /// The type a cast names; unknown for any that users made.
    pub(super) fn named(of: &TypeName) -> Self {
        let parts: Vec<&str> = name::strings(&of.names).collect();
        let (["pg_catalog", last] | [last]) = parts[..] else { return Self::Unknown };
        let Ok(at) = NAMED.binary_search_by_key(&last, |(name, _, _)| name) else { return Self::Unknown };
        let (_, scalar, array) = NAMED[at];
        let oid = if of.array_bounds.is_empty() { scalar } else { array };
        if of.pct_type || of.setof { Self::Unknown } else { Self::of(oid) }
    }
}

/// Whether the cast gives a result for every value of the type.
pub(super) fn cast_is_total(from: Kind, to: Kind, target: &TypeName) -> bool {
    // What users made can be a domain, which looks at each value when it is computed.
    let Some(target_oid) = to.oid() else { return false };
    // What is known of a literal is known when the statement is parsed: it fails then, or never.
    if from == Kind::Literal || to.is_text() {
        return true;
    }
    let Some(from_oid) = from.oid() else { return false };
    let unlimited = target.typmods.is_empty();
    (from_oid == target_oid && (unlimited || to.is(&[BYTEA]))) || (unlimited && widens(from_oid, target_oid))
}

/// Casts between different types that lose nothing or round, but never fail.
fn widens(from: u32, to: u32) -> bool {
    match from {
        BOOL => to == INT4,
        INT2 => [INT4, INT8, NUMERIC, FLOAT4, FLOAT8].contains(&to),
        INT4 => [INT8, NUMERIC, FLOAT4, FLOAT8, BOOL].contains(&to),
        INT8 => [NUMERIC, FLOAT4, FLOAT8].contains(&to),
        FLOAT4 => to == FLOAT8,
        TIMESTAMP => [DATE, TIME].contains(&to),
        TIMESTAMPTZ => [DATE, TIME].contains(&to),
        TIME => to == INTERVAL,
        JSONB => to == JSON,
        _ => false,
    }
}

/// Whether a value of one type can be put in a column of the other, whatever it is.
pub(super) fn assignment_is_total(from: Kind, to: Kind) -> bool {
    match (from, to) {
        (Kind::Literal, to) => assignment_is_total(from.settled(), to),
        (Kind::Type { oid: source, .. }, Kind::Type { oid, typmod }) => {
            is_kept(from, to) || (typmod == -1 && (widens(source, oid) || Kind::of(oid).is_text()))
        }
        (Kind::Unknown, _) | (_, Kind::Unknown | Kind::Literal) => false,
    }
}

/// Whether a value of the one type is stored as it is in a column of the other: neither converted nor cut.
pub(super) fn is_kept(from: Kind, to: Kind) -> bool {
    match (from, to) {
        (Kind::Type { oid: from, typmod: source }, Kind::Type { oid: to, typmod }) => {
            from == to && (typmod == -1 || typmod == source)
        }
        (Kind::Unknown | Kind::Literal, _) | (_, Kind::Unknown | Kind::Literal) => false,
    }
}

/// Whether a string constant is a pattern that LIKE can always use: one that ends in its escape character cannot.
pub(super) fn is_safe_pattern(node: &NodeEnum) -> bool {
    use pg_query::protobuf::a_const::Val;
    match node {
        NodeEnum::AConst(constant) => match &constant.val {
            Some(Val::Sval(pattern)) => !pattern.sval.ends_with('\\'),
            Some(Val::Ival(_) | Val::Fval(_) | Val::Boolval(_) | Val::Bsval(_)) => false,
            None => constant.isnull,
        },
        NodeEnum::TypeCast(cast) => {
            cast.arg.as_deref().and_then(|arg| arg.node.as_ref()).is_some_and(is_safe_pattern)
        }
        _ => false,
    }
}

/// Whether the built-in operator gives a result for all values of such types.
pub(super) fn operator_is_total(operator: &str, left: Option<Kind>, right: Kind) -> bool {
    let any_is = |oids: &[u32]| left.is_some_and(|left| left.is(oids)) || right.is(oids);
    match operator {
        "=" | "<>" | "!=" | "<" | ">" | "<=" | ">=" => left.is_some_and(|left| are_compared(left, right)),
        // Of `json`, a string can turn out not to be text (`\u0000`).
        "->" | "->>" | "#>" | "#>>" => left.is_some_and(|left| left.is(&[JSONB])),
        "?" | "?|" | "?&" | "^@" => left.is_some(),
        "@>" | "<@" | "&&" => left.is_some_and(|left| are_compared(left, right)),
        "||" => joins_text(left, right) || (any_is(&[BYTEA]) && left == Some(right)),
        "&" | "|" | "#" | "<<" | ">>" | "~" if any_is(&[INT2, INT4, INT8]) => true,
        "<<" | "<<=" | ">>" | ">>=" => left.is_some_and(|left| left.is(&[INET, CIDR])),
        // Of an object, it takes away a key; of a scalar, it fails.
        "-" if left == Some(Kind::json_object()) => right == Kind::Literal,
        "-" if left.is_none() => right.is(&[NUMERIC, FLOAT4, FLOAT8]),
        _ => false,
    }
}

/// Whether any two values of such types can be compared. A `numeric` can be too large for the floating-point number that
/// it becomes beside one.
fn are_compared(left: Kind, right: Kind) -> bool {
    let mixes = |one: Kind, other: Kind| one.is(&[NUMERIC]) && other.is(&[FLOAT4, FLOAT8]);
    left.is_compared() && right.is_compared() && !mixes(left, right) && !mixes(right, left)
}

/// Whether `||` joins texts: arrays of unequal dimensions cannot be joined, nor, before release 14, all sorts of jsonb.
fn joins_text(left: Option<Kind>, right: Kind) -> bool {
    let is_plain = |kind: Kind| kind.is_scalar() || kind == Kind::Literal;
    left.is_some_and(|left| (left.is_text() || right.is_text()) && is_plain(left) && is_plain(right))
}

/// The type of an operator's result, where it is of use.
pub(super) fn operator_kind(operator: &str, left: Option<Kind>, right: Kind) -> Kind {
    match operator {
        "=" | "<>" | "!=" | "<" | ">" | "<=" | ">=" | "@>" | "<@" | "&&" | "?" | "?|" | "?&" | "^@"
        | "~*" | "!~" | "!~*" => Kind::of(BOOL),
        "~" if left.is_some_and(Kind::is_text) => Kind::of(BOOL),
        "->>" | "#>>" => Kind::of(TEXT),
        "||" if joins_text(left, right) => Kind::of(TEXT),
        "->" | "#>" => left.unwrap_or(Kind::Unknown),
        "+" | "-" | "*" | "/" | "%" if left.is_some_and(Kind::is_exact) && left == Some(right) => right,
        _ => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(NAMED.is_sorted_by(|a, b| a.0 < b.0));
    }
}
