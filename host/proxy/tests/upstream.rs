//! Connections to a real PostgreSQL: each authentication method, TLS with channel binding, refusals, cancel.

use std::sync::Arc;
use std::time::Duration;

use grille_core::UpstreamName;
use grille_harness::{PostgresOptions, PostgresServer, wait};
use grille_proxy::settings::{SecretSource, UpstreamSettings, UpstreamTls, WeakAuthentication};
use grille_proxy::upstream::{ConnectError, Upstream, UpstreamConnection};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PASSWORD: &str = "correct horse battery staple";
const STRICT: WeakAuthentication = WeakAuthentication { md5: false, trust: false };
const MD5: WeakAuthentication = WeakAuthentication { md5: true, trust: false };
const TRUST: WeakAuthentication = WeakAuthentication { md5: false, trust: true };

/// A server with a user for each way to log in, and the password in a file.
struct Fixture {
    server: PostgresServer,
    dir: TempDir,
}

impl Fixture {
    fn start() -> Self {
        let hba = [
            "hostssl all tls_only 127.0.0.1/32 scram-sha-256",
            "host all tls_only 127.0.0.1/32 reject",
            "host all hashed 127.0.0.1/32 md5",
            "host all trusted 127.0.0.1/32 trust",
            "host all clear 127.0.0.1/32 password",
        ];
        let options = PostgresOptions { hba: hba.map(str::to_owned).to_vec(), ..PostgresOptions::default() };
        let server = PostgresServer::start(&options).expect("PostgreSQL");
        for user in ["scram", "tls_only", "trusted", "clear", "full"] {
            server
                .sql_admin("postgres", &format!("create role {user} login password '{PASSWORD}'"))
                .expect("a role");
        }
        let others = format!(
            "alter role full connection limit 0; \
             set password_encryption = 'md5'; create role hashed login password '{PASSWORD}'"
        );
        server.sql_admin("postgres", &others).expect("a role");
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("password"), format!("{PASSWORD}\n")).expect("a file");
        std::fs::write(dir.path().join("wrong"), "wrong\n").expect("a file");
        Self { server, dir }
    }

    fn plain(&self, user: &str) -> UpstreamSettings {
        UpstreamSettings {
            name: UpstreamName::new("shop"),
            host: "127.0.0.1".to_owned(),
            port: self.server.port(),
            database: "postgres".to_owned(),
            user: user.to_owned(),
            password: Some(self.secret("password")),
            tls: UpstreamTls::Disable,
            weak_authentication: STRICT,
            connect_timeout: Duration::from_secs(20),
        }
    }

    fn tls(&self, user: &str) -> UpstreamSettings {
        let ca = Some(self.server.ca().to_owned());
        UpstreamSettings { tls: UpstreamTls::Verify { ca }, ..self.plain(user) }
    }

    fn secret(&self, name: &str) -> SecretSource {
        SecretSource::File(self.dir.path().join(name))
    }
}

async fn connect(settings: UpstreamSettings) -> Result<UpstreamConnection, ConnectError> {
    let startup = [("application_name".to_owned(), "grille test".to_owned())];
    Upstream::new(Arc::new(settings)).expect("usable settings").connect(&startup).await
}

/// Runs a simple query; gives all bytes up to the next ReadyForQuery.
async fn query(connection: &mut UpstreamConnection, sql: &str) -> Vec<u8> {
    const READY: &[u8] = b"Z\0\0\0\x05I";
    let length = u32::try_from(sql.len() + 5).expect("a short statement");
    let message = [b"Q", &length.to_be_bytes()[..], sql.as_bytes(), b"\0"].concat();
    connection.stream.write_all(&message).await.expect("the connection holds");
    connection.stream.flush().await.expect("the connection holds");
    let mut received = connection.leftover.split().to_vec();
    while !received.ends_with(READY) {
        let read = connection.stream.read_buf(&mut received).await.expect("the connection holds");
        assert_ne!(read, 0, "the server closed the connection");
    }
    received
}

fn contains(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_log_in_does_what_the_operator_said() {
    let fixture = Fixture::start();
    let check = async |settings: UpstreamSettings, expected: Result<(), &str>| {
        let case = format!("{settings:?}");
        match (connect(settings).await, expected) {
            (Ok(mut connection), Ok(())) => {
                assert!(contains(&query(&mut connection, "select 'a' || 'live'").await, "alive"), "{case}");
            }
            (Err(error), Err(expected)) => assert_eq!(error.to_string(), expected, "{case}"),
            (outcome, expected) => panic!("{outcome:?} instead of {expected:?}: {case}"),
        }
    };
    let not_allowed = "asks for MD5 authentication, which is not allowed for it";
    let refused = "refused the connection with SQLSTATE 28000";
    let weak = |settings, weak_authentication| UpstreamSettings { weak_authentication, ..settings };

    check(fixture.plain("scram"), Ok(())).await;
    check(fixture.tls("scram"), Ok(())).await;
    check(UpstreamSettings { host: "localhost".to_owned(), ..fixture.tls("scram") }, Ok(())).await;
    check(fixture.tls("tls_only"), Ok(())).await;
    check(fixture.plain("tls_only"), Err(refused)).await;
    check(fixture.plain("hashed"), Err(not_allowed)).await;
    check(weak(fixture.plain("hashed"), MD5), Ok(())).await;
    check(weak(fixture.tls("hashed"), MD5), Ok(())).await;
    let nothing = "asks for no authentication, which is not allowed for it";
    check(fixture.plain("trusted"), Err(nothing)).await;
    check(weak(fixture.plain("trusted"), MD5), Err(nothing)).await;
    check(weak(fixture.plain("trusted"), TRUST), Ok(())).await;
    let cleartext = "asks for cleartext password authentication, which is not allowed for it";
    check(weak(fixture.tls("clear"), WeakAuthentication { md5: true, trust: true }), Err(cleartext)).await;

    let with = |password| UpstreamSettings { password, ..fixture.plain("scram") };
    check(with(Some(fixture.secret("wrong"))), Err("refused the connection with SQLSTATE 28P01")).await;
    check(with(Some(fixture.secret("missing"))), Err("the password cannot be read")).await;
    check(with(None), Err("asks for a password and none is configured")).await;
    let nowhere = UpstreamSettings { database: "nowhere".to_owned(), ..fixture.plain("scram") };
    check(nowhere, Err("refused the connection with SQLSTATE 3D000")).await;
    check(fixture.plain("full"), Err("refused the connection with SQLSTATE 53300")).await;

    let ca = fixture.dir.path().join("stranger.pem");
    let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    std::fs::write(&ca, issued.cert.pem()).expect("a file");
    let untrusted = UpstreamSettings { tls: UpstreamTls::Verify { ca: Some(ca) }, ..fixture.plain("scram") };
    check(untrusted, Err("the TLS handshake failed")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_reported_is_kept() {
    let fixture = Fixture::start();
    let mut connection = connect(fixture.tls("scram")).await.expect("a good log-in");
    let parameter = |wanted: &str| {
        connection.parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    };
    assert_eq!(parameter("application_name"), Some("grille test"));
    assert_eq!(parameter("server_encoding"), Some("UTF8"));
    assert!(parameter("server_version").is_some());
    let tls =
        query(&mut connection, "select 'tls ' || ssl from pg_stat_ssl where pid = pg_backend_pid()").await;
    assert!(contains(&tls, "tls true"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_request_ends_what_runs_and_nothing_else() {
    let fixture = Fixture::start();
    for settings in [fixture.plain("scram"), fixture.tls("tls_only")] {
        let user = settings.user.clone();
        let mut connection = connect(settings).await.expect("a good log-in");
        let cancel = connection.cancel.clone();
        assert!(!format!("{connection:?}").contains("secret"));
        let running = tokio::spawn(async move {
            let answer = query(&mut connection, "select pg_sleep(600)").await;
            (answer, connection)
        });
        let sleeping = format!(
            "select count(*) from pg_stat_activity where usename = '{user}' and query like '%pg_sleep%' \
             and state = 'active'"
        );
        wait::until("the statement to run", wait::PATIENCE, || {
            Ok((fixture.server.sql_admin("postgres", &sleeping)? == "1").then_some(()))
        })
        .expect("it runs");
        cancel.send().await.expect("the request is taken");
        let (answer, mut connection) = running.await.expect("no panic");
        assert!(contains(&answer, "C57014\0"), "{answer:?}");
        assert!(contains(&query(&mut connection, "select 'a' || 'live'").await, "alive"));
    }
}
