//! Real clients, each run twice: against PostgreSQL itself and through Grille, and compared item by item. Fails when an
//! item fails through Grille that does not fail directly, unless the list `tests/drivers/PART/expected` says why it must;
//! and when an item named there does not fail any more.
//!
//! `driver-suite [PART…]`: the parts to run, by default all of them. What a part is, is in the modules.
#![forbid(unsafe_code)]

mod comparison;
mod drivers;
mod own_tests;
mod programs;
mod regression;
mod unrestricted;

use std::process::ExitCode;

use comparison::Verdict;

/// Runs a part directly and through Grille.
type Run = fn() -> anyhow::Result<Verdict>;

/// Everything that can be run, the quick ones first.
const PARTS: [(&str, Run); 7] = [
    ("jdbc", || programs::run(&programs::JDBC)),
    ("psql", || programs::run(&programs::PSQL)),
    ("sqlalchemy", || programs::run(&programs::SQLALCHEMY)),
    ("django", || programs::run(&programs::DJANGO)),
    ("psycopg2", || own_tests::run(&own_tests::PSYCOPG2)),
    ("asyncpg", || own_tests::run(&own_tests::ASYNCPG)),
    ("regression", regression::run),
];

fn main() -> anyhow::Result<ExitCode> {
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = chosen.iter().find(|name| PARTS.iter().all(|(part, _)| part != name)) {
        let parts: Vec<&str> = PARTS.iter().map(|(part, _)| *part).collect();
        anyhow::bail!("there is no part {unknown}; there are {}", parts.join(", "));
    }
    let mut failures = 0;
    for (part, run) in PARTS {
        if chosen.is_empty() || chosen.iter().any(|name| name == part) {
            failures += run()?.report(part);
        }
    }
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
