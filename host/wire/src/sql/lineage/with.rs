//! WITH: queries that have names, recursive ones too.

use std::rc::Rc;

use pg_query::NodeEnum;
use pg_query::protobuf::{CommonTableExpr, Node, SelectStmt, SetOperation, WithClause};

use super::context::{ROUNDS_MAX, Traced};
use super::kind::Kind;
use super::query::{Progress, Query, combined};
use super::scope::{Scope, renamed};
use super::taint::{Cell, Columns, Field, Taint};
use super::tracer::{Cte, Tracer};

impl<'t, 's: 't> Tracer<'_, 's, 't> {
    /// Brings the queries of a WITH into sight; whoever calls it takes them out again.
    pub(super) fn with(
        &mut self,
        with: Option<&'t WithClause>,
        parent: Option<&Scope<'_, 't>>,
        progress: &mut Progress<'t>,
    ) -> Traced<()> {
        let Some(with) = with else { return Ok(()) };
        let base = self.ctes.len();
        if with.recursive {
            // Those further on can be referred to as well, and what they hold is not known yet.
            for node in &with.ctes {
                if let Some(NodeEnum::CommonTableExpr(cte)) = &node.node {
                    let columns = Columns::Uncounted(Taint::unknown());
                    self.ctes.push(Cte { name: &cte.ctename, columns });
                }
            }
        }
        for (index, node) in with.ctes.iter().enumerate() {
            let Some(NodeEnum::CommonTableExpr(cte)) = &node.node else { continue };
            let query = self.with_query(cte, with.recursive.then_some(base + index), parent)?;
            progress.shaping.absorb(&query.shaping);
            progress.partial = progress.partial.or(query.partial);
            let columns = query.columns;
            if with.recursive {
                self.set_cte(base + index, columns);
            } else {
                self.ctes.push(Cte { name: &cte.ctename, columns });
            }
        }
        Ok(())
    }

    fn set_cte(&mut self, at: usize, columns: Columns<'t>) {
        if let Some(cte) = self.ctes.get_mut(at) {
            cte.columns = columns;
        }
    }

    /// `at` is where a query stands that can refer to itself.
    fn with_query(
        &mut self,
        cte: &'t CommonTableExpr,
        at: Option<usize>,
        parent: Option<&Scope<'_, 't>>,
    ) -> Traced<Query<'t>> {
        let Some(node) = cte.ctequery.as_deref() else { return Ok(Query::unknown()) };
        let union = match (&node.node, at) {
            (Some(NodeEnum::SelectStmt(select)), Some(at)) if select.op() == SetOperation::SetopUnion => {
                Some((select, at))
            }
            _ => None,
        };
        let mut query = match union {
            Some((select, at)) => self.recursive_query(cte, select, at, parent)?,
            None => self.query(node, parent)?,
        };
        query.columns = renamed(query.columns, &cte.aliascolnames);
        query.columns = with_search_columns(query.columns, cte);
        Ok(query)
    }

    /// The first side of the UNION, then both with what is known of the query so far, until nothing new comes.
    fn recursive_query(
        &mut self,
        cte: &'t CommonTableExpr,
        select: &'t SelectStmt,
        at: usize,
        parent: Option<&Scope<'_, 't>>,
    ) -> Traced<Query<'t>> {
        let Some(first) = select.larg.as_deref() else { return Ok(Query::unknown()) };
        let depth = self.ctes.len();
        let mut ignored = Progress::default();
        self.with(select.with_clause.as_ref(), parent, &mut ignored)?;
        let mut columns = self.select(first, parent)?.columns;
        self.ctes.truncate(depth);
        for _ in 0..ROUNDS_MAX {
            let known = with_search_columns(renamed(columns.clone(), &cte.aliascolnames), cte);
            self.set_cte(at, known);
            let mut query = self.select(select, parent)?;
            let next = combined(&columns, &query.columns);
            if next == columns {
                query.columns = columns;
                return Ok(query);
            }
            columns = next;
        }
        Ok(Query::unknown())
    }
}

/// SEARCH and CYCLE add columns that hold what they order or compare by (manual, section 7.8.2).
fn with_search_columns<'t>(columns: Columns<'t>, cte: &'t CommonTableExpr) -> Columns<'t> {
    let Columns::Known(fields) = &columns else { return columns };
    let mut added: Vec<Field<'t>> = Vec::new();
    let used = |names: &[Node]| {
        let names: Vec<&str> = crate::sql::name::strings(names).collect();
        let used = fields.iter().filter(|field| names.contains(&field.name));
        Cell::computed(Taint::union(used.map(|field| &field.cell.taint)), Kind::Unknown)
    };
    if let Some(search) = &cte.search_clause {
        added.push(Field { name: &search.search_seq_column, cell: used(&search.search_col_list) });
    }
    if let Some(cycle) = &cte.cycle_clause {
        let cell = used(&cycle.cycle_col_list);
        added.push(Field { name: &cycle.cycle_mark_column, cell: cell.clone() });
        added.push(Field { name: &cycle.cycle_path_column, cell });
    }
    if added.is_empty() {
        return columns;
    }
    let all: Rc<[Field<'t>]> = fields.iter().cloned().chain(added).collect();
    Columns::Known(all)
}
