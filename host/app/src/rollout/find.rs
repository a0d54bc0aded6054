//! What a look at the configuration and its files finds: revisions to be made ready anew, and candidates that have passed all
//! stages or have not. Done without any lock, for compilers take their time; `draft` takes it in.

use std::collections::BTreeMap;

use grille_core::rollout::RevisionId;
use grille_core::{Digest, PluginId};
use grille_plugin::Capability;

use super::candidate::{Candidate, Refusal, Stage, Vectors, Widening, canonical, digest_of};
use super::draft::{Draft, Found, Loss, Misfit, Remade, Tried};
use super::look::{Retry, Wanted, wanted};
use super::parallel;
use super::ready::{Maker, Ready, circumstances, used_as};
use crate::config::{Config, PluginSettings};
use crate::trust::Fetched;

/// What each plugin's file held at one moment, by the plugin's name.
pub(crate) type Files = BTreeMap<PluginId, Result<Fetched, Refusal>>;

/// What is to be found out, and by what it is judged.
pub(super) struct Look<'l> {
    pub(super) config: &'l Config,
    pub(super) files: &'l Files,
    pub(super) maker: Maker<'l>,
    /// Whether refused candidates are tried again although nothing has changed.
    pub(super) retry: Retry,
    pub(super) loss: Loss,
}

impl Look<'_> {
    /// Makes everything ready that the slots and their files ask for, several at once. Blocks for as long as that takes.
    pub(super) fn find(&self, before: &Draft) -> BTreeMap<PluginId, Found> {
        let found = parallel::map(&self.config.plugins, |slot| self.find_one(slot, before));
        self.config.plugins.iter().map(|slot| slot.name.clone()).zip(found).collect()
    }

    fn find_one(&self, slot: &PluginSettings, before: &Draft) -> Found {
        let file = self.files.get(&slot.name).and_then(|file| file.as_ref().ok());
        let mut found = Found { remade: self.remake(slot, before, file), ..Found::default() };
        let (file, settings) = match (self.files.get(&slot.name), canonical(&slot.settings)) {
            (Some(Ok(file)), Ok((_, settings))) => (file, settings),
            (Some(Err(refusal)), _) => {
                found.candidate = Some(Err(refusal.clone().into()));
                return found;
            }
            (_, Err(refusal)) => {
                found.candidate = Some(Err(refusal.into()));
                return found;
            }
            (None, Ok(_)) => return found,
        };
        let holds = RevisionId { digest: digest_of(&file.bytes), settings };
        let attempt = self.attempt(slot, holds, file);
        let retry = self.retry(slot, before, attempt);
        found.holds = Some(holds);
        found.attempt = Some(attempt);
        found.candidate = self.candidate(slot, before, holds, retry, file, &found.remade);
        found
    }

    /// Those of the slot's revisions that are not ready under the circumstances as they are now.
    fn remake(&self, slot: &PluginSettings, before: &Draft, file: Option<&Fetched>) -> Vec<Remade> {
        let now = circumstances(slot, self.maker.rules);
        let placed = before.slots.slot(&slot.name).into_iter().flat_map(|placed| placed.revisions());
        let is_ready = |revision: &RevisionId| {
            before.ready.find(&slot.name, revision).is_some_and(|ready| ready.circumstances == now)
        };
        let stale = placed.filter(|revision| !is_ready(revision));
        stale.map(|revision| (revision, self.maker.remake(slot, revision, file))).collect()
    }

    /// Leads the candidate through the stages, if there is one.
    fn candidate(
        &self,
        slot: &PluginSettings,
        before: &Draft,
        holds: RevisionId,
        retry: Retry,
        file: &Fetched,
        remade: &[Remade],
    ) -> Option<Tried> {
        let is_lost =
            |revision: RevisionId| remade.iter().any(|(one, made)| *one == revision && made.is_err());
        let placed = before.slots.slot(&slot.name);
        // At the start, a slot in which nothing can judge is as good as empty.
        let placed = placed.filter(|placed| {
            let mut judges = std::iter::once(placed.active().revision).chain(placed.previous());
            self.loss == Loss::Refuse || !judges.all(is_lost)
        });
        let kept;
        let (revision, fetched) =
            match placed.map_or(Wanted::File(holds), |placed| wanted(placed, holds, retry)) {
                Wanted::Nothing => return None,
                Wanted::File(revision) => (revision, file),
                Wanted::Active(revision) => match self.maker.component(slot, revision.digest) {
                    Ok(component) => {
                        kept = component;
                        (revision, &kept)
                    }
                    Err(refusal) => return Some(Err(Misfit { revision: Some(revision), refusal })),
                },
            };
        let widening = self.widening(slot, before, remade);
        let world = placed.and_then(|_| {
            let active = || Some(self.serves(slot, before, remade)?.plugin.world());
            used_as(self.config, &slot.name).or_else(active)
        });
        let values = &slot.settings;
        let candidate = Candidate { slot, values, fetched, world, widening, vectors: Vectors::Run };
        Some(self.maker.make(&candidate).map_err(|refusal| Misfit { revision: Some(revision), refusal }))
    }

    /// What judges if the candidate does not: the active revision, or where that is lost at the start, the one before.
    fn serves<'r>(
        &self,
        slot: &PluginSettings,
        before: &'r Draft,
        remade: &'r [Remade],
    ) -> Option<&'r Ready> {
        let placed = before.slots.slot(&slot.name)?;
        let made = |revision: RevisionId| {
            let (_, made) = remade.iter().find(|(one, _)| *one == revision)?;
            made.as_ref().ok()
        };
        let active = placed.active().revision;
        let active = made(active).or_else(|| before.ready.find(&slot.name, &active));
        match self.loss {
            Loss::Refuse => active,
            Loss::FallBack => active.or_else(|| placed.previous().and_then(made)),
        }
    }

    /// What the active revision imports, and what the configuration grants now and did not before. Where no revision is there to
    /// be asked, what is remembered of the last; that something was granted is never enough.
    fn widening(&self, slot: &PluginSettings, before: &Draft, remade: &[Remade]) -> Widening {
        let Some(remembered) = before.slots.remembered(&slot.name) else { return Widening::Any };
        let granted = || slot.grants.capabilities.iter().copied();
        let new = granted().filter(|one| !remembered.granted.contains(one.as_str()));
        let was_imported =
            |one: &Capability| remembered.imports.is_some_and(|words| words.contains(one.as_str()));
        let imported: Vec<Capability> = match self.serves(slot, before, remade) {
            Some(ready) => ready.plugin.capabilities().collect(),
            None => granted().filter(was_imported).collect(),
        };
        Widening::Within(imported.into_iter().chain(new).collect())
    }

    /// Whether the file's candidate is tried again if it was refused. What a command named and was refused is the operator's to
    /// name again, although the file may hold the same.
    fn retry(&self, slot: &PluginSettings, before: &Draft, attempt: Digest) -> Retry {
        let refused = before.slots.slot(&slot.name).and_then(|placed| placed.refused());
        let Some(refused) = refused.filter(|refused| refused.file == slot.file.display().to_string()) else {
            return Retry::No;
        };
        // It passed, and found another slot's canary in its way.
        let was_crowded_out = refused.stage == Stage::Admission.as_str();
        let is_free = before.slots.canary().is_none_or(|canary| *canary == slot.name);
        match before.attempts.get(&slot.name) {
            Some(last) if *last == attempt && !(was_crowded_out && is_free) => self.retry,
            Some(_) | None => Retry::Yes,
        }
    }

    /// Names all that decides whether the file's revision passes.
    fn attempt(&self, slot: &PluginSettings, holds: RevisionId, file: &Fetched) -> Digest {
        let signature = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| digest_of(bytes));
        let signatures = (signature(&file.signatures.minisign), signature(&file.signatures.sigstore));
        let world = used_as(self.config, &slot.name);
        let judged_by = circumstances(slot, self.maker.rules);
        digest_of(format!("{:?}", (holds, signatures, judged_by, world, &slot.rollout.target)).as_bytes())
    }
}
