//! What a plugin says of itself in the custom section `grille:metadata`: JSON, read without running anything.

use std::collections::HashSet;

use grille_core::{Gate, Label};
use serde::Deserialize;

use crate::World;
use crate::capability::{Capability, listed};
use crate::gate::GateSet;
use crate::limits::{LABELS_MAX, METADATA_BYTES_MAX};
use crate::untrusted::clean_text;

/// The format this version reads.
const FORMAT: u32 = 1;

/// Longest id, version and label name, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// Longest description, in bytes.
const DESCRIPTION_BYTES_MAX: usize = 1000;

/// Longest reason for a capability, in bytes.
const REASON_BYTES_MAX: usize = 300;

/// Most header words of one label, for and against each.
const HEADERS_MAX: usize = 256;

/// Most gates of one label.
const GATES_MAX: usize = 16;

/// A plugin's description of itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// The version of this format: 1.
    format: u32,
    /// What its author calls it: `grille/pii`.
    pub id: String,
    /// Its author's version number.
    pub version: String,
    /// What it is for; the component's exports must agree.
    pub world: World,
    /// One or two sentences.
    #[serde(default)]
    pub description: String,
    /// The lowest version of Grille it runs on: `0.1`, `0.1.2`. Without one any that reads this format.
    #[serde(default)]
    pub host: Option<String>,
    /// What it asks for, and why. It may ask for more than it imports, not for less.
    #[serde(default)]
    pub capabilities: Vec<CapabilityRequest>,
    /// What a detector may find; the index is WIT's `finding.label`.
    #[serde(default)]
    pub labels: Vec<Label>,
    /// JSON Schema of the settings. Without one there are none.
    #[serde(default = "no_settings")]
    pub settings_schema: serde_json::Value,
    /// Inputs with the expected outputs, for `grille plugin test`.
    #[serde(default)]
    pub vectors: Vec<serde_json::Value>,
}

/// A capability that a plugin asks for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapabilityRequest {
    /// One of [`Capability`]'s words.
    pub name: String,
    /// Why, for the operator who is to grant it: one sentence of at most 300 bytes.
    pub reason: String,
}

fn no_settings() -> serde_json::Value {
    serde_json::json!({ "type": "object", "additionalProperties": false })
}

/// What is wrong with a plugin's metadata: its author's fault.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// Larger than 1 MiB.
    #[error("it is larger than 1 MiB")]
    TooLarge,
    /// Not the JSON it should be.
    #[error("{0}")]
    Json(String),
    /// A later format.
    #[error("its format is {0}; this version of Grille reads format 1")]
    Format(u32),
    /// A name that is empty, long or of odd characters.
    #[error("`{0}` is not a name: 1 to 64 of A-Z, a-z, 0-9 and . _ - / +")]
    Name(String),
    /// A text too long.
    #[error("its description is longer than 1000 bytes")]
    Description,
    /// The component exports another world.
    #[error("it says {says}, but the component is a {is}")]
    World {
        /// What the metadata says.
        says: World,
        /// What the component exports.
        is: World,
    },
    /// It needs a later Grille.
    #[error("it needs Grille {needs} or later; this is {is}")]
    Host {
        /// What it needs.
        needs: String,
        /// What this is.
        is: &'static str,
    },
    /// A version that is none.
    #[error("`{0}` is no version of Grille: write two or three numbers, such as 0.1")]
    HostVersion(String),
    /// A capability that there is not, or not for its world.
    #[error("`{name}` is not a capability of a {world}; those are [{}]", listed(capabilities_of(*.world)))]
    Capability {
        /// What it asks for.
        name: String,
        /// What it is.
        world: World,
    },
    /// A capability that is asked for twice.
    #[error("capability {0} is there twice")]
    RepeatedCapability(Capability),
    /// A reason that is missing or no single line.
    #[error("capability {0}: the reason must be one line of 1 to 300 bytes")]
    Reason(Capability),
    /// Labels where there can be none, or none where there must be.
    #[error("a detector has 1 to 256 labels and other plugins have none; this {world} has {count}")]
    Labels {
        /// What the plugin is.
        world: World,
        /// How many it has.
        count: usize,
    },
    /// Two labels of one name.
    #[error("label {0} is there twice")]
    Repeated(String),
    /// A chance that is none.
    #[error("label {0}: chance_pass must be above 0 and at most 1")]
    ChancePass(String),
    /// Too many header words or gates.
    #[error("label {0}: more than 256 header words or 16 gates")]
    TooMany(String),
    /// A gate that cannot be tested, or that nothing can pass.
    #[error("label {label}: {reason}")]
    Gate {
        /// Which label.
        label: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// More different `any_of` sets than are tested.
    #[error("its gates have more than 62 different any_of sets")]
    GateSets,
}

impl Metadata {
    /// Reads and checks the section's content.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(crate) fn parse(json: &[u8], world: World) -> Result<Self, MetadataError> {
        if json.len() > METADATA_BYTES_MAX {
            return Err(MetadataError::TooLarge);
        }
        let metadata: Self = serde_json::from_slice(json)
            .map_err(|error| MetadataError::Json(clean_text(&error.to_string(), 300)))?;
        metadata.check(world)?;
        Ok(metadata)
    }

    fn check(&self, world: World) -> Result<(), MetadataError> {
        if self.format != FORMAT {
            return Err(MetadataError::Format(self.format));
        }
        // First of all: what is wrong with the rest may be right in a later version.
        self.check_host()?;
        check_name(&self.id)?;
        check_name(&self.version)?;
        if self.description.len() > DESCRIPTION_BYTES_MAX {
            return Err(MetadataError::Description);
        }
        if self.world != world {
            return Err(MetadataError::World { says: self.world, is: world });
        }
        self.check_capabilities()?;
        self.check_labels()
    }

    /// Why it asks for a capability, if it does.
    pub fn reason(&self, capability: Capability) -> Option<&str> {
        let request = self.capabilities.iter().find(|request| request.name == capability.as_str())?;
        Some(&request.reason)
    }

    fn check_host(&self) -> Result<(), MetadataError> {
        let Some(needs) = &self.host else { return Ok(()) };
        let is = env!("CARGO_PKG_VERSION");
        match (version(needs), version(is)) {
            (Some(lowest), Some(ours)) if lowest <= ours => Ok(()),
            (Some(_), _) => Err(MetadataError::Host { needs: needs.clone(), is }),
            (None, _) => Err(MetadataError::HostVersion(clean_text(needs, NAME_BYTES_MAX))),
        }
    }

    fn check_capabilities(&self) -> Result<(), MetadataError> {
        let mut seen = HashSet::new();
        for CapabilityRequest { name, reason } in &self.capabilities {
            let capability = Capability::from_word(name)
                .filter(|capability| capability.world() == self.world)
                .ok_or_else(|| MetadataError::Capability {
                    name: clean_text(name, NAME_BYTES_MAX),
                    world: self.world,
                })?;
            if !seen.insert(capability) {
                return Err(MetadataError::RepeatedCapability(capability));
            }
            if reason.trim().is_empty() || clean_text(reason, REASON_BYTES_MAX) != *reason {
                return Err(MetadataError::Reason(capability));
            }
        }
        Ok(())
    }

    fn check_labels(&self) -> Result<(), MetadataError> {
        let expected = match self.world {
            World::Detector => 1..=LABELS_MAX,
            World::Policy | World::Masker => 0..=0,
        };
        if !expected.contains(&self.labels.len()) {
            return Err(MetadataError::Labels { world: self.world, count: self.labels.len() });
        }
        let mut names = HashSet::new();
        for label in &self.labels {
            check_label(label)?;
            if !names.insert(&label.name) {
                return Err(MetadataError::Repeated(label.name.clone()));
            }
        }
        GateSet::new(&self.labels).map(drop).ok_or(MetadataError::GateSets)
    }
}

fn capabilities_of(world: World) -> impl Iterator<Item = Capability> {
    Capability::ALL.into_iter().filter(move |capability| capability.world() == world)
}

/// Two or three numbers with dots between them; the third is 0 where it is left out.
fn version(text: &str) -> Option<[u32; 3]> {
    let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?;
    match text.split('.').collect::<Vec<_>>()[..] {
        [major, minor] => Some([number(major)?, number(minor)?, 0]),
        [major, minor, patch] => Some([number(major)?, number(minor)?, number(patch)?]),
        _ => None,
    }
}

fn check_name(name: &str) -> Result<(), MetadataError> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/+".contains(&byte);
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(known) {
        return Ok(());
    }
    Err(MetadataError::Name(clean_text(name, NAME_BYTES_MAX)))
}

fn check_label(label: &Label) -> Result<(), MetadataError> {
    check_name(&label.name)?;
    if !(label.chance_pass > 0.0 && label.chance_pass <= 1.0) {
        return Err(MetadataError::ChancePass(label.name.clone()));
    }
    let headers_max = label.headers.len().max(label.headers_against.len());
    if headers_max > HEADERS_MAX || label.gates.len() > GATES_MAX {
        return Err(MetadataError::TooMany(label.name.clone()));
    }
    label.gates.iter().try_for_each(|gate| {
        check_gate(gate).map_err(|reason| MetadataError::Gate { label: label.name.clone(), reason })
    })
}

fn check_gate(gate: &Gate) -> Result<(), &'static str> {
    if !gate.any_of.bytes().all(|byte| byte.is_ascii()) {
        return Err("any_of has characters that are not ASCII");
    }
    // Such a gate opens for no text of a sensible size, so the detector would never be asked.
    if gate.bytes_min.max(gate.digits_min).max(gate.letters_min) > GATE_MIN_MAX {
        return Err("a gate asks for more than 1024 bytes, digits or letters");
    }
    Ok(())
}

/// The most a gate may ask for: the shortest private key in PEM has some 200 bytes.
const GATE_MIN_MAX: u32 = 1024;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn detector() -> Value {
        json!({
            "format": 1, "id": "grille/pii", "version": "0.1.0", "world": "detector",
            "labels": [{"name": "EMAIL_ADDRESS", "evidence": "alone", "chance_pass": 0.01, "gates": [{"any_of": "@"}]}],
        })
    }

    fn parse(json: &Value) -> Result<Metadata, MetadataError> {
        Metadata::parse(json.to_string().as_bytes(), World::Detector)
    }

    #[test]
    fn good_metadata_is_read() {
        let metadata = parse(&detector()).expect("it is good");
        assert_eq!((metadata.id.as_str(), metadata.labels.len()), ("grille/pii", 1));
        assert!((metadata.labels[0].chance_pass - 0.01).abs() < f64::EPSILON);
    }

    #[test]
    fn bad_metadata_is_refused() {
        let check = |pointer: &str, value: Value, expected: &str| {
            let mut json = detector();
            *json.pointer_mut(pointer).expect("the pointer names something") = value;
            let error = parse(&json).map(|_| ()).expect_err(pointer).to_string();
            assert!(error.contains(expected), "{pointer}: {error}");
        };
        check("/format", json!(2), "format is 2");
        check("/id", json!(""), "is not a name");
        check("/id", json!("a\u{1b}b"), "is not a name");
        check("/version", json!("x".repeat(65)), "is not a name");
        check("/world", json!("policy"), "it says policy, but the component is a detector");
        check("/world", json!("adapter"), "unknown variant");
        check("/labels", json!([]), "has 0");
        check("/labels/0/name", json!("E MAIL"), "is not a name");
        check("/labels/0/chance_pass", json!(0), "chance_pass");
        check("/labels/0/chance_pass", json!(1.5), "chance_pass");
        check("/labels/0/evidence", json!("perhaps"), "unknown variant");
        check("/labels/0/gates/0", json!({"any_of": "é"}), "not ASCII");
        check("/labels/0/gates/0", json!({"digits_min": 5000}), "1024");
        check("/labels/0/gates/0", json!({"digits": 5}), "unknown field");
        let label = detector()["labels"][0].clone();
        check("/labels", json!([label, label]), "twice");
    }

    fn policy(host: Value, capabilities: Value) -> Result<Metadata, String> {
        let json = json!({
            "format": 1, "id": "a/b", "version": "1", "world": "policy", "host": host, "capabilities": capabilities,
        });
        Metadata::parse(json.to_string().as_bytes(), World::Policy).map_err(|error| error.to_string())
    }

    #[test]
    fn a_later_host_is_waited_for() {
        let check = |host: &str, expected: Option<&str>| {
            let error = policy(json!(host), json!([])).err();
            let told = error.as_deref().unwrap_or("accepted");
            assert!(expected.map_or(error.is_none(), |expected| told.contains(expected)), "{host}: {told}");
        };
        check("0.0", None);
        check("0.1", None);
        check(env!("CARGO_PKG_VERSION"), None);
        check("0.1.999", Some("needs Grille 0.1.999 or later"));
        check("99.0", Some("needs Grille 99.0 or later"));
        for wrong in ["", "1", "0.1.0.0", "0.x", "+0.1", "0.1-rc1", "99999999999.0", " 0.1"] {
            check(wrong, Some("no version of Grille"));
        }
    }

    #[test]
    fn capabilities_have_reasons() {
        let clock = || json!({"name": "clock", "reason": "office hours"});
        let metadata = policy(Value::Null, json!([clock()])).expect("it is good");
        assert_eq!(metadata.reason(Capability::Clock), Some("office hours"));
        assert_eq!(metadata.reason(Capability::State), None);
        let check = |capabilities: Value, expected: &str| {
            let error = policy(Value::Null, capabilities).expect_err(expected);
            assert!(error.contains(expected), "{error}");
        };
        check(json!([clock(), clock()]), "twice");
        check(json!([{"name": "random", "reason": "r"}]), "`random` is not a capability of a policy");
        check(
            json!([{"name": "keyed", "reason": "r"}]),
            "those are [\"log\", \"clock\", \"state\", \"egress\"]",
        );
        check(json!([{"name": "clock", "reason": " "}]), "one line");
        check(json!([{"name": "clock", "reason": "a\nb"}]), "one line");
        check(json!([{"name": "clock", "reason": "x".repeat(301)}]), "one line");
        check(json!([{"name": "clock"}]), "missing field");
    }

    #[test]
    fn what_is_no_json_or_too_large_is_refused() {
        let check = |bytes: &[u8]| assert!(Metadata::parse(bytes, World::Detector).is_err());
        check(b"");
        check(b"{");
        check(b"\xff");
        check(&vec![b'['; 100_000]);
        check(&vec![b' '; METADATA_BYTES_MAX + 1]);
    }
}
