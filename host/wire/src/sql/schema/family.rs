//! What holds for a relation because of those it inherits from or hands on to: in which partition a row lies, and which
//! values are refused.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{ColumnId, Schema};

/// All of it, by relation and by column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Families {
    bounded_by: HashMap<u32, Vec<ColumnId>>,
    divided_by: HashMap<u32, Vec<ColumnId>>,
    limited: HashSet<ColumnId>,
}

impl Families {
    /// Partition keys and limits are those of the columns' own relations.
    pub(super) fn of(schema: &Schema, partition_keys: &[ColumnId], limited: &[ColumnId]) -> Self {
        let mut families = Self::default();
        for key in partition_keys {
            let (above, below) = (ancestors(schema, key.relation), descendants(schema, key.relation));
            for relation in above.iter().chain([&key.relation]) {
                families.divided_by.entry(*relation).or_default().push(*key);
            }
            for relation in &below {
                families.bounded_by.entry(*relation).or_default().push(*key);
            }
            families.limit(schema, *key, above.iter().chain(&below));
        }
        for column in limited.iter().copied().chain(sources_of_generated(schema)) {
            families.limit(schema, column, &ancestors(schema, column.relation));
        }
        families
    }

    /// The column refuses some values, and so does its namesake in each of the relations.
    fn limit<'o>(&mut self, schema: &Schema, column: ColumnId, relations: impl IntoIterator<Item = &'o u32>) {
        self.limited.insert(column);
        let own = schema.relation(column.relation);
        let Some(own) = own.and_then(|own| own.columns.iter().find(|known| known.number == column.number))
        else {
            return;
        };
        for relation in relations.into_iter().filter_map(|oid| schema.relation(*oid)) {
            let same = relation.column(&own.name);
            self.limited
                .extend(same.map(|column| ColumnId { relation: relation.oid, number: column.number }));
        }
    }

    pub(super) fn bounded_by(&self, oid: u32) -> &[ColumnId] {
        self.bounded_by.get(&oid).map_or(&[], Vec::as_slice)
    }

    pub(super) fn divided_by(&self, oid: u32) -> &[ColumnId] {
        self.divided_by.get(&oid).map_or(&[], Vec::as_slice)
    }

    pub(super) fn is_limited(&self, column: ColumnId) -> bool {
        self.limited.contains(&column)
    }
}

/// Columns that a generated one may be computed from. The server doubles quotes in a name, so one with quotes is taken to be
/// in every expression.
fn sources_of_generated(schema: &Schema) -> impl Iterator<Item = ColumnId> {
    schema.relations().iter().flat_map(|relation| {
        let expressions = relation.columns.iter().filter_map(|column| column.generated.as_deref());
        let expressions: Vec<&str> = expressions.collect();
        let sources = relation.columns.iter().filter(move |column| {
            let mentions =
                |expression: &&str| column.name.contains('"') || expression.contains(&*column.name);
            expressions.iter().any(mentions)
        });
        sources.map(|column| ColumnId { relation: relation.oid, number: column.number })
    })
}

/// Without the relation itself.
fn ancestors(schema: &Schema, oid: u32) -> BTreeSet<u32> {
    reached(oid, |oid| schema.relation(oid).map(|relation| relation.parents.clone()).unwrap_or_default())
}

/// Without the relation itself.
fn descendants(schema: &Schema, oid: u32) -> BTreeSet<u32> {
    reached(oid, |oid| schema.children_of(oid).map(|child| child.oid).collect())
}

fn reached(from: u32, next: impl Fn(u32) -> Vec<u32>) -> BTreeSet<u32> {
    let (mut seen, mut ahead) = (BTreeSet::new(), next(from));
    while let Some(oid) = ahead.pop() {
        if oid != from && seen.insert(oid) {
            ahead.extend(next(oid));
        }
    }
    seen
}
