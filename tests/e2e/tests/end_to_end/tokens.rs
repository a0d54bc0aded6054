//! Tokens that are refused, each with words of its own and before any connection to the upstream is made; tokens that are
//! accepted; keys that rotate; an issuer that is away.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use grille_e2e::{Stage, Turns};
use grille_harness::identity_provider::{OldKeys, Reachable};
use grille_harness::{Endpoint, Signature, policy, sample, wait};
use serde_json::{Value, json};

static STAGE: LazyLock<Stage> = LazyLock::new(|| Stage::standard("").expect("the stage is set"));

/// These tests count the upstream's connections, rotate keys and take the issuer away: one at a time.
static TURNS: Turns = Turns::new();

/// Ada's claims with `changes`, signed.
fn token(changes: &Value, header: &Value, signature: Signature) -> anyhow::Result<String> {
    let claims = STAGE.provider.claims("ada", changes)?;
    STAGE.provider.mint(&claims, header, signature)
}

fn claims(changes: &Value) -> anyhow::Result<String> {
    token(changes, &json!({}), Signature::Rs256)
}

fn signed(signature: Signature) -> anyhow::Result<String> {
    token(&json!({}), &json!({}), signature)
}

/// A good token's signature under other claims.
fn tampered() -> anyhow::Result<String> {
    let (good, other) = (signed(Signature::Rs256)?, claims(&json!({ "groups": [policy::ENGINEERS] }))?);
    let (head, _) = other.rsplit_once('.').expect("three parts");
    let (_, signature) = good.rsplit_once('.').expect("three parts");
    Ok(format!("{head}.{signature}"))
}

struct Refusal {
    what: &'static str,
    token: String,
    says: &'static str,
}

fn refusal(what: &'static str, token: anyhow::Result<String>, says: &'static str) -> anyhow::Result<Refusal> {
    Ok(Refusal { what, token: token?, says })
}

/// Seconds since the epoch, long past and far ahead.
const PAST: u64 = 1_000_000_000;
const FUTURE: u64 = 4_000_000_000;

fn refusals() -> anyhow::Result<Vec<Refusal>> {
    let padding = "x".repeat(20_000);
    Ok(vec![
        refusal("expired", claims(&json!({ "exp": PAST, "iat": PAST })), "the token has expired")?,
        refusal(
            "not yet valid",
            claims(&json!({ "nbf": FUTURE, "exp": FUTURE })),
            "the token is not valid yet",
        )?,
        refusal(
            "wrong audience",
            claims(&json!({ "aud": "https://other.example" })),
            "for another audience",
        )?,
        refusal(
            "wrong issuer",
            claims(&json!({ "iss": "http://127.0.0.1:1" })),
            "token's issuer is not accepted",
        )?,
        refusal("alg none", signed(Signature::Unsigned), "the token is not signed")?,
        refusal(
            "HMAC with the public key",
            signed(Signature::HmacWithPublicKey),
            "signed with a shared secret",
        )?,
        refusal("unknown key id", signed(Signature::Unknown), "key that its issuer does not publish")?,
        refusal("tampered", tampered(), "the token's signature is wrong")?,
        refusal("no role", claims(&json!({ "groups": ["visitors"] })), "none of your groups has a role")?,
        refusal("oversized", claims(&json!({ "padding": padding })), "the token is too large")?,
        refusal("never expires", claims(&json!({ "exp": null })), "the token has no claim `exp`")?,
        refusal("a password", Ok("hunter2".to_owned()), "the token is malformed")?,
    ])
}

#[test]
fn each_refusal_has_its_words_and_opens_no_connection() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let refusals = refusals()?;
    let before = STAGE.postgres.connections_opened()?;
    for Refusal { what, token, says } in &refusals {
        let ran = STAGE.grille.endpoint(sample::DATABASE, token).psql("SELECT 1")?;
        assert_eq!(ran.code, 2, "{what}: {}", ran.said());
        assert!(ran.stderr.contains(says), "{what}: {}", ran.stderr);
        assert!(!ran.stderr.contains(token.as_str()), "{what}: the token is repeated: {}", ran.stderr);
    }
    assert_eq!(STAGE.postgres.connections_opened()?, before, "a connection to the upstream was opened");
    assert_eq!(refusals.iter().map(|refusal| refusal.says).collect::<BTreeSet<_>>().len(), refusals.len());
    Ok(())
}

#[test]
fn a_forged_signature_under_a_known_key_id_is_refused() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let forged = signed(Signature::UnknownUnderKnownId)?;
    let ran = STAGE.grille.endpoint(sample::DATABASE, &forged).psql("SELECT 1")?;
    assert!(ran.stderr.contains("the token's signature is wrong"), "{}", ran.said());
    Ok(())
}

#[test]
fn no_spelling_of_none_is_accepted() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    for alg in ["None", "NONE", "nOnE", "none ", ""] {
        let unsigned = token(&json!({}), &json!({ "alg": alg }), Signature::Unsigned)?;
        let ran = STAGE.grille.endpoint(sample::DATABASE, &unsigned).psql("SELECT 1")?;
        assert!(ran.code == 2 && ran.stderr.contains("FATAL:  the token"), "{alg:?}: {}", ran.said());
    }
    Ok(())
}

#[test]
fn key_ids_are_names_and_no_paths() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    for kid in ["../../../../dev/null", "http://127.0.0.1:1/jwks", "' OR 1=1 --"] {
        let token = token(&json!({}), &json!({ "kid": kid }), Signature::Rs256)?;
        let ran = STAGE.grille.endpoint(sample::DATABASE, &token).psql("SELECT 1")?;
        assert!(ran.stderr.contains("key that its issuer does not publish"), "{kid}: {}", ran.said());
    }
    Ok(())
}

#[test]
fn what_is_no_upstream_of_the_role_is_refused() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let before = STAGE.postgres.connections_opened()?;
    let ran = STAGE.analyst()?.with_database("postgres").psql("SELECT 1")?;
    assert!(ran.stderr.contains("there is no upstream \"postgres\""), "{}", ran.said());
    assert_eq!(STAGE.postgres.connections_opened()?, before);
    Ok(())
}

#[test]
fn good_tokens_of_both_algorithms_are_accepted() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    for endpoint in [STAGE.analyst()?, STAGE.engineer()?] {
        assert_eq!(endpoint.psql_strict("SELECT 'in'")?.ok()?.trim(), "in");
    }
    // The user named by the client is nobody's: the upstream sees its own.
    let user = STAGE.engineer()?.psql_strict("SELECT current_user")?.ok()?;
    assert_eq!(user.trim(), sample::USER);
    Ok(())
}

#[test]
fn a_refused_token_is_in_the_audit_log() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let expired = claims(&json!({ "exp": PAST, "iat": PAST }))?;
    STAGE.grille.endpoint(sample::DATABASE, &expired).psql("SELECT 1")?;
    wait::until("the record", wait::PATIENCE, || {
        let audit = STAGE.grille.audit()?;
        Ok(audit
            .lines()
            .any(|line| line.contains("session-refused") && line.contains("expired"))
            .then_some(()))
    })
}

fn is_accepted(endpoint: &Endpoint) -> anyhow::Result<bool> {
    Ok(endpoint.psql("SELECT 1")?.code == 0)
}

#[test]
fn a_rotated_key_is_accepted_without_a_restart() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let grille = STAGE.another_grille(&policy::standard(sample::DATABASE)?, "refresh = \"1s\"")?;
    let old = grille.endpoint(sample::DATABASE, &STAGE.provider.token("ada")?);
    assert!(is_accepted(&old)?);
    STAGE.provider.rotate(OldKeys::Withdraw)?;
    // At once: the key id is unknown, so the keys are fetched before anybody is refused.
    assert!(is_accepted(&grille.endpoint(sample::DATABASE, &STAGE.provider.token("ada")?))?);
    wait::until("the old key to be forgotten", wait::PATIENCE, || Ok((!is_accepted(&old)?).then_some(())))
}

#[test]
fn known_keys_outlive_an_outage_for_a_bounded_time() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let outage = Duration::from_secs(4);
    let settings = format!("refresh = \"1s\"\noutage = \"{}s\"", outage.as_secs());
    let grille = STAGE.another_grille(&policy::standard(sample::DATABASE)?, &settings)?;
    let known = grille.endpoint(sample::DATABASE, &STAGE.provider.token("ada")?);
    assert!(is_accepted(&known)?);

    STAGE.provider.set_reachable(Reachable::No)?;
    let during = is_accepted(&known)?;
    let refused = wait::until("known keys to become too old", wait::PATIENCE, || {
        let ran = known.psql("SELECT 1")?;
        Ok((ran.code != 0).then_some(ran.stderr))
    });
    STAGE.provider.set_reachable(Reachable::Yes)?;

    assert!(during, "known keys are used while the issuer is away");
    let refused = refused?;
    assert!(refused.contains("the keys of its issuer cannot be fetched"), "{refused}");
    wait::until("the issuer to be asked again", wait::PATIENCE, || Ok(is_accepted(&known)?.then_some(())))
}
