//! What a shield tells those who observe: blocks that detectors have looked at, and what clients get of them without the values
//! in which a detector found anything. Nothing here changes what becomes of a row.

use std::collections::{BTreeMap, BTreeSet};

use grille_core::recording::TreatedCount;
use grille_plugin::ColumnTexts;

use super::{Found, Gathered, Mode, Outcome, ResultPlan, Shield};
use crate::observation::{Observer, Scanned, Watch};

/// What stands in a recording for a value in which a detector found something. It is no empty text, so that as many values
/// of the column are looked at in a replay as were then.
const WITHHELD: &str = "[redacted]";

/// What a client gets of a block, and why.
pub(super) struct Released<'r> {
    /// The texts of the block as the server sent it.
    pub(super) gathered: &'r Gathered,
    /// The block as the client gets it.
    pub(super) rows: &'r [u8],
    /// What was treated in it.
    pub(super) found: &'r [Found],
}

impl Shield {
    /// Has candidates look at what the detectors they may replace have looked at.
    pub(super) fn tell_of_block(&self, result: &ResultPlan, gathered: &Gathered, observer: &Observer) {
        if result.scanner.is_none() || self.blind {
            return;
        }
        for detector in &self.role.detectors {
            let Some(watch) = observer.watch(detector, self.role.shadow_of(detector.id())) else { continue };
            let scanned = Scanned { fields: &result.infos, kept: &self.kept() };
            watch.looked_at(self.asker.occasion(self.exchange), scanned, result.scanned(gathered));
        }
    }

    /// Has recordings take down what the detectors let through, read from the rows as the client gets them. A value in which a
    /// detector found anything is left out whole, also where the role keeps such values or too little speaks for the finding:
    /// what is masked for others shall not be on the disk because this client may see it.
    pub(super) fn tell_of_release(&self, result: &ResultPlan, block: &Released<'_>, observer: &Observer) {
        let Some(scanner) = result.scanner.as_ref().filter(|_| !self.blind) else { return };
        for detector in &self.role.detectors {
            let Some(watch) = observer.watch(detector, None).filter(Watch::wants_released) else {
                continue;
            };
            let mut released = Gathered::of(&result.columns);
            // Rows that Grille has written read well; what does not is not recorded.
            if released.fill(&result.columns, block.rows).is_ok() && released.void.is_empty() {
                released.withhold(&block.gathered.cells_of(scanner.noticed()));
                let occasion = self.asker.occasion(self.exchange);
                let treated = treated(result, block.found);
                watch.released(occasion, &result.infos, result.scanned(&released), treated);
            }
        }
    }
}

impl Outcome {
    /// What the client gets in place of `rows`.
    pub(super) fn rows<'r>(&'r self, rows: &'r [u8]) -> &'r [u8] {
        match self {
            Self::Unchanged => rows,
            Self::Rewritten(rows) => rows,
        }
    }
}

impl Gathered {
    /// The cells of texts, given by field and number: their place among `texts`, and their row.
    fn cells_of(&self, texts: &[(u32, usize)]) -> BTreeSet<(usize, usize)> {
        let cell = |(field, text): &(u32, usize)| {
            let place = (*self.places.get(*field as usize)?)?;
            Some((place, self.starts[place].partition_point(|start| start <= text).checked_sub(1)?))
        };
        texts.iter().filter_map(cell).collect()
    }

    /// Without the texts of these cells. A cell may have other texts than before it was treated, so all of them go.
    fn withhold(&mut self, cells: &BTreeSet<(usize, usize)>) {
        for (place, (texts, starts)) in self.texts.iter_mut().zip(&self.starts).enumerate() {
            let mut kept = ColumnTexts::new(texts.field());
            for (row, bounds) in starts.windows(2).enumerate() {
                let is_withheld = cells.contains(&(place, row));
                for text in bounds[0]..bounds[1] {
                    kept.push(if is_withheld { WITHHELD } else { texts.text(text).unwrap_or_default() });
                }
            }
            *texts = kept;
        }
    }
}

impl ResultPlan {
    /// The texts that detectors are given.
    fn scanned<'g>(&'g self, gathered: &'g Gathered) -> impl Iterator<Item = &'g ColumnTexts> + Clone {
        let is_scanned =
            |texts: &&ColumnTexts| matches!(self.columns[texts.field() as usize].mode, Mode::Scan);
        gathered.texts.iter().filter(is_scanned)
    }
}

/// How often what was found by detectors, by label and column.
fn treated(result: &ResultPlan, found: &[Found]) -> Vec<TreatedCount> {
    let mut counts: BTreeMap<(&str, usize), u64> = BTreeMap::new();
    let by_detectors = found.iter().filter(|one| matches!(result.columns[one.field].mode, Mode::Scan));
    by_detectors.for_each(|one| *counts.entry((&one.key, one.field)).or_default() += 1);
    let counted = counts.into_iter().map(|((label, field), count)| {
        let column = result.infos.get(field).map(|info| info.name.clone()).unwrap_or_default();
        TreatedCount { label: label.to_owned(), column, count }
    });
    counted.collect()
}
