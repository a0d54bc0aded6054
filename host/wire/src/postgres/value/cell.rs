//! One value that is not an array: which module reads and rewrites it.

use std::borrow::Cow;

use super::bits::Bits;
use super::boolean::Boolean;
use super::charset::Charset;
use super::datetime::{Date, Time, TimeTz, Timestamp, TimestampTz};
use super::float::Float;
use super::integer::{Integer, Oid};
use super::interval::Interval;
use super::money::Money;
use super::network::{Cidr, HardwareAddress, Inet};
use super::numeric::Numeric;
use super::oid::Family;
use super::plan::{Malformed, Masked, Names, Order, Work};
use super::scalar::{self, Raw, Scalar};
use super::text::{self, Shape};
use super::token::Tokenizer;
use super::uuid::Uuid;
use super::{bytea, json, structure};

/// The modifier of a value inside another one, which has none.
const NO_MODIFIER: i32 = -1;

/// A type with its modifier.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type<'a> {
    pub(super) family: Family,
    pub(super) typmod: i32,
    /// What texts are in where they stand in a binary value; a value in text format has been decoded as a whole.
    pub(super) charset: Charset<'a>,
}

impl Type<'_> {
    fn decode<'t>(&'t self, raw: Raw<'t>) -> Result<Cow<'t, str>, Malformed> {
        match raw {
            Raw::Text(text) => Ok(Cow::Borrowed(text)),
            Raw::Binary(bytes) => self.charset.decode(bytes),
        }
    }

    fn rewrite_text(
        &self,
        raw: Raw<'_>,
        out: &mut Vec<u8>,
        rewrite: impl FnOnce(&str, &mut Vec<u8>) -> Result<Masked, Malformed>,
    ) -> Result<Masked, Malformed> {
        match raw {
            Raw::Text(text) => rewrite(text, out),
            Raw::Binary(bytes) => self.charset.rewrite(bytes, out, rewrite),
        }
    }
}

/// Gives the sink the texts of a value.
pub(super) fn texts(
    ty: Type<'_>,
    raw: Raw<'_>,
    names: Names,
    sink: &mut dyn FnMut(&str),
) -> Result<(), Malformed> {
    match ty.family {
        Family::Text | Family::Name | Family::Xml => sink(&ty.decode(raw)?),
        Family::BlankPadded => sink(text::unpadded(&ty.decode(raw)?)),
        Family::Json => json::texts(&ty.decode(raw)?, names, sink)?,
        Family::Jsonb => json::texts(&ty.decode(jsonb_document(raw)?)?, names, sink)?,
        Family::Bytea => bytea::texts(raw, sink)?,
        Family::Int2 => number_text::<Integer<2>>(raw, sink)?,
        Family::Int4 => number_text::<Integer<4>>(raw, sink)?,
        Family::Int8 => number_text::<Integer<8>>(raw, sink)?,
        Family::Numeric => number_text::<Numeric>(raw, sink)?,
        Family::Structured(structure) => structure::walk(structure, raw, ty.charset, &mut |family, leaf| {
            texts(Type { family, typmod: NO_MODIFIER, ..ty }, leaf, names, sink)
        })?,
        Family::SingleByte
        | Family::Oid
        | Family::Float4
        | Family::Float8
        | Family::Money
        | Family::Boolean
        | Family::Uuid
        | Family::Date
        | Family::Time
        | Family::TimeTz
        | Family::Timestamp
        | Family::TimestampTz
        | Family::Interval
        | Family::Inet
        | Family::Cidr
        | Family::MacAddr
        | Family::MacAddr8
        | Family::Bits
        | Family::VarBits
        | Family::Inert => {}
    }
    Ok(())
}

/// Appends a value, rewritten as ordered.
pub(super) fn rewrite(
    ty: Type<'_>,
    raw: Raw<'_>,
    work: &mut Work<'_>,
    out: &mut Vec<u8>,
) -> Result<Masked, Malformed> {
    match ty.family {
        Family::Text | Family::BlankPadded | Family::Name | Family::Xml => {
            let (order, shape) = (work.next_text(), Shape::of(ty.family, ty.typmod));
            let tokens = work.tokens;
            ty.rewrite_text(raw, out, |text, out| Ok(text::rewrite(text, shape, order, tokens, out)))
        }
        Family::SingleByte => single_byte(raw, work, out),
        Family::Json => ty.rewrite_text(raw, out, |document, out| json::rewrite(document, work, out)),
        Family::Jsonb => {
            let document = jsonb_document(raw)?;
            out.extend_from_slice(jsonb_version(raw));
            ty.rewrite_text(document, out, |document, out| json::rewrite(document, work, out))
        }
        Family::Bytea => bytea::rewrite(raw, work, out),
        Family::Int2 => number::<Integer<2>>(ty, raw, work, out),
        Family::Int4 => number::<Integer<4>>(ty, raw, work, out),
        Family::Int8 => number::<Integer<8>>(ty, raw, work, out),
        Family::Numeric => number::<Numeric>(ty, raw, work, out),
        Family::Oid => unseen::<Oid>(ty, raw, work, out),
        Family::Float4 => unseen::<Float<4>>(ty, raw, work, out),
        Family::Float8 => unseen::<Float<8>>(ty, raw, work, out),
        Family::Money => unseen::<Money>(ty, raw, work, out),
        Family::Boolean => unseen::<Boolean>(ty, raw, work, out),
        Family::Uuid => unseen::<Uuid>(ty, raw, work, out),
        Family::Date => unseen::<Date>(ty, raw, work, out),
        Family::Time => unseen::<Time>(ty, raw, work, out),
        Family::TimeTz => unseen::<TimeTz>(ty, raw, work, out),
        Family::Timestamp => unseen::<Timestamp>(ty, raw, work, out),
        Family::TimestampTz => unseen::<TimestampTz>(ty, raw, work, out),
        Family::Interval => unseen::<Interval>(ty, raw, work, out),
        Family::Inet => unseen::<Inet>(ty, raw, work, out),
        Family::Cidr => unseen::<Cidr>(ty, raw, work, out),
        Family::MacAddr => unseen::<HardwareAddress<6>>(ty, raw, work, out),
        Family::MacAddr8 => unseen::<HardwareAddress<8>>(ty, raw, work, out),
        Family::Bits | Family::VarBits => unseen::<Bits>(ty, raw, work, out),
        Family::Structured(_) => structured(ty, raw, work, out),
        Family::Inert => Ok(withhold(raw, work.unseen(), out)),
    }
}

/// A number, which detectors see.
fn number<S: Scalar>(
    ty: Type<'_>,
    raw: Raw<'_>,
    work: &mut Work<'_>,
    out: &mut Vec<u8>,
) -> Result<Masked, Malformed> {
    let order = work.next_text();
    treat::<S>(ty, raw, order, work.tokens, out)
}

/// A value that detectors do not see.
fn unseen<S: Scalar>(
    ty: Type<'_>,
    raw: Raw<'_>,
    work: &Work<'_>,
    out: &mut Vec<u8>,
) -> Result<Masked, Malformed> {
    treat::<S>(ty, raw, work.unseen(), work.tokens, out)
}

fn treat<S: Scalar>(
    ty: Type<'_>,
    raw: Raw<'_>,
    order: Order<'_>,
    tokens: &Tokenizer,
    out: &mut Vec<u8>,
) -> Result<Masked, Malformed> {
    match order.whole() {
        Some(remedy) => scalar::rewrite::<S>(raw, ty.typmod, remedy, tokens, out),
        None => {
            out.extend_from_slice(raw.as_bytes());
            Ok(Masked::Value)
        }
    }
}

fn number_text<S: Scalar>(raw: Raw<'_>, sink: &mut dyn FnMut(&str)) -> Result<(), Malformed> {
    let value = S::read(raw).ok_or(Malformed)?;
    match raw {
        Raw::Text(text) => sink(text),
        Raw::Binary(_) => {
            let mut digits = Vec::new();
            value.write_text(&mut digits);
            sink(std::str::from_utf8(&digits).map_err(|_| Malformed)?);
        }
    }
    Ok(())
}

/// `"char"`: in text format a byte above 127 is sent as `\ooo`, in binary as it is.
fn single_byte(raw: Raw<'_>, work: &Work<'_>, out: &mut Vec<u8>) -> Result<Masked, Malformed> {
    let Some(remedy) = work.unseen().whole() else {
        out.extend_from_slice(raw.as_bytes());
        return Ok(Masked::Value);
    };
    // The formats agree on ASCII; zero is no text in one and a byte in the other, and counts as none.
    let text = match raw.as_bytes() {
        [byte @ 1..=127] => char::from(*byte).to_string(),
        _ => String::new(),
    };
    Ok(text::rewrite(&text, Shape::Bytes(1), Order::Treat(remedy), work.tokens, out))
}

/// A value with values inside: it stays, or becomes NULL when something is done to any of them.
fn structured(
    ty: Type<'_>,
    raw: Raw<'_>,
    work: &mut Work<'_>,
    out: &mut Vec<u8>,
) -> Result<Masked, Malformed> {
    let mut masked = withhold(raw, work.unseen(), out);
    if masked == Masked::Value {
        texts(ty, raw, Names::Give, &mut |_| {
            // Every text takes its order, also once the value is NULL: what follows in an array must still find its own.
            if work.next_text().whole().is_some() {
                masked = Masked::Null;
            }
        })?;
    }
    Ok(masked)
}

fn withhold(raw: Raw<'_>, order: Order<'_>, out: &mut Vec<u8>) -> Masked {
    if order.whole().is_some() {
        return Masked::Null;
    }
    out.extend_from_slice(raw.as_bytes());
    Masked::Value
}

/// `jsonb` in binary is a version byte, 1, and the document (`jsonb_send`).
fn jsonb_document(raw: Raw<'_>) -> Result<Raw<'_>, Malformed> {
    match raw {
        Raw::Text(_) => Ok(raw),
        Raw::Binary([1, document @ ..]) => Ok(Raw::Binary(document)),
        Raw::Binary(_) => Err(Malformed),
    }
}

fn jsonb_version(raw: Raw<'_>) -> &'static [u8] {
    match raw {
        Raw::Text(_) => &[],
        Raw::Binary(_) => &[1],
    }
}
