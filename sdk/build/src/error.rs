//! Why a plugin was not built, and whose affair it is.

use std::io;
use std::path::{Path, PathBuf};

/// A plugin was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// `plugin.toml`, or a file it names, is not right: the author's fault.
    #[error("{}: {reason}", path.display())]
    Manifest {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The machine lacks a tool.
    #[error("{what} is not here: {remedy}")]
    Missing {
        /// What is missing.
        what: String,
        /// How to get it.
        remedy: String,
    },
    /// A tool of a fixed version could not be fetched into the cache.
    #[error("{what} could not be fetched; is this machine offline?\n{output}")]
    Fetch {
        /// What.
        what: String,
        /// What the installer said.
        output: String,
    },
    /// A compiler, or another tool, did not accept the sources: the author's fault, as its own words say.
    #[error("`{command}` failed\n{output}")]
    Tool {
        /// The command, as one would type it.
        command: String,
        /// What it printed.
        output: String,
    },
    /// What was compiled is no plugin.
    #[error("{0}")]
    NotAPlugin(String),
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// `read`, `write`, …
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl BuildError {
    pub(crate) fn manifest(path: &Path, reason: impl Into<String>) -> Self {
        Self::Manifest { path: path.to_owned(), reason: reason.into() }
    }

    pub(crate) fn missing(what: &str, remedy: &str) -> Self {
        Self::Missing { what: what.to_owned(), remedy: remedy.to_owned() }
    }

    /// For `map_err`: an error of a file.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }
}
