//! What ties a plugin to the interface: the only place that knows the generated bindings. For `wasm32` and for the macros
//! of this crate alone; nothing here is for a plugin's author.

pub mod detector;
pub mod masker;
pub mod policy;

use std::any::Any;
use std::cell::RefCell;

use detector::bindings::grille::plugin::types;

use crate::{Attribute, Block, Diagnostic, Exchange, Failure, Field};

std::thread_local! {
    /// The configured plugin. An instance is one plugin, configured once, and has one thread.
    static SESSION: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

/// Keeps the session that `configure` made.
fn keep<S: 'static>(configured: Result<S, Vec<Diagnostic>>) -> Result<(), Vec<types::Diagnostic>> {
    match configured {
        Ok(session) => {
            SESSION.set(Some(Box::new(session)));
            Ok(())
        }
        Err(diagnostics) => Err(diagnostics
            .into_iter()
            .map(|Diagnostic { pointer, message }| types::Diagnostic { pointer, message })
            .collect()),
    }
}

/// Works with the session that `configure` made; a failure if it made none.
fn with_session<S: 'static, T>(work: impl FnOnce(&mut S) -> Result<T, Failure>) -> Result<T, types::Failure> {
    SESSION.with_borrow_mut(|slot| {
        let session = slot.as_mut().and_then(|session| session.downcast_mut::<S>());
        let outcome = session.ok_or_else(|| Failure::new("called before configure")).and_then(work);
        outcome.map_err(|Failure { message }| types::Failure { message })
    })
}

/// A failure of the host's, as plugins see it.
pub(crate) fn failure(types::Failure { message }: types::Failure) -> Failure {
    Failure { message }
}

impl From<Attribute> for types::Attribute {
    fn from(Attribute { key, value }: Attribute) -> Self {
        Self { key, value }
    }
}

impl From<types::Attribute> for Attribute {
    fn from(types::Attribute { key, value }: types::Attribute) -> Self {
        Self { key, value }
    }
}

impl From<types::Exchange> for Exchange {
    fn from(exchange: types::Exchange) -> Self {
        Self {
            id: exchange.id,
            protocol: exchange.protocol,
            principal: exchange.principal,
            principal_kind: exchange.principal_kind,
            groups: exchange.groups,
            role: exchange.role,
            upstream: exchange.upstream,
            target: exchange.target,
            client: exchange.client,
            attributes: exchange.attributes.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<types::Field> for Field {
    fn from(types::Field { name, origin, kind }: types::Field) -> Self {
        Self { name, origin, kind }
    }
}

impl TryFrom<types::Block> for Block {
    type Error = Failure;

    fn try_from(block: types::Block) -> Result<Self, Failure> {
        Self::new(block.rows, block.fields, block.offsets, block.data)
    }
}
