//! Our own cancel keys: which session a CancelRequest means. The upstream's keys never leave Grille.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::rand;
use grille_wire::postgres::{CancelKey, PROTOCOL_3_2};
use parking_lot::Mutex;
use subtle::ConstantTimeEq;

use crate::upstream::CancelTarget;

/// Length of the secrets given to clients that speak protocol 3.2 or later; 4 to 256 are allowed.
const SECRET_BYTES: usize = 32;
/// Length of the secrets given to clients that speak 3.0, which knows no other.
const SECRET_BYTES_3_0: usize = 4;

/// The sessions that may be canceled.
#[derive(Debug, Default)]
pub(crate) struct CancelRegistry {
    sessions: Mutex<HashMap<u32, Entry>>,
}

#[derive(Debug)]
struct Entry {
    secret: Box<[u8]>,
    target: CancelTarget,
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
    process: u32,
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
        let mut sessions = self.sessions.lock();
        let process = loop {
            let process = u32::from_be_bytes(random()?) >> 1;
            if process != 0 && !sessions.contains_key(&process) {
                break process;
            }
        };
        sessions.insert(process, Entry { secret: secret.clone(), target });
        Ok((CancelKey { process, secret }, Registration { registry: Arc::clone(self), process }))
    }

    /// The session that the key is for.
    pub(crate) fn find(&self, key: &CancelKey) -> Option<CancelTarget> {
        let sessions = self.sessions.lock();
        let entry = sessions.get(&key.process)?;
        bool::from(entry.secret.ct_eq(&key.secret)).then(|| entry.target.clone())
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.sessions.lock().remove(&self.process);
    }
}
