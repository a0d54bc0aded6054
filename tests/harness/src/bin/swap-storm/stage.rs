//! What is on stage: PostgreSQL with a table of marked rows, the issuer, Grille with its roles and plugins, and who asks.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use grille_harness::scratch::Scratch;
use grille_harness::{
    Endpoint, Grille, GrilleOptions, IdentityClient, IdentityProvider, PostgresOptions, PostgresServer,
    Signature, policy, random, sample, workspace,
};
use serde_json::json;

/// The upstream and its database.
const DATABASE: &str = "storm";

/// Who owns the table.
const OWNER: &str = "storm";

/// How many rows it has, their keys counted from 1.
pub(crate) const PEOPLE: u32 = 2000;

/// How long tokens are good for: longer than any run, for a session ends with its token.
const TOKEN_SECONDS: u64 = 6 * 3600;

/// The folder of the components.
const WATCHED: &str = "plugins";

/// Who somebody is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Group {
    /// Guarded by a policy, masked by a detector and by a rule.
    Masked,
    /// Neither: what the tap sees of them shows that it would see a leak.
    Open,
}

impl Group {
    fn name(self) -> &'static str {
        match self {
            Self::Masked => "masked",
            Self::Open => "open",
        }
    }
}

/// What of the configuration is swapped.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The policy's hint, which is in each refusal.
    pub(crate) hint: u32,
    /// The masked role's.
    pub(crate) row_cap: u32,
}

/// Everything that runs.
pub(crate) struct Stage {
    pub(crate) grille: Grille,
    /// In every protected value.
    pub(crate) marker: String,
    pub(crate) scratch: Scratch,
    provider: IdentityProvider,
    _postgres: PostgresServer,
}

impl Stage {
    pub(crate) fn set(settings: &Settings) -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        let marker = format!("m{}", random::hex::<8>()?);
        let (postgres, upstream) = database(&marker)?;
        let provider = IdentityProvider::start(vec![IdentityClient::new("somebody", &[])])?;
        fs::create_dir(scratch.path().join(WATCHED))?;
        for slot in Slot::ALL {
            fs::copy(workspace::plugin(slot.component())?, slot.file(scratch.path()))?;
        }
        let policy = policy(settings, scratch.path());
        let grille = Grille::start(&GrilleOptions {
            provider: &provider,
            issuer: "",
            upstreams: &[(DATABASE, upstream)],
            policy: &policy,
        })?;
        Ok(Self { grille, marker, scratch, provider, _postgres: postgres })
    }

    /// How somebody connects to Grille itself, without TLS.
    pub(crate) fn endpoint(&self, group: Group) -> anyhow::Result<Endpoint> {
        let expiry = crate::latency::now()? / 1_000_000 + TOKEN_SECONDS;
        let changes = json!({ "groups": [group.name()], "exp": expiry });
        let claims = self.provider.claims("somebody", &changes)?;
        let token = self.provider.mint(&claims, &json!({}), Signature::Rs256)?;
        let encrypted = self.grille.endpoint(DATABASE, &token);
        Ok(Endpoint { port: self.grille.plaintext_port(), ca: None, ..encrypted })
    }

    /// The configuration's part that is swapped.
    pub(crate) fn policy(&self, settings: &Settings) -> String {
        policy(settings, self.scratch.path())
    }
}

/// A plugin of the masked role, whose component is swapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Finds e-mail addresses.
    Detector,
    /// Refuses what drops things.
    Policy,
}

impl Slot {
    pub(crate) const ALL: [Self; 2] = [Self::Detector, Self::Policy];

    /// Its name in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Detector => "pii",
            Self::Policy => "guard",
        }
    }

    /// What it is built from.
    pub(crate) fn component(self) -> &'static str {
        match self {
            Self::Detector => "pii",
            Self::Policy => "sql-guard",
        }
    }

    /// The file that Grille watches, in a folder of its own: what the load writes is no change of it.
    pub(crate) fn file(self, folder: &Path) -> PathBuf {
        folder.join(WATCHED).join(format!("{}.wasm", self.name()))
    }
}

fn policy(settings: &Settings, folder: &Path) -> String {
    let Settings { hint, row_cap } = settings;
    let role = |group: Group, keys: &str| {
        format!(
            "[[role]]\nname = {name:?}\ngroups = [{name:?}]\nupstreams = [{DATABASE:?}]\n\
             statements = [\"read\", \"define\", \"transaction\", \"session\"]\n{keys}\n\n",
            name = group.name()
        )
    };
    let masked = format!(
        "policies = [\"guard\"]\ndetectors = [\"pii\"]\ntreatments = {{ EMAIL_ADDRESS = \"token\" }}\n\
         columns = {{ \"public.people.secret\" = \"redact\" }}\nrow_cap = {row_cap}"
    );
    [
        role(Group::Masked, &masked),
        role(Group::Open, "policies = []\ndetectors = []"),
        policy::plugin_at("pii", &Slot::Detector.file(folder), ""),
        policy::plugin_at("guard", &Slot::Policy.file(folder), &format!("hint = \"hint {hint}.\"")),
    ]
    .concat()
}

/// What the log would cost is not Grille's, and each transaction of the load would be in it.
const QUIET: [(&str, &str); 3] =
    [("log_statement", "none"), ("log_connections", "off"), ("log_disconnections", "off")];

fn database(marker: &str) -> anyhow::Result<(PostgresServer, Endpoint)> {
    let settings = QUIET.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    let server = PostgresServer::start(&PostgresOptions { settings, ..PostgresOptions::default() })?;
    let password = random::hex::<16>()?;
    sample::create_database(&server, DATABASE, OWNER, &password)?;
    let owner = server.endpoint(DATABASE, OWNER, &password);
    let load = format!(
        "CREATE TABLE people (id int PRIMARY KEY, email varchar(80) NOT NULL, secret text NOT NULL, note text NOT NULL);
         INSERT INTO people SELECT n, '{marker}.' || n || '@mail.example.com', 'secret {marker} ' || n,
             'Since 2019; write to {marker}.' || n || '@mail.example.com, not before nine.'
         FROM generate_series(1, {PEOPLE}) n;
         ANALYZE people;"
    );
    owner.psql_strict(&load)?.ok().context("the table cannot be made")?;
    let upstream = server.encrypted(&owner);
    Ok((server, upstream))
}
