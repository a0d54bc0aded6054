//! The JSON Schema and the reference page, both made from the field docs of `file`.
//!
//! `docs/reference/grille.schema.json` and `docs/reference/configuration.md` are their output; a test fails when they are
//! stale.

use std::fmt::Write;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value as Json};

use super::file::File;

/// The schema of the configuration file (JSON Schema 2020-12), without references.
pub(crate) fn schema() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<File>().to_value();
    tidy(&mut schema);
    schema
}

/// TOML has no null: what may be left out is not in `required`, and that is all. Lines of a description are those of the
/// source, not the reader's.
fn tidy(schema: &mut Json) {
    match schema {
        Json::Object(keys) => {
            keys.retain(|key, value| !(key == "default" && value.is_null()));
            drop_null_type(keys);
            drop_null_choice(keys);
            if let Some(Json::String(description)) = keys.get_mut("description") {
                *description = description.replace('\n', " ");
            }
            keys.values_mut().for_each(tidy);
        }
        Json::Array(items) => items.iter_mut().for_each(tidy),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// `"type": ["string", "null"]` becomes `"type": "string"`.
fn drop_null_type(keys: &mut Map<String, Json>) {
    let Some(Json::Array(types)) = keys.get_mut("type") else { return };
    types.retain(|name| name != "null");
    if let [only] = &types[..] {
        let only = only.clone();
        keys.insert("type".into(), only);
    }
}

/// `"anyOf": [S, {"type": "null"}]` becomes S.
fn drop_null_choice(keys: &mut Map<String, Json>) {
    let Some(Json::Array(choices)) = keys.get_mut("anyOf") else { return };
    choices.retain(|choice| choice["type"] != "null");
    if let [Json::Object(only)] = &choices[..] {
        let only = only.clone();
        keys.remove("anyOf");
        for (key, value) in only {
            keys.entry(key).or_insert(value);
        }
    }
}

/// The reference page, in Markdown.
pub(crate) fn page() -> String {
    let schema = schema();
    let mut page = String::from(
        "<!-- Generated from host/app/src/config/file.rs by `grille schema --markdown`. -->\n# Configuration\n\n",
    );
    page.push_str(text(&schema, "description"));
    page.push_str(
        "\n\n`grille check --config grille.toml` checks a file without starting anything. Editors that know JSON Schema \
         complete and check it with [grille.schema.json](grille.schema.json). A whole example: \
         [examples/postgres/grille.toml](../../examples/postgres/grille.toml).\n",
    );
    for (name, section) in properties(&schema) {
        match section["type"].as_str() {
            Some("array") => write_section(&mut page, &format!("[[{name}]]"), section, &section["items"]),
            _ => write_section(&mut page, &format!("[{name}]"), section, section),
        }
    }
    page
}

fn write_section(page: &mut String, title: &str, section: &Json, table: &Json) {
    // Writing to a String does not fail.
    let _ = write!(page, "\n## `{title}`\n\n{}\n", text(section, "description"));
    write_table(page, table);
    for (name, nested) in properties(table).filter(|(_, nested)| properties(nested).next().is_some()) {
        let title = title.trim_matches(['[', ']']);
        let _ = write!(page, "\n### `{title}.{name}`\n\n{}\n", text(nested, "description"));
        write_table(page, nested);
    }
}

fn write_table(page: &mut String, table: &Json) {
    page.push_str("\n| key | value | default | meaning |\n|---|---|---|---|\n");
    for (name, key) in properties(table) {
        let default = match (&key["default"], is_required(table, name)) {
            (Json::Null, true) => "required".to_owned(),
            (Json::Null, false) => String::new(),
            (Json::Object(_), _) if properties(key).next().is_some() => "see below".to_owned(),
            (Json::Object(_), _) => "empty".to_owned(),
            (default, _) => format!("`{default}`"),
        };
        let meaning = text(key, "description");
        let _ = writeln!(page, "| `{name}` | {} | {default} | {meaning} |", kind(key));
    }
}

fn is_required(table: &Json, name: &str) -> bool {
    table["required"].as_array().is_some_and(|required| required.iter().any(|known| known == name))
}

/// A word or two for what a key takes.
fn kind(key: &Json) -> String {
    if let Some(words) = key["enum"].as_array() {
        let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        return words.join(", ");
    }
    match key["type"].as_str() {
        Some("array") => format!("list: {}", kind(&key["items"])),
        Some("object") => "table".to_owned(),
        Some("string") => key["title"].as_str().unwrap_or("string").to_owned(),
        Some("integer") => "number".to_owned(),
        Some(other) => other.to_owned(),
        None => "any".to_owned(),
    }
}

fn properties(schema: &Json) -> impl Iterator<Item = (&String, &Json)> {
    schema["properties"].as_object().into_iter().flatten()
}

fn text<'s>(schema: &'s Json, key: &str) -> &'s str {
    schema[key].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::path::Path;

    use super::*;

    fn check(path: &str, made: &str, command: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(path);
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == made,
            "{} is stale: run `cargo run -p grille -- {command} > {0}`",
            path.canonicalize().unwrap_or(path).display()
        );
    }

    #[test]
    fn the_reference_page_is_what_the_field_docs_say() {
        check("configuration.md", &page(), "schema --markdown");
    }

    #[test]
    fn the_schema_is_what_the_types_say() {
        let schema = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
        check("grille.schema.json", &schema, "schema");
    }

    #[test]
    fn every_key_has_a_meaning() {
        fn visit(path: &str, schema: &Json, found: &mut Vec<String>) {
            for (name, key) in properties(schema) {
                let here = format!("{path}.{name}");
                if text(key, "description").is_empty() {
                    found.push(here.clone());
                }
                visit(&here, key, found);
                visit(&here, &key["items"], found);
            }
        }
        let mut without = Vec::new();
        visit("", &schema(), &mut without);
        assert_eq!(without, [""; 0]);
    }
}
