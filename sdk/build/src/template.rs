//! A new plugin from a template: `sdk/LANGUAGE/template/KIND`, with the names filled in.

use std::fs;
use std::path::{Path, PathBuf};

use crate::embedded::{below, sdk_folder, write_sdk};
use crate::error::BuildError;
use crate::manifest::{Kind, Language};
use crate::tool;

/// What to make.
#[derive(Clone, Debug)]
pub struct NewPlugin {
    /// The plugin's name: lower case, digits and `-`, beginning with a letter.
    pub name: String,
    /// Whose plugin it is: the id is `OWNER/NAME`.
    pub owner: String,
    /// What to write it in.
    pub language: Language,
    /// What it is to be.
    pub kind: Kind,
}

/// Makes a project in `folder`, which must not be there or be empty: the files made, relative to it.
///
/// # Errors
/// A name is none, there is no such template, or the folder holds something.
pub fn create(new: &NewPlugin, folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    check_name(&new.name)?;
    check_name(&new.owner)?;
    let template = template_of(new.language, new.kind);
    let files: Vec<_> = below(&template).collect();
    if files.is_empty() {
        let (kind, language) = (new.kind.as_str(), new.language.as_str());
        let remedy = "there is one in another language, or of another kind";
        return Err(BuildError::missing(&format!("a template of a {kind} in {language}"), remedy));
    }
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        let source = std::io::Error::other("it is there already and not empty");
        return Err(BuildError::File { action: "make", path: folder.to_owned(), source });
    }
    let mut made = Vec::new();
    for (path, content) in files {
        tool::write(&folder.join(path), &new.filled_in(content))?;
        made.push(PathBuf::from(path));
    }
    write_sdk(new.language, folder)?;
    Ok(made)
}

fn template_of(language: Language, kind: Kind) -> String {
    let sdk = sdk_folder(language);
    match language {
        Language::JavaScript | Language::TypeScript => {
            format!("{sdk}/template/{}/{}", language.as_str(), kind.as_str())
        }
        Language::Rust | Language::Python | Language::Go | Language::C => {
            format!("{sdk}/template/{}", kind.as_str())
        }
    }
}

impl NewPlugin {
    fn filled_in(&self, content: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(content);
        let id = format!("{}/{}", self.owner, self.name);
        text.replace("{{id}}", &id).replace("{{name}}", &self.name).into_bytes()
    }
}

/// Longest name, in bytes: what the host allows of an id, halved.
const NAME_BYTES_MAX: usize = 30;

fn check_name(name: &str) -> Result<(), BuildError> {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if begins && name.len() <= NAME_BYTES_MAX && name.bytes().all(known) {
        return Ok(());
    }
    let what = format!("a plugin named `{name}`");
    Err(BuildError::missing(&what, "a name has at most 30 of a-z, 0-9 and `-`, and begins with a letter"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Project;

    fn new(language: Language, kind: Kind) -> NewPlugin {
        NewPlugin { name: "first-try".to_owned(), owner: "acme".to_owned(), language, kind }
    }

    #[test]
    fn every_template_becomes_a_project_with_its_names() {
        use Language::{C, Go, JavaScript, Python, Rust, TypeScript};
        for language in [Rust, Python, JavaScript, TypeScript, Go, C] {
            for kind in [Kind::Policy, Kind::Detector, Kind::Masker] {
                let folder = tempfile::tempdir().expect("a folder");
                let made = create(&new(language, kind), folder.path()).expect("a project");
                let project = Project::open(folder.path()).expect("a manifest");
                let manifest = project.manifest();
                assert_eq!((manifest.name(), manifest.kind()), ("first-try", kind), "{language:?}");
                assert_eq!(manifest.language(), language);
                for path in made {
                    let text = fs::read_to_string(folder.path().join(&path)).expect("text");
                    assert!(
                        !text.contains("{{id}}") && !text.contains("{{name}}"),
                        "{language:?} {}",
                        path.display()
                    );
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["", "Upper", "9lives", "-x", "a b", "../up", &"x".repeat(31)] {
            let named = NewPlugin { name: name.to_owned(), ..new(Language::Rust, Kind::Policy) };
            let error = create(&named, folder.path()).expect_err(name).to_string();
            assert!(error.contains("a-z"), "{error}");
        }
        fs::write(folder.path().join("file"), "").expect("a file");
        let error =
            create(&new(Language::Rust, Kind::Policy), folder.path()).expect_err("not empty").to_string();
        assert!(error.contains("not empty"), "{error}");
    }
}
