//! Test vectors: inputs in a plugin's metadata, with the answers that must come of them under the settings `{}`. They are run in
//! the runtime that serves exchanges, before anybody relies on the plugin.

use std::fmt;
use std::sync::Arc;

use grille_core::{Principal, PrincipalKind, RoleName, UpstreamName};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::capability::Capability;
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
    /// When it is, in milliseconds since the Unix epoch, for a plugin that reads the clock.
    at_ms: Option<u64>,
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
    at: Option<String>,
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
                let ActionEntry { at, kind, effects, objects, features, text, expect } = read(value)?;
                if !VERDICTS.contains(&expect.as_str()) {
                    return Err(format!("`{expect}` is no verdict; there are {}", VERDICTS.join(", ")));
                }
                let at_ms = at.map(|at| unix_ms(&at)).transpose()?;
                let words = ActionWords { kind, effects, objects, features, text, fingerprint: 0 };
                let vector = Self { input: Input::Action(Box::new(words)), at_ms, expected: expect };
                vector.has_its_time(metadata)
            }
            World::Detector => {
                let TextEntry { text, expect } = read(value)?;
                let findings: Vec<FindingEntry> = read(&expect)?;
                let known = |label: &str| metadata.labels.iter().any(|known| known.name == label);
                if let Some(unknown) = findings.iter().find(|finding| !known(&finding.label)) {
                    return Err(format!("the label `{}` does not exist", unknown.label));
                }
                let expected = listed(findings.iter().map(|one| (one.start, one.end, one.label.as_str())));
                Ok(Self { input: Input::Text(text), at_ms: None, expected })
            }
            World::Masker => {
                let TextEntry { text, expect } = read(value)?;
                Ok(Self { input: Input::Text(text), at_ms: None, expected: read(&expect)? })
            }
        }
    }

    /// What holds today need not hold tomorrow: where a plugin may read the clock, each vector says what it shows.
    fn has_its_time(self, metadata: &Metadata) -> Result<Self, String> {
        let clock = Capability::Clock.as_str();
        let reads_clock = metadata.capabilities.iter().any(|asked| asked.name == clock);
        if reads_clock && self.at_ms.is_none() {
            return Err(format!("the plugin asks for `{clock}`: say at what time it holds, {AT_EXAMPLE}"));
        }
        Ok(self)
    }

    /// What must come of it.
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// What the plugin makes of it: a verdict's word, findings as `LABEL start..end`, or a new value. The clock shows the vector's
    /// time.
    ///
    /// # Errors
    /// The plugin failed, or is of another world than the vector.
    pub fn run(&self, plugin: &Arc<Plugin>) -> Result<String, PluginFailure> {
        match (&self.input, plugin.world()) {
            (Input::Action(words), _) => {
                let context = self.at_ms.map_or_else(nobody, |at_ms| nobody().at(at_ms));
                Ok(plugin.decide_words(&context, words)?.verdict().as_str().to_owned())
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

/// What a message shows of how a time is written.
const AT_EXAMPLE: &str = "as in at = \"2026-11-23T10:00:00Z\"";

/// RFC 3339 in UTC: so short that the SDKs' tests can read it, too, without a library.
fn unix_ms(at: &str) -> Result<u64, String> {
    let time: Option<Timestamp> = if at.ends_with('Z') { at.parse().ok() } else { None };
    let ms = time.and_then(|time| u64::try_from(time.as_millisecond()).ok());
    ms.ok_or_else(|| format!("`{at}` is no time in UTC from 1970 on, {AT_EXAMPLE}"))
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
                let at = self.at_ms.and_then(|ms| Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok());
                if let Some(at) = at {
                    write!(f, "{at} ")?;
                }
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
        vectors_of(world, json!([]), vectors)
    }

    fn vectors_of(world: World, capabilities: Value, vectors: Value) -> Result<Vec<Vector>, VectorError> {
        let labels = match world {
            World::Detector => json!([{"name": "N", "evidence": "alone", "chance_pass": 0.5}]),
            World::Policy | World::Masker => json!([]),
        };
        let metadata = json!({"format": 1, "id": "a", "version": "1", "world": world.as_str(), "labels": labels,
            "capabilities": capabilities, "vectors": vectors});
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
    fn where_there_is_a_clock_a_vector_has_its_time() {
        let clock = json!([{"name": "clock", "reason": "office hours"}]);
        let check = |at: Value, expected: Result<&str, &str>| {
            let mut vector = json!({"kind": "select", "expect": "allow", "at": at});
            if at.is_null() {
                vector.as_object_mut().expect("an object").remove("at");
            }
            let parsed = vectors_of(World::Policy, clock.clone(), json!([vector]));
            match (parsed, expected) {
                (Ok(vectors), Ok(shown)) => assert_eq!(vectors[0].to_string(), shown),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (found, _) => panic!("{at}: {found:?}, not {expected:?}"),
            }
        };
        check(json!("2026-11-23T10:00:00Z"), Ok("2026-11-23T10:00:00Z select"));
        check(Value::Null, Err("say at what time it holds, as in at = \"2026-11-23T10:00:00Z\""));
        check(json!("2026-11-23T10:00:00+01:00"), Err("no time in UTC"));
        check(json!("2026-02-30T10:00:00Z"), Err("no time in UTC"));
        check(json!("1969-12-31T23:59:59Z"), Err("no time in UTC"));
        check(json!(""), Err("no time in UTC"));
        check(json!(7), Err("invalid type"));
        let elsewhere = json!({"text": "a", "expect": "b", "at": "2026-11-23T10:00:00Z"});
        let error = vectors(World::Masker, json!([elsewhere])).expect_err("maskers have no clock");
        assert!(error.to_string().contains("unknown field"), "{error}");
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
