//! What may happen to slots, and what may not, whatever the order of events.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const RULES: Rules = Rules { probation_s: 100, failures_max: 3 };

fn revision(component: u8, settings: u8) -> RevisionId {
    RevisionId { digest: Digest::from_bytes([component; 32]), settings: Digest::from_bytes([settings; 32]) }
}

fn guard() -> PluginId {
    PluginId::new("guard")
}

fn at(now: u64) -> Circumstances<'static> {
    Circumstances { rules: &RULES, by: "test", why: "because", now }
}

fn admitted(component: u8, arrival: Arrival, target: &str) -> Event {
    Event::Admitted { revision: revision(component, 0), arrival, target: target.parse().unwrap() }
}

fn failing(component: u8) -> Event {
    let reading = HealthReading {
        calls: 10,
        failures: 3,
        last_failure: Some("trapped".into()),
        ..HealthReading::default()
    };
    Event::Measured { revision: revision(component, 0), reading }
}

/// A slot with the component 1 active, and 2 active over it from second 10 on.
fn two() -> Slots {
    let mut slots = Slots::default();
    slots.apply(&guard(), admitted(1, Arrival::File, "active"), at(0)).unwrap();
    slots.apply(&guard(), Event::Seen(revision(1, 0)), at(0)).unwrap();
    slots.apply(&guard(), admitted(2, Arrival::File, "active"), at(10)).unwrap();
    slots.apply(&guard(), Event::Seen(revision(2, 0)), at(10)).unwrap();
    slots
}

fn active(slots: &Slots) -> u8 {
    slots.slot(&guard()).unwrap().active().revision.digest.as_bytes()[0]
}

fn told(changes: &[Change]) -> Vec<String> {
    let told = |change: &Change| {
        let from = change.from.map_or("new", Stage::as_str);
        format!("{} {from} → {}", change.revision.digest.as_bytes()[0], change.to)
    };
    changes.iter().map(told).collect()
}

#[test]
fn what_fails_on_probation_goes_and_stays_out() {
    let mut slots = two();
    let changes = slots.apply(&guard(), failing(2), at(50)).unwrap();
    assert_eq!(told(&changes), ["2 active → held-back", "1 previous → active"]);
    assert_eq!(changes[0].why, "3 of 10 calls failed, the last: trapped");
    let error = slots.apply(&guard(), admitted(2, Arrival::File, "active"), at(51)).unwrap_err();
    assert!(matches!(error, Rejection::HeldBack { .. }), "{error}");
    slots.apply(&guard(), Event::Seen(revision(2, 0)), at(52)).unwrap();
    assert_eq!(active(&slots), 1);
    assert!(slots.slot(&guard()).unwrap().is_held_back(&revision(2, 9)), "under other settings too");
    slots.apply(&guard(), admitted(2, Arrival::Command, "active"), at(53)).unwrap();
    assert_eq!(active(&slots), 2);
}

#[test]
fn what_has_proven_itself_stays() {
    let mut slots = two();
    assert_eq!(slots.apply(&guard(), failing(2), at(110)).unwrap(), []);
    assert_eq!(slots.apply(&guard(), failing(1), at(50)).unwrap(), [], "it is not asked any more");
    assert_eq!(active(&slots), 2);
}

#[test]
fn another_file_lets_the_one_before_come_again() {
    let mut slots = two();
    slots.apply(&guard(), Event::Rollback, at(20)).unwrap();
    slots.apply(&guard(), admitted(3, Arrival::File, "active"), at(30)).unwrap();
    slots.apply(&guard(), Event::Seen(revision(3, 0)), at(30)).unwrap();
    slots.apply(&guard(), admitted(2, Arrival::File, "active"), at(40)).unwrap();
    assert_eq!(active(&slots), 2);
}

#[test]
fn settings_that_fail_keep_themselves_out_and_not_the_component() {
    let mut slots = two();
    let settings = |settings| Event::Admitted {
        revision: revision(2, settings),
        arrival: Arrival::File,
        target: Target::Active,
    };
    slots.apply(&guard(), settings(7), at(20)).unwrap();
    slots.apply(&guard(), Event::Rollback, at(30)).unwrap();
    let slot = slots.slot(&guard()).unwrap();
    assert_eq!(slot.active().revision, revision(2, 0));
    assert!(slot.is_held_back(&revision(2, 7)) && !slot.is_held_back(&revision(2, 8)));
    slots.apply(&guard(), settings(8), at(40)).unwrap();
    assert!(matches!(slots.apply(&guard(), settings(7), at(50)), Err(Rejection::HeldBack { .. })));
}

#[test]
fn there_is_one_canary_and_it_goes_when_it_fails() {
    let mut slots = two();
    let other = PluginId::new("pii");
    slots.apply(&other, admitted(5, Arrival::File, "active"), at(0)).unwrap();
    slots.apply(&guard(), admitted(3, Arrival::Command, "canary:10%"), at(20)).unwrap();
    let second = slots.apply(&other, admitted(6, Arrival::Command, "canary:10%"), at(21));
    assert_eq!(second, Err(Rejection::AnotherCanary(guard())));
    slots.apply(&other, admitted(6, Arrival::Command, "shadow"), at(22)).unwrap();
    assert_eq!(slots.apply(&other, failing(6), at(23)).unwrap(), [], "a shadow harms nobody");
    let changes = slots.apply(&guard(), failing(3), at(500)).unwrap();
    assert_eq!(told(&changes), ["3 canary → held-back"]);
    assert_eq!((active(&slots), slots.canary()), (2, None));
}

#[test]
fn a_candidate_is_promoted_dropped_or_replaced() {
    let mut slots = two();
    let mut apply = |event, now| slots.apply(&guard(), event, at(now)).map(|changes| told(&changes));
    assert_eq!(apply(Event::Promote, 19), Err(Rejection::NoCandidate(guard())));
    assert_eq!(apply(Event::Drop, 19), Err(Rejection::NoCandidate(guard())));
    apply(admitted(3, Arrival::Command, "shadow"), 20).unwrap();
    assert_eq!(
        apply(admitted(4, Arrival::File, "canary:1%"), 21).unwrap(),
        ["3 shadow → gone", "4 new → canary"]
    );
    assert_eq!(apply(admitted(4, Arrival::Command, "shadow"), 22).unwrap(), ["4 canary → shadow"]);
    assert_eq!(apply(Event::Promote, 23).unwrap(), ["4 shadow → active", "2 active → previous"]);
    apply(admitted(5, Arrival::Command, "canary:1%"), 24).unwrap();
    assert_eq!(apply(Event::Drop, 25).unwrap(), ["5 canary → gone"]);
    assert_eq!(apply(admitted(4, Arrival::Command, "shadow"), 26), Err(Rejection::IsActive));
    assert_eq!(active(&slots), 4);
}

#[test]
fn a_file_that_goes_back_takes_its_candidate_along() {
    let mut slots = two();
    slots.apply(&guard(), admitted(3, Arrival::File, "shadow"), at(20)).unwrap();
    slots.apply(&guard(), Event::Seen(revision(3, 0)), at(20)).unwrap();
    let changes = slots.apply(&guard(), Event::Seen(revision(2, 0)), at(30)).unwrap();
    assert_eq!(told(&changes), ["3 shadow → gone"]);
    slots.apply(&guard(), admitted(4, Arrival::Command, "shadow"), at(40)).unwrap();
    assert_eq!(slots.apply(&guard(), Event::Seen(revision(2, 0)), at(50)).unwrap(), [], "not a command's");
}

#[test]
fn latency_is_judged_by_enough_calls() {
    let check = |calls, over_budget, broken: bool| {
        let reading = HealthReading { calls, over_budget, ..HealthReading::default() };
        assert_eq!(RULES.broken_by(&reading).is_some(), broken, "{over_budget} of {calls}");
    };
    check(0, 0, false);
    check(199, 199, false);
    check(200, 0, false);
    check(200, 1, false);
    check(200, 2, true);
    check(1000, 9, false);
    check(1000, 10, true);
}

#[test]
fn what_cannot_be_used_is_left_out_at_the_start() {
    let check = |usable: &[u8], expected: Option<u8>| {
        let mut slots = two();
        slots.apply(&guard(), admitted(3, Arrival::File, "shadow"), at(20)).unwrap();
        slots.keep_usable(&guard(), |revision| usable.contains(&revision.digest.as_bytes()[0]), 30);
        assert_eq!(slots.slot(&guard()).map(|slot| slot.active().revision), expected.map(|n| revision(n, 0)));
        if let Some(slot) = slots.slot(&guard()) {
            assert!(slot.revisions().all(|revision| usable.contains(&revision.digest.as_bytes()[0])));
        }
    };
    check(&[1, 2, 3], Some(2));
    check(&[1, 3], Some(1));
    check(&[2], Some(2));
    check(&[3], None);
    check(&[], None);
}

#[test]
fn a_slot_that_was_emptied_still_keeps_out_what_was_held_back() {
    let mut slots = two();
    slots.apply(&guard(), Event::Rollback, at(20)).unwrap();
    slots.note_grants(&guard(), ["log".to_owned()]);
    slots.note_imports(&guard(), ["clock".to_owned()]);
    slots.keep_usable(&guard(), |_| false, 30);
    assert!(slots.slot(&guard()).is_none());
    let remembered = slots.remembered(&guard()).unwrap();
    assert!(remembered.granted.contains("log") && remembered.imports.unwrap().contains("clock"));
    let mut slots: Slots = serde_json::from_str(&serde_json::to_string(&slots).unwrap()).unwrap();
    for target in ["active", "shadow"] {
        let error = slots.apply(&guard(), admitted(2, Arrival::File, target), at(31)).unwrap_err();
        assert!(matches!(error, Rejection::HeldBack { .. }), "{error}");
    }
    let mut named = slots.clone();
    named.apply(&guard(), admitted(2, Arrival::Command, "active"), at(32)).unwrap();
    assert_eq!((active(&named), named.slot(&guard()).unwrap().held_back().len()), (2, 0));
    slots.apply(&guard(), admitted(3, Arrival::File, "active"), at(32)).unwrap();
    assert_eq!(active(&slots), 3);
    assert!(slots.slot(&guard()).unwrap().is_held_back(&revision(2, 0)));
    assert!(slots.remembered(&guard()).unwrap().imports.is_none(), "nobody has asked the new one");
}

#[test]
fn half_a_file_lets_nothing_come_again() {
    let mut slots = two();
    slots.apply(&guard(), Event::Rollback, at(20)).unwrap();
    let half = RefusedCandidate {
        revision: Some(revision(9, 0)),
        file: "f".into(),
        stage: "compile".into(),
        why: "it ends in the middle".into(),
        at: 25,
    };
    slots.apply(&guard(), Event::Refused(half), at(25)).unwrap();
    slots.apply(&guard(), Event::Seen(revision(9, 0)), at(25)).unwrap();
    let again = slots.apply(&guard(), admitted(2, Arrival::File, "active"), at(30));
    assert!(matches!(again, Err(Rejection::HeldBack { .. })), "{again:?}");
}

#[test]
fn a_file_that_never_held_it_says_nothing_about_what_is_held_back() {
    let mut slots = two();
    slots.apply(&guard(), admitted(3, Arrival::Command, "active"), at(20)).unwrap();
    slots.apply(&guard(), Event::Rollback, at(30)).unwrap();
    slots.apply(&guard(), Event::Seen(revision(2, 0)), at(31)).unwrap();
    assert!(slots.slot(&guard()).unwrap().is_held_back(&revision(3, 0)));
    slots.apply(&guard(), Event::Seen(revision(3, 0)), at(32)).unwrap();
    assert!(slots.slot(&guard()).unwrap().is_held_back(&revision(3, 0)), "now it does");
    slots.apply(&guard(), Event::Seen(revision(2, 0)), at(33)).unwrap();
    assert!(slots.slot(&guard()).unwrap().held_back().is_empty());
}

#[test]
fn to_look_at_what_is_held_back_does_not_release_it() {
    let mut slots = two();
    slots.apply(&guard(), Event::Rollback, at(20)).unwrap();
    slots.apply(&guard(), admitted(2, Arrival::Command, "shadow"), at(30)).unwrap();
    slots.apply(&guard(), Event::Seen(revision(2, 0)), at(31)).unwrap();
    assert!(slots.slot(&guard()).unwrap().is_held_back(&revision(2, 0)));
    let mut promoted = slots.clone();
    promoted.apply(&guard(), Event::Promote, at(40)).unwrap();
    assert_eq!((active(&promoted), promoted.slot(&guard()).unwrap().held_back().len()), (2, 0));
    slots.apply(&guard(), Event::Drop, at(40)).unwrap();
    assert!(slots.slot(&guard()).unwrap().is_held_back(&revision(2, 0)));
}

#[test]
fn settings_that_a_rollback_put_aside_have_not_been_acted_upon() {
    let mut slots = two();
    let stricter =
        Event::Admitted { revision: revision(3, 7), arrival: Arrival::File, target: Target::Active };
    slots.apply(&guard(), stricter, at(20)).unwrap();
    slots.apply(&guard(), Event::Seen(revision(3, 7)), at(20)).unwrap();
    slots.apply(&guard(), Event::Rollback, at(30)).unwrap();
    assert_eq!(slots.slot(&guard()).unwrap().seen(), Some(revision(3, 0)));
    let put_on = Event::Admitted { revision: revision(2, 7), arrival: Arrival::File, target: Target::Active };
    slots.apply(&guard(), put_on, at(31)).unwrap();
    let active = slots.slot(&guard()).unwrap().active().clone();
    assert_eq!((active.revision, active.arrival), (revision(2, 7), Arrival::Rollback));
}

#[test]
fn without_automatic_rollback_figures_decide_nothing() {
    let rules = Rules { failures_max: 0, ..RULES };
    let reading = HealthReading { calls: 500, failures: 500, over_budget: 500, ..HealthReading::default() };
    assert!(RULES.broken_by(&reading).is_some());
    assert_eq!(rules.broken_by(&reading), None);
}

#[test]
fn the_form_before_is_read_and_does_not_say_what_was_imported() {
    let mut slots = two();
    slots.note_imports(&guard(), ["clock".to_owned()]);
    let json = serde_json::to_string(&slots).unwrap();
    assert_eq!(serde_json::from_str::<Slots>(&json).unwrap(), slots);
    let before =
        json.replacen("\"version\":2", "\"version\":1", 1).replacen(",\"imports\":[\"clock\"]", "", 1);
    let read: Slots = serde_json::from_str(&before).unwrap();
    assert_eq!(read.remembered(&guard()).unwrap().imports, None);
    assert_eq!(active(&read), 2);
}

#[test]
fn a_contradiction_is_not_read() {
    let check = |from: &str, to: &str, expected: &str| {
        let json = serde_json::to_string(&two()).unwrap();
        assert!(json.contains(from), "{json}");
        let error = serde_json::from_str::<Slots>(&json.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let digits = |number: u8| revision(number, 0).digest.hex();
    check("\"version\":2", "\"version\":3", "format 3");
    check(&digits(1), &digits(2), "its previous revision is the active one");
    check(&digits(1), &digits(1)[1..], "64 hexadecimal digits");
    check("\"since\":10", "\"since\":10,\"colour\":1", "unknown field");
    let held = format!("\"held_back\":[{{\"digest\":\"{}\",\"why\":\"\",\"since\":1}}],\"seen\"", digits(2));
    check("\"seen\"", &held, "held back");
}

fn any_event() -> impl Strategy<Value = Event> {
    let any_revision = || (1..5u8, 0..2u8).prop_map(|(component, settings)| revision(component, settings));
    let arrival = prop_oneof![Just(Arrival::File), Just(Arrival::Command)];
    let target = prop_oneof![
        Just(Target::Active),
        Just(Target::Trial(Trial::Shadow)),
        Just(Target::Trial(Trial::Canary(Share::ALL)))
    ];
    let reading = (0..5u64, 0..5u64).prop_map(|(failures, over_budget)| HealthReading {
        calls: 200,
        failures,
        over_budget,
        ..HealthReading::default()
    });
    prop_oneof![
        (any_revision(), arrival, target).prop_map(|(revision, arrival, target)| Event::Admitted {
            revision,
            arrival,
            target
        }),
        any_revision().prop_map(|revision| Event::Refused(RefusedCandidate {
            revision: Some(revision),
            file: "f".into(),
            stage: "compile".into(),
            why: "no".into(),
            at: 0,
        })),
        Just(Event::Rollback),
        Just(Event::Promote),
        Just(Event::Drop),
        any_revision().prop_map(Event::Seen),
        (any_revision(), reading).prop_map(|(revision, reading)| Event::Measured { revision, reading }),
    ]
}

/// Any event, or a start at which only these components can be used.
#[derive(Clone, Debug)]
enum Step {
    Event(Event),
    Start(Vec<u8>),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![8 => any_event().prop_map(Step::Event), 1 => vec(1..5u8, 0..4).prop_map(Step::Start)]
}

/// What the active revision may be after the event.
fn allowed(before: &Slot, event: &Event) -> Vec<RevisionId> {
    let candidate = before.candidate().map(|candidate| candidate.revision);
    let more = match event {
        Event::Admitted { revision, target: Target::Active, arrival } => {
            let may = *arrival == Arrival::Command || !before.is_held_back(revision);
            may.then_some(*revision)
        }
        Event::Promote => candidate,
        Event::Rollback => before.previous(),
        Event::Measured { reading, .. } if RULES.broken_by(reading).is_some() => before.previous(),
        Event::Admitted { .. }
        | Event::Measured { .. }
        | Event::Drop
        | Event::Refused(_)
        | Event::Seen(_) => None,
    };
    more.into_iter().chain([before.active().revision]).collect()
}

proptest! {
    #[test]
    fn whatever_happens(steps in vec((0..3u8, any_step(), 0..40u64), 1..60)) {
        let mut slots = Slots::default();
        let mut now = 0;
        let mut kept_out: Vec<(PluginId, HeldBack)> = Vec::new();
        for (plugin, step, passed) in steps {
            now += passed;
            let plugin = PluginId::new(format!("p{plugin}"));
            let before = slots.clone();
            let event = match step {
                Step::Event(event) => event,
                Step::Start(usable) => {
                    slots.keep_usable(&plugin, |one| usable.contains(&one.digest.as_bytes()[0]), now);
                    if let (Some(before), None) = (before.slot(&plugin), slots.slot(&plugin)) {
                        kept_out.extend(before.held_back().iter().map(|held| (plugin.clone(), held.clone())));
                    }
                    if let Some(slot) = slots.slot(&plugin) {
                        prop_assert_eq!(slot.held_back(), before.slot(&plugin).unwrap().held_back());
                    }
                    let json = serde_json::to_string(&slots).unwrap();
                    prop_assert_eq!(serde_json::from_str::<Slots>(&json).unwrap(), slots.clone(), "it can be kept");
                    continue;
                }
            };
            let applied = slots.apply(&plugin, event.clone(), at(now));
            if applied.is_err() {
                prop_assert_eq!(&slots, &before, "an error changes nothing");
            }
            if before.slot(&plugin).is_none() && let Some(after) = slots.slot(&plugin) {
                let held = |held: &(PluginId, HeldBack)| held.0 == plugin && held.1.covers(&after.active().revision);
                let named = matches!(event, Event::Admitted { arrival: Arrival::Command, .. });
                prop_assert!(named || !kept_out.iter().any(held), "an emptied slot forgets nothing");
                kept_out.retain(|(emptied, _)| *emptied != plugin);
            }
            if let (Some(before), Some(after)) = (before.slot(&plugin), slots.slot(&plugin)) {
                let active = after.active().revision;
                prop_assert!(allowed(before, &event).contains(&active), "{:?} from {:?}", event, before);
                let is_new = active != before.active().revision;
                let told = applied.iter().flatten().any(|change| change.revision == active && change.to == Stage::Active);
                prop_assert_eq!(is_new, told, "a new active revision is told");
                prop_assert!(after.held_back().len() <= 16);
                prop_assert!(after.previous().is_none_or(|previous| !after.is_held_back(&previous)));
            }
            let canaries = slots.iter().filter_map(|(_, slot)| slot.candidate());
            prop_assert!(canaries.filter(|one| one.trial.stage() == Stage::Canary).count() <= 1);
            for (name, other) in before.iter().filter(|(name, _)| **name != plugin) {
                prop_assert_eq!(slots.slot(name), Some(other), "other slots stay as they are");
            }
            let json = serde_json::to_string(&slots).unwrap();
            prop_assert_eq!(serde_json::from_str::<Slots>(&json).unwrap(), slots.clone(), "it can be kept");
        }
    }
}
