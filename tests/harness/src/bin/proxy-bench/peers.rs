//! Other proxies, to compare with.

use std::path::Path;
use std::process::Command;

use grille_harness::scratch::Scratch;
use grille_harness::supervised::{Signal, Supervised};
use grille_harness::{Endpoint, loopback, postgres, wait};

/// Another proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer {
    /// PgBouncer in session mode, the one that changes no statement's meaning.
    BouncerSession,
    /// PgBouncer in transaction mode, the one it is mostly used in.
    BouncerTransaction,
    /// HAProxy as a TCP proxy.
    Haproxy,
}

/// One that runs.
pub(crate) struct Running {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    process: Supervised,
    _scratch: Scratch,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

impl Peer {
    pub(crate) fn start(self, upstream: &Endpoint) -> anyhow::Result<Running> {
        let port = loopback::free_port()?;
        let scratch = Scratch::new()?;
        let (name, command) = match self {
            Self::BouncerSession => ("pgbouncer", pgbouncer(port, upstream, "session", scratch.path())?),
            Self::BouncerTransaction => {
                ("pgbouncer-tx", pgbouncer(port, upstream, "transaction", scratch.path())?)
            }
            Self::Haproxy => ("haproxy", haproxy(port, upstream, scratch.path())?),
        };
        open_to_all(scratch.path())?;
        let process = Supervised::start(&command, name, scratch.path(), Signal::Terminate)?;
        wait::until(name, wait::PATIENCE, || Ok(std::net::TcpStream::connect(("127.0.0.1", port)).ok()))?;
        Ok(Running { name, port, process, _scratch: scratch })
    }
}

fn pgbouncer(port: u16, upstream: &Endpoint, mode: &str, folder: &Path) -> anyhow::Result<Command> {
    let (users, config) = (folder.join("users.txt"), folder.join("pgbouncer.ini"));
    std::fs::write(&users, format!("\"{}\" \"{}\"\n", upstream.user, upstream.password))?;
    let pool = if mode == "session" { 1100 } else { 40 };
    let text = format!(
        "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = {mode}\n\
         max_client_conn = 3000\ndefault_pool_size = {pool}\nignore_startup_parameters = extra_float_digits\n\
         log_connections = 0\nlog_disconnections = 0\n",
        upstream.port,
        users.display()
    );
    std::fs::write(&config, text)?;
    let mut command = postgres::as_system_user(Path::new("/usr/sbin/pgbouncer"));
    command.arg(&config);
    Ok(command)
}

fn haproxy(port: u16, upstream: &Endpoint, folder: &Path) -> anyhow::Result<Command> {
    let config = folder.join("haproxy.cfg");
    let text = format!(
        "global\n  maxconn 4000\n  nbthread 2\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 10m\n  \
         timeout server 10m\nlisten postgres\n  bind 127.0.0.1:{port}\n  server upstream 127.0.0.1:{}\n",
        upstream.port
    );
    std::fs::write(&config, text)?;
    let mut command = Command::new("/usr/sbin/haproxy");
    command.args(["-db", "-f"]).arg(&config);
    Ok(command)
}

/// PgBouncer refuses to run as root, and its user must read its files.
fn open_to_all(folder: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
    for entry in std::fs::read_dir(folder)? {
        std::fs::set_permissions(entry?.path(), std::fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}
