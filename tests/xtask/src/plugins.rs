//! From the plugin crates' sources to components in `target/plugins/`.
//!
//! Which crates there are, how they are compiled and where the result goes; `grille_build` knows what a component holds and
//! what compiles it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use grille_build::rust::{TARGET, Toolchain};
use grille_build::{Cache, Manifest, encode, write_if_changed};
use serde::Deserialize;

use crate::{install, layout, process};

/// Which plugins to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// Every crate with a `plugin.toml`.
    All,
    /// The crate of that name.
    Only(String),
}

/// A crate that becomes a component.
#[derive(Debug)]
struct PluginCrate {
    name: String,
    folder: PathBuf,
    /// One of [`layout::PLUGIN_WORKSPACES`].
    workspace: &'static str,
}

#[derive(Deserialize)]
struct CargoManifest {
    package: CargoPackage,
}

#[derive(Deserialize)]
struct CargoPackage {
    name: String,
}

/// Builds the selected plugins. A component that did not change is not written again.
pub(crate) fn build(selection: &Selection) -> Result<()> {
    let crates = select(find(layout::root())?, selection)?;
    let toolchain = toolchain()?;
    fs::create_dir_all(layout::components())?;
    for workspace in layout::PLUGIN_WORKSPACES {
        let crates: Vec<_> = crates.iter().filter(|plugin| plugin.workspace == workspace).collect();
        if !crates.is_empty() {
            compile(&toolchain, workspace, &crates)?;
        }
        for plugin in crates {
            write_component(plugin).with_context(|| format!("plugin {}", plugin.name))?;
        }
    }
    Ok(())
}

/// What plugins are compiled with; Debian's packages are installed first where there is nothing else.
pub(crate) fn toolchain() -> Result<Toolchain> {
    if !Toolchain::active_has_target(layout::root())? {
        install::debian_rust()?;
    }
    Ok(Toolchain::find(layout::root(), &Cache::at(layout::cache()?))?)
}

/// The crates under `root`, by name within their workspace.
fn find(root: &Path) -> Result<Vec<PluginCrate>> {
    let mut found = Vec::new();
    for workspace in layout::PLUGIN_WORKSPACES {
        let folder = root.join(workspace);
        let children = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for child in children {
            let folder = child?.path();
            if folder.join("plugin.toml").exists() {
                found.push(PluginCrate { name: crate_name(&folder)?, folder, workspace });
            }
        }
    }
    found.sort_by(|a, b| (a.workspace, &a.name).cmp(&(b.workspace, &b.name)));
    Ok(found)
}

fn crate_name(folder: &Path) -> Result<String> {
    let path = folder.join("Cargo.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let manifest: CargoManifest = toml::from_str(&text).with_context(|| path.display().to_string())?;
    Ok(manifest.package.name)
}

fn select(found: Vec<PluginCrate>, selection: &Selection) -> Result<Vec<PluginCrate>> {
    match selection {
        Selection::All => Ok(found),
        Selection::Only(name) => {
            let names: Vec<_> = found.iter().map(|plugin| plugin.name.clone()).collect();
            let chosen: Vec<_> = found.into_iter().filter(|plugin| plugin.name == *name).collect();
            if chosen.is_empty() {
                bail!("no plugin is named {name}; there are: {}", names.join(", "));
            }
            Ok(chosen)
        }
    }
}

fn compile(toolchain: &Toolchain, workspace: &str, crates: &[&PluginCrate]) -> Result<()> {
    let workspace = layout::root().join(workspace);
    let mut build = toolchain.cargo_build(layout::root());
    build.current_dir(&workspace).arg("--target-dir").arg(target_folder(&workspace));
    for plugin in crates {
        build.args(["-p", &plugin.name]);
    }
    process::run(&mut build)
}

/// Beside the sources, not in the host's target folder: two compilers that share one would rebuild each other's work.
fn target_folder(workspace: &Path) -> PathBuf {
    workspace.join("target")
}

fn write_component(plugin: &PluginCrate) -> Result<()> {
    let module = module(plugin)?;
    let manifest = Manifest::read(&plugin.folder.join("plugin.toml"))?;
    let component = encode(&module, &manifest)?;
    let path = layout::components().join(format!("{}.wasm", plugin.name));
    let news = if write_if_changed(&path, &component)? { "written" } else { "unchanged" };
    eprintln!("target/plugins/{}.wasm: {} bytes, {news}", plugin.name, component.len());
    Ok(())
}

fn module(plugin: &PluginCrate) -> Result<Vec<u8>> {
    let file = format!("{}.wasm", plugin.name.replace('-', "_"));
    let path = target_folder(&layout::root().join(plugin.workspace)).join(TARGET).join("release").join(file);
    fs::read(&path).with_context(|| {
        format!(
            "no module at {}: has Cargo.toml `crate-type = [\"cdylib\", \"rlib\"]` under [lib]?",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a temporary folder");
        for workspace in layout::PLUGIN_WORKSPACES {
            fs::create_dir_all(root.path().join(workspace)).expect("a folder");
        }
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        root
    }

    fn names(found: &[PluginCrate]) -> Vec<&str> {
        found.iter().map(|plugin| plugin.name.as_str()).collect()
    }

    #[test]
    fn a_crate_with_a_plugin_toml_is_a_plugin() {
        let root = tree(&[
            ("plugins/b/Cargo.toml", "[package]\nname = \"bee\""),
            ("plugins/b/plugin.toml", ""),
            ("plugins/a/Cargo.toml", "[package]\nname = \"library\""),
            ("plugins/Cargo.toml", "[workspace]"),
            ("tests/guests/a/Cargo.toml", "[package]\nname = \"ant\""),
            ("tests/guests/a/plugin.toml", ""),
        ]);
        let found = find(root.path()).expect("plugins");
        assert_eq!(names(&found), ["bee", "ant"]);
        let only = select(found, &Selection::Only("ant".into())).expect("one plugin");
        assert_eq!(names(&only), ["ant"]);
        let error = select(only, &Selection::Only("bee".into())).expect_err("no such plugin");
        assert_eq!(error.to_string(), "no plugin is named bee; there are: ant");
    }

    #[test]
    fn a_plugin_that_is_no_crate_is_an_error() {
        let root = tree(&[("plugins/a/plugin.toml", "")]);
        let error = find(root.path()).expect_err("no Cargo.toml");
        assert!(error.to_string().ends_with("plugins/a/Cargo.toml"), "{error}");
    }
}
