//! SELECT, VALUES and set operations: the columns they give, and which of their clauses decide about rows.

use std::sync::LazyLock;

use pg_query::NodeEnum;
use pg_query::protobuf::a_const::Val;
use pg_query::protobuf::{GroupingSetKind, Node, ResTarget, SelectStmt, SetOperation, SortBy, WindowDef};

use super::context::Traced;
use super::kind::Kind;
use super::label;
use super::scope::{Item, Scope, Source, named};
use super::taint::{Cell, Columns, FAILS, Field, Taint, Value};
use super::tracer::{Author, Tracer};
use crate::sql::name;

/// Most columns the server gives a result (`MaxTupleAttributeNumber`).
const RESULT_COLUMNS_MAX: usize = 1664;

/// What a query gives.
#[derive(Debug)]
pub(super) struct Query<'t> {
    pub(super) columns: Columns<'t>,
    /// What its clauses use to decide about rows.
    pub(super) shaping: Taint,
    /// Something in it that fails for some values.
    pub(super) partial: Option<&'t str>,
}

impl<'t> Query<'t> {
    pub(super) fn unknown() -> Self {
        Self { columns: Columns::Uncounted(Taint::unknown()), shaping: Taint::unknown(), partial: None }
    }
}

/// A query under way.
#[derive(Default)]
pub(super) struct Progress<'t> {
    pub(super) shaping: Taint,
    pub(super) partial: Option<&'t str>,
}

/// A column of the result, and the expression for it unless a `*` stands for it.
struct Target<'t> {
    field: Field<'t>,
    node: Option<&'t Node>,
}

/// The columns of a result while they are gathered.
#[derive(Default)]
struct Targets<'t> {
    targets: Vec<Target<'t>>,
    /// What is in a `*` whose columns could not be counted.
    uncounted: Option<Taint>,
}

impl<'t> Targets<'t> {
    fn columns(&self) -> Columns<'t> {
        let fields = || self.targets.iter().map(|target| target.field.clone());
        match &self.uncounted {
            None => Columns::Known(fields().collect()),
            Some(rest) => {
                let mut taint = Taint::union(self.targets.iter().map(|target| &target.field.cell.taint));
                taint.absorb(rest);
                Columns::Uncounted(taint)
            }
        }
    }

    fn add(&mut self, columns: Columns<'t>) {
        match columns {
            Columns::Known(fields) => {
                self.targets.extend(fields.iter().map(|field| Target { field: field.clone(), node: None }))
            }
            uncounted @ Columns::Uncounted(_) => {
                self.uncounted.get_or_insert_default().absorb(&uncounted.taint());
            }
        }
    }

    /// The column with that number, from 1.
    fn at(&self, number: i32) -> Option<&Target<'t>> {
        if self.uncounted.is_some() {
            return None;
        }
        usize::try_from(number).ok()?.checked_sub(1).and_then(|index| self.targets.get(index))
    }

    fn named(&self, name: &str) -> Option<&Target<'t>> {
        self.targets.iter().find(|target| target.field.name == name)
    }
}

/// Which of two meanings a name alone has in a clause.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Prefer {
    /// ORDER BY and DISTINCT ON: a column of the result.
    Output,
    /// GROUP BY: a column of FROM.
    Input,
}

impl<'t, 's: 't> Tracer<'_, 's, 't> {
    /// A query that stands where the grammar allows a SELECT.
    pub(super) fn query(&mut self, node: &'t Node, parent: Option<&Scope<'_, 't>>) -> Traced<Query<'t>> {
        match node.node.as_ref() {
            Some(NodeEnum::SelectStmt(select)) => self.select(select, parent),
            Some(NodeEnum::InsertStmt(insert)) => self.insert(insert, parent),
            Some(NodeEnum::UpdateStmt(update)) => self.update(update, parent),
            Some(NodeEnum::DeleteStmt(delete)) => self.delete(delete, parent),
            Some(NodeEnum::MergeStmt(merge)) => self.merge(merge, parent),
            _ => {
                self.findings.touched.unknown = true;
                Ok(Query::unknown())
            }
        }
    }

    pub(super) fn select(
        &mut self,
        select: &'t SelectStmt,
        parent: Option<&Scope<'_, 't>>,
    ) -> Traced<Query<'t>> {
        let depth = self.ctes.len();
        let query = self.nested(|tracer| {
            let mut progress = Progress::default();
            tracer.with(select.with_clause.as_ref(), parent, &mut progress)?;
            match select.op() {
                SetOperation::SetopNone if select.values_lists.is_empty() => {
                    tracer.plain_select(select, parent, progress)
                }
                SetOperation::SetopNone => tracer.values(select, parent, progress),
                SetOperation::SetopUnion | SetOperation::SetopIntersect | SetOperation::SetopExcept => {
                    tracer.set_operation(select, parent, progress)
                }
                SetOperation::Undefined => Ok(Query::unknown()),
            }
        });
        self.ctes.truncate(depth);
        query
    }

    fn plain_select(
        &mut self,
        select: &'t SelectStmt,
        parent: Option<&Scope<'_, 't>>,
        mut progress: Progress<'t>,
    ) -> Traced<Query<'t>> {
        let mut scope = Scope::inside(parent);
        self.read_from(&select.from_clause, &mut scope, &mut progress)?;
        let targets = self.targets(&select.target_list, &scope, &mut progress)?;
        self.where_clause(select.where_clause.as_deref(), &scope, "WHERE", &mut progress)?;
        for node in &select.group_clause {
            self.group_by(node, &scope, &targets, &mut progress)?;
        }
        self.where_clause(select.having_clause.as_deref(), &scope, "HAVING", &mut progress)?;
        for node in &select.window_clause {
            if let Some(NodeEnum::WindowDef(window)) = &node.node {
                let taint = self.window(window, &scope)?;
                progress.shaping.absorb(&taint);
            }
        }
        self.distinct(select, &scope, &targets, &mut progress)?;
        for node in &select.sort_clause {
            self.order_by(node, &scope, &targets, &mut progress)?;
        }
        self.limits(select, &scope, &mut progress)?;
        Ok(Query { columns: targets.columns(), shaping: progress.shaping, partial: progress.partial })
    }

    /// Notes that rows depend on what a clause uses.
    pub(super) fn shapes(&mut self, taint: &Taint, clause: &'static str, progress: &mut Progress<'t>) {
        progress.shaping.absorb(taint);
        self.shape(taint, clause);
    }

    pub(super) fn where_clause(
        &mut self,
        node: Option<&'t Node>,
        scope: &Scope<'_, 't>,
        clause: &'static str,
        progress: &mut Progress<'t>,
    ) -> Traced<()> {
        let Some(node) = node else { return Ok(()) };
        let (taint, partial) = self.condition(node, scope, clause)?;
        progress.shaping.absorb(&taint);
        progress.partial = progress.partial.or(partial);
        Ok(())
    }

    fn targets(
        &mut self,
        list: &'t [Node],
        scope: &Scope<'_, 't>,
        progress: &mut Progress<'t>,
    ) -> Traced<Targets<'t>> {
        let mut targets = Targets { targets: Vec::with_capacity(list.len()), uncounted: None };
        for node in list {
            match &node.node {
                Some(NodeEnum::ResTarget(target)) => {
                    self.target(target, scope, &mut targets, progress)?;
                }
                _ => targets.add(Columns::Uncounted(Taint::unknown())),
            }
        }
        Ok(targets)
    }

    fn target(
        &mut self,
        target: &'t ResTarget,
        scope: &Scope<'_, 't>,
        targets: &mut Targets<'t>,
        progress: &mut Progress<'t>,
    ) -> Traced<()> {
        let Some(node) = target.val.as_deref() else { return Ok(()) };
        if let Some(columns) = self.expansion(node, scope)? {
            self.findings.touched.absorb(&columns.taint());
            if let Columns::Known(fields) = &columns {
                fields.iter().for_each(|field| self.may_fail(&Value::from(field.cell.clone())));
            }
            targets.add(columns);
            return Ok(());
        }
        let mut value = self.value(node, scope)?;
        self.may_fail(&value);
        if self.author == Author::View && value.fails.is_some() {
            value.cell.partial = Some(FAILS);
        }
        progress.partial = progress.partial.or(value.cell.partial);
        let name = if target.name.is_empty() { label::of(node) } else { &target.name };
        targets.targets.push(Target { field: Field { name, cell: value.cell }, node: Some(node) });
        Ok(())
    }

    /// The columns of RETURNING.
    pub(super) fn result(
        &mut self,
        list: &'t [Node],
        scope: &Scope<'_, 't>,
        progress: &mut Progress<'t>,
    ) -> Traced<Columns<'t>> {
        Ok(self.targets(list, scope, progress)?.columns())
    }

    /// What a `*` stands for, if the expression ends in one.
    fn expansion(&mut self, node: &'t Node, scope: &Scope<'_, 't>) -> Traced<Option<Columns<'t>>> {
        let ends_in_star =
            |nodes: &[Node]| nodes.last().is_some_and(|last| matches!(last.node, Some(NodeEnum::AStar(_))));
        match &node.node {
            Some(NodeEnum::ColumnRef(column)) if ends_in_star(&column.fields) => {
                let qualifiers: Vec<&str> = name::strings(&column.fields).collect();
                let item = match qualifiers[..] {
                    [] => return self.star(scope.visible()).map(Some),
                    [name] => named(scope, None, name),
                    [schema, name] | [_, schema, name] => named(scope, Some(schema), name),
                    [..] => None,
                };
                match item {
                    Some(item) => self.columns_of(item).map(Some),
                    None => Ok(Some(Columns::Uncounted(Taint::unknown()))),
                }
            }
            Some(NodeEnum::AIndirection(indirection)) if ends_in_star(&indirection.indirection) => {
                let value = self.indirection(indirection, scope)?;
                self.may_fail(&value);
                Ok(Some(match value.cell.row {
                    Some(fields) => Columns::Known(fields),
                    None => Columns::Uncounted(value.cell.taint),
                }))
            }
            _ => Ok(None),
        }
    }

    fn group_by(
        &mut self,
        node: &'t Node,
        scope: &Scope<'_, 't>,
        targets: &Targets<'t>,
        progress: &mut Progress<'t>,
    ) -> Traced<()> {
        if let Some(NodeEnum::GroupingSet(set)) = &node.node
            && set.kind() != GroupingSetKind::Undefined
        {
            return self.nested(|tracer| {
                set.content.iter().try_for_each(|node| tracer.group_by(node, scope, targets, progress))
            });
        }
        let (taint, _) = self.by(node, scope, targets, Prefer::Input)?;
        self.shapes(&taint, "GROUP BY", progress);
        Ok(())
    }

    /// What a clause refers to that may name columns of the result, by number too; and the expression behind.
    fn by(
        &mut self,
        node: &'t Node,
        scope: &Scope<'_, 't>,
        targets: &Targets<'t>,
        prefer: Prefer,
    ) -> Traced<(Taint, Option<&'t Node>)> {
        match &node.node {
            Some(NodeEnum::AConst(constant)) => {
                let Some(Val::Ival(number)) = &constant.val else { return Ok((Taint::default(), None)) };
                Ok(match targets.at(number.ival) {
                    Some(target) => (target.field.cell.taint.clone(), target.node),
                    None => (targets.columns().taint(), None),
                })
            }
            Some(NodeEnum::ColumnRef(column)) if column.fields.len() == 1 => {
                let name = name::strings(&column.fields).next().unwrap_or_default();
                let input = match prefer {
                    Prefer::Input => self.find_among(scope.visible(), name)?,
                    Prefer::Output => None,
                };
                match (input, targets.named(name)) {
                    (None, Some(target)) => Ok((target.field.cell.taint.clone(), target.node)),
                    (Some(cell), Some(target)) if cell.taint.unknown => {
                        Ok((Taint::union([&cell.taint, &target.field.cell.taint]), None))
                    }
                    _ => Ok((self.value(node, scope)?.cell.taint, Some(node))),
                }
            }
            _ => Ok((self.value(node, scope)?.cell.taint, Some(node))),
        }
    }

    fn distinct(
        &mut self,
        select: &'t SelectStmt,
        scope: &Scope<'_, 't>,
        targets: &Targets<'t>,
        progress: &mut Progress<'t>,
    ) -> Traced<()> {
        for node in &select.distinct_clause {
            let taint = match node.node {
                // DISTINCT alone is a list of nothing.
                None => targets.columns().taint(),
                Some(_) => self.by(node, scope, targets, Prefer::Output)?.0,
            };
            self.shapes(&taint, "DISTINCT", progress);
        }
        Ok(())
    }

    fn order_by(
        &mut self,
        node: &'t Node,
        scope: &Scope<'_, 't>,
        targets: &Targets<'t>,
        progress: &mut Progress<'t>,
    ) -> Traced<()> {
        let Some(NodeEnum::SortBy(sort)) = &node.node else {
            self.shapes(&Taint::unknown(), "ORDER BY", progress);
            return Ok(());
        };
        let Some(key) = sort.node.as_deref() else { return Ok(()) };
        let (taint, expression) = self.by(key, scope, targets, Prefer::Output)?;
        let is_search = match expression {
            Some(expression) if !taint.is_clean() => self.is_vector_search(expression, scope)?,
            Some(_) | None => false,
        };
        if !is_search {
            self.shapes(&taint, "ORDER BY", progress);
        }
        Ok(())
    }

    fn limits(
        &mut self,
        select: &'t SelectStmt,
        scope: &Scope<'_, 't>,
        progress: &mut Progress<'t>,
    ) -> Traced<()> {
        for (node, clause) in [(&select.limit_offset, "OFFSET"), (&select.limit_count, "LIMIT")] {
            if let Some(node) = node.as_deref() {
                let value = self.value(node, scope)?;
                self.shapes(&value.cell.taint, clause, progress);
                progress.partial = progress.partial.or(value.cell.partial);
            }
        }
        Ok(())
    }

    /// A window's definition: what it uses to group and order rows.
    pub(super) fn window(&mut self, window: &'t WindowDef, scope: &Scope<'_, 't>) -> Traced<Taint> {
        let mut partition = Taint::default();
        for node in &window.partition_clause {
            partition.absorb(&self.value(node, scope)?.cell.taint);
        }
        self.shape(&partition, "PARTITION BY");
        let order = self.sort_keys(&window.order_clause, scope)?.cell.taint;
        self.shape(&order, "ORDER BY");
        let mut frame = Taint::default();
        for node in [&window.start_offset, &window.end_offset].into_iter().flatten() {
            frame.absorb(&self.value(node, scope)?.cell.taint);
        }
        self.shape(&frame, "OVER");
        Ok(Taint::union([&partition, &order, &frame]))
    }

    /// What an ORDER BY inside an expression uses.
    pub(super) fn sort_keys(&mut self, nodes: &'t [Node], scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let mut keys = Value::clean(Kind::Literal);
        for node in nodes {
            match &node.node {
                Some(NodeEnum::SortBy(sort)) => keys.absorb(&self.sort_key(sort, scope)?),
                _ => keys.absorb(&Value::unknown()),
            }
        }
        Ok(keys)
    }

    fn sort_key(&mut self, sort: &'t SortBy, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        match sort.node.as_deref() {
            Some(node) => self.value(node, scope),
            None => Ok(Value::unknown()),
        }
    }

    fn values(
        &mut self,
        select: &'t SelectStmt,
        parent: Option<&Scope<'_, 't>>,
        mut progress: Progress<'t>,
    ) -> Traced<Query<'t>> {
        let scope = Scope::inside(parent);
        let mut cells: Vec<Cell<'t>> = Vec::new();
        for row in &select.values_lists {
            let Some(NodeEnum::List(row)) = &row.node else { return Ok(Query::unknown()) };
            for (index, node) in row.items.iter().enumerate() {
                let value = self.value(node, &scope)?;
                self.may_fail(&value);
                progress.partial = progress.partial.or(value.cell.partial);
                match cells.get_mut(index) {
                    Some(cell) => *cell = std::mem::replace(cell, Cell::unknown()).either(&value.cell),
                    None => cells.push(value.cell),
                }
            }
        }
        let numbered = cells.into_iter().enumerate();
        let fields = numbered.map(|(index, cell)| Field { name: column_name(index), cell }).collect();
        self.finish_combined(select, Columns::Known(fields), parent, progress)
    }

    fn set_operation(
        &mut self,
        select: &'t SelectStmt,
        parent: Option<&Scope<'_, 't>>,
        mut progress: Progress<'t>,
    ) -> Traced<Query<'t>> {
        let (Some(left), Some(right)) = (select.larg.as_deref(), select.rarg.as_deref()) else {
            return Ok(Query::unknown());
        };
        let left = self.select(left, parent)?;
        let right = self.select(right, parent)?;
        for side in [&left, &right] {
            progress.shaping.absorb(&side.shaping);
            progress.partial = progress.partial.or(side.partial);
        }
        let columns = combined(&left.columns, &right.columns);
        let clause = match select.op() {
            SetOperation::SetopUnion if select.all => None,
            SetOperation::SetopUnion => Some("UNION"),
            SetOperation::SetopIntersect => Some("INTERSECT"),
            SetOperation::SetopExcept => Some("EXCEPT"),
            SetOperation::SetopNone | SetOperation::Undefined => Some("set operation"),
        };
        if let Some(clause) = clause {
            self.shapes(&columns.taint(), clause, &mut progress);
        }
        self.finish_combined(select, columns, parent, progress)
    }

    /// ORDER BY and LIMIT of what has no FROM of its own: they see the result.
    fn finish_combined(
        &mut self,
        select: &'t SelectStmt,
        columns: Columns<'t>,
        parent: Option<&Scope<'_, 't>>,
        mut progress: Progress<'t>,
    ) -> Traced<Query<'t>> {
        if !select.sort_clause.is_empty() || select.limit_count.is_some() || select.limit_offset.is_some() {
            let scope = Scope::with(parent, vec![Item::new(None, Source::from(columns.clone()))]);
            let mut targets = Targets::default();
            targets.add(columns.clone());
            for node in &select.sort_clause {
                self.order_by(node, &scope, &targets, &mut progress)?;
            }
            self.limits(select, &scope, &mut progress)?;
        }
        Ok(Query { columns, shaping: progress.shaping, partial: progress.partial })
    }
}

/// The columns of two queries of which rows are put together. EXCEPT gives rows of the first only, but which of them tells of
/// the second.
pub(super) fn combined<'t>(left: &Columns<'t>, right: &Columns<'t>) -> Columns<'t> {
    match (left, right) {
        (Columns::Known(left), Columns::Known(right)) if left.len() == right.len() => {
            let pairs = left.iter().zip(right.iter());
            let cell = |(left, right): (&Field<'t>, &Field<'t>)| Field {
                name: left.name,
                cell: left.cell.clone().either(&right.cell),
            };
            Columns::Known(pairs.map(cell).collect())
        }
        (Columns::Known(_) | Columns::Uncounted(_), Columns::Known(_) | Columns::Uncounted(_)) => {
            Columns::Uncounted(Taint::union([&left.taint(), &right.taint()]))
        }
    }
}

/// How the server calls the columns of VALUES.
fn column_name(index: usize) -> &'static str {
    static NAMES: LazyLock<Vec<String>> =
        LazyLock::new(|| (1..=RESULT_COLUMNS_MAX).map(|number| format!("column{number}")).collect());
    NAMES.get(index).map_or("", String::as_str)
}
