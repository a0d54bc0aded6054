//! What a slot's plugin decides, as the audit log tells it: every exchange in which it had a say, with who asked.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use grille_core::audit::{Event, ExchangeCompleted, ExchangeStarted, Outcome, Record, SessionOpened};
use grille_plugin::World;
use grille_store::{Follower, ReadError, sessions};
use serde::Serialize;

/// Most sessions whose principals are known at once. Those of more are not named.
const SESSIONS_MAX: usize = 10_000;

/// Most exchanges whose ends are awaited at once. More are told before they end.
const UNDER_WAY_MAX: usize = 1_000;

/// How many sessions of the past are looked through for those that are still open.
const PAST_SESSIONS: usize = 1_000;

/// Follows one slot.
pub(super) struct Decisions {
    follower: Follower,
    slot: String,
    told: Told,
    sessions: HashMap<String, Asker>,
    under_way: HashMap<(String, u64), Judgement>,
}

/// When an exchange is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// When it was judged: a policy has then said all.
    Judged,
    /// When it has ended: only then is it known what was found.
    Ended,
}

#[derive(Clone, Debug)]
struct Asker {
    principal: String,
    role: String,
}

/// An exchange in which the plugin had a say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Judgement {
    /// RFC 3339, UTC.
    pub(super) at: String,
    pub(super) session: String,
    pub(super) exchange: u64,
    /// None if the session began too long ago.
    pub(super) principal: Option<String>,
    /// None if the session began too long ago.
    pub(super) role: Option<String>,
    /// Of all who were asked.
    pub(super) verdict: String,
    pub(super) reasons: Vec<String>,
    /// Without their literals.
    pub(super) statements: Vec<String>,
    /// The component that judged: SHA-256, hexadecimal.
    pub(super) digest: String,
    pub(super) generation: u64,
    /// How it ended, where that was waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<Outcome>,
    /// Values treated, by label.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) treated: BTreeMap<String, u64>,
}

impl Decisions {
    /// From now on.
    ///
    /// # Errors
    /// When the audit directory cannot be read.
    pub(super) fn follow(directory: &Path, slot: &str, world: World) -> Result<Self, ReadError> {
        let follower = Follower::from_now(directory)?;
        let past = sessions::list_last(directory, PAST_SESSIONS)?.sessions;
        let open = past.into_iter().filter(|session| session.closed_at.is_none());
        let sessions = open.map(|one| (one.session, Asker { principal: one.principal, role: one.role }));
        let told = match world {
            World::Policy => Told::Judged,
            World::Detector | World::Masker => Told::Ended,
        };
        Ok(Self {
            follower,
            slot: slot.to_owned(),
            told,
            sessions: sessions.collect(),
            under_way: HashMap::new(),
        })
    }

    /// What has been decided since the last look.
    ///
    /// # Errors
    /// When the audit log cannot be read.
    pub(super) fn look(&mut self) -> Result<Vec<Judgement>, ReadError> {
        let followed = self.follower.look()?;
        Ok(followed.records.into_iter().filter_map(|record| self.told_by(record)).collect())
    }

    fn told_by(&mut self, record: Record) -> Option<Judgement> {
        match record.event {
            Event::SessionOpened(opened) => self.know(opened),
            Event::SessionClosed(closed) => _ = self.sessions.remove(&closed.session),
            Event::ExchangeStarted(started) => return self.started(record.at, &started),
            Event::ExchangeRefused(refused) => return self.judgement(record.at, &refused),
            Event::ExchangeCompleted(completed) => return self.ended(completed),
            // Of what else is recorded, nothing is an exchange.
            _ => {}
        }
        None
    }

    fn know(&mut self, opened: SessionOpened) {
        if self.sessions.len() < SESSIONS_MAX {
            let SessionOpened { session, principal, role, .. } = opened;
            self.sessions.insert(session, Asker { principal, role });
        }
    }

    fn started(&mut self, at: String, started: &ExchangeStarted) -> Option<Judgement> {
        let judgement = self.judgement(at, started)?;
        if self.told == Told::Judged || self.under_way.len() >= UNDER_WAY_MAX {
            return Some(judgement);
        }
        self.under_way.insert((judgement.session.clone(), judgement.exchange), judgement);
        None
    }

    fn ended(&mut self, completed: ExchangeCompleted) -> Option<Judgement> {
        let ExchangeCompleted { session, exchange, outcome, treated, .. } = completed;
        let judgement = self.under_way.remove(&(session, exchange))?;
        Some(Judgement { outcome: Some(outcome), treated, ..judgement })
    }

    /// None if the plugin had no say.
    fn judgement(&self, at: String, started: &ExchangeStarted) -> Option<Judgement> {
        let plugin = started.plugins.iter().find(|record| record.plugin == self.slot)?;
        let asker = self.sessions.get(&started.session);
        Some(Judgement {
            at,
            session: started.session.clone(),
            exchange: started.exchange,
            principal: asker.map(|asker| asker.principal.clone()),
            role: asker.map(|asker| asker.role.clone()),
            verdict: started.verdict.clone(),
            reasons: started.reasons.clone(),
            statements: started.statements.iter().map(|statement| statement.text.clone()).collect(),
            digest: plugin.digest.clone(),
            generation: started.generation,
            outcome: None,
            treated: BTreeMap::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::fs::OpenOptions;
    use std::io::Write;

    use serde_json::{Value, json};

    use super::*;

    struct Log {
        directory: tempfile::TempDir,
        written: u64,
    }

    impl Log {
        fn new() -> Self {
            Self { directory: tempfile::tempdir().unwrap(), written: 0 }
        }

        fn write(&mut self, events: &[Value]) {
            let path = self.directory.path().join("audit-20261123T100000-7-00001.jsonl");
            let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
            for event in events {
                self.written += 1;
                let at = format!("2026-11-23T10:00:{:02}.000000Z", self.written);
                let record = json!({"v": 1, "seq": self.written, "at": at, "event": event});
                writeln!(file, "{record}").unwrap();
            }
        }

        fn follow(&self, world: World) -> Decisions {
            Decisions::follow(self.directory.path(), "mine", world).unwrap()
        }
    }

    fn opened(session: &str) -> Value {
        json!({"session-opened": {"session": session, "protocol": "postgres", "client": "c", "issuer": "i",
            "principal": format!("{session}-ada"), "principal_kind": "human", "groups": [], "role": "analyst",
            "upstream": "u", "tls": true}})
    }

    fn closed(session: &str) -> Value {
        json!({"session-closed": {"session": session, "reason": "client closed", "exchanges": 1}})
    }

    fn judged(event: &str, session: &str, exchange: u64, plugins: &[&str]) -> Value {
        let plugins: Vec<Value> = plugins
            .iter()
            .map(|name| json!({"plugin": name, "world": "policy", "digest": "d1", "settings": "s"}))
            .collect();
        json!({event: {"session": session, "exchange": exchange, "generation": 3, "verdict": "deny",
            "reasons": ["plugin mine: no"], "plugins": plugins,
            "statements": [{"kind": "select", "text": "SELECT $1", "fingerprint": "0", "effects": []}]}})
    }

    fn completed(session: &str, exchange: u64) -> Value {
        json!({"exchange-completed": {"session": session, "exchange": exchange, "outcome": "completed", "rows": 1,
            "bytes": 1, "treated": {"TICKET_NUMBER": 2}, "latency_us": 1}})
    }

    /// Each as `principal exchange treated`.
    fn check(decisions: &mut Decisions, expected: &[&str]) {
        let line = |one: Judgement| {
            let principal = one.principal.unwrap_or_else(|| "?".to_owned());
            format!("{principal} {} {}", one.exchange, one.treated.values().sum::<u64>())
        };
        let told: Vec<String> = decisions.look().unwrap().into_iter().map(line).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn only_exchanges_in_which_the_plugin_had_a_say_are_told() {
        let mut log = Log::new();
        log.write(&[opened("old"), judged("exchange-refused", "old", 1, &["mine"])]);
        let mut decisions = log.follow(World::Policy);
        log.write(&[
            judged("exchange-started", "old", 2, &["guard", "mine"]),
            judged("exchange-refused", "old", 3, &["guard"]),
            opened("new"),
            judged("exchange-refused", "new", 1, &["mine"]),
            judged("exchange-refused", "unknown", 1, &["mine"]),
            completed("old", 2),
        ]);
        check(&mut decisions, &["old-ada 2 0", "new-ada 1 0", "? 1 0"]);
        log.write(&[closed("old"), judged("exchange-refused", "old", 4, &["mine"])]);
        check(&mut decisions, &["? 4 0"]);
    }

    #[test]
    fn what_a_detector_found_is_told_at_the_end() {
        let mut log = Log::new();
        let mut decisions = log.follow(World::Detector);
        log.write(&[opened("s"), judged("exchange-started", "s", 1, &["mine"])]);
        check(&mut decisions, &[]);
        log.write(&[judged("exchange-refused", "s", 2, &["mine"]), completed("s", 1), completed("s", 9)]);
        check(&mut decisions, &["s-ada 2 0", "s-ada 1 2"]);
    }

    #[test]
    fn a_judgement_says_what_was_decided_and_by_which_component() {
        let mut log = Log::new();
        let mut decisions = log.follow(World::Policy);
        log.write(&[opened("s"), judged("exchange-refused", "s", 1, &["mine"])]);
        let told = json!(decisions.look().unwrap());
        assert_eq!(
            told,
            json!([{"at": "2026-11-23T10:00:02.000000Z", "session": "s", "exchange": 1, "principal": "s-ada",
                "role": "analyst", "verdict": "deny", "reasons": ["plugin mine: no"], "statements": ["SELECT $1"],
                "digest": "d1", "generation": 3}])
        );
    }

    #[test]
    fn what_is_awaited_is_bounded() {
        let mut log = Log::new();
        let mut decisions = log.follow(World::Masker);
        let started: Vec<Value> = (0..=UNDER_WAY_MAX as u64)
            .map(|exchange| judged("exchange-started", "s", exchange, &["mine"]))
            .collect();
        log.write(&started);
        assert_eq!(decisions.look().unwrap().len(), 1);
    }
}
