//! PostgreSQL with the sample, an identity provider, and Grille between them and the test.

use grille_harness::sample::{self, Application};
use grille_harness::{
    Distribution, Endpoint, Grille, GrilleOptions, IdentityClient, IdentityProvider, PostgresOptions,
    PostgresServer, Python, Signature, policy,
};
use serde_json::json;

use crate::Raw;

/// The client whose tokens carry whatever groups a test asks for.
const ANYBODY: &str = "anybody";

/// Everything a test needs. Put one in a static (`LazyLock`) for each test binary: it ends with the process.
pub struct Stage {
    /// The server behind Grille.
    pub postgres: PostgresServer,
    /// The sample's owner, who reaches PostgreSQL itself.
    pub application: Application,
    /// Who issues tokens.
    pub provider: IdentityProvider,
    /// The gateway, with upstream [`sample::DATABASE`] over TLS.
    pub grille: Grille,
}

impl Stage {
    /// Sets the stage with the roles and plugins of [`policy::standard`] and `more` beside them.
    ///
    /// # Errors
    /// When something does not start; the error says what to install or build.
    pub fn standard(more: &str) -> anyhow::Result<Self> {
        Self::with_policy(&(policy::standard(sample::DATABASE)? + more), "")
    }

    /// Sets the stage with `policy` alone, and `issuer` as more keys of the issuer's table.
    ///
    /// # Errors
    /// See [`Stage::standard`].
    pub fn with_policy(policy: &str, issuer: &str) -> anyhow::Result<Self> {
        let (postgres, application) = PostgresServer::start_with_sample()?;
        Self::on(postgres, application, policy, issuer)
    }

    /// Sets the stage on a server that has pgvector, with its extension in the sample database and `policy` alone.
    ///
    /// # Errors
    /// See [`Stage::standard`].
    pub fn with_vectors(policy: &str) -> anyhow::Result<Self> {
        let distribution = Distribution::Vectors;
        let postgres =
            PostgresServer::start(&PostgresOptions { distribution, ..PostgresOptions::default() })?;
        let application = sample::load(&postgres)?;
        postgres.sql_admin(sample::DATABASE, "CREATE EXTENSION vector")?;
        Self::on(postgres, application, policy, "")
    }

    /// Sets the stage on a server that runs and has the sample, with `policy` alone.
    ///
    /// # Errors
    /// See [`Stage::standard`].
    pub fn on(
        postgres: PostgresServer,
        application: Application,
        policy: &str,
        issuer: &str,
    ) -> anyhow::Result<Self> {
        let provider = IdentityProvider::start(vec![
            IdentityClient::new("ada", &[policy::ANALYSTS]),
            IdentityClient::new("eve", &[policy::ENGINEERS]).es256(),
            IdentityClient::new(ANYBODY, &[]),
        ])?;
        let grille = start_grille(&postgres, &application, &provider, policy, issuer)?;
        Ok(Self { postgres, application, provider, grille })
    }

    /// Another gateway in front of the same server, for a test that changes its configuration.
    ///
    /// # Errors
    /// When it does not start.
    pub fn another_grille(&self, policy: &str, issuer: &str) -> anyhow::Result<Grille> {
        start_grille(&self.postgres, &self.application, &self.provider, policy, issuer)
    }

    /// How the guarded and masked `ada` connects, with a token obtained for her.
    ///
    /// # Errors
    /// When the issuer gives none.
    pub fn analyst(&self) -> anyhow::Result<Endpoint> {
        Ok(self.grille.endpoint(sample::DATABASE, &self.provider.token("ada")?))
    }

    /// How `eve` connects, who may do everything.
    ///
    /// # Errors
    /// When the issuer gives no token.
    pub fn engineer(&self) -> anyhow::Result<Endpoint> {
        Ok(self.grille.endpoint(sample::DATABASE, &self.provider.token("eve")?))
    }

    /// How somebody in `group` connects.
    ///
    /// # Errors
    /// When the issuer gives no token.
    pub fn member_of(&self, group: &str) -> anyhow::Result<Endpoint> {
        let claims = self.provider.claims(ANYBODY, &json!({ "groups": [group] }))?;
        let token = self.provider.mint(&claims, &json!({}), Signature::Rs256)?;
        Ok(self.grille.endpoint(sample::DATABASE, &token))
    }

    /// A session of somebody in `group`, byte by byte.
    ///
    /// # Errors
    /// When it is refused.
    pub fn session(&self, group: &str) -> anyhow::Result<Raw> {
        self.session_at(&self.grille, group, &[])
    }

    /// The same at any of this stage's gateways, with `more` startup parameters.
    ///
    /// # Errors
    /// When it is refused.
    pub fn session_at(&self, grille: &Grille, group: &str, more: &[(&str, &str)]) -> anyhow::Result<Raw> {
        let mut raw = Raw::connect(grille.plaintext_port())?;
        let parameters = [&[("user", "raw"), ("database", sample::DATABASE)], more].concat();
        raw.log_in_with(&parameters, &self.member_of(group)?.password)?;
        Ok(raw)
    }

    /// How many rows `table` has, seen past Grille.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub fn rows_of(&self, table: &str) -> anyhow::Result<u64> {
        Ok(self.postgres.sql_admin(sample::DATABASE, &format!("SELECT count(*) FROM {table}"))?.parse()?)
    }

    /// Runs a Python script whose drivers connect to `endpoint`; what it printed.
    ///
    /// # Errors
    /// When it fails.
    pub fn python(&self, script: &str, endpoint: &Endpoint) -> anyhow::Result<String> {
        Python::prepare()?.run(script, endpoint)?.ok()
    }
}

fn start_grille(
    postgres: &PostgresServer,
    application: &Application,
    provider: &IdentityProvider,
    policy: &str,
    issuer: &str,
) -> anyhow::Result<Grille> {
    let upstream = postgres.encrypted(&application.direct);
    Grille::start(&GrilleOptions { provider, issuer, upstreams: &[(sample::DATABASE, upstream)], policy })
}
