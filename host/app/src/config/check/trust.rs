//! Whose signature counts: each rule's key, plugins, capabilities and versions. Files of authorities are read later
//! (`crate::trust`).

use std::fmt::Display;
use std::str::FromStr;

use grille_trust::{IdPattern, Identity, PublicKey, Versions};

use super::Check;
use crate::config::at::At;
use crate::config::problem::Problem;
use crate::config::{TrustKey, TrustSettings, file};

impl Check<'_> {
    /// A rule. `None` goes with an error.
    pub(super) fn trust(&mut self, rule: &file::Trust) -> Option<TrustSettings> {
        self.not_empty("plugins", &rule.plugins);
        let key = self.trust_key(rule);
        let plugins: Vec<_> = rule.plugins.iter().map(|pattern| self.parsed::<IdPattern>(pattern)).collect();
        let capabilities: Vec<_> = rule.capabilities.iter().map(|word| self.capability(word)).collect();
        let versions = match &rule.versions {
            Some(versions) => Some(self.parsed::<Versions>(versions)?),
            None => None,
        };
        Some(TrustSettings {
            name: (**rule.name).to_owned(),
            key: key?,
            plugins: plugins.into_iter().collect::<Option<_>>()?,
            capabilities: capabilities.into_iter().collect::<Option<_>>()?,
            versions,
        })
    }

    fn trust_key(&mut self, rule: &file::Trust) -> Option<TrustKey> {
        match (&rule.minisign, &rule.sigstore) {
            (Some(key), None) => self.parsed::<PublicKey>(key).map(TrustKey::Minisign),
            (None, Some(sigstore)) => self.sigstore(sigstore),
            (Some(_), Some(_)) | (None, None) => {
                let message = format!("trust `{}` does not say whose signature counts", *rule.name);
                let problem = Problem::error(rule.name.span(), message);
                let help = "write either minisign = \"RW…\" or sigstore = { root = \"PATH\", identity = \"…\", \
                            issuer = \"…\" }; for two signers make two [[trust]]";
                self.problems.push(problem.help(help));
                None
            }
        }
    }

    fn sigstore(&mut self, sigstore: &file::Sigstore) -> Option<TrustKey> {
        for text in [&sigstore.identity, &sigstore.issuer] {
            if text.is_empty() {
                self.error(text, "this must not be empty");
                return None;
            }
        }
        let (subject, issuer) = (sigstore.identity.to_string(), sigstore.issuer.to_string());
        let root = self.path(&sigstore.root);
        Some(TrustKey::Sigstore { root, at: sigstore.root.span(), identity: Identity { subject, issuer } })
    }

    /// A value whose type says what it must be.
    fn parsed<T: FromStr<Err: Display>>(&mut self, text: &At<String>) -> Option<T> {
        text.parse().map_err(|error: T::Err| self.error(text, error.to_string())).ok()
    }
}
