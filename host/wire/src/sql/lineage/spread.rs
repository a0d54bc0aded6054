//! How protection spreads from the columns that rules name to all that hold the same or are made from it.

use std::collections::HashMap;

use super::context::{Context, WORK_MAX};
use super::taint::{Cell, Form};
use super::tracer::{Author, Tracer};
use super::{Naming, Protection, Spread};
use crate::sql::schema::{ColumnId, Relation, RelationKind, Schema, SchemaColumn};
use crate::sql::{Sql, parse, walk};

/// What is known to be protected so far.
struct SoFar<'a, S: Spread> {
    rules: &'a HashMap<ColumnId, S::Rule>,
    spread: &'a S,
}

impl<S: Spread> Protection for SoFar<'_, S> {
    fn is_protected(&self, column: ColumnId) -> bool {
        self.rules.contains_key(&column)
    }

    fn is_vouched_for(&self, schema: &str, function: &str) -> bool {
        self.spread.is_vouched_for(schema, function)
    }
}

fn id(relation: &Relation, column: &SchemaColumn) -> ColumnId {
    ColumnId { relation: relation.oid, number: column.number }
}

/// The closure. See [`super::spread`].
pub(super) fn closure<S: Spread>(schema: &Schema, spread: &S) -> HashMap<ColumnId, S::Rule> {
    let mut rules = HashMap::new();
    for relation in schema.relations() {
        for column in &relation.columns {
            if let Some(rule) = spread.named(relation, column) {
                rules.insert(id(relation, column), rule);
            }
        }
    }
    if rules.is_empty() {
        return rules;
    }
    let generated = generated_columns(schema);
    // Each round makes a rule stricter or reaches a column that had none.
    loop {
        let mut changed = inherit(schema, spread, &mut rules);
        for pair in schema.foreign_keys() {
            changed |= share(spread, &mut rules, [pair.0, pair.1]);
        }
        for (column, sources) in &generated {
            for source in sources {
                let rule = rules.get(source).cloned().map(|rule| spread.derived(rule));
                changed |= rule.is_some_and(|rule| add(spread, &mut rules, *column, rule));
            }
        }
        if !changed {
            break;
        }
    }
    let views = view_columns(schema, spread, &rules);
    for (column, rule) in views {
        add(spread, &mut rules, column, rule);
    }
    rules
}

/// Whether it changed anything.
fn add<S: Spread>(
    spread: &S,
    rules: &mut HashMap<ColumnId, S::Rule>,
    column: ColumnId,
    rule: S::Rule,
) -> bool {
    let known = rules.get(&column).cloned();
    let rule = match &known {
        Some(known) => spread.stricter(known.clone(), rule),
        None => rule,
    };
    let changed = known.as_ref() != Some(&rule);
    if changed {
        rules.insert(column, rule);
    }
    changed
}

/// The columns hold the same, so that what holds for one holds for the other. Whether it changed anything.
fn share<S: Spread>(spread: &S, rules: &mut HashMap<ColumnId, S::Rule>, [one, other]: [ColumnId; 2]) -> bool {
    let mut changed = false;
    for (from, to) in [(one, other), (other, one)] {
        if let Some(rule) = rules.get(&from).cloned() {
            changed |= add(spread, rules, to, rule);
        }
    }
    changed
}

/// Parents show the rows of their children, and a partition's are its parent's.
fn inherit<S: Spread>(schema: &Schema, spread: &S, rules: &mut HashMap<ColumnId, S::Rule>) -> bool {
    let mut changed = false;
    for child in schema.relations() {
        for parent in child.parents.iter().filter_map(|parent| schema.relation(*parent)) {
            for column in &child.columns {
                let Some(of_parent) = parent.column(&column.name) else { continue };
                changed |= share(spread, rules, [id(child, column), id(parent, of_parent)]);
            }
        }
    }
    changed
}

/// Each generated column, with those it is computed from; with all others of its table where that cannot be told.
fn generated_columns(schema: &Schema) -> Vec<(ColumnId, Vec<ColumnId>)> {
    let mut generated = Vec::new();
    for relation in schema.relations() {
        for column in &relation.columns {
            let Some(expression) = column.generated.as_deref() else { continue };
            let others = || relation.columns.iter().filter(|other| other.number != column.number);
            let sources = match names_in(expression) {
                Some(names) => {
                    others().filter(|other| names.iter().any(|name| **name == *other.name)).collect()
                }
                None => others().collect::<Vec<_>>(),
            };
            let sources = sources.into_iter().map(|source| id(relation, source)).collect();
            generated.push((id(relation, column), sources));
        }
    }
    generated
}

/// Names of columns in an expression; nothing where it cannot be read.
fn names_in(expression: &str) -> Option<Vec<String>> {
    let statements = parse::parse_definition(&format!("SELECT {expression}")).ok()?;
    let node = statements.first()?.stmt.as_ref()?.node.as_ref()?;
    let columns = walk::walk(node).ok()?.columns;
    // A whole row stands for all.
    (!columns.iter().any(|name| name == "*")).then_some(columns)
}

fn view_columns<S: Spread>(
    schema: &Schema,
    spread: &S,
    rules: &HashMap<ColumnId, S::Rule>,
) -> Vec<(ColumnId, S::Rule)> {
    let naming = Naming { search_path: Some(schema.search_path().to_vec()), ..Naming::default() };
    let protection = SoFar { rules, spread };
    let mut found = Vec::new();
    let mut context = Context::new(schema, &naming, &protection, WORK_MAX);
    let views = schema
        .relations()
        .iter()
        .filter(|relation| matches!(relation.kind, RelationKind::View | RelationKind::Materialized));
    for view in views.filter(|relation| !relation.is_system()) {
        // Each has as much work as a statement.
        context.refill();
        let mut tracer = Tracer::new(&mut context, None, Sql::standard(""), Author::View);
        for (index, column) in view.columns.iter().enumerate() {
            let Ok(cell) = tracer.relation_cell(view, index) else { continue };
            if let Some(rule) = rule_of(spread, rules, &cell) {
                found.push((id(view, column), rule));
            }
        }
    }
    found
}

/// The strictest rule of what a cell comes from.
fn rule_of<S: Spread>(spread: &S, rules: &HashMap<ColumnId, S::Rule>, cell: &Cell<'_>) -> Option<S::Rule> {
    let of_sources = cell.taint.columns.iter().filter_map(|source| rules.get(source).cloned());
    let strictest = of_sources.reduce(|one, other| spread.stricter(one, other))?;
    Some(match cell.form {
        Form::Column => strictest,
        Form::Computed => spread.derived(strictest),
    })
}
