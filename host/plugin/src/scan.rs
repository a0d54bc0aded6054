//! Leads the texts of a result past the detectors of a role: native gate, blocks, Wasm, evidence of the column, overlaps.
//! What comes out is where sensitive data is; what is done to it is decided elsewhere.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use grille_core::Finding;
use grille_core::evidence::ColumnEvidence;

use crate::context::{ExchangeContext, FieldInfo};
use crate::failure::{FailureEvent, PluginFailure};
use crate::gate::GateSet;
use crate::limits::{BLOCK_BYTES_MAX, BLOCK_CELLS_MAX, TEXT_BYTES_MAX};
use crate::plugin::{Detector, Plugin};
use crate::untrusted::{BadOutput, CellBlock};

/// The label of a text that no detector was shown because it is too large: all of it counts as sensitive.
pub const UNSCANNED: &str = "UNSCANNED";

/// The texts of one column that arrived together: its values, or the strings inside its values (JSON, arrays).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnTexts {
    field: u32,
    ends: Vec<usize>,
    data: String,
}

impl ColumnTexts {
    /// No texts yet; `field` is the column's index in the fields given to [`ResultScanner::new`].
    pub fn new(field: u32) -> Self {
        Self { field, ..Self::default() }
    }

    /// Adds a text. One that may not be shown to a detector (NULL) is left out, or added empty to keep the count.
    pub fn push(&mut self, text: &str) {
        self.data.push_str(text);
        self.ends.push(self.data.len());
    }

    /// Forgets the texts; the buffers stay.
    pub fn clear(&mut self) {
        self.ends.clear();
        self.data.clear();
    }

    /// The column.
    pub fn field(&self) -> u32 {
        self.field
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// A text, where it exists.
    pub fn text(&self, index: usize) -> Option<&str> {
        let start =
            index.checked_sub(1).map_or(0, |before| self.ends.get(before).copied().unwrap_or_default());
        self.data.get(start..*self.ends.get(index)?)
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|index| self.text(index))
    }
}

/// Sensitive data in a text. Findings of one text do not overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanFinding {
    /// The column.
    pub field: u32,
    /// Index of the text within its column's [`ColumnTexts`].
    pub text: usize,
    /// Byte offsets into the text, on UTF-8 boundaries, `start < end`.
    pub start: usize,
    /// See `start`.
    pub end: usize,
    /// The label's name; [`UNSCANNED`] for a text too large to look at.
    pub label: Arc<str>,
}

/// The detectors of a role at work on one result. Instances are made when a text first needs one, so a clean result costs
/// none.
pub struct ResultScanner {
    context: ExchangeContext,
    fields: Vec<FieldInfo>,
    detectors: Vec<Searcher>,
    ignored: Vec<String>,
    /// See [`ResultScanner::noticed`].
    noticed: Vec<(u32, usize)>,
    block: CellBlock,
    /// For each detector, what its gate says of each column.
    gated: Vec<Vec<Gated>>,
}

impl ResultScanner {
    /// For a result with these fields. Every detector sees all of them.
    pub fn new(detectors: &[Arc<Plugin>], context: ExchangeContext, fields: Vec<FieldInfo>) -> Self {
        let detectors = detectors.iter().map(|plugin| Searcher::new(plugin, &fields)).collect();
        let (ignored, noticed, block) = (vec![], vec![], CellBlock::default());
        Self { context, fields, detectors, ignored, noticed, block, gated: vec![] }
    }

    /// The same, blind to some labels: what is to be left as it is must not win an overlap against what is not.
    #[must_use]
    pub fn ignoring(self, labels: Vec<String>) -> Self {
        Self { ignored: labels, ..self }
    }

    /// What is sensitive in a block of the result, sorted by field, text and start. A column's evidence grows from block to
    /// block, so columns come in order, and each field at most once in a block. Blocks the thread for as long as the
    /// detectors take, at most a deadline for each block of 256 KiB.
    ///
    /// # Errors
    /// When a detector fails, everything counts as sensitive; later calls fail too.
    pub fn scan(&mut self, columns: &[ColumnTexts]) -> Result<Vec<ScanFinding>, PluginFailure> {
        self.gate(columns).scan()
    }

    /// Field and text of everything that a detector found in the block that was scanned last, in no order: also of labels that
    /// are ignored, and of findings that do not count for want of evidence.
    pub fn noticed(&self) -> &[(u32, usize)] {
        &self.noticed
    }

    /// The first half of [`ResultScanner::scan`], which calls no plugin and is quick.
    pub fn gate<'s>(&'s mut self, columns: &'s [ColumnTexts]) -> GatedScan<'s> {
        self.gated.resize_with(self.detectors.len(), Vec::new);
        for (detector, gated) in self.detectors.iter().zip(&mut self.gated) {
            gated.resize_with(columns.len(), Gated::default);
            for (gated, column) in gated.iter_mut().zip(columns) {
                gated.fill(detector.plugin.gates(), column);
            }
        }
        GatedScan { scanner: self, columns }
    }
}

/// A scan that has passed the gate.
pub struct GatedScan<'s> {
    scanner: &'s mut ResultScanner,
    columns: &'s [ColumnTexts],
}

impl GatedScan<'_> {
    /// Whether [`GatedScan::scan`] is going to call a detector, which blocks the thread.
    pub fn calls_detectors(&self) -> bool {
        self.scanner.gated.iter().flatten().any(|gated| gated.bytes > 0)
    }

    /// See [`ResultScanner::scan`].
    ///
    /// # Errors
    /// As there.
    pub fn scan(self) -> Result<Vec<ScanFinding>, PluginFailure> {
        let ResultScanner { context, fields, detectors, ignored, noticed, block, gated } = self.scanner;
        noticed.clear();
        let mut candidates = vec![];
        for (detector, gated) in detectors.iter_mut().zip(gated) {
            let scene = Scene { columns: self.columns, gated, context, fields };
            let located = detector.search(&scene, block)?;
            noticed.extend(
                located.iter().map(|one| (scene.columns[one.column].field, one.finding.cell as usize)),
            );
            let counting = located.iter().filter(|one| detector.counts(&scene, one));
            candidates.extend(counting.map(|one| detector.candidate(&scene, one)));
            let oversized = candidates.len();
            candidates.extend(unscanned(&scene));
            noticed.extend(candidates[oversized..].iter().map(|one| (one.field, one.text)));
        }
        candidates.retain(|candidate| !ignored.iter().any(|label| **label == *candidate.label));
        Ok(resolve(candidates))
    }
}

/// What the gate says of one column's texts.
#[derive(Default)]
struct Gated {
    /// For each text, whether the detector is shown it.
    shown: Vec<bool>,
    /// Texts that would be shown if they were smaller.
    oversized: Vec<usize>,
    not_empty: u64,
    /// Of all texts that are shown.
    bytes: usize,
}

impl Gated {
    fn fill(&mut self, gates: &GateSet, column: &ColumnTexts) {
        self.shown.clear();
        self.oversized.clear();
        self.not_empty = 0;
        self.bytes = 0;
        for (index, text) in column.texts().enumerate() {
            self.not_empty += u64::from(!text.is_empty());
            let passes = gates.passes(text.as_bytes());
            let fits = text.len() <= TEXT_BYTES_MAX;
            self.shown.push(passes && fits);
            match (passes, fits) {
                (true, true) => self.bytes += text.len(),
                (true, false) => self.oversized.push(index),
                (false, _) => {}
            }
        }
    }
}

/// Everything of one call that detectors look at.
struct Scene<'s> {
    columns: &'s [ColumnTexts],
    gated: &'s [Gated],
    context: &'s ExchangeContext,
    fields: &'s [FieldInfo],
}

impl Scene<'_> {
    /// What a detector is shown of a text; nothing where its gate is closed.
    fn cell(&self, column: usize, text: usize) -> &str {
        if self.gated[column].shown[text] { self.columns[column].text(text).unwrap_or_default() } else { "" }
    }
}

/// Equally many texts of some columns, shown at once.
#[derive(Debug, PartialEq, Eq)]
struct Rectangle {
    columns: Vec<usize>,
    texts: Range<usize>,
}

/// Cuts what is to be shown into blocks: columns with equally many texts together, what is too large column by column and
/// then text by text. A block has at most [`BLOCK_CELLS_MAX`] cells, and [`BLOCK_BYTES_MAX`] bytes or a single text.
fn rectangles(scene: &Scene<'_>) -> Vec<Rectangle> {
    let mut by_length: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, column) in scene.columns.iter().enumerate() {
        if scene.gated[index].bytes > 0 {
            by_length.entry(column.len()).or_default().push(index);
        }
    }
    let mut rectangles = vec![];
    for (length, columns) in by_length {
        let bytes: usize = columns.iter().map(|column| scene.gated[*column].bytes).sum();
        if columns.len() * length <= BLOCK_CELLS_MAX && bytes <= BLOCK_BYTES_MAX {
            rectangles.push(Rectangle { columns, texts: 0..length });
        } else {
            rectangles.extend(columns.into_iter().flat_map(|column| slices(scene, column)));
        }
    }
    rectangles
}

/// Cuts one column into blocks; stretches of which nothing is shown are left out.
fn slices(scene: &Scene<'_>, column: usize) -> Vec<Rectangle> {
    let mut slices = vec![];
    let (mut start, mut bytes) = (0, 0);
    let length = scene.columns[column].len();
    for text in 0..=length {
        let size = if text < length { scene.cell(column, text).len() } else { 0 };
        let full = text - start == BLOCK_CELLS_MAX || bytes + size > BLOCK_BYTES_MAX;
        if text == length || full {
            if bytes > 0 {
                slices.push(Rectangle { columns: vec![column], texts: start..text });
            }
            (start, bytes) = (text, 0);
        }
        bytes += size;
    }
    slices
}

/// A detector at work on one result.
struct Searcher {
    plugin: Arc<Plugin>,
    instance: Option<Detector>,
    labels: Vec<Arc<str>>,
    evidence: Vec<ColumnEvidence>,
}

/// A finding, and in which column of the scene; its cell is the text's index there.
struct Located {
    column: usize,
    finding: Finding,
}

impl Searcher {
    fn new(plugin: &Arc<Plugin>, fields: &[FieldInfo]) -> Self {
        let labels = &plugin.metadata().labels;
        let evidence =
            fields.iter().map(|field| ColumnEvidence::new(labels, &field.name, &field.origin)).collect();
        let labels = labels.iter().map(|label| Arc::from(label.name.as_str())).collect();
        Self { plugin: Arc::clone(plugin), instance: None, labels, evidence }
    }

    /// Everything that the detector finds, whether or not it counts, in order of columns.
    fn search(&mut self, scene: &Scene<'_>, block: &mut CellBlock) -> Result<Vec<Located>, PluginFailure> {
        let mut located = vec![];
        for rectangle in rectangles(scene) {
            self.inspect(scene, &rectangle, block, &mut located)?;
        }
        located.sort_by_key(|one| one.column);
        self.observe(scene, &located);
        Ok(located)
    }

    /// Shows a rectangle to the detector.
    fn inspect(
        &mut self,
        scene: &Scene<'_>,
        rectangle: &Rectangle,
        block: &mut CellBlock,
        located: &mut Vec<Located>,
    ) -> Result<(), PluginFailure> {
        self.fill(scene, rectangle, block)?;
        let detector = match &mut self.instance {
            Some(detector) => detector,
            none => none.insert(Detector::begin(&self.plugin, scene.context, scene.fields)?),
        };
        let rows = rectangle.texts.len();
        for finding in detector.inspect(block)? {
            let cell = finding.cell as usize;
            // Findings were checked against the block, which has `rows` cells for each column.
            let Some(column) = rectangle.columns.get(cell / rows) else { continue };
            let text = rectangle.texts.start + cell % rows;
            let finding = Finding { cell: u32::try_from(text).unwrap_or(u32::MAX), ..finding };
            located.push(Located { column: *column, finding });
        }
        Ok(())
    }

    fn fill(
        &self,
        scene: &Scene<'_>,
        rectangle: &Rectangle,
        block: &mut CellBlock,
    ) -> Result<(), PluginFailure> {
        let columns = &rectangle.columns;
        block.restart(columns.iter().map(|column| scene.columns[*column].field));
        block.rows = u32::try_from(rectangle.texts.len()).unwrap_or(u32::MAX);
        for column in columns {
            for text in rectangle.texts.clone() {
                let pushed = block.push(scene.cell(*column, text).as_bytes());
                pushed.map_err(|_| self.plugin.failure(FailureEvent::BadOutput(BadOutput::TooLarge)))?;
            }
        }
        Ok(())
    }

    /// `located` is in order of its columns.
    fn observe(&mut self, scene: &Scene<'_>, mut located: &[Located]) {
        for (index, column) in scene.columns.iter().enumerate() {
            let (mine, later) = located.split_at(located.partition_point(|one| one.column <= index));
            located = later;
            let Some(evidence) = self.evidence.get_mut(column.field as usize) else { continue };
            let found =
                mine.iter().filter_map(|one| Some((column.text(one.finding.cell as usize)?, &one.finding)));
            evidence.observe(scene.gated[index].not_empty, found);
        }
    }

    fn counts(&self, scene: &Scene<'_>, located: &Located) -> bool {
        let field = scene.columns[located.column].field as usize;
        // A field that was not announced has no evidence against its findings.
        self.evidence.get(field).is_none_or(|evidence| evidence.counts(&located.finding))
    }

    fn candidate(&self, scene: &Scene<'_>, located: &Located) -> Candidate {
        let Located { column, finding } = located;
        Candidate {
            field: scene.columns[*column].field,
            text: finding.cell as usize,
            span: finding.start as usize..finding.end as usize,
            score: finding.score,
            label: self.labels.get(finding.label as usize).cloned().unwrap_or_else(|| UNSCANNED.into()),
        }
    }
}

fn unscanned(scene: &Scene<'_>) -> impl Iterator<Item = Candidate> {
    scene.columns.iter().zip(scene.gated).flat_map(|(column, gated)| {
        gated.oversized.iter().map(|text| Candidate {
            field: column.field,
            text: *text,
            span: 0..column.text(*text).map_or(0, str::len),
            score: u32::MAX,
            label: UNSCANNED.into(),
        })
    })
}

/// A finding that counts, before overlaps are resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    field: u32,
    text: usize,
    span: Range<usize>,
    score: u32,
    label: Arc<str>,
}

impl Candidate {
    /// A part of it that stands.
    fn part(&self, part: Range<usize>) -> ScanFinding {
        ScanFinding {
            field: self.field,
            text: self.text,
            start: part.start,
            end: part.end,
            label: Arc::clone(&self.label),
        }
    }
}

/// Resolves overlaps: the higher score wins, then the longer, then the earlier. What a loser has beside the winner stays
/// sensitive under its own label: otherwise a short finding of high score would uncover the rest of a longer one.
fn resolve(mut candidates: Vec<Candidate>) -> Vec<ScanFinding> {
    candidates.sort_by(|a, b| {
        let text = (a.field, a.text).cmp(&(b.field, b.text));
        let rank = (b.score, b.span.len()).cmp(&(a.score, a.span.len()));
        text.then(rank).then(a.span.start.cmp(&b.span.start)).then(a.label.cmp(&b.label))
    });
    let mut findings = vec![];
    for text in candidates.chunk_by(|a, b| (a.field, a.text) == (b.field, b.text)) {
        // Nearly always: nothing to resolve.
        if let [only] = text {
            findings.push(only.part(only.span.clone()));
            continue;
        }
        let first = findings.len();
        let mut covered = Covered::default();
        for candidate in text {
            findings.extend(covered.add(&candidate.span).into_iter().map(|part| candidate.part(part)));
        }
        findings[first..].sort_by_key(|finding| finding.start);
    }
    findings
}

/// Which bytes of a text have a finding: spans that do not overlap, end by start. Each span added merges those it meets,
/// so that adding n spans costs O(n log n) however they overlap.
#[derive(Default)]
struct Covered(BTreeMap<usize, usize>);

impl Covered {
    /// Covers a span; returns the parts of it that were not covered before.
    fn add(&mut self, span: &Range<usize>) -> Vec<Range<usize>> {
        let mut parts = vec![];
        let (mut start, mut end) = (span.start, span.end);
        let mut at = span.start;
        for (known_start, known_end) in self.meeting(span) {
            if at < known_start {
                parts.push(at..known_start);
            }
            at = at.max(known_end);
            start = start.min(known_start);
            end = end.max(known_end);
            self.0.remove(&known_start);
        }
        if at < span.end {
            parts.push(at..span.end);
        }
        self.0.insert(start, end);
        parts
    }

    /// The known spans that overlap the span, in order.
    fn meeting(&self, span: &Range<usize>) -> Vec<(usize, usize)> {
        let mut meeting: Vec<(usize, usize)> = self
            .0
            .range(..span.end)
            .rev()
            .take_while(|(_, known_end)| **known_end > span.start)
            .map(|(known_start, known_end)| (*known_start, *known_end))
            .collect();
        meeting.reverse();
        meeting
    }
}

#[cfg(test)]
mod tests {
    use grille_core::{EvidenceClass, Gate, Label};
    use proptest::prelude::*;

    use super::*;

    fn candidate(span: Range<usize>, score: u32, label: &str) -> Candidate {
        Candidate { field: 0, text: 0, span, score, label: label.into() }
    }

    fn resolved(candidates: &[Candidate]) -> Vec<(Range<usize>, String)> {
        let findings = resolve(candidates.to_vec());
        findings.into_iter().map(|one| (one.start..one.end, one.label.to_string())).collect()
    }

    #[test]
    fn the_stronger_finding_wins_and_the_rest_of_the_other_stays() {
        let check = |candidates: &[(Range<usize>, u32, &str)], expected: &[(Range<usize>, &str)]| {
            let candidates: Vec<Candidate> = candidates
                .iter()
                .map(|(span, score, label)| candidate(span.clone(), *score, label))
                .collect();
            let expected: Vec<(Range<usize>, String)> =
                expected.iter().map(|(span, label)| (span.clone(), (*label).to_owned())).collect();
            assert_eq!(resolved(&candidates), expected);
        };
        check(&[(0..5, 1, "A"), (5..9, 9, "B")], &[(0..5, "A"), (5..9, "B")]);
        check(&[(0..9, 1, "A"), (3..5, 9, "B")], &[(0..3, "A"), (3..5, "B"), (5..9, "A")]);
        check(&[(0..5, 9, "A"), (3..9, 1, "B")], &[(0..5, "A"), (5..9, "B")]);
        check(&[(0..5, 5, "A"), (0..9, 5, "B")], &[(0..9, "B")]);
        check(&[(4..9, 5, "A"), (0..5, 5, "B")], &[(0..5, "B"), (5..9, "A")]);
        check(&[(0..5, 5, "B"), (0..5, 5, "A")], &[(0..5, "A")]);
    }

    proptest! {
        #[test]
        fn resolving_covers_the_same_bytes_once(
            spans in proptest::collection::vec((0_usize..40, 1_usize..10, 0_u32..4), 0..20),
        ) {
            let candidates: Vec<Candidate> =
                spans.iter().map(|(start, len, score)| candidate(*start..start + len, *score, "A")).collect();
            let mut times = [0; 64];
            for (span, _) in resolved(&candidates) {
                span.for_each(|byte| times[byte] += 1);
            }
            for (byte, times) in times.iter().enumerate() {
                let covered = candidates.iter().any(|one| one.span.contains(&byte));
                prop_assert_eq!(*times, i32::from(covered), "byte {}", byte);
            }
        }
    }

    #[test]
    fn many_overlapping_findings_take_no_quadratic_time() {
        let small = (0..50_000).map(|n| candidate(2 * n..2 * n + 1, 9, "A"));
        let large = (0..50_000).map(|n| candidate(n..100_000 - n, 1, "B"));
        let found = resolve(small.chain(large).collect());
        assert_eq!(found.len(), 100_000);
    }

    fn gates() -> GateSet {
        let label = Label {
            name: "L".into(),
            evidence: EvidenceClass::Alone,
            chance_pass: 0.1,
            headers: vec![],
            headers_against: vec![],
            gates: vec![Gate { digits_min: 1, ..Gate::default() }],
        };
        GateSet::new(&[label]).expect("one set")
    }

    fn plan(columns: &[ColumnTexts]) -> Vec<Rectangle> {
        let gates = gates();
        let mut gated: Vec<Gated> = columns.iter().map(|_| Gated::default()).collect();
        gated.iter_mut().zip(columns).for_each(|(gated, column)| gated.fill(&gates, column));
        let session = crate::SessionContext {
            protocol: "postgres",
            principal: grille_core::Principal {
                issuer: String::new(),
                subject: String::new(),
                groups: vec![],
                kind: grille_core::PrincipalKind::Human,
                token_id: None,
                expires_at: 0,
            },
            role: grille_core::RoleName::new("r"),
            upstream: grille_core::UpstreamName::new("u"),
            target: String::new(),
            client: String::new(),
        };
        let context = ExchangeContext::new(1, &Arc::new(session));
        rectangles(&Scene { columns, gated: &gated, context: &context, fields: &[] })
    }

    fn column(field: u32, texts: &[&str]) -> ColumnTexts {
        let mut column = ColumnTexts::new(field);
        texts.iter().for_each(|text| column.push(text));
        column
    }

    #[test]
    fn columns_of_equal_count_share_a_block_and_clean_ones_are_not_shown() {
        let columns = [
            column(0, &["1", "2"]),
            column(1, &["1", "2", "3"]),
            column(2, &["x", "y"]),
            column(3, &["", "9"]),
            column(4, &[]),
        ];
        let expected =
            [Rectangle { columns: vec![0, 3], texts: 0..2 }, Rectangle { columns: vec![1], texts: 0..3 }];
        assert_eq!(plan(&columns), expected);
    }

    #[test]
    fn large_columns_are_cut() {
        let text = "1".repeat(BLOCK_BYTES_MAX / 2);
        let large = column(0, &[&text, &text, &text, "x", "1"]);
        let expected =
            [Rectangle { columns: vec![0], texts: 0..2 }, Rectangle { columns: vec![0], texts: 2..5 }];
        assert_eq!(plan(&[large]), expected);
        let many = column(0, &vec!["1"; BLOCK_CELLS_MAX + 1]);
        let cuts: Vec<Range<usize>> = plan(&[many]).into_iter().map(|one| one.texts).collect();
        assert_eq!(cuts, [0..BLOCK_CELLS_MAX, BLOCK_CELLS_MAX..BLOCK_CELLS_MAX + 1]);
        let mut sparse = vec!["x"; 3 * BLOCK_CELLS_MAX];
        sparse[0] = "1";
        let cuts: Vec<Range<usize>> = plan(&[column(0, &sparse)]).into_iter().map(|one| one.texts).collect();
        assert_eq!(cuts, vec![0..BLOCK_CELLS_MAX; 1]);
        let single = "1".repeat(TEXT_BYTES_MAX);
        assert_eq!(plan(&[column(0, &[&single])]).len(), 1);
        let over = "1".repeat(TEXT_BYTES_MAX + 1);
        assert_eq!(plan(&[column(0, &[&over])]), []);
    }

    #[test]
    fn texts_are_found_again() {
        let column = column(7, &["a", "", "bc"]);
        assert_eq!((column.field(), column.len()), (7, 3));
        assert_eq!(
            (column.text(0), column.text(1), column.text(2), column.text(3)),
            (Some("a"), Some(""), Some("bc"), None)
        );
    }
}
