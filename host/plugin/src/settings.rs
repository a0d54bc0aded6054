//! An operator's settings for a plugin: checked against the plugin's schema, brought into one form, hashed.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::capability::{Capability, listed};
use crate::failure::PluginFailure;
use crate::limits::SETTINGS_BYTES_MAX;
use crate::untrusted::clean_text;

/// A plugin cannot be configured.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// The settings are not what the plugin takes: the operator's fault.
    #[error("settings: {}", join(.0))]
    Settings(Vec<SettingsProblem>),
    /// The settings are larger than 1 MiB.
    #[error("settings: larger than 1 MiB")]
    TooLarge,
    /// It asks for what the operator does not give it.
    #[error(
        "it asks for what it is not granted: {}; if it shall have that, write grants = [{}]",
        asked(.missing), listed(.wanted.iter().copied())
    )]
    NotGranted {
        /// What it asks for without a grant, with the reasons its author gives.
        missing: Vec<(Capability, String)>,
        /// All it asks for.
        wanted: Vec<Capability>,
    },
    /// It is granted what this Grille cannot give.
    #[error("it needs `{0}`, for which this Grille has no {service}", service = service(*.0))]
    Unavailable(Capability),
    /// The plugin failed while it was configured.
    #[error(transparent)]
    Failed(#[from] PluginFailure),
}

/// One thing that is wrong with settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsProblem {
    /// Where: a JSON pointer (RFC 6901); empty for the settings as a whole.
    pub pointer: String,
    /// What.
    pub message: String,
}

fn asked(missing: &[(Capability, String)]) -> String {
    let asked: Vec<String> =
        missing.iter().map(|(capability, reason)| format!("`{capability}` ({reason})")).collect();
    asked.join(", ")
}

fn service(capability: Capability) -> &'static str {
    match capability {
        Capability::Keyed => "key: it is read from [keys] token when Grille starts",
        Capability::Egress => "way out",
        Capability::Log | Capability::Clock | Capability::State => "service",
    }
}

fn join(problems: &[SettingsProblem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| match problem.pointer.as_str() {
            "" => problem.message.clone(),
            pointer => format!("{pointer}: {}", problem.message),
        })
        .collect();
    lines.join("; ")
}

/// Most problems that are reported at once.
const PROBLEMS_MAX: usize = 32;

/// Longest message and pointer of a problem, in bytes.
const MESSAGE_BYTES_MAX: usize = 300;

impl SettingsProblem {
    /// Problems in the plugin's own words.
    pub(crate) fn of_guest(diagnostics: Vec<(String, String)>) -> Vec<Self> {
        let problem = |(pointer, message): (String, String)| Self {
            pointer: clean_text(&pointer, MESSAGE_BYTES_MAX),
            message: clean_text(&message, MESSAGE_BYTES_MAX),
        };
        diagnostics.into_iter().take(PROBLEMS_MAX).map(problem).collect()
    }
}

/// A plugin's JSON Schema, compiled. It comes from the plugin: references to other documents are not followed, and
/// patterns are matched in linear time.
pub(crate) struct SettingsSchema {
    validator: jsonschema::Validator,
}

impl SettingsSchema {
    pub(crate) fn new(schema: &Value) -> Result<Self, String> {
        let patterns = jsonschema::PatternOptions::regex().size_limit(PATTERN_BYTES_MAX);
        let validator = jsonschema::options()
            .with_pattern_options(patterns)
            .build(schema)
            .map_err(|error| clean_text(&error.to_string(), MESSAGE_BYTES_MAX))?;
        Ok(Self { validator })
    }

    /// Checks settings; messages name values by their place, for a value may be a secret.
    pub(crate) fn check(&self, settings: &Value) -> Result<(), ConfigureError> {
        let problems: Vec<SettingsProblem> = self
            .validator
            .iter_errors(settings)
            .take(PROBLEMS_MAX)
            .map(|error| SettingsProblem {
                pointer: error.instance_path().to_string(),
                message: clean_text(&error.masked().to_string(), MESSAGE_BYTES_MAX),
            })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(ConfigureError::Settings(problems)) }
    }
}

/// Most memory of one compiled pattern of a schema, in bytes.
const PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// Settings in one form, and its hash: what the plugin is given is what the audit record names.
#[derive(Clone)]
pub struct CanonicalSettings {
    pub(crate) json: String,
    pub(crate) digest: String,
}

impl CanonicalSettings {
    /// Puts settings into their one form. Absent settings are an empty object.
    ///
    /// # Errors
    /// When they are larger than 1 MiB.
    pub fn new(settings: &Value) -> Result<Self, ConfigureError> {
        let mut json = String::new();
        write_canonical(settings, &mut json);
        if json.len() > SETTINGS_BYTES_MAX {
            return Err(ConfigureError::TooLarge);
        }
        let digest = hex(&Sha256::digest(&json));
        Ok(Self { json, digest })
    }

    /// Compact JSON with the members of objects sorted by name.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// SHA-256 of that, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

/// Compact JSON with the members of objects sorted by name. Numbers stay as they were written.
fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort();
            write_list(out, ['{', '}'], names, |name, out| {
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write_canonical(&members[name], out);
            });
        }
        Value::Array(items) => write_list(out, ['[', ']'], items, write_canonical),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&value.to_string())
        }
    }
}

fn write_list<T>(
    out: &mut String,
    [open, close]: [char; 2],
    items: impl IntoIterator<Item = T>,
    write: impl Fn(T, &mut String),
) {
    out.push(open);
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(close);
}

/// Bytes as lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_form_for_equal_settings() {
        let check = |text: &str, expected: &str| {
            let value: Value = serde_json::from_str(text).expect("it is JSON");
            assert_eq!(CanonicalSettings::new(&value).expect("it is small").json, expected);
        };
        check(
            r#" { "b" : [ 1, {"d":null, "c":"é\n"} ], "a" : 1.50 } "#,
            r#"{"a":1.50,"b":[1,{"c":"é\n","d":null}]}"#,
        );
        check("{}", "{}");
        check("[]", "[]");
        check(r#"{"\"":true}"#, r#"{"\"":true}"#);
    }

    #[test]
    fn equal_settings_have_equal_hashes() {
        let digest = |value: Value| CanonicalSettings::new(&value).expect("it is small").digest;
        assert_eq!(digest(json!({"a": 1, "b": 2})), digest(json!({"b": 2, "a": 1})));
        assert_ne!(digest(json!({"a": 1})), digest(json!({"a": 2})));
        // printf '{}' | sha256sum
        assert_eq!(digest(json!({})), "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
    }

    fn problems(schema: &Value, settings: &Value) -> Vec<String> {
        let schema = SettingsSchema::new(schema).expect("the schema is good");
        match schema.check(settings) {
            Ok(()) => vec![],
            Err(ConfigureError::Settings(problems)) => problems.into_iter().map(|one| one.pointer).collect(),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn problems_point_at_their_place() {
        let schema = json!({
            "type": "object", "additionalProperties": false,
            "properties": {
                "count": {"type": "integer", "minimum": 1, "maximum": 10},
                "names": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}},
            },
        });
        let check = |settings: Value, expected: &[&str]| {
            assert_eq!(problems(&schema, &settings), expected, "{settings}");
        };
        check(json!({"count": 10, "names": ["a"]}), &[]);
        check(json!({"count": 0}), &["/count"]);
        check(json!({"count": 1.5}), &["/count"]);
        check(json!({"count": 11, "names": ["a", "B"]}), &["/count", "/names/1"]);
        check(json!({"other": 1}), &[""]);
        check(json!([]), &[""]);
    }

    #[test]
    fn a_message_does_not_repeat_the_value() {
        let schema =
            SettingsSchema::new(&json!({"properties": {"key": {"type": "integer"}}})).expect("it is good");
        let error = schema.check(&json!({"key": "hunter2"})).expect_err("it is no integer").to_string();
        assert!(error.contains("/key") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_schema_may_not_reach_out() {
        let check = |schema: Value| assert!(SettingsSchema::new(&schema).is_err(), "{schema}");
        check(json!({"$ref": "http://127.0.0.1:1/schema.json"}));
        check(json!({"$ref": "file:///etc/passwd"}));
        check(json!({"type": "no such type"}));
        check(json!({"pattern": "(a{1000}){1000}"}));
    }
}
