//! The direction of the crates, from their manifests.

use grille_arch::repository;
use grille_arch::{Violation, assert_none, crates};

fn violations(name: &str, rest: &str) -> Vec<Violation> {
    let manifest = format!("[package]\nname = \"{name}\"\n{rest}");
    crates::direction("Cargo.toml", &manifest).expect("a manifest")
}

#[test]
fn dependencies_go_down() {
    for (name, rest) in [
        ("grille-core", "[dependencies]\ngrille-wire.workspace = true"),
        ("grille-wire", "[dependencies]\ngrille-plugin.workspace = true"),
        ("grille-store", "[build-dependencies]\ngrille-wire.workspace = true"),
        ("grille-admin", "[dependencies]\ngrille-proxy = { path = \"../proxy\" }"),
        ("grille-proxy", "[target.'cfg(unix)'.dependencies]\ngrille-admin.workspace = true"),
        ("grille-plugin", "[dependencies]\nold = { package = \"grille-proxy\", path = \"../proxy\" }"),
        ("grille-proxy", "[dependencies]\ngrille-harness.workspace = true"),
        ("grille-extra", ""),
        ("grille-proxy", "[dependencies]\ngrille-build.workspace = true"),
        ("grille-build", "[dependencies]\ngrille-core.workspace = true"),
        ("grille-trust", "[dependencies]\ngrille-plugin.workspace = true"),
        ("grille-admin", "[dependencies]\ngrille-store.workspace = true"),
        ("grille-proxy", "[dependencies]\ngrille-trust.workspace = true"),
    ] {
        assert!(!violations(name, rest).is_empty(), "not caught: {name} {rest}");
    }
    for (name, rest) in [
        ("grille", "[dependencies]\ngrille-admin.workspace = true\ngrille-core.workspace = true"),
        ("grille-proxy", "[dependencies]\ngrille-wire.workspace = true\ntokio.workspace = true"),
        ("grille", "[dependencies]\ngrille-build.workspace = true"),
        ("grille", "[dependencies]\ngrille-trust.workspace = true"),
        ("grille-trust", "[dependencies]\ngrille-core.workspace = true"),
        ("grille-build", "[dependencies]\ntoml.workspace = true"),
        ("grille-proxy", "[dev-dependencies]\ngrille-harness.workspace = true"),
    ] {
        assert_none(name, &violations(name, rest));
    }
}

#[test]
fn every_crate_of_the_host_keeps_to_it() {
    let files = repository::files().expect("the repository's files");
    let manifests: Vec<_> = files
        .iter()
        .filter(|file| file.path.starts_with("host/") || file.path.starts_with("sdk/build/"))
        .filter(|file| file.path.ends_with("/Cargo.toml"))
        .collect();
    assert!(manifests.len() >= 7, "crates are missing: {}", manifests.len());
    let judged =
        manifests.iter().map(|file| crates::direction(&file.path, &file.text()).expect("a manifest"));
    let violations: Vec<Violation> = judged.flatten().collect();
    assert_none(
        "app → admin, proxy, trust → plugin, store, wire → core; siblings never depend on each other",
        &violations,
    );
}
