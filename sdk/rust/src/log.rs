//! Capability: the host's log. Messages are cut at 1 KiB and rate-limited. No component that sees cell contents may have it.

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace = 0,
    /// For the plugin's author.
    Debug = 1,
    /// For the operator, in good times.
    Info = 2,
    /// Somebody should look some day.
    Warn = 3,
    /// Somebody should look now.
    Error = 4,
}

/// Writes one message; in native tests to standard error.
pub fn write(level: Level, message: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::component::policy::bindings::grille::plugin::log::write(level as u32, message);
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{level:?}: {message}");
}
