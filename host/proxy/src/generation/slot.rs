//! What fills a plugin's place in the configuration, and what is tried for it.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use grille_core::{PluginId, Principal, Share};
use grille_plugin::{Plugin, Tenure};

use super::GenerationError;

/// A plugin of the configuration: what is active under its name, and what is tried.
#[derive(Clone, Debug)]
pub struct Slot {
    /// What judges.
    pub active: Arc<Plugin>,
    /// A candidate that may take its place one day.
    pub trial: Option<Trial>,
}

/// A candidate and how it is tried.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The candidate, under the slot's name, and [`Plugin::on_trial`].
    pub plugin: Arc<Plugin>,
    /// How it is tried.
    pub kind: TrialKind,
}

/// How a candidate is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialKind {
    /// Beside the path: what it says is compared and counts for nothing.
    Shadow,
    /// On the path, in place of the active one, for a share of the principals. Each stays on its side for as long as the
    /// candidate is a canary, and when the share grows those who were in it stay in it.
    Canary {
        /// How many.
        share: Share,
    },
}

impl Slot {
    /// A slot in which nothing is tried.
    pub fn of(active: Arc<Plugin>) -> Self {
        Self { active, trial: None }
    }

    /// The candidate that is tried beside the path.
    pub fn shadow(&self) -> Option<&Arc<Plugin>> {
        let trial = self.trial.as_ref()?;
        match trial.kind {
            TrialKind::Shadow => Some(&trial.plugin),
            TrialKind::Canary { .. } => None,
        }
    }

    /// The candidate that speaks to a share of the principals.
    pub fn canary(&self) -> Option<(&Arc<Plugin>, Share)> {
        let trial = self.trial.as_ref()?;
        match trial.kind {
            TrialKind::Canary { share } => Some((&trial.plugin, share)),
            TrialKind::Shadow => None,
        }
    }
}

/// The canary of a generation.
#[derive(Debug)]
pub(super) struct Canary {
    pub(super) slot: PluginId,
    digest: String,
    share: Share,
}

impl Canary {
    /// Whether it speaks to the principal.
    pub(super) fn is_for(&self, principal: &Principal) -> bool {
        self.share.covers(place(principal, &self.digest))
    }
}

/// Where a principal stands among all of them in the order that a candidate's digest gives: from 0 to [`Share::PARTS`] - 1.
/// Another candidate gives another order, so that it is not always the same ones who try what is new.
fn place(principal: &Principal, candidate: &str) -> u16 {
    let mut hash = Context::new(&SHA256);
    for text in [&*principal.issuer, &*principal.subject, candidate] {
        hash.update(&(text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    let digest = hash.finish();
    let first = digest.as_ref().first_chunk().copied().expect("SHA-256 has 32 bytes");
    let place = u64::from_be_bytes(first) % u64::from(Share::PARTS);
    u16::try_from(place).expect("less than Share::PARTS")
}

/// Whether the slots can stand beside each other; gives their canary.
pub(super) fn check(slots: &HashMap<PluginId, Slot>) -> Result<Option<Canary>, GenerationError> {
    let mut canary: Option<Canary> = None;
    for (name, slot) in slots {
        check_one(name, slot)?;
        let Some((plugin, share)) = slot.canary() else { continue };
        if let Some(other) = canary {
            let (first, second) = (other.slot, name.clone());
            return Err(GenerationError::SeveralCanaries { first, second });
        }
        canary = Some(Canary { slot: name.clone(), digest: plugin.record().digest.clone(), share });
    }
    Ok(canary)
}

fn check_one(name: &PluginId, slot: &Slot) -> Result<(), GenerationError> {
    let candidate = slot.trial.as_ref().map(|trial| &trial.plugin);
    if let Some(plugin) = [&slot.active].into_iter().chain(candidate).find(|plugin| plugin.id() != name) {
        return Err(GenerationError::Misnamed { plugin: name.clone(), other: plugin.id().clone() });
    }
    let is_tried = candidate.is_none_or(|candidate| candidate.tenure() == Tenure::Trial);
    if slot.active.tenure() != Tenure::Active || !is_tried {
        return Err(GenerationError::Misplaced { plugin: name.clone() });
    }
    let active = slot.active.world();
    match candidate.map(|candidate| candidate.world()).filter(|candidate| *candidate != active) {
        Some(candidate) => Err(GenerationError::OtherWorld { plugin: name.clone(), active, candidate }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use grille_core::PrincipalKind;

    use super::*;

    /// Computed with another implementation of SHA-256: who is in a canary must not change with a version of Grille.
    #[test]
    fn a_principal_has_its_place_for_a_candidate() {
        let placed = |issuer: &str, subject: &str, digest: &str| {
            let principal = Principal {
                issuer: issuer.to_owned(),
                subject: subject.to_owned(),
                groups: vec![],
                kind: PrincipalKind::Human,
                token_id: None,
                expires_at: 0,
            };
            place(&principal, digest)
        };
        let check = |issuer, subject, digest, expected| {
            assert_eq!(placed(issuer, subject, digest), expected, "{issuer} {subject} {digest}");
        };
        check("https://id.example.com", "ada", "ab", 3_332);
        check("https://id.example.com", "ada", "cd", 2_677);
        check("https://id.example.com", "bob", "ab", 227);
        check("", "", "", 5_838);
        assert_ne!(placed("a", "bc", "d"), placed("ab", "c", "d"), "a text does not run over into the next");
    }
}
