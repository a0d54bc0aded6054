//! From sources to a component that may be put into a slot: built, loaded, its vectors held, and configured as the slot's plugins
//! are. The same steps as `grille plugin build` and `check`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use grille_build::{Cache, Project};
use grille_plugin::{Plugin, Vector, World};
use serde_json::{Value, json};

use super::super::check::failed;
use super::super::runtime::{Runtime, Subject};
use super::slot::Slot;
use crate::failure::Failure;

/// Builds one project for one slot.
pub(super) struct Workshop {
    folder: PathBuf,
    cache: Cache,
    runtime: Runtime,
    slot: String,
    world: World,
    settings: Value,
}

/// A component that is good.
pub(super) struct Product {
    pub(super) component: Vec<u8>,
    pub(super) id: String,
    pub(super) version: String,
    /// SHA-256, hexadecimal.
    pub(super) digest: String,
    pub(super) vectors: Vectors,
    /// Warnings of the compiler; empty if there are none.
    pub(super) notes: String,
    /// How long building and checking took.
    pub(super) took: Duration,
}

/// What became of the vectors.
pub(super) enum Vectors {
    /// So many hold.
    Hold(usize),
    /// They could not be run, for the plugin does not work with the settings `{}`.
    NotRun(String),
}

/// Why there is no component: the author's to mend.
pub(super) enum Flaw {
    /// It does not build: the compiler's words.
    Build(String),
    /// It builds, and is not what it should be: a line for each thing.
    Check(Vec<String>),
}

impl Workshop {
    /// For the project in a folder and a slot. `cache` is where the running Grille keeps what it has compiled, if that is known: what
    /// is compiled here it need not compile again.
    pub(super) fn new(folder: &Path, slot: &Slot, cache: Option<PathBuf>) -> Result<Self, Failure> {
        // Of a Grille that is another user's, it cannot be used.
        let shared = cache.and_then(|directory| Runtime::caching_in(directory).ok());
        let runtime = shared.map_or_else(Runtime::start, Ok)?;
        Ok(Self {
            folder: folder.to_owned(),
            cache: Cache::of_user().map_err(|error| Failure::Other(error.into()))?,
            runtime,
            slot: slot.name.clone(),
            world: slot.world,
            settings: slot.settings.clone(),
        })
    }

    /// Builds and checks. Takes as long as the language's build.
    pub(super) fn make(&self) -> Result<Product, Flaw> {
        let begun = Instant::now();
        // What is in the project's folder is `grille plugin build`'s, and may even be the slot's own file.
        let file = self.folder.join(".grille/dev/component.wasm");
        let build = |error: grille_build::BuildError| Flaw::Build(error.to_string());
        let project = Project::open(&self.folder).map_err(build)?;
        let built = project.build(&self.cache, &file).map_err(build)?;
        let subject = self.runtime.load(&file).map_err(|failure| Flaw::Check(vec![failure.to_string()]))?;
        let vectors = self.check(&subject)?;
        let metadata = subject.component.metadata();
        Ok(Product {
            component: fs::read(&file).map_err(|error| Flaw::Build(error.to_string()))?,
            id: metadata.id.clone(),
            version: metadata.version.clone(),
            digest: subject.component.digest().to_owned(),
            vectors,
            notes: built.notes,
            took: begun.elapsed(),
        })
    }

    fn check(&self, subject: &Subject) -> Result<Vectors, Flaw> {
        let (is, wanted) = (subject.component.world(), self.world);
        if is != wanted {
            let told = format!("it is a {is}, and `{}` is used as a {wanted}", self.slot);
            return Err(Flaw::Check(vec![told]));
        }
        let vectors = Vector::of(subject.component.metadata());
        let vectors = vectors.map_err(|error| Flaw::Check(vec![error.to_string()]))?;
        let told = match subject.try_configure(&json!({})) {
            Ok(plugin) => hold(&plugin, &vectors)?,
            Err(wrong) => Vectors::NotRun(wrong.join("; ")),
        };
        subject.try_configure(&self.settings).map_err(|wrong| {
            let of_slot = |one| format!("the settings of `{}` do not fit: {one}", self.slot);
            Flaw::Check(wrong.into_iter().map(of_slot).collect())
        })?;
        Ok(told)
    }
}

fn hold(plugin: &Arc<Plugin>, vectors: &[Vector]) -> Result<Vectors, Flaw> {
    let failed = failed(plugin, vectors);
    if failed.is_empty() {
        return Ok(Vectors::Hold(vectors.len()));
    }
    Err(Flaw::Check(failed.iter().map(ToString::to_string).collect()))
}
