//! Which crate of the host may depend on which: app → admin, attack, proxy, trust → plugin, store, wire → core, where admin and
//! trust know core only; and app → sdk/build, which depends on none of them.

use anyhow::{Context, Result};

use crate::Violation;

/// The host's crates from the top to the bottom; those in one row are siblings.
const LAYERS: [&[&str]; 4] = [
    &["grille"],
    &["grille-admin", "grille-attack", "grille-proxy", "grille-trust"],
    &["grille-plugin", "grille-store", "grille-wire"],
    &["grille-core"],
];

/// Those that know the vocabulary and nothing else of ours.
const KNOW_CORE_ONLY: [&str; 2] = ["grille-admin", "grille-trust"];

/// What the top may use besides: builds plugins, and knows nothing of the host.
const BUILDS_PLUGINS: &str = "grille-build";

/// The prefix by which our crates are told from others'.
const OURS: &str = "grille";

/// Judges the manifest of one crate of the host. Dev-dependencies are free.
///
/// # Errors
/// When it is no manifest.
pub fn direction(path: &str, manifest: &str) -> Result<Vec<Violation>> {
    let manifest: toml::Table = toml::from_str(manifest).with_context(|| path.to_owned())?;
    let name = manifest["package"]["name"].as_str().with_context(|| format!("{path} has no name"))?;
    if name == BUILDS_PLUGINS {
        let wrong = dependencies(&manifest).map(|dependency| {
            Violation::at(path, 0, format!("`{name}` depends on `{dependency}`, a crate of the host"))
        });
        return Ok(wrong.collect());
    }
    let Some(layer) = layer_of(name) else {
        return Ok(vec![Violation::at(path, 0, format!("`{name}` has no place among the host's crates"))]);
    };
    let wrong = dependencies(&manifest).filter_map(|dependency| {
        let why = match layer_of(&dependency) {
            Some(_) if KNOW_CORE_ONLY.contains(&name) && dependency != "grille-core" => {
                "and may know `core` only"
            }
            Some(below) if below > layer => return None,
            None if layer == 0 && dependency == BUILDS_PLUGINS => return None,
            Some(_) => "which is not below it",
            None => "which is no crate of the host",
        };
        Some(Violation::at(path, 0, format!("`{name}` depends on `{dependency}`, {why}")))
    });
    Ok(wrong.collect())
}

fn layer_of(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

/// Our crates among a manifest's normal and build dependencies, of every target.
fn dependencies(manifest: &toml::Table) -> impl Iterator<Item = String> {
    let targets = manifest
        .get("target")
        .and_then(toml::Value::as_table)
        .into_iter()
        .flat_map(|targets| targets.values().filter_map(toml::Value::as_table));
    let tables = std::iter::once(manifest).chain(targets).flat_map(|table| {
        ["dependencies", "build-dependencies"].into_iter().filter_map(|kind| table.get(kind)?.as_table())
    });
    tables.flat_map(|table| table.iter().map(package_name)).filter(|name| name.starts_with(OURS))
}

/// The package that a dependency names: its own name, unless it is renamed.
fn package_name((name, dependency): (&String, &toml::Value)) -> String {
    dependency.get("package").and_then(toml::Value::as_str).unwrap_or(name).to_owned()
}
