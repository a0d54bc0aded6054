//! What a statement of a restricted role costs beyond its analysis, when it was not seen before: its lineage.
//! `cargo bench -p grille-bench --bench lineage`.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use grille_wire::sql::Sql;
use grille_wire::sql::lineage::{Naming, Protection, trace};
use grille_wire::sql::schema::{
    Builtin, Collation, ColumnId, Relation, RelationKind, Schema, SchemaColumn, SchemaParts, Volatility,
};

/// Name, columns, and a view's definition.
const RELATIONS: [(&str, &[&str], Option<&str>); 5] = [
    ("orders", &["id", "customer", "total", "placed", "status"], None),
    ("customers", &["id", "name", "email", "active"], None),
    ("contacts", &["id", "email"], Some("SELECT id, email FROM customers WHERE active")),
    (
        "open_orders",
        &["id", "customer", "total"],
        Some("SELECT id, customer, total FROM orders WHERE status = 'open'"),
    ),
    (
        "open_contacts",
        &["id", "email", "total"],
        Some("SELECT o.id, c.email, o.total FROM open_orders o JOIN contacts c ON c.id = o.customer"),
    ),
];

/// 111 bytes.
const JOIN: &str = "SELECT o.id, o.total, c.email, c.name FROM orders o JOIN customers c ON c.id = o.customer WHERE o.total > 42.50";
/// Reads a view of views: three definitions.
const VIEW: &str = "SELECT id, email, total FROM open_contacts WHERE total > 42.50";
/// Some 400 bytes, quoted and aliased as an ORM writes it.
const ORM: &str = r#"SELECT "o"."id" AS "id_1", "o"."customer" AS "customer_1", "o"."total" AS "total_1", "o"."placed" AS "placed_1", "o"."status" AS "status_1", "c"."id" AS "id_2", "c"."name" AS "name_2", "c"."email" AS "email_2", "c"."active" AS "active_2" FROM "public"."orders" AS "o" LEFT OUTER JOIN "public"."customers" AS "c" ON "c"."id" = "o"."customer" WHERE "o"."status" = $1 ORDER BY "o"."placed" DESC LIMIT $2"#;

/// `customers.email`, by the place of its relation.
struct Email;

impl Protection for Email {
    fn is_protected(&self, column: ColumnId) -> bool {
        matches!((column.relation, column.number), (2, 3) | (3, 2) | (5, 2))
    }

    fn is_vouched_for(&self, _: &str, _: &str) -> bool {
        false
    }
}

fn relation(oid: u32, name: &str, columns: &[&str], definition: Option<&str>) -> Relation {
    let column = |(index, name): (usize, &&str)| SchemaColumn {
        name: (*name).into(),
        number: i16::try_from(index + 1).unwrap(),
        type_oid: 25,
        typmod: -1,
        generated: None,
        collation: Collation::Usual,
    };
    Relation {
        oid,
        schema: "public".into(),
        name: name.into(),
        kind: if definition.is_some() { RelationKind::View } else { RelationKind::Table },
        columns: columns.iter().enumerate().map(column).collect(),
        definition: definition.map(Into::into),
        parents: vec![],
        compared: vec![],
    }
}

/// The relations above among `others` tables.
fn schema(others: u32) -> Schema {
    let mut relations: Vec<Relation> = (1..)
        .zip(&RELATIONS)
        .map(|(oid, (name, columns, definition))| relation(oid, name, columns, *definition))
        .collect();
    relations.extend((100..100 + others).map(|oid| relation(oid, &format!("t{oid}"), &["id", "v"], None)));
    let builtin = Builtin { volatility: Volatility::Immutable, returns_set: false };
    Schema::from(SchemaParts {
        relations,
        builtins: vec![("lower".into(), builtin)],
        search_path: vec!["pg_catalog".into(), "public".into()],
        ..SchemaParts::default()
    })
}

fn tracing(c: &mut Criterion) {
    grille_wire::sql::declare_large_stack();
    let schema = schema(10_000);
    let naming = Naming { search_path: Some(schema.search_path().to_vec()), ..Naming::default() };
    for (name, sql) in [("join-of-111-bytes", JOIN), ("view-of-views", VIEW), ("orm-of-400-bytes", ORM)] {
        c.bench_function(&format!("lineage/trace-{name}"), |b| {
            b.iter(|| trace(black_box(Sql::standard(sql)), &schema, &naming, &Email).unwrap());
        });
        // What of it is the parser's: analysis parses too.
        c.bench_function(&format!("lineage/analyze-{name}"), |b| {
            b.iter(|| grille_wire::sql::analyze(black_box(sql)).unwrap());
        });
    }
}

criterion_group!(lineage, tracing);
criterion_main!(lineage);
