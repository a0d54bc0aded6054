//! Who vouches for a plugin, as vendors and operators see it: keys, signatures and rules by command, what `grille check` says, and
//! minisign itself as the judge of ours.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use grille_harness::scratch::{Scratch, write_secret};
use grille_harness::{Ran, grille, workspace};
use serde_json::Value;

/// Runs `grille` where nobody can be asked for a password.
fn run(arguments: &[&str]) -> anyhow::Result<Ran> {
    let mut command = grille::command()?;
    command.args(arguments).stdin(Stdio::null());
    Ok(command.output().context("grille does not start")?.into())
}

fn refused(arguments: &[&str], status: i32) -> anyhow::Result<String> {
    let ran = run(arguments)?;
    ensure!(ran.code == status, "{arguments:?}: {ran:?}");
    Ok(ran.said())
}

/// A vendor with a key, and a component of theirs, in a folder.
struct Stage {
    folder: Scratch,
    public: String,
}

impl Stage {
    fn set() -> anyhow::Result<Self> {
        let folder = Scratch::new()?;
        let mut stage = Self { folder, public: String::new() };
        fs::copy(workspace::plugin("sql-guard")?, stage.at("guard.wasm"))?;
        write_secret(&stage.at("password"), "secret")?;
        stage.public = stage.key("vendor")?;
        Ok(stage)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn path(&self, name: &str) -> String {
        self.at(name).display().to_string()
    }

    /// Makes a key without a password; what is public of it is returned.
    fn key(&self, name: &str) -> anyhow::Result<String> {
        let key = self.path(&format!("{name}.key"));
        let made = run(&["plugin", "keygen", "--key", &key, "--no-password", "--output", "json"])?.ok()?;
        let made: Value = serde_json::from_str(&made)?;
        Ok(made["public_key"].as_str().context("a key")?.to_owned())
    }

    fn sign(&self, component: &str, key: &str) -> anyhow::Result<String> {
        run(&["plugin", "sign", &self.path(component), "--key", &self.path(key)])?.ok()
    }

    /// A configuration with `guard.wasm`, this rule and these keys of the plugin.
    fn configure(&self, trust: &str, plugin: &str) -> anyhow::Result<String> {
        let text = format!(
            "[[listener]]\nname = \"clients\"\naddress = \"127.0.0.1:0\"\nallow_plaintext = true\n\
             [[issuer]]\nissuer = \"https://id.example.com\"\naudiences = [\"grille\"]\n\
             [[upstream]]\nname = \"sales\"\nhost = \"localhost\"\nuser = \"app\"\n\
             password = {{ file = \"password\" }}\ntls = {{ mode = \"disable\" }}\n\
             [audit]\ndirectory = \"audit\"\n\
             [[role]]\nname = \"analyst\"\ngroups = [\"analysts\"]\nupstreams = [\"sales\"]\n\
             statements = [\"read\"]\npolicies = [\"guard\"]\ndetectors = []\n\
             {trust}\n[[plugin]]\nname = \"guard\"\nfile = \"guard.wasm\"\n{plugin}\n"
        );
        fs::write(self.at("grille.toml"), text)?;
        Ok(self.path("grille.toml"))
    }

    fn rule(&self, more: &str) -> String {
        format!(
            "[[trust]]\nname = \"vendor\"\nminisign = {:?}\nplugins = [\"grille/*\"]\n{more}\n",
            self.public
        )
    }

    /// What `grille check` says against this configuration.
    fn check_refuses(&self, trust: &str, plugin: &str) -> anyhow::Result<String> {
        refused(&["check", "--config", &self.configure(trust, plugin)?], 2)
    }

    fn check_accepts(&self, trust: &str, plugin: &str) -> anyhow::Result<()> {
        run(&["check", "--config", &self.configure(trust, plugin)?])?.ok()?;
        Ok(())
    }
}

#[track_caller]
fn says(text: &str, expected: &[&str]) {
    for expected in expected {
        assert!(text.contains(expected), "no {expected:?} in: {text}");
    }
}

#[test]
fn nothing_is_loaded_that_nobody_vouches_for() -> anyhow::Result<()> {
    let stage = Stage::set()?;
    let said = stage.check_refuses("", "")?;
    says(&said, &["nobody vouches for it", "there is no [[trust]]", "unsigned = true under its [[plugin]]"]);
    // The help can be done as it says.
    let (_, digest) = said.split_once("write ").context("a help")?;
    let (digest, _) = digest.split_once(" or ").context("a digest")?;
    stage.check_accepts("", digest)?;
    stage.check_accepts("", "unsigned = true")?;
    let rule = stage.rule("");
    says(
        &stage.check_refuses(&rule, "")?,
        &["`vendor` comes nearest: it wants a signature", "no .minisig lies beside the file"],
    );
    stage.sign("guard.wasm", "vendor.key")?;
    stage.check_accepts(&rule, "")
}

#[test]
fn a_rule_says_how_far_a_vendor_is_trusted() -> anyhow::Result<()> {
    let stage = Stage::set()?;
    stage.sign("guard.wasm", "vendor.key")?;
    let other =
        format!("[[trust]]\nname = \"other\"\nminisign = {:?}\nplugins = [\"*\"]\n", stage.key("other")?);
    says(
        &stage.check_refuses(&other, "")?,
        &["`other` comes nearest", "and this one is by the minisign key "],
    );
    let elsewhere = stage.rule("").replace("grille/*", "example/*");
    says(&stage.check_refuses(&elsewhere, "")?, &["it is for `example/*`, and this is `grille/sql-guard`"]);
    let newer = stage.rule("versions = \">=99.0.0\"");
    says(
        &stage.check_refuses(&newer, "")?,
        &["`vendor` comes nearest: it is for versions >=99.0.0, and this is "],
    );
    stage.check_accepts(&format!("{other}{newer}{}", stage.rule("").replace("\"vendor\"", "\"second\"")), "")
}

#[test]
fn a_rule_says_what_a_plugin_may_import_at_most() -> anyhow::Result<()> {
    let stage = Stage::set()?;
    // A plugin that logs, whatever else it does.
    fs::copy(workspace::plugin("capable-policy")?, stage.at("guard.wasm"))?;
    stage.sign("guard.wasm", "vendor.key")?;
    let inspected = run(&["plugin", "inspect", &stage.path("guard.wasm"), "--output", "json"])?.ok()?;
    let inspected: Value = serde_json::from_str(&inspected)?;
    let names: Vec<&str> = inspected["capabilities"]
        .as_array()
        .context("a list")?
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    ensure!(names.contains(&"egress"), "{names:?}");
    let grants =
        format!("grants = {names:?}\negress = [\"host.example:443\"]\nsettings = {{ use = \"clock\" }}");
    let any = stage.rule("").replace("grille/*", "*");
    says(
        &stage.check_refuses(&any, &grants)?,
        &["it lets such a plugin have nothing, and this one imports `"],
    );
    stage.check_accepts(&any.replace("plugins = ", &format!("capabilities = {names:?}\nplugins = ")), &grants)
}

#[test]
fn a_signature_that_does_not_fit_is_refused_though_unsigned_would_do() -> anyhow::Result<()> {
    let stage = Stage::set()?;
    stage.sign("guard.wasm", "vendor.key")?;
    let signature = stage.at("guard.wasm.minisig");
    let good = fs::read_to_string(&signature)?;
    let own_rule = stage.rule("");
    for (bad, expected) in [
        (String::new(), "it does not have four lines"),
        (good.replace("version=", "version=9"), "it does not fit"),
        (good.replace("id=grille/sql-guard", "id=grille/other"), "it does not fit"),
        (good.replace("grille:1", "grille:2"), "does not say which plugin it is for"),
    ] {
        fs::write(&signature, bad)?;
        says(&stage.check_refuses(&own_rule, "unsigned = true")?, &[expected, "take the .minisig away"]);
    }
    fs::write(&signature, &good)?;
    // The component changes under the signature, as between two files that are copied one after the other.
    fs::copy(workspace::plugin("pii")?, stage.at("guard.wasm"))?;
    says(
        &stage.check_refuses("", "unsigned = true")?,
        &["it is for sha256:", "and the component has sha256:"],
    );
    let inspected = run(&["plugin", "inspect", &stage.path("guard.wasm")])?.ok()?;
    says(&inspected, &["signed    a signature for another file, not verified here"]);
    Ok(())
}

#[test]
fn component_and_signature_come_from_the_folder_that_a_link_leads_to() -> anyhow::Result<()> {
    let stage = Stage::set()?;
    for (folder, component) in [("one", "sql-guard"), ("two", "pii")] {
        fs::create_dir(stage.at(folder))?;
        fs::copy(workspace::plugin(component)?, stage.at(folder).join("guard.wasm"))?;
        stage.sign(&format!("{folder}/guard.wasm"), "vendor.key")?;
    }
    fs::remove_file(stage.at("guard.wasm"))?;
    symlink("one", stage.at("..data"))?;
    symlink("..data/guard.wasm", stage.at("guard.wasm"))?;
    let rule = stage.rule("");
    stage.check_accepts(&rule, "")?;
    // Another release's signature beside the link does not count where there is one beside the file.
    fs::copy(stage.at("two").join("guard.wasm.minisig"), stage.at("guard.wasm.minisig"))?;
    stage.check_accepts(&rule, "")?;
    fs::remove_file(stage.at("one").join("guard.wasm.minisig"))?;
    says(&stage.check_refuses(&rule, "")?, &["it is for sha256:"]);
    fs::remove_file(stage.at("guard.wasm.minisig"))?;
    says(&stage.check_refuses(&rule, "")?, &["no .minisig lies beside the file"]);
    Ok(())
}

#[test]
fn keys_are_kept_and_never_written_over() -> anyhow::Result<()> {
    let stage = Stage::set()?;
    let mode = |name: &str| anyhow::Ok(fs::metadata(stage.at(name))?.permissions().mode() & 0o777);
    ensure!(mode("vendor.key")? == 0o600, "{:o}", mode("vendor.key")?);
    ensure!(mode("vendor.pub")? & 0o600 == 0o600, "{:o}", mode("vendor.pub")?);
    let key = fs::read(stage.at("vendor.key"))?;
    let said = refused(&["plugin", "keygen", "--key", &stage.path("vendor.key"), "--no-password"], 2)?;
    says(&said, &["is there already"]);
    ensure!(fs::read(stage.at("vendor.key"))? == key, "the key was written over");
    // A password is asked for on a terminal or read from a file; here is no terminal.
    let locked = stage.path("locked.key");
    says(&refused(&["plugin", "keygen", "--key", &locked], 2)?, &["--password-file"]);
    ensure!(!Path::new(&locked).exists(), "a key without a password");
    let password = |name: &str, text: &str| {
        write_secret(&stage.at(name), text)?;
        anyhow::Ok(stage.path(name))
    };
    let (right, wrong) = (password("right", "correct horse\n")?, password("wrong", "battery\n")?);
    run(&["plugin", "keygen", "--key", &locked, "--password-file", &right])?.ok()?;
    let component = stage.path("guard.wasm");
    let sign = |more: &[&str]| {
        let arguments = [&["plugin", "sign", &component, "--key"][..], more].concat();
        arguments.into_iter().map(str::to_owned).collect::<Vec<String>>()
    };
    for (arguments, expected) in [
        (sign(&[&locked]), "--password-file"),
        (sign(&[&locked, "--password-file", &wrong]), "Wrong password"),
        (sign(&[&stage.path("vendor.key"), "--password-file", &right]), "has no password"),
        (sign(&[&stage.path("vendor.pub")]), "is no secret key"),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let said = refused(&arguments, 2)?;
        ensure!(said.contains(expected), "no {expected:?}: {said}");
    }
    ensure!(!stage.at("guard.wasm.minisig").exists(), "something was signed");
    let arguments = sign(&[&locked, "--password-file", &right]);
    run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())?.ok()?;
    ensure!(stage.at("guard.wasm.minisig").exists(), "nothing was signed");
    Ok(())
}

#[test]
fn verify_says_who_signed_and_which_rule_would_take_it() -> anyhow::Result<()> {
    let stage = Stage::set()?;
    let component = stage.path("guard.wasm");
    let (public, other) = (stage.public.clone(), stage.key("other")?);
    says(
        &refused(&["plugin", "verify", &component, "--public-key", &public], 1)?,
        &["no .minisig lies beside"],
    );
    stage.sign("guard.wasm", "vendor.key")?;
    let said = run(&["plugin", "verify", &component, "--public-key", &public])?.ok()?;
    says(&said, &["grille/sql-guard ", "\ntrusted: signed by the minisign key "]);
    run(&["plugin", "verify", &component, "--public-key", &stage.path("vendor.pub")])?.ok()?;
    says(
        &refused(&["plugin", "verify", &component, "--public-key", &other], 1)?,
        &["not trusted: not signed by this key"],
    );
    refused(&["plugin", "verify", &component, "--public-key", "RWQ"], 2)?;
    refused(&["plugin", "verify", &component], 2)?;

    let config = stage.configure(&stage.rule(""), "")?;
    let said = run(&["plugin", "verify", &component, "--config", &config])?.ok()?;
    says(&said, &["trusted as plugin `guard`: signed by the minisign key ", "trusted by `vendor`"]);
    let said = run(&["plugin", "verify", &component, "--config", &config, "--output", "json"])?.ok()?;
    let said: Value = serde_json::from_str(&said)?;
    ensure!(said["judgements"][0]["plugin"] == "guard" && said["judgements"][0]["trusted"] == true, "{said}");
    let config = stage.configure("", "unsigned = true")?;
    let said = run(&["plugin", "verify", &component, "--config", &config])?.ok()?;
    says(&said, &["trusted as plugin `guard`: unsigned, as the configuration allows"]);
    // A file that no [[plugin]] names is judged by the rules alone.
    fs::copy(&component, stage.at("elsewhere.wasm"))?;
    let said = refused(&["plugin", "verify", &stage.path("elsewhere.wasm"), "--config", &config], 1)?;
    says(&said, &["not trusted: nobody vouches for it", "help: "]);
    let inspected = run(&["plugin", "inspect", &component])?.ok()?;
    says(&inspected, &["signed    a signature by the minisign key "]);
    Ok(())
}

/// minisign itself, where the machine has it.
fn minisign(arguments: &[&str]) -> Option<Ran> {
    match Command::new("minisign").args(arguments).stdin(Stdio::null()).output() {
        Ok(output) => Some(output.into()),
        Err(error) => {
            eprintln!(
                "SKIPPED: minisign is not on this machine ({error}): nothing is known of how the two agree"
            );
            None
        }
    }
}

#[test]
fn minisign_and_grille_take_each_others_signatures() -> anyhow::Result<()> {
    let stage = Stage::set()?;
    let component = stage.path("guard.wasm");
    stage.sign("guard.wasm", "vendor.key")?;
    let verify = ["-Vm", &component, "-P", &stage.public];
    let Some(verified) = minisign(&verify) else { return Ok(()) };
    says(
        &verified.ok()?,
        &["Signature and comment signature verified", "grille:1 id=grille/sql-guard version="],
    );

    // Ours with a key of theirs, then theirs with a key of theirs.
    let (public, secret) = (stage.path("theirs.pub"), stage.path("theirs.key"));
    minisign(&["-G", "-W", "-p", &public, "-s", &secret]).context("minisign")?.ok()?;
    stage.sign("guard.wasm", "theirs.key")?;
    minisign(&["-Vm", &component, "-p", &public]).context("minisign")?.ok()?;
    run(&["plugin", "verify", &component, "--public-key", &public])?.ok()?;
    let signature = fs::read_to_string(stage.at("guard.wasm.minisig"))?;
    let comment = signature.lines().nth(2).and_then(|line| line.strip_prefix("trusted comment: "));
    let comment = comment.context("a comment")?;
    minisign(&["-S", "-W", "-s", &secret, "-m", &component, "-t", comment]).context("minisign")?.ok()?;
    run(&["plugin", "verify", &component, "--public-key", &public])?.ok()?;
    // Without the comment it does not say what it is for; in the old form it is not over a hash.
    minisign(&["-S", "-W", "-s", &secret, "-m", &component]).context("minisign")?.ok()?;
    let said = refused(&["plugin", "verify", &component, "--public-key", &public], 1)?;
    says(&said, &["does not say which plugin it is for"]);
    minisign(&["-S", "-l", "-W", "-s", &secret, "-m", &component, "-t", comment])
        .context("minisign")?
        .ok()?;
    says(&refused(&["plugin", "verify", &component, "--public-key", &public], 1)?, &["minisign's old form"]);
    Ok(())
}
