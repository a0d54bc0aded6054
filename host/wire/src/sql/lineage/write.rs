//! INSERT, UPDATE, DELETE, MERGE: what is written where, what writing it tells, and what RETURNING gives.

use std::collections::BTreeSet;

use grille_core::Effect;
use pg_query::NodeEnum;
use pg_query::protobuf::{
    CmdType, DeleteStmt, InferClause, InsertStmt, MergeStmt, MergeWhenClause, MultiAssignRef, Node,
    OnConflictClause, RangeVar, ResTarget, ReturningClause, ReturningOptionKind, UpdateStmt,
};

use super::Purpose;
use super::context::Traced;
use super::created;
use super::fire::Given;
use super::from::touched_by;
use super::kind::{self, Kind};
use super::query::{Progress, Query};
use super::scope::{Found, Item, Scope, Sight, Source};
use super::taint::{Cell, Columns, Form, Taint, Value};
use super::tracer::Tracer;
use crate::sql::name;
use crate::sql::schema::{ColumnId, Relation, RelationKind, Schema};

/// How much of a column is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Whole,
    /// An element or a field: `SET a[1] = x`.
    Part,
}

/// What is written of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place<'t> {
    column: &'t str,
    extent: Extent,
}

impl<'t> Place<'t> {
    fn of(target: &'t ResTarget) -> Self {
        let extent = if target.indirection.is_empty() { Extent::Whole } else { Extent::Part };
        Self { column: &target.name, extent }
    }
}

/// Where a value may be stored.
#[derive(Default)]
struct Stored {
    /// Columns of tables.
    columns: BTreeSet<ColumnId>,
    /// Columns of views over them that it goes through.
    views: BTreeSet<ColumnId>,
}

/// Where rows are written.
pub(super) struct Target<'t> {
    pub(super) item: Item<'t>,
    /// As the statement names it.
    pub(super) name: String,
    /// The relations it may be, also where nothing certain is known of them.
    pub(super) relations: Vec<&'t Relation>,
    /// What the database may put into the rows by itself.
    beside: Taint,
}

impl<'t, 's: 't> Tracer<'_, 's, 't> {
    pub(super) fn target_relation(&mut self, range: Option<&'t RangeVar>) -> Traced<Target<'t>> {
        let Some(range) = range else {
            let item = Item::new(None, Source::Open(Cell::unknown()));
            let (relations, beside) = (Vec::new(), Taint::default());
            return Ok(Target { item, name: String::new(), relations, beside });
        };
        let relations: Vec<&'t Relation> = self.relations_meant(&range.schemaname, &range.relname);
        let source = self.relation(range);
        for relation in &relations {
            self.read_relation(relation)?;
        }
        // What an error quotes is the whole row.
        let held = self.held_by(&relations)?;
        self.findings.may_quote |= self.context.counts(&held);
        let alias = range.alias.as_ref();
        let name = alias.map_or(range.relname.as_str(), |alias| alias.aliasname.as_str());
        let mut item = Item::new(Some(name), source);
        if alias.is_none() {
            item.sight = Sight::Relation;
        }
        Ok(Target { item, name: name::relation(range), relations, beside: Taint::default() })
    }

    /// The column of a target that is written, if it is known.
    fn target_cell(&mut self, target: &Target<'t>, column: &str) -> Traced<Option<Cell<'t>>> {
        Ok(match self.find(&target.item, column)? {
            Found::Column(cell) => Some(cell),
            Found::Perhaps(_) | Found::Absent => None,
        })
    }

    /// A value goes into a column.
    fn assign(&mut self, target: &Target<'t>, place: Place<'t>, value: &Cell<'t>) -> Traced<()> {
        if value.taint.is_clean() {
            return Ok(());
        }
        let written = format!("{}.{}", target.name, place.column);
        let to = match (place.extent, self.target_cell(target, place.column)?) {
            (Extent::Whole, Some(cell)) => cell.kind,
            // No cast of the whole is known to work.
            (Extent::Part, _) | (_, None) => Kind::Unknown,
        };
        let stored = self.stored_in(target, place.column)?;
        let is_copy = value.form == Form::Column && kind::is_kept(value.kind, to);
        if !self.is_hidden_in(stored.as_ref(), &value.taint, is_copy) {
            self.launder(&value.taint, &written);
        }
        let is_limited = stored.as_ref().is_some_and(|stored| self.is_limited(stored, value, is_copy));
        // NOT NULL refuses some values too; an expression can be made to give them for a chosen one.
        let may_fail =
            is_limited || value.form == Form::Computed || !kind::assignment_is_total(value.kind, to);
        if may_fail && self.context.counts(&value.taint) {
            self.findings.note(&value.taint, Purpose::MayFail(written.into()));
        }
        Ok(())
    }

    /// Whether some values may be refused that are written there. What is in a column already, or was given for it, is within
    /// its limits, but for what its relation's children put between.
    fn is_limited(&self, stored: &Stored, value: &Cell<'t>, is_copy: bool) -> bool {
        let schema = self.context.schema;
        let is_itself = |column: ColumnId| {
            is_copy
                && !value.taint.unknown
                && value.taint.columns == BTreeSet::from([column])
                && schema.children_of(column.relation).next().is_none()
        };
        stored.views.iter().any(|column| schema.is_limited(*column))
            || stored.columns.iter().any(|column| schema.is_limited(*column) && !is_itself(*column))
    }

    /// Whether nothing more shows of a value where it is stored than where it comes from.
    fn is_hidden_in(&self, stored: Option<&Stored>, value: &Taint, is_copy: bool) -> bool {
        let protection = self.context.protection;
        stored.is_some_and(|stored| {
            stored.columns.iter().all(|destination| {
                if is_copy && !value.unknown {
                    let hides =
                        |source| source == *destination || protection.hides(*destination, Some(source));
                    value.columns.iter().copied().all(hides)
                } else {
                    protection.hides(*destination, None)
                }
            })
        })
    }

    /// Where a value may be stored that is written to a column of the target; nothing where that is not known.
    fn stored_in(&mut self, target: &Target<'t>, column: &str) -> Traced<Option<Stored>> {
        let Source::Relations(relations) = &target.item.source else { return Ok(None) };
        let mut ahead: Vec<(&'t Relation, String)> =
            relations.iter().map(|relation| (*relation, column.to_owned())).collect();
        let mut stored = Stored::default();
        while let Some((relation, name)) = ahead.pop() {
            self.context.spend(1 + relation.columns.len() / 8)?;
            let Some(index) = relation.columns.iter().position(|known| *known.name == *name) else {
                continue;
            };
            let id = ColumnId { relation: relation.oid, number: relation.columns[index].number };
            if created::is_created(relation) {
                return Ok(None);
            }
            match relation.kind {
                RelationKind::Table | RelationKind::Foreign | RelationKind::Materialized => {
                    stored.columns.insert(id);
                }
                RelationKind::View if stored.views.insert(id) => {
                    let Some(under) = self.under_view(relation, index)? else { return Ok(None) };
                    ahead.extend(under);
                }
                RelationKind::View => {}
            }
        }
        Ok((!stored.columns.is_empty()).then_some(stored))
    }

    /// The relations under a view, with the name that a column of it has there; nothing for one that is computed.
    fn under_view(&mut self, view: &Relation, index: usize) -> Traced<Option<Vec<(&'t Relation, String)>>> {
        let schema: &'s Schema = self.context.schema;
        let read = self.view(view)?;
        let Some(Some(origin)) = read.origins.as_ref().and_then(|origins| origins.get(index)) else {
            return Ok(None);
        };
        let bases = read.relations.iter().filter_map(|base| schema.relation(*base));
        Ok(Some(bases.map(|base| (base, origin.to_string())).collect()))
    }

    pub(super) fn insert(
        &mut self,
        insert: &'t InsertStmt,
        parent: Option<&Scope<'_, 't>>,
    ) -> Traced<Query<'t>> {
        let depth = self.ctes.len();
        let result = self.nested(|tracer| {
            let mut progress = Progress::default();
            tracer.with(insert.with_clause.as_ref(), parent, &mut progress)?;
            let mut target = tracer.target_relation(insert.relation.as_ref())?;
            let places = written_places(&insert.cols, &target);
            let rows =
                tracer.inserted(insert.select_stmt.as_deref(), &places, &target, parent, &mut progress)?;
            let given: Vec<&str> = places.iter().map(|place| place.column).take(rows).collect();
            tracer.probe(&target.relations, &given)?;
            let scope = Scope::with(parent, vec![target.item.clone()]);
            if let Some(conflict) = insert.on_conflict_clause.as_deref() {
                tracer.on_conflict(conflict, &target, parent, &mut progress)?;
            }
            let on = match insert.on_conflict_clause.as_deref() {
                Some(conflict) if !conflict.target_list.is_empty() => Effect::INSERT | Effect::UPDATE,
                Some(_) | None => Effect::INSERT,
            };
            target.beside = tracer.fire(&target.relations, on, Given::Only(&given))?;
            tracer.returning(insert.returning_clause.as_ref(), scope, &target, progress)
        });
        self.ctes.truncate(depth);
        result
    }

    /// The rows to insert, and how many columns they give.
    fn inserted(
        &mut self,
        node: Option<&'t Node>,
        places: &[Place<'t>],
        target: &Target<'t>,
        parent: Option<&Scope<'_, 't>>,
        progress: &mut Progress<'t>,
    ) -> Traced<usize> {
        let Some(node) = node else { return Ok(0) };
        let query = self.query(node, parent)?;
        progress.shaping.absorb(&query.shaping);
        progress.partial = progress.partial.or(query.partial);
        let given = match &query.columns {
            Columns::Known(fields) => fields.iter().map(|field| field.cell.clone()).collect(),
            uncounted @ Columns::Uncounted(_) => {
                self.launder(&uncounted.taint(), &target.name);
                return Ok(usize::MAX);
            }
        };
        let given: Vec<Cell<'t>> = given;
        for (index, cell) in given.iter().enumerate() {
            match places.get(index) {
                Some(place) => self.assign(target, *place, cell)?,
                None => self.launder(&cell.taint, &target.name),
            }
        }
        Ok(if places.is_empty() { usize::MAX } else { given.len() })
    }

    fn on_conflict(
        &mut self,
        conflict: &'t OnConflictClause,
        target: &Target<'t>,
        parent: Option<&Scope<'_, 't>>,
        progress: &mut Progress<'t>,
    ) -> Traced<()> {
        let mut excluded = target.item.clone();
        // Where its values come from was judged when they were given for the same columns.
        excluded.name = Some("excluded");
        let scope = Scope::with(parent, vec![target.item.clone(), excluded.qualified_only()]);
        if let Some(infer) = conflict.infer.as_deref() {
            self.arbiter(infer, &scope, progress)?;
        }
        self.set(&conflict.target_list, target, &scope, progress)?;
        self.where_clause(conflict.where_clause.as_deref(), &scope, "ON CONFLICT", progress)
    }

    fn arbiter(
        &mut self,
        infer: &'t InferClause,
        scope: &Scope<'_, 't>,
        progress: &mut Progress<'t>,
    ) -> Traced<()> {
        let mut taint = Taint::default();
        for node in &infer.index_elems {
            let Some(NodeEnum::IndexElem(element)) = &node.node else { continue };
            match element.expr.as_deref() {
                Some(node) => taint.absorb(&self.value(node, scope)?.cell.taint),
                None => taint.absorb(&self.unqualified(scope, &element.name)?.cell.taint),
            }
        }
        self.shapes(&taint, "ON CONFLICT", progress);
        self.where_clause(infer.where_clause.as_deref(), scope, "ON CONFLICT", progress)
    }

    /// SET: `a = 1`, `(a, b) = (1, 2)`, `(a, b) = (SELECT …)`.
    fn set(
        &mut self,
        list: &'t [Node],
        target: &Target<'t>,
        scope: &Scope<'_, 't>,
        progress: &mut Progress<'t>,
    ) -> Traced<()> {
        let mut written = Vec::with_capacity(list.len());
        for node in list {
            let Some(NodeEnum::ResTarget(assignment)) = &node.node else { continue };
            let Some(node) = assignment.val.as_deref() else { continue };
            let value = match &node.node {
                Some(NodeEnum::MultiAssignRef(part)) => self.assigned_part(part, scope)?,
                _ => self.value(node, scope)?,
            };
            self.may_fail(&value);
            progress.partial = progress.partial.or(value.cell.partial);
            self.assign(target, Place::of(assignment), &value.cell)?;
            written.push(assignment.name.as_str());
        }
        self.probe(&target.relations, &written)
    }

    fn assigned_part(&mut self, part: &'t MultiAssignRef, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let Some(source) = part.source.as_deref() else { return Ok(Value::unknown()) };
        let index = usize::try_from(part.colno).ok().and_then(|number| number.checked_sub(1));
        if let (Some(NodeEnum::RowExpr(row)), Some(index)) = (&source.node, index) {
            return match row.args.get(index) {
                Some(node) => self.value(node, scope),
                None => Ok(Value::unknown()),
            };
        }
        let value = self.value(source, scope)?;
        let cell = match (&value.cell.row, index) {
            (Some(fields), Some(index)) => fields.get(index).map(|field| field.cell.clone()),
            (_, _) => None,
        };
        match cell {
            Some(cell) => Ok(Value { cell, fails: value.fails }),
            None => Ok(value),
        }
    }

    pub(super) fn update(
        &mut self,
        update: &'t UpdateStmt,
        parent: Option<&Scope<'_, 't>>,
    ) -> Traced<Query<'t>> {
        let depth = self.ctes.len();
        let result = self.nested(|tracer| {
            let mut progress = Progress::default();
            tracer.with(update.with_clause.as_ref(), parent, &mut progress)?;
            let mut target = tracer.target_relation(update.relation.as_ref())?;
            let mut scope = Scope::with(parent, vec![target.item.clone()]);
            tracer.read_from(&update.from_clause, &mut scope, &mut progress)?;
            tracer.set(&update.target_list, &target, &scope, &mut progress)?;
            tracer.show_rows(&target, update.returning_clause.as_ref());
            tracer.where_clause(update.where_clause.as_deref(), &scope, "WHERE", &mut progress)?;
            target.beside = tracer.fire(&target.relations, Effect::UPDATE, Given::All)?;
            tracer.returning(update.returning_clause.as_ref(), scope, &target, progress)
        });
        self.ctes.truncate(depth);
        result
    }

    pub(super) fn delete(
        &mut self,
        delete: &'t DeleteStmt,
        parent: Option<&Scope<'_, 't>>,
    ) -> Traced<Query<'t>> {
        let depth = self.ctes.len();
        let result = self.nested(|tracer| {
            let mut progress = Progress::default();
            tracer.with(delete.with_clause.as_ref(), parent, &mut progress)?;
            let mut target = tracer.target_relation(delete.relation.as_ref())?;
            let mut scope = Scope::with(parent, vec![target.item.clone()]);
            tracer.probe_removal(&target.relations)?;
            tracer.show_rows(&target, delete.returning_clause.as_ref());
            tracer.read_from(&delete.using_clause, &mut scope, &mut progress)?;
            tracer.where_clause(delete.where_clause.as_deref(), &scope, "WHERE", &mut progress)?;
            target.beside = tracer.fire(&target.relations, Effect::DELETE, Given::All)?;
            tracer.returning(delete.returning_clause.as_ref(), scope, &target, progress)
        });
        self.ctes.truncate(depth);
        result
    }

    pub(super) fn merge(
        &mut self,
        merge: &'t MergeStmt,
        parent: Option<&Scope<'_, 't>>,
    ) -> Traced<Query<'t>> {
        let depth = self.ctes.len();
        let result = self.nested(|tracer| {
            let mut progress = Progress::default();
            tracer.with(merge.with_clause.as_ref(), parent, &mut progress)?;
            let mut target = tracer.target_relation(merge.relation.as_ref())?;
            let mut scope = Scope::inside(parent);
            if let Some(source) = merge.source_relation.as_deref() {
                tracer.read_item(source, &mut scope, &mut progress)?;
            }
            // RETURNING * gives the source's columns first.
            scope.items.push(target.item.clone());
            tracer.show_rows(&target, merge.returning_clause.as_ref());
            tracer.where_clause(merge.join_condition.as_deref(), &scope, "ON", &mut progress)?;
            for node in &merge.merge_when_clauses {
                if let Some(NodeEnum::MergeWhenClause(when)) = &node.node {
                    tracer.merge_when(when, &target, &scope, &mut progress)?;
                }
            }
            target.beside = tracer.fire(&target.relations, merged(merge), Given::Only(&[]))?;
            tracer.returning(merge.returning_clause.as_ref(), scope, &target, progress)
        });
        self.ctes.truncate(depth);
        result
    }

    fn merge_when(
        &mut self,
        when: &'t MergeWhenClause,
        target: &Target<'t>,
        scope: &Scope<'_, 't>,
        progress: &mut Progress<'t>,
    ) -> Traced<()> {
        self.where_clause(when.condition.as_deref(), scope, "WHEN", progress)?;
        if when.command_type() == CmdType::CmdDelete {
            return self.probe_removal(&target.relations);
        }
        if when.values.is_empty() {
            return self.set(&when.target_list, target, scope, progress);
        }
        let places = written_places(&when.target_list, target);
        for (index, node) in when.values.iter().enumerate() {
            let value = self.value(node, scope)?;
            self.may_fail(&value);
            match places.get(index) {
                Some(place) => self.assign(target, *place, &value.cell)?,
                None => self.launder(&value.cell.taint, &target.name),
            }
        }
        let columns: Vec<&str> = places.iter().map(|place| place.column).collect();
        self.probe(&target.relations, &columns)
    }

    /// Rows of the target are looked for: how many there are is told, and with RETURNING in which order they come.
    fn show_rows(&mut self, target: &Target<'t>, returning: Option<&ReturningClause>) {
        self.show_bounds(&target.relations);
        if returning.is_some() {
            self.show_division(&target.relations);
        }
    }

    /// The result of a write. Its scope holds the target and what it was joined with.
    fn returning(
        &mut self,
        clause: Option<&'t ReturningClause>,
        mut scope: Scope<'_, 't>,
        target: &Target<'t>,
        mut progress: Progress<'t>,
    ) -> Traced<Query<'t>> {
        let Some(clause) = clause else {
            let columns = Columns::Known([].into());
            return Ok(Query { columns, shaping: progress.shaping, partial: progress.partial });
        };
        let (mut old, mut new) = ("old", "new");
        for node in &clause.options {
            if let Some(NodeEnum::ReturningOption(option)) = &node.node {
                match option.option() {
                    ReturningOptionKind::ReturningOptionOld => old = &option.value,
                    ReturningOptionKind::ReturningOptionNew => new = &option.value,
                    ReturningOptionKind::Undefined => {}
                }
            }
        }
        for name in [old, new] {
            // A relation that is called so hides it.
            if scope.items.iter().all(|item| item.name != Some(name)) {
                scope.items.push(Item::new(Some(name), target.item.source.clone()).qualified_only());
            }
        }
        let columns = touched_by(self.result(&clause.exprs, &scope, &mut progress)?, &target.beside);
        Ok(Query { columns, shaping: progress.shaping, partial: progress.partial })
    }
}

/// What a MERGE may do to rows.
fn merged(merge: &MergeStmt) -> Effect {
    let effect = |node: &Node| match &node.node {
        Some(NodeEnum::MergeWhenClause(when)) => match when.command_type() {
            CmdType::CmdInsert => Effect::INSERT,
            CmdType::CmdUpdate => Effect::UPDATE,
            CmdType::CmdDelete => Effect::DELETE,
            _ => Effect::empty(),
        },
        _ => Effect::empty(),
    };
    merge.merge_when_clauses.iter().map(effect).fold(Effect::empty(), Effect::union)
}

/// What an INSERT gives, in order: the columns it names, else all.
fn written_places<'t>(list: &'t [Node], target: &Target<'t>) -> Vec<Place<'t>> {
    let whole = |column: &'t str| Place { column, extent: Extent::Whole };
    if list.is_empty() {
        return match target.relations[..] {
            [relation] => relation.columns.iter().map(|column| whole(&column.name)).collect(),
            [..] => Vec::new(),
        };
    }
    let named = |node: &'t Node| match &node.node {
        Some(NodeEnum::ResTarget(target)) => Place::of(target),
        _ => whole(""),
    };
    list.iter().map(named).collect()
}
