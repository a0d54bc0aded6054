//! What the host keeps beside an instance: its limits, and what its capabilities need.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::ResourceLimiter;

use crate::capability::{EgressError, Granted, GuestRequest, KeyedError, Namespace, OutboundReply, Values};
use crate::context::{Clock, ExchangeContext};
use crate::failure::{ForbiddenCall, MemoryLimit};
use crate::limits::{
    CORE_INSTANCES_MAX, EGRESS_REQUESTS_MAX, EGRESS_TIME_MAX, Limits, MEMORIES_MAX, TABLES_MAX,
};

/// What the host keeps beside an instance: its limits, and what its capabilities need.
pub(crate) struct HostState {
    memory_left: usize,
    table_elements: usize,
    granted: Arc<Granted>,
    /// None until it serves: before, it must be pure, and may only log.
    serving: Option<Serving>,
}

/// What an instance may use while it serves one exchange.
pub(crate) struct Serving {
    clock: Clock,
    namespace: Option<Arc<Namespace>>,
    requests_left: u32,
    /// Of [`EGRESS_TIME_MAX`].
    time_left: Duration,
    /// Time that the current call spent waiting for others and has not been given back yet.
    waited: Duration,
}

impl HostState {
    pub(crate) fn new(limits: &Limits, granted: Arc<Granted>) -> Self {
        let Limits { memory_bytes, table_elements, .. } = *limits;
        Self { memory_left: memory_bytes, table_elements, granted, serving: None }
    }

    /// How many bytes its memories may still grow by.
    pub(crate) fn memory_left(&self) -> usize {
        self.memory_left
    }

    /// From here on it serves that exchange.
    pub(crate) fn serve(&mut self, context: &ExchangeContext) {
        self.serving = Some(Serving {
            clock: context.clock,
            namespace: self.granted.state.as_ref().map(|state| state.of(&context.session.role)),
            requests_left: EGRESS_REQUESTS_MAX,
            time_left: EGRESS_TIME_MAX,
            waited: Duration::ZERO,
        });
    }

    pub(crate) fn log(&self, level: u32, message: &str) {
        self.granted.log.write(level, message);
    }

    /// What it may use now.
    pub(crate) fn serving(&mut self) -> Result<&mut Serving, ForbiddenCall> {
        self.serving.as_mut().ok_or(ForbiddenCall)
    }

    /// What time it is, in milliseconds since the Unix epoch.
    pub(crate) fn now_ms(&mut self) -> Result<u64, ForbiddenCall> {
        Ok(self.serving()?.clock.now_ms())
    }

    /// Where it keeps values.
    pub(crate) fn namespace(&mut self) -> Result<&Namespace, ForbiddenCall> {
        self.serving()?.namespace.as_deref().ok_or(ForbiddenCall)
    }

    /// Transforms values under a key.
    pub(crate) fn transform(
        &mut self,
        method: &str,
        domain: &str,
        input: &Values,
    ) -> Result<Result<Values, KeyedError>, ForbiddenCall> {
        self.serving()?;
        let keyed = self.granted.keyed.as_ref().ok_or(ForbiddenCall)?;
        Ok(keyed.transforms.transform(&keyed.plugin, method, domain, input))
    }

    /// Sends a request, within what is left to the exchange of requests and time.
    pub(crate) fn fetch(
        &mut self,
        request: GuestRequest,
    ) -> Result<Result<OutboundReply, EgressError>, ForbiddenCall> {
        let serving = self.serving.as_mut().ok_or(ForbiddenCall)?;
        let egress = self.granted.egress.as_ref().ok_or(ForbiddenCall)?;
        if serving.requests_left == 0 || serving.time_left.is_zero() {
            return Ok(Err(EgressError::Spent));
        }
        serving.requests_left -= 1;
        let begun = Instant::now();
        let reply = egress.fetch(request, serving.time_left);
        let waited = begun.elapsed().min(serving.time_left);
        serving.time_left -= waited;
        serving.waited += waited;
        Ok(reply)
    }

    /// How long the current call waited for others since this was asked last.
    pub(crate) fn take_waited(&mut self) -> Duration {
        self.serving.as_mut().map_or(Duration::ZERO, |serving| std::mem::take(&mut serving.waited))
    }
}

impl ResourceLimiter for HostState {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let left = self.memory_left.checked_sub(desired.saturating_sub(current)).ok_or(MemoryLimit)?;
        self.memory_left = left;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= self.table_elements)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX as usize
    }

    fn tables(&self) -> usize {
        TABLES_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX as usize
    }
}
