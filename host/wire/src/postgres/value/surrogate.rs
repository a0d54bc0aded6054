//! Surrogates: what stands for a value of which nothing may show, not even that it is not NULL.
//!
//! A surrogate depends on the column alone: its type, its modifier, its format. No cell is looked at here, so none can be
//! told from another by its surrogate.

use super::Format;
use super::bits::Bits;
use super::boolean::Boolean;
use super::datetime::{Date, Time, TimeTz, Timestamp, TimestampTz};
use super::float::Float;
use super::integer::{Integer, Oid};
use super::interval::Interval;
use super::money::Money;
use super::network::{Cidr, HardwareAddress, Inet};
use super::numeric::Numeric;
use super::oid::{Family, Known};
use super::plan::Masked;
use super::scalar::Scalar;
use super::text;
use super::uuid::Uuid;
use super::{array, bytea};

/// Most digits of the surrogate of a `bit(n)`; a longer one is NULL. The type allows 83,886,080, in every row.
const BITS_MAX: i32 = 8_192;

/// Appends the surrogate of a column's values.
pub(super) fn put(known: Known, typmod: i32, format: Format, out: &mut Vec<u8>) -> Masked {
    let family = match known {
        Known::Scalar(family) => family,
        Known::Array { element_oid, .. } => {
            return value(|out| array::put_empty(element_oid, format, out), out);
        }
    };
    match family {
        Family::Text | Family::BlankPadded | Family::Name | Family::Xml => {
            value(|out| out.extend_from_slice(text::surrogate(family, typmod).as_bytes()), out)
        }
        Family::SingleByte => value(|out| out.push(b'*'), out),
        Family::Json => value(put_document, out),
        Family::Jsonb => value(|out| put_versioned_document(format, out), out),
        Family::Bytea => value(|out| bytea::put_surrogate(format, out), out),
        Family::Int2 => scalar::<Integer<2>>(typmod, format, out),
        Family::Int4 => scalar::<Integer<4>>(typmod, format, out),
        Family::Int8 => scalar::<Integer<8>>(typmod, format, out),
        Family::Oid => scalar::<Oid>(typmod, format, out),
        Family::Numeric => scalar::<Numeric>(typmod, format, out),
        Family::Float4 => scalar::<Float<4>>(typmod, format, out),
        Family::Float8 => scalar::<Float<8>>(typmod, format, out),
        Family::Money => money(format, out),
        Family::Boolean => scalar::<Boolean>(typmod, format, out),
        Family::Uuid => scalar::<Uuid>(typmod, format, out),
        Family::Date => scalar::<Date>(typmod, format, out),
        Family::Time => scalar::<Time>(typmod, format, out),
        Family::TimeTz => scalar::<TimeTz>(typmod, format, out),
        Family::Timestamp => scalar::<Timestamp>(typmod, format, out),
        Family::TimestampTz => scalar::<TimestampTz>(typmod, format, out),
        Family::Interval => scalar::<Interval>(typmod, format, out),
        Family::Inet => scalar::<Inet>(typmod, format, out),
        Family::Cidr => scalar::<Cidr>(typmod, format, out),
        Family::MacAddr => scalar::<HardwareAddress<6>>(typmod, format, out),
        Family::MacAddr8 => scalar::<HardwareAddress<8>>(typmod, format, out),
        Family::Bits if typmod > BITS_MAX => Masked::Null,
        Family::Bits => scalar::<Bits>(typmod, format, out),
        // Any length up to the modifier's fits.
        Family::VarBits => scalar::<Bits>(0, format, out),
        Family::Structured(_) | Family::Inert => Masked::Null,
    }
}

fn value(put: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) -> Masked {
    put(out);
    Masked::Value
}

fn scalar<S: Scalar>(typmod: i32, format: Format, out: &mut Vec<u8>) -> Masked {
    let surrogate = S::surrogate(typmod);
    match format {
        Format::Text => surrogate.write_text(out),
        Format::Binary => surrogate.write_binary(out),
    }
    Masked::Value
}

/// What an amount looks like in text is a matter of the server's locale, which only a cell would tell.
fn money(format: Format, out: &mut Vec<u8>) -> Masked {
    match format {
        Format::Text => Masked::Null,
        Format::Binary => scalar::<Money>(0, format, out),
    }
}

fn put_document(out: &mut Vec<u8>) {
    out.extend_from_slice(format!("\"{}\"", text::REDACTED).as_bytes());
}

/// `jsonb_send` puts a version before the document.
fn put_versioned_document(format: Format, out: &mut Vec<u8>) {
    match format {
        Format::Text => {}
        Format::Binary => out.push(1),
    }
    put_document(out);
}

#[cfg(test)]
mod tests {
    use super::super::oid;
    use super::*;

    fn surrogate(type_oid: u32, typmod: i32, format: Format) -> Option<Vec<u8>> {
        let mut out = b"before".to_vec();
        let masked = put(oid::lookup(type_oid), typmod, format, &mut out);
        let written = out.split_off(6);
        assert_eq!(out, b"before");
        assert!(masked == Masked::Value || written.is_empty(), "NULL has no bytes");
        (masked == Masked::Value).then_some(written)
    }

    #[test]
    fn texts_are_what_the_column_has_room_for() {
        let check = |type_oid, typmod, expected: Option<&str>| {
            let written = surrogate(type_oid, typmod, Format::Text);
            assert_eq!(written.as_deref(), expected.map(str::as_bytes), "{type_oid} with {typmod}");
        };
        check(25, -1, Some("[redacted]"));
        check(1043, 14, Some("[redacted]"));
        check(1043, 13, Some("*********"));
        check(1043, 5, Some("*"));
        check(1042, 16, Some("[redacted]  "));
        check(1042, 7, Some("***"));
        check(1042, -1, Some("[redacted]"));
        check(1042, i32::MAX, Some("[redacted]"));
        check(19, -1, Some("[redacted]"));
        check(18, -1, Some("*"));
        check(142, -1, Some("[redacted]"));
        check(114, -1, Some("\"[redacted]\""));
        check(3802, -1, Some("\"[redacted]\""));
        check(17, -1, Some("\\x5b72656461637465645d"));
        check(16, -1, Some("f"));
        check(21, -1, Some("0"));
        check(26, -1, Some("0"));
        check(1700, -1, Some("0"));
        check(1700, (12 << 16 | 2) + 4, Some("0.00"));
        // numeric(4, -2)
        check(1700, (4 << 16 | 0x7fe) + 4, Some("0"));
        check(700, -1, Some("0"));
        check(790, -1, None);
        check(2950, -1, Some("00000000-0000-0000-0000-000000000000"));
        check(1082, -1, Some("1970-01-01"));
        check(1083, -1, Some("00:00:00"));
        check(1266, -1, Some("00:00:00+00"));
        check(1114, -1, Some("1970-01-01 00:00:00"));
        check(1184, -1, Some("1970-01-01 00:00:00+00"));
        check(1186, -1, Some("00:00:00"));
        check(869, -1, Some("0.0.0.0"));
        check(650, -1, Some("0.0.0.0/32"));
        check(829, -1, Some("00:00:00:00:00:00"));
        check(774, -1, Some("00:00:00:00:00:00:00:00"));
        check(1560, 5, Some("00000"));
        check(1560, -1, Some("0"));
        check(1560, BITS_MAX + 1, None);
        check(1560, i32::MAX, None);
        check(1562, 5, Some(""));
        check(1562, -1, Some(""));
        check(1007, -1, Some("{}"));
        check(3905, -1, Some("{}"));
        check(600, -1, None);
        check(3904, -1, None);
        check(2249, -1, None);
        check(16_385, -1, None);
    }

    #[test]
    fn binary_values_are_what_send_functions_write() {
        let check = |type_oid, typmod, expected: &[u8]| {
            let written = surrogate(type_oid, typmod, Format::Binary);
            assert_eq!(written.as_deref(), Some(expected), "{type_oid}");
        };
        check(3802, -1, b"\x01\"[redacted]\"");
        check(17, -1, b"[redacted]");
        check(21, -1, &[0; 2]);
        check(20, -1, &[0; 8]);
        check(790, -1, &[0; 8]);
        check(1700, (12 << 16 | 2) + 4, &[0, 0, 0, 0, 0, 0, 0, 2]);
        check(1082, -1, &(-10_957_i32).to_be_bytes());
        check(869, -1, &[2, 32, 0, 4, 0, 0, 0, 0]);
        check(650, -1, &[2, 32, 1, 4, 0, 0, 0, 0]);
        check(1560, 9, &[0, 0, 0, 9, 0, 0]);
        check(1562, 9, &[0, 0, 0, 0]);
        check(1007, -1, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 23]);
    }
}
