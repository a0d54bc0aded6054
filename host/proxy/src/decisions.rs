//! Decisions of one generation that may be used again, because they are a pure function of what they were made from.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use grille_core::audit::StatementRecord;
use grille_core::{Action, Decision, Effect, PluginId, Role};
use grille_wire::postgres::Statement;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Equivalent, Weighter};

use crate::catalog::{Rests, Rules, Snapshot};
use crate::lineage::{Behind, PathDigest, Refusal, RoundTrip, Traced, calls_beyond_builtin};

/// Most statements remembered in one generation.
const STATEMENTS_CACHED_MAX: usize = 20_000;
/// Most bytes, roughly, that each of the two memories of one generation may take.
const CACHED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// SHA-256, cut to 128 bits, over the asker's fields, each with its length.
pub(crate) type AskerDigest = [u8; 16];

/// A statement that was understood, and what was decided about it.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) statement: Arc<Statement>,
    /// For FETCH and EXECUTE: what stands behind the name, whose results come back.
    pub(crate) behind: Vec<Behind>,
    pub(crate) decision: Decision,
    pub(crate) records: Arc<Vec<StatementRecord>>,
    /// Whether the same would be decided again: every policy has judged.
    pub(crate) is_repeatable: bool,
    /// Whether results are masked, by the role or by an obligation.
    pub(crate) is_restricted: bool,
    pub(crate) rules: Rules,
    /// Its lineage; none where nothing is masked, where nothing is read, or where it was refused before.
    pub(crate) traced: Option<Arc<Traced>>,
    /// What its lineage rests on.
    pub(crate) footing: Footing,
    /// What of it is turned back from tokens.
    pub(crate) round_trip: RoundTrip,
    /// Why lineage refuses it.
    pub(crate) refusal: Option<Refusal>,
}

/// What a statement's lineage rests on that other sessions may define anew.
#[derive(Debug)]
pub(crate) enum Footing {
    /// It has none.
    Nothing,
    /// On what these names mean.
    Names(Arc<Rests>),
    /// It takes no name to mean what the catalogue says.
    Unsure,
}

impl Judged {
    /// Whether the judgement rests on what names stand for.
    pub(crate) fn uses_names(&self) -> bool {
        names_something(&self.statement)
    }

    /// What runs: the statements themselves, and those behind the names they give.
    pub(crate) fn actions(&self) -> impl Iterator<Item = &Action> {
        let behind = self.behind.iter().flat_map(|behind| &behind.statement.actions);
        self.statement.actions.iter().chain(behind)
    }

    /// Whether its results pass as bytes: nothing is to be looked at, and nothing protected is in them.
    pub(crate) fn passes(&self, role: &Role) -> bool {
        let is_clean = || self.traced.as_ref().is_some_and(|traced| traced.is_clean());
        !self.is_restricted || role.detectors.is_empty() && is_clean()
    }

    /// Whether notifications that it sends may hold protected values: nobody looked into it, it calls what nobody looks
    /// into, or it touches protected columns and does more than read or calls functions that do.
    pub(crate) fn may_notify(&self, snapshot: Option<&Snapshot>) -> bool {
        let calls_unknown = self.traced.as_ref().is_some_and(|traced| traced.calls_unknown_functions());
        if !self.is_restricted || calls_unknown {
            return true;
        }
        let sends = |action: &Action| {
            !SENDS_NOTHING.contains(action.effects)
                || snapshot.is_none_or(|snapshot| calls_beyond_builtin(action, snapshot))
        };
        self.touches_protected() && self.actions().any(sends)
    }

    /// Whether what the server says about it may quote protected values.
    pub(crate) fn touches_protected(&self) -> bool {
        match &self.traced {
            Some(traced) => traced.touches_protected(),
            None => self.is_restricted && !self.rules.is_empty() && self.actions().any(ends_something),
        }
    }
}

/// What only reads, as far as notifications go.
const SENDS_NOTHING: Effect =
    Effect::READ.union(Effect::LOCK).union(Effect::TRANSACTION).union(Effect::SESSION);

/// Whether constraints that were put off may fail in it, whatever it says itself.
fn ends_something(action: &Action) -> bool {
    matches!(action.kind.as_str(), "commit" | "prepare transaction" | "set constraints")
}

pub(crate) fn names_something(statement: &Statement) -> bool {
    statement.actions.iter().any(|action| action.names.is_some())
}

/// Decisions of one generation that may be used again. Gone with it.
#[derive(Debug)]
pub(crate) struct DecisionCache {
    /// By text as sent: a repeated statement costs one look-up.
    pub(crate) statements: Cache<OwnedTextKey, Arc<Judged>, TextWeight>,
    /// By action and policy: statements that differ in literals only cost a parse but no call.
    pub(crate) actions: Cache<OwnedActionKey, Decision, ActionWeight>,
}

impl DecisionCache {
    /// Everything is judged anew.
    pub(crate) fn forget(&self) {
        self.statements.clear();
        self.actions.clear();
    }

    pub(crate) fn new() -> Self {
        Self {
            statements: Cache::with(
                STATEMENTS_CACHED_MAX,
                CACHED_BYTES_MAX,
                TextWeight,
                DefaultHashBuilder::default(),
                quick_cache::sync::DefaultLifecycle::default(),
            ),
            actions: Cache::with(
                STATEMENTS_CACHED_MAX,
                CACHED_BYTES_MAX,
                ActionWeight,
                DefaultHashBuilder::default(),
                quick_cache::sync::DefaultLifecycle::default(),
            ),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OwnedTextKey {
    asker: AskerDigest,
    catalogue: u64,
    path: PathDigest,
    text: Bytes,
}

/// A text, and all that its judgement rests on beside the generation.
#[derive(Debug, Hash)]
pub(crate) struct TextKey<'k> {
    pub(crate) asker: AskerDigest,
    /// The catalogue's version; 0 where there is none.
    pub(crate) catalogue: u64,
    /// Where unqualified names are looked up.
    pub(crate) path: PathDigest,
    pub(crate) text: &'k Bytes,
}

impl TextKey<'_> {
    pub(crate) fn to_owned(&self) -> OwnedTextKey {
        let Self { asker, catalogue, path, text } = *self;
        OwnedTextKey { asker, catalogue, path, text: text.clone() }
    }
}

impl Equivalent<OwnedTextKey> for TextKey<'_> {
    fn equivalent(&self, key: &OwnedTextKey) -> bool {
        (self.asker, self.catalogue, self.path) == (key.asker, key.catalogue, key.path)
            && *self.text == key.text
    }
}

#[derive(Clone, Debug)]
pub(crate) struct TextWeight;

impl Weighter<OwnedTextKey, Arc<Judged>> for TextWeight {
    fn weight(&self, key: &OwnedTextKey, judged: &Arc<Judged>) -> u64 {
        // The records say again what the actions hold.
        let actions: usize = judged.statement.actions.iter().map(|action| 2 * weight(action)).sum();
        let lineage = judged.traced.as_ref().map_or(0, |traced| traced.weight());
        (key.text.len() + actions + lineage) as u64
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ActionWeight;

impl Weighter<OwnedActionKey, Decision> for ActionWeight {
    fn weight(&self, key: &OwnedActionKey, _: &Decision) -> u64 {
        weight(&key.action) as u64
    }
}

/// Bytes that an action takes, roughly.
pub(crate) fn weight(action: &Action) -> usize {
    let names: usize = action.objects.iter().map(|object| object.name.len() + 48).sum();
    let columns: usize = action.columns.iter().map(|column| column.len() + 24).sum();
    512 + action.text.len() + names + columns + action.inner.as_deref().map_or(0, weight)
}

/// The whole action is compared, so a collision of fingerprints decides nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnedActionKey {
    pub(crate) asker: AskerDigest,
    pub(crate) policy: PluginId,
    pub(crate) action: Action,
}

#[derive(Debug)]
pub(crate) struct ActionKey<'k> {
    pub(crate) asker: AskerDigest,
    pub(crate) policy: &'k PluginId,
    pub(crate) action: &'k Action,
}

impl ActionKey<'_> {
    pub(crate) fn to_owned(&self) -> OwnedActionKey {
        OwnedActionKey { asker: self.asker, policy: self.policy.clone(), action: self.action.clone() }
    }
}

impl Equivalent<OwnedActionKey> for ActionKey<'_> {
    fn equivalent(&self, key: &OwnedActionKey) -> bool {
        self.asker == key.asker && *self.policy == key.policy && *self.action == key.action
    }
}

impl Hash for OwnedActionKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        ActionKey { asker: self.asker, policy: &self.policy, action: &self.action }.hash(state);
    }
}

impl Hash for ActionKey<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.asker, self.policy, self.action.fingerprint).hash(state);
    }
}
