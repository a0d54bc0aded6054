//! An issuer on loopback for tests: a real HTTP server with discovery and a key set, and keys made at run time.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use parking_lot::Mutex;
use rcgen::KeyPair;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use crate::settings::{IssuerSettings, OnTokenExpiry, ServerTls, SigningAlgorithm};

/// A private key, its public form as JWK and PEM.
pub(super) struct Signer {
    pub(super) kid: String,
    pub(super) algorithm: Algorithm,
    pub(super) private: EncodingKey,
    pub(super) jwk: Value,
    pub(super) public_pem: String,
}

impl Signer {
    pub(super) fn new(kid: &str, algorithm: Algorithm) -> Self {
        let kind = match algorithm {
            Algorithm::ES256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            Algorithm::ES384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            Algorithm::EdDSA => &rcgen::PKCS_ED25519,
            _ => &rcgen::PKCS_RSA_SHA256,
        };
        let pair = KeyPair::generate_for(kind).expect("a key");
        let pem = pair.serialize_pem();
        let private = match algorithm {
            Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(pem.as_bytes()),
            Algorithm::EdDSA => EncodingKey::from_ed_pem(pem.as_bytes()),
            _ => EncodingKey::from_rsa_pem(pem.as_bytes()),
        };
        let private = private.expect("a key of our own");
        let mut jwk = match algorithm {
            Algorithm::EdDSA => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(pair.public_key_raw())})
            }
            _ => serde_json::to_value(Jwk::from_encoding_key(&private, algorithm).expect("a public key"))
                .expect("a JWK"),
        };
        jwk["kid"] = json!(kid);
        Self { kid: kid.to_owned(), algorithm, private, jwk, public_pem: pair.public_key_pem() }
    }

    /// A token with these claims under the signer's own key id.
    pub(super) fn sign(&self, claims: &Value) -> String {
        self.sign_as(Some(&self.kid), claims)
    }

    pub(super) fn sign_as(&self, kid: Option<&str>, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = kid.map(str::to_owned);
        encode(&header, claims, &self.private).expect("a token")
    }
}

/// How the server answers.
#[derive(Clone)]
pub(super) enum Answer {
    /// With a discovery document and this key set.
    Keys(Vec<Value>),
    /// With these bytes for the discovery document.
    Discovery(Vec<u8>),
    /// With this status, and where to go instead.
    Status(u16, Option<String>),
    /// By closing the connection.
    Nothing,
}

/// The server; ends when dropped.
pub(super) struct TestIssuer {
    pub(super) name: String,
    shared: Arc<Shared>,
    _server: AbortOnDropHandle<()>,
}

struct Shared {
    name: String,
    answer: Mutex<Answer>,
    key_set_fetches: Mutex<usize>,
}

impl TestIssuer {
    pub(super) async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let name = format!("http://{}", listener.local_addr().expect("an address"));
        Self::serve(name, listener, answer, None)
    }

    /// Over TLS as `localhost`; the certificate, self-signed, is written to `ca`.
    pub(super) async fn start_tls(answer: Answer, ca: &Path) -> Self {
        let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let key = ca.with_extension("key");
        std::fs::write(ca, issued.cert.pem()).expect("a file in a directory of our own");
        std::fs::write(&key, issued.signing_key.serialize_pem()).expect("a file in a directory of our own");
        let config = crate::tls::server_config(&ServerTls { certificate: ca.to_owned(), key });
        let acceptor = TlsAcceptor::from(config.expect("certificate and key fit"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        Self::serve(format!("https://localhost:{port}"), listener, answer, Some(acceptor))
    }

    fn serve(name: String, listener: TcpListener, answer: Answer, tls: Option<TlsAcceptor>) -> Self {
        let shared = Arc::new(Shared {
            name: name.clone(),
            answer: Mutex::new(answer),
            key_set_fetches: Mutex::new(0),
        });
        let server = tokio::spawn(accept(listener, tls, shared.clone()));
        Self { name, shared, _server: AbortOnDropHandle::new(server) }
    }

    pub(super) fn answer(&self, answer: Answer) {
        *self.shared.answer.lock() = answer;
    }

    pub(super) fn key_set_fetches(&self) -> usize {
        *self.shared.key_set_fetches.lock()
    }

    pub(super) fn settings(&self) -> IssuerSettings {
        settings(&self.name)
    }
}

/// Settings as an operator would have them, every asymmetric algorithm of the tests allowed.
pub(super) fn settings(issuer: &str) -> IssuerSettings {
    IssuerSettings {
        issuer: issuer.to_owned(),
        audiences: vec!["grille".to_owned()],
        authorized_parties: Vec::new(),
        algorithms: vec![
            SigningAlgorithm::Es256,
            SigningAlgorithm::Es384,
            SigningAlgorithm::EdDsa,
            SigningAlgorithm::Rs256,
            SigningAlgorithm::Ps256,
        ],
        groups_claim: "groups".to_owned(),
        agent_claim: Some("agent".to_owned()),
        jwks_uri: None,
        ca: None,
        outage: Duration::from_secs(3600),
        refresh: Duration::from_secs(300),
        leeway: Duration::from_secs(10),
        on_token_expiry: OnTokenExpiry::Refuse,
    }
}

/// Claims of a good token at the time `now`.
pub(super) fn claims(issuer: &str, now: SystemTime) -> Value {
    let now = now.duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    json!({
        "iss": issuer, "sub": "ada", "aud": "grille", "exp": now + 600, "nbf": now - 5, "iat": now - 5,
        "jti": "t-1", "groups": ["analysts", "staff"],
    })
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        if matches!(*shared.answer.lock(), Answer::Nothing) {
            continue;
        }
        let (shared, tls) = (shared.clone(), tls.clone());
        connections.spawn(async move {
            match tls {
                None => answer_on(stream, shared).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => answer_on(stream, shared).await,
                    Err(_) => { /* The client does not trust us, which is what some tests are about. */ }
                },
            }
        });
    }
}

async fn answer_on<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, shared: Arc<Shared>) {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let response = shared.respond(request.uri().path());
        async move { Ok::<_, Infallible>(response) }
    });
    // A client that goes away early is no failure of the server.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl Shared {
    fn respond(&self, path: &str) -> Response<Full<Bytes>> {
        let json = |value: Value| Response::new(Full::new(Bytes::from(value.to_string())));
        let is_key_set = path == "/jwks";
        *self.key_set_fetches.lock() += usize::from(is_key_set);
        match (self.answer.lock().clone(), is_key_set) {
            (Answer::Keys(_), false) => {
                json(json!({"issuer": self.name, "jwks_uri": format!("{}/jwks", self.name)}))
            }
            (Answer::Keys(keys), true) => json(json!({ "keys": keys })),
            (Answer::Discovery(bytes), _) => Response::new(Full::new(Bytes::from(bytes))),
            (Answer::Nothing, _) => panic!("the connection was not to be accepted"),
            (Answer::Status(status, location), _) => {
                let mut response = Response::builder().status(status);
                if let Some(location) = location {
                    response = response.header("location", location);
                }
                response.body(Full::default()).expect("a response of our own")
            }
        }
    }
}
