//! `grille plugin inspect`: a plugin in plain words, for whoever decides whether to let it in.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use grille_core::{EvidenceClass, Label};
use grille_plugin::{Capability, Metadata, World};
use serde::Serialize;
use serde_json::{Map, Value};

use super::runtime::{Runtime, Subject};
use super::text::{counted, grouped, shown};
use super::{Report, verify};
use crate::cli::plugin as cli;
use crate::failure::Failure;

#[derive(Serialize)]
struct Inspected {
    file: PathBuf,
    id: String,
    version: String,
    world: &'static str,
    description: String,
    size: usize,
    digest: String,
    /// What lies beside it; nobody has looked whether it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    pure: bool,
    sees: &'static str,
    answers: &'static str,
    capabilities: Vec<Asked>,
    /// Words of capabilities that its metadata asks for and the component does not import: it cannot use them.
    unused: Vec<String>,
    cannot: Vec<&'static str>,
    labels: Vec<Label>,
    settings: Vec<Setting>,
    vectors: usize,
}

/// A capability that the component imports.
#[derive(Serialize)]
struct Asked {
    name: &'static str,
    means: &'static str,
    reason: Option<String>,
}

/// A property of the settings' schema.
#[derive(Serialize)]
struct Setting {
    name: String,
    kind: String,
    default: Option<Value>,
    description: String,
}

pub(super) fn inspect(command: cli::Inspect) -> Result<Report, Failure> {
    let subject = Runtime::start()?.load(&command.subject)?;
    Report::good(&Inspected::of(subject), command.output)
}

impl Inspected {
    fn of(subject: Subject) -> Self {
        let component = &subject.component;
        let (metadata, world) = (component.metadata(), component.world());
        Self {
            id: metadata.id.clone(),
            version: metadata.version.clone(),
            world: world.as_str(),
            description: metadata.description.clone(),
            size: subject.size,
            digest: component.digest().to_owned(),
            signature: verify::claimed(&subject.file, component.digest()),
            pure: component.is_pure(),
            sees: sees(world),
            answers: answers(world),
            capabilities: component.imports().iter().map(|capability| asked(metadata, *capability)).collect(),
            unused: component.unused_capabilities().map(str::to_owned).collect(),
            cannot: cannot(component.imports()),
            labels: metadata.labels.clone(),
            settings: settings(&metadata.settings_schema),
            vectors: metadata.vectors.len(),
            file: subject.file,
        }
    }
}

fn sees(world: World) -> &'static str {
    match world {
        World::Policy => "statements with their literals taken out, and who asks; never a value of a result",
        World::Detector => "the texts of results that its gates let pass, names of columns, and who asks",
        World::Masker => "the values it replaces, names of columns, and who asks",
    }
}

fn answers(world: World) -> &'static str {
    match world {
        World::Policy => "allow, deny, hold for approval or rewrite, with obligations",
        World::Detector => "where it found something: positions and labels, never bytes",
        World::Masker => "a new value for each it was given",
    }
}

fn asked(metadata: &Metadata, capability: Capability) -> Asked {
    let reason = metadata.reason(capability).map(str::to_owned);
    Asked { name: capability.as_str(), means: means(capability), reason }
}

fn means(capability: Capability) -> &'static str {
    match capability {
        Capability::Log => "write to Grille's log",
        Capability::Clock => "know the time",
        Capability::State => "remember small values from one exchange to the next",
        Capability::Egress => "send HTTPS requests to hosts that you allow",
        Capability::Keyed => "make tokens under a key that it never sees",
    }
}

fn cannot(imports: &BTreeSet<Capability>) -> Vec<&'static str> {
    let mut cannot =
        vec!["read or write files", "see environment, arguments or other processes", "get randomness"];
    for (capability, what) in [
        (Capability::Egress, "reach the network"),
        (Capability::Clock, "know the time"),
        (Capability::State, "remember anything from one exchange to the next"),
        (Capability::Log, "write to the log"),
    ] {
        if !imports.contains(&capability) {
            cannot.push(what);
        }
    }
    cannot
}

/// The properties of an object schema, which is what settings are.
fn settings(schema: &Value) -> Vec<Setting> {
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let setting = |(name, property): (&String, &Value)| Setting {
        name: name.clone(),
        kind: kind(property),
        default: property.get("default").cloned(),
        description: property["description"].as_str().unwrap_or_default().to_owned(),
    };
    properties.iter().map(setting).collect()
}

fn kind(property: &Value) -> String {
    match (&property["type"], &property["enum"]) {
        (Value::String(kind), _) => kind.clone(),
        (_, Value::Array(values)) => {
            let words: Vec<String> = values.iter().map(Value::to_string).collect();
            words.join(" | ")
        }
        _ => "see the schema".to_owned(),
    }
}

impl fmt::Display for Inspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}, a {}", self.id, self.version, self.world)?;
        writeln!(f, "  {}\n", shown_long(&self.description))?;
        writeln!(f, "sees      {}", self.sees)?;
        writeln!(f, "answers   {}", self.answers)?;
        self.write_capabilities(f)?;
        writeln!(f, "cannot    {}", self.cannot.join("; "))?;
        let pure = if self.pure {
            "yes: equal inputs, equal answers"
        } else {
            "no: it is asked anew for each statement"
        };
        writeln!(f, "pure      {pure}")?;
        for label in &self.labels {
            writeln!(f, "finds     {}: {}", shown(&label.name), evidence(label.evidence))?;
        }
        self.write_settings(f)?;
        writeln!(f, "promises  {}", counted(self.vectors, "test vector"))?;
        writeln!(f, "size      {} bytes", grouped(self.size))?;
        writeln!(f, "digest    sha256:{}", self.digest)?;
        match &self.signature {
            Some(signature) => writeln!(f, "signed    {signature}"),
            None => Ok(()),
        }
    }
}

impl Inspected {
    fn write_capabilities(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.capabilities.is_empty() {
            writeln!(f, "asks for  nothing")?;
        }
        for Asked { name, means, reason } in &self.capabilities {
            let reason = reason.as_deref().map_or("it does not say why".to_owned(), shown);
            writeln!(f, "asks for  {name}, to {means}: {reason}")?;
        }
        self.write_unused(f)
    }

    fn write_unused(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.unused {
            writeln!(f, "declares  {name}, but does not import it: granting it gives nothing")?;
        }
        Ok(())
    }

    fn write_settings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.settings.is_empty() {
            return writeln!(f, "settings  none");
        }
        for Setting { name, kind, default, description } in &self.settings {
            let default = default.as_ref().map(|value| format!(", {} by default", shown(&value.to_string())));
            let (name, kind, default) = (shown(name), shown(kind), default.unwrap_or_default());
            let colon = if description.is_empty() { "" } else { ": " };
            writeln!(f, "settings  {name} ({kind}{default}){colon}{}", shown_long(description))?;
        }
        Ok(())
    }
}

/// A sentence or two on one line.
fn shown_long(text: &str) -> String {
    grille_core::untrusted::clean_text(text, 1000)
}

fn evidence(class: EvidenceClass) -> &'static str {
    match class {
        EvidenceClass::Alone => "counts by itself",
        EvidenceClass::Supported => "counts where the column, separators or context speak for it",
        EvidenceClass::Context => "counts where the column's name or context speaks for it",
    }
}
