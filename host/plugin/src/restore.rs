//! How an exchange's instance comes to be configured: as a copy of a snapshot where that works, else each anew.

use std::borrow::Cow;

use crate::compiler::{CompileError, Request};
use crate::component::{Component, Facts};
use crate::failure::host_text;
use crate::instance::Rehearsal;
use crate::snapshot::NoSnapshot;
use crate::v0_1::Linked;

/// How the instance of an exchange comes to be configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restores {
    /// It begins as a copy of one that was configured when the plugin was loaded.
    Snapshot,
    /// It is configured before it serves, which takes longer and logs again what `configure` logs.
    Configured {
        /// Why there is no snapshot.
        reason: String,
    },
}

/// Why a plugin does without a snapshot. It works all the same.
#[derive(Debug, thiserror::Error)]
enum NotRestorable {
    /// The component is not made for it; the words are the compiler's process's.
    #[error("{0}")]
    Component(String),
    /// Its state cannot be kept.
    #[error(transparent)]
    State(#[from] NoSnapshot),
    /// With its state, it does not compile; most often because it takes too long.
    #[error("its snapshot could not be compiled: {0}")]
    Compile(#[from] CompileError),
    /// It was compiled, but does not fit its world. This would be our own mistake.
    #[error("its snapshot does not fit its world: {0}")]
    Link(String),
}

/// What an exchange's instances are made of, after a rehearsal in which the settings were accepted. Blocks for as long as
/// the compiler runs when there is no snapshot in the cache.
pub(crate) fn restorable(
    component: &Component,
    settings_digest: &str,
    rehearsal: Rehearsal,
) -> (Linked, Restores) {
    match snapshot(component, settings_digest, rehearsal) {
        Ok(linked) => (linked, Restores::Snapshot),
        Err(reason) => (component.linked().clone(), Restores::Configured { reason: reason.to_string() }),
    }
}

/// A component that begins as the rehearsal left it. Kept under the digests of the component and of the settings, for its
/// state cannot come from anywhere else.
fn snapshot(
    component: &Component,
    settings_digest: &str,
    rehearsal: Rehearsal,
) -> Result<Linked, NotRestorable> {
    if let Some(reason) = component.no_snapshot() {
        return Err(NotRestorable::Component(reason.to_owned()));
    }
    let Facts { engine, world, imports, digest, .. } = &**component.facts();
    let key = format!("{digest}-{settings_digest}");
    let prepared = match engine.cached(&key) {
        Some(prepared) => prepared,
        None => {
            let state = Some(Cow::Owned(rehearsal.state()?));
            engine.compile_as(&key, &Request { component: component.bytes(), state })?
        }
    };
    Linked::new(&prepared.compiled, *world, imports).map_err(|error| NotRestorable::Link(host_text(&error)))
}
