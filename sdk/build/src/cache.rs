//! The user's cache: tools of fixed versions, kept between builds. Nothing in it is needed to run a plugin.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::BuildError;

/// Where tools are kept.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Grille's folder in the user's cache: `$XDG_CACHE_HOME/grille`, else `~/.cache/grille`.
    ///
    /// # Errors
    /// Neither variable is set.
    pub fn of_user() -> Result<Self, BuildError> {
        let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let below_home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
        let base = base.or_else(below_home).ok_or_else(|| {
            BuildError::missing("a cache folder", "set HOME, or XDG_CACHE_HOME to an absolute path")
        })?;
        Ok(Self::at(base.join("grille")))
    }

    /// Another folder.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where something is kept, whether or not it is there.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A tool's folder: filled by `install` if it is not there whole. `stamp` says what must be in it, and is written last;
    /// builds at the same time take turns.
    pub(crate) fn tool(
        &self,
        name: &str,
        stamp: &[u8],
        install: impl FnOnce(&Path) -> Result<(), BuildError>,
    ) -> Result<PathBuf, BuildError> {
        let folder = self.path(name);
        fs::create_dir_all(&self.folder).map_err(BuildError::file("make", &self.folder))?;
        let lock_file = self.path(&format!("{name}.lock"));
        let lock = File::create(&lock_file).map_err(BuildError::file("write", &lock_file))?;
        lock.lock().map_err(BuildError::file("lock", &lock_file))?;
        let stamp_file = folder.join(".installed");
        if fs::read(&stamp_file).is_ok_and(|present| present == stamp) {
            return Ok(folder);
        }
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(BuildError::file("remove", &folder))?;
        }
        fs::create_dir_all(&folder).map_err(BuildError::file("make", &folder))?;
        install(&folder)?;
        fs::write(&stamp_file, stamp).map_err(BuildError::file("write", &stamp_file))?;
        Ok(folder)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_tool_is_installed_once_and_anew_for_another_stamp() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::at(folder.path().join("cache"));
        let installs = Cell::new(0);
        let tool = |stamp: &[u8]| {
            cache.tool("tool", stamp, |folder| {
                installs.set(installs.get() + 1);
                assert_eq!(fs::read_dir(folder).expect("a folder").count(), 0, "begins empty");
                fs::write(folder.join("program"), "").map_err(BuildError::file("write", folder))
            })
        };
        tool(b"1").expect("installed");
        tool(b"1").expect("there");
        assert_eq!(installs.get(), 1);
        assert!(tool(b"2").expect("installed").join("program").exists());
        assert_eq!(installs.get(), 2);
    }

    #[test]
    fn a_broken_installation_is_not_taken_for_a_tool() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::at(folder.path().to_owned());
        let fails = |_: &Path| Err(BuildError::missing("the network", "wait"));
        cache.tool("tool", b"1", fails).expect_err("it fails");
        let again = cache.tool("tool", b"1", |_| Ok(()));
        again.expect("it is installed anew");
    }
}
