//! `{{id}}`: finds ticket numbers.

use grille_sdk::{Cell, Detector, Diagnostic, Findings, Label, Support};

grille_sdk::detector!(TicketNumber);

/// What the operator may set; `settings.schema.json` says the same.
#[derive(serde::Deserialize)]
struct Settings {
    #[serde(default = "prefix_by_default")]
    prefix: String,
}

fn prefix_by_default() -> String {
    "TICKET".to_owned()
}

/// The first label of plugin.toml.
const TICKET_NUMBER: Label = Label(0);

struct TicketNumber {
    /// With its hyphen.
    prefix: String,
}

impl Detector for TicketNumber {
    type Settings = Settings;

    fn configure(settings: Settings) -> Result<Self, Vec<Diagnostic>> {
        if settings.prefix.is_empty() {
            return Err(vec![Diagnostic::new("/prefix", "digits alone could be anything")]);
        }
        Ok(Self { prefix: settings.prefix + "-" })
    }

    fn inspect(&self, cell: Cell<'_>, out: &mut Findings) {
        for (start, _) in cell.text.match_indices(&self.prefix) {
            let rest = &cell.text[start + self.prefix.len()..];
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if (4..=8).contains(&digits) {
                let end = start + self.prefix.len() + digits;
                out.add(TICKET_NUMBER, start..end, 800, Support::NONE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use grille_sdk::testing::{Manifest, detector, inspect};

    use super::*;

    #[test]
    fn plugin_toml_says_the_truth() {
        Manifest::parse(include_str!("../plugin.toml")).check_detector::<TicketNumber>();
    }

    #[test]
    fn the_operator_chooses_the_prefix() {
        let mut session = detector::<TicketNumber>(r#"{"prefix": "OPS"}"#).expect("good settings");
        let found: Vec<_> =
            inspect(&mut session, "OPS-4711, TICKET-4711").iter().map(|one| one.text).collect();
        assert_eq!(found, ["OPS-4711"]);
        assert!(detector::<TicketNumber>(r#"{"prefix": ""}"#).is_err());
    }
}
