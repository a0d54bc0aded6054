//! What is known of a value: which protected columns it comes from, of what type it is, and whether computing it can fail.
//! No names are resolved here.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::Provenance;
use super::kind::Kind;
use crate::sql::schema::{Collation, ColumnId};

/// The protected columns that something comes from. Columns that are not protected are not in it, so it is small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Taint {
    pub(super) columns: BTreeSet<ColumnId>,
    /// It comes from something that could not be resolved as well.
    pub(super) unknown: bool,
}

impl Taint {
    pub(super) fn unknown() -> Self {
        Self { columns: BTreeSet::new(), unknown: true }
    }

    pub(super) fn of(column: ColumnId) -> Self {
        Self { columns: BTreeSet::from([column]), unknown: false }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.columns.is_empty() && !self.unknown
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        self.columns.extend(&other.columns);
        self.unknown |= other.unknown;
    }

    pub(super) fn union<'a>(taints: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut union = Self::default();
        taints.into_iter().for_each(|taint| union.absorb(taint));
        union
    }
}

/// Stands in a view's columns for an expression that fails for some protected values.
pub(super) const FAILS: &str = "an expression of a view that fails for some values";

/// Whether a value is a column as it stands or computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Column,
    Computed,
}

/// What a column of a relation, a sub-select or a function holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cell<'t> {
    pub(super) taint: Taint,
    pub(super) form: Form,
    pub(super) kind: Kind,
    /// Its fields, if it is a row of which they are known.
    pub(super) row: Option<Rc<[Field<'t>]>>,
    /// Something in the expression for it that fails for some values, whatever these come from. The server may evaluate a
    /// sub-select's expression where the query around it refers to it.
    pub(super) partial: Option<&'t str>,
    /// It is, or is computed from, a column of a table that the session has made.
    pub(super) from_created: bool,
    /// How the texts that it is made of are compared, whatever type it is of.
    pub(super) collated: Collation,
}

impl<'t> Cell<'t> {
    pub(super) fn column(taint: Taint, kind: Kind) -> Self {
        Self {
            taint,
            form: Form::Column,
            kind,
            row: None,
            partial: None,
            from_created: false,
            collated: Collation::Usual,
        }
    }

    pub(super) fn computed(taint: Taint, kind: Kind) -> Self {
        Self { form: Form::Computed, ..Self::column(taint, kind) }
    }

    /// A column of a table that the session has made, which holds nothing protected.
    pub(super) fn created(kind: Kind, collated: Collation) -> Self {
        Self { from_created: true, collated, ..Self::column(Taint::default(), kind) }
    }

    pub(super) fn clean(kind: Kind) -> Self {
        Self::computed(Taint::default(), kind)
    }

    pub(super) fn unknown() -> Self {
        Self::computed(Taint::unknown(), Kind::Unknown)
    }

    /// What a column holds that comes from either.
    pub(super) fn either(mut self, other: &Self) -> Self {
        self.collated = self.collation().with(other.collation());
        self.taint.absorb(&other.taint);
        if other.form == Form::Computed || self.kind.oid() != other.kind.oid() {
            self.form = Form::Computed;
        }
        if self.kind != other.kind {
            self.kind = Kind::Unknown;
        }
        self.row = None;
        self.from_created &= other.from_created;
        self.partial = self.partial.or(other.partial);
        self
    }

    /// The same, computed.
    pub(super) fn into_computed(self) -> Self {
        Self { form: Form::Computed, row: None, ..self }
    }

    /// The same without what borrows from a tree.
    pub(super) fn flat(&self) -> Cell<'static> {
        let partial = self.partial.map(|what| if what == FAILS { FAILS } else { "an expression of a view" });
        Cell {
            taint: self.taint.clone(),
            form: self.form,
            kind: self.kind,
            row: None,
            partial,
            from_created: false,
            collated: self.collated,
        }
    }

    /// How it is compared, if it is a text or may be one.
    pub(super) fn collation(&self) -> Collation {
        if self.row.is_some() { self.collated } else { self.kind.collation(self.collated) }
    }

    pub(super) fn provenance(&self) -> Provenance {
        let columns = || self.taint.columns.clone();
        match (self.taint.unknown, self.taint.columns.is_empty(), self.form) {
            (true, _, _) => Provenance::Unknown,
            (false, true, _) => Provenance::Clean,
            (false, false, Form::Column) => Provenance::Direct(columns()),
            (false, false, Form::Computed) => Provenance::Derived(columns()),
        }
    }
}

/// A column with its name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field<'t> {
    pub(super) name: &'t str,
    pub(super) cell: Cell<'t>,
}

/// The columns of something that has rows.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Columns<'t> {
    Known(Rc<[Field<'t>]>),
    /// Nobody knows how many; they come from this at most.
    Uncounted(Taint),
}

impl<'t> Columns<'t> {
    pub(super) fn taint(&self) -> Taint {
        match self {
            Self::Known(fields) => Taint::union(fields.iter().map(|field| &field.cell.taint)),
            Self::Uncounted(taint) => {
                let mut taint = taint.clone();
                taint.unknown = true;
                taint
            }
        }
    }

    /// How texts are compared that are made of all of them.
    pub(super) fn collation(&self) -> Collation {
        match self {
            Self::Known(fields) => {
                let each = fields.iter().map(|field| field.cell.collation());
                each.fold(Collation::Usual, Collation::with)
            }
            Self::Uncounted(_) => Collation::Usual,
        }
    }

    /// The first column, of what is used as a single value.
    pub(super) fn first(&self) -> Cell<'t> {
        match self {
            Self::Known(fields) => fields.first().map_or_else(Cell::unknown, |field| field.cell.clone()),
            Self::Uncounted(_) => Cell::unknown(),
        }
    }
}

/// What an expression gives.
#[derive(Clone, Debug)]
pub(super) struct Value<'t> {
    pub(super) cell: Cell<'t>,
    /// Something in it of which protected values decide whether it fails.
    pub(super) fails: Option<&'t str>,
}

impl<'t> Value<'t> {
    pub(super) fn unknown() -> Self {
        Self::from(Cell::unknown())
    }

    pub(super) fn clean(kind: Kind) -> Self {
        Self::from(Cell::clean(kind))
    }

    pub(super) fn is_tainted(&self) -> bool {
        !self.cell.taint.is_clean()
    }

    /// Takes a part in that is always evaluated.
    pub(super) fn absorb(&mut self, part: &Self) {
        self.cell.taint.absorb(&part.cell.taint);
        self.cell.collated = self.cell.collated.with(part.cell.collation());
        self.cell.partial = self.cell.partial.or(part.cell.partial);
        self.fails = self.fails.or(part.fails);
    }

    /// Takes a part in that is evaluated or not depending on the parts before.
    pub(super) fn absorb_next(&mut self, part: &Self) {
        if self.is_tainted() {
            self.fails = self.fails.or(part.cell.partial);
        }
        self.absorb(part);
    }

    /// The same where it is looked at part by part until one decides.
    pub(super) fn deciding(mut self) -> Self {
        if self.is_tainted() {
            self.fails = self.fails.or(self.cell.partial);
        }
        self
    }

    /// All parts, always evaluated.
    pub(super) fn computed<'a>(parts: impl IntoIterator<Item = &'a Self>, kind: Kind) -> Self
    where
        't: 'a,
    {
        let mut value = Self::clean(kind);
        parts.into_iter().for_each(|part| value.absorb(part));
        value
    }

    /// The same, computed by something that fails for some values.
    pub(super) fn failing(mut self, culprit: &'t str) -> Self {
        self.cell.partial = self.cell.partial.or(Some(culprit));
        if self.is_tainted() {
            self.fails = self.fails.or(Some(culprit));
        }
        self
    }

    /// The same, computed by something of which it is not known whether it fails for some values: protected values tell by
    /// it only if they decide whether it is computed.
    pub(super) fn perhaps_failing(mut self, culprit: &'t str) -> Self {
        self.cell.partial = self.cell.partial.or(Some(culprit));
        self
    }

    /// The same, made of texts that are compared so as well.
    pub(super) fn collated(mut self, collation: Collation) -> Self {
        self.cell.collated = self.cell.collated.with(collation);
        self
    }

    pub(super) fn of_kind(mut self, kind: Kind) -> Self {
        self.cell.kind = kind;
        self
    }
}

impl<'t> From<Cell<'t>> for Value<'t> {
    fn from(cell: Cell<'t>) -> Self {
        let fails = cell.partial.filter(|what| *what == FAILS);
        Self { cell, fails }
    }
}
