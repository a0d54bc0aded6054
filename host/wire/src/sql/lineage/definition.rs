//! Statements that define and change objects: whether what they do takes protected columns out of protection's reach, or
//! makes the server look at stored values.

use grille_core::{self as core, Access, ObjectKind};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    AlterDomainStmt, AlterTableCmd, AlterTableStmt, AlterTableType, ColumnDef, ConstrType, DropBehavior,
    IndexStmt, Node, ObjectType, RenameStmt,
};

use super::Purpose;
use super::call::Reach;
use super::context::Traced;
use super::fire::Given;
use super::kind::Kind;
use super::scope::{Item, Scope, Source};
use super::taint::{Taint, Value};
use super::tracer::Tracer;
use crate::sql::name;
use crate::sql::schema::{ColumnId, Relation};
use crate::sql::walk;

/// What a definition does as far as protection is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// Nothing.
    Harmless,
    /// It changes the relations it mentions, or hangs something on them.
    Changes,
    /// It makes code that nobody looks into, which may read anything when it is called.
    MakesCode,
    /// It is about other servers.
    Foreign,
}

impl<'t, 's: 't> Tracer<'_, 's, 't> {
    pub(super) fn definition(&mut self, node: &'t NodeEnum) -> Traced<()> {
        let mentions = walk::walk(node)?;
        let mut relations: Vec<&'t Relation> = Vec::new();
        for object in &mentions.objects {
            let parts = parts(&object.name);
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            match (object.kind, &parts[..]) {
                (ObjectKind::Relation, [name]) => relations.extend(self.relations_meant("", name)),
                (ObjectKind::Relation, [schema, name] | [_, schema, name]) => {
                    relations.extend(self.relations_meant(schema, name));
                }
                (ObjectKind::Function, parts) => {
                    let reach = self.mention_function(parts);
                    // What is called when rows are written, or now for all rows, ends up in them.
                    if object.access == Access::Call && reach >= Reach::Reads {
                        self.launder(&Taint::unknown(), word(node));
                    }
                }
                (
                    ObjectKind::Relation
                    | ObjectKind::Schema
                    | ObjectKind::Database
                    | ObjectKind::Role
                    | ObjectKind::Type
                    | ObjectKind::Extension
                    | ObjectKind::Setting
                    | ObjectKind::Channel
                    | ObjectKind::Other,
                    _,
                ) => {}
            }
        }
        let held = self.held_by(&relations)?;
        self.findings.may_quote |= self.context.counts(&held);
        match effect(node) {
            Effect::Harmless => {}
            Effect::Changes => self.launder_columns(&held, node),
            Effect::MakesCode => self.launder(&Taint::unknown(), "code"),
            Effect::Foreign => self.findings.foreign = true,
        }
        if !is_of_the_session(node) {
            self.fire_event_triggers();
        }
        self.particulars(node, &relations)
    }

    /// Definitions reach columns that are there; what is unknown of a relation does not matter to them.
    fn launder_columns(&mut self, held: &Taint, node: &NodeEnum) {
        if !held.columns.is_empty() {
            self.findings.note(held, Purpose::Launders(word(node).into()));
        }
    }

    fn particulars(&mut self, node: &'t NodeEnum, relations: &[&'t Relation]) -> Traced<()> {
        match node {
            NodeEnum::TruncateStmt(_) => self.fire(relations, core::Effect::DELETE, Given::All).map(drop),
            // A new table takes over the triggers of the one it is a partition of, and the defaults of those it is like.
            NodeEnum::CreateStmt(_) => {
                let all = core::Effect::INSERT | core::Effect::UPDATE | core::Effect::DELETE;
                self.fire(relations, all, Given::Only(&[])).map(drop)
            }
            NodeEnum::IndexStmt(index) => self.index(index, node),
            NodeEnum::CreateTrigStmt(trigger) => {
                let parts: Vec<&str> = name::strings(&trigger.funcname).collect();
                self.mention_function(&parts);
                Ok(())
            }
            NodeEnum::RenameStmt(rename) => self.rename(rename),
            NodeEnum::AlterTableStmt(alter) if alters_tables_of_type(alter) => {
                self.launder(&Taint::unknown(), "ALTER TYPE");
                Ok(())
            }
            NodeEnum::AlterTableStmt(alter) => self.new_defaults(alter, relations),
            NodeEnum::RefreshMatViewStmt(_) => {
                // It will be read as what its definition means after the transaction.
                if self.held_by(relations)?.unknown {
                    self.launder(&Taint::unknown(), "REFRESH MATERIALIZED VIEW");
                }
                Ok(())
            }
            NodeEnum::ClusterStmt(cluster) if cluster.relation.is_none() => {
                self.launder(&Taint::unknown(), "CLUSTER");
                Ok(())
            }
            NodeEnum::AlterDomainStmt(alter) if looks_at_values(alter) => {
                let held = self.held_in_types_of_users();
                self.launder_columns(&held, node);
                Ok(())
            }
            NodeEnum::CreatePublicationStmt(publication)
                if publication.for_all_tables
                    || name::published_schemas(&publication.pubobjects).next().is_some() =>
            {
                self.launder(&Taint::unknown(), "a publication");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A row inserted without the column is compared with stored values by the default, too.
    fn new_defaults(&mut self, alter: &'t AlterTableStmt, relations: &[&'t Relation]) -> Traced<()> {
        let mut held = Taint::default();
        for node in &alter.cmds {
            let Some(NodeEnum::AlterTableCmd(command)) = &node.node else { continue };
            if command.subtype() != AlterTableType::AtColumnDefault || command.def.is_none() {
                continue;
            }
            for relation in relations {
                let at = relation.columns.iter().position(|column| *column.name == *command.name);
                if let Some(index) = at {
                    held.absorb(&self.relation_cell(relation, index)?.taint);
                }
            }
        }
        self.launder(&held, "SET DEFAULT");
        Ok(())
    }

    /// The protected columns whose type users made. Which of these types is a domain, or has one in it, is not known.
    fn held_in_types_of_users(&self) -> Taint {
        let mut held = Taint::default();
        for relation in self.context.schema.relations() {
            let columns = relation.columns.iter().filter(|column| !Kind::of(column.type_oid).is_builtin());
            let ids = columns.map(|column| ColumnId { relation: relation.oid, number: column.number });
            held.columns.extend(ids.filter(|id| self.context.protection.is_protected(*id)));
        }
        held
    }

    /// Building an index computes its expressions for all rows, and rows may come back in its order.
    fn index(&mut self, index: &'t IndexStmt, node: &'t NodeEnum) -> Traced<()> {
        let Some(range) = &index.relation else { return Ok(()) };
        let source = Source::Relations(self.relations_meant(&range.schemaname, &range.relname));
        let scope = Scope::with(None, vec![Item::new(Some(&range.relname), source)]);
        let mut keys = Taint::default();
        for node in &index.index_params {
            if let Some(NodeEnum::IndexElem(element)) = &node.node
                && element.expr.is_none()
            {
                keys.absorb(&self.unqualified(&scope, &element.name)?.cell.taint);
            }
        }
        let mut value = Value::clean(Kind::Unknown);
        for node in index.index_params.iter().chain(&index.index_including_params) {
            if let Some(NodeEnum::IndexElem(element)) = &node.node
                && let Some(node) = element.expr.as_deref()
            {
                value.absorb(&self.value(node, &scope)?);
            }
        }
        if let Some(node) = index.where_clause.as_deref() {
            value.absorb_next(&self.value(node, &scope)?);
        }
        keys.absorb(&value.cell.taint);
        self.launder_columns(&keys, node);
        self.may_fail(&value);
        Ok(())
    }

    /// Rules name schemas, relations and columns.
    fn rename(&mut self, rename: &'t RenameStmt) -> Traced<()> {
        // Which tables are made of a type is not known.
        if rename.rename_type() == ObjectType::ObjectAttribute
            && rename.behavior() == DropBehavior::DropCascade
        {
            self.launder(&Taint::unknown(), "ALTER TYPE");
        }
        if rename.rename_type() != ObjectType::ObjectSchema {
            return Ok(());
        }
        let all: &'s [Relation] = self.context.schema.relations();
        let of_schema = all.iter().filter(|relation| *relation.schema == *rename.subname);
        let relations: Vec<&'t Relation> = of_schema.map(|relation| -> &'t Relation { relation }).collect();
        let held = self.held_by(&relations)?;
        self.launder(&held, "rename");
        Ok(())
    }
}

/// A name that was put together from its parts, taken apart again.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut characters = name.chars().peekable();
    while let Some(character) = characters.next() {
        let last = parts.len() - 1;
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                parts[last].push('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            other => parts[last].push(other),
        }
    }
    parts
}

/// Whether it is a type that is altered, together with the tables that are made of it.
fn alters_tables_of_type(alter: &AlterTableStmt) -> bool {
    let cascades = |node: &Node| match &node.node {
        Some(NodeEnum::AlterTableCmd(command)) => command.behavior() == DropBehavior::DropCascade,
        _ => true,
    };
    alter.objtype() == ObjectType::ObjectType && alter.cmds.iter().any(cascades)
}

/// Whether the server looks at all stored values of the domain.
fn looks_at_values(alter: &AlterDomainStmt) -> bool {
    // `typecmds.c` of the server: SET DEFAULT, DROP NOT NULL and DROP CONSTRAINT do not.
    !matches!(alter.subtype.as_str(), "T" | "N" | "X")
}

/// What is told of a definition that is refused.
fn word(node: &NodeEnum) -> &'static str {
    match node {
        NodeEnum::AlterTableStmt(_) => "ALTER TABLE",
        NodeEnum::RenameStmt(_) => "RENAME",
        NodeEnum::AlterObjectSchemaStmt(_) => "SET SCHEMA",
        NodeEnum::IndexStmt(index) if index.unique => "CREATE UNIQUE INDEX",
        NodeEnum::IndexStmt(_) => "CREATE INDEX",
        NodeEnum::CreateStmt(_) => "CREATE TABLE",
        NodeEnum::CreateTrigStmt(_) => "CREATE TRIGGER",
        NodeEnum::RuleStmt(_) => "CREATE RULE",
        NodeEnum::CreatePolicyStmt(_) | NodeEnum::AlterPolicyStmt(_) => "a policy",
        NodeEnum::ClusterStmt(_) => "CLUSTER",
        NodeEnum::AlterDomainStmt(_) => "ALTER DOMAIN",
        NodeEnum::CreateStatsStmt(_) => "CREATE STATISTICS",
        NodeEnum::CreatePublicationStmt(_) | NodeEnum::AlterPublicationStmt(_) => "a publication",
        _ => "a definition",
    }
}

fn effect(node: &NodeEnum) -> Effect {
    match node {
        NodeEnum::AlterTableStmt(alter) if is_harmless_alter(alter) => Effect::Harmless,
        NodeEnum::IndexStmt(index) if !index.unique && index.exclude_op_names.is_empty() => Effect::Harmless,
        // A copy of the definition alone holds nothing.
        NodeEnum::CreateStmt(create) if !refers(&create.table_elts) && create.inh_relations.is_empty() => {
            Effect::Harmless
        }
        NodeEnum::RenameStmt(rename) if !renames_columns(rename) => Effect::Harmless,
        NodeEnum::CreateFunctionStmt(_)
        | NodeEnum::AlterFunctionStmt(_)
        | NodeEnum::CreateCastStmt(_)
        | NodeEnum::CreateTransformStmt(_)
        | NodeEnum::CreateConversionStmt(_)
        | NodeEnum::CreateOpClassStmt(_)
        | NodeEnum::CreateEventTrigStmt(_)
        | NodeEnum::CreatePlangStmt(_) => Effect::MakesCode,
        NodeEnum::DefineStmt(define) => match define.kind() {
            ObjectType::ObjectAggregate | ObjectType::ObjectOperator | ObjectType::ObjectType => {
                Effect::MakesCode
            }
            _ => Effect::Harmless,
        },
        NodeEnum::CreateForeignTableStmt(_)
        | NodeEnum::CreateForeignServerStmt(_)
        | NodeEnum::AlterForeignServerStmt(_)
        | NodeEnum::CreateFdwStmt(_)
        | NodeEnum::AlterFdwStmt(_)
        | NodeEnum::CreateUserMappingStmt(_)
        | NodeEnum::AlterUserMappingStmt(_)
        | NodeEnum::ImportForeignSchemaStmt(_)
        | NodeEnum::CreateSubscriptionStmt(_)
        | NodeEnum::AlterSubscriptionStmt(_) => Effect::Foreign,
        node if is_harmless(node) => Effect::Harmless,
        // Whatever else there is: it is refused where it mentions something protected.
        _ => Effect::Changes,
    }
}

/// Statements that define nothing, so that no event trigger is called.
fn is_of_the_session(node: &NodeEnum) -> bool {
    // CLUSTER defines nothing either, but rows come in another order afterwards.
    leaves_all_in_place(node) || matches!(node, NodeEnum::ClusterStmt(_))
}

/// Statements that define nothing and leave values where they are.
fn leaves_all_in_place(node: &NodeEnum) -> bool {
    matches!(
        node,
        NodeEnum::TransactionStmt(_)
            | NodeEnum::VariableSetStmt(_)
            | NodeEnum::ConstraintsSetStmt(_)
            | NodeEnum::DiscardStmt(_)
            | NodeEnum::DeallocateStmt(_)
            | NodeEnum::ClosePortalStmt(_)
            | NodeEnum::ListenStmt(_)
            | NodeEnum::NotifyStmt(_)
            | NodeEnum::UnlistenStmt(_)
            | NodeEnum::TruncateStmt(_)
            | NodeEnum::VacuumStmt(_)
            | NodeEnum::CheckPointStmt(_)
            | NodeEnum::LockStmt(_)
    )
}

/// Statements that leave values where they are, and definitions that say nothing about them.
fn is_harmless(node: &NodeEnum) -> bool {
    leaves_all_in_place(node) || says_nothing_of_values(node)
}

fn says_nothing_of_values(node: &NodeEnum) -> bool {
    matches!(
        node,
        NodeEnum::DropStmt(_)
            | NodeEnum::DropRoleStmt(_)
            | NodeEnum::DropOwnedStmt(_)
            | NodeEnum::DropdbStmt(_)
            | NodeEnum::CommentStmt(_)
            | NodeEnum::SecLabelStmt(_)
            | NodeEnum::ReindexStmt(_)
            | NodeEnum::GrantStmt(_)
            | NodeEnum::GrantRoleStmt(_)
            | NodeEnum::AlterDefaultPrivilegesStmt(_)
            | NodeEnum::RefreshMatViewStmt(_)
            | NodeEnum::CreateSeqStmt(_)
            | NodeEnum::AlterSeqStmt(_)
            | NodeEnum::CreateEnumStmt(_)
            | NodeEnum::AlterEnumStmt(_)
            | NodeEnum::CompositeTypeStmt(_)
            | NodeEnum::CreateRoleStmt(_)
            | NodeEnum::AlterRoleStmt(_)
            | NodeEnum::CreateExtensionStmt(_)
    )
}

fn is_harmless_alter(alter: &AlterTableStmt) -> bool {
    alter.cmds.iter().all(|node| match &node.node {
        Some(NodeEnum::AlterTableCmd(command)) => is_harmless_command(command),
        _ => false,
    })
}

fn is_harmless_command(command: &AlterTableCmd) -> bool {
    match command.subtype() {
        AlterTableType::AtAddColumn => match command.def.as_ref().and_then(|node| node.node.as_ref()) {
            Some(NodeEnum::ColumnDef(column)) => column.constraints.iter().all(is_about_itself),
            _ => false,
        },
        AlterTableType::AtColumnDefault
        | AlterTableType::AtDropNotNull
        | AlterTableType::AtDropColumn
        | AlterTableType::AtDropConstraint
        | AlterTableType::AtSetStatistics
        | AlterTableType::AtSetStorage
        | AlterTableType::AtSetCompression
        | AlterTableType::AtSetRelOptions
        | AlterTableType::AtResetRelOptions
        | AlterTableType::AtReplicaIdentity
        | AlterTableType::AtClusterOn
        | AlterTableType::AtDropCluster
        | AlterTableType::AtSetTableSpace
        | AlterTableType::AtAddIdentity
        | AlterTableType::AtSetIdentity
        | AlterTableType::AtDropIdentity => true,
        _ => false,
    }
}

/// Whether a new column's constraint looks at that column only.
fn is_about_itself(node: &Node) -> bool {
    match &node.node {
        Some(NodeEnum::Constraint(constraint)) => matches!(
            constraint.contype(),
            ConstrType::ConstrNull
                | ConstrType::ConstrNotnull
                | ConstrType::ConstrDefault
                | ConstrType::ConstrIdentity
                | ConstrType::ConstrUnique
                | ConstrType::ConstrPrimary
        ),
        _ => false,
    }
}

/// Whether a new table refers to rows of others.
fn refers(elements: &[Node]) -> bool {
    let is_foreign = |node: &Node| {
        matches!(&node.node, Some(NodeEnum::Constraint(constraint))
            if constraint.contype() == ConstrType::ConstrForeign)
    };
    let of_column = |column: &ColumnDef| column.constraints.iter().any(is_foreign);
    elements.iter().any(|node| match &node.node {
        Some(NodeEnum::ColumnDef(column)) => of_column(column),
        _ => is_foreign(node),
    })
}

fn renames_columns(rename: &RenameStmt) -> bool {
    matches!(
        rename.rename_type(),
        ObjectType::ObjectTable
            | ObjectType::ObjectColumn
            | ObjectType::ObjectView
            | ObjectType::ObjectMatview
            | ObjectType::ObjectForeignTable
            | ObjectType::ObjectAttribute
            | ObjectType::Undefined
    )
}
