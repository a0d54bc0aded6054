//! What operators should know of a slot that is as it may be, and yet perhaps not as they believe. Sentences; nothing is decided
//! by them.

use grille_core::rollout::{RevisionId, Slot, Slots, Stage};
use grille_core::{Digest, PluginId};

use super::candidate::canonical;
use crate::config::{Config, PluginSettings};

/// A canary as old as that is told of, once for each such time, in seconds: while it lasts no other slot can have one.
const CANARY_AGE_S: u64 = 24 * 60 * 60;

/// A canary that was told of, and how often that was due by its age.
pub(super) type Lingering = (PluginId, RevisionId, u64);

/// The digest of the configuration's settings for the slot.
pub(super) fn configured(slot: &PluginSettings) -> Option<Digest> {
    canonical(&slot.settings).ok().map(|(_, digest)| digest)
}

/// What is to be known of a slot.
pub(super) fn of(slot: &PluginSettings, placed: &Slot, now: u64) -> Vec<String> {
    let settings = configured(slot).filter(|settings| *settings != placed.active().revision.settings);
    let settings = settings.map(|_| {
        "the settings in force are not those of the configuration: change them there, name what shall be active in `grille \
         plugin activate`, or promote the candidate that has them"
            .to_owned()
    });
    let rules = &slot.rollout.rules;
    let failing = (!rules.roll_back_by_themselves())
        .then(|| "nothing is rolled back by itself: `rollout.failures_max` is 0".to_owned());
    let canary = canary_age(placed, now).filter(|age| *age >= CANARY_AGE_S).map(|age| {
        format!("the canary is {} h old, and no other plugin can have one: promote or drop it", age / 3600)
    });
    [settings, failing, canary].into_iter().flatten().collect()
}

/// Tells all of it in the log but what [`lingering`] is for.
pub(super) fn warn(config: &Config, slots: &Slots) {
    for slot in &config.plugins {
        let Some(placed) = slots.slot(&slot.name) else { continue };
        // At the moment it began, no canary is old.
        for note in of(slot, placed, 0) {
            tracing::warn!(plugin = %slot.name, digest = %placed.active().revision.digest, "{note}");
        }
    }
}

/// The canary, if it is to be told of again.
pub(super) fn lingering(slots: &Slots, told: Option<&Lingering>, now: u64) -> Option<Lingering> {
    let plugin = slots.canary()?;
    let placed = slots.slot(plugin)?;
    let times = canary_age(placed, now)? / CANARY_AGE_S;
    let lingering = (plugin.clone(), placed.candidate()?.revision, times);
    (times > 0 && told != Some(&lingering)).then_some(lingering)
}

/// In seconds.
fn canary_age(placed: &Slot, now: u64) -> Option<u64> {
    let canary = placed.candidate().filter(|candidate| candidate.trial.stage() == Stage::Canary)?;
    Some(now.saturating_sub(canary.since))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use grille_core::rollout::{Arrival, Circumstances, Event, Rules, Target};

    use super::*;

    #[test]
    fn a_canary_is_told_of_once_a_day() {
        let (mut slots, plugin) = (Slots::default(), PluginId::new("guard"));
        let revision = |component| RevisionId {
            digest: Digest::from_bytes([component; 32]),
            settings: Digest::from_bytes([0; 32]),
        };
        let mut admit = |component, target: &str, now| {
            let (revision, arrival) = (revision(component), Arrival::Command);
            let target = target.parse::<Target>().unwrap();
            let circumstances = Circumstances { rules: &Rules::default(), by: "test", why: "test", now };
            slots.apply(&plugin, Event::Admitted { revision, arrival, target }, circumstances).unwrap();
            slots.clone()
        };
        let without = admit(1, "active", 5);
        assert_eq!(lingering(&without, None, 10 * CANARY_AGE_S), None);
        let shadow = admit(2, "shadow", 5);
        assert_eq!(lingering(&shadow, None, 10 * CANARY_AGE_S), None);
        let canary = admit(2, "canary:1%", 5);
        assert_eq!(lingering(&canary, None, 4 + CANARY_AGE_S), None);
        let first = lingering(&canary, None, 5 + CANARY_AGE_S).unwrap();
        assert_eq!(lingering(&canary, Some(&first), 4 + 2 * CANARY_AGE_S), None);
        let second = lingering(&canary, Some(&first), 5 + 2 * CANARY_AGE_S).unwrap();
        assert_eq!((first.2, second.2), (1, 2));
        let another = admit(3, "canary:1%", 5);
        assert!(lingering(&another, Some(&second), 5 + 2 * CANARY_AGE_S).is_some());
    }
}
