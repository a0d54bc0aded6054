//! Which relation a name means, and what its columns hold; views are read as their definitions.

use std::collections::BTreeSet;
use std::rc::Rc;

use pg_query::NodeEnum;
use pg_query::protobuf::{Node, RangeVar};

use super::context::{Traced, View};
use super::created::{self, TEMPORARY, is_temporary};
use super::kind::Kind;
use super::scope::{Item, Sight, Source, renamed};
use super::taint::{Cell, Columns, Form, Taint};
use super::tracer::{Author, Tracer};
use crate::sql::schema::{ColumnId, Relation, RelationKind};
use crate::sql::{Sql, name, parse};

impl<'t, 's: 't> Tracer<'_, 's, 't> {
    /// A relation, or a WITH query, in FROM.
    pub(super) fn range_var(&mut self, range: &'t RangeVar) -> Traced<Item<'t>> {
        let alias = range.alias.as_ref();
        let name = alias.map_or(range.relname.as_str(), |alias| alias.aliasname.as_str());
        if range.schemaname.is_empty()
            && let Some(cte) = self.ctes.iter().rev().find(|cte| cte.name == range.relname)
        {
            let columns = cte.columns.clone();
            let columns = renamed(columns, alias.map_or(&[], |alias| alias.colnames.as_slice()));
            return Ok(Item::new(Some(name), columns.into()));
        }
        let mut item = Item::new(Some(name), self.relation(range));
        self.read(&item.source)?;
        if let Source::Relations(relations) = &item.source {
            self.show_bounds(relations);
            self.show_division(relations);
        }
        match alias {
            None => item.sight = Sight::Relation,
            Some(alias) if !alias.colnames.is_empty() => {
                item.source = renamed(self.columns_of(&item)?, &alias.colnames).into();
            }
            Some(_) => {}
        }
        Ok(item)
    }

    /// What the name of a relation means.
    pub(super) fn relation(&mut self, range: &RangeVar) -> Source<'t> {
        if let Some(created) = self.created_meant(&range.schemaname, &range.relname) {
            return Source::Relations(vec![created]);
        }
        let relations = self.relations_meant(&range.schemaname, &range.relname);
        if relations.is_empty() || self.context.is_uncertain(&range.schemaname, &range.relname) {
            self.findings.touched.unknown = true;
            return Source::Open(Cell::unknown());
        }
        Source::Relations(relations)
    }

    /// The relations that a name can mean, whatever the open transaction has done to them.
    pub(super) fn relations_meant(&self, schema: &str, name: &str) -> Vec<&'s Relation> {
        if let Some(created) = self.created_meant(schema, name) {
            return vec![created];
        }
        let schema_of_all = self.context.schema;
        let all: Vec<&'s Relation> = schema_of_all.relations_named(name).collect();
        if !schema.is_empty() {
            let wanted = |relation: &&Relation| {
                &*relation.schema == schema || (schema == TEMPORARY && is_temporary(relation))
            };
            return all.into_iter().filter(wanted).collect();
        }
        let Some(path) = self.path else { return all };
        let implicit = (!path.iter().any(|schema| &**schema == "pg_catalog")).then_some("pg_catalog");
        let mut path = implicit.into_iter().chain(path.iter().map(|schema| &**schema));
        let found = path.find_map(|schema| all.iter().find(|relation| &*relation.schema == schema).copied());
        // Whose temporary tables these are is not known.
        let may_have_temporary = !self.context.naming.has_no_temporary;
        let mut meant: Vec<&'s Relation> =
            all.iter().copied().filter(|relation| may_have_temporary && is_temporary(relation)).collect();
        meant.extend(found.filter(|relation| !is_temporary(relation)));
        meant
    }

    fn read(&mut self, source: &Source<'t>) -> Traced<()> {
        let Source::Relations(relations) = source else { return Ok(()) };
        for relation in relations {
            self.read_relation(relation)?;
        }
        Ok(())
    }

    /// Notes what it means to use a relation, before any of its columns is.
    pub(super) fn read_relation(&mut self, relation: &'t Relation) -> Traced<()> {
        self.findings.relations.insert(relation.oid);
        match relation.kind {
            RelationKind::Foreign => self.findings.foreign = true,
            // A view of the session's own making reads nothing protected.
            RelationKind::View | RelationKind::Materialized
                if !relation.is_system() && !created::is_created(relation) =>
            {
                let view = self.view(relation)?;
                self.findings.touched.absorb(&view.touched);
                self.findings.foreign |= view.foreign;
                self.read_placed(&view.placed);
                self.findings.relations.extend(&view.relations);
            }
            RelationKind::View | RelationKind::Materialized | RelationKind::Table => {}
        }
        Ok(())
    }

    /// What a column of a relation holds.
    pub(super) fn relation_cell(&mut self, relation: &Relation, index: usize) -> Traced<Cell<'t>> {
        let Some(column) = relation.columns.get(index) else { return Ok(Cell::unknown()) };
        if created::is_created(relation) {
            return Ok(Cell::created(created::kind_of(column), column.collation));
        }
        let kind = Kind::of_column(column, self.context.schema);
        let id = ColumnId { relation: relation.oid, number: column.number };
        let own = || match self.context.protection.is_protected(id) {
            true => Taint::of(id),
            false => Taint::default(),
        };
        match relation.kind {
            RelationKind::View if !relation.is_system() => {
                let own = own();
                let view = self.view(relation)?;
                Ok(Cell { collated: column.collation, ..view_cell(&view, index, own, kind) })
            }
            RelationKind::Materialized => {
                let own = own();
                let view = self.view(relation)?;
                Ok(Cell { partial: None, collated: column.collation, ..view_cell(&view, index, own, kind) })
            }
            RelationKind::View | RelationKind::Table | RelationKind::Foreign => {
                Ok(Cell { collated: column.collation, ..Cell::column(own(), kind) })
            }
        }
    }

    /// What a view's definition says of it.
    pub(super) fn view(&mut self, relation: &Relation) -> Traced<Rc<View>> {
        // What is under a view of the session's own making was not kept.
        if created::is_created(relation) {
            return Ok(Rc::new(View::unknown()));
        }
        match self.context.views.get(&relation.oid) {
            Some(Some(view)) => return Ok(Rc::clone(view)),
            // It reads itself, which no view does.
            Some(None) => return Ok(Rc::new(View::unknown())),
            None => {}
        }
        self.context.views.insert(relation.oid, None);
        let view = Rc::new(self.nested(|tracer| Ok(tracer.read_definition(relation)))?);
        self.context.views.insert(relation.oid, Some(Rc::clone(&view)));
        Ok(view)
    }

    fn read_definition(&mut self, relation: &Relation) -> View {
        let Some(definition) = relation.definition.as_deref() else { return View::unknown() };
        let Ok(statements) = parse::parse_definition(definition) else { return View::unknown() };
        let [statement] = &statements[..] else { return View::unknown() };
        let Some(NodeEnum::SelectStmt(select)) = statement.stmt.as_ref().and_then(|node| node.node.as_ref())
        else {
            return View::unknown();
        };
        // `pg_get_viewdef` leaves off the schema where a fresh connection finds the name without.
        let path = Some(self.context.schema.search_path());
        let mut tracer = Tracer::new(self.context, path, Sql::standard(definition), Author::View);
        let Ok(query) = tracer.select(select, None) else { return View::unknown() };
        let cells = match &query.columns {
            Columns::Known(fields) if fields.len() == relation.columns.len() => {
                Some(fields.iter().map(|field| field.cell.flat()).collect())
            }
            Columns::Known(_) | Columns::Uncounted(_) => None,
        };
        View {
            cells,
            touched: tracer.findings.touched,
            foreign: tracer.findings.foreign,
            placed: tracer.findings.placed,
            relations: tracer.findings.relations,
            origins: Some(select.target_list.iter().map(origin).collect()),
        }
    }
}

impl View {
    fn unknown() -> Self {
        let (touched, relations) = (Taint::unknown(), BTreeSet::new());
        Self { cells: None, touched, foreign: false, placed: Taint::default(), relations, origins: None }
    }
}

/// The column that a view's column is, by the name it has there; nothing for one that is computed.
fn origin(target: &Node) -> Option<Box<str>> {
    let Some(NodeEnum::ResTarget(target)) = &target.node else { return None };
    match target.val.as_deref().and_then(|node| node.node.as_ref()) {
        Some(NodeEnum::ColumnRef(column)) => name::strings(&column.fields).last().map(Box::from),
        _ => None,
    }
}

/// A view's column counts as what it is made from; one that a rule names all the same as itself.
fn view_cell<'t>(view: &View, index: usize, own: Taint, kind: Kind) -> Cell<'t> {
    let Some(cell) = view.cells.as_ref().and_then(|cells| cells.get(index)) else { return Cell::unknown() };
    if cell.taint.is_clean() {
        return Cell { taint: own, form: Form::Column, kind, ..cell.clone() };
    }
    Cell { kind, ..cell.clone() }
}

/// Whether a relation's own columns, or what they are made from, are protected: for what is done to it as a whole.
impl<'t, 's: 't> Tracer<'_, 's, 't> {
    /// What the relations hold that is protected.
    pub(super) fn held_by(&mut self, relations: &[&'t Relation]) -> Traced<Taint> {
        let mut held = Taint::default();
        for relation in relations {
            for index in 0..relation.columns.len() {
                held.absorb(&self.relation_cell(relation, index)?.taint);
            }
        }
        Ok(held)
    }
}
