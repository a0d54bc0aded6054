//! What stands behind `state`: values and counters in memory. Apart by plugin and role; bounded in number, bytes and time.
//!
//! A plugin's state belongs to its name in the configuration and lives as long as any generation has a plugin of that name:
//! it survives a reload and the change to another revision, and not a restart. A candidate's is its own: what it does beside
//! the active one neither counts nor shows there, and when it takes that one's place it goes on with what the place has kept.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use grille_core::{PluginId, RoleName};

use crate::limits::{
    STATE_BYTES_MAX, STATE_ENTRIES_MAX, STATE_ENTRY_BYTES, STATE_KEY_BYTES_MAX, STATE_TIME_MAX,
    STATE_VALUE_BYTES_MAX,
};

/// The state of all plugins of an engine. Keeps none alive.
#[derive(Default)]
pub(crate) struct StateStore {
    plugins: Mutex<HashMap<Keeper, Weak<PluginState>>>,
}

/// Who keeps values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Keeper {
    /// Whoever has the name.
    Place(PluginId),
    /// A candidate for it: the digests of component and settings.
    Candidate(PluginId, String, String),
}

/// The state of one plugin, by role.
#[derive(Default)]
pub(crate) struct PluginState {
    roles: Mutex<HashMap<RoleName, Arc<Namespace>>>,
}

/// What one plugin keeps under one role.
#[derive(Default)]
pub(crate) struct Namespace {
    entries: Mutex<Entries>,
}

/// What a plugin asked for and does not get: its author's fault. The text is shown to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StateError {
    #[error("a key has at most {STATE_KEY_BYTES_MAX} bytes")]
    Key,
    #[error("a value has at most {STATE_VALUE_BYTES_MAX} bytes")]
    Value,
    #[error("a time is from 1 ms to {} ms", STATE_TIME_MAX.as_millis())]
    Time,
    #[error("the counter would overflow")]
    Overflow,
}

impl StateStore {
    /// The state of the plugin with that name: the same for as long as anybody holds it.
    pub(crate) fn of(&self, plugin: &PluginId) -> Arc<PluginState> {
        self.kept_by(Keeper::Place(plugin.clone()))
    }

    /// The state of a candidate for that name, which is this component with these settings.
    pub(crate) fn of_candidate(&self, plugin: &PluginId, digest: &str, settings: &str) -> Arc<PluginState> {
        self.kept_by(Keeper::Candidate(plugin.clone(), digest.to_owned(), settings.to_owned()))
    }

    fn kept_by(&self, keeper: Keeper) -> Arc<PluginState> {
        let mut plugins = lock(&self.plugins);
        if let Some(state) = plugins.get(&keeper).and_then(Weak::upgrade) {
            return state;
        }
        plugins.retain(|_, state| state.strong_count() > 0);
        let state = Arc::<PluginState>::default();
        plugins.insert(keeper, Arc::downgrade(&state));
        state
    }
}

impl PluginState {
    /// What it keeps under that role.
    pub(crate) fn of(&self, role: &RoleName) -> Arc<Namespace> {
        let mut roles = lock(&self.roles);
        if let Some(namespace) = roles.get(role) {
            return Arc::clone(namespace);
        }
        // Roles come from the configuration; those that a reload took away are not kept for ever.
        let now = Instant::now();
        roles.retain(|_, namespace| Arc::strong_count(namespace) > 1 || namespace.holds_any(now));
        Arc::clone(roles.entry(role.clone()).or_default())
    }
}

impl Namespace {
    /// The value under that key, if its time is not over.
    pub(crate) fn get(&self, key: String, now: Instant) -> Result<Option<Vec<u8>>, StateError> {
        check_key(&key)?;
        let found = lock(&self.entries).find(&(Kind::Value, key), now).map(|entry| entry.content.clone());
        Ok(found)
    }

    /// Keeps a value.
    pub(crate) fn set(
        &self,
        key: String,
        value: Vec<u8>,
        ttl_ms: u32,
        now: Instant,
    ) -> Result<(), StateError> {
        check_key(&key)?;
        if value.len() > STATE_VALUE_BYTES_MAX {
            return Err(StateError::Value);
        }
        let ends = now + time(ttl_ms)?;
        lock(&self.entries).put((Kind::Value, key), value, ends);
        Ok(())
    }

    /// Adds to a counter, in one step.
    pub(crate) fn add(
        &self,
        key: String,
        delta: i64,
        window_ms: u32,
        now: Instant,
    ) -> Result<i64, StateError> {
        check_key(&key)?;
        let window = time(window_ms)?;
        let key = (Kind::Counter, key);
        let mut entries = lock(&self.entries);
        let known = entries.find(&key, now).map(|entry| (count(&entry.content), entry.ends));
        let (before, ends) = known.unwrap_or((0, now + window));
        let after = before.checked_add(delta).ok_or(StateError::Overflow)?;
        entries.put(key, after.to_be_bytes().to_vec(), ends);
        Ok(after)
    }

    fn holds_any(&self, now: Instant) -> bool {
        lock(&self.entries).by_key.values().any(|entry| now < entry.ends)
    }
}

/// Values and counters may have the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Value,
    Counter,
}

type Key = (Kind, String);

struct Entry {
    /// A value, or a counter as eight bytes.
    content: Vec<u8>,
    ends: Instant,
    /// Where it is in `by_use`.
    used: u64,
}

/// Entries by key and by last use. `by_use` has one line for each of `by_key`; `bytes` is what they cost together, at most
/// [`STATE_BYTES_MAX`].
#[derive(Default)]
struct Entries {
    by_key: HashMap<Key, Entry>,
    by_use: BTreeMap<u64, Key>,
    uses: u64,
    bytes: usize,
}

impl Entries {
    /// An entry whose time is not over, as the one used last.
    fn find(&mut self, key: &Key, now: Instant) -> Option<&Entry> {
        if self.by_key.get(key)?.ends <= now {
            self.remove(key);
            return None;
        }
        let used = self.next_use();
        let entry = self.by_key.get_mut(key)?;
        self.by_use.remove(&entry.used);
        self.by_use.insert(used, key.clone());
        entry.used = used;
        Some(entry)
    }

    /// Puts an entry in the place of one with its key; those used longest ago make room.
    fn put(&mut self, key: Key, content: Vec<u8>, ends: Instant) {
        self.remove(&key);
        let cost = cost(&key, &content);
        while self.by_key.len() >= STATE_ENTRIES_MAX || self.bytes + cost > STATE_BYTES_MAX {
            let Some((_, oldest)) = self.by_use.first_key_value() else { break };
            let oldest = oldest.clone();
            self.remove(&oldest);
        }
        let used = self.next_use();
        self.bytes += cost;
        self.by_use.insert(used, key.clone());
        self.by_key.insert(key, Entry { content, ends, used });
    }

    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.by_key.remove(key) {
            self.by_use.remove(&entry.used);
            self.bytes -= cost(key, &entry.content);
        }
    }

    fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }
}

/// The key is kept twice.
fn cost((_, key): &Key, content: &[u8]) -> usize {
    2 * key.len() + content.len() + STATE_ENTRY_BYTES
}

fn count(content: &[u8]) -> i64 {
    content.first_chunk().copied().map_or(0, i64::from_be_bytes)
}

fn check_key(key: &str) -> Result<(), StateError> {
    if key.len() > STATE_KEY_BYTES_MAX { Err(StateError::Key) } else { Ok(()) }
}

fn time(milliseconds: u32) -> Result<Duration, StateError> {
    let time = Duration::from_millis(milliseconds.into());
    if time.is_zero() || time > STATE_TIME_MAX { Err(StateError::Time) } else { Ok(time) }
}

/// Nothing panics while it holds one of these locks half-way through a change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    const MINUTE: u32 = 60_000;

    fn later(now: Instant, ms: u64) -> Instant {
        now + Duration::from_millis(ms)
    }

    #[test]
    fn what_exceeds_a_quota_is_refused() {
        let (space, now) = (Namespace::default(), Instant::now());
        let long = "k".repeat(STATE_KEY_BYTES_MAX + 1);
        assert_eq!(space.get(long.clone(), now), Err(StateError::Key));
        assert_eq!(space.set(long.clone(), vec![], 1, now), Err(StateError::Key));
        assert_eq!(space.add(long, 1, 1, now), Err(StateError::Key));
        let large = vec![0; STATE_VALUE_BYTES_MAX + 1];
        assert_eq!(space.set("k".into(), large, 1, now), Err(StateError::Value));
        for ms in [0, 86_400_001, u32::MAX] {
            assert_eq!(space.set("k".into(), vec![], ms, now), Err(StateError::Time), "{ms}");
            assert_eq!(space.add("k".into(), 1, ms, now), Err(StateError::Time), "{ms}");
        }
        assert_eq!(space.add("k".into(), i64::MAX, 1, now), Ok(i64::MAX));
        assert_eq!(space.add("k".into(), 1, 1, now), Err(StateError::Overflow));
        assert_eq!(space.add("k".into(), -1, 1, now), Ok(i64::MAX - 1), "the counter is as it was");
    }

    #[test]
    fn a_value_ends_with_its_time() {
        let (space, now) = (Namespace::default(), Instant::now());
        space.set("k".into(), b"v".to_vec(), 100, now).unwrap();
        assert_eq!(space.get("k".into(), later(now, 99)).unwrap().as_deref(), Some(&b"v"[..]));
        assert_eq!(space.get("k".into(), later(now, 100)), Ok(None));
        assert_eq!(lock(&space.entries).bytes, 0, "and leaves nothing");
    }

    #[test]
    fn a_counter_begins_anew_after_its_window() {
        let (space, now) = (Namespace::default(), Instant::now());
        let add = |ms| space.add("k".into(), 2, 100, later(now, ms)).unwrap();
        assert_eq!([add(0), add(50), add(99), add(100), add(199), add(200)], [2, 4, 6, 2, 4, 2]);
        assert_eq!(space.get("k".into(), now), Ok(None), "a counter is no value");
    }

    #[test]
    fn those_used_longest_ago_make_room() {
        let (space, now) = (Namespace::default(), Instant::now());
        let value = || vec![7; STATE_VALUE_BYTES_MAX];
        space.set("first".into(), value(), MINUTE, now).unwrap();
        space.set("second".into(), value(), MINUTE, now).unwrap();
        for n in 0..STATE_BYTES_MAX / STATE_VALUE_BYTES_MAX {
            assert!(space.get("first".into(), now).unwrap().is_some(), "it is used all the time");
            space.set(format!("n{n}"), value(), MINUTE, now).unwrap();
        }
        assert_eq!(space.get("second".into(), now), Ok(None));
    }

    #[test]
    fn plugins_and_roles_are_apart() {
        let (store, now) = (StateStore::default(), Instant::now());
        let (one, two) = (store.of(&PluginId::new("one")), store.of(&PluginId::new("two")));
        let (a, b) = (RoleName::new("a"), RoleName::new("b"));
        one.of(&a).set("k".into(), b"v".to_vec(), MINUTE, now).unwrap();
        for other in [one.of(&b), two.of(&a), two.of(&b)] {
            assert_eq!(other.get("k".into(), now), Ok(None));
            assert_eq!(other.add("k".into(), 1, MINUTE, now), Ok(1));
        }
        assert_eq!(one.of(&a).get("k".into(), now).unwrap().as_deref(), Some(&b"v"[..]));
    }

    #[test]
    fn state_lives_as_long_as_a_plugin_of_its_name() {
        let (store, now, role) = (StateStore::default(), Instant::now(), RoleName::new("a"));
        let old = store.of(&PluginId::new("p"));
        old.of(&role).add("k".into(), 1, MINUTE, now).unwrap();
        let new = store.of(&PluginId::new("p"));
        drop(old);
        assert_eq!(new.of(&role).add("k".into(), 1, MINUTE, now), Ok(2), "it survives a reload");
        drop(new);
        assert_eq!(store.of(&PluginId::new("p")).of(&role).add("k".into(), 1, MINUTE, now), Ok(1));
        for n in 0..100 {
            drop(store.of(&PluginId::new(format!("p{n}"))));
        }
        assert!(lock(&store.plugins).len() <= 2, "names that are gone are forgotten");
    }

    #[test]
    fn a_candidate_keeps_its_own() {
        let (store, now, role) = (StateStore::default(), Instant::now(), RoleName::new("a"));
        let name = PluginId::new("p");
        let count = |state: &PluginState| state.of(&role).add("k".into(), 1, MINUTE, now).unwrap();
        let place = store.of(&name);
        let tried = store.of_candidate(&name, "d1", "s1");
        assert_eq!([count(&place), count(&place), count(&tried)], [1, 2, 1]);
        let others = [
            store.of_candidate(&name, "d2", "s1"),
            store.of_candidate(&name, "d1", "s2"),
            store.of_candidate(&PluginId::new("q"), "d1", "s1"),
        ];
        assert_eq!(others.map(|other| count(&other)), [1, 1, 1]);
        assert_eq!(count(&store.of_candidate(&name, "d1", "s1")), 2, "the same in another generation");
        drop(tried);
        assert_eq!(count(&store.of_candidate(&name, "d1", "s1")), 1, "nothing is left when nobody tries it");
        assert_eq!(count(&store.of(&name)), 3);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Get(u8),
        Set(u8, usize, u32),
        Add(u8, i64, u32),
        Wait(u64),
    }

    fn steps() -> impl Strategy<Value = Step> {
        prop_oneof![
            any::<u8>().prop_map(Step::Get),
            (any::<u8>(), 0..STATE_VALUE_BYTES_MAX, 1..1000_u32).prop_map(|(k, n, ms)| Step::Set(k, n, ms)),
            (any::<u8>(), any::<i64>(), 1..1000_u32).prop_map(|(k, n, ms)| Step::Add(k, n, ms)),
            (0..200_u64).prop_map(Step::Wait),
        ]
    }

    proptest! {
        #[test]
        fn the_books_balance(steps in proptest::collection::vec(steps(), 0..300)) {
            let (space, mut now) = (Namespace::default(), Instant::now());
            for step in steps {
                match step {
                    Step::Get(key) => drop(space.get(key.to_string(), now)),
                    Step::Set(key, size, ms) => drop(space.set(key.to_string(), vec![0; size], ms, now)),
                    Step::Add(key, delta, ms) => _ = space.add(key.to_string(), delta, ms, now),
                    Step::Wait(ms) => now = later(now, ms),
                }
                let entries = lock(&space.entries);
                let cost: usize = entries.by_key.iter().map(|(key, entry)| cost(key, &entry.content)).sum();
                prop_assert_eq!(entries.bytes, cost);
                prop_assert!(entries.bytes <= STATE_BYTES_MAX && entries.by_key.len() <= STATE_ENTRIES_MAX);
                prop_assert_eq!(entries.by_use.len(), entries.by_key.len());
                for (used, key) in &entries.by_use {
                    prop_assert_eq!(entries.by_key[key].used, *used);
                }
            }
        }
    }
}
