//! Grille under a role that may do everything and that no plugin looks at: what is left of it is the protocol.

use grille_harness::endpoint::Endpoint;
use grille_harness::{Grille, GrilleOptions, IdentityClient, IdentityProvider};

const CLIENT: &str = "driver";

/// Grille in front of a server.
pub(crate) struct Unrestricted {
    // First, so that it goes before the issuer of its tokens does.
    grille: Grille,
    provider: IdentityProvider,
    direct: Endpoint,
}

impl Unrestricted {
    /// Starts it. Clients name the upstream as they name the database, for some tests look at it; `others` are databases
    /// of the same server that tests connect to as well.
    pub(crate) fn start(direct: &Endpoint, others: &[&str]) -> anyhow::Result<Self> {
        let provider = IdentityProvider::start(vec![IdentityClient::new(CLIENT, &["drivers"])])?;
        let databases: Vec<&str> =
            std::iter::once(direct.database.as_str()).chain(others.iter().copied()).collect();
        let upstreams: Vec<(&str, Endpoint)> =
            databases.iter().map(|database| (*database, direct.with_database(*database))).collect();
        let grille = Grille::start(&GrilleOptions {
            provider: &provider,
            issuer: "",
            upstreams: &upstreams,
            policy: &policy(&databases),
        })?;
        Ok(Self { grille, provider, direct: direct.clone() })
    }

    /// How a client connects, with a new token and the same user as directly.
    pub(crate) fn endpoint(&self) -> anyhow::Result<Endpoint> {
        let endpoint = self.grille.endpoint(&self.direct.database, &self.provider.token(CLIENT)?);
        Ok(Endpoint { user: self.direct.user.clone(), ..endpoint })
    }
}

fn policy(upstreams: &[&str]) -> String {
    format!(
        r#"
[[role]]
name = "driver"
groups = ["drivers"]
upstreams = {upstreams:?}
statements = ["read", "write", "define", "grant", "transaction", "session", "maintain", "execute", "copy", "notify", "lock"]
policies = []
detectors = []

# The most there is: psycopg2's tests have one statement of up to 50 MiB.
[limits]
statement_bytes_max = "64MiB"
"#
    )
}
