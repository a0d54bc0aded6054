//! A private PostgreSQL with sample data, an OpenID Connect issuer, and Grille between them and the client, with both plugins and
//! a slot for one more.
//!
//! `demo` prints the psql line to try and waits for ctrl-c. `demo --check` runs the story without a person: a line for
//! each step, and exit code 0 only if each was seen. `demo --tutorial [LANGUAGE…]` follows docs/tutorials/first-plugin.md.
#![forbid(unsafe_code)]

mod live;
mod page;
mod stage;
mod story;
mod tutorial;

use std::io::IsTerminal;
use std::process::ExitCode;

use grille_harness::Endpoint;

use crate::stage::Stage;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let stage = Stage::set()?;
    match arguments.split_first() {
        Some((option, [])) if option == "--check" => stage.check(),
        Some((option, languages)) if option == "--tutorial" => tutorial::follow(&stage, languages),
        Some(_) => anyhow::bail!("demo [--check | --tutorial [LANGUAGE…]]"),
        None => {
            invite(&stage)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Tells a person what to try, and waits.
fn invite(stage: &Stage) -> anyhow::Result<()> {
    let Endpoint { port, database, user, password, .. } = &stage.client;
    let ca = stage.grille.ca().display();
    println!("Grille is in front of a PostgreSQL with sample data. Try:\n");
    println!(
        "  PGPASSWORD={password} psql \"host=127.0.0.1 port={port} dbname={database} user={user} \
         sslmode=verify-full sslrootcert={ca}\"\n"
    );
    println!("  SELECT name, email, card, ssn FROM customers LIMIT 5;");
    println!("  DROP TABLE customers;");
    println!("  DELETE FROM orders;\n");
    println!("A policy of yours in its place `mine`, while it runs (docs/tutorials/first-plugin.md):\n");
    println!("  grille plugin dev DIR --config {} --as mine\n", stage.grille.config().display());
    println!("Audit records: {}", stage.grille.audit_directory().display());
    if std::io::stdout().is_terminal() {
        println!("Ctrl-c ends it.");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(tokio::signal::ctrl_c())?)
}
