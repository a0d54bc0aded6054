//! What stands behind `log`: the host's own log, with a bound on how much a plugin may say.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::limits::{LOG_BYTES_MAX, LOG_MESSAGES_PER_SECOND};
use crate::untrusted::clean_text;

/// Where a plugin's own log messages go.
pub(crate) struct GuestLog {
    plugin: String,
    allowance: Allowance,
}

impl GuestLog {
    pub(crate) fn new(plugin: String) -> Self {
        Self { plugin, allowance: Allowance::new() }
    }

    pub(crate) fn write(&self, level: u32, message: &str) {
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
