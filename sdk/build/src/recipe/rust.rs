//! Rust: cargo, then wit-component, which finds the world that the SDK's macro left in the module.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use wit_component::ComponentEncoder;

use super::{Compiled, Order};
use crate::error::BuildError;
use crate::rust::{TARGET, Toolchain};
use crate::tool;

#[derive(Deserialize)]
struct CargoManifest {
    package: CargoPackage,
}

#[derive(Deserialize)]
struct CargoPackage {
    name: String,
}

pub(super) fn compile(order: &Order<'_>) -> Result<Compiled, BuildError> {
    let name = crate_name(order.project)?;
    let target = order.project.join("target");
    let mut build = Toolchain::find(order.project, order.cache)?.cargo_build(order.project);
    build.args(["--quiet", "--lib", "--target-dir"]).arg(&target).args(["-p", &name]);
    let notes = tool::run(&mut build)?.notes;
    let module = target.join(TARGET).join("release").join(format!("{}.wasm", name.replace('-', "_")));
    let component = component(&module)?;
    Ok(Compiled { component, notes })
}

fn crate_name(project: &Path) -> Result<String, BuildError> {
    let path = project.join("Cargo.toml");
    let text = fs::read_to_string(&path).map_err(BuildError::file("read", &path))?;
    let manifest: Result<CargoManifest, _> = toml::from_str(&text);
    Ok(manifest.map_err(|error| BuildError::manifest(&path, error.to_string()))?.package.name)
}

fn component(module: &Path) -> Result<Vec<u8>, BuildError> {
    let Ok(bytes) = fs::read(module) else {
        let remedy = "set `crate-type = [\"cdylib\"]` under [lib] in Cargo.toml";
        return Err(BuildError::missing(&format!("the module {}", module.display()), remedy));
    };
    let encoded =
        ComponentEncoder::default().validate(true).module(&bytes).and_then(|encoder| encoder.encode());
    encoded.map_err(|error| {
        let asked = "does the crate export its plugin with the SDK's macro?";
        BuildError::NotAPlugin(format!("the module is no component: {error:#}; {asked}"))
    })
}
