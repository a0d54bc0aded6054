//! The SDKs, templates and WIT in this program (see `build.rs`), and their way into a project's folder.

use std::path::Path;

use crate::error::BuildError;
use crate::manifest::Language;
use crate::project::write_if_changed;

/// Path from the repository's root, and content; sorted by path.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Where the interface is in the table.
const INTERFACE: &str = "wit/v0.1/grille.wit";

/// The folder of a project that is ours: the SDK is written anew with every build.
pub(crate) const OWN_FOLDER: &str = ".grille";

/// The folder of a language's SDK.
pub(crate) fn sdk_folder(language: Language) -> &'static str {
    match language {
        Language::Rust => "sdk/rust",
        Language::Python => "sdk/python",
        Language::JavaScript | Language::TypeScript => "sdk/js",
        Language::Go => "sdk/go",
        Language::C => "sdk/c",
    }
}

/// The WIT of the interface.
pub(crate) fn interface() -> &'static str {
    let file = file(INTERFACE).expect("build.rs embeds the interface");
    std::str::from_utf8(file).expect("WIT is UTF-8")
}

/// One embedded file.
pub(crate) fn file(path: &str) -> Option<&'static [u8]> {
    FILES.iter().find(|(name, _)| *name == path).map(|(_, content)| *content)
}

/// The files below a folder, by their path within it.
pub(crate) fn below(folder: &str) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    FILES.iter().filter_map(move |(path, content)| {
        let within = path.strip_prefix(folder)?.strip_prefix('/')?;
        Some((within, *content))
    })
}

/// Puts a language's SDK, and the interface that its sources name, into `.grille` of a project. Files that are the same are left
/// alone, so that compilers find nothing to do.
///
/// # Errors
/// A file cannot be written.
pub fn write_sdk(language: Language, project: &Path) -> Result<(), BuildError> {
    let own = project.join(OWN_FOLDER);
    let sdk = sdk_folder(language);
    for (path, content) in below(sdk).filter(|(path, _)| !path.starts_with("template/")) {
        write_if_changed(&own.join(sdk).join(path), content)?;
    }
    write_if_changed(&own.join(INTERFACE), interface().as_bytes())?;
    write_if_changed(&own.join(".gitignore"), b"*\n").map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_an_sdk_a_readme_and_no_tests_of_its_own() {
        use Language::{C, Go, JavaScript, Python, Rust, TypeScript};
        assert!(interface().contains("package grille:plugin@0.1.0;"));
        for language in [Rust, Python, JavaScript, TypeScript, Go, C] {
            let folder = sdk_folder(language);
            assert!(file(&format!("{folder}/README.md")).is_some(), "{folder}");
            for (path, _) in below(folder).filter(|(path, _)| !path.starts_with("template/")) {
                let is_ours = ["tests/", "test/", "target/", "dist/", "node_modules/"];
                assert!(!is_ours.iter().any(|folder| path.starts_with(folder)), "{path}");
                assert!(!path.contains("__pycache__") && !path.ends_with("_test.go"), "{path}");
            }
        }
    }

    #[test]
    fn the_sdk_finds_the_interface_in_a_project() {
        let project = tempfile::tempdir().expect("a folder");
        write_sdk(Language::Rust, project.path()).expect("written");
        let bindings = project.path().join(".grille/sdk/rust/bindings/policy");
        assert!(bindings.join("../../../../wit/v0.1/grille.wit").is_file());
        assert!(!project.path().join(".grille/sdk/rust/template").exists());
    }
}
