//! JavaScript and TypeScript: esbuild makes one file, componentize-qjs puts it into a component with an engine.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Compiled, Order};
use crate::cache::Cache;
use crate::embedded;
use crate::error::BuildError;
use crate::manifest::Language;
use crate::{tidy, tool};

/// The tools' list and lock file, embedded with the SDK.
const TOOLCHAIN: &str = "sdk/js/toolchain";

/// Where an SDK compiled from these sources is stamped.
const SDK_STAMP: &str = "dist/.compiled";

pub(super) fn compile(order: &Order<'_>) -> Result<Compiled, BuildError> {
    let source = order.source()?.to_string_lossy().into_owned();
    let tools = tools(order.cache)?;
    let sdk = order.project.join(".grille/sdk/js");
    compile_sdk(&tools, &sdk)?;
    link_sdk(order.project, &sdk)?;
    let mut notes = String::new();
    if order.manifest.language() == Language::TypeScript {
        notes = tool::run(node_tool(&tools, "tsc", order.project).args(["-p", "tsconfig.json", "--noEmit"]))?
            .notes;
    }
    let bundle = bundle(order, &tools, &source)?;
    let output = order.work.join("component.wasm");
    let mut build = node_tool(&tools, "componentize-qjs", order.project);
    build.arg("--wit").arg(order.world.write(order.work)?).args(["--world", "plugin", "--js"]).arg(bundle);
    build.args(["--stub-wasi", "--sync", "--output"]).arg(&output);
    tool::run(&mut build)?;
    let component = tidy::without_init(&tool::read(&output)?)?;
    Ok(Compiled { component, notes })
}

/// The tools, by the lock file beside the SDK. `npm ci` refuses it: componentize-qjs names bindings for platforms for which none
/// are published. `npm install` takes versions and checksums from the lock just the same. No install scripts: the tools'
/// binaries come as packages.
fn tools(cache: &Cache) -> Result<PathBuf, BuildError> {
    let embedded = |name: &str| {
        embedded::file(&format!("{TOOLCHAIN}/{name}")).ok_or_else(|| {
            BuildError::missing("the list of JavaScript tools", "this Grille was built without it")
        })
    };
    let (list, lock) = (embedded("package.json")?, embedded("package-lock.json")?);
    cache.tool("js-tools", lock, |folder| {
        let npm = tool::require("npm", NODE_REMEDY)?;
        tool::write(&folder.join("package.json"), list)?;
        tool::write(&folder.join("package-lock.json"), lock)?;
        let mut install = tool::command(npm, folder);
        install.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
        tool::fetch("componentize-qjs, esbuild and typescript", &mut install)
    })
}

const NODE_REMEDY: &str = "install Node 20 or later with npm; on Debian: sudo apt-get install nodejs npm";

fn node_tool(tools: &Path, name: &str, folder: &Path) -> Command {
    tool::command(tools.join("node_modules/.bin").join(name), folder)
}

/// The SDK is embedded as TypeScript; what it compiles to is the same each time, so once for each version of it. Its types were
/// checked where it was made.
fn compile_sdk(tools: &Path, sdk: &Path) -> Result<(), BuildError> {
    let stamp = stamp();
    if fs::read(sdk.join(SDK_STAMP)).is_ok_and(|present| present == stamp.as_bytes()) {
        return Ok(());
    }
    let config = sdk.join("tsconfig.build.json");
    tool::write(
        &config,
        br#"{ "extends": "./tsconfig.json", "compilerOptions": { "types": [], "noCheck": true } }"#,
    )?;
    tool::run(node_tool(tools, "tsc", sdk).arg("-p").arg(config))?;
    tool::write(&sdk.join(SDK_STAMP), stamp.as_bytes())
}

/// The sizes of the sources and a sum over their bytes: enough to tell one version of the SDK from another.
fn stamp() -> String {
    let sources = embedded::below("sdk/js/src");
    let (count, sum) = sources.fold((0_u64, 0_u64), |(count, sum), (path, content)| {
        let bytes = path.bytes().chain(content.iter().copied());
        let sum = bytes.fold(sum, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        (count + 1, sum)
    });
    format!("{count} files, {sum:016x}\n")
}

/// The plugin's own import of @grille/sdk must find the SDK; `npm install` makes the same link.
fn link_sdk(project: &Path, sdk: &Path) -> Result<(), BuildError> {
    let link = project.join("node_modules/@grille/sdk");
    if link.exists() {
        return Ok(());
    }
    let folder = project.join("node_modules/@grille");
    fs::create_dir_all(&folder).map_err(BuildError::file("make", &folder))?;
    // One that points nowhere is as good as none.
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(sdk, &link).map_err(BuildError::file("link", &link))
}

/// One file. The guards come first, so that they are up when the plugin's own modules are evaluated. The condition `grille`
/// chooses the host's capabilities instead of those that tests grant.
fn bundle(order: &Order<'_>, tools: &Path, source: &str) -> Result<PathBuf, BuildError> {
    let kind = order.manifest.kind().as_str();
    let entry_file = order.project.join(".grille/entry.js");
    let plugin = serde_json::Value::from(format!("../{source}"));
    let entry = format!(
        "import \"@grille/sdk/component/guarded\";\nimport plugin from {plugin};\nimport {{ exportsOf }} from \
         \"@grille/sdk/component/{kind}\";\nexport const {{ lifecycle, {kind} }} = exportsOf(plugin);\n"
    );
    tool::write(&entry_file, entry.as_bytes())?;
    let (output, metafile) = (order.work.join("plugin.js"), order.work.join("meta.json"));
    let mut esbuild = node_tool(tools, "esbuild", order.project);
    esbuild.arg(&entry_file).args([
        "--bundle",
        "--format=esm",
        "--platform=neutral",
        "--main-fields=module,main",
    ]);
    esbuild.args(["--target=es2023", "--conditions=grille", "--external:grille:*", "--charset=utf8"]);
    esbuild.args(["--legal-comments=none", "--log-level=warning"]);
    esbuild.arg(option("--metafile=", &metafile)).arg(option("--outfile=", &output));
    tool::run(&mut esbuild)?;
    check_imports(order, &tool::read(&metafile)?)?;
    Ok(output)
}

fn option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(path);
    option
}

/// What is imported must be what is declared: the world was made of that, and the engine's own message is hard to read.
fn check_imports(order: &Order<'_>, metafile: &[u8]) -> Result<(), BuildError> {
    let imported = imported_capabilities(metafile);
    let is_declared =
        |name: &String| order.manifest.capabilities().iter().any(|declared| declared.name == *name);
    let undeclared: Vec<String> = imported.into_iter().filter(|name| !is_declared(name)).collect();
    if undeclared.is_empty() {
        return Ok(());
    }
    Err(BuildError::NotAPlugin(format!(
        "the plugin uses {}: declare it under [[capabilities]] in plugin.toml, with a reason",
        undeclared.join(", ")
    )))
}

/// The interfaces of `grille:plugin` that esbuild left as imports, without package and version.
fn imported_capabilities(metafile: &[u8]) -> Vec<String> {
    let metafile: serde_json::Value = serde_json::from_slice(metafile).unwrap_or_default();
    let outputs = metafile["outputs"].as_object().into_iter().flat_map(|outputs| outputs.values());
    let imports = outputs.flat_map(|output| output["imports"].as_array().into_iter().flatten());
    let names = imports.filter_map(|import| import["path"].as_str()?.strip_prefix("grille:plugin/"));
    names.map(|name| name.split('@').next().unwrap_or(name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_read_from_the_metafile() {
        let metafile =
            br#"{"outputs":{"a":{"imports":[{"path":"grille:plugin/clock@0.1.0"},{"path":"node:fs"}]}}}"#;
        assert_eq!(imported_capabilities(metafile), ["clock"]);
        assert!(imported_capabilities(b"").is_empty());
    }

    #[test]
    fn the_tools_and_the_sources_are_embedded() {
        assert!(embedded::file("sdk/js/toolchain/package-lock.json").is_some());
        assert!(!stamp().starts_with("0 files"), "{}", stamp());
    }
}
