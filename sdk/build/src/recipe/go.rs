//! Go: generated bindings, completed by the SDK's glue, as one module; the author's project and the SDK beside it in a
//! workspace. Go's runtime calls WASI, which an adapter answers inside the component, so that no host has to.

use std::fs;
use std::path::Path;

use super::{Compiled, Order};
use crate::bindings::Bindings;
use crate::component::encode_in_world;
use crate::embedded;
use crate::error::BuildError;
use crate::tool;

/// The SDK's folder of glue. `_` keeps it out of the SDK's own module.
const GLUE: &str = "sdk/go/_glue";

pub(super) fn compile(order: &Order<'_>) -> Result<Compiled, BuildError> {
    let go =
        tool::require("go", "install Go 1.24 or later; on Debian testing: sudo apt-get install golang-go")?;
    let component = order.work.join("component");
    Bindings::Go.write(order.world, &component)?;
    write_glue(order, &component)?;
    tool::write(&component.join("go.mod"), b"module wit_component\n\ngo 1.24\n")?;
    let version =
        tool::run(tool::command(&go, order.project).args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local"))?;
    let workspace = order.work.join("go.work");
    tool::write(&workspace, workspace_text(&version.output, order.project).as_bytes())?;
    let module = order.work.join("module.wasm");
    let mut build = tool::command(&go, &component);
    for (name, value) in [
        ("GOOS", "wasip1"),
        ("GOARCH", "wasm"),
        // Modules of others must be in the module cache: `go mod download`.
        ("GOPROXY", "off"),
        ("GOTOOLCHAIN", "local"),
        ("GOFLAGS", ""),
        ("CGO_ENABLED", "0"),
    ] {
        build.env(name, value);
    }
    // Machine and repository stay out: equal sources give equal bytes.
    build.env("GOWORK", &workspace).args(["build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false"]);
    build.args(["-ldflags=-s -w -buildid=", "-o"]).arg(&module).arg(".");
    let notes = tool::run(&mut build)?.notes;
    let wasi = embedded::file(&format!("{GLUE}/wasi.wat"));
    let component = encode_in_world(&tool::read(&module)?, order.world, wasi)?;
    Ok(Compiled { component, notes })
}

/// The SDK's part of the module: see its README.
fn write_glue(order: &Order<'_>, component: &Path) -> Result<(), BuildError> {
    let kind = order.manifest.kind().as_str();
    for folder in ["export_grille_plugin_lifecycle".to_owned(), format!("export_grille_plugin_{kind}")] {
        copy(&format!("{GLUE}/{folder}"), &component.join(folder))?;
    }
    for capability in order.manifest.capabilities() {
        let name = &capability.name;
        if let Some(content) = embedded::file(&format!("{GLUE}/capabilities/{name}.go")) {
            tool::write(&component.join(format!("capability_{name}.go")), content)?;
        }
    }
    if let Some(content) = embedded::file(&format!("{GLUE}/plugin/plugin.go")) {
        let text = String::from_utf8_lossy(content).replace("{{module}}", &module_path(order.project)?);
        tool::write(&component.join("plugin/plugin.go"), text.as_bytes())?;
    }
    copy(&format!("{GLUE}/pkg"), &order.work.join("pkg"))
}

fn copy(embedded: &str, folder: &Path) -> Result<(), BuildError> {
    embedded::below(embedded).try_for_each(|(path, content)| tool::write(&folder.join(path), content))
}

/// The module that `go.mod` names.
fn module_path(project: &Path) -> Result<String, BuildError> {
    let path = project.join("go.mod");
    let text = fs::read_to_string(&path).map_err(BuildError::file("read", &path))?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix("module "));
    let module = line.map(|module| module.trim().trim_matches('"').to_owned());
    module.ok_or_else(|| BuildError::manifest(&path, "has no line `module …`"))
}

/// A workspace leaves the author's go.mod and go.sum as they are, and they decide the versions. Its go line must not be below
/// theirs.
fn workspace_text(version: &str, project: &Path) -> String {
    let number: String =
        version.trim_start_matches("go").chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let sdk = project.join(".grille/sdk/go");
    let quoted = |path: &Path| format!("\t{:?}\n", path.display().to_string());
    format!("go {number}\n\nuse (\n\t./component\n\t./pkg\n{}{})\n", quoted(&sdk), quoted(project))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_takes_the_compilers_version() {
        let text = workspace_text("go1.26.8-custom", Path::new("/a b"));
        assert!(
            text.starts_with("go 1.26.8\n") && text.contains("\t\"/a b/.grille/sdk/go\"\n\t\"/a b\"\n)"),
            "{text}"
        );
    }

    #[test]
    fn a_module_without_a_name_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("go.mod"), "go 1.24\n").expect("a file");
        module_path(folder.path()).expect_err("no module");
        fs::write(folder.path().join("go.mod"), "// x\nmodule \"acme.example/x\"\n").expect("a file");
        assert_eq!(module_path(folder.path()).expect("a module"), "acme.example/x");
    }
}
