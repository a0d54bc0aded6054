//! What a component imports and exports, held against what its manifest declares: an author learns it when building, not when
//! an operator loads the plugin.

use wasmparser_of_wit_component::{Parser, Payload};

use crate::error::BuildError;
use crate::manifest::Manifest;

/// How the names of Grille's interfaces begin, and how they end.
const PREFIX: &str = "grille:plugin/";
const SUFFIX: &str = "@0.1.0";

/// Interfaces of types alone: importing one grants nothing.
const TYPES: &str = "types";

pub(crate) fn check(component: &[u8], manifest: &Manifest) -> Result<(), BuildError> {
    let (imports, exports) = names(component)?;
    for name in &imports {
        check_import(name, manifest).map_err(BuildError::NotAPlugin)?;
    }
    let expected = ["lifecycle", manifest.kind().as_str()].map(|name| format!("{PREFIX}{name}{SUFFIX}"));
    let is_right = exports.len() == expected.len() && expected.iter().all(|name| exports.contains(name));
    match is_right {
        true => Ok(()),
        false => Err(BuildError::NotAPlugin(format!(
            "plugin.toml says that this is a {}, but the component exports {}",
            manifest.kind().as_str(),
            if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") }
        ))),
    }
}

fn check_import(name: &str, manifest: &Manifest) -> Result<(), String> {
    let Some(capability) = capability(name) else {
        return Err(format!("the component imports {name}, which no plugin can have"));
    };
    let is_declared = manifest.capabilities().iter().any(|declared| declared.name == capability);
    if capability == TYPES || is_declared {
        return Ok(());
    }
    Err(format!(
        "the plugin uses `{capability}`, which plugin.toml does not declare; add\n\n  [[capabilities]]\n  name = \
         \"{capability}\"\n  reason = \"why\""
    ))
}

/// The name within Grille's interface.
fn capability(import: &str) -> Option<&str> {
    import.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)
}

/// The outermost component's own imports and exports.
fn names(component: &[u8]) -> Result<(Vec<String>, Vec<String>), BuildError> {
    let unreadable = |error| BuildError::NotAPlugin(format!("what was compiled is no component: {error}"));
    let (mut imports, mut exports, mut depth) = (Vec::new(), Vec::new(), 0_u32);
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(unreadable)? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    imports.push(import.map_err(unreadable)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    exports.push(export.map_err(unreadable)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::{PLAIN, manifest};

    const EXPORTS: &str = r#"(instance $i) (export "grille:plugin/lifecycle@0.1.0" (instance $i))
        (export "grille:plugin/policy@0.1.0" (instance $i))"#;

    fn judge(body: &str) -> Result<(), String> {
        let clock = "[[capabilities]]\nname = \"clock\"\nreason = \"r\"\n";
        let manifest = manifest(&(PLAIN.replace("detector", "policy") + clock), None).expect("a manifest");
        let component = wat::parse_str(format!("(component {body})")).expect("a component");
        check(&component, &manifest).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_declared_may_be_imported_and_nothing_else() {
        let import = |name: &str| format!("(import \"{name}\" (instance)) {EXPORTS}");
        judge(EXPORTS).expect("it asks for nothing");
        judge(&import("grille:plugin/clock@0.1.0")).expect("it is declared");
        judge(&import("grille:plugin/types@0.1.0")).expect("it grants nothing");
        for (name, expected) in [
            ("grille:plugin/log@0.1.0", "plugin.toml does not declare"),
            ("grille:plugin/clock@0.2.0", "no plugin can have"),
            ("wasi:random/random@0.2.0", "no plugin can have"),
        ] {
            let error = judge(&import(name)).expect_err(name);
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn exports_must_be_those_of_the_kind() {
        for body in ["", r#"(instance $i) (export "grille:plugin/lifecycle@0.1.0" (instance $i))"#] {
            assert!(judge(body).expect_err("too little").contains("says that this is a policy"));
        }
        let more = format!(r#"{EXPORTS} (export "wasi:cli/run@0.2.0" (instance $i))"#);
        assert!(judge(&more).expect_err("too much").contains("wasi:cli/run"));
    }
}
