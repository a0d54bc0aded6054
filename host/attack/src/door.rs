//! How sessions are opened: through Grille with a token, or past it by whoever calls this crate.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::message;
use crate::session::{Ending, Session, SessionError, Until};

/// Opens sessions in databases by name.
pub trait Door: Sync {
    /// The connection's bytes.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send;

    /// Opens a session. `startup` are run-time parameters beside user and database.
    fn open(
        &self,
        database: &str,
        startup: &[(&str, &str)],
    ) -> impl Future<Output = Result<Opened<Self::Stream>, OpenError>> + Send;
}

/// What became of opening a session.
#[derive(Debug)]
pub struct Opened<S> {
    /// What the server said before it was ready, but for authentication and the cancel key, which are nobody's data.
    pub greeting: Vec<Bytes>,
    /// The session; none where the server refused it, which the greeting tells.
    pub session: Option<Session<S>>,
}

/// A session that could not be asked for.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing listens, or it is gone.
    #[error("cannot connect to {place}")]
    Unreachable {
        /// Where.
        place: String,
        /// Why.
        source: io::Error,
    },
    /// It listens, and refuses whoever comes.
    #[error("cannot log in to {place}: {reason}")]
    LogIn {
        /// Where.
        place: String,
        /// Why, as far as it is told.
        reason: String,
    },
    /// It does not keep to the protocol.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// The way through Grille: a listener on loopback that takes the token as a password without TLS.
#[derive(Debug)]
pub struct Gateway {
    /// Where it listens.
    pub address: SocketAddr,
    /// The token.
    pub token: String,
}

impl Door for Gateway {
    type Stream = TcpStream;

    async fn open(&self, database: &str, startup: &[(&str, &str)]) -> Result<Opened<TcpStream>, OpenError> {
        let unreachable = |source| OpenError::Unreachable { place: self.address.to_string(), source };
        let stream = TcpStream::connect(self.address).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let mut session = Session::new(stream, BytesMut::new());
        let packet = message::startup(&[&[("user", "attack"), ("database", database)], startup].concat());
        let asked = session.ask(&packet, Until::Authentication, None).await?;
        let mut said = asked.messages;
        let mut ending = asked.ending;
        if ending == Ending::Ready {
            let mut password = Vec::new();
            message::password(&mut password, &self.token);
            let answer = session.ask(&password, Until::Ready(1), None).await?;
            ending = answer.ending;
            said.extend(answer.messages);
        }
        said.retain(|message| !matches!(message[0], b'R' | b'K'));
        let session = match ending {
            Ending::Ready => Some(session),
            Ending::Closed | Ending::TimedOut => None,
        };
        Ok(Opened { greeting: said, session })
    }
}
