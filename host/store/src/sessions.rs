//! The trail told by session: a list of sessions, and one session's whole story. For `grille sessions`; no printing here.

use std::collections::BTreeMap;
use std::path::Path;

use grille_core::audit::{
    Event, ExchangeCompleted, ExchangeStarted, Record, SessionClosed, SessionOpened, SessionRefused,
};
use serde::Serialize;

use crate::reader::files;
use crate::{Damage, Entry, ReadError, Reader};

/// Fewest digits of a session's id that stand for it: as many as an error message's reference gives.
const ID_DIGITS_MIN: usize = 8;

/// How many ids an ambiguous one is answered with.
const EXAMPLES: usize = 3;

/// One session, in a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SessionSummary {
    /// Its id.
    pub session: String,
    /// When it was opened: RFC 3339, UTC. Empty if its first record is missing.
    pub opened_at: String,
    /// When it was closed; `None` while it is open, or if Grille ended without saying so.
    pub closed_at: Option<String>,
    /// Why it was closed.
    pub closed: Option<String>,
    /// `postgres`.
    pub protocol: String,
    /// The client's address and port.
    pub client: String,
    /// What the client calls itself; not verified.
    pub application: String,
    /// `sub`.
    pub principal: String,
    /// `human`, `workload`, `agent`.
    pub principal_kind: String,
    /// The role it had.
    pub role: String,
    /// The upstream it was connected to.
    pub upstream: String,
    /// Exchanges that were run.
    pub statements: u64,
    /// Exchanges that were not run.
    pub refused: u64,
    /// Rows returned.
    pub rows: u64,
    /// Values treated.
    pub treated: u64,
}

/// Sessions of a trail.
#[derive(Debug, Default)]
pub struct Listing {
    /// By the time they were opened.
    pub sessions: Vec<SessionSummary>,
    /// Clients turned away before they had a session.
    pub turned_away: Vec<TurnedAway>,
    /// Where the trail is not whole.
    pub damage: Vec<Damage>,
    /// Whether there are sessions, or there may be, that are older and not listed.
    pub is_cut: bool,
}

/// A client that never had a session.
#[derive(Debug, Serialize)]
pub struct TurnedAway {
    /// When: RFC 3339, UTC.
    pub at: String,
    /// What the record says.
    #[serde(flatten)]
    pub refused: SessionRefused,
}

/// One session, whole.
#[derive(Debug, Serialize)]
pub struct Story {
    /// The session in a line.
    pub summary: SessionSummary,
    /// Its first record, unless that is missing.
    pub opened: Option<SessionOpened>,
    /// Its exchanges, in order.
    pub exchanges: Vec<Exchange>,
    /// Where the trail is not whole, anywhere in it.
    #[serde(skip)]
    pub damage: Vec<Damage>,
}

/// One exchange of a [`Story`].
#[derive(Debug, Serialize)]
pub struct Exchange {
    /// When it was recorded: before it ran, or when it was refused.
    pub at: String,
    /// What the record says, the verdict included.
    #[serde(flatten)]
    pub started: ExchangeStarted,
    /// How it ended. `None` if it was refused, still runs, or Grille ended before it did.
    pub completed: Option<ExchangeCompleted>,
}

/// Reads the whole trail and sums it up.
///
/// # Errors
/// When a file cannot be read or was written by another version.
pub fn list(entries: impl Iterator<Item = Result<Entry, ReadError>>) -> Result<Listing, ReadError> {
    let mut sum = Sum::default();
    sum.add_all(entries)?;
    Ok(sum.listing())
}

/// Sums up the `last` sessions that were opened, reading no more files than that takes: the newest first, each whole.
/// Clients turned away and damage are those of the files read.
///
/// # Errors
/// When a file cannot be read or was written by another version.
pub fn list_last(directory: &Path, last: usize) -> Result<Listing, ReadError> {
    let mut unread = files(directory)?;
    let mut sum = Sum::default();
    while sum.opened < last
        && let Some(file) = unread.pop()
    {
        sum.add_all(Reader::of_file(file))?;
    }
    let mut listing = sum.listing();
    if !unread.is_empty() {
        // Their first records, and more of them, are in files that were not read.
        listing.sessions.retain(|session| !session.opened_at.is_empty());
        listing.is_cut = true;
    }
    let beyond = listing.sessions.len().saturating_sub(last);
    listing.is_cut |= beyond > 0;
    listing.sessions.drain(..beyond);
    Ok(listing)
}

/// Sessions being summed up, in whatever order their records come.
#[derive(Default)]
struct Sum {
    by_id: BTreeMap<String, SessionSummary>,
    /// How many of them have their first record.
    opened: usize,
    turned_away: Vec<TurnedAway>,
    damage: Vec<Damage>,
}

impl Sum {
    fn add_all(&mut self, entries: impl Iterator<Item = Result<Entry, ReadError>>) -> Result<(), ReadError> {
        for entry in entries {
            match entry? {
                Entry::Damage(damage) => self.damage.push(damage),
                Entry::Record(record) => match *record {
                    Record { event: Event::SessionRefused(refused), at, .. } => {
                        self.turned_away.push(TurnedAway { at, refused });
                    }
                    record => self.add(&record),
                },
            }
        }
        Ok(())
    }

    fn add(&mut self, record: &Record) {
        let Some(id) = session_of(&record.event) else { return };
        self.opened += usize::from(matches!(record.event, Event::SessionOpened(_)));
        if !self.by_id.contains_key(id) {
            let summary = SessionSummary { session: id.to_owned(), ..SessionSummary::default() };
            self.by_id.insert(id.to_owned(), summary);
        }
        if let Some(summary) = self.by_id.get_mut(id) {
            summary.add(record);
        }
    }

    fn listing(self) -> Listing {
        let Self { by_id, mut turned_away, damage, .. } = self;
        let mut sessions: Vec<_> = by_id.into_values().collect();
        sessions.sort_by(|a, b| a.opened_at.cmp(&b.opened_at));
        turned_away.sort_by(|a, b| a.at.cmp(&b.at));
        Listing { sessions, turned_away, damage, is_cut: false }
    }
}

fn session_of(event: &Event) -> Option<&str> {
    match event {
        Event::SessionOpened(SessionOpened { session, .. })
        | Event::ExchangeStarted(ExchangeStarted { session, .. })
        | Event::ExchangeRefused(ExchangeStarted { session, .. })
        | Event::ExchangeCompleted(ExchangeCompleted { session, .. })
        | Event::SessionClosed(SessionClosed { session, .. }) => Some(session),
        Event::SessionRefused(_) | Event::PluginStageChanged(_) => None,
    }
}

impl SessionSummary {
    fn add(&mut self, record: &Record) {
        match &record.event {
            Event::SessionOpened(opened) => self.open(record.at.clone(), opened),
            Event::ExchangeStarted(_) => self.statements += 1,
            Event::ExchangeRefused(_) => self.refused += 1,
            Event::ExchangeCompleted(completed) => {
                self.rows = self.rows.saturating_add(completed.rows);
                self.treated = completed.treated.values().fold(self.treated, |sum, &n| sum.saturating_add(n));
            }
            Event::SessionClosed(closed) => {
                self.closed_at = Some(record.at.clone());
                self.closed = Some(closed.reason.clone());
            }
            Event::SessionRefused(_) | Event::PluginStageChanged(_) => {}
        }
    }

    fn open(&mut self, at: String, opened: &SessionOpened) {
        self.opened_at = at;
        self.protocol.clone_from(&opened.protocol);
        self.client.clone_from(&opened.client);
        self.application.clone_from(&opened.application);
        self.principal.clone_from(&opened.principal);
        self.principal_kind.clone_from(&opened.principal_kind);
        self.role.clone_from(&opened.role);
        self.upstream.clone_from(&opened.upstream);
    }
}

/// What an operator asks for: a session's id or its beginning, or the reference from an error message, which names one
/// exchange too (`grille_core::CorrelationId`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    prefix: String,
    exchange: Option<u64>,
}

impl std::str::FromStr for Query {
    type Err = ReadError;

    fn from_str(text: &str) -> Result<Self, ReadError> {
        let not_an_id = || ReadError::NotAnId(text.to_owned());
        let (prefix, exchange) = match text.split_once('-') {
            Some((prefix, exchange)) => (prefix, Some(exchange.parse().map_err(|_| not_an_id())?)),
            None => (text, None),
        };
        if prefix.len() < ID_DIGITS_MIN || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(not_an_id());
        }
        Ok(Self { prefix: prefix.to_ascii_lowercase(), exchange })
    }
}

/// Reads the whole trail and tells one session's story.
///
/// # Errors
/// When a file cannot be read or was written by another version, and when not exactly one session matches.
pub fn show(
    entries: impl Iterator<Item = Result<Entry, ReadError>>,
    query: &Query,
) -> Result<Story, ReadError> {
    let mut stories: BTreeMap<String, Story> = BTreeMap::new();
    let mut damage = Vec::new();
    for entry in entries {
        match entry? {
            Entry::Damage(found) => damage.push(found),
            Entry::Record(record) => {
                if let Some(id) = session_of(&record.event)
                    && id.starts_with(&query.prefix)
                {
                    stories.entry(id.to_owned()).or_insert_with(|| Story::new(id)).add(*record);
                }
            }
        }
    }
    let mut story = only(stories, &query.prefix)?;
    if let Some(exchange) = query.exchange {
        story.exchanges.retain(|known| known.started.exchange == exchange);
    }
    Ok(Story { damage, ..story })
}

fn only(mut stories: BTreeMap<String, Story>, prefix: &str) -> Result<Story, ReadError> {
    if stories.len() > 1 {
        let examples: Vec<&str> = stories.keys().take(EXAMPLES).map(String::as_str).collect();
        return Err(ReadError::Ambiguous {
            prefix: prefix.to_owned(),
            count: stories.len(),
            examples: examples.join(", "),
        });
    }
    stories.pop_first().map(|(_, story)| story).ok_or_else(|| ReadError::NoSuchSession(prefix.to_owned()))
}

impl Story {
    fn new(id: &str) -> Self {
        Self {
            summary: SessionSummary { session: id.to_owned(), ..SessionSummary::default() },
            opened: None,
            exchanges: Vec::new(),
            damage: Vec::new(),
        }
    }

    fn add(&mut self, record: Record) {
        self.summary.add(&record);
        match record.event {
            Event::SessionOpened(opened) => self.opened = Some(opened),
            Event::ExchangeStarted(started) | Event::ExchangeRefused(started) => {
                self.exchanges.push(Exchange { at: record.at, started, completed: None });
            }
            Event::ExchangeCompleted(completed) => self.complete(completed),
            Event::SessionClosed(_) | Event::SessionRefused(_) | Event::PluginStageChanged(_) => {}
        }
    }

    fn complete(&mut self, completed: ExchangeCompleted) {
        let id = completed.exchange;
        // A pipeline completes in order, so the exchange meant is among the last ones.
        let open = self.exchanges.iter_mut().rev().find(|known| known.started.exchange == id);
        if let Some(exchange) = open {
            exchange.completed = Some(completed);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use grille_core::audit::{FORMAT_VERSION, Outcome};

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";
    const OTHER: &str = "01234567ffffffffffffffffffffffff";

    fn opened(session: &str) -> Event {
        Event::SessionOpened(SessionOpened {
            session: session.into(),
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
        })
    }

    fn exchange(session: &str, exchange: u64) -> ExchangeStarted {
        ExchangeStarted {
            session: session.into(),
            exchange,
            generation: 1,
            verdict: "allow".into(),
            reasons: Vec::new(),
            statements: Arc::new(Vec::new()),
            plugins: Arc::new(Vec::new()),
        }
    }

    fn completed(session: &str, exchange: u64) -> Event {
        Event::ExchangeCompleted(ExchangeCompleted {
            session: session.into(),
            exchange,
            outcome: Outcome::Completed,
            state: None,
            rows: 2,
            bytes: 100,
            treated: BTreeMap::from([("EMAIL_ADDRESS".into(), 2), ("US_SSN".into(), 1)]),
            latency_us: 900,
        })
    }

    fn trail(events: Vec<Event>) -> impl Iterator<Item = Result<Entry, ReadError>> {
        trail_at(events, 1).map(|record| Ok(Entry::Record(Box::new(record))))
    }

    /// The events as records numbered from `first`, one a second.
    fn trail_at(events: Vec<Event>, first: u64) -> impl Iterator<Item = Record> {
        events.into_iter().zip(first..).map(|(event, seq)| {
            let at = format!("2026-11-22T21:00:{seq:02}.000000Z");
            Record { v: FORMAT_VERSION, seq, at, event }
        })
    }

    fn story() -> Vec<Event> {
        vec![
            opened(ID),
            Event::ExchangeStarted(exchange(ID, 1)),
            Event::ExchangeStarted(exchange(ID, 2)),
            completed(ID, 1),
            Event::ExchangeRefused(exchange(ID, 3)),
            Event::SessionClosed(SessionClosed {
                session: ID.into(),
                reason: "shutdown".into(),
                exchanges: 3,
            }),
        ]
    }

    #[test]
    fn a_list_sums_each_session_up() {
        let listing = list(trail(story())).unwrap();
        expect_test::expect![[r#"
            [
              {
                "session": "0123456789abcdef0123456789abcdef",
                "opened_at": "2026-11-22T21:00:01.000000Z",
                "closed_at": "2026-11-22T21:00:06.000000Z",
                "closed": "shutdown",
                "protocol": "postgres",
                "client": "127.0.0.1:5000",
                "application": "psql",
                "principal": "ada",
                "principal_kind": "human",
                "role": "analyst",
                "upstream": "sales",
                "statements": 2,
                "refused": 1,
                "rows": 2,
                "treated": 3
              }
            ]"#]]
        .assert_eq(&serde_json::to_string_pretty(&listing.sessions).unwrap());
    }

    /// A file of the run's with these events, numbered on.
    fn write_file(directory: &Path, part: u64, events: Vec<Event>) {
        let lines: String = trail_at(events, part * 10)
            .map(|record| serde_json::to_string(&record).unwrap() + "\n")
            .collect();
        let name = format!("audit-20261122T210000-7-{part:05}.jsonl");
        std::fs::write(directory.join(name), lines).unwrap();
    }

    #[test]
    fn the_last_sessions_are_listed_without_reading_older_files() {
        let directory = tempfile::tempdir().unwrap();
        let long_lived = "ffffffffffffffffffffffffffffffff";
        let newest = "22222222222222222222222222222222";
        // Were it read, it would be told of.
        std::fs::write(directory.path().join("audit-20261122T200000-7-00001.jsonl"), "noise\n").unwrap();
        write_file(directory.path(), 1, vec![opened(long_lived), opened(ID), completed(ID, 1)]);
        write_file(directory.path(), 2, vec![completed(long_lived, 1), completed(ID, 2), opened(newest)]);
        let check = |last, expected: &[(&str, u64)], damage: usize, is_cut: bool| {
            let listing = list_last(directory.path(), last).unwrap();
            let sessions: Vec<_> =
                listing.sessions.iter().map(|session| (session.session.as_str(), session.rows)).collect();
            assert_eq!((sessions.as_slice(), listing.damage.len()), (expected, damage), "{last}");
            assert_eq!(listing.is_cut, is_cut, "{last}");
        };
        check(0, &[], 0, true);
        check(1, &[(newest, 0)], 0, true);
        check(2, &[(ID, 4), (newest, 0)], 0, true);
        check(3, &[(long_lived, 2), (ID, 4), (newest, 0)], 0, true);
        check(4, &[(long_lived, 2), (ID, 4), (newest, 0)], 1, false);
    }

    #[test]
    fn a_story_joins_starts_with_completions() {
        let story = show(trail(story()), &ID.parse().unwrap()).unwrap();
        let ended: Vec<bool> = story.exchanges.iter().map(|exchange| exchange.completed.is_some()).collect();
        assert_eq!(ended, [true, false, false]);
        assert!(serde_json::to_string(&story).is_ok());
    }

    #[test]
    fn a_reference_shows_one_exchange() {
        let story = show(trail(story()), &"01234567-3".parse().unwrap()).unwrap();
        let shown: Vec<u64> = story.exchanges.iter().map(|exchange| exchange.started.exchange).collect();
        assert_eq!(shown, [3]);
        assert_eq!(story.summary.statements, 2, "the summary is of the whole session");
    }

    #[test]
    fn what_matches_no_session_or_several_is_refused() {
        let check = |query: &str, expected: &str| {
            let found = show(trail(vec![opened(ID), opened(OTHER)]), &query.parse().unwrap());
            assert!(found.unwrap_err().to_string().contains(expected), "{query}");
        };
        check("ffffffff", "no session");
        check("01234567", "the beginning of 2 session ids");
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "0123456", "ghijklmnop", "01234567-", "01234567-x", "-1"] {
            assert!(text.parse::<Query>().is_err(), "{text}");
        }
    }
}
