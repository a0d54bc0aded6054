//! A compiler and a standard library for `wasm32-unknown-unknown`.
//!
//! Where the active toolchain has the target, plain cargo does. Else, on Debian, the packages `rustc-web` and
//! `rust-web-src` serve: their compiler, and std built once from their sources into the user's cache. rustup is never
//! called: what it downloads is its owner's choice.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use crate::cache::Cache;
use crate::error::BuildError;
use crate::tool;

/// What plugins are compiled for: no operating system, so no WASI import can creep in.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The compiler of Debian's `rustc-web`.
pub const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Debian's packages with a compiler and the sources of std.
pub const DEBIAN_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];

/// Part of the cached sysroot's name; raise it when the way std is built changes.
const RECIPE: u32 = 2;

/// Vector instructions, which every engine has and the host allows: texts are read 16 bytes at once where code lends itself
/// to it.
const VECTORS: &str = "-Ctarget-feature=+simd128";

/// Between the flags in `CARGO_ENCODED_RUSTFLAGS`, so that a path may hold spaces.
const FLAG_SEPARATOR: &str = "\u{1f}";

/// What a plugin is compiled with.
#[derive(Debug)]
pub enum Toolchain {
    /// The active toolchain, which has the target.
    Active,
    /// Debian's compiler with std from our cache. rustup's compiler cannot compile Debian's sources, nor link their std.
    Debian {
        /// Where std is.
        sysroot: PathBuf,
        /// A linker for WebAssembly.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// Finds a toolchain for sources in `folder`, building Debian's std when there is no other. Takes a minute the first time.
    ///
    /// # Errors
    /// There is none.
    pub fn find(folder: &Path, cache: &Cache) -> Result<Self, BuildError> {
        if Self::active_has_target(folder)? {
            return Ok(Self::Active);
        }
        if !DEBIAN_PACKAGES.iter().all(|package| is_installed(package)) {
            return Err(BuildError::missing(
                "a Rust standard library for wasm32-unknown-unknown",
                "add it with rustup by `rustup target add wasm32-unknown-unknown`, or on Debian by `sudo apt-get install \
                 rustc-web rust-web-src`",
            ));
        }
        Ok(Self::Debian { sysroot: debian_sysroot(cache)?, linker: linker(folder)? })
    }

    /// Whether the toolchain that is active in `folder` can compile plugins.
    ///
    /// # Errors
    /// There is no Rust at all.
    pub fn active_has_target(folder: &Path) -> Result<bool, BuildError> {
        tool::require("rustc", "install Rust 1.95 or later, with rustup or by your package manager")?;
        let libraries = rustc(folder, &["--print", "target-libdir", "--target", TARGET])?;
        Ok(has_std(Path::new(&libraries)))
    }

    /// A `cargo build` for the target of sources under `root`.
    pub fn cargo_build(&self, root: &Path) -> Command {
        let mut command = cargo(root);
        command.args(["build", "--release", "--target", TARGET]);
        let mut flags = vec![remap(root, "grille")];
        flags.extend(remap_cargo_home());
        flags.push(VECTORS.to_owned());
        if let Self::Debian { sysroot, linker } = self {
            flags.push(format!("--sysroot={}", sysroot.display()));
            command.env("RUSTC", DEBIAN_RUSTC);
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        command.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", flags.join(FLAG_SEPARATOR));
        command
    }
}

/// The cargo that runs us, else the one on the search path.
fn cargo(folder: &Path) -> Command {
    tool::command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), folder)
}

fn rustc(folder: &Path, arguments: &[&str]) -> Result<String, BuildError> {
    Ok(tool::run(tool::command("rustc", folder).args(arguments))?.output)
}

/// By the package manager's word: another package has a `/usr/bin/rustc` too, years older.
fn is_installed(package: &str) -> bool {
    let mut query = tool::command("dpkg-query", &env::temp_dir());
    query.args(["--show", "--showformat=${db:Status-Status}", package]);
    tool::run(&mut query).is_ok_and(|printed| printed.output == "installed")
}

fn has_std(library_folder: &Path) -> bool {
    let Ok(files) = fs::read_dir(library_folder) else { return false };
    files.flatten().any(|file| is_std(&file.file_name().to_string_lossy()))
}

fn is_std(file_name: &str) -> bool {
    file_name.starts_with("libstd-") && file_name.ends_with(".rlib")
}

/// rustup's own linker, else LLVM's.
fn linker(folder: &Path) -> Result<PathBuf, BuildError> {
    let sysroot = rustc(folder, &["--print", "sysroot"])?;
    let host = rustc(folder, &["--print", "host-tuple"])?;
    let bundled = Path::new(&sysroot).join("lib/rustlib").join(host).join("bin/rust-lld");
    if bundled.exists() {
        return Ok(bundled);
    }
    let known = ["wasm-ld", "wasm-ld-22", "wasm-ld-19", "wasm-ld-14"];
    known.into_iter().find_map(tool::on_path).ok_or_else(|| {
        BuildError::missing(
            "a WebAssembly linker",
            "neither rust-lld nor wasm-ld is here; on Debian: sudo apt-get install lld",
        )
    })
}

/// The cached sysroot of Debian's compiler, built if it is not there.
fn debian_sysroot(cache: &Cache) -> Result<PathBuf, BuildError> {
    let release = debian_release()?;
    let sysroot = cache.path(&format!("wasm-sysroot-{release}-{RECIPE}"));
    if !has_std(&library_folder(&sysroot)) {
        build_std(cache, &sysroot)?;
    }
    Ok(sysroot)
}

fn debian_release() -> Result<String, BuildError> {
    let version = tool::run(tool::command(DEBIAN_RUSTC, &env::temp_dir()).arg("-vV"))?.output;
    let release = version.lines().find_map(|line| line.strip_prefix("release: "));
    release
        .map(str::to_owned)
        .ok_or_else(|| BuildError::missing("the release of Debian's rustc", "reinstall rustc-web"))
}

fn library_folder(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib").join(TARGET).join("lib")
}

/// Builds std beside `sysroot` and moves it there in one step: a sysroot that exists is whole.
fn build_std(cache: &Cache, sysroot: &Path) -> Result<(), BuildError> {
    let work = cache.path(&format!("wasm-sysroot.building-{}", process::id()));
    let built = compile_std(&work).and_then(|libraries| collect(&libraries, &work.join("sysroot")));
    // Another run may have been faster; its sysroot is as good as ours.
    let moved = built.and_then(|()| match fs::rename(work.join("sysroot"), sysroot) {
        Err(_) if has_std(&library_folder(sysroot)) => Ok(()),
        result => result.map_err(BuildError::file("write", sysroot)),
    });
    let cleared = fs::remove_dir_all(&work).map_err(BuildError::file("remove", &work));
    moved.and(cleared)
}

/// Builds an empty crate with `-Zbuild-std`; the folder that then holds std and what it needs.
fn compile_std(work: &Path) -> Result<PathBuf, BuildError> {
    tool::write(&work.join("src/lib.rs"), b"#![no_std]\n")?;
    tool::write(&work.join("Cargo.toml"), EMPTY_CRATE.as_bytes())?;
    let mut build = cargo(work);
    build.args(["build", "--release", "--quiet", "-Zbuild-std=std,panic_abort", "--target", TARGET]);
    build.arg("--target-dir").arg(work.join("target"));
    build.env("RUSTC", DEBIAN_RUSTC);
    // The sources are those of a released compiler, but building them takes unstable flags.
    build.env("RUSTC_BOOTSTRAP", "1");
    // Without bitcode in std, plugins with link-time optimisation do not link.
    let flags: Vec<_> = remap_cargo_home().into_iter().chain(["-Cembed-bitcode=yes".to_owned()]).collect();
    build.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", flags.join(FLAG_SEPARATOR));
    tool::run(&mut build)?;
    Ok(work.join("target").join(TARGET).join("release/deps"))
}

const EMPTY_CRATE: &str = r#"[package]
name = "empty"
version = "0.0.0"
edition = "2021"
[workspace]
[profile.release]
opt-level = 3
panic = "abort"
codegen-units = 1
"#;

/// Copies std's libraries into a sysroot's shape.
fn collect(libraries: &Path, sysroot: &Path) -> Result<(), BuildError> {
    let folder = library_folder(sysroot);
    fs::create_dir_all(&folder).map_err(BuildError::file("make", &folder))?;
    for file in tool::files(libraries, "rlib")? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with("libempty-") {
            fs::copy(&file, folder.join(name)).map_err(BuildError::file("copy", &file))?;
        }
    }
    match has_std(&folder) {
        true => Ok(()),
        false => {
            Err(BuildError::missing("libstd", "cargo built none for WebAssembly; reinstall rust-web-src"))
        }
    }
}

/// The flag that keeps a folder's name out of panic messages: a component need not tell where it was built.
fn remap(folder: &Path, name: &str) -> String {
    format!("--remap-path-prefix={}={name}", folder.display())
}

fn remap_cargo_home() -> Option<String> {
    let fallback = || env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(fallback)?;
    Some(remap(&home, "cargo"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn std_is_known_by_its_name() {
        for (name, expected) in [
            ("libstd-0123456789abcdef.rlib", true),
            ("libstd-0123456789abcdef.rmeta", false),
            ("libstd_detect-0123456789abcdef.rlib", false),
            ("libcore-0123456789abcdef.rlib", false),
        ] {
            assert_eq!(is_std(name), expected, "{name}");
        }
        assert!(!has_std(Path::new("/no/such/folder")));
    }

    #[test]
    fn an_unfinished_build_is_no_sysroot() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = collect(folder.path(), &folder.path().join("sysroot")).expect_err("no libstd");
        assert!(error.to_string().contains("libstd"), "{error}");
    }

    #[test]
    fn the_users_flags_do_not_reach_a_plugin() {
        let toolchain = Toolchain::Debian { sysroot: "/cache/a b".into(), linker: "/bin/lld".into() };
        let command = toolchain.cargo_build(&env::temp_dir());
        let value = |name: &str| {
            let found = command.get_envs().find(|(known, _)| *known == name).and_then(|(_, value)| value);
            found.map(|value| value.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let flags = value("CARGO_ENCODED_RUSTFLAGS");
        assert!(flags.contains("=grille\u{1f}") && flags.ends_with("\u{1f}--sysroot=/cache/a b"), "{flags}");
        assert_eq!((value("RUSTC"), value("RUSTFLAGS")), (DEBIAN_RUSTC.to_owned(), String::new()));
    }
}
