//! What a source may name, by where it lies. Each rule looks at one file.

use crate::Violation;
use crate::repository::File;
use crate::syntax::{self, Token};

/// Folders whose every Rust file says at its top what it holds.
const DOCUMENTED: [&str; 6] = ["host/", "sdk/rust/", "sdk/build/", "plugins/", "examples/", "tests/"];

/// The only crate that contains `unsafe`, and the only one that names wasmtime.
const PLUGIN_RUNTIME: &str = "host/plugin/";

/// Plugins that misbehave on purpose.
const MISBEHAVING: [&str; 2] = ["tests/guests/", "tests/hostile/"];

/// What neither `core` nor `wire` nor `trust` may name: sockets, files, clocks, an executor.
const IMPURE: [&[&str]; 7] = [
    &["std", "net"],
    &["std", "fs"],
    &["std", "os"],
    &["tokio"],
    &["Instant", "now"],
    &["SystemTime", "now"],
    &["UNIX_EPOCH", "elapsed"],
];

/// Addresses are data; nothing of `std::net` besides them is.
const ADDRESSES: [&str; 3] = ["IpAddr", "Ipv4Addr", "Ipv6Addr"];

/// Names of what holds a secret in the data plane's settings.
const SECRETS: [&str; 3] = ["SecretSource", "password", "token_key"];

/// Beginnings of absolute paths that mean something on one machine only. Split, lest this file break the rule.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/", "work/"), concat!("/", "root/"), concat!("/", "Users/"), concat!("/", "workspace/")];

/// Endings of files that are built.
const BUILT: [&str; 10] = [".wasm", ".cwasm", ".so", ".o", ".a", ".rlib", ".dylib", ".dll", ".exe", ".pyc"];

/// How built files begin: a Wasm module or component, an ELF object, an archive of objects.
const BUILT_MAGIC: [&[u8]; 3] = [b"\0asm", b"\x7fELF", b"!<arch>\n"];

/// Every Rust file opens with `//!`.
pub fn opens_with_docs(file: &File) -> Vec<Violation> {
    let concerned = file.is_rust() && DOCUMENTED.iter().any(|folder| file.path.starts_with(folder));
    let opens = file.bytes.starts_with(b"//! ");
    found(concerned && !opens, file, 1, "does not open with `//!`")
}

/// Of all that is trusted, `unsafe` stands in the plugin runtime only.
pub fn no_unsafe(file: &File) -> Vec<Violation> {
    let free = MISBEHAVING.iter().chain([&PLUGIN_RUNTIME]).any(|folder| file.path.starts_with(folder));
    if free || !file.is_rust() {
        return Vec::new();
    }
    positions(&all_tokens(file), &["unsafe"])
        .map(|line| Violation::at(&file.path, line, "is `unsafe`"))
        .collect()
}

/// Every other crate of the host forbids it.
pub fn forbids_unsafe(file: &File) -> Vec<Violation> {
    let is_root = file.path.starts_with("host/")
        && !file.path.starts_with(PLUGIN_RUNTIME)
        && ["src/lib.rs", "src/main.rs"].iter().any(|root| file.path.ends_with(root));
    let forbids = ["#", "!", "[", "forbid", "(", "unsafe_code", ")", "]"];
    let forbidden = is_root && positions(&all_tokens(file), &forbids).next().is_some();
    found(is_root && !forbidden, file, 1, "does not say `#![forbid(unsafe_code)]`")
}

/// `core` and `wire` touch no socket, no file and no clock.
pub fn is_pure(file: &File) -> Vec<Violation> {
    let folders = ["host/core/src/", "host/wire/src/", "host/trust/src/"];
    if !file.is_rust() || !folders.iter().any(|folder| file.path.starts_with(folder)) {
        return Vec::new();
    }
    let paths = syntax::paths(&production_code(file));
    let is_impure = |path: &[String]| IMPURE.iter().any(|impure| names(path, impure)) && !is_address(path);
    let impure = paths.iter().filter(|path| is_impure(&path.segments));
    impure
        .map(|path| Violation::at(&file.path, path.line, format!("names `{}`", path.segments.join("::"))))
        .collect()
}

fn is_address(path: &[String]) -> bool {
    names(path, &["std", "net"]) && path.get(2).is_some_and(|item| ADDRESSES.contains(&item.as_str()))
}

/// Whether a path has `wanted` in it, a crate's name at its start.
fn names(path: &[String], wanted: &[&str]) -> bool {
    let is_type = wanted.first().is_some_and(|first| first.starts_with(char::is_uppercase));
    let starts = if is_type { path.len() } else { 1 };
    (0..starts).any(|start| {
        path[start..].len() >= wanted.len()
            && path[start..].iter().zip(wanted).all(|(one, other)| one == other)
    })
}

/// Wasmtime is named by the plugin runtime only.
pub fn no_wasmtime(file: &File) -> Vec<Violation> {
    if file.path.starts_with(PLUGIN_RUNTIME) {
        return Vec::new();
    }
    let is_manifest = file.path.ends_with("/Cargo.toml");
    let depends = is_manifest && file.text().lines().any(|line| line.trim_start().starts_with("wasmtime"));
    let mut wrong = found(depends, file, 0, "depends on wasmtime");
    let paths = if file.is_rust() { syntax::paths(&all_tokens(file)) } else { Vec::new() };
    let named = paths.iter().filter(|path| path.segments.len() > 1 && path.segments[0] == "wasmtime");
    wrong.extend(named.map(|path| Violation::at(&file.path, path.line, "names wasmtime")));
    wrong
}

/// Secrets are read by the module that logs in to upstreams, and nowhere else. `SecretSource` itself may say whether one
/// can be read.
pub fn secrets_stay_upstream(file: &File) -> Vec<Violation> {
    const DEFINED: &str = "host/proxy/src/settings.rs";
    if file.path == DEFINED {
        let published = positions(&all_tokens(file), &["pub", "fn", "read"]).next().is_some();
        return found(published, file, 0, "lets other crates read secrets");
    }
    if !file.is_rust() || !is_host_source(file) || file.path.starts_with("host/proxy/src/upstream/") {
        return Vec::new();
    }
    let code = production_code(file);
    let by_path = positions(&code, &["SecretSource", "::", "read"]);
    // A lock is read the same way: a file that has no secret's name cannot mean one.
    let has_secrets = code.iter().any(|token| SECRETS.contains(&token.text.as_str()));
    let by_method = positions(&code, &[".", "read", "(", ")"]).filter(|_| has_secrets);
    by_path.chain(by_method).map(|line| Violation::at(&file.path, line, "reads a secret")).collect()
}

/// Only the audit log says that a record is durable.
pub fn attests_in_store(file: &File) -> Vec<Violation> {
    let allowed = ["host/store/", "host/core/src/audit.rs"];
    named_outside(file, &["attest"], &allowed, "says that a record is durable")
}

/// Only a session that has judged and recorded makes permits.
pub fn permits_in_session(file: &File) -> Vec<Violation> {
    let allowed = ["host/proxy/src/session/", "host/core/src/permit.rs"];
    named_outside(file, &["::", "issue"], &allowed, "issues a permit")
}

fn named_outside(file: &File, sequence: &[&str], allowed: &[&str], what: &str) -> Vec<Violation> {
    let free = allowed.iter().any(|folder| file.path.starts_with(folder));
    if free || !file.is_rust() || !is_host_source(file) {
        return Vec::new();
    }
    positions(&production_code(file), sequence).map(|line| Violation::at(&file.path, line, what)).collect()
}

/// No file tells of the machine it was written on.
pub fn no_machine_path(file: &File) -> Vec<Violation> {
    let text = file.text();
    let lines = text.lines().enumerate().filter(|(_, line)| has_machine_path(line));
    lines.map(|(index, _)| Violation::at(&file.path, index + 1, "holds a path of one machine")).collect()
}

fn has_machine_path(line: &str) -> bool {
    // Behind a name or a variable it is the rest of a longer path.
    let continues = |c: char| c.is_alphanumeric() || "._-/}$*~)".contains(c);
    MACHINE_PATHS.iter().any(|path| {
        line.match_indices(path).any(|(at, _)| !line[..at].chars().next_back().is_some_and(continues))
    })
}

/// No file is built from others.
pub fn not_built(file: &File) -> Vec<Violation> {
    let built = BUILT.iter().any(|ending| file.path.ends_with(ending))
        || BUILT_MAGIC.iter().any(|magic| file.bytes.starts_with(magic));
    found(built, file, 0, "is a built file")
}

/// Sources of the host that are not tests of their own.
fn is_host_source(file: &File) -> bool {
    let is_test = file.path.contains("/tests/") || file.path.ends_with("/tests.rs");
    file.path.starts_with("host/") && !is_test
}

fn all_tokens(file: &File) -> Vec<Token> {
    syntax::tokens(&file.text())
}

/// The code that is compiled into the product.
fn production_code(file: &File) -> Vec<Token> {
    syntax::without_tests(&all_tokens(file))
}

/// The lines in which the sequence begins.
fn positions<'t>(tokens: &'t [Token], sequence: &'t [&str]) -> impl Iterator<Item = usize> + 't {
    (0..tokens.len()).filter(|at| syntax::is_sequence(&tokens[*at..], sequence)).map(|at| tokens[at].line)
}

fn found(wrong: bool, file: &File, line: usize, what: &str) -> Vec<Violation> {
    if wrong { vec![Violation::at(&file.path, line, what)] } else { Vec::new() }
}
