//! Conditions that choose rows, and the one use of a protected column in them that a role may allow by itself: equality with
//! parameters and literals.

use pg_query::NodeEnum;
use pg_query::protobuf::a_const::Val;
use pg_query::protobuf::{AConst, AExpr, AExprKind, Node, TypeCast, TypeName};

use super::context::Traced;
use super::kind::{self, Kind};
use super::scope::Scope;
use super::taint::{Form, Taint, Value};
use super::tracer::Tracer;
use super::{Operand, Purpose};
use crate::sql::name;
use crate::sql::strings::literal_end;

/// What the parts of a condition use.
#[derive(Default)]
struct Parts<'t> {
    taint: Taint,
    partial: Option<&'t str>,
    equalities: Vec<(Taint, Vec<Operand>)>,
    /// Something beside equality.
    shapes: bool,
}

impl<'t, 's: 't> Tracer<'_, 's, 't> {
    /// Notes what a condition uses, and says what that is and what in it fails for some values.
    pub(super) fn condition(
        &mut self,
        node: &'t Node,
        scope: &Scope<'_, 't>,
        clause: &'static str,
    ) -> Traced<(Taint, Option<&'t str>)> {
        let mut parts = Parts::default();
        self.condition_parts(node, scope, &mut parts)?;
        if parts.shapes {
            self.shape(&parts.taint, clause);
        } else {
            for (taint, operands) in parts.equalities {
                self.findings.note(&taint, Purpose::Equality(operands));
            }
        }
        Ok((parts.taint, parts.partial))
    }

    fn condition_parts(
        &mut self,
        node: &'t Node,
        scope: &Scope<'_, 't>,
        parts: &mut Parts<'t>,
    ) -> Traced<()> {
        if let Some(NodeEnum::BoolExpr(expression)) = &node.node {
            return self.nested(|tracer| {
                expression.args.iter().try_for_each(|node| tracer.condition_parts(node, scope, parts))
            });
        }
        let (value, operands) = match &node.node {
            Some(NodeEnum::AExpr(expression)) => self.comparison(node, expression, scope)?,
            _ => (self.value(node, scope)?, None),
        };
        parts.partial = parts.partial.or(value.cell.partial);
        if value.is_tainted() {
            parts.taint.absorb(&value.cell.taint);
            match operands {
                Some(operands) => parts.equalities.push((value.cell.taint, operands)),
                None => parts.shapes = true,
            }
        }
        Ok(())
    }

    /// A comparison, with what a protected column is compared with if it is equality with constants only.
    fn comparison(
        &mut self,
        node: &'t Node,
        expression: &'t AExpr,
        scope: &Scope<'_, 't>,
    ) -> Traced<(Value<'t>, Option<Vec<Operand>>)> {
        let value = self.value(node, scope)?;
        if !value.is_tainted() || value.cell.taint.unknown || value.fails.is_some() {
            return Ok((value, None));
        }
        let (Some(left), Some(right)) = (expression.lexpr.as_deref(), expression.rexpr.as_deref()) else {
            return Ok((value, None));
        };
        let is_equality = name::strings(&expression.name).eq(["="]);
        let (column, constants) = match expression.kind() {
            AExprKind::AexprOp if is_equality => match self.constants(right) {
                Some(constants) => (left, Some(constants)),
                None => (right, self.constants(left)),
            },
            AExprKind::AexprIn | AExprKind::AexprOpAny if is_equality => (left, self.constants(right)),
            AExprKind::AexprOp
            | AExprKind::AexprIn
            | AExprKind::AexprOpAny
            | AExprKind::Undefined
            | AExprKind::AexprOpAll
            | AExprKind::AexprDistinct
            | AExprKind::AexprNotDistinct
            | AExprKind::AexprNullif
            | AExprKind::AexprLike
            | AExprKind::AexprIlike
            | AExprKind::AexprSimilar
            | AExprKind::AexprBetween
            | AExprKind::AexprNotBetween
            | AExprKind::AexprBetweenSym
            | AExprKind::AexprNotBetweenSym => (left, None),
        };
        let is_bare = match (&column.node, &constants) {
            (Some(NodeEnum::ColumnRef(_)), Some(_)) => {
                let cell = self.value(column, scope)?.cell;
                cell.form == Form::Column && cell.partial.is_none()
            }
            _ => false,
        };
        Ok((value, constants.filter(|_| is_bare)))
    }

    /// Parameters and literals that a value is compared with; nothing if it is compared with something else too. Numbers have
    /// no place that would be of use.
    fn constants(&self, node: &'t Node) -> Option<Vec<Operand>> {
        let all = |nodes: &'t [Node]| {
            let parts: Option<Vec<_>> = nodes.iter().map(|node| self.constants(node)).collect();
            parts.map(|parts| parts.concat())
        };
        match node.node.as_ref()? {
            NodeEnum::ParamRef(parameter) => {
                Some(vec![Operand::Parameter(u16::try_from(parameter.number).ok()?)])
            }
            NodeEnum::AConst(constant) => Some(self.literal(constant).into_iter().collect()),
            NodeEnum::TypeCast(cast) => {
                let constants = self.constants(cast.arg.as_deref()?)?;
                if keeps_text(cast) && !constants.is_empty() {
                    return Some(constants);
                }
                Some(vec![Operand::Converted; constants.len().max(1)])
            }
            NodeEnum::List(list) => all(&list.items),
            NodeEnum::AArrayExpr(array) => all(&array.elements),
            _ => None,
        }
    }

    /// The place of a string literal.
    fn literal(&self, constant: &AConst) -> Option<Operand> {
        let Some(Val::Sval(_)) = &constant.val else { return None };
        let start = usize::try_from(constant.location).ok()?;
        let end = literal_end(self.sql, start)?;
        Some(Operand::Literal { start, end })
    }
}

/// Whether a string stays what it is, whatever its length.
fn keeps_text(cast: &TypeCast) -> bool {
    let is_text = |to: &TypeName| Kind::named(to).is(&[kind::TEXT, kind::VARCHAR]) && to.typmods.is_empty();
    cast.type_name.as_ref().is_some_and(is_text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Sql, Strings};

    #[test]
    fn a_literal_ends_with_its_quotes() {
        let check = |text: &str, start: usize, expected: &str| {
            let end = literal_end(Sql::standard(text), start).expect(text);
            assert_eq!(&text[start..end], expected, "{text}");
        };
        check("x = 'abc' AND", 4, "'abc'");
        check("x = 'a''b'''", 4, "'a''b'''");
        check(r"x = E'a\'b' ", 4, r"E'a\'b'");
        check("x = $t$a'b$t$ y", 4, "$t$a'b$t$");
        check("x = 'a'\n  'b' AND", 4, "'a'\n  'b'");
        check("x IN ('ä', 'ö')", 6, "'ä'");
        check("x = U&'d\\0061t' z", 4, "U&'d\\0061t'");
        check(r"x = 'a\' OR y", 4, r"'a\'");
    }

    #[test]
    fn an_escaped_literal_ends_with_its_quotes() {
        let text = r"x = 'a\'b' OR y = 'c'";
        assert_eq!(literal_end(Sql { text, strings: Strings::Escaped }, 4), Some(10));
    }
}
