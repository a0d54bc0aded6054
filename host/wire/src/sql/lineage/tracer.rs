//! The walker: what it carries from node to node, and how it notes what it finds. What each kind of node means is in
//! `query`, `from`, `expression` and their like, which add methods to it.

use std::sync::Arc;

use super::context::{Context, Findings, Traced};
use super::taint::{Cell, Columns, Taint, Value};
use super::{Purpose, UnknownFunction};
use crate::sql::Sql;
use crate::sql::schema::Relation;

/// Who wrote the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Author {
    /// The client: its clauses are uses.
    Client,
    /// Whoever defined the view: which rows it gives was decided then, and only what it gives is of interest.
    View,
}

/// A WITH query that is in sight.
#[derive(Clone, Debug)]
pub(super) struct Cte<'t> {
    pub(super) name: &'t str,
    pub(super) columns: Columns<'t>,
}

pub(super) struct Tracer<'c, 's: 't, 't> {
    pub(super) context: &'c mut Context<'s>,
    pub(super) findings: Findings,
    /// The table that the statement makes.
    pub(super) made: Option<Arc<Relation>>,
    /// Innermost last.
    pub(super) ctes: Vec<Cte<'t>>,
    /// Schemas in which names are looked up; none when any may be meant.
    pub(super) path: Option<&'s [Box<str>]>,
    /// What locations are offsets in.
    pub(super) sql: Sql<'t>,
    pub(super) author: Author,
    /// How many calls may have given several rows so far.
    pub(super) sets: usize,
}

impl<'c, 's: 't, 't> Tracer<'c, 's, 't> {
    pub(super) fn new(
        context: &'c mut Context<'s>,
        path: Option<&'s [Box<str>]>,
        sql: Sql<'t>,
        author: Author,
    ) -> Self {
        Self {
            context,
            findings: Findings::default(),
            made: None,
            ctes: Vec::new(),
            path,
            sql,
            author,
            sets: 0,
        }
    }

    /// Runs the work one level down.
    pub(super) fn nested<T>(&mut self, work: impl FnOnce(&mut Self) -> Traced<T>) -> Traced<T> {
        self.context.enter()?;
        let result = work(self);
        self.context.leave();
        result
    }

    /// Notes that rows, their number or their order depend on something.
    pub(super) fn shape(&mut self, taint: &Taint, clause: &'static str) {
        if self.context.counts(taint) {
            self.findings.note(taint, Purpose::Shapes(clause));
        }
    }

    /// Notes that protected values decide whether the expression fails.
    pub(super) fn may_fail(&mut self, value: &Value<'t>) {
        if let Some(culprit) = value.fails
            && self.context.counts(&value.cell.taint)
        {
            self.findings.note(&value.cell.taint, Purpose::MayFail(culprit.into()));
        }
    }

    /// Notes that protected values go where they are not protected.
    pub(super) fn launder(&mut self, taint: &Taint, destination: &str) {
        if self.context.counts(taint) {
            self.findings.note(taint, Purpose::Launders(destination.into()));
        }
    }

    pub(super) fn unknown_function(&mut self, name: &str, is_volatile: bool) {
        self.findings.unknown_functions.insert(UnknownFunction { name: name.into(), is_volatile });
    }

    /// The value of a column that the statement refers to.
    pub(super) fn refer(&mut self, cell: Cell<'t>) -> Value<'t> {
        self.findings.touched.absorb(&cell.taint);
        Value::from(cell)
    }
}
