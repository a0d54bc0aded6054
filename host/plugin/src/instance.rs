//! One instance of a plugin: made for one exchange, thrown away after it, never used again after a failure. And the one
//! before all of them, in which a plugin sees its settings first.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::Instance as Whole;
use wasmtime::{Store, Trap, UpdateDeadline};

use crate::capability::Granted;
use crate::component::{Component, Facts};
use crate::context::ExchangeContext;
use crate::engine::{Engine, ticks};
use crate::failure::FailureEvent;
use crate::host_state::HostState;
use crate::limits::CONFIGURE_DEADLINE;
use crate::snapshot::{NoSnapshot, State};
use crate::usage::Usage;
use crate::v0_1::{Answer, Bindings, Linked};
use crate::wasm_config::Metering;

/// A live instance.
pub(crate) struct Instance {
    store: Store<HostState>,
    bindings: Bindings,
    ticks: u64,
    /// Deadlines pass as long as the engine lives.
    engine: Engine,
}

impl Instance {
    /// Makes one: of a snapshot, or to be configured. Its calls take at most `deadline` each, this one included, and for as long
    /// besides as the host lets it wait for others.
    pub(crate) fn new(
        facts: &Facts,
        linked: &Linked,
        granted: &Arc<Granted>,
        deadline: Duration,
    ) -> Result<Self, FailureEvent> {
        let make = |store: &mut _| linked.instantiate(store).map(|bindings| (bindings, ()));
        Ok(Self::with(facts, granted, deadline, make)?.0)
    }

    fn with<T>(
        facts: &Facts,
        granted: &Arc<Granted>,
        deadline: Duration,
        make: impl FnOnce(&mut Store<HostState>) -> wasmtime::Result<(Bindings, T)>,
    ) -> Result<(Self, T), FailureEvent> {
        let engine = &facts.engine;
        let mut store = store(engine, Arc::clone(granted));
        let ticks = ticks(deadline);
        store.set_epoch_deadline(ticks);
        let (bindings, rest) = make(&mut store).map_err(|error| FailureEvent::of_instantiation(&error))?;
        Ok((Self { store, bindings, ticks, engine: engine.clone() }, rest))
    }

    /// Hands settings to the plugin; the inner error is what it finds wrong with them.
    pub(crate) fn configure(
        &mut self,
        settings: &str,
    ) -> Result<Result<(), Vec<(String, String)>>, FailureEvent> {
        self.call(|bindings, store| bindings.configure(store, settings))
    }

    /// From here on it serves that exchange, and may use its capabilities.
    pub(crate) fn serve(&mut self, context: &ExchangeContext) {
        self.store.data_mut().serve(context);
    }

    /// Calls an export under the deadline. After an error the instance must be dropped.
    pub(crate) fn call<T, E>(
        &mut self,
        export: impl FnOnce(&Bindings, &mut Store<HostState>) -> Answer<T, E>,
    ) -> Result<Result<T, E>, FailureEvent> {
        self.store.set_epoch_deadline(self.ticks);
        self.store.data_mut().take_waited();
        export(&self.bindings, &mut self.store).map_err(|error| FailureEvent::of_call(&error))
    }

    /// What it has used since it was made.
    pub(crate) fn usage(&self) -> Usage {
        let fuel_left = self.store.get_fuel().ok();
        Usage {
            instructions: fuel_left.map(|left| FUEL.saturating_sub(left)),
            memory_bytes: self.engine.limits().memory_bytes.saturating_sub(self.store.data().memory_left()),
        }
    }
}

/// The instance in which a plugin sees its settings for the first time, when it is loaded.
pub(crate) struct Rehearsal {
    instance: Instance,
    whole: Whole,
}

impl Rehearsal {
    /// Makes one. Its calls take at most [`CONFIGURE_DEADLINE`] each.
    pub(crate) fn new(component: &Component, granted: &Arc<Granted>) -> Result<Self, FailureEvent> {
        let (instance, whole) = Instance::with(component.facts(), granted, CONFIGURE_DEADLINE, |store| {
            component.linked().instantiate_whole(store)
        })?;
        Ok(Self { instance, whole })
    }

    /// See [`Instance::configure`].
    pub(crate) fn configure(
        &mut self,
        settings: &str,
    ) -> Result<Result<(), Vec<(String, String)>>, FailureEvent> {
        self.instance.configure(settings)
    }

    /// What `configure` left behind; it has to have succeeded.
    pub(crate) fn state(mut self) -> Result<State, NoSnapshot> {
        self.instance.store.set_epoch_deadline(self.instance.ticks);
        State::read(&mut self.instance.store, &self.whole)
    }
}

/// More than any call can use before its deadline; what is left of it tells what was used.
const FUEL: u64 = i64::MAX as u64;

/// The one place where a store is made: no store without limits.
fn store(engine: &Engine, granted: Arc<Granted>) -> Store<HostState> {
    let limits = engine.limits();
    let state = HostState::new(limits, granted);
    let mut store = Store::new(engine.wasmtime(), state);
    store.limiter(|state| state);
    // A call has its time for itself; what it waited for others meanwhile has a limit of its own.
    store.epoch_deadline_callback(|mut store| match store.data_mut().take_waited() {
        Duration::ZERO => Err(Trap::Interrupt.into()),
        waited => Ok(UpdateDeadline::Continue(ticks(waited))),
    });
    store.set_hostcall_fuel(limits.transfer_bytes());
    match engine.metering() {
        Metering::Off => {}
        Metering::Fuel => store.set_fuel(FUEL).expect("an engine that meters takes fuel"),
    }
    store
}
