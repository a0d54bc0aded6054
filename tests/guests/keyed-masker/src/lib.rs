//! A masker that makes keyed values, by the method and in the domain that its settings name.

use grille_sdk::{Cell, Diagnostic, Masker, keyed};

#[derive(serde::Deserialize)]
struct Settings {
    #[serde(default)]
    domain: String,
    #[serde(default)]
    method: Option<String>,
}

struct Keyed(Settings);

impl Masker for Keyed {
    type Settings = Settings;

    fn configure(settings: Settings) -> Result<Self, Vec<Diagnostic>> {
        Ok(Self(settings))
    }

    fn mask(&self, cell: Cell<'_>, out: &mut String) {
        let method = self.0.method.as_deref().unwrap_or(keyed::TOKEN);
        let made = keyed::transform(method, &self.0.domain, &[cell.text.as_bytes()]).expect("a known method");
        out.push_str(std::str::from_utf8(&made[0]).expect("printable"));
    }
}

grille_sdk::masker!(Keyed);
