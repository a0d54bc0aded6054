//! The built `grille`, running with a configuration of a test's.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::Context;
use serde_json::{Value, json};

use crate::authority::{Authority, ServerFiles};
use crate::endpoint::{Endpoint, Ran};
use crate::identity_provider::AUDIENCE;
use crate::scratch::{Scratch, write_secret};
use crate::supervised::{Signal, Supervised};
use crate::{IdentityProvider, http, loopback, random, wait, workspace};

/// What a test configures. The listeners, the audit log, the admin listener, the control socket and the token key are the
/// same for every test.
pub struct GrilleOptions<'a> {
    /// Who issues tokens.
    pub provider: &'a IdentityProvider,
    /// More keys of the `[[issuer]]`, as TOML lines.
    pub issuer: &'a str,
    /// Where PostgreSQL is and as whom Grille logs in there, by the name clients use.
    pub upstreams: &'a [(&'a str, Endpoint)],
    /// Roles, plugins and limits, as TOML tables. [`Grille::rewrite_policy`] replaces this part alone.
    pub policy: &'a str,
}

/// The running gateway. Stopped when dropped.
pub struct Grille {
    process: Supervised,
    ports: Ports,
    tls: ServerFiles,
    token_key: String,
    /// The configuration but for roles and plugins.
    fixed: String,
    errors: Errors,
    scratch: Scratch,
}

/// What errors in the log mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Errors {
    /// That something went wrong.
    Shown,
    /// That what should be refused was.
    Expected,
}

struct Ports {
    encrypted: u16,
    plaintext: u16,
    bearer: u16,
    admin: u16,
}

impl Grille {
    /// Builds `grille` if it is not up to date, and starts it: `serve --config FILE`.
    ///
    /// # Errors
    /// When it does not get ready; the end of its log is in the error.
    pub fn start(options: &GrilleOptions<'_>) -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        let tls = Authority::new()?.issue(scratch.path())?;
        let ports = Ports {
            encrypted: loopback::free_port()?,
            plaintext: loopback::free_port()?,
            bearer: loopback::free_port()?,
            admin: loopback::free_port()?,
        };
        let token_key = random::hex::<32>()?;
        write_secret(&scratch.path().join("token-key"), &token_key)?;
        let mut fixed = listeners(&ports, &tls);
        fixed.push_str(&issuer(options.provider, options.issuer));
        for (name, endpoint) in options.upstreams {
            fixed.push_str(&upstream(name, endpoint, scratch.path())?);
        }
        write_config(scratch.path(), &fixed, options.policy)?;
        let process = serve(scratch.path())?;
        let errors = Errors::Shown;
        let mut grille = Self { process, ports, tls, token_key, fixed, errors, scratch };
        grille.await_ready()?;
        Ok(grille)
    }

    /// Errors in its log are what is being tried: they are not shown when it ends.
    pub fn expect_errors(&mut self) {
        self.errors = Errors::Expected;
    }

    /// Stops it and starts it again, with what it has written and the configuration as it is now. Its log begins anew.
    ///
    /// # Errors
    /// When it does not stop, or does not get ready again; the end of its log is in the error.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.process.stop()?;
        self.process = serve(self.scratch.path())?;
        self.await_ready()
    }

    /// How a client connects to the upstream `upstream` with `token`, over TLS. Grille does not care which user it names.
    pub fn endpoint(&self, upstream: &str, token: &str) -> Endpoint {
        Endpoint {
            port: self.ports.encrypted,
            database: upstream.to_owned(),
            user: "harness".to_owned(),
            password: token.to_owned(),
            ca: Some(self.tls.ca.clone()),
        }
    }

    /// The listener that demands TLS.
    pub fn port(&self) -> u16 {
        self.ports.encrypted
    }

    /// The listener that allows clients without TLS.
    pub fn plaintext_port(&self) -> u16 {
        self.ports.plaintext
    }

    /// The listener that asks for tokens by OAUTHBEARER, with or without TLS.
    pub fn bearer_port(&self) -> u16 {
        self.ports.bearer
    }

    /// PEM file of the authority that signed the listeners' certificate.
    pub fn ca(&self) -> &Path {
        &self.tls.ca
    }

    /// Its configuration file.
    pub fn config(&self) -> PathBuf {
        self.scratch.path().join(CONFIG)
    }

    /// Where the audit log is.
    pub fn audit_directory(&self) -> PathBuf {
        self.scratch.path().join("audit")
    }

    /// Everything in the audit log.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn audit(&self) -> anyhow::Result<String> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.audit_directory())?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        files.sort();
        let mut text = String::new();
        for file in files {
            text.push_str(&fs::read_to_string(file)?);
        }
        Ok(text)
    }

    /// Everything it has written to its standard output and standard error.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn log(&self) -> anyhow::Result<String> {
        Ok(fs::read_to_string(self.process.stdout())? + &fs::read_to_string(self.process.stderr())?)
    }

    /// Its metrics, in Prometheus's text format.
    ///
    /// # Errors
    /// When the admin listener does not answer.
    pub fn metrics(&self) -> anyhow::Result<String> {
        self.admin("/metrics")
    }

    /// A gauge, or a counter without labels, by its whole name.
    ///
    /// # Errors
    /// When the admin listener does not answer, or there is no such metric.
    pub fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let metrics = self.metrics()?;
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
        metrics.lines().find_map(value).with_context(|| format!("no metric {name}"))
    }

    /// What the admin listener answers.
    ///
    /// # Errors
    /// When it does not answer with status 200.
    pub fn admin(&self, path: &str) -> anyhow::Result<String> {
        http::get(self.ports.admin, path)?.ok()
    }

    /// Everything it has let out beside its answers to clients: log, audit records, metrics.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn everything_written(&self) -> anyhow::Result<String> {
        Ok(self.log()? + &self.audit()? + &self.metrics()?)
    }

    /// The key of keyed tokens, for tests that look whether it got out.
    pub fn token_key(&self) -> &str {
        &self.token_key
    }

    /// Runs another command of the binary, `grille ARGUMENTS…`, on this configuration.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn command(&self, arguments: &[&str]) -> anyhow::Result<Ran> {
        let config = self.scratch.path().join(CONFIG);
        let output = command()?.args(arguments).arg("--config").arg(config).output()?;
        Ok(output.into())
    }

    /// Replaces roles, plugins and limits, and tells the process to read its configuration again. What then happens, and
    /// when, is seen by asking.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn rewrite_policy(&self, policy: &str) -> anyhow::Result<()> {
        self.replace_policy(policy)?;
        self.process.signal(Signal::Hangup)
    }

    /// Replaces roles, plugins and limits and tells nobody: the process has to notice.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn replace_policy(&self, policy: &str) -> anyhow::Result<()> {
        write_config(self.scratch.path(), &self.fixed, policy)
    }

    /// Sends a command over the control socket, as `grille plugin …` does, without a process for each; the answer.
    ///
    /// # Errors
    /// When the process does not answer. That it refuses is an answer.
    pub fn control(&self, request: &Value) -> anyhow::Result<Value> {
        let mut stream = UnixStream::connect(self.scratch.path().join("control/grille.sock"))?;
        stream.write_all(format!("{request}\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        serde_json::from_str(&answer).with_context(|| format!("no answer: {answer:?}"))
    }

    /// How its plugins stand, by their names: what `grille plugin status --output json` lists.
    ///
    /// # Errors
    /// When the process does not say.
    pub fn plugins(&self) -> anyhow::Result<BTreeMap<String, Value>> {
        let answer = self.control(&json!({ "command": "plugin-status" }))?;
        let plugins = answer["plugins"].as_array().with_context(|| format!("no plugins in {answer}"))?;
        let named = |plugin: &Value| Some((plugin["name"].as_str()?.to_owned(), plugin.clone()));
        Ok(plugins.iter().filter_map(named).collect())
    }

    /// Where it keeps what a test may look at: configuration, audit log, state.
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// Its process id, to look at what it uses.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The process, to signal or to stop.
    pub fn process(&mut self) -> &mut Supervised {
        &mut self.process
    }

    fn await_ready(&mut self) -> anyhow::Result<()> {
        let (port, process) = (self.ports.admin, &mut self.process);
        wait::until("Grille to get ready", wait::PATIENCE, || {
            process.check_alive()?;
            Ok(http::get(port, "/readyz").is_ok_and(|answer| answer.status == 200).then_some(()))
        })
    }
}

/// What went wrong inside is shown with the test it made fail: its log goes with it.
impl Drop for Grille {
    fn drop(&mut self) {
        const SHOWN_MAX: usize = 20;
        if self.errors == Errors::Expected {
            return;
        }
        let log = self.log().unwrap_or_default();
        for line in log.lines().filter(|line| line.contains(r#""level":"ERROR""#)).take(SHOWN_MAX) {
            eprintln!("grille: {line}");
        }
    }
}

const CONFIG: &str = "grille.toml";

/// The binary with a cache of compiled plugins of its own, kept from test to test.
///
/// # Errors
/// When it does not build.
pub fn command() -> anyhow::Result<Command> {
    let mut command = Command::new(binary()?);
    command.env("XDG_CACHE_HOME", workspace::target().join("harness/cache"));
    Ok(command)
}

/// The binary: `GRILLE_BINARY`, else what cargo builds, once a process.
fn binary() -> anyhow::Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    if let Some(given) = std::env::var_os("GRILLE_BINARY") {
        return Ok(given.into());
    }
    BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}"))).clone().map_err(anyhow::Error::msg)
}

fn build() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--package", "grille"])
        .current_dir(workspace::root())
        .output()
        .context("cannot run cargo")?;
    Ran::from(output).ok().context("grille does not build")?;
    Ok(workspace::target().join("debug/grille"))
}

/// Starts it on the configuration in its folder, where it keeps its state too: two of them cannot share one.
fn serve(folder: &Path) -> anyhow::Result<Supervised> {
    let mut serve = command()?;
    serve.env("XDG_STATE_HOME", folder.join("state"));
    serve.args(["serve", "--config"]).arg(folder.join(CONFIG));
    // Its folder is watched for changes, and its log should not be one.
    let log = folder.join("log");
    fs::create_dir_all(&log)?;
    Supervised::start(&serve, "grille", &log, Signal::Terminate)
}

/// The file is replaced whole, as editors and orchestrators do it.
fn write_config(folder: &Path, fixed: &str, policy: &str) -> anyhow::Result<()> {
    let next = folder.join("grille.toml.next");
    fs::write(&next, format!("{fixed}\n{policy}\n"))?;
    Ok(fs::rename(next, folder.join(CONFIG))?)
}

fn listeners(ports: &Ports, tls: &ServerFiles) -> String {
    let Ports { encrypted, plaintext, bearer, admin } = ports;
    let certificate = format!(
        "tls = {{ certificate = {:?}, key = {:?} }}",
        tls.certificate.display().to_string(),
        tls.key.display().to_string()
    );
    format!(
        "[[listener]]\nname = \"encrypted\"\naddress = \"127.0.0.1:{encrypted}\"\n{certificate}\n\n\
         [[listener]]\nname = \"plaintext\"\naddress = \"127.0.0.1:{plaintext}\"\n{certificate}\n\
         allow_plaintext = true\n\n\
         [[listener]]\nname = \"bearer\"\naddress = \"127.0.0.1:{bearer}\"\n{certificate}\n\
         allow_plaintext = true\nauthentication = \"oauthbearer\"\noauth_scope = \"openid groups\"\n\n\
         [audit]\ndirectory = \"audit\"\n\n\
         [admin]\naddress = \"127.0.0.1:{admin}\"\ncontrol_socket = \"control/grille.sock\"\n\n\
         [keys]\ntoken = {{ file = \"token-key\" }}\n\n\
         [log]\nformat = \"json\"\nlevel = \"debug\"\n\n"
    )
}

fn issuer(provider: &IdentityProvider, more: &str) -> String {
    format!(
        "[[issuer]]\nissuer = {:?}\naudiences = [{AUDIENCE:?}]\nagent_claim = \"agent\"\n{more}\n\n",
        provider.issuer()
    )
}

fn upstream(name: &str, endpoint: &Endpoint, folder: &Path) -> anyhow::Result<String> {
    let secret = format!("{name}.password");
    write_secret(&folder.join(&secret), &endpoint.password)?;
    let tls = match &endpoint.ca {
        Some(ca) => format!("{{ mode = \"verify\", ca = {:?} }}", ca.display().to_string()),
        None => "{ mode = \"disable\" }".to_owned(),
    };
    let mut table = String::from("[[upstream]]\n");
    let Endpoint { port, database, user, .. } = endpoint;
    writeln!(table, "name = {name:?}\nhost = \"127.0.0.1\"\nport = {port}\ndatabase = {database:?}")?;
    writeln!(table, "user = {user:?}\npassword = {{ file = {secret:?} }}\ntls = {tls}\n")?;
    Ok(table)
}
