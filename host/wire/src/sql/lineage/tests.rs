//! Statements over a handmade schema, with what they must be found to do. Expectations are written as [`shown`] shows a lineage.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod collations;
mod created;
mod definitions;
mod joins;
mod outputs;
mod partitions;
mod probing;
mod reached;
mod robustness;
mod row_shaping;
mod schema;
mod spreading;
mod totality;
mod writes;

use super::{Lineage, Naming, Operand, Outputs, Provenance, Purpose, trace};
use crate::sql::Sql;
use crate::sql::schema::{ColumnId, Schema};
use schema::{SCHEMA, rules};

fn default_naming() -> Naming {
    Naming { search_path: Some(vec!["public".into()]), ..Naming::default() }
}

/// The lineage of the statements, under such names.
fn check_named(sql: &str, naming: &Naming, expected: &str) {
    let lineages = trace(Sql::standard(sql), &SCHEMA, naming, &rules()).expect(sql);
    let shown: Vec<String> = lineages.iter().map(|lineage| shown(lineage, sql, &SCHEMA)).collect();
    assert_eq!(shown.join(" // "), expected, "{sql}");
}

/// Each is `(statement, lineage)`; all that differ are told.
fn check_all(table: &[(&str, &str)]) {
    let mut wrong = String::new();
    for (sql, expected) in table {
        let found = match trace(Sql::standard(sql), &SCHEMA, &default_naming(), &rules()) {
            Ok(lineages) => {
                let all: Vec<String> = lineages.iter().map(|lineage| shown(lineage, sql, &SCHEMA)).collect();
                all.join(" // ")
            }
            Err(error) => format!("error: {error}"),
        };
        if found != *expected {
            wrong.push_str(&format!("\n{sql}\n  found    {found}\n  expected {expected}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// `a, b=t.c, d~t.c, e? | WHERE t.c | …`: columns without a sign are clean, `=` is direct, `~` derived, `?` unknown; `-` is no
/// result, `*` one that could not be counted. Then uses, functions and flags.
fn shown(lineage: &Lineage, sql: &str, schema: &Schema) -> String {
    let columns = |ids: &std::collections::BTreeSet<ColumnId>| {
        let names: Vec<String> = ids.iter().map(|id| column_name(*id, schema)).collect();
        names.join("+")
    };
    let mut parts = vec![match &lineage.outputs {
        Outputs::None => "-".to_owned(),
        Outputs::Unknown => "*".to_owned(),
        Outputs::Known(outputs) => {
            let output = |output: &super::Output| {
                let provenance = match &output.provenance {
                    Provenance::Clean => String::new(),
                    Provenance::Direct(ids) => format!("={}", columns(ids)),
                    Provenance::Derived(ids) => format!("~{}", columns(ids)),
                    Provenance::Unknown => "?".to_owned(),
                };
                format!("{}{provenance}", output.name)
            };
            outputs.iter().map(output).collect::<Vec<_>>().join(", ")
        }
    }];
    for used in &lineage.uses {
        let purpose = match &used.purpose {
            Purpose::Equality(operands) => {
                let operand = |operand: &Operand| match operand {
                    Operand::Parameter(number) => format!("${number}"),
                    Operand::Converted => "converted".to_owned(),
                    Operand::Literal { start, end } => sql.get(*start..*end).unwrap_or("!").to_owned(),
                };
                format!("={}", operands.iter().map(operand).collect::<Vec<_>>().join(","))
            }
            Purpose::Shapes(clause) => (*clause).to_owned(),
            Purpose::MayFail(culprit) => format!("fails {culprit}"),
            Purpose::Probes => "probes".to_owned(),
            Purpose::Launders(destination) => format!("into {destination}"),
        };
        parts.push(format!("{purpose}: {}", columns(&used.columns)));
    }
    for function in &lineage.unknown_functions {
        let sign = if function.is_volatile { "!" } else { "?" };
        parts.push(format!("{}(){sign}", function.name));
    }
    if lineage.foreign {
        parts.push("foreign".to_owned());
    }
    if let Some(inner) = &lineage.inner {
        parts.push(format!("[{}]", shown(inner, sql, schema)));
    }
    parts.join(" | ")
}

fn column_name(id: ColumnId, schema: &Schema) -> String {
    let relation = schema.relation(id.relation).unwrap();
    let column = relation.columns.iter().find(|column| column.number == id.number).unwrap();
    format!("{}.{}", relation.name, column.name)
}
