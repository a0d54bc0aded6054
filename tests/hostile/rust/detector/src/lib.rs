//! A detector that misbehaves as its settings or its client say: see ../README.md of the corpus.

#[expect(dead_code, reason = "what lies outside is the policy's to tell")]
mod misdeeds;

use grille_sdk::{Cell, Detector, Diagnostic, Exchange, Failure, Field, Findings, Label, Support};
use misdeeds::Settings;

grille_sdk::detector!(Hostile);

const MARKED: Label = Label(0);

struct Hostile {
    settings: Settings,
    misdeed: String,
    /// Finds nothing: what it does where something of another exchange is left.
    is_blind: bool,
}

impl Detector for Hostile {
    type Settings = Settings;

    fn configure(settings: Settings) -> Result<Self, Vec<Diagnostic>> {
        Ok(Self { settings: settings.configured(), misdeed: String::new(), is_blind: false })
    }

    fn begin(&mut self, exchange: &Exchange, _fields: &[Field]) -> Result<(), Failure> {
        self.misdeed = self.settings.misdeed(exchange);
        self.is_blind = match self.misdeed.as_str() {
            "blind" => true,
            "keep" => !misdeeds::keep("anything").is_empty(),
            "search" => misdeeds::search() > 0,
            _ => false,
        };
        misdeeds::failure(&self.misdeed).map_or(Ok(()), |message| Err(Failure::new(message)))
    }

    fn inspect(&self, cell: Cell<'_>, out: &mut Findings) {
        misdeeds::commit(&self.misdeed);
        let whole = 0..cell.text.len();
        match self.misdeed.as_str() {
            "giant-result" => {
                (0..10_000_000).for_each(|_| out.add(MARKED, whole.clone(), 900, Support::NONE));
            }
            "out-of-range" => out.add(MARKED, whole.end..whole.end + 9, 900, Support::NONE),
            "backwards" => out.add(MARKED, whole.end..0, 900, Support::NONE),
            "unknown-label" => out.add(Label(7), whole, 900, Support::NONE),
            _ if !self.is_blind => out.add(MARKED, whole, 900, Support::NONE),
            _ => {}
        }
    }
}
