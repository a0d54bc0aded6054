//! What a name means by where it stands: tables of node types and their fields, in the spelling of the tree's Rust types.
//! Each entry is held in place by a statement in the tests, so that a misspelt one shows.

use grille_core::Access;

/// What a relation's name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// What INSERT, UPDATE, DELETE or MERGE writes to.
    Target,
    /// A relation to which this is done; never a WITH query.
    Named(Access),
    /// A table, view or WITH query that is read.
    Read,
    /// The alias of one in FOR UPDATE OF.
    Locked,
    /// A name of something else that the grammar gives the shape of a relation's, or one that `command` reports.
    NotARelation,
}

/// By the node and the field in which the name stands; what is not listed is read.
pub(super) fn of_relation((kind, field): (&str, &str)) -> Role {
    match (kind, field) {
        ("InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt", "relation") => Role::Target,
        ("LockingClause", _) => Role::Locked,
        ("CompositeTypeStmt" | "ConstraintsSetStmt" | "CopyStmt", _) => Role::NotARelation,
        ("TruncateStmt", _) => Role::Named(Access::Truncate),
        ("GrantStmt", _) => Role::Named(Access::Grant),
        ("RefreshMatViewStmt", _) => Role::Named(Access::Insert),
        ("ClusterStmt" | "LockStmt" | "ReindexStmt" | "VacuumRelation", _) => Role::Named(Access::Lock),
        ("IntoClause", "rel") | ("ViewStmt", "view") => Role::Named(Access::Define),
        ("CreatePolicyStmt" | "AlterPolicyStmt", "table") => Role::Named(Access::Define),
        ("CreateStmt", "relation" | "inh_relations") => Role::Named(Access::Define),
        ("CreateTrigStmt" | "IndexStmt" | "RuleStmt", "relation") => Role::Named(Access::Define),
        ("CreateSeqStmt" | "AlterSeqStmt", "sequence") => Role::Named(Access::Define),
        ("AlterTableStmt" | "AlterObjectDependsStmt" | "AlterObjectSchemaStmt", "relation") => {
            Role::Named(Access::Define)
        }
        // ATTACH PARTITION; INHERIT.
        ("PartitionCmd", "name") | ("AlterTableCmd", "def") => Role::Named(Access::Define),
        ("RenameStmt", "relation") | ("CreateStatsStmt", "relations") => Role::Named(Access::Define),
        ("ImportForeignSchemaStmt", "table_list") => Role::Named(Access::Define),
        _ => Role::Read,
    }
}

/// Whether the field holds names of columns.
pub(super) fn is_column(kind: &str, field: &str) -> bool {
    matches!(
        (kind, field),
        ("AIndirection", "indirection")
            | ("AccessPriv", "cols")
            | ("AlterTableCmd", "name")
            | ("ColumnDef", "colname")
            | ("Constraint", "fk_attrs" | "fk_del_set_cols" | "including" | "keys" | "pk_attrs")
            | ("CopyStmt", "attlist")
            | ("CreateTrigStmt", "columns")
            | ("IndexElem" | "PartitionElem" | "StatsElem", "name")
            | ("JoinExpr", "using_clause")
            | ("PublicationTable", "columns")
            | ("VacuumRelation", "va_cols")
    )
}

/// Whether `name = …` or `(name, …)` at this place is a column that is written, and not a label.
pub(super) fn is_written((kind, field): (&str, &str)) -> bool {
    matches!(
        (kind, field),
        ("InsertStmt", "cols") | ("UpdateStmt" | "OnConflictClause" | "MergeWhenClause", "target_list")
    )
}
