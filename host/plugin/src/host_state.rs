//! What the host keeps beside an instance: its limits, and what its capabilities need.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wasmtime::ResourceLimiter;

use crate::failure::MemoryLimit;
use crate::limits::{
    CORE_INSTANCES_MAX, LOG_BYTES_MAX, LOG_MESSAGES_PER_SECOND, Limits, MEMORIES_MAX, TABLES_MAX,
};
use crate::untrusted::clean_text;

/// What the host keeps beside an instance: its limits, and what its capabilities need.
pub(crate) struct HostState {
    memory_left: usize,
    table_elements: usize,
    phase: Phase,
    log: Arc<GuestLog>,
}

/// What an instance is allowed depends on what it is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Must be pure: no capability but the log.
    Configuring,
    /// May use its capabilities.
    Serving,
}

impl HostState {
    pub(crate) fn new(limits: &Limits, log: Arc<GuestLog>) -> Self {
        let Limits { memory_bytes, table_elements, .. } = *limits;
        Self { memory_left: memory_bytes, table_elements, phase: Phase::Configuring, log }
    }

    pub(crate) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn log(&self, level: u32, message: &str) {
        self.log.write(level, message);
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

/// Where a plugin's own log messages go.
pub(crate) struct GuestLog {
    plugin: String,
    allowance: Allowance,
}

impl GuestLog {
    pub(crate) fn new(plugin: String) -> Self {
        Self { plugin, allowance: Allowance::new() }
    }

    fn write(&self, level: u32, message: &str) {
        if !self.allowance.take() {
            return;
        }
        let plugin = self.plugin.as_str();
        let message = clean_text(message, LOG_BYTES_MAX);
        match level {
            0 => tracing::trace!(target: "grille::guest", plugin, message),
            1 => tracing::debug!(target: "grille::guest", plugin, message),
            2 => tracing::info!(target: "grille::guest", plugin, message),
            3 => tracing::warn!(target: "grille::guest", plugin, message),
            _ => tracing::error!(target: "grille::guest", plugin, message),
        }
    }
}

/// So many messages a second, shared by all instances of a plugin.
struct Allowance {
    begun: Instant,
    /// The second in the upper half, the messages in it in the lower.
    used: AtomicU64,
}

impl Allowance {
    fn new() -> Self {
        Self { begun: Instant::now(), used: AtomicU64::new(0) }
    }

    fn take(&self) -> bool {
        self.take_at(self.begun.elapsed())
    }

    fn take_at(&self, since_begun: Duration) -> bool {
        let now = since_begun.as_secs() << 32;
        let next = |used: u64| {
            let used = used.max(now);
            ((used & u64::from(u32::MAX)) < u64::from(LOG_MESSAGES_PER_SECOND)).then_some(used + 1)
        };
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_lasts_a_second() {
        let allowance = Allowance::new();
        let taken = |at: u64| (0..1000).filter(|_| allowance.take_at(Duration::from_millis(at))).count();
        assert_eq!(taken(0), LOG_MESSAGES_PER_SECOND as usize);
        assert_eq!(taken(999), 0);
        assert_eq!(taken(1000), LOG_MESSAGES_PER_SECOND as usize);
        assert_eq!(taken(500), 0, "a late thread gets nothing of the past");
        assert_eq!(taken(9_500), LOG_MESSAGES_PER_SECOND as usize);
    }
}
