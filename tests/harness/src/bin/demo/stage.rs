//! What the demonstration and the tutorial are played on: PostgreSQL with sample data, an issuer of tokens, Grille between them
//! and the client, and a slot for a plugin that is being written.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use grille_harness::scratch::Scratch;
use grille_harness::{
    Endpoint, Grille, GrilleOptions, IdentityClient, IdentityProvider, PostgresServer, Vendor, component,
    policy, sample, workspace,
};

/// Who asks.
pub(crate) const PRINCIPAL: &str = "ada";

/// Everything that runs.
pub(crate) struct Stage {
    pub(crate) grille: Grille,
    pub(crate) client: Endpoint,
    pub(crate) application: sample::Application,
    pub(crate) postgres: PostgresServer,
    _provider: IdentityProvider,
    /// The file that the slot `mine` reads is in here.
    _slot: Scratch,
    /// Their components are read again with every reload.
    _vendor: Vendor,
}

impl Stage {
    pub(crate) fn set() -> anyhow::Result<Self> {
        let (postgres, application) = PostgresServer::start_with_sample()?;
        let provider = IdentityProvider::start(vec![IdentityClient::new(PRINCIPAL, &[policy::ANALYSTS])])?;
        let upstream = Endpoint { ca: Some(postgres.ca().to_owned()), ..application.direct.clone() };
        let slot = Scratch::new()?;
        let mine = begin_slot(&slot)?;
        let vendor = Vendor::new()?;
        let grille = Grille::start(&GrilleOptions {
            provider: &provider,
            issuer: "",
            upstreams: &[(sample::DATABASE, upstream)],
            policy: &(policy::with_slot(sample::DATABASE, &mine, &vendor)? + &cache()),
        })?;
        let client = grille.endpoint(sample::DATABASE, &provider.token(PRINCIPAL)?);
        let client = Endpoint { user: PRINCIPAL.to_owned(), ..client };
        Ok(Self { grille, client, application, postgres, _provider: provider, _slot: slot, _vendor: vendor })
    }
}

/// Named, so that `grille plugin dev` compiles into it, and a component is compiled once and not twice.
fn cache() -> String {
    let directory = workspace::target().join("harness/cache/grille/compiled");
    format!("[cache]\ndirectory = {:?}\n", directory.display().to_string())
}

/// Until somebody puts a plugin there, the slot holds one that allows everything: a guest of the tests, which misbehaves only if
/// its settings say so, under another name.
fn begin_slot(folder: &Scratch) -> anyhow::Result<PathBuf> {
    let guest = fs::read(workspace::plugin("hostile-policy")?)?;
    let nothing = component::with_metadata(&guest, |metadata| {
        metadata["id"] = "example/nothing".into();
        metadata["description"] = "Allows everything, until you put a policy of yours in its place.".into();
    })?;
    let file = folder.path().join("mine.wasm");
    fs::write(&file, nothing).context("cannot fill the slot `mine`")?;
    Ok(file)
}
