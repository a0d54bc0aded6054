//! Who is asking: verification of OpenID Connect tokens into [`Principal`]s.
//!
//! What a principal may do is decided elsewhere. Tokens come from strangers: nothing here panics on them, keeps them or
//! repeats them, and the only network traffic they can cause is a bounded number of fetches of their issuer's keys.

mod cache;
mod claims;
mod fetch;
mod keys;
pub mod limits;
mod refusal;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use grille_core::Principal;
use tokio::time::{MissedTickBehavior, interval};

use crate::settings::{IssuerSettings, OnTokenExpiry};
use cache::IssuerKeys;
use keys::KeyMatch;
use token::{Claims, Unverified};

pub use cache::KeyStatus;
pub use fetch::IssuerError;
pub use limits::TOKEN_BYTES_MAX;
pub use refusal::TokenRefused;

/// How often [`TokenVerifier::keep_fresh`] looks whether keys are due.
const KEEP_FRESH_INTERVAL: Duration = Duration::from_secs(5);

/// Verifies tokens of the accepted issuers. Cheap to share; keys are cached within, and clones share them.
#[derive(Clone, Debug)]
pub struct TokenVerifier {
    issuers: Vec<Arc<IssuerKeys>>,
}

/// When a principal's token has expired, and what becomes of a session then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenExpiry {
    /// From then on it has: `exp`, and the issuer's leeway.
    pub at: SystemTime,
    /// The operator's rule.
    pub rule: OnTokenExpiry,
}

/// One issuer's state, for readiness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerStatus {
    /// Its name.
    pub issuer: String,
    /// Whether its tokens can be checked.
    pub keys: KeyStatus,
}

impl TokenVerifier {
    /// Reads certificate files, but reaches for no issuer: one that is down does not hold up the start.
    ///
    /// # Errors
    /// When an issuer could never be reached as it is configured, or two have the same name.
    pub fn new(issuers: &[Arc<IssuerSettings>]) -> Result<Self, IssuerError> {
        Self { issuers: Vec::new() }.reloaded(issuers)
    }

    /// A verifier for changed settings. Issuers whose settings are the same keep their keys, so that a reload during an
    /// outage locks nobody out.
    ///
    /// # Errors
    /// As [`TokenVerifier::new`].
    pub fn reloaded(&self, issuers: &[Arc<IssuerSettings>]) -> Result<Self, IssuerError> {
        let mut reloaded: Vec<Arc<IssuerKeys>> = Vec::with_capacity(issuers.len());
        for settings in issuers {
            if reloaded.iter().any(|other| other.settings().issuer == settings.issuer) {
                return Err(IssuerError::Duplicate(settings.issuer.clone()));
            }
            reloaded.push(match self.issuers.iter().find(|known| known.settings() == settings) {
                Some(known) => known.clone(),
                None => Arc::new(IssuerKeys::new(settings.clone())?),
            });
        }
        Ok(Self { issuers: reloaded })
    }

    /// Verifies a token at the time `now`. May wait for a fetch of keys, at most [`limits::FETCH_TIMEOUT`] twice.
    ///
    /// Cancel safe: a fetch goes on without the one who asked for it.
    ///
    /// # Errors
    /// [`TokenRefused`] says why; it holds no part of the token.
    pub async fn verify(&self, token: &str, now: SystemTime) -> Result<Principal, TokenRefused> {
        let token = Unverified::parse(token)?;
        // Unverified, so good for one thing: to choose whose keys must have signed the token.
        let name = token.issuer()?;
        let issuer = self.issuers.iter().find(|known| known.settings().issuer == name);
        let issuer = issuer.ok_or(TokenRefused::UnknownIssuer)?;
        if !issuer.settings().algorithms.contains(&token.algorithm()) {
            return Err(TokenRefused::AlgorithmNotAllowed);
        }
        let claims = check_signature(token, issuer, now).await?;
        claims::principal(&claims, issuer.settings(), now)
    }

    /// When the token of a principal has expired; none if its issuer's tokens are not accepted any more.
    pub fn expiry(&self, principal: &Principal) -> Option<TokenExpiry> {
        let issuer = self.issuers.iter().find(|known| known.settings().issuer == principal.issuer)?;
        let settings = issuer.settings();
        let valid = Duration::from_secs(principal.expires_at).saturating_add(settings.leeway);
        // A time that the clock cannot tell is none that a token may be valid until.
        let at = UNIX_EPOCH.checked_add(valid).unwrap_or(UNIX_EPOCH);
        Some(TokenExpiry { at, rule: settings.on_token_expiry })
    }

    /// Whether each issuer's tokens can be checked at the time `now`.
    pub fn issuer_status(&self, now: SystemTime) -> Vec<IssuerStatus> {
        let status = |issuer: &Arc<IssuerKeys>| IssuerStatus {
            issuer: issuer.settings().issuer.clone(),
            keys: issuer.status(now),
        };
        self.issuers.iter().map(status).collect()
    }

    /// Fetches the keys that are due soon, so that clients need not wait for it. Needless for correctness.
    pub async fn refresh_ahead(&self, now: SystemTime) {
        for issuer in &self.issuers {
            issuer.refresh_ahead(now).await;
        }
    }

    /// Calls [`TokenVerifier::refresh_ahead`] at once and then every few seconds. Never returns; cancel safe.
    pub async fn keep_fresh(&self) {
        let mut ticks = interval(KEEP_FRESH_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.refresh_ahead(SystemTime::now()).await;
        }
    }
}

/// Checks the signature with the issuer's key of the token's id; a key that is not known is looked for once more.
async fn check_signature(
    token: Unverified<'_>,
    issuer: &IssuerKeys,
    now: SystemTime,
) -> Result<Claims, TokenRefused> {
    let keys = issuer.usable(now).await.ok_or(TokenRefused::KeysUnavailable)?;
    match keys.find(token.key_id(), token.algorithm()) {
        KeyMatch::Found(key) => return token.verify(key),
        KeyMatch::OtherAlgorithm => return Err(TokenRefused::AlgorithmNotAllowed),
        KeyMatch::Unknown => {}
    }
    let keys = issuer.refetched(now).await.ok_or(TokenRefused::KeysUnavailable)?;
    match keys.find(token.key_id(), token.algorithm()) {
        KeyMatch::Found(key) => token.verify(key),
        KeyMatch::OtherAlgorithm => Err(TokenRefused::AlgorithmNotAllowed),
        KeyMatch::Unknown => Err(TokenRefused::UnknownKey),
    }
}
