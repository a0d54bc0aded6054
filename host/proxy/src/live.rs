//! The sessions that are open, an operator's word to one of them, and the word to all that a generation is new. What a session
//! does with such a word is its own matter.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use grille_core::SessionId;
use grille_core::audit::SessionOpened;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Fewest digits of a session's id that stand for it: as many as an error message's reference gives.
const ID_DIGITS_MIN: usize = 8;
/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 200;
/// Longest time to wait for a session that was told to end: its last words to both sides take less.
const END_TIMEOUT: Duration = Duration::from_secs(15);

/// An open session.
#[derive(Clone, Debug)]
pub struct LiveSession {
    /// The record of its beginning.
    pub opened: Arc<SessionOpened>,
    /// How long it has been open.
    pub age: Duration,
}

/// That a session shall end, by whom and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KillOrder {
    by: String,
    reason: Option<String>,
}

/// An order that cannot be taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reason has at most {REASON_CHARS_MAX} characters, none of which steers a terminal")]
pub struct BadReason;

/// Why no session was ended.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KillError {
    /// It is no id and no beginning of one.
    #[error("`{0}` is not a session's id: give its first {ID_DIGITS_MIN} or more hexadecimal digits")]
    NotAnId(String),
    /// Nothing that is open has that id.
    #[error("no open session has the id `{0}`")]
    NotOpen(String),
    /// Several open sessions have ids that begin so.
    #[error("{count} open sessions have ids that begin with `{prefix}`: give more digits")]
    Ambiguous {
        /// What was asked for.
        prefix: String,
        /// How many there are.
        count: usize,
    },
    /// It was told to end, and has not in time.
    #[error("session {0} was told to end and has not within {END_TIMEOUT:?}")]
    StillOpen(String),
}

impl KillOrder {
    /// From `by`, a few words of the host's for who gave it.
    ///
    /// # Errors
    /// When the reason could not be shown as it is in the client's terminal and the audit log.
    pub fn new(by: impl Into<String>, reason: Option<String>) -> Result<Self, BadReason> {
        let fits = |reason: &String| {
            reason.chars().count() <= REASON_CHARS_MAX && !reason.chars().any(char::is_control)
        };
        if reason.as_ref().is_none_or(fits) { Ok(Self { by: by.into(), reason }) } else { Err(BadReason) }
    }

    /// For the audit record.
    pub(crate) fn record(&self) -> String {
        match &self.reason {
            Some(reason) => format!("killed by {}: {reason}", self.by),
            None => format!("killed by {}", self.by),
        }
    }

    /// Why, as the client may be told.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }
}

/// All open sessions.
#[derive(Debug, Default)]
pub(crate) struct LiveSessions {
    sessions: Mutex<HashMap<SessionId, Arc<Entry>>>,
}

#[derive(Debug)]
struct Entry {
    opened: Arc<SessionOpened>,
    since: Instant,
    order: OnceLock<KillOrder>,
    /// There is something to look at.
    told: Notify,
    ended: CancellationToken,
}

/// A session's place among the open ones; it ends with the session.
#[derive(Debug)]
pub(crate) struct Place {
    id: SessionId,
    all: Arc<LiveSessions>,
    entry: Arc<Entry>,
}

impl LiveSessions {
    /// Enters a session.
    pub(crate) fn enter(self: &Arc<Self>, id: SessionId, opened: SessionOpened) -> Place {
        let entry = Arc::new(Entry {
            opened: Arc::new(opened),
            since: Instant::now(),
            order: OnceLock::new(),
            told: Notify::new(),
            ended: CancellationToken::new(),
        });
        self.sessions.lock().insert(id, Arc::clone(&entry));
        // What it was made for may have gone by now, and whoever told of it did not find it here.
        entry.told.notify_one();
        Place { id, all: Arc::clone(self), entry }
    }

    /// Tells every session that there is something new to look at.
    pub(crate) fn tell_all(&self) {
        self.sessions.lock().values().for_each(|entry| entry.told.notify_one());
    }

    /// The open sessions, the oldest first.
    pub(crate) fn list(&self) -> Vec<LiveSession> {
        let describe =
            |entry: &Arc<Entry>| LiveSession { opened: entry.opened.clone(), age: entry.since.elapsed() };
        let mut all: Vec<_> = self.sessions.lock().values().map(describe).collect();
        all.sort_by_key(|session| std::cmp::Reverse(session.age));
        all
    }

    /// Tells the session whose id begins with `prefix` to end, and waits until it has. Gives its whole id. The first order
    /// is the one that counts.
    ///
    /// Cancel safe: the session ends all the same.
    pub(crate) async fn kill(&self, prefix: &str, order: KillOrder) -> Result<String, KillError> {
        let entry = self.find(prefix)?;
        let id = entry.opened.session.clone();
        // An order that comes second changes nothing: the session is ending.
        let _ = entry.order.set(order);
        entry.told.notify_one();
        match timeout(END_TIMEOUT, entry.ended.cancelled()).await {
            Ok(()) => Ok(id),
            Err(_) => Err(KillError::StillOpen(id)),
        }
    }

    fn find(&self, prefix: &str) -> Result<Arc<Entry>, KillError> {
        if prefix.len() < ID_DIGITS_MIN || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(KillError::NotAnId(prefix.to_owned()));
        }
        let wanted = prefix.to_ascii_lowercase();
        let sessions = self.sessions.lock();
        let mut found = sessions.values().filter(|entry| entry.opened.session.starts_with(&wanted));
        match (found.next(), found.count()) {
            (None, _) => Err(KillError::NotOpen(wanted)),
            (Some(entry), 0) => Ok(Arc::clone(entry)),
            (Some(_), more) => Err(KillError::Ambiguous { prefix: wanted, count: more + 1 }),
        }
    }
}

impl Place {
    /// The order to end, if one was given.
    pub(crate) fn order(&self) -> Option<&KillOrder> {
        self.entry.order.get()
    }

    /// Waits until there may be an order to end, or a new generation; at first there may. For one waiter. Cancel safe: what
    /// came while nobody waited is told to the next who does.
    pub(crate) async fn told(&self) {
        self.entry.told.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.sessions.lock().remove(&self.id);
        self.entry.ended.cancel();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    fn opened(session: &str) -> SessionOpened {
        SessionOpened {
            session: session.to_owned(),
            protocol: "postgres".into(),
            client: "127.0.0.1:5000".into(),
            application: "psql".into(),
            issuer: "https://id.example.com".into(),
            principal: "ada".into(),
            principal_kind: "human".into(),
            groups: vec!["analysts".into()],
            token_id: None,
            role: "analyst".into(),
            upstream: "sales".into(),
            tls: true,
        }
    }

    fn enter(all: &Arc<LiveSessions>, byte: u8, last: u8) -> Place {
        let mut bytes = [byte; 16];
        bytes[15] = last;
        let id = SessionId::from_random(bytes);
        all.enter(id, opened(&id.to_string()))
    }

    fn is_told(place: &Place) -> bool {
        pin!(place.told()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    fn order(reason: &str) -> KillOrder {
        KillOrder::new("uid 1000", Some(reason.to_owned())).expect("a good reason")
    }

    #[tokio::test]
    async fn what_names_no_session_or_several_ends_none() {
        let all = Arc::new(LiveSessions::default());
        let places = [enter(&all, 0xab, 1), enter(&all, 0xab, 2)];
        let check = async |prefix: &str, expected: KillError| {
            assert_eq!(all.kill(prefix, order("x")).await, Err(expected), "{prefix}");
        };
        check("", KillError::NotAnId(String::new())).await;
        check("abababa", KillError::NotAnId("abababa".into())).await;
        check("abababag", KillError::NotAnId("abababag".into())).await;
        check("cdcdcdcd", KillError::NotOpen("cdcdcdcd".into())).await;
        check("ABABABAB", KillError::Ambiguous { prefix: "abababab".into(), count: 2 }).await;
        assert!(places.iter().all(|place| place.order().is_none()));
    }

    #[tokio::test]
    async fn whoever_kills_waits_for_the_end() {
        let all = Arc::new(LiveSessions::default());
        let place = enter(&all, 0xab, 1);
        let id = place.entry.opened.session.clone();
        let session = tokio::spawn(async move {
            while place.order().is_none() {
                place.told().await;
            }
            place.order().map(KillOrder::record)
        });
        assert_eq!(all.kill(&id[..8], order("maintenance")).await, Ok(id.clone()));
        let record = session.await.expect("it ends");
        assert_eq!(record.as_deref(), Some("killed by uid 1000: maintenance"));
        assert_eq!(all.kill(&id, order("again")).await, Err(KillError::NotOpen(id)));
    }

    #[tokio::test]
    async fn no_word_is_lost_on_one_who_was_not_waiting() {
        let all = Arc::new(LiveSessions::default());
        let places = [enter(&all, 1, 0), enter(&all, 2, 0)];
        for place in &places {
            place.told().await;
            assert!(!is_told(place), "it has been told once of what was before it");
        }
        all.tell_all();
        all.tell_all();
        for place in &places {
            assert!(is_told(place));
            assert!(!is_told(place), "one look is enough for several words");
        }
    }

    #[test]
    fn the_oldest_is_listed_first_and_what_has_ended_is_not() {
        let all = Arc::new(LiveSessions::default());
        let [first, second] = [enter(&all, 1, 0), enter(&all, 2, 0)];
        let ids = || all.list().iter().map(|live| live.opened.session[..2].to_owned()).collect::<Vec<_>>();
        assert_eq!(ids(), ["01", "02"]);
        drop(first);
        assert_eq!(ids(), ["02"]);
        drop(second);
        assert!(ids().is_empty());
    }

    #[test]
    fn a_reason_is_short_and_steers_no_terminal() {
        let check = |reason: &str, good| {
            assert_eq!(KillOrder::new("x", Some(reason.to_owned())).is_ok(), good, "{reason:?}");
        };
        check("", true);
        check("Wartung für 5 Minuten", true);
        check(&"ä".repeat(REASON_CHARS_MAX), true);
        check(&"ä".repeat(REASON_CHARS_MAX + 1), false);
        check("a\u{1b}[2J", false);
        check("a\nb", false);
        assert_eq!(KillOrder::new("uid 0", None).map(|order| order.record()), Ok("killed by uid 0".into()));
    }
}
