//! Generations that are active no more. Each is kept until nobody uses it: to take one apart (compiled code, remembered
//! decisions) takes milliseconds, which must not fall to the session that happens to be the last to leave it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::generation::Generation;

/// How often it is looked, while there are any, whether one is not used any more.
const SWEEP_INTERVAL: Duration = Duration::from_millis(200);

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Retired {
    generations: Mutex<Vec<Arc<Generation>>>,
    arrived: Notify,
}

impl Retired {
    /// Takes one that is active no more.
    pub(crate) fn take(&self, generation: Arc<Generation>) {
        self.generations.lock().push(generation);
        self.arrived.notify_one();
    }

    /// How many are still in use.
    pub(crate) fn in_use(&self) -> usize {
        self.generations.lock().iter().filter(|generation| !generation.is_deserted()).count()
    }

    /// Takes those apart that nobody uses; gives how many are left. Blocks the thread for some milliseconds each.
    pub(crate) fn sweep(&self) -> usize {
        let mut generations = self.generations.lock();
        let deserted: Vec<_> = generations.extract_if(.., |generation| generation.is_deserted()).collect();
        let left = generations.len();
        drop(generations);
        drop(deserted);
        left
    }
}

/// Sweeps whenever there is something to sweep. Never returns; cancel safe.
pub(crate) async fn keep_sweeping(retired: Arc<Retired>) {
    loop {
        retired.arrived.notified().await;
        loop {
            sleep(SWEEP_INTERVAL).await;
            let swept = Arc::clone(&retired);
            // A panic there has been reported by its own hook; the next sweep goes on.
            if spawn_blocking(move || swept.sweep()).await.is_ok_and(|left| left == 0) {
                break;
            }
        }
    }
}
