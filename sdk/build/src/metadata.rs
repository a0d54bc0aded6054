//! The metadata section's content, as the host reads it. It is transcribed, not judged: the host checks it when it loads the
//! component, so that what a label may say is defined in one place.

use serde_json::{Map, Value, json};

use crate::manifest::Manifest;

/// The custom section that carries the metadata, at the component's top level.
pub const METADATA_SECTION: &str = "grille:metadata";

/// Version of the metadata's shape.
const METADATA_FORMAT: u32 = 1;

/// The JSON of the section. Keys that say nothing are left out, so that older hosts read it too.
pub(crate) fn metadata(manifest: &Manifest) -> Value {
    let plugin = &manifest.file.plugin;
    let mut metadata = Map::new();
    let mut put = |key: &str, value: Value| _ = metadata.insert(key.to_owned(), value);
    put("format", json!(METADATA_FORMAT));
    put("id", json!(plugin.id));
    put("version", json!(plugin.version));
    put("world", json!(plugin.world.as_str()));
    put("description", json!(plugin.description));
    if let Some(host) = &plugin.host {
        put("host", json!(host));
    }
    let capabilities = manifest.capabilities();
    if !capabilities.is_empty() {
        let listed = capabilities.iter().map(|one| json!({"name": one.name, "reason": one.reason}));
        put("capabilities", listed.collect());
    }
    put("labels", json!(manifest.file.labels));
    put("settings_schema", manifest.settings_schema.clone());
    put("vectors", json!(manifest.file.vectors));
    Value::Object(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::{PLAIN, manifest};

    #[test]
    fn the_metadata_says_what_plugin_toml_says() {
        let labels = r#"
            settings = "settings.schema.json"
            [[labels]]
            name = "EXAMPLE"
            evidence = "alone"
            chance_pass = 0.01
            gates = [{ digits_min = 3, any_of = "@" }]
            [[vectors]]
            text = "example 123"
            expect = [{ label = "EXAMPLE", start = 8, end = 11 }]
        "#;
        let manifest =
            manifest(&format!("{PLAIN}{labels}"), Some(r#"{"type":"object"}"#)).expect("a manifest");
        let expected = r#"{"format":1,"id":"grille/example","version":"0.1.0","world":"detector","description":"Finds examples.","labels":[{"name":"EXAMPLE","evidence":"alone","chance_pass":0.01,"gates":[{"digits_min":3,"any_of":"@"}]}],"settings_schema":{"type":"object"},"vectors":[{"text":"example 123","expect":[{"label":"EXAMPLE","start":8,"end":11}]}]}"#;
        let expected: Value = serde_json::from_str(expected).expect("JSON");
        assert_eq!(metadata(&manifest), expected);
    }

    #[test]
    fn host_and_capabilities_are_said_where_there_are_any() {
        let text = PLAIN.replace("detector", "policy")
            + "host = \"0.1\"\n[[capabilities]]\nname = \"clock\"\nreason = \"office hours\"\n";
        let metadata = metadata(&manifest(&text, None).expect("a manifest"));
        assert_eq!(metadata["host"], "0.1");
        assert_eq!(metadata["capabilities"], json!([{"name": "clock", "reason": "office hours"}]));
    }

    #[test]
    fn a_plugin_without_a_schema_takes_no_settings() {
        let metadata = metadata(&manifest(PLAIN, None).expect("a manifest"));
        assert_eq!(metadata["settings_schema"]["additionalProperties"], Value::Bool(false));
        assert_eq!(metadata["labels"], json!([]));
        assert_eq!(metadata.get("capabilities"), None);
    }
}
