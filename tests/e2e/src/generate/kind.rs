//! Types of columns, and values of each: a handful of texts with different lengths, digits, signs and shapes. Twins hold
//! different ones, and literals in statements are taken from the same, so that comparisons hit.

/// A type, one of each family that masking tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `int4`.
    Int4,
    /// `text`.
    Text,
    /// `bool`.
    Bool,
    /// `int8`.
    Int8,
    /// `int2`.
    Int2,
    /// `numeric(14,3)`.
    Numeric,
    /// `float8`.
    Float8,
    /// `float4`.
    Float4,
    /// `money`.
    Money,
    /// `varchar(24)`.
    Varchar,
    /// `char(10)`.
    Char,
    /// `uuid`.
    Uuid,
    /// `date`.
    Date,
    /// `time`.
    Time,
    /// `timestamp`.
    Timestamp,
    /// `timestamptz`.
    Timestamptz,
    /// `interval`.
    Interval,
    /// `json`.
    Json,
    /// `jsonb`.
    Jsonb,
    /// `bytea`.
    Bytea,
    /// `inet`.
    Inet,
    /// `varbit(24)`.
    Bits,
    /// `text[]`.
    TextArray,
    /// `int4[]`.
    IntArray,
    /// The enum [`TYPES`] defines.
    Mood,
    /// The domain over text that [`TYPES`] defines.
    Code,
    /// The composite that [`TYPES`] defines.
    Pair,
}

/// Most rows a generated table has: a few, so that they and what statements add to them stay on one page and physical
/// layout, which depends on how long values are, does not decide the order of rows.
pub const ROWS_MAX: usize = 7;

/// Defines the types that are not the server's own.
pub const TYPES: &str = "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN code AS text CHECK (length(VALUE) < 40);
CREATE TYPE pair AS (n int4, word text);
";

/// Every kind.
pub const KINDS: [Kind; 27] = [
    Kind::Int4,
    Kind::Text,
    Kind::Bool,
    Kind::Int8,
    Kind::Int2,
    Kind::Numeric,
    Kind::Float8,
    Kind::Float4,
    Kind::Money,
    Kind::Varchar,
    Kind::Char,
    Kind::Uuid,
    Kind::Date,
    Kind::Time,
    Kind::Timestamp,
    Kind::Timestamptz,
    Kind::Interval,
    Kind::Json,
    Kind::Jsonb,
    Kind::Bytea,
    Kind::Inet,
    Kind::Bits,
    Kind::TextArray,
    Kind::IntArray,
    Kind::Mood,
    Kind::Code,
    Kind::Pair,
];

impl Kind {
    /// Its name in a cast.
    pub fn name(self) -> &'static str {
        self.column_type().split_once('(').map_or_else(|| self.column_type(), |(name, _)| name)
    }

    /// Its name in a column's definition.
    pub fn column_type(self) -> &'static str {
        match self {
            Self::Int4 => "int4",
            Self::Text => "text",
            Self::Bool => "bool",
            Self::Int8 => "int8",
            Self::Int2 => "int2",
            Self::Numeric => "numeric(14,3)",
            Self::Float8 => "float8",
            Self::Float4 => "float4",
            Self::Money => "money",
            Self::Varchar => "varchar(24)",
            Self::Char => "bpchar(10)",
            Self::Uuid => "uuid",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
            Self::Interval => "interval",
            Self::Json => "json",
            Self::Jsonb => "jsonb",
            Self::Bytea => "bytea",
            Self::Inet => "inet",
            Self::Bits => "varbit(24)",
            Self::TextArray => "text[]",
            Self::IntArray => "int4[]",
            Self::Mood => "mood",
            Self::Code => "code",
            Self::Pair => "pair",
        }
    }

    /// Some of its values, in the server's text format, none equal to another. A world's tables have fewer rows than most
    /// kinds have values, so that a column of a kind with [`Kind::may_be_unique`] can be filled without repeats.
    pub fn values(self) -> &'static [&'static str] {
        match self {
            Self::Int4 => {
                &["7", "-7", "0", "42", "1000000", "-2147483648", "2147483647", "12", "345", "99999"]
            }
            Self::Text | Self::Varchar | Self::Code => {
                &["abc", "Zoë O'Neil", "", "12", "-3.5", "x%_y", "1999-12-31", "{\"a\": 1}", "a,b,c", "\\d+["]
            }
            Self::Char => &["a", "abc", "0123456789", "Zoë", "", "12", "x y", "%", "-1", "last"],
            Self::Bool => &["true", "false"],
            Self::Int8 => {
                &["7", "-7", "0", "9007199254740993", "-9223372036854775808", "31", "100", "5", "77", "-1"]
            }
            Self::Int2 => &["7", "-7", "0", "32767", "-32768", "31", "100", "5", "77", "-1"],
            Self::Numeric => {
                &["1.5", "-1.5", "0", "12345678901.234", "0.001", "-99", "100", "3.142", "77.7", "-0.5"]
            }
            Self::Float8 | Self::Float4 => {
                &["1.5", "-1.5", "0", "1e+30", "-2.5e-10", "NaN", "Infinity", "3.25", "77", "-99"]
            }
            Self::Money => {
                &["$1.50", "-$1.50", "$0.00", "$1,234,567.89", "$7.00", "$99.99", "-$100.00", "$12.00"]
            }
            Self::Uuid => &[
                "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
                "00000000-0000-0000-0000-000000000000",
                "ffffffff-ffff-ffff-ffff-ffffffffffff",
                "11111111-2222-4333-8444-555555555555",
                "22222222-2222-4333-8444-555555555555",
                "33333333-2222-4333-8444-555555555555",
                "44444444-2222-4333-8444-555555555555",
                "55555555-2222-4333-8444-555555555555",
            ],
            Self::Date => &[
                "1984-05-17",
                "2000-02-29",
                "0001-01-01",
                "9999-12-31",
                "2026-11-23",
                "infinity",
                "1970-01-01",
                "0044-03-15 BC",
            ],
            Self::Time => &[
                "00:00:00",
                "11:22:33",
                "23:59:59.999999",
                "12:00:00",
                "01:02:03",
                "06:30:00",
                "18:45:00.5",
                "24:00:00",
            ],
            Self::Timestamp => &[
                "1984-05-17 11:22:33.456",
                "2000-02-29 00:00:00",
                "0001-01-01 00:00:00",
                "infinity",
                "2026-11-23 12:00:00",
                "1970-01-01 00:00:01",
                "1999-12-31 23:59:59",
                "-infinity",
            ],
            Self::Timestamptz => &[
                "1984-05-17 11:22:33+02",
                "2000-02-29 00:00:00+00",
                "0001-01-01 00:00:00+00",
                "infinity",
                "2026-11-23 12:00:00-05",
                "1970-01-01 00:00:01+00",
                "1999-12-31 23:59:59+14",
                "-infinity",
            ],
            Self::Interval => &[
                "1 day",
                "-1 day",
                "00:00:00",
                "3 years 5 mons",
                "10:20:30.4",
                "100 years",
                "-5 mons 2 days",
                "1 mon",
            ],
            Self::Json => &[
                "{\"a\":1}",
                "[1,2,3]",
                "\"word\"",
                "12",
                "null",
                "{\"a\": {\"b\": [true, null]}}",
                "[]",
                "{}",
                "[{\"x\":1},{\"x\":2}]",
                "true",
            ],
            Self::Jsonb => &[
                "{\"a\": 1}",
                "[1, 2, 3]",
                "\"word\"",
                "12",
                "null",
                "{\"a\": {\"b\": [true, null]}}",
                "[]",
                "{}",
                "[{\"x\": 1}, {\"x\": 2}]",
                "true",
            ],
            Self::Bytea => &[
                "\\x",
                "\\x00",
                "\\xdeadbeef",
                "\\x616263",
                "\\xff",
                "\\x0102030405060708",
                "\\x41",
                "\\xe2",
            ],
            Self::Inet => &[
                "203.0.113.7",
                "10.0.0.0/8",
                "2001:db8::1",
                "0.0.0.0/0",
                "192.0.2.255/24",
                "::/0",
                "127.0.0.1",
                "198.51.100.1",
            ],
            Self::Bits => &["", "0", "1", "10110", "11111111", "000000001", "1010101010", "01"],
            Self::TextArray => &[
                "{}",
                "{a}",
                "{a,b,c}",
                "{NULL,x}",
                "{\"two words\",\"q\\\"uote\"}",
                "{1,2,3,4,5,6}",
                "{\"\"}",
                "{{a,b},{c,d}}",
            ],
            Self::IntArray => {
                &["{}", "{1}", "{1,2,3}", "{NULL,0}", "{-5}", "{2147483647}", "{{1,2},{3,4}}", "{7,7}"]
            }
            Self::Mood => &["sad", "ok", "happy"],
            Self::Pair => &[
                "(1,one)",
                "(,)",
                "(-5,\"two words\")",
                "(2147483647,)",
                "(,x)",
                "(0,\"\")",
                "(7,7)",
                "(2,b)",
            ],
        }
    }

    /// A literal of the value.
    pub fn literal(self, value: &str) -> String {
        format!("'{}'::{}", value.replace('\'', "''"), self.name())
    }

    /// Whether it has an equality operator, so that it can be compared, grouped and made distinct.
    pub fn has_equality(self) -> bool {
        self != Self::Json
    }

    /// Whether a column of it can have as many different values as a table has rows.
    pub fn may_be_unique(self) -> bool {
        self.has_equality() && !matches!(self, Self::Bool | Self::Mood)
    }

    /// Whether `min` and `max` are there for it.
    pub fn has_extremes(self) -> bool {
        !matches!(
            self,
            Self::Json | Self::Jsonb | Self::Bool | Self::Uuid | Self::Bytea | Self::Bits | Self::Pair
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_value_is_there_twice() {
        for kind in KINDS {
            let values: BTreeSet<&&str> = kind.values().iter().collect();
            assert_eq!(values.len(), kind.values().len(), "{kind:?}");
            assert!(!kind.may_be_unique() || values.len() >= ROWS_MAX, "{kind:?} has too few values");
        }
    }
}
