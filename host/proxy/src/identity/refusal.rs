//! Why a token is refused, and what its bearer is told. Nothing here holds or repeats any part of a token.

use grille_core::{ClientMessage, Fault, SqlState};

use super::limits::{GROUPS_MAX, TOKEN_BYTES_MAX};

/// Why a token is refused. `Display` is what log and client may both read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// Longer than [`TOKEN_BYTES_MAX`].
    #[error("the token is longer than {TOKEN_BYTES_MAX} bytes")]
    TooLarge,
    /// Not a signed JSON Web Token in compact form (RFC 7515, section 7.1).
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// `alg` is `none`.
    #[error("the token is not signed")]
    UnsecuredAlgorithm,
    /// `alg` is of the HMAC family, whose keys an issuer cannot publish.
    #[error("the token is signed with a shared secret")]
    SymmetricAlgorithm,
    /// `alg` is not among the issuer's, or is not one the named key is for.
    #[error("the token's signature algorithm is not accepted for its issuer")]
    AlgorithmNotAllowed,
    /// `crit` demands that an extension be understood; none is.
    #[error("the token demands an extension that is not supported")]
    CriticalExtension,
    /// `typ` says it is something else than a JSON Web Token, or one for another purpose.
    #[error("the token is of another type than an access or ID token")]
    WrongType,
    /// `iss` is not an accepted issuer.
    #[error("the token's issuer is not accepted")]
    UnknownIssuer,
    /// The issuer's keys are not known, or too old, and cannot be fetched.
    #[error("the token cannot be checked: the keys of its issuer cannot be fetched")]
    KeysUnavailable,
    /// The issuer has no such key.
    #[error("the token is signed with a key that its issuer does not publish")]
    UnknownKey,
    /// The signature is not that of the key over this token.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// A claim that is needed is not there.
    #[error("the token has no claim `{0}`")]
    MissingClaim(&'static str),
    /// A claim is there, in another form than it must have.
    #[error("the token's claim `{0}` has the wrong form")]
    InvalidClaim(&'static str),
    /// `exp` is past.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is to come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iat` is to come.
    #[error("the token says that it was issued in the future")]
    IssuedInFuture,
    /// `aud` has none of the accepted audiences.
    #[error("the token is for another audience")]
    WrongAudience,
    /// `azp` or `client_id` is none of the accepted ones.
    #[error("the token was issued to an application that is not accepted")]
    WrongParty,
    /// More than [`GROUPS_MAX`] groups.
    #[error("the token lists more than {GROUPS_MAX} groups")]
    TooManyGroups,
}

impl TokenRefused {
    /// What the bearer is told, with what to do next.
    pub fn client_message(&self) -> ClientMessage {
        ClientMessage::new(self.state(), self.to_string()).hint(self.advice())
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::KeysUnavailable => Fault::Operator,
            Self::TooLarge
            | Self::Malformed(_)
            | Self::UnsecuredAlgorithm
            | Self::SymmetricAlgorithm
            | Self::AlgorithmNotAllowed
            | Self::CriticalExtension
            | Self::WrongType
            | Self::UnknownIssuer
            | Self::UnknownKey
            | Self::BadSignature
            | Self::MissingClaim(_)
            | Self::InvalidClaim(_)
            | Self::Expired
            | Self::NotYetValid
            | Self::IssuedInFuture
            | Self::WrongAudience
            | Self::WrongParty
            | Self::TooManyGroups => Fault::Client,
        }
    }

    /// Clients may ask for another password on 28P01; that helps in no case in which the token was never looked at.
    fn state(&self) -> SqlState {
        match self.fault() {
            Fault::Client => SqlState::InvalidPassword,
            Fault::Upstream | Fault::Plugin | Fault::Operator | Fault::Grille => {
                SqlState::InvalidAuthorization
            }
        }
    }

    fn advice(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "Give an OpenID Connect token as the password.",
            Self::TooLarge | Self::TooManyGroups => {
                "Ask the issuer for a token with fewer groups, for example only those meant for the gateway."
            }
            Self::UnsecuredAlgorithm
            | Self::SymmetricAlgorithm
            | Self::AlgorithmNotAllowed
            | Self::CriticalExtension
            | Self::WrongType => {
                "Use an access token or ID token that the issuer signed with a key pair, by an algorithm the gateway \
                 accepts."
            }
            Self::UnknownIssuer => "Sign in at an issuer that the gateway accepts.",
            Self::KeysUnavailable => "Try again later; if it persists, tell the operator of the gateway.",
            Self::UnknownKey | Self::BadSignature | Self::Expired => "Sign in again to get a new token.",
            Self::MissingClaim(_) | Self::InvalidClaim(_) => {
                "Have the issuer put the claim into the tokens it issues for the gateway."
            }
            Self::NotYetValid | Self::IssuedInFuture => {
                "Wait until it is valid, or have the clocks of issuer and gateway compared."
            }
            Self::WrongAudience => "Ask the issuer for a token whose audience is the gateway.",
            Self::WrongParty => "Sign in with an application that the gateway accepts.",
        }
    }
}
