//! Which files of a project are made and not written: what its `.gitignore` says, as far as plugins' projects need it, and what
//! every project has.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context;

/// Names that are made in any language: hidden ones (`.grille`, `.git`, editors' own files), and folders of tools.
const FOLDERS: [&str; 3] = ["target", "node_modules", "__pycache__"];

/// Ends of names: components, and what editors keep.
const ENDS: [&str; 3] = [".wasm", ".partial", "~"];

/// What is not looked at.
#[derive(Debug)]
pub(super) struct Ignored {
    rules: Vec<Rule>,
}

/// A line of `.gitignore`: a name or a path, with `*` for any part of a name.
#[derive(Debug)]
struct Rule {
    pattern: String,
    place: Place,
    covers: Kind,
}

/// Where a rule's name counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In every folder.
    Anywhere,
    /// The whole path, from the project's folder.
    Path,
}

/// What a rule covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Any,
    Folder,
}

impl Ignored {
    /// Reads the project's own `.gitignore`. Those of folders below, `!` and `**` are not understood; a rule too few costs a
    /// build, no more.
    pub(super) fn of(project: &Path) -> anyhow::Result<Self> {
        let path = project.join(".gitignore");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::parse("")),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        Self { rules: lines.filter(|line| !line.starts_with(['#', '!'])).map(Rule::parse).collect() }
    }

    /// Whether a file or folder, by its path within the project, is passed over.
    pub(super) fn covers(&self, within: &Path, is_folder: bool) -> bool {
        let Some(name) = within.file_name().map(|name| name.to_string_lossy()) else { return false };
        let path = within.to_string_lossy();
        name.starts_with('.') && name != ".gitignore"
            || is_folder && FOLDERS.contains(&&*name)
            || ENDS.iter().any(|end| name.ends_with(end))
            || self.rules.iter().any(|rule| rule.covers(&name, &path, is_folder))
    }
}

impl Rule {
    fn parse(line: &str) -> Self {
        let (line, covers) = match line.strip_suffix('/') {
            Some(folder) => (folder, Kind::Folder),
            None => (line, Kind::Any),
        };
        let place = if line.contains('/') { Place::Path } else { Place::Anywhere };
        Self { pattern: line.trim_start_matches('/').to_owned(), place, covers }
    }

    fn covers(&self, name: &str, path: &str, is_folder: bool) -> bool {
        let of_kind = self.covers == Kind::Any || is_folder;
        let text = match self.place {
            Place::Anywhere => name,
            Place::Path => path,
        };
        of_kind && fits(&self.pattern, text)
    }
}

/// Whether a text is what a pattern says; `*` stands for anything but a `/`.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        let Some(at) = rest.find(part) else { return false };
        if rest[..at].contains('/') {
            return false;
        }
        rest = &rest[at + part.len()..];
    }
    rest.strip_suffix(last).is_some_and(|skipped| !skipped.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_covered() {
        let ignored = Ignored::parse("# made\n/out/\nbuild/\n*.log\n!keep.log\n\nsrc/gen*/a\n/top.txt\n");
        let check = |path: &str, expected: bool| {
            let (path, is_folder) = match path.strip_suffix('/') {
                Some(folder) => (folder, true),
                None => (path, false),
            };
            assert_eq!(ignored.covers(Path::new(path), is_folder), expected, "{path}");
        };
        for covered in ["out/", "build/", "a/build/", "x.log", "a/x.log", "src/gen1/a", "top.txt", "a.wasm"] {
            check(covered, true);
        }
        for covered in
            [".git/", ".grille/", "src/.main.c.swp", "main.c~", "target/", "a/target/", "node_modules/"]
        {
            check(covered, true);
        }
        for source in
            ["a/out/", "out", "build", "log", "x.logs", "src/gen/b", "src/gen/x/a", "a/top.txt", ".gitignore"]
        {
            check(source, false);
        }
    }

    #[test]
    fn a_star_is_part_of_a_name() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "anything", true),
            ("*", "a/b", false),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "abcd", false),
            ("*.o", ".o", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXcYb", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_project_without_a_file_ignores_what_all_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let ignored = Ignored::of(folder.path()).expect("no file is fine");
        assert!(ignored.covers(Path::new("target"), true) && !ignored.covers(Path::new("src"), true));
    }
}
