//! The byte-by-byte client against PostgreSQL itself: what the protocol tests take for granted about it.

use grille_e2e::Raw;
use grille_e2e::raw::{SSL_REQUEST, error, extended, query, sync, tags};
use grille_harness::{PostgresOptions, PostgresServer};

#[test]
fn it_speaks_to_postgresql_as_the_tests_expect() -> anyhow::Result<()> {
    let hba = vec!["host all in_the_clear 127.0.0.1/32 password".to_owned()];
    let server = PostgresServer::start(&PostgresOptions { hba, ..PostgresOptions::default() })?;
    server.sql_admin("postgres", "CREATE ROLE raw; CREATE ROLE in_the_clear LOGIN PASSWORD 'pass'")?;

    let mut raw = Raw::connect(server.port())?;
    raw.send(&SSL_REQUEST)?;
    assert_eq!(raw.byte()?, Some(b'S'));
    let mut raw = raw.start_tls(server.ca(), b"")?;
    raw.log_in_as("in_the_clear", "postgres", "pass")?;

    assert_eq!(tags(&raw.query("SELECT 1")?), "TDCZ");
    assert_eq!(error(&raw.query("SELEKT")?)?.field('C').as_deref(), Some("42601"));
    raw.send(&[query("SELECT 1"), query("SELECT 1/0"), query("SELECT 2")].concat())?;
    assert_eq!(tags(&raw.until('Z')?), "TDCZ");
    assert_eq!(tags(&raw.until('Z')?), "EZ");
    assert_eq!(tags(&raw.until('Z')?), "TDCZ");
    raw.send(&[extended("SELECT 1"), extended("SELECT 1/0"), extended("SELECT 2"), sync(), sync()].concat())?;
    assert_eq!(tags(&raw.until('Z')?), "12DC1EZ");
    assert_eq!(tags(&raw.until('Z')?), "Z");
    raw.send_slowly(&query("SELECT 1"))?;
    assert_eq!(tags(&raw.until('Z')?), "TDCZ");
    raw.send(&query("SELECT 'late'"))?;
    raw.half_close()?;
    assert_eq!(tags(&raw.until_closed()?), "TDCZ");
    Ok(())
}
