//! What hangs on a write: partitions, generated columns, views, and foreign keys that pass a change on.

use std::collections::BTreeSet;

use super::super::{Protection, Purpose, trace};
use super::default_naming;
use crate::sql::Sql;
use crate::sql::schema::{
    Collation, ColumnId, Compared, Occasion, Relation, RelationKind, Schema, SchemaColumn, SchemaParts,
};

/// Every column called `secret`, and `made` from it.
struct Secrets<'s>(&'s Schema);

impl Protection for Secrets<'_> {
    fn is_protected(&self, column: ColumnId) -> bool {
        let relation = self.0.relation(column.relation).unwrap();
        let found = relation.columns.iter().find(|known| known.number == column.number).unwrap();
        matches!(&*found.name, "secret" | "made")
    }

    fn is_vouched_for(&self, _schema: &str, _function: &str) -> bool {
        false
    }
}

const PARENT: u32 = 20_001;
const CHILD: u32 = 20_002;
const GRANDCHILD: u32 = 20_003;
const WHOLE: u32 = 20_004;
const PART: u32 = 20_005;
const DERIVED: u32 = 20_006;
const VIEW: u32 = 20_007;
const ALONE: u32 = 20_008;

fn relation(oid: u32, name: &str, columns: &[&str], compared: Vec<Compared>) -> Relation {
    let column = |(index, name): (usize, &&str)| {
        let (name, generated) =
            name.split_once('=').map_or((*name, None), |(name, by)| (name, Some(by.into())));
        SchemaColumn {
            name: name.into(),
            number: i16::try_from(index + 1).unwrap(),
            type_oid: 25,
            typmod: -1,
            generated,
            collation: Collation::Usual,
        }
    };
    Relation {
        oid,
        schema: "public".into(),
        name: name.into(),
        kind: RelationKind::Table,
        columns: columns.iter().enumerate().map(column).collect(),
        definition: None,
        parents: Vec::new(),
        compared,
    }
}

fn compared(written: i16, with: (u32, i16), occasion: Occasion) -> Compared {
    let with = BTreeSet::from([ColumnId { relation: with.0, number: with.1 }]);
    Compared { written: BTreeSet::from([written]), with, occasion }
}

/// `grandchild.secret` refers to `child.key`, which refers to `parent.id`; `part` is a partition of `whole`, and its secrets
/// are unique; so is what `derived` makes of its own; `v` shows columns of `derived` under other names.
fn schema() -> Schema {
    use Occasion::{Writing, WritingOrRemoval};
    let part = Relation {
        parents: vec![WHOLE],
        ..relation(PART, "part", &["secret", "id"], vec![compared(1, (PART, 1), Writing)])
    };
    let view = Relation {
        kind: RelationKind::View,
        definition: Some(
            "SELECT derived.secret AS shown, derived.id AS number, 1 AS one FROM derived;".into(),
        ),
        ..relation(VIEW, "v", &["shown", "number", "one"], Vec::new())
    };
    let relations = vec![
        relation(PARENT, "parent", &["id"], vec![compared(1, (CHILD, 1), WritingOrRemoval)]),
        relation(
            CHILD,
            "child",
            &["key"],
            vec![compared(1, (PARENT, 1), Writing), compared(1, (GRANDCHILD, 1), WritingOrRemoval)],
        ),
        relation(GRANDCHILD, "grandchild", &["secret"], vec![compared(1, (CHILD, 1), Writing)]),
        relation(WHOLE, "whole", &["id", "secret"], Vec::new()),
        part,
        relation(
            DERIVED,
            "derived",
            &["id", "secret", "made=upper(secret)"],
            vec![compared(3, (DERIVED, 3), Writing)],
        ),
        view,
        relation(ALONE, "alone", &["id", "secret"], Vec::new()),
    ];
    Schema::from(SchemaParts { relations, search_path: vec!["public".into()], ..SchemaParts::default() })
}

fn check(sql: &str, expected: &[(u32, i16)]) {
    let schema = schema();
    let lineages = trace(Sql::standard(sql), &schema, &default_naming(), &Secrets(&schema)).unwrap();
    let probed: BTreeSet<ColumnId> = lineages
        .iter()
        .flat_map(|lineage| &lineage.uses)
        .filter(|one| one.purpose == Purpose::Probes)
        .flat_map(|one| one.columns.iter().copied())
        .collect();
    let expected =
        expected.iter().map(|(relation, number)| ColumnId { relation: *relation, number: *number });
    assert_eq!(probed, expected.collect(), "{sql}");
}

#[test]
fn a_change_is_followed_to_where_it_is_compared() {
    // What refers to it may go with it, and so meets what refers to that.
    check("DELETE FROM parent WHERE id = '1'", &[(GRANDCHILD, 1)]);
    check("UPDATE parent SET id = '2'", &[(GRANDCHILD, 1)]);
    check("DELETE FROM grandchild", &[]);
    check("INSERT INTO grandchild VALUES ('x')", &[(GRANDCHILD, 1)]);
    check("INSERT INTO whole (id, secret) VALUES ('1', 'x')", &[(PART, 1)]);
    check("UPDATE whole SET secret = 'x'", &[(PART, 1)]);
    check("UPDATE whole SET id = 'x'", &[]);
    check("UPDATE derived SET secret = 'x'", &[(DERIVED, 3)]);
    check("UPDATE derived SET id = 'x'", &[]);
    check("UPDATE v SET shown = 'x'", &[(DERIVED, 3)]);
    check("UPDATE v SET number = 'x'", &[]);
    check("DELETE FROM v", &[]);
    check("DELETE FROM whole", &[]);
    check("INSERT INTO alone VALUES ('1', 'x')", &[]);
    check("TRUNCATE parent", &[]);
}
