//! `grille plugin new` and `build`: what `grille_build` does, told to people.

use std::fmt;
use std::path::PathBuf;

use grille_build::{BuildError, Cache, Kind, Language, NewPlugin, Project, create};
use serde::Serialize;

use super::Report;
use super::text::grouped;
use crate::cli::plugin as cli;
use crate::failure::Failure;

#[derive(Serialize)]
struct Begun {
    folder: PathBuf,
    files: Vec<PathBuf>,
    #[serde(skip)]
    language: Language,
}

pub(super) fn new(command: cli::New) -> Result<Report, Failure> {
    let cli::New { name, language, kind, owner, dir, output } = command;
    let folder = dir.unwrap_or_else(|| PathBuf::from(&name));
    let new = NewPlugin { name, owner, language: language.into(), kind: kind.into() };
    let files = create(&new, &folder).map_err(failure)?;
    Report::good(&Begun { folder, files, language: new.language }, output)
}

impl fmt::Display for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.folder.display();
        for file in &self.files {
            writeln!(f, "{folder}/{}", file.display())?;
        }
        writeln!(f, "\nNext:\n  cd {folder}")?;
        writeln!(f, "  grille plugin build      # the component")?;
        writeln!(f, "  grille plugin test       # vectors and hostile inputs, in Grille's runtime")?;
        writeln!(
            f,
            "  grille plugin dev --config FILE --as NAME    # into a running Grille, at each change"
        )?;
        writeln!(f, "  {}", unit_tests(self.language))
    }
}

/// How the language's own tests are run.
fn unit_tests(language: Language) -> &'static str {
    match language {
        Language::Rust => "cargo test               # unit tests",
        Language::Python => "pytest                   # unit tests; README.md says what they need",
        Language::JavaScript | Language::TypeScript => "npm install && npm test  # unit tests, after build",
        Language::Go => "go test ./...            # unit tests",
        Language::C => "make test                # unit tests",
    }
}

#[derive(Serialize)]
struct Made {
    path: PathBuf,
    size: usize,
    is_new: bool,
    notes: String,
}

pub(super) fn build(command: cli::Build) -> Result<Report, Failure> {
    let cli::Build { folder, to, output } = command;
    let project = Project::open(&folder).map_err(failure)?;
    let cache = Cache::of_user().map_err(failure)?;
    let built = project.build(&cache, &to.unwrap_or_else(|| project.component())).map_err(failure)?;
    let grille_build::Built { path, size, is_new, notes } = built;
    if !notes.is_empty() {
        eprintln!("{notes}");
    }
    Report::good(&Made { path, size, is_new, notes }, output)
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let news = if self.is_new { "written" } else { "unchanged" };
        writeln!(f, "{}: {} bytes, {news}", self.path.display(), grouped(self.size))
    }
}

/// What was asked for cannot be (2), or was tried and failed (1).
fn failure(error: BuildError) -> Failure {
    match error {
        BuildError::Manifest { .. } | BuildError::File { .. } => Failure::Usage(error.into()),
        BuildError::Missing { .. }
        | BuildError::Fetch { .. }
        | BuildError::Tool { .. }
        | BuildError::NotAPlugin(_) => Failure::Other(error.into()),
    }
}

impl From<cli::Language> for Language {
    fn from(language: cli::Language) -> Self {
        match language {
            cli::Language::Rust => Self::Rust,
            cli::Language::Python => Self::Python,
            cli::Language::JavaScript => Self::JavaScript,
            cli::Language::TypeScript => Self::TypeScript,
            cli::Language::Go => Self::Go,
            cli::Language::C => Self::C,
        }
    }
}

impl From<cli::Kind> for Kind {
    fn from(kind: cli::Kind) -> Self {
        match kind {
            cli::Kind::Policy => Self::Policy,
            cli::Kind::Detector => Self::Detector,
            cli::Kind::Masker => Self::Masker,
        }
    }
}
