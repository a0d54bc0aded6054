//! Plugins that misbehave while a statement is judged or a result is read: nothing raw gets out, nothing denied gets
//! through, and a session beside them does not notice.

use std::sync::LazyLock;

use grille_e2e::Stage;
use grille_e2e::honest::{RAW, beside_an_honest_session};
use grille_harness::{policy, sample, wait, workspace};

/// Modes of `hostile-policy` under which no statement may run.
const POLICIES: [&str; 16] = [
    "deny",
    "hold",
    "rewrite",
    "extension",
    "unknown-obligation",
    "bad-obligation",
    "spin",
    "allocate",
    "trap",
    "fail",
    "bad-utf8",
    "giant-reason",
    "giant-obligations",
    "spin-in-begin",
    "trap-in-begin",
    "fail-in-begin",
];

/// Modes of `hostile-detector` that a host can notice.
const DETECTORS: [&str; 17] = [
    "spin",
    "allocate",
    "trap",
    "fail",
    "spin-on-canary",
    "trap-on-canary",
    "giant-result",
    "offset-out-of-range",
    "cell-out-of-range",
    "unknown-label",
    "start-after-end",
    "empty-finding",
    "score-out-of-range",
    "reserved-support",
    "spin-in-begin",
    "trap-in-begin",
    "fail-in-begin",
];

/// Modes of `hostile-masker`.
const MASKERS: [&str; 16] = [
    "honest",
    "spin",
    "allocate",
    "trap",
    "fail",
    "spin-on-canary",
    "trap-on-canary",
    "giant-result",
    "wrong-cell-count",
    "no-edits",
    "unsorted-edits",
    "repeated-cells",
    "cell-out-of-range",
    "offsets-out-of-range",
    "offsets-descending",
    "offsets-missing",
];

/// Modes with which a plugin never gets as far as judging anything.
const STILLBORN: [&str; 4] =
    ["spin-in-configure", "allocate-in-configure", "trap-in-configure", "refuse-settings"];

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    Stage::standard(&hostile_policy().expect("guests are built")).expect("the stage is set")
});

fn hostile_policy() -> anyhow::Result<String> {
    let mut text = String::new();
    for mode in POLICIES {
        let name = format!("policy-{mode}");
        text.push_str(&role(&name, &format!("policies = [{name:?}]\ndetectors = []")));
        text.push_str(&plugin(&name, "hostile-policy", mode)?);
    }
    for mode in DETECTORS {
        let name = format!("detector-{mode}");
        text.push_str(&role(&name, &format!("policies = []\ndetectors = [{name:?}]")));
        text.push_str(&plugin(&name, "hostile-detector", mode)?);
    }
    for mode in MASKERS {
        let name = format!("masker-{mode}");
        let treatment = format!("plugin:{name}");
        let columns = format!("columns = {{ \"public.customers.email\" = {treatment:?} }}");
        text.push_str(&role(&name, &format!("policies = []\ndetectors = []\n{columns}")));
        text.push_str(&plugin(&name, "hostile-masker", mode)?);
    }
    for (component, mode) in WELL_BEHAVED {
        let chain = match component {
            "hostile-policy" => format!("policies = [{mode:?}]\ndetectors = []"),
            _ => format!("policies = []\ndetectors = [{mode:?}]"),
        };
        text.push_str(&role(mode, &chain));
        text.push_str(&plugin(mode, component, mode)?);
    }
    Ok(text)
}

/// Nothing that a host could notice: with these the checks below must see what they look for.
const WELL_BEHAVED: [(&str, &str); 2] = [("hostile-policy", "allow"), ("hostile-detector", "blind")];

fn plugin(name: &str, component: &str, mode: &str) -> anyhow::Result<String> {
    policy::plugin(name, component, &format!("mode = {mode:?}, trigger = {RAW:?}, size = 5000000"))
}

fn role(name: &str, chain: &str) -> String {
    format!(
        "\n[[role]]\nname = {name:?}\ngroups = [{name:?}]\nupstreams = [\"demo\"]\n\
         statements = [\"read\", \"session\"]\n{chain}\n\n"
    )
}

#[test]
fn a_misbehaving_policy_lets_nothing_through() -> anyhow::Result<()> {
    beside_an_honest_session(&STAGE, || {
        for mode in POLICIES {
            let marker = format!("marker-{mode}");
            let client = STAGE.member_of(&format!("policy-{mode}"))?;
            let ran = client.psql(&format!("SELECT '{marker}', email FROM customers LIMIT 1;"))?;
            assert_eq!(ran.stdout, "", "{mode}: {}", ran.said());
            assert!(ran.stderr.contains("refused"), "{mode}: {}", ran.stderr);
            assert!(!STAGE.postgres.log()?.contains(&marker), "{mode}: the upstream was asked");
            let internals = ["wasm", "unreachable", "trap that was asked", "backtrace"];
            assert!(!internals.iter().any(|word| ran.stderr.contains(word)), "{mode}: {}", ran.stderr);
        }
        Ok(())
    })
}

#[test]
fn a_misbehaving_detector_lets_no_value_out() -> anyhow::Result<()> {
    beside_an_honest_session(&STAGE, || {
        for mode in DETECTORS {
            let client = STAGE.member_of(&format!("detector-{mode}"))?;
            let ran = client.psql("SELECT id, email, notes, profile FROM customers;\nSELECT 'alive';")?;
            assert_eq!(sample::canaries_in(&ran.said()), Vec::<String>::new(), "{mode}");
            assert!(!ran.said().contains(RAW), "{mode}: {}", ran.said());
        }
        Ok(())
    })
}

#[test]
fn a_misbehaving_masker_lets_no_value_out() -> anyhow::Result<()> {
    beside_an_honest_session(&STAGE, || {
        for mode in MASKERS {
            let client = STAGE.member_of(&format!("masker-{mode}"))?;
            let ran = client.psql("SELECT id, email FROM customers;")?;
            assert_eq!(sample::canaries_in(&ran.said()), Vec::<String>::new(), "{mode}");
        }
        Ok(())
    })
}

#[test]
fn what_these_tests_look_for_would_be_seen() -> anyhow::Result<()> {
    for (_, mode) in WELL_BEHAVED {
        let ran =
            STAGE.member_of(mode)?.psql(&format!("SELECT 'marker-{mode}', email FROM customers LIMIT 1;"))?;
        assert!(!sample::canaries_in(&ran.stdout).is_empty(), "{mode}: {}", ran.said());
        assert!(STAGE.postgres.log()?.contains(&format!("marker-{mode}")), "{mode}");
    }
    Ok(())
}

#[test]
fn failures_are_counted() -> anyhow::Result<()> {
    STAGE.member_of("policy-trap")?.psql("SELECT 1;")?;
    let metrics = STAGE.grille.metrics()?;
    let counted =
        metrics.lines().any(|line| line.contains("plugin_failures") && line.contains("policy-trap"));
    assert!(counted, "{metrics}");
    Ok(())
}

#[test]
fn a_plugin_that_cannot_be_configured_stops_the_start() -> anyhow::Result<()> {
    for mode in STILLBORN {
        let chain = "policies = [\"stillborn\"]\ndetectors = []";
        let text = role("nobody", chain) + &plugin("stillborn", "hostile-policy", mode)?;
        let error = STAGE.another_grille(&text, "").err().map(|error| format!("{error:#}"));
        assert!(error.as_ref().is_some_and(|error| error.contains("stillborn")), "{mode}: {error:?}");
    }
    Ok(())
}

#[test]
fn a_reload_with_a_plugin_that_cannot_be_configured_changes_nothing() -> anyhow::Result<()> {
    let standard = policy::standard(sample::DATABASE)?;
    let grille = STAGE.another_grille(&standard, "")?;
    let client = grille.endpoint(sample::DATABASE, &STAGE.provider.token("ada")?);
    let lines = grille.log()?.lines().count();
    let stillborn = plugin("stillborn", "hostile-policy", "trap-in-configure")?;
    grille.rewrite_policy(&(role("nobody", "policies = [\"stillborn\"]\ndetectors = []") + &stillborn))?;
    wait::until("the refusal in the log", wait::PATIENCE, || {
        let log = grille.log()?;
        Ok(log.lines().skip(lines).any(|line| line.contains("stillborn")).then_some(()))
    })?;
    assert_eq!(client.psql_strict("SELECT 'as before'")?.ok()?.trim(), "as before");
    Ok(())
}

/// What can become of a component's file while Grille runs.
fn spoil(whole: &[u8]) -> [(&'static str, Option<Vec<u8>>); 4] {
    let mut flipped = whole.to_vec();
    flipped.iter_mut().skip(64).step_by(97).for_each(|byte| *byte ^= 0x55);
    [
        ("truncated", Some(whole[..whole.len() / 2].to_vec())),
        ("empty", Some(Vec::new())),
        ("flipped", Some(flipped)),
        ("gone", None),
    ]
}

#[test]
fn a_component_that_is_spoilt_on_disk_never_goes_live() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut roles = policy::standard(sample::DATABASE)?;
    for name in ["pii", "sql-guard"] {
        let (built, copy) = (workspace::plugin(name)?, folder.path().join(format!("{name}.wasm")));
        std::fs::copy(&built, &copy)?;
        roles = roles.replace(&built.display().to_string(), &copy.display().to_string());
    }
    let grille = STAGE.another_grille(&roles, "")?;
    let analyst = grille.endpoint(sample::DATABASE, &STAGE.provider.token("ada")?);
    let mut refused = 0;
    for (slot, name) in [("pii", "pii"), ("guard", "sql-guard")] {
        let file = folder.path().join(format!("{name}.wasm"));
        let whole = std::fs::read(&file)?;
        for (how, content) in spoil(&whole) {
            match content {
                Some(content) => std::fs::write(&file, content)?,
                None => std::fs::remove_file(&file)?,
            }
            refused += 1;
            wait::until(&format!("a {how} {name} to be refused"), wait::PATIENCE, || {
                Ok((grille.log()?.matches("candidate refused").count() >= refused).then_some(()))
            })?;
            let read = analyst.psql_strict("SELECT name, email FROM customers WHERE id = 3")?.ok()?;
            assert!(read.starts_with("Dagmar ") && !read.contains(RAW), "{how} {name}: {read}");
            let dropped = analyst.psql("DROP TABLE customers")?;
            assert!(dropped.stderr.contains("plugin guard"), "{how} {name}: {}", dropped.said());
        }
        std::fs::write(&file, &whole)?;
        wait::until(&format!("the whole {name} to be seen again"), wait::PATIENCE, || {
            let status = grille.plugins()?.remove(slot).unwrap_or_default();
            Ok((status["file_digest"] == status["active"]["digest"]).then_some(()))
        })?;
        assert!(grille.metric("grille_generation")? < 1.5, "a spoilt {name} made a generation");
    }
    Ok(())
}
