//! The exports of a masker component.

use std::marker::PhantomData;

use bindings::exports::grille::plugin::lifecycle;
use bindings::exports::grille::plugin::masker::Guest;

use super::{keep, types, with_session};
use crate::{Edits, Masker, MaskerSession, configure_json};

pub use grille_bindings_masker as bindings;
pub use grille_bindings_masker::export;

/// A masker as a component.
pub struct Component<M>(PhantomData<M>);

impl<M: Masker> lifecycle::Guest for Component<M> {
    fn configure(settings_json: String) -> Result<(), Vec<types::Diagnostic>> {
        keep(configure_json(&settings_json, M::configure).map(MaskerSession::new))
    }

    fn begin(ctx: types::Exchange, fields: Vec<types::Field>) -> Result<(), types::Failure> {
        let fields = fields.into_iter().map(Into::into).collect();
        with_session(|session: &mut MaskerSession<M>| session.begin(&ctx.into(), fields))
    }
}

impl<M: Masker> Guest for Component<M> {
    fn mask(cells: types::Block) -> Result<types::Edits, types::Failure> {
        let edits = with_session(|session: &mut MaskerSession<M>| session.mask(&cells.try_into()?))?;
        let Edits { cells, offsets, data } = edits;
        Ok(types::Edits { cells, offsets, data: data.into_bytes() })
    }
}
