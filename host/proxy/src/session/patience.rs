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

/// What the request at hand waits for, and since when anything waits.
#[derive(Debug, Default)]
pub(super) struct Patience {
    wait: Option<Wait>,
    /// Since when a request has waited, this one or one before it that the server has not answered yet.
    since: Option<Instant>,
}

#[derive(Debug)]
struct Wait {
    others: Waiting,
    next: Next,
    end: Ending,
}

/// When what is in the way is looked at again.
#[derive(Clone, Copy, Debug)]
enum Next {
    Turn,
    /// At the next turn, or then.
    Until(Instant),
    AtOnce,
}

/// How waiting ends, beside by what it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Open,
    /// There was always something new.
    GivenUp,
    /// The client does not want it any more.
    Canceled,
}

impl Patience {
    /// Begins to wait, unless it does already: whether it did so just now, and what is in the way must be looked at again.
    pub(super) fn begin(&mut self, participant: &Participant) -> bool {
        let begins = self.wait.is_none();
        if begins {
            self.since.get_or_insert_with(Instant::now);
            self.wait = Some(Wait { others: participant.wait(), next: Next::Turn, end: Ending::Open });
        }
        begins
    }

    /// Whether it may go on waiting.
    pub(super) fn is_left(&mut self, longest: Duration) -> bool {
        let until = self.since.map(|since| since + longest).filter(|until| Instant::now() < *until);
        if let Some(wait) = &mut self.wait {
            wait.next = until.map_or(Next::Turn, Next::Until);
        }
        self.wait.is_some() && until.is_some()
    }

    /// It is judged again, once the session has looked at all else.
    pub(super) fn again(&mut self) {
        if let Some(wait) = &mut self.wait {
            wait.next = Next::AtOnce;
        }
    }

    /// There was always something new, and there is no patience left.
    pub(super) fn give_up(&mut self) {
        self.end_by(Ending::GivenUp);
    }

    pub(super) fn has_given_up(&self) -> bool {
        self.ends_by(Ending::GivenUp)
    }

    /// The client does not want an answer any more.
    pub(super) fn cancel(&mut self) {
        self.end_by(Ending::Canceled);
    }

    pub(super) fn is_canceled(&self) -> bool {
        self.ends_by(Ending::Canceled)
    }

    fn end_by(&mut self, end: Ending) {
        if let Some(wait) = &mut self.wait {
            wait.end = end;
        }
    }

    fn ends_by(&self, end: Ending) -> bool {
        self.wait.as_ref().is_some_and(|wait| wait.end == end)
    }

    /// The request was answered, or there is none any more. Those behind it have what is left of the time.
    pub(super) fn end(&mut self) {
        self.wait = None;
    }

    /// Everything was answered: who waits next has all the time.
    pub(super) fn renew(&mut self) {
        if self.wait.is_none() {
            self.since = None;
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.wait.is_some()
    }

    /// Waits until something in the way may have gone, or patience is at its end. Cancel safe.
    pub(super) async fn over(&mut self) {
        let Some(wait) = &mut self.wait else { return std::future::pending().await };
        match wait.next {
            // Once: it may wait for something else next.
            Next::AtOnce => wait.next = Next::Turn,
            Next::Turn => wait.others.turned().await,
            Next::Until(until) => tokio::select! {
                () = wait.others.turned() => {}
                () = sleep_until(until) => {}
            },
        }
    }
}
