//! `grille plugin test`: the vectors, inputs that are hostile, and random ones.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use grille_plugin::{Detector, FailureEvent, FieldInfo, Masker, Plugin, PluginFailure, Vector, World};
use serde::Serialize;
use serde_json::json;

use super::check::{Problem, failed};
use super::fuzz::{self, Random};
use super::hostile::{actions, cells};
use super::runtime::{Asker, Runtime, exchange};
use super::text::counted;
use super::{Report, Verdict};
use crate::cli::plugin::Examine;
use crate::failure::Failure;

/// How often an input is tried that took too long: a machine that is busy with something else is no defect of the plugin.
const TRIES: usize = 3;

#[derive(Serialize)]
struct Tested {
    file: PathBuf,
    vectors: usize,
    vectors_failed: Vec<Problem>,
    hostile: Vec<Case>,
}

/// A hostile input, and what became of it.
#[derive(Serialize)]
struct Case {
    input: &'static str,
    /// None if the plugin survived.
    failure: Option<String>,
}

pub(super) fn test(command: Examine) -> Result<Report, Failure> {
    let subject = Runtime::start()?.load(&command.subject)?;
    let vectors = Vector::of(subject.component.metadata()).map_err(anyhow::Error::from)?;
    let plugin = subject.configure(&json!({}))?;
    let tested = Tested {
        file: subject.file,
        vectors: vectors.len(),
        vectors_failed: failed(&plugin, &vectors),
        hostile: hostile(&plugin).into_iter().chain([random(&plugin, subject.component.digest())]).collect(),
    };
    Report::of(&tested, command.output, tested.verdict())
}

fn hostile(plugin: &Arc<Plugin>) -> Vec<Case> {
    match plugin.world() {
        World::Policy => {
            let judged = actions().into_iter().map(|(input, words)| {
                let decide = || plugin.decide_words(&exchange(Asker::default()), &words).map(drop);
                Case::of(input, in_time(decide))
            });
            judged.collect()
        }
        World::Detector | World::Masker => {
            let shown = cells()
                .into_iter()
                .map(|cells| Case::of(cells.name, in_time(|| show(plugin, &mut cells.block()))));
            shown.collect()
        }
    }
}

/// Random inputs, up to the first that it does not survive.
fn random(plugin: &Arc<Plugin>, digest: &str) -> Case {
    let mut random = Random::of(digest);
    let failure = (1..=fuzz::INPUTS).find_map(|number| {
        let result = match plugin.world() {
            World::Policy => {
                let words = random.action();
                in_time(|| plugin.decide_words(&exchange(Asker::default()), &words).map(drop))
            }
            World::Detector | World::Masker => {
                let block = random.block();
                in_time(|| show(plugin, &mut block.clone()))
            }
        };
        let failure = Case::of("", result).failure?;
        Some(format!("{failure} (at input {number}, the same each time with this build)"))
    });
    Case { input: "random inputs", failure }
}

/// Tries again what exceeded its deadline.
fn in_time(mut work: impl FnMut() -> Result<(), PluginFailure>) -> Result<(), PluginFailure> {
    let is_late = |result: &Result<(), PluginFailure>| {
        matches!(result, Err(PluginFailure { event: FailureEvent::Deadline, .. }))
    };
    let mut result = work();
    for _ in 1..TRIES {
        if is_late(&result) {
            result = work();
        }
    }
    result
}

/// Gives a block to a detector or masker, without its gate: what it would keep back does no harm either.
fn show(plugin: &Arc<Plugin>, block: &mut grille_core::untrusted::CellBlock) -> Result<(), PluginFailure> {
    let (context, fields) = (exchange(Asker::default()), [FieldInfo::default()]);
    match plugin.world() {
        World::Masker => Masker::begin(plugin, &context, &fields)?.mask(block).map(drop),
        World::Detector | World::Policy => {
            Detector::begin(plugin, &context, &fields)?.inspect(block).map(drop)
        }
    }
}

impl Case {
    /// A plugin may refuse in its own words; everything else that goes wrong is a defect.
    fn of(input: &'static str, result: Result<(), PluginFailure>) -> Self {
        let failure = match result {
            Ok(()) | Err(PluginFailure { event: FailureEvent::Refused(_), .. }) => None,
            Err(failure) => Some(failure.event.to_string()),
        };
        Self { input, failure }
    }
}

impl Tested {
    fn verdict(&self) -> Verdict {
        let survived = self.hostile.iter().all(|case| case.failure.is_none());
        if survived && self.vectors_failed.is_empty() { Verdict::Good } else { Verdict::Bad }
    }
}

impl fmt::Display for Tested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.vectors_failed {
            writeln!(f, "{problem}")?;
        }
        let mut failures = 0;
        for case in &self.hostile {
            if let Some(failure) = &case.failure {
                failures += 1;
                writeln!(f, "error: given {}, it {failure}", case.input)?;
            }
        }
        let (vectors, hostile) =
            (counted(self.vectors, "vector"), counted(self.hostile.len(), "hostile input"));
        writeln!(f, "{vectors}, {} failed; {hostile}, {failures} failed", self.vectors_failed.len())
    }
}
