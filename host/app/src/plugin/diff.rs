//! `grille plugin diff`: what would change if one version of a plugin took the place of another.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::sync::Arc;

use anyhow::Context;
use grille_plugin::{Plugin, Vector, World};
use serde::Serialize;
use serde_json::{Value, json};

use super::run::{Judgement, judge};
use super::runtime::{Asker, Runtime, Subject, exchange};
use super::text::{counted, grouped, shown};
use super::{Report, Verdict};
use crate::cli::plugin as cli;
use crate::failure::Failure;

/// What differs. Lists are empty where nothing does.
#[derive(Serialize)]
struct Difference {
    old: Version,
    new: Version,
    /// Capabilities that only the new one asks for: an operator must grant them anew.
    asks_for_more: Vec<String>,
    asks_for_less: Vec<String>,
    labels_added: Vec<String>,
    labels_removed: Vec<String>,
    settings_changed: Vec<String>,
    /// How many vectors and statements both were given.
    compared: usize,
    answers: Vec<Changed>,
}

#[derive(Serialize)]
struct Version {
    id: String,
    version: String,
    digest: String,
    size: usize,
}

/// An input that the two answer differently.
#[derive(Serialize)]
struct Changed {
    input: String,
    old: String,
    new: String,
}

pub(super) fn diff(command: cli::Diff) -> Result<Report, Failure> {
    let runtime = Runtime::start()?;
    let (old, new) = (runtime.load(&command.old)?, runtime.load(&command.new)?);
    let (old_world, new_world) = (old.component.world(), new.component.world());
    if old_world != new_world {
        let message = format!("a {old_world} and a {new_world} cannot be compared");
        return Err(Failure::Usage(anyhow::anyhow!(message)));
    }
    let (mut compared, mut answers) = vectors(&old, &new)?;
    if let Some(path) = &command.statements {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let (count, changed) = statements(&old, &new, &text)?;
        compared += count;
        answers.extend(changed);
    }
    let difference = Difference::of(&old, &new, compared, answers);
    Report::of(&difference, command.output, Verdict::Good)
}

impl Difference {
    fn of(old: &Subject, new: &Subject, compared: usize, answers: Vec<Changed>) -> Self {
        let imports = |subject: &Subject| {
            let imports = subject.component.imports().iter();
            imports.map(|capability| capability.as_str().to_owned()).collect::<BTreeSet<_>>()
        };
        let labels = |subject: &Subject| {
            let labels = &subject.component.metadata().labels;
            labels.iter().map(|label| label.name.clone()).collect::<BTreeSet<_>>()
        };
        let only =
            |one: &BTreeSet<String>, other: &BTreeSet<String>| one.difference(other).cloned().collect();
        Self {
            old: Version::of(old),
            new: Version::of(new),
            asks_for_more: only(&imports(new), &imports(old)),
            asks_for_less: only(&imports(old), &imports(new)),
            labels_added: only(&labels(new), &labels(old)),
            labels_removed: only(&labels(old), &labels(new)),
            settings_changed: settings_changed(old, new),
            compared,
            answers,
        }
    }
}

impl Version {
    fn of(subject: &Subject) -> Self {
        let metadata = subject.component.metadata();
        let (id, version) = (metadata.id.clone(), metadata.version.clone());
        Self { id, version, digest: subject.component.digest().to_owned(), size: subject.size }
    }
}

/// Settings that are new, gone or described otherwise, and `(rules)` where what holds of all of them changed.
fn settings_changed(old: &Subject, new: &Subject) -> Vec<String> {
    let schema = |subject: &Subject| subject.component.metadata().settings_schema.clone();
    let (mut old, mut new) = (schema(old), schema(new));
    let (before, after) = (properties(&mut old), properties(&mut new));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differs = |name: &&&String| before.get(**name) != after.get(**name);
    let mut changed: Vec<String> = names.iter().filter(differs).map(|name| (**name).clone()).collect();
    if old != new {
        changed.push("(rules)".to_owned());
    }
    changed
}

/// Takes the properties out of a schema.
fn properties(schema: &mut Value) -> BTreeMap<String, Value> {
    let taken = schema.as_object_mut().and_then(|schema| schema.remove("properties"));
    match taken {
        Some(Value::Object(properties)) => properties.into_iter().collect(),
        Some(_) | None => BTreeMap::new(),
    }
}

/// The vectors of both, given to both.
fn vectors(old: &Subject, new: &Subject) -> Result<(usize, Vec<Changed>), Failure> {
    let mut vectors = Vector::of(old.component.metadata()).map_err(anyhow::Error::from)?;
    for vector in Vector::of(new.component.metadata()).map_err(anyhow::Error::from)? {
        if !vectors.contains(&vector) {
            vectors.push(vector);
        }
    }
    let (old, new) = (old.configure(&json!({}))?, new.configure(&json!({}))?);
    let answer = |vector: &Vector, plugin: &Arc<Plugin>| match vector.run(plugin) {
        Ok(answer) => shown(&answer),
        Err(failure) => format!("failure: {}", failure.event),
    };
    let changed = vectors.iter().filter_map(|vector| {
        Changed::between(vector.to_string(), answer(vector, &old), answer(vector, &new))
    });
    Ok((vectors.len(), changed.collect()))
}

fn statements(old: &Subject, new: &Subject, text: &str) -> Result<(usize, Vec<Changed>), Failure> {
    if old.component.world() != World::Policy {
        return Err(Failure::Usage(anyhow::anyhow!(
            "--statements is for policies; this plugin looks at values"
        )));
    }
    let (old, new) = (old.configure(&json!({}))?, new.configure(&json!({}))?);
    let context = exchange(Asker::default());
    let (old, new) = (judge(&old, &context, text)?, judge(&new, &context, text)?);
    let changed = old
        .iter()
        .zip(&new)
        .filter_map(|(old, new)| Changed::between(shown(&old.statement), answer(old), answer(new)));
    Ok((old.len(), changed.collect()))
}

/// A judgement in one line; reasons count, for clients read them.
fn answer(judgement: &Judgement) -> String {
    let parts = judgement.reasons.iter().chain(&judgement.obligations);
    let parts: Vec<&str> = std::iter::once(judgement.verdict).chain(parts.map(String::as_str)).collect();
    shown(&parts.join("; "))
}

impl Changed {
    fn between(input: String, old: String, new: String) -> Option<Self> {
        (old != new).then_some(Self { input, old, new })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (sign, version) in [("-", &self.old), ("+", &self.new)] {
            let Version { id, version, digest, size } = version;
            writeln!(f, "{sign} {id} {version}, {} bytes, sha256:{digest}", grouped(*size))?;
        }
        for (what, names) in [
            ("asks for more", &self.asks_for_more),
            ("asks for less", &self.asks_for_less),
            ("finds more", &self.labels_added),
            ("finds less", &self.labels_removed),
            ("settings changed", &self.settings_changed),
        ] {
            if !names.is_empty() {
                let names: Vec<String> = names.iter().map(|name| shown(name)).collect();
                writeln!(f, "{what}: {}", names.join(", "))?;
            }
        }
        for Changed { input, old, new } in &self.answers {
            writeln!(f, "{input}\n  - {old}\n  + {new}")?;
        }
        writeln!(f, "{} compared, {} answered otherwise", counted(self.compared, "input"), self.answers.len())
    }
}
