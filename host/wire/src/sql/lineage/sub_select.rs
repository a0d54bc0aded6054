//! Sub-selects in expressions: as values, and as what a value is compared with.

use std::rc::Rc;

use pg_query::NodeEnum;
use pg_query::protobuf::a_const::Val;
use pg_query::protobuf::{LimitOption, Node, SelectStmt, SetOperation, SubLink, SubLinkType};

use super::context::Traced;
use super::expression::BOOLEAN;
use super::kind::Kind;
use super::scope::Scope;
use super::taint::{Cell, Columns, Form, Value};
use super::tracer::{Author, Tracer};
use crate::sql::name;

impl<'t, 's: 't> Tracer<'_, 's, 't> {
    pub(super) fn sub_link(&mut self, link: &'t SubLink, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let Some(select) = link.subselect.as_deref() else { return Ok(Value::unknown()) };
        let test = self.optional(link.testexpr.as_deref(), scope)?;
        let sets = self.sets;
        let query = self.query(select, Some(scope))?;
        let mut value = match link.sub_link_type() {
            SubLinkType::ExistsSublink => Value::clean(BOOLEAN),
            SubLinkType::ExprSublink | SubLinkType::MultiexprSublink => {
                let mut value = scalar(&query.columns, link);
                if !gives_one_row(select) || self.sets > sets {
                    value.cell.partial = value.cell.partial.or(Some("a sub-select that gives several rows"));
                }
                value
            }
            SubLinkType::ArraySublink => {
                let first = query.columns.first();
                let is_flat = first.kind == Kind::Literal || self.is_no_array(&first);
                let (kind, collation) = (first.kind.array(), first.collation());
                let value = Value::from(Cell::computed(first.taint, kind)).collated(collation);
                if is_flat { value } else { value.failing("ARRAY") }
            }
            SubLinkType::AnySublink | SubLinkType::AllSublink | SubLinkType::RowcompareSublink => {
                let value = Value::from(Cell::computed(query.columns.taint(), BOOLEAN));
                value.collated(query.columns.collation())
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
                // It goes on until a row decides, and in a row until a column does.
                value = value.deciding();
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
        cell.collated = columns.collation();
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

/// Whether a sub-select, if none of its columns is a set, is known to give one row at the most: by its LIMIT, or because
/// there is nothing that it reads.
fn gives_one_row(select: &Node) -> bool {
    let Some(NodeEnum::SelectStmt(select)) = &select.node else { return false };
    let limit = select.limit_count.as_deref().and_then(|node| node.node.as_ref());
    let is_limited = match limit {
        Some(NodeEnum::AConst(constant)) => match &constant.val {
            Some(Val::Ival(number)) => number.ival <= 1,
            None => !constant.isnull,
            Some(Val::Fval(_) | Val::Boolval(_) | Val::Sval(_) | Val::Bsval(_)) => false,
        },
        _ => false,
    };
    let is_alone = select.op() == SetOperation::SetopNone
        && select.from_clause.is_empty()
        && select.values_lists.len() <= 1
        && select.group_clause.is_empty();
    (is_limited && select.limit_option() != LimitOption::WithTies) || is_alone || is_aggregate(select)
}

/// Whether the select is over all rows at once: one of its columns is an aggregate, and nothing makes groups.
fn is_aggregate(select: &SelectStmt) -> bool {
    const AGGREGATES: [&str; 14] = [
        "array_agg",
        "avg",
        "bool_and",
        "bool_or",
        "count",
        "every",
        "json_agg",
        "jsonb_agg",
        "max",
        "min",
        "string_agg",
        "stddev",
        "sum",
        "variance",
    ];
    let is_one = |node: &Node| {
        let Some(NodeEnum::ResTarget(target)) = &node.node else { return false };
        match target.val.as_deref().and_then(|node| node.node.as_ref()) {
            Some(NodeEnum::FuncCall(call)) => {
                let names: Vec<&str> = name::strings(&call.funcname).collect();
                call.over.is_none() && matches!(names[..], [name] if AGGREGATES.contains(&name))
            }
            _ => false,
        }
    };
    select.op() == SetOperation::SetopNone
        && select.group_clause.is_empty()
        && select.target_list.iter().any(is_one)
}
