//! The harness itself, without Grille: what the end-to-end tests stand on does start, answer and end.

use grille_harness::identity_provider::{OldKeys, Reachable};
use grille_harness::{
    Endpoint, IdentityClient, IdentityProvider, PostgresOptions, PostgresServer, Python, Signature, http,
    sample,
};
use serde_json::{Value, json};

fn keys(provider: &IdentityProvider) -> anyhow::Result<Vec<String>> {
    let port = provider.issuer().rsplit(':').next().expect("a port").parse()?;
    let discovery: Value =
        serde_json::from_str(&http::get(port, "/.well-known/openid-configuration")?.ok()?)?;
    assert_eq!(discovery["issuer"], json!(provider.issuer()));
    let uri = discovery["jwks_uri"].as_str().expect("a URI");
    let path = uri.strip_prefix(&provider.issuer()).expect("a URI of the issuer");
    let jwks: Value = serde_json::from_str(&http::get(port, path)?.ok()?)?;
    let keys = jwks["keys"].as_array().expect("keys");
    assert!(keys.iter().all(|key| key.get("d").is_none()), "a private key is published");
    Ok(keys.iter().map(|key| key["kid"].to_string()).collect())
}

#[test]
fn the_identity_provider_issues_rotates_and_disappears() -> anyhow::Result<()> {
    let clients = vec![IdentityClient::new("ann", &["analysts"]), IdentityClient::new("eva", &[]).es256()];
    let provider = IdentityProvider::start(clients)?;
    for client in ["ann", "eva"] {
        assert_eq!(provider.token(client)?.matches('.').count(), 2, "a compact JWS");
    }
    assert!(provider.token("nobody").is_err());

    let claims = provider.claims("ann", &json!({ "exp": null, "extra": 1 }))?;
    assert_eq!((claims.get("exp"), &claims["extra"]), (None, &json!(1)));
    for signature in [
        Signature::Rs256,
        Signature::Es256,
        Signature::Unknown,
        Signature::UnknownUnderKnownId,
        Signature::Unsigned,
        Signature::HmacWithPublicKey,
    ] {
        assert!(!provider.mint(&claims, &json!({}), signature)?.is_empty(), "{signature:?}");
    }
    assert!(provider.public_key()?.contains("PUBLIC KEY"));

    let before = keys(&provider)?;
    provider.rotate(OldKeys::Keep)?;
    let both = keys(&provider)?;
    assert_eq!(both.len(), 2 * before.len());
    assert!(before.iter().all(|key| both.contains(key)));
    provider.rotate(OldKeys::Withdraw)?;
    assert!(keys(&provider)?.iter().all(|key| !both.contains(key)));
    provider.mint(&claims, &json!({}), Signature::Retired)?;

    provider.set_reachable(Reachable::No)?;
    assert!(keys(&provider).is_err());
    provider.set_reachable(Reachable::Yes)?;
    keys(&provider)?;
    Ok(())
}

/// The sample through one endpoint with every driver.
async fn every_driver_reads_the_sample(endpoint: &Endpoint) -> anyhow::Result<()> {
    let first = sample::customers().next().expect("a customer");
    let query = "SELECT email FROM customers ORDER BY id LIMIT 1";

    assert_eq!(endpoint.psql_strict(query)?.ok()?.trim(), first.email);

    let client = endpoint.connect().await?;
    assert_eq!(client.query_one(query, &[]).await?.get::<_, String>(0), first.email);

    let script = format!(
        "import psycopg, psycopg2\n\
         with psycopg.connect('') as c: print(c.cursor(binary=True).execute({query:?}).fetchone()[0])\n\
         d = psycopg2.connect(''); k = d.cursor(); k.execute({query:?}); print(k.fetchone()[0])\n"
    );
    let said = Python::prepare()?.run(&script, endpoint)?.ok()?;
    assert_eq!(said.lines().collect::<Vec<_>>(), [&first.email, &first.email]);
    Ok(())
}

#[tokio::test]
async fn every_driver_reads_the_sample_with_and_without_tls() -> anyhow::Result<()> {
    let (server, application) = PostgresServer::start_with_sample()?;
    every_driver_reads_the_sample(&application.direct).await?;
    let encrypted = Endpoint { ca: Some(server.ca().to_owned()), ..application.direct.clone() };
    every_driver_reads_the_sample(&encrypted).await?;
    let ssl = encrypted.psql_strict("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")?.ok()?;
    assert_eq!(ssl.trim(), "t");
    assert!(server.connections_opened()? >= 8);
    Ok(())
}

#[test]
fn the_sample_is_what_it_says() -> anyhow::Result<()> {
    let (server, application) = PostgresServer::start_with_sample()?;
    let rows = server.sql_admin(
        sample::DATABASE,
        "SELECT id, name, email, phone, card, ssn, iban FROM customers ORDER BY id",
    )?;
    let expected: Vec<String> = sample::customers()
        .map(|row| {
            [row.id.to_string(), row.name, row.email, row.phone, row.card, row.ssn, row.iban].join("|")
        })
        .collect();
    assert_eq!(rows.lines().collect::<Vec<_>>(), expected);

    // Its owner may drop what is its own and touch nothing else.
    let refused = application.direct.psql("CREATE ROLE other;\nCREATE DATABASE other;")?;
    assert_eq!(refused.stderr.matches("42501").count(), 2, "{}", refused.stderr);
    let wrong = application.direct.with_password("wrong").psql("SELECT 1")?;
    assert_eq!(wrong.code, 2, "{}", wrong.stderr);
    Ok(())
}

#[test]
fn authentication_rules_come_first() -> anyhow::Result<()> {
    let options = PostgresOptions {
        hba: vec!["host all lax 127.0.0.1/32 trust".to_owned()],
        settings: vec![("application_name".to_owned(), "it's set".to_owned())],
        ..PostgresOptions::default()
    };
    let server = PostgresServer::start(&options)?;
    server.sql_admin("postgres", "CREATE ROLE lax LOGIN")?;
    let lax = server.endpoint("postgres", "lax", "");
    assert_eq!(lax.psql_strict("SELECT current_user")?.ok()?.trim(), "lax");
    Ok(())
}
