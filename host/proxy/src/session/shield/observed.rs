//! What a shield tells those who observe: blocks that detectors have looked at, and what clients get of them. Nothing here
//! changes what becomes of a row.

use std::collections::BTreeMap;

use grille_core::recording::TreatedCount;
use grille_plugin::ColumnTexts;

use super::{Found, Gathered, Mode, Outcome, ResultPlan, Shield};
use crate::observation::{Observer, Scanned, Watch};

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

    /// Has recordings take down what the detectors let through, read from the rows as the client gets them.
    pub(super) fn tell_of_release(
        &self,
        result: &ResultPlan,
        rows: &[u8],
        found: &[Found],
        observer: &Observer,
    ) {
        if result.scanner.is_none() || self.blind {
            return;
        }
        for detector in &self.role.detectors {
            let Some(watch) = observer.watch(detector, None).filter(Watch::wants_released) else {
                continue;
            };
            let mut released = Gathered::of(&result.columns);
            // Rows that Grille has written read well; what does not is not recorded.
            if released.fill(&result.columns, rows).is_ok() && released.void.is_empty() {
                let occasion = self.asker.occasion(self.exchange);
                let treated = treated(result, found);
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
