//! Our own cancel keys: which session a CancelRequest means. The upstream's secrets never leave Grille; its process ids do,
//! because clients compare them with `pg_backend_pid()` and with the sender of a notification.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::rand;
use grille_wire::postgres::{CancelKey, PROTOCOL_3_2};
use parking_lot::Mutex;
use subtle::ConstantTimeEq;
use tokio::sync::Notify;

use crate::upstream::CancelTarget;

/// Length of the secrets given to clients that speak protocol 3.2 or later; 4 to 256 are allowed.
const SECRET_BYTES: usize = 32;
/// Length of the secrets given to clients that speak 3.0, which knows no other.
const SECRET_BYTES_3_0: usize = 4;

/// The sessions that may be canceled, by process id. Those of different upstreams can have the same.
#[derive(Debug, Default)]
pub(crate) struct CancelRegistry {
    sessions: Mutex<HashMap<u32, Vec<Entry>>>,
}

#[derive(Debug)]
struct Entry {
    secret: Box<[u8]>,
    target: CancelTarget,
    asked: Arc<Notify>,
}

/// Randomness could not be had.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random bytes")]
pub(crate) struct NoRandomness;

/// Draws random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// A session's entry; it ends with the session.
#[derive(Debug)]
pub(crate) struct Registration {
    registry: Arc<CancelRegistry>,
    key: CancelKey,
    asked: Arc<Notify>,
}

impl Registration {
    /// Waits until the client asks for what is under way to be canceled. Cancel safe; what was asked before does not count.
    pub(crate) async fn canceled(&self) {
        self.asked.notified().await;
    }
}

impl CancelRegistry {
    /// Makes a key for a session that speaks `protocol`.
    pub(crate) fn register(
        self: &Arc<Self>,
        protocol: u32,
        target: CancelTarget,
    ) -> Result<(CancelKey, Registration), NoRandomness> {
        let secret: Box<[u8]> = if protocol >= PROTOCOL_3_2 {
            random::<SECRET_BYTES>()?.into()
        } else {
            random::<SECRET_BYTES_3_0>()?.into()
        };
        let key = CancelKey { process: target.process(), secret: secret.clone() };
        let asked = Arc::new(Notify::new());
        let entry = Entry { secret, target, asked: Arc::clone(&asked) };
        self.sessions.lock().entry(key.process).or_default().push(entry);
        Ok((key.clone(), Registration { registry: Arc::clone(self), key, asked }))
    }

    /// The session that the key is for. It is told.
    pub(crate) fn find(&self, key: &CancelKey) -> Option<CancelTarget> {
        let sessions = self.sessions.lock();
        let meant = sessions.get(&key.process)?.iter().find(|entry| entry.secret.ct_eq(&key.secret).into());
        meant.map(|entry| {
            entry.asked.notify_waiters();
            entry.target.clone()
        })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut sessions = self.registry.sessions.lock();
        if let Some(entries) = sessions.get_mut(&self.key.process) {
            entries.retain(|entry| entry.secret != self.key.secret);
            if entries.is_empty() {
                sessions.remove(&self.key.process);
            }
        }
    }
}
