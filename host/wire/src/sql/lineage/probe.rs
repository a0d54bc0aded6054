//! What the server compares with stored values when rows are written or removed: by unique indexes, exclusion constraints,
//! foreign keys and checks. What follows from a change elsewhere counts too: in children and partitions, in generated
//! columns, under views, and by the actions of foreign keys. Whether a value may be written is not asked here.

use std::collections::BTreeSet;

use super::Purpose;
use super::context::Traced;
use super::taint::Taint;
use super::tracer::Tracer;
use crate::sql::schema::{ColumnId, Compared, Occasion, Relation, RelationKind, Schema, SchemaColumn};

/// Something that changes stored rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    /// Values of this column are written.
    Written(ColumnId),
    /// Rows of this relation go away.
    Removed(u32),
}

/// Changes that are to be followed, each once.
#[derive(Default)]
struct Changes {
    seen: BTreeSet<Change>,
    pending: Vec<Change>,
    /// What is compared.
    compared: Taint,
}

impl Changes {
    fn add(&mut self, change: Change) {
        if self.seen.insert(change) {
            self.pending.push(change);
        }
    }

    fn write(&mut self, relation: &Relation, column: &SchemaColumn) {
        self.add(Change::Written(ColumnId { relation: relation.oid, number: column.number }));
    }

    /// What refers to the columns may be removed with them, or set to something else: by the action of the foreign key.
    fn act(&mut self, compared: &Compared) {
        for column in &compared.with {
            self.add(Change::Written(*column));
            self.add(Change::Removed(column.relation));
        }
    }
}

impl<'t, 's: 't> Tracer<'_, 's, 't> {
    /// Columns are written, of whichever of the relations has them.
    pub(super) fn probe(&mut self, relations: &[&'t Relation], written: &[&str]) -> Traced<()> {
        let mut changes = Changes::default();
        for relation in relations {
            for column in relation.columns.iter().filter(|column| written.contains(&&*column.name)) {
                changes.write(relation, column);
            }
        }
        self.follow(changes)
    }

    /// Rows are removed, from whichever of the relations is meant.
    pub(super) fn probe_removal(&mut self, relations: &[&'t Relation]) -> Traced<()> {
        let mut changes = Changes::default();
        relations.iter().for_each(|relation| changes.add(Change::Removed(relation.oid)));
        self.follow(changes)
    }

    fn follow(&mut self, mut changes: Changes) -> Traced<()> {
        let schema: &'s Schema = self.context.schema;
        while let Some(change) = changes.pending.pop() {
            self.context.spend(1)?;
            let of = match change {
                Change::Written(column) => column.relation,
                Change::Removed(relation) => relation,
            };
            let Some(relation) = schema.relation(of) else { continue };
            match change {
                Change::Written(column) => self.follow_write(relation, column.number, &mut changes)?,
                Change::Removed(_) => self.follow_removal(relation, &mut changes)?,
            }
        }
        if self.context.counts(&changes.compared) {
            self.findings.note(&changes.compared, Purpose::Probes);
        }
        Ok(())
    }

    fn follow_write(&mut self, relation: &'t Relation, number: i16, changes: &mut Changes) -> Traced<()> {
        let Some(column) = relation.columns.iter().find(|column| column.number == number) else {
            return Ok(());
        };
        for compared in relation.compared.iter().filter(|of| of.written.contains(&number)) {
            self.compare(relation, compared, Some(number), changes);
            match compared.occasion {
                Occasion::Writing => {}
                Occasion::WritingOrRemoval => changes.act(compared),
            }
        }
        let made_from = |other: &&SchemaColumn| {
            other.generated.as_deref().is_some_and(|expression| mentions(expression, &column.name))
        };
        for generated in relation.columns.iter().filter(made_from) {
            changes.write(relation, generated);
        }
        for child in self.context.schema.children_of(relation.oid) {
            self.context.spend(1 + child.columns.len() / 8)?;
            if let Some(same) = child.column(&column.name) {
                changes.write(child, same);
            }
        }
        if relation.kind == RelationKind::View {
            self.follow_write_of_view(relation, number, changes)?;
        }
        Ok(())
    }

    /// A view's columns are written where they come from.
    fn follow_write_of_view(&mut self, view: &'t Relation, number: i16, changes: &mut Changes) -> Traced<()> {
        let schema: &'s Schema = self.context.schema;
        let at = view.columns.iter().position(|column| column.number == number);
        let read = self.view(view)?;
        let Some(origins) = &read.origins else {
            changes.compared.unknown = true;
            return Ok(());
        };
        // One that is computed cannot be written.
        let Some(Some(origin)) = at.and_then(|at| origins.get(at)) else { return Ok(()) };
        for base in read.relations.iter().filter_map(|base| schema.relation(*base)) {
            if let Some(column) = base.column(origin) {
                changes.write(base, column);
            }
        }
        Ok(())
    }

    fn follow_removal(&mut self, relation: &'t Relation, changes: &mut Changes) -> Traced<()> {
        for compared in &relation.compared {
            match compared.occasion {
                Occasion::Writing => {}
                Occasion::WritingOrRemoval => {
                    self.compare(relation, compared, None, changes);
                    changes.act(compared);
                }
            }
        }
        for child in self.context.schema.children_of(relation.oid) {
            changes.add(Change::Removed(child.oid));
        }
        if relation.kind == RelationKind::View {
            let read = self.view(relation)?;
            read.relations.iter().for_each(|base| changes.add(Change::Removed(*base)));
            changes.compared.unknown |= read.origins.is_none();
        }
        Ok(())
    }

    /// Notes what is compared: with the one column that is written, or with the whole key.
    fn compare(&self, relation: &Relation, compared: &Compared, written: Option<i16>, changes: &mut Changes) {
        let id = |number: &i16| ColumnId { relation: relation.oid, number: *number };
        let own = compared.written.iter().filter(|number| written.is_none_or(|written| written == **number));
        let all = compared.with.iter().copied().chain(own.map(id));
        changes.compared.columns.extend(all.filter(|column| self.context.protection.is_protected(*column)));
    }
}

/// Whether the expression of a generated column may use the column of that name. The server doubles quotes in a name, so one
/// with quotes is taken to be in every expression.
fn mentions(expression: &str, name: &str) -> bool {
    name.contains('"') || expression.contains(name)
}
