//! The databases that the legs ask.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;
use grille_harness::{PostgresOptions, PostgresServer, postgres};

/// The database, its owner, and the owner's password.
pub(crate) const DATABASE: &str = "bench";
/// See [`DATABASE`].
pub(crate) const PASSWORD: &str = "bench";
/// The database of many tables.
pub(crate) const WIDE: &str = "wide";
/// Rows of the streaming legs, 100 bytes each.
pub(crate) const ROWS: u32 = 1_000_000;

/// A server with `big` (clean rows), `people` (an e-mail address in each), `orders` and `customers` (the statement of 109
/// bytes), `sink` (for COPY FROM), and pgbench's tables.
pub(crate) fn start() -> anyhow::Result<PostgresServer> {
    let settings = [
        ("log_statement", "none"),
        ("log_connections", "off"),
        ("log_disconnections", "off"),
        ("synchronize_seqscans", "off"),
        ("max_connections", "2200"),
        ("shared_buffers", "512MB"),
    ];
    let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let server = PostgresServer::start(&PostgresOptions { settings, ..PostgresOptions::default() })?;
    let owner = format!("CREATE ROLE {DATABASE} LOGIN SUPERUSER PASSWORD '{PASSWORD}'");
    server.sql_admin("postgres", &owner)?;
    server.sql_admin("postgres", &format!("CREATE DATABASE {DATABASE} OWNER {DATABASE}"))?;
    let load = format!(
        "SET ROLE {DATABASE};
         CREATE TABLE big AS SELECT rpad(i::text, 100, 'x') AS v FROM generate_series(1, {ROWS}) i;
         CREATE TABLE people AS SELECT i AS id, rpad('user' || i, 88, 'x') || '@example.com' AS email
           FROM generate_series(1, {ROWS}) i;
         CREATE TABLE customers AS SELECT i AS id, 'customer ' || i AS name, true AS active
           FROM generate_series(1, 1000) i;
         CREATE TABLE orders AS SELECT i AS id, i % 1000 + 1 AS customer, 9.99 AS total
           FROM generate_series(1, 50000) i;
         ALTER TABLE customers ADD PRIMARY KEY (id);
         ALTER TABLE orders ADD PRIMARY KEY (id);
         CREATE UNLOGGED TABLE sink (v text);"
    );
    server.sql_admin(DATABASE, &load)?;
    server.sql_admin(DATABASE, "VACUUM ANALYZE")?;
    let pgbench = client(&server, "pgbench")?.args(["-q", "-i", "-s", "10"]).output()?;
    ensure!(pgbench.status.success(), "pgbench -i: {}", String::from_utf8_lossy(&pgbench.stderr));
    Ok(server)
}

/// The rows of `big`, as COPY FROM takes them.
pub(crate) fn copy_file(server: &PostgresServer, folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join("big.copy");
    let file = std::fs::File::create(&path)?;
    let copied = client(server, "psql")?.args(["-Xqc", "COPY big TO STDOUT"]).stdout(file).status()?;
    ensure!(copied.success(), "the rows cannot be copied");
    Ok(path)
}

/// A database of 10,000 tables of 20 columns, each with a primary key.
pub(crate) fn load_wide(server: &PostgresServer) -> anyhow::Result<()> {
    server.sql_admin("postgres", &format!("CREATE DATABASE {WIDE} OWNER {DATABASE}"))?;
    // Each in a transaction of its own: one would need a lock for each table.
    let load =
        "SELECT format('CREATE TABLE t%s (id int, %s)', t, string_agg(format('column_%s text', c), ', '))
                  FROM generate_series(1, 10000) t, generate_series(2, 20) c GROUP BY t \\gexec";
    server.sql_admin(WIDE, load)?;
    server.sql_admin(WIDE, "ANALYZE pg_catalog.pg_attribute").map(drop)
}

/// One of PostgreSQL's clients, connected to [`DATABASE`].
fn client(server: &PostgresServer, name: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(postgres::program(name)?);
    command
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", server.port().to_string())
        .env("PGUSER", DATABASE)
        .env("PGPASSWORD", PASSWORD)
        .env("PGDATABASE", DATABASE);
    Ok(command)
}
