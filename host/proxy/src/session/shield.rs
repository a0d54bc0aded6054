//! What happens to a result on its way to the client: columns named by rule are treated whole, texts are given to the
//! detectors and what they find is treated, everything else passes as bytes.
//!
//! Fails closed: what a detector could not look at is treated whole, what a masker could not mask is redacted, a cell that
//! cannot be read or masked becomes NULL.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;
use grille_core::{ColumnPattern, ExchangeId, ObjectKind, Treatment};
use grille_plugin::untrusted::{CellBlock, Edits};
use grille_plugin::{ColumnTexts, FieldInfo, Masker, Plugin, PluginFailure, ResultScanner, UNSCANNED};
use grille_wire::postgres::value::{Column, LeafFinding, Masked, Tokenizer};
use grille_wire::postgres::{Field, Violation, messages, put_row, walk_row};
use grille_wire::sql::TextEncoding;
use tracing::warn;

use crate::catalog::{Catalog, Origin};
use crate::decisions::Judged;
use crate::generation::ArmedRole;
use crate::judge::Asker;
use crate::metrics::Metrics;

/// The shield of one exchange.
pub(super) struct Shield {
    role: Arc<ArmedRole>,
    asker: Asker,
    exchange: ExchangeId,
    rules: BTreeMap<ColumnPattern, Treatment>,
    /// Columns that the statement, and what stands behind its names, mentions.
    mentioned: Mentioned,
    result: Option<ResultPlan>,
    /// A detector failed: from then on everything it should have seen is treated.
    blind: bool,
    treated: BTreeMap<Arc<str>, u64>,
}

/// What the session lends for the treatment of one block.
pub(super) struct Tools<'t> {
    pub(super) tokens: &'t Tokenizer,
    pub(super) encoding: &'t Arc<TextEncoding>,
    pub(super) metrics: &'t Metrics,
}

/// Column names that a statement mentions.
#[derive(Debug)]
enum Mentioned {
    /// These, and perhaps whole rows of these tables.
    Names { columns: Vec<String>, tables: Vec<String> },
    /// Nothing is known: the cursor or statement behind the name was not made here.
    Anything,
}

/// What is done with the columns of the result at hand.
struct ResultPlan {
    fields: Arc<[Field]>,
    columns: Vec<ColumnPlan>,
    scanner: Option<ResultScanner>,
}

struct ColumnPlan {
    column: Column,
    mode: Mode,
}

enum Mode {
    /// Passes.
    Pass,
    /// Its texts are given to the detectors.
    Scan,
    /// Treated whole; counted under the key.
    Whole(Treatment, Arc<str>),
    /// Its texts are given to a masker; counted under the key.
    Masker(String, Arc<str>),
}

/// Something to treat within a text.
struct Found {
    field: usize,
    /// Number of the text in its column, in this block.
    text: usize,
    /// Number of the first text of the same cell.
    first_text: usize,
    start: usize,
    end: usize,
    treatment: Treatment,
    replacement: Option<String>,
    key: Arc<str>,
}

/// What became of a block of rows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing: they may pass as they are.
    Unchanged,
    /// The client gets these instead.
    Rewritten(BytesMut),
}

impl Shield {
    /// None when nothing is to be done under this role and decision.
    pub(super) fn for_exchange(
        role: &Arc<ArmedRole>,
        asker: &Asker,
        exchange: ExchangeId,
        judged: &Judged,
    ) -> Option<Self> {
        let mut rules = role.role.columns.clone();
        for (pattern, treatment) in judged.decision.masks() {
            let slot = rules.entry(pattern.clone()).or_insert(Treatment::Keep);
            if treatment.strictness() > slot.strictness() {
                *slot = treatment.clone();
            }
        }
        if rules.is_empty() && role.detectors.is_empty() {
            return None;
        }
        Some(Self {
            role: Arc::clone(role),
            asker: asker.clone(),
            exchange,
            rules,
            mentioned: Mentioned::by(judged),
            result: None,
            blind: false,
            treated: BTreeMap::new(),
        })
    }

    /// Whether rules need the catalogue to know these columns.
    pub(super) fn needs_origins(&self, fields: &Arc<[Field]>) -> bool {
        let planned = self.result.as_ref().is_some_and(|result| Arc::ptr_eq(&result.fields, fields));
        !planned && !self.rules.is_empty()
    }

    /// Values treated so far, by label or column.
    pub(super) fn treated(&self) -> BTreeMap<String, u64> {
        self.treated.iter().map(|(key, count)| (key.to_string(), *count)).collect()
    }

    /// Whether the error texts of the upstream may quote a column that a rule protects.
    pub(super) fn touches_protected(&self) -> bool {
        self.rules.keys().any(|pattern| self.mentioned.may_mention(pattern))
    }

    /// Treats a block of whole rows. Calls plugins: the caller says so to the runtime.
    pub(super) fn treat(
        &mut self,
        fields: &Arc<[Field]>,
        rows: &[u8],
        catalog: &Catalog,
        tools: &Tools<'_>,
    ) -> Result<Outcome, Violation> {
        let mut result = match self.result.take() {
            Some(result) if Arc::ptr_eq(&result.fields, fields) => result,
            Some(_) | None => self.plan(fields, catalog, tools.encoding),
        };
        let outcome = self.treat_with(&mut result, rows, tools);
        self.result = Some(result);
        outcome
    }

    fn plan(&self, fields: &Arc<[Field]>, catalog: &Catalog, encoding: &Arc<TextEncoding>) -> ResultPlan {
        let columns: Vec<ColumnPlan> =
            fields.iter().map(|field| self.plan_column(field, catalog, encoding)).collect();
        let scans = columns.iter().any(|column| matches!(column.mode, Mode::Scan));
        let scanner = scans.then(|| {
            let infos = fields.iter().zip(&columns).map(|(field, plan)| FieldInfo {
                name: String::from_utf8_lossy(&field.name).into_owned(),
                origin: match catalog.origin(field) {
                    Origin::Known(origin) => origin,
                    Origin::Computed | Origin::Unknown => String::new(),
                },
                kind: plan.column.kind().to_owned(),
            });
            let context = self.asker.context(self.exchange);
            let kept =
                self.role.role.treatments.iter().filter(|(_, treatment)| **treatment == Treatment::Keep);
            let kept = kept.map(|(label, _)| label.clone()).collect();
            ResultScanner::new(&self.role.detectors, context, infos.collect()).ignoring(kept)
        });
        ResultPlan { fields: Arc::clone(fields), columns, scanner }
    }

    fn plan_column(&self, field: &Field, catalog: &Catalog, encoding: &Arc<TextEncoding>) -> ColumnPlan {
        let column =
            Column::new(field.type_oid, field.typmod, field.format).in_encoding(Arc::clone(encoding));
        let mode = match self.rule_for(field, catalog) {
            Some((Treatment::Keep, _)) => Mode::Pass,
            Some((Treatment::Plugin(masker), key)) if column.is_scanned() => Mode::Masker(masker, key),
            Some((treatment, key)) => Mode::Whole(treatment, key),
            None if column.is_scanned() && !self.role.detectors.is_empty() => Mode::Scan,
            None => Mode::Pass,
        };
        ColumnPlan { column, mode }
    }

    /// The rule for a column: by its origin, or, where it is computed or its table is not known, by what the statement
    /// mentions.
    fn rule_for(&self, field: &Field, catalog: &Catalog) -> Option<(Treatment, Arc<str>)> {
        if self.rules.is_empty() {
            return None;
        }
        let rule = match catalog.origin(field) {
            Origin::Known(_) => catalog.rule(field, self.rules.iter()),
            Origin::Computed => self
                .rules
                .iter()
                .filter(|(pattern, _)| self.mentioned.may_mention(pattern))
                .max_by_key(|(_, treatment)| treatment.strictness()),
            Origin::Unknown => {
                let treatment = closed(&self.role.role.default_treatment).clone();
                return Some((treatment, "column:unknown".into()));
            }
        };
        rule.map(|(pattern, treatment)| (treatment.clone(), format!("column:{pattern}").into()))
    }

    fn treat_with(
        &mut self,
        result: &mut ResultPlan,
        rows: &[u8],
        tools: &Tools<'_>,
    ) -> Result<Outcome, Violation> {
        if result.columns.iter().all(|plan| matches!(plan.mode, Mode::Pass)) {
            return Ok(Outcome::Unchanged);
        }
        let gathered = Gathered::from_rows(result, rows)?;
        let mut found = self.scan(result, &gathered, tools);
        self.ask_maskers(result, &gathered, &mut found, tools);
        if found.is_empty() && gathered.void.is_empty() && !self.treats_whole(result) {
            return Ok(Outcome::Unchanged);
        }
        self.rewrite(result, rows, &gathered, &found, tools).map(Outcome::Rewritten)
    }

    fn treats_whole(&self, result: &ResultPlan) -> bool {
        result.columns.iter().any(|plan| match plan.mode {
            Mode::Whole(..) => true,
            Mode::Scan => self.blind,
            Mode::Pass | Mode::Masker(..) => false,
        })
    }

    fn scan(&mut self, result: &mut ResultPlan, gathered: &Gathered, tools: &Tools<'_>) -> Vec<Found> {
        let Some(scanner) = result.scanner.as_mut().filter(|_| !self.blind) else { return Vec::new() };
        match scanner.scan(&gathered.texts) {
            Ok(findings) => findings
                .into_iter()
                .filter(|finding| matches!(result.columns[finding.field as usize].mode, Mode::Scan))
                .map(|finding| Found {
                    field: finding.field as usize,
                    text: finding.text,
                    first_text: gathered.first_of_cell(finding.field as usize, finding.text),
                    start: finding.start,
                    end: finding.end,
                    treatment: self.treatment_of(&finding.label).clone(),
                    replacement: None,
                    key: finding.label,
                })
                .filter(|found| found.treatment != Treatment::Keep)
                .collect(),
            Err(failure) => {
                self.go_blind(&failure, tools.metrics);
                Vec::new()
            }
        }
    }

    fn treatment_of(&self, label: &str) -> &Treatment {
        let default = &self.role.role.default_treatment;
        if label == UNSCANNED {
            closed(default)
        } else {
            self.role.role.treatments.get(label).unwrap_or(default)
        }
    }

    fn go_blind(&mut self, failure: &PluginFailure, metrics: &Metrics) {
        metrics.plugin_failed(failure);
        let plugin = &failure.plugin;
        warn!(%plugin, exchange = self.exchange.0, %failure, "detector failed: its columns are masked whole");
        self.blind = true;
    }

    /// Gets replacements from the maskers; where one fails, its values are redacted.
    fn ask_maskers(
        &self,
        result: &ResultPlan,
        gathered: &Gathered,
        found: &mut Vec<Found>,
        tools: &Tools<'_>,
    ) {
        for texts in &gathered.texts {
            let Mode::Masker(masker, key) = &result.columns[texts.field() as usize].mode else { continue };
            found.extend((0..texts.len()).filter(|text| !text_at(texts, *text).is_empty()).map(|text| {
                Found {
                    field: texts.field() as usize,
                    text,
                    first_text: gathered.first_of_cell(texts.field() as usize, text),
                    start: 0,
                    end: text_at(texts, text).len(),
                    treatment: Treatment::Plugin(masker.clone()),
                    replacement: None,
                    key: Arc::clone(key),
                }
            }));
        }
        found.sort_by_key(|found| (found.field, found.text, found.start));
        for (name, plugin) in &self.role.maskers {
            let mine: Vec<usize> = (0..found.len())
                .filter(
                    |index| matches!(&found[*index].treatment, Treatment::Plugin(masker) if masker == name),
                )
                .collect();
            if mine.is_empty() {
                continue;
            }
            let values: Vec<&str> = mine.iter().map(|index| gathered.slice(&found[*index])).collect();
            let replacements = self.mask(plugin, &values, tools.metrics);
            for (value, index) in mine.into_iter().enumerate() {
                match replacements.as_ref().and_then(|replacements| replacements.value(value)) {
                    Some(replacement) => found[index].replacement = Some(replacement.to_owned()),
                    None => found[index].treatment = Treatment::Redact,
                }
            }
        }
    }

    /// None when the masker failed.
    fn mask(&self, plugin: &Arc<Plugin>, values: &[&str], metrics: &Metrics) -> Option<Edits> {
        let mut block = CellBlock::of_column(0, values.iter().copied()).ok()?;
        let info = FieldInfo { kind: "text".into(), ..FieldInfo::default() };
        let context = self.asker.context(self.exchange);
        let masked = Masker::begin(plugin, &context, &[info]).and_then(|mut masker| masker.mask(&mut block));
        masked
            .inspect_err(|failure| {
                metrics.plugin_failed(failure);
                let plugin = &failure.plugin;
                warn!(%plugin, exchange = self.exchange.0, %failure, "masker failed: its values are redacted");
            })
            .ok()
    }

    fn rewrite(
        &mut self,
        result: &ResultPlan,
        rows: &[u8],
        gathered: &Gathered,
        found: &[Found],
        tools: &Tools<'_>,
    ) -> Result<BytesMut, Violation> {
        let mut out = BytesMut::with_capacity(rows.len() + rows.len() / 8);
        let mut buffer = Vec::new();
        let mut cells = Vec::with_capacity(result.columns.len());
        for (row, message) in messages(rows).enumerate() {
            cells.clear();
            walk_row(message, result.columns.len(), |_, cell| cells.push(cell))?;
            put_row(&mut out, cells.len(), |writer| {
                for (index, cell) in cells.iter().enumerate() {
                    let Some(cell) = *cell else {
                        writer.cell(None);
                        continue;
                    };
                    let within = gathered.found_in(found, index, row);
                    buffer.clear();
                    match self.treat_cell(&result.columns[index], cell, within, tools, &mut buffer) {
                        CellOutcome::Same => writer.cell(Some(cell)),
                        CellOutcome::Value => writer.cell(Some(&buffer)),
                        CellOutcome::Null => writer.cell(None),
                    };
                }
            });
        }
        Ok(out)
    }

    /// Treats one cell into `out`, which is empty before and whatever it is unless the cell has a new value.
    fn treat_cell(
        &mut self,
        plan: &ColumnPlan,
        cell: &[u8],
        within: Within<'_>,
        tools: &Tools<'_>,
        out: &mut Vec<u8>,
    ) -> CellOutcome {
        let (treatment, key) = match &plan.mode {
            Mode::Pass => return CellOutcome::Same,
            Mode::Whole(treatment, key) => (treatment.clone(), Arc::clone(key)),
            Mode::Masker(_, key) if within.is_void => (Treatment::Redact, Arc::clone(key)),
            Mode::Scan if self.blind || within.is_void => {
                (closed(&self.role.role.default_treatment).clone(), Arc::from("unscanned"))
            }
            Mode::Scan | Mode::Masker(..) if within.found.is_empty() => return CellOutcome::Same,
            Mode::Scan | Mode::Masker(..) => return self.treat_found(plan, cell, within.found, tools, out),
        };
        self.count(&key);
        let masked = plan.column.treat_whole(cell, &treatment, tools.tokens, out);
        outcome(masked.ok())
    }

    fn treat_found(
        &mut self,
        plan: &ColumnPlan,
        cell: &[u8],
        found: &[Found],
        tools: &Tools<'_>,
        out: &mut Vec<u8>,
    ) -> CellOutcome {
        found.iter().for_each(|found| self.count(&found.key));
        let first = found[0].first_text;
        let findings: Vec<LeafFinding<'_>> = found
            .iter()
            .map(|found| LeafFinding {
                text: found.text - first,
                start: found.start,
                end: found.end,
                treatment: &found.treatment,
                replacement: found.replacement.as_deref(),
            })
            .collect();
        let masked = plan.column.replace(cell, &findings, tools.tokens, out);
        outcome(masked.ok())
    }

    fn count(&mut self, key: &Arc<str>) {
        match self.treated.get_mut(key) {
            Some(count) => *count += 1,
            None => {
                self.treated.insert(Arc::clone(key), 1);
            }
        }
    }
}

/// What becomes of a cell.
enum CellOutcome {
    Same,
    Value,
    Null,
}

/// What cannot be masked is NULL.
fn outcome(masked: Option<Masked>) -> CellOutcome {
    match masked {
        Some(Masked::Value) => CellOutcome::Value,
        Some(Masked::Null) | None => CellOutcome::Null,
    }
}

/// `default_treatment = "keep"` is a choice for findings of labels nobody named; it is none for what could not be judged.
fn closed(treatment: &Treatment) -> &Treatment {
    match treatment {
        Treatment::Keep | Treatment::Plugin(_) => &Treatment::Redact,
        Treatment::Null | Treatment::Redact | Treatment::KeepLast(_) | Treatment::Token => treatment,
    }
}

/// The texts of a block of rows, column by column.
struct Gathered {
    /// One for each column that is read.
    texts: Vec<ColumnTexts>,
    /// For each column, its index in `texts`.
    places: Vec<Option<usize>>,
    /// For each of `texts`, the first text of each row, and one more for the end.
    starts: Vec<Vec<usize>>,
    /// Cells that could not be read: column, row; sorted.
    void: Vec<(usize, usize)>,
}

/// What was found in one cell.
struct Within<'f> {
    found: &'f [Found],
    is_void: bool,
}

impl Gathered {
    fn from_rows(result: &ResultPlan, rows: &[u8]) -> Result<Self, Violation> {
        let mut gathered =
            Self { texts: Vec::new(), places: Vec::new(), starts: Vec::new(), void: Vec::new() };
        for (index, plan) in result.columns.iter().enumerate() {
            let reads = matches!(plan.mode, Mode::Scan | Mode::Masker(..));
            gathered.places.push(reads.then_some(gathered.texts.len()));
            if reads {
                gathered.texts.push(ColumnTexts::new(index as u32));
                gathered.starts.push(vec![0]);
            }
        }
        for (row, message) in messages(rows).enumerate() {
            walk_row(message, result.columns.len(), |index, cell| {
                if let Some(place) = gathered.places[index] {
                    gathered.gather(&result.columns[index], place, (index, row), cell);
                }
            })?;
        }
        gathered.void.sort_unstable();
        Ok(gathered)
    }

    fn gather(&mut self, plan: &ColumnPlan, place: usize, position: (usize, usize), cell: Option<&[u8]>) {
        let texts = &mut self.texts[place];
        if let Some(cell) = cell {
            let mut push = |text: &str| texts.push(text);
            let read = match plan.mode {
                Mode::Masker(..) => plan.column.values(cell, &mut push),
                Mode::Scan | Mode::Pass | Mode::Whole(..) => plan.column.texts(cell, &mut push),
            };
            if read.is_err() {
                // What was read of it counts for nothing: the cell is treated whole.
                self.void.push(position);
            }
        }
        self.starts[place].push(texts.len());
    }

    fn found_in<'f>(&self, found: &'f [Found], column: usize, row: usize) -> Within<'f> {
        let Some(place) = self.places[column] else { return Within { found: &[], is_void: false } };
        let (first, end) = (self.starts[place][row], self.starts[place][row + 1]);
        let from = found.partition_point(|found| (found.field, found.text) < (column, first));
        let to = found.partition_point(|found| (found.field, found.text) < (column, end));
        let is_void = self.void.binary_search(&(column, row)).is_ok();
        Within { found: &found[from..to], is_void }
    }

    /// The number of the first text of the cell that a text belongs to.
    fn first_of_cell(&self, column: usize, text: usize) -> usize {
        let Some(place) = self.places[column] else { return text };
        let starts = &self.starts[place];
        starts[starts.partition_point(|start| *start <= text) - 1]
    }

    fn slice(&self, found: &Found) -> &str {
        let texts = self.places[found.field].map(|place| &self.texts[place]);
        texts.and_then(|texts| text_at(texts, found.text).get(found.start..found.end)).unwrap_or_default()
    }
}

fn text_at(texts: &ColumnTexts, index: usize) -> &str {
    texts.text(index).unwrap_or_default()
}

impl Mentioned {
    fn by(judged: &Judged) -> Self {
        let resolves = |kind: &str| kind == "fetch" || kind == "execute";
        let unresolved = judged.statement.actions.iter().filter(|action| resolves(&action.kind)).count();
        if unresolved > judged.behind.len() {
            return Self::Anything;
        }
        let statements = std::iter::once(&judged.statement).chain(&judged.behind);
        let mut columns = Vec::new();
        let mut tables = Vec::new();
        for action in statements.flat_map(|statement| &statement.actions) {
            for action in std::iter::successors(Some(action), |action| action.inner.as_deref()) {
                columns.extend(action.columns.iter().cloned());
                let relations = action.objects.iter().filter(|object| object.kind == ObjectKind::Relation);
                tables.extend(relations.map(|object| last_name(&object.name).to_owned()));
            }
        }
        Self::Names { columns, tables }
    }

    /// Whether a computed value of the statement may be made from a column that the pattern covers.
    fn may_mention(&self, pattern: &ColumnPattern) -> bool {
        match self {
            Self::Anything => true,
            Self::Names { columns, tables } => {
                columns.iter().any(|column| column == pattern.column())
                    || columns.iter().any(|column| column == "*")
                        && tables.iter().any(|table| pattern.may_cover_table(table))
            }
        }
    }
}

/// `users` of `public.users`. A quoted part may hold dots, which makes the name longer than it is, never another's.
fn last_name(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name).trim_matches('"')
}
