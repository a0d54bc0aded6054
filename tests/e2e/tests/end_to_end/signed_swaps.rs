//! Swaps where a rule demands a signature: component and signature are two files and do not change at once, a wrong signature changes
//! nothing, and what was kept for a restart is trusted no more than a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use anyhow::ensure;
use grille_e2e::revisions::{GROUP, Revisions, await_heard, await_refusal, heard, status};
use grille_e2e::{Raw, Stage};
use grille_harness::{Authority, Grille, Vendor, wait};

/// PostgreSQL and the issuer; each test has a gateway of its own.
static STAGE: LazyLock<Stage> = LazyLock::new(|| Stage::standard("").expect("the stage is set"));

/// A gateway that trusts a vendor, whose signed revision `honest 1` judges.
struct Gateway {
    vendor: Vendor,
    revisions: Revisions,
    grille: Grille,
}

impl Gateway {
    fn start() -> anyhow::Result<Self> {
        let (vendor, revisions) = (Vendor::new()?, Revisions::begin("honest 1")?);
        vendor.sign(&revisions.file())?;
        let policy = policy(&revisions, &vendor.rule(&["test/*"]));
        let mut grille = STAGE.another_grille(&policy, "")?;
        grille.expect_errors();
        Ok(Self { vendor, revisions, grille })
    }

    fn session(&self) -> anyhow::Result<Raw> {
        STAGE.session_at(&self.grille, GROUP, &[])
    }

    fn signature(&self) -> PathBuf {
        self.revisions.folder().join("stamped.wasm.minisig")
    }

    /// Waits until the file's revision of this stamp is refused for want of trust; why.
    fn await_untrusted(&self, stamp: &str) -> anyhow::Result<String> {
        let (stage, why) = await_refusal(&self.grille, &self.revisions.digest(stamp)?)?;
        assert_eq!(stage, "trust", "{why}");
        Ok(why)
    }
}

/// The slot as others have it, but that nobody takes the operator's word for it.
fn policy(revisions: &Revisions, rules: &str) -> String {
    let slot = revisions.policy("", "");
    assert!(slot.contains("unsigned = true\n"), "{slot}");
    slot.replace("unsigned = true\n", "") + rules
}

#[test]
fn a_new_version_comes_when_its_signature_has_come() -> anyhow::Result<()> {
    let gateway = Gateway::start()?;
    let mut session = gateway.session()?;
    assert_eq!(heard(&mut session)?, "honest 1 []");
    let signer = status(&gateway.grille)?["active"]["signer"].to_string();
    assert!(signer.contains("trusted by `vendor`"), "{signer}");

    // The component first: the signature that lies there is the old one's.
    gateway.revisions.drop_in("honest 2")?;
    let why = gateway.await_untrusted("honest 2")?;
    assert!(why.contains("it is for sha256:"), "{why}");
    assert_eq!(heard(&mut session)?, "honest 1 []");
    gateway.vendor.sign(&gateway.revisions.file())?;
    await_heard(&mut session, "honest 2 []")?;

    // The signature first: what judges goes on, and the component that it is for is taken when it is there.
    let next = gateway.revisions.folder().join("aside.wasm");
    fs::write(&next, gateway.revisions.make("honest 3")?)?;
    gateway.vendor.sign(&next)?;
    fs::rename(next.with_extension("wasm.minisig"), gateway.signature())?;
    assert_eq!(heard(&mut session)?, "honest 2 []");
    fs::rename(&next, gateway.revisions.file())?;
    await_heard(&mut session, "honest 3 []")
}

#[test]
fn what_is_wrongly_signed_changes_nothing() -> anyhow::Result<()> {
    let gateway = Gateway::start()?;
    let mut session = gateway.session()?;
    let good = fs::read_to_string(gateway.signature())?;
    // Nobody signed; somebody else signed; the vendor signed another file.
    fs::remove_file(gateway.signature())?;
    gateway.revisions.drop_in("honest 2")?;
    gateway.await_untrusted("honest 2")?;
    let other = Vendor::new()?;
    gateway.revisions.drop_in("honest 3")?;
    other.sign(&gateway.revisions.file())?;
    let why = wait::until("the other's signature to be looked at", wait::PATIENCE, || {
        let why = gateway.await_untrusted("honest 3")?;
        Ok(why.contains("this one is by the minisign key").then_some(why))
    })?;
    assert!(why.contains("`vendor` comes nearest"), "{why}");
    fs::write(gateway.signature(), good)?;
    gateway.revisions.drop_in("honest 4")?;
    gateway.await_untrusted("honest 4")?;
    assert_eq!(heard(&mut session)?, "honest 1 []");
    // The same by command.
    let aside = gateway.revisions.write_aside("honest 5")?;
    let said = gateway.grille.command(&["plugin", "activate", "stamped", &aside])?;
    assert!(said.code == 1 && said.said().contains("refused at trust"), "{said:?}");
    assert_eq!(heard(&mut session)?, "honest 1 []");
    Ok(())
}

#[test]
fn what_is_kept_is_trusted_by_the_signature_it_came_with() -> anyhow::Result<()> {
    let mut gateway = Gateway::start()?;
    // The file is another, and nobody signed it: after a restart the revision that was kept judges, with its signature.
    fs::remove_file(gateway.signature())?;
    gateway.revisions.drop_in("honest 2")?;
    gateway.await_untrusted("honest 2")?;
    gateway.grille.restart()?;
    assert_eq!(heard(&mut gateway.session()?)?, "honest 1 []");
    assert_eq!(status(&gateway.grille)?["active"]["digest"], gateway.revisions.digest("honest 1")?.as_str());
    Ok(())
}

#[test]
fn a_rule_that_is_taken_away_takes_its_plugins_with_it() -> anyhow::Result<()> {
    let mut gateway = Gateway::start()?;
    let other = Vendor::new()?;
    let rules = other.rule(&["test/*"]);
    // While it runs there is nothing to put in the plugin's place: it is told, and the last configuration goes on.
    gateway.grille.replace_policy(&policy(&gateway.revisions, &rules))?;
    wait::until("the reload to be refused", wait::PATIENCE, || {
        Ok(gateway.grille.log()?.contains("this one is by the minisign key").then_some(()))
    })?;
    assert_eq!(heard(&mut gateway.session()?)?, "honest 1 []");
    // A restart finds neither file nor kept revision trusted, and does not serve.
    gateway.grille.process().stop()?;
    let said = gateway.grille.command(&["check"])?;
    assert!(said.code == 2 && said.said().contains("nobody vouches for it"), "{said:?}");
    assert!(gateway.grille.restart().is_err(), "it serves a plugin that nobody vouches for");
    Ok(())
}

#[test]
fn a_signature_that_is_lost_beside_the_file_is_still_known_where_it_was_kept() -> anyhow::Result<()> {
    let mut gateway = Gateway::start()?;
    fs::remove_file(gateway.signature())?;
    gateway.grille.restart()?;
    assert_eq!(heard(&mut gateway.session()?)?, "honest 1 []");
    let log = gateway.grille.log()?;
    ensure!(log.contains("the file's copy is not trusted: the one that was kept judges"), "{log}");
    // What is kept is no way around the rules.
    let other = Vendor::new()?;
    gateway.grille.rewrite_policy(&policy(&gateway.revisions, &other.rule(&["test/*"])))?;
    assert!(gateway.grille.restart().is_err(), "it serves a plugin that nobody vouches for");
    Ok(())
}

/// Another slot with equal bytes in a file of its own, which the operator takes unsigned.
fn with_unsigned(policy: &str, file: &Path) -> String {
    format!(
        "{policy}\n[[plugin]]\nname = \"twin\"\nfile = {:?}\nunsigned = true\n",
        file.display().to_string()
    )
}

#[test]
fn equal_bytes_that_come_unsigned_elsewhere_do_not_take_a_signature_away() -> anyhow::Result<()> {
    let mut gateway = Gateway::start()?;
    let rules = gateway.vendor.rule(&["test/*"]);
    let twin = gateway.revisions.write_aside("honest 1")?;
    // The slot goes on to another revision; the one before is there to be gone back to, in the state directory alone.
    gateway.revisions.drop_in("honest 2")?;
    gateway.vendor.sign(&gateway.revisions.file())?;
    await_heard(&mut gateway.session()?, "honest 2 []")?;
    let policy = with_unsigned(&policy(&gateway.revisions, &rules), Path::new(&twin));
    gateway.grille.rewrite_policy(&policy)?;
    wait::until("the other slot", wait::PATIENCE, || Ok(gateway.grille.plugins()?.get("twin").map(drop)))?;
    gateway.grille.restart()?;
    gateway.grille.command(&["plugin", "rollback", "stamped"])?.ok()?;
    assert_eq!(heard(&mut gateway.session()?)?, "honest 1 []");
    let signer = status(&gateway.grille)?["active"]["signer"].to_string();
    assert!(signer.contains("trusted by `vendor`"), "{signer}");
    Ok(())
}

fn make_fifo(path: &Path) -> anyhow::Result<()> {
    ensure!(Command::new("mkfifo").arg(path).status()?.success(), "mkfifo {}", path.display());
    Ok(())
}

#[test]
fn a_pipe_in_the_place_of_a_file_holds_up_nothing() -> anyhow::Result<()> {
    let mut gateway = Gateway::start()?;
    let mut session = gateway.session()?;
    let why = |gateway: &Gateway| anyhow::Ok(status(&gateway.grille)?["refused"]["why"].to_string());
    for pipe in [gateway.revisions.file(), gateway.signature()] {
        let good = fs::read(&pipe)?;
        fs::remove_file(&pipe)?;
        make_fifo(&pipe)?;
        wait::until("the pipe to be refused", wait::PATIENCE, || {
            Ok(why(&gateway)?.contains("not a regular file").then_some(()))
        })?;
        fs::remove_file(&pipe)?;
        fs::write(&pipe, good)?;
    }
    let aside = gateway.revisions.folder().join("pipe.wasm");
    make_fifo(&aside)?;
    let said = gateway.grille.command(&["plugin", "activate", "stamped", &aside.display().to_string()])?;
    assert!(said.code == 1 && said.said().contains("not a regular file"), "{said:?}");
    // Reloads go on, and so does a stop.
    gateway.revisions.drop_in("honest 2")?;
    gateway.vendor.sign(&gateway.revisions.file())?;
    await_heard(&mut session, "honest 2 []")?;
    drop(session);
    make_fifo(&gateway.revisions.folder().join("later"))?;
    fs::rename(gateway.revisions.folder().join("later"), gateway.revisions.file())?;
    assert!(gateway.grille.process().stop()?.success());
    Ok(())
}

#[test]
fn what_could_not_be_kept_is_tried_again_when_the_disk_is_mended() -> anyhow::Result<()> {
    let gateway = Gateway::start()?;
    let mut session = gateway.session()?;
    let digest = gateway.revisions.digest("honest 2")?;
    let hex = digest.trim_start_matches("sha256:");
    // A folder where the component is written first: as hard a failure as a full disk, and one that root meets too.
    let in_the_way = gateway.grille.folder().join(format!("state/grille/components/{hex}.wasm.next"));
    fs::create_dir_all(in_the_way.join("full"))?;
    gateway.vendor.sign(&put_aside(&gateway, "honest 2")?)?;
    fs::rename(gateway.revisions.folder().join("aside.wasm.minisig"), gateway.signature())?;
    fs::rename(gateway.revisions.folder().join("aside.wasm"), gateway.revisions.file())?;
    let (stage, why) = await_refusal(&gateway.grille, &digest)?;
    assert_eq!(stage, "store", "{why}");
    assert_eq!(heard(&mut session)?, "honest 1 []");
    fs::remove_dir_all(in_the_way)?;
    await_heard(&mut session, "honest 2 []")
}

/// A revision beside the slot's file, not signed yet.
fn put_aside(gateway: &Gateway, stamp: &str) -> anyhow::Result<PathBuf> {
    let aside = gateway.revisions.folder().join("aside.wasm");
    fs::write(&aside, gateway.revisions.make(stamp)?)?;
    Ok(aside)
}

#[test]
fn going_back_needs_none_of_the_files_that_upstreams_name() -> anyhow::Result<()> {
    let gateway = Gateway::start()?;
    let folder = tempfile::tempdir()?;
    let ca = Authority::new()?.issue(folder.path())?.ca;
    let upstream = format!(
        "[[upstream]]\nname = \"elsewhere\"\nhost = \"127.0.0.1\"\nport = 1\nuser = \"app\"\n\
         authentication = [\"trust\"]\ntls = {{ mode = \"verify\", ca = {:?} }}\n\n",
        ca.display().to_string()
    );
    let rules = gateway.vendor.rule(&["test/*"]);
    gateway.grille.rewrite_policy(&(upstream + &policy(&gateway.revisions, &rules)))?;
    wait::until("the new upstream", wait::PATIENCE, || {
        Ok(gateway.grille.log()?.contains("reloaded").then_some(()))
    })?;
    // As when certificates are exchanged, and for a moment there is none.
    fs::remove_file(&ca)?;
    let mut session = gateway.session()?;
    gateway.vendor.sign(&put_aside(&gateway, "honest 2")?)?;
    fs::rename(gateway.revisions.folder().join("aside.wasm.minisig"), gateway.signature())?;
    fs::rename(gateway.revisions.folder().join("aside.wasm"), gateway.revisions.file())?;
    await_heard(&mut session, "honest 2 []")?;
    gateway.grille.command(&["plugin", "rollback", "stamped"])?.ok()?;
    assert_eq!(heard(&mut session)?, "honest 1 []");
    Ok(())
}
