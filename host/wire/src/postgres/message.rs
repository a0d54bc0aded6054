//! The messages that are looked into, decoded by reference, and those that Grille makes itself.
//!
//! Layouts: PostgreSQL manual, "Message Formats". What is not listed here is never decoded.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use grille_core::ClientMessage;

use super::frame::{Body, put};
use super::{Format, Violation};

/// Tags of messages from the client.
pub(crate) mod frontend {
    pub(crate) const BIND: u8 = b'B';
    pub(crate) const CLOSE: u8 = b'C';
    pub(crate) const COPY_DATA: u8 = b'd';
    pub(crate) const COPY_DONE: u8 = b'c';
    pub(crate) const COPY_FAIL: u8 = b'f';
    pub(crate) const DESCRIBE: u8 = b'D';
    pub(crate) const EXECUTE: u8 = b'E';
    pub(crate) const FLUSH: u8 = b'H';
    pub(crate) const FUNCTION_CALL: u8 = b'F';
    pub(crate) const PARSE: u8 = b'P';
    pub(crate) const QUERY: u8 = b'Q';
    pub(crate) const SYNC: u8 = b'S';
    pub(crate) const TERMINATE: u8 = b'X';
}

/// Tags of messages from the server.
pub(crate) mod backend {
    pub(crate) const BIND_COMPLETE: u8 = b'2';
    pub(crate) const CLOSE_COMPLETE: u8 = b'3';
    pub(crate) const COMMAND_COMPLETE: u8 = b'C';
    pub(crate) const COPY_DATA: u8 = b'd';
    pub(crate) const COPY_DONE: u8 = b'c';
    pub(crate) const COPY_IN_RESPONSE: u8 = b'G';
    pub(crate) const COPY_OUT_RESPONSE: u8 = b'H';
    pub(crate) const DATA_ROW: u8 = b'D';
    pub(crate) const EMPTY_QUERY_RESPONSE: u8 = b'I';
    pub(crate) const ERROR_RESPONSE: u8 = b'E';
    pub(crate) const FUNCTION_CALL_RESPONSE: u8 = b'V';
    pub(crate) const NO_DATA: u8 = b'n';
    pub(crate) const NOTICE_RESPONSE: u8 = b'N';
    pub(crate) const NOTIFICATION_RESPONSE: u8 = b'A';
    pub(crate) const PARAMETER_DESCRIPTION: u8 = b't';
    pub(crate) const PARAMETER_STATUS: u8 = b'S';
    pub(crate) const PARSE_COMPLETE: u8 = b'1';
    pub(crate) const PORTAL_SUSPENDED: u8 = b's';
    pub(crate) const READY_FOR_QUERY: u8 = b'Z';
    pub(crate) const ROW_DESCRIPTION: u8 = b'T';
}

/// Most columns of a result: `MaxTupleAttributeNumber` (src/include/access/htup_details.h) is 1664.
pub const COLUMNS_MAX: usize = 1664;

/// A prepared statement or a portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Statement,
    Portal,
}

impl Named {
    fn from_byte(byte: u8, tag: u8) -> Result<Self, Violation> {
        match byte {
            b'S' => Ok(Self::Statement),
            b'P' => Ok(Self::Portal),
            _ => Err(Violation::Malformed { tag }),
        }
    }
}

/// Parse: a name and a statement. Parameter types are left to the server.
pub(crate) struct Parse<'m> {
    pub(crate) name: &'m [u8],
    pub(crate) sql: &'m [u8],
}

impl<'m> Parse<'m> {
    pub(crate) fn decode(message: &'m [u8]) -> Result<Self, Violation> {
        let mut body = Body::of(message);
        let parse = Self { name: body.string()?, sql: body.string()? };
        let types = body.count()?;
        body.bytes(4 * types)?;
        body.end()?;
        Ok(parse)
    }
}

/// Bind: which portal from which statement. Parameters and formats are the server's business.
pub(crate) struct Bind<'m> {
    pub(crate) portal: &'m [u8],
    pub(crate) statement: &'m [u8],
}

impl<'m> Bind<'m> {
    pub(crate) fn decode(message: &'m [u8]) -> Result<Self, Violation> {
        let mut body = Body::of(message);
        let (portal, statement) = (body.string()?, body.string()?);
        let formats = body.count()?;
        body.bytes(2 * formats)?;
        for _ in 0..body.count()? {
            body.value()?;
        }
        let result_formats = body.count()?;
        body.bytes(2 * result_formats)?;
        body.end()?;
        Ok(Self { portal, statement })
    }
}

impl Format {
    pub(crate) fn decode(body: &mut Body<'_>) -> Result<Self, Violation> {
        let tag = body.tag();
        match body.i16()? {
            0 => Ok(Self::Text),
            1 => Ok(Self::Binary),
            _ => Err(Violation::Malformed { tag }),
        }
    }
}

/// Describe or Close: what kind of thing, and its name.
pub(crate) fn decode_named(message: &[u8]) -> Result<(Named, &[u8]), Violation> {
    let mut body = Body::of(message);
    let kind = Named::from_byte(body.u8()?, message[0])?;
    let name = body.string()?;
    body.end()?;
    Ok((kind, name))
}

/// Execute: the portal's name. The row limit is the server's business.
pub(crate) fn decode_execute(message: &[u8]) -> Result<&[u8], Violation> {
    let mut body = Body::of(message);
    let portal = body.string()?;
    body.i32()?;
    body.end()?;
    Ok(portal)
}

/// FunctionCall: the function's number. Arguments and formats are the server's business.
pub(crate) fn decode_function_call(message: &[u8]) -> Result<u32, Violation> {
    let mut body = Body::of(message);
    let function = body.u32()?;
    let formats = body.count()?;
    body.bytes(2 * formats)?;
    for _ in 0..body.count()? {
        body.value()?;
    }
    body.i16()?;
    body.end()?;
    Ok(function)
}

/// Query: the text of one or more statements.
pub(crate) fn decode_query(message: &[u8]) -> Result<&[u8], Violation> {
    let mut body = Body::of(message);
    let sql = body.string()?;
    body.end()?;
    Ok(sql)
}

/// One column of a RowDescription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The label, in the session's encoding.
    pub name: Box<[u8]>,
    /// OID of the table the column comes from; 0 when it is computed.
    pub table_oid: u32,
    /// Number of the column in that table; 0 when it is computed.
    pub attribute: i16,
    /// OID of the type.
    pub type_oid: u32,
    /// Type modifier, -1 for none.
    pub typmod: i32,
    /// How the cells are written.
    pub format: Format,
}

/// Decodes a RowDescription.
///
/// # Errors
/// When it is malformed or has more than [`COLUMNS_MAX`] columns.
pub(crate) fn decode_row_description(message: &[u8]) -> Result<Arc<[Field]>, Violation> {
    let mut body = Body::of(message);
    let count = body.count()?;
    if count > COLUMNS_MAX {
        return Err(Violation::Malformed { tag: message[0] });
    }
    let fields = (0..count).map(|_| decode_field(&mut body)).collect::<Result<_, _>>()?;
    body.end()?;
    Ok(fields)
}

fn decode_field(body: &mut Body<'_>) -> Result<Field, Violation> {
    let name = body.string()?.into();
    let table_oid = body.u32()?;
    let attribute = body.i16()?;
    let type_oid = body.u32()?;
    body.i16()?;
    let typmod = body.i32()?;
    let format = Format::decode(body)?;
    Ok(Field { name, table_oid, attribute, type_oid, typmod, format })
}

/// CopyInResponse or CopyOutResponse: how the data is written as a whole, and how many columns it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CopyResponse {
    pub(crate) format: Format,
    pub(crate) columns: usize,
}

impl CopyResponse {
    pub(crate) fn decode(message: &[u8]) -> Result<Self, Violation> {
        let mut body = Body::of(message);
        let malformed = Violation::Malformed { tag: message[0] };
        let format = match body.u8()? {
            0 => Format::Text,
            1 => Format::Binary,
            _ => return Err(malformed),
        };
        let columns = body.count()?;
        for _ in 0..columns {
            // The format of each column: that of the whole, so far.
            if Format::decode(&mut body)? != format {
                return Err(malformed);
            }
        }
        body.end()?;
        if columns > COLUMNS_MAX { Err(malformed) } else { Ok(Self { format, columns }) }
    }
}

/// How many rows a CommandComplete speaks of; none for a command that has no such count.
pub(crate) fn rows_of_tag(message: &[u8]) -> Option<u64> {
    let tag = Body::of(message).string().ok()?;
    std::str::from_utf8(tag).ok()?.rsplit(' ').next()?.parse().ok()
}

/// Calls `each` with the cells of one DataRow, in order.
///
/// # Errors
/// When the message is malformed, or has not exactly `columns` cells.
pub fn walk_row<'m>(
    message: &'m [u8],
    columns: usize,
    mut each: impl FnMut(usize, Option<&'m [u8]>),
) -> Result<(), Violation> {
    let mut body = Body::of(message);
    if body.count()? != columns {
        return Err(Violation::Malformed { tag: message[0] });
    }
    for column in 0..columns {
        each(column, body.value()?);
    }
    body.end()
}

/// Splits a run of whole messages into messages.
pub fn messages(mut run: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let header = super::frame::header(run).ok().flatten()?;
        let (message, rest) = run.split_at_checked(header.total)?;
        run = rest;
        Some(message)
    })
}

/// Writes a DataRow whose cells `cells` appends one by one through the writer.
pub fn put_row(out: &mut BytesMut, columns: usize, cells: impl FnOnce(&mut RowWriter<'_>)) {
    put(out, backend::DATA_ROW, |out| {
        out.put_i16(i16::try_from(columns).expect("COLUMNS_MAX fits"));
        cells(&mut RowWriter { out });
    });
}

/// Appends the cells of one DataRow.
#[derive(Debug)]
pub struct RowWriter<'o> {
    out: &'o mut BytesMut,
}

impl RowWriter<'_> {
    /// Appends a cell; `None` is NULL.
    pub fn cell(&mut self, value: Option<&[u8]>) {
        match value {
            None => self.out.put_i32(-1),
            Some(value) => {
                self.out.put_i32(i32::try_from(value.len()).expect("a cell is shorter than its message"));
                self.out.extend_from_slice(value);
            }
        }
    }
}

/// The fields of an ErrorResponse or NoticeResponse: a code byte and a text each (manual, "Error and Notice Message
/// Fields").
pub fn report_fields(message: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut body = Body::of(message);
    std::iter::from_fn(move || match body.u8() {
        Ok(0) | Err(_) => None,
        Ok(code) => body.string().ok().map(|text| (code, text)),
    })
}

/// Writes an ErrorResponse or NoticeResponse with the tag of `original` from its fields.
pub fn put_report<'f>(out: &mut BytesMut, original: &[u8], fields: impl Iterator<Item = (u8, &'f [u8])>) {
    put(out, original[0], |out| {
        for (code, text) in fields {
            out.put_u8(code);
            out.extend_from_slice(text);
            out.put_u8(0);
        }
        out.put_u8(0);
    });
}

/// How bad an error of Grille's is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The statement failed, the session lives on.
    Error,
    /// The session is over.
    Fatal,
}

/// Writes what the client is told as an ErrorResponse.
pub fn put_error(out: &mut BytesMut, severity: Severity, message: &ClientMessage) {
    let severity = match severity {
        Severity::Error => "ERROR",
        Severity::Fatal => "FATAL",
    };
    let correlation = message.correlation.map(|id| format!("Grille correlation id {id}."));
    let details: Vec<&str> =
        [&message.detail, &correlation].into_iter().flatten().map(String::as_str).collect();
    put(out, backend::ERROR_RESPONSE, |out| {
        put_text(out, b'S', severity);
        put_text(out, b'V', severity);
        put_text(out, b'C', message.state.code());
        put_text(out, b'M', &message.message);
        if !details.is_empty() {
            put_text(out, b'D', &details.join("\n"));
        }
        if let Some(hint) = &message.hint {
            put_text(out, b'H', hint);
        }
        if let Some(position) = message.position {
            put_text(out, b'P', &position.to_string());
        }
        out.put_u8(0);
    });
}

/// A text field; a zero byte inside would end the field early, so it is left out.
fn put_text(out: &mut BytesMut, code: u8, text: &str) {
    out.put_u8(code);
    out.extend(text.bytes().filter(|byte| *byte != 0));
    out.put_u8(0);
}

/// A NotificationResponse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notification<'m> {
    /// The notifying session, as the upstream numbers it.
    pub process: u32,
    /// The channel.
    pub channel: &'m [u8],
    /// What was said.
    pub payload: &'m [u8],
}

/// Decodes a whole message if it is a NotificationResponse.
pub fn notification(message: &[u8]) -> Option<Notification<'_>> {
    if message.first() != Some(&backend::NOTIFICATION_RESPONSE) {
        return None;
    }
    let mut body = Body::of(message);
    let process = body.u32().ok()?;
    let (channel, payload) = (body.string().ok()?, body.string().ok()?);
    Some(Notification { process, channel, payload })
}

/// Writes a NotificationResponse with another payload.
pub fn put_notification(out: &mut BytesMut, notification: &Notification<'_>, payload: &[u8]) {
    put(out, backend::NOTIFICATION_RESPONSE, |out| {
        out.put_u32(notification.process);
        put_string(out, notification.channel);
        put_string(out, payload);
    });
}

/// Writes a CopyFail that says why.
pub(crate) fn put_copy_fail(out: &mut BytesMut, why: &str) {
    put(out, frontend::COPY_FAIL, |out| put_string(out, why.as_bytes()));
}

/// Writes a Terminate.
pub(crate) fn put_terminate(out: &mut BytesMut) {
    put(out, frontend::TERMINATE, |_| {});
}

/// Writes a Query.
pub fn put_query(out: &mut BytesMut, sql: &str) {
    put(out, frontend::QUERY, |out| put_string(out, sql.as_bytes()));
}

/// Writes a Parse without parameter types.
pub(crate) fn put_parse(out: &mut BytesMut, name: &str, sql: &str) {
    put(out, frontend::PARSE, |out| {
        put_string(out, name.as_bytes());
        put_string(out, sql.as_bytes());
        out.put_i16(0);
    });
}

/// Writes a Describe for a portal.
pub(crate) fn put_describe_portal(out: &mut BytesMut, portal: &[u8]) {
    put(out, frontend::DESCRIBE, |out| {
        out.put_u8(b'P');
        put_string(out, portal);
    });
}

/// Writes a Flush.
pub(crate) fn put_flush(out: &mut BytesMut) {
    put(out, frontend::FLUSH, |_| {});
}

fn put_string(out: &mut BytesMut, text: &[u8]) {
    out.extend_from_slice(text);
    out.put_u8(0);
}

/// What others write we read, and what we write others read: `pgwire` is an implementation of the same manual by others.
#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

    use grille_core::{CorrelationId, ExchangeId, SessionId, SqlState};
    use pgwire::messages::data::{FieldDescription, RowDescription};
    use pgwire::messages::extendedquery as theirs;
    use pgwire::messages::simplequery::Query;
    use pgwire::messages::{DecodeContext, Message, PgWireBackendMessage, ProtocolVersion};
    use proptest::prelude::*;

    use super::*;

    fn written(message: &impl Message) -> BytesMut {
        let mut out = BytesMut::new();
        message.encode(&mut out).unwrap();
        out
    }

    fn read_by_others(mut bytes: BytesMut) -> PgWireBackendMessage {
        let mut context = DecodeContext::new(ProtocolVersion::PROTOCOL3_0);
        context.awaiting_frontend_ssl = false;
        context.awaiting_frontend_startup = false;
        let message = PgWireBackendMessage::decode(&mut bytes, &context).unwrap().unwrap();
        assert!(bytes.is_empty());
        message
    }

    #[test]
    fn an_error_reads_as_it_was_meant() {
        let correlation = CorrelationId::new(SessionId::from_random([0xab; 16]), ExchangeId(7));
        let message = ClientMessage::new(SqlState::InsufficientPrivilege, "no\0t allowed")
            .detail("never")
            .hint("ask")
            .at(Some(3))
            .correlated(correlation);
        let mut out = BytesMut::new();
        put_error(&mut out, Severity::Error, &message);
        let PgWireBackendMessage::ErrorResponse(error) = read_by_others(out) else { panic!("no error") };
        let expected = [
            (b'S', "ERROR"),
            (b'V', "ERROR"),
            (b'C', "42501"),
            (b'M', "not allowed"),
            (b'D', "never\nGrille correlation id abababab-7."),
            (b'H', "ask"),
            (b'P', "3"),
        ];
        assert_eq!(error.fields, expected.map(|(code, text)| (code, text.to_owned())));
    }

    proptest! {
        #[test]
        fn statements_are_read_as_others_write_them(
            name in "[a-z]{0,8}", portal in "[a-z]{0,8}", sql in "[^\\x00]{0,40}",
            values in proptest::collection::vec(proptest::option::of(proptest::collection::vec(any::<u8>(), 0..9)), 0..4),
            formats in proptest::collection::vec(0_i16..2, 0..4),
        ) {
            let bytes = written(&theirs::Parse::new(Some(name.clone()), sql.clone(), vec![23, 25]));
            let parse = Parse::decode(&bytes).unwrap();
            prop_assert_eq!((parse.name, parse.sql), (name.as_bytes(), sql.as_bytes()));

            let values = values.into_iter().map(|value| value.map(Into::into)).collect();
            let bytes = written(&theirs::Bind::new(
                Some(portal.clone()), Some(name.clone()), formats.clone(), values, formats,
            ));
            let bind = Bind::decode(&bytes).unwrap();
            prop_assert_eq!((bind.portal, bind.statement), (portal.as_bytes(), name.as_bytes()));

            let bytes = written(&theirs::Execute::new(Some(portal.clone()), 7));
            prop_assert_eq!(decode_execute(&bytes).unwrap(), portal.as_bytes());
            let bytes = written(&theirs::Describe::new(b'P', Some(portal.clone())));
            prop_assert_eq!(decode_named(&bytes).unwrap(), (Named::Portal, portal.as_bytes()));
            let bytes = written(&theirs::Close::new(b'S', Some(name.clone())));
            prop_assert_eq!(decode_named(&bytes).unwrap(), (Named::Statement, name.as_bytes()));
            let bytes = written(&Query::new(sql.clone()));
            prop_assert_eq!(decode_query(&bytes).unwrap(), sql.as_bytes());
        }

        #[test]
        fn a_row_description_is_read_as_others_write_it(
            columns in proptest::collection::vec(("[a-zé]{0,12}", any::<i16>(), any::<u32>(), any::<i32>()), 0..6)
        ) {
            let describe = |(name, column, oid, typmod): &(String, i16, u32, i32)| {
                FieldDescription::new(name.clone(), 16_400, *column, *oid, -1, *typmod, 1)
            };
            let bytes = written(&RowDescription::new(columns.iter().map(describe).collect()));
            let fields = decode_row_description(&bytes).unwrap();
            prop_assert_eq!(fields.len(), columns.len());
            for (field, (name, attribute, type_oid, typmod)) in fields.iter().zip(columns) {
                let expected = Field {
                    name: name.as_bytes().into(), table_oid: 16_400, attribute, type_oid, typmod, format: Format::Binary,
                };
                prop_assert_eq!(field, &expected);
            }
        }

        #[test]
        fn a_row_reads_back_as_it_was_written(
            cells in proptest::collection::vec(proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)), 0..6)
        ) {
            let mut out = BytesMut::new();
            put_row(&mut out, cells.len(), |writer| cells.iter().for_each(|cell| writer.cell(cell.as_deref())));
            let mut read = vec![];
            walk_row(&out, cells.len(), |_, cell| read.push(cell.map(<[u8]>::to_vec))).unwrap();
            prop_assert_eq!(&read, &cells);
            let PgWireBackendMessage::DataRow(row) = read_by_others(out) else { panic!("no row") };
            prop_assert_eq!(row.field_count as usize, cells.len());
        }
    }
}
