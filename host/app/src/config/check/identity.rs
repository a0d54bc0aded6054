//! Issuers: whose tokens are believed, and how their keys are fetched.

use grille_proxy::settings::{IssuerSettings, OnTokenExpiry, SigningAlgorithm};

use super::{Check, is_loopback_host};
use crate::config::at::At;
use crate::config::file::{self, ACCEPT_PLAINTEXT_KEYS, Algorithm};
use crate::config::problem::Problem;

impl Check<'_> {
    /// An issuer.
    pub(super) fn issuer(&mut self, issuer: &file::Issuer) -> Option<IssuerSettings> {
        let accepted = self.accepts(issuer.insecure_http.as_ref(), ACCEPT_PLAINTEXT_KEYS);
        for url in [Some(&issuer.issuer), issuer.jwks_uri.as_ref()].into_iter().flatten() {
            self.url(url, accepted.then_some(ACCEPT_PLAINTEXT_KEYS));
        }
        self.not_empty("audiences", &issuer.audiences);
        self.not_empty("algorithms", &issuer.algorithms);
        let words = issuer.audiences.iter().chain(&issuer.authorized_parties).chain([&issuer.groups_claim]);
        for word in words.chain(&issuer.agent_claim).filter(|word| word.is_empty()) {
            self.error(word, "this must not be empty");
        }
        let outage = self.period("outage", &issuer.outage, 0, 24 * 3_600_000);
        let refresh = self.period("refresh", &issuer.refresh, 1000, 24 * 3_600_000);
        let leeway = self.period("leeway", &issuer.leeway, 0, 300_000);
        Some(IssuerSettings {
            issuer: (*issuer.issuer).clone(),
            audiences: texts(&issuer.audiences),
            authorized_parties: texts(&issuer.authorized_parties),
            algorithms: issuer.algorithms.iter().copied().map(algorithm).collect(),
            groups_claim: (*issuer.groups_claim).clone(),
            agent_claim: issuer.agent_claim.as_deref().cloned(),
            jwks_uri: issuer.jwks_uri.as_deref().cloned(),
            ca: self.optional_path(issuer.ca.as_ref()),
            outage: outage?,
            refresh: refresh?,
            leeway: leeway?,
            on_token_expiry: on_token_expiry(issuer.on_token_expiry),
        })
    }

    /// `https`, or `http` where nobody listens in, or where the operator said so.
    fn url(&mut self, url: &At<String>, accepted: Option<&str>) {
        let host = |rest: &str| {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned();
            match authority.rsplit_once(':') {
                Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host.to_owned(),
                Some(_) | None => authority,
            }
        };
        match url.split_once("://") {
            Some((_, rest)) if host(rest).is_empty() || rest.contains('@') => {
                self.error(url, "this is not a URL with a host and without user and password");
            }
            Some(("https", _)) => {}
            Some(("http", rest)) if is_loopback_host(&host(rest)) || accepted.is_some() => {}
            Some(("http", _)) => {
                let problem = Problem::error(
                    url.span(),
                    "signing keys fetched over http can be replaced by whoever is on the network",
                );
                self.problems.push(problem.help(format!(
                    "use https (`ca` names a private authority), or add insecure_http = \"{ACCEPT_PLAINTEXT_KEYS}\""
                )));
            }
            Some(_) | None => self.error(url, "this is not an https URL"),
        }
    }
}

fn texts(list: &[At<String>]) -> Vec<String> {
    list.iter().map(|text| (**text).clone()).collect()
}

fn on_token_expiry(word: file::OnTokenExpiry) -> OnTokenExpiry {
    match word {
        file::OnTokenExpiry::Finish => OnTokenExpiry::Finish,
        file::OnTokenExpiry::Refuse => OnTokenExpiry::Refuse,
        file::OnTokenExpiry::End => OnTokenExpiry::End,
    }
}

fn algorithm(algorithm: Algorithm) -> SigningAlgorithm {
    match algorithm {
        Algorithm::Rs256 => SigningAlgorithm::Rs256,
        Algorithm::Rs384 => SigningAlgorithm::Rs384,
        Algorithm::Rs512 => SigningAlgorithm::Rs512,
        Algorithm::Ps256 => SigningAlgorithm::Ps256,
        Algorithm::Ps384 => SigningAlgorithm::Ps384,
        Algorithm::Ps512 => SigningAlgorithm::Ps512,
        Algorithm::Es256 => SigningAlgorithm::Es256,
        Algorithm::Es384 => SigningAlgorithm::Es384,
        Algorithm::EdDsa => SigningAlgorithm::EdDsa,
    }
}
