//! `grille plugin dev` when things go wrong, in front of a running Grille: what does not build, what is not good and what Grille
//! refuses changes nothing that clients see, each is told, and in the end the slot is as it was. When things go well is what
//! `demo --tutorial` sees. The plugin is one in C, which builds in a second; `cargo xtask tutorials` runs this where clang is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use grille_e2e::Stage;
use grille_harness::scratch::Scratch;
use grille_harness::supervised::{Signal, Supervised};
use grille_harness::{Ran, Vendor, grille, policy, sample, wait, workspace};
use serde_json::Value;

/// A statement that the template's policy denies, and the slot's first component, a guard, does not.
const PROBE: &str = "INSERT INTO audit_log VALUES (1)";

/// A line of the template, and the same without its promise.
const PROMISE: (&str, &str) = ("{ \"audit_log\" }", "{ \"orders\" }");

/// A project of a new user's, a Grille with a slot for it, and `dev` between them.
struct Scene {
    stage: Stage,
    slot: PathBuf,
    project: PathBuf,
    dev: Supervised,
    /// Events that were waited for.
    seen: usize,
    _scratch: Scratch,
    _vendor: Vendor,
}

impl Scene {
    fn set() -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        let slot = scratch.path().join("mine.wasm");
        fs::copy(workspace::plugin("sql-guard")?, &slot)?;
        let vendor = Vendor::new()?;
        let stage = Stage::with_policy(&policy::with_slot(sample::DATABASE, &slot, &vendor)?, "")?;
        stage.postgres.sql_admin(
            sample::DATABASE,
            "CREATE TABLE audit_log (id int); GRANT ALL ON audit_log TO PUBLIC",
        )?;
        let made = command()?.args(["new", "ledger", "--lang", "c"]).current_dir(scratch.path()).output()?;
        Ran::from(made).ok()?;
        let project = scratch.path().join("ledger");
        let mut command = command()?;
        command.arg("dev").arg(&project).args(["--as", "mine", "--output", "json", "--config"]);
        let dev =
            Supervised::start(command.arg(stage.grille.config()), "dev", scratch.path(), Signal::Interrupt)?;
        Ok(Self { stage, slot, project, dev, seen: 0, _scratch: scratch, _vendor: vendor })
    }

    /// Waits for the next event of that name, past others: the event.
    fn event(&mut self, name: &str) -> anyhow::Result<Value> {
        let (dev, seen) = (&mut self.dev, &mut self.seen);
        let found = wait::until(&format!("the event {name}"), wait::PATIENCE, || {
            dev.check_alive()?;
            let said = fs::read_to_string(dev.stdout())?;
            // The last line may be half written.
            let whole = said.rfind('\n').map_or("", |end| &said[..end]);
            let events = whole.lines().skip(*seen).map(serde_json::from_str::<Value>);
            for (skipped, event) in events.enumerate() {
                let event = event?;
                if event["event"] == name {
                    *seen += skipped + 1;
                    return Ok(Some(event));
                }
            }
            Ok(None)
        });
        found.with_context(|| fs::read_to_string(self.dev.stdout()).unwrap_or_default())
    }

    fn standing(&mut self, expected: &str) -> anyhow::Result<Value> {
        let event = self.event("standing")?;
        ensure!(event["standing"] == expected, "{event}");
        Ok(event)
    }

    fn replace(&self, file: &str, (from, to): (&str, &str)) -> anyhow::Result<()> {
        let path = self.project.join(file);
        let text = fs::read_to_string(&path)?;
        ensure!(text.matches(from).count() == 1, "{file} has not one {from:?}");
        Ok(fs::write(path, text.replace(from, to))?)
    }

    /// What the analyst hears to [`PROBE`].
    fn probe(&self) -> anyhow::Result<String> {
        Ok(self.stage.analyst()?.psql(PROBE)?.said())
    }
}

fn command() -> anyhow::Result<Command> {
    let mut command = grille::command()?;
    command.arg("plugin");
    Ok(command)
}

fn bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}

#[test]
#[ignore = "needs clang: `cargo xtask tutorials` runs it"]
fn what_is_not_good_changes_nothing_and_the_slot_comes_back() -> anyhow::Result<()> {
    let mut scene = Scene::set()?;
    let before = bytes(&scene.slot)?;
    scene.event("watching")?;
    let built = scene.event("built")?;
    ensure!(built["swap"] == "written" && built["vectors"] == 2, "{built}");
    let active = scene.standing("active")?;
    ensure!(active["digest"] == built["digest"], "{active}");
    ensure!(scene.probe()?.contains("audit_log may only be read"), "{}", scene.probe()?);
    let judged = scene.event("judged")?;
    ensure!(judged["digest"] == built["digest"] && judged["principal"] == "ada", "{judged}");
    ensure!(
        judged["verdict"] == "deny" && judged["statements"][0] == "INSERT INTO audit_log VALUES ($1)",
        "{judged}"
    );
    let good = bytes(&scene.slot)?;

    scene.replace("src/plugin.c", PROMISE)?;
    let flaw = scene.event("not-good")?;
    ensure!(flaw["problems"][0].as_str().is_some_and(|told| told.contains("expected deny")), "{flaw}");
    scene.replace("src/plugin.c", ("return grille_allow(decision);", "return grille_allow(decisions);"))?;
    let flaw = scene.event("not-built")?;
    ensure!(flaw["message"].as_str().is_some_and(|told| told.contains("decisions")), "{flaw}");
    scene.replace("plugin.toml", ("world = \"policy\"", "world = \"oracle\""))?;
    let flaw = scene.event("not-built")?;
    ensure!(flaw["message"].as_str().is_some_and(|told| told.contains("oracle")), "{flaw}");
    ensure!(
        bytes(&scene.slot)? == good && scene.probe()?.contains("audit_log may only be read"),
        "it was swapped"
    );

    scene.replace("plugin.toml", ("world = \"oracle\"", "world = \"policy\""))?;
    scene.replace("src/plugin.c", ("return grille_allow(decisions);", "return grille_allow(decision);"))?;
    scene.replace("src/plugin.c", (PROMISE.1, PROMISE.0))?;
    let again = wait::until("the first build again", wait::PATIENCE, || {
        let built = scene.event("built")?;
        Ok((built["digest"] == active["digest"]).then_some(built))
    })?;
    ensure!(again["swap"] == "same", "{again}");

    scene.dev.signal(Signal::Interrupt)?;
    let left = wait::until("the end", wait::PATIENCE, || {
        let said = fs::read_to_string(scene.dev.stdout())?;
        Ok(said.lines().find(|line| line.contains("\"left\"")).map(str::to_owned))
    })?;
    ensure!(left.contains("\"restored\"") && scene.dev.wait()?.success(), "{left}");
    ensure!(bytes(&scene.slot)? == before, "the slot is not what it was");
    wait::until("the guard to judge again", wait::PATIENCE, || {
        Ok((!scene.probe()?.contains("may only be read")).then_some(()))
    })
}

#[test]
#[ignore = "needs clang: `cargo xtask tutorials` runs it"]
fn what_the_running_grille_refuses_is_told() -> anyhow::Result<()> {
    let mut scene = Scene::set()?;
    scene.standing("active")?;
    let asks = "[[capabilities]]\nname = \"clock\"\nreason = \"office hours\"\n\n[[vectors]]\nat = \"2026-11-23T10:00:00Z\"\n\
                kind = \"select\"";
    scene.replace("plugin.toml", ("[[vectors]]\nkind = \"select\"", asks))?;
    let flaw = scene.event("not-good")?;
    ensure!(
        flaw["problems"][0].as_str().is_some_and(|told| told.contains("say at what time it holds")),
        "{flaw}"
    );
    scene.replace(
        "plugin.toml",
        ("[[vectors]]\nkind = \"delete\"", "[[vectors]]\nat = \"2026-11-23T10:00:00Z\"\nkind = \"delete\""),
    )?;
    let uses = "grille_text table = table_of(object->name);\n        if (grille_clock_now_ms() == 0) return grille_allow(decision);";
    scene.replace("src/plugin.c", ("grille_text table = table_of(object->name);", uses))?;
    let refused = wait::until("a refusal", wait::PATIENCE, || {
        let event = scene.event("standing")?;
        Ok((event["standing"] == "refused").then_some(event))
    })?;
    ensure!(refused["why"].as_str().is_some_and(|why| why.contains("clock")), "{refused}");
    ensure!(scene.probe()?.contains("audit_log may only be read"), "the build before judges on");
    Ok(())
}

#[test]
fn without_a_slot_or_a_running_grille_nothing_begins() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let slot = scratch.path().join("mine.wasm");
    fs::copy(workspace::plugin("sql-guard")?, &slot)?;
    let vendor = Vendor::new()?;
    let mut stage = Stage::with_policy(&policy::with_slot(sample::DATABASE, &slot, &vendor)?, "")?;
    let made = command()?.args(["new", "ledger", "--lang", "c"]).current_dir(scratch.path()).output()?;
    Ran::from(made).ok()?;
    let dev = |stage: &Stage, name: &str| -> anyhow::Result<Ran> {
        let mut dev = command()?;
        dev.arg("dev").arg(scratch.path().join("ledger")).args(["--as", name, "--config"]);
        Ok(dev.arg(stage.grille.config()).output()?.into())
    };
    let said = dev(&stage, "yours")?;
    ensure!(said.code == 2 && said.stderr.contains("it has guard, pii, mine"), "{}", said.said());
    stage.grille.process().stop()?;
    let said = dev(&stage, "mine")?;
    ensure!(said.code == 1 && said.stderr.contains("is `grille serve` running"), "{}", said.said());
    ensure!(bytes(&slot)? == bytes(&workspace::plugin("sql-guard")?)?, "the slot was touched");
    Ok(())
}
