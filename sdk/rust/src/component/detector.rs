//! The exports of a detector component.

use std::marker::PhantomData;

use bindings::exports::grille::plugin::detector::Guest;
use bindings::exports::grille::plugin::lifecycle;
use bindings::grille::plugin::types;

use super::{keep, with_session};
use crate::{Detector, DetectorSession, Finding, configure_json};

pub use grille_bindings_detector as bindings;
pub use grille_bindings_detector::export;

/// A detector as a component.
pub struct Component<D>(PhantomData<D>);

impl<D: Detector> lifecycle::Guest for Component<D> {
    fn configure(settings_json: String) -> Result<(), Vec<types::Diagnostic>> {
        keep(configure_json(&settings_json, D::configure).map(DetectorSession::new))
    }

    fn begin(ctx: types::Exchange, fields: Vec<types::Field>) -> Result<(), types::Failure> {
        let fields = fields.into_iter().map(Into::into).collect();
        with_session(|session: &mut DetectorSession<D>| session.begin(&ctx.into(), fields))
    }
}

impl<D: Detector> Guest for Component<D> {
    fn inspect(cells: types::Block) -> Result<Vec<types::Finding>, types::Failure> {
        let found = with_session(|session: &mut DetectorSession<D>| session.inspect(&cells.try_into()?))?;
        Ok(found.into_iter().map(Into::into).collect())
    }
}

impl From<Finding> for types::Finding {
    fn from(finding: Finding) -> Self {
        Self {
            cell: finding.cell,
            start: finding.start,
            end: finding.end,
            label: finding.label.0,
            score: finding.score,
            support: finding.support.bits(),
        }
    }
}
