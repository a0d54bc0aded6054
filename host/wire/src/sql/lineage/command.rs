//! Statements as a whole: what they give back, and which statement inside them is traced.

use grille_core::Effect;
use pg_query::NodeEnum;
use pg_query::protobuf::{
    CopyStmt, CreateTableAsStmt, DefElem, ExplainStmt, IntoClause, Node, ObjectType, SelectStmt,
    VariableShowStmt, ViewStmt,
};

use super::context::{Context, Traced};
use super::created;
use super::fire::Given;
use super::kind::Kind;
use super::query::{Progress, Query};
use super::scope::{Found, Item, Scope, Source};
use super::taint::{Cell, Columns, Field, Form, Taint};
use super::tracer::{Author, Tracer};
use super::{Lineage, Output, Outputs, Provenance};
use crate::sql::schema::SchemaColumn;
use crate::sql::{Sql, name};

/// The lineage of a statement. Locations in it are offsets in `sql`.
pub(super) fn lineage<'t, 's: 't>(
    context: &mut Context<'s>,
    node: &'t NodeEnum,
    sql: Sql<'t>,
) -> Traced<Lineage> {
    context.enter()?;
    let lineage = match node {
        NodeEnum::PrepareStmt(prepare) => later(context, prepare.query.as_deref(), sql),
        NodeEnum::DeclareCursorStmt(declare) => later(context, declare.query.as_deref(), sql),
        _ => now(context, node, sql),
    };
    context.leave();
    lineage
}

/// A statement that runs under a name later. What speaks against it is known now.
fn later<'t, 's: 't>(context: &mut Context<'s>, node: Option<&'t Node>, sql: Sql<'t>) -> Traced<Lineage> {
    let Some(node) = node.and_then(|node| node.node.as_ref()) else { return Ok(unknown()) };
    let inner = lineage(context, node, sql)?;
    Ok(Lineage { outputs: Outputs::None, made: None, inner: Some(Box::new(inner.clone())), ..inner })
}

fn unknown() -> Lineage {
    Lineage { outputs: Outputs::Unknown, touches_protected: true, ..Lineage::default() }
}

fn now<'t, 's: 't>(context: &mut Context<'s>, node: &'t NodeEnum, sql: Sql<'t>) -> Traced<Lineage> {
    let naming = context.naming;
    let mut tracer = Tracer::new(context, naming.search_path.as_deref(), sql, Author::Client);
    let outputs = tracer.statement(node)?;
    let findings = std::mem::take(&mut tracer.findings);
    let made = tracer.made.take();
    Ok(Lineage {
        outputs,
        uses: findings.uses.into_iter().collect(),
        unknown_functions: findings.unknown_functions.into_iter().collect(),
        touches_protected: findings.may_quote || context.counts(&findings.touched),
        foreign: findings.foreign,
        made,
        inner: None,
    })
}

fn outputs(columns: &Columns<'_>) -> Outputs {
    match columns {
        Columns::Known(fields) => Outputs::Known(fields.iter().map(output).collect()),
        Columns::Uncounted(_) => Outputs::Unknown,
    }
}

fn output(field: &Field<'_>) -> Output {
    let kind = match field.cell.form {
        Form::Column => field.cell.kind.numbers(),
        Form::Computed => None,
    };
    let from_created = field.cell.from_created && field.cell.form == Form::Column;
    Output { name: field.name.into(), provenance: field.cell.provenance(), kind, from_created }
}

fn clean_outputs(names: &[&str]) -> Outputs {
    let output = |name: &&str| Output {
        name: (*name).into(),
        provenance: Provenance::Clean,
        kind: None,
        from_created: false,
    };
    Outputs::Known(names.iter().map(output).collect())
}

impl<'t, 's: 't> Tracer<'_, 's, 't> {
    fn statement(&mut self, node: &'t NodeEnum) -> Traced<Outputs> {
        match node {
            NodeEnum::SelectStmt(select) => self.select_statement(select),
            NodeEnum::InsertStmt(insert) => {
                let query = self.insert(insert, None)?;
                Ok(returned(insert.returning_clause.is_some(), &query))
            }
            NodeEnum::UpdateStmt(update) => {
                let query = self.update(update, None)?;
                Ok(returned(update.returning_clause.is_some(), &query))
            }
            NodeEnum::DeleteStmt(delete) => {
                let query = self.delete(delete, None)?;
                Ok(returned(delete.returning_clause.is_some(), &query))
            }
            NodeEnum::MergeStmt(merge) => {
                let query = self.merge(merge, None)?;
                Ok(returned(merge.returning_clause.is_some(), &query))
            }
            NodeEnum::ExplainStmt(explain) => self.explain(explain),
            NodeEnum::CopyStmt(copy) => self.copy(copy),
            NodeEnum::CreateTableAsStmt(create) => self.create_table_as(create),
            NodeEnum::ViewStmt(view) => self.create_view(view),
            NodeEnum::VariableShowStmt(show) => Ok(shown(show)),
            // Names stand for statements that the caller knows.
            NodeEnum::ExecuteStmt(execute) => {
                for node in &execute.params {
                    let value = self.value(node, &Scope::inside(None))?;
                    self.launder(&value.cell.taint, "EXECUTE");
                }
                self.findings.touched.unknown = true;
                Ok(Outputs::Unknown)
            }
            NodeEnum::FetchStmt(fetch) => {
                self.findings.touched.unknown = true;
                Ok(if fetch.ismove { Outputs::None } else { Outputs::Unknown })
            }
            NodeEnum::CallStmt(call) => {
                if let Some(function) = &call.funccall {
                    self.call(function, &Scope::inside(None))?;
                }
                self.findings.touched.unknown = true;
                Ok(Outputs::Unknown)
            }
            NodeEnum::DoStmt(_) => {
                self.findings.touched.unknown = true;
                Ok(Outputs::None)
            }
            NodeEnum::CreateSchemaStmt(schema) => {
                for part in schema.schema_elts.iter().filter_map(|part| part.node.as_ref()) {
                    self.nested(|tracer| tracer.statement(part))?;
                }
                self.made = None;
                Ok(Outputs::None)
            }
            NodeEnum::CreateStmt(create) => {
                self.definition(node)?;
                self.make_table(create);
                Ok(Outputs::None)
            }
            _ => {
                self.definition(node)?;
                Ok(Outputs::None)
            }
        }
    }

    fn select_statement(&mut self, select: &'t SelectStmt) -> Traced<Outputs> {
        let query = self.select(select, None)?;
        let Some(into) = into_clause(select) else { return Ok(outputs(&query.columns)) };
        self.launder(&query.columns.taint(), &destination(Some(into)));
        self.make_table_into(into, &query.columns);
        Ok(Outputs::None)
    }

    /// A plan shows what the statement mentions: constants, conditions of views, and with ANALYZE how many rows there were. Its
    /// costs show how large the relations are.
    fn explain(&mut self, explain: &'t ExplainStmt) -> Traced<Outputs> {
        if let Some(node) = explain.query.as_deref().and_then(|node| node.node.as_ref()) {
            self.nested(|tracer| match node {
                NodeEnum::DeclareCursorStmt(declare) => match declare.query.as_deref() {
                    Some(node) => tracer.query(node, None).map(|_| Outputs::None),
                    None => Ok(Outputs::None),
                },
                _ => tracer.statement(node),
            })?;
        }
        self.made = None;
        let mut taint = self.findings.touched.clone();
        if shows_sizes(&explain.options) {
            let schema = self.context.schema;
            let relations = std::mem::take(&mut self.findings.relations);
            // What is under a view of the session's own making was not kept.
            taint.unknown |= relations.contains(&created::NO_OID);
            let relations: Vec<_> = relations.iter().filter_map(|oid| schema.relation(*oid)).collect();
            taint.absorb(&self.held_by(&relations)?);
        }
        let cell = Cell::computed(taint, Kind::Unknown);
        Ok(Outputs::Known(vec![output(&Field { name: "QUERY PLAN", cell })]))
    }

    fn create_table_as(&mut self, create: &'t CreateTableAsStmt) -> Traced<Outputs> {
        let destination = destination(create.into.as_deref());
        let columns = match create.query.as_deref() {
            Some(Node { node: Some(NodeEnum::ExecuteStmt(_)) }) | None => {
                self.findings.touched.unknown = true;
                Columns::Uncounted(Taint::unknown())
            }
            Some(node) => self.query(node, None)?.columns,
        };
        // What a materialised view holds follows from its definition, unless that means something else after the transaction.
        if create.objtype() != ObjectType::ObjectMatview {
            self.launder(&columns.taint(), &destination);
            self.make_table_as(create, &columns);
        } else if columns.taint().unknown {
            self.launder(&Taint::unknown(), &destination);
        }
        Ok(Outputs::None)
    }

    /// A view's columns follow from its definition, but its clauses are the client's, here for the last time.
    fn create_view(&mut self, view: &'t ViewStmt) -> Traced<Outputs> {
        if let Some(range) = view.view.as_ref().filter(|_| view.replace) {
            // A materialised view over it keeps the rows of what it was, and is read as what it will be.
            let replaced = self.relations_meant(&range.schemaname, &range.relname);
            let held = self.held_by(&replaced)?;
            self.launder(&held, "CREATE OR REPLACE VIEW");
        }
        if let Some(node) = view.query.as_deref() {
            let columns = self.query(node, None)?.columns;
            self.make_view(view, &columns);
        }
        Ok(Outputs::None)
    }
}

/// Whether a plan comes with costs, which it does unless they are turned off, or with what ANALYZE measures.
fn shows_sizes(options: &[Node]) -> bool {
    let is_given = |name: &str, off: bool| {
        options.iter().any(|option| match &option.node {
            Some(NodeEnum::DefElem(option)) => option.defname == name && is_off(option) == off,
            _ => false,
        })
    };
    is_given("costs", false) || is_given("analyze", false) || !is_given("costs", true)
}

fn is_off(option: &DefElem) -> bool {
    match option.arg.as_deref().and_then(|arg| arg.node.as_ref()) {
        Some(NodeEnum::String(word)) => matches!(word.sval.to_ascii_lowercase().as_str(), "off" | "false"),
        Some(NodeEnum::Boolean(value)) => !value.boolval,
        Some(NodeEnum::Integer(number)) => number.ival == 0,
        _ => false,
    }
}

fn returned(has_result: bool, query: &Query<'_>) -> Outputs {
    if has_result { outputs(&query.columns) } else { Outputs::None }
}

fn shown(show: &VariableShowStmt) -> Outputs {
    if show.name.eq_ignore_ascii_case("all") {
        return clean_outputs(&["name", "setting", "description"]);
    }
    clean_outputs(&[&show.name])
}

/// The INTO of a SELECT stands in the first of those that a UNION puts together.
fn into_clause(select: &SelectStmt) -> Option<&IntoClause> {
    let mut select = select;
    loop {
        if let Some(into) = select.into_clause.as_deref() {
            return Some(into);
        }
        select = select.larg.as_deref()?;
    }
}

fn destination(into: Option<&IntoClause>) -> String {
    into.and_then(|into| into.rel.as_ref()).map_or_else(String::new, name::relation)
}

/// COPY.
impl<'t, 's: 't> Tracer<'_, 's, 't> {
    fn copy(&mut self, copy: &'t CopyStmt) -> Traced<Outputs> {
        if let Some(node) = copy.query.as_deref() {
            let query = self.query(node, None)?;
            return Ok(outputs(&query.columns));
        }
        let target = self.target_relation(copy.relation.as_ref())?;
        let named: Vec<&'t str> = name::strings(&copy.attlist).collect();
        if !copy.is_from {
            self.show_bounds(&target.relations);
            self.show_division(&target.relations);
            return self.copied(&target.item, &named);
        }
        let all = target.relations.iter().flat_map(|relation| relation.columns.iter());
        let written: Vec<&str> =
            if named.is_empty() { all.map(|column| &*column.name).collect() } else { named };
        self.probe(&target.relations, &written)?;
        self.fire(&target.relations, Effect::INSERT, Given::Only(&written))?;
        // Its WHERE looks at the rows that come in.
        let rows = Source::Open(Cell::clean(Kind::Unknown));
        let scope = Scope::with(None, vec![Item::new(None, rows)]);
        let mut progress = Progress::default();
        self.where_clause(copy.where_clause.as_deref(), &scope, "WHERE", &mut progress)?;
        Ok(Outputs::None)
    }

    /// The columns of COPY table TO: those named, else all but generated ones.
    fn copied(&mut self, item: &Item<'t>, named: &[&'t str]) -> Traced<Outputs> {
        if named.is_empty() {
            let columns = self.columns_of(item)?;
            self.findings.touched.absorb(&columns.taint());
            return Ok(match (&columns, &item.source) {
                (Columns::Known(fields), Source::Relations(relations)) => {
                    let is_stored = |at: usize| {
                        let of = |columns: &[SchemaColumn]| {
                            columns.get(at).is_some_and(|of| of.generated.is_none())
                        };
                        relations.first().is_some_and(|relation| of(&relation.columns))
                    };
                    let stored = fields.iter().enumerate().filter(|(at, _)| is_stored(*at));
                    Outputs::Known(stored.map(|(_, field)| output(field)).collect())
                }
                (Columns::Known(_) | Columns::Uncounted(_), _) => outputs(&columns),
            });
        }
        let mut fields = Vec::with_capacity(named.len());
        for name in named {
            let cell = match self.find(item, name)? {
                Found::Column(cell) | Found::Perhaps(cell) => self.refer(cell).cell,
                Found::Absent => self.unresolved().cell,
            };
            fields.push(Field { name, cell });
        }
        Ok(outputs(&Columns::Known(fields.into())))
    }
}
