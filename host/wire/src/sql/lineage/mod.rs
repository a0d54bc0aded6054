//! Where the columns of a result come from, and what else a statement uses protected columns for.
//!
//! [`trace`] reads a statement a second time, now with the database's [`Schema`] at hand: `FROM` introduces relations,
//! expressions refer to their columns, views are read as their definitions. What is computed from a protected column is
//! protected; what cannot be resolved is [`Provenance::Unknown`], never clean.

mod call;
mod command;
mod comparison;
mod condition;
mod context;
mod created;
mod definition;
mod document;
mod expression;
mod fire;
mod from;
mod function_columns;
mod kind;
mod label;
mod partition;
mod pattern;
mod probe;
mod query;
mod relation;
mod scope;
mod spread;
mod sub_select;
mod taint;
mod total;
mod tracer;
mod with;
mod write;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use pg_query::protobuf::RawStmt;

use super::parse::Size;
use super::schema::{ColumnId, Relation, Schema, SchemaColumn};
use super::{AnalyzeError, Sql, parse, readable};
use context::{Context, WORK_MAX};

/// How names are resolved beyond what the schema says.
#[derive(Clone, Debug, Default)]
pub struct Naming {
    /// Schemas that unqualified names are looked up in, in order; none when the session may have changed it, so that a name
    /// can mean any relation of that name.
    pub search_path: Option<Vec<Box<str>>>,
    /// Names of relations and functions that the open transaction has defined, altered or dropped: what the schema says of
    /// them need not hold.
    pub uncertain: BTreeSet<Box<str>>,
    /// Tables that the session has made, as [`Lineage::made`] told of them, and of which no statement since could have
    /// undone or changed that. Whether a name means one of them is found out here.
    pub created: Vec<Arc<Relation>>,
    /// The session has made nothing temporary, so that an unqualified name means no temporary relation.
    pub has_no_temporary: bool,
}

/// What is protected, and what the role's operator vouches for.
pub trait Protection: Sync {
    /// Whether the column is protected: by a rule, or because it holds what another protected column holds (a partition's
    /// or a parent's, a generated one, a view's).
    fn is_protected(&self, column: ColumnId) -> bool;

    /// Whether the function reveals nothing but what its arguments hold, and fails for no value.
    fn is_vouched_for(&self, schema: &str, function: &str) -> bool;

    /// Whether a value that is written to the destination shows there no more than where it comes from: a copy of a source
    /// as it stands; without a source, what is computed from protected columns or of unknown origin, of which nothing may
    /// show but whether it is NULL. No, unless an implementation knows better.
    fn hides(&self, _destination: ColumnId, _source: Option<ColumnId>) -> bool {
        false
    }
}

/// What one statement does with protected columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// The columns of its result.
    pub outputs: Outputs,
    /// What else it uses protected columns for. Without repeats.
    pub uses: Vec<Use>,
    /// Functions that are neither built in nor vouched for, as `schema.name` or as the statement writes them, with what
    /// they may do at worst.
    pub unknown_functions: Vec<UnknownFunction>,
    /// It mentions a protected column, or something unknown that may be one, anywhere: what the server says about it, in
    /// errors and notices, may quote values.
    pub touches_protected: bool,
    /// It reads or writes a foreign table.
    pub foreign: bool,
    /// The table that there is once the statement has succeeded, if it holds nothing protected and its columns are known. Its
    /// OID is 0; its schema is `pg_temp` for a temporary table, and else what the statement says.
    pub made: Option<Arc<Relation>>,
    /// For PREPARE and DECLARE: the statement that runs under the name later.
    pub inner: Option<Box<Lineage>>,
}

/// The columns of a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outputs {
    /// There is no result.
    #[default]
    None,
    /// These, in order.
    Known(Vec<Output>),
    /// They could not be counted: each is unknown.
    Unknown,
}

/// One column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its name, as the server would choose it; empty where that is not known.
    pub name: Box<str>,
    /// Where it comes from.
    pub provenance: Provenance,
    /// Type OID and modifier, where it is a column as it stands.
    pub kind: Option<(u32, i32)>,
    /// It is a column of one of [`Naming::created`] as it stands: the server names a table for it that no catalogue has.
    pub from_created: bool,
}

/// Where a value comes from, as far as protection is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// From nothing protected.
    Clean,
    /// It is one of these protected columns, as it stands.
    Direct(BTreeSet<ColumnId>),
    /// It is computed from these protected columns.
    Derived(BTreeSet<ColumnId>),
    /// From something that could not be resolved.
    Unknown,
}

/// A use of a protected column that shows in more than the value of an output.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Use {
    /// The columns; empty where something unknown is used that may be any.
    pub columns: BTreeSet<ColumnId>,
    /// What for.
    pub purpose: Purpose,
}

/// What a protected column is used for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// Compared for equality with parameters or literals only, each by its place.
    Equality(Vec<Operand>),
    /// It decides which rows come back, how many, or in which order: the clause, in the statement's words (`WHERE`,
    /// `ORDER BY`).
    Shapes(&'static str),
    /// It is in an expression that fails for some values: the function or operator.
    MayFail(Box<str>),
    /// It is compared with stored values by writing it or removing rows: a unique index, a foreign key.
    Probes,
    /// It is written to a place that shows more of it, or a definition changes what protects it: the destination.
    Launders(Box<str>),
}

/// What a protected column is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operand {
    /// `$n`, from 1.
    Parameter(u16),
    /// A string literal: its place in the statement's text, in bytes, quotes included.
    Literal {
        /// First byte.
        start: usize,
        /// One past the last.
        end: usize,
    },
    /// One of these, or a number, that is converted before it is compared (`$1::varchar(3)`): what it becomes need not be
    /// what stands there.
    Converted,
}

/// A function that Grille cannot judge.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnknownFunction {
    /// Its name.
    pub name: Box<str>,
    /// Whether it may do anything (volatile, or not known at all); else it may read at most.
    pub is_volatile: bool,
}

/// The lineage of each statement of `sql`, in order, where names mean the same to all.
///
/// # Errors
/// As [`analyze`](super::analyze).
pub fn trace(
    sql: Sql<'_>,
    schema: &Schema,
    naming: &Naming,
    protection: &dyn Protection,
) -> Result<Vec<Lineage>, AnalyzeError> {
    trace_in_turn(sql, schema, protection, &mut |done| done.is_empty().then(|| naming.clone()))
}

/// The lineage of each statement of `sql`, in order, where one may change what names mean to the next: `names` is given the
/// lineages of those before, and tells what names mean from here on, or nothing where that is as before.
///
/// # Errors
/// As [`analyze`](super::analyze).
pub fn trace_in_turn(
    sql: Sql<'_>,
    schema: &Schema,
    protection: &dyn Protection,
    names: &mut (dyn FnMut(&[Lineage]) -> Option<Naming> + Send),
) -> Result<Vec<Lineage>, AnalyzeError> {
    readable(sql.text)?;
    parse::with_tree_of(sql, |statements, size| {
        trace_statements(sql, statements, size, schema, protection, names)
    })
}

fn trace_statements(
    sql: Sql<'_>,
    statements: &[RawStmt],
    size: Size,
    schema: &Schema,
    protection: &dyn Protection,
    names: &mut (dyn FnMut(&[Lineage]) -> Option<Naming> + Send),
) -> Result<Vec<Lineage>, AnalyzeError> {
    let mut lineages = Vec::with_capacity(statements.len());
    let mut naming = names(&lineages).unwrap_or_default();
    let mut work = WORK_MAX;
    while lineages.len() < statements.len() {
        let mut context = Context::new(schema, &naming, protection, work).for_trees_of(size);
        let mut changed = None;
        while changed.is_none()
            && let Some(statement) = statements.get(lineages.len())
        {
            let node = statement.stmt.as_deref().and_then(|node| node.node.as_ref());
            let node = node.ok_or(AnalyzeError::Internal { reason: "a statement has no tree" })?;
            lineages.push(command::lineage(&mut context, node, sql)?);
            changed = names(&lineages);
        }
        work = context.work_left();
        naming = changed.unwrap_or(naming);
    }
    Ok(lineages)
}

/// How protection spreads from the columns that rules name.
pub trait Spread: Sync {
    /// What a rule says of a column.
    type Rule: Clone + PartialEq + Send + Sync;

    /// What a rule says of this very column.
    fn named(&self, relation: &Relation, column: &SchemaColumn) -> Option<Self::Rule>;

    /// What holds for a column that two rules reach: the stricter.
    fn stricter(&self, one: Self::Rule, other: Self::Rule) -> Self::Rule;

    /// What holds for a column that is computed from one with that rule.
    fn derived(&self, rule: Self::Rule) -> Self::Rule;

    /// Whether the operator vouches for the function, see [`Protection::is_vouched_for`].
    fn is_vouched_for(&self, schema: &str, function: &str) -> bool;
}

/// Every protected column: those that rules name; those of the same name in relations they inherit from or hand on to, as
/// far as inheritance goes; those that refer to them by a foreign key or are referred to; generated columns; columns of
/// views. A view's column that cannot be resolved is not among them: [`trace`] finds it unknown.
///
/// # Errors
/// As [`analyze`](super::analyze), where no thread is to be had.
pub fn spread<S: Spread>(schema: &Schema, spread: &S) -> Result<HashMap<ColumnId, S::Rule>, AnalyzeError> {
    parse::on_stack_for(Size::SMALL, || spread::closure(schema, spread))
}
