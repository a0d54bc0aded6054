//! `grille plugin check`: what is wrong with a component, and what an operator will ask about.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use grille_plugin::{Plugin, Vector, World};
use serde::Serialize;
use serde_json::json;

use super::runtime::{Runtime, Subject};
use super::text::{counted, grouped, shown};
use super::{Report, Verdict};
use crate::cli::plugin::Examine;
use crate::failure::Failure;

/// From how many bytes on loading is noticed: machine code takes seconds to make, and a few times the space.
const LARGE_BYTES: usize = 30 << 20;

#[derive(Serialize)]
struct Checked {
    file: PathBuf,
    id: String,
    version: String,
    world: &'static str,
    size: usize,
    digest: String,
    vectors: usize,
    problems: Vec<Problem>,
}

/// Something that is wrong, or worth a look.
#[derive(Serialize)]
pub(super) struct Problem {
    severity: Severity,
    message: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Error,
    Warning,
}

pub(super) fn check(command: Examine) -> Result<Report, Failure> {
    let subject = Runtime::start()?.load(&command.subject)?;
    let mut problems = advice(&subject);
    let vectors = run_vectors(&subject, &mut problems);
    let metadata = subject.component.metadata();
    let checked = Checked {
        id: metadata.id.clone(),
        version: metadata.version.clone(),
        world: subject.component.world().as_str(),
        size: subject.size,
        digest: subject.component.digest().to_owned(),
        vectors,
        file: subject.file,
        problems,
    };
    Report::of(&checked, command.output, checked.verdict())
}

/// What can be said without running it.
fn advice(subject: &Subject) -> Vec<Problem> {
    let metadata = subject.component.metadata();
    let mut advice = Vec::new();
    if metadata.vectors.is_empty() {
        advice.push(Problem::warning("it has no [[vectors]]: nobody can tell whether it does what it says"));
    }
    if metadata.description.trim().is_empty() {
        advice.push(Problem::warning("it has no description"));
    }
    for label in metadata.labels.iter().filter(|label| label.gates.is_empty()) {
        let message =
            format!("label {} has no gate, so every text of every result is given to it", shown(&label.name));
        advice.push(Problem::warning(message));
    }
    if subject.size > LARGE_BYTES {
        let message = format!("it has {} bytes: loading it takes many seconds", grouped(subject.size));
        advice.push(Problem::warning(message));
    }
    for unused in subject.component.unused_capabilities() {
        let message = format!("it declares the capability `{unused}` and does not import it: leave it out");
        advice.push(Problem::warning(message));
    }
    advice
}

/// How many vectors were run.
fn run_vectors(subject: &Subject, problems: &mut Vec<Problem>) -> usize {
    let vectors = match Vector::of(subject.component.metadata()) {
        Ok(vectors) => vectors,
        Err(error) => {
            problems.push(Problem::error(error.to_string()));
            return 0;
        }
    };
    match subject.try_configure(&json!({})) {
        Ok(plugin) => {
            problems.extend(failed(&plugin, &vectors));
            vectors.len()
        }
        Err(wrong) => {
            let told = wrong
                .into_iter()
                .map(|one| Problem::error(format!("it cannot do with the settings {{}}: {one}")));
            problems.extend(told);
            0
        }
    }
}

/// The vectors that do not hold.
pub(super) fn failed(plugin: &Arc<Plugin>, vectors: &[Vector]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, vector) in vectors.iter().enumerate() {
        let wrong = match vector.run(plugin) {
            Ok(answer) if answer == vector.expected() => continue,
            Ok(answer) => format!("{} came of it", quoted(plugin.world(), &answer)),
            Err(failure) => failure.event.to_string(),
        };
        let expected = quoted(plugin.world(), vector.expected());
        problems
            .push(Problem::error(format!("vector {}, {vector}: expected {expected}; {wrong}", index + 1)));
    }
    problems
}

fn quoted(world: World, answer: &str) -> String {
    match world {
        World::Masker => format!("{:?}", shown(answer)),
        World::Policy | World::Detector => shown(answer),
    }
}

impl Problem {
    fn error(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into() }
    }

    fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, message: message.into() }
    }
}

impl Checked {
    fn verdict(&self) -> Verdict {
        let has_errors = self.problems.iter().any(|problem| problem.severity == Severity::Error);
        if has_errors { Verdict::Bad } else { Verdict::Good }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", self.message)
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, version, world, size, digest, vectors, .. } = self;
        writeln!(f, "{id} {version}, a {world}, {} bytes, sha256:{digest}", grouped(*size))?;
        for problem in &self.problems {
            writeln!(f, "{problem}")?;
        }
        match self.verdict() {
            Verdict::Good => writeln!(f, "it can be loaded; {} hold", counted(*vectors, "vector")),
            Verdict::Bad | Verdict::Different => writeln!(f, "it should not be loaded like this"),
        }
    }
}
