//! Tables that a session makes in its open transaction, which no catalogue knows yet: what a statement makes, and when a
//! name means it.
//!
//! Only what holds nothing protected when it is made counts. What is written to it later is judged as any other writing, so
//! it stays so.

use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{
    ColumnDef, ConstrType, CreateStmt, CreateTableAsStmt, IntoClause, Node, RangeVar, ViewStmt,
};

use super::kind::Kind;
use super::taint::{Columns, Field};
use super::tracer::{Author, Tracer};
use crate::sql::name;
use crate::sql::schema::{Collation, Relation, RelationKind, SchemaColumn};

/// Schemas of temporary tables are called `pg_temp_N`, and `pg_temp` is the session's own.
pub(super) const TEMPORARY: &str = "pg_temp";

/// What stands for the numbers that only the server knows: of the relation, and of types that are not known. The server
/// gives it to nothing (`InvalidOid`), so nothing protected has it.
pub(super) const NO_OID: u32 = 0;

/// A column of what is made.
#[derive(Clone, Copy)]
struct Column<'t> {
    name: &'t str,
    kind: Kind,
    collation: Collation,
}

/// Whether the server has not told the relation's number: the session has made it.
pub(super) fn is_created(relation: &Relation) -> bool {
    relation.oid == NO_OID
}

pub(super) fn is_temporary(relation: &Relation) -> bool {
    relation.schema.starts_with(TEMPORARY)
}

/// A column's type, where it is known.
pub(super) fn kind_of(column: &SchemaColumn) -> Kind {
    match column.type_oid {
        NO_OID => Kind::Unknown,
        oid => Kind::Type { oid, typmod: column.typmod },
    }
}

impl<'t, 's: 't> Tracer<'_, 's, 't> {
    /// The table of the session's own making that a name means for certain.
    ///
    /// The session's temporary tables come first, unless the search path says where (manual, section 19.11.1). Apart from
    /// that, a name means what was made if nothing else has the name, in whatever schema.
    pub(super) fn created_meant(&self, schema: &str, name: &str) -> Option<&'s Relation> {
        // A view keeps to what its names meant when it was defined.
        if self.author == Author::View {
            return None;
        }
        let naming = self.context.naming;
        let mut of_name = naming.created.iter().map(Arc::as_ref).filter(|created| *created.name == *name);
        let first = of_name.next()?;
        let second = of_name.next();
        let temporary = [Some(first), second].into_iter().flatten().find(|created| is_temporary(created));
        let temporary_comes_first =
            || self.path.is_some_and(|path| !path.iter().any(|schema| schema.starts_with(TEMPORARY)));
        if temporary.is_some() && (schema == TEMPORARY || (schema.is_empty() && temporary_comes_first())) {
            return temporary;
        }
        let has_namesakes = second.is_some()
            || naming.uncertain.contains(name)
            || self.context.schema.relations_named(name).next().is_some();
        (!has_namesakes).then_some(first)
    }

    /// CREATE TABLE, once it was looked at.
    pub(super) fn make_table(&mut self, create: &CreateStmt) {
        let is_plain = create.inh_relations.is_empty()
            && create.of_typename.is_none()
            && create.partbound.is_none()
            && create.partspec.is_none();
        let elements: Option<Vec<Option<Column<'_>>>> = create.table_elts.iter().map(element).collect();
        if let (true, Some(range), Some(elements)) = (is_plain, &create.relation, elements) {
            let columns: Vec<Column<'_>> = elements.into_iter().flatten().collect();
            let is_new = !create.if_not_exists || self.would_be_new(range);
            self.make(range, RelationKind::Table, &columns, is_new);
        }
    }

    /// CREATE TABLE … AS, of which the columns are known.
    pub(super) fn make_table_as(&mut self, create: &CreateTableAsStmt, columns: &Columns<'_>) {
        if let Some((range, into)) = create.into.as_deref().and_then(|into| Some((into.rel.as_ref()?, into)))
        {
            let is_new = !create.if_not_exists || self.would_be_new(range);
            self.make_from(range, into, columns, is_new);
        }
    }

    /// SELECT … INTO.
    pub(super) fn make_table_into(&mut self, into: &IntoClause, columns: &Columns<'_>) {
        if let Some(range) = &into.rel {
            self.make_from(range, into, columns, true);
        }
    }

    /// CREATE VIEW, over nothing protected. What it reads stays so, for whatever would change that is refused.
    pub(super) fn make_view(&mut self, view: &ViewStmt, columns: &Columns<'_>) {
        let Columns::Known(fields) = columns else { return };
        if view.replace
            || !self.findings.touched.is_clean()
            || self.findings.may_quote
            || self.findings.foreign
        {
            return;
        }
        let given = name::strings(&view.aliases).map(Some).chain(std::iter::repeat(None));
        let columns: Vec<Column<'_>> =
            fields.iter().zip(given).map(|(field, given)| stored(field, given)).collect();
        if let Some(range) = &view.view {
            self.make(range, RelationKind::View, &columns, true);
        }
    }

    fn make_from(&mut self, range: &RangeVar, into: &IntoClause, columns: &Columns<'_>, is_new: bool) {
        let Columns::Known(fields) = columns else { return };
        if fields.iter().any(|field| !field.cell.taint.is_clean()) {
            return;
        }
        let given = name::strings(&into.col_names).map(Some).chain(std::iter::repeat(None));
        let columns: Vec<Column<'_>> =
            fields.iter().zip(given).map(|(field, given)| stored(field, given)).collect();
        self.make(range, RelationKind::Table, &columns, is_new);
    }

    /// Whether IF NOT EXISTS makes the table for certain: only the session itself has tables in its temporary schema.
    fn would_be_new(&self, range: &RangeVar) -> bool {
        let naming = self.context.naming;
        is_for_the_session(range)
            && !naming.uncertain.contains(&*range.relname)
            && !naming.created.iter().any(|created| *created.name == *range.relname)
            && !self.context.schema.relations_named(&range.relname).any(is_temporary)
    }

    fn make(&mut self, range: &RangeVar, kind: RelationKind, columns: &[Column<'_>], is_new: bool) {
        // What the catalogue cannot vouch for may put anything into it: a default, a check.
        let is_known = self.findings.uses.is_empty() && self.findings.unknown_functions.is_empty();
        let has_names = columns.iter().all(|column| !column.name.is_empty());
        if is_new && is_known && has_names && range.catalogname.is_empty() {
            self.made = Some(Arc::new(relation(range, kind, columns)));
        }
    }
}

/// A column; nothing for a constraint that is about the table itself. None where the table takes over something of another,
/// or refers to it.
fn element(node: &Node) -> Option<Option<Column<'_>>> {
    let is_own = |node: &Node| match &node.node {
        Some(NodeEnum::Constraint(constraint)) => constraint.contype() != ConstrType::ConstrForeign,
        _ => false,
    };
    match &node.node {
        Some(NodeEnum::ColumnDef(column)) => {
            column.constraints.iter().all(is_own).then(|| Some(declared(column)))
        }
        _ => is_own(node).then_some(None),
    }
}

/// The type of a column; of one with a limit, such as `varchar(3)`, it is not known which values it takes.
fn declared(column: &ColumnDef) -> Column<'_> {
    let kind = match &column.type_name {
        Some(declared) if declared.typmods.is_empty() => Kind::named(declared),
        Some(_) | None => Kind::Unknown,
    };
    // A domain brings a collation of its own.
    let is_usual = column.coll_clause.is_none() && kind != Kind::Unknown;
    let collation = if is_usual { kind.collation(Collation::Usual) } else { Collation::Mixed };
    Column { name: &column.colname, kind, collation }
}

fn is_for_the_session(range: &RangeVar) -> bool {
    range.relpersistence == "t" || range.schemaname == TEMPORARY
}

/// A string of no type of its own is stored as text.
fn stored<'f>(field: &Field<'f>, given: Option<&'f str>) -> Column<'f> {
    let kind = match field.cell.kind {
        Kind::Literal => Kind::of(super::kind::TEXT),
        kind @ (Kind::Unknown | Kind::Type { .. }) => kind,
    };
    Column { name: given.unwrap_or(field.name), kind, collation: field.cell.collation() }
}

fn relation(range: &RangeVar, kind: RelationKind, columns: &[Column<'_>]) -> Relation {
    let column = |(number, column): (i16, &Column<'_>)| {
        let (type_oid, typmod) = column.kind.numbers().unwrap_or((NO_OID, -1));
        let Column { name, collation, .. } = *column;
        SchemaColumn { name: name.into(), number, type_oid, typmod, generated: None, collation }
    };
    let schema = if is_for_the_session(range) { TEMPORARY } else { range.schemaname.as_str() };
    Relation {
        oid: NO_OID,
        schema: schema.into(),
        name: range.relname.as_str().into(),
        kind,
        columns: (1..).zip(columns).map(column).collect(),
        definition: None,
        parents: Vec::new(),
        compared: Vec::new(),
    }
}
