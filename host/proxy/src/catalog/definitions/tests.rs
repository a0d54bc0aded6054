//! Sessions that define, and sessions that rest on what is defined: by hand, and without a server.

use std::collections::{HashMap, HashSet};

use grille_wire::sql::schema::{Follower, Relation, RelationKind, SchemaParts};

use super::resting::RESTING_NAMES_MAX;
use super::state::PASSED_MAX;
use super::*;
use crate::catalog::query::Content;

/// A table, a view over it, a table of the same name in another schema, two partitions of the table, and
/// what it inherits from.
fn snapshot() -> Arc<Snapshot> {
    let relation = |oid, schema: &str, name: &str, kind, parents: &[u32]| Relation {
        oid,
        schema: schema.into(),
        name: name.into(),
        kind,
        columns: Vec::new(),
        definition: (kind == RelationKind::View).then(|| "SELECT".into()),
        parents: parents.to_vec(),
        compared: Vec::new(),
    };
    let parts = SchemaParts {
        relations: vec![
            relation(1, "public", "t", RelationKind::Table, &[7]),
            relation(2, "public", "v", RelationKind::View, &[]),
            relation(3, "other", "t", RelationKind::Table, &[]),
            relation(4, "parts", "p", RelationKind::Table, &[1]),
            relation(5, "public", "alone", RelationKind::Table, &[]),
            relation(6, "parts", "q", RelationKind::Table, &[1]),
            relation(7, "public", "top", RelationKind::Table, &[]),
        ],
        followers: vec![(2, Follower::Underlies(1))],
        ..SchemaParts::default()
    };
    let content = Content {
        schema: parts.into(),
        base_types: HashMap::new(),
        search_path_setting: "public".into(),
        closed_schemas: HashSet::new(),
    };
    Arc::new(Snapshot::after(None, None, content))
}

fn name(text: &str) -> ObjectName {
    match text.split_once('.') {
        Some((schema, name)) => ObjectName { schema: Some(schema.into()), name: name.into() },
        None => ObjectName { schema: None, name: text.into() },
    }
}

fn defined(names: &[&str], reach: Reach) -> Defined {
    Defined { names: names.iter().copied().map(name).collect(), reach, ..Defined::default() }
}

/// On these names, looked up in `public` and in `mine`, which is not there.
fn rests(names: &[&str]) -> Rests {
    let places: Arc<[Box<str>]> = ["pg_catalog", "mine", "public"].map(Into::into).into();
    let names = names.iter().copied().map(name).collect();
    Rests { names, places: Some(places), writes: false }
}

fn database() -> Arc<Definitions> {
    let definitions = Arc::new(Definitions::new());
    definitions.know(&snapshot());
    definitions
}

#[test]
fn a_definition_touches_what_a_name_may_mean_and_what_is_behind_it() {
    let snapshot = snapshot();
    let check = |on: &str, names: &[&str], reach: Reach, expected: bool| {
        let touches = rests(&[on]).is_touched_by(&defined(names, reach), Some(&snapshot));
        assert_eq!(touches, expected, "{on}: {names:?} {reach:?}");
    };
    check("t", &["t"], Reach::Named, true);
    check("t", &["public.t"], Reach::Named, true);
    check("t", &["mine.t"], Reach::Named, true);
    check("t", &["elsewhere.t"], Reach::Named, false);
    check("public.t", &["mine.t"], Reach::Named, false);
    check("public.t", &["t"], Reach::Named, true);
    check("v", &["t"], Reach::Named, true);
    check("v", &["public.t"], Reach::Named, true);
    check("v", &["mine.t"], Reach::Named, false);
    check("t", &["v"], Reach::Named, false);
    check("t", &["parts.p"], Reach::Named, true);
    check("p", &["public.t"], Reach::Named, true);
    check("p", &["parts.q"], Reach::Named, false);
    check("q", &["top"], Reach::Named, true);
    check("alone", &["t", "u"], Reach::Named, false);
    check("alone", &["u"], Reach::Hidden, false);
    check("t", &["u"], Reach::Hidden, true);
    check("public.t", &["u"], Reach::Hidden, false);
    check("alone", &[], Reach::Anything, true);
    let nothing = rests(&[]);
    assert!(!nothing.is_touched_by(&defined(&[], Reach::Anything), Some(&snapshot)));
    assert!(rests(&["alone"]).is_touched_by(&defined(&["u"], Reach::Named), None), "nothing is known");
    let anywhere = Rests { places: None, ..rests(&["t"]) };
    assert!(anywhere.is_touched_by(&defined(&["elsewhere.t"], Reach::Named), Some(&snapshot)));
}

#[test]
fn a_definition_is_let_go_once_nothing_of_others_rests_on_it() {
    let database = database();
    let [reader, definer] = [database.enter(), database.enter()];
    let change = defined(&["t"], Reach::Named);
    assert!(definer.rest(&rests(&["t"]), definer.mark()), "its own does not count");
    assert!(reader.rest(&rests(&["v"]), reader.mark()));
    assert!(!definer.let_go(&change) && !definer.let_go(&change));
    assert!(definer.let_go(&defined(&["alone"], Reach::Named)), "nobody reads that");
    reader.rest_no_more();
    assert!(definer.let_go(&change));
    drop(reader);
}

#[test]
fn what_a_definition_touches_is_shaken_until_it_is_settled() {
    let database = database();
    let [reader, definer] = [database.enter(), database.enter()];
    let changes = database.changes();
    assert!(definer.let_go(&defined(&["t"], Reach::Named)));
    assert_eq!(reader.standing(&rests(&["v"])), Standing::Shaken);
    assert_eq!(reader.standing(&rests(&["alone"])), Standing::Firm);
    assert_eq!(definer.standing(&rests(&["v"])), Standing::Firm, "that is the session's own business");
    definer.settle();
    assert_eq!(reader.standing(&rests(&["v"])), Standing::Firm);
    assert_ne!(database.changes(), changes, "the catalogue is read again");
}

#[test]
fn a_definition_that_waits_comes_before_newcomers_and_not_before_those_it_waits_for() {
    let database = database();
    let [first, newcomer, definer] = [database.enter(), database.enter(), database.enter()];
    assert!(first.rest(&rests(&["t"]), first.mark()));
    assert!(!definer.let_go(&defined(&["t", "alone"], Reach::Named)));
    assert_eq!(first.standing(&rests(&["t", "alone"])), Standing::Firm);
    assert_eq!(newcomer.standing(&rests(&["t"])), Standing::Queued);
    let changes = database.changes();
    definer.withdraw();
    assert_eq!(newcomer.standing(&rests(&["t"])), Standing::Firm);
    assert_eq!(database.changes(), changes, "nothing was defined");
}

#[test]
fn a_judgement_holds_unless_what_it_rests_on_was_let_go_or_settled_since() {
    let database = database();
    let [reader, definer] = [database.enter(), database.enter()];
    let (on, other) = (rests(&["t"]), rests(&["alone"]));
    let mark = reader.mark();
    assert!(definer.let_go(&defined(&["t"], Reach::Named)));
    assert!(
        !reader.rest(&on, mark) && !reader.is_involved(),
        "it is judged again before it rests on anything"
    );
    assert!(reader.rest(&other, mark), "nobody defines that");
    let mark = reader.mark();
    definer.settle();
    assert!(!reader.rest(&on, mark) && reader.rest(&other, mark));
    assert!(reader.rest(&on, reader.mark()) && reader.is_involved());
    assert!(definer.rest(&on, mark), "its own does not count");
}

#[test]
fn to_a_judgement_older_than_what_is_kept_in_mind_anything_may_have_changed() {
    let database = database();
    let [reader, definer] = [database.enter(), database.enter()];
    let mark = reader.mark();
    for _ in 0..=PASSED_MAX {
        assert!(definer.let_go(&defined(&["alone"], Reach::Named)));
        definer.settle();
    }
    assert!(reader.rest(&rests(&["t"]), mark), "it is the same each time");
    for round in 0..=PASSED_MAX {
        assert_eq!(reader.rest(&rests(&["t"]), mark), round < PASSED_MAX, "{round}");
        assert!(definer.let_go(&defined(&[&format!("n{round}")], Reach::Named)));
        definer.settle();
        reader.rest_no_more();
    }
}

#[test]
fn what_one_transaction_defines_is_merged_and_bounded() {
    let database = database();
    let [reader, definer] = [database.enter(), database.enter()];
    for number in 0..3 {
        let names: Vec<String> = (0..4_000).map(|index| format!("n{number}_{index}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert!(definer.let_go(&defined(&names, Reach::Named)));
        assert_eq!(database.state.lock().announced.len(), 1);
        let expected = if number < 2 { Standing::Firm } else { Standing::Shaken };
        assert_eq!(reader.standing(&rests(&["t"])), expected);
    }
}

#[test]
fn a_lock_comes_before_statements_and_changes_nothing() {
    let database = database();
    let [reader, definer] = [database.enter(), database.enter()];
    let changes = database.changes();
    assert!(definer.let_go(&Defined { locked: [name("t")].into(), ..Defined::default() }));
    assert_eq!(reader.standing(&rests(&["t"])), Standing::Shaken);
    definer.settle();
    assert_eq!((reader.standing(&rests(&["t"])), database.changes()), (Standing::Firm, changes));
}

#[test]
fn what_rows_may_be_equal_matters_to_those_who_write() {
    let database = database();
    let [reader, definer] = [database.enter(), database.enter()];
    let changes = database.changes();
    assert!(reader.rest(&rests(&["t"]), reader.mark()));
    assert!(definer.let_go(&Defined { limited: [name("t")].into(), ..Defined::default() }));
    assert_eq!(reader.standing(&rests(&["t"])), Standing::Firm);
    assert_eq!(reader.standing(&Rests { writes: true, ..rests(&["t"]) }), Standing::Shaken);
    definer.settle();
    assert_ne!(database.changes(), changes, "the catalogue is read again");
}

#[test]
fn who_was_refused_waits_without_holding_up_newcomers() {
    let database = database();
    let [first, newcomer, mut definer] = [database.enter(), database.enter(), database.enter()];
    assert!(first.rest(&rests(&["t"]), first.mark()));
    definer.refused();
    assert!(!definer.let_go(&defined(&["t"], Reach::Named)));
    assert_eq!(newcomer.standing(&rests(&["t"])), Standing::Firm);
    first.rest_no_more();
    assert!(definer.let_go(&defined(&["t"], Reach::Named)));
}

#[test]
fn what_outlives_its_session_is_not_settled_by_its_end() {
    let database = database();
    let [reader, prepared, lost] = [database.enter(), database.enter(), database.enter()];
    let on = rests(&["t"]);
    assert!(prepared.let_go(&defined(&["t"], Reach::Named)));
    prepared.prepare(Some("one".into()));
    prepared.settle();
    prepared.prepare(Some("two".into()));
    drop(prepared);
    assert_eq!(reader.standing(&on), Standing::Shaken);
    let knows = |gid: &str| reader.knows_prepared(&gid.into());
    assert_eq!(["one", "two", "three"].map(knows), [true, true, false]);
    reader.settle_prepared(Some(&"two".into()));
    assert_eq!((reader.standing(&on), knows("two")), (Standing::Shaken, false));
    reader.settle_prepared(Some(&"one".into()));
    assert_eq!((reader.standing(&on), knows("one")), (Standing::Firm, false));
    assert!(lost.let_go(&defined(&["t"], Reach::Named)));
    drop(lost);
    reader.settle_prepared(None);
    assert_eq!(reader.standing(&on), Standing::Shaken);
}

#[test]
fn a_prepared_transaction_of_which_the_name_is_not_known_makes_all_unknown() {
    let database = database();
    let [reader, prepared] = [database.enter(), database.enter()];
    assert!(prepared.let_go(&defined(&["t"], Reach::Named)));
    prepared.prepare(Some("one".into()));
    reader.settle_prepared(None);
    assert!(!reader.knows_prepared(&"one".into()));
    assert_eq!(reader.standing(&rests(&["t"])), Standing::Shaken, "it may have been another");
}

#[test]
fn a_transaction_rests_on_names_and_with_too_many_on_everything() {
    let database = database();
    let [reader, definer] = [database.enter(), database.enter()];
    for _ in 0..300 {
        assert!(reader.rest(&rests(&["t"]), reader.mark()));
    }
    assert!(definer.let_go(&defined(&["alone"], Reach::Named)));
    definer.settle();
    let names: Vec<String> = (0..=RESTING_NAMES_MAX).map(|index| format!("n{index}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert!(reader.rest(&rests(&names), reader.mark()));
    assert!(!definer.let_go(&defined(&["alone"], Reach::Named)));
    reader.rest_no_more();
    assert!(definer.let_go(&defined(&["alone"], Reach::Named)));
}

#[tokio::test]
async fn whoever_waits_is_told_when_something_ends() {
    let database = database();
    let [reader, definer] = [database.enter(), database.enter()];
    assert!(reader.rest(&rests(&["t"]), reader.mark()));
    let mut waiting = definer.wait();
    assert!(!definer.let_go(&defined(&["t"], Reach::Named)));
    reader.rest_no_more();
    waiting.turned().await;
    assert!(definer.let_go(&defined(&["t"], Reach::Named)));
}

#[test]
fn all_that_leads_to_one_database_shares_what_is_known_of_it() {
    let of = |database: &str| Database { host: "h".into(), port: 1, name: database.into() };
    let [one, same, other] =
        ["definitions-a", "definitions-a", "definitions-b"].map(of).map(Definitions::of_database);
    assert!(Arc::ptr_eq(&one, &same) && !Arc::ptr_eq(&one, &other));
}
