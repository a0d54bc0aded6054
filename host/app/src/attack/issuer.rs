//! An issuer of the attack's own, on loopback: one key, made for this run, and the tokens it signs.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grille_proxy::settings::{IssuerSettings, OnTokenExpiry, SigningAlgorithm};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const AUDIENCE: &str = "grille-attack";
const KEY_ID: &str = "attack";
const GROUPS_CLAIM: &str = "groups";

/// Longer than any campaign.
const TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Longest request that is read. Grille's is some 200 bytes.
const REQUEST_BYTES_MAX: usize = 16 << 10;

/// The running issuer. It ends when dropped.
pub(super) struct Issuer {
    address: SocketAddr,
    key: Ed25519KeyPair,
    serving: JoinHandle<()>,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Issuer {
    /// Makes a key and publishes it.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let key = Ed25519KeyPair::generate().context("cannot make a signing key")?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no free port on loopback")?;
        let address = listener.local_addr()?;
        let keys = json!({ "keys": [{
            "kty": "OKP",
            "crv": "Ed25519",
            "use": "sig",
            "alg": "EdDSA",
            "kid": KEY_ID,
            "x": URL_SAFE_NO_PAD.encode(key.public_key().as_ref()),
        }] });
        let serving = tokio::spawn(serve(listener, keys.to_string()));
        Ok(Self { address, key, serving })
    }

    /// What Grille is told of it.
    pub(super) fn settings(&self) -> IssuerSettings {
        IssuerSettings {
            issuer: self.name(),
            audiences: vec![AUDIENCE.to_owned()],
            authorized_parties: Vec::new(),
            algorithms: vec![SigningAlgorithm::EdDsa],
            groups_claim: GROUPS_CLAIM.to_owned(),
            agent_claim: None,
            jwks_uri: Some(format!("{}/keys", self.name())),
            ca: None,
            outage: Duration::from_secs(3600),
            refresh: Duration::from_secs(3600),
            leeway: Duration::from_secs(60),
            on_token_expiry: OnTokenExpiry::Finish,
        }
    }

    /// A token of somebody in `group`.
    pub(super) fn token(&self, group: &str) -> anyhow::Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?.as_secs();
        let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": KEY_ID });
        let claims = json!({
            "iss": self.name(),
            "aud": AUDIENCE,
            "sub": "grille-attack",
            "iat": now,
            "exp": now + TOKEN_LIFETIME.as_secs(),
            GROUPS_CLAIM: [group],
        });
        let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self.key.sign(signed.as_bytes());
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref())))
    }

    fn name(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(listener: TcpListener, keys: String) {
    while let Ok((stream, _)) = listener.accept().await {
        // One reader at a time, and whoever breaks off gets nothing: it is there for this process alone.
        let _answered = answer(stream, &keys).await;
    }
}

/// Answers any request with the keys (RFC 9112).
async fn answer(mut stream: TcpStream, keys: &str) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && request.len() < REQUEST_BYTES_MAX {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let length = keys.len();
    let response = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{keys}"
    );
    stream.write_all(response.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use grille_proxy::identity::TokenVerifier;

    use super::*;

    #[tokio::test]
    async fn its_tokens_are_believed_and_others_are_not() {
        let (ours, other) =
            (Issuer::start().await.expect("an issuer"), Issuer::start().await.expect("an issuer"));
        let verifier = TokenVerifier::new(&[Arc::new(ours.settings())]).expect("a verifier");
        let token = ours.token("analysts").expect("a token");
        let principal = verifier.verify(&token, SystemTime::now()).await.expect("a good token");
        assert_eq!(principal.groups, ["analysts"]);
        let foreign = other.token("analysts").expect("a token");
        assert!(verifier.verify(&foreign, SystemTime::now()).await.is_err());
    }
}
