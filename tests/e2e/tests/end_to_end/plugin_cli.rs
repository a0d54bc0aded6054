//! `grille plugin …` as an author uses it: on the plugins that come with Grille, on files that are no plugins, and from an empty
//! folder to a component that judges.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, ensure};
use expect_test::{Expect, expect};
use grille_e2e::Turns;
use grille_harness::{Ran, component, grille, workspace};
use serde_json::{Value, json};

/// Held by what compiles on all cores, and by what has plugins answer in time.
static TURNS: Turns = Turns::new();

/// Runs `grille` with standard input.
fn run(arguments: &[&str], input: &str) -> anyhow::Result<Ran> {
    let mut command = grille::command()?;
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("grille does not start")?;
    let mut stdin = child.stdin.take().context("a pipe")?;
    // A command that does not read its input may be gone before it is written.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    Ok(child.wait_with_output()?.into())
}

fn shipped(name: &str) -> anyhow::Result<String> {
    Ok(workspace::plugin(name)?.display().to_string())
}

/// Size and digest depend on the compiler.
fn without_build(text: &str) -> String {
    let kept = |line: &&str| !line.starts_with("size ") && !line.starts_with("digest ");
    text.lines().filter(kept).map(|line| format!("{}\n", line.trim_end())).collect()
}

fn inspected(name: &str, expected: &Expect) -> anyhow::Result<()> {
    let text = run(&["plugin", "inspect", &shipped(name)?], "")?.ok()?;
    ensure!(text.contains("\ndigest    sha256:") && text.contains("\nsize      "), "{text}");
    expected.assert_eq(&without_build(&text));
    Ok(())
}

#[test]
fn a_detector_is_described_in_plain_words() -> anyhow::Result<()> {
    inspected(
        "pii",
        &expect![[r#"
        grille/pii 0.1.0, a detector
          Finds e-mail addresses, payment cards, IBANs, US social security numbers and phone numbers.

        sees      the texts of results that its gates let pass, names of columns, and who asks
        answers   where it found something: positions and labels, never bytes
        asks for  nothing
        cannot    read or write files; see environment, arguments or other processes; get randomness; reach the network; know the time; remember anything from one exchange to the next; write to the log
        pure      yes: equal inputs, equal answers
        finds     EMAIL_ADDRESS: counts by itself
        finds     CREDIT_CARD: counts where the column, separators or context speak for it
        finds     IBAN_CODE: counts by itself
        finds     US_SSN: counts where the column, separators or context speak for it
        finds     PHONE_NUMBER: counts where the column, separators or context speak for it
        settings  labels (array): The kinds that are looked for; all of them unless listed.
        promises  8 test vectors
    "#]],
    )
}

#[test]
fn a_policy_is_described_in_plain_words() -> anyhow::Result<()> {
    inspected(
        "sql-guard",
        &expect![[r#"
        grille/sql-guard 0.1.0, a policy
          Denies or holds statements by what they do: dropping, wholesale writes, privileges, server access.

        sees      statements with their literals taken out, and who asks; never a value of a result
        answers   allow, deny, hold for approval or rewrite, with obligations
        asks for  nothing
        cannot    read or write files; see environment, arguments or other processes; get randomness; reach the network; know the time; remember anything from one exchange to the next; write to the log
        pure      yes: equal inputs, equal answers
        settings  base ("guard" | "none", "guard" by default): guard denies what hardly any client should do; none starts from nothing.
        settings  deny (see the schema): What is denied besides the base.
        settings  hold (see the schema): What needs approval, where it is not denied.
        settings  approval (object)
        settings  hint (see the schema): What to do next, added to every reason.
        promises  16 test vectors
    "#]],
    )
}

#[test]
fn what_is_declared_and_not_imported_is_told() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("boastful.wasm");
    let boastful = component::with_metadata(&fs::read(shipped("sql-guard")?)?, |metadata| {
        metadata["capabilities"] = json!([{ "name": "clock", "reason": "to know office hours" }]);
        // Those of a plugin that asks for the time have to say what time it is.
        metadata["vectors"] = json!([]);
    })?;
    fs::write(&file, boastful)?;
    let file = file.display().to_string();
    let checked = run(&["plugin", "check", &file], "")?.ok()?;
    let warning = "warning: it declares the capability `clock` and does not import it: leave it out";
    ensure!(checked.contains(warning), "{checked}");
    let inspected = run(&["plugin", "inspect", &file], "")?.ok()?;
    let both = "asks for  nothing\ndeclares  clock, but does not import it: granting it gives nothing\n";
    ensure!(inspected.contains(both) && inspected.contains("; know the time;"), "{inspected}");
    let inspected = run(&["plugin", "inspect", &file, "--output", "json"], "")?.ok()?;
    let inspected: Value = serde_json::from_str(&inspected)?;
    ensure!(inspected["unused"] == json!(["clock"]) && inspected["capabilities"] == json!([]), "{inspected}");
    Ok(())
}

#[test]
fn what_ships_holds_its_vectors_and_survives() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    for name in ["pii", "sql-guard"] {
        let path = shipped(name)?;
        let checked = run(&["plugin", "check", &path], "")?.ok()?;
        ensure!(checked.contains("it can be loaded; ") && !checked.contains("error: "), "{checked}");
        let tested = run(&["plugin", "test", &path, "--output", "json"], "")?.ok()?;
        let tested: Value = serde_json::from_str(&tested)?;
        ensure!(tested["hostile"].as_array().is_some_and(|cases| cases.len() >= 10), "{tested}");
        ensure!(tested["vectors"].as_u64().is_some_and(|vectors| vectors >= 8), "{tested}");
    }
    Ok(())
}

#[test]
fn a_plugin_that_misbehaves_is_found_out() -> anyhow::Result<()> {
    let ran = run(&["plugin", "test", &shipped("hostile-policy")?], "")?;
    // It has no vectors to betray, and does harm only where its settings say so.
    ensure!(ran.code == 0, "{}", ran.said());
    let settings = r#"{"misdeed": "spin"}"#;
    let ran = run(&["plugin", "run", &shipped("hostile-policy")?, "SELECT 1", "--settings", settings], "")?;
    ensure!(ran.code == 1, "{}", ran.said());
    Ok(())
}

#[test]
fn sql_is_judged_from_the_command_line_and_from_standard_input() -> anyhow::Result<()> {
    let path = shipped("sql-guard")?;
    let verdicts = |text: &str| -> anyhow::Result<Vec<String>> {
        let judged: Value = serde_json::from_str(text)?;
        let statements = judged["statements"].as_array().context("a list")?;
        Ok(statements.iter().map(|one| one["verdict"].as_str().unwrap_or_default().to_owned()).collect())
    };
    let said = run(&["plugin", "run", &path, "DROP TABLE orders", "--output", "json"], "")?.ok()?;
    ensure!(verdicts(&said)? == ["deny"], "{said}");
    let said = run(&["plugin", "run", &path, "--output", "json"], "SELECT 1; DELETE FROM orders;")?.ok()?;
    ensure!(verdicts(&said)? == ["allow", "deny"], "{said}");
    let ran = run(&["plugin", "run", &path, "SELEKT 1"], "")?;
    ensure!(ran.code == 1 && ran.stderr.contains("refused before any plugin sees it"), "{}", ran.said());
    Ok(())
}

#[test]
fn csv_is_searched() -> anyhow::Result<()> {
    let csv = "name,note\nAnn,\"write to ann@example.com,\nplease\"\nBob,\n";
    let said = run(&["plugin", "run", &shipped("pii")?], csv)?.ok()?;
    expect![[r#"
        row  column  start  end  label          score  text
        1    note    9      24   EMAIL_ADDRESS  940    ann@example.com
    "#]]
    .assert_eq(&said);
    let ran = run(&["plugin", "run", &shipped("pii")?], "a,b\n1\n")?;
    ensure!(ran.code == 1 && ran.stderr.contains("record 2 has 1 values"), "{}", ran.said());
    let ran = run(&["plugin", "run", &shipped("pii")?, "SELECT 1"], "")?;
    ensure!(ran.code == 2 && ran.stderr.contains("give it CSV"), "{}", ran.said());
    Ok(())
}

#[test]
fn two_versions_are_compared() -> anyhow::Result<()> {
    let (guard, pii) = (shipped("sql-guard")?, shipped("pii")?);
    let same = run(&["plugin", "diff", &guard, &guard], "")?.ok()?;
    ensure!(same.contains(", 0 answered otherwise"), "{same}");
    let other =
        run(&["plugin", "diff", &guard, &shipped("hostile-policy")?, "--output", "json"], "")?.ok()?;
    let other: Value = serde_json::from_str(&other)?;
    ensure!(other["answers"].as_array().is_some_and(|answers| !answers.is_empty()), "{other}");
    let ran = run(&["plugin", "diff", &guard, &pii], "")?;
    ensure!(ran.code == 2 && ran.stderr.contains("cannot be compared"), "{}", ran.said());
    Ok(())
}

#[test]
fn costs_are_measured() -> anyhow::Result<()> {
    let said = run(&["plugin", "bench", &shipped("pii")?, "--runs", "3", "--output", "json"], "")?.ok()?;
    let figures: Value = serde_json::from_str(&said)?;
    let names: Vec<_> =
        figures["nanoseconds"].as_array().context("a list")?.iter().map(|one| &one["of"]).collect();
    ensure!(names.contains(&&Value::from("a cell")), "{said}");
    ensure!(figures["memory_bytes"].as_u64().is_some_and(|bytes| bytes < 8 << 20), "{said}");
    let counts = |of: &str| {
        let counts = figures["instructions"].as_array().into_iter().flatten();
        counts.filter(|one| one["of"] == of).filter_map(|one| one["count"].as_u64()).next()
    };
    let (instance, first) = (counts("a fresh instance"), counts("first answer, fresh instance"));
    ensure!(instance.is_some() && instance < first, "the first answer includes the instance: {said}");
    let again = run(&["plugin", "bench", &shipped("pii")?, "--runs", "1", "--output", "json"], "")?.ok()?;
    let again: Value = serde_json::from_str(&again)?;
    ensure!(again["instructions"] == figures["instructions"], "equal work takes equally many: {again}");
    Ok(())
}

#[test]
fn what_is_no_plugin_is_told() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("a.wasm");
    fs::write(&file, "not wasm")?;
    let ran = run(&["plugin", "check", &file.display().to_string()], "")?;
    ensure!(ran.code == 1 && ran.stderr.contains("not a WebAssembly component"), "{}", ran.said());
    let ran = run(&["plugin", "inspect", &folder.path().display().to_string()], "")?;
    ensure!(ran.code == 2 && ran.stderr.contains("plugin.toml"), "{}", ran.said());
    let ran = run(&["plugin", "build", &folder.path().display().to_string()], "")?;
    ensure!(ran.code == 2 && ran.stderr.contains("plugin.toml"), "{}", ran.said());
    Ok(())
}

/// Cargo's downloads apart, this takes half a minute: a compiler and a whole SDK.
#[test]
fn from_nothing_to_a_component() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let folder = tempfile::tempdir()?;
    let project = folder.path().join("first");
    let path = project.display().to_string();
    let begun =
        run(&["plugin", "new", "first", "--lang", "rust", "--owner", "acme", "--dir", &path], "")?.ok()?;
    ensure!(begun.contains("plugin.toml") && begun.contains("grille plugin build"), "{begun}");
    let again = run(&["plugin", "new", "first", "--lang", "rust", "--dir", &path], "")?;
    ensure!(again.code == 2 && again.stderr.contains("not empty"), "{}", again.said());
    let early = run(&["plugin", "check", &path], "")?;
    ensure!(early.code == 2 && early.stderr.contains("grille plugin build"), "{}", early.said());

    build(&path)?.ok()?;
    run(&["plugin", "check", &path], "")?.ok()?;
    run(&["plugin", "test", &path], "")?.ok()?;
    ensure!(verdict(&path, "DELETE FROM audit_log")? == "deny");
    let source = project.join("src/lib.rs");
    replace(&source, "\"audit_log\"", "\"ledger\"")?;
    let rebuilt = build(&path)?.ok()?;
    ensure!(rebuilt.contains("written"), "{rebuilt}");
    ensure!(
        verdict(&path, "DELETE FROM ledger")? == "deny"
            && verdict(&path, "DELETE FROM audit_log")? == "allow"
    );

    let checked = run(&["plugin", "check", &path], "")?;
    ensure!(
        checked.code == 1 && checked.stdout.contains("expected deny; allow came of it"),
        "{}",
        checked.said()
    );
    replace(&source, "Decision::allow()", "Decision::alow()")?;
    let broken = build(&path)?;
    ensure!(
        broken.code == 1 && broken.stderr.contains("src/lib.rs"),
        "the compiler's words: {}",
        broken.said()
    );
    Ok(())
}

/// With the user's own cache, where the sysroot may be already.
fn build(folder: &str) -> anyhow::Result<Ran> {
    let mut command = grille::command()?;
    command.env_remove("XDG_CACHE_HOME").args(["plugin", "build", folder]);
    Ok(command.output()?.into())
}

fn verdict(subject: &str, sql: &str) -> anyhow::Result<String> {
    let said = run(&["plugin", "run", subject, sql, "--output", "json"], "")?.ok()?;
    let judged: Value = serde_json::from_str(&said)?;
    Ok(judged["statements"][0]["verdict"].as_str().unwrap_or_default().to_owned())
}

fn replace(file: &Path, old: &str, new: &str) -> anyhow::Result<()> {
    let text = fs::read_to_string(file)?;
    ensure!(text.contains(old), "{} has no {old}", file.display());
    Ok(fs::write(file, text.replacen(old, new, 1))?)
}

#[test]
fn shells_are_told_what_there_is() -> anyhow::Result<()> {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell], "")?.ok()?;
        ensure!(script.contains("inspect") && script.contains("typescript"), "{shell}");
    }
    Ok(())
}
