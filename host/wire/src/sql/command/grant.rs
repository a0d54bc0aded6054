//! Statements that change who may do what: privileges, roles, ownership, row security, security labels.

use grille_core::{Access, Effect, ObjectKind};
use pg_query::NodeEnum;
use pg_query::protobuf::{GrantRoleStmt, GrantStmt, GrantTargetType, Node, RoleSpec};

use super::{Command, object_type};
use crate::sql::name;

pub(super) fn command(node: &NodeEnum) -> Option<Command<'_>> {
    let new = |kind, effects| Command::new(node, kind, effects);
    let role = |kind| new(kind, Effect::DEFINE | Effect::GRANT);
    let one = |spec: &Option<RoleSpec>| name::role(spec.as_ref());
    Some(match node {
        NodeEnum::GrantStmt(grant) => {
            let kind = if grant.is_grant { "grant" } else { "revoke" };
            privileges(new(kind, Effect::GRANT), grant)
        }
        NodeEnum::AlterDefaultPrivilegesStmt(alter) => {
            let command = new("alter default privileges", Effect::GRANT);
            alter.action.iter().fold(command, |command, grant| with_roles(command, &grant.grantees))
        }
        NodeEnum::GrantRoleStmt(grant) => membership(node, grant),
        NodeEnum::CreateRoleStmt(create) => {
            role("create role").object(ObjectKind::Role, &create.role, Access::Define)
        }
        NodeEnum::AlterRoleStmt(alter) => {
            role("alter role").object(ObjectKind::Role, one(&alter.role), Access::Define)
        }
        NodeEnum::DropRoleStmt(drop) => {
            role("drop role").objects(ObjectKind::Role, drop.roles.iter().map(name::object), Access::Drop)
        }
        NodeEnum::DropOwnedStmt(drop) => {
            role("drop owned").objects(ObjectKind::Role, drop.roles.iter().map(name::object), Access::Drop)
        }
        NodeEnum::ReassignOwnedStmt(reassign) => with_roles(role("reassign owned"), &reassign.roles).object(
            ObjectKind::Role,
            one(&reassign.newrole),
            Access::Grant,
        ),
        NodeEnum::AlterOwnerStmt(alter) => {
            let kind = format!("alter {}", object_type(alter.object_type()).0);
            Command::new(node, kind, Effect::DEFINE | Effect::GRANT)
                .target(alter.object_type(), alter.object.as_deref(), Access::Define)
                .object(ObjectKind::Role, one(&alter.newowner), Access::Grant)
        }
        NodeEnum::CreatePolicyStmt(policy) => {
            role("create policy").object(ObjectKind::Other, &policy.policy_name, Access::Define)
        }
        NodeEnum::AlterPolicyStmt(policy) => {
            role("alter policy").object(ObjectKind::Other, &policy.policy_name, Access::Define)
        }
        NodeEnum::SecLabelStmt(label) => new("security label", Effect::GRANT).target(
            label.objtype(),
            label.object.as_deref(),
            Access::Grant,
        ),
        _ => return None,
    })
}

fn with_roles<'n>(command: Command<'n>, roles: &[Node]) -> Command<'n> {
    command.objects(ObjectKind::Role, roles.iter().map(name::object), Access::Grant)
}

fn privileges<'n>(command: Command<'n>, grant: &GrantStmt) -> Command<'n> {
    let kind = match grant.targtype() {
        GrantTargetType::AclTargetAllInSchema => ObjectKind::Schema,
        GrantTargetType::AclTargetObject
        | GrantTargetType::AclTargetDefaults
        | GrantTargetType::Undefined => object_type(grant.objtype()).1,
    };
    // Relations are seen by the walk.
    let named = grant.objects.iter().filter(|node| !matches!(node.node, Some(NodeEnum::RangeVar(_))));
    let command = command.objects(kind, named.map(name::object), Access::Grant);
    with_roles(command, &grant.grantees)
}

fn membership<'n>(node: &'n NodeEnum, grant: &'n GrantRoleStmt) -> Command<'n> {
    let kind = if grant.is_grant { "grant role" } else { "revoke role" };
    let granted = grant.granted_roles.iter().filter_map(|role| match &role.node {
        Some(NodeEnum::AccessPriv(role)) => Some(name::qualified([role.priv_name.as_str()])),
        _ => None,
    });
    let command = Command::new(node, kind, Effect::GRANT).objects(ObjectKind::Role, granted, Access::Grant);
    with_roles(command, &grant.grantee_roles)
}

/// What an ALTER TABLE does beyond defining.
pub(super) fn of_alter_table(commands: &[Node]) -> (Effect, Vec<String>) {
    use pg_query::protobuf::AlterTableType as Kind;
    let mut effects = Effect::empty();
    let mut owners = Vec::new();
    for node in commands {
        let Some(NodeEnum::AlterTableCmd(command)) = &node.node else { continue };
        match command.subtype() {
            Kind::AtChangeOwner => {
                effects |= Effect::GRANT;
                owners.push(name::role(command.newowner.as_ref()));
            }
            Kind::AtEnableRowSecurity
            | Kind::AtDisableRowSecurity
            | Kind::AtForceRowSecurity
            | Kind::AtNoForceRowSecurity => effects |= Effect::GRANT,
            // Every other form changes the definition only.
            _ => {}
        }
    }
    (effects, owners)
}
