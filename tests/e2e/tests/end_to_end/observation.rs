//! Candidates in the shadow, recordings and replay, as operators see them: what is told is what would have been different, no
//! client notices, and nothing that is protected gets into a report, a recording, a log or a metric.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::LazyLock;

use anyhow::{Context, ensure};
use grille_e2e::raw::tags;
use grille_e2e::{Raw, Stage};
use grille_harness::{Grille, Ran, grille, policy, sample, wait, workspace};
use serde_json::{Value, json};

/// PostgreSQL and the issuer; each test has a gateway of its own.
static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let stage = Stage::standard("").expect("the stage is set");
    let tables = "CREATE TABLE ledger (entry text); CREATE TABLE watched (entry text)";
    stage.application.direct.psql_strict(tables).and_then(Ran::ok).expect("tables");
    stage
});

/// In every literal that a test sends: none may be found anywhere.
const PLANTED: &str = "planted-4711";

/// The guard that judges, and the stricter one that is tried.
const STRICTER: &str = "deny = { kinds = [\"delete\"] }, hold = { kinds = [\"insert\"] }";

/// The standard roles and plugins, with what is tried for `plugin` going into the shadow.
fn shadowing(plugin: &str, guard: &str, pii: &str) -> anyhow::Result<String> {
    let standard = policy::guarded_by(sample::DATABASE, guard)?;
    let to_shadow = |name: &str| format!("name = {name:?}\nrollout = {{ to = \"shadow\" }}\n");
    let policy = standard.replace(&format!("name = {plugin:?}\n"), &to_shadow(plugin));
    let detector = policy.find("name = \"pii\"").context("the detector is there")?;
    let (before, after) = policy.split_at(detector);
    let after = after.replacen("settings = {  }", &format!("settings = {{ {pii} }}"), 1);
    // What a shadow judges gives way to all else on the machine.
    Ok(format!("{before}{after}\n[limits]\nplugin_deadline = \"5s\"\n"))
}

fn until_shadowed(grille: &Grille, plugin: &str) -> anyhow::Result<()> {
    wait::until("a candidate in the shadow", wait::PATIENCE, || {
        let stands = &grille.plugins()?[plugin]["candidate"];
        Ok((stands["stage"] == "shadow").then_some(()))
    })
}

fn report(grille: &Grille, plugin: &str) -> anyhow::Result<Value> {
    let said = grille.command(&["plugin", "differences", plugin, "--output", "json"])?.ok()?;
    serde_json::from_str(&said).context(said)
}

/// The report once so much was compared.
fn report_of(grille: &Grille, plugin: &str, compared: u64) -> anyhow::Result<Value> {
    wait::until("comparisons", wait::PATIENCE, || {
        let report = report(grille, plugin)?;
        Ok(report["compared"].as_u64().is_some_and(|count| count >= compared).then_some(report))
    })
}

/// Kind, statement, verdicts and times of each example, in order of statements.
fn examples(report: &Value) -> Vec<String> {
    let examples = report["examples"].as_array().cloned().unwrap_or_default();
    let mut told: Vec<String> = examples
        .iter()
        .map(|one| {
            let [kind, statement, times] = ["kind", "statement", "times"].map(|key| one[key].to_string());
            let [active, candidate] = ["active", "candidate"].map(|key| one[key].to_string());
            format!("{statement} {kind} {times}: {active} {candidate}")
        })
        .collect();
    told.sort();
    told
}

/// Runs `grille` without a configuration.
fn run(arguments: &[&str]) -> anyhow::Result<Ran> {
    let mut command = grille::command()?;
    command.args(arguments).stdin(Stdio::null());
    Ok(command.output()?.into())
}

fn replay(component: &str, settings: &str, corpus: &str) -> anyhow::Result<(i32, Value)> {
    let component = workspace::plugin(component)?.display().to_string();
    let arguments = ["replay", "--plugin", &component, "--settings", settings, "--corpus", corpus];
    let ran = run(&[&arguments[..], &["--output", "json"]].concat())?;
    let told = serde_json::from_str(&ran.stdout).with_context(|| ran.said())?;
    Ok((ran.code, told))
}

fn record(grille: &Grille, plugin: &str, words: &[&str]) -> anyhow::Result<Value> {
    let said = grille.command(&[&["plugin", "record", plugin, "--output", "json"], words].concat())?.ok()?;
    serde_json::from_str(&said).context(said)
}

/// Everything that was ever written, recordings too.
fn everything_written(grille: &Grille) -> anyhow::Result<String> {
    let mut written = grille.everything_written()?;
    let recordings = grille.folder().join("recordings");
    for entry in fs::read_dir(&recordings).into_iter().flatten() {
        written += &fs::read_to_string(entry?.path())?;
    }
    Ok(written)
}

fn analyst(grille: &Grille, script: &str) -> anyhow::Result<Ran> {
    grille.endpoint(sample::DATABASE, &STAGE.provider.token("ada")?).psql(script)
}

#[test]
fn a_stricter_guard_is_told_by_shadow_and_replay_alike_and_no_answer_changes() -> anyhow::Result<()> {
    let grille = STAGE.another_grille(&shadowing("guard", "", "")?, "")?;
    grille.rewrite_policy(&shadowing("guard", STRICTER, "")?)?;
    until_shadowed(&grille, "guard")?;
    let begun = record(&grille, "guard", &["--for", "5m", "--max", "1000"])?;
    let script = format!(
        "INSERT INTO ledger VALUES ('{PLANTED}');\nSELECT count(*) FROM ledger WHERE entry = '{PLANTED}';\n\
         DELETE FROM ledger WHERE entry = '{PLANTED}';\nSELECT count(*) AS left FROM ledger;\nDROP TABLE ledger;"
    );
    let ran = analyst(&grille, &script)?;
    assert_eq!(ran.stdout.split_whitespace().collect::<Vec<_>>(), ["1", "0"], "{}", ran.said());
    assert!(ran.stderr.contains("DROP TABLE would remove"), "{}", ran.stderr);

    let report = report_of(&grille, "guard", 5)?;
    assert_eq!(report["kinds"], json!({"allow-to-deny": 1, "hold": 1}), "{report}");
    assert_eq!(
        (&report["different"], &report["dropped"], &report["state"]),
        (&json!(2), &json!(0), &json!("running"))
    );
    let told = examples(&report);
    ensure!(told[0].starts_with(r#""DELETE FROM ledger WHERE entry = $1" "allow-to-deny" 1"#), "{told:?}");
    ensure!(told[1].starts_with(r#""INSERT INTO ledger VALUES ($1)" "hold" 1"#), "{told:?}");
    let metrics = grille.metrics()?;
    ensure!(metrics.contains(r#"grille_shadow_different_total{plugin="guard"} 2"#), "{metrics}");

    let ended = record(&grille, "guard", &["--stop"])?;
    assert_eq!((&ended["ended"], &ended["file"]), (&json!("stopped"), &begun["file"]));
    let corpus = ended["file"].as_str().context("a file")?;
    let settings = r#"{"deny": {"kinds": ["delete"]}, "hold": {"kinds": ["insert"]}}"#;
    let (code, replayed) = replay("sql-guard", settings, corpus)?;
    assert_eq!((code, &replayed["kinds"]), (3, &report["kinds"]), "{replayed}");
    assert_eq!(examples(&replayed), told);
    let (code, same) = replay("sql-guard", "{}", corpus)?;
    assert_eq!((code, &same["different"]), (0, &json!(0)), "{same}");
    assert!(same["compared"].as_u64() >= Some(5), "{same}");

    let table = grille.command(&["plugin", "differences", "guard"])?.ok()?;
    ensure!(table.contains("policy guard: running") && table.contains("  allow-to-deny: 1\n"), "{table}");
    let guard = workspace::plugin("sql-guard")?.display().to_string();
    let table = run(&["replay", "--plugin", &guard, "--corpus", corpus])?.ok()?;
    ensure!(table.contains("0 otherwise") && table.contains("is whole: an operator ended it"), "{table}");

    let written = everything_written(&grille)?;
    for text in [&written, &report.to_string(), &replayed.to_string()] {
        ensure!(!text.contains(PLANTED), "a literal got out");
    }
    let recording = fs::read_to_string(corpus)?;
    ensure!(
        recording.contains("\"analysts\"") && !recording.contains("ada"),
        "who asked is a hash: {recording}"
    );
    Ok(())
}

#[test]
fn a_blinder_detector_is_told_by_counts_and_what_it_sees_stays_where_it_is() -> anyhow::Result<()> {
    let grille = STAGE.another_grille(&shadowing("pii", "", "")?, "")?;
    grille.rewrite_policy(&shadowing("pii", "", "labels = [\"IBAN_CODE\"]")?)?;
    until_shadowed(&grille, "pii")?;
    record(&grille, "pii", &["--for", "5m"])?;
    let ran = analyst(&grille, "SELECT email, iban, phone FROM customers ORDER BY id LIMIT 20")?;
    assert_eq!((ran.code, sample::canaries_in(&ran.stdout).len()), (0, 0), "{}", ran.stderr);

    let report = report_of(&grille, "pii", 1)?;
    let findings = report["findings"].as_array().context("findings")?;
    let only_active = |label: &str| {
        let of_label = findings.iter().find(|one| one["label"] == label);
        of_label
            .map(|one| (one["column"].clone(), one["only_active"].as_u64(), one["only_candidate"].as_u64()))
    };
    let expected = (json!("public.customers.email"), Some(20), Some(0));
    assert_eq!(only_active("EMAIL_ADDRESS"), Some(expected), "{report}");
    assert_eq!(only_active("IBAN_CODE"), None, "both find these: {report}");

    let ended = record(&grille, "pii", &["--stop"])?;
    let corpus = ended["file"].as_str().context("a file")?;
    let recording = fs::read_to_string(corpus)?;
    ensure!(
        recording.contains("\"EMAIL_ADDRESS\"") && recording.contains("\"[redacted]\""),
        "what was found is counted and left out: {recording}"
    );
    ensure!(!recording.contains("tok_"), "also what took its place: {recording}");
    let written = everything_written(&grille)? + &report.to_string();
    assert_eq!(sample::canaries_in(&written), Vec::<String>::new());
    let (code, replayed) = replay("pii", "{}", corpus)?;
    assert_eq!(
        (code, &replayed["different"]),
        (0, &json!(0)),
        "it lets nothing through that it finds: {replayed}"
    );
    Ok(())
}

#[test]
fn what_a_role_keeps_is_not_recorded_where_a_detector_found_it() -> anyhow::Result<()> {
    let standard = policy::standard(sample::DATABASE)?;
    let keeping = standard.replace("EMAIL_ADDRESS = \"token\"", "EMAIL_ADDRESS = \"keep\"");
    ensure!(keeping != standard, "the analyst keeps addresses");
    let grille = STAGE.another_grille(&keeping, "")?;
    record(&grille, "pii", &["--for", "5m"])?;
    let ran = analyst(&grille, "SELECT id::text AS plain, email, iban FROM customers ORDER BY id LIMIT 20")?;
    let seen: Vec<&str> = ran.stdout.lines().filter_map(|line| line.split('|').nth(1)).collect();
    ensure!(seen.len() == 20 && seen.iter().all(|email| email.contains('@')), "{}", ran.said());

    let ended = record(&grille, "pii", &["--stop"])?;
    let recording = fs::read_to_string(ended["file"].as_str().context("a file")?)?;
    ensure!(recording.contains("\"plain\"") && recording.contains("\"1\""), "the rest is there: {recording}");
    ensure!(!recording.contains('@'), "an address was recorded: {recording}");
    for email in seen {
        ensure!(!recording.contains(email.trim()), "{email} was recorded: {recording}");
    }
    Ok(())
}

fn misbehaving(mode: &str) -> anyhow::Result<String> {
    let role = r#"
[[role]]
name = "watched"
groups = ["watched"]
upstreams = ["demo"]
statements = ["read"]
policies = ["odd"]
detectors = []

"#;
    let plugin = policy::plugin("odd", "hostile-policy", &format!("mode = {mode:?}, trigger = \"x\""))?;
    // The flood is over before twenty of these have passed.
    let limits = "[limits]\nplugin_deadline = \"500ms\"";
    Ok(format!("{role}{}\nrollout = {{ to = \"shadow\" }}\n\n{limits}\n", plugin.trim_end()))
}

fn session(grille: &Grille) -> anyhow::Result<Raw> {
    STAGE.session_at(grille, "watched", &[])
}

#[test]
fn a_candidate_that_hangs_is_noticed_by_nobody_and_a_flood_is_counted() -> anyhow::Result<()> {
    const FLOOD: usize = 3000;
    let grille = STAGE.another_grille(&misbehaving("allow")?, "")?;
    let mut raw = session(&grille)?;
    assert_eq!(tags(&raw.query("SELECT 1")?), "TDCZ");
    grille.rewrite_policy(&misbehaving("spin")?)?;
    until_shadowed(&grille, "odd")?;
    // One message, but each statement is one that was not judged before.
    let flood: Vec<String> = (0..FLOOD).map(|number| format!("SELECT 1 AS c{number}")).collect();
    let answer = raw.query(&flood.join(";"))?;
    assert_eq!(answer.iter().filter(|message| message.tag == 'D').count(), FLOOD);
    let dropped = report(&grille, "odd")?["dropped"].as_u64().context("a count")?;
    // 2,048 wait, 20 are failed at, one is under way.
    ensure!(dropped >= (FLOOD - 2048 - 21) as u64, "{dropped}");
    for number in 0..100 {
        assert_eq!(tags(&raw.query(&format!("SELECT 2 AS d{number}"))?), "TDCZ");
    }
    let report = wait::until("the candidate to be given up", wait::PATIENCE, || {
        let report = report(&grille, "odd")?;
        Ok((report["state"] == "given-up").then_some(report))
    })?;
    assert_eq!((&report["failures"], &report["compared"]), (&json!({"deadline": 20}), &json!(0)), "{report}");
    let metrics = grille.metrics()?;
    ensure!(metrics.contains(r#"grille_observation_dropped_total{plugin="odd"}"#), "{metrics}");
    assert_eq!(tags(&raw.query("SELECT 'alive'")?), "TDCZ");
    Ok(())
}

#[test]
fn what_cannot_be_recorded_or_replayed_is_refused_in_a_sentence() -> anyhow::Result<()> {
    let impure = policy::plugin("impure", "capable-policy", "use = \"statics\"")?;
    let grants = "grants = [\"log\", \"clock\", \"state\", \"egress\"]\negress = [\"example.com:443\"]";
    let policy = format!("{}{}\n{grants}\n", policy::standard(sample::DATABASE)?, impure.trim_end());
    let grille = STAGE.another_grille(&policy, "")?;
    let check = |arguments: &[&str], code: i32, says: &str| {
        let ran = grille.command(arguments)?;
        ensure!(ran.code == code && ran.stderr.contains(says), "{arguments:?}: {} {}", ran.code, ran.said());
        anyhow::Ok(())
    };
    check(&["plugin", "record", "nobody"], 1, "no plugin is named nobody")?;
    check(
        &["plugin", "record", "impure"],
        1,
        "clock, state, egress, so its answers do not follow from its inputs",
    )?;
    check(&["plugin", "record", "guard", "--for", "25h"], 1, "at most 24 h")?;
    check(&["plugin", "record", "guard", "--for", "soon"], 2, "not a length of time")?;
    check(&["plugin", "record", "guard", "--stop"], 1, "is not being recorded")?;
    check(&["plugin", "differences", "guard"], 1, "no candidate was in the shadow of `guard`")?;
    let ended = record(&grille, "guard", &["--max", "1"])?;
    analyst(&grille, "SELECT 1")?;
    let corpus = ended["file"].as_str().context("a file")?;
    wait::until("the recording to end", wait::PATIENCE, || {
        Ok(fs::read_to_string(corpus)?.contains("\"why\":\"inputs\"").then_some(()))
    })?;
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(corpus)?.permissions()) & 0o777;
    assert_eq!(mode, 0o600);
    let detector = workspace::plugin("pii")?.display().to_string();
    let other_world = run(&["replay", "--plugin", &detector, "--corpus", corpus])?;
    ensure!(other_world.code == 2 && other_world.stderr.contains("is of a policy"), "{}", other_world.said());
    let no_corpus = run(&["replay", "--plugin", &detector, "--corpus", &detector])?;
    ensure!(
        no_corpus.code == 2 && no_corpus.stderr.contains("no line of a recording"),
        "{}",
        no_corpus.said()
    );
    assert!(
        Path::new(corpus).starts_with(grille.folder().join("recordings")),
        "beside the audit log: {corpus}"
    );
    Ok(())
}
