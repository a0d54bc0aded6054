//! Python: componentize-py, which puts an interpreter and the sources into one component, after the sources' top level ran.

use std::path::{Path, PathBuf};

use super::{Compiled, Order};
use crate::cache::Cache;
use crate::error::BuildError;
use crate::{tidy, tool};

/// The tool's version: another may need another recipe.
const VERSION: &str = "0.25.1";

/// The interpreter inside it, for choosing packages.
const GUEST_PYTHON: &str = "3.14";

/// The glue's module.
const GLUE: &str = "grille_component";

pub(super) fn compile(order: &Order<'_>) -> Result<Compiled, BuildError> {
    let module = Module::of(order)?;
    let bin = tool_of(order.cache)?.join("bin");
    let packages = order.work.join("packages");
    install_packages(order, &bin, &packages)?;
    let glue = order.work.join("glue");
    tool::write(&glue.join(format!("{GLUE}.py")), module.glue(order.manifest.kind().as_str()).as_bytes())?;
    // An empty environment: else the tool adds the packages of some Python of this machine.
    let environment = order.work.join("environment");
    tool::write(&environment.join(format!("lib/python{GUEST_PYTHON}/site-packages/.empty")), b"")?;
    let output = order.work.join("component.wasm");
    let mut build = tool::command(bin.join("componentize-py"), order.project);
    build.arg("--quiet").arg("--wit-path").arg(order.world.write(order.work)?).args(["--world", "plugin"]);
    build.args(["componentize", GLUE, "--stub-wasi", "--output"]).arg(&output);
    let sdk = order.project.join(".grille/sdk/python/src");
    for folder in [glue, module.folder, sdk, packages] {
        build.arg("--python-path").arg(folder);
    }
    let notes = tool::run(build.env("VIRTUAL_ENV", environment).env("PYTHONDONTWRITEBYTECODE", "1"))?.notes;
    let component = tidy::without_exports(&tool::read(&output)?)?;
    Ok(Compiled { component, notes })
}

/// The plugin's own module, and the folder in which it is found.
struct Module {
    name: String,
    folder: PathBuf,
}

impl Module {
    /// `src/calendar.py` and `src/calendar/__init__.py` are both the module `calendar` in `src`.
    fn of(order: &Order<'_>) -> Result<Self, BuildError> {
        let source = order.source()?;
        let file = if source.ends_with("__init__.py") { source.parent() } else { Some(source) };
        let name = file.and_then(|file| file.file_stem()).unwrap_or_default().to_string_lossy().into_owned();
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name || name.as_bytes()[0].is_ascii_digit() {
            let reason = format!("source `{}` is no Python module that can be imported", source.display());
            return Err(BuildError::manifest(&order.project.join("plugin.toml"), reason));
        }
        let folder = file.and_then(Path::parent).unwrap_or(Path::new(""));
        Ok(Self { name, folder: order.project.join(folder) })
    }

    fn glue(&self, kind: &str) -> String {
        let (name, class) = (&self.name, capitalized(kind));
        format!(
            "import {name}\nfrom grille_sdk.component.{kind} import export\n\nLifecycle, {class} = export({name})\n"
        )
    }
}

fn capitalized(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_uppercase() + rest
}

fn tool_of(cache: &Cache) -> Result<PathBuf, BuildError> {
    cache.tool(&format!("componentize-py-{VERSION}"), VERSION.as_bytes(), |folder| {
        let python = tool::require("python3", "on Debian: sudo apt-get install python3 python3-venv")?;
        let made = tool::run(tool::command(python, folder).args(["-m", "venv", "--clear"]).arg(folder));
        made.map_err(|error| match error {
            BuildError::Tool { .. } => {
                BuildError::missing("Python's `venv`", "on Debian: sudo apt-get install python3-venv")
            }
            other => other,
        })?;
        let mut install = pip(&folder.join("bin"), folder);
        install.args(["--only-binary=:all:", &format!("componentize-py=={VERSION}")]);
        tool::fetch(&format!("componentize-py {VERSION}"), &mut install)
    })
}

fn pip(bin: &Path, folder: &Path) -> std::process::Command {
    let mut pip = tool::command(bin.join("pip"), folder);
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-input"]);
    pip
}

/// Pure Python for the component's interpreter, exact versions with digests; nothing of them is run.
fn install_packages(order: &Order<'_>, bin: &Path, packages: &Path) -> Result<(), BuildError> {
    let requirements = order.project.join("requirements.txt");
    if !requirements.exists() {
        return tool::write(&packages.join(".empty"), b"");
    }
    let mut install = pip(bin, order.project);
    install.args(["--require-hashes", "--no-deps", "--no-compile", "--only-binary=:all:"]);
    install.args([
        "--implementation",
        "py",
        "--abi",
        "none",
        "--platform",
        "any",
        "--python-version",
        GUEST_PYTHON,
    ]);
    install.arg("--target").arg(packages).arg("--requirement").arg(requirements);
    tool::fetch("the packages of requirements.txt", &mut install)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_glue_exports_the_plugins_module() {
        let module = Module { name: "calendar".to_owned(), folder: PathBuf::new() };
        let expected = "import calendar\nfrom grille_sdk.component.policy import export\n\nLifecycle, Policy = export(calendar)\n";
        assert_eq!(module.glue("policy"), expected);
    }
}
