//! Why there is no connection to an upstream: for the log in full, for the client in one sentence.

use std::io;

use grille_core::{ClientMessage, Fault, SqlState, UpstreamName};

use crate::settings::SecretError;

/// Why an upstream could not be connected to. `Display` is for the log; it holds no credential and no text of the server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The name does not resolve, or nothing listens there.
    #[error("cannot be reached")]
    Unreachable(#[source] io::Error),
    /// Not done within the connect timeout.
    #[error("did not finish the log-in in time")]
    TimedOut,
    /// The connection broke during the log-in.
    #[error("the connection broke during the log-in")]
    Broken(#[source] io::Error),
    /// The server closed the connection during the log-in.
    #[error("closed the connection during the log-in")]
    Closed,
    /// The server does not do TLS, which the configuration demands.
    #[error("refuses TLS, which the configuration demands")]
    TlsRefused,
    /// The TLS handshake failed; mostly a certificate that is not trusted or not for this host.
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    /// The server sent what the protocol does not allow at this point.
    #[error("broke the protocol: {0}")]
    Protocol(&'static str),
    /// The server's bytes could not be decoded.
    #[error("broke the protocol")]
    Undecodable(#[source] io::Error),
    /// A message longer than the log-in phase allows.
    #[error("sent a message of {bytes} bytes during the log-in; at most {most} are accepted")]
    MessageTooLong {
        /// What its header said.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// More messages than the log-in phase allows.
    #[error("sent more than {most} messages during the log-in")]
    TooManyMessages {
        /// The limit.
        most: usize,
    },
    /// The server asks for an authentication that is never done, or not without the operator's word.
    #[error("asks for {0} authentication, which is not allowed for it")]
    AuthenticationNotAllowed(&'static str),
    /// The server offers channel binding, but its certificate's signature algorithm has no hash to bind to.
    #[error("offers channel binding under a certificate that cannot be bound to (RFC 5929)")]
    NoChannelBinding,
    /// The server could not prove that it knows the password's verifier.
    #[error("did not prove that it knows the password")]
    ServerNotVerified(#[source] io::Error),
    /// The server wants a password and none is configured.
    #[error("asks for a password and none is configured")]
    NoPassword,
    /// The password could not be read.
    #[error("the password cannot be read")]
    Secret(#[from] SecretError),
    /// The server answered with an ErrorResponse. Its text may name users and hosts and is not kept.
    #[error("refused the connection with SQLSTATE {sqlstate}")]
    Refused {
        /// Five characters of `A–Z0–9`.
        sqlstate: String,
    },
    /// The caller passed on a startup parameter that is not the client's to choose, or that cannot be encoded.
    #[error("a startup parameter may not be passed on")]
    Parameter,
    /// A background computation of the log-in ended without a result.
    #[error("the log-in was interrupted")]
    Interrupted,
}

impl ConnectError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Unreachable(_)
            | Self::TimedOut
            | Self::Broken(_)
            | Self::Closed
            | Self::Protocol(_)
            | Self::Undecodable(_)
            | Self::MessageTooLong { .. }
            | Self::TooManyMessages { .. }
            | Self::ServerNotVerified(_) => Fault::Upstream,
            Self::TlsRefused
            | Self::Tls(_)
            | Self::AuthenticationNotAllowed(_)
            | Self::NoChannelBinding
            | Self::NoPassword
            | Self::Secret(_) => Fault::Operator,
            Self::Refused { sqlstate } => Refusal::of(sqlstate).fault(),
            Self::Parameter | Self::Interrupted => Fault::Grille,
        }
    }

    /// What the client is told: which upstream by the name the client gave, and what to do; no host, user or text of the
    /// server.
    pub fn client_message(&self, upstream: &UpstreamName) -> ClientMessage {
        let unable = |what: &str| {
            ClientMessage::new(SqlState::UnableToConnect, format!("upstream \"{upstream}\" {what}"))
        };
        const LATER: &str = "Try again later; if it persists, tell the operator of the gateway.";
        const OPERATOR: &str = "Tell the operator of the gateway; its log says why.";
        match self {
            Self::Unreachable(_) => unable("cannot be reached").hint(LATER),
            Self::TimedOut => unable("did not answer in time").hint(LATER),
            Self::Broken(_) | Self::Closed => unable("closed the connection").hint(LATER),
            Self::TlsRefused | Self::Tls(_) => unable("could not be connected to securely").hint(OPERATOR),
            Self::Protocol(_)
            | Self::Undecodable(_)
            | Self::MessageTooLong { .. }
            | Self::TooManyMessages { .. } => unable("did not follow the protocol").hint(OPERATOR),
            Self::AuthenticationNotAllowed(_)
            | Self::NoChannelBinding
            | Self::ServerNotVerified(_)
            | Self::NoPassword
            | Self::Secret(_) => unable("could not be logged in to").hint(OPERATOR),
            Self::Refused { sqlstate } => match Refusal::of(sqlstate) {
                Refusal::Full => ClientMessage::new(
                    SqlState::TooManyConnections,
                    format!("upstream \"{upstream}\" has no connection to spare"),
                )
                .hint(LATER),
                Refusal::NotNow => unable("does not accept connections at present").hint(LATER),
                Refusal::Other => unable("refused the connection").hint(OPERATOR),
            },
            Self::Parameter => ClientMessage::new(
                SqlState::FeatureNotSupported,
                "a startup parameter of this connection may not be passed on",
            )
            .hint("Leave out parameters that choose a user, a database or replication."),
            Self::Interrupted => {
                ClientMessage::new(SqlState::SystemError, "the gateway could not finish the log-in")
                    .hint(LATER)
            }
        }
    }
}

/// What a server's refusal means for the one who is refused.
#[derive(Clone, Copy)]
enum Refusal {
    /// 53300: too many connections.
    Full,
    /// 57P03 and the like: starting up, shutting down, recovering.
    NotNow,
    /// Credentials, database, permissions: nothing that waiting would mend.
    Other,
}

impl Refusal {
    fn of(sqlstate: &str) -> Self {
        if sqlstate == "53300" {
            Self::Full
        } else if sqlstate.starts_with("57P") {
            Self::NotNow
        } else {
            Self::Other
        }
    }

    fn fault(self) -> Fault {
        match self {
            Self::Full | Self::NotNow => Fault::Upstream,
            Self::Other => Fault::Operator,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_by_its_sqlstate() {
        let check = |sqlstate: &str, fault, state, message: &str| {
            let error = ConnectError::Refused { sqlstate: sqlstate.to_owned() };
            let told = error.client_message(&UpstreamName::new("shop"));
            assert_eq!((error.fault(), told.state, told.message.as_str()), (fault, state, message));
        };
        let unable = SqlState::UnableToConnect;
        check("28P01", Fault::Operator, unable, "upstream \"shop\" refused the connection");
        check("3D000", Fault::Operator, unable, "upstream \"shop\" refused the connection");
        check("57P03", Fault::Upstream, unable, "upstream \"shop\" does not accept connections at present");
        check(
            "53300",
            Fault::Upstream,
            SqlState::TooManyConnections,
            "upstream \"shop\" has no connection to spare",
        );
    }

    #[test]
    fn a_client_is_not_told_what_the_log_is() {
        let secret = || io::Error::other("db-7.internal: no route for svc_grille");
        for error in [
            ConnectError::Unreachable(secret()),
            ConnectError::Broken(secret()),
            ConnectError::Tls(secret()),
            ConnectError::Undecodable(secret()),
            ConnectError::ServerNotVerified(secret()),
            ConnectError::Secret(SecretError::Environment("DB7_PASSWORD".to_owned())),
        ] {
            let told = format!("{:?}", error.client_message(&UpstreamName::new("shop")));
            for word in ["db-7", "svc_grille", "DB7"] {
                assert!(!told.contains(word), "{told}");
            }
        }
    }
}
