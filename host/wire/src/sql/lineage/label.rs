//! The name of a result's column, as the server chooses it (`FigureColname` of its `parse_target.c`).

use pg_query::NodeEnum;
use pg_query::protobuf::{
    JsonExprOp, MinMaxOp, Node, SelectStmt, SqlValueFunctionOp, SubLinkType, XmlExprOp,
};

use crate::sql::name;

/// What a column is called that nothing gives a name.
const NAMELESS: &str = "?column?";

/// The name of a column that is this expression.
pub(super) fn of(node: &Node) -> &str {
    figure(Some(node)).map_or(NAMELESS, |label| label.name())
}

/// How good a name is: one that comes from a type gives way.
#[derive(Clone, Copy)]
enum Label<'t> {
    Strong(&'t str),
    Weak(&'t str),
}

impl<'t> Label<'t> {
    fn name(self) -> &'t str {
        match self {
            Self::Strong(name) | Self::Weak(name) => name,
        }
    }
}

fn figure(node: Option<&Node>) -> Option<Label<'_>> {
    use Label::{Strong, Weak};
    match node?.node.as_ref()? {
        NodeEnum::ColumnRef(column) => last_name(&column.fields).map(Strong),
        NodeEnum::AIndirection(indirection) => {
            last_name(&indirection.indirection).map(Strong).or_else(|| figure(indirection.arg.as_deref()))
        }
        NodeEnum::FuncCall(call) => last_name(&call.funcname).map(Strong),
        NodeEnum::AExpr(expression) => match expression.kind() {
            pg_query::protobuf::AExprKind::AexprNullif => Some(Strong("nullif")),
            _ => None,
        },
        NodeEnum::TypeCast(cast) => match figure(cast.arg.as_deref()) {
            Some(Strong(name)) => Some(Strong(name)),
            Some(Weak(_)) | None => cast.type_name.as_ref().and_then(|of| last_name(&of.names)).map(Weak),
        },
        NodeEnum::CollateClause(collate) => figure(collate.arg.as_deref()),
        NodeEnum::GroupingFunc(_) => Some(Strong("grouping")),
        NodeEnum::MergeSupportFunc(_) => Some(Strong("merge_action")),
        NodeEnum::SubLink(link) => match link.sub_link_type() {
            SubLinkType::ExistsSublink => Some(Strong("exists")),
            SubLinkType::ArraySublink => Some(Strong("array")),
            SubLinkType::ExprSublink => first_target(link.subselect.as_deref()?),
            SubLinkType::Undefined
            | SubLinkType::AllSublink
            | SubLinkType::AnySublink
            | SubLinkType::RowcompareSublink
            | SubLinkType::MultiexprSublink
            | SubLinkType::CteSublink => None,
        },
        NodeEnum::CaseExpr(case) => match figure(case.defresult.as_deref()) {
            Some(Strong(name)) => Some(Strong(name)),
            Some(Weak(_)) | None => Some(Weak("case")),
        },
        NodeEnum::AArrayExpr(_) => Some(Strong("array")),
        NodeEnum::RowExpr(_) => Some(Strong("row")),
        NodeEnum::CoalesceExpr(_) => Some(Strong("coalesce")),
        NodeEnum::MinMaxExpr(minmax) => match minmax.op() {
            MinMaxOp::IsGreatest => Some(Strong("greatest")),
            MinMaxOp::IsLeast => Some(Strong("least")),
            MinMaxOp::Undefined => None,
        },
        NodeEnum::SqlvalueFunction(function) => sql_value(function.op()).map(Strong),
        NodeEnum::XmlExpr(xml) => xml_name(xml.op()).map(Strong),
        NodeEnum::XmlSerialize(_) => Some(Strong("xmlserialize")),
        NodeEnum::JsonParseExpr(_) => Some(Strong("json")),
        NodeEnum::JsonScalarExpr(_) => Some(Strong("json_scalar")),
        NodeEnum::JsonSerializeExpr(_) => Some(Strong("json_serialize")),
        NodeEnum::JsonObjectConstructor(_) => Some(Strong("json_object")),
        NodeEnum::JsonArrayConstructor(_) | NodeEnum::JsonArrayQueryConstructor(_) => {
            Some(Strong("json_array"))
        }
        NodeEnum::JsonObjectAgg(_) => Some(Strong("json_objectagg")),
        NodeEnum::JsonArrayAgg(_) => Some(Strong("json_arrayagg")),
        NodeEnum::JsonFuncExpr(function) => match function.op() {
            JsonExprOp::JsonExistsOp => Some(Strong("json_exists")),
            JsonExprOp::JsonQueryOp => Some(Strong("json_query")),
            JsonExprOp::JsonValueOp => Some(Strong("json_value")),
            JsonExprOp::Undefined | JsonExprOp::JsonTableOp => None,
        },
        _ => None,
    }
}

fn last_name(nodes: &[Node]) -> Option<&str> {
    name::strings(nodes).last()
}

/// The first column of a sub-select gives the whole its name.
fn first_target(node: &Node) -> Option<Label<'_>> {
    let Some(NodeEnum::SelectStmt(select)) = &node.node else { return None };
    let mut select: &SelectStmt = select;
    while let Some(left) = select.larg.as_deref() {
        select = left;
    }
    if !select.values_lists.is_empty() {
        return Some(Label::Strong("column1"));
    }
    let Some(NodeEnum::ResTarget(target)) = select.target_list.first().and_then(|first| first.node.as_ref())
    else {
        return None;
    };
    if target.name.is_empty() {
        return Some(Label::Strong(of(target.val.as_deref()?)));
    }
    Some(Label::Strong(&target.name))
}

fn sql_value(op: SqlValueFunctionOp) -> Option<&'static str> {
    use SqlValueFunctionOp as Op;
    Some(match op {
        Op::SvfopCurrentDate => "current_date",
        Op::SvfopCurrentTime | Op::SvfopCurrentTimeN => "current_time",
        Op::SvfopCurrentTimestamp | Op::SvfopCurrentTimestampN => "current_timestamp",
        Op::SvfopLocaltime | Op::SvfopLocaltimeN => "localtime",
        Op::SvfopLocaltimestamp | Op::SvfopLocaltimestampN => "localtimestamp",
        Op::SvfopCurrentRole => "current_role",
        Op::SvfopCurrentUser => "current_user",
        Op::SvfopUser => "user",
        Op::SvfopSessionUser => "session_user",
        Op::SvfopCurrentCatalog => "current_catalog",
        Op::SvfopCurrentSchema => "current_schema",
        Op::SqlvalueFunctionOpUndefined => return None,
    })
}

fn xml_name(op: XmlExprOp) -> Option<&'static str> {
    Some(match op {
        XmlExprOp::IsXmlconcat => "xmlconcat",
        XmlExprOp::IsXmlelement => "xmlelement",
        XmlExprOp::IsXmlforest => "xmlforest",
        XmlExprOp::IsXmlparse => "xmlparse",
        XmlExprOp::IsXmlpi => "xmlpi",
        XmlExprOp::IsXmlroot => "xmlroot",
        XmlExprOp::IsXmlserialize => "xmlserialize",
        XmlExprOp::IsDocument | XmlExprOp::Undefined => return None,
    })
}
