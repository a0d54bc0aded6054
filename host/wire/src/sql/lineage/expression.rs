//! Expressions: what each kind of node computes from its parts. A kind that is not here is unknown.

use std::rc::Rc;

use pg_query::NodeEnum;
use pg_query::protobuf::a_const::Val;
use pg_query::protobuf::{AConst, AIndirection, CaseExpr, ColumnRef, Node, SqlValueFunctionOp, TypeCast};

use super::call::Reach;
use super::context::Traced;
use super::kind::{self, Kind};
use super::scope::{Scope, named};
use super::taint::{Cell, Field, Value};
use super::total::is_parameter;
use super::tracer::Tracer;
use crate::sql::name;
use crate::sql::schema::Collation;

pub(super) const BOOLEAN: Kind = Kind::of(kind::BOOL);

impl<'t, 's: 't> Tracer<'_, 's, 't> {
    /// What an expression gives.
    pub(super) fn value(&mut self, node: &'t Node, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let value = self.nested(|tracer| tracer.value_of(node, scope))?;
        // Each level of an expression carries along what all inside it comes from.
        self.context.spend(value.cell.taint.columns.len() / 8)?;
        Ok(value)
    }

    fn value_of(&mut self, node: &'t Node, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let Some(node) = &node.node else { return Ok(Value::clean(Kind::Unknown)) };
        match node {
            NodeEnum::AConst(constant) => Ok(Value::clean(constant_kind(constant))),
            NodeEnum::ParamRef(_) => Ok(Value::clean(Kind::Literal)),
            NodeEnum::SetToDefault(_) => {
                self.findings.asks_for_default = true;
                Ok(Value::clean(Kind::Literal))
            }
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
                // What it names is not known.
                let cell = Cell { collated: Collation::Mixed, ..value.cell.into_computed() };
                Ok(Value { cell, fails: value.fails })
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

    pub(super) fn optional(&mut self, node: Option<&'t Node>, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        match node {
            Some(node) => self.value(node, scope),
            None => Ok(Value::clean(Kind::Unknown)),
        }
    }

    pub(super) fn each(&mut self, nodes: &'t [Node], scope: &Scope<'_, 't>) -> Traced<Vec<Value<'t>>> {
        nodes.iter().map(|node| self.value(node, scope)).collect()
    }

    /// Computed from all of them.
    pub(super) fn all(&mut self, nodes: &'t [Node], scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        Ok(Value::computed(&self.each(nodes, scope)?, Kind::Unknown))
    }

    /// Computed from all, of their type if they have one in common.
    fn same_kind(&mut self, nodes: &'t [Node], scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let values = self.each(nodes, scope)?;
        let kind = common_kind(values.iter().map(|value| value.cell.kind));
        let reach = if kind.is_compared() { Reach::Total } else { Reach::Computes };
        Ok(self.conclude(Value::computed(&values, kind), reach, "greatest or least"))
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
                let collated = columns.collation();
                let cell = Cell { collated, ..Cell::computed(columns.taint(), Kind::Unknown) };
                let mut value = self.refer(cell);
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
                    let mut part = Value::computed([&value], element);
                    // Of NULL no element is looked for.
                    [&lower, &upper].into_iter().for_each(|subscript| part.absorb_next(subscript));
                    part
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
        let is_flat = values.iter().zip(nodes).all(|(value, node)| {
            let is_text = value.cell.kind == Kind::Literal && !is_parameter(node);
            is_text || self.is_no_array(&value.cell)
        });
        let element = common_kind(values.iter().map(|value| value.cell.kind));
        let is_literal = element == Kind::Literal && nodes.iter().all(is_constant);
        let kind = if is_literal { element } else { element.settled().array() };
        let value = Value::computed(&values, kind);
        // Arrays in an array must be of one size, which a single one is.
        Ok(if is_flat || nodes.len() == 1 { value } else { value.failing("ARRAY") })
    }

    /// Whether the value is known to be no array.
    pub(super) fn is_no_array(&self, cell: &Cell<'t>) -> bool {
        let is_known = |oid| self.context.schema.is_no_array(oid);
        cell.kind.is_scalar() || cell.row.is_some() || cell.kind.oid().is_some_and(is_known)
    }

    fn cast(&mut self, cast: &'t TypeCast, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let value = self.optional(cast.arg.as_deref(), scope)?;
        let Some(target) = &cast.type_name else { return Ok(Value::unknown()) };
        let from = cast_from(cast.arg.as_deref(), value.cell.kind);
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
        let mut decided = match case.arg.as_deref() {
            Some(node) => self.value(node, scope)?,
            None => Value::clean(BOOLEAN),
        };
        let compared = decided.cell.kind;
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
            if case.arg.is_some() {
                let reach = self.operator(&[], "=", Some(compared), condition.cell.kind);
                decided = self.conclude(decided, reach, "=");
            }
            result_of(self, when.result.as_deref(), &decided)?;
        }
        if case.defresult.is_some() {
            result_of(self, case.defresult.as_deref(), &decided)?;
        }
        let kind = common_kind(results.iter().map(|result| result.cell.kind));
        results.push(decided.of_kind(BOOLEAN));
        Ok(Value::computed(&results, kind))
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
        // What is too long for an integer is a `numeric`.
        Some(Val::Fval(number)) if number.fval.parse::<i64>().is_ok() => Kind::of(kind::INT8),
        Some(Val::Fval(_)) => Kind::of(kind::NUMERIC),
        Some(Val::Boolval(_)) => BOOLEAN,
        Some(Val::Sval(_)) => Kind::Literal,
        Some(Val::Bsval(_)) => Kind::Unknown,
        // The number 0 is left out of the tree's encoding.
        None if !constant.isnull => Kind::of(kind::INT4),
        None => Kind::Literal,
    }
}

/// What a cast starts from. A literal is read as the type it is cast to, which the server does when it parses the statement;
/// what is computed from literals is text, and a parameter may have been declared as anything.
fn cast_from(node: Option<&Node>, kind: Kind) -> Kind {
    match node.and_then(|node| node.node.as_ref()) {
        Some(NodeEnum::AConst(_) | NodeEnum::AArrayExpr(_)) => kind,
        Some(NodeEnum::ParamRef(_)) => Kind::Unknown,
        _ => kind.settled(),
    }
}

fn is_constant(node: &Node) -> bool {
    matches!(node.node, Some(NodeEnum::AConst(_)))
}

pub(super) fn is_row(node: &Node) -> bool {
    matches!(node.node, Some(NodeEnum::RowExpr(_)))
}

/// The type that all have, leaving literals aside.
pub(super) fn common_kind(kinds: impl IntoIterator<Item = Kind>) -> Kind {
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
