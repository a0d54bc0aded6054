//! Plugins that misbehave in five languages (tests/hostile), behind the real Grille: whatever their language lets them do, what they
//! judge is denied, what they look through stays masked, they learn nothing of the machine and of other exchanges, and a session
//! beside them does not notice. `cargo xtask hostile` builds them and runs this.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::process::Command;
use std::sync::LazyLock;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use grille_e2e::honest::{RAW, beside_an_honest_session};
use grille_e2e::raw::Message;
use grille_e2e::usage::{forget_peak, peak_resident_bytes, resident_bytes};
use grille_e2e::{Raw, Stage, Turns};
use grille_harness::{Grille, grille, policy, sample, workspace};

/// What the plugins of one language can do besides what all of them can.
struct Language {
    name: &'static str,
    policy: &'static [&'static str],
    detector: &'static [&'static str],
    /// How it reaches for what lies outside. In C that is a call of WASI, and no component comes of it.
    reach: &'static [&'static str],
    restores: Restores,
}

/// Whether an exchange's instance begins as a snapshot, or is configured anew.
#[derive(PartialEq, Eq)]
enum Restores {
    Snapshot,
    Configured,
}

const LANGUAGES: [Language; 5] = [
    Language {
        name: "rust",
        policy: &["bad-utf8"],
        detector: &["backwards"],
        reach: &["clock", "random", "environment", "files", "network"],
        restores: Restores::Snapshot,
    },
    Language {
        name: "python",
        policy: &["leave", "bad-utf8", "no-decision"],
        detector: &["leave", "out-of-range-below", "cell-out-of-range", "no-number"],
        reach: &["clock", "random", "entropy", "environment", "files", "files-below", "network"],
        restores: Restores::Snapshot,
    },
    Language {
        name: "js",
        policy: &["bad-utf8", "no-decision", "promise"],
        detector: &["out-of-range-below", "cell-out-of-range", "no-number"],
        reach: &[
            "clock",
            "clock-below",
            "zone",
            "performance",
            "random",
            "entropy",
            "environment",
            "files",
            "network",
            "timers",
        ],
        restores: Restores::Configured,
    },
    Language {
        name: "go",
        policy: &["spin-beside", "bad-utf8", "no-decision", "no-such-verdict"],
        detector: &["spin-beside", "backwards"],
        reach: &["clock", "random", "entropy", "environment", "files", "network", "order"],
        restores: Restores::Snapshot,
    },
    Language {
        name: "c",
        policy: &["reason-nowhere", "bad-utf8", "no-decision", "no-such-verdict"],
        detector: &[
            "backwards",
            "cell-out-of-range",
            "score-out-of-range",
            "reserved-support",
            "count-beyond",
        ],
        reach: &[],
        restores: Restores::Snapshot,
    },
];

/// What policies of every language do wrong.
const POLICY: [&str; 9] = [
    "spin",
    "allocate",
    "crash",
    "exit",
    "recurse",
    "giant-failure",
    "long-failure",
    "control-characters",
    "giant-reason",
];

/// What detectors of every language do wrong.
const DETECTOR: [&str; 11] = [
    "spin",
    "allocate",
    "crash",
    "exit",
    "recurse",
    "giant-failure",
    "long-failure",
    "control-characters",
    "giant-result",
    "out-of-range",
    "unknown-label",
];

/// The languages that were built; all of them unless `cargo xtask` says which.
fn languages() -> impl Iterator<Item = &'static Language> {
    let built = env::var("GRILLE_HOSTILE_LANGUAGES").ok();
    let is_built =
        move |name: &str| built.as_ref().is_none_or(|built| built.split(',').any(|one| one == name));
    LANGUAGES.iter().filter(move |language| is_built(language.name))
}

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    compile_beforehand().expect("the plugins are built");
    Stage::standard(&hostile_policy().expect("the plugins are built")).expect("the stage is set")
});

/// One at a time, because memory is the whole process's, and so is the log.
static TURNS: Turns = Turns::new();

/// Compiles everything into the cache: Python's take longer than a Grille is waited for.
fn compile_beforehand() -> anyhow::Result<()> {
    for language in languages() {
        for kind in ["policy", "detector"] {
            let file = workspace::hostile_plugin(language.name, kind)?;
            let checked = grille::command()?.args(["plugin", "check"]).arg(&file).output()?;
            ensure!(checked.status.success(), "{}: {checked:?}", file.display());
        }
    }
    Ok(())
}

fn hostile_policy() -> anyhow::Result<String> {
    let mut text = String::new();
    for language in languages() {
        for kind in ["policy", "detector"] {
            text.push_str(&slot(language.name, kind, "", "")?);
        }
    }
    if languages().any(|language| language.name == "c") {
        for kind in ["policy", "detector"] {
            text.push_str(&slot("c", kind, "-nowhere", "mode = \"allocates-nowhere\"")?);
        }
    }
    Ok(text)
}

/// A plugin, and a role of its name that it alone guards.
fn slot(language: &str, kind: &str, suffix: &str, settings: &str) -> anyhow::Result<String> {
    let name = format!("{language}-{kind}{suffix}");
    let chain = match kind {
        "policy" => format!("policies = [{name:?}]\ndetectors = []"),
        _ => format!("policies = []\ndetectors = [{name:?}]"),
    };
    let role = format!(
        "\n[[role]]\nname = {name:?}\ngroups = [{name:?}]\nupstreams = [{:?}]\nstatements = [\"read\", \"session\"]\n{chain}\n\n",
        sample::DATABASE
    );
    Ok(role + &policy::plugin_at(&name, &workspace::hostile_plugin(language, kind)?, settings))
}

/// A session in which the role's plugin commits this misdeed: the client's name of itself says which.
fn session(grille: &Grille, role: &str, misdeed: &str) -> anyhow::Result<Raw> {
    STAGE.session_at(grille, role, &[("application_name", &format!("misdeed:{misdeed}"))])
}

/// What a statement came to.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    Rows,
    /// With the client's message.
    Refused(String),
}

fn answer(messages: &[Message]) -> anyhow::Result<Answer> {
    if messages.iter().any(|message| message.tag == 'D') {
        return Ok(Answer::Rows);
    }
    let error = messages.iter().find(|message| message.tag == 'E').context("neither rows nor an error")?;
    Ok(Answer::Refused(error.field('M').context("an error without a message")?))
}

fn asked(grille: &Grille, role: &str, misdeed: &str, sql: &str) -> anyhow::Result<Answer> {
    answer(&session(grille, role, misdeed)?.query(sql)?)
}

/// Longest message that a client gets of a plugin's: its reason has at most 500 bytes.
const MESSAGE_BYTES_MAX: usize = 1000;

fn is_denied(role: &str, misdeed: &str) -> anyhow::Result<()> {
    let marker = format!("marker_{role}_{misdeed}").replace('-', "_");
    let mut raw = session(&STAGE.grille, role, misdeed)?;
    // Twice: whatever the first did to the plugin, the second is judged as well.
    for number in [1, 2] {
        match answer(&raw.query(&format!("SELECT {number} AS {marker}_{number}"))?)? {
            Answer::Rows => anyhow::bail!("{role}, {misdeed}: it ran"),
            Answer::Refused(message) => {
                let internals = ["wasm", "unreachable", "backtrace", "asked for", "Traceback", "panic"];
                ensure!(!internals.iter().any(|word| message.contains(word)), "{role}, {misdeed}: {message}");
                ensure!(!message.contains(char::is_control), "{role}, {misdeed}: {message:?}");
                ensure!(message.len() < MESSAGE_BYTES_MAX, "{role}, {misdeed}: {} bytes", message.len());
            }
        }
    }
    ensure!(!STAGE.postgres.log()?.contains(&marker), "{role}, {misdeed}: the upstream was asked");
    Ok(())
}

fn is_masked(role: &str, misdeed: &str) -> anyhow::Result<()> {
    let said = rows(role, misdeed)?;
    ensure!(sample::canaries_in(&said).is_empty() && !said.contains(RAW), "{role}, {misdeed}: {said}");
    Ok(())
}

/// Everything a client is told when it asks for all there is to protect.
fn rows(role: &str, misdeed: &str) -> anyhow::Result<String> {
    let mut raw = session(&STAGE.grille, role, misdeed)?;
    let answered = raw.query("SELECT id, email, notes, profile FROM customers")?;
    let still_there = raw.query("SELECT 'alive'")?;
    ensure!(still_there.last().is_some_and(|last| last.tag == 'Z'), "{role}, {misdeed}: {still_there:?}");
    Ok(answered.iter().chain(&still_there).map(Message::text).collect())
}

/// Every misdeed of every language once.
fn every_misdeed() -> anyhow::Result<()> {
    for Language { name, policy, detector, .. } in languages() {
        for misdeed in POLICY.iter().chain(*policy) {
            is_denied(&format!("{name}-policy"), misdeed)?;
        }
        for misdeed in DETECTOR.iter().chain(*detector) {
            is_masked(&format!("{name}-detector"), misdeed)?;
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs compilers of five languages: cargo xtask hostile"]
fn every_misdeed_fails_closed_beside_an_honest_session() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    beside_an_honest_session(&STAGE, every_misdeed)
}

#[test]
#[ignore = "needs compilers of five languages: cargo xtask hostile"]
fn an_allocator_that_hands_out_no_memory_fails_closed() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    if languages().any(|language| language.name == "c") {
        is_denied("c-policy-nowhere", "none")?;
        is_masked("c-detector-nowhere", "none")?;
    }
    Ok(())
}

#[test]
#[ignore = "needs compilers of five languages: cargo xtask hostile"]
fn what_these_tests_look_for_would_be_seen() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    for Language { name, .. } in languages() {
        let honest = asked(&STAGE.grille, &format!("{name}-policy"), "none", "SELECT 1")?;
        ensure!(honest == Answer::Rows, "{name}: {honest:?}");
        let blind = rows(&format!("{name}-detector"), "blind")?;
        ensure!(!sample::canaries_in(&blind).is_empty() && blind.contains(RAW), "{name}: {blind}");
        is_masked(&format!("{name}-detector"), "none")?;
    }
    Ok(())
}

#[test]
#[ignore = "needs compilers of five languages: cargo xtask hostile"]
fn memory_and_log_stay_bounded() -> anyhow::Result<()> {
    const MIB: u64 = 1 << 20;
    let _turn = TURNS.take();
    let pid = STAGE.grille.pid();
    // What machine code, images and caches take is taken now.
    every_misdeed()?;
    let (before, logged) = (resident_bytes(pid)?, STAGE.grille.log()?.len());
    forget_peak(pid)?;
    every_misdeed()?;
    let peak = peak_resident_bytes(pid)?.saturating_sub(before);
    let left = resident_bytes(pid)?.saturating_sub(before);
    eprintln!("over {} MiB: {} MiB at most, {} MiB in the end", before / MIB, peak / MIB, left / MIB);
    // One instance at a time has 64 MiB at most, and what it hands over is bounded besides.
    ensure!(peak < 128 * MIB, "{} MiB more than before", peak / MIB);
    ensure!(left < 32 * MIB, "{} MiB are left", left / MIB);
    let log = STAGE.grille.log()?;
    ensure!(log.len() - logged < 1 << 20, "{} bytes of log", log.len() - logged);
    ensure!(!log.contains('\u{1b}') && !log.lines().any(|line| line.starts_with("ERROR: forged")), "{log}");
    Ok(())
}

/// What nobody inside may know of this machine and of this moment.
fn facts(misdeed: &str) -> anyhow::Result<Vec<String>> {
    let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned());
    let mut facts: Vec<String> =
        ["PATH", "HOME", "USER", "LANG"].into_iter().filter_map(|name| env::var(name).ok()).collect();
    facts.extend(read("/etc/hostname"));
    if misdeed.starts_with("clock") || misdeed == "performance" {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        // Twelve days, and the year: near enough to be told, too far to be hit by chance.
        facts.push((now / 1_000_000).to_string());
        facts.push(year(now));
    }
    facts.retain(|fact| fact.len() > 3);
    Ok(facts)
}

/// The year of a second since the epoch, near enough.
fn year(seconds: u64) -> String {
    (1970 + seconds / 31_556_952).to_string()
}

#[test]
#[ignore = "needs compilers of five languages: cargo xtask hostile"]
fn what_lies_outside_is_nothing_or_a_constant() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let policy = policy::standard(sample::DATABASE)? + &hostile_policy()?;
    let other = STAGE.another_grille(&policy, "")?;
    for Language { name, reach, .. } in languages() {
        for misdeed in *reach {
            let role = format!("{name}-policy");
            let mut answers = BTreeSet::new();
            for (number, grille) in
                [&STAGE.grille, &STAGE.grille, &STAGE.grille, &other].into_iter().enumerate()
            {
                answers.insert(asked(grille, &role, misdeed, &format!("SELECT 1 AS reach_{number}"))?);
            }
            let told = match (answers.pop_first(), answers.len()) {
                (Some(Answer::Refused(told)), 0) => told,
                (first, _) => anyhow::bail!("{role}, {misdeed}: {first:?}, but also {answers:?}"),
            };
            eprintln!("{name}, {misdeed}: {told}");
            let fact = facts(misdeed)?.into_iter().find(|fact| told.contains(fact.as_str()));
            ensure!(fact.is_none(), "{role}, {misdeed}: {told}");
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs compilers of five languages: cargo xtask hostile"]
fn a_component_asks_for_nothing() -> anyhow::Result<()> {
    for Language { name, .. } in languages() {
        for kind in ["policy", "detector"] {
            let file = workspace::hostile_plugin(name, kind)?;
            let mut inspect = grille::command()?;
            let output = inspect.args(["plugin", "inspect", "--output", "json"]).arg(file).output()?;
            let inspected: serde_json::Value = serde_json::from_slice(&output.stdout)?;
            // The runtime links these and nothing else, so this is all that it imports.
            ensure!(inspected["capabilities"].as_array().is_some_and(Vec::is_empty), "{inspected}");
            ensure!(inspected["pure"] == true, "{inspected}");
        }
    }
    Ok(())
}

/// More often than a slot of the pool takes to be used again.
const PLANTINGS: usize = 30;

/// Each exchange keeps its statement wherever its language can, and denies if there is one already.
fn plants(role: &str, name: &str) -> anyhow::Result<()> {
    let mut raw = session(&STAGE.grille, role, "keep")?;
    for number in 0..PLANTINGS {
        let sql = format!("SELECT 1 AS \"planted-marker {name} {number}\"");
        let answer = answer(&raw.query(&sql)?)?;
        ensure!(answer == Answer::Rows, "{role}: {answer:?}");
    }
    Ok(())
}

#[test]
#[ignore = "needs compilers of five languages: cargo xtask hostile"]
fn nothing_planted_is_seen_by_another_exchange() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    for Language { name, .. } in languages() {
        let (policy, detector) = (format!("{name}-policy"), format!("{name}-detector"));
        thread::scope(|scope| {
            let planters: Vec<_> = ["one", "two", "three"]
                .map(|planter| scope.spawn(|| plants(&policy, planter)))
                .into_iter()
                .collect();
            planters.into_iter().try_for_each(|planter| planter.join().expect("a planter does not panic"))
        })?;
        for _ in 0..PLANTINGS {
            is_masked(&detector, "keep")?;
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs compilers of five languages: cargo xtask hostile"]
fn nothing_planted_is_left_anywhere_in_memory() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    for Language { name, .. } in languages().filter(|language| ["rust", "c"].contains(&language.name)) {
        let (policy, detector) = (format!("{name}-policy"), format!("{name}-detector"));
        plants(&policy, "searched")?;
        let search = |sql: &str| asked(&STAGE.grille, &policy, "search", sql);
        let found = |answer: Answer| match answer {
            Answer::Refused(message) => message.split_once("search: ").map(|(_, found)| found.to_owned()),
            Answer::Rows => None,
        };
        for number in 0..PLANTINGS {
            let count = found(search(&format!("SELECT 1 AS searched_{number}"))?);
            ensure!(count.as_deref().is_some_and(|count| count.starts_with('0')), "{name}: {count:?}");
        }
        let own = found(search("SELECT 1 AS \"planted-marker\"")?);
        ensure!(own.as_deref().is_some_and(|count| !count.starts_with('0')), "its own is found: {own:?}");
        for _ in 0..PLANTINGS {
            is_masked(&detector, "search")?;
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs compilers of five languages: cargo xtask hostile"]
fn both_ways_of_beginning_an_exchange_were_tried() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let log = STAGE.grille.log()?;
    for Language { name, restores, .. } in languages() {
        for kind in ["policy", "detector"] {
            let plugin = format!("\"{name}-{kind}\"");
            let told =
                |line: &str| line.contains("is configured anew for each exchange") && line.contains(&plugin);
            let is_configured = log.lines().any(told);
            ensure!(is_configured == (*restores == Restores::Configured), "{plugin}");
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs compilers of five languages: cargo xtask hostile"]
fn a_plugin_that_does_not_get_through_configure_is_told() -> anyhow::Result<()> {
    for Language { name, .. } in languages() {
        let file = workspace::hostile_plugin(name, "policy")?;
        for mode in ["spin-in-configure", "crash-in-configure"] {
            let mut run: Command = grille::command()?;
            let settings = format!("{{\"mode\": {mode:?}}}");
            let output = run
                .args(["plugin", "run"])
                .arg(&file)
                .args(["SELECT 1", "--settings", &settings])
                .output()?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            ensure!(output.status.code() == Some(1) && !said.is_empty(), "{name}, {mode}: {said}");
        }
    }
    Ok(())
}
