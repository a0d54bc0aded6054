//! PostgreSQL's regression queries from its source, of the installed major version: the distribution's source package, or
//! the folder `src/test/regress` that `GRILLE_POSTGRES_REGRESS` names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use grille_harness::endpoint::Ran;
use grille_harness::{postgres, prepared};

/// Where apt keeps what it may fetch from.
const APT_SOURCES: [&str; 2] = ["/etc/apt/sources.list", "/etc/apt/sources.list.d"];

/// The folder with `sql`, `data`, `expected` and `parallel_schedule`.
pub(crate) fn folder() -> anyhow::Result<PathBuf> {
    if let Some(given) = std::env::var_os("GRILLE_POSTGRES_REGRESS") {
        return Ok(given.into());
    }
    let package = format!("postgresql-{}", major_version()?);
    let folder = prepared::folder("postgresql-regress", &[&package], |folder| {
        download(&package, folder).with_context(|| {
            format!(
                "no source of {package} to be had; the folder src/test/regress of PostgreSQL's source can be \
                 given by the variable GRILLE_POSTGRES_REGRESS"
            )
        })
    })?;
    Ok(folder.join("regress"))
}

/// `postgres (PostgreSQL) 15.20 (…)`.
fn major_version() -> anyhow::Result<String> {
    let output = Command::new(postgres::program("postgres")?).arg("--version").output()?;
    let said = Ran::from(output).ok()?;
    let version = said.split_whitespace().nth(2).context("postgres tells no version")?;
    Ok(version.split('.').next().unwrap_or(version).to_owned())
}

/// apt with an index of its own, so that the machine's is not changed by asking for sources.
struct Apt {
    options: Vec<String>,
}

impl Apt {
    fn new(folder: &Path) -> anyhow::Result<Self> {
        let (sources, lists) = (folder.join("sources"), folder.join("lists"));
        fs::create_dir_all(&sources)?;
        fs::create_dir_all(lists.join("partial"))?;
        for file in APT_SOURCES.iter().flat_map(|path| files(Path::new(path))) {
            let name = file.file_name().context("a file has a name")?;
            fs::write(sources.join(name), for_sources(&fs::read_to_string(&file)?))?;
        }
        let option = |name: &str, path: &Path| format!("{name}={}", path.display());
        let options = vec![
            option("Dir::Etc::sourcelist", Path::new("/dev/null")),
            option("Dir::Etc::sourceparts", &sources),
            option("Dir::State::lists", &lists),
            // The folder is ours alone: apt's own user could not write to it.
            "APT::Sandbox::User=root".to_owned(),
        ];
        Ok(Self { options })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(self.options.iter().flat_map(|option| ["-o", option])).arg("-q");
        command
    }

    /// The versions there are, the newest first.
    fn versions(&self, package: &str) -> anyhow::Result<Vec<String>> {
        let output = self.command("apt-cache").args(["showsrc", package]).output()?;
        let text = Ran::from(output).ok()?;
        let mut versions: Vec<String> =
            text.lines().filter_map(|line| line.strip_prefix("Version: ")).map(str::to_owned).collect();
        versions.sort_unstable_by(|left, right| right.cmp(left));
        Ok(versions)
    }
}

/// The source of an update can be away from a mirror that still has its index, so older ones are tried too.
fn download(package: &str, folder: &Path) -> anyhow::Result<()> {
    let apt = Apt::new(&folder.join("apt"))?;
    // A repository without sources makes it fail, however much was found.
    let updated = apt.command("apt-get").arg("update").output().context("no apt-get here")?;
    let mut failed = vec![Ran::from(updated).stderr];
    for version in apt.versions(package)? {
        let mut get = apt.command("apt-get");
        get.args(["source", "--download-only", &format!("{package}={version}")]).current_dir(folder);
        match prepared::install(&mut get, "downloading PostgreSQL's source", "apt") {
            Ok(()) => return unpack(folder),
            Err(error) => failed.push(format!("{error:#}")),
        }
    }
    anyhow::bail!("{}", failed.join("\n"))
}

fn unpack(folder: &Path) -> anyhow::Result<()> {
    let archives = files(folder);
    let is_upstreams = |path: &&PathBuf| path.to_string_lossy().contains(".orig.tar.");
    let archive = archives.iter().find(is_upstreams).context("the source package has no archive")?;
    let mut tar = Command::new("tar");
    tar.arg("-xf").arg(archive).arg("-C").arg(folder);
    tar.args(["--strip-components=3", "--wildcards", "*/src/test/regress"]);
    prepared::install(&mut tar, "unpacking PostgreSQL's source", "tar bzip2")?;
    archives.iter().try_for_each(fs::remove_file)?;
    Ok(fs::remove_dir_all(folder.join("apt"))?)
}

/// The path itself if it is a file, else the files in it.
fn files(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else {
        return if path.is_file() { vec![path.to_owned()] } else { Vec::new() };
    };
    entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect()
}

/// The same places, for sources in the place of packages, in either of apt's two formats (`man sources.list`).
fn for_sources(text: &str) -> String {
    let line = |line: &str| match line.split_once(' ') {
        Some(("deb", rest)) => format!("deb-src {rest}\n"),
        Some(("Types:", _)) => "Types: deb-src\n".to_owned(),
        Some(_) | None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_asked_for_where_packages_are() {
        let check = |text: &str, expected: &str| assert_eq!(for_sources(text), expected, "{text}");
        check("deb http://mirror stable main\n", "deb-src http://mirror stable main\n");
        check("# deb x\n", "# deb x\n");
        check("Types: deb\nSuites: stable\n", "Types: deb-src\nSuites: stable\n");
    }
}
