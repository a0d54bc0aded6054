//! INSERT, UPDATE, DELETE, MERGE: what is written where, what writing it tells, and what RETURNING gives.

use grille_core::Effect;
use pg_query::NodeEnum;
use pg_query::protobuf::{
    CmdType, DeleteStmt, InferClause, InsertStmt, MergeStmt, MergeWhenClause, MultiAssignRef, Node,
    OnConflictClause, RangeVar, ResTarget, ReturningClause, ReturningOptionKind, UpdateStmt,
};

use super::Purpose;
use super::context::Traced;
use super::fire::Given;
use super::from::touched_by;
use super::kind::{self, Kind};
use super::query::{Progress, Query};
use super::scope::{Found, Item, Scope, Sight, Source};
use super::taint::{Cell, Columns, Form, Taint, Value};
use super::tracer::Tracer;
use crate::sql::name;
use crate::sql::schema::Relation;

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
    fn assign(&mut self, target: &Target<'t>, column: &str, value: &Cell<'t>) -> Traced<()> {
        if value.taint.is_clean() {
            return Ok(());
        }
        let destination = self.target_cell(target, column)?;
        let is_protected = destination.as_ref().is_some_and(|cell| !cell.taint.columns.is_empty());
        if !is_protected {
            self.launder(&value.taint, &format!("{}.{column}", target.name));
        }
        let to = destination.map_or(Kind::Unknown, |cell| cell.kind);
        // NOT NULL and CHECK refuse some values; an expression can be made to give them for a chosen one.
        let may_fail = value.form == Form::Computed || !kind::assignment_is_total(value.kind, to);
        if may_fail && self.context.counts(&value.taint) {
            self.findings.note(&value.taint, Purpose::MayFail(format!("{}.{column}", target.name).into()));
        }
        Ok(())
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
            let columns = written_columns(&insert.cols, &target);
            let rows =
                tracer.inserted(insert.select_stmt.as_deref(), &columns, &target, parent, &mut progress)?;
            let given: Vec<&str> = columns.iter().copied().take(rows).collect();
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
        columns: &[&'t str],
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
            match columns.get(index) {
                Some(column) => self.assign(target, column, cell)?,
                None => self.launder(&cell.taint, &target.name),
            }
        }
        Ok(if columns.is_empty() { usize::MAX } else { given.len() })
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
            let cell = part_of_column(assignment, value);
            self.assign(target, &assignment.name, &cell)?;
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
        let columns = written_columns(&when.target_list, target);
        for (index, node) in when.values.iter().enumerate() {
            let value = self.value(node, scope)?;
            self.may_fail(&value);
            match columns.get(index) {
                Some(column) => self.assign(target, column, &value.cell)?,
                None => self.launder(&value.cell.taint, &target.name),
            }
        }
        self.probe(&target.relations, &columns)
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

/// The columns that an INSERT gives, in order: those it names, else all.
fn written_columns<'t>(list: &'t [Node], target: &Target<'t>) -> Vec<&'t str> {
    if list.is_empty() {
        return match target.relations[..] {
            [relation] => relation.columns.iter().map(|column| &*column.name).collect(),
            [..] => Vec::new(),
        };
    }
    let named = |node: &'t Node| match &node.node {
        Some(NodeEnum::ResTarget(target)) => target.name.as_str(),
        _ => "",
    };
    list.iter().map(named).collect()
}

/// `SET a[1] = x` writes a part of the column: no cast of the whole is known to work.
fn part_of_column<'t>(assignment: &ResTarget, value: Value<'t>) -> Cell<'t> {
    if assignment.indirection.is_empty() {
        return value.cell;
    }
    Cell { kind: Kind::Unknown, ..value.cell }
}
