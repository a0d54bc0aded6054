//! Inputs that nobody thought of: random ones, drawn from a component's digest, so that the same build is given the same and
//! the next build others.

use grille_core::untrusted::CellBlock;
use grille_plugin::{ActionWords, ObjectWords};

/// How many inputs a plugin is given.
pub(super) const INPUTS: usize = 200;

/// Most cells of a block, objects of an action, and characters of a text.
const CELLS_MAX: usize = 64;
const OBJECTS_MAX: usize = 8;
const CHARACTERS_MAX: usize = 120;

/// Words that the host may use, among which random ones are strewn.
const KINDS: [&str; 8] = ["select", "insert", "update", "delete", "drop", "copy", "do", "set"];
const OBJECT_KINDS: [&str; 4] = ["relation", "function", "schema", "column"];
const ACCESSES: [&str; 5] = ["read", "write", "drop", "execute", "create"];
const FEATURES: [&str; 4] = ["no-where", "copy-program", "function-call", "temporary"];

/// What texts are drawn from: what detectors look for, and what may confuse them.
const CHARACTERS: [&str; 6] = [
    "0123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "@.-+ ()/:_",
    "\u{0}\t\n\"'\\%$;",
    "éß😀\u{301}\u{202e}\u{feff}",
];

/// Draws inputs.
pub(super) struct Random(fastrand::Rng);

impl Random {
    /// The same inputs for the same digest in hexadecimal.
    pub(super) fn of(digest: &str) -> Self {
        let head = digest.get(..16).and_then(|head| u64::from_str_radix(head, 16).ok());
        Self(fastrand::Rng::with_seed(head.unwrap_or_default()))
    }

    /// Up to `most`, included.
    fn up_to(&mut self, most: usize) -> usize {
        self.0.usize(..=most)
    }

    fn one_of<'w>(&mut self, words: &[&'w str]) -> &'w str {
        self.0.choice(words).copied().unwrap_or_default()
    }

    fn text(&mut self) -> String {
        let length = self.up_to(CHARACTERS_MAX);
        let mut class = self.one_of(&CHARACTERS);
        let mut text = String::new();
        for _ in 0..length {
            // Stretches of one kind, as in data.
            if self.up_to(5) == 0 {
                class = self.one_of(&CHARACTERS);
            }
            text.extend(self.0.choice(class.chars().collect::<Vec<_>>()));
        }
        text
    }

    /// One of the words, or seldom some text.
    fn word(&mut self, words: &[&str]) -> String {
        if self.up_to(7) == 0 { self.text() } else { self.one_of(words).to_owned() }
    }

    fn words(&mut self, words: &[&str]) -> Vec<String> {
        (0..self.up_to(words.len())).map(|_| self.word(words)).collect()
    }

    /// For detectors and maskers.
    pub(super) fn block(&mut self) -> CellBlock {
        let cells: Vec<String> = (0..self.up_to(CELLS_MAX)).map(|_| self.text()).collect();
        CellBlock::of_column(0, cells.iter().map(String::as_str)).unwrap_or_default()
    }

    /// For policies.
    pub(super) fn action(&mut self) -> ActionWords {
        let effects = grille_core::action::EFFECT_WORDS.map(|(_, word)| word);
        let object = |random: &mut Self| ObjectWords {
            kind: random.word(&OBJECT_KINDS),
            name: random.text(),
            access: random.word(&ACCESSES),
        };
        ActionWords {
            kind: self.word(&KINDS),
            effects: self.words(&effects),
            objects: (0..self.up_to(OBJECTS_MAX)).map(|_| object(self)).collect(),
            features: self.words(&FEATURES),
            text: self.text(),
            ..ActionWords::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_draws_the_same_inputs_again_and_another_digest_others() {
        let draw = |digest: &str| {
            let mut random = Random::of(digest);
            (0..50).map(|_| random.action()).collect::<Vec<_>>()
        };
        let (one, other) = ("00000000000000aa".repeat(4), "00000000000000ab".repeat(4));
        assert_eq!(draw(&one), draw(&one));
        assert_ne!(draw(&one), draw(&other));
    }

    #[test]
    fn texts_have_all_kinds_of_characters() {
        let mut random = Random::of("0123456789abcdef");
        let text: String = (0..200).map(|_| random.text()).collect();
        for class in CHARACTERS {
            assert!(class.chars().all(|c| text.contains(c)), "{class:?}");
        }
    }
}
