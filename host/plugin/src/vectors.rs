//! Test vectors: inputs in a plugin's metadata, with the answers that must come of them under the settings `{}`. They are run in
//! the runtime that serves exchanges, before anybody relies on the plugin.

use std::fmt;
use std::sync::Arc;

use grille_core::{Principal, PrincipalKind, RoleName, UpstreamName};
use serde::Deserialize;
use serde_json::Value;

use crate::context::{ExchangeContext, FieldInfo, SessionContext};
use crate::failure::PluginFailure;
use crate::metadata::Metadata;
use crate::plugin::{Detector, Masker, Plugin};
use crate::untrusted::{CellBlock, clean_text};
use crate::words::{ActionWords, ObjectWords};
use crate::world::World;

/// Most vectors of one plugin. Each is a call, or two.
const VECTORS_MAX: usize = 1000;

/// Longest part of an input that a message repeats, in bytes.
const INPUT_SHOWN_BYTES_MAX: usize = 80;

/// An input and the answer that must come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vector {
    input: Input,
    expected: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Input {
    Text(String),
    Action(Box<ActionWords>),
}

/// A plugin's vectors are not what they should be: its author's fault.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum VectorError {
    /// More than are run.
    #[error("it has more than {VECTORS_MAX} vectors")]
    TooMany,
    /// One of them says too little, too much or something else.
    #[error("vector {index}: {reason}")]
    Malformed {
        /// Which, from 1.
        index: usize,
        /// What is wrong.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextEntry {
    text: String,
    expect: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActionEntry {
    kind: String,
    #[serde(default)]
    effects: Vec<String>,
    #[serde(default)]
    objects: Vec<ObjectWords>,
    #[serde(default)]
    features: Vec<String>,
    #[serde(default)]
    text: String,
    expect: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FindingEntry {
    label: String,
    start: u32,
    end: u32,
}

/// The verdicts that a vector may expect.
const VERDICTS: [&str; 4] = ["allow", "deny", "hold", "rewrite"];

impl Vector {
    /// The vectors of a plugin.
    ///
    /// # Errors
    /// One of them is not what a vector of the plugin's world is, or there are too many.
    pub fn of(metadata: &Metadata) -> Result<Vec<Self>, VectorError> {
        if metadata.vectors.len() > VECTORS_MAX {
            return Err(VectorError::TooMany);
        }
        let parse = |(index, value): (usize, &Value)| {
            Self::parse(value, metadata).map_err(|reason| VectorError::Malformed {
                index: index + 1,
                reason: clean_text(&reason, 300),
            })
        };
        metadata.vectors.iter().enumerate().map(parse).collect()
    }

    fn parse(value: &Value, metadata: &Metadata) -> Result<Self, String> {
        match metadata.world {
            World::Policy => {
                let ActionEntry { kind, effects, objects, features, text, expect } = read(value)?;
                if !VERDICTS.contains(&expect.as_str()) {
                    return Err(format!("`{expect}` is no verdict; there are {}", VERDICTS.join(", ")));
                }
                let words = ActionWords { kind, effects, objects, features, text, fingerprint: 0 };
                Ok(Self { input: Input::Action(Box::new(words)), expected: expect })
            }
            World::Detector => {
                let TextEntry { text, expect } = read(value)?;
                let findings: Vec<FindingEntry> = read(&expect)?;
                let known = |label: &str| metadata.labels.iter().any(|known| known.name == label);
                if let Some(unknown) = findings.iter().find(|finding| !known(&finding.label)) {
                    return Err(format!("the label `{}` does not exist", unknown.label));
                }
                let expected = listed(findings.iter().map(|one| (one.start, one.end, one.label.as_str())));
                Ok(Self { input: Input::Text(text), expected })
            }
            World::Masker => {
                let TextEntry { text, expect } = read(value)?;
                Ok(Self { input: Input::Text(text), expected: read(&expect)? })
            }
        }
    }

    /// What must come of it.
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// What the plugin makes of it: a verdict's word, findings as `LABEL start..end`, or a new value.
    ///
    /// # Errors
    /// The plugin failed, or is of another world than the vector.
    pub fn run(&self, plugin: &Arc<Plugin>) -> Result<String, PluginFailure> {
        match (&self.input, plugin.world()) {
            (Input::Action(words), _) => {
                Ok(plugin.decide_words(&nobody(), words)?.verdict().as_str().to_owned())
            }
            (Input::Text(text), World::Masker) => {
                let mut masker = Masker::begin(plugin, &nobody(), &nameless())?;
                let values = masker.mask(&mut one_cell(text))?;
                Ok(values.value(0).unwrap_or_default().to_owned())
            }
            (Input::Text(text), World::Detector | World::Policy) => found(plugin, text),
        }
    }
}

/// As the data plane does: a text that no gate lets pass is not shown.
fn found(plugin: &Arc<Plugin>, text: &str) -> Result<String, PluginFailure> {
    let mut detector = Detector::begin(plugin, &nobody(), &nameless())?;
    let shown = if plugin.gates().passes(text.as_bytes()) { text } else { "" };
    let findings = detector.inspect(&mut one_cell(shown))?;
    let labels = &plugin.metadata().labels;
    // Findings were checked: their labels exist.
    let named = findings.iter().map(|one| (one.start, one.end, labels[one.label as usize].name.as_str()));
    Ok(listed(named))
}

fn listed<'n>(findings: impl Iterator<Item = (u32, u32, &'n str)>) -> String {
    let mut findings: Vec<_> = findings.collect();
    findings.sort_unstable();
    findings.dedup();
    let shown: Vec<String> =
        findings.iter().map(|(start, end, label)| format!("{label} {start}..{end}")).collect();
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
}

fn read<'v, T: Deserialize<'v>>(value: &'v Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error| error.to_string())
}

fn nameless() -> [FieldInfo; 1] {
    [FieldInfo { kind: "text".to_owned(), ..FieldInfo::default() }]
}

fn one_cell(text: &str) -> CellBlock {
    // Metadata has at most 1 MiB, a block 4 GiB.
    CellBlock::of_column(0, [text]).unwrap_or_default()
}

/// An exchange of nobody in particular: what a vector says must hold whoever asks.
fn nobody() -> ExchangeContext {
    let principal = Principal {
        issuer: String::new(),
        subject: String::new(),
        groups: vec![],
        kind: PrincipalKind::Human,
        token_id: None,
        expires_at: 0,
    };
    let session = SessionContext {
        protocol: "postgres",
        principal,
        role: RoleName::new(""),
        upstream: UpstreamName::new(""),
        target: String::new(),
        client: String::new(),
    };
    ExchangeContext::new(0, &Arc::new(session))
}

/// The input, cut to what fits a line.
impl fmt::Display for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.input {
            Input::Text(text) => write!(f, "{:?}", clean_text(text, INPUT_SHOWN_BYTES_MAX)),
            Input::Action(words) => {
                write!(f, "{}", clean_text(&words.kind, INPUT_SHOWN_BYTES_MAX))?;
                for object in &words.objects {
                    write!(f, " {} {}", object.access, clean_text(&object.name, INPUT_SHOWN_BYTES_MAX))?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn vectors(world: World, vectors: Value) -> Result<Vec<Vector>, VectorError> {
        let labels = match world {
            World::Detector => json!([{"name": "N", "evidence": "alone", "chance_pass": 0.5}]),
            World::Policy | World::Masker => json!([]),
        };
        let metadata = json!({"format": 1, "id": "a", "version": "1", "world": world.as_str(), "labels": labels,
            "vectors": vectors});
        Vector::of(&Metadata::parse(metadata.to_string().as_bytes(), world).expect("metadata"))
    }

    #[test]
    fn a_vector_says_what_must_come_of_it() {
        let check = |world, vector: Value, shown: &str, expected: &str| {
            let parsed = vectors(world, json!([vector])).expect("a vector");
            assert_eq!((parsed[0].to_string().as_str(), parsed[0].expected()), (shown, expected));
        };
        let finding = |start: u32| json!({"label": "N", "start": start, "end": start + 1});
        check(World::Detector, json!({"text": "a1", "expect": []}), "\"a1\"", "nothing");
        let two = json!({"text": "12", "expect": [finding(1), finding(0)]});
        check(World::Detector, two, "\"12\"", "N 0..1, N 1..2");
        check(World::Masker, json!({"text": "a", "expect": "b"}), "\"a\"", "b");
        let drop = json!({"kind": "drop", "effects": ["teleport"], "expect": "deny",
            "objects": [{"kind": "relation", "name": "t", "access": "drop"}]});
        check(World::Policy, drop, "drop drop t", "deny");
    }

    #[test]
    fn what_is_no_vector_is_refused() {
        let check = |world, vector: Value, expected: &str| {
            let error = vectors(world, json!([vector])).expect_err(expected).to_string();
            assert!(error.starts_with("vector 1: ") && error.contains(expected), "{error}");
        };
        check(World::Policy, json!({"kind": "select", "expect": "perhaps"}), "no verdict");
        check(World::Policy, json!({"text": "a", "expect": "allow"}), "missing field `kind`");
        check(World::Policy, json!({"kind": "select", "expect": "allow", "colour": 1}), "unknown field");
        check(World::Detector, json!({"text": "a"}), "missing field `expect`");
        check(World::Detector, json!({"text": "a", "expect": "N"}), "invalid type");
        let unknown = json!({"text": "a", "expect": [{"label": "M", "start": 0, "end": 1}]});
        check(World::Detector, unknown, "the label `M` does not exist");
        check(World::Masker, json!({"text": "a", "expect": []}), "invalid type");
        let many = vec![json!({"text": "a", "expect": "b"}); VECTORS_MAX + 1];
        assert_eq!(vectors(World::Masker, json!(many)), Err(VectorError::TooMany));
    }
}
