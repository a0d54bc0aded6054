//! The server on which the twins are made: where it is, who may make them, and sessions past Grille.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use grille_attack::{Door, OpenError, Opened, Session};
use grille_core::UpstreamName;
use grille_proxy::settings::{SecretSource, UpstreamSettings, UpstreamTls, WeakAuthentication};
use grille_proxy::transport::Transport;
use grille_proxy::upstream::Upstream;

const DEFAULT_PORT: u16 = 5432;
const DEFAULT_DATABASE: &str = "postgres";

/// Longest time to connect and log in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// The server and its administrator.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Server {
    host: String,
    port: u16,
    user: String,
    database: String,
    tls: UpstreamTls,
    password: Option<SecretSource>,
}

impl Server {
    /// `postgres://USER@HOST[:PORT][/DATABASE][?sslmode=disable|verify-full][&sslrootcert=FILE]`. Without `sslmode`, the
    /// server is verified unless it is on loopback. A password in it is refused: it would stand in the list of processes.
    pub(super) fn parse(url: &str, password: Option<SecretSource>) -> anyhow::Result<Self> {
        // Not quoted back: there may be a password in it.
        let form = "--server must be postgres://USER@HOST[:PORT][/DATABASE]";
        let rest =
            url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://")).context(form)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, place) = authority.rsplit_once('@').context(form)?;
        if user.contains(':') {
            bail!("--server must not hold a password: use --password-file or --password-env");
        }
        let (host, port) = split_port(place).context(form)?;
        if user.is_empty() || host.is_empty() {
            bail!(form);
        }
        let database = if database.is_empty() { DEFAULT_DATABASE } else { database };
        let tls = tls(query, host)?;
        let (host, user, database) = (host.to_owned(), user.to_owned(), database.to_owned());
        Ok(Self { host, port, user, database, tls, password })
    }

    /// A database in which others can be made.
    pub(super) fn database(&self) -> &str {
        &self.database
    }

    /// Sessions of whoever the URL names.
    pub(super) fn administrator(&self) -> Direct<'_> {
        self.as_user(&self.user, self.password.clone())
    }

    /// Sessions of another user.
    pub(super) fn as_user(&self, user: &str, password: Option<SecretSource>) -> Direct<'_> {
        Direct { server: self, user: user.to_owned(), password }
    }

    /// How Grille, or we, reach a database as a user.
    pub(super) fn upstream(
        &self,
        database: &str,
        user: &str,
        password: Option<SecretSource>,
    ) -> UpstreamSettings {
        UpstreamSettings {
            name: UpstreamName::new(database),
            host: self.host.clone(),
            port: self.port,
            database: database.to_owned(),
            user: user.to_owned(),
            password,
            tls: self.tls.clone(),
            // Whoever names a server on the command line has chosen it.
            weak_authentication: WeakAuthentication { md5: true, trust: true },
            connect_timeout: CONNECT_TIMEOUT,
        }
    }
}

/// The port behind the last colon; an address of version 6 stands in brackets.
fn split_port(place: &str) -> Option<(&str, u16)> {
    match place.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            Some((host.trim_start_matches('[').trim_end_matches(']'), port.parse().ok()?))
        }
        Some(_) | None => Some((place.trim_start_matches('[').trim_end_matches(']'), DEFAULT_PORT)),
    }
}

fn tls(query: &str, host: &str) -> anyhow::Result<UpstreamTls> {
    let (mut mode, mut ca) = (None, None);
    for option in query.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value),
            Some(("sslrootcert", file)) => ca = Some(file.into()),
            Some(_) | None => bail!("--server: only sslmode and sslrootcert are understood behind `?`"),
        }
    }
    let on_loopback = matches!(host, "localhost" | "127.0.0.1" | "::1");
    match mode {
        Some("disable") => Ok(UpstreamTls::Disable),
        Some("verify-full") => Ok(UpstreamTls::Verify { ca }),
        Some(_) => bail!("--server: sslmode must be disable or verify-full"),
        None if on_loopback && ca.is_none() => Ok(UpstreamTls::Disable),
        None => Ok(UpstreamTls::Verify { ca }),
    }
}

/// Sessions past Grille.
#[derive(Debug)]
pub(super) struct Direct<'s> {
    server: &'s Server,
    user: String,
    password: Option<SecretSource>,
}

impl Door for Direct<'_> {
    type Stream = Transport;

    async fn open(&self, database: &str, startup: &[(&str, &str)]) -> Result<Opened<Transport>, OpenError> {
        let refused = |reason: String| OpenError::LogIn {
            place: format!("{}@{}:{}/{database}", self.user, self.server.host, self.server.port),
            reason,
        };
        let settings = self.server.upstream(database, &self.user, self.password.clone());
        let upstream = Upstream::new(Arc::new(settings)).map_err(|error| refused(error.to_string()))?;
        let startup: Vec<(String, String)> =
            startup.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let connection = upstream.connect(&startup).await.map_err(|error| refused(error.to_string()))?;
        let session = Session::new(connection.stream, connection.leftover);
        Ok(Opened { greeting: Vec::new(), session: Some(session) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Result<(String, u16, String, String, UpstreamTls), String> {
        let server = Server::parse(url, None).map_err(|error| error.to_string())?;
        Ok((server.user, server.port, server.host, server.database, server.tls))
    }

    #[test]
    fn urls_say_where_and_who() {
        let check = |url: &str, user: &str, host: &str, port: u16, database: &str, tls: UpstreamTls| {
            let expected = (user.to_owned(), port, host.to_owned(), database.to_owned(), tls);
            assert_eq!(parsed(url), Ok(expected), "{url}");
        };
        let verified = || UpstreamTls::Verify { ca: None };
        check("postgres://ada@127.0.0.1:5433/", "ada", "127.0.0.1", 5433, "postgres", UpstreamTls::Disable);
        check("postgresql://ada@db.example.com", "ada", "db.example.com", 5432, "postgres", verified());
        check("postgres://ada@[::1]:1/x", "ada", "::1", 1, "x", UpstreamTls::Disable);
        check("postgres://ada@[::1]", "ada", "::1", 5432, "postgres", UpstreamTls::Disable);
        check("postgres://a@h?sslmode=disable", "a", "h", 5432, "postgres", UpstreamTls::Disable);
        let own = UpstreamTls::Verify { ca: Some("ca.pem".into()) };
        check("postgres://a@localhost/?sslrootcert=ca.pem", "a", "localhost", 5432, "postgres", own);
    }

    #[test]
    fn what_is_no_url_is_refused_and_not_repeated() {
        for url in [
            "",
            "ada@db",
            "postgres://db",
            "postgres://@db",
            "postgres://ada@",
            "postgres://ada:s3cret@db",
            "postgres://ada@db:port",
            "postgres://ada@db?sslmode=prefer",
            "postgres://ada@db?host=x",
        ] {
            let told = parsed(url).expect_err(url);
            assert!(told.starts_with("--server") && !told.contains("s3cret"), "{told}");
        }
    }
}
