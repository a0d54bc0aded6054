//! Messages that a client sends, made from data: what an attempt needs, well-formed or not (manual, "Message Formats").
//! Nothing is read here.

use grille_wire::postgres::Format;

use crate::canary::Known;

/// A message from the client, as the catalogue writes it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Frontend {
    /// Query: one or more statements.
    Query(&'static str),
    /// Parse without parameter types.
    Parse {
        /// The prepared statement.
        name: &'static str,
        /// Its text.
        sql: &'static str,
    },
    /// Bind with parameters in text.
    Bind {
        /// The portal.
        portal: &'static str,
        /// The prepared statement.
        statement: &'static str,
        /// Values of the parameters.
        parameters: &'static [&'static str],
        /// How results are to be written.
        format: Format,
    },
    /// Describe of a prepared statement.
    DescribeStatement(&'static str),
    /// Describe of a portal.
    DescribePortal(&'static str),
    /// Execute of at most so many rows; 0 for all.
    Execute {
        /// The portal.
        portal: &'static str,
        /// The limit.
        rows_max: u32,
    },
    /// Close of a prepared statement.
    CloseStatement(&'static str),
    /// Close of a portal.
    ClosePortal(&'static str),
    /// Sync.
    Sync,
    /// Flush.
    Flush,
    /// FunctionCall with arguments and result in text.
    FunctionCall {
        /// `pg_proc.oid`.
        function: u32,
        /// The arguments.
        arguments: &'static [&'static str],
    },
    /// Bytes as they are, whole messages or not.
    Bytes(&'static [u8]),
}

impl Frontend {
    /// Appends the message, what is known filled in.
    pub(crate) fn encode(&self, known: &Known, out: &mut Vec<u8>) {
        match *self {
            Self::Query(sql) => query(out, &known.fill(sql)),
            Self::Parse { name, sql } => parse(out, name, &known.fill(sql)),
            Self::Bind { portal, statement, parameters, format } => {
                let parameters: Vec<String> = parameters.iter().map(|one| known.fill(one)).collect();
                bind(out, portal, statement, &parameters, format);
            }
            Self::DescribeStatement(name) => named(out, b'D', b'S', name),
            Self::DescribePortal(name) => named(out, b'D', b'P', name),
            Self::Execute { portal, rows_max } => execute(out, portal, rows_max),
            Self::CloseStatement(name) => named(out, b'C', b'S', name),
            Self::ClosePortal(name) => named(out, b'C', b'P', name),
            Self::Sync => sync(out),
            Self::Flush => message(out, b'H', |_| {}),
            Self::FunctionCall { function, arguments } => function_call(out, function, arguments),
            Self::Bytes(bytes) => out.extend_from_slice(bytes),
        }
    }

    /// Whether the server answers it with ReadyForQuery.
    pub(crate) fn is_answered_by_ready(&self) -> bool {
        match self {
            Self::Query(_) | Self::Sync | Self::FunctionCall { .. } => true,
            Self::Parse { .. }
            | Self::Bind { .. }
            | Self::DescribeStatement(_)
            | Self::DescribePortal(_)
            | Self::Execute { .. }
            | Self::CloseStatement(_)
            | Self::ClosePortal(_)
            | Self::Flush
            | Self::Bytes(_) => false,
        }
    }
}

/// StartupMessage of protocol 3.0.
pub(crate) fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    const PROTOCOL_3_0: u32 = 3 << 16;
    let mut body = PROTOCOL_3_0.to_be_bytes().to_vec();
    for (name, value) in parameters {
        text(&mut body, name);
        text(&mut body, value);
    }
    body.push(0);
    let mut packet = length_of(&body).to_vec();
    packet.extend(body);
    packet
}

/// PasswordMessage.
pub(crate) fn password(out: &mut Vec<u8>, password: &str) {
    message(out, b'p', |body| text(body, password));
}

/// Query.
pub(crate) fn query(out: &mut Vec<u8>, sql: &str) {
    message(out, b'Q', |body| text(body, sql));
}

/// Parse without parameter types.
pub(crate) fn parse(out: &mut Vec<u8>, name: &str, sql: &str) {
    message(out, b'P', |body| {
        text(body, name);
        text(body, sql);
        body.extend([0, 0]);
    });
}

/// Bind with parameters in text and all results in `format`.
pub(crate) fn bind(
    out: &mut Vec<u8>,
    portal: &str,
    statement: &str,
    parameters: &[impl AsRef<str>],
    format: Format,
) {
    message(out, b'B', |body| {
        text(body, portal);
        text(body, statement);
        body.extend([0, 0]);
        body.extend(count(parameters.len()));
        for parameter in parameters {
            value(body, parameter.as_ref());
        }
        body.extend([0, 1, 0, u8::from(format == Format::Binary)]);
    });
}

/// Describe of a portal.
pub(crate) fn describe_portal(out: &mut Vec<u8>, portal: &str) {
    named(out, b'D', b'P', portal);
}

/// Execute of at most so many rows; 0 for all.
pub(crate) fn execute(out: &mut Vec<u8>, portal: &str, rows_max: u32) {
    message(out, b'E', |body| {
        text(body, portal);
        body.extend(rows_max.to_be_bytes());
    });
}

/// Sync.
pub(crate) fn sync(out: &mut Vec<u8>) {
    message(out, b'S', |_| {});
}

/// CopyData and CopyDone.
pub(crate) fn copy_in(out: &mut Vec<u8>, data: &str) {
    message(out, b'd', |body| body.extend_from_slice(data.as_bytes()));
    message(out, b'c', |_| {});
}

/// CopyFail.
pub(crate) fn copy_fail(out: &mut Vec<u8>) {
    message(out, b'f', |body| text(body, "nothing to copy"));
}

fn function_call(out: &mut Vec<u8>, function: u32, arguments: &[&str]) {
    message(out, b'F', |body| {
        body.extend(function.to_be_bytes());
        body.extend([0, 0]);
        body.extend(count(arguments.len()));
        for argument in arguments {
            value(body, argument);
        }
        body.extend([0, 0]);
    });
}

fn named(out: &mut Vec<u8>, tag: u8, kind: u8, name: &str) {
    message(out, tag, |body| {
        body.push(kind);
        text(body, name);
    });
}

fn message(out: &mut Vec<u8>, tag: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let mut body = Vec::new();
    write(&mut body);
    out.push(tag);
    out.extend(length_of(&body));
    out.extend(body);
}

fn text(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(text.as_bytes());
    body.push(0);
}

fn value(body: &mut Vec<u8>, value: &str) {
    body.extend(u32::try_from(value.len()).expect("the catalogue's values are short").to_be_bytes());
    body.extend_from_slice(value.as_bytes());
}

fn count(count: usize) -> [u8; 2] {
    u16::try_from(count).expect("the catalogue's lists are short").to_be_bytes()
}

/// The length field that goes before `body`.
fn length_of(body: &[u8]) -> [u8; 4] {
    u32::try_from(body.len() + 4).expect("the catalogue's messages are short").to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(message: Frontend) -> Vec<u8> {
        let mut out = Vec::new();
        let known = Known { ssn: "K".to_owned(), pin: "7".to_owned() };
        message.encode(&known, &mut out);
        out
    }

    #[test]
    fn messages_have_their_layout() {
        let check = |message, expected: &[u8]| assert_eq!(encoded(message), expected, "{message:?}");
        check(Frontend::Query("x"), b"Q\0\0\0\x06x\0");
        check(Frontend::Sync, b"S\0\0\0\x04");
        check(Frontend::Parse { name: "s", sql: "x" }, b"P\0\0\0\x0as\0x\0\0\0");
        check(Frontend::Execute { portal: "", rows_max: 2 }, b"E\0\0\0\x09\0\0\0\0\x02");
        check(Frontend::DescribePortal("p"), b"D\0\0\0\x07Pp\0");
        let bind = Frontend::Bind { portal: "", statement: "s", parameters: &["v"], format: Format::Binary };
        check(bind, b"B\0\0\0\x14\0s\0\0\0\0\x01\0\0\0\x01v\0\x01\0\x01");
        check(
            Frontend::FunctionCall { function: 1, arguments: &["v"] },
            b"F\0\0\0\x13\0\0\0\x01\0\0\0\x01\0\0\0\x01v\0\0",
        );
        check(Frontend::Bytes(b"\xff"), b"\xff");
    }

    #[test]
    fn what_is_known_is_put_in() {
        assert_eq!(encoded(Frontend::Query("a {known} {pin}")), encoded(Frontend::Query("a K 7")));
    }
}
