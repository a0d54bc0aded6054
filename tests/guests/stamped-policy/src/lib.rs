//! A policy that says which revision it is. Its stamp is text in the component's data, which tests replace after the build: so
//! there are as many revisions as they need, each with a digest of its own, and what a session hears tells them apart. The
//! stamp's first word is what the revision does wrong.

use std::hint::black_box;

use grille_sdk::{Action, Decision, Diagnostic, Exchange, Failure, Policy};

/// Where the stamp is, for whoever replaces it; the harness knows it too.
const PREFIX: &str = "grille-test-stamp:";

/// [`PREFIX`], and the stamp, filled up with spaces.
static STAMP: [u8; 50] = *b"grille-test-stamp:honest 0                        ";

/// A statement that mentions it is refused, with the stamp as the reason.
const QUESTION: &str = "revision";

/// A statement that mentions it sets off what `trap` and `slow` do.
const PROVOCATION: &str = "misbehave";

/// How often `slow` turns: some milliseconds.
const TURNS: u64 = 5_000_000;

#[derive(serde::Deserialize)]
struct Settings {
    #[serde(default)]
    mark: String,
}

struct Stamped(Settings);

impl Policy for Stamped {
    type Settings = Settings;

    fn configure(settings: Settings) -> Result<Self, Vec<Diagnostic>> {
        if mode() == "spin-in-configure" {
            misdeeds::spin();
        }
        Ok(Self(settings))
    }

    fn begin(&mut self, _exchange: &Exchange) -> Result<(), Failure> {
        Ok(())
    }

    fn decide(&mut self, action: &Action) -> Decision {
        let provoked = action.text.contains(PROVOCATION);
        match mode() {
            "spin-in-decide" => misdeeds::spin(),
            "trap" if provoked => misdeeds::trap(),
            "slow" if provoked => waste_time(),
            _ => {}
        }
        if action.text.contains(QUESTION) {
            return Decision::deny(format!("{} [{}]", stamp(), self.0.mark));
        }
        Decision::allow()
    }
}

/// Read where a compiler cannot know what is there.
fn stamp() -> &'static str {
    let stamp = str::from_utf8(black_box(&STAMP)).unwrap_or_default();
    stamp.strip_prefix(PREFIX).unwrap_or_default().trim_end()
}

fn mode() -> &'static str {
    stamp().split(' ').next().unwrap_or_default()
}

/// A chain in which each step needs the one before, so that a compiler has to leave it as it is.
fn waste_time() {
    let chain =
        (0..TURNS).fold(black_box(1_u64), |link, turn| (link ^ turn).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    black_box(chain);
}

grille_sdk::policy!(Stamped);
