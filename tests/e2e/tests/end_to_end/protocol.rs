//! The wire protocol from its edges: encryption requests, versions, cancelling, half-closed connections, messages that are
//! not supported or not known, and bytes that come where none should.

use std::sync::LazyLock;

use grille_e2e::raw::{
    GSSENC_REQUEST, PROTOCOL_3_0, SSL_REQUEST, error, message, query, startup, tags, text,
};
use grille_e2e::{Raw, Stage};
use grille_harness::{Endpoint, sample, wait};
use tokio_postgres::AsyncMessage;
use tokio_postgres::error::SqlState;

static STAGE: LazyLock<Stage> = LazyLock::new(|| Stage::standard("").expect("the stage is set"));

/// A connection without TLS, before anything is sent.
fn raw() -> anyhow::Result<Raw> {
    Raw::connect(STAGE.grille.plaintext_port())
}

/// One that is logged in.
fn session() -> anyhow::Result<Raw> {
    let mut raw = raw()?;
    raw.log_in(sample::DATABASE, &STAGE.engineer()?.password)?;
    Ok(raw)
}

/// Checks that the server ends the connection, with `state` as its last words if it has any.
fn ends(mut raw: Raw, state: &str) -> anyhow::Result<()> {
    let messages = raw.until_closed()?;
    let last = error(&messages)?;
    assert_eq!(
        (last.field('C').as_deref(), last.field('S').as_deref()),
        (Some(state), Some("FATAL")),
        "{last:?}"
    );
    Ok(())
}

#[test]
fn encryption_is_negotiated() -> anyhow::Result<()> {
    let token = STAGE.engineer()?.password;
    let mut raw = Raw::connect(STAGE.grille.port())?;
    raw.send(&GSSENC_REQUEST)?;
    assert_eq!(raw.byte()?, Some(b'N'));
    raw.send(&SSL_REQUEST)?;
    assert_eq!(raw.byte()?, Some(b'S'));
    let mut encrypted = raw.start_tls(STAGE.grille.ca(), b"")?;
    encrypted.log_in(sample::DATABASE, &token)?;
    assert_eq!(tags(&encrypted.query("SELECT 1")?), "TDCZ");
    Ok(())
}

#[test]
fn direct_tls_needs_its_protocol_name() -> anyhow::Result<()> {
    let token = STAGE.engineer()?.password;
    let mut direct = Raw::connect(STAGE.grille.port())?.start_tls(STAGE.grille.ca(), b"postgresql")?;
    direct.log_in(sample::DATABASE, &token)?;
    assert_eq!(tags(&direct.query("SELECT 1")?), "TDCZ");

    for alpn in [&b""[..], b"http/1.1"] {
        let served = Raw::connect(STAGE.grille.port())?
            .start_tls(STAGE.grille.ca(), alpn)
            .and_then(|mut stranger| stranger.log_in(sample::DATABASE, &token));
        assert!(served.is_err(), "{alpn:?}");
    }
    Ok(())
}

#[test]
fn tls_is_required_where_the_listener_says_so() -> anyhow::Result<()> {
    let mut raw = Raw::connect(STAGE.grille.port())?;
    raw.send(&startup(PROTOCOL_3_0, &[("user", "raw"), ("database", sample::DATABASE)]))?;
    let messages = raw.until_closed()?;
    assert!(error(&messages)?.text().contains("TLS is required"), "{messages:?}");
    assert_eq!(tags(&messages), "E", "a password was asked for in the clear");

    let plain = Endpoint { ca: None, port: STAGE.grille.plaintext_port(), ..STAGE.engineer()? };
    assert_eq!(plain.psql_strict("SELECT 'loopback'")?.ok()?.trim(), "loopback");
    Ok(())
}

#[test]
fn bytes_stuffed_before_the_handshake_are_never_answered() -> anyhow::Result<()> {
    let stuffed = startup(PROTOCOL_3_0, &[("user", "raw"), ("database", sample::DATABASE)]);
    let mut raw = raw()?;
    raw.send(&[&SSL_REQUEST[..], &stuffed].concat())?;
    let mut heard = Vec::new();
    // A TLS alert may be heard; an authentication request may not.
    while let Ok(Some(byte)) = raw.byte() {
        heard.push(byte);
    }
    let unencrypted = heard.strip_prefix(b"S").unwrap_or(&heard);
    assert!(unencrypted.first().is_none_or(|byte| *byte == 0x15), "{heard:?}");
    Ok(())
}

#[test]
fn newer_versions_and_unknown_options_are_negotiated_down() -> anyhow::Result<()> {
    let mut raw = raw()?;
    let parameters = [("user", "raw"), ("database", sample::DATABASE), ("_pq_.unheard_of", "1")];
    raw.send(&startup((3 << 16) | 9999, &parameters))?;
    let messages = raw.until('R')?;
    assert_eq!(tags(&messages), "vR");
    assert!(messages[0].text().contains("_pq_.unheard_of"), "{messages:?}");
    raw.send(&message('p', &text(&STAGE.engineer()?.password)))?;
    raw.until('Z')?;
    assert_eq!(tags(&raw.query("SELECT 1")?), "TDCZ");
    Ok(())
}

#[test]
fn other_major_versions_are_refused() -> anyhow::Result<()> {
    for version in [2 << 16, 4 << 16] {
        let mut raw = raw()?;
        raw.send(&startup(version, &[("user", "raw")]))?;
        let messages = raw.until_closed()?;
        assert_eq!(tags(&messages), "E", "{version:#x}");
    }
    Ok(())
}

#[test]
fn replication_and_unknown_parameters_are_refused() -> anyhow::Result<()> {
    let check = |name: &str, value: &str, says: &str| {
        let mut raw = raw()?;
        raw.send(&startup(PROTOCOL_3_0, &[("user", "raw"), ("database", sample::DATABASE), (name, value)]))?;
        let messages = raw.until_closed()?;
        assert!(error(&messages)?.text().contains(says), "{name}: {messages:?}");
        anyhow::Ok(())
    };
    check("replication", "database", "replication connections are not supported")?;
    check("replication", "true", "replication connections are not supported")?;
    check("session_preload_libraries", "evil", "is not allowed")?;
    check("options", "-c session_authorization=postgres", "is not allowed")?;
    Ok(())
}

#[test]
fn messages_may_come_byte_by_byte() -> anyhow::Result<()> {
    let mut raw = raw()?;
    raw.send_slowly(&startup(PROTOCOL_3_0, &[("user", "raw"), ("database", sample::DATABASE)]))?;
    raw.until('R')?;
    raw.send_slowly(&message('p', &text(&STAGE.engineer()?.password)))?;
    raw.until('Z')?;
    raw.send_slowly(&query("SELECT 1"))?;
    assert_eq!(tags(&raw.until('Z')?), "TDCZ");
    Ok(())
}

#[test]
fn an_unknown_message_ends_the_session() -> anyhow::Result<()> {
    for tag in ['z', '\0', 'R', 'p'] {
        let mut raw = session()?;
        raw.send(&message(tag, b"whatever\0"))?;
        ends(raw, "08P01")?;
    }
    Ok(())
}

#[test]
fn impossible_lengths_end_the_session() -> anyhow::Result<()> {
    for length in [0_u32, 3, u32::MAX, i32::MAX as u32] {
        let mut raw = session()?;
        raw.send(&[&b"Q"[..], &length.to_be_bytes()].concat())?;
        let messages = raw.until_closed()?;
        let last = error(&messages)?;
        assert!(matches!(last.field('C').as_deref(), Some("08P01" | "54000")), "{length}: {last:?}");
    }
    Ok(())
}

#[test]
fn malformed_messages_end_the_session() -> anyhow::Result<()> {
    for (tag, body) in [
        ('Q', &b"SELECT 1"[..]),
        ('F', b"\0\0\x03\xb8\0"),
        ('P', b"\0SELECT 1"),
        ('B', b"\0\0\0\x05"),
        ('E', b"\0"),
        ('D', b"X\0"),
    ] {
        let mut raw = session()?;
        raw.send(&message(tag, body))?;
        let messages = raw.until_closed()?;
        assert_eq!(error(&messages)?.field('C').as_deref(), Some("08P01"), "{tag}: {messages:?}");
    }
    Ok(())
}

#[test]
fn calls_of_unknown_functions_are_refused() -> anyhow::Result<()> {
    let mut raw = session()?;
    raw.send(&message('F', &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]))?;
    let refused = raw.until('Z')?;
    assert_eq!(error(&refused)?.field('C').as_deref(), Some("0A000"));
    assert_eq!(tags(&raw.query("SELECT 1")?), "TDCZ");
    Ok(())
}

#[test]
fn a_half_closed_connection_still_gets_its_answer() -> anyhow::Result<()> {
    let mut raw = session()?;
    raw.send(&query("SELECT pg_sleep(0.2), 'late'"))?;
    raw.half_close()?;
    let messages = raw.until_closed()?;
    assert!(
        messages.iter().any(|message| message.tag == 'D' && message.text().contains("late")),
        "{messages:?}"
    );
    Ok(())
}

#[test]
fn empty_and_repeated_syncs_are_answered() -> anyhow::Result<()> {
    let mut raw = session()?;
    let sync = message('S', &[]);
    raw.send(&[sync.clone(), sync.clone(), query(""), sync].concat())?;
    let answers: String =
        (0..4).map(|_| raw.until('Z').map(|answer| tags(&answer))).collect::<Result<_, _>>()?;
    assert_eq!(answers, "ZZIZZ");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_works_with_our_own_keys() -> anyhow::Result<()> {
    let client =
        Endpoint { ca: None, port: STAGE.grille.plaintext_port(), ..STAGE.engineer()? }.connect().await?;
    let cancel = client.cancel_token();
    let running = tokio::spawn(async move {
        let error = client.batch_execute("SELECT pg_sleep(600)").await.expect_err("it is cancelled");
        (client, error)
    });
    tokio::task::block_in_place(|| {
        wait::until("the statement to run", wait::PATIENCE, || {
            let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND state = 'active'";
            Ok((STAGE.postgres.sql_admin("postgres", sleeping)? == "1").then_some(()))
        })
    })?;
    cancel.cancel_query(tokio_postgres::NoTls).await?;
    let (client, error) = running.await?;
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED), "{error}");
    client.batch_execute("SELECT 1").await?;
    Ok(())
}

#[test]
fn a_cancel_request_with_made_up_keys_is_silence() -> anyhow::Result<()> {
    let mut raw = raw()?;
    raw.send(&[&[0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e][..], &[0, 0, 0, 1, 0, 0, 0, 2]].concat())?;
    assert_eq!(raw.until_closed()?, []);
    Ok(())
}

#[tokio::test]
async fn notifications_arrive() -> anyhow::Result<()> {
    let (listener, mut messages) = STAGE.engineer()?.connect_with_messages().await?;
    listener.batch_execute("LISTEN news").await?;
    STAGE.engineer()?.connect().await?.batch_execute("NOTIFY news, 'fresh'").await?;
    let arrived = tokio::time::timeout(wait::PATIENCE, messages.recv()).await?;
    let Some(AsyncMessage::Notification(notification)) = arrived else { anyhow::bail!("{arrived:?}") };
    assert_eq!((notification.channel(), notification.payload()), ("news", "fresh"));
    Ok(())
}

#[test]
fn session_state_is_the_clients_own() -> anyhow::Result<()> {
    let script = "SET application_name TO 'mine';\nSHOW application_name;\nCREATE TEMP TABLE t AS SELECT 1 AS n;\n\
                  BEGIN;\nDECLARE c CURSOR FOR SELECT n FROM generate_series(1, 3) n;\nFETCH 2 FROM c;\nCOMMIT;\n\
                  PREPARE p AS SELECT $1::int * 2;\nEXECUTE p(21);\nSELECT n FROM t;";
    let said = STAGE.engineer()?.psql_strict(script)?.ok()?;
    assert_eq!(said.lines().collect::<Vec<_>>(), ["mine", "1", "2", "42", "1"]);
    Ok(())
}

#[test]
fn every_kind_of_error_leaves_the_session_usable() -> anyhow::Result<()> {
    let check = |statement: &str, state: &str| {
        let ran = STAGE.engineer()?.psql(&format!("{statement};\nSELECT 'alive';"))?;
        assert!(ran.stderr.contains(state), "{statement}: {}", ran.said());
        assert_eq!(ran.stdout.trim(), "alive", "{statement}");
        anyhow::Ok(())
    };
    check("SELEKT 1", "42601")?;
    check("SELECT 1/0", "22012")?;
    check("SELECT * FROM nowhere", "42P01")?;
    check("EXECUTE unheard_of", "26000")?;
    Ok(())
}
