//! C: clang for wasm32 with the generated bindings and the SDK's glue; the bindings' object file carries the world.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Compiled, Order};
use crate::bindings::Bindings;
use crate::component::encode_in_world;
use crate::error::BuildError;
use crate::tool;

/// Compilers, the preferred first. Debian's are named by their version; elsewhere the plain one must know wasm32 and find
/// wasi-libc.
const COMPILERS: [&str; 2] = ["clang-22", "clang"];

const REMEDY: &str = "on Debian: sudo apt-get install clang-22 lld-22 wasi-libc libclang-rt-22-dev-wasm32";

pub(super) fn compile(order: &Order<'_>) -> Result<Compiled, BuildError> {
    let compiler = COMPILERS.into_iter().find_map(tool::on_path);
    let compiler = compiler.ok_or_else(|| BuildError::missing("clang", REMEDY))?;
    Bindings::C.write(order.world, order.work)?;
    let module = order.work.join("module.wasm");
    let sdk = order.project.join(".grille/sdk/c");
    // Debian finds its wasi-libc under this name of the target only. The stack comes first in memory, so that one too deep
    // traps instead of running into data. The prefix map keeps this machine's folders out.
    let mut build = tool::command(compiler, order.project);
    build.args([
        "--target=wasm32-wasi",
        "-mexec-model=reactor",
        "-std=c11",
        "-O2",
        "-flto",
        "-s",
        "-Wall",
        "-Wextra",
    ]);
    build.arg("-Wno-deprecated").arg(joined("-ffile-prefix-map=", order.project, "=."));
    for folder in [
        order.work.to_owned(),
        order.project.join("src"),
        sdk.join("include"),
        sdk.join("src"),
        sdk.join("component"),
    ] {
        build.arg(joined("-I", &folder, ""));
    }
    build.args(["-Wl,--stack-first", "-Wl,-z,stack-size=131072", "-o"]).arg(&module);
    build.args(sources(order, &sdk)?);
    let notes = tool::run(&mut build)?.notes;
    // No adapter: a module that calls WASI (stdio, time, assert) is refused here.
    let component = encode_in_world(&tool::read(&module)?, order.world, None)?;
    Ok(Compiled { component, notes })
}

fn joined(before: &str, path: &Path, after: &str) -> OsString {
    let mut joined = OsString::from(before);
    joined.push(path);
    joined.push(after);
    joined
}

fn sources(order: &Order<'_>, sdk: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let glue = sdk.join("component");
    let kind = format!("{}.c", order.manifest.kind().as_str());
    let mut sources = vec![
        order.work.join("plugin.c"),
        order.work.join("plugin_component_type.o"),
        glue.join("lifecycle.c"),
        glue.join(kind),
    ];
    for capability in order.manifest.capabilities() {
        sources.push(glue.join("capabilities").join(format!("{}.c", capability.name)));
    }
    sources.extend(tool::files(&sdk.join("src"), "c")?);
    sources.extend(tool::files(&order.project.join("src"), "c")?);
    Ok(sources)
}
