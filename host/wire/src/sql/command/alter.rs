//! Statements that change and drop objects.

use grille_core::{Access, Effect, ObjectKind};
use pg_query::NodeEnum;
use pg_query::protobuf::{AlterTableStmt, CommentStmt, DropStmt, Node, ObjectType, RenameStmt};

use super::{Command, grant, object_type};
use crate::sql::name;

pub(super) fn command(node: &NodeEnum) -> Option<Command<'_>> {
    any_object(node).or_else(|| drop(node)).or_else(|| relation_or_type(node)).or_else(|| other(node))
}

fn define<'n>(node: &'n NodeEnum, kind: &str, object: ObjectKind, name: impl Into<String>) -> Command<'n> {
    Command::new(node, kind, Effect::DEFINE).object(object, name, Access::Define)
}

fn alter<'n>(node: &'n NodeEnum, of: ObjectType, object: Option<&Node>) -> Command<'n> {
    let kind = format!("alter {}", object_type(of).0);
    Command::new(node, kind, Effect::DEFINE).target(of, object, Access::Define)
}

/// Forms that many types of object share.
fn any_object(node: &NodeEnum) -> Option<Command<'_>> {
    Some(match node {
        NodeEnum::AlterTableStmt(table) => alter_table(node, table),
        NodeEnum::RenameStmt(rename) => rename_command(node, rename),
        NodeEnum::AlterObjectSchemaStmt(to) => alter(node, to.object_type(), to.object.as_deref()).object(
            ObjectKind::Schema,
            &to.newschema,
            Access::Define,
        ),
        NodeEnum::AlterObjectDependsStmt(on) => alter(node, on.object_type(), on.object.as_deref()),
        NodeEnum::CommentStmt(comment) => comment_command(node, comment),
        NodeEnum::DropStmt(statement) => drop_command(node, statement),
        _ => return None,
    })
}

fn alter_table<'n>(node: &'n NodeEnum, table: &AlterTableStmt) -> Command<'n> {
    let (effects, owners) = grant::of_alter_table(&table.cmds);
    let mut command = alter(node, table.objtype(), None).objects(ObjectKind::Role, owners, Access::Grant);
    command.effects |= effects;
    command
}

fn rename_command<'n>(node: &'n NodeEnum, rename: &RenameStmt) -> Command<'n> {
    let of = rename.rename_type();
    let tag = match of {
        // A column's rename has its relation's tag.
        ObjectType::ObjectColumn => rename.relation_type(),
        _ => of,
    };
    let mut command = alter(node, tag, None).target(of, rename.object.as_deref(), Access::Define);
    match of {
        ObjectType::ObjectColumn | ObjectType::ObjectAttribute => {
            command.columns.push(rename.subname.clone())
        }
        ObjectType::ObjectPolicy | ObjectType::ObjectRole => command.effects |= Effect::GRANT,
        // From now on its new name means it.
        ObjectType::ObjectTable
        | ObjectType::ObjectView
        | ObjectType::ObjectMatview
        | ObjectType::ObjectForeignTable
        | ObjectType::ObjectSequence
        | ObjectType::ObjectIndex => {
            let schema = rename.relation.as_ref().map_or("", |relation| &relation.schemaname);
            let new = name::qualified([schema, &rename.newname]);
            command = command.object(ObjectKind::Relation, new, Access::Define);
        }
        _ => {}
    }
    match (&rename.relation, &rename.object) {
        // Databases, schemas, roles and tablespaces are named by nothing else.
        (None, None) => command.object(object_type(of).1, &rename.subname, Access::Define),
        (Some(_), _) if super::part_of_relation(of) => {
            command.object(ObjectKind::Other, &rename.subname, Access::Define)
        }
        (Some(_), _) | (_, Some(_)) => command,
    }
}

fn comment_command<'n>(node: &'n NodeEnum, comment: &CommentStmt) -> Command<'n> {
    Command::new(node, "comment", Effect::DEFINE).target(
        comment.objtype(),
        comment.object.as_deref(),
        Access::Define,
    )
}

fn drop_command<'n>(node: &'n NodeEnum, statement: &DropStmt) -> Command<'n> {
    let of = statement.remove_type();
    let mut command = Command::new(node, format!("drop {}", object_type(of).0), Effect::DEFINE);
    if of == ObjectType::ObjectPolicy {
        command.effects |= Effect::GRANT;
    }
    statement.objects.iter().fold(command, |command, object| command.target(of, Some(object), Access::Drop))
}

/// DROP statements with a form of their own.
fn drop(node: &NodeEnum) -> Option<Command<'_>> {
    let new = |kind, object, name: &str| {
        Command::new(node, kind, Effect::DEFINE).object(object, name, Access::Drop)
    };
    Some(match node {
        NodeEnum::DropdbStmt(drop) => new("drop database", ObjectKind::Database, &drop.dbname),
        NodeEnum::DropTableSpaceStmt(drop) => new("drop tablespace", ObjectKind::Other, &drop.tablespacename),
        NodeEnum::DropSubscriptionStmt(drop) => new("drop subscription", ObjectKind::Other, &drop.subname),
        NodeEnum::DropUserMappingStmt(drop) => new("drop user mapping", ObjectKind::Other, &drop.servername)
            .object(ObjectKind::Role, name::role(drop.user.as_ref()), Access::Define),
        _ => return None,
    })
}

fn relation_or_type(node: &NodeEnum) -> Option<Command<'_>> {
    let alter_type = |kind, name: &[Node]| define(node, kind, ObjectKind::Type, name::list(name));
    Some(match node {
        NodeEnum::AlterTableMoveAllStmt(all) => {
            let kind = format!("alter {}", object_type(all.objtype()).0);
            define(node, &kind, ObjectKind::Other, &all.orig_tablespacename)
        }
        NodeEnum::AlterSeqStmt(_) => Command::new(node, "alter sequence", Effect::DEFINE),
        NodeEnum::AlterStatsStmt(stats) => {
            define(node, "alter statistics", ObjectKind::Other, name::list(&stats.defnames))
        }
        NodeEnum::AlterDomainStmt(domain) => alter_type("alter domain", &domain.type_name),
        NodeEnum::AlterTypeStmt(alter) => alter_type("alter type", &alter.type_name),
        NodeEnum::AlterEnumStmt(alter) => alter_type("alter type", &alter.type_name),
        NodeEnum::AlterFunctionStmt(function) => {
            let (word, kind) = object_type(function.objtype());
            define(node, &format!("alter {word}"), kind, name::with_args(function.func.as_ref()))
        }
        NodeEnum::AlterOperatorStmt(operator) => {
            define(node, "alter operator", ObjectKind::Other, name::with_args(operator.opername.as_ref()))
        }
        NodeEnum::AlterOpFamilyStmt(family) => {
            define(node, "alter operator family", ObjectKind::Other, name::list(&family.opfamilyname))
        }
        NodeEnum::AlterCollationStmt(collation) => {
            define(node, "alter collation", ObjectKind::Other, name::list(&collation.collname))
        }
        _ => return None,
    })
}

fn other(node: &NodeEnum) -> Option<Command<'_>> {
    let other = |kind, name: &str| define(node, kind, ObjectKind::Other, name);
    let extension = |name: &str| define(node, "alter extension", ObjectKind::Extension, name);
    let database = |name: &str| define(node, "alter database", ObjectKind::Database, name);
    Some(match node {
        NodeEnum::AlterDatabaseStmt(alter) => database(&alter.dbname),
        NodeEnum::AlterDatabaseRefreshCollStmt(alter) => database(&alter.dbname),
        NodeEnum::AlterTableSpaceOptionsStmt(alter) => other("alter tablespace", &alter.tablespacename),
        NodeEnum::AlterExtensionStmt(alter) => extension(&alter.extname),
        NodeEnum::AlterExtensionContentsStmt(alter) => {
            extension(&alter.extname).target(alter.objtype(), alter.object.as_deref(), Access::Define)
        }
        NodeEnum::AlterFdwStmt(alter) => other("alter foreign data wrapper", &alter.fdwname),
        NodeEnum::AlterForeignServerStmt(alter) => other("alter server", &alter.servername),
        NodeEnum::AlterUserMappingStmt(alter) => other("alter user mapping", &alter.servername).object(
            ObjectKind::Role,
            name::role(alter.user.as_ref()),
            Access::Define,
        ),
        NodeEnum::AlterEventTrigStmt(alter) => other("alter event trigger", &alter.trigname),
        NodeEnum::AlterPublicationStmt(alter) => other("alter publication", &alter.pubname).objects(
            ObjectKind::Schema,
            name::published_schemas(&alter.pubobjects),
            Access::Read,
        ),
        NodeEnum::AlterSubscriptionStmt(alter) => other("alter subscription", &alter.subname),
        NodeEnum::AlterTsdictionaryStmt(alter) => {
            other("alter text search dictionary", &name::list(&alter.dictname))
        }
        NodeEnum::AlterTsconfigurationStmt(alter) => {
            other("alter text search configuration", &name::list(&alter.cfgname))
        }
        _ => return None,
    })
}
