//! A policy that misbehaves as its settings or its client say: see ../README.md of the corpus.

mod misdeeds;

use grille_sdk::{Action, Decision, Diagnostic, Exchange, Failure, Policy};
use misdeeds::Settings;

grille_sdk::policy!(Hostile);

struct Hostile {
    settings: Settings,
    misdeed: String,
}

impl Policy for Hostile {
    type Settings = Settings;

    fn configure(settings: Settings) -> Result<Self, Vec<Diagnostic>> {
        Ok(Self { settings: settings.configured(), misdeed: String::new() })
    }

    fn begin(&mut self, exchange: &Exchange) -> Result<(), Failure> {
        self.misdeed = self.settings.misdeed(exchange);
        misdeeds::failure(&self.misdeed).map_or(Ok(()), |message| Err(Failure::new(message)))
    }

    fn decide(&mut self, action: &Action) -> Decision {
        misdeeds::commit(&self.misdeed);
        if let Some(reached) = misdeeds::reached(&self.misdeed) {
            return Decision::deny(reached);
        }
        match self.misdeed.as_str() {
            "giant-reason" => Decision::deny("x".repeat(32 << 20)),
            "bad-utf8" => Decision::deny(not_utf8()),
            "search" => Decision::deny(format!("search: {}", misdeeds::search())),
            "keep" => match misdeeds::keep(&action.text).as_str() {
                "" => Decision::allow(),
                kept => Decision::deny(format!("kept: {kept}")),
            },
            _ => Decision::allow(),
        }
    }
}

/// A "string" that the SDK hands over without looking at it.
fn not_utf8() -> String {
    // SAFETY: against the function's contract, and the purpose of this plugin. Nothing here reads it as text: its pointer and length
    // go to the host, which must refuse it.
    unsafe { String::from_utf8_unchecked(vec![0xff, 0xfe]) }
}
