//! What holds what a protected column holds.

use std::collections::BTreeMap;

use crate::sql::lineage::{Spread, spread};
use crate::sql::schema::{Collation, ColumnId, Relation, RelationKind, Schema, SchemaColumn, SchemaParts};

/// Rules are numbers: the greater is stricter, and what is computed from a column has 10 more.
struct Numbers(&'static [(&'static str, u8)]);

impl Spread for Numbers {
    type Rule = u8;

    fn named(&self, relation: &Relation, column: &SchemaColumn) -> Option<u8> {
        let name = format!("{}.{}", relation.name, column.name);
        self.0.iter().find(|(known, _)| *known == name).map(|(_, rule)| *rule)
    }

    fn stricter(&self, one: u8, other: u8) -> u8 {
        one.max(other)
    }

    fn derived(&self, rule: u8) -> u8 {
        if rule < 10 { rule + 10 } else { rule }
    }

    fn is_vouched_for(&self, _schema: &str, _function: &str) -> bool {
        false
    }
}

fn relation(oid: u32, name: &str, columns: &[&str], parents: &[u32], definition: Option<&str>) -> Relation {
    let column = |(index, name): (usize, &&str)| {
        let (name, generated) =
            name.split_once('=').map_or((*name, None), |(name, by)| (name, Some(by.into())));
        let number = i16::try_from(index + 1).unwrap();
        let collation = Collation::Usual;
        SchemaColumn { name: name.into(), number, type_oid: 25, typmod: -1, generated, collation }
    };
    Relation {
        oid,
        schema: "public".into(),
        name: name.into(),
        kind: if definition.is_some() { RelationKind::View } else { RelationKind::Table },
        columns: columns.iter().enumerate().map(column).collect(),
        definition: definition.map(Into::into),
        parents: parents.to_vec(),
        compared: Vec::new(),
    }
}

fn check(relations: Vec<Relation>, rules: &'static [(&'static str, u8)], expected: &str) {
    check_referring(relations, &[], rules, expected);
}

/// The same where columns refer to others, both as relation and number.
fn check_referring(
    relations: Vec<Relation>,
    references: &[[(u32, i16); 2]],
    rules: &'static [(&'static str, u8)],
    expected: &str,
) {
    let id = |(relation, number)| ColumnId { relation, number };
    let schema = Schema::from(SchemaParts {
        relations,
        search_path: vec!["public".into()],
        foreign_keys: references.iter().map(|[from, to]| (id(*from), id(*to))).collect(),
        ..SchemaParts::default()
    });
    let spread = spread(&schema, &Numbers(rules)).unwrap();
    let name = |id: ColumnId| {
        let relation = schema.relation(id.relation).unwrap();
        let column = relation.columns.iter().find(|column| column.number == id.number).unwrap();
        format!("{}.{}", relation.name, column.name)
    };
    let sorted: BTreeMap<String, u8> = spread.iter().map(|(id, rule)| (name(*id), *rule)).collect();
    let shown: Vec<String> = sorted.iter().map(|(name, rule)| format!("{name} {rule}")).collect();
    assert_eq!(shown.join(", "), expected);
}

#[test]
fn nothing_comes_of_nothing() {
    check(vec![relation(1, "a", &["x"], &[], None)], &[], "");
}

#[test]
fn children_and_parents() {
    let family = || {
        vec![
            relation(1, "top", &["id", "ssn"], &[], None),
            relation(2, "left", &["ssn", "id", "more"], &[1], None),
            relation(3, "leaf", &["id", "ssn"], &[2], None),
            relation(4, "other", &["id", "ssn"], &[], None),
        ]
    };
    check(family(), &[("top.ssn", 1)], "leaf.ssn 1, left.ssn 1, top.ssn 1");
    check(family(), &[("leaf.ssn", 1)], "leaf.ssn 1, left.ssn 1, top.ssn 1");
    check(family(), &[("leaf.ssn", 1), ("top.ssn", 2)], "leaf.ssn 2, left.ssn 2, top.ssn 2");
    check(family(), &[("left.more", 1)], "left.more 1");
}

#[test]
fn what_refers_holds_what_it_refers_to() {
    let tables = || {
        vec![
            relation(1, "users", &["id", "ssn"], &[], None),
            relation(2, "orders", &["id", "of", "tail=right(of, 4)"], &[], None),
            relation(3, "parts", &["id", "of", "by"], &[], None),
            relation(4, "v", &["x"], &[], Some("SELECT of FROM parts")),
        ]
    };
    let references = [[(2, 2), (1, 2)], [(3, 2), (2, 2)], [(3, 3), (1, 1)]];
    let all = "orders.of 1, orders.tail 11, parts.of 1, users.ssn 1, v.x 1";
    for named in [&[("users.ssn", 1)], &[("orders.of", 1)], &[("parts.of", 1)]] {
        check_referring(tables(), &references, named, all);
    }
    let stricter = "orders.of 2, orders.tail 12, parts.of 2, users.ssn 2, v.x 2";
    check_referring(tables(), &references, &[("users.ssn", 1), ("parts.of", 2)], stricter);
    check_referring(tables(), &references, &[("users.id", 1)], "parts.by 1, users.id 1");
}

#[test]
fn generated_columns() {
    let table = |expression: &str| vec![relation(1, "t", &["a", "b", expression], &[], None)];
    check(table("c=upper(a)"), &[("t.a", 1)], "t.a 1, t.c 11");
    check(table("c=upper(b)"), &[("t.a", 1)], "t.a 1");
    check(table("c=(a || b)"), &[("t.b", 3), ("t.c", 1)], "t.b 3, t.c 13");
    check(table("c=)nonsense("), &[("t.b", 3)], "t.b 3, t.c 13");
}

#[test]
fn views() {
    let with = |definition: &str| {
        vec![
            relation(1, "t", &["a", "b"], &[], None),
            relation(2, "v", &["x", "y"], &[], Some(definition)),
            relation(3, "w", &["z"], &[], Some("SELECT x FROM v")),
        ]
    };
    check(with("SELECT a, b FROM t"), &[("t.a", 1)], "t.a 1, v.x 1, w.z 1");
    check(with("SELECT a || b, b FROM t"), &[("t.a", 1)], "t.a 1, v.x 11, w.z 11");
    check(with("SELECT b, a FROM t"), &[("t.a", 1)], "t.a 1, v.y 1");
    check(with("SELECT a, b FROM t"), &[("v.x", 2)], "v.x 2, w.z 2");
    check(with("SELECT a, b FROM t"), &[("t.a", 1), ("v.x", 2)], "t.a 1, v.x 2, w.z 1");
    check(with("SELECT a FROM t"), &[("t.a", 1)], "t.a 1");
}
