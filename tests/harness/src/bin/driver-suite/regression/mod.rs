//! PostgreSQL's own regression queries: the files of `src/test/regress` in the order of its schedule, one after the other
//! through psql, on a new server each time. What they print through Grille is compared with what they print directly, byte
//! for byte but for what two direct runs print differently.
//!
//! The functions in C that some of the queries use are not built; these queries fail, with and without Grille.

mod outputs;
mod server;
mod source;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use crate::comparison::{self, OK, Outcomes, Verdict};
use crate::drivers;
use crate::unrestricted::Unrestricted;
use outputs::{Likeness, Outputs};
use server::RegressionServer;

const PART: &str = "regression";

/// Runs them all.
pub(crate) fn run() -> anyhow::Result<Verdict> {
    let source = source::folder()?;
    let tests = schedule(&fs::read_to_string(source.join("parallel_schedule"))?);
    let results = drivers::results(PART)?;
    let (first, second) = thread::scope(|scope| {
        let second = scope.spawn(|| run_directly(&source, &tests, &results.join("direct-again")));
        let first = run_directly(&source, &tests, &results.join("direct"));
        (first, second.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the second direct run panicked"))))
    });
    let (first, second) = (first?, second?);
    let through = run_through_grille(&source, &tests, &results.join("grille"))?;
    println!(
        "direct: {} of {} files print what their authors expect",
        first.as_authored(&source),
        tests.len()
    );
    println!("outputs: {}", results.display());
    let direct = outcomes(&tests, |test| stability(test, &first, &second));
    let governed = outcomes(&tests, |test| first.likeness(&second, &through, test));
    Ok(comparison::compare(&direct, &governed, &drivers::expected(PART)?))
}

fn run_directly(source: &Path, tests: &[String], results: &Path) -> anyhow::Result<Outputs> {
    let server = RegressionServer::start(source)?;
    server.run(tests, results, || Ok(server.direct().clone()))
}

fn run_through_grille(source: &Path, tests: &[String], results: &Path) -> anyhow::Result<Outputs> {
    let server = RegressionServer::start(source)?;
    let grille = Unrestricted::start(server.direct(), &[])?;
    server.run(tests, results, || grille.endpoint())
}

/// A file whose two direct outputs cannot be laid beside each other says nothing of Grille.
fn stability(test: &str, first: &Outputs, second: &Outputs) -> Likeness {
    match first.likeness(second, second, test) {
        Likeness::Same => Likeness::Same,
        Likeness::Differs { .. } | Likeness::Missing => Likeness::Missing,
    }
}

fn outcomes(tests: &[String], likeness: impl Fn(&str) -> Likeness) -> Outcomes {
    let outcome = |test: &String| match likeness(test) {
        Likeness::Same => OK.to_owned(),
        Likeness::Differs { lines } => format!("differs in {lines} lines"),
        Likeness::Missing => "failed".to_owned(),
    };
    tests.iter().map(|test| (test.clone(), outcome(test))).collect()
}

/// The files in the order of the schedule: `test: NAME…` on each line that counts.
fn schedule(text: &str) -> Vec<String> {
    let groups = text.lines().filter_map(|line| line.strip_prefix("test:"));
    groups.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

/// The file of a test's queries.
fn queries(source: &Path, test: &str) -> PathBuf {
    source.join("sql").join(format!("{test}.sql"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_names_groups_of_files() {
        let text = "# a comment\ntest: test_setup\n\nignore: random\ntest: boolean char\n";
        assert_eq!(schedule(text), ["test_setup", "boolean", "char"]);
    }
}
