//! An OpenID Connect issuer: `oidc-provider` with discovery, published keys and the client-credentials grant. Its second
//! port lets a test do what issuers do (rotate keys, be away) and what attackers do (sign other claims, forge signatures).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use serde_json::{Map, Value, json};

use crate::scratch::Scratch;
use crate::supervised::{Signal, Supervised};
use crate::{http, loopback, prepared, random, wait, workspace};

/// The `aud` of tokens for Grille. An absolute URI, as resource indicators must be (RFC 8707).
pub const AUDIENCE: &str = "https://grille.example";

/// How long minted tokens are valid, in seconds.
const TOKEN_TTL_S: u64 = 3600;

/// Somebody who can log in.
#[derive(Clone, Debug)]
pub struct IdentityClient {
    /// `client_id`, and the token's `sub`.
    pub id: String,
    /// What its tokens are signed with: `RS256` or `ES256`.
    pub algorithm: &'static str,
    /// Claims beside the standard ones, `groups` among them.
    pub claims: Value,
}

impl IdentityClient {
    /// A client in `groups`, whose tokens are signed with RS256.
    pub fn new(id: &str, groups: &[&str]) -> Self {
        Self { id: id.to_owned(), algorithm: "RS256", claims: json!({ "groups": groups }) }
    }

    /// The same, signed with ES256.
    #[must_use]
    pub fn es256(self) -> Self {
        Self { algorithm: "ES256", ..self }
    }
}

/// What a minted token is signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// The published RSA key.
    Rs256,
    /// The published P-256 key.
    Es256,
    /// The RSA key before the last rotation.
    Retired,
    /// A key that nobody publishes, under an id that nobody knows.
    Unknown,
    /// A key that nobody publishes, under the published RSA key's id.
    UnknownUnderKnownId,
    /// Nothing: `alg` is `none`.
    Unsigned,
    /// HMAC-SHA-256 with the published RSA key's PEM as the secret.
    HmacWithPublicKey,
}

impl Signature {
    fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::Retired => "retired",
            Self::Unknown => "unknown",
            Self::UnknownUnderKnownId => "unknown-under-known-id",
            Self::Unsigned => "none",
            Self::HmacWithPublicKey => "hmac-public-key",
        }
    }
}

/// Whether the keys from before a rotation stay published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldKeys {
    /// Beside the new ones.
    Keep,
    /// Only the new ones are published.
    Withdraw,
}

/// Whether the issuer can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reachable {
    /// It answers.
    Yes,
    /// Connections to it are closed at once.
    No,
}

/// The running issuer. Stopped when dropped.
pub struct IdentityProvider {
    port: u16,
    control_port: u16,
    clients: Vec<(IdentityClient, String)>,
    _process: Supervised,
    _scratch: Scratch,
}

impl IdentityProvider {
    /// Installs `oidc-provider` if it is not there yet, and starts it.
    ///
    /// # Errors
    /// When Node.js or the package registry is missing.
    pub fn start(clients: Vec<IdentityClient>) -> anyhow::Result<Self> {
        let installed = install()?;
        let scratch = Scratch::new()?;
        let (port, control_port) = (loopback::free_port()?, loopback::free_port()?);
        let clients = clients
            .into_iter()
            .map(|client| Ok((client, random::hex::<16>()?)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let mut node = Command::new("node");
        node.arg(installed.join("server.mjs"));
        node.env("IDENTITY_PROVIDER", settings(port, control_port, &clients).to_string());
        let mut process = Supervised::start(&node, "identity-provider", scratch.path(), Signal::Terminate)?;
        wait::until("the identity provider", wait::PATIENCE, || {
            process.check_alive()?;
            Ok(http::get(control_port, "/ready").is_ok().then_some(()))
        })?;
        Ok(Self { port, control_port, clients, _process: process, _scratch: scratch })
    }

    /// The issuer's identifier, `iss`.
    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A token for `client`, obtained as any workload obtains one (RFC 6749, section 4.4).
    ///
    /// # Errors
    /// When the issuer does not give one.
    pub fn token(&self, client: &str) -> anyhow::Result<String> {
        let (_, secret) = self.client(client)?;
        let form = format!(
            "grant_type=client_credentials&client_id={client}&client_secret={secret}&resource={}",
            AUDIENCE.replace(':', "%3A").replace('/', "%2F")
        );
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let body = http::post(self.port, "/token", &headers, &form)?.ok()?;
        let answer: Value = serde_json::from_str(&body)?;
        Ok(answer["access_token"].as_str().context("no access token")?.to_owned())
    }

    /// The claims `client`'s tokens have now, with `changes` made: null removes a claim.
    ///
    /// # Errors
    /// When there is no such client.
    pub fn claims(&self, client: &str, changes: &Value) -> anyhow::Result<Value> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let mut claims = json!({
            "iss": self.issuer(),
            "aud": AUDIENCE,
            "sub": client,
            "client_id": client,
            "jti": random::hex::<8>()?,
            "iat": now,
            "exp": now + TOKEN_TTL_S,
        });
        merge(&mut claims, &self.client(client)?.0.claims)?;
        merge(&mut claims, changes)?;
        Ok(claims)
    }

    /// A token with `claims`, exactly. `header` replaces header parameters.
    ///
    /// # Errors
    /// When the issuer does not make one.
    pub fn mint(&self, claims: &Value, header: &Value, signature: Signature) -> anyhow::Result<String> {
        self.control("/mint", &json!({ "claims": claims, "header": header, "signature": signature.name() }))
    }

    /// Replaces the keys.
    ///
    /// # Errors
    /// When the issuer is gone.
    pub fn rotate(&self, old: OldKeys) -> anyhow::Result<()> {
        self.control("/rotate", &json!({ "keep": old == OldKeys::Keep })).map(drop)
    }

    /// Takes the issuer off the network, or brings it back.
    ///
    /// # Errors
    /// When the issuer's process is gone.
    pub fn set_reachable(&self, reachable: Reachable) -> anyhow::Result<()> {
        self.control("/outage", &json!({ "on": reachable == Reachable::No })).map(drop)
    }

    /// The published RSA key, as PEM.
    ///
    /// # Errors
    /// When the issuer's process is gone.
    pub fn public_key(&self) -> anyhow::Result<String> {
        http::get(self.control_port, "/public-key")?.ok()
    }

    fn control(&self, path: &str, body: &Value) -> anyhow::Result<String> {
        http::post(self.control_port, path, &[], &body.to_string())?.ok()
    }

    fn client(&self, id: &str) -> anyhow::Result<&(IdentityClient, String)> {
        self.clients.iter().find(|(client, _)| client.id == id).with_context(|| format!("no client {id}"))
    }
}

fn settings(port: u16, control_port: u16, clients: &[(IdentityClient, String)]) -> Value {
    let clients: Vec<Value> = clients
        .iter()
        .map(|(client, secret)| {
            json!({
                "id": client.id,
                "secret": secret,
                "algorithm": client.algorithm,
                "claims": client.claims,
            })
        })
        .collect();
    json!({ "port": port, "control_port": control_port, "audience": AUDIENCE, "clients": clients })
}

fn merge(claims: &mut Value, changes: &Value) -> anyhow::Result<()> {
    let claims = claims.as_object_mut().context("claims are an object")?;
    let none = Map::new();
    for (name, value) in changes.as_object().unwrap_or(&none) {
        match value {
            Value::Null => claims.remove(name),
            value => claims.insert(name.clone(), value.clone()),
        };
    }
    Ok(())
}

const FILES: [&str; 3] = ["package.json", "package-lock.json", "server.mjs"];

fn install() -> anyhow::Result<PathBuf> {
    let texts = FILES
        .iter()
        .map(|file| fs::read_to_string(source(file)))
        .collect::<Result<Vec<_>, _>>()
        .context("the identity provider's script is missing")?;
    let inputs: Vec<&str> = texts.iter().map(String::as_str).collect();
    prepared::folder("identity-provider", &inputs, |folder| {
        for file in FILES {
            fs::copy(source(file), folder.join(file))?;
        }
        npm_ci(folder)
    })
}

fn source(file: &str) -> PathBuf {
    workspace::harness_file("idp").join(file)
}

fn npm_ci(folder: &Path) -> anyhow::Result<()> {
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder);
    prepared::install(&mut npm, "installing the identity provider", "npm (Node.js 20 or later)")
}
