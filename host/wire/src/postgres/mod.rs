//! PostgreSQL's frontend/backend protocol, version 3, without sockets.
//!
//! `startup` and `oauthbearer` decode what comes before a session, `relay` is the session: bytes in from both sides, bytes
//! out to both sides, and in between requests to judge and results to inspect. `message` decodes the few messages that are
//! looked into, `frame` walks headers, `names` knows what prepared statements and portals stand for, `function_call` what a
//! function's number does, `copy` takes the rows of a COPY apart; `substitution` writes messages anew with tokens turned back.
//!
//! Architecture invariant: no message whose tag is not handled by name is ever forwarded, in either direction.

mod copy;
mod frame;
mod function_call;
mod message;
mod names;
mod oauthbearer;
mod relay;
mod startup;
mod statement;
mod substitution;

pub mod value;

pub use copy::{CopyReader, Part as CopyPart};
pub use frame::HEADER_BYTES;
pub use message::{
    COLUMNS_MAX, Field, Notification, RowWriter, Severity, messages, notification, put_error,
    put_notification, put_query, put_report, put_row, report_fields, walk_row,
};
pub use oauthbearer::{
    BEARER_OVERHEAD_BYTES_MAX, BearerError, BearerRequest, put_bearer_refusal, put_bearer_request,
    take_bearer_farewell, take_bearer_request,
};
pub use relay::{
    Ended, Impossible, Limits, PENDING_MAX, Relay, Request, Response, Rows, Run, Traffic, TransactionStatus,
};
pub use startup::{
    CancelKey, FirstPacket, PROTOCOL_3_0, PROTOCOL_3_2, Startup, StartupError, decode_first_packet,
    first_packet_length, put_authentication_ok, put_backend_key, put_cleartext_password_request,
    put_negotiate_protocol_version, put_parameter_status, put_ready_for_query, take_password,
};
pub use statement::{Effort, Statement};
pub use substitution::{Parameter, Replacement, plain_literal, with_literals};
pub use value::Format;

/// The peer broke the protocol, or a limit of ours. The session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A length that cannot be.
    #[error("message {:?} has the impossible length {length}", char::from(*tag))]
    BadLength {
        /// The message's tag.
        tag: u8,
        /// As it stood on the wire.
        length: u32,
    },
    /// A length over the limit for such a message.
    #[error("message {:?} of {total} bytes is over the limit of {limit} bytes", char::from(*tag))]
    TooLong {
        /// The message's tag.
        tag: u8,
        /// Bytes of the message.
        total: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A body that does not have the message's layout.
    #[error("message {:?} is malformed", char::from(*tag))]
    Malformed {
        /// The message's tag.
        tag: u8,
    },
    /// A message that is not known, or not where it was sent.
    #[error("message {:?} is not expected here", char::from(*tag))]
    Unexpected {
        /// The message's tag.
        tag: u8,
    },
    /// The server changed how statements are read while statements judged under the old reading were under way.
    #[error("a setting that decides how statements are read changed while statements were under way")]
    SettingUnderWay,
    /// Rows came whose description never did.
    #[error("rows without a description")]
    RowsUndescribed,
    /// More prepared statements or portals than a session may have.
    #[error("more than {limit} prepared statements or portals")]
    TooManyNames {
        /// How many are allowed.
        limit: usize,
    },
}
