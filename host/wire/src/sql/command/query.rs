//! Statements that read and write rows, and those that prepare, explain, name or fetch from others.

use grille_core::action::feature;
use grille_core::{Access, Effect, ObjectKind};
use pg_query::NodeEnum;
use pg_query::protobuf::{CopyStmt, CreateTableAsStmt, ExplainStmt, Node, ObjectType};

use super::{Command, Inner};
use crate::sql::name;

pub(super) fn command(node: &NodeEnum) -> Option<Command<'_>> {
    let new = |kind, effects| Command::new(node, kind, effects);
    Some(match node {
        NodeEnum::SelectStmt(_) => new("select", Effect::READ),
        NodeEnum::InsertStmt(_) => new("insert", Effect::INSERT),
        NodeEnum::UpdateStmt(_) => new("update", Effect::UPDATE),
        NodeEnum::DeleteStmt(_) => new("delete", Effect::DELETE),
        NodeEnum::MergeStmt(_) => new("merge", Effect::READ),
        NodeEnum::TruncateStmt(_) => new("truncate table", Effect::DELETE).feature(feature::TRUNCATE),
        NodeEnum::LockStmt(_) => new("lock table", Effect::LOCK),
        NodeEnum::CopyStmt(copy) => copy_command(node, copy),
        NodeEnum::CreateTableAsStmt(create) => create_table_as(node, create),
        NodeEnum::RefreshMatViewStmt(_) => {
            new("refresh materialized view", Effect::READ | Effect::INSERT | Effect::MAINTAIN)
        }
        NodeEnum::DoStmt(_) => new("do", Effect::EXECUTE).feature(feature::PROCEDURAL),
        NodeEnum::CallStmt(_) => new("call", Effect::EXECUTE).feature(feature::PROCEDURAL),
        NodeEnum::ExplainStmt(explain) => explain_command(node, explain),
        NodeEnum::PrepareStmt(prepare) => {
            new("prepare", Effect::SESSION).named(&prepare.name).inner(runs(node, prepare.query.as_deref()))
        }
        NodeEnum::DeclareCursorStmt(declare) => new("declare cursor", Effect::SESSION)
            .named(&declare.portalname)
            .inner(runs(node, declare.query.as_deref())),
        // What it runs is what was prepared under the name: the session knows.
        NodeEnum::ExecuteStmt(execute) => new("execute", Effect::SESSION).named(&execute.name),
        NodeEnum::DeallocateStmt(deallocate) => new("deallocate", Effect::SESSION).named(&deallocate.name),
        NodeEnum::FetchStmt(fetch) => {
            let kind = if fetch.ismove { "move" } else { "fetch" };
            new(kind, Effect::SESSION | Effect::READ).named(&fetch.portalname)
        }
        NodeEnum::ClosePortalStmt(close) => new("close", Effect::SESSION).named(&close.portalname),
        _ => return None,
    })
}

/// A statement inside another; if there is none, all of the other is walked.
fn inside(query: Option<&Node>) -> Option<&NodeEnum> {
    query.and_then(|query| query.node.as_ref())
}

fn runs<'n>(node: &'n NodeEnum, query: Option<&'n Node>) -> Inner<'n> {
    inside(query).map_or(Inner::None(node), Inner::Runs)
}

fn explain_command<'n>(node: &'n NodeEnum, explain: &'n ExplainStmt) -> Command<'n> {
    let command = Command::new(node, "explain", Effect::READ);
    if is_analyzed(explain) {
        return command.feature(feature::EXPLAIN_ANALYZE).inner(runs(node, explain.query.as_deref()));
    }
    command.inner(inside(explain.query.as_deref()).map_or(Inner::None(node), Inner::Explained))
}

/// An ANALYZE option that is not plainly switched off counts, also where a later one would switch it off.
fn is_analyzed(explain: &ExplainStmt) -> bool {
    explain.options.iter().any(|option| match &option.node {
        Some(NodeEnum::DefElem(option)) => {
            option.defname == "analyze" && !option.arg.as_deref().is_some_and(is_off)
        }
        _ => true,
    })
}

/// The values that the server reads as false (`defGetBoolean`).
fn is_off(value: &Node) -> bool {
    match &value.node {
        Some(NodeEnum::String(word)) => {
            word.sval.eq_ignore_ascii_case("false") || word.sval.eq_ignore_ascii_case("off")
        }
        Some(NodeEnum::Boolean(value)) => !value.boolval,
        Some(NodeEnum::Integer(number)) => number.ival == 0,
        _ => false,
    }
}

fn create_table_as<'n>(node: &'n NodeEnum, create: &'n CreateTableAsStmt) -> Command<'n> {
    let effects = Effect::DEFINE | Effect::INSERT;
    let command = if create.objtype() == ObjectType::ObjectMatview {
        Command::new(node, "create materialized view", effects)
    } else {
        Command::new(node, "create table as", effects).feature(feature::SELECT_INTO)
    };
    match inside(create.query.as_deref()) {
        // Nobody follows the name from here, so it is code we cannot see into.
        Some(NodeEnum::ExecuteStmt(execute)) => {
            let mut command = command.named(&execute.name);
            command.effects |= Effect::EXECUTE | Effect::SESSION;
            command
        }
        _ => command,
    }
}

fn copy_command<'n>(node: &'n NodeEnum, copy: &'n CopyStmt) -> Command<'n> {
    let (effect, access) =
        if copy.is_from { (Effect::INSERT, Access::Insert) } else { (Effect::READ, Access::Read) };
    let way = match (copy.is_program, copy.filename.is_empty()) {
        (true, _) => feature::COPY_PROGRAM,
        (false, false) => feature::COPY_FILE,
        (false, true) => feature::COPY_STREAM,
    };
    let mut command = Command::new(node, "copy", Effect::COPY | effect).feature(way);
    if let Some(relation) = &copy.relation {
        command = command.object(ObjectKind::Relation, name::relation(relation), access);
        if copy.attlist.is_empty() {
            command.columns.push("*".to_owned());
        }
    }
    command
}
