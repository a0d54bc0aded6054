//! A token's form: JSON Web Signature in compact serialisation (RFC 7515, RFC 7519), hardened as RFC 8725 says.
//!
//! An [`Unverified`] token gives away its issuer, key id and algorithm, which choose the key; its claims come out only as
//! [`Claims`], through the signature check. `jku`, `x5u`, `x5c` and `jwk` in the header are never looked at.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::aws_lc;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::keys::VerificationKey;
use super::limits::TOKEN_BYTES_MAX;
use super::refusal::TokenRefused;
use crate::settings::SigningAlgorithm;

/// A well-formed token whose signature was not checked.
#[derive(Debug)]
pub(super) struct Unverified<'t> {
    header: Header,
    claims: Object,
    signed: &'t str,
    signature: &'t str,
}

#[derive(Debug)]
struct Header {
    algorithm: SigningAlgorithm,
    key_id: Option<String>,
}

/// The claims of a token whose signature was checked.
#[derive(Debug)]
pub(super) struct Claims(Object);

impl<'t> Unverified<'t> {
    /// Takes a token apart. `none` and HMAC end here, before any key is looked for.
    pub(super) fn parse(token: &'t str) -> Result<Self, TokenRefused> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenRefused::TooLarge);
        }
        let not_three = TokenRefused::Malformed("it does not have three parts");
        let (signed, signature) = token.rsplit_once('.').ok_or(not_three.clone())?;
        let (header, claims) = signed.split_once('.').ok_or(not_three.clone())?;
        if claims.contains('.') {
            return Err(not_three);
        }
        Ok(Self { header: Header::parse(header)?, claims: decode(claims)?, signed, signature })
    }

    /// What `iss` says; good for choosing whose keys to try and for nothing else.
    pub(super) fn issuer(&self) -> Result<&str, TokenRefused> {
        text(&self.claims, "iss")?.ok_or(TokenRefused::MissingClaim("iss"))
    }

    pub(super) fn algorithm(&self) -> SigningAlgorithm {
        self.header.algorithm
    }

    /// `kid`: compared with the ids of known keys, never anything else.
    pub(super) fn key_id(&self) -> Option<&str> {
        self.header.key_id.as_deref()
    }

    /// Checks the signature. The caller has seen to it that key and algorithm fit.
    pub(super) fn verify(self, key: &VerificationKey) -> Result<Claims, TokenRefused> {
        if self.is_signed_with(key) { Ok(Claims(self.claims)) } else { Err(TokenRefused::BadSignature) }
    }

    /// The provider is named here rather than left to the process, where another crate's features could change it. A
    /// signature that is not base64url, and a key that cannot be used, sign nothing.
    fn is_signed_with(&self, key: &VerificationKey) -> bool {
        let Ok(signature) = URL_SAFE_NO_PAD.decode(self.signature) else { return false };
        let verifier =
            (aws_lc::DEFAULT_PROVIDER.verifier_factory)(&self.algorithm().into(), key.decoding_key());
        verifier.is_ok_and(|verifier| verifier.verify(self.signed.as_bytes(), &signature).is_ok())
    }
}

impl Claims {
    /// A claim that is a string, where there is one.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<&str>, TokenRefused> {
        text(&self.0, name)
    }

    /// Any claim; `null` counts as absent.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.0.value(name)
    }
}

fn text<'o>(object: &'o Object, name: &'static str) -> Result<Option<&'o str>, TokenRefused> {
    match object.value(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(TokenRefused::InvalidClaim(name)),
    }
}

impl Header {
    fn parse(encoded: &str) -> Result<Self, TokenRefused> {
        let fields = decode(encoded)?;
        let algorithm = algorithm(fields.text("alg")?.unwrap_or_default())?;
        if fields.0.contains_key("crit") {
            return Err(TokenRefused::CriticalExtension);
        }
        if !fields.text("typ")?.is_none_or(is_token_type) {
            return Err(TokenRefused::WrongType);
        }
        let key_id = fields.text("kid")?.map(str::to_owned);
        Ok(Self { algorithm, key_id })
    }
}

/// RFC 7519, section 5.1 and RFC 9068, section 2.1; compared without case, with or without `application/`. Logout tokens,
/// proofs of possession and the like have types of their own and are no credential here.
fn is_token_type(typ: &str) -> bool {
    const PREFIX: &str = "application/";
    let short = match typ.get(..PREFIX.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => &typ[PREFIX.len()..],
        Some(_) | None => typ,
    };
    short.eq_ignore_ascii_case("jwt") || short.eq_ignore_ascii_case("at+jwt")
}

/// Names are case-sensitive; the two families that would undo the check are recognised in any case for a clear refusal.
fn algorithm(name: &str) -> Result<SigningAlgorithm, TokenRefused> {
    if name.is_empty() {
        return Err(TokenRefused::Malformed("its header names no algorithm"));
    }
    if name.eq_ignore_ascii_case("none") {
        return Err(TokenRefused::UnsecuredAlgorithm);
    }
    if name.get(..2).is_some_and(|family| family.eq_ignore_ascii_case("hs")) {
        return Err(TokenRefused::SymmetricAlgorithm);
    }
    SigningAlgorithm::from_jws_name(name).ok_or(TokenRefused::AlgorithmNotAllowed)
}

/// base64url of a JSON object.
fn decode(encoded: &str) -> Result<Object, TokenRefused> {
    let json = URL_SAFE_NO_PAD
        .decode(encoded)
        .map_err(|_| TokenRefused::Malformed("a part of it is not base64url"))?;
    serde_json::from_slice(&json)
        .map_err(|_| TokenRefused::Malformed("a part of it is not a JSON object with distinct names"))
}

/// A JSON object in which no name repeats: two readers of a token must not see two different claims.
#[derive(Debug)]
struct Object(Map<String, Value>);

impl Object {
    fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A header field.
    fn text(&self, name: &str) -> Result<Option<&str>, TokenRefused> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(TokenRefused::Malformed("a field of its header is not a string")),
        }
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DistinctNames;

        impl<'de> Visitor<'de> for DistinctNames {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with distinct names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Object, A::Error> {
                let mut object = Map::new();
                while let Some((name, value)) = entries.next_entry()? {
                    if object.insert(name, value).is_some() {
                        return Err(A::Error::custom("a name repeats"));
                    }
                }
                Ok(Object(object))
            }
        }

        deserializer.deserialize_map(DistinctNames)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(header: &str, claims: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn the_header_is_read_strictly() {
        let check = |header: &str, expected: Result<SigningAlgorithm, TokenRefused>| {
            let token = token(header, "{}");
            assert_eq!(Unverified::parse(&token).map(|token| token.algorithm()), expected, "{header}");
        };
        let es256 = Ok(SigningAlgorithm::Es256);
        let field = || Err(TokenRefused::Malformed("a field of its header is not a string"));
        let object = || Err(TokenRefused::Malformed("a part of it is not a JSON object with distinct names"));
        check(r#"{"alg":"ES256"}"#, es256.clone());
        check(r#"{"alg":"ES256","typ":"JWT"}"#, es256.clone());
        check(r#"{"alg":"ES256","typ":"at+JWT"}"#, es256.clone());
        check(r#"{"alg":"ES256","typ":"application/at+jwt"}"#, es256.clone());
        check(r#"{"alg":"ES256","typ":"logout+jwt"}"#, Err(TokenRefused::WrongType));
        check(r#"{"alg":"ES256","typ":"dpop+jwt"}"#, Err(TokenRefused::WrongType));
        check(r#"{"alg":"ES256","typ":""}"#, Err(TokenRefused::WrongType));
        check(r#"{"alg":"ES256","jku":"https://evil.example","x5u":7,"jwk":{"kty":"oct"}}"#, es256);
        for none in ["none", "None", "NONE", "nOnE"] {
            check(&format!(r#"{{"alg":"{none}"}}"#), Err(TokenRefused::UnsecuredAlgorithm));
        }
        for hmac in ["HS256", "HS384", "HS512", "hs256", "HS1"] {
            check(&format!(r#"{{"alg":"{hmac}"}}"#), Err(TokenRefused::SymmetricAlgorithm));
        }
        for other in ["es256", "ES256K", "ES512", "RSA-OAEP", " none", "RS256 "] {
            check(&format!(r#"{{"alg":"{other}"}}"#), Err(TokenRefused::AlgorithmNotAllowed));
        }
        check(r#"{"alg":"ES256","crit":["exp"]}"#, Err(TokenRefused::CriticalExtension));
        check(r#"{"alg":"ES256","crit":null}"#, Err(TokenRefused::CriticalExtension));
        check(r#"{"alg":["ES256"]}"#, field());
        check(r#"{"alg":"ES256","kid":7}"#, field());
        check("{}", Err(TokenRefused::Malformed("its header names no algorithm")));
        check(r#"{"alg":"ES256","alg":"none"}"#, object());
        check(r#"{"alg":"none","alg":"ES256"}"#, object());
        check(r#""ES256""#, object());
        check(r#"{"alg":"ES256"} x"#, object());
    }

    #[test]
    fn only_three_parts_are_a_token() {
        let three = TokenRefused::Malformed("it does not have three parts");
        let base64 = TokenRefused::Malformed("a part of it is not base64url");
        let check = |token: &str, expected: &TokenRefused| {
            assert_eq!(&Unverified::parse(token).expect_err(token), expected);
        };
        let whole = token(r#"{"alg":"ES256"}"#, "{}");
        check("", &three);
        check("password", &three);
        check("a.b", &three);
        check("a.b.c.d", &three);
        check(&format!("{whole}.x.y"), &three);
        check("..", &TokenRefused::Malformed("a part of it is not a JSON object with distinct names"));
        check(&format!(" {whole}"), &base64);
        check(&whole.replacen('.', "=.", 1), &base64);
        check(&"x".repeat(TOKEN_BYTES_MAX + 1), &TokenRefused::TooLarge);
    }

    proptest! {
        #[test]
        fn whatever_comes_never_panics(token in ".{0,200}", header in ".{0,80}", claims in ".{0,80}") {
            let _ = Unverified::parse(&token);
            let _ = Unverified::parse(&self::token(&header, &claims));
        }
    }
}
