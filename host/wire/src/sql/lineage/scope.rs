//! What names mean inside a query: the relations that FROM introduces, and those of the queries around it.

use std::rc::Rc;

use pg_query::protobuf::Node;

use super::context::Traced;
use super::kind::Kind;
use super::taint::{Cell, Columns, FAILS, Field, Taint, Value};
use super::tracer::Tracer;
use crate::sql::name;
use crate::sql::schema::Relation;

/// One query's names, and those of the query around it.
pub(super) struct Scope<'a, 't> {
    pub(super) parent: Option<&'a Scope<'a, 't>>,
    pub(super) items: Vec<Item<'t>>,
    /// The first item in sight: ON sees the sides of its own join only.
    pub(super) from: usize,
}

/// What has columns and, mostly, a name.
#[derive(Clone, Debug)]
pub(super) struct Item<'t> {
    pub(super) name: Option<&'t str>,
    pub(super) source: Source<'t>,
    pub(super) sight: Sight,
    /// Columns that USING has merged with another item's: only a qualified name means them.
    pub(super) merged: Vec<&'t str>,
}

/// How an item's columns can be referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// By their names, and with the item's name before them.
    Plain,
    /// The same, and with the schema's name before that: a relation without an alias.
    Relation,
    /// With the item's name before them only.
    Qualified,
}

/// Where an item's columns come from.
#[derive(Clone, Debug)]
pub(super) enum Source<'t> {
    /// One of these relations.
    Relations(Vec<&'t Relation>),
    /// These columns.
    Columns(Rc<[Field<'t>]>),
    /// Nobody knows which columns there are; each holds this.
    Open(Cell<'t>),
}

/// What a name means in an item.
pub(super) enum Found<'t> {
    Column(Cell<'t>),
    /// This, if it is there.
    Perhaps(Cell<'t>),
    Absent,
}

impl<'a, 't> Scope<'a, 't> {
    pub(super) fn inside(parent: Option<&'a Scope<'a, 't>>) -> Self {
        Self { parent, items: Vec::new(), from: 0 }
    }

    pub(super) fn with(parent: Option<&'a Scope<'a, 't>>, items: Vec<Item<'t>>) -> Self {
        Self { parent, items, from: 0 }
    }

    /// What can be seen without looking further out.
    pub(super) fn visible(&self) -> &[Item<'t>] {
        &self.items[self.from..]
    }

    fn outward(&self) -> impl Iterator<Item = &Scope<'a, 't>> {
        std::iter::successors(Some(self), |scope| scope.parent)
    }
}

impl<'t> Item<'t> {
    pub(super) fn new(name: Option<&'t str>, source: Source<'t>) -> Self {
        Self { name, source, sight: Sight::Plain, merged: Vec::new() }
    }

    pub(super) fn qualified_only(mut self) -> Self {
        self.sight = Sight::Qualified;
        self
    }

    fn shows(&self, column: &str) -> bool {
        self.sight != Sight::Qualified && !self.merged.contains(&column)
    }
}

impl<'t> From<Columns<'t>> for Source<'t> {
    fn from(columns: Columns<'t>) -> Self {
        match columns {
            Columns::Known(fields) => Self::Columns(fields),
            uncounted @ Columns::Uncounted(_) => Self::Open(Cell::computed(uncounted.taint(), Kind::Unknown)),
        }
    }
}

/// Columns that every table has and no list shows (manual, section 5.6).
fn is_system_column(name: &str) -> bool {
    matches!(name, "ctid" | "xmin" | "xmax" | "cmin" | "cmax" | "tableoid")
}

/// Names of an alias's columns, for as many as it gives.
pub(super) fn renamed<'t>(columns: Columns<'t>, names: &'t [Node]) -> Columns<'t> {
    match columns {
        Columns::Known(fields) if !names.is_empty() => {
            let mut fields = fields.to_vec();
            for (field, name) in fields.iter_mut().zip(name::strings(names)) {
                field.name = name;
            }
            Columns::Known(fields.into())
        }
        same @ (Columns::Known(_) | Columns::Uncounted(_)) => same,
    }
}

impl<'t, 's: 't> Tracer<'_, 's, 't> {
    /// The column of that name in the item.
    pub(super) fn find(&mut self, item: &Item<'t>, name: &str) -> Traced<Found<'t>> {
        match &item.source {
            Source::Columns(fields) => {
                self.context.spend(1 + fields.len() / 8)?;
                let mut same = fields.iter().filter(|field| field.name == name);
                Ok(match (same.next(), same.next()) {
                    (None, _) => Found::Absent,
                    (Some(field), None) => Found::Column(field.cell.clone()),
                    // The server calls it ambiguous.
                    (Some(_), Some(_)) => Found::Column(Cell::unknown()),
                })
            }
            Source::Open(cell) => Ok(Found::Perhaps(cell.clone())),
            Source::Relations(relations) => self.find_in_relations(relations, name),
        }
    }

    fn find_in_relations(&mut self, relations: &[&'t Relation], name: &str) -> Traced<Found<'t>> {
        let mut found: Option<Cell<'t>> = None;
        for relation in relations {
            self.context.spend(1 + relation.columns.len() / 8)?;
            if let Some(index) = relation.columns.iter().position(|column| &*column.name == name) {
                let cell = self.relation_cell(relation, index)?;
                found = Some(match found {
                    Some(other) => one_of(other, &cell),
                    None => cell,
                });
            }
        }
        Ok(found.map_or(Found::Absent, Found::Column))
    }

    /// The column that a name without a qualifier means among the items.
    pub(super) fn find_among(&mut self, items: &[Item<'t>], name: &str) -> Traced<Option<Cell<'t>>> {
        let (mut found, mut perhaps): (Option<Cell<'t>>, Option<Cell<'t>>) = (None, None);
        for item in items.iter().filter(|item| item.shows(name)) {
            match self.find(item, name)? {
                Found::Column(cell) => found = Some(if found.is_some() { Cell::unknown() } else { cell }),
                Found::Perhaps(cell) => {
                    perhaps = Some(match perhaps {
                        Some(other) => other.either(&cell),
                        None => cell,
                    });
                }
                Found::Absent => {}
            }
        }
        if found.is_none() && is_system_column(name) {
            found = self.system_column(items, name)?;
        }
        Ok(found.or(perhaps))
    }

    /// A column that every table has; nothing where no item is one. Where a row lies follows from the sizes of those before,
    /// and in which table from its partition key.
    fn system_column(&mut self, items: &[Item<'t>], name: &str) -> Traced<Option<Cell<'t>>> {
        let mut taint = None;
        for item in items {
            if let Source::Relations(relations) = &item.source {
                let taint: &mut Taint = taint.get_or_insert_default();
                match name {
                    "ctid" => taint.absorb(&self.held_by(relations)?),
                    "tableoid" => taint.absorb(&self.table_of_row(relations)),
                    _ => {}
                }
            }
        }
        Ok(taint.map(|taint| Cell::computed(taint, Kind::Unknown)))
    }

    /// What a name alone means: a column, of this query or of one around it, else a whole row.
    pub(super) fn unqualified(&mut self, scope: &Scope<'_, 't>, name: &'t str) -> Traced<Value<'t>> {
        for level in scope.outward() {
            if let Some(cell) = self.find_among(level.visible(), name)? {
                return Ok(self.refer(cell));
            }
        }
        match named(scope, None, name) {
            Some(item) => self.whole_row(item),
            None => Ok(self.unresolved()),
        }
    }

    /// The server will not find it either, unless something has changed.
    pub(super) fn unresolved(&mut self) -> Value<'t> {
        self.findings.touched.unknown = true;
        Value::unknown()
    }

    /// What `item.name` means, if there is such an item: a column, else a function of the row.
    pub(super) fn qualified(&mut self, item: &Item<'t>, name: &'t str) -> Traced<Value<'t>> {
        match self.find(item, name)? {
            Found::Column(cell) | Found::Perhaps(cell) => Ok(self.refer(cell)),
            Found::Absent => {
                if is_system_column(name)
                    && let Some(cell) = self.system_column(std::slice::from_ref(item), name)?
                {
                    return Ok(self.refer(cell));
                }
                let row = self.whole_row(item)?;
                self.call_on_row(name, row)
            }
        }
    }

    /// A row as one value.
    pub(super) fn whole_row(&mut self, item: &Item<'t>) -> Traced<Value<'t>> {
        let columns = self.columns_of(item)?;
        let mut cell = Cell::computed(columns.taint(), Kind::Unknown);
        cell.collated = columns.collation();
        if let Columns::Known(fields) = columns {
            // The server computes them all.
            cell.partial = fields.iter().filter_map(|field| field.cell.partial).find(|what| *what == FAILS);
            cell.row = Some(fields);
        }
        Ok(self.refer(cell))
    }

    /// All columns of an item, in order.
    pub(super) fn columns_of(&mut self, item: &Item<'t>) -> Traced<Columns<'t>> {
        match &item.source {
            Source::Columns(fields) => Ok(Columns::Known(Rc::clone(fields))),
            Source::Open(cell) => Ok(Columns::Uncounted(cell.taint.clone())),
            Source::Relations(relations) => self.columns_of_relations(relations),
        }
    }

    fn columns_of_relations(&mut self, relations: &[&'t Relation]) -> Traced<Columns<'t>> {
        let Some((first, others)) = relations.split_first() else {
            return Ok(Columns::Uncounted(Taint::unknown()));
        };
        let names = |relation: &'t Relation| relation.columns.iter().map(|column| &column.name);
        let agree = others.iter().all(|other| names(other).eq(names(first)));
        if !agree {
            return Ok(Columns::Uncounted(Taint::unknown()));
        }
        let mut fields = Vec::with_capacity(first.columns.len());
        for (index, column) in first.columns.iter().enumerate() {
            self.context.spend(1)?;
            let mut cell = self.relation_cell(first, index)?;
            for other in others {
                cell = one_of(cell, &self.relation_cell(other, index)?);
            }
            fields.push(Field { name: &column.name, cell });
        }
        Ok(Columns::Known(fields.into()))
    }

    /// What `*` stands for among the items.
    pub(super) fn star(&mut self, items: &[Item<'t>]) -> Traced<Columns<'t>> {
        let mut all = Vec::new();
        for item in items.iter().filter(|item| item.sight != Sight::Qualified) {
            match self.columns_of(item)? {
                Columns::Known(fields) => {
                    self.context.spend(fields.len())?;
                    all.extend(fields.iter().filter(|field| item.shows(field.name)).cloned());
                }
                uncounted @ Columns::Uncounted(_) => return Ok(Columns::Uncounted(uncounted.taint())),
            }
        }
        Ok(Columns::Known(all.into()))
    }
}

/// A column of one relation or of another, nobody knows which: as it stands in either case.
fn one_of<'t>(one: Cell<'t>, other: &Cell<'t>) -> Cell<'t> {
    let form = if one.form == other.form { one.form } else { super::taint::Form::Computed };
    Cell { form, ..one.either(other) }
}

/// The innermost item of that name; with a schema's name before it, a relation of that schema.
pub(super) fn named<'a, 't>(
    scope: &'a Scope<'_, 't>,
    schema: Option<&str>,
    name: &str,
) -> Option<&'a Item<'t>> {
    scope.outward().find_map(|level| {
        level
            .visible()
            .iter()
            .find(|item| item.name == Some(name) && schema.is_none_or(|schema| belongs(item, schema)))
    })
}

fn belongs(item: &Item<'_>, schema: &str) -> bool {
    item.sight == Sight::Relation
        && match &item.source {
            Source::Relations(relations) => relations.iter().any(|relation| {
                &*relation.schema == schema || (schema == "pg_temp" && relation.schema.starts_with("pg_temp"))
            }),
            Source::Open(_) => true,
            Source::Columns(_) => false,
        }
}
