//! A compiler and a standard library for `wasm32-unknown-unknown`.
//!
//! Where the active toolchain has the target, plain cargo does. Else, on Debian, the packages `rustc-web` and
//! `rust-web-src` serve: their compiler, and std built once from their sources into the user's cache. rustup is never
//! called: what it downloads is its owner's choice.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self as std_process, Command};

use anyhow::{Context, Result, bail};

use crate::{install, layout, process};

/// What plugins are compiled for: no operating system, so no WASI import can creep in.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Part of the cached sysroot's name; raise it when the way std is built changes.
const RECIPE: u32 = 2;

/// Vector instructions, which every engine has and the host allows: texts are read 16 bytes at once where code lends itself
/// to it.
const VECTORS: &str = "-Ctarget-feature=+simd128";

/// Between the flags in `CARGO_ENCODED_RUSTFLAGS`, so that a path may hold spaces.
const FLAG_SEPARATOR: &str = "\u{1f}";

/// What a plugin is compiled with.
pub(crate) enum Toolchain {
    /// The active toolchain, which has the target.
    Active,
    /// Debian's compiler with std from our cache. rustup's compiler cannot compile Debian's sources, nor link their std.
    Debian { sysroot: PathBuf, linker: PathBuf },
}

impl Toolchain {
    /// Finds a toolchain, installing Debian's and building std when there is no other. Takes a minute the first time.
    pub(crate) fn find() -> Result<Self> {
        if active_has_target()? {
            return Ok(Self::Active);
        }
        install::debian_rust()?;
        Ok(Self::Debian { sysroot: debian_sysroot()?, linker: linker()? })
    }

    /// A `cargo build` for the target of sources under `root`.
    pub(crate) fn cargo_build(&self, root: &Path) -> Command {
        let mut command = process::cargo(["build", "--release", "--target", TARGET]);
        let mut flags = vec![remap(root, "grille")];
        flags.extend(remap_cargo_home());
        flags.push(VECTORS.to_owned());
        if let Self::Debian { sysroot, linker } = self {
            flags.push(format!("--sysroot={}", sysroot.display()));
            command.env("RUSTC", install::DEBIAN_RUSTC);
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        command.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", flags.join(FLAG_SEPARATOR));
        command
    }
}

fn active_has_target() -> Result<bool> {
    let mut rustc = process::command("rustc");
    rustc.args(["--print", "target-libdir", "--target", TARGET]);
    Ok(has_std(Path::new(&process::capture(&mut rustc)?)))
}

fn has_std(library_folder: &Path) -> bool {
    let Ok(files) = fs::read_dir(library_folder) else { return false };
    files.flatten().any(|file| is_std(&file.file_name().to_string_lossy()))
}

fn is_std(file_name: &str) -> bool {
    file_name.starts_with("libstd-") && file_name.ends_with(".rlib")
}

/// rustup's own linker, else LLVM's.
fn linker() -> Result<PathBuf> {
    let sysroot = process::capture(process::command("rustc").args(["--print", "sysroot"]))?;
    let host = process::capture(process::command("rustc").args(["--print", "host-tuple"]))?;
    let bundled = Path::new(&sysroot).join("lib/rustlib").join(host).join("bin/rust-lld");
    if bundled.exists() {
        return Ok(bundled);
    }
    match ["wasm-ld", "wasm-ld-22", "wasm-ld-19", "wasm-ld-14"]
        .into_iter()
        .find(|name| process::on_path(name))
    {
        Some(name) => Ok(name.into()),
        None => {
            bail!("no WebAssembly linker: neither rust-lld in {sysroot} nor wasm-ld (Debian package lld)")
        }
    }
}

/// The cached sysroot of Debian's compiler, built if it is not there.
fn debian_sysroot() -> Result<PathBuf> {
    let release = debian_release()?;
    let sysroot = layout::cache()?.join(format!("wasm-sysroot-{release}-{RECIPE}"));
    if !has_std(&library_folder(&sysroot)) {
        build_std(&sysroot).context("building std for plugins failed")?;
    }
    Ok(sysroot)
}

fn debian_release() -> Result<String> {
    let version = process::capture(process::command(install::DEBIAN_RUSTC).arg("-vV"))?;
    let release = version.lines().find_map(|line| line.strip_prefix("release: "));
    Ok(release.with_context(|| format!("{} -vV names no release", install::DEBIAN_RUSTC))?.to_owned())
}

fn library_folder(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib").join(TARGET).join("lib")
}

/// Builds std beside `sysroot` and moves it there in one step: a sysroot that exists is whole.
fn build_std(sysroot: &Path) -> Result<()> {
    let work = layout::cache()?.join(format!("wasm-sysroot.building-{}", std_process::id()));
    let built = compile_std(&work).and_then(|libraries| collect(&libraries, &work.join("sysroot")));
    // Another run may have been faster; its sysroot is as good as ours.
    let moved = built.and_then(|()| match fs::rename(work.join("sysroot"), sysroot) {
        Err(_) if has_std(&library_folder(sysroot)) => Ok(()),
        result => result.with_context(|| format!("cannot write {}", sysroot.display())),
    });
    let cleared = fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()));
    moved.and(cleared)
}

/// Builds an empty crate with `-Zbuild-std`; the folder that then holds std and what it needs.
fn compile_std(work: &Path) -> Result<PathBuf> {
    fs::create_dir_all(work.join("src")).with_context(|| format!("cannot make {}", work.display()))?;
    fs::write(work.join("src/lib.rs"), "#![no_std]\n")?;
    fs::write(work.join("Cargo.toml"), EMPTY_CRATE)?;
    let mut build =
        process::cargo(["build", "--release", "--quiet", "-Zbuild-std=std,panic_abort", "--target", TARGET]);
    build.current_dir(work).arg("--target-dir").arg(work.join("target"));
    build.env("RUSTC", install::DEBIAN_RUSTC);
    // The sources are those of a released compiler, but building them takes unstable flags.
    build.env("RUSTC_BOOTSTRAP", "1");
    // Without bitcode in std, plugins with link-time optimisation do not link.
    let flags: Vec<_> = remap_cargo_home().into_iter().chain(["-Cembed-bitcode=yes".to_owned()]).collect();
    build.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", flags.join(FLAG_SEPARATOR));
    process::run(&mut build)?;
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
fn collect(libraries: &Path, sysroot: &Path) -> Result<()> {
    let folder = library_folder(sysroot);
    fs::create_dir_all(&folder)?;
    for file in fs::read_dir(libraries)? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.starts_with("libempty-") {
            fs::copy(file.path(), folder.join(name))?;
        }
    }
    if !has_std(&folder) {
        bail!("cargo built no libstd in {}", libraries.display());
    }
    Ok(())
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
        assert!(error.to_string().contains("built no libstd"), "{error}");
    }

    #[test]
    fn the_users_flags_do_not_reach_a_plugin() {
        let toolchain = Toolchain::Debian { sysroot: "/cache/a b".into(), linker: "/bin/lld".into() };
        let shown = process::shown(&toolchain.cargo_build(Path::new("/home/me/grille")));
        assert!(shown.contains(r"=$'--remap-path-prefix=/home/me/grille=grille\x1f"), "{shown}");
        assert!(shown.contains(r"\x1f--sysroot=/cache/a b' "), "{shown}");
        assert!(shown.contains("RUSTC=/usr/bin/rustc"), "{shown}");
    }
}
