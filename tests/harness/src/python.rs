//! A Python environment with the drivers under test: psycopg 3 with its binary extension, psycopg2 built from source.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::endpoint::{Endpoint, Ran, feed};
use crate::{prepared, workspace};

/// The environment.
#[derive(Clone, Debug)]
pub struct Python {
    interpreter: PathBuf,
}

impl Python {
    /// Makes the environment, or finds it from an earlier time.
    ///
    /// # Errors
    /// When Python, its venv module, libpq's headers or the package index is missing.
    pub fn prepare() -> anyhow::Result<Self> {
        Self::with_requirements("venv", &workspace::harness_file("python/requirements.txt"))
    }

    /// The same with other packages: those that the file `requirements` pins. `name` tells environments apart.
    ///
    /// # Errors
    /// See [`Python::prepare`].
    pub fn with_requirements(name: &str, requirements: &Path) -> anyhow::Result<Self> {
        let pinned = fs::read_to_string(requirements).context("no requirements")?;
        let folder = prepared::folder(name, &[&pinned, &version()?], |folder| build(folder, requirements))?;
        Ok(Self { interpreter: folder.join("bin/python") })
    }

    /// The interpreter.
    pub fn interpreter(&self) -> &Path {
        &self.interpreter
    }

    /// Runs `script`, in which libpq-based drivers connect to `endpoint` when given an empty connection string.
    ///
    /// # Errors
    /// When the interpreter cannot be run.
    pub fn run(&self, script: &str, endpoint: &Endpoint) -> anyhow::Result<Ran> {
        let mut python = Command::new(&self.interpreter);
        python.arg("-").envs(endpoint.variables());
        feed(python, script)
    }
}

/// The system's Python, in words: an environment belongs to one version.
fn version() -> anyhow::Result<String> {
    let output = Command::new("python3")
        .arg("--version")
        .output()
        .context("no python3; on Debian install the packages python3 and python3-venv")?;
    Ok(Ran::from(output).said())
}

fn build(folder: &Path, requirements: &Path) -> anyhow::Result<()> {
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(folder);
    prepared::install(&mut venv, "making a Python environment", "python3-venv")?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-binary", "psycopg2", "--requirement"])
        .arg(requirements);
    prepared::install(&mut pip, "installing Python drivers", "libpq-dev python3-dev gcc")
}
