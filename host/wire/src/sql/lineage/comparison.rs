//! Operators in expressions: what they compute from their operands, and of which operands they fail.

use pg_query::NodeEnum;
use pg_query::protobuf::{AExpr, AExprKind, Node};

use super::call::Reach;
use super::context::Traced;
use super::expression::{BOOLEAN, common_kind, is_row};
use super::kind::{self, Kind};
use super::scope::Scope;
use super::taint::{Field, Form, Value};
use super::total;
use super::tracer::Tracer;
use crate::sql::name;

impl<'t, 's: 't> Tracer<'_, 's, 't> {
    pub(super) fn a_expr(&mut self, expression: &'t AExpr, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
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
                let is_row = value.cell.row.is_some() || left_node.is_some_and(is_row);
                operands.iter().for_each(|operand| value.absorb_next(operand));
                if is_row {
                    value = value.deciding();
                }
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
        let is_row =
            |value: &Value<'t>, node: Option<&Node>| value.cell.row.is_some() || node.is_some_and(is_row);
        // Rows are compared column by column, until one decides.
        let is_by_column = is_row(&right, expression.rexpr.as_deref())
            || left.as_ref().is_some_and(|left| is_row(left, expression.lexpr.as_deref()));
        let value = self.combine(expression, operator, left, right);
        if is_by_column { value.deciding() } else { value }
    }

    fn combine(
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
                let pattern = expression.rexpr.as_deref().and_then(|node| node.node.as_ref());
                let is_valid_match = matches!(operator, "~" | "~*" | "!~" | "!~*")
                    && left_kind.is_some_and(Kind::is_text)
                    && pattern.is_some_and(total::is_valid_pattern);
                let reach = match (is_valid_match, row_pairs(expression, left.as_ref(), &right)) {
                    (true, _) => self.user_operator(&expression.name, operator, left_kind, right_kind),
                    (false, None) => self.operator(&expression.name, operator, left_kind, right_kind),
                    (false, Some(pairs)) => {
                        let reach = |tracer: &mut Self, (left, right): (Kind, Kind)| {
                            tracer.operator(&expression.name, operator, Some(left), right)
                        };
                        pairs.into_iter().map(|pair| reach(self, pair)).max().unwrap_or(Reach::Anything)
                    }
                };
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

/// The types that a comparison of two row constructors compares; nothing for anything else, of which the server learns when
/// it runs whether the columns can be compared.
fn row_pairs(expression: &AExpr, left: Option<&Value<'_>>, right: &Value<'_>) -> Option<Vec<(Kind, Kind)>> {
    let is_constructor =
        |node: Option<&Node>| node.is_some_and(|node| matches!(node.node, Some(NodeEnum::RowExpr(_))));
    let is_comparison = name::strings(&expression.name)
        .last()
        .is_some_and(|operator| ["=", "<>", "!=", "<", "<=", ">", ">="].contains(&operator));
    if !is_comparison
        || !is_constructor(expression.lexpr.as_deref())
        || !is_constructor(expression.rexpr.as_deref())
    {
        return None;
    }
    let (left, right) = (left?.cell.row.as_ref()?, right.cell.row.as_ref()?);
    let pair = |(left, right): (&Field<'_>, &Field<'_>)| (left.cell.kind, right.cell.kind);
    (left.len() == right.len()).then(|| left.iter().zip(right.iter()).map(pair).collect())
}
