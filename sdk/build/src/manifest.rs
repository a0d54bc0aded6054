//! `plugin.toml`: what a plugin is, and how it is built.

use std::fs;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::BuildError;

/// `plugin.toml`, with the settings' schema that it names.
#[derive(Debug)]
pub struct Manifest {
    pub(crate) file: ManifestFile,
    pub(crate) settings_schema: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ManifestFile {
    pub(crate) plugin: PluginTable,
    #[serde(default)]
    pub(crate) capabilities: Vec<Capability>,
    /// `Label` of grille-core; a finding's label is an index into this list.
    #[serde(default)]
    pub(crate) labels: Vec<Value>,
    /// Inputs with the answer expected of the plugin.
    #[serde(default)]
    pub(crate) vectors: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PluginTable {
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) world: Kind,
    #[serde(default)]
    pub(crate) language: Language,
    /// The main file, for languages whose tools do not know it.
    pub(crate) source: Option<PathBuf>,
    /// The lowest version of Grille that the plugin runs on.
    pub(crate) host: Option<String>,
    pub(crate) description: String,
    /// The settings' JSON Schema, relative to `plugin.toml`. A plugin without one takes no settings.
    settings: Option<PathBuf>,
}

/// A capability that a plugin asks for.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Capability {
    /// `log`, `clock`, `state`, `egress` or `keyed`.
    pub name: String,
    /// Why: the operator reads it before granting.
    pub reason: String,
}

/// What a plugin is: the interface it exports beside `lifecycle`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Finds sensitive data.
    Detector,
    /// Replaces sensitive data.
    Masker,
    /// Judges statements.
    Policy,
}

impl Kind {
    /// The word used in `plugin.toml` and metadata.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Detector => "detector",
            Self::Masker => "masker",
            Self::Policy => "policy",
        }
    }

    /// What a plugin of this kind may ask for.
    pub fn capabilities(self) -> &'static [&'static str] {
        match self {
            Self::Policy => &["log", "clock", "state", "egress"],
            Self::Masker => &["keyed"],
            Self::Detector => &[],
        }
    }
}

/// What a plugin is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust, by cargo.
    #[default]
    Rust,
    /// Python, by componentize-py.
    Python,
    /// JavaScript, by componentize-qjs.
    JavaScript,
    /// TypeScript, checked and then as JavaScript.
    TypeScript,
    /// Go.
    Go,
    /// C, by clang.
    C,
}

impl Language {
    /// The word used in `plugin.toml` and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::JavaScript => "javascript",
            Self::TypeScript => "typescript",
            Self::Go => "go",
            Self::C => "c",
        }
    }
}

impl Manifest {
    /// Reads `plugin.toml` and the schema it names.
    ///
    /// # Errors
    /// A file cannot be read, has unknown keys, or asks for what its world may not have.
    pub fn read(path: &Path) -> Result<Self, BuildError> {
        let text = fs::read_to_string(path).map_err(BuildError::file("read", path))?;
        let wrong = |reason: String| BuildError::manifest(path, reason);
        let file: ManifestFile = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        check(&file).map_err(wrong)?;
        let settings_schema = match &file.plugin.settings {
            Some(schema) => read_schema(&path.with_file_name(schema))?,
            None => json!({"type": "object", "additionalProperties": false}),
        };
        Ok(Self { file, settings_schema })
    }

    /// The last part of the plugin's id: what its component's file is called.
    pub fn name(&self) -> &str {
        let id = &self.file.plugin.id;
        id.rsplit('/').next().unwrap_or(id)
    }

    /// What it is written in.
    pub fn language(&self) -> Language {
        self.file.plugin.language
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.file.plugin.world
    }

    /// What it asks for, in the order of the file.
    pub fn capabilities(&self) -> &[Capability] {
        &self.file.capabilities
    }

    /// The main file, relative to the project.
    pub(crate) fn source(&self) -> Option<&Path> {
        self.file.plugin.source.as_deref()
    }
}

fn check(file: &ManifestFile) -> Result<(), String> {
    let kind = file.plugin.world;
    let name = file.plugin.id.rsplit('/').next().unwrap_or_default();
    if name.is_empty() || name.starts_with('.') {
        return Err(format!("the id `{}` has no name after its last `/`", file.plugin.id));
    }
    for (index, capability) in file.capabilities.iter().enumerate() {
        let Capability { name, reason } = capability;
        if !kind.capabilities().contains(&name.as_str()) {
            return Err(format!(
                "a {} cannot have the capability `{name}`; {}",
                kind.as_str(),
                may_have(kind)
            ));
        }
        if reason.trim().is_empty() {
            return Err(format!("capability `{name}`: say why it is needed, for the operator who grants it"));
        }
        if file.capabilities[..index].iter().any(|other| other.name == *name) {
            return Err(format!("capability `{name}` is there twice"));
        }
    }
    if let Some(index) =
        file.vectors.iter().position(|vector| vector.get("at").is_some_and(|at| !at.is_string()))
    {
        return Err(format!(
            "vector {}: write `at` in quotes, as in at = \"2026-11-23T10:00:00Z\"",
            index + 1
        ));
    }
    match &file.plugin.source {
        Some(source) if !source.components().all(|part| matches!(part, Component::Normal(_))) => {
            Err(format!("source `{}` is not inside the project", source.display()))
        }
        Some(_) | None => Ok(()),
    }
}

fn may_have(kind: Kind) -> String {
    match kind.capabilities() {
        [] => "it can have none".to_owned(),
        names => format!("it can have {}", names.join(", ")),
    }
}

fn read_schema(path: &Path) -> Result<Value, BuildError> {
    let text = fs::read_to_string(path).map_err(BuildError::file("read", path))?;
    let wrong = |reason: String| BuildError::manifest(path, reason);
    let schema: Value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if schema.is_object() { Ok(schema) } else { Err(wrong("is not a JSON object".to_owned())) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const PLAIN: &str = r#"
        [plugin]
        id = "grille/example"
        version = "0.1.0"
        world = "detector"
        description = "Finds examples."
    "#;

    pub(crate) fn manifest(text: &str, schema: Option<&str>) -> Result<Manifest, BuildError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("plugin.toml"), text).expect("a file");
        if let Some(schema) = schema {
            fs::write(folder.path().join("settings.schema.json"), schema).expect("a file");
        }
        Manifest::read(&folder.path().join("plugin.toml"))
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let with_schema = format!("{PLAIN}settings = \"settings.schema.json\"\n");
        let policy = PLAIN.replace("detector", "policy");
        let asks = |name: &str| format!("[[capabilities]]\nname = \"{name}\"\nreason = \"r\"\n");
        for (text, schema, expected) in [
            ("", None, "missing field `plugin`"),
            (&PLAIN.replace("detector", "oracle"), None, "unknown variant `oracle`"),
            (&format!("{PLAIN}colour = \"red\""), None, "unknown field `colour`"),
            (&format!("{PLAIN}language = \"cobol\""), None, "unknown variant `cobol`"),
            (&format!("{PLAIN}[[lables]]\nname = \"X\""), None, "unknown field `lables`"),
            (&PLAIN.replace("grille/example", "grille/"), None, "has no name"),
            (&format!("{PLAIN}source = \"../x.py\""), None, "not inside the project"),
            (&format!("{PLAIN}source = \"/x.py\""), None, "not inside the project"),
            (
                &format!("{PLAIN}{}", asks("log")),
                None,
                "a detector cannot have the capability `log`; it can have none",
            ),
            (&format!("{PLAIN}{}", asks("egress")), None, "a detector cannot have the capability `egress`"),
            (&format!("{policy}{}", asks("keyed")), None, "it can have log, clock, state, egress"),
            (&format!("{policy}{}{}", asks("log"), asks("log")), None, "twice"),
            (&format!("{policy}{}", asks("log").replace("\"r\"", "\" \"")), None, "say why"),
            (
                &format!("{policy}[[vectors]]\nat = 2026-11-23T10:00:00Z"),
                None,
                "vector 1: write `at` in quotes",
            ),
            (&with_schema, None, "cannot read"),
            (&with_schema, Some("[]"), "is not a JSON object"),
            (&with_schema, Some("{"), "EOF while parsing"),
        ] {
            let error = manifest(text, schema).expect_err(expected).to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }

    #[test]
    fn language_and_name_are_read() {
        let read = manifest(PLAIN, None).expect("a manifest");
        assert_eq!((read.language(), read.name(), read.kind()), (Language::Rust, "example", Kind::Detector));
        let read = manifest(&format!("{PLAIN}language = \"typescript\""), None).expect("a manifest");
        assert_eq!(read.language().as_str(), "typescript");
    }
}
