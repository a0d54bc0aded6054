//! An issuer's public keys: JSON Web Key Sets (RFC 7517, RFC 7518 section 6, RFC 8037) read into keys that each fit certain
//! algorithms only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use super::limits::KEYS_MAX;
use crate::settings::SigningAlgorithm;

/// Smallest RSA modulus, in bytes (2048 bits; RFC 7518, section 3.3).
const RSA_MODULUS_BYTES_MIN: usize = 256;

/// The keys an issuer published that can check signatures; at least one.
#[derive(Debug)]
pub(super) struct KeySet(Vec<VerificationKey>);

/// One public key.
#[derive(Debug)]
pub(super) struct VerificationKey {
    id: Option<String>,
    form: KeyForm,
    /// `alg`: the one algorithm the issuer uses the key with.
    pinned: Option<SigningAlgorithm>,
    key: DecodingKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyForm {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// What a look-up found.
#[derive(Debug)]
pub(super) enum KeyMatch<'k> {
    /// The one key.
    Found(&'k VerificationKey),
    /// Keys of that id, none of which is for that algorithm.
    OtherAlgorithm,
    /// No key of that id; or, without an id, not exactly one for that algorithm.
    Unknown,
}

/// A key set that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeySetError {
    #[error("the key set is not a JSON Web Key Set")]
    NotAKeySet,
    #[error("the key set has more than {KEYS_MAX} keys")]
    TooManyKeys,
    #[error("the key set has no key that checks signatures by a supported algorithm")]
    NoUsableKey,
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<serde_json::Value>,
}

/// The members of a JWK that matter here; `x5u` and the like are never followed.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<String>,
}

impl KeySet {
    /// Reads a key set. Keys for other purposes or of other kinds are passed over, as RFC 7517, section 5 says.
    pub(super) fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        let set: JwkSet = serde_json::from_slice(json).map_err(|_| KeySetError::NotAKeySet)?;
        if set.keys.len() > KEYS_MAX {
            return Err(KeySetError::TooManyKeys);
        }
        let usable: Vec<_> = set
            .keys
            .into_iter()
            .filter_map(|key| serde_json::from_value(key).ok())
            .filter_map(VerificationKey::from_jwk)
            .collect();
        if usable.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(Self(usable)) }
    }

    /// The key for a token. Without a key id, only an unambiguous one will do (OpenID Connect Core, section 10.1).
    pub(super) fn find(&self, id: Option<&str>, algorithm: SigningAlgorithm) -> KeyMatch<'_> {
        let named: Vec<_> =
            self.0.iter().filter(|key| id.is_none_or(|id| key.id.as_deref() == Some(id))).collect();
        let fitting: Vec<_> = named.iter().filter(|key| key.is_for(algorithm)).collect();
        match (fitting[..].len(), id) {
            (1, _) => KeyMatch::Found(fitting[0]),
            (0, Some(_)) if !named.is_empty() => KeyMatch::OtherAlgorithm,
            _ => KeyMatch::Unknown,
        }
    }
}

impl VerificationKey {
    pub(super) fn decoding_key(&self) -> &DecodingKey {
        &self.key
    }

    /// The key's own type decides, then what the issuer says it is for.
    fn is_for(&self, algorithm: SigningAlgorithm) -> bool {
        self.form.fits(algorithm) && self.pinned.is_none_or(|pinned| pinned == algorithm)
    }

    /// None for a key that does not check signatures by an algorithm we know. A private key that was published is no key.
    fn from_jwk(jwk: Jwk) -> Option<Self> {
        let for_signatures = jwk.usage.as_deref().is_none_or(|usage| usage == "sig")
            && jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !for_signatures || jwk.d.is_some() {
            return None;
        }
        let (form, key) = jwk.public_key()?;
        let pinned = match jwk.alg {
            None => None,
            Some(name) => Some(SigningAlgorithm::from_jws_name(&name).filter(|alg| form.fits(*alg))?),
        };
        Some(Self { id: jwk.kid, form, pinned, key })
    }
}

impl Jwk {
    /// `oct` (shared secrets) and unknown curves give none.
    fn public_key(&self) -> Option<(KeyForm, DecodingKey)> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => {
                let (n, e) = (bytes(&self.n)?, bytes(&self.e)?);
                let key = DecodingKey::from_rsa_raw_components(&n, &e);
                (n.len() >= RSA_MODULUS_BYTES_MIN).then_some((KeyForm::Rsa, key))
            }
            ("EC", Some("P-256")) => self.point(32).map(|key| (KeyForm::P256, key)),
            ("EC", Some("P-384")) => self.point(48).map(|key| (KeyForm::P384, key)),
            ("OKP", Some("Ed25519")) => {
                let x = bytes(&self.x).filter(|x| x.len() == 32)?;
                Some((KeyForm::Ed25519, DecodingKey::from_ed_der(&x)))
            }
            _ => None,
        }
    }

    /// An uncompressed point (SEC 1, section 2.3.3), each coordinate of the curve's full length (RFC 7518, 6.2.1.2).
    fn point(&self, coordinate: usize) -> Option<DecodingKey> {
        const UNCOMPRESSED: u8 = 4;
        let (x, y) = (bytes(&self.x)?, bytes(&self.y)?);
        if (x.len(), y.len()) != (coordinate, coordinate) {
            return None;
        }
        Some(DecodingKey::from_ec_der(&[&[UNCOMPRESSED][..], &x, &y].concat()))
    }
}

fn bytes(member: &Option<String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(member.as_deref()?).ok()
}

impl KeyForm {
    fn fits(self, algorithm: SigningAlgorithm) -> bool {
        let needed = match algorithm {
            SigningAlgorithm::Rs256
            | SigningAlgorithm::Rs384
            | SigningAlgorithm::Rs512
            | SigningAlgorithm::Ps256
            | SigningAlgorithm::Ps384
            | SigningAlgorithm::Ps512 => Self::Rsa,
            SigningAlgorithm::Es256 => Self::P256,
            SigningAlgorithm::Es384 => Self::P384,
            SigningAlgorithm::EdDsa => Self::Ed25519,
        };
        self == needed
    }
}

impl SigningAlgorithm {
    /// The algorithm of a JWS or JWK `alg`: RFC 7518, section 3.1; for Ed25519 RFC 8037 and RFC 9864.
    pub(super) fn from_jws_name(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }
}

impl From<SigningAlgorithm> for Algorithm {
    fn from(algorithm: SigningAlgorithm) -> Self {
        match algorithm {
            SigningAlgorithm::Rs256 => Self::RS256,
            SigningAlgorithm::Rs384 => Self::RS384,
            SigningAlgorithm::Rs512 => Self::RS512,
            SigningAlgorithm::Ps256 => Self::PS256,
            SigningAlgorithm::Ps384 => Self::PS384,
            SigningAlgorithm::Ps512 => Self::PS512,
            SigningAlgorithm::Es256 => Self::ES256,
            SigningAlgorithm::Es384 => Self::ES384,
            SigningAlgorithm::EdDsa => Self::EdDSA,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn b64(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn p256(extra: Value) -> Value {
        let mut key =
            json!({"kty": "EC", "crv": "P-256", "kid": "a", "x": b64(&[1; 32]), "y": b64(&[2; 32])});
        if let (Value::Object(key), Value::Object(extra)) = (&mut key, extra) {
            key.extend(extra);
        }
        key
    }

    fn parse(keys: &[Value]) -> Result<KeySet, KeySetError> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn only_keys_that_check_signatures_are_kept() {
        let check = |key: Value, kept: bool| {
            assert_eq!(parse(std::slice::from_ref(&key)).is_ok(), kept, "{key}");
        };
        check(p256(json!({})), true);
        check(p256(json!({"use": "sig", "alg": "ES256", "key_ops": ["verify"]})), true);
        check(p256(json!({"use": "enc"})), false);
        check(p256(json!({"key_ops": ["deriveKey"]})), false);
        check(p256(json!({"alg": "RS256"})), false);
        check(p256(json!({"alg": "HS256"})), false);
        check(p256(json!({"alg": "ECDH-ES"})), false);
        check(p256(json!({"d": "AAAA"})), false);
        check(p256(json!({"x": b64(&[1; 31])})), false);
        check(p256(json!({"crv": "P-384"})), false);
        check(p256(json!({"crv": "secp256k1"})), false);
        check(json!({"kty": "oct", "k": b64(&[1; 64]), "kid": "a", "alg": "HS256"}), false);
        check(json!({"kty": "RSA", "n": b64(&[0xff; 256]), "e": "AQAB"}), true);
        check(json!({"kty": "RSA", "n": b64(&[0xff; 128]), "e": "AQAB"}), false);
        check(json!({"kty": "OKP", "crv": "Ed25519", "x": b64(&[1; 32])}), true);
        check(json!({"kty": "OKP", "crv": "X25519", "x": b64(&[1; 32])}), false);
        check(json!({"kty": 7}), false);
        check(json!("a"), false);
    }

    #[test]
    fn a_key_set_is_bounded_and_never_empty() {
        assert_eq!(KeySet::parse(b"[]").map(|_| ()), Err(KeySetError::NotAKeySet));
        assert_eq!(KeySet::parse(b"{\"keys\":{}}").map(|_| ()), Err(KeySetError::NotAKeySet));
        assert_eq!(parse(&[]).map(|_| ()), Err(KeySetError::NoUsableKey));
        let many = vec![p256(json!({})); KEYS_MAX + 1];
        assert_eq!(parse(&many).map(|_| ()), Err(KeySetError::TooManyKeys));
        assert!(parse(&many[1..]).is_ok());
    }

    #[test]
    fn a_key_is_found_by_id_and_algorithm() {
        let ed = json!({"kty": "OKP", "crv": "Ed25519", "x": b64(&[1; 32]), "kid": "e"});
        let set = parse(&[p256(json!({})), p256(json!({"kid": "b"})), ed]).expect("usable keys");
        let check = |id, algorithm, expected: &str| {
            let found = match set.find(id, algorithm) {
                KeyMatch::Found(key) => key.id.clone().expect("every key here has an id"),
                KeyMatch::OtherAlgorithm => "other algorithm".to_owned(),
                KeyMatch::Unknown => "unknown".to_owned(),
            };
            assert_eq!(found, expected, "{id:?} {algorithm:?}");
        };
        check(Some("a"), SigningAlgorithm::Es256, "a");
        check(Some("b"), SigningAlgorithm::Es256, "b");
        check(Some("a"), SigningAlgorithm::EdDsa, "other algorithm");
        check(Some("../a"), SigningAlgorithm::Es256, "unknown");
        check(Some(""), SigningAlgorithm::Es256, "unknown");
        check(None, SigningAlgorithm::EdDsa, "e");
        check(None, SigningAlgorithm::Es256, "unknown");
        check(None, SigningAlgorithm::Rs256, "unknown");
    }

    #[test]
    fn keys_of_one_id_that_cannot_be_told_apart_are_not_used() {
        let set = parse(&[p256(json!({})), p256(json!({}))]).expect("usable keys");
        assert!(matches!(set.find(Some("a"), SigningAlgorithm::Es256), KeyMatch::Unknown));
    }
}
