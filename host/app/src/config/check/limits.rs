//! Limits stay within what makes sense: a limit that is off is none.

use std::fmt::Display;
use std::time::Duration;

use grille_proxy::STATEMENT_BYTES_MAX;

use super::Check;
use crate::config::PluginLimits;
use crate::config::at::At;
use crate::config::file::Limits;
use crate::config::scalar::{ByteSize, Period};

/// The limits that are the data plane's.
pub(super) struct ProxyLimits {
    pub(super) authentication_timeout: Duration,
    pub(super) connections_max: usize,
    pub(super) message_bytes_max: usize,
    pub(super) statement_bytes_max: usize,
    pub(super) drain_timeout: Duration,
}

impl Check<'_> {
    /// Limits of connections and messages.
    pub(super) fn proxy_limits(&mut self, limits: &Limits) -> Option<ProxyLimits> {
        let authentication =
            self.period("authentication_timeout", &limits.authentication_timeout, 1000, 300_000);
        let connections = self.within("connections_max", &limits.connections_max, 1, 1_000_000);
        let message = self.within(
            "message_bytes_max",
            &limits.message_bytes_max,
            ByteSize(64 << 10),
            ByteSize(1 << 30),
        );
        let statement = self.within(
            "statement_bytes_max",
            &limits.statement_bytes_max,
            ByteSize(64 << 10),
            ByteSize(STATEMENT_BYTES_MAX),
        );
        let drain = self.period("drain_timeout", &limits.drain_timeout, 0, 3_600_000);
        Some(ProxyLimits {
            authentication_timeout: authentication?,
            connections_max: connections?,
            message_bytes_max: message?.0,
            statement_bytes_max: statement?.0,
            drain_timeout: drain?,
        })
    }

    /// Limits of one plugin instance.
    pub(super) fn plugin_limits(&mut self, limits: &Limits) -> Option<PluginLimits> {
        let deadline = self.period("plugin_deadline", &limits.plugin_deadline, 1, 10_000);
        let memory =
            self.within("plugin_memory", &limits.plugin_memory, ByteSize(1 << 20), ByteSize(1 << 30));
        Some(PluginLimits { deadline: deadline?, memory_bytes: memory?.0 })
    }

    /// A length of time within bounds given in milliseconds.
    pub(super) fn period(
        &mut self,
        key: &str,
        at: &At<Period>,
        min_ms: u64,
        max_ms: u64,
    ) -> Option<Duration> {
        let [min, max] = [min_ms, max_ms].map(|ms| Period(Duration::from_millis(ms)));
        self.within(key, at, min, max).map(|period| period.0)
    }

    fn within<T: Copy + PartialOrd + Display>(&mut self, key: &str, at: &At<T>, min: T, max: T) -> Option<T> {
        if (min..=max).contains(&**at) {
            return Some(**at);
        }
        self.error(at, format!("`{key}` must be from {min} to {max}"));
        None
    }
}
