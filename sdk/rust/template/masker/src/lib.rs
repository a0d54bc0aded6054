//! `{{id}}`: keeps the shape of a value and nothing else.

use grille_sdk::{Cell, Diagnostic, Masker};

grille_sdk::masker!(KeepShape);

/// What the operator may set; `settings.schema.json` says the same.
#[derive(serde::Deserialize)]
struct Settings {}

struct KeepShape;

impl Masker for KeepShape {
    type Settings = Settings;

    fn configure(_settings: Settings) -> Result<Self, Vec<Diagnostic>> {
        Ok(Self)
    }

    fn mask(&self, cell: Cell<'_>, out: &mut String) {
        out.extend(cell.text.chars().map(|c| match c {
            _ if c.is_uppercase() => 'X',
            _ if c.is_alphabetic() => 'x',
            _ if c.is_numeric() => '0',
            _ => c,
        }));
    }
}

#[cfg(test)]
mod tests {
    use grille_sdk::testing::{Manifest, mask, masker};

    use super::*;

    #[test]
    fn plugin_toml_says_the_truth() {
        Manifest::parse(include_str!("../plugin.toml")).check_masker::<KeepShape>();
    }

    #[test]
    fn only_the_shape_is_left() {
        let mut session = masker::<KeepShape>("{}").expect("good settings");
        for (text, expected) in [("Åse 47", "Xxx 00"), ("---", "---"), ("", "")] {
            assert_eq!(mask(&mut session, text), expected);
        }
    }
}
