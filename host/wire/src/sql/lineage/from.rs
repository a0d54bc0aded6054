//! FROM: relations, sub-selects, functions, joins.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    Alias, JoinExpr, JoinType, JsonTable, JsonTableColumnType, Node, RangeFunction, RangeSubselect,
    RangeTableFunc, RangeTableSample,
};

use super::context::Traced;
use super::function_columns::{self, Shape};
use super::kind::{self, Kind};
use super::label;
use super::query::Progress;
use super::scope::{Item, Scope, Source, renamed};
use super::taint::{Cell, Columns, Field, Form, Taint, Value};
use super::tracer::{Author, Tracer};
use crate::sql::name;

fn column_names(alias: Option<&Alias>) -> &[Node] {
    alias.map_or(&[], |alias| alias.colnames.as_slice())
}

fn alias_name(alias: Option<&Alias>) -> Option<&str> {
    alias.map(|alias| alias.aliasname.as_str())
}

impl<'t, 's: 't> Tracer<'_, 's, 't> {
    pub(super) fn read_from(
        &mut self,
        list: &'t [Node],
        scope: &mut Scope<'_, 't>,
        progress: &mut Progress<'t>,
    ) -> Traced<()> {
        list.iter().try_for_each(|node| self.read_item(node, scope, progress))
    }

    pub(super) fn read_item(
        &mut self,
        node: &'t Node,
        scope: &mut Scope<'_, 't>,
        progress: &mut Progress<'t>,
    ) -> Traced<()> {
        self.nested(|tracer| {
            let item = match &node.node {
                Some(NodeEnum::RangeVar(range)) => tracer.range_var(range)?,
                Some(NodeEnum::RangeSubselect(select)) => tracer.sub_select(select, scope, progress)?,
                Some(NodeEnum::RangeFunction(function)) => {
                    tracer.range_function(function, scope, progress)?
                }
                Some(NodeEnum::RangeTableFunc(table)) => tracer.xml_table(table, scope, progress)?,
                Some(NodeEnum::JsonTable(table)) => tracer.json_table(table, scope, progress)?,
                Some(NodeEnum::RangeTableSample(sample)) => {
                    return tracer.sample(sample, scope, progress);
                }
                Some(NodeEnum::JoinExpr(join)) => return tracer.join(join, scope, progress),
                _ => {
                    tracer.findings.touched.unknown = true;
                    Item::new(None, Source::Open(Cell::unknown()))
                }
            };
            scope.items.push(item);
            Ok(())
        })
    }

    fn sub_select(
        &mut self,
        select: &'t RangeSubselect,
        scope: &Scope<'_, 't>,
        progress: &mut Progress<'t>,
    ) -> Traced<Item<'t>> {
        let name = alias_name(select.alias.as_ref());
        let Some(node) = select.subquery.as_deref() else {
            return Ok(Item::new(name, Source::Open(Cell::unknown())));
        };
        let parent = if select.lateral { Some(scope) } else { scope.parent };
        let query = self.query(node, parent)?;
        progress.shaping.absorb(&query.shaping);
        progress.partial = progress.partial.or(query.partial);
        let mut columns = renamed(query.columns, column_names(select.alias.as_ref()));
        if select.lateral && self.author == Author::View {
            columns = touched_by(columns, &query.shaping);
        }
        Ok(Item::new(name, columns.into()))
    }

    fn sample(
        &mut self,
        sample: &'t RangeTableSample,
        scope: &mut Scope<'_, 't>,
        progress: &mut Progress<'t>,
    ) -> Traced<()> {
        let mut arguments = Taint::default();
        for node in sample.args.iter().chain(sample.repeatable.as_deref()) {
            arguments.absorb(&self.value(node, scope)?.cell.taint);
        }
        // Pages are drawn, and how many rows are on one follows from their size.
        if let Some(NodeEnum::RangeVar(range)) = sample.relation.as_ref().and_then(|node| node.node.as_ref())
        {
            let relations = self.relations_meant(&range.schemaname, &range.relname);
            arguments.absorb(&self.held_by(&relations)?);
        }
        self.shapes(&arguments, "TABLESAMPLE", progress);
        match sample.relation.as_deref() {
            Some(relation) => self.read_item(relation, scope, progress),
            None => Ok(()),
        }
    }
}

/// The columns, each as if computed from the taint as well.
pub(super) fn touched_by<'t>(columns: Columns<'t>, taint: &Taint) -> Columns<'t> {
    if taint.is_clean() {
        return columns;
    }
    match columns {
        Columns::Known(fields) => Columns::Known(
            fields
                .iter()
                .cloned()
                .map(|mut field| {
                    field.cell.taint.absorb(taint);
                    field.cell.form = Form::Computed;
                    field
                })
                .collect(),
        ),
        Columns::Uncounted(own) => Columns::Uncounted(Taint::union([&own, taint])),
    }
}

/// Joins.
impl<'t, 's: 't> Tracer<'_, 's, 't> {
    fn join(
        &mut self,
        join: &'t JoinExpr,
        scope: &mut Scope<'_, 't>,
        progress: &mut Progress<'t>,
    ) -> Traced<()> {
        let start = scope.items.len();
        if let Some(left) = join.larg.as_deref() {
            self.read_item(left, scope, progress)?;
        }
        let middle = scope.items.len();
        if let Some(right) = join.rarg.as_deref() {
            self.read_item(right, scope, progress)?;
        }
        let merged = self.merged_names(join, scope, start, middle)?;
        let using = self.merge_columns(join, merged, scope, (start, middle), progress)?;
        if let Some(quals) = join.quals.as_deref() {
            let outer = std::mem::replace(&mut scope.from, start);
            self.where_clause(Some(quals), scope, "ON", progress)?;
            scope.from = outer;
        }
        if let Some(alias) = &join.alias {
            let columns = renamed(self.star(&scope.items[start..])?, &alias.colnames);
            scope.items.truncate(start);
            scope.items.push(Item::new(Some(&alias.aliasname), columns.into()));
        } else if let (Some(alias), Some(using)) = (&join.join_using_alias, using) {
            scope.items.push(Item::new(Some(&alias.aliasname), using).qualified_only());
        }
        Ok(())
    }

    /// The columns that a join merges; nothing where NATURAL cannot be told.
    fn merged_names(
        &mut self,
        join: &'t JoinExpr,
        scope: &Scope<'_, 't>,
        start: usize,
        middle: usize,
    ) -> Traced<Option<Vec<&'t str>>> {
        if !join.is_natural {
            return Ok(Some(name::strings(&join.using_clause).collect()));
        }
        let left = self.star(&scope.items[start..middle])?;
        let right = self.star(&scope.items[middle..])?;
        Ok(match (left, right) {
            (Columns::Known(left), Columns::Known(right)) => {
                let is_right = |name: &str| right.iter().any(|field| field.name == name);
                Some(left.iter().map(|field| field.name).filter(|name| is_right(name)).collect())
            }
            (Columns::Known(_) | Columns::Uncounted(_), Columns::Known(_) | Columns::Uncounted(_)) => None,
        })
    }

    /// Puts the merged columns before those of both sides.
    fn merge_columns(
        &mut self,
        join: &'t JoinExpr,
        names: Option<Vec<&'t str>>,
        scope: &mut Scope<'_, 't>,
        (start, middle): (usize, usize),
        progress: &mut Progress<'t>,
    ) -> Traced<Option<Source<'t>>> {
        let clause = if join.is_natural { "NATURAL JOIN" } else { "USING" };
        let Some(names) = names else {
            self.shapes(&Taint::unknown(), clause, progress);
            let source = Source::Open(Cell::unknown());
            scope.items.insert(start, Item::new(None, source.clone()));
            return Ok(Some(source));
        };
        if names.is_empty() {
            return Ok(None);
        }
        let mut fields = Vec::with_capacity(names.len());
        let mut compared = Taint::default();
        for name in &names {
            let left = self.find_among(&scope.items[start..middle], name)?.unwrap_or_else(Cell::unknown);
            let right = self.find_among(&scope.items[middle..], name)?.unwrap_or_else(Cell::unknown);
            compared.absorb(&left.taint);
            compared.absorb(&right.taint);
            let cell = match join.jointype() {
                JoinType::JoinInner | JoinType::JoinLeft => left,
                JoinType::JoinRight => right,
                JoinType::JoinFull
                | JoinType::Undefined
                | JoinType::JoinSemi
                | JoinType::JoinAnti
                | JoinType::JoinRightSemi
                | JoinType::JoinRightAnti
                | JoinType::JoinUniqueOuter
                | JoinType::JoinUniqueInner => Cell { form: Form::Computed, ..left.either(&right) },
            };
            fields.push(Field { name, cell });
        }
        self.findings.touched.absorb(&compared);
        self.shapes(&compared, clause, progress);
        for item in &mut scope.items[start..] {
            item.merged.extend(&names);
        }
        let source = Source::Columns(fields.into());
        scope.items.insert(start, Item::new(None, source.clone()));
        Ok(Some(source))
    }
}

/// Functions.
impl<'t, 's: 't> Tracer<'_, 's, 't> {
    fn range_function(
        &mut self,
        function: &'t RangeFunction,
        scope: &Scope<'_, 't>,
        progress: &mut Progress<'t>,
    ) -> Traced<Item<'t>> {
        let alias = alias_name(function.alias.as_ref());
        let mut columns: Option<Vec<Field<'t>>> = Some(Vec::new());
        let mut taint = Taint::default();
        let mut first_name = None;
        for node in &function.functions {
            let Some(NodeEnum::List(pair)) = &node.node else { continue };
            let Some(call) = pair.items.first() else { continue };
            let value = self.value(call, scope)?;
            self.may_fail(&value);
            progress.partial = progress.partial.or(value.cell.partial);
            taint.absorb(&value.cell.taint);
            let name = label::of(call);
            first_name.get_or_insert(name);
            let definitions = match pair.items.get(1).and_then(|node| node.node.as_ref()) {
                Some(NodeEnum::List(list)) => &list.items,
                _ => &function.coldeflist,
            };
            let fields = self.function_fields(call, definitions, alias.unwrap_or(name), value, scope)?;
            columns = columns.zip(fields).map(|(mut all, fields)| {
                all.extend(fields);
                all
            });
        }
        let item_name = alias.or(first_name);
        let Some(mut fields) = columns else {
            return Ok(Item::new(item_name, Source::Open(Cell::computed(taint, Kind::Unknown))));
        };
        if function.ordinality {
            fields.push(Field { name: "ordinality", cell: Cell::clean(Kind::of(kind::INT8)) });
        }
        let columns = renamed(Columns::Known(fields.into()), column_names(function.alias.as_ref()));
        Ok(Item::new(item_name, columns.into()))
    }

    /// The columns of one function; nothing where they cannot be told.
    fn function_fields(
        &mut self,
        call: &'t Node,
        definitions: &'t [Node],
        known_as: &'t str,
        value: Value<'t>,
        scope: &Scope<'_, 't>,
    ) -> Traced<Option<Vec<Field<'t>>>> {
        let kind = value.cell.kind;
        let collated = value.cell.collation();
        let of_kind = |kind| Cell { collated, ..Cell::computed(value.cell.taint.clone(), kind) };
        let field = |name: &'t str| Field { name, cell: of_kind(Kind::Unknown) };
        if !definitions.is_empty() {
            let defined = definitions.iter().filter_map(|node| match &node.node {
                Some(NodeEnum::ColumnDef(column)) => Some(field(&column.colname)),
                _ => None,
            });
            return Ok(Some(defined.collect()));
        }
        let function = match &call.node {
            Some(NodeEnum::FuncCall(function)) => function,
            Some(NodeEnum::SqlvalueFunction(_)) => return Ok(Some(vec![field(known_as)])),
            // COALESCE and its like give a row's columns where they are given rows.
            _ => return Ok(kind.is_builtin().then(|| vec![field(known_as)])),
        };
        let parts: Vec<&str> = name::strings(&function.funcname).collect();
        let ([name] | ["pg_catalog", name]) = parts[..] else { return Ok(None) };
        let schema = self.context.schema;
        let (Some(builtin), []) = (schema.builtin(name), schema.functions_named(name)) else {
            return Ok(None);
        };
        Ok(match function_columns::of(name, builtin.returns_set) {
            Shape::Scalar => Some(vec![Field { name: known_as, cell: of_kind(kind) }]),
            Shape::Named(names) => Some(names.iter().map(|name| field(name)).collect()),
            Shape::Unknown => None,
            // Of an array of rows, it gives as many columns as these have.
            Shape::Unnest => {
                let arguments = self.each(&function.args, scope)?;
                let is_plain = |value: &Value<'t>| value.cell.kind.is_builtin();
                let fields = arguments.iter().map(|_| field(known_as)).collect();
                arguments.iter().all(is_plain).then_some(fields)
            }
        })
    }

    /// XMLTABLE.
    fn xml_table(
        &mut self,
        table: &'t RangeTableFunc,
        scope: &Scope<'_, 't>,
        progress: &mut Progress<'t>,
    ) -> Traced<Item<'t>> {
        let mut value = Value::clean(Kind::Unknown);
        for node in [&table.docexpr, &table.rowexpr].into_iter().flatten() {
            value.absorb(&self.value(node, scope)?);
        }
        for node in &table.namespaces {
            if let Some(NodeEnum::ResTarget(target)) = &node.node
                && let Some(node) = target.val.as_deref()
            {
                value.absorb(&self.value(node, scope)?);
            }
        }
        let mut columns = Vec::new();
        for node in &table.columns {
            let Some(NodeEnum::RangeTableFuncCol(column)) = &node.node else { continue };
            for node in [&column.colexpr, &column.coldefexpr].into_iter().flatten() {
                value.absorb(&self.value(node, scope)?);
            }
            columns.push(column.colname.as_str());
        }
        let value = value.failing("xmltable");
        Ok(self.table_function(value, columns, table.alias.as_ref(), "XMLTABLE", progress))
    }

    fn json_table(
        &mut self,
        table: &'t JsonTable,
        scope: &Scope<'_, 't>,
        progress: &mut Progress<'t>,
    ) -> Traced<Item<'t>> {
        let mut value = self.json_value(table.context_item.as_deref(), scope)?;
        for node in &table.passing {
            value.absorb(&self.json_argument(node, scope)?);
        }
        let mut columns = Vec::new();
        self.json_columns(&table.columns, scope, &mut columns, &mut value)?;
        let value = value.failing("json_table");
        Ok(self.table_function(value, columns, table.alias.as_ref(), "JSON_TABLE", progress))
    }

    fn json_columns(
        &mut self,
        nodes: &'t [Node],
        scope: &Scope<'_, 't>,
        names: &mut Vec<&'t str>,
        value: &mut Value<'t>,
    ) -> Traced<()> {
        for node in nodes {
            let Some(NodeEnum::JsonTableColumn(column)) = &node.node else { continue };
            for behavior in [&column.on_empty, &column.on_error].into_iter().flatten() {
                if let Some(node) = behavior.expr.as_deref() {
                    value.absorb(&self.value(node, scope)?);
                }
            }
            if column.coltype() == JsonTableColumnType::JtcNested {
                self.nested(|tracer| tracer.json_columns(&column.columns, scope, names, value))?;
            } else {
                names.push(&column.name);
            }
        }
        Ok(())
    }

    fn table_function(
        &mut self,
        value: Value<'t>,
        columns: Vec<&'t str>,
        alias: Option<&'t Alias>,
        clause: &'static str,
        progress: &mut Progress<'t>,
    ) -> Item<'t> {
        self.may_fail(&value);
        self.shapes(&value.cell.taint, clause, progress);
        progress.partial = progress.partial.or(value.cell.partial);
        let cell = Cell::computed(value.cell.taint, Kind::Unknown);
        let fields = columns.into_iter().map(|name| Field { name, cell: cell.clone() }).collect();
        let name = alias_name(alias).or(Some(if clause == "XMLTABLE" { "xmltable" } else { "json_table" }));
        Item::new(name, renamed(Columns::Known(fields), column_names(alias)).into())
    }
}
