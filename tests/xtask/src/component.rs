//! What a component holds: the module, wrapped by wit-component, and the plugin's metadata as a custom section.
//!
//! Pure but for reading `plugin.toml` and the schema beside it. The metadata is transcribed, not judged: the host checks
//! it when it loads the component, so that what a label may say is defined in one place.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use wit_component::ComponentEncoder;

/// The custom section that carries the metadata, at the component's top level.
pub(crate) const METADATA_SECTION: &str = "grille:metadata";

/// Version of the metadata's shape.
const METADATA_FORMAT: u32 = 1;

/// `plugin.toml`, with the settings' schema that it names.
#[derive(Debug)]
pub(crate) struct Manifest {
    file: ManifestFile,
    settings_schema: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestFile {
    plugin: PluginTable,
    /// `Label` of grille-core; a finding's label is an index into this list.
    #[serde(default)]
    labels: Vec<Value>,
    /// Inputs with the answer expected of the plugin.
    #[serde(default)]
    vectors: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PluginTable {
    id: String,
    version: String,
    world: World,
    description: String,
    /// The settings' JSON Schema, relative to `plugin.toml`. A plugin without one takes no settings.
    settings: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum World {
    Detector,
    Masker,
    Policy,
}

impl World {
    fn as_str(self) -> &'static str {
        match self {
            Self::Detector => "detector",
            Self::Masker => "masker",
            Self::Policy => "policy",
        }
    }
}

impl Manifest {
    /// Reads `plugin.toml` and the schema it names.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let file: ManifestFile = toml::from_str(&text).with_context(|| path.display().to_string())?;
        let settings_schema = match &file.plugin.settings {
            Some(schema) => read_schema(&path.with_file_name(schema))?,
            None => json!({"type": "object", "additionalProperties": false}),
        };
        Ok(Self { file, settings_schema })
    }

    /// The metadata as the host reads it.
    fn metadata(&self) -> Value {
        let plugin = &self.file.plugin;
        json!({
            "format": METADATA_FORMAT,
            "id": plugin.id,
            "version": plugin.version,
            "world": plugin.world.as_str(),
            "description": plugin.description,
            "labels": self.file.labels,
            "settings_schema": self.settings_schema,
            "vectors": self.file.vectors,
        })
    }
}

fn read_schema(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let schema: Value = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    ensure!(schema.is_object(), "{} is not a JSON object", path.display());
    Ok(schema)
}

/// Turns a module, which carries its world in custom sections of wit-bindgen's, into a component with metadata.
pub(crate) fn encode(module: &[u8], manifest: &Manifest) -> Result<Vec<u8>> {
    let mut component = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.encode())
        .context("the module is no component: does the crate export its plugin with the SDK's macro?")?;
    append_custom_section(&mut component, METADATA_SECTION, manifest.metadata().to_string().as_bytes());
    Ok(component)
}

/// Appends a custom section: id 0, size, name, contents (WebAssembly core specification 5.5.3; components have the same).
fn append_custom_section(component: &mut Vec<u8>, name: &str, contents: &[u8]) {
    let mut body = leb128(name.len());
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(contents);
    component.push(0);
    component.extend(leb128(body.len()));
    component.extend(body);
}

/// An unsigned integer in LEB128 (WebAssembly core specification 5.2.2).
fn leb128(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(text: &str, schema: Option<&str>) -> Result<Manifest> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("plugin.toml"), text).expect("a file");
        if let Some(schema) = schema {
            fs::write(folder.path().join("settings.schema.json"), schema).expect("a file");
        }
        Manifest::read(&folder.path().join("plugin.toml"))
    }

    const PLAIN: &str = r#"
        [plugin]
        id = "grille/example"
        version = "0.1.0"
        world = "detector"
        description = "Finds examples."
    "#;

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
        let same: Value = serde_json::from_str(expected).expect("JSON");
        assert_eq!(manifest.metadata(), same);
    }

    #[test]
    fn a_plugin_without_a_schema_takes_no_settings() {
        let metadata = manifest(PLAIN, None).expect("a manifest").metadata();
        assert_eq!(metadata["settings_schema"]["additionalProperties"], Value::Bool(false));
        assert_eq!(metadata["labels"], json!([]));
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let with_schema = format!("{PLAIN}settings = \"settings.schema.json\"\n");
        for (text, schema, expected) in [
            ("", None, "missing field `plugin`"),
            (&PLAIN.replace("detector", "oracle"), None, "unknown variant `oracle`"),
            (&format!("{PLAIN}colour = \"red\""), None, "unknown field `colour`"),
            (&format!("{PLAIN}[[lables]]\nname = \"X\""), None, "unknown field `lables`"),
            (&with_schema, None, "cannot read"),
            (&with_schema, Some("[]"), "is not a JSON object"),
            (&with_schema, Some("{"), "EOF while parsing"),
        ] {
            let error = format!("{:#}", manifest(text, schema).expect_err(expected));
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }

    #[test]
    fn a_module_without_a_world_is_refused() {
        let manifest = manifest(PLAIN, None).expect("a manifest");
        for module in [&b""[..], b"not wasm", b"\0asm\x01\0\0"] {
            encode(module, &manifest).expect_err("not a module");
        }
    }

    #[test]
    fn a_custom_section_is_appended() {
        let mut component = b"\0asm\x0d\0\x01\0".to_vec();
        append_custom_section(&mut component, "n", &[7; 200]);
        assert_eq!(component[8..13], [0, 0xca, 0x01, 1, b'n']);
        assert_eq!(component.len(), 8 + 3 + 202);
    }

    #[test]
    fn integers_are_leb128() {
        for (value, expected) in
            [(0, &[0][..]), (127, &[0x7f]), (128, &[0x80, 1]), (624_485, &[0xe5, 0x8e, 0x26])]
        {
            assert_eq!(leb128(value), expected, "{value}");
        }
    }
}
