//! Whose inputs are wanted, and how many of them were missed: all that a session looks at on its way past. Nothing here waits
//! for anybody.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use grille_core::PluginId;

/// The plugins whose inputs are wanted. Nearly always none.
#[derive(Debug, Default)]
pub(super) struct Interest {
    /// Those with a candidate in the shadow that is asked.
    pub(super) shadowed: BTreeMap<PluginId, Arc<Missed>>,
    /// Those that are recorded.
    pub(super) recorded: BTreeMap<PluginId, Arc<Missed>>,
}

/// Inputs that were wanted and not had.
#[derive(Debug, Default)]
pub(super) struct Missed {
    /// Not at all.
    dropped: AtomicU64,
    /// Not whole.
    cut: AtomicU64,
}

impl Interest {
    pub(super) fn is_none(&self) -> bool {
        self.shadowed.is_empty() && self.recorded.is_empty()
    }
}

impl Missed {
    pub(super) fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn cut_one(&self) {
        self.cut.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }
}
