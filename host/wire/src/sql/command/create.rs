//! Statements that create objects.

use grille_core::{Access, Effect, ObjectKind};
use pg_query::NodeEnum;
use pg_query::protobuf::{CreateSchemaStmt, CreateTrigStmt, ImportForeignSchemaStmt, Node};

use super::{Command, object_type};
use crate::sql::name;

pub(super) fn command(node: &NodeEnum) -> Option<Command<'_>> {
    relation(node).or_else(|| routine(node)).or_else(|| type_or_operator(node)).or_else(|| other(node))
}

fn define<'n>(node: &'n NodeEnum, kind: &str, object: ObjectKind, name: impl Into<String>) -> Command<'n> {
    Command::new(node, kind, Effect::DEFINE).object(object, name, Access::Define)
}

/// Relations and what hangs on them. The relations themselves are seen by the walk.
fn relation(node: &NodeEnum) -> Option<Command<'_>> {
    let new = |kind| Command::new(node, kind, Effect::DEFINE);
    let part = |kind, name: &str| define(node, kind, ObjectKind::Other, name);
    Some(match node {
        NodeEnum::CreateStmt(_) => new("create table"),
        NodeEnum::CreateForeignTableStmt(create) => {
            new("create foreign table").object(ObjectKind::Other, &create.servername, Access::Read)
        }
        NodeEnum::ViewStmt(_) => new("create view"),
        NodeEnum::IndexStmt(_) => new("create index"),
        NodeEnum::CreateSeqStmt(_) => new("create sequence"),
        NodeEnum::CreateStatsStmt(create) => part("create statistics", &name::list(&create.defnames)),
        NodeEnum::RuleStmt(rule) => part("create rule", &rule.rulename),
        NodeEnum::CreateTrigStmt(trigger) => create_trigger(node, trigger),
        NodeEnum::CreateSchemaStmt(schema) => create_schema(node, schema),
        NodeEnum::ImportForeignSchemaStmt(import) => import_schema(node, import),
        NodeEnum::CreatePublicationStmt(create) => part("create publication", &create.pubname).objects(
            ObjectKind::Schema,
            name::published_schemas(&create.pubobjects),
            Access::Read,
        ),
        NodeEnum::CreateSubscriptionStmt(create) => part("create subscription", &create.subname),
        _ => return None,
    })
}

fn routine(node: &NodeEnum) -> Option<Command<'_>> {
    let other = |kind, name: &str| define(node, kind, ObjectKind::Other, name);
    let called = |nodes: &[Node]| name::list(nodes);
    Some(match node {
        NodeEnum::CreateFunctionStmt(create) => {
            let kind = if create.is_procedure { "create procedure" } else { "create function" };
            define(node, kind, ObjectKind::Function, name::list(&create.funcname))
        }
        NodeEnum::CreateEventTrigStmt(create) => other("create event trigger", &create.trigname).object(
            ObjectKind::Function,
            called(&create.funcname),
            Access::Call,
        ),
        NodeEnum::CreateAmStmt(create) => other("create access method", &create.amname).object(
            ObjectKind::Function,
            called(&create.handler_name),
            Access::Call,
        ),
        NodeEnum::CreatePlangStmt(create) => other("create language", &create.plname)
            .object(ObjectKind::Function, called(&create.plhandler), Access::Call)
            .object(ObjectKind::Function, called(&create.plinline), Access::Call)
            .object(ObjectKind::Function, called(&create.plvalidator), Access::Call),
        NodeEnum::CreateConversionStmt(create) => other(
            "create conversion",
            &name::list(&create.conversion_name),
        )
        .object(ObjectKind::Function, called(&create.func_name), Access::Call),
        NodeEnum::CreateCastStmt(create) => {
            let (from, to) = (create.sourcetype.as_ref(), create.targettype.as_ref());
            other("create cast", &format!("{} {}", name::type_name(from), name::type_name(to))).object(
                ObjectKind::Function,
                name::with_args(create.func.as_ref()),
                Access::Call,
            )
        }
        NodeEnum::CreateTransformStmt(create) => {
            let type_name = name::type_name(create.type_name.as_ref());
            other("create transform", &format!("{type_name} {}", create.lang))
                .object(ObjectKind::Function, name::with_args(create.fromsql.as_ref()), Access::Call)
                .object(ObjectKind::Function, name::with_args(create.tosql.as_ref()), Access::Call)
        }
        _ => return None,
    })
}

fn type_or_operator(node: &NodeEnum) -> Option<Command<'_>> {
    let create_type = |name: String| define(node, "create type", ObjectKind::Type, name);
    Some(match node {
        NodeEnum::CompositeTypeStmt(create) => {
            create_type(create.typevar.as_ref().map_or_else(String::new, name::relation))
        }
        NodeEnum::CreateEnumStmt(create) => create_type(name::list(&create.type_name)),
        NodeEnum::CreateRangeStmt(create) => create_type(name::list(&create.type_name)),
        NodeEnum::CreateDomainStmt(create) => {
            define(node, "create domain", ObjectKind::Type, name::list(&create.domainname))
        }
        NodeEnum::DefineStmt(create) => {
            let (word, kind) = object_type(create.kind());
            define(node, &format!("create {word}"), kind, name::list(&create.defnames))
        }
        NodeEnum::CreateOpClassStmt(create) => {
            define(node, "create operator class", ObjectKind::Other, name::list(&create.opclassname))
        }
        NodeEnum::CreateOpFamilyStmt(create) => {
            define(node, "create operator family", ObjectKind::Other, name::list(&create.opfamilyname))
        }
        _ => return None,
    })
}

fn other(node: &NodeEnum) -> Option<Command<'_>> {
    let other = |kind, name: &str| define(node, kind, ObjectKind::Other, name);
    Some(match node {
        NodeEnum::CreatedbStmt(create) => {
            define(node, "create database", ObjectKind::Database, &create.dbname)
        }
        NodeEnum::CreateTableSpaceStmt(create) => other("create tablespace", &create.tablespacename),
        NodeEnum::CreateExtensionStmt(create) => {
            define(node, "create extension", ObjectKind::Extension, &create.extname)
        }
        NodeEnum::CreateFdwStmt(create) => other("create foreign data wrapper", &create.fdwname),
        NodeEnum::CreateForeignServerStmt(create) => other("create server", &create.servername),
        NodeEnum::CreateUserMappingStmt(create) => other("create user mapping", &create.servername).object(
            ObjectKind::Role,
            name::role(create.user.as_ref()),
            Access::Define,
        ),
        _ => return None,
    })
}

fn create_trigger<'n>(node: &'n NodeEnum, trigger: &CreateTrigStmt) -> Command<'n> {
    define(node, "create trigger", ObjectKind::Other, &trigger.trigname).object(
        ObjectKind::Function,
        name::list(&trigger.funcname),
        Access::Call,
    )
}

fn create_schema<'n>(node: &'n NodeEnum, schema: &CreateSchemaStmt) -> Command<'n> {
    let owner = name::role(schema.authrole.as_ref());
    let name = if schema.schemaname.is_empty() { &owner } else { &schema.schemaname };
    let mut command = define(node, "create schema", ObjectKind::Schema, name);
    if !owner.is_empty() {
        command.effects |= Effect::GRANT;
    }
    command.object(ObjectKind::Role, owner, Access::Grant)
}

fn import_schema<'n>(node: &'n NodeEnum, import: &ImportForeignSchemaStmt) -> Command<'n> {
    define(node, "import foreign schema", ObjectKind::Schema, &import.local_schema).object(
        ObjectKind::Other,
        &import.server_name,
        Access::Read,
    )
}

/// Statements inside one that take effect with it, or, as bodies, whenever it does.
pub(super) fn parts(node: &NodeEnum) -> Vec<&NodeEnum> {
    match node {
        NodeEnum::CreateSchemaStmt(schema) => schema.schema_elts.iter().flat_map(statements).collect(),
        NodeEnum::RuleStmt(rule) => rule.actions.iter().flat_map(statements).collect(),
        NodeEnum::CreateFunctionStmt(create) => {
            create.sql_body.iter().flat_map(|body| statements(body)).collect()
        }
        _ => Vec::new(),
    }
}

/// A body is a statement, or lists of them. RETURN only evaluates an expression, which the walk sees.
fn statements(node: &Node) -> Vec<&NodeEnum> {
    match &node.node {
        Some(NodeEnum::List(list)) => list.items.iter().flat_map(statements).collect(),
        Some(NodeEnum::ReturnStmt(_)) | None => Vec::new(),
        Some(statement) => vec![statement],
    }
}
