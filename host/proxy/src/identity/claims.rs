//! From verified claims to a principal: audience, times, authorised party, groups, kind. Pure; the time is passed in.

use std::time::{SystemTime, UNIX_EPOCH};

use grille_core::{Principal, PrincipalKind};
use serde_json::Value;

use super::limits::GROUPS_MAX;
use super::refusal::TokenRefused;
use super::token::Claims;
use crate::settings::IssuerSettings;

/// Judges the claims of a token whose signature was checked with a key of this issuer.
pub(super) fn principal(
    claims: &Claims,
    issuer: &IssuerSettings,
    now: SystemTime,
) -> Result<Principal, TokenRefused> {
    if claims.text("iss")? != Some(&issuer.issuer) {
        return Err(TokenRefused::UnknownIssuer);
    }
    check_audience(claims, issuer)?;
    check_party(claims, issuer)?;
    let expires_at = check_times(claims, issuer, now)?;
    let subject = claims.text("sub")?.filter(|subject| !subject.is_empty());
    let subject = subject.ok_or(TokenRefused::MissingClaim("sub"))?;
    Ok(Principal {
        issuer: issuer.issuer.clone(),
        subject: subject.to_owned(),
        groups: groups(claims, issuer)?,
        kind: kind(claims, issuer, subject)?,
        token_id: claims.text("jti")?.map(str::to_owned),
        expires_at,
    })
}

/// RFC 7519, section 4.1.3: a string or an array of strings.
fn check_audience(claims: &Claims, issuer: &IssuerSettings) -> Result<(), TokenRefused> {
    let audiences = strings(claims, "aud", "aud")?.ok_or(TokenRefused::MissingClaim("aud"))?;
    let ours = audiences.iter().any(|audience| issuer.audiences.iter().any(|own| own == audience));
    if ours { Ok(()) } else { Err(TokenRefused::WrongAudience) }
}

/// `azp` (OpenID Connect Core, section 2) and `client_id` (RFC 9068, section 2.2): each that is there must be listed.
fn check_party(claims: &Claims, issuer: &IssuerSettings) -> Result<(), TokenRefused> {
    if issuer.authorized_parties.is_empty() {
        return Ok(());
    }
    let parties: Vec<&str> = [claims.text("azp")?, claims.text("client_id")?].into_iter().flatten().collect();
    if parties.is_empty() {
        return Err(TokenRefused::MissingClaim("azp"));
    }
    let listed = |party: &&str| issuer.authorized_parties.iter().any(|accepted| accepted == party);
    if parties.iter().all(listed) { Ok(()) } else { Err(TokenRefused::WrongParty) }
}

/// Gives `exp`, in seconds since the epoch.
fn check_times(claims: &Claims, issuer: &IssuerSettings, now: SystemTime) -> Result<u64, TokenRefused> {
    // Before 1970 every token is one of the future.
    let now = now.duration_since(UNIX_EPOCH).map_err(|_| TokenRefused::NotYetValid)?.as_secs();
    let leeway = issuer.leeway.as_secs();
    let expires_at = seconds(claims, "exp")?.ok_or(TokenRefused::MissingClaim("exp"))?;
    if now >= expires_at.saturating_add(leeway) {
        return Err(TokenRefused::Expired);
    }
    let latest = now.saturating_add(leeway);
    if seconds(claims, "nbf")?.is_some_and(|not_before| not_before > latest) {
        return Err(TokenRefused::NotYetValid);
    }
    if seconds(claims, "iat")?.is_some_and(|issued_at| issued_at > latest) {
        return Err(TokenRefused::IssuedInFuture);
    }
    Ok(expires_at)
}

/// A NumericDate (RFC 7519, section 2), which may have a fraction; it is cut off.
fn seconds(claims: &Claims, name: &'static str) -> Result<Option<u64>, TokenRefused> {
    /// Up to here every integer is a double.
    const SECONDS_MAX: f64 = 9_007_199_254_740_992.0;
    let Some(value) = claims.value(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..=SECONDS_MAX).contains(seconds));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0 and 2^53")]
    seconds.map(|seconds| Some(seconds as u64)).ok_or(TokenRefused::InvalidClaim(name))
}

/// No claim, no groups; role selection turns those away that need some.
fn groups(claims: &Claims, issuer: &IssuerSettings) -> Result<Vec<String>, TokenRefused> {
    let groups = strings(claims, &issuer.groups_claim, "groups")?.unwrap_or_default();
    if groups.len() > GROUPS_MAX {
        return Err(TokenRefused::TooManyGroups);
    }
    Ok(groups.into_iter().map(str::to_owned).collect())
}

/// A claim that is a string or an array of strings; `known_as` names it in a refusal.
fn strings<'c>(
    claims: &'c Claims,
    name: &str,
    known_as: &'static str,
) -> Result<Option<Vec<&'c str>>, TokenRefused> {
    match claims.value(name) {
        None => Ok(None),
        Some(Value::String(one)) => Ok(Some(vec![one])),
        Some(Value::Array(many)) => {
            let strings: Option<Vec<&str>> = many.iter().map(Value::as_str).collect();
            strings.map(Some).ok_or(TokenRefused::InvalidClaim(known_as))
        }
        Some(_) => Err(TokenRefused::InvalidClaim(known_as)),
    }
}

/// A token of the client credentials grant has the client itself as subject (RFC 9068, section 2.2), or says so by `gty`.
fn kind(claims: &Claims, issuer: &IssuerSettings, subject: &str) -> Result<PrincipalKind, TokenRefused> {
    let agent = issuer.agent_claim.as_deref().and_then(|claim| claims.value(claim));
    if agent.is_some_and(|claim| claim != &Value::Bool(false)) {
        return Ok(PrincipalKind::Agent);
    }
    let is_client = claims.text("client_id")? == Some(subject) || claims.text("azp")? == Some(subject);
    let is_machine = claims.value("gty").and_then(Value::as_str) == Some("client-credentials");
    Ok(if is_client || is_machine { PrincipalKind::Workload } else { PrincipalKind::Human })
}
