//! Tokens against a real issuer on loopback. Every refusal here is also checked to say nothing of the token.

mod issuer;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grille_core::{Principal, PrincipalKind};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::limits::{
    DOCUMENT_BYTES_MAX, GROUPS_MAX, REFETCH_WINDOW, REFETCHES_MAX, RETRY_INTERVAL, TOKEN_BYTES_MAX,
};
use super::{KeyStatus, TokenExpiry, TokenRefused, TokenVerifier};
use crate::settings::{IssuerSettings, OnTokenExpiry, SigningAlgorithm};
use issuer::{Answer, Signer, TestIssuer, claims, settings};

const SECOND: Duration = Duration::from_secs(1);

/// An issuer with one ES256 key and a verifier that accepts it.
struct Fixture {
    signer: Signer,
    issuer: TestIssuer,
    verifier: TokenVerifier,
    now: SystemTime,
}

impl Fixture {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(adjust: impl FnOnce(&mut IssuerSettings)) -> Self {
        let signer = Signer::new("k1", Algorithm::ES256);
        let issuer = TestIssuer::start(Answer::Keys(vec![signer.jwk.clone()])).await;
        let mut settings = issuer.settings();
        adjust(&mut settings);
        Self { signer, issuer, verifier: verifier(settings), now: SystemTime::now() }
    }

    /// Good claims with some replaced; `null` takes one away.
    fn claims(&self, changes: Value) -> Value {
        let mut claims = claims(&self.issuer.name, self.now);
        for (name, value) in changes.as_object().expect("an object of changes") {
            claims[name] = value.clone();
        }
        claims
    }

    fn token(&self, changes: Value) -> String {
        self.signer.sign(&self.claims(changes))
    }

    async fn accept(&self, token: &str) -> Principal {
        self.verifier.verify(token, self.now).await.expect(token)
    }

    async fn refuse(&self, token: &str, expected: TokenRefused) {
        refuse(&self.verifier, token, self.now, expected).await;
    }

    fn seconds(&self) -> u64 {
        self.now.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs()
    }
}

fn verifier(settings: IssuerSettings) -> TokenVerifier {
    TokenVerifier::new(&[Arc::new(settings)]).expect("usable settings")
}

async fn refuse(verifier: &TokenVerifier, token: &str, now: SystemTime, expected: TokenRefused) {
    let refused = verifier.verify(token, now).await.expect_err(token);
    assert_eq!(refused, expected, "{token}");
    let told = format!("{refused:?} {:?}", refused.client_message());
    for part in token.split('.').filter(|part| part.len() > 8) {
        assert!(!told.contains(part), "{told}");
    }
}

/// A token of these parts, whatever they are.
fn assemble(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn a_good_token_gives_a_principal() {
    let fixture = Fixture::new().await;
    let expected = Principal {
        issuer: fixture.issuer.name.clone(),
        subject: "ada".to_owned(),
        groups: vec!["analysts".to_owned(), "staff".to_owned()],
        kind: PrincipalKind::Human,
        token_id: Some("t-1".to_owned()),
        expires_at: fixture.seconds() + 600,
    };
    assert_eq!(fixture.accept(&fixture.token(json!({}))).await, expected);
}

#[tokio::test]
async fn every_allowed_algorithm_is_checked_with_a_key_of_its_own_type() {
    for algorithm in
        [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::RS256, Algorithm::PS256]
    {
        let signer = Signer::new("k", algorithm);
        let issuer = TestIssuer::start(Answer::Keys(vec![signer.jwk.clone()])).await;
        let now = SystemTime::now();
        let token = signer.sign(&claims(&issuer.name, now));
        let verifier = verifier(issuer.settings());
        verifier.verify(&token, now).await.expect("a good token");
        let other = Signer::new("k", algorithm).sign(&claims(&issuer.name, now));
        refuse(&verifier, &other, now, TokenRefused::BadSignature).await;
    }
}

#[tokio::test]
async fn kinds_are_told_apart() {
    let fixture = Fixture::new().await;
    let check = async |changes: Value, expected: PrincipalKind| {
        assert_eq!(fixture.accept(&fixture.token(changes.clone())).await.kind, expected, "{changes}");
    };
    check(json!({"azp": "psql"}), PrincipalKind::Human).await;
    check(json!({"azp": "ada"}), PrincipalKind::Workload).await;
    check(json!({"client_id": "ada"}), PrincipalKind::Workload).await;
    check(json!({"gty": "client-credentials"}), PrincipalKind::Workload).await;
    check(json!({"agent": {"name": "helper"}}), PrincipalKind::Agent).await;
    check(json!({"agent": true, "client_id": "ada"}), PrincipalKind::Agent).await;
    check(json!({"agent": false}), PrincipalKind::Human).await;
    check(json!({"agent": null}), PrincipalKind::Human).await;
}

#[tokio::test]
async fn claims_are_judged() {
    let fixture = Fixture::new().await;
    let now = fixture.seconds();
    let check = async |changes: Value, expected: Option<TokenRefused>| {
        let token = fixture.token(changes);
        match expected {
            None => drop(fixture.accept(&token).await),
            Some(expected) => fixture.refuse(&token, expected).await,
        }
    };
    // The leeway is 10 s.
    check(json!({"exp": now - 9}), None).await;
    check(json!({"exp": now - 10}), Some(TokenRefused::Expired)).await;
    check(json!({"exp": 0}), Some(TokenRefused::Expired)).await;
    check(json!({"exp": null}), Some(TokenRefused::MissingClaim("exp"))).await;
    check(json!({"exp": "tomorrow"}), Some(TokenRefused::InvalidClaim("exp"))).await;
    check(json!({"exp": -1}), Some(TokenRefused::InvalidClaim("exp"))).await;
    check(json!({"exp": 1e300}), Some(TokenRefused::InvalidClaim("exp"))).await;
    check(json!({"exp": u64::MAX}), Some(TokenRefused::InvalidClaim("exp"))).await;
    check(json!({"exp": now as f64 + 0.5}), None).await;
    check(json!({"nbf": now + 10}), None).await;
    check(json!({"nbf": now + 11}), Some(TokenRefused::NotYetValid)).await;
    check(json!({"nbf": []}), Some(TokenRefused::InvalidClaim("nbf"))).await;
    check(json!({"iat": now + 11}), Some(TokenRefused::IssuedInFuture)).await;
    check(json!({"iat": null, "nbf": null}), None).await;
    check(json!({"aud": ["other", "grille"]}), None).await;
    check(json!({"aud": "other"}), Some(TokenRefused::WrongAudience)).await;
    check(json!({"aud": "Grille"}), Some(TokenRefused::WrongAudience)).await;
    check(json!({"aud": []}), Some(TokenRefused::WrongAudience)).await;
    check(json!({"aud": ["grille", 7]}), Some(TokenRefused::InvalidClaim("aud"))).await;
    check(json!({"aud": null}), Some(TokenRefused::MissingClaim("aud"))).await;
    check(json!({"sub": null}), Some(TokenRefused::MissingClaim("sub"))).await;
    check(json!({"sub": ""}), Some(TokenRefused::MissingClaim("sub"))).await;
    check(json!({"sub": 7}), Some(TokenRefused::InvalidClaim("sub"))).await;
    check(json!({"iss": "https://elsewhere.example"}), Some(TokenRefused::UnknownIssuer)).await;
    check(json!({"iss": format!("{}/", fixture.issuer.name)}), Some(TokenRefused::UnknownIssuer)).await;
    check(json!({"iss": [fixture.issuer.name]}), Some(TokenRefused::InvalidClaim("iss"))).await;
    check(json!({"iss": null}), Some(TokenRefused::MissingClaim("iss"))).await;
    check(json!({"groups": vec!["g"; GROUPS_MAX]}), None).await;
    check(json!({"groups": vec!["g"; GROUPS_MAX + 1]}), Some(TokenRefused::TooManyGroups)).await;
    check(json!({"groups": {"a": 1}}), Some(TokenRefused::InvalidClaim("groups"))).await;
    check(json!({"groups": [["a"]]}), Some(TokenRefused::InvalidClaim("groups"))).await;
    check(json!({"note": "x".repeat(TOKEN_BYTES_MAX)}), Some(TokenRefused::TooLarge)).await;
    assert_eq!(fixture.accept(&fixture.token(json!({"groups": "one"}))).await.groups, ["one"]);
    assert!(fixture.accept(&fixture.token(json!({"groups": null}))).await.groups.is_empty());
}

#[tokio::test]
async fn the_application_must_be_an_accepted_one() {
    let fixture =
        Fixture::with(|settings| settings.authorized_parties = vec!["psql".into(), "jobs".into()]).await;
    fixture.accept(&fixture.token(json!({"azp": "psql"}))).await;
    fixture.accept(&fixture.token(json!({"client_id": "jobs"}))).await;
    fixture.refuse(&fixture.token(json!({})), TokenRefused::MissingClaim("azp")).await;
    fixture.refuse(&fixture.token(json!({"azp": "other"})), TokenRefused::WrongParty).await;
    let both = fixture.token(json!({"azp": "psql", "client_id": "other"}));
    fixture.refuse(&both, TokenRefused::WrongParty).await;
}

#[tokio::test]
async fn unsigned_tokens_are_refused_without_looking_for_a_key() {
    let fixture = Fixture::new().await;
    let claims = fixture.claims(json!({}));
    for none in ["none", "None", "NONE", "nOnE"] {
        for signature in [&b""[..], b"sig"] {
            let token = assemble(&json!({"alg": none, "kid": "k1"}), &claims, signature);
            fixture.refuse(&token, TokenRefused::UnsecuredAlgorithm).await;
        }
    }
    // The same without a signature under a real algorithm.
    let token = assemble(&json!({"alg": "ES256", "kid": "k1"}), &claims, b"");
    fixture.refuse(&token, TokenRefused::BadSignature).await;
    assert_eq!(fixture.issuer.key_set_fetches(), 1, "the last one alone needed keys");
}

#[tokio::test]
async fn a_public_key_is_no_shared_secret() {
    let fixture = Fixture::new().await;
    let claims = fixture.claims(json!({}));
    let jwk = fixture.signer.jwk.to_string();
    let point = URL_SAFE_NO_PAD.decode(fixture.signer.jwk["x"].as_str().expect("x")).expect("base64url");
    for secret in [fixture.signer.public_pem.as_bytes(), jwk.as_bytes(), &point] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let mut header = Header::new(algorithm);
            header.kid = Some("k1".to_owned());
            let token = encode(&header, &claims, &EncodingKey::from_secret(secret)).expect("a token");
            fixture.refuse(&token, TokenRefused::SymmetricAlgorithm).await;
            // The same MAC under the name of the key's algorithm.
            let signature = token.rsplit_once('.').expect("a token").1;
            let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
            let token = assemble(&json!({"alg": "ES256", "kid": "k1"}), &claims, &signature);
            fixture.refuse(&token, TokenRefused::BadSignature).await;
        }
    }
}

#[tokio::test]
async fn a_published_shared_secret_is_no_key() {
    let secret = URL_SAFE_NO_PAD.encode([7; 64]);
    let signer = Signer::new("k1", Algorithm::ES256);
    let oct = json!({"kty": "oct", "kid": "h1", "alg": "HS256", "k": secret});
    let issuer = TestIssuer::start(Answer::Keys(vec![oct, signer.jwk])).await;
    let now = SystemTime::now();
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("h1".to_owned());
    let token = encode(&header, &claims(&issuer.name, now), &EncodingKey::from_secret(&[7; 64]));
    let verifier = verifier(issuer.settings());
    refuse(&verifier, &token.expect("a token"), now, TokenRefused::SymmetricAlgorithm).await;
}

#[tokio::test]
async fn the_algorithm_is_pinned_by_issuer_and_by_key() {
    let fixture = Fixture::with(|settings| settings.algorithms = vec![SigningAlgorithm::Es256]).await;
    fixture.accept(&fixture.token(json!({}))).await;
    let rsa = Signer::new("k1", Algorithm::RS256);
    fixture.refuse(&rsa.sign(&fixture.claims(json!({}))), TokenRefused::AlgorithmNotAllowed).await;

    // Allowed for the issuer, but the key of that id is of another type, or for another algorithm.
    let fixture = Fixture::new().await;
    fixture.refuse(&rsa.sign(&fixture.claims(json!({}))), TokenRefused::AlgorithmNotAllowed).await;
    fixture.issuer.answer(Answer::Keys(vec![rsa.jwk.clone()]));
    let mut pss = Signer::new("k1", Algorithm::PS256);
    pss.private = rsa.private.clone();
    let later = fixture.now + Duration::from_secs(301);
    let token = pss.sign(&fixture.claims(json!({})));
    refuse(&fixture.verifier, &token, later, TokenRefused::AlgorithmNotAllowed).await;
}

#[tokio::test]
async fn tampered_tokens_are_refused() {
    let fixture = Fixture::new().await;
    let token = fixture.token(json!({}));
    let (signed, signature) = token.rsplit_once('.').expect("a token");
    let (header, _) = signed.split_once('.').expect("a token");
    let promoted = URL_SAFE_NO_PAD.encode(fixture.claims(json!({"groups": ["admins"]})).to_string());
    fixture.refuse(&format!("{header}.{promoted}.{signature}"), TokenRefused::BadSignature).await;
    let genuine = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    for bit in 0..genuine.len() * 8 {
        let mut changed = genuine.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(changed));
        fixture.refuse(&token, TokenRefused::BadSignature).await;
    }
    for signature in ["", "AAAA", "!!!!", &format!("{signature}="), &signature[1..]] {
        fixture.refuse(&format!("{signed}.{signature}"), TokenRefused::BadSignature).await;
    }
}

#[tokio::test]
async fn a_key_id_is_a_name_and_nothing_else() {
    let fixture = Fixture::new().await;
    fixture.accept(&fixture.signer.sign_as(None, &fixture.claims(json!({})))).await;
    for kid in ["../../../../dev/null", "/etc/passwd", "https://evil.example/jwks", "K1", "k1 ", "k1\0", ""] {
        let token = fixture.signer.sign_as(Some(kid), &fixture.claims(json!({})));
        fixture.refuse(&token, TokenRefused::UnknownKey).await;
    }
}

#[tokio::test]
async fn keys_in_the_header_are_not_used() {
    let fixture = Fixture::new().await;
    let attacker = Signer::new("evil", Algorithm::ES256);
    let elsewhere = TestIssuer::start(Answer::Keys(vec![attacker.jwk.clone()])).await;
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("k1".to_owned());
    header.jku = Some(format!("{}/jwks", elsewhere.name));
    header.x5u = Some(format!("{}/jwks", elsewhere.name));
    header.jwk = serde_json::from_value(attacker.jwk.clone()).ok();
    assert!(header.jwk.is_some());
    let token = encode(&header, &fixture.claims(json!({})), &attacker.private).expect("a token");
    fixture.refuse(&token, TokenRefused::BadSignature).await;
    assert_eq!(elsewhere.key_set_fetches(), 0);
}

#[tokio::test]
async fn one_issuer_cannot_speak_for_another() {
    let ours = Fixture::new().await;
    let theirs = Fixture::new().await;
    let both = [Arc::new(ours.issuer.settings()), Arc::new(theirs.issuer.settings())];
    let verifier = TokenVerifier::new(&both).expect("usable settings");
    let token = theirs.signer.sign(&ours.claims(json!({})));
    refuse(&verifier, &token, ours.now, TokenRefused::BadSignature).await;
    verifier.verify(&theirs.token(json!({})), theirs.now).await.expect("a good token");
    let twice = [both[0].clone(), both[0].clone()];
    assert!(TokenVerifier::new(&twice).is_err());
}

#[tokio::test]
async fn a_rotated_key_is_accepted_at_once_and_the_old_one_ends_with_the_refresh() {
    let fixture = Fixture::new().await;
    let old = fixture.token(json!({}));
    fixture.accept(&old).await;
    let next = Signer::new("k2", Algorithm::ES256);
    fixture.issuer.answer(Answer::Keys(vec![fixture.signer.jwk.clone(), next.jwk.clone()]));
    fixture.accept(&next.sign(&fixture.claims(json!({})))).await;
    fixture.accept(&old).await;

    fixture.issuer.answer(Answer::Keys(vec![next.jwk.clone()]));
    let just_before = fixture.now + Duration::from_secs(299);
    fixture.verifier.verify(&old, just_before).await.expect("within the refresh interval");
    let just_after = fixture.now + Duration::from_secs(300);
    refuse(&fixture.verifier, &old, just_after, TokenRefused::UnknownKey).await;
    let new = next.sign(&fixture.claims(json!({})));
    fixture.verifier.verify(&new, just_after).await.expect("the new key");
}

#[tokio::test]
async fn an_outage_is_outlived_for_a_bounded_time() {
    let fixture = Fixture::new().await;
    let token = fixture.token(json!({"exp": fixture.seconds() + 100_000}));
    fixture.accept(&token).await;
    fixture.issuer.answer(Answer::Nothing);

    let at = |seconds: u64| fixture.now + Duration::from_secs(seconds);
    let status = |now| fixture.verifier.issuer_status(now)[0].keys;
    assert_eq!(status(at(299)), KeyStatus::Current);
    assert_eq!(status(at(300)), KeyStatus::Outage);
    for seconds in [300, 301, 1000, 3899] {
        fixture.verifier.verify(&token, at(seconds)).await.expect("within the allowance");
        // The fetch that this began in the background has ended once this has.
        fixture.verifier.refresh_ahead(at(seconds)).await;
    }
    assert_eq!(status(at(3900)), KeyStatus::Unavailable);
    refuse(&fixture.verifier, &token, at(3900), TokenRefused::KeysUnavailable).await;

    // Back again: accepted as soon as a fetch is allowed.
    fixture.issuer.answer(Answer::Keys(vec![fixture.signer.jwk.clone()]));
    refuse(&fixture.verifier, &token, at(3900), TokenRefused::KeysUnavailable).await;
    assert_eq!(fixture.issuer.key_set_fetches(), 1);
    let retry = at(3899) + RETRY_INTERVAL;
    fixture.verifier.verify(&token, retry).await.expect("the issuer is back");
    assert_eq!(status(retry), KeyStatus::Current);
}

#[tokio::test]
async fn a_start_without_issuer_recovers() {
    let signer = Signer::new("k1", Algorithm::ES256);
    let issuer = TestIssuer::start(Answer::Status(503, None)).await;
    let now = SystemTime::now();
    let verifier = verifier(issuer.settings());
    let token = signer.sign(&claims(&issuer.name, now));
    assert_eq!(verifier.issuer_status(now)[0].keys, KeyStatus::Unavailable);
    refuse(&verifier, &token, now, TokenRefused::KeysUnavailable).await;
    issuer.answer(Answer::Keys(vec![signer.jwk.clone()]));
    verifier.verify(&token, now + RETRY_INTERVAL).await.expect("the issuer is there");
}

#[tokio::test]
async fn made_up_key_ids_cause_a_bounded_number_of_fetches() {
    let fixture = Arc::new(Fixture::new().await);
    fixture.accept(&fixture.token(json!({}))).await;
    let made_up = |client: usize| {
        let fixture = fixture.clone();
        let kid = format!("made-up-{client}");
        async move |now: SystemTime| {
            let token = fixture.signer.sign_as(Some(&kid), &fixture.claims(json!({})));
            refuse(&fixture.verifier, &token, now, TokenRefused::UnknownKey).await;
        }
    };
    // Some at once, who share fetches, and some one after the other, who could each cause one.
    let flood = async |now: SystemTime| {
        let mut clients = tokio::task::JoinSet::new();
        for client in 0..20 {
            let made_up = made_up(client);
            clients.spawn(async move { made_up(now).await });
        }
        clients.join_all().await;
        for client in 20..40 {
            made_up(client)(now).await;
        }
        fixture.issuer.key_set_fetches()
    };
    let most = REFETCHES_MAX as usize;
    assert_eq!(flood(fixture.now).await, 1 + most);
    assert_eq!(flood(fixture.now + REFETCH_WINDOW - SECOND).await, 1 + most);
    assert_eq!(flood(fixture.now + REFETCH_WINDOW).await, 1 + 2 * most);
}

#[tokio::test]
async fn many_clients_at_the_start_share_one_fetch() {
    let fixture = Arc::new(Fixture::new().await);
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let fixture = fixture.clone();
        clients.spawn(async move { fixture.accept(&fixture.token(json!({}))).await });
    }
    clients.join_all().await;
    assert_eq!(fixture.issuer.key_set_fetches(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_does_not_take_the_fetch_along() {
    let fixture = Fixture::new().await;
    let token = fixture.token(json!({}));
    tokio::select! {
        biased;
        verified = fixture.verifier.verify(&token, fixture.now) => panic!("without a fetch: {verified:?}"),
        // Ready as soon as the fetch has begun.
        () = std::future::ready(()) => {}
    }
    fixture.accept(&token).await;
    assert_eq!(fixture.issuer.key_set_fetches(), 1);
}

#[tokio::test]
async fn keys_are_fetched_ahead_of_need() {
    let fixture = Fixture::new().await;
    let fetches_after = async |seconds: u64| {
        fixture.verifier.refresh_ahead(fixture.now + Duration::from_secs(seconds)).await;
        fixture.issuer.key_set_fetches()
    };
    assert_eq!(fetches_after(0).await, 1);
    assert_eq!(fetches_after(224).await, 1);
    assert_eq!(fetches_after(225).await, 2);
}

#[tokio::test]
async fn what_is_not_the_issuers_answer_gives_no_keys() {
    let signer = Signer::new("k1", Algorithm::ES256);
    let elsewhere = TestIssuer::start(Answer::Keys(vec![signer.jwk.clone()])).await;
    let moved = format!("{}/jwks", elsewhere.name);
    let check = async |answer: fn(&str, &str) -> Vec<u8>| {
        let issuer = TestIssuer::start(Answer::Status(500, None)).await;
        issuer.answer(Answer::Discovery(answer(&issuer.name, &moved)));
        let now = SystemTime::now();
        let token = signer.sign(&claims(&issuer.name, now));
        verifier(issuer.settings()).verify(&token, now).await.map(|_| ())
    };
    let unavailable = Err(TokenRefused::KeysUnavailable);
    // The control: a good document, also when the keys are on another host.
    let good: fn(&str, &str) -> Vec<u8> =
        |issuer, jwks| json!({"issuer": issuer, "jwks_uri": jwks}).to_string().into_bytes();
    assert_eq!(check(good).await, Ok(()));
    assert_eq!(
        check(|issuer, jwks| {
            json!({"issuer": format!("{issuer}/"), "jwks_uri": jwks}).to_string().into_bytes()
        })
        .await,
        unavailable
    );
    assert_eq!(
        check(|issuer, _| {
            json!({"issuer": issuer, "jwks_uri": "http://id.example/jwks"}).to_string().into_bytes()
        })
        .await,
        unavailable
    );
    assert_eq!(check(|_, _| b"<html>".to_vec()).await, unavailable);
    assert_eq!(
        check(|issuer, jwks| {
            let mut long = json!({"issuer": issuer, "jwks_uri": jwks}).to_string().into_bytes();
            long.resize(DOCUMENT_BYTES_MAX + 1, b' ');
            long
        })
        .await,
        unavailable
    );

    let redirecting = TestIssuer::start(Answer::Status(302, Some(moved.clone()))).await;
    let now = SystemTime::now();
    let token = signer.sign(&claims(&redirecting.name, now));
    let before = elsewhere.key_set_fetches();
    refuse(&verifier(redirecting.settings()), &token, now, TokenRefused::KeysUnavailable).await;
    assert_eq!(elsewhere.key_set_fetches(), before, "redirects are not followed");
}

#[tokio::test]
async fn an_issuer_over_tls_is_verified() {
    let dir = tempfile::tempdir().expect("a directory");
    let ca = dir.path().join("ca.pem");
    let signer = Signer::new("k1", Algorithm::ES256);
    let issuer = TestIssuer::start_tls(Answer::Keys(vec![signer.jwk.clone()]), &ca).await;
    let now = SystemTime::now();
    let token = signer.sign(&claims(&issuer.name, now));

    let trusting = IssuerSettings { ca: Some(ca), ..issuer.settings() };
    verifier(trusting.clone()).verify(&token, now).await.expect("a good token");

    let other = dir.path().join("other.pem");
    let stranger = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    std::fs::write(&other, stranger.cert.pem()).expect("a file in a directory of our own");
    let distrusting = IssuerSettings { ca: Some(other), ..trusting };
    refuse(&verifier(distrusting), &token, now, TokenRefused::KeysUnavailable).await;
}

#[tokio::test]
async fn a_token_has_expired_when_the_leeway_is_past_too() {
    let fixture = Fixture::new().await;
    let expires = fixture.seconds() + 100;
    let token = fixture.token(json!({ "exp": expires }));
    let principal = fixture.accept(&token).await;
    let expiry = fixture.verifier.expiry(&principal).expect("an accepted issuer");
    // Ten seconds of leeway: see `settings`.
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(expires + 10);
    assert_eq!(expiry, TokenExpiry { at, rule: OnTokenExpiry::Refuse });
    let just_before = at - Duration::from_secs(1);
    fixture.verifier.verify(&token, just_before).await.expect("still valid");
    refuse(&fixture.verifier, &token, at, TokenRefused::Expired).await;
}

#[tokio::test]
async fn a_principal_of_an_issuer_that_is_not_accepted_any_more_has_no_expiry() {
    let fixture = Fixture::new().await;
    let principal = fixture.accept(&fixture.token(json!({}))).await;
    let changed = IssuerSettings { on_token_expiry: OnTokenExpiry::End, ..fixture.issuer.settings() };
    let reloaded = fixture.verifier.reloaded(&[Arc::new(changed)]).expect("usable settings");
    assert_eq!(reloaded.expiry(&principal).map(|expiry| expiry.rule), Some(OnTokenExpiry::End));
    let elsewhere = fixture.verifier.reloaded(&[Arc::new(settings("https://new.example"))]).expect("usable");
    assert_eq!(elsewhere.expiry(&principal), None);
    let eternal = Principal { expires_at: u64::MAX, ..principal };
    let expiry = fixture.verifier.expiry(&eternal).expect("an accepted issuer");
    assert_eq!(expiry.at, SystemTime::UNIX_EPOCH, "what the clock cannot tell is past");
}

#[tokio::test]
async fn a_reload_keeps_the_keys_of_unchanged_issuers() {
    let fixture = Fixture::new().await;
    let token = fixture.token(json!({}));
    fixture.accept(&token).await;
    let same = [Arc::new(fixture.issuer.settings()), Arc::new(settings("https://new.example"))];
    let reloaded = fixture.verifier.reloaded(&same).expect("usable settings");
    reloaded.verify(&token, fixture.now).await.expect("a good token");
    assert_eq!(fixture.issuer.key_set_fetches(), 1);

    let changed = IssuerSettings { audiences: vec!["other".to_owned()], ..fixture.issuer.settings() };
    let reloaded = reloaded.reloaded(&[Arc::new(changed)]).expect("usable settings");
    refuse(&reloaded, &token, fixture.now, TokenRefused::WrongAudience).await;
}
