//! Type-valid reading and masking of result cells, in text and binary format.
//!
//! Written against the manual's "Frontend/Backend Protocol" and "Data Types" chapters and the types' send and receive
//! functions. A cell is untrusted: one that is not in its type's form is an error, and the caller makes it NULL. Nothing
//! here decides what is sensitive; detectors find, roles name, and this module sees to it that what was found is gone and
//! that the client still gets a value of the column's type.
//!
//! | type | surrogate, redact | token | keep-last |
//! |---|---|---|---|
//! | text, varchar, char, name, xml | `[redacted]`, or `*` where that is too long | `tok_` and 80 bits, fewer where the bound asks | other letters and digits become `*` |
//! | integers, oid | 0 | as many digits, same sign, another number | other digits 0 |
//! | numeric | 0 in the column's scale | as many digits on both sides of the point | other digits 0 |
//! | float | 0 | same exponent, other digits | zero |
//! | money | 0 in binary; NULL in text, whose form is the server's locale's | as integers | other digits 0 |
//! | boolean | false | false: two values have no room for a token | false |
//! | uuid | zeros | keyed; version and variant stay | other digits 0; version and variant stay |
//! | date, timestamp | 1970-01-01 | a day from 1925 to 2024 | as redact |
//! | time, interval | 00:00:00 | a time of day | as redact |
//! | json, jsonb | `"[redacted]"` | leaf by leaf | leaf by leaf |
//! | bytea | the bytes of `[redacted]` | the bytes of a text token | as text where it is UTF-8, else a token |
//! | inet, cidr | 0.0.0.0/32 | 10/8 or fd00::/8 | zeros in the same prefix |
//! | macaddr | zeros | a locally administered address | as redact |
//! | bit(n) | n zeros | keyed, same length, from 16 bits on | zeros, same length |
//! | varbit | no bits | keyed, same length, from 16 bits on | zeros, same length |
//! | arrays of these | no elements | element by element | element by element |
//! | all else | NULL | NULL | NULL |
//!
//! What is treated whole under `redact` gets the surrogate, which depends on the column alone. A span that a detector found
//! is redacted within its value, which keeps its shape: keys and other leaves of a document, dimensions, scale, prefix,
//! version bits, length in bits.
//!
//! Dates and intervals in a DateStyle or IntervalStyle other than the default are redacted where a token was asked for.
//! Composites, ranges, text search types and those that are not built in are all else: detectors read what is in them, and
//! one in which something was found is NULL.

mod array;
mod bits;
mod boolean;
mod bytea;
mod cell;
mod charset;
mod datetime;
mod elements;
mod float;
mod integer;
mod interval;
mod json;
mod money;
mod network;
mod numeric;
mod oid;
mod plan;
mod scalar;
mod seal;
mod structure;
mod surrogate;
mod text;
mod token;
mod uuid;

#[cfg(test)]
mod properties;

use std::sync::Arc;

use grille_core::Treatment;

use crate::sql::TextEncoding;

use self::cell::Type;
use self::charset::Charset;
use self::oid::{Family, Known};
use self::plan::{Malformed, Names, Work};
use self::scalar::Raw;
use self::text::Shape;

pub use self::plan::{LeafFinding, Masked};
pub use self::text::mask_text;
pub use self::token::{KeyTooShort, TOKEN_KEY_BYTES_MIN, Tokenizer};

/// The form in which a result column's cells are sent (RowDescription's and Bind's format codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Code 0.
    Text,
    /// Code 1.
    Binary,
}

/// The upstream sent a cell that is not in the form its type demands, or one whose form is not known. Nothing is known of
/// what it holds: the caller makes it NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the upstream sent a value that cannot be read as type {type_oid}")]
pub struct Unreadable {
    type_oid: u32,
}

/// A cell could not be masked; the caller makes it NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmaskable {
    /// The upstream's fault.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Our own fault: a finding names a text that the cell does not have.
    #[error("a finding names a text that the cell does not have")]
    StrayFinding,
}

/// How the cells of one result column are read and masked. Made once for a result.
#[derive(Clone, Debug)]
pub struct Column {
    type_oid: u32,
    typmod: i32,
    format: Format,
    known: Known,
    /// `None` is UTF-8.
    encoding: Option<Arc<TextEncoding>>,
}

impl Column {
    /// From a column of RowDescription and the format its cells are sent in. A type that is not built in is handled as one
    /// that may hold anything.
    pub fn new(type_oid: u32, typmod: i32, format: Format) -> Self {
        Self { type_oid, typmod, format, known: oid::lookup(type_oid), encoding: None }
    }

    /// The column in a session whose `client_encoding` is not UTF-8: texts are given to the sink in UTF-8 all the same, and
    /// cells are written in that encoding.
    pub fn in_encoding(self, encoding: Arc<TextEncoding>) -> Self {
        // UTF-8 needs no conversion and is what cells are worked on in.
        Self { encoding: (!encoding.is_utf8()).then_some(encoding), ..self }
    }

    /// The column as one of values without texts, whatever its type's number says: for pgvector's types, whose numbers
    /// are not the same in every database. Detectors are shown nothing of a vector, which holds no text that can be found.
    pub fn of_vectors(self) -> Self {
        Self { known: Known::Scalar(Family::Inert), ..self }
    }

    /// The word that plugins see as `field.kind`, an array's being that of its elements; empty when not known.
    pub fn kind(&self) -> &'static str {
        self.element().kind()
    }

    /// Whether cells have texts that a detector should read. If not, they may pass as they are unless the role names the
    /// column.
    pub fn is_scanned(&self) -> bool {
        self.element().is_scanned()
    }

    /// Gives the sink each text of the cell that a detector should read, in the order in which [`LeafFinding::text`]
    /// counts them: a text; the keys, strings and numbers of a JSON document with escapes resolved; the elements of an
    /// array; numbers in decimal; the parts of a bytea that are UTF-8.
    ///
    /// # Errors
    /// When the cell is malformed. The sink may have been given some texts by then; they are void.
    pub fn texts(&self, cell: &[u8], sink: &mut impl FnMut(&str)) -> Result<(), Unreadable> {
        self.read_cell(cell, Names::Give, sink)
    }

    /// The same texts, but for the plain names of a JSON document's fields, which are given as empty: for a column that goes
    /// to a masker as a whole, and whose documents are to keep their shape.
    ///
    /// # Errors
    /// As [`Column::texts`].
    pub fn values(&self, cell: &[u8], sink: &mut impl FnMut(&str)) -> Result<(), Unreadable> {
        self.read_cell(cell, Names::Blank, sink)
    }

    /// Appends the cell to `out` with what was found in it treated and the rest as it was. Where treating a span alone
    /// would break the type (a number, a text that would outgrow its bound), the value it stands in is treated whole by
    /// the strictest of its findings; where that is impossible too, the cell is NULL. [`Treatment::Null`] on an element or
    /// a JSON leaf makes that one null; a JSON key cannot be null and is redacted.
    ///
    /// # Errors
    /// When the cell is malformed or a finding names a text it does not have. Nothing has been appended then.
    pub fn replace(
        &self,
        cell: &[u8],
        findings: &[LeafFinding<'_>],
        tokens: &Tokenizer,
        out: &mut Vec<u8>,
    ) -> Result<Masked, Unmaskable> {
        let mut sorted = findings.to_vec();
        sorted.sort_by_key(|finding| (finding.text, finding.start));
        self.rewrite(cell, Work::found(&sorted, tokens), out)
    }

    /// Appends the column's surrogate: a constant of its type, for values of which nothing may show. It depends on type,
    /// modifier and format alone, so it may stand for a NULL as well; where the type has none, every row is NULL. Of a
    /// domain, the caller gives the base type's OID.
    pub fn surrogate(&self, out: &mut Vec<u8>) -> Masked {
        surrogate::put(self.known, self.typmod, self.format, out)
    }

    /// Appends the cell to `out` with all of it treated: every element of an array, every string, number and boolean of a
    /// JSON document. Keys of a JSON document that are plain names stay, others are treated. [`Treatment::Redact`] gives
    /// the [surrogate](Column::surrogate) whatever the cell is, and so does [`Treatment::Plugin`]: a plugin's answers are
    /// for [`Column::replace`].
    ///
    /// # Errors
    /// When the cell is malformed. Nothing has been appended then.
    pub fn treat_whole(
        &self,
        cell: &[u8],
        treatment: &Treatment,
        tokens: &Tokenizer,
        out: &mut Vec<u8>,
    ) -> Result<Masked, Unmaskable> {
        match treatment {
            Treatment::Null => Ok(Masked::Null),
            Treatment::Keep => {
                out.extend_from_slice(cell);
                Ok(Masked::Value)
            }
            Treatment::Redact | Treatment::Plugin(_) => Ok(self.surrogate(out)),
            Treatment::KeepLast(_) | Treatment::Token => {
                self.rewrite(cell, Work::whole(treatment, tokens), out)
            }
        }
    }

    /// Appends the cell to `out` with its text replaced by a round-trip token, which [`Tokenizer::open`] turns back under the
    /// same `scope`. What is no text, and a text whose token would outgrow its column, gets the one-way token of
    /// [`Treatment::Token`]. Equal values have equal tokens in a scope.
    ///
    /// # Errors
    /// When the cell is malformed. Nothing has been appended then.
    pub fn seal(
        &self,
        cell: &[u8],
        scope: &str,
        tokens: &Tokenizer,
        out: &mut Vec<u8>,
    ) -> Result<Masked, Unmaskable> {
        match self.known {
            Known::Scalar(family @ (Family::Text | Family::BlankPadded | Family::Name)) => {
                let shape = Shape::of(family, self.typmod);
                // Texts are the same in both formats.
                let sealed = self
                    .charset()
                    .rewrite(cell, out, |text, out| Ok(text::seal(text, shape, scope, tokens, out)));
                sealed.map_err(|Malformed| self.unreadable().into())
            }
            Known::Scalar(_) | Known::Array { .. } => self.treat_whole(cell, &Treatment::Token, tokens, out),
        }
    }

    fn rewrite(&self, cell: &[u8], mut work: Work<'_>, out: &mut Vec<u8>) -> Result<Masked, Unmaskable> {
        let start = out.len();
        let masked = match self.rewrite_cell(cell, &mut work, out) {
            Ok(masked) if work.is_done() => Ok(masked),
            Ok(_) => Err(Unmaskable::StrayFinding),
            Err(Malformed) => Err(self.unreadable().into()),
        };
        if masked != Ok(Masked::Value) {
            out.truncate(start);
        }
        masked
    }

    fn rewrite_cell(&self, cell: &[u8], work: &mut Work<'_>, out: &mut Vec<u8>) -> Result<Masked, Malformed> {
        match self.format {
            Format::Text => {
                self.charset().rewrite(cell, out, |text, out| self.rewrite_value(Raw::Text(text), work, out))
            }
            Format::Binary => self.rewrite_value(Raw::Binary(cell), work, out),
        }
    }

    fn read_cell(&self, cell: &[u8], names: Names, sink: &mut dyn FnMut(&str)) -> Result<(), Unreadable> {
        let read = match self.format {
            Format::Text => {
                self.charset().decode(cell).and_then(|text| self.read(Raw::Text(&text), names, sink))
            }
            Format::Binary => self.read(Raw::Binary(cell), names, sink),
        };
        read.map_err(|Malformed| self.unreadable())
    }

    fn read(&self, raw: Raw<'_>, names: Names, sink: &mut dyn FnMut(&str)) -> Result<(), Malformed> {
        match self.known {
            Known::Scalar(family) => cell::texts(self.value_type(family), raw, names, sink),
            Known::Array { element, element_oid } => {
                array::texts(self.value_type(element), element_oid, raw, names, sink)
            }
        }
    }

    fn rewrite_value(
        &self,
        raw: Raw<'_>,
        work: &mut Work<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Masked, Malformed> {
        match self.known {
            Known::Scalar(family) => cell::rewrite(self.value_type(family), raw, work, out),
            Known::Array { element, element_oid } => {
                array::rewrite(self.value_type(element), element_oid, raw, work, out)
            }
        }
    }

    fn charset(&self) -> Charset<'_> {
        self.encoding.as_deref().map_or(Charset::Utf8, Charset::Other)
    }

    fn value_type(&self, family: Family) -> Type<'_> {
        Type { family, typmod: self.typmod, charset: self.charset() }
    }

    fn unreadable(&self) -> Unreadable {
        Unreadable { type_oid: self.type_oid }
    }

    fn element(&self) -> Family {
        match self.known {
            Known::Scalar(family) => family,
            Known::Array { element, .. } => element,
        }
    }
}
