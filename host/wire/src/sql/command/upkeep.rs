//! Statements that keep the server: VACUUM and its like, and settings of the server, of databases and of roles.

use grille_core::{Access, Effect, ObjectKind};
use pg_query::NodeEnum;
use pg_query::protobuf::{ReindexObjectType, ReindexStmt, VariableSetStmt};

use super::Command;
use crate::sql::name;

pub(super) fn command(node: &NodeEnum) -> Option<Command<'_>> {
    let new = |kind| Command::new(node, kind, Effect::MAINTAIN);
    Some(match node {
        NodeEnum::VacuumStmt(vacuum) => new(if vacuum.is_vacuumcmd { "vacuum" } else { "analyze" }),
        NodeEnum::ClusterStmt(_) => new("cluster"),
        NodeEnum::ReindexStmt(reindex) => reindex_command(new("reindex"), reindex),
        NodeEnum::CheckPointStmt(_) => new("checkpoint"),
        // What it loads is given as a literal, and literals are not repeated.
        NodeEnum::LoadStmt(_) => new("load"),
        NodeEnum::AlterSystemStmt(alter) => with_setting(new("alter system"), alter.setstmt.as_ref()),
        NodeEnum::AlterDatabaseSetStmt(alter) => {
            let command = Command::new(node, "alter database", Effect::DEFINE);
            let command = command.object(ObjectKind::Database, &alter.dbname, Access::Define);
            with_setting(command, alter.setstmt.as_ref())
        }
        NodeEnum::AlterRoleSetStmt(alter) => {
            let command = Command::new(node, "alter role", Effect::DEFINE | Effect::GRANT)
                .object(ObjectKind::Role, name::role(alter.role.as_ref()), Access::Define)
                .object(ObjectKind::Database, &alter.database, Access::Define);
            with_setting(command, alter.setstmt.as_ref())
        }
        _ => return None,
    })
}

fn with_setting<'n>(command: Command<'n>, set: Option<&VariableSetStmt>) -> Command<'n> {
    let name = set.map_or_else(String::new, |set| set.name.to_lowercase());
    // RESET ALL names none.
    let name = if name.is_empty() { "*".to_owned() } else { name };
    command.object(ObjectKind::Setting, name, Access::Set)
}

fn reindex_command<'n>(command: Command<'n>, reindex: &ReindexStmt) -> Command<'n> {
    let kind = match reindex.kind() {
        ReindexObjectType::ReindexObjectSchema => ObjectKind::Schema,
        ReindexObjectType::ReindexObjectSystem | ReindexObjectType::ReindexObjectDatabase => {
            ObjectKind::Database
        }
        // These are relations, and the walk sees them.
        ReindexObjectType::ReindexObjectIndex
        | ReindexObjectType::ReindexObjectTable
        | ReindexObjectType::Undefined => return command,
    };
    command.object(kind, &reindex.name, Access::Lock)
}
