//! Expressions: what each kind of node computes from its parts. A kind that is not here is unknown.

use std::rc::Rc;

use pg_query::NodeEnum;
use pg_query::protobuf::a_const::Val;
use pg_query::protobuf::{
    AConst, AExpr, AExprKind, AIndirection, CaseExpr, ColumnRef, JsonAggConstructor, JsonKeyValue,
    JsonValueExpr, Node, SqlValueFunctionOp, SubLink, SubLinkType, TypeCast, XmlExpr,
};

use super::context::Traced;
use super::kind::{self, Kind};
use super::scope::{Scope, named};
use super::taint::{Cell, Columns, Field, Form, Value};
use super::tracer::{Author, Tracer};
use crate::sql::name;

const BOOLEAN: Kind = Kind::of(kind::BOOL);

impl<'t, 's: 't> Tracer<'_, 's, 't> {
    /// What an expression gives.
    pub(super) fn value(&mut self, node: &'t Node, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        self.nested(|tracer| tracer.value_of(node, scope))
    }

    fn value_of(&mut self, node: &'t Node, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let Some(node) = &node.node else { return Ok(Value::clean(Kind::Unknown)) };
        match node {
            NodeEnum::AConst(constant) => Ok(Value::clean(constant_kind(constant))),
            NodeEnum::ParamRef(_) | NodeEnum::SetToDefault(_) => Ok(Value::clean(Kind::Literal)),
            NodeEnum::ColumnRef(column) => self.column_ref(column, scope),
            NodeEnum::AExpr(expression) => self.a_expr(expression, scope),
            NodeEnum::FuncCall(call) => self.call(call, scope),
            NodeEnum::TypeCast(cast) => self.cast(cast, scope),
            NodeEnum::SubLink(link) => self.sub_link(link, scope),
            NodeEnum::CaseExpr(case) => self.case(case, scope),
            NodeEnum::BoolExpr(expression) => Ok(self.one_by_one(&expression.args, scope)?.of_kind(BOOLEAN)),
            NodeEnum::CoalesceExpr(coalesce) => self.one_by_one(&coalesce.args, scope),
            NodeEnum::MinMaxExpr(minmax) => self.same_kind(&minmax.args, scope),
            NodeEnum::NullTest(test) => self.test(test.arg.as_deref(), scope),
            NodeEnum::BooleanTest(test) => self.test(test.arg.as_deref(), scope),
            NodeEnum::JsonIsPredicate(test) => self.is_json(test.expr.as_deref(), scope),
            NodeEnum::RowExpr(row) => self.row(&row.args, scope),
            NodeEnum::AArrayExpr(array) => self.array(&array.elements, scope),
            NodeEnum::AIndirection(indirection) => self.indirection(indirection, scope),
            NodeEnum::CollateClause(collate) => {
                let value = self.optional(collate.arg.as_deref(), scope)?;
                Ok(Value { cell: value.cell.into_computed(), fails: value.fails })
            }
            NodeEnum::NamedArgExpr(argument) => self.optional(argument.arg.as_deref(), scope),
            NodeEnum::GroupingFunc(grouping) => self.all(&grouping.args, scope),
            NodeEnum::List(list) => self.all(&list.items, scope),
            NodeEnum::MultiAssignRef(part) => self.optional(part.source.as_deref(), scope),
            NodeEnum::SqlvalueFunction(function) => Ok(Value::clean(sql_value_kind(function.op()))),
            NodeEnum::MergeSupportFunc(_) => Ok(Value::clean(Kind::of(kind::TEXT))),
            NodeEnum::CurrentOfExpr(_) => Ok(Value::clean(BOOLEAN)),
            NodeEnum::XmlExpr(xml) => self.xml(xml, scope),
            NodeEnum::XmlSerialize(xml) => {
                Ok(self.optional(xml.expr.as_deref(), scope)?.failing("xmlserialize"))
            }
            _ => self.json(node, scope),
        }
    }

    fn optional(&mut self, node: Option<&'t Node>, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        match node {
            Some(node) => self.value(node, scope),
            None => Ok(Value::clean(Kind::Unknown)),
        }
    }

    pub(super) fn each(&mut self, nodes: &'t [Node], scope: &Scope<'_, 't>) -> Traced<Vec<Value<'t>>> {
        nodes.iter().map(|node| self.value(node, scope)).collect()
    }

    /// Computed from all of them.
    fn all(&mut self, nodes: &'t [Node], scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        Ok(Value::computed(&self.each(nodes, scope)?, Kind::Unknown))
    }

    /// Computed from all, of their type if they have one in common.
    fn same_kind(&mut self, nodes: &'t [Node], scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let values = self.each(nodes, scope)?;
        let kind = common_kind(values.iter().map(|value| value.cell.kind));
        Ok(Value::computed(&values, kind))
    }

    /// Computed from as many, from the first on, as it takes: AND, OR, COALESCE.
    fn one_by_one(&mut self, nodes: &'t [Node], scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let mut value = Value::clean(Kind::Unknown);
        let mut kinds = Vec::with_capacity(nodes.len());
        for node in nodes {
            let part = self.value(node, scope)?;
            kinds.push(part.cell.kind);
            value.absorb_next(&part);
        }
        Ok(value.of_kind(common_kind(kinds)))
    }

    fn test(&mut self, node: Option<&'t Node>, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        Ok(Value::computed([&self.optional(node, scope)?], BOOLEAN))
    }

    /// IS JSON: of bytes, it fails where these are not text.
    fn is_json(&mut self, node: Option<&'t Node>, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let value = self.optional(node, scope)?;
        let is_text = value.cell.kind.is_text() || value.cell.kind.is(&[kind::JSON, kind::JSONB]);
        let test = Value::computed([&value], BOOLEAN);
        Ok(if is_text { test } else { test.failing("IS JSON") })
    }

    fn column_ref(&mut self, column: &'t ColumnRef, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let parts: Vec<&'t str> = name::strings(&column.fields).collect();
        if parts.len() != column.fields.len() {
            // A star that is not expanded: `count(t.*)`, `row(t.*)`.
            return self.starred_row(&parts, scope);
        }
        match parts[..] {
            [name] => self.unqualified(scope, name),
            [item, name] => match named(scope, None, item) {
                Some(item) => self.qualified(item, name),
                None => Ok(self.unresolved()),
            },
            [schema, item, name] | [_, schema, item, name] => match named(scope, Some(schema), item) {
                Some(item) => self.qualified(item, name),
                None => Ok(self.unresolved()),
            },
            [..] => Ok(self.unresolved()),
        }
    }

    fn starred_row(&mut self, qualifiers: &[&'t str], scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let item = match *qualifiers {
            [] => {
                let columns = self.star(scope.visible())?;
                let mut value = self.refer(Cell::computed(columns.taint(), Kind::Unknown));
                value.cell.row = None;
                return Ok(value);
            }
            [item] => named(scope, None, item),
            [schema, item] | [_, schema, item] => named(scope, Some(schema), item),
            [..] => None,
        };
        match item {
            Some(item) => self.whole_row(item),
            None => Ok(self.unresolved()),
        }
    }

    /// `(x).f`, `x[1]`, and chains of them.
    pub(super) fn indirection(
        &mut self,
        indirection: &'t AIndirection,
        scope: &Scope<'_, 't>,
    ) -> Traced<Value<'t>> {
        let mut value = self.optional(indirection.arg.as_deref(), scope)?;
        for step in &indirection.indirection {
            value = match &step.node {
                Some(NodeEnum::String(field)) => self.field(value, &field.sval)?,
                Some(NodeEnum::AIndices(indices)) => {
                    let element = if indices.is_slice { value.cell.kind } else { Kind::Unknown };
                    let lower = self.optional(indices.lidx.as_deref(), scope)?;
                    let upper = self.optional(indices.uidx.as_deref(), scope)?;
                    Value::computed([&value, &lower, &upper], element)
                }
                // The caller expands it.
                Some(NodeEnum::AStar(_)) => value,
                _ => Value::unknown(),
            };
        }
        Ok(value)
    }

    /// A field of a composite value; where there is none of that name, a function of it.
    fn field(&mut self, value: Value<'t>, name: &'t str) -> Traced<Value<'t>> {
        let Some(fields) = value.cell.row.clone() else {
            let is_function = self.is_function(name);
            return match is_function {
                true => self.call_on_row(name, value),
                false => Ok(Value::computed([&value], Kind::Unknown)),
            };
        };
        match fields.iter().find(|field| field.name == name) {
            Some(field) => {
                let partial = value.cell.partial.or(field.cell.partial);
                Ok(Value { cell: Cell { partial, ..field.cell.clone() }, fails: value.fails })
            }
            None => self.call_on_row(name, value),
        }
    }

    fn row(&mut self, nodes: &'t [Node], scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let values = self.each(nodes, scope)?;
        let mut row = Value::computed(&values, Kind::Unknown);
        let is_plain = nodes.iter().all(|node| !ends_in_star(node));
        if is_plain {
            let fields =
                values.into_iter().zip(ROW_FIELDS).map(|(value, name)| Field { name, cell: value.cell });
            let fields: Rc<[Field<'t>]> = fields.collect();
            row.cell.row = (fields.len() == nodes.len()).then_some(fields);
        }
        Ok(row)
    }

    fn array(&mut self, nodes: &'t [Node], scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let values = self.each(nodes, scope)?;
        let is_flat = values.iter().all(|value| {
            value.cell.kind == Kind::Literal || value.cell.kind.is_scalar() || value.cell.row.is_some()
        });
        let element = common_kind(values.iter().map(|value| value.cell.kind));
        let value = Value::computed(&values, element.array());
        // Arrays in an array must be of one size.
        Ok(if is_flat { value } else { value.failing("ARRAY") })
    }

    fn cast(&mut self, cast: &'t TypeCast, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let value = self.optional(cast.arg.as_deref(), scope)?;
        let Some(target) = &cast.type_name else { return Ok(Value::unknown()) };
        let from = value.cell.kind;
        let to = Kind::named(target);
        let cast_value = Value::computed([&value], to);
        // A row becomes text by the text of its fields.
        if kind::cast_is_total(from, to, target) || (value.cell.row.is_some() && to.is_text()) {
            return Ok(cast_value);
        }
        let culprit = name::strings(&target.names).last().unwrap_or("cast");
        Ok(cast_value.failing(culprit))
    }

    fn case(&mut self, case: &'t CaseExpr, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let mut decided = self.optional(case.arg.as_deref(), scope)?;
        decided.cell = decided.cell.into_computed();
        let mut results = Vec::with_capacity(case.args.len() + 1);
        let mut result_of = |tracer: &mut Self, node: Option<&'t Node>, decided: &Value<'t>| {
            let mut result = tracer.optional(node, scope)?;
            if decided.is_tainted() {
                result.fails = result.fails.or(result.cell.partial);
            }
            results.push(result);
            Ok(())
        };
        for when in &case.args {
            let Some(NodeEnum::CaseWhen(when)) = &when.node else { return Ok(Value::unknown()) };
            let condition = self.optional(when.expr.as_deref(), scope)?;
            decided.absorb_next(&condition);
            result_of(self, when.result.as_deref(), &decided)?;
        }
        if case.defresult.is_some() {
            result_of(self, case.defresult.as_deref(), &decided)?;
        }
        let kind = common_kind(results.iter().map(|result| result.cell.kind));
        results.push(decided);
        Ok(Value::computed(&results, kind))
    }

    fn sub_link(&mut self, link: &'t SubLink, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let Some(select) = link.subselect.as_deref() else { return Ok(Value::unknown()) };
        let test = self.optional(link.testexpr.as_deref(), scope)?;
        let query = self.query(select, Some(scope))?;
        let mut value = match link.sub_link_type() {
            SubLinkType::ExistsSublink => Value::clean(BOOLEAN),
            SubLinkType::ExprSublink | SubLinkType::MultiexprSublink => scalar(&query.columns, link),
            SubLinkType::ArraySublink => {
                let first = query.columns.first();
                let is_flat = first.kind.is_scalar() || first.kind == Kind::Literal || first.row.is_some();
                let value = Value::from(Cell::computed(first.taint, first.kind.array()));
                if is_flat { value } else { value.failing("ARRAY") }
            }
            SubLinkType::AnySublink | SubLinkType::AllSublink | SubLinkType::RowcompareSublink => {
                Value::from(Cell::computed(query.columns.taint(), BOOLEAN))
            }
            SubLinkType::Undefined | SubLinkType::CteSublink => Value::unknown(),
        };
        value.absorb(&test);
        if self.author == Author::View {
            // The client's clauses are uses; a view's show in what it gives.
            value.cell.taint.absorb(&query.shaping);
        }
        value.cell.partial = value.cell.partial.or(query.partial);
        match link.sub_link_type() {
            SubLinkType::AnySublink | SubLinkType::AllSublink | SubLinkType::RowcompareSublink => {
                // It goes on until a row decides.
                if value.is_tainted() {
                    value.fails = value.fails.or(query.partial);
                }
                let operator = name::strings(&link.oper_name).last().unwrap_or("=");
                let right = query.columns.first().kind;
                let reach = self.operator(&link.oper_name, operator, Some(test.cell.kind), right);
                Ok(self.conclude(value, reach, operator))
            }
            SubLinkType::ExistsSublink
            | SubLinkType::ExprSublink
            | SubLinkType::MultiexprSublink
            | SubLinkType::ArraySublink
            | SubLinkType::Undefined
            | SubLinkType::CteSublink => Ok(value),
        }
    }
}

/// A sub-select as a value: its one column, or a row of several.
fn scalar<'t>(columns: &Columns<'t>, link: &SubLink) -> Value<'t> {
    if link.sub_link_type() == SubLinkType::MultiexprSublink || matches!(columns, Columns::Uncounted(_)) {
        let mut cell = Cell::computed(columns.taint(), Kind::Unknown);
        if let Columns::Known(fields) = columns {
            cell.row = Some(Rc::clone(fields));
        }
        return Value::from(cell);
    }
    let row = match columns {
        Columns::Known(fields) if fields.len() > 1 => Some(Rc::clone(fields)),
        Columns::Known(_) | Columns::Uncounted(_) => None,
    };
    let first = columns.first();
    match row {
        // `(a, b) = (SELECT …)`: a row, though the grammar does not say so yet.
        Some(_) => Value::from(Cell { row, ..Cell::computed(columns.taint(), Kind::Unknown) }),
        None => Value::from(Cell { form: Form::Computed, ..first }),
    }
}

/// Names of a row constructor's fields.
const ROW_FIELDS: [&str; 16] =
    ["f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "f10", "f11", "f12", "f13", "f14", "f15", "f16"];

fn ends_in_star(node: &Node) -> bool {
    let last = match &node.node {
        Some(NodeEnum::ColumnRef(column)) => column.fields.last(),
        Some(NodeEnum::AIndirection(indirection)) => indirection.indirection.last(),
        _ => None,
    };
    last.is_some_and(|last| matches!(last.node, Some(NodeEnum::AStar(_))))
}

fn constant_kind(constant: &AConst) -> Kind {
    match &constant.val {
        Some(Val::Ival(_)) => Kind::of(kind::INT4),
        Some(Val::Fval(number)) if number.fval.bytes().all(|byte| byte.is_ascii_digit()) => Kind::Unknown,
        Some(Val::Fval(_)) => Kind::of(kind::NUMERIC),
        Some(Val::Boolval(_)) => BOOLEAN,
        Some(Val::Sval(_)) => Kind::Literal,
        Some(Val::Bsval(_)) => Kind::Unknown,
        // The number 0 is left out of the tree's encoding.
        None if !constant.isnull => Kind::of(kind::INT4),
        None => Kind::Literal,
    }
}

/// The type that all have, leaving literals aside.
fn common_kind(kinds: impl IntoIterator<Item = Kind>) -> Kind {
    let mut common = Kind::Literal;
    for kind in kinds {
        if kind == Kind::Literal {
            continue;
        }
        if common != Kind::Literal && common.oid() != kind.oid() {
            let all_text = common.is_text() && kind.is_text();
            return if all_text { Kind::of(kind::TEXT) } else { Kind::Unknown };
        }
        common = kind.oid().map_or(Kind::Unknown, Kind::of);
    }
    common
}

fn sql_value_kind(op: SqlValueFunctionOp) -> Kind {
    use SqlValueFunctionOp as Op;
    match op {
        Op::SvfopCurrentDate => Kind::of(kind::DATE),
        Op::SvfopCurrentTimestamp | Op::SvfopCurrentTimestampN => Kind::of(kind::TIMESTAMPTZ),
        Op::SvfopLocaltimestamp | Op::SvfopLocaltimestampN => Kind::of(kind::TIMESTAMP),
        Op::SvfopCurrentRole
        | Op::SvfopCurrentUser
        | Op::SvfopUser
        | Op::SvfopSessionUser
        | Op::SvfopCurrentCatalog
        | Op::SvfopCurrentSchema => Kind::of(kind::NAME),
        Op::SvfopCurrentTime
        | Op::SvfopCurrentTimeN
        | Op::SvfopLocaltime
        | Op::SvfopLocaltimeN
        | Op::SqlvalueFunctionOpUndefined => Kind::Unknown,
    }
}

/// Operators.
impl<'t, 's: 't> Tracer<'_, 's, 't> {
    fn a_expr(&mut self, expression: &'t AExpr, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let operator = name::strings(&expression.name).last().unwrap_or_default();
        let left_node = expression.lexpr.as_deref();
        let right_node = expression.rexpr.as_deref();
        let left = match left_node {
            Some(node) => Some(self.value(node, scope)?),
            None => None,
        };
        match expression.kind() {
            AExprKind::AexprIn
            | AExprKind::AexprBetween
            | AExprKind::AexprNotBetween
            | AExprKind::AexprBetweenSym
            | AExprKind::AexprNotBetweenSym => {
                let mut value = left.unwrap_or_else(Value::unknown);
                let kind = value.cell.kind;
                value.cell = value.cell.into_computed();
                let operands = match right_node.and_then(|node| node.node.as_ref()) {
                    Some(NodeEnum::List(list)) => self.each(&list.items, scope)?,
                    _ => vec![self.optional(right_node, scope)?],
                };
                operands.iter().for_each(|operand| value.absorb_next(operand));
                let right = common_kind(operands.iter().map(|operand| operand.cell.kind));
                let comparison = if operator.starts_with("BETWEEN") || operator.starts_with("NOT") {
                    "<="
                } else {
                    operator
                };
                let reach = self.operator(&[], comparison, Some(kind), right);
                Ok(self.conclude(value.of_kind(BOOLEAN), reach, comparison))
            }
            AExprKind::AexprOp
            | AExprKind::AexprOpAny
            | AExprKind::AexprOpAll
            | AExprKind::AexprDistinct
            | AExprKind::AexprNotDistinct
            | AExprKind::AexprNullif
            | AExprKind::AexprLike
            | AExprKind::AexprIlike
            | AExprKind::AexprSimilar
            | AExprKind::Undefined => {
                let right = self.optional(right_node, scope)?;
                Ok(self.simple_operator(expression, operator, left, right))
            }
        }
    }

    fn simple_operator(
        &mut self,
        expression: &'t AExpr,
        operator: &'t str,
        left: Option<Value<'t>>,
        right: Value<'t>,
    ) -> Value<'t> {
        let left_kind = left.as_ref().map(|left| left.cell.kind);
        let right_kind = right.cell.kind;
        let parts = || left.iter().chain([&right]);
        let result = kind::operator_kind(operator, left_kind, right_kind);
        match expression.kind() {
            AExprKind::AexprOp if self.is_distance(operator, left.as_ref(), &right) => {
                Value::computed(parts(), Kind::of(kind::FLOAT8))
            }
            AExprKind::AexprOp => {
                let reach = self.operator(&expression.name, operator, left_kind, right_kind);
                self.conclude(Value::computed(parts(), result), reach, operator)
            }
            AExprKind::AexprOpAny | AExprKind::AexprOpAll => {
                let reach = self.operator(&expression.name, operator, left_kind, right_kind.element());
                self.conclude(Value::computed(parts(), BOOLEAN), reach, operator)
            }
            AExprKind::AexprDistinct | AExprKind::AexprNotDistinct => {
                let reach = self.operator(&[], "=", left_kind, right_kind);
                self.conclude(Value::computed(parts(), BOOLEAN), reach, "=")
            }
            AExprKind::AexprNullif => {
                let reach = self.operator(&[], "=", left_kind, right_kind);
                let kind = left_kind.unwrap_or(Kind::Unknown);
                self.conclude(Value::computed(parts(), kind), reach, "nullif")
            }
            AExprKind::AexprLike | AExprKind::AexprIlike => {
                let value = Value::computed(parts(), BOOLEAN);
                let pattern = expression.rexpr.as_deref().and_then(|node| node.node.as_ref());
                let is_safe = pattern.is_some_and(kind::is_safe_pattern);
                let reach = self.user_operator(&expression.name, operator, left_kind, right_kind);
                let value = self.conclude(value, reach, operator);
                if is_safe { value } else { value.failing("LIKE") }
            }
            AExprKind::AexprSimilar => Value::computed(parts(), BOOLEAN).failing("SIMILAR TO"),
            AExprKind::AexprIn
            | AExprKind::AexprBetween
            | AExprKind::AexprNotBetween
            | AExprKind::AexprBetweenSym
            | AExprKind::AexprNotBetweenSym
            | AExprKind::Undefined => Value::unknown(),
        }
    }

    /// Whether it is the distance of vectors, of which one is known to whoever asks: it exists for all of a column.
    fn is_distance(&self, operator: &str, left: Option<&Value<'t>>, right: &Value<'t>) -> bool {
        const DISTANCES: [&str; 6] = ["<->", "<#>", "<=>", "<+>", "<~>", "<%>"];
        let is_vector = |value: &Value<'t>| {
            value.cell.form == Form::Column
                && value.cell.kind.oid().is_some_and(|oid| self.context.schema.is_vector(oid))
        };
        DISTANCES.contains(&operator)
            && left.is_some_and(|left| {
                (is_vector(left) && !right.is_tainted()) || (is_vector(right) && !left.is_tainted())
            })
    }

    /// Whether the expression is such a distance, so that ordering by it is a search.
    pub(super) fn is_vector_search(&mut self, node: &'t Node, scope: &Scope<'_, 't>) -> Traced<bool> {
        let Some(NodeEnum::AExpr(expression)) = &node.node else { return Ok(false) };
        let (Some(left), Some(right)) = (expression.lexpr.as_deref(), expression.rexpr.as_deref()) else {
            return Ok(false);
        };
        let (left, right) = (self.value(left, scope)?, self.value(right, scope)?);
        let operator = name::strings(&expression.name).last().unwrap_or_default();
        Ok(expression.kind() == AExprKind::AexprOp && self.is_distance(operator, Some(&left), &right))
    }
}

/// XML and JSON.
impl<'t, 's: 't> Tracer<'_, 's, 't> {
    fn xml(&mut self, xml: &'t XmlExpr, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let mut value = self.all(&xml.args, scope)?;
        for node in &xml.named_args {
            if let Some(NodeEnum::ResTarget(target)) = &node.node {
                value.absorb(&self.optional(target.val.as_deref(), scope)?);
            }
        }
        Ok(value.failing("xml"))
    }

    fn json(&mut self, node: &'t NodeEnum, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        match node {
            NodeEnum::JsonObjectConstructor(object) => {
                let mut value = Value::clean(Kind::Unknown);
                for node in &object.exprs {
                    if let Some(NodeEnum::JsonKeyValue(pair)) = &node.node {
                        value.absorb(&self.json_pair(Some(pair), scope)?);
                    }
                }
                Ok(value.failing("json_object"))
            }
            NodeEnum::JsonArrayConstructor(array) => {
                let mut value = Value::clean(Kind::Unknown);
                for node in &array.exprs {
                    value.absorb(&self.json_argument(node, scope)?);
                }
                Ok(value.failing("json_array"))
            }
            NodeEnum::JsonArrayQueryConstructor(array) => {
                let Some(node) = array.query.as_deref() else { return Ok(Value::unknown()) };
                let query = self.query(node, Some(scope))?;
                let mut value = Value::from(Cell::computed(query.columns.taint(), Kind::Unknown));
                value.cell.partial = query.partial;
                if self.author == Author::View {
                    value.cell.taint.absorb(&query.shaping);
                }
                Ok(value.failing("json_array"))
            }
            NodeEnum::JsonObjectAgg(aggregate) => {
                let value = self.json_pair(aggregate.arg.as_deref(), scope)?;
                self.json_aggregate(value, aggregate.constructor.as_deref(), scope)
            }
            NodeEnum::JsonArrayAgg(aggregate) => {
                let value = self.json_value(aggregate.arg.as_deref(), scope)?;
                self.json_aggregate(value, aggregate.constructor.as_deref(), scope)
            }
            NodeEnum::JsonFuncExpr(function) => {
                let mut value = self.json_value(function.context_item.as_deref(), scope)?;
                value.absorb(&self.optional(function.pathspec.as_deref(), scope)?);
                for node in &function.passing {
                    value.absorb(&self.json_argument(node, scope)?);
                }
                for behavior in [&function.on_empty, &function.on_error].into_iter().flatten() {
                    value.absorb(&self.optional(behavior.expr.as_deref(), scope)?);
                }
                Ok(value.failing("json"))
            }
            NodeEnum::JsonParseExpr(parse) => {
                Ok(self.json_value(parse.expr.as_deref(), scope)?.failing("json"))
            }
            NodeEnum::JsonScalarExpr(scalar) => {
                let value = self.optional(scalar.expr.as_deref(), scope)?;
                Ok(Value::computed([&value], Kind::Unknown))
            }
            NodeEnum::JsonSerializeExpr(serialize) => {
                Ok(self.json_value(serialize.expr.as_deref(), scope)?.failing("json_serialize"))
            }
            NodeEnum::JsonValueExpr(value) => self.json_value(Some(value), scope),
            // Whatever it is, nothing is known of it.
            _ => Ok(self.unresolved()),
        }
    }

    fn json_pair(&mut self, pair: Option<&'t JsonKeyValue>, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let Some(pair) = pair else { return Ok(Value::unknown()) };
        let key = self.optional(pair.key.as_deref(), scope)?;
        let value = self.json_value(pair.value.as_deref(), scope)?;
        Ok(Value::computed([&key, &value], Kind::Unknown))
    }

    pub(super) fn json_value(
        &mut self,
        value: Option<&'t JsonValueExpr>,
        scope: &Scope<'_, 't>,
    ) -> Traced<Value<'t>> {
        let value = self.optional(value.and_then(|value| value.raw_expr.as_deref()), scope)?;
        Ok(Value::computed([&value], Kind::Unknown))
    }

    pub(super) fn json_argument(&mut self, node: &'t Node, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        match &node.node {
            Some(NodeEnum::JsonArgument(argument)) => self.json_value(argument.val.as_deref(), scope),
            Some(_) | None => self.value(node, scope),
        }
    }

    fn json_aggregate(
        &mut self,
        argument: Value<'t>,
        constructor: Option<&'t JsonAggConstructor>,
        scope: &Scope<'_, 't>,
    ) -> Traced<Value<'t>> {
        let mut value = Value::clean(Kind::Unknown);
        if let Some(constructor) = constructor {
            value.absorb(&self.optional(constructor.agg_filter.as_deref(), scope)?);
            value.absorb(&self.sort_keys(&constructor.agg_order, scope)?);
            if let Some(window) = constructor.over.as_deref() {
                self.window(window, scope)?;
            }
        }
        value.absorb_next(&argument);
        Ok(value.failing("json aggregate"))
    }
}
