//! The configuration file from disk, with everything it names: files, secrets, plugins. All of it is looked at before a
//! port is bound, and all problems are told together.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use grille_plugin::Engine;

use crate::config::{self, Config, Problem, Problems};
use crate::failure::Failure;
use crate::plugins::{self, Plugins};
use crate::surroundings;

/// The longest configuration file. One with a thousand roles has some 500 KiB.
const CONFIG_BYTES_MAX: u64 = 4 << 20;

/// Reads and checks the file alone.
pub(crate) fn config(path: &Path) -> Result<Config, Failure> {
    let text = read(path).map_err(Failure::Usage)?;
    Ok(config::parse(&text, path)?)
}

fn read(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let file =
        File::open(path).with_context(|| format!("cannot read the configuration file {}", path.display()))?;
    file.take(CONFIG_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read the configuration file {}", path.display()))?;
    if text.len() as u64 > CONFIG_BYTES_MAX {
        return Err(anyhow!("{} is longer than {CONFIG_BYTES_MAX} bytes", path.display()));
    }
    Ok(text)
}

/// A configuration with all it names.
pub(crate) struct Loaded {
    /// The checked file; `warnings` has those of the surroundings and plugins too.
    pub(crate) config: Config,
    /// The plugins it names.
    pub(crate) plugins: Plugins,
}

impl Loaded {
    /// The warnings as text; empty if there are none.
    pub(crate) fn warnings(&self) -> String {
        Problems::new(self.config.source.clone(), self.config.warnings.clone()).to_string()
    }
}

/// Reads and checks the file, what it names, and the plugins.
pub(crate) fn all(path: &Path) -> Result<Loaded, Failure> {
    let config = config(path)?;
    match cache_directory(&config) {
        Some(directory) => {
            let engine = plugins::engine(&config, directory)?;
            with_engine(config, Some(engine))
        }
        None => with_engine(config, None),
    }
}

/// The same for a reload: plugins are loaded into the engine that runs.
pub(crate) fn again(path: &Path, engine: &Engine) -> Result<Loaded, Failure> {
    with_engine(config(path)?, Some(engine.clone()))
}

fn with_engine(mut config: Config, engine: Option<Engine>) -> Result<Loaded, Failure> {
    let mut problems = std::mem::take(&mut config.warnings);
    surroundings::check(&config, &mut problems);
    if engine.is_none() {
        problems.push(no_cache_directory());
    }
    let plugins = engine.map(|engine| plugins::load(&config, engine, &mut problems));
    let problems = Problems::new(config.source.clone(), problems);
    match plugins {
        Some(plugins) if !problems.refuse() => {
            config.warnings = problems.into_list();
            Ok(Loaded { config, plugins })
        }
        Some(_) | None => Err(problems.into()),
    }
}

fn cache_directory(config: &Config) -> Option<PathBuf> {
    config.cache_directory.clone().or_else(default_cache_directory)
}

/// Where compiled plugins are kept unless a configuration says otherwise.
pub(crate) fn default_cache_directory() -> Option<PathBuf> {
    let from = |variable: &str, below: &str| {
        let directory = std::env::var_os(variable).filter(|value| !value.is_empty())?;
        Some(PathBuf::from(directory).join(below))
    };
    from("CACHE_DIRECTORY", "")
        .or_else(|| from("XDG_CACHE_HOME", "grille/compiled"))
        .or_else(|| from("HOME", ".cache/grille/compiled"))
}

fn no_cache_directory() -> Problem {
    Problem::general(
        "there is no place for compiled plugins: none of $CACHE_DIRECTORY, $XDG_CACHE_HOME and $HOME is set",
    )
    .help("add [cache] directory = \"PATH\"")
}
