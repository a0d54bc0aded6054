//! What happens to a result on its way to the client: protected columns are treated whole, what is computed from them or of
//! unknown origin gives way to a constant, texts are given to the detectors and what they find is treated, everything else
//! passes as bytes.
//!
//! Fails closed: what a detector could not look at is treated whole, what a masker could not mask is redacted, a cell that
//! cannot be read or masked becomes NULL.

mod observed;

use std::collections::BTreeMap;
use std::slice;
use std::sync::Arc;

use bytes::BytesMut;
use grille_core::{ExchangeId, TokenUse, Treatment};
use grille_plugin::untrusted::{CellBlock, Edits};
use grille_plugin::{ColumnTexts, FieldInfo, Masker, Plugin, PluginFailure, ResultScanner, UNSCANNED};
use grille_wire::postgres::value::{Column, LeafFinding, Masked, Tokenizer};
use grille_wire::postgres::{Field, Violation, messages, put_row, walk_row};
use grille_wire::sql::TextEncoding;
use grille_wire::sql::lineage::{Output, Outputs, Provenance};
use tokio::task::block_in_place;
use tracing::warn;

use crate::catalog::{Origin, Rule, Snapshot};
use crate::decisions::Judged;
use crate::generation::ArmedRole;
use crate::judge::Asker;
use crate::lineage::Traced;
use crate::metrics::Metrics;
use crate::observation::Observer;
use observed::Released;

/// The shield of one exchange.
pub(super) struct Shield {
    role: Arc<ArmedRole>,
    asker: Asker,
    exchange: ExchangeId,
    result: Option<ResultPlan>,
    /// A detector failed: from then on everything it should have seen is treated.
    blind: bool,
    treated: BTreeMap<Arc<str>, u64>,
}

/// What the session lends for the treatment of one block.
pub(super) struct Tools<'t> {
    pub(super) tokens: &'t Tokenizer,
    pub(super) metrics: &'t Metrics,
    pub(super) observer: &'t Observer,
}

/// Where the columns of a result come from.
pub(super) struct Sources {
    /// The catalogue, at least as new as what the statement was judged under.
    pub(super) snapshot: Arc<Snapshot>,
    /// The lineage under that catalogue; none where it could not be had.
    pub(super) traced: Option<Arc<Traced>>,
    /// Which of the message's statements has the result.
    pub(super) statement: usize,
    /// How the session writes texts.
    pub(super) encoding: Arc<TextEncoding>,
}

/// What is done with the columns of the result at hand.
struct ResultPlan {
    fields: Arc<[Field]>,
    columns: Vec<ColumnPlan>,
    scanner: Option<ResultScanner>,
    /// What detectors are told of the columns; empty where none looks.
    infos: Arc<[FieldInfo]>,
    /// The texts of the block at hand. Kept from block to block for its buffers.
    gathered: Gathered,
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
    /// Replaced by tokens of the rule that can be turned back; counted under the key, which is the rule.
    Seal(Arc<str>),
    /// Every cell, NULL or not, gives way to the same one; counted under the key.
    Surrogate(Option<Vec<u8>>, Arc<str>),
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
        (!judged.passes(&role.role)).then(|| Self {
            role: Arc::clone(role),
            asker: asker.clone(),
            exchange,
            result: None,
            blind: false,
            treated: BTreeMap::new(),
        })
    }

    /// Whether a result with these columns has not been planned yet.
    pub(super) fn needs_plan(&self, fields: &Arc<[Field]>) -> bool {
        !self.result.as_ref().is_some_and(|result| Arc::ptr_eq(&result.fields, fields))
    }

    /// Decides what is done with each column of a result, before its first rows.
    pub(super) fn plan(&mut self, fields: &Arc<[Field]>, sources: &Sources) {
        let columns: Vec<ColumnPlan> =
            (0..fields.len()).map(|index| self.plan_column(fields, index, sources)).collect();
        let scans = columns.iter().any(|column| matches!(column.mode, Mode::Scan));
        let infos: Arc<[FieldInfo]> =
            if scans { infos(fields, &columns, &sources.snapshot).collect() } else { Arc::default() };
        let scanner = scans.then(|| self.scanner(&infos));
        let gathered = Gathered::of(&columns);
        self.result = Some(ResultPlan { fields: Arc::clone(fields), columns, scanner, infos, gathered });
    }

    /// Values treated so far, by label or column.
    pub(super) fn treated(&self) -> BTreeMap<String, u64> {
        self.treated.iter().map(|(key, count)| (key.to_string(), *count)).collect()
    }

    /// Treats a block of whole rows of the result that was planned last. Calls plugins: other sessions of this worker go on
    /// meanwhile.
    pub(super) fn treat(&mut self, rows: &[u8], tools: &Tools<'_>) -> Result<Outcome, Violation> {
        let mut result = self.result.take().ok_or(Violation::RowsUndescribed)?;
        let outcome = self.treat_with(&mut result, rows, tools);
        self.result = Some(result);
        outcome
    }

    fn scanner(&self, infos: &[FieldInfo]) -> ResultScanner {
        let context = self.asker.context(self.exchange);
        ResultScanner::new(&self.role.detectors, context, infos.to_vec()).ignoring(self.kept())
    }

    /// Labels that are left as they are.
    fn kept(&self) -> Vec<String> {
        let kept = self.role.role.treatments.iter().filter(|(_, treatment)| **treatment == Treatment::Keep);
        kept.map(|(label, _)| label.clone()).collect()
    }

    fn plan_column(&self, fields: &[Field], index: usize, sources: &Sources) -> ColumnPlan {
        let field = &fields[index];
        let (type_oid, typmod) = sources.snapshot.base_type(field.type_oid, field.typmod);
        let column = Column::new(type_oid, typmod, field.format).in_encoding(Arc::clone(&sources.encoding));
        let column = if sources.snapshot.schema().is_vector(type_oid) { column.of_vectors() } else { column };
        let mode = match verdict(field, sources.output(index, fields.len()), sources) {
            Verdict::Derived(key) => {
                let mut cell = Vec::new();
                let surrogate = match column.surrogate(&mut cell) {
                    Masked::Value => Some(cell),
                    Masked::Null => None,
                };
                Mode::Surrogate(surrogate, key)
            }
            Verdict::Kept => Mode::Pass,
            Verdict::Ruled(rule) => match rule.treatment {
                Treatment::Keep => Mode::Pass,
                Treatment::Plugin(masker) if column.is_scanned() => Mode::Masker(masker, rule.key),
                Treatment::Token if self.role.role.tokens == TokenUse::RoundTrip => Mode::Seal(rule.key),
                treatment @ (Treatment::Null
                | Treatment::Redact
                | Treatment::KeepLast(_)
                | Treatment::Token
                | Treatment::Plugin(_)) => Mode::Whole(treatment, rule.key),
            },
            Verdict::Free if column.is_scanned() && !self.role.detectors.is_empty() => Mode::Scan,
            Verdict::Free => Mode::Pass,
        };
        ColumnPlan { column, mode }
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
        let mut gathered = std::mem::take(&mut result.gathered);
        gathered.fill(&result.columns, rows)?;
        let outcome = self.treat_gathered(result, rows, &gathered, tools);
        result.gathered = gathered;
        outcome
    }

    fn treat_gathered(
        &mut self,
        result: &mut ResultPlan,
        rows: &[u8],
        gathered: &Gathered,
        tools: &Tools<'_>,
    ) -> Result<Outcome, Violation> {
        let mut found = self.scan(result, gathered, tools);
        self.ask_maskers(result, gathered, &mut found, tools);
        if tools.observer.is_busy() {
            self.tell_of_block(result, gathered, tools.observer);
        }
        let outcome = if found.is_empty() && gathered.void.is_empty() && !self.treats_whole(result) {
            Outcome::Unchanged
        } else {
            Outcome::Rewritten(self.rewrite(result, rows, gathered, &found, tools)?)
        };
        if tools.observer.is_busy() {
            let released = Released { gathered, rows: outcome.rows(rows), found: &found };
            self.tell_of_release(result, &released, tools.observer);
        }
        Ok(outcome)
    }

    fn treats_whole(&self, result: &ResultPlan) -> bool {
        result.columns.iter().any(|plan| match plan.mode {
            Mode::Whole(..) | Mode::Seal(_) | Mode::Surrogate(..) => true,
            Mode::Scan => self.blind,
            Mode::Pass | Mode::Masker(..) => false,
        })
    }

    fn scan(&mut self, result: &mut ResultPlan, gathered: &Gathered, tools: &Tools<'_>) -> Vec<Found> {
        let Some(scanner) = result.scanner.as_mut().filter(|_| !self.blind) else { return Vec::new() };
        let gated = scanner.gate(&gathered.texts);
        let findings = if gated.calls_detectors() { block_in_place(|| gated.scan()) } else { gated.scan() };
        match findings {
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
        warn!(%plugin, exchange = self.exchange.0, failure = failure.event.in_our_words(), "detector failed: its columns are masked whole");
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
            let replacements = self.mask(plugin, &values, tools);
            for (value, index) in mine.into_iter().enumerate() {
                match replacements.as_ref().and_then(|replacements| replacements.value(value)) {
                    Some(replacement) => found[index].replacement = Some(replacement.to_owned()),
                    None => found[index].treatment = Treatment::Redact,
                }
            }
        }
    }

    /// None when the masker failed.
    fn mask(&self, plugin: &Arc<Plugin>, values: &[&str], tools: &Tools<'_>) -> Option<Edits> {
        let mut block = CellBlock::of_column(0, values.iter().copied()).ok()?;
        let info = FieldInfo { kind: "text".into(), ..FieldInfo::default() };
        let context = self.asker.context(self.exchange);
        let masked = block_in_place(|| {
            Masker::begin(plugin, &context, slice::from_ref(&info))
                .and_then(|mut masker| masker.mask(&mut block))
        });
        if let Some(watch) = tools.observer.watch(plugin, self.role.shadow_of(plugin.id())) {
            watch.masked(self.asker.occasion(self.exchange), &info, values);
        }
        masked
            .inspect_err(|failure| {
                tools.metrics.plugin_failed(failure);
                let plugin = &failure.plugin;
                warn!(%plugin, exchange = self.exchange.0, failure = failure.event.in_our_words(), "masker failed: its values are redacted");
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
                    if let Mode::Surrogate(surrogate, key) = &result.columns[index].mode {
                        self.count(key);
                        writer.cell(surrogate.as_deref());
                        continue;
                    }
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
            // Written without a look at the cell, see `rewrite`.
            Mode::Surrogate(..) => return CellOutcome::Null,
            Mode::Whole(treatment, key) => {
                self.count(key);
                return outcome(plan.column.treat_whole(cell, treatment, tools.tokens, out).ok());
            }
            Mode::Seal(rule) => {
                self.count(rule);
                return outcome(plan.column.seal(cell, rule, tools.tokens, out).ok());
            }
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

/// What detectors are told of the columns of a result.
fn infos<'f>(
    fields: &'f [Field],
    columns: &'f [ColumnPlan],
    snapshot: &'f Snapshot,
) -> impl Iterator<Item = FieldInfo> + use<'f> {
    fields.iter().zip(columns).map(|(field, plan)| FieldInfo {
        name: String::from_utf8_lossy(&field.name).into_owned(),
        origin: match snapshot.origin(field.table_oid, field.attribute) {
            Origin::Stored(column) | Origin::Viewed(column) => snapshot.name(column).unwrap_or_default(),
            Origin::Computed | Origin::Unknown => String::new(),
        },
        kind: plan.column.kind().to_owned(),
    })
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
#[derive(Default)]
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
    fn of(columns: &[ColumnPlan]) -> Self {
        let mut gathered = Self::default();
        for (index, plan) in columns.iter().enumerate() {
            let reads = matches!(plan.mode, Mode::Scan | Mode::Masker(..));
            gathered.places.push(reads.then_some(gathered.texts.len()));
            if reads {
                gathered.texts.push(ColumnTexts::new(index as u32));
                gathered.starts.push(Vec::new());
            }
        }
        gathered
    }

    /// Takes the texts of these rows, and forgets those before.
    fn fill(&mut self, columns: &[ColumnPlan], rows: &[u8]) -> Result<(), Violation> {
        self.void.clear();
        self.texts.iter_mut().for_each(ColumnTexts::clear);
        for starts in &mut self.starts {
            starts.clear();
            starts.push(0);
        }
        if self.texts.is_empty() {
            return Ok(());
        }
        for (row, message) in messages(rows).enumerate() {
            walk_row(message, columns.len(), |index, cell| {
                if let Some(place) = self.places[index] {
                    self.gather(&columns[index], place, (index, row), cell);
                }
            })?;
        }
        self.void.sort_unstable();
        Ok(())
    }

    fn gather(&mut self, plan: &ColumnPlan, place: usize, position: (usize, usize), cell: Option<&[u8]>) {
        let texts = &mut self.texts[place];
        if let Some(cell) = cell {
            let mut push = |text: &str| texts.push(text);
            let read = match plan.mode {
                Mode::Masker(..) => plan.column.values(cell, &mut push),
                Mode::Scan | Mode::Pass | Mode::Whole(..) | Mode::Seal(_) | Mode::Surrogate(..) => {
                    plan.column.texts(cell, &mut push)
                }
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

/// What protection says of a column of a result.
enum Verdict {
    /// Nothing: detectors may look at it.
    Free,
    /// A rule leaves it as it is.
    Kept,
    /// It is treated by this rule.
    Ruled(Rule),
    /// It is computed from protected columns, or nobody knows from what; counted under the key.
    Derived(Arc<str>),
}

impl Sources {
    /// What lineage says of a column; none where it counts other columns than the server.
    fn output(&self, index: usize, columns: usize) -> Option<&Output> {
        match self.traced.as_ref()?.outputs(self.statement) {
            Outputs::Known(outputs) if outputs.len() == columns => outputs.get(index),
            Outputs::Known(_) | Outputs::None | Outputs::Unknown => None,
        }
    }
}

/// The server says of a stored column which one it is, and is believed: no name has to be resolved for that. Of a view's
/// column it says which, but not what it shows. The rest is lineage's word.
fn verdict(field: &Field, output: Option<&Output>, sources: &Sources) -> Verdict {
    let Some(traced) = &sources.traced else { return Verdict::Derived(UNKNOWN.into()) };
    let protected = &traced.protected;
    let ruled = |rule: Option<&Rule>| rule.map_or(Verdict::Free, |rule| Verdict::Ruled(rule.clone()));
    let origin = sources.snapshot.origin(field.table_oid, field.attribute);
    let column = match origin {
        Origin::Stored(column) | Origin::Viewed(column) => Some(column),
        Origin::Computed | Origin::Unknown => None,
    };
    if column.is_some_and(|column| protected.keeps(column)) {
        return Verdict::Kept;
    }
    if protected.is_empty() {
        return Verdict::Free;
    }
    let named = column.and_then(|column| protected.rule(column));
    match (origin, output.map(|output| &output.provenance)) {
        // The table is the session's own, and nothing else could have put a table there that the catalogue has not.
        (Origin::Unknown, Some(Provenance::Clean)) if output.is_some_and(|output| output.from_created) => {
            Verdict::Free
        }
        (Origin::Stored(_), _) | (Origin::Viewed(_) | Origin::Computed, Some(Provenance::Clean)) => {
            ruled(named)
        }
        (Origin::Viewed(_) | Origin::Computed, Some(Provenance::Direct(columns))) => {
            let rules = columns.iter().map(|column| protected.rule(*column));
            let rules: Option<Vec<&Rule>> = rules.chain(named.map(Some)).collect();
            let strictest =
                rules.unwrap_or_default().into_iter().max_by_key(|rule| rule.treatment.strictness());
            strictest.map_or_else(|| Verdict::Derived(UNKNOWN.into()), |rule| Verdict::Ruled(rule.clone()))
        }
        (Origin::Viewed(_) | Origin::Computed, Some(Provenance::Derived(columns))) => {
            let rule = columns.iter().find_map(|column| protected.rule(*column));
            Verdict::Derived(rule.map_or_else(|| UNKNOWN.into(), |rule| Arc::clone(&rule.key)))
        }
        (Origin::Viewed(_) | Origin::Computed, Some(Provenance::Unknown) | None) | (Origin::Unknown, _) => {
            Verdict::Derived(UNKNOWN.into())
        }
    }
}

/// What values of unknown origin are counted under.
const UNKNOWN: &str = "column:unknown";
