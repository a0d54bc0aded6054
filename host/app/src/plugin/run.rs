//! `grille plugin run`: one plugin, given what somebody typed or piped.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use grille_core::untrusted::CellBlock;
use grille_core::{Action, Decision, PrincipalKind, Verdict as Word};
use grille_plugin::{Detector, ExchangeContext, FieldInfo, Masker, Plugin, World};
use grille_wire::sql;
use serde::Serialize;

use super::Report;
use super::csv::{self, Csv};
use super::runtime::{Asker, Runtime, exchange, settings};
use super::table::Table;
use super::text::shown;
use crate::cli::plugin as cli;
use crate::failure::Failure;

/// Most bytes that are read from standard input.
const INPUT_BYTES_MAX: u64 = 64 << 20;

/// Rows in one block.
const BLOCK_ROWS: usize = 1024;

pub(super) fn run(command: cli::Run) -> Result<Report, Failure> {
    let plugin = Runtime::start()?.load(&command.subject)?.configure(&settings(&command.settings)?)?;
    let context = exchange(asker(&command));
    match plugin.world() {
        World::Policy => {
            let judged = judge(&plugin, &context, &statement(command.statement)?)?;
            Report::good(&Judgements { statements: judged }, command.output)
        }
        World::Detector => {
            let found = detect(&plugin, &context, &table_of(command.statement)?)?;
            Report::good(&Findings { findings: found }, command.output)
        }
        World::Masker => {
            let edits = mask(&plugin, &context, &table_of(command.statement)?)?;
            Report::good(&Edits { edits }, command.output)
        }
    }
}

fn asker(command: &cli::Run) -> Asker {
    let kind = match command.asker {
        cli::Asker::Human => PrincipalKind::Human,
        cli::Asker::Workload => PrincipalKind::Workload,
        cli::Asker::Agent => PrincipalKind::Agent,
    };
    let (principal, groups) = (command.principal.clone(), command.groups.clone());
    Asker { principal, groups, kind, role: command.role.clone() }
}

fn statement(argument: Option<String>) -> Result<String, Failure> {
    argument.map_or_else(input, Ok)
}

fn table_of(argument: Option<String>) -> Result<Csv, Failure> {
    if argument.is_some() {
        return Err(Failure::Usage(anyhow!(
            "this plugin looks at values: give it CSV on standard input, not SQL"
        )));
    }
    Ok(csv::parse(&input()?).map_err(anyhow::Error::from)?)
}

fn input() -> Result<String, Failure> {
    let mut text = String::new();
    let read = io::stdin().take(INPUT_BYTES_MAX + 1).read_to_string(&mut text);
    read.context("cannot read standard input")?;
    if text.len() as u64 > INPUT_BYTES_MAX {
        return Err(Failure::Usage(anyhow!("standard input is longer than {INPUT_BYTES_MAX} bytes")));
    }
    Ok(text)
}

#[derive(Serialize)]
struct Judgements {
    statements: Vec<Judgement>,
}

/// What a policy says of one statement.
#[derive(Serialize)]
pub(super) struct Judgement {
    pub(super) statement: String,
    pub(super) kind: String,
    pub(super) verdict: &'static str,
    pub(super) reasons: Vec<String>,
    pub(super) obligations: Vec<String>,
}

/// Judges each statement of the text, as Grille understands it.
pub(super) fn judge(
    plugin: &Arc<Plugin>,
    context: &ExchangeContext,
    text: &str,
) -> Result<Vec<Judgement>, Failure> {
    let actions = sql::analyze(text).context("the SQL is refused before any plugin sees it")?;
    let judged = actions.iter().map(|action| {
        let decision = plugin.decide(context, action, &[]).map_err(anyhow::Error::from)?;
        Ok(Judgement::of(action, &decision))
    });
    judged.collect()
}

impl Judgement {
    fn of(action: &Action, decision: &Decision) -> Self {
        let mut obligations: Vec<String> =
            decision.row_cap().map(|rows| format!("row cap {rows}")).into_iter().collect();
        obligations.extend(decision.masks().map(|(column, treatment)| format!("mask {column}={treatment}")));
        let mut reasons: Vec<String> = decision.reasons().map(|reason| reason.text.clone()).collect();
        match decision.verdict() {
            Word::Rewrite(statement) => reasons.push(format!("instead: {statement}")),
            Word::Hold(approval) if !approval.approvers.is_empty() => {
                reasons.push(format!("approved by {}", approval.approvers.join(", ")));
            }
            Word::Allow | Word::Deny | Word::Hold(_) => {}
        }
        let verdict = decision.verdict().as_str();
        Self { statement: action.text.clone(), kind: action.kind.clone(), verdict, reasons, obligations }
    }
}

impl fmt::Display for Judgements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["verdict", "statement", "why", "obligations"]);
        for one in &self.statements {
            let (why, obligations) = (one.reasons.join("; "), one.obligations.join(", "));
            table.push([one.verdict.to_owned(), shown(&one.statement), shown(&why), shown(&obligations)]);
        }
        table.fmt(f)
    }
}

#[derive(Serialize)]
struct Findings {
    findings: Vec<Found>,
}

#[derive(Serialize)]
struct Found {
    /// From 1, the names not counted.
    row: usize,
    column: String,
    start: u32,
    end: u32,
    label: String,
    score: u32,
    text: String,
}

/// What the detector itself finds: the gate is applied, the evidence of the column is not.
fn detect(plugin: &Arc<Plugin>, context: &ExchangeContext, csv: &Csv) -> Result<Vec<Found>, Failure> {
    let mut detector = Detector::begin(plugin, context, &fields(csv)).map_err(anyhow::Error::from)?;
    let gates = plugin.gates();
    let mut found = Vec::new();
    for (column, first, rows) in blocks(csv) {
        let cell = |row: &Vec<String>| {
            if gates.passes(row[column].as_bytes()) { row[column].clone() } else { String::new() }
        };
        let mut block = block(column, rows.iter().map(cell))?;
        for one in detector.inspect(&mut block).map_err(anyhow::Error::from)? {
            let text = block.cell(one.cell as usize).unwrap_or_default();
            let text = String::from_utf8_lossy(&text[one.start as usize..one.end as usize]).into_owned();
            // The runtime has checked label and cell.
            let label = plugin.metadata().labels[one.label as usize].name.clone();
            let (row, column) = (first + one.cell as usize + 1, csv.names[column].clone());
            found.push(Found { row, column, start: one.start, end: one.end, label, score: one.score, text });
        }
    }
    found.sort_by(|a, b| (a.row, &a.column, a.start).cmp(&(b.row, &b.column, b.start)));
    Ok(found)
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["row", "column", "start", "end", "label", "score", "text"]);
        for one in &self.findings {
            let numbers = [one.start, one.end, one.score].map(|number| number.to_string());
            let [start, end, score] = numbers;
            table.push([
                one.row.to_string(),
                shown(&one.column),
                start,
                end,
                one.label.clone(),
                score,
                shown(&one.text),
            ]);
        }
        table.fmt(f)
    }
}

#[derive(Serialize)]
struct Edits {
    edits: Vec<Edit>,
}

#[derive(Serialize)]
struct Edit {
    row: usize,
    column: String,
    value: String,
    becomes: String,
}

fn mask(plugin: &Arc<Plugin>, context: &ExchangeContext, csv: &Csv) -> Result<Vec<Edit>, Failure> {
    let mut masker = Masker::begin(plugin, context, &fields(csv)).map_err(anyhow::Error::from)?;
    let mut edits = Vec::new();
    for (column, first, rows) in blocks(csv) {
        let mut block = block(column, rows.iter().map(|row| row[column].clone()))?;
        let values = masker.mask(&mut block).map_err(anyhow::Error::from)?;
        for (index, row) in rows.iter().enumerate() {
            let becomes = values.value(index).unwrap_or_default().to_owned();
            let (value, name) = (row[column].clone(), csv.names[column].clone());
            edits.push(Edit { row: first + index + 1, column: name, value, becomes });
        }
    }
    edits.sort_by_key(|edit| edit.row);
    Ok(edits)
}

impl fmt::Display for Edits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["row", "column", "value", "becomes"]);
        for one in &self.edits {
            table.push([one.row.to_string(), shown(&one.column), shown(&one.value), shown(&one.becomes)]);
        }
        table.fmt(f)
    }
}

fn fields(csv: &Csv) -> Vec<FieldInfo> {
    let field =
        |name: &String| FieldInfo { name: name.clone(), origin: String::new(), kind: "text".to_owned() };
    csv.names.iter().map(field).collect()
}

/// Column, index of the first row, rows.
fn blocks(csv: &Csv) -> impl Iterator<Item = (usize, usize, &[Vec<String>])> {
    (0..csv.names.len()).flat_map(move |column| {
        csv.rows.chunks(BLOCK_ROWS).enumerate().map(move |(index, rows)| (column, index * BLOCK_ROWS, rows))
    })
}

fn block(column: usize, cells: impl Iterator<Item = String>) -> Result<CellBlock, Failure> {
    let cells: Vec<String> = cells.collect();
    let field = u32::try_from(column).context("more columns than a result can have")?;
    let block = CellBlock::of_column(field, cells.iter().map(String::as_str));
    Ok(block.map_err(anyhow::Error::from)?)
}
