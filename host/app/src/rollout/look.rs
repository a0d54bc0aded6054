//! What a look at a slot's file and settings asks for. Pure.

use grille_core::rollout::{Arrival, RevisionId, Slot};

/// What to do about what the file and the configuration say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Nothing: it has its place, or had its chance.
    Nothing,
    /// The file's component under the configuration's settings is a candidate.
    File(RevisionId),
    /// The active component is one, under the configuration's settings: it was chosen over the file's, or gone back to.
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
    let stays = match active.arrival {
        Arrival::Command | Arrival::Rollback => !file_is_new,
        Arrival::File => false,
    };
    // What is held back keeps itself out, and not the settings that the configuration has for whatever serves.
    let revision = if stays || slot.is_held_back(&holds) { of_active } else { holds };
    if slot.is_held_back(&revision) || is_in_use(slot, revision) {
        Wanted::Nothing
    } else if revision.digest == holds.digest {
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

    fn admitted(component: u8, settings: u8, arrival: Arrival, target: &str) -> Event {
        Event::Admitted {
            revision: revision(component, settings),
            arrival,
            target: target.parse::<Target>().unwrap(),
        }
    }

    fn refused(component: u8, settings: u8) -> Event {
        Event::Refused(RefusedCandidate {
            revision: Some(revision(component, settings)),
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
        let first = [admitted(1, 0, Arrival::File, "active"), Event::Seen(revision(1, 0))];
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
        let tried = [admitted(2, 0, Arrival::File, "shadow"), Event::Seen(revision(2, 0))];
        check(&tried, revision(2, 0), Retry::Yes, Wanted::Nothing);
        check(&tried, revision(1, 0), Retry::No, Wanted::Nothing);
    }

    #[test]
    fn what_was_refused_is_tried_again_when_something_has_changed() {
        let events = [refused(2, 0), Event::Seen(revision(2, 0))];
        check(&events, revision(2, 0), Retry::No, Wanted::Nothing);
        check(&events, revision(2, 0), Retry::Yes, Wanted::File(revision(2, 0)));
        check(&events, revision(2, 5), Retry::No, Wanted::File(revision(2, 5)));
        check(&events, revision(3, 0), Retry::No, Wanted::File(revision(3, 0)));
    }

    #[test]
    fn what_was_rolled_back_does_not_come_by_itself() {
        let events = [admitted(2, 0, Arrival::File, "active"), Event::Seen(revision(2, 0)), Event::Rollback];
        check(&events, revision(2, 0), Retry::Yes, Wanted::Nothing);
        check(&events, revision(2, 5), Retry::Yes, Wanted::Active(revision(1, 5)));
        check(&events, revision(3, 0), Retry::No, Wanted::File(revision(3, 0)));
    }

    #[test]
    fn what_serves_after_a_rollback_gets_the_settings_of_the_configuration() {
        let rolled_back =
            [admitted(2, 7, Arrival::File, "active"), Event::Seen(revision(2, 7)), Event::Rollback];
        let then = |more: &[Event]| [&rolled_back, more].concat();
        let (holds, put_on) = (revision(2, 7), Wanted::Active(revision(1, 7)));
        check(&rolled_back, holds, Retry::No, put_on);
        check(&rolled_back, holds, Retry::Yes, put_on);
        let refused = then(&[refused(1, 7), Event::Seen(holds)]);
        check(&refused, holds, Retry::No, Wanted::Nothing);
        check(&refused, holds, Retry::Yes, put_on);
        let tried = [admitted(1, 7, Arrival::File, "shadow"), Event::Seen(holds)];
        check(&then(&tried), holds, Retry::Yes, Wanted::Nothing);
        let dropped = [&tried[..], &[Event::Drop]].concat();
        check(&then(&dropped), holds, Retry::Yes, Wanted::Nothing);
        let on = [admitted(1, 7, Arrival::File, "active"), Event::Seen(holds)];
        check(&then(&on), holds, Retry::Yes, Wanted::Nothing);
        check(&then(&on), revision(2, 8), Retry::No, Wanted::Active(revision(1, 8)));
        let failed = [&on[..], &[Event::Rollback]].concat();
        check(&then(&failed), holds, Retry::Yes, Wanted::Nothing);
    }

    #[test]
    fn a_choice_outlives_more_than_one_change_of_settings() {
        let chosen = [admitted(2, 0, Arrival::Command, "active"), Event::Seen(revision(1, 0))];
        let settings = [admitted(2, 5, Arrival::File, "active"), Event::Seen(revision(1, 5))];
        let events = [chosen, settings].concat();
        check(&events, revision(1, 6), Retry::No, Wanted::Active(revision(2, 6)));
        check(&events, revision(3, 6), Retry::No, Wanted::File(revision(3, 6)));
    }

    #[test]
    fn what_an_operator_chose_stays_until_the_file_changes() {
        let events = [admitted(2, 0, Arrival::Command, "active"), Event::Seen(revision(1, 0))];
        check(&events, revision(1, 0), Retry::Yes, Wanted::Nothing);
        check(&events, revision(1, 5), Retry::No, Wanted::Active(revision(2, 5)));
        check(&events, revision(3, 0), Retry::No, Wanted::File(revision(3, 0)));
        let dropped = [admitted(2, 0, Arrival::File, "shadow"), Event::Seen(revision(2, 0)), Event::Drop];
        check(&dropped, revision(2, 0), Retry::Yes, Wanted::Nothing);
    }
}
