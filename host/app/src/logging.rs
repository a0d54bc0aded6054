//! Grille's own log: lines of JSON or text on standard error.

use anyhow::{Context, anyhow};
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogSettings};

/// Starts the log. Once for a process.
pub(crate) fn start(settings: &LogSettings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.level).context("log level")?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match settings.format {
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Text => log.with_ansi(false).try_init(),
    };
    started.map_err(|error| anyhow!("cannot start the log: {error}"))
}
