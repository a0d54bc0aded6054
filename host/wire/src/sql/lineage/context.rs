//! What all of a trace shares: the schema, what is protected, how much work is left, and what was found.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::taint::{Cell, Taint};
use super::{Naming, Protection, Purpose, UnknownFunction, Use};
use crate::sql::AnalyzeError;
use crate::sql::parse::Size;
use crate::sql::schema::{ColumnId, Schema};

/// Most steps of one trace: an expression, or eight columns looked at. A statement of the longest SQL takes some 200,000; more
/// is taken by one that nests recursive queries in each other. It bounds a trace to about a second.
pub(super) const WORK_MAX: usize = 4_000_000;

/// Deepest nesting that is traced, in expressions and queries, views included. It takes a third of
/// [`STACK_BYTES`](crate::sql::STACK_BYTES) in an unoptimised build. A statement whose tree is deeper than that stack has room
/// for may nest as much more: it is traced on the larger stack that its tree has needed.
const DEPTH_MAX: usize = 600;

/// Most rounds in which a recursive query has to come to an end; one that does not is unknown.
pub(super) const ROUNDS_MAX: usize = 32;

pub(super) type Traced<T> = Result<T, AnalyzeError>;

/// Shared by a statement and the views it reads.
pub(super) struct Context<'s> {
    pub(super) schema: &'s Schema,
    pub(super) naming: &'s Naming,
    pub(super) protection: &'s dyn Protection,
    /// Of each view that was read: nothing while it is being read.
    pub(super) views: HashMap<u32, Option<Rc<View>>>,
    work: usize,
    depth: usize,
    depth_max: usize,
    anything: OnceCell<bool>,
}

/// What a view's definition says.
#[derive(Debug)]
pub(super) struct View {
    /// Of each column; nothing where they could not be told.
    pub(super) cells: Option<Vec<Cell<'static>>>,
    /// All that the definition mentions.
    pub(super) touched: Taint,
    /// It reads a foreign table.
    pub(super) foreign: bool,
    /// Where its rows lie decides which there are, or in which order they come.
    pub(super) placed: Taint,
    /// The relations it reads, also those under the views among them.
    pub(super) relations: BTreeSet<u32>,
    /// Of each column: the name it has where it comes from, if it is a column as it stands. Nothing where the definition
    /// could not be read.
    pub(super) origins: Option<Vec<Option<Box<str>>>>,
}

/// What a statement does beside giving a result.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) uses: BTreeSet<Use>,
    pub(super) unknown_functions: BTreeSet<UnknownFunction>,
    /// Everything that is mentioned.
    pub(super) touched: Taint,
    /// What the server says about it may quote protected values, though none is mentioned.
    pub(super) may_quote: bool,
    pub(super) foreign: bool,
    /// For a view: what decides where the rows lie that it reads.
    pub(super) placed: Taint,
    /// DEFAULT stands in it where a value could.
    pub(super) asks_for_default: bool,
    /// Relations that are read or written, also those under views.
    pub(super) relations: BTreeSet<u32>,
}

impl<'s> Context<'s> {
    pub(super) fn new(
        schema: &'s Schema,
        naming: &'s Naming,
        protection: &'s dyn Protection,
        work: usize,
    ) -> Self {
        Self {
            schema,
            naming,
            protection,
            views: HashMap::new(),
            work,
            depth: 0,
            depth_max: DEPTH_MAX,
            anything: OnceCell::new(),
        }
    }

    /// The same on a stack for trees of that size.
    pub(super) fn for_trees_of(self, size: Size) -> Self {
        Self { depth_max: DEPTH_MAX + size.levels, ..self }
    }

    /// How much work is left.
    pub(super) fn work_left(&self) -> usize {
        self.work
    }

    /// Gives it as much work as a statement may be, to look at another one.
    pub(super) fn refill(&mut self) {
        self.work = WORK_MAX;
    }

    /// Counts work.
    pub(super) fn spend(&mut self, steps: usize) -> Traced<()> {
        self.work = self.work.checked_sub(steps).ok_or(AnalyzeError::TooDeep)?;
        Ok(())
    }

    /// One level down; to be left again.
    pub(super) fn enter(&mut self) -> Traced<()> {
        self.spend(1)?;
        if self.depth == self.depth_max {
            return Err(AnalyzeError::TooDeep);
        }
        self.depth += 1;
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Whether something unknown could be protected at all: some column is.
    pub(super) fn anything_is_protected(&self) -> bool {
        *self.anything.get_or_init(|| {
            self.schema.relations().iter().any(|relation| {
                let id = |number| ColumnId { relation: relation.oid, number };
                relation.columns.iter().any(|column| self.protection.is_protected(id(column.number)))
            })
        })
    }

    /// Whether a name was defined, altered or dropped in the open transaction.
    pub(super) fn is_uncertain(&self, schema: &str, name: &str) -> bool {
        if self.naming.created.iter().any(|created| *created.name == *name) {
            return true;
        }
        let uncertain = &self.naming.uncertain;
        !uncertain.is_empty()
            && (uncertain.contains(name)
                || uncertain.iter().any(|known| {
                    known
                        .strip_suffix(name)
                        .and_then(|rest| rest.strip_suffix('.'))
                        .is_some_and(|of| schema.is_empty() || of == schema)
                }))
    }

    /// Whether the taint counts: what is unknown does only where something is protected.
    pub(super) fn counts(&self, taint: &Taint) -> bool {
        !taint.columns.is_empty() || (taint.unknown && self.anything_is_protected())
    }
}

impl Findings {
    pub(super) fn note(&mut self, taint: &Taint, purpose: Purpose) {
        self.uses.insert(Use { columns: taint.columns.clone(), purpose });
    }
}
