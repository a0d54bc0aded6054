//! The configuration file from disk, with everything it names: files, secrets, plugins. All of it is looked at before a
//! port is bound, and all problems are told together.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use grille_plugin::Engine;

use crate::config::{self, Config, Problem, Problems};
use crate::failure::Failure;
use crate::plugins::{self, Plugins};
use crate::rollout;
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
        warnings(&self.config)
    }
}

/// A configuration's warnings as text; empty if there are none.
pub(crate) fn warnings(config: &Config) -> String {
    Problems::new(config.source.clone(), config.warnings.clone()).to_string()
}

/// Reads and checks the file, what it names, and the plugins as their files hold them. Writes nothing but compiled plugins.
pub(crate) fn all(path: &Path) -> Result<Loaded, Failure> {
    let mut config = config(path)?;
    let mut problems = std::mem::take(&mut config.warnings);
    surroundings::check(&config, &mut problems);
    let plugins = match cache_directory(&config) {
        Some(directory) => {
            let engine = plugins::engine(&config, directory)?;
            Some(rollout::load(&config, engine, &mut problems))
        }
        None => {
            problems.push(no_cache_directory());
            None
        }
    };
    let problems = Problems::new(config.source.clone(), problems);
    match plugins {
        Some(plugins) if !problems.refuse() => {
            config.warnings = problems.into_list();
            Ok(Loaded { config, plugins })
        }
        Some(_) | None => Err(problems.into()),
    }
}

/// A configuration with what it takes to serve it, but for its plugins.
pub(crate) struct Ready {
    /// The checked file; `warnings` has those of the surroundings too.
    pub(crate) config: Config,
    /// Runs its plugins.
    pub(crate) engine: Engine,
    /// Where it is kept which of them are active.
    pub(crate) state_directory: PathBuf,
}

/// Reads and checks the file and what it names, without plugins: what of those is good is found out with what was active last.
pub(crate) fn ready(path: &Path) -> Result<Ready, Failure> {
    let mut config = config(path)?;
    let mut problems = std::mem::take(&mut config.warnings);
    surroundings::check(&config, &mut problems);
    let (cache, state) = (cache_directory(&config), state_directory(&config));
    if cache.is_none() {
        problems.push(no_cache_directory());
    }
    if state.is_none() {
        problems.push(no_state_directory());
    }
    let problems = Problems::new(config.source.clone(), problems);
    match (cache, state) {
        (Some(cache), Some(state_directory)) if !problems.refuse() => {
            config.warnings = problems.into_list();
            let engine = plugins::engine(&config, cache)?;
            Ok(Ready { config, engine, state_directory })
        }
        (_, _) => Err(problems.into()),
    }
}

fn state_directory(config: &Config) -> Option<PathBuf> {
    config.state_directory.clone().or_else(|| {
        from_environment("STATE_DIRECTORY", "")
            .or_else(|| from_environment("XDG_STATE_HOME", "grille"))
            .or_else(|| from_environment("HOME", ".local/state/grille"))
    })
}

fn no_state_directory() -> Problem {
    Problem::general(
        "there is no place to keep which plugins are active: none of $STATE_DIRECTORY, $XDG_STATE_HOME and $HOME is set",
    )
    .help("add [plugins] state_directory = \"PATH\"")
}

fn cache_directory(config: &Config) -> Option<PathBuf> {
    config.cache_directory.clone().or_else(default_cache_directory)
}

/// Where compiled plugins are kept unless a configuration says otherwise.
pub(crate) fn default_cache_directory() -> Option<PathBuf> {
    from_environment("CACHE_DIRECTORY", "")
        .or_else(|| from_environment("XDG_CACHE_HOME", "grille/compiled"))
        .or_else(|| from_environment("HOME", ".cache/grille/compiled"))
}

fn from_environment(variable: &str, below: &str) -> Option<PathBuf> {
    let directories = std::env::var_os(variable)?;
    // systemd gives all directories of a unit, divided by colons; the first is the one that is meant.
    let first =
        directories.as_bytes().split(|byte| *byte == b':').next().filter(|first| !first.is_empty())?;
    Some(PathBuf::from(OsStr::from_bytes(first)).join(below))
}

fn no_cache_directory() -> Problem {
    Problem::general(
        "there is no place for compiled plugins: none of $CACHE_DIRECTORY, $XDG_CACHE_HOME and $HOME is set",
    )
    .help("add [cache] directory = \"PATH\"")
}
