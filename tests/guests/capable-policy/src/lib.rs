//! A policy that uses its capabilities as its settings say, and answers with what came of it: an allowed statement has its
//! result as the row cap, a denied one as the reason.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use grille_sdk::{Action, Decision, Diagnostic, Exchange, Failure, Policy, clock, egress, log, state};

/// What to do.
#[derive(Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Use {
    /// Row cap: milliseconds since the epoch.
    Clock,
    /// Row cap: how many statements there were within a minute.
    Count,
    /// Denies with the text of the statement before, which it kept.
    Keep,
    /// Row cap: how many of 100 large values are still there.
    Hoard,
    /// Row cap: the status of a reply; denied with the failure.
    Ask,
    /// Row cap: how many of ten requests were answered.
    AskOften,
    /// Asks while it is being configured.
    AskInConfigure,
    /// Row cap: how often this instance's memory saw a statement before.
    Statics,
}

#[derive(serde::Deserialize)]
struct Settings {
    #[serde(rename = "use")]
    what: Use,
    #[serde(default)]
    url: String,
}

struct Capable(Settings);

/// Left behind for the next exchange, if it gets this memory.
static SEEN: AtomicU64 = AtomicU64::new(0);

const MINUTE: Duration = Duration::from_secs(60);

impl Policy for Capable {
    type Settings = Settings;

    fn configure(settings: Settings) -> Result<Self, Vec<Diagnostic>> {
        log::write(log::Level::Debug, "being configured");
        if matches!(settings.what, Use::AskInConfigure) {
            // Ends the call; the answer does not come.
            let _ = state::get("k");
        }
        Ok(Self(settings))
    }

    fn begin(&mut self, _exchange: &Exchange) -> Result<(), Failure> {
        Ok(())
    }

    fn decide(&mut self, action: &Action) -> Decision {
        match self.answer(action) {
            Ok(Answer::Number(number)) => Decision::allow().with_row_cap(number),
            Ok(Answer::Text(text)) => Decision::deny(text),
            Err(failure) => Decision::deny(failure.message),
        }
    }
}

enum Answer {
    Number(u64),
    Text(String),
}

impl Capable {
    fn answer(&self, action: &Action) -> Result<Answer, Failure> {
        Ok(match self.0.what {
            Use::Clock => Answer::Number(u64::try_from(clock::now().as_millis()).unwrap_or(0)),
            Use::Count => Answer::Number(state::add("count", 1, MINUTE)?.unsigned_abs()),
            Use::Keep => {
                let before = state::get("last")?.unwrap_or_default();
                state::set("last", action.text.as_bytes(), MINUTE)?;
                Answer::Text(format!("before: {}", String::from_utf8_lossy(&before)))
            }
            Use::Hoard => Answer::Number(hoard()?),
            Use::Ask | Use::AskInConfigure => {
                Answer::Number(egress::Request::get(&self.0.url).send()?.status.into())
            }
            Use::AskOften => {
                let answered = (0..10).filter(|_| egress::Request::get(&self.0.url).send().is_ok());
                Answer::Number(answered.count() as u64)
            }
            Use::Statics => Answer::Number(SEEN.fetch_add(1, Ordering::Relaxed)),
        })
    }
}

fn hoard() -> Result<u64, Failure> {
    for n in 0..100 {
        state::set(&format!("n{n}"), &[7; 16_000], MINUTE)?;
    }
    let mut left = 0;
    for n in 0..100 {
        left += u64::from(state::get(&format!("n{n}"))?.is_some());
    }
    Ok(left)
}

grille_sdk::policy!(Capable);
