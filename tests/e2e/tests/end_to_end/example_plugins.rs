//! The plugins in examples/, as an operator sees them who is asked to let one in. `cargo xtask examples` builds them and runs this;
//! `UPDATE_EXPECT=1` writes anew what is expected.

use std::env;

use anyhow::ensure;
use expect_test::expect_file;
use grille_harness::{grille, workspace};

/// Each example, in a language of its own.
const EXAMPLES: [&str; 5] =
    ["business-calendar", "employee-id", "keyword-scanner", "platform-allow-list", "statement-shape"];

/// Those that were built; all of them unless `cargo xtask` says which.
fn built() -> Vec<&'static str> {
    match env::var("GRILLE_EXAMPLES") {
        Ok(built) => EXAMPLES.into_iter().filter(|name| built.split(',').any(|one| one == *name)).collect(),
        Err(_) => EXAMPLES.to_vec(),
    }
}

/// Size and digest depend on the compiler; nothing else does.
fn without_build(text: &str) -> String {
    let redacted = text.lines().map(|line| match line.split_once("  ") {
        Some(("size", _)) => "size      …\n".to_owned(),
        Some(("digest", _)) => "digest    …\n".to_owned(),
        _ => format!("{line}\n"),
    });
    redacted.collect()
}

#[test]
#[ignore = "needs compilers of five languages: cargo xtask examples"]
fn examples_are_described_in_plain_words() -> anyhow::Result<()> {
    for name in built() {
        let folder = workspace::root().join("examples").join(name);
        let output = grille::command()?.args(["plugin", "inspect"]).arg(folder).output()?;
        let said = String::from_utf8(output.stdout)?;
        ensure!(output.status.success(), "{name}: {said}{}", String::from_utf8_lossy(&output.stderr));
        let text = without_build(&said);
        ensure!(text.contains("\nsize      …\n") && text.contains("\ndigest    …\n"), "{said}");
        expect_file![format!("example_plugins/{name}.txt")].assert_eq(&text);
    }
    Ok(())
}
