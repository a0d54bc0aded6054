//! One instance of a plugin: made for one exchange, thrown away after it, never used again after a failure.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::Store;

use crate::component::Component;
use crate::engine::{Engine, ticks};
use crate::failure::FailureEvent;
use crate::host_state::{GuestLog, HostState, Phase};
use crate::v0_1::{Answer, Bindings};

/// A live instance.
pub(crate) struct Instance {
    store: Store<HostState>,
    bindings: Bindings,
    ticks: u64,
    /// Deadlines pass as long as the engine lives.
    _engine: Engine,
}

impl Instance {
    /// Makes one. Its calls take at most `deadline` each, this one included.
    pub(crate) fn new(
        component: &Component,
        log: &Arc<GuestLog>,
        deadline: Duration,
    ) -> Result<Self, FailureEvent> {
        let engine = component.engine();
        let mut store = store(engine, Arc::clone(log));
        let ticks = ticks(deadline);
        store.set_epoch_deadline(ticks);
        let bindings = component
            .linked()
            .instantiate(&mut store)
            .map_err(|error| FailureEvent::of_instantiation(&error))?;
        Ok(Self { store, bindings, ticks, _engine: engine.clone() })
    }

    /// Hands settings to the plugin; the inner error is what it finds wrong with them.
    pub(crate) fn configure(
        &mut self,
        settings: &str,
    ) -> Result<Result<(), Vec<(String, String)>>, FailureEvent> {
        self.store.data_mut().enter(Phase::Configuring);
        let answer = self.call(|bindings, store| bindings.configure(store, settings))?;
        self.store.data_mut().enter(Phase::Serving);
        Ok(answer)
    }

    /// Calls an export under the deadline. After an error the instance must be dropped.
    pub(crate) fn call<T, E>(
        &mut self,
        export: impl FnOnce(&Bindings, &mut Store<HostState>) -> Answer<T, E>,
    ) -> Result<Result<T, E>, FailureEvent> {
        self.store.set_epoch_deadline(self.ticks);
        export(&self.bindings, &mut self.store).map_err(|error| FailureEvent::of_call(&error))
    }
}

/// The one place where a store is made: no store without limits.
fn store(engine: &Engine, log: Arc<GuestLog>) -> Store<HostState> {
    let limits = engine.limits();
    let state = HostState::new(limits, log);
    let mut store = Store::new(engine.wasmtime(), state);
    store.limiter(|state| state);
    store.epoch_deadline_trap();
    store.set_hostcall_fuel(limits.transfer_bytes());
    store
}
