//! How long a session waits for others before a statement is judged or sent. What is in the way is the business of
//! `catalog::definitions`.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::catalog::{Participant, Waiting};

/// How long a statement waits for another session to settle what it has defined, or is waiting to define: as long as a short
/// migration takes. The server would make it wait as well, for the lock on what is defined.
pub(super) const STATEMENT_PATIENCE: Duration = Duration::from_secs(5);
/// How long a definition waits for statements and transactions of others that rest on what it touches. The server would make
/// it wait without a limit; here it cannot tell a deadlock.
pub(super) const DEFINITION_PATIENCE: Duration = Duration::from_secs(10);

/// What the request at hand waits for, and since when.
#[derive(Debug, Default)]
pub(super) struct Patience(Option<Wait>);

#[derive(Debug)]
struct Wait {
    others: Waiting,
    since: Instant,
    /// Until then, where others are in the way.
    until: Option<Instant>,
}

impl Patience {
    /// Begins to wait, unless it does already: whether it did so just now, and what is in the way must be looked at again.
    pub(super) fn begin(&mut self, participant: &Participant) -> bool {
        let begins = self.0.is_none();
        if begins {
            self.0 = Some(Wait { others: participant.wait(), since: Instant::now(), until: None });
        }
        begins
    }

    /// Whether it may go on waiting.
    pub(super) fn is_left(&mut self, longest: Duration) -> bool {
        self.0.as_mut().is_some_and(|wait| {
            let until = wait.since + longest;
            wait.until = (Instant::now() < until).then_some(until);
            wait.until.is_some()
        })
    }

    /// The request was answered, or there is none any more.
    pub(super) fn end(&mut self) {
        self.0 = None;
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.0.is_some()
    }

    /// Waits until something in the way may have gone, or patience is at its end. Cancel safe.
    pub(super) async fn over(&mut self) {
        let Some(wait) = &mut self.0 else { return std::future::pending().await };
        match wait.until {
            None => wait.others.turned().await,
            Some(until) => tokio::select! {
                () = wait.others.turned() => {}
                () = sleep_until(until) => {}
            },
        }
    }
}
