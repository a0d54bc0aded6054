//! `grille/pii`: finds personal data by shape and check. A file for each kind; this one knows which are on, looks at a
//! text's bytes to see which could be in it, and puts a score on what they report.

mod boundary;
mod card;
mod census;
mod context;
mod email;
mod iban;
mod kind;
mod phone;
#[cfg(test)]
mod sample;
mod ssn;
#[cfg(test)]
mod tests;

use census::Census;
use grille_sdk::{Cell, Detector, Diagnostic, Findings};
use kind::Kind;
use serde::Deserialize;

grille_sdk::detector!(Pii);

/// What the operator may set.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// The kinds that are looked for.
    labels: Vec<Kind>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { labels: Kind::ALL.to_vec() }
    }
}

/// The configured detector.
struct Pii {
    kinds: Vec<Kind>,
}

impl Detector for Pii {
    type Settings = Settings;

    fn configure(settings: Settings) -> Result<Self, Vec<Diagnostic>> {
        let mut kinds = settings.labels;
        kinds.sort();
        kinds.dedup();
        if kinds.is_empty() {
            return Err(vec![Diagnostic::new("/labels", "a detector that looks for nothing finds nothing")]);
        }
        Ok(Self { kinds })
    }

    fn inspect(&self, cell: Cell<'_>, out: &mut Findings) {
        let census = Census::of(cell.text);
        for kind in self.kinds.iter().filter(|kind| kind.may_be_in(&census)) {
            kind.scan(cell.text, |range, support| {
                let support = kind.with_context(cell.text, &range, support);
                out.add(kind.label(), range, kind.score(support), support);
            });
        }
    }
}
