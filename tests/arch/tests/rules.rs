//! What each source may name. Every rule is shown what it must catch before it judges the repository.

use grille_arch::repository::{self, File};
use grille_arch::{Violation, assert_none, rules};

type Rule = fn(&File) -> Vec<Violation>;

/// Every file of the repository keeps the rule.
fn holds(what: &str, rule: Rule) {
    let files = repository::files().expect("the repository's files");
    let violations: Vec<Violation> = files.iter().flat_map(rule).collect();
    assert_none(what, &violations);
}

fn catches(rule: Rule, path: &str, text: &str) {
    assert!(!rule(&File::planted(path, text)).is_empty(), "not caught: {path}: {text}");
}

fn passes(rule: Rule, path: &str, text: &str) {
    let violations = rule(&File::planted(path, text));
    assert!(violations.is_empty(), "{path}: {text}: {violations:?}");
}

#[test]
fn every_source_says_what_it_holds() {
    let rule: Rule = rules::opens_with_docs;
    for path in ["host/core/src/a.rs", "sdk/rust/src/a.rs", "plugins/pii/src/a.rs", "tests/arch/tests/a.rs"] {
        catches(rule, path, "use std::fmt;\n//! Late.\n");
        catches(rule, path, "// A comment.\n");
        catches(rule, path, "");
        passes(rule, path, "//! What it holds.\n");
    }
    passes(rule, "host/core/Cargo.toml", "[package]");
    holds("every Rust file opens with `//!`", rule);
}

#[test]
fn unsafe_stays_in_the_plugin_runtime() {
    let rule: Rule = rules::no_unsafe;
    catches(rule, "host/wire/src/a.rs", "fn f() { unsafe { g() } }");
    catches(rule, "tests/harness/src/a.rs", "unsafe impl Send for S {}");
    passes(rule, "host/plugin/src/engine.rs", "unsafe { g() }");
    passes(rule, "tests/hostile/rust/policy/src/lib.rs", "unsafe { g() }");
    passes(rule, "host/wire/src/a.rs", "// unsafe\n#![forbid(unsafe_code)]\nconst S: &str = \"unsafe\";");
    holds("`unsafe` stands in host/plugin only", rule);
}

#[test]
fn every_other_crate_forbids_unsafe() {
    let rule: Rule = rules::forbids_unsafe;
    catches(rule, "host/wire/src/lib.rs", "//! Wire.\npub mod sql;");
    catches(rule, "host/app/src/main.rs", "// #![forbid(unsafe_code)]");
    catches(rule, "host/app/src/main.rs", "#![deny(unsafe_code)]");
    passes(rule, "host/wire/src/lib.rs", "#![forbid(unsafe_code)]");
    passes(rule, "host/plugin/src/lib.rs", "");
    holds("every crate of the host but the plugin runtime forbids `unsafe`", rule);
}

#[test]
fn core_and_wire_touch_nothing() {
    let rule: Rule = rules::is_pure;
    for code in [
        "use std::net::TcpStream;",
        "use std::{fmt, fs::File};",
        "use std::{fmt, net};",
        "fn f() { std::fs::read(p); }",
        "use tokio::io;",
        "use std::time::Instant;\nfn f() { Instant::now(); }",
        "fn f() { std::time::SystemTime::now() }",
        "use ::tokio::sync::mpsc;",
    ] {
        catches(rule, "host/wire/src/a.rs", code);
        catches(rule, "host/core/src/a.rs", code);
        catches(rule, "host/trust/src/a.rs", code);
        passes(rule, "host/proxy/src/a.rs", code);
    }
    passes(rule, "host/wire/src/a.rs", "use std::net::{IpAddr, Ipv4Addr};\nuse std::time::Duration;");
    passes(rule, "host/wire/src/a.rs", "/// Not std::fs::read.\n#[cfg(test)]\nmod tests { use std::fs; }");
    holds("core, wire and trust name no socket, file, clock or executor", rule);
}

#[test]
fn wasmtime_is_named_by_the_plugin_runtime_only() {
    let rule: Rule = rules::no_wasmtime;
    catches(rule, "host/app/src/a.rs", "use wasmtime::Engine;");
    catches(rule, "host/app/src/a.rs", "fn f(e: &wasmtime::Engine) {}");
    catches(rule, "host/app/Cargo.toml", "[dependencies]\nwasmtime.workspace = true");
    passes(rule, "host/plugin/src/a.rs", "use wasmtime::Engine;");
    passes(rule, "Cargo.toml", "[workspace.dependencies]\nwasmtime = \"=48\"");
    holds("only host/plugin names wasmtime", rule);
}

#[test]
fn secrets_are_read_where_they_are_used() {
    let rule: Rule = rules::secrets_stay_upstream;
    catches(rule, "host/proxy/src/session/a.rs", "fn f(u: &U) { u.password.read(); }");
    catches(rule, "host/proxy/src/judge.rs", "fn f(s: &SecretSource) { s.read() }");
    catches(rule, "host/app/src/a.rs", "fn f(s: &S) { SecretSource::read(s) }");
    catches(rule, "host/proxy/src/settings.rs", "impl SecretSource { pub fn read(&self) {} }");
    passes(rule, "host/proxy/src/settings.rs", "impl SecretSource { pub(crate) fn read(&self) {} }");
    passes(rule, "host/proxy/src/upstream/login.rs", "fn f(s: &SecretSource) { s.read() }");
    passes(rule, "host/proxy/src/catalog.rs", "fn f(l: &RwLock<u8>) { l.read() }");
    passes(rule, "host/app/src/surroundings.rs", "fn f(s: &SecretSource) { s.check() }");
    holds("secrets are read in host/proxy/src/upstream only", rule);
}

#[test]
fn only_the_log_attests() {
    let rule: Rule = rules::attests_in_store;
    catches(rule, "host/proxy/src/session/mod.rs", "let r = Recorded::attest();");
    catches(rule, "host/proxy/src/judge.rs", "use R as Recorded;\nlet f = R :: attest;");
    passes(rule, "host/store/src/log.rs", "Recorded::attest()");
    passes(rule, "host/wire/src/postgres/relay/tests.rs", "Recorded::attest()");
    passes(rule, "host/wire/src/a.rs", "#[cfg(test)]\nmod tests { fn f() { Recorded::attest(); } }");
    holds("only host/store says that a record is durable", rule);
}

#[test]
fn only_a_session_issues_permits() {
    let rule: Rule = rules::permits_in_session;
    catches(rule, "host/proxy/src/judge.rs", "Permit::issue(clearance, recorded)");
    catches(rule, "host/wire/src/postgres/relay/client.rs", "use grille_core::Permit as P; P::issue(c, r)");
    passes(rule, "host/proxy/src/session/mod.rs", "Permit::issue(clearance, recorded)");
    holds("only host/proxy/src/session issues permits", rule);
}

#[test]
fn no_file_tells_of_a_machine() {
    let rule: Rule = rules::no_machine_path;
    let path = |rest: &str| ["", rest].join("/");
    for text in [path("work/main"), format!("cd {}", path("root/x")), format!("\"{}\"", path("Users/ada/x"))]
    {
        catches(rule, "docs/a.md", &text);
    }
    for text in ["https://example.org/work/", "target/tmp/x", "$HOME/work/x", "/etc/grille/grille.toml"] {
        passes(rule, "docs/a.md", text);
    }
    holds("no file holds a path of one machine", rule);
}

#[test]
fn nothing_built_is_kept() {
    let rule: Rule = rules::not_built;
    for path in ["plugins/pii.wasm", "a/b.cwasm", "libx.so", "x.o", "libx.a"] {
        catches(rule, path, "");
    }
    for start in ["\0asm\r\0\x01\0", "\x7fELF\x02", "!<arch>\n/"] {
        catches(rule, "tests/fuzz/corpus/sql/seed", start);
    }
    passes(rule, "docs/wasm.md", "\\0asm");
    holds("no file is built from others", rule);
}
