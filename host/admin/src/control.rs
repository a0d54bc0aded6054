//! The control socket: commands to the running Grille over a Unix domain socket, and the client that sends them. One request
//! and one answer a connection, each a line of JSON. What a command does is the caller's matter.
//!
//! Who may connect is decided by the file system (mode 0600 in a folder that nobody else may write to) and, in case a file
//! system does not keep modes, by the peer's user id: Grille's own, or root's.

use std::fs;
use std::future::Future;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use grille_core::audit::SessionOpened;
use grille_core::observation::DifferenceReport;
use grille_core::recording::RecordingStatus;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::plugin_status::{PluginStatus, PluginsStatus};

/// Most commands at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 8;
/// Longest request, in bytes: a command, a name, and a path (at most 4096 bytes on Linux, each six in JSON at worst).
const REQUEST_BYTES_MAX: u64 = 32 << 10;
/// Longest answer read, in bytes: some 100,000 sessions.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Longest time for a request to arrive, and for an answer to be taken.
const TRANSFER_TIME_MAX: Duration = Duration::from_secs(5);
/// Longest time a client waits for an answer: what a command takes at most, and the transfers.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// The same where a component is compiled: twice what its compiler may take, its vectors, and as much again behind another
/// candidate that came before.
const COMPILING_TIME_MAX: Duration = Duration::from_secs(600);
/// How long to wait when the process has run out of descriptors, which accepting again at once would not change.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// A command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ControlRequest {
    /// End a session.
    Kill {
        /// Its id, or the first digits of it.
        session: String,
        /// For the client and the audit record.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// List the open sessions.
    List,
    /// Say how plugins stand.
    PluginStatus {
        /// Only this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plugin: Option<String>,
    },
    /// Make a component active in a plugin's slot.
    PluginActivate {
        /// The plugin's name in the configuration.
        plugin: String,
        /// The component, by an absolute path; without, the configuration's file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<PathBuf>,
        /// Whether it may import what the active revision does not.
        #[serde(default)]
        accept_capabilities: bool,
    },
    /// Have a component judge off the path.
    PluginShadow {
        /// The plugin's name in the configuration.
        plugin: String,
        /// The component, by an absolute path.
        file: PathBuf,
        /// Whether it may import what the active revision does not.
        #[serde(default)]
        accept_capabilities: bool,
    },
    /// Have a component judge for a share of the principals.
    PluginCanary {
        /// The plugin's name in the configuration.
        plugin: String,
        /// The component, by an absolute path.
        file: PathBuf,
        /// How many: from 1 to 100.
        percent: u8,
        /// Whether it may import what the active revision does not.
        #[serde(default)]
        accept_capabilities: bool,
    },
    /// Make the candidate active.
    PluginPromote {
        /// The plugin's name in the configuration.
        plugin: String,
    },
    /// Let the candidate go.
    PluginDrop {
        /// The plugin's name in the configuration.
        plugin: String,
    },
    /// Make the previous revision active again.
    PluginRollback {
        /// The plugin's name in the configuration.
        plugin: String,
    },
    /// Say what the candidate in the shadow answers otherwise.
    PluginDifferences {
        /// The plugin's name in the configuration.
        plugin: String,
    },
    /// Record what a plugin is asked.
    PluginRecord {
        /// The plugin's name in the configuration.
        plugin: String,
        /// After how many seconds the recording ends by itself.
        time_s_max: u64,
        /// After how many inputs it does.
        inputs_max: u64,
    },
    /// End a recording.
    PluginRecordStop {
        /// The plugin's name in the configuration.
        plugin: String,
    },
}

impl ControlRequest {
    /// Longest time to wait for the answer.
    fn answer_time_max(&self) -> Duration {
        match self {
            Self::PluginActivate { .. } | Self::PluginShadow { .. } | Self::PluginCanary { .. } => {
                COMPILING_TIME_MAX
            }
            Self::Kill { .. }
            | Self::List
            | Self::PluginStatus { .. }
            | Self::PluginPromote { .. }
            | Self::PluginDrop { .. }
            | Self::PluginRollback { .. }
            | Self::PluginDifferences { .. }
            | Self::PluginRecord { .. }
            | Self::PluginRecordStop { .. } => ANSWER_TIME_MAX,
        }
    }
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum ControlAnswer {
    /// The session has ended.
    Killed {
        /// Its whole id.
        session: String,
    },
    /// The open sessions, the oldest first.
    Sessions {
        /// Each.
        sessions: Vec<OpenSession>,
    },
    /// How plugins stand.
    Plugins(PluginsStatus),
    /// A plugin's revision has changed its stage.
    PluginChanged {
        /// What has been done, in a sentence.
        message: String,
        /// How the plugin stands now.
        plugin: Box<PluginStatus>,
    },
    /// What the candidate in the shadow answers otherwise.
    Differences(Box<DifferenceReport>),
    /// A recording has begun or ended.
    Recording(RecordingStatus),
    /// It was not done.
    Refused {
        /// Why, in a sentence for the operator.
        message: String,
    },
}

/// An open session.
#[derive(Debug, Serialize, Deserialize)]
pub struct OpenSession {
    /// How long it has been open, in whole seconds.
    pub age_s: u64,
    /// The record of its beginning.
    #[serde(flatten)]
    pub opened: SessionOpened,
}

/// Who sent a command, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The user id.
    pub uid: u32,
}

/// An answer under way.
pub type Answering = Pin<Box<dyn Future<Output = ControlAnswer> + Send>>;

/// Carries a command out. Bounded in time by whoever makes it: an answer that takes longer than a client waits is lost.
pub type ControlHandler = dyn Fn(ControlRequest, Peer) -> Answering + Send + Sync;

/// The control socket cannot be opened, or a running Grille not be reached through it. The operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Its folder cannot be made or looked at.
    #[error("cannot use the control socket's folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others could put a socket of theirs in its place.
    #[error(
        "others may write to the control socket's folder {} (mode {mode:04o}): chmod go-w",
        path.display()
    )]
    Shared {
        /// The folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Something else is there.
    #[error("{} is there and is not a socket", .0.display())]
    NotASocket(PathBuf),
    /// Somebody listens there.
    #[error("another process listens on the control socket {}", .0.display())]
    Taken(PathBuf),
    /// It cannot be listened on.
    #[error("cannot listen on the control socket {}", path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nobody listens, or not to us.
    #[error("cannot reach a running Grille through the control socket {}", path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What came back is no answer.
    #[error("what came through the control socket is not an answer")]
    NotAnAnswer,
}

/// The listening side.
pub struct ControlServer {
    listener: UnixListener,
    path: PathBuf,
    /// Whose commands are taken, beside root's.
    owner: u32,
    handler: Arc<ControlHandler>,
}

impl ControlServer {
    /// Opens the socket; nothing is answered before [`Self::run`]. A socket that a dead process left is replaced.
    ///
    /// # Errors
    /// When it cannot be opened for us alone.
    pub fn bind(path: &Path, handler: Arc<ControlHandler>) -> Result<Self, ControlError> {
        prepare_folder(path)?;
        remove_stale(path)?;
        let failed = |source| ControlError::Listen { path: path.to_owned(), source };
        let listener = UnixListener::bind(path).map_err(failed)?;
        // Whoever connected before this is asked for its user id all the same.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        let owner = fs::metadata(path).map_err(failed)?.uid();
        Ok(Self { listener, path: path.to_owned(), owner, handler })
    }

    /// Answers until told to stop, and removes the socket. Commands under way then are cut.
    pub async fn run(self, shutdown: CancellationToken) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = self.accept(&places) => accepted,
            };
            match accepted {
                Ok((stream, place)) => {
                    let served = serve(stream, self.owner, Arc::clone(&self.handler));
                    connections.spawn(async move {
                        if let Err(error) = served.await {
                            tracing::debug!(%error, "a control connection ended");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "the control socket was gone already");
        }
    }

    async fn accept(&self, places: &Arc<Semaphore>) -> io::Result<(UnixStream, impl Send + use<>)> {
        let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, _) = self.listener.accept().await?;
        Ok((stream, place))
    }
}

/// Makes the folder for us alone, or checks the one that is there.
fn prepare_folder(socket: &Path) -> Result<(), ControlError> {
    let folder = match socket.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    let failed = |source| ControlError::Folder { path: folder.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let mode = fs::metadata(folder).map_err(failed)?.permissions().mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(ControlError::Shared { path: folder.to_owned(), mode });
    }
    Ok(())
}

fn remove_stale(path: &Path) -> Result<(), ControlError> {
    let failed = |source| ControlError::Listen { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
        Ok(there) if !there.file_type().is_socket() => Err(ControlError::NotASocket(path.to_owned())),
        Ok(_) => match BlockingStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(failed)
            }
            Ok(_) => Err(ControlError::Taken(path.to_owned())),
            Err(error) => Err(failed(error)),
        },
    }
}

/// One command and its answer.
async fn serve(mut stream: UnixStream, owner: u32, handler: Arc<ControlHandler>) -> io::Result<()> {
    let peer = Peer { uid: stream.peer_cred()?.uid() };
    if peer.uid != owner && peer.uid != 0 {
        tracing::warn!(uid = peer.uid, "a stranger on the control socket");
        return Ok(());
    }
    let request = timeout(TRANSFER_TIME_MAX, read_request(&mut stream)).await??;
    let answer = match request {
        Some(request) => {
            tracing::info!(uid = peer.uid, ?request, "control command");
            handler(request, peer).await
        }
        None => ControlAnswer::Refused { message: "this is not a command of this version".into() },
    };
    let mut line = serde_json::to_vec(&answer).map_err(io::Error::other)?;
    line.push(b'\n');
    timeout(TRANSFER_TIME_MAX, stream.write_all(&line)).await??;
    stream.shutdown().await
}

/// None for what is no command.
async fn read_request(stream: &mut UnixStream) -> io::Result<Option<ControlRequest>> {
    let mut line = Vec::new();
    tokio::io::BufReader::new(stream.take(REQUEST_BYTES_MAX)).read_until(b'\n', &mut line).await?;
    Ok(serde_json::from_slice(&line).ok())
}

/// Sends a command to the Grille that listens on `path`, and waits for the answer. Blocks.
///
/// # Errors
/// When nobody listens there, or not to this user, or no answer comes.
pub fn send(path: &Path, request: &ControlRequest) -> Result<ControlAnswer, ControlError> {
    let line =
        ask(path, request).map_err(|source| ControlError::Unreachable { path: path.to_owned(), source })?;
    serde_json::from_slice(&line).map_err(|_| ControlError::NotAnAnswer)
}

fn ask(path: &Path, request: &ControlRequest) -> io::Result<Vec<u8>> {
    let mut stream = BlockingStream::connect(path)?;
    stream.set_write_timeout(Some(TRANSFER_TIME_MAX))?;
    stream.set_read_timeout(Some(request.answer_time_max()))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(ANSWER_BYTES_MAX)).read_until(b'\n', &mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// A handler that says what it was asked.
    fn echo() -> Arc<ControlHandler> {
        Arc::new(|request, _peer| {
            Box::pin(async move {
                match request {
                    ControlRequest::Kill { session, reason: None } => ControlAnswer::Killed { session },
                    ControlRequest::Kill { reason: Some(message), .. } => ControlAnswer::Refused { message },
                    ControlRequest::List => ControlAnswer::Sessions { sessions: Vec::new() },
                    other => ControlAnswer::Refused { message: format!("{other:?}") },
                }
            })
        })
    }

    fn bind(path: &Path) -> Result<ControlServer, ControlError> {
        ControlServer::bind(path, echo())
    }

    struct Running {
        path: PathBuf,
        shutdown: CancellationToken,
        task: tokio::task::JoinHandle<()>,
        _folder: tempfile::TempDir,
    }

    impl Running {
        fn start() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("run/grille.sock");
            let shutdown = CancellationToken::new();
            let task = tokio::spawn(bind(&path).unwrap().run(shutdown.clone()));
            Self { path, shutdown, task, _folder: folder }
        }

        async fn ask(&self, request: ControlRequest) -> ControlAnswer {
            let path = self.path.clone();
            tokio::task::spawn_blocking(move || send(&path, &request)).await.unwrap().unwrap()
        }

        /// What is answered to these bytes.
        async fn say(&self, bytes: &[u8]) -> String {
            let mut stream = UnixStream::connect(&self.path).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        }
    }

    #[tokio::test]
    async fn commands_are_answered_one_a_connection() {
        let server = Running::start();
        let kill = |reason: Option<&str>| ControlRequest::Kill {
            session: "01234567".into(),
            reason: reason.map(str::to_owned),
        };
        let killed = server.ask(kill(None)).await;
        assert!(matches!(killed, ControlAnswer::Killed { session } if session == "01234567"));
        let refused = server.ask(kill(Some("tidying \"up\"\n"))).await;
        assert!(matches!(refused, ControlAnswer::Refused { message } if message == "tidying \"up\"\n"));
        let listed = server.ask(ControlRequest::List).await;
        assert!(matches!(listed, ControlAnswer::Sessions { sessions } if sessions.is_empty()));
    }

    #[tokio::test]
    async fn what_is_no_command_is_refused() {
        let server = Running::start();
        let no_command = "{\"answer\":\"refused\",\"message\":\"this is not a command of this version\"}\n";
        let long = format!("{{\"command\":\"list\"{}}}\n", " ".repeat(REQUEST_BYTES_MAX as usize));
        for bytes in [
            "",
            "\n",
            "noise\n",
            "{\"command\":\"drop\"}\n",
            "{\"command\":\"kill\"}\n",
            "{\"command\":\"kill\",\"session\":7}\n",
            "{\"command\":\"kill\",\"session\":\"01234567\",\"force\":true}\n",
            "{\"command\":\"plugin-rollback\"}\n",
            "{\"command\":\"plugin-canary\",\"plugin\":\"guard\",\"file\":\"/a.wasm\",\"percent\":300}\n",
            "{\"command\":\"plugin-activate\",\"plugin\":\"guard\",\"accept\":true}\n",
        ] {
            assert_eq!(server.say(bytes.as_bytes()).await, no_command, "{bytes:?}");
        }
        // The rest of it is left unread, so the answer may be lost.
        let answer = server.say_and_listen(long.as_bytes()).await;
        assert!(answer.is_none_or(|answer| answer == no_command));
        assert!(server.say(b"{\"command\":\"list\"}\n").await.contains("sessions"), "it goes on");
    }

    impl Running {
        /// The same where the server may close with bytes unread.
        async fn say_and_listen(&self, bytes: &[u8]) -> Option<String> {
            let mut stream = UnixStream::connect(&self.path).await.ok()?;
            stream.write_all(bytes).await.ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.ok()?;
            Some(answer)
        }
    }

    #[tokio::test]
    async fn the_longest_path_fits_a_request() {
        let server = Running::start();
        let file = PathBuf::from(format!("/{}", "\u{1}".repeat(4095)));
        let request =
            ControlRequest::PluginShadow { plugin: "guard".into(), file, accept_capabilities: false };
        let answer = server.ask(request.clone()).await;
        let expected = format!("{request:?}");
        assert!(matches!(answer, ControlAnswer::Refused { message } if message == expected));
    }

    #[tokio::test]
    async fn socket_and_folder_are_for_the_owner_alone() {
        let server = Running::start();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&server.path), 0o600);
        assert_eq!(mode(server.path.parent().unwrap()), 0o700);
    }

    #[tokio::test]
    async fn it_goes_when_it_is_told() {
        let server = Running::start();
        assert!(matches!(bind(&server.path), Err(ControlError::Taken(_))));
        server.shutdown.cancel();
        server.task.await.unwrap();
        assert!(!server.path.exists());
        assert!(matches!(send(&server.path, &ControlRequest::List), Err(ControlError::Unreachable { .. })));
    }

    #[tokio::test]
    async fn what_a_dead_process_left_is_replaced_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grille.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        bind(&path).unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "precious").unwrap();
        assert!(matches!(bind(&file), Err(ControlError::NotASocket(_))));
        assert_eq!(fs::read_to_string(file).unwrap(), "precious");
    }

    #[tokio::test]
    async fn a_folder_others_may_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, refused) in [(0o777, true), (0o770, true), (0o1777, true), (0o755, false), (0o700, false)]
        {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            let bound = bind(&folder.path().join(format!("{mode:o}.sock")));
            assert_eq!(matches!(bound, Err(ControlError::Shared { .. })), refused, "{mode:o}");
        }
    }
}
