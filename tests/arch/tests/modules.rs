//! No two modules beside each other depend on each other.

use grille_arch::modules::cycles;
use grille_arch::repository::{self, File};
use grille_arch::{Violation, assert_none};

/// The verdict on a crate of these sources.
fn judge(sources: &[(&str, &str)]) -> Vec<Violation> {
    let files: Vec<File> =
        sources.iter().map(|(path, text)| File::planted(&format!("host/x/src/{path}"), text)).collect();
    cycles("host/x/src", &files)
}

#[track_caller]
fn check(sources: &[(&str, &str)], expected: Option<&str>) {
    let found: Vec<String> = judge(sources).iter().map(|violation| violation.what.clone()).collect();
    match expected {
        None => assert!(found.is_empty(), "{found:?}"),
        Some(expected) => assert!(found.iter().any(|what| what.contains(expected)), "{found:?}"),
    }
}

const ROOT: (&str, &str) = ("lib.rs", "mod a; mod b; mod c;");

#[test]
fn a_cycle_is_told_with_its_places() {
    check(
        &[ROOT, ("a.rs", "use crate::b::B;"), ("b.rs", "\nfn f() { super::a::f() }")],
        Some("modules of the root form a cycle: a → b (host/x/src/a.rs:1) → a (host/x/src/b.rs:2)"),
    );
    check(
        &[ROOT, ("a.rs", "use crate::b;"), ("b.rs", "use crate::c::{C};"), ("c.rs", "type A = crate::a::A;")],
        Some("a → b (host/x/src/a.rs:1) → c (host/x/src/b.rs:1) → a"),
    );
}

#[test]
fn subtrees_count_as_one() {
    let sources = [
        ROOT,
        ("a/mod.rs", "mod deep;"),
        ("a/deep.rs", "use super::super::b::B;"),
        ("b.rs", "use crate::a::A;"),
    ];
    check(&sources, Some("a → b"));
    let siblings =
        [ROOT, ("a.rs", "mod p; mod q;"), ("a/p.rs", "use super::q::Q;"), ("a/q.rs", "use super::p;")];
    check(&siblings, Some("modules of a form a cycle: p → q"));
}

#[test]
fn an_item_belongs_to_the_module_that_defines_it() {
    let root = ("lib.rs", "mod a; mod b; pub use a::A; pub use crate::b::{B as Renamed};");
    check(&[root, ("a.rs", "use crate::Renamed;"), ("b.rs", "use crate::A;")], Some("a → b"));
    check(&[root, ("a.rs", "use crate::Renamed;"), ("b.rs", "")], None);
}

#[test]
fn a_parent_and_its_children_are_one_thing() {
    let sources = [
        ("lib.rs", "mod a; pub use a::A; fn f() { a::g() }"),
        ("a/mod.rs", "mod one; mod two; use one::One; pub struct A;"),
        ("a/one.rs", "use super::A; use crate::f;"),
        ("a/two.rs", "use super::one::One;"),
    ];
    check(&sources, None);
}

#[test]
fn code_for_tests_comments_and_strings_do_not_count() {
    let b =
        "//! As crate::a::A.\n#[cfg(test)]\nmod tests { use crate::a::A; }\nconst S: &str = \"crate::a\";";
    check(&[ROOT, ("a.rs", "use crate::b::B;"), ("b.rs", b)], None);
    let helper = ("lib.rs", "mod a; mod b; #[cfg(test)] mod helper;");
    check(&[helper, ("a.rs", "use crate::b;"), ("b.rs", ""), ("helper.rs", "use crate::a;")], None);
    let inline = "mod inner { use super::super::b::B; }";
    check(&[ROOT, ("a.rs", inline), ("b.rs", "use crate::a;")], Some("a → b"));
}

#[test]
fn no_crate_of_the_host_has_a_cycle() {
    let files = repository::files().expect("the repository's files");
    let mut violations = Vec::new();
    for name in ["core", "wire", "plugin", "store", "proxy", "admin", "attack", "trust", "app"] {
        let folder = format!("host/{name}/src");
        assert!(files.iter().any(|file| file.path.starts_with(&folder)), "{folder} has no sources");
        violations.extend(cycles(&folder, &files));
    }
    assert_none("modules of a crate form no cycle", &violations);
}
