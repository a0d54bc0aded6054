//! The built-in types, by object identifier, as far as values of them are read or masked.
//!
//! Numbers are PostgreSQL's `src/include/catalog/pg_type.dat` (versions 14 to 18); they never change once assigned.

/// How values of a type are read and masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// `text`, `varchar(n)` and what behaves like them.
    Text,
    /// `char(n)`, sent padded with blanks.
    BlankPadded,
    /// `name`: at most 63 bytes.
    Name,
    /// `"char"`: one byte.
    SingleByte,
    Xml,
    Json,
    Jsonb,
    Bytea,
    Int2,
    Int4,
    Int8,
    Oid,
    Numeric,
    Float4,
    Float8,
    Money,
    Boolean,
    Uuid,
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    Interval,
    Inet,
    Cidr,
    MacAddr,
    MacAddr8,
    /// `bit(n)`: its modifier is its length.
    Bits,
    /// `varbit(n)`: its modifier is the most it may have.
    VarBits,
    /// Has values inside and cannot be rewritten: they are read, and it is NULL once something was found.
    Structured(Structure),
    /// Holds no texts (shapes, positions, catalogue references) and cannot be rewritten.
    Inert,
}

/// How values inside a value are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Structure {
    /// A composite value.
    Record,
    Range(Bound),
    Multirange(Bound),
    /// `tsvector`.
    SearchVector,
    /// `tsquery`.
    SearchQuery,
    JsonPath,
    /// A type that is not built in (enums, composites, extensions): a text, a composite or an array if it looks like one.
    Unknown,
}

/// The type of a range's bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    Int4,
    Int8,
    Numeric,
}

impl Bound {
    pub(super) fn family(self) -> Family {
        match self {
            Self::Int4 => Family::Int4,
            Self::Int8 => Family::Int8,
            Self::Numeric => Family::Numeric,
        }
    }
}

impl Family {
    /// The word that plugins see as `field.kind`; empty when not known.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Text | Self::BlankPadded | Self::Name | Self::SingleByte => "text",
            Self::Xml => "xml",
            Self::Json | Self::Jsonb => "json",
            Self::Bytea => "bytes",
            Self::Int2 | Self::Int4 | Self::Int8 | Self::Oid => "integer",
            Self::Numeric => "numeric",
            Self::Float4 | Self::Float8 => "float",
            Self::Money => "money",
            Self::Boolean => "boolean",
            Self::Uuid => "uuid",
            Self::Date => "date",
            Self::Time | Self::TimeTz => "time",
            Self::Timestamp | Self::TimestampTz => "timestamp",
            Self::Interval => "interval",
            Self::Inet | Self::Cidr => "inet",
            Self::MacAddr | Self::MacAddr8 => "macaddr",
            Self::Bits | Self::VarBits => "bits",
            Self::Structured(_) | Self::Inert => "",
        }
    }

    /// Whether values have texts that a detector should read.
    pub(super) fn is_scanned(self) -> bool {
        match self {
            Self::Text
            | Self::BlankPadded
            | Self::Name
            | Self::Xml
            | Self::Json
            | Self::Jsonb
            | Self::Bytea
            | Self::Int2
            | Self::Int4
            | Self::Int8
            | Self::Numeric
            | Self::Structured(_) => true,
            Self::SingleByte
            | Self::Oid
            | Self::Float4
            | Self::Float8
            | Self::Money
            | Self::Boolean
            | Self::Uuid
            | Self::Date
            | Self::Time
            | Self::TimeTz
            | Self::Timestamp
            | Self::TimestampTz
            | Self::Interval
            | Self::Inet
            | Self::Cidr
            | Self::MacAddr
            | Self::MacAddr8
            | Self::Bits
            | Self::VarBits
            | Self::Inert => false,
        }
    }
}

/// One type with its array type.
struct Entry {
    oid: u32,
    array_oid: u32,
    family: Family,
}

/// What an object identifier stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// A value of the family.
    Scalar(Family),
    /// An array of values of the family, whose own type is given.
    Array { element: Family, element_oid: u32 },
}

/// What the type is; one that is not in the table is [`Structure::Unknown`].
pub(super) fn lookup(oid: u32) -> Known {
    for entry in TYPES {
        if entry.oid == oid {
            return Known::Scalar(entry.family);
        }
        if entry.array_oid == oid && oid != 0 {
            return match entry.family {
                // Some of these are separated otherwise than by commas.
                Family::Inert => Known::Scalar(Family::Inert),
                element => Known::Array { element, element_oid: entry.oid },
            };
        }
    }
    Known::Scalar(Family::Structured(Structure::Unknown))
}

const fn entry(oid: u32, array_oid: u32, family: Family) -> Entry {
    Entry { oid, array_oid, family }
}

/// Ascending by `oid`. An array's number of 0 says that there is no array type.
const TYPES: &[Entry] = &[
    entry(16, 1000, Family::Boolean),
    entry(17, 1001, Family::Bytea),
    entry(18, 1002, Family::SingleByte),
    entry(19, 1003, Family::Name),
    entry(20, 1016, Family::Int8),
    entry(21, 1005, Family::Int2),
    entry(22, 1006, Family::Inert), // int2vector
    entry(23, 1007, Family::Int4),
    entry(24, 1008, Family::Inert), // regproc
    entry(25, 1009, Family::Text),
    entry(26, 1028, Family::Oid),
    entry(27, 1010, Family::Inert), // tid
    entry(28, 1011, Family::Inert), // xid
    entry(29, 1012, Family::Inert), // cid
    entry(30, 1013, Family::Inert), // oidvector
    entry(114, 199, Family::Json),
    entry(142, 143, Family::Xml),
    entry(600, 1017, Family::Inert), // point
    entry(601, 1018, Family::Inert), // lseg
    entry(602, 1019, Family::Inert), // path
    entry(603, 1020, Family::Inert), // box
    entry(604, 1027, Family::Inert), // polygon
    entry(628, 629, Family::Inert),  // line
    entry(650, 651, Family::Cidr),
    entry(700, 1021, Family::Float4),
    entry(701, 1022, Family::Float8),
    entry(705, 0, Family::Text),    // unknown: an untyped literal
    entry(718, 719, Family::Inert), // circle
    entry(774, 775, Family::MacAddr8),
    entry(790, 791, Family::Money),
    entry(829, 1040, Family::MacAddr),
    entry(869, 1041, Family::Inet),
    entry(1033, 1034, Family::Inert), // aclitem
    entry(1042, 1014, Family::BlankPadded),
    entry(1043, 1015, Family::Text), // varchar
    entry(1082, 1182, Family::Date),
    entry(1083, 1183, Family::Time),
    entry(1114, 1115, Family::Timestamp),
    entry(1184, 1185, Family::TimestampTz),
    entry(1186, 1187, Family::Interval),
    entry(1266, 1270, Family::TimeTz),
    entry(1560, 1561, Family::Bits), // bit
    entry(1562, 1563, Family::VarBits),
    entry(1700, 1231, Family::Numeric),
    entry(1790, 2201, Family::Text),                          // refcursor
    entry(2202, 2207, Family::Inert),                         // regprocedure
    entry(2203, 2208, Family::Inert),                         // regoper
    entry(2204, 2209, Family::Inert),                         // regoperator
    entry(2205, 2210, Family::Inert),                         // regclass
    entry(2206, 2211, Family::Inert),                         // regtype
    entry(2249, 2287, Family::Structured(Structure::Record)), // record
    entry(2275, 1263, Family::Text),                          // cstring
    entry(2278, 0, Family::Inert),                            // void
    entry(2950, 2951, Family::Uuid),
    entry(2970, 2949, Family::Inert), // txid_snapshot
    entry(3220, 3221, Family::Inert), // pg_lsn
    entry(3614, 3643, Family::Structured(Structure::SearchVector)), // tsvector
    entry(3615, 3645, Family::Structured(Structure::SearchQuery)), // tsquery
    entry(3734, 3735, Family::Inert), // regconfig
    entry(3769, 3770, Family::Inert), // regdictionary
    entry(3802, 3807, Family::Jsonb),
    entry(3904, 3905, Family::Structured(Structure::Range(Bound::Int4))), // int4range
    entry(3906, 3907, Family::Structured(Structure::Range(Bound::Numeric))), // numrange
    entry(3908, 3909, Family::Inert),                                     // tsrange
    entry(3910, 3911, Family::Inert),                                     // tstzrange
    entry(3912, 3913, Family::Inert),                                     // daterange
    entry(3926, 3927, Family::Structured(Structure::Range(Bound::Int8))), // int8range
    entry(4072, 4073, Family::Structured(Structure::JsonPath)),           // jsonpath
    entry(4089, 4090, Family::Inert),                                     // regnamespace
    entry(4096, 4097, Family::Inert),                                     // regrole
    entry(4191, 4192, Family::Inert),                                     // regcollation
    entry(4451, 6150, Family::Structured(Structure::Multirange(Bound::Int4))), // int4multirange
    entry(4532, 6151, Family::Structured(Structure::Multirange(Bound::Numeric))), // nummultirange
    entry(4533, 6152, Family::Inert),                                     // tsmultirange
    entry(4534, 6153, Family::Inert),                                     // tstzmultirange
    entry(4535, 6155, Family::Inert),                                     // datemultirange
    entry(4536, 6157, Family::Structured(Structure::Multirange(Bound::Int8))), // int8multirange
    entry(5038, 5039, Family::Inert),                                     // pg_snapshot
    entry(5069, 271, Family::Inert),                                      // xid8
];

/// Every type in the table and its array type, for tests that go over all of them.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = u32> {
    TYPES.iter().flat_map(|entry| [entry.oid, entry.array_oid]).filter(|oid| *oid != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_ascending_and_names_no_type_twice() {
        assert!(TYPES.is_sorted_by(|earlier, later| earlier.oid < later.oid));
        let mut oids: Vec<u32> = all().collect();
        let count = oids.len();
        oids.sort_unstable();
        oids.dedup();
        assert_eq!(oids.len(), count);
    }

    #[test]
    fn types_are_what_pg_type_dat_says() {
        let check = |oid, expected| assert_eq!(lookup(oid), expected, "{oid}");
        check(25, Known::Scalar(Family::Text));
        check(1043, Known::Scalar(Family::Text));
        check(1009, Known::Array { element: Family::Text, element_oid: 25 });
        check(1016, Known::Array { element: Family::Int8, element_oid: 20 });
        check(1017, Known::Scalar(Family::Inert));
        let structured = Family::Structured;
        check(2287, Known::Array { element: structured(Structure::Record), element_oid: 2249 });
        check(0, Known::Scalar(structured(Structure::Unknown)));
        check(16_384, Known::Scalar(structured(Structure::Unknown)));
    }
}
