//! The life of a revision as operators see it: shadow, canary, promotion, rollback by hand and by itself, what is kept out, what
//! survives a restart, and what status says of all that. Which revision judges is what sessions hear, never what status says alone.

use std::fs;
use std::sync::LazyLock;

use anyhow::Context;
use grille_e2e::raw::{error, tags};
use grille_e2e::revisions::{self, GROUP, Revisions, SLOT, await_heard, await_refusal, heard, status};
use grille_e2e::{Raw, Stage};
use grille_harness::{Grille, Ran, Signature, component, policy, sample, wait, workspace};
use serde_json::{Value, json};

/// PostgreSQL and the issuer; each test has a gateway of its own.
static STAGE: LazyLock<Stage> = LazyLock::new(|| Stage::standard("").expect("the stage is set"));

/// A gateway whose slot holds a revision, with what a test needs beside it.
struct Rollout {
    revisions: Revisions,
    grille: Grille,
}

impl Rollout {
    /// With `honest 1`, and `keys` as more keys of the slot.
    fn begin(keys: &str) -> anyhow::Result<Self> {
        let revisions = Revisions::begin("honest 1")?;
        let grille = STAGE.another_grille(&revisions.policy("", keys), "")?;
        Ok(Self { revisions, grille })
    }

    fn session(&self) -> anyhow::Result<Raw> {
        STAGE.session_at(&self.grille, GROUP, &[])
    }

    /// A session of somebody of that name.
    fn session_of(&self, subject: &str) -> anyhow::Result<Raw> {
        let claims = STAGE.provider.claims("anybody", &json!({ "groups": [GROUP], "sub": subject }))?;
        let token = STAGE.provider.mint(&claims, &json!({}), Signature::Rs256)?;
        let mut raw = Raw::connect(self.grille.plaintext_port())?;
        raw.log_in(sample::DATABASE, &token)?;
        Ok(raw)
    }

    /// `grille plugin VERB stamped WORDS…`.
    fn plugin(&self, verb: &str, words: &[&str]) -> anyhow::Result<Ran> {
        self.grille.command(&[&["plugin", verb, SLOT], words].concat())
    }

    fn must(&self, verb: &str, words: &[&str]) -> anyhow::Result<String> {
        self.plugin(verb, words)?.ok()
    }

    /// The digests that are kept out.
    fn held_back(&self) -> anyhow::Result<Vec<String>> {
        let status = status(&self.grille)?;
        let held = status["held_back"].as_array().cloned().unwrap_or_default();
        Ok(held.iter().filter_map(|held| held["digest"].as_str().map(str::to_owned)).collect())
    }

    fn active(&self) -> anyhow::Result<String> {
        Ok(status(&self.grille)?["active"]["digest"].as_str().unwrap_or_default().to_owned())
    }
}

/// Statements that set off what a revision does wrong, each another, so that none is answered from memory.
fn provoke(session: &mut Raw, count: u32) -> anyhow::Result<Vec<String>> {
    (0..count).map(|n| Ok(tags(&session.query(&format!("SELECT {n} AS misbehave_{n}"))?))).collect()
}

#[test]
fn a_shadow_judges_and_changes_no_answer() -> anyhow::Result<()> {
    // What a shadow judges gives way to all else on the machine.
    let rollout = Rollout::begin("\n[limits]\nplugin_deadline = \"5s\"")?;
    let mut session = rollout.session()?;
    rollout.must("shadow", &[&rollout.revisions.write_aside("honest 2")?])?;
    let candidate = status(&rollout.grille)?["candidate"].clone();
    assert_eq!(candidate["digest"], rollout.revisions.digest("honest 2")?.as_str(), "{candidate}");
    assert_eq!(candidate["stage"], "shadow", "{candidate}");
    for number in 0..20 {
        assert_eq!(heard(&mut session)?, "honest 1 []");
        assert_eq!(tags(&session.query(&format!("SELECT 1 AS other_{number}"))?), "TDCZ");
    }
    let report =
        || -> anyhow::Result<Value> { Ok(status(&rollout.grille)?["candidate"]["differences"].clone()) };
    let compared = wait::until("the shadow's judgements to be compared", wait::PATIENCE, || {
        Ok(Some(report()?).filter(|report| report["compared"].as_u64() >= Some(21)))
    });
    let compared = compared.with_context(|| format!("{:?}", report()))?;
    // The question was asked again and again, and judged once: its answer is remembered. It alone has another reason.
    assert_eq!(compared["different"], 1, "{compared}");
    assert_eq!(compared["failures"], 0, "{compared}");
    rollout.must("drop", &[])?;
    assert!(status(&rollout.grille)?["candidate"].is_null());
    assert_eq!(heard(&mut session)?, "honest 1 []");
    Ok(())
}

#[test]
fn a_canary_splits_principals_and_keeps_them() -> anyhow::Result<()> {
    const PRINCIPALS: u32 = 40;
    let rollout = Rollout::begin("")?;
    rollout.must("canary", &[&rollout.revisions.write_aside("honest 2")?, "--percent", "50"])?;
    let side = |number: u32| heard(&mut rollout.session_of(&format!("principal-{number}"))?);
    let first: Vec<String> = (0..PRINCIPALS).map(side).collect::<anyhow::Result<_>>()?;
    let with_candidate = first.iter().filter(|answer| *answer == "honest 2 []").count();
    assert!(first.iter().all(|answer| answer == "honest 2 []" || answer == "honest 1 []"), "{first:?}");
    // Half of 40; a fair coin is outside of this once in 300,000 times, and the split is fixed but for the issuer's port.
    assert!((6..=34).contains(&with_candidate), "{with_candidate} of {PRINCIPALS}");
    let again: Vec<String> = (0..PRINCIPALS).map(side).collect::<anyhow::Result<_>>()?;
    assert_eq!(again, first);

    rollout.must("promote", &[])?;
    for number in 0..PRINCIPALS {
        assert_eq!(side(number)?, "honest 2 []");
    }
    assert_eq!(rollout.active()?, rollout.revisions.digest("honest 2")?);
    Ok(())
}

#[test]
fn a_dropped_canary_judges_nobody() -> anyhow::Result<()> {
    let rollout = Rollout::begin("")?;
    let mut session = rollout.session()?;
    rollout.must("canary", &[&rollout.revisions.write_aside("honest 2")?, "--percent", "100"])?;
    assert_eq!(heard(&mut session)?, "honest 2 []");
    assert_eq!(rollout.active()?, rollout.revisions.digest("honest 1")?);
    rollout.must("drop", &[])?;
    assert_eq!(heard(&mut session)?, "honest 1 []");
    Ok(())
}

#[test]
fn there_is_one_canary_at_a_time() -> anyhow::Result<()> {
    let [one, other] = [Revisions::begin("honest 1")?, Revisions::begin("honest 1")?];
    let second = policy::plugin_at("second", &other.file(), "");
    let grille = STAGE.another_grille(&(one.policy("", "") + &second), "")?;
    let candidate = one.write_aside("honest 2")?;
    let canary = |slot| grille.command(&["plugin", "canary", slot, &candidate, "--percent", "10"]);
    canary(SLOT)?.ok()?;
    let refused = canary("second")?;
    assert_eq!(refused.code, 1, "{}", refused.said());
    assert!(refused.stderr.contains(SLOT), "{}", refused.stderr);
    grille.command(&["plugin", "drop", SLOT])?.ok()?;
    canary("second")?.ok()?;
    Ok(())
}

#[test]
fn a_slot_may_send_what_is_dropped_in_to_trial_first() -> anyhow::Result<()> {
    let rollout = Rollout::begin("rollout = { to = \"canary:100%\" }")?;
    let mut session = rollout.session()?;
    rollout.revisions.drop_in("honest 2")?;
    await_heard(&mut session, "honest 2 []")?;
    assert_eq!(rollout.active()?, rollout.revisions.digest("honest 1")?);
    assert_eq!(status(&rollout.grille)?["candidate"]["stage"], "canary");
    Ok(())
}

#[test]
fn what_was_rolled_back_is_kept_out_until_it_is_named() -> anyhow::Result<()> {
    let rollout = Rollout::begin("")?;
    let mut session = rollout.session()?;
    rollout.revisions.drop_in("honest 2")?;
    await_heard(&mut session, "honest 2 []")?;
    rollout.must("rollback", &[])?;
    assert_eq!(heard(&mut session)?, "honest 1 []");
    assert_eq!(rollout.held_back()?, [rollout.revisions.digest("honest 2")?]);

    // The file still holds it; neither writing it again nor a reload of everything else brings it back.
    rollout.revisions.drop_in("honest 2")?;
    let capped = rollout.revisions.policy("", "").replace("detectors = []", "detectors = []\nrow_cap = 3");
    rollout.grille.rewrite_policy(&capped)?;
    wait::until("the role's cap", revisions::PATIENCE, || {
        let said = session.query("SELECT id FROM customers")?;
        Ok(error(&said).is_ok().then_some(()))
    })?;
    assert_eq!(heard(&mut session)?, "honest 1 []");

    rollout.must("activate", &[])?;
    assert_eq!(heard(&mut session)?, "honest 2 []");
    assert!(rollout.held_back()?.is_empty());
    Ok(())
}

#[test]
fn half_a_file_does_not_let_in_what_was_rolled_back() -> anyhow::Result<()> {
    let rollout = Rollout::begin("")?;
    let mut session = rollout.session()?;
    rollout.revisions.drop_in("honest 2")?;
    await_heard(&mut session, "honest 2 []")?;
    rollout.must("rollback", &[])?;
    // As a copy that is not atomic is seen.
    fs::write(rollout.revisions.file(), [])?;
    await_refusal(&rollout.grille, &component::digest(&[]))?;
    rollout.revisions.drop_in("honest 2")?;
    let digest = rollout.revisions.digest("honest 2")?;
    wait::until("the file to be looked at", revisions::PATIENCE, || {
        Ok((status(&rollout.grille)?["file_digest"] == digest.as_str()).then_some(()))
    })?;
    assert_eq!(heard(&mut session)?, "honest 1 []");
    assert_eq!(rollout.held_back()?, [digest]);
    Ok(())
}

#[test]
fn what_is_held_back_does_not_fill_a_slot_that_lost_all_others() -> anyhow::Result<()> {
    let mut rollout = Rollout::begin("")?;
    let mut session = rollout.session()?;
    rollout.revisions.drop_in("honest 2")?;
    await_heard(&mut session, "honest 2 []")?;
    rollout.must("rollback", &[])?;
    rollout.grille.process().stop()?;
    let lost = rollout.revisions.digest("honest 1")?.replace("sha256:", "");
    fs::remove_file(rollout.grille.folder().join(format!("state/grille/components/{lost}.wasm")))?;

    rollout.grille.expect_errors();
    assert!(rollout.grille.restart().is_err());
    let log = rollout.grille.log()?;
    assert!(log.contains("held back (rolled back by"), "{log}");
    rollout.revisions.drop_in("honest 3")?;
    rollout.grille.restart()?;
    assert_eq!(heard(&mut rollout.session()?)?, "honest 3 []");
    Ok(())
}

#[test]
fn a_rollback_does_not_put_the_settings_of_the_configuration_aside() -> anyhow::Result<()> {
    let rollout = Rollout::begin("")?;
    let mut session = rollout.session()?;
    let next = rollout.revisions.folder().join("next");
    fs::write(&next, rollout.revisions.make("honest 2")?)?;
    rollout.grille.replace_policy(&rollout.revisions.policy("stricter", ""))?;
    fs::rename(next, rollout.revisions.file())?;
    await_heard(&mut session, "honest 2 [stricter]")?;
    rollout.must("rollback", &[])?;
    await_heard(&mut session, "honest 1 [stricter]")?;
    let status = status(&rollout.grille)?;
    assert_eq!(status["settings_in_configuration"], status["active"]["settings"], "{status}");
    assert_eq!(rollout.held_back()?, [rollout.revisions.digest("honest 2")?]);
    Ok(())
}

#[test]
fn what_was_rolled_back_gives_way_to_another_file() -> anyhow::Result<()> {
    let rollout = Rollout::begin("")?;
    let mut session = rollout.session()?;
    rollout.revisions.drop_in("honest 2")?;
    await_heard(&mut session, "honest 2 []")?;
    rollout.must("rollback", &[])?;
    rollout.revisions.drop_in("honest 3")?;
    await_heard(&mut session, "honest 3 []")
}

#[test]
fn a_revision_that_traps_is_rolled_back_by_itself() -> anyhow::Result<()> {
    let mut rollout = Rollout::begin("")?;
    let mut session = rollout.session()?;
    rollout.revisions.drop_in("trap 2")?;
    await_heard(&mut session, "trap 2 []")?;
    // Each fails closed.
    assert_eq!(provoke(&mut session, 3)?, ["EZ", "EZ", "EZ"]);
    await_heard(&mut session, "honest 1 []")?;
    let bad = rollout.revisions.digest("trap 2")?;
    assert_eq!(rollout.held_back()?, std::slice::from_ref(&bad));
    assert_eq!(provoke(&mut session, 1)?, ["TDCZ"]);

    let audit = rollout.grille.audit()?;
    let digits = bad.trim_start_matches("sha256:");
    let told = audit.lines().any(|line| {
        line.contains("plugin-stage-changed") && line.contains(digits) && line.contains("held-back")
    });
    assert!(told, "no record of it");

    // Also after a restart, although the file still holds it.
    rollout.grille.restart()?;
    assert_eq!(heard(&mut rollout.session()?)?, "honest 1 []");
    assert_eq!(rollout.held_back()?, [bad]);
    Ok(())
}

#[test]
fn a_canary_that_traps_is_dropped_by_itself() -> anyhow::Result<()> {
    let rollout = Rollout::begin("")?;
    let mut session = rollout.session()?;
    rollout.must("canary", &[&rollout.revisions.write_aside("trap 2")?, "--percent", "100"])?;
    assert_eq!(provoke(&mut session, 3)?, ["EZ", "EZ", "EZ"]);
    await_heard(&mut session, "honest 1 []")?;
    assert!(status(&rollout.grille)?["candidate"].is_null());
    assert_eq!(rollout.held_back()?, [rollout.revisions.digest("trap 2")?]);
    Ok(())
}

#[test]
fn a_revision_over_its_latency_budget_is_rolled_back_by_itself() -> anyhow::Result<()> {
    let rollout = Rollout::begin("rollout = { latency_budget = \"1ms\" }")?;
    let mut session = rollout.session()?;
    rollout.revisions.drop_in("slow 2")?;
    await_heard(&mut session, "slow 2 []")?;
    // Answers are right, so that nothing but their lateness speaks against it.
    assert!(provoke(&mut session, 250)?.iter().all(|answer| answer == "TDCZ"));
    await_heard(&mut session, "honest 1 []").with_context(|| format!("{:?}", status(&rollout.grille)))?;
    assert_eq!(rollout.held_back()?, [rollout.revisions.digest("slow 2")?]);
    Ok(())
}

#[test]
fn the_last_good_revision_survives_a_restart_beside_a_broken_file() -> anyhow::Result<()> {
    let mut rollout = Rollout::begin("")?;
    let mut session = rollout.session()?;
    rollout.revisions.drop_in("honest 2")?;
    await_heard(&mut session, "honest 2 []")?;
    let whole = rollout.revisions.make("honest 3")?;
    let broken = &whole[..whole.len() / 2];
    fs::write(rollout.revisions.file(), broken)?;
    await_refusal(&rollout.grille, &component::digest(broken))?;

    rollout.grille.restart()?;
    let mut session = rollout.session()?;
    assert_eq!(heard(&mut session)?, "honest 2 []");
    await_refusal(&rollout.grille, &component::digest(broken))?;
    rollout.revisions.drop_in("honest 3")?;
    await_heard(&mut session, "honest 3 []")
}

#[test]
fn what_was_activated_by_command_stays_until_the_file_changes() -> anyhow::Result<()> {
    let mut rollout = Rollout::begin("")?;
    let mut session = rollout.session()?;
    rollout.must("activate", &[&rollout.revisions.write_aside("honest 2")?])?;
    assert_eq!(heard(&mut session)?, "honest 2 []");
    rollout.grille.restart()?;
    let mut session = rollout.session()?;
    assert_eq!(heard(&mut session)?, "honest 2 []");
    rollout.revisions.drop_in("honest 3")?;
    await_heard(&mut session, "honest 3 []")
}

/// Files and the stage at which they are refused.
fn misfits(revisions: &Revisions) -> anyhow::Result<Vec<(&'static str, &'static str, Vec<u8>)>> {
    let good = revisions.make("honest 2")?;
    let detector = fs::read(workspace::plugin("hostile-detector")?)?;
    Ok(vec![
        ("truncated", "compile", good[..good.len() - 100].to_vec()),
        ("not wasm", "compile", b"not a component".to_vec()),
        ("empty", "compile", Vec::new()),
        ("hanging in configure", "configure", revisions.make("spin-in-configure 2")?),
        ("hanging in vectors", "vectors", revisions.make("spin-in-decide 2")?),
        ("another world", "metadata", detector),
        (
            "another schema",
            "schema",
            component::with_metadata(&good, |metadata| {
                metadata["settings_schema"] = json!({ "type": "object", "required": ["colour"] });
            })?,
        ),
    ])
}

#[test]
fn a_misfit_is_refused_by_command_and_by_file_and_told() -> anyhow::Result<()> {
    let rollout = Rollout::begin("")?;
    let mut session = rollout.session()?;
    let generation = rollout.grille.metric("grille_generation")?;
    for (what, stage, bytes) in misfits(&rollout.revisions)? {
        let aside = rollout.revisions.write_aside(what)?;
        fs::write(&aside, &bytes)?;
        let refused = rollout.plugin("activate", &[&aside])?;
        assert_eq!(refused.code, 1, "{what}: {}", refused.said());
        assert!(refused.stderr.contains("stays active"), "{what}: {}", refused.stderr);

        fs::write(rollout.revisions.file(), &bytes)?;
        let (told, _) = await_refusal(&rollout.grille, &component::digest(&bytes))?;
        assert_eq!(told, stage, "{what}");
        assert_eq!(heard(&mut session)?, "honest 1 []", "{what}");
        // So that the next one is not taken for what is there already.
        rollout.revisions.drop_in("honest 1")?;
    }
    assert_eq!(rollout.grille.metric("grille_generation")?, generation);
    Ok(())
}

/// Settings that `capable-policy` takes, and a revision of `stamped-policy` that takes them too.
const CAPABLE: &str = "use = \"statics\"";

#[test]
fn a_candidate_that_asks_for_more_needs_an_operators_word() -> anyhow::Result<()> {
    let revisions = Revisions::begin("honest 1")?;
    let tolerant = component::with_metadata(&revisions.make("honest 1")?, |metadata| {
        metadata["settings_schema"] = json!({ "type": "object" });
    })?;
    fs::write(revisions.file(), &tolerant)?;
    let keys = "grants = [\"log\", \"clock\", \"state\", \"egress\"]\negress = [\"example.com:443\"]";
    let slot = policy::plugin_at(SLOT, &revisions.file(), CAPABLE);
    let policy = revisions.policy("", "");
    let role = &policy[..policy.find("[[plugin]]").expect("the slot")];
    let mut grille = STAGE.another_grille(&format!("{role}{}\n{keys}\n", slot.trim_end()), "")?;
    let mut session = STAGE.session_at(&grille, GROUP, &[])?;
    let capable = workspace::plugin("capable-policy")?;

    fs::copy(&capable, revisions.file())?;
    let digest = component::digest(&fs::read(&capable)?);
    let (stage, why) = await_refusal(&grille, &digest)?;
    assert_eq!(stage, "widening", "{why}");
    assert!(why.contains("state") && why.contains("egress"), "{why}");
    assert_eq!(heard(&mut session)?, "honest 1 []");

    // A restart is nobody's word either.
    grille.restart()?;
    let mut session = STAGE.session_at(&grille, GROUP, &[])?;
    let (stage, why) = await_refusal(&grille, &digest)?;
    assert_eq!(stage, "widening", "{why}");
    assert_eq!(heard(&mut session)?, "honest 1 []");

    // Nor is it one that what was active is lost: rather no start than one with more.
    grille.process().stop()?;
    let kept = component::digest(&tolerant).replace("sha256:", "");
    let kept = grille.folder().join(format!("state/grille/components/{kept}.wasm"));
    let aside = grille.folder().join("aside");
    fs::rename(&kept, &aside)?;
    assert!(grille.restart().is_err());
    assert!(grille.log()?.contains("--accept-capabilities"), "{}", grille.log()?);
    fs::rename(&aside, &kept)?;
    grille.restart()?;
    let mut session = STAGE.session_at(&grille, GROUP, &[])?;
    assert_eq!(heard(&mut session)?, "honest 1 []");

    let capable = capable.display().to_string();
    let activate = |more: &[&str]| grille.command(&[&["plugin", "activate", SLOT, &capable], more].concat());
    assert_eq!(activate(&[])?.code, 1);
    assert_eq!(heard(&mut session)?, "honest 1 []");
    activate(&["--accept-capabilities"])?.ok()?;
    assert_eq!(status(&grille)?["active"]["digest"], digest.as_str());
    Ok(())
}

#[test]
fn status_is_told_to_people_too() -> anyhow::Result<()> {
    let rollout = Rollout::begin("")?;
    let said = rollout.grille.command(&["plugin", "status"])?.ok()?;
    assert!(said.contains(SLOT) && said.contains("active"), "{said}");
    Ok(())
}
