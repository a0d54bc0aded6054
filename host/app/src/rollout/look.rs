//! What a look at a slot's file and settings asks for. Pure.

use grille_core::rollout::{Arrival, RevisionId, Slot};

/// What to do about what the file and the configuration say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Nothing: it has its place, or had its chance.
    Nothing,
    /// The file's component under the configuration's settings is a candidate.
    File(RevisionId),
    /// The active component is one, under the configuration's settings: an operator chose it over the file's.
    Active(RevisionId),
}

/// Whether a candidate that was refused is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// Something that it was judged by has changed, or an operator asks.
    Yes,
    No,
}

/// What is wanted of a slot when its file and settings hold this.
pub(super) fn wanted(slot: &Slot, holds: RevisionId, retry: Retry) -> Wanted {
    let (seen, active) = (slot.seen(), slot.active());
    let refused = slot.refused().and_then(|refused| refused.revision);
    let of_active = RevisionId { digest: active.revision.digest, ..holds };
    let was_refused = refused.is_some_and(|refused| refused == holds || refused == of_active);
    if seen == Some(holds) && (retry == Retry::No || !was_refused) {
        return Wanted::Nothing;
    }
    let file_is_new = seen.is_none_or(|seen| seen.digest != holds.digest) || refused == Some(holds);
    let is_passed_over = slot.is_held_back(&holds) || active.arrival == Arrival::Command;
    let digest = if !file_is_new && is_passed_over { active.revision.digest } else { holds.digest };
    let revision = RevisionId { digest, ..holds };
    if slot.is_held_back(&revision) || is_in_use(slot, revision) {
        Wanted::Nothing
    } else if digest == holds.digest {
        Wanted::File(revision)
    } else {
        Wanted::Active(revision)
    }
}

/// What is only there to be gone back to is a candidate like any other.
fn is_in_use(slot: &Slot, revision: RevisionId) -> bool {
    slot.active().revision == revision
        || slot.candidate().is_some_and(|candidate| candidate.revision == revision)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use grille_core::rollout::{Circumstances, Event, RefusedCandidate, Rules, Slots, Target};
    use grille_core::{Digest, PluginId};

    use super::*;

    fn revision(component: u8, settings: u8) -> RevisionId {
        RevisionId {
            digest: Digest::from_bytes([component; 32]),
            settings: Digest::from_bytes([settings; 32]),
        }
    }

    fn admitted(component: u8, arrival: Arrival, target: &str) -> Event {
        Event::Admitted {
            revision: revision(component, 0),
            arrival,
            target: target.parse::<Target>().unwrap(),
        }
    }

    fn refused(component: u8) -> Event {
        Event::Refused(RefusedCandidate {
            revision: Some(revision(component, 0)),
            file: "f".into(),
            stage: "trust".into(),
            why: "no".into(),
            at: 0,
        })
    }

    /// A slot with 1 active from its file, and then these events.
    fn slot(events: &[Event]) -> Slot {
        let mut slots = Slots::default();
        let plugin = PluginId::new("guard");
        let rules = Rules::default();
        let first = [admitted(1, Arrival::File, "active"), Event::Seen(revision(1, 0))];
        for event in first.iter().chain(events) {
            let circumstances = Circumstances { rules: &rules, by: "test", why: "test", now: 0 };
            slots.apply(&plugin, event.clone(), circumstances).unwrap();
        }
        slots.slot(&plugin).unwrap().clone()
    }

    #[track_caller]
    fn check(events: &[Event], holds: RevisionId, retry: Retry, expected: Wanted) {
        assert_eq!(wanted(&slot(events), holds, retry), expected);
    }

    #[test]
    fn what_is_new_is_a_candidate() {
        check(&[], revision(1, 0), Retry::No, Wanted::Nothing);
        check(&[], revision(1, 0), Retry::Yes, Wanted::Nothing);
        check(&[], revision(2, 0), Retry::No, Wanted::File(revision(2, 0)));
        check(&[], revision(1, 5), Retry::No, Wanted::File(revision(1, 5)));
        check(&[], revision(2, 5), Retry::No, Wanted::File(revision(2, 5)));
        let tried = [admitted(2, Arrival::File, "shadow"), Event::Seen(revision(2, 0))];
        check(&tried, revision(2, 0), Retry::Yes, Wanted::Nothing);
        check(&tried, revision(1, 0), Retry::No, Wanted::Nothing);
    }

    #[test]
    fn what_was_refused_is_tried_again_when_something_has_changed() {
        let events = [refused(2), Event::Seen(revision(2, 0))];
        check(&events, revision(2, 0), Retry::No, Wanted::Nothing);
        check(&events, revision(2, 0), Retry::Yes, Wanted::File(revision(2, 0)));
        check(&events, revision(2, 5), Retry::No, Wanted::File(revision(2, 5)));
        check(&events, revision(3, 0), Retry::No, Wanted::File(revision(3, 0)));
    }

    #[test]
    fn what_was_rolled_back_does_not_come_by_itself() {
        let events = [admitted(2, Arrival::File, "active"), Event::Seen(revision(2, 0)), Event::Rollback];
        check(&events, revision(2, 0), Retry::Yes, Wanted::Nothing);
        check(&events, revision(2, 5), Retry::Yes, Wanted::Active(revision(1, 5)));
        check(&events, revision(3, 0), Retry::No, Wanted::File(revision(3, 0)));
    }

    #[test]
    fn what_an_operator_chose_stays_until_the_file_changes() {
        let events = [admitted(2, Arrival::Command, "active"), Event::Seen(revision(1, 0))];
        check(&events, revision(1, 0), Retry::Yes, Wanted::Nothing);
        check(&events, revision(1, 5), Retry::No, Wanted::Active(revision(2, 5)));
        check(&events, revision(3, 0), Retry::No, Wanted::File(revision(3, 0)));
        let dropped = [admitted(2, Arrival::File, "shadow"), Event::Seen(revision(2, 0)), Event::Drop];
        check(&dropped, revision(2, 0), Retry::Yes, Wanted::Nothing);
    }
}
