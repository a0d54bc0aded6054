//! What has to be on the machine, and how to get it: by `apt-get` for root on Debian and its relatives, elsewhere by a
//! message that names what is missing. Never rustup, never a download of our own, nothing when nothing is missing.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{layout, process};

/// Something a machine needs.
pub(crate) struct Need {
    /// Debian's package.
    package: &'static str,
    /// What fails without it.
    purpose: &'static str,
    present: fn() -> bool,
}

/// For compiling the host.
const HOST: [Need; 2] = [
    Need {
        package: "build-essential",
        purpose: "the C compiler and linker",
        present: || process::on_path("cc"),
    },
    Need { package: "libclang-dev", purpose: "libclang, for bindgen in pg_query", present: has_libclang },
];

/// For running PostgreSQL, the identity provider and the drivers.
const SERVICES: [Need; 8] = [
    Need { package: "postgresql", purpose: "a PostgreSQL server for tests and demo", present: has_postgres },
    Need { package: "postgresql-client", purpose: "psql", present: || process::on_path("psql") },
    Need { package: "libpq-dev", purpose: "building psycopg2 from source", present: has_libpq_headers },
    Need { package: "nodejs", purpose: "the identity provider", present: || process::on_path("node") },
    Need { package: "npm", purpose: "the identity provider", present: || process::on_path("npm") },
    Need { package: "python3-venv", purpose: "psycopg", present: has_python_venv },
    Need { package: "python3-dev", purpose: "building psycopg2 from source", present: has_python_headers },
    Need {
        package: "minisign",
        purpose: "the judge of our signatures",
        present: || process::on_path("minisign"),
    },
];

/// For the suites of real drivers, beside [`SERVICES`].
const DRIVERS: [Need; 3] = [
    Need {
        package: "default-jdk-headless",
        purpose: "Java, to compile and run a client of pgjdbc",
        present: || process::on_path("javac"),
    },
    Need { package: "libpostgresql-jdbc-java", purpose: "pgjdbc", present: has_jdbc_driver },
    Need {
        package: "bzip2",
        purpose: "unpacking PostgreSQL's source, for its regression queries",
        present: || process::on_path("bzip2"),
    },
];

/// For building plugins in other languages than Rust. Go is not here: Debian 12's is too old.
const LANGUAGES: [Need; 5] = [
    Need { package: "clang-22", purpose: "C plugins", present: || process::on_path("clang-22") },
    Need { package: "lld-22", purpose: "C plugins", present: || is_installed("lld-22") },
    Need { package: "wasi-libc", purpose: "C plugins", present: || is_installed("wasi-libc") },
    Need {
        package: "libclang-rt-22-dev-wasm32",
        purpose: "C plugins",
        present: || is_installed("libclang-rt-22-dev-wasm32"),
    },
    Need { package: "make", purpose: "tests of C plugins", present: || process::on_path("make") },
];

/// For comparing with other proxies.
const BENCH: [Need; 2] = [
    Need {
        package: "pgbouncer",
        purpose: "the proxy to compare with",
        present: || is_installed("pgbouncer"),
    },
    Need {
        package: "haproxy",
        purpose: "another proxy to compare with",
        present: || is_installed("haproxy"),
    },
];

/// For compiling Rust to WebAssembly where the active toolchain has no standard library for it.
const WASM: [Need; 2] = [
    Need { package: "rustc-web", purpose: "a compiler for plugins", present: || is_installed("rustc-web") },
    Need { package: "rust-web-src", purpose: "std for plugins", present: || is_installed("rust-web-src") },
];

/// Makes sure the host can be compiled.
pub(crate) fn host() -> Result<()> {
    ensure(&HOST)
}

/// Makes sure tests and demo can run what they start.
pub(crate) fn services() -> Result<()> {
    ensure(&SERVICES)
}

/// Makes sure the suites of real drivers can be run.
pub(crate) fn drivers() -> Result<()> {
    ensure(&DRIVERS)
}

/// Gets compilers of other languages where it can. What is missing afterwards is told by whoever needs it.
pub(crate) fn languages() {
    if let Err(error) = ensure(&LANGUAGES) {
        eprintln!("{error:#}");
    }
}

/// Makes sure what benchmarks compare with is there.
pub(crate) fn bench() -> Result<()> {
    ensure(&BENCH)
}

/// Makes sure Debian's Rust compiler and its sources are there. Elsewhere than on Debian there is a shorter way.
pub(crate) fn debian_rust() -> Result<()> {
    let other_way = "the active Rust toolchain has no standard library for wasm32-unknown-unknown; add it, with rustup \
                     by `rustup target add wasm32-unknown-unknown`";
    if !is_debian() {
        bail!(other_way);
    }
    ensure(&WASM).context(other_way)
}

fn ensure(needs: &[Need]) -> Result<()> {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    if !is_debian() || !is_root() {
        bail!("{}", instructions(&missing));
    }
    apt_get_install(&missing)?;
    let missing = self::missing(needs);
    if !missing.is_empty() {
        bail!("apt-get succeeded, and yet there is something {}", instructions(&missing));
    }
    Ok(())
}

fn missing(needs: &[Need]) -> Vec<&Need> {
    needs.iter().filter(|need| !(need.present)()).collect()
}

/// The first line alone says what to do.
fn instructions(missing: &[&Need]) -> String {
    let packages: Vec<_> = missing.iter().map(|need| need.package).collect();
    let mut text = format!("missing here; on Debian or Ubuntu: sudo apt-get install {}", packages.join(" "));
    for need in missing {
        text.push_str(&format!("\n  {}: {}", need.package, need.purpose));
    }
    text
}

fn apt_get_install(missing: &[&Need]) -> Result<()> {
    // A stale or unreachable index is no reason to stop: the packages may be in apt's cache.
    let updated = process::run(apt_get().arg("update"));
    let packages = missing.iter().map(|need| need.package);
    let installed = process::run(apt_get().args(["install", "-y", "--no-install-recommends"]).args(packages));
    match (updated, installed) {
        (_, Ok(())) => Ok(()),
        (Err(offline), Err(_)) => {
            bail!("this machine seems to be offline; {}\n{offline}", instructions(missing))
        }
        (Ok(()), Err(error)) => Err(error.context(instructions(missing))),
    }
}

fn apt_get() -> Command {
    let mut command = process::command("apt-get");
    // A failed download of the index is an exit code, not a warning; and no progress bars in a log.
    command.args(["-q", "-o", "APT::Update::Error-Mode=any", "-o", "Dpkg::Use-Pty=0"]);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Whether this is Debian or a relative with its package manager.
fn is_debian() -> bool {
    Path::new("/etc/debian_version").exists() && process::on_path("apt-get")
}

/// By the package manager's word: another package has a `/usr/bin/rustc` too, years older.
fn is_installed(package: &str) -> bool {
    let mut query = process::command("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Status}", package]);
    process::capture(&mut query).is_ok_and(|status| status == "installed")
}

fn is_root() -> bool {
    process::capture(process::command("id").arg("-u")).is_ok_and(|id| id == "0")
}

/// The library's development name: the run-time package lacks the compiler's own headers, without which bindgen fails.
fn has_libclang() -> bool {
    if env::var_os("LIBCLANG_PATH").is_some() || !cfg!(target_os = "linux") {
        return true;
    }
    let folders = ["/usr/lib", "/usr/lib64", "/usr/local/lib"];
    folders.iter().any(|folder| Path::new(folder).join("libclang.so").exists())
        || any_child("/usr/lib", "llvm-", "lib/libclang.so")
}

fn has_postgres() -> bool {
    process::on_path("postgres") || any_child("/usr/lib/postgresql", "", "bin/postgres")
}

/// Where Debian puts it; `driver-suite` looks nowhere else.
fn has_jdbc_driver() -> bool {
    Path::new("/usr/share/java/postgresql.jar").exists()
}

/// Debian has a `pg_config` without the headers, which says so and fails.
fn has_libpq_headers() -> bool {
    let folder = process::capture(process::command("pg_config").arg("--includedir"));
    folder.is_ok_and(|folder| Path::new(&folder).join("libpq-fe.h").exists())
}

fn has_python_headers() -> bool {
    let print = "import sysconfig; print(sysconfig.get_paths()['include'])";
    let folder = process::capture(process::command("python3").args(["-c", print]));
    folder.is_ok_and(|folder| Path::new(&folder).join("Python.h").exists())
}

/// Debian's python3 alone has no `ensurepip`, and `venv` fails half-way.
fn has_python_venv() -> bool {
    process::capture(process::command("python3").args(["-c", "import venv, ensurepip"])).is_ok()
}

/// Whether a child of `folder` whose name starts with `prefix` has the file.
fn any_child(folder: &str, prefix: &str, file: &str) -> bool {
    let Ok(children) = fs::read_dir(folder) else { return false };
    children.flatten().any(|child| {
        child.file_name().to_string_lossy().starts_with(prefix) && child.path().join(file).exists()
    })
}

/// A program of crates.io at a fixed version, compiled once into the cache; the path to call it by.
pub(crate) fn cargo_program(name: &str, version: &str) -> Result<PathBuf> {
    let folder = layout::cache()?.join(format!("{name}-{version}"));
    let program = folder.join("bin").join(name);
    if !program.exists() {
        let mut install = process::cargo(["install", name, "--version", version, "--locked", "--quiet"]);
        // Its own target folder, and none of our flags: a tool is not part of what is tested.
        install.arg("--root").arg(&folder).env_remove("RUSTFLAGS").env_remove("CARGO_TARGET_DIR");
        install.current_dir(env::temp_dir());
        process::run(&mut install)?;
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABSENT: Need = Need { package: "imaginary-dev", purpose: "imagining", present: || false };
    const PRESENT: Need = Need { package: "real-dev", purpose: "being", present: || true };

    #[test]
    fn only_what_is_missing_is_asked_for() {
        let needs = [ABSENT, PRESENT];
        let text = instructions(&missing(&needs));
        let expected = "missing here; on Debian or Ubuntu: sudo apt-get install imaginary-dev\n  imaginary-dev: imagining";
        assert_eq!(text, expected);
    }

    #[test]
    fn nothing_is_done_when_nothing_is_missing() {
        ensure(&[PRESENT]).expect("no package manager is called");
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_children() {
        assert!(!any_child("/no/such/folder", "", "file"));
    }
}
